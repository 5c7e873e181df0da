/* gmm.h: one pass of expectation-maximisation for Gaussian mixtures. */
#ifndef CORTEN_LEARN_GMM_H
#define CORTEN_LEARN_GMM_H

#include "../real.h"

typedef struct {
    const real *X;          /* (n, d) */
    const real *means;      /* (k, d) */
    const real *factor;     /* full: (k, d, d) upper Cholesky factors U of the precisions; else (k, d) their roots */
    const double *constant; /* (k) log weight + log det U - d/2 log 2 pi */
    int64_t n, d, k;
    int64_t factor_step; /* from one component's factor to the next; 0 when all share it */
    int full;
} gmm_model;

typedef struct {
    int64_t (*work)(int64_t n, int64_t d, int64_t k, int full, int moments); /* bytes */
    /* log p(x_i) to log_prob (n), responsibilities to resp (n, k), when not NULL; the sum of log p.
     * With mass != NULL also the moments about the present means, e = x - mean_j, r the responsibilities:
     *   mass[j] = sum r, first[j] = sum r e (d), second[j] = sum r e e' (the upper triangle row by row, or the
     * diagonal) */
    double (*step)(const gmm_model *m, real *log_prob, real *resp, double *mass, double *first, double *second,
                   void *work);
} ct_gmm_api;

#endif

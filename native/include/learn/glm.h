/* glm.h: scores of linear models, and the loss and gradient of logistic regression. */
#ifndef CORTEN_LEARN_GLM_H
#define CORTEN_LEARN_GLM_H

#include "../real.h"

typedef struct {
    /* S (n, K) = X (n, p) W^T + b, and softmax or sigmoid of it when `link` is 1 (K = 1: the probability of class 1) */
    int64_t (*scores_work)(int64_t n, int64_t p, int64_t K);
    void (*scores)(real *S, int64_t s_row,       /* (n, K) */
                   const real *X, int64_t x_row, /* (n, p), unit column stride */
                   const real *W, int64_t w_row, /* (K, p) */
                   const real *b,                /* (K) or NULL */
                   int link, int64_t n, int64_t p, int64_t K, void *work);
    void (*scores_csr)(real *S, int64_t s_row,                                          /* (n, K) */
                       const real *data, const int32_t *indices, const int32_t *indptr, /* (n, p) in CSR */
                       const real *Wt,                                                  /* (p, K) contiguous */
                       const real *b,                                                   /* (K) or NULL */
                       int link, int64_t n, int64_t K);
    /* Multinomial (K >= 3) or binomial (K = 1) log loss: returns sum_i w_i loss_i; G (K, p) = sum_i w_i r_i x_i^T and
     * g (K) = sum_i w_i r_i with the residual r = probability - one-hot(y). */
    int64_t (*loss_work)(int64_t n, int64_t p, int64_t K);
    double (*loss)(double *G,                    /* (K, p) */
                   double *g,                    /* (K) */
                   real *P,                      /* (n, K) probabilities out, or NULL */
                   const real *X, int64_t x_row, /* (n, p) */
                   const int32_t *y,             /* (n) class numbers; 0 or 1 when K = 1 */
                   const real *w,                /* (n) or NULL */
                   const real *W, const real *b, /* (K, p) contiguous, (K) */
                   int64_t n, int64_t p, int64_t K, void *work);
    double (*loss_csr)(double *Gt, /* (p, K), transposed */
                       double *g, real *P, const real *data, const int32_t *indices, const int32_t *indptr,
                       const int32_t *y, const real *w, const real *Wt /* (p, K) */, const real *b, int64_t n,
                       int64_t p, int64_t K, void *work);
    int64_t (*loss_csr_work)(int64_t n, int64_t p, int64_t K);
    /* G (K, p) = S^T X in double; workspace as for `loss` */
    void (*outer)(double *G, const real *S /* (n, K) */, const real *X /* (n, p) */, int64_t x_row, int64_t n,
                  int64_t p, int64_t K, void *work);
    void (*link)(real *S, int64_t n, int64_t K); /* scores (n, K) to probabilities, in place */
} ct_glm_api;

extern const ct_glm_api CT_NAME(ct_glm);

#endif

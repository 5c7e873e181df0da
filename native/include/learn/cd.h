/* cd.h: coordinate descent for the lasso and the elastic net. */
#ifndef CORTEN_LEARN_CD_H
#define CORTEN_LEARN_CD_H

#include "../real.h"

enum cd_mode { CD_GRAM = 0, CD_COLUMNS = 1, CD_CSC = 2 };

/* minimise 1/2 (y - X w)^T S (y - X w) + alpha |w|_1 + beta/2 |w|_2^2, S = diag(sample weights) or the identity */
typedef struct {
    int mode; /* enum cd_mode */
    int positive, random, screening;
    int64_t n, p;
    double alpha, beta;
    double tol, tol_step; /* stop when the duality gap is <= tol; look at it when |dw| <= tol_step |w| */
    uint32_t seed;        /* of random selection, not 0 */
    /* CD_GRAM */
    const double *Q, *q; /* (p, p) X^T S X, (p) X^T S y */
    double yy;           /* y^T S y */
    /* CD_COLUMNS and CD_CSC */
    const real *X; /* (n, p), unit row stride */
    int64_t x_col;
    const real *data; /* CSC */
    const int32_t *indices, *indptr;
    const real *y, *sample_weight; /* (n), weights only for CSC, or NULL */
    const double *mean;            /* (p) subtracted from CSC columns, or NULL */
    /* state, allocated by the caller */
    double *w;            /* (p) start in, result out */
    double *H;            /* (p) Q w, CD_GRAM */
    real *R;              /* (n) y - X w without the offset, others */
    double *norm2, *XtR;  /* (p) */
    int32_t *active;      /* (p) */
    uint8_t *excluded;    /* (p) */
    double offset, r_sum; /* R is short of offset in each row; weighted sum of the true residual */
    int64_t n_active, iter;
    double gap;
} cd_problem;

typedef struct {
    int (*start)(cd_problem *problem);                                     /* 1: already converged */
    int (*run)(cd_problem *problem, int64_t iterations, int64_t max_iter); /* 1: converged, 0: more to do or max_iter */
} ct_cd_api;

extern const ct_cd_api CT_NAME(ct_cd);

#endif

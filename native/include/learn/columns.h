/* columns.h: statistics of columns and affine maps of them, NaN-aware. */
#ifndef CORTEN_LEARN_COLUMNS_H
#define CORTEN_LEARN_COLUMNS_H

#include "../real.h"

typedef struct {
    int64_t (*work)(int64_t n, int64_t p);
    /* Over the values that are not NaN, with d = x - shift: weight = sum w, sum = sum w d, squares = sum w d^2, and
     * extremes (low = infinity and high = -infinity for a column of NaN). */
    void (*stats)(double *weight, double *sum, double *squares, /* (p) each */
                  real *low, real *high,                        /* (p) each */
                  const real *X, int64_t x_row,                 /* (n, p), unit column stride */
                  const real *w,                                /* (n) or NULL */
                  const real *shift,                            /* (p), finite */
                  int64_t n, int64_t p, void *work);
    /* out = (x - a) / b, or x * b + a with `forward` 0; a or b may be NULL; then clipped to [low, high] if `clip`.
     * Returns 1 when some x is infinite, else 0. `out` may be X. */
    int (*affine)(real *out, int64_t out_row, const real *X, int64_t x_row, const real *a, const real *b, int forward,
                  int clip, double low, double high, int64_t n, int64_t p);
    /* S (n, K) = constant_k - 1/2 sum_j (x_ij - mean_kj)^2 inverse_kj */
    void (*gauss)(real *S, const real *X, int64_t x_row, const real *mean, const real *inverse, const double *constant,
                  int64_t n, int64_t p, int64_t K);
} ct_columns_api;

extern const ct_columns_api CT_NAME(ct_columns);

#endif

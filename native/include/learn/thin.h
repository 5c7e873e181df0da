/* thin.h: products of a tall or wide table with few columns, for random projections. */
#ifndef CORTEN_LEARN_THIN_H
#define CORTEN_LEARN_THIN_H

#include "../real.h"

typedef struct {
    int64_t (*work)(int64_t n, int64_t p, int64_t K); /* bytes of workspace for either product */
    /* Y (n, K) = X Q - offset */
    void (*times)(real *Y, const real *X, int64_t x_row, /* (n, p), unit column stride */
                  const real *Q,                         /* (p, K) */
                  const real *offset,                    /* (K) */
                  int64_t n, int64_t p, int64_t K, void *work);
    /* Z (p, K) = X^T Y - mean sums^T */
    void (*transposed_times)(real *Z, const real *X, int64_t x_row, const real *Y, /* (n, K) */
                             const real *mean /* (p) */, const real *sums /* (K) */, int64_t n, int64_t p, int64_t K,
                             void *work);
} ct_thin_api;

extern const ct_thin_api CT_NAME(ct_thin);

#endif

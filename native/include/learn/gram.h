/* gram.h: the one pass over the data that most linear models need. */
#ifndef CORTEN_LEARN_GRAM_H
#define CORTEN_LEARN_GRAM_H

#include "../real.h"

typedef struct {
    int64_t (*work)(int64_t n, int64_t p, int64_t t); /* bytes of workspace for `gram` */
    /* G = sum_i w_i z_i z_i^T with z_i = [x_i - shift, y_i - shift_y, 1], in double; the whole square is written.
     * The last row of G is the weighted sum of z, its last element the sum of the weights.  NaN and infinities in the
     * data reach G's diagonal. */
    void (*gram)(double *G,                    /* (p + t + 1, p + t + 1) */
                 const real *X, int64_t x_row, /* (n, p), unit column stride */
                 const real *Y, int64_t y_row, /* (n, t), unit column stride */
                 const real *w,                /* (n), not negative, or NULL for ones */
                 const real *shift,            /* (p + t), any values near the columns' means */
                 int64_t n, int64_t p, int64_t t, void *work);
} ct_gram_api;

extern const ct_gram_api CT_NAME(ct_gram);

#endif

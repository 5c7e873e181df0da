/* linear_svm.h: coordinate descent for linear support vector machines. A constant feature `bias` (0: none) is appended
 * to every row; its weight is w[d]. */
#ifndef CORTEN_LEARN_LINEAR_SVM_H
#define CORTEN_LEARN_LINEAR_SVM_H

#include "../real.h"

typedef struct {
    const real *data;       /* (n, d), or the non-zeros of a CSR matrix */
    const int32_t *indices; /* NULL for dense rows */
    const int32_t *indptr;  /* (n + 1) */
    int64_t n, d;
    double bias;
} linear_rows;

typedef struct {
    /* Hsieh et al. (2008): min 1/2 a'(Q + diag) a - sum a, 0 <= a <= upper, w = sum a y x. Starts from a, w; returns
     * the iterations done, less than max_iter when the projected gradients came within tol. order (n), square (n). */
    int64_t (*classify)(real *w /* (d + 1) */, double *a /* (n) */, const linear_rows *X, const double *y,
                        const double *upper, const double *diag, double tol, int64_t max_iter, uint64_t *seed,
                        int32_t *order, double *square);
    /* Ho and Lin (2012): min 1/2 b'(Q + diag) b - y'b + epsilon |b|_1, |b| <= upper. *first: the violation at the start
     * (negative: not known yet). */
    int64_t (*regress)(real *w, double *b, const linear_rows *X, const double *y, const double *upper,
                       const double *diag, double epsilon, double tol, int64_t max_iter, uint64_t *seed, int32_t *order,
                       double *square, double *first);
    /* Yuan et al. (2010): min |w|_1 + sum C max(0, 1 - y w'x)^2 by Newton steps on single weights. Rows are the columns
     * of the data, here: XT->n features of XT->d samples. margin (samples) = 1 - y w'x. */
    int64_t (*sparse)(double *w /* (features) */, double *margin, const linear_rows *XT, const double *y,
                      const double *C, double tol, int64_t max_iter, uint64_t *seed, int32_t *order, double *first);
    /* Crammer and Singer (2001), solved after Keerthi et al. (2008): min 1/2 |W|^2 + sum_i C_i xi_i, one W for all k
     * classes; a (n, k) are the dual variables, work (2 k). Returns as `classify`. */
    int64_t (*joint)(double *W /* (d + 1, k) */, double *a, const linear_rows *X, const int32_t *y, const double *C,
                     int64_t k, double tol, int64_t max_iter, uint64_t *seed, int32_t *order, double *square,
                     double *work);
} ct_linear_svm_api;

#endif

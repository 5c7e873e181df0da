/* kernel_rows.h: blocks of a kernel matrix, K(a_r, x_j) for some rows a and all rows x, without the rest of it. */
#ifndef CORTEN_LEARN_KERNEL_ROWS_H
#define CORTEN_LEARN_KERNEL_ROWS_H

#include "../real.h"

enum kernel_kind { KERNEL_LINEAR = 0, KERNEL_POLY = 1, KERNEL_RBF = 2, KERNEL_SIGMOID = 3 };

typedef struct {
    int kind; /* enum kernel_kind */
    int64_t degree;
    double gamma, coef0;
} kernel_spec;

typedef struct {
    /* reals that n packed rows of length d take, and the length that a row of the result must have room for */
    int64_t (*packed_size)(int64_t n, int64_t d);
    int64_t (*row_size)(int64_t n);
    /* packs X (n, d) into panels and takes the squared norms (row_size(n)) of its rows */
    void (*pack)(real *packed, real *norms, const real *X, int64_t n, int64_t d);
    /* out[r][j] = k(a_r, x_j), r < m, j < n */
    void (*block)(void *const *out /* (m) pointers to reals (row_size(n)) */, const kernel_spec *spec,
                  const real *A /* (m, d) */, int64_t m, const real *packed, const real *norms, int64_t n, int64_t d);
    /* the same for CSR rows x; A is dense and packed by `pack` as m rows */
    void (*block_csr)(void *const *out, const kernel_spec *spec, const real *A_packed, const real *A_norms, int64_t m,
                      const real *data, const int32_t *indices, const int32_t *indptr /* (n + 1) */,
                      const real *norms /* (n) */, int64_t n, int64_t d);
    /* k(x, x) of rows with these squared norms */
    void (*diagonal)(real *out, const kernel_spec *spec, const real *norms, int64_t n);
    /* squared norms of CSR rows */
    void (*norms_csr)(real *norms, const real *data, const int32_t *indptr /* (n + 1) */, int64_t n);
} ct_kernel_rows_api;

#endif

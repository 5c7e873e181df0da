/* gemm.h: the one door to matrix products.
 *
 *   C (M, N) = A (M, K) @ B (K, N) * alpha + C * beta, then + bias, then an activation
 *
 * A and B have any row and column stride, so a transpose is free; C has unit column stride.  With beta = 0, C is not
 * read.  `work` is what gemm_work says, 64-byte aligned.  The result does not depend on the number of threads.
 */
#ifndef CORTEN_GEMM_H
#define CORTEN_GEMM_H

#include "real.h"

enum ct_activation { CT_ACT_NONE = 0, CT_ACT_RELU = 1, CT_ACT_TANH = 2, CT_ACT_SIGMOID = 3, CT_ACT_GELU = 4 };

typedef struct {
    const real *bias; /* (N) added to every row, or (M) to every column, or NULL */
    int bias_rows;    /* 1: bias is (M) */
    int activation;   /* enum ct_activation */
} gemm_epilogue;

typedef struct {
    /* bytes of workspace for one product of this size */
    int64_t (*work)(int64_t M, int64_t N, int64_t K);
    void (*gemm)(int64_t M, int64_t N, int64_t K, real alpha,          /* sizes */
                 const real *A, int64_t a_row, int64_t a_col,          /* (M, K) */
                 const real *B, int64_t b_row, int64_t b_col,          /* (K, N) */
                 real beta, real *C, int64_t c_row,                    /* (M, N) */
                 const gemm_epilogue *epilogue, void *work);           /* epilogue may be NULL */
    /* the same on one thread, for callers that are already inside par_for */
    void (*gemm_serial)(int64_t M, int64_t N, int64_t K, real alpha, const real *A, int64_t a_row, int64_t a_col,
                        const real *B, int64_t b_row, int64_t b_col, real beta, real *C, int64_t c_row,
                        const gemm_epilogue *epilogue, void *work);
    int64_t (*work_serial)(int64_t M, int64_t N, int64_t K);
} ct_gemm_api;

extern const ct_gemm_api CT_NAME(ct_gemm); /* of the same instruction set and number type */

#endif

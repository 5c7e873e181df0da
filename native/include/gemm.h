/* gemm.h: the one door to matrix products.
 *
 *   C (M, N) = A (M, K) @ B (K, N) * alpha + C * beta, then + bias, then an activation
 *
 * A and B have any row and column stride, so a transpose is free; C has unit column stride.  With beta = 0, C is not
 * read.  `work` is what the matching work function says, 64-byte aligned.  M, N or K may be 0.  Every bit of the result
 * is the same for any number of threads, and for gemm and gemm_serial.
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

/* Packs one panel of an implicit B: dst[k * panel + j] = B[k0 + k, j0 + j] for k < kc, j < columns, and zeros for
 * columns <= j < panel. */
typedef void (*gemm_pack_b)(const void *ctx, int64_t k0, int64_t kc, int64_t j0, int64_t columns, real *dst);

typedef struct {
    /* bytes of workspace for one product of this size */
    int64_t (*work)(int64_t M, int64_t N, int64_t K);
    void (*gemm)(int64_t M, int64_t N, int64_t K, real alpha, /* sizes */
                 const real *A, int64_t a_row, int64_t a_col, /* (M, K) */
                 const real *B, int64_t b_row, int64_t b_col, /* (K, N) */
                 real beta, real *C, int64_t c_row,           /* (M, N) */
                 const gemm_epilogue *epilogue, void *work);  /* epilogue may be NULL */
    /* the same on one thread, for callers that are already inside par_for */
    void (*gemm_serial)(int64_t M, int64_t N, int64_t K, real alpha, const real *A, int64_t a_row, int64_t a_col,
                        const real *B, int64_t b_row, int64_t b_col, real beta, real *C, int64_t c_row,
                        const gemm_epilogue *epilogue, void *work);
    int64_t (*work_serial)(int64_t M, int64_t N, int64_t K);

    /* `count` products; matrix i begins at A + i * a_batch and so on (a batch stride of 0 repeats A or B).  The
     * epilogue is the same for all. */
    int64_t (*work_batch)(int64_t count, int64_t M, int64_t N, int64_t K);
    void (*gemm_batch)(int64_t count, int64_t M, int64_t N, int64_t K, real alpha,   /* sizes */
                       const real *A, int64_t a_batch, int64_t a_row, int64_t a_col, /* (count, M, K) */
                       const real *B, int64_t b_batch, int64_t b_row, int64_t b_col, /* (count, K, N) */
                       real beta, real *C, int64_t c_batch, int64_t c_row,           /* (count, M, N) */
                       const gemm_epilogue *epilogue, void *work);

    /* Implicit products, for convolution.  A is packed once with pack_a; columns j0 ... j0 + N - 1 of B come from a
     * callback, one panel at a time, and C points at column j0.  One thread; the caller spreads columns over threads.
     */
    int64_t panel; /* columns of a panel of B */
    int64_t (*packed_bytes)(int64_t M, int64_t K);
    void (*pack_a)(int64_t M, int64_t K, const real *A, int64_t a_row, int64_t a_col, real *packed);
    int64_t (*work_packed)(int64_t M, int64_t N, int64_t K);
    void (*gemm_packed)(int64_t M, int64_t N, int64_t K, const real *packed, /* of A (M, K) */
                        gemm_pack_b pack_b, const void *ctx, int64_t j0,     /* of B (K, j0 : j0 + N) */
                        real beta, real *C, int64_t c_row,                   /* (M, N) */
                        const gemm_epilogue *epilogue, void *work);
} ct_gemm_api;

extern const ct_gemm_api CT_NAME(ct_gemm); /* of the same instruction set and number type */

#endif

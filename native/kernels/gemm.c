/* gemm.c: matrix products. See gemm.h. */
#include "../include/gemm.h"

#include <math.h>

static real activate(real x, int activation) {
    switch (activation) {
    case CT_ACT_RELU: return x > 0 ? x : 0;
    case CT_ACT_TANH: return (real)tanh((double)x);
    case CT_ACT_SIGMOID: return (real)(1.0 / (1.0 + exp(-(double)x)));
    case CT_ACT_GELU: return (real)(0.5 * (double)x * (1.0 + erf((double)x * 0.70710678118654752)));
    default: return x;
    }
}

static int64_t no_work(int64_t M CT_UNUSED, int64_t N CT_UNUSED, int64_t K CT_UNUSED) { return 0; }

/* The definition, loop by loop. */
static void gemm_naive(int64_t M, int64_t N, int64_t K, real alpha, const real *A, int64_t a_row, int64_t a_col,
                       const real *B, int64_t b_row, int64_t b_col, real beta, real *C, int64_t c_row,
                       const gemm_epilogue *epilogue, void *work CT_UNUSED) {
    for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++) {
            real sum = 0;
            for (int64_t k = 0; k < K; k++) sum += A[i * a_row + k * a_col] * B[k * b_row + j * b_col];
            real c = alpha * sum;
            if (beta != 0) c += beta * C[i * c_row + j];
            if (epilogue) {
                if (epilogue->bias) c += epilogue->bias[epilogue->bias_rows ? i : j];
                c = activate(c, epilogue->activation);
            }
            C[i * c_row + j] = c;
        }
}

const ct_gemm_api CT_NAME(ct_gemm) = {no_work, gemm_naive, gemm_naive, no_work};

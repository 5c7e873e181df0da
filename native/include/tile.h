/* tile.h: products of small matrices that are in cache, on one thread.
 *
 *   C (M, N) = [C +] A (M, K) @ B (K, N)
 *
 * N is a whole number of vectors; B's rows are contiguous; A has any strides.  Each element of C is one chain of K
 * fused multiply-adds in order of k, whatever M, N and the block it falls into: the same row gives the same bits in
 * any company.  TILE_M rows times TILE_V vectors of C stay in registers, and of few rows more vectors.
 */
#ifndef CORTEN_TILE_H
#define CORTEN_TILE_H

#include "simd.h"

#define TILE_M 6
#if defined(CT_AVX512) || defined(__aarch64__)
#define TILE_V 4 /* 24 of 32 registers */
#else
#define TILE_V 2 /* 12 of 16 */
#endif
#define TILE_WIDE 4 /* vectors of up to TILE_FEW rows: enough sums at a time to hide the latency of one */
#define TILE_FEW 3
#define TILE_TALL 4 /* rows of three vectors, where there are so many: as many sums as TILE_M rows of two */

typedef struct {
    const real *A; /* (M, K) */
    int64_t a_row, a_col;
    const real *B; /* (K, N) */
    int64_t b_row;
    real *C; /* (M, N) */
    int64_t c_row;
    int add; /* add to C */
} tile_args;

CT_INLINE void tile_block(const int rows, const int vectors, int64_t K, const real *A, int64_t a_row, int64_t a_col,
                          const real *B, int64_t b_row, real *C, int64_t c_row, int add) {
    vreal c[TILE_M][TILE_WIDE];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) c[r][v] = add ? v_load(C + r * c_row + v * VL) : v_zero();
    for (int64_t k = 0; k < K; k++) {
        vreal b[TILE_WIDE];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) b[v] = v_load(B + v * VL);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const vreal a = v_set1(A[r * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) c[r][v] = v_fma(a, b[v], c[r][v]);
        }
        A += a_col;
        B += b_row;
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) v_store(C + r * c_row + v * VL, c[r][v]);
}

#define TILE_CASE(rows, vectors)                                                               \
    case rows * 8 + vectors:                                                                   \
        tile_block(rows, vectors, K, A, t->a_row, t->a_col, B, t->b_row, C, t->c_row, t->add); \
        break;
#define TILE_CASES_WIDE(rows) TILE_CASE(rows, 1) TILE_CASE(rows, 2) TILE_CASE(rows, 3) TILE_CASE(rows, 4)
#if TILE_V == 4
#define TILE_CASES(rows) TILE_CASES_WIDE(rows)
#define TILE_CASES_TALL
#else
#define TILE_CASES(rows) TILE_CASE(rows, 1) TILE_CASE(rows, 2)
#define TILE_CASES_TALL TILE_CASE(TILE_TALL, 3)
#endif

CT_NOINLINE void tile_product(int64_t M, int64_t vectors, int64_t K, const tile_args *t) {
    if (M <= 0) return;
    for (int64_t v = 0, wide; v < vectors; v += wide) {
        const int64_t rest = vectors - v;
        const int tall = TILE_V == 2 && rest % 2 && rest > 2; /* three at once, not two and one */
        wide = M <= TILE_FEW ? i64_min(TILE_WIDE, rest) : tall ? 3 : i64_min(TILE_V, rest);
        const int64_t blocks = ceil_div(M, tall ? TILE_TALL : TILE_M); /* of nearly equal height */
        for (int64_t i = 0, m = 0; i < blocks; i++) {
            const int rows = (int)((M - m + blocks - i - 1) / (blocks - i));
            const real *A = t->A + m * t->a_row, *B = t->B + v * VL;
            real *C = t->C + m * t->c_row + v * VL;
            switch (rows * 8 + (int)wide) {
                TILE_CASES_WIDE(1)
                TILE_CASES_WIDE(2) TILE_CASES_WIDE(3) TILE_CASES(4) TILE_CASES(5) TILE_CASES(6) TILE_CASES_TALL
            }
            m += rows;
        }
    }
}

#endif

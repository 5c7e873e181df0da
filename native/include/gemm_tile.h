/* gemm_tile.h: the register tile of the matrix product, and the packing that feeds it.
 *
 * After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), and Van Zee and van de
 * Geijn, "BLIS" (2015).  A tile of up to GEMM_MR rows by GEMM_NV vectors of C stays in registers while K runs:
 *
 *   for k:  b = B[k, 0 : NR];  for i:  acc[i] += A[i, k] * b
 *
 * Rows and vectors of the tile are compile-time constants, so a tile at the edge does the work of its own rows only,
 * and its last vector is masked.  Three forms: A anywhere and B anywhere with unit column stride, the same with a
 * ragged last vector, and both packed.
 */
#ifndef CORTEN_GEMM_TILE_H
#define CORTEN_GEMM_TILE_H

#include "gemm.h"
#include "simd.h"
#include "vmath.h"

#ifdef GEMM_MR /* set by a build with sanitizers, whose checks make large tiles slow to compile */
#elif defined(CT_AVX512)
#define GEMM_MR 12 /* 24 accumulators, 2 vectors of B, broadcasts: 32 registers */
#elif defined(__aarch64__)
#define GEMM_MR 10
#else
#define GEMM_MR 6 /* 12 accumulators of 16 registers */
#endif
#define GEMM_NV 2
#define GEMM_NR (GEMM_NV * VL)

/* The first lanes of a vector, in the form that this instruction set wants. */
#if defined(CT_AVX512)
typedef uint32_t vtail;
#define GEMM_MASKED 1
CT_INLINE vtail v_tail(int64_t n) { return (1u << n) - 1; }
#if CT_REAL_DOUBLE
CT_INLINE vreal v_load_tail(const real *p, vtail m) { return (vreal)_mm512_maskz_loadu_pd((__mmask8)m, p); }
CT_INLINE void v_store_tail(real *p, vreal v, vtail m) { _mm512_mask_storeu_pd(p, (__mmask8)m, (__m512d)v); }
#else
CT_INLINE vreal v_load_tail(const real *p, vtail m) { return (vreal)_mm512_maskz_loadu_ps((__mmask16)m, p); }
CT_INLINE void v_store_tail(real *p, vreal v, vtail m) { _mm512_mask_storeu_ps(p, (__mmask16)m, (__m512)v); }
#endif
#elif defined(CT_AVX2)
typedef vint vtail;
#define GEMM_MASKED 1
#if CT_REAL_DOUBLE
CT_INLINE vtail v_tail(int64_t n) { return n > (vint){0, 1, 2, 3}; }
#else
CT_INLINE vtail v_tail(int64_t n) { return (int_real)n > (vint){0, 1, 2, 3, 4, 5, 6, 7}; }
#endif
#if CT_REAL_DOUBLE
CT_INLINE vreal v_load_tail(const real *p, vtail m) { return (vreal)_mm256_maskload_pd(p, (__m256i)m); }
CT_INLINE void v_store_tail(real *p, vreal v, vtail m) { _mm256_maskstore_pd(p, (__m256i)m, (__m256d)v); }
#else
CT_INLINE vreal v_load_tail(const real *p, vtail m) { return (vreal)_mm256_maskload_ps(p, (__m256i)m); }
CT_INLINE void v_store_tail(real *p, vreal v, vtail m) { _mm256_maskstore_ps(p, (__m256i)m, (__m256)v); }
#endif
#else
typedef int64_t vtail;
#define GEMM_MASKED 0 /* a ragged load costs a loop: pack B instead */
CT_INLINE vtail v_tail(int64_t n) { return n; }
CT_INLINE vreal v_load_tail(const real *p, vtail m) { return v_load_part(p, m); }
CT_INLINE void v_store_tail(real *p, vreal v, vtail m) { v_store_part(p, v, m); }
#endif

/* A store of a whole vector or of its tail: masked stores are many times slower, above all on Zen. */
CT_INLINE void v_store_last(real *p, vreal v, int whole, vtail m) {
    if (CT_LIKELY(whole)) v_store(p, v);
    else v_store_tail(p, v, m);
}

/* What happens to a finished tile: C = act(alpha * AB + beta * C + bias). */
typedef struct {
    real alpha, beta;
    const real *row_bias; /* of the tile's first row, or NULL */
    const real *col_bias; /* of the tile's first column, or NULL */
    int activation;
    int plain; /* 1: C = AB; 2: C += AB; 0: the rest */
} tile_end;

/* An activation, and the same on `n` values in place. */
CT_INLINE vreal v_activate(vreal x, int activation) {
    vreal density;
    switch (activation) {
    case CT_ACT_RELU: return v_max(v_zero(), x);
    case CT_ACT_TANH: return v_tanh(x);
    case CT_ACT_SIGMOID: return v_sigmoid(x);
    case CT_ACT_GELU: return x * v_normal_cdf(x, &density);
    default: return x;
    }
}
CT_NOINLINE void tile_activate(real *x, int64_t n, int activation) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) v_store(x + i, v_activate(v_load(x + i), activation));
    if (i < n) v_store_part(x + i, v_activate(v_load_part(x + i, n - i), activation), n - i);
}

/* acc holds mr rows of nv vectors; the last vector has `tail` lanes. */
CT_NOINLINE void tile_finish(const vreal *acc, int mr, int nv, int64_t columns, real *c, int64_t c_row,
                             const tile_end *end) {
    const int64_t lanes = columns - (nv - 1) * VL;
    const vtail tail = v_tail(lanes);
    const vreal alpha = v_set1(end->alpha), beta = v_set1(end->beta), zero = v_zero();
    for (int i = 0; i < mr; i++)
        for (int v = 0; v < nv; v++) {
            real *p = c + i * c_row + v * VL;
            vreal x = acc[i * nv + v] * alpha;
            if (end->beta != 0) x = v_fma(beta, v == nv - 1 ? v_load_tail(p, tail) : v_load(p), x);
            if (end->row_bias) x = x + v_set1(end->row_bias[i]);
            if (end->col_bias)
                x = x + (v == nv - 1 ? v_load_tail(end->col_bias + v * VL, tail) : v_load(end->col_bias + v * VL));
            if (end->activation == CT_ACT_RELU) x = v_max(zero, x);
            v_store_last(p, x, v < nv - 1 || lanes == VL, tail);
        }
    if (end->activation > CT_ACT_RELU)
        for (int i = 0; i < mr; i++) tile_activate(c + i * c_row, columns, end->activation);
}

#define TILE_ANY 0    /* A (mr, kc) with any strides, B (kc, nv * VL) with row stride b_k */
#define TILE_RAGGED 1 /* the same, the last vector of B masked */
#define TILE_PACKED 2 /* A[k * MR + i], B[k * NR + j] */

CT_INLINE void tile_product(const int mr, const int nv, const int form, int64_t kc, const real *a, int64_t a_row,
                            int64_t a_k, const real *b, int64_t b_k, int64_t columns, real *c, int64_t c_row,
                            const tile_end *end) {
    const vtail tail = v_tail(columns - (nv - 1) * VL);
    vreal acc[GEMM_MR * GEMM_NV];
#pragma GCC unroll 32
    for (int i = 0; i < mr * nv; i++) acc[i] = v_zero();
    if (form == TILE_PACKED) { /* C is far away by the time it is needed */
        a_row = 1, a_k = GEMM_MR, b_k = GEMM_NR;
        for (int i = 0; i < mr; i++) {
            __builtin_prefetch(c + i * c_row, 1);
            __builtin_prefetch(c + i * c_row + columns - 1, 1);
        }
    }
    const real *a4 = a + 4 * a_row, *a8 = a + 8 * a_row;
#pragma GCC unroll 2
    for (int64_t k = 0; k < kc; k++) {
        vreal bv[GEMM_NV];
#pragma GCC unroll 4
        for (int v = 0; v < nv; v++)
            bv[v] = form == TILE_RAGGED && v == nv - 1 ? v_load_tail(b + v * VL, tail) : v_load(b + v * VL);
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            const vreal av = v_set1(form == TILE_PACKED ? a[i]
                                    : i < 4             ? a[i * a_row]
                                    : i < 8             ? a4[(i - 4) * a_row]
                                                        : a8[(i - 8) * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < nv; v++) acc[i * nv + v] = v_fma(av, bv[v], acc[i * nv + v]);
        }
        a += a_k, a4 += a_k, a8 += a_k, b += b_k;
    }
    if (end->plain == 1) {
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
#pragma GCC unroll 4
            for (int v = 0; v < nv - 1; v++) v_store(c + i * c_row + v * VL, acc[i * nv + v]);
            v_store_last(c + i * c_row + (nv - 1) * VL, acc[i * nv + nv - 1], columns == nv * VL, tail);
        }
    } else if (end->plain == 2) {
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
#pragma GCC unroll 4
            for (int v = 0; v < nv - 1; v++) {
                real *p = c + i * c_row + v * VL;
                v_store(p, v_load(p) + acc[i * nv + v]);
            }
            real *p = c + i * c_row + (nv - 1) * VL;
            v_store_last(p, v_load_tail(p, tail) + acc[i * nv + nv - 1], columns == nv * VL, tail);
        }
    } else {
        vreal spill[GEMM_MR * GEMM_NV];
#pragma GCC unroll 32
        for (int i = 0; i < mr * nv; i++) spill[i] = acc[i];
        tile_finish(spill, mr, nv, columns, c, c_row, end);
    }
}

typedef void (*tile_function)(int64_t kc, const real *a, int64_t a_row, int64_t a_k, const real *b, int64_t b_k,
                              int64_t columns, real *c, int64_t c_row, const tile_end *end);

#define TILE(mr, nv, form)                                                                                             \
    static void tile_##mr##_##nv##_##form(int64_t kc, const real *a, int64_t a_row, int64_t a_k, const real *b,        \
                                          int64_t b_k, int64_t columns, real *c, int64_t c_row, const tile_end *end) { \
        tile_product(mr, nv, form, kc, a, a_row, a_k, b, b_k, columns, c, c_row, end);                                 \
    }
#define TILES(mr) TILE(mr, 1, 0) TILE(mr, 2, 0) TILE(mr, 1, 1) TILE(mr, 2, 1) TILE(mr, 1, 2) TILE(mr, 2, 2)
#define TILE_ROW(form, mr) {tile_##mr##_1_##form, tile_##mr##_2_##form}
TILES(1)
TILES(2)
#if GEMM_MR > 2
TILES(3)
TILES(4)
TILES(5)
TILES(6)
#endif
#if GEMM_MR > 6
TILES(7)
TILES(8)
TILES(9)
TILES(10)
#endif
#if GEMM_MR > 10
TILES(11)
TILES(12)
#endif
#if GEMM_MR > 10
#define TILE_TABLE(f)                                                                                  \
    {TILE_ROW(f, 1), TILE_ROW(f, 2), TILE_ROW(f, 3), TILE_ROW(f, 4),  TILE_ROW(f, 5),  TILE_ROW(f, 6), \
     TILE_ROW(f, 7), TILE_ROW(f, 8), TILE_ROW(f, 9), TILE_ROW(f, 10), TILE_ROW(f, 11), TILE_ROW(f, 12)}
#elif GEMM_MR > 6
#define TILE_TABLE(f)                                                                \
    {TILE_ROW(f, 1), TILE_ROW(f, 2), TILE_ROW(f, 3), TILE_ROW(f, 4), TILE_ROW(f, 5), \
     TILE_ROW(f, 6), TILE_ROW(f, 7), TILE_ROW(f, 8), TILE_ROW(f, 9), TILE_ROW(f, 10)}
#elif GEMM_MR > 2
#define TILE_TABLE(f) {TILE_ROW(f, 1), TILE_ROW(f, 2), TILE_ROW(f, 3), TILE_ROW(f, 4), TILE_ROW(f, 5), TILE_ROW(f, 6)}
#else
#define TILE_TABLE(f) {TILE_ROW(f, 1), TILE_ROW(f, 2)}
#endif
static const tile_function tile_table[3][GEMM_MR][GEMM_NV] = {TILE_TABLE(0), TILE_TABLE(1), TILE_TABLE(2)};

/* Four lanes, for transposing blocks of 4 x 4. */
typedef real quad __attribute__((vector_size(4 * sizeof(real))));
typedef real quad_unaligned __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef real pair_unaligned __attribute__((vector_size(2 * sizeof(real)), aligned(sizeof(real)), may_alias));

/* Gather one panel: dst[k * width + i] = src[i * s_i + k * s_k] for i < count, zero for count <= i < width. */
static void pack_panel(int64_t width, int64_t count, int64_t kc, const real *src, int64_t s_i, int64_t s_k, real *dst) {
    if (s_i == 1) {
        int64_t whole = count / VL, rest = count % VL;
        const vtail tail = v_tail(rest);
        for (int64_t k = 0; k < kc; k++) {
            const real *s = src + k * s_k;
            real *d = dst + k * width;
            for (int64_t v = 0; v < whole; v++) v_store(d + v * VL, v_load(s + v * VL));
            if (rest) v_store_tail(d + whole * VL, v_load_tail(s + whole * VL, tail), tail);
        }
    } else {
        int64_t i = 0;
        if (s_k == 1)
            for (; i + 4 <= count; i += 4) {
                const real *s0 = src + i * s_i, *s1 = s0 + s_i, *s2 = s1 + s_i, *s3 = s2 + s_i;
                real *d = dst + i;
                int64_t k = 0;
                for (; k + 4 <= kc; k += 4, d += 4 * width) {
                    quad r0 = *(const quad_unaligned *)(s0 + k), r1 = *(const quad_unaligned *)(s1 + k);
                    quad r2 = *(const quad_unaligned *)(s2 + k), r3 = *(const quad_unaligned *)(s3 + k);
                    quad t0 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5),
                         t1 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
                    quad t2 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5),
                         t3 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
                    *(quad_unaligned *)(d) = __builtin_shufflevector(t0, t2, 0, 1, 4, 5);
                    *(quad_unaligned *)(d + width) = __builtin_shufflevector(t0, t2, 2, 3, 6, 7);
                    *(quad_unaligned *)(d + 2 * width) = __builtin_shufflevector(t1, t3, 0, 1, 4, 5);
                    *(quad_unaligned *)(d + 3 * width) = __builtin_shufflevector(t1, t3, 2, 3, 6, 7);
                }
                for (; k < kc; k++, d += width) d[0] = s0[k], d[1] = s1[k], d[2] = s2[k], d[3] = s3[k];
            }
        if (s_k == 1)
            for (; i + 2 <= count; i += 2) {
                const real *s0 = src + i * s_i, *s1 = s0 + s_i;
                real *d = dst + i;
                int64_t k = 0;
                for (; k + 4 <= kc; k += 4, d += 4 * width) {
                    quad r0 = *(const quad_unaligned *)(s0 + k), r1 = *(const quad_unaligned *)(s1 + k);
                    *(pair_unaligned *)(d) = __builtin_shufflevector(r0, r1, 0, 4);
                    *(pair_unaligned *)(d + width) = __builtin_shufflevector(r0, r1, 1, 5);
                    *(pair_unaligned *)(d + 2 * width) = __builtin_shufflevector(r0, r1, 2, 6);
                    *(pair_unaligned *)(d + 3 * width) = __builtin_shufflevector(r0, r1, 3, 7);
                }
                for (; k < kc; k++, d += width) d[0] = s0[k], d[1] = s1[k];
            }
        for (; i < count; i++)
            for (int64_t k = 0; k < kc; k++) dst[k * width + i] = src[i * s_i + k * s_k];
    }
    for (int64_t i = count; i < width; i++) /* in this order: the other one becomes kc calls of memset */
        for (int64_t k = 0; k < kc; k++) dst[k * width + i] = 0;
}

#endif

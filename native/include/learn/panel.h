/* panel.h: inner products of rows with packed columns that stay in registers, for estimators that never need the
 * product matrix itself, only something made of each entry: the nearest centre, the k nearest points, exp(-d).
 *
 *   acc[r][v] += sum_k x[r][k] * panel[k][v * VL ... + VL]
 *
 * A panel holds PANEL_WIDTH columns, column-interleaved (d, PANEL_WIDTH), so that one load brings VL of them.
 */
#ifndef CORTEN_LEARN_PANEL_H
#define CORTEN_LEARN_PANEL_H

#include "../simd.h"

#if defined(CT_AVX512)
#define PANEL_ROWS 6 /* 24 accumulators of 32 registers */
#define PANEL_VECS 4
#elif defined(CT_AVX2)
#define PANEL_ROWS 6 /* 12 of 16 */
#define PANEL_VECS 2
#else
#define PANEL_ROWS 4
#define PANEL_VECS 2
#endif
#define PANEL_WIDTH (PANEL_VECS * VL)

typedef struct {
    vreal at[PANEL_ROWS][PANEL_VECS];
} panel_acc;

CT_INLINE int64_t panel_count(int64_t columns) { return ceil_div(columns, PANEL_WIDTH); }
/* reals that n columns of length d take when packed */
CT_INLINE int64_t panel_size(int64_t columns, int64_t d) { return panel_count(columns) * PANEL_WIDTH * d; }
/* vectors of panel p that hold columns */
CT_INLINE int panel_vecs(int64_t columns, int64_t p) {
    int64_t left = columns - p * PANEL_WIDTH;
    return left >= PANEL_WIDTH ? PANEL_VECS : (int)ceil_div(left, VL);
}

/* Packs panel p of Y (columns, d), whose rows are y_row apart, into dst (d, PANEL_WIDTH); missing columns are zero. */
static CT_UNUSED void panel_pack(int64_t columns, int64_t d, const real *Y, int64_t y_row, int64_t p, real *dst) {
    int64_t first = p * PANEL_WIDTH, count = i64_min(columns - first, PANEL_WIDTH);
    for (int64_t k0 = 0; k0 < d; k0 += 16) {
        int64_t k1 = i64_min(k0 + 16, d);
        for (int64_t j = 0; j < count; j++) {
            const real *y = Y + (first + j) * y_row;
            for (int64_t k = k0; k < k1; k++) dst[k * PANEL_WIDTH + j] = y[k];
        }
        for (int64_t k = k0; k < k1; k++)
            for (int64_t j = count; j < PANEL_WIDTH; j++) dst[k * PANEL_WIDTH + j] = 0;
    }
}

/* The product above; nv, a constant after inlining, is how many vectors of the panel are wanted; panel rows are ld
 * apart, the elements of a row x[r] are x_col apart. */
CT_INLINE void panel_dot(int nv, int64_t d, const real *const x[PANEL_ROWS], int64_t x_col, const real *panel,
                         int64_t ld, panel_acc *acc) {
    vreal a[PANEL_ROWS][PANEL_VECS];
#pragma GCC unroll 8
    for (int r = 0; r < PANEL_ROWS; r++)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) a[r][v] = acc->at[r][v];
    for (int64_t k = 0; k < d; k++) {
        vreal b[PANEL_VECS];
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) b[v] = v_load(panel + k * ld + v * VL);
#pragma GCC unroll 8
        for (int r = 0; r < PANEL_ROWS; r++) {
            vreal xr = v_set1(x[r][k * x_col]);
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++) a[r][v] = v_fma(xr, b[v], a[r][v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < PANEL_ROWS; r++)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) acc->at[r][v] = a[r][v];
}

/* The rows first ... first + PANEL_ROWS of X (n, d); those past the end repeat the last one. Returns how many exist. */
CT_INLINE int panel_rows(int64_t n, const real *X, int64_t x_row, int64_t first, const real *x[PANEL_ROWS]) {
    int count = (int)i64_min(PANEL_ROWS, n - first);
    for (int r = 0; r < PANEL_ROWS; r++) x[r] = X + (first + (r < count ? r : count - 1)) * x_row;
    return count;
}

/* sum x[k] * y[k] and sum (x[k] - y[k])^2 in VL lanes, four accumulators */
static CT_UNUSED real row_dot(int64_t d, const real *x, const real *y) {
    vreal s0 = v_zero(), s1 = v_zero();
    int64_t k = 0;
    for (; k + 2 * VL <= d; k += 2 * VL) {
        s0 = v_fma(v_load(x + k), v_load(y + k), s0);
        s1 = v_fma(v_load(x + k + VL), v_load(y + k + VL), s1);
    }
    for (; k < d; k += VL) {
        int64_t m = i64_min(VL, d - k);
        s0 = v_fma(v_load_part(x + k, m), v_load_part(y + k, m), s0);
    }
    return v_hsum(s0 + s1);
}
static CT_UNUSED real row_sqdist(int64_t d, const real *x, const real *y) {
    vreal s0 = v_zero(), s1 = v_zero();
    int64_t k = 0;
    for (; k + 2 * VL <= d; k += 2 * VL) {
        vreal e0 = v_load(x + k) - v_load(y + k), e1 = v_load(x + k + VL) - v_load(y + k + VL);
        s0 = v_fma(e0, e0, s0);
        s1 = v_fma(e1, e1, s1);
    }
    for (; k < d; k += VL) {
        int64_t m = i64_min(VL, d - k);
        vreal e = v_load_part(x + k, m) - v_load_part(y + k, m);
        s0 = v_fma(e, e, s0);
    }
    return v_hsum(s0 + s1);
}

CT_INLINE vint v_lanes(void) { /* 0, 1, 2, ... */
    vint i;
    for (int l = 0; l < VL; l++) i[l] = l;
    return i;
}
CT_INLINE vint v_blend_int(vmask m, vint yes, vint no) { return (m & yes) | (~m & no); }

/* Bit l: lane l of the mask is set. */
CT_INLINE unsigned v_bits(vmask m) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return _mm512_test_epi64_mask((__m512i)m, (__m512i)m);
#elif defined(CT_AVX512)
    return _mm512_test_epi32_mask((__m512i)m, (__m512i)m);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
    return (unsigned)_mm256_movemask_pd((__m256d)m);
#elif defined(CT_AVX2)
    return (unsigned)_mm256_movemask_ps((__m256)m);
#else
    unsigned bits = 0;
    for (int l = 0; l < VL; l++) bits |= (unsigned)(m[l] != 0) << l;
    return bits;
#endif
}

/* Lane-wise best so far and where it was; the largest value, of equal ones the smallest index. */
CT_INLINE int64_t v_argmax(vreal best, vint where, real *value) {
    real b[VBYTES / sizeof(real)];
    int_real w[VBYTES / sizeof(real)];
    real top = v_hmax(best);
    unsigned hit = v_bits(best == v_set1(top));
    *(vint_unaligned *)w = where;
    if (CT_LIKELY(hit != 0)) {
        int_real at = w[__builtin_ctz(hit)];
        for (hit &= hit - 1; hit; hit &= hit - 1) {
            int_real other = w[__builtin_ctz(hit)];
            if (other < at) at = other;
        }
        *value = top;
        return at;
    }
    v_store(b, best); /* not a number somewhere */
    int l = 0;
    for (int i = 1; i < VL; i++)
        if (b[i] > b[l] || (b[i] == b[l] && w[i] < w[l])) l = i;
    *value = b[l];
    return w[l];
}

#endif

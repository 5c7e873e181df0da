/* norm_rows.h: sums over one contiguous row, for normalisation.
 *
 * A row is summed in blocks of ROW_BLOCK elements with independent vector accumulators; blocks are added in double.
 * No chain of additions is longer than ROW_BLOCK / (2 VL), so the error stays at a few units in the last place.
 */
#ifndef CORTEN_NORM_ROWS_H
#define CORTEN_NORM_ROWS_H

#include "simd.h"

#define ROW_BLOCK 4096

/* All ones in the first n lanes, 0 <= n <= VL. */
CT_INLINE vmask first_lanes(int64_t n) {
    vint lane;
    for (int l = 0; l < VL; l++) lane[l] = l;
    return lane < ((vint){0} + (int_real)n);
}

/* a += sum (x - shift), b += sum (x - shift)^2 */
static inline void row_moments(const real *x, int64_t n, real shift, double *a, double *b) {
    const vreal k = v_set1(shift);
    double s = 0, q = 0;
    for (int64_t i0 = 0; i0 < n; i0 += ROW_BLOCK) {
        const int64_t end = i64_min(n, i0 + ROW_BLOCK);
        vreal s0 = v_zero(), s1 = v_zero(), s2 = v_zero(), s3 = v_zero();
        vreal q0 = v_zero(), q1 = v_zero(), q2 = v_zero(), q3 = v_zero();
        int64_t i = i0;
        for (; i + 4 * VL <= end; i += 4 * VL) {
            const vreal d0 = v_load(x + i) - k, d1 = v_load(x + i + VL) - k;
            const vreal d2 = v_load(x + i + 2 * VL) - k, d3 = v_load(x + i + 3 * VL) - k;
            s0 += d0, s1 += d1, s2 += d2, s3 += d3;
            q0 = v_fma(d0, d0, q0), q1 = v_fma(d1, d1, q1), q2 = v_fma(d2, d2, q2), q3 = v_fma(d3, d3, q3);
        }
        for (; i < end; i += VL) {
            const int64_t m = i64_min(VL, end - i);
            const vreal d = m == VL ? v_load(x + i) - k : v_and(first_lanes(m), v_load_part(x + i, m) - k);
            s0 += d;
            q0 = v_fma(d, d, q0);
        }
        s0 += s2, s1 += s3, q0 += q2, q1 += q3;
        s += (double)v_hsum(s0 + s1);
        q += (double)v_hsum(q0 + q1);
    }
    *a += s;
    *b += q;
}

/* a += sum u, b += sum u (x - shift), with u = g, or g w when w is there */
static inline void row_products(const real *g, const real *x, const real *w, int64_t n, real shift, double *a,
                                double *b) {
    const vreal k = v_set1(shift);
    double s = 0, q = 0;
    for (int64_t i0 = 0; i0 < n; i0 += ROW_BLOCK) {
        const int64_t end = i64_min(n, i0 + ROW_BLOCK);
        vreal s0 = v_zero(), s1 = v_zero(), q0 = v_zero(), q1 = v_zero();
        int64_t i = i0;
        for (; i + 2 * VL <= end; i += 2 * VL) {
            vreal g0 = v_load(g + i), g1 = v_load(g + i + VL);
            if (w) g0 *= v_load(w + i), g1 *= v_load(w + i + VL);
            s0 += g0, s1 += g1;
            q0 = v_fma(g0, v_load(x + i) - k, q0), q1 = v_fma(g1, v_load(x + i + VL) - k, q1);
        }
        for (; i < end; i += VL) {
            const int64_t m = i64_min(VL, end - i);
            vreal g0 = m == VL ? v_load(g + i) : v_load_part(g + i, m);
            if (w) g0 *= m == VL ? v_load(w + i) : v_load_part(w + i, m);
            s0 += g0;
            q0 = v_fma(g0, m == VL ? v_load(x + i) - k : v_and(first_lanes(m), v_load_part(x + i, m) - k), q0);
        }
        s += (double)v_hsum(s0 + s1);
        q += (double)v_hsum(q0 + q1);
    }
    *a += s;
    *b += q;
}

/* Elements before p reaches vector alignment. */
CT_INLINE int64_t until_aligned(const real *p, int64_t n) {
    return i64_min(n, (int64_t)((-(uintptr_t)p & (VBYTES - 1)) / sizeof(real)));
}

/* An output this large would push everything else out of the caches: it is written around them. */
#define STREAM_BYTES (8 << 20)
CT_INLINE int worth_streaming(int64_t elements) { return elements * (int64_t)sizeof(real) >= STREAM_BYTES; }

/* y = (x - mean) scale + shift; on the way, what lies `ahead` elements further is asked for */
static inline void row_affine_ahead(real *y, const real *x, int64_t n, real mean, real scale, real shift, int stream,
                                    int64_t ahead) {
    const vreal m = v_set1(mean), a = v_set1(scale), b = v_set1(shift);
    int64_t i = stream ? until_aligned(y, n) : 0;
    if (i) v_store_part(y, v_fma(v_load_part(x, i) - m, a, b), i);
    if (stream)
        for (; i + 2 * VL <= n; i += 2 * VL) {
            CT_PREFETCH(x + i + ahead);
            v_stream(y + i, v_fma(v_load(x + i) - m, a, b));
            v_stream(y + i + VL, v_fma(v_load(x + i + VL) - m, a, b));
        }
    for (; i + VL <= n; i += VL) v_store(y + i, v_fma(v_load(x + i) - m, a, b));
    if (i < n) v_store_part(y + i, v_fma(v_load_part(x + i, n - i) - m, a, b), n - i);
}
static inline void row_affine(real *y, const real *x, int64_t n, real mean, real scale, real shift, int stream) {
    row_affine_ahead(y, x, n, mean, scale, shift, stream, 0);
}

/* dx = g a + (x - mean) b + c */
static inline void row_affine_backward_ahead(real *dx, const real *g, const real *x, int64_t n, real mean, real a,
                                             real b, real c, int stream, int64_t ahead) {
    const vreal m = v_set1(mean), va = v_set1(a), vb = v_set1(b), vc = v_set1(c);
#define ROW_DX(load_g, load_x) v_fma(load_g, va, v_fma(load_x - m, vb, vc))
    int64_t i = stream ? until_aligned(dx, n) : 0;
    if (i) v_store_part(dx, ROW_DX(v_load_part(g, i), v_load_part(x, i)), i);
    if (stream)
        for (; i + 2 * VL <= n; i += 2 * VL) {
            CT_PREFETCH(g + i + ahead);
            CT_PREFETCH(x + i + ahead);
            v_stream(dx + i, ROW_DX(v_load(g + i), v_load(x + i)));
            v_stream(dx + i + VL, ROW_DX(v_load(g + i + VL), v_load(x + i + VL)));
        }
    for (; i + VL <= n; i += VL) v_store(dx + i, ROW_DX(v_load(g + i), v_load(x + i)));
    if (i < n) v_store_part(dx + i, ROW_DX(v_load_part(g + i, n - i), v_load_part(x + i, n - i)), n - i);
#undef ROW_DX
}
static inline void row_affine_backward(real *dx, const real *g, const real *x, int64_t n, real mean, real a, real b,
                                       real c, int stream) {
    row_affine_backward_ahead(dx, g, x, n, mean, a, b, c, stream, 0);
}

#endif

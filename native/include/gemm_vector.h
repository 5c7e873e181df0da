/* gemm_vector.h: products that are bound by reading one matrix: a vector times a matrix, and a few rows times the rows
 * of a matrix.  Packing would read the matrix twice, so these read it as it lies.
 */
#ifndef CORTEN_GEMM_VECTOR_H
#define CORTEN_GEMM_VECTOR_H

#include "gemm_tile.h"

/* Lanes of the even and of the odd blocks of w lanes of (a, b); the sum halves what each block holds. */
#define EVEN_(i, w) (((i) / (w)) * 2 * (w) + (i) % (w))
#define EVEN4(o, w) EVEN_(o, w), EVEN_((o) + 1, w), EVEN_((o) + 2, w), EVEN_((o) + 3, w)
#define ODD4(o, w) EVEN_(o, w) + w, EVEN_((o) + 1, w) + w, EVEN_((o) + 2, w) + w, EVEN_((o) + 3, w) + w
#if VBYTES == 16 && CT_REAL_DOUBLE
#define EVEN(w) 0, 2
#define ODD(w) 1, 3
#define LANES 2
#elif VBYTES == 16 || (VBYTES == 32 && CT_REAL_DOUBLE)
#define EVEN(w) EVEN4(0, w)
#define ODD(w) ODD4(0, w)
#define LANES 4
#elif VBYTES == 32 || CT_REAL_DOUBLE
#define EVEN(w) EVEN4(0, w), EVEN4(4, w)
#define ODD(w) ODD4(0, w), ODD4(4, w)
#define LANES 8
#else
#define EVEN(w) EVEN4(0, w), EVEN4(4, w), EVEN4(8, w), EVEN4(12, w)
#define ODD(w) ODD4(0, w), ODD4(4, w), ODD4(8, w), ODD4(12, w)
#define LANES 16
#endif
#define FOLD(a, b, w) (__builtin_shufflevector(a, b, EVEN(w)) + __builtin_shufflevector(a, b, ODD(w)))

/* Lane i of the result is the sum over the lanes of acc[i]; acc is overwritten. */
CT_INLINE vreal fold_all(vreal acc[LANES]) {
#if LANES >= 16
    for (int i = 0; i < 8; i++) acc[i] = FOLD(acc[2 * i], acc[2 * i + 1], 8);
#endif
#if LANES >= 8
    for (int i = 0; i < 4; i++) acc[i] = FOLD(acc[2 * i], acc[2 * i + 1], 4);
#endif
#if LANES >= 4
    for (int i = 0; i < 2; i++) acc[i] = FOLD(acc[2 * i], acc[2 * i + 1], 2);
#endif
    return FOLD(acc[0], acc[1], 1);
}

#define DOT_BLOCK 4096 /* lanes sum at most this many products in a row before they are added to the total */

/* acc[r * nb + s] = lanes of sum_k a[r, k] * b[s, k] for na rows of a and nb of b, both contiguous along k. */
CT_INLINE void dot_rows(const int na, const int nb, int64_t K, const real *a, int64_t a_row, const real *b,
                        int64_t b_row, vreal *total) {
#pragma GCC unroll 16
    for (int i = 0; i < na * nb; i++) total[i] = v_zero();
    for (int64_t k0 = 0; k0 < K; k0 += DOT_BLOCK) {
        const int64_t k1 = i64_min(k0 + DOT_BLOCK, K), whole = k0 + (k1 - k0) / VL * VL;
        vreal acc[16];
#pragma GCC unroll 16
        for (int i = 0; i < na * nb; i++) acc[i] = v_zero();
#pragma GCC unroll 2
        for (int64_t k = k0; k < whole; k += VL) {
            vreal av[4];
#pragma GCC unroll 4
            for (int r = 0; r < na; r++) av[r] = v_load(a + r * a_row + k);
#pragma GCC unroll 8
            for (int s = 0; s < nb; s++) {
                const vreal bv = v_load(b + s * b_row + k);
#pragma GCC unroll 4
                for (int r = 0; r < na; r++) acc[r * nb + s] = v_fma(av[r], bv, acc[r * nb + s]);
            }
        }
        if (whole < k1) {
            const vtail tail = v_tail(k1 - whole);
            vreal av[4];
#pragma GCC unroll 4
            for (int r = 0; r < na; r++) av[r] = v_load_tail(a + r * a_row + whole, tail);
#pragma GCC unroll 8
            for (int s = 0; s < nb; s++) {
                const vreal bv = v_load_tail(b + s * b_row + whole, tail);
#pragma GCC unroll 4
                for (int r = 0; r < na; r++) acc[r * nb + s] = v_fma(av[r], bv, acc[r * nb + s]);
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < na * nb; i++) total[i] = total[i] + acc[i];
    }
}
static void dot_1(int64_t K, const real *a, int64_t ar, const real *b, int64_t br, vreal *t) {
    dot_rows(1, 1, K, a, ar, b, br, t);
}
static void dot_2_4(int64_t K, const real *a, int64_t ar, const real *b, int64_t br, vreal *t) {
    dot_rows(2, 4, K, a, ar, b, br, t);
}
static void dot_3_4(int64_t K, const real *a, int64_t ar, const real *b, int64_t br, vreal *t) {
    dot_rows(3, 4, K, a, ar, b, br, t);
}
static void dot_4_4(int64_t K, const real *a, int64_t ar, const real *b, int64_t br, vreal *t) {
    dot_rows(4, 4, K, a, ar, b, br, t);
}
#if LANES >= 8
static void dot_1_8(int64_t K, const real *a, int64_t ar, const real *b, int64_t br, vreal *t) {
    dot_rows(1, 8, K, a, ar, b, br, t);
}
#else
static void dot_1_4(int64_t K, const real *a, int64_t ar, const real *b, int64_t br, vreal *t) {
    dot_rows(1, 4, K, a, ar, b, br, t);
}
#endif

/* y[r * y_row + j] = sum_k a[r, k] * b[j, k] for rows r < na <= 4 of a and n rows of b. */
static void rows_times_rows(int na, int64_t n, int64_t K, const real *a, int64_t a_row, const real *b, int64_t b_row,
                            real *y, int64_t y_row) {
    for (int64_t j0 = 0; j0 < n; j0 += LANES) {
        const int count = (int)i64_min(LANES, n - j0);
        vreal lanes[4][LANES];
        int j = 0;
        vreal t[16];
        const int step = na == 1 && LANES >= 8 ? 8 : 4;
        for (; j + step <= count; j += step) {
            const real *bj = b + (j0 + j) * b_row;
            switch (na) {
#if LANES >= 8
            case 1: dot_1_8(K, a, a_row, bj, b_row, t); break;
#else
            case 1: dot_1_4(K, a, a_row, bj, b_row, t); break;
#endif
            case 2: dot_2_4(K, a, a_row, bj, b_row, t); break;
            case 3: dot_3_4(K, a, a_row, bj, b_row, t); break;
            default: dot_4_4(K, a, a_row, bj, b_row, t); break;
            }
            for (int r = 0; r < na; r++)
                for (int s = 0; s < step && j + s < LANES; s++) lanes[r][j + s] = t[r * step + s];
        }
        for (; j < count; j++)
            for (int r = 0; r < na; r++) dot_1(K, a + r * a_row, 0, b + (j0 + j) * b_row, 0, &lanes[r][j]);
        for (; j < LANES; j++)
            for (int r = 0; r < na; r++) lanes[r][j] = v_zero();
        for (int r = 0; r < na; r++) v_store_part(y + r * y_row + j0, fold_all(lanes[r]), count);
    }
}

#define AXPY_BLOCK 256 /* rows that are summed one after the other before they are added to the total */

/* y[v * VL ...] = sum_k x[k] * b[k, v * VL ...] for nv vectors held in registers. */
CT_INLINE void strip_times(const int nv, const int split, int64_t K, const real *x, const real *b, int64_t b_row,
                           int64_t columns, real *y) {
    const vtail tail = v_tail(columns - (nv - 1) * VL);
    vreal total[8];
#pragma GCC unroll 8
    for (int v = 0; v < nv; v++) total[v] = v_zero();
    for (int64_t k0 = 0; k0 < K; k0 += AXPY_BLOCK) {
        const int64_t k1 = i64_min(K, k0 + AXPY_BLOCK);
        vreal acc[8];
#pragma GCC unroll 8
        for (int i = 0; i < nv * split; i++) acc[i] = v_zero();
        int64_t k = k0;
        for (; k + split <= k1; k += split)
#pragma GCC unroll 4
            for (int s = 0; s < split; s++) {
                const vreal xv = v_set1(x[k + s]);
                const real *p = b + (k + s) * b_row;
#pragma GCC unroll 8
                for (int v = 0; v < nv; v++)
                    acc[s * nv + v] =
                        v_fma(xv, v == nv - 1 ? v_load_tail(p + v * VL, tail) : v_load(p + v * VL), acc[s * nv + v]);
            }
        for (; k < k1; k++) {
            const vreal xv = v_set1(x[k]);
            const real *p = b + k * b_row;
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++)
                acc[v] = v_fma(xv, v == nv - 1 ? v_load_tail(p + v * VL, tail) : v_load(p + v * VL), acc[v]);
        }
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++)
#pragma GCC unroll 4
            for (int s = 0; s < split; s++) total[v] = total[v] + acc[s * nv + v];
    }
#pragma GCC unroll 8
    for (int v = 0; v < nv - 1; v++) v_store(y + v * VL, total[v]);
    v_store_tail(y + (nv - 1) * VL, total[nv - 1], tail);
}

/* y[j] += sum over 8 rows of x[r] * b[r, j]: eight streams, y in the first-level cache. */
CT_INLINE void eight_rows(int64_t n, const real *x, const real *b, int64_t b_row, real *y) {
    const vreal x0 = v_set1(x[0]), x1 = v_set1(x[1]), x2 = v_set1(x[2]), x3 = v_set1(x[3]);
    const vreal x4 = v_set1(x[4]), x5 = v_set1(x[5]), x6 = v_set1(x[6]), x7 = v_set1(x[7]);
    const real *b4 = b + 4 * b_row;
    int64_t j = 0;
    for (; j + VL <= n; j += VL) {
        vreal p = v_fma(x0, v_load(b + j), v_load(y + j)), q = x4 * v_load(b4 + j);
        p = v_fma(x1, v_load(b + b_row + j), p), q = v_fma(x5, v_load(b4 + b_row + j), q);
        p = v_fma(x2, v_load(b + 2 * b_row + j), p), q = v_fma(x6, v_load(b4 + 2 * b_row + j), q);
        p = v_fma(x3, v_load(b + 3 * b_row + j), p), q = v_fma(x7, v_load(b4 + 3 * b_row + j), q);
        v_store(y + j, p + q);
    }
    for (; j < n; j++) {
        real p = s_fma(x[0], b[j], y[j]), q = x[4] * b4[j];
        p = s_fma(x[1], b[b_row + j], p), q = s_fma(x[5], b4[b_row + j], q);
        p = s_fma(x[2], b[2 * b_row + j], p), q = s_fma(x[6], b4[2 * b_row + j], q);
        p = s_fma(x[3], b[3 * b_row + j], p), q = s_fma(x[7], b4[3 * b_row + j], q);
        y[j] = p + q;
    }
}

#define AXPY_STRIP 1024 /* columns at a time; two vectors of this length stay in the first-level cache */

/* y[j] = sum_k x[k] * b[k, j]; rows of b are contiguous. */
static void vector_times(int64_t n, int64_t K, const real *x, const real *b, int64_t b_row, real *y) {
    if (n <= 8 * VL) {
        switch (ceil_div(n, VL)) {
        case 1: strip_times(1, 4, K, x, b, b_row, n, y); return;
        case 2: strip_times(2, 4, K, x, b, b_row, n, y); return;
        case 3: strip_times(3, 2, K, x, b, b_row, n, y); return;
        case 4: strip_times(4, 2, K, x, b, b_row, n, y); return;
        case 5: strip_times(5, 1, K, x, b, b_row, n, y); return;
        case 6: strip_times(6, 1, K, x, b, b_row, n, y); return;
        case 7: strip_times(7, 1, K, x, b, b_row, n, y); return;
        default: strip_times(8, 1, K, x, b, b_row, n, y); return;
        }
    }
    for (int64_t j0 = 0; j0 < n; j0 += AXPY_STRIP) {
        const int64_t w = i64_min(AXPY_STRIP, n - j0);
        real part[AXPY_STRIP];
        for (int64_t k0 = 0; k0 < K; k0 += AXPY_BLOCK) {
            const int64_t k1 = i64_min(K, k0 + AXPY_BLOCK);
            real *sum = k0 == 0 ? y + j0 : part;
            for (int64_t j = 0; j < w; j++) sum[j] = 0;
            int64_t k = k0;
            for (; k + 8 <= k1; k += 8) eight_rows(w, x + k, b + k * b_row + j0, b_row, sum);
            for (; k < k1; k++) {
                const real *p = b + k * b_row + j0;
                const real xk = x[k];
                for (int64_t j = 0; j < w; j++) sum[j] = s_fma(xk, p[j], sum[j]);
            }
            if (k0 > 0)
                for (int64_t j = 0; j < w; j++) y[j0 + j] += part[j];
        }
        if (K == 0)
            for (int64_t j = 0; j < w; j++) y[j0 + j] = 0;
    }
}

#endif

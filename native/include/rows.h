/* rows.h: loads and stores of a row's end, and the two sums that softmax and its losses need of a row. */
#ifndef CORTEN_ROWS_H
#define CORTEN_ROWS_H

#include "vmath.h"

/* n elements, at least one, at most a vector; the other lanes hold `fill`. */
CT_INLINE vreal load_fill(const real *x, int64_t n, real fill) {
    if (CT_LIKELY(n >= VL)) return v_load(x);
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return (vreal)_mm512_mask_loadu_pd((__m512d)v_set1(fill), (__mmask8)((1u << n) - 1), x);
#elif defined(CT_AVX512)
    return (vreal)_mm512_mask_loadu_ps((__m512)v_set1(fill), (__mmask16)((1u << n) - 1), x);
#else
    static const int_real lanes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vint count = (vint){0} + (int_real)n;
    return v_blend((vmask)(*(const vint_unaligned *)lanes < count), v_load_part(x, n), v_set1(fill));
#endif
}
CT_INLINE void store(real *y, vreal v, int64_t n) {
    if (CT_LIKELY(n >= VL)) v_store(y, v);
    else v_store_part(y, v, n);
}

/* The greatest element; NaN may be lost: the sum of exponentials keeps it. */
CT_INLINE real row_max(const real *x, int64_t n) {
    vreal a = v_set1(-REAL_INF), b = a, c = a, d = a;
    int64_t k = 0;
    for (; k + 4 * VL <= n; k += 4 * VL) {
        a = v_max(v_load(x + k), a), b = v_max(v_load(x + k + VL), b);
        c = v_max(v_load(x + k + 2 * VL), c), d = v_max(v_load(x + k + 3 * VL), d);
    }
    for (; k < n; k += VL) a = v_max(load_fill(x + k, n - k, -REAL_INF), a);
    return v_hmax(v_max(v_max(a, b), v_max(c, d)));
}

/* Sum of exp(x - most) in blocks; with `y`, the exponentials are kept. */
CT_INLINE double row_exp(real *y, const real *x, int64_t n, real most, int keep) {
    const vreal m = v_set1(most);
    double total = 0;
    for (int64_t block = 0; block < n; block += 128 * VL) {
        vreal a = v_zero(), b = a;
        int64_t k = block, end = i64_min(block + 128 * VL, n);
        for (; k + 2 * VL <= end; k += 2 * VL) {
            vreal p = v_exp(v_load(x + k) - m), q = v_exp(v_load(x + k + VL) - m);
            if (keep) v_store(y + k, p), v_store(y + k + VL, q);
            a += p, b += q;
        }
        for (; k < end; k += VL) {
            vreal p = v_exp(load_fill(x + k, end - k, -REAL_INF) - m);
            if (keep) store(y + k, p, end - k);
            a += p;
        }
        total += (double)v_hsum(a + b);
    }
    return total;
}

#endif

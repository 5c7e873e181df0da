/* vexp.h: exp of a vector of reals, within 2 units in the last place.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; exp(x) = 2^n * (Taylor polynomial of r).  Below the range 0, above it infinity,
 * NaN stays NaN.
 */
#ifndef CORTEN_LEARN_VEXP_H
#define CORTEN_LEARN_VEXP_H

#include "../simd.h"

CT_INLINE vreal v_exp(vreal x) {
#if CT_REAL_DOUBLE
    const real low = -708.39, high = 709.78, shift = 6755399441055744.0 /* 1.5 * 2^52 */;
    const real ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    static const real c[] = {
        1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
        1.0 / 120,       1.0 / 24,       1.0 / 6,       0.5,          1.0,         1.0};
    const int bits = 52;
#else
    const real low = -87.33f, high = 88.72f, shift = 12582912.0f /* 1.5 * 2^23 */;
    const real ln2_high = 6.93359375e-1f, ln2_low = -2.12194440e-4f;
    static const real c[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    const int bits = 23;
#endif
    vreal clamped = v_blend(x < v_set1(low), v_set1(low), v_blend(x > v_set1(high), v_set1(high), x));
    vreal t = v_fma(clamped, v_set1(R(1.4426950408889634)), v_set1(shift)); /* the integer sits in the low bits */
    vreal n = t - v_set1(shift);
    vreal r = v_fma(n, v_set1(-ln2_high), clamped);
    r = v_fma(n, v_set1(-ln2_low), r);
    vreal y = v_set1(c[0]);
    for (int i = 1; i < (int)(sizeof c / sizeof c[0]); i++) y = v_fma(y, r, v_set1(c[i]));
    /* 2^n in two halves: n may be one past the largest exponent */
    vint k = (vint)t - (vint)v_set1(shift);
    vint half = k >> 1, rest = k - half;
    const int_real bias = CT_REAL_DOUBLE ? 1023 : 127;
    y = y * (vreal)((half + bias) << bits) * (vreal)((rest + bias) << bits);
    y = v_blend(x < v_set1(low), v_zero(), y);
    return v_blend(x > v_set1(high), v_set1(REAL_INF), y);
}

#endif

/* explog.h: e^x of a vector. */
#ifndef CORTEN_EXPLOG_H
#define CORTEN_EXPLOG_H

#include "simd.h"

/* e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2, and a Taylor polynomial for e^r (the remainder stays below
 * half an ulp).  2^n is applied in two halves, so subnormal results are right; NaN stays NaN. */
CT_INLINE vreal v_exp(vreal x) {
#if CT_REAL_DOUBLE
    const vreal magic = v_set1(6755399441055744.0), low = v_set1(-750.0), high = v_set1(710.0);
    const double ln2_hi = 0.69314718055989033, ln2_lo = 5.4979230187083712e-14;
    static const double c[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
                               1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1};
    enum { SHIFT = 52, BIAS = 1023 };
#else
    const vreal magic = v_set1(12582912.0f), low = v_set1(-105.0f), high = v_set1(89.0f);
    const float ln2_hi = 0.693145752f, ln2_lo = 1.42860677e-6f;
    static const float c[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1, 1};
    enum { SHIFT = 23, BIAS = 127 };
#endif
    vreal y = v_min(high, v_max(low, x)); /* NaN stays */
    vreal t = v_fma(y, v_set1(R(1.4426950408889634)), magic), n = t - magic;
    vreal r = v_fma(n, v_set1(-ln2_lo), v_fma(n, v_set1(-ln2_hi), y));
    vreal p = v_set1(c[0]);
    for (int i = 1; i < (int)(sizeof c / sizeof c[0]); i++) p = v_fma(p, r, v_set1(c[i]));
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return (vreal)_mm512_scalef_pd((__m512d)p, (__m512d)n);
#elif defined(CT_AVX512)
    return (vreal)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    vint whole = (vint)t - (vint)magic, half = whole >> 1;
    return p * (vreal)((half + BIAS) << SHIFT) * (vreal)((whole - half + BIAS) << SHIFT);
#endif
}

#endif

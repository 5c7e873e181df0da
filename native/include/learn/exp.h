/* exp.h: the exponential of numbers that are not positive, as kernels and mixtures need it. */
#ifndef CORTEN_LEARN_EXP_H
#define CORTEN_LEARN_EXP_H

#include "../simd.h"

/* exp(x) for x <= 0: 2^n * e^r, n = round(x / ln 2), |r| <= ln 2 / 2, e^r by its Taylor polynomial; 0 where the result
 * would be subnormal.  Relative error below 2 ulp. */
CT_INLINE vreal exp_nonpositive(vreal x) {
#if CT_REAL_DOUBLE
    const vreal magic = v_set1(6755399441055744.0); /* 1.5 * 2^52: adding it rounds to an integer in the low bits */
    vmask tiny = x < v_set1(-708.0);
    x = v_max(x, v_set1(-708.0));
    vreal shifted = v_fma(x, v_set1(1.4426950408889634), magic), n = shifted - magic;
    vreal r = v_fma(n, v_set1(-6.93147180369123816490e-01), x);
    r = v_fma(n, v_set1(-1.90821492927058770002e-10), r);
    static const double c[] = {
        1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
        1.0 / 120,       1.0 / 24,       1.0 / 6,       0.5,          1.0,         1.0};
    vreal p = v_set1(c[0]);
#pragma GCC unroll 16
    for (int i = 1; i < 13; i++) p = v_fma(p, r, v_set1(c[i]));
    vint bits = (vint)p + ((vint)shifted << 52);
#else
    const vreal magic = v_set1(12582912.0f); /* 1.5 * 2^23 */
    vmask tiny = x < v_set1(-87.0f);
    x = v_max(x, v_set1(-87.0f));
    vreal shifted = v_fma(x, v_set1(1.44269504f), magic), n = shifted - magic;
    vreal r = v_fma(n, v_set1(-0.693359375f), x);
    r = v_fma(n, v_set1(2.12194440e-4f), r);
    static const float c[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    vreal p = v_set1(c[0]);
#pragma GCC unroll 8
    for (int i = 1; i < 8; i++) p = v_fma(p, r, v_set1(c[i]));
    vint bits = (vint)p + ((vint)shifted << 23);
#endif
    return v_and(~tiny, (vreal)bits);
}

#endif

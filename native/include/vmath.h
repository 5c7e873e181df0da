/* vmath.h: elementary functions of a vector of reals.
 *
 * Each is written once for float and double from the textbook recipe: reduce the argument, evaluate a minimax
 * polynomial (coefficients from a Remez exchange at 50 digits, weighted for relative error), put the exponent back.
 * Largest errors in units in the last place are measured by tests/native/test_vmath.py, which states them; infinities,
 * NaN, denormals and signed zeros come out as in C99.  vmath_special.h goes on with the rarer functions.
 */
#ifndef CORTEN_VMATH_H
#define CORTEN_VMATH_H

#include <math.h>

#include "simd.h"

#define V(x) v_set1(R(x))
#if CT_REAL_DOUBLE
#define MANTISSA 52
#define BIAS 1023
#define REAL_MIN_NORMAL 2.2250738585072014e-308
#define ROUND_MAGIC 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer in the low bits */
#define LOWEST(a, b) b
#else
#define MANTISSA 23
#define BIAS 127
#define REAL_MIN_NORMAL 1.17549435e-38f
#define ROUND_MAGIC 12582912.0f
#define LOWEST(a, b) a
#endif
#if defined(__FMA__) || (defined(__ARM_NEON) && defined(__aarch64__))
#define CT_HAS_FMA 1
#endif
typedef uint_real vuint __attribute__((vector_size(VBYTES)));

/* ---- parts ------------------------------------------------------------------------------------------------------- */

CT_INLINE vreal v_poly(vreal x, const real *c, int n) { /* c[0] + c[1] x + ... + c[n-1] x^(n-1) */
    vreal p = v_set1(c[n - 1]);
    for (int i = n - 2; i >= 0; i--) p = v_fma(p, x, v_set1(c[i]));
    return p;
}
#define V_POLY(x, table) v_poly(x, table, (int)(sizeof(table) / sizeof((table)[0])))

CT_INLINE int v_any(vmask m) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return _mm512_movepi64_mask((__m512i)m) != 0;
#elif defined(CT_AVX512)
    return _mm512_movepi32_mask((__m512i)m) != 0;
#elif defined(CT_AVX2)
    return _mm256_movemask_epi8((__m256i)m) != 0;
#elif defined(__SSE2__)
    return _mm_movemask_epi8((__m128i)m) != 0;
#else
    int_real any = 0;
    for (int i = 0; i < VL; i++) any |= m[i];
    return any != 0;
#endif
}

CT_INLINE vint v_bits(real x) { return (vint)v_set1(x); }
CT_INLINE vreal v_sign_bit(vreal x) { return (vreal)((vint)x & v_bits(R(-0.0))); }
CT_INLINE vreal v_xor(vreal a, vreal b) { return (vreal)((vint)a ^ (vint)b); }
CT_INLINE vreal v_or(vreal a, vreal b) { return (vreal)((vint)a | (vint)b); }
CT_INLINE vreal v_copysign(vreal magnitude, vreal sign) { return v_or(v_abs(magnitude), v_sign_bit(sign)); }
CT_INLINE vmask v_isnan(vreal x) { return x != x; }
CT_INLINE vmask v_isinf(vreal x) { return v_abs(x) == v_set1(REAL_INF); }
CT_INLINE vreal v_clamp(vreal x, vreal lo, vreal hi) { return v_min(hi, v_max(lo, x)); } /* NaN stays */

#define V_ROUNDING(name, mode, builtin) \
    CT_INLINE vreal name(vreal x) { V_ROUNDING_BODY(mode, builtin) }
#if defined(CT_AVX512) && CT_REAL_DOUBLE
#define V_ROUNDING_BODY(mode, builtin) return (vreal)_mm512_roundscale_pd((__m512d)x, (mode) | _MM_FROUND_NO_EXC);
#elif defined(CT_AVX512)
#define V_ROUNDING_BODY(mode, builtin) return (vreal)_mm512_roundscale_ps((__m512)x, (mode) | _MM_FROUND_NO_EXC);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
#define V_ROUNDING_BODY(mode, builtin) return (vreal)_mm256_round_pd((__m256d)x, (mode) | _MM_FROUND_NO_EXC);
#elif defined(CT_AVX2)
#define V_ROUNDING_BODY(mode, builtin) return (vreal)_mm256_round_ps((__m256)x, (mode) | _MM_FROUND_NO_EXC);
#elif defined(__SSE4_1__) && CT_REAL_DOUBLE
#define V_ROUNDING_BODY(mode, builtin) return (vreal)_mm_round_pd((__m128d)x, (mode) | _MM_FROUND_NO_EXC);
#elif defined(__SSE4_1__)
#define V_ROUNDING_BODY(mode, builtin) return (vreal)_mm_round_ps((__m128)x, (mode) | _MM_FROUND_NO_EXC);
#else
#define V_ROUNDING_BODY(mode, builtin)                               \
    for (int i = 0; i < VL; i++) x[i] = (real)builtin((double)x[i]); \
    return x;
#endif
V_ROUNDING(v_floor, 1, __builtin_floor)
V_ROUNDING(v_ceil, 2, __builtin_ceil)
V_ROUNDING(v_trunc, 3, __builtin_trunc)
V_ROUNDING(v_round, 0, __builtin_rint) /* half to even */

/* The nearest integer n of |x| < 2^22 (2^51), also as an integer vector. */
CT_INLINE vreal v_nearest(vreal x, vint *n) {
    vreal shifted = x + v_set1(ROUND_MAGIC);
    *n = (vint)shifted - v_bits(ROUND_MAGIC);
    return shifted - v_set1(ROUND_MAGIC);
}
CT_INLINE vreal v_from_small_int(vint n) { return (vreal)(n + v_bits(ROUND_MAGIC)) - v_set1(ROUND_MAGIC); }

/* 2^n for normal results, from the exponent field. */
CT_INLINE vreal v_pow2(vint n) { return (vreal)((n + BIAS) << MANTISSA); }
/* x * 2^n, rounded once; n (also as the real r) is within twice the exponent range */
CT_INLINE vreal v_scale(vreal x, vint n CT_UNUSED, vreal r CT_UNUSED) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return (vreal)_mm512_scalef_pd((__m512d)x, (__m512d)r);
#elif defined(CT_AVX512)
    return (vreal)_mm512_scalef_ps((__m512)x, (__m512)r);
#else
    vint half = (vint)((vuint)(n + 4 * BIAS + 4) >> 1) - (2 * BIAS + 2);
    return x * v_pow2(half) * v_pow2(n - half);
#endif
}

/* A product and its rounding error: a * b = p + e exactly. */
CT_INLINE vreal v_product(vreal a, vreal b, vreal *e) {
    vreal p = a * b;
#ifdef CT_HAS_FMA
    *e = v_fma(a, b, -p);
#else /* Dekker: split each into halves */
    const vint top = (vint)v_zero() + (int_real)(~(((int_real)1 << LOWEST(12, 27)) - 1));
    vreal ah = (vreal)((vint)a & top), al = a - ah, bh = (vreal)((vint)b & top), bl = b - bh;
    *e = al * bl - (((p - ah * bh) - al * bh) - ah * bl);
#endif
    return p;
}
CT_INLINE vreal v_sum(vreal a, vreal b, vreal *e) { /* Knuth: a + b = s + e exactly */
    vreal s = a + b, t = s - a;
    *e = (a - (s - t)) + (b - t);
    return s;
}
CT_INLINE vreal v_sum_ordered(vreal a, vreal b, vreal *e) { /* the same where |a| >= |b| or a = 0 */
    vreal s = a + b;
    *e = b - (s - a);
    return s;
}

/* ---- exponentials: e^x = 2^n e^r, |r| <= ln(2) / 2, e^r = 1 + r + r^2 q(r) --------------------------------------- */

#define LN2_HI LOWEST(0.693359375f, 6.93147180369123816490e-01) /* n * LN2_HI is exact */
#define LN2_LO LOWEST(-2.12194440e-4f, 1.90821492927058770002e-10)
static const real exp_q[] CT_UNUSED = {
#if CT_REAL_DOUBLE
    0.5,
    0.166666666666666767,
    0.0416666666666667013,
    0.00833333333332153069,
    0.00138888888888667724,
    0.000198412698864018253,
    0.0000248015873607570288,
    2.75572439117156547e-6,
    2.75572425616781413e-7,
    2.51091471447357119e-8,
    2.09245081345064102e-9
#else
    0.5000000047f,   0.1666666682f,   0.04166635356f, 0.008333273032f,
    0.001394110002f, 0.0001991419729f
#endif
};

/* e^(x + low) for a small correction `low` */
CT_INLINE vreal v_exp_sum(vreal x, vreal low) {
    vint n;
    x = v_clamp(x, V(LOWEST(-104.0, -746.0)), V(LOWEST(89.0, 710.0)));
    vreal k = v_nearest(x * V(1.44269504088896340736), &n);
    vreal r = v_fma(k, v_set1(-LN2_HI), x);
    r = v_fma(k, v_set1(-LN2_LO), r) + low;
    return v_scale(V(1.0) + v_fma(r * r, V_POLY(r, exp_q), r), n, k);
}
CT_INLINE vreal v_exp(vreal x) {
    vint n;
    x = v_clamp(x, V(LOWEST(-104.0, -746.0)), V(LOWEST(89.0, 710.0)));
    vreal k = v_nearest(x * V(1.44269504088896340736), &n);
    vreal r = v_fma(k, v_set1(-LN2_LO), v_fma(k, v_set1(-LN2_HI), x));
    return v_scale(V(1.0) + v_fma(r * r, V_POLY(r, exp_q), r), n, k);
}
CT_INLINE vreal v_exp2(vreal x) {
    vint n;
    x = v_clamp(x, V(LOWEST(-151.0, -1076.0)), V(LOWEST(129.0, 1025.0)));
    vreal k = v_nearest(x, &n), f = x - k;
    vreal e, r = v_product(f, V(0.693147180559945309417), &e);
    e = v_fma(f, V(LOWEST(-1.90465421e-9, 2.3190468138462996e-17)), e);
    return v_scale(V(1.0) + (r + v_fma(r * r, V_POLY(r, exp_q), e)), n, k);
}
/* e^x - 1 = 2^n ((1 - 2^-n) + r + r^2 q(r)) */
CT_INLINE vreal v_expm1(vreal x) {
    vint n;
    vmask zero = x == v_zero();
    x = v_clamp(x, V(LOWEST(-20.0, -40.0)), V(LOWEST(89.0, 710.0)));
    vreal k = v_nearest(x * V(1.44269504088896340736), &n);
    vreal t = v_fma(k, v_set1(-LN2_HI), x), low = k * v_set1(LN2_LO);
    vreal r = t - low;
    low = (t - r) - low;
    vreal tail = v_fma(r * r, V_POLY(r, exp_q), low);
    vreal base = V(1.0) - v_scale(V(1.0), -n, -k);
    return v_blend(zero, x, v_scale((base + r) + tail, n, k)); /* keeps -0 */
}

/* ---- logarithms: x = 2^e m, sqrt(1/2) <= m < sqrt(2), log x = e log 2 + log(1 + f), f = m - 1 ---------------------
 */

#define SQRT_HALF LOWEST(0.707106781f, 0.70710678118654752440)
CT_INLINE vreal v_split(vreal x, vreal *e) { /* m and e of a positive finite x, denormal or not */
    vmask tiny = x < v_set1(REAL_MIN_NORMAL);
    x = v_blend(tiny, x * V(LOWEST(16777216.0, 18014398509481984.0)), x);
    vint k = (vint)((vuint)((vint)x - v_bits(SQRT_HALF) + ((int_real)BIAS << MANTISSA)) >> MANTISSA) - BIAS;
    *e = v_from_small_int(k) - v_and(tiny, V(LOWEST(24.0, 54.0)));
    return (vreal)((vint)x - (k << MANTISSA));
}

#if CT_REAL_DOUBLE
/* log(1 + f) = f - f^2/2 + s (f^2/2 + R), s = f / (2 + f), R = 2 (atanh(s)/s - 1) */
static const real log_r[] CT_UNUSED = {0.666666666666673543, 0.399999999994071477, 0.285714287442197456,
                                       0.222221983700574735, 0.181835756250951371, 0.153137433968206003,
                                       0.147991961790069507};
CT_INLINE vreal v_log_parts(vreal f, vreal e) { /* log(1 + f) + e log 2 */
    vreal s = f / (V(2.0) + f), z = s * s, half = V(0.5) * f * f;
    vreal r = z * V_POLY(z, log_r);
    return v_fma(e, v_set1(LN2_HI), f - (half - v_fma(s, half + r, e * v_set1(LN2_LO))));
}
#else
/* log(1 + f) = f - f^2/2 + f^3 p(f) */
static const real log_p[] CT_UNUSED = {0.3333331006f,  -0.2499998654f, 0.20002256f,    -0.1666927595f, 0.1421802113f,
                                       -0.1238347753f, 0.1187721084f,  -0.1179712488f, 0.06914273383f};
CT_INLINE vreal v_log_parts(vreal f, vreal e) {
    vreal z = f * f;
    vreal y = v_fma(z * f, V_POLY(f, log_p), e * v_set1(LN2_LO));
    return v_fma(e, v_set1(LN2_HI), f + v_fma(z, V(-0.5), y));
}
#endif
/* the logarithm's value where x is not positive and finite */
CT_INLINE vreal v_log_edges(vreal x, vreal y) {
    y = v_blend(x == v_set1(REAL_INF), x, y);
    y = v_blend(x == v_zero(), v_set1(-REAL_INF), y);
    return v_blend((x < v_zero()) | v_isnan(x), v_set1(REAL_NAN), y);
}
CT_INLINE vreal v_log(vreal x) {
    vreal e, m = v_split(x, &e);
    return v_log_edges(x, v_log_parts(m - V(1.0), e));
}
CT_INLINE vreal v_log2(vreal x) {
    vreal e, m = v_split(x, &e), r = v_log_parts(m - V(1.0), v_zero());
    return v_log_edges(x, v_fma(r, V(LOWEST(1.44269502, 1.4426950408889634)), e) +
                              r * V(LOWEST(1.92596303e-8, 2.0355273740931033e-17)));
}
CT_INLINE vreal v_log10(vreal x) {
    vreal e, m = v_split(x, &e), r = v_log_parts(m - V(1.0), v_zero());
    vreal low = v_fma(e, V(LOWEST(7.9034151668e-7, 3.69423907715893078616e-13)), r * V(0.43429448190325182765));
    return v_log_edges(x, v_fma(e, V(LOWEST(3.0102920532e-1, 3.01029995663611771306e-01)), low));
}
CT_INLINE vreal v_log1p(vreal x) {
    vreal u = V(1.0) + x, e, m = v_split(u, &e);
    vreal lost = v_blend(x >= V(1.0), V(1.0) - (u - x), x - (u - V(1.0))); /* of x in rounding u */
    vint n = (vint)(e + v_set1(ROUND_MAGIC)) - v_bits(ROUND_MAGIC);
    vreal f = (m - V(1.0)) + v_scale(lost, -n, -e);
    f = v_blend(e == v_zero(), x, f);
    vreal y = v_log_edges(u, v_log_parts(f, e));
    return v_blend(x == v_zero(), x, y); /* keeps -0 */
}

/* ---- from the exponential ------------------------------------------------------------------------------------------
 */

/* tanh |x| = t / (t + 2), t = e^(2|x|) - 1 */
CT_INLINE vreal v_tanh(vreal x) {
    vreal t = v_expm1(v_min(V(LOWEST(20.0, 40.0)), V(2.0) * v_abs(x)));
    return v_or(t / (t + V(2.0)), v_sign_bit(x));
}
/* 1 / (1 + e^-x), through z = e^-|x| <= 1 so that neither tail overflows */
CT_INLINE vreal v_sigmoid(vreal x) {
    vreal z = v_exp(-v_abs(x));
    return v_blend(x < v_zero(), z, V(1.0)) / (V(1.0) + z);
}
/* log(1 + e^x) = max(x, 0) + log1p(e^-|x|) */
CT_INLINE vreal v_softplus(vreal x) { return v_max(v_zero(), x) + v_log1p(v_exp(-v_abs(x))); }

/* ---- the normal distribution
 * ------------------------------------------------------------------------------------------
 *
 * erfc(t) = e^(-t^2) p(q) / (1 + 2t), q = (t - K) / (t + K), for t >= 0 (Shepherd and Laframboise, 1981).
 */
#define ERFC_K LOWEST(2.0f, 4.0)
static const real erfc_p[] CT_UNUSED = {
#if CT_REAL_DOUBLE
    1.23299511862555251,     -0.139621116840562946,     0.0153796521026187389,     0.068097054254742683,
    -0.101039066036239609,   0.0937328349966527617,     -0.0663303658139962242,    0.0371675155638225123,
    -0.0161977340315420398,  0.00503196975398779263,    -0.000757773518473113871,  -0.000199255557213543359,
    0.000150622931741753569, -0.0000244027800303378476, -0.0000112264114498782183, 5.7165441324628928e-6,
    3.03548744737654131e-7,  -8.32679150068411317e-7,   6.131871158151508e-8,      1.12957002621950236e-7,
    -7.72961436159194158e-9, -1.27251769368570215e-8,   -1.49784707880915197e-9
#else
    1.276978403f,    -0.09276404543f, -0.1660321214f,   0.1640564653f,    -0.05419650271f, -0.008062778014f,
    0.008603390893f, 0.001306427315f, -0.001197551852f, -0.0003804231287f
#endif
};
static const real erf_p[] CT_UNUSED = {/* erf(x) = x + x p(x^2), |x| <= 1 */
#if CT_REAL_DOUBLE
                                       0.128379167095512574,    -0.376126389031837482,     0.112837916709548844,
                                       -0.0268661706450778688,  0.00522397762482838683,    -0.000854832698142363607,
                                       0.000120553311329022611, -0.0000149255957712155121, 1.64610084670958503e-6,
                                       -1.63503961584405698e-7, 1.46603286136040376e-8,    -1.13749565441506756e-9,
                                       5.96068873604055119e-11
#else
                                       0.1283791659f,   -0.3761262713f,    0.1128360016f,  -0.02685444405f,
                                       0.005189534662f, -0.0008020837447f, 7.889112312e-5f
#endif
};
/* e^(t^2) erfc(t), t >= 0 */
CT_INLINE vreal v_erfcx(vreal t) {
    vreal plus = t + v_set1(ERFC_K), wide = v_fma(V(2.0), t, V(1.0));
    vreal over = V(1.0) / (plus * wide);
    return V_POLY((t - v_set1(ERFC_K)) * wide * over, erfc_p) * (plus * over);
}
/* erfc(t), t >= 0 */
CT_INLINE vreal v_erfc_tail(vreal t) {
    vreal low;
    t = v_min(V(LOWEST(12.0, 28.0)), t);
    vreal square = v_product(t, t, &low);
    return v_exp_sum(-square, -low) * v_erfcx(t);
}
CT_INLINE vreal v_erf(vreal x) {
    vreal t = v_abs(x);
    vmask far = t > V(1.0);
    vreal near = v_fma(x, V_POLY(x * x, erf_p), x);
    if (!v_any(far)) return near;
    return v_blend(far, v_copysign(V(1.0) - v_erfc_tail(t), x), near);
}
CT_INLINE vreal v_erfc(vreal x) {
    vreal t = v_abs(x), tail = v_erfc_tail(t);
    vreal near = V(1.0) - v_fma(x, V_POLY(x * x, erf_p), x);
    vreal y = v_blend(x < v_zero(), V(2.0) - tail, tail);
    return v_blend(t < V(0.5), near, y);
}
/* The distribution function of the standard normal, and its density through *density. */
CT_INLINE vreal v_normal_cdf(vreal x, vreal *density) {
    vreal t = v_abs(x) * V(0.70710678118654752440);
    t = v_min(V(LOWEST(12.0, 28.0)), t);
    vreal e = v_exp(V(-0.5) * v_min(V(LOWEST(300.0, 1600.0)), x * x));
    vreal half = V(0.5) * e * v_erfcx(t);
    *density = e * V(0.39894228040143267794);
    return v_blend(x < v_zero(), half, V(1.0) - half);
}

/* ---- sine and cosine: x = n pi/2 + r, |r| <= pi/4 (Cody and Waite, with as many parts of pi/2 as the bound needs)
 * ---- */

static const real sin_p[] CT_UNUSED = {
/* sin r = r + r^3 p(r^2) */
#if CT_REAL_DOUBLE
    -0.166666666666666312,  0.00833333333332220549, -0.000198412698296335139, 2.7557313628996859e-6,
    -2.5050747906858714e-8, 1.58961846016524896e-10
#else
    -0.1666666664f, 0.008333329338f, -0.0001983931941f, 2.718163235e-6f
#endif
};
static const real cos_p[] CT_UNUSED = {
/* cos r = 1 - r^2/2 + r^4 p(r^2) */
#if CT_REAL_DOUBLE
    0.0416666666666665979,  -0.00138888888888738435, 0.000024801587289298378, -2.7557314296909895e-7,
    2.08757154453737394e-9, -1.13592282398440326e-11
#else
    0.04166666664f, -0.00138888837f, 2.479950438e-5f, -2.720891993e-7f
#endif
};
#if CT_REAL_DOUBLE
#define TRIG_BOUND 1e6
#elif defined(CT_HAS_FMA)
#define TRIG_BOUND 1e5f
#else
#define TRIG_BOUND 6000.0f
#endif
CT_INLINE vreal v_mod_half_pi(vreal x, vint *n) {
    vreal k = v_nearest(x * V(0.63661977236758134308), n);
#if CT_REAL_DOUBLE
    vreal r = v_fma(k, V(-1.57079632673412561417e+00), x), t = r, low = k * V(6.07710050630396597660e-11);
    r = t - low;
    low = v_fma(k, V(2.02226624871116645580e-21), -((t - r) - low));
    r = r - low;
    return v_fma(k, V(-8.47842766036889956997e-32), r);
#elif defined(CT_HAS_FMA)
    vreal r = v_fma(k, V(-1.57079637), x);
    r = v_fma(k, V(4.37113883e-8), r);
    return v_fma(k, V(1.71512489e-15), r);
#else
    vreal r = x - k * V(1.5703125);
    r = r - k * V(4.83751296997070312500e-4);
    r = r - k * V(7.54953362047672271729e-8);
    return r - k * V(2.56334406825708960298e-12);
#endif
}
CT_INLINE vreal v_sin_part(vreal r) {
    vreal z = r * r;
    return v_fma(r * z, V_POLY(z, sin_p), r);
}
CT_INLINE vreal v_cos_part(vreal r) {
    vreal z = r * r, half = V(0.5) * z, w = V(1.0) - half;
    return w + v_fma(z * z, V_POLY(z, cos_p), (V(1.0) - w) - half);
}
#define V_BY_LANE(f, x, y, lanes)                                         \
    do {                                                                  \
        for (int lane_ = 0; lane_ < VL; lane_++)                          \
            if ((lanes)[lane_]) (y)[lane_] = (real)f((double)(x)[lane_]); \
    } while (0)
CT_INLINE vreal v_sin(vreal x) {
    vint n;
    vreal r = v_mod_half_pi(x, &n);
    vreal y = v_blend((n & 1) != 0, v_cos_part(r), v_sin_part(r));
    y = v_xor(y, (vreal)((n & 2) << (MANTISSA + LOWEST(7, 10))));
    y = v_blend(x == v_zero(), x, y);
    vmask far = v_abs(x) > v_set1(TRIG_BOUND);
    if (CT_UNLIKELY(v_any(far))) V_BY_LANE(sin, x, y, far);
    return y;
}
CT_INLINE vreal v_cos(vreal x) {
    vint n;
    vreal r = v_mod_half_pi(x, &n);
    vreal y = v_blend((n & 1) != 0, v_sin_part(r), v_cos_part(r));
    y = v_xor(y, (vreal)(((n + 1) & 2) << (MANTISSA + LOWEST(7, 10))));
    vmask far = v_abs(x) > v_set1(TRIG_BOUND);
    if (CT_UNLIKELY(v_any(far))) V_BY_LANE(cos, x, y, far);
    return y;
}
CT_INLINE vreal v_tan(vreal x) {
    vint n;
    vreal r = v_mod_half_pi(x, &n), s = v_sin_part(r), c = v_cos_part(r);
    vmask odd = (n & 1) != 0;
    vreal y = v_blend(odd, -c, s) / v_blend(odd, s, c);
    y = v_blend(x == v_zero(), x, y);
    vmask far = v_abs(x) > v_set1(TRIG_BOUND);
    if (CT_UNLIKELY(v_any(far))) V_BY_LANE(tan, x, y, far);
    return y;
}

#endif

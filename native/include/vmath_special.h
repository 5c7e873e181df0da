/* vmath_special.h: inverse trigonometric and hyperbolic functions, powers, remainders, and the gamma family, on
 * vectors.
 *
 * See vmath.h. The last few are rare and are computed lane by lane in double precision.
 */
#ifndef CORTEN_VMATH_SPECIAL_H
#define CORTEN_VMATH_SPECIAL_H

#include "vmath.h"

/* ---- inverse trigonometric -----------------------------------------------------------------------------------------
 */

#define HALF_PI_HI LOWEST(1.57079637f, 1.5707963267948966)
#define HALF_PI_LO LOWEST(-4.37113883e-8f, 6.1232339957367659e-17)

static const real atan_p[] CT_UNUSED = {/* atan q = q + q^3 p(q^2), |q| <= tan(pi/8) */
#if CT_REAL_DOUBLE
                                        -0.333333333333333274,
                                        0.199999999999976359,
                                        -0.142857142853837891,
                                        0.111111110879121326,
                                        -0.0909090813486361033,
                                        0.0769228253860802885,
                                        -0.0666622348851596419,
                                        0.0587698962044866516,
                                        -0.0521819627095549625,
                                        0.045026994423740623,
                                        -0.0334545858681383134,
                                        0.0151748911530692689
#else
                                        -0.3333331531f, 0.1999847618f, -0.1424357949f, 0.1059388686f, -0.06077809305f
#endif
};
/* The angle of (x, y) in the first octants, x, y >= 0: with t = min / max, atan t = pi/4 + atan((t - 1) / (t + 1))
 * above tan(pi/8); past the diagonal it is the complement to pi/2. */
CT_INLINE vreal v_angle(vreal y, vreal x) {
    vreal large = v_max(x, y), small = v_min(x, y);
    vreal shrink = v_blend(large > V(LOWEST(1e37, 1e307)), V(0.25), V(1.0)); /* so that the sum below is finite */
    large *= shrink, small *= shrink;
    vmask equal = (small == large) & (large > v_zero()); /* infinity over infinity too */
    vmask steep = (small > large * V(0.41421356237309504880)) | equal, over = y > x;
    vreal q = v_blend(steep, small - large, small) / v_blend(steep, small + large, large);
    q = v_blend((large == v_zero()) | equal, v_zero(), q);
    vreal z = q * q, tail = q * z * V_POLY(z, atan_p);
    /* base + sign (q + tail), the base in two parts: 0, pi/4 or pi/2 */
    vreal hi = v_and(steep, v_set1(HALF_PI_HI / 2)), lo = v_and(steep, v_set1(HALF_PI_LO / 2));
    hi = v_blend(over, v_set1(HALF_PI_HI) - hi, hi);
    lo = v_blend(over, v_set1(HALF_PI_LO) - lo, lo);
    vreal flip = v_and(over, V(-0.0));
    return hi + (v_xor(q, flip) + (v_xor(tail, flip) + lo));
}
CT_INLINE vreal v_atan(vreal x) {
    vreal y = v_copysign(v_angle(v_abs(x), V(1.0)), x);
    return v_blend(v_isnan(x), x, y);
}
CT_INLINE vreal v_atan2(vreal y, vreal x) {
    vreal a = v_angle(v_abs(y), v_abs(x));
    vmask left = (vint)v_sign_bit(x) != 0;
    a = v_blend(left, v_set1(2 * HALF_PI_HI) - (a - v_set1(2 * HALF_PI_LO)), a);
    return v_blend(v_isnan(x) | v_isnan(y), x + y, v_copysign(a, y));
}

static const real asin_p[] CT_UNUSED = {
/* asin s = s + s^3 p(s^2), |s| <= 1/2 */
#if CT_REAL_DOUBLE
    0.166666666666667654,  0.0749999999996939842,  0.0446428571759865432, 0.0303819426401978917, 0.0223722169331820628,
    0.0173515763929698563, 0.013981254987572329,   0.0113953008114093319, 0.0108007970456695454, 0.00362770867380609654,
    0.0219015302578460378, -0.0212773167546171728, 0.032804845035773462
#else
    0.1666665978f,  0.07500517011f, 0.04451446786f, 0.03182871047f,
    0.01435838691f, 0.03763023115f
#endif
};
/* asin s = s + tail where s = |x| (|x| <= 1/2) or sqrt((1 - |x|) / 2), for which asin |x| = pi/2 - 2 asin s */
CT_INLINE vreal v_asin_parts(vreal x, vreal *tail, vmask *outer) {
    vreal t = v_abs(x);
    *outer = t > V(0.5);
    vreal z = v_blend(*outer, V(0.5) * (V(1.0) - t), t * t), s = v_blend(*outer, v_sqrt(z), t);
    vreal low, square = v_product(s, s, &low); /* what the root's rounding lost */
    vreal lost = v_blend(*outer & (s > v_zero()), ((z - square) - low) / (s + s), v_zero());
    *tail = v_fma(s * z, V_POLY(z, asin_p), lost);
    return s;
}
CT_INLINE vreal v_asin(vreal x) {
    vmask outer;
    vreal tail, s = v_asin_parts(x, &tail, &outer);
    vreal far = v_set1(HALF_PI_HI) - (V(2.0) * s + (V(2.0) * tail - v_set1(HALF_PI_LO)));
    vreal y = v_copysign(v_blend(outer, far, s + tail), x);
    return v_blend(~(v_abs(x) <= V(1.0)), v_set1(REAL_NAN), y);
}
CT_INLINE vreal v_acos(vreal x) {
    vmask outer, negative = x < v_zero();
    vreal tail, s = v_asin_parts(x, &tail, &outer), twice = V(2.0) * s, twice_tail = V(2.0) * tail;
    vreal flip = v_sign_bit(x);
    vreal inner = v_set1(HALF_PI_HI) - (v_xor(s, flip) + (v_xor(tail, flip) - v_set1(HALF_PI_LO)));
    vreal left = v_set1(2 * HALF_PI_HI) - (twice + (twice_tail - v_set1(2 * HALF_PI_LO)));
    vreal far = v_blend(negative, left, twice + twice_tail);
    return v_blend(~(v_abs(x) <= V(1.0)), v_set1(REAL_NAN), v_blend(outer, far, inner));
}

/* ---- hyperbolic
 * -------------------------------------------------------------------------------------------------------- */

CT_INLINE vreal v_half_exp(vreal x) { /* e^x / 2, without overflow before its time; x >= 0 */
    vint n;
    x = v_min(V(LOWEST(90.0, 711.0)), x);
    vreal k = v_nearest(x * V(1.44269504088896340736), &n);
    vreal r = v_fma(k, v_set1(-LN2_LO), v_fma(k, v_set1(-LN2_HI), x));
    return v_scale(V(1.0) + v_fma(r * r, V_POLY(r, exp_q), r), n - 1, k - V(1.0));
}
static const real sinh_p[] CT_UNUSED = {
    /* (sinh(x) - x) / x^3, Taylor, |x| <= 1 */
    R(1.6666666666666666667e-1), R(8.3333333333333333333e-3), R(1.9841269841269841270e-4),
    R(2.7557319223985890653e-6), R(2.5052108385441718775e-8),
#if CT_REAL_DOUBLE
    1.6059043836821614599e-10,   7.6471637318198164759e-13,   2.8114572543455207632e-15,
    8.2206352466243297170e-18
#endif
};
CT_INLINE vreal v_sinh(vreal x) {
    vreal t = v_abs(x), h = v_half_exp(t), z = x * x;
    vreal near = v_fma(x * z, V_POLY(z, sinh_p), x);
    vreal y = v_blend(t <= V(1.0), near, v_copysign(h - V(0.25) / h, x));
    return v_blend(v_isnan(x), x, y);
}
CT_INLINE vreal v_cosh(vreal x) {
    vreal h = v_half_exp(v_abs(x));
    return h + V(0.25) / h;
}
#define HUGE_ARGUMENT V(LOWEST(1073741824.0, 1152921504606846976.0)) /* from here asinh x = log 2x */
CT_INLINE vreal v_asinh(vreal x) {
    vreal t = v_abs(x), z = t * t;
    vmask huge = t > HUGE_ARGUMENT;
    vreal w = v_blend(huge, t, t + z / (V(1.0) + v_sqrt(V(1.0) + z)));
    return v_copysign(v_log1p(w) + v_and(huge, V(0.69314718055994530942)), x);
}
CT_INLINE vreal v_acosh(vreal x) {
    vreal t = x - V(1.0);
    vmask huge = x > HUGE_ARGUMENT;
    vreal w = v_blend(huge, x, t + v_sqrt(t * (t + V(2.0))));
    vreal y = v_log1p(w) + v_and(huge, V(0.69314718055994530942));
    return v_blend(x < V(1.0), v_set1(REAL_NAN), y);
}
CT_INLINE vreal v_atanh(vreal x) {
    vreal t = v_abs(x);
    vreal y = V(0.5) * v_log1p((t + t) / (V(1.0) - t));
    return v_blend(~(t <= V(1.0)), v_set1(REAL_NAN), v_copysign(y, x));
}

/* ---- remainders and lengths
 * ---------------------------------------------------------------------------------------------- */

/* a - trunc(a / b) b, exactly: one step where the quotient is an exact integer in this type, the C library beyond */
CT_INLINE vreal v_fmod(vreal a, vreal b) {
    vreal x = v_abs(a), d = v_abs(b), q = v_trunc(x / d), low;
    vreal p = v_product(q, d, &low);
    vreal r = (x - p) - low;
    r = v_blend(r < v_zero(), r + d, r);
    r = v_blend(r >= d, r - d, r);
    vreal y = v_copysign(v_blend(x < d, x, r), a);
    vmask fine = (x / d < V(LOWEST(4194304.0, 1125899906842624.0))) & (d < v_set1(REAL_INF)) & (x < v_set1(REAL_INF)) &
                 (d > V(LOWEST(1e-30, 1e-280)));
    if (CT_UNLIKELY(v_any(~fine)))
        for (int i = 0; i < VL; i++)
            if (!fine[i]) y[i] = (real)fmod((double)a[i], (double)b[i]);
    return y;
}
CT_INLINE vreal v_hypot(vreal a, vreal b) {
    a = v_abs(a), b = v_abs(b);
    vreal large = v_max(a, b), s = v_min(a, b) / large;
    vreal y = large * v_sqrt(v_fma(s, s, V(1.0)));
    y = v_blend(large == v_zero(), large, y);
    y = v_blend(v_isnan(a) | v_isnan(b), v_set1(REAL_NAN), y);
    return v_blend((a == v_set1(REAL_INF)) | (b == v_set1(REAL_INF)), v_set1(REAL_INF), y);
}

/* ---- powers: |x|^y = e^(y log |x|), the logarithm to more than the result's precision
 * ------------------------------------- */

#if CT_REAL_DOUBLE
static const double pow_log[] CT_UNUSED = {/* (2 atanh(s)/s - 2 - 2z/3) / z^2, z = s^2 */
                                           0.400000000000000002, 0.285714285714283722, 0.222222222222915981,
                                           0.181818181690919491, 0.153846167678751683, 0.133332396358285018,
                                           0.117686996180646741, 0.104224496327492256, 0.110166732414150793};
/* x > 0; the logarithm as an unevaluated sum of two doubles */
CT_INLINE vreal v_pow_positive(vreal x, vreal y) {
    vreal e, m = v_split(x, &e);
    vreal f = m - V(1.0), d_low, d = v_sum(V(1.0), m, &d_low); /* s = (m - 1) / (m + 1) */
    vreal s = f / d, low, high = v_product(s, d, &low);
    vreal s_low = (((f - high) - low) - s * d_low) / d;
    vreal z_low, z = v_product(s, s, &z_low);
    z_low = v_fma(V(2.0) * s, s_low, z_low);
    vreal c_low, c = v_sum_ordered(V(0.66666666666666663), z * V_POLY(z, pow_log), &c_low);
    c_low += V(3.7007434154171886e-17);
    vreal t_low, t = v_product(z, c, &t_low);
    t_low += z * c_low + z_low * c;
    vreal u_low, u = v_product(s, t, &u_low);
    u_low += s * t_low + s_low * t;
    vreal l_low, l = v_sum_ordered(s + s, u, &l_low);
    l_low += (s_low + s_low) + u_low;
    vreal sum_low, sum = v_sum(e * v_set1(LN2_HI), l, &sum_low);
    sum_low += v_fma(e, v_set1(LN2_LO), l_low);
    vreal w_low, w = v_product(y, sum, &w_low);
    w_low = v_fma(y, sum_low, w_low);
    w_low = v_blend(v_abs(w) < V(800.0), w_low, v_zero());
    return v_exp_sum(w, w_low);
}
#else
typedef double vdouble __attribute__((vector_size(VBYTES)));
typedef int64_t vlong __attribute__((vector_size(VBYTES)));
typedef uint64_t vulong __attribute__((vector_size(VBYTES)));
typedef float vhalf __attribute__((vector_size(VBYTES / 2)));
CT_INLINE vdouble d_set1(double x) { return x - (vdouble){0}; }
CT_INLINE vdouble d_fma(vdouble a, vdouble b, vdouble c) { /* a * b + c */
#if defined(CT_AVX512)
    return (vdouble)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(CT_AVX2)
    return (vdouble)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__ARM_NEON) && defined(__aarch64__)
    return (vdouble)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}
CT_INLINE vdouble d_poly(vdouble x, const double *c, int n) {
    vdouble p = d_set1(c[n - 1]);
    for (int i = n - 2; i >= 0; i--) p = d_fma(p, x, d_set1(c[i]));
    return p;
}
CT_INLINE vdouble d_blend(vlong m, vdouble yes, vdouble no) { return (vdouble)((m & (vlong)yes) | (~m & (vlong)no)); }
/* x > 0, in double precision to some 35 bits: half a vector at a time */
static const double pow_log[] CT_UNUSED = {2.0,
                                           0.666666666665861831,
                                           0.400000000528326829,
                                           0.285714170319958282,
                                           0.222233790709251672,
                                           0.181233915197361769,
                                           0.168229714343238189};
static const double pow_exp[] CT_UNUSED = {
    1.0, 1.0, 0.5000000047, 0.1666666682, 0.04166635356, 0.008333273032, 0.001394110002, 0.0001991419729};
CT_INLINE vdouble v_pow_half(vdouble x, vdouble y) {
    const vdouble magic = d_set1(6755399441055744.0), bound = d_set1(1000.0);
    vlong k = (vlong)((vulong)((vlong)x - (vlong)d_set1(0.70710678118654752440) + ((int64_t)1023 << 52)) >> 52) - 1023;
    vdouble m = (vdouble)((vlong)x - (k << 52)), e = (vdouble)(k + (vlong)magic) - magic;
    vdouble s = (m - 1.0) / (m + 1.0);
    vdouble t = y * d_fma(s * d_poly(s * s, pow_log, 7), d_set1(1.4426950408889634), e);
    t = d_blend(t < bound, t, bound);
    t = d_blend(t > -bound, t, -bound);
    vdouble shifted = t + magic, f = (t - (shifted - magic)) * 0.69314718055994530942;
    return (vdouble)((vlong)d_poly(f, pow_exp, 8) + (((vlong)shifted - (vlong)magic) << 52));
}
CT_INLINE vreal v_pow_positive(vreal x, vreal y) {
    union {
        vreal v;
        vhalf h[2];
    } a = {x}, b = {y}, c;
    for (int i = 0; i < 2; i++)
        c.h[i] = __builtin_convertvector(
            v_pow_half(__builtin_convertvector(a.h[i], vdouble), __builtin_convertvector(b.h[i], vdouble)), vhalf);
    return c.v;
}
#endif
CT_INLINE vreal v_pow(vreal x, vreal y) {
    vreal t = v_abs(x);
    vmask plain = (t > v_zero()) & (t < v_set1(REAL_INF)) & (v_abs(y) < v_set1(REAL_INF));
    vreal p = v_pow_positive(v_blend(plain, t, V(1.0)), v_blend(plain, y, v_zero()));
    vmask negative = x < v_zero(), whole = v_trunc(y) == y;
    vreal half = V(0.5) * y;
    p = v_xor(p, v_and(negative & whole & (v_trunc(half) != half), V(-0.0)));
    p = v_blend(negative & ~whole, v_set1(REAL_NAN), p);
    if (CT_UNLIKELY(v_any(~plain)))
        for (int i = 0; i < VL; i++)
            if (!plain[i]) p[i] = (real)pow((double)x[i], (double)y[i]);
    return p;
}

/* ---- the inverse error function -----------------------------------------------------------------------------------
 *
 * erfinv x = ndtri((1 + x) / 2) / sqrt(2) by the rational approximations of Wichura's algorithm AS 241, to 1e-16:
 * one in x^2 for |x| <= 0.85, else two in r = sqrt(-log((1 - |x|) / 2)), up to 5 and beyond. */
static const real ndtri_a[] CT_UNUSED = {
    R(3.3871328727963666080e0),  R(1.3314166789178437745e+2), R(1.9715909503065514427e+3), R(1.3731693765509461125e+4),
    R(4.5921953931549871457e+4), R(6.7265770927008700853e+4), R(3.3430575583588128105e+4), R(2.5090809287301226727e+3)};
static const real ndtri_b[] CT_UNUSED = {R(1.0),
                                         R(4.2313330701600911252e+1),
                                         R(6.8718700749205790830e+2),
                                         R(5.3941960214247511077e+3),
                                         R(2.1213794301586595867e+4),
                                         R(3.9307895800092710610e+4),
                                         R(2.8729085735721942674e+4),
                                         R(5.2264952788528545610e+3)};
static const real ndtri_c[] CT_UNUSED = {R(1.42343711074968357734e0),  R(4.63033784615654529590e0),
                                         R(5.76949722146069140550e0),  R(3.64784832476320460504e0),
                                         R(1.27045825245236838258e0),  R(2.41780725177450611770e-1),
                                         R(2.27238449892691845833e-2), R(7.74545014278341407640e-4)};
static const real ndtri_d[] CT_UNUSED = {R(1.0),
                                         R(2.05319162663775882187e0),
                                         R(1.67638483018380384940e0),
                                         R(6.89767334985100004550e-1),
                                         R(1.48103976427480074590e-1),
                                         R(1.51986665636164571966e-2),
                                         R(5.47593808499534494600e-4),
                                         R(1.05075007164441684324e-9)};
static const real ndtri_e[] CT_UNUSED = {R(6.65790464350110377720e0),  R(5.46378491116411436990e0),
                                         R(1.78482653991729133580e0),  R(2.96560571828504891230e-1),
                                         R(2.65321895265761230930e-2), R(1.24266094738807843860e-3),
                                         R(2.71155556874348757815e-5), R(2.01033439929228813265e-7)};
static const real ndtri_f[] CT_UNUSED = {R(1.0),
                                         R(5.99832206555887937690e-1),
                                         R(1.36929880922735805310e-1),
                                         R(1.48753612908506148525e-2),
                                         R(7.86869131145613259100e-4),
                                         R(1.84631831751005468180e-5),
                                         R(1.42151175831644588870e-7),
                                         R(2.04426310338993978564e-15)};
CT_INLINE vreal v_erfinv(vreal x) {
    const vreal q = V(0.5) * x, t = v_abs(x);
    vreal r = V(0.180625) - q * q;
    vreal y = q * V_POLY(r, ndtri_a) / V_POLY(r, ndtri_b);
    vmask outer = t > V(0.85);
    if (v_any(outer)) {
        r = v_sqrt(-v_log(V(0.5) * (V(1.0) - t)));
        vreal near = r - V(1.6), tail = V_POLY(near, ndtri_c) / V_POLY(near, ndtri_d);
        vmask far = outer & (r > V(5.0));
        if (v_any(far)) {
            vreal beyond = r - V(5.0);
            tail = v_blend(far, V_POLY(beyond, ndtri_e) / V_POLY(beyond, ndtri_f), tail);
        }
        y = v_blend(outer, v_copysign(tail, x), y);
    }
    y *= V(0.70710678118654752440);
    y = v_blend(t == V(1.0), v_copysign(v_set1(REAL_INF), x), y);
    return v_blend(t > V(1.0), v_set1(REAL_NAN), y);
}

/* ---- the gamma family, in vectors of doubles ----------------------------------------------------------------------
 *
 * Positive arguments are moved up to 8 by the recurrence, whose terms are gathered in one quotient, and served there by
 * the asymptotic series (Abramowitz and Stegun 6.1.40, 6.3.18, 6.4.11); others go lane by lane, by reflection. */
#if CT_REAL_DOUBLE
typedef vreal vdouble;
typedef vint vlong;
#define d_set1 v_set1
#define d_fma v_fma
#define d_blend v_blend
CT_INLINE vdouble d_log(vdouble x) { return v_log(x); }
#else
static const double log_atanh[] CT_UNUSED = {2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                                             2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
CT_INLINE vdouble d_log(vdouble x) { /* of a normal x > 0: log 2^e m = e log 2 + 2 atanh((m - 1) / (m + 1)) */
    const vdouble magic = d_set1(6755399441055744.0);
    vlong k = (vlong)((vulong)((vlong)x - (vlong)d_set1(0.70710678118654752440) + ((int64_t)1023 << 52)) >> 52) - 1023;
    vdouble m = (vdouble)((vlong)x - (k << 52)), e = (vdouble)(k + (vlong)magic) - magic;
    vdouble s = (m - 1.0) / (m + 1.0);
    return d_fma(e, d_set1(0.69314718055994530942), s * d_poly(s * s, log_atanh, 12));
}
#endif
CT_INLINE vdouble d_series(vdouble z, const double *c, int n) {
    vdouble p = d_set1(c[n - 1]);
    for (int i = n - 2; i >= 0; i--) p = d_fma(p, z, d_set1(c[i]));
    return p;
}
enum { GAMMA_FROM = 8 }; /* from here the series serve */

CT_INLINE vdouble d_digamma(vdouble x) { /* x > 0 */
    static const double series[] = {8.33333333333333333333e-2,  -8.33333333333333333333e-3, 3.96825396825396825397e-3,
                                    -4.16666666666666666667e-3, 7.57575757575757575758e-3,  -2.10927960927960927961e-2,
                                    8.33333333333333333333e-2,  -4.43259803921568627451e-1};
    vdouble over = d_set1(0), under = d_set1(1);
    for (int i = 0; i < GAMMA_FROM; i++) { /* over / under = 1/x + 1/(x + 1) + ... */
        vlong small = (vlong)(x < d_set1(GAMMA_FROM));
        over = d_blend(small, d_fma(over, x, under), over);
        under = d_blend(small, under * x, under);
        x = d_blend(small, x + d_set1(1), x);
    }
    vdouble inverse = d_set1(1) / x, z = inverse * inverse;
    return d_log(x) - d_set1(0.5) * inverse - z * d_series(z, series, 8) - over / under;
}
CT_INLINE vdouble d_trigamma(vdouble x) { /* x > 0 */
    static const double series[] = {1.66666666666666666667e-1,  -3.33333333333333333333e-2, 2.38095238095238095238e-2,
                                    -3.33333333333333333333e-2, 7.57575757575757575758e-2,  -2.53113553113553113553e-1,
                                    1.16666666666666666667,     -7.09215686274509803922};
    vdouble over = d_set1(0), under = d_set1(1);
    for (int i = 0; i < GAMMA_FROM; i++) {
        vlong small = (vlong)(x < d_set1(GAMMA_FROM));
        vdouble square = x * x;
        over = d_blend(small, d_fma(over, square, under), over);
        under = d_blend(small, under * square, under);
        x = d_blend(small, x + d_set1(1), x);
    }
    vdouble inverse = d_set1(1) / x, z = inverse * inverse;
    return inverse + d_set1(0.5) * z + inverse * z * d_series(z, series, 8) + over / under;
}
CT_INLINE vdouble d_lgamma(vdouble x) { /* x > 0 */
    static const double series[] = {8.33333333333333333333e-2,  -2.77777777777777777778e-3, 7.93650793650793650794e-4,
                                    -5.95238095238095238095e-4, 8.41750841750841750842e-4,  -1.91752691752691752692e-3,
                                    6.41025641025641025641e-3,  -2.95506535947712418301e-2};
    vdouble under = d_set1(1);
    for (int i = 0; i < GAMMA_FROM; i++) {
        vlong small = (vlong)(x < d_set1(GAMMA_FROM));
        under = d_blend(small, under * x, under);
        x = d_blend(small, x + d_set1(1), x);
    }
    vdouble inverse = d_set1(1) / x, z = inverse * inverse;
    vdouble y = d_fma(x - d_set1(0.5), d_log(x), d_set1(0.91893853320467274178) - x);
    return y + inverse * d_series(z, series, 8) - d_log(under);
}

/* psi(1 - x) - pi / tan(pi x) = psi(x), and the like for its derivative */
CT_NOINLINE double digamma_scalar(double x) {
    static const double bernoulli[] = {
        8.33333333333333333333e-2, -8.33333333333333333333e-3, 3.96825396825396825397e-3, -4.16666666666666666667e-3,
        7.57575757575757575758e-3, -2.10927960927960927961e-2, 8.33333333333333333333e-2};
    if (x == 0) return copysign(INFINITY, -x);
    if (x == -INFINITY) return NAN;
    if (x < 0) {
        if (x == floor(x)) return NAN;
        double whole, fraction = modf(x, &whole);
        return digamma_scalar(1 - x) - 3.14159265358979323846 / tan(3.14159265358979323846 * fraction);
    }
    double y = 0, series = 0;
    for (; x < 10; x += 1) y -= 1 / x;
    if (x < 1e17) {
        double z = 1 / (x * x);
        for (int i = 6; i >= 0; i--) series = (series + bernoulli[i]) * z;
    }
    return y + (log(x) - 0.5 / x - series);
}
CT_NOINLINE double trigamma_scalar(double x) {
    static const double bernoulli[] = {
        1.66666666666666666667e-1, -3.33333333333333333333e-2, 2.38095238095238095238e-2, -3.33333333333333333333e-2,
        7.57575757575757575758e-2, -2.53113553113553113553e-1, 1.16666666666666666667};
    if (x <= 0) {
        if (x == floor(x)) return x == -INFINITY ? NAN : INFINITY;
        double whole, s = sin(3.14159265358979323846 * modf(x, &whole));
        return 9.8696044010893586188 / (s * s) - trigamma_scalar(1 - x);
    }
    double y = 0, series = 0;
    for (; x < 10; x += 1) y += 1 / (x * x);
    double z = 1 / (x * x);
    for (int i = 6; i >= 0; i--) series = (series + bernoulli[i]) * z;
    return y + (1 / x + 0.5 * z + series / x);
}
CT_NOINLINE double lgamma_scalar(double x) {
#if defined(__GLIBC__) || defined(__APPLE__)
    int sign; /* lgamma itself writes a global */
    return lgamma_r(x, &sign);
#else
    return lgamma(x);
#endif
}
#if CT_REAL_DOUBLE
#define V_THROUGH_DOUBLES(f) y = f(inside);
#else
#define V_THROUGH_DOUBLES(f)                                                                     \
    union {                                                                                      \
        vreal v;                                                                                 \
        vhalf h[2];                                                                              \
    } in = {inside}, out;                                                                        \
    for (int i = 0; i < 2; i++)                                                                  \
        out.h[i] = __builtin_convertvector(f(__builtin_convertvector(in.h[i], vdouble)), vhalf); \
    y = out.v;
#endif
/* f in vectors where x is positive and moderate, `scalar` elsewhere */
#define V_GAMMA(name, f, scalar, least, most)                    \
    CT_INLINE vreal name(vreal x) {                              \
        const vmask fine = (x > V(least)) & (x < V(most));       \
        const vreal inside = v_blend(fine, x, V(1.0));           \
        vreal y;                                                 \
        V_THROUGH_DOUBLES(f)                                     \
        if (CT_UNLIKELY(v_any(~fine)))                           \
            for (int i = 0; i < VL; i++)                         \
                if (!fine[i]) y[i] = (real)scalar((double)x[i]); \
        return y;                                                \
    }
V_GAMMA(v_digamma, d_digamma, digamma_scalar, 1e-4, 1e15)
V_GAMMA(v_trigamma, d_trigamma, trigamma_scalar, 1e-4, 1e15)
#if CT_REAL_DOUBLE /* near its zeros 1 and 2 the difference of two logarithms would lose bits */
CT_INLINE vreal v_lgamma(vreal x) {
    for (int i = 0; i < VL; i++) x[i] = lgamma_scalar(x[i]);
    return x;
}
#else
V_GAMMA(v_lgamma, d_lgamma, lgamma_scalar, 1e-4, 1e15)
#endif

#endif

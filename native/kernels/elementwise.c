/* elementwise.c: arithmetic and elementary functions, one value in each place of the output, and their gradients.
 *
 * Gradient kernels take the upstream gradient g first, then what their formula names: x the input, y the output.
 */
#include "../include/loops.h"
#include "../include/vmath.h"
#include "../include/vmath_special.h"

/* ---- signs and rounding -------------------------------------------------------------------------------------------
 */

LOOP_UNARY(neg, 0.15, -a)
LOOP_UNARY(abs_, 0.15, v_abs(a))
LOOP_UNARY(sign, 0.15, v_and(a > v_zero(), V(1.0)) - v_and(a < v_zero(), V(1.0)))
LOOP_UNARY(floor_, 0.15, v_floor(a))
LOOP_UNARY(ceil_, 0.15, v_ceil(a))
LOOP_UNARY(round_, 0.15, v_round(a))
LOOP_UNARY(trunc_, 0.15, v_trunc(a))
LOOP_UNARY(frac, 0.15, a - v_trunc(a))
LOOP_BINARY(abs_grad, 0.2, v_and(b > v_zero(), a) - v_and(b < v_zero(), a)) /* g, x */

/* ---- powers ---------------------------------------------------------------------------------------------------------
 */

LOOP_UNARY(square, 0.15, a *a)
LOOP_UNARY(sqrt_, 0.25, v_sqrt(a))
LOOP_UNARY(rsqrt, 0.35, V(1.0) / v_sqrt(a))
LOOP_UNARY(reciprocal, 0.2, V(1.0) / a)
LOOP_BINARY(square_grad, 0.2, a *(b + b))              /* g, x */
LOOP_BINARY(sqrt_grad, 0.3, a / (b + b))               /* g, y */
LOOP_BINARY(rsqrt_grad, 0.25, V(-0.5) * a * b * b * b) /* g, y */
LOOP_BINARY(reciprocal_grad, 0.2, -a * b * b)          /* g, y */

/* ---- exponentials and logarithms
 * ------------------------------------------------------------------------------------- */

LOOP_UNARY(exp_, 0.25, v_exp(a))
LOOP_UNARY(exp2_, 0.3, v_exp2(a))
LOOP_UNARY(expm1_, 0.5, v_expm1(a))
LOOP_UNARY(log_, 0.5, v_log(a))
LOOP_UNARY(log2_, 0.5, v_log2(a))
LOOP_UNARY(log10_, 0.5, v_log10(a))
LOOP_UNARY(log1p_, 0.6, v_log1p(a))
LOOP_BINARY(exp2_grad, 0.2, a * b * V(0.69314718055994530942))     /* g, y */
LOOP_BINARY(expm1_grad, 0.2, v_fma(a, b, a))                       /* g, y */
LOOP_BINARY(log2_grad, 0.25, a / (b * V(0.69314718055994530942)))  /* g, x */
LOOP_BINARY(log10_grad, 0.25, a / (b * V(2.30258509299404568402))) /* g, x */
LOOP_BINARY(log1p_grad, 0.25, a / (b + V(1.0)))                    /* g, x */

/* ---- trigonometry
 * ------------------------------------------------------------------------------------------------------ */

LOOP_UNARY(sin_, 0.45, v_sin(a))
LOOP_UNARY(cos_, 0.45, v_cos(a))
LOOP_UNARY(tan_, 0.8, v_tan(a))
LOOP_UNARY(asin_, 0.7, v_asin(a))
LOOP_UNARY(acos_, 0.7, v_acos(a))
LOOP_UNARY(atan_, 0.6, v_atan(a))
LOOP_UNARY(sinh_, 0.8, v_sinh(a))
LOOP_UNARY(cosh_, 0.8, v_cosh(a))
LOOP_UNARY(tanh_, 0.45, v_tanh(a))
LOOP_UNARY(asinh_, 1.0, v_asinh(a))
LOOP_UNARY(acosh_, 1.0, v_acosh(a))
LOOP_UNARY(atanh_, 0.9, v_atanh(a))
LOOP_BINARY(sin_grad, 0.7, a *v_cos(b))                               /* g, x */
LOOP_BINARY(cos_grad, 0.7, -a *v_sin(b))                              /* g, x */
LOOP_BINARY(tan_grad, 0.2, a *v_fma(b, b, V(1.0)))                    /* g, y */
LOOP_BINARY(asin_grad, 0.4, a / v_sqrt((V(1.0) - b) * (V(1.0) + b)))  /* g, x */
LOOP_BINARY(acos_grad, 0.4, -a / v_sqrt((V(1.0) - b) * (V(1.0) + b))) /* g, x */
LOOP_BINARY(atan_grad, 0.25, a / v_fma(b, b, V(1.0)))                 /* g, x */
LOOP_BINARY(sinh_grad, 0.8, a *v_cosh(b))                             /* g, x */
LOOP_BINARY(cosh_grad, 0.8, a *v_sinh(b))                             /* g, x */
LOOP_BINARY(tanh_grad, 0.2, a *((V(1.0) - b) * (V(1.0) + b)))         /* g, y */
LOOP_BINARY(asinh_grad, 0.4, a / v_sqrt(v_fma(b, b, V(1.0))))         /* g, x */
LOOP_BINARY(acosh_grad, 0.4, a / v_sqrt((b - V(1.0)) * (b + V(1.0)))) /* g, x */
LOOP_BINARY(atanh_grad, 0.25, a / ((V(1.0) - b) * (V(1.0) + b)))      /* g, x */

/* ---- error function and gamma
 * ------------------------------------------------------------------------------------------ */

LOOP_UNARY(erf_, 0.8, v_erf(a))
LOOP_UNARY(erfc_, 1.2, v_erfc(a))
LOOP_UNARY(erfinv, 2.0, v_erfinv(a))
LOOP_UNARY(lgamma_, 8.0, v_lgamma(a))
LOOP_UNARY(digamma, 8.0, v_digamma(a))
LOOP_UNARY(trigamma, 8.0, v_trigamma(a))
LOOP_BINARY(erf_grad, 0.5, a *V(1.12837916709551257390) * v_exp(-b * b))   /* g, x */
LOOP_BINARY(erfc_grad, 0.5, a *V(-1.12837916709551257390) * v_exp(-b * b)) /* g, x */
LOOP_BINARY(erfinv_grad, 0.5, a *V(0.88622692545275801365) * v_exp(b * b)) /* g, y */
LOOP_BINARY(lgamma_grad, 8.0, a *v_digamma(b))                             /* g, x */
LOOP_BINARY(digamma_grad, 8.0, a *v_trigamma(b))                           /* g, x */

/* log(x / (1 - x)), x kept within [eps, 1 - eps] unless eps is NaN; around 1/2 as log1p((2x - 1) / (1 - x)) */
CT_INLINE vreal v_logit(vreal x, vreal eps) {
    vreal kept = v_clamp(x, eps, V(1.0) - eps);
    x = v_blend(v_isnan(eps), x, kept);
    vreal y = v_log(x / (V(1.0) - x));
    vmask middle = v_abs(x - V(0.5)) < V(0.25);
    return v_any(middle) ? v_blend(middle, v_log1p(((x - V(0.5)) + (x - V(0.5))) / (V(1.0) - x)), y) : y;
}
CT_INLINE vreal v_logit_grad(vreal g, vreal x, vreal eps) {
    vreal y = g / (x * (V(1.0) - x));
    vmask kept = (x >= eps) & (x <= V(1.0) - eps), bad = (x < v_zero()) | (x > V(1.0));
    return v_blend(v_isnan(eps), v_blend(bad, v_set1(REAL_NAN), y), v_and(kept, y));
}
LOOP_UNARY(logit, 0.7, v_logit(a, P(0)))
LOOP_BINARY(logit_grad, 0.3, v_logit_grad(a, b, P(0))) /* g, x */

/* ---- bounds
 * -------------------------------------------------------------------------------------------------------------- */

CT_INLINE vreal v_nan_to_num(vreal x, vreal nan, vreal above, vreal below) {
    x = v_blend(x == v_set1(REAL_INF), above, x);
    x = v_blend(x == v_set1(-REAL_INF), below, x);
    return v_blend(v_isnan(x), nan, x);
}
LOOP_UNARY(clamp, 0.15, v_clamp(a, P(0), P(1)))
LOOP_UNARY(nan_to_num, 0.15, v_nan_to_num(a, P(0), P(1), P(2)))
LOOP_BINARY(clamp_grad, 0.2, v_and((b >= P(0)) & (b <= P(1)), a))        /* g, x */
LOOP_BINARY(nan_to_num_grad, 0.2, v_and(v_abs(b) < v_set1(REAL_INF), a)) /* g, x */

/* ---- of two operands
 * ------------------------------------------------------------------------------------------------------ */

/* a fmod b with the sign of b */
CT_INLINE vreal v_remainder(vreal a, vreal b) {
    vreal m = v_fmod(a, b);
    return v_blend((m != v_zero()) & ((m < v_zero()) != (b < v_zero())), m + b, m);
}
/* floor(a / b), exact where the quotient is near an integer: (a - fmod(a, b)) / b is one up to rounding */
CT_INLINE vreal v_floor_divide(vreal a, vreal b) {
    vreal m = v_fmod(a, b), q = (a - m) / b;
    q = v_blend((m != v_zero()) & ((m < v_zero()) != (b < v_zero())), q - V(1.0), q);
    vreal f = v_floor(q);
    f = v_blend(q - f > V(0.5), f + V(1.0), f);
    f = v_blend(q == v_zero(), v_copysign(v_zero(), a / b), f);
    return v_blend(b == v_zero(), a / b, f);
}
LOOP_BINARY(add, 0.2, a + b)
LOOP_BINARY(sub, 0.2, a - b)
LOOP_BINARY(mul, 0.2, a *b)
LOOP_BINARY(div_, 0.25, a / b)
LOOP_BINARY(add_scaled, 0.2, v_fma(b, P(0), a))
LOOP_BINARY(maximum, 0.2, v_blend(v_isnan(a), a, v_max(a, b)))
LOOP_BINARY(minimum, 0.2, v_blend(v_isnan(a), a, v_min(a, b)))
LOOP_BINARY(fmax_, 0.2, v_blend(v_isnan(b), a, v_max(a, b)))
LOOP_BINARY(fmin_, 0.2, v_blend(v_isnan(b), a, v_min(a, b)))
LOOP_BINARY(copysign_, 0.2, v_copysign(a, b))
LOOP_BINARY(atan2_, 1.0, v_atan2(a, b))
LOOP_BINARY(hypot_, 0.5, v_hypot(a, b))
LOOP_BINARY(fmod_, 5.0, v_fmod(a, b))
LOOP_BINARY(remainder_, 5.0, v_remainder(a, b))
LOOP_BINARY(floor_divide, 6.0, v_floor_divide(a, b))
LOOP_TERNARY(div_grad_b, 0.4, -a *(b / c) / c)                                   /* g, a, b of a / b */
LOOP_TERNARY(maximum_grad, 0.3, v_blend(b == c, V(0.5) * a, v_and(~(b < c), a))) /* g, this operand, the other */
/* g, a, b: to a where it is not worse or b is NaN, otherwise to b */
LOOP_TERNARY(fmax_grad_a, 0.3, v_and((b >= c) | (c != c), a))
LOOP_TERNARY(fmax_grad_b, 0.3, v_and(~((b >= c) | (c != c)), a))
LOOP_TERNARY(fmin_grad_a, 0.3, v_and((b <= c) | (c != c), a))
LOOP_TERNARY(fmin_grad_b, 0.3, v_and(~((b <= c) | (c != c)), a))
LOOP_TERNARY(minimum_grad, 0.3, v_blend(b == c, V(0.5) * a, v_and(~(b > c), a))) /* g, this operand, the other */
/* g b / (a^2 + b^2), and 0 at the origin */
CT_INLINE vreal v_over_square(vreal x, vreal a, vreal b) {
    vreal square = v_fma(a, a, b * b);
    return v_and(square != v_zero(), x / square);
}
LOOP_TERNARY(atan2_grad_a, 0.4, v_over_square(a *c, b, c))  /* g, a, b */
LOOP_TERNARY(atan2_grad_b, 0.4, v_over_square(-a *b, b, c)) /* g, a, b */

/* a^b; the exponents that are written most, when b is one value, cost what their product costs */
LOOP_UNARY(cube, 0.2, a * a * a)
LOOP_UNARY(same, 0.15, a)
LOOP_BINARY(pow_any, 2.0, v_pow(a, b))
static void pow_(const ct_call *call) {
    const ct_array *b = call->in[1];
    if (b->size > 0 && loop_is_one_value(b)) {
        const real e = *(const real *)b->data;
        if (e == 2) return square(call);
        if (e == R(0.5)) return sqrt_(call);
        if (e == 1) return same(call);
        if (e == 3) return cube(call);
        if (e == -1) return reciprocal(call);
        if (e == R(-0.5)) return rsqrt(call);
    }
    pow_any(call);
}
/* d/da a^b = b a^(b-1), and 0 where b = 0 */
LOOP_TERNARY(pow_grad_base, 2.0, v_blend(c == v_zero(), v_zero(), a * c * v_pow(b, c - V(1.0)))) /* g, a, b */
/* d/db a^b = y log a, and 0 where a = 0 and b >= 0 */
static void pow_grad_exponent_row(const loop_span *span, int64_t n) {
    LOOP_OUT LOOP_IN(g, 1) LOOP_IN(a, 2) LOOP_IN(b, 3) LOOP_IN(p, 4) for (int64_t i = 0; i < n; i += VL) {
        const int64_t left = n - i;
        LOOP_GET(g)
        LOOP_GET(a)
        LOOP_GET(b) LOOP_GET(p) LOOP_PUT(v_blend((a == v_zero()) & (b >= v_zero()), v_zero(), g * p * v_log(a)))
    }
}
LOOP_KERNEL(pow_grad_exponent, 4, 0.8) /* g, a, b, y */

/* ---- of three operands
 * ------------------------------------------------------------------------------------------------------ */

/* a + w (b - a), from the nearer end */
CT_INLINE vreal v_lerp(vreal a, vreal b, vreal w) {
    vreal d = b - a;
    return v_blend(v_abs(w) < V(0.5), v_fma(w, d, a), v_fma(d, w - V(1.0), b));
}
LOOP_TERNARY(addcmul, 0.3, v_fma(P(0) * b, c, a))
LOOP_TERNARY(addcdiv, 0.3, v_fma(P(0), b / c, a))
LOOP_TERNARY(lerp, 0.3, v_lerp(a, b, c))
LOOP_TERNARY(clamp_tensor, 0.3, v_blend(v_isnan(b), b, v_blend(v_isnan(c), c, v_clamp(a, b, c))))

static const ct_kernel rows[] = {
    {"neg", neg, NULL},
    {"abs", abs_, NULL},
    {"abs_grad", abs_grad, NULL},
    {"sign", sign, NULL},
    {"floor", floor_, NULL},
    {"ceil", ceil_, NULL},
    {"round", round_, NULL},
    {"trunc", trunc_, NULL},
    {"frac", frac, NULL},
    {"square", square, NULL},
    {"square_grad", square_grad, NULL},
    {"sqrt", sqrt_, NULL},
    {"sqrt_grad", sqrt_grad, NULL},
    {"rsqrt", rsqrt, NULL},
    {"rsqrt_grad", rsqrt_grad, NULL},
    {"reciprocal", reciprocal, NULL},
    {"reciprocal_grad", reciprocal_grad, NULL},
    {"exp", exp_, NULL},
    {"exp2", exp2_, NULL},
    {"exp2_grad", exp2_grad, NULL},
    {"expm1", expm1_, NULL},
    {"expm1_grad", expm1_grad, NULL},
    {"log", log_, NULL},
    {"log2", log2_, NULL},
    {"log2_grad", log2_grad, NULL},
    {"log10", log10_, NULL},
    {"log10_grad", log10_grad, NULL},
    {"log1p", log1p_, NULL},
    {"log1p_grad", log1p_grad, NULL},
    {"sin", sin_, NULL},
    {"sin_grad", sin_grad, NULL},
    {"cos", cos_, NULL},
    {"cos_grad", cos_grad, NULL},
    {"tan", tan_, NULL},
    {"tan_grad", tan_grad, NULL},
    {"asin", asin_, NULL},
    {"asin_grad", asin_grad, NULL},
    {"acos", acos_, NULL},
    {"acos_grad", acos_grad, NULL},
    {"atan", atan_, NULL},
    {"atan_grad", atan_grad, NULL},
    {"sinh", sinh_, NULL},
    {"sinh_grad", sinh_grad, NULL},
    {"cosh", cosh_, NULL},
    {"cosh_grad", cosh_grad, NULL},
    {"tanh", tanh_, NULL},
    {"tanh_grad", tanh_grad, NULL},
    {"asinh", asinh_, NULL},
    {"asinh_grad", asinh_grad, NULL},
    {"acosh", acosh_, NULL},
    {"acosh_grad", acosh_grad, NULL},
    {"atanh", atanh_, NULL},
    {"atanh_grad", atanh_grad, NULL},
    {"erf", erf_, NULL},
    {"erf_grad", erf_grad, NULL},
    {"erfc", erfc_, NULL},
    {"erfc_grad", erfc_grad, NULL},
    {"erfinv", erfinv, NULL},
    {"erfinv_grad", erfinv_grad, NULL},
    {"lgamma", lgamma_, NULL},
    {"lgamma_grad", lgamma_grad, NULL},
    {"digamma", digamma, NULL},
    {"digamma_grad", digamma_grad, NULL},
    {"trigamma", trigamma, NULL},
    {"logit", logit, NULL},
    {"logit_grad", logit_grad, NULL},
    {"clamp", clamp, NULL},
    {"clamp_grad", clamp_grad, NULL},
    {"nan_to_num", nan_to_num, NULL},
    {"nan_to_num_grad", nan_to_num_grad, NULL},
    {"add", add, NULL},
    {"sub", sub, NULL},
    {"mul", mul, NULL},
    {"div", div_, NULL},
    {"div_grad_b", div_grad_b, NULL},
    {"add_scaled", add_scaled, NULL},
    {"maximum", maximum, NULL},
    {"maximum_grad", maximum_grad, NULL},
    {"minimum", minimum, NULL},
    {"minimum_grad", minimum_grad, NULL},
    {"fmax", fmax_, NULL},
    {"fmax_grad_a", fmax_grad_a, NULL},
    {"fmax_grad_b", fmax_grad_b, NULL},
    {"fmin_grad_a", fmin_grad_a, NULL},
    {"fmin_grad_b", fmin_grad_b, NULL},
    {"fmin", fmin_, NULL},
    {"copysign", copysign_, NULL},
    {"atan2", atan2_, NULL},
    {"atan2_grad_a", atan2_grad_a, NULL},
    {"atan2_grad_b", atan2_grad_b, NULL},
    {"hypot", hypot_, NULL},
    {"fmod", fmod_, NULL},
    {"remainder", remainder_, NULL},
    {"floor_divide", floor_divide, NULL},
    {"pow", pow_, NULL},
    {"pow_grad_base", pow_grad_base, NULL},
    {"pow_grad_exponent", pow_grad_exponent, NULL},
    {"addcmul", addcmul, NULL},
    {"addcdiv", addcdiv, NULL},
    {"lerp", lerp, NULL},
    {"clamp_tensor", clamp_tensor, NULL},
};
CT_KERNELS(elementwise, rows);

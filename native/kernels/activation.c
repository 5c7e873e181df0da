/* activation.c: activation functions of neural networks and their gradients.
 *
 * Gradient kernels take the upstream gradient g first, then x the input or y the output, as noted. At a kink they take
 * the side that PyTorch takes.
 */
#include "../include/loops.h"
#include "../include/vmath.h"

/* ---- rectifiers -----------------------------------------------------------------------------------------------------
 */

LOOP_UNARY(relu, 0.15, v_max(v_zero(), a))
LOOP_BINARY(relu_grad, 0.2, v_and(~(b <= v_zero()), a)) /* g, y */
LOOP_UNARY(relu6, 0.15, v_clamp(a, v_zero(), V(6.0)))
LOOP_BINARY(relu6_grad, 0.2, v_and((b > v_zero()) & (b < V(6.0)), a)) /* g, x */
LOOP_UNARY(leaky_relu, 0.15, v_blend(a > v_zero(), a, a *P(0)))       /* slope */
LOOP_BINARY(leaky_relu_grad, 0.2, v_blend(b > v_zero(), a, a *P(0)))  /* g, x */
LOOP_TERNARY(leaky_relu_grad_x, 0.2, v_blend(b > v_zero(), a, a *c))  /* g, x, slope */
LOOP_UNARY(threshold, 0.15, v_blend(a <= P(0), P(1), a))              /* threshold, value */
LOOP_BINARY(threshold_grad, 0.2, v_and(~(b <= P(0)), a))              /* g, x */
LOOP_UNARY(hardtanh, 0.15, v_clamp(a, P(0), P(1)))                    /* lowest, highest */
LOOP_BINARY(hardtanh_grad, 0.2, v_and((b > P(0)) & (b < P(1)), a))    /* g, x */

/* relu6(x + 3) / 6 */
LOOP_UNARY(hardsigmoid, 0.2, v_clamp(a + V(3.0), v_zero(), V(6.0)) / V(6.0))
LOOP_BINARY(hardsigmoid_grad, 0.2, v_and((b > V(-3.0)) & (b < V(3.0)), a *V(0.16666666666666666667))) /* g, x */
LOOP_UNARY(hardswish, 0.2, a *v_clamp(a + V(3.0), v_zero(), V(6.0)) / V(6.0))
LOOP_BINARY(hardswish_grad, 0.25,
            v_blend(b >= V(3.0), a, v_and(~(b <= V(-3.0)), a *v_fma(b, V(0.33333333333333333333), V(0.5))))) /* g, x */

/* ---- shrinkage
 * -------------------------------------------------------------------------------------------------------- */

CT_INLINE vreal v_softshrink(vreal x, vreal l) {
    vreal inside = v_and(v_isnan(x), x);
    return v_blend(x > l, x - l, v_blend(x < -l, x + l, inside));
}
LOOP_UNARY(softshrink, 0.2, v_softshrink(a, P(0)))
LOOP_UNARY(hardshrink, 0.2, v_and(~((a >= -P(0)) & (a <= P(0))), a))
LOOP_BINARY(shrink_grad, 0.2, v_and((b < -P(0)) | (b > P(0)), a)) /* g, x; of both */
LOOP_UNARY(tanhshrink, 0.6, a - v_tanh(a))
CT_INLINE vreal v_square(vreal x) { return x * x; }
LOOP_BINARY(tanhshrink_grad, 0.7, a *v_square(v_tanh(b))) /* g, x */
LOOP_UNARY(softsign, 0.2, a / (V(1.0) + v_abs(a)))
LOOP_BINARY(softsign_grad, 0.3, a / v_square(V(1.0) + v_abs(b))) /* g, x */

/* ---- exponential linear units
 * ----------------------------------------------------------------------------------------- */

#define SELU_SCALE V(1.0507009873554804934193349852946)
#define SELU_ALPHA V(1.6732632423543772848170429916717)
/* x where positive, else scale (e^(x / width) - 1); vectors of positive numbers alone are done at once */
CT_INLINE vreal v_elu(vreal x, vreal scale, vreal width) {
    vmask positive = x > v_zero();
    return v_any(~positive) ? v_blend(positive, x, scale * v_expm1(x / width)) : x;
}
LOOP_UNARY(elu, 0.6, v_elu(a, P(0), V(1.0)))                             /* alpha */
LOOP_BINARY(elu_grad, 0.6, v_blend(b > v_zero(), a, a *P(0) * v_exp(b))) /* g, x */
LOOP_UNARY(selu, 0.6, SELU_SCALE *v_elu(a, SELU_ALPHA, V(1.0)))
LOOP_BINARY(selu_grad, 0.6, a * SELU_SCALE * v_blend(b > v_zero(), V(1.0), SELU_ALPHA *v_exp(b))) /* g, x */
LOOP_UNARY(celu, 0.6, v_elu(a, P(0), P(0)))                                                       /* alpha */
LOOP_BINARY(celu_grad, 0.6, v_blend(b > v_zero(), a, a *v_exp(b / P(0))))                         /* g, x */

/* ---- logistic
 * --------------------------------------------------------------------------------------------------------- */

LOOP_UNARY(sigmoid, 0.35, v_sigmoid(a))
LOOP_BINARY(sigmoid_grad, 0.2, a *(b *(V(1.0) - b))) /* g, y */
LOOP_UNARY(logsigmoid, 0.9, v_min(v_zero(), a) - v_log1p(v_exp(-v_abs(a))))
LOOP_BINARY(logsigmoid_grad, 0.5, a *v_sigmoid(-b)) /* g, x */

/* x sigmoid(x) */
CT_INLINE vreal v_silu_grad(vreal g, vreal x) {
    vreal s = v_sigmoid(x);
    return g * (s * v_fma(x, V(1.0) - s, V(1.0)));
}
LOOP_UNARY(silu, 0.5, a *v_sigmoid(a))
LOOP_BINARY(silu_grad, 0.6, v_silu_grad(a, b)) /* g, x */

/* log(1 + e^(beta x)) / beta, and x itself where beta x is above the threshold */
CT_INLINE vreal v_softplus_scaled(vreal x, vreal beta, vreal threshold) {
    vreal z = x * beta;
    return v_blend(z > threshold, x, v_softplus(z) / beta);
}
LOOP_UNARY(softplus, 0.9, v_softplus_scaled(a, P(0), P(1)))                        /* beta, threshold */
LOOP_BINARY(softplus_grad, 0.6, v_blend(b *P(0) > P(1), a, a *v_sigmoid(b *P(0)))) /* g, x */

/* x tanh(log(1 + e^x)). With z = e^-|x|, tanh(log(1 + e^x)) = N / D where
 *   x < 0:  N = z^2 + 2z,  D = N + 2          x >= 0:  N = 1 + 2z,  D = N + 2z^2
 * and D - N is known without cancellation, so 1 - tanh^2 = (D - N)(D + N) / D^2. */
CT_INLINE vreal v_mish_parts(vreal x, vreal *D, vreal *rest, vreal *sigmoid) {
    vreal z = v_exp(-v_abs(x));
    vmask negative = x < v_zero();
    vreal N = v_blend(negative, z * (z + V(2.0)), V(1.0) + V(2.0) * z);
    *rest = v_blend(negative, V(2.0), V(2.0) * z * z);
    *D = N + *rest;
    *sigmoid = v_blend(negative, z, V(1.0)) / (V(1.0) + z);
    return N;
}
CT_INLINE vreal v_mish(vreal x) {
    vreal D, rest, sigmoid, N = v_mish_parts(x, &D, &rest, &sigmoid);
    return x * (N / D);
}
CT_INLINE vreal v_mish_grad(vreal g, vreal x) {
    vreal D, rest, sigmoid, N = v_mish_parts(x, &D, &rest, &sigmoid);
    vreal over = V(1.0) / D;
    return g * v_fma(x * sigmoid, (rest * over) * ((D + N) * over), N * over);
}
LOOP_UNARY(mish, 0.8, v_mish(a))
LOOP_BINARY(mish_grad, 0.9, v_mish_grad(a, b)) /* g, x */

/* ---- Gaussian error linear unit (Hendrycks and Gimpel, 2016)
 * -------------------------------------------------------------- */

/* x Phi(x); the gradient is Phi(x) + x phi(x) */
CT_INLINE vreal v_gelu(vreal x) {
    vreal density, cdf = v_normal_cdf(x, &density);
    return x * cdf;
}
CT_INLINE vreal v_gelu_grad(vreal g, vreal x) {
    vreal density, cdf = v_normal_cdf(x, &density);
    return g * v_fma(x, density, cdf);
}
LOOP_UNARY(gelu, 0.7, v_gelu(a))
LOOP_BINARY(gelu_grad, 0.8, v_gelu_grad(a, b)) /* g, x */

/* x/2 (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3) */
#define GELU_2U(x) ((x) * v_fma((x) * (x), V(0.071354816272600260), V(1.5957691216057307)))
CT_INLINE vreal v_gelu_tanh_grad(vreal g, vreal x) {
    vreal s = v_sigmoid(GELU_2U(x)), slope = v_fma(x * x, V(0.21406444881780078), V(1.5957691216057307));
    return g * v_fma(x * slope, s * (V(1.0) - s), s);
}
LOOP_UNARY(gelu_tanh, 0.6, a *v_sigmoid(GELU_2U(a)))
LOOP_BINARY(gelu_tanh_grad, 0.7, v_gelu_tanh_grad(a, b)) /* g, x */

static const ct_kernel rows[] = {
    {"relu", relu, NULL},
    {"relu_grad", relu_grad, NULL},
    {"relu6", relu6, NULL},
    {"relu6_grad", relu6_grad, NULL},
    {"leaky_relu", leaky_relu, NULL},
    {"leaky_relu_grad", leaky_relu_grad, NULL},
    {"prelu_grad", leaky_relu_grad_x, NULL},
    {"threshold", threshold, NULL},
    {"threshold_grad", threshold_grad, NULL},
    {"hardtanh", hardtanh, NULL},
    {"hardtanh_grad", hardtanh_grad, NULL},
    {"hardsigmoid", hardsigmoid, NULL},
    {"hardsigmoid_grad", hardsigmoid_grad, NULL},
    {"hardswish", hardswish, NULL},
    {"hardswish_grad", hardswish_grad, NULL},
    {"softshrink", softshrink, NULL},
    {"softshrink_grad", shrink_grad, NULL},
    {"hardshrink", hardshrink, NULL},
    {"hardshrink_grad", shrink_grad, NULL},
    {"tanhshrink", tanhshrink, NULL},
    {"tanhshrink_grad", tanhshrink_grad, NULL},
    {"softsign", softsign, NULL},
    {"softsign_grad", softsign_grad, NULL},
    {"elu", elu, NULL},
    {"elu_grad", elu_grad, NULL},
    {"selu", selu, NULL},
    {"selu_grad", selu_grad, NULL},
    {"celu", celu, NULL},
    {"celu_grad", celu_grad, NULL},
    {"sigmoid", sigmoid, NULL},
    {"sigmoid_grad", sigmoid_grad, NULL},
    {"logsigmoid", logsigmoid, NULL},
    {"logsigmoid_grad", logsigmoid_grad, NULL},
    {"silu", silu, NULL},
    {"silu_grad", silu_grad, NULL},
    {"softplus", softplus, NULL},
    {"softplus_grad", softplus_grad, NULL},
    {"mish", mish, NULL},
    {"mish_grad", mish_grad, NULL},
    {"gelu", gelu, NULL},
    {"gelu_grad", gelu_grad, NULL},
    {"gelu_tanh", gelu_tanh, NULL},
    {"gelu_tanh_grad", gelu_tanh_grad, NULL},
};
CT_KERNELS(activation, rows);

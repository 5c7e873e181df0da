/* driver.c: the native kernels against naive loops in double, without Python; for cross compilation and emulation.
 *
 * Compiled once for each number type, as the kernels are, and once more with -DCT_DRIVER_MAIN for main().
 * tools/check_aarch64.sh builds and runs it.  Random numbers come from a fixed seed; a check that fails prints kernel,
 * size, position, and both values.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/copy.h"
#include "include/dispatch.h"
#include "include/gemm.h"
#include "include/optim.h"
#include "include/par.h"

#ifdef CT_DRIVER_MAIN

int ct_driver_f32_baseline(void);
int ct_driver_f64_baseline(void);

int main(int argc, char **argv) {
    if (argc > 1) ct_par_set_threads(atoi(argv[1]));
    if (ct_dispatch_init("baseline") != 0) return 2;
    int failures = ct_driver_f32_baseline() + ct_driver_f64_baseline();
    printf("%s: %d failures, %d threads\n", ct_dispatch_isa(), failures, ct_par_threads());
    return failures != 0;
}

#else

static int failures, checks;
static uint64_t state = 88172645463325252u;

static double uniform(double low, double high) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return low + (high - low) * (double)(state >> 11) / 9007199254740992.0;
}

static void *take(size_t bytes) {
    void *p = NULL;
    if (posix_memalign(&p, 64, (bytes + 63) / 64 * 64 + 64) != 0) abort();
    memset(p, 0xA5, (bytes + 63) / 64 * 64 + 64); /* what a kernel leaves unwritten is seen */
    return p;
}

static real *numbers(int64_t n, double low, double high) {
    real *x = take((size_t)n * sizeof(real));
    for (int64_t i = 0; i < n; i++) x[i] = (real)uniform(low, high);
    return x;
}

/* got and want agree to `ulps` units of the last place of want, or of `scale` where that is larger */
static void check(const char *what, int64_t n, int64_t i, double got, double want, double ulps, double scale) {
    checks++;
    double size = fabs(want) > scale ? fabs(want) : scale;
    if (isnan(want) ? isnan(got) : got == want || fabs(got - want) <= ulps * (double)REAL_EPS * size) return;
    if (failures++ < 20)
        printf("FAIL %s (%s), n = %lld, at %lld: got %.17g, want %.17g\n", what, sizeof(real) == 4 ? "float" : "double",
               (long long)n, (long long)i, got, want);
}

/* A contiguous array of up to three dimensions. */
static ct_array array(void *data, int dtype, int ndim, int64_t a, int64_t b, int64_t c) {
    ct_array t = {data, 1, ndim, dtype, {a, b, c}, {0}};
    for (int d = ndim - 1; d >= 0; d--) t.stride[d] = t.size, t.size *= t.shape[d];
    return t;
}

static void run(const char *name, ct_array *out, const ct_array *x, const ct_array *y, const int64_t *ints,
                const double *reals) {
    const ct_kernel *kernel = ct_find_kernel(name, REAL_DTYPE);
    if (!kernel) {
        printf("FAIL there is no kernel %s\n", name);
        failures++;
        return;
    }
    ct_call call = {{out}, {x, y}, ints, reals, NULL, y ? 2 : 1, 1};
    if (kernel->work) call.work = take((size_t)kernel->work(&call));
    kernel->run(&call);
    free(call.work);
}

static const int64_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1000, 70001};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* ---- one value in, one out; contiguous and with every second element ---- */

static double d_relu(double x) { return x > 0 ? x : 0; }
static double d_neg(double x) { return -x; }
static double d_square(double x) { return x * x; }
static double d_rsqrt(double x) { return 1 / sqrt(x); }
static double d_reciprocal(double x) { return 1 / x; }
static double d_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double d_silu(double x) { return x / (1 + exp(-x)); }
static double d_gelu(double x) { return 0.5 * x * erfc(-x * 0.70710678118654752440); }

static const struct {
    const char *name;
    double (*function)(double);
    double low, high, ulps;
} unary[] = {
    {"relu", d_relu, -3, 3, 0},
    {"neg", d_neg, -3, 3, 0},
    {"abs", fabs, -3, 3, 0},
    {"floor", floor, -9, 9, 0},
    {"ceil", ceil, -9, 9, 0},
    {"trunc", trunc, -9, 9, 0},
    {"round", nearbyint, -9, 9, 0},
    {"square", d_square, -3, 3, 1},
    {"sqrt", sqrt, 0, 100, 1},
    {"rsqrt", d_rsqrt, 0.01, 100, 4},
    {"reciprocal", d_reciprocal, 1, 9, 2},
    {"exp", exp, -80, 80, 4},
    {"expm1", expm1, -2, 2, 6},
    {"log", log, 1e-6, 1e6, 4},
    {"log1p", log1p, -0.9, 9, 6},
    {"log2", log2, 1e-6, 1e6, 6},
    {"log10", log10, 1e-6, 1e6, 6},
    {"sin", sin, -20, 20, 6},
    {"cos", cos, -20, 20, 6},
    {"tanh", tanh, -9, 9, 6},
    {"sinh", sinh, -9, 9, 8},
    {"cosh", cosh, -9, 9, 8},
    {"atan", atan, -9, 9, 6},
    {"asin", asin, -1, 1, 8},
    {"erf", erf, -4, 4, 8},
    {"sigmoid", d_sigmoid, -20, 20, 8},
    {"silu", d_silu, -20, 20, 8},
    {"gelu", d_gelu, -4, 4, 32},
};

static void check_unary(void) {
    for (size_t f = 0; f < sizeof unary / sizeof unary[0]; f++)
        for (int s = 0; s < SIZES; s++)
            for (int step = 1; step <= 2; step++) {
                int64_t n = sizes[s];
                real *x = numbers(n * step, unary[f].low, unary[f].high), *y = take((size_t)n * sizeof(real));
                ct_array in = array(x, REAL_DTYPE, 1, n, 0, 0), out = array(y, REAL_DTYPE, 1, n, 0, 0);
                in.stride[0] = step;
                run(unary[f].name, &out, &in, NULL, NULL, NULL);
                for (int64_t i = 0; i < n; i++) {
                    double want = unary[f].function((double)x[i * step]);
                    /* near a zero of sin or cos the reduction of the argument counts, not the value */
                    check(unary[f].name, n, i, (double)y[i], want, unary[f].ulps, unary[f].low == -20 ? 0.1 : 0);
                }
                free(x), free(y);
            }
}

/* ---- two values in; b repeats along the first axis ---- */

static double d_add(double a, double b) { return a + b; }
static double d_sub(double a, double b) { return a - b; }
static double d_mul(double a, double b) { return a * b; }
static double d_div(double a, double b) { return a / b; }

static const struct {
    const char *name;
    double (*function)(double, double);
    double ulps;
} binary[] = {{"add", d_add, 1}, {"sub", d_sub, 1},    {"mul", d_mul, 1},
              {"div", d_div, 1}, {"maximum", fmax, 0}, {"minimum", fmin, 0}};

static void check_binary(void) {
    for (size_t f = 0; f < sizeof binary / sizeof binary[0]; f++)
        for (int s = 0; s < SIZES; s++)
            for (int repeat = 0; repeat <= 1; repeat++) {
                int64_t rows = 3, n = sizes[s];
                real *a = numbers(rows * n, -4, 4), *b = numbers(rows * n, 0.5, 4);
                real *y = take((size_t)(rows * n) * sizeof(real));
                ct_array x0 = array(a, REAL_DTYPE, 2, rows, n, 0), x1 = array(b, REAL_DTYPE, 2, rows, n, 0);
                ct_array out = array(y, REAL_DTYPE, 2, rows, n, 0);
                if (repeat) x1.stride[0] = 0;
                run(binary[f].name, &out, &x0, &x1, NULL, NULL);
                for (int64_t i = 0; i < rows * n; i++) {
                    double want = binary[f].function((double)a[i], (double)b[repeat ? i % n : i]);
                    check(binary[f].name, n, i, (double)y[i], want, binary[f].ulps, 0);
                }
                free(a), free(b), free(y);
            }
}

/* ---- (A, B, C) reduced over every set of axes ---- */

static void check_reductions(void) {
    static const char *names[] = {"sum", "mean", "amax", "amin"};
    static const int64_t shapes[][3] = {{1, 1, 1},    {7, 33, 5},    {2, 3, 1000},
                                        {400, 2, 17}, {1, 1, 70001}, {3, 20000, 3}};
    for (int k = 0; k < 4; k++)
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
            for (int64_t mask = 1; mask < 8; mask++) {
                const int64_t *in_shape = shapes[s];
                int64_t kept[3], count = 1, total = in_shape[0] * in_shape[1] * in_shape[2];
                for (int d = 0; d < 3; d++) kept[d] = mask >> d & 1 ? 1 : in_shape[d];
                int64_t outputs = kept[0] * kept[1] * kept[2];
                count = total / outputs;
                real *x = numbers(total, -1, 1), *y = take((size_t)outputs * sizeof(real));
                long double *want = calloc((size_t)outputs, sizeof *want);
                double *mass = calloc((size_t)outputs, sizeof *mass);
                for (int64_t o = 0; o < outputs && k >= 2; o++) want[o] = k == 2 ? -INFINITY : INFINITY;
                for (int64_t i = 0; i < total; i++) {
                    int64_t at[3] = {i / (in_shape[1] * in_shape[2]), i / in_shape[2] % in_shape[1], i % in_shape[2]};
                    for (int d = 0; d < 3; d++)
                        if (mask >> d & 1) at[d] = 0;
                    int64_t o = (at[0] * kept[1] + at[1]) * kept[2] + at[2];
                    double v = (double)x[i];
                    want[o] = k == 2   ? fmaxl(want[o], v)
                              : k == 3 ? fminl(want[o], v)
                                       : want[o] + v / (k ? (double)count : 1);
                    mass[o] += fabs(v) / (k ? (double)count : 1);
                }
                ct_array in = array(x, REAL_DTYPE, 3, in_shape[0], in_shape[1], in_shape[2]);
                ct_array out = array(y, REAL_DTYPE, 3, kept[0], kept[1], kept[2]);
                run(names[k], &out, &in, NULL, &mask, NULL);
                for (int64_t o = 0; o < outputs; o++)
                    check(names[k], count, o, (double)y[o], (double)want[o], k < 2 ? 4 : 0, k < 2 ? mass[o] : 0);
                free(x), free(y), free(want), free(mass);
            }
}

/* ---- softmax over the last and over the first axis ---- */

static void check_softmax(void) {
    for (int s = 1; s < SIZES; s++)
        for (int64_t axis = 0; axis < 2; axis++) {
            int64_t n = sizes[s], rows = axis ? 3 : n, columns = axis ? n : 3;
            real *x = numbers(3 * n, -9, 9), *y = take((size_t)(3 * n) * sizeof(real));
            ct_array in = array(x, REAL_DTYPE, 2, rows, columns, 0), out = array(y, REAL_DTYPE, 2, rows, columns, 0);
            for (int logarithm = 0; logarithm < 2; logarithm++) {
                const char *name = logarithm ? "log_softmax" : "softmax";
                run(name, &out, &in, NULL, &axis, NULL);
                for (int64_t r = 0; r < 3; r++) {
                    long double wide = 0; /* a chain of 70,001 doubles would be less exact than the kernel */
                    for (int64_t i = 0; i < n; i++) wide += exp((double)x[axis ? r * n + i : i * 3 + r]);
                    double sum = (double)wide;
                    for (int64_t i = 0; i < n; i++) {
                        int64_t at = axis ? r * n + i : i * 3 + r;
                        double want = logarithm ? (double)x[at] - log(sum) : exp((double)x[at]) / sum;
                        check(name, n, at, (double)y[at], want, 32, logarithm ? 1 : 0);
                    }
                }
            }
            free(x), free(y);
        }
}

/* ---- C = activation(alpha A B + beta C + bias), all transposes ---- */

static void check_gemm_of(const ct_gemm_api *api, int64_t M, int64_t N, int64_t K, int ta, int tb, int full) {
    real *A = numbers(M * K, -1, 1), *B = numbers(K * N, -1, 1), *C = numbers(M * N, -1, 1), *bias = numbers(N, -1, 1);
    real *serial = take((size_t)(M * N) * sizeof(real));
    double *want = calloc((size_t)(M * N) + 1, sizeof *want), alpha = full ? 0.5 : 1, beta = full ? -2 : 0;
    int64_t a_row = ta ? 1 : K, a_col = ta ? M : 1, b_row = tb ? 1 : N, b_col = tb ? K : 1;
    for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++) {
            double sum = 0;
            for (int64_t k = 0; k < K; k++) sum += (double)A[i * a_row + k * a_col] * (double)B[k * b_row + j * b_col];
            sum = alpha * sum + (full ? beta * (double)C[i * N + j] + (double)bias[j] : 0);
            want[i * N + j] = full && sum < 0 ? 0 : sum;
        }
    gemm_epilogue epilogue = {bias, 0, CT_ACT_RELU};
    memcpy(serial, C, (size_t)(M * N) * sizeof(real));
    void *work = take((size_t)api->work(M, N, K)), *serial_work = take((size_t)api->work_serial(M, N, K));
    api->gemm(M, N, K, (real)alpha, A, a_row, a_col, B, b_row, b_col, (real)beta, C, N, full ? &epilogue : NULL, work);
    api->gemm_serial(M, N, K, (real)alpha, A, a_row, a_col, B, b_row, b_col, (real)beta, serial, N,
                     full ? &epilogue : NULL, serial_work);
    for (int64_t i = 0; i < M * N; i++) {
        check("gemm", M * 1000000 + N * 1000 + K, i, (double)C[i], want[i], 4 + sqrt((double)K), 4);
        check("gemm_serial", M * 1000000 + N * 1000 + K, i, (double)serial[i], want[i], 4 + sqrt((double)K), 4);
    }
    free(A), free(B), free(C), free(bias), free(serial), free(want), free(work), free(serial_work);
}

static void check_gemm(void) {
    const ct_gemm_api *api = ct_find_api("gemm", REAL_DTYPE);
    static const int64_t sides[][3] = {{1, 1, 1},   {1, 10, 64},    {1, 64, 784}, {7, 5, 3},
                                       {8, 8, 8},   {17, 33, 65},   {64, 64, 64}, {130, 1, 40},
                                       {1, 130, 1}, {100, 96, 200}, {3, 5, 1000}, {97, 129, 61}};
    for (size_t s = 0; s < sizeof sides / sizeof sides[0]; s++)
        for (int t = 0; t < 4; t++)
            for (int full = 0; full < 2; full++)
                check_gemm_of(api, sides[s][0], sides[s][1], sides[s][2], t & 1, t >> 1, full);
}

/* ---- two steps of SGD with momentum, and of Adam ---- */

static void check_optim(void) {
    const ct_optim_api *api = ct_find_api("optim", REAL_DTYPE);
    for (int s = 1; s < SIZES; s++)
        for (int adam = 0; adam < 2; adam++) {
            int64_t n = sizes[s], step;
            real *p = numbers(n, -1, 1), *g = numbers(n, -1, 1), *m = numbers(n, 0, 0), *v = numbers(n, 0, 0);
            double *want = calloc((size_t)n, sizeof *want), lr = 0.1, b1 = 0.9, b2 = 0.999, eps = 1e-8;
            for (int64_t i = 0; i < n; i++) {
                double x = (double)p[i], d = (double)g[i], mean = 0, square = 0;
                for (int t = 1; t <= 2; t++) {
                    if (adam) {
                        mean = b1 * mean + (1 - b1) * d, square = b2 * square + (1 - b2) * d * d;
                        x -= lr * (mean / (1 - pow(b1, t))) / (sqrt(square / (1 - pow(b2, t))) + eps);
                    } else {
                        mean = t == 1 ? d : 0.9 * mean + d;
                        x -= lr * mean;
                    }
                }
                want[i] = x;
            }
            real *const params[] = {p}, *const means[] = {m}, *const squares[] = {v};
            const real *const grads[] = {g};
            for (step = 1; step <= 2; step++) {
                optim_tensors t = {1, &n, params, grads, {means, squares}, &step};
                optim_sgd sgd = {.lr = lr, .momentum = 0.9};
                optim_adam options = {.lr = lr, .beta1 = b1, .beta2 = b2, .eps = eps};
                if (adam) api->adam(&t, &options);
                else api->sgd(&t, &sgd);
            }
            for (int64_t i = 0; i < n; i++) check(adam ? "adam" : "sgd", n, i, (double)p[i], want[i], 32, 1);
            free(p), free(g), free(m), free(v), free(want);
        }
}

/* ---- copying from a transposed layout, and conversions ---- */

static void check_copy(void) {
    for (int s = 1; s < SIZES; s++) {
        int64_t n = sizes[s];
        real *x = numbers(3 * n, -100, 100), *y = take((size_t)(3 * n) * sizeof(real));
        int64_t *whole = take((size_t)(3 * n) * sizeof *whole);
        ct_array in = array(x, REAL_DTYPE, 2, 3, n, 0), out = array(y, REAL_DTYPE, 2, 3, n, 0);
        ct_array integers = array(whole, CT_INT64, 2, 3, n, 0);
        in.stride[0] = 1, in.stride[1] = 3; /* x is (n, 3) */
        ct_copy(&out, &in);
        ct_copy(&integers, &in);
        for (int64_t i = 0; i < 3 * n; i++) {
            double want = (double)x[i % n * 3 + i / n];
            check("copy", n, i, (double)y[i], want, 0, 0);
            check("copy to int64", n, i, (double)whole[i], trunc(want), 0, 0);
        }
        free(x), free(y), free(whole);
    }
}

int CT_NAME(ct_driver)(void) {
    check_unary();
    check_binary();
    check_reductions();
    check_softmax();
    check_gemm();
    check_optim();
    check_copy();
    printf("%s: %d values checked, %d wrong\n", sizeof(real) == 4 ? "float" : "double", checks, failures);
    return failures;
}

#endif

/* integers.c: arithmetic, bits and comparisons of integers. See integers.h.
 *
 * Arithmetic wraps around.  Nothing traps: a quotient or remainder by zero is 0 (the caller is expected to have refused
 * it), and the lowest number divided by -1 is itself.  Of bools, sums are "or" and products are "and".
 */
#include "include/integers.h"

#include <string.h>

#include "include/loops.h"

/* One text serves signed and unsigned types, so some comparisons with 0 are decided by the type. */
#pragma GCC diagnostic ignored "-Wtype-limits"

#define ROW(name, T) name##_##T##_row
#define COST(T, times) (0.05 * sizeof(T) * (times))

/* Loops with the operands x (and z, w) of type T and the result of type O; a repeated operand stays in a register.
 * An output may be one of the inputs exactly, which carries nothing from one element to the next: hence ivdep. */
#define OVER(count, ...) _Pragma("GCC ivdep") for (int64_t i = 0; i < (count); i++) __VA_ARGS__
#define UNARY(name, T, O, times, expr)                           \
    static void ROW(name, T)(const loop_span *span, int64_t n) { \
        O *y = (O *)(void *)span->p[0];                          \
        const T *a = (const T *)(const void *)span->p[1];        \
        const int64_t step = !(span->repeat >> 1 & 1);           \
        if (step) {                                              \
            OVER(n, {                                            \
                const T x = a[i];                                \
                y[i] = (O)(expr);                                \
            })                                                   \
        } else {                                                 \
            const T x = *a;                                      \
            const O value = (O)(expr);                           \
            OVER(n, { y[i] = value; })                           \
        }                                                        \
    }                                                            \
    static void name##_##T(const ct_call *call) { loop_run(call, ROW(name, T), 1, COST(T, times)); }
#define BINARY(name, T, O, times, expr)                                                             \
    static void ROW(name, T)(const loop_span *span, int64_t n) {                                    \
        O *y = (O *)(void *)span->p[0];                                                             \
        const T *a = (const T *)(const void *)span->p[1], *b = (const T *)(const void *)span->p[2]; \
        switch (span->repeat >> 1 & 3) {                                                            \
        case 0:                                                                                     \
            OVER(n, {                                                                               \
                const T x = a[i], z = b[i];                                                         \
                y[i] = (O)(expr);                                                                   \
            })                                                                                      \
            break;                                                                                  \
        case 1: {                                                                                   \
            const T x = *a;                                                                         \
            OVER(n, {                                                                               \
                const T z = b[i];                                                                   \
                y[i] = (O)(expr);                                                                   \
            })                                                                                      \
            break;                                                                                  \
        }                                                                                           \
        case 2: {                                                                                   \
            const T z = *b;                                                                         \
            OVER(n, {                                                                               \
                const T x = a[i];                                                                   \
                y[i] = (O)(expr);                                                                   \
            })                                                                                      \
            break;                                                                                  \
        }                                                                                           \
        default: {                                                                                  \
            const T x = *a, z = *b;                                                                 \
            const O value = (O)(expr);                                                              \
            OVER(n, { y[i] = value; })                                                              \
        }                                                                                           \
        }                                                                                           \
    }                                                                                               \
    static void name##_##T(const ct_call *call) { loop_run(call, ROW(name, T), 2, COST(T, times)); }

/* condition (bool) ? a : b, and x + v a b; `x`, `z`, `w` are read through steps of 0 or 1 */
#define TERNARY(name, T, X, times, setup, expr)                                                                    \
    static void ROW(name, T)(const loop_span *span, int64_t n) {                                                   \
        T *y = (T *)(void *)span->p[0];                                                                            \
        const X *a = (const X *)(const void *)span->p[1];                                                          \
        const T *b = (const T *)(const void *)span->p[2], *c = (const T *)(const void *)span->p[3];                \
        const int64_t sa = !(span->repeat >> 1 & 1), sb = !(span->repeat >> 2 & 1), sc = !(span->repeat >> 3 & 1); \
        setup;                                                                                                     \
        if (sa && sb && sc) {                                                                                      \
            OVER(n, {                                                                                              \
                const X x = a[i];                                                                                  \
                const T z = b[i], w = c[i];                                                                        \
                y[i] = (T)(expr);                                                                                  \
            })                                                                                                     \
        } else {                                                                                                   \
            OVER(n, {                                                                                              \
                const X x = a[i * sa];                                                                             \
                const T z = b[i * sb], w = c[i * sc];                                                              \
                y[i] = (T)(expr);                                                                                  \
            })                                                                                                     \
        }                                                                                                          \
    }                                                                                                              \
    static void name##_##T(const ct_call *call) { loop_run(call, ROW(name, T), 3, COST(T, times)); }

/* ---- scalar meanings, on the widest type ----------------------------------------------------------------------------
 */

/* Quotients of the type's own width; U is its unsigned twin, which wraps. */
#define DIVISIONS(T, U)                                                                                             \
    CT_INLINE T quotient_##T(T a, T b) {                                                                            \
        return b == 0 ? 0 : b == (T) - 1 && (T) - 1 < 0 ? (T)(U)(0 - (U)a) : (T)(a / b);                            \
    }                                                                                                               \
    CT_INLINE T rest_##T(T a, T b) { return b == 0 || (b == (T) - 1 && (T) - 1 < 0) ? 0 : (T)(a % b); }             \
    CT_INLINE T floored_##T(T a, T b) {                                                                             \
        T q = quotient_##T(a, b), r = rest_##T(a, b);                                                               \
        return (T)(q - (r != 0 && ((r < 0) != (b < 0))));                                                           \
    }                                                                                                               \
    CT_INLINE T modulo_##T(T a, T b) {                                                                              \
        T r = rest_##T(a, b);                                                                                       \
        return r != 0 && ((r < 0) != (b < 0)) ? (T)(r + b) : r;                                                     \
    }                                                                                                               \
    /* a^b by squaring; a negative exponent leaves only the powers of 1 and -1 */                                   \
    CT_INLINE T power_##T(T a, T b) {                                                                               \
        if (b < 0) return a == 1 ? 1 : a == (T) - 1 ? ((U)b & 1 ? (T) - 1 : 1) : 0;                                 \
        uint64_t base = (uint64_t)a, result = 1;                                                                    \
        for (uint64_t e = (uint64_t)b; e; e >>= 1, base *= base)                                                    \
            if (e & 1) result *= base;                                                                              \
        return (T)result;                                                                                           \
    }                                                                                                               \
    CT_INLINE T left_##T(T a, T b) { return b < 0 || (uint64_t)b >= 8 * sizeof(T) ? 0 : (T)(U)((uint64_t)a << b); } \
    CT_INLINE T right_##T(T a, T b) {                                                                               \
        return b < 0 || (uint64_t)b >= 8 * sizeof(T) ? (T)(a < 0 ? -1 : 0) : (T)(a >> b);                           \
    }                                                                                                               \
    /* a float attribute as T, saturated */                                                                         \
    CT_INLINE T limit_##T(double v) {                                                                               \
        const T least = (T) - 1 < 0 ? (T)((U)1 << (8 * sizeof(T) - 1)) : 0, most = (T)~least;                       \
        return v != v ? 0 : v <= (double)least ? least : v >= (double)most ? most : (T)v;                           \
    }

#define ARITHMETIC(T, U)                                                                         \
    DIVISIONS(T, U)                                                                              \
    BINARY(add, T, T, 1, (uint64_t)x + (uint64_t)z)                                              \
    BINARY(sub, T, T, 1, (uint64_t)x - (uint64_t)z)                                              \
    BINARY(mul, T, T, 1, (U)((uint64_t)x * (uint64_t)z))                                         \
    BINARY(floor_divide, T, T, 20, floored_##T(x, z))                                            \
    BINARY(trunc_divide, T, T, 20, quotient_##T(x, z))                                           \
    BINARY(remainder, T, T, 20, modulo_##T(x, z))                                                \
    BINARY(fmod, T, T, 20, rest_##T(x, z))                                                       \
    BINARY(pow, T, T, 50, power_##T(x, z))                                                       \
    BINARY(bitwise_left_shift, T, T, 4, left_##T(x, z))                                          \
    BINARY(bitwise_right_shift, T, T, 4, right_##T(x, z))                                        \
    UNARY(neg, T, T, 1, (uint64_t)0 - (uint64_t)x)                                               \
    UNARY(abs, T, T, 1, x < 0 ? (uint64_t)0 - (uint64_t)x : (uint64_t)x)                         \
    UNARY(sign, T, T, 1, (x > 0) - (x < 0))                                                      \
    UNARY(square, T, T, 1, (U)((uint64_t)x * (uint64_t)x))                                       \
    UNARY(relu, T, T, 1, x > 0 ? x : 0)                                                          \
    UNARY(bitwise_not, T, T, 1, ~x)                                                              \
    TERNARY(addcmul, T, T, 2, const uint64_t value = (uint64_t)limit_##T(span->reals[0]),        \
            (U)((uint64_t)x + value * ((uint64_t)z * (uint64_t)w)))                              \
    static void ROW(clamp, T)(const loop_span *span, int64_t n) {                                \
        T *y = (T *)(void *)span->p[0];                                                          \
        const T *a = (const T *)(const void *)span->p[1];                                        \
        const int64_t step = !(span->repeat >> 1 & 1);                                           \
        const T lo = limit_##T(span->reals[0]), hi = limit_##T(span->reals[1]);                  \
        OVER(n, {                                                                                \
            const T x = a[i * step];                                                             \
            const T raised = x < lo ? lo : x;                                                    \
            y[i] = raised > hi ? hi : raised;                                                    \
        })                                                                                       \
    }                                                                                            \
    static void clamp_##T(const ct_call *call) { loop_run(call, ROW(clamp, T), 1, COST(T, 1)); } \
    TERNARY(clamp_tensor, T, T, 2, (void)0, (x < z ? z : x) > w ? w : (x < z ? z : x))           \
    EITHER(T)

/* what bools have too */
#define EITHER(T)                                            \
    BINARY(maximum, T, T, 1, x > z ? x : z)                  \
    BINARY(minimum, T, T, 1, x < z ? x : z)                  \
    BINARY(bitwise_and, T, T, 1, x &z)                       \
    BINARY(bitwise_or, T, T, 1, x | z)                       \
    BINARY(bitwise_xor, T, T, 1, x ^ z)                      \
    BINARY(eq, T, uint8_t, 1, x == z)                        \
    BINARY(ne, T, uint8_t, 1, x != z)                        \
    BINARY(lt, T, uint8_t, 1, x < z)                         \
    BINARY(le, T, uint8_t, 1, x <= z)                        \
    BINARY(gt, T, uint8_t, 1, x > z)                         \
    BINARY(ge, T, uint8_t, 1, x >= z)                        \
    BINARY(logical_and, T, uint8_t, 1, x != 0 && z != 0)     \
    BINARY(logical_or, T, uint8_t, 1, x != 0 || z != 0)      \
    BINARY(logical_xor, T, uint8_t, 1, (x != 0) != (z != 0)) \
    UNARY(logical_not, T, uint8_t, 1, x == 0)                \
    UNARY(same, T, T, 1, x)                                  \
    TERNARY(where, T, uint8_t, 2, (void)0, x ? z : w)

typedef uint8_t truth; /* a bool: 0 or 1 */
ARITHMETIC(int8_t, uint8_t)
ARITHMETIC(int16_t, uint16_t)
ARITHMETIC(int32_t, uint32_t)
ARITHMETIC(int64_t, uint64_t)
ARITHMETIC(uint8_t, uint8_t)
EITHER(truth)

#define EITHER_ROWS(T)                                                                                             \
    {"maximum", maximum_##T, NULL}, {"minimum", minimum_##T, NULL}, {"fmax", maximum_##T, NULL},                   \
        {"fmin", minimum_##T, NULL}, {"bitwise_and", bitwise_and_##T, NULL}, {"bitwise_or", bitwise_or_##T, NULL}, \
        {"bitwise_xor", bitwise_xor_##T, NULL}, {"eq", eq_##T, NULL}, {"ne", ne_##T, NULL}, {"lt", lt_##T, NULL},  \
        {"le", le_##T, NULL}, {"gt", gt_##T, NULL}, {"ge", ge_##T, NULL}, {"logical_and", logical_and_##T, NULL},  \
        {"logical_or", logical_or_##T, NULL}, {"logical_xor", logical_xor_##T, NULL},                              \
        {"logical_not", logical_not_##T, NULL}, {"where", where_##T, NULL}, {"floor", same_##T, NULL},             \
        {"ceil", same_##T, NULL}, {"round", same_##T, NULL}, {"trunc", same_##T, NULL},
#define ARITHMETIC_ROWS(T)                                                                                            \
    {"add", add_##T, NULL}, {"sub", sub_##T, NULL}, {"mul", mul_##T, NULL}, {"floor_divide", floor_divide_##T, NULL}, \
        {"trunc_divide", trunc_divide_##T, NULL}, {"remainder", remainder_##T, NULL}, {"fmod", fmod_##T, NULL},       \
        {"pow", pow_##T, NULL}, {"neg", neg_##T, NULL}, {"abs", abs_##T, NULL}, {"sign", sign_##T, NULL},             \
        {"square", square_##T, NULL}, {"relu", relu_##T, NULL}, {"clamp", clamp_##T, NULL},                           \
        {"clamp_tensor", clamp_tensor_##T, NULL}, {"addcmul", addcmul_##T, NULL},                                     \
        {"bitwise_not", bitwise_not_##T, NULL}, {"bitwise_left_shift", bitwise_left_shift_##T, NULL},                 \
        {"bitwise_right_shift", bitwise_right_shift_##T, NULL}, EITHER_ROWS(T)

static const ct_kernel int8_rows[] = {ARITHMETIC_ROWS(int8_t)}, int16_rows[] = {ARITHMETIC_ROWS(int16_t)},
                       int32_rows[] = {ARITHMETIC_ROWS(int32_t)}, int64_rows[] = {ARITHMETIC_ROWS(int64_t)},
                       uint8_rows[] = {ARITHMETIC_ROWS(uint8_t)};
static const ct_kernel bool_rows[] = {{"add", bitwise_or_truth, NULL},
                                      {"mul", bitwise_and_truth, NULL},
                                      {"abs", same_truth, NULL},
                                      {"sign", same_truth, NULL},
                                      {"square", same_truth, NULL},
                                      {"relu", same_truth, NULL},
                                      {"pow", ge_truth, NULL}, /* 0^1 alone is 0 */
                                      {"bitwise_not", logical_not_truth, NULL},
                                      EITHER_ROWS(truth)};

#define FAMILY(rows) {rows, (int)(sizeof(rows) / sizeof((rows)[0]))}
const ct_kernel *ct_find_integer_kernel(const char *name, int dtype) {
    static const ct_family families[CT_DTYPES] = {
        [CT_INT8] = FAMILY(int8_rows),   [CT_INT16] = FAMILY(int16_rows), [CT_INT32] = FAMILY(int32_rows),
        [CT_INT64] = FAMILY(int64_rows), [CT_UINT8] = FAMILY(uint8_rows), [CT_BOOL] = FAMILY(bool_rows),
    };
    if (dtype < 0 || dtype >= CT_DTYPES) return NULL;
    for (int i = 0; i < families[dtype].count; i++)
        if (strcmp(families[dtype].rows[i].name, name) == 0) return &families[dtype].rows[i];
    return NULL;
}

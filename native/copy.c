/* copy.c: see copy.h.
 *
 * One row function for each pair of dtypes, driven by loops.h, which packs what is strided and cuts what is large.
 * Conversions to narrower integers wrap around; a float beyond the range of the integer it becomes first (int32, or
 * int64 for int64) becomes that integer's lowest value, as the CPU's own instruction has it.  float16 and bfloat16 are
 * rounded to nearest, ties to even, and go by way of float.
 */
#include "include/copy.h"

#include <string.h>

#include "include/loops.h"

/* ---- float16 and bfloat16 -------------------------------------------------------------------------------------------
 */

typedef uint8_t truth; /* CT_BOOL */
typedef struct {
    uint16_t bits;
} half; /* CT_FLOAT16 */
typedef struct {
    uint16_t bits;
} brain; /* CT_BFLOAT16 */

CT_INLINE float bits_to_float(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
CT_INLINE uint32_t float_to_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}
/* The half's exponent and mantissa, moved into a float's places, are 2^112 too small, denormal or not. */
CT_INLINE float from_half(half h) {
    uint32_t magnitude = float_to_bits(bits_to_float((uint32_t)(h.bits & 0x7fff) << 13) * 0x1p112f);
    uint32_t special = (h.bits & 0x7c00) == 0x7c00 ? 0x7f800000u : 0;
    return bits_to_float(magnitude | special | (uint32_t)(h.bits & 0x8000) << 16);
}
CT_INLINE half to_half(float f) {
    uint32_t bits = float_to_bits(f), a = bits & 0x7fffffff;
    uint32_t normal = (a + 0xfff + (a >> 13 & 1) - 0x38000000u) >> 13;
    uint32_t tiny = float_to_bits(bits_to_float(a) + 0.5f) - 0x3f000000u; /* the sum rounds to multiples of 2^-24 */
    uint32_t h = a < 0x38800000u ? tiny : normal;
    h = a >= 0x477ff000u ? 0x7c00 : h;
    h = a > 0x7f800000u ? 0x7e00 | (a >> 13 & 0x1ff) : h;
    return (half){(uint16_t)(h | (bits >> 16 & 0x8000))};
}
CT_INLINE float from_brain(brain b) { return bits_to_float((uint32_t)b.bits << 16); }
CT_INLINE brain to_brain(float f) {
    uint32_t bits = float_to_bits(f), rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (brain){(uint16_t)((bits & 0x7fffffff) > 0x7f800000u ? bits >> 16 | 0x40 : rounded)};
}

/* ---- a number of one type as another
 * -------------------------------------------------------------------------------------- */

#define TO_INT32(x) ((x) >= -2147483648.0f && (x) < 2147483648.0f ? (int32_t)(x) : INT32_MIN)
#define TO_INT64(x) ((x) >= -9223372036854775808.0f && (x) < 9223372036854775808.0f ? (int64_t)(x) : INT64_MIN)

#define AS_FLOAT(x) (float)(x)
#define AS_DOUBLE(x) (double)(x)
#define AS_TRUTH(x) ((x) != 0)
#define AS_HALF(x) to_half((float)(x))
#define AS_BRAIN(x) to_brain((float)(x))
#define FROM_INT(T) (T)(x)
#define FROM_REAL(T) (T) TO_INT32(x)

/* name, type of the output, type of the input, the value from `x` of type V with x = LOAD(input) */
#define CONVERT(name, O, I, LOAD, V, value)                        \
    static void name(const loop_span *span, int64_t n) {           \
        O *y = (O *)(void *)span->p[0];                            \
        const I *a = (const I *)(const void *)span->p[1];          \
        if (span->repeat & 2) {                                    \
            const V x = LOAD(*a);                                  \
            const O one = value;                                   \
            for (int64_t i = 0; i < n; i++) y[i] = one;            \
        } else {                                                   \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) { \
                const V x = LOAD(a[i]);                            \
                y[i] = value;                                      \
            }                                                      \
        }                                                          \
    }
/* from I to everything; REAL(T): to a narrow integer, REAL64: to int64 */
#define FROM(I, LOAD, V, REAL, to_int64)                        \
    CONVERT(float_from_##I, float, I, LOAD, V, AS_FLOAT(x))     \
    CONVERT(double_from_##I, double, I, LOAD, V, AS_DOUBLE(x))  \
    CONVERT(half_from_##I, half, I, LOAD, V, AS_HALF(x))        \
    CONVERT(brain_from_##I, brain, I, LOAD, V, AS_BRAIN(x))     \
    CONVERT(int8_from_##I, int8_t, I, LOAD, V, REAL(int8_t))    \
    CONVERT(int16_from_##I, int16_t, I, LOAD, V, REAL(int16_t)) \
    CONVERT(int32_from_##I, int32_t, I, LOAD, V, REAL(int32_t)) \
    CONVERT(int64_from_##I, int64_t, I, LOAD, V, to_int64)      \
    CONVERT(uint8_from_##I, uint8_t, I, LOAD, V, REAL(uint8_t)) \
    CONVERT(truth_from_##I, truth, I, LOAD, V, AS_TRUTH(x))
FROM(float, , float, FROM_REAL, TO_INT64(x))
FROM(double, , double, FROM_REAL, TO_INT64(x))
FROM(half, from_half, float, FROM_REAL, TO_INT64(x))
FROM(brain, from_brain, float, FROM_REAL, TO_INT64(x))
FROM(int8_t, , int8_t, FROM_INT, x)
FROM(int16_t, , int16_t, FROM_INT, x)
FROM(int32_t, , int32_t, FROM_INT, x)
FROM(int64_t, , int64_t, FROM_INT, x)
FROM(uint8_t, , uint8_t, FROM_INT, x)
FROM(truth, , truth, FROM_INT, x)

#define ROWS_TO(to)                                                                                \
    {to##_from_float,   to##_from_double,  to##_from_half,    to##_from_brain,   to##_from_int8_t, \
     to##_from_int16_t, to##_from_int32_t, to##_from_int64_t, to##_from_uint8_t, to##_from_truth}
static const loop_row conversions[10][10] = {/* [output][input], in the order of enum ct_dtype */
                                             ROWS_TO(float), ROWS_TO(double), ROWS_TO(half),  ROWS_TO(brain),
                                             ROWS_TO(int8),  ROWS_TO(int16),  ROWS_TO(int32), ROWS_TO(int64),
                                             ROWS_TO(uint8), ROWS_TO(truth)};

/* ---- the same dtype: bytes
 * --------------------------------------------------------------------------------------------- */

#define MOVE(T)                                              \
    static void move_##T(const loop_span *span, int64_t n) { \
        T *y = (T *)(void *)span->p[0];                      \
        const T *a = (const T *)(const void *)span->p[1];    \
        if (span->repeat & 2) {                              \
            const T one = *a;                                \
            for (int64_t i = 0; i < n; i++) y[i] = one;      \
        } else memmove(y, a, (size_t)n * sizeof(T));         \
    }
MOVE(uint8_t)
MOVE(uint16_t)
MOVE(uint32_t)
MOVE(uint64_t)

/* The same elements as pairs of halves of the type, one more dimension: complex128 is two doubles. */
static int as_pairs(ct_array *out, const ct_array *in, int dtype) {
    if (in->ndim == CT_MAX_DIM) return 0;
    *out = *in;
    for (int d = 0; d < in->ndim; d++) out->stride[d] *= 2;
    out->shape[in->ndim] = 2;
    out->stride[in->ndim] = 1;
    out->ndim++;
    out->size *= 2;
    out->dtype = dtype;
    return 1;
}

/* One element after the other: for what nothing above serves. */
static void copy_plain(const ct_array *out, const ct_array *in, size_t item) {
    int64_t at[CT_MAX_DIM] = {0}, ob = (int64_t)item;
    char *o = out->data;
    const char *s = in->data;
    for (int64_t k = 0; k < out->size; k++) {
        memcpy(o, s, item);
        for (int d = out->ndim - 1; d >= 0; d--) {
            o += out->stride[d] * ob, s += in->stride[d] * ob;
            if (++at[d] < out->shape[d]) break;
            o -= out->shape[d] * out->stride[d] * ob, s -= in->shape[d] * in->stride[d] * ob;
            at[d] = 0;
        }
    }
}

static void run(const ct_array *out, const ct_array *in, loop_row row, double cost) {
    ct_array o = *out;
    ct_call call = {.out = {&o}, .in = {in}, .nin = 1, .nout = 1};
    loop_run(&call, row, 1, cost);
}

void ct_copy(const ct_array *out, const ct_array *in) {
    if (out->size == 0 ||
        (out->data == in->data && out->dtype == in->dtype && loop_is_contiguous(out) && loop_is_contiguous(in)))
        return;
    if (out->dtype == in->dtype) {
        ct_array o, i;
        switch (loop_item(out->dtype)) {
        case 1: run(out, in, move_uint8_t, 0.03); return;
        case 2: run(out, in, move_uint16_t, 0.06); return;
        case 4: run(out, in, move_uint32_t, 0.12); return;
        case 8: run(out, in, move_uint64_t, 0.25); return;
        default:
            if (as_pairs(&o, out, CT_FLOAT64) && as_pairs(&i, in, CT_FLOAT64)) run(&o, &i, move_uint64_t, 0.25);
            else copy_plain(out, in, 16);
            return;
        }
    }
    if (out->dtype < CT_COMPLEX64 && in->dtype < CT_COMPLEX64) {
        double bytes = (double)(loop_item(out->dtype) + loop_item(in->dtype));
        run(out, in, conversions[out->dtype][in->dtype], 0.05 * bytes);
        return;
    }
    if (out->dtype >= CT_COMPLEX64) { /* real to complex: the real parts, then zeros (or the imaginary parts) */
        const int part = out->dtype == CT_COMPLEX64 ? CT_FLOAT32 : CT_FLOAT64;
        ct_array o = *out, i = *in;
        o.dtype = part;
        for (int d = 0; d < o.ndim; d++) o.stride[d] *= 2;
        static const double zero = 0;
        if (in->dtype >= CT_COMPLEX64) {
            i.dtype = in->dtype == CT_COMPLEX64 ? CT_FLOAT32 : CT_FLOAT64;
            for (int d = 0; d < i.ndim; d++) i.stride[d] *= 2;
        }
        ct_copy(&o, &i);
        o.data = (char *)o.data + loop_item(part);
        if (in->dtype >= CT_COMPLEX64) i.data = (char *)i.data + loop_item(i.dtype);
        else {
            i.data = (void *)(uintptr_t)&zero;
            i.dtype = part;
            memset(i.stride, 0, sizeof i.stride);
        }
        ct_copy(&o, &i);
        return;
    }
    ct_array i = *in; /* complex to real: the real parts */
    i.dtype = in->dtype == CT_COMPLEX64 ? CT_FLOAT32 : CT_FLOAT64;
    for (int d = 0; d < i.ndim; d++) i.stride[d] *= 2;
    ct_copy(out, &i);
}

void ct_fill(const ct_array *out, const void *value) {
    ct_array in = *out;
    memset(in.stride, 0, sizeof in.stride);
    in.data = (void *)(uintptr_t)value;
    ct_copy(out, &in);
}

/* copy.c: see copy.h. */
#include "include/copy.h"

#include <math.h>
#include <string.h>

static const int item_bytes[CT_DTYPES] = {4, 8, 2, 2, 1, 2, 4, 8, 1, 1, 8, 16};

static float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    float f;
    if (exponent == 0) {
        f = ldexpf((float)mantissa, -24);
        return sign ? -f : f;
    }
    uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
    memcpy(&f, &bits, 4);
    return f;
}

static uint16_t float_to_half(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return sign | 0x7e00;
    if (bits >= 0x477ff000) return sign | 0x7c00;
    if (bits < 0x38800000) return sign | (uint16_t)lrintf(ldexpf(fabsf(f), 24));
    uint32_t round = 0xfff + (bits >> 13 & 1);
    return sign | (uint16_t)((bits + round - 0x38000000) >> 13);
}

static double load(const char *p, int dtype) {
    uint32_t bits;
    float f;
    switch (dtype) {
    case CT_FLOAT32: return *(const float *)p;
    case CT_FLOAT64: return *(const double *)p;
    case CT_FLOAT16: return half_to_float(*(const uint16_t *)p);
    case CT_BFLOAT16:
        bits = (uint32_t) * (const uint16_t *)p << 16;
        memcpy(&f, &bits, 4);
        return f;
    case CT_INT8: return *(const int8_t *)p;
    case CT_INT16: return *(const int16_t *)p;
    case CT_INT32: return *(const int32_t *)p;
    case CT_INT64: return (double)*(const int64_t *)p;
    default: return *(const uint8_t *)p;
    }
}

static void store(char *p, int dtype, double x) {
    uint32_t bits;
    float f = (float)x;
    int64_t i = x >= -9.2e18 && x <= 9.2e18 ? (int64_t)x : INT64_MIN;
    switch (dtype) {
    case CT_FLOAT32: *(float *)p = f; break;
    case CT_FLOAT64: *(double *)p = x; break;
    case CT_FLOAT16: *(uint16_t *)p = float_to_half(f); break;
    case CT_BFLOAT16:
        memcpy(&bits, &f, 4);
        *(uint16_t *)p = f != f ? 0x7fc0 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        break;
    case CT_INT8: *(int8_t *)p = (int8_t)i; break;
    case CT_INT16: *(int16_t *)p = (int16_t)i; break;
    case CT_INT32: *(int32_t *)p = (int32_t)i; break;
    case CT_INT64: *(int64_t *)p = i; break;
    case CT_UINT8: *(uint8_t *)p = (uint8_t)i; break;
    case CT_BOOL: *(uint8_t *)p = x != 0; break;
    }
}

void ct_copy(const ct_array *out, const ct_array *in) {
    int64_t at[CT_MAX_DIM] = {0};
    char *o = out->data;
    const char *s = in->data;
    int ob = item_bytes[out->dtype], ib = item_bytes[in->dtype];
    for (int64_t k = 0; k < out->size; k++) {
        if (out->dtype == in->dtype)
            memcpy(o, s, (size_t)ob);
        else if (out->dtype == CT_INT64 && in->dtype >= CT_INT8 && in->dtype <= CT_INT32)
            *(int64_t *)o = (int64_t)load(s, in->dtype);
        else if (in->dtype == CT_INT64 && out->dtype >= CT_INT8 && out->dtype <= CT_UINT8) {
            int64_t v = *(const int64_t *)s;
            memcpy(o, &v, (size_t)ob);
        } else
            store(o, out->dtype, load(s, in->dtype));
        for (int d = out->ndim - 1; d >= 0; d--) {
            o += out->stride[d] * ob;
            s += in->stride[d] * ib;
            if (++at[d] < out->shape[d]) break;
            o -= out->shape[d] * out->stride[d] * ob;
            s -= in->shape[d] * in->stride[d] * ib;
            at[d] = 0;
        }
    }
}

void ct_fill(const ct_array *out, const void *value) {
    ct_array in = *out;
    memset(in.stride, 0, sizeof in.stride);
    in.data = (void *)value;
    ct_copy(out, &in);
}

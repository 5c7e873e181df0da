/* integer_reduce.c: reductions of integer arrays, and range checks of indices. Compiled for the baseline only. */
#include "include/integer_reduce.h"

#include "include/strided.h"

static int64_t read(const void *data, int dtype, int64_t at) {
    switch (dtype) {
    case CT_INT8: return ((const int8_t *)data)[at];
    case CT_INT16: return ((const int16_t *)data)[at];
    case CT_INT32: return ((const int32_t *)data)[at];
    case CT_INT64: return ((const int64_t *)data)[at];
    default: return ((const uint8_t *)data)[at]; /* CT_UINT8, CT_BOOL */
    }
}

int64_t ct_index_at(const ct_array *a, int64_t position) {
    dims d;
    dims_of(&d, a);
    return read(a->data, a->dtype, dims_at(&d, position, NULL));
}

static int64_t check(const ct_array *a, int64_t low, int64_t high, int has_ignore, int64_t ignore) {
    dims d;
    dims_of(&d, a);
    const uint64_t span = high > low ? (uint64_t)high - (uint64_t)low : 0;
    run_walk w = {&d, 0, a->size};
    const int64_t stride = d.in[d.n - 1];
    for (int64_t offset, n, done = 0; (n = run_next(&w, &offset)) > 0; done += n) {
        int64_t i = 0;
        if (a->dtype == CT_INT64 && stride == 1) { /* whole blocks first, without leaving in the middle */
            const int64_t *p = (const int64_t *)a->data + offset;
            for (; i + 64 <= n; i += 64) {
                int bad = 0;
                for (int k = 0; k < 64; k++)
                    bad |= ((uint64_t)p[i + k] - (uint64_t)low >= span) & !(has_ignore & (p[i + k] == ignore));
                if (bad) break;
            }
        }
        for (; i < n; i++) {
            int64_t v = read(a->data, a->dtype, offset + i * stride);
            if ((uint64_t)v - (uint64_t)low >= span && !(has_ignore && v == ignore)) return done + i;
        }
    }
    return -1;
}

int64_t ct_index_check(const ct_array *a, int64_t low, int64_t high) { return check(a, low, high, 0, 0); }
int64_t ct_target_check(const ct_array *a, int64_t high, int64_t ignore) { return check(a, 0, high, 1, ignore); }

/* integer_index.c: sums, products and extremes of int64 where an index points. Other integer dtypes are converted
 * around it. One compilation serves all CPUs; see kernels/index.c for the floating ones. */
#include "include/integer_index.h"

#include <string.h>

enum reduce { SUM, PROD, MEAN, MAX, MIN };

static int64_t merged(int reduce, int64_t a, int64_t b) {
    switch (reduce) {
    case PROD: return (int64_t)((uint64_t)a * (uint64_t)b);
    case MAX: return a > b ? a : b;
    case MIN: return a < b ? a : b;
    default: return (int64_t)((uint64_t)a + (uint64_t)b); /* wraps, as everywhere */
    }
}

static int64_t floor_quotient(int64_t a, int64_t n) { return a / n - (a % n != 0 && a < 0); }

/* All arrays are contiguous; index and source have one shape. */
static void scatter(const ct_call *call, int reduce, int include) {
    const ct_array *out = call->out[0], *index = call->in[1];
    const int64_t *at = index->data, *source = call->in[2]->data;
    const int axis = (int)call->ints[0], ndim = index->ndim;
    int64_t *y = out->data, *count = call->work, position[CT_MAX_DIM] = {0}, base = 0;
    const int64_t extent = out->ndim ? out->shape[axis] : 1, step = out->ndim ? out->stride[axis] : 0;
    const int counts = reduce == MEAN || !include;
    memcpy(y, call->in[0]->data, (size_t)out->size * 8);
    if (counts) memset(count, 0, (size_t)out->size * 8);
    for (int64_t i = 0; i < index->size; i++) {
        const int64_t to = base + (at[i] < 0 ? at[i] + extent : at[i]) * step;
        y[to] = counts && !include && count[to] == 0 ? source[i] : merged(reduce, y[to], source[i]);
        if (counts) count[to]++;
        for (int d = ndim - 1; d >= 0; d--) { /* base: where the position lies in y, the axis left out */
            const int64_t stride = d == axis ? 0 : out->stride[d];
            base += stride;
            if (++position[d] < index->shape[d]) break;
            base -= stride * index->shape[d];
            position[d] = 0;
        }
    }
    if (reduce == MEAN)
        for (int64_t i = 0; i < out->size; i++)
            if (count[i]) y[i] = floor_quotient(y[i], count[i] + (include ? 1 : 0));
}

/* ints: axis.  in: x, index, source */
static void scatter_add(const ct_call *call) { scatter(call, SUM, 1); }
/* ints: axis, reduce (0 sum, 1 prod, 2 mean, 3 amax, 4 amin), include_self */
static void scatter_reduce(const ct_call *call) { scatter(call, (int)call->ints[1], (int)call->ints[2]); }
static int64_t work(const ct_call *call) { return call->out[0]->size * 8; }

static const ct_kernel rows[] = {
    {"scatter_add", scatter_add, NULL},
    {"scatter_reduce", scatter_reduce, work},
};

const ct_kernel *ct_find_integer_index(const char *name, int dtype) {
    if (dtype != CT_INT64) return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

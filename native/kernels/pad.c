/* pad.c: elements around a tensor: constant, reflected (without the edge), replicated (the edge) or circular. Negative
 * amounts cut off. */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/simd.h"

enum { PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE, PAD_CIRCULAR };

typedef struct {
    const ct_array *x; /* the smaller; any strides */
    const ct_array *y; /* the padded */
    int mode, ndim;
    int64_t low[CT_MAX_DIM];
    real value;
    int64_t rows, chunks, lead; /* rows of y; backward: leading dimensions that are not padded */
} pad_args;

/* Which element of an axis of n stands at position o - low, or -1. */
CT_INLINE int64_t source(int mode, int64_t at, int64_t n) {
    if (at >= 0 && at < n) return at;
    switch (mode) {
    case PAD_REFLECT: return at < 0 ? -at : 2 * (n - 1) - at;
    case PAD_REPLICATE: return at < 0 ? 0 : n - 1;
    case PAD_CIRCULAR: return at < 0 ? at + n : at - n;
    default: return -1;
    }
}
/* Where row r of y comes from: an offset into x, or -1. */
static int64_t row_source(const pad_args *a, int64_t r) {
    int64_t offset = 0;
    for (int d = a->ndim - 2; d >= 0; d--) {
        const int64_t at = source(a->mode, r % a->y->shape[d] - a->low[d], a->x->shape[d]);
        r /= a->y->shape[d];
        if (at < 0) return -1;
        offset += at * a->x->stride[d];
    }
    return offset;
}

static void pad_rows(void *ctx, int64_t chunk) {
    const pad_args *a = ctx;
    const par_range rows = par_chunk(a->rows, a->chunks, chunk, 1);
    const int last = a->ndim - 1;
    const int64_t W = a->y->shape[last], n = a->x->shape[last], low = a->low[last], step = a->x->stride[last];
    const int64_t from = i64_min(W, i64_max(0, low)), to = i64_max(from, i64_min(W, low + n));
    for (int64_t r = rows.begin; r < rows.end; r++) {
        real *y = (real *)a->y->data + r * W;
        const int64_t offset = row_source(a, r);
        if (offset < 0) {
            for (int64_t o = 0; o < W; o++) y[o] = a->value;
            continue;
        }
        const real *x = (const real *)a->x->data + offset;
        for (int64_t o = 0; o < W; o++) {
            if (o == from) {
                if (step == 1)
                    for (; o < to; o++) y[o] = x[o - low];
                else
                    for (; o < to; o++) y[o] = x[(o - low) * step];
                if (o == W) break;
            }
            const int64_t at = source(a->mode, o - low, n);
            y[o] = at < 0 ? a->value : x[at * step];
        }
    }
}

/* x is dx here, y is g: every padded element is added to the one it came from. */
static void unpad_rows(void *ctx, int64_t chunk) {
    const pad_args *a = ctx;
    int64_t lead = 1, x_each = 1, y_rows = 1;
    const int last = a->ndim - 1;
    for (int d = 0; d < a->ndim; d++) {
        if (d < a->lead) lead *= a->x->shape[d];
        else x_each *= a->x->shape[d];
        if (d >= a->lead && d < last) y_rows *= a->y->shape[d];
    }
    const par_range part = par_chunk(lead, a->chunks, chunk, 1);
    const int64_t W = a->y->shape[last], n = a->x->shape[last], low = a->low[last];
    real *dx = a->x->data;
    for (int64_t i = part.begin * x_each; i < part.end * x_each; i++) dx[i] = 0;
    for (int64_t r = part.begin * y_rows; r < part.end * y_rows; r++) {
        const int64_t offset = row_source(a, r);
        if (offset < 0) continue;
        const real *g = (const real *)a->y->data + r * W;
        for (int64_t o = 0; o < W; o++) {
            const int64_t at = source(a->mode, o - low, n);
            if (at >= 0) dx[offset + at] += g[o];
        }
    }
}

static pad_args args_of(const ct_call *call, const ct_array *x, const ct_array *y) {
    pad_args a = {.x = x, .y = y, .ndim = x->ndim, .mode = (int)call->ints[0], .rows = 1};
    for (int d = 0; d < a.ndim; d++) a.low[d] = call->ints[1 + d];
    for (int d = 0; d < a.ndim - 1; d++) a.rows *= y->shape[d];
    return a;
}
/* (x; mode, low, high, value) -> y */
static void pad(const ct_call *call) {
    pad_args a = args_of(call, call->in[0], call->out[0]);
    a.value = (real)call->reals[0];
    if (!call->out[0]->size) return;
    a.chunks = par_count(a.rows, 0.4 * (double)a.y->shape[a.ndim - 1], 128);
    par_for(a.chunks, pad_rows, &a);
}
/* (g; mode, low, high) -> dx */
static void pad_backward(const ct_call *call) {
    pad_args a = args_of(call, call->out[0], call->in[0]);
    if (!call->out[0]->size) return;
    int64_t lead = 1;
    while (a.lead < a.ndim - 1 && a.low[a.lead] == 0 && a.x->shape[a.lead] == a.y->shape[a.lead])
        lead *= a.x->shape[a.lead++];
    a.chunks = par_count(lead, 0.8 * (double)a.y->size / (double)lead, 128);
    par_for(a.chunks, unpad_rows, &a);
}

static const ct_kernel rows[] = {{"pad", pad, NULL}, {"pad_backward", pad_backward, NULL}};
CT_KERNELS(pad, rows);

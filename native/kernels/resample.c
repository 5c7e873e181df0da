/* resample.c: interpolation along one axis.
 *
 *   y[.., o, ..] = sum_t weight[o, t] x[.., index[o, t], ..]
 *
 * Nearest, linear and cubic interpolation, with and without antialiasing, differ in their taps alone; two and three
 * dimensions are one axis after the other.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/simd.h"

typedef struct {
    real *y;              /* (outer, O, inner); backward: dx (outer, I, inner) */
    const real *x;        /* (outer, I, inner); backward: g (outer, O, inner) */
    const int64_t *index; /* (O, taps) */
    const real *weight;   /* (O, taps) */
    int64_t outer, I, O, inner, taps, chunks;
} axis_args;

static void forward_rows(void *ctx, int64_t chunk) {
    const axis_args *a = ctx;
    const int64_t n = a->inner, K = a->taps;
    if (n == 1) { /* the last axis: gather */
        const par_range r = par_chunk(a->outer, a->chunks, chunk, 1);
        for (int64_t i = r.begin; i < r.end; i++) {
            const real *x = a->x + i * a->I;
            real *y = a->y + i * a->O;
            if (K == 1)
                for (int64_t o = 0; o < a->O; o++) y[o] = a->weight[o] * x[a->index[o]];
            else if (K == 2)
                for (int64_t o = 0; o < a->O; o++)
                    y[o] = s_fma(a->weight[2 * o + 1], x[a->index[2 * o + 1]], a->weight[2 * o] * x[a->index[2 * o]]);
            else
                for (int64_t o = 0; o < a->O; o++) {
                    real sum = 0;
                    for (int64_t t = 0; t < K; t++) sum = s_fma(a->weight[o * K + t], x[a->index[o * K + t]], sum);
                    y[o] = sum;
                }
        }
        return;
    }
    const par_range r = par_chunk(a->outer * a->O, a->chunks, chunk, 1);
    for (int64_t i = r.begin; i < r.end; i++) {
        const int64_t o = i % a->O;
        const real *x = a->x + i / a->O * a->I * n;
        real *y = a->y + i * n;
        for (int64_t j = 0; j < n; j += VL) {
            const int64_t m = i64_min(VL, n - j);
            vreal sum = v_zero();
            for (int64_t t = 0; t < K; t++) {
                const real *from = x + a->index[o * K + t] * n + j;
                sum = v_fma(v_set1(a->weight[o * K + t]), m == VL ? v_load(from) : v_load_part(from, m), sum);
            }
            if (m == VL) v_store(y + j, sum);
            else v_store_part(y + j, sum, m);
        }
    }
}

static void backward_rows(void *ctx, int64_t chunk) {
    const axis_args *a = ctx;
    const int64_t n = a->inner, K = a->taps;
    const par_range r = par_chunk(a->outer, a->chunks, chunk, 1);
    for (int64_t i = r.begin; i < r.end; i++) {
        real *dx = a->y + i * a->I * n;
        const real *g = a->x + i * a->O * n;
        for (int64_t j = 0; j < a->I * n; j++) dx[j] = 0;
        for (int64_t o = 0; o < a->O; o++)
            for (int64_t t = 0; t < K; t++) {
                real *restrict to = dx + a->index[o * K + t] * n;
                const real *restrict from = g + o * n;
                const real w = a->weight[o * K + t];
                for (int64_t j = 0; j < n; j++) to[j] = s_fma(w, from[j], to[j]);
            }
    }
}

static axis_args args_of(const ct_call *call, const ct_array *big, const ct_array *other) {
    const int64_t dim = call->ints[0];
    axis_args a = {.outer = 1, .inner = 1, .x = call->in[0]->data, .y = call->out[0]->data};
    for (int64_t d = 0; d < dim; d++) a.outer *= big->shape[d];
    for (int64_t d = dim + 1; d < big->ndim; d++) a.inner *= big->shape[d];
    a.I = big->shape[dim], a.O = other->shape[dim];
    a.index = call->in[1]->data, a.weight = call->in[2]->data, a.taps = call->in[1]->shape[1];
    return a;
}
/* (x, index (O, taps) int64, weight (O, taps); dim, size) -> y */
static void resample_axis(const ct_call *call) {
    axis_args a = args_of(call, call->in[0], call->out[0]);
    const int64_t rows = a.inner == 1 ? a.outer : a.outer * a.O;
    a.chunks = par_count(rows, 0.3 * (double)(call->out[0]->size * a.taps) / (double)i64_max(1, rows), 128);
    if (call->out[0]->size) par_for(a.chunks, forward_rows, &a);
}
/* (g, index, weight; dim, size) -> dx */
static void resample_axis_backward(const ct_call *call) {
    axis_args a = args_of(call, call->out[0], call->in[0]);
    a.chunks = par_count(a.outer, 0.5 * (double)(a.O * a.inner * a.taps + a.I * a.inner), 128);
    if (call->out[0]->size) par_for(a.chunks, backward_rows, &a);
}

static const ct_kernel rows[] = {{"resample_axis", resample_axis, NULL},
                                 {"resample_axis_backward", resample_axis_backward, NULL}};
CT_KERNELS(resample, rows);

/* index.c: kernels that add or compare where an index points. Sums run in the order of the indices, on any number of
 * threads: threads share out the columns, never the items. */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/rows.h"
#include "../include/strided.h"

#include <string.h>

enum { MOST_CHUNKS = 64, WIDTH = 64 };
enum reduce { SUM, PROD, MEAN, MAX, MIN };

CT_INLINE int64_t wrap(int64_t i, int64_t n) { return i < 0 ? i + n : i; }
CT_INLINE real merged(int reduce, real a, real b) {
    switch (reduce) {
    case PROD: return a * b;
    case MAX: return b != b || b > a ? b : a;
    case MIN: return b != b || b < a ? b : a;
    default: return a + b;
    }
}

/* ---- rows: embedding gradient, index_add --------------------------------------------------------------------------
 */

typedef struct {
    const real *g;        /* (K, D) with strides step, 1 */
    const int64_t *index; /* (K) with stride */
    real *out;            /* (V, D) */
    int64_t K, D, V, step, stride, skip, chunks;
    real factor;
} add_rows;

static void add_rows_body(void *ctx, int64_t chunk) {
    const add_rows *j = ctx;
    par_range r = par_chunk(j->D, j->chunks, chunk, VL);
    const vreal f = v_set1(j->factor);
    for (int64_t k = 0; k < j->K; k++) {
        const int64_t v = wrap(j->index[k * j->stride], j->V);
        if (v == j->skip) continue;
        real *to = j->out + v * j->D;
        const real *from = j->g + k * j->step;
        for (int64_t d = r.begin; d < r.end; d += VL) {
            const int64_t n = r.end - d;
            store(to + d, v_fma(load_fill(from + d, n, 0), f, load_fill(to + d, n, 0)), n);
        }
    }
}
static void run_add_rows(add_rows *j) {
    if (j->K == 0 || j->D == 0) return;
    j->chunks = i64_min(par_count(j->K * j->D, 0.5, MOST_CHUNKS), ceil_div(j->D, WIDTH));
    if (j->chunks == 1) add_rows_body(j, 0);
    else par_for(j->chunks, add_rows_body, j);
}

static const void *plain(const ct_array *a, char **work, int64_t size) {
    if (is_contiguous(a)) return a->data;
    char *to = *work, *begin = to;
    *work += round_up(a->size * size, 64);
    dims d;
    dims_of(&d, a);
    for (int64_t i = 0; i < a->size; i++, to += size)
        memcpy(to, (const char *)a->data + dims_at(&d, i, NULL) * size, (size_t)size);
    return begin;
}
static int64_t plain_work(const ct_call *call) {
    int64_t bytes = 0;
    for (int i = 0; i < call->nin; i++)
        if (call->in[i] && !is_contiguous(call->in[i])) bytes += round_up(call->in[i]->size * 8, 64);
    return bytes;
}

/* ints: padding index, whose row gets no gradient (or -1 - V: none).  in: g (K..., D), index (K...)
 * out: d weight (V, D) */
static void embedding_grad(const ct_call *call) {
    char *work = call->work;
    ct_array *out = call->out[0];
    memset(out->data, 0, (size_t)out->size * sizeof(real));
    add_rows j = {
        .out = out->data, .K = call->in[1]->size, .V = out->shape[0], .D = out->shape[1], .stride = 1, .factor = 1};
    j.g = plain(call->in[0], &work, sizeof(real)), j.index = plain(call->in[1], &work, 8);
    j.step = j.D, j.skip = call->ints[0];
    run_add_rows(&j);
}

/* ints: axis.  reals: alpha.  in: x, index (K), source (x's shape with K at the axis).  out: x + alpha * the slices */
static void index_add(const ct_call *call) {
    char *work = call->work;
    ct_array *out = call->out[0];
    const int axis = (int)call->ints[0];
    int64_t outer = 1, inner = 1, K = call->in[1]->size;
    for (int i = 0; i < out->ndim; i++) *(i < axis ? &outer : &inner) *= i == axis ? 1 : out->shape[i];
    copy_in(out->data, call->in[0]);
    const int64_t *index = plain(call->in[1], &work, 8);
    const real *source = plain(call->in[2], &work, sizeof(real));
    const int64_t V = out->shape[axis];
    for (int64_t o = 0; o < outer; o++) {
        add_rows j = {
            source + o * K * inner, index, (real *)out->data + o * V * inner, K, inner, V, inner, 1, INT64_MIN, 1,
            (real)call->reals[0]};
        run_add_rows(&j);
    }
}

/* ---- elements: scatter_add, scatter_reduce ---------------------------------------------------------------------- */

static void scatter_run(const ct_call *call, int reduce, int include) {
    char *work = call->work;
    ct_array *out = call->out[0];
    real *y = out->data;
    const ct_array *index = call->in[1];
    const int axis = (int)call->ints[0];
    copy_in(y, call->in[0]);
    if (index->size == 0) return;
    const int64_t *at = plain(index, &work, 8);
    dims shape = {.n = 0}; /* of the index: strides of the source, and of the output without the axis */
    for (int i = 0; i < index->ndim; i++)
        shape.shape[i] = index->shape[i], shape.in[i] = call->in[2]->stride[i],
        shape.out[i] = i == axis ? 0 : out->stride[i], shape.n++;
    if (shape.n == 0) shape.n = 1, shape.shape[0] = 1, shape.in[0] = 0, shape.out[0] = 0;
    const real *source = call->in[2]->data;
    const int64_t extent = out->ndim ? out->shape[axis] : 1, step = out->ndim ? out->stride[axis] : 0;
    const int last = shape.n - 1;
    int64_t *count = (int64_t *)work; /* contributions to each output */
    const int counts = reduce == MEAN || !include;
    if (counts) memset(count, 0, (size_t)out->size * 8);
    for (int64_t i = 0; i < index->size; i += shape.shape[last]) {
        int64_t o, from = dims_at(&shape, i, &o);
        for (int64_t k = 0; k < shape.shape[last]; k++) {
            const int64_t to = o + k * shape.out[last] + wrap(at[i + k], extent) * step;
            const real v = source[from + k * shape.in[last]];
            y[to] = counts && !include && count[to] == 0 ? v : merged(reduce, y[to], v);
            if (counts) count[to]++;
        }
    }
    if (reduce == MEAN)
        for (int64_t i = 0; i < out->size; i++)
            if (count[i]) y[i] /= (real)(count[i] + (include ? 1 : 0));
}
/* ints: axis.  in: x, index, source.  out: x with out[.. index[.. k ..] ..] += source[.. k ..] */
static void scatter_add(const ct_call *call) { scatter_run(call, SUM, 1); }
/* ints: axis, reduce (0 sum, 1 prod, 2 mean, 3 amax, 4 amin), include_self */
static void scatter_reduce(const ct_call *call) { scatter_run(call, (int)call->ints[1], (int)call->ints[2]); }
static int64_t scatter_work(const ct_call *call) { return plain_work(call) + call->out[0]->size * 8; }

/* ---- counting and searching ----------------------------------------------------------------------------------------
 */

/* ints: right.  in: sorted (n), or (..., n) with one row for each row of values; values.  out: int64, how many
 * elements of the sorted row are below each value (right: below or equal) */
static void searchsorted(const ct_call *call) {
    char *work = call->work;
    const ct_array *sorted = call->in[0], *values = call->in[1];
    const real *s = plain(sorted, &work, sizeof(real)), *v = plain(values, &work, sizeof(real));
    const int64_t n = sorted->shape[sorted->ndim - 1];
    const int64_t each = sorted->ndim == 1 ? values->size : values->shape[values->ndim - 1];
    int64_t *out = call->out[0]->data;
    for (int64_t i = 0; i < values->size; i++) {
        const real *row = s + (sorted->ndim == 1 ? 0 : i / each * n), x = v[i];
        int64_t low = 0, high = n;
        while (low < high) { /* NaN stands after every number */
            const int64_t mid = low + (high - low) / 2;
            const real y = row[mid];
            const int before = call->ints[0] ? y <= x || x != x : y < x || (x != x && y == y);
            if (before) low = mid + 1;
            else high = mid;
        }
        out[i] = low;
    }
}

/* in: index (contiguous, not negative), weights or NULL.  out: sums of weights (real), or counts (int64) */
static void bincount(const ct_call *call) {
    const ct_array *index = call->in[0], *out = call->out[0];
    const int64_t *at = index->data;
    const real *w = call->in[1] ? call->in[1]->data : NULL;
    memset(out->data, 0, (size_t)out->size * (w ? sizeof(real) : 8));
    for (int64_t i = 0; i < index->size; i++)
        if (w) ((real *)out->data)[at[i]] += w[i];
        else ((int64_t *)out->data)[at[i]]++;
}

/* reals: low, high.  in: x.  out: how many elements of [low, high] fall into each of its equal bins (reals) */
static void histc(const ct_call *call) {
    const ct_array *x = call->in[0];
    real *out = call->out[0]->data;
    const int64_t bins = call->out[0]->size;
    const double low = call->reals[0], high = call->reals[1];
    for (int64_t b = 0; b < bins; b++) out[b] = 0;
    dims d;
    dims_of(&d, x);
    real buffer[512];
    for (int64_t i = 0; i < x->size; i += 512) {
        const int64_t n = i64_min(512, x->size - i);
        const real *v = block_of(x->data, &d, i, n, buffer);
        for (int64_t k = 0; k < n; k++) {
            if (!((double)v[k] >= low && (double)v[k] <= high)) continue;
            const int64_t b = (int64_t)(((double)v[k] - low) / (high - low) * (double)bins);
            out[b < bins ? b : bins - 1]++;
        }
    }
}

static const ct_kernel rows[] = {
    {"embedding_grad", embedding_grad, plain_work},
    {"index_add", index_add, plain_work},
    {"scatter_add", scatter_add, scatter_work},
    {"scatter_reduce", scatter_reduce, scatter_work},
    {"searchsorted", searchsorted, plain_work},
    {"bincount", bincount, NULL},
    {"histc", histc, NULL},
};
CT_KERNELS(index, rows);

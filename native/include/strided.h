/* strided.h: walking strided arrays: a reduction's dimensions merged and sorted, and blocks of an array as plain runs.
 */
#ifndef CORTEN_STRIDED_H
#define CORTEN_STRIDED_H

#include "kernel.h"
#include "real.h"

/* Dimensions, outermost first. `in` strides are sorted to fall, so the last one is the fastest in memory. */
typedef struct {
    int n;
    int64_t shape[CT_MAX_DIM], in[CT_MAX_DIM], out[CT_MAX_DIM];
} dims;

CT_INLINE void dims_push(dims *d, int64_t shape, int64_t in, int64_t out) {
    if (shape == 1) return;
    d->shape[d->n] = shape, d->in[d->n] = in, d->out[d->n] = out, d->n++;
}

/* Insertion sort by falling stride. */
CT_INLINE void dims_sort(dims *d) {
    for (int i = 1; i < d->n; i++)
        for (int j = i;
             j > 0 && (d->in[j - 1] < 0 ? -d->in[j - 1] : d->in[j - 1]) < (d->in[j] < 0 ? -d->in[j] : d->in[j]); j--) {
            int64_t s = d->shape[j], a = d->in[j], b = d->out[j];
            d->shape[j] = d->shape[j - 1], d->in[j] = d->in[j - 1], d->out[j] = d->out[j - 1];
            d->shape[j - 1] = s, d->in[j - 1] = a, d->out[j - 1] = b;
        }
}

/* Neighbours that step as one dimension become one. */
CT_INLINE void dims_merge(dims *d) {
    int n = 0;
    for (int i = 0; i < d->n; i++) {
        if (n > 0 && d->in[n - 1] == d->in[i] * d->shape[i] && d->out[n - 1] == d->out[i] * d->shape[i]) {
            d->shape[n - 1] *= d->shape[i], d->in[n - 1] = d->in[i], d->out[n - 1] = d->out[i];
        } else {
            d->shape[n] = d->shape[i], d->in[n] = d->in[i], d->out[n] = d->out[i], n++;
        }
    }
    d->n = n;
}

CT_INLINE int64_t dims_size(const dims *d) {
    int64_t size = 1;
    for (int i = 0; i < d->n; i++) size *= d->shape[i];
    return size;
}

/* Offsets of the item with this linear number. */
CT_INLINE int64_t dims_at(const dims *d, int64_t item, int64_t *out) {
    int64_t in = 0, o = 0;
    for (int i = d->n - 1; i >= 0; i--) {
        int64_t k = item;
        if (i > 0) item /= d->shape[i], k -= item * d->shape[i];
        in += k * d->in[i], o += k * d->out[i];
    }
    if (out) *out = o;
    return in;
}

/* 1 when elements follow each other in memory without gaps. */
CT_INLINE int is_contiguous(const ct_array *a) {
    int64_t expected = 1;
    for (int i = a->ndim - 1; i >= 0; i--) {
        if (a->shape[i] != 1 && a->stride[i] != expected) return 0;
        expected *= a->shape[i];
    }
    return 1;
}

/* ---- a reduction ------------------------------------------------------------------------------------------------ */

typedef struct {
    dims kept, reduced;
    int64_t outputs, count; /* results; elements that go into each */
    int columns;            /* the dimension fastest in memory is kept: add rows up. Otherwise: add along rows */
} reduce_plan;

/* Bit i of `mask` set: axis i is reduced.  With `ordered`, reduced dimensions keep their logical order. */
CT_INLINE void reduce_plan_make(reduce_plan *p, const ct_array *in, int64_t mask, int ordered) {
    p->kept.n = p->reduced.n = 0;
    int64_t out_stride[CT_MAX_DIM], size = 1;
    for (int i = in->ndim - 1; i >= 0; i--) {
        out_stride[i] = mask >> i & 1 ? 0 : size;
        if (!(mask >> i & 1)) size *= in->shape[i];
    }
    p->outputs = size;
    p->count = 1;
    for (int i = 0; i < in->ndim; i++)
        if (mask >> i & 1) {
            p->count *= in->shape[i];
            dims_push(&p->reduced, in->shape[i], in->stride[i], 0);
        } else {
            dims_push(&p->kept, in->shape[i], in->stride[i], out_stride[i]);
        }
    dims_sort(&p->kept);
    dims_merge(&p->kept);
    if (!ordered) dims_sort(&p->reduced);
    dims_merge(&p->reduced);
    const int k = p->kept.n, r = p->reduced.n;
    p->columns = k > 0 && (r == 0 || p->kept.in[k - 1] < p->reduced.in[r - 1]);
    if (r == 0) p->reduced.n = 1, p->reduced.shape[0] = 1, p->reduced.in[0] = 1, p->reduced.out[0] = 0;
}

/* Steps of a walk over the linear range [begin, end) of some dimensions: runs along the last of them. */
typedef struct {
    const dims *d;
    int64_t at, end;
} run_walk;

/* The next run: its offset and length; 0 at the end. */
CT_INLINE int64_t run_next(run_walk *w, int64_t *offset) {
    if (w->at >= w->end) return 0;
    const int last = w->d->n - 1;
    int64_t inner = w->d->shape[last], pos = last == 0 ? w->at : w->at % inner;
    int64_t n = i64_min(inner - pos, w->end - w->at);
    *offset = last == 0 ? w->at * w->d->in[0] : dims_at(w->d, w->at, NULL);
    w->at += n;
    return n;
}

/* ---- any array as contiguous blocks ------------------------------------------------------------------------------ */

/* The dimensions of an array in logical order, merged: for gathering. */
CT_INLINE void dims_of(dims *d, const ct_array *a) {
    d->n = 0;
    for (int i = 0; i < a->ndim; i++) dims_push(d, a->shape[i], a->stride[i], 0);
    for (int i = 0; i < d->n; i++) d->out[i] = 0;
    dims_merge(d);
    if (d->n == 0) d->n = 1, d->shape[0] = 1, d->in[0] = 1, d->out[0] = 0;
}

/* n reals with a stride, as a contiguous run in `to`. */
CT_INLINE void gather_run(real *restrict to, const real *restrict from, int64_t n, int64_t stride) {
    if (stride == 0)
        for (int64_t i = 0; i < n; i++) to[i] = from[0];
    else if (stride == 1)
        for (int64_t i = 0; i < n; i++) to[i] = from[i];
    else
        for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];
}

/* Elements [begin, begin + n) in logical order: in place when they are contiguous, else gathered into `buffer`. */
CT_INLINE const real *block_of(const real *data, const dims *d, int64_t begin, int64_t n, real *buffer) {
    if (d->n == 1 && d->in[0] == 1) return data + begin;
    run_walk w = {d, begin, begin + n};
    int64_t offset, got;
    for (real *to = buffer; (got = run_next(&w, &offset)) > 0; to += got)
        gather_run(to, data + offset, got, d->in[d->n - 1]);
    return buffer;
}

/* All elements in logical order, contiguous. */
CT_INLINE void copy_in(real *to, const ct_array *from) {
    dims d;
    dims_of(&d, from);
    run_walk w = {&d, 0, from->size};
    for (int64_t offset, n; (n = run_next(&w, &offset)) > 0; to += n)
        gather_run(to, (const real *)from->data + offset, n, d.in[d.n - 1]);
}

#endif

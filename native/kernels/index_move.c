/* index_move.c: kernels that only move elements, of 1, 2, 4, 8 or 16 bytes: they serve every dtype.
 *
 * Indices are int64, of any strides, checked before; negative ones count from the end.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/strided.h"

#include <string.h>

enum { MOST_CHUNKS = 64 };

static int64_t item_size(int dtype) {
    static const int8_t sizes[CT_DTYPES] = {4, 8, 2, 2, 1, 2, 4, 8, 1, 1, 8, 16};
    return sizes[dtype];
}

/* n items of `size` bytes; strides in bytes */
CT_INLINE void move_items(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n, int64_t size) {
    if (to_step == size && from_step == size) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
#define MOVE(bytes)                                                                            \
    case bytes:                                                                                \
        for (int64_t i = 0; i < n; i++) memcpy(to + i * to_step, from + i * from_step, bytes); \
        break;
    switch (size) { MOVE(1) MOVE(2) MOVE(4) MOVE(8) MOVE(16) }
#undef MOVE
}

CT_INLINE int64_t wrap(int64_t i, int64_t n) { return i < 0 ? i + n : i; }

/* A walk over rows of one shape in up to four arrays, strides in bytes: the last dimension is the row. */
typedef struct {
    int ndim;
    int64_t shape[CT_MAX_DIM], stride[4][CT_MAX_DIM], rows, row;
} grid;

static void grid_make(grid *g, const ct_array *like) {
    g->ndim = like->ndim, g->rows = 1;
    for (int i = 0; i < like->ndim; i++) g->shape[i] = like->shape[i];
    if (g->ndim == 0) g->ndim = 1, g->shape[0] = 1;
    for (int a = 0; a < 4; a++)
        for (int i = 0; i < CT_MAX_DIM; i++) g->stride[a][i] = 0;
    for (int i = 0; i < g->ndim - 1; i++) g->rows *= g->shape[i];
    g->row = g->shape[g->ndim - 1];
}
static void grid_array(grid *g, int a, const ct_array *x, int64_t size) {
    for (int i = 0; i < x->ndim; i++) g->stride[a][i] = x->stride[i] * size;
}
CT_INLINE int64_t grid_at(const grid *g, int a, int64_t row) {
    int64_t at = 0;
    for (int i = g->ndim - 2; i >= 0; i--) at += row % g->shape[i] * g->stride[a][i], row /= g->shape[i];
    return at;
}

/* out = x, whatever the strides of x; out is contiguous */
static void copy_all(const ct_array *out, const ct_array *x) {
    const int64_t size = item_size(out->dtype);
    if (is_contiguous(x)) {
        if (out->data != x->data) memcpy(out->data, x->data, (size_t)(x->size * size));
        return;
    }
    grid g;
    grid_make(&g, x);
    grid_array(&g, 0, x, size);
    char *to = out->data;
    for (int64_t r = 0; r < g.rows && x->size; r++, to += g.row * size)
        move_items(to, size, (const char *)x->data + grid_at(&g, 0, r), g.stride[0][g.ndim - 1], g.row, size);
}

typedef struct {
    const ct_call *call;
    grid g;
    int64_t size, chunks, units, along, extent; /* along: byte stride of x in the indexed dimension */
    int axis, count;
} job;

static void launch(job *j, par_body body, int64_t units, double cost) {
    j->units = units;
    j->chunks = par_count(units, cost, MOST_CHUNKS);
    if (j->chunks == 1) body(j, 0);
    else par_for(j->chunks, body, j);
}

/* ---- whole slices ------------------------------------------------------------------------------------------------ */

/* Advanced indexing: the first m dimensions of x are indexed together by m arrays of one shape, the rest are kept.
 *   out[k..., r...] = x[i_1[k], ..., i_m[k], r...] */
static int64_t slice_of(const job *j, const ct_array *x, int64_t k) { /* byte offset in x */
    int64_t at = 0;
    for (int m = 0; m < j->count; m++) {
        const ct_array *index = j->call->in[1 + m];
        int64_t where = k;
        if (!is_contiguous(index)) {
            dims d;
            dims_of(&d, index);
            where = d.n == 1 ? k * d.in[0] : dims_at(&d, k, NULL);
        }
        const int64_t i = ((const int64_t *)index->data)[where];
        at += wrap(i, x->shape[m]) * x->stride[m];
    }
    return at * j->size;
}

static void index_get_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const ct_array *x = j->call->in[0];
    const int64_t each = j->g.rows * j->g.row * j->size;
    par_range r = par_chunk(j->units, j->chunks, chunk, 1);
    for (int64_t k = r.begin; k < r.end; k++) {
        char *to = (char *)j->call->out[0]->data + k * each;
        const char *from = (const char *)x->data + slice_of(j, x, k);
        for (int64_t i = 0; i < j->g.rows; i++, to += j->g.row * j->size)
            move_items(to, j->size, from + grid_at(&j->g, 0, i), j->g.stride[0][j->g.ndim - 1], j->g.row, j->size);
    }
}

/* The dimensions of x after the first m, merged where they can be. */
static void rest_of(job *j, const ct_array *x, int m) {
    ct_array rest = {.ndim = 0, .size = 1};
    for (int i = m; i < x->ndim; i++) {
        const int last = rest.ndim - 1;
        if (last >= 0 && rest.stride[last] == x->stride[i] * x->shape[i])
            rest.shape[last] *= x->shape[i], rest.stride[last] = x->stride[i];
        else rest.shape[rest.ndim] = x->shape[i], rest.stride[rest.ndim++] = x->stride[i];
        rest.size *= x->shape[i];
    }
    grid_make(&j->g, &rest);
    grid_array(&j->g, 0, &rest, j->size);
    if (rest.ndim == 0) j->g.stride[0][0] = j->size;
}

/* in: x, index_1 ... index_m (one shape K...).  out: (K..., rest of x) */
static void index_get(const ct_call *call) {
    job j = {.call = call, .size = item_size(call->out[0]->dtype), .count = call->nin - 1};
    if (call->out[0]->size == 0) return;
    rest_of(&j, call->in[0], j.count);
    launch(&j, index_get_body, call->in[1]->size, 2 + 0.1 * (double)(j.g.rows * j.g.row * j.size));
}

/* in: x, values (K..., rest; strides may be 0), index_1 ... index_m.  out: x with the values written, the last one
 * where an index comes twice */
static void index_put(const ct_call *call) {
    copy_all(call->out[0], call->in[0]);
    const ct_array *out = call->out[0], *v = call->in[1];
    ct_call shifted = *call; /* slice_of looks for indices at 1 + m */
    for (int m = 0; m + 2 < call->nin; m++) shifted.in[1 + m] = call->in[2 + m];
    job j = {.call = &shifted, .size = item_size(out->dtype), .count = call->nin - 2};
    if (v->size == 0) return;
    const int leading = shifted.in[1]->ndim;
    dims lead = {.n = 0};
    for (int i = 0; i < leading; i++) dims_push(&lead, v->shape[i], v->stride[i], 0);
    if (lead.n == 0) lead.n = 1, lead.shape[0] = 1, lead.in[0] = 0, lead.out[0] = 0;
    ct_array rest = {.ndim = v->ndim - leading};
    for (int i = 0; i < rest.ndim; i++) rest.shape[i] = v->shape[leading + i], rest.stride[i] = v->stride[leading + i];
    grid_make(&j.g, &rest);
    grid_array(&j.g, 0, &rest, j.size);
    for (int i = 0; i < rest.ndim; i++) j.g.stride[1][i] = out->stride[j.count + i] * j.size;
    const int last = j.g.ndim - 1;
    for (int64_t k = 0; k < shifted.in[1]->size; k++) {
        char *to = (char *)out->data + slice_of(&j, out, k);
        const char *from = (const char *)v->data + dims_at(&lead, k, NULL) * j.size;
        for (int64_t r = 0; r < j.g.rows; r++)
            move_items(to + grid_at(&j.g, 1, r), j.g.stride[1][last], from + grid_at(&j.g, 0, r), j.g.stride[0][last],
                       j.g.row, j.size);
    }
}

/* ints: axis.  in: x, index (K).  out: x with the axis replaced by K of its slices */
static void index_select_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const ct_array *x = j->call->in[0], *index = j->call->in[1], *out = j->call->out[0];
    const int64_t K = out->shape[j->axis], step = index->ndim ? index->stride[0] : 0;
    int64_t inner = 1;
    for (int i = j->axis + 1; i < x->ndim; i++) inner *= x->shape[i];
    par_range r = par_chunk(j->units, j->chunks, chunk, 1);
    for (int64_t u = r.begin; u < r.end; u++) {
        const int64_t o = u / K, k = u % K;
        int64_t at = wrap(((const int64_t *)index->data)[k * step], x->shape[j->axis]) * x->stride[j->axis] * j->size;
        for (int64_t left = o, i = j->axis - 1; i >= 0; left /= x->shape[i], i--)
            at += left % x->shape[i] * x->stride[i] * j->size;
        char *to = (char *)out->data + u * inner * j->size;
        for (int64_t i = 0; i < j->g.rows; i++, to += j->g.row * j->size)
            move_items(to, j->size, (const char *)x->data + at + grid_at(&j->g, 0, i), j->g.stride[0][j->g.ndim - 1],
                       j->g.row, j->size);
    }
}
static void index_select(const ct_call *call) {
    job j = {.call = call, .size = item_size(call->out[0]->dtype), .axis = (int)call->ints[0]};
    if (call->out[0]->size == 0) return;
    rest_of(&j, call->in[0], j.axis + 1);
    launch(&j, index_select_body, call->out[0]->size / (j.g.rows * j.g.row),
           3 + 0.1 * (double)(j.g.rows * j.g.row * j.size));
}

/* ---- single elements along an axis ------------------------------------------------------------------------------- */

/* ints: axis.  in: x, index.  out, of the index's shape: out[.. k ..] = x[.. index[.. k ..] ..] */
static void gather_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const grid *g = &j->g;
    const int last = g->ndim - 1;
    const int64_t si = g->stride[1][last], sx = g->stride[0][last];
    par_range r = par_chunk(j->units, j->chunks, chunk, 1);
    for (int64_t row = r.begin; row < r.end; row++) {
        const char *x = (const char *)j->call->in[0]->data + grid_at(g, 0, row);
        const char *index = (const char *)j->call->in[1]->data + grid_at(g, 1, row);
        char *to = (char *)j->call->out[0]->data + row * g->row * j->size;
#define GATHER(bytes)                                                                                           \
    case bytes:                                                                                                 \
        for (int64_t k = 0; k < g->row; k++)                                                                    \
            memcpy(to + k * bytes, x + k * sx + wrap(*(const int64_t *)(index + k * si), j->extent) * j->along, \
                   bytes);                                                                                      \
        break;
        switch (j->size) { GATHER(1) GATHER(2) GATHER(4) GATHER(8) GATHER(16) }
#undef GATHER
    }
}
static void along_axis(job *j, const ct_call *call, const ct_array *x, const ct_array *index) {
    j->call = call, j->size = item_size(x->dtype), j->axis = (int)call->ints[0];
    grid_make(&j->g, index);
    grid_array(&j->g, 0, x, j->size);
    grid_array(&j->g, 1, index, 8);
    j->along = x->ndim ? x->stride[j->axis] * j->size : 0, j->extent = x->ndim ? x->shape[j->axis] : 1;
    j->g.stride[0][j->axis] = 0;
}
static void gather(const ct_call *call) {
    job j;
    if (call->in[1]->size == 0) return;
    along_axis(&j, call, call->in[0], call->in[1]);
    launch(&j, gather_body, j.g.rows, 1.5 * (double)j.g.row);
}

/* ints: axis.  in: x, index, source (at least the index's shape; strides may be 0).  out: x with
 * out[.. index[.. k ..] ..] = source[.. k ..], the last one where an index comes twice */
static void scatter(const ct_call *call) {
    job j;
    copy_all(call->out[0], call->in[0]);
    const ct_array *out = call->out[0], *index = call->in[1], *source = call->in[2];
    if (index->size == 0) return;
    along_axis(&j, call, out, index);
    grid_array(&j.g, 2, source, j.size);
    const int last = j.g.ndim - 1;
    for (int64_t row = 0; row < j.g.rows; row++) {
        char *to = (char *)out->data + grid_at(&j.g, 0, row);
        const char *i = (const char *)index->data + grid_at(&j.g, 1, row),
                   *from = (const char *)source->data + grid_at(&j.g, 2, row);
        for (int64_t k = 0; k < j.g.row; k++)
            memcpy(to + k * j.g.stride[0][last] +
                       wrap(*(const int64_t *)(i + k * j.g.stride[1][last]), j.extent) * j.along,
                   from + k * j.g.stride[2][last], (size_t)j.size);
    }
}

/* ---- masks ------------------------------------------------------------------------------------------------------- */

/* in: x, mask (of x's shape, strides may be 0).  out: the elements where the mask holds, as many as there are */
static void masked_select(const ct_call *call) {
    const ct_array *x = call->in[0], *mask = call->in[1];
    grid g;
    grid_make(&g, x);
    const int64_t size = item_size(x->dtype);
    grid_array(&g, 0, x, size), grid_array(&g, 1, mask, 1);
    char *to = call->out[0]->data;
    const int last = g.ndim - 1;
    for (int64_t row = 0; row < g.rows && x->size; row++) {
        const char *from = (const char *)x->data + grid_at(&g, 0, row),
                   *m = (const char *)mask->data + grid_at(&g, 1, row);
        for (int64_t k = 0; k < g.row; k++)
            if (m[k * g.stride[1][last]]) memcpy(to, from + k * g.stride[0][last], (size_t)size), to += size;
    }
}

/* in: x, mask, source (contiguous).  out: x with the elements where the mask holds taken from the source in turn */
static void masked_scatter(const ct_call *call) {
    const ct_array *mask = call->in[1];
    const int64_t size = item_size(call->out[0]->dtype);
    copy_all(call->out[0], call->in[0]);
    dims d;
    dims_of(&d, mask);
    const char *from = call->in[2]->data;
    char *to = call->out[0]->data;
    run_walk w = {&d, 0, mask->size};
    for (int64_t offset, n; (n = run_next(&w, &offset)) > 0;)
        for (int64_t k = 0; k < n; k++, to += size)
            if (((const char *)mask->data)[offset + k * d.in[d.n - 1]]) memcpy(to, from, (size_t)size), from += size;
}

/* in: mask (contiguous bool).  out: (count, ndim) positions of the true elements */
static void nonzero(const ct_call *call) {
    const ct_array *mask = call->in[0];
    const uint8_t *m = mask->data;
    int64_t *to = call->out[0]->data;
    for (int64_t i = 0; i < mask->size; i++) {
        if (!m[i]) continue;
        int64_t left = i;
        for (int k = mask->ndim - 1; k >= 0; k--) to[k] = left % mask->shape[k], left /= mask->shape[k];
        to += mask->ndim;
    }
}

/* ---- whole-array moves --------------------------------------------------------------------------------------------
 */

/* ints: bit mask of the axes to reverse.  in: x.  out: y */
static void flip(const ct_call *call) {
    ct_array x = *call->in[0];
    if (x.size == 0) return;
    const int64_t size = item_size(x.dtype);
    for (int i = 0; i < x.ndim; i++)
        if (call->ints[0] >> i & 1) {
            x.data = (char *)x.data + (x.shape[i] - 1) * x.stride[i] * size;
            x.stride[i] = -x.stride[i];
        }
    copy_all(call->out[0], &x);
}

/* ints: axis, shift.  out[.. (k + shift) mod n ..] = x[.. k ..] */
static void roll(const ct_call *call) {
    const ct_array *x = call->in[0];
    if (x->size == 0) return;
    const int axis = (int)call->ints[0];
    const int64_t size = item_size(x->dtype), n = x->shape[axis], shift = ((call->ints[1] % n) + n) % n;
    grid g;
    grid_make(&g, x);
    grid_array(&g, 0, x, size), grid_array(&g, 1, call->out[0], size);
    int64_t outer[CT_MAX_DIM];
    const int last = g.ndim - 1;
    for (int64_t row = 0; row < g.rows; row++) {
        for (int64_t i = last - 1, left = row; i >= 0; i--) outer[i] = left % g.shape[i], left /= g.shape[i];
        const char *from = (const char *)x->data + grid_at(&g, 0, row);
        char *to = (char *)call->out[0]->data + grid_at(&g, 1, row);
        if (axis != last) {
            to += ((outer[axis] + shift) % n - outer[axis]) * g.stride[1][axis];
            move_items(to, size, from, g.stride[0][last], g.row, size);
        } else {
            move_items(to + shift * size, size, from, g.stride[0][last], n - shift, size);
            move_items(to, size, from + (n - shift) * g.stride[0][last], g.stride[0][last], shift, size);
        }
    }
}

/* ints: diagonal.  in: x (..., M, N).  out: x on and above the diagonal, 0 below (triu); the other way (tril) */
static void triangle(const ct_call *call, int upper) {
    const ct_array *x = call->in[0], *out = call->out[0];
    if (x->size == 0) return;
    const int64_t size = item_size(x->dtype), M = x->shape[x->ndim - 2], N = x->shape[x->ndim - 1];
    grid g;
    grid_make(&g, x);
    grid_array(&g, 0, x, size);
    char *to = out->data;
    const int64_t step = g.stride[0][g.ndim - 1];
    for (int64_t row = 0; row < g.rows; row++, to += N * size) {
        int64_t cut = row % M + call->ints[0] + (upper ? 0 : 1);
        cut = cut < 0 ? 0 : cut > N ? N : cut;
        const char *from = (const char *)x->data + grid_at(&g, 0, row);
        if (upper) {
            memset(to, 0, (size_t)(cut * size));
            move_items(to + cut * size, size, from + cut * step, step, N - cut, size);
        } else {
            move_items(to, size, from, step, cut, size);
            memset(to + cut * size, 0, (size_t)((N - cut) * size));
        }
    }
}
static void triu(const ct_call *call) { triangle(call, 1); }
static void tril(const ct_call *call) { triangle(call, 0); }

/* in: repeats (n), int64, contiguous.  out: item i repeats[i] times: what repeat_interleave selects */
static void repeat_index(const ct_call *call) {
    const int64_t *repeats = call->in[0]->data;
    int64_t *to = call->out[0]->data;
    for (int64_t i = 0; i < call->in[0]->size; i++)
        for (int64_t k = 0; k < repeats[i]; k++) *to++ = i;
}

/* in: index.  out, int64: (..., classes) with 1 at the index */
static void one_hot(const ct_call *call) {
    const ct_array *index = call->in[0];
    int64_t *to = call->out[0]->data;
    const int64_t classes = call->out[0]->shape[call->out[0]->ndim - 1];
    dims d;
    dims_of(&d, index);
    memset(to, 0, (size_t)call->out[0]->size * 8);
    for (int64_t i = 0; i < index->size; i++)
        to[i * classes + ((const int64_t *)index->data)[dims_at(&d, i, NULL)]] = 1;
}

static const ct_kernel rows[] = {
    {"index_get", index_get, NULL},
    {"index_put", index_put, NULL},
    {"index_select", index_select, NULL},
    {"gather", gather, NULL},
    {"scatter", scatter, NULL},
    {"masked_select", masked_select, NULL},
    {"masked_scatter", masked_scatter, NULL},
    {"nonzero", nonzero, NULL},
    {"flip", flip, NULL},
    {"roll", roll, NULL},
    {"triu", triu, NULL},
    {"tril", tril, NULL},
    {"repeat_index", repeat_index, NULL},
    {"one_hot", one_hot, NULL},
};
CT_KERNELS(index_move, rows);

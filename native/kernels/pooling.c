/* pooling.c: maximum and average over windows of 1 to 3 spatial dimensions; unpooling.
 *
 * Output o of an axis covers the inputs o stride - padding + t dilation, t = 0 ... kernel - 1.  Both operations are
 * separable: a row of the input is reduced along its width first, once, and shared by all output rows that need it;
 * then rows are reduced.  So that every load of the first step is contiguous for any stride and dilation, the padded
 * row is split by phase,
 *   phase[u mod stride][u / stride] = x[u - padding]:    tap t of outputs o, o+1, ... is one run of one phase.
 * Few outputs with wide windows (global and adaptive pooling) are reduced window by window instead.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/norm_rows.h"

typedef struct {
    int64_t I, O;                /* inputs and outputs along this axis */
    int64_t k, stride, pad, dil; /* unused where adaptive */
    int64_t *begin, *end;        /* (O) the inputs of each window, without padding */
    real *count;                 /* (O) by how much an average divides, one factor for each axis */
} pool_axis;

typedef struct {
    real *y;        /* (P, OD, OH, OW) */
    int32_t *index; /* (P, OD, OH, OW) position in the plane, or NULL */
    const real *x;  /* (P, D, H, W) */
    pool_axis axis[3];
    int64_t planes, in, out; /* elements of one plane */
    int64_t chunks;
    int windows;    /* reduce window by window */
    double divisor; /* of averages; 0: the window's size */
    char *scratch;  /* per worker */
    int64_t scratch_bytes;
    int64_t phase_len, wide, ring; /* reals in a phase; reals in a reduced row; reduced rows kept */
    int64_t ring_h, ring_d;
} pool_args;

typedef struct {
    real *phase;  /* (stride, phase_len) */
    real *value;  /* (ring, wide) rows reduced along the width */
    vint *column; /* (ring, wide / VL) where each maximum was */
    vint *first;  /* (wide / VL) the first input of each window */
    real *divide; /* (wide) */
    int64_t *tag; /* (ring) which input row is there */
} pool_scratch;

static pool_scratch scratch_of(const pool_args *a) {
    char *p = a->scratch + ct_par_worker() * a->scratch_bytes;
    pool_scratch s;
    s.value = (real *)p, p += a->ring * a->wide * (int64_t)sizeof(real);
    s.column = (vint *)p, p += a->ring * a->wide * (int64_t)sizeof(real);
    s.first = (vint *)p, p += a->wide * (int64_t)sizeof(real);
    s.divide = (real *)p, p += a->wide * (int64_t)sizeof(real);
    s.phase = (real *)p, p += a->axis[2].stride * a->phase_len * (int64_t)sizeof(real);
    s.tag = (int64_t *)p;
    return s;
}

/* Split a row by phase; what lies outside the row keeps the fill that the buffer was made with. */
static void split_row(real *restrict phase, const real *restrict x, const pool_axis *w, int64_t len) {
    const int64_t s = w->stride, used = i64_min(w->I, (w->O - 1) * s + (w->k - 1) * w->dil + 1 - w->pad);
    if (s == 1) {
        for (int64_t i = 0; i < used; i++) phase[w->pad + i] = x[i];
        return;
    }
    if (s == 2) {
        const int64_t odd = w->pad & 1; /* x[0] is in this phase */
        real *restrict p0 = phase + odd * len + w->pad / 2, *restrict p1 = phase + (1 - odd) * len + (w->pad + 1) / 2;
        const int64_t pairs = used / 2;
        for (int64_t i = 0; i < pairs; i++) p0[i] = x[2 * i], p1[i] = x[2 * i + 1];
        if (used & 1) p0[pairs] = x[used - 1];
        return;
    }
    for (int64_t p = 0; p < s; p++) {
        const int64_t j0 = ceil_div(i64_max(0, w->pad - p), s);
        for (int64_t j = j0, i = j0 * s + p - w->pad; i < used; i += s, j++) phase[p * len + j] = x[i];
    }
}

/* Later wins when greater or NaN: the first maximum, the last NaN, as in PyTorch. */
CT_INLINE void take_greater(vreal *m, vint *at, vreal v, vint here) {
    const vmask yes = (v > *m) | (v != v);
    *m = v_blend(yes, v, *m);
    *at = (here & yes) | (*at & ~yes);
}

static void max_row(real *value, vint *column, const pool_args *a, pool_scratch s) {
    const pool_axis *w = &a->axis[2];
    vint step;
    for (int l = 0; l < VL; l++) step[l] = (int_real)(l * w->stride);
    for (int64_t o = 0; o < w->O; o += VL) {
        vreal m = v_load(s.phase + o);
        vint at = s.first[o / VL];
        for (int64_t t = 1; t < w->k; t++) {
            const int64_t u = t * w->dil;
            take_greater(&m, &at, v_load(s.phase + u % w->stride * a->phase_len + u / w->stride + o),
                         step + (int_real)(o * w->stride - w->pad + u));
        }
        v_store(value + o, m);
        column[o / VL] = at;
    }
}

static void sum_row(real *value, const pool_args *a, pool_scratch s) {
    const pool_axis *w = &a->axis[2];
    for (int64_t o = 0; o < w->O; o += VL) {
        vreal sum = v_load(s.phase + o);
        for (int64_t t = 1; t < w->k; t++) sum += v_load(s.phase + t % w->stride * a->phase_len + t / w->stride + o);
        v_store(value + o, sum);
    }
}

CT_INLINE void store_index(int32_t *out, vint at, int64_t n) {
    typedef int32_t narrow __attribute__((vector_size(4 * (VBYTES / sizeof(real)))));
    typedef int32_t narrow_unaligned __attribute__((vector_size(4 * (VBYTES / sizeof(real))), aligned(4), may_alias));
    const narrow v = __builtin_convertvector(at, narrow);
    if (n == VL) *(narrow_unaligned *)out = v;
    else
        for (int64_t i = 0; i < n; i++) out[i] = v[i];
}

/* One plane through the ring of reduced rows. */
static void pool_plane(const pool_args *a, pool_scratch s, const real *x, real *y, int32_t *index) {
    const pool_axis *d = &a->axis[0], *h = &a->axis[1], *w = &a->axis[2];
    for (int64_t i = 0; i < a->ring; i++) s.tag[i] = -1;
    for (int64_t od = 0; od < d->O; od++)
        for (int64_t oh = 0; oh < h->O; oh++) {
            const real *value[64];
            const vint *column[64];
            int64_t row[64], rows = 0, done = 0;
            real *out = y + (od * h->O + oh) * w->O;
            const real divide = a->divisor != 0 ? (real)a->divisor : d->count[od] * h->count[oh];
            for (int64_t id = d->begin[od]; id < d->end[od]; id += d->dil)
                for (int64_t ih = h->begin[oh]; ih < h->end[oh]; ih += h->dil) {
                    const int64_t r = id * h->I + ih, slot = id % a->ring_d * a->ring_h + ih % a->ring_h;
                    if (s.tag[slot] != r) {
                        s.tag[slot] = r;
                        split_row(s.phase, x + r * w->I, w, a->phase_len);
                        if (index) max_row(s.value + slot * a->wide, s.column + slot * (a->wide / VL), a, s);
                        else sum_row(s.value + slot * a->wide, a, s);
                    }
                    value[rows] = s.value + slot * a->wide;
                    column[rows] = s.column + slot * (a->wide / VL);
                    row[rows++] = r * w->I;
                    const int last = ih + h->dil >= h->end[oh] && id + d->dil >= d->end[od];
                    if (!last && rows < 64) continue;
                    /* reduce the gathered rows; tall windows come in several lots, continued from the output */
                    for (int64_t o = 0; o < w->O; o += VL) {
                        const int64_t n = i64_min(VL, w->O - o);
                        if (index) {
                            int32_t *to = index + (od * h->O + oh) * w->O + o;
                            vreal m = v_load(value[0] + o);
                            vint at = column[0][o / VL] + (int_real)row[0];
                            int64_t t = 1;
                            if (done) {
                                m = v_load_part(out + o, n), t = 0;
                                for (int l = 0; l < n; l++) at[l] = to[l];
                            }
                            for (; t < rows; t++)
                                take_greater(&m, &at, v_load(value[t] + o), column[t][o / VL] + (int_real)row[t]);
                            v_store_part(out + o, m, n);
                            store_index(to, at, n);
                        } else {
                            vreal sum = done ? v_load_part(out + o, n) : v_zero();
                            for (int64_t t = 0; t < rows; t++) sum += v_load(value[t] + o);
                            if (last) sum /= a->divisor != 0 ? v_set1(divide) : v_load(s.divide + o) * divide;
                            v_store_part(out + o, sum, n);
                        }
                    }
                    rows = 0, done = 1;
                }
            if (!done && !rows) /* a window of padding alone: an average of nothing but zeros */
                for (int64_t o = 0; o < w->O; o++) out[o] = 0;
        }
}

static void fill_scratch(const pool_args *a, pool_scratch s, real pad) {
    const pool_axis *w = &a->axis[2];
    for (int64_t i = 0; i < w->stride * a->phase_len; i++) s.phase[i] = pad;
    for (int64_t o = 0; o < a->wide; o++) {
        s.first[o / VL][o % VL] = (int_real)(o < w->O ? w->begin[o] : 0);
        s.divide[o] = o < w->O ? w->count[o] : 1;
    }
}

/* ---- window by window */

static void max_window(real *y, int32_t *index, const pool_args *a, const real *x, const int64_t o[3]) {
    const pool_axis *ax = a->axis;
    const int64_t W = ax[2].I, w0 = ax[2].begin[o[2]], n = ax[2].end[o[2]] - w0;
    real best = -REAL_INF;
    int64_t at = (ax[0].begin[o[0]] * ax[1].I + ax[1].begin[o[1]]) * W + w0;
    for (int64_t d = ax[0].begin[o[0]]; d < ax[0].end[o[0]]; d++)
        for (int64_t h = ax[1].begin[o[1]]; h < ax[1].end[o[1]]; h++) {
            const int64_t base = (d * ax[1].I + h) * W + w0;
            const real *row = x + base;
            real top = best;
            int64_t i = 0;
            if (n >= 2 * VL) { /* is there anything greater, or NaN? */
                vreal m = v_set1(-REAL_INF);
                vmask nan = {0};
                for (; i + VL <= n; i += VL) {
                    const vreal v = v_load(row + i);
                    m = v_max(v, m);
                    nan |= v != v;
                }
                const vreal rest = v_load(row + n - VL);
                nan |= rest != rest;
                top = v_hmax(v_max(rest, m));
                int_real any = 0;
                for (int l = 0; l < VL; l++) any |= nan[l];
                if (!any && !(top > best)) continue;
                if (!any) {
                    for (i = 0; row[i] != top; i++) {}
                    best = top, at = base + i;
                    continue;
                }
            }
            for (i = 0; i < n; i++)
                if (row[i] > best || row[i] != row[i]) best = row[i], at = base + i;
        }
    *y = best;
    *index = (int32_t)at;
}

static void average_window(real *y, const pool_args *a, const real *x, const int64_t o[3]) {
    const pool_axis *ax = a->axis;
    const int64_t W = ax[2].I, w0 = ax[2].begin[o[2]], n = ax[2].end[o[2]] - w0;
    double sum = 0, unused = 0;
    for (int64_t d = ax[0].begin[o[0]]; d < ax[0].end[o[0]]; d++) {
        const int64_t h0 = ax[1].begin[o[1]], rows = ax[1].end[o[1]] - h0;
        const real *from = x + (d * ax[1].I + h0) * W + w0;
        if (n == W && rows > 0) row_moments(from, rows * W, 0, &sum, &unused);
        else
            for (int64_t h = 0; h < rows; h++) {
                if (n >= VL) row_moments(from + h * W, n, 0, &sum, &unused);
                else {
                    real s = 0;
                    for (int64_t i = 0; i < n; i++) s += from[h * W + i];
                    sum += (double)s;
                }
            }
    }
    const double count = (double)ax[0].count[o[0]] * (double)ax[1].count[o[1]] * (double)ax[2].count[o[2]];
    *y = (real)(sum / (a->divisor != 0 ? a->divisor : count));
}

static void pool_chunk(void *ctx, int64_t chunk) {
    const pool_args *a = ctx;
    const pool_axis *ax = a->axis;
    const par_range planes = par_chunk(a->planes, a->chunks, chunk, 1);
    pool_scratch s = {0};
    if (!a->windows) {
        s = scratch_of(a);
        fill_scratch(a, s, a->index ? -REAL_INF : 0);
    }
    for (int64_t p = planes.begin; p < planes.end; p++) {
        const real *x = a->x + p * a->in;
        real *y = a->y + p * a->out;
        int32_t *index = a->index ? a->index + p * a->out : NULL;
        if (!a->windows) {
            pool_plane(a, s, x, y, index);
            continue;
        }
        int64_t o[3], i = 0;
        for (o[0] = 0; o[0] < ax[0].O; o[0]++)
            for (o[1] = 0; o[1] < ax[1].O; o[1]++)
                for (o[2] = 0; o[2] < ax[2].O; o[2]++, i++) {
                    if (index) max_window(y + i, index + i, a, x, o);
                    else average_window(y + i, a, x, o);
                }
    }
}

/* ---- backward: y is dx (P, D, H, W), x is g (P, OD, OH, OW) */

static void max_backward_chunk(void *ctx, int64_t chunk) {
    const pool_args *a = ctx;
    const par_range planes = par_chunk(a->planes, a->chunks, chunk, 1);
    for (int64_t p = planes.begin; p < planes.end; p++) {
        real *dx = a->y + p * a->in;
        const real *g = a->x + p * a->out;
        const int32_t *index = a->index + p * a->out;
        for (int64_t i = 0; i < a->in; i++) dx[i] = 0;
        for (int64_t i = 0; i < a->out; i++) dx[index[i]] += g[i];
    }
}

/* Rows of g that cover an input row are added up, divided, and spread along the width by phases. */
static void average_backward_plane(const pool_args *a, pool_scratch s, const real *g, real *dx) {
    const pool_axis *d = &a->axis[0], *h = &a->axis[1], *w = &a->axis[2];
    const int64_t st = w->stride, len = a->phase_len;
    for (int64_t id = 0; id < d->I; id++)
        for (int64_t ih = 0; ih < h->I; ih++) {
            real *sum = s.value, *to = dx + (id * h->I + ih) * w->I;
            for (int64_t o = 0; o < a->wide; o++) sum[o] = 0;
            const int64_t d0 = i64_max(0, ceil_div(id + d->pad - d->k + 1, d->stride));
            const int64_t h0 = i64_max(0, ceil_div(ih + h->pad - h->k + 1, h->stride));
            for (int64_t od = d0; od < d->O && od * d->stride - d->pad <= id; od++)
                for (int64_t oh = h0; oh < h->O && oh * h->stride - h->pad <= ih; oh++) {
                    const real count = a->divisor != 0 ? (real)a->divisor : d->count[od] * h->count[oh];
                    const real *row = g + (od * h->O + oh) * w->O;
                    for (int64_t o = 0; o < w->O; o += VL) {
                        const vreal v = v_load_part(row + o, i64_min(VL, w->O - o));
                        const vreal by = a->divisor != 0 ? v_set1(count) : v_load(s.divide + o) * count;
                        v_store(sum + o, v_load(sum + o) + v / by);
                    }
                }
            for (int64_t i = 0; i < st * len; i++) s.phase[i] = 0;
            for (int64_t t = 0; t < w->k; t++) {
                real *restrict phase = s.phase + t % st * len + t / st;
                for (int64_t o = 0; o < w->O; o += VL) v_store(phase + o, v_load(phase + o) + v_load(sum + o));
            }
            const int64_t used = i64_min(w->I, (w->O - 1) * st + w->k - w->pad);
            if (st == 1)
                for (int64_t i = 0; i < used; i++) to[i] = s.phase[w->pad + i];
            else if (st == 2) {
                const real *restrict p0 = s.phase + (w->pad & 1) * len + w->pad / 2;
                const real *restrict p1 = s.phase + (1 - (w->pad & 1)) * len + (w->pad + 1) / 2;
                for (int64_t i = 0; i < used / 2; i++) to[2 * i] = p0[i], to[2 * i + 1] = p1[i];
                if (used & 1) to[used - 1] = p0[used / 2];
            } else
                for (int64_t i = 0; i < used; i++) to[i] = s.phase[(i + w->pad) % st * len + (i + w->pad) / st];
            for (int64_t i = i64_max(0, used); i < w->I; i++) to[i] = 0;
        }
}

static void average_backward_windows(const pool_args *a, const real *g, real *dx) {
    const pool_axis *ax = a->axis;
    for (int64_t i = 0; i < a->in; i++) dx[i] = 0;
    for (int64_t od = 0; od < ax[0].O; od++)
        for (int64_t oh = 0; oh < ax[1].O; oh++)
            for (int64_t ow = 0; ow < ax[2].O; ow++) {
                const real count = ax[0].count[od] * ax[1].count[oh] * ax[2].count[ow];
                const real v = *g++ / (a->divisor != 0 ? (real)a->divisor : count);
                for (int64_t d = ax[0].begin[od]; d < ax[0].end[od]; d++)
                    for (int64_t h = ax[1].begin[oh]; h < ax[1].end[oh]; h++) {
                        real *to = dx + (d * ax[1].I + h) * ax[2].I;
                        for (int64_t i = ax[2].begin[ow]; i < ax[2].end[ow]; i++) to[i] += v;
                    }
            }
}

static void average_backward_chunk(void *ctx, int64_t chunk) {
    const pool_args *a = ctx;
    const par_range planes = par_chunk(a->planes, a->chunks, chunk, 1);
    pool_scratch s = {0};
    if (!a->windows) {
        s = scratch_of(a);
        fill_scratch(a, s, 0);
    }
    for (int64_t p = planes.begin; p < planes.end; p++) {
        if (a->windows) average_backward_windows(a, a->x + p * a->out, a->y + p * a->in);
        else average_backward_plane(a, s, a->x + p * a->out, a->y + p * a->in);
    }
}

/* ---- adapters: attributes are kernel, stride, padding, dilation (three each, depth first; missing axes are 1, 1, 0,
 * 1), then adaptive, count_include_pad, divisor_override (0: none) */

static pool_args pool_of(const ct_call *call, const ct_array *big, const ct_array *small) {
    pool_args a = {.in = 1, .out = 1, .planes = 1};
    const int64_t *n = call->ints;
    const int adaptive = (int)n[12];
    a.divisor = (double)n[14];
    for (int i = 0; i < 3; i++) {
        const int from = big->ndim - 3 + i; /* the first two dimensions are planes */
        pool_axis *ax = &a.axis[i];
        ax->I = from >= 2 ? big->shape[from] : 1, ax->O = from >= 2 ? small->shape[from] : 1;
        ax->k = n[i], ax->stride = n[3 + i], ax->pad = n[6 + i], ax->dil = n[9 + i];
        a.in *= ax->I, a.out *= ax->O;
    }
    a.planes = big->shape[0] * big->shape[1];
    pool_axis *w = &a.axis[2];
    const int dilated = a.axis[0].dil > 1 || a.axis[1].dil > 1 || w->dil > 1;
    a.windows = adaptive || (!dilated && (w->O == 1 || (w->k >= 2 * VL && w->stride >= VL / 2)));
    a.chunks = par_count(a.planes, 0.5 * (double)a.in + 2.0 * (double)a.out, 256);
    if (a.windows) return a;
    const int64_t last = ((w->O - 1) * w->stride + (w->k - 1) * w->dil) / w->stride + 1;
    a.wide = round_up(i64_max(w->O, 1), VL);
    a.phase_len = round_up(i64_max(last, ceil_div(w->I + w->pad, w->stride)), VL) + 2 * VL;
    a.ring_d = i64_min(a.axis[0].I, (a.axis[0].k - 1) * a.axis[0].dil + 1);
    a.ring_h = a.axis[0].I > 1 ? a.axis[1].I : i64_min(a.axis[1].I, (a.axis[1].k - 1) * a.axis[1].dil + 1);
    a.ring_d = i64_max(a.ring_d, 1), a.ring_h = i64_max(a.ring_h, 1);
    a.ring = a.ring_d * a.ring_h;
    const int64_t reals = 2 * a.ring * a.wide + 2 * a.wide + w->stride * a.phase_len;
    a.scratch_bytes = round_up(reals * (int64_t)sizeof(real) + a.ring * (int64_t)sizeof(int64_t), 64);
    return a;
}
static int64_t axes_bytes(const pool_args *a) {
    int64_t n = 0;
    for (int i = 0; i < 3; i++) n += round_up(a->axis[i].O, 8) * (int64_t)(2 * sizeof(int64_t) + sizeof(real));
    return round_up(n, 64);
}
static int64_t pool_bytes(const pool_args *a) { return axes_bytes(a) + a->scratch_bytes * ct_par_threads(); }

/* The windows of every axis. */
static void lay_out(pool_args *a, const ct_call *call) {
    const int adaptive = (int)call->ints[12], include_pad = (int)call->ints[13];
    char *p = call->work;
    for (int i = 0; i < 3; i++) {
        pool_axis *ax = &a->axis[i];
        const int64_t padded = round_up(ax->O, 8);
        ax->begin = (int64_t *)p, p += padded * (int64_t)sizeof(int64_t);
        ax->end = (int64_t *)p, p += padded * (int64_t)sizeof(int64_t);
        ax->count = (real *)p, p += padded * (int64_t)sizeof(real);
        for (int64_t o = 0; o < ax->O; o++) {
            if (adaptive) {
                ax->begin[o] = o * ax->I / ax->O, ax->end[o] = ceil_div((o + 1) * ax->I, ax->O);
                ax->count[o] = (real)(ax->end[o] - ax->begin[o]);
                continue;
            }
            int64_t from = o * ax->stride - ax->pad, to = from + (ax->k - 1) * ax->dil + 1;
            const int64_t with_pad = i64_min(from + ax->k, ax->I + ax->pad) - from;
            if (from < 0) from += ceil_div(-from, ax->dil) * ax->dil;
            to = i64_max(from, i64_min(to, ax->I));
            ax->begin[o] = from, ax->end[o] = to;
            ax->count[o] = (real)(include_pad ? with_pad : to - from);
        }
    }
    a->scratch = (char *)call->work + axes_bytes(a);
}

/* (x) -> y, index (int32, position in the plane) */
static int64_t forward_work(const ct_call *call) {
    const pool_args a = pool_of(call, call->in[0], call->out[0]);
    return pool_bytes(&a);
}
static void forward(const ct_call *call, int32_t *index) {
    pool_args a = pool_of(call, call->in[0], call->out[0]);
    lay_out(&a, call);
    a.x = call->in[0]->data, a.y = call->out[0]->data, a.index = index;
    if (call->out[0]->size) par_for(a.chunks, pool_chunk, &a);
}
static void max_pool(const ct_call *call) { forward(call, call->out[1]->data); }
static void avg_pool(const ct_call *call) { forward(call, NULL); }

/* (g, index) -> dx */
static void max_pool_backward(const ct_call *call) {
    const ct_array *dx = call->out[0], *g = call->in[0];
    pool_args a = {.planes = dx->shape[0] * dx->shape[1], .y = dx->data, .x = g->data, .index = call->in[1]->data};
    if (!a.planes) return;
    a.in = dx->size / a.planes, a.out = g->size / a.planes;
    a.chunks = par_count(a.planes, 0.3 * (double)a.in + (double)a.out, 256);
    par_for(a.chunks, max_backward_chunk, &a);
}
/* (g) -> dx */
static int64_t avg_pool_backward_work(const ct_call *call) {
    const pool_args a = pool_of(call, call->out[0], call->in[0]);
    return pool_bytes(&a);
}
static void avg_pool_backward(const ct_call *call) {
    pool_args a = pool_of(call, call->out[0], call->in[0]);
    lay_out(&a, call);
    a.x = call->in[0]->data, a.y = call->out[0]->data;
    if (call->out[0]->size) par_for(a.chunks, average_backward_chunk, &a);
}

/* ---- unpooling: y[index[i]] = x[i] in each plane, zero elsewhere; its backward gathers */

static void unpool_chunk(void *ctx, int64_t chunk) {
    const pool_args *a = ctx;
    const par_range planes = par_chunk(a->planes, a->chunks, chunk, 1);
    const int64_t *index = (const int64_t *)a->scratch;
    for (int64_t p = planes.begin; p < planes.end; p++) {
        real *y = a->y + p * a->in;
        for (int64_t i = 0; i < a->in; i++) y[i] = 0;
        for (int64_t i = 0; i < a->out; i++) y[index[p * a->out + i]] = a->x[p * a->out + i];
    }
}
static void gather_chunk(void *ctx, int64_t chunk) {
    const pool_args *a = ctx;
    const par_range planes = par_chunk(a->planes, a->chunks, chunk, 1);
    const int64_t *index = (const int64_t *)a->scratch;
    for (int64_t p = planes.begin; p < planes.end; p++)
        for (int64_t i = 0; i < a->out; i++) a->y[p * a->out + i] = a->x[p * a->in + index[p * a->out + i]];
}
static void unpool(const ct_call *call, const ct_array *big, const ct_array *small, par_body body) {
    pool_args a = {.planes = big->shape[0] * big->shape[1], .x = call->in[0]->data, .y = call->out[0]->data};
    if (!a.planes) return;
    a.in = big->size / a.planes, a.out = small->size / a.planes;
    a.scratch = call->in[1]->data;
    a.chunks = par_count(a.planes, 0.3 * (double)a.in + (double)a.out, 256);
    par_for(a.chunks, body, &a);
}
/* (x, index int64) -> y */
static void max_unpool(const ct_call *call) { unpool(call, call->out[0], call->in[0], unpool_chunk); }
/* (g, index int64) -> dx */
static void max_unpool_backward(const ct_call *call) { unpool(call, call->in[0], call->out[0], gather_chunk); }

static const ct_kernel rows[] = {
    {"max_pool", max_pool, forward_work}, {"max_pool_backward", max_pool_backward, NULL},
    {"avg_pool", avg_pool, forward_work}, {"avg_pool_backward", avg_pool_backward, avg_pool_backward_work},
    {"max_unpool", max_unpool, NULL},     {"max_unpool_backward", max_unpool_backward, NULL},
};
CT_KERNELS(pooling, rows);

/* norm.c: layer, root-mean-square, group and instance normalisation: statistics over a contiguous row.
 *
 *   layer_norm  y = (x - mean) rstd weight + bias,  rstd = 1 / sqrt(var + eps)      Ba, Kiros, Hinton 2016
 *   rms_norm    y = x rrms weight,                  rrms = 1 / sqrt(E[x^2] + eps)   Zhang, Sennrich 2019
 *   group_norm  layer_norm's formula over the C / G channels of a group, weight and bias by channel   Wu, He 2018;
 *               instance norm is G = C
 *
 * Mean and variance come from one pass, of x minus the mean of the first few elements; where that lies so far from the
 * mean that the difference of sums would lose digits, a second pass goes around the mean itself.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/norm_rows.h"

#define MOST_PARTS 64
#define COST 0.4                             /* nanoseconds an element */
#define WIDE (16384 / (int64_t)sizeof(real)) /* rows this wide get their weight gradient by columns instead */

typedef struct {
    real *y, *mean, *rstd;               /* (R, D), (R), (R); backward: y is dx */
    real *dw, *db;                       /* (D) or (C); NULL when there is no weight */
    const real *g, *x;                   /* (R, D) */
    const real *w, *b;                   /* (D) or (C), or NULL */
    const real *saved_mean, *saved_rstd; /* (R); saved_mean NULL: not centred */
    double eps;
    real *partial; /* workspace */
    int64_t R, D, parts;
    int64_t C, S, G; /* group norm: R = N G, D = C / G S */
    int64_t ahead;   /* elements: what a row of an array beyond the caches asks for, one or two rows further */
    int centred, stream;
} norm_args;

/* Rows that are worked on together where they are short: one row alone waits for its own sums, root and quotient. */
#define TOGETHER 4
CT_INLINE int64_t together(const norm_args *a) { return a->D <= 256 ? TOGETHER : 1; }

/* Statistics of n <= TOGETHER rows from r on. */
static void row_statistics(const norm_args *a, int64_t r, int64_t n, real *mean, real *rstd) {
    const double each = 1.0 / (double)a->D;
    double s[TOGETHER] = {0}, q[TOGETHER] = {0}, around[TOGETHER] = {0};
    for (int64_t l = 0; l < n; l++) {
        const real *x = a->x + (r + l) * a->D;
        real k = !a->centred ? 0 : a->D >= VL ? v_hsum(v_load(x)) / VL : a->D ? x[0] : 0;
        if (!(k - k == 0)) k = 0; /* not finite: so is the result */
        row_moments(x, a->D, k, &s[l], &q[l]);
        if (a->centred && s[l] * s[l] > 0.75 * q[l] * (double)a->D) { /* k is more than 1.7 deviations from the mean */
            k += (real)(s[l] * each);
            s[l] = q[l] = 0;
            row_moments(x, a->D, k, &s[l], &q[l]);
        }
        if (a->centred) around[l] = (double)k;
        else s[l] = 0;
    }
    for (int64_t l = 0; l < TOGETHER; l++) {
        const double var = (q[l] - s[l] * s[l] * each) * each;
        mean[l] = (real)(around[l] + s[l] * each);
        rstd[l] = (real)(1.0 / __builtin_sqrt((var < 0 ? 0 : var) + a->eps));
    }
}

/* y = (x - mean) rstd [w] [+ b]; each combination is a loop of its own */
CT_INLINE void layer_apply(const norm_args *a, int64_t r, real mean, real rstd, const int has_w, const int has_b,
                           const int stream) {
    const real *x = a->x + r * a->D, *w = a->w, *b = a->b;
    real *y = a->y + r * a->D;
    const vreal m = v_set1(mean), k = v_set1(rstd);
    int64_t i = 0;
    for (; i + VL <= a->D; i += VL) {
        if (stream) CT_PREFETCH(x + i + a->ahead);
        vreal v = (v_load(x + i) - m) * k;
        if (has_w && has_b) v = v_fma(v, v_load(w + i), v_load(b + i));
        else if (has_w) v *= v_load(w + i);
        else if (has_b) v += v_load(b + i);
        if (stream) v_stream(y + i, v);
        else v_store(y + i, v);
    }
    if (i < a->D) {
        const int64_t n = a->D - i;
        vreal v = (v_load_part(x + i, n) - m) * k;
        if (has_w && has_b) v = v_fma(v, v_load_part(w + i, n), v_load_part(b + i, n));
        else if (has_w) v *= v_load_part(w + i, n);
        else if (has_b) v += v_load_part(b + i, n);
        v_store_part(y + i, v, n);
    }
}
static void layer_row(const norm_args *a, int64_t r, real mean, real rstd) {
    if (a->mean) a->mean[r] = mean;
    a->rstd[r] = rstd;
    switch ((a->w != NULL) + 2 * (a->b != NULL) + 4 * a->stream) {
    case 0: layer_apply(a, r, mean, rstd, 0, 0, 0); break;
    case 1: layer_apply(a, r, mean, rstd, 1, 0, 0); break;
    case 2: layer_apply(a, r, mean, rstd, 0, 1, 0); break;
    case 3: layer_apply(a, r, mean, rstd, 1, 1, 0); break;
    case 4: layer_apply(a, r, mean, rstd, 0, 0, 1); break;
    case 5: layer_apply(a, r, mean, rstd, 1, 0, 1); break;
    case 6: layer_apply(a, r, mean, rstd, 0, 1, 1); break;
    default: layer_apply(a, r, mean, rstd, 1, 1, 1); break;
    }
}
static void layer_part(void *ctx, int64_t p) {
    const norm_args *a = ctx;
    const par_range rows = par_chunk(a->R, a->parts, p, 1);
    real mean[TOGETHER], rstd[TOGETHER];
    for (int64_t r = rows.begin, n; r < rows.end; r += n) {
        n = i64_min(together(a), rows.end - r);
        row_statistics(a, r, n, mean, rstd);
        for (int64_t l = 0; l < n; l++) layer_row(a, r + l, mean[l], rstd[l]);
    }
    if (a->stream) v_fence();
}

/* With u = g w and h = (x - mean) rstd:  dx = rstd (u - E[u] - h E[u h]),  dw = sum g h,  db = sum g. */
typedef struct {
    real mean, rstd, scale, shift; /* dx = rstd u + (x - mean) scale + shift */
} dx_terms;

CT_INLINE dx_terms terms_of(const norm_args *a, int64_t r) {
    double s = 0, q = 0;
    dx_terms t = {.mean = a->saved_mean ? a->saved_mean[r] : 0, .rstd = a->saved_rstd[r]};
    row_products(a->g + r * a->D, a->x + r * a->D, a->w, a->D, t.mean, &s, &q);
    const double k = (double)t.rstd, each = -k / (double)a->D;
    t.scale = (real)(k * k * q * each);
    t.shift = a->centred ? (real)(s * each) : 0;
    return t;
}

CT_INLINE void layer_dx(const norm_args *a, int64_t r, int64_t i, int64_t n, dx_terms t, vreal *g, vreal *h) {
    const int64_t at = r * a->D + i;
    if (a->stream) {
        CT_PREFETCH(a->g + at + a->ahead);
        CT_PREFETCH(a->x + at + a->ahead);
    }
    *g = n == VL ? v_load(a->g + at) : v_load_part(a->g + at, n);
    const vreal d = (n == VL ? v_load(a->x + at) : v_load_part(a->x + at, n)) - v_set1(t.mean);
    const vreal u = a->w ? *g * (n == VL ? v_load(a->w + i) : v_load_part(a->w + i, n)) : *g;
    const vreal dx = v_fma(u, v_set1(t.rstd), v_fma(d, v_set1(t.scale), v_set1(t.shift)));
    *h = d * v_set1(t.rstd);
    if (n == VL && a->stream) v_stream(a->y + at, dx);
    else if (n == VL) v_store(a->y + at, dx);
    else v_store_part(a->y + at, dx, n);
}

/* Narrow rows: dx, and the weight gradient of this part's rows into its own partial (2, D rounded up). */
static void layer_backward_part(void *ctx, int64_t p) {
    const norm_args *a = ctx;
    const par_range rows = par_chunk(a->R, a->parts, p, 1);
    const int64_t D = a->D, wide = round_up(D, VL);
    real *dw = a->partial + 2 * p * wide, *db = dw + wide;
    if (a->dw)
        for (int64_t i = 0; i < 2 * wide; i++) dw[i] = 0;
    for (int64_t r = rows.begin; r < rows.end; r++) {
        const dx_terms t = terms_of(a, r);
        for (int64_t i = 0; i < D; i += VL) {
            vreal g, h;
            if (CT_LIKELY(i + VL <= D)) layer_dx(a, r, i, VL, t, &g, &h);
            else {
                layer_dx(a, r, i, D - i, t, &g, &h);
                h = v_and(first_lanes(D - i), h);
            }
            if (a->dw) {
                v_store(dw + i, v_fma(g, h, v_load(dw + i)));
                v_store(db + i, v_load(db + i) + g);
            }
        }
    }
    if (a->stream) v_fence();
}

/* Wide rows: first what each row's dx needs, then dx and the weight gradient by blocks of columns. */
static void layer_backward_terms(void *ctx, int64_t r) {
    const norm_args *a = ctx;
    const dx_terms t = terms_of(a, r);
    real *out = a->partial + 4 * r;
    out[0] = t.mean, out[1] = t.rstd, out[2] = t.scale, out[3] = t.shift;
}
static void layer_backward_columns(void *ctx, int64_t block) {
    const norm_args *a = ctx;
    const par_range columns = par_chunk(a->D, ceil_div(a->D, 1024), block, VBYTES / sizeof(real));
    real dw[2048 + 2 * VBYTES / sizeof(real)] = {0}, *db = dw + 1024 + VBYTES / sizeof(real);
    for (int64_t r = 0; r < a->R; r++) {
        const real *p = a->partial + 4 * r;
        const dx_terms t = {p[0], p[1], p[2], p[3]};
        for (int64_t i = columns.begin; i < columns.end; i += VL) {
            vreal g, h;
            const int64_t n = i64_min(VL, columns.end - i), at = i - columns.begin;
            layer_dx(a, r, i, n, t, &g, &h);
            v_store(dw + at, v_fma(g, h, v_load(dw + at)));
            v_store(db + at, v_load(db + at) + g);
        }
    }
    if (a->stream) v_fence();
    if (!a->dw) return;
    for (int64_t i = columns.begin; i < columns.end; i++) {
        a->dw[i] = dw[i - columns.begin];
        if (a->db) a->db[i] = db[i - columns.begin];
    }
}

/* ---- group norm */

static void group_row(const norm_args *a, int64_t r) {
    real means[TOGETHER], rstds[TOGETHER];
    row_statistics(a, r, 1, means, rstds);
    const real mean = a->mean[r] = means[0], rstd = a->rstd[r] = rstds[0];
    const int64_t per = a->C / a->G, c0 = r % a->G * per;
    for (int64_t j = 0; j < per; j++) {
        const int64_t at = r * a->D + j * a->S;
        row_affine_ahead(a->y + at, a->x + at, a->S, mean, a->w ? rstd * a->w[c0 + j] : rstd, a->b ? a->b[c0 + j] : 0,
                         a->stream, a->D);
    }
}
static void group_part(void *ctx, int64_t p) {
    const norm_args *a = ctx;
    const par_range rows = par_chunk(a->R, a->parts, p, 1);
    for (int64_t r = rows.begin; r < rows.end; r++) group_row(a, r);
    if (a->stream) v_fence();
}

/* The sums of one channel of one image serve dx and, added over images, the weight gradient. */
static void group_backward_row(const norm_args *a, int64_t r) {
    const int64_t per = a->C / a->G, c0 = r % a->G * per;
    const real mean = a->saved_mean[r], rstd = a->saved_rstd[r];
    const double k = (double)rstd, n = (double)a->D;
    double s = 0, q = 0;
    for (int64_t j = 0; j < per; j++) {
        const int64_t at = r * a->D + j * a->S;
        double sum_g = 0, sum_gd = 0;
        row_products(a->g + at, a->x + at, NULL, a->S, mean, &sum_g, &sum_gd);
        const double w = a->w ? (double)a->w[c0 + j] : 1;
        s += w * sum_g, q += w * sum_gd;
        real *out = a->partial + 2 * (r * per + j); /* (N, C, 2) */
        out[0] = (real)(sum_gd * k), out[1] = (real)sum_g;
    }
    const real scale = (real)(-k * k * k * q / n), shift = (real)(-k * s / n);
    for (int64_t j = 0; j < per; j++) {
        const int64_t at = r * a->D + j * a->S;
        row_affine_backward_ahead(a->y + at, a->g + at, a->x + at, a->S, mean, a->w ? rstd * a->w[c0 + j] : rstd, scale,
                                  shift, a->stream, a->D);
    }
}
static void group_backward_part(void *ctx, int64_t p) {
    const norm_args *a = ctx;
    const par_range rows = par_chunk(a->R, a->parts, p, 1);
    for (int64_t r = rows.begin; r < rows.end; r++) group_backward_row(a, r);
    if (a->stream) v_fence();
}
static void group_backward_weights(const norm_args *a) {
    for (int64_t c = 0; c < a->C && a->dw; c++) {
        double dw = 0, db = 0;
        for (int64_t n = 0; n < a->R / a->G; n++) {
            dw += (double)a->partial[2 * (n * a->C + c)];
            db += (double)a->partial[2 * (n * a->C + c) + 1];
        }
        a->dw[c] = (real)dw, a->db[c] = (real)db;
    }
}

/* ---- adapters */

static void *input(const ct_call *call, int i) { return i < call->nin && call->in[i] ? call->in[i]->data : NULL; }
static void *output(const ct_call *call, int i) { return i < call->nout && call->out[i] ? call->out[i]->data : NULL; }

static void run(int64_t chunks, par_body body, norm_args *a) {
    if (COST * (double)a->R * (double)a->D < 2 * PAR_GRAIN)
        for (int64_t c = 0; c < chunks; c++) body(a, c);
    else par_for(chunks, body, a);
}

/* The last `dims` dimensions are one row; dims comes as the first integer attribute. */
static norm_args rows_of(const ct_call *call, const ct_array *x, int centred) {
    norm_args a = {.D = 1, .x = x->data, .centred = centred};
    for (int d = x->ndim - (int)call->ints[0]; d < x->ndim; d++) a.D *= x->shape[d];
    a.R = a.D ? x->size / a.D : 0;
    a.parts = i64_max(1, i64_min(MOST_PARTS, a.R / 16));
    a.stream = worth_streaming(x->size) && a.D % VL == 0; /* outputs are aligned, so then every row is */
    a.ahead = a.D < 2048 ? 2 * a.D : a.D;
    return a;
}
/* (x, weight?, bias?; dims, eps) -> y, mean, rstd */
static void layer_norm(const ct_call *call) {
    norm_args a = rows_of(call, call->in[0], 1);
    a.w = input(call, 1), a.b = input(call, 2), a.eps = call->reals[0];
    a.y = output(call, 0), a.mean = output(call, 1), a.rstd = output(call, 2);
    a.parts = par_count(a.R, COST * (double)a.D, MOST_PARTS);
    run(a.parts, layer_part, &a);
}
/* (x, weight?; dims, eps) -> y, rrms */
static void rms_norm(const ct_call *call) {
    norm_args a = rows_of(call, call->in[0], 0);
    a.w = input(call, 1), a.eps = call->reals[0], a.y = output(call, 0), a.rstd = output(call, 1);
    a.parts = par_count(a.R, COST * (double)a.D, MOST_PARTS);
    run(a.parts, layer_part, &a);
}

static void layer_backward(norm_args *a) {
    if (a->D > WIDE) {
        run(a->R, layer_backward_terms, a);
        run(ceil_div(a->D, 1024), layer_backward_columns, a);
        return;
    }
    run(a->parts, layer_backward_part, a);
    if (!a->dw) return;
    const int64_t wide = round_up(a->D, VL);
    for (int64_t i = 0; i < a->D; i += VL) {
        vreal dw = v_zero(), db = v_zero();
        for (int64_t p = 0; p < a->parts; p++) {
            dw += v_load(a->partial + 2 * p * wide + i);
            db += v_load(a->partial + (2 * p + 1) * wide + i);
        }
        v_store_part(a->dw + i, dw, i64_min(VL, a->D - i));
        if (a->db) v_store_part(a->db + i, db, i64_min(VL, a->D - i));
    }
}
static int64_t layer_backward_work(const ct_call *call) {
    const norm_args a = rows_of(call, call->in[1], 1);
    return (a.D > WIDE ? 4 * a.R : 2 * a.parts * round_up(a.D, VL)) * (int64_t)sizeof(real);
}
/* (g, x, mean, rstd, weight?; dims) -> dx, dweight, dbias */
static void layer_norm_backward(const ct_call *call) {
    norm_args a = rows_of(call, call->in[1], 1);
    a.g = input(call, 0), a.saved_mean = input(call, 2), a.saved_rstd = input(call, 3), a.w = input(call, 4);
    a.y = output(call, 0), a.dw = output(call, 1), a.db = output(call, 2), a.partial = call->work;
    layer_backward(&a);
}
/* (g, x, rrms, weight?; dims) -> dx, dweight */
static void rms_norm_backward(const ct_call *call) {
    norm_args a = rows_of(call, call->in[1], 0);
    a.g = input(call, 0), a.saved_rstd = input(call, 2), a.w = input(call, 3);
    a.y = output(call, 0), a.dw = output(call, 1), a.partial = call->work;
    layer_backward(&a);
}

static norm_args groups_of(const ct_call *call, const ct_array *x) {
    norm_args a = {.C = x->shape[1], .S = 1, .G = call->ints[0], .x = x->data, .centred = 1};
    for (int d = 2; d < x->ndim; d++) a.S *= x->shape[d];
    a.R = x->shape[0] * a.G;
    a.D = a.C / a.G * a.S;
    a.stream = worth_streaming(x->size);
    a.parts = i64_max(1, i64_min(a.R, MOST_PARTS));
    return a;
}
/* (x, weight?, bias?; groups, eps) -> y, mean, rstd */
static void group_norm(const ct_call *call) {
    norm_args a = groups_of(call, call->in[0]);
    a.w = input(call, 1), a.b = input(call, 2), a.eps = call->reals[0];
    a.y = output(call, 0), a.mean = output(call, 1), a.rstd = output(call, 2);
    run(a.parts, group_part, &a);
}
static int64_t group_backward_work(const ct_call *call) {
    const ct_array *x = call->in[1];
    return 2 * x->shape[0] * x->shape[1] * (int64_t)sizeof(real);
}
/* (g, x, mean, rstd, weight?; groups) -> dx, dweight, dbias */
static void group_norm_backward(const ct_call *call) {
    norm_args a = groups_of(call, call->in[1]);
    a.g = input(call, 0), a.saved_mean = input(call, 2), a.saved_rstd = input(call, 3), a.w = input(call, 4);
    a.y = output(call, 0), a.dw = output(call, 1), a.db = output(call, 2), a.partial = call->work;
    run(a.parts, group_backward_part, &a);
    group_backward_weights(&a);
}

static const ct_kernel rows[] = {
    {"layer_norm", layer_norm, NULL}, {"layer_norm_backward", layer_norm_backward, layer_backward_work},
    {"rms_norm", rms_norm, NULL},     {"rms_norm_backward", rms_norm_backward, layer_backward_work},
    {"group_norm", group_norm, NULL}, {"group_norm_backward", group_norm_backward, group_backward_work},
};
CT_KERNELS(norm, rows);

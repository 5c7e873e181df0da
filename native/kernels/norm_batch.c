/* norm_batch.c: batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167).
 *
 *   y = (x - mean) invstd weight + bias,   invstd = 1 / sqrt(var + eps),   statistics over (N, S) of each channel
 *
 * x is (N, C, S) with S the product of the spatial sizes.  The variance is a shifted sum of squares,
 *   var = E[(x - k)^2] - E[x - k]^2,   k = the mean of the channel's first row,
 * which needs one pass over memory; since k is itself the mean of m of the M values, cancellation costs at most a
 * factor M / m of the rounding error.  A channel that fits the cache is read from memory once and written once.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/norm_rows.h"

#define FEW_CHANNELS 8 /* below this, each channel is cut into parts so that all threads have work */
#define MOST_PARTS 8

typedef struct {
    real *y, *mean, *invstd, *var; /* (N, C, S), (C), (C), (C) */
    real *dw, *db;                 /* (C), (C) */
    const real *g, *x, *w, *b;     /* (N, C, S), (N, C, S), (C) or NULL, (C) or NULL */
    const real *saved_mean;        /* (C) */
    const real *saved_invstd;      /* (C), or the running variance when evaluating */
    double eps;
    double *partial; /* (C, parts, 4) */
    int64_t N, C, S, parts;
    int stream, eval;
} bn_args;

typedef struct {
    int64_t n0, n1, s0, s1;
} bn_box;

/* Part p of a channel: a range of images, or of positions when the images are few. */
static bn_box box_of(const bn_args *a, int64_t p) {
    bn_box box = {0, a->N, 0, a->S};
    if (a->N >= a->parts) {
        par_range r = par_chunk(a->N, a->parts, p, 1);
        box.n0 = r.begin, box.n1 = r.end;
    } else {
        par_range r = par_chunk(a->S, a->parts, p, VBYTES / sizeof(real));
        box.s0 = r.begin, box.s1 = r.end;
    }
    return box;
}

/* Count, mean and sum of squared deviations of one part. */
static void part_moments(double *out, const bn_args *a, int64_t c, bn_box box) {
    const int64_t len = box.s1 - box.s0;
    double n = (double)(box.n1 - box.n0) * (double)len, s = 0, q = 0;
    out[0] = n, out[1] = 0, out[2] = 0;
    if (n == 0) return;
    double first = 0, unused = 0;
    const int64_t head = i64_min(len, 1024);
    row_moments(a->x + (box.n0 * a->C + c) * a->S + box.s0, head, 0, &first, &unused);
    const real k = (real)(first / (double)head);
    for (int64_t i = box.n0; i < box.n1; i++) row_moments(a->x + (i * a->C + c) * a->S + box.s0, len, k, &s, &q);
    out[1] = (double)k + s / n;
    out[2] = q - s * s / n;
    if (out[2] < 0) out[2] = 0;
}

/* Parts merged in order (Chan, Golub, LeVeque 1983), then the channel's statistics. */
static void finish_moments(const bn_args *a, int64_t c, const double *part) {
    double n = 0, mean = 0, m2 = 0;
    for (int64_t p = 0; p < a->parts; p++, part += 4) {
        if (part[0] == 0) continue;
        const double delta = part[1] - mean, total = n + part[0];
        mean += delta * part[0] / total;
        m2 += part[2] + delta * delta * n * part[0] / total;
        n = total;
    }
    const double var = m2 / n;
    a->mean[c] = (real)mean;
    a->var[c] = (real)var;
    a->invstd[c] = (real)(1.0 / __builtin_sqrt(var + a->eps));
}

static void normalise_part(const bn_args *a, int64_t c, bn_box box) {
    const real mean = a->mean[c], scale = a->w ? a->invstd[c] * a->w[c] : a->invstd[c], shift = a->b ? a->b[c] : 0;
    for (int64_t i = box.n0; i < box.n1; i++) {
        const int64_t at = (i * a->C + c) * a->S + box.s0;
        row_affine(a->y + at, a->x + at, box.s1 - box.s0, mean, scale, shift, a->stream);
    }
    if (a->stream) v_fence();
}

static void train_channels(void *ctx, int64_t c) {
    const bn_args *a = ctx;
    double part[4];
    const bn_box box = {0, a->N, 0, a->S};
    part_moments(part, a, c, box);
    finish_moments(a, c, part);
    normalise_part(a, c, box);
}
static void train_part_moments(void *ctx, int64_t i) {
    const bn_args *a = ctx;
    part_moments(a->partial + 4 * i, a, i / a->parts, box_of(a, i % a->parts));
}
static void normalise_parts(void *ctx, int64_t i) {
    const bn_args *a = ctx;
    normalise_part(a, i / a->parts, box_of(a, i % a->parts));
}

/* dx = weight invstd (g - E[g] - (x - mean) invstd^2 E[g (x - mean)]),  dw = invstd sum g (x - mean),  db = sum g;
 * with fixed statistics dx = weight invstd g. */
static void part_products(double *out, const bn_args *a, int64_t c, bn_box box) {
    out[0] = out[1] = 0;
    for (int64_t i = box.n0; i < box.n1; i++) {
        const int64_t at = (i * a->C + c) * a->S + box.s0;
        row_products(a->g + at, a->x + at, NULL, box.s1 - box.s0, a->saved_mean[c], out, out + 1);
    }
}
CT_INLINE real invstd_of(const bn_args *a, int64_t c) {
    return a->eval ? (real)(1.0 / __builtin_sqrt((double)a->saved_invstd[c] + a->eps)) : a->saved_invstd[c];
}
static void backward_part(const bn_args *a, int64_t c, bn_box box, const double *part) {
    double sum_g = 0, sum_gx = 0;
    for (int64_t p = 0; p < a->parts; p++) sum_g += part[4 * p], sum_gx += part[4 * p + 1];
    const double invstd = (double)invstd_of(a, c), n = (double)a->N * (double)a->S;
    if (box.n0 == 0 && box.s0 == 0) {
        a->dw[c] = (real)(sum_gx * invstd);
        a->db[c] = (real)sum_g;
    }
    const double scale = a->w ? (double)a->w[c] * invstd : invstd;
    const real b = a->eval ? 0 : (real)(-scale * invstd * invstd * sum_gx / n);
    const real shift = a->eval ? 0 : (real)(-scale * sum_g / n);
    for (int64_t i = box.n0; i < box.n1; i++) {
        const int64_t at = (i * a->C + c) * a->S + box.s0;
        if (a->eval) row_affine(a->y + at, a->g + at, box.s1 - box.s0, 0, (real)scale, 0, a->stream);
        else
            row_affine_backward(a->y + at, a->g + at, a->x + at, box.s1 - box.s0, a->saved_mean[c], (real)scale, b,
                                shift, a->stream);
    }
    if (a->stream) v_fence();
}
static void backward_channels(void *ctx, int64_t c) {
    const bn_args *a = ctx;
    double part[4];
    const bn_box box = {0, a->N, 0, a->S};
    part_products(part, a, c, box);
    backward_part(a, c, box, part);
}
static void backward_part_products(void *ctx, int64_t i) {
    const bn_args *a = ctx;
    part_products(a->partial + 4 * i, a, i / a->parts, box_of(a, i % a->parts));
}
static void backward_parts(void *ctx, int64_t i) {
    const bn_args *a = ctx;
    const int64_t c = i / a->parts;
    backward_part(a, c, box_of(a, i % a->parts), a->partial + 4 * c * a->parts);
}

/* ---- (N, C): channels are the columns; one vector of channels at a time, rows added in blocks of 32. */
#define COLUMN_ROWS 32

typedef struct {
    vreal sum, product;
} column_sums;

/* sums over rows of u and u v with u = g, v = x - shift; or u = v = x - shift when g is NULL */
CT_INLINE column_sums sum_columns(const real *g, const real *x, int64_t N, int64_t C, vreal shift, int64_t lanes) {
    column_sums total = {v_zero(), v_zero()};
    for (int64_t n0 = 0; n0 < N; n0 += COLUMN_ROWS) {
        vreal s = v_zero(), q = v_zero();
        for (int64_t n = n0; n < i64_min(N, n0 + COLUMN_ROWS); n++) {
            const vreal d = v_load_part(x + n * C, lanes) - shift;
            const vreal u = g ? v_load_part(g + n * C, lanes) : d;
            s += u;
            q = v_fma(u, d, q);
        }
        total.sum += s, total.product += q;
    }
    return total;
}

static void train_columns(void *ctx, int64_t block) {
    const bn_args *a = ctx;
    const int64_t C = a->C, c = block * VL, lanes = i64_min(VL, C - c);
    const real *x = a->x + c;
    real mean[VBYTES / sizeof(real)] = {0}, invstd[VBYTES / sizeof(real)] = {0}, s[VBYTES / sizeof(real)];
    const vreal M = v_set1((real)a->N);
    vreal k = sum_columns(NULL, x, a->N, C, v_zero(), lanes).sum / M;
    const column_sums t = sum_columns(NULL, x, a->N, C, k, lanes); /* around k: sum is what rounding left */
    v_store(s, t.product - t.sum * t.sum / M);
    v_store(mean, k + t.sum / M);
    for (int64_t l = 0; l < lanes; l++) {
        const double var = s[l] < 0 ? 0 : (double)s[l] / (double)a->N;
        a->mean[c + l] = mean[l];
        a->var[c + l] = (real)var;
        a->invstd[c + l] = invstd[l] = (real)(1.0 / __builtin_sqrt(var + a->eps));
    }
    const vreal m = v_load(mean), b = a->b ? v_load_part(a->b + c, lanes) : v_zero();
    const vreal scale = a->w ? v_load(invstd) * v_load_part(a->w + c, lanes) : v_load(invstd);
    for (int64_t n = 0; n < a->N; n++)
        v_store_part(a->y + n * C + c, v_fma(v_load_part(x + n * C, lanes) - m, scale, b), lanes);
}

static void backward_columns(void *ctx, int64_t block) {
    const bn_args *a = ctx;
    const int64_t C = a->C, c = block * VL, lanes = i64_min(VL, C - c);
    real invstd[VBYTES / sizeof(real)] = {0};
    for (int64_t l = 0; l < lanes; l++) invstd[l] = invstd_of(a, c + l);
    const vreal mean = v_load_part(a->saved_mean + c, lanes), r = v_load(invstd), M = v_set1((real)a->N);
    const vreal scale = a->w ? r * v_load_part(a->w + c, lanes) : r;
    const column_sums t = sum_columns(a->g + c, a->x + c, a->N, C, mean, lanes);
    v_store_part(a->dw + c, t.product * r, lanes);
    v_store_part(a->db + c, t.sum, lanes);
    const vreal b = a->eval ? v_zero() : -scale * r * r * t.product / M;
    const vreal shift = a->eval ? v_zero() : -scale * t.sum / M;
    for (int64_t n = 0; n < a->N; n++) {
        const vreal g = v_load_part(a->g + n * C + c, lanes), d = v_load_part(a->x + n * C + c, lanes) - mean;
        v_store_part(a->y + n * C + c, a->eval ? g * scale : v_fma(g, scale, v_fma(d, b, shift)), lanes);
    }
}

/* Fixed statistics: invstd is in workspace as a->invstd (C). */
static void eval_rows(void *ctx, int64_t n) {
    const bn_args *a = ctx;
    const int64_t S = a->S;
    for (int64_t c = 0; c < (S > 1 ? a->C : 0); c++) {
        const real scale = a->w ? a->invstd[c] * a->w[c] : a->invstd[c];
        const int64_t at = (n * a->C + c) * S;
        row_affine(a->y + at, a->x + at, S, a->saved_mean[c], scale, a->b ? a->b[c] : 0, a->stream);
    }
    for (int64_t c = 0; c < (S == 1 ? a->C : 0); c += VL) {
        const int64_t lanes = i64_min(VL, a->C - c), at = n * a->C + c;
        vreal scale = v_load_part(a->invstd + c, lanes);
        if (a->w) scale *= v_load_part(a->w + c, lanes);
        const vreal b = a->b ? v_load_part(a->b + c, lanes) : v_zero();
        const vreal d = v_load_part(a->x + at, lanes) - v_load_part(a->saved_mean + c, lanes);
        v_store_part(a->y + at, v_fma(d, scale, b), lanes);
    }
    if (a->stream) v_fence();
}

/* ---- adapters */

static const void *optional(const ct_call *call, int i) {
    return i < call->nin && call->in[i] ? call->in[i]->data : NULL;
}
static bn_args sized(const ct_array *x) {
    bn_args a = {.N = x->shape[0], .C = x->shape[1], .S = 1, .x = x->data, .parts = 1};
    for (int d = 2; d < x->ndim; d++) a.S *= x->shape[d];
    if (a.C < FEW_CHANNELS && a.S > 1 && a.N * a.S >= 4 * PAR_GRAIN) a.parts = MOST_PARTS;
    a.stream = worth_streaming(x->size);
    return a;
}
/* One chunk each, or all inline when the whole is small. */
static void run(int64_t chunks, par_body body, bn_args *a) {
    if (0.4 * (double)a->N * (double)a->C * (double)a->S < 2 * PAR_GRAIN)
        for (int64_t c = 0; c < chunks; c++) body(a, c);
    else par_for(chunks, body, a);
}
static void run_channels(bn_args *a, par_body columns, par_body whole, par_body sums, par_body write) {
    if (a->S == 1) run(ceil_div(a->C, VL), columns, a);
    else if (a->parts == 1) run(a->C, whole, a);
    else {
        run(a->C * a->parts, sums, a);
        run(a->C * a->parts, write, a);
    }
}

/* (x, weight?, bias?; eps) -> y, mean, invstd, var */
static int64_t train_work(const ct_call *call) {
    return call->in[0]->shape[1] * MOST_PARTS * 4 * (int64_t)sizeof(double);
}
static void batch_norm_train(const ct_call *call) {
    bn_args a = sized(call->in[0]);
    a.w = optional(call, 1), a.b = optional(call, 2), a.eps = call->reals[0], a.partial = call->work;
    a.y = call->out[0]->data, a.mean = call->out[1]->data, a.invstd = call->out[2]->data, a.var = call->out[3]->data;
    if (a.parts > 1) {
        run(a.C * a.parts, train_part_moments, &a);
        for (int64_t c = 0; c < a.C; c++) finish_moments(&a, c, a.partial + 4 * c * a.parts);
        run(a.C * a.parts, normalise_parts, &a);
    } else run(a.S == 1 ? ceil_div(a.C, VL) : a.C, a.S == 1 ? train_columns : train_channels, &a);
}

/* (g, x, mean, invstd, weight?) -> dx, dweight, dbias */
static int64_t backward_work(const ct_call *call) {
    return call->in[1]->shape[1] * MOST_PARTS * 4 * (int64_t)sizeof(double);
}
static void backward(const ct_call *call, int eval) {
    bn_args a = sized(call->in[1]);
    a.g = call->in[0]->data, a.saved_mean = call->in[2]->data, a.saved_invstd = call->in[3]->data;
    a.w = optional(call, 4), a.eval = eval, a.eps = eval ? call->reals[0] : 0, a.partial = call->work;
    a.y = call->out[0]->data, a.dw = call->out[1]->data, a.db = call->out[2]->data;
    run_channels(&a, backward_columns, backward_channels, backward_part_products, backward_parts);
}
static void batch_norm_train_backward(const ct_call *call) { backward(call, 0); }

/* (x, mean, var, weight?, bias?; eps) -> y */
static int64_t eval_work(const ct_call *call) { return call->in[0]->shape[1] * (int64_t)sizeof(real); }
static void batch_norm_eval(const ct_call *call) {
    bn_args a = sized(call->in[0]);
    a.saved_mean = call->in[1]->data, a.saved_invstd = call->in[2]->data, a.eval = 1, a.eps = call->reals[0];
    a.w = optional(call, 3), a.b = optional(call, 4), a.y = call->out[0]->data, a.invstd = call->work;
    for (int64_t c = 0; c < a.C; c++) a.invstd[c] = invstd_of(&a, c);
    run(a.N, eval_rows, &a);
}
/* (g, x, mean, var, weight?; eps) -> dx, dweight, dbias */
static void batch_norm_eval_backward(const ct_call *call) { backward(call, 1); }

static const ct_kernel rows[] = {
    {"batch_norm_train", batch_norm_train, train_work},
    {"batch_norm_train_backward", batch_norm_train_backward, backward_work},
    {"batch_norm_eval", batch_norm_eval, eval_work},
    {"batch_norm_eval_backward", batch_norm_eval_backward, backward_work},
};
CT_KERNELS(norm_batch, rows);

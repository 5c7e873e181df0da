/* conv.c: convolution in one to three dimensions, forward and backward, with any stride, padding, dilation and groups.
 *
 *   y[n, o, p] = act(b[o] + sum over c, t of w[o, c, t] * x[n, c, p * stride + t * dilation - padding])
 *
 * Each pass is a matrix product whose patch matrix is not stored.  Four ways, by geometry and number type alone:
 *
 *   conv_winograd.h   3 x 3 with stride 1 and 16 channels or more, float32: fewer products
 *   conv_direct.h     rows of the patch matrix are read from a padded copy of some rows of the input; conv_dot.h is its
 *                     gradient in the weight
 *   conv_few.h        so few positions that the patch matrix is no larger than the weights: plain products with it
 *   below             rows of the output shorter than half a vector: panels of the patch matrix are gathered as the
 *                     product packs them (Chetlur et al., "cuDNN", 2014)
 *
 * Transposed convolution is the same kernels with the roles of input and output exchanged.
 *
 * Floor: 2 N O P Cg T flops at the peak rate.
 */
#include <string.h>

#include "../include/conv_direct.h"
#include "../include/conv_dot.h"
#include "../include/conv_few.h"
#include "../include/conv_patch.h"
#if !CT_REAL_DOUBLE
#include "../include/conv_winograd.h"
#endif
#include "../include/gemm.h"
#include "../include/kernel.h"
#include "../include/par.h"

#define GEMM CT_NAME(ct_gemm)
#define PANELS 4 /* panels of the patch matrix in a chunk of work */

/* ---- the implicit product: out (N, rows of each group, cells) = A (rows, K) @ patches (K, cells) ---- */

typedef struct {
    const conv_shape *s;
    patch_view v;  /* of one group */
    const real *x; /* what the patches are read from */
    real *out;     /* one image has `image` reals, one group of it M planes of `plane` reals */
    int64_t M, K, image, plane;
    int64_t start[3], jump[3], dims[3]; /* cell (d, h, w) is stored at start + cell * jump of a plane of these dims */
    int direct;                         /* cells are stored as they are counted */
    const real *packed;                 /* A of each group */
    int64_t packed_reals;
    const real *bias;
    int activation;
    int64_t columns, chunks; /* columns of one chunk; chunks of one image (direct) or of all */
    char *work;
    int64_t work_bytes;
} implicit;

typedef struct {
    const patch_view *v;
    const real *x;
} source;

static void pack_patches(const void *ctx, int64_t k0, int64_t kc, int64_t j0, int64_t columns, real *dst) {
    const source *s = ctx;
    if (columns < GEMM_NR)
        for (int64_t k = 0; k < kc; k++)
            for (int64_t j = columns; j < GEMM_NR; j++) dst[k * GEMM_NR + j] = 0;
    patch_rows(s->v, s->x, k0, kc, j0, columns, dst, GEMM_NR);
}

static void implicit_chunk(void *ctx, int64_t chunk) {
    const implicit *m = ctx;
    const conv_shape *s = m->s;
    const int64_t group = chunk % s->G, rest = chunk / s->G;
    const int64_t total = m->direct ? m->v.cells : m->v.cells * s->N;
    const int64_t image = m->direct ? rest / m->chunks : 0;
    const par_range r = par_chunk(total, m->chunks, rest % m->chunks, GEMM_NR);
    const source src = {&m->v, m->x + image * m->v.image + group * m->v.channels * m->v.size};
    char *work = m->work + ct_par_worker() * m->work_bytes;
    const gemm_epilogue e = {m->bias ? m->bias + group * m->M : NULL, 1, m->activation};
    const real *A = m->packed + group * m->packed_reals;
    real *out = m->out + image * m->image + group * m->M * m->plane;
    if (m->direct) {
        if (r.begin < r.end)
            GEMM.gemm_packed(m->M, r.end - r.begin, m->K, A, pack_patches, &src, r.begin, 0, out + r.begin, m->plane,
                             &e, work);
        return;
    }
    /* through a buffer (M, columns), whose cells then go to their places */
    real *tile = (real *)(work + round_up(GEMM.work_packed(m->M, m->columns, m->K), 64));
    const int64_t W = m->v.grid[2], plane = m->v.grid[1] * W;
    for (int64_t j = r.begin; j < r.end; j += m->columns) {
        const int64_t n = i64_min(m->columns, r.end - j);
        GEMM.gemm_packed(m->M, n, m->K, A, pack_patches, &src, j, 0, tile, m->columns, &e, work);
        for (int64_t q = 0; q < n;) {
            const int64_t cell = (j + q) % m->v.cells, d = cell / plane, h = cell % plane / W, w = cell % W;
            const int64_t count = i64_min(n - q, W - w), step = m->jump[2];
            real *to = out + (j + q) / m->v.cells * m->image +
                       ((m->start[0] + d * m->jump[0]) * m->dims[1] + m->start[1] + h * m->jump[1]) * m->dims[2] +
                       m->start[2] + w * step;
            for (int64_t i = 0; i < m->M; i++) {
                const real *from = tile + i * m->columns + q;
                real *t = to + i * m->plane;
                if (step == 1)
                    for (int64_t k = 0; k < count; k++) t[k] = from[k];
                else
                    for (int64_t k = 0; k < count; k++) t[k * step] = from[k];
            }
            q += count;
        }
    }
}

static int64_t implicit_columns(void) { return PANELS * GEMM.panel; }

/* Bytes of one worker's workspace, and of the packed A of all groups. */
static int64_t implicit_worker(int64_t M, int64_t K) {
    return round_up(GEMM.work_packed(M, implicit_columns(), K), 64) +
           round_up(M * implicit_columns() * (int64_t)sizeof(real), 64);
}
static int64_t implicit_packed(int64_t M, int64_t K) { return round_up(GEMM.packed_bytes(M, K), 64); }

static void implicit_run(implicit *m) {
    const conv_shape *s = m->s;
    m->columns = implicit_columns();
    const int64_t total = m->direct ? m->v.cells : m->v.cells * s->N;
    m->chunks = i64_max(1, ceil_div(total, m->columns));
    if (m->v.cells == 0 || s->N == 0 || m->M == 0) return;
    const double ns = 2.0 * (double)m->M * (double)m->K * (double)total / (VL * 6.0);
    if (ns < 16000) m->chunks = 1;
    const int64_t all = m->chunks * (m->direct ? s->N : 1) * s->G;
    if (ns * (double)(m->direct ? s->N : 1) * (double)s->G < 16000)
        for (int64_t c = 0; c < all; c++) implicit_chunk(m, c);
    else par_for(all, implicit_chunk, m);
}

/* ---- forward ---- */

/* The kernel covers the whole input once: a plain product of (N, C T) and (O, C T). */
static int is_product(const conv_shape *s) {
    for (int d = 0; d < 3; d++)
        if (s->in[d] != s->k[d] || s->pad[d] != 0 || (s->dil[d] != 1 && s->k[d] > 1)) return 0;
    return s->G == 1;
}

/* Rows too short for a vector are gathered, where there are outputs enough to pay for it. */
static int is_narrow(const patch_view *v, int64_t outputs) { return 2 * v->grid[2] < VL && outputs > 1; }

#if !CT_REAL_DOUBLE
static wino_job wino_forward(const conv_shape *s) {
    return (wino_job){.N = s->N,
                      .C = s->C,
                      .O = s->O,
                      .in = {s->in[1], s->in[2]},
                      .out = {s->out[1], s->out[2]},
                      .pad = {s->pad[1], s->pad[2]},
                      .w_out = s->C * 9,
                      .w_in = 9,
                      .w_tap = 1,
                      .activation = s->activation};
}
/* The gradient of the input is a convolution of the output's gradient with the kernel turned round. */
static wino_job wino_backward(const conv_shape *s) {
    return (wino_job){.N = s->N,
                      .C = s->O,
                      .O = s->C,
                      .in = {s->out[1], s->out[2]},
                      .out = {s->in[1], s->in[2]},
                      .pad = {2 - s->pad[1], 2 - s->pad[2]},
                      .w_out = 9,
                      .w_in = s->C * 9,
                      .w_tap = -1};
}
#endif

static conv_shape forward_shape(const ct_call *c) { return conv_read(c->in[0], c->in[1], c->out[0], c->ints); }

static direct_job direct_forward(const conv_shape *s, const patch_view *v) {
    return (direct_job){.v = v,
                        .N = s->N,
                        .G = s->G,
                        .M = s->Og,
                        .activation = s->activation,
                        .image = s->O * s->P,
                        .plane = s->P,
                        .jump = {1, 1, 1},
                        .dims = {s->out[0], s->out[1], s->out[2]}};
}

static int64_t forward_work(const ct_call *c) {
    const conv_shape s = forward_shape(c);
    const patch_view v = patches_of_input(&s);
    if (is_product(&s)) return GEMM.work(s.N, s.O, s.C * s.T);
#if !CT_REAL_DOUBLE
    if (wino_fits(&s)) return wino_work(wino_forward(&s));
#endif
    if (few_fits(&s)) return few_work(&s);
    if (!is_narrow(&v, s.Og)) return direct_work(direct_forward(&s, &v));
    const int64_t K = s.Cg * s.T;
    return s.G * implicit_packed(s.Og, K) + ct_par_threads() * implicit_worker(s.Og, K);
}

/* x (N, C, *in), weight (O, C / G, *k), bias (O) or absent -> y (N, O, *out) */
static void conv_forward(const ct_call *c) {
    const conv_shape s = forward_shape(c);
    const patch_view v = patches_of_input(&s);
    const real *x = c->in[0]->data, *w = c->in[1]->data, *bias = c->nin > 2 && c->in[2] ? c->in[2]->data : NULL;
    real *y = c->out[0]->data;
    if (c->out[0]->size == 0) return;
    if (is_product(&s)) {
        const int64_t K = s.C * s.T;
        const gemm_epilogue e = {bias, 0, s.activation};
        GEMM.gemm(s.N, s.O, K, 1, x, K, 1, w, 1, K, 0, y, s.O, &e, c->work);
        return;
    }
#if !CT_REAL_DOUBLE
    if (wino_fits(&s)) {
        wino_job j = wino_forward(&s);
        j.x = x, j.w = w, j.bias = bias, j.y = y;
        wino_run(&j, c->work);
        return;
    }
#endif
    if (few_fits(&s)) {
        few_forward(&s, &v, x, w, bias, y, c->work);
        return;
    }
    if (!is_narrow(&v, s.Og)) {
        direct_job j = direct_forward(&s, &v);
        j.x = x, j.w = w, j.bias = bias, j.y = y;
        j.w_group = s.Og * s.Cg * s.T, j.w_row = s.Cg * s.T, j.w_channel = s.T;
        direct_run(&j, c->work);
        return;
    }
    const int64_t K = s.Cg * s.T, bytes = implicit_packed(s.Og, K);
    for (int64_t g = 0; g < s.G; g++)
        GEMM.pack_a(s.Og, K, w + g * s.Og * K, K, 1, (real *)((char *)c->work + g * bytes));
    implicit m = {.s = &s,
                  .v = v,
                  .x = x,
                  .out = y,
                  .M = s.Og,
                  .K = K,
                  .image = s.O * s.P,
                  .plane = s.P,
                  .jump = {1, 1, 1},
                  .dims = {s.out[0], s.out[1], s.out[2]},
                  .direct = s.P >= 8 * GEMM_NR,
                  .packed = c->work,
                  .packed_reals = bytes / (int64_t)sizeof(real),
                  .bias = bias,
                  .activation = s.activation,
                  .work = (char *)c->work + s.G * bytes,
                  .work_bytes = implicit_worker(s.Og, K)};
    implicit_run(&m);
}

/* ---- gradient of the input ----
 *
 *   dx[n, c, i] = sum over o, t with (i + padding - t * dilation) divisible by stride of
 *                 w[o, c, t] * dy[n, o, (i + padding - t * dilation) / stride]
 *
 * Positions i with one remainder modulo the stride have the same taps; each remainder is one product. */

static conv_shape input_shape(const ct_call *c) { return conv_read(c->out[0], c->in[1], c->in[0], c->ints); }

/* The taps of one dimension that reach remainder r: the first, how far apart, how many. */
CT_INLINE void taps_of(const conv_shape *s, int d, int64_t r, int64_t *first, int64_t *apart, int64_t *count) {
    *first = 0, *count = 0, *apart = 1;
    for (int64_t t = 0; t < s->k[d]; t++)
        if ((r + s->pad[d] - t * s->dil[d]) % s->stride[d] == 0) {
            if (*count == 0) *first = t;
            if (*count == 1) *apart = t - *first;
            ++*count;
        }
}

typedef struct {
    patch_view v; /* of dy */
    int64_t r[3], first[3], apart[3];
} input_phase;

/* Geometry of one remainder; 0 where no position or no tap has it. */
static int phase_of(const conv_shape *s, int64_t phase, input_phase *at) {
    const int64_t r[3] = {phase / (s->stride[1] * s->stride[2]), phase / s->stride[2] % s->stride[1],
                          phase % s->stride[2]};
    at->v = (patch_view){.channels = s->Og, .size = s->P, .image = s->O * s->P};
    for (int d = 0; d < 3; d++) {
        at->r[d] = r[d];
        taps_of(s, d, r[d], &at->first[d], &at->apart[d], &at->v.taps[d]);
        at->v.in[d] = s->out[d], at->v.step[d] = 1;
        at->v.grid[d] = r[d] < s->in[d] ? ceil_div(s->in[d] - r[d], s->stride[d]) : 0;
        at->v.first[d] = (r[d] + s->pad[d] - at->first[d] * s->dil[d]) / s->stride[d]; /* exact */
        at->v.each[d] = -at->apart[d] * s->dil[d] / s->stride[d];
    }
    at->v.cells = at->v.grid[0] * at->v.grid[1] * at->v.grid[2];
    return at->v.cells > 0 && at->v.taps[0] * at->v.taps[1] * at->v.taps[2] > 0;
}

static direct_job direct_backward(const conv_shape *s, const input_phase *at) {
    return (direct_job){.v = &at->v,
                        .N = s->N,
                        .G = s->G,
                        .M = s->Cg,
                        .image = s->C * s->Q,
                        .plane = s->Q,
                        .start = {at->r[0], at->r[1], at->r[2]},
                        .jump = {s->stride[0], s->stride[1], s->stride[2]},
                        .dims = {s->in[0], s->in[1], s->in[2]}};
}

static int64_t input_work(const ct_call *c) {
    const conv_shape s = input_shape(c);
    if (is_product(&s)) return GEMM.work(s.N, s.C * s.T, s.O);
#if !CT_REAL_DOUBLE
    if (wino_fits(&s)) return wino_work(wino_backward(&s));
#endif
    if (few_fits(&s)) return few_work(&s);
    const int64_t K = s.Og * s.T;
    int64_t most = round_up(s.Cg * K * (int64_t)sizeof(real), 64) + s.G * implicit_packed(s.Cg, K) +
                   ct_par_threads() * implicit_worker(s.Cg, K);
    const int64_t phases = s.stride[0] * s.stride[1] * s.stride[2];
    for (int64_t phase = 0; phase < phases; phase++) {
        input_phase at;
        if (!phase_of(&s, phase, &at)) continue;
        most = i64_max(most, direct_work(direct_backward(&s, &at)));
    }
    return round_up(s.T * (int64_t)sizeof(int32_t), 64) + most;
}

/* dy (N, O, *out), weight (O, C / G, *k) -> dx (N, C, *in) */
static void conv_backward_input(const ct_call *c) {
    const conv_shape s = input_shape(c);
    const real *dy = c->in[0]->data, *w = c->in[1]->data;
    real *dx = c->out[0]->data;
    if (c->out[0]->size == 0) return;
    if (is_product(&s)) {
        const int64_t K = s.C * s.T;
        GEMM.gemm(s.N, K, s.O, 1, dy, s.O, 1, w, K, 1, 0, dx, K, NULL, c->work);
        return;
    }
#if !CT_REAL_DOUBLE
    if (wino_fits(&s)) {
        wino_job j = wino_backward(&s);
        j.x = dy, j.w = w, j.y = dx;
        wino_run(&j, c->work);
        return;
    }
#endif
    if (few_fits(&s)) {
        const patch_view v = patches_of_input(&s);
        few_backward_input(&s, &v, dy, w, dx, c->work);
        return;
    }
    const int64_t phases = s.stride[0] * s.stride[1] * s.stride[2];
    input_phase at;
    int all = 1; /* is every position written? */
    for (int64_t phase = 0; phase < phases; phase++) all &= phase_of(&s, phase, &at);
    if (!all) memset(dx, 0, (size_t)c->out[0]->size * sizeof(real));
    for (int64_t phase = 0; phase < phases; phase++) {
        if (!phase_of(&s, phase, &at)) continue;
        const patch_view v = at.v;
        const int64_t T = v.taps[0] * v.taps[1] * v.taps[2], K = s.Og * T;
        int32_t *tap = c->work; /* t of this remainder among all taps */
        for (int64_t a = 0; a < v.taps[0]; a++)
            for (int64_t b = 0; b < v.taps[1]; b++)
                for (int64_t e = 0; e < v.taps[2]; e++)
                    *tap++ =
                        (int32_t)(((at.first[0] + a * at.apart[0]) * s.k[1] + at.first[1] + b * at.apart[1]) * s.k[2] +
                                  at.first[2] + e * at.apart[2]);
        tap = c->work;
        char *after = (char *)c->work + round_up(s.T * (int64_t)sizeof(int32_t), 64);
        if (!is_narrow(&v, s.Cg)) {
            direct_job j = direct_backward(&s, &at);
            j.x = dy, j.w = w, j.y = dx, j.tap = tap;
            j.w_group = s.Og * s.Cg * s.T, j.w_row = s.T, j.w_channel = s.Cg * s.T;
            direct_run(&j, after);
            continue;
        }
        /* A[c, (o, t)] = w[o, c, tap[t]] */
        real *A = (real *)after;
        after += round_up(s.Cg * K * (int64_t)sizeof(real), 64);
        const int64_t bytes = implicit_packed(s.Cg, K);
        for (int64_t g = 0; g < s.G; g++) {
            for (int64_t ci = 0; ci < s.Cg; ci++)
                for (int64_t o = 0; o < s.Og; o++)
                    for (int64_t t = 0; t < T; t++)
                        A[ci * K + o * T + t] = w[((g * s.Og + o) * s.Cg + ci) * s.T + tap[t]];
            GEMM.pack_a(s.Cg, K, A, K, 1, (real *)(after + g * bytes));
        }
        implicit m = {.s = &s,
                      .v = v,
                      .x = dy,
                      .out = dx,
                      .M = s.Cg,
                      .K = K,
                      .image = s.C * s.Q,
                      .plane = s.Q,
                      .start = {at.r[0], at.r[1], at.r[2]},
                      .jump = {s.stride[0], s.stride[1], s.stride[2]},
                      .dims = {s.in[0], s.in[1], s.in[2]},
                      .direct = phases == 1 && s.Q >= 8 * GEMM_NR,
                      .packed = (real *)after,
                      .packed_reals = bytes / (int64_t)sizeof(real),
                      .work = after + s.G * bytes,
                      .work_bytes = implicit_worker(s.Cg, s.Og * s.T)};
        implicit_run(&m);
    }
}

/* ---- gradient of the weight ----
 *
 *   dw[o, k] = sum over n, p of dy[n, o, p] * patch[n, k, p],  k = (channel, tap)
 *
 * A chunk takes some channels (so no sums are shared), or, where there are few, some images (partial sums, added in
 * order).  It gathers the patches of up to DEPTH cells, and dy transposed, and adds their product. */

#define DEPTH 384

typedef struct {
    conv_shape s;
    patch_view v;
    const real *x, *dy;
    real *sums;                 /* (parts, G, Cg * T, Og) */
    int64_t per, ranges, parts; /* channels of a chunk, chunks along channels, chunks along images */
    char *work;
    int64_t work_bytes;
} weight_job;

static weight_job weight_of(const ct_call *c) {
    weight_job j = {.s = conv_read(c->in[1], c->out[0], c->in[0], c->ints)};
    const conv_shape *s = &j.s;
    j.v = patches_of_input(s);
    j.per = i64_max(1, i64_min(s->Cg, 144 / i64_max(1, s->T)));
    j.ranges = ceil_div(s->Cg, j.per);
    j.parts = 1;
    const double ns = 2.0 * (double)(s->N * s->P) * (double)s->O * (double)(s->Cg * s->T) / (VL * 6.0);
    if (j.ranges * s->G < 4 && ns > 30000)
        j.parts = i64_max(1, i64_min(i64_min(8, (int64_t)(ns / 15000)), s->N * s->P / DEPTH + 1));
    return j;
}
static int64_t weight_worker(const weight_job *j) {
    const int64_t rows = j->per * j->s.T;
    return round_up((rows + j->s.Og) * DEPTH * (int64_t)sizeof(real), 64) +
           round_up(GEMM.work_serial(rows, j->s.Og, DEPTH), 64) + 4096 * (int64_t)sizeof(real);
}
/* Gathered where rows are short, or where there are too few positions to pay for adding up the lanes. */
static int is_gathered(const weight_job *j) {
    return is_narrow(&j->v, 2) || (j->s.Og >= 8 && j->s.N * ceil_div(j->s.P, VL) < DOT_STEPS / 4);
}
static dot_job dot_of(const weight_job *j) {
    return (dot_job){.v = &j->v, .N = j->s.N, .G = j->s.G, .M = j->s.Og, .x = j->x, .dy = j->dy};
}
static int64_t weight_work(const ct_call *c) {
    const weight_job j = weight_of(c);
    if (is_product(&j.s)) return GEMM.work(j.s.O, j.s.C * j.s.T, j.s.N);
#if !CT_REAL_DOUBLE
    if (wino_fits(&j.s)) return wino_gradient_work(wino_forward(&j.s));
#endif
    if (few_fits(&j.s)) return few_work(&j.s);
    if (!is_gathered(&j)) return dot_work(dot_of(&j));
    return round_up(j.parts * c->out[0]->size * (int64_t)sizeof(real), 64) +
           ct_par_threads() * round_up(weight_worker(&j), 64);
}

static void weight_chunk(void *ctx, int64_t chunk) {
    const weight_job *j = ctx;
    const conv_shape *s = &j->s;
    const int64_t part = chunk % j->parts, range = chunk / j->parts % j->ranges, g = chunk / j->parts / j->ranges;
    const par_range ch = par_chunk(s->Cg, j->ranges, range, 1), cells = par_chunk(s->N * s->P, j->parts, part, 1);
    const int64_t rows = (ch.end - ch.begin) * s->T, KT = s->Cg * s->T;
    if (rows == 0) return;
    real *patches = (real *)(j->work + ct_par_worker() * j->work_bytes); /* (rows, DEPTH) */
    real *turned = patches + j->per * s->T * DEPTH;                      /* (DEPTH, Og) */
    real *work = (real *)((char *)patches + round_up((j->per * s->T + s->Og) * DEPTH * (int64_t)sizeof(real), 64));
    real *sum = j->sums + ((part * s->G + g) * KT + ch.begin * s->T) * s->Og;
    const real *x = j->x + (g * s->Cg + ch.begin) * s->Q;
    if (cells.begin >= cells.end) memset(sum, 0, (size_t)(rows * s->Og) * sizeof(real));
    for (int64_t p = cells.begin; p < cells.end; p += DEPTH) {
        const int64_t n = i64_min(DEPTH, cells.end - p);
        patch_rows(&j->v, x, 0, rows, p, n, patches, DEPTH);
        for (int64_t q = 0; q < n;) {
            const int64_t image = (p + q) / s->P, at = (p + q) % s->P, count = i64_min(n - q, s->P - at);
            pack_panel(s->Og, s->Og, count, j->dy + (image * s->O + g * s->Og) * s->P + at, s->P, 1,
                       turned + q * s->Og);
            q += count;
        }
        GEMM.gemm_serial(rows, s->Og, n, 1, patches, DEPTH, 1, turned, s->Og, 1, p == cells.begin ? 0 : 1, sum, s->Og,
                         NULL, work);
    }
}

/* dy (N, O, *out), x (N, C, *in) -> dw (O, C / G, *k) */
static void conv_backward_weight(const ct_call *c) {
    weight_job j = weight_of(c);
    const conv_shape *s = &j.s;
    real *dw = c->out[0]->data;
    j.dy = c->in[0]->data, j.x = c->in[1]->data;
    if (c->out[0]->size == 0) return;
    if (is_product(s)) {
        const int64_t K = s->C * s->T;
        GEMM.gemm(s->O, K, s->N, 1, j.dy, 1, s->O, j.x, K, 1, 0, dw, K, NULL, c->work);
        return;
    }
#if !CT_REAL_DOUBLE
    if (wino_fits(s)) {
        wino_job g = wino_forward(s);
        g.x = j.x, g.y = (real *)j.dy, g.dw = dw;
        wino_gradient_run(&g, c->work);
        return;
    }
#endif
    if (few_fits(s)) {
        few_backward_weight(s, &j.v, j.x, j.dy, dw, c->work);
        return;
    }
    if (!is_gathered(&j)) {
        dot_job d = dot_of(&j);
        d.dw = dw;
        dot_run(&d, c->work);
        return;
    }
    j.sums = c->work;
    j.work = (char *)c->work + round_up(j.parts * c->out[0]->size * (int64_t)sizeof(real), 64);
    j.work_bytes = round_up(weight_worker(&j), 64);
    const int64_t chunks = s->G * j.ranges * j.parts, KT = s->Cg * s->T;
    if (chunks > 1 && 2.0 * (double)(s->N * s->P) * (double)c->out[0]->size / (VL * 6.0) > 16000)
        par_for(chunks, weight_chunk, &j);
    else
        for (int64_t i = 0; i < chunks; i++) weight_chunk(&j, i);
    for (int64_t part = 1; part < j.parts; part++)
        for (int64_t i = 0; i < c->out[0]->size; i++) j.sums[i] += j.sums[part * c->out[0]->size + i];
    for (int64_t g = 0; g < s->G; g++)
        for (int64_t o = 0; o < s->Og; o++)
            for (int64_t k = 0; k < KT; k++) dw[(g * s->Og + o) * KT + k] = j.sums[(g * KT + k) * s->Og + o];
}

/* ---- gradient of the bias: db[o] = sum over n and p of dy[n, o, p] ---- */

typedef struct {
    const real *dy;
    real *db;
    int64_t N, O, P, chunks;
} bias_job;

static void bias_chunk(void *ctx, int64_t chunk) {
    const bias_job *j = ctx;
    const par_range r = par_chunk(j->O, j->chunks, chunk, 1);
    for (int64_t o = r.begin; o < r.end; o++) {
        double sum = 0;
        for (int64_t n = 0; n < j->N; n++) {
            const real *p = j->dy + (n * j->O + o) * j->P;
            for (int64_t q = 0; q < j->P; q += 4096) {
                const int64_t end = i64_min(j->P, q + 4096);
                vreal a = v_zero(), b = v_zero();
                int64_t i = q;
                for (; i + 2 * VL <= end; i += 2 * VL) a = a + v_load(p + i), b = b + v_load(p + i + VL);
                for (; i < end; i += VL) a = a + v_load_part(p + i, i64_min(VL, end - i));
                sum += (double)v_hsum(a + b);
            }
        }
        j->db[o] = (real)sum;
    }
}

/* dy (N, O, *out) -> db (O) */
static void conv_backward_bias(const ct_call *c) {
    const ct_array *dy = c->in[0];
    bias_job j = {dy->data, c->out[0]->data, dy->shape[0], dy->shape[1], 1, 1};
    for (int d = 2; d < dy->ndim; d++) j.P *= dy->shape[d];
    const double ns = (double)dy->size * sizeof(real) / 20;
    if (ns > 2 * PAR_GRAIN) j.chunks = i64_min(j.O, i64_min(32, (int64_t)(ns / PAR_GRAIN)));
    par_for(j.chunks, bias_chunk, &j);
}

static const ct_kernel rows[] = {
    {"conv_forward", conv_forward, forward_work},
    {"conv_backward_input", conv_backward_input, input_work},
    {"conv_backward_weight", conv_backward_weight, weight_work},
    {"conv_backward_bias", conv_backward_bias, NULL},
};
CT_KERNELS(conv, rows);

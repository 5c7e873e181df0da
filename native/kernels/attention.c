/* attention.c: scaled dot-product attention without the (T, S) matrix (Dao 2023, FlashAttention-2, arXiv:2307.08691).
 *
 *   O = softmax(scale Q K^T + mask) V,     rows of Q against blocks of keys with a running maximum m and sum l:
 *   for each block:  m' = max(m, max S);  P = exp(S - m');  l' = l exp(m - m') + sum P;  O' = O exp(m - m') + P V
 *   at the end       O / l, and the log-sum-exp L = m + log l is kept for backward
 *
 * Blocks of keys begin at key 0 and have BLOCK_K keys whatever the lengths; a key that a row may not see adds exactly
 * nothing; so what a row sees alone determines its bits.  A row that sees no key gives zeros.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/tile.h"
#include "../include/vmath.h"

#define BLOCK_Q 48
#define BLOCK_K 64
#define KV (BLOCK_K / VL) /* vectors in a row of scores */

typedef struct {
    real *out, *lse;               /* (B, H, T, Dv), (B, H, T) */
    real *dq, *dk, *dv;            /* (B, H, T, D), (B, Hk, S, D), (B, Hk, S, Dv) */
    const ct_array *q, *k, *v, *g; /* (B, H, T, D), (B, Hk, S, D), (B, Hk, S, Dv), (B, H, T, Dv); any strides */
    const ct_array *mask;          /* (B, H, T, S) with stride 0 where it repeats; bool, or added; or NULL */
    int64_t B, H, Hk, T, S, D, Dv, Dp, Dvp; /* Dp, Dvp: rounded up to vectors */
    int64_t blocks_q, blocks_k, ranges;
    int causal;
    real scale, drop; /* drop: probability that a weight is dropped */
    uint32_t seed[2];
    real *kt, *vp;         /* K by blocks, transposed (B Hk, blocks_k, D, BLOCK_K); V padded (B Hk, S, Dvp) */
    real *delta, *dq_part; /* (B, H, T); (ranges, B, H, T, D) */
    char *scratch;
    int64_t scratch_bytes;
} attention_args;

typedef struct {
    const real *p; /* rows of D elements */
    int64_t row, col;
} matrix;

CT_INLINE matrix head_of(const ct_array *x, int64_t b, int64_t h) {
    const matrix m = {(const real *)x->data + b * x->stride[0] + h * x->stride[1], x->stride[2], x->stride[3]};
    return m;
}

/* to (rows, width) = factor * from (rows, n), zeros beyond n */
static void copy_rows(real *to, int64_t width, matrix from, int64_t first, int64_t rows, int64_t n, real factor) {
    for (int64_t r = 0; r < rows; r++) {
        const real *x = from.p + (first + r) * from.row;
        real *y = to + r * width;
        if (from.col == 1) {
            int64_t i = 0;
            for (; i + VL <= n; i += VL) v_store(y + i, v_load(x + i) * factor);
            for (; i < n; i++) y[i] = x[i] * factor;
        } else
            for (int64_t i = 0; i < n; i++) y[i] = x[i * from.col] * factor;
        for (int64_t i = n; i < width; i++) y[i] = 0;
    }
}
/* to (n, BLOCK_K) = from (keys, n)^T, zeros beyond keys */
static void transpose_block(real *to, matrix from, int64_t first, int64_t keys, int64_t n) {
    for (int64_t j0 = 0; j0 < BLOCK_K; j0 += 8)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = j0; j < j0 + 8; j++)
                to[i * BLOCK_K + j] = j < keys ? from.p[(first + j) * from.row + i * from.col] : 0;
}

/* How many keys of the block at key k0 row t sees. */
CT_INLINE int64_t seen(const attention_args *a, int64_t t, int64_t k0) {
    const int64_t n = i64_min(BLOCK_K, a->S - k0);
    return a->causal ? i64_max(0, i64_min(n, t + 1 - k0)) : n;
}

/* Which weights of a row survive dropout, as factors 0 or 1 / (1 - drop): a hash of seed, head, row and key. */
CT_INLINE uint32_t mix32(uint32_t x) {
    x ^= x >> 16, x *= 0x7feb352du;
    x ^= x >> 15, x *= 0x846ca68bu;
    return x ^ x >> 16;
}
static void survivors(real *keep, const attention_args *a, int64_t head, int64_t t, int64_t k0) {
    const uint32_t row = mix32(mix32(mix32(a->seed[0] + (uint32_t)head) ^ a->seed[1]) + (uint32_t)t);
    const real factor = 1 / (1 - a->drop);
    const uint32_t limit = (uint32_t)((double)a->drop * 4294967296.0);
    for (int64_t j = 0; j < BLOCK_K; j++) keep[j] = mix32(row + (uint32_t)(k0 + j) * 0x9e3779b9u) >= limit ? factor : 0;
}

/* Scores of one row after the mask; keys that it does not see become -inf. */
CT_INLINE void mask_row(real *s, const attention_args *a, int64_t b, int64_t h, int64_t t, int64_t k0, int64_t n) {
    const ct_array *mask = a->mask;
    if (mask) {
        const int64_t at = b * mask->stride[0] + h * mask->stride[1] + t * mask->stride[2] + k0 * mask->stride[3];
        const int64_t step = mask->stride[3];
        if (mask->dtype == CT_BOOL || mask->dtype == CT_UINT8) {
            const uint8_t *m = (const uint8_t *)mask->data + at;
            for (int64_t j = 0; j < n; j++) s[j] = m[j * step] ? s[j] : -REAL_INF;
        } else {
            const real *m = (const real *)mask->data + at;
            for (int64_t j = 0; j < n; j++) s[j] += m[j * step];
        }
    }
    for (int64_t j = n; j < BLOCK_K; j++) s[j] = -REAL_INF;
}

static void pack_block(void *ctx, int64_t i) {
    const attention_args *a = ctx;
    const int64_t head = i / a->blocks_k, block = i % a->blocks_k, k0 = block * BLOCK_K;
    const int64_t keys = i64_min(BLOCK_K, a->S - k0);
    transpose_block(a->kt + i * a->D * BLOCK_K, head_of(a->k, head / a->Hk, head % a->Hk), k0, keys, a->D);
    if (a->vp)
        copy_rows(a->vp + (head * a->S + k0) * a->Dvp, a->Dvp, head_of(a->v, head / a->Hk, head % a->Hk), k0, keys,
                  a->Dv, 1);
}

/* One block of rows of one head. */
static void forward_block(void *ctx, int64_t i) {
    const attention_args *a = ctx;
    const int64_t head = i / a->blocks_q, b = head / a->H, h = head % a->H, hk = b * a->Hk + h / (a->H / a->Hk);
    const par_range rows_of = par_chunk(a->T, a->blocks_q, i % a->blocks_q, 1);
    const int64_t t0 = rows_of.begin, rows = rows_of.end - t0, Dvp = a->Dvp;
    real *q = (real *)(a->scratch + ct_par_worker() * a->scratch_bytes), *o = q + BLOCK_Q * a->Dp;
    real *s = o + BLOCK_Q * Dvp, *keep = s + BLOCK_Q * BLOCK_K;
    real m[BLOCK_Q], l[BLOCK_Q];
    copy_rows(q, a->D, head_of(a->q, b, h), t0, rows, a->D, a->scale);
    for (int64_t r = 0; r < rows; r++) m[r] = -REAL_INF, l[r] = 0;
    for (int64_t j = 0; j < rows * Dvp; j++) o[j] = 0;
    matrix v = head_of(a->v, b, h / (a->H / a->Hk));
    if (a->vp) v.p = a->vp + hk * a->S * Dvp, v.row = Dvp;
    const int64_t last = a->causal ? i64_min(a->S, rows_of.end) : a->S;
    for (int64_t k0 = 0; k0 < last; k0 += BLOCK_K) {
        const real *kt = a->kt + (hk * a->blocks_k + k0 / BLOCK_K) * a->D * BLOCK_K;
        const tile_args scores = {q, a->D, 1, kt, BLOCK_K, s, BLOCK_K, 0};
        tile_product(rows, KV, a->D, &scores);
        for (int64_t r = 0; r < rows; r++) {
            real *row = s + r * BLOCK_K;
            const int64_t n = seen(a, t0 + r, k0);
            if (n < BLOCK_K || a->mask) mask_row(row, a, b, h, t0 + r, k0, n);
            vreal top = v_load(row);
            for (int j = 1; j < KV; j++) top = v_max(v_load(row + j * VL), top);
            const real best = v_hmax(top), now = best > m[r] ? best : m[r];
            const real base = now == -REAL_INF ? 0 : now;
            const vreal shift = v_set1(base);
            vreal sum = v_zero();
            for (int j = 0; j < KV; j++) {
                const vreal p = v_exp(v_load(row + j * VL) - shift);
                sum += p;
                v_store(row + j * VL, p);
            }
            if (now != m[r]) {
                const real fade = m[r] == -REAL_INF ? 0 : v_exp(v_set1(m[r] - now))[0];
                l[r] *= fade;
                for (int64_t d = 0; d < Dvp; d += VL) v_store(o + r * Dvp + d, v_load(o + r * Dvp + d) * fade);
                m[r] = now;
            }
            l[r] += v_hsum(sum);
            if (a->drop > 0) {
                survivors(keep, a, head, t0 + r, k0);
                for (int j = 0; j < KV; j++) v_store(row + j * VL, v_load(row + j * VL) * v_load(keep + j * VL));
            }
        }
        const tile_args weighted = {s, BLOCK_K, 1, v.p + k0 * v.row, v.row, o, Dvp, 1};
        tile_product(rows, Dvp / VL, i64_min(BLOCK_K, last - k0), &weighted);
    }
    for (int64_t r = 0; r < rows; r++) {
        real *out = a->out + (head * a->T + t0 + r) * a->Dv;
        const vreal by = v_set1(l[r] == 0 ? 1 : l[r]); /* no key seen: zeros */
        a->lse[head * a->T + t0 + r] = l[r] == 0 ? -REAL_INF : m[r] + v_log(v_set1(l[r]))[0];
        for (int64_t d = 0; d < a->Dv; d += VL)
            v_store_part(out + d, v_load(o + r * Dvp + d) / by, i64_min(VL, a->Dv - d));
    }
}

/* ---- backward
 *   P = exp(S - L),  dV = P^T G,  dP = G V^T,  dS = scale P (dP - delta),  delta = sum_d G O,  dQ = dS K,  dK = dS^T Q
 * A block of keys stays while the rows that see it pass; dQ gathers over blocks of keys in order. */

static void delta_rows(void *ctx, int64_t head) {
    const attention_args *a = ctx;
    const matrix g = head_of(a->g, head / a->H, head % a->H);
    for (int64_t t = 0; t < a->T; t++) {
        const real *o = a->out + (head * a->T + t) * a->Dv, *x = g.p + t * g.row;
        vreal sum = v_zero();
        if (g.col == 1)
            for (int64_t d = 0; d < a->Dv; d += VL) {
                const int64_t n = i64_min(VL, a->Dv - d);
                sum = v_fma(v_load_part(x + d, n), v_load_part(o + d, n), sum);
            }
        else
            for (int64_t d = 0; d < a->Dv; d++) sum[d % VL] += x[d * g.col] * o[d];
        a->delta[head * a->T + t] = v_hsum(sum);
    }
}

static void backward_range(void *ctx, int64_t i) {
    const attention_args *a = ctx;
    const int64_t pair = i / a->ranges, range = i % a->ranges, b = pair / a->Hk, hk = pair % a->Hk;
    const int64_t group = a->H / a->Hk, D = a->D, Dv = a->Dv, Dp = a->Dp, Dvp = a->Dvp, T = a->T;
    const par_range blocks = par_chunk(a->blocks_k, a->ranges, range, 1);
    real *at = (real *)(a->scratch + ct_par_worker() * a->scratch_bytes);
    real *kt = at, *vt = kt + D * BLOCK_K, *k = vt + Dv * BLOCK_K, *dk = k + BLOCK_K * Dp, *dv = dk + BLOCK_K * Dp;
    real *q = dv + BLOCK_K * Dvp, *g = q + BLOCK_Q * Dp, *dq = g + BLOCK_Q * Dvp;
    real *p = dq + BLOCK_Q * Dp, *dp = p + BLOCK_Q * BLOCK_K, *keep = dp + BLOCK_Q * BLOCK_K;
    real *dq_all = a->ranges == 1 ? a->dq : a->dq_part + range * a->B * a->H * T * D;
    for (int64_t h = hk * group; h < (hk + 1) * group; h++)
        for (int64_t j = 0; j < T * D; j++) dq_all[(b * a->H + h) * T * D + j] = 0;
    for (int64_t block = blocks.begin; block < blocks.end; block++) {
        const int64_t k0 = block * BLOCK_K, keys = i64_min(BLOCK_K, a->S - k0);
        const matrix mk = head_of(a->k, b, hk), mv = head_of(a->v, b, hk);
        transpose_block(kt, mk, k0, keys, D);
        transpose_block(vt, mv, k0, keys, Dv);
        copy_rows(k, Dp, mk, k0, keys, D, 1);
        for (int64_t j = keys * Dp; j < BLOCK_K * Dp; j++) k[j] = 0;
        for (int64_t j = 0; j < BLOCK_K * Dp; j++) dk[j] = 0;
        for (int64_t j = 0; j < BLOCK_K * Dvp; j++) dv[j] = 0;
        for (int64_t h = hk * group; h < (hk + 1) * group; h++) {
            const int64_t head = b * a->H + h, start = a->causal ? i64_min(k0, T) : 0;
            const matrix mq = head_of(a->q, b, h), mg = head_of(a->g, b, h);
            for (int64_t t0 = start; t0 < T; t0 += BLOCK_Q) {
                const int64_t rows = i64_min(BLOCK_Q, T - t0);
                copy_rows(q, Dp, mq, t0, rows, D, 1);
                copy_rows(g, Dvp, mg, t0, rows, Dv, 1);
                const tile_args scores = {q, Dp, 1, kt, BLOCK_K, p, BLOCK_K, 0};
                tile_product(rows, KV, D, &scores);
                const tile_args from_v = {g, Dvp, 1, vt, BLOCK_K, dp, BLOCK_K, 0};
                tile_product(rows, KV, Dv, &from_v);
                for (int64_t r = 0; r < rows; r++) {
                    real *pr = p + r * BLOCK_K, *dr = dp + r * BLOCK_K;
                    const int64_t t = t0 + r, n = seen(a, t, k0);
                    const real lse = a->lse[head * T + t];
                    const vreal shift = v_set1(lse == -REAL_INF ? REAL_INF : lse);
                    const vreal delta = v_set1(a->delta[head * T + t]), scale = v_set1(a->scale);
                    const int masked = n < BLOCK_K || a->mask != NULL;
                    if (masked) {
                        for (int j = 0; j < KV; j++) v_store(pr + j * VL, v_load(pr + j * VL) * scale);
                        mask_row(pr, a, b, h, t, k0, n);
                    }
                    if (a->drop > 0) survivors(keep, a, head, t, k0);
                    for (int j = 0; j < KV; j++) {
                        vreal s = v_load(pr + j * VL);
                        if (!masked) s *= scale;
                        const vreal weight = v_exp(s - shift);
                        vreal d = v_load(dr + j * VL), used = weight;
                        if (a->drop > 0) {
                            const vreal f = v_load(keep + j * VL);
                            d *= f, used *= f;
                        }
                        v_store(pr + j * VL, used);
                        v_store(dr + j * VL, weight * (d - delta) * scale);
                    }
                }
                const tile_args to_v = {p, 1, BLOCK_K, g, Dvp, dv, Dvp, 1};
                tile_product(keys, Dvp / VL, rows, &to_v);
                const tile_args to_k = {dp, 1, BLOCK_K, q, Dp, dk, Dp, 1};
                tile_product(keys, Dp / VL, rows, &to_k);
                real *dq_rows = dq_all + (head * T + t0) * D;
                if (D == Dp) {
                    const tile_args to_q = {dp, BLOCK_K, 1, k, Dp, dq_rows, D, 1};
                    tile_product(rows, Dp / VL, keys, &to_q);
                } else {
                    const tile_args to_q = {dp, BLOCK_K, 1, k, Dp, dq, Dp, 0};
                    tile_product(rows, Dp / VL, keys, &to_q);
                    for (int64_t r = 0; r < rows; r++)
                        for (int64_t d = 0; d < D; d++) dq_rows[r * D + d] += dq[r * Dp + d];
                }
            }
        }
        for (int64_t r = 0; r < keys; r++) {
            real *to_k = a->dk + (pair * a->S + k0 + r) * D, *to_v = a->dv + (pair * a->S + k0 + r) * Dv;
            for (int64_t d = 0; d < D; d++) to_k[d] = dk[r * Dp + d];
            for (int64_t d = 0; d < Dv; d++) to_v[d] = dv[r * Dvp + d];
        }
    }
}

static void add_ranges(void *ctx, int64_t head) {
    const attention_args *a = ctx;
    const int64_t n = a->T * a->D, all = a->B * a->H * n;
    for (int64_t j = head * n; j < (head + 1) * n; j++) {
        real sum = a->dq_part[j];
        for (int64_t r = 1; r < a->ranges; r++) sum += a->dq_part[r * all + j];
        a->dq[j] = sum;
    }
}

/* ---- adapters: attributes are causal, seed, number of the call; scale, drop probability */

static attention_args sized(const ct_call *call, const ct_array *q, const ct_array *k, const ct_array *v) {
    attention_args a = {.q = q, .k = k, .v = v, .causal = (int)call->ints[0]};
    a.B = q->shape[0], a.H = q->shape[1], a.T = q->shape[2], a.D = q->shape[3];
    a.Hk = k->shape[1], a.S = k->shape[2], a.Dv = v->shape[3];
    a.Dp = round_up(a.D, VL), a.Dvp = round_up(a.Dv, VL);
    a.blocks_q = ceil_div(a.T, BLOCK_Q), a.blocks_k = ceil_div(a.S, BLOCK_K);
    a.scale = (real)call->reals[0], a.drop = (real)call->reals[1];
    a.seed[0] = (uint32_t)(call->ints[1] ^ call->ints[1] >> 32), a.seed[1] = (uint32_t)call->ints[2];
    /* few heads: blocks of keys are cut into ranges, each with a gradient of Q of its own */
    a.ranges = i64_max(1, i64_min(a.blocks_k, 8 / i64_max(1, a.B * a.Hk)));
    return a;
}
static void run(int64_t chunks, par_body body, attention_args *a) {
    if ((double)(a->B * a->H) * (double)a->T * (double)a->S * (double)(a->D + a->Dv) < 32.0 * PAR_GRAIN)
        for (int64_t c = 0; c < chunks; c++) body(a, c);
    else par_for(chunks, body, a);
}

/* (q, k, v, mask?) -> out, lse */
static int64_t padded_values(const attention_args *a) { /* reals of V with padded rows; 0 when V serves as it is */
    const int direct = a->Dv == a->Dvp && a->v->stride[3] == 1;
    return direct ? 0 : a->B * a->Hk * a->S * a->Dvp;
}
static int64_t forward_scratch(const attention_args *a) {
    const int64_t reals = BLOCK_Q * (a->Dp + a->Dvp + BLOCK_K) + BLOCK_K;
    return round_up(reals * (int64_t)sizeof(real), 64);
}
static int64_t forward_work(const ct_call *call) {
    const attention_args a = sized(call, call->in[0], call->in[1], call->in[2]);
    const int64_t reals = a.B * a.Hk * a.blocks_k * BLOCK_K * a.D + padded_values(&a);
    return round_up(reals * (int64_t)sizeof(real), 64) + ct_par_threads() * forward_scratch(&a);
}
static void attention(const ct_call *call) {
    attention_args a = sized(call, call->in[0], call->in[1], call->in[2]);
    a.mask = call->in[3], a.out = call->out[0]->data, a.lse = call->out[1]->data;
    a.kt = call->work;
    real *next = a.kt + a.B * a.Hk * a.blocks_k * BLOCK_K * a.D;
    if (padded_values(&a)) a.vp = next, next += padded_values(&a);
    a.scratch = (char *)call->work + round_up((char *)next - (char *)call->work, 64);
    a.scratch_bytes = forward_scratch(&a);
    run(a.B * a.Hk * a.blocks_k, pack_block, &a);
    run(a.B * a.H * a.blocks_q, forward_block, &a);
}

/* (g, q, k, v, mask?, out, lse) -> dq, dk, dv */
static int64_t backward_scratch(const attention_args *a) {
    const int64_t reals =
        BLOCK_K * (a->D + a->Dv + 2 * a->Dp + a->Dvp + 1) + BLOCK_Q * (2 * a->Dp + a->Dvp + 2 * BLOCK_K);
    return round_up(reals * (int64_t)sizeof(real), 64);
}
static int64_t shared_reals(const attention_args *a) {
    return round_up(a->B * a->H * a->T * (1 + (a->ranges > 1 ? a->ranges * a->D : 0)), 16);
}
static int64_t backward_work(const ct_call *call) {
    const attention_args a = sized(call, call->in[1], call->in[2], call->in[3]);
    return round_up(shared_reals(&a) * (int64_t)sizeof(real), 64) + ct_par_threads() * backward_scratch(&a);
}
static void attention_backward(const ct_call *call) {
    attention_args a = sized(call, call->in[1], call->in[2], call->in[3]);
    a.g = call->in[0], a.mask = call->in[4], a.out = call->in[5]->data, a.lse = call->in[6]->data;
    a.dq = call->out[0]->data, a.dk = call->out[1]->data, a.dv = call->out[2]->data;
    a.delta = call->work, a.dq_part = a.delta + a.B * a.H * a.T;
    a.scratch = (char *)call->work + round_up(shared_reals(&a) * (int64_t)sizeof(real), 64);
    a.scratch_bytes = backward_scratch(&a);
    if (a.S == 0)
        for (int64_t i = 0; i < call->out[0]->size; i++) a.dq[i] = 0;
    run(a.B * a.H, delta_rows, &a);
    run(a.B * a.Hk * a.ranges, backward_range, &a);
    if (a.ranges > 1) run(a.B * a.H, add_ranges, &a);
}

static const ct_kernel rows[] = {{"attention", attention, forward_work},
                                 {"attention_backward", attention_backward, backward_work}};
CT_KERNELS(attention, rows);

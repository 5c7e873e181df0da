/* attention_backward.c: gradients of attention; the forward and its formulas are in attention.c.
 *
 *   P = 2^(S - L),  dV = P^T G,  dP = G V^T,  delta = sum_d G O,  dM = P (dP - delta),  dS = scale dM,
 *   dQ = dS K,  dK = dS^T Q
 *
 * A block of queries stays while the keys that it sees pass; dK and dV gather over blocks of queries in order.
 */
#include "../include/attention.h"

/* c (keys, width) [+]= p (keys, queries) @ b (queries, width) */
static void keys_from_queries(const block *x, const real *p, lines b, int64_t width, real *c, int64_t c_row, int add) {
    const int64_t step = x->hidden ? TILE_M : x->keys;
    for (int64_t j = 0; j < x->keys; j += step) {
        const int64_t r = x->hidden ? i64_min(x->rows, i64_max(0, x->k0 + j - x->p0)) : 0;
        const tile_args t = {p + j * BLOCK_Q + r, BLOCK_Q, 1, b.p + r * b.row, b.row, c + j * c_row, c_row, add};
        tile_product(i64_min(step, x->keys - j), width / VL, x->rows - r, &t);
    }
}

/* delta of each query of a block */
static void deltas(const attention_args *a, const block *x, real *delta) {
    const matrix g = head_of(a->g, x->b, x->h);
    for (int64_t r = 0; r < round_up(x->rows, VL); r++) {
        const real *o = target_of(&a->out, x->b, x->h) + (x->t0 + r) * a->out.row, *y = g.p + (x->t0 + r) * g.row;
        vreal sum = v_zero();
        int64_t d = 0;
        if (r < x->rows && g.col == 1)
            for (; d + VL <= a->Dv; d += VL) sum = v_fma(v_load(y + d), v_load(o + d), sum);
        if (r < x->rows)
            for (; d < a->Dv; d++) sum[d % VL] += y[d * g.col] * o[d];
        delta[r] = v_hsum(sum);
    }
}

/* P (after dropout) over the scores s, and dS over dP; dM, where it is wanted, to its rows.  `hidden`: some keys are.
 */
CT_INLINE void through_block(const attention_args *a, const block *x, const real *lse, const real *delta,
                             const real *keep, real *dmask, real *s, real *dp, const int hidden) {
    const vreal scale = v_set1(a->scale);
    for (int64_t v = 0; v < ceil_div(x->rows, VL); v++) {
        const int64_t n = hidden ? seen(x, (v + 1) * VL) : x->keys;
        const vreal shift = v_load(lse + v * VL), d = v_load(delta + v * VL);
        int64_t j = 0;
        for (; j < n; j++) {
            const int64_t at = j * BLOCK_Q + v * VL;
            vreal p = exp2_below(v_load(s + at) - shift), g = v_load(dp + at), used = p;
            if (hidden) p = used = v_and(sees(x, v, j), p);
            if (keep) {
                const vreal f = v_load(keep + at);
                g *= f, used *= f;
            }
            v_store(s + at, used);
            const vreal dm = p * (g - d);
            v_store(dp + at, dm * scale);
            for (int64_t l = 0; dmask && l < i64_min(VL, x->rows - v * VL); l++) dmask[(v * VL + l) * a->S + j] = dm[l];
        }
        for (; j < x->keys; j++) {
            v_store(s + j * BLOCK_Q + v * VL, v_zero());
            v_store(dp + j * BLOCK_Q + v * VL, v_zero());
        }
    }
}
static void through_weights(const attention_args *a, const block *x, const real *lse, const real *delta,
                            const real *keep, real *s, real *dp) {
    real *dmask = a->dmask ? a->dmask + ((x->b * a->H + x->h) * a->T + x->t0) * a->S + x->k0 : NULL;
    if (keep || dmask) through_block(a, x, lse, delta, keep, dmask, s, dp, x->hidden);
    else if (x->hidden) through_block(a, x, lse, delta, NULL, NULL, s, dp, 1);
    else through_block(a, x, lse, delta, NULL, NULL, s, dp, 0);
}

/* to (rows, n) += from (rows, width) */
static void add_rows(real *to, int64_t row, const real *from, int64_t width, int64_t rows, int64_t n) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t d = 0; d < n; d++) to[r * row + d] += from[r * width + d];
}

typedef struct {
    real *q, *g, *s, *dp, *keep, *dq, *kc, *vc, *qc, *gc, *more;
} back_scratch;

static int64_t lay_out(const attention_args *a, real *at, back_scratch *w) {
    real *p = at;
    w->q = p, p += BLOCK_Q * a->D, w->g = p, p += BLOCK_Q * a->Dv;
    w->s = p, p += BLOCK_Q * BLOCK_K, w->dp = p, p += BLOCK_Q * BLOCK_K, w->keep = p, p += BLOCK_Q * BLOCK_K;
    w->dq = p, p += BLOCK_Q * a->Dp, w->kc = p, p += BLOCK_K * a->Dp, w->vc = p, p += BLOCK_K * a->Dvp;
    w->qc = p, p += BLOCK_Q * a->Dp, w->gc = p, p += BLOCK_Q * a->Dvp;
    w->more = p, p += BLOCK_K * i64_max(a->Dp, a->Dvp);
    return round_up((p - at) * (int64_t)sizeof(real), 64);
}

/* One block of queries: its dQ, and its share of dK and dV added to dk and dv (rows apart as told). */
static void backward_block(const attention_args *a, int64_t b, int64_t h, int64_t i, real *dk, int64_t dk_row, real *dv,
                           int64_t dv_row) {
    const par_range range = par_chunk(a->T, a->blocks_q, i, VL);
    const int64_t rows = range.end - range.begin, D = a->D, Dv = a->Dv, Dp = a->Dp, Dvp = a->Dvp;
    if (rows == 0) return;
    const int64_t hk = h / (a->H / a->Hk);
    back_scratch w;
    lay_out(a, (real *)(a->scratch + ct_par_worker() * a->scratch_bytes), &w);
    const matrix mq = head_of(a->q, b, h), mg = head_of(a->g, b, h), mk = head_of(a->k, b, hk),
                 mv = head_of(a->v, b, hk);
    transpose_rows(w.q, BLOCK_Q, mq.p + range.begin * mq.row, mq.row, mq.col, rows, D, a->scale2);
    transpose_rows(w.g, BLOCK_Q, mg.p + range.begin * mg.row, mg.row, mg.col, rows, Dv, 1);
    const lines q = rows_of(mq, range.begin, rows, D, Dp, w.qc), g = rows_of(mg, range.begin, rows, Dv, Dvp, w.gc);
    block x = {.b = b, .h = h, .t0 = range.begin, .p0 = range.begin, .rows = rows};
    real lse[BLOCK_Q + VBYTES], delta[BLOCK_Q + VBYTES];
    deltas(a, &x, delta);
    for (int64_t r = 0; r < round_up(rows, VL); r++) {
        const real value = r < rows ? a->lse[(b * a->H + h) * a->T + range.begin + r] : 0;
        lse[r] = value == -REAL_INF || r >= rows ? REAL_INF : value;
    }
    const int64_t last = a->causal ? i64_min(a->S, range.end) : a->S;
    real *dq = target_of(&a->dq, b, h) + range.begin * a->dq.row;
    const int direct = D == Dp;
    for (int64_t j = 0; j < rows * Dp; j++) w.dq[j] = 0;
    real *dmask = a->dmask ? a->dmask + ((b * a->H + h) * a->T + range.begin) * a->S : NULL;
    for (int64_t j = 0; dmask && j < rows * a->S; j++) dmask[j] = 0;
    for (x.k0 = 0; x.k0 < last; x.k0 += BLOCK_K) {
        x.keys = i64_min(BLOCK_K, last - x.k0);
        x.hidden = a->causal && x.k0 + x.keys - 1 > x.p0;
        const lines k = rows_of(mk, x.k0, x.keys, D, Dp, w.kc), v = rows_of(mv, x.k0, x.keys, Dv, Dvp, w.vc);
        keys_by_queries(&x, D, k, w.q, w.s);
        keys_by_queries(&x, Dv, v, w.g, w.dp);
        if (a->mask) add_mask(a, &x, w.s);
        if (a->drop > 0) survivors(w.keep, a, &x);
        through_weights(a, &x, lse, delta, a->drop > 0 ? w.keep : NULL, w.s, w.dp);
        if (Dv == Dvp) keys_from_queries(&x, w.s, g, Dvp, dv + x.k0 * dv_row, dv_row, 1);
        else {
            keys_from_queries(&x, w.s, g, Dvp, w.more, Dvp, 0);
            add_rows(dv + x.k0 * dv_row, dv_row, w.more, Dvp, x.keys, Dv);
        }
        if (direct) keys_from_queries(&x, w.dp, q, Dp, dk + x.k0 * dk_row, dk_row, 1);
        else {
            keys_from_queries(&x, w.dp, q, Dp, w.more, Dp, 0);
            add_rows(dk + x.k0 * dk_row, dk_row, w.more, Dp, x.keys, D);
        }
        queries_from_keys(&x, w.dp, k, Dp, w.dq, Dp, 1);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t d = 0; d < D; d++) dq[r * a->dq.row + d] = w.dq[r * Dp + d];
}

/* The blocks of queries that are dealt to one part, of all heads that share the keys of one head. */
static void backward_body(void *ctx, int64_t i) {
    const attention_args *a = ctx;
    const int64_t pair = i / a->parts, part = i % a->parts, b = pair / a->Hk, hk = pair % a->Hk, group = a->H / a->Hk;
    real *dk = target_of(&a->dk, b, hk), *dv = target_of(&a->dv, b, hk);
    int64_t dk_row = a->dk.row, dv_row = a->dv.row;
    if (a->parts > 1) {
        dk = a->sums + (part * a->B * a->Hk + pair) * a->S * (a->D + a->Dv), dv = dk + a->S * a->D;
        dk_row = a->D, dv_row = a->Dv;
    }
    for (int64_t s = 0; s < a->S; s++) {
        for (int64_t d = 0; d < a->D; d++) dk[s * dk_row + d] = 0;
        for (int64_t d = 0; d < a->Dv; d++) dv[s * dv_row + d] = 0;
    }
    for (int64_t h = hk * group; h < (hk + 1) * group; h++)
        for (int64_t j = part; j < a->blocks_q; j += a->parts) backward_block(a, b, h, j, dk, dk_row, dv, dv_row);
}
static void add_parts(void *ctx, int64_t pair) {
    const attention_args *a = ctx;
    const int64_t each = a->S * (a->D + a->Dv), all = a->B * a->Hk * each;
    for (int64_t s = 0; s < a->S; s++)
        for (int64_t d = 0; d < a->D + a->Dv; d++) {
            const real *from = a->sums + pair * each + (d < a->D ? s * a->D + d : a->S * a->D + s * a->Dv + d - a->D);
            real sum = from[0];
            for (int64_t p = 1; p < a->parts; p++) sum += from[p * all];
            if (d < a->D) target_of(&a->dk, pair / a->Hk, pair % a->Hk)[s * a->dk.row + d] = sum;
            else target_of(&a->dv, pair / a->Hk, pair % a->Hk)[s * a->dv.row + d - a->D] = sum;
        }
}

/* ---- adapters */

static int64_t backward_bytes(attention_args *a) {
    back_scratch w;
    a->scratch_bytes = lay_out(a, NULL, &w);
    const int64_t sums = a->parts > 1 ? a->parts * a->B * a->Hk * a->S * (a->D + a->Dv) : 0;
    return round_up(sums * (int64_t)sizeof(real), 64) + ct_par_threads() * a->scratch_bytes;
}
static void backward(attention_args *a, void *work) {
    const int64_t threads = ct_par_threads() * (backward_bytes(a), a->scratch_bytes);
    a->scratch = work, a->sums = (real *)((char *)work + threads);
    run(a->B * a->Hk * a->parts, backward_body, a);
    if (a->parts > 1) run(a->B * a->Hk, add_parts, a);
}

/* (g, q, k, v, mask?, out, lse; ..., mask_grad) -> dq, dk, dv, dmask; the last one empty unless mask_grad */
static int64_t backward_work(const ct_call *call) {
    attention_args a = sized(call, call->in[1], call->in[2], call->in[3], 0);
    return backward_bytes(&a);
}
static void attention_backward(const ct_call *call) {
    attention_args a = sized(call, call->in[1], call->in[2], call->in[3], 0);
    a.g = call->in[0], a.mask = call->in[4], a.out = plain_target(call->in[5]), a.lse = call->in[6]->data;
    if (call->ints[3]) a.dmask = call->out[3]->data;
    a.dq = plain_target(call->out[0]), a.dk = plain_target(call->out[1]), a.dv = plain_target(call->out[2]);
    backward(&a, call->work);
}

/* (g, qkv, mask?, out, lse; heads, ..., mask_grad) -> dqkv, dmask */
static int64_t packed_backward_work(const ct_call *call) {
    PACKED_PARTS(call->in[1]);
    attention_args a = sized(call, &q, &k, &v, 1);
    return backward_bytes(&a);
}
static void packed_attention_backward(const ct_call *call) {
    PACKED_PARTS(call->in[1]);
    const ct_array out = part_of(call->in[3], call->ints[0], 1, 0), g = part_of(call->in[0], call->ints[0], 1, 0);
    const ct_array dq = part_of(call->out[0], call->ints[0], 3, 0), dk = part_of(call->out[0], call->ints[0], 3, 1),
                   dv = part_of(call->out[0], call->ints[0], 3, 2);
    attention_args a = sized(call, &q, &k, &v, 1);
    a.g = &g, a.mask = call->in[2], a.out = plain_target(&out), a.lse = call->in[4]->data;
    if (call->ints[4]) a.dmask = call->out[1]->data;
    a.dq = plain_target(&dq), a.dk = plain_target(&dk), a.dv = plain_target(&dv);
    backward(&a, call->work);
}

static const ct_kernel rows[] = {
    {"attention_backward", attention_backward, backward_work},
    {"packed_attention_backward", packed_attention_backward, packed_backward_work},
};
CT_KERNELS(attention_backward, rows);

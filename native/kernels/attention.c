/* attention.c: scaled dot-product attention without the (T, S) matrix (Dao 2023, FlashAttention-2, arXiv:2307.08691).
 *
 *   O = softmax(scale Q K^T + mask) V,     blocks of queries against blocks of keys, running maximum m and sum l:
 *   for each block of keys:  m' = max(m, max S);  P = 2^(S - m');  l' = l 2^(m - m') + sum P;
 *                            O' = O 2^(m - m') + P V
 *   at the end               O / l, and L = m + log2 l is kept for backward; S is the score times log2 e
 *
 * A block of scores lies transposed, (keys, queries): queries are the lanes, so maximum, exponential and sum need
 * nothing across lanes, and K and V are read as they lie.  Only the block of queries is turned over, once.
 *
 * Blocks of keys begin at key 0 and have BLOCK_K keys whatever the lengths; a key that a query may not see adds exactly
 * nothing; so what a query sees alone determines its bits.  A query that sees no key gives zeros.
 */
#include "../include/attention.h"

/* Weights from scores, in place; what was gathered so far fades by fade[query]. */
CT_INLINE void weigh(const block *x, real *s, real *m, real *l, real *fade) {
    for (int64_t v = 0; v < ceil_div(x->rows, VL); v++) {
        const int64_t n = seen(x, (v + 1) * VL);
        real *at = s + v * VL;
        vreal top = v_load(m + v * VL), other = top;
        int64_t j = 0, whole = x->hidden ? i64_min(n, i64_max(0, x->p0 + v * VL - x->k0 + 1)) : n;
        for (; j + 2 <= whole; j += 2)
            top = v_max(v_load(at + j * BLOCK_Q), top), other = v_max(v_load(at + (j + 1) * BLOCK_Q), other);
        for (; j < whole; j++) top = v_max(v_load(at + j * BLOCK_Q), top);
        for (; j < n; j++) { /* the diagonal */
            const vreal value = v_blend(sees(x, v, j), v_load(at + j * BLOCK_Q), v_set1(-REAL_INF));
            v_store(at + j * BLOCK_Q, value);
            top = v_max(value, top);
        }
        top = v_max(top, other);
        const vreal shift = v_blend(top == v_set1(-REAL_INF), v_zero(), top);
        vreal sum = v_zero(), sum2 = v_zero();
        for (j = 0; j + 2 <= n; j += 2) {
            const vreal p = exp2_below(v_load(at + j * BLOCK_Q) - shift);
            const vreal p2 = exp2_below(v_load(at + (j + 1) * BLOCK_Q) - shift);
            v_store(at + j * BLOCK_Q, p), v_store(at + (j + 1) * BLOCK_Q, p2);
            sum += p, sum2 += p2;
        }
        for (; j < n; j++) {
            const vreal p = exp2_below(v_load(at + j * BLOCK_Q) - shift);
            v_store(at + j * BLOCK_Q, p);
            sum += p;
        }
        for (; j < x->keys; j++) v_store(at + j * BLOCK_Q, v_zero());
        const vreal faded = exp2_below(v_load(m + v * VL) - shift); /* 0 for the first block: m is -inf */
        v_store(l + v * VL, v_fma(v_load(l + v * VL), faded, sum + sum2));
        v_store(m + v * VL, top);
        v_store(fade + v * VL, faded);
    }
}

static void forward_block(const attention_args *a, int64_t b, int64_t h, int64_t i) {
    const par_range range = par_chunk(a->T, a->blocks_q, i, VL);
    const int64_t rows = range.end - range.begin, Dvp = a->Dvp, hk = h / (a->H / a->Hk);
    if (rows == 0) return;
    real *q = (real *)(a->scratch + ct_par_worker() * a->scratch_bytes), *o = q + BLOCK_Q * a->D;
    real *s = o + BLOCK_Q * Dvp, *keep = s + BLOCK_Q * BLOCK_K, *kc = keep + BLOCK_Q * BLOCK_K;
    real *vc = kc + BLOCK_K * a->Dp;
    real m[BLOCK_Q + VBYTES], l[BLOCK_Q + VBYTES], fade[BLOCK_Q + VBYTES];
    const matrix mq = head_of(a->q, b, h), mk = head_of(a->k, b, hk), mv = head_of(a->v, b, hk);
    transpose_rows(q, BLOCK_Q, mq.p + range.begin * mq.row, mq.row, mq.col, rows, a->D, a->scale2);
    for (int64_t r = 0; r < round_up(rows, VL); r++) m[r] = -REAL_INF, l[r] = 0;
    for (int64_t j = 0; j < rows * Dvp; j++) o[j] = 0;
    const int64_t last = a->causal ? i64_min(a->S, range.end + a->start) : a->S;
    block x = {.b = b, .h = h, .t0 = range.begin, .p0 = range.begin + a->start, .rows = rows};
    for (x.k0 = 0; x.k0 < last; x.k0 += BLOCK_K) {
        x.keys = i64_min(BLOCK_K, last - x.k0);
        x.hidden = a->causal && x.k0 + x.keys - 1 > x.p0;
        const lines k = rows_of(mk, x.k0, x.keys, a->D, a->Dp, kc), v = rows_of(mv, x.k0, x.keys, a->Dv, Dvp, vc);
        keys_by_queries(&x, a->D, k, q, s);
        if (a->mask) add_mask(a, &x, s);
        weigh(&x, s, m, l, fade);
        if (a->drop > 0) {
            survivors(keep, a, &x);
            for (int64_t j = 0; j < x.keys * BLOCK_Q; j += VL) v_store(s + j, v_load(s + j) * v_load(keep + j));
        }
        for (int64_t r = 0; r < rows && x.k0; r++)
            if (fade[r] != 1)
                for (int64_t d = 0; d < Dvp; d += VL) v_store(o + r * Dvp + d, v_load(o + r * Dvp + d) * fade[r]);
        queries_from_keys(&x, s, v, Dvp, o, Dvp, x.k0 != 0);
    }
    real *lse = a->lse ? a->lse + (b * a->H + h) * a->T + range.begin : NULL;
    for (int64_t r = 0; r < rows; r++) {
        real *out = target_of(&a->out, b, h) + (range.begin + r) * a->out.row;
        const vreal by = v_set1(l[r] == 0 ? 1 : l[r]); /* no key seen: zeros */
        if (lse) lse[r] = l[r] == 0 ? -REAL_INF : m[r] + v_log2(v_set1(l[r]))[0];
        int64_t d = 0;
        for (; d + VL <= a->Dv; d += VL) v_store(out + d, v_load(o + r * Dvp + d) / by);
        if (d < a->Dv) v_store_part(out + d, v_load(o + r * Dvp + d) / by, a->Dv - d);
    }
}

/* Add the mask to the scores of one query. */
static void add_to_query(const attention_args *a, const block *x, int64_t k0, int64_t keys, real *s) {
    const ct_array *mask = a->mask;
    const int64_t at = x->b * mask->stride[0] + x->h * mask->stride[1] + k0 * mask->stride[3], right = mask->stride[3];
    if (mask->dtype == CT_BOOL || mask->dtype == CT_UINT8)
        for (int64_t j = 0; j < keys; j++) s[j] += ((const uint8_t *)mask->data)[at + j * right] ? 0 : -REAL_INF;
    else
        for (int64_t j = 0; j < keys; j++) s[j] += mask_term(v_set1(((const real *)mask->data)[at + j * right]))[0];
}

/* One query and many keys, as in generation: the keys are the lanes of maximum and exponential. */
static void forward_query(const attention_args *a, int64_t b, int64_t h) {
    const int64_t hk = h / (a->H / a->Hk), S = a->S, Dvp = a->Dvp;
    real *s = (real *)(a->scratch + ct_par_worker() * a->scratch_bytes), *o = s + BLOCK_Q * a->D, *q = o + Dvp;
    real *kc = s + BLOCK_Q * (a->D + Dvp + 2 * BLOCK_K), *vc = kc + BLOCK_K * a->Dp;
    const matrix mk = head_of(a->k, b, hk), mv = head_of(a->v, b, hk);
    const lines one = rows_of(head_of(a->q, b, h), 0, 1, a->D, a->Dp, q);
    const block x = {.b = b, .h = h, .rows = 1};
    real m = -REAL_INF, l = 0;
    for (int64_t d = 0; d < Dvp; d += VL) v_store(o + d, v_zero());
    for (int64_t k0 = 0; k0 < S; k0 += BLOCK_K) {
        const int64_t keys = i64_min(BLOCK_K, S - k0), whole = round_up(keys, VL);
        const lines k = rows_of(mk, k0, keys, a->D, a->Dp, kc), v = rows_of(mv, k0, keys, a->Dv, Dvp, vc);
        real p[BLOCK_K];
        for (int64_t j0 = 0; j0 < whole; j0 += VL) { /* VL dot products, their lanes added by turning the square over */
            vreal square[VBYTES / sizeof(real)];
            for (int64_t j = 0; j < VL; j++) {
                const real *row = k.p + i64_min(j0 + j, keys - 1) * k.row;
                vreal sum = v_zero();
                for (int64_t d = 0; d < a->Dp; d += VL) sum = v_fma(v_load(one.p + d), v_load(row + d), sum);
                square[j] = sum;
            }
            v_transpose(square);
            vreal sum = square[0];
            for (int64_t j = 1; j < VL; j++) sum += square[j];
            v_store(p + j0, sum * v_set1(a->scale2));
        }
        if (a->mask) add_to_query(a, &x, k0, keys, p);
        for (int64_t j = keys; j < whole; j++) p[j] = -REAL_INF;
        vreal top = v_set1(m);
        for (int64_t j = 0; j < whole; j += VL) top = v_max(v_load(p + j), top);
        const real now = v_hmax(top), shift = now == -REAL_INF ? 0 : now;
        vreal sum = v_zero();
        for (int64_t j = 0; j < whole; j += VL) {
            const vreal e = exp2_below(v_load(p + j) - v_set1(shift));
            v_store(p + j, e);
            sum += e;
        }
        const real fade = exp2_below(v_set1(m - shift))[0];
        l = l * fade + v_hsum(sum);
        m = now;
        for (int64_t d = 0; d < Dvp && k0; d += VL) v_store(o + d, v_load(o + d) * fade);
        const tile_args t = {p, keys, 1, v.p, v.row, o, Dvp, k0 != 0};
        tile_product(1, Dvp / VL, keys, &t);
    }
    if (a->lse) a->lse[b * a->H + h] = l == 0 ? -REAL_INF : m + v_log2(v_set1(l))[0];
    const vreal by = v_set1(l == 0 ? 1 : l);
    for (int64_t d = 0; d < a->Dv; d += VL)
        v_store_part(target_of(&a->out, b, h) + d, v_load(o + d) / by, i64_min(VL, a->Dv - d));
}
static void forward_body(void *ctx, int64_t i) {
    const attention_args *a = ctx;
    const int64_t head = i / a->blocks_q;
    if (a->T == 1 && a->S > VL && a->drop == 0 && (!a->causal || a->start >= a->S - 1)) {
        forward_query(a, head / a->H, head % a->H);
        return;
    }
    forward_block(a, head / a->H, head % a->H, i % a->blocks_q);
}

/* ---- adapters */

static int64_t forward_bytes(attention_args *a) {
    const int64_t reals = BLOCK_Q * (a->D + a->Dvp + 2 * BLOCK_K) + BLOCK_K * (a->Dp + a->Dvp);
    a->scratch_bytes = round_up(reals * (int64_t)sizeof(real), 64);
    return ct_par_threads() * a->scratch_bytes;
}
static void forward(attention_args *a, void *work) {
    forward_bytes(a);
    a->scratch = work;
    run(a->B * a->H * a->blocks_q, forward_body, a);
}
/* (q, k, v, mask?) -> out, lse */
static int64_t forward_work(const ct_call *call) {
    attention_args a = sized(call, call->in[0], call->in[1], call->in[2], 0);
    return forward_bytes(&a);
}
static void attention(const ct_call *call) {
    attention_args a = sized(call, call->in[0], call->in[1], call->in[2], 0);
    a.mask = call->in[3], a.out = plain_target(call->out[0]), a.lse = call->out[1]->data;
    forward(&a, call->work);
}
/* (qkv, mask?; heads) -> out, lse */
static int64_t packed_work(const ct_call *call) {
    PACKED_PARTS(call->in[0]);
    attention_args a = sized(call, &q, &k, &v, 1);
    return forward_bytes(&a);
}
static void packed_attention(const ct_call *call) {
    PACKED_PARTS(call->in[0]);
    const ct_array out = part_of(call->out[0], call->ints[0], 1, 0);
    attention_args a = sized(call, &q, &k, &v, 1);
    a.mask = call->in[1], a.out = plain_target(&out), a.lse = call->out[1]->data;
    forward(&a, call->work);
}
/* (qkv (B, T, 3 C), keys (B, H, M, D), values; heads, start) -> out (B, T, C): stores the new keys and values in place
 * at start ... start + T and attends to all up to each query. */
static attention_args cached_args(const ct_call *call, const ct_array *q, ct_array kv[2]) {
    for (int i = 0; i < 2; i++) kv[i] = *call->in[1 + i], kv[i].shape[2] = call->ints[1] + q->shape[2];
    const int64_t ints[] = {1, 0, 0};
    const double reals[] = {1 / __builtin_sqrt((double)i64_max(1, q->shape[3])), 0};
    const ct_call plain = {.ints = ints, .reals = reals};
    attention_args a = sized(&plain, q, &kv[0], &kv[1], 0);
    a.start = call->ints[1];
    return a;
}
static int64_t cached_work(const ct_call *call) {
    const ct_array q = part_of(call->in[0], call->ints[0], 3, 0);
    ct_array kv[2];
    attention_args a = cached_args(call, &q, kv);
    return forward_bytes(&a);
}
static void cached_attention(const ct_call *call) {
    const ct_array q = part_of(call->in[0], call->ints[0], 3, 0), out = part_of(call->out[0], call->ints[0], 1, 0);
    ct_array kv[2];
    attention_args a = cached_args(call, &q, kv);
    for (int i = 0; i < 2; i++) {
        const ct_array fresh = part_of(call->in[0], call->ints[0], 3, 1 + i);
        const target to = plain_target(&kv[i]);
        for (int64_t bh = 0; bh < a.B * a.H; bh++) {
            const matrix from = head_of(&fresh, bh / a.H, bh % a.H);
            for (int64_t t = 0; t < a.T; t++)
                for (int64_t d = 0; d < a.D; d++)
                    target_of(&to, bh / a.H, bh % a.H)[(a.start + t) * to.row + d] =
                        from.p[t * from.row + d * from.col];
        }
    }
    a.out = plain_target(&out);
    forward(&a, call->work);
}

static const ct_kernel rows[] = {{"attention", attention, forward_work},
                                 {"packed_attention", packed_attention, packed_work},
                                 {"cached_attention", cached_attention, cached_work}};
CT_KERNELS(attention, rows);

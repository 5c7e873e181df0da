/* attention.c: scaled dot-product attention without the (T, S) matrix (Dao 2023, FlashAttention-2, arXiv:2307.08691).
 *
 *   O = softmax(scale Q K^T + mask) V,     blocks of queries against blocks of keys, running maximum m and sum l:
 *   for each block of keys:  m' = max(m, max S);  P = exp(S - m');  l' = l exp(m - m') + sum P;
 *                            O' = O exp(m - m') + P V
 *   at the end               O / l, and the log-sum-exp L = m + log l is kept for backward
 *
 * A block of scores lies transposed, (keys, queries): queries are the lanes, so maximum, exponential and sum need
 * nothing across lanes, and K and V are read as they lie.  Only the block of queries is turned over, once.
 *
 * Blocks of keys begin at key 0 and have BLOCK_K keys whatever the lengths; a key that a query may not see adds exactly
 * nothing; so what a query sees alone determines its bits.  A query that sees no key gives zeros.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/tile.h"
#include "../include/transpose.h"
#include "../include/vmath.h"

#define BLOCK_Q 48
#define BLOCK_K 64

typedef struct {
    real *p;
    int64_t batch, head, row; /* strides; columns are contiguous */
} target;

typedef struct {
    target out, dq, dk, dv;        /* (B, H, T, Dv), (B, H, T, D), (B, Hk, S, D), (B, Hk, S, Dv) */
    real *lse;                     /* (B, H, T), or NULL */
    const ct_array *q, *k, *v, *g; /* (B, H, T, D), (B, Hk, S, D), (B, Hk, S, Dv), (B, H, T, Dv); any strides */
    const ct_array *mask;          /* (B, H, T, S) with stride 0 where it repeats; bool, or added; or NULL */
    int64_t B, H, Hk, T, S, D, Dv, Dp, Dvp; /* Dp, Dvp: rounded up to vectors */
    int64_t blocks_q, parts;                /* blocks of queries; parts into which they are dealt */
    int64_t start;                          /* position of the first query among the keys */
    int causal;
    real scale, drop; /* drop: probability that a weight is dropped */
    uint32_t seed[2];
    real *sums; /* (parts, B, Hk, S, D + Dv): each part's gradients of K and V */
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
CT_INLINE real *target_of(const target *t, int64_t b, int64_t h) { return t->p + b * t->batch + h * t->head; }

/* Rows as a matrix with contiguous columns, `width` >= n of them: as they lie, or copied with zeros beyond n.  Rows
 * that are a page apart would all want the same few lines of the first cache. */
typedef struct {
    const real *p;
    int64_t row;
} lines;
static lines rows_of(matrix x, int64_t first, int64_t rows, int64_t n, int64_t width, real *copy) {
    const real *from = x.p + first * x.row;
    if (x.col == 1 && n == width && (x.row == width || x.row * (int64_t)sizeof(real) % 1024))
        return (lines){from, x.row};
    for (int64_t r = 0; r < rows; r++, from += x.row) {
        real *to = copy + r * width;
        int64_t i = 0;
        if (x.col == 1)
            for (; i + VL <= n; i += VL) v_store(to + i, v_load(from + i));
        for (; i < n; i++) to[i] = from[i * x.col];
        for (; i < width; i++) to[i] = 0;
    }
    return (lines){copy, width};
}

/* ---- which keys a query sees */

/* Of a block of queries from t0, the first at position p0, and keys from k0; `keys` of them exist. */
typedef struct {
    int64_t b, h, t0, p0, rows, k0, keys;
    int hidden; /* some query does not see some key because it comes later */
} block;

/* How many keys the queries before `end` (within the block) see. */
CT_INLINE int64_t seen(const block *x, int64_t end) {
    return x->hidden ? i64_max(0, i64_min(x->keys, x->p0 + end - x->k0)) : x->keys;
}

/* c (keys, queries) = a (keys, n) @ b (n, queries), without the vectors of queries that see none of the keys */
static void keys_by_queries(const block *x, int64_t n, lines a, const real *b, real *c) {
    const int64_t vectors = ceil_div(x->rows, VL), step = x->hidden ? TILE_M : x->keys;
    for (int64_t j = 0; j < x->keys; j += step) {
        const int64_t v = x->hidden ? i64_max(0, x->k0 + j - x->p0) / VL : 0;
        const tile_args t = {a.p + j * a.row, a.row, 1, b + v * VL, BLOCK_Q, c + j * BLOCK_Q + v * VL, BLOCK_Q, 0};
        if (v < vectors) tile_product(i64_min(step, x->keys - j), vectors - v, n, &t);
    }
}
/* c (queries, width) [+]= p (keys, queries)^T @ b (keys, width) */
static void queries_from_keys(const block *x, const real *p, lines b, int64_t width, real *c, int64_t c_row, int add) {
    const int64_t step = x->hidden ? TILE_M : x->rows;
    for (int64_t r = 0; r < x->rows; r += step) {
        const int64_t m = i64_min(step, x->rows - r);
        const tile_args t = {p + r, 1, BLOCK_Q, b.p, b.row, c + r * c_row, c_row, add};
        tile_product(m, width / VL, seen(x, r + m), &t);
    }
}
/* c (keys, width) [+]= p (keys, queries) @ b (queries, width) */
static void keys_from_queries(const block *x, const real *p, lines b, int64_t width, real *c, int64_t c_row, int add) {
    const int64_t step = x->hidden ? TILE_M : x->keys;
    for (int64_t j = 0; j < x->keys; j += step) {
        const int64_t r = x->hidden ? i64_min(x->rows, i64_max(0, x->k0 + j - x->p0)) : 0;
        const tile_args t = {p + j * BLOCK_Q + r, BLOCK_Q, 1, b.p + r * b.row, b.row, c + j * c_row, c_row, add};
        tile_product(i64_min(step, x->keys - j), width / VL, x->rows - r, &t);
    }
}

/* Lane l of vector v is the query at p0 + v VL + l. */
CT_INLINE vmask sees(const block *x, int64_t v, int64_t j) {
    vint lane;
    for (int l = 0; l < VL; l++) lane[l] = l;
    return lane >= (vint){0} + (int_real)(x->k0 + j - x->p0 - v * VL);
}

/* What VL bytes of a mask add: nothing, or -inf where they are 0. */
typedef uint8_t vbytes __attribute__((vector_size(VBYTES / sizeof(real))));
CT_INLINE vreal hides(const uint8_t *m) {
    vbytes b;
    __builtin_memcpy(&b, m, sizeof b);
    return v_and(__builtin_convertvector(b, vint) == (vint){0}, v_set1(-REAL_INF));
}

/* Add the mask to a block of scores; hidden ones become -inf. */
static void add_mask(const attention_args *a, const block *x, real *s) {
    const ct_array *mask = a->mask;
    const int64_t at =
        x->b * mask->stride[0] + x->h * mask->stride[1] + x->t0 * mask->stride[2] + x->k0 * mask->stride[3];
    const int64_t down = mask->stride[2], right = mask->stride[3], queries = round_up(x->rows, VL);
    const int bits = mask->dtype == CT_BOOL || mask->dtype == CT_UINT8;
    const uint8_t *m = bits ? (const uint8_t *)mask->data + at : NULL;
    const real *add = bits ? NULL : (const real *)mask->data + at;
    if (down == 0) {
        for (int64_t j = 0; j < x->keys; j++) {
            const vreal value = v_set1(!bits ? add[j * right] : m[j * right] ? 0 : -REAL_INF);
            for (int64_t r = 0; r < queries; r += VL) v_store(s + j * BLOCK_Q + r, v_load(s + j * BLOCK_Q + r) + value);
        }
        return;
    }
    for (int64_t r0 = 0; r0 < x->rows; r0 += VL) {
        const int64_t n = i64_min(VL, x->rows - r0);
        for (int64_t j0 = 0; j0 < x->keys; j0 += VL) {
            const int64_t some = i64_min(VL, x->keys - j0);
            vreal square[VBYTES / sizeof(real)]; /* rows of the mask, then its columns */
            for (int64_t l = 0; l < VL; l++) {
                const int64_t from = (r0 + i64_min(l, n - 1)) * down + j0 * right;
                if (right == 1 && some == VL) square[l] = bits ? hides(m + from) : v_load(add + from);
                else {
                    square[l] = v_zero();
                    for (int64_t j = 0; j < some; j++)
                        square[l][j] = !bits ? add[from + j * right] : m[from + j * right] ? 0 : -REAL_INF;
                }
            }
            v_transpose(square);
            for (int64_t j = 0; j < some; j++) {
                real *to = s + (j0 + j) * BLOCK_Q + r0;
                v_store(to, v_load(to) + square[j]);
            }
        }
    }
}

/* The same for the scores of one query. */
static void add_to_query(const attention_args *a, const block *x, int64_t k0, int64_t keys, real *s) {
    const ct_array *mask = a->mask;
    const int64_t at = x->b * mask->stride[0] + x->h * mask->stride[1] + k0 * mask->stride[3], right = mask->stride[3];
    if (mask->dtype == CT_BOOL || mask->dtype == CT_UINT8)
        for (int64_t j = 0; j < keys; j++) s[j] += ((const uint8_t *)mask->data)[at + j * right] ? 0 : -REAL_INF;
    else
        for (int64_t j = 0; j < keys; j++) s[j] += ((const real *)mask->data)[at + j * right];
}

/* Which weights survive dropout, as factors 0 or 1 / (1 - drop): a hash of seed, head, query and key. */
CT_INLINE uint32_t mix32(uint32_t x) {
    x ^= x >> 16, x *= 0x7feb352du;
    x ^= x >> 15, x *= 0x846ca68bu;
    return x ^ x >> 16;
}
static void survivors(real *keep, const attention_args *a, const block *x) {
    const real factor = 1 / (1 - a->drop);
    const uint32_t limit = (uint32_t)((double)a->drop * 4294967296.0);
    uint32_t row[BLOCK_Q];
    const uint32_t head = mix32(mix32(a->seed[0] + (uint32_t)(x->b * a->H + x->h)) ^ a->seed[1]);
    for (int64_t r = 0; r < BLOCK_Q; r++) row[r] = mix32(head + (uint32_t)(x->t0 + r));
    for (int64_t j = 0; j < x->keys; j++)
        for (int64_t r = 0; r < BLOCK_Q; r++)
            keep[j * BLOCK_Q + r] = mix32(row[r] + (uint32_t)(x->k0 + j) * 0x9e3779b9u) >= limit ? factor : 0;
}

/* e^x of x <= 0, or 0 where that is below the normal numbers */
#define EXP_LEAST LOWEST(-86.0, -707.0)
CT_INLINE vreal exp_below(vreal x) {
    vint n;
    const vreal least = V(EXP_LEAST), c = v_max(least, x);
    const vreal k = v_nearest(c * V(1.44269504088896340736), &n);
    const vreal r = v_fma(k, v_set1(-LN2_LO), v_fma(k, v_set1(-LN2_HI), c));
    const vreal power = v_pow2(n);
    return v_and(~(x < least), v_fma(v_fma(r * r, V_POLY(r, exp_q), r), power, power));
}

/* ---- forward */

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
            const vreal p = exp_below(v_load(at + j * BLOCK_Q) - shift);
            const vreal p2 = exp_below(v_load(at + (j + 1) * BLOCK_Q) - shift);
            v_store(at + j * BLOCK_Q, p), v_store(at + (j + 1) * BLOCK_Q, p2);
            sum += p, sum2 += p2;
        }
        for (; j < n; j++) {
            const vreal p = exp_below(v_load(at + j * BLOCK_Q) - shift);
            v_store(at + j * BLOCK_Q, p);
            sum += p;
        }
        for (; j < x->keys; j++) v_store(at + j * BLOCK_Q, v_zero());
        const vreal faded = exp_below(v_load(m + v * VL) - shift); /* 0 for the first block: m is -inf */
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
    transpose_rows(q, BLOCK_Q, mq.p + range.begin * mq.row, mq.row, mq.col, rows, a->D, a->scale);
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
        if (lse) lse[r] = l[r] == 0 ? -REAL_INF : m[r] + v_log(v_set1(l[r]))[0];
        int64_t d = 0;
        for (; d + VL <= a->Dv; d += VL) v_store(out + d, v_load(o + r * Dvp + d) / by);
        if (d < a->Dv) v_store_part(out + d, v_load(o + r * Dvp + d) / by, a->Dv - d);
    }
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
            v_store(p + j0, sum * v_set1(a->scale));
        }
        if (a->mask) add_to_query(a, &x, k0, keys, p);
        for (int64_t j = keys; j < whole; j++) p[j] = -REAL_INF;
        vreal top = v_set1(m);
        for (int64_t j = 0; j < whole; j += VL) top = v_max(v_load(p + j), top);
        const real now = v_hmax(top), shift = now == -REAL_INF ? 0 : now;
        vreal sum = v_zero();
        for (int64_t j = 0; j < whole; j += VL) {
            const vreal e = exp_below(v_load(p + j) - v_set1(shift));
            v_store(p + j, e);
            sum += e;
        }
        const real fade = exp_below(v_set1(m - shift))[0];
        l = l * fade + v_hsum(sum);
        m = now;
        for (int64_t d = 0; d < Dvp && k0; d += VL) v_store(o + d, v_load(o + d) * fade);
        const tile_args t = {p, keys, 1, v.p, v.row, o, Dvp, k0 != 0};
        tile_product(1, Dvp / VL, keys, &t);
    }
    if (a->lse) a->lse[b * a->H + h] = l == 0 ? -REAL_INF : m + v_log(v_set1(l))[0];
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

/* ---- backward
 *   P = exp(S - L),  dV = P^T G,  dP = G V^T,  dS = scale P (dP - delta),  delta = sum_d G O,  dQ = dS K,  dK = dS^T Q
 * A block of queries stays while the keys that it sees pass; dK and dV gather over blocks of queries in order. */

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

/* P (after dropout) over the scores s, and dS over dP */
static void through_weights(const attention_args *a, const block *x, const real *lse, const real *delta,
                            const real *keep, real *s, real *dp) {
    const vreal scale = v_set1(a->scale);
    for (int64_t v = 0; v < ceil_div(x->rows, VL); v++) {
        const int64_t n = seen(x, (v + 1) * VL);
        const vreal shift = v_load(lse + v * VL), d = v_load(delta + v * VL);
        int64_t j = 0;
        for (; j < n; j++) {
            const int64_t at = j * BLOCK_Q + v * VL;
            vreal p = exp_below(v_load(s + at) - shift), g = v_load(dp + at), used = p;
            if (x->hidden) p = used = v_and(sees(x, v, j), p);
            if (keep) {
                const vreal f = v_load(keep + at);
                g *= f, used *= f;
            }
            v_store(s + at, used);
            v_store(dp + at, p * (g - d) * scale);
        }
        for (; j < x->keys; j++) {
            v_store(s + j * BLOCK_Q + v * VL, v_zero());
            v_store(dp + j * BLOCK_Q + v * VL, v_zero());
        }
    }
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
    transpose_rows(w.q, BLOCK_Q, mq.p + range.begin * mq.row, mq.row, mq.col, rows, D, a->scale);
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

/* ---- adapters: attributes are [heads,] causal, seed, number of the call; scale, drop probability */

static target plain_target(const ct_array *x) { /* of a contiguous (B, H, T, D) */
    const target t = {x->data, x->stride[0], x->stride[1], x->stride[2]};
    return t;
}
static attention_args sized(const ct_call *call, const ct_array *q, const ct_array *k, const ct_array *v, int at) {
    attention_args a = {.q = q, .k = k, .v = v, .causal = (int)call->ints[at]};
    a.B = q->shape[0], a.H = q->shape[1], a.T = q->shape[2], a.D = q->shape[3];
    a.Hk = k->shape[1], a.S = k->shape[2], a.Dv = v->shape[3];
    a.Dp = round_up(a.D, VL), a.Dvp = round_up(a.Dv, VL);
    a.blocks_q = ceil_div(a.T, BLOCK_Q);
    a.scale = (real)call->reals[0], a.drop = (real)call->reals[1];
    a.seed[0] = (uint32_t)(call->ints[at + 1] ^ call->ints[at + 1] >> 32), a.seed[1] = (uint32_t)call->ints[at + 2];
    /* few heads: blocks of queries are dealt to parts, each with gradients of K and V of its own */
    a.parts = i64_max(1, i64_min(a.blocks_q, 8 / i64_max(1, a.B * a.Hk)));
    return a;
}
static void run(int64_t chunks, par_body body, attention_args *a) {
    if ((double)(a->B * a->H) * (double)a->T * (double)a->S * (double)(a->D + a->Dv) < 32.0 * PAR_GRAIN)
        for (int64_t c = 0; c < chunks; c++) body(a, c);
    else par_for(chunks, body, a);
}

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
/* (g, q, k, v, mask?, out, lse) -> dq, dk, dv */
static int64_t backward_work(const ct_call *call) {
    attention_args a = sized(call, call->in[1], call->in[2], call->in[3], 0);
    return backward_bytes(&a);
}
static void attention_backward(const ct_call *call) {
    attention_args a = sized(call, call->in[1], call->in[2], call->in[3], 0);
    a.g = call->in[0], a.mask = call->in[4], a.out = plain_target(call->in[5]), a.lse = call->in[6]->data;
    a.dq = plain_target(call->out[0]), a.dk = plain_target(call->out[1]), a.dv = plain_target(call->out[2]);
    backward(&a, call->work);
}

/* The same on query, key and value side by side: (B, T, 3 C) -> (B, T, C), C = heads D. */
static ct_array part_of(const ct_array *x, int64_t heads, int64_t parts, int64_t part) {
    const int64_t C = x->shape[2] / parts;
    ct_array y = {.data = (real *)x->data + part * C * x->stride[2], .ndim = 4, .dtype = x->dtype};
    y.shape[0] = x->shape[0], y.shape[1] = heads, y.shape[2] = x->shape[1], y.shape[3] = C / heads;
    y.stride[0] = x->stride[0], y.stride[1] = C / heads * x->stride[2], y.stride[2] = x->stride[1],
    y.stride[3] = x->stride[2];
    y.size = y.shape[0] * y.shape[1] * y.shape[2] * y.shape[3];
    return y;
}
#define PACKED_PARTS(x)                                                                \
    ct_array q = part_of(x, call->ints[0], 3, 0), k = part_of(x, call->ints[0], 3, 1), \
             v = part_of(x, call->ints[0], 3, 2)

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
/* (g, qkv, mask?, out, lse; heads) -> dqkv */
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
    a.dq = plain_target(&dq), a.dk = plain_target(&dk), a.dv = plain_target(&dv);
    backward(&a, call->work);
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
                                 {"attention_backward", attention_backward, backward_work},
                                 {"packed_attention", packed_attention, packed_work},
                                 {"packed_attention_backward", packed_attention_backward, packed_backward_work},
                                 {"cached_attention", cached_attention, cached_work}};
CT_KERNELS(attention, rows);

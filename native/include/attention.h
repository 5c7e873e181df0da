/* attention.h: what the forward and the backward of attention share: sizes, blocks of queries against blocks of keys,
 * masks, dropout and the exponential.
 */
#ifndef CORTEN_ATTENTION_H
#define CORTEN_ATTENTION_H

#include "kernel.h"
#include "par.h"
#include "tile.h"
#include "transpose.h"
#include "vmath.h"

#define BLOCK_Q 48
#define BLOCK_K 64
#define LOG2_E 1.44269504088896340736 /* scores are kept times log2 e, so that their exponential is one of 2 */

typedef struct {
    real *p;
    int64_t batch, head, row; /* strides; columns are contiguous */
} target;

typedef struct {
    target out, dq, dk, dv;        /* (B, H, T, Dv), (B, H, T, D), (B, Hk, S, D), (B, Hk, S, Dv) */
    real *lse;                     /* (B, H, T), or NULL */
    real *dmask;                   /* (B, H, T, S), or NULL */
    const ct_array *q, *k, *v, *g; /* (B, H, T, D), (B, Hk, S, D), (B, Hk, S, Dv), (B, H, T, Dv); any strides */
    const ct_array *mask;          /* (B, H, T, S) with stride 0 where it repeats; bool, or added; or NULL */
    int64_t B, H, Hk, T, S, D, Dv, Dp, Dvp; /* Dp, Dvp: rounded up to vectors */
    int64_t blocks_q, parts;                /* blocks of queries; parts into which they are dealt */
    int64_t start;                          /* position of the first query among the keys */
    int causal;
    real scale, scale2, drop; /* scale2: times log2 e; drop: probability that a weight is dropped */
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

/* What a mask that is added adds: itself times log2 e; a finite one stays finite, for a whole row may have it. */
CT_INLINE vreal mask_term(vreal m) {
    const vreal term = v_min(v_set1(REAL_MAX), v_max(v_set1(-REAL_MAX), m * v_set1((real)LOG2_E)));
    return v_blend(m == v_set1(-REAL_INF), m, term);
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
            const vreal value = bits ? v_set1(m[j * right] ? 0 : -REAL_INF) : mask_term(v_set1(add[j * right]));
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
                v_store(to, v_load(to) + (bits ? square[j] : mask_term(square[j])));
            }
        }
    }
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

/* 2^r = 1 + r q(r), |r| <= 1/2: minimax of the relative error, 2.6e-9 in float and 1.8e-17 in double */
static const real exp2_q[] CT_UNUSED = {
#if CT_REAL_DOUBLE
    0.69314718055994569673,   0.24022650695910098006,    0.055504108664790395633,    0.0096181291076070019175,
    0.0013333558153439764768, 0.00015403530441573426619, 0.000015252727385369675535, 1.3215442674462599708e-6,
    1.0180647586069513657e-7, 7.0725705832642512178e-9,  4.0780833181809639279e-10,
#else
    0.693147214968f, 0.240226527829f, 0.055503105508f, 0.00961769296979f, 0.00134066440973f, 0.000155946815266f,
#endif
};
/* 2^x of x <= 0, exactly 1 for 0 and 0 where the result is below the normal numbers: the exponent field of 2^n comes
 * out of the sum that rounds x to n, and is empty at the least n. */
CT_INLINE vreal exp2_below(vreal x) {
    const vreal magic = v_set1((real)ROUND_MAGIC + BIAS), c = v_max(v_set1(-BIAS), x), shifted = c + magic;
    const vreal r = c - (shifted - magic);
    return v_fma(r, V_POLY(r, exp2_q), V(1.0)) * (vreal)((vint)shifted << MANTISSA);
}

/* ---- calls: attributes are [heads,] causal, seed, number of the call; scale, drop probability */

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
    a.scale = (real)call->reals[0], a.scale2 = (real)(call->reals[0] * LOG2_E), a.drop = (real)call->reals[1];
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

#endif

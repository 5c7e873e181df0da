/* gemm_stage.h: products whose factors are packed first, a block at a time (Goto's blocks, see gemm_tile.h).
 *
 *   for j0, k0:  B (KB, NC);  for i0:  A (MB, KB);  pack what is new;  C (MB, NC) += A @ B in chunks of MC rows
 *
 * All workers pack, then all multiply, so every element is packed once.  Where all of A leaves room in the second-level
 * cache, only A is packed beforehand, and every worker packs its own columns of B as it comes to them.
 */
#ifndef CORTEN_GEMM_STAGE_H
#define CORTEN_GEMM_STAGE_H

#include "gemm_product.h"

#define KB 256                                   /* panels of A (MR, KB) and B (KB, NR) stay in the first-level cache */
#define MC ((CT_REAL_DOUBLE ? 8 : 16) * GEMM_MR) /* a block of A (MC, KB) is less than half of the second */
#define NC 2048                                  /* a block of B (KB, NC) is some megabytes of the third */
#define MB (CT_REAL_DOUBLE ? 1024 : 2048)        /* a block of A (MB, KB), which all share, is as large */
#define OWN_BYTES (256 << 10)                    /* a block of A that leaves room in the second-level cache */
#define STRIP_BYTES (128 << 10)                  /* for a strip of B */
#define STREAM 64                                /* rows of a large B that few rows of A pass over at a time */

typedef struct {
    const product *p;
    int64_t i0, mc, j0, nc, k0, kc; /* the block of A (mc, kc) and of B (kc, nc) at work */
    int first, last, pack_a, own;
    int64_t tiles;            /* along M; tile t begins at row mc * t / tiles */
    int64_t a_parts, b_parts; /* chunks of packing */
    int64_t down, across;     /* chunks of C along M and N */
    int64_t strip;            /* columns of B that a worker packs for itself */
    int64_t ahead;            /* rows of B after this block that are asked for meanwhile */
    real *a, *b;              /* packed: A of this block; B of this block or, with `own`, of each worker's strip */
} stage;

CT_INLINE int64_t tile_row(const stage *s, int64_t t) { return s->mc * t / s->tiles; }

#define FEW 8 /* rows that serve all panels before the next few */

/* Columns j0 ... j1 of the block of B, one panel after the other. */
static void pack_columns(const stage *s, int64_t j0, int64_t j1, real *packed) {
    const product *p = s->p;
    const int64_t n = j1 - j0, kc = s->kc, whole = p->b_col == 1 ? n / GEMM_NR * GEMM_NR : 0;
    const real *B = p->B + s->k0 * p->b_row + (s->j0 + j0) * p->b_col;
    for (int64_t k0 = 0; k0 < kc && whole; k0 += FEW) {
        const int64_t k1 = i64_min(kc, k0 + FEW);
        for (int64_t j = 0; j < whole; j += GEMM_NR)
            for (int64_t k = k0; k < k1; k++)
                for (int64_t v = 0; v < GEMM_NR; v += VL)
                    v_store(packed + j * kc + k * GEMM_NR + v, v_load(B + k * p->b_row + j + v));
    }
    for (int64_t j = whole; j < n; j += GEMM_NR)
        pack_panel(GEMM_NR, i64_min(GEMM_NR, n - j), kc, B + j * p->b_col, p->b_col, p->b_row, packed + j * kc);
}

/* Columns k0 ... k1 of all tiles of a transposed A: row k of `A` holds column k of every tile.  Rows lie far apart, so
 * a few of them serve a stripe of tiles before the next few, which are asked for ahead.  A whole vector writes beyond
 * its tile's column into the next ones, which are written later. */
static void pack_across(const stage *s, int64_t k_begin, int64_t k_end, const real *A, int64_t a_k) {
    const int64_t room = round_up(GEMM_MR, VL), beyond = ceil_div(room, GEMM_MR) - 1, stripe = 16;
    for (int64_t t0 = 0; t0 < s->tiles; t0 += stripe) {
        const int64_t t1 = i64_min(s->tiles, t0 + stripe), i0 = tile_row(s, t0), i1 = tile_row(s, t1);
        for (int64_t k0 = k_begin; k0 < k_end; k0 += FEW) {
            const int64_t k1 = i64_min(k_end, k0 + FEW);
            for (int64_t k = k1; k < i64_min(k_end, k1 + FEW); k++)
                for (int64_t i = i0; i < i1; i += 64 / (int64_t)sizeof(real)) CT_PREFETCH(A + k * a_k + i);
            for (int64_t t = t0; t < t1; t++) {
                const int64_t i = tile_row(s, t), n = tile_row(s, t + 1) - i;
                const int64_t whole = i + room <= s->mc ? i64_max(k0, i64_min(k1, k_end - beyond)) : k0;
                real *to = s->a + t * GEMM_MR * s->kc;
                for (int64_t k = k0; k < whole; k++)
                    for (int64_t v = 0; v < room; v += VL) v_store(to + k * GEMM_MR + v, v_load(A + i + k * a_k + v));
                for (int64_t k = whole; k < k1; k++)
                    for (int64_t j = 0; j < n; j++) to[k * GEMM_MR + j] = A[i + k * a_k + j];
            }
        }
    }
}

/* Packing that all workers share: first the parts of A, then those of B. */
static void pack_chunk(void *ctx, int64_t chunk) {
    const stage *s = ctx;
    const product *p = s->p;
    if (chunk >= s->a_parts) {
        const par_range j = par_chunk(s->nc, s->b_parts, chunk - s->a_parts, GEMM_NR);
        pack_columns(s, j.begin, j.end, s->b + j.begin * s->kc);
        return;
    }
    const real *A = p->A + s->i0 * p->a_row + s->k0 * p->a_col;
    if (p->a_row == 1) {
        const par_range k = par_chunk(s->kc, s->a_parts, chunk, FEW);
        pack_across(s, k.begin, k.end, A, p->a_col);
        return;
    }
    const par_range t = par_chunk(s->tiles, s->a_parts, chunk, 1);
    for (int64_t at = t.begin; at < t.end; at++) {
        const int64_t i = tile_row(s, at);
        pack_panel(GEMM_MR, tile_row(s, at + 1) - i, s->kc, A + i * p->a_row, p->a_row, p->a_col,
                   s->a + at * GEMM_MR * s->kc);
    }
}

/* Tiles t of A times columns j0 ... j1 of B, which are packed at b, or read as they lie where b is NULL. */
static void multiply(const stage *s, par_range t, int64_t j0, int64_t j1, const real *b) {
    const product *p = s->p;
    const int64_t kc = s->kc, b_k = b ? GEMM_NR : p->b_row;
    const real *A = p->A + s->i0 * p->a_row + s->k0 * p->a_col;
    for (int64_t j = j0; j < j1; j += GEMM_NR) {
        const real *B = p->B + s->k0 * p->b_row + (s->j0 + j) * p->b_col, *panel = b ? b + (j - j0) * kc : B;
        const int64_t columns = i64_min(GEMM_NR, j1 - j), nv = ceil_div(columns, VL);
        const int form = s->pack_a ? TILE_PACKED : !b && columns % VL ? TILE_RAGGED : TILE_ANY;
        for (int64_t k = kc; k < kc + s->ahead; k++) CT_PREFETCH(B + k * p->b_row);
        for (int64_t at = t.begin; at < t.end; at++) {
            const int64_t i = tile_row(s, at), n = tile_row(s, at + 1) - i;
            const tile_end e = end_of(p, s->i0 + i, s->j0 + j, s->first, s->last);
            tile_table[form][n - 1][nv - 1](kc, s->pack_a ? s->a + at * GEMM_MR * kc : A + i * p->a_row, p->a_row,
                                            p->a_col, panel, b_k, columns, p->C + (s->i0 + i) * p->c_row + s->j0 + j,
                                            p->c_row, &e);
        }
    }
}

static void multiply_chunk(void *ctx, int64_t chunk) {
    const stage *s = ctx;
    const par_range t = par_chunk(s->tiles, s->down, chunk / s->across, 1);
    const par_range j = par_chunk(s->nc, s->across, chunk % s->across, GEMM_NR);
    if (!s->own) {
        multiply(s, t, j.begin, j.end, s->b + j.begin * s->kc);
        return;
    }
    real *b = s->b + (s->p->serial ? 0 : ct_par_worker()) * s->kc * s->strip;
    for (int64_t j0 = j.begin; j0 < j.end; j0 += s->strip) {
        const int64_t j1 = i64_min(j.end, j0 + s->strip);
        pack_columns(s, j0, j1, b);
        multiply(s, t, j0, j1, b);
    }
}

/* K in blocks of nearly equal length, at most `most`. */
static int64_t k_block(int64_t K, int64_t most) {
    if (K <= 0) return 1;
    return i64_min(K, round_up(ceil_div(K, ceil_div(K, most)), 4));
}

/* Rows of A that are packed at a time. */
static int64_t m_block(int64_t M) { return ceil_div(M, ceil_div(M, MB)); }

/* Whether all of A stays in the second-level cache: then every worker packs its own columns of B as it comes to them,
 * and nobody reads them again. */
static int owns_columns(int64_t M, int64_t K) { return K <= KB && M * K * (int64_t)sizeof(real) <= OWN_BYTES; }

static int64_t strip_of(int64_t N, int64_t kb) {
    return i64_min(round_up(N, GEMM_NR), i64_max(1, STRIP_BYTES / (kb * GEMM_NR * (int64_t)sizeof(real))) * GEMM_NR);
}

static void packed(const product *p, int pack_a) {
    const int64_t kb = k_block(p->K, KB), mb = pack_a ? m_block(p->M) : p->M;
    stage s = {
        .p = p, .pack_a = pack_a, .own = pack_a && owns_columns(p->M, p->K), .strip = strip_of(p->N, kb), .b = p->work};
    const int64_t nb = s.own ? p->N : i64_min(round_up(p->N, GEMM_NR), NC);
    s.a = s.b + kb * (s.own ? (p->serial ? 1 : ct_par_threads()) * s.strip : nb);
    for (s.j0 = 0; s.j0 < p->N; s.j0 += nb) {
        s.nc = i64_min(nb, p->N - s.j0);
        for (s.k0 = 0; s.k0 < p->K; s.k0 += kb) {
            s.kc = i64_min(kb, p->K - s.k0);
            s.first = s.k0 == 0, s.last = s.k0 + s.kc >= p->K;
            for (s.i0 = 0; s.i0 < p->M; s.i0 += mb) {
                s.mc = i64_min(mb, p->M - s.i0);
                s.tiles = ceil_div(s.mc, GEMM_MR);
                s.a_parts = pack_a ? parts_of((double)(s.mc * s.kc) * 0.5, p->a_row == 1 ? s.kc / FEW : s.tiles) : 0;
                s.b_parts = !s.own && s.i0 == 0 ? parts_of((double)(s.kc * s.nc) * 0.3, ceil_div(s.nc, GEMM_NR)) : 0;
                if (s.a_parts <= 1 && s.b_parts <= 1)
                    for (int64_t c = 0; c < s.a_parts + s.b_parts; c++) pack_chunk(&s, c);
                else spread(p, s.a_parts + s.b_parts, pack_chunk, &s);
                /* blocks of rows that stay in the second-level cache, then fewer columns, for more threads */
                const int64_t chunks = parts_of(cost(s.mc, s.nc, s.kc), 32);
                s.down = s.own ? 1 : ceil_div(s.tiles, MC / GEMM_MR);
                if (chunks > 1 && !pack_a) s.down = i64_max(s.down, i64_min(chunks, ceil_div(s.tiles, 4)));
                s.across = i64_min(ceil_div(chunks, s.down), ceil_div(s.nc, (s.down > 1 ? 2 : 1) * GEMM_NR));
                spread(p, s.down * s.across, multiply_chunk, &s);
            }
        }
    }
}

/* ---- few rows and a large B with contiguous rows ---- */

static void stream_chunk(void *ctx, int64_t chunk) {
    stage s = *(const stage *)ctx;
    const product *p = s.p;
    const par_range j = par_chunk(p->N, s.across, chunk, GEMM_NR), t = {0, s.tiles};
    real *b = s.b + (p->serial ? 0 : ct_par_worker()) * i64_min(STREAM, p->K) * s.strip;
    for (int64_t j0 = j.begin; j0 < j.end; j0 += s.strip) {
        const int64_t j1 = i64_min(j.end, j0 + s.strip);
        for (s.k0 = 0; s.k0 < p->K; s.k0 += STREAM) {
            s.kc = i64_min(STREAM, p->K - s.k0);
            s.first = s.k0 == 0, s.last = s.k0 + s.kc >= p->K;
            s.ahead = i64_min(STREAM, p->K - s.k0 - s.kc);
            if (s.tiles > 1) pack_columns(&s, j0, j1, b); /* else it is read once */
            multiply(&s, t, j0, j1, s.tiles > 1 ? b : NULL);
        }
    }
}

/* B is read from memory once, a few whole rows at a time, which all rows of A pass over while the next ones come. */
static void stream(const product *p) {
    stage s = {.p = p, .mc = p->M, .nc = p->N, .tiles = ceil_div(p->M, GEMM_MR), .b = p->work};
    const double ns = cost(p->M, p->N, p->K) + (double)(p->N * p->K) * sizeof(real) / 24;
    s.across = parts_of(ns, i64_min(8, ceil_div(p->N, 4 * GEMM_NR)));
    s.strip = strip_of(p->N, STREAM);
    spread(p, s.across, stream_chunk, &s);
}

#endif

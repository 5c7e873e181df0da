/* gemm.c: matrix products. See gemm.h for what they compute, gemm_tile.h for the register tile.
 *
 * Which way a product goes depends on its sizes and strides alone:
 *
 *   one row or column    gemm_vector.h; every element of the matrix is read once, as it lies
 *   few rows, A @ B^T    gemm_vector.h; dot products of rows
 *   small                tiles straight from A and B
 *   few rows, large B    the same, B a few of its rows at a time
 *   B transposed         gemm_stage.h; B is packed, A is read as it lies
 *   large                gemm_stage.h; blocks of A and B are packed
 *   few outputs, long K  K is cut, parts are summed in order
 *
 * Floor: 2 MNK flops at VL * 2 a cycle and FMA unit.
 */
#include "../include/gemm.h"

#include "../include/gemm_product.h"
#include "../include/gemm_stage.h"
#include "../include/gemm_vector.h"

#define KC 512                 /* of K at a time */
#define FEW_ROWS (4 * GEMM_MR) /* of A, that a large B streams past */
#define MAX_SPLIT 16
#define DIRECT_BYTES (CT_REAL_DOUBLE ? 1600000 : 800000)

/* out[i * step] = the end of element i of row `row` (or of column `row` when `down`), whose product is y[i]. */
static void finish_line(const product *p, int64_t row, int64_t i0, int64_t n, const real *y, real *out, int64_t step,
                        int down) {
    const real *bias = p->epilogue ? p->epilogue->bias : NULL;
    const int each = bias && (p->epilogue->bias_rows != 0) == (down != 0);
    const int activation = p->epilogue ? p->epilogue->activation : CT_ACT_NONE;
    const real add = bias && !each ? bias[row] : 0, alpha = p->alpha, beta = p->beta;
    for (int64_t i = 0; i < n; i++) {
        real x = alpha * y[i];
        if (beta != 0) x = s_fma(beta, out[i * step], x);
        if (bias) x += each ? bias[i0 + i] : add;
        out[i * step] = x;
    }
    if (activation && step == 1) tile_activate(out, n, activation);
    if (activation && step != 1)
        for (int64_t i = 0; i < n; i++) tile_activate(out + i * step, 1, activation);
}

/* ---- tiles straight from A and B ---- */

static void direct_block(const product *p, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
    const int64_t rows = i1 - i0, tiles = ceil_div(rows, GEMM_MR);
    int64_t k0 = 0;
    do {
        const int64_t kc = p->K - k0 <= KC + KC / 2 ? p->K - k0 : KC;
        const int first = k0 == 0, last = k0 + kc >= p->K;
        for (int64_t j = j0; j < j1; j += GEMM_NR) {
            const int64_t columns = i64_min(GEMM_NR, j1 - j), nv = ceil_div(columns, VL);
            const tile_function *row = tile_table[columns % VL ? TILE_RAGGED : TILE_ANY][0] + (nv - 1);
            const real *b = p->B + k0 * p->b_row + j;
            int64_t i = i0;
            for (int64_t t = 1; t <= tiles; t++) {
                const int64_t next = i0 + rows * t / tiles;
                const tile_end e = end_of(p, i, j, first, last);
                row[(next - i - 1) * GEMM_NV](kc, p->A + i * p->a_row + k0 * p->a_col, p->a_row, p->a_col, b, p->b_row,
                                              columns, p->C + i * p->c_row + j, p->c_row, &e);
                i = next;
            }
        }
        k0 += kc;
    } while (k0 < p->K);
}

typedef struct {
    const product *p;
    int64_t across, down; /* chunks along N and along M */
} grid;

/* Cuts the tiles of C (M, N) into about `wanted` rectangles. */
static grid grid_of(const product *p, double wanted) {
    grid g = {p, 1, 1};
    const int64_t rows = ceil_div(p->M, GEMM_MR), panels = ceil_div(p->N, GEMM_NR);
    int64_t n = wanted > 64 ? 64 : (int64_t)wanted;
    if (n <= 1) return g;
    if (n > 4) n = round_up(n, 4);
    if (rows >= panels) {
        g.down = i64_min(n, ceil_div(rows, 2));
        if (g.down > 2) g.down -= g.down % 2;
        g.across = i64_min(panels, n / g.down);
    } else {
        g.across = i64_min(n, panels);
        if (g.across > 2) g.across -= g.across % 2;
        g.down = i64_min(ceil_div(rows, 2), n / g.across);
    }
    return g;
}

static void direct_chunk(void *ctx, int64_t chunk) {
    const grid *g = ctx;
    const par_range i = par_chunk(g->p->M, g->down, chunk / g->across, 1);
    const par_range j = par_chunk(g->p->N, g->across, chunk % g->across, GEMM_NR);
    if (i.begin < i.end && j.begin < j.end) direct_block(g->p, i.begin, i.end, j.begin, j.end);
}

static void direct(const product *p) {
    double ns = cost(p->M, p->N, p->K) + (double)(p->M * p->N) * 0.1;
    grid g = grid_of(p, ns / GRAIN);
    if (g.down * g.across == 1) direct_block(p, 0, p->M, 0, p->N);
    else spread(p, g.down * g.across, direct_chunk, &g);
}

/* ---- one row, one column, few rows ---- */

typedef struct {
    const product *p;
    int64_t n;     /* outputs */
    const real *x; /* (K), contiguous */
    const real *m; /* the matrix: element (k, j) at k * m_k + j * m_n */
    int64_t m_k, m_n;
    real *y;      /* (n) */
    int64_t step; /* outputs are this far apart in C */
    int column;   /* 1: C is a column */
    int64_t chunks;
} line;

static void line_chunk(void *ctx, int64_t chunk) {
    const line *l = ctx;
    const product *p = l->p;
    const par_range r = par_chunk(l->n, l->chunks, chunk, 8 * VL);
    const int64_t n = r.end - r.begin;
    if (n <= 0) return;
    real *y = l->y + r.begin;
    if (l->m_k == 1) rows_times_rows(1, n, p->K, l->x, 0, l->m + r.begin * l->m_n, l->m_n, y, 0);
    else vector_times(n, p->K, l->x, l->m + r.begin, l->m_k, y);
    finish_line(p, 0, r.begin, n, y, p->C + r.begin * l->step, l->step, l->column);
}

static void one_line(const product *p, int column) {
    line l = {.p = p, .column = column};
    int64_t x_step;
    if (column)
        l.n = p->M, l.x = p->B, x_step = p->b_row, l.m = p->A, l.m_k = p->a_col, l.m_n = p->a_row, l.step = p->c_row;
    else l.n = p->N, l.x = p->A, x_step = p->a_col, l.m = p->B, l.m_k = p->b_row, l.m_n = p->b_col, l.step = 1;
    l.y = p->work;
    if (x_step != 1) {
        real *x = p->work + round_up(l.n, 16);
        for (int64_t k = 0; k < p->K; k++) x[k] = l.x[k * x_step];
        l.x = x;
    }
    const double ns = (double)l.n * (double)p->K * sizeof(real) / 24; /* 24 bytes a nanosecond */
    l.chunks = ns > 2 * GRAIN ? i64_min(i64_min(32, (int64_t)(ns / GRAIN)), ceil_div(l.n, 8 * VL)) : 1;
    spread(p, l.chunks, line_chunk, &l);
}

/* C = a (M) b (N): every element is written once. */
static void outer_rows(const product *p, int64_t i0, int64_t i1) {
    const int64_t N = p->N, whole = N / VL * VL;
    const vtail tail = v_tail(N - whole);
    for (int64_t i = i0; i < i1; i++) {
        const vreal a = v_set1(p->alpha * p->A[i * p->a_row]), beta = v_set1(p->beta);
        real *c = p->C + i * p->c_row;
        if (p->beta == 0) {
            for (int64_t j = 0; j < whole; j += VL) v_store(c + j, a * v_load(p->B + j));
            if (whole < N) v_store_tail(c + whole, a * v_load_tail(p->B + whole, tail), tail);
        } else {
            for (int64_t j = 0; j < whole; j += VL) v_store(c + j, v_fma(a, v_load(p->B + j), beta * v_load(c + j)));
            if (whole < N)
                v_store_tail(c + whole, v_fma(a, v_load_tail(p->B + whole, tail), beta * v_load_tail(c + whole, tail)),
                             tail);
        }
    }
}
static void outer_chunk(void *ctx, int64_t chunk) {
    const grid *g = ctx;
    const par_range i = par_chunk(g->p->M, g->down, chunk, 1);
    outer_rows(g->p, i.begin, i.end);
}
static void outer(const product *p) {
    const double ns = (double)p->M * (double)p->N * sizeof(real) / 40; /* 40 bytes a nanosecond */
    grid g = {p, 1, ns > 2 * GRAIN ? i64_min(32, i64_min(p->M, (int64_t)(ns / GRAIN))) : 1};
    spread(p, g.down, outer_chunk, &g);
}

/* A @ B^T where both lie along K. */
static void dots_chunk(void *ctx, int64_t chunk) {
    const grid *g = ctx;
    const product *p = g->p;
    const par_range r = par_chunk(p->N, g->across, chunk, LANES);
    real y[4 * 256];
    for (int64_t j = r.begin; j < r.end; j += 256) {
        const int64_t n = i64_min(256, r.end - j);
        const int64_t groups = ceil_div(p->M, 4);
        for (int64_t t = 0; t < groups; t++) {
            const int64_t i = p->M * t / groups, m = p->M * (t + 1) / groups - i;
            rows_times_rows((int)m, n, p->K, p->A + i * p->a_row, p->a_row, p->B + j * p->b_col, p->b_col, y, 256);
            for (int64_t r4 = 0; r4 < m; r4++)
                finish_line(p, i + r4, j, n, y + r4 * 256, p->C + (i + r4) * p->c_row + j, 1, 0);
        }
    }
}
static void dots(const product *p) {
    const double ns = cost(p->M, p->N, p->K) * 1.5;
    grid g = {p, ns > 2 * GRAIN ? i64_min(i64_min(32, (int64_t)(ns / GRAIN)), ceil_div(p->N, 2 * LANES)) : 1, 1};
    spread(p, g.across, dots_chunk, &g);
}

/* ---- which way ---- */

/* How many parts K is cut into: more than one only for long sums with too few outputs to share out. */
static int64_t splits_of(int64_t M, int64_t N, int64_t K) {
    if (K < 4096) return 1;
    const int64_t tiles = M == 1   ? ceil_div(N, 8 * VL)
                          : N == 1 ? ceil_div(M, 8 * VL)
                                   : ceil_div(M, 2 * GEMM_MR) * ceil_div(N, GEMM_NR);
    if (tiles >= 8) return 1;
    const double flops = cost(M, N, K), bytes = (double)(M + N) * (double)K * sizeof(real) / 24;
    const double ns = flops > bytes ? flops : bytes;
    if (ns < 4 * GRAIN) return 1;
    int64_t parts = i64_min(MAX_SPLIT, K / 2048);
    if (ns / GRAIN < (double)parts) parts = (int64_t)(ns / GRAIN);
    return parts;
}

static int needs_packing(int64_t M, int64_t N, int64_t K) {
    return (M * K + K * N) * (int64_t)sizeof(real) > DIRECT_BYTES && K > 16;
}

static int64_t work_plain(int64_t M, int64_t N, int64_t K, int64_t workers) {
    /* a line, where its matrix has a unit stride; the sizes do not tell, so there is room for either way */
    const int64_t line = M == 1 || N == 1 ? round_up(i64_max(M, N), 16) + round_up(K, 16) : 0;
    /* B, then A, of a block of K; of a part of K, which may be shorter and need not keep a strip of B for a worker */
    const int64_t kb = i64_min(round_up(K, 4), KB), n = round_up(N, GEMM_NR);
    const int64_t strip = i64_min(kb * n, i64_max(STRIP_BYTES / (int64_t)sizeof(real), kb * GEMM_NR));
    const int64_t a = needs_packing(M, N, K) || M > 4 * GEMM_MR ? round_up(m_block(M), GEMM_MR) * kb : 0;
    const int64_t blocks = i64_max(kb * i64_min(n, NC), workers * strip) + a;
    return i64_max(line, blocks) * (int64_t)sizeof(real);
}

static int64_t work_for(int64_t M, int64_t N, int64_t K, int64_t workers) {
    if (M <= 0 || N <= 0) return 0;
    const int64_t splits = splits_of(M, N, K);
    if (splits == 1) return work_plain(M, N, K, workers);
    const int64_t each = round_up(work_plain(M, N, ceil_div(K, splits), 1), 64);
    return splits * (each + round_up(M * N * (int64_t)sizeof(real), 64));
}
static int64_t gemm_work(int64_t M, int64_t N, int64_t K) { return work_for(M, N, K, ct_par_threads()); }
static int64_t gemm_work_serial(int64_t M, int64_t N, int64_t K) { return work_for(M, N, K, 1); }

/* Whether packing B pays although it has unit stride and is small: where its panel falls on few sets of the first-level
 * cache (rows a multiple of 1 KiB apart), or its rows straddle lines and fill that cache, every tile reads it anew from
 * the second level. There must be tiles enough to share the cost. */
static int crowded(const product *p) {
    const int64_t apart = p->b_row * (int64_t)sizeof(real);
    return p->M >= 16 * GEMM_MR && p->K >= (apart % 1024 == 0 ? 128 : 192);
}

/* Rows of A that lie along K are read in place: six streams, which few panels of B go through. Packing makes up for the
 * sharing of cache sets by distant rows when there are many panels, and for a transposed A. */
static int packs_a(const product *p, int large) {
    if (p->M <= 4 * GEMM_MR) return 0;
    if (p->a_col == 1) return p->N > 16 * GEMM_NR;
    return large || (p->a_row != 1 && p->N >= 4 * GEMM_NR);
}

static void choose(const product *p) {
    const int64_t M = p->M, N = p->N, K = p->K;
    if (K == 1 && p->b_col == 1 && !p->epilogue && N >= VL) {
        outer(p);
        return;
    }
    if (M == 1 && (p->b_col == 1 || p->b_row == 1) && K > 1) {
        one_line(p, 0);
        return;
    }
    if (N == 1 && (p->a_row == 1 || p->a_col == 1) && K > 1) {
        one_line(p, 1);
        return;
    }
    const int unit = p->b_col == 1 && (GEMM_MASKED || N % VL == 0);
    if (p->a_col == 1 && p->b_row == 1 && p->b_col != 1 && M <= 8 && K >= 4 * VL) {
        dots(p);
        return;
    }
    const int large = needs_packing(M, N, K);
    if ((unit && !large && !crowded(p)) || K == 0) direct(p);
    else if (unit && large && M <= FEW_ROWS) stream(p);
    else packed(p, packs_a(p, large));
}

typedef struct {
    const product *p;
    int64_t parts, each; /* reals of workspace of each part */
} split;

static void split_chunk(void *ctx, int64_t chunk) {
    const split *s = ctx;
    product q = *s->p;
    const par_range k = par_chunk(q.K, s->parts, chunk, 16);
    q.K = k.end - k.begin;
    q.A += k.begin * q.a_col;
    q.B += k.begin * q.b_row;
    q.alpha = 1, q.beta = 0, q.epilogue = NULL, q.serial = 1;
    q.C = s->p->work + chunk * q.M * q.N;
    q.c_row = q.N;
    q.work = s->p->work + round_up(s->parts * q.M * q.N, 16) + chunk * s->each;
    choose(&q);
}

static void run(product *p) {
    if (p->M <= 0 || p->N <= 0) return;
    if (p->epilogue && !p->epilogue->bias && !p->epilogue->activation) p->epilogue = NULL;
    const int64_t parts = splits_of(p->M, p->N, p->K);
    if (parts == 1) {
        choose(p);
        return;
    }
    split s = {p, parts, round_up(work_plain(p->M, p->N, ceil_div(p->K, parts) + 16, 1), 64) / (int64_t)sizeof(real)};
    spread(p, parts, split_chunk, &s);
    real *sum = p->work;
    for (int64_t part = 1; part < parts; part++) {
        const real *q = p->work + part * p->M * p->N;
        for (int64_t i = 0; i < p->M * p->N; i++) sum[i] += q[i];
    }
    for (int64_t i = 0; i < p->M; i++) finish_line(p, i, 0, p->N, sum + i * p->N, p->C + i * p->c_row, 1, 0);
}

static void gemm(int64_t M, int64_t N, int64_t K, real alpha, const real *A, int64_t a_row, int64_t a_col,
                 const real *B, int64_t b_row, int64_t b_col, real beta, real *C, int64_t c_row,
                 const gemm_epilogue *epilogue, void *work) {
    product p = {M, N, K, alpha, A, a_row, a_col, B, b_row, b_col, beta, C, c_row, epilogue, work, 0};
    run(&p);
}
static void gemm_serial(int64_t M, int64_t N, int64_t K, real alpha, const real *A, int64_t a_row, int64_t a_col,
                        const real *B, int64_t b_row, int64_t b_col, real beta, real *C, int64_t c_row,
                        const gemm_epilogue *epilogue, void *work) {
    product p = {M, N, K, alpha, A, a_row, a_col, B, b_row, b_col, beta, C, c_row, epilogue, work, 1};
    run(&p);
}

/* ---- many small products ---- */

typedef struct {
    product p;
    int64_t count, chunks, a_batch, b_batch, c_batch, each; /* each: reals of workspace of a worker */
} batch;

static void batch_chunk(void *ctx, int64_t chunk) {
    const batch *b = ctx;
    const par_range r = par_chunk(b->count, b->chunks, chunk, 1);
    for (int64_t i = r.begin; i < r.end; i++) {
        product p = b->p;
        p.A += i * b->a_batch, p.B += i * b->b_batch, p.C += i * b->c_batch;
        p.work += ct_par_worker() * b->each;
        p.serial = 1;
        run(&p);
    }
}

/* Products that are large one by one run one after the other, each on all threads. */
static int one_by_one(int64_t count, int64_t M, int64_t N, int64_t K) {
    return count == 1 || (count < 16 && cost(M, N, K) > 32 * GRAIN);
}

static int64_t gemm_work_batch(int64_t count, int64_t M, int64_t N, int64_t K) {
    if (one_by_one(count, M, N, K)) return gemm_work(M, N, K);
    return ct_par_threads() * round_up(gemm_work_serial(M, N, K), 64);
}

static void gemm_batch(int64_t count, int64_t M, int64_t N, int64_t K, real alpha, const real *A, int64_t a_batch,
                       int64_t a_row, int64_t a_col, const real *B, int64_t b_batch, int64_t b_row, int64_t b_col,
                       real beta, real *C, int64_t c_batch, int64_t c_row, const gemm_epilogue *epilogue, void *work) {
    batch b = {{M, N, K, alpha, A, a_row, a_col, B, b_row, b_col, beta, C, c_row, epilogue, work, 0},
               count,
               1,
               a_batch,
               b_batch,
               c_batch,
               0};
    if (one_by_one(count, M, N, K)) {
        for (int64_t i = 0; i < count; i++) {
            product p = b.p;
            p.A += i * a_batch, p.B += i * b_batch, p.C += i * c_batch;
            run(&p);
        }
        return;
    }
    b.each = round_up(gemm_work_serial(M, N, K), 64) / (int64_t)sizeof(real);
    const double ns = (double)count * (cost(M, N, K) + (double)(M * N + M * K + K * N) * 0.1 + 20);
    if (ns > 2 * GRAIN) b.chunks = i64_min(count, i64_min(64, (int64_t)(ns / GRAIN)));
    par_for(b.chunks, batch_chunk, &b);
}

/* ---- implicit products ---- */

#define PANELS 4 /* panels of B that are packed before A passes over them */

static int64_t packed_bytes(int64_t M, int64_t K) { return ceil_div(M, GEMM_MR) * GEMM_MR * K * (int64_t)sizeof(real); }

static void pack_a(int64_t M, int64_t K, const real *A, int64_t a_row, int64_t a_col, real *packed) {
    const int64_t tiles = ceil_div(M, GEMM_MR), kb = k_block(K, KC);
    for (int64_t k0 = 0; k0 < K; k0 += kb) {
        const int64_t kc = i64_min(kb, K - k0);
        for (int64_t t = 0; t < tiles; t++) {
            const int64_t i = M * t / tiles, n = M * (t + 1) / tiles - i;
            pack_panel(GEMM_MR, n, kc, A + i * a_row + k0 * a_col, a_row, a_col,
                       packed + tiles * GEMM_MR * k0 + t * GEMM_MR * kc);
        }
    }
}

static int64_t gemm_work_packed(int64_t M CT_UNUSED, int64_t N, int64_t K) {
    return k_block(K, KC) * i64_min(round_up(N, GEMM_NR), PANELS * GEMM_NR) * (int64_t)sizeof(real);
}

static void gemm_packed(int64_t M, int64_t N, int64_t K, const real *packed, gemm_pack_b pack_b, const void *ctx,
                        int64_t j0, real beta, real *C, int64_t c_row, const gemm_epilogue *epilogue, void *work) {
    const product p = {.M = M, .N = N, .K = K, .alpha = 1, .beta = beta, .C = C, .c_row = c_row, .epilogue = epilogue};
    const int64_t tiles = ceil_div(M, GEMM_MR), kb = k_block(K, KC);
    for (int64_t j = 0; j < N; j += PANELS * GEMM_NR) {
        const int64_t end = i64_min(N, j + PANELS * GEMM_NR);
        for (int64_t k0 = 0; k0 == 0 || k0 < K; k0 += kb) {
            const int64_t kc = i64_min(kb, K - k0);
            for (int64_t q = j; q < end; q += GEMM_NR)
                pack_b(ctx, k0, kc, j0 + q, i64_min(GEMM_NR, end - q), (real *)work + (q - j) * kc);
            for (int64_t t = 0; t < tiles; t++) {
                const int64_t i = M * t / tiles, n = M * (t + 1) / tiles - i;
                for (int64_t q = j; q < end; q += GEMM_NR) {
                    const int64_t columns = i64_min(GEMM_NR, end - q), nv = ceil_div(columns, VL);
                    const tile_end e = end_of(&p, i, q, k0 == 0, k0 + kc >= K);
                    tile_table[TILE_PACKED][n - 1][nv - 1](kc, packed + tiles * GEMM_MR * k0 + t * GEMM_MR * kc, 1,
                                                           GEMM_MR, (real *)work + (q - j) * kc, GEMM_NR, columns,
                                                           C + i * c_row + q, c_row, &e);
                }
            }
        }
    }
}

const ct_gemm_api CT_NAME(ct_gemm) = {
    gemm_work, gemm,         gemm_serial, gemm_work_serial, gemm_work_batch, gemm_batch,
    GEMM_NR,   packed_bytes, pack_a,      gemm_work_packed, gemm_packed,
};

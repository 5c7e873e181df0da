/* glm.c: scores of linear models, loss and gradient of logistic regression.
 *
 * With scores s = W x + b, probabilities p = softmax(s) (K >= 2) or p = 1 / (1 + exp(-s)) (K = 1), the loss of one row
 * is log sum exp(s) - s_y, its gradient (p - onehot(y)) x^T.  The data is read once for loss and gradient together:
 * a block of rows that fits the cache gives scores, residuals and its share of the gradient.
 */
#include "../include/learn/glm.h"

#include <math.h>
#include <string.h>

#include "../include/learn/accumulate.h"
#include "../include/learn/vexp.h"
#include "../include/par.h"
#include "../include/simd.h"

#define BLOCK_BYTES 196608
#define MAX_CHUNKS 32
#define KT 5 /* classes in a register tile */
#define RT 4 /* at most so many rows in a tile of scores, and vectors of columns in one of gradients */

/* How many of them: tile * nk accumulators, tile operands and one more fit the registers. */
CT_INLINE int tile_of(int64_t nk) { return VBYTES == 64 || nk <= 2 ? RT : 2; }

static int64_t block_rows(int64_t p) {
    int64_t rows = BLOCK_BYTES / (i64_max(p, 1) * (int64_t)sizeof(real)) / 4 * 4;
    return i64_max(4, i64_min(256, rows));
}

/* ------------------------------------------------------------------------------------------------- scores of a block
 */

/* S[r, k] = X[r] . W[k] + b[k] for `nr` rows and `nk` classes, both known to the compiler. */
CT_INLINE void scores_tile(real *restrict S, int64_t s_row, const real *restrict X, int64_t x_row,
                           const real *restrict W, int64_t w_row, const real *restrict b, int64_t p, const int nr,
                           const int nk) {
    vreal acc[RT][KT];
#pragma GCC unroll 8
    for (int r = 0; r < nr; r++)
#pragma GCC unroll 8
        for (int k = 0; k < nk; k++) acc[r][k] = v_zero();
    int64_t whole = p / VL * VL;
    for (int64_t j = 0; j < whole; j += VL) {
        vreal x[RT];
#pragma GCC unroll 8
        for (int r = 0; r < nr; r++) {
            x[r] = v_load(X + r * x_row + j);
            CT_PREFETCH(X + (r + 16) * x_row + j); /* some rows ahead: short rows outrun the hardware */
        }
#pragma GCC unroll 8
        for (int k = 0; k < nk; k++) {
            vreal w = v_load(W + k * w_row + j);
#pragma GCC unroll 8
            for (int r = 0; r < nr; r++) acc[r][k] = v_fma(x[r], w, acc[r][k]);
        }
    }
    if (whole < p) {
        vreal x[RT];
#pragma GCC unroll 8
        for (int r = 0; r < nr; r++) x[r] = v_load_part(X + r * x_row + whole, p - whole);
#pragma GCC unroll 8
        for (int k = 0; k < nk; k++) {
            vreal w = v_load_part(W + k * w_row + whole, p - whole);
#pragma GCC unroll 8
            for (int r = 0; r < nr; r++) acc[r][k] = v_fma(x[r], w, acc[r][k]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < nr; r++)
#pragma GCC unroll 8
        for (int k = 0; k < nk; k++) S[r * s_row + k] = lanes_sum(acc[r][k]) + (b ? b[k] : 0);
}

static void scores_block(real *S, int64_t s_row, const real *X, int64_t x_row, const real *W, int64_t w_row,
                         const real *b, int64_t rows, int64_t p, int64_t K) {
    for (int64_t k = 0; k < K; k += KT) {
        const real *w = W + k * w_row, *bk = b ? b + k : NULL;
        int64_t r = 0, nk = i64_min(KT, K - k);
#define TILE(nr, nk_) scores_tile(S + r * s_row + k, s_row, X + r * x_row, x_row, w, w_row, bk, p, nr, nk_)
#define ROWS(nk_)                                                                \
    for (; r + tile_of(nk_) <= rows; r += tile_of(nk_)) TILE(tile_of(nk_), nk_); \
    for (; r < rows; r++) TILE(1, nk_);                                          \
    break;
        switch (nk) {
        case 1: ROWS(1)
        case 2: ROWS(2)
        case 3: ROWS(3)
        case 4: ROWS(4)
        default: ROWS(5)
        }
#undef TILE
#undef ROWS
    }
}

/* exp of a contiguous run, in place */
static void exp_run(real *x, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) v_store(x + i, v_exp(v_load(x + i)));
    if (i < n) v_store_part(x + i, v_exp(v_load_part(x + i, n - i)), n - i);
}

/* Scores to probabilities in place; returns nothing about the loss. S is (rows, K) with row stride K. */
static void link_block(real *S, int64_t rows, int64_t K) {
    if (K == 1) {
        for (int64_t r = 0; r < rows; r++) S[r] = -S[r];
        exp_run(S, rows);
        for (int64_t r = 0; r < rows; r++) S[r] = 1 / (1 + S[r]);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        real *s = S + r * K, top = s[0];
        for (int64_t k = 1; k < K; k++) top = s[k] > top ? s[k] : top;
        for (int64_t k = 0; k < K; k++) s[k] -= top;
    }
    exp_run(S, rows * K);
    for (int64_t r = 0; r < rows; r++) {
        real *s = S + r * K, sum = 0;
        for (int64_t k = 0; k < K; k++) sum += s[k];
        for (int64_t k = 0; k < K; k++) s[k] /= sum;
    }
}

/* ------------------------------------------------------------------------------------------------------ scores, public
 */

typedef struct {
    real *S;
    const real *X, *W, *b, *data;
    const int32_t *indices, *indptr;
    int64_t s_row, x_row, w_row, n, p, K, chunks;
    int link;
} scores_ctx;

static int64_t scores_work(int64_t n CT_UNUSED, int64_t p CT_UNUSED, int64_t K CT_UNUSED) { return 0; }

static void scores_chunk(void *ctx, int64_t chunk) {
    const scores_ctx *c = ctx;
    int64_t step = block_rows(c->p);
    par_range range = par_chunk(c->n, c->chunks, chunk, 4);
    for (int64_t r = range.begin; r < range.end; r += step) {
        int64_t rows = i64_min(step, range.end - r);
        real *S = c->S + r * c->s_row;
        scores_block(S, c->s_row, c->X + r * c->x_row, c->x_row, c->W, c->w_row, c->b, rows, c->p, c->K);
        if (c->link)
            for (int64_t i = 0; i < (c->s_row == c->K ? 1 : rows); i++)
                link_block(S + i * c->s_row, c->s_row == c->K ? rows : 1, c->K);
    }
}

static void scores(real *S, int64_t s_row, const real *X, int64_t x_row, const real *W, int64_t w_row, const real *b,
                   int link, int64_t n, int64_t p, int64_t K, void *work CT_UNUSED) {
    scores_ctx c = {S, X, W, b, NULL, NULL, NULL, s_row, x_row, w_row, n, p, K, 1, link};
    c.chunks = par_count(n, 0.1 * (double)p * (double)(K + 1), 64);
    ct_par_for(c.chunks, scores_chunk, &c);
}

CT_INLINE void csr_row(real *restrict s, const real *data, const int32_t *indices, int64_t begin, int64_t end,
                       const real *restrict Wt, const real *b, int64_t K) {
    for (int64_t k = 0; k < K; k++) s[k] = b ? b[k] : 0;
    if (K == 1) {
        double sum = 0;
        for (int64_t e = begin; e < end; e++) sum += (double)data[e] * (double)Wt[indices[e]];
        s[0] += (real)sum;
    } else
        for (int64_t e = begin; e < end; e++) {
            const real *w = Wt + (int64_t)indices[e] * K;
            for (int64_t k = 0; k < K; k++) s[k] = s_fma(data[e], w[k], s[k]);
        }
}

static void scores_csr_chunk(void *ctx, int64_t chunk) {
    const scores_ctx *c = ctx;
    par_range range = par_chunk(c->n, c->chunks, chunk, 4);
    for (int64_t r = range.begin; r < range.end; r++) {
        real *s = c->S + r * c->s_row;
        csr_row(s, c->data, c->indices, c->indptr[r], c->indptr[r + 1], c->W, c->b, c->K);
        if (c->link) link_block(s, 1, c->K);
    }
}

static void scores_csr(real *S, int64_t s_row, const real *data, const int32_t *indices, const int32_t *indptr,
                       const real *Wt, const real *b, int link, int64_t n, int64_t K) {
    scores_ctx c = {S, NULL, Wt, b, data, indices, indptr, s_row, 0, 0, n, 0, K, 1, link};
    double per_row = n ? (double)(indptr[n] - indptr[0]) / (double)n : 0;
    c.chunks = par_count(n, (per_row + 4) * (double)K, 64);
    ct_par_for(c.chunks, scores_csr_chunk, &c);
}

/* --------------------------------------------------------------------------------------------------- loss and gradient
 */

/* Turn the scores of a block into weighted residuals, in place, and add up the loss.  The logarithms of many rows are
 * taken at once, as the logarithm of the product of their arguments: each argument is in [1, K]. */
static double residual_block(real *restrict S, real *restrict P, const int32_t *restrict y, const real *restrict w,
                             int64_t rows, int64_t K) {
    double loss = 0, product = 1;
    if (K == 1) {
        real e[256], s_at[256];
        for (int64_t r = 0; r < rows; r++) {
            s_at[r] = S[r];
            e[r] = -(real)fabs((double)S[r]);
        }
        exp_run(e, rows);
        for (int64_t r = 0; r < rows; r++) { /* e = exp(-|s|); loss = max(s, 0) - y s + log(1 + e) */
            real s = s_at[r], q = 1 / (1 + e[r]), p = s >= 0 ? q : e[r] * q;
            double weight = w ? (double)w[r] : 1.0;
            double linear = (s > 0 ? (double)s : 0.0) - (y[r] ? (double)s : 0.0);
            if (w) loss += weight * (linear + log1p((double)e[r]));
            else {
                loss += linear;
                product *= 1.0 + (double)e[r];
            }
            if (P) P[r] = p;
            S[r] = (real)weight * (p - (real)(y[r] != 0));
        }
        return w ? loss : loss + log(product);
    }
    for (int64_t r = 0; r < rows; r++) {
        real *s = S + r * K, top = s[0];
        for (int64_t k = 1; k < K; k++) top = s[k] > top ? s[k] : top;
        for (int64_t k = 0; k < K; k++) s[k] -= top;
        loss -= (w ? (double)w[r] : 1.0) * (double)s[y[r]];
    }
    exp_run(S, rows * K);
    for (int64_t r = 0; r < rows; r++) {
        real *s = S + r * K, sum = 0;
        for (int64_t k = 0; k < K; k++) sum += s[k];
        if (w) loss += (double)w[r] * log((double)sum);
        else {
            product *= (double)sum;
            if (product > 1e200 || !(product > 0)) {
                loss += log(product);
                product = 1;
            }
        }
        real scale = 1 / sum;
        if (P)
            for (int64_t k = 0; k < K; k++) P[r * K + k] = s[k] * scale;
        for (int64_t k = 0; k < K; k++) s[k] *= scale;
        s[y[r]] -= 1;
        if (w)
            for (int64_t k = 0; k < K; k++) s[k] *= w[r];
    }
    return loss + log(product);
}

/* G[k, j] += sum_r S[r, k] X[r, j] for nk classes and nv vectors of columns, both known to the compiler. */
CT_INLINE void grad_tile(double *restrict G, int64_t g_row, const real *restrict S, int64_t K, const real *restrict X,
                         int64_t x_row, int64_t rows, const int nk, const int nv, int64_t part) {
    vreal acc[KT][RT];
#pragma GCC unroll 8
    for (int k = 0; k < nk; k++)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) acc[k][v] = v_zero();
    for (int64_t r = 0; r < rows; r++) {
        vreal x[RT];
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) x[v] = part ? v_load_part(X + r * x_row, part) : v_load(X + r * x_row + v * VL);
#pragma GCC unroll 8
        for (int k = 0; k < nk; k++) {
            vreal s = v_set1(S[r * K + k]);
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++) acc[k][v] = v_fma(s, x[v], acc[k][v]);
        }
    }
#pragma GCC unroll 8
    for (int k = 0; k < nk; k++)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) {
            if (!part) {
                accumulate(G + k * g_row + v * VL, acc[k][v]);
                continue;
            }
            real row[VBYTES / sizeof(real)];
            v_store(row, acc[k][v]);
            for (int i = 0; i < part; i++) G[k * g_row + i] += (double)row[i];
        }
}

CT_INLINE void grad_classes(double *G, int64_t p, const real *S, int64_t K, const real *X, int64_t x_row, int64_t rows,
                            const int nk) {
    int64_t j = 0;
    const int nv = tile_of(nk);
    for (; j + nv * VL <= p; j += nv * VL) grad_tile(G + j, p, S, K, X + j, x_row, rows, nk, nv, 0);
    for (; j + VL <= p; j += VL) grad_tile(G + j, p, S, K, X + j, x_row, rows, nk, 1, 0);
    if (j < p) grad_tile(G + j, p, S, K, X + j, x_row, rows, nk, 1, p - j);
}

static void grad_block(double *G, const real *S, const real *X, int64_t x_row, int64_t rows, int64_t p, int64_t K) {
    for (int64_t k = 0; k < K; k += KT) switch (i64_min(KT, K - k)) {
        case 1: grad_classes(G + k * p, p, S + k, K, X, x_row, rows, 1); break;
        case 2: grad_classes(G + k * p, p, S + k, K, X, x_row, rows, 2); break;
        case 3: grad_classes(G + k * p, p, S + k, K, X, x_row, rows, 3); break;
        case 4: grad_classes(G + k * p, p, S + k, K, X, x_row, rows, 4); break;
        default: grad_classes(G + k * p, p, S + k, K, X, x_row, rows, 5);
        }
}

typedef struct {
    real *P;
    const real *X, *W, *b, *w, *data;
    const int32_t *y, *indices, *indptr;
    int64_t x_row, n, p, K, chunks, each;
    char *work;
} loss_ctx;

/* Each chunk has: loss (1), g (K), G (K p) in double, then the scores of a block. */
static int64_t loss_each(int64_t p, int64_t K, int64_t rows) {
    return round_up((1 + K + K * p) * (int64_t)sizeof(double), 64) + round_up(rows * K * (int64_t)sizeof(real), 64);
}
static int64_t loss_chunks(int64_t n, double cost, int64_t p, int64_t K) {
    int64_t most = ((int64_t)64 << 20) / loss_each(p, K, 256); /* bound the memory of partial gradients */
    return par_count(n, cost, i64_max(2, i64_min(MAX_CHUNKS, most)));
}
static int64_t dense_chunks(int64_t n, int64_t p, int64_t K) {
    return loss_chunks(n, 0.05 * (double)p * (double)K + 5.0 * (double)K, p, K);
}
static int64_t loss_work(int64_t n, int64_t p, int64_t K) { return dense_chunks(n, p, K) * loss_each(p, K, 256) + 64; }

static void loss_chunk(void *ctx, int64_t chunk) {
    const loss_ctx *c = ctx;
    int64_t K = c->K, p = c->p, step = block_rows(p);
    double *sums = (double *)(c->work + chunk * c->each), *g = sums + 1, *G = g + K;
    real *S = (real *)(c->work + chunk * c->each + round_up((1 + K + K * p) * (int64_t)sizeof(double), 64));
    memset(sums, 0, (size_t)(1 + K + K * p) * sizeof(double));
    par_range range = par_chunk(c->n, c->chunks, chunk, 4);
    for (int64_t r = range.begin; r < range.end; r += step) {
        int64_t rows = i64_min(step, range.end - r);
        const real *X = c->X + r * c->x_row;
        scores_block(S, K, X, c->x_row, c->W, p, c->b, rows, p, K);
        sums[0] += residual_block(S, c->P ? c->P + r * K : NULL, c->y + r, c->w ? c->w + r : NULL, rows, K);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t k = 0; k < K; k++) g[k] += (double)S[i * K + k];
        grad_block(G, S, X, c->x_row, rows, p, K);
    }
}

static double loss_finish(const loss_ctx *c, double *G, double *g) {
    int64_t size = c->K * c->p;
    double loss = 0;
    memset(G, 0, (size_t)size * sizeof(double));
    memset(g, 0, (size_t)c->K * sizeof(double));
    for (int64_t chunk = 0; chunk < c->chunks; chunk++) {
        const double *sums = (const double *)(c->work + chunk * c->each);
        loss += sums[0];
        for (int64_t k = 0; k < c->K; k++) g[k] += sums[1 + k];
        for (int64_t i = 0; i < size; i++) G[i] += sums[1 + c->K + i];
    }
    return loss;
}

static double loss_dense(double *G, double *g, real *P, const real *X, int64_t x_row, const int32_t *y, const real *w,
                         const real *W, const real *b, int64_t n, int64_t p, int64_t K, void *work) {
    loss_ctx c = {P,   X, W, b, w, NULL, y, NULL, NULL, x_row, n, p, K, dense_chunks(n, p, K), loss_each(p, K, 256),
                  NULL};
    c.work = (char *)(((uintptr_t)work + 63) / 64 * 64);
    ct_par_for(c.chunks, loss_chunk, &c);
    return loss_finish(&c, G, g);
}

/* CSR: the chunk count may not depend on the number of entries, which is unknown when work is asked for. */
static int64_t csr_chunks(int64_t n, int64_t p, int64_t K) { return loss_chunks(n, 100.0 * (double)K, p, K); }
static int64_t loss_csr_work(int64_t n, int64_t p, int64_t K) {
    return csr_chunks(n, p, K) * loss_each(p, K, 256) + 64;
}

static void loss_csr_chunk(void *ctx, int64_t chunk) {
    const loss_ctx *c = ctx;
    int64_t K = c->K, p = c->p;
    double *sums = (double *)(c->work + chunk * c->each), *g = sums + 1, *G = g + K;
    real *S = (real *)(c->work + chunk * c->each + round_up((1 + K + K * p) * (int64_t)sizeof(double), 64));
    memset(sums, 0, (size_t)(1 + K + K * p) * sizeof(double));
    par_range range = par_chunk(c->n, c->chunks, chunk, 4);
    for (int64_t r = range.begin; r < range.end; r += 256) {
        int64_t rows = i64_min(256, range.end - r);
        for (int64_t i = 0; i < rows; i++)
            csr_row(S + i * K, c->data, c->indices, c->indptr[r + i], c->indptr[r + i + 1], c->W, c->b, K);
        sums[0] += residual_block(S, c->P ? c->P + r * K : NULL, c->y + r, c->w ? c->w + r : NULL, rows, K);
        for (int64_t i = 0; i < rows; i++) {
            const real *s = S + i * K;
            for (int64_t k = 0; k < K; k++) g[k] += (double)s[k];
            for (int64_t e = c->indptr[r + i]; e < c->indptr[r + i + 1]; e++) {
                double *out = G + (int64_t)c->indices[e] * K;
                for (int64_t k = 0; k < K; k++) out[k] += (double)c->data[e] * (double)s[k];
            }
        }
    }
}

static double loss_csr(double *Gt, double *g, real *P, const real *data, const int32_t *indices, const int32_t *indptr,
                       const int32_t *y, const real *w, const real *Wt, const real *b, int64_t n, int64_t p, int64_t K,
                       void *work) {
    loss_ctx c = {P,   NULL, Wt, b, w, data, y, indices, indptr, 0, n, p, K, csr_chunks(n, p, K), loss_each(p, K, 256),
                  NULL};
    c.work = (char *)(((uintptr_t)work + 63) / 64 * 64);
    ct_par_for(c.chunks, loss_csr_chunk, &c);
    return loss_finish(&c, Gt, g);
}

/* ------------------------------------------------------------------------------------------------------------- S^T X
 */

static void outer_chunk(void *ctx, int64_t chunk) {
    const loss_ctx *c = ctx;
    double *sums = (double *)(c->work + chunk * c->each), *G = sums + 1 + c->K;
    memset(sums, 0, (size_t)(1 + c->K + c->K * c->p) * sizeof(double));
    par_range range = par_chunk(c->n, c->chunks, chunk, 4);
    int64_t step = block_rows(c->p);
    for (int64_t r = range.begin; r < range.end; r += step)
        grad_block(G, c->P + r * c->K, c->X + r * c->x_row, c->x_row, i64_min(step, range.end - r), c->p, c->K);
}

static void outer(double *G, const real *S, const real *X, int64_t x_row, int64_t n, int64_t p, int64_t K, void *work) {
    loss_ctx c = {(real *)S,
                  X,
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  x_row,
                  n,
                  p,
                  K,
                  dense_chunks(n, p, K),
                  loss_each(p, K, 256),
                  NULL};
    c.work = (char *)(((uintptr_t)work + 63) / 64 * 64);
    ct_par_for(c.chunks, outer_chunk, &c);
    memset(G, 0, (size_t)(K * p) * sizeof(double));
    for (int64_t chunk = 0; chunk < c.chunks; chunk++) {
        const double *part = (const double *)(c.work + chunk * c.each) + 1 + K;
        for (int64_t i = 0; i < K * p; i++) G[i] += part[i];
    }
}

static void link_chunk(void *ctx, int64_t chunk) {
    const scores_ctx *c = ctx;
    par_range range = par_chunk(c->n, c->chunks, chunk, 4);
    link_block(c->S + range.begin * c->K, range.end - range.begin, c->K);
}

static void link_all(real *S, int64_t n, int64_t K) {
    scores_ctx c = {S, NULL, NULL, NULL, NULL, NULL, NULL, K, 0, 0, n, 0, K, par_count(n, 3.0 * (double)K, 64), 1};
    ct_par_for(c.chunks, link_chunk, &c);
}

const ct_glm_api CT_NAME(ct_glm) = {scores_work, scores,        scores_csr, loss_work, loss_dense,
                                    loss_csr,    loss_csr_work, outer,      link_all};

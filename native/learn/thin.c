/* thin.c: X Q and X^T Y, where Q and Y have few columns.
 *
 * The randomised range finder (Halko, Martinsson, Tropp 2011) is made of these two products.  X is read once for each,
 * straight from its rows, and never copied: a general product packs it, which costs as much as the product itself.
 */
#include "../include/learn/thin.h"

#include <string.h>

#include "../include/learn/gram_tile.h"
#include "../include/learn/panel.h"
#include "../include/par.h"

#define MAX_CHUNKS 32

typedef struct {
    real *Y;
    const real *X, *Q, *offset, *mean, *sums;
    int64_t x_row, n, p, K, chunks;
    int64_t parts; /* of the rows, in X^T Y */
    char *work;
} thin_ctx;

static int64_t tall_chunks(int64_t n, int64_t p, int64_t K) {
    return par_count(n, 0.02 * (double)p * (double)K + 1, MAX_CHUNKS);
}

/* X^T Y is cut by rows, and by columns of X into pieces that are long enough to read from memory. */
static int64_t column_chunks(int64_t p) { return i64_min(8, ceil_div(p, 8 * NR)); }
static int64_t row_parts(int64_t n, int64_t p, int64_t K) {
    int64_t most = i64_max(1, MAX_CHUNKS / column_chunks(p));
    return i64_max(1, i64_min(par_count(n, 0.02 * (double)p * (double)K + 1, most), n / (8 * KB)));
}
static int64_t part_width(int64_t p) { return round_up(ceil_div(ceil_div(p, NR), column_chunks(p)) * NR, NR); }
static int64_t sums_bytes(int64_t p, int64_t K) { return round_up(K, MR) * part_width(p) * (int64_t)sizeof(double); }
static int64_t block_bytes(int64_t K) { return round_up(KB * (NR + round_up(K, MR)) * (int64_t)sizeof(real), 64); }

static int64_t thin_work(int64_t n, int64_t p, int64_t K) {
    int64_t times = panel_size(K, p) * (int64_t)sizeof(real);
    int64_t transposed = row_parts(n, p, K) * column_chunks(p) * (round_up(sums_bytes(p, K), 64) + block_bytes(K));
    return i64_max(times, transposed) + 64;
}

static void *aligned(void *work) { return (void *)(((uintptr_t)work + 63) / 64 * 64); }

/* ---- X Q ---- */

CT_INLINE void times_rows(const thin_ctx *c, const int vecs, const real *const x[PANEL_ROWS], int count, int64_t i,
                          int64_t j0) {
    panel_acc acc = {0};
    panel_dot(vecs, c->p, x, 1, c->Q + j0 * c->p, PANEL_WIDTH, &acc);
    real out[VBYTES / sizeof(real) * PANEL_VECS] = {0};
    for (int r = 0; r < count; r++) {
        for (int v = 0; v < vecs; v++) v_store(out + v * VL, acc.at[r][v]);
        int64_t width = i64_min(PANEL_WIDTH, c->K - j0);
        for (int64_t j = 0; j < width; j++) c->Y[(i + r) * c->K + j0 + j] = out[j] - c->offset[j0 + j];
    }
}

static void times_chunk(void *ctx, int64_t chunk) {
    const thin_ctx *c = ctx;
    par_range range = par_chunk(c->n, c->chunks, chunk, PANEL_ROWS);
    for (int64_t i = range.begin; i < range.end; i += PANEL_ROWS) {
        const real *x[PANEL_ROWS];
        int count = panel_rows(c->n, c->X, c->x_row, i, x);
        for (int64_t j = 0; j < panel_count(c->K); j++)
            if (panel_vecs(c->K, j) == 1) times_rows(c, 1, x, count, i, j * PANEL_WIDTH);
            else times_rows(c, PANEL_VECS, x, count, i, j * PANEL_WIDTH);
    }
}

static void times(real *Y, const real *X, int64_t x_row, const real *Q, const real *offset, int64_t n, int64_t p,
                  int64_t K, void *work) {
    real *packed = aligned(work); /* (panels, p, PANEL_WIDTH) */
    for (int64_t j0 = 0; j0 < K; j0 += PANEL_WIDTH)
        for (int64_t k = 0; k < p; k++)
            for (int64_t j = 0; j < PANEL_WIDTH; j++)
                packed[j0 * p + k * PANEL_WIDTH + j] = j0 + j < K ? Q[k * K + j0 + j] : 0;
    thin_ctx c = {.Y = Y,
                  .X = X,
                  .Q = packed,
                  .offset = offset,
                  .x_row = x_row,
                  .n = n,
                  .p = p,
                  .K = K,
                  .chunks = tall_chunks(n, p, K)};
    par_for(c.chunks, times_chunk, &c);
}

/* ---- X^T Y ---- */

static void transposed_chunk(void *ctx, int64_t chunk) {
    const thin_ctx *c = ctx;
    int64_t columns = column_chunks(c->p), KK = round_up(c->K, MR), width = part_width(c->p);
    double *sums = (double *)(c->work + chunk * (round_up(sums_bytes(c->p, c->K), 64) + block_bytes(c->K)));
    real *A = (real *)((char *)sums + round_up(sums_bytes(c->p, c->K), 64)), *B = A + KB * KK;
    memset(sums, 0, (size_t)sums_bytes(c->p, c->K));
    par_range range = par_chunk(c->n, c->parts, chunk / columns, 1), at = par_chunk(c->p, columns, chunk % columns, NR);
    for (int64_t begin = range.begin; begin < range.end; begin += KB) {
        int64_t rows = i64_min(KB, range.end - begin), ahead = begin + rows;
        for (int64_t k = 0; k < rows; k++)
            for (int64_t i = 0; i < KK; i++) A[k * KK + i] = i < c->K ? c->Q[(begin + k) * c->K + i] : 0;
        for (int64_t j0 = at.begin; j0 < at.end; j0 += NR) {
            int64_t own = i64_min(NR, at.end - j0), vecs = ceil_div(own, VL);
            for (int64_t k = 0; k < rows; k++) {
                const real *x = c->X + (begin + k) * c->x_row + j0;
                if (own == NR)
                    for (int v = 0; v < NV; v++) v_store(B + k * NR + v * VL, v_load(x + v * VL));
                else
                    for (int64_t j = 0; j < vecs * VL; j++) B[k * NR + j] = j < own ? x[j] : 0;
            }
            int64_t share = 1 + KB * NR / (at.end - at.begin); /* rows of the next block, fetched beside this panel */
            for (int64_t r = 0; r < share && ahead < range.end && ahead < begin + 2 * KB; r++, ahead++)
                for (int64_t j = at.begin; j < at.end; j += 64 / (int64_t)sizeof(real))
                    CT_PREFETCH(c->X + ahead * c->x_row + j);
            for (int64_t i = 0; i < c->K; i += MR)
                gram_tiles(vecs, sums + i * width + j0 - at.begin, width, A + i, B, KK, NR, rows);
        }
    }
}

static void transposed_times(real *Z, const real *X, int64_t x_row, const real *Y, const real *mean, const real *sums,
                             int64_t n, int64_t p, int64_t K, void *work) {
    int64_t columns = column_chunks(p), width = part_width(p);
    thin_ctx c = {
        .X = X, .Q = Y, .x_row = x_row, .n = n, .p = p, .K = K, .parts = row_parts(n, p, K), .work = aligned(work)};
    par_for(c.parts * columns, transposed_chunk, &c);
    for (int64_t chunk = 0; chunk < columns; chunk++) {
        par_range at = par_chunk(p, columns, chunk, NR);
        for (int64_t j = at.begin; j < at.end; j++)
            for (int64_t i = 0; i < K; i++) {
                double sum = 0;
                for (int64_t part = 0; part < c.parts; part++) {
                    int64_t each = round_up(sums_bytes(p, K), 64) + block_bytes(K);
                    sum += ((const double *)(c.work + (part * columns + chunk) * each))[i * width + j - at.begin];
                }
                Z[j * K + i] = (real)(sum - (double)mean[j] * (double)sums[i]);
            }
    }
}

const ct_thin_api CT_NAME(ct_thin) = {thin_work, times, transposed_times};

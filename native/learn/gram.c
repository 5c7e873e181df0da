/* gram.c: weighted Gram matrix of shifted rows, in one pass.
 *
 * Normal equations, covariances and coordinate descent need sums of products of centred columns.  The data is read
 * once: a block of rows is shifted by values near the means (the caller takes them from a sample of rows, and corrects
 * exactly afterwards: Chan, Golub, LeVeque 1983), scaled by the root of the weights, packed into panels that stay in
 * cache, and multiplied with itself, lower triangle only.
 */
#include "../include/learn/gram.h"

#include <math.h>
#include <string.h>

#include "../include/learn/gram_tile.h"
#include "../include/par.h"
#include "../include/simd.h"

#define MAX_CHUNKS 32
#define PARTIAL_BYTES ((int64_t)64 << 20) /* all partial sums together */

static int64_t padded(int64_t P) { return round_up(P, NR); }

/* What a chunk keeps: G (PP, PP), the sums of z (PP) and of the weights in double, then a packed block. */
static int64_t sums_bytes(int64_t P) { return round_up((padded(P) * padded(P) + padded(P) + 8) * 8, 64); }
static int64_t chunk_bytes(int64_t P) {
    return sums_bytes(P) + round_up((padded(P) + 1) * KB * (int64_t)sizeof(real), 64);
}
static int64_t shift_bytes(int64_t P) { return round_up(padded(P) * (int64_t)sizeof(real), 64); }

static int64_t chunk_count(int64_t n, int64_t P) {
    int64_t most = PARTIAL_BYTES / (padded(P) * padded(P) * (int64_t)sizeof(double));
    most = i64_max(2, i64_min(MAX_CHUNKS, most));
    int64_t count = par_count(n, 0.02 * (double)P * (double)P + 1.0, most);
    return i64_max(1, i64_min(count, n / (8 * KB))); /* zeroing and adding partial sums stays a tenth of the work */
}

static int64_t gram_work(int64_t n, int64_t p, int64_t t) {
    return shift_bytes(p + t) + chunk_count(n, p + t) * chunk_bytes(p + t) + 64;
}

typedef struct {
    const real *X, *Y, *w;
    const real *shift; /* (PP), zeros behind the columns */
    int64_t x_row, y_row, n, p, t, chunks;
    char *work;
} gram_ctx;

/* Columns of the panel that begins at column j0 of P: NR, or what is left rounded up to whole vectors. */
static int64_t panel_width(int64_t P, int64_t j0) { return i64_min(NR, round_up(P - j0, VL)); }

/* One column of a panel: element j of [x, y, 0 ...], shifted, of data row i. */
static real element(const gram_ctx *c, int64_t i, int64_t j) {
    if (j < c->p) return c->X[i * c->x_row + j] - c->shift[j];
    return j < c->p + c->t ? c->Y[i * c->y_row + j - c->p] - c->shift[j] : 0;
}

/* `vecs` vectors of columns from j0 on, of rows [begin, begin + rows), out (rows, width); all columns are X's but those
 * from `last` on, which are zero.  The vectors may reach beyond the row, not beyond X. */
CT_INLINE void pack_rows(const gram_ctx *c, int vecs, real *restrict out, const real *root, int64_t begin, int64_t rows,
                         int64_t j0, int64_t last, double *sums) {
    vreal sum[NV], shift[NV];
    vmask keep = {0};
    for (int l = 0; l < VL; l++) keep[l] = j0 + (vecs - 1) * VL + l < last ? -1 : 0;
    for (int v = 0; v < vecs; v++) sum[v] = v_zero(), shift[v] = v_load(c->shift + j0 + v * VL);
    for (int64_t k = 0; k < rows; k++) {
        const real *x = c->X + (begin + k) * c->x_row + j0;
        vreal r = v_set1(c->w ? root[k] : 1);
        for (int v = 0; v < vecs; v++) {
            vreal z = (v_load(x + v * VL) - shift[v]) * r;
            if (v == vecs - 1) z = v_and(keep, z);
            v_store(out + (k * vecs + v) * VL, z);
            sum[v] = v_fma(z, r, sum[v]);
        }
    }
    for (int v = 0; v < vecs; v++) accumulate(sums + v * VL, sum[v]);
}

/* Rows [begin, begin + rows) of z, times sqrt(w), into panels of (rows, width); their sums are added to `sums`. */
static void pack(const gram_ctx *c, real *restrict packed, real *root, int64_t begin, int64_t rows, double *sums) {
    int64_t P = c->p + c->t, PP = padded(P);
    if (c->w)
        for (int64_t k = 0; k < rows; k++) {
            root[k] = (real)sqrt((double)c->w[begin + k]);
            sums[PP] += (double)c->w[begin + k];
        }
    else sums[PP] += (double)rows;
    for (int64_t j0 = 0; j0 < P; j0 += NR) {
        int64_t width = panel_width(P, j0), plain = rows;
        if (c->t && j0 + width > c->p) plain = 0;
        else /* the last rows of X, where a vector would reach beyond it */
            while (plain > 0 && (begin + plain - 1) * c->x_row + j0 + width > (c->n - 1) * c->x_row + c->p) plain--;
        real *out = packed + j0 * KB;
        switch (width / VL) {
        case 3: pack_rows(c, 3, out, root, begin, plain, j0, c->p, sums + j0); break;
        case 2: pack_rows(c, 2, out, root, begin, plain, j0, c->p, sums + j0); break;
        case 1: pack_rows(c, 1, out, root, begin, plain, j0, c->p, sums + j0);
        }
        for (int64_t k = plain; k < rows; k++)
            for (int64_t j = 0; j < width; j++) {
                real r = c->w ? root[k] : 1, z = element(c, begin + k, j0 + j) * r;
                out[k * width + j] = z;
                sums[j0 + j] += (double)(z * r);
            }
    }
}

static void gram_chunk(void *ctx, int64_t chunk) {
    const gram_ctx *c = ctx;
    int64_t P = c->p + c->t, PP = padded(P);
    double *G = (double *)(c->work + chunk * chunk_bytes(P)), *sums = G + PP * PP;
    real *packed = (real *)((char *)G + sums_bytes(P)), *root = packed + PP * KB;
    memset(G, 0, (size_t)sums_bytes(P));
    par_range range = par_chunk(c->n, c->chunks, chunk, KB);
    int64_t panels = ceil_div(P, NR), ahead_rows = 1 + KB / (panels * (panels + 1) / 2 * (NR / MR));
    for (int64_t begin = range.begin; begin < range.end; begin += KB) {
        int64_t rows = i64_min(KB, range.end - begin);
        pack(c, packed, root, begin, rows, sums);
        int64_t ahead = begin + rows; /* rows of the next block are fetched while this one is multiplied */
        for (int64_t j0 = 0; j0 < P; j0 += NR) {
            int64_t b_width = panel_width(P, j0);
            const real *B = packed + j0 * KB;
            for (int64_t i = j0; i < P; i += MR) {
                int64_t i0 = i / NR * NR, a_width = panel_width(P, i0);
                const real *A = packed + i0 * KB + (i - i0);
                for (int64_t r = 0; r < ahead_rows && ahead < range.end; r++, ahead++)
                    for (int64_t j = 0; j < c->p; j += 64 / (int64_t)sizeof(real))
                        CT_PREFETCH(c->X + ahead * c->x_row + j);
                double *out = G + i * PP + j0;
                int64_t wanted = i64_min(b_width, round_up(i + MR - j0, VL)); /* up to the diagonal */
                gram_tiles(wanted / VL, out, PP, A, B, a_width, b_width, rows);
            }
        }
    }
}

static void gram(double *G, const real *X, int64_t x_row, const real *Y, int64_t y_row, const real *w,
                 const real *shift, int64_t n, int64_t p, int64_t t, void *work) {
    int64_t P = p + t, PP = padded(P), g_row = P + 1;
    real *own = (real *)(((uintptr_t)work + 63) / 64 * 64);
    for (int64_t j = 0; j < PP; j++) own[j] = j < P ? shift[j] : 0;
    gram_ctx c = {X, Y, w, own, x_row, y_row, n, p, t, chunk_count(n, P), (char *)own + shift_bytes(P)};
    ct_par_for(c.chunks, gram_chunk, &c);
    memset(G, 0, (size_t)(g_row * g_row) * sizeof(double));
    for (int64_t chunk = 0; chunk < c.chunks; chunk++) {
        const double *part = (const double *)(c.work + chunk * chunk_bytes(P)), *sums = part + PP * PP;
        for (int64_t i = 0; i < P; i++)
            for (int64_t j = 0; j <= i; j++) G[i * g_row + j] += part[i * PP + j];
        for (int64_t j = 0; j < P; j++) G[P * g_row + j] += sums[j];
        G[P * g_row + P] += sums[PP];
    }
    for (int64_t i = 0; i <= P; i++)
        for (int64_t j = 0; j < i; j++) G[j * g_row + i] = G[i * g_row + j];
}

const ct_gram_api CT_NAME(ct_gram) = {gram_work, gram};

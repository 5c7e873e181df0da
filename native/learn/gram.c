/* gram.c: weighted Gram matrix of shifted rows, in one pass.
 *
 * Normal equations, covariances and coordinate descent need sums of products of centred columns.  The data is read
 * once: a block of rows is shifted by values near the means (the caller takes them from a sample of rows, and corrects
 * exactly afterwards: Chan, Golub, LeVeque 1983), scaled by the root of the weights, packed into panels that stay in
 * cache, and multiplied with itself, upper triangle only.
 */
#include "../include/learn/gram.h"

#include <math.h>
#include <string.h>

#include "../include/learn/accumulate.h"
#include "../include/par.h"
#include "../include/simd.h"

#define NV 3                                         /* vectors in a panel of columns */
#define NR (NV * VL)                                 /* columns in a panel */
#define MR (VBYTES == 64 ? 8 : VBYTES == 32 ? 4 : 2) /* rows of a register tile; divides NR */
#define KB 64                                        /* data rows in a block */
#define MAX_CHUNKS 32
#define PARTIAL_BYTES ((int64_t)64 << 20) /* all partial sums together */

static int64_t padded(int64_t P) { return round_up(P, NR); }

static int64_t chunk_count(int64_t n, int64_t P) {
    int64_t most = PARTIAL_BYTES / (padded(P) * padded(P) * (int64_t)sizeof(double));
    most = i64_max(2, i64_min(MAX_CHUNKS, most));
    int64_t count = par_count(n, 0.02 * (double)P * (double)P + 1.0, most);
    return i64_max(1, i64_min(count, n / KB));
}

static int64_t block_bytes(int64_t P) { return round_up(padded(P) * KB * (int64_t)sizeof(real), 64); }

static int64_t gram_work(int64_t n, int64_t p, int64_t t) {
    int64_t P = p + t + 1;
    return chunk_count(n, P) * (padded(P) * padded(P) * (int64_t)sizeof(double) + block_bytes(P)) + 64;
}

/* T (MR, nv * VL) += A^T B over `rows` data rows, added to G in double. A and B are columns of packed panels. */
#define TILE(nv)                                                                                             \
    static void tile_##nv(double *restrict G, int64_t g_row, const real *restrict A, const real *restrict B, \
                          int64_t a_width, int64_t b_width, int64_t rows) {                                  \
        vreal acc[MR][nv];                                                                                   \
        for (int i = 0; i < MR; i++)                                                                         \
            for (int v = 0; v < nv; v++) acc[i][v] = v_zero();                                               \
        for (int64_t k = 0; k < rows; k++) {                                                                 \
            vreal b[nv];                                                                                     \
            for (int v = 0; v < nv; v++) b[v] = v_load(B + k * b_width + v * VL);                            \
            for (int i = 0; i < MR; i++) {                                                                   \
                vreal a = v_set1(A[k * a_width + i]);                                                        \
                for (int v = 0; v < nv; v++) acc[i][v] = v_fma(a, b[v], acc[i][v]);                          \
            }                                                                                                \
        }                                                                                                    \
        for (int i = 0; i < MR; i++)                                                                         \
            for (int v = 0; v < nv; v++) accumulate(G + i * g_row + v * VL, acc[i][v]);                      \
    }
TILE(1)
TILE(2)
TILE(3)

typedef struct {
    const real *X, *Y, *w, *shift;
    int64_t x_row, y_row, n, p, t, chunks;
    char *work;
} gram_ctx;

/* Columns in panel `j` of P: NR, or what is left rounded up to whole vectors. */
static int64_t panel_width(int64_t P, int64_t j) { return i64_min(NR, round_up(P - j * NR, VL)); }

/* Rows [begin, begin + rows) of z, times sqrt(w), into panels of (rows, width). */
static void pack(const gram_ctx *c, real *restrict packed, int64_t begin, int64_t rows) {
    int64_t P = c->p + c->t + 1;
    for (int64_t k = 0; k < rows; k++) {
        const real *x = c->X + (begin + k) * c->x_row;
        real root = c->w ? (real)sqrt((double)c->w[begin + k]) : 1;
        for (int64_t j0 = 0; j0 < P; j0 += NR) {
            int64_t width = panel_width(P, j0 / NR);
            real *out = packed + j0 * KB + k * width;
            int64_t whole = i64_min(i64_max(c->p - j0, 0), width) / VL * VL, j = 0;
            vreal r = v_set1(root);
            for (; j < whole; j += VL) v_store(out + j, (v_load(x + j0 + j) - v_load(c->shift + j0 + j)) * r);
            for (; j < width && j0 + j < c->p; j++) out[j] = (x[j0 + j] - c->shift[j0 + j]) * root;
            for (; j < width && j0 + j < c->p + c->t; j++)
                out[j] = (c->Y[(begin + k) * c->y_row + j0 + j - c->p] - c->shift[j0 + j]) * root;
            for (; j < width; j++) out[j] = j0 + j < P ? root : 0;
        }
    }
}

/* Rows of the next block, fetched little by little while this one is multiplied. */
typedef struct {
    const char *row;
    int64_t at, bytes, stride, rows;
} ahead_rows;

CT_INLINE void fetch(ahead_rows *a, int64_t lines) {
    for (; lines > 0 && a->rows > 0; lines--) {
        CT_PREFETCH(a->row + a->at);
        a->at += 64;
        if (a->at >= a->bytes) {
            a->at = 0;
            a->row += a->stride;
            a->rows--;
        }
    }
}

static void gram_chunk(void *ctx, int64_t chunk) {
    const gram_ctx *c = ctx;
    int64_t P = c->p + c->t + 1, PP = padded(P);
    int64_t each = PP * PP * (int64_t)sizeof(double) + block_bytes(P);
    double *G = (double *)(c->work + chunk * each);
    real *packed = (real *)(c->work + chunk * each + PP * PP * (int64_t)sizeof(double));
    memset(G, 0, (size_t)(PP * PP) * sizeof(double));
    par_range range = par_chunk(c->n, c->chunks, chunk, KB);
    for (int64_t begin = range.begin; begin < range.end; begin += KB) {
        int64_t rows = i64_min(KB, range.end - begin);
        pack(c, packed, begin, rows);
        int64_t next = begin + rows, bytes = c->p * (int64_t)sizeof(real), panels = ceil_div(P, NR);
        ahead_rows ahead = {(const char *)(c->X + next * c->x_row), 0, bytes, c->x_row * (int64_t)sizeof(real),
                            i64_min(KB, range.end - next)};
        int64_t lines = 1 + ahead.rows * ceil_div(bytes, 64) / (panels * (panels + 1) / 2 * (NR / MR));
        for (int64_t j0 = 0; j0 < P; j0 += NR) {
            int64_t b_width = panel_width(P, j0 / NR);
            const real *B = packed + j0 * KB;
            for (int64_t i = 0; i < j0 + b_width && i < P; i += MR) {
                int64_t i0 = i / NR * NR;
                int64_t a_width = panel_width(P, i0 / NR);
                const real *A = packed + i0 * KB + (i - i0);
                int64_t skip = i0 == j0 ? (i - i0) / VL * VL : 0; /* whole vectors below the diagonal */
                double *out = G + i * PP + j0 + skip;
                fetch(&ahead, lines + lines / 4);
                switch ((b_width - skip) / VL) {
                case 3: tile_3(out, PP, A, B + skip, a_width, b_width, rows); break;
                case 2: tile_2(out, PP, A, B + skip, a_width, b_width, rows); break;
                case 1: tile_1(out, PP, A, B + skip, a_width, b_width, rows);
                }
            }
        }
    }
}

static void gram(double *G, const real *X, int64_t x_row, const real *Y, int64_t y_row, const real *w,
                 const real *shift, int64_t n, int64_t p, int64_t t, void *work) {
    int64_t P = p + t + 1, PP = padded(P);
    gram_ctx c = {X, Y, w, shift, x_row, y_row, n, p, t, chunk_count(n, P), NULL};
    c.work = (char *)(((uintptr_t)work + 63) / 64 * 64);
    ct_par_for(c.chunks, gram_chunk, &c);
    int64_t each = PP * PP * (int64_t)sizeof(double) + block_bytes(P);
    for (int64_t i = 0; i < P; i++)
        for (int64_t j = i; j < P; j++) {
            double sum = 0;
            for (int64_t k = 0; k < c.chunks; k++) sum += ((double *)(c.work + k * each))[i * PP + j];
            G[i * P + j] = G[j * P + i] = sum;
        }
}

const ct_gram_api CT_NAME(ct_gram) = {gram_work, gram};

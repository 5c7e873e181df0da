/* gemm_product.h: one product on its way through gemm.c: what it is, what it costs, how its tiles end. */
#ifndef CORTEN_GEMM_PRODUCT_H
#define CORTEN_GEMM_PRODUCT_H

#include "gemm_tile.h"
#include "par.h"

#define GRAIN 6000.0     /* nanoseconds of work that are worth a chunk */
#define SPEED (VL * 7.0) /* flops a nanosecond, roughly */

typedef struct {
    int64_t M, N, K;
    real alpha;
    const real *A;
    int64_t a_row, a_col;
    const real *B;
    int64_t b_row, b_col;
    real beta;
    real *C;
    int64_t c_row;
    const gemm_epilogue *epilogue;
    real *work;
    int serial;
} product;

static void spread(const product *p, int64_t chunks, par_body body, void *ctx) {
    if (p->serial || chunks <= 1)
        for (int64_t c = 0; c < chunks; c++) body(ctx, c);
    else par_for(chunks, body, ctx);
}

static double cost(int64_t M, int64_t N, int64_t K) { return 2.0 * (double)M * (double)N * (double)K / SPEED; }

/* How many chunks, at most `most`, work of that many nanoseconds is worth; multiples of 4 share out evenly. */
static int64_t parts_of(double ns, int64_t most) {
    if (ns <= 2 * GRAIN) return 1;
    const int64_t n = ns / GRAIN > 32 ? 32 : (int64_t)(ns / GRAIN);
    return i64_max(1, i64_min(n > 2 ? round_up(n, 4) : n, most));
}

/* How the tile at (i, j) ends when its products of this block of K are the first or the last. */
CT_INLINE tile_end end_of(const product *p, int64_t i, int64_t j, int first, int last) {
    tile_end e = {p->alpha, first ? p->beta : 1, NULL, NULL, CT_ACT_NONE, 0};
    if (last && p->epilogue) {
        if (p->epilogue->bias) {
            if (p->epilogue->bias_rows) e.row_bias = p->epilogue->bias + i;
            else e.col_bias = p->epilogue->bias + j;
        }
        e.activation = p->epilogue->activation;
    }
    if (e.alpha == 1 && !e.row_bias && !e.col_bias && !e.activation) e.plain = e.beta == 0 ? 1 : e.beta == 1 ? 2 : 0;
    return e;
}

#endif

/* conv_few.h: convolution at few positions with many weights, such as one image of 7 x 7 with 512 channels.
 *
 *   y (O, cells) = W (O, K) patches (K, cells),   dW = dy patches^T,   dx = what W^T dy adds up to where patches
 * overlap
 *
 * All positions of the batch, cells = N P, are so few that the patch matrix is not much larger than the weights, which
 * are read once, as they lie. Batches are turned over to (outputs, cells) and back.
 */
#ifndef CORTEN_CONV_FEW_H
#define CORTEN_CONV_FEW_H

#include "conv_patch.h"
#include "gemm.h"
#include "par.h"

#define FEW_CELLS 256
#define FEW_WEIGHTS 100000 /* fewer than these cost little wherever they are read */
#define FEW_GEMM CT_NAME(ct_gemm)

CT_INLINE int few_fits(const conv_shape *s) {
    return s->G == 1 && s->N * s->P <= i64_min(FEW_CELLS, s->O) && s->O * s->C * s->T >= FEW_WEIGHTS;
}

typedef struct {
    const conv_shape *s;
    patch_view v;  /* of the input */
    const real *x; /* (N, C, Q) */
    real *dx;      /* the same */
    real *patches; /* (C T, cells) */
    int64_t chunks;
} few_job;

static few_job few_of(const conv_shape *s, const patch_view *v, void *work) {
    const few_job j = {.s = s, .v = *v, .patches = work};
    return j;
}
static int64_t few_bytes(int64_t rows, const conv_shape *s) {
    return round_up(rows * s->N * s->P * (int64_t)sizeof(real), 64);
}
static int64_t few_work(const conv_shape *s) {
    const int64_t K = s->C * s->T, cells = s->N * s->P;
    int64_t gemm = i64_max(FEW_GEMM.work(s->O, cells, K), FEW_GEMM.work(K, cells, s->O));
    gemm = i64_max(gemm, FEW_GEMM.work(s->O, K, cells));
    return few_bytes(K, s) + few_bytes(s->O, s) + gemm;
}

static void few_gather_chunk(void *ctx, int64_t chunk) {
    const few_job *j = ctx;
    const int64_t cells = j->s->N * j->s->P;
    const par_range k = par_chunk(j->s->C * j->s->T, j->chunks, chunk, 1);
    if (k.begin < k.end)
        patch_rows(&j->v, j->x, k.begin, k.end - k.begin, 0, cells, j->patches + k.begin * cells, cells);
}
static void few_gather(few_job *j) {
    j->chunks = par_count(j->s->C * j->s->T, (double)(j->s->N * j->s->P), 16);
    par_for(j->chunks, few_gather_chunk, j);
}

/* (N, O, P) to (O, N, P), or back; one image is both. */
static void few_turn(real *to, const real *from, int64_t a, int64_t b, int64_t P) {
    for (int64_t i = 0; i < a; i++)
        for (int64_t k = 0; k < b; k++)
            __builtin_memcpy(to + (k * a + i) * P, from + (i * b + k) * P, (size_t)P * sizeof(real));
}

/* One channel of dx from its rows of W^T dy. */
static void few_scatter_channel(const few_job *j, int64_t c) {
    const patch_view *v = &j->v;
    const int64_t cells = j->s->N * v->cells, Q = j->s->Q;
    const real *from = j->patches + c * j->s->T * cells;
    for (int64_t n = 0; n < j->s->N; n++) __builtin_memset(j->dx + n * v->image + c * Q, 0, (size_t)Q * sizeof(real));
    for (int64_t a = 0; a < v->taps[0]; a++)
        for (int64_t b = 0; b < v->taps[1]; b++)
            for (int64_t e = 0; e < v->taps[2]; e++)
                for (int64_t n = 0; n < j->s->N; n++)
                    for (int64_t od = 0; od < v->grid[0]; od++)
                        for (int64_t oh = 0; oh < v->grid[1]; oh++, from += v->grid[2]) {
                            const int64_t id = od * v->step[0] + v->first[0] + a * v->each[0];
                            const int64_t ih = oh * v->step[1] + v->first[1] + b * v->each[1];
                            const int64_t at = v->first[2] + e * v->each[2];
                            if (id < 0 || id >= v->in[0] || ih < 0 || ih >= v->in[1]) continue;
                            real *to = j->dx + n * v->image + c * Q + (id * v->in[1] + ih) * v->in[2];
                            for (int64_t ow = 0; ow < v->grid[2]; ow++) {
                                const int64_t iw = at + ow * v->step[2];
                                if (iw >= 0 && iw < v->in[2]) to[iw] += from[ow];
                            }
                        }
}
static void few_scatter_chunk(void *ctx, int64_t chunk) {
    const few_job *j = ctx;
    const par_range c = par_chunk(j->s->C, j->chunks, chunk, 1);
    for (int64_t i = c.begin; i < c.end; i++) few_scatter_channel(j, i);
}

static void few_forward(const conv_shape *s, const patch_view *v, const real *x, const real *w, const real *bias,
                        real *y, void *work) {
    const int64_t K = s->C * s->T, cells = s->N * s->P;
    few_job j = few_of(s, v, work);
    real *turned = (real *)((char *)work + few_bytes(K, s)), *out = s->N == 1 ? y : turned;
    const gemm_epilogue e = {bias, 1, s->activation};
    j.x = x;
    few_gather(&j);
    FEW_GEMM.gemm(s->O, cells, K, 1, w, K, 1, j.patches, cells, 1, 0, out, cells, &e,
                  (char *)turned + few_bytes(s->O, s));
    if (s->N > 1) few_turn(y, turned, s->O, s->N, s->P);
}
static void few_backward_input(const conv_shape *s, const patch_view *v, const real *dy, const real *w, real *dx,
                               void *work) {
    const int64_t K = s->C * s->T, cells = s->N * s->P;
    few_job j = few_of(s, v, work);
    real *turned = (real *)((char *)work + few_bytes(K, s));
    if (s->N > 1) few_turn(turned, dy, s->N, s->O, s->P);
    FEW_GEMM.gemm(K, cells, s->O, 1, w, 1, K, s->N > 1 ? turned : dy, cells, 1, 0, j.patches, cells, NULL,
                  (char *)turned + few_bytes(s->O, s));
    j.dx = dx;
    j.chunks = par_count(s->C, 2.0 * (double)(s->T * cells), 16);
    par_for(j.chunks, few_scatter_chunk, &j);
}
static void few_backward_weight(const conv_shape *s, const patch_view *v, const real *x, const real *dy, real *dw,
                                void *work) {
    const int64_t K = s->C * s->T, cells = s->N * s->P;
    few_job j = few_of(s, v, work);
    real *turned = (real *)((char *)work + few_bytes(K, s));
    j.x = x;
    few_gather(&j);
    if (s->N > 1) few_turn(turned, dy, s->N, s->O, s->P);
    FEW_GEMM.gemm(s->O, K, cells, 1, s->N > 1 ? turned : dy, cells, 1, j.patches, 1, cells, 0, dw, K, NULL,
                  (char *)turned + few_bytes(s->O, s));
}

#endif

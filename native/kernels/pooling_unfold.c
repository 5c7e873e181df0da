/* pooling_unfold.c: windows of an image as columns, and columns added up to an image.
 *
 *   columns[n, (c, i, j), (oh, ow)] = x[n, c, oh stride - pad + i dil, ow stride - pad + j dil],  0 outside
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/simd.h"

typedef struct {
    real *x;       /* (planes, H, W) */
    real *columns; /* (planes, kh, kw, OH, OW) */
    int64_t planes, H, W, OH, OW, chunks;
    int64_t k[2], dil[2], pad[2], stride[2];
    int add; /* columns to image */
} unfold_args;

static void unfold_planes(void *ctx, int64_t chunk) {
    const unfold_args *a = ctx;
    const par_range r = par_chunk(a->planes, a->chunks, chunk, 1);
    for (int64_t p = r.begin; p < r.end; p++) {
        real *x = a->x + p * a->H * a->W, *to = a->columns + p * a->k[0] * a->k[1] * a->OH * a->OW;
        if (a->add)
            for (int64_t i = 0; i < a->H * a->W; i++) x[i] = 0;
        for (int64_t i = 0; i < a->k[0]; i++)
            for (int64_t j = 0; j < a->k[1]; j++)
                for (int64_t oh = 0; oh < a->OH; oh++, to += a->OW) {
                    const int64_t h = oh * a->stride[0] - a->pad[0] + i * a->dil[0], w0 = j * a->dil[1] - a->pad[1];
                    const int64_t s = a->stride[1];
                    if (h < 0 || h >= a->H) {
                        if (!a->add)
                            for (int64_t o = 0; o < a->OW; o++) to[o] = 0;
                        continue;
                    }
                    const int64_t first = i64_min(a->OW, i64_max(0, ceil_div(-w0, s)));
                    const int64_t end = i64_max(first, i64_min(a->OW, w0 < a->W ? (a->W - 1 - w0) / s + 1 : 0));
                    real *row = x + h * a->W + w0;
                    if (a->add) {
                        for (int64_t o = first; o < end; o++) row[o * s] += to[o];
                        continue;
                    }
                    for (int64_t o = 0; o < first; o++) to[o] = 0;
                    if (s == 1)
                        for (int64_t o = first; o < end; o++) to[o] = row[o];
                    else
                        for (int64_t o = first; o < end; o++) to[o] = row[o * s];
                    for (int64_t o = end; o < a->OW; o++) to[o] = 0;
                }
    }
}

/* attributes: size, kernel, dilation, padding, stride, two each */
static void run(const ct_call *call, const ct_array *image, const ct_array *columns, int add) {
    const int64_t *n = call->ints;
    unfold_args a = {
        .x = image->data, .columns = columns->data, .add = add, .planes = image->shape[0] * image->shape[1]};
    a.H = image->shape[2], a.W = image->shape[3];
    for (int i = 0; i < 2; i++) a.k[i] = n[2 + i], a.dil[i] = n[4 + i], a.pad[i] = n[6 + i], a.stride[i] = n[8 + i];
    a.OH = (a.H + 2 * a.pad[0] - a.dil[0] * (a.k[0] - 1) - 1) / a.stride[0] + 1;
    a.OW = (a.W + 2 * a.pad[1] - a.dil[1] * (a.k[1] - 1) - 1) / a.stride[1] + 1;
    if (!call->out[0]->size) return;
    a.chunks = par_count(a.planes, 0.5 * (double)(a.k[0] * a.k[1] * a.OH * a.OW), 128);
    par_for(a.chunks, unfold_planes, &a);
}
static void unfold(const ct_call *call) { run(call, call->in[0], call->out[0], 0); }
static void fold(const ct_call *call) { run(call, call->out[0], call->in[0], 1); }

static const ct_kernel rows[] = {{"unfold", unfold, NULL}, {"fold", fold, NULL}};
CT_KERNELS(pooling_unfold, rows);

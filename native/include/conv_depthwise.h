/* conv_depthwise.h: convolution with one channel in each group, read straight from the image. Bound by reading x. */
#ifndef CORTEN_CONV_DEPTHWISE_H
#define CORTEN_CONV_DEPTHWISE_H

#include "conv_patch.h"
#include "par.h"

typedef struct {
    const patch_view *v;
    int64_t planes, channels, chunks;
    const real *x, *w, *bias, *dy;
    int activation;
    real *y;
} depthwise_job;

/* One plane (grid) of the output of one channel. */
static void depthwise_plane(const patch_view *v, const real *x, const real *w, real bias, int activation, real *y) {
    const int64_t W = v->grid[2], taps = v->taps[2];
    /* columns whose patches lie inside the image */
    const int64_t least = i64_min(v->first[2], v->first[2] + (taps - 1) * v->each[2]);
    const int64_t most = i64_max(v->first[2], v->first[2] + (taps - 1) * v->each[2]);
    for (int64_t od = 0; od < v->grid[0]; od++)
        for (int64_t oh = 0; oh < v->grid[1]; oh++, y += W)
            for (int64_t ow = 0; ow < W; ow += VL) {
                const int64_t count = i64_min(VL, W - ow);
                const int inside = v->step[2] == 1 && ow + least >= 0 && ow + most + VL <= v->in[2];
                vreal acc = v_set1(bias), odd = v_zero();
                const real *tap = w;
                for (int64_t a = 0; a < v->taps[0]; a++)
                    for (int64_t b = 0; b < v->taps[1]; b++, tap += taps) {
                        const int64_t id = od * v->step[0] + v->first[0] + a * v->each[0];
                        const int64_t ih = oh * v->step[1] + v->first[1] + b * v->each[1];
                        if (id < 0 || id >= v->in[0] || ih < 0 || ih >= v->in[1]) continue;
                        const real *p = x + (id * v->in[1] + ih) * v->in[2];
                        const int64_t at = ow * v->step[2] + v->first[2];
                        if (inside) {
                            int64_t c = 0;
                            for (; c + 2 <= taps; c += 2) {
                                acc = v_fma(v_set1(tap[c]), v_load(p + at + c * v->each[2]), acc);
                                odd = v_fma(v_set1(tap[c + 1]), v_load(p + at + (c + 1) * v->each[2]), odd);
                            }
                            if (c < taps) acc = v_fma(v_set1(tap[c]), v_load(p + at + c * v->each[2]), acc);
                        } else
                            for (int64_t c = 0; c < taps; c++)
                                acc = v_fma(v_set1(tap[c]),
                                            load_patch(p, v->in[2], at + c * v->each[2], v->step[2], count), acc);
                    }
                v_store_tail(y + ow, v_activate(acc + odd, activation), v_tail(count));
            }
}

static void depthwise_chunk(void *ctx, int64_t chunk) {
    const depthwise_job *j = ctx;
    const par_range r = par_chunk(j->planes, j->chunks, chunk, 1);
    const int64_t T = j->v->taps[0] * j->v->taps[1] * j->v->taps[2];
    for (int64_t i = r.begin; i < r.end; i++) {
        const int64_t c = i % j->channels;
        depthwise_plane(j->v, j->x + i * j->v->size, j->w + c * T, j->bias ? j->bias[c] : 0, j->activation,
                        j->y + i * j->v->cells);
    }
}

/* y (N, C, *grid) = patches of x (N, C, *in) with w (C, *taps) */
static void depthwise_run(const patch_view *v, int64_t N, int64_t C, const real *x, const real *w, const real *bias,
                          int activation, real *y) {
    depthwise_job j = {v, N * C, C, 1, x, w, bias, NULL, activation, y};
    const double ns = (double)(N * C * v->cells) * (double)(v->taps[0] * v->taps[1] * v->taps[2]) * 2 / (VL * 3.0);
    if (ns > 2 * PAR_GRAIN) j.chunks = i64_min(N * C, i64_min(64, (int64_t)(ns / PAR_GRAIN)));
    par_for(j.chunks, depthwise_chunk, &j);
}

/* dw[c, t] = sum over n, p of dy[n, c, p] * patch[n, c, t, p] */
static void depthwise_weight_chunk(void *ctx, int64_t chunk) {
    const depthwise_job *j = ctx;
    const patch_view *v = j->v;
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2], N = j->planes / j->channels;
    const par_range r = par_chunk(j->channels, j->chunks, chunk, 1);
    for (int64_t c = r.begin; c < r.end; c++)
        for (int64_t t = 0; t < T; t++) {
            const int64_t a = t / (v->taps[1] * v->taps[2]), b = t / v->taps[2] % v->taps[1], e = t % v->taps[2];
            vreal total = v_zero();
            for (int64_t n = 0; n < N; n++) {
                const real *x = j->x + (n * j->channels + c) * v->size, *dy = j->dy + (n * j->channels + c) * v->cells;
                vreal sum = v_zero(), odd = v_zero();
                for (int64_t od = 0; od < v->grid[0]; od++) {
                    const int64_t id = od * v->step[0] + v->first[0] + a * v->each[0];
                    if (id < 0 || id >= v->in[0]) continue;
                    for (int64_t oh = 0; oh < v->grid[1]; oh++) {
                        const int64_t ih = oh * v->step[1] + v->first[1] + b * v->each[1];
                        if (ih < 0 || ih >= v->in[1]) continue;
                        const real *p = x + (id * v->in[1] + ih) * v->in[2],
                                   *g = dy + (od * v->grid[1] + oh) * v->grid[2];
                        const int64_t shift = v->first[2] + e * v->each[2];
                        for (int64_t ow = 0; ow < v->grid[2]; ow += VL) {
                            const int64_t count = i64_min(VL, v->grid[2] - ow);
                            const vreal gv = v_load_tail(g + ow, v_tail(count));
                            const vreal xv = load_patch(p, v->in[2], ow * v->step[2] + shift, v->step[2], count);
                            if (ow / VL % 2) odd = v_fma(gv, xv, odd);
                            else sum = v_fma(gv, xv, sum);
                        }
                    }
                }
                total = total + (sum + odd);
            }
            j->y[c * T + t] = v_hsum(total);
        }
}
static void depthwise_weight(const patch_view *v, int64_t N, int64_t C, const real *x, const real *dy, real *dw) {
    depthwise_job j = {v, N * C, C, 1, x, NULL, NULL, dy, 0, dw};
    const double ns = (double)(N * C * v->cells) * (double)(v->taps[0] * v->taps[1] * v->taps[2]) * 2 / (VL * 3.0);
    if (ns > 2 * PAR_GRAIN) j.chunks = i64_min(C, i64_min(64, (int64_t)(ns / PAR_GRAIN)));
    par_for(j.chunks, depthwise_weight_chunk, &j);
}

#endif

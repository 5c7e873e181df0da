/* conv_patch.h: the geometry of a convolution and how its patches are read.
 *
 * Everything is three-dimensional; fewer dimensions have leading ones.  A patch view says which input position belongs
 * to an output position o and a tap t of the kernel, in each dimension:
 *
 *   i = o * step + offset[t],   zero where i is outside the input
 *
 * The forward pass reads x so (step = stride, offset = k * dilation - padding).  The gradient of the input reads the
 * output's gradient so, once for each remainder of the input position modulo the stride (step = 1).
 */
#ifndef CORTEN_CONV_PATCH_H
#define CORTEN_CONV_PATCH_H

#include "gemm_tile.h"
#include "kernel.h"

#define CONV_MAX_TAPS 1024 /* in one dimension */

typedef struct {
    int64_t N, C, O, G, Cg, Og;
    int64_t in[3], out[3], k[3], stride[3], pad[3], dil[3];
    int64_t P, Q, T; /* output positions, input positions, taps */
    int activation;
} conv_shape;

/* x (N, C, *in), w (O, C / groups, *k), y (N, O, *out); ints as in the declaration. */
CT_INLINE conv_shape conv_read(const ct_array *x, const ct_array *w, const ct_array *y, const int64_t *ints) {
    conv_shape s = {.N = x->shape[0], .C = x->shape[1], .O = y->shape[1]};
    const int nd = (int)ints[0];
    for (int d = 0; d < 3; d++) {
        const int from = d - (3 - nd);
        const int there = from >= 0;
        s.in[d] = there ? x->shape[2 + from] : 1;
        s.out[d] = there ? y->shape[2 + from] : 1;
        s.k[d] = there ? w->shape[2 + from] : 1;
        s.stride[d] = there ? ints[1 + from] : 1;
        s.pad[d] = there ? ints[1 + nd + from] : 0;
        s.dil[d] = there ? ints[1 + 2 * nd + from] : 1;
    }
    s.G = ints[1 + 3 * nd];
    s.activation = (int)ints[2 + 3 * nd];
    s.Cg = s.C / s.G, s.Og = s.O / s.G;
    for (int d = 1; d >= 0; d--) /* dimensions that only multiply are one */
        if (s.k[d] * s.k[d + 1] == 1 && s.stride[d] * s.stride[d + 1] == 1 && s.pad[d] == 0 && s.pad[d + 1] == 0)
            s.in[d + 1] *= s.in[d], s.out[d + 1] *= s.out[d], s.in[d] = s.out[d] = 1;
    s.P = s.out[0] * s.out[1] * s.out[2], s.Q = s.in[0] * s.in[1] * s.in[2], s.T = s.k[0] * s.k[1] * s.k[2];
    return s;
}

typedef struct {
    int64_t in[3], grid[3], step[3], taps[3];
    int64_t first[3], each[3];     /* offset[t] = first + t * each */
    int64_t channels, cells, size; /* channels; positions of the grid; positions of the input */
    int64_t image;                 /* reals from one image to the next */
} patch_view;

/* Lanes j < count of x[at + j * step]; zero outside 0 ... width - 1. */
CT_INLINE vreal load_patch(const real *x, int64_t width, int64_t at, int64_t step, int64_t count) {
    if (step == 1) {
        if (at >= 0 && at + VL <= width && count == VL) return v_load(x + at);
        const int64_t lo = at < 0 ? -at : 0, hi = i64_min(count, width - at);
        if (hi <= lo) return v_zero();
#if defined(CT_AVX512)
        return v_load_tail(x + at, v_tail(hi) & ~v_tail(lo));
#elif defined(CT_AVX2)
        return v_load_tail(x + at, v_tail(hi) & ~v_tail(lo));
#endif
    }
#if defined(CT_AVX512) || defined(CT_AVX2)
    if (step == 2 && at >= 0 && count == VL && at + 2 * VL <= width) {
        const vreal a = v_load(x + at), b = v_load(x + at + VL);
#if VBYTES / 8 == 8 && !CT_REAL_DOUBLE
        return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif VBYTES / 8 == 8 || !CT_REAL_DOUBLE
        return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
        return __builtin_shufflevector(a, b, 0, 2, 4, 6);
#endif
    }
#endif
    real t[VBYTES / sizeof(real)] = {0};
    for (int64_t j = 0; j < count; j++) {
        const int64_t i = at + j * step;
        if (i >= 0 && i < width) t[j] = x[i];
    }
    return v_load(t);
}

/* dst[(k - k0) * row + j * 1] = patch k = (channel, tap) at grid cell j0 + j of the images that follow one another in
 * x. Cells run over images, then planes, rows and columns. */
static void patch_rows(const patch_view *v, const real *x, int64_t k0, int64_t kc, int64_t j0, int64_t columns,
                       real *dst, int64_t row) {
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2];
    const int64_t W = v->grid[2], plane = v->grid[1] * W;
    for (int64_t j = 0; j < columns;) {
        const int64_t cell = j0 + j, image = cell / v->cells, in_image = cell % v->cells;
        const int64_t od = in_image / plane, oh = in_image % plane / W, ow = in_image % W;
        const int64_t count = i64_min(i64_min(columns - j, W - ow), VL);
        const vtail tail = v_tail(count);
        const real *base = x + image * v->image;
        int64_t t = 0;
        for (int64_t a = 0; a < v->taps[0]; a++)
            for (int64_t b = 0; b < v->taps[1]; b++)
                for (int64_t c = 0; c < v->taps[2]; c++, t++) {
                    const int64_t id = od * v->step[0] + v->first[0] + a * v->each[0];
                    const int64_t ih = oh * v->step[1] + v->first[1] + b * v->each[1];
                    const int64_t at = ow * v->step[2] + v->first[2] + c * v->each[2];
                    int64_t channel = k0 <= t ? 0 : ceil_div(k0 - t, T);
                    real *d = dst + (channel * T + t - k0) * row + j;
                    const int64_t last = k0 + kc;
                    if (id < 0 || id >= v->in[0] || ih < 0 || ih >= v->in[1]) {
                        for (; channel * T + t < last; channel++, d += T * row) v_store_tail(d, v_zero(), tail);
                        continue;
                    }
                    const real *p = base + channel * v->size + (id * v->in[1] + ih) * v->in[2];
                    if (v->step[2] == 1 && at >= 0 && at + VL <= v->in[2])
                        for (; channel * T + t < last; channel++, d += T * row, p += v->size)
                            v_store_tail(d, v_load(p + at), tail);
                    else
                        for (; channel * T + t < last; channel++, d += T * row, p += v->size)
                            v_store_tail(d, load_patch(p, v->in[2], at, v->step[2], count), tail);
                }
        j += count;
    }
}

/* How a convolution reads its input. */
CT_INLINE patch_view patches_of_input(const conv_shape *s) {
    patch_view v = {.channels = s->Cg, .cells = s->P, .size = s->Q, .image = s->C * s->Q};
    for (int d = 0; d < 3; d++) {
        v.in[d] = s->in[d], v.grid[d] = s->out[d], v.step[d] = s->stride[d], v.taps[d] = s->k[d];
        v.first[d] = -s->pad[d], v.each[d] = s->dil[d];
    }
    return v;
}

#endif

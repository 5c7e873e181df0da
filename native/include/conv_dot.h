/* conv_dot.h: the gradient of a convolution's weight as sums along rows.
 *
 *   dw[m, k] = sum over n, o of dy[n, m, o] * x[n, c, o * step + offset[t]],  k = (c, t)
 *
 * A register tile of some outputs m by some k, whose lanes add along the rows of dy and of the stage: nothing is
 * transposed or gathered, and lanes are added up once for each block of positions.
 */
#ifndef CORTEN_CONV_DOT_H
#define CORTEN_CONV_DOT_H

#include "conv_stage.h"

#if defined(CT_AVX512) || defined(__aarch64__)
#define DOT_M 4
#define DOT_K 6
#else
#define DOT_M 3
#define DOT_K 4
#endif
#define DOT_ALL (DOT_M * DOT_K)
#define DOT_STEPS 96 /* vectors that a tile adds up at least, where there are images enough */
#define DOT_TAPS 72  /* of all staged channels */
#define DOT_NEAR 24  /* taps that pass over the same rows of dy while these are in the first-level cache */
#define DOT_COLUMNS 1024
#define DOT_SPLIT_BYTES 300000 /* larger weights are cut instead of summed in parts */

typedef struct {
    const patch_view *v;
    stage_plan p;
    int64_t N, G, M;
    const real *x, *dy;              /* (N, G, channels, *in), (N, G, M, *grid) */
    real *dw;                        /* (G, M, K) */
    real *sums;                      /* (parts, G, M, K), the first is dw */
    int64_t images;                  /* staged together */
    int64_t parts, m_parts, c_parts; /* chunks along images, outputs, channels */
    int64_t channels;                /* of a chunk */
    const int32_t *offset;
    char *work;
    int64_t work_bytes;
} dot_job;

/* sums[i * stride + k] += tile, over rows of dy and of the stage */
typedef struct {
    const real *dy;                       /* of the first output and row */
    int64_t plane, dy_image;              /* reals to the next output, image */
    const real *x;                        /* the stage */
    int64_t x_row, x_image;               /* reals to the next row, image */
    int64_t images, rows, columns, width; /* width: reals in a row of dy */
    real *sums;
    int64_t stride;
} dot_block;

CT_INLINE void dot_tile(const int mm, const int kk, const int32_t *offset, const dot_block *b) {
    vreal acc[DOT_ALL];
#pragma GCC unroll 32
    for (int i = 0; i < mm * kk; i++) acc[i] = v_zero();
    const int64_t whole = b->columns / VL * VL;
    const vtail tail = v_tail(b->columns - whole);
    const vmask mask = (vmask)v_load_tail((const real *)(const vmask[]){~(vmask){0}}, tail);
    const real *at[DOT_ALL];
    for (int64_t n = 0; n < b->images; n++)
        for (int64_t r = 0; r < b->rows; r++) {
            const real *dy = b->dy + n * b->dy_image + r * b->width, *x = b->x + n * b->x_image + r * b->x_row;
#pragma GCC unroll 32
            for (int k = 0; k < kk; k++) at[k] = x + offset[k];
            for (int64_t w = 0; w < whole; w += VL) {
                vreal g[DOT_M];
#pragma GCC unroll 4
                for (int i = 0; i < mm; i++) g[i] = v_load(dy + i * b->plane + w);
#pragma GCC unroll 32
                for (int k = 0; k < kk; k++) {
                    const vreal xv = v_load(at[k] + w);
#pragma GCC unroll 4
                    for (int i = 0; i < mm; i++) acc[i * kk + k] = v_fma(g[i], xv, acc[i * kk + k]);
                }
            }
            if (whole < b->columns) {
                vreal g[DOT_M];
#pragma GCC unroll 4
                for (int i = 0; i < mm; i++) g[i] = v_load_tail(dy + i * b->plane + whole, tail);
#pragma GCC unroll 32
                for (int k = 0; k < kk; k++) {
                    const vreal xv = v_and(mask, v_load(at[k] + whole));
#pragma GCC unroll 4
                    for (int i = 0; i < mm; i++) acc[i * kk + k] = v_fma(g[i], xv, acc[i * kk + k]);
                }
            }
        }
#pragma GCC unroll 4
    for (int i = 0; i < mm; i++)
#pragma GCC unroll 32
        for (int k = 0; k < kk; k++) b->sums[i * b->stride + k] += v_hsum(acc[i * kk + k]);
}

typedef void (*dot_function)(const int32_t *offset, const dot_block *b);
#define DOT(mm, kk) \
    static void dot_##mm##_##kk(const int32_t *offset, const dot_block *b) { dot_tile(mm, kk, offset, b); }
/* clang-format off */
DOT(1, 1) DOT(1, 2) DOT(1, 3) DOT(1, 4) DOT(1, 5) DOT(1, 6) DOT(1, 7) DOT(1, 8)
DOT(1, 9) DOT(1, 10) DOT(1, 11) DOT(1, 12) DOT(2, 1) DOT(2, 2) DOT(2, 3) DOT(2, 4)
DOT(2, 5) DOT(2, 6) DOT(3, 1) DOT(3, 2) DOT(3, 3) DOT(3, 4)
#if DOT_M > 3
DOT(3, 5) DOT(3, 6) DOT(4, 1) DOT(4, 2) DOT(4, 3) DOT(4, 4) DOT(4, 5) DOT(4, 6)
#endif
static const dot_function dot_table[DOT_M][12] = {
    {dot_1_1, dot_1_2, dot_1_3, dot_1_4, dot_1_5, dot_1_6, dot_1_7, dot_1_8, dot_1_9, dot_1_10, dot_1_11,
     dot_1_12},
    {dot_2_1, dot_2_2, dot_2_3, dot_2_4, dot_2_5, dot_2_6},
#if DOT_M > 3
    {dot_3_1, dot_3_2, dot_3_3, dot_3_4, dot_3_5, dot_3_6},
    {dot_4_1, dot_4_2, dot_4_3, dot_4_4, dot_4_5, dot_4_6},
#else
    {dot_3_1, dot_3_2, dot_3_3, dot_3_4},
#endif
};
/* clang-format on */

static void dot_sum_chunk(void *ctx, int64_t chunk) {
    const dot_job *j = ctx;
    const patch_view *v = j->v;
    const stage_plan *p = &j->p;
    const int64_t part = chunk % j->parts, mp = chunk / j->parts % j->m_parts;
    const int64_t cp = chunk / j->parts / j->m_parts % j->c_parts, g = chunk / j->parts / j->m_parts / j->c_parts;
    const par_range n = par_chunk(j->N, j->parts, part, 1), m = par_chunk(j->M, j->m_parts, mp, DOT_M);
    const par_range c = par_chunk(v->channels, j->c_parts, cp, 1);
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2], K = v->channels * T;
    real *stage = (real *)(j->work + ct_par_worker() * j->work_bytes);
    real *sums = j->sums + (part * j->G + g) * j->M * K;
    const int64_t near = T >= DOT_NEAR ? DOT_NEAR : DOT_NEAR / T * T;
    if (c.begin >= c.end) return;
    for (int64_t i = m.begin; i < m.end; i++)
        for (int64_t k = c.begin * T; k < c.end * T; k++) sums[i * K + k] = 0;
    for (int64_t image = n.begin; image < n.end; image += j->images)
        for (int64_t od = 0; od < v->grid[0]; od++)
            for (int64_t r0 = 0; r0 < v->grid[1]; r0 += p->rows)
                for (int64_t w0 = 0; w0 < v->grid[2]; w0 += p->columns)
                    for (int64_t c0 = c.begin; c0 < c.end; c0 += p->channels) {
                        const int64_t channels = i64_min(p->channels, c.end - c0), KC = channels * T;
                        dot_block b = {.plane = v->cells,
                                       .dy_image = j->G * j->M * v->cells,
                                       .x = stage,
                                       .x_row = p->down_step * p->width,
                                       .x_image = p->size,
                                       .images = i64_min(j->images, n.end - image),
                                       .rows = i64_min(p->rows, v->grid[1] - r0),
                                       .columns = i64_min(p->columns, v->grid[2] - w0),
                                       .width = v->grid[2],
                                       .stride = K};
                        if (p->flat) b.columns *= b.rows, b.rows = 1;
                        for (int64_t i = 0; i < b.images; i++)
                            stage_fill(p, v, j->x + (image + i) * v->image + (g * v->channels + c0) * v->size, channels,
                                       od, r0, w0, stage + i * p->size);
                        for (int64_t k0 = 0; k0 < KC; k0 += near)
                            for (int64_t i = m.begin; i < m.end;) {
                                const int64_t mm = i64_min(DOT_M, m.end - i), most = mm == 1 ? 12 : mm == 2 ? 6 : DOT_K;
                                b.dy = j->dy + image * b.dy_image + (g * j->M + i) * v->cells +
                                       (od * v->grid[1] + r0) * v->grid[2] + w0;
                                const int64_t n_taps = i64_min(near, KC - k0), groups = ceil_div(n_taps, most);
                                for (int64_t q = 0; q < groups; q++) {
                                    const int64_t k = k0 + n_taps * q / groups, kk = k0 + n_taps * (q + 1) / groups - k;
                                    b.sums = sums + i * K + c0 * T + k;
                                    dot_table[mm - 1][kk - 1](j->offset + k, &b);
                                }
                                i += mm;
                            }
                    }
}

CT_INLINE void dot_plan(dot_job *j) {
    const patch_view *v = j->v;
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2], K = v->channels * T, cells = v->cells * j->N;
    const double ns = 2.0 * (double)(cells * j->G) * (double)(j->M * K) / (VL * 6.0) + (double)(cells * j->G) * 2;
    const int64_t wanted = ns > 4 * PAR_GRAIN ? 8 : 1;
    j->parts = j->m_parts = j->c_parts = 1;
    j->p = stage_for(v, v->channels, DOT_TAPS, DOT_COLUMNS, 1, 1);
    if (j->G < wanted) { /* images first, if each part has enough of them */
        const int64_t need = ceil_div(wanted, j->G), steps = ceil_div(v->cells, VL);
        if (j->G * j->M * K * (int64_t)sizeof(real) <= DOT_SPLIT_BYTES)
            j->parts = i64_max(1, i64_min(need, j->N * i64_min(steps, DOT_STEPS) / DOT_STEPS));
        if (j->parts < need) j->c_parts = i64_min(ceil_div(K, DOT_NEAR), ceil_div(need, j->parts));
        j->c_parts = i64_min(j->c_parts, v->channels);
        if (j->parts * j->c_parts < need) /* each part stages the input again */
            j->m_parts = i64_min(ceil_div(j->M, 2 * DOT_M), ceil_div(need, j->parts * j->c_parts));
        if (j->c_parts > 1) j->p = stage_for(v, ceil_div(v->channels, j->c_parts), DOT_TAPS, DOT_COLUMNS, 1, 1);
    }
    const int64_t steps = ceil_div(j->p.rows * j->p.columns, VL);
    j->images = 1;
    if (j->p.down == 1 && j->p.across == 1)
        while (j->images * steps < DOT_STEPS && (j->images + 1) * j->p.size * (int64_t)sizeof(real) <= STAGE_BYTES &&
               j->images < ceil_div(j->N, j->parts))
            j->images++;
    j->work_bytes = round_up(j->images * j->p.size * (int64_t)sizeof(real), 64);
}
CT_INLINE int64_t dot_fixed(const dot_job *j) {
    const int64_t T = j->v->taps[0] * j->v->taps[1] * j->v->taps[2];
    return round_up(j->p.channels * T * 4, 64) +
           (j->parts > 1 ? round_up(j->parts * j->G * j->M * j->v->channels * T * (int64_t)sizeof(real), 64) : 0);
}
static int64_t dot_work(dot_job j) {
    dot_plan(&j);
    return dot_fixed(&j) + ct_par_threads() * j.work_bytes;
}
static void dot_run(dot_job *j, void *work) {
    dot_plan(j);
    const int64_t T = j->v->taps[0] * j->v->taps[1] * j->v->taps[2], size = j->G * j->M * j->v->channels * T;
    stage_offsets(&j->p, j->v, j->p.channels, work);
    j->offset = work;
    j->sums = j->parts > 1 ? (real *)((char *)work + round_up(j->p.channels * T * 4, 64)) : j->dw;
    j->work = (char *)work + dot_fixed(j);
    const int64_t chunks = j->G * j->parts * j->m_parts * j->c_parts;
    if (chunks > 1 && 2.0 * (double)(j->N * j->v->cells) * (double)size / (VL * 6.0) > 2 * PAR_GRAIN)
        par_for(chunks, dot_sum_chunk, j);
    else
        for (int64_t i = 0; i < chunks; i++) dot_sum_chunk(j, i);
    if (j->parts == 1) return;
    for (int64_t i = 0; i < size; i++) {
        real sum = j->sums[i];
        for (int64_t part = 1; part < j->parts; part++) sum += j->sums[part * size + i];
        j->dw[i] = sum;
    }
}

#endif

/* conv_stage.h: a piece of the input as a convolution's inner loops read it.
 *
 * A stage holds some channels of the rows that a block of output rows and columns needs, with zeros for padding, and
 * each row split by its column modulo the step:
 *
 *   stage[channel][depth tap][row][phase][column / step]
 *
 * so that for any stride, dilation and padding the inputs of neighbouring outputs are neighbours, and a tap is an
 * offset.
 */
#ifndef CORTEN_CONV_STAGE_H
#define CORTEN_CONV_STAGE_H

#include "conv_patch.h"
#include "par.h"

#define STAGE_BYTES 131072 /* a quarter of a second-level cache */
#define STAGE_CELLS 1024   /* outputs of a block */

typedef struct {
    int64_t channels, blocks;         /* staged at a time, and how often */
    int64_t rows, columns;            /* outputs of a block */
    int64_t down, across;             /* blocks of one depth of an image */
    int64_t low[3];                   /* least offset of a tap relative to the first, at most 0 */
    int64_t height, len, width;       /* of the stage: rows, reals in a phase, reals in a row */
    int64_t plane, size;              /* reals of a channel, and of all */
    uint64_t used_rows, used_columns; /* by position modulo the step */
    int64_t down_step;                /* rows of the stage from one output row to the next */
    int flat;                         /* one tap: only inputs that are read, rows without a gap: a block is one row */
} stage_plan;

CT_INLINE int64_t even_part(int64_t n, int64_t most) { /* of n in as many parts as are needed, each at most this */
    return n > most ? ceil_div(n, ceil_div(n, most)) : i64_max(1, n);
}

/* Positions modulo the step that some tap reads; all where the step is wide. */
CT_INLINE uint64_t stage_used(int64_t taps, int64_t each, int64_t low, int64_t step) {
    if (step > 64) return ~(uint64_t)0;
    uint64_t used = 0;
    for (int64_t t = 0; t < taps; t++) used |= (uint64_t)1 << ((t * each - low) % step);
    return used;
}

CT_INLINE void stage_rows(stage_plan *p, const patch_view *v, int64_t rows) {
    const int64_t reach1 = (v->taps[1] - 1) * (v->each[1] < 0 ? -v->each[1] : v->each[1]);
    p->rows = rows;
    p->down = ceil_div(v->grid[1], rows);
    p->height = (rows - 1) * p->down_step + reach1 + 1;
    p->plane = round_up(v->taps[0] * p->height * p->width, VL);
    p->size = p->channels * p->plane + 2 * VL; /* the last vectors read beyond */
}

/* A plan for `channels` channels: about `taps` taps and `columns` columns at a time, and at least `blocks` blocks of an
 * image where there are rows enough. dense: the rows of the output follow one another. */
static stage_plan stage_for(const patch_view *v, int64_t channels, int64_t taps, int64_t columns, int64_t blocks,
                            int dense) {
    stage_plan p = {0};
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2];
    for (int d = 0; d < 3; d++) p.low[d] = i64_min(0, (v->taps[d] - 1) * v->each[d]);
    p.channels = even_part(channels, i64_max(1, taps / i64_max(1, T)));
    p.blocks = ceil_div(channels, p.channels);
    p.columns = v->grid[2] > columns ? round_up(even_part(v->grid[2], columns), GEMM_NR) : v->grid[2];
    p.across = ceil_div(v->grid[2], p.columns);
    const int64_t reach = (v->taps[2] - 1) * (v->each[2] < 0 ? -v->each[2] : v->each[2]);
    p.flat = dense && v->taps[1] * v->taps[2] == 1 && p.across == 1;
    p.len = p.flat ? p.columns : round_up(p.columns + reach / v->step[2], VL);
    p.width = p.flat ? p.len : p.len * v->step[2];
    p.down_step = p.flat ? 1 : v->step[1];
    p.used_rows = stage_used(v->taps[1], v->each[1], p.low[1], v->step[1]);
    p.used_columns = stage_used(v->taps[2], v->each[2], p.low[2], v->step[2]);
    int64_t most = i64_max(1, i64_min(v->grid[1], STAGE_CELLS / p.columns));
    if (blocks > p.across) most = i64_max(1, i64_min(most, v->grid[1] * p.across / blocks));
    stage_rows(&p, v, even_part(v->grid[1], most));
    while (p.rows > 1 && p.size * (int64_t)sizeof(real) > STAGE_BYTES) stage_rows(&p, v, (p.rows + 1) / 2);
    return p;
}

/* Offsets in the stage of the taps of `channels` channels. */
static void stage_offsets(const stage_plan *p, const patch_view *v, int64_t channels, int32_t *offset) {
    for (int64_t c = 0; c < channels; c++)
        for (int64_t a = 0; a < v->taps[0]; a++)
            for (int64_t b = 0; b < v->taps[1]; b++)
                for (int64_t e = 0; e < v->taps[2]; e++) {
                    const int64_t u = e * v->each[2] - p->low[2];
                    *offset++ = (int32_t)(c * p->plane + (a * p->height + b * v->each[1] - p->low[1]) * p->width +
                                          u % v->step[2] * p->len + u / v->step[2]);
                }
}

#define STAGE_LINE 512

/* to[j] = x[at + j], zero outside 0 ... width - 1, for j < n and for the rest of the last vector. */
CT_INLINE void stage_line(const real *x, int64_t width, int64_t at, int64_t n, real *to) {
    const int64_t first = i64_max(0, -at), count = i64_min(width - i64_max(0, at), n - first);
    int64_t j = 0;
    if (count >= VL && count < n) { /* zeros by vectors; over them what there is, its end as one more vector */
        const int64_t last = (first + count) / VL * VL;
        if (first) v_store(to, v_zero());
        if (last < n) v_store(to + last, v_zero());
        for (j = VL; j < first; j += VL) v_store(to + j, v_zero()); /* rare, and a call of memset */
        for (j = last + VL; j < n; j += VL) v_store(to + j, v_zero());
        x += at + first, to += first;
        for (j = 0; j + VL <= count; j += VL) v_store(to + j, v_load(x + j));
        if (j < count) v_store(to + count - VL, v_load(x + count - VL));
        return;
    }
    for (; j < n && at + j < 0; j += VL) v_store(to + j, load_patch(x, width, at + j, 1, VL));
    for (; j < n && at + j + VL <= width; j += VL) v_store(to + j, v_load(x + at + j));
    for (; j < n; j += VL) v_store(to + j, load_patch(x, width, at + j, 1, VL));
}

#if VBYTES / 8 == 8 && !CT_REAL_DOUBLE
#define STAGE_EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define STAGE_ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif VBYTES / 8 == 8 || (VBYTES / 8 == 4 && !CT_REAL_DOUBLE)
#define STAGE_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define STAGE_ODD 1, 3, 5, 7, 9, 11, 13, 15
#elif VBYTES / 8 == 4 || !CT_REAL_DOUBLE
#define STAGE_EVEN 0, 2, 4, 6
#define STAGE_ODD 1, 3, 5, 7
#else
#define STAGE_EVEN 0, 2
#define STAGE_ODD 1, 3
#endif

/* One row: x[at ...] split by phase, zero outside 0 ... width - 1. */
CT_INLINE void stage_row(const stage_plan *p, const real *x, int64_t width, int64_t at, int64_t step, real *to) {
    if (step == 1) {
        stage_line(x, width, at, p->len, to);
        return;
    }
    if (step > STAGE_LINE / 2 / VL) { /* far apart: one by one */
        for (int64_t phase = 0; phase < (p->flat ? 1 : step); phase++)
            for (int64_t j = 0; j < p->len; j++) {
                const int64_t i = at + phase + j * step;
                to[phase * p->len + j] = i >= 0 && i < width ? x[i] : 0;
            }
        return;
    }
    if (step == 2) {
        for (int64_t j = 0; j < p->len; j += VL, at += 2 * VL) {
            const int inside = at >= 0 && at + 2 * VL <= width;
            const vreal a = inside ? v_load(x + at) : load_patch(x, width, at, 1, VL);
            const vreal b = inside ? v_load(x + at + VL) : load_patch(x, width, at + VL, 1, VL);
            v_store(to + j, __builtin_shufflevector(a, b, STAGE_EVEN));
            if (p->used_columns & 2) v_store(to + p->len + j, __builtin_shufflevector(a, b, STAGE_ODD));
        }
        return;
    }
    real line[STAGE_LINE + VBYTES / sizeof(real)];
    const int64_t most = STAGE_LINE / step / VL * VL;
    for (int64_t j0 = 0; j0 < p->len; j0 += most) {
        const int64_t n = i64_min(most, p->len - j0);
        stage_line(x, width, at + j0 * step, round_up(n, VL) * step, line);
        for (int64_t phase = 0; phase < step; phase++) {
            if (!(p->used_columns >> phase & 1)) continue;
            for (int64_t j = 0; j < n; j++) to[phase * p->len + j0 + j] = line[phase + j * step];
        }
    }
}

/* Rows that lie `x_row` apart, to rows `to_row` apart. */
CT_NOINLINE void stage_lines(const real *x, int64_t x_row, int64_t rows, int64_t width, int64_t at, int64_t n, real *to,
                             int64_t to_row) {
    for (int64_t r = 0; r < rows; r++, x += x_row, to += to_row) stage_line(x, width, at, n, to);
}
static void stage_zero(real *to, int64_t n) {
    for (int64_t j = 0; j < n; j += VL) v_store(to + j, v_zero());
}

/* Channels c0 ... of one image, for output depth od and the block of rows and columns from (r0, w0). */
static void stage_fill(const stage_plan *p, const patch_view *v, const real *x, int64_t channels, int64_t od,
                       int64_t r0, int64_t w0, real *stage) {
    const int64_t at = w0 * v->step[2] + v->first[2] + p->low[2], top = r0 * v->step[1] + v->first[1] + p->low[1];
    const int64_t apart = p->flat ? v->step[1] : 1; /* rows of the input between rows of the stage */
    const int64_t before = top >= 0 ? 0 : i64_min(p->height, ceil_div(-top, apart));
    const int64_t until =
        top >= v->in[1] ? before : i64_max(before, i64_min(p->height, (v->in[1] - 1 - top) / apart + 1));
    for (int64_t c = 0; c < channels; c++, x += v->size, stage += p->plane)
        for (int64_t a = 0; a < v->taps[0]; a++) {
            const int64_t id = od * v->step[0] + v->first[0] + a * v->each[0];
            real *to = stage + a * p->height * p->width;
            if (id < 0 || id >= v->in[0]) {
                stage_zero(to, p->height * p->width);
                continue;
            }
            const real *from = x + (id * v->in[1] + top) * v->in[2];
            stage_zero(to, before * p->width);
            if (v->step[2] == 1 && (p->flat || v->step[1] == 1))
                stage_lines(from + before * apart * v->in[2], apart * v->in[2], until - before, v->in[2], at, p->len,
                            to + before * p->width, p->width);
            else
                for (int64_t r = before; r < until; r++)
                    if (p->flat || v->step[1] > 64 || p->used_rows >> r % v->step[1] & 1)
                        stage_row(p, from + r * apart * v->in[2], v->in[2], at, v->step[2], to + r * p->width);
            stage_zero(to + until * p->width, (p->height - until) * p->width);
        }
}

#endif

/* conv_direct.h: convolution without a patch matrix.
 *
 *   y[m, o] = act(bias[m] + sum over c, t of A[m, (c, t)] * x[c, o * step + offset[t]])
 *
 * The register tile of the matrix product, but the rows of its right factor are where the stage has them: up to GEMM_MR
 * outputs m by two vectors of positions, half as many by four, or one by eight.
 */
#ifndef CORTEN_CONV_DIRECT_H
#define CORTEN_CONV_DIRECT_H

#include "conv_stage.h"

#define DIRECT_WIDE 4         /* vectors of a tile of few outputs */
#define DIRECT_LONE 8         /* of one output: as many sums as hide the latency of one */
#define DIRECT_TAPS 400       /* of all staged channels: their part of A stays in the first-level cache */
#define DIRECT_COLUMNS 256    /* of a block */
#define DIRECT_NEAR 16        /* vectors of positions that all outputs take in turn */
#define DIRECT_STREAM 8000000 /* bytes of an output that no cache keeps */

#define DIRECT_ALL (GEMM_MR * GEMM_NV > DIRECT_LONE ? GEMM_MR * GEMM_NV : DIRECT_LONE) /* vectors of a tile */

typedef struct {
    const patch_view *v;
    stage_plan p;
    int64_t N, G, M; /* images, groups, outputs of a group */
    const real *x;   /* (N, G, channels, *in) */
    const real *w;   /* A[m, (c, t)] of group g is w[g * w_group + m * w_row + c * w_channel + tap[t]] */
    int64_t w_group, w_row, w_channel;
    const int32_t *tap; /* NULL: 0, 1, 2 ... */
    real *A;            /* packed: [group][block of channels][tile][tap][row of the tile] */
    const real *bias;
    int activation;
    real *y;                            /* (N, G, M, *dims) */
    int64_t image, plane;               /* reals of an image and of one output of it */
    int64_t start[3], jump[3], dims[3]; /* position o of the grid is at start + o * jump of a plane of these dims */
    int64_t parts, tiles;               /* chunks of M; tiles of M */
    int64_t items, chunks;
    int local;  /* each item packs its own A */
    int stream; /* write past the caches */
    const int32_t *offset;
    char *work;
    int64_t work_bytes;
} direct_job;

/* Where a tile's vectors are and go. */
typedef struct {
    const real *from[DIRECT_LONE];
    real *to[DIRECT_LONE];
    int64_t count[DIRECT_LONE]; /* lanes */
    int64_t plane, jump;
    const real *bias; /* of the tile's first row; read at the end only */
    int add, last, activation;
    int plain; /* whole vectors, side by side, and nothing but the sum */
} direct_slot;

/* acc holds mr rows of nv vectors; they go beside what other remainders of the stride write. */
CT_NOINLINE void direct_scatter(const vreal *acc, int mr, int nv, const direct_slot *s) {
    for (int v = 0; v < nv; v++)
        for (int i = 0; i < mr; i++) {
            const real *lane = (const real *)(acc + i * nv + v);
            real *y = s->to[v] + i * s->plane;
            for (int64_t l = 0; l < s->count[v]; l++) y[l * s->jump] = s->add ? y[l * s->jump] + lane[l] : lane[l];
        }
}

CT_INLINE void direct_tile(const int mr, const int nv, int64_t K, const real *a, const int32_t *offset,
                           const direct_slot *s) {
    vreal acc[DIRECT_ALL];
    const real *b[DIRECT_LONE];
#pragma GCC unroll 8
    for (int v = 0; v < nv; v++) b[v] = s->from[v];
#pragma GCC unroll 32
    for (int i = 0; i < mr * nv; i++) acc[i] = v_zero();
    for (int64_t k = 0; k < K; k++, a += mr) {
        const int64_t at = offset[k];
        vreal bv[DIRECT_LONE];
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) bv[v] = v_load(b[v] + at);
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            const vreal av = v_set1(a[i]);
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++) acc[i * nv + v] = v_fma(av, bv[v], acc[i * nv + v]);
        }
    }
    if (s->plain) {
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) {
            real *y = s->to[v];
#pragma GCC unroll 16
            for (int i = 0; i < mr; i++, y += s->plane) {
                if (s->plain == 2) v_stream(y, acc[i * nv + v]);
                else v_store(y, acc[i * nv + v]);
            }
        }
        return;
    }
    if (s->jump != 1) {
        vreal spill[DIRECT_ALL];
#pragma GCC unroll 32
        for (int i = 0; i < mr * nv; i++) spill[i] = acc[i];
        direct_scatter(spill, mr, nv, s);
        return;
    }
#pragma GCC unroll 8
    for (int v = 0; v < nv; v++) {
        const int64_t n = s->count[v];
        const vtail tail = v_tail(n);
        real *y = s->to[v];
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++, y += s->plane) {
            vreal x = acc[i * nv + v];
            if (s->add) x = x + (n == VL ? v_load(y) : v_load_tail(y, tail));
            if (s->last && s->bias) x = x + v_set1(s->bias[i]);
            if (s->last && s->activation == CT_ACT_RELU) x = v_max(v_zero(), x);
            if (n == VL) v_store(y, x);
            else v_store_tail(y, x, tail);
        }
    }
    if (s->last && s->activation > CT_ACT_RELU)
#pragma GCC unroll 1
        for (int i = 0; i < mr * nv; i++)
            tile_activate(s->to[i % nv] + i / nv * s->plane, s->count[i % nv], s->activation);
}

typedef void (*direct_function)(int64_t K, const real *a, const int32_t *offset, const direct_slot *s);
#define DIRECT(mr, nv)                                                                                      \
    static void direct_##mr##_##nv(int64_t K, const real *a, const int32_t *offset, const direct_slot *s) { \
        direct_tile(mr, nv, K, a, offset, s);                                                               \
    }
#define DIRECT_NARROW(mr) DIRECT(mr, 1) DIRECT(mr, 2)
#define DIRECT_BOTH(mr) DIRECT(mr, 1) DIRECT(mr, 2) DIRECT(mr, 3) DIRECT(mr, 4)
#define DIRECT_ROW2(mr) {direct_##mr##_1, direct_##mr##_2}
#define DIRECT_ROW4(mr) {direct_##mr##_1, direct_##mr##_2, direct_##mr##_3, direct_##mr##_4}
#if GEMM_MR > 6
#define DIRECT_FEW 5
#elif GEMM_MR > 2
#define DIRECT_FEW 3
#else
#define DIRECT_FEW 1
#endif
DIRECT_BOTH(1)
DIRECT(1, 5)
DIRECT(1, 6)
DIRECT(1, 7)
DIRECT(1, 8)
#if DIRECT_FEW > 1
DIRECT_BOTH(2)
DIRECT_BOTH(3)
#else
DIRECT_NARROW(2)
#endif
#if DIRECT_FEW > 3
DIRECT_BOTH(4)
DIRECT_BOTH(5)
DIRECT_NARROW(6)
DIRECT_NARROW(7)
DIRECT_NARROW(8)
DIRECT_NARROW(9)
DIRECT_NARROW(10)
#elif DIRECT_FEW > 1
DIRECT_NARROW(4)
DIRECT_NARROW(5)
DIRECT_NARROW(6)
#endif
#if GEMM_MR > 10
DIRECT_NARROW(11)
DIRECT_NARROW(12)
#endif
static const direct_function direct_table[GEMM_MR][DIRECT_LONE] = {
    {direct_1_1, direct_1_2, direct_1_3, direct_1_4, direct_1_5, direct_1_6, direct_1_7, direct_1_8},
#if DIRECT_FEW > 1
    DIRECT_ROW4(2),
    DIRECT_ROW4(3),
#else
    DIRECT_ROW2(2),
#endif
#if DIRECT_FEW > 3
    DIRECT_ROW4(4),
    DIRECT_ROW4(5),
    DIRECT_ROW2(6),
    DIRECT_ROW2(7),
    DIRECT_ROW2(8),
    DIRECT_ROW2(9),
    DIRECT_ROW2(10),
#elif DIRECT_FEW > 1
    DIRECT_ROW2(4),
    DIRECT_ROW2(5),
    DIRECT_ROW2(6),
#endif
#if GEMM_MR > 10
    DIRECT_ROW2(11),
    DIRECT_ROW2(12),
#endif
};

/* The rows of A of one tile for some channels, as the tile reads them. */
static void direct_pack(const direct_job *j, int64_t group, int64_t m, int64_t rows, int64_t c0, int64_t channels,
                        real *to) {
    const patch_view *v = j->v;
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2];
    const real *w = j->w + group * j->w_group + m * j->w_row + c0 * j->w_channel;
    if (!j->tap && j->w_channel == T) {
        pack_panel(rows, rows, channels * T, w, j->w_row, 1, to);
        return;
    }
    for (int64_t c = 0; c < channels; c++, w += j->w_channel)
        for (int64_t t = 0; t < T; t++, to += rows) {
            const real *from = w + (j->tap ? j->tap[t] : t);
            for (int64_t i = 0; i < rows; i++) to[i] = from[i * j->w_row];
        }
}
static void direct_pack_chunk(void *ctx, int64_t chunk) {
    const direct_job *j = ctx;
    const int64_t T = j->v->taps[0] * j->v->taps[1] * j->v->taps[2], K = j->v->channels * T;
    const int64_t t = chunk % j->tiles, group = chunk / j->tiles, m = j->M * t / j->tiles,
                  rows = j->M * (t + 1) / j->tiles - m;
    for (int64_t c = 0; c < j->v->channels; c += j->p.channels) {
        const int64_t channels = i64_min(j->p.channels, j->v->channels - c);
        direct_pack(j, group, m, rows, c, channels, j->A + group * j->M * K + c * T * j->M + m * channels * T);
    }
}

/* One block of positions of one image, all channels, some outputs. */
static void direct_item(const direct_job *j, int64_t item, real *stage) {
    const patch_view *v = j->v;
    const stage_plan *p = &j->p;
    const int64_t part = item % j->parts, across = item / j->parts % p->across;
    int64_t rest = item / j->parts / p->across;
    const int64_t down = rest % p->down, od = rest / p->down % v->grid[0];
    rest = rest / p->down / v->grid[0];
    const int64_t group = rest % j->G, image = rest / j->G;
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2], K = v->channels * T;
    const int64_t r0 = down * p->rows, r1 = i64_min(v->grid[1], r0 + p->rows);
    const int64_t w0 = across * p->columns, w1 = i64_min(v->grid[2], w0 + p->columns);
    const par_range tiles = par_chunk(j->tiles, j->parts, part, 1);
    const real *x = j->x + image * v->image + group * v->channels * v->size;
    real *y = j->y + image * j->image + group * j->M * j->plane;
    const int64_t columns =
        p->flat ? (r1 - r0) * v->grid[2] : w1 - w0; /* of a row of the block; flat: of its only one */
    const int64_t vectors = ceil_div(columns, VL), slots = p->flat ? vectors : (r1 - r0) * vectors;
    const int64_t near = j->A ? DIRECT_NEAR : slots;
    real *own = stage + round_up(p->size, 16);
    const int64_t next_from = p->down_step * p->width - vectors * VL;
    const int64_t next_to = j->jump[1] * j->dims[2] - vectors * VL * j->jump[2];
    /* The last vector of a row may run over into the next row, which is written after it. */
    const int over = p->blocks == 1 && p->across == 1 && j->jump[1] * j->jump[2] == 1 && v->grid[2] == j->dims[2];
    const int plain = p->blocks == 1 && !j->bias && !j->activation && j->jump[2] == 1 ? 1 + j->stream : 0;
    real *y0 = y + ((j->start[0] + od * j->jump[0]) * j->dims[1] + j->start[1] + r0 * j->jump[1]) * j->dims[2] +
               j->start[2] + w0 * j->jump[2];
    for (int64_t block = 0; block < p->blocks; block++) {
        const int64_t c0 = block * p->channels, channels = i64_min(p->channels, v->channels - c0);
        stage_fill(p, v, x + c0 * v->size, channels, od, r0, w0, stage);
        const real *A = j->A ? j->A + group * j->M * K + c0 * T * j->M : NULL;
        direct_slot s; /* its arrays are filled below, as far as they are read */
        s.plane = j->plane, s.jump = j->jump[2], s.activation = j->activation;
        s.add = block > 0, s.last = block == p->blocks - 1;
        for (int64_t q0 = 0; q0 < slots; q0 += near) { /* some vectors of positions, then all outputs */
            const int64_t q1 = i64_min(slots, q0 + near), row = q0 / vectors, first = q0 % vectors * VL;
            for (int64_t t = tiles.begin; t < tiles.end; t++) {
                const int64_t m = j->M * t / j->tiles, mr = j->M * (t + 1) / j->tiles - m;
                const int64_t wide = mr == 1            ? even_part(q1 - q0, DIRECT_LONE)
                                     : mr <= DIRECT_FEW ? DIRECT_WIDE
                                                        : GEMM_NV;
                const real *from = stage + row * p->down_step * p->width + first;
                real *to = y0 + m * j->plane + row * j->jump[1] * j->dims[2] + first * j->jump[2];
                int64_t w = first, after = over ? slots / vectors * columns - row * columns : 0;
                const real *a = A ? A + m * channels * T : own;
                if (!A) direct_pack(j, group, m, mr, c0, channels, own);
                s.bias = j->bias ? j->bias + group * j->M + m : NULL;
                for (int64_t q = q0; q < q1; q += wide) {
                    const int nv = (int)i64_min(wide, q1 - q);
                    s.plain = plain;
                    for (int i = 0; i < nv; i++) {
                        s.from[i] = from, s.to[i] = to;
                        s.count[i] = after - w >= VL ? VL : i64_min(VL, columns - w);
                        if (s.count[i] < VL) s.plain = 0;
                        w += VL, from += VL, to += VL * s.jump;
                        if (w >= columns) from += next_from, to += next_to, w = 0, after -= columns;
                    }
                    direct_table[mr - 1][nv - 1](channels * T, a, j->offset, &s);
                }
            }
        }
    }
}

static void direct_chunk(void *ctx, int64_t chunk) {
    const direct_job *j = ctx;
    const par_range r = par_chunk(j->items, j->chunks, chunk, 1);
    real *stage = (real *)(j->work + ct_par_worker() * j->work_bytes);
    for (int64_t i = r.begin; i < r.end; i++) direct_item(j, i, stage);
    if (j->stream) v_fence();
}

CT_INLINE double direct_cost(const direct_job *j) { /* nanoseconds, roughly */
    const patch_view *v = j->v;
    return (double)(j->N * j->G * v->cells) *
           (2.0 * (double)(v->channels * v->taps[0] * v->taps[1] * v->taps[2] * j->M) / (VL * 6.0) + 2);
}
CT_INLINE void direct_plan(direct_job *j) {
    const patch_view *v = j->v;
    const double ns = direct_cost(j);
    const int64_t wanted = ns > 4 * PAR_GRAIN ? 8 : 1, whole = i64_max(1, j->N * j->G * v->grid[0]);
    j->tiles = ceil_div(j->M, GEMM_MR);
    j->p =
        stage_for(v, v->channels, DIRECT_TAPS, DIRECT_COLUMNS, ceil_div(wanted, whole), j->jump[1] * j->jump[2] == 1);
    j->items = whole * j->p.down * j->p.across;
    j->parts = j->items < wanted ? i64_min(ceil_div(wanted, j->items), ceil_div(j->tiles, 2)) : 1;
    j->items *= j->parts;
    j->chunks = ns > 2 * PAR_GRAIN ? i64_min(j->items, i64_min(128, (int64_t)(ns / PAR_GRAIN))) : 1;
    /* A that is read once or twice is packed tile by tile where it is used */
    j->local = whole / j->G * j->p.down * j->p.across <= 2;
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2];
    j->work_bytes =
        round_up((round_up(j->p.size, 16) + (j->local ? GEMM_MR * j->p.channels * T : 0)) * (int64_t)sizeof(real), 64);
}
/* Bytes of the packed A and the offsets; the stages of the workers come after. */
CT_INLINE int64_t direct_fixed(const direct_job *j) {
    const int64_t T = j->v->taps[0] * j->v->taps[1] * j->v->taps[2];
    return (j->local ? 0 : round_up(j->G * j->M * j->v->channels * T * (int64_t)sizeof(real), 64)) +
           round_up(j->p.channels * T * 4, 64);
}
static int64_t direct_work(direct_job j) {
    direct_plan(&j);
    return direct_fixed(&j) + ct_par_threads() * j.work_bytes;
}

static void direct_run(direct_job *j, void *work) {
    direct_plan(j);
    const patch_view *v = j->v;
    const int64_t T = v->taps[0] * v->taps[1] * v->taps[2], K = v->channels * T;
    if (j->N == 0 || j->M == 0 || v->cells == 0) return;
    int32_t *offset = work;
    stage_offsets(&j->p, v, i64_min(j->p.channels, v->channels), offset);
    j->A = j->local ? NULL : (real *)((char *)work + round_up(j->p.channels * T * 4, 64));
    if (j->A && (double)(j->G * j->M * K) > 2 * PAR_GRAIN) par_for(j->G * j->tiles, direct_pack_chunk, j);
    else if (j->A)
        for (int64_t i = 0; i < j->G * j->tiles; i++) direct_pack_chunk(j, i);
    j->stream = j->dims[2] % VL == 0 && (uintptr_t)j->y % VBYTES == 0 &&
                j->N * j->image * (int64_t)sizeof(real) >= DIRECT_STREAM;
    j->offset = offset, j->work = (char *)work + direct_fixed(j);
    par_for(j->chunks, direct_chunk, j);
}

#endif

/* conv_winograd.h: 3 x 3 convolution with stride 1 in two dimensions with 36 instead of 144 products for 4 x 4 outputs.
 *
 * Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
 * arXiv:1509.09308):
 *
 *   Y = A' [ sum over c of (G g_c G') * (B' d_c B) ] A          d: 6 x 6 inputs, g: 3 x 3 weights, Y: 4 x 4 outputs
 *   dg = G' [ sum over tiles of (A dY A') * (B' d B) ] G         its adjoint in the weight
 *
 * Points 0, +-3/4, +-3/2 and infinity: in float32 the largest error is about twice that of the plain sum (some 3e-6 of
 * the largest output at 256 channels), a third of that of the usual 0, +-1, +-2 (compare Barabasz et al., "Error
 * Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", arXiv:1803.10986).  Only
 * float32 goes this way; float64 has the plain sum.
 *
 * Tiles are taken in blocks whose transforms stay in the third-level cache; their number does not depend on the batch.
 */
#ifndef CORTEN_CONV_WINOGRAD_H
#define CORTEN_CONV_WINOGRAD_H

#include "conv_patch.h"
#include "par.h"

#define WINO_POINTS 36
#define WINO_BYTES 1500000     /* of the transformed input of a block of tiles */
#define WINO_SUM_BYTES 4000000 /* of both transforms of a block, halved, for the gradient of the weight */
#define WINO_ROWS 32           /* outputs of a chunk */
#define WINO_TILES 64          /* tiles of a chunk of the input's transform */
#define WINO_CHANNELS 16       /* channels of the same */
#define WINO_A R(0.75)
#define WINO_B R(1.5)

/* ---- the one-dimensional transforms ---- */

static const real wino_a2 = WINO_A * WINO_A, wino_b2 = WINO_B * WINO_B;
#define WINO_NA (R(2.0) * wino_a2 * (wino_a2 - wino_b2))
#define WINO_NB (R(2.0) * wino_b2 * (wino_b2 - wino_a2))

CT_INLINE void wino_input(const vreal d[6], vreal out[6]) { /* B' d */
    const vreal a2 = v_set1(-wino_a2), b2 = v_set1(-wino_b2), sum = v_set1(-(wino_a2 + wino_b2));
    const vreal product = v_set1(wino_a2 * wino_b2);
    const vreal ea = v_fma(b2, d[2], d[4]), oa = v_set1(WINO_A) * v_fma(b2, d[1], d[3]);
    const vreal eb = v_fma(a2, d[2], d[4]), ob = v_set1(WINO_B) * v_fma(a2, d[1], d[3]);
    out[0] = v_fma(product, d[0], v_fma(sum, d[2], d[4]));
    out[5] = v_fma(product, d[1], v_fma(sum, d[3], d[5]));
    out[1] = ea + oa, out[2] = ea - oa, out[3] = eb + ob, out[4] = eb - ob;
}
CT_INLINE void wino_output(const vreal m[6], vreal out[4]) { /* A' m */
    const vreal s = m[1] + m[2], t = m[3] + m[4], p = m[1] - m[2], q = m[3] - m[4];
    out[0] = m[0] + (s + t);
    out[1] = v_fma(v_set1(WINO_A), p, v_set1(WINO_B) * q);
    out[2] = v_fma(v_set1(wino_a2), s, v_set1(wino_b2) * t);
    out[3] = v_fma(v_set1(WINO_A * wino_a2), p, v_fma(v_set1(WINO_B * wino_b2), q, m[5]));
}
CT_INLINE void wino_gradient(const vreal y[4], vreal out[6]) { /* A y */
    const vreal ea = v_fma(v_set1(wino_a2), y[2], y[0]), oa = v_set1(WINO_A) * v_fma(v_set1(wino_a2), y[3], y[1]);
    const vreal eb = v_fma(v_set1(wino_b2), y[2], y[0]), ob = v_set1(WINO_B) * v_fma(v_set1(wino_b2), y[3], y[1]);
    out[0] = y[0], out[5] = y[3];
    out[1] = ea + oa, out[2] = ea - oa, out[3] = eb + ob, out[4] = eb - ob;
}
CT_INLINE void wino_weight(const vreal g[3], vreal out[6]) { /* G g */
    const vreal na = v_set1(R(1.0) / WINO_NA), nb = v_set1(R(1.0) / WINO_NB);
    const vreal ea = v_fma(v_set1(wino_a2), g[2], g[0]) * na, oa = v_set1(WINO_A) * g[1] * na;
    const vreal eb = v_fma(v_set1(wino_b2), g[2], g[0]) * nb, ob = v_set1(WINO_B) * g[1] * nb;
    out[0] = g[0] * v_set1(R(1.0) / (wino_a2 * wino_b2)), out[5] = g[2];
    out[1] = ea + oa, out[2] = ea - oa, out[3] = eb + ob, out[4] = eb - ob;
}
CT_INLINE void wino_weight_gradient(const vreal u[6], vreal out[3]) { /* G' u */
    const vreal na = v_set1(R(1.0) / WINO_NA), nb = v_set1(R(1.0) / WINO_NB);
    const vreal s = (u[1] + u[2]) * na, p = (u[1] - u[2]) * na, t = (u[3] + u[4]) * nb, q = (u[3] - u[4]) * nb;
    out[0] = v_fma(v_set1(R(1.0) / (wino_a2 * wino_b2)), u[0], s + t);
    out[1] = v_fma(v_set1(WINO_A), p, v_set1(WINO_B) * q);
    out[2] = v_fma(v_set1(wino_a2), s, v_fma(v_set1(wino_b2), t, u[5]));
}

/* ---- four columns of VL tiles, from and to rows of tiles ---- */

typedef real wino_quad __attribute__((vector_size(4 * sizeof(real))));
typedef real wino_quad_unaligned __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));

/* VL / 4 quads side by side */
CT_INLINE vreal wino_join(const real *base, const int32_t *at) {
#if defined(CT_AVX512) && !CT_REAL_DOUBLE
    __m512 r = _mm512_castps128_ps512(_mm_loadu_ps(base + at[0]));
    r = _mm512_insertf32x4(r, _mm_loadu_ps(base + at[4]), 1);
    r = _mm512_insertf32x4(r, _mm_loadu_ps(base + at[8]), 2);
    return (vreal)_mm512_insertf32x4(r, _mm_loadu_ps(base + at[12]), 3);
#elif defined(CT_AVX2) && !CT_REAL_DOUBLE
    return (vreal)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(base + at[0])), _mm_loadu_ps(base + at[4]),
                                       1);
#else
    return v_load(base + at[0]);
#endif
}
#if VBYTES == 64
#define WINO_LANES(a, b, c, d) \
    a, b, c, d, a + 4, b + 4, c + 4, d + 4, a + 8, b + 8, c + 8, d + 8, a + 12, b + 12, c + 12, d + 12
#define WINO_WIDTH 16
#elif VBYTES == 32
#define WINO_LANES(a, b, c, d) a, b, c, d, a + 4, b + 4, c + 4, d + 4
#define WINO_WIDTH 8
#else
#define WINO_LANES(a, b, c, d) a, b, c, d
#define WINO_WIDTH 4
#endif
#define WINO_LOW(a, b) __builtin_shufflevector(a, b, WINO_LANES(0, WINO_WIDTH, 1, WINO_WIDTH + 1))
#define WINO_HIGH(a, b) __builtin_shufflevector(a, b, WINO_LANES(2, WINO_WIDTH + 2, 3, WINO_WIDTH + 3))
#define WINO_FIRST(a, b) __builtin_shufflevector(a, b, WINO_LANES(0, 1, WINO_WIDTH, WINO_WIDTH + 1))
#define WINO_LAST(a, b) __builtin_shufflevector(a, b, WINO_LANES(2, 3, WINO_WIDTH + 2, WINO_WIDTH + 3))

/* p[c][l] = base[at[l] + c] for c < n <= 4 */
CT_INLINE void wino_columns(const real *base, const int32_t *at, const int n, vreal *p) {
    const vreal r0 = wino_join(base, at), r1 = wino_join(base, at + 1), r2 = wino_join(base, at + 2),
                r3 = wino_join(base, at + 3);
    const vreal low = WINO_LOW(r0, r1), low2 = WINO_LOW(r2, r3);
    p[0] = WINO_FIRST(low, low2), p[1] = WINO_LAST(low, low2);
    if (n > 2) {
        const vreal high = WINO_HIGH(r0, r1), high2 = WINO_HIGH(r2, r3);
        p[2] = WINO_FIRST(high, high2), p[3] = WINO_LAST(high, high2);
    }
}

/* ---- the work ---- */

typedef struct {
    int64_t N, C, O;       /* images, channels of x, channels of y */
    int64_t in[2], out[2]; /* sizes of x and y */
    int64_t pad[2];
    const real *x;              /* (N, C, *in) */
    const real *w;              /* weight of output o and channel c at w + o * w_out + c * w_in, 3 x 3 */
    int64_t w_out, w_in, w_tap; /* w_tap -1: taps from the last to the first */
    const real *bias;
    int activation;
    real *y;                             /* (N, O, *out); the gradient of the weight reads it */
    real *dw;                            /* (O, C, 3, 3) */
    int64_t down, across, tiles;         /* of an image, and of all */
    int64_t block, blocks;               /* tiles of a block, a multiple of GEMM_NR; how many */
    int64_t t0, count;                   /* the block at hand, for the gradient of the weight */
    real *U, *V, *Z, *dU;                /* U, V: NULL where each chunk transforms its own */
    int64_t v_point, v_panel, v_channel; /* strides of V */
    int64_t z_point, z_channel;          /* strides of Z */
    int64_t rows, groups, parts;         /* outputs at a time, how often, and chunks along outputs */
    char *work;                          /* of each worker */
    int64_t work_bytes;
} wino_job;

typedef struct {
    int64_t n, y, x; /* image, row and column of a tile */
} wino_tile;

CT_INLINE wino_tile wino_at(const wino_job *j, int64_t t) {
    const int64_t each = j->down * j->across, r = t % each;
    return (wino_tile){t / each, r / j->across, r % j->across};
}

/* Bytes of the stage of WINO_TILES tiles: six rows each, at worst every tile on its own. */
#define WINO_STAGE (WINO_TILES * 6 * 8 + 6 * 2 * 64)

/* Tiles t0 ... t0 + count - 1 (at most WINO_TILES, from a multiple of GEMM_NR) of one channel: down the columns first,
 * into a stage of rows, then across them. `size` rows and columns of a tile are read: 6 of x, or 4 of dy. */
CT_INLINE void wino_transform(const wino_job *j, const int size, const real *from, int64_t channels,
                              const int64_t in[2], const int64_t pad[2], int64_t t0, int64_t count, real *stage,
                              real *to, int64_t point, int64_t panel) {
    int32_t at[WINO_TILES];
    int64_t used = 0; /* columns of the stage */
    const int64_t row = WINO_STAGE / 6 / 8 * 8;
    for (int64_t t = 0; t < count;) {
        const wino_tile tile = wino_at(j, t0 + t);
        const int64_t n = i64_min(count - t, j->across - tile.x), width = 4 * n + (size == 6 ? 4 : 0);
        const real *plane = from + tile.n * channels * in[0] * in[1];
        const int64_t top = 4 * tile.y - pad[0], left = 4 * tile.x - pad[1];
        for (int64_t c = 0; c < width; c += VL) {
            vreal d[6], out[6];
            const int64_t lo = left + c;
            const int whole = lo >= 0 && lo + VL <= in[1];
            const int64_t skip = lo < 0 ? -lo : 0, have = i64_min(VL, in[1] - lo);
            for (int i = 0; i < size; i++) {
                const int64_t r = top + i;
                if (r < 0 || r >= in[0] || (!whole && have <= skip)) d[i] = v_zero();
                else if (whole) d[i] = v_load(plane + r * in[1] + lo);
                else d[i] = load_patch(plane + r * in[1], in[1], lo, 1, VL);
            }
            if (size == 6) wino_input(d, out);
            else wino_gradient(d, out);
            for (int i = 0; i < 6; i++) v_store(stage + i * row + used + c, out[i]);
        }
        for (int64_t k = 0; k < n; k++) at[t + k] = (int32_t)(used + 4 * k);
        used += width;
        t += n;
    }
    for (int64_t t = count; t < round_up(count, VL); t++) at[t] = at[count - 1];
    for (int64_t t = 0; t < count; t += VL) {
        real *v = to + t / GEMM_NR * panel + t % GEMM_NR;
        for (int i = 0; i < 6; i++) {
            vreal d[8], out[6];
            wino_columns(stage + i * row, at + t, 4, d);
            if (size == 6) {
                wino_columns(stage + i * row + 4, at + t, 2, d + 4);
                wino_input(d, out);
            } else wino_gradient(d, out);
            for (int k = 0; k < 6; k++) v_store(v + (i * 6 + k) * point, out[k]);
        }
    }
}

#define WINO_LANES_OF_TILE (GEMM_MR > VL ? 2 * VL : VL) /* a tile's rows in whole vectors */

/* G g G' of `n` outputs from o0: U[tile of rows][point][c][GEMM_MR]; stage is (C, 9, WINO_LANES_OF_TILE) */
static void wino_weights(const wino_job *j, int64_t o0, int64_t n, real *U, real *stage) {
    const int64_t tiles = ceil_div(n, GEMM_MR), C = j->C, wide = WINO_LANES_OF_TILE;
    for (int64_t t = 0; t < tiles; t++) {
        const int64_t i0 = n * t / tiles, rows = n * (t + 1) / tiles - i0;
        const real *w = j->w + (o0 + i0) * j->w_out;
        real *u = U + t * WINO_POINTS * (C * GEMM_MR + wide);
        if (j->w_in == 9) pack_panel(wide, rows, C * 9, w, j->w_out, 1, stage);
        else
            for (int64_t c = 0; c < C; c++)
                pack_panel(wide, rows, 9, w + c * j->w_in, j->w_out, 1, stage + c * 9 * wide);
        for (int64_t c = 0; c < C; c++)
            for (int64_t l = 0; l < GEMM_MR; l += VL) { /* lanes beyond the tile are written over by the next channel */
                const real *g = stage + c * 9 * wide + l;
                vreal half[6][3], out[6];
                for (int k = 0; k < 3; k++) {
                    const int64_t a = (j->w_tap < 0 ? 8 - k : k) * wide, b = 3 * j->w_tap * wide;
                    const vreal column[3] = {v_load(g + a), v_load(g + a + b), v_load(g + a + 2 * b)};
                    wino_weight(column, out);
                    for (int q = 0; q < 6; q++) half[q][k] = out[q];
                }
                for (int q = 0; q < 6; q++) {
                    wino_weight(half[q], out);
                    for (int k = 0; k < 6; k++)
                        v_store(u + (q * 6 + k) * (C * GEMM_MR + wide) + c * GEMM_MR + l, out[k]);
                }
            }
    }
}

/* A' m A of one output and VL tiles, into y. */
CT_INLINE void wino_store(const wino_job *j, const real *m, int64_t point, const wino_tile *tile, int64_t tiles,
                          int64_t o) {
    vreal half[4][6], out[4];
    for (int k = 0; k < 6; k++) {
        vreal column[6];
        for (int i = 0; i < 6; i++) column[i] = v_load(m + (i * 6 + k) * point);
        wino_output(column, out);
        for (int i = 0; i < 4; i++) half[i][k] = out[i];
    }
    const vreal bias = v_set1(j->bias ? j->bias[o] : 0);
    const int64_t H = j->out[0], W = j->out[1];
    for (int i = 0; i < 4; i++) {
        wino_output(half[i], out);
        for (int k = 0; k < 4; k++) {
            out[k] = out[k] + bias;
            if (j->activation == CT_ACT_RELU) out[k] = v_max(v_zero(), out[k]);
        }
        if (j->activation > CT_ACT_RELU) {
            real lane[4 * VBYTES / sizeof(real)];
            for (int k = 0; k < 4; k++) v_store(lane + k * VL, out[k]);
            tile_activate(lane, 4 * VL, j->activation);
            for (int k = 0; k < 4; k++) out[k] = v_load(lane + k * VL);
        }
        const vreal a = WINO_LOW(out[0], out[1]), b = WINO_LOW(out[2], out[3]);
        const vreal c = WINO_HIGH(out[0], out[1]), d = WINO_HIGH(out[2], out[3]);
        const vreal r[4] = {WINO_FIRST(a, b), WINO_LAST(a, b), WINO_FIRST(c, d), WINO_LAST(c, d)};
        for (int64_t l = 0; l < tiles; l++) {
            const int64_t row = 4 * tile[l].y + i, left = 4 * tile[l].x;
            if (row >= H) continue;
            real *y = j->y + ((tile[l].n * j->O + o) * H + row) * W + left;
            const real *q = (const real *)&r[l % 4] + l / 4 * 4;
            if (left + 4 <= W) *(wino_quad_unaligned *)y = *(const wino_quad_unaligned *)q;
            else
                for (int64_t k = 0; k < W - left; k++) y[k] = q[k];
        }
    }
}

/* Reals of the transformed weights of `rows` outputs. */
CT_INLINE int64_t wino_weight_reals(const wino_job *j) {
    return round_up(ceil_div(j->rows, GEMM_MR) * WINO_POINTS * (j->C * GEMM_MR + WINO_LANES_OF_TILE), 16);
}

/* Tiles t0 ... t0 + count - 1 of one channel into V, of which t0 is the first panel. */
CT_INLINE void wino_fill(const wino_job *j, int64_t c, int64_t t0, int64_t count, real *stage, real *V) {
    for (int64_t t = 0; t < count; t += WINO_TILES)
        wino_transform(j, 6, j->x + c * j->in[0] * j->in[1], j->C, j->in, j->pad, t0 + t,
                       i64_min(WINO_TILES, count - t), stage, V + t / GEMM_NR * j->v_panel + c * j->v_channel,
                       j->v_point, j->v_panel);
}

/* What chunks share: a group of weights, or some channels of some tiles. */
static void wino_shared_chunk(void *ctx, int64_t chunk) {
    const wino_job *j = ctx;
    real *stage = (real *)(j->work + ct_par_worker() * j->work_bytes);
    if (j->U) {
        if (chunk < j->groups) {
            const par_range o = par_chunk(j->O, j->groups, chunk, 1);
            wino_weights(j, o.begin, o.end - o.begin, j->U + chunk * wino_weight_reals(j), stage);
            return;
        }
        chunk -= j->groups;
    }
    const int64_t parts = ceil_div(j->C, WINO_CHANNELS), t0 = chunk / parts * WINO_TILES,
                  c0 = chunk % parts * WINO_CHANNELS;
    for (int64_t c = c0; c < i64_min(j->C, c0 + WINO_CHANNELS); c++)
        wino_fill(j, c, t0, i64_min(WINO_TILES, j->tiles - t0), stage, j->V + t0 / GEMM_NR * j->v_panel);
}

/* One block of tiles, some groups of outputs. */
static void wino_chunk(void *ctx, int64_t chunk) {
    const wino_job *j = ctx;
    const int64_t t0 = chunk / j->parts * j->block, count = i64_min(j->block, j->tiles - t0), C = j->C;
    const par_range groups = par_chunk(j->groups, j->parts, chunk % j->parts, 1);
    real *work = (real *)(j->work + ct_par_worker() * j->work_bytes);
    real *V = j->V ? j->V + t0 / GEMM_NR * j->v_panel : work, *M = j->V ? work : work + j->block / GEMM_NR * j->v_panel;
    const int64_t point = j->rows * GEMM_NR + 16;
    real *own = M + round_up(i64_max(WINO_POINTS * point, 9 * C * WINO_LANES_OF_TILE), 16);
    if (groups.begin >= groups.end) return;
    if (!j->V)
        for (int64_t c = 0; c < C; c++) wino_fill(j, c, t0, count, M, V);
    const tile_end end = {1, 0, NULL, NULL, 0, 1};
    for (int64_t group = groups.begin; group < groups.end; group++) {
        const par_range o = par_chunk(j->O, j->groups, group, 1);
        const int64_t n = o.end - o.begin, row_tiles = ceil_div(n, GEMM_MR);
        const real *U = j->U ? j->U + group * wino_weight_reals(j) : own;
        if (!j->U) wino_weights(j, o.begin, n, own, M);
        for (int64_t t = 0; t < count; t += GEMM_NR) {
            const int64_t columns = i64_min(GEMM_NR, count - t), nv = ceil_div(columns, VL);
            const real *panel = V + t / GEMM_NR * j->v_panel;
            for (int64_t p = 0; p < WINO_POINTS; p++)
                for (int64_t g = 0; g < row_tiles; g++) {
                    const int64_t i = n * g / row_tiles, rows = n * (g + 1) / row_tiles - i;
                    tile_table[TILE_PACKED][rows - 1][nv - 1](
                        C, U + (g * WINO_POINTS + p) * (C * GEMM_MR + WINO_LANES_OF_TILE), 1, GEMM_MR,
                        panel + p * j->v_point, GEMM_NR, nv * VL, M + p * point + i * GEMM_NR, GEMM_NR, &end);
                }
            wino_tile tile[GEMM_NR];
            for (int64_t k = 0; k < columns; k++) tile[k] = wino_at(j, t0 + t + k);
            for (int64_t i = 0; i < n; i++)
                for (int64_t k = 0; k < columns; k += VL)
                    wino_store(j, M + i * GEMM_NR + k, point, tile + k, i64_min(VL, columns - k), o.begin + i);
        }
    }
}

/* Is it faster so than as a plain sum? */
CT_INLINE int wino_fits(const conv_shape *s) {
    if (CT_REAL_DOUBLE || s->G != 1) return 0;
    if (s->in[0] != 1 || s->k[0] != 1 || s->k[1] != 3 || s->k[2] != 3 || s->pad[0] != 0) return 0;
    for (int d = 1; d < 3; d++)
        if (s->stride[d] != 1 || s->dil[d] != 1 || s->pad[d] > 2) return 0;
    return s->C >= 32 && s->O >= 32 && s->N * ceil_div(s->out[1], 4) * ceil_div(s->out[2], 4) >= 2 * GEMM_NR;
}

/* Blocks of about `bytes` of transformed tiles of so many channels; at least `least` blocks where there are
 * tiles enough. */
CT_INLINE void wino_size(wino_job *j, int64_t channels, int64_t bytes, int64_t least) {
    j->down = ceil_div(j->out[0], 4), j->across = ceil_div(j->out[1], 4);
    j->tiles = j->N * j->down * j->across;
    int64_t fit = bytes / (WINO_POINTS * channels * (int64_t)sizeof(real));
    fit = i64_max(least ? i64_min(fit, ceil_div(j->tiles, least)) : fit, 2 * GEMM_NR);
    j->block = i64_min(round_up(j->tiles, GEMM_NR), fit / GEMM_NR * GEMM_NR);
    j->blocks = ceil_div(j->tiles, j->block);
}
CT_INLINE void wino_plan(wino_job *j) {
    wino_size(j, j->C, WINO_BYTES, 8);
    j->v_channel = GEMM_NR, j->v_point = j->C * GEMM_NR + GEMM_NR, j->v_panel = WINO_POINTS * j->v_point;
    j->groups = ceil_div(j->O, WINO_ROWS);
    j->rows = ceil_div(j->O, j->groups);
    j->parts = j->blocks < 8 ? i64_min(j->groups, ceil_div(8, j->blocks)) : 1;
    const int64_t products = i64_max(WINO_POINTS * (j->rows * GEMM_NR + 16), 9 * j->C * WINO_LANES_OF_TILE);
    j->work_bytes =
        round_up(((j->blocks < 8 ? 0 : j->block / GEMM_NR * j->v_panel) + round_up(i64_max(products, WINO_STAGE), 16) +
                  (j->blocks > 1 ? 0 : wino_weight_reals(j))) *
                     (int64_t)sizeof(real),
                 64);
}
/* Bytes that all chunks read: the weights of more than one block, the tiles of few. */
CT_INLINE int64_t wino_shared_weights(const wino_job *j) {
    return j->blocks > 1 ? round_up(j->groups * wino_weight_reals(j) * (int64_t)sizeof(real), 64) : 0;
}
CT_INLINE int64_t wino_shared_tiles(const wino_job *j) {
    return j->blocks < 8 ? round_up(ceil_div(j->tiles, GEMM_NR) * j->v_panel * (int64_t)sizeof(real), 64) : 0;
}
static int64_t wino_work(wino_job j) {
    wino_plan(&j);
    return wino_shared_weights(&j) + wino_shared_tiles(&j) + ct_par_threads() * j.work_bytes;
}
static void wino_run(wino_job *j, void *work) {
    wino_plan(j);
    const int64_t weights = wino_shared_weights(j), tiles = wino_shared_tiles(j);
    j->U = weights ? work : NULL;
    j->V = tiles ? (real *)((char *)work + weights) : NULL;
    j->work = (char *)work + weights + tiles;
    par_for((weights ? j->groups : 0) + (tiles ? ceil_div(j->tiles, WINO_TILES) * ceil_div(j->C, WINO_CHANNELS) : 0),
            wino_shared_chunk, j);
    par_for(j->blocks * j->parts, wino_chunk, j);
}

/* ---- the gradient of the weight ---- */

static void wino_gradient_chunk(void *ctx, int64_t chunk) {
    const wino_job *j = ctx;
    const int64_t inputs = ceil_div(j->C, WINO_CHANNELS), outputs = ceil_div(j->O, WINO_CHANNELS);
    const int64_t at = chunk / (inputs + outputs) * WINO_TILES, t0 = j->t0 + at, group = chunk % (inputs + outputs);
    const int64_t count = i64_min(WINO_TILES, j->count - at), none[2] = {0, 0};
    real *stage = (real *)(j->work + ct_par_worker() * j->work_bytes);
    if (group < inputs)
        for (int64_t c = group * WINO_CHANNELS; c < i64_min(j->C, (group + 1) * WINO_CHANNELS); c++)
            wino_transform(j, 6, j->x + c * j->in[0] * j->in[1], j->C, j->in, j->pad, t0, count, stage,
                           j->V + at + c * j->v_channel, j->v_point, GEMM_NR);
    else
        for (int64_t o = (group - inputs) * WINO_CHANNELS; o < i64_min(j->O, (group - inputs + 1) * WINO_CHANNELS); o++)
            wino_transform(j, 4, j->y + o * j->out[0] * j->out[1], j->O, j->out, none, t0, count, stage,
                           j->Z + at + o * j->z_channel, j->z_point, GEMM_NR);
}

static void wino_sum_chunk(void *ctx, int64_t chunk) {
    const wino_job *j = ctx;
    const int64_t p = chunk % WINO_POINTS;
    const par_range o = par_chunk(j->O, j->parts, chunk / WINO_POINTS, 1);
    if (o.begin >= o.end) return;
    CT_NAME(ct_gemm).gemm_serial(o.end - o.begin, j->C, j->count, 1, j->Z + p * j->z_point + o.begin * j->z_channel,
                                 j->z_channel, 1, j->V + p * j->v_point, 1, j->v_channel, j->t0 == 0 ? 0 : 1,
                                 j->dU + (p * j->O + o.begin) * j->C, j->C, NULL,
                                 j->work + ct_par_worker() * j->work_bytes);
}

/* dw = G' dU G of one output */
static void wino_end_chunk(void *ctx, int64_t o) {
    const wino_job *j = ctx;
    for (int64_t c = 0; c < j->C; c += VL) {
        const int64_t lanes = i64_min(VL, j->C - c);
        vreal half[3][6], out[3];
        for (int k = 0; k < 6; k++) {
            vreal column[6];
            for (int i = 0; i < 6; i++) column[i] = v_load_part(j->dU + ((i * 6 + k) * j->O + o) * j->C + c, lanes);
            wino_weight_gradient(column, out);
            for (int i = 0; i < 3; i++) half[i][k] = out[i];
        }
        real *dw = j->dw + (o * j->C + c) * 9;
        for (int i = 0; i < 3; i++) {
            wino_weight_gradient(half[i], out);
            for (int k = 0; k < 3; k++)
                for (int64_t l = 0; l < lanes; l++) dw[l * 9 + i * 3 + k] = out[k][l];
        }
    }
}

CT_INLINE void wino_gradient_plan(wino_job *j) {
    wino_size(j, (j->C + j->O) / 2, WINO_SUM_BYTES, 0);
    j->v_channel = j->z_channel = j->block + 16; /* planes do not begin a power of two apart */
    j->v_point = j->C * j->v_channel, j->z_point = j->O * j->z_channel;
    j->parts = j->O >= 256 ? 2 : 1;
    j->work_bytes = round_up(i64_max(WINO_STAGE * (int64_t)sizeof(real),
                                     CT_NAME(ct_gemm).work_serial(ceil_div(j->O, j->parts), j->C, j->block)),
                             64);
}
static int64_t wino_gradient_work(wino_job j) {
    wino_gradient_plan(&j);
    return round_up(WINO_POINTS * ((j.C + j.O) * j.v_channel + j.C * j.O) * (int64_t)sizeof(real), 64) +
           ct_par_threads() * j.work_bytes;
}
static void wino_gradient_run(wino_job *j, void *work) {
    wino_gradient_plan(j);
    j->V = work;
    j->Z = j->V + WINO_POINTS * j->v_point;
    j->dU = j->Z + WINO_POINTS * j->z_point;
    j->work =
        (char *)work + round_up(WINO_POINTS * ((j->C + j->O) * j->v_channel + j->C * j->O) * (int64_t)sizeof(real), 64);
    for (j->t0 = 0; j->t0 < j->tiles; j->t0 += j->block) {
        j->count = i64_min(j->block, j->tiles - j->t0);
        par_for(ceil_div(j->count, WINO_TILES) * (ceil_div(j->C, WINO_CHANNELS) + ceil_div(j->O, WINO_CHANNELS)),
                wino_gradient_chunk, j);
        par_for(WINO_POINTS * j->parts, wino_sum_chunk, j);
    }
    par_for(j->O, wino_end_chunk, j);
}

#endif

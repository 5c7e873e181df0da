/* neighbors.c: brute-force neighbours, screened by blocked products and decided by exact distances. */
#include "../include/learn/neighbors.h"

#include "../include/learn/panel.h"
#include "../include/par.h"

#define TILE (16 * PANEL_ROWS) /* queries that share one panel while it is in the cache */
#define CHUNKS 64
#define MOST 4096 /* candidates of one query */

static int64_t packed_size(int64_t n, int64_t d) { return panel_size(n, d); }
static int64_t panels(int64_t n) { return panel_count(n); }
static int64_t capacity(int64_t k) { return round_up(i64_max(256, 4 * k) + 2 * PANEL_WIDTH, 16); }

static double pack(real *packed, real *bias, const real *Y, int64_t n, int64_t d, int metric) {
    double most = 0;
    for (int64_t p = 0; p < panel_count(n); p++) panel_pack(n, d, Y, d, p, packed + p * d * PANEL_WIDTH);
    for (int64_t j = 0; j < panel_count(n) * PANEL_WIDTH; j++) {
        real norm = j < n ? row_dot(d, Y + j * d, Y + j * d) : 0;
        if ((double)norm > most || norm != norm) most = (double)norm;
        bias[j] = j >= n ? -REAL_INF : metric == BRUTE_COSINE ? 0 : -norm / 2;
    }
    return __builtin_sqrt(most);
}

typedef struct {
    int32_t *candidate, *count;
    real *score;
    const real *X, *packed, *bias;
    const double *slack, *least;
    uint64_t *mask;
    int64_t *most;
    int64_t n, d, q, k, room;
} screen_ctx;

static real kth_best(real *x, int64_t n, int64_t k) { /* reorders x */
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        real a = x[lo], b = x[(lo + hi) / 2], c = x[hi];
        real pivot = a > b ? (b > c ? b : (a > c ? c : a)) : (a > c ? a : (b > c ? c : b));
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (x[i] > pivot) i++;
            while (x[j] < pivot) j--;
            if (i <= j) {
                real swap = x[i];
                x[i++] = x[j], x[j--] = swap;
            }
        }
        if (k <= j) hi = j;
        else if (k >= i) lo = i;
        else break;
    }
    return x[k];
}

/* Drops the candidates that cannot be among the k nearest; the new threshold. */
static real prune(const screen_ctx *s, int64_t row, int64_t *count, real *scratch) {
    real *score = s->score + row * s->room;
    int32_t *candidate = s->candidate + row * s->room;
    if (*count < s->k) return -REAL_INF;
    for (int64_t i = 0; i < *count; i++) scratch[i] = score[i];
    double limit = (double)kth_best(scratch, *count, s->k - 1) - 2 * s->slack[row];
    real least = (real)(limit - (limit < 0 ? -limit : limit) * (double)REAL_EPS);
    int64_t kept = 0;
    for (int64_t i = 0; i < *count; i++)
        if (score[i] >= least) score[kept] = score[i], candidate[kept++] = candidate[i];
    *count = kept;
    return least;
}

static unsigned at_least(vreal x, vreal limit) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return _mm512_cmp_pd_mask((__m512d)x, (__m512d)limit, _CMP_GE_OQ);
#elif defined(CT_AVX512)
    return _mm512_cmp_ps_mask((__m512)x, (__m512)limit, _CMP_GE_OQ);
#else
    return v_bits(x >= limit);
#endif
}

/* Scores of one group of rows against one panel. */
CT_INLINE void scores(const screen_ctx *s, int64_t first, int64_t p, int *count, panel_acc *acc) {
    const real *x[PANEL_ROWS];
    *count = panel_rows(s->q, s->X, s->d, first, x);
#pragma GCC unroll 8
    for (int v = 0; v < PANEL_VECS; v++) {
        vreal b = v_load(s->bias + p * PANEL_WIDTH + v * VL);
#pragma GCC unroll 8
        for (int r = 0; r < PANEL_ROWS; r++) acc->at[r][v] = b;
    }
    panel_dot(PANEL_VECS, s->d, x, 1, s->packed + p * s->d * PANEL_WIDTH, PANEL_WIDTH, acc);
}

static void nearest_tile(void *arg, int64_t tile) {
    const screen_ctx *s = arg;
    int64_t begin = tile * TILE, end = i64_min(begin + TILE, s->q), count[TILE];
    real least[TILE], scratch[MOST];
    for (int64_t i = 0; i < TILE; i++) count[i] = 0, least[i] = -REAL_MAX;
    for (int64_t p = 0; p < panel_count(s->n); p++)
        for (int64_t i = begin; i < end; i += PANEL_ROWS) {
            panel_acc acc;
            int rows;
            scores(s, i, p, &rows, &acc);
            for (int r = 0; r < rows; r++) {
                int64_t row = i + r, c = count[row - begin];
                if (c < 0) continue;
                vreal limit = v_set1(least[row - begin]);
                unsigned hits[PANEL_VECS], any = 0;
                for (int v = 0; v < PANEL_VECS; v++) any |= hits[v] = at_least(acc.at[r][v], limit);
                if (CT_LIKELY(!any)) continue;
                for (int v = 0; v < PANEL_VECS; v++) {
                    int32_t base = (int32_t)(p * PANEL_WIDTH + v * VL);
                    real value[VBYTES / sizeof(real)];
                    v_store(value, acc.at[r][v]);
                    for (unsigned hit = hits[v]; hit; hit &= hit - 1, c++) {
                        int l = __builtin_ctz(hit);
                        s->score[row * s->room + c] = value[l];
                        s->candidate[row * s->room + c] = base + l;
                    }
                }
                if (c + PANEL_WIDTH > s->room) {
                    least[row - begin] = prune(s, row, &c, scratch);
                    if (c + 2 * PANEL_WIDTH > s->room) c = -1; /* too many alike: decided exactly */
                }
                count[row - begin] = c;
            }
        }
    for (int64_t row = begin; row < end; row++) {
        int64_t c = count[row - begin];
        if (c >= 0) prune(s, row, &c, scratch);
        s->count[row] = (int32_t)c;
    }
}

static void screen_nearest(int32_t *candidate, real *score, int32_t *count, const real *X, const real *packed,
                           const real *bias, int64_t n, int64_t d, int64_t q, int64_t k, const double *slack) {
    screen_ctx s = {.candidate = candidate,
                    .count = count,
                    .score = score,
                    .X = X,
                    .packed = packed,
                    .bias = bias,
                    .slack = slack,
                    .n = n,
                    .d = d,
                    .q = q,
                    .k = k,
                    .room = capacity(k)};
    if (s.room > MOST) { /* so many neighbours that a screen saves little */
        for (int64_t i = 0; i < q; i++) count[i] = -1;
        return;
    }
    par_for(ceil_div(q, TILE), nearest_tile, &s);
}

static void within_tile(void *arg, int64_t tile) {
    const screen_ctx *s = arg;
    int64_t begin = tile * TILE, end = i64_min(begin + TILE, s->q), m = panel_count(s->n);
    for (int64_t i = begin; i < end; i++) s->most[i] = 0;
    for (int64_t p = 0; p < m; p++)
        for (int64_t i = begin; i < end; i += PANEL_ROWS) {
            panel_acc acc;
            int rows;
            scores(s, i, p, &rows, &acc);
            for (int r = 0; r < rows; r++) {
                vreal limit = v_set1((real)s->least[i + r]);
                uint64_t bits = 0;
                for (int v = 0; v < PANEL_VECS; v++) bits |= (uint64_t)at_least(acc.at[r][v], limit) << (v * VL);
                s->mask[(i + r) * m + p] = bits;
                s->most[i + r] += __builtin_popcountll(bits);
            }
        }
}

static void screen_within(uint64_t *mask, int64_t *most, const real *X, const real *packed, const real *bias, int64_t n,
                          int64_t d, int64_t q, const double *least) {
    screen_ctx s = {
        .X = X, .packed = packed, .bias = bias, .least = least, .mask = mask, .most = most, .n = n, .d = d, .q = q};
    par_for(ceil_div(q, TILE), within_tile, &s);
}

/* ---- exact distances ---- */

/* In double, eight partial sums. */
static double exact(int metric, const real *x, const real *y, int64_t d) {
    double s[8] = {0}, tail = 0;
    int64_t k = 0;
    if (metric == BRUTE_COSINE) {
        for (; k + 8 <= d; k += 8)
            for (int l = 0; l < 8; l++) s[l] += (double)x[k + l] * (double)y[k + l];
        for (; k < d; k++) tail += (double)x[k] * (double)y[k];
        double dot = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])) + tail;
        return dot < 1 ? 1 - dot : 0;
    }
    for (; k + 8 <= d; k += 8)
        for (int l = 0; l < 8; l++) {
            double e = (double)x[k + l] - (double)y[k + l];
            s[l] += e * e;
        }
    for (; k < d; k++) {
        double e = (double)x[k] - (double)y[k];
        tail += e * e;
    }
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])) + tail;
}

typedef struct {
    double d;
    int64_t i;
} near;

typedef struct {
    int64_t *index, *counts;
    double *distance;
    const real *X, *Y;
    int64_t n, d, q, k, chunks, room, width;
    int metric;
    const int32_t *candidate, *count;
    const int64_t *start;
    const uint64_t *mask;
    double radius;
    near *work;
} refine_ctx;

static int farther(near a, near b) { return a.d > b.d || (a.d == b.d && a.i > b.i); }

static void sift(near *heap, int64_t k, int64_t at) { /* the farthest on top */
    near x = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= k) break;
        if (child + 1 < k && farther(heap[child + 1], heap[child])) child++;
        if (!farther(heap[child], x)) break;
        heap[at] = heap[child], at = child;
    }
    heap[at] = x;
}

static void refine_chunk(void *arg, int64_t chunk) {
    const refine_ctx *s = arg;
    par_range rows = par_chunk(s->q, s->chunks, chunk, 1);
    near *heap = s->work + chunk * s->k;
    int64_t k = s->k;
    for (int64_t i = rows.begin; i < rows.end; i++) {
        const real *x = s->X + i * s->d;
        int64_t m = s->count[i] < 0 ? s->n : s->count[i];
        for (int64_t j = 0; j < k; j++) heap[j].d = __builtin_inf(), heap[j].i = INT64_MAX;
        for (int64_t j = 0; j < m; j++) {
            int64_t id = s->count[i] < 0 ? j : s->candidate[i * s->room + j];
            near found = {exact(s->metric, x, s->Y + id * s->d, s->d), id};
            if (farther(heap[0], found)) heap[0] = found, sift(heap, k, 0);
        }
        for (int64_t j = k - 1; j > 0; j--) {
            near far = heap[0];
            heap[0] = heap[j], heap[j] = far;
            sift(heap, j, 0);
        }
        for (int64_t j = 0; j < k; j++) s->distance[i * k + j] = heap[j].d, s->index[i * k + j] = heap[j].i;
    }
}

static void refine_nearest(int64_t *index, double *distance, const real *X, const real *Y, int64_t n, int64_t d,
                           int64_t q, int64_t k, int metric, const int32_t *candidate, const int32_t *count,
                           int64_t room, void *work) {
    refine_ctx s = {.index = index,
                    .distance = distance,
                    .X = X,
                    .Y = Y,
                    .n = n,
                    .d = d,
                    .q = q,
                    .k = k,
                    .metric = metric,
                    .candidate = candidate,
                    .count = count,
                    .work = work,
                    .chunks = par_count(q, (double)(k * d), CHUNKS)};
    s.room = room;
    par_for(s.chunks, refine_chunk, &s);
}

static void refine_within_chunk(void *arg, int64_t chunk) {
    const refine_ctx *s = arg;
    par_range rows = par_chunk(s->q, s->chunks, chunk, 1);
    int64_t m = ceil_div(s->n, s->width);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        int64_t found = 0, at = s->start[i];
        for (int64_t p = 0; p < m; p++)
            for (uint64_t bits = s->mask[i * m + p]; bits; bits &= bits - 1) {
                int64_t id = p * s->width + __builtin_ctzll(bits);
                double e = exact(s->metric, s->X + i * s->d, s->Y + id * s->d, s->d);
                if (e <= s->radius) s->index[at + found] = id, s->distance[at + found] = e, found++;
            }
        s->counts[i] = found;
    }
}

static void refine_within(int64_t *count, int64_t *index, double *distance, const int64_t *start, const uint64_t *mask,
                          int64_t width, const real *X, const real *Y, int64_t n, int64_t d, int64_t q, int metric,
                          double radius) {
    refine_ctx s = {.index = index,
                    .counts = count,
                    .distance = distance,
                    .X = X,
                    .Y = Y,
                    .n = n,
                    .d = d,
                    .q = q,
                    .metric = metric,
                    .start = start,
                    .mask = mask,
                    .width = width,
                    .radius = radius,
                    .chunks = par_count(q, (double)d * 16, CHUNKS)};
    par_for(s.chunks, refine_within_chunk, &s);
}

extern const ct_neighbors_api CT_NAME(ct_neighbors);
const ct_neighbors_api CT_NAME(ct_neighbors) = {
    packed_size, panels, capacity, pack, screen_nearest, screen_within, refine_nearest, refine_within,
};

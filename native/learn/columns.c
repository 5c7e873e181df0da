/* columns.c: statistics of columns and affine maps of them, NaN-aware, in one pass over the rows. */
#include "../include/learn/columns.h"

#include <stdatomic.h>
#include <string.h>

#include "../include/learn/accumulate.h"
#include "../include/par.h"
#include "../include/simd.h"

#define BLOCK 64 /* rows whose sums are kept in reals before they go to double */
#define MAX_CHUNKS 32

typedef struct {
    const real *X, *w, *shift, *a, *b, *mean, *inverse;
    const double *constant;
    real *out;
    int64_t x_row, out_row, n, p, K, chunks;
    int forward, clip;
    real low, high;
    atomic_int infinite;
    char *work;
} columns_ctx;

static int64_t chunk_count(int64_t n, int64_t p) { return par_count(n, 0.15 * (double)p, MAX_CHUNKS); }
static int64_t padded(int64_t p) { return round_up(p, VL); }
static int64_t each(int64_t p) { return padded(p) * (3 * (int64_t)sizeof(double) + 2 * (int64_t)sizeof(real)); }
static int64_t stats_work(int64_t n, int64_t p) { return chunk_count(n, p) * round_up(each(p), 64) + 64; }

static void stats_chunk(void *ctx, int64_t chunk) {
    const columns_ctx *c = ctx;
    int64_t p = c->p, pp = padded(p);
    double *weight = (double *)(c->work + chunk * round_up(each(p), 64)), *sum = weight + pp, *squares = sum + pp;
    real *low = (real *)(squares + pp), *high = low + pp;
    memset(weight, 0, (size_t)(3 * pp) * sizeof(double));
    for (int64_t j = 0; j < pp; j++) low[j] = REAL_INF, high[j] = -REAL_INF;
    par_range range = par_chunk(c->n, c->chunks, chunk, BLOCK);
    for (int64_t begin = range.begin; begin < range.end; begin += BLOCK) {
        int64_t rows = i64_min(BLOCK, range.end - begin);
        for (int64_t j = 0; j < p; j += VL) {
            int64_t part = i64_min(VL, p - j);
            vreal s = v_zero(), q = v_zero(), m = v_zero(), lo = v_load(low + j), hi = v_load(high + j);
            vreal shift = part == VL ? v_load(c->shift + j) : v_load_part(c->shift + j, part), one = v_set1(1);
            for (int64_t i = begin; i < begin + rows; i++) {
                const real *at = c->X + i * c->x_row + j;
                CT_PREFETCH(at + 256 / sizeof(real)); /* along the row: the hardware follows one row, not 64 */
                vreal x = part == VL ? v_load(at) : v_load_part(at, part);
                vmask ok = x == x;
                vreal w = c->w ? v_set1(c->w[i]) : one, d = v_and(ok, x - shift), wd = w * d;
                s += wd;
                q = v_fma(wd, d, q);
                m += v_and(ok, w);
                lo = v_min(x, lo);
                hi = v_max(x, hi);
            }
            accumulate(weight + j, m);
            accumulate(sum + j, s);
            accumulate(squares + j, q);
            v_store(low + j, lo);
            v_store(high + j, hi);
        }
    }
}

static void stats(double *weight, double *sum, double *squares, real *low, real *high, const real *X, int64_t x_row,
                  const real *w, const real *shift, int64_t n, int64_t p, void *work) {
    columns_ctx c = {.X = X, .w = w, .shift = shift, .x_row = x_row, .n = n, .p = p, .chunks = chunk_count(n, p)};
    c.work = (char *)(((uintptr_t)work + 63) / 64 * 64);
    ct_par_for(c.chunks, stats_chunk, &c);
    int64_t pp = padded(p);
    for (int64_t j = 0; j < p; j++) {
        weight[j] = sum[j] = squares[j] = 0;
        low[j] = REAL_INF, high[j] = -REAL_INF;
        for (int64_t k = 0; k < c.chunks; k++) {
            const double *part = (const double *)(c.work + k * round_up(each(p), 64));
            const real *extremes = (const real *)(part + 3 * pp);
            weight[j] += part[j];
            sum[j] += part[pp + j];
            squares[j] += part[2 * pp + j];
            low[j] = extremes[j] < low[j] ? extremes[j] : low[j];
            high[j] = extremes[pp + j] > high[j] ? extremes[pp + j] : high[j];
        }
    }
}

/* ------------------------------------------------------------------------------------------------------ affine maps */

CT_INLINE vreal map(vreal x, vreal a, vreal b, const int forward, const int has_a, const int has_b) {
    if (forward) {
        if (has_a) x = x - a;
        return has_b ? x / b : x;
    }
    if (has_b) x = x * b;
    return has_a ? x + a : x;
}

CT_INLINE void affine_rows(columns_ctx *c, par_range range, const int forward, const int has_a, const int has_b) {
    vint infinite = {0};
    vreal inf = v_set1(REAL_INF), low = v_set1(c->low), high = v_set1(c->high);
    int64_t whole = c->p / VL * VL, part = c->p - whole;
    for (int64_t i = range.begin; i < range.end; i++) {
        const real *x = c->X + i * c->x_row;
        real *out = c->out + i * c->out_row;
        for (int64_t j = 0; j < c->p; j += VL) {
            int tail = j == whole;
            vreal v = tail ? v_load_part(x + j, part) : v_load(x + j);
            vreal a = v_zero(), b = v_set1(1);
            if (has_a) a = tail ? v_load_part(c->a + j, part) : v_load(c->a + j);
            if (has_b) b = tail ? v_load_part(c->b + j, part) : v_load(c->b + j);
            infinite |= v_abs(v) == inf;
            v = map(v, a, b, forward, has_a, has_b);
            if (c->clip) {
                v = v_blend(v < low, low, v);
                v = v_blend(v > high, high, v);
            }
            if (tail) v_store_part(out + j, v, part);
            else v_store(out + j, v);
        }
    }
    for (int k = 0; k < VL; k++)
        if (infinite[k]) atomic_store_explicit(&c->infinite, 1, memory_order_relaxed);
}

static void affine_chunk(void *ctx, int64_t chunk) {
    columns_ctx *c = ctx;
    par_range range = par_chunk(c->n, c->chunks, chunk, 1);
    int a = c->a != NULL, b = c->b != NULL;
    if (c->forward) {
        if (a && b) affine_rows(c, range, 1, 1, 1);
        else if (a) affine_rows(c, range, 1, 1, 0);
        else if (b) affine_rows(c, range, 1, 0, 1);
        else affine_rows(c, range, 1, 0, 0);
    } else {
        if (a && b) affine_rows(c, range, 0, 1, 1);
        else if (a) affine_rows(c, range, 0, 1, 0);
        else if (b) affine_rows(c, range, 0, 0, 1);
        else affine_rows(c, range, 0, 0, 0);
    }
}

static int affine(real *out, int64_t out_row, const real *X, int64_t x_row, const real *a, const real *b, int forward,
                  int clip, double low, double high, int64_t n, int64_t p) {
    columns_ctx c = {.X = X,
                     .a = a,
                     .b = b,
                     .out = out,
                     .x_row = x_row,
                     .out_row = out_row,
                     .n = n,
                     .p = p,
                     .forward = forward,
                     .clip = clip,
                     .low = (real)low,
                     .high = (real)high};
    c.chunks = par_count(n, 0.2 * (double)p, 64);
    atomic_init(&c.infinite, 0);
    ct_par_for(c.chunks, affine_chunk, &c);
    return atomic_load(&c.infinite);
}

/* ---------------------------------------------------------------------------------------- log densities of Gaussians
 */

static void gauss_chunk(void *ctx, int64_t chunk) {
    const columns_ctx *c = ctx;
    par_range range = par_chunk(c->n, c->chunks, chunk, 1);
    int64_t p = c->p, whole = p / VL * VL;
    for (int64_t i = range.begin; i < range.end; i++)
        for (int64_t k = 0; k < c->K; k++) {
            const real *x = c->X + i * c->x_row, *mean = c->mean + k * p, *inverse = c->inverse + k * p;
            vreal s[2] = {v_zero(), v_zero()};
            for (int64_t j = 0; j < whole; j += VL) {
                vreal d = v_load(x + j) - v_load(mean + j);
                s[j / VL & 1] = v_fma(d * d, v_load(inverse + j), s[j / VL & 1]);
            }
            if (whole < p) {
                vreal d = v_load_part(x + whole, p - whole) - v_load_part(mean + whole, p - whole);
                s[0] = v_fma(d * d, v_load_part(inverse + whole, p - whole), s[0]);
            }
            c->out[i * c->K + k] = (real)(c->constant[k] - 0.5 * (double)lanes_sum(s[0] + s[1]));
        }
}

static void gauss(real *S, const real *X, int64_t x_row, const real *mean, const real *inverse, const double *constant,
                  int64_t n, int64_t p, int64_t K) {
    columns_ctx c = {.X = X,
                     .mean = mean,
                     .inverse = inverse,
                     .constant = constant,
                     .out = S,
                     .x_row = x_row,
                     .n = n,
                     .p = p,
                     .K = K};
    c.chunks = par_count(n, 0.1 * (double)p * (double)K + 3.0 * (double)K, 64);
    ct_par_for(c.chunks, gauss_chunk, &c);
}

const ct_columns_api CT_NAME(ct_columns) = {stats_work, stats, affine, gauss};

/* linkage.c: minimum spanning trees, Ward's hierarchy and density orderings without a distance matrix.
 *
 * Every step compares one point with all: lanes are points, one pass over the columns.
 */
#include "../include/learn/linkage.h"

#include "../include/learn/metric.h"
#include "../include/learn/panel.h"
#include "../include/par.h"

#define CHUNKS 32

/* Reduced distances of VL points from place t on to point i. */
CT_INLINE vreal distances_at(const point_columns *P, int64_t i, int64_t t) {
    vreal sum = v_zero();
    for (int64_t k = 0; k < P->d; k++) {
        vreal e = v_load(P->X + k * P->pad + t) - v_set1(P->X[k * P->pad + i]);
        switch (P->metric) {
        case METRIC_EUCLIDEAN: sum = add_difference(METRIC_EUCLIDEAN, 2, sum, e); break;
        case METRIC_MANHATTAN: sum = add_difference(METRIC_MANHATTAN, 1, sum, e); break;
        case METRIC_CHEBYSHEV: sum = add_difference(METRIC_CHEBYSHEV, 1, sum, e); break;
        default: sum = add_difference(METRIC_MINKOWSKI, P->p, sum, e);
        }
    }
    return sum;
}

typedef struct {
    real value;
    int64_t at;
} place;

/* ---- minimum spanning tree ---- */

typedef struct {
    const point_columns *P;
    real *reach;
    const uint8_t *inside;
    int64_t current, chunks;
    place best[CHUNKS];
} span_ctx;

static void span_chunk(void *arg, int64_t chunk) {
    span_ctx *s = arg;
    par_range range = par_chunk(s->P->n, s->chunks, chunk, VL);
    place best = {REAL_INF, -1};
    for (int64_t t = range.begin; t < range.end; t += VL) {
        vreal e = distances_at(s->P, s->current, t);
        e = v_min(e, v_load(s->reach + t));
        v_store(s->reach + t, e);
        if (!(v_hmin(e) < best.value)) continue;
        for (int64_t l = t; l < i64_min(t + VL, s->P->n); l++)
            if (!s->inside[l] && s->reach[l] < best.value) best.value = s->reach[l], best.at = l;
    }
    s->best[chunk] = best;
}

static void span(const point_columns *P, int64_t *from, int64_t *to, double *distance, real *reach, uint8_t *inside,
                 int64_t *current, int64_t *done, int64_t count) {
    span_ctx s = {.P = P, .reach = reach, .inside = inside, .chunks = par_count(P->n, (double)P->d / 8, CHUNKS)};
    for (; count > 0 && *done < P->n - 1; count--, ++*done) {
        s.current = *current;
        inside[*current] = 1;
        par_for(s.chunks, span_chunk, &s);
        place best = s.best[0];
        for (int64_t c = 1; c < s.chunks; c++)
            if (s.best[c].at >= 0 && (best.at < 0 || s.best[c].value < best.value)) best = s.best[c];
        if (best.at < 0) { /* all that is left is infinitely far: take the first */
            for (best.at = 0; inside[best.at]; best.at++) {}
            best.value = REAL_INF;
        }
        from[*done] = *current, to[*done] = best.at, distance[*done] = (double)best.value;
        reach[best.at] = REAL_INF; /* inside now: never the nearest again */
        *current = best.at;
    }
}

/* ---- Ward ---- */

typedef struct {
    int64_t n, d, pad, x, chunks;
    const real *centroids, *sizes;
    place best[CHUNKS];
} ward_ctx;

static void ward_chunk(void *arg, int64_t chunk) {
    ward_ctx *s = arg;
    par_range range = par_chunk(s->n, s->chunks, chunk, VL);
    place best = {REAL_INF, -1};
    vreal own = v_set1(s->sizes[s->x]);
    for (int64_t t = range.begin; t < range.end; t += VL) {
        vreal size = v_load(s->sizes + t), sum = v_zero();
        for (int64_t k = 0; k < s->d; k++) {
            vreal e = v_load(s->centroids + k * s->pad + t) - v_set1(s->centroids[k * s->pad + s->x]);
            sum = v_fma(e, e, sum);
        }
        sum = sum * (v_set1(2) * own * size / (own + size));
        sum = v_blend(size > v_zero(), sum, v_set1(REAL_INF));
        if (!(v_hmin(sum) < best.value)) continue;
        for (int l = 0; l < VL; l++)
            if (t + l != s->x && sum[l] < best.value) best.value = sum[l], best.at = t + l;
    }
    s->best[chunk] = best;
}

static real ward_distance(const ward_ctx *s, int64_t i, int64_t j) {
    real sum = 0;
    for (int64_t k = 0; k < s->d; k++) {
        real e = s->centroids[k * s->pad + j] - s->centroids[k * s->pad + i];
        sum = s_fma(e, e, sum);
    }
    return sum * (2 * s->sizes[i] * s->sizes[j] / (s->sizes[i] + s->sizes[j]));
}

static void ward(int64_t n, int64_t d, int64_t pad, real *centroids, real *sizes, int64_t *a, int64_t *b,
                 double *distance, int32_t *chain, int64_t *length, int64_t *done, int64_t count) {
    ward_ctx s = {.n = n,
                  .d = d,
                  .pad = pad,
                  .centroids = centroids,
                  .sizes = sizes,
                  .chunks = par_count(n, (double)d / 8, CHUNKS)};
    for (; count > 0 && *done < n - 1; count--, ++*done) {
        if (*length == 0) {
            int64_t first = 0;
            while (sizes[first] == 0) first++;
            chain[(*length)++] = (int32_t)first;
        }
        for (;;) {
            int64_t x = chain[*length - 1], y = *length > 1 ? chain[*length - 2] : -1;
            place best = {y >= 0 ? ward_distance(&s, x, y) : REAL_INF, y}; /* the one before wins ties: chains end */
            s.x = x;
            par_for(s.chunks, ward_chunk, &s);
            for (int64_t c = 0; c < s.chunks; c++)
                if (s.best[c].at >= 0 && s.best[c].value < best.value) best = s.best[c];
            if (best.at < 0) { /* overflow: join the next in line */
                for (best.at = 0; sizes[best.at] == 0 || best.at == x; best.at++) {}
            }
            if (best.at == y) {
                *length -= 2;
                int64_t low = x < y ? x : y, high = x < y ? y : x;
                real sl = sizes[low], sh = sizes[high], total = sl + sh;
                a[*done] = low, b[*done] = high, distance[*done] = (double)best.value;
                for (int64_t k = 0; k < d; k++) {
                    real *c = centroids + k * pad;
                    c[high] = (c[low] * sl + c[high] * sh) / total;
                }
                sizes[high] = total, sizes[low] = 0;
                break;
            }
            chain[(*length)++] = (int32_t)best.at;
        }
    }
}

/* ---- OPTICS ---- */

typedef struct {
    const point_columns *P;
    double *reach;
    int64_t *predecessor;
    const uint8_t *done;
    int64_t point, chunks;
    double core, max_eps, scale;
} order_ctx;

static double full_distance(const point_columns *P, double reduced) {
    switch (P->metric) {
    case METRIC_EUCLIDEAN: return __builtin_sqrt(reduced);
    case METRIC_MINKOWSKI: return pow(reduced, 1 / P->p);
    default: return reduced;
    }
}

static void order_chunk(void *arg, int64_t chunk) {
    const order_ctx *s = arg;
    par_range range = par_chunk(s->P->n, s->chunks, chunk, VL);
    for (int64_t t = range.begin; t < range.end; t += VL) {
        vreal e = distances_at(s->P, s->point, t);
        for (int64_t l = t; l < i64_min(t + VL, range.end); l++) {
            if (s->done[l]) continue;
            double r = full_distance(s->P, (double)e[l - t]);
            if (r > s->max_eps) continue;
            r = r > s->core ? r : s->core;
            if (r < 1e9) r = rint(r * s->scale) / s->scale;
            if (r < s->reach[l]) s->reach[l] = r, s->predecessor[l] = s->point;
        }
    }
}

static void order(const point_columns *P, int64_t *ordering, double *reach, int64_t *predecessor, const double *core,
                  uint8_t *done_flags, double max_eps, int decimals, int64_t *done, int64_t count) {
    order_ctx s = {.P = P,
                   .reach = reach,
                   .predecessor = predecessor,
                   .done = done_flags,
                   .max_eps = max_eps,
                   .scale = pow(10, decimals),
                   .chunks = par_count(P->n, (double)P->d / 8 + 4, CHUNKS)};
    for (; count > 0 && *done < P->n; count--, ++*done) {
        int64_t point = -1;
        for (int64_t i = 0; i < P->n; i++)
            if (!done_flags[i] && (point < 0 || reach[i] < reach[point])) point = i;
        done_flags[point] = 1;
        ordering[*done] = point;
        if (core[point] == INFINITY) continue;
        s.point = point, s.core = core[point];
        par_for(s.chunks, order_chunk, &s);
    }
}

extern const ct_linkage_api CT_NAME(ct_linkage);
const ct_linkage_api CT_NAME(ct_linkage) = {span, ward, order};

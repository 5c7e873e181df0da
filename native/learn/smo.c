/* smo.c: sequential minimal optimisation in working sets.
 *
 * Platt (1998); choice of the second variable: Fan, Chen and Lin, "Working set selection using second order
 * information" (2005); working sets of many variables: Joachims (1999), and Wen et al., "ThunderSVM" (2018).
 */
#include "../include/learn/smo.h"

#include "../include/learn/panel.h"
#include "../include/par.h"

static int may_grow(const smo_problem *s, int64_t t) { return s->b[t] < s->hi[t]; }
static int may_shrink(const smo_problem *s, int64_t t) { return s->b[t] > s->lo[t]; }
static int group_of(const smo_problem *s, int64_t t) { return s->group ? s->group[t] : 0; }

static void extremes(const smo_problem *s, double top[2], double bottom[2]) {
    top[0] = top[1] = -__builtin_inf(), bottom[0] = bottom[1] = __builtin_inf();
    for (int64_t t = 0; t < s->N; t++) {
        int g = group_of(s, t);
        if (may_grow(s, t) && s->v[t] > top[g]) top[g] = s->v[t];
        if (may_shrink(s, t) && s->v[t] < bottom[g]) bottom[g] = s->v[t];
    }
}

static double gap(const smo_problem *s) {
    for (int64_t t = 0; t < s->N; t++) s->v[t] = -(s->F[t < s->n ? t : t - s->n] + s->q[t]);
    double top[2], bottom[2];
    extremes(s, top, bottom);
    double first = top[0] - bottom[0], second = top[1] - bottom[1];
    return first > second ? first : second;
}

/* The k-th largest (k from 0) of x (n), which is reordered (Hoare's selection, middle of three as the pivot). */
static double kth_largest(double *x, int64_t n, int64_t k) {
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        double a = x[lo], b = x[(lo + hi) / 2], c = x[hi];
        double pivot = a > b ? (b > c ? b : (a > c ? c : a)) : (a > c ? a : (b > c ? c : b));
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (x[i] > pivot) i++;
            while (x[j] < pivot) j--;
            if (i <= j) {
                double swap = x[i];
                x[i++] = x[j], x[j--] = swap;
            }
        }
        if (k <= j) hi = j;
        else if (k >= i) lo = i;
        else break;
    }
    return x[k];
}

/* The `want` largest of sign * v among the variables of a group that may move that way and violate; first by value,
 * those at the threshold in order of index. */
static int64_t pick(const smo_problem *s, int8_t *taken, int g, int grow, double limit, int32_t *ws, int64_t want,
                    double *scratch) {
    int64_t found = 0, count = 0;
    double sign = grow ? 1 : -1;
    if (want <= 0) return 0;
    for (int64_t t = 0; t < s->N; t++)
        if (!taken[t] && group_of(s, t) == g && (grow ? may_grow(s, t) : may_shrink(s, t)) && sign * s->v[t] > limit)
            scratch[found++] = sign * s->v[t];
    if (found == 0) return 0;
    double threshold = found <= want ? -__builtin_inf() : kth_largest(scratch, found, want - 1);
    for (int pass = 0; pass < 2; pass++)
        for (int64_t t = 0; t < s->N && count < want; t++) {
            if (taken[t] || group_of(s, t) != g || !(grow ? may_grow(s, t) : may_shrink(s, t))) continue;
            double v = sign * s->v[t];
            if (v > limit && (pass ? v == threshold : v > threshold)) ws[count++] = (int32_t)t, taken[t] = 1;
        }
    return count;
}

static int64_t select_ws(const smo_problem *s, int8_t *taken, int32_t *ws, int64_t want, double *scratch) {
    double top[2], bottom[2];
    extremes(s, top, bottom);
    int groups = s->group ? 2 : 1;
    int64_t count = 0, share = i64_max(1, want / (2 * groups));
    for (int g = 0; g < groups; g++) {
        count += pick(s, taken, g, 1, bottom[g], ws + count, i64_min(share, want - count), scratch);
        count += pick(s, taken, g, 0, -top[g], ws + count, i64_min(share, want - count), scratch);
    }
    /* what one side could not use, the other may */
    for (int g = 0; g < groups && count < want; g++) {
        count += pick(s, taken, g, 1, bottom[g], ws + count, want - count, scratch);
        count += pick(s, taken, g, 0, -top[g], ws + count, want - count, scratch);
    }
    return count;
}

/* ---- the problem of one working set ---- */

static int64_t local_pad(int64_t m) { return round_up(m, VL); }
static int64_t local_work(int64_t m) {
    int64_t p = local_pad(m);
    return (int64_t)sizeof(real) * (m * p + 6 * p) + m * (int64_t)sizeof(uint64_t) + 256;
}

typedef struct {
    void *const *rows;
    const uint64_t *order; /* (m) sample << 32 | place in the set, ascending: a row is read front to back */
    real *K;               /* (m, p) */
    int64_t m, p, chunks;
} gather_ctx;

/* Shell's sort with Ciura's gaps */
static void sort_order(uint64_t *x, int64_t n) {
    static const int64_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (int g = 0; g < 9; g++)
        for (int64_t i = gaps[g]; i < n; i++) {
            uint64_t key = x[i];
            int64_t j = i;
            for (; j >= gaps[g] && x[j - gaps[g]] > key; j -= gaps[g]) x[j] = x[j - gaps[g]];
            x[j] = key;
        }
}

static void gather_chunk(void *arg, int64_t chunk) {
    const gather_ctx *c = arg;
    par_range range = par_chunk(c->m, c->chunks, chunk, 1);
    for (int64_t r = range.begin; r < range.end; r++) {
        const real *row = c->rows[r];
        real *to = c->K + r * c->p;
        for (int64_t j = 0; j < c->m; j++) to[(uint32_t)c->order[j]] = row[c->order[j] >> 32];
        for (int64_t j = c->m; j < c->p; j++) to[j] = 0;
    }
}

/* argmax of v + bias */
static int64_t best_grower(const real *v, const real *bias, int64_t p, real *value) {
    vreal best = v_set1(-REAL_INF);
    vint where = {0}, lanes = v_lanes();
    for (int64_t t = 0; t < p; t += VL) {
        vreal x = v_load(v + t) + v_load(bias + t);
        vmask more = x > best;
        best = v_blend(more, x, best);
        where = v_blend_int(more, lanes + (int_real)t, where);
    }
    return v_argmax(best, where, value);
}

/* With i fixed, moving (i, t) by its best step gains b^2 / (2 a), b = v_i - v_t > 0, a = K_ii + K_tt - 2 K_it: the t of
 * the largest gain, and the smallest v of all that may shrink. */
static int64_t best_shrinker(const real *v, const real *bias, const real *diagonal, const real *Ki, real vi, real kii,
                             int64_t p, real *gain, real *lowest) {
    vreal best = v_zero(), low = v_set1(REAL_INF), top = v_set1(vi), kd = v_set1(kii);
    vint where = {0}, lanes = v_lanes();
    for (int64_t t = 0; t < p; t += VL) {
        vreal x = v_load(v + t) + v_load(bias + t), b = top - x;
        vreal a = v_max(v_fma(v_set1(-2), v_load(Ki + t), kd + v_load(diagonal + t)), v_set1((real)1e-12));
        vreal g = b * b / a;
        low = v_min(x, low);
        vmask more = (b > v_zero()) & (g > best) & (g < v_set1(REAL_INF));
        best = v_blend(more, g, best);
        where = v_blend_int(more, lanes + (int_real)t, where);
    }
    *lowest = v_hmin(low);
    return v_argmax(best, where, gain);
}

static int64_t local(const smo_problem *s, const int32_t *ws, int64_t m, void *const *rows, const real *diagonal,
                     double tol, int64_t max_iter, double *delta, void *work) {
    int64_t p = local_pad(m), n = s->n;
    int groups = s->group ? 2 : 1;
    real *K = work, *v = K + m * p, *kd = v + p;
    real *grow[2] = {kd + p, kd + 2 * p}, *shrink[2] = {kd + 3 * p, kd + 4 * p}; /* 0, or what excludes the variable */
    uint64_t *order = (uint64_t *)(((uintptr_t)(kd + 5 * p) + 63) / 64 * 64);
    for (int64_t t = 0; t < m; t++) order[t] = (uint64_t)(ws[t] < n ? ws[t] : ws[t] - n) << 32 | (uint64_t)t;
    sort_order(order, m);
    gather_ctx ctx = {rows, order, K, m, p, par_count(m, (double)m * 2, 32)};
    par_for(ctx.chunks, gather_chunk, &ctx);
    for (int64_t t = 0; t < p; t++) {
        v[t] = t < m ? (real)s->v[ws[t]] : 0;
        kd[t] = t < m ? diagonal[ws[t] < n ? ws[t] : ws[t] - n] : 1;
        for (int g = 0; g < groups; g++) {
            int in = t < m && group_of(s, ws[t]) == g;
            grow[g][t] = in && may_grow(s, ws[t]) ? 0 : -REAL_INF;
            shrink[g][t] = in && may_shrink(s, ws[t]) ? 0 : REAL_INF;
        }
        if (t < m) delta[t] = s->b[ws[t]];
    }
    int64_t iter = 0;
    while (iter < max_iter) {
        int64_t i = -1, j = -1;
        real gain = 0;
        double violation = 0;
        for (int g = 0; g < groups; g++) {
            real top, low, here;
            int64_t a = best_grower(v, grow[g], p, &top);
            if (!(top > -REAL_INF)) continue;
            int64_t c = best_shrinker(v, shrink[g], kd, K + a * p, top, kd[a], p, &here, &low);
            if ((double)top - (double)low > violation) violation = (double)top - (double)low;
            if (here > gain) gain = here, i = a, j = c;
        }
        if (violation < tol || i < 0) break;
        const real *Ki = K + i * p, *Kj = K + j * p;
        int64_t ti = ws[i], tj = ws[j];
        double curve = (double)kd[i] + (double)kd[j] - 2 * (double)Ki[j];
        if (!(curve > 1e-12)) curve = 1e-12;
        double step = ((double)v[i] - (double)v[j]) / curve;
        double room_i = s->hi[ti] - s->b[ti], room_j = s->b[tj] - s->lo[tj];
        if (step >= room_i && room_i <= room_j) {
            step = room_i, s->b[ti] = s->hi[ti], s->b[tj] -= step;
            if (room_i == room_j) s->b[tj] = s->lo[tj];
        } else if (step >= room_j) {
            step = room_j, s->b[tj] = s->lo[tj], s->b[ti] += step;
        } else {
            s->b[ti] += step, s->b[tj] -= step;
        }
        int gi = group_of(s, ti);
        grow[gi][i] = may_grow(s, ti) ? 0 : -REAL_INF, shrink[gi][i] = may_shrink(s, ti) ? 0 : REAL_INF;
        grow[gi][j] = may_grow(s, tj) ? 0 : -REAL_INF, shrink[gi][j] = may_shrink(s, tj) ? 0 : REAL_INF;
        vreal move = v_set1((real)-step);
        for (int64_t t = 0; t < p; t += VL) v_store(v + t, v_fma(move, v_load(Ki + t) - v_load(Kj + t), v_load(v + t)));
        iter++;
    }
    for (int64_t t = 0; t < m; t++) delta[t] = s->b[ws[t]] - delta[t];
    return iter;
}

/* ---- F += rows' delta ---- */

typedef struct {
    double *F;
    void *const *rows;
    const double *delta;
    int64_t n, m, chunks;
} update_ctx;

static void update_chunk(void *arg, int64_t chunk) {
    const update_ctx *s = arg;
    par_range range = par_chunk(s->n, s->chunks, chunk, 64);
    for (int64_t first = range.begin; first < range.end; first += 512) {
        int64_t count = i64_min(512, range.end - first);
        double *F = s->F + first;
        int64_t r = 0;
        for (; r + 4 <= s->m; r += 4) {
            const real *k0 = (const real *)s->rows[r] + first, *k1 = (const real *)s->rows[r + 1] + first;
            const real *k2 = (const real *)s->rows[r + 2] + first, *k3 = (const real *)s->rows[r + 3] + first;
            double d0 = s->delta[r], d1 = s->delta[r + 1], d2 = s->delta[r + 2], d3 = s->delta[r + 3];
            for (int64_t j = 0; j < count; j++)
                F[j] += (d0 * (double)k0[j] + d1 * (double)k1[j]) + (d2 * (double)k2[j] + d3 * (double)k3[j]);
        }
        for (; r < s->m; r++) {
            const real *k = (const real *)s->rows[r] + first;
            for (int64_t j = 0; j < count; j++) F[j] += s->delta[r] * (double)k[j];
        }
    }
}

static void update(double *F, int64_t n, void *const *rows, const double *delta, int64_t m) {
    update_ctx s = {F, rows, delta, n, m, par_count(n, (double)m / 4, 64)};
    par_for(s.chunks, update_chunk, &s);
}

extern const ct_smo_api CT_NAME(ct_smo);
const ct_smo_api CT_NAME(ct_smo) = {gap, select_ws, local, local_work, update};

/* cd.c: cyclic and random coordinate descent for the lasso and the elastic net.
 *
 * One coordinate:  w_j <- soft(x_j^T (y - X w) + w_j |x_j|^2, alpha) / (|x_j|^2 + beta), soft(a, t) = sign(a) max(|a| -
 * t, 0) (Friedman, Hastie, Tibshirani 2010).  What differs between the three representations is how x_j^T (y - X w) is
 * had: from the Gram matrix (q_j - (Q w)_j), from columns and the residual, or from sparse columns whose mean is
 * subtracted on the fly (the residual is kept up to a common offset, so an update costs the entries of the column
 * only).
 *
 * Convergence is judged by the duality gap, and features are screened by its gap-safe rule (Fercoq, Gramfort, Salmon
 * 2015; Ndiaye et al. 2017).
 */
#include "../include/learn/cd.h"

#include <math.h>
#include <string.h>

#include "../include/par.h"
#include "../include/simd.h"

static double dot(const real *restrict a, const real *restrict b, int64_t n) {
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += 4096) {
        int64_t end = i64_min(n, begin + 4096), i = begin;
        vreal s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
        for (; i + 4 * VL <= end; i += 4 * VL)
            for (int v = 0; v < 4; v++) s[v] = v_fma(v_load(a + i + v * VL), v_load(b + i + v * VL), s[v]);
        for (; i + VL <= end; i += VL) s[0] = v_fma(v_load(a + i), v_load(b + i), s[0]);
        if (i < end) s[1] = v_fma(v_load_part(a + i, end - i), v_load_part(b + i, end - i), s[1]);
        total += (double)v_hsum((s[0] + s[1]) + (s[2] + s[3]));
    }
    return total;
}

static void axpy(real *restrict r, real d, const real *restrict x, int64_t n) {
    int64_t i = 0;
    vreal dv = v_set1(d);
    for (; i + VL <= n; i += VL) v_store(r + i, v_fma(dv, v_load(x + i), v_load(r + i)));
    for (; i < n; i++) r[i] = s_fma(d, x[i], r[i]);
}

/* x_j^T S (y - X w) */
static double column_dot(const cd_problem *c, int64_t j) {
    if (c->mode == CD_GRAM) return c->q[j] - c->H[j];
    if (c->mode == CD_COLUMNS) return dot(c->X + j * c->x_col, c->R, c->n);
    double sum = 0, weight = 0;
    for (int64_t e = c->indptr[j]; e < c->indptr[j + 1]; e++) {
        int64_t i = c->indices[e];
        double x = (double)c->data[e] * (c->sample_weight ? (double)c->sample_weight[i] : 1.0);
        sum += x * (double)c->R[i];
        weight += x;
    }
    return sum + weight * c->offset - (c->mean ? c->mean[j] * c->r_sum : 0);
}

/* w_j += d, and what follows from it */
static void column_step(cd_problem *c, int64_t j, double d) {
    if (c->mode == CD_GRAM) {
        const double *restrict Q = c->Q + j * c->p;
        double *restrict H = c->H;
        for (int64_t k = 0; k < c->p; k++) H[k] += d * Q[k];
    } else if (c->mode == CD_COLUMNS) {
        axpy(c->R, (real)-d, c->X + j * c->x_col, c->n);
    } else {
        for (int64_t e = c->indptr[j]; e < c->indptr[j + 1]; e++) c->R[c->indices[e]] -= (real)(d * (double)c->data[e]);
        if (c->mean) c->offset += d * c->mean[j];
    }
}

static void dot_chunk(void *ctx, int64_t chunk) {
    cd_problem *c = ctx;
    par_range range = par_chunk(c->p, i64_min(c->p, 64), chunk, 1);
    for (int64_t j = range.begin; j < range.end; j++) c->XtR[j] = column_dot(c, j);
}

/* The duality gap at w; returns the norm of the dual candidate, |X^T R - beta w|_inf. */
static double duality_gap(cd_problem *c) {
    double l1 = 0, l2 = 0, RR = 0, Ry = 0;
    if (c->mode == CD_GRAM) {
        double qw = 0, wQw = 0;
        for (int64_t j = 0; j < c->p; j++) {
            c->XtR[j] = c->q[j] - c->H[j];
            qw += c->w[j] * c->q[j];
            wQw += c->w[j] * c->H[j];
        }
        RR = c->yy + wQw - 2 * qw;
        Ry = c->yy - qw;
    } else {
        double cost = c->mode == CD_COLUMNS ? (double)c->n : (double)c->indptr[c->p] / (double)i64_max(c->p, 1);
        if (cost * (double)c->p > 2.0 * PAR_GRAIN * 4) ct_par_for(i64_min(c->p, 64), dot_chunk, c);
        else
            for (int64_t j = 0; j < c->p; j++) c->XtR[j] = column_dot(c, j);
        for (int64_t i = 0; i < c->n; i++) {
            double r = (double)c->R[i] + c->offset, weight = c->sample_weight ? (double)c->sample_weight[i] : 1.0;
            RR += weight * r * r;
            Ry += weight * r * (double)c->y[i];
        }
    }
    for (int64_t j = 0; j < c->p; j++) {
        l1 += fabs(c->w[j]);
        l2 += c->w[j] * c->w[j];
    }
    double norm = c->positive ? -INFINITY : 0;
    if (c->alpha == 0) { /* no l1 term: ridge has a gap of its own, least squares only the gradient */
        double gradient2 = 0;
        for (int64_t j = 0; j < c->p; j++) gradient2 += c->XtR[j] * c->XtR[j];
        c->gap = c->beta == 0 ? gradient2 : RR + 0.5 * c->beta * l2 - Ry + gradient2 / (2 * c->beta);
        return gradient2;
    }
    for (int64_t j = 0; j < c->p; j++) {
        c->XtR[j] -= c->beta * c->w[j];
        double a = c->positive ? c->XtR[j] : fabs(c->XtR[j]);
        norm = a > norm ? a : norm;
    }
    double scale = norm > c->alpha ? c->alpha / norm : 1;
    double primal = 0.5 * (RR + c->beta * l2) + c->alpha * l1;
    double dual = -0.5 * scale * scale * (RR + c->beta * l2) + scale * Ry;
    c->gap = primal - dual;
    return norm;
}

/* Drop the features that the gap proves to be zero at the optimum: |x_j^T theta| < 1 - sqrt(2 gap) |x_j| / alpha. */
static void screen(cd_problem *c, double norm) {
    double top = norm > c->alpha ? norm : c->alpha, radius = sqrt(2 * (c->gap > 0 ? c->gap : 0)) / c->alpha;
    c->n_active = 0;
    for (int64_t j = 0; j < c->p; j++) {
        if (c->excluded[j]) continue;
        if (c->norm2[j] != 0) {
            double distance = (1 - fabs(c->XtR[j] / top)) / sqrt(c->norm2[j] + c->beta);
            if (distance <= radius) {
                c->active[c->n_active++] = (int32_t)j;
                continue;
            }
        }
        if (c->w[j] != 0) {
            column_step(c, j, -c->w[j]);
            c->w[j] = 0;
        }
        c->excluded[j] = 1;
    }
}

static int start(cd_problem *c) {
    c->offset = c->r_sum = 0;
    c->iter = 0;
    if (c->mode == CD_GRAM) {
        memset(c->H, 0, (size_t)c->p * sizeof(double));
        for (int64_t j = 0; j < c->p; j++) c->norm2[j] = c->Q[j * c->p + j];
    } else {
        memcpy(c->R, c->y, (size_t)c->n * sizeof(real));
        double total = 0;
        for (int64_t i = 0; i < c->n; i++) {
            double weight = c->sample_weight ? (double)c->sample_weight[i] : 1.0;
            total += weight;
            c->r_sum += weight * (double)c->y[i];
        }
        for (int64_t j = 0; j < c->p; j++) {
            if (c->mode == CD_COLUMNS) {
                c->norm2[j] = dot(c->X + j * c->x_col, c->X + j * c->x_col, c->n);
                continue;
            }
            double m = c->mean ? c->mean[j] : 0, sum = 0, weight = 0;
            for (int64_t e = c->indptr[j]; e < c->indptr[j + 1]; e++) {
                double s = c->sample_weight ? (double)c->sample_weight[c->indices[e]] : 1.0, x = (double)c->data[e] - m;
                sum += s * x * x;
                weight += s;
            }
            c->norm2[j] = sum + (total - weight) * m * m;
        }
    }
    for (int64_t j = 0; j < c->p; j++)
        if (c->w[j] != 0) column_step(c, j, c->w[j]);
    memset(c->excluded, 0, (size_t)c->p);
    c->n_active = c->p;
    for (int64_t j = 0; j < c->p; j++) c->active[j] = (int32_t)j;
    if (c->alpha == 0) c->screening = 0;
    double norm = duality_gap(c);
    if (c->gap <= c->tol) return 1;
    if (c->screening) screen(c, norm);
    return 0;
}

static uint32_t next_random(uint32_t *s) { /* xorshift32, Marsaglia 2003, the sequence that scikit-learn draws */
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s & 0x7fffffff;
}

static int run(cd_problem *c, int64_t iterations, int64_t max_iter) {
    for (int64_t stop = i64_min(c->iter + iterations, max_iter); c->iter < stop;) {
        double w_max = 0, step_max = 0;
        for (int64_t f = 0; f < c->n_active; f++) {
            int64_t at = c->random ? (int64_t)(next_random(&c->seed) % (uint32_t)c->n_active) : f;
            int64_t j = c->active[at];
            double norm2 = c->norm2[j], before = c->w[j];
            if (norm2 == 0) continue;
            double a = column_dot(c, j) + before * norm2, size = fabs(a) - c->alpha;
            double after = size > 0 && !(c->positive && a < 0) ? copysign(size, a) / (norm2 + c->beta) : 0;
            if (a != a) after = a; /* NaN must not look like convergence */
            if (after != before) {
                c->w[j] = after;
                column_step(c, j, after - before);
            }
            double step = fabs(after - before);
            step_max = step > step_max ? step : step_max;
            w_max = fabs(after) > w_max ? fabs(after) : w_max;
        }
        c->iter++;
        if (w_max == 0 || step_max / w_max <= c->tol_step || c->iter == max_iter) {
            double norm = duality_gap(c);
            if (c->gap <= c->tol) return 1;
            if (c->screening) screen(c, norm);
        }
    }
    return 0;
}

const ct_cd_api CT_NAME(ct_cd) = {start, run};

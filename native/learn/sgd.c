/* sgd.c: stochastic gradient descent on linear models, one row at a time.
 *
 *   w <- (1 - eta alpha (1 - rho)) w - eta L'(y, w x + b) x,   and for l1 the cumulative truncation of
 *   Tsuruoka, Tsujii, Ananiadou 2009.  Averages by Bottou's sparse trick (2012), rates as in scikit-learn,
 * passive-aggressive steps after Crammer et al. 2006.
 *
 * The weights are w = wscale * v, so that weight decay costs one product a row.
 */
#include "../include/learn/sgd.h"

#include <math.h>
#include <string.h>

#include "../include/learn/accumulate.h"
#include "../include/simd.h"

static double loss_value(int loss, double threshold, double y, double p) {
    double z;
    switch (loss) {
    case SGD_HINGE: z = threshold - y * p; return z > 0 ? z : 0;
    case SGD_SQUARED_HINGE: z = threshold - y * p; return z > 0 ? z * z : 0;
    case SGD_LOG: /* log(1 + exp(-y p)) for y = -1, 1 */
        z = y > 0 ? p : -p;
        return z > 0 ? log1p(exp(-z)) : log1p(exp(z)) - z;
    case SGD_MODIFIED_HUBER: z = y * p; return z >= 1 ? 0 : z >= -1 ? (1 - z) * (1 - z) : -4 * z;
    case SGD_SQUARED_ERROR: return 0.5 * (p - y) * (p - y);
    case SGD_HUBER: z = fabs(p - y); return z <= threshold ? 0.5 * z * z : threshold * (z - 0.5 * threshold);
    case SGD_EPSILON_INSENSITIVE: z = fabs(y - p) - threshold; return z > 0 ? z : 0;
    default: z = fabs(y - p) - threshold; return z > 0 ? z * z : 0;
    }
}

static double loss_gradient(int loss, double threshold, double y, double p) {
    double z;
    switch (loss) {
    case SGD_HINGE: return y * p <= threshold ? -y : 0;
    case SGD_SQUARED_HINGE: z = threshold - y * p; return z > 0 ? -2 * y * z : 0;
    case SGD_LOG: z = y > 0 ? 1 : 0; return (p >= 0 ? 1 / (1 + exp(-p)) : exp(p) / (1 + exp(p))) - z;
    case SGD_MODIFIED_HUBER: z = y * p; return z >= 1 ? 0 : z >= -1 ? -2 * (1 - z) * y : -4 * y;
    case SGD_SQUARED_ERROR: return p - y;
    case SGD_HUBER: z = p - y; return fabs(z) <= threshold ? z : z > 0 ? threshold : -threshold;
    case SGD_EPSILON_INSENSITIVE: return y - p > threshold ? -1 : p - y > threshold ? 1 : 0;
    default: z = y - p; return z > threshold ? -2 * (z - threshold) : z < -threshold ? 2 * (-z - threshold) : 0;
    }
}

typedef struct {
    const real *x;
    const int32_t *index; /* NULL: dense */
    int64_t size;
} row;

static double row_dot(const row *r, const real *restrict w) {
    if (r->index) {
        double sum = 0;
        for (int64_t j = 0; j < r->size; j++) sum += (double)w[r->index[j]] * (double)r->x[j];
        return sum;
    }
    vreal s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int64_t j = 0;
    for (; j + 4 * VL <= r->size; j += 4 * VL)
        for (int v = 0; v < 4; v++) s[v] = v_fma(v_load(w + j + v * VL), v_load(r->x + j + v * VL), s[v]);
    for (; j + VL <= r->size; j += VL) s[0] = v_fma(v_load(w + j), v_load(r->x + j), s[0]);
    if (j < r->size) s[1] = v_fma(v_load_part(w + j, r->size - j), v_load_part(r->x + j, r->size - j), s[1]);
    return (double)lanes_sum((s[0] + s[1]) + (s[2] + s[3]));
}

/* v += c / wscale * x, with the norms of w kept */
static void row_add(sgd_problem *s, const row *r, double c) {
    real step = (real)(c / s->wscale), *restrict w = s->w;
    if (r->index) {
        double square = 0, size = 0;
        for (int64_t j = 0; j < r->size; j++) {
            real before = w[r->index[j]], after = s_fma(step, r->x[j], before);
            w[r->index[j]] = after;
            square += (double)after * (double)after - (double)before * (double)before;
            size += fabs((double)after) - fabs((double)before);
        }
        s->sq_norm += square * s->wscale * s->wscale;
        s->l1_norm += size * s->wscale;
        return;
    }
    vreal d = v_set1(step), square = v_zero(), size = v_zero();
    for (int64_t j = 0; j < r->size; j += VL) {
        int64_t part = i64_min(VL, r->size - j);
        vreal v = part == VL ? v_fma(d, v_load(r->x + j), v_load(w + j))
                             : v_fma(d, v_load_part(r->x + j, part), v_load_part(w + j, part));
        if (part == VL) v_store(w + j, v);
        else v_store_part(w + j, v, part);
        square = v_fma(v, v, square);
        size += v_abs(v);
    }
    s->sq_norm = (double)lanes_sum(square) * s->wscale * s->wscale;
    s->l1_norm = (double)lanes_sum(size) * s->wscale;
}

static void finish(sgd_problem *s) {
    if (s->aw) {
        for (int64_t j = 0; j < s->p; j++)
            s->aw[j] = (real)(((double)s->aw[j] + s->average_a * (double)s->w[j]) / s->average_b);
        s->average_a = 0;
        s->average_b = 1;
    }
    for (int64_t j = 0; j < s->p; j++) s->w[j] = (real)((double)s->w[j] * s->wscale);
    s->wscale = 1;
}

static void start(sgd_problem *s) {
    s->wscale = 1;
    s->average_a = s->u = s->position = 0;
    s->average_b = 1;
    s->sq_norm = s->l1_norm = 0;
    for (int64_t j = 0; j < s->p; j++) {
        s->sq_norm += (double)s->w[j] * (double)s->w[j];
        s->l1_norm += fabs((double)s->w[j]);
    }
    s->eta = s->eta0;
}

static uint32_t next_random(uint32_t *s) { /* xorshift32, Marsaglia 2003, the sequence that scikit-learn draws */
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s & 0x7fffffff;
}

static void shuffle(sgd_problem *s) {
    uint32_t seed = s->seed ? s->seed : 1; /* each epoch starts from the same seed, on the order of the last one */
    for (int64_t i = 0; i < s->n - 1; i++) {
        int64_t j = i + (int64_t)(next_random(&seed) % (uint32_t)(s->n - i));
        int32_t kept = s->order[i];
        s->order[i] = s->order[j];
        s->order[j] = kept;
    }
}

/* Clip each weight that the row touches towards zero by the penalty it has not received yet. */
static void truncate(sgd_problem *s, const row *r) {
    for (int64_t k = 0; k < r->size; k++) {
        int64_t j = r->index ? r->index[k] : k;
        double v = (double)s->w[j], q = (double)s->q[j], after = v;
        if (v > 0) after = fmax(0, v - (s->u + q) / s->wscale);
        else if (v < 0) after = fmin(0, v + (s->u - q) / s->wscale);
        s->w[j] = (real)after;
        s->q[j] = (real)(q + s->wscale * ((double)s->w[j] - v));
    }
}

static int run(sgd_problem *s, int64_t rows) {
    if (s->position == 0) {
        s->loss_sum = s->objective_sum = 0;
        if (s->shuffle) shuffle(s);
    }
    const double most = 1e12; /* a larger gradient is clipped */
    for (int64_t stop = i64_min(s->n, s->position + rows); s->position < stop; s->position++) {
        int64_t i = s->order[s->position];
        if (s->held_out && s->held_out[i]) continue;
        row r = {s->X ? s->X + i * s->x_row : NULL, NULL, s->p};
        if (s->indices) {
            r.x = s->data + s->indptr[i];
            r.index = s->indices + s->indptr[i];
            r.size = s->indptr[i + 1] - s->indptr[i];
        }
        double y = (double)s->y[i], p = row_dot(&r, s->w) * s->wscale + s->intercept, update;
        if (s->rate == SGD_OPTIMAL) s->eta = 1 / (s->alpha * (s->optimal_init + s->t - 1));
        else if (s->rate == SGD_INVSCALING) s->eta = s->eta0 / pow(s->t, s->power_t);
        if (s->want_objective) {
            double value = loss_value(s->loss, s->threshold, y, p);
            s->loss_sum += value;
            s->objective_sum += value;
            if (s->rate < SGD_PA1 && (s->has_l2 || s->has_l1))
                s->objective_sum += s->alpha * ((1 - s->l1_ratio) * 0.5 * s->sq_norm + s->l1_ratio * s->l1_norm);
        }
        if (s->rate >= SGD_PA1) {
            double norm = 0;
            for (int64_t j = 0; j < r.size; j++) norm += (double)r.x[j] * (double)r.x[j];
            double value = loss_value(s->loss, s->threshold, y, p);
            if (s->rate == SGD_PA1) {
                if (norm == 0) continue;
                update = fmin(s->eta0, value / norm);
            } else update = value / (norm + 0.5 / s->eta0);
            if (s->loss == SGD_HINGE) update *= y;
            else if (y - p < 0) update = -update;
        } else {
            double d = loss_gradient(s->loss, s->threshold, y, p);
            update = -s->eta * (d < -most ? -most : d > most ? most : d);
        }
        update *= (y > 0 ? s->weight_positive : s->weight_negative) * (double)s->sample_weight[i];
        if (s->has_l2) {
            double c = fmax(0, 1 - (1 - s->l1_ratio) * s->eta * s->alpha);
            s->wscale *= c;
            s->sq_norm *= c * c;
            s->l1_norm *= c;
            if (s->wscale < (REAL_DTYPE ? 1e-9 : 1e-6)) finish(s);
        }
        if (update != 0) row_add(s, &r, update);
        if (s->fit_intercept) s->intercept += update * s->intercept_decay;
        if (s->average > 0 && s->average <= s->t) {
            double count = s->t - s->average + 1, mu = 1 / count;
            real c = (real)(s->average_a * -update / s->wscale);
            for (int64_t k = 0; k < r.size; k++) {
                int64_t j = r.index ? r.index[k] : k;
                s->aw[j] = s_fma(c, r.x[k], s->aw[j]);
            }
            if (count > 1) s->average_b /= 1 - mu;
            s->average_a += mu * s->average_b * s->wscale;
            s->average_intercept += (s->intercept - s->average_intercept) / count;
        }
        if (s->has_l1) {
            s->u += s->l1_ratio * s->eta * s->alpha;
            truncate(s, &r);
        }
        s->t += 1;
    }
    if (s->position < s->n) return 0;
    s->position = 0;
    int finite = isfinite(s->intercept);
    for (int64_t j = 0; j < s->p; j++) finite &= isfinite((double)s->w[j]) != 0;
    return finite ? 1 : 2;
}

const ct_sgd_api CT_NAME(ct_sgd) = {start, run, finish, loss_gradient};

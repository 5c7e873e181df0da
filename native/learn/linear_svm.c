/* linear_svm.c: linear support vector machines by coordinate descent. */
#include "../include/learn/linear_svm.h"

#include <math.h>

#include "../include/learn/panel.h"

static uint64_t next_random(uint64_t *seed) { /* Marsaglia, xorshift64* (2003; Vigna 2016) */
    uint64_t x = *seed;
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    *seed = x;
    return x * UINT64_C(2685821657736338717);
}

static void shuffle(int32_t *order, int64_t n, uint64_t *seed) {
    for (int64_t i = 0; i < n - 1; i++) {
        int64_t j = i + (int64_t)(next_random(seed) % (uint64_t)(n - i));
        int32_t swap = order[i];
        order[i] = order[j], order[j] = swap;
    }
}

static double product(const linear_rows *X, int64_t i, const real *w) {
    double sum = X->bias * (double)w[X->d];
    if (!X->indices) return sum + (double)row_dot(X->d, X->data + i * X->d, w);
    for (int32_t p = X->indptr[i]; p < X->indptr[i + 1]; p++) sum += (double)X->data[p] * (double)w[X->indices[p]];
    return sum;
}

static void add(const linear_rows *X, int64_t i, double step, real *w) {
    w[X->d] += (real)(step * X->bias);
    if (X->indices) {
        for (int32_t p = X->indptr[i]; p < X->indptr[i + 1]; p++) w[X->indices[p]] += (real)step * X->data[p];
        return;
    }
    const real *x = X->data + i * X->d;
    vreal s = v_set1((real)step);
    int64_t k = 0;
    for (; k + VL <= X->d; k += VL) v_store(w + k, v_fma(s, v_load(x + k), v_load(w + k)));
    for (; k < X->d; k++) w[k] = s_fma((real)step, x[k], w[k]);
}

static void squares(const linear_rows *X, const double *diag, double *square) {
    for (int64_t i = 0; i < X->n; i++) {
        const real *x = X->indices ? X->data + X->indptr[i] : X->data + i * X->d;
        int64_t m = X->indices ? X->indptr[i + 1] - X->indptr[i] : X->d;
        square[i] = (double)row_dot(m, x, x) + X->bias * X->bias + (diag ? diag[i] : 0);
    }
}

static int64_t classify(real *w, double *a, const linear_rows *X, const double *y, const double *upper,
                        const double *diag, double tol, int64_t max_iter, uint64_t *seed, int32_t *order,
                        double *square) {
    int64_t n = X->n, active = n, iter = 0;
    double top_before = INFINITY, bottom_before = -INFINITY;
    squares(X, diag, square);
    for (int64_t i = 0; i < n; i++) order[i] = (int32_t)i;
    for (; iter < max_iter; iter++) {
        double top = -INFINITY, bottom = INFINITY;
        shuffle(order, active, seed);
        for (int64_t s = 0; s < active; s++) {
            int64_t i = order[s];
            double g = y[i] * product(X, i, w) - 1 + diag[i] * a[i], pg = 0;
            int drop = 0;
            if (a[i] == 0) {
                if (g > top_before) drop = 1;
                if (g < 0) pg = g;
            } else if (a[i] == upper[i]) {
                if (g < bottom_before) drop = 1;
                if (g > 0) pg = g;
            } else {
                pg = g;
            }
            if (drop) { /* settled at its bound: left out until the others agree */
                active--;
                order[s] = order[active], order[active] = (int32_t)i;
                s--;
                continue;
            }
            if (pg > top) top = pg;
            if (pg < bottom) bottom = pg;
            if (fabs(pg) > 1e-12 && square[i] > 0) {
                double old = a[i], new = old - g / square[i];
                a[i] = new < 0 ? 0 : new > upper[i] ? upper[i] : new;
                add(X, i, (a[i] - old) * y[i], w);
            }
        }
        if (active == 0 || top - bottom <= tol) {
            if (active == n) break;
            active = n, top_before = INFINITY, bottom_before = -INFINITY;
            continue;
        }
        top_before = top > 0 ? top : INFINITY;
        bottom_before = bottom < 0 ? bottom : -INFINITY;
    }
    return iter;
}

static int64_t regress(real *w, double *b, const linear_rows *X, const double *y, const double *upper,
                       const double *diag, double epsilon, double tol, int64_t max_iter, uint64_t *seed, int32_t *order,
                       double *square, double *first) {
    int64_t n = X->n, iter = 0;
    squares(X, diag, square);
    for (int64_t i = 0; i < n; i++) order[i] = (int32_t)i;
    for (; iter < max_iter; iter++) {
        double total = 0;
        shuffle(order, n, seed);
        for (int64_t s = 0; s < n; s++) {
            int64_t i = order[s];
            double g = product(X, i, w) - y[i] + diag[i] * b[i], h = square[i], up = g + epsilon, down = g - epsilon;
            double violation;
            if (b[i] == 0) violation = up < 0 ? -up : down > 0 ? down : 0;
            else if (b[i] >= upper[i]) violation = up > 0 ? up : 0;
            else if (b[i] <= -upper[i]) violation = down < 0 ? -down : 0;
            else violation = b[i] > 0 ? fabs(up) : fabs(down);
            total += violation;
            if (!(h > 0)) continue;
            double d = up < h * b[i] ? -up / h : down > h * b[i] ? -down / h : -b[i];
            if (fabs(d) < 1e-12) continue;
            double old = b[i], new = old + d;
            b[i] = new > upper[i] ? upper[i] : new < -upper[i] ? -upper[i] : new;
            if (b[i] != old) add(X, i, b[i] - old, w);
        }
        if (*first < 0) *first = total;
        if (total <= tol * *first) break;
    }
    return iter;
}

/* Sum over the samples of column j of C * max(0, margin - step * y * x)^2 */
static double column_loss(const linear_rows *XT, int64_t j, const double *y, const double *C, const double *margin,
                          double step) {
    double sum = 0;
    int64_t from = XT->indices ? XT->indptr[j] : 0, to = XT->indices ? XT->indptr[j + 1] : XT->d;
    const real *x = XT->indices ? XT->data : XT->data + j * XT->d;
    for (int64_t p = from; p < to; p++) {
        int64_t i = XT->indices ? XT->indices[p] : p;
        double m = margin[i] - step * y[i] * (double)x[p];
        if (m > 0) sum += C[i] * m * m;
    }
    return sum;
}

static int64_t sparse(double *w, double *margin, const linear_rows *XT, const double *y, const double *C, double tol,
                      int64_t max_iter, uint64_t *seed, int32_t *order, double *first) {
    int64_t features = XT->n, iter = 0;
    for (int64_t j = 0; j < features; j++) order[j] = (int32_t)j;
    for (; iter < max_iter; iter++) {
        double total = 0;
        shuffle(order, features, seed);
        for (int64_t s = 0; s < features; s++) {
            int64_t j = order[s];
            int64_t from = XT->indices ? XT->indptr[j] : 0, to = XT->indices ? XT->indptr[j + 1] : XT->d;
            const real *x = XT->indices ? XT->data : XT->data + j * XT->d;
            double g = 0, h = 0, loss = 0;
            for (int64_t p = from; p < to; p++) {
                int64_t i = XT->indices ? XT->indices[p] : p;
                if (margin[i] <= 0) continue;
                double cx = C[i] * (double)x[p];
                g -= cx * y[i] * margin[i];
                h += cx * (double)x[p];
                loss += C[i] * margin[i] * margin[i];
            }
            g *= 2, h = 2 * h > 1e-12 ? 2 * h : 1e-12;
            double up = g + 1, down = g - 1, violation;
            if (w[j] == 0) violation = up < 0 ? -up : down > 0 ? down : 0;
            else violation = w[j] > 0 ? fabs(up) : fabs(down);
            total += violation;
            double d = up < h * w[j] ? -up / h : down > h * w[j] ? -down / h : -w[j];
            if (fabs(d) < 1e-14) continue;
            double bound = fabs(w[j] + d) - fabs(w[j]) + g * d; /* the decrease a quadratic model promises */
            double step = d;
            for (int halving = 0; halving < 30; halving++, step /= 2, bound /= 2) {
                double change = column_loss(XT, j, y, C, margin, step) - loss + fabs(w[j] + step) - fabs(w[j]);
                if (change <= 0.01 * bound) break;
            }
            w[j] += step;
            for (int64_t p = from; p < to; p++) {
                int64_t i = XT->indices ? XT->indices[p] : p;
                margin[i] -= step * y[i] * (double)x[p];
            }
        }
        if (*first < 0) *first = total;
        if (total <= tol * *first) break;
    }
    return iter;
}

/* scores[m] += sum_j x[j] W[j][m] */
static void class_scores(const linear_rows *X, int64_t i, const double *W, int64_t k, double *scores) {
    int64_t from = X->indices ? X->indptr[i] : i * X->d, to = X->indices ? X->indptr[i + 1] : from + X->d;
    for (int64_t m = 0; m < k; m++) scores[m] += X->bias * W[X->d * k + m];
    for (int64_t p = from; p < to; p++) {
        const double x = (double)X->data[p], *w = W + (X->indices ? X->indices[p] : p - from) * k;
        for (int64_t m = 0; m < k; m++) scores[m] += x * w[m];
    }
}

static void class_add(const linear_rows *X, int64_t i, double *W, int64_t k, const double *step) {
    int64_t from = X->indices ? X->indptr[i] : i * X->d, to = X->indices ? X->indptr[i + 1] : from + X->d;
    for (int64_t m = 0; m < k; m++) W[X->d * k + m] += X->bias * step[m];
    for (int64_t p = from; p < to; p++) {
        const double x = (double)X->data[p];
        double *w = W + (X->indices ? X->indices[p] : p - from) * k;
        for (int64_t m = 0; m < k; m++) w[m] += x * step[m];
    }
}

/* The level beta of min sum_m h/2 a_m^2 + b_m a_m, sum a = 0, a_m <= [m = y] C:  a_m = min(bound_m, (beta - b_m) / h).
 * `sorted` (k) is overwritten. */
static double level(const double *b, double h, double C, int64_t y, int64_t k, double *sorted) {
    for (int64_t m = 0; m < k; m++) { /* insertion sort, largest first: few classes, nearly sorted from step to step */
        double v = b[m] + (m == y ? h * C : 0);
        int64_t at = m;
        for (; at > 0 && sorted[at - 1] < v; at--) sorted[at] = sorted[at - 1];
        sorted[at] = v;
    }
    double beta = sorted[0] - h * C;
    int64_t r = 1;
    for (; r < k && beta < (double)r * sorted[r]; r++) beta += sorted[r];
    return beta / (double)r;
}

static int64_t joint(double *W, double *a, const linear_rows *X, const int32_t *y, const double *C, int64_t k,
                     double tol, int64_t max_iter, uint64_t *seed, int32_t *order, double *square, double *work) {
    int64_t iter = 0, active = X->n;
    double *g = work, *sorted = work + k, worst_before = INFINITY;
    squares(X, NULL, square);
    for (int64_t i = 0; i < X->n; i++) order[i] = (int32_t)i;
    for (; iter < max_iter; iter++) {
        double worst = 0;
        shuffle(order, active, seed);
        for (int64_t s = 0; s < active; s++) {
            int64_t i = order[s];
            double *ai = a + i * k, h = square[i], top = -INFINITY, second = -INFINITY, bottom = INFINITY;
            if (!(h > 0) || !(C[i] > 0)) continue;
            for (int64_t m = 0; m < k; m++) g[m] = m != y[i];
            class_scores(X, i, W, k, g);
            for (int64_t m = 0; m < k; m++) {
                if (g[m] > top) second = top, top = g[m];
                else if (g[m] > second) second = g[m];
                if (ai[m] < (m == y[i] ? C[i] : 0) && g[m] < bottom) bottom = g[m];
            }
            if (top - bottom > worst) worst = top - bottom;
            if (!(top - bottom > 1e-12)) {
                if (top - second > worst_before) { /* far from moving: left out until the others agree */
                    active--;
                    order[s] = order[active], order[active] = (int32_t)i;
                    s--;
                }
                continue;
            }
            for (int64_t m = 0; m < k; m++) g[m] -= h * ai[m];
            double beta = level(g, h, C[i], y[i], k, sorted);
            for (int64_t m = 0; m < k; m++) {
                double bound = m == y[i] ? C[i] : 0, new = (beta - g[m]) / h;
                new = new < bound ? new : bound;
                g[m] = new - ai[m];
                ai[m] = new;
            }
            class_add(X, i, W, k, g);
        }
        worst_before = worst;
        if (worst >= tol) continue;
        if (active == X->n) break;
        active = X->n, worst_before = INFINITY;
    }
    return iter;
}

extern const ct_linear_svm_api CT_NAME(ct_linear_svm);
const ct_linear_svm_api CT_NAME(ct_linear_svm) = {classify, regress, sparse, joint};

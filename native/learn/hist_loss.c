/* hist_loss.c: gradients and Hessians of the losses of gradient boosting. See hist.h.
 *
 * With raw prediction r, target y and weight w (Friedman 2001; the half losses of scikit-learn):
 *   squared error    g = r - y               h = 1
 *   absolute error   g = r > y ? 1 : -1      h = 1
 *   quantile q       g = y >= r ? -q : 1 - q h = 1
 *   poisson          g = e^r - y             h = e^r
 *   gamma            g = 1 - y e^-r          h = y e^-r
 *   binomial         g = p - y               h = p (1 - p),  p = 1 / (1 + e^-r)
 *   multinomial      g_k = p_k - [y = k]     h_k = p_k (1 - p_k),  p = softmax(r)
 */
#include "../include/learn/hist.h"
#include "../include/par.h"
#include "../include/real.h"

#if CT_REAL_DOUBLE
const ct_hist_loss_api CT_NAME(ct_hist_loss) = {0};
#else

#include <string.h>

#define BLOCK 512
#define ROW_CHUNK 8192

typedef struct {
    int32_t loss;
    double quantile;
    int64_t n, outputs;
    const double *y, *weight, *raw;
    float *g, *h;
} job;

/* e^x, within 2 units in the last place, for |x| <= 708; outside, the value at the bound.  x = k ln 2 + r, |r| <= ln 2
 * / 2; the polynomial is Taylor's of degree 12. */
CT_INLINE double exp_of(double x) {
    x = x > 708 ? 708 : x;
    x = x < -708 ? -708 : x;
    double shifted = x * 1.4426950408889634 + 6755399441055744.0; /* the low bits now hold the nearest whole number */
    double k = shifted - 6755399441055744.0;
    double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    double p = 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1;
    p = p * r + 1;
    int64_t bits;
    memcpy(&bits, &shifted, 8);
    bits = (int64_t)((uint64_t)bits << 52) + 0x3ff0000000000000;
    double scale;
    memcpy(&scale, &bits, 8);
    return p * scale;
}

static void one_output(const job *j, int64_t begin, int64_t end) {
    const double *y = j->y, *r = j->raw;
    float *g = j->g, *h = j->h;
    switch (j->loss) {
    case HIST_SQUARED_ERROR:
        for (int64_t i = begin; i < end; i++) g[i] = (float)(r[i] - y[i]);
        break;
    case HIST_ABSOLUTE_ERROR:
        for (int64_t i = begin; i < end; i++) g[i] = r[i] > y[i] ? 1.0f : -1.0f;
        break;
    case HIST_QUANTILE:
        for (int64_t i = begin; i < end; i++) g[i] = (float)(y[i] >= r[i] ? -j->quantile : 1 - j->quantile);
        break;
    case HIST_POISSON:
        for (int64_t i = begin; i < end; i++) {
            double e = exp_of(r[i]);
            g[i] = (float)(e - y[i]);
            h[i] = (float)e;
        }
        break;
    case HIST_GAMMA:
        for (int64_t i = begin; i < end; i++) {
            double e = y[i] * exp_of(-r[i]);
            g[i] = (float)(1 - e);
            h[i] = (float)e;
        }
        break;
    default:
        for (int64_t i = begin; i < end; i++) {
            double p = 1 / (1 + exp_of(-r[i]));
            g[i] = (float)(p - y[i]);
            h[i] = (float)(p * (1 - p));
        }
    }
    const double *w = j->weight;
    if (!w) return;
    for (int64_t i = begin; i < end; i++) g[i] = (float)(w[i] * g[i]);
    int constant = j->loss <= HIST_QUANTILE;
    if (h)
        for (int64_t i = begin; i < end; i++) h[i] = (float)(w[i] * (constant ? 1.0 : (double)h[i]));
}

static void many_outputs(const job *j, int64_t begin, int64_t end) {
    double top[BLOCK], sum[BLOCK];
    for (int64_t b = begin; b < end; b += BLOCK) {
        int64_t n = i64_min(BLOCK, end - b);
        for (int64_t i = 0; i < n; i++) top[i] = j->raw[b + i], sum[i] = 0;
        for (int64_t k = 1; k < j->outputs; k++)
            for (int64_t i = 0; i < n; i++) {
                double r = j->raw[k * j->n + b + i];
                top[i] = r > top[i] ? r : top[i];
            }
        for (int64_t k = 0; k < j->outputs; k++)
            for (int64_t i = 0; i < n; i++) sum[i] += exp_of(j->raw[k * j->n + b + i] - top[i]);
        for (int64_t k = 0; k < j->outputs; k++) {
            float *g = j->g + k * j->n + b, *h = j->h + k * j->n + b;
            for (int64_t i = 0; i < n; i++) {
                double p = exp_of(j->raw[k * j->n + b + i] - top[i]) / sum[i], w = j->weight ? j->weight[b + i] : 1;
                g[i] = (float)(w * (p - (j->y[b + i] == (double)k)));
                h[i] = (float)(w * (p * (1 - p)));
            }
        }
    }
}

static void body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    int64_t begin = chunk * ROW_CHUNK, end = i64_min(j->n, begin + ROW_CHUNK);
    if (j->loss == HIST_MULTINOMIAL) many_outputs(j, begin, end);
    else one_output(j, begin, end);
}

static void gradient(int32_t loss, double quantile, int64_t n, int64_t outputs, const double *y, const double *weight,
                     const double *raw, float *g, float *h) {
    job j = {loss, quantile, n, outputs, y, weight, raw, g, h};
    int64_t chunks = ceil_div(n, ROW_CHUNK);
    if (n * outputs > 2 * ROW_CHUNK) ct_par_for(chunks, body, &j);
    else
        for (int64_t c = 0; c < chunks; c++) body(&j, c);
}

const ct_hist_loss_api CT_NAME(ct_hist_loss) = {gradient};
#endif

/* gmm.c: expectation-maximisation for Gaussian mixtures (Dempster, Laird and Rubin 1977), both steps in one pass.
 *
 * Lanes are samples: a block of rows is transposed once, then densities, responsibilities and moments are plain vector
 * arithmetic with the parameters as scalars.  Moments are taken about the means of the step before, which loses nothing
 * to cancellation, and moved to the new means afterwards.
 */
#include "../include/learn/gmm.h"

#include <math.h>

#include "../include/learn/exp.h"
#include "../include/par.h"

#define VECS 8 /* vectors of samples in a block */
#define BLOCK (VECS * VL)

static int64_t pairs(int64_t d, int full) { return full ? d * (d + 1) / 2 : d; }

static int64_t chunk_count(int64_t n, int64_t d, int64_t k, int full) {
    int64_t most = i64_max(2, n / (4 * k * (full ? d : 1)));
    return i64_max(1, i64_min(i64_min(64, most), n / (2 * BLOCK)));
}

/* reals of one chunk: the block and its differences (d, BLOCK) each, log densities (k, BLOCK), moments in lanes */
static int64_t chunk_reals(int64_t d, int64_t k, int full, int moments) {
    return 3 * d * BLOCK + k * BLOCK + (moments ? k * (1 + d + pairs(d, full)) * VL : 0);
}

static int64_t sums(int64_t d, int64_t k, int full) { return 1 + k * (1 + d + pairs(d, full)); }

static int64_t work(int64_t n, int64_t d, int64_t k, int full, int moments) {
    int64_t chunks = chunk_count(n, d, k, full);
    return chunks * (round_up(chunk_reals(d, k, full, moments) * (int64_t)sizeof(real), 64) +
                     round_up(sums(d, k, full) * 8, 64));
}

typedef struct {
    const gmm_model *m;
    real *log_prob, *resp;
    char *work;
    int64_t chunks, reals, doubles; /* bytes of each chunk's parts */
    int moments;
} step_ctx;

/* e = x - mean, and |U' e|^2 (full) or |root * e|^2 of the block */
CT_INLINE void mahalanobis(const gmm_model *m, const real *x, const real *mean, const real *factor, real *e,
                           vreal out[VECS]) {
    int64_t d = m->d;
    for (int64_t i = 0; i < d; i++) {
        vreal mu = v_set1(mean[i]);
        for (int v = 0; v < VECS; v++) v_store(e + i * BLOCK + v * VL, v_load(x + i * BLOCK + v * VL) - mu);
    }
    for (int v = 0; v < VECS; v++) out[v] = v_zero();
    for (int64_t j = 0; j < d; j++) {
        vreal y[VECS];
        if (m->full) {
            for (int v = 0; v < VECS; v++) y[v] = v_zero();
            for (int64_t i = 0; i <= j; i++) {
                vreal u = v_set1(factor[i * d + j]);
                for (int v = 0; v < VECS; v++) y[v] = v_fma(u, v_load(e + i * BLOCK + v * VL), y[v]);
            }
        } else {
            vreal u = v_set1(factor[j]);
            for (int v = 0; v < VECS; v++) y[v] = u * v_load(e + j * BLOCK + v * VL);
        }
        for (int v = 0; v < VECS; v++) out[v] = v_fma(y[v], y[v], out[v]);
    }
}

/* acc (1 + d + pairs, VL lanes) += moments of one component, weighted by r (BLOCK) */
static void add_moments(const gmm_model *m, const real *e, real *re, const real *r, real *acc) {
    int64_t d = m->d;
    vreal mass = v_load(acc), rv[VECS];
    for (int v = 0; v < VECS; v++) rv[v] = v_load(r + v * VL), mass = mass + rv[v];
    v_store(acc, mass);
    acc += VL;
    for (int64_t i = 0; i < d; i++) {
        vreal first = v_load(acc + i * VL);
        for (int v = 0; v < VECS; v++) {
            vreal x = rv[v] * v_load(e + i * BLOCK + v * VL);
            v_store(re + i * BLOCK + v * VL, x);
            first = first + x;
        }
        v_store(acc + i * VL, first);
    }
    acc += d * VL;
    for (int64_t i = 0; i < d; i++) {
        vreal ri[VECS];
        for (int v = 0; v < VECS; v++) ri[v] = v_load(re + i * BLOCK + v * VL);
        for (int64_t j = i; j < (m->full ? d : i + 1); j++, acc += VL) {
            vreal a = v_load(acc), b = v_zero();
            for (int v = 0; v < VECS; v += 2) {
                a = v_fma(ri[v], v_load(e + j * BLOCK + v * VL), a);
                b = v_fma(ri[v + 1], v_load(e + j * BLOCK + (v + 1) * VL), b);
            }
            v_store(acc, a + b);
        }
    }
}

static void step_chunk(void *arg, int64_t chunk) {
    const step_ctx *s = arg;
    const gmm_model *m = s->m;
    int64_t d = m->d, k = m->k, lanes = 1 + d + pairs(d, m->full);
    par_range rows = par_chunk(m->n, s->chunks, chunk, BLOCK);
    real *x = (real *)(s->work + chunk * s->reals), *e = x + d * BLOCK, *re = e + d * BLOCK, *logp = re + d * BLOCK;
    real *acc = logp + k * BLOCK;
    double *sum = (double *)(s->work + s->chunks * s->reals + chunk * s->doubles), total = 0;
    for (int64_t i = 0; s->moments && i < k * lanes * VL; i++) acc[i] = 0;
    for (int64_t begin = rows.begin; begin < rows.end; begin += BLOCK) {
        int64_t count = i64_min(BLOCK, rows.end - begin);
        for (int64_t t = 0; t < BLOCK; t++) { /* past the end: the last row again, with no weight */
            const real *row = m->X + (begin + (t < count ? t : count - 1)) * d;
            for (int64_t i = 0; i < d; i++) x[i * BLOCK + t] = row[i];
        }
        vreal top[VECS], mass[VECS];
        for (int v = 0; v < VECS; v++) top[v] = v_set1(-REAL_INF), mass[v] = v_zero();
        for (int64_t j = 0; j < k; j++) {
            vreal q[VECS], c = v_set1((real)m->constant[j]);
            mahalanobis(m, x, m->means + j * d, m->factor + j * m->factor_step, e, q);
            for (int v = 0; v < VECS; v++) {
                vreal lp = v_fma(v_set1((real)-0.5), q[v], c);
                v_store(logp + j * BLOCK + v * VL, lp);
                top[v] = v_max(lp, top[v]);
            }
        }
        for (int64_t j = 0; j < k; j++)
            for (int v = 0; v < VECS; v++) {
                real *p = logp + j * BLOCK + v * VL;
                vreal r = exp_nonpositive(v_load(p) - top[v]);
                v_store(p, r);
                mass[v] = mass[v] + r;
            }
        for (int64_t t = 0; t < count; t++) {
            double lp = (double)top[t / VL][t % VL] + log((double)mass[t / VL][t % VL]);
            total += lp;
            if (s->log_prob) s->log_prob[begin + t] = (real)lp;
        }
        for (int v = 0; v < VECS; v++) mass[v] = v_set1(1) / mass[v];
        for (int64_t t = count; t < BLOCK; t++) mass[t / VL][t % VL] = 0;
        for (int64_t j = 0; j < k; j++)
            for (int v = 0; v < VECS; v++) {
                real *p = logp + j * BLOCK + v * VL;
                v_store(p, v_load(p) * mass[v]);
            }
        if (s->resp)
            for (int64_t t = 0; t < count; t++)
                for (int64_t j = 0; j < k; j++) s->resp[(begin + t) * k + j] = logp[j * BLOCK + t];
        if (!s->moments) continue;
        for (int64_t j = 0; j < k; j++) {
            for (int64_t i = 0; i < d; i++) {
                vreal mu = v_set1(m->means[j * d + i]);
                for (int v = 0; v < VECS; v++) v_store(e + i * BLOCK + v * VL, v_load(x + i * BLOCK + v * VL) - mu);
            }
            add_moments(m, e, re, logp + j * BLOCK, acc + j * lanes * VL);
        }
    }
    sum[0] = total;
    for (int64_t i = 0; s->moments && i < k * lanes; i++) {
        double a = 0;
        for (int l = 0; l < VL; l++) a += (double)acc[i * VL + l];
        sum[1 + i] = a;
    }
}

static double step(const gmm_model *m, real *log_prob, real *resp, double *mass, double *first, double *second,
                   void *space) {
    int64_t d = m->d, k = m->k, lanes = 1 + d + pairs(d, m->full);
    int moments = mass != NULL;
    step_ctx s = {m, log_prob, resp, space, chunk_count(m->n, d, k, m->full), 0, 0, moments};
    s.reals = round_up(chunk_reals(d, k, m->full, moments) * (int64_t)sizeof(real), 64);
    s.doubles = round_up(sums(d, k, m->full) * 8, 64);
    par_for(s.chunks, step_chunk, &s);
    double total = 0;
    for (int64_t c = 0; c < s.chunks; c++) total += *(const double *)(s.work + s.chunks * s.reals + c * s.doubles);
    for (int64_t j = 0; moments && j < k; j++)
        for (int64_t i = 0; i < lanes; i++) {
            double a = 0;
            for (int64_t c = 0; c < s.chunks; c++)
                a += ((const double *)(s.work + s.chunks * s.reals + c * s.doubles))[1 + j * lanes + i];
            if (i == 0) mass[j] = a;
            else if (i <= d) first[j * d + i - 1] = a;
            else second[j * (lanes - 1 - d) + i - 1 - d] = a;
        }
    return total;
}

extern const ct_gmm_api CT_NAME(ct_gmm);
const ct_gmm_api CT_NAME(ct_gmm) = {work, step};

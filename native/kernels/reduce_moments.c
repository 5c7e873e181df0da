/* reduce_moments.c: mean and variance over any axes, in one pass over memory.
 *
 * A block that fits the first-level cache is read twice: its mean m first, then s = sum(x - m) and q = sum((x - m)^2),
 * so nothing cancels.  Blocks join in double (Chan, Golub and LeVeque 1979):
 *   M2 = M2_a + M2_b + (mean_b - mean_a)^2 n_a n_b / (n_a + n_b)
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/simd.h"
#include "../include/strided.h"

#include <math.h>

enum { MOST_CHUNKS = 64, MOST_SPLITS = 16, BLOCK = 64 * VL, COLUMNS = 128, ROWS = 32 };

typedef struct {
    double n, mean, M2;
} moments;

CT_INLINE void join(moments *a, double n, double mean, double M2) {
    if (n == 0) return;
    const double all = a->n + n, d = mean - a->mean;
    a->M2 += M2 + (a->n > 0 ? d * d * a->n * n / all : 0);
    a->mean = a->n > 0 ? a->mean + d * n / all : mean;
    a->n = all;
}

typedef struct {
    reduce_plan plan;
    const real *x;
    moments *partial;      /* (splits, outputs) */
    real *mean, *variance; /* as out; mean may be NULL */
    double correction;
    int root;
    int64_t blocks, width, units, splits, chunks;
} job;

/* A contiguous block of at most BLOCK. */
CT_INLINE void block_moments(moments *total, const real *x, int64_t n) {
    vreal a = v_zero(), b = a, c = a, d = a;
    int64_t k = 0;
    for (; k + 2 * VL <= n; k += 2 * VL) a += v_load(x + k), b += v_load(x + k + VL);
    for (; k < n; k += VL) c += v_load_part(x + k, i64_min(VL, n - k));
    const real mean = v_hsum(a + b + c) / (real)n;
    const vreal m = v_set1(mean);
    a = b = c = d = v_zero();
    for (k = 0; k + 2 * VL <= n; k += 2 * VL) {
        vreal p = v_load(x + k) - m, q = v_load(x + k + VL) - m;
        a += p, b += q;
        c = v_fma(p, p, c), d = v_fma(q, q, d);
    }
    double s = (double)v_hsum(a + b), q = (double)v_hsum(c + d);
    for (; k < n; k++) {
        double e = (double)(x[k] - mean);
        s += e, q += e * e;
    }
    join(total, (double)n, (double)mean + s / (double)n, q - s * s / (double)n);
}

static moments rows_moments(const real *base, const dims *d, int64_t begin, int64_t end) {
    moments total = {0, 0, 0};
    const int64_t stride = d->in[d->n - 1];
    real buffer[BLOCK];
    int64_t filled = 0; /* short runs are gathered into one block */
    run_walk w = {d, begin, end};
    for (int64_t offset, n; (n = run_next(&w, &offset)) > 0;)
        for (int64_t i = 0; i < n;) {
            const real *x = base + offset + i * stride;
            if (stride == 1 && filled == 0 && n - i >= BLOCK / 2) {
                const int64_t m = i64_min(BLOCK, n - i);
                block_moments(&total, x, m);
                i += m;
                continue;
            }
            const int64_t m = i64_min(BLOCK - filled, n - i);
            if (stride == 1 && filled == 0 && w.at >= w.end && m == n - i) {
                block_moments(&total, x, m); /* the last piece, in place */
                return total;
            }
            gather_run(buffer + filled, x, m, stride);
            filled += m, i += m;
            if (filled == BLOCK) block_moments(&total, buffer, BLOCK), filled = 0;
        }
    if (filled) block_moments(&total, buffer, filled);
    return total;
}

/* Rows [begin, end) of `width` columns, ROWS at a time. */
static void columns_moments(moments *total, const real *base, const dims *d, int64_t step, int64_t width, int64_t begin,
                            int64_t end) {
    enum { PAD = COLUMNS + VBYTES / sizeof(real) };
    real block[ROWS * COLUMNS + VBYTES / sizeof(real)], mean[PAD], sum[PAD], square[PAD];
    const int64_t stride = d->in[d->n - 1];
    run_walk w = {d, begin, end};
    for (int64_t j = 0; j < width; j++) total[j] = (moments){0, 0, 0};
    for (int64_t offset, n; (n = run_next(&w, &offset)) > 0;)
        for (int64_t i = 0; i < n; i += ROWS) {
            const int64_t rows = i64_min(ROWS, n - i);
            const real *x = base + offset + i * stride;
            int64_t line = stride;
            if (step != 1 || width % VL) {
                line = round_up(width, VL);
                for (int64_t r = 0; r < rows; r++) gather_run(block + r * line, x + r * stride, width, step);
                x = block;
            }
            const vreal share = v_set1(1 / (real)rows);
            for (int64_t k = 0; k < width; k += VL) {
                vreal s = v_zero(), q = s, t = s;
                for (int64_t r = 0; r < rows; r++) t += v_load(x + r * line + k);
                const vreal m = t * share;
                for (int64_t r = 0; r < rows; r++) {
                    const vreal e = v_load(x + r * line + k) - m;
                    s += e, q = v_fma(e, e, q);
                }
                v_store(mean + k, m), v_store(sum + k, s), v_store(square + k, q);
            }
            const double c = (double)rows;
            for (int64_t k = 0; k < width; k++) {
                const double s = (double)sum[k];
                join(&total[k], c, (double)mean[k] + s / c, (double)square[k] - s * s / c);
            }
        }
}

static void put(const job *j, int64_t at, moments m) {
    if (j->mean) j->mean[at] = (real)(m.n > 0 ? m.mean : NAN);
    const double free = m.n - j->correction, M2 = m.M2 < 0 ? 0 : m.M2;
    const double v = m.n == 0 ? NAN : M2 / (free > 0 ? free : 0);
    j->variance[at] = (real)(j->root ? sqrt(v) : v);
}

static void chunk_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const reduce_plan *p = &j->plan;
    par_range units = {chunk / j->splits, chunk / j->splits + 1};
    if (j->splits == 1) units = par_chunk(j->units, j->chunks, chunk, 1);
    par_range r = par_chunk(p->count, j->splits, chunk % j->splits, ROWS);
    const int last = p->kept.n - 1;
    dims outer = p->kept;
    if (p->columns) outer.n = last;
    for (int64_t u = units.begin; u < units.end; u++) {
        int64_t at, offset = dims_at(&outer, u / j->blocks, &at), width = 1, out_step = 0;
        moments m[COLUMNS];
        if (!p->columns) {
            m[0] = rows_moments(j->x + offset, &p->reduced, r.begin, r.end);
        } else {
            const int64_t first = u % j->blocks * j->width, step = p->kept.in[last];
            width = i64_min(j->width, p->kept.shape[last] - first), out_step = p->kept.out[last];
            at += first * out_step;
            columns_moments(m, j->x + offset + first * step, &p->reduced, step, width, r.begin, r.end);
        }
        for (int64_t c = 0; c < width; c++)
            if (j->splits > 1) j->partial[chunk % j->splits * p->outputs + at + c * out_step] = m[c];
            else put(j, at + c * out_step, m[c]);
    }
}

static void job_start(job *j, const ct_call *call) {
    reduce_plan_make(&j->plan, call->in[0], call->ints[0], 0);
    const reduce_plan *p = &j->plan;
    j->width = j->blocks = j->splits = 1, j->units = p->outputs;
    if (p->columns && p->outputs > 0) {
        const int64_t inner = p->kept.shape[p->kept.n - 1];
        j->width = i64_min(COLUMNS, round_up(ceil_div(inner, ceil_div(inner, COLUMNS)), VL));
        j->blocks = ceil_div(inner, j->width);
        j->units = p->outputs / inner * j->blocks;
    }
    const int64_t c = par_count(p->outputs * p->count, 0.2, MOST_CHUNKS);
    if (c > 1 && j->units < 16)
        j->splits = i64_min(i64_min(ceil_div(c, j->units), MOST_SPLITS), ceil_div(p->count, 64));
    j->chunks = j->splits > 1 ? j->units * j->splits : i64_min(c, j->units);
}
static int64_t moments_work(const ct_call *call) {
    job j;
    job_start(&j, call);
    return j.splits > 1 ? j.splits * j.plan.outputs * (int64_t)sizeof(moments) : 0;
}

static void run(const ct_call *call, int root, real *variance, real *mean) {
    job j;
    job_start(&j, call);
    j.x = call->in[0]->data, j.variance = variance, j.mean = mean, j.root = root;
    j.correction = call->reals[0], j.partial = call->work;
    const int64_t outputs = j.plan.outputs;
    if (outputs == 0) return;
    if (j.plan.count == 0) {
        for (int64_t i = 0; i < outputs; i++) put(&j, i, (moments){0, 0, 0});
        return;
    }
    if (j.chunks == 1) chunk_body(&j, 0);
    else par_for(j.chunks, chunk_body, &j);
    if (j.splits == 1) return;
    for (int64_t i = 0; i < outputs; i++) {
        moments m = j.partial[i];
        for (int64_t s = 1; s < j.splits; s++) {
            const moments *o = &j.partial[s * outputs + i];
            join(&m, o->n, o->mean, o->M2);
        }
        put(&j, i, m);
    }
}

/* ints: mask.  reals: correction (1 for the unbiased variance).  in: x.  out: variance, or its root */
static void var(const ct_call *call) { run(call, 0, call->out[0]->data, NULL); }
static void std_(const ct_call *call) { run(call, 1, call->out[0]->data, NULL); }
/* out: variance or its root, mean */
static void var_mean(const ct_call *call) { run(call, 0, call->out[0]->data, call->out[1]->data); }
static void std_mean(const ct_call *call) { run(call, 1, call->out[0]->data, call->out[1]->data); }

static const ct_kernel rows[] = {
    {"var", var, moments_work},
    {"std", std_, moments_work},
    {"var_mean", var_mean, moments_work},
    {"std_mean", std_mean, moments_work},
};
CT_KERNELS(reduce_moments, rows);

/* loss.c: cross-entropy of logits against class indices or class probabilities, and the negative log-likelihood.
 *
 *   lse = log(sum_c exp(x_c)),   w = class weights (or 1),   e = label smoothing
 *   loss = (1 - e) w_t (lse - x_t) + e / C sum_c w_c (lse - x_c)
 *   d loss / d x_c = p_c ((1 - e) w_t + e / C sum w) - (1 - e) w_t [c = t] - e / C w_c,   p = exp(x - lse)
 *
 * Logits are (N, C, S): S is the product of the dimensions after the classes, often 1.  `mean` divides by the sum of
 * w_t over the items that are not ignored.  The range of targets is checked before.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/rows.h"
#include "../include/strided.h"

#include <math.h>

enum { MOST_CHUNKS = 64, WIDTH = 128, ROWS = 32 };
enum reduction { NONE = 0, MEAN = 1, SUM = 2 };

typedef struct {
    int64_t N, C, S, blocks, chunks;
    const real *x; /* (N, C, S) with strides row, column, 1 */
    int64_t row, column;
    const int64_t *target;   /* (N, S) */
    const real *probability; /* (N, C, S) contiguous */
    const real *weight;      /* (C) or NULL */
    const real *g;           /* (N, S), or one number */
    real *lse;               /* (N, S) */
    real *loss;              /* (N, S) or NULL */
    real *dx, *dtarget;      /* (N, C, S) */
    double weight_sum, smooth, scale;
    int64_t ignore;
    int each; /* one gradient for each item */
    double sum[MOST_CHUNKS], total[MOST_CHUNKS];
} job;

/* sum_c w_c (lse - x_c), and with q sum_c w_c q_c (lse - x_c) */
CT_INLINE double row_smooth(const real *x, const real *w, const real *q, int64_t n, real lse) {
    const vreal l = v_set1(lse);
    double total = 0;
    for (int64_t block = 0; block < n; block += 64 * VL) {
        vreal a = v_zero();
        for (int64_t k = block, end = i64_min(block + 64 * VL, n); k < end; k += VL) {
            vreal d = l - load_fill(x + k, end - k, lse);
            if (w) d *= load_fill(w + k, end - k, 0);
            if (q) d *= load_fill(q + k, end - k, 0);
            a += d;
        }
        total += (double)v_hsum(a);
    }
    return total;
}
CT_INLINE double row_product(const real *w, const real *q, int64_t n) { /* sum_c w_c q_c; w may be NULL */
    double total = 0;
    for (int64_t block = 0; block < n; block += 64 * VL) {
        vreal a = v_zero();
        for (int64_t k = block, end = i64_min(block + 64 * VL, n); k < end; k += VL) {
            vreal v = load_fill(q + k, end - k, 0);
            a += w ? v * load_fill(w + k, end - k, 0) : v;
        }
        total += (double)v_hsum(a);
    }
    return total;
}
CT_INLINE real row_lse(const real *x, int64_t n) {
    const real most = row_max(x, n), m = most == -REAL_INF ? 0 : most;
    return m + (real)log(row_exp(NULL, x, n, m, 0));
}

/* lse of `width` neighbouring columns */
static void columns_lse(real *lse, const real *x, int64_t n, int64_t stride, int64_t width) {
    real sum[WIDTH];
    double total[WIDTH];
    for (int64_t j = 0; j < width; j++) lse[j] = -REAL_INF, sum[j] = 0, total[j] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < width; j += VL)
            store(lse + j, v_max(load_fill(x + i * stride + j, width - j, 0), load_fill(lse + j, width - j, 0)),
                  width - j);
    for (int64_t j = 0; j < width; j++) lse[j] = lse[j] == -REAL_INF ? 0 : lse[j];
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < width; j += VL) {
            vreal e = v_exp(load_fill(x + i * stride + j, width - j, 0) - load_fill(lse + j, width - j, 0));
            store(sum + j, load_fill(sum + j, width - j, 0) + e, width - j);
        }
        if (i % ROWS == ROWS - 1 || i == n - 1)
            for (int64_t j = 0; j < width; j++) total[j] += (double)sum[j], sum[j] = 0;
    }
    for (int64_t j = 0; j < width; j++) lse[j] += (real)log(total[j]);
}

/* ---- items in chunks ----------------------------------------------------------------------------------------------
 */

/* The range of a chunk in units: rows when S is 1, else blocks of columns. */
typedef struct {
    int64_t n, s, width; /* items (n, s ... s + width) */
} unit;
CT_INLINE unit unit_at(const job *j, int64_t i) {
    const int64_t first = i % j->blocks * WIDTH;
    return (unit){i / j->blocks, first, i64_min(WIDTH, j->S - first)};
}

static void index_forward(void *ctx, int64_t chunk) {
    job *j = ctx;
    const int64_t C = j->C, S = j->S;
    par_range r = par_chunk(j->N * j->blocks, j->chunks, chunk, 1);
    double sum = 0, total = 0;
    for (int64_t i = r.begin; i < r.end; i++) {
        const unit u = unit_at(j, i);
        const real *x = j->x + u.n * j->row + u.s;
        real *lse = j->lse + u.n * S + u.s;
        if (S > 1) columns_lse(lse, x, C, j->column, u.width);
        for (int64_t k = 0; k < u.width; k++) {
            const int64_t item = u.n * S + u.s + k, t = j->target[item];
            if (t == j->ignore) {
                if (S == 1) lse[0] = 0;
                if (j->loss) j->loss[item] = 0;
                continue;
            }
            if (S == 1) lse[0] = row_lse(x, C);
            const double w = j->weight ? (double)j->weight[t] : 1;
            double loss = (1 - j->smooth) * w * (double)(lse[k] - x[t * j->column + k]);
            if (j->smooth > 0) {
                double all = 0;
                if (S == 1) all = row_smooth(x, j->weight, NULL, C, lse[0]);
                else
                    for (int64_t c = 0; c < C; c++)
                        all += (j->weight ? (double)j->weight[c] : 1) * (double)(lse[k] - x[c * j->column + k]);
                loss += j->smooth / (double)C * all;
            }
            if (j->loss) j->loss[item] = (real)loss;
            sum += loss, total += w;
        }
    }
    j->sum[chunk] = sum, j->total[chunk] = total;
}

/* dx of one row: p a - share [c = t] - even w_c */
CT_INLINE void row_grad(real *dx, const real *x, const real *w, int64_t n, int64_t t, real lse, real a, real share,
                        real even) {
    const vreal l = v_set1(lse), f = v_set1(a), e = v_set1(even);
    for (int64_t k = 0; k < n; k += VL) {
        vreal d = v_exp(load_fill(x + k, n - k, 0) - l) * f;
        if (even != 0) d -= w ? e * load_fill(w + k, n - k, 0) : e;
        store(dx + k, d, n - k);
    }
    dx[t] -= share;
}

static void index_backward(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const int64_t C = j->C, S = j->S;
    const double even = j->smooth / (double)C;
    par_range r = par_chunk(j->N * j->blocks, j->chunks, chunk, 1);
    for (int64_t i = r.begin; i < r.end; i++) {
        const unit u = unit_at(j, i);
        const real *x = j->x + u.n * j->row + u.s, *lse = j->lse + u.n * S + u.s;
        const int64_t *target = j->target + u.n * S + u.s;
        real *dx = j->dx + u.n * C * S + u.s, a[WIDTH], share[WIDTH], spread[WIDTH];
        for (int64_t k = 0; k < u.width; k++) {
            const int64_t t = target[k];
            const double g = (j->each ? (double)j->g[u.n * S + u.s + k] : (double)j->g[0]) * j->scale;
            const double w = j->weight && t != j->ignore ? (double)j->weight[t] : 1;
            a[k] = (real)(g * ((1 - j->smooth) * w + even * j->weight_sum));
            share[k] = (real)(g * (1 - j->smooth) * w), spread[k] = (real)(g * even);
        }
        if (S == 1) {
            if (target[0] == j->ignore)
                for (int64_t c = 0; c < C; c++) dx[c] = 0;
            else row_grad(dx, x, j->weight, C, target[0], lse[0], a[0], share[0], spread[0]);
            continue;
        }
        for (int64_t c = 0; c < C; c++) {
            const vreal w = v_set1(j->weight ? j->weight[c] : 1);
            for (int64_t k = 0; k < u.width; k += VL) {
                const int64_t n = u.width - k;
                vreal d =
                    v_exp(load_fill(x + c * j->column + k, n, 0) - load_fill(lse + k, n, 0)) * load_fill(a + k, n, 0);
                store(dx + c * S + k, d - w * load_fill(spread + k, n, 0), n);
            }
        }
        for (int64_t k = 0; k < u.width; k++)
            if (target[k] == j->ignore)
                for (int64_t c = 0; c < C; c++) dx[c * S + k] = 0;
            else dx[target[k] * S + k] -= share[k];
    }
}

/* Target probabilities q, smoothed to (1 - e) q + e / C:
 *   loss = sum_c w_c q_c (lse - x_c),  d x_c = p_c sum_k w_k q_k - w_c q_c,  d q_c = (1 - e) w_c (lse - x_c) */
static void probability_forward(void *ctx, int64_t chunk) {
    job *j = ctx;
    const int64_t C = j->C, S = j->S;
    const double even = j->smooth / (double)C;
    par_range r = par_chunk(j->N * j->blocks, j->chunks, chunk, 1);
    double sum = 0;
    for (int64_t i = r.begin; i < r.end; i++) {
        const unit u = unit_at(j, i);
        const real *x = j->x + u.n * j->row + u.s, *q = j->probability + u.n * C * S + u.s;
        real *lse = j->lse + u.n * S + u.s;
        double loss[WIDTH] = {0};
        if (S == 1) {
            lse[0] = row_lse(x, C);
            loss[0] = (1 - j->smooth) * row_smooth(x, j->weight, q, C, lse[0]);
            if (even > 0) loss[0] += even * row_smooth(x, j->weight, NULL, C, lse[0]);
        } else {
            columns_lse(lse, x, C, j->column, u.width);
            for (int64_t c = 0; c < C; c++)
                for (int64_t k = 0; k < u.width; k++) {
                    double share = (1 - j->smooth) * (double)q[c * S + k] + even;
                    loss[k] += (j->weight ? (double)j->weight[c] : 1) * share * (double)(lse[k] - x[c * j->column + k]);
                }
        }
        for (int64_t k = 0; k < u.width; k++) {
            if (j->loss) j->loss[u.n * S + u.s + k] = (real)loss[k];
            sum += loss[k];
        }
    }
    j->sum[chunk] = sum, j->total[chunk] = 0;
}

static void probability_backward(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const int64_t C = j->C, S = j->S;
    const real keep = (real)(1 - j->smooth), even = (real)(j->smooth / (double)C);
    par_range r = par_chunk(j->N * j->blocks, j->chunks, chunk, 1);
    for (int64_t i = r.begin; i < r.end; i++) {
        const unit u = unit_at(j, i);
        const int64_t first = u.n * S + u.s, at = u.n * C * S + u.s;
        const real *x = j->x + u.n * j->row + u.s, *q = j->probability + at, *lse = j->lse + first;
        real g[WIDTH], mass[WIDTH];
        double total[WIDTH] = {0};
        for (int64_t k = 0; k < u.width; k++) g[k] = (real)((double)j->g[j->each ? first + k : 0] * j->scale);
        if (S == 1) total[0] = row_product(j->weight, q, C);
        else
            for (int64_t c = 0; c < C; c++)
                for (int64_t k = 0; k < u.width; k++)
                    total[k] += (j->weight ? (double)j->weight[c] : 1) * (double)q[c * S + k];
        for (int64_t k = 0; k < u.width; k++)
            mass[k] = (real)((1 - j->smooth) * total[k] + j->smooth / (double)C * j->weight_sum) * g[k];
        for (int64_t c = 0; c < C; c += S == 1 ? VL : 1) {
            for (int64_t k = 0; k < u.width; k += VL) {
                const int64_t n = S == 1 ? C - c : u.width - k;
                const vreal w = !j->weight ? v_set1(1) : S == 1 ? load_fill(j->weight + c, n, 0) : v_set1(j->weight[c]);
                const vreal l = S == 1 ? v_set1(lse[0]) : load_fill(lse + k, n, 0);
                const vreal by = S == 1 ? v_set1(g[0]) : load_fill(g + k, n, 0);
                const vreal m = S == 1 ? v_set1(mass[0]) : load_fill(mass + k, n, 0);
                const vreal d = load_fill(x + c * j->column + k, n, 0) - l;
                const vreal share = v_fma(load_fill(q + c * S + k, n, 0), v_set1(keep), v_set1(even));
                if (j->dx) store(j->dx + at + c * S + k, v_exp(d) * m - w * share * by, n);
                if (j->dtarget) store(j->dtarget + at + c * S + k, -d * w * by * v_set1(keep), n);
            }
        }
    }
}

/* Negative log-likelihood of log-probabilities x: loss = -w_t x_t */
static void nll_forward(void *ctx, int64_t chunk) {
    job *j = ctx;
    par_range r = par_chunk(j->N * j->S, j->chunks, chunk, 1);
    double sum = 0, total = 0;
    for (int64_t item = r.begin; item < r.end; item++) {
        const int64_t t = j->target[item], n = item / j->S, s = item % j->S;
        double loss = 0;
        if (t != j->ignore) {
            const double w = j->weight ? (double)j->weight[t] : 1;
            loss = -w * (double)j->x[n * j->row + t * j->column + s];
            sum += loss, total += w;
        }
        if (j->loss) j->loss[item] = (real)loss;
    }
    j->sum[chunk] = sum, j->total[chunk] = total;
}

static void nll_backward(void *ctx, int64_t chunk) {
    const job *j = ctx;
    par_range r = par_chunk(j->N, j->chunks, chunk, 1);
    for (int64_t n = r.begin; n < r.end; n++) {
        real *dx = j->dx + n * j->C * j->S;
        for (int64_t k = 0; k < j->C * j->S; k++) dx[k] = 0;
        for (int64_t s = 0; s < j->S; s++) {
            const int64_t item = n * j->S + s, t = j->target[item];
            if (t == j->ignore) continue;
            const double w = j->weight ? (double)j->weight[t] : 1;
            dx[t * j->S + s] = (real)(-w * (double)j->g[j->each ? item : 0] * j->scale);
        }
    }
}

/* ---- from a call --------------------------------------------------------------------------------------------------
 */

/* Workspace is taken from the front; each piece is wanted only for inputs in an unusual layout. */
static void *take(char **work, int64_t bytes) {
    void *p = *work;
    *work += round_up(bytes, 64);
    return p;
}

/* Sizes, and whether logits can be used in place: classes side by side, or items side by side. */
static int sizes(job *j, const ct_array *x) {
    const int batch = x->ndim > 1, axis = batch ? 1 : 0;
    j->N = batch ? x->shape[0] : 1, j->C = x->shape[axis], j->S = 1;
    j->row = batch ? x->stride[0] : 0, j->column = x->stride[axis];
    int plain = 1;
    for (int i = x->ndim - 1; i > axis; i--) {
        if (x->shape[i] != 1 && x->stride[i] != j->S) plain = 0;
        j->S *= x->shape[i];
    }
    if (j->S == 1) plain = j->column == 1 || j->C == 1;
    j->blocks = ceil_div(j->S, WIDTH);
    return plain;
}

static const real *contiguous(const ct_array *a, char **work) {
    if (is_contiguous(a)) return a->data;
    real *copy = take(work, a->size * (int64_t)sizeof(real));
    copy_in(copy, a);
    return copy;
}
static int64_t contiguous_work(const ct_array *a) { return a && !is_contiguous(a) ? round_up(a->size * 8, 64) : 0; }
static const int64_t *contiguous_index(const ct_array *a, char **work) {
    if (is_contiguous(a)) return a->data;
    int64_t *copy = take(work, a->size * 8);
    dims d;
    dims_of(&d, a);
    for (int64_t i = 0; i < a->size; i++) copy[i] = ((const int64_t *)a->data)[dims_at(&d, i, NULL)];
    return copy;
}

static void start(job *j, const ct_array *x, const ct_array *weight, char **work) {
    j->x = x->data;
    if (!sizes(j, x)) {
        j->x = contiguous(x, work);
        j->row = j->C * j->S, j->column = j->S;
    }
    if (j->S == 1 && j->C == 1) j->column = 1;
    j->weight = NULL, j->weight_sum = (double)j->C;
    if (weight) {
        j->weight = contiguous(weight, work);
        j->weight_sum = row_product(NULL, j->weight, j->C);
    }
    j->scale = 1, j->smooth = 0, j->ignore = -1 - (int64_t)INT32_MAX * INT32_MAX;
    j->dx = j->dtarget = j->loss = NULL, j->probability = NULL;
}

static void launch(job *j, par_body body, int64_t units, double cost) {
    j->chunks = i64_min(par_count(j->N * j->C * j->S, cost, MOST_CHUNKS), units > 0 ? units : 1);
    if (j->chunks == 1) body(j, 0);
    else par_for(j->chunks, body, j);
}

/* loss[0] from the sums of the chunks */
static void finish(job *j, const ct_call *call, int reduction, double count) {
    double sum = 0, total = 0;
    for (int64_t i = 0; i < j->chunks; i++) sum += j->sum[i], total += j->total[i];
    if (count >= 0) total = count;
    if (reduction != NONE) *(real *)call->out[0]->data = (real)(reduction == MEAN ? sum / total : sum);
    ct_array *kept = call->out[call->nout - 1];
    if (count < 0 && kept && kept != call->out[0]) *(real *)kept->data = (real)total;
}

/* ints: reduction (0 none, 1 mean, 2 sum), ignore_index.  reals: label_smoothing.
 * in: logits (N, C, S...), target (N, S...), weight (C) or NULL
 * out: loss (N, S...) or 0-d, lse (N, S...), total weight 0-d */
static void cross_entropy_index(const ct_call *call) {
    job j;
    char *work = call->work;
    start(&j, call->in[0], call->in[2], &work);
    j.target = contiguous_index(call->in[1], &work);
    j.ignore = call->ints[1], j.smooth = call->reals[0];
    if (call->ints[0] == NONE) j.loss = call->out[0]->data;
    j.lse = call->out[1]->data;
    launch(&j, index_forward, j.N * j.blocks, 0.5);
    finish(&j, call, (int)call->ints[0], -1);
}
/* in: g (N, S...) or 0-d, logits, target, weight, lse, total weight.  out: d logits */
static void cross_entropy_index_grad(const ct_call *call) {
    job j;
    char *work = call->work;
    start(&j, call->in[1], call->in[3], &work);
    j.target = contiguous_index(call->in[2], &work);
    j.each = call->ints[0] == NONE;
    j.g = contiguous(call->in[0], &work), j.lse = (real *)contiguous(call->in[4], &work);
    j.ignore = call->ints[1], j.smooth = call->reals[0];
    if (call->ints[0] == MEAN) j.scale = 1 / (double)*(const real *)call->in[5]->data;
    j.dx = call->out[0]->data;
    launch(&j, index_backward, j.N * j.blocks, 0.5);
}

/* ints: reduction.  reals: label_smoothing.  in: logits (N, C, S...), target (N, C, S...), weight (C) or NULL
 * out: loss (N, S...) or 0-d, lse (N, S...) */
static void cross_entropy_prob(const ct_call *call) {
    job j;
    char *work = call->work;
    start(&j, call->in[0], call->in[2], &work);
    j.probability = contiguous(call->in[1], &work);
    j.smooth = call->reals[0];
    if (call->ints[0] == NONE) j.loss = call->out[0]->data;
    j.lse = call->out[1]->data;
    launch(&j, probability_forward, j.N * j.blocks, 0.7);
    finish(&j, call, (int)call->ints[0], (double)(j.N * j.S));
}
/* in: g, logits, target, weight, lse.  out: d logits, d target (either may be NULL) */
static void cross_entropy_prob_grad(const ct_call *call) {
    job j;
    char *work = call->work;
    start(&j, call->in[1], call->in[3], &work);
    j.probability = contiguous(call->in[2], &work);
    j.each = call->ints[0] == NONE;
    j.g = contiguous(call->in[0], &work), j.lse = (real *)contiguous(call->in[4], &work);
    j.smooth = call->reals[0];
    if (call->ints[0] == MEAN) j.scale = 1 / (double)(j.N * j.S);
    if (call->out[0]) j.dx = call->out[0]->data;
    if (call->nout > 1 && call->out[1]) j.dtarget = call->out[1]->data;
    launch(&j, probability_backward, j.N * j.blocks, 0.7);
}

/* ints: reduction, ignore_index.  in: log-probabilities (N, C, S...), target (N, S...), weight (C) or NULL
 * out: loss (N, S...) or 0-d, total weight 0-d */
static void nll_loss(const ct_call *call) {
    job j;
    char *work = call->work;
    start(&j, call->in[0], call->in[2], &work);
    j.target = contiguous_index(call->in[1], &work);
    j.ignore = call->ints[1];
    if (call->ints[0] == NONE) j.loss = call->out[0]->data;
    launch(&j, nll_forward, j.N * j.S, 2.0 / (double)i64_max(j.C, 1));
    finish(&j, call, (int)call->ints[0], -1);
}
/* in: g, log-probabilities, target, weight, total weight.  out: d log-probabilities */
static void nll_loss_grad(const ct_call *call) {
    job j;
    char *work = call->work;
    sizes(&j, call->in[1]);
    j.weight = call->in[3] ? contiguous(call->in[3], &work) : NULL;
    j.target = contiguous_index(call->in[2], &work);
    j.each = call->ints[0] == NONE, j.ignore = call->ints[1];
    j.g = contiguous(call->in[0], &work), j.dx = call->out[0]->data;
    j.scale = call->ints[0] == MEAN ? 1 / (double)*(const real *)call->in[4]->data : 1;
    launch(&j, nll_backward, j.N, 0.3);
}

static int64_t work(const ct_call *call) {
    int64_t bytes = 0;
    for (int i = 0; i < call->nin; i++) bytes += contiguous_work(call->in[i]);
    return bytes;
}

static const ct_kernel rows[] = {
    {"cross_entropy_index", cross_entropy_index, work},
    {"cross_entropy_index_grad", cross_entropy_index_grad, work},
    {"cross_entropy_prob", cross_entropy_prob, work},
    {"cross_entropy_prob_grad", cross_entropy_prob_grad, work},
    {"nll_loss", nll_loss, work},
    {"nll_loss_grad", nll_loss_grad, work},
};
CT_KERNELS(loss, rows);

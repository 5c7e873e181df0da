/* loss_pointwise.c: losses that are a sum, a mean or an array of one function of each pair (x, t), and their gradients.
 *
 * One table-free pattern for all: `value` is the loss of one vector, `slope` its derivative.  The forward pass reduces
 * as it goes; the backward pass reads g, x and t once and writes dx.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/rows.h"
#include "../include/strided.h"

enum { MOST_CHUNKS = 64, BLOCK = 512 };
enum reduction { NONE = 0, MEAN = 1, SUM = 2 };
enum loss { MSE, L1, SMOOTH_L1, HUBER, BCE, BCE_LOGITS, KL, KL_LOG };

CT_INLINE int has_weight(int loss) { return loss == BCE || loss == BCE_LOGITS; }

typedef struct {
    const real *x, *t, *w, *v, *g; /* w: weight; v: pos_weight; g: gradient of each, or of all */
    dims xd, td, wd, vd, gd;
    real *out;
    int64_t size, chunks;
    int each;
    real a; /* beta or delta */
    double scale, sum[MOST_CHUNKS];
} job;

/* The loss of one vector of pairs. */
CT_INLINE vreal value(int loss, vreal x, vreal t, vreal v, real a) {
    const vreal one = v_set1(1), d = x - t, m = v_abs(d), bound = v_set1(a);
    switch (loss) {
    case MSE: return d * d;
    case L1: return m;
    case SMOOTH_L1: /* d^2 / (2 beta) below beta, |d| - beta / 2 above (Girshick 2015) */
        return a == 0 ? m : v_blend((vmask)(m < bound), v_set1(R(0.5)) * d * d / bound, m - v_set1(R(0.5) * a));
    case HUBER: /* d^2 / 2 up to delta, delta (|d| - delta / 2) above (Huber 1964) */
        return v_blend((vmask)(m <= bound), v_set1(R(0.5)) * d * d, bound * (m - v_set1(R(0.5) * a)));
    case BCE: { /* -(t log x + (1 - t) log(1 - x)), logarithms kept above -100 as PyTorch keeps them */
        const vreal floor = v_set1(-100);
        return (t - one) * v_max(floor, v_log1p(-x)) - t * v_max(floor, v_log(x));
    }
    case BCE_LOGITS: { /* (1 - t) x + (1 + (v - 1) t) (log(1 + exp(-|x|)) + max(-x, 0)) */
        const vreal soft = v_log1p(v_exp(-v_abs(x))) + v_max(-x, v_zero());
        return (one - t) * x + (one + (v - one) * t) * soft;
    }
    case KL: /* t (log t - x), with 0 log 0 = 0 */
        return v_blend((vmask)(t == v_zero()), v_zero(), t * v_log(t)) - t * x;
    default: return v_exp(t) * (t - x); /* KL_LOG */
    }
}

/* Its derivative by x. */
CT_INLINE vreal slope(int loss, vreal x, vreal t, vreal v, real a) {
    const vreal one = v_set1(1), d = x - t, m = v_abs(d), bound = v_set1(a);
    /* the sign of d, 0 at 0 */
    const vreal sign = v_and((vmask)(d > v_zero()), one) - v_and((vmask)(d < v_zero()), one);
    switch (loss) {
    case MSE: return d + d;
    case L1: return v_blend((vmask)(d != d), d, sign);
    case SMOOTH_L1: return a == 0 ? sign : v_blend((vmask)(m < bound), d / bound, v_blend((vmask)(d != d), d, sign));
    case HUBER: return v_blend((vmask)(m <= bound), d, v_blend((vmask)(d != d), d, sign * bound));
    case BCE: return d / v_max(v_set1(R(1e-12)), (one - x) * x);
    case BCE_LOGITS: { /* (1 - t) - (1 + (v - 1) t) sigmoid(-x) */
        const vreal e = v_exp(-v_abs(x)), s = one / (one + e), below = v_blend((vmask)(x > v_zero()), e * s, s);
        return (one - t) - (one + (v - one) * t) * below;
    }
    case KL: return -t;
    default: return -v_exp(t); /* KL_LOG */
    }
}

/* The derivative by t, for losses whose targets may be learned. */
CT_INLINE vreal slope_target(int loss, vreal x, vreal t, vreal v, real a) {
    const vreal one = v_set1(1);
    switch (loss) {
    case BCE: return v_max(v_set1(-100), v_log1p(-x)) - v_max(v_set1(-100), v_log(x));
    case BCE_LOGITS: return (v - one) * (v_log1p(v_exp(-v_abs(x))) + v_max(-x, v_zero())) - x;
    case KL: return v_log(t) + one - x;
    case KL_LOG: return v_exp(t) * (t + one - x);
    default: return -slope(loss, x, t, v, a);
    }
}

CT_INLINE void forward(int loss, job *j, int64_t chunk) {
    real bx[BLOCK], bt[BLOCK], bw[BLOCK], bv[BLOCK];
    par_range r = par_chunk(j->size, j->chunks, chunk, BLOCK);
    double sum = 0;
    for (int64_t i = r.begin; i < r.end; i += BLOCK) {
        const int64_t n = i64_min(BLOCK, r.end - i);
        const real *x = block_of(j->x, &j->xd, i, n, bx), *t = block_of(j->t, &j->td, i, n, bt);
        const real *w = has_weight(loss) && j->w ? block_of(j->w, &j->wd, i, n, bw) : NULL,
                   *v = loss == BCE_LOGITS && j->v ? block_of(j->v, &j->vd, i, n, bv) : NULL;
        vreal lanes = v_zero(), other = v_zero();
        for (int64_t k = 0; k < n; k += VL) {
            vreal p = load_fill(x + k, n - k, R(0.5)), q = load_fill(t + k, n - k, R(0.5));
            vreal y = value(loss, p, q, v ? load_fill(v + k, n - k, 1) : v_set1(1), j->a);
            if (w) y *= load_fill(w + k, n - k, 0);
            if (j->out) store(j->out + i + k, y, n - k);
            if (CT_UNLIKELY(n - k < VL)) {
                real last[VBYTES / sizeof(real)] = {0};
                v_store_part(last, y, n - k);
                y = v_load(last);
            }
            vreal s = lanes + y; /* two sums in turn */
            lanes = other, other = s;
        }
        sum += (double)v_hsum(lanes + other);
    }
    j->sum[chunk] = sum;
}

CT_INLINE void backward(int loss, job *j, int64_t chunk, int by_target) {
    real bx[BLOCK], bt[BLOCK], bw[BLOCK], bv[BLOCK], bg[BLOCK];
    const real scale = (real)j->scale, all = j->each ? 0 : j->g[0] * scale;
    par_range r = par_chunk(j->size, j->chunks, chunk, BLOCK);
    for (int64_t i = r.begin; i < r.end; i += BLOCK) {
        const int64_t n = i64_min(BLOCK, r.end - i);
        const real *x = block_of(j->x, &j->xd, i, n, bx), *t = block_of(j->t, &j->td, i, n, bt);
        const real *w = has_weight(loss) && j->w ? block_of(j->w, &j->wd, i, n, bw) : NULL,
                   *v = loss == BCE_LOGITS && j->v ? block_of(j->v, &j->vd, i, n, bv) : NULL;
        const real *g = j->each ? block_of(j->g, &j->gd, i, n, bg) : NULL;
        for (int64_t k = 0; k < n; k += VL) {
            vreal p = load_fill(x + k, n - k, R(0.5)), q = load_fill(t + k, n - k, R(0.5));
            vreal s = v ? load_fill(v + k, n - k, 1) : v_set1(1);
            vreal d = by_target ? slope_target(loss, p, q, s, j->a) : slope(loss, p, q, s, j->a);
            d *= g ? load_fill(g + k, n - k, 0) : v_set1(all);
            if (w) d *= load_fill(w + k, n - k, 0);
            store(j->out + i + k, d, n - k);
        }
    }
}

/* ---- from a call --------------------------------------------------------------------------------------------------
 */

static const real *take(const ct_array *a, dims *d) {
    if (!a) return NULL;
    dims_of(d, a);
    return a->data;
}

/* ints: reduction (0 none, 1 mean, 2 sum).  reals: beta or delta, where the loss has one.
 * in: x, t, weight or NULL, pos_weight or NULL, all of one shape (strides may repeat).  out: loss, or 0-d */
static void run_forward(const ct_call *call, par_body body, double cost, int has_a) {
    job j = {.a = has_a ? (real)call->reals[0] : 0};
    j.x = take(call->in[0], &j.xd), j.t = take(call->in[1], &j.td);
    j.w = call->nin > 2 ? take(call->in[2], &j.wd) : NULL, j.v = call->nin > 3 ? take(call->in[3], &j.vd) : NULL;
    j.size = call->in[0]->size;
    const int reduction = (int)call->ints[0];
    j.out = reduction == NONE ? call->out[0]->data : NULL;
    j.chunks = i64_min(par_count(j.size, cost, MOST_CHUNKS), i64_max(1, j.size / BLOCK));
    if (j.chunks == 1) body(&j, 0);
    else par_for(j.chunks, body, &j);
    if (reduction == NONE) return;
    double sum = 0;
    for (int64_t i = 0; i < j.chunks; i++) sum += j.sum[i];
    *(real *)call->out[0]->data = (real)(reduction == MEAN ? sum / (double)j.size : sum);
}

/* in: g (as the loss), x, t, weight, pos_weight.  out: dx; of NAME_grad_target: dt */
static void run_backward(const ct_call *call, par_body body, double cost, int has_a) {
    job j = {.a = has_a ? (real)call->reals[0] : 0};
    j.g = take(call->in[0], &j.gd), j.x = take(call->in[1], &j.xd), j.t = take(call->in[2], &j.td);
    j.w = call->nin > 3 ? take(call->in[3], &j.wd) : NULL, j.v = call->nin > 4 ? take(call->in[4], &j.vd) : NULL;
    j.size = call->in[1]->size, j.each = call->ints[0] == NONE, j.out = call->out[0]->data;
    j.scale = call->ints[0] == MEAN ? 1 / (double)j.size : 1;
    if (j.size == 0) return;
    j.chunks = i64_min(par_count(j.size, cost, MOST_CHUNKS), i64_max(1, j.size / BLOCK));
    if (j.chunks == 1) body(&j, 0);
    else par_for(j.chunks, body, &j);
}

#define LOSS(name, loss, cost, has_a)                                                                   \
    static void name##_body(void *j, int64_t chunk) { forward(loss, j, chunk); }                        \
    static void name##_grad_body(void *j, int64_t chunk) { backward(loss, j, chunk, 0); }               \
    static void name##_grad_target_body(void *j, int64_t chunk) { backward(loss, j, chunk, 1); }        \
    static void name(const ct_call *call) { run_forward(call, name##_body, cost, has_a); }              \
    static void name##_grad(const ct_call *call) { run_backward(call, name##_grad_body, cost, has_a); } \
    static void name##_grad_target(const ct_call *call) { run_backward(call, name##_grad_target_body, cost, has_a); }

LOSS(mse_loss, MSE, 0.25, 0)
LOSS(l1_loss, L1, 0.25, 0)
LOSS(smooth_l1_loss, SMOOTH_L1, 0.3, 1)
LOSS(huber_loss, HUBER, 0.3, 1)
LOSS(bce, BCE, 1, 0)
LOSS(bce_with_logits, BCE_LOGITS, 0.8, 0)
LOSS(kl_div, KL, 0.7, 0)
LOSS(kl_div_log, KL_LOG, 0.6, 0)

#define ROWS(name) \
    {#name, name, NULL}, {#name "_grad", name##_grad, NULL}, { #name "_grad_target", name##_grad_target, NULL }
static const ct_kernel rows[] = {
    ROWS(mse_loss), ROWS(l1_loss),         ROWS(smooth_l1_loss), ROWS(huber_loss),
    ROWS(bce),      ROWS(bce_with_logits), ROWS(kl_div),         ROWS(kl_div_log),
};
CT_KERNELS(loss_pointwise, rows);

/* ctc.c: connectionist temporal classification (Graves et al. 2006), in logarithms.
 *
 * The labels l with a blank before, between and after each make z of length 2 S + 1.  With y = log_probs,
 *   alpha[t, s] = y[t, z_s] + log(e^alpha[t-1, s] + e^alpha[t-1, s-1] + [z_s is no blank and differs from z_{s-2}]
 * e^alpha[t-1, s-2]) loss = -log(e^alpha[T-1, 2S] + e^alpha[T-1, 2S-1]) and beta the same backwards.  As in PyTorch,
 * the gradient assumes that y is normalised: e^y - e^(alpha + beta + loss - y).
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/vmath.h"

typedef struct {
    real *loss, *alpha, *dy;                  /* (N), (N, T, wide), (T, N, C) */
    const real *y, *g;                        /* (T, N, C), (N) */
    const int64_t *labels, *frames, *lengths; /* (N, S), (N), (N) */
    int64_t T, N, C, S, wide, blank;
    real *scratch;
    int64_t scratch_reals;
} ctc_args;

CT_INLINE int64_t label(const ctc_args *a, int64_t n, int64_t s) {
    return s & 1 ? a->labels[n * a->S + s / 2] : a->blank;
}
/* log(e^x + e^y + e^z) */
CT_INLINE vreal log_add(vreal x, vreal y, vreal z) {
    const vreal top = v_max(v_max(x, y), z), none = v_set1(-REAL_INF);
    const vreal base = v_blend(top == none, v_zero(), top);
    return v_log(v_exp(x - base) + v_exp(y - base) + v_exp(z - base)) + base;
}

static void forward_one(void *ctx, int64_t n) {
    const ctc_args *a = ctx;
    const int64_t T = a->frames[n], L = 2 * a->lengths[n] + 1, wide = a->wide;
    real *before = a->scratch + ct_par_worker() * a->scratch_reals + VL; /* two positions of -inf in front */
    real *skip = before + wide + VL; /* 0 where two may be stepped over, else -inf */
    real *emit = skip + wide;
    real *alpha = a->alpha + n * a->T * wide;
    for (int64_t i = -2; i < wide; i++) before[i] = -REAL_INF;
    for (int64_t s = 0; s < wide; s++)
        skip[s] = s < L && (s & 1) && s > 1 && label(a, n, s) != label(a, n, s - 2) ? 0 : -REAL_INF;
    for (int64_t t = 0; t < a->T; t++) {
        const real *y = a->y + (t * a->N + n) * a->C;
        real *row = alpha + t * wide;
        for (int64_t s = 0; s < wide; s++) emit[s] = s < L && t < T ? y[label(a, n, s)] : -REAL_INF;
        for (int64_t s = 0; s < wide; s += VL) {
            vreal v;
            if (t == 0) {
                for (int i = 0; i < VL; i++) v[i] = s + i < 2 ? 0 : -REAL_INF;
            } else v = log_add(v_load(before + s), v_load(before + s - 1), v_load(before + s - 2) + v_load(skip + s));
            v_store(row + s, v + v_load(emit + s));
        }
        for (int64_t s = 0; s < wide; s++) before[s] = row[s];
    }
    if (T == 0) {
        a->loss[n] = L == 1 ? 0 : REAL_INF;
        return;
    }
    const real *end = alpha + (T - 1) * wide;
    const vreal total = log_add(v_set1(end[L - 1]), v_set1(L > 1 ? end[L - 2] : -REAL_INF), v_set1(-REAL_INF));
    a->loss[n] = -total[0];
}

static void backward_one(void *ctx, int64_t n) {
    const ctc_args *a = ctx;
    const int64_t T = a->frames[n], L = 2 * a->lengths[n] + 1, wide = a->wide;
    real *after = a->scratch + ct_par_worker() * a->scratch_reals; /* (wide + VL), -inf beyond L */
    real *skip = after + wide + VL, *emit = skip + wide, *beta = emit + wide;
    const real *alpha = a->alpha + n * a->T * wide;
    const real g = a->g[n], loss = a->loss[n];
    for (int64_t i = 0; i < wide + VL; i++) after[i] = -REAL_INF;
    for (int64_t s = 0; s < wide; s++)
        skip[s] = (s & 1) && s + 2 < L && label(a, n, s) != label(a, n, s + 2) ? 0 : -REAL_INF;
    for (int64_t t = a->T - 1; t >= 0; t--) {
        real *dy = a->dy + (t * a->N + n) * a->C;
        const real *y = a->y + (t * a->N + n) * a->C;
        for (int64_t c = 0; c < a->C; c++) dy[c] = 0;
        if (t >= T || g == 0) continue; /* no gradient wanted: also where the loss is infinite */
        for (int64_t s = 0; s < wide; s++) emit[s] = s < L ? y[label(a, n, s)] : -REAL_INF;
        for (int64_t s = 0; s < wide; s += VL) {
            vreal v;
            if (t == T - 1) {
                for (int i = 0; i < VL; i++) v[i] = s + i < L && s + i >= L - 2 ? 0 : -REAL_INF;
            } else v = log_add(v_load(after + s), v_load(after + s + 1), v_load(after + s + 2) + v_load(skip + s));
            v_store(beta + s, v + v_load(emit + s));
        }
        for (int64_t s = 0; s < wide; s++) after[s] = beta[s];
        /* occupancy of each class: sum over s of e^(alpha + beta + loss - y) */
        for (int64_t s = 0; s < wide; s += VL) {
            const vreal e = v_load(emit + s);
            const vreal p = v_exp(v_load(alpha + t * wide + s) + v_load(beta + s) + v_set1(loss) - e);
            v_store(beta + s, v_and(e > v_set1(-REAL_INF), p));
        }
        for (int64_t s = 0; s < L; s++) dy[label(a, n, s)] += beta[s];
        for (int64_t c = 0; c < a->C; c += VL) {
            const int64_t m = i64_min(VL, a->C - c);
            v_store_part(dy + c, (v_exp(v_load_part(y + c, m)) - v_load_part(dy + c, m)) * g, m);
        }
    }
}

/* (log_probs (T, N, C), targets (N, S), input_lengths (N), target_lengths (N); blank) -> loss (N), alpha (N, T, wide)
 */
static ctc_args sized(const ct_call *call, int from) {
    const ct_array *y = call->in[from];
    ctc_args a = {.T = y->shape[0], .N = y->shape[1], .C = y->shape[2], .S = call->in[from + 1]->shape[1]};
    a.wide = round_up(2 * a.S + 1, 16); /* as the shape rule of the op says, whatever VL is */
    a.blank = call->ints[0];
    a.scratch_reals = 4 * a.wide + 4 * VL;
    a.y = y->data, a.labels = call->in[from + 1]->data;
    a.frames = call->in[from + 2]->data, a.lengths = call->in[from + 3]->data;
    a.scratch = call->work;
    return a;
}
static int64_t forward_work(const ct_call *call) {
    return sized(call, 0).scratch_reals * ct_par_threads() * (int64_t)sizeof(real);
}
static void run(ctc_args *a, par_body body) {
    if ((double)(a->N * a->T) * (double)(a->wide * 4 + a->C) < 2.0 * PAR_GRAIN)
        for (int64_t n = 0; n < a->N; n++) body(a, n);
    else par_for(a->N, body, a);
}
static void ctc_loss(const ct_call *call) {
    ctc_args a = sized(call, 0);
    a.loss = call->out[0]->data, a.alpha = call->out[1]->data;
    run(&a, forward_one);
}
/* (g (N), log_probs, targets, input_lengths, target_lengths, loss, alpha; blank) -> gradient of log_probs */
static int64_t backward_work(const ct_call *call) {
    return sized(call, 1).scratch_reals * ct_par_threads() * (int64_t)sizeof(real);
}
static void ctc_loss_backward(const ct_call *call) {
    ctc_args a = sized(call, 1);
    a.g = call->in[0]->data, a.loss = call->in[5]->data, a.alpha = call->in[6]->data;
    a.dy = call->out[0]->data;
    run(&a, backward_one);
}

static const ct_kernel rows[] = {{"ctc_loss", ctc_loss, forward_work},
                                 {"ctc_loss_backward", ctc_loss_backward, backward_work}};
CT_KERNELS(ctc, rows);

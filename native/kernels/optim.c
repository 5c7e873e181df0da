/* optim.c: the steps of the optimizers. See optim.h.
 *
 * Each optimizer is one function of a range of one tensor; `walk` cuts all tensors of a step into such ranges.  These
 * passes are bound by memory: Adam moves 28 bytes for a float32 parameter (reads p, g, m, v; writes p, m, v).
 */
#include "../include/optim.h"

#include "../include/par.h"
#include "../include/simd.h"

#include <math.h>

/* ---- all tensors of a step as one range ------------------------------------------------------------------------ */

/* Updates elements [begin, end) of tensor i. */
typedef void (*range_body)(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk);

typedef struct {
    int64_t n, total, chunks;
    const int64_t *size; /* (n) */
    range_body body;
    const void *ctx;
} walk_plan;

#define MOST_CHUNKS 64

static void walk_chunk(void *ctx, int64_t chunk) {
    const walk_plan *w = ctx;
    par_range r = par_chunk(w->total, w->chunks, chunk, 64);
    int64_t first = 0; /* position of tensor i in the whole */
    for (int64_t i = 0; i < w->n && first < r.end; first += w->size[i++]) {
        int64_t begin = i64_max(r.begin - first, 0), end = i64_min(r.end - first, w->size[i]);
        if (begin < end) w->body(w->ctx, i, begin, end, chunk);
    }
}

/* `cost`: nanoseconds an element takes. Returns the number of chunks. */
static int64_t walk(int64_t n, const int64_t *size, double cost, range_body body, const void *ctx) {
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++) total += size[i];
    walk_plan w = {n, total, par_count(total, cost, MOST_CHUNKS), size, body, ctx};
    if (w.chunks == 1) {
        for (int64_t i = 0; i < n; i++) body(ctx, i, 0, size[i], 0);
        return 1;
    }
    par_for(w.chunks, walk_chunk, &w);
    return w.chunks;
}

/* The loop over vectors of a range: whole ones, then the rest. LOAD and STORE work on both. */
#define EACH_VECTOR(k, begin, end) \
    for (int64_t k = (begin), k##_n = 0; k##_n = i64_min(VL, (end) - k), k < (end); k += VL)
#define LOAD(x, k) (CT_LIKELY(k##_n == VL) ? v_load((x) + k) : v_load_part((x) + k, k##_n))
#define STORE(x, k, v) (CT_LIKELY(k##_n == VL) ? v_store((x) + k, v) : v_store_part((x) + k, v, k##_n))

/* The gradient as the formulas see it: its sign turned to maximise, L2 decay added. */
CT_INLINE vreal gradient(vreal g, vreal p, vreal sign, vreal decay) { return v_fma(decay, p, g * sign); }
static real sign_of(int maximize) { return maximize ? -1 : 1; }

/* mean + weight * (g - mean), as torch.lerp for weights below and above one half */
CT_INLINE vreal lerp(vreal mean, vreal g, real weight) {
    return weight < R(0.5) ? v_fma(v_set1(weight), g - mean, mean) : g - (g - mean) * v_set1(1 - weight);
}
/* beta * square + (1 - beta) * g^2 */
CT_INLINE vreal decayed_square(vreal square, vreal g, vreal beta, vreal rest) {
    return v_fma(g * rest, g, square * beta);
}

/* Of the bias that a mean started at zero has (Kingma and Ba 2015, section 3) */
static double correction(double beta, int64_t step) { return 1 - pow(beta, (double)step); }

/* ---- stochastic gradient descent ------------------------------------------------------------------------------- */

/* b = momentum * b + (1 - dampening) * g;  p -= lr * (g + momentum * b if nesterov else b)
 * Sutskever et al. 2013, in PyTorch's form. */
typedef struct {
    const optim_tensors *t;
    const optim_sgd *o;
} sgd_ctx;

static void sgd_plain(real *p, const real *g, int64_t begin, int64_t end, const optim_sgd *o) {
    const vreal sign = v_set1(sign_of(o->maximize)), decay = v_set1((real)o->weight_decay), lr = v_set1((real)-o->lr);
    int64_t k = begin;
    for (; k + 4 * VL <= end; k += 4 * VL) { /* small networks live in the second-level cache: keep its reads coming */
        vreal x[4], d[4];
        for (int u = 0; u < 4; u++) x[u] = v_load(p + k + u * VL), d[u] = v_load(g + k + u * VL);
        for (int u = 0; u < 4; u++) v_store(p + k + u * VL, v_fma(lr, gradient(d[u], x[u], sign, decay), x[u]));
    }
    EACH_VECTOR(j, k, end) {
        vreal x = LOAD(p, j);
        STORE(p, j, v_fma(lr, gradient(LOAD(g, j), x, sign, decay), x));
    }
}

CT_INLINE void sgd_momentum(real *p, real *b, const real *g, int64_t begin, int64_t end, const optim_sgd *o,
                            int first) {
    const vreal sign = v_set1(sign_of(o->maximize)), decay = v_set1((real)o->weight_decay), lr = v_set1((real)-o->lr);
    const vreal momentum = v_set1((real)o->momentum), share = v_set1((real)(1 - o->dampening));
    const int nesterov = o->nesterov;
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(p, k), d = gradient(LOAD(g, k), x, sign, decay);
        vreal m = first ? d : v_fma(share, d, LOAD(b, k) * momentum);
        STORE(b, k, m);
        STORE(p, k, v_fma(lr, nesterov ? v_fma(momentum, m, d) : m, x));
    }
}

static void sgd_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const optim_tensors *t = ((const sgd_ctx *)ctx)->t;
    const optim_sgd *o = ((const sgd_ctx *)ctx)->o;
    if (o->momentum == 0) sgd_plain(t->p[i], t->g[i], begin, end, o);
    else if (t->step && t->step[i] == 1) sgd_momentum(t->p[i], t->state[0][i], t->g[i], begin, end, o, 1);
    else sgd_momentum(t->p[i], t->state[0][i], t->g[i], begin, end, o, 0);
}

static void sgd(const optim_tensors *t, const optim_sgd *o) {
    sgd_ctx c = {t, o};
    walk(t->n, t->size, o->momentum == 0 ? 0.3 : 0.5, sgd_range, &c);
}

/* ---- Adam, AdamW, AMSGrad --------------------------------------------------------------------------------------- */

/* m = lerp(m, g, 1 - beta1);  v = beta2 * v + (1 - beta2) * g^2
 * p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 * Kingma and Ba 2015; AMSGrad (Reddi et al. 2018) takes the largest v so far. */
typedef struct {
    const optim_tensors *t;
    const optim_adam *o;
    int64_t step;              /* of the first tensor, most often of all: its corrections are computed once */
    double correct1, correct2; /* 1 - beta^step */
} adam_ctx;

CT_INLINE void adam_update(real *p, real *m, real *v, real *largest, const real *g, int64_t begin, int64_t end,
                           const optim_adam *o, double correct1, double correct2, int amsgrad) {
    const vreal sign = v_set1(sign_of(o->maximize));
    const vreal decay = v_set1(o->decoupled ? 0 : (real)o->weight_decay);
    const vreal keep = v_set1(o->decoupled ? (real)(1 - o->lr * o->weight_decay) : 1);
    const vreal beta2 = v_set1((real)o->beta2), rest2 = v_set1((real)(1 - o->beta2)), eps = v_set1((real)o->eps);
    const real rest1 = (real)(1 - o->beta1);
    const vreal size = v_set1((real)(-o->lr / correct1)), correct = v_set1((real)(1 / sqrt(correct2)));
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(p, k), d = gradient(LOAD(g, k), x, sign, decay);
        vreal mean = lerp(LOAD(m, k), d, rest1), square = decayed_square(LOAD(v, k), d, beta2, rest2);
        STORE(m, k, mean);
        STORE(v, k, square);
        if (amsgrad) {
            square = v_max(LOAD(largest, k), square);
            STORE(largest, k, square);
        }
        STORE(p, k, v_fma(size, mean / v_fma(v_sqrt(square), correct, eps), x * keep));
    }
}

static void adam_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const adam_ctx *c = ctx;
    const optim_tensors *t = c->t;
    const int64_t step = t->step[i];
    double correct1 = c->correct1, correct2 = c->correct2;
    if (step != c->step) correct1 = correction(c->o->beta1, step), correct2 = correction(c->o->beta2, step);
    real *p = t->p[i], *m = t->state[0][i], *v = t->state[1][i];
    if (c->o->amsgrad) adam_update(p, m, v, t->state[2][i], t->g[i], begin, end, c->o, correct1, correct2, 1);
    else adam_update(p, m, v, NULL, t->g[i], begin, end, c->o, correct1, correct2, 0);
}

static void adam(const optim_tensors *t, const optim_adam *o) {
    if (t->n == 0) return;
    adam_ctx c = {t, o, t->step[0], correction(o->beta1, t->step[0]), correction(o->beta2, t->step[0])};
    walk(t->n, t->size, 0.8, adam_range, &c);
}

typedef struct {
    const optim_tensors *t;
    const optim_adam *o;
} moments_ctx;

/* Adamax (Kingma and Ba 2015, section 7): u = max(beta2 * u, |g| + eps);  p -= lr / (1 - beta1^t) * m / u */
static void adamax_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const optim_tensors *t = ((const moments_ctx *)ctx)->t;
    const optim_adam *o = ((const moments_ctx *)ctx)->o;
    real *p = t->p[i], *m = t->state[0][i], *u = t->state[1][i];
    const real *g = t->g[i];
    const vreal sign = v_set1(sign_of(o->maximize)), decay = v_set1((real)o->weight_decay);
    const vreal beta2 = v_set1((real)o->beta2), eps = v_set1((real)o->eps);
    const real rest1 = (real)(1 - o->beta1);
    const vreal size = v_set1((real)(-o->lr / (correction(o->beta1, t->step[i]))));
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(p, k), d = gradient(LOAD(g, k), x, sign, decay);
        vreal mean = lerp(LOAD(m, k), d, rest1), norm = v_max(LOAD(u, k) * beta2, v_abs(d) + eps);
        STORE(m, k, mean);
        STORE(u, k, norm);
        STORE(p, k, v_fma(size, mean / norm, x));
    }
}

static void adamax(const optim_tensors *t, const optim_adam *o) {
    moments_ctx c = {t, o};
    walk(t->n, t->size, 0.8, adamax_range, &c);
}

/* NAdam (Dozat 2016): Nesterov momentum in Adam, with the momentum schedule mu_t = beta1 (1 - 0.96^(t decay) / 2). */
typedef struct {
    const optim_tensors *t;
    const optim_nadam *o;
    const double *mu_product; /* (n) with this step's momentum */
} nadam_ctx;

static double nadam_mu(const optim_nadam *o, int64_t step) {
    return o->beta1 * (1 - 0.5 * pow(0.96, (double)step * o->momentum_decay));
}

static void nadam_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const nadam_ctx *c = ctx;
    const optim_tensors *t = c->t;
    const optim_nadam *o = c->o;
    real *p = t->p[i], *m = t->state[0][i], *v = t->state[1][i];
    const real *g = t->g[i];
    const double mu = nadam_mu(o, t->step[i]), next = nadam_mu(o, t->step[i] + 1), product = c->mu_product[i];
    const vreal sign = v_set1(sign_of(o->maximize));
    const vreal decay = v_set1(o->decoupled ? 0 : (real)o->weight_decay);
    const vreal keep = v_set1(o->decoupled ? (real)(1 - o->lr * o->weight_decay) : 1);
    const vreal beta2 = v_set1((real)o->beta2), rest2 = v_set1((real)(1 - o->beta2)), eps = v_set1((real)o->eps);
    const vreal correct = v_set1((real)(correction(o->beta2, t->step[i])));
    const vreal by_gradient = v_set1((real)(-o->lr * (1 - mu) / (1 - product)));
    const vreal by_mean = v_set1((real)(-o->lr * next / (1 - product * next)));
    const real rest1 = (real)(1 - o->beta1);
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(p, k), d = gradient(LOAD(g, k), x, sign, decay);
        vreal mean = lerp(LOAD(m, k), d, rest1), square = decayed_square(LOAD(v, k), d, beta2, rest2);
        STORE(m, k, mean);
        STORE(v, k, square);
        vreal norm = v_sqrt(square / correct) + eps;
        STORE(p, k, v_fma(by_mean, mean / norm, v_fma(by_gradient, d / norm, x * keep)));
    }
}

static void nadam(const optim_tensors *t, const optim_nadam *o, double *mu_product) {
    for (int64_t i = 0; i < t->n; i++) mu_product[i] *= nadam_mu(o, t->step[i]);
    nadam_ctx c = {t, o, mu_product};
    walk(t->n, t->size, 0.8, nadam_range, &c);
}

/* RAdam (Liu et al. 2020): Adam whose adaptive step is rectified, and left out while its variance is too large. */
static void radam_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const optim_tensors *t = ((const moments_ctx *)ctx)->t;
    const optim_adam *o = ((const moments_ctx *)ctx)->o;
    real *p = t->p[i], *m = t->state[0][i], *v = t->state[1][i];
    const real *g = t->g[i];
    const double step = (double)t->step[i], power2 = pow(o->beta2, step), correct2 = 1 - power2;
    const double most = 2 / (1 - o->beta2) - 1, rho = most - 2 * step * power2 / correct2;
    const int rectify = rho > 5;
    const double rectified =
        rectify ? sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) * sqrt(correct2) : 1;
    const vreal size = v_set1((real)(-o->lr * rectified / (1 - pow(o->beta1, step))));
    const vreal sign = v_set1(sign_of(o->maximize));
    const vreal decay = v_set1(o->decoupled ? 0 : (real)o->weight_decay);
    const vreal keep = v_set1(o->decoupled ? (real)(1 - o->lr * o->weight_decay) : 1);
    const vreal beta2 = v_set1((real)o->beta2), rest2 = v_set1((real)(1 - o->beta2)), eps = v_set1((real)o->eps);
    const real rest1 = (real)(1 - o->beta1);
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(p, k), d = gradient(LOAD(g, k), x, sign, decay);
        vreal mean = lerp(LOAD(m, k), d, rest1), square = decayed_square(LOAD(v, k), d, beta2, rest2);
        STORE(m, k, mean);
        STORE(v, k, square);
        STORE(p, k, v_fma(size, rectify ? mean / (v_sqrt(square) + eps) : mean, x * keep));
    }
}

static void radam(const optim_tensors *t, const optim_adam *o) {
    moments_ctx c = {t, o};
    walk(t->n, t->size, 0.8, radam_range, &c);
}

/* ---- RMSprop, Adagrad, Adadelta --------------------------------------------------------------------------------- */

/* s = alpha * s + (1 - alpha) * g^2, less the squared mean when centered (Graves 2013);  p -= lr * g / (sqrt(s) + eps),
 * or through a momentum buffer (Hinton's lecture 6e). */
typedef struct {
    const optim_tensors *t;
    const optim_rmsprop *o;
} rmsprop_ctx;

static void rmsprop_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const optim_tensors *t = ((const rmsprop_ctx *)ctx)->t;
    const optim_rmsprop *o = ((const rmsprop_ctx *)ctx)->o;
    const int centered = o->centered, buffered = o->momentum > 0;
    real *p = t->p[i], *s = t->state[0][i], *b = buffered ? t->state[1][i] : NULL,
         *a = centered ? t->state[2][i] : NULL;
    const real *g = t->g[i];
    const vreal sign = v_set1(sign_of(o->maximize)), decay = v_set1((real)o->weight_decay), lr = v_set1((real)-o->lr);
    const vreal alpha = v_set1((real)o->alpha), rest = v_set1((real)(1 - o->alpha)), eps = v_set1((real)o->eps);
    const vreal momentum = v_set1((real)o->momentum);
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(p, k), d = gradient(LOAD(g, k), x, sign, decay);
        vreal square = decayed_square(LOAD(s, k), d, alpha, rest), spread = square;
        STORE(s, k, square);
        if (centered) {
            vreal mean = lerp(LOAD(a, k), d, (real)(1 - o->alpha));
            STORE(a, k, mean);
            spread = v_fma(-mean, mean, square);
        }
        vreal update = d / (v_sqrt(spread) + eps);
        if (buffered) {
            update = v_fma(LOAD(b, k), momentum, update);
            STORE(b, k, update);
        }
        STORE(p, k, v_fma(lr, update, x));
    }
}

static void rmsprop(const optim_tensors *t, const optim_rmsprop *o) {
    rmsprop_ctx c = {t, o};
    walk(t->n, t->size, 0.7, rmsprop_range, &c);
}

/* s += g^2;  p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps).  Duchi et al. 2011. */
typedef struct {
    const optim_tensors *t;
    const optim_adagrad *o;
} adagrad_ctx;

static void adagrad_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const optim_tensors *t = ((const adagrad_ctx *)ctx)->t;
    const optim_adagrad *o = ((const adagrad_ctx *)ctx)->o;
    real *p = t->p[i], *s = t->state[0][i];
    const real *g = t->g[i];
    const vreal sign = v_set1(sign_of(o->maximize)), decay = v_set1((real)o->weight_decay), eps = v_set1((real)o->eps);
    const vreal size = v_set1((real)(-o->lr / (1 + (double)(t->step[i] - 1) * o->lr_decay)));
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(p, k), d = gradient(LOAD(g, k), x, sign, decay), sum = v_fma(d, d, LOAD(s, k));
        STORE(s, k, sum);
        STORE(p, k, v_fma(size, d / (v_sqrt(sum) + eps), x));
    }
}

static void adagrad(const optim_tensors *t, const optim_adagrad *o) {
    adagrad_ctx c = {t, o};
    walk(t->n, t->size, 0.6, adagrad_range, &c);
}

/* s = rho * s + (1 - rho) * g^2;  u = sqrt(a + eps) / sqrt(s + eps) * g;  a = rho * a + (1 - rho) * u^2;  p -= lr * u
 * Zeiler 2012. */
typedef struct {
    const optim_tensors *t;
    const optim_adadelta *o;
} adadelta_ctx;

static void adadelta_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const optim_tensors *t = ((const adadelta_ctx *)ctx)->t;
    const optim_adadelta *o = ((const adadelta_ctx *)ctx)->o;
    real *p = t->p[i], *s = t->state[0][i], *a = t->state[1][i];
    const real *g = t->g[i];
    const vreal sign = v_set1(sign_of(o->maximize)), decay = v_set1((real)o->weight_decay), eps = v_set1((real)o->eps);
    const vreal rho = v_set1((real)o->rho), rest = v_set1((real)(1 - o->rho)), lr = v_set1((real)-o->lr);
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(p, k), d = gradient(LOAD(g, k), x, sign, decay);
        vreal square = decayed_square(LOAD(s, k), d, rho, rest), moved = LOAD(a, k);
        STORE(s, k, square);
        vreal update = v_sqrt(moved + eps) / v_sqrt(square + eps) * d;
        STORE(a, k, decayed_square(moved, update, rho, rest));
        STORE(p, k, v_fma(lr, update, x));
    }
}

static void adadelta(const optim_tensors *t, const optim_adadelta *o) {
    adadelta_ctx c = {t, o};
    walk(t->n, t->size, 0.8, adadelta_range, &c);
}

/* ---- gradients as a whole --------------------------------------------------------------------------------------- */

typedef struct {
    const real *const *g;
    double partial[MOST_CHUNKS];
} norm_ctx;

/* Blocks are summed in vector lanes of reals, blocks in double. */
#define NORM_BLOCK (64 * VL)

static void sum_square_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk) {
    norm_ctx *c = (norm_ctx *)ctx;
    const real *g = c->g[i];
    double sum = 0;
    for (int64_t block = begin; block < end; block += NORM_BLOCK) {
        vreal s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
        int64_t stop = i64_min(block + NORM_BLOCK, end), k = block;
        for (; k + 4 * VL <= stop; k += 4 * VL)
            for (int j = 0; j < 4; j++) {
                vreal x = v_load(g + k + j * VL);
                s[j] = v_fma(x, x, s[j]);
            }
        for (int64_t left; (left = i64_min(VL, stop - k)) > 0; k += VL) {
            vreal x = v_load_part(g + k, left);
            s[0] = v_fma(x, x, s[0]);
        }
        sum += (double)v_hsum((s[0] + s[1]) + (s[2] + s[3]));
    }
    c->partial[chunk] += sum;
}

static double sum_square(int64_t n, const int64_t *size, const real *const *g) {
    norm_ctx c = {.g = g};
    int64_t chunks = walk(n, size, 0.15, sum_square_range, &c);
    double sum = 0;
    for (int64_t i = 0; i < chunks; i++) sum += c.partial[i];
    return sum;
}

static void max_abs_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk) {
    norm_ctx *c = (norm_ctx *)ctx;
    const real *g = c->g[i];
    vreal most = v_zero(), nan = v_zero(); /* x - x is NaN where x is NaN or infinite */
    EACH_VECTOR(k, begin, end) {
        vreal x = LOAD(g, k);
        most = v_max(v_abs(x), most);
        nan += x - x;
    }
    double found = (double)v_hmax(most);
    if (v_hsum(nan) != 0)
        for (int64_t k = begin; k < end; k++)
            if (g[k] != g[k]) found = (double)g[k];
    double *slot = &c->partial[chunk];
    if (found != found || (found > *slot)) *slot = *slot != *slot ? *slot : found;
}

static double max_abs(int64_t n, const int64_t *size, const real *const *g) {
    norm_ctx c = {.g = g};
    int64_t chunks = walk(n, size, 0.15, max_abs_range, &c);
    double most = 0;
    for (int64_t i = 0; i < chunks; i++)
        if (c.partial[i] != c.partial[i] || c.partial[i] > most) most = most != most ? most : c.partial[i];
    return most;
}

typedef struct {
    real *const *x;
    const real *const *y;
    real a, b;
} map_ctx;

static void scale_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const map_ctx *c = ctx;
    real *x = c->x[i];
    const vreal factor = v_set1(c->a);
    EACH_VECTOR(k, begin, end) STORE(x, k, LOAD(x, k) * factor);
}

static void scale(int64_t n, const int64_t *size, real *const *g, double factor) {
    map_ctx c = {g, NULL, (real)factor, 0};
    walk(n, size, 0.25, scale_range, &c);
}

static void clamp_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const map_ctx *c = ctx;
    real *x = c->x[i];
    const vreal low = v_set1(c->a), high = v_set1(c->b);
    EACH_VECTOR(k, begin, end) STORE(x, k, v_min(high, v_max(low, LOAD(x, k)))); /* NaN stays */
}

static void clamp(int64_t n, const int64_t *size, real *const *g, double low, double high) {
    map_ctx c = {g, NULL, (real)low, (real)high};
    walk(n, size, 0.25, clamp_range, &c);
}

static void lerp_range(const void *ctx, int64_t i, int64_t begin, int64_t end, int64_t chunk CT_UNUSED) {
    const map_ctx *c = ctx;
    real *x = c->x[i];
    const real *y = c->y[i];
    EACH_VECTOR(k, begin, end) STORE(x, k, lerp(LOAD(x, k), LOAD(y, k), c->a));
}

static void lerp_all(int64_t n, const int64_t *size, real *const *average, const real *const *p, double weight) {
    map_ctx c = {average, p, (real)weight, 0};
    walk(n, size, 0.4, lerp_range, &c);
}

const ct_optim_api CT_NAME(ct_optim) = {sgd,      adam,       adamax,  nadam, radam, rmsprop, adagrad,
                                        adadelta, sum_square, max_abs, scale, clamp, lerp_all};

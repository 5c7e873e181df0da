/* random.c: random reals, and dropout. See random.h.
 *
 * A block of 16 counters gives 64 words: (4, 16).  A float takes one word, a double two, so a block fills 64 floats or
 * 32 doubles, in an order that is the same on every instruction set.
 */
#include "../include/random.h"

#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/strided.h"
#include "../include/vmath.h"

enum { LANES = PHILOX_LANES, ITEMS = CT_REAL_DOUBLE ? 32 : 64, MOST_CHUNKS = 64 };

typedef struct {
    real *out;
    uint8_t *bits; /* mask */
    const real *x; /* input of dropout, probabilities of bernoulli */
    dims xd;
    int64_t n, chunks;
    uint64_t seed, offset;
    real a, b;
    uint32_t threshold; /* of 2^32: a word below it is in the share p */
} job;

/* [0, 1) with 24 bits, or 53 */
CT_INLINE void block_uniform(real *u, uint64_t seed, uint64_t offset, uint64_t block) {
    uint32_t w[4][LANES];
    philox_block(w, seed, offset, block * LANES);
#if CT_REAL_DOUBLE
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < LANES; l++)
            u[h * LANES + l] = (double)(int64_t)(((uint64_t)w[2 * h][l] << 32 | w[2 * h + 1][l]) >> 11) * 0x1p-53;
#else
    for (int i = 0; i < 4; i++)
        for (int l = 0; l < LANES; l++) u[i * LANES + l] = (float)(int32_t)(w[i][l] >> 8) * 0x1p-24f;
#endif
}

/* Two normal numbers from two uniform ones (Box and Muller 1958):
 *   r = sqrt(-2 log u), (r cos 2 pi v, r sin 2 pi v), u in (0, 1] with 32 or 53 bits */
CT_INLINE void block_normal(real *z, uint64_t seed, uint64_t offset, uint64_t block) {
    uint32_t w[4][LANES];
    real u[ITEMS / 2], v[ITEMS / 2];
    philox_block(w, seed, offset, block * LANES);
#if CT_REAL_DOUBLE
    for (int l = 0; l < LANES; l++) {
        u[l] = (double)(int64_t)((((uint64_t)w[0][l] << 32 | w[1][l]) >> 11) + 1) * 0x1p-53;
        v[l] = (double)(int64_t)(((uint64_t)w[2][l] << 32 | w[3][l]) >> 11) * 0x1p-53;
    }
#else
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < LANES; l++) {
            u[h * LANES + l] =
                (float)(int32_t)(w[2 * h][l] >> 8) * 0x1p-24f + (float)(int32_t)((w[2 * h][l] & 255) + 1) * 0x1p-32f;
            v[h * LANES + l] = (float)(int32_t)(w[2 * h + 1][l] >> 8) * 0x1p-24f;
        }
#endif
    for (int k = 0; k < ITEMS / 2; k += VL) {
        vint quarter;
        const vreal r = v_sqrt(V(-2.0) * v_log(v_load(u + k)));
        const vreal turn = v_load(v + k), q = v_nearest(turn * V(4.0), &quarter);
        const vreal angle = (turn - q * V(0.25)) * V(6.28318530717958647692);
        const vreal s = v_sin_part(angle), c = v_cos_part(angle);
        /* quarters turned: cos -> -sin -> -cos -> sin */
        const vmask odd = (vmask)((quarter & 1) != 0);
        const vreal cosine = v_blend(odd, s, c), sine = v_blend(odd, c, s);
        const vint cos_sign = (quarter + 1) & 2, sin_sign = quarter & 2;
        v_store(z + k, r * v_blend((vmask)(cos_sign != 0), -cosine, cosine));
        v_store(z + ITEMS / 2 + k, r * v_blend((vmask)(sin_sign != 0), -sine, sine));
    }
}

enum kind { UNIFORM, NORMAL, EXPONENTIAL };

CT_INLINE void fill(int kind, const job *j, int64_t chunk) {
    par_range range = par_chunk(j->n, j->chunks, chunk, ITEMS);
    const vreal a = v_set1(j->a), b = v_set1(j->b);
    real block[ITEMS];
    for (int64_t i = range.begin; i < range.end; i += ITEMS) {
        if (kind == NORMAL) block_normal(block, j->seed, j->offset, (uint64_t)i / ITEMS);
        else block_uniform(block, j->seed, j->offset, (uint64_t)i / ITEMS);
        for (int k = 0; k < ITEMS; k += VL) {
            vreal u = v_load(block + k);
            if (kind == EXPONENTIAL) u = -v_log(V(1.0) - u);
            u = v_fma(u, b, a);
            if (i + k + VL <= range.end) v_store(j->out + i + k, u);
            else if (i + k < range.end) v_store_part(j->out + i + k, u, range.end - i - k);
        }
    }
}
static void uniform_body(void *j, int64_t chunk) { fill(UNIFORM, j, chunk); }
static void normal_body(void *j, int64_t chunk) { fill(NORMAL, j, chunk); }
static void exponential_body(void *j, int64_t chunk) { fill(EXPONENTIAL, j, chunk); }

static void launch(job *j, const ct_call *call, par_body body, double cost) {
    j->n = call->out[0]->size, j->seed = (uint64_t)call->ints[0], j->offset = (uint64_t)call->ints[1];
    j->out = call->out[0]->data;
    j->chunks = par_count(j->n, cost, MOST_CHUNKS);
    if (j->chunks == 1) body(j, 0);
    else par_for(j->chunks, body, j);
}

/* ints: seed, offset.  reals: low, high.  out: y uniform in [low, high) */
static void random_uniform(const ct_call *call) {
    job j = {.a = (real)call->reals[0], .b = (real)(call->reals[1] - call->reals[0])};
    launch(&j, call, uniform_body, 0.6);
}
/* reals: mean, standard deviation */
static void random_normal(const ct_call *call) {
    job j = {.a = (real)call->reals[0], .b = (real)call->reals[1]};
    launch(&j, call, normal_body, 1.2);
}
/* reals: rate */
static void random_exponential(const ct_call *call) {
    job j = {.a = 0, .b = (real)(1 / call->reals[0])};
    launch(&j, call, exponential_body, 1.2);
}

/* ---- dropout and Bernoulli: one word for each element, of float and of double ------------------------------------ */

enum { WORDS = 4 * LANES };

static uint32_t share(double p) { return p >= 1 ? UINT32_MAX : (uint32_t)(p * 4294967296.0); }

static void dropout_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    par_range range = par_chunk(j->n, j->chunks, chunk, WORDS);
    real buffer[WORDS];
    union {
        uint32_t w[4][LANES];
        uint32_t flat[WORDS];
    } block;
    const uint32_t threshold = j->threshold;
    const real scale = j->b;
    for (int64_t i = range.begin; i < range.end; i += WORDS) {
        const int64_t n = i64_min(WORDS, range.end - i);
        philox_block(block.w, j->seed, j->offset, (uint64_t)i / 4);
        const real *x = block_of(j->x, &j->xd, i, n, buffer);
        if (n == WORDS) {
            for (int k = 0; k < WORDS; k++) j->out[i + k] = block.flat[k] >= threshold ? x[k] * scale : 0;
            for (int k = 0; k < WORDS; k++) j->bits[i + k] = block.flat[k] >= threshold;
        } else {
            for (int64_t k = 0; k < n; k++) {
                j->out[i + k] = block.flat[k] >= threshold ? x[k] * scale : 0;
                j->bits[i + k] = block.flat[k] >= threshold;
            }
        }
    }
}

/* ints: seed, offset.  reals: p.  in: x.  out: y = x / (1 - p) where the mask is 1, else 0; mask (uint8 or bool)
 * Srivastava et al. 2014. */
static void dropout(const ct_call *call) {
    const double p = call->reals[0];
    job j = {.x = call->in[0]->data, .bits = call->out[1]->data, .b = (real)(p < 1 ? 1 / (1 - p) : 0)};
    dims_of(&j.xd, call->in[0]);
    j.threshold = share(p);
    launch(&j, call, dropout_body, 0.6);
}

typedef struct {
    const real *g;
    const uint8_t *mask;
    real *dx;
    real scale;
    int64_t n, chunks;
    dims gd;
} grad_job;
static void dropout_grad_body(void *ctx, int64_t chunk) {
    const grad_job *j = ctx;
    par_range r = par_chunk(j->n, j->chunks, chunk, WORDS);
    real buffer[WORDS];
    for (int64_t i = r.begin; i < r.end; i += WORDS) {
        const int64_t n = i64_min(WORDS, r.end - i);
        const real *g = block_of(j->g, &j->gd, i, n, buffer);
        const uint8_t *mask = j->mask + i;
        real *dx = j->dx + i;
        for (int64_t k = 0; k < n; k++) dx[k] = mask[k] ? g[k] * j->scale : 0;
    }
}
/* reals: p.  in: g, mask (contiguous).  out: dx */
static void dropout_grad(const ct_call *call) {
    const double p = call->reals[0];
    grad_job j = {.g = call->in[0]->data, .mask = call->in[1]->data, .dx = call->out[0]->data};
    j.scale = (real)(p < 1 ? 1 / (1 - p) : 0);
    dims_of(&j.gd, call->in[0]);
    j.n = call->out[0]->size, j.chunks = par_count(j.n, 0.3, MOST_CHUNKS);
    if (j.chunks == 1) dropout_grad_body(&j, 0);
    else par_for(j.chunks, dropout_grad_body, &j);
}

static void bernoulli_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    par_range range = par_chunk(j->n, j->chunks, chunk, WORDS);
    real buffer[WORDS];
    uint32_t w[4][LANES];
    for (int64_t i = range.begin; i < range.end; i += WORDS) {
        const int64_t n = i64_min(WORDS, range.end - i);
        philox_block(w, j->seed, j->offset, (uint64_t)i / 4);
        const real *p = j->x ? block_of(j->x, &j->xd, i, n, buffer) : NULL;
        for (int64_t k = 0; k < n; k++) {
            const int one = (double)w[k / LANES][k % LANES] < (p ? (double)p[k] : (double)j->a) * 4294967296.0;
            if (j->bits) j->bits[i + k] = (uint8_t)one;
            else j->out[i + k] = (real)one;
        }
    }
}
/* ints: seed, offset.  reals: p.  in: probabilities, or NULL for p.  out: 0 or 1 (real, bool or uint8) */
static void random_bernoulli(const ct_call *call) {
    job j = {.a = (real)call->reals[0]};
    if (call->nin > 0 && call->in[0]) {
        j.x = call->in[0]->data;
        dims_of(&j.xd, call->in[0]);
    }
    if (call->out[0]->dtype == CT_BOOL || call->out[0]->dtype == CT_UINT8) j.bits = call->out[0]->data;
    launch(&j, call, bernoulli_body, 1);
}

static const ct_kernel rows[] = {
    {"random_uniform", random_uniform, NULL},
    {"random_normal", random_normal, NULL},
    {"random_exponential", random_exponential, NULL},
    {"random_bernoulli", random_bernoulli, NULL},
    {"dropout", dropout, NULL},
    {"dropout_grad", dropout_grad, NULL},
};
CT_KERNELS(random, rows);

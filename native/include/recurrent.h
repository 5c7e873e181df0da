/* recurrent.h: what the forward and the backward of recurrent layers share.
 *
 * One layer in one direction over T steps.  Rows (step, sequence) are stored step by step, N in all; with
 * batch_sizes, step t has batch_sizes[t] sequences, in falling order of length, as in a packed sequence.
 */
#ifndef CORTEN_RECURRENT_H
#define CORTEN_RECURRENT_H

#include "kernel.h"
#include "par.h"
#include "tile.h"
#include "vmath.h"

enum rnn_mode { RNN_TANH, RNN_RELU, RNN_LSTM, RNN_GRU };

#define UNIT_CHUNKS 8 /* runs of neighbouring panels, so that threads seldom write to neighbouring lines */
#define PANEL 4       /* vectors side by side in a packed panel of weights */

typedef struct {
    int mode, reverse, relu;
    int64_t T, B, N, H, P; /* steps, sequences, rows, units, size of the state that recurs (H without projection) */
    int64_t G;             /* gates: 1, 3 or 4 */
    const int64_t *batch_sizes; /* (T) or NULL */
    int64_t *offset;            /* (T + 1) first row of each step */
    int64_t chunks;             /* rows are cut into this many independent chunks; 0: units are, step by step */
} rnn_sizes;

CT_INLINE int64_t rnn_rows(const rnn_sizes *s, int64_t t) {
    return t < 0 || t >= s->T ? 0 : s->batch_sizes ? s->batch_sizes[t] : s->B;
}
/* The t-th step in the order of processing. */
CT_INLINE int64_t rnn_step(const rnn_sizes *s, int64_t i) { return s->reverse ? s->T - 1 - i : i; }

static inline rnn_sizes rnn_size(const ct_array *rows, const ct_array *w_hh, const ct_array *h0,
                                 const ct_array *batch_sizes, int mode, int64_t H, int reverse) {
    rnn_sizes s = {.mode = mode, .H = H, .reverse = reverse};
    s.G = mode == RNN_LSTM ? 4 : mode == RNN_GRU ? 3 : 1;
    s.B = h0->shape[0], s.P = w_hh->shape[1];
    s.N = rows->shape[rows->ndim - 1] ? rows->size / rows->shape[rows->ndim - 1] : 0;
    s.T = batch_sizes ? batch_sizes->size : s.B ? s.N / s.B : 0;
    s.batch_sizes = batch_sizes ? batch_sizes->data : NULL;
    /* Sequences are cut among threads and each thread goes through all steps alone: in chunks of 32, which read the
     * weights at half the rate of chunks of 16.  Where the weights are large and the sequences few, units are cut
     * instead, and threads meet after each step. */
    const double weights = (double)(s.G * s.H * s.P * (int64_t)sizeof(real));
    const double product = 2.0 * (double)s.B * (double)(s.G * s.H * s.P) / 80, fetch = weights / 25;
    if (s.B >= 64 || weights <= 400e3 || (product > fetch ? product : fetch) < 8000) {
        const double work = product * (double)s.T;
        s.chunks = work < 4 * PAR_GRAIN ? 1 : i64_max(1, i64_min(16, s.B / (s.B >= 64 ? 32 : 16)));
        if (s.chunks > 1) s.chunks &= ~(int64_t)1;
    }
    return s;
}
static inline void rnn_offsets(rnn_sizes *s, int64_t *at) {
    s->offset = at;
    at[0] = 0;
    for (int64_t t = 0; t < s->T; t++) at[t + 1] = at[t] + rnn_rows(s, t);
}

typedef struct {
    const rnn_sizes *s;
    const void *args;
    void (*rows)(const void *args, int64_t i, int64_t phase, int64_t p0, int64_t p1, int64_t begin, int64_t end);
    int64_t panels[2]; /* of each phase; 0 where there is no second */
    int64_t i, phase;
} rnn_walk;

static void rnn_walk_rows(void *ctx, int64_t chunk) {
    const rnn_walk *w = ctx;
    const par_range r = par_chunk(w->s->B, w->s->chunks, chunk, 1);
    for (int64_t i = 0; i < w->s->T; i++)
        for (int64_t phase = 0; phase < 2; phase++) w->rows(w->args, i, phase, 0, w->panels[phase], r.begin, r.end);
}
static void rnn_walk_panels(void *ctx, int64_t chunk) {
    const rnn_walk *w = ctx;
    const par_range r = par_chunk(w->panels[w->phase], i64_min(w->panels[w->phase], UNIT_CHUNKS), chunk, 1);
    w->rows(w->args, w->i, w->phase, r.begin, r.end, 0, w->s->B);
}
/* Go through all steps in order; within a step and phase, panels and rows are independent. */
CT_UNUSED static void rnn_go(rnn_walk *w) {
    if (w->s->chunks) {
        par_for(w->s->chunks, rnn_walk_rows, w);
        return;
    }
    for (w->i = 0; w->i < w->s->T; w->i++)
        for (w->phase = 0; w->phase < 2; w->phase++)
            par_for(i64_min(w->panels[w->phase], UNIT_CHUNKS), rnn_walk_panels, w);
}

/* ---- activations of the cells: vmath's to about 2 units in the last place, without the ends of its range */

CT_INLINE vreal gate_sigmoid(vreal x) { /* 1 / (1 + e^-x) */
    vint n;
    x = v_max(V(LOWEST(-86.0, -700.0)), v_min(V(LOWEST(86.0, 700.0)), x)); /* NaN stays */
    const vreal k = v_nearest(x * V(-1.44269504088896340736), &n);
    const vreal r = v_fma(k, v_set1(-LN2_LO), v_fma(k, v_set1(-LN2_HI), -x));
    const vreal e = V(1.0) + v_fma(r * r, V_POLY(r, exp_q), r);
    return V(1.0) / v_fma(e, v_pow2(n), V(1.0));
}

#if CT_REAL_DOUBLE
CT_INLINE vreal gate_tanh(vreal x) { return v_tanh(x); }
#else
/* x p(x^2) / q(x^2), a minimax fit of tanh on [-7.9, 7.9], where it is 1 in float32; the coefficients are Eigen's. */
CT_INLINE vreal gate_tanh(vreal x) {
    static const real p[] = {4.89352455891786e-03f, 6.37261928875436e-04f,  1.48572235717979e-05f,
                             5.12229709037114e-08f, -8.60467152213735e-11f, 2.00018790482477e-13f,
                             -2.76076847742355e-16f};
    static const real q[] = {4.89352518554385e-03f, 2.26843463243900e-03f, 1.18534705686654e-04f,
                             1.19825839466702e-06f};
    x = v_max(V(-7.90531110763549805), v_min(V(7.90531110763549805), x));
    const vreal square = x * x;
    return x * V_POLY(square, p) / V_POLY(square, q);
}
#endif

/* Ask for what a coming step reads, or for where it writes: a few units of rows far apart, which no hardware foresees.
 */
#define LINE (64 / (int64_t)sizeof(real))
CT_INLINE void rnn_foresee(const real *row, int64_t parts, int64_t part, int64_t units, const int writes) {
    for (int64_t g = 0; g < parts; g++)
        for (int64_t u = 0; u < units; u += LINE) __builtin_prefetch(row + g * part + u, writes, 2);
}

#define RNN_ROWS 48 /* rows that one product takes at once: its result stays in the first cache */

#endif

/* rnn.c: recurrent layers, forward: Elman, LSTM (Hochreiter, Schmidhuber 1997; projection: Sak et al. 2014), GRU
 * (Cho et al. 2014), in PyTorch's formulas and gate order.
 *
 *   gx = x W_ih^T + b_ih is made beforehand, for all steps in one product.  Then, for each step,
 *   Elman  h' = act(gx + W_hh h + b_hh)
 *   LSTM   i, f, g, o = gx + W_hh h + b_hh;   c' = sig(f) c + sig(i) tanh(g);   h' = [W_hr] sig(o) tanh(c')
 *   GRU    r, z = sig(gx + W_hh h + b_hh);   n = tanh(gx_n + r (W_hn h + b_hn));   h' = n + z (h - n)
 *
 * W_hh is packed once: a panel holds the rows of all gates of VL units side by side, so that after the product of a
 * panel with the states, everything that those units need is in cache and the cell follows at once.
 */
#include "../include/recurrent.h"
#include "../include/transpose.h"

typedef struct {
    rnn_sizes s;
    real *y, *hT, *cT;        /* (N, P), (B, P), (B, H) */
    real *gates, *cells;      /* (N, 4 H), (N, H): kept for backward, or NULL; then cT holds the cells of the moment */
    const real *gx, *b_hh;    /* (N, G H), (G H) or NULL */
    const real *w_hh, *w_hr;  /* (G H, P), (P, H) or NULL */
    const real *h0, *c0;      /* (B, P), (B, H) */
    real *packed, *packed_hr; /* panels */
    real *full;               /* (B, H) states before projection */
    int64_t panels, vectors;  /* panels of W_hh; vectors in each */
} rnn_args;

/* Units at .. at + VL of a (units, K) matrix, turned into columns `width` apart; missing ones are zero. */
static void pack_units(real *to, int64_t width, const real *from, int64_t at, int64_t units, int64_t K) {
    const int64_t n = i64_min(VL, units - at);
    if (n > 0) transpose_rows(to, width, from + at * K, K, 1, n, K, 1);
    else
        for (int64_t k = 0; k < K; k++) v_store(to + k * width, v_zero());
}
static void pack_panel(void *ctx, int64_t panel) {
    const rnn_args *a = ctx;
    const int64_t H = a->s.H, P = a->s.P, width = a->vectors * VL;
    real *to = a->packed + panel * P * width;
    for (int64_t v = 0; v < a->vectors; v++) {
        const int64_t unit = a->s.G == 1 ? (panel * a->vectors + v) * VL : panel * VL;
        pack_units(to + v * VL, width, a->w_hh + (a->s.G == 1 ? 0 : v * H * P), unit, H, P);
    }
}
static void pack_projection(void *ctx, int64_t panel) {
    const rnn_args *a = ctx;
    const int64_t H = a->s.H, width = PANEL * VL;
    for (int64_t v = 0; v < PANEL; v++)
        pack_units(a->packed_hr + panel * H * width + v * VL, width, a->w_hr, (panel * PANEL + v) * VL, a->s.P, H);
}

/* The state before step i of rows begin ... end: those that were active in the step before, and those that start. */
CT_INLINE const real *state_before(const rnn_args *a, int64_t i, int64_t b, int64_t *until) {
    const int64_t before = i ? rnn_step(&a->s, i - 1) : -1, active = rnn_rows(&a->s, before);
    if (b < active) {
        *until = active;
        return a->y + a->s.offset[before] * a->s.P;
    }
    *until = a->s.B;
    return a->h0;
}

CT_INLINE vreal load_n(const real *p, int64_t n) { return n == VL ? v_load(p) : v_load_part(p, n); }
CT_INLINE void store_n(real *p, vreal v, int64_t n) {
    if (n == VL) v_store(p, v);
    else v_store_part(p, v, n);
}

/* What the input and the biases give to lane u and the next of part v; the product is added to it here and not started
 * from it, so that the loads, from rows far apart, hide behind the elementary functions. */
CT_INLINE vreal given(const rnn_args *a, int64_t row, int64_t v, int64_t u, int64_t n) {
    const int64_t H = a->s.H;
    const vreal x = load_n(a->gx + row * a->s.G * H + v * H + u, n);
    return a->b_hh ? x + load_n(a->b_hh + v * H + u, n) : x;
}

/* Cells of rows row ... row + rows, in two passes: a chain of two elementary functions is longer than what a core looks
 * ahead, one of each row is not.  The second pass finds what it needs in `pre`, over the product. */
CT_INLINE void lstm_cells(const rnn_args *a, int64_t row, int64_t rows, real *pre, const real *c_before, real *c_after,
                          real *h, int64_t u, int64_t n) {
    const int64_t H = a->s.H;
    real *p = pre;
    for (int64_t r = 0; r < rows; r++, p += 4 * VL) {
        const vreal i = gate_sigmoid(v_load(p) + given(a, row + r, 0, u, n)),
                    f = gate_sigmoid(v_load(p + VL) + given(a, row + r, 1, u, n)),
                    g = gate_tanh(v_load(p + 2 * VL) + given(a, row + r, 2, u, n)),
                    o = gate_sigmoid(v_load(p + 3 * VL) + given(a, row + r, 3, u, n));
        const vreal c = v_fma(f, load_n(c_before + r * H + u, n), i * g);
        store_n(c_after + r * H + u, c, n);
        v_store(p, c), v_store(p + VL, o);
        if (!a->gates) continue;
        real *gates = a->gates + (row + r) * 4 * H + u;
        store_n(gates, i, n), store_n(gates + H, f, n), store_n(gates + 2 * H, g, n), store_n(gates + 3 * H, o, n);
    }
    for (int64_t r = 0; r < rows; r++, pre += 4 * VL)
        store_n(h + r * H + u, v_load(pre + VL) * gate_tanh(v_load(pre)), n);
}

CT_INLINE void gru_cells(const rnn_args *a, int64_t row, int64_t rows, real *pre, const real *h_before, real *h,
                         int64_t u, int64_t n) {
    const int64_t H = a->s.H;
    real *p = pre;
    for (int64_t k = row; k < row + rows; k++, p += 3 * VL) {
        const vreal r = gate_sigmoid(v_load(p) + given(a, k, 0, u, n)),
                    z = gate_sigmoid(v_load(p + VL) + given(a, k, 1, u, n));
        const vreal hn = a->b_hh ? v_load(p + 2 * VL) + load_n(a->b_hh + 2 * H + u, n) : v_load(p + 2 * VL);
        v_store(p, v_fma(r, hn, load_n(a->gx + k * 3 * H + 2 * H + u, n))), v_store(p + VL, z);
        if (!a->gates) continue;
        real *gates = a->gates + k * 4 * H + u;
        store_n(gates, r, n), store_n(gates + H, z, n), store_n(gates + 3 * H, hn, n);
    }
    for (int64_t k = 0; k < rows; k++, pre += 3 * VL) {
        const vreal new = gate_tanh(v_load(pre)), z = v_load(pre + VL);
        store_n(h + k * H + u, v_fma(z, load_n(h_before + k * H + u, n) - new, new), n);
        if (a->gates) store_n(a->gates + (row + k) * 4 * H + 2 * H + u, new, n);
    }
}

CT_INLINE void elman_cells(const rnn_args *a, int64_t row, int64_t rows, const real *pre, real *h, int64_t panel) {
    const int64_t H = a->s.H, first = panel * a->vectors * VL;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t v = 0; v < a->vectors && first + v * VL < H; v++) {
            const int64_t u = first + v * VL, n = i64_min(VL, H - u);
            const vreal x = v_load(pre + (r * a->vectors + v) * VL) + given(a, row + r, 0, u, n);
            store_n(h + r * H + u, a->s.mode == RNN_RELU ? v_max(v_zero(), x) : gate_tanh(x), n);
        }
}

/* What the panels of the line after this one will want. No earlier: large weights pass through the second cache at
 * every step and take along what was fetched for the next one. */
static void foresee(const rnn_args *a, int64_t i, int64_t panel, int64_t begin, int64_t end) {
    const rnn_sizes *s = &a->s;
    const int64_t units = s->G == 1 ? a->vectors * VL : VL, H = s->H;
    panel += i64_max(1, LINE / units);
    if (panel >= a->panels) i++, panel -= a->panels;
    const int64_t u = panel * units;
    if (i >= s->T || u * (int64_t)sizeof(real) % 64 || u >= H) return;
    const int64_t t = rnn_step(s, i), n = i64_min(i64_max(units, LINE), H - u);
    for (int64_t row = s->offset[t] + begin; row < s->offset[t] + i64_min(end, rnn_rows(s, t)); row++) {
        rnn_foresee(a->gx + row * s->G * H + u, s->G, H, n, 0);
        if (a->gates) rnn_foresee(a->gates + row * 4 * H + u, 4, H, n, 1);
        if (a->cells) rnn_foresee(a->cells + row * H + u, 1, H, n, 1);
        if (!a->w_hr) rnn_foresee(a->y + row * H + u, 1, H, n, 1);
    }
}

/* The projection of rows [begin, end) of step t: h' = W_hr full, panels [p0, p1) */
static void project_rows(const rnn_args *a, int64_t t, int64_t p0, int64_t p1, int64_t begin, int64_t end) {
    const int64_t H = a->s.H, P = a->s.P, first = a->s.offset[t];
    real out[RNN_ROWS * PANEL * VBYTES / sizeof(real)] __attribute__((aligned(64)));
    for (int64_t panel = p0; panel < p1; panel++)
        for (int64_t b = begin; b < end; b += RNN_ROWS) {
            const int64_t rows = i64_min(RNN_ROWS, end - b), p = panel * PANEL * VL;
            const tile_args product = {a->full + b * H, H, 1, a->packed_hr + p * H, PANEL * VL, out, PANEL * VL, 0};
            tile_product(rows, PANEL, H, &product);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t v = 0; v < PANEL && p + v * VL < P; v++)
                    store_n(a->y + (first + b + r) * P + p + v * VL, v_load(out + (r * PANEL + v) * VL),
                            i64_min(VL, P - p - v * VL));
        }
}

/* Panels [p0, p1) of units of rows [begin, end) in the i-th step; of few rows some panels at a time, so that there are
 * cells enough to overlap. */
static void forward_rows(const void *args, int64_t i, int64_t phase, int64_t p0, int64_t p1, int64_t begin,
                         int64_t end) {
    const rnn_args *a = args;
    const rnn_sizes *s = &a->s;
    const int64_t t = rnn_step(s, i), H = s->H, P = s->P, first = s->offset[t], width = a->vectors * VL;
    end = i64_min(end, rnn_rows(s, t));
    if (begin >= end) return;
    if (phase == 1) {
        project_rows(a, t, p0, p1, begin, end);
        return;
    }
    real pre[RNN_ROWS * PANEL * VBYTES / sizeof(real)] __attribute__((aligned(64)));
    const int64_t together = i64_max(1, RNN_ROWS / (end - begin));
    for (int64_t p = p0; p < p1; p += together) {
        const int64_t panels = i64_min(together, p1 - p);
        for (int64_t k = p; k < p + panels; k++) foresee(a, i, k, begin, end);
        for (int64_t b = begin, until; b < end; b = until) {
            const real *before = state_before(a, i, b, &until);
            const real *c_before = !a->cells         ? a->cT
                                   : before == a->h0 ? a->c0
                                                     : a->cells + s->offset[rnn_step(s, i - 1)] * H;
            until = i64_min(i64_min(until, end), b + RNN_ROWS);
            const int64_t rows = until - b, row = first + b;
            for (int64_t k = 0; k < panels; k++) {
                const tile_args product = {before + b * P,         P,     1, a->packed + (p + k) * P * width, width,
                                           pre + k * rows * width, width, 0};
                tile_product(rows, a->vectors, P, &product);
            }
            for (int64_t k = 0; k < panels; k++) {
                real *at = pre + k * rows * width;
                const int64_t u = (p + k) * VL, n = i64_min(VL, H - u);
                if (s->mode == RNN_LSTM) {
                    const real *c = c_before + b * H;
                    real *after = a->cells ? a->cells + row * H : a->cT + b * H;
                    real *h = a->w_hr ? a->full + b * H : a->y + row * H;
                    if (CT_LIKELY(n == VL)) lstm_cells(a, row, rows, at, c, after, h, u, VL);
                    else lstm_cells(a, row, rows, at, c, after, h, u, n);
                } else if (s->mode == RNN_GRU) {
                    const real *h = before + b * H;
                    if (CT_LIKELY(n == VL)) gru_cells(a, row, rows, at, h, a->y + row * H, u, VL);
                    else gru_cells(a, row, rows, at, h, a->y + row * H, u, n);
                } else elman_cells(a, row, rows, at, a->y + row * H, p + k);
            }
        }
    }
}

/* ---- adapters */

static void *data(const ct_array *x) { return x ? x->data : NULL; }

static void lay_out(rnn_args *a, const ct_array *w_hr) {
    a->vectors = a->s.G == 1 ? PANEL : a->s.G;
    a->panels = a->s.G == 1 ? ceil_div(a->s.H, PANEL * VL) : ceil_div(a->s.H, VL);
    a->w_hr = data(w_hr);
}
static int64_t bytes_of(const rnn_args *a, int projected) {
    int64_t reals = a->panels * a->s.P * a->vectors * VL + 16;
    if (projected) reals += round_up(a->s.P, PANEL * VL) * a->s.H + a->s.B * a->s.H + 16;
    return round_up(reals * (int64_t)sizeof(real), 64) + (a->s.T + 1) * (int64_t)sizeof(int64_t);
}
static void forward(rnn_args *a, void *work) {
    rnn_sizes *s = &a->s;
    rnn_offsets(s, work);
    real *at = (real *)((char *)work + round_up((s->T + 1) * (int64_t)sizeof(int64_t), 64));
    a->packed = at, at += a->panels * s->P * a->vectors * VL;
    const int64_t projections = a->w_hr ? ceil_div(s->P, PANEL * VL) : 0;
    a->packed_hr = at, at += projections * PANEL * VL * s->H;
    a->full = at;
    if (a->cT && !a->cells) __builtin_memcpy(a->cT, a->c0, (size_t)(s->B * s->H) * sizeof(real));
    if (s->N) {
        if ((double)s->G * (double)s->H * (double)s->P < 2 * PAR_GRAIN)
            for (int64_t p = 0; p < a->panels; p++) pack_panel(a, p);
        else par_for(a->panels, pack_panel, a);
        if (a->w_hr) par_for(projections, pack_projection, a);
        rnn_walk walk = {.s = s, .args = a, .rows = forward_rows, .panels = {a->panels, projections}};
        rnn_go(&walk);
    }
    for (int64_t b = 0; b < s->B; b++) { /* the state after each sequence's last step */
        int64_t last = s->reverse ? 0 : s->T - 1;
        while (last >= 0 && rnn_rows(s, last) <= b) last--;
        const real *h = s->T == 0 || last < 0 ? a->h0 + b * s->P : a->y + (s->offset[last] + b) * s->P;
        for (int64_t k = 0; k < s->P; k++) a->hT[b * s->P + k] = h[k];
        if (!a->cT || !a->cells) continue;
        const real *c = s->T == 0 || last < 0 ? a->c0 + b * s->H : a->cells + (s->offset[last] + b) * s->H;
        for (int64_t k = 0; k < s->H; k++) a->cT[b * s->H + k] = c[k];
    }
}

/* (gx, w_hh, b_hh?, w_hr?, h0, c0, batch_sizes?; reverse, keep) -> y, hT, cT, gates, cells; the last two empty unless
 * kept
 */
static rnn_args lstm_args(const ct_call *call) {
    rnn_args a = {.s = rnn_size(call->in[0], call->in[1], call->in[4], call->in[6], RNN_LSTM, call->in[5]->shape[1],
                                (int)call->ints[0])};
    lay_out(&a, call->in[3]);
    return a;
}
static int64_t lstm_work(const ct_call *call) {
    rnn_args a = lstm_args(call);
    return bytes_of(&a, call->in[3] != NULL) + 128;
}
static void lstm(const ct_call *call) {
    rnn_args a = lstm_args(call);
    a.gx = data(call->in[0]), a.w_hh = data(call->in[1]), a.b_hh = data(call->in[2]);
    a.h0 = data(call->in[4]), a.c0 = data(call->in[5]);
    a.y = data(call->out[0]), a.hT = data(call->out[1]), a.cT = data(call->out[2]);
    if (call->ints[1]) a.gates = data(call->out[3]), a.cells = data(call->out[4]);
    forward(&a, call->work);
}

/* (gx, w_hh, b_hh?, h0, batch_sizes?; reverse, keep) -> y, hT, gates;  Elman: (...; reverse, relu) -> y, hT */
static rnn_args simple_args(const ct_call *call, int mode) {
    rnn_args a = {.s = rnn_size(call->in[0], call->in[1], call->in[3], call->in[4], mode, call->in[3]->shape[1],
                                (int)call->ints[0])};
    lay_out(&a, NULL);
    return a;
}
static void simple(const ct_call *call, int mode) {
    rnn_args a = simple_args(call, mode);
    a.gx = data(call->in[0]), a.w_hh = data(call->in[1]), a.b_hh = data(call->in[2]), a.h0 = data(call->in[3]);
    a.y = data(call->out[0]), a.hT = data(call->out[1]);
    if (mode == RNN_GRU && call->ints[1]) a.gates = data(call->out[2]);
    forward(&a, call->work);
}
static int64_t gru_work(const ct_call *call) {
    rnn_args a = simple_args(call, RNN_GRU);
    return bytes_of(&a, 0) + 128;
}
static void gru(const ct_call *call) { simple(call, RNN_GRU); }
static int64_t rnn_work(const ct_call *call) {
    rnn_args a = simple_args(call, RNN_TANH);
    return bytes_of(&a, 0) + 128;
}
static void rnn(const ct_call *call) { simple(call, call->ints[1] ? RNN_RELU : RNN_TANH); }

static const ct_kernel rows[] = {{"lstm", lstm, lstm_work}, {"gru", gru, gru_work}, {"rnn", rnn, rnn_work}};
CT_KERNELS(rnn, rows);

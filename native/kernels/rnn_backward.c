/* rnn_backward.c: recurrent layers, backward through time. The forward and its formulas are in rnn.c.
 *
 * Steps go in the opposite order.  The gradient of a state is the output's gradient plus what the later step sends
 * back, d = gy + dG W_hh with dG the gradient of that step's gates before their activations; it is made panel by panel
 * of state units, and the cell's own gradient follows at once.  The weight gradients are one product over all rows:
 * dW_hh = dG^T H_before.
 */
#include "../include/gemm.h"
#include "../include/recurrent.h"

typedef struct {
    rnn_sizes s;
    real *dgx;                     /* (N, G H) */
    real *dw_hh, *db_hh, *dw_hr;   /* (G H, P), (G H), (P, H) */
    real *dh0, *dc0;               /* (B, P), (B, H) */
    const real *gy, *ghT, *gcT;    /* (N, P), (B, P), (B, H) */
    const real *w_hh, *w_hr;       /* (G H, P), (P, H) or NULL */
    const real *gates, *cells, *y; /* (N, 4 H), (N, H), (N, P) */
    const real *h0, *c0;
    real *packed, *packed_hr; /* W_hh (G H, P), W_hr (P, H) in panels of PANEL VL columns */
    real *carry;              /* (B, H) gradient of the cell (LSTM), or of the state past the gates (GRU) */
    real *dhn;                /* (N, H) GRU: gradient of W_hn h + b_hn */
    real *dp, *full;          /* (N, P), (N, H): gradient of the projected state; the state before projection */
    real *before;             /* (N, P) state before each row's step */
    void *gemm_work;
    int64_t panels;
} back_args;

static void pack_columns(real *to, const real *from, int64_t K, int64_t N, int64_t panel) {
    const int64_t width = PANEL * VL, at = panel * width, n = i64_min(width, N - at);
    to += panel * K * width;
    for (int64_t k = 0; k < K; k++) {
        int64_t j = 0;
        for (; j < n; j++) to[k * width + j] = from[k * N + at + j];
        for (; j < width; j++) to[k * width + j] = 0;
    }
}
static void pack_hh(void *ctx, int64_t panel) {
    const back_args *a = ctx;
    pack_columns(a->packed, a->w_hh, a->s.G * a->s.H, a->s.P, panel);
}
static void pack_hr(void *ctx, int64_t panel) {
    const back_args *a = ctx;
    pack_columns(a->packed_hr, a->w_hr, a->s.P, a->s.H, panel);
}

CT_INLINE vreal load_n(const real *p, int64_t n) { return n == VL ? v_load(p) : v_load_part(p, n); }
CT_INLINE void store_n(real *p, vreal v, int64_t n) {
    if (n == VL) v_store(p, v);
    else v_store_part(p, v, n);
}

/* out (rows, panel) = dG W_hh of rows that start at `row`; a GRU's third gate has its own gradient on this path */
static void sent_back(const back_args *a, real *out, int64_t row, int64_t rows, int64_t panel) {
    const int64_t H = a->s.H, G = a->s.G, width = PANEL * VL;
    const real *weights = a->packed + panel * G * H * width;
    const int64_t shared = a->s.mode == RNN_GRU ? 2 * H : G * H;
    const tile_args gates = {a->dgx + row * G * H, G * H, 1, weights, width, out, width, 0};
    tile_product(rows, PANEL, shared, &gates);
    if (a->s.mode != RNN_GRU) return;
    const tile_args candidate = {a->dhn + row * H, H, 1, weights + 2 * H * width, width, out, width, 1};
    tile_product(rows, PANEL, H, &candidate);
}

/* With c = f c_before + i g, h = o tanh(c), d the gradient of h: */
static void lstm_cell_backward(const back_args *a, int64_t row, int64_t b, const real *c_before, vreal d, vreal dc,
                               int64_t u, int64_t n) {
    const int64_t H = a->s.H;
    const real *gates = a->gates + row * 4 * H + u;
    const vreal one = v_set1(1), i = load_n(gates, n), f = load_n(gates + H, n), g = load_n(gates + 2 * H, n),
                o = load_n(gates + 3 * H, n), c = load_n(a->full + row * H + u, n); /* tanh of the cell */
    dc += d * o * (one - c * c);
    real *out = a->dgx + row * 4 * H + u;
    store_n(out, dc * g * i * (one - i), n);
    store_n(out + H, dc * load_n(c_before + u, n) * f * (one - f), n);
    store_n(out + 2 * H, dc * i * (one - g * g), n);
    store_n(out + 3 * H, d * c * o * (one - o), n);
    store_n(a->carry + b * H + u, dc * f, n);
}

static void gru_cell_backward(const back_args *a, int64_t row, int64_t b, const real *h_before, vreal d, int64_t u,
                              int64_t n) {
    const int64_t H = a->s.H;
    const real *gates = a->gates + row * 4 * H + u;
    const vreal one = v_set1(1), r = load_n(gates, n), z = load_n(gates + H, n), new = load_n(gates + 2 * H, n),
                hn = load_n(gates + 3 * H, n);
    const vreal dn = d * (one - z) * (one - new * new);
    real *out = a->dgx + row * 3 * H + u;
    store_n(out, dn * hn * r * (one - r), n);
    store_n(out + H, d * (load_n(h_before + u, n) - new) * z * (one - z), n);
    store_n(out + 2 * H, dn, n);
    store_n(a->dhn + row * H + u, dn * r, n);
    store_n(a->carry + b * H + u, d * z, n);
}

/* What the next panel will want, in this step or in the one that follows, which is earlier in time. */
static void foresee(const back_args *a, int64_t step, int64_t panel, int64_t begin, int64_t end) {
    const rnn_sizes *s = &a->s;
    if (++panel == a->panels) step--, panel = 0;
    const int64_t u = panel * PANEL * VL, H = s->H;
    if (step < 0 || u >= H) return;
    const int64_t t = rnn_step(s, step), n = i64_min(PANEL * VL, H - u);
    for (int64_t row = s->offset[t] + begin; row < s->offset[t] + i64_min(end, rnn_rows(s, t)); row++) {
        if (a->gates) rnn_foresee(a->gates + row * 4 * H + u, 4, H, n, 0);
        if (a->full) rnn_foresee(a->full + row * H + u, 1, H, n, 0);
        if (u < s->P) rnn_foresee(a->gy + row * s->P + u, 1, s->P, i64_min(n, s->P - u), 0);
        rnn_foresee(a->dgx + row * s->G * H + u, s->G, H, n, 1);
    }
}

/* Steps come last first. Phase 0: the gradient of the state and, without projection, of the cell; phase 1: through
 * the projection and the cell. */
static void backward_panel(const back_args *a, int64_t i, int64_t phase, int64_t panel, int64_t begin, int64_t end) {
    const rnn_sizes *s = &a->s;
    const int64_t step = s->T - 1 - i, t = rnn_step(s, step), H = s->H, P = s->P, width = PANEL * VL;
    const int64_t later = step + 1 < s->T ? rnn_step(s, step + 1) : -1, active = rnn_rows(s, later);
    const int64_t first = s->offset[t], at = panel * width;
    const int projected = a->w_hr != NULL;
    end = i64_min(end, rnn_rows(s, t));
    if (phase == 0) foresee(a, step, panel, begin, end);
    real d[RNN_ROWS * PANEL * VBYTES / sizeof(real)] __attribute__((aligned(64)));
    for (int64_t b = begin, until; b < end; b = until) {
        until = b < active ? i64_min(active, end) : end;
        until = i64_min(until, b + RNN_ROWS);
        const int64_t rows = until - b;
        const int goes_on = b < active; /* these sequences have a later step */
        if (phase == 1) {
            const tile_args product = {
                a->dp + (first + b) * P, P, 1, a->packed_hr + panel * P * width, width, d, width, 0};
            tile_product(rows, PANEL, P, &product);
        } else if (goes_on) sent_back(a, d, s->offset[later] + b, rows, panel);
        for (int64_t r = 0; r < rows; r++) {
            const int64_t row = first + b + r, seq = b + r;
            const int64_t units = phase == 0 ? P : H;
            for (int64_t v = 0; v < PANEL && at + v * VL < units; v++) {
                const int64_t u = at + v * VL, n = i64_min(VL, units - u);
                vreal dh = v_load(d + r * width + v * VL);
                if (phase == 0) {
                    dh = load_n(a->gy + row * P + u, n) + (goes_on ? dh : load_n(a->ghT + seq * P + u, n));
                    if (projected) {
                        store_n(a->dp + row * P + u, dh, n);
                        continue;
                    }
                }
                const int starts = seq >= rnn_rows(s, step ? rnn_step(s, step - 1) : -1);
                const int64_t earlier = starts ? 0 : s->offset[rnn_step(s, step - 1)] + seq;
                if (s->mode == RNN_LSTM) {
                    const vreal dc = goes_on ? load_n(a->carry + seq * H + u, n) : load_n(a->gcT + seq * H + u, n);
                    lstm_cell_backward(a, row, seq, starts ? a->c0 + seq * H : a->cells + earlier * H, dh, dc, u, n);
                } else if (s->mode == RNN_GRU) {
                    if (goes_on) dh += load_n(a->carry + seq * H + u, n);
                    gru_cell_backward(a, row, seq, starts ? a->h0 + seq * P : a->y + earlier * P, dh, u, n);
                } else {
                    const vreal y = load_n(a->y + row * P + u, n);
                    store_n(a->dgx + row * H + u, s->relu ? v_and(y > v_zero(), dh) : dh * (v_set1(1) - y * y), n);
                }
            }
        }
    }
}

static void backward_rows(const void *args, int64_t i, int64_t phase, int64_t p0, int64_t p1, int64_t begin,
                          int64_t end) {
    for (int64_t p = p0; p < p1; p++) backward_panel(args, i, phase, p, begin, end);
}

/* The gradient of the first state of each sequence. */
static void backward_start(void *ctx, int64_t panel) {
    const back_args *a = ctx;
    const rnn_sizes *s = &a->s;
    const int64_t P = s->P, width = PANEL * VL;
    real d[RNN_ROWS * PANEL * VBYTES / sizeof(real)] __attribute__((aligned(64)));
    for (int64_t i = 0; i < s->T; i++) {
        const int64_t t = rnn_step(s, i), old = i ? rnn_rows(s, rnn_step(s, i - 1)) : 0;
        for (int64_t b = i64_min(old, rnn_rows(s, t)); b < rnn_rows(s, t); b += RNN_ROWS) {
            const int64_t rows = i64_min(RNN_ROWS, rnn_rows(s, t) - b);
            sent_back(a, d, s->offset[t] + b, rows, panel);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t j = 0; j < i64_min(width, P - panel * width); j++) {
                    const int64_t at = (b + r) * P + panel * width + j;
                    a->dh0[at] = d[r * width + j] + (s->mode == RNN_GRU ? a->carry[at] : 0);
                }
        }
    }
}

#define SUM_ROWS 64
typedef struct {
    real *out;     /* (columns) */
    const real *x; /* (rows, columns) */
    int64_t rows, columns, stride;
} sum_args;
/* One panel of columns, rows in blocks of SUM_ROWS. */
static void sum_panel(void *ctx, int64_t panel) {
    const sum_args *a = ctx;
    for (int64_t j0 = panel * PANEL * VL, v = 0; v < PANEL && j0 + v * VL < a->columns; v++)
        store_n(a->out + j0 + v * VL, v_zero(), i64_min(VL, a->columns - j0 - v * VL));
    for (int64_t r0 = 0; r0 < a->rows; r0 += SUM_ROWS) {
        vreal sum[PANEL] = {{0}};
        const int64_t j0 = panel * PANEL * VL, end = i64_min(a->rows, r0 + SUM_ROWS);
        if (j0 + PANEL * VL <= a->columns)
            for (int64_t r = r0; r < end; r++)
                for (int v = 0; v < PANEL; v++) sum[v] += v_load(a->x + r * a->stride + j0 + v * VL);
        else
            for (int64_t r = r0; r < end; r++)
                for (int v = 0; v < PANEL && j0 + v * VL < a->columns; v++)
                    sum[v] += load_n(a->x + r * a->stride + j0 + v * VL, i64_min(VL, a->columns - j0 - v * VL));
        for (int v = 0; v < PANEL && j0 + v * VL < a->columns; v++) {
            const int64_t j = j0 + v * VL, n = i64_min(VL, a->columns - j);
            store_n(a->out + j, load_n(a->out + j, n) + sum[v], n);
        }
    }
}
static void column_sums(real *out, const real *x, int64_t rows, int64_t columns, int64_t stride) {
    sum_args a = {out, x, rows, columns, stride};
    const int64_t panels = ceil_div(columns, PANEL * VL);
    if ((double)rows * (double)columns < 4.0 * PAR_GRAIN)
        for (int64_t p = 0; p < panels; p++) sum_panel(&a, p);
    else par_for(panels, sum_panel, &a);
}

/* State before each row's step. */
static void gather_before(const back_args *a) {
    const rnn_sizes *s = &a->s;
    const int64_t P = s->P;
    for (int64_t i = 0; i < s->T; i++) {
        const int64_t t = rnn_step(s, i), earlier = i ? rnn_step(s, i - 1) : -1;
        const int64_t active = i64_min(rnn_rows(s, earlier), rnn_rows(s, t));
        real *to = a->before + s->offset[t] * P;
        if (active) __builtin_memcpy(to, a->y + s->offset[earlier] * P, (size_t)(active * P) * sizeof(real));
        const int64_t starts = rnn_rows(s, t) - active;
        if (starts) __builtin_memcpy(to + active * P, a->h0 + active * P, (size_t)(starts * P) * sizeof(real));
    }
}

/* ---- adapters */

#define GEMM CT_NAME(ct_gemm)

static void *data(const ct_array *x) { return x ? x->data : NULL; }

typedef struct {
    int64_t packed, packed_hr, carry, dhn, dp, full, before, gemm, offsets, total; /* where each begins, in bytes */
} layout;

static layout lay_out(const rnn_sizes *s, int projected) {
    const int64_t r = (int64_t)sizeof(real);
    layout l = {0};
    int64_t at = 0;
#define TAKE(field, bytes) l.field = at, at += round_up(bytes, 64)
    TAKE(offsets, (s->T + 1) * (int64_t)sizeof(int64_t));
    TAKE(packed, round_up(s->P, PANEL * VL) * s->G * s->H * r);
    TAKE(packed_hr, projected ? round_up(s->H, PANEL * VL) * s->P * r : 0);
    TAKE(carry, s->B * s->H * r);
    TAKE(dhn, s->mode == RNN_GRU ? s->N * s->H * r : 0);
    TAKE(dp, projected ? s->N * s->P * r : 0);
    TAKE(full, s->mode == RNN_LSTM ? s->N * s->H * r : 0);
    TAKE(before, s->N * s->P * r);
    int64_t work = GEMM.work(s->G * s->H, s->P, s->N);
    work = i64_max(work, GEMM.work(2 * s->H, s->P, s->N));
    work = i64_max(work, GEMM.work(s->H, s->P, s->N));
    if (projected) work = i64_max(work, GEMM.work(s->P, s->H, s->N));
    TAKE(gemm, work);
#undef TAKE
    l.total = at;
    return l;
}

static void tanh_of_cells(void *ctx, int64_t chunk) {
    const back_args *a = ctx;
    const int64_t H = a->s.H, chunks = par_count(a->s.N, 2.0 * (double)H, 64);
    const par_range r = par_chunk(a->s.N, chunks, chunk, 1);
    for (int64_t i = r.begin * H; i < r.end * H; i += VL) {
        const int64_t n = i64_min(VL, r.end * H - i);
        store_n(a->full + i, gate_tanh(load_n(a->cells + i, n)), n);
    }
}

static void backward(back_args *a, char *work, const ct_array *w_hr) {
    rnn_sizes *s = &a->s;
    const int64_t H = s->H, P = s->P, G = s->G, N = s->N;
    const layout l = lay_out(s, w_hr != NULL);
    a->w_hr = data(w_hr);
    a->packed = (real *)(work + l.packed), a->packed_hr = (real *)(work + l.packed_hr);
    a->carry = (real *)(work + l.carry), a->dhn = (real *)(work + l.dhn), a->dp = (real *)(work + l.dp);
    a->full = (real *)(work + l.full), a->before = (real *)(work + l.before), a->gemm_work = work + l.gemm;
    rnn_offsets(s, (int64_t *)(work + l.offsets));
    a->panels = ceil_div(P, PANEL * VL);
    const int64_t cell_panels = w_hr ? ceil_div(H, PANEL * VL) : 0;
    par_for(a->panels, pack_hh, a);
    if (w_hr) par_for(cell_panels, pack_hr, a);
    if (s->mode == RNN_LSTM) par_for(par_count(N, 2.0 * (double)H, 64), tanh_of_cells, a);
    rnn_walk walk = {.s = s, .args = a, .rows = backward_rows, .panels = {a->panels, cell_panels}};
    rnn_go(&walk);
    if (s->T == 0) { /* no step: the states pass through */
        for (int64_t i = 0; i < s->B * P; i++) a->dh0[i] = a->ghT[i];
    } else par_for(a->panels, backward_start, a);
    if (s->mode == RNN_LSTM)
        for (int64_t i = 0; i < s->B * H; i++) a->dc0[i] = s->T ? a->carry[i] : a->gcT[i];
    gather_before(a);
    if (s->mode == RNN_GRU) {
        GEMM.gemm(2 * H, P, N, 1, a->dgx, 1, 3 * H, a->before, P, 1, 0, a->dw_hh, P, NULL, a->gemm_work);
        GEMM.gemm(H, P, N, 1, a->dhn, 1, H, a->before, P, 1, 0, a->dw_hh + 2 * H * P, P, NULL, a->gemm_work);
        column_sums(a->db_hh, a->dgx, N, 2 * H, 3 * H);
        column_sums(a->db_hh + 2 * H, a->dhn, N, H, H);
    } else {
        GEMM.gemm(G * H, P, N, 1, a->dgx, 1, G * H, a->before, P, 1, 0, a->dw_hh, P, NULL, a->gemm_work);
        column_sums(a->db_hh, a->dgx, N, G * H, G * H);
    }
    if (!w_hr) return;
    for (int64_t n = 0; n < N; n++) /* the state before projection, o tanh(c) */
        for (int64_t u = 0; u < H; u++) a->full[n * H + u] *= a->gates[n * 4 * H + 3 * H + u];
    GEMM.gemm(P, H, N, 1, a->dp, 1, P, a->full, H, 1, 0, a->dw_hr, H, NULL, a->gemm_work);
}

/* (gy, ghT, gcT, w_hh, w_hr?, gates, cells, y, h0, c0, batch_sizes?; reverse) -> dgx, dw_hh, db_hh, dh0, dc0, dw_hr */
static rnn_sizes lstm_sizes(const ct_call *call) {
    return rnn_size(call->in[5], call->in[3], call->in[8], call->in[10], RNN_LSTM, call->in[9]->shape[1],
                    (int)call->ints[0]);
}
static int64_t lstm_backward_work(const ct_call *call) {
    const rnn_sizes s = lstm_sizes(call);
    return lay_out(&s, call->in[4] != NULL).total;
}
static void lstm_backward(const ct_call *call) {
    back_args a = {.s = lstm_sizes(call)};
    a.gy = data(call->in[0]), a.ghT = data(call->in[1]), a.gcT = data(call->in[2]), a.w_hh = data(call->in[3]);
    a.gates = data(call->in[5]), a.cells = data(call->in[6]), a.y = data(call->in[7]);
    a.h0 = data(call->in[8]), a.c0 = data(call->in[9]);
    a.dgx = data(call->out[0]), a.dw_hh = data(call->out[1]), a.db_hh = data(call->out[2]);
    a.dh0 = data(call->out[3]), a.dc0 = data(call->out[4]), a.dw_hr = data(call->out[5]);
    backward(&a, call->work, call->in[4]);
}

/* (gy, ghT, w_hh, gates, y, h0, batch_sizes?; reverse) -> dgx, dw_hh, db_hh, dh0 */
static rnn_sizes gru_sizes(const ct_call *call) {
    return rnn_size(call->in[4], call->in[2], call->in[5], call->in[6], RNN_GRU, call->in[5]->shape[1],
                    (int)call->ints[0]);
}
static int64_t gru_backward_work(const ct_call *call) {
    const rnn_sizes s = gru_sizes(call);
    return lay_out(&s, 0).total;
}
static void gru_backward(const ct_call *call) {
    back_args a = {.s = gru_sizes(call)};
    a.gy = data(call->in[0]), a.ghT = data(call->in[1]), a.w_hh = data(call->in[2]), a.gates = data(call->in[3]);
    a.y = data(call->in[4]), a.h0 = data(call->in[5]);
    a.dgx = data(call->out[0]), a.dw_hh = data(call->out[1]), a.db_hh = data(call->out[2]), a.dh0 = data(call->out[3]);
    backward(&a, call->work, NULL);
}

/* (gy, ghT, w_hh, y, h0, batch_sizes?; reverse, relu) -> dgx, dw_hh, db_hh, dh0 */
static rnn_sizes rnn_sizes_of(const ct_call *call) {
    rnn_sizes s = rnn_size(call->in[3], call->in[2], call->in[4], call->in[5], RNN_TANH, call->in[4]->shape[1],
                           (int)call->ints[0]);
    s.relu = (int)call->ints[1];
    return s;
}
static int64_t rnn_backward_work(const ct_call *call) {
    const rnn_sizes s = rnn_sizes_of(call);
    return lay_out(&s, 0).total;
}
static void rnn_backward(const ct_call *call) {
    back_args a = {.s = rnn_sizes_of(call)};
    a.gy = data(call->in[0]), a.ghT = data(call->in[1]), a.w_hh = data(call->in[2]);
    a.y = data(call->in[3]), a.h0 = data(call->in[4]);
    a.dgx = data(call->out[0]), a.dw_hh = data(call->out[1]), a.db_hh = data(call->out[2]), a.dh0 = data(call->out[3]);
    backward(&a, call->work, NULL);
}

static const ct_kernel rows[] = {{"lstm_backward", lstm_backward, lstm_backward_work},
                                 {"gru_backward", gru_backward, gru_backward_work},
                                 {"rnn_backward", rnn_backward, rnn_backward_work}};
CT_KERNELS(rnn_backward, rows);

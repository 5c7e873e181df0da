/* softmax.c: softmax and log-softmax along one axis, and their gradients.
 *
 *   y = exp(x - m) / sum(exp(x - m)),   log y = x - m - log(sum(exp(x - m))),   m = max(x)
 *
 * Outputs are contiguous, (outer, n, inner) with the axis in the middle.  An input in another layout is copied to the
 * output first and worked on in place.  A row with NaN, with +inf, or of -inf alone, is NaN throughout, as in PyTorch.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/rows.h"
#include "../include/strided.h"

#include <math.h>

enum { MOST_CHUNKS = 64, WIDTH = 128, ROWS = 32, SPLIT = 1 << 15 };

typedef struct {
    const real *x, *g; /* (outer, n, inner); x is y in gradients */
    real *y;           /* (outer, n, inner) */
    int64_t outer, n, inner, blocks, chunks;
    int logarithm, gradient;
    double *part; /* (parts, 2) of one long row: its greatest, or its sum */
    double most, sum;
} job;

/* ---- one contiguous row ----------------------------------------------------------------------------------------- */

CT_INLINE void row_scale(real *y, int64_t n, real factor) {
    const vreal f = v_set1(factor);
    int64_t k = 0;
    for (; k + VL <= n; k += VL) v_store(y + k, v_load(y + k) * f);
    if (k < n) v_store_part(y + k, v_load_part(y + k, n - k) * f, n - k);
}
CT_INLINE void row_shift(real *y, const real *x, int64_t n, real by, real more) { /* x - by - more */
    const vreal b = v_set1(by), m = v_set1(more);
    int64_t k = 0;
    for (; k + VL <= n; k += VL) v_store(y + k, v_load(x + k) - b - m);
    if (k < n) v_store_part(y + k, v_load_part(x + k, n - k) - b - m, n - k);
}

/* A row that fits into `count` vectors: it stays in registers. */
CT_INLINE void row_small(real *y, const real *x, int64_t n, int logarithm, const int count) {
    vreal v[4], e[4];
    for (int i = 0; i < count; i++) v[i] = load_fill(x + i * VL, n - i * VL, -REAL_INF);
    vreal most = v[0], sum;
    for (int i = 1; i < count; i++) most = v_max(v[i], most);
    const real top = v_hmax(most);
    const vreal m = v_set1(top);
    for (int i = 0; i < count; i++) v[i] -= m, e[i] = v_exp(v[i]);
    sum = e[0];
    for (int i = 1; i < count; i++) sum += e[i];
    const real s = v_hsum(sum);
    const vreal by = v_set1(logarithm ? (real)log((double)s) : 1 / s);
    for (int i = 0; i < count; i++) store(y + i * VL, logarithm ? v[i] - by : e[i] * by, n - i * VL);
}

static void row_forward(real *y, const real *x, int64_t n, int logarithm) {
    if (n <= VL) {
        row_small(y, x, n, logarithm, 1);
    } else if (n <= 2 * VL) {
        row_small(y, x, n, logarithm, 2);
    } else if (n <= 4 * VL && n > 3 * VL) {
        row_small(y, x, n, logarithm, 4);
    } else {
        const real most = row_max(x, n);
        const double sum = logarithm ? row_exp(NULL, x, n, most, 0) : row_exp(y, x, n, most, 1);
        if (logarithm) row_shift(y, x, n, most, (real)log(sum));
        else row_scale(y, n, (real)(1 / sum));
    }
}

/* dx = y (g - sum(g y)) of softmax;  dx = g - exp(y) sum(g) of log-softmax */
CT_INLINE double row_dot(const real *g, const real *y, int64_t n, int logarithm) {
    double total = 0;
    for (int64_t block = 0; block < n; block += 128 * VL) {
        vreal a = v_zero(), b = a;
        int64_t k = block, end = i64_min(block + 128 * VL, n);
        for (; k + 2 * VL <= end; k += 2 * VL) {
            vreal p = v_load(g + k), q = v_load(g + k + VL);
            a = logarithm ? a + p : v_fma(p, v_load(y + k), a), b = logarithm ? b + q : v_fma(q, v_load(y + k + VL), b);
        }
        for (; k < end; k += VL) {
            vreal p = load_fill(g + k, end - k, 0);
            a = logarithm ? a + p : v_fma(p, load_fill(y + k, end - k, 0), a);
        }
        total += (double)v_hsum(a + b);
    }
    return total;
}
CT_INLINE void row_apply(real *dx, const real *g, const real *y, int64_t n, real dot, int logarithm) {
    const vreal d = v_set1(dot);
    for (int64_t k = 0; k < n; k += VL) {
        vreal p = load_fill(g + k, n - k, 0), q = load_fill(y + k, n - k, 0);
        store(dx + k, logarithm ? v_fma(-d, v_exp(q), p) : q * (p - d), n - k);
    }
}
static void row_backward(real *dx, const real *g, const real *y, int64_t n, int logarithm) {
    if (logarithm) row_apply(dx, g, y, n, (real)row_dot(g, y, n, 1), 1);
    else row_apply(dx, g, y, n, (real)row_dot(g, y, n, 0), 0);
}

/* ---- a block of columns: n rows of `width`, `stride` apart --------------------------------------------------------
 */

static void columns_flush(double *total, real *sum, int64_t width) {
    for (int64_t j = 0; j < width; j++) total[j] += (double)sum[j], sum[j] = 0;
}

static void columns_forward(real *y, const real *x, int64_t n, int64_t stride, int64_t width, int logarithm) {
    real most[WIDTH], sum[WIDTH];
    double total[WIDTH];
    for (int64_t j = 0; j < width; j++) most[j] = -REAL_INF, sum[j] = 0, total[j] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < width; j += VL)
            store(most + j, v_max(load_fill(x + i * stride + j, width - j, 0), load_fill(most + j, width - j, 0)),
                  width - j);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < width; j += VL) {
            const int64_t left = width - j;
            vreal e = v_exp(load_fill(x + i * stride + j, left, 0) - load_fill(most + j, left, 0));
            if (!logarithm) store(y + i * stride + j, e, left);
            store(sum + j, load_fill(sum + j, left, 0) + e, left);
        }
        if (i % ROWS == ROWS - 1 || i == n - 1) columns_flush(total, sum, width);
    }
    for (int64_t j = 0; j < width; j++) sum[j] = (real)(logarithm ? log(total[j]) : 1 / total[j]);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < width; j += VL) {
            const int64_t left = width - j, at = i * stride + j;
            const vreal s = load_fill(sum + j, left, 0);
            store(y + at,
                  logarithm ? load_fill(x + at, left, 0) - load_fill(most + j, left, 0) - s
                            : load_fill(y + at, left, 0) * s,
                  left);
        }
}

static void columns_backward(real *dx, const real *g, const real *y, int64_t n, int64_t stride, int64_t width,
                             int logarithm) {
    real sum[WIDTH];
    double total[WIDTH];
    for (int64_t j = 0; j < width; j++) sum[j] = 0, total[j] = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < width; j += VL) {
            const int64_t left = width - j, at = i * stride + j;
            vreal p = load_fill(g + at, left, 0), s = load_fill(sum + j, left, 0);
            store(sum + j, logarithm ? s + p : v_fma(p, load_fill(y + at, left, 0), s), left);
        }
        if (i % ROWS == ROWS - 1 || i == n - 1) columns_flush(total, sum, width);
    }
    for (int64_t j = 0; j < width; j++) sum[j] = (real)total[j];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < width; j += VL) {
            const int64_t left = width - j, at = i * stride + j;
            vreal p = load_fill(g + at, left, 0), q = load_fill(y + at, left, 0), s = load_fill(sum + j, left, 0);
            store(dx + at, logarithm ? v_fma(-s, v_exp(q), p) : q * (p - s), left);
        }
}

static void chunk_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const int64_t n = j->n, inner = j->inner;
    par_range r = par_chunk(j->outer * j->blocks, j->chunks, chunk, 1);
    for (int64_t i = r.begin; i < r.end; i++) {
        if (inner == 1) {
            if (j->gradient) row_backward(j->y + i * n, j->g + i * n, j->x + i * n, n, j->logarithm);
            else row_forward(j->y + i * n, j->x + i * n, n, j->logarithm);
            continue;
        }
        const int64_t first = i % j->blocks * WIDTH, at = i / j->blocks * n * inner + first;
        const int64_t width = i64_min(WIDTH, inner - first);
        if (j->gradient) columns_backward(j->y + at, j->g + at, j->x + at, n, inner, width, j->logarithm);
        else columns_forward(j->y + at, j->x + at, n, inner, width, j->logarithm);
    }
}

/* ---- few long rows: each is cut into parts ------------------------------------------------------------------------
 */

static void part_first(void *ctx, int64_t part) { /* forward: greatest and sum below it; backward: the dot product */
    const job *j = ctx;
    const int64_t begin = part * SPLIT, n = i64_min(SPLIT, j->n - begin);
    if (j->gradient) {
        j->part[2 * part] = row_dot(j->g + begin, j->x + begin, n, j->logarithm);
    } else {
        const real most = row_max(j->x + begin, n);
        j->part[2 * part] = (double)most;
        /* a part of -inf alone adds nothing; NaN comes back through the sum */
        j->part[2 * part + 1] = row_exp(NULL, j->x + begin, n, most == -REAL_INF ? 0 : most, 0);
    }
}
static void part_second(void *ctx, int64_t part) {
    const job *j = ctx;
    const int64_t begin = part * SPLIT, n = i64_min(SPLIT, j->n - begin);
    real *y = j->y + begin;
    if (j->gradient) {
        row_apply(y, j->g + begin, j->x + begin, n, (real)j->sum, j->logarithm);
    } else if (j->logarithm) {
        row_shift(y, j->x + begin, n, (real)j->most, (real)log(j->sum));
    } else {
        const vreal m = v_set1((real)j->most), f = v_set1((real)(1 / j->sum));
        for (int64_t k = 0; k < n; k += VL) store(y + k, v_exp(load_fill(j->x + begin + k, n - k, 0) - m) * f, n - k);
    }
}
static void long_rows(job *j) {
    const int64_t parts = ceil_div(j->n, SPLIT);
    for (int64_t i = 0; i < j->outer; i++, j->x += j->n, j->y += j->n, j->g += j->gradient ? j->n : 0) {
        par_for(parts, part_first, j);
        double most = -INFINITY, sum = 0;
        if (!j->gradient)
            for (int64_t p = 0; p < parts; p++)
                if (j->part[2 * p] > most) most = j->part[2 * p];
        for (int64_t p = 0; p < parts; p++) {
            double top = j->part[2 * p] == -INFINITY ? 0 : j->part[2 * p], add = j->part[2 * p + 1];
            sum += j->gradient ? j->part[2 * p] : add == 0 ? 0 : add * exp(top - most);
        }
        j->most = most, j->sum = sum;
        par_for(parts, part_second, j);
    }
}
static int is_long(const job *j) { return j->inner == 1 && j->outer < 4 && j->n >= 4 * SPLIT; }

/* ---- from a call --------------------------------------------------------------------------------------------------
 */

static void sizes(job *j, const ct_call *call) {
    const ct_array *y = call->out[0];
    const int axis = (int)call->ints[0];
    j->outer = j->inner = 1, j->n = y->ndim ? y->shape[axis] : 1;
    for (int i = 0; i < y->ndim; i++) *(i < axis ? &j->outer : &j->inner) *= i == axis ? 1 : y->shape[i];
    j->blocks = ceil_div(j->inner, WIDTH);
}

static void run(const ct_call *call, int logarithm, int gradient) {
    job j = {.logarithm = logarithm, .gradient = gradient};
    const ct_array *in = call->in[0];
    real *y = call->out[0]->data;
    sizes(&j, call);
    if (in->size == 0) return;
    char *work = call->work;
    const real *first = in->data;
    if (!is_contiguous(in)) copy_in(y, in), first = y;
    j.y = y, j.x = first;
    if (gradient) {
        const ct_array *saved = call->in[1];
        j.g = first, j.x = saved->data;
        if (!is_contiguous(saved)) {
            copy_in((real *)work, saved), j.x = (real *)work;
            work += round_up(saved->size * (int64_t)sizeof(real), 64);
        }
    }
    if (is_long(&j)) {
        j.part = (double *)work;
        long_rows(&j);
        return;
    }
    j.chunks = i64_min(par_count(in->size, gradient ? 0.4 : 0.6, MOST_CHUNKS), j.outer * j.blocks);
    if (j.chunks == 1) chunk_body(&j, 0);
    else par_for(j.chunks, chunk_body, &j);
}

static int64_t work(const ct_call *call) {
    job j;
    sizes(&j, call);
    int64_t bytes = is_long(&j) ? 16 * ceil_div(j.n, SPLIT) : 0;
    if (call->nin > 1 && !is_contiguous(call->in[1])) bytes += round_up(call->in[1]->size * (int64_t)sizeof(real), 64);
    return bytes;
}

/* ints: axis.  in: x.  out: y */
static void softmax(const ct_call *call) { run(call, 0, 0); }
static void log_softmax(const ct_call *call) { run(call, 1, 0); }
/* ints: axis.  in: g, y.  out: dx */
static void softmax_grad(const ct_call *call) { run(call, 0, 1); }
static void log_softmax_grad(const ct_call *call) { run(call, 1, 1); }

static const ct_kernel rows[] = {
    {"softmax", softmax, work},
    {"softmax_grad", softmax_grad, work},
    {"log_softmax", log_softmax, work},
    {"log_softmax_grad", log_softmax_grad, work},
};
CT_KERNELS(softmax, rows);

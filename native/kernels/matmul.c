/* matmul.c: batched matrix products and the affine map of a linear layer, on the one GEMM. */
#include "../include/gemm.h"
#include "../include/kernel.h"
#include "../include/par.h"

#include <string.h>

#define GEMM CT_NAME(ct_gemm)

/* ---- matmul: out (..., M, N) = a (..., M, K) @ b (..., K, N); the batch dimensions of a and b are stretched to out's
 */

typedef struct {
    const ct_array *a, *b;
    ct_array *out;
    int64_t M, N, K, count, chunks;
    char *work;
    int64_t work_bytes;
} batch;

static int64_t batch_count(const ct_array *out) {
    int64_t n = 1;
    for (int d = 0; d < out->ndim - 2; d++) n *= out->shape[d];
    return n;
}

/* Whether the batch of a is one tall matrix and b is the same for all of it: then one product does. */
static int is_tall(const ct_array *a, const ct_array *b) {
    int n = a->ndim;
    int64_t expected = a->stride[n - 2] * a->shape[n - 2];
    for (int d = n - 3; d >= 0; d--) {
        if (a->shape[d] == 1) continue;
        if (b->stride[d] != 0 || a->stride[d] != expected) return 0;
        expected *= a->shape[d];
    }
    return 1;
}

static int64_t matmul_work(const ct_call *call) {
    const ct_array *a = call->in[0], *b = call->in[1], *out = call->out[0];
    int n = out->ndim;
    int64_t M = out->shape[n - 2], N = out->shape[n - 1], K = a->shape[n - 1], count = batch_count(out);
    if (out->size == 0) return 0;
    if (count == 1 || is_tall(a, b)) return GEMM.work(M * count, N, K);
    int64_t one = round_up(GEMM.work_serial(M, N, K), 64);
    return i64_max(one * ct_par_threads(), GEMM.work(M, N, K));
}

static void one_product(const batch *j, int64_t index, void *work, int serial) {
    const real *A = j->a->data, *B = j->b->data;
    real *C = (real *)j->out->data + index * j->M * j->N;
    int n = j->out->ndim;
    for (int d = n - 3; d >= 0; d--) {
        int64_t at = index % j->out->shape[d];
        index /= j->out->shape[d];
        A += at * j->a->stride[d];
        B += at * j->b->stride[d];
    }
    (serial ? GEMM.gemm_serial : GEMM.gemm)(j->M, j->N, j->K, 1, A, j->a->stride[n - 2], j->a->stride[n - 1], B,
                                            j->b->stride[n - 2], j->b->stride[n - 1], 0, C, j->N, NULL, work);
}

static void batch_body(void *ctx, int64_t chunk) {
    const batch *j = ctx;
    par_range r = par_chunk(j->count, j->chunks, chunk, 1);
    void *work = j->work ? j->work + ct_par_worker() * j->work_bytes : NULL;
    for (int64_t i = r.begin; i < r.end; i++) one_product(j, i, work, 1);
}

static void matmul(const ct_call *call) {
    const ct_array *a = call->in[0], *b = call->in[1];
    ct_array *out = call->out[0];
    int n = out->ndim;
    batch j = {a, b, out, out->shape[n - 2], out->shape[n - 1], a->shape[n - 1], batch_count(out), 1, call->work, 0};
    if (out->size == 0) return;
    if (j.count == 1 || is_tall(a, b)) {
        /* a batch dimension may have stride 0 or anything where it is 1 */
        GEMM.gemm(j.M * j.count, j.N, j.K, 1, a->data, a->stride[n - 2], a->stride[n - 1], b->data, b->stride[n - 2],
                  b->stride[n - 1], 0, out->data, j.N, NULL, call->work);
        return;
    }
    double flops = 2.0 * (double)j.M * (double)j.N * (double)j.K;
    if (j.count < 4 && flops > 1e7) { /* few large ones: threads inside each */
        for (int64_t i = 0; i < j.count; i++) one_product(&j, i, call->work, 0);
        return;
    }
    j.work_bytes = round_up(GEMM.work_serial(j.M, j.N, j.K), 64);
    j.chunks = par_count(j.count, flops / 50.0, 64);
    par_for(j.chunks, batch_body, &j);
}

/* ---- linear: y (rows, O) = act(x (rows, I) @ w (O, I)^T + b (O)) */

/* The row stride of x (..., I) as a matrix, or -1 when its rows are not evenly spaced. */
static int64_t row_stride(const ct_array *x) {
    int64_t step = x->shape[x->ndim - 1], expected = -1;
    for (int d = x->ndim - 2; d >= 0; d--) {
        if (x->shape[d] == 1) continue;
        if (expected < 0) step = expected = x->stride[d];
        else if (x->stride[d] != expected) return -1;
        expected *= x->shape[d];
    }
    return step;
}

static int64_t even_rows(const ct_array *x) { return row_stride(x) >= 0; }

/* x as a contiguous matrix in `into`. */
static void gather_rows(real *into, const ct_array *x) {
    int n = x->ndim;
    int64_t I = x->shape[n - 1], rows = x->size / (I ? I : 1), at[CT_MAX_DIM] = {0};
    const real *p = x->data;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < I; i++) into[r * I + i] = p[i * x->stride[n - 1]];
        for (int d = n - 2; d >= 0; d--) {
            p += x->stride[d];
            if (++at[d] < x->shape[d]) break;
            p -= x->shape[d] * x->stride[d];
            at[d] = 0;
        }
    }
}

static int64_t gather_bytes(const ct_array *x) {
    return even_rows(x) ? 0 : round_up(x->size * (int64_t)sizeof(real), 64);
}

static int64_t linear_work(const ct_call *call) {
    const ct_array *x = call->in[0], *w = call->in[1];
    int64_t O = w->shape[0], I = w->shape[1], rows = call->out[0]->size / (O ? O : 1);
    return GEMM.work(rows, O, I) + gather_bytes(x) + round_up(O * (int64_t)sizeof(real), 64);
}

static void affine(const ct_call *call, int activation) {
    const ct_array *x = call->in[0], *w = call->in[1], *b = call->in[2];
    int64_t O = w->shape[0], I = w->shape[1], rows = O ? call->out[0]->size / O : 0;
    int64_t step = row_stride(x), last = x->stride[x->ndim - 1];
    const real *X = x->data;
    char *work = call->work;
    real *bias = NULL;
    if (rows == 0) return;
    if (step < 0) {
        gather_rows((real *)work, x);
        X = (const real *)work;
        work += gather_bytes(x);
        step = I, last = 1;
    }
    if (b) {
        bias = b->data;
        if (b->stride[0] != 1) { /* a strided bias, straightened */
            bias = (real *)work;
            for (int64_t o = 0; o < O; o++) bias[o] = ((const real *)b->data)[o * b->stride[0]];
            work += round_up(O * (int64_t)sizeof(real), 64);
        }
    }
    gemm_epilogue epilogue = {bias, 0, activation};
    GEMM.gemm(rows, O, I, 1, X, step, last, w->data, w->stride[1], w->stride[0], 0, call->out[0]->data, O, &epilogue,
              work);
}

static void linear(const ct_call *call) { affine(call, 0); }
static void linear_activated(const ct_call *call) { affine(call, (int)call->ints[0]); }

/* ---- its gradient for the input: dx (rows, I) = g (rows, O) @ w (O, I) */

static int64_t linear_grad_input_work(const ct_call *call) {
    const ct_array *g = call->in[0], *w = call->in[1];
    int64_t O = w->shape[0], I = w->shape[1], rows = O ? g->size / O : 0;
    return GEMM.work(rows, I, O) + gather_bytes(g);
}

static void linear_grad_input(const ct_call *call) {
    const ct_array *g = call->in[0], *w = call->in[1];
    int64_t O = w->shape[0], I = w->shape[1], rows = I ? call->out[0]->size / I : 0;
    int64_t step = row_stride(g), last = g->stride[g->ndim - 1];
    const real *G = g->data;
    char *work = call->work;
    if (rows == 0) return;
    if (step < 0) {
        gather_rows((real *)work, g);
        G = (const real *)work;
        work += gather_bytes(g);
        step = O, last = 1;
    }
    GEMM.gemm(rows, I, O, 1, G, step, last, w->data, w->stride[0], w->stride[1], 0, call->out[0]->data, I, NULL, work);
}

/* ---- its gradient for the weight and the bias: dw (O, I) = g (rows, O)^T @ x (rows, I), db (O) = column sums of g */

static int64_t linear_grad_work(const ct_call *call) {
    const ct_array *g = call->in[0], *x = call->in[1];
    int64_t O = g->shape[g->ndim - 1], I = x->shape[x->ndim - 1], rows = O ? g->size / O : 0;
    return GEMM.work(O, I, rows) + gather_bytes(x) + gather_bytes(g) + 64;
}

static void column_sums(real *db, const real *g, int64_t step, int64_t last, int64_t rows, int64_t O) {
    /* blocks of 64 rows into doubles of their own, so that long sums stay exact to the last bits */
    enum { WIDE = 64 };
    for (int64_t o = 0; o < O; o += WIDE) {
        int64_t n = i64_min(WIDE, O - o);
        double sum[WIDE] = {0};
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < n; i++) sum[i] += (double)g[r * step + (o + i) * last];
        for (int64_t i = 0; i < n; i++) db[o + i] = (real)sum[i];
    }
}

static void linear_grad(const ct_call *call) {
    const ct_array *g = call->in[0], *x = call->in[1];
    int64_t O = g->shape[g->ndim - 1], I = x->shape[x->ndim - 1], rows = O ? g->size / O : 0;
    real *dw = call->out[0]->data, *db = call->out[1]->data;
    char *work = call->work;
    const ct_array *from[2] = {g, x};
    const real *at[2];
    int64_t step[2], last[2];
    for (int k = 0; k < 2; k++) {
        at[k] = from[k]->data;
        step[k] = row_stride(from[k]);
        last[k] = from[k]->stride[from[k]->ndim - 1];
        if (step[k] < 0) {
            gather_rows((real *)work, from[k]);
            at[k] = (const real *)work;
            work += gather_bytes(from[k]);
            step[k] = k == 0 ? O : I, last[k] = 1;
        }
    }
    GEMM.gemm(O, I, rows, 1, at[0], last[0], step[0], at[1], step[1], last[1], 0, dw, I, NULL, work);
    column_sums(db, at[0], step[0], last[0], rows, O);
}

static const ct_kernel rows[] = {
    {"matmul", matmul, matmul_work},
    {"linear", linear, linear_work},
    {"linear_activated", linear_activated, linear_work},
    {"linear_grad", linear_grad, linear_grad_work},
    {"linear_grad_input", linear_grad_input, linear_grad_input_work},
};
CT_KERNELS(matmul, rows);

/* scan.c: running sums, products and extremes along an axis. Outputs are contiguous, (outer, n, inner). The compilation
 * for double also serves int64. */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/strided.h"
#include "../include/wide.h"

enum { MOST_CHUNKS = 64, WIDTH = 128 };
enum kind { SUM, PROD, MAX, MIN };

typedef struct {
    real *y;        /* (outer, n, inner), holds x first */
    int64_t *index; /* likewise, of the extremes */
    int64_t outer, n, inner, blocks, chunks;
    int whole; /* y is of int64 */
    int reverse;
} job;

/* The element takes the place of the extreme so far: also an equal one, and NaN for good. */
CT_INLINE int takes(int kind, real x, real best) {
    return x != x || (best == best && (kind == MAX ? x >= best : x <= best));
}

/* Sums or products along `count` (at most TOGETHER) rows of n, side by side: each waits for itself alone. */
enum { TOGETHER = 8 };
CT_INLINE void scan_rows(int kind, real *y, int64_t count, int64_t n, int reverse) {
    wide total[TOGETHER];
    for (int64_t k = 0; k < count; k++) total[k] = wide_of(kind == PROD ? 1 : 0);
    if (reverse) y += n - 1;
    for (int64_t i = 0; i < n; i++, y += reverse ? -1 : 1)
        for (int64_t k = 0; k < count; k++) {
            if (kind == SUM) wide_add(&total[k], (double)y[k * n]);
            else total[k].hi *= (double)y[k * n];
            y[k * n] = (real)(kind == SUM ? wide_get(total[k]) : total[k].hi);
        }
}

CT_INLINE void scan_chunk(int kind, const job *j, int64_t chunk) {
    par_range r = par_chunk(j->outer * j->blocks, j->chunks, chunk, 1);
    if (j->inner == 1 && (kind == SUM || kind == PROD)) {
        int64_t u = r.begin;
        for (; u + TOGETHER <= r.end; u += TOGETHER) scan_rows(kind, j->y + u * j->n, TOGETHER, j->n, j->reverse);
        for (; u < r.end; u++) scan_rows(kind, j->y + u * j->n, 1, j->n, j->reverse);
        return;
    }
    for (int64_t u = r.begin; u < r.end; u++) {
        const int64_t first = u % j->blocks * WIDTH, width = i64_min(WIDTH, j->inner - first);
        const int64_t base = u / j->blocks * j->n * j->inner + first, step = j->reverse ? -j->inner : j->inner;
        real *y = j->y + base + (j->reverse ? (j->n - 1) * j->inner : 0), best[WIDTH];
        wide total[WIDTH];
        int64_t at[WIDTH];
        for (int64_t k = 0; k < width; k++) total[k] = wide_of(kind == PROD ? 1 : 0), at[k] = 0, best[k] = y[k];
        for (int64_t i = 0; i < j->n; i++, y += step)
            for (int64_t k = 0; k < width; k++) {
                if (kind == SUM) {
                    wide_add(&total[k], (double)y[k]);
                    y[k] = (real)wide_get(total[k]);
                } else if (kind == PROD) {
                    total[k].hi *= (double)y[k];
                    y[k] = (real)total[k].hi;
                } else {
                    if (takes(kind, y[k], best[k])) best[k] = y[k], at[k] = i;
                    y[k] = best[k], j->index[base + i * j->inner + k] = at[k];
                }
            }
    }
}
/* The same of int64, which wrap around. */
CT_INLINE void scan_whole(int kind, const job *j, int64_t chunk) {
    par_range r = par_chunk(j->outer * j->blocks, j->chunks, chunk, 1);
    for (int64_t u = r.begin; u < r.end; u++) {
        const int64_t first = u % j->blocks * WIDTH, width = i64_min(WIDTH, j->inner - first);
        const int64_t base = u / j->blocks * j->n * j->inner + first;
        const int64_t step = j->reverse ? -j->inner : j->inner;
        int64_t *y = (int64_t *)(void *)j->y + base + (j->reverse ? (j->n - 1) * j->inner : 0), best[WIDTH], at[WIDTH];
        for (int64_t k = 0; k < width; k++) best[k] = kind == SUM ? 0 : kind == PROD ? 1 : y[k], at[k] = 0;
        for (int64_t i = 0; i < j->n; i++, y += step)
            for (int64_t k = 0; k < width; k++) {
                if (kind == SUM) best[k] = (int64_t)((uint64_t)best[k] + (uint64_t)y[k]);
                else if (kind == PROD) best[k] = (int64_t)((uint64_t)best[k] * (uint64_t)y[k]);
                else if (kind == MAX ? y[k] >= best[k] : y[k] <= best[k]) best[k] = y[k], at[k] = i;
                y[k] = best[k];
                if (kind == MAX || kind == MIN) j->index[base + i * j->inner + k] = at[k];
            }
    }
}
static void sum_body(void *j, int64_t chunk) {
    if (((const job *)j)->whole) scan_whole(SUM, j, chunk);
    else scan_chunk(SUM, j, chunk);
}
static void prod_body(void *j, int64_t chunk) {
    if (((const job *)j)->whole) scan_whole(PROD, j, chunk);
    else scan_chunk(PROD, j, chunk);
}
static void max_body(void *j, int64_t chunk) {
    if (((const job *)j)->whole) scan_whole(MAX, j, chunk);
    else scan_chunk(MAX, j, chunk);
}
static void min_body(void *j, int64_t chunk) {
    if (((const job *)j)->whole) scan_whole(MIN, j, chunk);
    else scan_chunk(MIN, j, chunk);
}

static void run(const ct_call *call, par_body body, int reverse) {
    const ct_array *y = call->out[0];
    const int axis = (int)call->ints[0];
    job j = {.y = y->data,
             .index = call->nout > 1 ? call->out[1]->data : NULL,
             .outer = 1,
             .inner = 1,
             .whole = y->dtype == CT_INT64,
             .reverse = reverse};
    if (y->size == 0) return;
    j.n = y->ndim ? y->shape[axis] : 1;
    for (int i = 0; i < y->ndim; i++) *(i < axis ? &j.outer : &j.inner) *= i == axis ? 1 : y->shape[i];
    copy_in(y->data, call->in[0]); /* elements of one width, moved as they are */
    j.blocks = ceil_div(j.inner, WIDTH);
    j.chunks = i64_min(par_count(y->size, 0.5, MOST_CHUNKS), j.outer * j.blocks);
    if (j.chunks == 1) body(&j, 0);
    else par_for(j.chunks, body, &j);
}

/* ints: axis; of the sums also reverse, which sums from the end.  in: x.  out: y; of the extremes also index (int64),
 * the last one of equals */
static void cumsum(const ct_call *call) { run(call, sum_body, call->ints[1] != 0); }
static void cumprod(const ct_call *call) { run(call, prod_body, 0); }
static void cummax(const ct_call *call) { run(call, max_body, 0); }
static void cummin(const ct_call *call) { run(call, min_body, 0); }

static const ct_kernel rows[] = {
    {"cumsum", cumsum, NULL},
    {"cumprod", cumprod, NULL},
    {"cummax", cummax, NULL},
    {"cummin", cummin, NULL},
};
CT_KERNELS(scan, rows);

/* integer_reduce.c: reductions of integer arrays, and range checks of indices. Compiled for the baseline only. */
#include "include/integer_reduce.h"

#include "include/par.h"
#include "include/strided.h"

#include <string.h>

static int64_t read(const void *data, int dtype, int64_t at) {
    switch (dtype) {
    case CT_INT8: return ((const int8_t *)data)[at];
    case CT_INT16: return ((const int16_t *)data)[at];
    case CT_INT32: return ((const int32_t *)data)[at];
    case CT_INT64: return ((const int64_t *)data)[at];
    default: return ((const uint8_t *)data)[at]; /* CT_UINT8, CT_BOOL */
    }
}

int64_t ct_index_at(const ct_array *a, int64_t position) {
    dims d;
    dims_of(&d, a);
    return read(a->data, a->dtype, dims_at(&d, position, NULL));
}

static int64_t check(const ct_array *a, int64_t low, int64_t high, int has_ignore, int64_t ignore) {
    dims d;
    dims_of(&d, a);
    const uint64_t span = high > low ? (uint64_t)high - (uint64_t)low : 0;
    run_walk w = {&d, 0, a->size};
    const int64_t stride = d.in[d.n - 1];
    for (int64_t offset, n, done = 0; (n = run_next(&w, &offset)) > 0; done += n) {
        int64_t i = 0;
        if (a->dtype == CT_INT64 && stride == 1) { /* whole blocks first, without leaving in the middle */
            const int64_t *p = (const int64_t *)a->data + offset;
            for (; i + 64 <= n; i += 64) {
                int bad = 0;
                for (int k = 0; k < 64; k++)
                    bad |= ((uint64_t)p[i + k] - (uint64_t)low >= span) & !(has_ignore & (p[i + k] == ignore));
                if (bad) break;
            }
        }
        for (; i < n; i++) {
            int64_t v = read(a->data, a->dtype, offset + i * stride);
            if ((uint64_t)v - (uint64_t)low >= span && !(has_ignore && v == ignore)) return done + i;
        }
    }
    return -1;
}

int64_t ct_index_check(const ct_array *a, int64_t low, int64_t high) { return check(a, low, high, 0, 0); }
int64_t ct_target_check(const ct_array *a, int64_t high, int64_t ignore) { return check(a, 0, high, 1, ignore); }

/* ---- reductions ----------------------------------------------------------------------------------------------------
 */

enum kind { SUM, PROD, MAX, MIN, NONZERO, ANY, ALL, ARGMAX, ARGMIN };
enum { COLUMNS = 256, MOST_CHUNKS = 64 };

typedef struct {
    reduce_plan plan;
    int kind, dtype;
    const void *x;
    ct_array *out;
    int64_t blocks, units, chunks;
} job;

static int64_t start_of(int kind) { /* extremes and arguments start from the first element */
    return kind == PROD || kind == ALL ? 1 : 0;
}

/* acc[j] takes in x[j * step], the element with number `at` of its reduction; best[j]: the value behind an argument. */
#define TAKE_IN(T, name)                                                                                              \
    static void take_in_##name(int kind, int64_t *restrict acc, int64_t *restrict best, const T *x, int64_t step,     \
                               int64_t width, int64_t at) {                                                           \
        switch (kind) {                                                                                               \
        case SUM:                                                                                                     \
            for (int64_t j = 0; j < width; j++) acc[j] = (int64_t)((uint64_t)acc[j] + (uint64_t)x[j * step]);         \
            break;                                                                                                    \
        case PROD:                                                                                                    \
            for (int64_t j = 0; j < width; j++) acc[j] = (int64_t)((uint64_t)acc[j] * (uint64_t)x[j * step]);         \
            break;                                                                                                    \
        case NONZERO:                                                                                                 \
            for (int64_t j = 0; j < width; j++) acc[j] += x[j * step] != 0;                                           \
            break;                                                                                                    \
        case ANY:                                                                                                     \
            for (int64_t j = 0; j < width; j++) acc[j] |= x[j * step] != 0;                                           \
            break;                                                                                                    \
        case ALL:                                                                                                     \
            for (int64_t j = 0; j < width; j++) acc[j] &= x[j * step] != 0;                                           \
            break;                                                                                                    \
        case MAX:                                                                                                     \
            for (int64_t j = 0; j < width; j++) acc[j] = at == 0 || x[j * step] > acc[j] ? x[j * step] : acc[j];      \
            break;                                                                                                    \
        case MIN:                                                                                                     \
            for (int64_t j = 0; j < width; j++) acc[j] = at == 0 || x[j * step] < acc[j] ? x[j * step] : acc[j];      \
            break;                                                                                                    \
        default:                                                                                                      \
            for (int64_t j = 0; j < width; j++)                                                                       \
                if (at == 0 || (kind == ARGMAX ? x[j * step] > best[j] : x[j * step] < best[j]))                      \
                    best[j] = x[j * step], acc[j] = at;                                                               \
        }                                                                                                             \
    }                                                                                                                 \
    /* a run of one reduction */                                                                                      \
    static void run_in_##name(int kind, int64_t *acc, int64_t *best, const T *x, int64_t step, int64_t n,             \
                              int64_t at) {                                                                           \
        int64_t a = *acc, b = *best, i = 0;                                                                           \
        if (kind >= ARGMAX) {                                                                                         \
            for (; i < n; i++)                                                                                        \
                if (at + i == 0 || (kind == ARGMAX ? x[i * step] > b : x[i * step] < b)) b = x[i * step], a = at + i; \
        } else if (kind == MAX || kind == MIN) {                                                                      \
            T m = at == 0 ? x[0] : (T)a;                                                                              \
            if (kind == MAX)                                                                                          \
                for (; i < n; i++) m = x[i * step] > m ? x[i * step] : m;                                             \
            else                                                                                                      \
                for (; i < n; i++) m = x[i * step] < m ? x[i * step] : m;                                             \
            a = m;                                                                                                    \
        } else if (kind == SUM) {                                                                                     \
            uint64_t s = 0;                                                                                           \
            if (step == 1)                                                                                            \
                for (; i < n; i++) s += (uint64_t)x[i];                                                               \
            else                                                                                                      \
                for (; i < n; i++) s += (uint64_t)x[i * step];                                                        \
            a = (int64_t)((uint64_t)a + s);                                                                           \
        } else if (kind == PROD) {                                                                                    \
            for (; i < n; i++) a = (int64_t)((uint64_t)a * (uint64_t)x[i * step]);                                    \
        } else {                                                                                                      \
            int64_t count = 0;                                                                                        \
            if (step == 1)                                                                                            \
                for (; i < n; i++) count += x[i] != 0;                                                                \
            else                                                                                                      \
                for (; i < n; i++) count += x[i * step] != 0;                                                         \
            a = kind == NONZERO ? a + count : kind == ANY ? a | (count > 0) : a & (count == n);                       \
        }                                                                                                             \
        *acc = a, *best = b;                                                                                          \
    }
#define EACH_TYPE(DO) DO(int8_t, int8) DO(int16_t, int16) DO(int32_t, int32) DO(int64_t, int64) DO(uint8_t, uint8)
EACH_TYPE(TAKE_IN)

static void take_in(const job *j, int64_t offset, int64_t *acc, int64_t *best, int64_t step, int64_t n, int64_t at,
                    int row) {
#define CALL(T, name)                                               \
    {                                                               \
        const T *x = (const T *)j->x + offset;                      \
        if (row) run_in_##name(j->kind, acc, best, x, step, n, at); \
        else take_in_##name(j->kind, acc, best, x, step, n, at);    \
        return;                                                     \
    }
    switch (j->dtype) {
    case CT_INT8: CALL(int8_t, int8)
    case CT_INT16: CALL(int16_t, int16)
    case CT_INT32: CALL(int32_t, int32)
    case CT_INT64: CALL(int64_t, int64)
    default: CALL(uint8_t, uint8)
    }
}

static void put(const job *j, int64_t at, int64_t value) {
    switch (j->out->dtype) {
    case CT_INT8: ((int8_t *)j->out->data)[at] = (int8_t)value; break;
    case CT_INT16: ((int16_t *)j->out->data)[at] = (int16_t)value; break;
    case CT_INT32: ((int32_t *)j->out->data)[at] = (int32_t)value; break;
    case CT_INT64: ((int64_t *)j->out->data)[at] = value; break;
    case CT_BOOL: ((uint8_t *)j->out->data)[at] = value != 0; break;
    default: ((uint8_t *)j->out->data)[at] = (uint8_t)value;
    }
}

static void chunk_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const reduce_plan *p = &j->plan;
    const int last = p->kept.n - 1;
    dims outer = p->kept;
    if (p->columns) outer.n = last;
    par_range r = par_chunk(j->units, j->chunks, chunk, 1);
    int64_t acc[COLUMNS], best[COLUMNS];
    for (int64_t u = r.begin; u < r.end; u++) {
        int64_t at, base = dims_at(&outer, u / j->blocks, &at), width = 1, step = 0, out_step = 0;
        if (p->columns) {
            const int64_t first = u % j->blocks * COLUMNS;
            width = i64_min(COLUMNS, p->kept.shape[last] - first);
            step = p->kept.in[last], out_step = p->kept.out[last];
            base += first * step, at += first * out_step;
        }
        for (int64_t k = 0; k < width; k++) acc[k] = start_of(j->kind), best[k] = 0;
        run_walk w = {&p->reduced, 0, p->count};
        const int64_t stride = p->reduced.in[p->reduced.n - 1];
        for (int64_t offset, n, done = 0; (n = run_next(&w, &offset)) > 0; done += n) {
            if (!p->columns) take_in(j, base + offset, acc, best, stride, n, done, 1);
            else
                for (int64_t i = 0; i < n; i++)
                    take_in(j, base + offset + i * stride, acc, best, step, width, done + i, 0);
        }
        for (int64_t k = 0; k < width; k++) put(j, at + k * out_step, acc[k]);
    }
}

static void reduce(const ct_call *call, int kind) {
    job j = {.kind = kind, .dtype = call->in[0]->dtype, .x = call->in[0]->data, .out = call->out[0], .blocks = 1};
    reduce_plan_make(&j.plan, call->in[0], call->ints[0], kind >= ARGMAX);
    const reduce_plan *p = &j.plan;
    if (p->outputs == 0) return;
    if (p->count == 0) {
        for (int64_t i = 0; i < p->outputs; i++) put(&j, i, start_of(kind));
        return;
    }
    j.units = p->outputs;
    if (p->columns) {
        const int64_t inner = p->kept.shape[p->kept.n - 1];
        j.blocks = ceil_div(inner, COLUMNS), j.units = p->outputs / inner * j.blocks;
    }
    j.chunks = i64_min(j.units, par_count(p->outputs * p->count, 0.3, MOST_CHUNKS));
    if (j.chunks == 1) chunk_body(&j, 0);
    else par_for(j.chunks, chunk_body, &j);
}

static void sum(const ct_call *call) { reduce(call, SUM); }
static void prod(const ct_call *call) { reduce(call, PROD); }
static void amax(const ct_call *call) { reduce(call, MAX); }
static void amin(const ct_call *call) { reduce(call, MIN); }
static void count_nonzero(const ct_call *call) { reduce(call, NONZERO); }
static void any(const ct_call *call) { reduce(call, ANY); }
static void all(const ct_call *call) { reduce(call, ALL); }
static void argmax(const ct_call *call) { reduce(call, ARGMAX); }
static void argmin(const ct_call *call) { reduce(call, ARGMIN); }

const ct_kernel *ct_find_integer_reduction(const char *name) {
    static const ct_kernel rows[] = {
        {"sum", sum, NULL},       {"prod", prod, NULL},     {"amax", amax, NULL},
        {"amin", amin, NULL},     {"any", any, NULL},       {"all", all, NULL},
        {"argmax", argmax, NULL}, {"argmin", argmin, NULL}, {"count_nonzero", count_nonzero, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

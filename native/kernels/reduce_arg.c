/* reduce_arg.c: where the greatest or least element is. The first of equals wins; NaN wins over every number, as in
 * PyTorch.  The index counts the reduced dimensions in logical order. */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/strided.h"
#include "../include/vmath.h"

enum { MOST_CHUNKS = 64, MOST_SPLITS = 16, BLOCK = 64 * VL, COLUMNS = 256 };

typedef struct {
    real value;
    int64_t index;
} found;

typedef struct {
    reduce_plan plan;
    const real *x;
    int64_t *index; /* as out */
    real *value;    /* as out, or NULL */
    found *partial; /* (splits, outputs) */
    int64_t blocks, width, units, splits, chunks;
    int least;
} job;

/* x beats y when x comes later */
CT_INLINE int beats(real x, real y, int least) { return y == y && (x != x || (least ? x < y : x > y)); }

/* Position of the first element equal to `wanted`; there is one, in whole vectors. */
CT_INLINE int64_t first_equal(const real *x, real wanted) {
    const vreal w = v_set1(wanted);
    int64_t k = 0;
    while (!v_any((vmask)(v_load(x + k) == w))) k += VL;
    while (x[k] != wanted) k++;
    return k;
}

/* The best of a contiguous run, against the best so far: whole blocks are only compared, and searched when they win. */
CT_INLINE void run_best(found *best, const real *x, int64_t n, int64_t first, int least) {
    for (int64_t i = 0; i < n && best->value == best->value;) {
        const int64_t m = i64_min(BLOCK, n - i) / VL * VL;
        if (m == 0) {
            for (; i < n; i++)
                if (beats(x[i], best->value, least)) best->value = x[i], best->index = first + i;
            return;
        }
        vreal a = v_set1(least ? REAL_INF : -REAL_INF), b = a, s = v_zero(), t = v_zero();
        int64_t k = 0;
        for (; k + 2 * VL <= m; k += 2 * VL) {
            vreal p = v_load(x + i + k), q = v_load(x + i + k + VL);
            a = least ? v_min(p, a) : v_max(p, a), b = least ? v_min(q, b) : v_max(q, b);
            s += p, t += q;
        }
        if (k < m) {
            vreal p = v_load(x + i + k);
            a = least ? v_min(p, a) : v_max(p, a), s += p;
        }
        const real top = least ? v_hmin(v_min(a, b)) : v_hmax(v_max(a, b));
        s += t;
        if (CT_UNLIKELY(v_any((vmask)(s != s)))) { /* NaN, or infinities of both signs */
            for (k = 0; k < m && x[i + k] == x[i + k]; k++);
            if (k < m) {
                best->value = x[i + k], best->index = first + i + k;
                return;
            }
        }
        if (beats(top, best->value, least)) best->value = top, best->index = first + i + first_equal(x + i, top);
        i += m;
    }
}

CT_INLINE found rows_best(const real *base, const dims *d, int64_t begin, int64_t end, int least) {
    const int64_t stride = d->in[d->n - 1];
    run_walk w = {d, begin, end};
    int64_t offset, n, at = begin;
    found best = {0, -1};
    real buffer[512];
    for (; (n = run_next(&w, &offset)) > 0; at += n) {
        if (best.index < 0) best = (found){base[offset], at};
        if (stride == 1) {
            run_best(&best, base + offset, n, at, least);
            continue;
        }
        for (int64_t i = 0; i < n; i += 512) {
            const int64_t m = i64_min(512, n - i);
            gather_run(buffer, base + offset + i * stride, m, stride);
            run_best(&best, buffer, m, at + i, least);
        }
    }
    return best;
}

/* Rows [begin, end) of `width` columns. */
CT_INLINE void columns_best(found *best, const real *base, const dims *d, int64_t step, int64_t width, int64_t begin,
                            int64_t end, int least) {
    real value[COLUMNS + VBYTES / sizeof(real)] = {0}, row[COLUMNS + VBYTES / sizeof(real)] = {0};
    int_real index[COLUMNS + VBYTES / sizeof(real)] = {0}; /* counts from `begin`; at most 2^24 rows at a time */
    const int64_t stride = d->in[d->n - 1];
    run_walk w = {d, begin, end};
    int64_t offset, n, at = begin, origin = begin;
    for (int64_t j = 0; j < width; j++) best[j].index = -1;
    for (; (n = run_next(&w, &offset)) > 0; at += n)
        for (int64_t i = 0; i < n; i++) {
            const real *x = base + offset + i * stride;
            if (step != 1 || width % VL) {
                gather_run(row, x, width, step);
                x = row;
            }
            const int64_t number = at + i - origin;
            if (at + i == begin || number == 1 << 24) {
                if (number)
                    for (int64_t j = 0; j < width; j++) best[j] = (found){value[j], origin + index[j]};
                if (number) origin = at + i;
            }
            if (at + i == begin) {
                for (int64_t j = 0; j < width; j++) value[j] = x[j], index[j] = 0;
                continue;
            }
            const vint here = (vint){0} + (int_real)(at + i - origin);
            for (int64_t j = 0; j < width; j += VL) {
                vreal p = v_load(x + j), v = v_load(value + j);
                vmask better = least ? (vmask)(p < v) : (vmask)(p > v);
                better |= (vmask)(p != p) & (vmask)(v == v);
                v_store(value + j, v_blend(better, p, v));
                vint old = *(vint_unaligned *)(index + j);
                *(vint_unaligned *)(index + j) = (better & here) | (~better & old);
            }
        }
    for (int64_t j = 0; j < width; j++)
        if (best[j].index < 0 || beats(value[j], best[j].value, least)) best[j] = (found){value[j], origin + index[j]};
}

static void put(const job *j, int64_t at, found f) {
    j->index[at] = f.index;
    if (j->value) j->value[at] = f.value;
}

CT_INLINE void chunk_best(const job *j, int64_t chunk, int least) {
    const reduce_plan *p = &j->plan;
    par_range units = {chunk / j->splits, chunk / j->splits + 1};
    if (j->splits == 1) units = par_chunk(j->units, j->chunks, chunk, 1);
    par_range r = par_chunk(p->count, j->splits, chunk % j->splits, 4 * VL);
    const int last = p->kept.n - 1;
    dims outer = p->kept;
    if (p->columns) outer.n = last;
    for (int64_t u = units.begin; u < units.end; u++) {
        int64_t at, offset = dims_at(&outer, u / j->blocks, &at);
        found best[COLUMNS];
        int64_t width = 1, out_step = 0;
        if (!p->columns) {
            best[0] = rows_best(j->x + offset, &p->reduced, r.begin, r.end, least);
        } else {
            const int64_t first = u % j->blocks * j->width, step = p->kept.in[last];
            width = i64_min(j->width, p->kept.shape[last] - first), out_step = p->kept.out[last];
            at += first * out_step;
            columns_best(best, j->x + offset + first * step, &p->reduced, step, width, r.begin, r.end, least);
        }
        for (int64_t c = 0; c < width; c++)
            if (j->splits > 1) j->partial[chunk % j->splits * p->outputs + at + c * out_step] = best[c];
            else put(j, at + c * out_step, best[c]);
    }
}
static void most_body(void *j, int64_t chunk) { chunk_best(j, chunk, 0); }
static void least_body(void *j, int64_t chunk) { chunk_best(j, chunk, 1); }

static void job_start(job *j, const ct_call *call) {
    reduce_plan_make(&j->plan, call->in[0], call->ints[0], 1);
    const reduce_plan *p = &j->plan;
    j->width = j->blocks = 1, j->units = p->outputs, j->splits = 1;
    if (p->columns && p->outputs > 0) {
        const int64_t inner = p->kept.shape[p->kept.n - 1];
        j->width = round_up(ceil_div(inner, ceil_div(inner, COLUMNS)), VL);
        j->blocks = ceil_div(inner, j->width);
        j->units = p->outputs / inner * j->blocks;
    }
    const int64_t c = par_count(p->outputs * p->count, 0.2, MOST_CHUNKS);
    if (c > 1 && j->units < 16)
        j->splits = i64_min(i64_min(ceil_div(c, j->units), MOST_SPLITS), ceil_div(p->count, 64));
    j->chunks = j->splits > 1 ? j->units * j->splits : i64_min(c, j->units);
}
static int64_t arg_work(const ct_call *call) {
    job j;
    job_start(&j, call);
    return j.splits > 1 ? j.splits * j.plan.outputs * (int64_t)sizeof(found) : 0;
}

static void run(const ct_call *call, int least, int64_t *index, real *value) {
    job j;
    job_start(&j, call);
    if (j.plan.outputs == 0 || j.plan.count == 0) return;
    j.x = call->in[0]->data, j.index = index, j.value = value, j.partial = call->work;
    if (j.chunks == 1) (least ? least_body : most_body)(&j, 0);
    else par_for(j.chunks, least ? least_body : most_body, &j);
    if (j.splits == 1) return;
    for (int64_t i = 0; i < j.plan.outputs; i++) {
        found best = j.partial[i];
        for (int64_t s = 1; s < j.splits; s++) {
            found f = j.partial[s * j.plan.outputs + i];
            if (beats(f.value, best.value, least)) best = f;
        }
        put(&j, i, best);
    }
}

/* ints: mask of one axis, or of all.  in: x.  out: index, with 1 on reduced axes */
static void argmax(const ct_call *call) { run(call, 0, call->out[0]->data, NULL); }
static void argmin(const ct_call *call) { run(call, 1, call->out[0]->data, NULL); }
/* out: value, index */
static void max_index(const ct_call *call) { run(call, 0, call->out[1]->data, call->out[0]->data); }
static void min_index(const ct_call *call) { run(call, 1, call->out[1]->data, call->out[0]->data); }

static const ct_kernel rows[] = {
    {"argmax", argmax, arg_work},
    {"argmin", argmin, arg_work},
    {"max_index", max_index, arg_work},
    {"min_index", min_index, arg_work},
};
CT_KERNELS(reduce_arg, rows);

/* reduce.c: sums, products, extremes and counts over any axes of a strided array.
 *
 * The dimensions are merged and sorted by stride (strided.h), which leaves two shapes of work: along rows, where the
 * fastest dimension in memory is reduced, and over columns, where it is kept and whole rows are added up.  Both add in
 * three levels: vector lanes of reals for some hundred elements, then lanes of such sums, then a wide number (wide.h),
 * so the error does not grow with the length.  A reduction with few results is split along its length; the parts are
 * added in order.
 */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/rows.h"
#include "../include/strided.h"
#include "../include/wide.h"

#include <math.h>

enum kind {
    SUM,
    SUM_SQUARE,
    SUM_ABS,
    SUM_EXP, /* of x - shift, one shift for each result */
    NONZERO, /* how many */
    PROD,
    MAX,
    MIN
};

/* ---- one vector ------------------------------------------------------------------------------------------------- */

CT_INLINE vreal neutral(int kind) {
    return v_set1(kind == PROD ? 1 : kind == MAX ? -REAL_INF : kind == MIN ? REAL_INF : 0);
}
/* What an element contributes. */
CT_INLINE vreal term(int kind, vreal x, vreal shift) {
    switch (kind) {
    case SUM_SQUARE: return x * x;
    case SUM_ABS: return v_abs(x);
    case SUM_EXP: return v_exp(x - shift);
    case NONZERO: return v_and((vmask)(x != v_zero()), v_set1(1));
    default: return x;
    }
}
CT_INLINE vreal combine(int kind, vreal acc, vreal x) {
    switch (kind) {
    case PROD: return acc * x;
    case MAX: return v_max(x, acc);
    case MIN: return v_min(x, acc);
    default: return acc + x;
    }
}
/* Extremes that keep NaN; the others keep it anyway. */
CT_INLINE vreal combine_nan(int kind, vreal acc, vreal x) {
    vreal y = combine(kind, acc, x);
    return kind == MAX || kind == MIN ? v_blend((vmask)(x != x), x, y) : y;
}
CT_INLINE real horizontal(int kind, vreal v) {
    if (kind == MAX) return v_hmax(v);
    if (kind == MIN) return v_hmin(v);
    if (kind != PROD) return v_hsum(v);
    real t[VBYTES / sizeof(real)];
    v_store(t, v);
    for (int h = VL / 2; h > 0; h /= 2)
        for (int i = 0; i < h; i++) t[i] *= t[i + h];
    return t[0];
}
/* 0 < n < VL elements; the other lanes contribute nothing */
CT_INLINE vreal load_term(int kind, const real *x, int64_t n, vreal shift) {
    if (kind == SUM_EXP) return v_exp(load_fill(x, n, -REAL_INF) - shift);
    return term(kind, load_fill(x, n, neutral(kind)[0]), shift);
}

static wide wide_start(int kind) {
    return wide_of(kind == PROD ? 1 : kind == MAX ? -INFINITY : kind == MIN ? INFINITY : 0);
}
CT_INLINE void wide_combine(int kind, wide *w, double x) {
    if (kind == PROD) w->hi *= x;
    else if (kind == MAX || kind == MIN) {
        if (x != x || (kind == MAX ? x > w->hi : x < w->hi)) w->hi = w->hi != w->hi ? w->hi : x;
    } else wide_add(w, x);
}
CT_INLINE void wide_merge(int kind, wide *w, wide x) {
    if (kind >= PROD) wide_combine(kind, w, x.hi);
    else wide_join(w, x);
}

/* ---- along rows ------------------------------------------------------------------------------------------------- */

enum { BLOCK = 64 * VL, FOLDS = 16, GATHER = 512 };

typedef struct {
    vreal block, seen; /* lanes of folded blocks; for extremes also a sum of all elements, to notice NaN */
    wide total;
    int folds;
} lanes;

CT_INLINE void lanes_flush(int kind, lanes *l) {
    wide_combine(kind, &l->total, (double)horizontal(kind, l->block));
    l->block = neutral(kind), l->folds = 0;
}

/* Adds a contiguous run. */
CT_INLINE void lanes_add(int kind, lanes *l, const real *x, int64_t n, vreal shift) {
    const int extreme = kind == MAX || kind == MIN;
    while (n > 0) {
        vreal a = neutral(kind), b = a, c = a, d = a, e = v_zero(), f = e;
        int64_t take = i64_min(n, BLOCK), k = 0;
        for (; k + 4 * VL <= take; k += 4 * VL) {
            vreal p = v_load(x + k), q = v_load(x + k + VL), r = v_load(x + k + 2 * VL), s = v_load(x + k + 3 * VL);
            a = combine(kind, a, term(kind, p, shift)), b = combine(kind, b, term(kind, q, shift));
            c = combine(kind, c, term(kind, r, shift)), d = combine(kind, d, term(kind, s, shift));
            if (extreme) e += p + q, f += r + s;
        }
        for (; k + VL <= take; k += VL) {
            vreal p = v_load(x + k);
            a = combine(kind, a, term(kind, p, shift));
            if (extreme) e += p;
        }
        if (k < take) {
            b = combine(kind, b, load_term(kind, x + k, take - k, shift));
            if (extreme) f += v_load_part(x + k, take - k);
        }
        l->block = combine(kind, l->block, combine(kind, combine(kind, a, b), combine(kind, c, d)));
        if (extreme) l->seen += e + f;
        if (++l->folds == FOLDS) lanes_flush(kind, l);
        x += take, n -= take;
    }
}

/* Reduces elements [begin, end) of the reduced dimensions at `base`. */
CT_INLINE wide rows_range(int kind, const real *base, const dims *d, int64_t begin, int64_t end, real shift_by) {
    const vreal shift = v_set1(shift_by);
    lanes l = {neutral(kind), v_zero(), wide_start(kind), 0};
    const int64_t stride = d->in[d->n - 1];
    run_walk w = {d, begin, end};
    for (int64_t offset, n; (n = run_next(&w, &offset)) > 0;) {
        if (stride == 1) {
            lanes_add(kind, &l, base + offset, n, shift);
            continue;
        }
        real buffer[GATHER];
        for (int64_t i = 0; i < n; i += GATHER) {
            int64_t m = i64_min(GATHER, n - i);
            gather_run(buffer, base + offset + i * stride, m, stride);
            lanes_add(kind, &l, buffer, m, shift);
        }
    }
    if (l.folds) lanes_flush(kind, &l);
    if (kind == MAX || kind == MIN) {
        if (v_any((vmask)(l.seen != l.seen))) return wide_of(NAN); /* checked again by the caller */
    }
    return l.total;
}

/* A whole row of at most BLOCK elements. */
CT_INLINE double short_row(int kind, const real *x, int64_t n, real shift_by) {
    const vreal shift = v_set1(shift_by);
    vreal acc = n >= VL ? term(kind, v_load(x), shift) : load_term(kind, x, n, shift);
    const int extreme = kind == MAX || kind == MIN;
    vreal seen = extreme ? acc : v_zero(); /* NaN if any is, or where infinities meet */
    int64_t k = VL;
    if (n >= 4 * VL) {
        vreal b = term(kind, v_load(x + VL), shift), c = term(kind, v_load(x + 2 * VL), shift);
        vreal d = term(kind, v_load(x + 3 * VL), shift);
        if (extreme) seen += (b + c) + d;
        for (k = 4 * VL; k + 4 * VL <= n; k += 4 * VL) {
            vreal p = term(kind, v_load(x + k), shift), q = term(kind, v_load(x + k + VL), shift);
            vreal r = term(kind, v_load(x + k + 2 * VL), shift), s = term(kind, v_load(x + k + 3 * VL), shift);
            acc = combine(kind, acc, p), b = combine(kind, b, q), c = combine(kind, c, r), d = combine(kind, d, s);
            if (extreme) seen += (p + q) + (r + s);
        }
        acc = combine(kind, combine(kind, acc, b), combine(kind, c, d));
    }
    for (; k < n; k += VL) {
        vreal t;
        if (n - k >= VL) {
            t = term(kind, v_load(x + k), shift);
        } else {
            t = load_term(kind, x + k, n - k, shift);
            if (extreme) { /* the lanes that are not there are infinite */
                seen += v_load_part(x + k, n - k);
                acc = combine(kind, acc, t);
                break;
            }
        }
        if (extreme) seen += t;
        acc = combine(kind, acc, t);
    }
    if (extreme && v_any((vmask)(seen != seen)))
        for (k = 0; k < n; k++)
            if (x[k] != x[k]) return NAN;
    return (double)horizontal(kind, acc);
}

/* ---- over columns ----------------------------------------------------------------------------------------------- */

enum { COLUMNS = 512, ROWS = 128, FOLD_WIDTH = 128 };

/* acc (width) takes in `rows` rows; partial vectors read no further than the row's end. */
CT_INLINE void columns_add(int kind, real *restrict acc, const real *x, int64_t rows, int64_t stride, int64_t width,
                           const real *shift) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * stride)
        for (int64_t j = 0; j < width; j += VL) {
            const int64_t n = i64_min(VL, width - j);
            const vreal s = kind == SUM_EXP ? v_load(shift + j) : v_zero();
            vreal p, q, t, u;
            if (CT_LIKELY(n == VL))
                p = v_load(x + j), q = v_load(x + stride + j), t = v_load(x + 2 * stride + j),
                u = v_load(x + 3 * stride + j);
            else
                p = v_load_part(x + j, n), q = v_load_part(x + stride + j, n), t = v_load_part(x + 2 * stride + j, n),
                u = v_load_part(x + 3 * stride + j, n);
            p = combine_nan(kind, term(kind, p, s), term(kind, q, s));
            t = combine_nan(kind, term(kind, t, s), term(kind, u, s));
            v_store(acc + j, combine_nan(kind, v_load(acc + j), combine_nan(kind, p, t)));
        }
    for (; r < rows; r++, x += stride)
        for (int64_t j = 0; j < width; j += VL) {
            const int64_t n = i64_min(VL, width - j);
            const vreal s = kind == SUM_EXP ? v_load(shift + j) : v_zero();
            vreal p = CT_LIKELY(n == VL) ? v_load(x + j) : v_load_part(x + j, n);
            v_store(acc + j, combine_nan(kind, v_load(acc + j), term(kind, p, s)));
        }
}

/* Reduces rows [begin, end) of `width` columns whose stride is `step`; shift (width rounded up to VL) is contiguous. */
CT_INLINE void columns_range(int kind, const real *base, const dims *d, int64_t step, int64_t width, int64_t begin,
                             int64_t end, const real *shift, wide *total) {
    real acc[COLUMNS + VBYTES / sizeof(real)], buffer[COLUMNS + VBYTES / sizeof(real)];
    const int64_t stride = d->in[d->n - 1], padded = round_up(width, VL);
    const real zero = neutral(kind)[0];
    for (int64_t j = 0; j < width; j++) total[j] = wide_start(kind);
    /* narrow rows without gaps: `fold` of them are one row */
    const int64_t fold = step == 1 && stride == width && kind != SUM_EXP ? FOLD_WIDTH / width : 1;
    run_walk w = {d, begin, end};
    for (int64_t offset, n; (n = run_next(&w, &offset)) > 0;) {
        const real *x = base + offset;
        if (fold > 1 && n >= 2 * fold) {
            const int64_t wide_rows = n / fold, folded = fold * width;
            for (int64_t i = 0; i < wide_rows; i += ROWS) {
                for (int64_t j = 0; j < folded + VL; j++) acc[j] = zero;
                columns_add(kind, acc, x + i * folded, i64_min(ROWS, wide_rows - i), folded, folded, NULL);
                for (int64_t f = 0, j = 0; f < fold; f++)
                    for (int64_t c = 0; c < width; c++, j++) wide_combine(kind, &total[c], (double)acc[j]);
            }
            x += wide_rows * folded, n -= wide_rows * fold;
        }
        for (int64_t i = 0; i < n; i += ROWS) {
            const int64_t rows = i64_min(ROWS, n - i);
            for (int64_t j = 0; j < padded; j++) acc[j] = zero;
            if (step == 1) {
                columns_add(kind, acc, x + i * stride, rows, stride, width, shift);
            } else {
                for (int64_t r = 0; r < rows; r++) {
                    gather_run(buffer, x + (i + r) * stride, width, step);
                    columns_add(kind, acc, buffer, 1, 0, width, shift);
                }
            }
            for (int64_t j = 0; j < width; j++) wide_combine(kind, &total[j], (double)acc[j]);
        }
    }
}

/* ---- cutting a reduction into chunks ------------------------------------------------------------------------------
 */

enum { MOST_CHUNKS = 64, MOST_SPLITS = 16 };

/* Units are results (along rows) or blocks of columns; each may be split along the reduction. */
typedef struct {
    reduce_plan plan;
    int64_t blocks, width, units, splits, chunks;
    const real *x;
    const ct_array *out;
    const real *shift; /* as out, or NULL */
    wide *partial;     /* (splits, outputs) */
    double scale;      /* of a sum: 1 / count for a mean */
    int as_bool;       /* any: the count is not zero. 2: all: it equals the number of elements */
} job;

CT_INLINE int chunks_of(job *j, double cost) {
    const reduce_plan *p = &j->plan;
    j->width = j->blocks = 1;
    if (p->columns) {
        int64_t inner = p->kept.shape[p->kept.n - 1];
        j->blocks = ceil_div(inner, COLUMNS);
        j->width = round_up(ceil_div(inner, j->blocks), VL); /* even blocks */
        j->blocks = ceil_div(inner, j->width);
        j->units = p->outputs / inner * j->blocks;
    } else {
        j->units = p->outputs;
    }
    int64_t c = par_count(p->outputs * p->count, cost, MOST_CHUNKS);
    j->splits = 1;
    if (c > 1 && j->units < 16)
        j->splits = i64_min(i64_min(ceil_div(c, j->units), MOST_SPLITS), ceil_div(p->count, 64));
    j->chunks = j->splits > 1 ? j->units * j->splits : i64_min(c, j->units);
    return j->splits > 1;
}

/* Few outputs of a full reduction need no workspace. */
enum { LOCAL_PARTIALS = 64 };

static void put(const job *j, int64_t at, double value) {
    if (j->as_bool) value = j->as_bool == 1 ? value != 0 : value == (double)j->plan.count;
    switch (j->out->dtype) {
    case CT_BOOL: ((uint8_t *)j->out->data)[at] = value != 0; break;
    case CT_INT64: ((int64_t *)j->out->data)[at] = (int64_t)value; break;
    default: ((real *)j->out->data)[at] = (real)(value * j->scale);
    }
}

/* An extreme that met NaN, or infinities of both signs, is looked at again. */
CT_NOINLINE double recheck(int kind, const real *base, const dims *d, int64_t begin, int64_t end) {
    double found = kind == MAX ? -INFINITY : INFINITY;
    run_walk w = {d, begin, end};
    const int64_t stride = d->in[d->n - 1];
    for (int64_t offset, n; (n = run_next(&w, &offset)) > 0;)
        for (int64_t i = 0; i < n; i++) {
            double v = (double)base[offset + i * stride];
            if (v != v) return v;
            if (kind == MAX ? v > found : v < found) found = v;
        }
    return found;
}

CT_INLINE void unit_rows(int kind, const job *j, int64_t unit, int64_t split) {
    const reduce_plan *p = &j->plan;
    int64_t at, offset = dims_at(&p->kept, unit, &at);
    par_range r = par_chunk(p->count, j->splits, split, 4 * VL);
    wide w = rows_range(kind, j->x + offset, &p->reduced, r.begin, r.end, kind == SUM_EXP ? j->shift[at] : 0);
    if ((kind == MAX || kind == MIN) && w.hi != w.hi)
        w = wide_of(recheck(kind, j->x + offset, &p->reduced, r.begin, r.end));
    if (j->splits > 1) j->partial[split * p->outputs + at] = w;
    else put(j, at, wide_get(w));
}

CT_INLINE void unit_columns(int kind, const job *j, int64_t unit, int64_t split) {
    const reduce_plan *p = &j->plan;
    const int last = p->kept.n - 1;
    dims outer = p->kept;
    outer.n = last;
    int64_t inner = p->kept.shape[last], step = p->kept.in[last], out_step = p->kept.out[last];
    int64_t at, offset = dims_at(&outer, unit / j->blocks, &at), first = unit % j->blocks * j->width;
    int64_t width = i64_min(j->width, inner - first);
    at += first * out_step;
    par_range r = par_chunk(p->count, j->splits, split, 4);
    real shift[COLUMNS + VBYTES / sizeof(real)] = {0};
    if (kind == SUM_EXP) gather_run(shift, j->shift + at, width, out_step);
    wide total[COLUMNS];
    columns_range(kind, j->x + offset + first * step, &p->reduced, step, width, r.begin, r.end, shift, total);
    for (int64_t c = 0; c < width; c++)
        if (j->splits > 1) j->partial[split * p->outputs + at + c * out_step] = total[c];
        else put(j, at + c * out_step, wide_get(total[c]));
}

CT_INLINE void chunk_body(int kind, const job *j, int64_t chunk) {
    const reduce_plan *p = &j->plan;
    par_range r = {chunk, chunk + 1}; /* of units, or of units x splits */
    if (j->splits == 1) r = par_chunk(j->units, j->chunks, chunk, 1);
    const int small = !p->columns && p->count <= BLOCK && p->reduced.n == 1 && p->reduced.in[0] == 1 &&
                      p->kept.n == 1 && j->splits == 1;
    if (small) {
        for (int64_t i = r.begin; i < r.end; i++) {
            int64_t at = i * p->kept.out[0];
            put(j, at, short_row(kind, j->x + i * p->kept.in[0], p->count, kind == SUM_EXP ? j->shift[at] : 0));
        }
        return;
    }
    for (int64_t i = r.begin; i < r.end; i++)
        if (p->columns) unit_columns(kind, j, i / j->splits, i % j->splits);
        else unit_rows(kind, j, i / j->splits, i % j->splits);
}

/* `body` is chunk_body of this kind. */
static void reduce_run(int kind, job *j, double cost, par_body body, void *work) {
    const reduce_plan *p = &j->plan;
    if (p->outputs == 0) return;
    if (p->count == 0) {
        for (int64_t i = 0; i < p->outputs; i++) put(j, i, wide_start(kind).hi);
        return;
    }
    if (!chunks_of(j, cost)) {
        if (j->chunks == 1) body(j, 0);
        else par_for(j->chunks, body, j);
        return;
    }
    wide local[LOCAL_PARTIALS];
    j->partial = j->splits * p->outputs <= LOCAL_PARTIALS ? local : work;
    par_for(j->chunks, body, j);
    for (int64_t i = 0; i < p->outputs; i++) {
        wide w = j->partial[i];
        for (int64_t s = 1; s < j->splits; s++) wide_merge(kind, &w, j->partial[s * p->outputs + i]);
        put(j, i, wide_get(w));
    }
}

/* Elements of all of `in`, without a plan: small and contiguous, as in a scalar loss. */
CT_INLINE int reduce_small(int kind, const ct_call *call, double scale) {
    const ct_array *in = call->in[0];
    if (in->size > 4 * BLOCK || in->size == 0 || call->out[0]->size != 1 || call->out[0]->dtype != REAL_DTYPE) return 0;
    if (!is_contiguous(in)) return 0;
    const real *x = in->data;
    double sum;
    if (in->size <= 4 * VL) {
        sum = short_row(kind, x, in->size, 0);
    } else {
        lanes l = {neutral(kind), v_zero(), wide_start(kind), 0};
        lanes_add(kind, &l, x, in->size, v_zero());
        if ((kind == MAX || kind == MIN) && v_any((vmask)(l.seen != l.seen))) return 0;
        sum = (double)horizontal(kind, l.block);
    }
    *(real *)call->out[0]->data = (real)(sum * scale);
    return 1;
}

static void job_start(job *j, const ct_call *call) {
    reduce_plan_make(&j->plan, call->in[0], call->ints[0], 0);
    j->x = call->in[0]->data, j->out = call->out[0], j->shift = NULL, j->partial = NULL, j->scale = 1, j->as_bool = 0;
}

static int64_t reduce_work(const ct_call *call) {
    job j;
    job_start(&j, call);
    if (j.plan.outputs == 0 || j.plan.count == 0 || !chunks_of(&j, 1)) return 0;
    return MOST_SPLITS * j.plan.outputs * (int64_t)sizeof(wide); /* any cost below 1 splits less, or as much */
}

#define BODY(kind) \
    static void body_##kind(void *j, int64_t chunk) { chunk_body(kind, j, chunk); }
BODY(SUM)
BODY(SUM_SQUARE)
BODY(SUM_ABS)
BODY(SUM_EXP)
BODY(NONZERO)
BODY(PROD)
BODY(MAX)
BODY(MIN)

#define REDUCTION(name, kind, set)                           \
    static void name(const ct_call *call) {                  \
        job j;                                               \
        job_start(&j, call);                                 \
        set;                                                 \
        reduce_run(kind, &j, 0.12, body_##kind, call->work); \
    }
#define QUICK_REDUCTION(name, kind, set, scale)              \
    static void name(const ct_call *call) {                  \
        if (reduce_small(kind, call, scale)) return;         \
        job j;                                               \
        job_start(&j, call);                                 \
        set;                                                 \
        reduce_run(kind, &j, 0.12, body_##kind, call->work); \
    }

/* ints: mask.  in: x.  out: y, with 1 on reduced axes */
QUICK_REDUCTION(sum, SUM, (void)0, 1)
QUICK_REDUCTION(mean, SUM, (j.scale = j.plan.count ? 1.0 / (double)j.plan.count : NAN), 1.0 / (double)call->in[0]->size)
QUICK_REDUCTION(sum_square, SUM_SQUARE, (void)0, 1)
QUICK_REDUCTION(sum_abs, SUM_ABS, (void)0, 1)
QUICK_REDUCTION(prod, PROD, (void)0, 1)
QUICK_REDUCTION(amax, MAX, (void)0, 1)
QUICK_REDUCTION(amin, MIN, (void)0, 1)
REDUCTION(count_nonzero, NONZERO, (void)0)
REDUCTION(any, NONZERO, (j.as_bool = 1))
REDUCTION(all, NONZERO, (j.as_bool = 2))

/* log(sum(exp(x))) = m + log(sum(exp(x - m))) with m = max(x), or 0 where that is infinite */
static void logsumexp(const ct_call *call) {
    job j;
    job_start(&j, call);
    real *y = call->out[0]->data;
    const int64_t n = j.plan.outputs;
    if (j.plan.count == 0) {
        for (int64_t i = 0; i < n; i++) y[i] = -REAL_INF;
        return;
    }
    reduce_run(MAX, &j, 0.12, body_MAX, call->work);
    char *work = call->work;
    real *shift = (real *)(work + round_up(MOST_SPLITS * n * (int64_t)sizeof(wide), 64));
    for (int64_t i = 0; i < n; i++) shift[i] = __builtin_isinf(y[i]) ? 0 : y[i];
    j.shift = shift;
    reduce_run(SUM_EXP, &j, 0.5, body_SUM_EXP, call->work);
    for (int64_t i = 0; i < n; i++) y[i] = shift[i] + (real)log((double)y[i]);
}
static int64_t logsumexp_work(const ct_call *call) {
    const int64_t n = call->out[0]->size;
    return round_up(MOST_SPLITS * n * (int64_t)sizeof(wide), 64) + n * (int64_t)sizeof(real);
}

static const ct_kernel rows[] = {
    {"sum", sum, reduce_work},
    {"mean", mean, reduce_work},
    {"sum_square", sum_square, reduce_work},
    {"sum_abs", sum_abs, reduce_work},
    {"prod", prod, reduce_work},
    {"amax", amax, reduce_work},
    {"amin", amin, reduce_work},
    {"count_nonzero", count_nonzero, reduce_work},
    {"any", any, reduce_work},
    {"all", all, reduce_work},
    {"logsumexp", logsumexp, logsumexp_work},
};
CT_KERNELS(reduce, rows);

/* sort.c: stable sorting and the k greatest along an axis, with indices. NaN counts as the greatest, as in PyTorch.
 * The compilation for double also serves int64, whose elements it moves as they are and whose keys it makes otherwise.
 *
 * Reals become unsigned integers of the same order, sorted by digits of 8 bits from the lowest up (a radix sort); short
 * rows by insertion. */
#include "../include/kernel.h"
#include "../include/par.h"
#include "../include/strided.h"

#include <string.h>

enum { SHORT = 48, FEW = 32, MOST_CHUNKS = 8 };

typedef struct {
    uint_real key;
    int_real at;
} item;

typedef struct {
    const ct_array *x;
    real *value;
    int64_t *index;
    int64_t outer, n, inner, k, chunks;
    int axis, descending, whole;
    dims rows;  /* all dimensions but the axis */
    item *work; /* (chunks, 2, n) */
} job;

/* Bits whose unsigned order is the order of the numbers: -0 equals 0, NaN is the last. `p` points to a real, or to an
 * int64 when `whole`. */
CT_INLINE uint_real key_of(const real *p, int whole, int descending) {
    const int top = (int)sizeof(real) * 8 - 1;
    uint_real u;
    memcpy(&u, p, sizeof u);
    if (whole) {
        u ^= (uint_real)1 << top;
    } else {
        real x = *p;
        if (x == 0) u = 0;
        u = x != x ? ~(uint_real)0 : u >> top ? ~u : u | (uint_real)1 << top;
    }
    return descending ? ~u : u;
}

static void insertion(item *a, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        const item x = a[i];
        int64_t j = i;
        for (; j > 0 && a[j - 1].key > x.key; j--) a[j] = a[j - 1];
        a[j] = x;
    }
}

/* Sorted items: in a, or in b. */
static item *radix(item *a, item *b, int64_t n) {
    enum { DIGITS = sizeof(real) };
    int64_t count[DIGITS][256];
    memset(count, 0, sizeof count);
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++) count[d][a[i].key >> (8 * d) & 255]++;
    for (int d = 0; d < DIGITS; d++) {
        if (count[d][a[0].key >> (8 * d) & 255] == n) continue; /* all alike */
        int64_t at = 0;
        for (int v = 0; v < 256; v++) {
            const int64_t c = count[d][v];
            count[d][v] = at, at += c;
        }
        for (int64_t i = 0; i < n; i++) b[count[d][a[i].key >> (8 * d) & 255]++] = a[i];
        item *t = a;
        a = b, b = t;
    }
    return a;
}

/* The k first of the row in order, by insertion into a list of k. */
static void first_few(item *best, int64_t k, const real *x, int64_t n, int64_t stride, int whole, int descending) {
    int64_t have = 0;
    for (int64_t i = 0; i < n; i++) {
        const item it = {key_of(x + i * stride, whole, descending), (int_real)i};
        if (have == k && it.key >= best[k - 1].key) continue;
        int64_t j = have < k ? have++ : k - 1;
        for (; j > 0 && best[j - 1].key > it.key; j--) best[j] = best[j - 1];
        best[j] = it;
    }
}

static void chunk_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const int64_t n = j->n, k = j->k, stride = j->x->ndim ? j->x->stride[j->axis] : 1;
    item *a = j->work + 2 * n * chunk, *b = a + n, few[FEW];
    par_range r = par_chunk(j->outer * j->inner, j->chunks, chunk, 1);
    for (int64_t row = r.begin; row < r.end; row++) {
        const real *x = (const real *)j->x->data + dims_at(&j->rows, row, NULL);
        const item *sorted = few;
        if (k < n && k <= FEW) {
            first_few(few, k, x, n, stride, j->whole, j->descending);
        } else {
            for (int64_t i = 0; i < n; i++) a[i] = (item){key_of(x + i * stride, j->whole, j->descending), (int_real)i};
            if (n <= SHORT) insertion(a, n), sorted = a;
            else sorted = radix(a, b, n);
        }
        const int64_t to = row / j->inner * k * j->inner + row % j->inner;
        for (int64_t i = 0; i < k; i++) {
            memcpy(&j->value[to + i * j->inner], &x[sorted[i].at * stride], sizeof(real));
            j->index[to + i * j->inner] = sorted[i].at;
        }
    }
}

static void job_start(job *j, const ct_call *call, int axis, int64_t k, int descending) {
    const ct_array *x = call->in[0];
    j->x = x, j->axis = axis, j->descending = descending, j->whole = x->dtype == CT_INT64;
    j->n = x->ndim ? x->shape[axis] : 1, j->k = k < 0 ? j->n : k, j->outer = j->inner = 1, j->rows.n = 0;
    for (int i = 0; i < x->ndim; i++) {
        if (i == axis) continue;
        *(i < axis ? &j->outer : &j->inner) *= x->shape[i];
        dims_push(&j->rows, x->shape[i], x->stride[i], 0);
    }
    const double digits = j->n <= SHORT ? 3 : 4 * sizeof(real);
    j->chunks =
        i64_min(par_count(j->outer * j->inner, digits * (double)j->n, MOST_CHUNKS), i64_max(1, j->outer * j->inner));
}
static int64_t bytes(const job *j) {
    return j->k < j->n && j->k <= FEW ? 0 : j->chunks * 2 * j->n * (int64_t)sizeof(item);
}
static void run(job *j, const ct_call *call) {
    if (call->out[0]->size == 0) return;
    j->value = call->out[0]->data, j->index = call->out[1]->data, j->work = call->work;
    if (j->chunks == 1) chunk_body(j, 0);
    else par_for(j->chunks, chunk_body, j);
}

/* ints: axis, descending.  in: x.  out: values, indices; equals keep their order */
static void sort(const ct_call *call) {
    job j;
    job_start(&j, call, (int)call->ints[0], -1, (int)call->ints[1]);
    run(&j, call);
}
static int64_t sort_work(const ct_call *call) {
    job j;
    job_start(&j, call, (int)call->ints[0], -1, 0);
    return bytes(&j);
}
/* ints: k, axis, largest, sorted (always is).  out: values, indices, (outer, k, inner) */
static void topk(const ct_call *call) {
    job j;
    job_start(&j, call, (int)call->ints[1], call->ints[0], (int)call->ints[2]);
    run(&j, call);
}
static int64_t topk_work(const ct_call *call) {
    job j;
    job_start(&j, call, (int)call->ints[1], call->ints[0], 0);
    return bytes(&j);
}

/* ---- one rank of each row -----------------------------------------------------------------------------------------
 */

/* The key of rank k (from 0) among n keys, which it rearranges: Hoare's selection with the median of three. */
static uint_real select_key(uint_real *a, int64_t n, int64_t k) {
    int64_t low = 0, high = n - 1;
    while (high - low > 8) {
        const uint_real x = a[low], y = a[low + (high - low) / 2], z = a[high];
        const uint_real pivot = x < y ? (y < z ? y : x < z ? z : x) : (x < z ? x : y < z ? z : y);
        int64_t i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot) i++;
            while (a[j] > pivot) j--;
            if (i > j) break;
            const uint_real t = a[i];
            a[i++] = a[j], a[j--] = t;
        }
        if (k <= j) high = j;
        else if (k >= i) low = i;
        else return pivot;
    }
    for (int64_t i = low + 1; i <= high; i++) {
        const uint_real x = a[i];
        int64_t j = i;
        for (; j > low && a[j - 1] > x; j--) a[j] = a[j - 1];
        a[j] = x;
    }
    return a[k];
}

enum { RANK_MEDIAN = -1, RANK_NANMEDIAN = -2 };

static void rank_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    const int64_t n = j->n, stride = j->x->ndim ? j->x->stride[j->axis] : 1;
    uint_real *keys = (uint_real *)(void *)(j->work + 2 * n * chunk);
    par_range r = par_chunk(j->outer * j->inner, j->chunks, chunk, 1);
    for (int64_t row = r.begin; row < r.end; row++) {
        const real *x = (const real *)j->x->data + dims_at(&j->rows, row, NULL);
        int64_t numbers = 0, rank = j->k;
        for (int64_t i = 0; i < n; i++) {
            keys[i] = key_of(x + i * stride, j->whole, 0);
            numbers += j->whole || keys[i] != ~(uint_real)0;
        }
        if (rank == RANK_MEDIAN) rank = numbers == n ? (n - 1) / 2 : numbers; /* NaN if there is one */
        if (rank == RANK_NANMEDIAN) rank = numbers ? (numbers - 1) / 2 : 0;
        const uint_real found = select_key(keys, n, rank);
        int64_t below = 0, at = 0;
        for (int64_t i = 0; i < n; i++) below += key_of(x + i * stride, j->whole, 0) < found;
        for (int64_t left = rank - below; at < n; at++) /* equals keep their order */
            if (key_of(x + at * stride, j->whole, 0) == found && left-- == 0) break;
        const int64_t to = row;
        memcpy(&j->value[to], &x[at * stride], sizeof(real));
        j->index[to] = at;
    }
}

/* ints: axis, rank (or -1: the lower median, NaN if there is one; -2: that of the numbers).  out: values, indices,
 * without the axis, as (outer, inner) */
static void kth(const ct_call *call) {
    job j;
    job_start(&j, call, (int)call->ints[0], -1, 0);
    j.k = call->ints[1];
    if (call->out[0]->size == 0) return;
    j.value = call->out[0]->data, j.index = call->out[1]->data, j.work = call->work;
    if (j.chunks == 1) rank_body(&j, 0);
    else par_for(j.chunks, rank_body, &j);
}

static const ct_kernel rows[] = {{"sort", sort, sort_work}, {"topk", topk, topk_work}, {"kth", kth, sort_work}};
CT_KERNELS(sort, rows);

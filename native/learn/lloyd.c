/* lloyd.c: k-means (Lloyd 1982), its start (Arthur and Vassilvitskii 2007, greedy) and Elkan's bounds (2003). */
#include "../include/learn/lloyd.h"

#include "../include/learn/accumulate.h"
#include "../include/learn/panel.h"
#include "../include/par.h"

#define CHUNKS 64

/* Rows are cut into at most CHUNKS chunks, and into fewer where a sum of each cluster for each chunk would outgrow the
 * data.  The cut depends on n and k alone. */
static int64_t chunk_count(int64_t n, int64_t k) {
    int64_t c = i64_min(CHUNKS, ceil_div(n, 256));
    return i64_max(1, i64_min(c, i64_max(2, n / (4 * k))));
}

static int64_t seed_chunks(int64_t n) { return i64_max(1, i64_min(CHUNKS, ceil_div(n, 512))); }

static int64_t assign_work(int64_t n, int64_t d, int64_t k) {
    int64_t chunks = chunk_count(n, k);
    int64_t packed = i64_max(panel_size(k, d), 2 * k) + panel_count(k) * PANEL_WIDTH;
    return (int64_t)sizeof(real) * (packed + 64) + chunks * (k * d + k) * (int64_t)sizeof(real) + 256;
}

typedef struct {
    const lloyd_rows *X;
    const real *weight, *centers;
    int32_t *labels;
    real *packed; /* (panels, d, PANEL_WIDTH) */
    real *bias;   /* (panels, PANEL_WIDTH): -|c|^2 / 2, and -inf where there is no centre */
    real *sums;   /* (chunks, k, d) or NULL */
    real *counts; /* (chunks, k) */
    int64_t k, chunks;
    /* Elkan */
    real *upper, *lower;
    const real *half, *next;
    const double *c_norms;
} assign_ctx;

static void pack_centers(const real *centers, int64_t k, int64_t d, real *packed, real *bias) {
    for (int64_t p = 0; p < panel_count(k); p++) panel_pack(k, d, centers, d, p, packed + p * d * PANEL_WIDTH);
    for (int64_t j = 0; j < panel_count(k) * PANEL_WIDTH; j++)
        bias[j] = j < k ? -row_dot(d, centers + j * d, centers + j * d) / 2 : -REAL_INF;
}

/* The nearest centre maximises x.c - |c|^2 / 2: the accumulators start at the second term, one comparison follows. */
CT_INLINE void nearest_panel(int nv, int64_t d, const real *const x[PANEL_ROWS], const real *panel, const real *bias,
                             int64_t base, vreal best[PANEL_ROWS], vint where[PANEL_ROWS]) {
    panel_acc acc;
#pragma GCC unroll 8
    for (int r = 0; r < PANEL_ROWS; r++)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) acc.at[r][v] = v_load(bias + v * VL);
    panel_dot(nv, d, x, 1, panel, PANEL_WIDTH, &acc);
    vint lanes = v_lanes() + (int_real)base;
#pragma GCC unroll 8
    for (int r = 0; r < PANEL_ROWS; r++)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) {
            vmask more = acc.at[r][v] > best[r];
            best[r] = v_blend(more, acc.at[r][v], best[r]);
            where[r] = v_blend_int(more, lanes + (int_real)(v * VL), where[r]);
        }
}

static void nearest(const assign_ctx *s, int64_t d, const real *const x[PANEL_ROWS], int64_t label[PANEL_ROWS]) {
    vreal best[PANEL_ROWS];
    vint where[PANEL_ROWS];
    for (int r = 0; r < PANEL_ROWS; r++) best[r] = v_set1(-REAL_INF), where[r] = (vint){0};
    for (int64_t p = 0; p < panel_count(s->k); p++) {
        const real *panel = s->packed + p * d * PANEL_WIDTH, *bias = s->bias + p * PANEL_WIDTH;
        int64_t base = p * PANEL_WIDTH;
        switch (panel_vecs(s->k, p)) {
        case 1: nearest_panel(1, d, x, panel, bias, base, best, where); break;
        case 2: nearest_panel(2, d, x, panel, bias, base, best, where); break;
#if PANEL_VECS == 4
        case 3: nearest_panel(3, d, x, panel, bias, base, best, where); break;
        default: nearest_panel(4, d, x, panel, bias, base, best, where);
#endif
        }
    }
    for (int r = 0; r < PANEL_ROWS; r++) {
        real value;
        label[r] = v_argmax(best[r], where[r], &value);
    }
}

/* sum += w * x */
CT_INLINE void add_row(int64_t d, real *sum, real w, const real *x) {
    vreal wv = v_set1(w);
    int64_t k = 0;
    for (; k + VL <= d; k += VL) v_store(sum + k, v_fma(wv, v_load(x + k), v_load(sum + k)));
    if (k < d) v_store_part(sum + k, v_fma(wv, v_load_part(x + k, d - k), v_load_part(sum + k, d - k)), d - k);
}

static void zero_chunk(const assign_ctx *s, int64_t chunk) {
    int64_t d = s->X->d;
    if (!s->sums) return;
    for (int64_t i = 0; i < s->k * d; i++) s->sums[chunk * s->k * d + i] = 0;
    for (int64_t i = 0; i < s->k; i++) s->counts[chunk * s->k + i] = 0;
}

static void add_sample(const assign_ctx *s, int64_t chunk, int64_t i, int64_t label) {
    const lloyd_rows *X = s->X;
    real w = s->weight ? s->weight[i] : 1;
    real *sum = s->sums + (chunk * s->k + label) * X->d;
    s->counts[chunk * s->k + label] += w;
    if (!X->indices) add_row(X->d, sum, w, X->data + i * X->d);
    else
        for (int32_t p = X->indptr[i]; p < X->indptr[i + 1]; p++) sum[X->indices[p]] += w * X->data[p];
}

static void assign_dense(void *arg, int64_t chunk) {
    const assign_ctx *s = arg;
    int64_t d = s->X->d;
    par_range rows = par_chunk(s->X->n, s->chunks, chunk, PANEL_ROWS);
    zero_chunk(s, chunk);
    for (int64_t i = rows.begin; i < rows.end; i += PANEL_ROWS) {
        const real *x[PANEL_ROWS];
        int64_t label[PANEL_ROWS];
        int count = panel_rows(s->X->n, s->X->data, d, i, x);
        nearest(s, d, x, label);
        for (int r = 0; r < count; r++) {
            s->labels[i + r] = (int32_t)label[r];
            if (s->sums) add_sample(s, chunk, i + r, label[r]);
        }
    }
}

static void assign_csr(void *arg, int64_t chunk) {
    const assign_ctx *s = arg;
    const lloyd_rows *X = s->X;
    int64_t d = X->d;
    par_range rows = par_chunk(X->n, s->chunks, chunk, 1);
    zero_chunk(s, chunk);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        vreal best = v_set1(-REAL_INF);
        vint where = {0};
        for (int64_t p = 0; p < panel_count(s->k); p++) {
            vreal a[PANEL_VECS];
            for (int v = 0; v < PANEL_VECS; v++) a[v] = v_load(s->bias + p * PANEL_WIDTH + v * VL);
            const real *panel = s->packed + p * d * PANEL_WIDTH;
            for (int32_t q = X->indptr[i]; q < X->indptr[i + 1]; q++) {
                const real *b = panel + (int64_t)X->indices[q] * PANEL_WIDTH;
                vreal x = v_set1(X->data[q]);
                for (int v = 0; v < PANEL_VECS; v++) a[v] = v_fma(x, v_load(b + v * VL), a[v]);
            }
            for (int v = 0; v < PANEL_VECS; v++) {
                vmask more = a[v] > best;
                best = v_blend(more, a[v], best);
                where = v_blend_int(more, v_lanes() + (int_real)(p * PANEL_WIDTH + v * VL), where);
            }
        }
        real value;
        int64_t label = v_argmax(best, where, &value);
        s->labels[i] = (int32_t)label;
        if (s->sums) add_sample(s, chunk, i, label);
    }
}

static void carve(assign_ctx *s, const lloyd_rows *X, int64_t k, int with_sums, void *work) {
    s->X = X, s->k = k, s->chunks = chunk_count(X->n, k);
    s->packed = work;
    s->bias = s->packed + i64_max(panel_size(k, X->d), 2 * k); /* Elkan keeps k doubles in place of the panels */
    s->sums = with_sums ? s->bias + round_up(panel_count(k) * PANEL_WIDTH, 64) : NULL;
    s->counts = with_sums ? s->sums + s->chunks * k * X->d : NULL;
}

static void add_chunks(const assign_ctx *s, double *sums, double *weights) {
    int64_t size = s->k * s->X->d;
    for (int64_t i = 0; i < size; i++) sums[i] = 0;
    for (int64_t i = 0; i < s->k; i++) weights[i] = 0;
    for (int64_t c = 0; c < s->chunks; c++) {
        for (int64_t i = 0; i < size; i++) sums[i] += (double)s->sums[c * size + i];
        for (int64_t i = 0; i < s->k; i++) weights[i] += (double)s->counts[c * s->k + i];
    }
}

static void assign(int32_t *labels, double *sums, double *weights, const lloyd_rows *X, const real *sample_weight,
                   const real *centers, int64_t k, void *work) {
    assign_ctx s = {.weight = sample_weight, .centers = centers, .labels = labels};
    carve(&s, X, k, sums != NULL, work);
    pack_centers(centers, k, X->d, s.packed, s.bias);
    par_for(s.chunks, X->indices ? assign_csr : assign_dense, &s);
    if (sums) add_chunks(&s, sums, weights);
}

/* ---- squared norms and inertia ---- */

typedef struct {
    const lloyd_rows *X;
    const real *weight, *centers;
    const int32_t *labels;
    real *out;
    double *partial;
    const double *c_norms;
    int64_t only, chunks;
} inertia_ctx;

static void norms_chunk(void *arg, int64_t chunk) {
    const inertia_ctx *s = arg;
    const lloyd_rows *X = s->X;
    par_range rows = par_chunk(X->n, s->chunks, chunk, 1);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        const real *x = X->indices ? X->data + X->indptr[i] : X->data + i * X->d;
        int64_t m = X->indices ? X->indptr[i + 1] - X->indptr[i] : X->d;
        s->out[i] = row_dot(m, x, x);
    }
}

static void norms(const lloyd_rows *X, real *out) {
    inertia_ctx s = {.X = X, .out = out, .chunks = i64_min(CHUNKS, ceil_div(X->n, 1024))};
    par_for(s.chunks, norms_chunk, &s);
}

/* |x - c|^2 of a sparse row: |c|^2 with the differences at its non-zeros in place of c's own squares there */
static double csr_sqdist(const lloyd_rows *X, int64_t i, const real *c, double c_norm) {
    double sum = c_norm;
    for (int32_t p = X->indptr[i]; p < X->indptr[i + 1]; p++) {
        double x = (double)X->data[p], y = (double)c[X->indices[p]];
        sum += x * (x - 2 * y);
    }
    return sum > 0 ? sum : 0;
}

static real distance_to(const lloyd_rows *X, int64_t i, const real *centers, const double *c_norms, int64_t j) {
    const real *c = centers + j * X->d;
    return X->indices ? (real)csr_sqdist(X, i, c, c_norms[j]) : row_sqdist(X->d, X->data + i * X->d, c);
}

static void center_norms(const lloyd_rows *X, const real *centers, int64_t k, double *c_norms /* (k) */) {
    if (!X->indices) return;
    for (int64_t j = 0; j < k; j++) {
        const real *c = centers + j * X->d;
        double sum = 0;
        for (int64_t i = 0; i < X->d; i++) sum += (double)c[i] * (double)c[i];
        c_norms[j] = sum;
    }
}

static void inertia_chunk(void *arg, int64_t chunk) {
    const inertia_ctx *s = arg;
    par_range rows = par_chunk(s->X->n, s->chunks, chunk, 1);
    double sum = 0;
    for (int64_t i = rows.begin; i < rows.end; i++) {
        if (s->only >= 0 && s->labels[i] != s->only) continue;
        real e = distance_to(s->X, i, s->centers, s->c_norms, s->labels[i]);
        if (s->out) s->out[i] = e;
        sum += (double)e * (s->weight ? (double)s->weight[i] : 1.0);
    }
    s->partial[chunk] = sum;
}

static double inertia(real *distances, const lloyd_rows *X, const real *sample_weight, const real *centers, int64_t k,
                      const int32_t *labels, int64_t only, double *partial) {
    inertia_ctx s = {X,
                     sample_weight,
                     centers,
                     labels,
                     distances,
                     partial,
                     partial + CHUNKS,
                     only,
                     i64_min(CHUNKS, ceil_div(X->n, 1024))};
    center_norms(X, centers, k, partial + CHUNKS);
    par_for(s.chunks, inertia_chunk, &s);
    double sum = 0;
    for (int64_t c = 0; c < s.chunks; c++) sum += partial[c];
    return sum;
}

/* ---- centring ---- */

typedef struct {
    real *out;
    const real *X, *mean;
    double *partial;
    int64_t n, d, chunks;
    double sign;
} center_ctx;

static void column_sums_chunk(void *arg, int64_t chunk) {
    const center_ctx *s = arg;
    par_range rows = par_chunk(s->n, s->chunks, chunk, 1);
    double *sum = s->partial + chunk * s->d;
    for (int64_t j = 0; j < s->d; j++) sum[j] = 0;
    for (int64_t i = rows.begin; i < rows.end; i++)
        for (int64_t j = 0; j < s->d; j++) sum[j] += (double)s->X[i * s->d + j];
}

static void column_means(double *mean, const real *X, int64_t n, int64_t d, double *partial) {
    center_ctx s = {.X = X, .partial = partial, .n = n, .d = d, .chunks = seed_chunks(n)};
    par_for(s.chunks, column_sums_chunk, &s);
    for (int64_t j = 0; j < d; j++) {
        mean[j] = 0;
        for (int64_t c = 0; c < s.chunks; c++) mean[j] += partial[c * d + j];
        mean[j] /= (double)n;
    }
}

static void shift_rows_chunk(void *arg, int64_t chunk) {
    const center_ctx *s = arg;
    par_range rows = par_chunk(s->n, s->chunks, chunk, 1);
    real sign = (real)s->sign;
    for (int64_t i = rows.begin; i < rows.end; i++)
        for (int64_t j = 0; j < s->d; j++) s->out[i * s->d + j] = s->X[i * s->d + j] + sign * s->mean[j];
}

static void shift_rows(real *out, const real *X, const real *mean, double sign, int64_t n, int64_t d) {
    center_ctx s = {.out = out, .X = X, .mean = mean, .n = n, .d = d, .sign = sign, .chunks = seed_chunks(n)};
    par_for(s.chunks, shift_rows_chunk, &s);
}

/* ---- k-means++ ---- */

static int64_t seed_work(int64_t d, int64_t T) {
    return (int64_t)sizeof(real) * (panel_size(T + 1, d) + PANEL_WIDTH * panel_count(T + 1)) + 256;
}

typedef struct {
    const lloyd_rows *X;
    const real *weight;
    real *closest;
    double *potentials;
    const real *packed, *norm; /* of the centre and the candidates */
    int64_t columns, chunks;
    int first, backwards;
} seed_ctx;

/* Rows i ... i + count - 1 against the columns of one panel, given x.c.  Column 0 of all is the newest centre: it takes
 * part in the distance to the closest one before the candidates do.  The few rows are added up in reals first. */
CT_INLINE void seed_rows(const seed_ctx *s, int nv, int64_t i, int count, int64_t p, const panel_acc *acc,
                         double *potential) {
    vreal sum[PANEL_VECS];
    for (int v = 0; v < nv; v++) sum[v] = v_zero();
#pragma GCC unroll 8
    for (int r = 0; r < count; r++) {
        vreal norm = v_set1(s->X->norms[i + r]), e[PANEL_VECS];
        real near = s->first && p == 0 ? REAL_INF : s->closest[i + r];
        for (int v = 0; v < nv; v++)
            e[v] = v_max(v_fma(v_set1(-2), acc->at[r][v], norm + v_load(s->norm + p * PANEL_WIDTH + v * VL)), v_zero());
        if (p == 0) s->closest[i + r] = near = e[0][0] < near ? e[0][0] : near;
        for (int v = 0; v < nv; v++) {
            vreal closer = v_min(v_set1(near), e[v]);
            sum[v] += s->weight ? closer * v_set1(s->weight[i + r]) : closer;
        }
    }
    for (int v = 0; v < nv; v++) accumulate(potential + v * VL, sum[v]);
}

CT_INLINE void seed_dense(const seed_ctx *s, int nv, par_range rows, int64_t p, double *potential) {
    int64_t d = s->X->d;
    for (int64_t i = rows.begin; i < rows.end; i += PANEL_ROWS) {
        const real *x[PANEL_ROWS];
        int count = panel_rows(s->X->n, s->X->data, d, i, x);
        panel_acc acc;
        for (int64_t b = 0; b < PANEL_ROWS * d; b += 64 / (int64_t)sizeof(real))
            CT_PREFETCH(x[0] + 6 * PANEL_ROWS * d + b);
        for (int r = 0; r < PANEL_ROWS; r++)
            for (int v = 0; v < nv; v++) acc.at[r][v] = v_zero();
        panel_dot(nv, d, x, 1, s->packed + p * d * PANEL_WIDTH, PANEL_WIDTH, &acc);
        if (CT_LIKELY(count == PANEL_ROWS)) seed_rows(s, nv, i, PANEL_ROWS, p, &acc, potential);
        else seed_rows(s, nv, i, count, p, &acc, potential);
    }
}

static void seed_csr(const seed_ctx *s, par_range rows, int64_t p, double *potential) {
    const lloyd_rows *X = s->X;
    for (int64_t i = rows.begin; i < rows.end; i++) {
        panel_acc acc = {0};
        for (int32_t q = X->indptr[i]; q < X->indptr[i + 1]; q++) {
            const real *b = s->packed + (p * X->d + X->indices[q]) * PANEL_WIDTH;
            for (int v = 0; v < PANEL_VECS; v++)
                acc.at[0][v] = v_fma(v_set1(X->data[q]), v_load(b + v * VL), acc.at[0][v]);
        }
        seed_rows(s, PANEL_VECS, i, 1, p, &acc, potential);
    }
}

static void seed_chunk(void *arg, int64_t chunk) {
    const seed_ctx *s = arg;
    if (s->backwards) chunk = s->chunks - 1 - chunk;
    par_range rows = par_chunk(s->X->n, s->chunks, chunk, PANEL_ROWS);
    for (int64_t p = 0; p < panel_count(s->columns); p++) {
        double potential[PANEL_VECS * VBYTES / sizeof(real)] = {
            0}; /* here, not in the shared array: no false sharing */
        if (s->X->indices) seed_csr(s, rows, p, potential);
        else if (panel_vecs(s->columns, p) == 1) seed_dense(s, 1, rows, p, potential);
        else seed_dense(s, PANEL_VECS, rows, p, potential);
        for (int64_t t = p * PANEL_WIDTH; t < i64_min(s->columns, (p + 1) * PANEL_WIDTH); t++)
            s->potentials[chunk * s->columns + t] = potential[t - p * PANEL_WIDTH];
    }
}

static void seed_pass(real *closest, double *potentials, const lloyd_rows *X, const real *sample_weight,
                      const real *centers, int64_t T, int first, int backwards, void *work) {
    int64_t columns = T + 1;
    real *packed = work, *norm = packed + panel_size(columns, X->d);
    for (int64_t p = 0; p < panel_count(columns); p++)
        panel_pack(columns, X->d, centers, X->d, p, packed + p * X->d * PANEL_WIDTH);
    for (int64_t t = 0; t < panel_count(columns) * PANEL_WIDTH; t++)
        norm[t] = t < columns ? row_dot(X->d, centers + t * X->d, centers + t * X->d) : 0;
    seed_ctx s = {X, sample_weight, closest, potentials, packed, norm, columns, seed_chunks(X->n), first, backwards};
    par_for(s.chunks, seed_chunk, &s);
}

static int64_t seed_search(const real *closest, const lloyd_rows *X, const real *sample_weight, const real *center,
                           const double *chunk_sums, double value) {
    int64_t chunks = seed_chunks(X->n), chunk = 0;
    double sum = 0;
    while (chunk < chunks - 1 && sum + chunk_sums[chunk] < value) sum += chunk_sums[chunk++];
    par_range rows = par_chunk(X->n, chunks, chunk, PANEL_ROWS);
    real norm = row_dot(X->d, center, center);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        real dot = 0;
        if (X->indices)
            for (int32_t q = X->indptr[i]; q < X->indptr[i + 1]; q++) dot += X->data[q] * center[X->indices[q]];
        else dot = row_dot(X->d, X->data + i * X->d, center);
        real e = s_fma(-2, dot, X->norms[i] + norm);
        e = e > 0 ? e : 0;
        e = closest[i] < e ? closest[i] : e;
        sum += (double)e * (sample_weight ? (double)sample_weight[i] : 1.0);
        if (sum >= value) return i;
    }
    return i64_min(rows.end, X->n) - 1;
}

/* ---- Elkan ---- */

static void elkan_start_chunk(void *arg, int64_t chunk) {
    const assign_ctx *s = arg;
    const lloyd_rows *X = s->X;
    int64_t k = s->k;
    par_range rows = par_chunk(X->n, s->chunks, chunk, 1);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        real *low = s->lower + i * k, best;
        int64_t label = 0;
        for (int64_t j = 0; j < k; j++) low[j] = 0;
        low[0] = best = (real)__builtin_sqrt((double)distance_to(X, i, s->centers, s->c_norms, 0));
        for (int64_t j = 1; j < k; j++) {
            if (best <= s->half[label * k + j]) continue; /* c_j is too far from the own centre to be nearer */
            low[j] = (real)__builtin_sqrt((double)distance_to(X, i, s->centers, s->c_norms, j));
            if (low[j] < best) best = low[j], label = j;
        }
        s->labels[i] = (int32_t)label;
        s->upper[i] = best;
    }
}

static void elkan_start(int32_t *labels, real *upper, real *lower, const lloyd_rows *X, const real *centers,
                        const real *half, int64_t k, void *work) {
    center_norms(X, centers, k, work);
    assign_ctx s = {.X = X,
                    .centers = centers,
                    .labels = labels,
                    .upper = upper,
                    .lower = lower,
                    .half = half,
                    .c_norms = work,
                    .k = k,
                    .chunks = chunk_count(X->n, k)};
    par_for(s.chunks, elkan_start_chunk, &s);
}

static void elkan_chunk(void *arg, int64_t chunk) {
    const assign_ctx *s = arg;
    const lloyd_rows *X = s->X;
    int64_t k = s->k;
    par_range rows = par_chunk(X->n, s->chunks, chunk, 1);
    zero_chunk(s, chunk);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        real up = s->upper[i], *low = s->lower + i * k;
        int64_t label = s->labels[i];
        int tight = 0;
        if (s->next[label] < up)
            for (int64_t j = 0; j < k; j++) {
                if (j == label || up <= low[j] || up <= s->half[label * k + j]) continue;
                if (!tight) {
                    up = (real)__builtin_sqrt((double)distance_to(X, i, s->centers, s->c_norms, label));
                    low[label] = up, tight = 1;
                    if (up <= low[j] || up <= s->half[label * k + j]) continue;
                }
                real e = (real)__builtin_sqrt((double)distance_to(X, i, s->centers, s->c_norms, j));
                low[j] = e;
                if (e < up) label = j, up = e;
            }
        s->labels[i] = (int32_t)label;
        s->upper[i] = up;
        if (s->sums) add_sample(s, chunk, i, label);
    }
}

static void elkan_assign(int32_t *labels, real *upper, real *lower, double *sums, double *weights, const lloyd_rows *X,
                         const real *sample_weight, const real *centers, const real *half, const real *next, int64_t k,
                         void *work) {
    assign_ctx s = {.weight = sample_weight,
                    .centers = centers,
                    .labels = labels,
                    .upper = upper,
                    .lower = lower,
                    .half = half,
                    .next = next};
    carve(&s, X, k, sums != NULL, work);
    s.c_norms = work; /* no packed centres here */
    center_norms(X, centers, k, work);
    par_for(s.chunks, elkan_chunk, &s);
    if (sums) add_chunks(&s, sums, weights);
}

typedef struct {
    real *upper, *lower;
    const int32_t *labels;
    const real *shift;
    int64_t n, k, chunks;
} shift_ctx;

static void shift_chunk(void *arg, int64_t chunk) {
    const shift_ctx *s = arg;
    par_range rows = par_chunk(s->n, s->chunks, chunk, 1);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        s->upper[i] += s->shift[s->labels[i]];
        real *low = s->lower + i * s->k;
        for (int64_t j = 0; j < s->k; j++) {
            real b = low[j] - s->shift[j];
            low[j] = b > 0 ? b : 0;
        }
    }
}

static void elkan_shift(real *upper, real *lower, const int32_t *labels, const real *shift, int64_t n, int64_t k) {
    shift_ctx s = {upper, lower, labels, shift, n, k, i64_max(1, i64_min(CHUNKS, n * k / 16384))};
    par_for(s.chunks, shift_chunk, &s);
}

extern const ct_lloyd_api CT_NAME(ct_lloyd);
const ct_lloyd_api CT_NAME(ct_lloyd) = {
    assign_work, norms,       assign,       inertia,     seed_chunks,  seed_work,  seed_pass,
    seed_search, elkan_start, elkan_assign, elkan_shift, column_means, shift_rows,
};

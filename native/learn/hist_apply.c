/* hist_apply.c: values to bins, and rows through the trees of gradient boosting. See hist.h. */
#include <string.h>

#include "../include/learn/hist.h"
#include "../include/par.h"
#include "../include/real.h"

#define ROW_CHUNK 1024
#define WALK 8 /* rows that walk a tree together */

typedef struct {
    const real *X;
    int64_t n, features, row_stride, col_stride;
    const double *thresholds;
    const int64_t *first;
    const uint8_t *categorical;
    int32_t missing_bin;
    uint8_t *bins, *missing;
} bin_job;

/* The number of thresholds below x: a branch-free binary search over a table padded with infinity to 256. */
static void bin_column(const bin_job *j, int64_t f, int64_t begin, int64_t end) {
    uint8_t *out = j->bins + (f / HIST_GROUP * j->n) * HIST_GROUP + f % HIST_GROUP;
    const real *x = j->X + f * j->col_stride;
    uint8_t gone = 0, missing_bin = (uint8_t)j->missing_bin;
    if (j->categorical[f]) {
        for (int64_t i = begin; i < end; i++) {
            real v = x[i * j->row_stride];
            int absent = !(v >= 0 && v < missing_bin);
            gone |= (uint8_t)absent;
            out[i * HIST_GROUP] = absent ? missing_bin : (uint8_t)v;
        }
    } else {
        double table[HIST_BINS];
        int64_t count = j->first[f + 1] - j->first[f];
        for (int64_t b = 0; b < HIST_BINS; b++) table[b] = b < count ? j->thresholds[j->first[f] + b] : __builtin_inf();
        for (int64_t b = begin; b < end; b += 64) {
            int64_t m = i64_min(64, end - b);
            double v[64];
            int64_t at[64];
            for (int64_t i = 0; i < m; i++) v[i] = (double)x[(b + i) * j->row_stride];
            for (int64_t i = 0; i < m; i++) at[i] = 0;
            for (int64_t step = 128; step > 0; step /= 2)
                for (int64_t i = 0; i < m; i++) at[i] += table[at[i] + step - 1] < v[i] ? step : 0;
            for (int64_t i = 0; i < m; i++) {
                int absent = v[i] != v[i];
                gone |= (uint8_t)absent;
                out[(b + i) * HIST_GROUP] = absent ? missing_bin : (uint8_t)at[i];
            }
        }
    }
    if (gone) __atomic_store_n(&j->missing[f], 1, __ATOMIC_RELAXED);
}

static void bin_body(void *ctx, int64_t chunk) {
    const bin_job *j = ctx;
    int64_t begin = chunk * ROW_CHUNK, end = i64_min(j->n, begin + ROW_CHUNK);
    for (int64_t f = 0; f < j->features; f++) bin_column(j, f, begin, end);
    for (int64_t f = j->features; f % HIST_GROUP; f++) { /* columns that fill the last group */
        uint8_t *out = j->bins + (f / HIST_GROUP * j->n) * HIST_GROUP + f % HIST_GROUP;
        for (int64_t i = begin; i < end; i++) out[i * HIST_GROUP] = 0;
    }
}

static void bin(const void *X, int64_t n, int64_t features, int64_t row_stride, int64_t col_stride,
                const double *thresholds, const int64_t *first, const uint8_t *categorical, int32_t missing_bin,
                uint8_t *bins, uint8_t *missing) {
    bin_job j = {X, n, features, row_stride, col_stride, thresholds, first, categorical, missing_bin, bins, missing};
    memset(missing, 0, (size_t)features);
    int64_t chunks = (n + ROW_CHUNK - 1) / ROW_CHUNK;
    if (n * features > 4 * PAR_GRAIN) ct_par_for(chunks, bin_body, &j);
    else
        for (int64_t c = 0; c < chunks; c++) bin_body(&j, c);
}

/* ---- prediction ---- */

typedef struct {
    const hist_step *steps;
    const int64_t *root;
    const uint32_t *cats;
    const real *X;
    int64_t trees, rows, row_stride, col_stride, outputs;
    double *raw;
} walk_job;

CT_INLINE int32_t step_down(const walk_job *j, int32_t at, const real *x) {
    const hist_step *s = j->steps + at;
    double v = (double)x[(s->feature & HIST_FEATURE) * j->col_stride];
    int right = !(v <= s->value);
    if (CT_UNLIKELY((s->feature & HIST_CATEGORICAL) != 0)) {
        int64_t code = v >= 0 && v < HIST_BINS ? (int64_t)v : -1;
        right = code < 0 || !(j->cats[(int64_t)s->value * 8 + (code >> 5)] >> (code & 31) & 1);
        if (code < 0) right = !(s->feature & HIST_MISSING_LEFT);
    } else if (CT_UNLIKELY(v != v)) right = !(s->feature & HIST_MISSING_LEFT);
    return s->left + right;
}

static void walk_body(void *ctx, int64_t chunk) {
    const walk_job *j = ctx;
    int64_t begin = chunk * 64, end = i64_min(j->rows, begin + 64);
    for (int64_t t = 0; t < j->trees; t++) {
        double *raw = j->raw + t % j->outputs;
        for (int64_t i = begin; i < end; i += WALK) {
            int count = (int)i64_min(WALK, end - i), busy = 1;
            int32_t at[WALK];
            for (int k = 0; k < WALK; k++) at[k] = (int32_t)j->root[t];
            while (busy) {
                busy = 0;
                for (int k = 0; k < count; k++)
                    if (j->steps[at[k]].feature >= 0) {
                        at[k] = step_down(j, at[k], j->X + (i + k) * j->row_stride);
                        busy = 1;
                    }
            }
            for (int k = 0; k < count; k++) raw[(i + k) * j->outputs] += j->steps[at[k]].value;
        }
    }
}

static void predict(const hist_step *steps, const int64_t *root, int64_t trees, const uint32_t *cats, const void *X,
                    int64_t rows, int64_t row_stride, int64_t col_stride, int64_t outputs, double *raw) {
    walk_job j = {steps, root, cats, X, trees, rows, row_stride, col_stride, outputs, raw};
    int64_t chunks = (rows + 63) / 64;
    if (rows > 1 && rows * trees > 2048) ct_par_for(chunks, walk_body, &j);
    else
        for (int64_t c = 0; c < chunks; c++) walk_body(&j, c);
}

const ct_hist_apply_api CT_NAME(ct_hist_apply) = {bin, predict};

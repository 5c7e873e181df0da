/* tree_apply.c: rows through trees. See tree.h.
 *
 * Trees are laid out so that the children of a node are neighbours, and a step is a comparison and an addition.  Eight
 * rows walk a tree together, which hides the latency of each one's loads.
 */
#include "../include/learn/tree.h"
#include "../include/par.h"
#include "../include/real.h"

#include <string.h>

#if CT_REAL_DOUBLE
const ct_tree_apply_api CT_NAME(ct_tree_apply) = {0};
#else

#define ROWS 8       /* rows that walk together */
#define ROW_BLOCK 64 /* rows of one chunk; a tree stays in cache for all of them */

/* Right of a set of categories, or where missing values go. */
CT_NOINLINE int outside(const tree_step *s, const tree_set *sets, float v) {
    int32_t set;
    memcpy(&set, &s->threshold, sizeof set);
    if (!(v >= 0 && v < TREE_CATEGORIES && v == (float)(int)v)) return !(s->feature & TREE_MISSING_LEFT);
    uint32_t c = (uint32_t)v;
    return !(sets[set].at[c / 32] >> c % 32 & 1);
}

CT_INLINE int32_t step_down(const tree_step *steps, const tree_set *sets, int32_t at, const float *x,
                            int64_t col_stride) {
    const tree_step *s = steps + at;
    float v = x[(s->feature & ~(TREE_MISSING_LEFT | TREE_CATEGORICAL)) * col_stride];
    int right = !(v <= s->threshold);
    if (CT_UNLIKELY(v != v)) right = !(s->feature & TREE_MISSING_LEFT);
    else if (CT_UNLIKELY(s->feature & TREE_CATEGORICAL)) right = outside(s, sets, v);
    return s->left + right;
}

CT_INLINE int32_t walk(const tree_step *steps, const tree_set *sets, int64_t root, const float *x, int64_t col_stride) {
    int32_t at = (int32_t)root;
    while (steps[at].feature >= 0) at = step_down(steps, sets, at, x, col_stride);
    return steps[at].left;
}

static void walk_together(const tree_step *steps, const tree_set *sets, int64_t root, const float *x,
                          int64_t row_stride, int64_t col_stride, int32_t *leaf) {
    int32_t at[ROWS];
    for (int i = 0; i < ROWS; i++) at[i] = (int32_t)root;
    int busy = 1;
    while (busy) {
        busy = 0;
        for (int i = 0; i < ROWS; i++)
            if (steps[at[i]].feature >= 0) {
                at[i] = step_down(steps, sets, at[i], x + i * row_stride, col_stride);
                busy = 1;
            }
    }
    for (int i = 0; i < ROWS; i++) leaf[i] = steps[at[i]].left;
}

typedef struct {
    const tree_step *steps;
    const tree_set *sets;
    const int64_t *root;
    const double *value;
    const float *X;
    int64_t trees, width, rows, row_stride, col_stride, chunks;
    double scale, *out;
    int64_t *leaf;
} job;

static void walk_block(const job *j, int64_t tree, par_range r, int32_t *leaf) {
    int64_t i = r.begin;
    for (; i + ROWS <= r.end; i += ROWS)
        walk_together(j->steps, j->sets, j->root[tree], j->X + i * j->row_stride, j->row_stride, j->col_stride,
                      leaf + (i - r.begin));
    for (; i < r.end; i++)
        leaf[i - r.begin] = walk(j->steps, j->sets, j->root[tree], j->X + i * j->row_stride, j->col_stride);
}

static void apply_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    par_range all = par_chunk(j->rows, j->chunks, chunk, ROWS);
    int32_t leaf[ROW_BLOCK];
    for (int64_t b = all.begin; b < all.end; b += ROW_BLOCK) {
        par_range r = {b, i64_min(all.end, b + ROW_BLOCK)};
        for (int64_t t = 0; t < j->trees; t++) {
            walk_block(j, t, r, leaf);
            for (int64_t i = r.begin; i < r.end; i++) j->leaf[i * j->trees + t] = leaf[i - r.begin];
        }
    }
}

static void predict_body(void *ctx, int64_t chunk) {
    const job *j = ctx;
    int64_t width = j->width;
    par_range all = par_chunk(j->rows, j->chunks, chunk, ROWS);
    int32_t leaf[ROW_BLOCK];
    for (int64_t b = all.begin; b < all.end; b += ROW_BLOCK) {
        par_range r = {b, i64_min(all.end, b + ROW_BLOCK)};
        double *out = j->out + r.begin * width;
        for (int64_t i = 0; i < (r.end - r.begin) * width; i++) out[i] = 0;
        for (int64_t t = 0; t < j->trees; t++) {
            walk_block(j, t, r, leaf);
            if (width == 1)
                for (int64_t i = 0; i < r.end - r.begin; i++) out[i] += j->value[leaf[i]];
            else
                for (int64_t i = 0; i < r.end - r.begin; i++) {
                    const double *v = j->value + (int64_t)leaf[i] * width;
                    for (int64_t k = 0; k < width; k++) out[i * width + k] += v[k];
                }
        }
        if (j->scale != 1)
            for (int64_t i = 0; i < (r.end - r.begin) * width; i++) out[i] /= j->scale;
    }
}

static void run(job *j, par_body body) {
    j->chunks = par_count(j->rows, 40.0 * (double)j->trees, 256);
    ct_par_for(j->chunks, body, j);
}

static void apply(const tree_step *steps, const tree_set *sets, const int64_t *root, int64_t trees, const float *X,
                  int64_t rows, int64_t row_stride, int64_t col_stride, int64_t *leaf) {
    job j = {.steps = steps,
             .sets = sets,
             .root = root,
             .trees = trees,
             .X = X,
             .rows = rows,
             .row_stride = row_stride,
             .col_stride = col_stride,
             .leaf = leaf};
    run(&j, apply_body);
}

/* One row: eight trees walk together instead. */
static void predict_row(const job *j) {
    int64_t width = j->width, t = 0;
    for (int64_t k = 0; k < width; k++) j->out[k] = 0;
    for (; t < j->trees; t += ROWS) {
        int count = (int)i64_min(ROWS, j->trees - t), busy = 1;
        int32_t at[ROWS];
        for (int i = 0; i < count; i++) at[i] = (int32_t)j->root[t + i];
        while (busy) {
            busy = 0;
            for (int i = 0; i < count; i++)
                if (j->steps[at[i]].feature >= 0) {
                    at[i] = step_down(j->steps, j->sets, at[i], j->X, j->col_stride);
                    busy = 1;
                }
        }
        for (int i = 0; i < count; i++) {
            const double *v = j->value + (int64_t)j->steps[at[i]].left * width;
            for (int64_t k = 0; k < width; k++) j->out[k] += v[k];
        }
    }
    if (j->scale != 1)
        for (int64_t k = 0; k < width; k++) j->out[k] /= j->scale;
}

static void predict(const tree_step *steps, const tree_set *sets, const int64_t *root, int64_t trees,
                    const double *value, int64_t width, const float *X, int64_t rows, int64_t row_stride,
                    int64_t col_stride, double scale, double *out) {
    job j = {.steps = steps,
             .sets = sets,
             .root = root,
             .trees = trees,
             .value = value,
             .width = width,
             .X = X,
             .rows = rows,
             .row_stride = row_stride,
             .col_stride = col_stride,
             .scale = scale,
             .out = out};
    if (rows == 1) predict_row(&j);
    else run(&j, predict_body);
}

const ct_tree_apply_api CT_NAME(ct_tree_apply) = {apply, predict};
#endif

/* hist.h: gradient boosting on histograms.
 *
 * Columns are cut into at most 256 bins, stored in groups of eight: the eight bytes of one row lie together, one load
 * for eight columns.  Gradients and Hessians become whole numbers of fixed point once for each tree; sums of whole
 * numbers are exact and do not depend on their order, so a histogram is the same however the rows are shared out, and a
 * child's histogram is exactly its parent's minus its sibling's.
 */
#ifndef CORTEN_LEARN_HIST_H
#define CORTEN_LEARN_HIST_H

#include <stdint.h>

#define HIST_BINS 256
#define HIST_GROUP 8

typedef struct {
    int64_t n, features;
    const uint8_t *bins;        /* (groups, n, HIST_GROUP) */
    int32_t missing_bin;        /* of every column */
    const int32_t *present;     /* (features) bins in use, without the missing one */
    const uint8_t *has_missing; /* (features) */
    const uint8_t *categorical; /* (features) */
    const int8_t *monotonic;    /* (features) or NULL */
    const uint8_t *interaction; /* (sets, features) 1: the set holds the column; or NULL */
    int64_t sets;
} hist_data;

typedef struct {
    int64_t max_leaf_nodes; /* -1: no limit */
    int64_t max_depth;
    int64_t min_samples_leaf;
    double l2, shrinkage, max_features; /* max_features: the share of columns drawn at each node */
    uint64_t seed;
} hist_rules;

typedef struct {
    double value;        /* of a leaf, with shrinkage */
    double gain, weight; /* weight: sum of Hessians */
    double lower, upper;
    int64_t samples, start, end; /* rows [start, end) of the permutation */
    int32_t left, right;         /* -1 in a leaf */
    int32_t feature, depth;
    uint32_t cats[8]; /* bins that go left, of a categorical split */
    uint8_t bin, missing_left, categorical;
} hist_node;

typedef struct {
    int (*poll)(void *ctx);
    void *ctx;
} hist_watch;

typedef struct {
    int64_t (*work)(const hist_data *data, const hist_rules *rules);
    /* Grows one tree.
     *   g, h (n) gradients and Hessians; h NULL: all are one
     *   rows (n) out: the permutation that the nodes' ranges speak of
     *   nodes: room for hist_capacity(...) out
     * Returns the number of nodes, depth first, or -1 when the watch said to stop. */
    int64_t (*grow)(const hist_data *data, const hist_rules *rules, const float *g, const float *h, uint32_t *rows,
                    hist_node *nodes, const hist_watch *watch, void *work);
    int64_t (*capacity)(const hist_data *data, const hist_rules *rules);
    /* raw[row] += value for the rows of each leaf */
    void (*add)(const hist_node *nodes, int64_t count, const uint32_t *rows, double *raw, int64_t stride);
} ct_hist_api;

enum hist_loss {
    HIST_SQUARED_ERROR = 0,
    HIST_ABSOLUTE_ERROR = 1,
    HIST_QUANTILE = 2,
    HIST_POISSON = 3,
    HIST_GAMMA = 4,
    HIST_BINOMIAL = 5,
    HIST_MULTINOMIAL = 6
};

typedef struct {
    /* y (n), weight (n) or NULL, raw (outputs, n); g, h (outputs, n), h NULL where the Hessian is constant */
    void (*gradient)(int32_t loss, double quantile, int64_t n, int64_t outputs, const double *y, const double *weight,
                     const double *raw, float *g, float *h);
} ct_hist_loss_api;

/* A node of a tree that predicts from raw values. Go left when x <= value; right = left + 1; in a leaf feature is -1.
 */
typedef struct {
    double value;
    int32_t feature; /* | HIST_MISSING_LEFT | HIST_CATEGORICAL */
    int32_t left;
} hist_step;

#define HIST_MISSING_LEFT (1 << 30)
#define HIST_CATEGORICAL (1 << 29)
#define HIST_FEATURE (HIST_CATEGORICAL - 1)

typedef struct {
    /* bins (groups, n, HIST_GROUP) from X (n, features) by thresholds; thresholds[first[f] ... first[f + 1]); a
     * categorical column holds its codes already; missing (features) out: 1 where a value was missing */
    void (*bin)(const void *X, int64_t n, int64_t features, int64_t row_stride, int64_t col_stride,
                const double *thresholds, const int64_t *first, const uint8_t *categorical, int32_t missing_bin,
                uint8_t *bins, uint8_t *missing);
    /* raw (rows, outputs) += sum over trees t of the leaf's value, into output t % outputs; cats (any, 8) bit sets that
     * the value of a categorical step numbers */
    void (*predict)(const hist_step *steps, const int64_t *root, int64_t trees, const uint32_t *cats, const void *X,
                    int64_t rows, int64_t row_stride, int64_t col_stride, int64_t outputs, double *raw);
} ct_hist_apply_api;

#endif

/* tree.h: decision trees grown on ranks.
 *
 * Every column of X is replaced once by the dense rank of each value among the column's distinct values (a missing
 * value gets the rank after the last).  An order of the rows by rank is their order by value, so the search below is
 * exact, and a key of rank and payload packed in 32 bits sorts several times faster than pairs of a float and an index.
 */
#ifndef CORTEN_LEARN_TREE_H
#define CORTEN_LEARN_TREE_H

#include <stdint.h>

enum tree_criterion {
    TREE_GINI = 0,
    TREE_ENTROPY = 1,
    TREE_SQUARED_ERROR = 2,
    TREE_ABSOLUTE_ERROR = 3,
    TREE_POISSON = 4
};

#define TREE_CATEGORIES 256 /* most categories of a column */

/* A set of categories: bit c of at[c / 32]. */
typedef struct {
    uint32_t at[TREE_CATEGORIES / 32];
} tree_set;

typedef struct {
    int64_t n, features, outputs;
    int64_t classes;            /* most classes of any output; 1 for regression */
    const int64_t *n_classes;   /* (outputs) */
    const void *rank;           /* (features, n) uint16_t or uint32_t */
    int32_t rank_bytes;         /* 2 or 4 */
    const float *values;        /* distinct values of all columns, ascending inside each */
    const int64_t *first;       /* (features + 1) column f has values[first[f] ... first[f + 1]) */
    const uint8_t *missing;     /* (features) 1 where the column has NaN, or NULL */
    const double *y;            /* (n, outputs) targets, or class codes as numbers */
    const uint32_t *y_rank;     /* (n) dense rank of y, for the absolute error, else NULL */
    const int8_t *monotonic;    /* (features) -1, 0, 1, or NULL */
    const uint8_t *categorical; /* (features) 1 where the ranks are numbers of categories, or NULL */
} tree_data;

typedef struct {
    int32_t criterion; /* enum tree_criterion */
    int32_t random;    /* 1: one random threshold a feature */
    int64_t max_features, max_depth, min_samples_split, min_samples_leaf;
    int64_t max_leaf_nodes; /* best-first when >= 2, else -1 */
    double min_weight_leaf, min_impurity_decrease;
    uint64_t seed;
} tree_rules;

typedef struct {
    double threshold, impurity, weight; /* weight: sum of sample weights */
    int64_t samples;
    int32_t left, right; /* -1 in a leaf */
    int32_t feature, depth;
    uint8_t missing_left, categorical; /* categorical: those of a set go left */
} tree_node;

/* Called now and then by the thread that called; nonzero: give up. */
typedef struct {
    int (*poll)(void *ctx);
    void *ctx;
} tree_watch;

typedef struct {
    /* Bytes of workspace to grow one tree on m rows with up to `workers` threads. */
    int64_t (*work)(const tree_data *data, const tree_rules *rules, int64_t m, int workers);
    /* Grows one tree in `work` from the rows with a nonzero weight.
     *   weight (n) or NULL for ones; count (n) whole weights instead, or NULL; at most one of the two is given.
     * Returns the number of nodes, or -1 when the watch said to stop. */
    int64_t (*grow)(const tree_data *data, const tree_rules *rules, const double *weight, const uint16_t *count,
                    int workers, const tree_watch *watch, void *work);
    /* Copies the tree that `work` holds out in depth-first order (best-first: in the order of creation).
     *   nodes (count); value (count, outputs, classes); sets (count), or NULL without categorical columns */
    void (*collect)(const tree_data *data, const void *work, tree_node *nodes, double *value, tree_set *sets);
} ct_tree_api;

/* Columns to ranks, one thread for each chunk of columns. */
typedef struct {
    int64_t (*work)(int64_t n);
    /* order (n) rows by value, NaN last; returns the number of distinct values, which go to values (n); rank (n) */
    int64_t (*rank)(int64_t n, const float *x, int64_t stride, uint32_t *rank, float *values, void *work);
} ct_tree_rank_api;

/* One node of a tree that predicts: 12 bytes.  Go left when x <= threshold; right = left + 1; a leaf has feature < 0
 * and keeps its number in `left`.  Bit 30 of feature: missing values go left.  Bit 29: the bits of the threshold are
 * the number of a set, whose categories go left; other values than whole ones below TREE_CATEGORIES count as missing.
 */
typedef struct {
    float threshold;
    int32_t feature;
    int32_t left;
} tree_step;

#define TREE_MISSING_LEFT (1 << 30)
#define TREE_CATEGORICAL (1 << 29)

typedef struct {
    /* leaf (trees, rows) or with row_major (rows, trees): number of the leaf that each row of X ends in */
    void (*apply)(const tree_step *steps, const tree_set *sets, const int64_t *root, int64_t trees, const float *X,
                  int64_t rows, int64_t row_stride, int64_t col_stride, int64_t *leaf);
    /* out (rows, width) = sum or mean over trees of value[leaf] (leaves, width) */
    void (*predict)(const tree_step *steps, const tree_set *sets, const int64_t *root, int64_t trees,
                    const double *value, int64_t width, const float *X, int64_t rows, int64_t row_stride,
                    int64_t col_stride, double scale, double *out);
} ct_tree_apply_api;

#endif

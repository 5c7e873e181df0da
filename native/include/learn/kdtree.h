/* kdtree.h: a k-d tree whose leaves are panels: full vectors of points, split at medians of the widest axis.
 *
 * Nodes lie in preorder; a node over m leaves has 2 m - 1 nodes below and including it, its left child follows it at
 * once and takes ceil(m / 2) leaves.  Distances are those of a metric in "reduced" form, without the root: sum of
 * squares, of absolute values, their maximum, or sum |.|^p.  They come from differences, never from inner products.
 * Without pruning (flat = 1) the same loops are brute force.
 */
#ifndef CORTEN_LEARN_KDTREE_H
#define CORTEN_LEARN_KDTREE_H

#include "../real.h"

typedef struct {
    const real *panels;   /* (leaves, d, width) */
    const int32_t *order; /* (leaves * width) index of the point at each place, -1 past the end */
    const real *lo, *hi;  /* (2 leaves - 1, d) boxes */
    const real *rows;     /* (n, d) the points in the order of the leaves; density clustering alone reads them */
    int64_t n, d, leaves;
    int metric, flat; /* enum tree_metric of metric.h */
    double p;
} kd_tree;

typedef struct {
    int64_t (*leaf_size)(void);
    int64_t (*leaves)(int64_t n);
    /* fills panels, order, lo, hi (leaves, nodes as above) for X (n, d) */
    void (*build)(real *panels, int32_t *order, real *lo, real *hi, const real *X, int64_t n, int64_t d, int flat);
    int64_t (*nearest_work)(int64_t k); /* bytes */
    /* the k nearest of each query, nearest first, ties by the lower index; reduced distances */
    void (*nearest)(int64_t *index /* (q, k) */, real *distance /* (q, k) */, const kd_tree *t,
                    const real *X /* (q, d) */, int64_t q, int64_t k, void *work);
    /* how many points lie within the reduced distance `radius` of each query; with `start`, also which (in the
     * order of the tree) and how far, from start[i] on */
    void (*within)(int64_t *count /* (q) */, const int64_t *start /* (q) or NULL */, int64_t *index, real *distance,
                   const kd_tree *t, const real *X, int64_t q, double radius);
    /* DBSCAN over the points themselves, `leaves` leaves from `first` on at a time.  count: the weight within `radius`
     * of each point; link: union of core points (parent (n), at first each its own; after the last leaf the lowest
     * index of its set); border: lowest label of core points in reach, or -1 */
    void (*density)(double *count /* (n) */, const kd_tree *t, const double *weight /* (n) or NULL */, double radius,
                    int64_t first, int64_t leaves);
    void (*link)(int32_t *parent /* (n) */, const kd_tree *t, const uint8_t *core /* (n) */, double radius,
                 int64_t first, int64_t leaves);
    void (*border)(int64_t *label /* (n), set for core points */, const kd_tree *t, const uint8_t *core, double radius,
                   int64_t first, int64_t leaves);
} ct_kdtree_api;

#endif

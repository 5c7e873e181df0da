/* neighbors.h: brute-force neighbours in two steps.
 *
 * The screen runs in float32 through blocked inner products: score(x, y) = x.y - |y|^2 / 2 grows as |x - y| shrinks
 * (cosine: x.y alone).  Everything whose score is within twice the error bound of the k-th best, or of the radius,
 * stays.  The second step computes these few distances exactly, in double, from the data itself, and decides.  So the
 * answer is that of an exact search, with ties in order of index, whatever the screen's rounding.
 */
#ifndef CORTEN_LEARN_NEIGHBORS_H
#define CORTEN_LEARN_NEIGHBORS_H

#include "../real.h"

enum brute_metric { BRUTE_EUCLIDEAN = 0, BRUTE_COSINE = 1 }; /* exact: sum of squared differences; 1 - x.y */

typedef struct {
    int64_t (*packed_size)(int64_t n, int64_t d); /* reals */
    int64_t (*panels)(int64_t n);
    int64_t (*capacity)(int64_t k); /* places for the candidates of one query */
    /* packs Y (n, d); bias (panels * width): -|y|^2 / 2 or 0, and -inf past the end; the largest norm */
    double (*pack)(real *packed, real *bias, const real *Y, int64_t n, int64_t d, int metric);
    /* candidates of each query; count -1 where they were more than there is room for */
    void (*screen_nearest)(int32_t *candidate /* (q, capacity) */, real *score /* the same */, int32_t *count /* (q) */,
                           const real *X /* (q, d) */, const real *packed, const real *bias, int64_t n, int64_t d,
                           int64_t q, int64_t k, const double *slack /* (q) */);
    /* bit j of mask[i][p]: the score of query i and point j of panel p is at least least[i]; most: bits of each row */
    void (*screen_within)(uint64_t *mask /* (q, panels) */, int64_t *most /* (q) */, const real *X, const real *packed,
                          const real *bias, int64_t n, int64_t d, int64_t q, const double *least /* (q) */);
    /* the k nearest among the candidates (all points where count is -1), nearest first */
    void (*refine_nearest)(int64_t *index /* (q, k) */, double *distance /* (q, k) */, const real *X, const real *Y,
                           int64_t n, int64_t d, int64_t q, int64_t k, int metric, const int32_t *candidate,
                           const int32_t *count, int64_t capacity, void *work /* 64 * k * 16 bytes */);
    /* the points of the masks within `radius` (of the exact form), from start[i] on, in order of index */
    void (*refine_within)(int64_t *count /* (q) */, int64_t *index, double *distance, const int64_t *start /* (q) */,
                          const uint64_t *mask, int64_t width, const real *X, const real *Y, int64_t n, int64_t d,
                          int64_t q, int metric, double radius);
} ct_neighbors_api;

#endif

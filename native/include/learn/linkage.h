/* linkage.h: hierarchies and orderings of n points in O(n d) memory. Points come as columns: X (d, pad), pad a multiple
 * of 16, whatever past n. */
#ifndef CORTEN_LEARN_LINKAGE_H
#define CORTEN_LEARN_LINKAGE_H

#include "../real.h"

typedef struct {
    int64_t n, d, pad;
    const real *X;
    int metric; /* enum tree_metric of metric.h */
    double p;
} point_columns;

typedef struct {
    /* Prim's minimum spanning tree from point 0, `count` more points; edge i joins the point added before to the next:
     * from (n - 1), to (n - 1), reduced distance (n - 1). State: reach (pad, infinite at the start), *current, *done.
     */
    void (*span)(const point_columns *P, int64_t *from, int64_t *to, double *distance, real *reach, uint8_t *inside,
                 int64_t *current, int64_t *done, int64_t count);
    /* Ward's hierarchy by chains of nearest neighbours (Murtagh 1985) over centroids (d, pad) and sizes (pad): `count`
     * more merges. a, b (n - 1): places merged, b keeps the union; squared distance 2 |c - c'|^2 s s' / (s + s'). */
    void (*ward)(int64_t n, int64_t d, int64_t pad, real *centroids, real *sizes, int64_t *a, int64_t *b,
                 double *distance, int32_t *chain, int64_t *length, int64_t *done, int64_t count);
    /* OPTICS (Ankerst et al. 1999): `count` more points of the order. core (n): core distances, infinite for none;
     * reach (pad) and predecessor (n, -1) are updated; distances are rounded to `decimals`. */
    void (*order)(const point_columns *P, int64_t *ordering, double *reach, int64_t *predecessor, const double *core,
                  uint8_t *done_flags, double max_eps, int decimals, int64_t *done, int64_t count);
} ct_linkage_api;

#endif

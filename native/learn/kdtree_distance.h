/* kdtree_distance.h: reduced distances from points to the leaves and boxes of a k-d tree. */
#ifndef CORTEN_LEARN_KDTREE_DISTANCE_H
#define CORTEN_LEARN_KDTREE_DISTANCE_H

#include <math.h>

#include "../include/learn/kdtree.h"
#include "../include/learn/metric.h"
#include "../include/learn/panel.h"

/* Reduced distances of `rows` points x to the points of a panel; those past the end are at infinity. */
CT_INLINE void panel_distance(int metric, double p, int rows, int64_t d, const real *const *x, const real *panel,
                              vreal out[][PANEL_VECS]) {
    vreal a[PANEL_ROWS][PANEL_VECS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < PANEL_VECS; v++) a[r][v] = v_zero();
    for (int64_t k = 0; k < d; k++) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vreal xr = v_set1(x[r][k]);
#pragma GCC unroll 8
            for (int v = 0; v < PANEL_VECS; v++)
                a[r][v] = add_difference(metric, p, a[r][v], v_load(panel + k * PANEL_WIDTH + v * VL) - xr);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < PANEL_VECS; v++) out[r][v] = a[r][v];
}

CT_INLINE real add_scalar(const kd_tree *t, real sum, real e) {
    if (e < 0) e = -e;
    switch (t->metric) {
    case METRIC_EUCLIDEAN: return sum + e * e;
    case METRIC_MANHATTAN: return sum + e;
    case METRIC_CHEBYSHEV: return e > sum ? e : sum;
    default: return sum + (real)pow((double)e, t->p);
    }
}

/* The least distance from x to a box; a hair less, for the rounding of sums in another order. */
CT_INLINE real box_distance(const kd_tree *t, const real *x, int64_t node) {
    const real *lo = t->lo + node * t->d, *hi = t->hi + node * t->d;
    real sum = 0;
    for (int64_t k = 0; k < t->d; k++) {
        real below = lo[k] - x[k], above = x[k] - hi[k];
        real e = below > above ? below : above;
        if (e > 0) sum = add_scalar(t, sum, e);
    }
    return sum * (1 - (real)(8 + t->d) * (real)REAL_EPS);
}

CT_INLINE unsigned hit_mask(vreal x, vreal limit, int or_equal) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return or_equal ? _mm512_cmp_pd_mask((__m512d)x, (__m512d)limit, _CMP_LE_OQ)
                    : _mm512_cmp_pd_mask((__m512d)x, (__m512d)limit, _CMP_LT_OQ);
#elif defined(CT_AVX512)
    return or_equal ? _mm512_cmp_ps_mask((__m512)x, (__m512)limit, _CMP_LE_OQ)
                    : _mm512_cmp_ps_mask((__m512)x, (__m512)limit, _CMP_LT_OQ);
#else
    return v_bits(or_equal ? x <= limit : x < limit);
#endif
}

/* The same with the metric chosen here; `rows` is 1 or PANEL_ROWS. */
CT_INLINE void panel_distances(const kd_tree *t, int rows, const real *const *x, int64_t leaf, vreal e[][PANEL_VECS]) {
    const real *panel = t->panels + leaf * t->d * PANEL_WIDTH;
    switch (t->metric) {
    case METRIC_EUCLIDEAN:
        if (rows == 1) panel_distance(METRIC_EUCLIDEAN, 2, 1, t->d, x, panel, e);
        else panel_distance(METRIC_EUCLIDEAN, 2, PANEL_ROWS, t->d, x, panel, e);
        break;
    case METRIC_MANHATTAN: panel_distance(METRIC_MANHATTAN, 1, rows == 1 ? 1 : PANEL_ROWS, t->d, x, panel, e); break;
    case METRIC_CHEBYSHEV: panel_distance(METRIC_CHEBYSHEV, 1, rows == 1 ? 1 : PANEL_ROWS, t->d, x, panel, e); break;
    default: panel_distance(METRIC_MINKOWSKI, t->p, rows == 1 ? 1 : PANEL_ROWS, t->d, x, panel, e);
    }
}

#endif

/* metric.h: distances as sums over the features, in "reduced" form without the root. */
#ifndef CORTEN_LEARN_METRIC_H
#define CORTEN_LEARN_METRIC_H

#include <math.h>

#include "../simd.h"

enum tree_metric { METRIC_EUCLIDEAN = 0, METRIC_MANHATTAN = 1, METRIC_CHEBYSHEV = 2, METRIC_MINKOWSKI = 3 };

CT_INLINE vreal add_difference(int metric, double p, vreal sum, vreal e) {
    switch (metric) {
    case METRIC_EUCLIDEAN: return v_fma(e, e, sum);
    case METRIC_MANHATTAN: return sum + v_abs(e);
    case METRIC_CHEBYSHEV: return v_max(v_abs(e), sum);
    default:
        e = v_abs(e);
        for (int l = 0; l < VL; l++) e[l] = (real)pow((double)e[l], p);
        return sum + e;
    }
}

#endif

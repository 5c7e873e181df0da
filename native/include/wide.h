/* wide.h: a number to add many reals into without losing any: double for float, a compensated pair for double. */
#ifndef CORTEN_WIDE_H
#define CORTEN_WIDE_H

#include "real.h"

#if CT_REAL_DOUBLE
typedef struct {
    double hi, lo; /* the value is hi + lo (Knuth's two-sum) */
} wide;
CT_INLINE wide wide_of(double x) { return (wide){x, 0}; }
CT_INLINE void wide_add(wide *w, double x) {
    double s = w->hi + x, b = s - w->hi;
    w->lo += (w->hi - (s - b)) + (x - b);
    w->hi = s;
}
CT_INLINE double wide_get(wide w) { /* lo is not a number when hi is infinite */
    double s = w.hi + w.lo;
    return __builtin_isfinite(w.hi) ? s : w.hi;
}
CT_INLINE void wide_join(wide *w, wide x) {
    wide_add(w, x.hi);
    w->lo += x.lo;
}
#else
typedef struct {
    double hi;
} wide;
CT_INLINE wide wide_of(double x) { return (wide){x}; }
CT_INLINE void wide_add(wide *w, double x) { w->hi += x; }
CT_INLINE double wide_get(wide w) { return w.hi; }
CT_INLINE void wide_join(wide *w, wide x) { w->hi += x.hi; }
#endif

#endif

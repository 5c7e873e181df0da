/* accumulate.h: adding a vector of reals to sums in double. */
#ifndef CORTEN_LEARN_ACCUMULATE_H
#define CORTEN_LEARN_ACCUMULATE_H

#include "../simd.h"

#if CT_REAL_DOUBLE
CT_INLINE void accumulate(double *sum /* (VL) */, vreal a) { v_store(sum, v_load(sum) + a); }
#else
typedef double vdouble_unaligned __attribute__((vector_size(2 * VBYTES), aligned(sizeof(double)), may_alias));
typedef double vdouble __attribute__((vector_size(2 * VBYTES)));
CT_INLINE void accumulate(double *sum /* (VL) */, vreal a) {
    *(vdouble_unaligned *)sum += __builtin_convertvector(a, vdouble);
}
#endif

#endif

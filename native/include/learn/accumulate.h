/* accumulate.h: adding a vector of reals to sums in double, and its lanes to each other. */
#ifndef CORTEN_LEARN_ACCUMULATE_H
#define CORTEN_LEARN_ACCUMULATE_H

#include "../simd.h"

#if CT_REAL_DOUBLE
CT_INLINE void accumulate(double *sum /* (VL) */, vreal a) { v_store(sum, v_load(sum) + a); }
#else
typedef double vdouble_unaligned __attribute__((vector_size(2 * VBYTES), aligned(sizeof(double)), may_alias));
typedef double vdouble __attribute__((vector_size(2 * VBYTES)));
CT_INLINE void accumulate(double *sum /* (VL) */, vreal a) {
#if defined(CT_AVX2) /* GCC takes the general form apart into scalars where `sum` is a local array */
    __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128((__m256)a)),
            high = _mm256_cvtps_pd(_mm256_extractf128_ps((__m256)a, 1));
    _mm256_storeu_pd(sum, _mm256_add_pd(_mm256_loadu_pd(sum), low));
    _mm256_storeu_pd(sum + 4, _mm256_add_pd(_mm256_loadu_pd(sum + 4), high));
#else
    *(vdouble_unaligned *)sum += __builtin_convertvector(a, vdouble);
#endif
}
#endif

/* The sum across the lanes in v_hsum's order, without a detour through memory. */
CT_INLINE real lanes_sum(vreal a) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return _mm512_reduce_add_pd((__m512d)a);
#elif defined(CT_AVX512)
    return _mm512_reduce_add_ps((__m512)a);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
    __m128d h = _mm_add_pd(_mm256_castpd256_pd128((__m256d)a), _mm256_extractf128_pd((__m256d)a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
#elif defined(CT_AVX2)
    __m128 h = _mm_add_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
#else
    return v_hsum(a);
#endif
}

#endif

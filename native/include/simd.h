/* simd.h: one vector of reals, as wide as this compilation's instruction set has them.
 *
 * vreal is a GCC/Clang vector, so + - * / and comparisons work as written; a comparison gives vmask, whose lanes are
 * all ones or all zeros.  The rest goes through the names below.  VL is the number of lanes: 16 floats or 8 doubles
 * with AVX-512, 8 or 4 with AVX2, 4 or 2 otherwise (SSE, NEON, or whatever the compiler makes of a 16-byte vector).
 * v_fma is a fused multiply-add where the instruction set has one and a product and a sum where it has none.
 */
#ifndef CORTEN_SIMD_H
#define CORTEN_SIMD_H

#include "real.h"

#if !defined(__GNUC__) && !defined(__clang__)
#error "corten's kernels need GCC or Clang (clang-cl on Windows)"
#endif

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define CT_AVX512 1
#define VBYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define CT_AVX2 1
#define VBYTES 32
#else
#define VBYTES 16
#endif

#define VL ((int)(VBYTES / sizeof(real)))

typedef real vreal __attribute__((vector_size(VBYTES)));
typedef int_real vmask __attribute__((vector_size(VBYTES)));
typedef int_real vint __attribute__((vector_size(VBYTES)));
typedef real vreal_unaligned __attribute__((vector_size(VBYTES), aligned(sizeof(real)), may_alias));
typedef int_real vint_unaligned __attribute__((vector_size(VBYTES), aligned(sizeof(real)), may_alias));

CT_INLINE vreal v_load(const real *p) { return *(const vreal_unaligned *)p; }
CT_INLINE void v_store(real *p, vreal v) { *(vreal_unaligned *)p = v; }
CT_INLINE vreal v_set1(real x) { return x - (vreal){0}; }
CT_INLINE vreal v_zero(void) { return (vreal){0}; }

#if defined(CT_AVX2)
static CT_UNUSED const int_real v_first[2 * VBYTES / sizeof(real)] = {
    -1, -1, -1, -1,
#if !CT_REAL_DOUBLE
    -1, -1, -1, -1,
#endif
}; /* v_first + VL - n: a mask of n lanes */
#endif

/* The first n lanes (0 <= n <= VL); the others read as zero, and are not touched by a store. */
CT_INLINE vreal v_load_part(const real *p, int64_t n) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return (vreal)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#elif defined(CT_AVX512)
    return (vreal)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
    return (vreal)_mm256_maskload_pd(p, (__m256i) * (const vint_unaligned *)(v_first + VL - n));
#elif defined(CT_AVX2)
    return (vreal)_mm256_maskload_ps(p, (__m256i) * (const vint_unaligned *)(v_first + VL - n));
#else
    real tmp[VBYTES / sizeof(real)] = {0};
    for (int64_t i = 0; i < n; i++) tmp[i] = p[i];
    return v_load(tmp);
#endif
}
CT_INLINE void v_store_part(real *p, vreal v, int64_t n) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#elif defined(CT_AVX512)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    for (int64_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

/* A store that bypasses the caches; p must be VBYTES-aligned. Call v_fence() after the last one. */
CT_INLINE void v_stream(real *p, vreal v) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    _mm512_stream_pd(p, (__m512d)v);
#elif defined(CT_AVX512)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
    _mm256_stream_pd(p, (__m256d)v);
#elif defined(CT_AVX2)
    _mm256_stream_ps(p, (__m256)v);
#elif defined(__SSE2__) && CT_REAL_DOUBLE
    _mm_stream_pd(p, (__m128d)v);
#elif defined(__SSE2__)
    _mm_stream_ps(p, (__m128)v);
#else
    v_store(p, v);
#endif
}
CT_INLINE void v_fence(void) {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

CT_INLINE vreal v_fma(vreal a, vreal b, vreal c) { /* a * b + c */
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return (vreal)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(CT_AVX512)
    return (vreal)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
    return (vreal)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(CT_AVX2)
    return (vreal)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON) && defined(__aarch64__) && CT_REAL_DOUBLE
    return (vreal)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#elif defined(__ARM_NEON) && defined(__aarch64__)
    return (vreal)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}
CT_INLINE real s_fma(real a, real b, real c) { /* the scalar that rounds as v_fma does */
#if defined(__FMA__) || (defined(__ARM_NEON) && defined(__aarch64__))
#if CT_REAL_DOUBLE
    return __builtin_fma(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
#else
    return a * b + c;
#endif
}

CT_INLINE vreal v_blend(vmask m, vreal yes, vreal no) { return (vreal)((m & (vint)yes) | (~m & (vint)no)); }
CT_INLINE vreal v_and(vmask m, vreal a) { return (vreal)(m & (vint)a); }
CT_INLINE vreal v_abs(vreal a) { return (vreal)((vint)a & (vint)(~(vint)v_set1(R(-0.0)))); }

/* max and min as `a > b ? a : b`: b where either is NaN */
CT_INLINE vreal v_max(vreal a, vreal b) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return (vreal)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(CT_AVX512)
    return (vreal)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
    return (vreal)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(CT_AVX2)
    return (vreal)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return v_blend(a > b, a, b);
#endif
}
CT_INLINE vreal v_min(vreal a, vreal b) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return (vreal)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif defined(CT_AVX512)
    return (vreal)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
    return (vreal)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif defined(CT_AVX2)
    return (vreal)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return v_blend(a < b, a, b);
#endif
}
CT_INLINE vreal v_sqrt(vreal a) {
#if defined(CT_AVX512) && CT_REAL_DOUBLE
    return (vreal)_mm512_sqrt_pd((__m512d)a);
#elif defined(CT_AVX512)
    return (vreal)_mm512_sqrt_ps((__m512)a);
#elif defined(CT_AVX2) && CT_REAL_DOUBLE
    return (vreal)_mm256_sqrt_pd((__m256d)a);
#elif defined(CT_AVX2)
    return (vreal)_mm256_sqrt_ps((__m256)a);
#else
    for (int i = 0; i < VL; i++)
        a[i] = CT_REAL_DOUBLE ? (real)__builtin_sqrt(a[i]) : (real)__builtin_sqrtf((float)a[i]);
    return a;
#endif
}

/* Sums and extremes across the lanes, halving: the order is fixed. */
typedef real vquad __attribute__((vector_size(16)));
CT_INLINE real lane_add(real a, real b) { return a + b; }
CT_INLINE real lane_max(real a, real b) { return a > b ? a : b; }
CT_INLINE real lane_min(real a, real b) { return a < b ? a : b; }
#if defined(CT_AVX512) || defined(CT_AVX2)
#if CT_REAL_DOUBLE
#define V_HALVE_(op)             \
    __m256d half = V_UPPER_(op); \
    vquad q = (vquad)_mm_##op##_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
#define V_UPPER_512_(op) _mm256_##op##_pd(_mm512_castpd512_pd256((__m512d)a), _mm512_extractf64x4_pd((__m512d)a, 1))
#else
#define V_HALVE_(op)            \
    __m256 half = V_UPPER_(op); \
    vquad q = (vquad)_mm_##op##_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#define V_UPPER_512_(op) _mm256_##op##_ps(_mm512_castps512_ps256((__m512)a), _mm512_extractf32x8_ps((__m512)a, 1))
#endif
#ifdef CT_AVX512
#define V_UPPER_(op) V_UPPER_512_(op)
#else
#if CT_REAL_DOUBLE
#define V_UPPER_(op) (__m256d) a
#else
#define V_UPPER_(op) (__m256) a
#endif
#endif
#else
#define V_HALVE_(op) vquad q = (vquad)a;
#endif
#if CT_REAL_DOUBLE
#define V_LAST_(op) lane_##op(q[0], q[1])
#else
#define V_LAST_(op) lane_##op(lane_##op(q[0], q[2]), lane_##op(q[1], q[3]))
#endif
CT_INLINE real v_hsum(vreal a) {
    V_HALVE_(add)
    return V_LAST_(add);
}
CT_INLINE real v_hmax(vreal a) {
    V_HALVE_(max)
    return V_LAST_(max);
}
CT_INLINE real v_hmin(vreal a) {
    V_HALVE_(min)
    return V_LAST_(min);
}

#endif

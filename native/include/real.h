/* real.h: the number type of this compilation.
 *
 * Every kernel file is compiled once for each instruction set and number type:
 *   -DCT_REAL_DOUBLE=0|1    float or double
 *   -DCT_SUFFIX=f32_avx2    the tail of the one symbol that the object exports
 * Kernels write `real` and the function-like names below, never float or double.
 */
#ifndef CORTEN_REAL_H
#define CORTEN_REAL_H

#include <stddef.h>
#include <stdint.h>

#ifndef CT_REAL_DOUBLE
#define CT_REAL_DOUBLE 0
#endif
#ifndef CT_SUFFIX
#define CT_SUFFIX f32_baseline
#endif

#define CT_PASTE_(a, b) a##_##b
#define CT_PASTE(a, b) CT_PASTE_(a, b)
#define CT_NAME(stem) CT_PASTE(stem, CT_SUFFIX)

#if CT_REAL_DOUBLE
typedef double real;
typedef int64_t int_real; /* the integer of the same width, for masks and bit work */
typedef uint64_t uint_real;
#define REAL_MAX 1.7976931348623157e308
#define REAL_EPS 2.220446049250313e-16
#define R(x) x
#define REAL_DTYPE 1
#else
typedef float real;
typedef int32_t int_real;
typedef uint32_t uint_real;
#define REAL_MAX 3.402823466e38f
#define REAL_EPS 1.1920929e-7f
#define R(x) x##f
#define REAL_DTYPE 0
#endif
#define REAL_INF ((real)__builtin_inf())
#define REAL_NAN ((real)__builtin_nan(""))

#if defined(__GNUC__) || defined(__clang__)
#define CT_INLINE static inline __attribute__((always_inline, unused))
#define CT_NOINLINE static __attribute__((noinline, unused))
#define CT_UNUSED __attribute__((unused))
#define CT_ASSUME_ALIGNED(p) __builtin_assume_aligned(p, 64)
#define CT_LIKELY(x) __builtin_expect(!!(x), 1)
#define CT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CT_PREFETCH(p) __builtin_prefetch(p)
#else
#define CT_INLINE static inline
#define CT_NOINLINE static
#define CT_UNUSED
#define CT_ASSUME_ALIGNED(p) (p)
#define CT_LIKELY(x) (x)
#define CT_UNLIKELY(x) (x)
#define CT_PREFETCH(p) ((void)0)
#endif
#define restrict __restrict

CT_INLINE int64_t i64_min(int64_t a, int64_t b) { return a < b ? a : b; }
CT_INLINE int64_t i64_max(int64_t a, int64_t b) { return a > b ? a : b; }
CT_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
CT_INLINE int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

#endif

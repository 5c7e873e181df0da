/* What this machine can do at most: fused multiply-adds on registers alone, and the STREAM triad. Compiled with
 * -march=native by measure.py and called once in each thread; every call returns its own seconds. */
#include <stddef.h>
#include <time.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 12 /* independent chains: more than latency x units of any current core */

typedef float vf __attribute__((vector_size(BYTES)));
typedef double vd __attribute__((vector_size(BYTES)));

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

#define PEAK(name, vec)                                                                               \
    double name(long rounds, double *flops) {                                                         \
        vec x[CHAINS], a, b, zero = {0};                                                              \
        for (int c = 0; c < CHAINS; c++) x[c] = zero + (float)c;                                      \
        a = zero + 0.999f, b = zero + 0.001f;                                                         \
        __asm__ volatile("" : "+m"(a), "+m"(b));                                                      \
        double start = now();                                                                         \
        for (long r = 0; r < rounds; r++)                                                             \
            for (int c = 0; c < CHAINS; c++) x[c] = x[c] * a + b; /* contracted to one instruction */ \
        double took = now() - start;                                                                  \
        for (int c = 0; c < CHAINS; c++) __asm__ volatile("" : : "m"(x[c]));                          \
        *flops = 2.0 * rounds * CHAINS * (sizeof(vec) / sizeof(x[0][0]));                             \
        return took;                                                                                  \
    }
PEAK(peak_f32, vf)
PEAK(peak_f64, vd)

/* a = b + s * c over n doubles each */
double triad(double *restrict a, const double *restrict b, const double *restrict c, long n, int rounds) {
    double start = now();
    for (int r = 0; r < rounds; r++) {
        for (long i = 0; i < n; i++) a[i] = b[i] + 3.0 * c[i];
        __asm__ volatile("" : : "r"(a) : "memory");
    }
    return now() - start;
}

/* transpose.h: squares of VL x VL turned over in registers, and rows turned into columns with them. */
#ifndef CORTEN_TRANSPOSE_H
#define CORTEN_TRANSPOSE_H

#include "simd.h"

/* r[i][j] becomes r[j][i] */
CT_INLINE void v_transpose(vreal r[VBYTES / sizeof(real)]) {
#if defined(CT_AVX2) && !CT_REAL_DOUBLE
    __m256 p[8], q[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        p[i] = _mm256_unpacklo_ps((__m256)r[i], (__m256)r[i + 1]);
        p[i + 1] = _mm256_unpackhi_ps((__m256)r[i], (__m256)r[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        q[i] = _mm256_shuffle_ps(p[i], p[i + 2], 0x44), q[i + 1] = _mm256_shuffle_ps(p[i], p[i + 2], 0xee);
        q[i + 2] = _mm256_shuffle_ps(p[i + 1], p[i + 3], 0x44), q[i + 3] = _mm256_shuffle_ps(p[i + 1], p[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = (vreal)_mm256_permute2f128_ps(q[i], q[i + 4], 0x20);
        r[i + 4] = (vreal)_mm256_permute2f128_ps(q[i], q[i + 4], 0x31);
    }
#elif defined(CT_AVX2)
    const __m256d a = _mm256_unpacklo_pd((__m256d)r[0], (__m256d)r[1]),
                  b = _mm256_unpackhi_pd((__m256d)r[0], (__m256d)r[1]),
                  c = _mm256_unpacklo_pd((__m256d)r[2], (__m256d)r[3]),
                  d = _mm256_unpackhi_pd((__m256d)r[2], (__m256d)r[3]);
    r[0] = (vreal)_mm256_permute2f128_pd(a, c, 0x20), r[1] = (vreal)_mm256_permute2f128_pd(b, d, 0x20);
    r[2] = (vreal)_mm256_permute2f128_pd(a, c, 0x31), r[3] = (vreal)_mm256_permute2f128_pd(b, d, 0x31);
#else
    for (int i = 0; i < VL; i++)
        for (int j = i + 1; j < VL; j++) {
            const real x = r[i][j];
            r[i][j] = r[j][i], r[j][i] = x;
        }
#endif
}

/* to (n, rows rounded up to VL; rows `width` apart) = factor * from (rows, n)^T, zeros beyond `rows` */
CT_UNUSED static void transpose_rows(real *to, int64_t width, const real *from, int64_t row, int64_t col, int64_t rows,
                                     int64_t n, real factor) {
    for (int64_t r0 = 0; r0 < rows; r0 += VL) {
        const int64_t m = i64_min(VL, rows - r0);
        int64_t i = 0;
        if (col == 1)
            for (; i + VL <= n; i += VL) {
                vreal square[VBYTES / sizeof(real)];
#pragma GCC unroll 16
                for (int64_t l = 0; l < VL; l++)
                    square[l] = l < m ? v_load(from + (r0 + l) * row + i) * factor : v_zero();
                v_transpose(square);
#pragma GCC unroll 16
                for (int l = 0; l < VL; l++) v_store(to + (i + l) * width + r0, square[l]);
            }
        for (; i < n; i++)
            for (int64_t l = 0; l < VL; l++)
                to[i * width + r0 + l] = l < m ? from[(r0 + l) * row + i * col] * factor : 0;
    }
}

#endif

/* gram_tile.h: register tiles of A^T B over a block of data rows, added to sums in double.
 *
 * A (rows, a_width) and B (rows, b_width) are packed panels of columns of the same data rows; B's are NR columns wide
 * at most, of whole vectors, and a tile takes MR columns of A.
 */
#ifndef CORTEN_LEARN_GRAM_TILE_H
#define CORTEN_LEARN_GRAM_TILE_H

#include "accumulate.h"

#define NV 3                                         /* vectors in a panel of columns */
#define NR (NV * VL)                                 /* columns in a panel */
#define MR (VBYTES == 64 ? 8 : VBYTES == 32 ? 4 : 2) /* columns of A in a tile; divides NR, at most VL */
#define KB 128                                       /* data rows in a block: two panels of them fit in L1 */

/* G (MR, vecs * VL), rows g_row apart, += A^T B; `vecs`, a constant after inlining, says how much of B is wanted */
CT_INLINE void gram_tile(const int vecs, double *restrict G, int64_t g_row, const real *restrict A,
                         const real *restrict B, int64_t a_width, int64_t b_width, int64_t rows) {
    vreal acc[MR][NV];
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) acc[i][v] = v_zero();
    for (int64_t k = 0; k < rows; k++) {
        vreal b[NV];
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) b[v] = v_load(B + k * b_width + v * VL);
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) {
            vreal a = v_set1(A[k * a_width + i]);
#pragma GCC unroll 4
            for (int v = 0; v < vecs; v++) acc[i][v] = v_fma(a, b[v], acc[i][v]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; v++) accumulate(G + i * g_row + v * VL, acc[i][v]);
}

CT_NOINLINE void gram_tiles(int64_t vecs, double *restrict G, int64_t g_row, const real *restrict A,
                            const real *restrict B, int64_t a_width, int64_t b_width, int64_t rows) {
    switch (vecs) {
    case 3: gram_tile(3, G, g_row, A, B, a_width, b_width, rows); break;
    case 2: gram_tile(2, G, g_row, A, B, a_width, b_width, rows); break;
    default: gram_tile(1, G, g_row, A, B, a_width, b_width, rows);
    }
}

#endif

/* tree_rank.c: the dense rank of each value of a column. See tree.h. */
#include <string.h>

#include "../include/learn/tree.h"
#include "../include/real.h"

#if CT_REAL_DOUBLE
const ct_tree_rank_api CT_NAME(ct_tree_rank) = {0};
#else

static int64_t rank_work(int64_t n) { return n * 16 + 3 * 2048 * 4 + 64; }

/* Bits of a float as an unsigned number of the same order; -0 equals 0, NaN comes last. */
CT_INLINE uint32_t ordered_bits(float x) {
    uint32_t u;
    if (x != x) return 0xffffffffu;
    x += 0.0f;
    memcpy(&u, &x, 4);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

static int64_t rank_column(int64_t n, const float *x, int64_t stride, uint32_t *rank, float *values, void *work) {
    uint64_t *a = work, *b = a + n;
    uint32_t *count = (uint32_t *)(b + n);
    memset(count, 0, 3 * 2048 * 4);
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = ordered_bits(x[i * stride]);
        a[i] = (uint64_t)u << 32 | (uint32_t)i;
        count[u & 2047]++;
        count[2048 + (u >> 11 & 2047)]++;
        count[4096 + (u >> 22)]++;
    }
    for (int pass = 0; pass < 3; pass++) {
        uint32_t at = 0, *c = count + 2048 * pass;
        for (int i = 0; i < 2048; i++) {
            uint32_t here = c[i];
            c[i] = at;
            at += here;
        }
        int shift = 32 + 11 * pass;
        for (int64_t i = 0; i < n; i++) b[c[a[i] >> shift & 2047]++] = a[i];
        uint64_t *t = a;
        a = b;
        b = t;
    }
    int64_t distinct = 0;
    uint32_t last = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = (uint32_t)(a[i] >> 32), r = (uint32_t)a[i];
        if (u == 0xffffffffu) {
            rank[r] = (uint32_t)distinct;
            continue;
        }
        if (distinct == 0 || u != last) {
            values[distinct++] = x[r * stride] + 0.0f;
            last = u;
        }
        rank[r] = (uint32_t)(distinct - 1);
    }
    return distinct;
}

const ct_tree_rank_api CT_NAME(ct_tree_rank) = {rank_work, rank_column};
#endif

/* tree_sort.h: sorting the keys of one node by rank.
 *
 * A key is rank << payload_bits | payload.  Up to SMALL_SORT keys go through a bitonic network in vector registers
 * (Batcher 1968, in the form whose first step of each merge is mirrored, so that every comparison is ascending); more
 * through a radix sort of the rank's bits, least significant digit first.
 */
#ifndef CORTEN_TREE_SORT_H
#define CORTEN_TREE_SORT_H

#include <string.h>

#include "../include/simd.h"

#define SMALL_SORT 256
#define KEY_LANES (VBYTES / 4)

typedef uint32_t vkey __attribute__((vector_size(VBYTES)));
typedef uint32_t vkey_unaligned __attribute__((vector_size(VBYTES), aligned(4), may_alias));

CT_INLINE vkey key_min(vkey a, vkey b) {
#if defined(CT_AVX512)
    return (vkey)_mm512_min_epu32((__m512i)a, (__m512i)b);
#elif defined(CT_AVX2)
    return (vkey)_mm256_min_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE4_1__)
    return (vkey)_mm_min_epu32((__m128i)a, (__m128i)b);
#else
    vkey less = (vkey)(a < b);
    return (a & less) | (b & ~less);
#endif
}
CT_INLINE vkey key_max(vkey a, vkey b) {
#if defined(CT_AVX512)
    return (vkey)_mm512_max_epu32((__m512i)a, (__m512i)b);
#elif defined(CT_AVX2)
    return (vkey)_mm256_max_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE4_1__)
    return (vkey)_mm_max_epu32((__m128i)a, (__m128i)b);
#else
    vkey less = (vkey)(a < b);
    return (b & less) | (a & ~less);
#endif
}

/* Lane i trades with lane i ^ X; lanes with bit H set keep the larger. */
#if KEY_LANES == 16
#define LANES(X)                                                  \
    {0 ^ X, 1 ^ X, 2 ^ X,  3 ^ X,  4 ^ X,  5 ^ X,  6 ^ X,  7 ^ X, \
     8 ^ X, 9 ^ X, 10 ^ X, 11 ^ X, 12 ^ X, 13 ^ X, 14 ^ X, 15 ^ X}
#define BIT(i, H) (((i) & (H)) ? 0xffffffffu : 0u)
#define HIGHS(H)                                                                                  \
    {BIT(0, H), BIT(1, H), BIT(2, H),  BIT(3, H),  BIT(4, H),  BIT(5, H),  BIT(6, H),  BIT(7, H), \
     BIT(8, H), BIT(9, H), BIT(10, H), BIT(11, H), BIT(12, H), BIT(13, H), BIT(14, H), BIT(15, H)}
#elif KEY_LANES == 8
#define LANES(X) {0 ^ X, 1 ^ X, 2 ^ X, 3 ^ X, 4 ^ X, 5 ^ X, 6 ^ X, 7 ^ X}
#define BIT(i, H) (((i) & (H)) ? 0xffffffffu : 0u)
#define HIGHS(H) {BIT(0, H), BIT(1, H), BIT(2, H), BIT(3, H), BIT(4, H), BIT(5, H), BIT(6, H), BIT(7, H)}
#else
#define LANES(X) {0 ^ X, 1 ^ X, 2 ^ X, 3 ^ X}
#define BIT(i, H) (((i) & (H)) ? 0xffffffffu : 0u)
#define HIGHS(H) {BIT(0, H), BIT(1, H), BIT(2, H), BIT(3, H)}
#endif

CT_INLINE vkey key_select(vkey high, vkey lo, vkey hi) { return (hi & high) | (lo & ~high); }

#if defined(CT_AVX512)
#define LANE_STEP(v, X, H)                                                                                 \
    do {                                                                                                   \
        vkey other_ = __builtin_shuffle(v, (vkey)LANES(X));                                                \
        __mmask16 high_ = (__mmask16)((H) == 1 ? 0xaaaa : (H) == 2 ? 0xcccc : (H) == 4 ? 0xf0f0 : 0xff00); \
        __m512i lo_ = _mm512_min_epu32((__m512i)v, (__m512i)other_);                                       \
        v = (vkey)_mm512_mask_max_epu32(lo_, high_, (__m512i)v, (__m512i)other_);                          \
    } while (0)
#else
#define LANE_STEP(v, X, H)                                                      \
    do {                                                                        \
        vkey other_ = __builtin_shuffle(v, (vkey)LANES(X));                     \
        v = key_select((vkey)HIGHS(H), key_min(v, other_), key_max(v, other_)); \
    } while (0)
#endif

/* Half-cleaners inside a vector: distances KEY_LANES / 2 ... 1. */
CT_INLINE vkey key_clean(vkey v) {
#if KEY_LANES == 16
    LANE_STEP(v, 8, 8);
#endif
#if KEY_LANES >= 8
    LANE_STEP(v, 4, 4);
#endif
    LANE_STEP(v, 2, 2);
    LANE_STEP(v, 1, 1);
    return v;
}

CT_INLINE vkey key_sort_lanes(vkey v) {
    LANE_STEP(v, 1, 1);
    LANE_STEP(v, 3, 2);
    LANE_STEP(v, 1, 1);
#if KEY_LANES >= 8
    LANE_STEP(v, 7, 4);
    LANE_STEP(v, 2, 2);
    LANE_STEP(v, 1, 1);
#endif
#if KEY_LANES == 16
    LANE_STEP(v, 15, 8);
    LANE_STEP(v, 4, 4);
    LANE_STEP(v, 2, 2);
    LANE_STEP(v, 1, 1);
#endif
    return v;
}

/* Sorts count vectors, a power of two; inlined with a constant count, the vectors stay in registers. */
CT_INLINE void key_network(vkey *v, const int count) {
    for (int i = 0; i < count; i++) v[i] = key_sort_lanes(v[i]);
    for (int half = 1; half < count; half *= 2) {
        for (int block = 0; block < count; block += 2 * half) {
            for (int i = 0; i < half; i++) {
                vkey a = v[block + i], b = __builtin_shuffle(v[block + 2 * half - 1 - i], (vkey)LANES((KEY_LANES - 1)));
                v[block + i] = key_min(a, b);
                v[block + 2 * half - 1 - i] = __builtin_shuffle(key_max(a, b), (vkey)LANES((KEY_LANES - 1)));
            }
        }
        for (int gap = half / 2; gap > 0; gap /= 2)
            for (int i = 0; i < count; i++)
                if (!(i & gap)) {
                    vkey a = v[i], b = v[i + gap];
                    v[i] = key_min(a, b);
                    v[i + gap] = key_max(a, b);
                }
        for (int i = 0; i < count; i++) v[i] = key_clean(v[i]);
    }
}

#define KEY_NETWORK(count)                                                             \
    static __attribute__((noinline, unused)) void key_network_##count(uint32_t *k) {   \
        vkey v[count];                                                                 \
        for (int i = 0; i < count; i++) v[i] = *(vkey_unaligned *)(k + i * KEY_LANES); \
        key_network(v, count);                                                         \
        for (int i = 0; i < count; i++) *(vkey_unaligned *)(k + i * KEY_LANES) = v[i]; \
    }
KEY_NETWORK(1)
KEY_NETWORK(2)
KEY_NETWORK(4)
KEY_NETWORK(8)
KEY_NETWORK(16)
#if KEY_LANES < 16
KEY_NETWORK(32)
#endif
#if KEY_LANES < 8
KEY_NETWORK(64)
#endif

/* n <= SMALL_SORT keys in place; k has room for SMALL_SORT. */
static void sort_small(uint32_t *k, int64_t n) {
    int64_t size = KEY_LANES;
    while (size < n) size *= 2;
    for (int64_t i = n; i < size; i++) k[i] = 0xffffffffu;
    switch (size / KEY_LANES) {
    case 1: key_network_1(k); break;
    case 2: key_network_2(k); break;
    case 4: key_network_4(k); break;
    case 8: key_network_8(k); break;
#if KEY_LANES == 16
    default: key_network_16(k); break;
#elif KEY_LANES == 8
    case 16: key_network_16(k); break;
    default: key_network_32(k); break;
#else
    case 16: key_network_16(k); break;
    case 32: key_network_32(k); break;
    default: key_network_64(k); break;
#endif
    }
}

/* Sorts by bits [low, low + bits); returns the buffer, k or spare, that holds the result. */
#define RADIX_SORT(name, type)                                                                    \
    static type *name(type *k, type *spare, int64_t n, int low, int bits) {                       \
        int widest = n >= 8192 ? 11 : 8;                                                          \
        int passes = (bits + widest - 1) / widest, width = (bits + passes - 1) / passes;          \
        uint32_t count[4][2048];                                                                  \
        int64_t buckets = (int64_t)1 << width;                                                    \
        type mask = (type)(buckets - 1);                                                          \
        for (int p = 0; p < passes; p++) memset(count[p], 0, (size_t)buckets * sizeof(uint32_t)); \
        if (passes == 2)                                                                          \
            for (int64_t i = 0; i < n; i++) {                                                     \
                count[0][(k[i] >> low) & mask]++;                                                 \
                count[1][(k[i] >> (low + width)) & mask]++;                                       \
            }                                                                                     \
        else                                                                                      \
            for (int64_t i = 0; i < n; i++)                                                       \
                for (int p = 0; p < passes; p++) count[p][(k[i] >> (low + p * width)) & mask]++;  \
        for (int p = 0; p < passes; p++) {                                                        \
            uint32_t at = 0, *c = count[p];                                                       \
            for (int64_t b = 0; b < buckets; b++) {                                               \
                uint32_t here = c[b];                                                             \
                c[b] = at;                                                                        \
                at += here;                                                                       \
            }                                                                                     \
            int shift = low + p * width;                                                          \
            for (int64_t i = 0; i < n; i++) spare[c[(k[i] >> shift) & mask]++] = k[i];            \
            type *t = k;                                                                          \
            k = spare;                                                                            \
            spare = t;                                                                            \
        }                                                                                         \
        return k;                                                                                 \
    }
RADIX_SORT(radix_sort32, uint32_t)
RADIX_SORT(radix_sort64, uint64_t)

#endif

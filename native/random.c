/* random.c: random integers and permutations. See random.h. Compiled for the baseline only. */
#include "include/random.h"

#include "include/par.h"

void ct_philox(uint32_t words[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        const uint64_t p = (uint64_t)c0 * PHILOX_M0, q = (uint64_t)c2 * PHILOX_M1;
        c0 = (uint32_t)(q >> 32) ^ c1 ^ k0, c1 = (uint32_t)q;
        c2 = (uint32_t)(p >> 32) ^ c3 ^ k1, c3 = (uint32_t)p;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

/* 64 bits for element i; a further try takes the counter's second half of its own. */
static uint64_t bits_of(uint64_t seed, uint64_t offset, uint64_t element, uint32_t attempt) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint64_t at = element / 2;
    /* tries after the first stand above every block number */
    const uint32_t counter[4] = {(uint32_t)at, (uint32_t)(at >> 32) ^ (attempt << 24), (uint32_t)offset,
                                 (uint32_t)(offset >> 32)};
    uint32_t w[4];
    ct_philox(w, counter, key);
    return element % 2 ? (uint64_t)w[2] << 32 | w[3] : (uint64_t)w[0] << 32 | w[1];
}

/* The high and low half of a 64 x 64 bit product. */
static uint64_t product(uint64_t a, uint64_t b, uint64_t *low) {
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t m = a1 * b0 + (a0 * b0 >> 32), n = a0 * b1 + (uint32_t)m;
    *low = a * b;
    return a1 * b1 + (m >> 32) + (n >> 32);
}

/* An integer of [0, range), from 64 bits: the high half of bits * range, tried again in the few cases that would make
 * some integers likelier (Lemire 2019). range 0 stands for 2^64. */
static uint64_t bounded(uint64_t bits, uint64_t range, uint64_t seed, uint64_t offset, uint64_t element) {
    if (range == 0) return bits;
    uint64_t low, high = product(bits, range, &low);
    if (low < range) {
        const uint64_t reject = -range % range;
        for (uint32_t attempt = 1; low < reject && attempt < 256; attempt++)
            high = product(bits_of(seed, offset, element, attempt), range, &low);
    }
    return high;
}

typedef struct {
    int64_t *out;
    int64_t n, low, chunks;
    uint64_t range, seed, offset;
} integers;

static void integers_chunk(void *ctx, int64_t chunk) {
    const integers *c = ctx;
    par_range r = par_chunk(c->n, c->chunks, chunk, 2 * PHILOX_LANES);
    uint32_t w[4][PHILOX_LANES];
    for (int64_t i = r.begin; i < r.end; i += 2 * PHILOX_LANES) {
        philox_block(w, c->seed, c->offset, (uint64_t)i / 2);
        for (int k = 0; k < 2 * PHILOX_LANES && i + k < r.end; k++) {
            const int l = k / 2, odd = k % 2 * 2;
            const uint64_t bits = (uint64_t)w[odd][l] << 32 | w[odd + 1][l];
            c->out[i + k] =
                (int64_t)((uint64_t)c->low + bounded(bits, c->range, c->seed, c->offset, (uint64_t)(i + k)));
        }
    }
}

void ct_random_integers(int64_t *out, int64_t n, uint64_t seed, uint64_t offset, int64_t low, int64_t high) {
    integers c = {out, n, low, par_count(n, 4, 64), (uint64_t)high - (uint64_t)low, seed, offset};
    if (n > 0) par_for(c.chunks, integers_chunk, &c);
}

void ct_random_permutation(int64_t *out, int64_t n, uint64_t seed, uint64_t offset) {
    uint32_t w[4][PHILOX_LANES];
    for (int64_t i = 0; i < n; i++) {
        const int k = (int)(i % (2 * PHILOX_LANES)), l = k / 2, odd = k % 2 * 2;
        if (k == 0) philox_block(w, seed, offset, (uint64_t)i / 2);
        const uint64_t bits = (uint64_t)w[odd][l] << 32 | w[odd + 1][l];
        const int64_t j = (int64_t)bounded(bits, (uint64_t)i + 1, seed, offset, (uint64_t)i); /* "inside-out" */
        if (j != i) out[i] = out[j];
        out[j] = i;
    }
}

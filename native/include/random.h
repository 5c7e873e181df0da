/* random.h: random numbers as a function of (seed, offset, element).
 *
 * Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): ten rounds of two 32 x 32 bit products turn a 128-bit counter
 * and a 64-bit key into four random words.  The key is the seed; the counter is (block number, offset).  A generator
 * raises its offset by one for each call, so every element of every call has words of its own, whatever the threads
 * and the chunks.
 */
#ifndef CORTEN_RANDOM_H
#define CORTEN_RANDOM_H

#include "real.h"

#define PHILOX_LANES 16 /* counters at a time, on every instruction set */
#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

#if defined(__GNUC__) && !defined(__clang__)
#define CT_KEEP_LOOP _Pragma("GCC unroll 1")
#else
#define CT_KEEP_LOOP
#endif

/* w (4, LANES): the words of counters first ... first + LANES - 1 */
CT_NOINLINE void philox_block(uint32_t w[4][PHILOX_LANES], uint64_t seed, uint64_t offset, uint64_t first) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int l = 0; l < PHILOX_LANES; l++) {
        w[0][l] = (uint32_t)(first + (uint64_t)l), w[1][l] = (uint32_t)((first + (uint64_t)l) >> 32);
        w[2][l] = (uint32_t)offset, w[3][l] = (uint32_t)(offset >> 32);
    }
    for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        CT_KEEP_LOOP /* unrolled, it would not become vectors */
            for (int l = 0; l < PHILOX_LANES; l++) {
            const uint64_t p = (uint64_t)w[0][l] * PHILOX_M0, q = (uint64_t)w[2][l] * PHILOX_M1;
            const uint32_t w1 = w[1][l], w3 = w[3][l];
            w[0][l] = (uint32_t)(q >> 32) ^ w1 ^ k0, w[1][l] = (uint32_t)q;
            w[2][l] = (uint32_t)(p >> 32) ^ w3 ^ k1, w[3][l] = (uint32_t)p;
        }
    }
}

/* The four words of one counter. */
void ct_philox(uint32_t words[4], const uint32_t counter[4], const uint32_t key[2]);
/* n integers of [low, high), each as likely as the others. */
void ct_random_integers(int64_t *out, int64_t n, uint64_t seed, uint64_t offset, int64_t low, int64_t high);
/* 0 ... n - 1 in random order (Fisher and Yates). */
void ct_random_permutation(int64_t *out, int64_t n, uint64_t seed, uint64_t offset);

#endif

/* pool.c: a caching allocator. See pool.h.
 *
 * Sizes are rounded up to classes: multiples of 64 bytes up to 1 KiB, above that four classes to each power of two.
 * Each class keeps a stack of free blocks, threaded through their first bytes.  A warm result therefore comes back to
 * memory that is mapped and often still in cache: a fresh 40 MB array costs 10,000 page faults, a cached one none.
 * Blocks of 2 MiB and more are mapped with huge pages where the system has them.  When the cache is over its limit the
 * largest classes are emptied first.
 */
#include "include/pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define PASS_THROUGH 1 /* let the sanitizer see every block */
#endif

#define SMALL 1024
#define SMALL_CLASSES (SMALL / 64)
#define CLASSES (SMALL_CLASSES + 4 * 54)
#define HUGE_BLOCK ((size_t)2 << 20)

typedef struct block {
    struct block *next;
} block;

static block *stack[CLASSES];
static ct_pool_stats stats = {0, 0, 0, (int64_t)1 << 30, 0, 0};
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void) {
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {}
}
static void unlock(void) { atomic_flag_clear_explicit(&busy, memory_order_release); }

static int class_of(size_t bytes) {
    if (bytes <= SMALL) return bytes ? (int)((bytes - 1) / 64) : 0;
    int power = 63 - __builtin_clzll(bytes - 1); /* 2^power < bytes <= 2^(power+1) */
    size_t quarter = (size_t)1 << (power - 2);
    return SMALL_CLASSES + 4 * (power - 10) + (int)((bytes - 1 - ((size_t)1 << power)) / quarter);
}

static size_t class_bytes(int c) {
    if (c < SMALL_CLASSES) return (size_t)(c + 1) * 64;
    int power = 10 + (c - SMALL_CLASSES) / 4;
    return ((size_t)1 << power) + (size_t)((c - SMALL_CLASSES) % 4 + 1) * ((size_t)1 << (power - 2));
}

static void *system_take(size_t bytes) {
#if defined(__linux__)
    if (bytes >= HUGE_BLOCK) {
        void *p = NULL;
        if (posix_memalign(&p, HUGE_BLOCK, bytes) != 0) return NULL;
        madvise(p, bytes, MADV_HUGEPAGE);
        return p;
    }
#endif
#if defined(_WIN32)
    return _aligned_malloc(bytes, 64);
#else
    void *p = NULL;
    return posix_memalign(&p, 64, bytes) == 0 ? p : NULL;
#endif
}

static void system_give(void *p) {
#if defined(_WIN32)
    _aligned_free(p);
#else
    free(p);
#endif
}

void ct_pool_trim(int64_t keep) {
    for (int c = CLASSES - 1; c >= 0 && stats.cached > keep; c--) {
        lock();
        while (stack[c] && stats.cached > keep) {
            block *b = stack[c];
            stack[c] = b->next;
            stats.cached -= (int64_t)class_bytes(c);
            system_give(b);
        }
        unlock();
    }
}

void *ct_pool_take(size_t bytes) {
    if (bytes > (size_t)1 << 46) return NULL;
    int c = class_of(bytes);
    size_t size = class_bytes(c);
    void *p = NULL;
    lock();
    if (stack[c]) {
        p = stack[c];
        stack[c] = stack[c]->next;
        stats.cached -= (int64_t)size;
        stats.hits++;
    }
    stats.allocations++;
    stats.in_use += (int64_t)size;
    if (stats.in_use > stats.peak) stats.peak = stats.in_use;
    unlock();
    if (!p) {
        p = system_take(size);
        if (!p) {
            ct_pool_trim(0);
            p = system_take(size);
            if (!p) {
                lock();
                stats.in_use -= (int64_t)size;
                unlock();
                return NULL;
            }
        }
    }
    return p;
}

void ct_pool_give(void *p, size_t bytes) {
    if (!p) return;
    int c = class_of(bytes);
    int64_t size = (int64_t)class_bytes(c);
    lock();
    stats.in_use -= size;
#ifdef PASS_THROUGH
    unlock();
    system_give(p);
#else
    if (size > stats.limit) {
        unlock();
        system_give(p);
        return;
    }
    block *b = p;
    b->next = stack[c];
    stack[c] = b;
    stats.cached += size;
    int over = stats.cached > stats.limit;
    unlock();
    if (over) ct_pool_trim(stats.limit / 2);
#endif
}

void ct_pool_set_limit(int64_t bytes) {
    stats.limit = bytes < 0 ? 0 : bytes;
    ct_pool_trim(stats.limit);
}

void ct_pool_read(ct_pool_stats *out) {
    lock();
    *out = stats;
    unlock();
}

void ct_pool_reset_peak(void) {
    lock();
    stats.peak = stats.in_use;
    unlock();
}

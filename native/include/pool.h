/* pool.h: the memory of tensors. 64-byte aligned blocks; freed ones are kept for the next taker up to a bound. */
#ifndef CORTEN_POOL_H
#define CORTEN_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t in_use, peak;      /* bytes handed out now; the most so far */
    int64_t cached, limit;     /* bytes kept for reuse; the most that are kept */
    int64_t allocations, hits; /* blocks handed out; of these, served from the cache */
} ct_pool_stats;

void *ct_pool_take(size_t bytes);             /* NULL when memory is exhausted */
void ct_pool_give(void *block, size_t bytes); /* bytes as taken */
void ct_pool_trim(int64_t keep);              /* return cached blocks to the system until at most `keep` bytes stay */
void ct_pool_set_limit(int64_t bytes);
void ct_pool_read(ct_pool_stats *stats);
void ct_pool_reset_peak(void);

#endif

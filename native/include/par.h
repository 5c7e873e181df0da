/* par.h: the only door to threads (par.c is the only file that knows OpenMP).
 *
 *   par_for(chunks, body, ctx)    calls body(ctx, chunk) once for each chunk
 *
 * How work is cut into chunks must depend on the data alone, never on how many threads there are; then every result
 * is bit-identical for any thread count.  par_chunk() cuts a range evenly.  A reduction over chunks writes one partial
 * result for each chunk and adds them in chunk order afterwards.
 *
 * Waking a thread costs some microseconds: a kernel asks for more than one chunk only above PAR_GRAIN units of work
 * (a unit is about one nanosecond).  One chunk runs inline, with no cost.  Regions do not nest: a par_for inside a
 * body runs serially.  All callers in the process share one budget of threads: a region gets what is left of it, at
 * least its own thread.
 */
#ifndef CORTEN_PAR_H
#define CORTEN_PAR_H

#include <stdint.h>

typedef void (*par_body)(void *ctx, int64_t chunk);

void ct_par_for(int64_t chunks, par_body body, void *ctx);
void ct_par_set_threads(int n);   /* >= 1; the process-wide limit */
int ct_par_threads(void);         /* the limit */
int ct_par_default_threads(void); /* from CORTEN_NUM_THREADS, CPU affinity and cgroup quota */
int ct_par_worker(void);          /* inside a body: 0 ... ct_par_threads() - 1, for per-thread workspace */
int ct_par_openmp(void);          /* 1 when built with OpenMP */

/* A caller that fans out by itself (BLAS, a Python thread pool) takes threads from the same budget. */
int ct_par_acquire(int wanted); /* how many threads beside its own it may use now, 0 ... wanted */
void ct_par_release(int got);

#define par_for ct_par_for
#define PAR_GRAIN 16384

typedef struct {
    int64_t begin, end;
} par_range;

/* The range of items of one of `chunks` even parts of n, cut at multiples of `align`. */
static inline par_range par_chunk(int64_t n, int64_t chunks, int64_t chunk, int64_t align) {
    int64_t blocks = (n + align - 1) / align;
    int64_t each = blocks / chunks, extra = blocks % chunks;
    int64_t first = chunk * each + (chunk < extra ? chunk : extra);
    int64_t count = each + (chunk < extra ? 1 : 0);
    par_range r = {first * align, (first + count) * align};
    if (r.begin > n) r.begin = n;
    if (r.end > n) r.end = n;
    return r;
}

/* How many chunks n items of `cost` nanoseconds each are worth: 1 when small, at most `most`. Depends on n alone. */
static inline int64_t par_count(int64_t n, double cost, int64_t most) {
    double work = (double)n * cost;
    if (work < 2.0 * PAR_GRAIN) return 1;
    int64_t c = (int64_t)(work / PAR_GRAIN);
    if (c > most) c = most;
    return c < n ? c : (n > 0 ? n : 1);
}

#endif

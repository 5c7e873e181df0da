/* par.c: threads. See par.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#include <sched.h>
#endif
#include "include/par.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif
#if !defined(_WIN32)
#include <pthread.h>
#include <unistd.h>
#endif

static atomic_int limit = 0;  /* 0: not set yet */
static atomic_int forked = 0; /* this process is a fork of one that had threads: its team is gone */
static _Thread_local int worker = 0;
static _Thread_local int inside = 0;

/* The budget: how many threads are inside a region now. A region waits for its own place. */
static int active = 0;
#if !defined(_WIN32)
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed = PTHREAD_COND_INITIALIZER;
#define LOCK() pthread_mutex_lock(&lock)
#define UNLOCK() pthread_mutex_unlock(&lock)
#define WAIT() pthread_cond_wait(&freed, &lock)
#define WAKE() pthread_cond_broadcast(&freed)
#else
#include <windows.h>
static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE freed = CONDITION_VARIABLE_INIT;
#define LOCK() AcquireSRWLockExclusive(&lock)
#define UNLOCK() ReleaseSRWLockExclusive(&lock)
#define WAIT() SleepConditionVariableSRW(&freed, &lock, INFINITE, 0)
#define WAKE() WakeAllConditionVariable(&freed)
#endif

#if defined(__linux__)
/* CPUs that a cgroup v2 or v1 quota grants, rounded up; 0 when there is none. */
static int cgroup_cpus(void) {
    double quota = -1, period = 100000;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (f) {
        char text[32];
        if (fscanf(f, "%31s %lf", text, &period) == 2 && strcmp(text, "max") != 0) quota = atof(text);
        fclose(f);
    } else {
        if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r"))) {
            if (fscanf(f, "%lf", &quota) != 1) quota = -1;
            fclose(f);
        }
        if ((f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r"))) {
            if (fscanf(f, "%lf", &period) != 1) period = 100000;
            fclose(f);
        }
    }
    if (quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}
#endif

int ct_par_default_threads(void) {
    const char *text = getenv("CORTEN_NUM_THREADS");
    if (!text || !*text) text = getenv("OMP_NUM_THREADS");
    if (text && *text) {
        int n = atoi(text);
        if (n >= 1) return n;
    }
    int n = 1;
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
    int quota = cgroup_cpus();
    if (quota > 0 && quota < n) n = quota;
#elif defined(_OPENMP)
    n = omp_get_num_procs();
#elif !defined(_WIN32)
    n = (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return n < 1 ? 1 : n;
}

#if !defined(_WIN32)
static void after_fork(void) {
    atomic_store(&forked, 1);
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&freed, NULL);
    active = 0;
    inside = 0;
}
#endif

int ct_par_threads(void) {
    int n = atomic_load_explicit(&limit, memory_order_relaxed);
    if (n == 0) {
        n = ct_par_default_threads();
#if !defined(_WIN32)
        pthread_atfork(NULL, NULL, after_fork);
#endif
        atomic_store(&limit, n);
    }
    return n;
}

void ct_par_set_threads(int n) {
    (void)ct_par_threads(); /* installs the fork handler */
    atomic_store(&limit, n < 1 ? 1 : n);
}

int ct_par_worker(void) { return worker; }

int ct_par_openmp(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

/* Take `wanted` places, or what is left; with `wait`, at least one. */
static int enter(int wanted, int wait) {
    int most = ct_par_threads();
    LOCK();
    while (wait && active >= most) WAIT();
    int got = most - active < wanted ? most - active : wanted;
    if (got < 0) got = 0;
    active += got;
    UNLOCK();
    return got;
}

static void leave(int got) {
    if (got <= 0) return;
    LOCK();
    active -= got;
    WAKE();
    UNLOCK();
}

int ct_par_acquire(int wanted) { return enter(wanted, 0); }
void ct_par_release(int got) { leave(got); }

void ct_par_for(int64_t chunks, par_body body, void *ctx) {
    if (chunks <= 1 || inside || atomic_load_explicit(&forked, memory_order_relaxed)) {
        for (int64_t c = 0; c < chunks; c++) body(ctx, c);
        return;
    }
    int most = ct_par_threads();
    int got = enter(chunks < most ? (int)chunks : most, 1);
#ifdef _OPENMP
    if (got > 1) {
#pragma omp parallel num_threads(got)
        {
            worker = omp_get_thread_num();
            inside = 1;
#pragma omp for schedule(dynamic, 1)
            for (int64_t c = 0; c < chunks; c++) body(ctx, c);
            inside = 0;
            worker = 0;
        }
        leave(got);
        return;
    }
#endif
    inside = 1;
    for (int64_t c = 0; c < chunks; c++) body(ctx, c);
    inside = 0;
    leave(got);
}

/* integer_reduce.h: reductions of integer arrays, and checks of indices that must come before a kernel runs. */
#ifndef CORTEN_INTEGER_REDUCE_H
#define CORTEN_INTEGER_REDUCE_H

#include "kernel.h"

/* Position, in logical order, of the first element of an integer array that is not in [low, high); -1 when all are. */
int64_t ct_index_check(const ct_array *a, int64_t low, int64_t high);
/* The same for class targets, of which those equal to `ignore` may be anything. */
int64_t ct_target_check(const ct_array *a, int64_t high, int64_t ignore);
/* Element at this position in logical order, for the message. */
int64_t ct_index_at(const ct_array *a, int64_t position);

/* A reduction of integers or bools by name (they look at the dtype of their input); NULL when there is none. */
const ct_kernel *ct_find_integer_reduction(const char *name);

#endif

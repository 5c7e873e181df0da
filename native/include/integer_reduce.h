/* integer_reduce.h: checks of integer arrays that must come before a kernel runs. */
#ifndef CORTEN_INTEGER_REDUCE_H
#define CORTEN_INTEGER_REDUCE_H

#include "kernel.h"

/* Position, in logical order, of the first element of an integer array that is not in [low, high); -1 when all are. */
int64_t ct_index_check(const ct_array *a, int64_t low, int64_t high);
/* The same for class targets, of which those equal to `ignore` may be anything. */
int64_t ct_target_check(const ct_array *a, int64_t high, int64_t ignore);
/* Element at this position in logical order, for the message. */
int64_t ct_index_at(const ct_array *a, int64_t position);

#endif

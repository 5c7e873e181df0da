/* integers.h: the elementwise kernels of int8, int16, int32, int64, uint8 and bool. One compilation serves all CPUs. */
#ifndef CORTEN_INTEGERS_H
#define CORTEN_INTEGERS_H

#include "kernel.h"

/* A kernel by name for an integer dtype or CT_BOOL; NULL when there is none. */
const ct_kernel *ct_find_integer_kernel(const char *name, int dtype);

#endif

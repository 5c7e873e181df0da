/* integer_index.h: scattering of int64. */
#ifndef CORTEN_INTEGER_INDEX_H
#define CORTEN_INTEGER_INDEX_H

#include "kernel.h"

/* A kernel by name for int64; NULL when there is none. */
const ct_kernel *ct_find_integer_index(const char *name, int dtype);

#endif

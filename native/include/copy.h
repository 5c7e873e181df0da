/* copy.h: moving and converting elements between any two layouts and dtypes. */
#ifndef CORTEN_COPY_H
#define CORTEN_COPY_H

#include "kernel.h"

/* out[...] = (dtype of out) in[...]; `in` has out's shape, with stride 0 where it repeats. */
void ct_copy(const ct_array *out, const ct_array *in);
/* out[...] = *value, which has out's dtype. */
void ct_fill(const ct_array *out, const void *value);

#endif

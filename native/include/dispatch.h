/* dispatch.h: which compiled variant of the kernels this process uses, chosen once. */
#ifndef CORTEN_DISPATCH_H
#define CORTEN_DISPATCH_H

#include "kernel.h"

enum ct_family_id {
#define KERNELS(stem) CT_ID_##stem,
#define API(stem) CT_ID_##stem,
#include "families.def"
#undef KERNELS
#undef API
    CT_FAMILIES
};

/* Picks the best instruction set that the CPU has, or the one named (NULL: from CORTEN_ISA). 0, or -1 when the name is
 * unknown or was not compiled, -2 when the CPU lacks it. */
int ct_dispatch_init(const char *isa);
const char *ct_dispatch_isa(void);
int ct_dispatch_has(const char *isa); /* compiled in, and the CPU has it */

/* A kernel by name; dtype is CT_FLOAT32, CT_FLOAT64, an integer or CT_BOOL. NULL when there is none. */
const ct_kernel *ct_find_kernel(const char *name, int dtype);
/* The API struct of a family by name, likewise. */
const void *ct_find_api(const char *family, int dtype);
/* Row `index` over all families, for listings; NULL past the end. */
const ct_kernel *ct_kernel_at(int index);

#endif

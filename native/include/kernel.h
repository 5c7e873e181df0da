/* kernel.h: what a tensor kernel is.
 *
 * A kernel gets one ct_call: descriptors of its inputs and outputs (the outputs are allocated, contiguous unless its
 * declaration says otherwise), its attributes in the order of the declaration, and workspace.  It allocates nothing,
 * knows no Python, and cannot fail: shapes, dtypes and index ranges were checked before it is called.
 *
 * A family file ends in one table, its only exported symbol:
 *
 *   static const ct_kernel rows[] = {{"softmax", softmax, NULL}, ...};
 *   CT_KERNELS(reduce, rows);
 *
 * and has one line in families.def.
 */
#ifndef CORTEN_KERNEL_H
#define CORTEN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define CT_MAX_DIM 8
#define CT_MAX_IN 12
#define CT_MAX_OUT 6
#define CT_MAX_ATTR 32

enum ct_dtype {
    CT_FLOAT32 = 0,
    CT_FLOAT64 = 1,
    CT_FLOAT16 = 2,
    CT_BFLOAT16 = 3,
    CT_INT8 = 4,
    CT_INT16 = 5,
    CT_INT32 = 6,
    CT_INT64 = 7,
    CT_UINT8 = 8,
    CT_BOOL = 9,
    CT_COMPLEX64 = 10,
    CT_COMPLEX128 = 11,
    CT_DTYPES = 12
};

typedef struct {
    void *data;   /* first element */
    int64_t size; /* number of elements */
    int32_t ndim;
    int32_t dtype; /* enum ct_dtype */
    int64_t shape[CT_MAX_DIM];
    int64_t stride[CT_MAX_DIM]; /* in elements; 0 repeats */
} ct_array;

typedef struct {
    ct_array *out[CT_MAX_OUT];
    const ct_array *in[CT_MAX_IN]; /* NULL for an optional input that is absent */
    const int64_t *ints;           /* int, bool and int-list attributes, in declared order */
    const double *reals;           /* float attributes, in declared order */
    void *work;                    /* 64-byte aligned, as many bytes as the row's `work` said */
    int nin, nout;
} ct_call;

typedef struct {
    const char *name;
    void (*run)(const ct_call *call);
    int64_t (*work)(const ct_call *call); /* bytes of workspace, or NULL for none (data pointers are not set yet) */
} ct_kernel;

typedef struct {
    const ct_kernel *rows;
    int count;
} ct_family;

#define CT_KERNELS(stem, rows)                 \
    extern const ct_family CT_NAME(ct_##stem); \
    const ct_family CT_NAME(ct_##stem) = {rows, (int)(sizeof(rows) / sizeof((rows)[0]))}

#endif

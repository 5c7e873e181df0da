/* elementwise.c: one value in, one value out. */
#include "../include/kernel.h"
#include "../include/real.h"

static void relu(const ct_call *call) {
    const real *x = call->in[0]->data;
    real *y = call->out[0]->data;
    for (int64_t i = 0; i < call->in[0]->size; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

static const ct_kernel rows[] = {{"relu", relu, NULL}};
CT_KERNELS(elementwise, rows);

/* compare.c: kernels whose output is bool (one byte, 0 or 1), and the choice between two values by one. */
#include "../include/loops.h"
#include "../include/vmath.h"

LOOP_BINARY_BOOL(eq, 0.2, a == b)
LOOP_BINARY_BOOL(ne, 0.2, a != b)
LOOP_BINARY_BOOL(lt, 0.2, a < b)
LOOP_BINARY_BOOL(le, 0.2, a <= b)
LOOP_BINARY_BOOL(gt, 0.2, a > b)
LOOP_BINARY_BOOL(ge, 0.2, a >= b)
LOOP_UNARY_BOOL(isnan_, 0.15, a != a)
LOOP_UNARY_BOOL(isinf_, 0.15, v_isinf(a))
LOOP_UNARY_BOOL(isfinite_, 0.15, v_abs(a) < v_set1(REAL_INF))
LOOP_UNARY_BOOL(logical_not, 0.15, a == v_zero())
LOOP_BINARY_BOOL(logical_and, 0.2, (a != v_zero()) & (b != v_zero()))
LOOP_BINARY_BOOL(logical_or, 0.2, (a != v_zero()) | (b != v_zero()))
LOOP_BINARY_BOOL(logical_xor, 0.2, (a != v_zero()) ^ (b != v_zero()))

/* condition (bool) ? a : b */
static void where_row(const loop_span *span, int64_t n) {
    LOOP_OUT LOOP_IN(a, 2) LOOP_IN(b, 3) const uint8_t *condition = (const uint8_t *)span->p[1];
    const int one = span->repeat >> 1 & 1;
    const vmask all = (vint)v_zero() - (*condition != 0);
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t left = n - i;
        LOOP_GET(a) LOOP_GET(b) const vmask m = one ? all : v_load_bools(condition + i, left);
        LOOP_PUT(v_blend(m, a, b))
    }
}
LOOP_KERNEL(where, 3, 0.25)

static const ct_kernel rows[] = {
    {"eq", eq, NULL},
    {"ne", ne, NULL},
    {"lt", lt, NULL},
    {"le", le, NULL},
    {"gt", gt, NULL},
    {"ge", ge, NULL},
    {"isnan", isnan_, NULL},
    {"isinf", isinf_, NULL},
    {"isfinite", isfinite_, NULL},
    {"logical_not", logical_not, NULL},
    {"logical_and", logical_and, NULL},
    {"logical_or", logical_or, NULL},
    {"logical_xor", logical_xor, NULL},
    {"where", where, NULL},
};
CT_KERNELS(compare, rows);

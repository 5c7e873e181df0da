/* loops.h: one driver for every kernel that works element by element.
 *
 * A kernel supplies a row function, which computes n elements whose operands are contiguous or one repeated value.  The
 * driver feeds it from arrays of any strides (0 repeats; an output may alias an input exactly):
 *
 *   - everything contiguous or one value: the whole array is one row, found first, at a few nanoseconds a call;
 *   - otherwise dimensions are ordered as they lie in the output, merged where every operand allows it, and the last
 * two are walked in tiles of R rows by C columns.  An operand whose tile the row function cannot read in place
 *     (strided, transposed, short rows) is packed into a buffer in the first-level cache first; a packed tile that
 *     repeats (a bias along the rows) is packed once.
 *
 * Large arrays are cut into chunks that depend on the shape alone.  Large outputs that nothing will find in cache again
 * are written past the caches.  Every element goes through the same vector code wherever it lies (tails are loaded
 * with v_load_part), so its value depends on its operands only.
 */
#ifndef CORTEN_LOOPS_H
#define CORTEN_LOOPS_H

#include <string.h>

#include "kernel.h"
#include "par.h"
#include "simd.h"

#define LOOP_MAX 5                      /* an output and up to four inputs */
#define LOOP_PACK 512                   /* elements of a packed tile */
#define LOOP_CHUNKS 64                  /* the most chunks that one array is cut into */
#define LOOP_GRAIN 5000.0               /* nanoseconds of a chunk; an array is cut from two of them on */
#define LOOP_STREAM ((int64_t)24 << 20) /* bytes of output and inputs from which writing past the caches pays */

typedef struct {
    char *p[LOOP_MAX];   /* [0] the output, then the inputs */
    unsigned repeat;     /* bit k: operand k is one value, repeated */
    const double *reals; /* of the call */
    const int64_t *ints;
} loop_span;

typedef void (*loop_row)(const loop_span *span, int64_t n);

typedef struct {
    loop_row row;
    loop_span span;         /* operands at their first element */
    int64_t chunks, units;  /* flat: units are elements; nested: tiles */
    int64_t size[LOOP_MAX]; /* bytes of an element */
    int nop, stream;
    /* nested only */
    int nd;
    int64_t shape[CT_MAX_DIM];
    int64_t stride[LOOP_MAX][CT_MAX_DIM]; /* in bytes */
    int64_t R, C, row_tiles, column_tiles;
    int joint; /* a tile of several rows is one call */
} loop_nest;

CT_INLINE int64_t loop_item(int dtype) {
    static const uint8_t bytes[CT_DTYPES] = {4, 8, 2, 2, 1, 2, 4, 8, 1, 1, 8, 16};
    return bytes[dtype];
}

CT_INLINE int64_t loop_chunks(int64_t n, double cost) {
    return par_count(n, cost * (PAR_GRAIN / LOOP_GRAIN), LOOP_CHUNKS);
}

CT_INLINE int loop_is_contiguous(const ct_array *a) {
    int64_t expected = 1;
    for (int d = a->ndim - 1; d >= 0; d--) {
        if (a->stride[d] != expected && a->shape[d] != 1) return 0;
        expected *= a->shape[d];
    }
    return 1;
}
CT_INLINE int loop_is_one_value(const ct_array *a) {
    for (int d = 0; d < a->ndim; d++)
        if (a->stride[d] != 0 && a->shape[d] != 1) return 0;
    return 1;
}

/* One row; with `stream`, by way of a buffer in cache and stores that bypass it. */
CT_NOINLINE void loop_stream_row(loop_row row, const loop_span *span, int64_t n, const int64_t *size, int nop) {
    char buffer[4096] __attribute__((aligned(64)));
    loop_span s = *span;
    int64_t head = (int64_t)(-(uintptr_t)s.p[0] & (VBYTES - 1)) / size[0];
    while (n > 0) {
        char *y = s.p[0];
        int64_t m = i64_min(n, head ? head : (int64_t)sizeof buffer / size[0]), bytes = m * size[0], i = 0;
        head = 0;
        s.p[0] = buffer;
        row(&s, m);
        if (((uintptr_t)y & (VBYTES - 1)) == 0)
            for (; i + VBYTES <= bytes; i += VBYTES)
                v_stream((real *)(void *)(y + i), v_load((real *)(void *)(buffer + i)));
        memcpy(y + i, buffer + i, (size_t)(bytes - i));
        s.p[0] = y + bytes;
        for (int k = 1; k < nop; k++)
            if (!(s.repeat >> k & 1)) s.p[k] += m * size[k];
        n -= m;
    }
    v_fence();
}
CT_INLINE void loop_one_row(const loop_nest *nest, const loop_span *span, int64_t n) {
    if (CT_UNLIKELY(nest->stream)) loop_stream_row(nest->row, span, n, nest->size, nest->nop);
    else nest->row(span, n);
}

CT_UNUSED static void loop_flat_body(void *ctx, int64_t chunk) {
    const loop_nest *nest = ctx;
    par_range range = par_chunk(nest->units, nest->chunks, chunk, 256);
    loop_span s = nest->span;
    for (int k = 0; k < nest->nop; k++)
        if (!(s.repeat >> k & 1)) s.p[k] += range.begin * nest->size[k];
    loop_one_row(nest, &s, range.end - range.begin);
}

/* dst (R, C) contiguous = src (R, C) with byte strides, read along the shorter one. */
#define LOOP_MOVE(T, D_R, D_C, S_R, S_C) \
    for (int64_t r = 0; r < R; r++)      \
        for (int64_t c = 0; c < C; c++)  \
            *(T *)(void *)(dst + r * (D_R) + c * (D_C)) = *(const T *)(const void *)(src + r * (S_R) + c * (S_C));
#define LOOP_SIZES(D_R, D_C, S_R, S_C)                      \
    switch (item) {                                         \
    case 1: LOOP_MOVE(uint8_t, D_R, D_C, S_R, S_C) break;   \
    case 2: LOOP_MOVE(uint16_t, D_R, D_C, S_R, S_C) break;  \
    case 4: LOOP_MOVE(uint32_t, D_R, D_C, S_R, S_C) break;  \
    default: LOOP_MOVE(uint64_t, D_R, D_C, S_R, S_C) break; \
    }
/* dst (4, 4) with rows `to` bytes apart = transpose of src (4, 4) with rows `from` bytes apart */
typedef uint32_t loop_four __attribute__((vector_size(16)));
typedef uint32_t loop_four_unaligned __attribute__((vector_size(16), aligned(4), may_alias));
CT_INLINE void loop_transpose4(char *dst, int64_t to, const char *src, int64_t from) {
    const loop_four low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, left = {0, 1, 4, 5}, right = {2, 3, 6, 7};
    loop_four r[4];
    for (int i = 0; i < 4; i++) r[i] = *(const loop_four_unaligned *)(const void *)(src + i * from);
    loop_four a = __builtin_shuffle(r[0], r[1], low), b = __builtin_shuffle(r[2], r[3], low);
    loop_four c = __builtin_shuffle(r[0], r[1], high), d = __builtin_shuffle(r[2], r[3], high);
    *(loop_four_unaligned *)(void *)dst = __builtin_shuffle(a, b, left);
    *(loop_four_unaligned *)(void *)(dst + to) = __builtin_shuffle(a, b, right);
    *(loop_four_unaligned *)(void *)(dst + 2 * to) = __builtin_shuffle(c, d, left);
    *(loop_four_unaligned *)(void *)(dst + 3 * to) = __builtin_shuffle(c, d, right);
}
CT_NOINLINE void loop_gather(char *restrict dst, const char *restrict src, int64_t R, int64_t C, int64_t row,
                             int64_t column, int64_t item) {
    if (item == 4 && row == 4 && R % 4 == 0 && C % 4 == 0) {
        for (int64_t c = 0; c < C; c += 4)
            for (int64_t r = 0; r < R; r += 4)
                loop_transpose4(dst + (r * C + c) * 4, C * 4, src + c * column + r * 4, column);
    } else if (R > 1 && row < column) { /* walk down the columns */
        int64_t n = R, step = row;
        R = C, C = n, row = column, column = step;
        LOOP_SIZES(item, R * item, row, column)
    } else {
        LOOP_SIZES(C * item, item, row, column)
    }
}
CT_NOINLINE void loop_scatter(char *restrict dst, const char *restrict src, int64_t R, int64_t C, int64_t row,
                              int64_t column, int64_t item){LOOP_SIZES(row, column, C *item, item)}

/* The tile of R rows and C columns whose operands begin at `at`. `packed` remembers what each buffer holds. */
CT_INLINE void loop_tile(const loop_nest *nest, char *const *at, int64_t R, int64_t C, char (*buffer)[LOOP_PACK * 8],
                         const char **packed, int64_t *packed_size) {
    loop_span s = nest->span;
    int64_t step[LOOP_MAX];
    int last = nest->nd - 1, unpack = 0, whole = 1;
    s.repeat = 0;
    for (int k = 0; k < nest->nop; k++) {
        int64_t column = nest->stride[k][last], row = last > 0 ? nest->stride[k][last - 1] : 0, item = nest->size[k];
        s.p[k] = at[k];
        step[k] = row;
        if (column == 0 && k > 0 && (row == 0 || R == 1 || !nest->joint)) {
            s.repeat |= 1u << k;
            if (row != 0 && R > 1) whole = 0;
        } else if (column == item && (R == 1 || row == C * item)) {
        } else if (column == item && !nest->joint) {
            whole = 0;
        } else {
            s.p[k] = buffer[k];
            step[k] = C * item;
            if (k == 0) unpack = 1;
            else if (packed[k] != at[k] || packed_size[k] != R * C || row != 0 || !nest->joint) {
                loop_gather(buffer[k], at[k], R, C, row, column, item);
                packed[k] = at[k];
                packed_size[k] = R * C;
            }
        }
    }
    if (whole) loop_one_row(nest, &s, R * C);
    else
        for (int64_t r = 0; r < R; r++) {
            loop_one_row(nest, &s, C);
            for (int k = 0; k < nest->nop; k++) s.p[k] += step[k];
        }
    if (unpack)
        loop_scatter(at[0], buffer[0], R, C, last > 0 ? nest->stride[0][last - 1] : 0, nest->stride[0][last],
                     nest->size[0]);
}

CT_UNUSED static void loop_nest_body(void *ctx, int64_t chunk) {
    const loop_nest *nest = ctx;
    char buffer[LOOP_MAX][LOOP_PACK * 8] __attribute__((aligned(64)));
    const char *packed[LOOP_MAX] = {0};
    int64_t packed_size[LOOP_MAX] = {0};
    par_range range = par_chunk(nest->units, nest->chunks, chunk, 1);
    int last = nest->nd - 1, outer = nest->nd - 2;
    int64_t M = last > 0 ? nest->shape[last - 1] : 1, L = nest->shape[last];
    /* unit -> (outer indices, row tile, column tile) */
    int64_t u = range.begin, index[CT_MAX_DIM] = {0};
    int64_t column = u % nest->column_tiles, row = (u /= nest->column_tiles) % nest->row_tiles;
    u /= nest->row_tiles;
    for (int d = outer - 1; d >= 0; d--) {
        index[d] = u % nest->shape[d];
        u /= nest->shape[d];
    }
    for (u = range.begin; u < range.end; u++) {
        char *at[LOOP_MAX];
        for (int k = 0; k < nest->nop; k++) {
            char *p = nest->span.p[k] + column * nest->C * nest->stride[k][last];
            if (last > 0) p += row * nest->R * nest->stride[k][last - 1];
            for (int d = 0; d < outer; d++) p += index[d] * nest->stride[k][d];
            at[k] = p;
        }
        loop_tile(nest, at, i64_min(nest->R, M - row * nest->R), i64_min(nest->C, L - column * nest->C), buffer, packed,
                  packed_size);
        if (++column < nest->column_tiles) continue;
        column = 0;
        if (++row < nest->row_tiles) continue;
        row = 0;
        for (int d = outer - 1; d >= 0; d--) {
            if (++index[d] < nest->shape[d]) break;
            index[d] = 0;
        }
    }
}

CT_INLINE void loop_swap_dims(loop_nest *nest, int a, int b) {
    int64_t t = nest->shape[a];
    nest->shape[a] = nest->shape[b], nest->shape[b] = t;
    for (int k = 0; k < nest->nop; k++) {
        t = nest->stride[k][a];
        nest->stride[k][a] = nest->stride[k][b], nest->stride[k][b] = t;
    }
}

CT_NOINLINE void loop_nested(loop_nest *nest, const ct_call *call, double cost) {
    const ct_array *out = call->out[0];
    int nop = nest->nop, nd = 0;
    nest->stream = 0;
    for (int d = 0; d < out->ndim; d++) {
        if (out->shape[d] == 1) continue;
        nest->shape[nd] = out->shape[d];
        for (int k = 0; k < nop; k++) nest->stride[k][nd] = (k ? call->in[k - 1] : out)->stride[d] * nest->size[k];
        nd++;
    }
    if (nd == 0) {
        nest->shape[0] = 1;
        for (int k = 0; k < nop; k++) nest->stride[k][0] = nest->size[k];
        nd = 1;
    }
    for (int i = 1; i < nd; i++) /* the output's own order */
        for (int d = i; d > 0 && nest->stride[0][d - 1] < nest->stride[0][d]; d--) loop_swap_dims(nest, d - 1, d);
    for (int d = nd - 1; d > 0; d--) { /* merge d into d - 1 */
        int merge = 1;
        for (int k = 0; k < nop; k++) merge &= nest->stride[k][d - 1] == nest->stride[k][d] * nest->shape[d];
        if (!merge) continue;
        nest->shape[d - 1] *= nest->shape[d];
        for (int k = 0; k < nop; k++) nest->stride[k][d - 1] = nest->stride[k][d];
        for (int e = d; e < nd - 1; e++) {
            nest->shape[e] = nest->shape[e + 1];
            for (int k = 0; k < nop; k++) nest->stride[k][e] = nest->stride[k][e + 1];
        }
        nd--;
    }
    nest->nd = nd;
    int last = nd - 1, pack = 0, together = nd > 1;
    for (int k = 0; k < nop; k++) {
        int64_t column = nest->stride[k][last];
        pack |= column != nest->size[k] && !(column == 0 && k > 0);
        for (int d = 0; d < last && column > nest->size[k]; d++) /* transposed: its short stride becomes the rows' */
            if (nest->stride[k][d] > 0 && nest->stride[k][d] < column) {
                pack = 2;
                for (; d < last - 1; d++) loop_swap_dims(nest, d, d + 1);
                column = 0;
            }
        if (pack == 2) break;
    }
    int64_t L = nest->shape[last], M = last > 0 ? nest->shape[last - 1] : 1;
    for (int k = 0; k < nop && together; k++) {
        int64_t column = nest->stride[k][last], row = nest->stride[k][last - 1];
        together = (column == nest->size[k] && row == L * column) || (k > 0 && row == 0);
    }
    nest->joint = last > 0 && (L < 32 || (together && L <= LOOP_PACK / 2));
    nest->R = 1;
    nest->C = pack ? LOOP_PACK : 16384;
    if (nest->joint) nest->R = i64_min(M, LOOP_PACK / L), nest->C = L;
    else if (pack == 2) nest->R = 16, nest->C = LOOP_PACK / 16;
    else if (!pack && last > 0 && L <= nest->C / 2)
        nest->R = i64_min(M, nest->C / L); /* rows in one tile, call by call */
    nest->row_tiles = ceil_div(M, nest->R);
    nest->column_tiles = ceil_div(L, nest->C);
    nest->units = nest->row_tiles * nest->column_tiles;
    for (int d = 0; d < nd - 2; d++) nest->units *= nest->shape[d];
    nest->chunks = i64_min(loop_chunks(out->size, pack ? cost + 0.5 : cost), nest->units);
    par_for(nest->chunks, loop_nest_body, nest);
}

/* out = row(in...) for `nin` inputs; `cost` is about the nanoseconds that an element takes on one thread. */
CT_INLINE void loop_run(const ct_call *call, loop_row row, int nin, double cost) {
    const ct_array *out = call->out[0];
    loop_nest nest;
    int64_t n = out->size;
    if (CT_UNLIKELY(n == 0)) return;
    nest.row = row;
    nest.span.p[0] = out->data;
    nest.span.repeat = 0;
    nest.span.reals = call->reals;
    nest.span.ints = call->ints;
    int flat = loop_is_contiguous(out);
    for (int k = 1; k <= nin; k++) {
        const ct_array *a = call->in[k - 1];
        nest.span.p[k] = a->data;
        if (loop_is_contiguous(a)) continue;
        if (loop_is_one_value(a)) nest.span.repeat |= 1u << k;
        else flat = 0;
    }
    if (CT_LIKELY(flat && (double)n * cost < 2 * LOOP_GRAIN)) {
        row(&nest.span, n);
        return;
    }
    nest.nop = nin + 1;
    int64_t bytes = 0;
    int stream = 1;
    for (int k = 0; k < nest.nop; k++) {
        nest.size[k] = loop_item(k ? call->in[k - 1]->dtype : out->dtype);
        if (!(nest.span.repeat >> k & 1)) bytes += n * nest.size[k];
        if (k > 0 && nest.span.p[k] == nest.span.p[0]) stream = 0; /* in place: its line is in cache already */
    }
    if (!flat) {
        loop_nested(&nest, call, cost);
        return;
    }
    nest.stream = stream && bytes >= LOOP_STREAM;
    nest.units = n;
    nest.chunks = loop_chunks(n, cost);
    par_for(nest.chunks, loop_flat_body, &nest);
}

/* ---- rows: inside `expr`, the inputs are the vectors a, b, c and float attributes are P(0), P(1), ... -------------
 */

#define P(i) v_set1((real)span->reals[i])

/* Operand k as a pointer and a mask of the element index: a repeated value is read from VL copies of it. */
#define LOOP_IN(name, k)                                           \
    real name##_copies[VBYTES / sizeof(real)];                     \
    const real *name##_p = (const real *)(const void *)span->p[k]; \
    int64_t name##_mask = -1;                                      \
    if (span->repeat >> (k) & 1) {                                 \
        v_store(name##_copies, v_set1(*name##_p));                 \
        name##_p = name##_copies;                                  \
        name##_mask = 0;                                           \
    }
#define LOOP_GET(name)                                                              \
    const vreal name = CT_LIKELY(left >= VL) ? v_load(name##_p + (i & name##_mask)) \
                                             : v_load_part(name##_p + (i & name##_mask), left);
#define LOOP_PUT(value)                                \
    const vreal result = (value);                      \
    if (CT_LIKELY(left >= VL)) v_store(y + i, result); \
    else v_store_part(y + i, result, left);

#define LOOP_BODY(name, ins, gets, put)                        \
    static void name##_row(const loop_span *span, int64_t n) { \
        ins;                                                   \
        for (int64_t i = 0; i < n; i += VL) {                  \
            const int64_t left = n - i;                        \
            gets;                                              \
            put;                                               \
        }                                                      \
    }
/* cost: nanoseconds of a float element on one thread; a double takes twice that */
#define LOOP_KERNEL(name, nin, cost) \
    static void name(const ct_call *call) { loop_run(call, name##_row, nin, (cost) * (double)(sizeof(real) / 4)); }

#define LOOP_OUT real *y = (real *)(void *)span->p[0];
#define LOOP_UNARY(name, cost, expr)                                     \
    LOOP_BODY(name, LOOP_OUT LOOP_IN(a, 1), LOOP_GET(a), LOOP_PUT(expr)) \
    LOOP_KERNEL(name, 1, cost)
#define LOOP_BINARY(name, cost, expr)                                                              \
    LOOP_BODY(name, LOOP_OUT LOOP_IN(a, 1) LOOP_IN(b, 2), LOOP_GET(a) LOOP_GET(b), LOOP_PUT(expr)) \
    LOOP_KERNEL(name, 2, cost)
#define LOOP_TERNARY(name, cost, expr)                                                                       \
    LOOP_BODY(name, LOOP_OUT LOOP_IN(a, 1) LOOP_IN(b, 2) LOOP_IN(c, 3), LOOP_GET(a) LOOP_GET(b) LOOP_GET(c), \
              LOOP_PUT(expr))                                                                                \
    LOOP_KERNEL(name, 3, cost)

/* Kernels whose result is bool: `expr` is a vmask. */
typedef int8_t vbytes __attribute__((vector_size(VBYTES / sizeof(real))));
CT_INLINE void v_store_bools(uint8_t *p, vmask m, int64_t n) {
    vbytes bytes = -__builtin_convertvector(m, vbytes);
    if (CT_LIKELY(n >= VL)) memcpy(p, &bytes, sizeof bytes);
    else memcpy(p, &bytes, (size_t)n);
}
CT_INLINE vmask v_load_bools(const uint8_t *p, int64_t n) {
    vbytes bytes = {0};
    if (CT_LIKELY(n >= VL)) memcpy(&bytes, p, sizeof bytes);
    else memcpy(&bytes, p, (size_t)n);
    return __builtin_convertvector(bytes != 0, vmask);
}
#define LOOP_OUT_BOOL uint8_t *y = (uint8_t *)(void *)span->p[0];
#define LOOP_PUT_BOOL(value) v_store_bools(y + i, (value), left);
#define LOOP_UNARY_BOOL(name, cost, expr)                                          \
    LOOP_BODY(name, LOOP_OUT_BOOL LOOP_IN(a, 1), LOOP_GET(a), LOOP_PUT_BOOL(expr)) \
    LOOP_KERNEL(name, 1, cost)
#define LOOP_BINARY_BOOL(name, cost, expr)                                                                   \
    LOOP_BODY(name, LOOP_OUT_BOOL LOOP_IN(a, 1) LOOP_IN(b, 2), LOOP_GET(a) LOOP_GET(b), LOOP_PUT_BOOL(expr)) \
    LOOP_KERNEL(name, 2, cost)

#endif

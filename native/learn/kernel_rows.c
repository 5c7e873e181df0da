/* kernel_rows.c: blocks of kernel matrices. The inner products stay in registers and leave them as kernel values. */
#include "../include/learn/kernel_rows.h"

#include <math.h>

#include "../include/learn/exp.h"
#include "../include/learn/panel.h"
#include "../include/par.h"

/* |x|^2 added up in the order of panel_dot: the distance of a row to itself, |x|^2 + |x|^2 - 2 x.x, is zero exactly,
 * and a sparse row, which skips zeros, gets the same bits as a dense one. */
static real squared_norm(const real *x, int64_t count) {
    real sum = 0;
    for (int64_t k = 0; k < count; k++) sum = s_fma(x[k], x[k], sum);
    return sum;
}

static void norms_csr(real *norms, const real *data, const int32_t *indptr, int64_t n) {
    for (int64_t i = 0; i < n; i++) norms[i] = squared_norm(data + indptr[i], indptr[i + 1] - indptr[i]);
}

/* k(a, x) from a.x and the squared norms of both:
 *   linear a.x, poly (gamma a.x + coef0)^degree, rbf exp(-gamma |a - x|^2), sigmoid tanh(gamma a.x + coef0) */
CT_INLINE vreal kernel_value(const kernel_spec *spec, vreal dot, vreal norm_a, vreal norm_x) {
    switch (spec->kind) {
    case KERNEL_RBF: {
        vreal e = v_max(v_fma(v_set1(-2), dot, norm_a + norm_x), v_zero());
        return exp_nonpositive(e * v_set1((real)-spec->gamma));
    }
    case KERNEL_POLY: {
        vreal base = v_fma(v_set1((real)spec->gamma), dot, v_set1((real)spec->coef0)), power = v_set1(1);
        for (int64_t e = spec->degree; e > 0; e >>= 1) {
            if (e & 1) power = power * base;
            base = base * base;
        }
        return power;
    }
    case KERNEL_SIGMOID: {
        vreal x = v_fma(v_set1((real)spec->gamma), dot, v_set1((real)spec->coef0));
        for (int l = 0; l < VL; l++) x[l] = (real)tanh((double)x[l]);
        return x;
    }
    default: return dot;
    }
}

static int64_t packed_size(int64_t n, int64_t d) { return panel_size(n, d); }
static int64_t row_size(int64_t n) { return panel_count(n) * PANEL_WIDTH; }

typedef struct {
    real *packed, *norms;
    const real *X;
    int64_t n, d, chunks;
} pack_ctx;

static void pack_chunk(void *arg, int64_t chunk) {
    const pack_ctx *s = arg;
    par_range panels = par_chunk(panel_count(s->n), s->chunks, chunk, 1);
    for (int64_t p = panels.begin; p < panels.end; p++) {
        real *panel = s->packed + p * s->d * PANEL_WIDTH;
        panel_pack(s->n, s->d, s->X, s->d, p, panel);
        for (int v = 0; v < PANEL_VECS; v++) {
            vreal sum = v_zero();
            for (int64_t k = 0; k < s->d; k++) {
                vreal x = v_load(panel + k * PANEL_WIDTH + v * VL);
                sum = v_fma(x, x, sum);
            }
            v_store(s->norms + p * PANEL_WIDTH + v * VL, sum);
        }
    }
}

static void pack(real *packed, real *norms, const real *X, int64_t n, int64_t d) {
    pack_ctx s = {packed, norms, X, n, d, par_count(n, (double)d, 64)};
    s.chunks = i64_min(s.chunks, panel_count(n));
    par_for(s.chunks, pack_chunk, &s);
}

typedef struct {
    void *const *out;
    const kernel_spec *spec;
    const real *A, *packed, *norms;
    int64_t m, n, d, chunks;
    /* CSR */
    const real *data, *a_norms;
    const int32_t *indices, *indptr;
} block_ctx;

CT_INLINE void block_panel(const block_ctx *s, int kind, int nv, int64_t p) {
    int64_t d = s->d, column = p * PANEL_WIDTH;
    const real *panel = s->packed + p * d * PANEL_WIDTH;
    kernel_spec spec = *s->spec;
    spec.kind = kind; /* a constant here, so that the switch of kernel_value leaves the loops */
    for (int64_t i = 0; i < s->m; i += PANEL_ROWS) {
        const real *a[PANEL_ROWS];
        int count = panel_rows(s->m, s->A, d, i, a);
        panel_acc acc;
        for (int r = 0; r < PANEL_ROWS; r++)
            for (int v = 0; v < nv; v++) acc.at[r][v] = v_zero();
        panel_dot(nv, d, a, 1, panel, PANEL_WIDTH, &acc);
        for (int r = 0; r < count; r++) {
            vreal norm = v_set1(s->a_norms[i + r]);
            real *out = (real *)s->out[i + r] + column;
            for (int v = 0; v < nv; v++)
                v_store(out + v * VL, kernel_value(&spec, acc.at[r][v], norm, v_load(s->norms + column + v * VL)));
        }
    }
}

static void block_chunk(void *arg, int64_t chunk) {
    const block_ctx *s = arg;
    par_range panels = par_chunk(panel_count(s->n), s->chunks, chunk, 1);
    for (int64_t p = panels.begin; p < panels.end; p++) switch (s->spec->kind) {
        case KERNEL_LINEAR: block_panel(s, KERNEL_LINEAR, PANEL_VECS, p); break;
        case KERNEL_POLY: block_panel(s, KERNEL_POLY, PANEL_VECS, p); break;
        case KERNEL_RBF: block_panel(s, KERNEL_RBF, PANEL_VECS, p); break;
        default: block_panel(s, KERNEL_SIGMOID, PANEL_VECS, p);
        }
}

static void block(void *const *out, const kernel_spec *spec, const real *A, int64_t m, const real *packed,
                  const real *norms, int64_t n, int64_t d) {
    real a_norms[256];
    for (int64_t first = 0; first < m; first += 256) {
        int64_t count = i64_min(256, m - first);
        for (int64_t i = 0; i < count; i++) a_norms[i] = squared_norm(A + (first + i) * d, d);
        block_ctx s = {.out = out + first,
                       .spec = spec,
                       .A = A + first * d,
                       .packed = packed,
                       .norms = norms,
                       .m = count,
                       .n = n,
                       .d = d,
                       .a_norms = a_norms};
        s.chunks = i64_min(panel_count(n), par_count(n, (double)count * (double)(d + 16) / 16, 64));
        par_for(s.chunks, block_chunk, &s);
    }
}

/* For each sparse row x, its products with a panel of rows a: one load of the panel for each non-zero. */
static void block_csr_chunk(void *arg, int64_t chunk) {
    const block_ctx *s = arg;
    par_range rows = par_chunk(s->n, s->chunks, chunk, 8);
    for (int64_t p = 0; p < panel_count(s->m); p++) {
        const real *panel = s->packed + p * s->d * PANEL_WIDTH;
        int64_t count = i64_min(PANEL_WIDTH, s->m - p * PANEL_WIDTH);
        for (int64_t i = rows.begin; i < rows.end; i++) {
            vreal acc[PANEL_VECS];
            real value[PANEL_VECS * VBYTES / sizeof(real)];
            for (int v = 0; v < PANEL_VECS; v++) acc[v] = v_zero();
            for (int32_t q = s->indptr[i]; q < s->indptr[i + 1]; q++) {
                vreal x = v_set1(s->data[q]);
                const real *b = panel + (int64_t)s->indices[q] * PANEL_WIDTH;
                for (int v = 0; v < PANEL_VECS; v++) acc[v] = v_fma(x, v_load(b + v * VL), acc[v]);
            }
            for (int v = 0; v < PANEL_VECS; v++) {
                vreal norm = v_load(s->a_norms + p * PANEL_WIDTH + v * VL);
                v_store(value + v * VL, kernel_value(s->spec, acc[v], norm, v_set1(s->norms[i])));
            }
            for (int64_t r = 0; r < count; r++) ((real *)s->out[p * PANEL_WIDTH + r])[i] = value[r];
        }
    }
}

static void block_csr(void *const *out, const kernel_spec *spec, const real *A_packed, const real *A_norms, int64_t m,
                      const real *data, const int32_t *indices, const int32_t *indptr, const real *norms, int64_t n,
                      int64_t d) {
    block_ctx s = {.out = out,
                   .spec = spec,
                   .packed = A_packed,
                   .norms = norms,
                   .m = m,
                   .n = n,
                   .d = d,
                   .data = data,
                   .a_norms = A_norms,
                   .indices = indices,
                   .indptr = indptr};
    s.chunks = par_count(n, (double)m * (double)indptr[n] / (double)(n ? n : 1) / 8, 64);
    par_for(s.chunks, block_csr_chunk, &s);
}

static void diagonal(real *out, const kernel_spec *spec, const real *norms, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        vreal norm = v_set1(norms[i]);
        out[i] = kernel_value(spec, norm, norm, norm)[0];
    }
}

extern const ct_kernel_rows_api CT_NAME(ct_kernel_rows);
const ct_kernel_rows_api CT_NAME(ct_kernel_rows) = {packed_size, row_size, pack, block, block_csr, diagonal, norms_csr};

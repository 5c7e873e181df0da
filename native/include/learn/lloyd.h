/* lloyd.h: the loops of k-means. Rows are dense (n, d) contiguous, or CSR with 32-bit indices. */
#ifndef CORTEN_LEARN_LLOYD_H
#define CORTEN_LEARN_LLOYD_H

#include "../real.h"

typedef struct {
    const real *data;       /* (n, d); or the non-zeros of a CSR matrix */
    const int32_t *indices; /* NULL for dense rows; else the column of each non-zero */
    const int32_t *indptr;  /* (n + 1) */
    const real *norms;      /* (n) squared norms of the rows */
    int64_t n, d;
} lloyd_rows;

typedef struct {
    /* bytes of workspace of `assign` and `update` for k centres */
    int64_t (*work)(int64_t n, int64_t d, int64_t k);
    /* norms[i] = |x_i|^2 */
    void (*norms)(const lloyd_rows *X, real *norms /* (n) */);
    /* labels[i] = argmin_j |x_i - c_j|^2, the lowest j of equal ones; with sums, also the weighted sum and the weight
     * of each cluster */
    void (*assign)(int32_t *labels /* (n) */, double *sums /* (k, d) or NULL */, double *weights /* (k) */,
                   const lloyd_rows *X, const real *sample_weight /* (n) or NULL */, const real *centers /* (k, d) */,
                   int64_t k, void *work);
    /* d[i] = |x_i - c_labels[i]|^2, exactly (by differences); the result is the weighted sum over rows whose label is
     * `only`, or over all with only < 0 */
    double (*inertia)(real *distances /* (n) or NULL */, const lloyd_rows *X, const real *sample_weight,
                      const real *centers, int64_t k, const int32_t *labels, int64_t only,
                      double *partial /* (64 + k) */);

    /* k-means++.  `centers` (T + 1, d) are the newest centre and T candidates for the next one.  A pass brings the
     * newest into closest (n), the squared distance to the closest centre, and gives the potential, the weighted sum of
     * closest in each of seed_chunks(n) chunks: potentials[c][0] as it is, potentials[c][1 + t] if candidate t were
     * taken.  `first`: no centre before.  A pass backwards finds in the cache what the one before left there. */
    int64_t (*seed_chunks)(int64_t n);
    int64_t (*seed_work)(int64_t d, int64_t T); /* bytes */
    void (*seed_pass)(real *closest, double *potentials /* (chunks, T + 1) */, const lloyd_rows *X,
                      const real *sample_weight, const real *centers, int64_t T, int first, int backwards, void *work);
    /* The first row whose running weighted sum of min(closest, |x - center|^2) reaches value, for the chunk sums of a
     * centre that no pass has brought into closest yet. */
    int64_t (*seed_search)(const real *closest, const lloyd_rows *X, const real *sample_weight,
                           const real *center /* (d) */, const double *chunk_sums /* (chunks) */, double value);

    /* Elkan (2003): upper bounds to the own centre, lower bounds to every centre. `start` fills them; `assign` keeps
     * them, given half the distances between centres and to the next one, and how far each centre moved since. */
    void (*elkan_start)(int32_t *labels, real *upper /* (n) */, real *lower /* (n, k) */, const lloyd_rows *X,
                        const real *centers, const real *half /* (k, k) */, int64_t k, void *work);
    void (*elkan_assign)(int32_t *labels, real *upper, real *lower, double *sums, double *weights, const lloyd_rows *X,
                         const real *sample_weight, const real *centers, const real *half, const real *next /* (k) */,
                         int64_t k, void *work);
    void (*elkan_shift)(real *upper, real *lower, const int32_t *labels, const real *shift /* (k) */, int64_t n,
                        int64_t k);

    /* means of the columns of dense rows (partial: seed_chunks(n) * d); out = X + sign * mean, out may be X */
    void (*column_means)(double *mean /* (d) */, const real *X, int64_t n, int64_t d, double *partial);
    void (*shift_rows)(real *out, const real *X, const real *mean /* (d) */, double sign, int64_t n, int64_t d);
} ct_lloyd_api;

#endif

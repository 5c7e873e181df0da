/* smo.h: the quadratic programme of support vector machines, in working sets.
 *
 *   minimise 1/2 b' K b + q' b   subject to  lo <= b <= hi,  sum of b over each group as at the start
 *
 * with b_t = y_t alpha_t of the usual dual; then the labels vanish from the loops.  Variable t belongs to sample t % n
 * (regression has two variables for each sample).  F = K b over the samples is kept, v_t = -(F_{t % n} + q_t) is the
 * direction of descent, and the solution is reached when no variable that may grow has a v above one that may shrink
 * by tol or more, within each group.
 */
#ifndef CORTEN_LEARN_SMO_H
#define CORTEN_LEARN_SMO_H

#include "../real.h"

typedef struct {
    int64_t N, n;              /* variables, samples */
    double *b, *F;             /* (N), (n) */
    const double *lo, *hi, *q; /* (N) */
    const int8_t *group;       /* (N) 0 or 1, or NULL when there is one group */
    double *v;                 /* (N) scratch */
} smo_problem;

typedef struct {
    /* fills v; the largest violation over the groups */
    double (*gap)(const smo_problem *s);
    /* Appends to ws at most `want` violating variables, not in `taken` (N) yet, the worst first; returns how many. */
    int64_t (*select)(const smo_problem *s, int8_t *taken, int32_t *ws, int64_t want, double *scratch /* (N) */);
    /* Sequential minimal optimisation over the m variables ws, with second-order choice of the pair. rows[r] is the
     * kernel row of variable ws[r]'s sample. Changes b, writes the change to delta (m); the number of iterations. */
    int64_t (*local)(const smo_problem *s, const int32_t *ws, int64_t m, void *const *rows, const real *diagonal,
                     double tol, int64_t max_iter, double *delta, void *work);
    int64_t (*local_work)(int64_t m); /* bytes */
    /* F += sum_r delta[r] * rows[r] */
    void (*update)(double *F, int64_t n, void *const *rows, const double *delta, int64_t m);
} ct_smo_api;

#endif

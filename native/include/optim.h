/* optim.h: one step of an optimizer over all its tensors, in one pass over memory.
 *
 * The formulas, and the order of their roundings, are PyTorch's.  All tensors of a step are cut into chunks together,
 * so many small tensors cost no more than one large one.  Every element is updated on its own: the result does not
 * depend on chunks or threads.
 */
#ifndef CORTEN_OPTIM_H
#define CORTEN_OPTIM_H

#include "real.h"

#define OPTIM_STATES 4

/* What a step works on: n contiguous tensors that take part in it. */
typedef struct {
    int64_t n;
    const int64_t *size;              /* (n) elements of each */
    real *const *p;                   /* (n) parameters, updated in place */
    const real *const *g;             /* (n) gradients */
    real *const *state[OPTIM_STATES]; /* (n) each, updated in place; which ones: see each function */
    const int64_t *step;              /* (n) number of this step for each tensor, 1 at the first; NULL: not the first */
} optim_tensors;

/* Weight decay is added to the gradient (L2), or taken from the parameter directly (Loshchilov and Hutter 2019). */
enum optim_decay { OPTIM_DECAY_L2 = 0, OPTIM_DECAY_DECOUPLED = 1 };

typedef struct {
    double lr, momentum, dampening, weight_decay;
    int nesterov, maximize;
} optim_sgd;

typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
    int decoupled; /* enum optim_decay: 1 is AdamW */
    int amsgrad, maximize;
} optim_adam; /* also adamax, radam */

typedef struct {
    double lr, beta1, beta2, eps, weight_decay, momentum_decay;
    int decoupled, maximize;
} optim_nadam;

typedef struct {
    double lr, alpha, eps, weight_decay, momentum;
    int centered, maximize;
} optim_rmsprop;

typedef struct {
    double lr, lr_decay, eps, weight_decay;
    int maximize;
} optim_adagrad;

typedef struct {
    double lr, rho, eps, weight_decay;
    int maximize;
} optim_adadelta;

typedef struct {
    /* state[0] momentum buffer (may be NULL when momentum is 0). At step 1 the buffer is set, not read. */
    void (*sgd)(const optim_tensors *t, const optim_sgd *o);
    /* state[0] mean, [1] mean square, [2] largest mean square (amsgrad only) */
    void (*adam)(const optim_tensors *t, const optim_adam *o);
    /* state[0] mean, [1] infinity norm */
    void (*adamax)(const optim_tensors *t, const optim_adam *o);
    /* state[0] mean, [1] mean square; mu_product (n), running product of the momenta, updated */
    void (*nadam)(const optim_tensors *t, const optim_nadam *o, double *mu_product);
    /* state[0] mean, [1] mean square */
    void (*radam)(const optim_tensors *t, const optim_adam *o);
    /* state[0] mean square, [1] momentum buffer (momentum > 0), [2] mean (centered) */
    void (*rmsprop)(const optim_tensors *t, const optim_rmsprop *o);
    /* state[0] sum of squares */
    void (*adagrad)(const optim_tensors *t, const optim_adagrad *o);
    /* state[0] mean square of gradients, [1] mean square of updates */
    void (*adadelta)(const optim_tensors *t, const optim_adadelta *o);

    /* For gradient clipping and scaling over n tensors: the sum of squares, the largest magnitude (NaN when one is
     * NaN), g *= factor, and g clamped to [low, high]. */
    double (*sum_square)(int64_t n, const int64_t *size, const real *const *g);
    double (*max_abs)(int64_t n, const int64_t *size, const real *const *g);
    void (*scale)(int64_t n, const int64_t *size, real *const *g, double factor);
    void (*clamp)(int64_t n, const int64_t *size, real *const *g, double low, double high);
    /* Exponential moving average of weights (or Polyak averaging): average += (p - average) * weight */
    void (*lerp)(int64_t n, const int64_t *size, real *const *average, const real *const *p, double weight);
} ct_optim_api;

extern const ct_optim_api CT_NAME(ct_optim);

#endif

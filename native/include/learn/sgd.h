/* sgd.h: stochastic gradient descent on linear models. */
#ifndef CORTEN_LEARN_SGD_H
#define CORTEN_LEARN_SGD_H

#include "../real.h"

enum sgd_loss {
    SGD_HINGE = 0,
    SGD_SQUARED_HINGE = 1,
    SGD_LOG = 2,
    SGD_MODIFIED_HUBER = 3,
    SGD_SQUARED_ERROR = 4,
    SGD_HUBER = 5,
    SGD_EPSILON_INSENSITIVE = 6,
    SGD_SQUARED_EPSILON_INSENSITIVE = 7
};
enum sgd_rate { SGD_CONSTANT = 1, SGD_OPTIMAL = 2, SGD_INVSCALING = 3, SGD_ADAPTIVE = 4, SGD_PA1 = 5, SGD_PA2 = 6 };

typedef struct {
    /* data: dense rows, or CSR when indices is not NULL */
    const real *X;
    int64_t x_row;
    const real *data;
    const int32_t *indices, *indptr;
    const real *y, *sample_weight; /* (n) */
    const uint8_t *held_out;       /* (n) rows to leave out, or NULL */
    int32_t *order;                /* (n) the order of the rows, shuffled in place */
    int64_t n, p;
    /* problem */
    int loss, rate, shuffle, fit_intercept, want_objective;
    double threshold; /* of hinge losses, epsilon of the others */
    double alpha, l1_ratio, eta0, power_t, optimal_init, weight_positive, weight_negative, intercept_decay;
    double average;     /* average from this step on; 0: never */
    int has_l2, has_l1; /* penalty */
    /* state */
    real *w, *aw, *q; /* (p) weights over wscale, their average or NULL, penalties received (l1) or NULL */
    double wscale, sq_norm, l1_norm, average_a, average_b, u;
    double intercept, average_intercept, eta, t;
    uint32_t seed;
    double loss_sum, objective_sum; /* of the last epoch */
    int64_t position;               /* in the epoch: 0 at its start */
} sgd_problem;

typedef struct {
    void (*start)(sgd_problem *problem);
    int (*run)(sgd_problem *problem, int64_t rows); /* go on for so many rows; 1: the epoch is over, 2: not finite */
    void (*finish)(sgd_problem *problem);           /* w and aw as they are meant, wscale 1 */
    double (*gradient)(int loss, double threshold, double y, double p);
} ct_sgd_api;

extern const ct_sgd_api CT_NAME(ct_sgd);

#endif

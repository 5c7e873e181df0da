/* optics.h: the order of OPTICS over a k-d tree. */
#ifndef CORTEN_LEARN_OPTICS_H
#define CORTEN_LEARN_OPTICS_H

#include "kdtree.h"

typedef struct {
    real most;     /* the largest reachability of points not taken; -inf when there is none */
    real most_red; /* the same as a reduced distance, with room for rounding */
    real least;    /* their smallest */
    int32_t place; /* and where it is, the lowest index of equal ones; -1 when there is none */
} optics_node;

typedef struct {
    const kd_tree *t;
    const real *core;     /* (n) distance to the min_samples-th neighbour; inf: never a core point */
    real *reach;          /* (leaves * leaf size) reachability by place in the tree; -inf: taken, or past the end */
    int32_t *predecessor; /* (n) */
    real *reachability;   /* (n) written as points are taken */
    int64_t *ordering;    /* (n) */
    optics_node *nodes;   /* (2 leaves - 1) */
    double max_eps;
    int64_t done;
} optics_state;

typedef struct {
    int64_t (*node_size)(void); /* bytes of an optics_node */
    /* nothing taken: reach and predecessor unset */
    void (*start)(optics_state *s);
    /* take up to `steps` more points: always the open one of least reachability, the lowest index of equal ones */
    void (*run)(optics_state *s, int64_t steps);
} ct_optics_api;

#endif

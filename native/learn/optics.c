/* optics.c: OPTICS (Ankerst, Breunig, Kriegel, Sander 1999) over a k-d tree.
 *
 * Taking point p, each open point q within max_eps gets reach(q) = min(reach(q), max(core(p), |p - q|)); the open point
 * of least reach is next.  Each node of the tree keeps the largest and the smallest reach of its open points: a subtree
 * whose box is farther than its largest reach cannot change and is left out, and the next point stands at the root.
 */
#include "../include/learn/optics.h"

#include "kdtree_distance.h"

static int64_t node_size(void) { return (int64_t)sizeof(optics_node); }

/* As NumPy rounds to 15 (float: 6) decimals, so that equal distances tie. */
static real rounded(real x) {
    const double scale = CT_REAL_DOUBLE ? 1e15 : 1e6;
    return isfinite((double)x) ? (real)(rint((double)x * scale) / scale) : x;
}

static real full(const kd_tree *t, real reduced) {
    if (t->metric == METRIC_EUCLIDEAN) return (real)sqrt((double)reduced);
    return t->metric == METRIC_MINKOWSKI ? (real)pow((double)reduced, 1 / t->p) : reduced;
}

static real reduced(const kd_tree *t, double distance) {
    if (t->metric == METRIC_EUCLIDEAN) distance *= distance;
    else if (t->metric == METRIC_MINKOWSKI) distance = pow(distance, t->p);
    return (real)distance;
}

static int comes_first(const kd_tree *t, real a, int32_t at_a, real b, int32_t at_b) {
    if (at_a < 0 || at_b < 0) return at_a >= 0;
    return a < b || (a == b && t->order[at_a] < t->order[at_b]);
}

static void sum_up_leaf(optics_state *s, int64_t node, int64_t leaf) {
    optics_node found = {-REAL_INF, -REAL_INF, REAL_INF, -1};
    for (int32_t at = (int32_t)(leaf * PANEL_WIDTH), end = at + PANEL_WIDTH; at < end; at++) {
        real r = s->reach[at];
        if (r < 0) continue;
        if (r > found.most) found.most = r;
        if (comes_first(s->t, r, at, found.least, found.place)) found.least = r, found.place = at;
    }
    found.most_red = found.place < 0 ? -REAL_INF : reduced(s->t, (double)found.most) * (real)(1 + 64 * REAL_EPS);
    s->nodes[node] = found;
}

static void sum_up(optics_state *s, int64_t node, int64_t left, int64_t right) {
    const optics_node *a = s->nodes + left, *b = s->nodes + right;
    const optics_node *first = comes_first(s->t, a->least, a->place, b->least, b->place) ? a : b;
    const optics_node *last = a->most > b->most ? a : b;
    s->nodes[node] = (optics_node){last->most, last->most_red, first->least, first->place};
}

static void start_node(optics_state *s, int64_t node, int64_t first, int64_t leaves) {
    if (leaves == 1) {
        sum_up_leaf(s, node, first);
        return;
    }
    int64_t half = (leaves + 1) / 2;
    start_node(s, node + 1, first, half);
    start_node(s, node + 2 * half, first + half, leaves - half);
    sum_up(s, node, node + 1, node + 2 * half);
}

static void start(optics_state *s) {
    const kd_tree *t = s->t;
    for (int64_t at = 0; at < t->leaves * PANEL_WIDTH; at++) s->reach[at] = at < t->n ? REAL_INF : -REAL_INF;
    for (int64_t i = 0; i < t->n; i++) s->predecessor[i] = -1;
    s->done = 0;
    start_node(s, 0, 0, t->leaves);
}

typedef struct {
    const real *x; /* (d) the point taken */
    real core, limit;
    int32_t id;
} taken;

static int reach_leaf(optics_state *s, const taken *p, int64_t leaf) {
    const kd_tree *t = s->t;
    vreal e[1][PANEL_VECS];
    int changed = 0;
    panel_distances(t, 1, &p->x, leaf, e);
    for (int v = 0; v < PANEL_VECS; v++)
        for (unsigned hit = hit_mask(e[0][v], v_set1(p->limit), 1); hit; hit &= hit - 1) {
            int l = __builtin_ctz(hit);
            int64_t at = leaf * PANEL_WIDTH + v * VL + l;
            if (s->reach[at] <= p->core) continue; /* or taken */
            real distance = full(t, e[0][v][l]), r = rounded(distance > p->core ? distance : p->core);
            if (r < s->reach[at]) s->reach[at] = r, s->predecessor[t->order[at]] = p->id, changed = 1;
        }
    return changed;
}

/* Updates the subtree; says whether anything in it changed. */
static int reach_node(optics_state *s, const taken *p, int64_t node, int64_t first, int64_t leaves) {
    const optics_node *here = s->nodes + node;
    if (!(here->most > p->core)) return 0;
    real least = box_distance(s->t, p->x, node);
    if (least > p->limit || least > here->most_red) return 0;
    if (leaves == 1) {
        if (!reach_leaf(s, p, first)) return 0;
        sum_up_leaf(s, node, first);
        return 1;
    }
    int64_t half = (leaves + 1) / 2, left = node + 1, right = node + 2 * half;
    int changed = reach_node(s, p, left, first, half);
    changed |= reach_node(s, p, right, first + half, leaves - half);
    if (changed) sum_up(s, node, left, right);
    return changed;
}

/* Sums up the path to a leaf anew. */
static void refresh(optics_state *s, int64_t leaf, int64_t node, int64_t first, int64_t leaves) {
    if (leaves == 1) {
        sum_up_leaf(s, node, first);
        return;
    }
    int64_t half = (leaves + 1) / 2, left = node + 1, right = node + 2 * half;
    if (leaf < first + half) refresh(s, leaf, left, first, half);
    else refresh(s, leaf, right, first + half, leaves - half);
    sum_up(s, node, left, right);
}

static void run(optics_state *s, int64_t steps) {
    const kd_tree *t = s->t;
    for (int64_t stop = i64_min(t->n, s->done + steps); s->done < stop; s->done++) {
        int64_t at = s->nodes[0].place;
        int32_t id = t->order[at];
        s->ordering[s->done] = id;
        s->reachability[id] = s->reach[at];
        s->reach[at] = -REAL_INF;
        refresh(s, at / PANEL_WIDTH, 0, 0, t->leaves);
        if (s->nodes[0].place < 0 || !isfinite((double)s->core[id])) continue;
        taken p = {t->rows + at * t->d, s->core[id], REAL_MAX, id};
        real limit = reduced(t, s->max_eps);
        if (limit < p.limit) p.limit = limit;
        reach_node(s, &p, 0, 0, t->leaves);
    }
}

extern const ct_optics_api CT_NAME(ct_optics);
const ct_optics_api CT_NAME(ct_optics) = {node_size, start, run};

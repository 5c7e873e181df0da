/* kdtree.c: nearest neighbours and density clustering over a k-d tree of panels (Bentley 1975; Ester et al. 1996). */
#include "../include/par.h"
#include "kdtree_distance.h"

#define MAX_DEPTH 64
#define CHUNKS 64

static int64_t leaf_size(void) { return PANEL_WIDTH; }
static int64_t leaf_count(int64_t n) { return panel_count(n); }

/* ---- building ---- */

typedef struct {
    real *panels, *lo, *hi;
    int32_t *order;
    const real *X;
    int64_t n, d;
} build_ctx;

/* Puts the `left` smallest of order[0 ... count) by coordinate k first (ties by index). */
static void split(const build_ctx *s, int32_t *order, int64_t count, int64_t k, int64_t left) {
#define KEY(i) (s->X[(int64_t)(i) * s->d + k])
#define BEFORE(a, b) (KEY(a) < KEY(b) || (KEY(a) == KEY(b) && (a) < (b)))
    int64_t lo = 0, hi = count - 1;
    while (lo < hi) {
        int32_t a = order[lo], b = order[(lo + hi) / 2], c = order[hi];
        int32_t pivot =
            BEFORE(a, b) ? (BEFORE(b, c) ? b : (BEFORE(a, c) ? c : a)) : (BEFORE(a, c) ? a : (BEFORE(b, c) ? c : b));
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (BEFORE(order[i], pivot)) i++;
            while (BEFORE(pivot, order[j])) j--;
            if (i <= j) {
                int32_t swap = order[i];
                order[i++] = order[j], order[j--] = swap;
            }
        }
        if (left <= j) hi = j;
        else if (left >= i) lo = i;
        else break;
    }
#undef BEFORE
#undef KEY
}

static void box(const build_ctx *s, const int32_t *order, int64_t count, real *lo, real *hi) {
    for (int64_t k = 0; k < s->d; k++) lo[k] = REAL_INF, hi[k] = -REAL_INF;
    for (int64_t i = 0; i < count; i++) {
        const real *x = s->X + (int64_t)order[i] * s->d;
        for (int64_t k = 0; k < s->d; k++) {
            lo[k] = x[k] < lo[k] ? x[k] : lo[k];
            hi[k] = x[k] > hi[k] ? x[k] : hi[k];
        }
    }
}

static void build_node(const build_ctx *s, int64_t node, int64_t first, int64_t leaves, int flat) {
    int64_t begin = first * PANEL_WIDTH, count = i64_min(s->n - begin, leaves * PANEL_WIDTH);
    real *lo = s->lo + node * s->d, *hi = s->hi + node * s->d;
    box(s, s->order + begin, count, lo, hi);
    if (leaves == 1) {
        real *panel = s->panels + first * s->d * PANEL_WIDTH;
        for (int64_t j = 0; j < PANEL_WIDTH; j++)
            for (int64_t k = 0; k < s->d; k++)
                panel[k * PANEL_WIDTH + j] = j < count ? s->X[(int64_t)s->order[begin + j] * s->d + k] : REAL_INF;
        return;
    }
    int64_t left = (leaves + 1) / 2, widest = 0;
    for (int64_t k = 1; k < s->d; k++)
        if (hi[k] - lo[k] > hi[widest] - lo[widest]) widest = k;
    if (!flat) split(s, s->order + begin, count, widest, left * PANEL_WIDTH);
    build_node(s, node + 1, first, left, flat);
    build_node(s, node + 2 * left, first + left, leaves - left, flat);
}

static void build(real *panels, int32_t *order, real *lo, real *hi, const real *X, int64_t n, int64_t d, int flat) {
    int64_t leaves = leaf_count(n);
    for (int64_t i = 0; i < leaves * PANEL_WIDTH; i++) order[i] = i < n ? (int32_t)i : -1;
    build_ctx s = {panels, lo, hi, order, X, n, d};
    if (leaves > 0) build_node(&s, 0, 0, leaves, flat);
}

/* ---- the k nearest ---- */

typedef struct {
    real d;
    int32_t i;
} near;

static int farther(near a, near b) { return a.d > b.d || (a.d == b.d && a.i > b.i); }

/* heap of the k nearest so far, the farthest on top */
static void sift(near *heap, int64_t k, int64_t at) {
    near x = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= k) break;
        if (child + 1 < k && farther(heap[child + 1], heap[child])) child++;
        if (!farther(heap[child], x)) break;
        heap[at] = heap[child], at = child;
    }
    heap[at] = x;
}

typedef struct {
    const kd_tree *t;
    const real *X;
    int64_t q, k, chunks;
    int64_t *index;
    real *distance;
    /* within */
    const int64_t *start;
    int64_t *count;
    real radius;
    void *work;
} query_ctx;

CT_INLINE void leaf_nearest(int metric, const kd_tree *t, const real *x, int64_t leaf, near *heap, int64_t k) {
    vreal e[1][PANEL_VECS];
    panel_distance(metric, t->p, 1, t->d, &x, t->panels + leaf * t->d * PANEL_WIDTH, e);
    for (int v = 0; v < PANEL_VECS; v++)
        for (unsigned hit = hit_mask(e[0][v], v_set1(heap[0].d), 1); hit; hit &= hit - 1) {
            int l = __builtin_ctz(hit);
            near found = {e[0][v][l], t->order[leaf * PANEL_WIDTH + v * VL + l]};
            if (found.i >= 0 && farther(heap[0], found)) heap[0] = found, sift(heap, k, 0);
        }
}

static void search_nearest(const kd_tree *t, const real *x, near *heap, int64_t k) {
    int64_t node[MAX_DEPTH * 2], first[MAX_DEPTH * 2], leaves[MAX_DEPTH * 2];
    real least[MAX_DEPTH * 2];
    int top = 1;
    node[0] = 0, first[0] = 0, leaves[0] = t->leaves, least[0] = 0;
    while (top > 0) {
        top--;
        if (least[top] > heap[0].d) continue;
        int64_t at = node[top], f = first[top], m = leaves[top];
        while (m > 1) { /* down the nearer side, the other waits */
            int64_t ml = (m + 1) / 2, left = at + 1, right = at + 2 * ml;
            real dl = t->flat ? 0 : box_distance(t, x, left), dr = t->flat ? 0 : box_distance(t, x, right);
            int go_left = dl <= dr;
            node[top] = go_left ? right : left;
            first[top] = go_left ? f + ml : f;
            leaves[top] = go_left ? m - ml : ml;
            least[top] = go_left ? dr : dl;
            top++;
            at = go_left ? left : right;
            if (!go_left) f += ml;
            m = go_left ? ml : m - ml;
            if ((go_left ? dl : dr) > heap[0].d) {
                m = 0;
                break;
            }
        }
        if (m != 1) continue;
        switch (t->metric) {
        case METRIC_EUCLIDEAN: leaf_nearest(METRIC_EUCLIDEAN, t, x, f, heap, k); break;
        case METRIC_MANHATTAN: leaf_nearest(METRIC_MANHATTAN, t, x, f, heap, k); break;
        case METRIC_CHEBYSHEV: leaf_nearest(METRIC_CHEBYSHEV, t, x, f, heap, k); break;
        default: leaf_nearest(METRIC_MINKOWSKI, t, x, f, heap, k);
        }
    }
}

static void nearest_chunk(void *arg, int64_t chunk) {
    const query_ctx *s = arg;
    par_range rows = par_chunk(s->q, s->chunks, chunk, 1);
    int64_t k = s->k;
    near *heap = (near *)s->work + chunk * k;
    for (int64_t i = rows.begin; i < rows.end; i++) {
        for (int64_t j = 0; j < k; j++) heap[j].d = REAL_INF, heap[j].i = INT32_MAX;
        search_nearest(s->t, s->X + i * s->t->d, heap, k);
        for (int64_t m = k - 1; m > 0; m--) { /* heapsort: nearest first */
            near far = heap[0];
            heap[0] = heap[m], heap[m] = far;
            sift(heap, m, 0);
        }
        for (int64_t j = 0; j < k; j++) s->distance[i * k + j] = heap[j].d, s->index[i * k + j] = heap[j].i;
    }
}

static int64_t nearest_work(int64_t k) { return CHUNKS * k * (int64_t)sizeof(near); }

static void nearest(int64_t *index, real *distance, const kd_tree *t, const real *X, int64_t q, int64_t k, void *work) {
    query_ctx s = {.t = t,
                   .X = X,
                   .q = q,
                   .k = k,
                   .index = index,
                   .distance = distance,
                   .work = work,
                   .chunks = par_count(q, 2000.0 + (t->flat ? (double)t->n * (double)t->d / 16 : 0), CHUNKS)};
    par_for(s.chunks, nearest_chunk, &s);
}

/* ---- all within a radius ---- */

/* Leaves that a box (lo, hi) may reach: calls nothing, returns the next one from a stack of open nodes. */
typedef struct {
    int64_t node[MAX_DEPTH * 2], first[MAX_DEPTH * 2], leaves[MAX_DEPTH * 2];
    int top;
} leaf_walk;

static void walk_from_root(leaf_walk *w, const kd_tree *t) {
    w->node[0] = 0, w->first[0] = 0, w->leaves[0] = t->leaves, w->top = t->leaves > 0;
}

static real boxes_distance(const kd_tree *t, const real *lo, const real *hi, int64_t node) {
    const real *l = t->lo + node * t->d, *h = t->hi + node * t->d;
    real sum = 0;
    for (int64_t k = 0; k < t->d; k++) {
        real below = l[k] - hi[k], above = lo[k] - h[k];
        real e = below > above ? below : above;
        if (e > 0) sum = add_scalar(t, sum, e);
    }
    return sum * (1 - (real)(8 + t->d) * (real)REAL_EPS);
}

/* The next leaf within `radius` of the box, in the order of the tree; -1 at the end. */
static int64_t next_leaf(leaf_walk *w, const kd_tree *t, const real *lo, const real *hi, real radius) {
    while (w->top > 0) {
        w->top--;
        int64_t at = w->node[w->top], f = w->first[w->top], m = w->leaves[w->top];
        if (!t->flat && boxes_distance(t, lo, hi, at) > radius) continue;
        if (m == 1) return f;
        int64_t ml = (m + 1) / 2;
        w->node[w->top] = at + 2 * ml, w->first[w->top] = f + ml, w->leaves[w->top] = m - ml, w->top++;
        w->node[w->top] = at + 1, w->first[w->top] = f, w->leaves[w->top] = ml, w->top++;
    }
    return -1;
}

static void within_chunk(void *arg, int64_t chunk) {
    const query_ctx *s = arg;
    const kd_tree *t = s->t;
    par_range rows = par_chunk(s->q, s->chunks, chunk, 1);
    vreal limit = v_set1(s->radius);
    for (int64_t i = rows.begin; i < rows.end; i++) {
        const real *x = s->X + i * t->d;
        int64_t found = 0, at = s->start ? s->start[i] : 0;
        leaf_walk w;
        walk_from_root(&w, t);
        for (int64_t leaf; (leaf = next_leaf(&w, t, x, x, s->radius)) >= 0;) {
            vreal e[1][PANEL_VECS];
            panel_distances(t, 1, &x, leaf, e);
            for (int v = 0; v < PANEL_VECS; v++)
                for (unsigned hit = hit_mask(e[0][v], limit, 1); hit; hit &= hit - 1) {
                    int l = __builtin_ctz(hit);
                    int32_t id = t->order[leaf * PANEL_WIDTH + v * VL + l];
                    if (id < 0) continue;
                    if (s->start) s->index[at + found] = id, s->distance[at + found] = e[0][v][l];
                    found++;
                }
        }
        s->count[i] = found;
    }
}

static void within(int64_t *count, const int64_t *start, int64_t *index, real *distance, const kd_tree *t,
                   const real *X, int64_t q, double radius) {
    query_ctx s = {.t = t,
                   .X = X,
                   .q = q,
                   .index = index,
                   .distance = distance,
                   .start = start,
                   .count = count,
                   .radius = (real)radius,
                   .chunks = par_count(q, 2000.0, CHUNKS)};
    par_for(s.chunks, within_chunk, &s);
}

/* ---- density clustering, leaf against leaf ---- */

typedef struct {
    const kd_tree *t;
    const double *weight;
    double *count;
    const uint8_t *core;
    int32_t *parent;
    int64_t *label;
    real radius;
    int64_t first; /* leaf */
} density_ctx;

static int64_t leaf_node(const kd_tree *t, int64_t leaf) {
    int64_t at = 0, f = 0, m = t->leaves;
    while (m > 1) {
        int64_t ml = (m + 1) / 2;
        if (leaf < f + ml) at = at + 1, m = ml;
        else at = at + 2 * ml, f += ml, m -= ml;
    }
    return at;
}

static int64_t leaf_points(const kd_tree *t, int64_t leaf) { return i64_min(PANEL_WIDTH, t->n - leaf * PANEL_WIDTH); }

/* Calls the visit for each pair of leaf and leaf in reach, with bits of the points within the radius. */
typedef void (*pair_visit)(const density_ctx *s, int64_t leaf, int64_t row, int64_t other, int v, unsigned hit);
typedef int (*pair_skip)(const density_ctx *s, int64_t leaf, int64_t other);
typedef int (*row_skip)(const density_ctx *s, int32_t id);

CT_INLINE void leaf_pairs(const density_ctx *s, int64_t leaf, pair_skip skip, row_skip skip_row, pair_visit visit) {
    const kd_tree *t = s->t;
    int64_t points = leaf_points(t, leaf), node = leaf_node(t, leaf);
    const real *own = t->rows + leaf * PANEL_WIDTH * t->d;
    vreal limit = v_set1(s->radius);
    leaf_walk w;
    walk_from_root(&w, t);
    for (int64_t other; (other = next_leaf(&w, t, t->lo + node * t->d, t->hi + node * t->d, s->radius)) >= 0;) {
        if (skip && skip(s, leaf, other)) continue;
        for (int64_t i = 0; i < points; i += PANEL_ROWS) {
            const real *x[PANEL_ROWS];
            int rows = (int)i64_min(PANEL_ROWS, points - i), wanted = 0;
            for (int r = 0; r < PANEL_ROWS; r++) {
                int64_t at = i + (r < rows ? r : rows - 1);
                x[r] = own + at * t->d;
                if (r < rows) wanted += !(skip_row && skip_row(s, t->order[leaf * PANEL_WIDTH + at]));
            }
            if (!wanted) continue;
            vreal e[PANEL_ROWS][PANEL_VECS];
            panel_distances(t, PANEL_ROWS, x, other, e);
            for (int r = 0; r < rows; r++) {
                if (skip_row && skip_row(s, t->order[leaf * PANEL_WIDTH + i + r])) continue;
                for (int v = 0; v < PANEL_VECS; v++) {
                    unsigned hit = hit_mask(e[r][v], limit, 1);
                    if (hit) visit(s, leaf, i + r, other, v, hit);
                }
            }
        }
    }
}

static void count_visit(const density_ctx *s, int64_t leaf, int64_t row, int64_t other, int v, unsigned hit) {
    const kd_tree *t = s->t;
    const int32_t *ids = t->order + other * PANEL_WIDTH + v * VL;
    double *count = s->count + t->order[leaf * PANEL_WIDTH + row];
    if (!s->weight) { /* infinitely far places past the end are never hit: the radius is finite */
        *count += __builtin_popcount(hit);
        return;
    }
    for (; hit; hit &= hit - 1) *count += s->weight[ids[__builtin_ctz(hit)]];
}

static void density_chunk(void *arg, int64_t chunk) {
    const density_ctx *s = arg;
    int64_t leaf = s->first + chunk;
    for (int64_t j = 0; j < leaf_points(s->t, leaf); j++) s->count[s->t->order[leaf * PANEL_WIDTH + j]] = 0;
    leaf_pairs(s, leaf, NULL, NULL, count_visit);
}

static void density(double *count, const kd_tree *t, const double *weight, double radius, int64_t first,
                    int64_t leaves) {
    density_ctx s = {.t = t, .weight = weight, .count = count, .radius = (real)radius, .first = first};
    par_for(leaves, density_chunk, &s);
}

/* Union-find without locks: a root is linked below a smaller one by one compare-and-swap, so that the root of a set is
 * its smallest index whatever the order of the unions (Anderson and Woll 1991). */
static int32_t root_of(int32_t *parent, int32_t i) {
    for (;;) {
        int32_t p = __atomic_load_n(parent + i, __ATOMIC_RELAXED);
        if (p == i) return i;
        int32_t g = __atomic_load_n(parent + p, __ATOMIC_RELAXED);
        if (g != p) __atomic_compare_exchange_n(parent + i, &p, g, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        i = p;
    }
}

static void unite(int32_t *parent, int32_t a, int32_t b) {
    for (;;) {
        a = root_of(parent, a), b = root_of(parent, b);
        if (a == b) return;
        if (a < b) {
            int32_t swap = a;
            a = b, b = swap;
        }
        int32_t expected = a;
        if (__atomic_compare_exchange_n(parent + a, &expected, b, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return;
    }
}

static void link_visit(const density_ctx *s, int64_t leaf, int64_t row, int64_t other, int v, unsigned hit) {
    const kd_tree *t = s->t;
    int32_t id = t->order[leaf * PANEL_WIDTH + row];
    const int32_t *ids = t->order + other * PANEL_WIDTH + v * VL;
    for (; hit; hit &= hit - 1) {
        int32_t j = ids[__builtin_ctz(hit)];
        if (s->core[j]) unite(s->parent, id, j);
    }
}

static int not_core(const density_ctx *s, int32_t id) { return !s->core[id]; }

/* A pair is done once by its first leaf; and not at all when all core points of both are in one set already. */
static int same_set(const density_ctx *s, int64_t leaf, int64_t other) {
    const kd_tree *t = s->t;
    if (other < leaf) return 1;
    int32_t set = -1;
    for (int side = 0; side < 2; side++) {
        int64_t at = side ? other : leaf, any = 0;
        for (int64_t j = 0; j < leaf_points(t, at); j++) {
            int32_t id = t->order[at * PANEL_WIDTH + j];
            if (!s->core[id]) continue;
            int32_t root = root_of(s->parent, id);
            any = 1;
            if (set < 0) set = root;
            if (root != set) return 0;
        }
        if (!any) return 1; /* nothing to unite */
    }
    return 1;
}

static void link_chunk(void *arg, int64_t chunk) {
    const density_ctx *s = arg;
    int64_t leaf = s->first + chunk;
    leaf_pairs(s, leaf, same_set, not_core, link_visit);
}

static void link(int32_t *parent, const kd_tree *t, const uint8_t *core, double radius, int64_t first, int64_t leaves) {
    density_ctx s = {.t = t, .core = core, .parent = parent, .radius = (real)radius, .first = first};
    par_for(leaves, link_chunk, &s);
    if (first + leaves < t->leaves) return;
    for (int64_t i = 0; i < t->n; i++) parent[i] = root_of(parent, (int32_t)i);
}

static void border_visit(const density_ctx *s, int64_t leaf, int64_t row, int64_t other, int v, unsigned hit) {
    const kd_tree *t = s->t;
    int64_t *label = s->label + t->order[leaf * PANEL_WIDTH + row];
    const int32_t *ids = t->order + other * PANEL_WIDTH + v * VL;
    for (; hit; hit &= hit - 1) {
        int32_t j = ids[__builtin_ctz(hit)];
        if (s->core[j] && (*label < 0 || s->label[j] < *label)) *label = s->label[j];
    }
}

static int is_core(const density_ctx *s, int32_t id) { return s->core[id]; }

static int no_border(const density_ctx *s, int64_t leaf, int64_t other CT_UNUSED) {
    for (int64_t j = 0; j < leaf_points(s->t, leaf); j++)
        if (!s->core[s->t->order[leaf * PANEL_WIDTH + j]]) return 0;
    return 1;
}

static void border_chunk(void *arg, int64_t chunk) {
    const density_ctx *s = arg;
    int64_t leaf = s->first + chunk;
    if (!no_border(s, leaf, 0)) leaf_pairs(s, leaf, NULL, is_core, border_visit);
}

static void border(int64_t *label, const kd_tree *t, const uint8_t *core, double radius, int64_t first,
                   int64_t leaves) {
    density_ctx s = {.t = t, .core = core, .label = label, .radius = (real)radius, .first = first};
    par_for(leaves, border_chunk, &s);
}

extern const ct_kdtree_api CT_NAME(ct_kdtree);
const ct_kdtree_api CT_NAME(ct_kdtree) = {
    leaf_size, leaf_count, build, nearest_work, nearest, within, density, link, border,
};

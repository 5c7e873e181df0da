/* tree.c: growing one decision tree. See tree.h.
 *
 * The rows of a node are a range of one array of row numbers; a split partitions the range stably, so that row numbers
 * ascend inside each node and the columns are read front to back.  Every node has its own random stream, a hash of its
 * parent's and its side: the tree does not depend on the order in which nodes are worked off, nor on who works on them.
 *
 * With several workers, nodes of more than TASK_ROWS rows are split one after another, columns in parallel; smaller
 * ones become tasks, whole subtrees in parallel.
 */
#include "../include/learn/tree.h"
#include "../include/par.h"
#include "../include/real.h"

#if CT_REAL_DOUBLE
/* Trees read float32 as scikit-learn's do; there is nothing to compile twice. */
const ct_tree_api CT_NAME(ct_tree) = {0};
#else

#include "tree_cut.h"

#define TASK_ROWS 4096
#define EPSILON 2.220446049250313e-16

typedef struct {
    int64_t start, end;
    double lower, upper;
    uint64_t seed;
    int32_t node, depth;
    int32_t constants; /* length of the worker's list of constant columns when this node was made */
} tree_todo;

typedef struct {
    double improvement;
    int64_t middle;
    double middle_value;
    tree_todo todo;
    int32_t leaf;
} tree_open; /* a leaf of a best-first tree */

typedef struct {
    tree_bench bench;
    double *total;      /* (outputs, classes) sums of the node */
    int32_t *order;     /* (features) the identity between nodes */
    int32_t *swapped;   /* (features) */
    int32_t *constants; /* (features) columns known to be constant here */
    uint8_t *constant;  /* (features) */
    tree_split *splits; /* (max_features) */
} tree_worker;

typedef struct {
    tree_grower g;
    tree_node *nodes;
    double *value;
    tree_set *sets;        /* of the nodes, with categorical columns */
    int64_t capacity, top; /* nodes of the part that is grown before the tasks */
    int64_t nodes_used, ordered;
    tree_todo *todo; /* (m + 2) stacks: a subtree of k rows needs at most k + 1 places */
    tree_todo *tasks;
    int64_t task_count;
    tree_open *open; /* (max_leaf_nodes) heap */
    tree_worker *workers;
    int worker_count;
    /* for the body that searches columns in parallel */
    const tree_place *place;
} tree_state;

/* ---- sums of a node ---- */

/* Gathers targets and weights of the rows and adds them up; returns the impurity. */
static double sum_node(tree_state *s, tree_worker *worker, tree_place *place, double *value) {
    tree_grower *g = &s->g;
    const tree_data *d = g->data;
    int64_t n = place->end - place->start, width = d->outputs * d->classes;
    const uint32_t *row = g->row + place->start;
    double *total = worker->total, W = 0, squares = 0;
    for (int64_t k = 0; k < width; k++) total[k] = 0;
    if (g->counted) {
        const uint16_t *p = g->payload + place->start;
        uint32_t mask = (1u << g->weight_bits) - 1;
        if (d->classes <= 2) {
            int64_t all = 0, ones = 0;
            for (int64_t i = 0; i < n; i++) {
                int32_t w = (int32_t)(p[i] & mask);
                all += w;
                ones += w & -(int32_t)(p[i] >> g->weight_bits);
            }
            total[0] = (double)(all - ones);
            if (d->classes > 1) total[1] = (double)ones;
        } else
            for (int64_t i = 0; i < n; i++) total[p[i] >> g->weight_bits] += p[i] & mask;
        for (int64_t k = 0; k < width; k++) W += total[k];
    } else {
        double *y = g->y + place->start, *w = g->w + place->start;
        for (int64_t i = 0; i < n; i++) w[i] = g->weight ? g->weight[row[i]] : 1.0;
        if (d->outputs == 1)
            for (int64_t i = 0; i < n; i++) y[i] = d->y[row[i]];
        if (g->rules->criterion <= TREE_ENTROPY)
            for (int64_t i = 0; i < n; i++)
                for (int64_t o = 0; o < d->outputs; o++)
                    total[o * d->classes + (int64_t)d->y[(int64_t)row[i] * d->outputs + o]] += w[i];
        else
            for (int64_t i = 0; i < n; i++)
                for (int64_t o = 0; o < d->outputs; o++) {
                    double t = d->y[(int64_t)row[i] * d->outputs + o];
                    total[o] += w[i] * t;
                    squares += w[i] * t * t;
                }
        for (int64_t i = 0; i < n; i++) W += w[i];
    }
    place->weight = W;
    place->total = total;
    double impurity = 0;
    switch (g->rules->criterion) {
    case TREE_GINI:
    case TREE_ENTROPY:
        for (int64_t o = 0; o < d->outputs; o++) {
            double sq = 0, h = 0;
            for (int64_t k = 0; k < d->classes; k++) {
                double t = total[o * d->classes + k];
                sq += t * t;
                if (t > 0 && g->rules->criterion == TREE_ENTROPY) h -= t / W * log2(t / W);
                value[o * d->classes + k] = t / W;
            }
            impurity += g->rules->criterion == TREE_GINI ? 1 - sq / (W * W) : h;
        }
        return impurity / (double)d->outputs;
    case TREE_POISSON:
        for (int64_t o = 0; o < d->outputs; o++) {
            double mean = total[o] / W;
            value[o] = mean;
            if (mean <= EPSILON) return __builtin_inf();
            for (int64_t i = 0; i < n; i++) {
                double t = d->y[(int64_t)row[i] * d->outputs + o];
                if (t > 0) impurity += g->w[place->start + i] * t * log(t / mean);
            }
        }
        return impurity / (W * (double)d->outputs);
    case TREE_ABSOLUTE_ERROR: {
        uint64_t *keys = worker->bench.keys;
        uint32_t *y_rank = g->y_rank + place->start;
        double *sorted = g->y_sorted + place->start, *y = g->y + place->start, *w = g->w + place->start;
        uint32_t largest = 0;
        for (int64_t i = 0; i < n; i++) {
            uint32_t r = d->y_rank[row[i]];
            if (r > largest) largest = r;
            keys[i] = (uint64_t)r << 32 | (uint32_t)i;
        }
        if (largest) keys = radix_sort64(keys, worker->bench.spare, n, 32, bits_of(largest));
        double cumulative = 0, half = W / 2, median = 0;
        int found = 0;
        for (int64_t i = 0; i < n; i++) {
            uint32_t p = (uint32_t)keys[i];
            y_rank[p] = (uint32_t)i;
            sorted[i] = y[p];
            if (found == 1) median = (median + y[p]) / 2, found = 2;
            cumulative += w[p];
            if (!found && cumulative >= half) median = y[p], found = cumulative == half && i + 1 < n ? 1 : 2;
        }
        for (int64_t i = 0; i < n; i++) impurity += w[i] * fabs(y[i] - median);
        value[0] = median;
        return impurity / W;
    }
    default:
        impurity = squares / W;
        for (int64_t o = 0; o < d->outputs; o++) {
            value[o] = total[o] / W;
            impurity -= value[o] * value[o];
        }
        return impurity / (double)d->outputs;
    }
}

static void search_body(void *ctx, int64_t chunk) {
    tree_state *s = ctx;
    tree_worker *own = &s->workers[0], *mine = &s->workers[s->worker_count > 1 ? ct_par_worker() : 0];
    tree_split *split = &own->splits[chunk];
    if (split->constant) return;
    if (s->g.rules->random) random_cut(&s->g, s->place, &mine->bench, split);
    else best_cut(&s->g, s->place, &mine->bench, split);
}

/* The best split of a node over randomly drawn columns: at least max_features of them, and as many more as it takes to
 * meet one that is not constant.  Equal scores: the first drawn. */
static int search_node(tree_state *s, tree_worker *worker, tree_place *place, int parallel, int32_t *known,
                       tree_split *best) {
    const tree_data *d = s->g.data;
    const tree_rules *rules = s->g.rules;
    int64_t F = d->features, drawn = 0;
    uint64_t stream = place->seed;
    int varied = 0;
    best->score = -__builtin_inf();
    while (drawn < F && (drawn < rules->max_features || !varied)) {
        int64_t batch = drawn == 0 ? rules->max_features : 1;
        for (int64_t i = 0; i < batch; i++, drawn++) {
            stream = mix(stream);
            int64_t j = drawn + below(stream, F - drawn);
            int32_t f = worker->order[j];
            worker->order[j] = worker->order[drawn];
            worker->order[drawn] = f;
            worker->swapped[drawn] = (int32_t)j;
            worker->splits[i].feature = f;
            worker->splits[i].constant = worker->constant[f];
        }
        if (parallel) {
            s->place = place;
            ct_par_for(batch, search_body, s);
        } else
            for (int64_t i = 0; i < batch; i++) {
                tree_split *split = &worker->splits[i];
                if (split->constant) continue;
                if (rules->random) random_cut(&s->g, place, &worker->bench, split);
                else best_cut(&s->g, place, &worker->bench, split);
            }
        for (int64_t i = 0; i < batch; i++) {
            const tree_split *split = &worker->splits[i];
            if (split->constant) {
                if (!worker->constant[split->feature]) {
                    worker->constant[split->feature] = 1;
                    worker->constants[(*known)++] = split->feature;
                }
                continue;
            }
            varied = 1;
            if (split->score > best->score) *best = *split;
        }
    }
    for (int64_t i = drawn - 1; i >= 0; i--) { /* back to the identity */
        int32_t j = worker->swapped[i], f = worker->order[i];
        worker->order[i] = worker->order[j];
        worker->order[j] = f;
    }
    return best->score > -__builtin_inf();
}

/* ---- nodes ---- */

/* Fills nodes[todo->node]; when it can be split, partitions the rows and gives the place of the cut. */
static int work_node(tree_state *s, tree_worker *worker, const tree_todo *todo, int parallel, int need_improvement,
                     int32_t *known, int64_t *middle, double *improvement, double *middle_value) {
    tree_grower *g = &s->g;
    const tree_rules *rules = g->rules;
    const tree_data *d = g->data;
    int64_t width = d->outputs * d->classes;
    tree_node *node = &s->nodes[todo->node];
    double *value = s->value + (int64_t)todo->node * width;
    tree_place place = {
        .start = todo->start, .end = todo->end, .lower = todo->lower, .upper = todo->upper, .seed = todo->seed};
    int64_t n = todo->end - todo->start;
    double impurity = sum_node(s, worker, &place, value);
    *node = (tree_node){.threshold = -2,
                        .impurity = impurity,
                        .weight = place.weight,
                        .samples = n,
                        .left = -1,
                        .right = -1,
                        .feature = -2,
                        .depth = todo->depth};
    if (d->monotonic) {
        if (value[0] < todo->lower) value[0] = todo->lower;
        if (value[0] > todo->upper) value[0] = todo->upper;
        if (rules->criterion <= TREE_ENTROPY && d->classes > 1) value[1] = 1 - value[0];
    }
    if (todo->depth >= rules->max_depth || n < rules->min_samples_split || n < 2 * rules->min_samples_leaf ||
        place.weight < 2 * rules->min_weight_leaf || impurity <= EPSILON)
        return 0;
    tree_split split = {0};
    if (!search_node(s, worker, &place, parallel, known, &split)) return 0;
    partition(&s->g, &place, &split);
    *middle = todo->start + split.left;
    *improvement = 0;
    *middle_value = 0;
    if (need_improvement || d->monotonic) {
        /* the sums of the children, found again when their turn comes */
        double total = place.weight;
        tree_place left = {.start = todo->start, .end = *middle}, right = {.start = *middle, .end = todo->end};
        double *children = worker->bench.left;
        double il = sum_node(s, worker, &left, children), ml = children[0];
        double ir = sum_node(s, worker, &right, children), mr = children[0];
        *improvement = total / s->nodes[0].weight * (impurity - right.weight / total * ir - left.weight / total * il);
        *middle_value = (ml + mr) / 2;
        if (*improvement + EPSILON < rules->min_impurity_decrease) return 0;
    }
    node->feature = split.feature;
    node->threshold = split.threshold;
    node->missing_left = split.missing_left;
    node->categorical = split.categorical;
    if (split.categorical) s->sets[todo->node] = split.set;
    return 1;
}

static void child_todos(const tree_state *s, const tree_todo *parent, int32_t feature, int64_t middle,
                        double middle_value, int32_t known, tree_todo *left, tree_todo *right) {
    *left = *right = *parent;
    left->end = right->start = middle;
    left->depth = right->depth = parent->depth + 1;
    left->constants = right->constants = known;
    left->seed = mix(parent->seed ^ 0x6a09e667f3bcc909u);
    right->seed = mix(parent->seed ^ 0xbb67ae8584caa73bu);
    int sign = s->g.data->monotonic ? s->g.data->monotonic[feature] : 0;
    if (sign > 0) left->upper = right->lower = middle_value;
    if (sign < 0) left->lower = right->upper = middle_value;
}

static int check_stop(tree_state *s) {
    if (s->g.watch && !s->g.stop && s->g.watch->poll(s->g.watch->ctx)) s->g.stop = 1;
    return s->g.stop;
}

/* Depth first from `first`; new nodes from *used on. Nodes of at most `task_rows` rows go to s->tasks instead. */
static void grow_depth_first(tree_state *s, tree_worker *worker, tree_todo first, int64_t *used, int parallel,
                             int64_t task_rows) {
    tree_todo *stack = s->todo + first.start;
    int64_t depth = 0, since = 0;
    int32_t known = 0;
    int need = s->g.rules->min_impurity_decrease > 0;
    first.constants = 0;
    stack[depth++] = first;
    while (depth > 0) {
        tree_todo todo = stack[--depth];
        since += todo.end - todo.start;
        if (since > 16384) {
            since = 0;
            if (check_stop(s)) break;
        }
        while (known > todo.constants) worker->constant[worker->constants[--known]] = 0;
        if (todo.end - todo.start <= task_rows) {
            s->tasks[s->task_count++] = todo;
            continue;
        }
        int64_t middle;
        double improvement, middle_value;
        int wide = parallel && (todo.end - todo.start) * s->g.rules->max_features > 16 * PAR_GRAIN / 4;
        if (!work_node(s, worker, &todo, wide, need, &known, &middle, &improvement, &middle_value)) continue;
        tree_node *node = &s->nodes[todo.node];
        tree_todo left, right;
        child_todos(s, &todo, node->feature, middle, middle_value, known, &left, &right);
        left.node = node->left = (int32_t)(*used)++;
        right.node = node->right = (int32_t)(*used)++;
        stack[depth++] = right;
        stack[depth++] = left;
    }
    while (known > 0) worker->constant[worker->constants[--known]] = 0;
}

static void task_body(void *ctx, int64_t chunk) {
    tree_state *s = ctx;
    if (s->g.stop) return;
    int64_t used = s->top + 2 * s->tasks[chunk].start;
    grow_depth_first(s, &s->workers[ct_par_worker()], s->tasks[chunk], &used, 0, 0);
}

/* The leaf with the largest improvement is split next (Friedman, Hastie, Tibshirani 2000). */
static void grow_best_first(tree_state *s, tree_worker *worker, tree_todo first, int parallel) {
    int64_t leaves = s->g.rules->max_leaf_nodes, open = 0, splits = leaves - 1, used = 1;
    tree_open *heap = s->open;
    tree_todo pending[2] = {first};
    int pending_count = 1;
    while (1) {
        for (int c = 0; c < pending_count; c++) {
            int32_t known = 0;
            tree_open entry = {.todo = pending[c]};
            int wide = parallel && (pending[c].end - pending[c].start) * s->g.rules->max_features > 16 * PAR_GRAIN / 4;
            entry.leaf = !work_node(s, worker, &pending[c], wide, 1, &known, &entry.middle, &entry.improvement,
                                    &entry.middle_value);
            while (known > 0) worker->constant[worker->constants[--known]] = 0;
            if (entry.leaf) continue;
            int64_t i = open++;
            while (i > 0 && heap[(i - 1) / 2].improvement < entry.improvement) {
                heap[i] = heap[(i - 1) / 2];
                i = (i - 1) / 2;
            }
            heap[i] = entry;
        }
        if (open == 0 || splits == 0 || check_stop(s)) break;
        tree_open top = heap[0], last = heap[--open];
        for (int64_t i = 0, j; open > 0; i = j) {
            j = 2 * i + 1;
            if (j + 1 < open && heap[j + 1].improvement > heap[j].improvement) j++;
            if (j >= open || heap[j].improvement <= last.improvement) {
                heap[i] = last;
                break;
            }
            heap[i] = heap[j];
        }
        splits--;
        tree_node *node = &s->nodes[top.todo.node];
        child_todos(s, &top.todo, node->feature, top.middle, top.middle_value, 0, &pending[0], &pending[1]);
        pending[0].node = node->left = (int32_t)used++;
        pending[1].node = node->right = (int32_t)used++;
        pending_count = 2;
    }
    for (int64_t i = 0; i < open; i++) { /* whatever was not split */
        tree_node *node = &s->nodes[heap[i].todo.node];
        node->feature = -2;
        node->threshold = -2;
        node->missing_left = node->categorical = 0;
    }
    s->nodes_used = used;
    s->ordered = 1;
}

/* ---- the whole tree ---- */

typedef struct {
    char *base;
    int64_t used;
} tree_heap;

static void *take(tree_heap *h, int64_t bytes) {
    void *p = h->base ? h->base + h->used : NULL;
    h->used += round_up(bytes, 64);
    return p;
}

static void lay_out(tree_state *s, tree_heap *h, const tree_data *d, const tree_rules *rules, int64_t m, int workers) {
    int64_t width = d->outputs * d->classes, cap = 2 * m + 1;
    int best_first = rules->max_leaf_nodes >= 2;
    if (best_first) cap = i64_min(cap, 2 * rules->max_leaf_nodes);
    s->top = cap;
    if (!best_first && workers > 1) cap += 2 * m + 2;
    s->capacity = cap;
    s->nodes = take(h, cap * (int64_t)sizeof(tree_node));
    s->value = take(h, cap * width * 8);
    s->sets = take(h, d->categorical ? cap * (int64_t)sizeof(tree_set) : 0);
    s->todo = take(h, (m + 2) * (int64_t)sizeof(tree_todo));
    s->tasks = take(h, workers > 1 ? (m + 2) * (int64_t)sizeof(tree_todo) : 0);
    s->open = take(h, best_first ? (i64_min(rules->max_leaf_nodes, m) + 2) * (int64_t)sizeof(tree_open) : 0);
    s->g.row = take(h, m * 4);
    s->g.row_spare = take(h, m * 4);
    s->g.payload = take(h, m * 2);
    s->g.payload_spare = take(h, m * 2);
    s->g.y = take(h, m * 8);
    s->g.w = take(h, m * 8);
    int absolute = rules->criterion == TREE_ABSOLUTE_ERROR;
    s->g.y_rank = take(h, absolute ? m * 4 : 0);
    s->g.y_sorted = take(h, absolute ? m * 8 : 0);
    s->workers = take(h, workers * (int64_t)sizeof(tree_worker));
    for (int i = 0; i < workers; i++) {
        tree_worker w;
        w.bench.keys = take(h, (m + SMALL_SORT) * 8);
        w.bench.spare = take(h, (m + SMALL_SORT) * 8);
        w.bench.left = take(h, width * 8);
        w.bench.right = take(h, width * 8);
        w.total = take(h, width * 8);
        w.bench.fenwick_w = take(h, absolute ? (m + 1) * 8 : 0);
        w.bench.fenwick_wy = take(h, absolute ? (m + 1) * 8 : 0);
        w.bench.error = take(h, absolute ? (m + 1) * 8 : 0);
        w.bench.median = take(h, absolute ? (m + 1) * 8 : 0);
        w.order = take(h, d->features * 4);
        w.swapped = take(h, d->features * 4);
        w.constants = take(h, d->features * 4);
        w.constant = take(h, d->features);
        w.splits = take(h, rules->max_features * (int64_t)sizeof(tree_split));
        if (h->base) s->workers[i] = w;
    }
}

static int64_t grow_work(const tree_data *d, const tree_rules *rules, int64_t m, int workers) {
    tree_state s = {0};
    tree_heap h = {NULL, round_up(sizeof(tree_state), 64)};
    int64_t table = rules->criterion == TREE_ENTROPY ? (m * 64 + 2) * 8 : 0;
    lay_out(&s, &h, d, rules, m, workers);
    return h.used + round_up(i64_max(table, d->n * 8), 64) + 64; /* the table is for counted rows, weights for others */
}

static int64_t grow(const tree_data *d, const tree_rules *rules, const double *weight, const uint16_t *count,
                    int workers, const tree_watch *watch, void *work) {
    tree_state *s = work;
    memset(s, 0, sizeof *s);
    int64_t m = 0, sum = 0, most = 1;
    for (int64_t i = 0; i < d->n; i++) {
        if (weight ? weight[i] != 0 : count ? count[i] != 0 : 1) m++;
        if (count) {
            sum += count[i];
            if (count[i] > most) most = count[i];
        }
    }
    if (!count) sum = m;
    tree_heap h = {work, round_up(sizeof *s, 64)};
    lay_out(s, &h, d, rules, m, workers);
    tree_grower *g = &s->g;
    g->data = d;
    g->rules = rules;
    g->watch = watch;
    g->m = m;
    g->weight = weight;
    g->weight_bits = bits_of((uint64_t)most);
    g->counted = !weight && rules->criterion <= TREE_ENTROPY && d->outputs == 1 &&
                 g->weight_bits + bits_of((uint64_t)d->classes - 1) <= 16 && sum < ((int64_t)1 << 30) &&
                 (rules->criterion == TREE_GINI || sum < m * 64);
    if (g->counted && rules->criterion == TREE_ENTROPY) {
        double *f = take(&h, (sum + 1) * 8);
        f[0] = 0;
        for (int64_t i = 1; i <= sum; i++) f[i] = (double)i * log2((double)i);
        g->xlogx = f;
    }
    if (count && !g->counted) {
        double *w = take(&h, d->n * 8);
        for (int64_t i = 0; i < d->n; i++) w[i] = count[i];
        g->weight = w;
    }
    s->worker_count = workers;
    for (int w = 0; w < workers; w++) {
        tree_worker *worker = &s->workers[w];
        for (int64_t f = 0; f < d->features; f++) worker->order[f] = (int32_t)f;
        memset(worker->constant, 0, (size_t)d->features);
    }
    m = 0;
    for (int64_t i = 0; i < d->n; i++) {
        if (weight ? weight[i] == 0 : count ? count[i] == 0 : 0) continue;
        if (g->counted) g->payload[m] = (uint16_t)((uint32_t)d->y[i] << g->weight_bits | (count ? count[i] : 1u));
        g->row[m++] = (uint32_t)i;
    }
    tree_todo first = {
        .start = 0, .end = m, .lower = -__builtin_inf(), .upper = __builtin_inf(), .seed = mix(rules->seed)};
    if (rules->max_leaf_nodes >= 2) grow_best_first(s, &s->workers[0], first, workers > 1);
    else {
        int64_t used = 1;
        grow_depth_first(s, &s->workers[0], first, &used, workers > 1, workers > 1 && m > TASK_ROWS ? TASK_ROWS : 0);
        if (!g->stop && s->task_count) ct_par_for(s->task_count, task_body, s);
    }
    if (g->stop) return -1;
    if (s->ordered) return s->nodes_used;
    /* count the nodes */
    int64_t nodes = 0, depth = 0;
    int32_t *stack = (int32_t *)s->todo;
    stack[depth++] = 0;
    while (depth > 0) {
        const tree_node *node = &s->nodes[stack[--depth]];
        nodes++;
        if (node->left >= 0) {
            stack[depth++] = node->right;
            stack[depth++] = node->left;
        }
    }
    return nodes;
}

static void collect(const tree_data *d, const void *work, tree_node *nodes, double *value, tree_set *sets) {
    const tree_state *s = work;
    int64_t width = d->outputs * d->classes, made = 0, depth = 0;
    if (s->ordered) {
        memcpy(nodes, s->nodes, (size_t)s->nodes_used * sizeof *nodes);
        memcpy(value, s->value, (size_t)(s->nodes_used * width) * 8);
        if (sets) memcpy(sets, s->sets, (size_t)s->nodes_used * sizeof *sets);
        return;
    }
    struct {
        int32_t node, parent;
    } *stack = (void *)s->todo;
    stack[depth].node = 0;
    stack[depth++].parent = -1;
    while (depth > 0) {
        int32_t from = stack[--depth].node, parent = stack[depth].parent;
        int32_t to = (int32_t)made++;
        nodes[to] = s->nodes[from];
        if (sets) sets[to] = s->sets[from];
        memcpy(value + to * width, s->value + (int64_t)from * width, (size_t)width * 8);
        if (parent >= 0) {
            if (nodes[parent].left < 0) nodes[parent].left = to;
            else nodes[parent].right = to;
        }
        if (nodes[to].left >= 0) {
            stack[depth].node = nodes[to].right;
            stack[depth++].parent = to;
            stack[depth].node = nodes[to].left;
            stack[depth++].parent = to;
            nodes[to].left = nodes[to].right = -1;
        }
    }
}

const ct_tree_api CT_NAME(ct_tree) = {grow_work, grow, collect};
#endif

/* hist.c: growing one tree of gradient boosting from histograms. See hist.h.
 *
 * The leaf with the largest gain is split next.  Of two new leaves the smaller one's histogram is added up, the other's
 * is their parent's minus it; one pass over the groups of columns does both and searches both for their best split
 * while the histograms are in cache.
 */
#include "../include/learn/hist.h"
#include "../include/par.h"
#include "../include/real.h"

#if CT_REAL_DOUBLE
/* Whole numbers: nothing here depends on the number type. */
const ct_hist_api CT_NAME(ct_hist) = {0};
#else

#include <math.h>

#include "hist_scan.h"

#define ROW_CHUNK 8192

typedef struct {
    hist_split split;
    hist_sums sums;
    int32_t slot; /* of the histogram */
} hist_leaf;      /* beside the node of the same number */

typedef struct {
    const hist_data *d;
    const hist_rules *rules;
    hist_scale scale;
    int64_t groups, halves, capacity, used; /* halves: of groups, that hold columns */
    hist_entry *entries, *gathered;         /* (n) of all rows, and of a node's rows in their order */
    uint32_t *rows, *spare;                 /* (n) */
    int64_t *lefts;                         /* (row chunks) */
    hist_entry *hists;                      /* (slots, groups, HIST_GROUP, HIST_BINS) */
    int32_t *free_slots;
    int32_t free_count, slots;
    hist_node *nodes;
    hist_leaf *leaves; /* (capacity) */
    int32_t *heap;     /* (capacity) node numbers */
    int64_t heap_count;
    uint8_t *allowed;   /* (2, features) columns that a new leaf may use */
    uint8_t *node_sets; /* (capacity, sets) interaction sets that a node may use */
    hist_split *found;  /* (2, halves) best of each half group */
    /* the job of the loop over groups */
    int32_t build, subtract, search[2]; /* node numbers or -1 */
    /* the job of the loops over rows */
    const float *g, *h;
    double g_scale, h_scale, *extreme;
    int64_t chunks, from, to;
    const hist_node *parent;
    int big; /* wide enough for threads */
} hist_state;

CT_INLINE uint64_t mix(uint64_t z) {
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void for_chunks(hist_state *s, int64_t chunks, par_body body, int worth) {
    if (worth) ct_par_for(chunks, body, s);
    else
        for (int64_t c = 0; c < chunks; c++) body(s, c);
}

/* ---- gradients as whole numbers ---- */

static void extreme_body(void *ctx, int64_t chunk) {
    hist_state *s = ctx;
    int64_t begin = chunk * ROW_CHUNK, end = i64_min(s->d->n, begin + ROW_CHUNK);
    float g = 0, h = 0;
    for (int64_t i = begin; i < end; i++) {
        float a = fabsf(s->g[i]);
        g = a > g ? a : g;
    }
    if (s->h)
        for (int64_t i = begin; i < end; i++) {
            float a = fabsf(s->h[i]);
            h = a > h ? a : h;
        }
    s->extreme[2 * chunk] = g;
    s->extreme[2 * chunk + 1] = h;
}

static void pack_body(void *ctx, int64_t chunk) {
    hist_state *s = ctx;
    int64_t begin = chunk * ROW_CHUNK, end = i64_min(s->d->n, begin + ROW_CHUNK);
    int64_t *out = (int64_t *)(s->entries + begin), unit = ((int64_t)s->h_scale << s->scale.count_bits) + 1;
    int bits = s->scale.count_bits;
    for (int64_t i = begin; i < end; i++) {
        out[2 * (i - begin)] = (int64_t)rint((double)s->g[i] * s->g_scale);
        out[2 * (i - begin) + 1] =
            s->h ? (int64_t)((uint64_t)(int64_t)rint((double)s->h[i] * s->h_scale) << bits) + 1 : unit;
        s->rows[i] = (uint32_t)i;
    }
}

/* The largest power of two that keeps the sum of n numbers of at most `most` below 2^bits. */
static double fixed_point(double most, int64_t n, int bits) {
    int e;
    frexp(most * (double)n, &e);
    return most > 0 ? ldexp(1.0, bits - e) : 1.0;
}

static void pack(hist_state *s) {
    int64_t n = s->d->n;
    int bits = 1;
    while (((int64_t)1 << bits) <= n) bits++;
    s->scale.count_bits = bits;
    for_chunks(s, s->chunks, extreme_body, s->big);
    double g = 0, h = s->h ? 0 : 1;
    for (int64_t c = 0; c < s->chunks; c++) {
        if (s->extreme[2 * c] > g) g = s->extreme[2 * c];
        if (s->extreme[2 * c + 1] > h) h = s->extreme[2 * c + 1];
    }
    s->g_scale = fixed_point(g, n, 61);
    s->h_scale = s->h ? fixed_point(h, n, 61 - bits) : 1;
    s->scale.g_unit = 1 / s->g_scale;
    s->scale.h_unit = 1 / s->h_scale;
    for_chunks(s, s->chunks, pack_body, s->big);
}

/* ---- histograms ---- */

CT_INLINE hist_entry *slot_of(const hist_state *s, int32_t node, int64_t group) {
    return s->hists + ((int64_t)s->leaves[node].slot * s->groups + group) * HIST_GROUP * HIST_BINS;
}

/* Four columns at a time: their histograms are 16 kB and stay in the first-level cache. */
CT_INLINE void add_rows(hist_entry *restrict hist, const uint8_t *bins, const uint32_t *rows, const hist_entry *entries,
                        int64_t n, int contiguous) {
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *at = bins + (contiguous ? i : (int64_t)rows[i]) * HIST_GROUP;
        uint32_t b;
        memcpy(&b, at, 4);
        if (!contiguous) CT_PREFETCH(bins + (int64_t)rows[i + 24] * HIST_GROUP);
        hist_entry e = entries[i];
        hist[b & 255] += e;
        hist[HIST_BINS + (b >> 8 & 255)] += e;
        hist[2 * HIST_BINS + (b >> 16 & 255)] += e;
        hist[3 * HIST_BINS + (b >> 24)] += e;
    }
}

static void group_body(void *ctx, int64_t half) {
    hist_state *s = ctx;
    const hist_data *d = s->d;
    int64_t group = half / 2, low = half % 2 * 4, first = group * HIST_GROUP + low;
    if (s->build >= 0) {
        const hist_node *node = &s->nodes[s->build];
        hist_entry *hist = slot_of(s, s->build, group) + low * HIST_BINS;
        int64_t n = node->end - node->start;
        const uint8_t *bins = d->bins + group * d->n * HIST_GROUP + low;
        memset(hist, 0, 4 * HIST_BINS * sizeof *hist);
        if (n == d->n) add_rows(hist, bins, NULL, s->entries, n, 1);
        else {
            int64_t tail = i64_min(n, 24);
            add_rows(hist, bins, s->rows + node->start, s->gathered, n - tail, 0);
            for (int64_t i = n - tail; i < n; i++) {
                const uint8_t *b = bins + (int64_t)s->rows[node->start + i] * HIST_GROUP;
                for (int j = 0; j < 4; j++) hist[j * HIST_BINS + b[j]] += s->gathered[i];
            }
        }
        if (s->subtract >= 0) {
            hist_entry *other = slot_of(s, s->subtract, group) + low * HIST_BINS;
            for (int64_t i = 0; i < 4 * HIST_BINS; i++) other[i] -= hist[i];
        }
    }
    hist_prefix prefix;
    for (int w = 0; w < 2; w++) {
        hist_split *best = &s->found[w * s->halves + half];
        best->gain = 0;
        best->feature = -1;
        if (s->search[w] < 0) continue;
        const hist_leaf *leaf = &s->leaves[s->search[w]];
        const hist_entry *hist = slot_of(s, s->search[w], group) + low * HIST_BINS;
        for (int j = 0; j < 4 && first + j < d->features; j++) {
            int32_t f = (int32_t)(first + j);
            if (!s->allowed[w * d->features + f]) continue;
            hist_split one = {.feature = f, .gain = 0};
            if (d->categorical[f]) scan_categories(d, s->rules, &s->scale, f, hist + j * HIST_BINS, &leaf->sums, &one);
            else scan_numbers(d, s->rules, &s->scale, f, hist + j * HIST_BINS, &leaf->sums, &prefix, &one);
            if (one.gain > best->gain) *best = one;
        }
    }
}

static void gather_body(void *ctx, int64_t chunk) {
    hist_state *s = ctx;
    int64_t begin = s->from + chunk * ROW_CHUNK, end = i64_min(s->to, begin + ROW_CHUNK);
    for (int64_t i = begin; i < end; i++) s->gathered[i - s->from] = s->entries[s->rows[i]];
}

/* Columns that a node may use: by its interaction sets, then by lot. */
static void choose_columns(hist_state *s, int32_t node, uint64_t seed, uint8_t *allowed) {
    const hist_data *d = s->d;
    int64_t count = 0;
    if (!d->interaction) {
        memset(allowed, 1, (size_t)d->features);
        count = d->features;
    } else {
        memset(allowed, 0, (size_t)d->features);
        for (int64_t k = 0; k < d->sets; k++)
            if (s->node_sets[(int64_t)node * d->sets + k])
                for (int64_t f = 0; f < d->features; f++) allowed[f] |= d->interaction[k * d->features + f];
        for (int64_t f = 0; f < d->features; f++) count += allowed[f];
    }
    if (s->rules->max_features >= 1 || count <= 1) return;
    int64_t keep = (int64_t)ceil(s->rules->max_features * (double)count);
    if (keep < 1) keep = 1;
    for (int64_t f = 0; f < d->features; f++) { /* each kept with the chance keep / count of what is left */
        if (!allowed[f]) continue;
        seed = mix(seed);
        int take = (int64_t)(((unsigned __int128)seed * (uint64_t)count) >> 64) < keep;
        count--;
        keep -= take;
        allowed[f] = (uint8_t)take;
    }
}

/* Histograms and best splits of new leaves: a is built, b (or -1) is what is left of their parent. */
static void search_leaves(hist_state *s, int32_t a, int32_t b, int search_a, int search_b) {
    const hist_data *d = s->d;
    int64_t rows = s->nodes[a].end - s->nodes[a].start;
    if (rows < d->n) {
        s->from = s->nodes[a].start;
        s->to = s->nodes[a].end;
        for_chunks(s, ceil_div(rows, ROW_CHUNK), gather_body, rows > 2 * ROW_CHUNK);
    }
    s->build = a;
    s->subtract = b;
    s->search[0] = search_a ? a : -1;
    s->search[1] = search_b ? b : -1;
    for (int w = 0; w < 2; w++)
        if (s->search[w] >= 0)
            choose_columns(s, s->search[w], mix(s->rules->seed ^ mix((uint64_t)s->search[w])),
                           s->allowed + w * d->features);
    int64_t cost = rows * d->features / 2 + 2 * d->features * 400;
    for_chunks(s, s->halves, group_body, cost > 2 * PAR_GRAIN);
    for (int w = 0; w < 2; w++) {
        if (s->search[w] < 0) continue;
        hist_split *best = &s->leaves[s->search[w]].split;
        best->gain = 0;
        for (int64_t i = 0; i < s->halves; i++) {
            const hist_split *one = &s->found[w * s->halves + i];
            if (one->gain > best->gain) *best = *one;
        }
    }
}

/* ---- rows to the left and right ---- */

CT_INLINE int goes_left(const hist_node *node, uint8_t bin, int32_t missing_bin) {
    if (node->categorical) return node->cats[bin >> 5] >> (bin & 31) & 1;
    return bin == missing_bin ? node->missing_left : bin <= node->bin;
}

/* Each chunk keeps its left rows in place and puts its right ones aside. */
static void partition_body(void *ctx, int64_t chunk) {
    hist_state *s = ctx;
    const hist_node *p = s->parent;
    int64_t begin = p->start + chunk * ROW_CHUNK, end = i64_min(p->end, begin + ROW_CHUNK), l = begin, r = begin;
    const uint8_t *bins = s->d->bins + (p->feature / HIST_GROUP * s->d->n) * HIST_GROUP + p->feature % HIST_GROUP;
    uint8_t left_of[HIST_BINS];
    for (int b = 0; b < HIST_BINS; b++) left_of[b] = (uint8_t)goes_left(p, (uint8_t)b, s->d->missing_bin);
    for (int64_t i = begin; i < end; i++) {
        uint32_t x = s->rows[i];
        int left = left_of[bins[(int64_t)x * HIST_GROUP]];
        s->rows[l] = x;
        s->spare[r] = x;
        l += left;
        r += !left;
    }
    s->lefts[chunk] = l - begin;
}

static int64_t partition(hist_state *s, const hist_node *p) {
    int64_t n = p->end - p->start, chunks = ceil_div(n, ROW_CHUNK), at = p->start;
    s->parent = p;
    for_chunks(s, chunks, partition_body, n > 2 * ROW_CHUNK);
    for (int64_t c = 0; c < chunks; c++) {
        memmove(s->rows + at, s->rows + p->start + c * ROW_CHUNK, (size_t)s->lefts[c] * sizeof *s->rows);
        at += s->lefts[c];
    }
    int64_t middle = at;
    for (int64_t c = 0; c < chunks; c++) {
        int64_t begin = p->start + c * ROW_CHUNK, count = i64_min(p->end, begin + ROW_CHUNK) - begin - s->lefts[c];
        memcpy(s->rows + at, s->spare + begin, (size_t)count * sizeof *s->rows);
        at += count;
    }
    return middle;
}

/* ---- the tree ---- */

static void push(hist_state *s, int32_t node) {
    if (s->rules->max_leaf_nodes <
        0) { /* every split will be made: depth first, the smaller child first, keeps few histograms */
        s->heap[s->heap_count++] = node;
        return;
    }
    int64_t i = s->heap_count++;
    double gain = s->leaves[node].split.gain;
    while (i > 0 && s->leaves[s->heap[(i - 1) / 2]].split.gain < gain) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = node;
}

static int32_t pop(hist_state *s) {
    if (s->rules->max_leaf_nodes < 0) return s->heap[--s->heap_count];
    int32_t top = s->heap[0], last = s->heap[--s->heap_count];
    double gain = s->leaves[last].split.gain;
    for (int64_t i = 0, j; s->heap_count > 0; i = j) {
        j = 2 * i + 1;
        if (j + 1 < s->heap_count && s->leaves[s->heap[j + 1]].split.gain > s->leaves[s->heap[j]].split.gain) j++;
        if (j >= s->heap_count || s->leaves[s->heap[j]].split.gain <= gain) {
            s->heap[i] = last;
            break;
        }
        s->heap[i] = s->heap[j];
    }
    return top;
}

static void make_leaf(hist_state *s, int32_t id, int64_t start, int64_t end, int32_t depth, double g, double h,
                      double lower, double upper) {
    hist_sums sums = {.n = end - start, .g = g, .h = h, .lower = lower, .upper = upper};
    sums.value = best_value(g, h, s->rules->l2, lower, upper);
    s->leaves[id].sums = sums;
    s->leaves[id].slot = -1;
    s->nodes[id] = (hist_node){.value = s->rules->shrinkage * sums.value,
                               .weight = h,
                               .lower = lower,
                               .upper = upper,
                               .samples = end - start,
                               .start = start,
                               .end = end,
                               .left = -1,
                               .right = -1,
                               .feature = -1,
                               .depth = depth};
}

static int may_split(const hist_state *s, int32_t id) {
    const hist_node *node = &s->nodes[id];
    return node->depth < s->rules->max_depth && node->samples >= 2 * s->rules->min_samples_leaf &&
           s->leaves[id].sums.h >= MIN_HESSIAN;
}

static void give_slot(hist_state *s, int32_t id) {
    if (s->leaves[id].slot >= 0) s->free_slots[s->free_count++] = s->leaves[id].slot;
    s->leaves[id].slot = -1;
}

static void settle(hist_state *s, int32_t id, int searched) {
    if (searched && s->leaves[id].split.gain > 0) push(s, id);
    else give_slot(s, id);
}

static void split_leaf(hist_state *s, int32_t id, int last) {
    hist_node *node = &s->nodes[id];
    const hist_split split = s->leaves[id].split;
    const hist_sums sums = s->leaves[id].sums;
    const hist_data *d = s->d;
    node->feature = split.feature;
    node->bin = split.bin;
    node->gain = split.gain;
    node->missing_left = split.missing_left;
    node->categorical = split.categorical;
    memcpy(node->cats, split.cats, sizeof node->cats);
    int64_t middle = partition(s, node);
    int32_t left = (int32_t)s->used++, right = (int32_t)s->used++;
    node->left = left;
    node->right = right;
    double lower_left = sums.lower, upper_left = sums.upper, lower_right = sums.lower, upper_right = sums.upper;
    int sign = d->monotonic ? d->monotonic[split.feature] : 0;
    if (sign) {
        double vl = best_value(split.gl, split.hl, s->rules->l2, sums.lower, sums.upper);
        double vr = best_value(sums.g - split.gl, sums.h - split.hl, s->rules->l2, sums.lower, sums.upper);
        double middle_value = (vl + vr) / 2;
        if (sign > 0) upper_left = lower_right = middle_value;
        else lower_left = upper_right = middle_value;
    }
    make_leaf(s, left, node->start, middle, node->depth + 1, split.gl, split.hl, lower_left, upper_left);
    make_leaf(s, right, middle, node->end, node->depth + 1, sums.g - split.gl, sums.h - split.hl, lower_right,
              upper_right);
    if (d->interaction)
        for (int64_t k = 0; k < d->sets; k++) {
            uint8_t in = s->node_sets[(int64_t)id * d->sets + k] && d->interaction[k * d->features + split.feature];
            s->node_sets[(int64_t)left * d->sets + k] = s->node_sets[(int64_t)right * d->sets + k] = in;
        }
    int split_left = !last && may_split(s, left), split_right = !last && may_split(s, right);
    if (!split_left && !split_right) {
        give_slot(s, id);
        return;
    }
    int left_is_small = middle - node->start <= node->end - middle;
    int32_t small = left_is_small ? left : right, large = left_is_small ? right : left;
    int search_small = left_is_small ? split_left : split_right,
        search_large = left_is_small ? split_right : split_left;
    s->leaves[small].slot = s->free_slots[--s->free_count];
    s->leaves[large].slot = s->leaves[id].slot;
    s->leaves[id].slot = -1;
    search_leaves(s, small, large, search_small, search_large);
    settle(s, large, search_large);
    settle(s, small, search_small);
}

static int64_t hist_capacity(const hist_data *d, const hist_rules *rules) {
    int64_t leaves = i64_max(1, d->n / i64_max(1, rules->min_samples_leaf));
    if (rules->max_leaf_nodes > 0) leaves = i64_min(leaves, rules->max_leaf_nodes);
    if (rules->max_depth < 30) leaves = i64_min(leaves, (int64_t)1 << rules->max_depth);
    return 2 * leaves + 1;
}

static int64_t slot_count(const hist_data *d, const hist_rules *rules) {
    int64_t most = hist_capacity(d, rules) / 2 + 2;
    /* depth first, each waiting leaf is at least as large as all that is worked on before it: log2(n) of them at most
     */
    return rules->max_leaf_nodes < 0 ? i64_min(most, 64) : most;
}

typedef struct {
    char *base;
    int64_t used;
} heap;

static void *take(heap *h, int64_t bytes) {
    void *p = h->base ? h->base + h->used : NULL;
    h->used += round_up(bytes, 64);
    return p;
}

static int64_t lay_out(hist_state *s, char *base, const hist_data *d, const hist_rules *rules) {
    heap h = {base, 0};
    int64_t cap = hist_capacity(d, rules);
    s->d = d;
    s->rules = rules;
    s->groups = ceil_div(d->features, HIST_GROUP);
    s->halves = ceil_div(d->features, HIST_GROUP / 2);
    s->capacity = cap;
    s->chunks = ceil_div(d->n, ROW_CHUNK);
    s->slots = (int32_t)slot_count(d, rules);
    s->entries = take(&h, d->n * 16);
    s->gathered = take(&h, d->n * 16);
    s->spare = take(&h, d->n * 4);
    s->lefts = take(&h, s->chunks * 8);
    s->extreme = take(&h, s->chunks * 16);
    s->free_slots = take(&h, s->slots * 4);
    s->leaves = take(&h, cap * (int64_t)sizeof(hist_leaf));
    s->heap = take(&h, cap * 4);
    s->allowed = take(&h, 2 * d->features);
    s->node_sets = take(&h, cap * d->sets);
    s->found = take(&h, 2 * s->halves * (int64_t)sizeof(hist_split));
    s->hists = take(&h, s->slots * s->groups * HIST_GROUP * HIST_BINS * 16);
    return h.used;
}

static int64_t hist_work(const hist_data *d, const hist_rules *rules) {
    hist_state s = {0};
    return lay_out(&s, NULL, d, rules);
}

static int64_t hist_grow(const hist_data *d, const hist_rules *rules, const float *g, const float *h, uint32_t *rows,
                         hist_node *nodes, const hist_watch *watch, void *work) {
    hist_state s = {0};
    lay_out(&s, work, d, rules);
    s.g = g;
    s.h = h;
    s.rows = rows;
    s.nodes = nodes;
    s.big = d->n > 2 * ROW_CHUNK;
    for (int32_t i = 0; i < s.slots; i++) s.free_slots[s.free_count++] = s.slots - 1 - i;
    pack(&s);
    hist_entry sum = {0, 0};
    for (int64_t i = 0; i < d->n; i++) sum += s.entries[i];
    int64_t leaves = 1;
    s.used = 1;
    make_leaf(&s, 0, 0, d->n, 0, (double)sum[0] * s.scale.g_unit,
              (double)(sum[1] >> s.scale.count_bits) * s.scale.h_unit, -__builtin_inf(), __builtin_inf());
    if (d->interaction) memset(s.node_sets, 1, (size_t)d->sets);
    if (may_split(&s, 0)) {
        s.leaves[0].slot = s.free_slots[--s.free_count];
        search_leaves(&s, 0, -1, 1, 0);
        settle(&s, 0, 1);
    }
    while (s.heap_count > 0 && (rules->max_leaf_nodes < 0 || leaves < rules->max_leaf_nodes)) {
        if (watch && watch->poll(watch->ctx)) return -1;
        leaves++;
        split_leaf(&s, pop(&s), leaves == rules->max_leaf_nodes);
    }
    return s.used;
}

typedef struct {
    const hist_node *nodes;
    const uint32_t *rows;
    double *raw;
    int64_t stride;
} add_job;

static void add_body(void *ctx, int64_t i) {
    const add_job *j = ctx;
    const hist_node *node = &j->nodes[i];
    if (node->left >= 0) return;
    for (int64_t k = node->start; k < node->end; k++) j->raw[(int64_t)j->rows[k] * j->stride] += node->value;
}

static void hist_add(const hist_node *nodes, int64_t count, const uint32_t *rows, double *raw, int64_t stride) {
    add_job j = {nodes, rows, raw, stride};
    if (nodes[0].samples > 2 * PAR_GRAIN) ct_par_for(count, add_body, &j);
    else
        for (int64_t i = 0; i < count; i++) add_body(&j, i);
}

const ct_hist_api CT_NAME(ct_hist) = {hist_work, hist_grow, hist_capacity, hist_add};
#endif

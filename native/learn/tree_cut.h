/* tree_cut.h: where to cut the rows of a node on one column: at the best place, or at a random one; and the cut itself.
 */
#ifndef CORTEN_LEARN_TREE_CUT_H
#define CORTEN_LEARN_TREE_CUT_H

#include "tree_scan.h"

/* ---- random numbers: SplitMix64 (Steele, Lea, Flood 2014) ---- */

CT_INLINE uint64_t mix(uint64_t z) {
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
CT_INLINE int64_t below(uint64_t random, int64_t n) {
    return (int64_t)(((unsigned __int128)random * (uint64_t)n) >> 64);
}
CT_INLINE double uniform(uint64_t random) { return (double)(random >> 11) * 0x1p-53; }
/* ---- one column ---- */

CT_INLINE int bits_of(uint64_t x) { return x ? 64 - __builtin_clzll(x) : 0; }

/* Packs ranks and payloads; finds the extreme ranks of present values and the number of missing ones. */
#define GATHER(name, key_type, rank_type)                                                                             \
    static void name(const tree_grower *g, const tree_place *place, const rank_type *rank, int bits, uint32_t absent, \
                     key_type *keys, uint32_t *low, uint32_t *high, int64_t *missing) {                               \
        const uint32_t *row = g->row + place->start;                                                                  \
        int64_t n = place->end - place->start, gone = 0;                                                              \
        uint32_t lo = NO_RANK, hi = 0;                                                                                \
        if (g->counted) {                                                                                             \
            const uint16_t *p = g->payload + place->start;                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                         \
                uint32_t r = rank[row[i]];                                                                            \
                lo = r < lo ? r : lo;                                                                                 \
                hi = r > hi ? r : hi;                                                                                 \
                keys[i] = (key_type)r << bits | p[i];                                                                 \
            }                                                                                                         \
        } else                                                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                                         \
                uint32_t r = rank[row[i]];                                                                            \
                lo = r < lo ? r : lo;                                                                                 \
                hi = r > hi ? r : hi;                                                                                 \
                keys[i] = (key_type)r << bits | (key_type)i;                                                          \
            }                                                                                                         \
        if (hi == absent) {                                                                                           \
            hi = 0;                                                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                                         \
                uint32_t r = (uint32_t)(keys[i] >> bits);                                                             \
                gone += r == absent;                                                                                  \
                if (r != absent && r > hi) hi = r;                                                                    \
            }                                                                                                         \
        }                                                                                                             \
        *low = lo;                                                                                                    \
        *high = hi;                                                                                                   \
        *missing = gone;                                                                                              \
    }
GATHER(gather_32_2, uint32_t, uint16_t)
GATHER(gather_32_4, uint32_t, uint32_t)
GATHER(gather_64_2, uint64_t, uint16_t)
GATHER(gather_64_4, uint64_t, uint32_t)

/* The keys of column f, unsorted, in bench->keys. */
static tree_keys gather(const tree_grower *g, const tree_place *place, int32_t f, tree_bench *bench, uint32_t *low,
                        uint32_t *high, int64_t *missing) {
    const tree_data *d = g->data;
    uint32_t distinct = (uint32_t)(d->first[f + 1] - d->first[f]);
    int bits = g->counted ? g->weight_bits + bits_of((uint64_t)d->classes - 1)
                          : bits_of((uint64_t)(place->end - place->start) - 1);
    tree_keys keys = {.keys = bench->keys, .payload_bits = bits, .wide = bits_of(distinct) + bits > 32};
    const uint16_t *rank2 = (const uint16_t *)d->rank + f * d->n;
    const uint32_t *rank4 = (const uint32_t *)d->rank + f * d->n;
    uint32_t *narrow = (uint32_t *)bench->keys;
    if (keys.wide && d->rank_bytes == 2) gather_64_2(g, place, rank2, bits, distinct, bench->keys, low, high, missing);
    else if (keys.wide) gather_64_4(g, place, rank4, bits, distinct, bench->keys, low, high, missing);
    else if (d->rank_bytes == 2) gather_32_2(g, place, rank2, bits, distinct, narrow, low, high, missing);
    else gather_32_4(g, place, rank4, bits, distinct, narrow, low, high, missing);
    return keys;
}

static void insertion_sort64(uint64_t *k, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        uint64_t x = k[i];
        int64_t j = i;
        for (; j > 0 && k[j - 1] > x; j--) k[j] = k[j - 1];
        k[j] = x;
    }
}

/* Sorts bench->keys; the result may lie in bench->spare. */
static void sort_keys(tree_keys *keys, tree_bench *bench, int64_t n, int rank_bits) {
    keys->keys = bench->keys;
    if (!keys->wide && n <= SMALL_SORT) sort_small((uint32_t *)bench->keys, n);
    else if (keys->wide && n <= 48) insertion_sort64(bench->keys, n);
    else if (keys->wide) keys->keys = radix_sort64(bench->keys, bench->spare, n, keys->payload_bits, rank_bits);
    else keys->keys = radix_sort32((uint32_t *)bench->keys, (uint32_t *)bench->spare, n, keys->payload_bits, rank_bits);
}

/* Both ways of sending missing values, with `scan` set up but for them. */
static void scan_both_ways(tree_scan *scan, tree_bench *bench, int64_t n, int64_t missing, tree_split *best) {
    const tree_grower *g = scan->g;
    for (int way = 0; way < (missing ? 2 : 1); way++) {
        scan->n = n - missing;
        scan->left_before = way ? missing : 0;
        scan->first_missing = n - missing;
        scan->missing = way ? missing : 0;
        scan->end_counts = missing && !way;
        int constrained = g->data->monotonic && g->data->monotonic[best->feature] != 0;
        if (g->rules->criterion == TREE_ABSOLUTE_ERROR) scan_absolute(scan, bench, best);
        else if (g->counted && !constrained) scan_counted(scan, bench, best);
        else if (g->rules->criterion == TREE_SQUARED_ERROR && g->data->outputs == 1 && !constrained)
            scan_squares(scan, best);
        else scan_any(scan, bench, best);
    }
}

/* ---- categories ---- */

/* Category of each place when those of the node are sorted by the mean of y, or by the share of one class. */
static void order_categories(const tree_grower *g, const tree_place *place, const tree_keys *keys, uint32_t distinct,
                             int64_t label, const uint16_t *category, uint16_t *ordered) {
    const tree_data *d = g->data;
    double weight[TREE_CATEGORIES] = {0}, sum[TREE_CATEGORIES] = {0};
    int64_t n = place->end - place->start;
    for (int64_t i = 0; i < n; i++) {
        uint32_t r = key_rank(keys, i), p = key_payload(keys, i);
        if (r == distinct) continue;
        uint32_t c = category[r];
        double w = payload_weight(g, place, p);
        weight[c] += w;
        if (g->counted) sum[c] += (int64_t)(p >> g->weight_bits) == label ? w : 0;
        else {
            double y = d->y[(int64_t)g->row[place->start + p] * d->outputs];
            sum[c] += g->rules->criterion <= TREE_ENTROPY ? ((int64_t)y == label ? w : 0) : w * y;
        }
    }
    int64_t used = 0;
    for (uint32_t c = 0; c < distinct; c++) { /* insertion: equal means keep the order of their numbers */
        double mean = weight[c] > 0 ? sum[c] / weight[c] : __builtin_inf(); /* those not in the node come last */
        int64_t at = used++;
        for (; at > 0; at--) {
            uint16_t before = ordered[at - 1];
            if ((weight[before] > 0 ? sum[before] / weight[before] : __builtin_inf()) <= mean) break;
            ordered[at] = before;
        }
        ordered[at] = (uint16_t)c;
    }
}

/* The best set of categories.  When they are sorted by the mean of y, a cut of that order is the best of all sets, for
 * two classes and for squared error (Breiman et al. 1984, theorem 4.5; Fisher 1958).  With more classes, the orders by
 * the share of each class are tried one after another; for the absolute error the order is that of the means.
 * Categories that the node does not hold go where missing values go. */
static void category_cut(const tree_grower *g, const tree_place *place, tree_bench *bench, tree_scan *scan,
                         uint32_t distinct, int64_t missing, tree_split *out) {
    const tree_data *d = g->data;
    int64_t n = place->end - place->start, orders = d->classes > 2 ? d->classes : 1;
    uint16_t category[TREE_CATEGORIES + 1], ordered[TREE_CATEGORIES + 1], place_of[TREE_CATEGORIES + 1];
    for (uint32_t c = 0; c <= distinct; c++) category[c] = (uint16_t)c;
    for (int64_t k = 0; k < orders; k++) {
        order_categories(g, place, &scan->keys, distinct, d->classes > 2 ? k : 1, category, ordered);
        for (uint32_t c = 0; c < distinct; c++) place_of[ordered[c]] = (uint16_t)c;
        place_of[distinct] = ordered[distinct] = (uint16_t)distinct;
        for (int64_t i = 0; i < n; i++) { /* ranks become places in the order */
            uint64_t at = place_of[category[key_rank(&scan->keys, i)]], payload = key_payload(&scan->keys, i);
            uint64_t key = at << scan->keys.payload_bits | payload;
            if (scan->keys.wide) bench->spare[i] = key;
            else ((uint32_t *)bench->spare)[i] = (uint32_t)key;
        }
        memcpy(bench->keys, bench->spare, (size_t)n * (scan->keys.wide ? 8 : 4));
        memcpy(category, ordered, sizeof category);
        sort_keys(&scan->keys, bench, n, bits_of(distinct));
        tree_split found = {.feature = out->feature, .score = -__builtin_inf(), .categorical = 1};
        scan_both_ways(scan, bench, n, missing, &found);
        if (!(found.score > out->score)) continue;
        found.has_missing = missing > 0;
        if (!missing) found.missing_left = found.left > n - found.left;
        found.threshold = __builtin_nan("");
        uint8_t present[TREE_CATEGORIES + 1] = {0};
        for (int64_t i = 0; i < n; i++) present[key_rank(&scan->keys, i)] = 1;
        for (uint32_t c = 0; c < distinct; c++)
            if (present[c] ? c <= found.cut : found.missing_left)
                found.set.at[ordered[c] / 32] |= (uint32_t)1 << ordered[c] % 32;
        *out = found;
    }
}

static void best_cut(const tree_grower *g, const tree_place *place, tree_bench *bench, tree_split *out) {
    const tree_data *d = g->data;
    int32_t f = out->feature;
    int64_t n = place->end - place->start, missing;
    uint32_t distinct = (uint32_t)(d->first[f + 1] - d->first[f]), low, high;
    const float *values = d->values + d->first[f];
    tree_scan scan = {.g = g, .place = place, .values = values};
    scan.keys = gather(g, place, f, bench, &low, &high, &missing);
    out->score = -__builtin_inf();
    out->categorical = 0;
    out->constant = missing == n || (missing == 0 && values[high] <= values[low] + TINY_GAP);
    if (out->constant) return;
    if (d->categorical && d->categorical[f]) {
        category_cut(g, place, bench, &scan, distinct, missing, out);
        return;
    }
    sort_keys(&scan.keys, bench, n, bits_of(distinct));
    scan_both_ways(&scan, bench, n, missing, out);
    if (out->score > -__builtin_inf() && out->next != NO_RANK && gap_is_tiny(values, out->cut, out->next)) {
        scan.check_gap = 1;
        out->score = -__builtin_inf();
        scan_both_ways(&scan, bench, n, missing, out);
    }
    if (out->score == -__builtin_inf()) return;
    out->has_missing = missing > 0;
    if (!missing) out->missing_left = out->left > n - out->left;
    out->threshold = out->next == NO_RANK ? __builtin_inf() : values[out->cut] / 2.0 + values[out->next] / 2.0;
}

/* Some of the categories that the node holds, each by a coin, drawn again while one side has none; the coins of the
 * others stand as they fell.  A single category parts from the missing values. */
static void random_set(const tree_keys *keys, int64_t n, uint32_t distinct, uint64_t random, tree_split *out) {
    tree_set held = {{0}};
    uint32_t categories = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t r = key_rank(keys, i);
        if (r != distinct) held.at[r / 32] |= (uint32_t)1 << r % 32;
    }
    for (int k = 0; k < TREE_CATEGORIES / 32; k++) categories += (uint32_t)__builtin_popcount(held.at[k]);
    uint32_t left;
    do {
        left = 0;
        for (int k = 0; k < TREE_CATEGORIES / 32; k++) {
            random = mix(random);
            out->set.at[k] = (uint32_t)(random >> 32);
            left += (uint32_t)__builtin_popcount(out->set.at[k] & held.at[k]);
        }
    } while (left == 0 || (left == categories && categories > 1));
    if (categories == 1) out->missing_left = 0;
}

CT_INLINE int goes_left(const tree_split *split, uint32_t rank, uint32_t distinct) {
    if (rank == distinct) return split->missing_left;
    return split->categorical ? (int)(split->set.at[rank / 32] >> rank % 32 & 1) : rank <= split->cut;
}

/* One threshold, uniform between the column's extremes in the node, or one set of categories (Geurts, Ernst, Wehenkel,
 * Extremely randomized trees, 2006). */
static void random_cut(const tree_grower *g, const tree_place *place, tree_bench *bench, tree_split *out) {
    const tree_data *d = g->data;
    int32_t f = out->feature;
    int64_t n = place->end - place->start, missing, width = d->outputs * d->classes;
    uint32_t distinct = (uint32_t)(d->first[f + 1] - d->first[f]), low, high;
    const float *values = d->values + d->first[f];
    tree_keys keys = gather(g, place, f, bench, &low, &high, &missing);
    out->score = -__builtin_inf();
    out->categorical = d->categorical && d->categorical[f];
    out->constant = missing == n || (missing == 0 && values[high] <= values[low] + TINY_GAP);
    if (out->constant) return;
    uint64_t random = mix(place->seed ^ mix((uint64_t)f + 1));
    out->missing_left = missing ? (uint8_t)(mix(random) & 1) : 0;
    out->has_missing = missing > 0;
    if (out->categorical) {
        random_set(&keys, n, distinct, random, out);
        out->threshold = __builtin_nan("");
    } else {
        double t = (double)values[low] + uniform(random) * ((double)values[high] - (double)values[low]);
        if (t >= (double)values[high]) t = values[low];
        uint32_t a = low, b = high; /* the last value <= t */
        while (b - a > 1) {
            uint32_t c = a + (b - a) / 2;
            if ((double)values[c] <= t) a = c;
            else b = c;
        }
        out->threshold = t;
        out->cut = a;
        out->next = high;
    }
    double *left = bench->left, *right = bench->right, wl = 0;
    int64_t count = 0;
    for (int64_t k = 0; k < width; k++) left[k] = 0;
    for (int64_t i = 0; i < n; i++) {
        if (goes_left(out, key_rank(&keys, i), distinct)) {
            uint32_t p = key_payload(&keys, i);
            double w = payload_weight(g, place, p);
            add_row(g, place, p, w, left);
            wl += w;
            count++;
        }
    }
    double wr = place->weight - wl;
    if (count < g->rules->min_samples_leaf || n - count < g->rules->min_samples_leaf) return;
    if (wl < g->rules->min_weight_leaf || wr < g->rules->min_weight_leaf || wl <= 0 || wr <= 0) return;
    for (int64_t k = 0; k < width; k++) right[k] = place->total[k] - left[k];
    double vl = left[0] / wl, vr = right[0] / wr;
    if (g->rules->criterion == TREE_ABSOLUTE_ERROR) {
        const uint32_t *y_rank = g->y_rank + place->start;
        const double *y_sorted = g->y_sorted + place->start;
        double error[2] = {0, 0}, median[2] = {0, 0};
        for (int side = 0; side < 2; side++) {
            double sw = 0, swy = 0;
            memset(bench->fenwick_w, 0, (size_t)(n + 1) * 8);
            memset(bench->fenwick_wy, 0, (size_t)(n + 1) * 8);
            for (int64_t i = 0; i < n; i++) {
                uint32_t p = key_payload(&keys, i);
                if (goes_left(out, key_rank(&keys, i), distinct) == side) continue;
                error[side] =
                    fenwick_add(bench, y_sorted, n, y_rank[p], payload_weight(g, place, p), &sw, &swy, &median[side]);
            }
        }
        vl = median[0];
        vr = median[1];
        out->score = -error[0] - error[1];
    } else out->score = proxy(g, left, right, wl, wr);
    if (d->monotonic && d->monotonic[f] && !keeps_monotonic(place, d->monotonic[f], vl, vr)) {
        out->score = -__builtin_inf();
        return;
    }
    out->left = count;
    if (!missing) out->missing_left = count > n - count;
}

/* ---- rows to the left and right ---- */

/* The rows of the node, with their payloads when counted: those whose rank goes left first, both in their old order. */
CT_INLINE void partition_rows(tree_grower *g, const tree_place *place, const tree_split *split, const int counted,
                              const int categorical, const int wide) {
    const tree_data *d = g->data;
    int32_t f = split->feature;
    uint32_t absent = (uint32_t)(d->first[f + 1] - d->first[f]), cut = split->cut;
    uint32_t *row = g->row + place->start, *spare = g->row_spare + place->start;
    uint16_t *p = g->payload + place->start, *ps = g->payload_spare + place->start;
    int64_t n = place->end - place->start, l = 0, r = 0;
    uint32_t also = split->has_missing && split->missing_left ? absent : cut;
    const uint16_t *rank2 = (const uint16_t *)d->rank + f * d->n;
    const uint32_t *rank4 = (const uint32_t *)d->rank + f * d->n;
    for (int64_t i = 0; i < n; i++) {
        uint32_t x = row[i], k = wide ? rank4[x] : rank2[x];
        int left = categorical ? (k == absent ? split->missing_left : split->set.at[k / 32] >> k % 32 & 1)
                               : (k <= cut) | (k == also);
        row[l] = x;
        spare[r] = x;
        if (counted) {
            uint16_t q = p[i];
            p[l] = q;
            ps[r] = q;
        }
        l += left;
        r += !left;
    }
    if (counted) memcpy(p + l, ps, (size_t)r * sizeof *p);
    memcpy(row + l, spare, (size_t)r * sizeof *row);
}

static void partition(tree_grower *g, const tree_place *place, const tree_split *split) {
    switch ((g->counted ? 4 : 0) + (split->categorical ? 2 : 0) + (g->data->rank_bytes == 4)) {
    case 0: partition_rows(g, place, split, 0, 0, 0); break;
    case 1: partition_rows(g, place, split, 0, 0, 1); break;
    case 2: partition_rows(g, place, split, 0, 1, 0); break;
    case 3: partition_rows(g, place, split, 0, 1, 1); break;
    case 4: partition_rows(g, place, split, 1, 0, 0); break;
    case 5: partition_rows(g, place, split, 1, 0, 1); break;
    case 6: partition_rows(g, place, split, 1, 1, 0); break;
    default: partition_rows(g, place, split, 1, 1, 1);
    }
}

#endif

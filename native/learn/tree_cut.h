/* tree_cut.h: where to cut the rows of a node on one column: at the best place, or at a random one. */
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

static void insertion_sort64(uint64_t *k, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        uint64_t x = k[i];
        int64_t j = i;
        for (; j > 0 && k[j - 1] > x; j--) k[j] = k[j - 1];
        k[j] = x;
    }
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

static void best_cut(const tree_grower *g, const tree_place *place, tree_bench *bench, tree_split *out) {
    const tree_data *d = g->data;
    int32_t f = out->feature;
    int64_t n = place->end - place->start, missing;
    uint32_t distinct = (uint32_t)(d->first[f + 1] - d->first[f]), low, high;
    const float *values = d->values + d->first[f];
    int rank_bits = bits_of(distinct);
    int bits = g->counted ? g->weight_bits + bits_of((uint64_t)d->classes - 1) : bits_of((uint64_t)n - 1);
    tree_scan scan = {
        .g = g, .place = place, .values = values, .keys = {.payload_bits = bits, .wide = rank_bits + bits > 32}};
    out->score = -__builtin_inf();
    if (scan.keys.wide) {
        if (d->rank_bytes == 2)
            gather_64_2(g, place, (const uint16_t *)d->rank + f * d->n, bits, distinct, bench->keys, &low, &high,
                        &missing);
        else
            gather_64_4(g, place, (const uint32_t *)d->rank + f * d->n, bits, distinct, bench->keys, &low, &high,
                        &missing);
    } else {
        uint32_t *keys = (uint32_t *)bench->keys;
        if (d->rank_bytes == 2)
            gather_32_2(g, place, (const uint16_t *)d->rank + f * d->n, bits, distinct, keys, &low, &high, &missing);
        else gather_32_4(g, place, (const uint32_t *)d->rank + f * d->n, bits, distinct, keys, &low, &high, &missing);
    }
    out->constant = missing == n || (missing == 0 && values[high] <= values[low] + TINY_GAP);
    if (out->constant) return;
    if (!scan.keys.wide && n <= SMALL_SORT) {
        sort_small((uint32_t *)bench->keys, n);
        scan.keys.keys = bench->keys;
    } else if (scan.keys.wide && n <= 48) {
        insertion_sort64(bench->keys, n);
        scan.keys.keys = bench->keys;
    } else if (scan.keys.wide) scan.keys.keys = radix_sort64(bench->keys, bench->spare, n, bits, rank_bits);
    else scan.keys.keys = radix_sort32((uint32_t *)bench->keys, (uint32_t *)bench->spare, n, bits, rank_bits);
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

/* One threshold, uniform between the column's extremes in the node (Geurts, Ernst, Wehenkel, Extremely randomized
 * trees, 2006). */
static void random_cut(const tree_grower *g, const tree_place *place, tree_bench *bench, tree_split *out) {
    const tree_data *d = g->data;
    int32_t f = out->feature;
    int64_t n = place->end - place->start, missing, width = d->outputs * d->classes;
    uint32_t distinct = (uint32_t)(d->first[f + 1] - d->first[f]), low, high;
    const float *values = d->values + d->first[f];
    int bits = g->counted ? g->weight_bits + bits_of((uint64_t)d->classes - 1) : bits_of((uint64_t)n - 1);
    tree_keys keys = {.keys = bench->keys, .payload_bits = bits, .wide = bits_of(distinct) + bits > 32};
    out->score = -__builtin_inf();
    if (keys.wide) {
        if (d->rank_bytes == 2)
            gather_64_2(g, place, (const uint16_t *)d->rank + f * d->n, bits, distinct, bench->keys, &low, &high,
                        &missing);
        else
            gather_64_4(g, place, (const uint32_t *)d->rank + f * d->n, bits, distinct, bench->keys, &low, &high,
                        &missing);
    } else {
        uint32_t *k = (uint32_t *)bench->keys;
        if (d->rank_bytes == 2)
            gather_32_2(g, place, (const uint16_t *)d->rank + f * d->n, bits, distinct, k, &low, &high, &missing);
        else gather_32_4(g, place, (const uint32_t *)d->rank + f * d->n, bits, distinct, k, &low, &high, &missing);
    }
    out->constant = missing == n || (missing == 0 && values[high] <= values[low] + TINY_GAP);
    if (out->constant) return;
    uint64_t random = mix(place->seed ^ mix((uint64_t)f + 1));
    double t = (double)values[low] + uniform(random) * ((double)values[high] - (double)values[low]);
    if (t >= (double)values[high]) t = values[low];
    uint32_t a = low, b = high; /* the last value <= t */
    while (b - a > 1) {
        uint32_t c = a + (b - a) / 2;
        if ((double)values[c] <= t) a = c;
        else b = c;
    }
    int missing_left = missing ? (int)(mix(random) & 1) : 0;
    double *left = bench->left, *right = bench->right, wl = 0;
    int64_t count = 0;
    for (int64_t k = 0; k < width; k++) left[k] = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t r = key_rank(&keys, i);
        if (r <= a || (missing_left && r == distinct)) {
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
                uint32_t r = key_rank(&keys, i), p = key_payload(&keys, i);
                int goes_left = r <= a || (missing_left && r == distinct);
                if (goes_left == side) continue;
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
    out->threshold = t;
    out->cut = a;
    out->next = high;
    out->left = count;
    out->has_missing = missing > 0;
    out->missing_left = missing ? (uint8_t)missing_left : count > n - count;
}

#endif

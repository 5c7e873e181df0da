/* tree_scan.h: the best cut of one column inside one node.
 *
 * The keys of the node's rows lie sorted.  A scan walks them once and keeps the sums of the left side; every place
 * where the rank changes is a candidate, scored by a proxy that differs from the impurity decrease by terms that do not
 * depend on the cut (Breiman et al., Classification and Regression Trees, 1984, ch. 2 and 8):
 *
 *   gini             -wl (1 - sum_k lk^2 / wl^2) - wr (1 - sum_k rk^2 / wr^2)
 *   entropy          sum_k f(lk) - f(wl) + sum_k f(rk) - f(wr),   f(x) = x log2 x
 *   squared error    sl^2 / wl + sr^2 / wr
 *   poisson          sl log(sl / wl) + sr log(sr / wr)
 *   absolute error   -sum_left w |y - median| - sum_right w |y - median|
 */
#ifndef CORTEN_TREE_SCAN_H
#define CORTEN_TREE_SCAN_H

#include <math.h>

#include "../include/learn/tree.h"
#include "tree_sort.h"

#define BLOCK 256
#define TINY_GAP 1e-7f /* values closer than this count as equal */
#define NO_RANK 0xffffffffu

typedef double vdouble __attribute__((vector_size(VBYTES)));
typedef int64_t vlong __attribute__((vector_size(VBYTES)));
#define DL ((int)(VBYTES / 8))

/* One tree while it grows. */
typedef struct {
    const tree_data *data;
    const tree_rules *rules;
    const tree_watch *watch;
    int64_t m;   /* rows with a nonzero weight */
    int counted; /* one class output and whole weights: rows carry class << weight_bits | weight */
    int weight_bits;
    uint32_t *row, *row_spare;         /* (m) row numbers, partitioned by node, ascending inside each */
    uint16_t *payload, *payload_spare; /* (m) when counted, along with row */
    const double *weight;              /* (n) or NULL */
    const double *xlogx;               /* x log2 x of whole numbers, when counted and entropy */
    double *y, *w;    /* (m) targets and weights in the order of row, for the nodes at work (not counted) */
    uint32_t *y_rank; /* (m) ranks of y inside its node, for the absolute error */
    double *y_sorted; /* (m) */
    volatile int stop;
} tree_grower;

typedef struct {
    int64_t start, end;
    double weight;
    double lower, upper; /* bounds on the value from monotonic constraints */
    const double *total; /* (outputs, classes) sums of weights by class, or of weight * y */
    double sum_squares;
    uint64_t seed;
} tree_place;

typedef struct {
    double score, threshold;
    int64_t left;  /* rows that go left */
    uint32_t cut;  /* ranks <= cut go left */
    uint32_t next; /* rank of the next row; NO_RANK: only missing values go right */
    int32_t feature;
    uint8_t missing_left, constant, has_missing, categorical;
    tree_set set; /* categorical: what goes left, in place of the cut */
} tree_split;

/* Workspace of one worker. */
typedef struct {
    uint64_t *keys, *spare;                 /* (m + SMALL_SORT) */
    double *left, *right;                   /* (outputs, classes) */
    double *fenwick_w, *fenwick_wy, *error; /* (m + 1) for the absolute error */
    double *median;                         /* (m + 1) */
} tree_bench;

typedef struct {
    const void *keys;
    int wide, payload_bits; /* wide: 64-bit keys */
} tree_keys;

CT_INLINE uint32_t key_rank(const tree_keys *k, int64_t i) {
    return k->wide ? (uint32_t)(((const uint64_t *)k->keys)[i] >> k->payload_bits)
                   : ((const uint32_t *)k->keys)[i] >> k->payload_bits;
}
CT_INLINE uint32_t key_payload(const tree_keys *k, int64_t i) {
    uint64_t key = k->wide ? ((const uint64_t *)k->keys)[i] : ((const uint32_t *)k->keys)[i];
    return (uint32_t)(key & (((uint64_t)1 << k->payload_bits) - 1));
}

/* rank (count + 1) and payload (count) of keys begin ... begin + count of n; past the end the rank is NO_RANK. */
static void decode(const tree_keys *k, int64_t begin, int64_t count, int64_t n, uint32_t *rank, uint32_t *payload) {
    uint32_t mask = (uint32_t)(((uint64_t)1 << k->payload_bits) - 1);
    int bits = k->payload_bits;
    if (k->wide) {
        const uint64_t *key = (const uint64_t *)k->keys + begin;
        for (int64_t i = 0; i < count; i++) {
            rank[i] = (uint32_t)(key[i] >> bits);
            payload[i] = (uint32_t)key[i] & mask;
        }
    } else {
        const uint32_t *key = (const uint32_t *)k->keys + begin;
        for (int64_t i = 0; i < count; i++) {
            rank[i] = key[i] >> bits;
            payload[i] = key[i] & mask;
        }
    }
    rank[count] = begin + count < n ? key_rank(k, begin + count) : NO_RANK;
}

/* The largest of score (count) and the first place that has it; -inf when there is none. */
static double block_best(const double *score, int64_t count, int64_t *where) {
    vdouble top = {0};
    top = top - __builtin_inf();
    int64_t i = 0;
    for (; i + DL <= count; i += DL) {
        vdouble s;
        memcpy(&s, score + i, sizeof s);
        vlong more = (vlong)(s > top);
        top = (vdouble)(((vlong)s & more) | ((vlong)top & ~more));
    }
    double best = -__builtin_inf();
    for (int j = 0; j < DL; j++)
        if (top[j] > best) best = top[j];
    for (; i < count; i++)
        if (score[i] > best) best = score[i];
    *where = -1;
    if (best > -__builtin_inf())
        for (int64_t j = 0; j < count; j++)
            if (score[j] == best) {
                *where = j;
                break;
            }
    return best;
}

/* What a scan goes over: sorted keys [0, n) without the missing ones, which are either all right or all left. */
typedef struct {
    const tree_grower *g;
    const tree_place *place;
    tree_keys keys;
    int64_t n;                      /* present rows */
    int64_t left_before;            /* rows already left: the missing ones, or 0 */
    int64_t first_missing, missing; /* keys [first_missing, first_missing + missing) */
    int end_counts;                 /* "all present rows left" is a candidate */
    int check_gap;                  /* test candidates for values closer than TINY_GAP */
    const float *values;            /* of this column */
} tree_scan;

CT_INLINE int gap_is_tiny(const float *values, uint32_t rank, uint32_t next) {
    return next != NO_RANK && values[next] <= values[rank] + TINY_GAP;
}

CT_INLINE void offer(const tree_scan *s, tree_split *best, double score, int64_t left, uint32_t cut, uint32_t next) {
    if (score > best->score) {
        best->score = score;
        best->left = left;
        best->cut = cut;
        best->next = next;
        best->missing_left = s->left_before > 0;
    }
}

/* 0 where rank i to i + 1 is a candidate, -inf where not. */
static void open_places(const tree_scan *s, const uint32_t *rank, int64_t count, double *bias) {
    if (s->check_gap)
        for (int64_t i = 0; i < count; i++)
            bias[i] = rank[i] != rank[i + 1] && !gap_is_tiny(s->values, rank[i], rank[i + 1]) ? 0 : -__builtin_inf();
    else
        for (int64_t i = 0; i < count; i++) bias[i] = rank[i] != rank[i + 1] ? 0 : -__builtin_inf();
}

/* Candidates are after key i for i in [lo, hi). */
CT_INLINE void allowed_range(const tree_scan *s, int64_t *lo, int64_t *hi) {
    int64_t all = s->place->end - s->place->start, leaf = s->g->rules->min_samples_leaf;
    *lo = i64_max(0, leaf - s->left_before - 1);
    *hi = i64_min(s->end_counts ? s->n : s->n - 1, all - leaf - s->left_before);
}

/* Gini and entropy from whole weights. */
static void scan_counted(const tree_scan *s, tree_bench *bench, tree_split *best) {
    const tree_grower *g = s->g;
    int64_t K = g->data->classes, lo, hi;
    int wb = g->weight_bits, entropy = g->rules->criterion == TREE_ENTROPY;
    const double *f = g->xlogx, *total = s->place->total;
    double W = s->place->weight, least = g->rules->min_weight_leaf;
    double *left = bench->left, *right = bench->right;
    uint32_t wmask = (1u << wb) - 1;
    allowed_range(s, &lo, &hi);
    for (int64_t k = 0; k < K; k++) left[k] = 0;
    double wl = 0;
    for (int64_t i = 0; i < s->missing; i++) {
        uint32_t p = key_payload(&s->keys, s->first_missing + i);
        left[p >> wb] += p & wmask;
        wl += p & wmask;
    }
    double al = 0, ar = 0; /* sums over classes of lk^2 or f(lk), and of the right side */
    for (int64_t k = 0; k < K; k++) {
        right[k] = total[k] - left[k];
        al += entropy ? f[(int64_t)left[k]] : left[k] * left[k];
        ar += entropy ? f[(int64_t)right[k]] : right[k] * right[k];
    }
    uint32_t rank[BLOCK + 1], payload[BLOCK];
    int32_t weight_left[BLOCK], ones_left[BLOCK];
    double WL[BLOCK], AL[BLOCK], AR[BLOCK], score[BLOCK];
    int32_t whole = (int32_t)wl, ones = K > 1 ? (int32_t)left[1] : 0;
    double T0 = total[0], T1 = K > 1 ? total[1] : 0;
    for (int64_t b = 0; b < hi; b += BLOCK) {
        int64_t count = i64_min(BLOCK, hi - b);
        decode(&s->keys, b, count, s->n, rank, payload);
        if (K <= 2 && !entropy) {
            for (int64_t i = 0; i < count; i++) {
                int32_t w = (int32_t)(payload[i] & wmask);
                whole += w;
                ones += w & -(int32_t)(payload[i] >> wb);
                weight_left[i] = whole;
                ones_left[i] = ones;
            }
            for (int64_t i = 0; i < count; i++) {
                double l1 = ones_left[i], l0 = (double)(weight_left[i] - ones_left[i]);
                double r0 = T0 - l0, r1 = T1 - l1;
                WL[i] = weight_left[i];
                AL[i] = l0 * l0 + l1 * l1;
                AR[i] = r0 * r0 + r1 * r1;
            }
        } else if (!entropy) {
            for (int64_t i = 0; i < count; i++) {
                double w = payload[i] & wmask;
                uint32_t c = payload[i] >> wb;
                double l = left[c], r = total[c] - l;
                left[c] = l + w;
                al += w * (2 * l + w);
                ar -= w * (2 * r - w);
                wl += w;
                WL[i] = wl;
                AL[i] = al;
                AR[i] = ar;
            }
        } else {
            for (int64_t i = 0; i < count; i++) {
                int64_t w = payload[i] & wmask;
                uint32_t c = payload[i] >> wb;
                int64_t l = (int64_t)left[c], r = (int64_t)right[c];
                left[c] = (double)(l + w);
                right[c] = (double)(r - w);
                al += f[l + w] - f[l];
                ar += f[r - w] - f[r];
                wl += (double)w;
                WL[i] = wl;
                AL[i] = al - f[(int64_t)wl];
                AR[i] = ar - f[(int64_t)(W - wl)];
            }
        }
        open_places(s, rank, count, score);
        if (least > 0)
            for (int64_t i = 0; i < count; i++)
                if (WL[i] < least || W - WL[i] < least) score[i] = -__builtin_inf();
        if (entropy)
            for (int64_t i = 0; i < count; i++) score[i] += AL[i] + AR[i];
        else
            for (int64_t i = 0; i < count; i++) {
                double l = WL[i], r = W - l;
                score[i] += (AL[i] * r + AR[i] * l) / (l * r) - W; /* one division, exact up to it in smaller nodes */
            }
        int64_t skip = i64_max(0, lo - b), where;
        if (skip >= count) continue;
        double top = block_best(score + skip, count - skip, &where);
        where += skip;
        if (top > best->score) offer(s, best, top, s->left_before + b + where + 1, rank[where], rank[where + 1]);
    }
}

/* Squared error of one output. */
static void scan_squares(const tree_scan *s, tree_split *best) {
    const tree_grower *g = s->g;
    int64_t lo, hi;
    const double *y = g->y + s->place->start, *w = g->weight ? g->w + s->place->start : NULL;
    double W = s->place->weight, S = s->place->total[0], least = g->rules->min_weight_leaf;
    allowed_range(s, &lo, &hi);
    double wl = 0, sl = 0;
    for (int64_t i = 0; i < s->missing; i++) {
        uint32_t p = key_payload(&s->keys, s->first_missing + i);
        wl += w ? w[p] : 1;
        sl += w ? w[p] * y[p] : y[p];
    }
    uint32_t rank[BLOCK + 1], payload[BLOCK];
    double WL[BLOCK], SL[BLOCK], score[BLOCK];
    for (int64_t b = 0; b < hi; b += BLOCK) {
        int64_t count = i64_min(BLOCK, hi - b);
        decode(&s->keys, b, count, s->n, rank, payload);
        if (w)
            for (int64_t i = 0; i < count; i++) {
                double v = w[payload[i]];
                wl += v;
                sl += v * y[payload[i]];
                WL[i] = wl;
                SL[i] = sl;
            }
        else
            for (int64_t i = 0; i < count; i++) {
                sl += y[payload[i]];
                WL[i] = wl + (double)(b + i + 1);
                SL[i] = sl;
            }
        open_places(s, rank, count, score);
        if (least > 0)
            for (int64_t i = 0; i < count; i++)
                if (WL[i] < least || W - WL[i] < least) score[i] = -__builtin_inf();
        for (int64_t i = 0; i < count; i++) {
            double l = SL[i], r = S - l;
            score[i] += l * l / WL[i] + r * r / (W - WL[i]);
        }
        int64_t skip = i64_max(0, lo - b), where;
        if (skip >= count) continue;
        double top = block_best(score + skip, count - skip, &where);
        where += skip;
        if (top > best->score) offer(s, best, top, s->left_before + b + where + 1, rank[where], rank[where + 1]);
    }
}

/* ---- any criterion, weights, outputs and monotonic constraints, one candidate at a time ---- */

/* Proxy of a cut from the sums left and right; not for the absolute error. */
static double proxy(const tree_grower *g, const double *left, const double *right, double wl, double wr) {
    const tree_data *d = g->data;
    double score = 0;
    switch (g->rules->criterion) {
    case TREE_GINI:
        for (int64_t o = 0; o < d->outputs; o++) {
            double al = 0, ar = 0;
            for (int64_t k = 0; k < d->classes; k++) {
                double l = left[o * d->classes + k], r = right[o * d->classes + k];
                al += l * l;
                ar += r * r;
            }
            score += -wr * (1 - ar / (wr * wr)) - wl * (1 - al / (wl * wl));
        }
        return score / (double)d->outputs;
    case TREE_ENTROPY:
        for (int64_t i = 0; i < d->outputs * d->classes; i++) {
            if (left[i] > 0) score += left[i] * log2(left[i] / wl);
            if (right[i] > 0) score += right[i] * log2(right[i] / wr);
        }
        return score / (double)d->outputs;
    case TREE_POISSON:
        for (int64_t o = 0; o < d->outputs; o++) {
            if (left[o] <= 2.220446049250313e-16 || right[o] <= 2.220446049250313e-16) return -__builtin_inf();
            score += left[o] * log(left[o] / wl) + right[o] * log(right[o] / wr);
        }
        return score;
    default: {
        double sl = 0, sr = 0;
        for (int64_t o = 0; o < d->outputs; o++) {
            sl += left[o] * left[o];
            sr += right[o] * right[o];
        }
        return sl / wl + sr / wr;
    }
    }
}

/* Class, or target, and weight of the row behind a payload. */
CT_INLINE double payload_weight(const tree_grower *g, const tree_place *place, uint32_t p) {
    if (g->counted) return p & ((1u << g->weight_bits) - 1);
    return g->weight ? g->weight[g->row[place->start + p]] : 1.0;
}
CT_INLINE void add_row(const tree_grower *g, const tree_place *place, uint32_t p, double w, double *sums) {
    const tree_data *d = g->data;
    if (g->counted) {
        sums[p >> g->weight_bits] += w;
        return;
    }
    const double *y = d->y + (int64_t)g->row[place->start + p] * d->outputs;
    if (g->rules->criterion <= TREE_ENTROPY)
        for (int64_t o = 0; o < d->outputs; o++) sums[o * d->classes + (int64_t)y[o]] += w;
    else
        for (int64_t o = 0; o < d->outputs; o++) sums[o] += w * y[o];
}

CT_INLINE int keeps_monotonic(const tree_place *place, int sign, double vl, double vr) {
    return vl >= place->lower && vr >= place->lower && vl <= place->upper && vr <= place->upper &&
           (vl - vr) * sign <= 0;
}

static void scan_any(const tree_scan *s, tree_bench *bench, tree_split *best) {
    const tree_grower *g = s->g;
    const tree_data *d = g->data;
    int64_t width = d->outputs * d->classes, lo, hi;
    int sign = d->monotonic ? d->monotonic[best->feature] : 0;
    double W = s->place->weight, wl = 0, least = g->rules->min_weight_leaf;
    double *left = bench->left, *right = bench->right;
    allowed_range(s, &lo, &hi);
    for (int64_t k = 0; k < width; k++) left[k] = 0;
    for (int64_t i = 0; i < s->missing; i++) {
        uint32_t p = key_payload(&s->keys, s->first_missing + i);
        double w = payload_weight(g, s->place, p);
        add_row(g, s->place, p, w, left);
        wl += w;
    }
    for (int64_t i = 0; i < hi; i++) {
        uint32_t p = key_payload(&s->keys, i), rank = key_rank(&s->keys, i);
        double w = payload_weight(g, s->place, p);
        add_row(g, s->place, p, w, left);
        wl += w;
        uint32_t next = i + 1 < s->n ? key_rank(&s->keys, i + 1) : NO_RANK;
        if (i < lo || rank == next || gap_is_tiny(s->values, rank, next)) continue;
        double wr = W - wl;
        int negative = 0;
        for (int64_t k = 0; k < width; k++) {
            right[k] = s->place->total[k] - left[k];
            if (g->rules->criterion <= TREE_ENTROPY && g->weight && (left[k] < -1e-9 || right[k] < -1e-9)) negative = 1;
        }
        if (negative || wl <= 0 || wr <= 0) continue;
        if (sign && !keeps_monotonic(s->place, sign, left[0] / wl, right[0] / wr)) continue;
        if (wl < least || wr < least) continue;
        offer(s, best, proxy(g, left, right, wl, wr), s->left_before + i + 1, rank, next);
    }
}

/* ---- absolute error: a Fenwick tree over the ranks of y keeps weights and weighted sums ---- */

/* Adds row p; returns the sum of w |y - median| over the rows in the tree, and the median. */
static double fenwick_add(tree_bench *b, const double *y_sorted, int64_t n, uint32_t y_rank, double w, double *sum_w,
                          double *sum_wy, double *median) {
    double wy = w * y_sorted[y_rank];
    for (int64_t i = y_rank + 1; i <= n; i += i & -i) {
        b->fenwick_w[i] += w;
        b->fenwick_wy[i] += wy;
    }
    *sum_w += w;
    *sum_wy += wy;
    double half = *sum_w / 2, below = 0, below_wy = 0;
    int64_t at = 0, step = 1;
    while (step * 2 <= n) step *= 2;
    for (; step > 0; step /= 2)
        if (at + step <= n && below + b->fenwick_w[at + step] < half) {
            at += step;
            below += b->fenwick_w[at];
            below_wy += b->fenwick_wy[at];
        }
    /* rank `at` is the first whose weight reaches half */
    double m = y_sorted[at < n ? at : n - 1];
    *median = m;
    return m * below - below_wy + (*sum_wy - below_wy) - m * (*sum_w - below);
}

/* With an exact half the median is the middle between the two values; only constraints and leaf values need it. */
static void scan_absolute(const tree_scan *s, tree_bench *bench, tree_split *best) {
    const tree_grower *g = s->g;
    int64_t N = s->place->end - s->place->start, lo, hi;
    const uint32_t *y_rank = g->y_rank + s->place->start;
    const double *y_sorted = g->y_sorted + s->place->start;
    int sign = g->data->monotonic ? g->data->monotonic[best->feature] : 0;
    double W = s->place->weight, least = g->rules->min_weight_leaf;
    allowed_range(s, &lo, &hi);
    /* right sides, from the last row backwards: error[i] is that of the rows after key i */
    double sw = 0, swy = 0, median = 0;
    memset(bench->fenwick_w, 0, (size_t)(N + 1) * 8);
    memset(bench->fenwick_wy, 0, (size_t)(N + 1) * 8);
    double error = 0;
    if (!s->left_before)
        for (int64_t i = N - 1; i >= s->n; i--) {
            uint32_t p = key_payload(&s->keys, i);
            error = fenwick_add(bench, y_sorted, N, y_rank[p], payload_weight(g, s->place, p), &sw, &swy, &median);
        }
    for (int64_t i = s->n - 1; i >= 0; i--) {
        bench->error[i] = error;
        bench->median[i] = median;
        uint32_t p = key_payload(&s->keys, i);
        error = fenwick_add(bench, y_sorted, N, y_rank[p], payload_weight(g, s->place, p), &sw, &swy, &median);
    }
    sw = swy = 0;
    memset(bench->fenwick_w, 0, (size_t)(N + 1) * 8);
    memset(bench->fenwick_wy, 0, (size_t)(N + 1) * 8);
    for (int64_t i = 0; i < s->missing; i++) {
        uint32_t p = key_payload(&s->keys, s->first_missing + i);
        fenwick_add(bench, y_sorted, N, y_rank[p], payload_weight(g, s->place, p), &sw, &swy, &median);
    }
    for (int64_t i = 0; i < hi; i++) {
        uint32_t p = key_payload(&s->keys, i), rank = key_rank(&s->keys, i);
        error = fenwick_add(bench, y_sorted, N, y_rank[p], payload_weight(g, s->place, p), &sw, &swy, &median);
        uint32_t next = i + 1 < s->n ? key_rank(&s->keys, i + 1) : NO_RANK;
        if (i < lo || rank == next || gap_is_tiny(s->values, rank, next)) continue;
        if (sw < least || W - sw < least) continue;
        if (sign && !keeps_monotonic(s->place, sign, median, bench->median[i])) continue;
        offer(s, best, -error - bench->error[i], s->left_before + i + 1, rank, next);
    }
}

#endif

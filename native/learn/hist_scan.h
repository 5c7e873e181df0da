/* hist_scan.h: the best split of one column from its histogram.
 *
 * With sums G and H of gradients and Hessians, a node's best value is -G / (H + l2) and its loss -G^2 / (H + l2) (Chen
 * and Guestrin, XGBoost, 2016, eq. 7).  Categories are ordered by G / (H + 10) and scanned like numbers (Fisher, On
 * grouping for maximum homogeneity, 1958); those of little support stay on the right.
 */
#ifndef CORTEN_HIST_SCAN_H
#define CORTEN_HIST_SCAN_H

#include <string.h>

#include "../include/learn/hist.h"
#include "../include/simd.h"

#define MIN_HESSIAN 1e-3
#define TINY_HESSIAN 1e-15
#define CATEGORY_SUPPORT 10.0

typedef int64_t hist_entry __attribute__((vector_size(16))); /* {sum of g, sum of h << count_bits | count} */

typedef struct {
    double g_unit, h_unit; /* what one step of the whole numbers is worth */
    int count_bits;
} hist_scale;

typedef struct {
    double gain, gl, hl; /* sums of the left child */
    int64_t nl;
    int32_t feature;
    uint32_t cats[8];
    uint8_t bin, missing_left, categorical;
} hist_split;

typedef struct {
    int64_t n;
    double g, h, lower, upper, value; /* value: without shrinkage, within its bounds */
} hist_sums;

CT_INLINE double clip(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }
CT_INLINE double best_value(double g, double h, double l2, double lower, double upper) {
    return clip(-g / (h + l2 + TINY_HESSIAN), lower, upper);
}

/* Loss reduction, or -1 when the constraint forbids the split. */
CT_INLINE double split_gain(const hist_sums *s, double gl, double hl, double l2, int monotonic) {
    double gr = s->g - gl, hr = s->h - hl;
    double vl = best_value(gl, hl, l2, s->lower, s->upper), vr = best_value(gr, hr, l2, s->lower, s->upper);
    if ((monotonic > 0 && vl > vr) || (monotonic < 0 && vl < vr)) return -1;
    return s->value * s->g - vl * gl - vr * gr;
}

typedef struct {
    double g[HIST_BINS], h[HIST_BINS], count[HIST_BINS], gain[HIST_BINS];
} hist_prefix;

/* Cumulative sums of bins 0 ... count - 1, plus those of `before` (the missing bin, or none). */
static void prefix_sums(const hist_entry *hist, int count, hist_entry before, const hist_scale *scale, hist_prefix *p) {
    int64_t G[HIST_BINS], HC[HIST_BINS];
    hist_entry sum = before;
    for (int b = 0; b < count; b++) {
        sum += hist[b];
        G[b] = sum[0];
        HC[b] = sum[1];
    }
    int64_t mask = ((int64_t)1 << scale->count_bits) - 1;
    int bits = scale->count_bits;
    for (int b = 0; b < count; b++) {
        p->g[b] = (double)G[b] * scale->g_unit;
        p->h[b] = (double)(HC[b] >> bits) * scale->h_unit;
        p->count[b] = (double)(HC[b] & mask);
    }
}

/* Scans cuts after bins 0 ... count - 1. */
static void scan_cuts(const hist_prefix *p, int count, const hist_sums *s, const hist_rules *rules, int monotonic,
                      int missing_left, double *gain, hist_split *best) {
    double l2 = rules->l2 + TINY_HESSIAN, leaf = (double)rules->min_samples_leaf, n = (double)s->n;
    int free_values = !monotonic && s->lower == -__builtin_inf() && s->upper == __builtin_inf();
    if (free_values) {
        double own = s->value * s->g;
        for (int b = 0; b < count; b++) {
            double gl = p->g[b], hl = p->h[b], gr = s->g - gl, hr = s->h - hl;
            double v = own + gl * gl / (hl + l2) + gr * gr / (hr + l2);
            int ok = (p->count[b] >= leaf) & (n - p->count[b] >= leaf) & (hl >= MIN_HESSIAN) & (hr >= MIN_HESSIAN);
            gain[b] = ok ? v : -1;
        }
    } else
        for (int b = 0; b < count; b++) {
            int ok = p->count[b] >= leaf && n - p->count[b] >= leaf && p->h[b] >= MIN_HESSIAN &&
                     s->h - p->h[b] >= MIN_HESSIAN;
            gain[b] = ok ? split_gain(s, p->g[b], p->h[b], rules->l2, monotonic) : -1;
        }
    double top = best->gain;
    int at = -1;
    for (int b = 0; b < count; b++)
        if (gain[b] > top) {
            top = gain[b];
            at = b;
        }
    if (at < 0) return;
    best->gain = top;
    best->gl = p->g[at];
    best->hl = p->h[at];
    best->nl = (int64_t)p->count[at];
    best->bin = (uint8_t)at;
    best->missing_left = (uint8_t)missing_left;
    best->categorical = 0;
}

static void scan_numbers(const hist_data *d, const hist_rules *rules, const hist_scale *scale, int32_t f,
                         const hist_entry *hist, const hist_sums *s, hist_prefix *p, hist_split *best) {
    int present = d->present[f], missing = d->has_missing[f], monotonic = d->monotonic ? d->monotonic[f] : 0;
    hist_entry none = {0, 0};
    int cuts = present - 1 + missing; /* with missing values: also present against missing */
    prefix_sums(hist, cuts, none, scale, p);
    scan_cuts(p, cuts, s, rules, monotonic, 0, p->gain, best);
    if (missing) {
        prefix_sums(hist, present - 1, hist[d->missing_bin], scale, p);
        /* from the right, as the last of equal gains wins there; it differs only in which of several equal cuts is
         * taken */
        scan_cuts(p, present - 1, s, rules, monotonic, 1, p->gain, best);
    } else if (best->feature == f && best->gain > 0) best->missing_left = best->nl > s->n - best->nl;
}

static void scan_categories(const hist_data *d, const hist_rules *rules, const hist_scale *scale, int32_t f,
                            const hist_entry *hist, const hist_sums *s, hist_split *best) {
    int bin[HIST_BINS], used = 0, present = d->present[f], monotonic = d->monotonic ? d->monotonic[f] : 0;
    double key[HIST_BINS], G[HIST_BINS], H[HIST_BINS], factor = (double)s->n / s->h;
    int64_t count[HIST_BINS], mask = ((int64_t)1 << scale->count_bits) - 1;
    for (int i = 0; i < present + d->has_missing[f]; i++) {
        int b = i < present ? i : d->missing_bin;
        double g = (double)hist[b][0] * scale->g_unit, h = (double)(hist[b][1] >> scale->count_bits) * scale->h_unit;
        if (h * factor < CATEGORY_SUPPORT) continue;
        double k = g / (h + CATEGORY_SUPPORT);
        int j = used++;
        for (; j > 0 && key[j - 1] > k; j--) {
            key[j] = key[j - 1];
            bin[j] = bin[j - 1];
            G[j] = G[j - 1];
            H[j] = H[j - 1];
            count[j] = count[j - 1];
        }
        key[j] = k;
        bin[j] = b;
        G[j] = g;
        H[j] = h;
        count[j] = hist[b][1] & mask;
    }
    if (used <= 1) return;
    int found = -1, from_right = 0;
    for (int way = 0; way < 2; way++) {
        int middle = way == 0 ? (used + 1) / 2 : (used + 1) / 2 - 1;
        double gl = 0, hl = 0;
        int64_t nl = 0;
        for (int i = 0; i < middle; i++) {
            int j = way == 0 ? i : used - 1 - i;
            gl += G[j];
            hl += H[j];
            nl += count[j];
            if (nl < rules->min_samples_leaf || hl < MIN_HESSIAN) continue;
            if (s->n - nl < rules->min_samples_leaf || s->h - hl < MIN_HESSIAN) break;
            double gain = split_gain(s, gl, hl, rules->l2, monotonic);
            if (gain > best->gain) {
                best->gain = gain;
                best->gl = gl;
                best->hl = hl;
                best->nl = nl;
                found = j;
                from_right = way;
            }
        }
    }
    if (found < 0) return;
    memset(best->cats, 0, sizeof best->cats);
    for (int j = from_right ? found : 0; j < (from_right ? used : found + 1); j++)
        best->cats[bin[j] >> 5] |= 1u << (bin[j] & 31);
    best->bin = 0;
    best->categorical = 1;
    best->missing_left = d->has_missing[f] ? (uint8_t)(best->cats[d->missing_bin >> 5] >> (d->missing_bin & 31) & 1)
                                           : best->nl > s->n - best->nl;
}

#endif

/* csv.c: numbers from delimited text.
 *
 * A field is a number, one of the texts that mean no value, or something else: then its column is marked and left to a
 * parser that knows more. A decimal number m * 10^e with at most 19 digits is exact as a 64-bit integer and a power of
 * ten: with m < 2^53 and |e| <= 22 one double operation rounds it correctly (Clinger, "How to read floating point
 * numbers accurately", 1990); where long double has a 64-bit mantissa, one operation in it does for |e| <= 27, unless
 * the bits that are rounded off lie next to one half. All others go to strtod.
 */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "../include/csv.h"
#include "../include/par.h"

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#if LDBL_MANT_DIG == 64
static const long double LONG_POWERS[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                          1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                          1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
#endif

static double by_library(const char *from, const char *to) {
    char text[64];
    const size_t n = (size_t)(to - from);
    if (n < sizeof(text)) {
        memcpy(text, from, n);
        text[n] = 0;
        return strtod(text, NULL);
    }
    return REAL_NAN; /* the caller sees that it is no number */
}

/* The number that begins at p and its end; NULL when there is none. */
CT_INLINE const char *number(const char *p, const char *end, double *value, unsigned char *flags) {
    const char *from = p;
    const int negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    uint64_t m = 0;
    int digits = 0, exponent = 0, dropped = 0;
    const char *first = p;
    while (p < end && (unsigned char)(*p - '0') < 10) m = m * 10 + (uint64_t)(*p++ - '0');
    digits = (int)(p - first);
    unsigned char kind = 0;
    if (p < end && *p == '.') {
        const char *point = ++p;
        while (p < end && (unsigned char)(*p - '0') < 10) m = m * 10 + (uint64_t)(*p++ - '0');
        exponent = -(int)(p - point);
        digits += (int)(p - point);
        kind = CSV_FRACTION;
    }
    if (digits == 0) return NULL;
    if (digits > 19) { /* zeros in front do not count */
        const char *q = first;
        while (q < p && (*q == '0' || *q == '.')) digits -= *q++ == '0';
        dropped = digits > 19;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *q = p + 1;
        const int down = q < end && *q == '-';
        if (q < end && (*q == '-' || *q == '+')) q++;
        if (q == end || (unsigned char)(*q - '0') >= 10) return NULL;
        int e = 0;
        while (q < end && (unsigned char)(*q - '0') < 10) {
            if (e < 100000) e = e * 10 + (*q - '0');
            q++;
        }
        exponent += down ? -e : e;
        p = q;
        kind = CSV_FRACTION;
    }
    if (!kind && digits > 15) kind = CSV_LONG; /* an int that a double may not hold */
    *flags |= kind;
    if (!dropped && m < (1ull << 53) && exponent >= -22 && exponent <= 22) {
        const double d = exponent < 0 ? (double)m / POWERS[-exponent] : (double)m * POWERS[exponent];
        *value = negative ? -d : d;
        return p;
    }
#if LDBL_MANT_DIG == 64
    if (!dropped && exponent >= -27 && exponent <= 0) {
        const long double d = (long double)m / LONG_POWERS[-exponent];
        uint64_t mantissa;
        memcpy(&mantissa, &d, sizeof(mantissa));
        const unsigned tail = (unsigned)(mantissa & 0x7FF);
        if ((tail < 0x3FF || tail > 0x401) && m) {
            *value = negative ? -(double)d : (double)d;
            return p;
        }
    }
#endif
    *value = by_library(from, p);
    return *value == *value ? p : NULL;
}

CT_INLINE int is_missing(const ct_csv *csv, const char *p, int64_t n) {
    for (int64_t k = 0; k < csv->missing_count; k++) {
        const int64_t at = csv->missing_at[k], size = csv->missing_at[k + 1] - at;
        if (size == n && memcmp(csv->missing + at, p, (size_t)n) == 0) return 1;
    }
    return 0;
}

typedef struct {
    const ct_csv *csv;
    const int64_t *starts, *first;
    int64_t *rows, *bad;
    double **values;
    unsigned char *flags;
} csv_args;

/* The end of the line that begins at p, without its line end; `next` is where the following one begins. */
CT_INLINE const char *line_end(const char *p, const char *end, const char **next) {
    const char *q = memchr(p, '\n', (size_t)(end - p));
    if (q == NULL) q = end;
    *next = q < end ? q + 1 : end;
    return q > p && q[-1] == '\r' ? q - 1 : q;
}

static void count_chunk(void *ctx, int64_t chunk) {
    const csv_args *a = ctx;
    const char *p = a->csv->data + a->starts[chunk], *end = a->csv->data + a->starts[chunk + 1], *next;
    int64_t rows = 0;
    for (; p < end; p = next) rows += line_end(p, end, &next) > p;
    a->rows[chunk] = rows;
}

static void cut(const ct_csv *csv, int64_t chunks, int64_t *starts, int64_t *rows) {
    starts[0] = 0;
    for (int64_t c = 1; c < chunks; c++) {
        const int64_t at = i64_max(starts[c - 1], csv->nbytes * c / chunks);
        const char *q = at < csv->nbytes ? memchr(csv->data + at, '\n', (size_t)(csv->nbytes - at)) : NULL;
        starts[c] = q == NULL ? csv->nbytes : q + 1 - csv->data;
    }
    starts[chunks] = csv->nbytes;
    csv_args a = {.csv = csv, .starts = starts, .rows = rows};
    par_for(chunks, count_chunk, &a);
}

static void parse_chunk(void *ctx, int64_t chunk) {
    const csv_args *a = ctx;
    const ct_csv *csv = a->csv;
    const int64_t columns = csv->columns;
    const char delimiter = csv->delimiter;
    unsigned char *flags = a->flags + chunk * columns;
    int64_t *bad = a->bad + 3 * chunk;
    const char *p = csv->data + a->starts[chunk], *end = csv->data + a->starts[chunk + 1], *next;
    int64_t row = a->first[chunk], line = 0;
    bad[0] = -1;
    for (; p < end; p = next, line++) {
        const char *stop = line_end(p, end, &next);
        if (stop == p) continue;
        const char *field = p;
        int64_t k = 0;
        for (;; k++) {
            const char *after = NULL;
            if (k < columns && csv->wanted[k]) {
                double value = REAL_NAN;
                after = number(field, stop, &value, flags + k);
                if (after == NULL || (after < stop && *after != delimiter)) {
                    after = memchr(field, delimiter, (size_t)(stop - field));
                    if (after == NULL) after = stop;
                    flags[k] |= is_missing(csv, field, after - field) ? CSV_MISSING : CSV_TEXT;
                    value = REAL_NAN;
                }
                a->values[k][row] = value;
            } else {
                after = memchr(field, delimiter, (size_t)(stop - field));
                if (after == NULL) after = stop;
            }
            if (after == stop) break;
            field = after + 1;
        }
        if (k + 1 != columns) {
            bad[0] = row - a->first[chunk], bad[1] = k + 1, bad[2] = line;
            return;
        }
        row++;
    }
}

static void parse(const ct_csv *csv, int64_t chunks, const int64_t *starts, const int64_t *first, double **values,
                  unsigned char *flags, int64_t *bad) {
    csv_args a = {.csv = csv, .starts = starts, .first = first, .values = values, .flags = flags, .bad = bad};
    memset(flags, 0, (size_t)(chunks * csv->columns));
    par_for(chunks, parse_chunk, &a);
}

const ct_csv_api CT_NAME(ct_csv) = {cut, parse};

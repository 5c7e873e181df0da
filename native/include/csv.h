/* csv.h: numbers from delimited text without quotes. */
#ifndef CORTEN_CSV_H
#define CORTEN_CSV_H

#include "real.h"

enum { CSV_FRACTION = 1, CSV_MISSING = 2, CSV_TEXT = 4, CSV_LONG = 8 }; /* what a column was found to hold */

typedef struct {
    const char *data; /* (nbytes): the rows, without the header */
    int64_t nbytes;
    int64_t columns;             /* fields in each row */
    const unsigned char *wanted; /* (columns): 0 to skip a column */
    const char *missing;         /* the texts for no value, one after the other */
    const int64_t *missing_at;   /* (missing_count + 1): where each begins and ends */
    int64_t missing_count;
    char delimiter;
} ct_csv;

typedef struct {
    /* Cut the rows into `chunks` parts at line ends; starts (chunks + 1) are byte offsets, rows (chunks) their lines
     * that are not empty. */
    void (*cut)(const ct_csv *csv, int64_t chunks, int64_t *starts, int64_t *rows);
    /* values (columns, total): the numbers, NaN where there is none; flags (chunks, columns): what was found;
     * first (chunks): the row that each chunk begins with; bad (chunks, 3): a row with another number of fields, as
     * (row in the chunk, fields, line in the chunk), or -1. */
    void (*parse)(const ct_csv *csv, int64_t chunks, const int64_t *starts, const int64_t *first, double **values,
                  unsigned char *flags, int64_t *bad);
} ct_csv_api;

extern const ct_csv_api CT_NAME(ct_csv);

#endif

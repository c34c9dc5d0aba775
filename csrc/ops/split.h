/* split.h: how work without a matrix in it is cut into chunks. Their borders depend on
 * sizes alone, so that results are the same for any number of threads. */
#ifndef AE_SPLIT_H
#define AE_SPLIT_H

#include "kern/table.h"

#define AE_CHUNK 4096 /* values in a chunk: several streams of it stay in L1 or L2 */

/* fn(arg, at, n) over the chunks [at, at + n) of [0, total). `cost` is that of one value,
 * in floating point operations. */
typedef void (*ae_span_fn)(const void *arg, int64_t at, int64_t n);
void ae_split_span(const ae_ctx *ctx, int64_t total, double cost, ae_span_fn fn,
                   const void *arg);

/* A block of a table (N, F): `rows` rows from `row` on, and of each `n` values from `at`
 * on. It is contiguous: several rows are whole ones. */
typedef struct {
    int64_t row, rows, at, n;
} ae_block;

/* fn(arg, sum, block) over the blocks of a table (N, F) of units of `unit` values. It
 * leaves in sum[i] what row i of the block adds up to; out (N), or NULL, gets the sums of
 * whole rows, added in double. `cost` is that of one unit. */
typedef void (*ae_rows_fn)(const void *arg, double *sum, const ae_block *block);
ae_status ae_split_rows(float *out, int64_t N, int64_t F, int64_t unit, double cost,
                        ae_rows_fn fn, const void *arg, const ae_ctx *ctx);

#endif

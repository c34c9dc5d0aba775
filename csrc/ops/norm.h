/* norm.h: what the norms share: how their work is cut, and sums over its blocks. */
#ifndef AE_NORM_H
#define AE_NORM_H

#include "kern/table.h"

#define AE_NORM_NEAR 8192 /* values of x that stay in the cache from one pass to the next */

typedef struct {
    const ae_norm_cfg *g;
    const ae_kernels *k;
    float *out; /* y, or dx or NULL */
    const float *dy, *x, *gamma, *beta;
    float *mean_out, *rstd_out;   /* of the forward pass */
    const float *mean, *rstd;     /* of the backward pass */
    bool parameters;              /* whether dgamma or dbeta is wanted */
    int64_t items, block, blocks; /* samples or rows: all, in a block; how many blocks */
    int64_t width;                /* C rounded up to whole vectors */
    double *sums;                 /* (blocks, 2, width), zeroed: what each block adds up */
    double *moments;              /* (threads, 2, width) */
    float *factors;               /* (threads, 4, width), of channels; zeroed */
} ae_norm_task;

/* Cut t->items of `size` values each into blocks, and take memory for sums, moments, factors. */
ae_status ae_norm_plan(ae_norm_task *t, int64_t size, const ae_ctx *ctx);
/* The first block's sums become those of all, added in order of the blocks. */
void ae_norm_total(ae_norm_task *t);
/* dgamma and dbeta (C), each or NULL, = or += the second and first of these sums. */
void ae_norm_parameters(const ae_norm_task *t, float *dgamma, float *dbeta);
/* mean and 1 / sqrt(var + eps), or var itself, from the sums of `count` values less shift. */
void ae_norm_finish(float *mean, float *rstd, float *var, const double sum[2], double count,
                    float shift, float eps);
float ae_norm_rstd(float var, float eps);

/* layer_norm of some rows (rows, C) in the calling thread, and the gradient of its input. */
void ae_layer_rows(const ae_kernels *k, float *y, float *mean, float *rstd, const float *x,
                   const float *gamma, const float *beta, int64_t rows, int64_t C, float eps);
void ae_layer_rows_grad(const ae_kernels *k, float *dx, const float *dy, const float *x,
                        const float *mean, const float *rstd, const float *gamma, int64_t rows,
                        int64_t C);

#endif

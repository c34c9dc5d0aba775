/* latent.c: the sample drawn from an encoder's (mean, logvar) halves, and their divergence
 * from the standard normal prior. Kingma & Welling 2014, sections 2.4 and appendix B. */
#include "ops/split.h"

#define EXP_COST 20.0 /* of one exponential, in floating point operations */

typedef struct {
    float *z, *dmean, *dlogvar, *deps;
    const float *dz, *mean, *logvar, *eps;
    const ae_kernels *k;
} sample_task;

static void
sample_span(const void *arg, int64_t at, int64_t n)
{
    const sample_task *t = arg;
    t->k->reparameterize(t->z + at, t->mean + at, t->logvar + at, t->eps + at, n);
}

ae_status
ae_reparameterize_fwd(float *z, const float *mean, const float *logvar, const float *eps,
                      int64_t n, const ae_ctx *ctx)
{
    sample_task t = {.z = z, .mean = mean, .logvar = logvar, .eps = eps, .k = ctx->k};
    ae_split_span(ctx, n, EXP_COST, sample_span, &t);
    return AE_OK;
}

static void
sample_grad_span(const void *arg, int64_t at, int64_t n)
{
    const sample_task *t = arg;
    t->k->reparameterize_grad(t->dmean + at, t->dlogvar + at,
                              t->deps != NULL ? t->deps + at : NULL, t->dz + at, t->logvar + at,
                              t->eps + at, n);
}

ae_status
ae_reparameterize_bwd(float *dmean, float *dlogvar, float *deps, const float *dz,
                      const float *logvar, const float *eps, int64_t n, const ae_ctx *ctx)
{
    sample_task t = {.dmean = dmean,
                     .dlogvar = dlogvar,
                     .deps = deps,
                     .dz = dz,
                     .logvar = logvar,
                     .eps = eps,
                     .k = ctx->k};
    ae_split_span(ctx, n, EXP_COST, sample_grad_span, &t);
    return AE_OK;
}

typedef struct {
    float *dmean, *dlogvar;
    const float *dkl, *mean, *logvar;
    int64_t D;
    const ae_kernels *k;
} kl_task;

static void
kl_block(const void *arg, double *sum, const ae_block *b)
{
    const kl_task *t = arg;
    int64_t at = b->row * t->D + b->at;
    bool back = t->dmean != NULL;
    t->k->kl_rows(back ? NULL : sum, back ? t->dmean + at : NULL, back ? t->dlogvar + at : NULL,
                  back ? t->dkl + b->row : NULL, t->mean + at, t->logvar + at, b->rows, b->n);
}

ae_status
ae_gaussian_kl_fwd(float *kl, const float *mean, const float *logvar, int64_t N, int64_t D,
                   const ae_ctx *ctx)
{
    kl_task t = {.mean = mean, .logvar = logvar, .D = D, .k = ctx->k};
    return ae_split_rows(kl, N, D, 1, 2.0 * EXP_COST, kl_block, &t, ctx);
}

ae_status
ae_gaussian_kl_bwd(float *dmean, float *dlogvar, const float *dkl, const float *mean,
                   const float *logvar, int64_t N, int64_t D, const ae_ctx *ctx)
{
    kl_task t = {dmean, dlogvar, dkl, mean, logvar, D, ctx->k};
    return ae_split_rows(NULL, N, D, 1, 2.0 * EXP_COST, kl_block, &t, ctx);
}

typedef struct {
    float *mean, *logvar, *dh;
    const float *h, *dmean, *dlogvar;
    int64_t D;
    const ae_kernels *k;
} split_task;

static void
split_rows(const void *arg, double *sum, const ae_block *b)
{
    const split_task *t = arg;
    int64_t at = b->row * t->D;
    (void)sum;
    if (t->dh == NULL) {
        t->k->split_latent(t->mean + at, t->logvar + at, t->h + 2 * at, b->rows, t->D);
    }
    else {
        t->k->split_latent_grad(t->dh + 2 * at, t->dmean + at, t->dlogvar + at, t->h + 2 * at,
                                b->rows, t->D);
    }
}

ae_status
ae_split_latent_fwd(float *mean, float *logvar, const float *h, int64_t N, int64_t D,
                    const ae_ctx *ctx)
{
    split_task t = {.mean = mean, .logvar = logvar, .h = h, .D = D, .k = ctx->k};
    return ae_split_rows(NULL, N, 1, 2 * D, EXP_COST * (double)D, split_rows, &t, ctx);
}

ae_status
ae_split_latent_bwd(float *dh, const float *dmean, const float *dlogvar, const float *h,
                    int64_t N, int64_t D, const ae_ctx *ctx)
{
    split_task t = {.dh = dh, .h = h, .dmean = dmean, .dlogvar = dlogvar, .D = D, .k = ctx->k};
    return ae_split_rows(NULL, N, 1, 2 * D, EXP_COST * (double)D, split_rows, &t, ctx);
}

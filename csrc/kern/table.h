/* table.h: the kernel table, filled once per ISA from the same bodies (kern/ and isa/). */
#ifndef AE_TABLE_H
#define AE_TABLE_H

#include "ae.h"

#define AE_MAX_MR 12
#define AE_MAX_NR 32
#define AE_PLANAR_CHANNELS 4 /* output channels of mul_planar, at most */
#define AE_FEW_ROWS 4        /* rows of mul_few and mul_transposed, at most */
#define AE_MAX_VLEN 16

/* A run of the depth dimension: offsets off, off + 1, ... (len of them) from a row's start. */
typedef struct {
    int64_t off, len;
} ae_seg;

/* What happens to a finished tile on its way to C; all pointers are for C's own layout. */
typedef struct {
    const float *bias;    /* (N) or NULL, added first */
    ae_act act;           /* then applied */
    const float *act_out; /* at C's offsets, or NULL: the value is multiplied by */
    ae_act act_grad;      /* act_grad'(act_out), act_out being that activation's output */
    const float *add;     /* at C's offsets, or NULL: added last */
    bool accumulate;      /* add to what C holds instead of overwriting it */
} ae_epilogue;

/* C (m, n) = [C +] A (m, k) B (k, n): see mul_small. */
typedef struct {
    int64_t m, n, k;
    const float *a;
    int64_t a_rs, a_ks; /* strides of rows and of depth */
    const float *b;
    int64_t b_ks;
    float *c;
    int64_t c_rs;
    bool load; /* add to what C holds instead of overwriting it */
} ae_small_product;

/* A block of attention scores (rows, width): row i sees the first min(keys, diagonal + i) keys,
 * and none if that is negative. */
typedef struct {
    int64_t rows, keys, width, diagonal;
    float scale;
} ae_scores;

/* What Adam's settings come to at one step. */
typedef struct {
    float grad_scale, decay;          /* g = grad_scale grad + decay p */
    float take1, keep1, take2, keep2; /* 1 - beta and beta, each rounded once */
    float rate, v_scale, eps;         /* lr / correction1, 1 / sqrt(correction2) */
    float shrink;                     /* the share of p that AdamW takes away first */
} ae_adam_factors;

/* What the gradient of a normalised row is made of: see norm_grad_row. */
typedef struct {
    float mean, scale, offset, slope;
} ae_norm_grad;

/* One sample at one step, forward: input (F), state before (H), what the gates' sums begin with
 * (4H); and where gates (4H) and the state go (H). h is what w_hh multiplies; a GRU has the state
 * itself as c, and no cells. */
typedef struct {
    const float *x, *h, *c, *start;
    float *gates, *y, *cells;
} ae_lstm_row;

/* The same backward: d (4H) are the gradients of the gates' sums, dh and dc those of the state after
 * the step, then before; c is the state before, that of a GRU its h, whose own share in the one
 * after goes to dc. dy may be NULL. */
typedef struct {
    float *d, *total, *dh, *dc;
    const float *dy, *gates, *c, *cells;
} ae_lstm_grad_row;

#define AE_KERNEL(name, args) void(*name) args;
struct ae_kernels {
    const char *isa;
    int vlen;         /* floats in a vector */
    int mr, nr;       /* the gemm tile, rows and columns */
    int mr_narrow;    /* rows of the tile of a last panel with at most vlen columns */
    int planar_block; /* pixels of mul_planar */
    int lstm_rows;    /* rows of the tile in lstm.inc */
    bool (*has_pairs)(
        void); /* whether products of bfloat16 have instructions of their own here */
#include "kern/table.def"
};
#undef AE_KERNEL

#endif

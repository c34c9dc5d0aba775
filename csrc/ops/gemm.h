/* gemm.h: what linear.c, conv.c and vq.c are made of. B is packed in panels of k->nr columns
 * ([panel][depth][nr]) and shared by all threads. */
#ifndef AE_GEMM_H
#define AE_GEMM_H

#include "kern/table.h"

/* One thread's share of C (rows m, panels p0 to p1) += A B. */
typedef struct {
    const float *a;       /* rows: value (i, run s, t) is a[a_row[i] + seg[s].off + t] */
    const int64_t *a_row; /* columns: a[a_row[i] + seg[s].off + t * a_stride], with a_row[i + 1]
                             = a_row[i] + 1 */
    int64_t a_stride;     /* 0 for the form in rows */
    const ae_seg *seg;
    int64_t nseg;
    const float *panels;
    int64_t panel0; /* the first one there */
    bool pairs;     /* A and the panels are pairs of bfloat16, which the depth counts */
    int64_t K, N;   /* depth (the sum of the runs) and columns */
    int64_t p0, p1;
    float *c;
    const int64_t *c_row; /* offset of each row of C */
    int64_t m;
    const ae_epilogue *epilogue;
} ae_product;

void ae_multiply(const ae_kernels *k, const ae_product *p);

/* The product of m rows of A, a_rs apart, and all panels, whose depth is one run: C's rows are c_rs
 * apart. The lists have room for m offsets. The caller says where a, panels and c are, what the
 * epilogue is and, for the form in columns, a_stride. */
ae_product ae_product_rows(int64_t *a_row, int64_t *c_row, const ae_seg *depth, int64_t m,
                           int64_t N, int64_t a_rs, int64_t c_rs, const ae_kernels *k);

/* The width of a panel, where so many columns are left for it and those behind it. */
static inline int64_t
ae_panel_width(const ae_kernels *k, int64_t left)
{
    return left <= k->vlen ? k->vlen : k->nr;
}

/* The bytes that N columns of depth K take when packed. */
size_t ae_packed_bytes(const ae_kernels *k, int64_t K, int64_t N);

/* B as blocks of depth stacked on one another: block t holds rows [t * nk, (t + 1) * nk) of the
 * packed depth, and its value (i, n) is src[tap[t] + i * ks + n * ns]; ks or ns is 1. */
typedef struct {
    const float *src;
    const int64_t *tap;
    int64_t ntap, nk, N, ks, ns;
    bool pairs; /* one block becomes pairs of bfloat16, (nk + 1) / 2 deep */
} ae_panel_source;

void ae_pack(float *panels, const ae_panel_source *b, const ae_ctx *ctx);
/* One of its panels, to where that begins. */
void ae_pack_panel(float *dst, const ae_panel_source *b, int64_t panel, const ae_kernels *k);

/* C (M, N), rows ldc apart = or += A (M, K) B (K, N), each with one unit stride. */
typedef struct {
    int64_t M, N, K;
    const float *a;
    int64_t a_rs, a_ks; /* strides of rows and of depth */
    const float *b;
    int64_t b_ks, b_ns;
    float *c;
    int64_t ldc;
    ae_epilogue epilogue;
} ae_gemm_args;

ae_status ae_gemm(const ae_gemm_args *g, const ae_ctx *ctx);

/* sum (cols) = or += the columns of x (rows, cols). */
ae_status ae_column_sums(float *sum, const float *x, int64_t rows, int64_t cols, bool adds,
                         const ae_ctx *ctx);

#endif

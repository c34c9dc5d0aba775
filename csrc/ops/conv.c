/* conv.c: conv2d and conv_transpose2d as the products of conv.h, and what those share. */
#include "ops/conv.h"

#include <string.h>

ae_chunks
ae_cut(int64_t N, int64_t rows, int64_t cols, int64_t pixels, int64_t row_bytes, int64_t bytes)
{
    ae_chunks c = {.images = 1, .rows = rows};
    int64_t image = ae_max(1, rows * cols), image_bytes = ae_max(1, rows * row_bytes);
    if (image <= pixels && image_bytes <= bytes) {
        c.images = ae_max(1, ae_min(pixels / image, bytes / image_bytes));
    }
    else {
        int64_t fit = ae_min(pixels / ae_max(1, cols), bytes / ae_max(1, row_bytes));
        c.rows = ae_max(1, ae_min(rows, fit));
    }
    c.groups = ae_ceil_div(N, c.images);
    c.strips = ae_ceil_div(rows, ae_max(1, c.rows));
    return c;
}

void
ae_copy_part(float *dst, const float *src, int64_t H, int64_t W, int64_t C, int64_t y0,
             int64_t x0, int64_t rows, int64_t cols)
{
    int64_t left = ae_min(cols, ae_max(0, -x0));
    int64_t middle = ae_max(0, ae_min(cols, W - x0) - left);
    int64_t right = cols - left - middle;
    for (int64_t y = 0; y < rows; y++, dst += cols * C) {
        if (y0 + y < 0 || y0 + y >= H || middle == 0) {
            memset(dst, 0, (size_t)(cols * C) * sizeof(float));
            continue;
        }
        const float *from = src + ((y0 + y) * W + x0 + left) * C;
        memset(dst, 0, (size_t)(left * C) * sizeof(float));
        memcpy(dst + left * C, from, (size_t)(middle * C) * sizeof(float));
        memset(dst + (left + middle) * C, 0, (size_t)(right * C) * sizeof(float));
    }
}

ae_axis_phase
ae_make_axis_phase(int64_t a, int64_t size, int64_t kernel, int64_t stride, int64_t pad)
{
    int64_t r0 = (a + pad) % stride;
    ae_axis_phase p = {.size = size > a ? ae_ceil_div(size - a, stride) : 0};
    p.count = r0 < kernel ? (kernel - 1 - r0) / stride + 1 : 0;
    p.first = r0 + stride * (p.count - 1);
    p.low = (a + pad - r0) / stride - (p.count - 1);
    return p;
}

void
ae_axis_range(int64_t *low, int64_t *high, int64_t size, int64_t kernel, int64_t stride,
              int64_t pad)
{
    for (int64_t a = 0; a < stride; a++) {
        ae_axis_phase p = ae_make_axis_phase(a, size, kernel, stride, pad);
        if (p.count > 0) {
            *low = ae_min(*low, p.low);
            *high = ae_max(*high, p.low + p.count);
        }
    }
}

/* conv2d: the input is the big image, w is (small, R, S, big). */
static ae_window
conv_window(const ae_conv_cfg *c)
{
    return (ae_window){.N = c->N,
                       .H = c->H,
                       .W = c->W,
                       .B = c->C,
                       .P = c->P,
                       .Q = c->Q,
                       .C = c->K,
                       .R = c->R,
                       .S = c->S,
                       .sh = c->stride_h,
                       .sw = c->stride_w,
                       .ph = c->pad_h,
                       .pw = c->pad_w,
                       .w_big = 1,
                       .w_small = c->R * c->S * c->C,
                       .w_tap = c->C,
                       .winograd = c->winograd};
}

/* conv_transpose2d: the output is the big image, w is (big, R, S, small). */
static ae_window
transpose_window(const ae_conv_cfg *c)
{
    return (ae_window){.N = c->N,
                       .H = c->P,
                       .W = c->Q,
                       .B = c->K,
                       .P = c->H,
                       .Q = c->W,
                       .C = c->C,
                       .R = c->R,
                       .S = c->S,
                       .sh = c->stride_h,
                       .sw = c->stride_w,
                       .ph = c->pad_h,
                       .pw = c->pad_w,
                       .w_big = c->R * c->S * c->C,
                       .w_small = 1,
                       .w_tap = c->C,
                       .winograd = c->winograd};
}

/* All gradients; x is the big image of a convolution and the small one of a transposed one. */
static ae_status
backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w,
         const ae_conv_cfg *cfg, bool transposed, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_window g = transposed ? transpose_window(cfg) : conv_window(cfg);
    ae_epilogue gate = {.gate = cfg->x_act == AE_LINEAR ? NULL : x, .gate_act = cfg->x_act};
    if (db != NULL) {
        AE_TRY(ae_column_sums(db, dy, cfg->N * cfg->P * cfg->Q, cfg->K, ctx));
    }
    if (dw != NULL) {
        AE_TRY(ae_window_weight(dw, transposed ? dy : x, transposed ? x : dy, &g, ctx));
    }
    if (dx != NULL) {
        AE_TRY((transposed ? ae_window_down : ae_window_up)(dx, dy, w, &g, &gate, ctx));
    }
done:
    return status;
}

ae_status
ae_conv2d_fwd(float *y, const float *x, const float *w, const float *b, const float *r,
              const ae_conv_cfg *cfg, const ae_ctx *ctx)
{
    ae_window g = conv_window(cfg);
    ae_epilogue epilogue = {.bias = b, .act = cfg->act, .add = r};
    return ae_window_down(y, x, w, &g, &epilogue, ctx);
}

ae_status
ae_conv2d_bwd(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w,
              const ae_conv_cfg *cfg, const ae_ctx *ctx)
{
    return backward(dx, dw, db, dy, x, w, cfg, false, ctx);
}

ae_status
ae_conv_transpose2d_fwd(float *y, const float *x, const float *w, const float *b,
                        const float *r, const ae_conv_cfg *cfg, const ae_ctx *ctx)
{
    ae_window g = transpose_window(cfg);
    ae_epilogue epilogue = {.bias = b, .act = cfg->act, .add = r};
    return ae_window_up(y, x, w, &g, &epilogue, ctx);
}

ae_status
ae_conv_transpose2d_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                        const float *w, const ae_conv_cfg *cfg, const ae_ctx *ctx)
{
    return backward(dx, dw, db, dy, x, w, cfg, true, ctx);
}

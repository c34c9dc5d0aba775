/* window.c: how images are cut into chunks, and what of them a chunk reads; see window.h. */
#include "ops/window.h"

#include <string.h>

#include "base/math.h"

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
ae_copy_part(float *dst, const float *src, int64_t H, int64_t W, int64_t C, int64_t step,
             int64_t y0, int64_t x0, int64_t rows, int64_t cols)
{
    int64_t left = ae_min(cols, ae_max(0, -x0));
    int64_t middle = ae_max(0, ae_min(cols, W - x0) - left);
    int64_t right = cols - left - middle;
    for (int64_t y = 0; y < rows; y++, dst += cols * C) {
        if (y0 + y < 0 || y0 + y >= H || middle == 0) {
            memset(dst, 0, (size_t)(cols * C) * sizeof(float));
            continue;
        }
        const float *from = src + ((y0 + y) * W + x0 + left) * step;
        int64_t runs = step == C ? 1 : middle, run = step == C ? middle * C : C;
        memset(dst, 0, (size_t)(left * C) * sizeof(float));
        for (int64_t i = 0; i < runs; i++) {
            memcpy(dst + left * C + i * run, from + i * step, (size_t)run * sizeof(float));
        }
        memset(dst + (left + middle) * C, 0, (size_t)(right * C) * sizeof(float));
    }
}

static int64_t
greatest_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

ae_axis_phase
ae_make_axis_phase(int64_t a, int64_t size, int64_t kernel, int64_t stride, int64_t pad,
                   int64_t dilation)
{
    int64_t common = greatest_divisor(stride, dilation), y = a + pad;
    ae_axis_phase p = {.size = size > a ? ae_ceil_div(size - a, stride) : 0,
                       .step = stride / common,
                       .gap = dilation / common};
    /* the first tap r for which y - r * dilation is a multiple of the stride */
    int64_t r0 = dilation == 1 ? y % stride : 0, most = ae_min(p.step, kernel);
    while (r0 < most && (y - r0 * dilation) % stride != 0) {
        r0++;
    }
    if (r0 < most) {
        p.count = (kernel - 1 - r0) / p.step + 1;
        p.first = r0 + p.step * (p.count - 1);
        p.low = (y - r0 * dilation) / stride - p.gap * (p.count - 1);
    }
    return p;
}

void
ae_axis_range(int64_t *low, int64_t *high, int64_t size, int64_t kernel, int64_t stride,
              int64_t pad, int64_t dilation)
{
    for (int64_t a = 0; a < ae_phases(size, stride); a++) {
        ae_axis_phase p = ae_make_axis_phase(a, size, kernel, stride, pad, dilation);
        if (p.count > 0) {
            *low = ae_min(*low, p.low);
            *high = ae_max(*high, p.low + (p.count - 1) * p.gap + 1);
        }
    }
}

/* py_pool.c: pooling and upsampling. */
#include "py/module.h"

/* x NHWC against y NPQC: what the two have in common with one another, and their sizes. */
static int
match_images(ae_dims *d, const ae_view *x, const ae_view *y, ae_pool_cfg *cfg)
{
    ae_dims_init(d);
    if (ae_match(d, x, "NHWC") < 0 || ae_match(d, y, "NPQC") < 0) {
        return -1;
    }
    cfg->N = ae_dim(d, 'N');
    cfg->H = ae_dim(d, 'H');
    cfg->W = ae_dim(d, 'W');
    cfg->C = ae_dim(d, 'C');
    cfg->P = ae_dim(d, 'P');
    cfg->Q = ae_dim(d, 'Q');
    return 0;
}

static int
wrong_output(const ae_pool_cfg *c, int64_t P, int64_t Q)
{
    PyErr_Format(PyExc_ValueError,
                 "images of %lld x %lld: expected an output of %lld x %lld, got %lld x %lld",
                 (long long)c->H, (long long)c->W, (long long)P, (long long)Q, (long long)c->P,
                 (long long)c->Q);
    return -1;
}

/* How many windows fit along an axis. */
static int64_t
count_windows(int64_t size, int64_t kernel, int64_t stride, int64_t pad)
{
    return size + 2 * pad < kernel ? 0 : (size + 2 * pad - kernel) / stride + 1;
}

static int
check_pool(const ae_pool_cfg *c)
{
    const int64_t most = INT32_MAX;
    if (!ae_is_side(c->R) || !ae_is_side(c->S) || !ae_is_side(c->stride_h) ||
        !ae_is_side(c->stride_w)) {
        PyErr_SetString(PyExc_ValueError, "kernel_size and stride: expected 1 to 2^31 - 1");
        return -1;
    }
    if (c->pad_h < 0 || c->pad_w < 0 || c->pad_h >= c->R || c->pad_w >= c->S) {
        PyErr_Format(PyExc_ValueError,
                     "padding: expected less than kernel_size (%lld, %lld), got (%lld, %lld)",
                     (long long)c->R, (long long)c->S, (long long)c->pad_h,
                     (long long)c->pad_w);
        return -1;
    }
    if (c->H < 1 || c->W < 1 || c->H > most / c->W) {
        PyErr_Format(PyExc_ValueError,
                     "x: expected images of 1 to 2^31 - 1 pixels, got %lld x %lld",
                     (long long)c->H, (long long)c->W);
        return -1;
    }
    int64_t P = count_windows(c->H, c->R, c->stride_h, c->pad_h);
    int64_t Q = count_windows(c->W, c->S, c->stride_w, c->pad_w);
    return c->P == P && c->Q == Q ? 0 : wrong_output(c, P, Q);
}

static PyObject *
max_pool2d(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, index = {.name = "index"}, x = {.name = "x"};
    ae_pool_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&(LL)(LL)(LL)O&:max_pool2d", ae_out_f32, &y, ae_out_i32,
                          &index, ae_in_f32, &x, &cfg.R, &cfg.S, &cfg.stride_h, &cfg.stride_w,
                          &cfg.pad_h, &cfg.pad_w, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_images(&d, &x, &y, &cfg) < 0 || check_pool(&cfg) < 0 ||
        ae_match(&d, &index, "NPQC") < 0 || AE_DISTINCT(2, &y, &index, &x) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_max_pool2d_fwd(y.data, index.data, x.data, &cfg, ctx));
}

static PyObject *
max_pool2d_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dy = {.name = "grad"}, index = {.name = "index"};
    ae_pool_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&(LL)(LL)(LL)O&:max_pool2d_backward", ae_out_f32, &dx,
                          ae_in_f32, &dy, ae_in_i32, &index, &cfg.R, &cfg.S, &cfg.stride_h,
                          &cfg.stride_w, &cfg.pad_h, &cfg.pad_w, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_images(&d, &dx, &dy, &cfg) < 0 || check_pool(&cfg) < 0 ||
        ae_match(&d, &index, "NPQC") < 0 || AE_DISTINCT(1, &dx, &dy, &index) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_max_pool2d_bwd(dx.data, dy.data, index.data, &cfg, ctx));
}

static int
check_upsample(const ae_pool_cfg *c)
{
    int64_t P, Q;
    if (!ae_is_side(c->R) || !ae_is_side(c->S)) {
        PyErr_SetString(PyExc_ValueError, "factor: expected 1 to 2^31 - 1");
        return -1;
    }
    if (__builtin_mul_overflow(c->H, c->R, &P) || __builtin_mul_overflow(c->W, c->S, &Q)) {
        PyErr_SetString(PyExc_ValueError, ae_status_text(AE_ESIZE));
        return -1;
    }
    return c->P == P && c->Q == Q ? 0 : wrong_output(c, P, Q);
}

static PyObject *
upsample2d(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, x = {.name = "x"};
    ae_pool_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int bilinear;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&(LL)pO&:upsample2d", ae_out_f32, &y, ae_in_f32, &x, &cfg.R,
                          &cfg.S, &bilinear, ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.bilinear = bilinear;
    if (match_images(&d, &x, &y, &cfg) < 0 || check_upsample(&cfg) < 0 ||
        AE_DISTINCT(1, &y, &x) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_upsample2d_fwd(y.data, x.data, &cfg, ctx));
}

static PyObject *
upsample2d_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dy = {.name = "grad"};
    ae_pool_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int bilinear;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&(LL)pO&:upsample2d_backward", ae_out_f32, &dx, ae_in_f32,
                          &dy, &cfg.R, &cfg.S, &bilinear, ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.bilinear = bilinear;
    if (match_images(&d, &dx, &dy, &cfg) < 0 || check_upsample(&cfg) < 0 ||
        AE_DISTINCT(1, &dx, &dy) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_upsample2d_bwd(dx.data, dy.data, &cfg, ctx));
}

PyMethodDef ae_pool_methods[] = {
    {"max_pool2d", max_pool2d, METH_VARARGS,
     "max_pool2d($module, out, index, x, kernel_size, stride, padding, workspace, /)\n--\n\n"
     "out (N, P, Q, C), the maxima, and index, h * W + w of each, from x (N, H, W, C)."},
    {"max_pool2d_backward", max_pool2d_backward, METH_VARARGS,
     "max_pool2d_backward($module, dx, grad, index, kernel_size, stride, padding, workspace, "
     "/)\n--\n\n"
     "dx (N, H, W, C) is overwritten: the gradients of the windows whose maximum a value was."},
    {"upsample2d", upsample2d, METH_VARARGS,
     "upsample2d($module, out, x, factor, bilinear, workspace, /)\n--\n\n"
     "out (N, H * R, W * S, C): every pixel of x (N, H, W, C) as a block of (R, S), or bilinear "
     "between their centres."},
    {"upsample2d_backward", upsample2d_backward, METH_VARARGS,
     "upsample2d_backward($module, dx, grad, factor, bilinear, workspace, /)\n--\n\n"
     "dx (N, H, W, C) is overwritten: the sums over the blocks, or over what lies around."},
    {NULL, NULL, 0, NULL},
};

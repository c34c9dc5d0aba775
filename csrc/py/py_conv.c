/* py_conv.c: convolutions. */
#include "py/module.h"

typedef struct {
    long long top, bottom, left, right;
} padding;

/* O& into padding: (height, width), or (top, bottom, left, right). */
static int
in_padding(PyObject *object, void *address)
{
    padding *p = address;
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "padding: expected a tuple");
        return 0;
    }
    if (PyTuple_GET_SIZE(object) == 4) {
        return PyArg_ParseTuple(object, "LLLL:padding", &p->top, &p->bottom, &p->left,
                                &p->right);
    }
    if (!PyArg_ParseTuple(object, "LL:padding", &p->top, &p->left)) {
        return 0;
    }
    p->bottom = p->top;
    p->right = p->left;
    return 1;
}

/* Whether each side is at most what the kernel reaches over, its size if it isn't dilated. At the
 * end of an axis padding may be negative: so many of the last pixels are left out. */
static int
check_padding(const padding *p, int64_t high, int64_t wide)
{
    if (p->top >= 0 && p->top <= high && p->bottom >= -high && p->bottom <= high &&
        p->left >= 0 && p->left <= wide && p->right >= -wide && p->right <= wide) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError,
                 "padding: expected 0 up to the kernel's size (%lld, %lld), at the end of an "
                 "axis also as much less than 0, got (%lld, %lld) and (%lld, %lld)",
                 (long long)high, (long long)wide, p->top, p->bottom, p->left, p->right);
    return -1;
}

static int64_t
reach(int64_t kernel, int64_t dilation)
{
    return (kernel - 1) * dilation + 1;
}

/* Kernels, strides and dilations that sizes can be computed with. */
static int
check_window(const ae_conv_cfg *c)
{
    if (!ae_is_side(c->R) || !ae_is_side(c->S) || !ae_is_side(c->stride_h) ||
        !ae_is_side(c->stride_w)) {
        PyErr_Format(PyExc_ValueError,
                     "weight and stride: expected kernels and strides of 1 to 2^31 - 1, got "
                     "(%lld, %lld) and (%lld, %lld)",
                     (long long)c->R, (long long)c->S, (long long)c->stride_h,
                     (long long)c->stride_w);
        return -1;
    }
    if (!ae_is_side(c->dilation_h) || !ae_is_side(c->dilation_w) ||
        !ae_is_side(reach(c->R, c->dilation_h)) || !ae_is_side(reach(c->S, c->dilation_w))) {
        PyErr_Format(
            PyExc_ValueError,
            "dilation: expected 1 or more, and kernels that reach over at most 2^31 - 1 "
            "pixels, got (%lld, %lld) for kernels of (%lld, %lld)",
            (long long)c->dilation_h, (long long)c->dilation_w, (long long)c->R,
            (long long)c->S);
        return -1;
    }
    return 0;
}

/* The weight's last axis has the input channels of a group. */
static int
match_groups(ae_dims *d, const ae_view *w, const ae_conv_cfg *c)
{
    if (c->groups == 1) {
        return ae_match(d, w, "KRSC");
    }
    if (ae_match(d, w, "KRSI") < 0) {
        return -1;
    }
    int64_t C = ae_dim(d, 'C'), K = ae_dim(d, 'K'), I = ae_dim(d, 'I');
    if (c->groups < 1 || C % c->groups != 0 || K % c->groups != 0 || C / c->groups != I) {
        PyErr_Format(
            PyExc_ValueError,
            "groups: expected a divisor of %lld input and %lld output channels, with a "
            "weight for the input channels of one group, got %lld groups and a weight "
            "for %lld",
            (long long)C, (long long)K, (long long)c->groups, (long long)I);
        return -1;
    }
    return 0;
}

/* Letters of conv2d and conv_transpose2d alike: x NHWC, y NPQK, weight KRSC. */
static int
match_conv(ae_dims *d, const ae_view *x, const ae_view *w, const ae_view *y, ae_conv_cfg *cfg,
           const padding *pad)
{
    ae_dims_init(d);
    if (ae_match(d, x, "NHWC") < 0 || match_groups(d, w, cfg) < 0 ||
        ae_match(d, y, "NPQK") < 0) {
        return -1;
    }
    cfg->N = ae_dim(d, 'N');
    cfg->H = ae_dim(d, 'H');
    cfg->W = ae_dim(d, 'W');
    cfg->C = ae_dim(d, 'C');
    cfg->P = ae_dim(d, 'P');
    cfg->Q = ae_dim(d, 'Q');
    cfg->K = ae_dim(d, 'K');
    cfg->R = ae_dim(d, 'R');
    cfg->S = ae_dim(d, 'S');
    if (check_window(cfg) < 0) {
        return -1;
    }
    cfg->pad_h = pad->top;
    cfg->pad_w = pad->left;
    return check_padding(pad, reach(cfg->R, cfg->dilation_h), reach(cfg->S, cfg->dilation_w));
}

static int
wrong_size(const char *axis, int64_t got, int64_t low, int64_t high)
{
    PyErr_Format(PyExc_ValueError,
                 "%s of the output: expected %lld to %lld for these sizes, got %lld", axis,
                 (long long)low, (long long)high, (long long)got);
    return -1;
}

/* The output of conv2d, or the input that conv_transpose2d has, has one possible size; pad is the
 * sum of both ends. */
static int
check_axis(const char *axis, int64_t big, int64_t small, int64_t kernel, int64_t stride,
           int64_t pad, bool transposed)
{
    if (!transposed) {
        int64_t room = big + pad - kernel;
        int64_t want = room < 0 ? 0 : room / stride + 1;
        return small == want ? 0 : wrong_size(axis, small, want, want);
    }
    int64_t span = 0;
    if (small > 0 &&
        (__builtin_mul_overflow(small - 1, stride, &span) || span > INT64_MAX / 2)) {
        PyErr_Format(PyExc_ValueError, "stride: %lld times %lld is too large a %s",
                     (long long)stride, (long long)small, axis);
        return -1;
    }
    int64_t low = small == 0 ? 0 : span + kernel - pad;
    int64_t high = small == 0 ? 0 : low + (stride > 1 ? stride - 1 : 0);
    low = low < 0 ? 0 : low;
    return big >= low && big <= high ? 0 : wrong_size(axis, big, low, high);
}

static int
check_sizes(const ae_conv_cfg *c, const padding *p, bool transposed)
{
    int64_t high = p->top + p->bottom, wide = p->left + p->right;
    if (transposed && (p->top != p->bottom || p->left != p->right)) {
        PyErr_SetString(PyExc_ValueError,
                        "padding: expected the same at both ends for a transposed convolution");
        return -1;
    }
    int64_t R = reach(c->R, c->dilation_h), S = reach(c->S, c->dilation_w);
    int64_t H = transposed ? c->P : c->H, W = transposed ? c->Q : c->W;
    int64_t P = transposed ? c->H : c->P, Q = transposed ? c->W : c->Q;
    return check_axis("height", H, P, R, c->stride_h, high, transposed) < 0 ||
                   check_axis("width", W, Q, S, c->stride_w, wide, transposed) < 0
               ? -1
               : 0;
}

typedef ae_status (*forward_fn)(float *, const float *, const float *, const float *,
                                const float *, const ae_conv_cfg *, const ae_ctx *);
typedef ae_status (*backward_fn)(float *, float *, float *, const float *, const float *,
                                 const float *, const ae_conv_cfg *, const ae_ctx *);

static PyObject *
forward(PyObject *args, forward_fn fn, bool transposed)
{
    ae_view y = {.name = "out"}, x = {.name = "x"};
    ae_view w = {.name = "weight"}, b = {.name = "bias"}, r = {.name = "added"};
    ae_conv_cfg cfg = {0};
    padding pad;
    ae_packed_object *packed;
    ae_workspace *ws;
    ae_dims d;
    int winograd;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&(LL)O&(LL)LpO&O&O&", ae_out_f32, &y, ae_in_f32, &x,
                          ae_in_f32, &w, ae_maybe_in_f32, &b, ae_in_activation, &cfg.act,
                          &cfg.stride_h, &cfg.stride_w, in_padding, &pad, &cfg.dilation_h,
                          &cfg.dilation_w, &cfg.groups, &winograd, ae_maybe_in_f32, &r,
                          ae_maybe_in_packed, &packed, ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.winograd = winograd;
    if (match_conv(&d, &x, &w, &y, &cfg, &pad) < 0 || ae_match(&d, &b, "K") < 0 ||
        ae_match(&d, &r, "NPQK") < 0 || check_sizes(&cfg, &pad, transposed) < 0 ||
        AE_DISTINCT(1, &y, &x, &w, &b, &r) < 0) {
        return NULL;
    }
    AE_RUN_PACKED(ws, packed, fn(y.data, x.data, w.data, b.data, r.data, &cfg, ctx));
}

static PyObject *
backward(PyObject *args, backward_fn fn, bool transposed)
{
    ae_view dx = {.name = "dx"}, dw = {.name = "dweight"}, db = {.name = "dbias"};
    ae_view dy = {.name = "grad"}, x = {.name = "x"}, w = {.name = "weight"};
    ae_conv_cfg cfg = {.winograd = true};
    padding pad;
    ae_workspace *ws;
    ae_dims d;
    int adds[2];
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&(LL)O&(LL)L(pp)O&", ae_maybe_out_f32, &dx,
                          ae_maybe_out_f32, &dw, ae_maybe_out_f32, &db, ae_in_f32, &dy,
                          ae_in_f32, &x, ae_in_f32, &w, ae_in_activation, &cfg.x_act,
                          &cfg.stride_h, &cfg.stride_w, in_padding, &pad, &cfg.dilation_h,
                          &cfg.dilation_w, &cfg.groups, &adds[0], &adds[1], ae_in_workspace,
                          &ws)) {
        return NULL;
    }
    cfg.adds = (ae_adds){adds[0], adds[1]};
    if (match_conv(&d, &x, &w, &dy, &cfg, &pad) < 0 || ae_match(&d, &dx, "NHWC") < 0 ||
        match_groups(&d, &dw, &cfg) < 0 || ae_match(&d, &db, "K") < 0 ||
        check_sizes(&cfg, &pad, transposed) < 0 ||
        AE_DISTINCT(3, &dx, &dw, &db, &dy, &x, &w) < 0) {
        return NULL;
    }
    AE_RUN(ws, fn(dx.data, dw.data, db.data, dy.data, x.data, w.data, &cfg, ctx));
}

static PyObject *
conv2d(PyObject *module, PyObject *args)
{
    (void)module;
    return forward(args, ae_conv2d_fwd, false);
}

static PyObject *
conv2d_backward(PyObject *module, PyObject *args)
{
    (void)module;
    return backward(args, ae_conv2d_bwd, false);
}

static PyObject *
conv_transpose2d(PyObject *module, PyObject *args)
{
    (void)module;
    return forward(args, ae_conv_transpose2d_fwd, true);
}

static PyObject *
conv_transpose2d_backward(PyObject *module, PyObject *args)
{
    (void)module;
    return backward(args, ae_conv_transpose2d_bwd, true);
}

PyMethodDef ae_conv_methods[] = {
    {"conv2d", conv2d, METH_VARARGS,
     "conv2d($module, out, x, weight, bias, activation, stride, padding, dilation, "
     "groups, winograd, "
     "added, packed, workspace, /)\n--\n\n"
     "out (N, P, Q, K) from x (N, H, W, C), weight (K, R, S, C / groups) and bias (K) or None; "
     "at the end added (N, P, Q, K) or None. padding is (height, width), or (top, bottom, left, "
     "right)."},
    {"conv2d_backward", conv2d_backward, METH_VARARGS,
     "conv2d_backward($module, dx, dweight, dbias, grad, x, weight, x_activation, stride, "
     "padding, dilation, groups, adds, workspace, /)\n--\n\n"
     "dx is overwritten; dweight and dbias are too, or added to, as the pair adds says. None skips "
     "one."},
    {"conv_transpose2d", conv_transpose2d, METH_VARARGS,
     "conv_transpose2d($module, out, x, weight, bias, activation, stride, padding, "
     "dilation, groups, winograd, added, packed, workspace, /)\n--\n\n"
     "out (N, P, Q, K), whose size says the output padding, as conv2d's arguments."},
    {"conv_transpose2d_backward", conv_transpose2d_backward, METH_VARARGS,
     "conv_transpose2d_backward($module, dx, dweight, dbias, grad, x, weight, x_activation, "
     "stride, padding, dilation, groups, adds, workspace, /)\n--\n\n"
     "dx is overwritten; dweight and dbias are too, or added to, as the pair adds says. None skips "
     "one."},
    {NULL, NULL, 0, NULL},
};

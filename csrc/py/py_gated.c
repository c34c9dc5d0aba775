/* py_gated.c: the gated unit of PixelCNN. */
#include "py/module.h"

/* y (N, T, C), x (N, T, 2C) and the bias (N, 2C) or None. */
static int
match_gated(ae_dims *d, const ae_view *y, const ae_view *x, const ae_view *bias)
{
    ae_dims_init(d);
    if (ae_match(d, y, "NTC") < 0) {
        return -1;
    }
    d->size['E' - 'A'] = 2 * ae_dim(d, 'C');
    return ae_match(d, x, "NTE") < 0 || ae_match(d, bias, "NE") < 0 ? -1 : 0;
}

static PyObject *
gated_tanh(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, x = {.name = "x"}, bias = {.name = "bias"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:gated_tanh", ae_out_f32, &y, ae_in_f32, &x,
                          ae_maybe_in_f32, &bias, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_gated(&d, &y, &x, &bias) < 0 || AE_DISTINCT(1, &y, &x, &bias) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_gated_tanh_fwd(y.data, x.data, bias.data, ae_dim(&d, 'N'), ae_dim(&d, 'T'),
                                 ae_dim(&d, 'C'), ctx));
}

static PyObject *
gated_tanh_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dbias = {.name = "dbias"}, dy = {.name = "grad"};
    ae_view x = {.name = "x"}, bias = {.name = "bias"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&:gated_tanh_backward", ae_out_f32, &dx,
                          ae_maybe_out_f32, &dbias, ae_in_f32, &dy, ae_in_f32, &x,
                          ae_maybe_in_f32, &bias, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_gated(&d, &dy, &x, &bias) < 0 || ae_match(&d, &dx, "NTE") < 0 ||
        ae_match(&d, &dbias, "NE") < 0 || AE_DISTINCT(2, &dx, &dbias, &dy, &x, &bias) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_gated_tanh_bwd(dx.data, dbias.data, dy.data, x.data, bias.data,
                                 ae_dim(&d, 'N'), ae_dim(&d, 'T'), ae_dim(&d, 'C'), ctx));
}

PyMethodDef ae_gated_methods[] = {
    {"gated_tanh", gated_tanh, METH_VARARGS,
     "gated_tanh($module, out, x, bias, workspace, /)\n--\n\n"
     "out (N, T, C) = tanh(a) * sigmoid(b), where x (N, T, 2C) holds a and b; bias (N, 2C) or "
     "None is added to x."},
    {"gated_tanh_backward", gated_tanh_backward, METH_VARARGS,
     "gated_tanh_backward($module, dx, dbias, grad, x, bias, workspace, /)\n--\n\n"
     "Both are overwritten; None skips dbias."},
    {NULL, NULL, 0, NULL},
};

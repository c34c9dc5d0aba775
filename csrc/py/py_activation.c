/* py_activation.c: activations over arrays of any shape. */
#include "py/module.h"

/* Two views are one array, or have nothing in common. */
static int
same_or_distinct(const ae_view *out, const ae_view *in)
{
    return out->data == in->data ? 0 : AE_DISTINCT(1, out, in);
}

static PyObject *
activation(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, x = {.name = "x"};
    ae_act act;
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:activation", ae_out_f32, &y, ae_in_f32, &x,
                          ae_in_activation, &act, ae_in_workspace, &ws)) {
        return NULL;
    }
    const char *any = ae_any_shape(&x);
    ae_dims_init(&d);
    if (ae_match(&d, &x, any) < 0 || ae_match(&d, &y, any) < 0 ||
        same_or_distinct(&y, &x) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_activation_fwd(y.data, x.data, x.size, act, ctx));
}

static PyObject *
activation_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "out"}, dy = {.name = "grad"}, y = {.name = "y"};
    ae_act act;
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&:activation_backward", ae_out_f32, &dx, ae_in_f32,
                          &dy, ae_in_f32, &y, ae_in_activation, &act, ae_in_workspace, &ws)) {
        return NULL;
    }
    const char *any = ae_any_shape(&y);
    ae_dims_init(&d);
    if (ae_match(&d, &y, any) < 0 || ae_match(&d, &dy, any) < 0 || ae_match(&d, &dx, any) < 0 ||
        same_or_distinct(&dx, &dy) < 0 || same_or_distinct(&dx, &y) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_activation_bwd(dx.data, dy.data, y.data, y.size, act, ctx));
}

PyMethodDef ae_activation_methods[] = {
    {"activation", activation, METH_VARARGS,
     "activation($module, out, x, kind, workspace, /)\n--\n\n"
     "out = kind(x), arrays of one shape; out may be x."},
    {"activation_backward", activation_backward, METH_VARARGS,
     "activation_backward($module, dx, grad, y, kind, workspace, /)\n--\n\n"
     "dx = grad * kind'(.) from the output y, or the input if that isn't enough; dx may be grad or y."},
    {NULL, NULL, 0, NULL},
};

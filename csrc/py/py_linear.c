/* py_linear.c: linear layers. */
#include "py/module.h"

static int
match_linear(ae_dims *d, const ae_view *x, const ae_view *w, ae_linear_cfg *cfg)
{
    ae_dims_init(d);
    if (ae_match(d, x, "NI") < 0 || ae_match(d, w, cfg->transposed ? "IO" : "OI") < 0) {
        return -1;
    }
    cfg->N = ae_dim(d, 'N');
    cfg->I = ae_dim(d, 'I');
    cfg->O = ae_dim(d, 'O');
    return 0;
}

static PyObject *
linear(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, x = {.name = "x"}, w = {.name = "weight"},
            b = {.name = "bias"}, r = {.name = "added"};
    ae_linear_cfg cfg = {0};
    ae_packed_object *packed;
    ae_workspace *ws;
    ae_dims d;
    int transposed;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&pO&O&O&:linear", ae_out_f32, &y, ae_in_f32, &x,
                          ae_in_f32, &w, ae_maybe_in_f32, &b, ae_in_activation, &cfg.act,
                          &transposed, ae_maybe_in_f32, &r, ae_maybe_in_packed, &packed,
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.transposed = transposed;
    if (match_linear(&d, &x, &w, &cfg) < 0 || ae_match(&d, &b, "O") < 0 ||
        ae_match(&d, &r, "NO") < 0 || ae_match(&d, &y, "NO") < 0 ||
        AE_DISTINCT(1, &y, &x, &w, &b, &r) < 0) {
        return NULL;
    }
    AE_RUN_PACKED(ws, packed, ae_linear_fwd(y.data, x.data, w.data, b.data, r.data, &cfg, ctx));
}

static PyObject *
linear_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dw = {.name = "dweight"}, db = {.name = "dbias"};
    ae_view dy = {.name = "grad"}, x = {.name = "x"}, w = {.name = "weight"};
    ae_linear_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int transposed, adds[2];
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&p(pp)O&:linear_backward", ae_maybe_out_f32, &dx,
                          ae_maybe_out_f32, &dw, ae_maybe_out_f32, &db, ae_in_f32, &dy,
                          ae_in_f32, &x, ae_in_f32, &w, ae_in_activation, &cfg.x_act,
                          &transposed, &adds[0], &adds[1], ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.transposed = transposed;
    cfg.adds = (ae_adds){adds[0], adds[1]};
    if (match_linear(&d, &x, &w, &cfg) < 0 || ae_match(&d, &dy, "NO") < 0 ||
        ae_match(&d, &dx, "NI") < 0 || ae_match(&d, &dw, transposed ? "IO" : "OI") < 0 ||
        ae_match(&d, &db, "O") < 0 || AE_DISTINCT(3, &dx, &dw, &db, &dy, &x, &w) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_linear_bwd(dx.data, dw.data, db.data, dy.data, x.data, w.data, &cfg, ctx));
}

PyMethodDef ae_linear_methods[] = {
    {"linear", linear, METH_VARARGS,
     "linear($module, out, x, weight, bias, activation, transposed, added, packed, "
     "workspace, /)\n--\n\n"
     "out (N, O) = activation(x (N, I) weight (O, I)^T + bias (O) or None) + added (N, O) or None."},
    {"linear_backward", linear_backward, METH_VARARGS,
     "linear_backward($module, dx, dweight, dbias, grad, x, weight, x_activation, transposed, "
     "adds, workspace, /)\n--\n\n"
     "dx is overwritten; dweight and dbias are too, or added to, as the pair adds says. None skips "
     "one."},
    {NULL, NULL, 0, NULL},
};

/* py_norm.c: normalisation layers. layer_norm is group_norm of one position and one group. */
#include "py/module.h"

static int
check_norm(const ae_norm_cfg *c)
{
    if (!(c->eps >= 0.0f) || c->eps > 1e30f) {
        PyObject *eps = PyFloat_FromDouble((double)c->eps);
        PyErr_Format(PyExc_ValueError, "eps: expected a number from 0 on, got %R", eps);
        Py_XDECREF(eps);
        return -1;
    }
    if (c->G < 1 || c->C % c->G != 0) {
        PyErr_Format(PyExc_ValueError, "groups: %lld groups don't divide %lld channels",
                     (long long)c->G, (long long)c->C);
        return -1;
    }
    return 0;
}

/* x (N, C) or (N, T, C), mean and rstd (N) or (N, G). */
static int
match_group(ae_dims *d, const ae_view *x, const ae_view *mean, const ae_view *rstd,
            bool grouped, ae_norm_cfg *cfg)
{
    const char *statistics = grouped ? "NG" : "N";
    ae_dims_init(d);
    if (ae_match(d, x, grouped ? "NTC" : "NC") < 0 || ae_match(d, mean, statistics) < 0 ||
        ae_match(d, rstd, statistics) < 0) {
        return -1;
    }
    cfg->N = ae_dim(d, 'N');
    cfg->C = ae_dim(d, 'C');
    cfg->T = grouped ? ae_dim(d, 'T') : 1;
    cfg->G = grouped ? ae_dim(d, 'G') : 1;
    return check_norm(cfg);
}

static PyObject *
group_forward(PyObject *args, bool grouped)
{
    ae_view y = {.name = "out"}, mean = {.name = "mean"}, rstd = {.name = "rstd"};
    ae_view x = {.name = "x"}, w = {.name = "weight"}, b = {.name = "bias"};
    ae_norm_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&fO&", ae_out_f32, &y, ae_out_f32, &mean,
                          ae_out_f32, &rstd, ae_in_f32, &x, ae_maybe_in_f32, &w,
                          ae_maybe_in_f32, &b, &cfg.eps, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_group(&d, &x, &mean, &rstd, grouped, &cfg) < 0 || ae_match(&d, &w, "C") < 0 ||
        ae_match(&d, &b, "C") < 0 || ae_match(&d, &y, grouped ? "NTC" : "NC") < 0 ||
        AE_DISTINCT(3, &y, &mean, &rstd, &x, &w, &b) < 0) {
        return NULL;
    }
    AE_RUN(ws,
           ae_group_norm_fwd(y.data, mean.data, rstd.data, x.data, w.data, b.data, &cfg, ctx));
}

static PyObject *
group_backward(PyObject *args, bool grouped)
{
    ae_view dx = {.name = "dx"}, dw = {.name = "dweight"}, db = {.name = "dbias"};
    ae_view dy = {.name = "grad"}, x = {.name = "x"}, w = {.name = "weight"};
    ae_view mean = {.name = "mean"}, rstd = {.name = "rstd"};
    ae_norm_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int adds[2];
    const char *letters = grouped ? "NTC" : "NC";
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&O&(pp)O&", ae_maybe_out_f32, &dx,
                          ae_maybe_out_f32, &dw, ae_maybe_out_f32, &db, ae_in_f32, &dy,
                          ae_in_f32, &x, ae_in_f32, &mean, ae_in_f32, &rstd, ae_maybe_in_f32,
                          &w, &adds[0], &adds[1], ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.adds = (ae_adds){adds[0], adds[1]};
    if (match_group(&d, &x, &mean, &rstd, grouped, &cfg) < 0 || ae_match(&d, &w, "C") < 0 ||
        ae_match(&d, &dy, letters) < 0 || ae_match(&d, &dx, letters) < 0 ||
        ae_match(&d, &dw, "C") < 0 || ae_match(&d, &db, "C") < 0 ||
        AE_DISTINCT(3, &dx, &dw, &db, &dy, &x, &mean, &rstd, &w) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_group_norm_bwd(dx.data, dw.data, db.data, dy.data, x.data, mean.data,
                                 rstd.data, w.data, &cfg, ctx));
}

static PyObject *
layer_norm(PyObject *module, PyObject *args)
{
    (void)module;
    return group_forward(args, false);
}

static PyObject *
layer_norm_backward(PyObject *module, PyObject *args)
{
    (void)module;
    return group_backward(args, false);
}

static PyObject *
group_norm(PyObject *module, PyObject *args)
{
    (void)module;
    return group_forward(args, true);
}

static PyObject *
group_norm_backward(PyObject *module, PyObject *args)
{
    (void)module;
    return group_backward(args, true);
}

/* x (M, C), mean and var (C). */
static int
match_batch(ae_dims *d, const ae_view *x, const ae_view *mean, const ae_view *var,
            ae_norm_cfg *cfg)
{
    ae_dims_init(d);
    if (ae_match(d, x, "MC") < 0 || ae_match(d, mean, "C") < 0 || ae_match(d, var, "C") < 0) {
        return -1;
    }
    cfg->N = ae_dim(d, 'M');
    cfg->C = ae_dim(d, 'C');
    cfg->T = cfg->G = 1;
    return check_norm(cfg);
}

static PyObject *
batch_norm2d(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, mean = {.name = "mean"}, var = {.name = "var"};
    ae_view x = {.name = "x"}, w = {.name = "weight"}, b = {.name = "bias"};
    PyObject *mean_array, *var_array;
    ae_norm_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int training;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&OOO&O&O&pfO&:batch_norm2d", ae_out_f32, &y, &mean_array,
                          &var_array, ae_in_f32, &x, ae_maybe_in_f32, &w, ae_maybe_in_f32, &b,
                          &training, &cfg.eps, ae_in_workspace, &ws)) {
        return NULL;
    }
    int (*converter)(PyObject *, void *) = training ? ae_out_f32 : ae_in_f32;
    if (!converter(mean_array, &mean) || !converter(var_array, &var) ||
        match_batch(&d, &x, &mean, &var, &cfg) < 0 || ae_match(&d, &w, "C") < 0 ||
        ae_match(&d, &b, "C") < 0 || ae_match(&d, &y, "MC") < 0 ||
        AE_DISTINCT(training ? 3 : 1, &y, &mean, &var, &x, &w, &b) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_batch_norm_fwd(y.data, mean.data, var.data, x.data, w.data, b.data, training,
                                 &cfg, ctx));
}

static PyObject *
batch_norm2d_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dw = {.name = "dweight"}, db = {.name = "dbias"};
    ae_view dy = {.name = "grad"}, x = {.name = "x"}, w = {.name = "weight"};
    ae_view mean = {.name = "mean"}, var = {.name = "var"};
    ae_norm_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int training, adds[2];
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&O&pf(pp)O&:batch_norm2d_backward",
                          ae_maybe_out_f32, &dx, ae_maybe_out_f32, &dw, ae_maybe_out_f32, &db,
                          ae_in_f32, &dy, ae_in_f32, &x, ae_in_f32, &mean, ae_in_f32, &var,
                          ae_maybe_in_f32, &w, &training, &cfg.eps, &adds[0], &adds[1],
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.adds = (ae_adds){adds[0], adds[1]};
    if (match_batch(&d, &x, &mean, &var, &cfg) < 0 || ae_match(&d, &w, "C") < 0 ||
        ae_match(&d, &dy, "MC") < 0 || ae_match(&d, &dx, "MC") < 0 ||
        ae_match(&d, &dw, "C") < 0 || ae_match(&d, &db, "C") < 0 ||
        AE_DISTINCT(3, &dx, &dw, &db, &dy, &x, &mean, &var, &w) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_batch_norm_bwd(dx.data, dw.data, db.data, dy.data, x.data, mean.data,
                                 var.data, w.data, training, &cfg, ctx));
}

PyMethodDef ae_norm_methods[] = {
    {"layer_norm", layer_norm, METH_VARARGS,
     "layer_norm($module, out, mean, rstd, x, weight, bias, eps, workspace, /)\n--\n\n"
     "out (N, C), mean (N) and rstd (N) from x (N, C); weight and bias (C) or None."},
    {"layer_norm_backward", layer_norm_backward, METH_VARARGS,
     "layer_norm_backward($module, dx, dweight, dbias, grad, x, mean, rstd, weight, adds, "
     "workspace, /)\n--\n\n"
     "dx is overwritten; dweight and dbias are too, or added to, as the pair adds says. None skips "
     "one."},
    {"group_norm", group_norm, METH_VARARGS,
     "group_norm($module, out, mean, rstd, x, weight, bias, eps, workspace, /)\n--\n\n"
     "out (N, T, C), mean (N, G) and rstd (N, G) from x (N, T, C); weight and bias (C) or None."},
    {"group_norm_backward", group_norm_backward, METH_VARARGS,
     "group_norm_backward($module, dx, dweight, dbias, grad, x, mean, rstd, weight, adds, "
     "workspace, /)\n--\n\n"
     "dx is overwritten; dweight and dbias are too, or added to, as the pair adds says. None skips "
     "one."},
    {"batch_norm2d", batch_norm2d, METH_VARARGS,
     "batch_norm2d($module, out, mean, var, x, weight, bias, training, eps, workspace, /)\n--\n\n"
     "out (M, C) from x (M, C); training writes mean and the biased var (C), else they are read."},
    {"batch_norm2d_backward", batch_norm2d_backward, METH_VARARGS,
     "batch_norm2d_backward($module, dx, dweight, dbias, grad, x, mean, var, weight, training, "
     "eps, adds, workspace, /)\n--\n\n"
     "dx is overwritten; dweight and dbias are too, or added to, as the pair adds says. None skips "
     "one."},
    {NULL, NULL, 0, NULL},
};

/* py_reduce.c: sums, ranges and moments of arrays. */
#include "py/module.h"

static PyObject *
sum(PyObject *module, PyObject *args)
{
    ae_view x = {.name = "x"};
    ae_workspace *ws;
    ae_ctx ctx;
    double total = 0.0;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&:sum", ae_in_floats, &x, ae_in_workspace, &ws) ||
        ae_begin(ws, &ctx) < 0) {
        return NULL;
    }
    ae_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = ae_sum(&total, x.data, (ae_source)x.kind, x.size, &ctx);
    Py_END_ALLOW_THREADS;
    PyObject *none = ae_end(ws, status);
    if (none == NULL) {
        return NULL;
    }
    Py_DECREF(none);
    return PyFloat_FromDouble(total);
}

static PyObject *
span(PyObject *module, PyObject *args)
{
    ae_view x = {.name = "x"};
    ae_workspace *ws;
    ae_ctx ctx;
    double found[2] = {0.0, 0.0};
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&:span", ae_in_source, &x, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (x.size == 0) {
        PyErr_SetString(PyExc_ValueError, "x: expected at least 1 value, got 0");
        return NULL;
    }
    if (ae_begin(ws, &ctx) < 0) {
        return NULL;
    }
    ae_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = ae_span(found, x.data, (ae_source)x.kind, x.size, &ctx);
    Py_END_ALLOW_THREADS;
    PyObject *none = ae_end(ws, status);
    if (none == NULL) {
        return NULL;
    }
    Py_DECREF(none);
    return Py_BuildValue("(dd)", found[0], found[1]);
}

static PyObject *
latent_moments(PyObject *module, PyObject *args)
{
    ae_view out = {.name = "out"}, mean = {.name = "mean"}, logvar = {.name = "logvar"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:latent_moments", ae_out_f64, &out, ae_in_f32, &mean,
                          ae_in_f32, &logvar, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    d.size['M' - 'A'] = 4;
    if (ae_match(&d, &mean, "ND") < 0 || ae_match(&d, &logvar, "ND") < 0 ||
        ae_match(&d, &out, "MD") < 0 || AE_DISTINCT(1, &out, &mean, &logvar) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_latent_moments(out.data, mean.data, logvar.data, ae_dim(&d, 'N'),
                                 ae_dim(&d, 'D'), ctx));
}

PyMethodDef ae_reduce_methods[] = {
    {"sum", sum, METH_VARARGS,
     "sum($module, x, workspace, /)\n--\n\nThe sum of x, float32 or float64, in double."},
    {"span", span, METH_VARARGS,
     "span($module, x, workspace, /)\n--\n\n"
     "The least and the largest value of x, which is uint8, bool, float32 or float64; both are\n"
     "NaN if one value is."},
    {"latent_moments", latent_moments, METH_VARARGS,
     "latent_moments($module, out, mean, logvar, workspace, /)\n--\n\n"
     "out (4, D) of float64 = the sums of mean, mean^2, exp(logvar) and logvar (N, D) over N."},
    {NULL, NULL, 0, NULL},
};

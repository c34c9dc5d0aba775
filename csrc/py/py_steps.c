/* py_steps.c: positions of sequences and means over their steps. */
#include "py/module.h"

static PyObject *
positions(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, x = {.name = "x"}, p = {.name = "positions"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:positions", ae_out_f32, &y, ae_in_f32, &x, ae_in_f32,
                          &p, ae_in_workspace, &ws)) {
        return NULL;
    }
    const bool repeated = x.ndim == 2;
    ae_dims_init(&d);
    if (ae_match(&d, &x, repeated ? "NC" : "NTC") < 0 || ae_match(&d, &p, "TC") < 0 ||
        ae_match(&d, &y, "NTC") < 0 || AE_DISTINCT(1, &y, &x, &p) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_positions_fwd(y.data, x.data, p.data, ae_dim(&d, 'N'), ae_dim(&d, 'T'),
                                ae_dim(&d, 'C'), repeated, ctx));
}

static PyObject *
positions_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dp = {.name = "dpositions"}, dy = {.name = "grad"};
    ae_workspace *ws;
    ae_dims d;
    int adds;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&pO&:positions_backward", ae_maybe_out_f32, &dx,
                          ae_maybe_out_f32, &dp, ae_in_f32, &dy, &adds, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &dy, "NTC") < 0 || ae_match(&d, &dp, "TC") < 0 ||
        ae_match(&d, &dx, "NC") < 0 || AE_DISTINCT(2, &dx, &dp, &dy) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_positions_bwd(dx.data, dp.data, dy.data, ae_dim(&d, 'N'), ae_dim(&d, 'T'),
                                ae_dim(&d, 'C'), adds, ctx));
}

static PyObject *
mean_steps(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, x = {.name = "x"}, lengths = {.name = "lengths"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:mean_steps", ae_out_f32, &y, ae_in_f32, &x,
                          ae_maybe_in_i64, &lengths, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &x, "NTC") < 0 || ae_match(&d, &lengths, "N") < 0 ||
        ae_check_index(&lengths, ae_dim(&d, 'T') + 1) < 0 || ae_match(&d, &y, "NC") < 0 ||
        AE_DISTINCT(1, &y, &x, &lengths) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_mean_steps_fwd(y.data, x.data, lengths.data, ae_dim(&d, 'N'), ae_dim(&d, 'T'),
                                 ae_dim(&d, 'C'), ctx));
}

static PyObject *
mean_steps_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dy = {.name = "grad"}, lengths = {.name = "lengths"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:mean_steps_backward", ae_out_f32, &dx, ae_in_f32, &dy,
                          ae_maybe_in_i64, &lengths, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &dx, "NTC") < 0 || ae_match(&d, &lengths, "N") < 0 ||
        ae_check_index(&lengths, ae_dim(&d, 'T') + 1) < 0 || ae_match(&d, &dy, "NC") < 0 ||
        AE_DISTINCT(1, &dx, &dy, &lengths) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_mean_steps_bwd(dx.data, dy.data, lengths.data, ae_dim(&d, 'N'),
                                 ae_dim(&d, 'T'), ae_dim(&d, 'C'), ctx));
}

PyMethodDef ae_steps_methods[] = {
    {"positions", positions, METH_VARARGS,
     "positions($module, out, x, positions, workspace, /)\n--\n\n"
     "out (N, T, C) = x (N, T, C), or (N, C) at every step, + positions (T, C)."},
    {"positions_backward", positions_backward, METH_VARARGS,
     "positions_backward($module, dx, dpositions, grad, adds, workspace, /)\n--\n\n"
     "dx (N, C), of an x (N, C), is overwritten; dpositions is too, or added to if adds. None "
     "skips one."},
    {"mean_steps", mean_steps, METH_VARARGS,
     "mean_steps($module, out, x, lengths, workspace, /)\n--\n\n"
     "out (N, C) = the mean of x (N, T, C) over its steps, or over the first lengths (N)."},
    {"mean_steps_backward", mean_steps_backward, METH_VARARGS,
     "mean_steps_backward($module, dx, grad, lengths, workspace, /)\n--\n\n"
     "dx (N, T, C) is overwritten."},
    {NULL, NULL, 0, NULL},
};

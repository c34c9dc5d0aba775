/* py_optim.c: optimisers over flat buffers. */
#include <math.h>

#include "py/module.h"

static PyObject *
sum_squares(PyObject *module, PyObject *args)
{
    ae_view x = {.name = "x"};
    ae_workspace *ws;
    ae_ctx ctx;
    double sum = 0.0;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&:sum_squares", ae_in_f32, &x, ae_in_workspace, &ws) ||
        ae_begin(ws, &ctx) < 0) {
        return NULL;
    }
    ae_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = ae_sum_squares(&sum, x.data, x.size, &ctx);
    Py_END_ALLOW_THREADS;
    PyObject *none = ae_end(ws, status);
    if (none == NULL) {
        return NULL;
    }
    Py_DECREF(none);
    return PyFloat_FromDouble(sum);
}

/* 0, or -1 with a ValueError unless 0 <= value < end; NaN isn't. */
static int
check_setting(const char *name, double value, double end)
{
    if (value >= 0.0 && value < end) {
        return 0;
    }
    PyObject *got = PyFloat_FromDouble(value);
    if (got != NULL) {
        PyErr_Format(PyExc_ValueError, "%s: expected %s, got %R", name,
                     end == 1.0 ? "at least 0 and below 1" : "a finite number of at least 0",
                     got);
        Py_DECREF(got);
    }
    return -1;
}

static int
check_step(long long step)
{
    if (step < 1) {
        PyErr_Format(PyExc_ValueError, "step: expected at least 1, got %lld", step);
        return -1;
    }
    return 0;
}

static PyObject *
adam_step(PyObject *module, PyObject *args)
{
    ae_view p = {.name = "param"}, m = {.name = "m"}, v = {.name = "v"}, g = {.name = "grad"};
    ae_adam_cfg cfg;
    ae_workspace *ws;
    ae_dims d;
    int decoupled;
    long long step;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&dddddpLdO&:adam_step", ae_out_f32, &p, ae_out_f32, &m,
                          ae_out_f32, &v, ae_in_f32, &g, &cfg.lr, &cfg.beta1, &cfg.beta2,
                          &cfg.eps, &cfg.weight_decay, &decoupled, &step, &cfg.grad_scale,
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.decoupled = decoupled;
    cfg.step = step;
    const char *shape = ae_any_shape(&p);
    ae_dims_init(&d);
    if (ae_match(&d, &p, shape) < 0 || ae_match(&d, &m, shape) < 0 ||
        ae_match(&d, &v, shape) < 0 || ae_match(&d, &g, shape) < 0 ||
        AE_DISTINCT(3, &p, &m, &v, &g) < 0 || check_step(step) < 0 ||
        check_setting("learning_rate", cfg.lr, INFINITY) < 0 ||
        check_setting("beta1", cfg.beta1, 1.0) < 0 ||
        check_setting("beta2", cfg.beta2, 1.0) < 0 ||
        check_setting("eps", cfg.eps, INFINITY) < 0 ||
        check_setting("weight_decay", cfg.weight_decay, INFINITY) < 0 ||
        check_setting("grad_scale", cfg.grad_scale, INFINITY) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_adam_step(p.data, m.data, v.data, g.data, p.size, &cfg, ctx));
}

static PyObject *
sgd_step(PyObject *module, PyObject *args)
{
    ae_view p = {.name = "param"}, m = {.name = "m"}, g = {.name = "grad"};
    ae_sgd_cfg cfg;
    ae_workspace *ws;
    ae_dims d;
    int nesterov;
    long long step;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&fffpLfO&:sgd_step", ae_out_f32, &p, ae_maybe_out_f32, &m,
                          ae_in_f32, &g, &cfg.lr, &cfg.momentum, &cfg.weight_decay, &nesterov,
                          &step, &cfg.grad_scale, ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.nesterov = nesterov;
    cfg.step = step;
    const char *shape = ae_any_shape(&p);
    ae_dims_init(&d);
    if (ae_match(&d, &p, shape) < 0 || ae_match(&d, &m, shape) < 0 ||
        ae_match(&d, &g, shape) < 0 || AE_DISTINCT(2, &p, &m, &g) < 0 || check_step(step) < 0 ||
        check_setting("learning_rate", cfg.lr, INFINITY) < 0 ||
        check_setting("momentum", cfg.momentum, 1.0) < 0 ||
        check_setting("weight_decay", cfg.weight_decay, INFINITY) < 0 ||
        check_setting("grad_scale", cfg.grad_scale, INFINITY) < 0) {
        return NULL;
    }
    if (cfg.momentum > 0.0f && m.data == NULL) {
        PyErr_SetString(PyExc_ValueError, "m: expected an array, as momentum is above 0");
        return NULL;
    }
    float *momentum = cfg.momentum > 0.0f ? m.data : NULL;
    AE_RUN(ws, ae_sgd_step(p.data, momentum, g.data, p.size, &cfg, ctx));
}

PyMethodDef ae_optim_methods[] = {
    {"sum_squares", sum_squares, METH_VARARGS,
     "sum_squares($module, x, workspace, /)\n--\n\nThe sum of the squares of x, in double."},
    {"adam_step", adam_step, METH_VARARGS,
     "adam_step($module, param, m, v, grad, lr, beta1, beta2, eps, weight_decay, decoupled, "
     "step, grad_scale, workspace, /)\n--\n\n"
     "One step of Adam, or of AdamW if decoupled, in place; steps count from 1."},
    {"sgd_step", sgd_step, METH_VARARGS,
     "sgd_step($module, param, m, grad, lr, momentum, weight_decay, nesterov, step, grad_scale, "
     "workspace, /)\n--\n\n"
     "One step of SGD in place; m may be None without momentum, steps count from 1."},
    {NULL, NULL, 0, NULL},
};

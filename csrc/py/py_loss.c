/* py_loss.c: losses. */
#include "py/module.h"

static int
in_loss(PyObject *object, void *p)
{
    static const char *const names[AE_LOSSES] = {[AE_MSE] = "mse",
                                                 [AE_L1] = "l1",
                                                 [AE_HUBER] = "huber",
                                                 [AE_BCE_WITH_LOGITS] = "bce_with_logits",
                                                 [AE_POISSON] = "poisson"};
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "loss: expected a name, got %s",
                     Py_TYPE(object)->tp_name);
        return 0;
    }
    for (int i = 0; i < AE_LOSSES; i++) {
        if (PyUnicode_CompareWithASCIIString(object, names[i]) == 0) {
            *(ae_loss *)p = (ae_loss)i;
            return 1;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "loss: expected one of mse, l1, huber, bce_with_logits, poisson, got %R",
                 object);
    return 0;
}

static PyObject *
loss(PyObject *module, PyObject *args)
{
    ae_view sum = {.name = "out"}, dx = {.name = "dx"}, dloss = {.name = "grad"};
    ae_view x = {.name = "x"}, target = {.name = "target"}, mask = {.name = "mask"};
    ae_workspace *ws;
    ae_dims d;
    ae_loss kind;
    float delta;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&fO&:loss", in_loss, &kind, ae_maybe_out_f32,
                          &sum, ae_maybe_out_f32, &dx, ae_maybe_in_f32, &dloss, ae_in_f32, &x,
                          ae_in_f32, &target, ae_maybe_in_f32, &mask, &delta, ae_in_workspace,
                          &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &x, "NF") < 0 || ae_match(&d, &target, "NF") < 0 ||
        ae_match(&d, &mask, "NF") < 0 || ae_match(&d, &sum, "N") < 0 ||
        ae_match(&d, &dx, "NF") < 0 || ae_match(&d, &dloss, "N") < 0 ||
        AE_DISTINCT(2, &sum, &dx, &dloss, &x, &target, &mask) < 0) {
        return NULL;
    }
    if (kind == AE_HUBER && !(delta > 0.0f)) {
        PyErr_SetString(PyExc_ValueError, "delta: expected a number above 0");
        return NULL;
    }
    AE_RUN(ws, ae_loss_fwd_bwd(sum.data, dx.data, dloss.data, x.data, target.data, mask.data,
                               kind, delta, ae_dim(&d, 'N'), ae_dim(&d, 'F'), ctx));
}

/* Labels that aren't masked are in [0, E), or a ValueError names the first that isn't. */
static int
check_labels(const ae_view *labels, const ae_view *mask, int64_t T, int64_t E)
{
    const int64_t *label = labels->data;
    const float *w = mask->data;
    for (int64_t i = 0; i < labels->size; i++) {
        if ((uint64_t)label[i] >= (uint64_t)E && (w == NULL || w[i] != 0.0f)) {
            PyErr_Format(PyExc_ValueError,
                         "labels: expected 0 to %lld, got %lld in sample %lld, position %lld",
                         (long long)E - 1, (long long)label[i], (long long)(i / T),
                         (long long)(i % T));
            return -1;
        }
    }
    return 0;
}

static PyObject *
cross_entropy(PyObject *module, PyObject *args)
{
    ae_view sum = {.name = "out"}, dx = {.name = "dx"}, dloss = {.name = "grad"};
    ae_view logits = {.name = "logits"}, labels = {.name = "labels"}, mask = {.name = "mask"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&:cross_entropy", ae_maybe_out_f32, &sum,
                          ae_maybe_out_f32, &dx, ae_maybe_in_f32, &dloss, ae_in_f32, &logits,
                          ae_in_i64, &labels, ae_maybe_in_f32, &mask, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &logits, "NTE") < 0 || ae_match(&d, &labels, "NT") < 0 ||
        ae_match(&d, &mask, "NT") < 0 || ae_match(&d, &sum, "N") < 0 ||
        ae_match(&d, &dx, "NTE") < 0 || ae_match(&d, &dloss, "N") < 0 ||
        AE_DISTINCT(2, &sum, &dx, &dloss, &logits, &labels, &mask) < 0) {
        return NULL;
    }
    int64_t T = ae_dim(&d, 'T'), E = ae_dim(&d, 'E');
    if (check_labels(&labels, &mask, T, E) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_cross_entropy_fwd_bwd(sum.data, dx.data, dloss.data, logits.data, labels.data,
                                        mask.data, ae_dim(&d, 'N'), T, E, ctx));
}

static PyObject *
negative_binomial(PyObject *module, PyObject *args)
{
    ae_view sum = {.name = "out"}, dx = {.name = "dx"}, dtheta = {.name = "dlog_theta"};
    ae_view dloss = {.name = "grad"}, x = {.name = "x"}, target = {.name = "target"};
    ae_view mask = {.name = "mask"}, theta = {.name = "log_theta"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&O&O&:negative_binomial", ae_maybe_out_f32, &sum,
                          ae_maybe_out_f32, &dx, ae_maybe_out_f32, &dtheta, ae_maybe_in_f32,
                          &dloss, ae_in_f32, &x, ae_in_f32, &target, ae_maybe_in_f32, &mask,
                          ae_in_f32, &theta, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &x, "NF") < 0 || ae_match(&d, &target, "NF") < 0 ||
        ae_match(&d, &mask, "NF") < 0 || ae_match(&d, &sum, "N") < 0 ||
        ae_match(&d, &dx, "NF") < 0 || ae_match(&d, &dtheta, "NF") < 0 ||
        ae_match(&d, &dloss, "N") < 0 ||
        ae_match(&d, &theta, theta.ndim == 1 ? "F" : "NF") < 0 ||
        AE_DISTINCT(3, &sum, &dx, &dtheta, &dloss, &x, &target, &mask, &theta) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_negative_binomial_fwd_bwd(sum.data, dx.data, dtheta.data, dloss.data, x.data,
                                            target.data, mask.data, theta.data, theta.ndim == 2,
                                            ae_dim(&d, 'N'), ae_dim(&d, 'F'), ctx));
}

static PyObject *
multinomial(PyObject *module, PyObject *args)
{
    ae_view sum = {.name = "out"}, dx = {.name = "dx"}, dloss = {.name = "grad"};
    ae_view logits = {.name = "logits"}, counts = {.name = "counts"}, mask = {.name = "mask"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&:multinomial", ae_maybe_out_f32, &sum,
                          ae_maybe_out_f32, &dx, ae_maybe_in_f32, &dloss, ae_in_f32, &logits,
                          ae_in_f32, &counts, ae_maybe_in_f32, &mask, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &logits, "NTE") < 0 || ae_match(&d, &counts, "NTE") < 0 ||
        ae_match(&d, &mask, "NTE") < 0 || ae_match(&d, &sum, "N") < 0 ||
        ae_match(&d, &dx, "NTE") < 0 || ae_match(&d, &dloss, "N") < 0 ||
        AE_DISTINCT(2, &sum, &dx, &dloss, &logits, &counts, &mask) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_multinomial_fwd_bwd(sum.data, dx.data, dloss.data, logits.data, counts.data,
                                      mask.data, ae_dim(&d, 'N'), ae_dim(&d, 'T'),
                                      ae_dim(&d, 'E'), ctx));
}

PyMethodDef ae_loss_methods[] = {
    {"loss", loss, METH_VARARGS,
     "loss($module, kind, out, dx, grad, x, target, mask, delta, workspace, /)\n--\n\n"
     "out (N) = the loss of each row of x (N, F), dx (N, F) = grad (N) times its gradient.\n"
     "out, dx, grad (for ones) and mask (N, F) may be None."},
    {"cross_entropy", cross_entropy, METH_VARARGS,
     "cross_entropy($module, out, dx, grad, logits, labels, mask, workspace, /)\n--\n\n"
     "out (N) = the loss of logits (N, T, E) for labels (N, T), dx = grad (N) times its\n"
     "gradient. out, dx, grad (for ones) and mask (N, T) may be None."},
    {"negative_binomial", negative_binomial, METH_VARARGS,
     "negative_binomial($module, out, dx, dlog_theta, grad, x, target, mask, log_theta,\n"
     "workspace, /)\n--\n\n"
     "out (N) = the loss of counts target (N, F) of means exp x (N, F) and inverse dispersions\n"
     "exp log_theta, (F) or (N, F). dx and dlog_theta, both (N, F), = grad (N) times its\n"
     "gradients. out, dx, dlog_theta, grad (for ones) and mask (N, F) may be None."},
    {"multinomial", multinomial, METH_VARARGS,
     "multinomial($module, out, dx, grad, logits, counts, mask, workspace, /)\n--\n\n"
     "out (N) = the loss of counts (N, T, E) of outcomes with logits (N, T, E), dx = grad (N)\n"
     "times its gradient. out, dx, grad (for ones) and mask (N, T, E) may be None."},
    {NULL, NULL, 0, NULL},
};

/* py_norm_mlp.c: layer norm, linear layers and gelu in one. */
#include "py/module.h"

typedef struct {
    ae_view gamma, beta, w1, b1, w2, b2;
} parameter_views;

static const parameter_views names = {{.name = "gamma"},   {.name = "beta"},
                                      {.name = "weight1"}, {.name = "bias1"},
                                      {.name = "weight2"}, {.name = "bias2"}};
static const parameter_views grad_names = {{.name = "dgamma"},   {.name = "dbeta"},
                                           {.name = "dweight1"}, {.name = "dbias1"},
                                           {.name = "dweight2"}, {.name = "dbias2"}};

/* x (N, C), gamma, beta and bias2 (C), weight1 (F, C), weight2 (C, F), bias1 (F). */
static int
match_parameters(ae_dims *d, const parameter_views *v)
{
    if (ae_match(d, &v->gamma, "C") < 0 || ae_match(d, &v->beta, "C") < 0 ||
        ae_match(d, &v->w1, "FC") < 0 || ae_match(d, &v->b1, "F") < 0 ||
        ae_match(d, &v->w2, "CF") < 0 || ae_match(d, &v->b2, "C") < 0) {
        return -1;
    }
    return 0;
}

/* Arrays that there are all of, or none. */
static int
together(bool wanted, int n, const ae_view *const *views)
{
    for (int i = 0; i < n; i++) {
        if ((views[i]->data != NULL) != wanted) {
            PyErr_Format(PyExc_ValueError, "%s: expected %s", views[i]->name,
                         wanted ? "an array, as for weight2" : "None, as for weight2");
            return -1;
        }
    }
    return 0;
}

static PyObject *
norm_mlp(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, h = {.name = "hidden"}, mean = {.name = "mean"},
            rstd = {.name = "rstd"}, x = {.name = "x"};
    parameter_views v = names;
    ae_norm_mlp_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&O&O&O&O&fO&:norm_mlp", ae_maybe_out_f32, &y,
                          ae_out_f32, &h, ae_out_f32, &mean, ae_out_f32, &rstd, ae_in_f32, &x,
                          ae_in_f32, &v.gamma, ae_in_f32, &v.beta, ae_in_f32, &v.w1, ae_in_f32,
                          &v.b1, ae_maybe_in_f32, &v.w2, ae_maybe_in_f32, &v.b2, &cfg.eps,
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &x, "NC") < 0 || match_parameters(&d, &v) < 0 ||
        ae_match(&d, &y, "NC") < 0 || ae_match(&d, &h, "NF") < 0 ||
        ae_match(&d, &mean, "N") < 0 || ae_match(&d, &rstd, "N") < 0 ||
        together(v.w2.data != NULL, 2, (const ae_view *[]){&y, &v.b2}) < 0 ||
        AE_DISTINCT(4, &y, &h, &mean, &rstd, &x, &v.gamma, &v.beta, &v.w1, &v.b1, &v.w2,
                    &v.b2) < 0) {
        return NULL;
    }
    cfg.N = ae_dim(&d, 'N');
    cfg.C = ae_dim(&d, 'C');
    cfg.F = ae_dim(&d, 'F');
    const ae_norm_mlp p = {v.gamma.data, v.beta.data, v.w1.data,
                           v.b1.data,    v.w2.data,   v.b2.data};
    AE_RUN(ws, ae_norm_mlp_fwd(y.data, h.data, mean.data, rstd.data, x.data, &p, &cfg, ctx));
}

static PyObject *
norm_mlp_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dy = {.name = "grad"}, dh = {.name = "dhidden"},
            h = {.name = "hidden"}, x = {.name = "x"}, mean = {.name = "mean"},
            rstd = {.name = "rstd"};
    parameter_views v = names, g = grad_names;
    ae_norm_mlp_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int adds[6];
    (void)module;
    if (!PyArg_ParseTuple(
            args, "O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&(pppppp)O&:norm_mlp_backward", ae_out_f32,
            &dx, ae_out_f32, &g.gamma, ae_out_f32, &g.beta, ae_out_f32, &g.w1, ae_out_f32,
            &g.b1, ae_maybe_out_f32, &g.w2, ae_maybe_out_f32, &g.b2, ae_in_f32, &dy,
            ae_maybe_in_f32, &dh, ae_maybe_in_f32, &h, ae_in_f32, &x, ae_in_f32, &mean,
            ae_in_f32, &rstd, ae_in_f32, &v.gamma, ae_in_f32, &v.beta, ae_in_f32, &v.w1,
            ae_maybe_in_f32, &v.w2, &adds[0], &adds[1], &adds[2], &adds[3], &adds[4], &adds[5],
            ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    const bool second = v.w2.data != NULL;
    if (ae_match(&d, &x, "NC") < 0 || match_parameters(&d, &v) < 0 ||
        match_parameters(&d, &g) < 0 || ae_match(&d, &dx, "NC") < 0 ||
        ae_match(&d, &dy, "NC") < 0 || ae_match(&d, &dh, "NF") < 0 ||
        ae_match(&d, &h, "NF") < 0 || ae_match(&d, &mean, "N") < 0 ||
        ae_match(&d, &rstd, "N") < 0 ||
        together(second, 3, (const ae_view *[]){&h, &g.w2, &g.b2}) < 0 ||
        together(!second, 1, (const ae_view *[]){&dh}) < 0 ||
        AE_DISTINCT(7, &dx, &g.gamma, &g.beta, &g.w1, &g.b1, &g.w2, &g.b2, &dy, &dh, &h, &x,
                    &mean, &rstd, &v.gamma, &v.beta, &v.w1, &v.w2) < 0) {
        return NULL;
    }
    cfg.N = ae_dim(&d, 'N');
    cfg.C = ae_dim(&d, 'C');
    cfg.F = ae_dim(&d, 'F');
    cfg.adds = (ae_norm_mlp_adds){adds[0], adds[1], adds[2], adds[3], adds[4], adds[5]};
    const ae_norm_mlp p = {v.gamma.data, v.beta.data, v.w1.data, NULL, v.w2.data, NULL};
    const ae_norm_mlp_grads grads = {g.gamma.data, g.beta.data, g.w1.data,
                                     g.b1.data,    g.w2.data,   g.b2.data};
    AE_RUN(ws, ae_norm_mlp_bwd(dx.data, &grads, dy.data, dh.data, h.data, x.data, mean.data,
                               rstd.data, &p, &cfg, ctx));
}

PyMethodDef ae_norm_mlp_methods[] = {
    {"norm_mlp", norm_mlp, METH_VARARGS,
     "norm_mlp($module, out, hidden, mean, rstd, x, gamma, beta, weight1, bias1, weight2, "
     "bias2, eps, workspace, /)\n--\n\n"
     "hidden (N, F) = norm(x (N, C)) weight1 (F, C)^T + bias1 (F); unless weight2 is None, out "
     "(N, C) = x + gelu(hidden) weight2 (C, F)^T + bias2 (C)."},
    {"norm_mlp_backward", norm_mlp_backward, METH_VARARGS,
     "norm_mlp_backward($module, dx, dgamma, dbeta, dweight1, dbias1, dweight2, dbias2, grad, "
     "dhidden, hidden, x, mean, rstd, gamma, beta, weight1, weight2, adds, workspace, /)\n--\n\n"
     "dx (N, C) is overwritten with grad + what comes by way of hidden; the others are too, or "
     "added to, as adds, for each of them, says. dhidden is given where weight2 is None, hidden "
     "otherwise."},
    {NULL, NULL, 0, NULL},
};

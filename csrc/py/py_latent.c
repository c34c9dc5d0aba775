/* py_latent.c: the latent terms. */
#include "py/module.h"

static PyObject *
reparameterize(PyObject *module, PyObject *args)
{
    ae_view z = {.name = "out"}, mean = {.name = "mean"}, logvar = {.name = "logvar"};
    ae_view eps = {.name = "eps"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&:reparameterize", ae_out_f32, &z, ae_in_f32, &mean,
                          ae_in_f32, &logvar, ae_in_f32, &eps, ae_in_workspace, &ws)) {
        return NULL;
    }
    const char *shape = ae_any_shape(&mean);
    ae_dims_init(&d);
    if (ae_match(&d, &mean, shape) < 0 || ae_match(&d, &logvar, shape) < 0 ||
        ae_match(&d, &eps, shape) < 0 || ae_match(&d, &z, shape) < 0 ||
        AE_DISTINCT(1, &z, &mean, &logvar, &eps) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_reparameterize_fwd(z.data, mean.data, logvar.data, eps.data, z.size, ctx));
}

static PyObject *
reparameterize_backward(PyObject *module, PyObject *args)
{
    ae_view dmean = {.name = "dmean"}, dlogvar = {.name = "dlogvar"}, deps = {.name = "deps"};
    ae_view dz = {.name = "grad"}, logvar = {.name = "logvar"}, eps = {.name = "eps"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&:reparameterize_backward", ae_out_f32, &dmean,
                          ae_out_f32, &dlogvar, ae_maybe_out_f32, &deps, ae_in_f32, &dz,
                          ae_in_f32, &logvar, ae_in_f32, &eps, ae_in_workspace, &ws)) {
        return NULL;
    }
    const char *shape = ae_any_shape(&logvar);
    ae_dims_init(&d);
    if (ae_match(&d, &logvar, shape) < 0 || ae_match(&d, &eps, shape) < 0 ||
        ae_match(&d, &dz, shape) < 0 || ae_match(&d, &dmean, shape) < 0 ||
        ae_match(&d, &dlogvar, shape) < 0 || ae_match(&d, &deps, shape) < 0 ||
        AE_DISTINCT(3, &dmean, &dlogvar, &deps, &dz, &logvar, &eps) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_reparameterize_bwd(dmean.data, dlogvar.data, deps.data, dz.data, logvar.data,
                                     eps.data, dz.size, ctx));
}

static PyObject *
gaussian_kl(PyObject *module, PyObject *args)
{
    ae_view kl = {.name = "out"}, mean = {.name = "mean"}, logvar = {.name = "logvar"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:gaussian_kl", ae_out_f32, &kl, ae_in_f32, &mean,
                          ae_in_f32, &logvar, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &mean, "ND") < 0 || ae_match(&d, &logvar, "ND") < 0 ||
        ae_match(&d, &kl, "N") < 0 || AE_DISTINCT(1, &kl, &mean, &logvar) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_gaussian_kl_fwd(kl.data, mean.data, logvar.data, ae_dim(&d, 'N'),
                                  ae_dim(&d, 'D'), ctx));
}

static PyObject *
gaussian_kl_backward(PyObject *module, PyObject *args)
{
    ae_view dmean = {.name = "dmean"}, dlogvar = {.name = "dlogvar"}, dkl = {.name = "grad"};
    ae_view mean = {.name = "mean"}, logvar = {.name = "logvar"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&:gaussian_kl_backward", ae_out_f32, &dmean,
                          ae_out_f32, &dlogvar, ae_in_f32, &dkl, ae_in_f32, &mean, ae_in_f32,
                          &logvar, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &mean, "ND") < 0 || ae_match(&d, &logvar, "ND") < 0 ||
        ae_match(&d, &dkl, "N") < 0 || ae_match(&d, &dmean, "ND") < 0 ||
        ae_match(&d, &dlogvar, "ND") < 0 ||
        AE_DISTINCT(2, &dmean, &dlogvar, &dkl, &mean, &logvar) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_gaussian_kl_bwd(dmean.data, dlogvar.data, dkl.data, mean.data, logvar.data,
                                  ae_dim(&d, 'N'), ae_dim(&d, 'D'), ctx));
}

/* h (N, 2D) holds both halves. */
static int
match_halves(ae_dims *d, const ae_view *h, const ae_view *mean, const ae_view *logvar)
{
    ae_dims_init(d);
    if (ae_match(d, mean, "ND") < 0 || ae_match(d, logvar, "ND") < 0) {
        return -1;
    }
    d->size['H' - 'A'] = 2 * ae_dim(d, 'D');
    return ae_match(d, h, "NH");
}

static PyObject *
split_latent(PyObject *module, PyObject *args)
{
    ae_view mean = {.name = "mean"}, logvar = {.name = "logvar"}, h = {.name = "h"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:split_latent", ae_out_f32, &mean, ae_out_f32, &logvar,
                          ae_in_f32, &h, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_halves(&d, &h, &mean, &logvar) < 0 || AE_DISTINCT(2, &mean, &logvar, &h) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_split_latent_fwd(mean.data, logvar.data, h.data, ae_dim(&d, 'N'),
                                   ae_dim(&d, 'D'), ctx));
}

static PyObject *
split_latent_backward(PyObject *module, PyObject *args)
{
    ae_view dh = {.name = "dh"}, dmean = {.name = "dmean"}, dlogvar = {.name = "dlogvar"};
    ae_view h = {.name = "h"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&:split_latent_backward", ae_out_f32, &dh, ae_in_f32,
                          &dmean, ae_in_f32, &dlogvar, ae_in_f32, &h, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_halves(&d, &h, &dmean, &dlogvar) < 0 || ae_match(&d, &dh, "NH") < 0 ||
        AE_DISTINCT(1, &dh, &dmean, &dlogvar, &h) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_split_latent_bwd(dh.data, dmean.data, dlogvar.data, h.data, ae_dim(&d, 'N'),
                                   ae_dim(&d, 'D'), ctx));
}

PyMethodDef ae_latent_methods[] = {
    {"reparameterize", reparameterize, METH_VARARGS,
     "reparameterize($module, out, mean, logvar, eps, workspace, /)\n--\n\n"
     "out = mean + exp(logvar / 2) eps, all of one shape."},
    {"reparameterize_backward", reparameterize_backward, METH_VARARGS,
     "reparameterize_backward($module, dmean, dlogvar, deps, grad, logvar, eps, workspace, /)\n"
     "--\n\nAll three are overwritten; deps may be None."},
    {"gaussian_kl", gaussian_kl, METH_VARARGS,
     "gaussian_kl($module, out, mean, logvar, workspace, /)\n--\n\n"
     "out (N) = the divergence of N(mean, exp(logvar)) from N(0, 1), in nats, over D."},
    {"gaussian_kl_backward", gaussian_kl_backward, METH_VARARGS,
     "gaussian_kl_backward($module, dmean, dlogvar, grad, mean, logvar, workspace, /)\n--\n\n"
     "dmean and dlogvar (N, D) are overwritten; grad is (N)."},
    {"split_latent", split_latent, METH_VARARGS,
     "split_latent($module, mean, logvar, h, workspace, /)\n--\n\n"
     "mean (N, D) = h[:, :D]; logvar = h[:, D:], clamped softly to within 15 of 0."},
    {"split_latent_backward", split_latent_backward, METH_VARARGS,
     "split_latent_backward($module, dh, dmean, dlogvar, h, workspace, /)\n--\n\n"
     "dh (N, 2D) is overwritten."},
    {NULL, NULL, 0, NULL},
};

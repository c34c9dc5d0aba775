/* py_attention.c: attention, of arrays of their own or of one packed array. */
#include <math.h>

#include "py/module.h"

static int
check_scale(double scale)
{
    if (isfinite((float)scale)) {
        return 0;
    }
    PyObject *given = PyFloat_FromDouble(scale);
    PyErr_Format(PyExc_ValueError, "scale: expected a finite number, got %R", given);
    Py_XDECREF(given);
    return -1;
}

static int
check_lengths(ae_dims *d, const ae_view *lengths, const ae_attention_cfg *cfg)
{
    if (lengths->data == NULL) {
        return 0;
    }
    if (cfg->T != cfg->S) {
        PyErr_Format(PyExc_ValueError,
                     "lengths: expected as many queries as keys, got %lld and %lld",
                     (long long)cfg->T, (long long)cfg->S);
        return -1;
    }
    return ae_match(d, lengths, "N") < 0 ? -1 : ae_check_index(lengths, cfg->S + 1);
}

/* q (N, T, H, D), k and v (N, S, H, D), or NULL; lse (N, H, T). */
static int
match_separate(ae_dims *d, const ae_view *q, const ae_view *k, const ae_view *v,
               const ae_view *lse, const ae_view *lengths, double scale, ae_attention_cfg *cfg)
{
    ae_dims_init(d);
    if (ae_match(d, q, "NTHD") < 0 || ae_match(d, k, "NSHD") < 0 ||
        ae_match(d, v, "NSHD") < 0 || ae_match(d, lse, "NHT") < 0) {
        return -1;
    }
    cfg->N = ae_dim(d, 'N');
    cfg->T = ae_dim(d, 'T');
    cfg->S = ae_dim(d, 'S');
    cfg->H = ae_dim(d, 'H');
    cfg->D = ae_dim(d, 'D');
    cfg->q_row = cfg->kv_row = cfg->H * cfg->D;
    cfg->scale = (float)scale;
    return check_scale(scale) < 0 ? -1 : check_lengths(d, lengths, cfg);
}

/* qkv (N, T, 3, H, D). */
static int
match_packed(ae_dims *d, const ae_view *qkv, const ae_view *lse, const ae_view *lengths,
             double scale, ae_attention_cfg *cfg)
{
    ae_dims_init(d);
    if (ae_match(d, qkv, "NTPHD") < 0 || ae_match(d, lse, "NHT") < 0) {
        return -1;
    }
    if (ae_dim(d, 'P') != 3) {
        PyErr_Format(PyExc_ValueError, "%s: expected shape (N, T, 3, H, D), got %lld for the 3",
                     qkv->name, (long long)ae_dim(d, 'P'));
        return -1;
    }
    cfg->N = ae_dim(d, 'N');
    cfg->T = cfg->S = ae_dim(d, 'T');
    cfg->H = ae_dim(d, 'H');
    cfg->D = ae_dim(d, 'D');
    cfg->q_row = cfg->kv_row = 3 * cfg->H * cfg->D;
    cfg->scale = (float)scale;
    return check_scale(scale) < 0 ? -1 : check_lengths(d, lengths, cfg);
}

static PyObject *
attention(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, lse = {.name = "lse"}, q = {.name = "q"}, k = {.name = "k"},
            v = {.name = "v"}, lengths = {.name = "lengths"};
    ae_attention_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int causal;
    double scale;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&pdO&:attention", ae_out_f32, &y, ae_out_f32, &lse,
                          ae_in_f32, &q, ae_in_f32, &k, ae_in_f32, &v, ae_maybe_in_i64,
                          &lengths, &causal, &scale, ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.causal = causal;
    if (match_separate(&d, &q, &k, &v, &lse, &lengths, scale, &cfg) < 0 ||
        ae_match(&d, &y, "NTHD") < 0 || AE_DISTINCT(2, &y, &lse, &q, &k, &v, &lengths) < 0) {
        return NULL;
    }
    AE_RUN(ws,
           ae_attention_fwd(y.data, lse.data, q.data, k.data, v.data, lengths.data, &cfg, ctx));
}

static PyObject *
attention_backward(PyObject *module, PyObject *args)
{
    ae_view dq = {.name = "dq"}, dk = {.name = "dk"}, dv = {.name = "dv"};
    ae_view dy = {.name = "grad"}, y = {.name = "y"}, lse = {.name = "lse"};
    ae_view q = {.name = "q"}, k = {.name = "k"}, v = {.name = "v"};
    ae_view lengths = {.name = "lengths"};
    ae_attention_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int causal;
    double scale;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&O&O&O&pdO&:attention_backward", ae_maybe_out_f32,
                          &dq, ae_maybe_out_f32, &dk, ae_maybe_out_f32, &dv, ae_in_f32, &dy,
                          ae_in_f32, &y, ae_in_f32, &lse, ae_in_f32, &q, ae_in_f32, &k,
                          ae_in_f32, &v, ae_maybe_in_i64, &lengths, &causal, &scale,
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.causal = causal;
    if (match_separate(&d, &q, &k, &v, &lse, &lengths, scale, &cfg) < 0 ||
        ae_match(&d, &dy, "NTHD") < 0 || ae_match(&d, &y, "NTHD") < 0 ||
        ae_match(&d, &dq, "NTHD") < 0 || ae_match(&d, &dk, "NSHD") < 0 ||
        ae_match(&d, &dv, "NSHD") < 0 ||
        AE_DISTINCT(3, &dq, &dk, &dv, &dy, &y, &lse, &q, &k, &v, &lengths) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_attention_bwd(dq.data, dk.data, dv.data, dy.data, y.data, lse.data, q.data,
                                k.data, v.data, lengths.data, &cfg, ctx));
}

static PyObject *
self_attention(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, lse = {.name = "lse"}, qkv = {.name = "qkv"},
            lengths = {.name = "lengths"};
    ae_attention_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int causal;
    double scale;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&pdO&:self_attention", ae_out_f32, &y, ae_out_f32, &lse,
                          ae_in_f32, &qkv, ae_maybe_in_i64, &lengths, &causal, &scale,
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.causal = causal;
    if (match_packed(&d, &qkv, &lse, &lengths, scale, &cfg) < 0 ||
        ae_match(&d, &y, "NTHD") < 0 || AE_DISTINCT(2, &y, &lse, &qkv, &lengths) < 0) {
        return NULL;
    }
    const float *q = qkv.data;
    const int64_t width = cfg.H * cfg.D;
    AE_RUN(ws, ae_attention_fwd(y.data, lse.data, q, q + width, q + 2 * width, lengths.data,
                                &cfg, ctx));
}

static PyObject *
self_attention_backward(PyObject *module, PyObject *args)
{
    ae_view dqkv = {.name = "dqkv"}, dy = {.name = "grad"}, y = {.name = "y"};
    ae_view lse = {.name = "lse"}, qkv = {.name = "qkv"}, lengths = {.name = "lengths"};
    ae_attention_cfg cfg = {0};
    ae_workspace *ws;
    ae_dims d;
    int causal;
    double scale;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&pdO&:self_attention_backward", ae_out_f32, &dqkv,
                          ae_in_f32, &dy, ae_in_f32, &y, ae_in_f32, &lse, ae_in_f32, &qkv,
                          ae_maybe_in_i64, &lengths, &causal, &scale, ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.causal = causal;
    if (match_packed(&d, &qkv, &lse, &lengths, scale, &cfg) < 0 ||
        ae_match(&d, &dy, "NTHD") < 0 || ae_match(&d, &y, "NTHD") < 0 ||
        ae_match(&d, &dqkv, "NTPHD") < 0 ||
        AE_DISTINCT(1, &dqkv, &dy, &y, &lse, &qkv, &lengths) < 0) {
        return NULL;
    }
    const float *q = qkv.data;
    float *dq = dqkv.data;
    const int64_t width = cfg.H * cfg.D;
    AE_RUN(ws, ae_attention_bwd(dq, dq + width, dq + 2 * width, dy.data, y.data, lse.data, q,
                                q + width, q + 2 * width, lengths.data, &cfg, ctx));
}

PyMethodDef ae_attention_methods[] = {
    {"attention", attention, METH_VARARGS,
     "attention($module, out, lse, q, k, v, lengths, causal, scale, workspace, /)\n--\n\n"
     "out (N, T, H, D) and lse (N, H, T) from q (N, T, H, D), k and v (N, S, H, D); lengths (N) "
     "or None."},
    {"attention_backward", attention_backward, METH_VARARGS,
     "attention_backward($module, dq, dk, dv, grad, y, lse, q, k, v, lengths, causal, scale, "
     "workspace, /)\n--\n\n"
     "dq, dk and dv are overwritten; None skips one."},
    {"self_attention", self_attention, METH_VARARGS,
     "self_attention($module, out, lse, qkv, lengths, causal, scale, workspace, /)\n--\n\n"
     "out (N, T, H, D) and lse (N, H, T) from qkv (N, T, 3, H, D); lengths (N) or None."},
    {"self_attention_backward", self_attention_backward, METH_VARARGS,
     "self_attention_backward($module, dqkv, grad, y, lse, qkv, lengths, causal, scale, "
     "workspace, /)\n--\n\n"
     "dqkv (N, T, 3, H, D) is overwritten."},
    {NULL, NULL, 0, NULL},
};

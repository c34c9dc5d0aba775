/* py_lstm.c: the LSTM and the GRU. */
#include "py/module.h"

/* What both passes take. */
typedef struct {
    ae_view y, gates, cells, x, h0, c0, lengths, mask, w_ih, w_hh;
    Py_ssize_t offset;
    int reverse;
} lstm_views;

static const lstm_views named = {.y = {.name = "out"},
                                 .gates = {.name = "gates"},
                                 .cells = {.name = "cells"},
                                 .x = {.name = "x"},
                                 .h0 = {.name = "h0"},
                                 .c0 = {.name = "c0"},
                                 .lengths = {.name = "lengths"},
                                 .mask = {.name = "recurrent_mask"},
                                 .w_ih = {.name = "weight_ih"},
                                 .w_hh = {.name = "weight_hh"}};

/* The shapes, with S = 4H sums and G rows of weights, which are as many, or 3H for a GRU. x has one
 * step or those of y, of which H columns are the layer's. */
static int
match_lstm(ae_dims *d, const lstm_views *v, ae_lstm_cfg *cfg, ae_lstm_inputs *in)
{
    ae_dims_init(d);
    if (cfg->gru ? ae_match(d, &v->w_hh, "GH") < 0 || ae_match(d, &v->y, "NTY") < 0
                 : ae_match(d, &v->cells, "NTH") < 0) {
        return -1;
    }
    d->size['G' - 'A'] = (cfg->gru ? 3 : 4) * ae_dim(d, 'H');
    d->size['S' - 'A'] = 4 * ae_dim(d, 'H');
    cfg->repeat = v->x.ndim == 3 && v->x.shape[1] == 1 && ae_dim(d, 'T') != 1;
    if (ae_match(d, &v->x, cfg->repeat ? "NUF" : "NTF") < 0 ||
        ae_match(d, &v->w_ih, "GF") < 0 || ae_match(d, &v->w_hh, "GH") < 0 ||
        ae_match(d, &v->y, "NTY") < 0 || ae_match(d, &v->gates, "NTS") < 0 ||
        ae_match(d, &v->h0, "NH") < 0 || ae_match(d, &v->c0, "NH") < 0 ||
        ae_match(d, &v->lengths, "N") < 0 || ae_match(d, &v->mask, "NH") < 0 ||
        ae_check_index(&v->lengths, ae_dim(d, 'T') + 1) < 0) {
        return -1;
    }
    if (v->offset < 0 || v->offset > ae_dim(d, 'Y') - ae_dim(d, 'H')) {
        PyErr_Format(PyExc_ValueError, "offset: %zd leaves no room for %lld units in %lld",
                     v->offset, (long long)ae_dim(d, 'H'), (long long)ae_dim(d, 'Y'));
        return -1;
    }
    cfg->N = ae_dim(d, 'N');
    cfg->T = ae_dim(d, 'T');
    cfg->F = ae_dim(d, 'F');
    cfg->H = ae_dim(d, 'H');
    cfg->stride = ae_dim(d, 'Y');
    cfg->reverse = v->reverse;
    *in = (ae_lstm_inputs){v->x.data,       v->h0.data,   v->c0.data,   v->mask.data,
                           v->lengths.data, v->w_ih.data, v->w_hh.data, NULL};
    return 0;
}

static PyObject *
lstm(PyObject *module, PyObject *args)
{
    lstm_views v = named;
    ae_view h = {.name = "h"}, c = {.name = "c"}, b = {.name = "bias"};
    ae_lstm_cfg cfg = {0};
    ae_lstm_inputs in;
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&O&O&O&O&O&O&npO&:lstm", ae_out_f32, &v.y,
                          ae_out_f32, &h, ae_out_f32, &c, ae_out_f32, &v.gates, ae_out_f32,
                          &v.cells, ae_in_f32, &v.x, ae_maybe_in_f32, &v.h0, ae_maybe_in_f32,
                          &v.c0, ae_maybe_in_i64, &v.lengths, ae_maybe_in_f32, &v.mask,
                          ae_in_f32, &v.w_ih, ae_in_f32, &v.w_hh, ae_maybe_in_f32, &b,
                          &v.offset, &v.reverse, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_lstm(&d, &v, &cfg, &in) < 0 || ae_match(&d, &h, "NH") < 0 ||
        ae_match(&d, &c, "NH") < 0 || ae_match(&d, &b, "G") < 0 ||
        AE_DISTINCT(5, &v.y, &h, &c, &v.gates, &v.cells, &v.x, &v.h0, &v.c0, &v.lengths,
                    &v.mask, &v.w_ih, &v.w_hh, &b) < 0) {
        return NULL;
    }
    in.b = b.data;
    AE_RUN(ws, ae_lstm_fwd((float *)v.y.data + v.offset, h.data, c.data, v.gates.data,
                           v.cells.data, &in, &cfg, ctx));
}

static PyObject *
lstm_backward(PyObject *module, PyObject *args)
{
    lstm_views v = named;
    ae_view dx = {.name = "dx"}, dh0 = {.name = "dh0"}, dc0 = {.name = "dc0"};
    ae_view dw_ih = {.name = "dweight_ih"}, dw_hh = {.name = "dweight_hh"};
    ae_view db = {.name = "dbias"}, dy = {.name = "grad"}, dh = {.name = "dh"};
    ae_view dc = {.name = "dc"};
    ae_lstm_cfg cfg = {0};
    ae_lstm_inputs in;
    ae_workspace *ws;
    ae_dims d;
    int adds[3];
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&np(ppp)O&:lstm_backward",
                          ae_maybe_out_f32, &dx, ae_maybe_out_f32, &dh0, ae_maybe_out_f32, &dc0,
                          ae_maybe_out_f32, &dw_ih, ae_maybe_out_f32, &dw_hh, ae_maybe_out_f32,
                          &db, ae_maybe_in_f32, &dy, ae_maybe_in_f32, &dh, ae_maybe_in_f32, &dc,
                          ae_in_f32, &v.y, ae_in_f32, &v.gates, ae_in_f32, &v.cells, ae_in_f32,
                          &v.x, ae_maybe_in_f32, &v.h0, ae_maybe_in_f32, &v.c0, ae_maybe_in_i64,
                          &v.lengths, ae_maybe_in_f32, &v.mask, ae_in_f32, &v.w_ih, ae_in_f32,
                          &v.w_hh, &v.offset, &v.reverse, &adds[0], &adds[1], &adds[2],
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_lstm(&d, &v, &cfg, &in) < 0 || ae_match(&d, &dy, "NTY") < 0 ||
        ae_match(&d, &dh, "NH") < 0 || ae_match(&d, &dc, "NH") < 0 ||
        ae_match(&d, &dx, cfg.repeat ? "NUF" : "NTF") < 0 || ae_match(&d, &dh0, "NH") < 0 ||
        ae_match(&d, &dc0, "NH") < 0 || ae_match(&d, &dw_ih, "GF") < 0 ||
        ae_match(&d, &dw_hh, "GH") < 0 || ae_match(&d, &db, "G") < 0 ||
        AE_DISTINCT(6, &dx, &dh0, &dc0, &dw_ih, &dw_hh, &db, &dy, &dh, &dc, &v.y, &v.gates,
                    &v.cells, &v.x, &v.h0, &v.c0, &v.lengths, &v.mask, &v.w_ih, &v.w_hh) < 0) {
        return NULL;
    }
    cfg.adds = (ae_lstm_adds){adds[0], adds[1], adds[2]};
    const ae_lstm_grads out = {dx.data, dh0.data, dc0.data, dw_ih.data, dw_hh.data, db.data};
    const float *grad = dy.data != NULL ? (const float *)dy.data + v.offset : NULL;
    const float *y = (const float *)v.y.data + v.offset;
    AE_RUN(ws, ae_lstm_bwd(&out, grad, dh.data, dc.data, y, v.gates.data, v.cells.data, &in,
                           &cfg, ctx));
}

static PyObject *
gru(PyObject *module, PyObject *args)
{
    lstm_views v = named;
    ae_view h = {.name = "h"}, b = {.name = "bias"};
    ae_lstm_cfg cfg = {.gru = true};
    ae_lstm_inputs in;
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&O&O&O&O&npO&:gru", ae_out_f32, &v.y, ae_out_f32,
                          &h, ae_out_f32, &v.gates, ae_in_f32, &v.x, ae_maybe_in_f32, &v.h0,
                          ae_maybe_in_i64, &v.lengths, ae_maybe_in_f32, &v.mask, ae_in_f32,
                          &v.w_ih, ae_in_f32, &v.w_hh, ae_maybe_in_f32, &b, &v.offset,
                          &v.reverse, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_lstm(&d, &v, &cfg, &in) < 0 || ae_match(&d, &h, "NH") < 0 ||
        ae_match(&d, &b, "S") < 0 ||
        AE_DISTINCT(3, &v.y, &h, &v.gates, &v.x, &v.h0, &v.lengths, &v.mask, &v.w_ih, &v.w_hh,
                    &b) < 0) {
        return NULL;
    }
    in.b = b.data;
    AE_RUN(ws, ae_gru_fwd((float *)v.y.data + v.offset, h.data, v.gates.data, &in, &cfg, ctx));
}

static PyObject *
gru_backward(PyObject *module, PyObject *args)
{
    lstm_views v = named;
    ae_view dx = {.name = "dx"}, dh0 = {.name = "dh0"}, dw_ih = {.name = "dweight_ih"};
    ae_view dw_hh = {.name = "dweight_hh"}, db = {.name = "dbias"}, dy = {.name = "grad"};
    ae_view dh = {.name = "dh"};
    ae_lstm_cfg cfg = {.gru = true};
    ae_lstm_inputs in;
    ae_workspace *ws;
    ae_dims d;
    int adds[3];
    (void)module;
    if (!PyArg_ParseTuple(
            args, "O&O&O&O&O&O&O&O&O&O&O&O&O&O&O&np(ppp)O&:gru_backward", ae_maybe_out_f32, &dx,
            ae_maybe_out_f32, &dh0, ae_maybe_out_f32, &dw_ih, ae_maybe_out_f32, &dw_hh,
            ae_maybe_out_f32, &db, ae_maybe_in_f32, &dy, ae_maybe_in_f32, &dh, ae_in_f32, &v.y,
            ae_in_f32, &v.gates, ae_in_f32, &v.x, ae_maybe_in_f32, &v.h0, ae_maybe_in_i64,
            &v.lengths, ae_maybe_in_f32, &v.mask, ae_in_f32, &v.w_ih, ae_in_f32, &v.w_hh,
            &v.offset, &v.reverse, &adds[0], &adds[1], &adds[2], ae_in_workspace, &ws)) {
        return NULL;
    }
    if (match_lstm(&d, &v, &cfg, &in) < 0 || ae_match(&d, &dy, "NTY") < 0 ||
        ae_match(&d, &dh, "NH") < 0 || ae_match(&d, &dx, cfg.repeat ? "NUF" : "NTF") < 0 ||
        ae_match(&d, &dh0, "NH") < 0 || ae_match(&d, &dw_ih, "GF") < 0 ||
        ae_match(&d, &dw_hh, "GH") < 0 || ae_match(&d, &db, "S") < 0 ||
        AE_DISTINCT(5, &dx, &dh0, &dw_ih, &dw_hh, &db, &dy, &dh, &v.y, &v.gates, &v.x, &v.h0,
                    &v.lengths, &v.mask, &v.w_ih, &v.w_hh) < 0) {
        return NULL;
    }
    cfg.adds = (ae_lstm_adds){adds[0], adds[1], adds[2]};
    const ae_lstm_grads out = {dx.data, dh0.data, NULL, dw_ih.data, dw_hh.data, db.data};
    const float *grad = dy.data != NULL ? (const float *)dy.data + v.offset : NULL;
    const float *y = (const float *)v.y.data + v.offset;
    AE_RUN(ws, ae_gru_bwd(&out, grad, dh.data, y, v.gates.data, &in, &cfg, ctx));
}

PyMethodDef ae_lstm_methods[] = {
    {"lstm", lstm, METH_VARARGS,
     "lstm($module, out, h, c, gates, cells, x, h0, c0, lengths, mask, weight_ih, weight_hh, "
     "bias, offset, reverse, workspace, /)\n--\n\n"
     "Columns offset to offset + H of out (N, T, Y), and h, c (N, H), from x (N, T, F), or (N, 1, "
     "F)\nfor T equal steps. gates (N, T, 4H) and cells (N, T, H) are what lstm_backward needs."},
    {"lstm_backward", lstm_backward, METH_VARARGS,
     "lstm_backward($module, dx, dh0, dc0, dweight_ih, dweight_hh, dbias, grad, dh, dc, out, "
     "gates, cells, x, h0, c0, lengths, mask, weight_ih, weight_hh, offset, reverse, adds, "
     "workspace, /)\n--\n\n"
     "dx, dh0 and dc0 are overwritten; dweight_ih, dweight_hh and dbias are too, or added to, as\n"
     "adds, for each of them, says. None skips one."},
    {"gru", gru, METH_VARARGS,
     "gru($module, out, h, gates, x, h0, lengths, mask, weight_ih, weight_hh, bias, offset, "
     "reverse, workspace, /)\n--\n\n"
     "Columns offset to offset + H of out (N, T, Y), and h (N, H), from x (N, T, F), or (N, 1, F)\n"
     "for T equal steps. gates (N, T, 4H) is what gru_backward needs. bias (4H) has that of the\n"
     "recurrent part of n behind those of r, z and n."},
    {"gru_backward", gru_backward, METH_VARARGS,
     "gru_backward($module, dx, dh0, dweight_ih, dweight_hh, dbias, grad, dh, out, gates, x, h0, "
     "lengths, mask, weight_ih, weight_hh, offset, reverse, adds, workspace, /)\n--\n\n"
     "dx and dh0 are overwritten; dweight_ih, dweight_hh and dbias are too, or added to, as adds,\n"
     "for each of them, says. None skips one."},
    {NULL, NULL, 0, NULL},
};

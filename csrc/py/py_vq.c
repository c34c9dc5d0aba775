/* py_vq.c: vector quantisation. */
#include "py/module.h"

static PyObject *
vector_quantize(PyObject *module, PyObject *args)
{
    ae_view q = {.name = "quantized"}, index = {.name = "indices"};
    ae_view z = {.name = "z"}, codebook = {.name = "codebook"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&:vector_quantize", ae_maybe_out_f32, &q, ae_out_i64,
                          &index, ae_in_f32, &z, ae_in_f32, &codebook, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &z, "ND") < 0 || ae_match(&d, &codebook, "ED") < 0 ||
        ae_match(&d, &q, "ND") < 0 || ae_match(&d, &index, "N") < 0 ||
        AE_DISTINCT(2, &q, &index, &z, &codebook) < 0) {
        return NULL;
    }
    int64_t N = ae_dim(&d, 'N'), D = ae_dim(&d, 'D'), E = ae_dim(&d, 'E');
    if (N > 0 && E == 0) {
        return PyErr_Format(PyExc_ValueError,
                            "codebook: expected at least one entry, got none");
    }
    AE_RUN(ws, ae_vector_quantize_fwd(q.data, index.data, z.data, codebook.data, N, D, E, ctx));
}

static PyObject *
vector_quantize_backward(PyObject *module, PyObject *args)
{
    ae_view dz = {.name = "dz"}, de = {.name = "dcodebook"}, dq = {.name = "grad"};
    ae_view z = {.name = "z"}, codebook = {.name = "codebook"}, index = {.name = "indices"};
    float commitment, scale;
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&ffO&:vector_quantize_backward", ae_out_f32, &dz,
                          ae_maybe_out_f32, &de, ae_in_f32, &dq, ae_in_f32, &z, ae_in_f32,
                          &codebook, ae_in_i64, &index, &commitment, &scale, ae_in_workspace,
                          &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &z, "ND") < 0 || ae_match(&d, &codebook, "ED") < 0 ||
        ae_match(&d, &index, "N") < 0 || ae_match(&d, &dq, "ND") < 0 ||
        ae_match(&d, &dz, "ND") < 0 || ae_match(&d, &de, "ED") < 0 ||
        AE_DISTINCT(2, &dz, &de, &dq, &z, &codebook, &index) < 0 ||
        ae_check_index(&index, ae_dim(&d, 'E')) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_vector_quantize_bwd(dz.data, de.data, dq.data, z.data, codebook.data,
                                      index.data, commitment, scale, ae_dim(&d, 'N'),
                                      ae_dim(&d, 'D'), ae_dim(&d, 'E'), ctx));
}

static PyObject *
vq_statistics(PyObject *module, PyObject *args)
{
    ae_view count = {.name = "count"}, sum = {.name = "sum"};
    ae_view z = {.name = "z"}, index = {.name = "indices"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&:vq_statistics", ae_out_f32, &count, ae_out_f32,
                          &sum, ae_in_f32, &z, ae_in_i64, &index, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &z, "ND") < 0 || ae_match(&d, &index, "N") < 0 ||
        ae_match(&d, &sum, "ED") < 0 || ae_match(&d, &count, "E") < 0 ||
        AE_DISTINCT(2, &count, &sum, &z, &index) < 0 ||
        ae_check_index(&index, ae_dim(&d, 'E')) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_vq_statistics(count.data, sum.data, z.data, index.data, ae_dim(&d, 'N'),
                                ae_dim(&d, 'D'), ae_dim(&d, 'E'), ctx));
}

PyMethodDef ae_vq_methods[] = {
    {"vector_quantize", vector_quantize, METH_VARARGS,
     "vector_quantize($module, quantized, indices, z, codebook, workspace, /)\n--\n\n"
     "indices (N) of the nearest entries of the codebook (E, D) to z (N, D), and those entries."},
    {"vector_quantize_backward", vector_quantize_backward, METH_VARARGS,
     "vector_quantize_backward($module, dz, dcodebook, grad, z, codebook, indices, commitment, "
     "scale, workspace, /)\n--\n\n"
     "dz = grad + 2 scale commitment (z - e); dcodebook += 2 scale (e - z), or None."},
    {"vq_statistics", vq_statistics, METH_VARARGS,
     "vq_statistics($module, count, sum, z, indices, workspace, /)\n--\n\n"
     "count (E) and sum (E, D) of the rows of z (N, D) assigned to each entry."},
    {NULL, NULL, 0, NULL},
};

/* py_range.c: symbols as bytes and back. */
#include "py/module.h"

#define MOST_SYMBOLS ((int64_t)1 << 24)  /* different ones */
#define MOST_IN_A_ROW ((int64_t)1 << 34) /* so that sums of counts stay below 2^40 */
#define MOST_BITS 24

/* Check what both directions have: rows (C, M), a size for each row, and how much is learned. */
static int
check(const ae_view *symbols, const ae_view *sizes, int learned)
{
    const int64_t *size = sizes->data;
    ae_dims d;
    ae_dims_init(&d);
    if (ae_match(&d, symbols, "CM") < 0 || ae_match(&d, sizes, "C") < 0) {
        return -1;
    }
    if (learned < 1 || learned > MOST_BITS) {
        PyErr_Format(PyExc_ValueError, "learned: expected 1 to %d, got %d", MOST_BITS, learned);
        return -1;
    }
    if (ae_dim(&d, 'M') > MOST_IN_A_ROW) {
        PyErr_Format(PyExc_ValueError, "symbols: expected at most %lld in a row, got %lld",
                     (long long)MOST_IN_A_ROW, (long long)ae_dim(&d, 'M'));
        return -1;
    }
    for (int64_t c = 0; c < sizes->size; c++) {
        if (size[c] < 1 || size[c] > MOST_SYMBOLS) {
            PyErr_Format(PyExc_ValueError, "sizes: expected 1 to %lld, got %lld",
                         (long long)MOST_SYMBOLS, (long long)size[c]);
            return -1;
        }
    }
    return 0;
}

static int
check_symbols(const ae_view *symbols, const ae_view *sizes)
{
    const int64_t *size = sizes->data, C = sizes->size, M = symbols->shape[1];
    for (int64_t c = 0; c < C; c++) {
        ae_view row = *symbols;
        row.data = (int64_t *)symbols->data + c * M;
        row.size = M;
        if (ae_check_index(&row, size[c]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
check_room(const ae_view *out, const ae_view *symbols)
{
    const int64_t least = ae_range_room(symbols->shape[0], symbols->shape[1]);
    if (out->size < least) {
        PyErr_Format(PyExc_ValueError, "out: expected at least %lld bytes, got %lld",
                     (long long)least, (long long)out->size);
        return -1;
    }
    return 0;
}

static PyObject *
range_encode(PyObject *module, PyObject *args)
{
    ae_view out = {.name = "out"}, symbols = {.name = "symbols"}, sizes = {.name = "sizes"};
    int learned;
    int64_t used = 0;
    ae_workspace *ws;
    ae_ctx ctx;
    ae_status status;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&iO&:range_encode", ae_out_u8, &out, ae_in_i64, &symbols,
                          ae_in_i64, &sizes, &learned, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &out, "N") < 0 || check(&symbols, &sizes, learned) < 0 ||
        check_room(&out, &symbols) < 0 || check_symbols(&symbols, &sizes) < 0 ||
        AE_DISTINCT(1, &out, &symbols, &sizes) < 0 || ae_begin(ws, &ctx) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    status = ae_range_encode(out.data, &used, symbols.data, sizes.data, symbols.shape[0],
                             symbols.shape[1], learned, &ctx);
    Py_END_ALLOW_THREADS;
    PyObject *none = ae_end(ws, status);
    if (none == NULL) {
        return NULL;
    }
    Py_DECREF(none);
    return PyLong_FromLongLong(used);
}

static PyObject *
range_decode(PyObject *module, PyObject *args)
{
    ae_view symbols = {.name = "symbols"}, data = {.name = "data"}, sizes = {.name = "sizes"};
    int learned;
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&iO&:range_decode", ae_out_i64, &symbols, ae_in_u8, &data,
                          ae_in_i64, &sizes, &learned, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &data, "N") < 0 || check(&symbols, &sizes, learned) < 0 ||
        AE_DISTINCT(1, &symbols, &data, &sizes) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_range_decode(symbols.data, data.data, sizes.data, symbols.shape[0],
                               symbols.shape[1], learned, data.size, ctx));
}

PyMethodDef ae_range_methods[] = {
    {"range_encode", range_encode, METH_VARARGS,
     "range_encode($module, out, symbols, sizes, learned, workspace, /)\n--\n\n"
     "Write symbols (C, M), below sizes (C), into out (bytes); return how many bytes it took."},
    {"range_decode", range_decode, METH_VARARGS,
     "range_decode($module, symbols, data, sizes, learned, workspace, /)\n--\n\n"
     "symbols (C, M) from all the bytes that range_encode gave."},
    {NULL, NULL, 0, NULL},
};

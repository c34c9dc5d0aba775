/* py_random.c: random numbers and dropout. */
#include "py/module.h"

static int
in_unsigned(PyObject *object, const char *name, int bits, uint64_t *to)
{
    PyObject *index = PyNumber_Index(object);
    if (index == NULL) {
        PyErr_Format(PyExc_TypeError, "%s: expected an integer, got %s", name,
                     Py_TYPE(object)->tp_name);
        return 0;
    }
    *to = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    if (PyErr_Occurred() || (bits < 64 && *to >> bits != 0)) {
        PyErr_Format(PyExc_ValueError, "%s: expected an integer from 0 to 2^%d - 1, got %S",
                     name, bits, object);
        return 0;
    }
    return 1;
}

int
ae_in_seed(PyObject *object, void *seed)
{
    return in_unsigned(object, "seed", 64, seed);
}

int
ae_in_purpose(PyObject *object, void *purpose)
{
    uint64_t wide;
    int parsed = in_unsigned(object, "purpose", 32, &wide);
    if (parsed) {
        *(uint32_t *)purpose = (uint32_t)wide;
    }
    return parsed;
}

int
ae_in_offset(PyObject *object, void *offset)
{
    return in_unsigned(object, "offset", 64, offset);
}

int
ae_check_stream(const ae_stream *stream, int64_t n)
{
    if ((uint64_t)n > UINT64_MAX - stream->offset) {
        PyErr_Format(PyExc_ValueError,
                     "offset: %lld values from %llu on would pass the end of the stream",
                     (long long)n, (unsigned long long)stream->offset);
        return -1;
    }
    return 0;
}

static PyObject *
philox4x32(PyObject *module, PyObject *args)
{
    uint32_t out[4], c[4], k[2];
    (void)module;
    if (!PyArg_ParseTuple(args, "(IIII)(II):philox4x32", &c[0], &c[1], &c[2], &c[3], &k[0],
                          &k[1])) {
        return NULL;
    }
    ae_philox4x32(out, c, k);
    return Py_BuildValue("(IIII)", out[0], out[1], out[2], out[3]);
}

static PyObject *
random_bits(PyObject *module, PyObject *args)
{
    ae_view x = {.name = "out"};
    ae_stream s;
    ae_workspace *ws;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&:random_bits", ae_out_u32, &x, ae_in_seed, &s.seed,
                          ae_in_purpose, &s.purpose, ae_in_offset, &s.offset, ae_in_workspace,
                          &ws) ||
        ae_check_stream(&s, x.size) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_random_bits(x.data, x.size, &s, ctx));
}

static PyObject *
random_uniform(PyObject *module, PyObject *args)
{
    ae_view x = {.name = "out"};
    ae_stream s;
    ae_workspace *ws;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&:random_uniform", ae_out_f32, &x, ae_in_seed,
                          &s.seed, ae_in_purpose, &s.purpose, ae_in_offset, &s.offset,
                          ae_in_workspace, &ws) ||
        ae_check_stream(&s, x.size) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_random_uniform(x.data, x.size, &s, ctx));
}

static PyObject *
random_normal(PyObject *module, PyObject *args)
{
    ae_view x = {.name = "out"};
    ae_stream s;
    ae_workspace *ws;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&:random_normal", ae_out_f32, &x, ae_in_seed, &s.seed,
                          ae_in_purpose, &s.purpose, ae_in_offset, &s.offset, ae_in_workspace,
                          &ws) ||
        ae_check_stream(&s, x.size) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_random_normal(x.data, x.size, &s, ctx));
}

static PyObject *
dropout(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, x = {.name = "x"};
    ae_stream s;
    ae_workspace *ws;
    ae_dims d;
    float rate;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&fO&O&O&O&:dropout", ae_out_f32, &y, ae_in_f32, &x, &rate,
                          ae_in_seed, &s.seed, ae_in_purpose, &s.purpose, ae_in_offset,
                          &s.offset, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (!(rate >= 0.0f && rate < 1.0f)) {
        return PyErr_Format(PyExc_ValueError, "rate: expected at least 0 and below 1, got %S",
                            PyTuple_GET_ITEM(args, 2));
    }
    ae_dims_init(&d);
    if (ae_match(&d, &x, ae_any_shape(&x)) < 0 || ae_match(&d, &y, ae_any_shape(&x)) < 0 ||
        (y.data != x.data && AE_DISTINCT(1, &y, &x) < 0) || ae_check_stream(&s, x.size) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_dropout(y.data, x.data, rate, x.size, &s, ctx));
}

PyMethodDef ae_random_methods[] = {
    {"philox4x32", philox4x32, METH_VARARGS,
     "philox4x32($module, counter, key, /)\n--\n\n"
     "The scalar reference: four words from a counter of four and a key of two."},
    {"random_bits", random_bits, METH_VARARGS,
     "random_bits($module, out, seed, purpose, offset, workspace, /)\n--\n\n"
     "Words offset, offset + 1, ... of stream (seed, purpose) into an array of uint32."},
    {"random_uniform", random_uniform, METH_VARARGS,
     "random_uniform($module, out, seed, purpose, offset, workspace, /)\n--\n\n"
     "Uniform values in [0, 1)."},
    {"random_normal", random_normal, METH_VARARGS,
     "random_normal($module, out, seed, purpose, offset, workspace, /)\n--\n\n"
     "Standard normal values."},
    {"dropout", dropout, METH_VARARGS,
     "dropout($module, out, x, rate, seed, purpose, offset, workspace, /)\n--\n\n"
     "out = x / (1 - rate) where the stream's uniform value is at least rate, else 0; out may "
     "be x."},
    {NULL, NULL, 0, NULL},
};

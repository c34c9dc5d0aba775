/* py_replay.c: a pass over few samples that is made again with others, in one call. */
#include <float.h>

#include "kern/table.h"
#include "py/module.h"

#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL aecore_ARRAY_API
#include <numpy/arrayobject.h>

typedef struct {
    PyObject_HEAD
    PyArrayObject *x, *out;
    PyObject *calls, *module;
} replay_object;

static bool
is_plain(PyObject *object)
{
    return PyArray_CheckExact(object) && PyArray_TYPE((PyArrayObject *)object) == NPY_FLOAT32 &&
           PyArray_ISCARRAY_RO((PyArrayObject *)object);
}

static PyObject *
replay_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "", "", NULL};
    PyObject *x, *calls, *out;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!O:Replay", names, &x, &PyTuple_Type,
                                     &calls, &out)) {
        return NULL;
    }
    if (!is_plain(x) || !PyArray_ISWRITEABLE((PyArrayObject *)x) || !PyArray_CheckExact(out)) {
        PyErr_SetString(PyExc_TypeError, "Replay: expected arrays, of float32 for samples");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(calls); i++) {
        PyObject *call = PyTuple_GET_ITEM(calls, i);
        if (!PyTuple_Check(call) || PyTuple_GET_SIZE(call) != 2 ||
            !PyTuple_Check(PyTuple_GET_ITEM(call, 1))) {
            PyErr_SetString(PyExc_TypeError, "calls: expected pairs (callable, tuple)");
            return NULL;
        }
    }
    replay_object *self = (replay_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->x = (PyArrayObject *)Py_NewRef(x);
        self->out = (PyArrayObject *)Py_NewRef(out);
        self->calls = Py_NewRef(calls);
        self->module = Py_XNewRef(PyType_GetModule(type));
    }
    return (PyObject *)self;
}

static void
replay_dealloc(PyObject *object)
{
    replay_object *self = (replay_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->x);
    Py_XDECREF(self->out);
    Py_XDECREF(self->calls);
    Py_XDECREF(self->module);
    type->tp_free(object);
    Py_DECREF(type);
}

/* Whether samples are such as the pass was recorded with, and finite. */
static bool
takes(const replay_object *self, PyObject *samples)
{
    const ae_module_state *state = PyModule_GetState(self->module);
    if (!is_plain(samples) || PyArray_SIZE(self->x) == 0 ||
        !PyArray_SAMESHAPE((PyArrayObject *)samples, self->x)) {
        return false;
    }
    double span[2];
    state->k->span_f32(span, PyArray_DATA((PyArrayObject *)samples), PyArray_SIZE(self->x));
    return span[0] >= -FLT_MAX && span[1] <= FLT_MAX;
}

static PyObject *
replay_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", NULL};
    replay_object *self = (replay_object *)object;
    PyObject *samples;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Replay", names, &samples)) {
        return NULL;
    }
    if (!takes(self, samples)) {
        Py_RETURN_NONE;
    }
    memcpy(PyArray_DATA(self->x), PyArray_DATA((PyArrayObject *)samples),
           (size_t)PyArray_NBYTES(self->x));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->calls); i++) {
        PyObject *call = PyTuple_GET_ITEM(self->calls, i);
        PyObject *done =
            PyObject_Call(PyTuple_GET_ITEM(call, 0), PyTuple_GET_ITEM(call, 1), NULL);
        if (done == NULL) {
            return NULL;
        }
        Py_DECREF(done);
    }
    return PyArray_NewCopy(self->out, NPY_CORDER);
}

static PyType_Slot replay_slots[] = {
    {Py_tp_doc,
     (void
          *)"Replay(x, calls, out, /)\n--\n\n"
            "A recorded pass: called with other samples, it puts them into x, makes the calls, pairs\n"
            "of a callable and its arguments, and returns a copy of out. None for samples that aren't\n"
            "a C-contiguous array of float32 of x's shape, all of it finite."},
    {Py_tp_new, replay_new},
    {Py_tp_dealloc, replay_dealloc},
    {Py_tp_call, replay_call},
    {0, NULL},
};

PyType_Spec ae_replay_spec = {
    .name = "aecore._core.Replay",
    .basicsize = sizeof(replay_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = replay_slots,
};

/* py_tape.c: memory of a pass that is found again by position, for aecore.nn.tape. */
#include "py/module.h"

#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL aecore_ARRAY_API
#include <numpy/arrayobject.h>

/* A new reference: without the GIL another thread may change the list at any time. */
static PyObject *
item_of(PyObject *list, Py_ssize_t i)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyList_GetItemRef(list, i);
#else
    return Py_XNewRef(PyList_GetItem(list, i));
#endif
}

/* Whether there are two references to an object that this thread's tape has made: its slot's and ours.
 * Without the GIL that is the sum of what its own thread and others hold. Whoever let go of it in another
 * thread has read what it held before: the fence puts what we write behind that. */
static bool
is_idle(PyObject *object)
{
    const bool idle = Py_REFCNT(object) == 2;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return idle;
}

/* An array of a shape over a buffer, if nobody but its owner looks at that; else None. */
static PyObject *
view_of_idle(PyObject *buffer, PyObject *shape, PyArray_Descr *dtype)
{
    npy_intp dims[NPY_MAXDIMS];
    const int ndim = (int)PyTuple_GET_SIZE(shape);
    npy_intp bytes = PyDataType_ELSIZE(dtype);
    for (int k = 0; k < ndim; k++) {
        dims[k] = PyNumber_AsSsize_t(PyTuple_GET_ITEM(shape, k), PyExc_OverflowError);
        if (dims[k] < 0 || __builtin_mul_overflow(bytes, dims[k], &bytes)) {
            return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
        }
    }
    PyArrayObject *memory = (PyArrayObject *)buffer;
    if (!is_idle(buffer) || PyDataType_REFCHK(dtype) || !PyArray_ISCARRAY(memory) ||
        bytes > PyArray_NBYTES(memory)) {
        return Py_NewRef(Py_None);
    }
    PyObject *array =
        PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)Py_NewRef((PyObject *)dtype), ndim,
                             dims, NULL, PyArray_DATA(memory), NPY_ARRAY_CARRAY, NULL);
    if (array != NULL && PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(buffer)) < 0) {
        Py_CLEAR(array);
    }
    return array;
}

static PyObject *
reuse(PyObject *module, PyObject *args)
{
    PyObject *plan, *shape, *dtype;
    Py_ssize_t i;
    const ae_module_state *state = PyModule_GetState(module);
    if (!PyArg_ParseTuple(args, "O!nO!O!:reuse", &PyList_Type, &plan, &i, &PyTuple_Type, &shape,
                          &PyArrayDescr_Type, &dtype)) {
        return NULL;
    }
    if (i < 0 || i >= PyList_GET_SIZE(plan) || PyTuple_GET_SIZE(shape) > NPY_MAXDIMS) {
        Py_RETURN_NONE;
    }
    PyObject *entry = item_of(plan, i), *buffer = NULL, *found = NULL, *known, *kind, *slot;
    if (entry == NULL) {
        return NULL;
    }
    if (!PyTuple_Check(entry)) {
        PyErr_SetString(PyExc_TypeError, "plan: expected tuples");
        goto done;
    }
    if (!PyArg_ParseTuple(entry, "OOO:reuse", &known, &kind, &slot)) {
        goto done;
    }
    const int same = kind == dtype ? PyObject_RichCompareBool(known, shape, Py_EQ) : 0;
    if (same <= 0) {
        found = same < 0 ? NULL : Py_NewRef(Py_None);
        goto done;
    }
    buffer = PyObject_GetAttr(slot, state->buffer);
    if (buffer != NULL) {
        found = PyArray_Check(buffer) ? view_of_idle(buffer, shape, (PyArray_Descr *)dtype)
                                      : Py_NewRef(Py_None);
    }
done:
    Py_XDECREF(buffer);
    Py_DECREF(entry);
    return found;
}

PyMethodDef ae_tape_methods[] = {
    {"reuse", reuse, METH_VARARGS,
     "reuse($module, plan, i, shape, dtype, /)\n--\n\n"
     "An array over slot.buffer, where plan[i] is (shape, dtype, slot) and nobody else looks at "
     "the buffer; else None."},
    {NULL, NULL, 0, NULL},
};

/* py_tape.c: memory of a pass that is found again by position, for aecore.nn.tape. */
#include "py/module.h"

#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL aecore_ARRAY_API
#include <numpy/arrayobject.h>

static PyObject *name_of_buffer; /* "buffer", interned */

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
    if (Py_REFCNT(buffer) != 2 /* the slot's and ours */ || PyDataType_REFCHK(dtype) ||
        !PyArray_ISCARRAY(memory) || bytes > PyArray_NBYTES(memory)) {
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
    (void)module;
    if (!PyArg_ParseTuple(args, "O!nO!O!:reuse", &PyList_Type, &plan, &i, &PyTuple_Type, &shape,
                          &PyArrayDescr_Type, &dtype)) {
        return NULL;
    }
    if (i < 0 || i >= PyList_GET_SIZE(plan) || PyTuple_GET_SIZE(shape) > NPY_MAXDIMS) {
        Py_RETURN_NONE;
    }
    PyObject *entry = PyList_GET_ITEM(plan, i), *known, *kind, *slot;
    if (!PyArg_ParseTuple(entry, "OOO:reuse", &known, &kind, &slot)) {
        return NULL;
    }
    const int same = kind == dtype ? PyObject_RichCompareBool(known, shape, Py_EQ) : 0;
    if (same <= 0) {
        return same < 0 ? NULL : Py_NewRef(Py_None);
    }
    if (name_of_buffer == NULL) {
        name_of_buffer = PyUnicode_InternFromString("buffer");
    }
    PyObject *buffer = name_of_buffer ? PyObject_GetAttr(slot, name_of_buffer) : NULL;
    if (buffer == NULL || !PyArray_Check(buffer)) {
        Py_XDECREF(buffer);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    PyObject *found = view_of_idle(buffer, shape, (PyArray_Descr *)dtype);
    Py_DECREF(buffer);
    return found;
}

PyMethodDef ae_tape_methods[] = {
    {"reuse", reuse, METH_VARARGS,
     "reuse($module, plan, i, shape, dtype, /)\n--\n\n"
     "An array over slot.buffer, where plan[i] is (shape, dtype, slot) and nobody else looks at "
     "the buffer; else None."},
    {NULL, NULL, 0, NULL},
};

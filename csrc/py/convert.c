/* convert.c: see convert.h. */
#include "py/convert.h"

#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL aecore_ARRAY_API
#include <numpy/arrayobject.h>
#include <string.h>

/* ---- arrays -------------------------------------------------------------------------------- */

static const char *
dtype_name(int type)
{
    switch (type) {
        case NPY_FLOAT32:
            return "float32";
        case NPY_FLOAT64:
            return "float64";
        case NPY_INT64:
            return "int64";
        case NPY_INT32:
            return "int32";
        case NPY_UINT8:
            return "uint8";
        default:
            return "uint32";
    }
}

static int
fill_view(ae_view *view, PyArrayObject *a, bool writable)
{
    if (PyArray_NDIM(a) > AE_MAX_DIMS) {
        PyErr_Format(PyExc_ValueError, "%s: expected at most %d dimensions, got %d", view->name,
                     AE_MAX_DIMS, PyArray_NDIM(a));
        return 0;
    }
    if (!PyArray_IS_C_CONTIGUOUS(a) || !PyArray_ISALIGNED(a) || !PyArray_ISNOTSWAPPED(a)) {
        PyErr_Format(PyExc_ValueError,
                     "%s: expected a C-contiguous, aligned array in native byte order; "
                     "numpy.ascontiguousarray makes one",
                     view->name);
        return 0;
    }
    if (writable && !PyArray_ISWRITEABLE(a)) {
        PyErr_Format(PyExc_ValueError, "%s: the output array is read-only", view->name);
        return 0;
    }
    view->data = PyArray_DATA(a);
    view->ndim = PyArray_NDIM(a);
    view->size = PyArray_SIZE(a);
    view->bytes = (size_t)PyArray_NBYTES(a);
    view->writable = writable;
    for (int i = 0; i < view->ndim; i++) {
        view->shape[i] = PyArray_DIM(a, i);
    }
    return 1;
}

static int
convert(PyObject *object, ae_view *view, int type, bool writable, bool optional)
{
    if (optional && object == Py_None) {
        view->data = NULL;
        return 1;
    }
    if (!PyArray_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s: expected a numpy array of %s, got %s", view->name,
                     dtype_name(type), Py_TYPE(object)->tp_name);
        return 0;
    }
    PyArrayObject *a = (PyArrayObject *)object;
    if (!PyArray_EquivTypenums(PyArray_TYPE(a), type)) {
        PyErr_Format(PyExc_TypeError, "%s: expected an array of %s, got %S", view->name,
                     dtype_name(type), (PyObject *)PyArray_DESCR(a));
        return 0;
    }
    return fill_view(view, a, writable);
}

int
ae_in_f32(PyObject *object, void *view)
{
    return convert(object, view, NPY_FLOAT32, false, false);
}

int
ae_out_f32(PyObject *object, void *view)
{
    return convert(object, view, NPY_FLOAT32, true, false);
}

int
ae_maybe_in_f32(PyObject *object, void *view)
{
    return convert(object, view, NPY_FLOAT32, false, true);
}

int
ae_maybe_out_f32(PyObject *object, void *view)
{
    return convert(object, view, NPY_FLOAT32, true, true);
}

int
ae_out_f64(PyObject *object, void *view)
{
    return convert(object, view, NPY_FLOAT64, true, false);
}

int
ae_in_i64(PyObject *object, void *view)
{
    return convert(object, view, NPY_INT64, false, false);
}

int
ae_maybe_in_i64(PyObject *object, void *view)
{
    return convert(object, view, NPY_INT64, false, true);
}

int
ae_out_i64(PyObject *object, void *view)
{
    return convert(object, view, NPY_INT64, true, false);
}

int
ae_maybe_out_i64(PyObject *object, void *view)
{
    return convert(object, view, NPY_INT64, true, true);
}

int
ae_in_i32(PyObject *object, void *view)
{
    return convert(object, view, NPY_INT32, false, false);
}

int
ae_out_i32(PyObject *object, void *view)
{
    return convert(object, view, NPY_INT32, true, false);
}

int
ae_out_u32(PyObject *object, void *view)
{
    return convert(object, view, NPY_UINT32, true, false);
}

int
ae_in_u8(PyObject *object, void *view)
{
    return convert(object, view, NPY_UINT8, false, false);
}

int
ae_out_u8(PyObject *object, void *view)
{
    return convert(object, view, NPY_UINT8, true, false);
}

/* An array of one of several types, of which view->kind tells. */
static int
convert_kinds(PyObject *object, ae_view *view, bool floats_only)
{
    PyArrayObject *a = (PyArrayObject *)object;
    if (!PyArray_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s: expected a numpy array, got %s", view->name,
                     Py_TYPE(object)->tp_name);
        return 0;
    }
    const int type = PyArray_TYPE(a);
    if (type == NPY_FLOAT32 || type == NPY_FLOAT64) {
        view->kind = type == NPY_FLOAT32 ? AE_F32 : AE_F64;
    }
    else if (!floats_only && (type == NPY_UINT8 || type == NPY_BOOL)) {
        view->kind = AE_U8;
    }
    else {
        PyErr_Format(PyExc_TypeError, "%s: expected %sfloat32 or float64, got %S", view->name,
                     floats_only ? "" : "uint8, bool, ", (PyObject *)PyArray_DESCR(a));
        return 0;
    }
    return fill_view(view, a, false);
}

int
ae_in_source(PyObject *object, void *view)
{
    return convert_kinds(object, view, false);
}

int
ae_in_floats(PyObject *object, void *view)
{
    return convert_kinds(object, view, true);
}

/* ---- activations ----------------------------------------------------------------------------- */

static const char activation_list[] =
#define AE_ACT(id, name, from_output, operations) " " #name ","
#include "kern/act.def"
#undef AE_ACT
    ;

int
ae_in_activation(PyObject *object, void *p)
{
    ae_act *act = p;
    if (object == Py_None) {
        *act = AE_LINEAR;
        return 1;
    }
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "activation: expected a name or None, got %s",
                     Py_TYPE(object)->tp_name);
        return 0;
    }
    for (int i = 0; i < AE_ACTIVATIONS; i++) {
        if (PyUnicode_CompareWithASCIIString(object, ae_act_name((ae_act)i)) == 0) {
            *act = (ae_act)i;
            return 1;
        }
    }
    PyErr_Format(PyExc_ValueError, "activation: expected one of%s got %R", activation_list,
                 object);
    return 0;
}

/* ---- shapes ------------------------------------------------------------------------------------ */

void
ae_dims_init(ae_dims *dims)
{
    for (int i = 0; i < 26; i++) {
        dims->size[i] = -1;
    }
}

int64_t
ae_dim(const ae_dims *dims, char letter)
{
    return dims->size[letter - 'A'];
}

static PyObject *
shape_tuple(const ae_view *view)
{
    PyObject *t = PyTuple_New(view->ndim);
    for (int i = 0; t != NULL && i < view->ndim; i++) {
        PyObject *n = PyLong_FromLongLong(view->shape[i]);
        if (n == NULL) {
            Py_CLEAR(t);
            break;
        }
        PyTuple_SET_ITEM(t, i, n);
    }
    return t;
}

static int
shape_error(const ae_dims *dims, const ae_view *view, const char *letters)
{
    char text[256];
    size_t at = 0;
    for (const char *l = letters; *l != '\0' && at + 32 < sizeof text; l++) {
        int64_t n = ae_dim(dims, *l);
        const char *comma = l == letters ? "" : ", ";
        at += (size_t)(n < 0 ? snprintf(text + at, sizeof text - at, "%s%c", comma, *l)
                             : snprintf(text + at, sizeof text - at, "%s%c=%lld", comma, *l,
                                        (long long)n));
    }
    text[at] = '\0';
    PyObject *got = shape_tuple(view);
    if (got != NULL) {
        PyErr_Format(PyExc_ValueError, "%s: expected shape (%s), got %R", view->name, text,
                     got);
        Py_DECREF(got);
    }
    return -1;
}

int
ae_match(ae_dims *dims, const ae_view *view, const char *letters)
{
    ae_dims seen = *dims;
    if (view->data == NULL && view->ndim == 0) {
        return 0; /* None */
    }
    if (view->ndim != (int)strlen(letters)) {
        return shape_error(dims, view, letters);
    }
    for (int i = 0; i < view->ndim; i++) {
        int64_t *n = &seen.size[letters[i] - 'A'];
        if (*n >= 0 && *n != view->shape[i]) {
            return shape_error(dims, view, letters);
        }
        *n = view->shape[i];
    }
    *dims = seen;
    return 0;
}

const char *
ae_any_shape(const ae_view *view)
{
    static const char letters[] = "UVWXYZ";
    return letters + AE_MAX_DIMS - view->ndim;
}

int
ae_check_index(const ae_view *view, int64_t n)
{
    const int64_t *index = view->data;
    for (int64_t i = 0; i < view->size; i++) {
        if (index[i] < 0 || index[i] >= n) {
            PyErr_Format(PyExc_ValueError, "%s: expected 0 to %lld, got %lld at position %lld",
                         view->name, (long long)n - 1, (long long)index[i], (long long)i);
            return -1;
        }
    }
    return 0;
}

int
ae_distinct(int n_out, int n, const ae_view *const *views)
{
    for (int i = 0; i < n_out; i++) {
        const char *a = views[i]->data;
        for (int j = i + 1; j < n; j++) {
            const char *b = views[j]->data;
            if (a != NULL && b != NULL && a < b + views[j]->bytes && b < a + views[i]->bytes) {
                PyErr_Format(PyExc_ValueError, "%s: shares memory with %s", views[i]->name,
                             views[j]->name);
                return -1;
            }
        }
    }
    return 0;
}

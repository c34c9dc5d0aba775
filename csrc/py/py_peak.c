/* py_peak.c: the yardstick of the benchmarks. */
#include "py/module.h"

static PyObject *
fma_peak(PyObject *module, PyObject *args)
{
    long long steps;
    ae_workspace *ws;
    ae_ctx ctx;
    double flops;
    (void)module;
    if (!PyArg_ParseTuple(args, "LO&:fma_peak", &steps, ae_in_workspace, &ws)) {
        return NULL;
    }
    if (ae_begin(ws, &ctx) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    flops = ae_fma_peak(steps, &ctx);
    Py_END_ALLOW_THREADS;
    PyObject *none = ae_end(ws, AE_OK);
    Py_XDECREF(none);
    return PyFloat_FromDouble(flops);
}

PyMethodDef ae_peak_methods[] = {
    {"fma_peak", fma_peak, METH_VARARGS,
     "fma_peak($module, steps, workspace, /)\n--\n\n"
     "Run multiply-adds on all threads, nothing else; return how many operations those were."},
    {NULL, NULL, 0, NULL},
};

/* module.c: aecore._core, its state and its methods. */
#include "py/module.h"

#define PY_ARRAY_UNIQUE_SYMBOL aecore_ARRAY_API
#include <numpy/arrayobject.h>
#include <stdlib.h>

int
ae_state_threads(const ae_module_state *state, int wanted)
{
    const int threads = AE_GET(state->threads);
    if (AE_GET(state->forks) > 0) {
        return 1;
    }
    if (wanted > 0) {
        return wanted;
    }
    return threads > 0 ? threads : ae_max_threads();
}

static PyObject *
set_num_threads(PyObject *module, PyObject *arg)
{
    ae_module_state *state = PyModule_GetState(module);
    int overflow;
    long n = PyLong_AsLongAndOverflow(arg, &overflow);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (overflow != 0) {
        return PyErr_Format(PyExc_ValueError, "n: expected 0 to %d threads, got %R",
                            AE_MOST_THREADS, arg);
    }
    if (n < 0 || n > AE_MOST_THREADS) {
        PyErr_Format(PyExc_ValueError, "n: expected 0 to %d threads, got %ld", AE_MOST_THREADS,
                     n);
        return NULL;
    }
    AE_SET(state->threads, (int)n);
    Py_RETURN_NONE;
}

static PyObject *
get_num_threads(PyObject *module, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(ae_state_threads(PyModule_GetState(module), 0));
}

static PyObject *
after_fork(PyObject *module, PyObject *unused)
{
    ae_module_state *state = PyModule_GetState(module);
    (void)unused;
    AE_SET(state->forks, AE_GET(state->forks) + 1);
    Py_RETURN_NONE;
}

static PyObject *
isa_names(PyObject *module, PyObject *unused)
{
    PyObject *list = PyList_New(0);
    (void)module;
    (void)unused;
    for (int i = 0; list != NULL && ae_cpu_table(i) != NULL; i++) {
        PyObject *name = PyUnicode_FromString(ae_cpu_isa(ae_cpu_table(i)));
        if (name == NULL || PyList_Append(list, name) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
    }
    return list;
}

/* Which instruction set each kernel runs with. */
static PyObject *
kernel_isas(const ae_kernels *k)
{
    PyObject *dict = PyDict_New();
    for (int i = 0; dict != NULL && ae_cpu_kernel(i) != NULL; i++) {
        PyObject *isa = PyUnicode_FromString(ae_cpu_isa(k));
        if (isa == NULL || PyDict_SetItemString(dict, ae_cpu_kernel(i), isa) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(isa);
    }
    return dict;
}

static PyObject *
build_info(PyObject *module, PyObject *unused)
{
    ae_module_state *state = PyModule_GetState(module);
    (void)unused;
#ifdef _OPENMP
    int openmp = _OPENMP;
#else
    int openmp = 0;
#endif
    return Py_BuildValue("{s:s,s:N,s:N,s:N,s:s,s:i,s:i}", "isa", ae_cpu_isa(state->k),
                         "available", isa_names(module, NULL), "kernels", kernel_isas(state->k),
                         "bfloat16", PyBool_FromLong(ae_cpu_has_pairs(state->k)), "compiler",
                         __VERSION__, "openmp", openmp, "threads", ae_state_threads(state, 0));
}

static PyMethodDef module_methods[] = {
    {"set_num_threads", set_num_threads, METH_O,
     "set_num_threads($module, n, /)\n--\n\nUse n threads; 0 for what OpenMP says."},
    {"get_num_threads", get_num_threads, METH_NOARGS,
     "get_num_threads($module, /)\n--\n\nHow many threads a call may use."},
    {"after_fork", after_fork, METH_NOARGS,
     "after_fork($module, /)\n--\n\nStay single-threaded from now on (in a forked child)."},
    {"isa_names", isa_names, METH_NOARGS,
     "isa_names($module, /)\n--\n\nThe instruction sets available here, worst first."},
    {"build_info", build_info, METH_NOARGS,
     "build_info($module, /)\n--\n\nCompiler, threads, the kernels chosen and whether "
     "these have instructions for products of bfloat16."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef *const method_tables[] = {
    module_methods,
#define AE_FAMILY(name) ae_##name##_methods,
#include "py/families.def"
#undef AE_FAMILY
};

/* A tuple of the names of all activations, or of those whose gradient a product can apply. */
static int
add_activations(PyObject *module, const char *attribute, bool fused)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && i < AE_ACTIVATIONS; i++) {
        if (fused && (i == AE_LINEAR || !ae_act_from_output((ae_act)i))) {
            continue;
        }
        PyObject *name = PyUnicode_FromString(ae_act_name((ae_act)i));
        if (name == NULL || PyList_Append(list, name) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
    }
    PyObject *tuple = list == NULL ? NULL : PyList_AsTuple(list);
    int failed = tuple == NULL || PyModule_AddObjectRef(module, attribute, tuple) < 0;
    Py_XDECREF(list);
    Py_XDECREF(tuple);
    return failed ? -1 : 0;
}

static int
add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int failed = type == NULL || PyModule_AddObjectRef(module, name, type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static int
module_exec(PyObject *module)
{
    ae_module_state *state = PyModule_GetState(module);
    const char *isa = getenv("AECORE_ISA");
    if (PyArray_ImportNumPyAPI() < 0) {
        return -1;
    }
    state->buffer = PyUnicode_InternFromString("buffer");
    if (state->buffer == NULL) {
        return -1;
    }
    state->k = ae_cpu_select(isa != NULL && isa[0] != '\0' ? isa : NULL);
    if (state->k == NULL) {
        PyErr_Format(PyExc_ImportError,
                     "AECORE_ISA=%s: expected an instruction set that this build and this CPU "
                     "have (baseline, avx2, avx512 or neon)",
                     isa);
        return -1;
    }
    if (add_type(module, "Workspace", &ae_workspace_spec) < 0 ||
        add_type(module, "Packed", &ae_packed_spec) < 0 ||
        add_type(module, "Replay", &ae_replay_spec) < 0 ||
        add_activations(module, "ACTIVATIONS", false) < 0 ||
        add_activations(module, "FUSED", true) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof method_tables / sizeof *method_tables; i++) {
        if (PyModule_AddFunctions(module, method_tables[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static void
module_free(void *module)
{
    ae_module_state *state = PyModule_GetState(module);
    if (state != NULL) {
        Py_CLEAR(state->buffer);
    }
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "aecore._core",
    .m_doc = "The C core: strict functions on float32 arrays that write into given outputs.",
    .m_size = sizeof(ae_module_state),
    .m_slots = module_slots,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&module_def);
}

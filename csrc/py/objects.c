/* objects.c: what a call borrows: workspaces, and weights that stay packed between calls. One thread has
 * them at a time.
 */
#include "py/module.h"

/* ---- workspaces --------------------------------------------------------------------------------- */

static PyObject *
workspace_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"n_threads", "isa", NULL};
    int threads = 0;
    const char *isa = NULL;
    const ae_kernels *k = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iz:Workspace", names, &threads, &isa)) {
        return NULL;
    }
    if (threads < 0) {
        PyErr_Format(PyExc_ValueError, "n_threads: expected at least 0, got %d", threads);
        return NULL;
    }
    if (isa != NULL && (k = ae_cpu_select(isa)) == NULL) {
        PyErr_Format(PyExc_ValueError, "isa: %s is not available here", isa);
        return NULL;
    }
    ae_workspace *ws = (ae_workspace *)type->tp_alloc(type, 0);
    if (ws != NULL) {
        ws->threads = threads;
        ws->k = k;
        ws->module = Py_XNewRef(PyType_GetModule(type));
    }
    return (PyObject *)ws;
}

static void
workspace_dealloc(PyObject *self)
{
    ae_workspace *ws = (ae_workspace *)self;
    PyTypeObject *type = Py_TYPE(self);
    ae_arena_free(&ws->arena);
    Py_XDECREF(ws->module);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
workspace_grown(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLongLong(((ae_workspace *)self)->arena.grown);
}

static PyObject *
workspace_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(((ae_workspace *)self)->arena.capacity);
}

static PyGetSetDef workspace_getset[] = {
    {"grown", workspace_grown, NULL, "How often memory was allocated.", NULL},
    {"nbytes", workspace_bytes, NULL, "Bytes held.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot workspace_slots[] = {
    {Py_tp_doc, "Workspace(n_threads=0, isa=None)\n--\n\n"
                "Scratch memory that one thread's calls share, with the number of threads\n"
                "(0: as set_num_threads says) and the instruction set that they run with."},
    {Py_tp_new, workspace_new},
    {Py_tp_dealloc, workspace_dealloc},
    {Py_tp_getset, workspace_getset},
    {0, NULL},
};

PyType_Spec ae_workspace_spec = {
    .name = "aecore._core.Workspace",
    .basicsize = sizeof(ae_workspace),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = workspace_slots,
};

int
ae_in_workspace(PyObject *object, void *p)
{
    if (Py_TYPE(object)->tp_dealloc != workspace_dealloc) {
        PyErr_Format(PyExc_TypeError, "workspace: expected a Workspace, got %s",
                     Py_TYPE(object)->tp_name);
        return 0;
    }
    *(ae_workspace **)p = (ae_workspace *)object;
    return 1;
}

int
ae_begin(ae_workspace *ws, ae_ctx *ctx)
{
    if (__atomic_exchange_n(&ws->busy, true, __ATOMIC_ACQUIRE)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this workspace is in use by another thread: give each thread its own");
        return -1;
    }
    const ae_module_state *state = PyModule_GetState(ws->module);
    ctx->arena = &ws->arena;
    ctx->threads = ae_state_threads(state, ws->threads);
    ctx->k = ws->k != NULL ? ws->k : state->k;
    ctx->packed = NULL;
    return 0;
}

PyObject *
ae_end(ae_workspace *ws, ae_status status)
{
    __atomic_store_n(&ws->busy, false, __ATOMIC_RELEASE);
    switch (status) {
        case AE_OK:
            Py_RETURN_NONE;
        case AE_ENOMEM:
            PyErr_SetString(PyExc_MemoryError, ae_status_text(status));
            return NULL;
        default:
            PyErr_SetString(PyExc_ValueError, ae_status_text(status));
            return NULL;
    }
}

/* ---- packed weights -------------------------------------------------------------------------- */

static PyObject *
packed_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Packed", names)) {
        return NULL;
    }
    return type->tp_alloc(type, 0);
}

static void
packed_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    ae_packed_free(&((ae_packed_object *)self)->packed);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
packed_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(((ae_packed_object *)self)->packed.bytes);
}

static PyGetSetDef packed_getset[] = {
    {"nbytes", packed_bytes, NULL, "Bytes held.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot packed_slots[] = {
    {Py_tp_doc,
     (void *)"Packed()\n--\n\nA layer's weights as its products want them, for as long "
             "as they don't change."},
    {Py_tp_new, packed_new},
    {Py_tp_dealloc, packed_dealloc},
    {Py_tp_getset, packed_getset},
    {0, NULL},
};

PyType_Spec ae_packed_spec = {
    .name = "aecore._core.Packed",
    .basicsize = sizeof(ae_packed_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = packed_slots,
};

int
ae_maybe_in_packed(PyObject *object, void *p)
{
    *(ae_packed_object **)p = NULL;
    if (object == Py_None) {
        return 1;
    }
    if (Py_TYPE(object)->tp_dealloc != packed_dealloc) {
        PyErr_Format(PyExc_TypeError, "packed: expected a Packed or None, got %s",
                     Py_TYPE(object)->tp_name);
        return 0;
    }
    *(ae_packed_object **)p = (ae_packed_object *)object;
    return 1;
}

int
ae_begin_packed(ae_workspace *ws, ae_packed_object *packed, ae_ctx *ctx)
{
    if (ae_begin(ws, ctx) < 0) {
        return -1;
    }
    if (packed == NULL) {
        return 0;
    }
    if (__atomic_exchange_n(&packed->busy, true, __ATOMIC_ACQUIRE)) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is using this layer");
        __atomic_store_n(&ws->busy, false, __ATOMIC_RELEASE);
        return -1;
    }
    ctx->packed = &packed->packed;
    return 0;
}

PyObject *
ae_end_packed(ae_workspace *ws, ae_packed_object *packed, ae_status status)
{
    if (packed != NULL) {
        __atomic_store_n(&packed->busy, false, __ATOMIC_RELEASE);
    }
    return ae_end(ws, status);
}

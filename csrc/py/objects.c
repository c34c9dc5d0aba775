/* objects.c: what a call borrows: workspaces, and weights that stay packed between calls. One thread has
 * them at a time.
 *
 * A process may fork while another of its threads is in a call. That thread isn't in the child, and will
 * not give back what it had there: the child takes it, empty. What it held is left alone, as it may have
 * been half made; so much memory is lost in that child.
 */
#include "py/module.h"

/* Take something for a thread of this generation; *left: another one, before a fork, still had it. */
static bool
claim(int *busy, const ae_module_state *state, bool *left)
{
    const int generation = AE_GET(state->forks) + 1;
    int seen = 0;
    *left = false;
    if (__atomic_compare_exchange_n(busy, &seen, generation, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED)) {
        return true;
    }
    *left = seen != generation;
    return *left && __atomic_compare_exchange_n(busy, &seen, generation, false,
                                                __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void
give_back(int *busy)
{
    __atomic_store_n(busy, 0, __ATOMIC_RELEASE);
}

/* ---- workspaces --------------------------------------------------------------------------------- */

static PyObject *
workspace_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"n_threads", "isa", "half", NULL};
    int threads = 0, half = 0;
    const char *isa = NULL;
    const ae_kernels *k = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|izp:Workspace", names, &threads, &isa,
                                     &half)) {
        return NULL;
    }
    if (threads < 0 || threads > AE_MOST_THREADS) {
        PyErr_Format(PyExc_ValueError, "n_threads: expected 0 to %d, got %d", AE_MOST_THREADS,
                     threads);
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
        ws->half = half;
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
    return PyLong_FromLongLong(AE_GET(((ae_workspace *)self)->arena.grown));
}

static PyObject *
workspace_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(AE_GET(((ae_workspace *)self)->arena.capacity));
}

static PyObject *
workspace_half(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(AE_GET(((ae_workspace *)self)->half));
}

static int
workspace_set_half(PyObject *self, PyObject *value, void *closure)
{
    (void)closure;
    const int half = value == NULL ? -1 : PyObject_IsTrue(value);
    if (half < 0) {
        if (value == NULL) {
            PyErr_SetString(PyExc_AttributeError, "half: it can't be deleted");
        }
        return -1;
    }
    AE_SET(((ae_workspace *)self)->half, half != 0);
    return 0;
}

static PyGetSetDef workspace_getset[] = {
    {"half", workspace_half, workspace_set_half, "Whether linear layers multiply bfloat16.",
     NULL},
    {"grown", workspace_grown, NULL, "How often memory was allocated.", NULL},
    {"nbytes", workspace_bytes, NULL, "Bytes held.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot workspace_slots[] = {
    {Py_tp_doc, "Workspace(n_threads=0, isa=None, half=False)\n--\n\n"
                "Scratch memory that one thread's calls share, with the number of threads\n"
                "(0: as set_num_threads says) and the instruction set that they run with;\n"
                "half: linear layers multiply bfloat16."},
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
    const ae_module_state *state = PyModule_GetState(ws->module);
    bool left;
    if (!claim(&ws->busy, state, &left)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this workspace is in use by another thread: give each thread its own");
        return -1;
    }
    if (left) {
        ws->arena = (ae_arena){0};
    }
    ctx->arena = &ws->arena;
    ctx->threads = ae_state_threads(state, ws->threads);
    ctx->k = ws->k != NULL ? ws->k : state->k;
    ctx->packed = NULL;
    ctx->half = AE_GET(ws->half);
    return 0;
}

PyObject *
ae_end(ae_workspace *ws, ae_status status)
{
    give_back(&ws->busy);
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
    static char *names[] = {"shared", "half", NULL};
    int shared = 0, half = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$pp:Packed", names, &shared, &half)) {
        return NULL;
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL) {
        ((ae_packed_object *)self)->shared = shared;
        ((ae_packed_object *)self)->packed.half = half;
    }
    return self;
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
    return PyLong_FromSize_t(AE_GET(((ae_packed_object *)self)->packed.bytes));
}

static PyGetSetDef packed_getset[] = {
    {"nbytes", packed_bytes, NULL, "Bytes held.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot packed_slots[] = {
    {Py_tp_doc,
     (void *)"Packed(*, shared=False, half=False)\n--\n\n"
             "A layer's weights as its products want them, for as long as they don't change.\n"
             "Where they never do, threads may share them: what is packed first stays.\n"
             "Half: those of linear layers are kept as bfloat16; sums stay floats."},
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
ae_begin_packed(ae_workspace *ws, ae_packed_object **object, ae_ctx *ctx)
{
    ae_packed_object *packed = *object;
    if (ae_begin(ws, ctx) < 0) {
        return -1;
    }
    if (packed == NULL) {
        return 0;
    }
    if (__atomic_load_n(&packed->is_settled, __ATOMIC_ACQUIRE)) {
        ctx->packed = &packed->packed;
        *object = NULL;
        return 0;
    }
    bool left;
    if (!claim(&packed->busy, PyModule_GetState(ws->module), &left)) {
        if (packed->shared) { /* another thread is packing: not waited for */
            *object = NULL;
            return 0;
        }
        PyErr_SetString(PyExc_RuntimeError, "another thread is using this layer");
        give_back(&ws->busy);
        return -1;
    }
    if (left) {
        packed->packed = (ae_packed){.half = packed->packed.half};
    }
    ctx->packed = &packed->packed;
    return 0;
}

PyObject *
ae_end_packed(ae_workspace *ws, ae_packed_object *packed, ae_status status)
{
    if (packed != NULL) {
        if (packed->shared && packed->packed.of != NULL && !packed->packed.fixed) {
            packed->packed.fixed = true;
            __atomic_store_n(&packed->is_settled, true, __ATOMIC_RELEASE);
        }
        give_back(&packed->busy);
    }
    return ae_end(ws, status);
}

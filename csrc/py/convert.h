/* convert.h: from Python objects to what the core takes, and back from its status.
 *
 * Every binding has the same silhouette: declare views by name, parse with the O& converters,
 * match the shapes against letters, AE_RUN one core call. Views borrow from the argument tuple, so
 * nothing has to be cleaned up. Strict throughout: a wrong dtype is a TypeError, a wrong shape or
 * layout a ValueError, and nothing is ever copied.
 */
#ifndef AE_CONVERT_H
#define AE_CONVERT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ae.h"

#define AE_MAX_DIMS 6

typedef struct {
    const char *name; /* set before parsing, for messages */
    void *data;       /* NULL where None was allowed and given */
    int ndim;
    int64_t shape[AE_MAX_DIMS];
    int64_t size; /* elements */
    size_t bytes;
    int kind; /* of ae_in_source and ae_in_floats: ae_source */
    bool writable;
} ae_view;

/* O& converters into ae_view: C-contiguous, aligned arrays in native order. */
int ae_in_f32(PyObject *object, void *view);
int ae_out_f32(PyObject *object, void *view);
int ae_maybe_in_f32(PyObject *object, void *view); /* or None */
int ae_maybe_out_f32(PyObject *object, void *view);
int ae_out_f64(PyObject *object, void *view);
int ae_in_i64(PyObject *object, void *view);
int ae_maybe_in_i64(PyObject *object, void *view);
int ae_out_i64(PyObject *object, void *view);
int ae_maybe_out_i64(PyObject *object, void *view);
int ae_in_i32(PyObject *object, void *view);
int ae_out_i32(PyObject *object, void *view);
int ae_out_u32(PyObject *object, void *view);
int ae_in_u8(PyObject *object, void *view);
int ae_out_u8(PyObject *object, void *view);
int ae_in_source(PyObject *object, void *view); /* uint8, bool, float32 or float64 */
int ae_in_floats(PyObject *object, void *view); /* float32 or float64 */
/* O& converter into ae_act: a name or None. */
int ae_in_activation(PyObject *object, void *act);

/* O& converters of a random stream's parts, into uint64_t, uint32_t and uint64_t (py_random.c). */
int ae_in_seed(PyObject *object, void *seed);
int ae_in_purpose(PyObject *object, void *purpose);
int ae_in_offset(PyObject *object, void *offset);
/* A ValueError if n values from the stream's offset on would pass its end. */
int ae_check_stream(const ae_stream *stream, int64_t n);

/* Whether a kernel's side, a stride or a factor is in [1, 2^31), so that no sum of them overflows. */
static inline bool
ae_is_side(int64_t n)
{
    return n >= 1 && n <= INT32_MAX;
}

/* Sizes by dimension letter, as shapes are matched. */
typedef struct {
    int64_t size[26];
} ae_dims;

void ae_dims_init(ae_dims *dims);
/* The view's shape against letters: one seen before must have the same size, a new one takes the
 * size. 0, or -1 with a ValueError that prints what was expected and what came. None matches. */
int ae_match(ae_dims *dims, const ae_view *view, const char *letters);
int64_t ae_dim(const ae_dims *dims, char letter);
/* Letters for a view of any shape, to match others of the same against; "" for none. */
const char *ae_any_shape(const ae_view *view);
/* A ValueError that names the first of the view's int64 values outside [0, n). */
int ae_check_index(const ae_view *view, int64_t n);
/* The first n_out of n views are outputs: a ValueError if one shares memory with another view. */
int ae_distinct(int n_out, int n, const ae_view *const *views);
#define AE_DISTINCT(n_out, ...)                                                             \
    ae_distinct(n_out, (int)(sizeof((const ae_view *[]){__VA_ARGS__}) / sizeof(ae_view *)), \
                (const ae_view *[]){__VA_ARGS__})

/* ---- workspaces ---------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    ae_arena arena;
    int threads;         /* 0: the module's setting */
    const ae_kernels *k; /* NULL: the module's choice */
    bool half;           /* linear layers multiply bfloat16 */
    PyObject *module;
    int busy; /* 0, or the generation of the process one of whose threads has it */
} ae_workspace;

extern PyType_Spec ae_workspace_spec;
int ae_in_workspace(PyObject *object, void *workspace); /* O& into ae_workspace * */

/* Claim the workspace for one call: -1 with a RuntimeError if another thread is in one. */
int ae_begin(ae_workspace *ws, ae_ctx *ctx);
/* Give it back; None, or NULL with the exception that the status stands for. */
PyObject *ae_end(ae_workspace *ws, ae_status status);

#define AE_RUN(ws, call)               \
    do {                               \
        ae_ctx ctx_;                   \
        ae_status status_;             \
        const ae_ctx *ctx = &ctx_;     \
        if (ae_begin(ws, &ctx_) < 0) { \
            return NULL;               \
        }                              \
        Py_BEGIN_ALLOW_THREADS;        \
        status_ = (call);              \
        Py_END_ALLOW_THREADS;          \
        return ae_end(ws, status_);    \
    } while (0)

/* ---- packed weights -------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    ae_packed packed;
    int busy;        /* as a workspace's */
    bool shared;     /* what is packed first stays, and threads read it together: */
    bool is_settled; /* from then on nothing changes and nobody claims it */
} ae_packed_object;

extern PyType_Spec ae_packed_spec;
extern PyType_Spec ae_replay_spec; /* py_replay.c */
int ae_maybe_in_packed(PyObject *object,
                       void *packed); /* O& into ae_packed_object *; or None */

/* As ae_begin and ae_end, for a call that may find its weights packed; *packed is NULL afterwards where
 * there is nothing to give back. */
int ae_begin_packed(ae_workspace *ws, ae_packed_object **packed, ae_ctx *ctx);
PyObject *ae_end_packed(ae_workspace *ws, ae_packed_object *packed, ae_status status);

#define AE_RUN_PACKED(ws, packed, call)                  \
    do {                                                 \
        ae_ctx ctx_;                                     \
        ae_status status_;                               \
        const ae_ctx *ctx = &ctx_;                       \
        if (ae_begin_packed(ws, &(packed), &ctx_) < 0) { \
            return NULL;                                 \
        }                                                \
        Py_BEGIN_ALLOW_THREADS;                          \
        status_ = (call);                                \
        Py_END_ALLOW_THREADS;                            \
        return ae_end_packed(ws, packed, status_);       \
    } while (0)

#endif

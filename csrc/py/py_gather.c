/* py_gather.c: batches from a data set, and what joins arrays. */
#include "py/module.h"

static int
in_corruption(PyObject *object, void *p)
{
    static const char *const names[AE_CORRUPTIONS] = {
        [AE_CLEAN] = "none",
        [AE_GAUSSIAN] = "gaussian",
        [AE_MASKING] = "masking",
        [AE_SALT_PEPPER] = "salt_and_pepper",
    };
    ae_corruption *corruption = p;
    *corruption = AE_CLEAN;
    if (object == Py_None) {
        return 1;
    }
    for (int i = AE_GAUSSIAN; PyUnicode_Check(object) && i < AE_CORRUPTIONS; i++) {
        if (PyUnicode_CompareWithASCIIString(object, names[i]) == 0) {
            *corruption = (ae_corruption)i;
            return 1;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "corruption: expected None, gaussian, masking or salt_and_pepper, got %R",
                 object);
    return 0;
}

/* A batch of B rows as the source has them: any shape behind the first axis that holds F values. */
static int
match_batch(const ae_view *batch, int64_t B, int64_t F)
{
    int64_t size;
    if (batch->data == NULL) {
        return 0;
    }
    if (batch->ndim == 0 || batch->shape[0] != B || __builtin_mul_overflow(B, F, &size) ||
        batch->size != size) {
        PyErr_Format(PyExc_ValueError, "%s: expected %lld rows of %lld values, got %lld values",
                     batch->name, (long long)B, (long long)F, (long long)batch->size);
        return -1;
    }
    return 0;
}

/* A ValueError for an amount that the corruption can't have. */
static int
check_amount(const ae_gather_cfg *cfg)
{
    bool share = cfg->corruption == AE_MASKING || cfg->corruption == AE_SALT_PEPPER;
    if (cfg->corruption != AE_CLEAN &&
        !(cfg->amount >= 0.0f && cfg->amount <= (share ? 1.0f : 3e38f))) {
        PyErr_Format(PyExc_ValueError, "amount: expected %s",
                     share ? "0 to 1" : "a finite number of at least 0");
        return -1;
    }
    return 0;
}

static int
check_gather(const ae_view *clean, const ae_view *corrupted, const ae_view *source,
             const ae_view *index, const ae_gather_cfg *cfg, int64_t *F)
{
    ae_dims d;
    ae_dims_init(&d);
    if (source->ndim == 0) {
        PyErr_Format(PyExc_ValueError, "source: expected at least one dimension");
        return -1;
    }
    if (ae_match(&d, index, "B") < 0) {
        return -1;
    }
    *F = 1;
    for (int i = 1; i < source->ndim; i++) {
        *F *= source->shape[i];
    }
    if (match_batch(clean, index->size, *F) < 0 ||
        match_batch(corrupted, index->size, *F) < 0) {
        return -1;
    }
    return check_amount(cfg) < 0 ? -1 : ae_check_stream(&cfg->stream, clean->size);
}

static PyObject *
gather(PyObject *module, PyObject *args)
{
    ae_view clean = {.name = "clean"}, corrupted = {.name = "corrupted"};
    ae_view source = {.name = "source"}, index = {.name = "index"};
    ae_gather_cfg cfg;
    ae_stream *s = &cfg.stream;
    ae_workspace *ws;
    int64_t F;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&fO&fffO&O&O&O&:gather", ae_out_f32, &clean,
                          ae_maybe_out_f32, &corrupted, ae_in_source, &source, ae_in_i64,
                          &index, &cfg.scale, in_corruption, &cfg.corruption, &cfg.amount,
                          &cfg.low, &cfg.high, ae_in_seed, &s->seed, ae_in_purpose, &s->purpose,
                          ae_in_offset, &s->offset, ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.source = (ae_source)source.kind;
    if (check_gather(&clean, &corrupted, &source, &index, &cfg, &F) < 0 ||
        ae_check_index(&index, source.shape[0]) < 0 ||
        AE_DISTINCT(2, &clean, &corrupted, &source, &index) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_gather(clean.data, corrupted.data, source.data, index.data, source.shape[0],
                         index.size, F, &cfg, ctx));
}

/* A ValueError unless each image lies in the pixels, and each crop is of one of them. */
static int
check_crops(const ae_view *pixels, const ae_view *images, const ae_view *places, int64_t C)
{
    const int64_t *entry = images->data, *place = places->data;
    for (int64_t i = 0; i < images->shape[0]; i++, entry += 3) {
        int64_t size, at = entry[0];
        if (!ae_is_side(entry[1]) || !ae_is_side(entry[2]) ||
            __builtin_mul_overflow(entry[1] * entry[2], C, &size) || at < 0 ||
            at > pixels->size || size > pixels->size - at) {
            PyErr_Format(
                PyExc_ValueError,
                "images: expected images within %lld values, got %lld x %lld from %lld",
                (long long)pixels->size, (long long)entry[1], (long long)entry[2],
                (long long)at);
            return -1;
        }
    }
    for (int64_t n = 0; n < places->shape[0]; n++, place += 4) {
        bool near = place[1] >= -INT32_MAX && place[1] <= INT32_MAX && place[2] >= -INT32_MAX &&
                    place[2] <= INT32_MAX;
        if (place[0] < 0 || place[0] >= images->shape[0] || !near || place[3] < 0 ||
            place[3] > 7) {
            PyErr_Format(
                PyExc_ValueError,
                "places: expected one of %lld images, places in it and a kind of 0 to 7, "
                "got %lld, %lld, %lld, %lld",
                (long long)images->shape[0], (long long)place[0], (long long)place[1],
                (long long)place[2], (long long)place[3]);
            return -1;
        }
    }
    return 0;
}

static PyObject *
gather_crops(PyObject *module, PyObject *args)
{
    ae_view clean = {.name = "clean"}, corrupted = {.name = "corrupted"};
    ae_view pixels = {.name = "pixels"}, images = {.name = "images"};
    ae_view places = {.name = "places"};
    ae_gather_cfg cfg;
    ae_stream *s = &cfg.stream;
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&fO&fffO&O&O&O&:gather_crops", ae_out_f32, &clean,
                          ae_maybe_out_f32, &corrupted, ae_in_source, &pixels, ae_in_i64,
                          &images, ae_in_i64, &places, &cfg.scale, in_corruption,
                          &cfg.corruption, &cfg.amount, &cfg.low, &cfg.high, ae_in_seed,
                          &s->seed, ae_in_purpose, &s->purpose, ae_in_offset, &s->offset,
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    cfg.source = (ae_source)pixels.kind;
    ae_dims_init(&d);
    d.size['D' - 'A'] = 3;
    d.size['E' - 'A'] = 4;
    if (ae_match(&d, &clean, "NPQC") < 0 || ae_match(&d, &corrupted, "NPQC") < 0 ||
        ae_match(&d, &pixels, "T") < 0 || ae_match(&d, &images, "MD") < 0 ||
        ae_match(&d, &places, "NE") < 0 ||
        check_crops(&pixels, &images, &places, ae_dim(&d, 'C')) < 0 || check_amount(&cfg) < 0 ||
        ae_check_stream(s, clean.size) < 0 ||
        AE_DISTINCT(2, &clean, &corrupted, &pixels, &images, &places) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_gather_crops(clean.data, corrupted.data, pixels.data, images.data,
                               places.data, pixels.size, ae_dim(&d, 'M'), ae_dim(&d, 'N'),
                               ae_dim(&d, 'P'), ae_dim(&d, 'Q'), ae_dim(&d, 'C'), &cfg, ctx));
}

static PyObject *
take_rows(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, table = {.name = "weight"}, rows = {.name = "indices"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:take_rows", ae_out_f32, &y, ae_in_source, &table,
                          ae_in_i64, &rows, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &table, "ED") < 0 || ae_match(&d, &rows, "M") < 0 ||
        ae_match(&d, &y, "MD") < 0 || ae_check_index(&rows, ae_dim(&d, 'E')) < 0 ||
        AE_DISTINCT(1, &y, &table, &rows) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_take_rows(y.data, table.data, rows.data, (ae_source)table.kind,
                            ae_dim(&d, 'M'), ae_dim(&d, 'D'), ae_dim(&d, 'E'), ctx));
}

static PyObject *
concat(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, x = {.name = "x"}, cond = {.name = "cond"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:concat", ae_out_f32, &y, ae_in_f32, &x, ae_in_f32,
                          &cond, ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &x, "NTC") < 0 || ae_match(&d, &cond, "ND") < 0) {
        return NULL;
    }
    d.size['S' - 'A'] = ae_dim(&d, 'C') + ae_dim(&d, 'D'); /* the sum */
    if (ae_match(&d, &y, "NTS") < 0 || AE_DISTINCT(1, &y, &x, &cond) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_concat_fwd(y.data, x.data, cond.data, ae_dim(&d, 'N'), ae_dim(&d, 'T'),
                             ae_dim(&d, 'C'), ae_dim(&d, 'D'), ctx));
}

static PyObject *
concat_backward(PyObject *module, PyObject *args)
{
    ae_view dx = {.name = "dx"}, dy = {.name = "grad"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&:concat_backward", ae_out_f32, &dx, ae_in_f32, &dy,
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    ae_dims_init(&d);
    if (ae_match(&d, &dx, "NTC") < 0 || ae_match(&d, &dy, "NTS") < 0) {
        return NULL;
    }
    int64_t C = ae_dim(&d, 'C'), D = ae_dim(&d, 'S') - C;
    if (D < 0) {
        return PyErr_Format(PyExc_ValueError, "grad: expected at least %lld channels, got %lld",
                            (long long)C, (long long)(C + D));
    }
    if (AE_DISTINCT(1, &dx, &dy) < 0) {
        return NULL;
    }
    AE_RUN(ws, ae_concat_bwd(dx.data, dy.data, ae_dim(&d, 'N'), ae_dim(&d, 'T'), C, D, ctx));
}

static PyObject *
add(PyObject *module, PyObject *args)
{
    ae_view y = {.name = "out"}, a = {.name = "a"}, b = {.name = "b"};
    ae_workspace *ws;
    ae_dims d;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O&O&O&:add", ae_out_f32, &y, ae_in_f32, &a, ae_in_f32, &b,
                          ae_in_workspace, &ws)) {
        return NULL;
    }
    const char *any = ae_any_shape(&a);
    ae_dims_init(&d);
    if (ae_match(&d, &a, any) < 0 || ae_match(&d, &b, any) < 0 || ae_match(&d, &y, any) < 0 ||
        (y.data != a.data && AE_DISTINCT(1, &y, &a) < 0) ||
        (y.data != b.data && AE_DISTINCT(1, &y, &b) < 0)) {
        return NULL;
    }
    AE_RUN(ws, ae_add(y.data, a.data, b.data, y.size, ctx));
}

PyMethodDef ae_gather_methods[] = {
    {"gather", gather, METH_VARARGS,
     "gather($module, clean, corrupted, source, index, scale, corruption, amount, low, high, "
     "seed, purpose, offset, workspace, /)\n--\n\n"
     "clean = scale * source[index], and corrupted likewise with noise, or None."},
    {"gather_crops", gather_crops, METH_VARARGS,
     "gather_crops($module, clean, corrupted, pixels, images, places, scale, corruption, amount, "
     "low, high, seed, purpose, offset, workspace, /)\n--\n\n"
     "clean (N, P, Q, C) = scale * crops of images, and corrupted likewise with noise, or None.\n\n"
     "images (M, 3): begin in pixels, height, width. places (N, 4): image, row, column, kind: 1 "
     "from right to left, 2 upside down, 4 with rows for columns."},
    {"take_rows", take_rows, METH_VARARGS,
     "take_rows($module, out, table, rows, workspace, /)\n--\n\n"
     "out (M, D) = table (E, D)[rows (M)], of uint8, bool, float32 or float64."},
    {"concat", concat, METH_VARARGS,
     "concat($module, out, x, cond, workspace, /)\n--\n\n"
     "out (N, T, C + D) = x (N, T, C) with cond (N, D) beside every row."},
    {"concat_backward", concat_backward, METH_VARARGS,
     "concat_backward($module, dx, grad, workspace, /)\n--\n\n"
     "dx (N, T, C) = the first channels of grad (N, T, C + D)."},
    {"add", add, METH_VARARGS,
     "add($module, out, a, b, workspace, /)\n--\n\nout = a + b; out may be either."},
    {NULL, NULL, 0, NULL},
};

/* module.h: what the module holds, and where its method tables are. */
#ifndef AE_MODULE_H
#define AE_MODULE_H

#include "py/convert.h"

typedef struct {
    const ae_kernels *k; /* the choice at import */
    int threads;         /* of set_num_threads; 0: what OpenMP says */
    PyObject *buffer;    /* "buffer", interned */
    int forks; /* from the process that imported it: one thread works in a forked child */
} ae_module_state;

/* The settings are read and written without a lock, by any thread. */
#define AE_GET(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define AE_SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

int ae_state_threads(const ae_module_state *state, int wanted);

/* One table for each family, ended by a NULL name. */
#define AE_FAMILY(name) extern PyMethodDef ae_##name##_methods[];
#include "py/families.def"
#undef AE_FAMILY

#endif

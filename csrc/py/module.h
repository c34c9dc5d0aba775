/* module.h: what the module holds, and where its method tables are. */
#ifndef AE_MODULE_H
#define AE_MODULE_H

#include "py/convert.h"

typedef struct {
    const ae_kernels *k; /* the choice at import */
    int threads;         /* of set_num_threads; 0: what OpenMP says */
    bool forked;         /* libgomp may hang in a forked child: one thread there */
} ae_module_state;

int ae_state_threads(const ae_module_state *state, int wanted);

/* One table for each family, ended by a NULL name. */
#define AE_FAMILY(name) extern PyMethodDef ae_##name##_methods[];
#include "py/families.def"
#undef AE_FAMILY

#endif

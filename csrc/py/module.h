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
extern PyMethodDef ae_activation_methods[];
extern PyMethodDef ae_attention_methods[];
extern PyMethodDef ae_conv_methods[];
extern PyMethodDef ae_gated_methods[];
extern PyMethodDef ae_gather_methods[];
extern PyMethodDef ae_latent_methods[];
extern PyMethodDef ae_linear_methods[];
extern PyMethodDef ae_loss_methods[];
extern PyMethodDef ae_lstm_methods[];
extern PyMethodDef ae_norm_methods[];
extern PyMethodDef ae_norm_mlp_methods[];
extern PyMethodDef ae_optim_methods[];
extern PyMethodDef ae_peak_methods[];
extern PyMethodDef ae_pool_methods[];
extern PyMethodDef ae_random_methods[];
extern PyMethodDef ae_range_methods[];
extern PyMethodDef ae_reduce_methods[];
extern PyMethodDef ae_steps_methods[];
extern PyMethodDef ae_vq_methods[];

#endif

"""The kernels as documented NumPy functions.

Every function takes and returns C-contiguous float32 arrays (indices and labels are int64) and
never copies one silently: another dtype is a TypeError, another layout or shape a ValueError.
``out=`` gives the array to write into. ``NAME_backward(grad, *inputs, **options)`` returns one
gradient for each differentiable input, in order; ``grad`` is with respect to the value before a
fused activation, which ``activation_backward(grad, y, kind)`` makes from the gradient after it.
"""

from .activation import activation, activation_backward
from .attention import attention, attention_backward
from .convolution import conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward
from .embedding import embedding, embedding_backward
from .gated import gated_tanh, gated_tanh_backward
from .latent import gaussian_kl, gaussian_kl_backward, reparameterize, reparameterize_backward
from .linear import linear, linear_backward
from .loss import (
    bce_with_logits,
    bce_with_logits_backward,
    cross_entropy,
    cross_entropy_backward,
    huber,
    huber_backward,
    l1,
    l1_backward,
    mse,
    mse_backward,
    multinomial,
    multinomial_backward,
    negative_binomial,
    negative_binomial_backward,
    poisson,
    poisson_backward,
)
from .lstm import gru, gru_backward, lstm, lstm_backward
from .norm import (
    batch_norm2d,
    batch_norm2d_backward,
    group_norm,
    group_norm_backward,
    layer_norm,
    layer_norm_backward,
)
from .optim import adam_step, sgd_step
from .pool import max_pool2d, max_pool2d_backward, upsample2d, upsample2d_backward
from .quantize import vector_quantize, vector_quantize_backward
from .random import dropout, dropout_backward, random_normal, random_uniform

__all__ = [
    "activation",
    "activation_backward",
    "adam_step",
    "attention",
    "attention_backward",
    "batch_norm2d",
    "batch_norm2d_backward",
    "bce_with_logits",
    "bce_with_logits_backward",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "dropout_backward",
    "embedding",
    "embedding_backward",
    "gated_tanh",
    "gated_tanh_backward",
    "gaussian_kl",
    "gaussian_kl_backward",
    "group_norm",
    "group_norm_backward",
    "gru",
    "gru_backward",
    "huber",
    "huber_backward",
    "l1",
    "l1_backward",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "linear_backward",
    "lstm",
    "lstm_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "mse",
    "mse_backward",
    "multinomial",
    "multinomial_backward",
    "negative_binomial",
    "negative_binomial_backward",
    "poisson",
    "poisson_backward",
    "random_normal",
    "random_uniform",
    "reparameterize",
    "reparameterize_backward",
    "sgd_step",
    "upsample2d",
    "upsample2d_backward",
    "vector_quantize",
    "vector_quantize_backward",
]


def __dir__() -> list[str]:
    return __all__

"""Twins of the activations and of their gradients."""

import math

import numpy as np

_erf = np.vectorize(math.erf, otypes=[float])


def _normal_cdf(x):
    return 0.5 * (1 + _erf(x / math.sqrt(2)))


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


FORWARD = {
    "linear": lambda x: x,
    "relu": lambda x: np.where(x < 0, 0.0, x),
    "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.logaddexp(0, x),
    "gelu": lambda x: x * _normal_cdf(x),
    "silu": lambda x: x * _sigmoid(x),
}

# With respect to the output y, but to the input for gelu and silu.
GRADIENT = {
    "linear": np.ones_like,
    "relu": lambda y: np.where(y <= 0, 0.0, 1.0),
    "leaky_relu": lambda y: np.where(y <= 0, 0.01, 1.0),
    "elu": lambda y: np.where(y > 0, 1.0, y + 1),
    "tanh": lambda y: 1 - y * y,
    "sigmoid": lambda y: y * (1 - y),
    "softplus": lambda y: -np.expm1(-y),
    "gelu": lambda x: _normal_cdf(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "silu": lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x))),
}


def activate(x, kind):
    return FORWARD[kind or "linear"](x)


def activation(x, kind):
    return activate(x, kind)


def activation_backward(grad, y, kind):
    return grad * GRADIENT[kind or "linear"](y)

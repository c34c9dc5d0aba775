"""Twins of the norms: one formula, over different axes."""

import numpy as np


def _scaled(hat, weight, bias):
    y = hat if weight is None else hat * weight
    return y if bias is None else y + bias


def _standard(x, axes, eps):
    """Return x with mean 0 and variance 1 over axes, and what it was divided by."""
    sigma = np.sqrt(x.var(axes, keepdims=True) + eps) if x.size else np.ones(1)
    return (x - x.mean(axes, keepdims=True)) / sigma if x.size else x, sigma


def _input_gradient(g, hat, sigma, axes):
    """Differentiate _standard: g and hat less their projections on 1 and hat."""
    if not g.size:
        return g
    along = (g * hat).mean(axes, keepdims=True)
    return (g - g.mean(axes, keepdims=True) - hat * along) / sigma


def _parameter_gradients(grad, hat, weight, bias):
    axes = tuple(range(grad.ndim - 1))
    return (
        None if weight is None else (grad * hat).sum(axes),
        None if bias is None else grad.sum(axes),
    )


def layer_norm(x, weight=None, bias=None, *, eps=1e-5):
    return _scaled(_standard(x, -1, eps)[0], weight, bias)


def layer_norm_backward(grad, x, weight=None, bias=None, *, eps=1e-5):
    hat, sigma = _standard(x, -1, eps)
    g = grad if weight is None else grad * weight
    return _input_gradient(g, hat, sigma, -1), *_parameter_gradients(grad, hat, weight, bias)


def _grouped(x, groups):
    return x.reshape(x.shape[0], int(np.prod(x.shape[1:-1])), groups, x.shape[-1] // int(groups))


def group_norm(x, groups, weight=None, bias=None, *, eps=1e-5):
    hat = _standard(_grouped(x, groups), (1, 3), eps)[0].reshape(x.shape)
    return _scaled(hat, weight, bias)


def group_norm_backward(grad, x, groups, weight=None, bias=None, *, eps=1e-5):
    hat, sigma = _standard(_grouped(x, groups), (1, 3), eps)
    g = _grouped(grad if weight is None else grad * weight, groups)
    dx = _input_gradient(g, hat, sigma, (1, 3)).reshape(x.shape)
    return dx, *_parameter_gradients(grad, hat.reshape(x.shape), weight, bias)


def _batch_standard(x, running_mean, running_var, training, eps):
    axes = tuple(range(x.ndim - 1))
    if training:
        return *_standard(x, axes, eps), axes
    sigma = np.sqrt(running_var + eps)
    return (x - running_mean) / sigma, sigma, axes


def batch_norm2d(
    x, weight=None, bias=None, running_mean=None, running_var=None, *, training=True, eps=1e-5
):
    hat, *_ = _batch_standard(x, running_mean, running_var, training, eps)
    return _scaled(hat, weight, bias)


def batch_norm2d_backward(
    grad, x, weight=None, bias=None, running_mean=None, running_var=None, *, training=True, eps=1e-5
):
    hat, sigma, axes = _batch_standard(x, running_mean, running_var, training, eps)
    g = grad if weight is None else grad * weight
    dx = _input_gradient(g, hat, sigma, axes) if training else g / sigma
    return dx, *_parameter_gradients(grad, hat, weight, bias)

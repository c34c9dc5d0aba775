"""Twins of the fully connected layer."""

from .activation import activate


def linear(x, weight, bias=None, *, activation=None):
    y = x @ weight.T
    return activate(y if bias is None else y + bias, activation)


def linear_backward(grad, x, weight, bias=None):
    return grad @ weight, grad.T @ x, None if bias is None else grad.sum(0)

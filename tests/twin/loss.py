"""Twins of the losses."""

import numpy as np


def _rows(values):
    return values.reshape(len(values), -1).sum(1) if values.size else np.zeros(len(values))


def _weigh(term, mask):
    return term if mask is None else np.where(mask == 0, 0.0, term * mask)


def _scale(grad, gradient, mask):
    return grad.reshape(-1, *[1] * (gradient.ndim - 1)) * _weigh(gradient, mask)


def mse(x, target, mask=None):
    return _rows(_weigh((x - target) ** 2, mask))


def mse_backward(grad, x, target, mask=None):
    return _scale(grad, 2 * (x - target), mask)


def l1(x, target, mask=None):
    return _rows(_weigh(np.abs(x - target), mask))


def l1_backward(grad, x, target, mask=None):
    return _scale(grad, np.sign(x - target), mask)


def huber(x, target, mask=None, *, delta=1.0):
    d = np.abs(x - target)
    return _rows(_weigh(np.where(d <= delta, d**2 / 2, delta * (d - delta / 2)), mask))


def huber_backward(grad, x, target, mask=None, *, delta=1.0):
    return _scale(grad, np.clip(x - target, -delta, delta), mask)


def bce_with_logits(x, target, mask=None):
    # -t log s(x) - (1 - t) log s(-x), and -log s(x) = log(1 + e^-x)
    term = target * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(0, x)
    return _rows(_weigh(term, mask))


def bce_with_logits_backward(grad, x, target, mask=None):
    return _scale(grad, 0.5 * (1 + np.tanh(x / 2)) - target, mask)


def _log_softmax(logits):
    top = logits.max(-1, keepdims=True, initial=-np.inf)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


def cross_entropy(logits, labels, mask=None):
    picked = np.take_along_axis(_log_softmax(logits), labels[..., None], -1)[..., 0]
    return _rows(_weigh(-picked, mask))


def cross_entropy_backward(grad, logits, labels, mask=None):
    gradient = np.exp(_log_softmax(logits)) - np.eye(logits.shape[-1])[labels]
    return _scale(grad, gradient, None if mask is None else mask[..., None])

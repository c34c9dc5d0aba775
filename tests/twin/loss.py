"""Twins of the losses."""

import math

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


# ---- counts: by the textbook's formulas; their terms cancel, which float64 can afford ------------

_lgamma = np.vectorize(math.lgamma, otypes=[float])


def _digamma(z):
    back = sum(1 / (z + k) for k in range(10))
    z = z + 10.0
    return np.log(z) - 1 / (2 * z) - 1 / (12 * z**2) + 1 / (120 * z**4) - 1 / (252 * z**6) - back


def _counts(target, mask):
    """Numbers that the functions are defined for, where what is there doesn't count."""
    return target if mask is None else np.where(mask == 0, 0.0, target)


def poisson(x, target, mask=None):
    target = _counts(target, mask)
    return _rows(_weigh(np.exp(x) - target * x + _lgamma(target + 1), mask))


def poisson_backward(grad, x, target, mask=None):
    return _scale(grad, np.exp(x) - target, mask)


def negative_binomial(x, target, log_theta, mask=None):
    t, y = np.exp(log_theta), _counts(target, mask)
    gammas = _lgamma(y + t) - _lgamma(np.broadcast_to(t, x.shape)) - _lgamma(y + 1)
    odds = np.logaddexp(0, x - log_theta), np.logaddexp(0, log_theta - x)
    return _rows(_weigh(t * odds[0] + y * odds[1] - gammas, mask))


def negative_binomial_backward(grad, x, target, log_theta, mask=None):
    t, m, y = np.exp(log_theta), np.exp(x), _counts(target, mask)
    dx = _scale(grad, t * (m - y) / (t + m), mask)
    slope = _digamma(np.broadcast_to(t, x.shape)) - _digamma(y + t)
    slope = slope + np.logaddexp(0, x - log_theta) + (y - m) / (t + m)
    slope = _scale(grad, t * slope, mask)
    return dx, slope if log_theta.shape == x.shape else slope.sum(0)


def _log_chances(logits, mask):
    return _log_softmax(logits if mask is None else np.where(mask == 0, -1e9, logits))


def multinomial(logits, counts, mask=None):
    y, chances = _counts(counts, mask), _log_chances(logits, mask)
    chances = np.where(y == 0, 0.0, chances)
    return _rows((_lgamma(y + 1) - y * chances).sum(-1) - _lgamma(y.sum(-1) + 1))


def multinomial_backward(grad, logits, counts, mask=None):
    y = _counts(counts, mask)
    gradient = np.exp(_log_chances(logits, mask)) * y.sum(-1, keepdims=True) - y
    seen = None if mask is None else (mask != 0).astype(float)
    return _scale(grad, gradient, seen)

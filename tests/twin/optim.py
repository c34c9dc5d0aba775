"""Twins of the optimiser steps, in place like them."""

import numpy as np


def adam_step(
    param,
    m,
    v,
    grad,
    *,
    step,
    learning_rate=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    decoupled=False,
    grad_scale=1.0,
):
    g = grad * grad_scale
    if decoupled:
        param *= 1 - learning_rate * weight_decay
    else:
        g = g + weight_decay * param
    m[:] = beta1 * m + (1 - beta1) * g
    v[:] = beta2 * v + (1 - beta2) * g**2
    spread = np.sqrt(v / (1 - beta2**step)) + eps
    param -= learning_rate * m / (1 - beta1**step) / spread


def sgd_step(
    param,
    m,
    grad,
    *,
    step,
    learning_rate=1e-3,
    momentum=0.0,
    weight_decay=0.0,
    nesterov=False,
    grad_scale=1.0,
):
    g = grad * grad_scale + weight_decay * param
    if momentum > 0:
        m[:] = g if step == 1 else momentum * m + g
        g = g + momentum * m if nesterov else m
    param -= learning_rate * g

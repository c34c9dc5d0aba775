"""Twins of the flows' steps: f(z) and ln |det J|, as their papers have them."""

import numpy as np

from .activation import activate


def planar(z, weight, shift, bias):
    product = weight @ shift
    stretch = np.log1p(np.exp(product + np.log(np.e - 1))) - 1
    shift = shift + (stretch - product) * weight / (weight @ weight)
    t = np.tanh(z @ weight + bias)
    return z + t[:, None] * shift, np.log(np.abs(1 + (1 - t**2) * (shift @ weight)))


def made(z, context, layers, reverse):
    """Return both outputs; `layers` are (weight, bias): hidden, context or None, first, second."""
    dim, (hidden, given, *heads) = z.shape[1], layers
    width = len(hidden[0])
    order = range(dim, 0, -1) if reverse else range(1, dim + 1)
    degrees = [k % max(1, dim - 1) + 1 for k in range(width)]
    sees = np.array([[own >= d for d in order] for own in degrees], float)
    h = z @ (hidden[0] * sees).T + hidden[1]
    if given is not None:
        h = h + context @ given[0].T
    h = activate(h, "elu")
    shown = np.array([[d > own for own in degrees] for d in order], float)
    return [h @ (weight * shown).T + bias for weight, bias in heads]


def inverse_autoregressive(z, context, layers, reverse):
    m, s = made(z, context, layers, reverse)
    gate = 1 / (1 + np.exp(-(s + 2)))
    return gate * z + (1 - gate) * m, np.log(gate).sum(1)


def coupling(z, layers, odd):
    """Return the coupled codes; `layers` are (weight, bias): two hidden ones, scale and shift."""
    (w1, b1), (w2, b2), (ws, bs), (wt, bt) = layers
    b = np.array([(i + odd) % 2 for i in range(z.shape[1])], float)
    h = activate(activate((z * b) @ w1.T + b1, "elu") @ w2.T + b2, "elu")
    s = (1 - b) * 2 * np.tanh((h @ ws.T + bs) / 2)
    return b * z + (1 - b) * (z * np.exp(s) + h @ wt.T + bt), s.sum(1)

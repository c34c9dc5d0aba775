"""Twins of attention and of looking up rows."""

import numpy as np


def _weights(q, k, lengths, causal, scale):
    """Return softmax(scale q k^T), (N, H, T, S); rows without a key are 0."""
    score = np.einsum("nthd,nshd->nhts", q, k) * _scale(q, scale)
    t, s = np.arange(q.shape[1])[:, None], np.arange(k.shape[1])
    seen = np.broadcast_to(s <= t if causal else s < s.size, score.shape)
    if lengths is not None:
        end = lengths[:, None, None, None]
        seen = seen & (s < end) & (t < end)
    score = np.where(seen, score, -np.inf)
    top = score.max(-1, keepdims=True, initial=-1e300)
    e = np.exp(score - top)
    return e / np.maximum(e.sum(-1, keepdims=True), 1e-300)


def _scale(q, scale):
    return max(1, q.shape[-1]) ** -0.5 if scale is None else scale


def attention(q, k, v, *, lengths=None, causal=False, scale=None):
    return np.einsum("nhts,nshd->nthd", _weights(q, k, lengths, causal, scale), v)


def attention_backward(grad, q, k, v, *, lengths=None, causal=False, scale=None):
    w = _weights(q, k, lengths, causal, scale)
    dw = np.einsum("nthd,nshd->nhts", grad, v)
    ds = w * (dw - (w * dw).sum(-1, keepdims=True)) * _scale(q, scale)
    return (
        np.einsum("nhts,nshd->nthd", ds, k),
        np.einsum("nhts,nthd->nshd", ds, q),
        np.einsum("nhts,nthd->nshd", w, grad),
    )


def embedding(indices, weight):
    return weight[indices]


def embedding_backward(grad, indices, weight):
    dweight = np.zeros_like(weight)
    np.add.at(dweight, indices, grad)
    return dweight

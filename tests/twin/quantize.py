"""Twins of vector quantisation."""

import numpy as np


def distances(z, codebook):
    """Squares of all distances (N, E), each the sum of squared differences."""
    return np.stack([((z - e) ** 2).sum(-1) for e in codebook], -1)


def vector_quantize(z, codebook):
    indices = distances(z, codebook).argmin(-1)
    return codebook[indices], indices


def vector_quantize_backward(grad, z, codebook, indices, *, commitment=0.25, scale=1.0):
    apart = z - codebook[indices]
    dcodebook = np.zeros_like(codebook)
    np.add.at(dcodebook, indices, -2 * scale * apart)
    return grad + 2 * scale * commitment * apart, dcodebook


def vq_statistics(z, indices, entries):
    total = np.zeros((entries, z.shape[1]))
    np.add.at(total, indices, z)
    return np.bincount(indices, minlength=entries), total

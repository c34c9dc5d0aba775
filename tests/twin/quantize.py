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


def rotation(x, q):
    """Matrices (M, D, D) that turn and scale each x to q: in the plane of both, by their angle."""
    found = []
    for a, b in zip(x, q, strict=True):
        lengths = np.linalg.norm(a), np.linalg.norm(b)
        a, b = a / lengths[0], b / lengths[1]
        cosine, aside = a @ b, b - (a @ b) * a
        sine = np.linalg.norm(aside)
        if sine < 1e-12:  # one direction, or the opposite: then what lies across stays
            turned = np.eye(len(a)) + (cosine - 1) * np.outer(a, a)
        else:
            c = aside / sine
            turned = np.eye(len(a)) + (cosine - 1) * (np.outer(a, a) + np.outer(c, c))
            turned = turned + sine * (np.outer(c, a) - np.outer(a, c))
        found.append(lengths[1] / lengths[0] * turned)
    return np.array(found).reshape(-1, x.shape[1], x.shape[1])


def sign_entropy(x, temperature, there=None, most=12):
    """How unsure the codes of a sample's vectors are, less how varied those of all, by a table."""
    bits, n = x.shape[-1], x.shape[0]
    counts = np.ones(x.shape[:-1]) if there is None else there.astype(float)

    def entropy(share):
        return -(share * np.log(np.where(share > 0, share, 1))).sum(-1)

    def shares(x):
        codes = np.array(np.meshgrid(*[[-1, 1]] * x.shape[-1], indexing="ij"))
        codes = codes.reshape(x.shape[-1], -1).T
        logits = -((x[..., None, :] - codes) ** 2).sum(-1) / temperature
        share = np.exp(logits - logits.max(-1, keepdims=True))
        return share / share.sum(-1, keepdims=True)

    n_parts = -(-bits // most)
    ends = [bits * i // n_parts for i in range(n_parts + 1)]
    total = np.zeros(n)
    for low, high in zip(ends[:-1], ends[1:], strict=True):
        share = shares(x[..., low:high])
        mean = (share * counts[..., None]).reshape(-1, share.shape[-1]).sum(0)
        mean = mean / max(1, counts.sum())
        own = (entropy(share) - entropy(mean)) * counts
        total = total + own.reshape(n, -1).sum(1) if n else total
    return total

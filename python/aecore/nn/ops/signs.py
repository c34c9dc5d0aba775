"""Vectors replaced by the signs of their coordinates, and how sure and how varied these are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..tape import Value
from .losses import INT64
from .shapes import _One

MOST_JOINT = 12  # so many bits are taken together: there are 2 ** 12 codes of them


class Sign(_One):
    """1 for each coordinate from 0 on and -1 for the others; the gradient is passed straight on.

    Parameters
    ----------
    x : Value, shape (N, ..., B)

    Attributes
    ----------
    index : ndarray of int64, shape (N, ...)
        The number whose binary digits are the signs, the first one the smallest.
    """

    __slots__ = ("index",)

    def __init__(self, x: Value) -> None:
        self.start(x)
        self.index: Any = None
        self.place(x.tape, x.shape, x.needs_grad)

    @property
    def places(self) -> np.ndarray:
        """What each digit counts, (B,)."""
        places: np.ndarray = 2 ** np.arange(self.shape[-1])
        return places

    def forward(self) -> None:
        tape, x = self.tape, self.x.data
        digits, number = tape.take(self.shape), tape.take(self.shape[:-1])
        np.greater_equal(x, 0, out=digits)
        # integers below 2 ** 24 have exact sums, in any order
        np.matmul(digits, self.places.astype(np.float32), out=number)
        self.index = tape.take(number.shape, INT64)
        np.copyto(self.index, number, casting="unsafe")
        digits *= 2
        digits -= 1
        np.copyto(digits, x, where=np.isnan(x))  # for others to notice
        self._data = digits

    def backward(self) -> None:
        assert self.grad is not None
        self.x.add_grad(self.grad, owned=self._owned)

    def onnx(self, graph: Any) -> str:
        positive = graph.add("GreaterOrEqual", graph.of(self.x), np.float32(0))
        digits = graph.add("Cast", positive, to=1)  # FLOAT
        number = graph.add("MatMul", digits, self.places.astype(np.float32))
        self.index = graph.add("Cast", number, to=7)  # INT64
        return graph.add("Sub", graph.add("Mul", digits, np.float32(2)), np.float32(1))


class SignEntropy(_One):
    r"""How unsure the signs of a sample's vectors are, less how varied those of the batch: (N,).

    Let :math:`q(c | x) \propto \exp(-\|x - c\|^2 / t)` be the share of each code c of signs: that
    of a 1 at j is :math:`\sigma(4 x_j / t)`, independently of the others. A sample has the sum over
    its vectors of

    .. math:: H[q(c | x)] - H[\mathrm{mean}\; q(c | x)]

    in nats, where the mean is over all vectors of the batch. More than 12 bits are taken in parts,
    whose second entropies add up to at least that of all together.

    Parameters
    ----------
    x : Value, shape (N, ..., B)
    temperature : float
        t.
    there : ndarray of bool, shape (N, ...), optional
        Which vectors count; all by default.
    """

    __slots__ = ("cache", "temperature", "there")

    def __init__(self, x: Value, temperature: float, there: np.ndarray | None = None) -> None:
        self.start(x)
        self.temperature, self.there = temperature, there
        self.place(x.tape, x.shape[:1], x.needs_grad)

    def forward(self) -> None:
        x, weight = self.x.data, self.tape.weight
        n, each = x.shape[0], math.prod(x.shape[1:-1])
        a = x.reshape(n * each, x.shape[-1]).astype(np.float64) * (4 / self.temperature)
        counts = np.ones((n, each)) if self.there is None else self.there.reshape(n, each) + 0.0
        p = 0.5 * (1 + np.tanh(a / 2))
        with np.errstate(invalid="ignore"):  # of infinities, for others to notice
            own = np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))) - a * p
        shares = (counts if weight is None else counts * weight[:, None]).reshape(-1)
        total = float(np.add.reduce(shares))
        shares = shares / total if total else shares
        varied, slopes = 0.0, []
        for low, high in _parts(p.shape[1]):
            found, slope = _mean_entropy(p[:, low:high], shares)
            varied += found
            slopes.append(slope)
        of_each = own.sum(axis=1).reshape(n, each) - varied
        self._data = self.tape.take(self.shape)
        self._data[...] = np.einsum("nm,nm->n", counts, of_each)
        self.cache = a, p, counts, slopes

    def backward(self) -> None:
        assert self.grad is not None
        a, p, counts, slopes = self.cache
        grad = counts * self.grad[:, None]
        spread = p * (1 - p)
        da = -a * grad.reshape(-1, 1)
        da -= np.concatenate(slopes, axis=1) * float(np.add.reduce(grad, axis=None))
        da *= spread * (4 / self.temperature)
        dx = self.tape.take(self.x.shape)
        dx[...] = da.reshape(dx.shape)
        self.x.add_grad(dx)

    def forget(self) -> None:
        self.x = self.cache = None  # type: ignore[assignment]


def _parts(bits: int) -> list[tuple[int, int]]:
    """Return where parts of at most `MOST_JOINT` bits, about equally many, begin and end."""
    n = -(-bits // MOST_JOINT)
    ends = [bits * i // n for i in range(n + 1)]
    return list(zip(ends[:-1], ends[1:], strict=True))


def _mean_entropy(p: np.ndarray, shares: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the entropy of the mean of independent bits' joint distributions, and its slopes.

    Parameters
    ----------
    p : ndarray, shape (M, B)
        How likely each bit is 1.
    shares : ndarray, shape (M,)
        Of each row in the mean.

    Returns
    -------
    float
    ndarray, shape (M, B)
        The derivatives with respect to p.
    """
    half = p.shape[1] // 2
    first, second = _stages(p[:, :half]), _stages(p[:, half:])
    left, right = first[-1] * shares[:, None], second[-1]
    # the mean of outer products is one product of matrices, by einsum: the same bits always
    mean = np.einsum("mi,mj->ij", left, right)
    known = mean > 0
    logs = np.log(mean, out=np.zeros_like(mean), where=known)
    slope = np.where(known, -(logs + 1), 0)
    to_left = np.einsum("mj,ij->mi", right, slope) * shares[:, None]
    to_right = np.einsum("mi,ij->mj", left, slope)
    slopes = [
        _stages_backward(first, p[:, :half], to_left),
        _stages_backward(second, p[:, half:], to_right),
    ]
    return -float(np.add.reduce(mean * logs, axis=None)), np.concatenate(slopes, axis=1)


def _stages(p: np.ndarray) -> list[np.ndarray]:
    """Return the distributions (M, 2 ** j) of the first j bits, for every j from 0 to B."""
    found = [np.ones((len(p), 1))]
    for column in p.T[:, :, None]:
        found.append(np.concatenate([found[-1] * (1 - column), found[-1] * column], axis=1))
    return found


def _stages_backward(stages: list[np.ndarray], p: np.ndarray, grad: np.ndarray) -> np.ndarray:
    """Return the gradient of p, given that of the last distribution."""
    slopes = np.empty_like(p)
    for j in range(p.shape[1])[::-1]:
        without, with_bit = np.split(grad, 2, axis=1)
        slopes[:, j] = np.einsum("mk,mk->m", stages[j], with_bit - without)
        grad = without * (1 - p[:, j, None]) + with_bit * p[:, j, None]
    return slopes

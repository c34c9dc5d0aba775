r"""The loss of tables: each column by a likelihood of its own kind, in nats, summed over columns.

With x a cell and o what the decoder gives for its column:

================  ===========================================================  ==================
column            loss                                                         likelihood
================  ===========================================================  ==================
numeric           :math:`(x - o)^2 / 2\sigma^2 + \ln \sigma \sqrt{2\pi}`       normal
binary            :math:`-x \ln p - (1 - x) \ln (1 - p)`, p = sigmoid(o)       Bernoulli
K levels          :math:`-\ln p_x`, p = softmax(o) of K outputs                categorical
================  ===========================================================  ==================

Every numeric column has a deviation σ of its own, learned with the network as its logarithm. It
isn't let below 0.05 of the deviation that the column has: an error that small is small enough, and
no column may outweigh all others.

A missing cell costs nothing. A level that fit hasn't seen costs what Laplace's rule of succession
gives a level nobody has seen in n rows of K levels, :math:`\ln (n + K + 1)`; it has no gradient.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import _core, _workspace
from .losses import DELTA, HALF_LOG_2PI, Loss, Scratch
from .nn.module import Module, Parameter

LEAST_LOG_SIGMA = float(np.log(0.05))


class Scales(Module):
    """The deviations that the numeric columns' errors have, as their logarithms.

    Attributes
    ----------
    log_sigma : Parameter, shape (M,)
    """

    def __init__(self, columns: int) -> None:
        self.log_sigma = Parameter((columns,), fill=0.0)  # begins as the columns' own deviation

    @property
    def log_sigmas(self) -> np.ndarray:
        """What the loss takes them to be."""
        return np.maximum(self.log_sigma.value, np.float32(LEAST_LOG_SIGMA))


class Mixed(Loss):
    """The loss of tables with certain columns.

    Arrays are two-dimensional: n rows of C cells as a `tables.Layout` numbers them, and of O
    outputs: one for each numeric column, one for each binary one, and K for each of K levels, those
    of equal K together.

    Parameters
    ----------
    levels : tuple of int
        For each column the number of its levels; 0 if it is numeric, -1 to ignore it.
    surprise : ndarray of float64, shape (C,)
        What an unseen level costs.
    scales : Scales or None
        None where no column is numeric.
    """

    def __init__(
        self, levels: tuple[int, ...], surprise: np.ndarray, scales: Scales | None = None
    ) -> None:
        self.name, self.scales, self.levels = "mixed", scales, np.array(levels)
        self.numeric, self.binary = (np.flatnonzero(self.levels == k) for k in (0, 2))
        many = sorted({k for k in levels if k > 2})
        self.groups = {k: np.flatnonzero(self.levels == k) for k in many}
        self.surprise = np.where(self.levels > 0, surprise, 0).astype(np.float32)
        sizes = [len(self.numeric), len(self.binary), *(k * len(g) for k, g in self.groups.items())]
        ends = np.cumsum(sizes).tolist()
        self.parts = [slice(b - a, b) for a, b in zip(sizes, ends, strict=True)]
        self.outputs = ends[-1]

    def check(self, data: object, name: str) -> None:
        """Take any table that the layout has read."""

    def per_sample(
        self,
        loss: np.ndarray | None,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
    ) -> None:
        """Write each row's loss (n,) and its gradient times the row's weight (n, O)."""
        kinds = self.by_kind(grad, weight, output, target, mask, scratch)
        if loss is not None:
            loss.fill(0)
            for nats in kinds.values():
                loss += nats

    def by_kind(
        self,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
    ) -> dict[str, np.ndarray]:
        """Return what the columns of each kind cost each row (n,); write the gradient if any."""
        nats = {}
        if len(self.numeric):
            nats["numeric"] = self._normal(grad, weight, output, target, mask, scratch)
        for kind, places, run in self._categories():
            codes = _taken(scratch, "codes", target, places)
            known = codes < self.levels[places]  # False for NaN too
            unseen = codes == self.levels[places]
            part = np.zeros(len(output), np.float32)
            if run is not None:
                k = 2 if kind == "binary" else int(self.levels[places[0]])
                labels = np.where(known, codes, 0)
                x = scratch(f"logits {k}", (len(output), run.stop - run.start))
                np.copyto(x, output[:, run])
                dx = None if grad is None else scratch(f"dlogits {k}", x.shape)
                _category_loss(part, dx, weight, x, labels, known, k)
                if grad is not None:
                    grad[:, run] = dx
            if unseen.any():
                part += unseen.astype(np.float32) @ self.surprise[places]
            nats[kind] = nats[kind] + part if kind in nats else part
        return nats

    def _categories(self) -> Iterator[tuple[str, np.ndarray, slice | None]]:
        """Yield kind, columns and outputs of columns that have the same number of levels."""
        if len(self.binary):
            yield "binary", self.binary, self.parts[1]
        for (_, places), run in zip(self.groups.items(), self.parts[2:], strict=True):
            yield "categorical", places, run
        constant = np.flatnonzero(self.levels == 1)
        if len(constant):
            yield "categorical", constant, None

    def _normal(
        self,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
    ) -> np.ndarray:
        assert self.scales is not None
        log_sigma, run = self.scales.log_sigmas, self.parts[0]
        precision = np.exp(-2 * log_sigma)
        errors = _taken(scratch, "errors", target, self.numeric)
        np.subtract(output[:, run], errors, out=errors)
        seen = ~np.isnan(errors) if mask is None else mask[:, self.numeric] > 0
        errors[~seen] = 0
        squares = errors * errors * precision
        nats = (squares / 2 + (log_sigma + np.float32(HALF_LOG_2PI)) * seen).sum(1)
        if grad is not None and weight is not None:
            grad[:, run] = errors * precision * weight[:, None]
            slopes = (weight[:, None] * (seen - squares)).sum(0)
            free = self.scales.log_sigma.value >= LEAST_LOG_SIGMA
            self.scales.log_sigma.grad += np.where(free | (slopes < 0), slopes, 0)
        return nats

    def per_feature(self, out: np.ndarray, output: np.ndarray, target: np.ndarray) -> None:
        """Write what each cell adds to its row's loss, (n, C); nothing that makes sense for NaN."""
        out.fill(0)
        if len(self.numeric):
            assert self.scales is not None
            log_sigma = self.scales.log_sigmas
            errors = output[:, self.parts[0]] - target[:, self.numeric]
            nats = errors**2 * np.exp(-2 * log_sigma) / 2 + log_sigma + np.float32(HALF_LOG_2PI)
            out[:, self.numeric] = nats
        for kind, places, run in self._categories():
            codes = target[:, places]
            known, nats = codes < self.levels[places], np.zeros(codes.size, np.float32)
            if run is not None:
                k = 2 if kind == "binary" else int(self.levels[places[0]])
                x = np.ascontiguousarray(output[:, run]).reshape(codes.size, -1)
                labels = np.where(known, codes, 0).reshape(-1, 1)
                _category_loss(nats, None, None, x, labels, known.reshape(-1, 1), k)
            unseen = codes == self.levels[places]
            out[:, places] = np.where(unseen, self.surprise[places], nats.reshape(codes.shape))

    def to_data(self, output: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Turn outputs (n, O) into the likeliest cells (n, C)."""
        out = np.empty((len(output), len(self.levels)), np.float32) if out is None else out
        out[:, self.levels < 0] = np.nan
        out[:, self.levels == 1] = 0
        out[:, self.numeric] = output[:, self.parts[0]]
        out[:, self.binary] = output[:, self.parts[1]] > 0
        for (k, places), run in zip(self.groups.items(), self.parts[2:], strict=True):
            out[:, places] = output[:, run].reshape(len(output), len(places), k).argmax(2)
        return out

    def squared_error(
        self,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
        grad: np.ndarray | None = None,
    ) -> float:
        """Return the sum of squared errors of cells, of their probabilities for categories."""
        n = len(output)
        if grad is None:
            grad, weight = scratch("grad", output.shape), scratch("weight", (n,))
            weight.fill(1 / n)
            kept = None if self.scales is None else self.scales.log_sigma.grad.copy()
            self.per_sample(None, grad, weight, output, target, mask, scratch)
            if self.scales is not None:
                self.scales.log_sigma.grad[...] = kept
        errors = grad.astype(np.float64) * n
        if self.scales is not None:
            errors[:, self.parts[0]] *= np.exp(2 * self.scales.log_sigmas)
        errors[:, self.parts[1]] *= np.sqrt(2)  # both outcomes, as for more levels
        return float((errors**2).sum())


def _taken(scratch: Scratch, name: str, cells: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return some columns of cells."""
    out = scratch(name, (len(cells), len(places)))
    return np.take(cells, places, axis=1, out=out, mode="clip")


def _category_loss(
    nats: np.ndarray,
    grad: np.ndarray | None,
    weight: np.ndarray | None,
    logits: np.ndarray,
    labels: np.ndarray,
    known: np.ndarray,
    k: int,
) -> None:
    """Write the nats (n,) of labels (n, G) of k levels, and their gradient."""
    ws = _workspace.current()
    if k == 2:
        target, mask = labels.astype(np.float32), known.astype(np.float32)
        _core.loss("bce_with_logits", nats, grad, weight, logits, target, mask, DELTA, ws)
        return
    shape = (*labels.shape, k)
    dx = None if grad is None else grad.reshape(shape)
    numbers, mask = labels.astype(np.int64), known.astype(np.float32)
    _core.cross_entropy(nats, dx, weight, logits.reshape(shape), numbers, mask, ws)

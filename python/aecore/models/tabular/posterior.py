r"""Draws of codes given some cells of rows, by importance sampling.

Codes come from the prior, a share a of them, and from the encoder's posterior of a row whose other
cells are hidden: a proposal that is nowhere much thinner than what is wanted. Weights

.. math:: w = \frac{p(z)\, p(\text{cells} | z)}{a\, p(z) + (1 - a)\, q(z | \text{cells})}

make up for the difference. T. Hesterberg, "Weighted average importance sampling and defensive
mixture distributions", Technometrics 37, 1995.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ... import _core
from ...base import runtime
from ...base.streams import ESTIMATE, SAMPLE, derived_seed
from ...data.batches import Input
from ...data.tables.samples import TableData
from ...priors import Prior

if TYPE_CHECKING:
    from .tabular import TabularVAE

TOGETHER = 4096  # codes that are weighed together, if a row has no more
DECODED = 1024


class Particles(NamedTuple):
    """Weighted codes of some rows, and what the decoder makes of them.

    Attributes
    ----------
    rows : slice
    output : ndarray of float32, shape (n, S, O)
    shares : ndarray of float64, shape (n, S)
        Of the weights: those of a row add up to 1.
    """

    rows: slice
    output: np.ndarray
    shares: np.ndarray

    @property
    def effective(self) -> np.ndarray:
        """The effective sample size of each row, (n,): 1 / sum of squared shares."""
        size: np.ndarray = 1 / (self.shares**2).sum(1)
        return size

    def chosen(self, chance: np.ndarray) -> np.ndarray:
        """Return outputs (n, m, O) of codes that are drawn by their shares, by chances (n, m)."""
        below = np.cumsum(self.shares, axis=1)
        at = [
            np.searchsorted(b, u * b[-1], side="right") for b, u in zip(below, chance, strict=True)
        ]
        at = np.minimum(np.array(at), self.shares.shape[1] - 1)
        found: np.ndarray = np.take_along_axis(self.output, at[:, :, None], axis=1)
        return found


def particles(
    model: TabularVAE,
    cells: np.ndarray,
    size: int,
    prior: Prior,
    seed: int,
    log_chance: Callable[[np.ndarray], np.ndarray] | None = None,
    share: float = 0.5,
) -> Iterator[Particles]:
    """Yield S weighted codes of each row, for some rows at a time.

    Parameters
    ----------
    model : TabularVAE
    cells : ndarray of float32, shape (N, C)
        As the layout encodes them; NaN where nothing is known.
    size : int
        S, at least 2.
    prior : Prior
    seed : int
    log_chance : callable, optional
        The logarithm of the probability of what else is known, (n,) of outputs (n, O).
    share : float
        a, of which at least one code comes.
    """
    first, dim, loss = max(1, int(share * size)), int(model.latent_dim), model._loss
    mean, logvar = _posterior(model, cells)
    step = max(1, TOGETHER // size)
    for start in range(0, len(cells), step):
        rows = slice(start, min(start + step, len(cells)))
        n = rows.stop - rows.start
        ours = prior.draw(n * first, dim, seed, purpose=SAMPLE, offset=start * first)
        eps = np.empty((n * (size - first), dim), np.float32)
        at = start * (size - first) * dim
        _core.random_normal(eps, seed, ESTIMATE, at, runtime.current())
        deviation = np.exp(logvar[rows] / 2)[:, None]
        theirs = mean[rows, None] + deviation * eps.reshape(n, size - first, dim)
        z = np.concatenate([ours.reshape(n, first, dim), theirs], axis=1).astype(np.float32)
        log_p = prior.score_samples(z.reshape(-1, dim)).reshape(n, size)
        away = ((z - mean[rows, None]) / deviation).astype(np.float64)
        log_q = -0.5 * (away**2 + logvar[rows, None] + math.log(2 * math.pi)).sum(2)
        parts = np.log([first / size, 1 - first / size])
        output = _decoded(model, z.reshape(-1, dim))
        known = np.repeat(cells[rows], size, axis=0)
        nats = loss.cell_losses(None, None, output, known).sum(1, dtype=np.float64)
        log_w = log_p - np.logaddexp(parts[0] + log_p, parts[1] + log_q)
        log_w -= nats.reshape(n, size)
        if log_chance is not None:
            log_w += log_chance(output).reshape(n, size)
        weights = np.exp(log_w - log_w.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        yield Particles(rows, output.reshape(n, size, -1), weights)


def chances(n: int, width: int, seed: int, number: int) -> np.ndarray:
    """Return uniform numbers (n, width), float64, of a stream with a number."""
    out = np.empty((n, width), np.float32)
    _core.random_uniform(out, derived_seed(seed, number), SAMPLE, 0, runtime.current())
    return out.astype(np.float64)


def _posterior(model: TabularVAE, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means and log-variances (N, D) of the codes of rows, float64."""
    mean, logvar = np.empty((2, len(cells), int(model.latent_dim)))
    data = TableData(np.ascontiguousarray(cells), model._layout)
    for rows, batch in model._chunks(Input(data)):
        mean[rows], logvar[rows] = (first.data for first in model._posterior(batch))
    return mean, logvar


def _decoded(model: TabularVAE, z: np.ndarray) -> np.ndarray:
    """Return the decoder's outputs (n, O) for codes (n, D)."""
    network, parts = model._network, []
    for start in range(0, len(z), DECODED):
        with network.tape(records=False) as tape:
            codes = tape.constant(np.ascontiguousarray(z[start : start + DECODED]))
            parts.append(network.decode(codes, None).data.reshape(len(codes.data), -1).copy())
    return np.concatenate(parts)

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
from ...nn.flows import Chain
from ...nn.tape import Tape
from ...priors import Prior
from ..variational.flowed import flow_of

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
    alike: bool = False,
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
    alike : bool
        Whether all rows have the same random numbers, so that what comes of one doesn't depend on
        the others.
    """
    first, dim, loss = max(1, int(share * size)), int(model.latent_dim), model._loss
    mean, logvar, context = _posterior(model, cells)
    flow = flow_of(model)
    step = max(1, TOGETHER // size)
    for start in range(0, len(cells), step):
        rows = slice(start, min(start + step, len(cells)))
        n = rows.stop - rows.start
        drawn, before = (1, 0) if alike else (n, start)
        ours = prior.draw(drawn * first, dim, seed, purpose=SAMPLE, offset=before * first)
        ours = np.broadcast_to(ours.reshape(drawn, first, dim), (n, first, dim))
        eps = np.empty((drawn, size - first, dim), np.float32)
        at = before * (size - first) * dim
        _core.random_normal(eps, seed, ESTIMATE, at, runtime.current())
        deviation = np.exp(logvar[rows] / 2)[:, None]
        theirs = (mean[rows, None] + deviation * eps).astype(np.float32)
        if flow is None:
            normal = z = np.concatenate([ours, theirs], axis=1).astype(np.float32)
            log_det = np.zeros((n, size))
        else:
            normal, z, log_det = _flowed(flow, ours, theirs, context[rows])
        log_p = prior.score_samples(z.reshape(-1, dim)).reshape(n, size)
        away = ((normal - mean[rows, None]) / deviation).astype(np.float64)
        log_q = -0.5 * (away**2 + logvar[rows, None] + math.log(2 * math.pi)).sum(2) - log_det
        parts = np.log([first / size, 1 - first / size])
        output = _decoded(model, z.reshape(-1, dim))
        known = np.repeat(cells[rows], size, axis=0)
        nats = loss.cell_losses(None, None, output, known).sum(1, dtype=np.float64)
        log_w = log_p - np.logaddexp(parts[0] + log_p, parts[1] + log_q)
        log_w -= nats.reshape(n, size)
        if log_chance is not None:
            log_w += log_chance(output).reshape(n, size)
        if (log_w.max(1) == -np.inf).any():
            raise ValueError(
                "given: expected what the model may draw, got what has no probability with any of "
                f"{size} codes"
            )
        weights = np.exp(log_w - log_w.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        yield Particles(rows, output.reshape(n, size, -1), weights)


def chances(n: int, width: int, seed: int, number: int) -> np.ndarray:
    """Return uniform numbers (n, width), float64, of a stream with a number."""
    out = np.empty((n, width), np.float32)
    _core.random_uniform(out, derived_seed(seed, number), SAMPLE, 0, runtime.current())
    return out.astype(np.float64)


def _posterior(model: TabularVAE, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the means and log-variances (N, D) of the codes of rows, float64, and contexts (N, H).

    The contexts are what a flow sees; H is 0 where there are none.
    """
    mean, logvar = np.empty((2, len(cells), int(model.latent_dim)))
    width = 0 if model.posterior is None else int(model.posterior.context)
    context = np.empty((len(cells), width), np.float32)
    data = TableData(np.ascontiguousarray(cells), model._layout)
    for rows, batch in model._chunks(Input(data)):
        mean[rows], logvar[rows] = (first.data for first in model._posterior(batch))
        if batch.context is not None:
            context[rows] = batch.context.data
    return mean, logvar, context


def _flowed(
    flow: Chain, ours: np.ndarray, theirs: np.ndarray, context: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes before a flow and behind it, and log-determinants, of all codes of rows.

    `ours` (n, P, D) are behind it, `theirs` (n, S - P, D) before; contexts are (n, H).
    """
    (n, first, dim), size = ours.shape, ours.shape[1] + theirs.shape[1]
    seen = [np.repeat(context, k, axis=0) if context.size else None for k in (first, size)]
    before = flow.inverse(np.ascontiguousarray(ours, np.float32).reshape(-1, dim), seen[0])
    normal = np.concatenate([before.reshape(ours.shape), theirs], axis=1)
    with Tape(records=False) as tape:
        given = None if seen[1] is None else tape.constant(seen[1])
        behind, log_det = flow.forward(tape.constant(normal.reshape(-1, dim)), given)
        z = behind.data.reshape(normal.shape).copy()
        z[:, :first] = ours
        return normal, z, log_det.data.reshape(n, size).astype(np.float64)


def _decoded(model: TabularVAE, z: np.ndarray) -> np.ndarray:
    """Return the decoder's outputs (n, O) for codes (n, D)."""
    network, parts = model._network, []
    for start in range(0, len(z), DECODED):
        with network.tape(records=False) as tape:
            codes = tape.constant(np.ascontiguousarray(z[start : start + DECODED]))
            parts.append(network.decode(codes, None).data.reshape(len(codes.data), -1).copy())
    return np.concatenate(parts)

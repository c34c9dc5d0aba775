"""Normal posteriors: draws of them, and estimates of likelihoods. A `VAE` has these as methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ...base import checks, runtime
from ...base.sklearn import new_seed
from ...base.streams import ESTIMATE, LATENT, PRIOR
from ...data.batches import Batch
from ...divergences import Divergence, Estimated
from ...nn.ops.latent import LogPosterior, Reparameterize
from ...nn.tape import Value
from ..base.model import fitted
from ..base.sizes import by_size
from .weights import LogMean

if TYPE_CHECKING:
    from .vae import VAE

ACTIVE = 0.01  # the variance of a mean from which on its dimension is called active


class Draw:
    """Codes drawn from posteriors, and how likely they are under these.

    Attributes
    ----------
    z : Value, shape (n, D)
        The draws; where nothing is drawn, the means.
    mean, logvar : Value, shape (n, D)
        Of the normal distributions.
    eps : ndarray or None
        The noise; None where nothing is drawn.
    """

    def __init__(self, z: Value, mean: Value, logvar: Value, eps: np.ndarray | None) -> None:
        self.z, self.mean, self.logvar, self.eps = z, mean, logvar, eps

    def log_posterior(self) -> Value:
        """Return ln q(z | x) of the draws (n,), with gradients along their paths.

        Where nothing is drawn it is the mean over draws, the negative entropy.
        """
        return LogPosterior(self.logvar, self.eps)

    def mean_log_posterior(self) -> Value:
        """Return the mean of ln q(z | x) over draws (n,): less varied where it is known."""
        return LogPosterior(self.logvar)


def draw(batch: Batch, mean: Value, logvar: Value) -> Draw:
    """Return codes drawn from normal posteriors; the means where nothing is drawn."""
    if batch.noise == "off":
        return Draw(mean, mean, logvar, None)
    eps = batch.normal(mean.shape, LATENT)
    return Draw(Reparameterize(mean, logvar, eps), mean, logvar, eps)


def estimated(
    divergence: Divergence, batch: Batch, z: Value, mean: Value, logvar: Value
) -> dict[str, Value]:
    """Return a divergence's terms, of the codes of a batch and as many draws of the prior."""
    prior, purpose, position = batch.tape.take(z.shape), PRIOR, batch.position
    if batch.noise == "fixed":
        purpose, position = ESTIMATE, batch.total + batch.position  # apart from the codes' draws
    start = position * z.shape[1]
    _core.random_normal(prior, batch.seed, purpose, start, batch.tape.workspace)
    return Estimated(divergence, z, mean, logvar, prior, batch.total).terms


def moments(mean: np.ndarray, logvar: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Return sums over samples: of means, their squares, variances and their logarithms, (4, D).

    A sample counts by its weight.
    """
    if weight is not None:
        counts = weight.astype(np.float64)
        return np.stack([counts @ v for v in (mean, mean**2, np.exp(logvar), logvar)])
    sums = np.empty((4, mean.shape[1]))
    _core.latent_moments(sums, mean, logvar, runtime.current())
    return sums


def activity(means: np.ndarray) -> dict[str, float]:
    """Return the number of active units and the information bound from means of `moments`."""
    mean, square, inner, logvar = means
    outer = square - mean**2
    # KL from a normal distribution that fits all codes together, in place of the prior
    bound = float((np.log(outer + inner) - logvar).sum()) / 2
    return {"active_units": int((outer > ACTIVE).sum()), "information_bound": bound}


@by_size
@fitted
def encode_distribution(
    self: VAE, X: Any, y: Any = None, *, sample_mask: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior of each sample's code; with a flow the normal one in front of it.

    Parameters
    ----------
    X, y, sample_mask
        As in `transform`.

    Returns
    -------
    mean, logvar : ndarray of float32, shape (N, latent_dim), or (N, h, w, latent_dim) of maps
    """
    given, out = self._input(X, y, sample_mask), np.empty(0, np.float32)
    for rows, batch in self._chunks(given):
        found = [self._mapped(batch, half.data) for half in self._posterior(batch)]
        if not rows.start:
            out = np.empty((2, len(given.data), *found[0].shape[1:]), np.float32)
        out[0, rows], out[1, rows] = found
    return out[0], out[1]


@by_size
@fitted
def elbo(
    self: VAE,
    X: Any,
    y: Any = None,
    *,
    n_samples: int = 1,
    random_state: Any = None,
    target: Any = None,
    sample_mask: Any = None,
) -> np.ndarray:
    r"""Estimate the evidence lower bound of each sample.

    .. math:: \frac{1}{S} \sum_s \ln p(x | z_s) - \mathrm{KL}(q(z | x) \,\|\, p(z)),
        \quad z_s \sim q(z | x)

    Parameters
    ----------
    X, y, target, sample_mask
        As in `score_samples`.
    n_samples : int
        S.
    random_state : int, Generator, RandomState or None

    Returns
    -------
    ndarray of float32, shape (N,)
        In nats, but for the constants that `aecore.losses` names; of a table as a density of its
        numbers as they are, in their own units (seconds for times).
    """
    n_samples, seed = checks.integer("n_samples", n_samples, 1), new_seed(random_state)
    given = self._input(X, y, sample_mask, target, compares=True)
    out = np.zeros(len(given.data), np.float64)
    for rows, batch in self._chunks(given, noise="fixed", seed=seed):
        mean, logvar = self._posterior(batch)
        for s in range(n_samples):
            batch.position = s * len(out) + rows.start
            bound = self._bound(batch, mean, logvar)
            out[rows] -= (bound["recon"].data + bound["kl"].data.astype(np.float64)) / n_samples
        out[rows] += self._log_scale(batch)
    return out.astype(np.float32)


@by_size
@fitted
def log_likelihood(
    self: VAE,
    X: Any,
    y: Any = None,
    *,
    n_samples: int = 100,
    return_std: bool = False,
    random_state: Any = None,
    target: Any = None,
    sample_mask: Any = None,
) -> Any:
    r"""Estimate the log-likelihood of each sample by importance sampling.

    .. math:: \ln \frac{1}{S} \sum_s \frac{p(x | z_s)\, p(z_s)}{q(z_s | x)},
        \quad z_s \sim q(z | x)

    It is at least the bound of `elbo` on average, and rises to ln p(x) with S. How far it is off
    follows from the spread of the weights: the standard error of their mean :math:`\bar w`,
    relative to it, is :math:`s = \sqrt{\mathrm{var}(w) / S}\, / \bar w`, and the estimate is low by
    about :math:`s^2 / 2`. Draws of different samples are independent, so that the mean of N
    estimates has the error :math:`\sqrt{\sum_n s_n^2} / N`. Weights that hardly ever are large make
    both too small: `annealed_log_likelihood` is a check.

    Parameters
    ----------
    X, y, target, sample_mask
        As in `score_samples`.
    n_samples : int
        S: as many passes of the decoder.
    return_std : bool
        Whether to return standard errors too, for which S is at least 2.
    random_state : int, Generator, RandomState or None

    Returns
    -------
    ndarray of float32, shape (N,)
        As `elbo` gives it. With `return_std` a pair, the second being standard errors.
    """
    n_samples = checks.integer("n_samples", n_samples, 2 if return_std else 1)
    seed = new_seed(random_state)
    given = self._input(X, y, sample_mask, target, compares=True)
    values, errors = np.empty((2, len(given.data)))
    for rows, batch in self._chunks(given, noise="fixed", seed=seed):
        mean, logvar = self._posterior(batch)
        found = LogMean(batch.n)
        for s in range(n_samples):
            batch.position = s * len(values) + rows.start
            drawn = self._draw(batch, mean, logvar)
            recon = self._loss.term(self._decode(drawn.z, batch), batch).data
            found.add(self._log_ratio(batch, drawn).data - recon.astype(np.float64))
        values[rows], errors[rows] = found.value() + self._log_scale(batch), found.error()
    out = values.astype(np.float32)
    return (out, errors.astype(np.float32)) if return_std else out

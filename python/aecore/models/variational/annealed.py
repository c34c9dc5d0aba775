"""Annealed importance sampling: likelihoods of samples without the encoder's help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ... import _core
from ...base import checks, runtime
from ...base.sklearn import new_seed
from ...base.streams import ESTIMATE, derived_seed
from ...data.batches import Batch, Input
from ...nn.recurrent import AutoregressiveLSTM
from ..base.model import at_once, fitted
from ..base.sizes import by_size
from .importance import repeated
from .weights import LogMean

if TYPE_CHECKING:
    from .vae import VAE

PILOTS = 2  # chains of a sample that run before, for the sizes of steps
APART = 16  # by how many seeds their draws are from the others'
FIRST_STEP = 0.2  # that theirs begin with
ACCEPTED = 0.65  # the share of proposals to be accepted: best for many dimensions
GAIN = 0.1  # by how much the logarithm of a step's size follows the share that is
STEEPNESS = 4.0  # of the sigmoid that temperatures are spaced by

Array = np.ndarray


class Point(NamedTuple):
    """Codes, and how likely they are: with R codes of W numbers.

    Attributes
    ----------
    z : ndarray of float32, shape (R, W)
    likelihood, prior : ndarray of float64, shape (R,)
        ln p(x | z) and ln p(z).
    up, back : ndarray of float32, shape (R, W)
        Their gradients.
    """

    z: Array
    likelihood: Array
    prior: Array
    up: Array
    back: Array

    def height(self, beta: float) -> Array:
        """Return ln p(z) + beta ln p(x | z)."""
        found: Array = self.prior + beta * self.likelihood
        return found

    def slope(self, beta: float) -> Array:
        """Return its gradient."""
        found: Array = self.back + np.float32(beta) * self.up
        return found

    def where(self, chosen: Array, other: Point) -> Point:
        """Return these codes where `chosen` (R,) says so, and others elsewhere."""
        parts = zip(self, other, strict=True)
        return Point(*(np.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in parts))


class Annealing:
    """The chains of some samples, from the prior to their posteriors.

    Parameters
    ----------
    model : VAE
    batch : Batch
        The samples, in a pass.
    chains : int
        C, for each sample.
    seed : int
        Of all draws. A sample's follow from its place among all.
    start : int
        How many samples come before the batch.
    """

    def __init__(self, model: VAE, batch: Batch, chains: int, seed: int, start: int) -> None:
        self.model, self.chains, self.seed = model, chains, seed
        self.room, self.start, self.total = batch.room, start, batch.total
        self.many = repeated(batch, chains)

    def at(self, z: Array) -> Point:
        """Return how likely codes are, and their gradients."""
        model, many = self.model, self.many
        with model._pass(many, records=True):
            many.room, tape = self.room, many.tape
            ours, theirs = tape.variable(z), tape.variable(z)
            recon = model._loss.term(model._decode(ours, many), many)
            prior = model._log_prior(many, theirs)
            likelihood = -recon.data.astype(np.float64)
            log_prior = prior.data.astype(np.float64)
            tape.backward((recon, -1.0), (prior, 1.0), frozen=model._network)
            up, back = ours.grad, theirs.grad
            assert up is not None and back is not None
            return Point(z, likelihood, log_prior, up.copy(), back.copy())

    def first(self) -> Point:
        """Draw codes of the prior."""
        places = int(np.prod(self.room)) if self.room else 1
        dim, rows = int(self.model.latent_dim), self.many.n * places
        offset = self.start * self.chains * places
        prior = self.model._own_prior()
        z = prior.draw(rows, dim, derived_seed(self.seed, 1), purpose=ESTIMATE, offset=offset)
        return self.at(z.reshape(self.many.n, places * dim))

    def draws(self, t: int, width: int) -> tuple[Array, Array]:
        """Return what a transition needs: momenta (R, W), and numbers in [0, 1) (R,)."""
        rows = self.many.n
        momentum, uniform = np.empty((rows, width), np.float32), np.empty(rows, np.float32)
        first, workspace = (t * self.total + self.start) * self.chains, runtime.current()
        seeds = derived_seed(self.seed, 2), derived_seed(self.seed, 3)
        _core.random_normal(momentum, seeds[0], ESTIMATE, first * width, workspace)
        _core.random_uniform(uniform, seeds[1], ESTIMATE, first, workspace)
        return momentum, uniform

    def moved(
        self, point: Point, beta: float, t: int, step: Array, leaps: int
    ) -> tuple[Point, Array]:
        """Make a transition of Hamiltonian Monte Carlo; return with what probability it is taken.

        `step` (R, 1) is how far it goes at a time, in float32.
        """
        momentum, uniform = self.draws(t, point.z.shape[1])
        before = point.height(beta) - (momentum * momentum).sum(1, dtype=np.float64) / 2
        end = point
        momentum += step / 2 * end.slope(beta)
        for leap in range(leaps):
            end = self.at(end.z + step * momentum)
            momentum += (step if leap + 1 < leaps else step / 2) * end.slope(beta)
        after = end.height(beta) - (momentum * momentum).sum(1, dtype=np.float64) / 2
        chance = np.nan_to_num(np.exp(np.minimum(after - before, 0.0)))  # 0 where all is lost
        return end.where(uniform < chance, point), chance

    def adapted(self, betas: Array, leaps: int) -> Array:
        """Return sizes of steps, (T, n), in which chains accept about the share that is best."""
        sizes = np.empty((len(betas), self.many.n // self.chains), np.float32)
        log_size, point = np.full(sizes.shape[1], np.log(FIRST_STEP)), self.first()
        for t, beta in enumerate(betas):
            sizes[t] = np.exp(log_size)
            point, chance = self.moved(point, beta, t, self._each(sizes[t]), leaps)
            log_size += GAIN * (chance.reshape(-1, self.chains).mean(1) - ACCEPTED)
        return sizes

    def log_weights(self, betas: Array, sizes: Array, leaps: int) -> Array:
        """Return the logarithms of the chains' weights, (n, C)."""
        point, total, last = self.first(), np.zeros(self.many.n), 0.0
        for t, beta in enumerate(betas):
            total += (beta - last) * point.likelihood
            if t + 1 < len(betas):
                point, _ = self.moved(point, beta, t, self._each(sizes[t]), leaps)
            last = beta
        return total.reshape(-1, self.chains)

    def _each(self, size: Array) -> Array:
        """Return a number of each sample for each of its chains, (R, 1)."""
        return np.repeat(size, self.chains)[:, None]


def temperatures(count: int) -> Array:
    """Return so many numbers up to 1, close to each other near 0 and 1."""
    s = 1 / (1 + np.exp(-STEEPNESS * np.linspace(-1, 1, count + 1)))
    found: Array = (s[1:] - s[0]) / (s[-1] - s[0])
    return found


@by_size
@fitted
def annealed_log_likelihood(
    self: VAE,
    X: Any,
    y: Any = None,
    *,
    n_temperatures: int = 500,
    n_chains: int = 16,
    n_leapfrog: int = 10,
    return_std: bool = False,
    random_state: Any = None,
    target: Any = None,
    sample_mask: Any = None,
) -> Any:
    r"""Estimate the log-likelihood of each sample by annealed importance sampling.

    Chains go from the prior to the posterior in T steps, :math:`f_t(z) = p(z)\, p(x | z)^{\beta_t}`
    with :math:`0 = \beta_0 < \dots < \beta_T = 1`, by Hamiltonian Monte Carlo, and

    .. math:: \ln \frac{1}{C} \sum_c w_c, \quad
        \ln w_c = \sum_t (\beta_t - \beta_{t - 1}) \ln p(x | z_{c, t - 1})

    The encoder has no part in it, so that it is a check of `log_likelihood`, which is low where
    posteriors have another form than the encoder says. It is low itself, on average, where chains
    are too few or too short, and takes C T L passes through the decoder and back. Sizes of steps
    follow from two chains of each sample that run before, so that 65 % of proposals are accepted;
    temperatures are spaced as a sigmoid.

    Parameters
    ----------
    X, y, target, sample_mask
        As in `score_samples`.
    n_temperatures, n_chains, n_leapfrog : int
        T, C, and L, the leaps of a step.
    return_std : bool
        Whether to return standard errors too; see `log_likelihood`.
    random_state : int, Generator, RandomState or None

    Returns
    -------
    ndarray of float32, shape (N,)
        As `elbo` gives it. With `return_std` a pair, the second being standard errors.

    References
    ----------
    R. Neal, "Annealed importance sampling", Statistics and Computing 11, 2001. Y. Wu et al., "On
    the quantitative analysis of decoder-based generative models", ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 8))
    >>> model = ae.VAE(ae.Dense((16,)), 2, loss="gaussian", epochs=5, random_state=0).fit(X)
    >>> how = {"return_std": True, "random_state": 0}
    >>> annealed, error = model.annealed_log_likelihood(X[:5], n_temperatures=50, **how)
    >>> weighted, other = model.log_likelihood(X[:5], n_samples=500, **how)
    >>> bool((abs(annealed - weighted) < 4 * np.hypot(error, other)).all())
    True
    """
    t = checks.integer("n_temperatures", n_temperatures, 1)
    chains = checks.integer("n_chains", n_chains, 2 if return_std else 1)
    leaps = checks.integer("n_leapfrog", n_leapfrog, 1)
    seed, betas = new_seed(random_state), temperatures(t)
    if any(isinstance(m, AutoregressiveLSTM) for _, m in self._network.modules()):
        raise ValueError(
            "annealed_log_likelihood: expected a decoder without teacher forcing, got one that "
            "takes its own outputs, through which no gradient goes"
        )
    given = self._input(X, y, sample_mask, target, compares=True)
    values, errors = np.empty((2, len(given.data)))
    for rows, batch in _few(self, given, chains):
        self._posterior(batch)  # says whether codes are maps
        pilots = Annealing(self, batch, PILOTS, derived_seed(seed, APART), rows.start)
        sizes = pilots.adapted(betas, leaps)
        weights = Annealing(self, batch, chains, seed, rows.start).log_weights(betas, sizes, leaps)
        found = LogMean(batch.n)
        for column in weights.T:
            found.add(column)
        values[rows], errors[rows] = found.value() + self._log_scale(batch), found.error()
    out = values.astype(np.float32)
    return (out, errors.astype(np.float32)) if return_std else out


def _few(model: VAE, given: Input, chains: int) -> Any:
    """Yield batches of as many samples as there is room for with all their chains."""
    start, size = 0, max(1, at_once(given.data.shape) // chains)
    for batch in given.batches(size)():
        with model._pass(batch):
            batch.total = len(given.data)
            yield slice(start, start + batch.n), batch
        start += batch.n

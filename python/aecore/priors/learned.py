"""Priors inside a network: what a variational model asks of one while it is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..nn.module import Module
from ..nn.ops.mixture import MixtureDensity, lower
from ..nn.parameter import Parameter, value_of
from ..nn.tape import Tape, Value
from ._gaussians import Gaussians, triangular_inverse

Encode = Callable[[Value], tuple[Value, Value]]  # samples to means and log-variances of posteriors


class Density(Protocol):
    """A prior as it is in one pass."""

    def log_density(self, z: Value) -> Value:
        """Return ln p(z) of codes (N, D), shape (N,)."""

    def mean_log_density(self, mean: Value, logvar: Value) -> Value:
        """Return the mean of ln p(z) over posteriors, or what stands for it, without a draw: (N,).

        What cannot say gives that of the means of the posteriors, which the scores of samples take.
        """

    @property
    def is_exact(self) -> bool:
        """Whether `mean_log_density` is the mean itself, so that training takes it."""


class LearnedPrior(Module):
    """A prior whose parameters are part of a network.

    A prior's `Prior.module` makes it. `density` says what the prior is in one pass.
    """

    def density(self, tape: Tape, encode: Encode) -> Density:
        """Return the prior as it is in a pass.

        Parameters
        ----------
        tape : Tape
        encode : callable
            Gives means and log-variances of samples' posteriors in the same pass, without noise.
        """
        raise NotImplementedError

    @property
    def wanted(self) -> int:
        """How many training samples it starts from; 0 if from none."""
        return 0

    def start(self, samples: np.ndarray) -> None:
        """Start from as many training samples (n, ...) as are `wanted`, as encoders see them."""

    @property
    def fewest_codes(self) -> int:
        """How many codes of a pretrained model it needs to start from them; 0 if it doesn't.

        See `Prior.start_on`.
        """
        return 0

    @property
    def widths(self) -> np.ndarray:
        """The variance of each dimension given all others, (D,), where it can start from codes."""
        raise NotImplementedError


class Components:
    """A mixture in one pass: its numbers are values on the tape. See `MixtureDensity`."""

    def __init__(self, logits: Value, means: Value, logvars: Value, skew: Value | None) -> None:
        self.logits, self.means, self.logvars, self.skew = logits, means, logvars, skew

    @property
    def is_exact(self) -> bool:
        """Whether there is a single component, of which all is known in closed form."""
        return self.means.shape[0] == 1

    def log_density(self, z: Value) -> Value:
        """Return ln p(z)."""
        return MixtureDensity(z, self.logits, self.means, self.logvars, self.skew)

    def mean_log_density(self, mean: Value, logvar: Value) -> Value:
        """Return a lower bound of the mean of ln p(z) over posteriors."""
        return self._mean(mean, logvar)

    def responsibilities(self, mean: Value, logvar: Value | None = None) -> np.ndarray:
        """Return how likely the components are for posteriors, (N, K); without logvar for codes."""
        return self._mean(mean, logvar).found[0]

    def _mean(self, mean: Value, logvar: Value | None) -> MixtureDensity:
        return MixtureDensity(mean, self.logits, self.means, self.logvars, self.skew, logvar)


class LearnedMixture(LearnedPrior):
    """The components of a `GaussianMixture`: as parameters, or fixed where they are given.

    Parameters
    ----------
    components, dim : int
        K and D.
    full : bool
        Whether a component may be correlated.
    given : Gaussians, optional
        A mixture that isn't learned.
    """

    def __init__(
        self, components: int, dim: int, full: bool, given: Gaussians | None = None
    ) -> None:
        shape = components, dim
        self.full = full
        self.logits: Any
        if given is None:
            self.logits = Parameter((components,), fill=0.0)
            self.means: Any = Parameter(shape, std=1.0)
            self.logvars: Any = Parameter(shape, fill=0.0)
            self.skew: Any = Parameter((*shape, dim), fill=0.0) if full else None
        else:
            found = _numbers(given)
            self.logits, self.means, self.logvars = (a.astype(np.float32) for a in found[:3])
            self.skew = found[3].astype(np.float32) if full else None

    @property
    def fewest_codes(self) -> int:
        """One for each component; 0 where they aren't learned."""
        return len(self.means.value) if isinstance(self.means, Parameter) else 0

    @property
    def widths(self) -> np.ndarray:
        """The variance of each dimension given all others: a geometric mean over the components."""
        weights, _, factors = self.mixture()
        roots = triangular_inverse(factors) if self.full else 1 / factors
        precisions = np.einsum("kij,kij->kj", roots, roots) if self.full else roots**2
        found: np.ndarray = np.exp(-np.einsum("k,kj->j", weights, np.log(precisions)))
        return found

    def density(self, tape: Tape, encode: Encode) -> Components:
        """Return the components."""
        parts = self.logits, self.means, self.logvars, self.skew
        logits, means, logvars, skew = (None if p is None else value_of(p, tape) for p in parts)
        assert logits is not None and means is not None and logvars is not None
        return Components(logits, means, logvars, skew)

    def take(self, mixture: Gaussians) -> None:
        """Give the parameters the values of a mixture."""
        logits, means, logvars, skew = _numbers(mixture)
        for parameter, found in ((self.logits, logits), (self.means, means)):
            parameter.value[...] = found
        self.logvars.value[...] = logvars
        if self.full:
            self.skew.value[...] = skew

    def mixture(self) -> Gaussians:
        """Return the mixture that the parameters stand for."""
        logits, means, logvars = (
            np.array(p, np.float64) for p in (self.logits, self.means, self.logvars)
        )
        weights = np.exp(logits - logits.max())
        factors = np.exp(logvars / 2)
        if self.full:
            eye = np.eye(means.shape[1])
            whole = np.stack([lower(np.array(s)) + eye for s in np.array(self.skew)])
            factors = triangular_inverse(whole / factors[:, :, None])
        return Gaussians(weights / weights.sum(), means, factors)


def _numbers(mixture: Gaussians) -> tuple[np.ndarray, ...]:
    """Return logits, means, logvars and skew of a mixture; see `MixtureDensity`."""
    weights, means, factors = mixture
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(weights), -100.0)  # of a component that is never drawn
    if factors.ndim == 2:
        return logits, means, 2 * np.log(factors), np.zeros((0,))
    roots = triangular_inverse(factors)
    scale = np.einsum("kdd->kd", roots)
    skew = roots / scale[:, :, None]
    skew -= np.eye(means.shape[1])
    return logits, means, -2 * np.log(scale), skew

"""The prior that is a normalizing flow."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .. import _core
from ..base import checks, runtime
from ..base.sklearn import not_fitted
from ..nn.flows import AffineCoupling, Chain
from ..nn.ops.latent import StandardNormal
from ..nn.tape import Tape, Value
from .base import EncodeArray, Prior
from .learned import Encode, LearnedPrior

ROWS = 4096  # codes at a time


class RealNVP(Prior):
    r"""N(0, I) behind an invertible map that is learned with the model: a normalizing flow.

    .. math:: \ln p(z) = \ln N(f(z) | 0, I) + \ln \left|\det \frac{\partial f}{\partial z}\right|

    f consists of affine couplings: each scales and shifts every second number of a code by what a
    network makes of the others, so that determinant and inverse take one pass. Codes are drawn by
    the inverse. It begins as N(0, I), and is learned as ``prior`` of a `VAE`; what was learned is
    the model's ``prior_``.

    Parameters
    ----------
    layers : int
        Couplings; with two of them every number of a code has been changed.
    width : int
        Units in each of the two hidden layers of a coupling's network.

    References
    ----------
    L. Dinh, J. Sohl-Dickstein and S. Bengio, "Density estimation using Real NVP", ICLR 2017.
    X. Chen et al., "Variational lossy autoencoder", ICLR 2017 (a flow as prior).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.VAE(ae.Dense((16,)), 2, prior=ae.RealNVP(4, 16), epochs=2, random_state=0)
    >>> model.fit(X).sample(3, random_state=0).shape
    (3, 20)
    >>> model.prior_.score_samples(model.transform(X)).shape
    (100,)
    """

    def __init__(self, layers: int = 6, width: int = 128) -> None:
        self.layers = layers
        self.width = width

    _flow: Chain

    def __sklearn_is_fitted__(self) -> bool:
        return "_flow" in vars(self)

    def fit(self, Z: Any, y: Any = None) -> Any:
        """Raise TypeError: it is learned with a model, as its ``prior``."""
        raise TypeError(
            "fit: expected a RealNVP as the prior of a VAE, VAE(prior=RealNVP()), which learns it, "
            "got codes; GaussianMixture is fitted to codes"
        )

    def check(self, dim: int) -> None:
        """Raise an error unless it was learned, from codes of `dim` numbers."""
        if not self.__sklearn_is_fitted__():
            raise not_fitted(type(self).__name__)
        if dim != self.n_features_in_:
            raise ValueError(
                f"prior: expected codes of {dim} numbers, got a RealNVP of {self.n_features_in_}"
            )

    # ---- learned with a model --------------------------------------------------------------------

    def check_learned(self, dim: int) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        checks.integer("prior: layers", self.layers, 1)
        checks.integer("prior: width", self.width, 1)

    def module(self, dim: int, shape: tuple[int, ...]) -> LearnedFlow:
        """Return the flow, with fresh parameters."""
        return LearnedFlow(dim, int(self.layers), int(self.width))

    def learned(self, module: LearnedPrior, encode: EncodeArray, numbered: bool) -> RealNVP:
        """Return a prior with the flow of a fitted network."""
        assert isinstance(module, LearnedFlow)
        found = type(self)(**self.get_params(deep=False))
        found._flow, found.n_features_in_ = copy.deepcopy(module.flow), module.dim
        return found

    # ---- draws and densities ---------------------------------------------------------------------

    def _draw(self, n: int, dim: int, seed: int, purpose: int, offset: int, y: Any) -> np.ndarray:
        if y is not None:
            raise ValueError("y: expected None for a RealNVP, which has no classes, got labels")
        z = np.empty((n, dim), np.float32)
        _core.random_normal(z, seed, purpose, offset * dim, runtime.current())
        for start in range(0, n, ROWS):
            z[start : start + ROWS] = self._flow.inverse(z[start : start + ROWS])
        return z

    def score_samples(self, Z: Any) -> np.ndarray:
        """Return the logarithm of the density at each code; see `Prior.score_samples`."""
        self.check(vars(self).get("n_features_in_", 0))
        Z = self._read(Z, self.n_features_in_).astype(np.float32)
        out = np.empty(len(Z))
        for start in range(0, len(Z), ROWS):
            with Tape(records=False) as tape:
                found = FlowDensity(self._flow).log_density(tape.constant(Z[start : start + ROWS]))
                out[start : start + ROWS] = found.data
        return out


class LearnedFlow(LearnedPrior):
    """The couplings of a `RealNVP` in a network.

    Parameters
    ----------
    dim, layers, width : int
    """

    def __init__(self, dim: int, layers: int, width: int) -> None:
        self.dim = dim
        self.flow = Chain([AffineCoupling(dim, width, k % 2 > 0) for k in range(layers)])

    def density(self, tape: Tape, encode: Encode) -> FlowDensity:
        """Return the flow as it is in a pass."""
        return FlowDensity(self.flow)


class FlowDensity:
    """The density of a flow: what N(0, I) is where it takes codes, and how it stretches them."""

    is_exact = False

    def __init__(self, flow: Chain) -> None:
        self.flow = flow

    def log_density(self, z: Value) -> Value:
        """Return ln p(z) of codes (N, D), shape (N,)."""
        there, log_det = self.flow.forward(z)
        return StandardNormal(there) + log_det

    def mean_log_density(self, mean: Value, logvar: Value) -> Value:
        """Return ln p of the means of posteriors, in place of its mean over draws."""
        return self.log_density(mean)

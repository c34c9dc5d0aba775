"""Which component of a mixture a sample's code is from. A `VAE` has these as methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...priors.learned import Components
from ..base.model import fitted
from ..base.sizes import by_size
from . import flowed
from . import prior as priors

if TYPE_CHECKING:
    from .vae import VAE


class OfMixture:
    """A method that a model has if its prior is a mixture."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method, self.__doc__ = method, method.__doc__

    def __get__(self, model: VAE | None, owner: type) -> Any:
        if model is None:
            return self.method
        name = self.method.__name__
        if not hasattr(model.prior, "means_") and not hasattr(type(model.prior), "means_"):
            raise AttributeError(
                f"{name}: expected a {owner.__name__} whose prior is a mixture, such as "
                f"GaussianMixture(10), got prior={model.prior!r}"
            )
        return self.method.__get__(model, owner)


@by_size
@fitted
def predict_proba(self: VAE, X: Any, y: Any = None, *, sample_mask: Any = None) -> np.ndarray:
    r"""Return how likely each sample is from each component of the prior.

    .. math:: q(k | x) \propto w_k \exp E_{q(z | x)} \ln N(z | \mu_k, \Sigma_k)

    which is what makes the bound the highest. Behind a flow it is that of what `transform` gives.

    Parameters
    ----------
    X, y, sample_mask
        As in `transform`.

    Returns
    -------
    ndarray of float32, shape (N, K), or (N, h, w, K) of maps
        Rows sum to 1.
    """
    return self._collected(self._input(X, y, sample_mask), lambda b: _shares(self, b))


@by_size
@fitted
def predict(self: VAE, X: Any, y: Any = None, *, sample_mask: Any = None) -> np.ndarray:
    """Return the component of the prior that each sample is most likely from: its cluster.

    Parameters
    ----------
    X, y, sample_mask
        As in `transform`.

    Returns
    -------
    ndarray of int64, shape (N,), or (N, h, w) of maps
        Numbers of components, as in ``prior_.means_``. `sample` takes them for y, unless the prior
        was given labels of its own, ``prior_.labels_`` (in the order of the components).
    """
    return self._collected(self._input(X, y, sample_mask), lambda b: _shares(self, b).argmax(-1))


def _shares(model: VAE, batch: Any) -> np.ndarray:
    """Return how likely the components are for a batch, (n, K)."""
    codes = (model._latent(batch),) if flowed.flow_of(model) else model._posterior(batch)
    density = priors.density_of(model, batch)
    if not isinstance(density, Components):
        raise ValueError(
            f"prior: expected a mixture in fit, to tell components, got {model.prior!r} since"
        )
    found = density.responsibilities(*priors.places(model, batch, *codes))
    return found.reshape(batch.n, *batch.room, -1).astype(np.float32)

"""The conditional variational autoencoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data import weights
from ...data.conditions import Conditioner, MixedConditioner
from ..base.own_rows import conditioner_of
from .vae import VAE


class CVAE(VAE):
    r"""A variational autoencoder of samples given something else: p(x | y).

    The condition y is either a label for each sample, integers or strings, which becomes a one-hot
    vector; or a row of numbers, properties such as size and angle, which are standardised; or a row
    of words and numbers, from a data frame, a structured array or a list of tuples. It stands
    beside the last axis of the encoder's input and of the code. Methods take y after X.

    .. math:: E_{q(z | x, y)}[-\ln p(x | z, y)] + \beta\,\mathrm{KL}(q(z | x, y) \,\|\, N(0, I))

    Parameters
    ----------
    beta : float
        The weight of the KL term, or of the divergence. 1 is the evidence lower bound of p(x | y).
    class_weight : None, "balanced" or dict
        How much a sample counts in training by its label, as ``sample_weight`` does, with which it
        is multiplied: "balanced" is N / (K n) for a class with n of N samples in K classes. Samples
        that ``validation_fraction`` holds out are weighted by it too, those of X_val aren't.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The labels in order, where y is labels. What `partial_fit` sees first must have them all; or
        call ``initialize(X, y)`` before with samples of every class.
    condition_mean_, condition_scale_ : ndarray, shape (p,)
        What properties are standardised by.

    References
    ----------
    K. Sohn, H. Lee and X. Yan, "Learning structured output representation using deep conditional
    generative models", NeurIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((60, 8))
    >>> y = np.array(["a", "b", "c"] * 20)
    >>> model = ae.CVAE(ae.Dense((16,)), latent_dim=2, epochs=2, random_state=0).fit(X, y)
    >>> model.sample(5, y="b").shape
    (5, 8)
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        *,
        class_weight: Any = None,
        **options: Any,
    ) -> None:
        self._store(CVAE, locals())

    class_weight: Any
    _needs_y = True

    def _check_params(self) -> None:
        weights.check_classes(self.class_weight)
        super()._check_params()

    def _conditioner(self, y: Any, n: int) -> Conditioner:
        return conditioner_of(y, n)

    @property
    def classes_(self) -> np.ndarray:
        """The labels in order."""
        return self._learned("classes")

    @property
    def condition_mean_(self) -> np.ndarray:
        """The mean of each property."""
        return self._learned("mean")

    @property
    def condition_scale_(self) -> np.ndarray:
        """The standard deviation of each property; 1 where it is 0."""
        return self._learned("scale")

    def _learned(self, name: str) -> np.ndarray:
        value = getattr(self._fitted().conditioner, name)
        if value is None:
            wanted, got = "labels", "properties"
            if name != "classes":
                wanted, got = got, wanted
            if isinstance(self._network.conditioner, MixedConditioner):
                got = "a table of words and numbers"
            raise AttributeError(f"{type(self).__name__}: expected {wanted} in fit, got {got}")
        return value

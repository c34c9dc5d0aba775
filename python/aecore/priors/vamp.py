"""The prior that is a mixture of posteriors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import checks
from ..nn.parameter import Parameter, value_of
from ..nn.tape import Tape
from ._gaussians import Gaussians
from ._mixture import Mixture
from .base import EncodeArray
from .learned import Components, Encode, LearnedPrior


class VampPrior(Mixture):
    r"""A mixture of the posteriors of learned pseudo-inputs: :math:`\frac{1}{K} \sum_k q(z | u_k)`.

    The prior that makes a `VAE`'s bound the highest is the mean of the posteriors of all samples;
    this is one of K samples, which begin as samples of the training set and are learned with the
    model. The encoder gives the components, so that the prior follows it, and has no parameters but
    the pseudo-inputs. It is learned by a `VAE` alone; ``prior_`` of that is a mixture that can be
    drawn from.

    Parameters
    ----------
    components : int
        K: as many samples are encoded with every batch.

    Attributes
    ----------
    weights_ : ndarray of float64, shape (K,)
    means_, covariances_ : ndarray of float64, shape (K, D)
        Means and variances of the components.
    labels_ : None
    pseudo_inputs_ : ndarray of float32, shape (K, ...)
        :math:`u`, as the encoder sees samples: pixels are 0 to 1. Nothing keeps them in there.

    References
    ----------
    J. Tomczak and M. Welling, "VAE with a VampPrior", AISTATS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 8))
    >>> prior = ae.VampPrior(20)
    >>> model = ae.VAE(ae.Dense((16,)), 2, prior=prior, epochs=2, random_state=0).fit(X)
    >>> model.sample(5).shape, model.prior_.means_.shape
    ((5, 8), (20, 2))
    """

    encodes = True

    def __init__(self, components: int = 500) -> None:
        self.components = components

    pseudo_inputs_: np.ndarray

    def fit(self, Z: Any, y: Any = None) -> Any:
        """Raise TypeError: it is learned with a model.

        Parameters
        ----------
        Z, y : ignored
        """
        raise TypeError(
            "VampPrior: expected to be learned with a model, VAE(prior=VampPrior()), got codes"
        )

    def check_learned(self, dim: int) -> None:
        """Raise TypeError or ValueError for a number of components that makes no sense."""
        checks.integer("prior: components", self.components, 1)

    def module(self, dim: int, shape: tuple[int, ...]) -> PseudoInputs:
        """Return the pseudo-inputs."""
        return PseudoInputs(int(self.components), shape)

    def learned(self, module: LearnedPrior, encode: EncodeArray, numbered: bool) -> VampPrior:
        """Return the mixture that the encoder of a fitted network makes."""
        assert isinstance(module, PseudoInputs)
        found = type(self)(**self.get_params(deep=False))
        inputs = module.inputs.value.copy()
        mean, logvar = (a.astype(np.float64) for a in encode(inputs))
        weights = np.full(len(mean), 1 / len(mean))
        found._learned = Gaussians(weights, mean, np.exp(logvar / 2)), None
        found.n_features_in_, found.pseudo_inputs_ = mean.shape[1], inputs
        return found


class PseudoInputs(LearnedPrior):
    """The pseudo-inputs of a `VampPrior`.

    Parameters
    ----------
    components : int
        K.
    shape : tuple of int
        Of a sample.
    """

    def __init__(self, components: int, shape: tuple[int, ...]) -> None:
        self.inputs = Parameter((components, *shape), fill=0.0)

    def density(self, tape: Tape, encode: Encode) -> Components:
        """Return the posteriors of the pseudo-inputs, each as likely."""
        means, logvars = encode(value_of(self.inputs, tape))
        logits = tape.constant(np.zeros(means.shape[0], np.float32))
        return Components(logits, means, logvars, None)

    @property
    def wanted(self) -> int:
        """How many samples they start from."""
        return len(self.inputs.value)

    def start(self, samples: np.ndarray) -> None:
        """Begin as samples."""
        self.inputs.value[...] = samples

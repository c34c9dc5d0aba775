r"""Posteriors of a `VAE` that aren't normal: normal ones, and an invertible map behind them.

A normalizing flow f takes a draw :math:`z_0 = \mu + \sigma \epsilon` of the normal posterior to the
code :math:`z = f(z_0)`, and the density of that is known:

.. math:: \ln q(z | x) = \ln N(z_0 | \mu, \mathrm{diag}(\sigma^2))
    - \ln \left|\det \frac{\partial f}{\partial z_0}\right|

The map is learned with the model. There is no closed form of the KL any more: it is estimated from
the draw. A code that is a map is taken place by place.

D. Rezende and S. Mohamed, "Variational inference with normalizing flows", ICML 2015.
"""

from __future__ import annotations

from .base import checks
from .base.params import Choice
from .nn.flows import Chain, InverseAutoregressive, Planar

__all__ = ["InverseAutoregressiveFlow", "PlanarFlow", "PosteriorFlow"]


def __dir__() -> list[str]:
    return __all__


class PosteriorFlow(Choice):
    """What the flows of posteriors share.

    Attributes
    ----------
    context : int
        How many numbers the encoder gives for each sample beside mean and log-variance, which the
        flow sees; 0 if it sees the draw alone.
    """

    context: int = 0

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        raise NotImplementedError

    def module(self, dim: int) -> Chain:
        """Return the flow of codes of `dim` numbers, with fresh parameters."""
        raise NotImplementedError


class PlanarFlow(PosteriorFlow):
    r"""Codes stretched about one hyperplane after another, :math:`z' = z + u \tanh(w^\top z + b)`.

    Its parameters are the same for all samples, and few: 2 D + 1 a layer, with D numbers a code. It
    begins as the identity. u is kept so that each layer can be inverted.

    Parameters
    ----------
    layers : int

    References
    ----------
    D. Rezende and S. Mohamed, "Variational inference with normalizing flows", ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.VAE(ae.Dense((16,)), 2, posterior=ae.PlanarFlow(4), epochs=2).fit(X)
    >>> model.transform(X).shape, model.elbo(X).shape
    ((100, 2), (100,))
    """

    def __init__(self, layers: int = 10) -> None:
        self.layers = layers

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        checks.integer("posterior: layers", self.layers, 1)

    def module(self, dim: int) -> Chain:
        """Return the flow of codes of `dim` numbers, with fresh parameters."""
        return Chain([Planar(dim) for _ in range(int(self.layers))])


class InverseAutoregressiveFlow(PosteriorFlow):
    r"""Each number of a code scaled and shifted by those before it, in one pass.

    .. math:: z'_i = \sigma_i z_i + (1 - \sigma_i)\, m_i

    with :math:`m_i` and :math:`\sigma_i` of a network with a masked hidden layer, which sees
    :math:`z_1 \dots z_{i - 1}` and a context that the encoder gives for each sample. The order is
    reversed from layer to layer.

    Parameters
    ----------
    layers : int
    width : int
        Hidden units of a layer's network: several times as many as a code has numbers.
    context : int
        How many numbers the encoder gives beside mean and log-variance; 0 for none.

    References
    ----------
    D. Kingma et al., "Improved variational inference with inverse autoregressive flow", NeurIPS
    2016. M. Germain et al., "MADE: masked autoencoder for distribution estimation", ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> flow = ae.InverseAutoregressiveFlow(2, width=16, context=4)
    >>> model = ae.VAE(ae.Dense((16,)), 3, posterior=flow, epochs=2, random_state=0).fit(X)
    >>> model.log_likelihood(X[:5], n_samples=10).shape
    (5,)
    """

    def __init__(self, layers: int = 2, width: int = 320, context: int = 64) -> None:
        self.layers = layers
        self.width = width
        self.context = context

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        checks.integer("posterior: layers", self.layers, 1)
        checks.integer("posterior: width", self.width, 1)
        checks.integer("posterior: context", self.context, 0)

    def module(self, dim: int) -> Chain:
        """Return the flow of codes of `dim` numbers, with fresh parameters."""
        sizes = dim, int(self.width), int(self.context)
        return Chain([InverseAutoregressive(*sizes, k % 2 > 0) for k in range(int(self.layers))])

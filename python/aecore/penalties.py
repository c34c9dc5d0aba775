r"""What a code is charged for, beside what its reconstruction costs: sparsity, or sensitivity.

A penalty is a term of the loss, a mean over samples as the others are, ``penalty`` in `history_`
with its weight in it; it is 0 for `TopK`, which is a constraint. ``val_penalty`` is part of
``val_loss``. `score_samples` and `score` leave it out: they say how well samples are explained, by
the same measure for every weight. For a `VAE` the code is the mean of the posterior.

A code that costs something can escape by becoming small, while the decoder's weights grow. Tied
weights, or weight_decay, keep it from that.

A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011. A. Makhzani and B. Frey, "k-sparse
autoencoders", ICLR 2014. S. Rifai et al., "Contractive auto-encoders", ICML 2011.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from . import _core
from .base import checks, runtime
from .base.params import Choice
from .base.streams import PROJECTION
from .data.batches import Batch
from .nn.module import Module
from .nn.ops.elementwise import activation
from .nn.ops.jacobian import JacobianNorm, chain
from .nn.ops.kept import KeepLargest
from .nn.ops.shapes import BroadcastTo
from .nn.tape import Shape, Tape, Value

__all__ = ["Contractive", "KLSparsity", "L1Sparsity", "Penalty", "TopK"]


def __dir__() -> list[str]:
    return __all__


SATURATED = 1e-7  # a mean activation is taken to be at least so far from 0 and 1


class Penalty(Choice):
    """What the penalties share: here, one that does nothing.

    Arrays of codes are (n, d) and float32.

    Attributes
    ----------
    shapes : bool
        Whether `shape` makes another code of what the encoder gives.
    takes_maps : bool
        Whether codes may be maps (n, h, w, d).
    of_batch : bool
        Whether it is about a batch as a whole, so that its samples can't be weighted.
    """

    shapes: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    of_batch: ClassVar[bool] = False

    def check(self, latent_dim: int) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        raise NotImplementedError

    def check_encoder(self, encoder: Module, shape: Shape) -> None:
        """Raise ValueError for an encoder that the penalty can't be worked out for."""

    def shape(self, z: Value) -> Value:
        """Return the code that is made of what the encoder gives, in training and ever after."""
        return z

    def term(self, batch: Batch) -> Any:
        """Return each sample's part (n,): a value, or an array where no gradient comes of it.

        The batch has the ``code``, what the encoder was ``given``, and what it ``encoded`` that as.
        """
        return np.zeros(batch.n, np.float32)


def check(model: Any, refused: str) -> None:
    """Raise TypeError or ValueError for a model's penalty that makes no sense.

    Parameters
    ----------
    model : estimator
        With the parameters ``penalty`` and ``latent_dim``.
    refused : str
        Why its class takes no penalty; empty if it does.
    """
    penalty = checks.instance("penalty", model.penalty, Penalty, "L1Sparsity(1e-3)")
    if penalty is None:
        return
    if refused:
        name = type(model).__name__
        raise ValueError(f"penalty: expected None for {name}, {refused}, got {penalty!r}")
    penalty.check(model.latent_dim)


def check_encoder(penalty: Penalty | None, encoder: Module | None, shape: Shape) -> None:
    """Raise ValueError for an encoder of samples that a penalty can't be worked out for."""
    if penalty is not None and encoder is not None:
        penalty.check_encoder(encoder, shape)


class L1Sparsity(Penalty):
    r"""The sum of the code's absolute values, :math:`\lambda \sum_j |h_j|`.

    Parameters
    ----------
    weight : float
        :math:`\lambda`.

    References
    ----------
    B. Olshausen and D. Field, "Emergence of simple-cell receptive field properties by learning a
    sparse code for natural images", Nature 381, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.Autoencoder(ae.Dense((16,)), 30, penalty=ae.L1Sparsity(1e-2), epochs=2).fit(X)
    >>> bool(model.history_[-1]["penalty"] > 0)
    True
    """

    takes_maps = True

    def __init__(self, weight: float = 1e-3) -> None:
        self.weight = weight

    def check(self, latent_dim: int) -> None:
        """Raise TypeError or ValueError for a weight that isn't a number of at least 0."""
        checks.real("penalty: weight", self.weight)

    def term(self, batch: Batch) -> Value:
        """Return each sample's part (n,)."""
        code = batch.code if batch.code.ndim == 2 else batch.code.reshape(batch.n, -1)
        return np.abs(code).sum(axis=1) * self.weight


class KLSparsity(Penalty):
    r"""Units that are on at a rate: the code is a sigmoid's, and its mean is to be rho.

    .. math:: \lambda \sum_j \mathrm{KL}(\rho \,\|\, \hat\rho_j) = \lambda \sum_j
        \rho \ln \frac{\rho}{\hat\rho_j} + (1 - \rho) \ln \frac{1 - \rho}{1 - \hat\rho_j}

    where :math:`\hat\rho_j` is the mean of unit j over a batch. With this penalty the encoder's
    output z becomes the code :math:`h = \sigma(z + \ln \frac{\rho}{1 - \rho})`, which is what
    `transform` gives: activations between 0 and 1, near rho from the start.

    A batch that is small compared to 1 / rho says little about a rate. Each batch counts by its
    samples, for ``val_penalty`` too.

    Parameters
    ----------
    rho : float
        In (0, 1): the mean activation wanted.
    weight : float
        :math:`\lambda`. Less of it gives better reconstructions and rates that are further off.
        Losses are sums over features: where a sample costs hundreds of nats, as an image does with
        loss="bce", a short code takes more to keep its rates.

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.Autoencoder(ae.Dense((16,)), 30, penalty=ae.KLSparsity(0.1), epochs=20).fit(X)
    >>> bool(abs(model.transform(X).mean() - 0.1) < 0.01)
    True
    """

    shapes = of_batch = True

    def __init__(self, rho: float = 0.05, weight: float = 20.0) -> None:
        self.rho = rho
        self.weight = weight

    def check(self, latent_dim: int) -> None:
        """Raise TypeError or ValueError for a rate outside (0, 1), a weight less than 0."""
        if checks.real("penalty: rho", self.rho, 0, 1, above=True) == 1:
            raise ValueError("penalty: rho: expected less than 1, got 1")
        checks.real("penalty: weight", self.weight)

    def shape(self, z: Value) -> Value:
        """Return the sigmoid of the encoder's output, shifted by the logit of rho."""
        return activation(z + math.log(self.rho / (1 - self.rho)), "sigmoid")

    def term(self, batch: Batch) -> Value:
        """Return the batch's penalty for each of its samples (n,)."""
        rho = self.rho
        rates = np.clip(batch.code.mean(axis=0), SATURATED, 1 - SATURATED)
        kl = rho * np.log(rho / rates) + (1 - rho) * np.log((1 - rho) / (1 - rates))
        return BroadcastTo(kl.sum() * self.weight, (batch.n,))


class TopK(Penalty):
    """The k largest activations of a code, and 0 for the others: a k-sparse autoencoder.

    In training and ever after, so that `transform` gives codes with at most k values that aren't 0.
    Gradients pass through the kept ones alone. Of equal values the first ones are kept. Nothing is
    added to the loss.

    Parameters
    ----------
    k : int
        At most latent_dim.

    References
    ----------
    A. Makhzani and B. Frey, "k-sparse autoencoders", ICLR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.Autoencoder(ae.Dense((16,)), 30, penalty=ae.TopK(3), epochs=2).fit(X)
    >>> int((model.transform(X) != 0).sum(1).max())
    3
    """

    shapes = True

    def __init__(self, k: int) -> None:
        self.k = k

    def check(self, latent_dim: int) -> None:
        """Raise TypeError or ValueError for a k that isn't one of 1 ... latent_dim."""
        if checks.integer("penalty: k", self.k, 1) > latent_dim:
            raise ValueError(
                f"penalty: k: expected at most latent_dim, which is {latent_dim}, got {self.k}"
            )

    def shape(self, z: Value) -> Value:
        """Return the k largest of each row and zeros."""
        return KeepLargest(z, self.k)


class Contractive(Penalty):
    r"""How much codes change with samples: :math:`\lambda \|\partial h / \partial x\|_F^2`.

    The Jacobian is that of the code by the input that the encoder sees, corrupted if there is a
    corruption; missing values and conditions aren't part of it. It is worked out row by row, one
    pass back through the encoder for each dimension of the code, and its gradient is the true one:
    the second derivatives are in it. For one hidden layer this is what the closed form of Rifai et
    al. gives.

    The encoder has to be made of linear layers, convolutions and elementwise activations, as
    `Dense` and `Conv` build it. Smooth activations are best: where relu has its kink, the penalty
    jumps, and a gradient doesn't know of that.

    Parameters
    ----------
    weight : float
        :math:`\lambda`.
    projections : int or None
        An unbiased estimate from so many random directions (Hutchinson, 1990) in place of all
        dimensions of the code: as many passes of the encoder. ``val_penalty`` is exact anyway.

    References
    ----------
    S. Rifai et al., "Contractive auto-encoders: explicit invariance during feature extraction",
    ICML 2011. M. Hutchinson, "A stochastic estimator of the trace of the influence matrix for
    Laplacian smoothing splines", 1990.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> arch = ae.Dense((16,), activation="sigmoid")
    >>> model = ae.Autoencoder(arch, 5, penalty=ae.Contractive(0.1), epochs=2).fit(X)
    >>> bool(model.history_[-1]["penalty"] > 0)
    True
    """

    def __init__(self, weight: float = 1e-3, projections: int | None = None) -> None:
        self.weight = weight
        self.projections = projections

    def check(self, latent_dim: int) -> None:
        """Raise TypeError or ValueError for a weight below 0, projections that aren't a count."""
        checks.real("penalty: weight", self.weight)
        if self.projections is not None:
            checks.integer("penalty: projections", self.projections, 1)

    def check_encoder(self, encoder: Module, shape: Shape) -> None:
        """Raise ValueError for an encoder of other layers."""
        try:
            with Tape(abstract=True, training=True) as tape:
                x = tape.placeholder((1, *shape))
                chain(x, encoder(x))
        except ValueError as error:
            raise ValueError(
                "penalty: expected an encoder of linear layers, convolutions and elementwise "
                "activations for Contractive, as Dense and Conv build it, got another: "
                f"{error}; corruption=GaussianNoise() makes any encoder contract"
            ) from None

    def term(self, batch: Batch) -> Value:
        """Return each sample's part (n,): estimated in training if so, else exactly."""
        estimate = None
        if self.projections is not None and batch.noise == "on":
            estimate = (lambda: self._signs(batch)), int(self.projections)
        outputs = batch.code.shape[1]
        given, weight = (batch.given, batch.encoded, outputs), float(self.weight)
        return JacobianNorm(*given, weight, batch.own, estimate)

    # The encoder's outputs begin with the code; a VAE's go on with variances, which have no part.

    def _signs(self, batch: Batch) -> Iterator[np.ndarray]:
        """Yield directions of random signs, each sample's own."""
        assert self.projections is not None
        (n, d), count = batch.code.shape, int(self.projections)
        drawn = np.empty((n, count, d), np.float32)
        start = batch.position * count * d
        _core.random_uniform(drawn, batch.seed, PROJECTION, start, runtime.current())
        for j in range(count):
            yield np.where(drawn[:, j] < 0.5, np.float32(-1), np.float32(1))

"""The adversarial autoencoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, _core, _workspace
from .._purposes import COMPONENT, LATENT, SAMPLE
from ..arch.base import Code, counts
from ..arch.dense import Dense
from ..nn.module import Module
from ..training.batches import Batch
from ._adversarial import Adversarial
from ._base import fitted
from ._coding import BaseAutoencoder
from ._condition import Conditioner, shared
from ._protocol import new_seed


class AdversarialAutoencoder(Adversarial, BaseAutoencoder):
    r"""An autoencoder whose codes a discriminator D can't tell from draws of a prior.

    Each batch gives the discriminator a step along the mean of

    .. math:: -\ln D(z) - \ln(1 - D(f(\tilde x))), \quad z \sim p(z)

    and encoder f and decoder g one along

    .. math:: E\,[\ell(x, g(f(\tilde x)))] - \lambda\,E\,[\ln D(f(\tilde x))]

    What the codes follow together is the prior then, so that its draws, decoded, are samples of
    the data, as with a `VAE`; but each code is a point, and any prior will do that can be drawn
    from.

    Parameters
    ----------
    arch, latent_dim
        As in `Autoencoder`.
    prior : None or array-like, shape (K, latent_dim)
        None is N(0, I). An array has the centres of a mixture of K normal distributions with
        covariance I, all equally likely.
    conditional : bool
        Whether `fit` is given labels y, of as many classes as the prior has centres. The codes of a
        class, in the labels' order, follow the component with its number: the discriminator sees
        the label beside the code. Encoder and decoder don't.
    adversarial : float
        :math:`\lambda`.
    discriminator_widths : sequence of int
        Of its hidden layers, fully connected with relu.
    discriminator_learning_rate : float or None
        None is learning_rate. The schedule is a factor of both.
    loss, tied, corruption, ...
        As in `Autoencoder`. The discriminator's gradient has a norm of its own. ``patience`` is not
        among them: a lower loss doesn't mean that the codes follow the prior.

    Attributes
    ----------
    history_ : list of dict
        Beside what `Autoencoder` has: ``generator``, the encoder's loss :math:`-\ln D(f(x))`, and
        ``discriminator``, which are ln 2 and 2 ln 2 where the codes follow the prior; and
        ``real_accuracy`` and ``fake_accuracy``, the shares of draws and of codes that the
        discriminator was right about. val_loss is the reconstruction's alone.
    classes_ : ndarray, shape (K,)
        The labels in order, of a conditional model.

    References
    ----------
    A. Makhzani et al., "Adversarial autoencoders", 2015. I. Tolstikhin et al., "Wasserstein
    auto-encoders", ICLR 2018 (one step along the sum of both losses).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((60, 8))
    >>> y = np.array(["a", "b", "c"] * 20)
    >>> model = ae.AdversarialAutoencoder(
    ...     ae.Dense((16,)), 2, prior=[[-4, 0], [0, 0], [4, 0]], conditional=True, epochs=2
    ... ).fit(X, y)
    >>> model.sample(5, y="b").shape, model.transform(X).shape
    ((5, 8), (60, 2))
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 8,
        *,
        prior: Any = None,
        conditional: bool = False,
        adversarial: float = 10.0,
        discriminator_widths: Any = (256, 256),
        discriminator_learning_rate: float | None = None,
        loss: str = "mse",
        tied: bool = False,
        corruption: Any = None,
        penalty: Any = None,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Any = None,
        clip_norm: float | None = None,
        batch_size: int = 128,
        epochs: int = 20,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        warm_start: bool = False,
        callbacks: Any = (),
        checkpoint: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())

    prior: Any
    adversarial: float
    discriminator_widths: Any

    _takes_lengths = True

    def _check_params(self) -> None:
        self._check_adversarial_params()
        _check.real("adversarial", self.adversarial)
        counts("discriminator_widths", self.discriminator_widths)
        if self._centers() is None and self.conditional:
            raise ValueError(
                "prior: expected a centre for each class of y if conditional, got None"
            )
        super()._check_params()

    def _centers(self) -> np.ndarray | None:
        """Return where the prior's components have their means; None if there is one, at 0."""
        if self.prior is None:
            return None
        try:
            centers = np.array(self.prior)
        except ValueError as error:
            raise ValueError(f"prior: expected None or a matrix of centres: {error}") from None
        if centers.dtype.kind not in "iuf":
            raise TypeError(f"prior: expected None or a matrix of centres, got {self.prior!r}")
        if centers.ndim != 2 or len(centers) == 0 or centers.shape[1] != self.latent_dim:
            raise ValueError(
                f"prior: expected centres of shape (K, {self.latent_dim}), got {centers.shape}"
            )
        with np.errstate(over="ignore"):
            centers = centers.astype(np.float32)
        if not np.isfinite(centers).all():
            raise ValueError("prior: contains NaN, infinity or numbers too large for float32")
        return centers

    def _conditioner(self, y: Any, n: int) -> Conditioner | None:
        conditioner = super()._conditioner(y, n)
        if conditioner is None:
            return None
        if conditioner.classes is None:
            raise ValueError("y: expected labels (N,), one for each sample, got properties (N, p)")
        centers = self._centers()
        assert centers is not None
        if conditioner.width != len(centers):
            raise ValueError(
                f"prior: expected a centre for each of the {conditioner.width} classes of y, got "
                f"{len(centers)}"
            )
        return conditioner

    @property
    def _coding_conditioner(self) -> None:
        return None

    def _modules(self, shape: tuple[int, ...], condition: int) -> dict[str, Module]:
        d = int(self.latent_dim)
        parts = self._coders(shape, d, d)
        judge, _ = Dense(self.discriminator_widths).build((d,), Code(1, 1), condition=condition)
        return {**parts, "discriminator": judge}

    def _codes_width(self) -> int:
        self._fitted()
        return self.latent_dim

    # ---- training -------------------------------------------------------------------------------

    def _draw(
        self, z: np.ndarray, seed: int, purpose: int, position: int, which: np.ndarray | None
    ) -> None:
        """Fill codes (n, d) with draws from the prior, of certain components or of any."""
        (n, d), centers, ws = z.shape, self._centers(), _workspace.current()
        _core.random_normal(z, seed, purpose, position * d, ws)
        if centers is None:
            return
        if which is None:
            u = np.empty(n, np.float32)
            _core.random_uniform(u, seed, COMPONENT, position, ws)
            which = (u.astype(np.float64) * len(centers)).astype(np.int64)
        z += centers[which]

    def _pair(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        network, shape = self._network, (batch.n, self.latent_dim)
        z, labels = network.scratch("draw", shape), batch.condition
        which = None if labels is None else labels.argmax(1)
        self._draw(z, network.seed, LATENT, network.samples, which)
        codes = network.scratch("codes", shape)
        np.copyto(codes, self._encode(batch, training=True))
        return z, codes

    def _loss_step(self, batch: Batch) -> dict[str, float]:
        network = self._network
        codes = network.scratch("codes", (batch.n, self.latent_dim))  # of the step before
        fooling, generator = self._fool(codes, batch, weight=self.adversarial)
        output = self._decode(codes, batch, training=True)
        grad, terms = self._reconstruction(output, batch)
        dz = network.decode_backward(grad)
        _core.add(dz, dz, fooling, _workspace.current())
        network.encode_backward(dz)
        terms["generator"] = generator
        terms["loss"] += self.adversarial * generator
        return terms

    # ---- without noise --------------------------------------------------------------------------

    def _encode(self, batch: Batch, training: bool = False) -> np.ndarray:
        return self._network.encode(batch.x, None, training, batch.lengths)

    def _decode(self, z: np.ndarray, batch: Batch, training: bool = False) -> np.ndarray:
        return self._network.decode(z, None, training, batch.lengths)

    def _latent(self, batch: Batch) -> np.ndarray:
        return self._encode(batch)

    def _terms(self, batch: Batch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        output = self._decode(self._latent(batch), batch)
        return output.reshape(batch.n, -1), {"recon": self._measure(output, batch)}

    @fitted
    def sample(self, n: int, *, y: Any = None, random_state: Any = None) -> np.ndarray:
        """Draw samples: codes from the prior, decoded.

        Parameters
        ----------
        n : int
        y : optional
            Labels whose components the codes are drawn from, if the model is conditional: one for
            all samples, or one for each. None is any component.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of float32, shape (n, ...)
            In data space. Sequences have as many steps as the longest in fit.
        """
        n, seed = _check.integer("n", n, 0), new_seed(random_state)
        condition = None if y is None else shared(self._network.conditioner, y, n)
        z = np.empty((n, self.latent_dim), np.float32)
        self._draw(z, seed, SAMPLE, 0, None if condition is None else condition.rows)
        return self._decoded(z, None)

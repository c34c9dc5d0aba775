"""The adversarial autoencoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arch.base import Code, counts
from ...arch.dense import Dense
from ...base import checks
from ...base.streams import PRIOR
from ...data.batches import Batch
from ...data.conditions import Conditioner
from ...data.readers import Reader
from ...nn.module import Module
from ...nn.tape import Value
from ...priors import GaussianMixture, Normal, Prior
from ..base.coding import BaseAutoencoder
from ..base.options import Matching, Unpack
from .base import Adversarial


class AdversarialAutoencoder(Adversarial, BaseAutoencoder, options=Matching):
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
    prior : None, Normal or GaussianMixture
        None is N(0, I). A mixture is one whose ``means`` are given.
    conditional : bool
        Whether `fit` is given labels y, which the prior has components for. The codes of a class
        follow its components: the discriminator sees the label beside the code. Encoder and decoder
        don't.
    adversarial : float
        :math:`\lambda`, in the units of the loss, whose sum over features may be large: about a
        tenth of what a reconstruction costs is a good start, and more where labels are to be
        followed.
    discriminator_widths : sequence of int
        Of its hidden layers, fully connected with relu.
    discriminator_learning_rate : float or None
        None is learning_rate. The schedule is a factor of both.
    clip_norm : float or None
        The largest norm that the gradient of encoder and decoder together may have, and that of the
        discriminator.

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
    >>> prior = ae.GaussianMixture(means=[[-4, 0], [0, 0], [4, 0]], labels=["a", "b", "c"])
    >>> model = ae.AdversarialAutoencoder(
    ...     ae.Dense((16,)), 2, prior=prior, conditional=True, epochs=2
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
        adversarial: float = 3.0,
        discriminator_widths: Any = (256, 256),
        discriminator_learning_rate: float | None = None,
        **options: Unpack[Matching],
    ) -> None:
        self._store(AdversarialAutoencoder, locals())

    prior: Any
    adversarial: float
    discriminator_widths: Any

    _ragged = True
    _coders_conditioned = False
    _of_draws = frozenset({"real"})
    _no_penalty = ""

    def _check_params(self) -> None:
        self._check_adversarial_params()
        checks.real("adversarial", self.adversarial)
        counts("discriminator_widths", self.discriminator_widths)
        self._check_mixture()
        super()._check_params()

    def _own_prior(self) -> Prior:
        return Normal() if self.prior is None else self.prior

    def _check_mixture(self) -> None:
        prior = checks.instance("prior", self.prior, Prior, "Normal()")
        if isinstance(prior, GaussianMixture) and prior.means is None:
            raise ValueError(
                "prior: expected a mixture whose means are given, such as "
                f"GaussianMixture(means=...), got {prior!r}"
            )
        self._own_prior().check(self.latent_dim)
        if self.conditional and not self._own_prior().has_classes:
            raise ValueError(
                "prior: expected a mixture with a class for each component if conditional, such as "
                f"GaussianMixture(means=..., labels=...), got {prior!r}"
            )

    def _conditioner(self, y: Any, n: int) -> Conditioner | None:
        conditioner = super()._conditioner(y, n)
        if conditioner is None:
            return None
        if conditioner.classes is None:
            raise ValueError("y: expected labels (N,), one for each sample, got properties (N, p)")
        known = set(np.asarray(self.prior.labels_).tolist())
        unknown = [label for label in conditioner.classes.tolist() if label not in known]
        if unknown:
            raise ValueError(
                f"prior: expected a component for each class of y, got none for {unknown[0]!r}"
            )
        return conditioner

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        d = int(self.latent_dim)
        parts = self._coders(reader, d, d)
        judge, _ = Dense(self.discriminator_widths).build((d,), Code(1, 1), condition=condition)
        return {**parts, "discriminator": judge}

    # ---- a pass ---------------------------------------------------------------------------------

    def _pair(self, batch: Batch) -> tuple[Value, Value]:
        y = None
        if batch.condition is not None:
            y = self.classes_[batch.condition.argmax(1)]
        where = {"purpose": PRIOR, "offset": batch.position}
        z = self._own_prior().draw(batch.n, int(self.latent_dim), batch.seed, **where, y=y)
        return batch.tape.constant(z), self._latent(batch)

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        if batch.noise != "on":
            return super().terms(batch)
        batch.code = batch.fake  # of the discriminator's step
        batch.output = self._decode(batch.code, batch)
        batch.weights["generator"] = float(self.adversarial)
        recon = self._loss.term(batch.output, batch)
        return {"recon": recon, "generator": self._generator_loss(batch)}

"""What adversarial models share: a discriminator, its step, and what fools it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ...base import checks, runtime
from ...data.batches import Batch, Input
from ...data.conditions import Conditioner
from ...training.loop import Phase
from ..base.estimator import BaseModel


class Adversarial(BaseModel):
    r"""A model that learns from a discriminator of real from fake.

    Each batch gives a step of the discriminator's, along :math:`-\ln D(r) - \ln(1 - D(f))` of real
    and fake, and one of the others' along the model's loss. A subclass says what is shown to the
    discriminator (`_pair`).
    """

    latent_dim: int
    conditional: bool
    discriminator_learning_rate: float | None

    # the parameters of other models that these don't have
    pretrain_epochs = 0
    patience = None

    def _pair(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Return what is real and what is fake."""
        raise NotImplementedError

    def _check_adversarial_params(self) -> None:
        checks.integer("latent_dim", self.latent_dim, 1)
        checks.boolean("conditional", self.conditional)
        if self.discriminator_learning_rate is not None:
            checks.real("discriminator_learning_rate", self.discriminator_learning_rate, above=True)

    # ---- labels ---------------------------------------------------------------------------------

    @property
    def _needs_y(self) -> bool:  # type: ignore[override]
        return bool(self.conditional)

    def _conditioner(self, y: Any, n: int) -> Conditioner | None:
        return Conditioner.learn(y, n) if self.conditional else None

    def _read_training(
        self, X: Any, y: Any, sample_mask: Any, resume: bool
    ) -> tuple[Conditioner | None, Input]:
        knows_labels = resume and self._network.conditioner is not None
        if resume and knows_labels != self.conditional:
            raise ValueError(
                f"conditional: expected {knows_labels} to go on with the fitted model, got "
                f"{self.conditional}"
            )
        return super()._read_training(X, y, sample_mask, resume)

    @property
    def classes_(self) -> np.ndarray:
        """The labels in order, of a conditional model."""
        conditioner = self._fitted().conditioner
        if conditioner is None or conditioner.classes is None:
            raise AttributeError(f"this {type(self).__name__} was fitted without labels")
        return conditioner.classes

    # ---- training -------------------------------------------------------------------------------

    def _phases(self) -> tuple[Phase, ...]:
        rate, name = self.discriminator_learning_rate, "discriminator"
        rival = Phase(self._discriminator_step, name, name, None if rate is None else float(rate))
        return rival, Phase(self._loss_step)

    def _discriminator_step(self, batch: Batch) -> dict[str, float]:
        """Run the discriminator's passes; return its loss, and how many it is right about."""
        network, terms = self._network, {"discriminator": 0.0}
        for name, x in zip(("real", "fake"), self._pair(batch), strict=True):
            logits = network.discriminate(x, batch.condition, training=True)
            right = logits > 0 if name == "real" else logits < 0
            terms[f"{name}_accuracy"] = float(np.count_nonzero(right))
            grad, loss = self._judge(logits, 1.0 if name == "real" else 0.0)
            terms["discriminator"] += loss
            network.discriminate_end(grad)
        return terms

    def _fool(
        self, fake: np.ndarray, batch: Batch, wanted: float = 1.0, weight: float = 1.0
    ) -> tuple[np.ndarray, float]:
        """Return the gradient of how far fakes are from a verdict that is wanted, and its sum."""
        network = self._network
        logits = network.discriminate(fake, batch.condition, training=True)
        grad, loss = self._judge(logits, wanted, weight)
        return network.discriminate_backward(grad, batch.condition).reshape(fake.shape), loss

    def _judge(
        self, logits: np.ndarray, wanted: float, weight: float = 1.0
    ) -> tuple[np.ndarray, float]:
        """Return the weighted mean's gradient and the plain sum of the cross-entropies."""
        scratch, n = self._network.scratch, len(logits)
        loss, grad = scratch("verdict", (n,)), scratch("dlogits", (n, 1))
        upstream, target = scratch("verdict_weight", (n,)), scratch("wanted", (n, 1))
        upstream.fill(weight / n)
        target.fill(wanted)
        judged = loss, grad, upstream, logits, target, None, 1.0
        _core.loss("bce_with_logits", *judged, runtime.current())
        return grad, float(loss.sum(dtype=np.float64))

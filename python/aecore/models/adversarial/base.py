"""What adversarial models share: a discriminator, its step, and what fools it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...base import checks
from ...data.batches import Batch
from ...data.conditions import Conditioner
from ...nn.ops.losses import Elementwise
from ...nn.tape import Value
from ...training.loop import Phase, sums_of, walk_back
from ..base.model import BaseModel


class Adversarial(BaseModel):
    r"""A model that learns from a discriminator of real from fake.

    Each batch gives a step of the discriminator's, along :math:`-\ln D(r) - \ln(1 - D(f))` of real
    and fake, and one of the others' along the model's loss. A subclass says what is shown to the
    discriminator (`_pair`).
    """

    # what is real and what is fake, the latter with what made it in the record
    _pair: Callable[[Batch], tuple[Value, Value]]

    latent_dim: int
    conditional: bool
    discriminator_learning_rate: float | None

    # the parameters of other models that these don't have
    pretrain_epochs = 0
    patience = None

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

    @property
    def classes_(self) -> np.ndarray:
        """The labels in order, of a conditional model."""
        conditioner = self._fitted().conditioner
        if conditioner is None or conditioner.classes is None:
            raise AttributeError(f"{type(self).__name__}: expected labels in fit, got none")
        return conditioner.classes

    # ---- training -------------------------------------------------------------------------------

    def _phases(self) -> tuple[Phase, ...]:
        rate, name = self.discriminator_learning_rate, "discriminator"
        rival = Phase(self._discriminate, name, name, None if rate is None else float(rate))
        return rival, Phase(self._deceive)

    def _discriminate(self, batch: Batch) -> dict[str, float]:
        """Run the discriminator's passes; return its loss, and how many it is right about."""
        batch.real, batch.fake = self._pair(batch)
        fake = batch.fake.detach()
        made = batch.tape.mark()  # what made the fake ones is walked back in the other step
        terms, right = {}, {}
        for name, x in (("real", batch.real), ("fake", fake)):
            logits = self._network.discriminate(x, self._condition(batch))
            told = logits.data > 0 if name == "real" else logits.data < 0
            right[f"{name}_accuracy"] = float(np.count_nonzero(told))
            terms[name] = verdict(logits, 1.0 if name == "real" else 0.0)
        walk_back(batch, terms, since=made)
        return {"discriminator": sum(sums_of(terms).values()), **right}

    def _condition(self, batch: Batch) -> Value | None:
        """Return the conditions of a batch that the discriminator is told of."""
        return batch.told

    def _fooled(self, batch: Batch, wanted: float = 1.0) -> Value:
        """Return how far the discriminator is, for each fake, from a verdict that is wanted."""
        return verdict(self._network.discriminate(batch.fake, self._condition(batch)), wanted)

    def _deceive(self, batch: Batch) -> dict[str, float]:
        """Run the others' passes, through a discriminator that stays as it is."""
        terms = self._all_terms(batch)
        walk_back(batch, terms, frozen=self._network.discriminator)
        return self._sums(batch, terms)


def verdict(logits: Value, wanted: float) -> Elementwise:
    """Return the cross-entropy of a discriminator's logits (n, 1), (n,)."""
    target = logits.tape.take(logits.shape)
    target.fill(wanted)
    return Elementwise(logits, "bce_with_logits", target)

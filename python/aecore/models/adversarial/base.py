"""What adversarial models share: a discriminator, its step, and the generator's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...base import checks
from ...data.batches import Batch
from ...data.conditions import Conditioner
from ...nn.ops.losses import Elementwise
from ...nn.tape import Value
from ...training.loop import Phase, backpropagate, sums_of
from ..base.model import BaseModel
from ..base.own_rows import conditioner_of


class Adversarial(BaseModel):
    r"""A model that learns from a discriminator of real from fake.

    Each batch gives the discriminator a step along :math:`-\ln D(r) - \ln(1 - D(f))` of real r and
    fake f, and all other parameters one along the model's loss. A subclass says what is real and
    what is fake (`_pair`).
    """

    # real and fake inputs of the discriminator; the ops that made the fake ones are on the tape
    _pair: Callable[[Batch], tuple[Value, Value]]

    latent_dim: int
    conditional: bool
    discriminator_learning_rate: float | None

    # the parameters of other models that these don't have
    pretrain_epochs = 0
    patience = None

    # terms about draws, which samples' weights leave alone, unless draws have samples' labels
    _of_draws: frozenset[str] = frozenset()

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
        return conditioner_of(y, n) if self.conditional else None

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
        discriminator = Phase(self._discriminate, name, name, None if rate is None else float(rate))
        return discriminator, Phase(self._train_generator)

    def _discriminate(self, batch: Batch) -> dict[str, float]:
        """Run the discriminator's passes; return its loss, and how many it classifies correctly."""
        batch.unweighted = frozenset() if self._needs_y else self._of_draws
        batch.real, batch.fake = self._pair(batch)
        fake = batch.fake.detach()
        made = batch.tape.mark()  # the ops before get their gradients in the generator's step
        terms, right = {}, {}
        for name, x in (("real", batch.real), ("fake", fake)):
            logits = self._network.discriminate(x, self._condition(batch))
            correct = logits.data > 0 if name == "real" else logits.data < 0
            right[f"{name}_accuracy"] = batch.sum(correct.reshape(-1), name)
            terms[name] = cross_entropy(logits, 1.0 if name == "real" else 0.0)
        backpropagate(batch, terms, since=made)
        return {"discriminator": sum(sums_of(batch, terms).values()), **right}

    def _condition(self, batch: Batch) -> Value | None:
        """Return the conditions of a batch that the discriminator sees."""
        return batch.condition_value

    def _generator_loss(self, batch: Batch, target: float = 1.0) -> Value:
        """Return the cross-entropy of the discriminator's logits for fakes and a target, (n,)."""
        return cross_entropy(self._network.discriminate(batch.fake, self._condition(batch)), target)

    def _train_generator(self, batch: Batch) -> dict[str, float]:
        """Run the passes of all other parameters, through a frozen discriminator."""
        terms = self._all_terms(batch)
        backpropagate(batch, terms, frozen=self._network.discriminator)
        return self._sums(batch, terms)


def cross_entropy(logits: Value, target: float) -> Elementwise:
    """Return the cross-entropy (n,) of a discriminator's logits (n, 1) and one target for all."""
    targets = logits.tape.take(logits.shape)
    targets.fill(target)
    return Elementwise(logits, "bce_with_logits", targets)

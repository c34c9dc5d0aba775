"""Recirculation: an autoencoder of one hidden layer that learns without back-propagation."""

from __future__ import annotations

import numpy as np

from ...base import checks
from ...data.batches import Batch
from ...data.readers import Reader
from ...nn.module import Module
from ...training.loop import Phase
from ..base.coding import BaseAutoencoder
from ..base.levels import shallow
from ..base.options import Training, Unpack

# What turns the gradient of a loss into the difference of reconstruction and sample.
ERROR = {"mse": 0.5, "bce": 1.0}


class Recirculation(
    BaseAutoencoder, options=Training, defaults={"optimizer": "sgd", "learning_rate": 0.1}
):
    r"""One hidden layer, trained by recirculating activity instead of back-propagating errors.

    From a sample :math:`v_0` the units' states follow each other, visible, hidden, visible, hidden:

    .. math::
        h_1 = f(W v_0 + b), \quad v_2 = \lambda v_0 + (1 - \lambda)\, g(V h_1 + c),
        \quad h_3 = \lambda h_1 + (1 - \lambda) f(W v_2 + b)

    Each weight changes by its input times the change of its output unit's state, so that no error
    is passed between units; with learning rate :math:`\epsilon`,

    .. math:: \Delta V = \epsilon (v_0 - v_2) h_1^\top, \quad
        \Delta W = \epsilon (h_1 - h_3) v_2^\top

    The first is the loss's own gradient. The second comes close to it as V and W become each
    other's transpose, which equal steps along both rules bring about: where Adam scales each
    weight's steps by itself they stay apart, and the reconstructions are worse. A batch's changes
    are averaged and given to the optimiser as a gradient; with ``ae.SGD(0)`` they are made as they
    are.

    The rule knows of one hidden layer alone. There is no ``arch``, so no convolutions and nothing
    deep: train a stack's levels by hand, or use `StackedAutoencoder`. There is no ``corruption``
    either: the second round trip compares with a sample that the first has seen. And there are no
    tied weights, whose two changes would be one, and no penalty, which has no place in the rule.

    Parameters
    ----------
    latent_dim : int
        How many hidden units there are.
    loss : {"mse", "bce"}
        Visible units are linear for mse, g(a) = a, and sigmoids for bce. The rule is the same.
    activation : str
        f, see `Dense`. The paper has sigmoids; with others the rule learns less.
    regression : float
        :math:`\lambda` in [0, 1): how much of its state a unit keeps.
    learning_rate : float
        For values within 0..1 or so; larger ones want a smaller rate.

    Attributes
    ----------
    history_ : list of dict
        As `Autoencoder`'s; the loss is that of :math:`g(V h_1 + c)`.
    others
        As `Autoencoder`'s.

    References
    ----------
    G. Hinton and J. McClelland, "Learning representations by recirculation", NIPS 1987 (1988).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.Recirculation(8, epochs=30, random_state=0).fit(X)
    >>> model.transform(X).shape, model.history_[-1]["mse"] < model.history_[0]["mse"]
    ((100, 8), True)
    """

    def __init__(
        self,
        latent_dim: int = 32,
        *,
        loss: str = "mse",
        activation: str = "sigmoid",
        regression: float = 0.75,
        **options: Unpack[Training],
    ) -> None:
        self._store(Recirculation, locals())

    activation: str
    regression: float
    corruption = penalty = None

    def _check_params(self) -> None:
        checks.integer("latent_dim", self.latent_dim, 1)
        checks.choice("loss", self.loss, ERROR)
        if checks.real("regression", self.regression, 0, 1) == 1:
            raise ValueError("regression: expected less than 1, where nothing changes, got 1")
        self._check_training_params()

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        encoder, decoder = shallow(reader.shape, int(self.latent_dim), self.activation)
        return {"encoder": encoder, "decoder": decoder}

    _no_target = "whose rule compares samples with what they come back as"

    def _phases(self) -> tuple[Phase, ...]:
        return (Phase(self._settle),)

    def _settle(self, batch: Batch) -> dict[str, float]:
        """Update the units' states twice; the negated changes of weights are the gradients."""
        tape, n = batch.tape, batch.whole
        h1, kept = self._latent(batch), 1 - self.regression
        made = tape.mark()
        batch.output = self._decode(h1.detach(), batch)
        terms = {"recon": self._loss.term(batch.output, batch)}
        # back through the loss alone: (g(V h1) - v0) / n, times 1 / ERROR
        tape.backward((terms["recon"], 1 / n), since=len(tape.record) - 1)
        change = batch.output.grad
        assert change is not None
        change *= kept * ERROR[self.loss]  # (v2 - v0) / n
        v2, moved = tape.take(batch.x.shape), tape.take(h1.shape)
        np.multiply(change.reshape(v2.shape), n, out=v2)
        v2 += batch.x  # 0 where a value is missing, which then doesn't change
        if batch.weight is not None:
            change *= batch.weight.reshape(-1, *[1] * (change.ndim - 1))
        tape.backward(since=made)  # the decoder
        h3 = self._network.encode(tape.constant(v2))
        np.subtract(h3.data, h1.data, out=moved)
        moved *= kept / n  # (h3 - h1) / n
        if batch.weight is not None:
            moved *= batch.weight[:, None]
        h3.add_grad(moved, gated=True)  # the rule has no slope of f in it
        tape.backward(since=made)
        return self._sums(batch, terms)

"""Posteriors with a flow behind the normal draw: codes, and ln q(z | x) of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...base import checks
from ...data.batches import Batch
from ...divergences import Divergence
from ...flows import PosteriorFlow
from ...nn.flows import Chain
from ...nn.ops.reductions import Sum
from ...nn.ops.shapes import Repeat, Reshape
from ...nn.tape import Value
from .posterior import Draw

if TYPE_CHECKING:
    from .vae import VAE


def check(model: VAE) -> None:
    """Raise TypeError or ValueError for a flow, or what it doesn't go with."""
    flow = checks.instance("posterior", model.posterior, PosteriorFlow, "PlanarFlow(10)")
    if flow is None:
        return
    flow.check()
    if model.prior is not None and model.prior.encodes:
        raise ValueError(
            "posterior: expected None with a prior that is made of normal posteriors, "
            f"{model.prior!r}, got {flow!r}"
        )
    if model.free_bits:
        raise ValueError(
            "free_bits: expected 0 with a posterior that isn't normal, whose KL is no sum over "
            f"dimensions, got {model.free_bits!r}"
        )
    if isinstance(model.divergence, Divergence):
        raise ValueError(
            "divergence: expected 'kl' with a posterior that isn't normal, got "
            f"{model.divergence!r}"
        )


class FlowDraw(Draw):
    """Codes that a flow has made of a draw.

    Parameters
    ----------
    base : Draw
        Of the normal posteriors.
    z, log_det : Value, shapes (n, D) and (n,)
        What the flow makes of it, and the logarithm of its determinant.
    """

    def __init__(self, base: Draw, z: Value, log_det: Value) -> None:
        super().__init__(z, base.mean, base.logvar, base.eps)
        self.log_det = log_det

    def log_posterior(self) -> Value:
        """Return ln q(z | x) of the draws (n,), with gradients along their paths."""
        return super().log_posterior() - self.log_det

    def mean_log_posterior(self) -> Value:
        """Return ln q(z | x) with the mean over draws where it is known: of the normal part."""
        return super().mean_log_posterior() - self.log_det


def flow_of(model: VAE) -> Chain | None:
    """Return the flow in a fitted model's network; None where posteriors are normal."""
    return getattr(model._network, "posterior", None)


def through(flow: Chain, batch: Batch, z: Value, context: Value | None) -> tuple[Value, Value]:
    """Return codes (n, D) behind a flow, and log-determinants (n,); those of a map one by one."""
    n = z.shape[0]
    if not batch.room:
        return flow.forward(z, context)
    places = int(np.prod(batch.room))
    if context is not None:
        context = Reshape(context, (n * places, -1))
    found, log_det = flow.forward(Reshape(z, (n * places, -1)), context)
    return Reshape(found, (n, -1)), Sum(Reshape(log_det, (n, -1)), 1)


def flowed(flow: Chain, batch: Batch, drawn: Draw) -> FlowDraw:
    """Return what a flow makes of a batch's draws."""
    return FlowDraw(drawn, *through(flow, batch, drawn.z, batch.context))


def nearby(flow: Chain, batch: Batch, z: np.ndarray) -> np.ndarray:
    """Return codes behind a flow, of draws (n, D) about the one sample of a batch."""
    context = batch.context
    if context is not None:
        context = Repeat(context, len(z))
    return through(flow, batch, batch.tape.constant(z), context)[0].data

r"""How fresh weights are drawn: uniform in plus or minus a bound that follows from a layer's fans.

========= ============================================== ==================================
uniform   :math:`1 / \sqrt{n_{in}}`                       as PyTorch's layers; LeCun et al., 1998
glorot    :math:`\sqrt{6 / (n_{in} + n_{out})}`           Glorot and Bengio, 2010
he        :math:`g \sqrt{3 / n_{in}}`                     He et al., 2015
========= ============================================== ==================================

An output is made of n_in inputs, and n_out is the same for the way back: of a convolution as many
as a kernel has values, of an LSTM those of each gate by itself. g is the root of 2 for layers with
an activation that is 0, or nearly so, for one half of the numbers, and 1 for others. Biases are
uniform in :math:`\pm 1 / \sqrt{n_{in}}` in any case (where a layer says nothing else): with
biases of 0 VAEs learned more slowly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from .activation import Activation
from .containers import Sequential
from .module import Module

INITS = ("uniform", "glorot", "he")
SATURATING = ("sigmoid", "tanh", "linear", None)


def bound_of(init: str, fan_in: int, fan_out: int, gain: float = 1.0) -> float:
    """Return the bound of a layer's fresh weights."""
    if init == "glorot":
        return math.sqrt(6 / (fan_in + fan_out))
    return gain * math.sqrt(3 / fan_in) if init == "he" else 1 / math.sqrt(fan_in)


def use_init(module: Module, init: str) -> None:
    """Say how the layers inside a module draw fresh weights; "uniform" leaves them as they are."""
    if init != "uniform":
        for layer, activation in _layers(module):
            layer.use_init(init, 1.0 if activation in SATURATING else math.sqrt(2))


def _layers(module: Module, behind: Module | None = None) -> Iterator[tuple[Module, str | None]]:
    """Yield the layers inside, with their activations: built in, or right behind."""
    own = getattr(module, "activation", None)
    if own is None and isinstance(behind, Activation):
        own = behind.kind
    yield module, own
    inside = [child for _, child in module.children()]
    for k, child in enumerate(inside, 1):
        after = None if not isinstance(module, Sequential) else [*inside, behind][k]
        yield from _layers(child, after)

"""Normalisation layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base.checks import boolean, integer, real
from ..base.sums import sum_of
from .module import Module, shown
from .ops import norms
from .parameter import Parameter
from .tape import Shape, Value


class _Norm(Module):
    """What the norms share: a scale and a shift for each of C channels, the last axis."""

    def __init__(self, channels: int, eps: float, affine: bool) -> None:
        self.channels, self.eps = integer("channels", channels, 1), real("eps", eps, above=True)
        affine = boolean("affine", affine)
        self.weight = Parameter((self.channels,), fill=1.0) if affine else None
        self.bias = Parameter((self.channels,), fill=0.0) if affine else None
        self.initialize(0)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.scaled(name, self._arrays(), shape)
        return 1

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return what there is for each channel, by name."""
        named = {"weight": self.weight, "bias": self.bias}
        return {name: p.value for name, p in named.items() if p is not None}

    def extra_repr(self) -> str:
        affine = self.weight is not None
        return f"{self.channels}" + shown(eps=(self.eps, 1e-5), affine=(affine, True))


class LayerNorm(_Norm):
    r"""Each vector along the last axis to mean 0 and variance 1, scaled and shifted.

    .. math:: y = \frac{x - \mathrm{E}[x]}{\sqrt{\mathrm{Var}[x] + \epsilon}} \gamma + \beta

    Shapes: x and y (N, ..., C). Ba, Kiros and Hinton, 2016.

    Parameters
    ----------
    channels : int
    eps : float
    affine : bool
        Whether there are a scale and a shift.

    Attributes
    ----------
    weight, bias : Parameter, shape (C,), or None
        Scale and shift; 1 and 0 at first.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__(channels, eps, affine)

    def forward(self, x: Value) -> Value:
        return norms.LayerNorm(x, self.channels, self.weight, self.bias, self.eps)


class GroupNorm(_Norm):
    """Each group of channels of a sample to mean 0 and variance 1, scaled and shifted.

    Shapes: x and y (N, ..., C); the statistics are over the positions and C / G channels.
    Wu and He, 2018.

    Parameters
    ----------
    groups, channels : int
        G, which divides C.
    eps : float
    affine : bool
        Whether every channel has a scale and a shift.

    Attributes
    ----------
    weight, bias : Parameter, shape (C,), or None
    """

    def __init__(
        self, groups: int, channels: int, *, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__(channels, eps, affine)
        self.groups = integer("groups", groups, 1)
        if self.channels % self.groups:
            raise ValueError(f"groups: expected a divisor of {channels} channels, got {groups}")

    def forward(self, x: Value) -> Value:
        affine = self.weight, self.bias, self.eps
        return norms.GroupNorm(x, self.channels, self.groups, *affine)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.settle(name)
        return super().torch_layout(walk, name, None)

    def extra_repr(self) -> str:
        return f"{self.groups}, {super().extra_repr()}"


class BatchNorm2d(_Norm):
    r"""Each channel to mean 0 and variance 1 over the batch and all positions, scaled and shifted.

    While training the statistics are the batch's, and running ones follow them; otherwise the
    running ones are used. Shapes: x and y (N, ..., C). Ioffe and Szegedy, 2015.

    Parameters
    ----------
    channels : int
    eps : float
    momentum : float
        The weight of a batch in the running statistics.
    affine : bool
        Whether every channel has a scale and a shift.

    Attributes
    ----------
    weight, bias : Parameter, shape (C,), or None
    running_mean, running_var : buffers, shape (C,)
        The variance is the unbiased one.
    """

    def __init__(
        self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True
    ) -> None:
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum: expected a number from 0 to 1, got {momentum!r}")
        self.momentum = float(momentum)
        self.add_buffer("running_mean", np.zeros(integer("channels", channels, 1), np.float32))
        self.add_buffer("running_var", np.ones(channels, np.float32))
        super().__init__(channels, eps, affine)

    def reset(self, seed: int, offset: int) -> int:
        self.buffer("running_mean").fill(0)
        self.buffer("running_var").fill(1)
        return offset

    def forward(self, x: Value) -> Value:
        running = self.buffer("running_mean"), self.buffer("running_var")
        return norms.BatchNorm(x, self.weight, self.bias, running, self._follow, self.eps)

    def _follow(self, *batch: np.ndarray) -> None:
        """Move the running statistics towards the batch's, unless these aren't finite."""
        for name, step in zip(("running_mean", "running_var"), batch, strict=True):
            running = self.buffer(name)
            step -= running
            if math.isfinite(sum_of(step)):
                step *= self.momentum
                running += step

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.counters.append(f"{name}.num_batches_tracked")
        return super().torch_layout(walk, name, shape)

    def _arrays(self) -> dict[str, np.ndarray]:
        return super()._arrays() | {k: self.buffer(k) for k in ("running_mean", "running_var")}

    def extra_repr(self) -> str:
        return super().extra_repr() + shown(momentum=(self.momentum, 0.1))

"""Normalisation layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from .module import Module, Parameter, Shape, count, shown


class _Norm(Module):
    """What the norms share: a scale and a shift for each of C channels, the last axis.

    `forward` keeps the input's shape, the input as the core sees it, its two statistics and what
    else the core's backward function, `_gradients`, takes.
    """

    overwrites_grad = False

    def __init__(self, channels: int, eps: float, affine: bool) -> None:
        self.channels, self.eps = count("channels", channels), float(eps)
        if not self.eps > 0:
            raise ValueError(f"eps: expected a positive number, got {eps!r}")
        self.weight = Parameter((self.channels,), fill=1.0) if affine else None
        self.bias = Parameter((self.channels,), fill=0.0) if affine else None
        self.initialize(0)

    def _affine(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return the values of scale and shift."""
        if self.weight is None or self.bias is None:
            return None, None
        return self.weight.value, self.bias.value

    def backward(self, grad: np.ndarray) -> np.ndarray:
        shape, x, first, second, options = self._kept
        dx, dweight, dbias = runtime.gradients().take(x.shape), None, None
        if self.weight is not None and self.bias is not None:
            dweight, dbias = self.weight.grad, self.bias.grad
        options = (self._affine()[0], *options, runtime.current())
        self._gradients(dx, dweight, dbias, grad.reshape(x.shape), x, first, second, *options)
        return dx.reshape(shape)

    def _gradients(self, *args: Any) -> None:
        raise NotImplementedError

    def output_shape(self, shape: Shape) -> Shape:
        if not shape or shape[-1] != self.channels:
            raise ValueError(
                f"{type(self).__name__}: expected {self.channels} channels in the last axis, got "
                f"the shape {tuple(shape)}"
            )
        return tuple(shape)

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

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.output_shape(x.shape[1:])
        rows = x.reshape(-1, self.channels)
        y = self.scratch("y", rows.shape)
        mean, rstd = self.scratch("mean", rows.shape[:1]), self.scratch("rstd", rows.shape[:1])
        _core.layer_norm(y, mean, rstd, rows, *self._affine(), self.eps, runtime.current())
        self._kept = x.shape, rows, mean, rstd, ()
        return y.reshape(x.shape)

    def _gradients(self, *args: Any) -> None:
        _core.layer_norm_backward(*args)


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
        self.groups = count("groups", groups)
        if self.channels % self.groups:
            raise ValueError(f"groups: {groups} groups don't divide {channels} channels")

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.output_shape(x.shape[1:])
        shape = (x.shape[0], math.prod(x.shape[1:-1]), self.channels)
        image, y, groups = x.reshape(shape), self.scratch("y", shape), (x.shape[0], self.groups)
        mean, rstd = self.scratch("mean", groups), self.scratch("rstd", groups)
        _core.group_norm(y, mean, rstd, image, *self._affine(), self.eps, runtime.current())
        self._kept = x.shape, image, mean, rstd, ()
        return y.reshape(x.shape)

    def _gradients(self, *args: Any) -> None:
        _core.group_norm_backward(*args)

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
        self.add_buffer("running_mean", np.zeros(count("channels", channels), np.float32))
        self.add_buffer("running_var", np.ones(channels, np.float32))
        super().__init__(channels, eps, affine)

    def reset(self, seed: int, offset: int) -> int:
        self.buffer("running_mean").fill(0)
        self.buffer("running_var").fill(1)
        return offset

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.output_shape(x.shape[1:])
        rows, ws = x.reshape(-1, self.channels), runtime.current()
        training = training and len(rows) > 0
        y, mean, var = self.scratch("y", rows.shape), *self._statistics(training)
        _core.batch_norm2d(y, mean, var, rows, *self._affine(), training, self.eps, ws)
        if training:
            self._follow("running_mean", mean, 1.0)
            self._follow("running_var", var, len(rows) / max(1, len(rows) - 1))
        self._kept = x.shape, rows, mean, var, (training, self.eps)
        return y.reshape(x.shape)

    def _gradients(self, *args: Any) -> None:
        _core.batch_norm2d_backward(*args)

    def _statistics(self, training: bool) -> tuple[Any, Any]:
        """Return where the batch's mean and variance go, or the running ones."""
        if not training:
            return self.buffer("running_mean"), self.buffer("running_var")
        return self.scratch("mean", (self.channels,)), self.scratch("var", (self.channels,))

    def _follow(self, name: str, batch: np.ndarray, scale: float) -> None:
        """Move a running statistic towards the batch's, unless that isn't finite."""
        running, step = self.buffer(name), self.scratch("step", (self.channels,))
        np.multiply(batch, scale, out=step)
        step -= running
        if np.isfinite(step.sum()):
            step *= self.momentum
            running += step

    def extra_repr(self) -> str:
        return super().extra_repr() + shown(momentum=(self.momentum, 0.1))

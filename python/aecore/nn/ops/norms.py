"""Norms over rows, groups and batches, and what is fused around a transformer's norms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import _core
from ..parameter import Parameter, claim_grads
from ..tape import Op, Shape, Value

Scale = Parameter | None


def check_channels(name: str, x: Value, channels: int) -> None:
    """Raise ValueError unless the last axis has so many channels."""
    if len(x.shape) < 2 or x.shape[-1] != channels:
        raise ValueError(
            f"{name}: expected {channels} channels in the last axis, got the shape {x.shape[1:]}"
        )


class _Norm(Op):
    """Values at a mean of 0 and a variance of 1, scaled and shifted: x (N, ..., C).

    A subclass states the kernel, and the shapes of x and of the statistics as it takes them.
    """

    __slots__ = ("bias", "eps", "first", "second", "weight", "x")
    is_noted = True
    kernel = ""

    def begin(self, x: Value, weight: Scale, bias: Scale, eps: float) -> None:
        """Note the inputs, and take a place."""
        self.x, self.weight, self.bias, self.eps = x, weight, bias, eps
        x.uses += 1
        self.place(x.tape, x.shape, x.tape.records, later=True)

    def view(self) -> Shape:
        """Return the shape in which the kernels see x."""
        raise NotImplementedError

    def statistics(self) -> Shape:
        """Return the shape of each of the two statistics."""
        raise NotImplementedError

    def affine(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return scale and shift."""
        if self.weight is None or self.bias is None:
            return None, None
        return self.weight.value, self.bias.value

    def forward(self) -> None:
        tape, view = self.tape, self.view()
        y = tape.take(self.shape)
        self.first, self.second = tape.take(self.statistics()), tape.take(self.statistics())
        x = self.x.data.reshape(view)
        caches = y.reshape(view), self.first, self.second
        kernel = getattr(_core, self.kernel)
        tape.call(kernel, *caches, x, *self.affine(), self.eps, tape.workspace)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        view, (scale, _) = self.view(), self.affine()
        given = self.grad.reshape(view), self.x.data.reshape(view), self.first, self.second
        self.go_back(f"{self.kernel}_backward", *given, scale)

    def go_back(self, kernel: str, *given: Any) -> None:
        """Call the backward kernel, and give x its gradient if it wants one."""
        dx = self.tape.take(self.shape) if self.x.needs_grad else None
        grads, adds = claim_grads(self.weight, self.bias)
        outputs = None if dx is None else dx.reshape(self.view()), *grads
        getattr(_core, kernel)(*outputs, *given, adds, self.tape.workspace)
        if dx is not None:
            self.x.add_grad(dx)

    def forget(self) -> None:
        self.x = self.first = self.second = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)

    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """Return both, of ones and zeros where there are none."""
        scale, shift = self.affine()
        if scale is None or shift is None:
            c = self.shape[-1]
            return np.ones(c, np.float32), np.zeros(c, np.float32)
        return scale, shift


class LayerNorm(_Norm):
    """Each vector along the last axis by its own mean and variance."""

    __slots__ = ()
    kernel = "layer_norm"

    def __init__(self, x: Value, channels: int, weight: Scale, bias: Scale, eps: float) -> None:
        check_channels("LayerNorm", x, channels)
        self.begin(x, weight, bias, eps)

    def view(self) -> Shape:
        return math.prod(self.shape[:-1]), self.shape[-1]

    def statistics(self) -> Shape:
        return (math.prod(self.shape[:-1]),)

    def onnx(self, graph: Any) -> str:
        how = {"axis": -1, "epsilon": self.eps}
        x = graph.of(self.x)
        return graph.add("LayerNormalization", x, *self.scale_and_shift(), **how)


class GroupNorm(_Norm):
    """Each group of channels of a sample by its own mean and variance."""

    __slots__ = ("groups",)
    kernel = "group_norm"

    def __init__(
        self, x: Value, channels: int, groups: int, weight: Scale, bias: Scale, eps: float
    ) -> None:
        check_channels("GroupNorm", x, channels)
        self.groups = groups
        self.begin(x, weight, bias, eps)

    def view(self) -> Shape:
        return self.shape[0], math.prod(self.shape[1:-1]), self.shape[-1]

    def statistics(self) -> Shape:
        return self.shape[0], self.groups

    def onnx(self, graph: Any) -> str:
        axes, groups = len(self.shape), self.groups
        flat = graph.reshape(graph.channels_first(graph.of(self.x), axes), 0, groups, -1)
        plain = np.ones(groups, np.float32), np.zeros(groups, np.float32)
        y = graph.add("InstanceNormalization", flat, *plain, epsilon=self.eps)
        y = graph.reshape(y, 0, self.shape[-1], *self.shape[1:-1])
        scale, shift = (v.reshape(-1, *[1] * (axes - 2)) for v in self.scale_and_shift())
        y = graph.add("Add", graph.add("Mul", y, scale), shift)
        return graph.channels_last(y, axes)


class BatchNorm(_Norm):
    """Each channel by the batch's mean and variance, or by given ones.

    Parameters
    ----------
    running : (mean, variance)
        Buffers (C,), which are used unless it is training.
    follow : callable
        Takes the mean and the variance of a batch while training.
    """

    __slots__ = ("follow", "running", "training")

    def __init__(
        self,
        x: Value,
        weight: Scale,
        bias: Scale,
        running: tuple[np.ndarray, np.ndarray],
        follow: Callable[..., None],
        eps: float,
    ) -> None:
        check_channels("BatchNorm2d", x, len(running[0]))
        self.running, self.follow = running, follow
        self.training = x.tape.training and math.prod(x.shape[:-1]) > 0
        self.begin(x, weight, bias, eps)

    def view(self) -> Shape:
        return math.prod(self.shape[:-1]), self.shape[-1]

    def forward(self) -> None:
        tape, view = self.tape, self.view()
        y = tape.take(self.shape)
        if self.training:
            self.first, self.second = (tape.take(view[1:]) for _ in range(2))
        else:
            self.first, self.second = self.running
        x = self.x.data.reshape(view)
        out, (weight, bias) = (y.reshape(view), self.first, self.second), self.affine()
        how = weight, bias, self.training, self.eps, tape.workspace
        tape.call(_core.batch_norm2d, *out, x, *how)
        if self.training:
            share = 1.0 if tape.part is None else tape.part.share
            scales = share, share * view[0] / max(1, view[0] - 1)
            batch = zip((self.first, self.second), scales, strict=True)
            tape.learn(self.follow, *(np.multiply(b, s, out=tape.take(b.shape)) for b, s in batch))
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        view, (scale, _) = self.view(), self.affine()
        given = self.grad.reshape(view), self.x.data.reshape(view), self.first, self.second
        self.go_back("batch_norm2d_backward", *given, scale, self.training, self.eps)

    def onnx(self, graph: Any) -> str:
        axes = len(self.shape)
        x = graph.channels_first(graph.of(self.x), axes)
        given = x, *self.scale_and_shift(), *self.running
        y = graph.add("BatchNormalization", *given, epsilon=self.eps)
        return graph.channels_last(y, axes)


# ---- what is fused around a transformer's norms -------------------------------------------------


class _Whole(Op):
    """A norm and what follows it, in one pass."""

    __slots__ = ("eps", "moments", "parameters", "x")

    is_noted = True

    def __init__(self, x: Value, parameters: tuple[Parameter, ...], eps: float) -> None:
        channels = parameters[0].shape[0]
        if x.shape[1:] != (channels,):
            name = type(self).__name__
            raise ValueError(f"{name}: expected rows (N, {channels}), got the shape {x.shape}")
        self.x, self.parameters, self.eps = x, parameters, eps
        x.uses += 1
        self.place(x.tape, (x.shape[0], self.width), x.tape.records, later=True)

    @property
    def width(self) -> int:
        """How long a row of the result is."""
        raise NotImplementedError

    def claim_grads(self) -> tuple[Any, Any]:
        """Return the parameters' claims: memory of no use for those that are frozen."""
        grads, adds = claim_grads(*self.parameters)
        take, shapes = self.tape.take, (p.shape for p in self.parameters)
        return [take(s) if g is None else g for g, s in zip(grads, shapes, strict=True)], adds

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)


class NormLinear(_Whole):
    """W norm(x) + b of rows x (M, C): (M, K), in one pass.

    Parameters
    ----------
    parameters : tuple of Parameter
        The norm's scale and shift, W (K, C) and b (K,).
    """

    __slots__ = ()

    @property
    def width(self) -> int:
        return self.parameters[2].shape[0]

    def forward(self) -> None:
        tape, x = self.tape, self.x.data
        y, moments = tape.take(self.shape), tape.take((2, self.shape[0]))
        gamma, beta, weight, bias = (p.value for p in self.parameters)
        how = weight, bias, None, None, self.eps, tape.workspace
        tape.call(_core.norm_mlp, None, y, *moments, x, gamma, beta, *how)
        self.moments, self._data = moments, y

    def backward(self) -> None:
        tape, x = self.tape, self.x
        # the kernel adds the gradient that x has from the sum with what follows
        before = x.grad
        if before is None:
            before = tape.take(x.shape)
            before.fill(0)
        dx = tape.take(x.shape)
        gamma, beta, weight, _ = (p.value for p in self.parameters)
        (dgamma, dbeta, dweight, dbias), adds = self.claim_grads()
        grads = dgamma, dbeta, dweight, dbias, None, None, before, self.grad
        weights = gamma, beta, weight, None, (*adds, False, False), tape.workspace
        mean, inverse = self.moments
        _core.norm_mlp_backward(dx, *grads, None, x.data, mean, inverse, *weights)
        if x.needs_grad:
            x.grad, x._owned = dx, True

    def forget(self) -> None:
        self.x = self.moments = None  # type: ignore[assignment]

    def flops(self) -> int:
        return 2 * self.shape[0] * self.parameters[2].size

    def onnx(self, graph: Any) -> str:
        gamma, beta, weight, bias = (p.value for p in self.parameters)
        x = graph.of(self.x)
        y = graph.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=self.eps)
        return graph.add("Gemm", y, weight, bias, transB=1)


class NormMLP(_Whole):
    """x + W2 gelu(W1 norm(x) + b1) + b2 of rows x (M, C), in one pass.

    Parameters
    ----------
    parameters : tuple of Parameter
        The norm's scale and shift, W1 (H, C), b1 (H,), W2 (C, H) and b2 (C,).
    """

    __slots__ = ("hidden",)

    @property
    def width(self) -> int:
        return self.x.shape[1]

    def forward(self) -> None:
        tape, x, m = self.tape, self.x.data, self.shape[0]
        y, hidden = tape.take(self.shape), tape.take((m, self.parameters[2].shape[0]))
        moments = tape.take((2, m))
        gamma, beta, weight1, bias1, weight2, bias2 = (p.value for p in self.parameters)
        how = weight1, bias1, weight2, bias2, self.eps, tape.workspace
        tape.call(_core.norm_mlp, y, hidden, *moments, x, gamma, beta, *how)
        self.hidden, self.moments, self._data = hidden, moments, y

    def backward(self) -> None:
        tape, x = self.tape, self.x
        dx = tape.take(x.shape)
        gamma, beta, weight1, _, weight2, _ = (p.value for p in self.parameters)
        assert self.grad is not None
        (dgamma, dbeta, dweight1, dbias1, dweight2, dbias2), adds = self.claim_grads()
        grads = dgamma, dbeta, dweight1, dbias1, dweight2, dbias2, self.grad, None
        weights = gamma, beta, weight1, weight2, adds, tape.workspace
        mean, inverse = self.moments
        _core.norm_mlp_backward(dx, *grads, self.hidden, x.data, mean, inverse, *weights)
        if x.needs_grad:
            x.add_grad(dx)

    def forget(self) -> None:
        self.x = self.hidden = self.moments = None  # type: ignore[assignment]

    def flops(self) -> int:
        return 4 * self.shape[0] * self.parameters[2].size

    def onnx(self, graph: Any) -> str:
        gamma, beta, weight1, bias1, weight2, bias2 = (p.value for p in self.parameters)
        x = graph.of(self.x)
        y = graph.add("LayerNormalization", x, gamma, beta, axis=-1, epsilon=self.eps)
        y = graph.activation("gelu", graph.add("Gemm", y, weight1, bias1, transB=1))
        return graph.add("Add", x, graph.add("Gemm", y, weight2, bias2, transB=1))

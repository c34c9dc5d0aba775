"""Products of sequences with kernels: those of images of one row."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ..parameter import Parameter, accumulate, claim_grads
from ..tape import Ends, Value
from .products import Conv2d, ConvTranspose2d, Pair, Product, reach


def _row(x: np.ndarray | None) -> Any:
    """Show sequences (N, T, C), or their kernels, as images of one row; None for None."""
    return None if x is None else x.reshape(x.shape[0], 1, *x.shape[1:])


def _sequence(name: str, x: Value, channels: int) -> int:
    """Return the steps of sequences; ValueError unless they have these channels."""
    if len(x.shape) != 3 or x.shape[2] != channels:
        raise ValueError(f"{name}: expected sequences (T, {channels}), got the shape {x.shape[1:]}")
    return x.shape[1]


def _too_short(name: str, x: Value, kernel: int, how: str, steps: int) -> ValueError:
    return ValueError(
        f"{name}: expected sequences long enough for kernel {kernel}, {how}, got {x.shape[1]} "
        f"steps: the output would have {max(0, steps)}"
    )


class Conv1d(Conv2d):
    r"""The convolution of sequences (N, T, C) with kernels (K, S, C / groups): (N, Q, K).

    :math:`Q = \lfloor (T + left + right - (S - 1) dilation - 1) / stride \rfloor + 1`. With lengths
    every sequence is convolved as if it stood alone, with zeros behind its end, and the result is 0
    behind its own.
    """

    __slots__ = ("ends", "made")

    heeds_lengths = True

    def __init__(
        self,
        x: Value,
        weight: Parameter,
        bias: Parameter | None = None,
        activation: str | None = None,
        *,
        stride: int = 1,
        padding: Pair = (0, 0),
        dilation: int = 1,
        groups: int = 1,
        packed: Any = None,
        name: str = "Conv1d",
    ) -> None:
        k, s, c = weight.value.shape
        steps = _sequence(name, x, c * groups)
        room = sum(padding) - reach(s, dilation)
        q = (steps + room) // stride + 1
        if q < 1:
            how = f"stride {stride}, padding {padding} and dilation {dilation}"
            raise _too_short(name, x, s, how, q)
        self.ends = x.tape.ends(steps)
        self.made: Ends | None = None
        if self.ends is not None:
            self.made = self.ends.through(room, stride)
            x.tape.note_ends(q, self.made)
        options = (1, stride), (0, 0, *padding), (1, dilation), groups, True
        Product.__init__(self, x, (x.shape[0], q, k), weight, bias, activation, packed, options)

    @property
    def is_open(self) -> bool:
        return self.made is None and super().is_open

    def plus(self, added: Value) -> Product:
        made = super().plus(added)
        assert isinstance(made, Conv1d)
        made.ends = made.made = None
        return made

    def _alone(self, x: np.ndarray, ends: Ends | None) -> np.ndarray:
        """Return sequences with zeros behind their ends."""
        if ends is None or ends.lengths is None:
            return x
        alone = self.tape.take(x.shape)
        self.tape.call(cut, alone, x, ends.lengths)
        return alone

    def multiply(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None,
        activation: str | None,
        added: np.ndarray | None,
    ) -> None:
        given = _row(self._alone(x, self.ends)), _row(self.weight.value), bias, activation
        how = *self.options, _row(added), self.packed, self.tape.workspace
        self.tape.call(_core.conv2d, _row(y), *given, *how)
        if self.made is not None and self.made.lengths is not None:
            self.tape.call(cut, y, y, self.made.lengths)

    def gradients(
        self,
        dx: np.ndarray | None,
        weight: Parameter | None,
        bias: Parameter | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_act: str | None,
    ) -> None:
        *geometry, _ = self.options
        (dw, dbias), adds = claim_grads(weight, bias)
        grad, alone = self._alone(grad, self.made), self._alone(x, self.ends)
        given = _row(grad), _row(alone), _row(self.weight.value), x_act
        how = *geometry, adds, self.tape.workspace
        _core.conv2d_backward(_row(dx), _row(dw), dbias, *given, *how)
        if dx is not None and self.ends is not None and self.ends.lengths is not None:
            cut(dx, dx, self.ends.lengths)

    def onnx(self, graph: Any) -> str:
        (_, stride), (_, _, *pads), (_, dilation), groups, _ = self.options
        how = {"strides": [stride], "pads": pads, "dilations": [dilation], "group": groups}
        x = graph.of(self.x)
        if lengths := graph.ends(self.ends):
            x = graph.cut(x, self.x.shape[1], lengths)
        weight = self.weight.value.transpose(0, 2, 1)
        y = graph.add("Conv", graph.channels_first(x, 3), weight, *self.biases(), **how)
        y = graph.activation(self.activation, graph.channels_last(y, 3))
        if lengths := graph.ends(self.made):
            y = graph.cut(y, self.shape[1], lengths)
        return y


def cut(out: np.ndarray, x: np.ndarray, lengths: np.ndarray) -> None:
    """Write sequences (N, T, C) with zeros behind the end of each to `out`, perhaps x itself."""
    if out is not x:
        np.copyto(out, x)
    out[np.arange(x.shape[1]) >= lengths[:, None]] = 0


class ConvTranspose1d(ConvTranspose2d):
    r"""The transposed convolution of sequences (N, T, C) with kernels (K, S, C): (N, Q, K).

    :math:`Q = (T - 1) stride - 2 padding + (S - 1) dilation + 1 + output\_padding`. The kernels of
    a tied one are those of the convolution that it goes back through, (C, S, K).
    """

    __slots__ = ()

    def __init__(
        self,
        x: Value,
        weight: Parameter,
        bias: Parameter | None = None,
        activation: str | None = None,
        *,
        stride: int = 1,
        padding: int = 0,
        output_padding: int = 0,
        dilation: int = 1,
        tied: bool = False,
        packed: Any = None,
        name: str = "ConvTranspose1d",
    ) -> None:
        k, s, c = weight.value.shape
        if tied:
            k, c = c, k
        steps = _sequence(name, x, c)
        q = (steps - 1) * stride - 2 * padding + reach(s, dilation) + output_padding
        if min(steps, q) < 1:
            how = f"stride {stride}, padding {padding} and dilation {dilation}"
            raise _too_short(name, x, s, how, q)
        geometry = (1, stride), (0, padding), (1, dilation), 1
        options = geometry, (0, output_padding), tied
        Product.__init__(self, x, (x.shape[0], q, k), weight, bias, activation, packed, options)

    def _kernels(self) -> np.ndarray:
        weight = self.weight.value
        if not self.options[2]:
            return weight
        kernels = self.tape.take(weight.shape[::-1])
        self.tape.call(np.copyto, kernels, weight.transpose(2, 1, 0))
        return kernels

    def multiply(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None,
        activation: str | None,
        added: np.ndarray | None,
    ) -> None:
        geometry, _, _ = self.options
        given = _row(x), _row(self._kernels()), bias, activation
        how = *geometry, True, _row(added), self.packed, self.tape.workspace
        self.tape.call(_core.conv_transpose2d, _row(y), *given, *how)

    def gradients(
        self,
        dx: np.ndarray | None,
        weight: Parameter | None,
        bias: Parameter | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_act: str | None,
    ) -> None:
        geometry, _, tied = self.options
        kernels = self._kernels()
        (dkernels, dbias), adds = claim_grads(None if tied else weight, bias)
        apart = weight if tied and weight is not None and weight.learns else None
        if apart is not None:
            dkernels = self.tape.take(kernels.shape)
        given = _row(grad), _row(x), _row(kernels), x_act
        how = *geometry, adds, self.tape.workspace
        _core.conv_transpose2d_backward(_row(dx), _row(dkernels), dbias, *given, *how)
        if apart is not None:
            accumulate(apart, dkernels.transpose(2, 1, 0))

    def onnx(self, graph: Any) -> str:
        ((_, stride), (_, padding), (_, dilation), _), (_, extra), tied = self.options
        weight = self.weight.value.transpose((0, 2, 1) if tied else (2, 0, 1))
        how = {"strides": [stride], "pads": [padding] * 2, "output_padding": [extra]}
        how["dilations"] = [dilation]
        x = graph.channels_first(graph.of(self.x), 3)
        y = graph.add("ConvTranspose", x, weight, *self.biases(), **how)
        return graph.activation(self.activation, graph.channels_last(y, 3))

"""Products with a weight: linear layers and convolutions, with what their epilogues take along."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core
from ..parameter import Parameter, accumulate, claim_grads
from ..tape import Op, Shape, Value

FUSED = frozenset(_core.FUSED)  # activations whose gradient the output determines

Pair = tuple[int, int]


class Product(Op):
    """y = f(x W + b + r), where f is an activation that its output determines.

    As long as nobody has looked at the result, a sum with it is taken into the product (rule 2 of
    `aecore.nn.tape`). A subclass implements `multiply` and `gradients`,
    each of which is one call of the core.

    Parameters
    ----------
    x : Value
    shape : tuple of int
        Of the result.
    weight, bias : Parameter, the bias perhaps None
    activation : str, optional
    packed : Packed, optional
        Where the weight is kept in the form that the product wants.
    options : tuple
        What else the kernels are given.
    added : Value, optional
        r.
    """

    __slots__ = ("activation", "added", "bias", "is_replaced", "options", "packed", "weight", "x")

    is_noted = True

    def __init__(
        self,
        x: Value,
        shape: Shape,
        weight: Parameter,
        bias: Parameter | None,
        activation: str | None,
        packed: Any,
        options: tuple[Any, ...],
        added: Value | None = None,
    ) -> None:
        self.x, self.weight, self.bias, self.activation = x, weight, bias, activation
        self.packed, self.options, self.added = packed, options, added
        self.is_replaced = False  # by its sum with something
        x.uses += 1
        if added is not None:
            added.uses += 1
        tape = x.tape
        self.place(tape, shape, tape.records, later=True)

    @property
    def is_open(self) -> bool:
        """Whether a sum may still be taken into the product."""
        if self._data is not None or self.uses or self.tape.abstract:
            return False
        return self.added is None and not self.activation

    def plus(self, added: Value) -> Product:
        """Return the same product with an addend, in place of this one."""
        pending = self.tape.pending
        del pending[next(i for i in reversed(range(len(pending))) if pending[i] is self)]
        self.is_replaced = True
        self.x.uses -= 1
        made = type(self).__new__(type(self))
        Product.__init__(
            made,
            self.x,
            self.shape,
            self.weight,
            self.bias,
            None,
            self.packed,
            self.options,
            added,
        )
        return made

    def multiply(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None,
        activation: str | None,
        added: np.ndarray | None,
    ) -> None:
        """Write y."""
        raise NotImplementedError

    def gradients(
        self,
        dx: np.ndarray | None,
        weight: Parameter | None,
        bias: Parameter | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_act: str | None,
    ) -> None:
        """Write dx, times the gradient of x's activation; add to those of weight and bias.

        The parameters are None where theirs isn't asked for.
        """
        raise NotImplementedError

    def forward(self) -> None:
        bias = None if self.bias is None else self.bias.value
        x, added = self.x.data, None if self.added is None else self.added.data
        y = self.tape.take(self.shape)  # by now that of what these were made of may be free
        self.multiply(y, x, bias, self.activation, added)
        self._data = y

    def run(self) -> None:
        if self.is_replaced:  # and wanted by itself all the same
            self.is_replaced = False
            self.x.uses += 1
        super().run()

    def forget(self) -> None:
        self.x = self.added = None  # type: ignore[assignment]

    def gate(self) -> str | None:
        return self.activation if self.uses == 1 else None

    def before_activation(self, grad: np.ndarray, *, owned: bool) -> np.ndarray:
        if not self.activation:
            return grad
        out = grad if owned else self.tape.take(self.shape)
        _core.activation_backward(out, grad, self.data, self.activation, self.tape.workspace)
        return out

    def backward(self) -> None:
        grad, x = self.grad, self.x
        assert grad is not None
        if not self._gated:
            grad = self.before_activation(grad, owned=self._owned)
        if self.added is not None and self.added.needs_grad:
            self.added.add_grad(grad, owned=False)
        if not x.needs_grad:
            self.gradients(None, self.weight, self.bias, grad, x.data, None)
            return
        dx, act = self.tape.take(x.shape), x.gate()
        self.gradients(dx, self.weight, self.bias, grad, x.data, act)
        x.add_grad(dx, gated=act is not None)

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,) if self.added is None else (self.x, self.added)

    def flops(self) -> int:
        return 2 * math.prod(self.shape[:-1]) * self.weight.value.size

    def biases(self) -> list[np.ndarray]:
        """Return the bias, if there is one."""
        return [] if self.bias is None else [self.bias.value]


class Linear(Product):
    """x (N, I) times W (O, I) transposed, or W (I, O) if `transposed`: (N, O)."""

    __slots__ = ()

    def __init__(
        self,
        x: Value,
        weight: Parameter,
        bias: Parameter | None = None,
        activation: str | None = None,
        *,
        transposed: bool = False,
        packed: Any = None,
        name: str = "Linear",
    ) -> None:
        rows, columns = weight.value.shape
        inputs, outputs = (rows, columns) if transposed else (columns, rows)
        shape = x.shape
        if len(shape) != 2 or shape[1] != inputs:
            raise ValueError(
                f"{name}: expected samples of {inputs} features, got the shape {shape[1:]}"
            )
        super().__init__(x, (shape[0], outputs), weight, bias, activation, packed, (transposed,))

    def multiply(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None,
        activation: str | None,
        added: np.ndarray | None,
    ) -> None:
        (transposed,) = self.options
        how = activation, transposed, added, self.packed, self.tape.workspace
        self.tape.call(_core.linear, y, x, self.weight.value, bias, *how)

    def gradients(
        self,
        dx: np.ndarray | None,
        weight: Parameter | None,
        bias: Parameter | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_act: str | None,
    ) -> None:
        (dw, dbias), adds = claim_grads(weight, bias)
        how = x_act, *self.options, adds, self.tape.workspace
        _core.linear_backward(dx, dw, dbias, grad, x, self.weight.value, *how)

    def onnx(self, graph: Any) -> str:
        (transposed,) = self.options
        x = graph.of(self.x)
        y = graph.add("Gemm", x, self.weight.value, *self.biases(), transB=int(not transposed))
        return graph.activation(self.activation, y)


def _image_size(name: str, x: Value, channels: int) -> Pair:
    """Return the height and width of images; ValueError unless they have these channels."""
    if len(x.shape) != 4 or x.shape[3] != channels:
        raise ValueError(f"{name}: expected images (H, W, {channels}), got the shape {x.shape[1:]}")
    return x.shape[1], x.shape[2]


def _too_small(name: str, x: Value, kernel: Shape, how: str, size: Pair) -> ValueError:
    return ValueError(
        f"{name}: expected images large enough for kernel {kernel}, {how}, got {x.shape[1]} x "
        f"{x.shape[2]}: the output would be {max(0, size[0])} x {max(0, size[1])}"
    )


class Conv2d(Product):
    r"""The convolution of images (N, H, W, C) with kernels (K, R, S, C / groups): (N, P, Q, K).

    :math:`P = \lfloor (H + top + bottom - (R - 1) dilation - 1) / stride \rfloor + 1`, Q likewise.
    Padding is (ph, pw), or of four sides: top, bottom, left and right.
    """

    __slots__ = ()

    def __init__(
        self,
        x: Value,
        weight: Parameter,
        bias: Parameter | None = None,
        activation: str | None = None,
        *,
        stride: Pair = (1, 1),
        padding: tuple[int, ...] = (0, 0),
        dilation: Pair = (1, 1),
        groups: int = 1,
        winograd: bool = True,
        packed: Any = None,
        name: str = "Conv2d",
    ) -> None:
        k, r, s, c = weight.value.shape
        h, w = _image_size(name, x, c * groups)
        top, bottom, left, right = sides(padding)
        p = (h + top + bottom - reach(r, dilation[0])) // stride[0] + 1
        q = (w + left + right - reach(s, dilation[1])) // stride[1] + 1
        if p < 1 or q < 1:
            how = _geometry(stride, padding, dilation)
            raise _too_small(name, x, (r, s), how, (p, q))
        options = stride, padding, dilation, groups, winograd
        super().__init__(x, (x.shape[0], p, q, k), weight, bias, activation, packed, options)

    def multiply(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None,
        activation: str | None,
        added: np.ndarray | None,
    ) -> None:
        how = activation, *self.options, added, self.packed, self.tape.workspace
        self.tape.call(_core.conv2d, y, x, self.weight.value, bias, *how)

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
        how = x_act, *geometry, adds, self.tape.workspace
        _core.conv2d_backward(dx, dw, dbias, grad, x, self.weight.value, *how)

    def onnx(self, graph: Any) -> str:
        stride, padding, dilation, groups, _ = self.options
        top, bottom, left, right = sides(padding)
        # a side of -1 leaves the pixel's own row or column out: here it is seen, with a weight of 0
        below, behind = max(0, -bottom), max(0, -right)
        weight = self.weight.value.transpose(0, 3, 1, 2)
        weight = np.pad(weight, ((0, 0), (0, 0), (0, below), (0, behind)))
        pads = [top, left, max(0, bottom), max(0, right)]
        x = graph.channels_first(graph.of(self.x), 4)
        how = {"strides": stride, "pads": pads, "dilations": dilation, "group": groups}
        y = graph.add("Conv", x, weight, *self.biases(), **how)
        return graph.activation(self.activation, graph.channels_last(y, 4))


def reach(kernel: int, dilation: int) -> int:
    """Return over how many pixels a kernel reaches."""
    return (kernel - 1) * dilation + 1


def _geometry(stride: Pair, padding: tuple[int, ...], dilation: Pair) -> str:
    spread = "" if dilation == (1, 1) else f", dilation {dilation}"
    return f"stride {stride} and padding {padding}{spread}"


def sides(padding: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return the padding at the top, the bottom, the left and the right."""
    if len(padding) == 4:
        return padding
    h, w = padding
    return h, h, w, w


class ConvTranspose2d(Product):
    r"""The transposed convolution of images (N, H, W, C) with kernels (K, R, S, C): (N, P, Q, K).

    :math:`P = (H - 1) stride - 2 ph + (R - 1) dilation + 1 + oh`, Q likewise. The kernels of a tied
    one are those of the convolution that it goes back through, (C, R, S, K).
    """

    __slots__ = ()

    def __init__(
        self,
        x: Value,
        weight: Parameter,
        bias: Parameter | None = None,
        activation: str | None = None,
        *,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        output_padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        tied: bool = False,
        packed: Any = None,
        name: str = "ConvTranspose2d",
    ) -> None:
        k, r, s, c = weight.value.shape
        if tied:
            k, c = c, k
        h, w = _image_size(name, x, c)
        p = (h - 1) * stride[0] - 2 * padding[0] + reach(r, dilation[0]) + output_padding[0]
        q = (w - 1) * stride[1] - 2 * padding[1] + reach(s, dilation[1]) + output_padding[1]
        if min(h, w, p, q) < 1:
            how = _geometry(stride, padding, dilation)
            raise _too_small(name, x, (r, s), how, (p, q))
        options = (stride, padding, dilation, 1), output_padding, tied
        super().__init__(x, (x.shape[0], p, q, k), weight, bias, activation, packed, options)

    def _kernels(self) -> np.ndarray:
        """Return the kernels (K, R, S, C); tied ones are copied, which costs a pass over them."""
        weight = self.weight.value
        if not self.options[2]:
            return weight
        k, r, s, c = weight.shape
        kernels = self.tape.take((c, r, s, k))
        self.tape.call(np.copyto, kernels, weight.transpose(3, 1, 2, 0))
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
        how = activation, *geometry, True, added, self.packed, self.tape.workspace
        self.tape.call(_core.conv_transpose2d, y, x, self._kernels(), bias, *how)

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
        how = x_act, *geometry, adds, self.tape.workspace
        _core.conv_transpose2d_backward(dx, dkernels, dbias, grad, x, kernels, *how)
        if apart is not None:
            accumulate(apart, dkernels.transpose(3, 1, 2, 0))

    def flops(self) -> int:
        return 2 * math.prod(self.x.shape[:-1]) * self.weight.value.size

    def onnx(self, graph: Any) -> str:
        (stride, padding, dilation, _), output_padding, tied = self.options
        weight = self.weight.value.transpose((0, 3, 1, 2) if tied else (3, 0, 1, 2))
        how = {"strides": stride, "pads": [*padding, *padding], "output_padding": output_padding}
        how["dilations"] = dilation
        x = graph.channels_first(graph.of(self.x), 4)
        y = graph.add("ConvTranspose", x, weight, *self.biases(), **how)
        return graph.activation(self.activation, graph.channels_last(y, 4))

"""Convolution layers, channels last."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..base import runtime
from ..functional._shapes import pair
from .linear import Affine
from .module import Parameter, Shape, count, shown

Pair = int | tuple[int, int]


def short(v: tuple[int, int]) -> Pair:
    """Return one number for an equal pair."""
    return v[0] if v[0] == v[1] else v


class _Convolution(Affine):
    """What the two directions share: geometry, weight layout and repr."""

    def __init__(
        self,
        c: int,
        k: int,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        fan_in_channels: int,
        bias: bool,
        activation: str | None,
        weight: Parameter | None = None,
    ) -> None:
        r, s = pair("kernel_size", kernel_size, 1)
        self.kernel_size, self.stride = (r, s), pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)
        if self.padding[0] > r or self.padding[1] > s:
            raise ValueError(f"padding: expected at most the kernel size {(r, s)}, got {padding!r}")
        made = (k, r, s, c) if weight is None else weight
        super().__init__(made, fan_in_channels * r * s, k, bias, activation)

    def _channels(self) -> tuple[int, int]:
        """Return the numbers of input and output channels."""
        return self.weight.shape[3], self.weight.shape[0]

    def _check(self, shape: Shape) -> tuple[int, int]:
        """Return the height and width of a sample of the right form."""
        c, _ = self._channels()
        if len(shape) != 3 or shape[2] != c:
            name = type(self).__name__
            raise ValueError(f"{name}: expected images (H, W, {c}), got the shape {tuple(shape)}")
        return shape[0], shape[1]

    def _wrong_size(self, shape: Shape, p: int, q: int) -> ValueError:
        return ValueError(
            f"{type(self).__name__}: images of {shape[0]} x {shape[1]} are too small for kernel "
            f"{self.kernel_size}, stride {self.stride} and padding {self.padding}: the output "
            f"would be {max(0, p)} x {max(0, q)}"
        )

    def extra_repr(self) -> str:
        c, k = self._channels()
        extra = getattr(self, "output_padding", (0, 0))
        return (
            f"{c}, {k}, {short(self.kernel_size)}"
            + shown(
                stride=(short(self.stride), 1),
                padding=(short(self.padding), 0),
                output_padding=(short(extra), 0),
            )
            + self._shown()
        )


class Conv2d(_Convolution):
    r"""A convolution of images with a bank of kernels, :math:`y = f(W * x + b)`.

    Shapes: x (N, H, W, C), y (N, P, Q, K) with :math:`P = \lfloor (H + 2 ph - R) / sh \rfloor + 1`
    and Q likewise. Fresh values are uniform in :math:`\pm 1 / \sqrt{C R S}`.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size : int or (int, int)
        R and S.
    stride, padding : int or (int, int)
        For height and width; padding is with zeros.
    bias : bool
    activation : str, optional
        Fused into the layer: relu, leaky_relu, elu, tanh, sigmoid or softplus.

    Attributes
    ----------
    weight : Parameter, shape (K, R, S, C)
    bias : Parameter, shape (K,), or None
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        c, k = count("in_channels", in_channels), count("out_channels", out_channels)
        super().__init__(c, k, kernel_size, stride, padding, c, bias, activation)

    def _product(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str | None = None,
        added: np.ndarray | None = None,
    ) -> None:
        how = activation, self.stride, self.padding, True, added, self._packed
        _core.conv2d(y, x, self.weight.value, bias, *how, runtime.current())

    def _gradients(
        self,
        dx: np.ndarray | None,
        dbias: np.ndarray | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_activation: str | None = None,
        learns: bool = True,
    ) -> None:
        geometry = self.stride, self.padding, runtime.current()
        w, dw = self.weight.value, self.weight.grad if learns else None
        _core.conv2d_backward(dx, dw, dbias, grad, x, w, x_activation, *geometry)

    def output_shape(self, shape: Shape) -> Shape:
        h, w = self._check(shape)
        p = (h + 2 * self.padding[0] - self.kernel_size[0]) // self.stride[0] + 1
        q = (w + 2 * self.padding[1] - self.kernel_size[1]) // self.stride[1] + 1
        if p < 1 or q < 1:
            raise self._wrong_size(shape, p, q)
        return (p, q, self._channels()[1])


class ConvTranspose2d(_Convolution):
    r"""The transposed convolution, which enlarges images: the gradient of `Conv2d` as a layer.

    Shapes: x (N, H, W, C), y (N, P, Q, K) with :math:`P = (H - 1) sh - 2 ph + R + oh`, Q likewise.
    Fresh values are uniform in :math:`\pm 1 / \sqrt{K R S}` as PyTorch's are: it takes the fan-in
    of the convolution that this one transposes.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size : int or (int, int)
        R and S.
    stride, padding : int or (int, int)
    output_padding : int or (int, int)
        Rows and columns added at the end, less than the stride: which of the sizes that the
        convolution maps to H x W is wanted.
    bias : bool
    activation : str, optional
        Fused into the layer, as `Conv2d`'s.

    Attributes
    ----------
    weight : Parameter, shape (K, R, S, C)
    bias : Parameter, shape (K,), or None
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        c, k = count("in_channels", in_channels), count("out_channels", out_channels)
        super().__init__(c, k, kernel_size, stride, padding, k, bias, activation)
        self._add_rows(output_padding)

    def _add_rows(self, output_padding: Pair) -> None:
        self.output_padding = pair("output_padding", output_padding, 0)
        if any(o >= s for o, s in zip(self.output_padding, self.stride, strict=True)):
            raise ValueError(
                f"output_padding: expected less than the stride {self.stride}, got "
                f"{output_padding!r}"
            )

    def _product(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str | None = None,
        added: np.ndarray | None = None,
    ) -> None:
        how = activation, self.stride, self.padding, True, added, self._packed
        _core.conv_transpose2d(y, x, self.weight.value, bias, *how, runtime.current())

    def _gradients(
        self,
        dx: np.ndarray | None,
        dbias: np.ndarray | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_activation: str | None = None,
        learns: bool = True,
    ) -> None:
        geometry = self.stride, self.padding, runtime.current()
        w, dw = self.weight.value, self.weight.grad if learns else None
        _core.conv_transpose2d_backward(dx, dw, dbias, grad, x, w, x_activation, *geometry)

    def output_shape(self, shape: Shape) -> Shape:
        (h, w), (r, s), (a, b) = self._check(shape), self.kernel_size, self.output_padding
        p = (h - 1) * self.stride[0] - 2 * self.padding[0] + r + a
        q = (w - 1) * self.stride[1] - 2 * self.padding[1] + s + b
        if min(h, w, p, q) < 1:
            raise self._wrong_size(shape, p, q)
        return (p, q, self._channels()[1])


class TiedConvTranspose2d(ConvTranspose2d):
    r"""The way back through another layer's kernels: :math:`y = f(W^\top * x + b)`.

    Shapes: x (N, P, Q, K), y (N, H, W, C), where the convolution goes from C to K channels and its
    weight W is (K, R, S, C). Its gradient is the sum of what both layers add. The bias is the
    layer's own.

    Parameters
    ----------
    source : Conv2d
        The layer whose weight, stride and padding are shared.
    output_padding : int or (int, int)
        As `ConvTranspose2d`'s.
    bias : bool
    activation : str, optional
        Fused into the layer, as `Conv2d`'s.

    Attributes
    ----------
    weight : Parameter, shape (K, R, S, C)
        The very object that the other layer has. Copy or pickle the two in one go to keep it so.
    bias : Parameter, shape (C,), or None
    """

    def __init__(
        self,
        source: Conv2d,
        output_padding: Pair = 0,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        if type(source) is not Conv2d:
            raise TypeError(f"TiedConvTranspose2d: expected a Conv2d, got {type(source).__name__}")
        k, _, _, c = source.weight.shape
        geometry = source.kernel_size, source.stride, source.padding
        _Convolution.__init__(self, k, c, *geometry, c, bias, activation, source.weight)
        self._add_rows(output_padding)

    def _channels(self) -> tuple[int, int]:
        return self.weight.shape[0], self.weight.shape[3]

    # The kernels have the output channels first: they work on a copy (C, R, S, K) of the weight,
    # which costs a pass over it where a product makes one for every pixel.

    def _turned(self) -> np.ndarray:
        k, r, s, c = self.weight.shape
        turned = self.scratch("turned", (c, r, s, k))
        np.copyto(turned, self.weight.value.transpose(3, 1, 2, 0))
        return turned

    def _product(
        self,
        y: np.ndarray,
        x: np.ndarray,
        bias: np.ndarray | None = None,
        activation: str | None = None,
        added: np.ndarray | None = None,
    ) -> None:
        how = activation, self.stride, self.padding, True, added, self._packed
        _core.conv_transpose2d(y, x, self._turned(), bias, *how, runtime.current())

    def _gradients(
        self,
        dx: np.ndarray | None,
        dbias: np.ndarray | None,
        grad: np.ndarray,
        x: np.ndarray,
        x_activation: str | None = None,
        learns: bool = True,
    ) -> None:
        geometry = self.stride, self.padding, runtime.current()
        w = self._turned()
        dw = self.scratch("dturned", w.shape)
        dw.fill(0)
        out = dw if learns else None
        _core.conv_transpose2d_backward(dx, out, dbias, grad, x, w, x_activation, *geometry)
        total = self.weight.grad
        total += dw.transpose(3, 1, 2, 0)

"""Convolution layers, channels last."""

from __future__ import annotations

from typing import Any

from ..base.checks import integer, pair
from .linear import Affine
from .module import shown
from .ops import products
from .parameter import Parameter
from .tape import Shape, Value

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

    _torch_axes: tuple[int, ...] = (0, 3, 1, 2)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.kernels(name, self.weight, self._torch_axes)
        walk.bias(name, self.bias)
        return self._torch_layers

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
        f, one that its output determines: see `Activation`.

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
        c, k = integer("in_channels", in_channels, 1), integer("out_channels", out_channels, 1)
        super().__init__(c, k, kernel_size, stride, padding, c, bias, activation)

    def forward(self, x: Value) -> Value:
        return products.Conv2d(
            x,
            self.weight,
            self.bias,
            self.activation,
            stride=self.stride,
            padding=self.padding,
            packed=self._packed,
        )


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
        f, as `Conv2d`'s.

    Attributes
    ----------
    weight : Parameter, shape (K, R, S, C)
    bias : Parameter, shape (K,), or None
    """

    _torch_axes = (3, 0, 1, 2)
    tied = False  # whether the kernels are those of the convolution on the way there

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
        c, k = integer("in_channels", in_channels, 1), integer("out_channels", out_channels, 1)
        super().__init__(c, k, kernel_size, stride, padding, k, bias, activation)
        self._add_rows(output_padding)

    def _add_rows(self, output_padding: Pair) -> None:
        self.output_padding = pair("output_padding", output_padding, 0)
        if any(o >= s for o, s in zip(self.output_padding, self.stride, strict=True)):
            raise ValueError(
                f"output_padding: expected less than the stride {self.stride}, got "
                f"{output_padding!r}"
            )

    def forward(self, x: Value) -> Value:
        return products.ConvTranspose2d(
            x,
            self.weight,
            self.bias,
            self.activation,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            tied=self.tied,
            packed=self._packed,
            name=type(self).__name__,
        )


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
        f, as `Conv2d`'s.

    Attributes
    ----------
    weight : Parameter, shape (K, R, S, C)
        The very object that the other layer has. Copy or pickle the two in one go to keep it so.
    bias : Parameter, shape (C,), or None
    """

    tied = True
    source_class = Conv2d

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

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.source(name, self.weight)
        walk.bias(name, self.bias)
        return self._torch_layers

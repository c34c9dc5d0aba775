"""Convolution layers, channels last."""

from __future__ import annotations

from typing import Any

from ..base.checks import integer, pair
from .linear import Affine
from .module import shown
from .ops import products
from .ops.products import reach
from .parameter import Parameter
from .tape import Shape, Value

Pair = int | tuple[int, int]


def short(v: tuple[int, int]) -> Pair:
    """Return one number for an equal pair."""
    return v[0] if v[0] == v[1] else v


def divisor(groups: Any, c: int, k: int) -> int:
    """Return a number of groups that C input and K output channels have."""
    found = integer("groups", groups, 1)
    if c % found or k % found:
        raise ValueError(f"groups: expected a divisor of {c} and {k} channels, got {found}")
    return found


def same(word: str, spans: tuple[int, int], stride: tuple[int, int]) -> tuple[int, ...]:
    """Return the padding that keeps the size of images, for kernels that reach over so much."""
    if word != "same":
        raise ValueError(f'padding: expected integers or "same", got {word!r}')
    if stride != (1, 1):
        raise ValueError(f'padding: expected integers for the stride {stride}, got "same"')
    high, wide = spans[0] - 1, spans[1] - 1
    if high % 2 == wide % 2 == 0:
        return high // 2, wide // 2
    return high // 2, high - high // 2, wide // 2, wide - wide // 2


class _Convolution(Affine):
    """What the two directions share: geometry, weight layout and repr."""

    dilation: tuple[int, int] = (1, 1)
    groups = 1

    def __init__(
        self,
        c: int,
        k: int,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair | str,
        dilation: Pair,
        fan_in_channels: int,
        bias: bool,
        activation: str | None,
        weight: Parameter | None = None,
    ) -> None:
        r, s = pair("kernel_size", kernel_size, 1)
        self.kernel_size, self.stride = (r, s), pair("stride", stride, 1)
        self.dilation = pair("dilation", dilation, 1)
        self.padding: tuple[int, ...] = self._padding(padding)
        made = (k, r, s, c) if weight is None else weight
        super().__init__(made, fan_in_channels * r * s, k, bias, activation)

    @property
    def reach(self) -> tuple[int, int]:
        """Over how many rows and columns the kernels reach."""
        (r, s), (dh, dw) = self.kernel_size, self.dilation
        return reach(r, dh), reach(s, dw)

    def _padding(self, padding: Any) -> tuple[int, ...]:
        """Return the padding as an op takes it."""
        found = pair("padding", padding, 0)
        if found[0] > self.reach[0] or found[1] > self.reach[1]:
            what = "the kernel size" if self.reach == self.kernel_size else "what the kernel spans"
            raise ValueError(f"padding: expected at most {what} {self.reach}, got {padding!r}")
        return found

    def _channels(self) -> tuple[int, int]:
        """Return the numbers of input and output channels."""
        return self.weight.shape[3] * self.groups, self.weight.shape[0]

    _torch_axes: tuple[int, ...] = (0, 3, 1, 2)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.kernels(name, self.weight, self._torch_axes)
        walk.bias(name, self.bias)
        return self._torch_layers

    def _padding_shown(self) -> Any:
        h, w = self.padding
        return short((h, w))

    def extra_repr(self) -> str:
        c, k = self._channels()
        extra = getattr(self, "output_padding", (0, 0))
        return (
            f"{c}, {k}, {short(self.kernel_size)}"
            + shown(
                stride=(short(self.stride), 1),
                padding=(self._padding_shown(), 0),
                output_padding=(short(extra), 0),
                dilation=(short(self.dilation), 1),
                groups=(self.groups, 1),
            )
            + self._shown()
        )


class Conv2d(_Convolution):
    r"""A convolution of images with a bank of kernels, :math:`y = f(W * x + b)`.

    Shapes: x (N, H, W, C), y (N, P, Q, K) with
    :math:`P = \lfloor (H + 2 ph - (R - 1) dh - 1) / sh \rfloor + 1` and Q likewise. Fresh values
    are uniform in :math:`\pm 1 / \sqrt{C R S / groups}`.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size : int or (int, int)
        R and S.
    stride, padding : int or (int, int)
        For height and width; padding is with zeros. ``padding="same"`` keeps height and width, at a
        stride of 1: (R - 1) dh rows are added, half of them at the top, and one more at the bottom
        where that is an odd number, as PyTorch does.
    dilation : int or (int, int)
        dh and dw, pixels from tap to tap: kernels see more with as many weights (Yu and Koltun,
        2016).
    groups : int
        Of channels, a divisor of C and K: each group of outputs sees the group of inputs of the
        same number alone. With as many as there are channels it is a depthwise convolution.
    bias : bool
    activation : str, optional
        f, one that its output determines: see `Activation`.

    Attributes
    ----------
    weight : Parameter, shape (K, R, S, C / groups)
    bias : Parameter, shape (K,), or None

    Examples
    --------
    >>> from aecore import nn
    >>> nn.Conv2d(8, 16, 3, padding="same", dilation=2).output_shape((10, 11, 8))
    (10, 11, 16)
    >>> nn.Conv2d(8, 8, 3, padding=1, groups=8).weight.shape
    (8, 3, 3, 1)
    """

    _word: str | None = None  # what the padding is called, if it isn't in numbers

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        c, k = integer("in_channels", in_channels, 1), integer("out_channels", out_channels, 1)
        self.groups = divisor(groups, c, k)
        seen = c // self.groups
        super().__init__(seen, k, kernel_size, stride, padding, dilation, seen, bias, activation)

    def _padding(self, padding: Any) -> tuple[int, ...]:
        if not isinstance(padding, str):
            return super()._padding(padding)
        self._word = padding
        return same(padding, self.reach, self.stride)

    def _padding_shown(self) -> Any:
        return self._word or super()._padding_shown()

    def forward(self, x: Value) -> Value:
        return products.Conv2d(
            x,
            self.weight,
            self.bias,
            self.activation,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            packed=self._packed,
        )


class ConvTranspose2d(_Convolution):
    r"""The transposed convolution, which enlarges images: the gradient of `Conv2d` as a layer.

    Shapes: x (N, H, W, C), y (N, P, Q, K) with
    :math:`P = (H - 1) sh - 2 ph + (R - 1) dh + 1 + oh`, Q likewise. Fresh values are uniform in
    :math:`\pm 1 / \sqrt{K R S}` as PyTorch's are: it takes the fan-in of the convolution that this
    one transposes.

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
    dilation : int or (int, int)
        dh and dw, pixels from tap to tap.
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
        dilation: Pair = 1,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        c, k = integer("in_channels", in_channels, 1), integer("out_channels", out_channels, 1)
        super().__init__(c, k, kernel_size, stride, padding, dilation, k, bias, activation)
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
            padding=(self.padding[0], self.padding[1]),
            output_padding=self.output_padding,
            dilation=self.dilation,
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
        The layer whose weight, stride, padding and dilation are shared. It has one group and the
        same padding at both ends.
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
        if source.groups > 1 or len(source.padding) > 2:
            raise ValueError(
                "TiedConvTranspose2d: expected a Conv2d of one group, padded alike at both ends, "
                f"got {source}"
            )
        k, _, _, c = source.weight.shape
        padding = source.padding[0], source.padding[1]
        geometry = source.kernel_size, source.stride, padding, source.dilation
        _Convolution.__init__(self, k, c, *geometry, c, bias, activation, source.weight)
        self._add_rows(output_padding)

    def _channels(self) -> tuple[int, int]:
        return self.weight.shape[0], self.weight.shape[3]

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.source(name, self.weight)
        walk.bias(name, self.bias)
        return self._torch_layers

"""Convolution layers over the steps of sequences (N, T, C)."""

from __future__ import annotations

from typing import Any

from ..base.checks import boolean, integer
from .convolution import divisor
from .linear import Affine
from .module import shown
from .ops import products1d
from .ops.products import reach
from .parameter import Parameter
from .tape import Shape, Value

MOST = 2**31 - 1


class _Convolution1d(Affine):
    """What the two directions share: geometry, weight layout and repr."""

    groups = 1

    def __init__(
        self,
        c: int,
        k: int,
        kernel_size: int,
        stride: int,
        dilation: int,
        fan_in_channels: int,
        bias: bool,
        activation: str | None,
        weight: Parameter | None = None,
    ) -> None:
        self.kernel_size = integer("kernel_size", kernel_size, 1, MOST)
        self.stride = integer("stride", stride, 1, MOST)
        self.dilation = integer("dilation", dilation, 1, MOST)
        made = (k, self.kernel_size, c) if weight is None else weight
        super().__init__(made, fan_in_channels * self.kernel_size, k, bias, activation)

    @property
    def reach(self) -> int:
        """Over how many steps the kernels reach."""
        return reach(self.kernel_size, self.dilation)

    def _check_padding(self, padding: Any) -> int:
        found = integer("padding", padding, 0)
        if found > self.reach:
            raise ValueError(
                f"padding: expected at most the {self.reach} steps that the kernel reaches over, "
                f"got {found}"
            )
        return found

    def _channels(self) -> tuple[int, int]:
        """Return the numbers of input and output channels."""
        return self.weight.shape[2] * self.groups, self.weight.shape[0]

    _torch_axes: tuple[int, ...] = (0, 2, 1)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.kernels(name, self.weight, self._torch_axes)
        walk.bias(name, self.bias)
        return self._torch_layers


class Conv1d(_Convolution1d):
    r"""A convolution of sequences with a bank of kernels, :math:`y = f(W * x + b)`.

    Shapes: x (N, T, C), y (N, Q, K) with
    :math:`Q = \lfloor (T + 2 p - (S - 1) d - 1) / s \rfloor + 1`. Fresh values are uniform in
    :math:`\pm 1 / \sqrt{C S / groups}`. Sequences of different lengths are convolved as if each
    stood alone: there are zeros behind the end of each, and what comes out is 0 behind its own.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size, stride : int
        S and s.
    padding : int or "same"
        p, at both ends, with zeros. ``padding="same"`` keeps T, at a stride of 1: (S - 1) d zeros,
        half of them at the beginning, and one more at the end where that is an odd number.
    dilation : int
        d, steps from tap to tap.
    groups : int
        Of channels, as `Conv2d`'s.
    causal : bool
        Whether a step sees those up to itself alone, of streams for instance: (S - 1) d zeros at
        the beginning, none at the end, and :math:`Q = \lfloor (T - 1) / s \rfloor + 1`. Van den
        Oord et al., "WaveNet", 2016.
    bias : bool
    activation : str, optional
        f, one that its output determines: see `Activation`.

    Attributes
    ----------
    weight : Parameter, shape (K, S, C / groups)
    bias : Parameter, shape (K,), or None

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> layer = nn.Conv1d(1, 1, 2, dilation=3, causal=True, bias=False)
    >>> layer.weight.value[:] = 1
    >>> layer(np.arange(6, dtype=np.float32).reshape(1, 6, 1))[0, :, 0]
    array([0., 1., 2., 3., 5., 7.], dtype=float32)
    """

    _word: str | None = None  # what the padding is called, if it isn't in numbers

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int | str = 0,
        dilation: int = 1,
        groups: int = 1,
        *,
        causal: bool = False,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        c, k = integer("in_channels", in_channels, 1), integer("out_channels", out_channels, 1)
        self.groups, self.causal = divisor(groups, c, k), boolean("causal", causal)
        seen = c // self.groups
        super().__init__(seen, k, kernel_size, stride, dilation, seen, bias, activation)
        self.padding: tuple[int, int] = self._ends(padding)

    def _ends(self, padding: int | str) -> tuple[int, int]:
        """Return the padding at the beginning and at the end."""
        rest = self.reach - 1
        if self.causal:
            if isinstance(padding, str) or integer("padding", padding, 0):
                raise ValueError(f"padding: expected 0 with causal=True, got {padding!r}")
            return rest, 0
        if not isinstance(padding, str):
            found = self._check_padding(padding)
            return found, found
        if padding != "same":
            raise ValueError(f'padding: expected an integer or "same", got {padding!r}')
        if self.stride != 1:
            raise ValueError(f'padding: expected an integer for stride {self.stride}, got "same"')
        self._word = padding
        return rest // 2, rest - rest // 2

    def forward(self, x: Value) -> Value:
        return products1d.Conv1d(
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

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        if self.causal and self.reach > 1:
            raise NotImplementedError(
                f"{name}: expected no causal convolution, as PyTorch has none, got one"
            )
        return super().torch_layout(walk, name, shape)

    def extra_repr(self) -> str:
        c, k = self._channels()
        padding = 0 if self.causal else self._word or self.padding[0]
        return (
            f"{c}, {k}, {self.kernel_size}"
            + shown(
                stride=(self.stride, 1),
                padding=(padding, 0),
                dilation=(self.dilation, 1),
                groups=(self.groups, 1),
                causal=(self.causal, False),
            )
            + self._shown()
        )


class ConvTranspose1d(_Convolution1d):
    r"""The transposed convolution, which makes sequences longer: the gradient of `Conv1d`.

    Shapes: x (N, T, C), y (N, Q, K) with :math:`Q = (T - 1) s - 2 p + (S - 1) d + 1 + o`. Fresh
    values are uniform in :math:`\pm 1 / \sqrt{K S}`. It makes full sequences, whatever the lengths.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size, stride, padding : int
        S, s and p.
    output_padding : int
        o, steps added at the end, less than the stride: which of the lengths that the convolution
        maps to T is wanted.
    dilation : int
        d, steps from tap to tap.
    bias : bool
    activation : str, optional
        f, as `Conv1d`'s.

    Attributes
    ----------
    weight : Parameter, shape (K, S, C)
    bias : Parameter, shape (K,), or None

    Examples
    --------
    >>> from aecore import nn
    >>> nn.ConvTranspose1d(8, 2, 4, stride=2, padding=1).output_shape((15, 8))
    (30, 2)
    """

    _torch_axes = (2, 0, 1)
    tied = False  # whether the kernels are those of the convolution on the way there

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        output_padding: int = 0,
        *,
        dilation: int = 1,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        c, k = integer("in_channels", in_channels, 1), integer("out_channels", out_channels, 1)
        super().__init__(c, k, kernel_size, stride, dilation, k, bias, activation)
        self._add_steps(padding, output_padding)

    def _add_steps(self, padding: int, output_padding: int) -> None:
        self.padding = self._check_padding(padding)
        self.output_padding = integer("output_padding", output_padding, 0)
        if self.output_padding >= self.stride:
            raise ValueError(
                f"output_padding: expected less than the stride {self.stride}, got "
                f"{self.output_padding}"
            )

    def forward(self, x: Value) -> Value:
        return products1d.ConvTranspose1d(
            x,
            self.weight,
            self.bias,
            self.activation,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            tied=self.tied,
            packed=self._packed,
            name=type(self).__name__,
        )

    def extra_repr(self) -> str:
        c, k = self._channels()
        return (
            f"{c}, {k}, {self.kernel_size}"
            + shown(
                stride=(self.stride, 1),
                padding=(self.padding, 0),
                output_padding=(self.output_padding, 0),
                dilation=(self.dilation, 1),
            )
            + self._shown()
        )


class TiedConvTranspose1d(ConvTranspose1d):
    r"""The way back through another layer's kernels: :math:`y = f(W^\top * x + b)`.

    Shapes: x (N, Q, K), y (N, T, C), where the convolution goes from C to K channels and its weight
    W is (K, S, C). Its gradient is the sum of what both layers add. The bias is the layer's own.

    Parameters
    ----------
    source : Conv1d
        The layer whose weight, stride, padding and dilation are shared. It has one group and the
        same padding at both ends.
    output_padding : int
        As `ConvTranspose1d`'s.
    bias : bool
    activation : str, optional
        f, as `Conv1d`'s.

    Attributes
    ----------
    weight : Parameter, shape (K, S, C)
        The very object that the other layer has. Copy or pickle the two in one go to keep it so.
    bias : Parameter, shape (C,), or None
    """

    tied = True
    source_class = Conv1d

    def __init__(
        self,
        source: Conv1d,
        output_padding: int = 0,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        if type(source) is not Conv1d:
            raise TypeError(f"TiedConvTranspose1d: expected a Conv1d, got {type(source).__name__}")
        left, right = source.padding
        if source.groups > 1 or left != right:
            raise ValueError(
                "TiedConvTranspose1d: expected a Conv1d of one group, padded alike at both ends, "
                f"got {source}"
            )
        k, size, c = source.weight.shape
        geometry = size, source.stride, source.dilation
        _Convolution1d.__init__(self, k, c, *geometry, c, bias, activation, source.weight)
        self._add_steps(left, output_padding)

    def _channels(self) -> tuple[int, int]:
        return self.weight.shape[0], self.weight.shape[2]

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.source(name, self.weight)
        walk.bias(name, self.bias)
        return self._torch_layers

"""Convolutions that see only what comes before."""

from __future__ import annotations

from ...base.checks import integer
from ..convolution import _Convolution
from ..linear import Affine
from ..module import shown
from ..ops import products
from ..tape import Value


class MaskedConv2d(_Convolution):
    r"""A convolution whose pixels see only those before them, row by row from the top.

    Of a k x k window, ``"vertical"`` keeps the rows above the pixel, k // 2 of them, and
    ``"horizontal"`` the k // 2 pixels to its left. The window is made smaller and padded on one
    side, so that nothing is multiplied by the zeros of a mask.
    Shapes: x (N, H, W, C), y (N, H, W, K). Van den Oord et al., "Conditional image generation with
    PixelCNN decoders", 2016.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size : int
        k, odd and at least 3.
    direction : {"vertical", "horizontal"}
    own : bool
        Whether the pixel sees its own row too (vertical), or itself (horizontal): for layers whose
        input has seen nothing but what comes before it (mask B).
    bias : bool
    activation : str, optional
        f, as `Conv2d`'s.

    Attributes
    ----------
    weight : Parameter, shape (K, k // 2, k, C) or (K, 1, k // 2, C), and one more if `own`
    bias : Parameter, shape (K,), or None
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        direction: str,
        own: bool = False,
        *,
        bias: bool = True,
        activation: str | None = None,
    ) -> None:
        c, k = integer("in_channels", in_channels, 1), integer("out_channels", out_channels, 1)
        self.k = check_odd(kernel_size)
        if direction not in ("vertical", "horizontal"):
            raise ValueError(f'direction: expected "vertical" or "horizontal", got {direction!r}')
        self.direction, self.own = direction, bool(own)
        half, seen, last = self.k // 2, self.k // 2 + self.own, int(self.own) - 1
        if direction == "vertical":
            self.kernel_size = seen, self.k
            self.sides = half, last, half, half
        else:
            self.kernel_size = 1, seen
            self.sides = 0, 0, half, last
        r, s = self.kernel_size
        Affine.__init__(self, (k, r, s, c), c * r * s, k, bias, activation)

    def forward(self, x: Value) -> Value:
        # not by Winograd's transforms, in which what cancels leaves a trace of pixels not seen
        return products.Conv2d(
            x,
            self.weight,
            self.bias,
            self.activation,
            padding=self.sides,
            winograd=False,
            packed=self._packed,
            name="MaskedConv2d",
        )

    def extra_repr(self) -> str:
        k, _, _, c = self.weight.shape
        own = shown(own=(self.own, False))
        return f"{c}, {k}, {self.k}, {self.direction!r}{own}{self._shown()}"


def check_odd(kernel_size: int) -> int:
    """Return the size of a window with a middle and something before it."""
    k = integer("kernel_size", kernel_size, 3)
    if k % 2 == 0:
        raise ValueError(f"kernel_size: expected an odd number, got {k}")
    return k

"""Layers that let strided convolutions take images of any size, and give them back as large."""

from __future__ import annotations

from typing import Any

from ..base.checks import integer, pair
from .module import Module
from .ops.sizes import Crop, Mirror, next_multiple
from .tape import Shape, Value


class PadToMultiple(Module):
    """Images, extended by their mirror image until height and width are multiples of a number.

    What is added stands below and to the right. Strided convolutions that follow halve such sizes
    exactly, and transposed ones double them back; `CropToInput` cuts off what was added.

    Shapes: x (N, H, W, C), y (N, P, Q, C) with the least multiples P and Q from H and W on.

    Parameters
    ----------
    multiple : int

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> nn.PadToMultiple(4)(np.arange(5, dtype=np.float32).reshape(1, 1, 5, 1))[0, 0, :, 0]
    array([0., 1., 2., 3., 4., 4., 3., 2.], dtype=float32)
    """

    def __init__(self, multiple: int) -> None:
        self.multiple = integer("multiple", multiple, 1)

    def forward(self, x: Value) -> Value:
        if len(x.shape) == 4:
            x.tape.image_size = x.shape[1], x.shape[2]
            if next_multiple(x.tape.image_size, self.multiple) == x.shape[1:3]:
                if not x.tape.abstract:  # where it stands for images of any size
                    return x
        return Mirror(x, self.multiple)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 0  # there it is no layer

    def extra_repr(self) -> str:
        return str(self.multiple)


class CropToInput(Module):
    """The first rows and columns of images: as many as those that `PadToMultiple` was given.

    In a pass without one, as of a decoder alone, they are cut to ``size`` where that is what they
    come from, and else left as they are.

    Parameters
    ----------
    size : (int, int)
        Height and width.
    multiple : int
        As of `PadToMultiple`.

    Examples
    --------
    >>> import numpy as np
    >>> from aecore import nn
    >>> layer = nn.CropToInput((5, 7), 4)
    >>> layer(np.zeros((1, 8, 8, 3))).shape, layer(np.zeros((1, 8, 12, 3))).shape
    ((1, 5, 7, 3), (1, 8, 12, 3))
    """

    def __init__(self, size: tuple[int, int], multiple: int) -> None:
        self.size, self.multiple = pair("size", size, 1), integer("multiple", multiple, 1)

    def forward(self, x: Value) -> Value:
        given, came = x.shape[1:3], x.tape.image_size
        for size, free in ((came, True), (self.size, False)):
            if size is not None and next_multiple(size, self.multiple) == given:
                return x if size == given and not x.tape.abstract else Crop(x, size, free)
        return x

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        return 0  # there it is no layer

    def extra_repr(self) -> str:
        return f"{self.size}, {self.multiple}"

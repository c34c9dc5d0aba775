"""Convolutional encoders and decoders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..nn.containers import Sequential
from ..nn.convolution import Conv2d
from ..nn.linear import Linear
from ..nn.module import Module, Shape
from ..nn.shape import Flatten, Reshape
from .base import Arch, Code, Ladder, activated, counts, image_shape


class Conv(Arch):
    """Strided convolutions with an activation, then a linear layer to the code; and back.

    The decoder is a linear layer with the activation and transposed convolutions, the last one
    linear; it restores any height and width exactly. A code that is a map comes from a 1 x 1
    convolution instead, and goes back through one with the activation.

    Parameters
    ----------
    channels : sequence of int
        Of the encoder's convolutions; the decoder has them in reverse.
    kernel_size, stride : int
        Of all of them. Padding keeps size / stride where it can: 1 for kernel 4 and stride 2.
    activation : str
        relu, leaky_relu, elu, gelu, silu, tanh, sigmoid, softplus or linear.

    Examples
    --------
    >>> from aecore.arch import Code, Conv
    >>> encoder, decoder = Conv((8, 16)).build((29, 31, 3), Code(10, 10))
    >>> encoder.output_shape((29, 31, 3)), decoder.output_shape((10,))
    ((10,), (29, 31, 3))
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 128),
        kernel_size: int = 4,
        stride: int = 2,
        activation: str = "relu",
    ) -> None:
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.activation = activation

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder; see `Arch.build`."""
        self._refuse_tied(tied)
        h, w, c, inputs = image_shape(self, input_shape, condition)
        channels = counts("channels", self.channels, 1)
        ladder = Ladder.descend("Conv", (h, w), len(channels), self.kernel_size, self.stride)
        geometry = ladder.kernel_size, ladder.stride, ladder.padding
        encoder: list[Module] = []
        for a, b in pairwise((inputs, *channels)):
            encoder += activated(Conv2d, a, b, *geometry, activation=self.activation)
        top, width = (*ladder.sizes[-1], channels[-1]), code.inputs + condition
        if code.spatial:
            encoder.append(Conv2d(channels[-1], code.outputs, 1))
            decoder = activated(Conv2d, width, channels[-1], 1, activation=self.activation)
        else:
            size = top[0] * top[1] * top[2]
            encoder += [Flatten(), Linear(size, code.outputs)]
            decoder = activated(Linear, width, size, activation=self.activation)
            decoder.append(Reshape(top))
        decoder += ladder.ascend((c, *channels), self.activation)
        return Sequential(*encoder), Sequential(*decoder)

"""Residual encoders and decoders, as VQ-VAEs have them."""

from __future__ import annotations

from itertools import pairwise

from ..base.checks import integer
from ..nn.activation import Activation
from ..nn.containers import Residual, Sequential
from ..nn.convolution import Conv2d
from ..nn.linear import Linear
from ..nn.module import Module
from ..nn.shape import Flatten, Reshape
from ..nn.tape import Shape
from .base import Arch, Code, Downsampling, image_shape


class ResNet(Arch):
    """Strided convolutions, residual blocks, and a 1 x 1 convolution or linear layer to the code.

    The encoder: convolutions of kernel 4 and stride 2 with ReLU (channels / 2, then channels), a
    3 x 3 convolution, the blocks, ReLU. The decoder: a 3 x 3 convolution, the blocks, ReLU and
    transposed convolutions that mirror the first ones; it restores any height and width exactly.
    A block is x + conv1x1(relu(conv3x3(relu(x)))), without biases. A code that is a vector comes
    from a linear layer, and goes back through one with ReLU. After van den Oord, Vinyals and
    Kavukcuoglu, 2017, as Sonnet has it.

    Parameters
    ----------
    channels, residual_channels : int
        Between and inside the blocks.
    blocks : int
        How many there are, in encoder and decoder each.
    downsample : int
        How often height and width are halved.
    flatten : bool
        Whether the code of an image is a vector, but for a `VQVAE`, whose codes are maps always.
        Else it is a map (h, w, latent_dim), and images of any size go through one fitted model:
        those that can't be halved so often are extended by their mirror image, and the result is
        cut.

    Examples
    --------
    >>> from aecore.arch import Code, ResNet
    >>> encoder, decoder = ResNet(16, 4).build((30, 30, 3), Code(8, 8, spatial=True))
    >>> encoder.output_shape((30, 30, 3)), decoder.output_shape((7, 7, 8))
    ((7, 7, 8), (30, 30, 3))
    """

    def __init__(
        self,
        channels: int = 128,
        residual_channels: int = 32,
        blocks: int = 2,
        downsample: int = 2,
        flatten: bool = True,
    ) -> None:
        self.channels = channels
        self.residual_channels = residual_channels
        self.blocks = blocks
        self.downsample = downsample
        self.flatten = flatten

    @property
    def has_maps(self) -> bool:
        """Whether codes are maps, whatever the model, and images have any size."""
        return not self.flatten

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder; see `Arch.build`."""
        self._refuse_tied(tied)
        h, w, c, inputs = image_shape(self, input_shape, condition)
        k, levels = integer("channels", self.channels, 2), integer("downsample", self.downsample, 1)
        before, whole, behind = self._any_size((h, w), 2, levels)
        down = Downsampling.of("ResNet", whole, levels, 4, 2)
        widths = (k // 2, *[k] * (levels - 1))
        encoder: list[Module] = [
            Conv2d(a, b, 4, 2, 1, activation="relu") for a, b in pairwise((inputs, *widths))
        ]
        encoder += self._blocks(widths[-1], k)
        width, top = code.inputs + condition, (*down.sizes[-1], k)
        decoder: list[Module] = []
        if code.spatial:
            encoder.append(Conv2d(k, code.outputs, 1))
        else:
            size = top[0] * top[1] * k
            encoder += [Flatten(), Linear(size, code.outputs)]
            decoder += [Linear(width, size, activation="relu"), Reshape(top)]
            width = k
        decoder += self._blocks(width, k)
        decoder += down.upsampling((c, *widths[:-1], k), "relu")
        return Sequential(*before, *encoder), Sequential(*decoder, *behind)

    def _blocks(self, inputs: int, k: int) -> list[Module]:
        """Return the 3 x 3 convolution to k channels, the residual blocks and the last ReLU."""
        inside = integer("residual_channels", self.residual_channels, 1)
        layers: list[Module] = [Conv2d(inputs, k, 3, 1, 1)]
        for _ in range(integer("blocks", self.blocks, 0)):
            body = Sequential(
                Activation("relu"),
                Conv2d(k, inside, 3, 1, 1, bias=False, activation="relu"),
                Conv2d(inside, k, 1, bias=False),
            )
            layers.append(Residual(body))
        return [*layers, Activation("relu")]

"""Convolutional encoders and decoders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..base import checks
from ..nn.containers import Sequential
from ..nn.convolution import Conv2d, TiedConvTranspose2d
from ..nn.convolution1d import Conv1d, TiedConvTranspose1d
from ..nn.linear import Linear, TiedLinear
from ..nn.module import Module
from ..nn.shape import Flatten, Reshape
from ..nn.tape import Shape
from .base import Arch, Code, Downsampling, activated, check_tied, counts, image_shape


class Conv(Arch):
    """Strided convolutions with an activation, then a linear layer to the code; and back.

    The decoder is a linear layer with the activation and transposed convolutions, the last one
    linear; it restores any height and width exactly. A code that is a map comes from a 1 x 1
    convolution instead, and goes back through one with the activation: always with
    ``flatten=False``, where every call may have images of another size. Those that the strides
    don't divide are extended by their mirror image, and the result is cut. With tied weights each
    transposed convolution has the kernels of the convolution that it mirrors, and the linear layer
    has the other one's weight.

    On sequences (T, F) convolutions go over steps, and a code that is a map has a vector for each
    of those that are left. Sequences may have different lengths, up to T of `fit`: what is behind
    the end of one has no influence.

    Parameters
    ----------
    channels : sequence of int
        Of the encoder's convolutions; the decoder has them in reverse.
    kernel_size, stride : int
        Of all of them. Padding keeps size / stride where it can: 1 for kernel 4 and stride 2.
    activation : str
        One of those that `aecore.functional.activation` lists.
    flatten : bool
        Whether the code of an image is a vector. Else it is a map (h, w, latent_dim), about
        size / stride ** len(channels), and images of any size go through one fitted model.

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
        flatten: bool = True,
    ) -> None:
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.activation = activation
        self.flatten = flatten

    @property
    def has_maps(self) -> bool:
        """Whether codes are maps, whatever the model, and images have any size."""
        return not self.flatten

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder; see `Arch.build`."""
        if tied:
            check_tied(code, condition)
        if len(input_shape) == 2:
            return self._build_steps(input_shape, code, condition, tied)
        if len(input_shape) != 3:
            raise ValueError(
                "Conv: expected images (H, W, C) or sequences (T, F), got samples of shape "
                f"{input_shape}"
            )
        h, w, c, inputs = image_shape(self, input_shape, condition)
        channels = counts("channels", self.channels, 1)
        before, size, behind = self._any_size((h, w), self.stride, len(channels))
        down = Downsampling.of("Conv", size, len(channels), self.kernel_size, self.stride)
        geometry = down.kernel_size, down.stride, down.padding
        encoder: list[Module] = []
        for a, b in pairwise((inputs, *channels)):
            encoder += activated(Conv2d, a, b, *geometry, activation=self.activation)
        there = [layer for layer in encoder if isinstance(layer, Conv2d)] if tied else []
        to_code, of_code = self._coders((*down.sizes[-1], channels[-1]), code, condition, tied)
        decoder = of_code + down.upsampling((c, *channels), self.activation, there)
        return Sequential(*before, *encoder, *to_code), Sequential(*decoder, *behind)

    def _build_steps(
        self, input_shape: Shape, code: Code, condition: int, tied: bool
    ) -> tuple[Module, Module]:
        """Make an encoder and a decoder of sequences."""
        if not checks.boolean("flatten", self.flatten):
            raise ValueError(
                "flatten: expected True for sequences (T, F), whose codes are vectors, got False"
            )
        steps, features = counts("input_shape", input_shape)
        channels = counts("channels", self.channels, 1)
        down = Downsampling.of("Conv", (steps,), len(channels), self.kernel_size, self.stride)
        geometry = down.kernel_size, down.stride, down.padding
        encoder: list[Module] = []
        for a, b in pairwise((features + condition, *channels)):
            encoder += activated(Conv1d, a, b, *geometry, activation=self.activation)
        there = [layer for layer in encoder if isinstance(layer, Conv1d)] if tied else []
        to_code, of_code = self._coders((*down.sizes[-1], channels[-1]), code, condition, tied)
        decoder = of_code + down.upsampling((features, *channels), self.activation, there)
        return Sequential(*encoder, *to_code), Sequential(*decoder)

    def _coders(
        self, top: Shape, code: Code, condition: int, tied: bool
    ) -> tuple[list[Module], list[Module]]:
        """Return the layers from the smallest maps to the code, and those from the code to them."""
        width, k, size = code.inputs + condition, top[-1], math.prod(top)
        if code.spatial:
            conv: Any = Conv2d if len(top) == 3 else Conv1d
            back = TiedConvTranspose2d if len(top) == 3 else TiedConvTranspose1d
            point = conv(k, code.outputs, 1)
            way_back: Any = (back, point) if tied else (conv, width, k, 1)
            return [point], activated(*way_back, activation=self.activation)
        line = Linear(size, code.outputs)
        way_back = (TiedLinear, line) if tied else (Linear, width, size)
        return [Flatten(), line], [*activated(*way_back, activation=self.activation), Reshape(top)]

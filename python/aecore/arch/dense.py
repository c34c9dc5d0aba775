"""Fully connected encoders and decoders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ..nn.containers import Sequential
from ..nn.linear import Linear, TiedLinear
from ..nn.module import Module
from ..nn.shape import Flatten, Reshape
from ..nn.tape import Shape
from .base import Arch, Code, activated, check_tied, counts


class Dense(Arch):
    """Linear layers: one with an activation for each width, then one to the code; and back.

    Samples of any shape are taken as vectors. Without widths it is linear: one layer each way.

    Parameters
    ----------
    widths : sequence of int
        Of the encoder's hidden layers; the decoder has them in reverse.
    activation : str
        One of those that `aecore.functional.activation` lists.

    Examples
    --------
    >>> from aecore.arch import Code, Dense
    >>> encoder, decoder = Dense((512, 256)).build((784,), Code(32, 32))
    >>> encoder.output_shape((784,)), decoder.output_shape((32,))
    ((32,), (784,))
    """

    usual_init = "glorot"

    def __init__(self, widths: Sequence[int] = (512, 256), activation: str = "relu") -> None:
        self.widths = widths
        self.activation = activation

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder; see `Arch.build`."""
        shape = counts("input_shape", input_shape, 1)
        features = math.prod(shape)
        encoder: list[Module] = [] if len(shape) == 1 else [Flatten()]
        encoder += self.down(features + condition, code.outputs)
        if tied:
            check_tied(code, condition)
            decoder = self._mirrored(encoder)
        else:
            decoder = self.up(code.inputs + condition, features)
        if len(shape) > 1:
            decoder.append(Reshape(shape))
        return Sequential(*encoder), Sequential(*decoder)

    def down(self, inputs: int, outputs: int) -> list[Module]:
        """Return the layers of an encoder of vectors."""
        layers: list[Module] = []
        widths = (inputs, *counts("widths", self.widths))
        for a, b in pairwise(widths):
            layers += activated(Linear, a, b, activation=self.activation)
        return [*layers, Linear(widths[-1], outputs)]

    def up(self, inputs: int, outputs: int) -> list[Module]:
        """Return the layers of a decoder to vectors."""
        layers: list[Module] = []
        widths = (inputs, *reversed(counts("widths", self.widths)))
        for a, b in pairwise(widths):
            layers += activated(Linear, a, b, activation=self.activation)
        return [*layers, Linear(widths[-1], outputs)]

    def _mirrored(self, encoder: list[Module]) -> list[Module]:
        """Return the decoder that uses the encoder's weights."""
        *rest, first = reversed([layer for layer in encoder if isinstance(layer, Linear)])
        decoder: list[Module] = []
        for source in rest:
            decoder += activated(TiedLinear, source, activation=self.activation)
        return [*decoder, TiedLinear(first)]

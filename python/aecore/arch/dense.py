"""Fully connected encoders and decoders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ..nn.containers import Sequential
from ..nn.linear import Linear, TiedLinear
from ..nn.module import Module, Shape
from ..nn.shape import Flatten, Reshape
from .base import Arch, Code, activated, check_tied, counts


class Dense(Arch):
    """Linear layers: one with an activation for each width, then one to the code; and back.

    Samples of any shape are taken as vectors. Without widths it is linear: one layer each way.

    Parameters
    ----------
    widths : sequence of int
        Of the encoder's hidden layers; the decoder has them in reverse.
    activation : str
        relu, leaky_relu, elu, gelu, silu, tanh, sigmoid, softplus or linear.

    Examples
    --------
    >>> from aecore.arch import Code, Dense
    >>> encoder, decoder = Dense((512, 256)).build((784,), Code(32, 32))
    >>> encoder.output_shape((784,)), decoder.output_shape((32,))
    ((32,), (784,))
    """

    def __init__(self, widths: Sequence[int] = (512, 256), activation: str = "relu") -> None:
        self.widths = widths
        self.activation = activation

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder; see `Arch.build`."""
        shape, hidden = counts("input_shape", input_shape, 1), counts("widths", self.widths)
        features = math.prod(shape)
        inputs = features + condition
        encoder: list[Module] = [] if len(shape) == 1 else [Flatten()]
        for a, b in pairwise((inputs, *hidden)):
            encoder += activated(Linear, a, b, activation=self.activation)
        encoder.append(Linear((inputs, *hidden)[-1], code.outputs))
        if tied:
            check_tied(code, condition)
            decoder = self._mirrored(encoder)
        else:
            decoder = []
            widths = (code.inputs + condition, *reversed(hidden))
            for a, b in pairwise(widths):
                decoder += activated(Linear, a, b, activation=self.activation)
            decoder.append(Linear(widths[-1], features))
        if len(shape) > 1:
            decoder.append(Reshape(shape))
        return Sequential(*encoder), Sequential(*decoder)

    def _mirrored(self, encoder: list[Module]) -> list[Module]:
        """Return the decoder that uses the encoder's weights."""
        *rest, first = reversed([layer for layer in encoder if isinstance(layer, Linear)])
        decoder: list[Module] = []
        for source in rest:
            decoder += activated(TiedLinear, source, activation=self.activation)
        return [*decoder, TiedLinear(first)]

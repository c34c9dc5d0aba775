"""Transformers as encoders and decoders of sequences."""

from __future__ import annotations

from ..base.checks import integer
from ..nn.attention import TransformerBlock
from ..nn.containers import Sequential, TimeDistributed
from ..nn.linear import Linear
from ..nn.module import Module
from ..nn.steps import MeanPool1d, PositionalEmbedding
from ..nn.tape import Shape
from .base import Arch, Code, counts


class Transformer(Arch):
    """Transformer blocks over the steps of a sequence, their mean to the code; and back.

    The encoder: a linear layer for each step, learned positions, pre-norm blocks with gelu, the
    mean over the steps, a linear layer. The decoder: a linear layer, whose output every step gets,
    positions, blocks, and a linear layer for each step. A code that is a map has a vector for each
    step, and there is no mean. Sequences may have different lengths. Vaswani et al., 2017; pre-norm
    after Xiong et al., 2020.

    Parameters
    ----------
    width : int
        Of the vector that stands for a step.
    heads : int
        Of the attention; they divide the width.
    layers : int
        Blocks, in encoder and decoder each.
    feedforward : int
        Width of the network inside a block.
    max_steps : int, optional
        The most steps that later sequences may have, where that is more than in `fit`. They have
        positions in fresh state: what `fit` has seen says nothing of them.

    Examples
    --------
    >>> from aecore.arch import Code, Transformer
    >>> encoder, decoder = Transformer(width=8, heads=2).build((20, 3), Code(5, 5))
    >>> encoder.output_shape((20, 3)), decoder.output_shape((5,))
    ((5,), (20, 3))
    """

    def __init__(
        self,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        feedforward: int = 256,
        max_steps: int | None = None,
    ) -> None:
        self.width = width
        self.heads = heads
        self.layers = layers
        self.feedforward = feedforward
        self.max_steps = max_steps

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder; see `Arch.build`."""
        self._refuse_tied(tied)
        if len(input_shape) != 2:
            raise ValueError(
                f"Transformer: expected sequences (T, F), got samples of shape {input_shape}"
            )
        (steps, features), width = (
            counts("input_shape", input_shape),
            integer("width", self.width, 1),
        )
        encoder = [TimeDistributed(Linear(features + condition, width)), *self._blocks(steps)]
        to_code, of_code = Linear(width, code.outputs), Linear(code.inputs + condition, width)
        if code.spatial:
            encoder.append(TimeDistributed(to_code))
            decoder: list[Module] = [TimeDistributed(of_code)]
        else:
            encoder += [MeanPool1d(), to_code]
            decoder = [of_code]
        decoder += [*self._blocks(steps), TimeDistributed(Linear(width, features))]
        return Sequential(*encoder), Sequential(*decoder)

    def _blocks(self, steps: int) -> list[Module]:
        """Return positions and blocks."""
        layers = range(integer("layers", self.layers, 1))
        blocks = [TransformerBlock(self.width, self.heads, self.feedforward) for _ in layers]
        most = self.max_steps
        if most is not None:
            most = max(steps, integer("max_steps", most, 1))
        return [PositionalEmbedding(steps, self.width, most), *blocks]

"""Recurrent encoders and decoders of sequences."""

from __future__ import annotations

from ..nn import recurrent
from ..nn.containers import Sequential, TimeDistributed
from ..nn.linear import Linear
from ..nn.module import Module
from ..nn.tape import Shape
from .base import Arch, Code, counts


class LSTM(Arch):
    """LSTM layers whose last state a linear layer turns into the code; and back.

    The decoder takes the code at every step: LSTM layers, and a linear layer for each step. The
    encoder sees a condition at every step. A code that is a map has a vector for each step, made of
    the state after it. Sequences may have different lengths. After Srivastava, Mansimov and
    Salakhutdinov, 2015.

    Parameters
    ----------
    units : int
        Of each layer and direction.
    layers : int
        Of encoder and decoder each.
    bidirectional : bool
        Whether the layers also go from the end to the beginning.
    reverse : bool
        Whether the decoder goes from a sequence's own last step to its first: it begins with what
        the encoder saw last. For layers of one direction.
    teacher_forcing : bool
        Whether the decoder sees the step before the one it makes: the true one in training, its own
        otherwise. For layers of one direction. Williams and Zipser, 1989.

    Examples
    --------
    >>> from aecore.arch import LSTM, Code
    >>> encoder, decoder = LSTM(64).build((140, 1), Code(8, 8))
    >>> encoder.output_shape((140, 1)), decoder.output_shape((8,))
    ((8,), (140, 1))
    """

    def __init__(
        self,
        units: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        reverse: bool = False,
        teacher_forcing: bool = False,
    ) -> None:
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.reverse = reverse
        self.teacher_forcing = teacher_forcing

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder; see `Arch.build`."""
        self._refuse_tied(tied)
        if len(input_shape) != 2:
            raise ValueError(f"LSTM: expected sequences (T, F), got samples of shape {input_shape}")
        steps, features = counts("input_shape", input_shape)
        sizes = self.units, self.layers, self.bidirectional
        each = code.spatial  # a code for each step, rather than one that each step gets
        there = recurrent.LSTM(features + condition, *sizes, last=not each)
        to_code = Linear(there.width, code.outputs)
        encoder = Sequential(there, TimeDistributed(to_code) if each else to_code)
        width = code.inputs + condition
        if self.teacher_forcing:
            if self.bidirectional:
                raise ValueError(
                    "bidirectional: expected False with teacher_forcing, as the backward direction "
                    "sees the steps to predict, got True"
                )
            fed = recurrent.AutoregressiveLSTM(
                width, features, self.units, self.layers, steps=steps, reverse=bool(self.reverse)
            )
            return encoder, fed
        back = recurrent.LSTM(width, *sizes, steps=None if each else steps, reverse=self.reverse)
        return encoder, Sequential(back, TimeDistributed(Linear(back.width, features)))

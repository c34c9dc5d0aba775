"""Recurrent encoders and decoders of sequences."""

from __future__ import annotations

from typing import Any

from ..nn import recurrent
from ..nn.containers import Sequential, TimeDistributed
from ..nn.linear import Linear
from ..nn.module import Module
from ..nn.tape import Shape
from .base import Arch, Code, counts


class Recurrent(Arch):
    """Recurrent layers whose last state a linear layer turns into the code; and back.

    A subclass says of which kind, and has the parameters.
    """

    _kind: type[recurrent.LSTM] | type[recurrent.GRU]

    units: int
    layers: int
    bidirectional: bool
    reverse: bool
    recurrent_dropout: float

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder; see `Arch.build`."""
        self._refuse_tied(tied)
        if len(input_shape) != 2:
            name = type(self).__name__
            raise ValueError(
                f"{name}: expected sequences (T, F), got samples of shape {input_shape}"
            )
        steps, features = counts("input_shape", input_shape)
        sizes = self.units, self.layers, self.bidirectional
        how: Any = {"recurrent_dropout": self.recurrent_dropout}
        each = code.spatial  # a code for each step, rather than one that each step gets
        there = self._kind(features + condition, *sizes, last=not each, **how)
        to_code = Linear(there.width, code.outputs)
        encoder = Sequential(there, TimeDistributed(to_code) if each else to_code)
        width = code.inputs + condition
        if fed := self._fed_back(width, features, steps):
            return encoder, fed
        how |= {"steps": None if each else steps, "reverse": self.reverse}
        back = self._kind(width, *sizes, **how)
        return encoder, Sequential(back, TimeDistributed(Linear(back.width, features)))

    def _fed_back(self, width: int, features: int, steps: int) -> Module | None:
        """Return a decoder that sees the step before, if that is wanted."""
        return None


class LSTM(Recurrent):
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
    recurrent_dropout : float
        The share of the units whose state the next step doesn't see in training, the same ones for
        a whole sequence. Gal and Ghahramani, 2016.

    Examples
    --------
    >>> from aecore.arch import LSTM, Code
    >>> encoder, decoder = LSTM(64).build((140, 1), Code(8, 8))
    >>> encoder.output_shape((140, 1)), decoder.output_shape((8,))
    ((8,), (140, 1))
    """

    _kind = recurrent.LSTM

    def __init__(
        self,
        units: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        reverse: bool = False,
        teacher_forcing: bool = False,
        recurrent_dropout: float = 0.0,
    ) -> None:
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.reverse = reverse
        self.teacher_forcing = teacher_forcing
        self.recurrent_dropout = recurrent_dropout

    def _fed_back(self, width: int, features: int, steps: int) -> Module | None:
        if not self.teacher_forcing:
            return None
        if self.bidirectional:
            raise ValueError(
                "bidirectional: expected False with teacher_forcing, as the backward direction "
                "sees the steps to predict, got True"
            )
        return recurrent.AutoregressiveLSTM(
            width, features, self.units, self.layers, steps=steps, reverse=bool(self.reverse),
            recurrent_dropout=self.recurrent_dropout,
        )  # fmt: skip


class GRU(Recurrent):
    """GRU layers whose last state a linear layer turns into the code; and back, as `LSTM` does it.

    They have three quarters of an LSTM's weights, and no cell beside their state. Cho et al., 2014.

    Parameters
    ----------
    units : int
        Of each layer and direction.
    layers : int
        Of encoder and decoder each.
    bidirectional : bool
        Whether the layers also go from the end to the beginning.
    reverse : bool
        Whether the decoder goes from a sequence's own last step to its first. For layers of one
        direction.
    recurrent_dropout : float
        As of `LSTM`.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((20, 12, 3))
    >>> model = ae.Autoencoder(ae.GRU(16), latent_dim=4, epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.reconstruct(X).shape
    ((20, 4), (20, 12, 3))
    """

    _kind = recurrent.GRU

    def __init__(
        self,
        units: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        reverse: bool = False,
        recurrent_dropout: float = 0.0,
    ) -> None:
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.reverse = reverse
        self.recurrent_dropout = recurrent_dropout

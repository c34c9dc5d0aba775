"""Recurrent layers over sequences, and the decoder that sees the step before the one it makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _core
from ..base.checks import boolean, integer
from ..base.streams import DROPOUT, fresh_seed
from .dropout import dropout_rate
from .init import bound_of
from .linear import Linear
from .module import Module, shown
from .ops import sequences
from .ops.shapes import BroadcastTo, Concatenate, Reshape
from .parameter import Parameter
from .tape import Shape, Value


class _Pass(Module):
    """One layer's pass over the sequences, in one direction.

    Attributes
    ----------
    weight_ih, weight_hh : Parameter, shape (G H, I) and (G H, H)
        Those of G gates one below the other.
    bias : Parameter, shape (4H,)
    """

    def __init__(self, inputs: int, units: int, reverse: bool, gates: int = 4) -> None:
        bound = units**-0.5
        self.units, self.reverse = units, reverse
        self.weight_ih = Parameter((gates * units, inputs), bound)
        self.weight_hh = Parameter((gates * units, units), bound)
        self.bias = Parameter((4 * units,), bound)

    def use_init(self, init: str, gain: float) -> None:
        for weight in (self.weight_ih, self.weight_hh):  # each gate by itself
            weight.bound = bound_of(init, weight.shape[1], self.units)

    @property
    def weights(self) -> tuple[Parameter, Parameter, Parameter]:
        """Its parameters as ops take them."""
        return self.weight_ih, self.weight_hh, self.bias


class _Layers(Module):
    """Recurrent layers over sequences; a subclass says of which op."""

    _op: type[sequences.LSTM] | type[sequences.GRU]
    _gates: int
    recurrent_dropout = 0.0  # of pickles that know nothing of it

    def __init__(
        self,
        in_features: int,
        units: int,
        layers: int = 1,
        bidirectional: bool = False,
        *,
        steps: int | None = None,
        last: bool = False,
        reverse: bool = False,
        recurrent_dropout: float = 0.0,
    ) -> None:
        self.in_features = integer("in_features", in_features, 1)
        self.units = integer("units", units, 1)
        self.steps = None if steps is None else integer("steps", steps, 1)
        self.bidirectional = boolean("bidirectional", bidirectional)
        self.last, self.reverse = boolean("last", last), boolean("reverse", reverse)
        if bidirectional and reverse:
            raise ValueError(
                "reverse: expected False with bidirectional, which goes both ways, got True"
            )
        self.recurrent_dropout = dropout_rate("recurrent_dropout", recurrent_dropout)
        if self.recurrent_dropout:  # or else layers behind it would have other seeds than before
            self.seed = fresh_seed()
            self.add_buffer("position", np.zeros(1, np.int64))
        self.width = self.units * (2 if self.bidirectional else 1)
        self.layers: list[list[_Pass]] = []
        for layer in range(integer("layers", layers, 1)):
            inputs = self.width if layer else self.in_features
            directions = (False, True) if self.bidirectional else (self.reverse,)
            self.layers.append(
                [_Pass(inputs, self.units, reverse, self._gates) for reverse in directions]
            )
        self.initialize(fresh_seed())

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            for one in layer:
                yield f"{i}r" if one.reverse else f"{i}", one

    def reset(self, seed: int, offset: int) -> int:
        if self.recurrent_dropout:
            self.buffer("position").fill(0)
        return offset

    def forward(self, x: Value) -> Value:
        name = type(self).__name__
        steps = None if self.steps is None else x.tape.steps(self.steps)
        if steps is None:
            _, steps, _ = sequences.sequence(name, x, self.in_features)
        elif x.shape[1:] != (self.in_features,):
            raise ValueError(
                f"{name}: expected vectors ({self.in_features},), got the shape {x.shape[1:]}"
            )
        else:
            x = Reshape(x, (-1, 1, self.in_features))
        masks = self._masks(x) if x.tape.training and self.recurrent_dropout else None
        for i, passes in enumerate(self.layers):
            weights, ways = [p.weights for p in passes], tuple(p.reverse for p in passes)
            last = self.last and i == len(self.layers) - 1
            own = None if masks is None else masks[i * len(passes) : (i + 1) * len(passes)]
            x = self._op(x, weights, ways, steps, last, own)
        return x

    def _masks(self, x: Value) -> list[np.ndarray]:
        """Draw what the states of each layer and direction are multiplied by: (N, H) each."""
        n, parts = x.shape[0], len(self.layers) * len(self.layers[0])
        ones = np.ones((n, parts * self.units), np.float32)
        start, part = int(self.buffer("position")[0]), x.tape.part
        if part is not None:
            start += part.draw(self, ones.size)
        x.tape.learn(self._advance, np.array([ones.size]))
        drawn, how = np.empty_like(ones), (self.seed, DROPOUT, start, x.tape.workspace)
        _core.dropout(drawn, ones, self.recurrent_dropout, *how)
        return [np.ascontiguousarray(mask) for mask in np.split(drawn, parts, 1)]

    def _advance(self, drawn: np.ndarray) -> None:
        position = self.buffer("position")
        position += drawn

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        for i, passes in enumerate(self.layers):
            for one, end in zip(passes, ("", "_reverse"), strict=False):
                where = f"_l{i}{end}"
                for key in ("weight_ih", "weight_hh"):
                    walk.add(f"{name}.{key}{where}", getattr(one, key).value)
                self._torch_bias(walk, name, where, one.bias.value)
        walk.settle(name)
        return 1

    def _torch_bias(self, walk: Any, name: str, where: str, bias: np.ndarray) -> None:
        """Say what a bias is called in PyTorch, which has two."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        rest = shown(
            layers=(len(self.layers), 1),
            bidirectional=(self.bidirectional, False),
            steps=(self.steps, None),
            last=(self.last, False),
            reverse=(self.reverse, False),
            recurrent_dropout=(self.recurrent_dropout, 0.0),
        )
        return f"{self.in_features}, {self.units}{rest}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


class LSTM(_Layers):
    r"""Layers of long short-term memory over sequences.

    .. math::
        i, f, o &= \sigma(W x_t + U h_{t-1} + b), \quad g = \tanh(W x_t + U h_{t-1} + b)

        c_t &= f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh c_t

    Each layer's x is the h of the one before. With lengths, steps behind a sample's own have no
    influence, and y is 0 there. Shapes: x (N, T, I), y (N, T, H), or (N, T, 2H) for both
    directions. Fresh values are uniform in :math:`\pm 1 / \sqrt{H}`. Hochreiter and Schmidhuber,
    1997; forget gates after Gers, Schmidhuber and Cummins, 2000.

    Parameters
    ----------
    in_features, units : int
        I and H.
    layers : int
    bidirectional : bool
        Whether each layer also goes from the end to the beginning; those units stand behind.
    steps : int, optional
        Take vectors (N, I), which stand for sequences of so many equal steps.
    last : bool
        Give the last h alone, (N, H) or (N, 2H): of each direction's own last step.
    reverse : bool
        Whether layers of one direction go from the end to the beginning.
    recurrent_dropout : float
        The share of the units whose h isn't seen by U while training, the same ones at every step
        of a sequence; the others count as much more. Gal and Ghahramani, 2016.
    """

    _op, _gates = sequences.LSTM, 4

    def _torch_bias(self, walk: Any, name: str, where: str, bias: np.ndarray) -> None:
        walk.add(f"{name}.bias_ih{where}", bias, twin=f"{name}.bias_hh{where}")


class GRU(_Layers):
    r"""Layers of gated recurrent units over sequences.

    .. math::
        r, z &= \sigma(W x_t + U h_{t-1} + b), \quad
        n = \tanh(W x_t + b + r \odot (U h_{t-1} + b'))

        h_t &= (1 - z) \odot n + z \odot h_{t-1}

    It has three quarters of an `LSTM`'s weights, and takes about as much less time. The reset gate
    r is applied behind the product, as in PyTorch. Shapes, parameters and fresh values are those of
    `LSTM`; a bias has those of r, z and n, and b'. Cho et al., 2014.

    Parameters
    ----------
    in_features, units, layers, bidirectional, steps, last, reverse
        As of `LSTM`.
    recurrent_dropout : float
        As of `LSTM`, of what U multiplies: z keeps h itself.
    """

    _op, _gates = sequences.GRU, 3

    def _torch_bias(self, walk: Any, name: str, where: str, bias: np.ndarray) -> None:
        walk.add_split(f"{name}.bias_ih{where}", f"{name}.bias_hh{where}", bias, 3 * self.units)


class AutoregressiveLSTM(Module):
    r"""An LSTM and a linear layer for each step, whose input is a code and the step before.

    .. math:: x_t = W h_t + b, \qquad h_t = \mathrm{LSTM}([z, x_{t-1}], h_{t-1}), \quad x_{-1} = 0

    In training :math:`x_{t-1}` is the true one, which is called teacher forcing (Williams and
    Zipser, 1989); without it the layer takes what it gave itself. Shapes: z (N, I), or (N, T, I)
    with a code for each step; output (N, T, F).

    Parameters
    ----------
    in_features, features : int
        I and F.
    units, layers : int
        Of the LSTM, which has one direction.
    steps : int
        T.
    reverse : bool
        Whether to go from the end to the beginning: the step before is then the next one.
    recurrent_dropout : float
        Of the LSTM.

    Attributes
    ----------
    lstm : LSTM
    out : Linear
    link : {None, "sigmoid", "softmax", "softplus"}
        What turns the linear layer's output into a step of data, which the LSTM is fed with. Data
        are counts where it is softplus, and fed as log(1 + x).
    """

    def __init__(
        self,
        in_features: int,
        features: int,
        units: int,
        layers: int = 1,
        *,
        steps: int,
        reverse: bool = False,
        recurrent_dropout: float = 0.0,
    ) -> None:
        self.codes = integer("in_features", in_features, 1)
        self.features, self.steps = integer("features", features, 1), integer("steps", steps, 1)
        how: Any = {"reverse": reverse, "recurrent_dropout": recurrent_dropout}
        self.lstm = LSTM(self.codes + self.features, units, layers, **how)
        self.out = Linear(self.lstm.width, self.features)
        self.link: str | None = None

    def forward(self, x: Value) -> Value:
        n_steps = x.tape.steps(self.steps)
        if x.shape[1:] not in ((self.codes,), (n_steps, self.codes)):
            raise ValueError(
                f"AutoregressiveLSTM: expected codes ({self.codes},) or ({n_steps}, "
                f"{self.codes}), got the shape {x.shape[1:]}"
            )
        if x.tape.training:
            return self._teacher_forced(x)
        cells = [one.weights for (one,) in self.lstm.layers]
        assert self.out.bias is not None
        out = self.out.weight, self.out.bias
        return sequences.Unrolled(x, cells, out, n_steps, self.lstm.reverse, self.link)

    def _teacher_forced(self, x: Value) -> Value:
        """Return the sequences, given the true step before each."""
        target, lengths, n = x.tape.target, x.tape.lengths, x.shape[0]
        if target is None:
            raise ValueError(
                "AutoregressiveLSTM: expected the true sequences in training, got none"
            )
        before = x.tape.take((n, self.steps, self.features))
        before.fill(0)
        if self.lstm.reverse:
            before[:, :-1] = target[:, 1:]
            ends = np.full(n, self.steps) if lengths is None else lengths
            some = np.flatnonzero(ends)
            before[some, ends[some] - 1] = 0
        else:
            before[:, 1:] = target[:, :-1]
        if self.link == "softplus":
            np.log1p(before, out=before)
        if x.ndim == 2:
            wide = (n, self.steps, self.codes)
            x = BroadcastTo(Reshape(x, (n, 1, self.codes)), wide)
        h = self.lstm(Concatenate([x, before], axis=2))
        steps = self.out(Reshape(h, (-1, self.lstm.width)))
        return Reshape(steps, (-1, self.steps, self.features))

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        walk.inside(self, name)
        return 1


FedBack = AutoregressiveLSTM  # as 0.1.0 called it, in pickles too

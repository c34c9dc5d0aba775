"""Recurrent layers over sequences, and the decoder that sees the step before the one it makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..base.checks import boolean, integer
from .linear import Linear
from .module import Module, fresh_seed, shown
from .ops import sequences
from .ops.shapes import BroadcastTo, Concatenate, Reshape
from .parameter import Parameter
from .tape import Shape, Value


class _Pass(Module):
    """One layer's pass over the sequences, in one direction.

    Attributes
    ----------
    weight_ih, weight_hh : Parameter, shape (4H, I) and (4H, H)
        The gates i, f, g and o one below the other.
    bias : Parameter, shape (4H,)
    """

    def __init__(self, inputs: int, units: int, reverse: bool) -> None:
        bound = units**-0.5
        self.units, self.reverse = units, reverse
        self.weight_ih = Parameter((4 * units, inputs), bound)
        self.weight_hh = Parameter((4 * units, units), bound)
        self.bias = Parameter((4 * units,), bound)

    @property
    def weights(self) -> tuple[Parameter, Parameter, Parameter]:
        """Its parameters as ops take them."""
        return self.weight_ih, self.weight_hh, self.bias


class LSTM(Module):
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
    """

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
        self.width = self.units * (2 if self.bidirectional else 1)
        self.layers: list[list[_Pass]] = []
        for layer in range(integer("layers", layers, 1)):
            inputs = self.width if layer else self.in_features
            directions = (False, True) if self.bidirectional else (self.reverse,)
            self.layers.append([_Pass(inputs, self.units, reverse) for reverse in directions])
        self.initialize(fresh_seed())

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            for one in layer:
                yield f"{i}r" if one.reverse else f"{i}", one

    def forward(self, x: Value) -> Value:
        steps = None if self.steps is None else x.tape.steps(self.steps)
        if steps is None:
            _, steps, _ = sequences.sequence("LSTM", x, self.in_features)
        elif x.shape[1:] != (self.in_features,):
            raise ValueError(
                f"LSTM: expected vectors ({self.in_features},), got the shape {x.shape[1:]}"
            )
        else:
            x = Reshape(x, (-1, 1, self.in_features))
        for i, passes in enumerate(self.layers):
            weights, ways = [p.weights for p in passes], tuple(p.reverse for p in passes)
            last = self.last and i == len(self.layers) - 1
            x = sequences.LSTM(x, weights, ways, steps, last)
        return x

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        for i, passes in enumerate(self.layers):
            for one, end in zip(passes, ("", "_reverse"), strict=False):
                where = f"_l{i}{end}"
                for key in ("weight_ih", "weight_hh"):
                    walk.add(f"{name}.{key}{where}", getattr(one, key).value)
                walk.add(f"{name}.bias_ih{where}", one.bias.value, twin=f"{name}.bias_hh{where}")
        walk.settle(name)
        return 1

    def extra_repr(self) -> str:
        rest = shown(
            layers=(len(self.layers), 1),
            bidirectional=(self.bidirectional, False),
            steps=(self.steps, None),
            last=(self.last, False),
            reverse=(self.reverse, False),
        )
        return f"{self.in_features}, {self.units}{rest}"

    def __repr__(self) -> str:
        return f"LSTM({self.extra_repr()})"


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
    ) -> None:
        self.codes = integer("in_features", in_features, 1)
        self.features, self.steps = integer("features", features, 1), integer("steps", steps, 1)
        self.lstm = LSTM(self.codes + self.features, units, layers, reverse=reverse)
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

"""Recurrent layers over sequences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import _core
from ..base import runtime
from .module import Module, Parameter, Shape, count, fresh_seed, shown
from .steps import sequence


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

    def run(
        self, y: np.ndarray, x: np.ndarray, lengths: np.ndarray | None, offset: int
    ) -> np.ndarray:
        """Write the units' columns of y (N, T, Y), from `offset` on; return the last h (N, H)."""
        n, t, units = *y.shape[:2], self.units
        h, c = self.scratch("h", (n, units)), self.scratch("c", (n, units))
        gates, cells = (
            self.scratch("gates", (n, t, 4 * units)),
            self.scratch("cells", (n, t, units)),
        )
        _core.lstm(
            y, h, c, gates, cells, x, None, None, lengths, self.weight_ih.value,
            self.weight_hh.value, self.bias.value, offset, self.reverse, runtime.current(),
        )  # fmt: skip
        self._kept = gates, y, cells, x, lengths, offset
        return h

    def step(
        self, x: np.ndarray, h: np.ndarray, c: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return the output (N, 1, H) and the state (N, H) after one step x (N, 1, I)."""
        n, units = h.shape
        y, h1, c1, gates, cells = (
            self.scratch(name, shape)
            for name, shape in (
                ("step", (n, 1, units)),
                ("step_h", (n, units)),
                ("step_c", (n, units)),
                ("step_gates", (n, 1, 4 * units)),
                ("step_cells", (n, 1, units)),
            )
        )
        _core.lstm(
            y, h1, c1, gates, cells, x, h, c, None, self.weight_ih.value, self.weight_hh.value,
            self.bias.value, 0, False, runtime.current(),
        )  # fmt: skip
        np.copyto(h, h1)
        np.copyto(c, c1)
        return y, (h, c)

    @property
    def input_shape(self) -> Shape:
        """Of what `run` was given."""
        return self._kept[3].shape

    def gradients(
        self, dx: np.ndarray | None, dy: np.ndarray | None, dh: np.ndarray | None
    ) -> None:
        """Add to the parameters' gradients and write dx, from those of y and of the last h."""
        gates, y, cells, x, lengths, offset = self._kept
        w, u, b = self.weight_ih, self.weight_hh, self.bias
        _core.lstm_backward(
            dx, None, None, w.grad, u.grad, b.grad, dy, dh, None, y, gates, cells, x, None, None,
            lengths, w.value, u.value, offset, self.reverse, runtime.current(),
        )  # fmt: skip


class LSTM(Module):
    r"""Layers of long short-term memory over sequences.

    .. math::
        i, f, o &= \sigma(W x_t + U h_{t-1} + b), \quad g = \tanh(W x_t + U h_{t-1} + b)

        c_t &= f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh c_t

    Each layer's x is the h of the one before. Shapes: x (N, T, I), y (N, T, H), or (N, T, 2H) for
    both directions. Fresh values are uniform in :math:`\pm 1 / \sqrt{H}`. Hochreiter and
    Schmidhuber, 1997; forget gates after Gers, Schmidhuber and Cummins, 2000.

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

    gates = True
    takes_lengths = True
    overwrites_grad = False

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
        self.in_features, self.units = count("in_features", in_features), count("units", units)
        self.steps = None if steps is None else count("steps", steps)
        options = {"bidirectional": bidirectional, "last": last, "reverse": reverse}
        for name, value in options.items():
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"{name}: expected True or False, got {value!r}")
        if bidirectional and reverse:
            raise ValueError("reverse: bidirectional layers go both ways; expected False")
        self.bidirectional, self.last, self.reverse = bool(bidirectional), bool(last), bool(reverse)
        self.width = self.units * (2 if self.bidirectional else 1)
        self.layers: list[list[_Pass]] = []
        for layer in range(count("layers", layers)):
            inputs = self.width if layer else self.in_features
            directions = (False, True) if self.bidirectional else (self.reverse,)
            self.layers.append([_Pass(inputs, self.units, reverse) for reverse in directions])
        self.initialize(fresh_seed())

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            for one in layer:
                yield f"{i}r" if one.reverse else f"{i}", one

    def forward(
        self, x: np.ndarray, training: bool = False, lengths: np.ndarray | None = None
    ) -> np.ndarray:
        """Return y, or the last h.

        Parameters
        ----------
        x : ndarray of float32, shape (N, T, I), or (N, I) with `steps`
        training : bool
            Makes no difference.
        lengths : ndarray of int64, shape (N,), optional
            How many steps of each sequence exist. Those behind have no influence, y is 0 there.
        """
        self.output_shape(x.shape[1:])
        self._kept = x
        if self.steps is not None:
            x = x.reshape(len(x), 1, self.in_features)
        h: list[np.ndarray] = []
        for i, layer in enumerate(self.layers):
            y = self.scratch(f"y{i}", (len(x), self.steps or x.shape[1], self.width))
            h = [one.run(y, x, lengths, j * self.units) for j, one in enumerate(layer)]
            x = y
        if not self.last:
            return x
        out = self.scratch("y", (len(x), self.width))
        return h[0] if len(h) == 1 else np.concatenate(h, axis=1, out=out)

    def backward(
        self,
        grad: np.ndarray,
        *,
        x_activation: str | None = None,
        gated: bool = False,
        need_dx: bool = True,
    ) -> np.ndarray | None:
        """Add to the parameters' gradients, and return that of x; see `Affine.backward`."""
        dy: np.ndarray | None = None if self.last else grad
        dx = None
        for i, layer in reversed(list(enumerate(self.layers))):
            dx = None
            for j, one in enumerate(layer):
                dh = self._part(grad, j) if self.last and one is self.layers[-1][j] else None
                part = runtime.gradients().take(one.input_shape) if need_dx or i else None
                one.gradients(part, dy, dh)
                if dx is None or part is None:
                    dx = part
                else:
                    _core.add(dx, dx, part, runtime.current())
            dy = dx
        if dx is None:
            return None
        dx = dx.reshape(self._kept.shape)
        if x_activation:
            ws = runtime.current()
            _core.activation_backward(dx, dx, self._kept, x_activation, ws)
        return dx

    def _part(self, grad: np.ndarray, direction: int) -> np.ndarray:
        """Return the gradient of one direction's last h."""
        if not self.bidirectional:
            return grad
        part = self.scratch(f"dh{direction}", (len(grad), self.units))
        start = direction * self.units
        np.copyto(part, grad[:, start : start + self.units])
        return part

    def output_shape(self, shape: Shape) -> Shape:
        if self.steps is None:
            steps, _ = sequence(self, shape, self.in_features)
        elif tuple(shape) == (self.in_features,):
            steps = self.steps
        else:
            raise ValueError(
                f"LSTM: expected vectors ({self.in_features},), got the shape {tuple(shape)}"
            )
        return (self.width,) if self.last else (steps, self.width)

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

"""A recurrent decoder that sees the step before the one it makes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activation import apply_link
from .linear import Linear
from .module import Module, Shape, count
from .recurrent import LSTM


class FedBack(Module):
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
    link : {None, "sigmoid", "softmax"}
        What turns the linear layer's output into a step of data, which the LSTM is fed with.
    """

    takes_lengths = True
    takes_target = True
    overwrites_grad = False

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
        self.codes, self.features = count("in_features", in_features), count("features", features)
        self.steps = count("steps", steps)
        self.lstm = LSTM(self.codes + self.features, units, layers, reverse=reverse)
        self.out = Linear(self.lstm.width, self.features)
        self.link: str | None = None

    def forward(
        self,
        x: np.ndarray,
        training: bool = False,
        lengths: np.ndarray | None = None,
        *,
        target: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the sequences; in training `target` (N, T, F) are the true ones."""
        self.output_shape(x.shape[1:])
        self._kept = x.shape
        if not training:
            return self._alone(x, lengths)
        if target is None:
            raise ValueError("FedBack: training takes the true sequences; there are none here")
        inputs = self.scratch("inputs", (len(x), self.steps, self.lstm.in_features))
        inputs[..., : self.codes] = x if x.ndim == 3 else x[:, None]
        before = inputs[..., self.codes :]
        if self.lstm.reverse:
            before[:, :-1] = target[:, 1:]
            ends = np.full(len(x), self.steps) if lengths is None else lengths
            some = np.flatnonzero(ends)
            before[some, ends[some] - 1] = 0
        else:
            before[:, 1:] = target[:, :-1]
            before[:, 0] = 0
        h = self.lstm.forward(inputs, training, lengths)
        return self.out.forward(h.reshape(-1, self.lstm.width), training).reshape(before.shape)

    def backward(self, grad: np.ndarray) -> np.ndarray:
        dh: Any = self.out.backward(grad.reshape(-1, self.features))
        dx: Any = self.lstm.backward(dh.reshape(len(grad), self.steps, -1))
        dx = dx[..., : self.codes]
        return np.ascontiguousarray(dx if len(self._kept) == 3 else dx.sum(1))

    def _alone(self, x: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        """Return the sequences that follow from the codes and from themselves."""
        n, (order, places) = len(x), self._order(len(x), lengths)
        y = self.scratch("y", (n, self.steps, self.features))
        y.fill(0)
        inputs = self.scratch("input", (n, 1, self.lstm.in_features))
        inputs.fill(0)
        states = [
            tuple(np.zeros((n, one.units), np.float32) for _ in range(2))
            for (one,) in self.lstm.layers
        ]
        for t in range(self.steps):
            inputs[:, 0, : self.codes] = x[order, places[:, t]] if x.ndim == 3 else x
            h = inputs
            for i, (one,) in enumerate(self.lstm.layers):
                h, states[i] = one.step(h, *states[i])
            step = self.out.forward(h.reshape(n, -1))
            y[order, places[:, t]] = step
            apply_link(self.link, step, step)
            inputs[:, 0, self.codes :] = step
        return y

    def _order(self, n: int, lengths: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return samples (N,), and the step (N, T) at which each is after t steps of decoding."""
        t = np.broadcast_to(np.arange(self.steps), (n, self.steps))
        if self.lstm.reverse:
            ends = np.full(n, self.steps) if lengths is None else lengths
            t = (ends[:, None] - 1 - t) % self.steps  # behind the first come those that don't exist
        return np.arange(n), t

    def output_shape(self, shape: Shape) -> Shape:
        if tuple(shape) not in ((self.codes,), (self.steps, self.codes)):
            raise ValueError(
                f"FedBack: expected codes ({self.codes},) or ({self.steps}, {self.codes}), got the "
                f"shape {tuple(shape)}"
            )
        return (self.steps, self.features)

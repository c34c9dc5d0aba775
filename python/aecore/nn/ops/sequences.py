"""Ops over the steps of sequences (N, T, C)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ...base import runtime
from ..parameter import Parameter, claim_grads
from ..tape import Value
from .shapes import _One


def sequence(name: str, x: Value, width: int) -> tuple[int, int, int]:
    """Return the shape of sequences; ValueError unless each step has this width."""
    if len(x.shape) != 3 or x.shape[2] != width:
        raise ValueError(f"{name}: expected sequences (T, {width}), got the shape {x.shape[1:]}")
    return x.shape[0], x.shape[1], x.shape[2]


class Positions(_One):
    """A learned vector added to each step: x (N, T, C), or (N, C) for one that all steps get.

    Of a weight with more rows, for longer sequences than the usual ones of so many steps, the first
    are taken.
    """

    __slots__ = ("weight",)

    is_noted = True

    def __init__(self, x: Value, weight: Parameter, usual: int | None = None) -> None:
        rows, width = weight.value.shape
        steps = rows if usual is None else x.tape.steps(usual)
        if len(x.shape) == 3 and usual is not None and usual < x.shape[1]:
            steps = x.shape[1]
        if x.shape[1:] not in ((steps, width), (width,)) or steps > rows:
            raise ValueError(
                f"PositionalEmbedding: expected sequences ({min(steps, rows)}, {width}) or vectors "
                f"({width},), got the shape {x.shape[1:]}"
            )
        self.start(x)
        self.weight = weight
        self.place(x.tape, (x.shape[0], steps, width), x.tape.records, later=True)

    def _positions(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows of as many steps as there are."""
        return rows[: self.shape[1]]

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        rows = self._positions(self.weight.value)
        self.tape.call(_core.positions, y, self.x.data, rows, self.tape.workspace)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        x, dx = self.x, None
        if x.needs_grad and x.ndim == 2:
            dx = self.tape.take(x.shape)
        (dpositions,), (adds,) = claim_grads(self.weight)
        if dpositions is not None and len(dpositions) > self.shape[1]:
            if not adds:
                dpositions[self.shape[1] :] = 0
            dpositions = self._positions(dpositions)
        _core.positions_backward(dx, dpositions, self.grad, adds, self.tape.workspace)
        if dx is not None:
            x.add_grad(dx)
        elif x.needs_grad:
            x.add_grad(self.grad, owned=self._owned)

    def onnx(self, graph: Any) -> str:
        x = graph.of(self.x)
        if self.x.ndim == 2:
            x = graph.add("Unsqueeze", x, np.array([1], np.int64))
        return graph.add("Add", x, self._positions(self.weight.value))


class MeanSteps(_One):
    """The mean over the steps that each sample has, by the tape's lengths: (N, T, C) to (N, C)."""

    __slots__ = ("lengths",)

    heeds_lengths = is_noted = True

    def __init__(self, x: Value) -> None:
        if len(x.shape) != 3:
            raise ValueError(f"MeanPool1d: expected sequences (T, C), got the shape {x.shape[1:]}")
        self.start(x)
        self.lengths = x.tape.lengths_at(x.shape[1])
        self.place(x.tape, (x.shape[0], x.shape[2]), x.needs_grad)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        self.tape.call(_core.mean_steps, y, self.x.data, self.lengths, self.tape.workspace)
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        dx = self.tape.take(self.x.shape)
        _core.mean_steps_backward(dx, self.grad, self.lengths, self.tape.workspace)
        self.x.add_grad(dx)

    def onnx(self, graph: Any) -> str:
        x = graph.of(self.x)
        lengths = graph.ends(self.tape.ends(self.x.shape[1]))
        if not lengths:
            return graph.add("ReduceMean", x, axes=[1], keepdims=0)
        there = graph.add("Cast", graph.there(self.x.shape[1], lengths), to=1)  # FLOAT
        there = graph.add("Unsqueeze", there, np.array([2], np.int64))
        x = graph.add("Mul", x, there)
        total = graph.add("ReduceSum", x, np.array([1], np.int64), keepdims=0)
        return graph.add("Div", total, graph.column(graph.add("Cast", lengths, to=1)))


class SelfAttention(_One):
    """What the queries of each head find among the keys: qkv (N T, 3 C) to (N T, C).

    Steps behind a sample's own, by the tape's lengths, are left out.
    """

    __slots__ = ("caches", "heads", "lengths", "n")

    heeds_lengths = is_noted = True

    def __init__(self, qkv: Value, n: int, heads: int) -> None:
        if len(qkv.shape) != 2 or qkv.shape[0] % max(1, n) or qkv.shape[1] % (3 * heads):
            raise ValueError(
                f"SelfAttention: expected rows of {n} samples with queries, keys and values of "
                f"{heads} heads, got the shape {qkv.shape}"
            )
        self.start(qkv)
        self.n, self.heads = n, heads
        self.lengths = qkv.tape.lengths_at(qkv.shape[0] // max(1, n))
        self.place(qkv.tape, (qkv.shape[0], qkv.shape[1] // 3), qkv.needs_grad, later=True)

    def _sizes(self) -> tuple[int, int, int, int]:
        """Return the numbers of samples, steps, heads, and values of a head."""
        rows, width = self.shape
        return self.n, rows // max(1, self.n), self.heads, width // self.heads

    def forward(self) -> None:
        (n, t, heads, d), tape = self._sizes(), self.tape
        y, lse = tape.take((n, t, heads, d)), tape.take((n, heads, t))
        how = self.lengths, False, d**-0.5, tape.workspace
        tape.call(_core.self_attention, y, lse, self.x.data.reshape(n, t, 3, heads, d), *how)
        self.caches = y, lse
        self._data = y.reshape(self.shape)

    def backward(self) -> None:
        (n, t, heads, d), tape = self._sizes(), self.tape
        (y, lse), dqkv = self.caches, tape.take((n, t, 3, heads, d))
        assert self.grad is not None
        given = self.grad.reshape(y.shape), y, lse, self.x.data.reshape(dqkv.shape)
        how = self.lengths, False, d**-0.5, tape.workspace
        _core.self_attention_backward(dqkv, *given, *how)
        self.x.add_grad(dqkv.reshape(self.x.shape))

    def forget(self) -> None:
        self.x = self.caches = None  # type: ignore[assignment]

    def flops(self) -> int:
        n, t, heads, d = self._sizes()
        return 4 * n * heads * t * t * d

    def onnx(self, graph: Any) -> str:
        _, t, heads, d = self._sizes()
        qkv = graph.reshape(graph.of(self.x), -1, t, 3, heads, d)
        q, k, v = (graph.add("Gather", qkv, np.array(i, np.int64), axis=2) for i in range(3))
        q, v = (graph.add("Transpose", part, perm=[0, 2, 1, 3]) for part in (q, v))
        k = graph.add("Transpose", k, perm=[0, 2, 3, 1])
        scores = graph.add("MatMul", graph.add("Mul", q, np.float32(d**-0.5)), k)
        if lengths := graph.ends(self.tape.ends(t)):
            there = graph.add("Unsqueeze", graph.there(t, lengths), np.array([1, 2], np.int64))
            scores = graph.add("Where", there, scores, np.float32(-np.inf))
        found = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), v)
        return graph.reshape(graph.add("Transpose", found, perm=[0, 2, 1, 3]), -1, heads * d)


# ---- recurrent ----------------------------------------------------------------------------------

GATES = (0, 3, 1, 2)  # ONNX has i, o, f and g where aecore has i, f, g and o
GRU_GATES = (1, 0, 2)  # and z, r and n where aecore has r, z and n

Weights = tuple[Parameter, Parameter, Parameter]


class _Recurrent(_One):
    """One layer over sequences, in one direction or both: x (N, T, I) to y (N, T, Y) or h (N, Y).

    A subclass makes the passes of one direction, and says what the layer is called in ONNX.

    Parameters
    ----------
    x : Value
        (N, 1, I) stands for `steps` equal ones.
    weights : list of (weight_ih, weight_hh, bias)
        For each direction.
    reverse : tuple of bool
        Which way each goes.
    last : bool
        Give the last state h of each direction side by side in place of y.
    masks : list of ndarray of float32, shape (N, H), optional
        What each direction's h is multiplied by before weight_hh is.
    """

    __slots__ = ("caches", "last", "lengths", "masks", "reverse", "steps", "weights", "y")

    heeds_lengths = is_noted = True
    name = ""  # in ONNX

    def __init__(
        self,
        x: Value,
        weights: list[Weights],
        reverse: tuple[bool, ...],
        steps: int,
        last: bool,
        masks: list[np.ndarray] | None = None,
    ) -> None:
        self.start(x)
        self.weights, self.reverse, self.steps, self.last = weights, reverse, steps, last
        self.masks = [None] * len(weights) if masks is None else masks
        self.lengths = x.tape.lengths_at(steps)
        n, width = x.shape[0], len(weights) * self.units
        self.place(x.tape, (n, width) if last else (n, steps, width), x.tape.records)

    @property
    def units(self) -> int:
        """H."""
        return self.weights[0][1].value.shape[1]

    def run_direction(self, i: int, y: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
        """Write one direction's y and last h; return what its way back needs."""
        raise NotImplementedError

    def go_back(self, i: int, dx: np.ndarray | None, dh: np.ndarray | None) -> None:
        """Write one direction's gradient of x, and add those of its parameters to theirs."""
        raise NotImplementedError

    def onnx_weights(self) -> list[np.ndarray]:
        """Return W, R and B."""
        raise NotImplementedError

    def forward(self) -> None:
        tape, (n, units) = self.tape, (self.shape[0], self.units)
        y = tape.take((n, self.steps, len(self.weights) * units))
        self.caches, states = [], []
        for i in range(len(self.weights)):
            h = tape.take((n, units))
            self.caches.append(self.run_direction(i, y, h))
            states.append(h)
        self.y = self._data = y
        if self.last:
            out = states[0]
            if len(states) > 1:
                out = tape.take(self.shape)
                tape.call(np.concatenate, states, 1, out)
            self._data = out

    def backward(self) -> None:
        tape, x, total = self.tape, self.x, None
        for i in range(len(self.weights)):
            dx = tape.take(x.shape) if x.needs_grad else None
            self.go_back(i, dx, self._last_grad(i) if self.last else None)
            if total is None or dx is None:
                total = dx
            else:
                _core.add(total, total, dx, tape.workspace)
        if total is not None:
            x.add_grad(total)

    def _last_grad(self, direction: int) -> np.ndarray:
        """Return the gradient of one direction's last state."""
        assert self.grad is not None
        if len(self.weights) == 1:
            return self.grad
        part = self.tape.take((self.shape[0], self.units))
        start = direction * self.units
        np.copyto(part, self.grad[:, start : start + self.units])
        return part

    def forget(self) -> None:
        self.x = self.caches = self.y = self.masks = None  # type: ignore[assignment]

    def flops(self) -> int:
        n, t, inputs = self.x.shape
        recurrent = sum(u.value.size for _, u, _ in self.weights)
        return 2 * n * (t * sum(w.value.size for w, _, _ in self.weights) + self.steps * recurrent)

    def onnx(self, graph: Any) -> str:
        x = graph.add("Transpose", graph.of(self.x), perm=[1, 0, 2])
        if self.x.shape[1] != self.steps:
            x = graph.add("Expand", x, np.array([self.steps, 1, 1], np.int64))
        direction = "bidirectional" if len(self.reverse) > 1 else "forward"
        if self.reverse == (True,):
            direction = "reverse"
        ends = graph.ends(self.tape.ends(self.steps))
        lengths = [graph.add("Cast", ends, to=6)] if ends else []  # INT32
        how = {"hidden_size": self.units, "direction": direction, **self.onnx_options()}
        # sequences are (T, N, I) here, outputs (T, D, N, H)
        y, h = graph.several(2, self.name, x, *self.onnx_weights(), *lengths, **how)
        width = self.shape[-1]
        if self.last:
            return graph.reshape(graph.add("Transpose", h, perm=[1, 0, 2]), 0, width)
        y = graph.reshape(graph.add("Transpose", y, perm=[0, 2, 1, 3]), 0, 0, width)
        return graph.add("Transpose", y, perm=[1, 0, 2])

    def onnx_options(self) -> dict[str, Any]:
        """Return attributes of the layer's own."""
        return {}


class LSTM(_Recurrent):
    """A layer of long short-term memory; see `_Recurrent`."""

    __slots__ = ()
    name = "LSTM"

    def run_direction(self, i: int, y: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
        tape, (n, units), (w, u, b) = self.tape, h.shape, self.weights[i]
        c, gates = tape.take((n, units)), tape.take((n, self.steps, 4 * units))
        cells = tape.take((n, self.steps, units))
        tape.call(
            _core.lstm,
            y, h, c, gates, cells, self.x.data, None, None, self.lengths, self.masks[i], w.value,
            u.value, b.value, i * units, self.reverse[i], tape.workspace,
        )  # fmt: skip
        return gates, cells

    def go_back(self, i: int, dx: np.ndarray | None, dh: np.ndarray | None) -> None:
        (w, u, b), (gates, cells) = self.weights[i], self.caches[i]
        (dw, du, db), adds = claim_grads(w, u, b)
        grad = None if self.last else self.grad
        _core.lstm_backward(
            dx, None, None, dw, du, db, grad, dh, None, self.y, gates, cells, self.x.data, None,
            None, self.lengths, self.masks[i], w.value, u.value, i * self.units, self.reverse[i],
            adds, self.tape.workspace,
        )  # fmt: skip

    def onnx_weights(self) -> list[np.ndarray]:
        return onnx_weights(self.weights)


class GRU(_Recurrent):
    """A layer of gated recurrent units; see `_Recurrent`. The bias is (4H,)."""

    __slots__ = ()
    name = "GRU"

    def run_direction(self, i: int, y: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
        tape, (n, units), (w, u, b) = self.tape, h.shape, self.weights[i]
        gates = tape.take((n, self.steps, 4 * units))
        tape.call(
            _core.gru,
            y, h, gates, self.x.data, None, self.lengths, self.masks[i], w.value, u.value, b.value,
            i * units, self.reverse[i], tape.workspace,
        )  # fmt: skip
        return (gates,)

    def go_back(self, i: int, dx: np.ndarray | None, dh: np.ndarray | None) -> None:
        (w, u, b), (gates,) = self.weights[i], self.caches[i]
        (dw, du, db), adds = claim_grads(w, u, b)
        grad = None if self.last else self.grad
        _core.gru_backward(
            dx, None, dw, du, db, grad, dh, self.y, gates, self.x.data, None, self.lengths,
            self.masks[i], w.value, u.value, i * self.units, self.reverse[i], adds,
            self.tape.workspace,
        )  # fmt: skip

    def onnx_options(self) -> dict[str, Any]:
        return {"linear_before_reset": 1}

    def onnx_weights(self) -> list[np.ndarray]:
        def in_order(w: np.ndarray) -> np.ndarray:
            return np.concatenate([np.split(w, 3)[gate] for gate in GRU_GATES])

        units, found = self.units, []
        for w, u, b in self.weights:
            recurrent = np.concatenate([np.zeros(2 * units, np.float32), b.value[3 * units :]])
            biases = in_order(b.value[: 3 * units]), recurrent  # z and r have theirs in the first
            found.append((in_order(w.value), in_order(u.value), np.concatenate(biases)))
        return [np.stack(same) for same in zip(*found, strict=True)]


def onnx_weights(weights: list[tuple[Parameter, Parameter, Parameter]]) -> list[np.ndarray]:
    """Return a layer's W (D, 4H, I), R (D, 4H, H) and B (D, 8H), for D directions."""

    def in_order(w: np.ndarray) -> np.ndarray:
        return np.concatenate([np.split(w, 4)[gate] for gate in GATES])

    w, r, b = (np.stack([in_order(p.value) for p in same]) for same in zip(*weights, strict=True))
    return [w, r, np.concatenate([b, np.zeros_like(b)], 1)]


class Unrolled(_One):
    """A recurrent decoder on its own: each step sees the one that it gave before.

    It has no backward pass: training uses teacher forcing, by another op.

    Parameters
    ----------
    x : Value
        Codes (N, I), or (N, T, I) with one for each step.
    cells : list of (weight_ih, weight_hh, bias)
        Of the layers.
    out : (weight, bias)
        Of the linear layer that gives a step.
    steps : int
    reverse : bool
        Whether to go from each sequence's own last step to its first.
    link : str or None
        What turns a step into data: see `apply_link`.
    """

    __slots__ = ("cells", "lengths", "link", "out", "reverse", "steps")
    heeds_lengths = True

    def __init__(
        self,
        x: Value,
        cells: list[tuple[Parameter, Parameter, Parameter]],
        out: tuple[Parameter, Parameter],
        steps: int,
        reverse: bool,
        link: str | None,
    ) -> None:
        self.start(x)
        self.cells, self.out, self.steps = cells, out, steps
        self.reverse, self.link, self.lengths = reverse, link, x.tape.lengths_at(steps)
        self.place(x.tape, (x.shape[0], steps, out[0].value.shape[0]), False)

    def forward(self) -> None:
        n, _, features = self.shape
        x, tape, codes = self.x.data, self.tape, self.x.shape[-1]
        order, places = self._order()
        y, inputs = tape.take(self.shape), tape.take((n, 1, codes + features))
        y.fill(0)
        inputs.fill(0)
        states = [
            tuple(np.zeros((n, u.value.shape[1]), np.float32) for _ in range(2))
            for _, u, _ in self.cells
        ]
        weight, bias = self.out
        for t in range(self.steps):
            inputs[:, 0, :codes] = x[order, places[:, t]] if x.ndim == 3 else x
            h = inputs
            for i, cell in enumerate(self.cells):
                h, states[i] = self._step(h, cell, *states[i])
            step = tape.take((n, features))
            how = None, False, None, None, tape.workspace
            _core.linear(step, h.reshape(n, h.shape[-1]), weight.value, bias.value, *how)
            y[order, places[:, t]] = step
            apply_link(self.link, step, step)
            inputs[:, 0, codes:] = step
        self._data = y

    def _step(
        self, x: np.ndarray, cell: tuple[Parameter, ...], h: np.ndarray, c: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Return a layer's output (N, 1, H) and its state (N, H) after one step x (N, 1, I)."""
        (n, units), tape = h.shape, self.tape
        w, u, b = (p.value for p in cell)
        y, h1, c1 = tape.take((n, 1, units)), tape.take((n, units)), tape.take((n, units))
        gates, cells = tape.take((n, 1, 4 * units)), tape.take((n, 1, units))
        _core.lstm(y, h1, c1, gates, cells, x, h, c, None, None, w, u, b, 0, False, tape.workspace)
        return y, (h1, c1)

    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """Return samples (N,), and the step (N, T) at which each is after t steps of decoding."""
        n, steps = self.shape[:2]
        t = np.broadcast_to(np.arange(steps), (n, steps))
        if self.reverse:
            ends = np.full(n, steps) if self.lengths is None else self.lengths
            t = (ends[:, None] - 1 - t) % steps  # behind the first come those that don't exist
        return np.arange(n), t

    def flops(self) -> int:
        sizes = sum(p.value.size for cell in self.cells for p in cell[:2])
        return 2 * self.shape[0] * self.steps * (sizes + self.out[0].value.size)

    def onnx(self, graph: Any) -> str:
        """Append a loop whose state is the layers' and the step before."""
        x, features = graph.of(self.x), self.shape[2]
        if self.x.ndim == 2:
            x = graph.add("Unsqueeze", x, np.array([0], np.int64))
            x = graph.add("Expand", x, np.array([self.steps, 1, 1], np.int64))
        else:
            if self.reverse:
                x = graph.backwards(x, *self.x.shape[1:])
            x = graph.add("Transpose", x, perm=[1, 0, 2])
        body = graph.body(self._onnx_step)
        n = graph.add("Slice", graph.add("Shape", x), *(np.array([v], np.int64) for v in (1, 2)))
        states = []
        for _, (_, *form) in body.inputs[:-1]:
            sizes = [n if size == "n" else np.array([size], np.int64) for size in form]
            states.append(graph.add("ConstantOfShape", graph.add("Concat", *sizes, axis=0)))
        how = {"num_scan_inputs": 1, "body": body}
        *_, steps = graph.several(len(states) + 1, "Scan", *states, x, **how)
        y = graph.add("Transpose", steps, perm=[1, 0, 2])
        return graph.backwards(y, self.steps, features) if self.reverse else y

    def _onnx_step(self, inner: Any) -> tuple[list[Any], list[Any]]:
        """Append states, step before and code to states, step as data and step: the loop's body."""
        features, before, code = self.shape[2], inner.name(), inner.name()
        inputs, outputs = [], []
        x = inner.add("Concat", code, before, axis=-1)
        for cell in self.cells:
            units = cell[1].value.shape[1]
            state, h, c = ["FLOAT", 1, "n", units], inner.name(), inner.name()
            sequence = inner.add("Unsqueeze", x, np.array([0], np.int64))
            w, r, b = onnx_weights([cell])
            _, *after = inner.several(3, "LSTM", sequence, w, r, b, "", h, c, hidden_size=units)
            inputs += [(h, state), (c, state)]
            outputs += [(name, state) for name in after]
            x = inner.reshape(after[0], -1, units)
        weight, bias = self.out
        step = inner.add("Gemm", x, weight.value, bias.value, transB=1)
        data = inner.add("Identity", inner.link(self.link, step))
        form = ["FLOAT", "n", features]
        inputs += [(before, form), (code, ["FLOAT", "n", self.x.shape[-1]])]
        return inputs, [*outputs, (data, form), (step, form)]


def apply_link(kind: str | None, x: np.ndarray, out: np.ndarray) -> None:
    """Write the data (N, C) that a decoder's output stands for; `out` may be `x`.

    The kinds are "sigmoid", "softplus", "softmax" over C, "exp", and None, which leaves numbers as
    they are.
    """
    if kind in ("sigmoid", "softplus"):
        _core.activation(out, x, kind, runtime.current())
    elif kind == "exp":
        with np.errstate(over="ignore"):
            np.exp(x, out=out)
    elif kind == "softmax":
        np.subtract(x, x.max(1, keepdims=True), out=out)
        np.exp(out, out=out)
        out /= out.sum(1, keepdims=True)
    elif out is not x:
        np.copyto(out, x)

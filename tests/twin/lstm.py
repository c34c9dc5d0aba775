"""Twin of the LSTM, a sample and a step at a time."""

import numpy as np


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


def _inputs(x, w_hh, h0, c0, lengths, steps):
    """Return x at every step, the state before the first one, and lengths."""
    n, units = len(x), w_hh.shape[1]
    if x.shape[1] == 1 and steps is not None:
        x = np.repeat(x, steps, axis=1)
    h0 = np.zeros((n, units)) if h0 is None else h0
    c0 = np.zeros((n, units)) if c0 is None else c0
    return x, h0, c0, np.full(n, x.shape[1]) if lengths is None else lengths


def _steps(length, reverse):
    return range(length)[:: -1 if reverse else 1]


def _run(x, w_ih, w_hh, bias, h0, c0, lengths, reverse, steps):
    """Return y, h, c, and of each sample what its steps have seen: (t, x, h, c, gates, new c)."""
    x, h0, c0, lengths = _inputs(x, w_hh, h0, c0, lengths, steps)
    y, last_h, last_c, seen = np.zeros((*x.shape[:2], h0.shape[1])), h0.copy(), c0.copy(), []
    for n, length in enumerate(lengths):
        h, c, path = h0[n], c0[n], []
        for t in _steps(length, reverse):
            sums = w_ih @ x[n, t] + w_hh @ h + (0 if bias is None else bias)
            i, f, g, o = np.split(sums, 4)
            gates = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
            path.append((t, x[n, t], h, c, gates))
            c = gates[1] * c + gates[0] * gates[2]
            h = gates[3] * np.tanh(c)
            y[n, t] = h
        seen.append(path)
        last_h[n], last_c[n] = h, c
    return y, last_h, last_c, seen


def lstm(x, w_ih, w_hh, bias=None, h0=None, c0=None, *, lengths=None, reverse=False, steps=None):
    return _run(x, w_ih, w_hh, bias, h0, c0, lengths, reverse, steps)[:3]


def lstm_backward(
    grad, x, w_ih, w_hh, bias=None, h0=None, c0=None, *, lengths=None, reverse=False, steps=None,
    dh=None, dc=None,
):  # fmt: skip
    *_, seen = _run(x, w_ih, w_hh, bias, h0, c0, lengths, reverse, steps)
    first_h, first_c = (np.zeros((len(x), w_hh.shape[1])) for _ in range(2))
    dx, dw_ih, dw_hh, db = (np.zeros(s) for s in (x.shape, w_ih.shape, w_hh.shape, len(w_hh)))
    for n, path in enumerate(seen):
        gh = np.zeros(w_hh.shape[1]) if dh is None else dh[n]
        gc = np.zeros(w_hh.shape[1]) if dc is None else dc[n]
        for t, xt, h, c, (i, f, g, o) in reversed(path):
            gh = gh + grad[n, t]
            tanh = np.tanh(f * c + i * g)
            gc = gc + gh * o * (1 - tanh**2)
            parts = gc * g * i * (1 - i), gc * c * f * (1 - f), gc * i * (1 - g**2)
            d = np.concatenate([*parts, gh * tanh * o * (1 - o)])
            dw_ih += np.outer(d, xt)
            dw_hh += np.outer(d, h)
            db += d
            dx[n, 0 if dx.shape[1] == 1 else t] += d @ w_ih
            gh, gc = d @ w_hh, gc * f
        first_h[n], first_c[n] = gh, gc
    return (
        dx, dw_ih, dw_hh, None if bias is None else db, None if h0 is None else first_h,
        None if c0 is None else first_c,
    )  # fmt: skip

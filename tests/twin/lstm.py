"""Twins of the LSTM and the GRU, a sample and a step at a time."""

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


def _masks(mask, n, units):
    return np.ones((n, units)) if mask is None else mask


def _run(x, w_ih, w_hh, bias, h0, c0, lengths, mask, reverse, steps):
    """Return y, h, c, and of each sample what its steps have seen: (t, x, h, c, gates, new c)."""
    x, h0, c0, lengths = _inputs(x, w_hh, h0, c0, lengths, steps)
    y, last_h, last_c, seen = np.zeros((*x.shape[:2], h0.shape[1])), h0.copy(), c0.copy(), []
    mask = _masks(mask, *h0.shape)
    for n, length in enumerate(lengths):
        h, c, path = h0[n], c0[n], []
        for t in _steps(length, reverse):
            h = h * mask[n]
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


def lstm(
    x, w_ih, w_hh, bias=None, h0=None, c0=None, *, lengths=None, recurrent_mask=None,
    reverse=False, steps=None,
):  # fmt: skip
    return _run(x, w_ih, w_hh, bias, h0, c0, lengths, recurrent_mask, reverse, steps)[:3]


def lstm_backward(
    grad, x, w_ih, w_hh, bias=None, h0=None, c0=None, *, lengths=None, recurrent_mask=None,
    reverse=False, steps=None, dh=None, dc=None,
):  # fmt: skip
    *_, seen = _run(x, w_ih, w_hh, bias, h0, c0, lengths, recurrent_mask, reverse, steps)
    mask = _masks(recurrent_mask, len(x), w_hh.shape[1])
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
            gh, gc = d @ w_hh * mask[n], gc * f
        first_h[n], first_c[n] = gh, gc
    return (
        dx, dw_ih, dw_hh, None if bias is None else db, None if h0 is None else first_h,
        None if c0 is None else first_c,
    )  # fmt: skip


# ---- GRU ----------------------------------------------------------------------------------------


def _run_gru(x, w_ih, w_hh, bias, h0, lengths, mask, reverse, steps):
    """Return y, h, and of each sample what its steps have seen: (t, x, h, gates)."""
    x, h0, _, lengths = _inputs(x, w_hh, h0, None, lengths, steps)
    y, last, seen = np.zeros((*x.shape[:2], h0.shape[1])), h0.copy(), []
    mask, bias = _masks(mask, *h0.shape), np.zeros(4 * h0.shape[1]) if bias is None else bias
    *_, recurrent = np.split(bias, 4)
    for n, length in enumerate(lengths):
        h, path = h0[n], []
        for t in _steps(length, reverse):
            from_x = np.split(w_ih @ x[n, t] + bias[: len(w_ih)], 3)
            from_h = np.split(w_hh @ (h * mask[n]), 3)
            r, z = (_sigmoid(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
            u = from_h[2] + recurrent
            new = np.tanh(from_x[2] + r * u)
            path.append((t, x[n, t], h, (r, z, new, u)))
            h = (1 - z) * new + z * h
            y[n, t] = h
        seen.append(path)
        last[n] = h
    return y, last, seen


def gru(
    x, w_ih, w_hh, bias=None, h0=None, *, lengths=None, recurrent_mask=None, reverse=False,
    steps=None,
):  # fmt: skip
    return _run_gru(x, w_ih, w_hh, bias, h0, lengths, recurrent_mask, reverse, steps)[:2]


def gru_backward(
    grad, x, w_ih, w_hh, bias=None, h0=None, *, lengths=None, recurrent_mask=None, reverse=False,
    steps=None, dh=None,
):  # fmt: skip
    *_, seen = _run_gru(x, w_ih, w_hh, bias, h0, lengths, recurrent_mask, reverse, steps)
    units = w_hh.shape[1]
    first, mask = np.zeros((len(x), units)), _masks(recurrent_mask, len(x), units)
    dx, dw_ih, dw_hh, db = (np.zeros(s) for s in (x.shape, w_ih.shape, w_hh.shape, 4 * units))
    for n, path in enumerate(seen):
        gh = np.zeros(units) if dh is None else dh[n]
        for t, xt, h, (r, z, new, u) in reversed(path):
            gh = gh + grad[n, t]
            d_new = gh * (1 - z) * (1 - new**2)
            d_r, d_z = d_new * u * r * (1 - r), gh * (h - new) * z * (1 - z)
            from_x, from_h = (
                np.concatenate([d_r, d_z, d_new]),
                np.concatenate([d_r, d_z, d_new * r]),
            )
            dw_ih += np.outer(from_x, xt)
            dw_hh += np.outer(from_h, h * mask[n])
            db += np.concatenate([from_x, d_new * r])
            dx[n, 0 if dx.shape[1] == 1 else t] += from_x @ w_ih
            gh = from_h @ w_hh * mask[n] + gh * z
        first[n] = gh
    return dx, dw_ih, dw_hh, None if bias is None else db, None if h0 is None else first

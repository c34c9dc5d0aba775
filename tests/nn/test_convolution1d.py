"""Convolutions of sequences: their ends, and what is behind them."""

import numpy as np
import pytest
from aecore import nn
from cases.base import normal
from support.layers import gradients, run

LENGTHS = np.array([11, 0, 1, 2, 5, 8, 11, 10])
N, T = len(LENGTHS), 11
LAYERS = {
    "strided": lambda: nn.Conv1d(3, 4, 4, 2, 1, activation="sigmoid"),
    "same": lambda: nn.Conv1d(3, 4, 4, padding="same", dilation=2),
    "causal": lambda: nn.Conv1d(3, 4, 3, dilation=2, causal=True, activation="softplus"),
    "causal, strided": lambda: nn.Conv1d(3, 4, 3, 3, causal=True),
    "groups": lambda: nn.Conv1d(3, 6, 3, 1, 1, groups=3),
    "two": lambda: nn.Sequential(
        nn.Conv1d(3, 4, 3, 2, 1, activation="sigmoid"),
        nn.Activation("softplus"),
        nn.Conv1d(4, 2, 4, 2, 1),
    ),
}


def alone(layer, x):
    """Return what a sequence gives by itself; None where a convolution has too few steps."""
    try:
        layer.output_shape(x.shape)
    except ValueError:
        return None
    return run(layer, x[None])


@pytest.mark.parametrize("name", LAYERS)
def test_padded_sequences_give_what_each_gives_alone(name, rng):
    layer = LAYERS[name]()
    layer.initialize(1)
    x = normal(rng, N, T, 3)
    for sample, length in zip(x, LENGTHS, strict=True):
        sample[length:] = np.nan
    y = run(layer, x, lengths=LENGTHS).y
    grad = normal(rng, *y.shape)
    got, dx, grads = gradients(layer, x, grad, training=True, lengths=LENGTHS)
    np.testing.assert_array_equal(got, y)
    assert np.isfinite(y).all() and not y[LENGTHS == 0].any()
    for _, p in layer.parameters():
        p.forget_grad()
    for n, length in enumerate(LENGTHS):
        one = alone(layer, x[n, :length].copy()) if length else None
        assert not dx[n, length:].any()
        if one is None:
            continue
        steps = one.y.shape[1]
        np.testing.assert_allclose(one.y[0], y[n, :steps], rtol=1e-5, atol=1e-6)
        assert not y[n, steps:].any()
        back = one.back(np.ascontiguousarray(grad[n : n + 1, :steps]))[0]
        np.testing.assert_allclose(back, dx[n, :length], rtol=1e-4, atol=1e-5)
    if all(alone(layer, x[n, :length]) is not None for n, length in enumerate(LENGTHS) if length):
        for key, p in layer.parameters():
            np.testing.assert_allclose(p.grad, grads[key], rtol=1e-4, atol=1e-4, err_msg=key)


def test_what_comes_behind_sees_the_lengths_that_are_left(rng):
    there = nn.Conv1d(3, 4, 4, 2, 1)
    x, lengths = normal(rng, 4, 12, 3), np.array([12, 2, 7, 10])
    left = lengths // 2
    y = run(there, x, lengths=lengths).y
    mean = run(nn.Sequential(there, nn.MeanPool1d()), x, lengths=lengths).y
    want = [sample[:n].mean(0) for sample, n in zip(y, left, strict=True)]
    np.testing.assert_allclose(mean, want, rtol=1e-5, atol=1e-6)
    lstm = nn.LSTM(4, 5, last=True)
    last = run(nn.Sequential(there, lstm), x, lengths=lengths).y
    np.testing.assert_allclose(last, run(lstm, y, lengths=left).y, rtol=1e-5, atol=1e-6)


def test_a_causal_step_sees_nothing_behind_it(rng):
    layer = nn.Sequential(
        nn.Conv1d(2, 4, 3, dilation=1, causal=True, activation="tanh"),
        nn.Conv1d(4, 4, 3, dilation=2, causal=True, activation="tanh"),
        nn.Conv1d(4, 3, 2, dilation=4, causal=True),
    )
    x = normal(rng, 1, 30, 2)
    y = layer(x)
    assert y.shape == (1, 30, 3)
    other = x.copy()
    other[:, 17:] += 1
    np.testing.assert_array_equal(layer(other)[:, :17], y[:, :17])
    assert (layer(other)[:, 17:] != y[:, 17:]).any()
    for start in (0, 3, 10):  # what a window of a stream gives is there once it has seen enough
        seen = 1 + 2 + 4 + 4
        np.testing.assert_allclose(
            layer(x[:, start:].copy())[:, seen - 1 :],
            y[:, start + seen - 1 :],
            rtol=1e-5,
            atol=1e-6,
        )


def test_values_by_hand():
    x = np.arange(1, 6, dtype=np.float32).reshape(1, 5, 1)
    layer = nn.Conv1d(1, 1, 3, bias=False)
    layer.weight.value[:] = np.array([1, 10, 100], np.float32).reshape(1, 3, 1)
    assert layer(x)[0, :, 0].tolist() == [321, 432, 543]
    for how, want in (
        ({"padding": 1, "stride": 2}, [210, 432, 54]),
        ({"padding": "same"}, [210, 321, 432, 543, 54]),
        ({"causal": True}, [100, 210, 321, 432, 543]),
        ({"dilation": 2}, [531]),
        ({"padding": "same", "dilation": 2}, [310, 420, 531, 42, 53]),
    ):
        other = nn.Conv1d(1, 1, 3, bias=False, **how)
        other.weight.value[:] = layer.weight.value
        assert other(x)[0, :, 0].tolist() == want, how
    up = nn.ConvTranspose1d(1, 1, 2, 2, bias=False)
    up.weight.value[:] = np.array([1, 10], np.float32).reshape(1, 2, 1)
    assert up(x[:, :3])[0, :, 0].tolist() == [1, 10, 2, 20, 3, 30]

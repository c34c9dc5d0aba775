"""What the table can't say of the LSTM: all results and gradients, padding, columns, bad calls."""

import aecore as ae
import aecore.functional as F
import numpy as np
import pytest
import twin
from aecore import _core, nn
from cases.base import normal
from conftest import ISAS
from support.layers import gradients, run
from test_ops import THREADS, assert_same_bits, double

GUARD = np.float32(-12345.678)
N, T, WIDTH, H = 19, 7, 3, 18
LENGTHS = np.array([(0, 1, T, 3, T - 1)[n % 5] for n in range(N)])


def problem(rng, steps=T):
    return (
        normal(rng, N, steps, WIDTH), normal(rng, 4 * H, WIDTH), normal(rng, 4 * H, H, scale=0.3),
        normal(rng, 4 * H), normal(rng, N, H), normal(rng, N, H),
    )  # fmt: skip


def guarded(*shape):
    """Return an array with words around it, and a function that checks them."""
    n = int(np.prod(shape))
    buffer = np.full(n + 128, GUARD)

    def check():
        assert (buffer[:64] == GUARD).all() and (buffer[64 + n :] == GUARD).all()

    return buffer[64 : 64 + n].reshape(shape), check


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("steps", [None, T], ids=["each", "repeated"])
def test_all_results_and_gradients(isa, reverse, lengths, steps, rng, workspace):
    inputs = problem(rng, T if steps is None else 1)
    options = {"lengths": lengths, "reverse": reverse, "steps": steps}
    grad, dh, dc = normal(rng, N, T, H), normal(rng, N, H), normal(rng, N, H)
    last = dict(zip(("dh", "dc"), double((dh, dc)), strict=True))
    want = twin.lstm(*double(inputs), **options)
    want += twin.lstm_backward(grad.astype(float), *double(inputs), **options, **last)
    results = []
    for threads in THREADS:
        workspace(threads, isa)
        got = F.lstm(*inputs, **options)
        results.append(got + F.lstm_backward(grad, *inputs, **options, dh=dh, dc=dc))
    for g, w in zip(results[0], want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=2e-5 * max(1, np.abs(w).mean()))
    for other in results[1:]:
        assert_same_bits(results[0], other, "the bits depend on the number of threads")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("steps", [None, T], ids=["each", "repeated"])
def test_what_no_step_takes_does_not_count(isa, steps, rng, workspace):
    x, *rest = problem(rng, T if steps is None else 1)
    options = {"lengths": np.array([0, T, 0, 1, 2][:N] + [0] * (N - 5)), "steps": steps}
    blank = np.zeros_like(x)
    for n, length in enumerate(options["lengths"]):
        used = length if steps is None else min(length, 1)
        blank[n, :used] = x[n, :used]
    other = np.where(blank == 0, np.float32(np.nan), blank)
    grad, dc = normal(rng, N, T, H), normal(rng, N, H)
    workspace(2, isa)
    results = [
        F.lstm(v, *rest, **options) + F.lstm_backward(grad, v, *rest, **options, dc=dc)
        for v in (blank, other)
    ]
    assert_same_bits(*results, "it depends on what lies behind a sequence's end")
    rest[0] = np.full_like(rest[0], np.nan)  # w_ih
    dx = F.lstm_backward(grad, blank, *rest, **options, dc=dc)[0]
    assert (dx[options["lengths"] == 0] == 0).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_twin_gradient_of_the_last_state(reverse, rng):
    inputs, weight = double(problem(rng)), rng.standard_normal((2, N, H))
    options = {"lengths": LENGTHS, "reverse": reverse}

    def total(values):
        _, h, c = twin.lstm(*values, **options)
        return (weight[0] * h + weight[1] * c).sum()

    last = {"dh": weight[0], "dc": weight[1]}
    got = twin.lstm_backward(np.zeros((N, T, H)), *inputs, **options, **last)
    for i, g in enumerate(got):
        step = 1e-6 * rng.standard_normal(g.shape)
        up, down = ([*inputs[:i], inputs[i] + s * step, *inputs[i + 1 :]] for s in (1, -1))
        np.testing.assert_allclose((g * step).sum(), (total(up) - total(down)) / 2, rtol=1e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("reverse", [False, True])
def test_padding_has_no_influence(isa, reverse, rng, workspace):
    workspace(2, isa)
    x, *rest = problem(rng)
    grad = normal(rng, N, T, H)
    spoiled, spoiled_grad = x.copy(), grad.copy()
    for n, length in enumerate(LENGTHS):
        spoiled[n, length:] = spoiled_grad[n, length:] = np.nan
    options = {"lengths": LENGTHS, "reverse": reverse}
    got, want = F.lstm(spoiled, *rest, **options), F.lstm(x, *rest, **options)
    assert_same_bits(got, want, "padding in y, h or c")
    assert all((got[0][n, length:] == 0).all() for n, length in enumerate(LENGTHS))
    got = F.lstm_backward(spoiled_grad, spoiled, *rest, **options)
    assert_same_bits(got, F.lstm_backward(grad, x, *rest, **options), "padding in gradients")
    assert all((got[0][n, length:] == 0).all() for n, length in enumerate(LENGTHS))
    # a sequence is what it is alone, cut to its length
    for n in (1, 2, 3):
        alone = [a[n : n + 1] for a in (x[:, : LENGTHS[n]], *rest[3:])]
        y, h, c = F.lstm(alone[0].copy(), *rest[:3], *alone[1:], reverse=reverse)
        np.testing.assert_array_equal(y[0], want[0][n, : LENGTHS[n]])
        np.testing.assert_array_equal((h[0], c[0]), (want[1][n], want[2][n]))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
def test_nothing_is_written_beyond_the_outputs(isa, lengths, rng, workspace):
    """And of an output with more columns than units, none but the layer's own."""
    ws = workspace(2, isa)
    inputs = problem(rng)
    x, w_ih, w_hh, bias, h0, c0 = inputs
    wide, offset = H + 9, 4
    shapes = [(N, T, wide), (N, H), (N, H), (N, T, 4 * H), (N, T, H)]
    outs, checks = zip(*(guarded(*s) for s in shapes), strict=True)
    outs[0].fill(GUARD)
    _core.lstm(*outs, x, h0, c0, lengths, None, w_ih, w_hh, bias, offset, False, ws)
    mine = slice(offset, offset + H)
    np.testing.assert_array_equal(outs[0][..., mine], F.lstm(*inputs, lengths=lengths)[0])
    others = np.delete(outs[0], np.arange(wide)[mine], axis=2)
    assert (others == GUARD).all()
    grad = normal(rng, N, T, wide)
    shapes = [x.shape, (N, H), (N, H), w_ih.shape, w_hh.shape, bias.shape]
    grads, more = zip(*(guarded(*s) for s in shapes), strict=True)
    for g in grads[3:]:
        g.fill(1)  # parameter gradients are added to
    given = (
        grad,
        None,
        None,
        outs[0],
        outs[3],
        outs[4],
        x,
        h0,
        c0,
        lengths,
        None,
        w_ih,
        w_hh,
        offset,
    )
    _core.lstm_backward(*grads, *given, False, (True,) * 3, ws)
    dx, dw_ih, dw_hh, db, dh0, dc0 = F.lstm_backward(
        np.ascontiguousarray(grad[..., mine]), *inputs, lengths=lengths
    )
    want = dx, dh0, dc0, dw_ih, dw_hh, db
    for g, w, before in zip(grads, want, (0, 0, 0, 1, 1, 1), strict=True):
        np.testing.assert_allclose(g, w + before, rtol=1e-5, atol=1e-5)
    _core.lstm_backward(*[None] * 6, *given, False, (True,) * 3, ws)  # each may be left out
    for i, w in enumerate(want):
        one = [None] * 6
        one[i] = np.zeros_like(w)
        _core.lstm_backward(*one, *given, False, (True,) * 3, ws)
        np.testing.assert_array_equal(one[i], w)
    for check in (*checks, *more):
        check()


def test_long_sequences_and_extreme_values(rng):
    """Gates saturate; nothing overflows."""
    inputs = problem(rng, 400)
    y, h, c = F.lstm(100 * inputs[0], *inputs[1:])
    assert np.isfinite(y).all() and np.isfinite(c).all() and np.abs(y).max() <= 1
    grads = F.lstm_backward(np.ones_like(y), 100 * inputs[0], *inputs[1:])
    assert all(np.isfinite(g).all() for g in grads)


@pytest.mark.parametrize("n, t, units", [(0, 3, 2), (3, 0, 2), (3, 2, 0)])
@pytest.mark.parametrize("repeat", [False, True])
def test_nothing_in(n, t, units, repeat, rng):
    x, h0 = normal(rng, n, 1 if repeat else t, 2), normal(rng, n, units)
    w, u = normal(rng, 4 * units, 2), normal(rng, 4 * units, units)
    steps = {"steps": t} if repeat else {}
    y, h, c = F.lstm(x, w, u, None, h0, **steps)
    assert y.shape == (n, t, units)
    grad, dh = np.ones_like(y), np.ones_like(h)
    dx, *_, dh0, dc0 = F.lstm_backward(grad, x, w, u, None, h0, **steps, dh=dh)
    assert dc0 is None
    if t == 0:
        np.testing.assert_array_equal(h, h0)
        np.testing.assert_array_equal(dh0, dh)
    if 0 in (t, units):
        assert (dx == 0).all() and (c == 0).all()


def call(**changes):
    """Call lstm with one thing changed."""
    rng = np.random.default_rng(0)
    names = ("x", "w_ih", "w_hh", "bias", "h0", "c0")
    given = dict(zip(names, problem(rng), strict=True)) | changes
    return F.lstm(**given)


WRONG = [
    ({"x": None}, TypeError, "x: expected a numpy array"),
    ({"x": np.zeros((N, WIDTH), np.float32)}, ValueError, "x: expected 3 dimensions"),
    ({"x": np.zeros((N, T, WIDTH))}, TypeError, "x: expected an array of float32, got float64"),
    (
        {"x": np.zeros((N, T, 2 * WIDTH), np.float32)[..., ::2]},
        ValueError,
        "x: expected a C-contig",
    ),
    ({"w_ih": np.zeros((4 * H, WIDTH + 1), np.float32)}, ValueError, r"weight_ih: .*\(G=72, F=3\)"),
    ({"w_ih": np.zeros((3 * H, WIDTH), np.float32)}, ValueError, "weight_ih: expected shape"),
    ({"w_hh": np.zeros((4 * H, H + 1), np.float32)}, ValueError, "weight_ih: expected shape"),
    ({"w_hh": None}, TypeError, "w_hh"),
    ({"bias": np.zeros(H, np.float32)}, ValueError, r"bias: expected shape \(G=72\)"),
    ({"h0": np.zeros((N, H + 1), np.float32)}, ValueError, "h0: expected shape"),
    ({"c0": np.zeros((N + 1, H), np.float32)}, ValueError, "c0: expected shape"),
    ({"c0": np.zeros((N, H))}, TypeError, "c0: expected an array of float32"),
    ({"lengths": LENGTHS.astype(np.int32)}, TypeError, "lengths: expected an array of int64"),
    ({"lengths": LENGTHS[1:].copy()}, ValueError, "lengths: expected shape"),
    ({"lengths": LENGTHS + 1}, ValueError, "lengths: expected 0 to 7, got 8 at position 2"),
    ({"lengths": LENGTHS - 1}, ValueError, "lengths: expected 0 to 7, got -1 at position 0"),
    ({"lengths": list(LENGTHS)}, TypeError, "lengths: expected a numpy array"),
    ({"steps": T}, ValueError, "steps: expected x of shape"),
    (
        {"x": np.zeros((N, 1, WIDTH), np.float32), "steps": -1},
        ValueError,
        "steps: expected at least 0",
    ),
]


@pytest.mark.parametrize("changes, error, words", WRONG, ids=map(str, range(len(WRONG))))
def test_refused(changes, error, words):
    with pytest.raises(error, match=words):
        call(**changes)


def test_gradients_of_other_shapes_are_refused(rng):
    inputs = problem(rng)
    good = normal(rng, N, T, H)
    for grad, more, words in (
        (good[:, :-1].copy(), {}, "grad: expected shape"),
        (good, {"dh": normal(rng, N, H + 1)}, "dh: expected shape"),
        (good, {"dc": normal(rng, H)}, "dc: expected shape"),
    ):
        with pytest.raises(ValueError, match=words):
            F.lstm_backward(grad, *inputs, **more)


def test_columns_and_memory_are_checked(rng):
    x, w_ih, w_hh, bias, h0, c0 = problem(rng)
    y, h, gates = np.empty((N, T, H), np.float32), h0.copy(), np.empty((N, T, 4 * H), np.float32)
    ws = _core.Workspace()
    for offset in (-1, 1):
        with pytest.raises(ValueError, match="offset: .* leaves no room for 18 units in 18"):
            rest = x, None, None, None, None, w_ih, w_hh, None, offset, False, ws
            _core.lstm(y, h, c0, gates, y.copy(), *rest)
    with pytest.raises(ValueError, match="h: shares memory with h0"):
        _core.lstm(
            y, h0, c0, gates, y.copy(), x, h0, None, None, None, w_ih, w_hh, bias, 0, False, ws
        )


# ---- the layer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("way", ["forward", "both", "reverse"])
def test_layer_with_lengths(way, last, rng):
    """Padded sequences give what each gives alone, forward and backward."""
    layer = nn.LSTM(WIDTH, 5, 2, way == "both", last=last, reverse=way == "reverse")
    x = normal(rng, N, T, WIDTH)
    grad = normal(rng, *run(layer, x).y.shape)
    y, dx, grads = gradients(layer, x, grad, training=True, lengths=LENGTHS)
    assert (y[LENGTHS == 0] == 0).all()
    for _, p in layer.parameters():
        p.forget_grad()
    for n, length in enumerate(LENGTHS):
        if length == 0:
            assert (dx[n] == 0).all()
            continue
        one = run(layer, x[n : n + 1, :length].copy())
        mine = slice(n, n + 1) if last else (slice(n, n + 1), slice(0, length))
        np.testing.assert_allclose(one.y, y[mine], rtol=1e-5, atol=1e-6)
        alone = one.back(np.ascontiguousarray(grad[mine]))[0]
        np.testing.assert_allclose(alone, dx[n, :length], rtol=1e-4, atol=1e-5)
        assert (dx[n, length:] == 0).all()
    for name, p in layer.parameters():
        np.testing.assert_allclose(p.grad, grads[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_parameters_of_the_layer():
    layer = nn.LSTM(3, 100, 2, True)
    names = [name for name, _ in layer.parameters()]
    kinds = ("weight_ih", "weight_hh", "bias")
    assert names == [f"{one}.{kind}" for one in ("0", "0r", "1", "1r") for kind in kinds]
    assert [p.shape[-1] for name, p in layer.parameters() if "ih" in name] == [3, 3, 200, 200]
    layer.initialize(7)
    for _, p in layer.parameters():
        assert 0.09 < np.abs(p.value).max() <= 0.1 and abs(p.value.mean()) < 0.01


def test_reverse_is_the_layer_from_the_end(rng):
    there, back = nn.LSTM(3, 4, 2), nn.LSTM(3, 4, 2, reverse=True)
    for layer in (there, back):
        layer.initialize(3)
    x = normal(rng, 5, 7, 3)
    x[2, 4:] = np.nan
    lengths = np.array([7, 7, 4, 7, 7])
    y = run(back, x, lengths=lengths).y
    turned = np.stack(
        [np.concatenate([s[:n][::-1], s[n:]]) for s, n in zip(x, lengths, strict=True)]
    )
    want = run(there, turned, lengths=lengths).y
    for got, w, n in zip(y, want, lengths, strict=True):
        np.testing.assert_array_equal(got[:n], w[:n][::-1])
    assert "reverse=True" in repr(back) and "reverse" not in repr(there)
    with pytest.raises(ValueError, match="reverse: expected False with bidirectional"):
        nn.LSTM(3, 4, 1, True, reverse=True)
    with pytest.raises(TypeError, match="reverse: expected True or False, got 1"):
        nn.LSTM(3, 4, reverse=1)


def test_repeated_vectors_are_multiplied_as_sequences_are(rng):
    there, again = nn.LSTM(3, 4, 2, True, steps=6), nn.LSTM(3, 4, 2, True)
    for layer in (there, again):
        layer.initialize(3)
    x = normal(rng, 5, 3)
    once, each = run(there, x), run(again, x[:, None].repeat(6, 1))
    np.testing.assert_allclose(once.y, each.y, rtol=1e-5, atol=1e-6)
    grad = normal(rng, *once.y.shape)
    want = each.back(grad).sum(1)
    np.testing.assert_allclose(once.back(grad), want, rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_not_finite_is_named(rng):
    model = ae.Autoencoder(ae.LSTM(8, 2, True), 4, batch_size=16, random_state=0)
    x = normal(rng, 16, 5, 3)
    model.partial_fit(x)
    dict(model._network.parameters())["decoder.0.1r.weight_hh"].value.flat[0] = np.inf
    with pytest.raises(FloatingPointError, match=r"the output of decoder\.0, LSTM"):
        model.partial_fit(x)


# ---- the GRU, and masks of the state -------------------------------------------------------------


def gru_problem(rng, steps=T):
    x, w_ih, w_hh, bias, h0, _ = problem(rng, steps)
    return x, w_ih[: 3 * H].copy(), w_hh[: 3 * H].copy(), bias, h0


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("steps", [None, T], ids=["each", "repeated"])
def test_all_results_and_gradients_of_a_gru(isa, reverse, lengths, steps, rng, workspace):
    inputs = gru_problem(rng, T if steps is None else 1)
    options = {"lengths": lengths, "reverse": reverse, "steps": steps}
    grad, dh = normal(rng, N, T, H), normal(rng, N, H)
    want = twin.gru(*double(inputs), **options)
    want += twin.gru_backward(grad.astype(float), *double(inputs), **options, dh=dh.astype(float))
    results = []
    for threads in THREADS:
        workspace(threads, isa)
        got = F.gru(*inputs, **options)
        results.append(got + F.gru_backward(grad, *inputs, **options, dh=dh))
    for g, w in zip(results[0], want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=2e-5 * max(1, np.abs(w).mean()))
    for other in results[1:]:
        assert_same_bits(results[0], other, "the bits depend on the number of threads")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("reverse", [False, True])
def test_padding_has_no_influence_on_a_gru(isa, reverse, rng, workspace):
    workspace(2, isa)
    x, *rest = gru_problem(rng)
    grad = normal(rng, N, T, H)
    spoiled, spoiled_grad = x.copy(), grad.copy()
    for n, length in enumerate(LENGTHS):
        spoiled[n, length:] = spoiled_grad[n, length:] = np.nan
    options = {"lengths": LENGTHS, "reverse": reverse}
    got, want = F.gru(spoiled, *rest, **options), F.gru(x, *rest, **options)
    assert_same_bits(got, want, "padding in y or h")
    got = F.gru_backward(spoiled_grad, spoiled, *rest, **options)
    assert_same_bits(got, F.gru_backward(grad, x, *rest, **options), "padding in gradients")
    for n in (1, 2, 3):
        alone = [a[n : n + 1] for a in (x[:, : LENGTHS[n]], rest[3])]
        y, h = F.gru(alone[0].copy(), *rest[:3], alone[1], reverse=reverse)
        np.testing.assert_array_equal(y[0], want[0][n, : LENGTHS[n]])
        np.testing.assert_array_equal(h[0], want[1][n])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("mask", [False, True])
def test_a_gru_writes_nothing_beyond_its_outputs(isa, mask, rng, workspace):
    ws = workspace(2, isa)
    x, w_ih, w_hh, bias, h0 = inputs = gru_problem(rng)
    mask = rng.random((N, H), np.float32) if mask else None
    wide, offset, mine = H + 9, 4, slice(4, 4 + H)
    shapes = [(N, T, wide), (N, H), (N, T, 4 * H)]
    outs, checks = zip(*(guarded(*s) for s in shapes), strict=True)
    outs[0].fill(GUARD)
    _core.gru(*outs, x, h0, LENGTHS, mask, w_ih, w_hh, bias, offset, False, ws)
    how = {"lengths": LENGTHS, "recurrent_mask": mask}
    np.testing.assert_array_equal(outs[0][..., mine], F.gru(*inputs, **how)[0])
    assert (np.delete(outs[0], np.arange(wide)[mine], axis=2) == GUARD).all()
    grad = normal(rng, N, T, wide)
    shapes = [x.shape, (N, H), w_ih.shape, w_hh.shape, bias.shape]
    grads, more = zip(*(guarded(*s) for s in shapes), strict=True)
    for g in grads[2:]:
        g.fill(1)  # parameter gradients are added to
    given = grad, None, outs[0], outs[2], x, h0, LENGTHS, mask, w_ih, w_hh, offset
    _core.gru_backward(*grads, *given, False, (True,) * 3, ws)
    dx, dw_ih, dw_hh, db, dh0 = F.gru_backward(
        np.ascontiguousarray(grad[..., mine]), *inputs, **how
    )
    want = dx, dh0, dw_ih, dw_hh, db
    for g, w, before in zip(grads, want, (0, 0, 1, 1, 1), strict=True):
        np.testing.assert_allclose(g, w + before, rtol=1e-5, atol=1e-5)
    for i, w in enumerate(want):  # each may be left out
        one = [None] * 5
        one[i] = np.zeros_like(w)
        _core.gru_backward(*one, *given, False, (True,) * 3, ws)
        np.testing.assert_array_equal(one[i], w)
    for check in (*checks, *more):
        check()


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"w_ih": np.zeros((4 * H, WIDTH), np.float32)}, "weight_ih: expected shape"),
        ({"w_hh": np.zeros((4 * H, H), np.float32)}, "weight_.h: expected shape"),
        ({"bias": np.zeros(3 * H, np.float32)}, r"bias: expected shape \(S=72\)"),
        ({"h0": np.zeros((N, H + 1), np.float32)}, "h0: expected shape"),
        ({"recurrent_mask": np.zeros(H, np.float32)}, "mask: expected shape"),
        ({"lengths": LENGTHS + 1}, "lengths: expected 0 to 7"),
    ],
)
def test_a_gru_refuses(changes, words, rng):
    names = ("x", "w_ih", "w_hh", "bias", "h0")
    with pytest.raises(ValueError, match=words):
        F.gru(**dict(zip(names, gru_problem(rng), strict=True)) | changes)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_mask_of_zeros_is_a_layer_without_memory_of_h(name, rng):
    """And one of ones is none at all, to the last bit."""
    inputs = problem(rng) if name == "lstm" else gru_problem(rng)
    layer, back = getattr(F, name), getattr(F, f"{name}_backward")
    grad, ones = normal(rng, N, T, H), np.ones((N, H), np.float32)
    plain = layer(*inputs) + back(grad, *inputs)
    masked = layer(*inputs, recurrent_mask=ones) + back(grad, *inputs, recurrent_mask=ones)
    assert_same_bits(plain, masked, "a mask of ones")
    without = list(inputs)
    without[2] = np.zeros_like(inputs[2])
    np.testing.assert_array_equal(layer(*inputs, recurrent_mask=0 * ones)[0], layer(*without)[0])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_dropout(kind, rng):
    """One mask for each sequence, in training alone; reproducible, and right on average."""
    layer = kind(3, 40, recurrent_dropout=0.5)
    plain = kind(3, 40)
    for one in (layer, plain):
        one.initialize(3)
    layer.seed = 7
    x = normal(rng, 6, 5, 3)
    np.testing.assert_array_equal(run(layer, x).y, run(plain, x).y)
    first = run(layer, x, training=True).y
    np.testing.assert_array_equal(first[:, 0], run(plain, x).y[:, 0])  # there is no state before
    assert (first[:, 1] != run(plain, x).y[:, 1]).any()
    assert layer.buffer("position")[0] == 6 * 40
    assert (run(layer, x, training=True).y != first).any()
    layer.buffer("position").fill(0)
    np.testing.assert_array_equal(run(layer, x, training=True).y, first)
    draws = np.mean([run(layer, x, training=True).y[:, 1] for _ in range(400)], axis=0)
    np.testing.assert_allclose(draws, run(plain, x).y[:, 1], atol=0.03)
    with pytest.raises(ValueError, match="recurrent_dropout: expected a number from 0"):
        kind(3, 4, recurrent_dropout=1.0)
    deep = kind(3, 4, 2, True, recurrent_dropout=0.3)
    deep.initialize(1)
    deep.seed = 2
    y, dx, grads = gradients(deep, x, normal(rng, 6, 5, 8), training=True)
    assert np.isfinite(dx).all() and all(np.isfinite(g).all() for g in grads.values())


@pytest.mark.parametrize("arch", [ae.LSTM, ae.GRU])
def test_recurrent_dropout_in_a_model(arch, rng):
    X = normal(rng, 60, 6, 2)
    how = {"epochs": 3, "batch_size": 16, "random_state": 0}
    dropped = [
        ae.Autoencoder(arch(8, recurrent_dropout=0.3), 3, n_threads=t, **how).fit(X) for t in (1, 3)
    ]
    for name, value in dropped[0].parameters_.items():
        np.testing.assert_array_equal(value, dropped[1].parameters_[name])
    np.testing.assert_array_equal(dropped[0].transform(X), dropped[0].transform(X))
    half = ae.Autoencoder(arch(8, recurrent_dropout=0.3), 3, **how | {"epochs": 1}).fit(X)
    half.set_params(warm_start=True, epochs=2).fit(X)
    for name, value in dropped[0].parameters_.items():
        np.testing.assert_array_equal(value, half.parameters_[name])

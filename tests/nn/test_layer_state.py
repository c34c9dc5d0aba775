"""Layers between calls: a tape's memory, fresh values, copies, buffers, noise, names."""

import copy
import gc
import pickle
import tracemalloc

import numpy as np
import pytest
from aecore import nn
from cases.base import normal
from support.layers import gradients, run
from support.modules import assert_same_state, state

RELU = "relu"


def deep_stack():
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1, activation=RELU),
        nn.Residual(nn.Sequential(nn.Activation(RELU), nn.Conv2d(16, 16, 3, 1, 1))),
        nn.Residual(nn.Conv2d(16, 16, 3, 1, 1, activation="elu")),
        nn.BatchNorm2d(16),
        nn.Dropout(0.2),
        nn.GroupNorm(4, 16),
        nn.LayerNorm(16),
        nn.Activation("gelu"),
        nn.MaxPool2d(2),
        nn.Upsample2d(2),
        nn.VectorQuantizer(32, 16, restart_dead=False),
        nn.VectorQuantizer(32, 16, codebook="loss", restart_dead=False),
        nn.Reshape((64, 16)),
        nn.LSTM(16, 8, 2, True),
        nn.GRU(16, 16),
        nn.TimeDistributed(nn.Linear(16, 16)),
        nn.Flatten(),
        nn.Linear(1024, 128, activation="tanh"),
        nn.Linear(128, 1024),
        nn.Reshape((16, 64)),
        nn.PositionalEmbedding(16, 64),
        nn.TransformerBlock(64, 4, 32),
        nn.TimeDistributed(nn.Linear(64, 64)),
        nn.Reshape((8, 8, 16)),
        nn.ConvTranspose2d(16, 3, 4, 2, 1),
    )


def quantizer_stack():
    options = {"codebook": "loss", "restart_dead": False}
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1),
        nn.VectorQuantizer(32, 16, **options, distance="cosine"),
        nn.ResidualQuantizer(3, 32, 16, **options),
        nn.FiniteScalarQuantizer((2,) * 12 + (3,) * 4),
        nn.VectorQuantizer(32, 16, **options, gradient="rotation", projection_dim=8),
        nn.GroupedQuantizer(*(nn.FiniteScalarQuantizer((2,) * 8, 2) for _ in range(2))),
        nn.ConvTranspose2d(16, 3, 4, 2, 1),
    )


def test_steady_state_allocates_nothing(rng, workspace):
    """Beyond the objects of Python, which batches of one sample have too."""
    ws = workspace(2)
    stack, tape = deep_stack(), nn.Tape()
    flat = nn.Flat([("stack", stack)])

    def step(batches):
        for x in batches:
            flat.forget_gradients()
            run(stack, x, training=True, wanted=False, tape=tape).back(x)

    def traced(*sizes):
        batches = [normal(rng, n, 16, 16, 3) for n in sizes]
        step(batches)
        grown, nbytes, found = ws.grown, tape.nbytes, []
        tracemalloc.start()
        try:
            for _ in range(40):  # so that what is made once is there, and plans have settled
                step(batches)
            for _ in range(5):
                gc.collect()  # and Python's own spare objects aren't
                before, _ = tracemalloc.get_traced_memory()
                tracemalloc.reset_peak()
                step(batches)
                _, peak = tracemalloc.get_traced_memory()
                gc.collect()
                after, _ = tracemalloc.get_traced_memory()
                found.append((peak - before, after - before))
        finally:
            tracemalloc.stop()
        assert ws.grown == grown and tape.nbytes == nbytes
        return np.min(found, axis=0)  # other threads of the process allocate now and then

    alone, _ = traced(1, 2, 1, 2)
    on_the_way, stayed = traced(24, 16, 24, 16)
    # the smallest activation of a batch has 16 * 128 floats: 8 kB; views and frames are smaller
    assert on_the_way - alone < 5000, f"{on_the_way - alone} bytes were allocated on the way"
    assert stayed < 2000, f"{stayed} bytes stayed"


@pytest.mark.parametrize("make", [deep_stack, quantizer_stack])
def test_bits_are_the_same_for_any_number_of_threads(make, rng, workspace):
    x, grad = normal(rng, 24, 16, 16, 3), normal(rng, 24, 16, 16, 3)
    results = []
    for threads in (1, 2, 3):
        workspace(threads)
        stack = make()
        stack.initialize(3)
        stack.seed_noise(3)
        y, dx, grads = gradients(stack, x, grad, training=True)
        grads = {f"gradient of {name}": g for name, g in grads.items()}
        results.append({"y": y, "dx": dx, **grads, **state(stack)})
    for other in results[1:]:
        assert_same_state(results[0], other)


def test_memory_grows_and_serves_smaller_batches():
    layer, tape = nn.Linear(3, 4), nn.Tape()

    def ran(n):
        return run(layer, np.ones((n, 3), np.float32), tape=tape).y

    small = ran(2)
    large = ran(5)  # somebody still looks at the small one
    assert small.base is not large.base
    del small, large
    large = ran(9)
    assert tape.nbytes == 4 * 4 * (2 + 9)
    memory = id(large.base)
    del large
    again = ran(2)
    assert id(again.base) == memory and again.shape == (2, 4)
    del again
    assert id(ran(9).base) == memory and tape.nbytes == 4 * 4 * (2 + 9)


def test_fresh_values_are_pytorchs(rng):
    """Uniform in plus or minus 1 / sqrt(fan-in); that of a transposed one counts its outputs."""
    for layer, fan_in in (
        (nn.Linear(300, 200), 300),
        (nn.Conv2d(30, 70, (3, 5)), 30 * 15),
        (nn.ConvTranspose2d(30, 70, (3, 5)), 70 * 15),
    ):
        layer.initialize(7)
        bound = fan_in**-0.5
        w = layer.weight.value / bound
        assert 0.999 < w.max() <= 1 and -1 <= w.min() < -0.999
        assert abs(w.mean()) < 0.02 and abs(w.std() - 3**-0.5) < 0.01
        b = layer.bias.value / bound
        assert 0.9 < b.max() <= 1 and -1 <= b.min() < -0.9
    tied = nn.TiedLinear(nn.Linear(300, 200))
    assert 0.9 * 200**-0.5 < np.abs(tied.bias.value).max() <= 200**-0.5
    norm = nn.BatchNorm2d(5)
    assert (norm.weight.value == 1).all() and (norm.bias.value == 0).all()
    codes = nn.VectorQuantizer(500, 100).codebook
    assert abs(codes.std() - 0.1) < 0.002 and abs(codes.mean()) < 0.002


def test_fresh_values_are_a_function_of_the_seed(rng):
    a, b = deep_stack(), deep_stack()
    first = a.initialize(5)
    a(normal(rng, 4, 16, 16, 3), training=True)  # moves buffers
    assert a.initialize(5) == b.initialize(5) == first
    # every element that is drawn has a place of its own in the stream
    drawn = sum(p.value.size for _, p in a.parameters())
    assert first == drawn + a.layers[10].codebook.size
    assert_same_state(state(a), state(b))
    b.initialize(6)
    weights = [name for name in state(a) if name.endswith("weight") or "entries" in name]
    assert len(weights) > 8
    for name in weights:
        if state(a)[name].std() > 0:
            assert (state(a)[name] != state(b)[name]).mean() > 0.9, name
    other = nn.Linear(20, 20)
    other.initialize(5, first)
    assert not np.isin(other.weight.value, a.layers[0].weight.value).any()


def test_layers_are_random_without_a_seed():
    assert (nn.Linear(5, 5).weight.value != nn.Linear(5, 5).weight.value).any()
    assert nn.Dropout(0.5).seed != nn.Dropout(0.5).seed


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_compute_the_same_and_share_nothing(way, rng):
    stack = deep_stack()
    x, grad = normal(rng, 4, 16, 16, 3), normal(rng, 4, 16, 16, 3)
    names = [set(vars(m)) for _, m in stack.modules()]
    gradients(stack, x, grad, training=True)
    assert names == [set(vars(m)) for _, m in stack.modules()]  # a pass leaves nothing there
    twin = way(stack)
    assert repr(twin) == repr(stack)
    assert all((p.grad == 0).all() for _, p in twin.parameters())
    assert_same_state(state(stack), state(twin))
    ours, theirs = (gradients(m, x, grad, training=True) for m in (stack, twin))  # noise goes on
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])
    assert_same_state(ours[2], theirs[2])
    for (_, p), (_, q) in zip(stack.parameters(), twin.parameters(), strict=True):
        assert not np.shares_memory(p.value, q.value)
    assert_same_state(state(stack), state(twin))


def test_flat_holds_every_parameter_once():
    there, back = nn.Linear(7, 3, activation=RELU), nn.Linear(3, 5)
    decoder = nn.Sequential(nn.TiedLinear(back), nn.TiedLinear(there))
    before = state(there)["weight"]
    flat = nn.Flat([("encoder", nn.Sequential(there, back)), ("decoder", decoder)])
    assert list(flat.named) == [
        "encoder.0.weight", "encoder.0.bias", "encoder.1.weight", "encoder.1.bias",
        "decoder.0.bias", "decoder.1.bias",
    ]  # fmt: skip
    assert flat.size == 7 * 3 + 3 + 3 * 5 + 5 + 3 + 7
    assert repr(flat) == f"Flat(6 parameters of {flat.size} values)"
    assert decoder.layers[1].weight is there.weight
    np.testing.assert_array_equal(there.weight.value, before)
    start = flat.value.ctypes.data
    for name, p in flat.named.items():
        assert np.shares_memory(p.value, flat.value) and np.shares_memory(p.grad, flat.grad), name
        assert (p.value.ctypes.data - start) % 64 == 0, name
        assert p.value.ctypes.data - start == p.grad.ctypes.data - flat.grad.ctypes.data
    flat.grad.fill(3)
    assert (there.weight.grad == 3).all() and (decoder.layers[1].bias.grad == 3).all()


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_flat_stays_linked_in_copies(way):
    there = nn.Linear(7, 3)
    back = nn.TiedLinear(there)
    flat = nn.Flat([("there", there), ("back", back)])
    net = way({"flat": flat, "there": there, "back": back})
    assert net["there"].weight is net["back"].weight is net["flat"].named["there.weight"]
    np.testing.assert_array_equal(net["flat"].value, flat.value)
    net["flat"].value[:] = 2
    net["flat"].grad[:] = 1
    for p in (net["there"].weight, net["there"].bias, net["back"].bias):
        assert (p.value == 2).all() and (p.grad == 1).all()
    assert not (there.weight.value == 2).any()


def test_tied_gradients_add_up(rng):
    there = nn.Linear(5, 3)
    back = nn.TiedLinear(there, bias=False)
    x, grad = normal(rng, 4, 5), normal(rng, 4, 5)
    ran = run(lambda v: back(there(v)), x)
    y = ran.y
    code = x @ there.weight.value.T + there.bias.value
    np.testing.assert_allclose(y, code @ there.weight.value, rtol=1e-5, atol=1e-5)
    ran.back(grad)
    want = code.T @ grad + (grad @ there.weight.value.T).T @ x
    np.testing.assert_allclose(there.weight.grad, want, rtol=1e-4, atol=1e-5)


def test_tied_kernels_go_the_way_of_gradients(rng):
    """A tied layer without bias is the gradient of its convolution, and the other way round."""
    there = nn.Conv2d(3, 5, 4, 2, 1)
    back = nn.TiedConvTranspose2d(there, (0, 1), bias=False)
    x, z = normal(rng, 2, 6, 7, 3), normal(rng, 2, 3, 3, 5)
    ran = run(back, z)
    np.testing.assert_allclose(ran.y, run(there, x).back(z), rtol=1e-4, atol=1e-5)
    first = there.weight.grad.copy()  # of z * (W x): what z * W x and x * W'z have in common
    ran.back(x)
    np.testing.assert_allclose(there.weight.grad, 2 * first, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (nn.Linear(5, 3), nn.TiedLinear),
        lambda: (nn.Conv2d(2, 3, 2), nn.TiedConvTranspose2d),
    ],
)
def test_making_a_tied_layer_leaves_the_weight_alone(make):
    there, tied = make()
    before = there.weight.value.copy()
    tied(there)
    np.testing.assert_array_equal(there.weight.value, before)


def test_names():
    stack = nn.Sequential(nn.Linear(2, 2), nn.Residual(nn.Sequential(nn.BatchNorm2d(2))))
    assert [name for name, _ in stack.parameters()] == [
        "0.weight", "0.bias", "1.body.0.weight", "1.body.0.bias",
    ]  # fmt: skip
    assert [n for n, _ in stack.buffers()] == ["1.body.0.running_mean", "1.body.0.running_var"]
    assert stack.n_parameters == 10


REPRS = {
    "Linear(3, 4)": lambda: nn.Linear(3, 4),
    "Linear(3, 4, bias=False, activation='relu')": lambda: nn.Linear(
        3, 4, bias=False, activation=RELU
    ),
    "TiedLinear(4, 3)": lambda: nn.TiedLinear(nn.Linear(3, 4)),
    "Conv2d(3, 8, 4, stride=2, padding=1)": lambda: nn.Conv2d(3, 8, 4, 2, 1),
    "Conv2d(3, 8, (2, 3), bias=False)": lambda: nn.Conv2d(3, 8, (2, 3), bias=False),
    "Conv2d(3, 8, 3, padding='same', dilation=2)": lambda: nn.Conv2d(
        3, 8, 3, padding="same", dilation=2
    ),
    "Conv2d(4, 8, 2, padding='same', groups=2)": lambda: nn.Conv2d(
        4, 8, 2, padding="same", groups=2
    ),
    "Conv1d(3, 8, 4, stride=2, padding=1)": lambda: nn.Conv1d(3, 8, 4, 2, 1),
    "Conv1d(4, 8, 3, padding='same', groups=2, activation='relu')": lambda: nn.Conv1d(
        4, 8, 3, padding="same", groups=2, activation=RELU
    ),
    "Conv1d(3, 8, 3, dilation=4, causal=True, bias=False)": lambda: nn.Conv1d(
        3, 8, 3, dilation=4, causal=True, bias=False
    ),
    "ConvTranspose1d(3, 8, 4, stride=2, padding=1, output_padding=1)": lambda: nn.ConvTranspose1d(
        3, 8, 4, 2, 1, 1
    ),
    "TiedConvTranspose1d(8, 3, 4, stride=2)": lambda: nn.TiedConvTranspose1d(nn.Conv1d(3, 8, 4, 2)),
    "ConvTranspose2d(3, 8, 4, stride=2, padding=1, output_padding=(0, 1), "
    "activation='elu')": lambda: nn.ConvTranspose2d(3, 8, 4, 2, 1, (0, 1), activation="elu"),
    "Activation('gelu')": lambda: nn.Activation("gelu"),
    "TiedConvTranspose2d(8, 3, 4, stride=2, padding=1)": lambda: nn.TiedConvTranspose2d(
        nn.Conv2d(3, 8, 4, 2, 1)
    ),
    "MaxPool2d(2)": lambda: nn.MaxPool2d(2),
    "MaxPool2d((3, 2), stride=1, padding=1)": lambda: nn.MaxPool2d((3, 2), 1, 1),
    "Upsample2d(2)": lambda: nn.Upsample2d(2),
    "Upsample2d((1, 2), mode='bilinear')": lambda: nn.Upsample2d((1, 2), "bilinear"),
    "PixelShuffle(2)": lambda: nn.PixelShuffle(2),
    "PixelUnshuffle(3)": lambda: nn.PixelUnshuffle(3),
    "BatchNorm2d(5)": lambda: nn.BatchNorm2d(5),
    "BatchNorm2d(5, eps=0.1, affine=False, momentum=0.2)": lambda: nn.BatchNorm2d(
        5, eps=0.1, momentum=0.2, affine=False
    ),
    "LayerNorm(5)": lambda: nn.LayerNorm(5),
    "GroupNorm(2, 4)": lambda: nn.GroupNorm(2, 4),
    "LSTM(3, 4)": lambda: nn.LSTM(3, 4),
    "GRU(3, 4, layers=2, recurrent_dropout=0.2)": lambda: nn.GRU(3, 4, 2, recurrent_dropout=0.2),
    "LSTM(3, 4, layers=2, bidirectional=True, steps=5, last=True)": lambda: nn.LSTM(
        3, 4, 2, True, steps=5, last=True
    ),
    "TimeDistributed(\n  (body): Linear(2, 3)\n)": lambda: nn.TimeDistributed(nn.Linear(2, 3)),
    "Dropout(0.25)": lambda: nn.Dropout(0.25),
    "Flatten()": nn.Flatten,
    "Reshape((2, 3))": lambda: nn.Reshape((2, 3)),
    "VectorQuantizer(8, 4)": lambda: nn.VectorQuantizer(8, 4),
    "VectorQuantizer(8, 4, commitment=0.5, codebook='loss', restart_dead=False)": lambda: (
        nn.VectorQuantizer(8, 4, commitment=0.5, codebook="loss", restart_dead=False)
    ),
    "VectorQuantizer(8, 4, distance='cosine')": lambda: nn.VectorQuantizer(8, 4, distance="cosine"),
    "ResidualQuantizer(\n  (0): VectorQuantizer(8, 4)\n  (1): VectorQuantizer(8, 4)\n)": lambda: (
        nn.ResidualQuantizer(2, 8, 4)
    ),
    "FiniteScalarQuantizer((8, 5, 3))": lambda: nn.FiniteScalarQuantizer([8, 5, 3]),
    "FiniteScalarQuantizer((8, 5), depth=2)": lambda: nn.FiniteScalarQuantizer((8, 5), 2),
    "VectorQuantizer(8, 4, gradient='rotation', projection_dim=2\n"
    "  (down): Linear(4, 2)\n  (up): Linear(2, 4)\n)": lambda: nn.VectorQuantizer(
        8, 4, gradient="rotation", projection_dim=2
    ),
    "GroupedQuantizer(\n  (0): LookupFreeQuantizer(3)\n"
    "  (1): LookupFreeQuantizer(3, entropy_weight=1.0)\n)": lambda: nn.GroupedQuantizer(
        nn.LookupFreeQuantizer(3), nn.LookupFreeQuantizer(3, entropy_weight=1.0)
    ),
    "Sequential()": nn.Sequential,
    "Residual(\n  (body): Sequential(\n    (0): Linear(2, 2)\n    (1): Flatten()\n  )\n)": lambda: (
        nn.Residual(nn.Sequential(nn.Linear(2, 2), nn.Flatten()))
    ),
}


@pytest.mark.parametrize("text", REPRS)
def test_repr(text):
    assert repr(REPRS[text]()) == text


# ---- layers with a memory -----------------------------------------------------------------------


def test_batch_norm_follows_the_batches(rng):
    layer = nn.BatchNorm2d(3, momentum=0.25)
    mean, var = np.zeros(3), np.ones(3)
    for n in (5, 2):
        x = 2 * normal(rng, n, 4, 3, 3) + 1
        layer(x, training=True)
        rows = x.reshape(-1, 3).astype(np.float64)
        mean += 0.25 * (rows.mean(0) - mean)
        var += 0.25 * (rows.var(0, ddof=1) - var)
    np.testing.assert_allclose(layer.buffer("running_mean"), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.buffer("running_var"), var, rtol=1e-5)
    y = layer(x)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5)
    before = state(layer)
    layer(np.full((2, 3), np.nan, np.float32), training=True)
    layer(np.zeros((0, 3), np.float32), training=True)
    layer(x)
    assert_same_state(state(layer), before)
    assert np.isfinite(layer(np.ones((1, 3), np.float32), training=True)).all()
    assert np.isfinite(layer.buffer("running_var")).all()


def test_dropout(rng):
    layer = nn.Dropout(0.25)
    layer.seed = 3
    x = 1 + np.abs(normal(rng, 100, 50))
    ran = run(layer, x)
    assert ran.y is x
    grad = normal(rng, 100, 50)
    assert ran.back(grad) is grad
    ran = run(layer, x, training=True)
    y = ran.y
    kept = y != 0
    assert abs(kept.mean() - 0.75) < 0.02
    np.testing.assert_allclose(y[kept], x[kept] / 0.75, rtol=1e-6)
    np.testing.assert_allclose(ran.back(grad), np.where(kept, grad / 0.75, 0), rtol=1e-6)
    assert layer.buffer("position").tolist() == [5000]
    second = layer(x, training=True)
    assert ((second != 0) != kept).mean() > 0.2
    layer.buffer("position")[0] = 0
    np.testing.assert_array_equal(layer(x, training=True), y)


def test_seed_noise_gives_each_layer_its_own(rng):
    a = nn.Sequential(nn.Dropout(0.5), nn.Residual(nn.Dropout(0.5)))
    b = nn.Sequential(nn.Linear(9, 9), nn.VectorQuantizer(4, 9), nn.Dropout(0.5))
    n = a.seed_noise(11)
    assert n == 2 and b.seed_noise(11, n) == 4
    layers = [m for net in (a, b) for _, m in net.modules() if hasattr(m, "seed")]
    seeds = [m.seed for m in layers]
    assert len(set(seeds)) == 4 and all(0 <= s < 2**63 for s in seeds)
    a.seed_noise(11), b.seed_noise(11, n)
    assert seeds == [m.seed for m in layers]
    x = np.ones((50, 9), np.float32)
    first, second = (layers[i](x, training=True) for i in (0, 1))
    assert (first != second).mean() > 0.3

"""Batches in parts, whose gradients are added: the step of the whole batch, in less memory."""

import tracemalloc

import aecore as ae
import numpy as np
import pytest
from aecore.data.arrays import read
from aecore.data.batches import Batches
from aecore.training.parts import TreeSum
from support.objectives import OBJECTIVES, PAIRS, images
from support.resuming import resumed, state

KW = {"epochs": 2, "batch_size": 16, "random_state": 0}
OF_PARTS = {"own modules", "mmd", "tc", "bits"}  # batch statistics, and terms over pairs of samples


def far(one, other, of=None):
    """Return the largest difference of two models' arrays, beside the largest value there."""
    ours, theirs = one._network.arrays(), other._network.arrays()
    sizes = {k: max(1, np.abs(ours[k]).max()) for k in of or ours}
    return max(np.abs(ours[k].astype(float) - theirs[k]).max() / sizes[k] for k in sizes)


@pytest.mark.parametrize("accumulate", [2, 3, 16, 100])
@pytest.mark.parametrize("name", sorted((OBJECTIVES | PAIRS).keys() - OF_PARTS))
def test_a_step_is_that_of_the_whole_batch(name, accumulate):
    x, y = images()
    made = (OBJECTIVES | PAIRS)[name]
    whole = made(**KW).fit(x, y)
    parts = made(accumulate=accumulate, **KW).fit(x, y)
    some = ["parameters"] if name == "vqvae residual" else None  # restarts take other vectors
    assert far(whole, parts, some) < (1e-3 if some else 1e-5)
    for one, other in zip(whole.history_, parts.history_, strict=True):
        assert one.keys() == other.keys()
        for key in one.keys() - {"seconds"}:
            if some and key.startswith("perplexity"):
                continue
            assert other[key] == pytest.approx(one[key], rel=1e-3, abs=1e-4), key


@pytest.mark.parametrize("name", sorted(OF_PARTS))
def test_what_needs_several_samples_sees_a_part(name):
    x, y = images()
    made = (OBJECTIVES | PAIRS)[name]
    whole, parts = made(**KW).fit(x, y), made(accumulate=2, **KW).fit(x, y)
    assert 1e-6 < far(whole, parts)
    assert parts.history_[-1]["loss"] == pytest.approx(whole.history_[-1]["loss"], rel=0.05)


@pytest.mark.parametrize("name", OBJECTIVES | PAIRS)
def test_bits_do_not_depend_on_the_number_of_threads(name):
    x, y = images()
    made = (OBJECTIVES | PAIRS)[name]
    runs = [made(accumulate=3, n_threads=t, **KW).fit(x, y) for t in (1, 2, 3)]
    assert state(runs[0]) == state(runs[1]) == state(runs[2])


@pytest.mark.parametrize(
    "arch",
    [
        ae.LSTM(5),
        ae.Transformer(8, 2, 1),
        ae.LSTM(5, bidirectional=True),
        ae.GRU(5),
        ae.GRU(5, 2, True, recurrent_dropout=0.3),
        ae.LSTM(5, 2, recurrent_dropout=0.3),
        ae.Conv((4, 5)),
    ],
)
def test_sequences_of_different_lengths(arch, rng):
    X = [rng.random((n, 3), np.float32) for n in rng.integers(2, 9, 30)]
    whole, parts = (ae.VAE(arch, 2, accumulate=a, **KW).fit(X) for a in (1, 4))
    # the bias of keys has no gradient but rounding, by whose sign Adam makes whole steps
    assert far(whole, parts) < (2e-3 if isinstance(arch, ae.Transformer) else 1e-5)


def test_values_that_are_missing(rng):
    X, mask = rng.random((40, 6), np.float32), rng.random((40, 6)) < 0.7
    made = (ae.Autoencoder(ae.Dense((8,)), 3, accumulate=a, **KW) for a in (1, 4))
    whole, parts = (model.fit(X, sample_mask=mask) for model in made)
    assert far(whole, parts) < 1e-5
    assert parts.history_[-1]["mse"] == pytest.approx(whole.history_[-1]["mse"], rel=1e-5)


def test_tables(rng):
    X = np.zeros(40, [("x", "f8"), ("w", "U5"), ("b", "?")])
    X["x"], X["w"], X["b"] = rng.normal(size=40), rng.choice(["a", "b"], 40), rng.random(40) < 0.5
    whole, parts = (ae.TabularAutoencoder(accumulate=a, **KW).fit(X) for a in (1, 4))
    assert far(whole, parts) < 1e-4
    np.testing.assert_allclose(whole.score_cells(X), parts.score_cells(X), rtol=1e-3, atol=1e-3)


class Twice(ae.nn.Module):
    def __init__(self):
        self.linear, self.drop = ae.nn.Linear(12, 12), ae.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.linear(self.drop(x)))


def test_dropout_draws_what_the_whole_batch_does(rng):
    X = rng.random((48, 12), np.float32)

    def coders():
        encoder = ae.nn.Sequential(Twice(), ae.nn.Dropout(0.2), ae.nn.Linear(12, 3))
        return encoder, ae.nn.Sequential(ae.nn.Linear(3, 12))

    whole, parts = (ae.Autoencoder(coders(), 3, accumulate=a, **KW).fit(X) for a in (1, 5))
    assert far(whole, parts) < 1e-6
    for name, buffer in whole._network.buffers():
        assert buffer == dict(parts._network.buffers())[name] > 0


def test_resuming_and_partial_fit(tmp_path, rng):
    X = rng.random((50, 12), np.float32)

    def made(**params):
        return ae.VAE(ae.Dense((8,)), 3, accumulate=3, **KW | params)

    whole = made(epochs=4, shuffle=False).fit(X)
    parts = made(shuffle=False)
    for _ in range(4):
        parts.partial_fit(X)
    assert state(whole) == state(parts)
    half = made(shuffle=False).fit(X)
    assert state(resumed(half, tmp_path / "half.safetensors", 2, X)) == state(whole)


def test_a_part_takes_the_memory_of_a_part(rng):
    X = rng.random((4096, 64), np.float32)

    def peak(accumulate):
        how = {"batch_size": 4096, "accumulate": accumulate, "random_state": 0}
        model = ae.Autoencoder(ae.Dense((256, 256, 256)), 3, **how)
        model.initialize(X)
        tracemalloc.start()
        model.partial_fit(X)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(8) < 0.5 * peak(1)


def test_what_is_not_finite_is_named(rng):
    X = rng.random((40, 12), np.float32)
    model = ae.Autoencoder(ae.Dense((8,)), 3, accumulate=4, learning_rate=1e38, **KW)
    with pytest.raises(FloatingPointError, match="batch"):
        model.fit(X * 1e3)
    assert all(np.isfinite(v).all() for v in model.parameters_.values())


@pytest.mark.parametrize("value, error", [(0, ValueError), (1.5, TypeError), (None, TypeError)])
def test_other_numbers_of_parts_are_refused(value, error, rng):
    with pytest.raises(error, match="accumulate"):
        ae.VAE(accumulate=value).fit(rng.random((9, 4)))


# ---- what it is made of -------------------------------------------------------------------------


def tree(leaves, first=0):
    """Return the sum of leaves as `TreeSum` defines it."""
    n = len(leaves)
    if n == 1:
        return leaves[0]
    half = 1 << (n - 1).bit_length() - 1
    return tree(leaves[:half]) + tree(leaves[half:])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 23])
def test_the_tree_has_one_shape(n, rng):
    leaves = list(rng.normal(size=(n, 7)).astype(np.float32))
    for size in (1, 2, 3, 4, 7, n):
        total = TreeSum(7)
        for rank in range(size):
            mine = TreeSum(7)
            for i in range(n * rank // size, n * (rank + 1) // size):
                mine.add(leaves[i], i)
            for first, count, node in mine.nodes():
                total.add(node, first, count)
        np.testing.assert_array_equal(total.take(), tree(leaves), err_msg=f"{size} processes")


def test_parts_of_a_batch(rng):
    x, mask = rng.random((11, 4), np.float32), rng.random((11, 4)) < 0.5
    (batch,) = Batches(read(x, mask=mask), 11)()
    parts = batch.parts(4)
    assert [p.n for p in parts] == [2, 3, 3, 3]
    assert [p.before for p in parts] == [0, 2, 5, 8] and {p.whole for p in parts} == {11}
    assert sum(p.observed for p in parts) == batch.observed
    for name in ("x", "target", "mask", "missing"):
        joined = np.concatenate([getattr(p, name) for p in parts])
        np.testing.assert_array_equal(joined, getattr(batch, name))
        assert np.shares_memory(getattr(parts[1], name), getattr(batch, name))

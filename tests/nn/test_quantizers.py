"""Cosine codes, residual and finite scalar quantisers: values, gradients, how they learn."""

import itertools

import numpy as np
import pytest
from aecore import nn
from cases.base import normal
from support.layers import gradients, run
from support.modules import assert_same_state, state

OPTIONS = {"commitment": 0.5, "restart_dead": False}


def unit(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def nearest(rows, entries):
    rows, entries = np.asarray(rows, np.float64), np.asarray(entries, np.float64)
    return ((rows[..., None, :] - entries) ** 2).sum(-1).argmin(-1)


def check_slopes(values, gradients, loss, rng):
    """Compare gradients with central differences of a float64 loss along random directions."""
    for which, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        for _ in range(3):
            direction = rng.standard_normal(value.shape)
            ends = []
            for step in (1e-6, -1e-6):
                moved = [v.astype(np.float64) for v in values]
                moved[which] += step * direction
                ends.append(loss(*moved))
            slope = (ends[0] - ends[1]) / 2e-6
            got = (gradient.astype(np.float64) * direction).sum()
            assert got == pytest.approx(slope, abs=2e-5 * squared(gradient) ** 0.5), which


def seeded(layer, seed=1):
    layer.initialize(seed)
    layer.seed_noise(seed)
    return layer


def squared(a):
    return float((np.asarray(a, np.float64) ** 2).sum())


# ---- cosine -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ema", "loss"])
def test_cosine_codes_are_at_the_least_angle(mode, rng):
    layer = seeded(nn.VectorQuantizer(9, 4, codebook=mode, distance="cosine", **OPTIONS))
    z = 3 * normal(rng, 5, 2, 3, 4)
    stored = layer.entries.value if mode == "loss" else layer.buffer("entries")
    stored *= np.linspace(0.1, 10, 9, dtype=np.float32)[:, None]  # lengths mean nothing
    angle = unit(z) @ unit(stored).T
    y = layer(z)
    np.testing.assert_array_equal(layer.indices, angle.argmax(-1))
    np.testing.assert_allclose(y, unit(stored)[angle.argmax(-1)], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(y, layer.lookup(layer.indices))
    np.testing.assert_allclose(layer.codebook, unit(stored), rtol=1e-5, atol=1e-6)
    distance = 2 - 2 * angle.max(-1).sum((1, 2)) / 6  # of unit vectors
    np.testing.assert_allclose(layer.terms["vq"] / 6, distance, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.terms["commitment"] / 3, distance, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(layer(7 * z), y)


@pytest.mark.parametrize("mode", ["ema", "loss"])
def test_cosine_gradients_are_those_of_the_surrogate(mode, rng):
    layer = seeded(nn.VectorQuantizer(6, 4, codebook=mode, distance="cosine", **OPTIONS))
    z, weight = 2 * normal(rng, 5, 3, 4), normal(rng, 5, 3, 4)
    chosen, direction = layer(z), unit(z)
    index = layer.indices

    def surrogate(z, entries):
        """What stands behind sg keeps its value; the output passes on the gradient of z / |z|."""
        ours = (weight * unit(z)).sum()
        pull = 0.5 * squared(unit(z) - chosen) / 5
        return ours + pull + squared(direction - unit(entries)[index]) / 5

    y, dz, grads = gradients(layer, z, weight, training=True)
    np.testing.assert_array_equal(y, chosen)
    if mode == "loss":
        once = grads["entries"]
        check_slopes([z, layer.entries.value], [dz, once], surrogate, rng)
        # gradients of parameters add up
        run(layer, z, training=True).back(weight)
        np.testing.assert_allclose(layer.entries.grad, 2 * once, rtol=1e-5, atol=1e-7)
    else:
        fixed = np.ones((6, 4))
        check_slopes([z], [dz], lambda z: surrogate(z, fixed), rng)
    along = np.einsum("ntd,ntd->nt", dz, z)  # a longer vector is the same to it
    np.testing.assert_allclose(along, 0, atol=1e-5)


def test_cosine_averages_are_of_directions(rng):
    layer = seeded(nn.VectorQuantizer(5, 3, decay=0.75, distance="cosine", **OPTIONS))
    count, total = np.ones(5), layer.buffer("entries").astype(np.float64)
    for scale in (1, 9):
        z = scale * normal(rng, 20, 3)
        hot = np.eye(5)[(unit(z) @ unit(total / count[:, None]).T).argmax(-1)]
        layer(z, training=True)
        np.testing.assert_array_equal(layer.indices, hot.argmax(-1))
        count = 0.75 * count + 0.25 * hot.sum(0)
        total = 0.75 * total + 0.25 * hot.T @ unit(z)
        np.testing.assert_allclose(layer.codebook, unit(total), rtol=1e-4, atol=1e-5)


def test_cosine_restarts_and_kmeans_are_of_directions(rng):
    layer = seeded(nn.VectorQuantizer(7, 3, decay=0.5, codebook="loss", distance="cosine"))
    layer.entries.value[2:] = layer.entries.value[0]  # of equal ones the first is used
    z = 50 * normal(rng, 40, 3)
    for _ in range(20):
        layer(z, training=True)
    restarted = layer.entries.value[2:]
    found = np.abs(restarted[:, None] - unit(z)).max(-1).min(1) < 1e-6
    assert found.all() and len(np.unique(layer.indices)) >= 5
    centers = unit(normal(rng, 7, 3))
    rows = centers[rng.integers(0, 7, 300)] * rng.uniform(0.1, 9, (300, 1))
    layer.start_kmeans(rows.astype(np.float32))
    assert (unit(centers) @ layer.codebook.T).max(1).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(layer.codebook, axis=1), 1, rtol=1e-5)


def test_vectors_without_a_direction_stay_finite(rng):
    layer = seeded(nn.VectorQuantizer(4, 3, codebook="loss", distance="cosine"))
    z = np.zeros((4, 2, 3), np.float32)
    z[1], z[3] = 1e-25, 1e25
    z[2] = normal(rng, 2, 3)
    layer.entries.value[0] = 0
    _, dz, _ = gradients(layer, z, np.ones_like(z), training=True)
    layer(z)
    assert (dz[[0, 1, 3]] == 0).all() and (dz[2] != 0).any() and np.isfinite(dz).all()
    assert np.isfinite(layer.entries.grad).all() and np.isfinite(layer.codebook).all()
    assert np.isfinite(layer.terms["vq"]).all()
    with pytest.raises(ValueError, match="read-only"):
        layer.codebook[0] = 1


# ---- residual -----------------------------------------------------------------------------------


def residual_by_hand(z, books):
    """Return what each codebook was given, what it chose, and the sums."""
    given, index, total = [z.astype(np.float64)], [], np.zeros(z.shape)
    for book in books:
        index.append(nearest(given[-1], book))
        given.append(given[-1] - book[index[-1]])
        total += book[index[-1]]
    return given, np.stack(index, -1), total


@pytest.mark.parametrize("mode", ["ema", "loss"])
def test_residual_values_and_terms(mode, rng):
    layer = seeded(nn.ResidualQuantizer(3, 7, 4, codebook=mode, **OPTIONS))
    z = normal(rng, 5, 2, 3, 4)
    given, index, total = residual_by_hand(z, layer.codebook.astype(np.float64))
    y = layer(z)
    np.testing.assert_allclose(y, total, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer.indices, index)
    assert layer.indices.shape == (5, 2, 3, 3) and layer.indices.dtype == np.int64
    np.testing.assert_array_equal(layer.lookup(layer.indices), y)
    gaps = [(left**2).sum((1, 2, 3)) for left in given[1:]]
    np.testing.assert_allclose(layer.terms["vq"], sum(gaps), rtol=1e-5)
    np.testing.assert_allclose(layer.terms["commitment"], 0.5 * sum(gaps), rtol=1e-5)
    assert layer.minimized == (("vq",) if mode == "loss" else ()) + ("commitment",)
    assert layer.codebook.shape == (3, 7, 4) and layer.code_shape == (3,) and layer.n_codes == 7


def test_residual_gradients_are_those_of_the_surrogate(rng):
    layer = seeded(nn.ResidualQuantizer(3, 6, 4, codebook="loss", **OPTIONS))
    z, weight = normal(rng, 5, 3, 4), normal(rng, 5, 3, 4)
    books = layer.codebook.astype(np.float64)
    given, index, _ = residual_by_hand(z, books)
    chosen = [book[index[..., i]] for i, book in enumerate(books)]

    def surrogate(z, *entries):
        value, left = (weight * z).sum(), z
        for i, book in enumerate(entries):
            value += 0.5 * squared(left - chosen[i]) / 5  # the vectors follow fixed entries
            value += squared(given[i] - book[index[..., i]]) / 5  # entries follow fixed vectors
            left = left - chosen[i]
        return value

    _, dz, grads = gradients(layer, z, weight, training=True)
    values = [z, *(one.entries.value for one in layer.layers)]
    check_slopes(values, [dz, *grads.values()], surrogate, rng)


def test_residual_codebooks_learn_what_is_left(rng):
    """Averages, k-means and restarts of a further codebook see what those before leave."""
    layer = seeded(nn.ResidualQuantizer(2, 5, 3, decay=0.5, **OPTIONS))
    z = normal(rng, 60, 3)
    second = seeded(nn.VectorQuantizer(5, 3, decay=0.5, **OPTIONS))
    second.buffer("entries")[...] = layer.layers[1].codebook
    second._start_averages()
    left = z - layer.layers[0].codebook[nearest(z, layer.layers[0].codebook)]
    layer(z, training=True)
    second(left, training=True)
    assert_same_state(state(layer.layers[1]), state(second))
    layer.start_kmeans(z)
    second.seed = layer.layers[1].seed
    second.start_kmeans(z - layer.layers[0](z))
    np.testing.assert_array_equal(layer.layers[1].codebook, second.codebook)
    layer = seeded(nn.ResidualQuantizer(2, 5, 3, decay=0.5, codebook="loss"))
    layer.layers[1].entries.value[2:] = 100
    for _ in range(20):
        layer(z, training=True)
    left = z - layer.layers[0].codebook[layer.indices[:, 0]]
    distance = np.abs(layer.layers[1].codebook[2:, None] - left).max(-1).min(1)
    assert (distance < 1e-6).all()


def test_every_codebook_lowers_the_error(rng):
    z = normal(rng, 500, 4)
    layer = seeded(nn.ResidualQuantizer(5, 8, 4))
    layer.start_kmeans(z)
    layer(z)
    total, errors = np.zeros_like(z), []
    for i, one in enumerate(layer.layers):
        total += one.lookup(layer.indices[:, i])
        errors.append(squared(z - total))
    assert all(b < 0.8 * a for a, b in itertools.pairwise(errors))


def test_one_residual_codebook_is_a_vector_quantizer(rng):
    one, plain = seeded(nn.ResidualQuantizer(1, 7, 3)), seeded(nn.VectorQuantizer(7, 3))
    assert one.initialize(5) == plain.initialize(5)
    z, grad = normal(rng, 9, 2, 3), normal(rng, 9, 2, 3)
    ours, theirs = (gradients(layer, z, grad, training=True) for layer in (one, plain))
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])
    assert_same_state(state(one.layers[0]), state(plain))
    np.testing.assert_array_equal(one(z), plain(z))
    np.testing.assert_array_equal(one.indices[..., 0], plain.indices)


# ---- finite scalar ------------------------------------------------------------------------------


def fsq_by_hand(z, levels):
    """Return the points and their numbers: the nearest of evenly spaced values to tanh."""
    squashed, number, place = np.tanh(np.asarray(z, np.float64)), 0, 1
    y = np.empty(z.shape)
    for j, n in enumerate(levels):
        grid = np.linspace(-1, 1, n)
        right = np.searchsorted(grid, squashed[..., j]).clip(1, n - 1)
        k = right - (squashed[..., j] - grid[right - 1] < grid[right] - squashed[..., j])
        y[..., j], number, place = grid[k], number + k * place, place * n
    return y, number


@pytest.mark.parametrize("levels", [(2,), (3,), (8, 5, 5, 5), (7, 2, 42), (2**24,), (4096, 4096)])
def test_fsq_rounds_to_the_nearest_level(levels, rng):
    layer = nn.FiniteScalarQuantizer(levels)
    z = 1.5 * normal(rng, 6, 4, 3, len(levels))
    y, number = fsq_by_hand(z, levels)
    tolerance = 1e-6 if max(levels) < 1000 else 1e-3
    np.testing.assert_allclose(layer(z, training=True), y, atol=tolerance)
    got = layer.indices
    assert got.dtype == np.int64 and got.shape == (6, 4, 3)
    if max(levels) < 1000:
        np.testing.assert_array_equal(got, number)
    np.testing.assert_array_equal(layer.lookup(got), layer(z))
    assert layer.n_codes == np.prod(levels)
    assert (layer.terms, layer.minimized, layer.n_parameters) == ({}, (), 0)
    assert list(layer.buffers()) == []


def test_fsq_codebook_counts_with_the_first_level_fastest():
    layer = nn.FiniteScalarQuantizer((3, 2, 4))
    want = [[a, b, c] for c, b, a in itertools.product(*(np.linspace(-1, 1, n) for n in (4, 2, 3)))]
    np.testing.assert_allclose(layer.codebook, want, atol=1e-6)
    z = np.arctanh(0.99 * layer.codebook)
    np.testing.assert_array_equal(layer(z), layer.codebook)
    np.testing.assert_array_equal(layer.indices, np.arange(24))


def test_fsq_ends_are_ones_for_every_number_of_levels():
    for n in range(2, 200):
        layer = nn.FiniteScalarQuantizer((n,))
        ends = layer(np.array([[-50], [50], [-np.inf], [np.inf]], np.float32))
        assert ends.ravel().tolist() == [-1, 1, -1, 1]
        assert layer.indices.tolist() == [0, n - 1, 0, n - 1]


def test_fsq_gradient_is_that_of_tanh(rng):
    layer = nn.FiniteScalarQuantizer((8, 5, 3))
    z, weight = normal(rng, 5, 4, 3), normal(rng, 5, 4, 3)
    dz = run(layer, z, training=True).back(weight)
    check_slopes([z], [dz], lambda z: (weight * np.tanh(z)).sum(), rng)


def test_not_a_number_is_passed_on_and_has_a_number():
    z = np.array([[np.nan, 0.1], [0.1, 0.1]], np.float32)
    layer = nn.FiniteScalarQuantizer((5, 5))
    y = layer(z, training=True)
    assert np.isnan(y[0, 0]) and np.isfinite(y[1]).all()
    assert (layer.indices >= 0).all() and (layer.indices < 25).all()
    for layer in (
        seeded(nn.VectorQuantizer(4, 2, distance="cosine")),
        seeded(nn.ResidualQuantizer(2, 4, 2)),
    ):
        before = state(layer)
        layer(z, training=True)
        assert (layer.indices >= 0).all() and (layer.indices < 4).all()
        assert np.isnan(layer.terms["vq"][0]) and np.isfinite(layer.terms["vq"][1])
        assert_same_state(state(layer), before)


# ---- beside PyTorch -----------------------------------------------------------------------------


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["cosine", "residual", "levels"])
def test_a_step_is_pytorchs(kind, rng):
    """Values, losses and gradients, with detach where the formulas have sg."""
    torch = pytest.importorskip("torch")
    z, weight = normal(rng, 6, 5, 4), normal(rng, 6, 5, 4)
    options = {"codebook": "loss", **OPTIONS}
    layer = seeded(
        {
            "cosine": lambda: nn.VectorQuantizer(9, 4, distance="cosine", **options),
            "residual": lambda: nn.ResidualQuantizer(3, 9, 4, **options),
            "levels": lambda: nn.FiniteScalarQuantizer((8, 5, 2, 3)),
        }[kind]()
    )
    tz = torch.from_numpy(z).double().requires_grad_()
    books = [torch.from_numpy(p.value).double().requires_grad_() for _, p in layer.parameters()]
    left = torch.nn.functional.normalize(tz, dim=-1) if kind == "cosine" else tz
    start, total, losses = left, 0, []
    for book in books:
        entries = torch.nn.functional.normalize(book, dim=-1) if kind == "cosine" else book
        q = entries[torch.cdist(left.reshape(-1, 4), entries).argmin(1)].reshape(left.shape)
        losses += [((left.detach() - q) ** 2).sum(), 0.5 * ((left - q.detach()) ** 2).sum()]
        total, left = total + q.detach(), left - q.detach()
    if kind == "levels":
        start, half = tz.tanh(), torch.tensor([8, 5, 2, 3]) / 2 - 0.5
        total = ((start + 1) * half).round() / half - 1
    y = start + (total - start).detach()
    ((torch.from_numpy(weight) * y).sum() + sum(losses) / 6).backward()
    got, dz, grads = gradients(layer, z, weight, training=True)
    np.testing.assert_allclose(got, y.numpy(force=True), atol=1e-5)
    np.testing.assert_allclose(dz, tz.grad.numpy(), rtol=1e-4, atol=1e-5)
    for grad, book in zip(grads.values(), books, strict=True):
        np.testing.assert_allclose(grad, book.grad.numpy(), rtol=1e-4, atol=1e-5)


# ---- all of them --------------------------------------------------------------------------------

KINDS = {
    "cosine": lambda: nn.VectorQuantizer(5, 4, distance="cosine"),
    "residual": lambda: nn.ResidualQuantizer(3, 5, 4),
    "levels": lambda: nn.FiniteScalarQuantizer((3, 4, 2, 2)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_empty_batches_and_copies(kind, rng):
    layer = seeded(KINDS[kind]())
    for shape in ((6, 4), (2, 3, 4), (2, 3, 5, 4)):
        z = normal(rng, *shape)
        assert run(layer, z).back(z).shape == shape
        y = layer(z)
        assert y.shape == shape
        assert layer.indices.shape == (*shape[:-1], *layer.code_shape)
        for n in range(len(z)):  # whatever it stands beside
            np.testing.assert_array_equal(layer(z[n : n + 1])[0], y[n])
    before = state(layer)
    assert run(layer, z[:0], training=True).back(z[:0]).shape == (0, 3, 5, 4)
    assert_same_state(state(layer), before)
    with pytest.raises(ValueError, match="expected vectors of 4"):
        layer(normal(rng, 2, 3))

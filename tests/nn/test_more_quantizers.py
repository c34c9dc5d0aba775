"""The rotation trick, projections, groups, levels in steps and lookup-free codes."""

import itertools

import numpy as np
import pytest
import twin
from aecore import nn
from cases.base import normal
from support.layers import gradients, run
from support.modules import assert_same_state, state

OPTIONS = {"commitment": 0.5, "restart_dead": False}


def seeded(layer, seed=1):
    layer.initialize(seed)
    layer.seed_noise(seed)
    return layer


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def slopes(loss, values, which, rng, n=3):
    """Yield random directions and the slopes of a float64 loss along them."""
    for _ in range(n):
        direction, ends = rng.standard_normal(values[which].shape), []
        for step in (1e-6, -1e-6):
            moved = [v.astype(np.float64) for v in values]
            moved[which] += step * direction
            ends.append(loss(*moved))
        yield direction, (ends[0] - ends[1]) / 2e-6


# ---- rotation -----------------------------------------------------------------------------------


def test_rotation_by_hand():
    """A quarter turn and twice the length, back from the entry to the vector."""
    layer = nn.VectorQuantizer(1, 2, codebook="loss", commitment=0, gradient="rotation")
    layer.entries.value[...] = [[0, 2]]
    z = np.array([[1, 0]], np.float32)  # turned by 90 degrees, and twice as long
    for given, wanted in (([0, 1], [2, 0]), ([1, 0], [0, -2]), ([3, 4], [8, -6])):
        _, dz, _ = gradients(layer, z, np.array([given], np.float32))
        np.testing.assert_allclose(dz, [wanted], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("mode", ["ema", "loss"])
def test_rotation_turns_the_gradient_alone(mode, distance, rng):
    """Values, codes, terms and what entries get are as without it."""
    options = {"codebook": mode, "distance": distance, **OPTIONS}
    z, weight = normal(rng, 5, 3, 4), normal(rng, 5, 3, 4)
    found = []
    for gradient in ("straight_through", "rotation"):
        layer = seeded(nn.VectorQuantizer(6, 4, gradient=gradient, **options))
        found.append((*gradients(layer, z, weight, training=True), layer))
    (y, dz, grads, plain), (turned_y, turned_dz, turned_grads, layer) = found
    np.testing.assert_array_equal(y, turned_y)
    assert_same_state(state(plain), state(layer))
    assert np.abs(dz - turned_dz).max() > 1e-2
    for name, grad in grads.items():
        np.testing.assert_allclose(turned_grads[name], grad, rtol=1e-5, atol=1e-6)
    layer(z)
    x = unit(z.astype(np.float64)) if distance == "cosine" else z.astype(np.float64)
    rows, entries = x.reshape(-1, 4), y.reshape(-1, 4).astype(np.float64)
    maps = twin.rotation(rows, entries)
    np.testing.assert_allclose(np.einsum("mij,mj->mi", maps, rows), entries, atol=1e-6)

    def surrogate(z):
        v = unit(z) if distance == "cosine" else z
        moved = np.einsum("mij,mj->mi", maps, v.reshape(-1, 4)).reshape(z.shape)
        return (weight * moved).sum() + 0.5 * ((v - y) ** 2).sum() / 5

    for direction, slope in slopes(surrogate, [z], 0, rng):
        assert (turned_dz * direction).sum() == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_rotation_keeps_angles_and_scales_lengths(rng):
    layer = nn.VectorQuantizer(9, 5, commitment=0, gradient="rotation")
    z, grad = normal(rng, 40, 5), normal(rng, 40, 5)
    y, dz, _ = gradients(layer, z, grad)
    lengths = [np.linalg.norm(v, axis=1) for v in (dz, z, grad, y)]
    np.testing.assert_allclose(lengths[0] * lengths[1], lengths[2] * lengths[3], rtol=1e-4)
    angle = (unit(dz) * unit(z)).sum(1)
    np.testing.assert_allclose(angle, (unit(grad) * unit(y)).sum(1), atol=1e-5)


def test_rotation_where_there_is_no_direction():
    layer = nn.VectorQuantizer(1, 3, codebook="loss", commitment=0, gradient="rotation")
    grad = np.array([[1, 2, 3]], np.float32)
    for z, entry, wanted in (
        ([0, 0, 0], [1, 0, 0], [1, 2, 3]),
        ([1, 0, 0], [0, 0, 0], [1, 2, 3]),
        ([2, 0, 0], [-2, 0, 0], [-1, 2, 3]),  # the opposite: a reflection
        ([0, 3, 0], [0, 3, 0], [1, 2, 3]),
    ):
        layer.entries.value[...] = entry
        _, dz, _ = gradients(layer, np.array([z], np.float32), grad)
        np.testing.assert_allclose(dz, [wanted], rtol=1e-5, atol=1e-6)


def test_rotation_of_a_residual_is_one_to_the_sum(rng):
    layer = seeded(nn.ResidualQuantizer(3, 6, 4, gradient="rotation", commitment=0))
    z, grad = normal(rng, 5, 3, 4), normal(rng, 5, 3, 4)
    y, dz, _ = gradients(layer, z, grad)
    maps = twin.rotation(z.reshape(-1, 4).astype(np.float64), y.reshape(-1, 4).astype(np.float64))
    want = np.einsum("mij,mi->mj", maps, grad.reshape(-1, 4)).reshape(z.shape)
    np.testing.assert_allclose(dz, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_rotation_is_pytorchs(distance, rng):
    """The formula as the paper has it, with detach around the rotation and the scale."""
    torch = pytest.importorskip("torch")
    z, weight = normal(rng, 6, 5, 4), normal(rng, 6, 5, 4)
    options = {"codebook": "loss", "distance": distance, "gradient": "rotation", **OPTIONS}
    layer = seeded(nn.VectorQuantizer(9, 4, **options))
    normalized = torch.nn.functional.normalize
    tz = torch.from_numpy(z).double().requires_grad_()
    book = torch.from_numpy(layer.entries.value).double().requires_grad_()
    x = normalized(tz, dim=-1) if distance == "cosine" else tz
    entries = normalized(book, dim=-1) if distance == "cosine" else book
    q = entries[torch.cdist(x.reshape(-1, 4), entries).argmin(1)].reshape(x.shape)
    a, b = normalized(x, dim=-1).detach(), normalized(q, dim=-1).detach()
    r = normalized(a + b, dim=-1)
    scale = (q.norm(dim=-1, keepdim=True) / x.norm(dim=-1, keepdim=True)).detach()
    turned = x - 2 * r * (r * x).sum(-1, keepdim=True) + 2 * b * (a * x).sum(-1, keepdim=True)
    y = scale * turned
    loss = ((x.detach() - q) ** 2).sum() + 0.5 * ((x - q.detach()) ** 2).sum()
    ((torch.from_numpy(weight) * y).sum() + loss / 6).backward()
    got, dz, grads = gradients(layer, z, weight, training=True)
    np.testing.assert_allclose(got, y.numpy(force=True), atol=1e-5)
    np.testing.assert_allclose(dz, tz.grad.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(grads["entries"], book.grad.numpy(), rtol=1e-4, atol=1e-5)


# ---- projection ---------------------------------------------------------------------------------


def through(linear, x):
    return x @ linear.weight.value.T.astype(np.float64) + linear.bias.value


@pytest.mark.parametrize("gradient", ["straight_through", "rotation"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_projected_values_and_gradients(distance, gradient, rng):
    options = {"codebook": "loss", "distance": distance, "gradient": gradient, **OPTIONS}
    layer = seeded(nn.VectorQuantizer(7, 6, projection_dim=3, **options))
    z, weight = normal(rng, 5, 2, 6), normal(rng, 5, 2, 6)
    assert layer.codebook.shape == (7, 3) and layer.n_parameters == 7 * 3 + 6 * 3 + 3 + 3 * 6 + 6
    low = through(layer.down, z.astype(np.float64))
    low = unit(low) if distance == "cosine" else low
    index = ((low[..., None, :] - layer.codebook) ** 2).sum(-1).argmin(-1)
    q = layer.codebook[index].astype(np.float64)
    y, dz, grads = gradients(layer, z, weight, training=True)
    np.testing.assert_allclose(y, through(layer.up, q), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(layer(z), y)
    np.testing.assert_array_equal(layer.indices, index)
    np.testing.assert_array_equal(layer.lookup(index), y)
    maps = np.broadcast_to(np.eye(3), (10, 3, 3))
    if gradient == "rotation":
        maps = twin.rotation(low.reshape(-1, 3), q.reshape(-1, 3))

    def surrogate(z, down, up):
        v = z @ down.T + layer.down.bias.value
        v = unit(v) if distance == "cosine" else v
        passed = np.einsum("mij,mj->mi", maps, (v - low).reshape(-1, 3)).reshape(v.shape) + q
        out = passed @ up.T + layer.up.bias.value
        return (weight * out).sum() + 0.5 * ((v - q) ** 2).sum() / 5

    values = [z, layer.down.weight.value, layer.up.weight.value]
    for which, got in enumerate((dz, grads["down.weight"], grads["up.weight"])):
        for direction, slope in slopes(surrogate, values, which, rng):
            assert (got * direction).sum() == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_kmeans_starts_among_projected_vectors(rng):
    layer = seeded(nn.VectorQuantizer(5, 6, projection_dim=2))
    z = normal(rng, 200, 6)
    low = layer.down(z)
    layer.start_kmeans(z)
    plain = seeded(nn.VectorQuantizer(5, 2))
    plain.seed = layer.seed
    plain.start_kmeans(low)
    np.testing.assert_array_equal(layer.codebook, plain.codebook)
    with pytest.raises(ValueError, match=r"rows: expected the shape \(M, 6\)"):
        layer.start_kmeans(low)


def test_residual_codebooks_have_projections_of_their_own(rng):
    options = {"projection_dim": 2, "distance": "cosine", "codebook": "loss", **OPTIONS}
    layer = seeded(nn.ResidualQuantizer(3, 5, 4, **options))
    z, weight = normal(rng, 6, 3, 4), normal(rng, 6, 3, 4)
    left, total, low, chosen = z.astype(np.float64), 0, [], []
    for one in layer.layers:
        low.append(unit(through(one.down, left)))
        chosen.append(one.codebook[(low[-1] @ one.codebook.T).argmax(-1)].astype(np.float64))
        out = through(one.up, chosen[-1])
        left, total = left - out, total + out
    y, dz, _ = gradients(layer, z, weight, training=True)
    np.testing.assert_allclose(y, total, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer(z), y)
    np.testing.assert_array_equal(layer.lookup(layer.indices), y)
    assert layer.codebook.shape == (3, 5, 2)

    def surrogate(z):
        left, total, pull = z, 0, 0
        for one, before, q in zip(layer.layers, low, chosen, strict=True):
            v = unit(through(one.down, left))
            pull = pull + 0.5 * ((v - q) ** 2).sum()
            out = through(one.up, q + v - before)
            left, total = left - out, total + out
        return (weight * total).sum() + pull / 6

    for direction, slope in slopes(surrogate, [z], 0, rng):
        assert (dz * direction).sum() == pytest.approx(slope, rel=1e-3, abs=1e-3)


# ---- groups -------------------------------------------------------------------------------------

PARTS = {
    "vectors": lambda: nn.VectorQuantizer(7, 3, **OPTIONS),
    "learned": lambda: nn.VectorQuantizer(7, 3, codebook="loss", gradient="rotation"),
    "residual": lambda: nn.ResidualQuantizer(2, 7, 3, **OPTIONS),
    "projected": lambda: nn.VectorQuantizer(7, 3, projection_dim=2, **OPTIONS),
    "levels": lambda: nn.FiniteScalarQuantizer((3, 4, 2)),
    "deep levels": lambda: nn.FiniteScalarQuantizer((3, 4, 2), 3),
    "bits": lambda: nn.LookupFreeQuantizer(3),
}


@pytest.mark.parametrize("kind", PARTS)
def test_each_group_is_quantised_by_itself(kind, rng):
    layer = seeded(nn.GroupedQuantizer(PARTS[kind](), PARTS[kind]()))
    z, weight = normal(rng, 5, 2, 6), normal(rng, 5, 2, 6)
    alone = [PARTS[kind](), PARTS[kind]()]
    for ours, theirs in zip(layer.layers, alone, strict=True):
        for (_, a), (_, b) in zip(ours.parameters(), theirs.parameters(), strict=True):
            b.value[...] = a.value
        for (_, a), (_, b) in zip(ours.buffers(), theirs.buffers(), strict=True):
            b[...] = a
        for (_, a), (_, b) in zip(ours.modules(), theirs.modules(), strict=True):
            if "seed" in vars(a):
                b.seed = a.seed
    halves = [np.ascontiguousarray(v) for v in (z[..., :3], z[..., 3:])]
    want = [one(v) for one, v in zip(alone, halves, strict=True)]
    np.testing.assert_array_equal(layer(z), np.concatenate(want, -1))
    index = [one.indices if one.code_shape else one.indices[..., None] for one in alone]
    np.testing.assert_array_equal(layer.indices, np.concatenate(index, -1))
    assert layer.indices.shape[-1:] == layer.code_shape and layer.n_codes == alone[0].n_codes
    np.testing.assert_array_equal(layer.lookup(layer.indices), layer(z))
    for name, term in layer.terms.items():
        np.testing.assert_allclose(term, sum(one.terms[name] for one in alone), rtol=1e-6)
    if kind == "bits":
        return  # whose terms are no part of what `gradients` walks back from
    y, dz, _ = gradients(layer, z, weight, training=True)
    for i, (one, v) in enumerate(zip(alone, halves, strict=True)):
        part = slice(3 * i, 3 * i + 3)
        _, want, _ = gradients(one, v, np.ascontiguousarray(weight[..., part]), training=True)
        np.testing.assert_allclose(dz[..., part], want, rtol=1e-6, atol=1e-7)
        assert_same_state(state(layer.layers[i]), state(one))


def test_groups_start_kmeans_on_their_parts(rng):
    layer = seeded(nn.GroupedQuantizer(*(nn.ResidualQuantizer(2, 4, 3) for _ in range(2))))
    z = normal(rng, 90, 6)
    layer.start_kmeans(z)
    assert layer.codebook.shape == (4, 4, 3) and layer.code_shape == (4,)
    layer(z)
    assert all(len(np.unique(codes)) == 4 for codes in layer.indices.T)
    assert np.square(z - layer(z)).mean() < 0.5 * np.square(z).mean()


def test_groups_are_alike():
    same = nn.FiniteScalarQuantizer((3, 3))
    for layers, error in (
        ((), ValueError),
        ((same, same), ValueError),
        ((same, nn.FiniteScalarQuantizer((3, 4))), ValueError),
        ((same, nn.VectorQuantizer(9, 2)), ValueError),
        ((nn.Linear(2, 2),), TypeError),
        ((nn.GroupedQuantizer(same),), TypeError),
    ):
        with pytest.raises(error, match="layers: expected"):
            nn.GroupedQuantizer(*layers)
    layer = nn.GroupedQuantizer(same, nn.FiniteScalarQuantizer((3, 3)))
    with pytest.raises(ValueError, match="a multiple of 2, got 5"):
        layer.output_shape((5,))
    with pytest.raises(ValueError, match="expected vectors of 2"):
        layer.output_shape((6,))


# ---- levels in steps ----------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [(2,), (3,), (5, 4), (2, 8, 3)])
@pytest.mark.parametrize("depth", [2, 3])
def test_sums_of_levels_are_even_and_all_different(levels, depth):
    layer = nn.FiniteScalarQuantizer(levels, depth)
    assert layer.codebook.shape == (depth, np.prod(levels), len(levels))
    assert layer.code_shape == (depth,)
    codes = np.array(list(itertools.product(range(layer.n_codes), repeat=depth)))
    for j, n in enumerate(levels):
        values = np.unique(layer.lookup(codes)[:, j].round(5))
        assert len(values) == n**depth
        np.testing.assert_allclose(np.diff(values), 2 / (n - 1) / n ** (depth - 1), atol=2e-5)
        np.testing.assert_allclose(values, -values[::-1], atol=1e-5)


def test_further_levels_lower_the_error(rng):
    z = normal(rng, 300, 3)
    errors, plain = [], nn.FiniteScalarQuantizer((5, 4, 3))
    for depth in (1, 2, 3, 4):
        layer = nn.FiniteScalarQuantizer((5, 4, 3), depth)
        y = layer(z)
        errors.append(np.abs(np.tanh(z) - y).max(0))
        np.testing.assert_array_equal(layer.lookup(layer.indices), y)
        if depth > 1:
            plain(z)
            np.testing.assert_array_equal(layer.indices[..., 0], plain.indices)
    for depth, error in enumerate(errors):  # half a step
        assert (error <= 1.0001 / np.array([4, 3, 2]) / np.array([5, 4, 3]) ** depth).all()
    with pytest.raises(ValueError, match="depth: expected at most 16777216"):
        nn.FiniteScalarQuantizer((8, 2), 9)
    with pytest.raises(ValueError, match="depth: expected at least 1"):
        nn.FiniteScalarQuantizer((8, 2), 0)


# ---- bits ---------------------------------------------------------------------------------------


def test_signs_by_hand():
    layer = nn.LookupFreeQuantizer(2, commitment=0.5, entropy_weight=2.0, temperature=4.0)
    z = np.array([[[0.0, -1], [2, 3]]], np.float32)
    np.testing.assert_array_equal(layer(z), [[[1, -1], [1, 1]]])
    assert layer.indices.tolist() == [[1, 3]]
    assert layer.terms["commitment"] == pytest.approx(0.5 * (1 + 0 + 1 + 4) / 2)
    p = 1 / (1 + np.exp(-z[0].astype(np.float64)))  # of a 1, at this temperature

    def entropy(*share):
        return -sum(s * np.log(s) for s in share)

    own = sum(entropy(q, 1 - q) for q in p.ravel())
    mean = [(p[:, 0] * p[:, 1]).mean(), (p[:, 0] * (1 - p[:, 1])).mean()]
    mean += [((1 - p[:, 0]) * p[:, 1]).mean(), ((1 - p[:, 0]) * (1 - p[:, 1])).mean()]
    assert layer.terms["entropy"] == pytest.approx(2 * (own - 2 * entropy(*mean)), rel=1e-5)


def test_entropy_is_least_where_all_codes_are_sure_and_even():
    layer = nn.LookupFreeQuantizer(3, entropy_weight=1.0)
    every = 20 * layer.codebook[:, None]
    layer(every)
    np.testing.assert_allclose(layer.terms["entropy"], -3 * np.log(2), rtol=1e-6)
    layer(np.repeat(every[:1], 8, axis=0))
    np.testing.assert_allclose(layer.terms["entropy"], 0, atol=1e-6)
    layer(0 * every)  # unsure and even
    np.testing.assert_allclose(layer.terms["entropy"], 0, atol=1e-6)


@pytest.mark.parametrize("bits", [1, 5, 14])
def test_gradients_of_the_terms(bits, rng):
    layer = nn.LookupFreeQuantizer(bits, commitment=0.5, entropy_weight=0.3, temperature=2.0)
    z, weight = 0.7 * normal(rng, 5, 3, bits), normal(rng, 5, 3, bits)
    there = np.arange(15).reshape(5, 3) % 4 > 0
    share = normal(rng, 5) ** 2

    def surrogate(z):
        apart = (z - signs) ** 2 * there[..., None]
        terms = 0.5 / bits * apart.sum((1, 2)) + 0.3 * twin.sign_entropy(z, 2.0, there)
        return (weight * z).sum() + (share.mean() * terms).sum()

    tape = nn.Tape()
    x = tape.variable(z)
    with tape:
        found = layer.quantize(x, there)
    signs = found.y.data.astype(np.float64)
    ends = [(value, float(share.mean())) for value in found.terms.values()]
    tape.backward((found.y, weight), *ends)
    for direction, slope in slopes(surrogate, [z], 0, rng):
        assert (x.grad * direction).sum() == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_a_weight_counts_in_the_mean_as_a_vector_that_often(rng):
    layer = nn.LookupFreeQuantizer(4, entropy_weight=1.0)
    z, weight = normal(rng, 3, 2, 4), np.array([1, 2, 0], np.float32)

    def entropies(z, weight):
        tape = nn.Tape(training=True)
        tape.weight = weight
        with tape:
            return layer.quantize(tape.variable(z)).terms["entropy"].data.copy()

    twice = entropies(z[[0, 1, 1]], None)
    np.testing.assert_allclose(entropies(z, weight)[:2], twice[:2], rtol=1e-6)


def test_terms_that_are_not_finite_are_seen():
    layer = nn.LookupFreeQuantizer(2)
    y = layer(np.array([[np.nan, 1], [np.inf, -np.inf]], np.float32))
    assert np.isnan(y[0, 0]) and y[1].tolist() == [1, -1]
    assert (layer.indices >= 0).all() and (layer.indices < 4).all()
    assert not np.isfinite(layer.terms["commitment"]).any()


# ---- all of them --------------------------------------------------------------------------------

KINDS = {
    "rotation": lambda: nn.VectorQuantizer(5, 4, gradient="rotation"),
    "rotation, cosine": lambda: nn.VectorQuantizer(5, 4, gradient="rotation", distance="cosine"),
    "projection": lambda: nn.VectorQuantizer(5, 4, projection_dim=2, codebook="loss"),
    "residual projections": lambda: nn.ResidualQuantizer(3, 5, 4, projection_dim=2),
    "residual rotation": lambda: nn.ResidualQuantizer(3, 5, 4, gradient="rotation"),
    "levels in steps": lambda: nn.FiniteScalarQuantizer((3, 4, 2, 2), 3),
    "bits": lambda: nn.LookupFreeQuantizer(4),
    "groups": lambda: nn.GroupedQuantizer(*(nn.VectorQuantizer(5, 2) for _ in range(2))),
    "residual groups": lambda: nn.GroupedQuantizer(
        *(nn.ResidualQuantizer(2, 5, 2, gradient="rotation") for _ in range(2))
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_empty_batches_and_copies(kind, rng):
    layer = seeded(KINDS[kind]())
    for shape in ((6, 4), (2, 3, 4), (2, 3, 5, 4)):
        z = normal(rng, *shape)
        assert run(layer, z).back(z).shape == shape
        y = layer(z)
        assert y.shape == shape == (len(z), *layer.output_shape(shape[1:]))
        assert layer.indices.shape == (*shape[:-1], *layer.code_shape)
        np.testing.assert_array_equal(layer.lookup(layer.indices), y)
        for n in range(len(z)):  # whatever it stands beside
            np.testing.assert_array_equal(layer(z[n : n + 1])[0], y[n])
    before = state(layer)
    assert run(layer, z[:0], training=True).back(z[:0]).shape == (0, 3, 5, 4)
    assert_same_state(state(layer), before)
    with pytest.raises(ValueError, match=r"expected (vectors|samples) of"):
        layer(normal(rng, 2, 3) if kind != "groups" else normal(rng, 2, 6))
    if not kind.endswith("groups"):
        assert repr(type(layer)(**layer.config())) == repr(layer)

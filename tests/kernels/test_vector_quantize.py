"""Vector quantisation: exact where rounding and ties make it hard, its gradients and statistics."""

import aecore.functional as F
import numpy as np
import pytest
import twin
from aecore import _core
from conftest import ISAS

GUARD = np.float32(-12345.678)


def draw(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def nearest(z, codebook):
    return twin.vector_quantize(z.astype(float), codebook.astype(float))[1]


def quantize(z, codebook, isa, threads=2):
    quantized, indices = np.empty_like(z), np.full(len(z), -1)
    _core.vector_quantize(quantized, indices, z, codebook, _core.Workspace(threads, isa))
    np.testing.assert_array_equal(quantized, codebook[indices])
    return indices


def in_single_precision(z, codebook):
    scores = z @ codebook.T - np.float32(0.5) * (codebook * codebook).sum(1)
    return scores.argmax(1)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("d", [1, 3, 64])
@pytest.mark.parametrize("far", [30.0, 1e3, 3e4])
def test_far_from_the_origin(far, d, isa, rng):
    """Here products in float32 alone choose wrong entries."""
    codebook = draw(rng, 97, d) + np.float32(far)
    z = draw(rng, 500, d) + np.float32(far)
    want = nearest(z, codebook)
    np.testing.assert_array_equal(quantize(z, codebook, isa), want)
    if far > 100:
        assert (in_single_precision(z, codebook) != want).any()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("d", [1, 2, 8, 33])
def test_ties_go_to_the_lower_index(d, isa, rng):
    """Whole numbers have many ties, and their distances are exact."""
    codebook = rng.integers(-2, 3, (150, d)).astype(np.float32)
    codebook[75:] = codebook[:75][::-1]
    z = np.concatenate([rng.integers(-4, 5, (400, d)) / 2, codebook]).astype(np.float32)
    distances = twin.distances(z.astype(float), codebook.astype(float))
    assert ((distances == distances.min(1, keepdims=True)).sum(1) > 1).all()
    np.testing.assert_array_equal(quantize(z, codebook, isa), distances.argmin(1))


@pytest.mark.parametrize("isa", ISAS)
def test_equal_entries_and_equal_vectors(isa):
    same = np.full((70, 9), 0.3, np.float32)
    assert (quantize(np.zeros((33, 9), np.float32), same, isa) == 0).all()
    assert (quantize(same, same, isa) == 0).all()
    assert (quantize(same[:, :0], same[:, :0], isa) == 0).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e-10, 1e10, 1e18])
def test_small_and_large_values(scale, isa, rng):
    """Squares of the smallest vanish in float32, those of the largest are nearly too large."""
    z, codebook = draw(rng, 200, 12) * np.float32(scale), draw(rng, 60, 12) * np.float32(scale)
    np.testing.assert_array_equal(quantize(z, codebook, isa), nearest(z, codebook))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [1e3, 1e19, np.inf, np.nan])
def test_one_wild_entry_does_no_harm(size, isa, rng):
    z, codebook = draw(rng, 100, 8), draw(rng, 40, 8)
    want = nearest(z, codebook)
    wild = np.concatenate([codebook[:20], np.full((1, 8), size, np.float32), codebook[20:]])
    np.testing.assert_array_equal(quantize(z, wild, isa), want + (want >= 20))


@pytest.mark.parametrize("isa", ISAS)
def test_values_that_are_not_finite_get_a_valid_index(isa, rng):
    z, codebook = draw(rng, 50, 5), draw(rng, 40, 5)
    want = nearest(z, codebook)
    z[7, 3], z[8, 0], z[9] = np.nan, np.inf, -np.inf
    got = quantize(z, codebook, isa)
    keep = np.r_[0:7, 10:50]
    np.testing.assert_array_equal(got[keep], want[keep])
    assert (got >= 0).all() and (got < 40).all()
    bad = np.full((3, 5), np.nan, np.float32)
    assert np.isin(quantize(z, bad, isa), range(3)).all()


@pytest.mark.parametrize("isa", ISAS)
def test_a_vector_s_index_does_not_depend_on_its_neighbours(isa, rng):
    z, codebook = draw(rng, 5000, 16), draw(rng, 130, 16)
    whole = quantize(z, codebook, isa, threads=1)
    np.testing.assert_array_equal(whole, nearest(z, codebook))
    for threads in (2, 3):
        np.testing.assert_array_equal(quantize(z, codebook, isa, threads), whole)
    for start, n in ((0, 1), (17, 5), (4000, 333)):
        part = quantize(z[start : start + n], codebook, isa)
        np.testing.assert_array_equal(part, whole[start : start + n])


@pytest.mark.parametrize("isa", ISAS)
def test_indices_alone_and_guard_words(isa, rng):
    z, codebook = draw(rng, 21, 7), draw(rng, 19, 7)
    words = np.full(21 + 32, -99)
    _core.vector_quantize(None, words[16:37], z, codebook, _core.Workspace(2, isa))
    np.testing.assert_array_equal(words[16:37], nearest(z, codebook))
    assert (words[:16] == -99).all() and (words[37:] == -99).all()


# ---- gradients and statistics ------------------------------------------------------------------

# (rows, entries, values, how rows are spread over the entries)
SPREADS = [
    *[(n, 5, 6, "even") for n in (0, 1, 2, 17)],
    *[(40, 7, d, "even") for d in (0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33, 63, 64, 65, 128, 130)],
    (255, 3, 5, "one"),
    (257, 3, 5, "one"),
    (3000, 4, 70, "one"),
    (3000, 9, 33, "skewed"),
    (60, 500, 12, "even"),
    (20000, 100, 16, "skewed"),
]


def spread(rng, n, entries, how):
    if how == "one":
        return np.full(n, entries // 2)
    shares = rng.random(entries) ** (8 if how == "skewed" else 1)
    return rng.choice(entries, n, p=shares / shares.sum())


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n, entries, d, how", SPREADS)
def test_gradients(n, entries, d, how, isa, rng):
    grad, z, codebook = draw(rng, n, d), draw(rng, n, d), draw(rng, entries, d)
    index = spread(rng, n, entries, how)
    before = draw(rng, entries, d)
    wants = twin.vector_quantize_backward(
        *(a.astype(float) for a in (grad, z, codebook)), index, commitment=0.6, scale=0.7
    )
    results = []
    for threads in (1, 2, 3):
        ws = _core.Workspace(threads, isa)
        words = [np.full(a.size + 128, GUARD) for a in wants]
        dz, dcodebook = (b[64:-64].reshape(a.shape) for a, b in zip(wants, words, strict=True))
        dcodebook[:] = before
        _core.vector_quantize_backward(dz, dcodebook, grad, z, codebook, index, 0.6, 0.7, ws)
        results.append((dz.copy(), dcodebook.copy()))
        for b in words:
            assert (b[:64] == GUARD).all() and (b[-64:] == GUARD).all()
        alone = np.empty_like(dz)
        _core.vector_quantize_backward(alone, None, grad, z, codebook, index, 0.6, 0.7, ws)
        assert alone.tobytes() == dz.tobytes()
    np.testing.assert_allclose(results[0][0], wants[0], rtol=1e-5, atol=1e-6)
    size = np.abs(wants[1]).max(initial=1)
    np.testing.assert_allclose(results[0][1], wants[1] + before, rtol=1e-5, atol=1e-6 * size)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert a.tobytes() == b.tobytes()


def test_twin_s_gradient_by_finite_differences(rng):
    """That of <grad, z> + scale (|z0 - e|^2 + commitment |z - e0|^2), 0 marking constants."""
    grad, z, codebook = rng.standard_normal((3, 8, 5))
    index = rng.integers(0, 8, 8)

    def loss(z_, codebook_):
        vq = ((z - codebook_[index]) ** 2).sum()
        return (grad * z_).sum() + 0.7 * (vq + 0.6 * ((z_ - codebook[index]) ** 2).sum())

    dz, de = twin.vector_quantize_backward(grad, z, codebook, index, commitment=0.6, scale=0.7)
    way, step = rng.standard_normal((2, 8, 5)), 1e-5
    for gradient, a, b in ((dz, way[0], 0 * way[0]), (de, 0 * way[1], way[1])):
        change = loss(z + step * a, codebook + step * b) - loss(z - step * a, codebook - step * b)
        np.testing.assert_allclose((gradient * (a + b)).sum(), change / (2 * step), rtol=1e-6)


def test_functions_take_any_number_of_dimensions(rng):
    z, codebook, grad = draw(rng, 2, 3, 4, 8), draw(rng, 10, 8), draw(rng, 2, 3, 4, 8)
    quantized, index = F.vector_quantize(z, codebook)
    assert quantized.shape == z.shape and index.shape == z.shape[:-1] and index.dtype == np.int64
    np.testing.assert_array_equal(index, nearest(z, codebook))
    got = F.vector_quantize_backward(grad, z, codebook, index, commitment=0.5, scale=2.0)
    want = twin.vector_quantize_backward(grad, z, codebook, index, commitment=0.5, scale=2.0)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-5)
    one, at = F.vector_quantize(z[0, 0, 0], codebook)
    assert one.shape == (8,) and at.shape == () and at == index[0, 0, 0]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n, entries, d, how", SPREADS)
def test_statistics(n, entries, d, how, isa, rng):
    z, index = draw(rng, n, d), spread(rng, n, entries, how)
    counts, sums = twin.vq_statistics(z.astype(float), index, entries)
    results = []
    for threads in (1, 2, 3):
        count, total = np.full(entries, GUARD), np.full((entries, d), GUARD)
        _core.vq_statistics(count, total, z, index, _core.Workspace(threads, isa))
        results.append(total)
        np.testing.assert_array_equal(count, counts)
    np.testing.assert_allclose(results[0], sums, rtol=1e-5, atol=1e-5 * max(1, n) ** 0.5)
    for other in results[1:]:
        assert other.tobytes() == results[0].tobytes()


def test_long_sums_keep_their_precision():
    """A million equal values to one entry: a float32 sum would be off in the third digit."""
    n = 1_000_000
    z = np.full((n, 3), 0.1, np.float32)
    count, total = np.empty(2, np.float32), np.empty((2, 3), np.float32)
    _core.vq_statistics(count, total, z, np.ones(n, np.int64), _core.Workspace())
    np.testing.assert_array_equal(count, [0, n])
    np.testing.assert_allclose(total[1], n * float(np.float32(0.1)), rtol=1e-5)
    np.testing.assert_array_equal(total[0], 0)


def test_the_gradient_of_a_settled_codebook_keeps_its_precision(rng):
    """Entries near their vectors and far from the origin: differences are summed, not values."""
    codebook = draw(rng, 4, 8) + np.float32(100)
    index = rng.integers(0, 4, 400)
    z = (codebook[index] + 1e-3 * rng.standard_normal((400, 8))).astype(np.float32)
    grad = np.zeros_like(z)
    _, got = F.vector_quantize_backward(grad, z, codebook, index)
    _, want = twin.vector_quantize_backward(
        grad.astype(float), z.astype(float), codebook.astype(float), index
    )
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)


def test_nothing_is_allocated_after_the_first_call(rng):
    z, codebook, index = draw(rng, 3000, 16), draw(rng, 50, 16), np.empty(3000, np.int64)
    count, total, dz, ws = draw(rng, 50), draw(rng, 50, 16), draw(rng, 3000, 16), _core.Workspace()

    def step():
        _core.vector_quantize(None, index, z, codebook, ws)
        _core.vq_statistics(count, total, z, index, ws)
        _core.vector_quantize_backward(dz, total, z, z, codebook, index, 0.25, 1.0, ws)

    step()
    grown = ws.grown
    for _ in range(3):
        step()
    assert ws.grown == grown


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


MALFORMED = [
    (lambda: F.vector_quantize(zeros(3, 2), zeros(4, 3)), ValueError),
    (lambda: F.vector_quantize(zeros(3, 2), zeros(0, 2)), ValueError),
    (lambda: F.vector_quantize(zeros(3, 2), zeros(2)), ValueError),
    (lambda: F.vector_quantize(zeros(), zeros(2, 2)), ValueError),
    (lambda: F.vector_quantize(zeros(4, 4)[:, ::2], zeros(2, 2)), ValueError),
    (lambda: F.vector_quantize(zeros(4, 2, 2).transpose(1, 0, 2), zeros(2, 2)), ValueError),
    (lambda: F.vector_quantize(zeros(3, 2), zeros(4, 4)[::2, ::2]), ValueError),
    (lambda: F.vector_quantize(zeros(3, 2, dtype=float), zeros(4, 2)), TypeError),
    (lambda: F.vector_quantize(zeros(3, 2), zeros(4, 2, dtype=float)), TypeError),
    (lambda: F.vector_quantize([[1.0]], zeros(4, 1)), TypeError),
]


def backward(**changes):
    arguments = {"grad": zeros(3, 2), "z": zeros(3, 2), "codebook": zeros(4, 2)}
    arguments |= {"indices": zeros(3, dtype=np.int64)} | changes
    return lambda: F.vector_quantize_backward(**arguments)


MALFORMED += [
    (backward(grad=zeros(2, 2)), ValueError),
    (backward(grad=zeros(3, 2, dtype=float)), TypeError),
    (backward(codebook=zeros(4, 3)), ValueError),
    (backward(codebook=zeros(0, 2)), ValueError),
    (backward(indices=zeros(2, dtype=np.int64)), ValueError),
    (backward(indices=zeros(3, dtype=np.int32)), TypeError),
    (backward(indices=zeros(6, dtype=np.int64)[::2]), ValueError),
    (backward(indices=np.array([0, 4, 0])), ValueError),
    (backward(indices=np.array([0, -1, 0])), ValueError),
    (backward(commitment="much"), TypeError),
    (backward(scale=None), TypeError),
]


@pytest.mark.parametrize("call, error", MALFORMED)
def test_malformed_calls(call, error):
    with pytest.raises(error):
        call()


def test_statistics_of_indices_out_of_range_change_nothing():
    count, total = zeros(2) + 7, zeros(2, 3) + 7
    for wrong in (2, -1, 2**40):
        with pytest.raises(ValueError, match="position 1"):
            _core.vq_statistics(count, total, zeros(2, 3), np.array([0, wrong]), _core.Workspace())
    assert (count == 7).all() and (total == 7).all()

"""Sparse matrices as samples: what dense ones give, without ever being dense as a whole."""

import subprocess
import sys
import warnings

import aecore as ae
import numpy as np
import pytest
from aecore.data.arrays import read
from aecore.data.sparse import SparseRows

sparse = pytest.importorskip("scipy.sparse")

KW = {"epochs": 2, "batch_size": 16, "random_state": 0}
FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]
KINDS = [f"{f}_{c}" for f in FORMATS for c in ("array", "matrix")]
DTYPES = [
    np.float32,
    np.float64,
    np.float16,
    np.longdouble,
    np.int64,
    np.int8,
    np.uint8,
    np.uint16,
    bool,
]


@pytest.fixture
def dense(rng):
    X = rng.normal(size=(60, 9)) * (rng.random((60, 9)) < 0.3)
    X[7] = 0  # a row that stores nothing
    X[:, 4] = 0
    return X


def typed(X, dtype):
    return (np.abs(X) * 100).astype(dtype) if np.dtype(dtype).kind in "iub" else X.astype(dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_what_the_dense_array_does(kind, dense):
    X = getattr(sparse, kind)(dense)
    model = ae.Autoencoder(ae.Dense((8,)), 3, **KW)
    one, other = model.fit(dense), ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(X)
    for name in ("transform", "reconstruct", "score_samples", "errors"):
        want = getattr(one, name)(dense)
        np.testing.assert_array_equal(getattr(other, name)(X), want)
    assert one.score(dense) == other.score(X)
    assert [h["loss"] for h in one.history_] == [h["loss"] for h in other.history_]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_types_are_read_as_dense_ones_are(dtype, order, dense):
    X = np.asarray(typed(dense, dtype), order=order)
    if np.dtype(dtype) in (np.dtype(np.float16), np.dtype(np.longdouble)):
        lil = pytest.importorskip("scipy.sparse").coo_array  # no arithmetic of float16 in CSR
        rows, columns = np.nonzero(X)
        X = X if dtype is np.longdouble else X.astype(np.float32)
        made = lil((X[rows, columns], (rows, columns)), shape=X.shape)
    else:
        made = sparse.csr_array(X)
    want, got = read(np.ascontiguousarray(X)), read(made)
    assert (got.low, got.high, got.scale, got.pixels) == (
        want.low, want.high, want.scale, want.pixels
    )  # fmt: skip
    rows = np.array([5, 7, 7, 59, 0])
    for out in (a := np.empty((5, 9), np.float32), b := np.full((5, 9), 7, np.float32)):
        (want if out is a else got).gather(rows, out)
    np.testing.assert_array_equal(a, b)
    for (i, x, _), (j, z, _) in zip(want.blocks(), got.blocks(), strict=True):
        assert i == j
        np.testing.assert_array_equal(x, z)


def test_what_is_stored_twice_is_added():
    rows, columns, values = [0, 0, 1, 0], [1, 1, 0, 2], [2.0, 3.0, 4.0, 1.0]
    X = sparse.coo_array((values, (rows, columns)), shape=(3, 3))
    want = [[0, 5, 1], [4, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(SparseRows(X)[:], want)
    # CSR too, and the matrix given stays as it is
    given = sparse.csr_array((np.array(values), np.array(columns), np.array([0, 2, 3, 4])), (3, 3))
    before = given.data.copy(), given.indices.copy()
    np.testing.assert_array_equal(SparseRows(given)[:], given.toarray())
    np.testing.assert_array_equal(given.data, before[0])
    np.testing.assert_array_equal(given.indices, before[1])


def test_unsorted_rows_and_zeros_that_are_stored(dense):
    X = sparse.csr_array(dense)
    X.data[::3] = 0
    want = X.toarray()
    order = np.concatenate(
        [np.arange(a, b)[::-1] for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True)]
    )
    X = sparse.csr_array((X.data[order], X.indices[order], X.indptr), X.shape)
    np.testing.assert_array_equal(read(X)._read(slice(0, 60)), want)
    assert (read(X).low, read(X).high) == (want.min(), want.max())
    full = sparse.csr_array(dense + 20)  # without a zero
    assert read(full).low == (dense + 20).min() > 0


def test_batches_masks_validation_and_streams(dense):
    X = sparse.csr_array(dense)

    def fit(X, **options):
        how = {k: options.pop(k) for k in ("corruption", "validation_fraction") if k in options}
        return ae.Autoencoder(ae.Dense((8,)), 3, **KW, **how).fit(X, **options)

    observed = np.random.default_rng(0).random(dense.shape) < 0.8
    for options in (
        {"X_val": dense[:20]},
        {"validation_fraction": 0.2},
        {"sample_mask": observed},
        {"corruption": ae.GaussianNoise(0.1)},
        {"corruption": ae.SwapNoise(0.1)},
    ):
        want = fit(dense, **options).history_
        if "X_val" in options:
            options = {"X_val": sparse.csc_array(dense[:20])}
        got = fit(X, **options).history_
        for a, b in zip(want, got, strict=True):
            assert {k: v for k, v in a.items() if "seconds" not in k and "time" not in k} == {
                k: v for k, v in b.items() if "seconds" not in k and "time" not in k
            }
    parts = [slice(0, 16), slice(16, 40), slice(40, 60)]
    want = fit(lambda: (dense[p] for p in parts)).transform(dense)
    np.testing.assert_array_equal(fit(lambda: (X[p] for p in parts)).transform(X), want)
    one, other = (ae.Autoencoder(ae.Dense((8,)), 3, **KW) for _ in range(2))
    for p in parts:
        one.partial_fit(dense[p])
        other.partial_fit(X[p])
    np.testing.assert_array_equal(one.transform(dense), other.transform(X))


def test_pairs_and_weights(dense, rng):
    X, y, w = sparse.csr_array(dense), dense[:, :5], rng.random(60)
    one, other = (ae.Autoencoder(ae.Dense((8,)), 3, **KW) for _ in range(2))
    one.fit(dense, target=y, sample_weight=w, X_val=(dense[:9], y[:9]))
    made = sparse.coo_array(y)
    pair = (sparse.csc_array(dense[:9]), sparse.csr_array(y[:9]))
    other.fit(X, target=made, sample_weight=w, X_val=pair)
    np.testing.assert_array_equal(other.reconstruct(X), one.reconstruct(dense))
    assert other.history_[-1]["val_loss"] == one.history_[-1]["val_loss"]
    assert other.score(X, target=made) == one.score(dense, target=y)


def test_rows_of_a_sparse_matrix(dense):
    X = sparse.csr_array(dense)
    models = [ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(ae.open_rows(v)) for v in (dense, X)]
    codes = [m.transform(ae.open_rows(v)) for m, v in zip(models, (dense, X), strict=True)]
    np.testing.assert_array_equal(*codes)


def test_pixels_of_bytes(rng):
    X = rng.integers(1, 256, (40, 12)).astype(np.uint8) * (rng.random((40, 12)) < 0.2)
    made = sparse.csr_array(X.astype(np.uint8))
    model = ae.Autoencoder(ae.Dense((8,)), 3, loss="bce", **KW).fit(made)
    want = ae.Autoencoder(ae.Dense((8,)), 3, loss="bce", **KW).fit(X.astype(np.uint8))
    np.testing.assert_array_equal(model.transform(made), want.transform(X.astype(np.uint8)))
    # the same numbers in another type, or scaled before
    np.testing.assert_array_equal(model.transform(made.astype(float)), model.transform(made))
    scaled = sparse.csr_array(X / 255)
    np.testing.assert_array_equal(model.transform(scaled), model.transform(X / 255))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ae.VAE(ae.Dense((8,)), 3, **KW),
        lambda: ae.CVAE(ae.Dense((8,)), 3, **KW),
        lambda: ae.VQVAE(ae.Dense((8,)), 8, 4, **KW),
        lambda: ae.AdversarialAutoencoder(ae.Dense((8,)), 3, discriminator_widths=(8,), **KW),
        lambda: ae.StackedAutoencoder(
            ae.Dense((8,)), 4, pretrain_epochs=1, epochs=1, random_state=0
        ),
        lambda: ae.Recirculation(4, epochs=2, random_state=0),
    ],
)  # fmt: skip
def test_other_models(make, dense):
    X, y = sparse.csr_array(dense), np.arange(60) % 2
    given = (y,) if isinstance(make(), ae.CVAE) else ()
    want, got = make().fit(dense, *given), make().fit(X, *given)
    np.testing.assert_array_equal(got.transform(X, *given), want.transform(dense, *given))
    np.testing.assert_array_equal(got.fit_transform(X, *given), want.fit_transform(dense, *given))


def test_gan_and_classifier(dense):
    X, y = sparse.csr_array(dense), np.arange(60) % 2
    scores = [ae.GAN(ae.Dense((8,)), 3, **KW).fit(v).sample(4, random_state=0) for v in (dense, X)]
    np.testing.assert_array_equal(*scores)
    base = ae.StackedAutoencoder(ae.Dense((8,)), 4, pretrain_epochs=1, epochs=1, random_state=0)
    both = [ae.SoftmaxClassifier(base, **KW).fit(v, y).predict_proba(v) for v in (dense, X)]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("measure", ["manifold", "mean"])
def test_detectors(measure, dense):
    dense = dense.copy()
    dense[3, 2] = np.nan  # a missing cell, as in a dense table
    X = sparse.csr_array(dense)
    made = [ae.AnomalyDetector(n_models=2, measure=measure, random_state=0) for _ in range(2)]
    want, got = made[0].fit(dense), made[1].fit(X)
    np.testing.assert_array_equal(got.score_samples(X), want.score_samples(dense))
    np.testing.assert_array_equal(got.predict(dense), want.predict(X))
    with pytest.raises(TypeError, match="Sparse data was passed"):
        ae.AnomalyDetector(ae.TabularAutoencoder(**KW)).fit(X)


def test_columns_that_float32_cannot_tell_apart(dense):
    dense = dense.copy()
    dense[:, 0] = 1e9 + np.arange(60) % 3  # no zero in it
    said = []
    for X in (dense, sparse.csr_array(dense), sparse.csr_array(dense[:, 1:])):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            ae.Autoencoder(ae.Dense((8,)), 3, **KW).fit(X)
        said.append([str(w.message) for w in found])
    assert said[0] == said[1] and "X: feature 0: its values" in said[0][0] and not said[2]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows():
    """A matrix that would take 16 GB: what is dense at a time is a batch."""
    code = """
import resource, numpy as np, aecore as ae, scipy.sparse as sp
rng = np.random.default_rng(0)
N, F = 200_000, 20_000
rows, columns = np.repeat(np.arange(N), 5), rng.integers(0, F, 5 * N)
X = sp.csr_array((np.ones(5 * N, np.float32), (rows, columns)), shape=(N, F))
model = ae.Autoencoder(ae.Dense((4,)), 2, epochs=1, batch_size=512, random_state=0)
model.fit(X[:2048])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model.partial_fit(X[:40_000])
assert model.transform(X).shape == (N, 2)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 200  # MiB

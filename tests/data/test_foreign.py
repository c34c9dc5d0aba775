"""Tensors of other libraries and data sets that are read item by item."""

import subprocess
import sys

import aecore as ae
import numpy as np
import pytest
from support.items import Items

KW = {"batch_size": 16, "random_state": 0, "epochs": 2}
DENSE = ae.Dense((8,))


@pytest.fixture
def X(rng):
    return rng.random((40, 6), dtype=np.float32)


def same(a, b):
    np.testing.assert_array_equal(a._network.flat.value, b._network.flat.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16])
def test_items_are_the_array(dtype, rng):
    X = (rng.random((40, 6)) * 100).astype(dtype)
    want = ae.Autoencoder(DENSE, 2, **KW).fit(X)
    for given in (Items(X), Items(X, np.arange(40)), Items(X, bare=True)):
        found = ae.Autoencoder(DENSE, 2, **KW).fit(given)
        same(found, want)
        np.testing.assert_array_equal(found.transform(given), want.transform(X))
        assert found.score(given) == want.score(X)
    images = rng.random((20, 6, 6, 1))
    same(*(ae.Autoencoder(None, 2, **KW).fit(x) for x in (images, Items(images))))
    steps = rng.random((20, 5, 2))
    same(*(ae.Autoencoder(ae.LSTM(3), 2, **KW).fit(x) for x in (steps, Items(steps))))


def test_labels_come_from_items(X):
    y = np.arange(40) % 3
    pairs = Items(X, y)
    want = ae.CVAE(DENSE, 2, **KW).fit(X, y, X_val=(X, y))
    found = ae.CVAE(DENSE, 2, **KW).fit(pairs, X_val=pairs)
    same(found, want)
    np.testing.assert_array_equal(found.transform(pairs), want.transform(X, y))
    names = np.array(["a", "b"])[y % 2]
    classifier = ae.SoftmaxClassifier(ae.StackedAutoencoder(DENSE, 2, epochs=0), **KW)
    same(
        classifier.fit(Items(X, names)),
        ae.SoftmaxClassifier(**classifier.get_params(False)).fit(X, names),
    )
    for bad in (Items(X), Items(X, bare=True)):
        with pytest.raises(ValueError, match="requires y to be passed"):
            ae.CVAE(DENSE, 2, **KW).fit(bad)
        with pytest.raises(ValueError, match=r"X_val: expected \(X, y\)"):
            ae.CVAE(DENSE, 2, **KW).fit(pairs, X_val=bad)


def test_detectors_take_items(X):
    want, found = (ae.AnomalyDetector(n_models=1, random_state=0).fit(x) for x in (X, Items(X)))
    np.testing.assert_array_equal(found.score_samples(Items(X)), want.score_samples(X))


def test_odd_items(X):
    ragged = [np.zeros((3 + i % 2, 2)) for i in range(8)]
    with pytest.raises(ValueError, match="X: item 1: expected float64 of shape .* given as a list"):
        ae.Autoencoder(ae.LSTM(3), 2, **KW).fit(Items(ragged))
    with pytest.raises(TypeError, match=r"X: item 0: expected x, \(x,\) or \(x, y\), got a dict"):
        ae.Autoencoder(DENSE, 2, **KW).fit(Items([{"x": 1}], bare=True))
    with pytest.raises(ValueError, match="Expected 2D array"):
        ae.Autoencoder(DENSE, 2, **KW).fit(Items([1.0, 2.0], bare=True))
    with pytest.raises(ValueError, match=r"Expected 2D array|0 sample"):
        ae.Autoencoder(DENSE, 2, **KW).fit(Items(X[:0]))
    with pytest.raises(TypeError, match="expected numbers"):
        ae.Autoencoder(DENSE, 2, **KW).fit(Items(np.array([["a", "b"]])))


@pytest.mark.parity
def test_what_pytorch_has(X):
    torch = pytest.importorskip("torch")
    y, t = np.arange(40) % 3, torch.from_numpy(X)
    want = ae.Autoencoder(DENSE, 2, **KW).fit(X)
    with_gradient = t.clone().requires_grad_()
    dataset = torch.utils.data.TensorDataset(t, torch.from_numpy(y))
    for given in (t, with_gradient, dataset, torch.utils.data.Subset(dataset, range(40))):
        same(ae.Autoencoder(DENSE, 2, **KW).fit(given), want)
    same(ae.CVAE(DENSE, 2, **KW).fit(dataset), ae.CVAE(DENSE, 2, **KW).fit(X, y))
    half = t.bfloat16()
    same(*(ae.Autoencoder(DENSE, 2, **KW).fit(x) for x in (half, half.float().numpy())))
    pixels = (t * 255).byte()
    same(*(ae.Autoencoder(DENSE, 2, **KW).fit(x) for x in (pixels, pixels.numpy())))
    ragged = [torch.rand(3 + i % 4, 2, requires_grad=True) for i in range(20)]
    arrays = [x.detach().numpy() for x in ragged]
    same(*(ae.Autoencoder(ae.LSTM(3), 2, **KW).fit(x) for x in (ragged, arrays)))
    with pytest.raises(TypeError, match="X: expected an array of numbers: .*meta"):
        want.transform(t.to("meta"))


@pytest.mark.parity
def test_samples_one_by_one_are_for_a_loader(X):
    data = pytest.importorskip("torch").utils.data

    class Stream(data.IterableDataset):
        def __iter__(self):
            return iter(X)

    with pytest.raises(TypeError, match="got Stream, which gives them one by one: .* DataLoader"):
        ae.Autoencoder(DENSE, 2, **KW).fit(Stream())
    loader = data.DataLoader(Stream(), batch_size=16)
    same(*(ae.Autoencoder(DENSE, 2, **KW, shuffle=False).fit(x) for x in (loader, X)))


def test_arrays_by_dlpack(X):
    class Other:
        def __dlpack__(self, **how):
            return X.__dlpack__(**how)

        def __dlpack_device__(self):
            return X.__dlpack_device__()

    same(*(ae.Autoencoder(DENSE, 2, **KW).fit(x) for x in (Other(), X)))


@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.AnomalyDetector])
def test_sequences_in_another_form(cls, rng):
    pd = pytest.importorskip("pandas")
    L = [rng.random(3 + i % 5) for i in range(20)]
    m = cls(ae.LSTM(3), 2, **KW) if cls is ae.Autoencoder else cls(n_models=1)
    for flat in (L, tuple(L), [list(x) for x in L], np.array(L, object), pd.Series(L)):
        with pytest.raises(
            ValueError, match=r"shape \(T,\), of different .*np.reshape\(x, \(-1, 1\)\)"
        ):
            m.fit(flat)
    with pytest.raises(ValueError, match=r"got a column of them; X.tolist\(\) is a list"):
        m.fit(pd.Series([x[:, None] for x in L]))


def test_types_of_frames_are_those_of_arrays(rng):
    """Nullable types are the types whose values they have, and NaN where some are missing."""
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    pixels = rng.integers(0, 256, (40, 3), dtype=np.uint8)
    want = ae.Autoencoder(DENSE, 2, **KW).fit(pixels)
    columns = dict(zip("abc", pixels.T, strict=True))
    frame = pd.DataFrame(columns)
    for given in (
        frame,
        frame.astype("UInt8"),
        frame.astype("uint8[pyarrow]"),
        frame.astype(pd.SparseDtype("uint8")),
        pa.table(columns),
        frame.astype({"a": "UInt8"}),
    ):
        same(ae.Autoencoder(DENSE, 2, **KW).fit(given), want)
    holes = pixels.astype(float)
    holes[::5, 1] = np.nan
    there = ~np.isnan(holes)
    want = ae.Autoencoder(DENSE, 2, **KW).fit(holes, sample_mask=there)
    whole = pd.DataFrame(holes, columns=list("abc"))
    for given in (
        whole.convert_dtypes(),
        whole.convert_dtypes(dtype_backend="pyarrow"),
        pa.Table.from_pandas(whole),
    ):
        same(ae.Autoencoder(DENSE, 2, **KW).fit(given, sample_mask=there), want)
    truths = pd.DataFrame({"a": pd.array([True, False] * 20, dtype="boolean"), "b": 1.5})
    same(*(ae.Autoencoder(DENSE, 1, **KW).fit(x) for x in (truths, truths.to_numpy(float))))


def test_sequences_may_be_frames(rng):
    pd, pl, pa = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    L = [rng.random((3 + i % 4, 2)) for i in range(20)]
    want = ae.Autoencoder(ae.LSTM(3), 2, **KW).fit(L)
    for make in (pd.DataFrame, pl.DataFrame, pa.table):
        given = [make({"a": x[:, 0], "b": x[:, 1]}) for x in L]
        found = ae.Autoencoder(ae.LSTM(3), 2, **KW).fit(given)
        same(found, want)
        np.testing.assert_array_equal(found.score_samples(given), want.score_samples(L))


def test_tables_take_items(rng):
    X = rng.random((40, 3))
    want = ae.TabularAutoencoder(DENSE, 2, **KW).fit(X)
    for given in (Items(X, np.arange(40)), Items(X, bare=True)):
        same(ae.TabularAutoencoder(DENSE, 2, **KW).fit(given), want)
        np.testing.assert_array_equal(want.transform(given), want.transform(X))
    torch = pytest.importorskip("torch")
    half = torch.from_numpy(X).bfloat16().requires_grad_()
    plain = half.detach().float().numpy()
    same(*(ae.TabularAutoencoder(DENSE, 2, **KW).fit(x) for x in (half, plain)))


def test_times_are_no_numbers_beside_some(rng):
    """Polars makes numbers of times that are beside numbers, and Arrow's tables fail by NumPy."""
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    numbers = rng.random(20)
    for unit in ("M8[us]", "m8[us]", "M8[D]"):
        columns = {"when": np.arange(20).astype(unit), "x": numbers}
        for X in (pl.DataFrame(columns), pa.table(columns)):
            with pytest.raises(TypeError, match="X: expected numbers.*TabularAutoencoder"):
                ae.Autoencoder(DENSE, 2, **KW).fit(X)
        steps = [pl.DataFrame(columns)[: 3 + i % 2] for i in range(9)]
        with pytest.raises(TypeError, match="X: sample 0: expected numbers .*got a column of D"):
            ae.Autoencoder(ae.LSTM(3), 2, **KW).fit(steps)


ALONE = """
import sys
for name in ("pandas", "dateutil", "pyarrow", "pytz", "tzdata"):
    sys.modules[name] = None  # as if it weren't installed
import aecore as ae, datetime, decimal, numpy as np, polars as pl

n, start = 40, datetime.datetime(2020, 1, 1)
times = [start + datetime.timedelta(hours=i) if i % 5 else None for i in range(n)]
words = ["lo" if i % 2 else "hi" if i % 5 else None for i in range(n)]
X = pl.DataFrame({
    "x": np.arange(n) / 2,
    "when": times,
    "zoned": pl.Series(times).dt.replace_time_zone("Europe/Berlin"),
    "day": [t and t.date() for t in times],
    "span": [t and t - start for t in times],
    "exact": pl.Series([decimal.Decimal(i) / 4 for i in range(n)], dtype=pl.Decimal(10, 2)),
    "word": pl.Series(words, dtype=pl.Enum(["hi", "lo"])),
    "kind": pl.Series(words, dtype=pl.Categorical()),
    "whole": pl.Series([i if i % 5 else None for i in range(n)], dtype=pl.Int16),
    "truth": [i % 2 == 0 if i % 5 else None for i in range(n)],
    "none": pl.Series([None] * n, dtype=pl.Null),
})
options = {"epochs": 1, "random_state": 0}
model = ae.TabularAutoencoder(ae.Dense((4,)), 2, **options).fit(X)
full = model.impute(X)
assert dict(full.schema) == dict(X.schema) and full["when"].null_count() == 0
assert dict(model.reconstruct(X).schema) == dict(X.schema)
detector = ae.AnomalyDetector(ae.Autoencoder(ae.Dense((4,)), 2, **options), n_models=1)
assert detector.fit(X).score_samples(X).shape == (n,)
numbers = X.select("x", "exact")
codes = ae.Autoencoder(ae.Dense((4,)), 2, **options).fit(numbers).set_output(transform="polars")
assert codes.transform(numbers).shape == (n, 2)
assert not any(sys.modules.get(name) for name in ("pandas", "dateutil", "pyarrow", "pytz"))
"""


def test_polars_needs_nothing_beside_it():
    pytest.importorskip("polars")
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=120)

"""Rows that are read a piece at a time: what is read, in which order, and with which result."""

import copy
import gc
import gzip
import os
import pickle
import threading
import time

import aecore as ae
import numpy as np
import pandas as pd
import pytest
from aecore.data import open as opening
from aecore.data.ahead import ahead
from aecore.data.rows import OPEN, Rows
from aecore.data.streams import Item
from aecore.data.tables import Layout, Table, summary
from support.processes import together
from support.resuming import state

D = ae.Dense((8,))
KW = {"batch_size": 16, "random_state": 0, "epochs": 3}
KINDS = {
    "denoising": lambda **k: ae.Autoencoder(D, 3, corruption=ae.Masking(0.2), loss="l1", **k),
    "convolutional": lambda **k: ae.Autoencoder(ae.Conv((4,)), 3, schedule=ae.Cosine(3), **k),
    "pretrained": lambda **k: ae.Autoencoder(D, 3, pretrain_epochs=2, **k),
    "stack": lambda **k: ae.StackedAutoencoder(D, 3, pretrain_epochs=2, **k),
    "cvae": lambda **k: ae.CVAE(D, 3, kl_warmup=2, **k),
    "vqvae": lambda **k: ae.VQVAE(ae.Conv((4,)), 16, 4, **k),
    "vqvae with a prior": lambda **k: ae.VQVAE(
        ae.Conv((4,)), 16, 4, prior=ae.PixelCNN(4, 2, epochs=2), **k
    ),
    "gan": lambda **k: ae.GAN(D, 3, conditional=True, **k),
    "aae": lambda **k: ae.AdversarialAutoencoder(D, 3, discriminator_widths=(8,), **k),
    "gaussian": lambda **k: ae.VAE(D, 3, loss="gaussian", **k),
    "clusters": lambda **k: ae.DeepClustering(3, D, 3, pretrain_epochs=1, n_init=2, tol=0, **k),
}


def images(n=150):
    x = np.random.default_rng(0).random((n, 8, 8, 1), dtype=np.float32)
    return x, np.arange(n) % 3


class Chunked:
    """An array-like that is read by slices, with chunks as zarr's arrays have them."""

    def __init__(self, array, chunk):
        self.array, self.chunks = array, (chunk, *array.shape[1:])
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.array[rows]


def frame(n=1000, seed=0):
    rng = np.random.default_rng(seed)
    start = np.datetime64("2020-01-01", "s")
    found = pd.DataFrame(
        {
            "number": rng.lognormal(size=n),
            "whole": rng.integers(0, 50, n),
            "word": rng.choice(["red", "green", "blue"], n),
            "truth": rng.random(n) < 0.3,
            "bit": rng.integers(0, 2, n),
            "time": start + rng.integers(0, 10**7, n).astype("m8[s]"),
        }
    )
    found.loc[::7, "number"] = np.nan
    found.loc[3::11, "word"] = None
    return found


def written(tmp_path, table, rows=130, name="table.parquet"):
    path = tmp_path / name
    table.to_parquet(path, row_group_size=rows, index=False)
    return path


# ---- training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_in_order_the_bits_of_the_array(name):
    x, y = images()
    whole = KINDS[name](shuffle=False, **KW).fit(x, y)
    rows = ae.open_rows(Chunked(x, 37), y=y, buffer=60)
    assert len(rows) == 150
    assert rows.sizes.tolist() == [37, 37, 37, 37, 2]
    model = KINDS[name](shuffle=False, **KW).fit(rows)
    assert state(model) == state(whole)


@pytest.mark.parametrize("name", KINDS)
def test_an_order_follows_from_the_seed(name):
    x, y = images()
    first, second = (
        KINDS[name](**KW).fit(ae.open_rows(Chunked(x, 37), y=y, buffer=60)) for _ in range(2)
    )
    assert state(first) == state(second)


def test_one_piece_is_shuffled_as_an_array_is():
    x, _ = images()
    one, other = (ae.VAE(D, 3, **KW).fit(X) for X in (x, ae.open_rows(x)))
    np.testing.assert_array_equal(one.transform(x), other.transform(x))


def epochs(rows, batch=16, count=3, shuffle=True):
    """Return the first feature of each sample, in the order in which training sees them."""
    seen = []

    class Spy(ae.Autoencoder):
        def terms(self, batch):
            if batch.noise == "on":
                seen.append(batch.target[:, 0].copy())
            return super().terms(batch)

    Spy(D, 2, batch_size=batch, epochs=count, shuffle=shuffle, random_state=0).fit(rows)
    sizes = [len(part) for part in seen]
    per = len(seen) // count
    return [np.concatenate(seen[i * per : (i + 1) * per]) for i in range(count)], sizes


@pytest.mark.parametrize("buffer", [None, 1, 7, 64, 5000])
@pytest.mark.parametrize("chunk", [1, 10, 333, 1000])
def test_each_row_is_seen_once_an_epoch(buffer, chunk):
    x = np.arange(1000, dtype=np.float32)[:, None].repeat(3, 1) / 1000
    rows = ae.open_rows(Chunked(x, chunk), buffer=buffer)
    passes, sizes = epochs(rows, 16)
    assert sizes == [*[16] * 62, 8] * 3
    for seen in passes:
        np.testing.assert_array_equal(np.sort(seen), x[:, 0])
    assert not np.array_equal(passes[0], passes[1])
    passes, _ = epochs(rows, 16, shuffle=False)
    np.testing.assert_array_equal(passes[2], x[:, 0])


def test_batches_of_sorted_rows_are_mixed():
    """Labels in order, the worst case: a batch has nearly as many as one of a full shuffle."""
    labels = np.sort(np.arange(64_000) % 64).astype(np.float32)
    x = np.stack([labels, labels], 1) / 64
    distinct = {}
    for name, given in (
        ("full", x),
        ("rows", ae.open_rows(Chunked(x, 500), buffer=8000)),
        ("one block at a time", ae.open_rows(Chunked(x, 64_000), buffer=1000)),
    ):
        (seen,), _ = epochs(given, 128, 1)
        parts = np.array_split(seen, 500)
        distinct[name] = np.mean([len(np.unique(part)) for part in parts])
    assert distinct["full"] > 54
    assert distinct["rows"] > OPEN
    assert distinct["one block at a time"] < 4


def test_training_goes_on_from_a_checkpoint(tmp_path):
    x, _ = images()
    path = tmp_path / "run.safetensors"

    def rows():
        return ae.open_rows(Chunked(x, 20), buffer=40)

    whole = ae.VAE(D, 3, **KW).fit(rows())
    ae.VAE(D, 3, **KW | {"epochs": 2}, checkpoint=path).fit(rows())
    model = ae.VAE(D, 3, **KW, checkpoint=path).fit(rows(), resume=True)
    np.testing.assert_array_equal(whole.transform(x), model.transform(x))


def test_several_processes_read_the_same_rows():
    x, _ = images()

    def train(comm):
        return ae.VAE(D, 3, **KW).fit(ae.open_rows(Chunked(x, 20), buffer=40), comm=comm)

    found = [model.transform(x) for size in (1, 3) for model in together(size, train)]
    for codes in found[1:]:
        np.testing.assert_array_equal(codes, found[0])


def test_validation():
    x, _ = images()
    for X_val in (x[:40], ae.open_rows(Chunked(x[:40], 7))):
        model = ae.Autoencoder(D, 3, patience=2, **KW).fit(ae.open_rows(x), X_val=X_val)
        record = model.history_[-1]
        assert record["val_loss"] == pytest.approx(-model.score(x[:40]), rel=1e-5)
    with pytest.raises(ValueError, match="validation_fraction: expected 0"):
        ae.Autoencoder(D, 3, validation_fraction=0.1, **KW).fit(ae.open_rows(x))


def test_gaps_are_masked():
    x, _ = images()
    x[3::5, 2, 2] = np.nan
    mask = ~np.isnan(x)
    whole = ae.Autoencoder(D, 3, shuffle=False, **KW).fit(x, sample_mask=mask)
    model = ae.Autoencoder(D, 3, shuffle=False, **KW).fit(ae.open_rows(x, gaps=True))
    np.testing.assert_array_equal(
        model.transform(x, sample_mask=mask), whole.transform(x, sample_mask=mask)
    )
    np.testing.assert_array_equal(
        model.transform(ae.open_rows(x, gaps=True)), whole.transform(x, sample_mask=mask)
    )
    with pytest.raises(ValueError, match="contains NaN"):
        ae.Autoencoder(D, 3, **KW).fit(ae.open_rows(x))


def test_pixels_are_scaled_alike_in_all_pieces():
    x = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 1)).astype(np.uint8)
    x[:40] = 0  # the first pieces have none above 1
    rows = ae.open_rows(Chunked(x, 10), buffer=20)
    model = ae.Autoencoder(D, 3, shuffle=False, **KW).fit(rows)
    whole = ae.Autoencoder(D, 3, shuffle=False, **KW).fit(x)
    np.testing.assert_array_equal(model.transform(rows), whole.transform(x))


# ---- what fitted models answer ------------------------------------------------------------------


def test_methods_take_rows():
    x, y = images()
    rows = ae.open_rows(Chunked(x, 37), y=y)
    vae = ae.VAE(D, 3, **KW).fit(x)
    for name in ("transform", "reconstruct", "score_samples", "errors", "elbo", "score"):
        options = {"random_state": 1} if name == "elbo" else {}
        found, wanted = (getattr(vae, name)(X, **options) for X in (rows, x))
        np.testing.assert_array_equal(found, wanted, err_msg=name)
    for found, wanted in zip(
        vae.encode_distribution(rows), vae.encode_distribution(x), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
    cvae = ae.CVAE(D, 3, **KW).fit(x, y)
    np.testing.assert_array_equal(cvae.transform(rows), cvae.transform(x, y))


def test_rows_that_do_not_fit_are_refused():
    x, y = images()
    model = ae.VAE(D, 3, **KW).fit(x)
    with pytest.raises(ValueError, match="expected samples of shape"):
        model.transform(ae.open_rows(x[:, :7]))
    with pytest.raises(ValueError, match="y: expected None where X gives batches"):
        model.fit(ae.open_rows(x), y)
    with pytest.raises(TypeError, match="expected integers, numbers of codes"):
        ae.PixelCNN().fit(ae.open_rows(x))
    bad = x.copy()
    bad[140, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        ae.VAE(D, 3, **KW).fit(ae.open_rows(Chunked(bad, 20)))


# ---- files --------------------------------------------------------------------------------------


def test_parquet(tmp_path):
    table = frame()
    rows = ae.open_rows(written(tmp_path, table))
    assert repr(rows) == "ParquetRows of 1,000 samples in 8 blocks"
    found = pd.concat([item.X for item in rows], ignore_index=True)
    pd.testing.assert_frame_equal(found, pd.read_parquet(tmp_path / "table.parquet"))
    rows = ae.open_rows(str(tmp_path / "table.parquet"), columns=["whole", "bit"], y="word")
    X, y, mask, *_ = next(iter(rows))
    assert list(X) == ["whole", "bit"]
    assert mask is None
    assert y.tolist()[:3] == table.word.tolist()[:3]
    rows = ae.open_rows(tmp_path / "table.parquet", drop=["word", "time"], y=["bit", "whole"])
    X, y, *_ = next(iter(rows))
    assert list(X) == ["number", "truth"]
    assert y.shape == (len(X), 2)


def test_several_parquet_files(tmp_path):
    first, second = frame(300), frame(200, 1)
    paths = [written(tmp_path, first, name="a.parquet"), written(tmp_path, second, name="b.pq")]
    for source in (paths, tmp_path):
        rows = ae.open_rows(source)
        found = pd.concat([item.X for item in rows], ignore_index=True)
        pd.testing.assert_frame_equal(
            found, pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
        )
    written(tmp_path, second.drop(columns="word"), name="c.parquet")
    with pytest.raises(ValueError, match=r"c.parquet: expected the columns"):
        ae.open_rows(tmp_path)


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.csv.gz"])
def test_text(tmp_path, name, monkeypatch):
    monkeypatch.setattr(opening, "CHUNK", 100)
    monkeypatch.setattr(opening, "GROUP", 150)
    table = frame(640)
    table["time or word"] = [*table.time.astype(str)[:600], *["later"] * 40]
    table["zoned"] = table.time.dt.tz_localize("UTC")
    table.loc[5:9, "time"] = pd.NaT
    table["late"] = [None] * 300 + [1.5] * 340
    table["number or word"] = [*range(500), *["x"] * 140]
    table["whole or not"] = [*range(500), *[0.5] * 140]
    table["gaps"] = pd.array([None if i > 400 else i for i in range(640)], "Int64")
    table["truths"] = [None if i % 9 == 0 else i % 2 == 0 for i in range(640)]
    table["never"] = [None] * 640
    table.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    rows = ae.open_rows(tmp_path / name)
    folder = rows.folder.path
    found = pd.concat([item.X for item in rows], ignore_index=True)
    assert len(found) == len(rows) == 640
    assert list(found) == list(table)
    np.testing.assert_allclose(found.number, table.number)
    np.testing.assert_array_equal(found.whole, table.whole)
    np.testing.assert_array_equal(found.late, table.late.astype(float))
    assert found["number or word"].tolist() == list(map(str, table["number or word"]))
    assert found["whole or not"].tolist() == table["whole or not"].tolist()
    assert found.time.equals(table.time.astype("M8[us]"))
    assert found["time or word"].tolist() == table["time or word"].tolist()
    assert isinstance(found.zoned[0], str)
    assert found.gaps.isna().sum() == 239
    assert [None if pd.isna(v) else bool(v) for v in found.truths] == list(table.truths)
    assert found.never.isna().all()
    model = ae.TabularAutoencoder(D, 2, **KW).fit(rows)
    assert np.isfinite(model.score_samples(found)).all()
    assert os.path.exists(folder)
    del rows
    gc.collect()
    assert not os.path.exists(folder)


def test_arrays_in_files(tmp_path):
    x, y = images()
    np.save(tmp_path / "x.npy", x)
    rows = ae.open_rows(tmp_path / "x.npy", y=y)
    np.testing.assert_array_equal(np.concatenate([item.X for item in rows]), x)
    zarr = pytest.importorskip("zarr")
    stored = zarr.open(
        str(tmp_path / "x.zarr"), mode="w", shape=x.shape, chunks=(32, 8, 8, 1), dtype=x.dtype
    )
    stored[:] = x
    rows = ae.open_rows(tmp_path / "x.zarr")
    assert rows.sizes.tolist() == [32, 32, 32, 32, 22]
    np.testing.assert_array_equal(np.concatenate([item.X for item in rows]), x)
    np.testing.assert_array_equal(np.concatenate([item.X for item in ae.open_rows(stored)]), x)


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ("table.parquet", {"columns": ["what"]}, ValueError, "columns: expected some of"),
        ("table.parquet", {"columns": "number"}, TypeError, "expected lists of names"),
        ("table.parquet", {"columns": []}, ValueError, "expected at least one"),
        ("table.parquet", {"drop": ["what"]}, ValueError, "drop: expected some of"),
        ("table.parquet", {"y": "what"}, ValueError, "y: expected some of"),
        ("table.parquet", {"buffer": 0}, ValueError, "buffer: expected"),
        ("table.parquet", {"gaps": "yes"}, TypeError, "gaps: expected"),
        ("empty.parquet", {}, ValueError, "expected rows, got none"),
        ("none.parquet", {}, FileNotFoundError, "none.parquet"),
        ("none.csv", {}, FileNotFoundError, "none.csv"),
        ("table.xlsx", {}, ValueError, r"expected a file \.parquet"),
        (".", {}, ValueError, "x.npy|expected a folder of parquet files"),
        (np.zeros((4, 3)), {"columns": ["a"]}, ValueError, "expected none for an array"),
        (np.zeros((4, 3)), {"y": [1, 2]}, ValueError, "y: expected 4 labels"),
        (np.zeros(4), {}, ValueError, "Expected 2D array"),
        (pd.DataFrame({"a": [1]}), {}, TypeError, "got a DataFrame"),
        (3, {}, ValueError, "Expected 2D array"),
    ],
)
def test_what_makes_no_sense(tmp_path, source, options, error, message):
    written(tmp_path, frame(20))
    written(tmp_path, frame(20)[:0], name="empty.parquet")
    if isinstance(source, str) and source == ".":
        (tmp_path / "inner").mkdir()
        source = tmp_path / "inner"
    elif isinstance(source, str):
        source = tmp_path / source
    with pytest.raises(error, match=message):
        ae.open_rows(source, **options)


def test_rows_are_not_opened_twice():
    with pytest.raises(TypeError, match="which are rows"):
        ae.open_rows(ae.open_rows(np.zeros((4, 3))))


def test_a_file_that_has_changed_is_noticed(tmp_path):
    path = written(tmp_path, frame(300)[["number", "whole"]].fillna(0), 100)
    rows = ae.open_rows(path)
    written(tmp_path, frame(290)[["number", "whole"]].fillna(0), 100)
    with pytest.raises(ValueError, match="table.parquet: expected the file as it was opened"):
        ae.Autoencoder(D, 1, **KW).fit(rows)


# ---- tables -------------------------------------------------------------------------------------


def described(parts, categorical=()):
    found = summary.TableSummary(categorical)
    for part in parts:
        found.add(Table(part))
    return found.layout.describe()


@pytest.mark.parametrize("size", [1, 9, 130, 2000])
def test_columns_are_learned_as_of_the_whole_table(size):
    table = frame(700).convert_dtypes() if size == 9 else frame(700)
    table["zeros first"] = [0] * 650 + [1] * 50
    table["few first"] = [0, 1] * 300 + [2] * 100
    table["late"] = [np.nan] * 650 + [1.5] * 50
    table["never"] = np.nan
    table["category"] = pd.Categorical(["a", "b"] * 350, ["b", "a", "c"], ordered=True)
    parts = [table[i : i + size] for i in range(0, 700, size)]
    wanted = Layout.learn(Table(table), ["bit"]).describe()
    assert described(parts, ["bit"]) == wanted


def test_a_sample_is_enough_for_medians(monkeypatch):
    monkeypatch.setattr(summary, "SAMPLE", 64)
    spaced = summary.Spaced(64)
    for part in np.array_split(np.arange(10_000.0), 37):
        spaced.add(part)
    kept = spaced.values()
    assert 32 <= len(kept) <= 64
    assert len(set(np.diff(kept))) == 1
    table = frame(9000)
    found = described([table[i : i + 500] for i in range(0, 9000, 500)])
    for one, other in zip(
        found["columns"], Layout.learn(Table(table)).describe()["columns"], strict=True
    ):
        for name in set(one) - {"center", "scale", "mean", "deviation"}:
            assert one[name] == other[name]
        if one["kind"] == "numeric":
            assert one["scale"] == pytest.approx(other["scale"], rel=0.6)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            [{"a": [1.5]}, {"a": ["x"]}],
            "batch 2: .*expected numbers, as in rows before, got levels",
        ),
        ([{"a": ["x"]}, {"a": [1.5]}], "expected levels, as in rows before, got numbers"),
        (
            [{"a": np.array(["2020"], "M8[s]")}, {"a": [1.5]}],
            "expected times, as in rows before, got numbers",
        ),
        ([{"a": [1.5]}, {"b": [1.5]}], r"expected the columns \['a'\]"),
        ([{"a": [None]}, {"a": [None]}], "expected a cell that isn't missing, got none"),
    ],
)
def test_parts_of_tables_that_do_not_fit(parts, message):
    frames = [pd.DataFrame(part) for part in parts]
    with pytest.raises((TypeError, ValueError), match=message):
        ae.TabularAutoencoder(D, 1, **KW).fit(lambda: iter(frames))


@pytest.mark.parametrize("make", [ae.TabularAutoencoder, ae.TabularVAE])
def test_models_of_tables(tmp_path, make):
    table = pd.read_parquet(written(tmp_path, frame()))
    rows = ae.open_rows(tmp_path / "table.parquet")
    whole = make(D, 2, shuffle=False, **KW).fit(table)
    model = make(D, 2, shuffle=False, **KW).fit(rows)
    for name in ("transform", "score_samples", "errors", "score_cells"):
        wanted = getattr(whole, name)(table)
        np.testing.assert_array_equal(getattr(model, name)(table), wanted)
        np.testing.assert_array_equal(getattr(model, name)(rows), wanted)
    pd.testing.assert_frame_equal(model.reconstruct(rows), whole.reconstruct(table))
    pd.testing.assert_frame_equal(model.impute(rows), whole.impute(table))
    shuffled = make(D, 2, **KW).fit(rows)
    assert shuffled.history_[-1]["loss"] == pytest.approx(
        make(D, 2, **KW).fit(table).history_[-1]["loss"], rel=0.1
    )


@pytest.mark.parametrize("model", [None, ae.TabularAutoencoder(D, 2, epochs=2)])
def test_detectors(tmp_path, model):
    table = pd.read_parquet(written(tmp_path, frame()))
    rows = ae.open_rows(tmp_path / "table.parquet")
    whole = ae.AnomalyDetector(model, random_state=0, n_models=2).fit(table)
    detector = ae.AnomalyDetector(model, random_state=0, n_models=2)
    np.testing.assert_array_equal(detector.fit_predict(rows), whole.predict(table))
    np.testing.assert_array_equal(detector.score_samples(rows), whole.score_samples(table))
    assert detector.offset_ == whole.offset_
    numbers = frame()[["whole", "bit"]]
    detector = ae.AnomalyDetector(random_state=0, n_models=1).fit(numbers)
    np.testing.assert_array_equal(
        detector.score_samples(ae.open_rows(written(tmp_path, numbers))),
        detector.score_samples(numbers),
    )


def test_a_detector_learns_of_evenly_spaced_rows(tmp_path, monkeypatch):
    from aecore.models.detection import detector

    monkeypatch.setattr(detector, "MOST_ROWS", 100)
    x = np.random.default_rng(0).normal(size=(1000, 4))
    rows = ae.open_rows(Chunked(x, 70))
    found = ae.AnomalyDetector(max_samples=64, random_state=0).fit(rows)
    wanted = ae.AnomalyDetector(max_samples=64, random_state=0).fit(x[::10])
    np.testing.assert_array_equal(found.score_samples(x), wanted.score_samples(x))


def test_members_are_trained_at_a_time():
    x = np.random.default_rng(0).normal(size=(300, 4))
    one = ae.AnomalyDetector(random_state=0).fit(x)
    two = ae.AnomalyDetector(random_state=0, n_jobs=2).fit(x)
    np.testing.assert_array_equal(one.score_samples(x), two.score_samples(x))
    with pytest.raises(ValueError, match="n_jobs: expected another number than 0"):
        ae.AnomalyDetector(n_jobs=0).fit(x)


# ---- reading ahead, and memory ------------------------------------------------------------------


def readers():
    return [t for t in threading.enumerate() if t.name == "aecore reads"]


def test_what_is_read_ahead_comes_in_order():
    assert list(ahead(lambda: iter_closing(5))) == list(range(5))
    assert not readers()


def iter_closing(n, closed=None, error=None):
    try:
        yield from range(n)
        if error is not None:
            raise error
    finally:
        if closed is not None:
            closed.append(True)


def test_an_error_of_the_reader_is_raised_where_its_item_would_be():
    seen, closed = [], []
    with pytest.raises(OSError, match="cut short"):
        for item in ahead(lambda: iter_closing(3, closed, OSError("cut short"))):
            seen.append(item)
    assert seen == [0, 1, 2]
    assert closed
    assert not readers()


def test_a_reader_ends_when_nobody_reads():
    closed = []
    items = ahead(lambda: iter_closing(100, closed))
    assert next(items) == 0
    items.close()
    assert closed
    assert not readers()


def test_a_reader_ends_with_a_training_that_fails():
    x, _ = images()

    class Failing(ae.Autoencoder):
        def terms(self, batch):
            if batch.noise == "on" and batch.position > 60:
                raise RuntimeError("enough")
            return super().terms(batch)

    with pytest.raises(RuntimeError, match="enough"):
        Failing(D, 3, **KW).fit(ae.open_rows(Chunked(x, 10), buffer=16))
    for _ in range(50):
        if not readers():
            return
        time.sleep(0.05)
    raise AssertionError("the reader goes on")


class Counted(Rows):
    """Rows that are made when they are read; counts how many are in memory."""

    def __init__(self, blocks, rows):
        super().__init__([rows] * blocks, 64, buffer=OPEN * rows)
        self.made = []

    def pieces(self, block, most):
        import weakref

        rng = np.random.default_rng(block)
        for start in range(0, int(self.sizes[block]), most):
            n = min(most, int(self.sizes[block]) - start)
            X = rng.random((n, 16), np.float32)
            self.made.append(weakref.ref(X))
            yield Item(X)

    def in_memory(self):
        return sum(ref().size for ref in self.made if ref() is not None) // 16


def test_memory_does_not_grow_with_the_number_of_rows():
    for blocks in (20, 200):
        rows, seen = Counted(blocks, 500), []

        class Spy(ae.Autoencoder):
            def terms(self, batch, rows=rows, seen=seen):
                seen.append(rows.in_memory())
                return super().terms(batch)

        Spy(D, 2, epochs=1, batch_size=128, random_state=0).fit(rows)
        assert len(rows.made) >= 2 * blocks
        assert max(seen) <= 2 * OPEN * 500  # blocks that are mixed, and as many read ahead


def test_gz_is_read(tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        file.write("a,b\n1,2\n3,4\n")
    assert len(ae.open_rows(tmp_path / "a.csv.gz")) == 2


# ---- files as people have them ------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[t.whole > 10],  # an index with holes
        lambda t: t.set_index("whole"),
        lambda t: t.set_index(["whole", "bit"]),
        lambda t: t.set_axis(pd.date_range("2026", periods=len(t)).rename("when")),
        lambda t: t[["number", "whole", "bit"]].set_axis(range(3), axis=1),
        lambda t: t[["number", "bit"]].set_axis(
            pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), axis=1
        ),
    ],
)
def test_indices_and_names_are_those_of_pandas(tmp_path, change):
    table = change(frame(200))
    table.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    table = pd.read_parquet(tmp_path / "t.parquet")
    rows = ae.open_rows(tmp_path / "t.parquet")
    found = pd.concat([item.X for item in rows], ignore_index=True)
    pd.testing.assert_index_equal(pd.Index(found.columns), pd.Index(table.columns), exact=False)
    np.testing.assert_array_equal(found.iloc[:, -1], table.iloc[:, -1])
    model = ae.TabularAutoencoder(D, 1, **KW).fit(rows)
    np.testing.assert_array_equal(model.transform(rows), model.transform(table))
    chosen = ae.open_rows(tmp_path / "t.parquet", columns=table.columns[:1])
    assert list(next(iter(chosen)).X.columns) == list(table.columns[:1])


def test_columns_of_folders_are_not_lost(tmp_path):
    frame(60).to_parquet(tmp_path / "set", partition_cols=["bit"])
    with pytest.raises(ValueError, match="got a folder bit=0, whose name is one"):
        ae.open_rows(tmp_path / "set")


@pytest.mark.parametrize("rows", [(240, 80), (360, 120), (300, 100)])
def test_a_file_that_was_written_anew_is_noticed(tmp_path, rows):
    table = frame(360)[["whole", "bit"]]
    path = written(tmp_path, table[:300], 100)
    opened = ae.open_rows(path)
    model = ae.AnomalyDetector(n_models=1, random_state=0).fit(opened)
    time.sleep(0.01)
    written(tmp_path, table[-rows[0] :], rows[1])
    for call in (model.fit, model.score_samples, model.predict, list):
        with pytest.raises(ValueError, match="it has changed"):
            call(opened)


class Shrinking(Rows):
    def __init__(self, found):
        super().__init__([10, 10], 8)
        self.found = found

    def pieces(self, block, most):
        yield Item(np.random.default_rng(0).random((self.found, 3)))


@pytest.mark.parametrize("found", [9, 11])
def test_blocks_of_another_size_are_noticed(found):
    rows = Shrinking(10)
    model = ae.Autoencoder(D, 2, **KW).fit(rows)
    detector = ae.AnomalyDetector(n_models=1, random_state=0).fit(rows)
    rows.found = found
    for call in (model.fit, model.transform, detector.fit, detector.score_samples):
        with pytest.raises(
            ValueError, match=f"expected 10 rows in a block, as before, got {found}"
        ):
            call(rows)


def test_text_without_names(tmp_path):
    x = np.random.default_rng(0).random((50, 3)).round(6)
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", fmt="%.6f")
    rows = ae.open_rows(tmp_path / "x.csv", header=False)
    assert len(rows) == 50
    model = ae.Autoencoder(D, 2, shuffle=False, **KW).fit(rows)
    np.testing.assert_array_equal(model.transform(rows), model.transform(x))
    with pytest.raises(ValueError, match="header: expected True but for text files"):
        ae.open_rows(written(tmp_path, frame(9)), header=False)


def test_copies_of_text(tmp_path):
    frame(20).to_csv(tmp_path / "x.csv", index=False)
    copied = copy.deepcopy(ae.open_rows(tmp_path / "x.csv"))
    gc.collect()
    assert sum(len(item.X) for item in copied) == 20
    with pytest.raises(TypeError, match="can't be pickled: write a parquet file"):
        pickle.dumps(copied)
    opened = pickle.loads(pickle.dumps(ae.open_rows(written(tmp_path, frame(20)))))
    assert sum(len(item.X) for item in opened) == 20
    (tmp_path / "empty.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match=r"empty.csv: expected rows, got none"):
        ae.open_rows(tmp_path / "empty.csv")


def test_an_array_in_a_group(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
    group.create_array("a", data=np.zeros((9, 3)))
    assert len(ae.open_rows(tmp_path / "g.zarr" / "a")) == 9
    with pytest.raises(ValueError, match=r"got a group of arrays \(a\): open one"):
        ae.open_rows(tmp_path / "g.zarr")


def test_many_row_groups_are_read_soon(tmp_path):
    """The file's footer isn't read again for each: that takes seconds for a thousand."""
    import pyarrow.parquet

    path, opened = written(tmp_path, frame(600), 1), []
    rows, kept = ae.open_rows(path), pyarrow.parquet.ParquetFile

    class File(kept):
        def __init__(self, path, *, metadata=None):
            opened.append(metadata is not None)
            super().__init__(path, metadata=metadata)

    pyarrow.parquet.ParquetFile = File
    try:
        assert sum(len(item.X) for item in rows) == 600
    finally:
        pyarrow.parquet.ParquetFile = kept
    assert opened == [True] * 600


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"y": 3}, ValueError, "y: expected some of the columns"),
        ({"columns": np.array(["whole", "what"])}, ValueError, "got np.str_|got 'what'"),
    ],
)
def test_names_of_other_types(tmp_path, options, error, message):
    path = written(tmp_path, frame(20))
    assert (
        len(next(iter(ae.open_rows(path, columns=np.array(["whole"]), drop=None))).X.columns) == 1
    )
    with pytest.raises(error, match=message):
        ae.open_rows(path, **options)
    with pytest.raises(TypeError, match="y: expected an array of labels"):
        ae.open_rows(np.zeros((4, 3)), y="a")


# ---- more methods -------------------------------------------------------------------------------


def test_classifiers_and_transformers_take_rows():
    x, y = images()
    rows = ae.open_rows(Chunked(x, 37), y=y)
    stack = ae.StackedAutoencoder(D, 3, pretrain_epochs=1, **KW)
    model = ae.SoftmaxClassifier(stack, **KW).fit(x, y)
    np.testing.assert_array_equal(model.predict_proba(rows), model.predict_proba(x))
    np.testing.assert_array_equal(model.predict(rows), model.predict(x))
    assert model.score(rows) == model.score(x, y)
    codes = ae.VAE(D, 3, shuffle=False, **KW).fit_transform(rows)
    np.testing.assert_array_equal(codes, ae.VAE(D, 3, shuffle=False, **KW).fit_transform(x))
    with pytest.raises(ValueError, match="y: expected None, as rows have their own"):
        ae.CVAE(D, 3, **KW).fit(x, y).transform(rows, y)

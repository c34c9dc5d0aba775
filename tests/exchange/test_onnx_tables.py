"""Models of tables and detectors as ONNX files: what they give from the columns of a table."""

import json

import aecore as ae
import numpy as np
import pytest
from exchange.test_onnx import KW, notes

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

N = 120
WORDS = np.array(["oak", "birch", "pine", "", "ä long one"])
SHARES = np.array([0.1, 0.25, 0.5])


def runtime(path, feed):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == list(feed)
    return session.run(None, feed)[0]


def reference(path, feed):
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):  # in what isn't chosen
        return ReferenceEvaluator(path).run(None, feed)[0]


RUNS = pytest.mark.parametrize("run", [runtime, reference])


def rows(rng, n=N):
    """Return columns of every kind, with gaps."""
    columns = {
        "height": rng.lognormal(3, 2, n),
        "count": rng.integers(0, 1000, n).astype(float),
        "kind": WORDS[rng.integers(0, 4, n)],
        "v3": SHARES[rng.integers(0, 3, n)],  # as values in the graph are called
        "codes": rng.integers(0, 2, n).astype(float),  # and outputs
        "when": rng.integers(0, 10**9, n).astype("M8[s]"),
        "long": rng.integers(0, 10**5, n).astype("m8[s]"),
    }
    for name in ("height", "v3", "codes"):
        columns[name][rng.random(n) < 0.2] = np.nan
    for name in ("when", "long"):
        columns[name][rng.random(n) < 0.2] = np.array("NaT", columns[name].dtype)
    return columns


def structured(columns):
    out = np.zeros(N, [(name, c.dtype) for name, c in columns.items()])
    for name, column in columns.items():
        out[name] = column
    return out


def fed(columns):
    """Return what a graph takes in place of columns."""
    found = {}
    for name, column in columns.items():
        if column.dtype.kind in "Mm":
            seconds = column.astype(np.int64).astype(float)
            column = np.where(np.isnat(column), np.nan, seconds)
        name = name + "_" if name in ("codes", "scores") else name
        found[name] = column.astype(object) if column.dtype.kind == "U" else column
    return found


@RUNS
@pytest.mark.parametrize("cls", [ae.TabularAutoencoder, ae.TabularVAE])
def test_codes_of_tables(cls, run, rng, tmp_path):
    path, columns = str(tmp_path / "m.onnx"), rows(rng)
    model = cls(ae.Dense((16,)), 3, categorical=["v3"], **KW).fit(structured(columns))
    ae.to_onnx(model, path, "encode")
    new = rows(rng)
    new["height"][:4] = [1e300, -1e30, 0, 1e9]
    new["kind"][:2] = WORDS[4]  # which fit hasn't seen
    new["v3"][2:4] = 0.3
    want = model.transform(structured(new))
    got = run(path, fed(new))
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    inputs = {i.name: i.doc_string for i in onnx.load(path).graph.input}
    assert inputs["when"] == "times, as seconds since 1970 in UTC, or NaN"
    assert inputs["kind"] == 'levels, or "" where one is missing'
    assert inputs["codes_"] == "levels, or NaN where one is missing"
    found = notes(path)[0]
    assert json.loads(found["aecore.feature_names"]) == list(columns)
    assert "aecore.uint8_scale" not in found


@RUNS
def test_columns_of_frames(run, rng, tmp_path):
    """Levels by categories, booleans, float32 and empty strings; a column that was all missing."""
    pd = pytest.importorskip("pandas")
    path = str(tmp_path / "m.onnx")
    frame = pd.DataFrame(
        {
            "none": np.full(N, np.nan),
            "truth": rng.random(N) < 0.5,
            "share": pd.Categorical(SHARES.astype(np.float32)[rng.integers(0, 3, N)]),
            "word": pd.Series(WORDS[rng.integers(0, 4, N)], dtype=object),
            "size": pd.array(rng.integers(0, 9, N), dtype="Int64"),
        }
    )
    model = ae.TabularAutoencoder(ae.Dense((8,)), 2, **KW).fit(frame)
    ae.to_onnx(model, path, "encode")
    feed = {name: frame[name].to_numpy(np.float64) for name in ("truth", "share", "size")}
    feed = {"truth": feed["truth"], "share": feed["share"], "word": frame["word"].to_numpy(object),
            "size": feed["size"]}  # fmt: skip
    np.testing.assert_allclose(run(path, feed), model.transform(frame), rtol=1e-5, atol=1e-5)
    matrix = rng.random((N, 3))
    model = ae.TabularVAE(ae.Dense((8,)), 2, **KW).fit(matrix)
    ae.to_onnx(model, path, "encode")
    feed = {f"x{j}": matrix[:, j] for j in range(3)}
    np.testing.assert_allclose(run(path, feed), model.transform(matrix), rtol=1e-5, atol=1e-5)


def same_scores(run, path, feed, want):
    got = run(path, feed)
    assert got.shape == want.shape and got.dtype == np.float64
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@RUNS
@pytest.mark.parametrize("measure", ["manifold", "codes"])
def test_scores_of_numbers(measure, run, rng, tmp_path):
    path, X = str(tmp_path / "m.onnx"), rng.lognormal(0, 3, (N, 5))
    X[rng.random(X.shape) < 0.1] = np.nan
    model = ae.AnomalyDetector(n_models=2, measure=measure, random_state=0).fit(X)
    ae.to_onnx(model, path, "score")
    new = rng.lognormal(0, 4, (N, 5))
    new[0], new[1], new[2, 2:] = np.nan, [1e200, -1e12, 0, 1e-30, 5], np.nan
    for given in (X, new, new[:1]):
        same_scores(run, path, {"x": given}, model.score_samples(given))
    found, words = notes(path)
    assert float(found["aecore.threshold"]) == model.threshold_
    assert found["aecore.model"] == "AnomalyDetector" and "NaN" in words
    with pytest.raises(ValueError, match="uint8: expected False for a model that was fitted to"):
        ae.to_onnx(model, path, "score", uint8=True)


@RUNS
@pytest.mark.parametrize("kind", ["numbers", "table", "pixels"])
def test_scores_with_labels(kind, run, rng, tmp_path):
    path, y = str(tmp_path / "m.onnx"), np.where(np.arange(N) < 6, -1, 0)
    model = ae.AnomalyDetector(n_models=2, random_state=0)
    if kind == "numbers":
        X = rng.lognormal(0, 3, (N, 5))
        X[rng.random(X.shape) < 0.1] = np.nan
        given = {"x": X}
    elif kind == "table":
        columns = rows(rng)
        X, given = structured(columns), fed(columns)
    else:
        X = rng.random((N, 8, 8, 1), dtype=np.float32)
        model.model, given = ae.Autoencoder(ae.Conv((4,)), 3, **KW), {"x": X}
    model.fit(X, y)
    assert model._state.evidence is not None
    ae.to_onnx(model, path, "score")
    same_scores(run, path, given, model.score_samples(X))


@RUNS
@pytest.mark.parametrize("measure", ["manifold", "codes"])
def test_scores_of_tables(measure, run, rng, tmp_path):
    path, columns = str(tmp_path / "m.onnx"), rows(rng)
    model = ae.AnomalyDetector(n_models=2, measure=measure, random_state=0)
    model.fit(structured(columns))
    ae.to_onnx(model, path, "score")
    new = rows(rng)
    new["kind"][:3] = WORDS[4]
    new["height"][:3] = [1e9, 1, -1e9]
    same_scores(run, path, fed(new), model.score_samples(structured(new)))


@RUNS
@pytest.mark.parametrize(
    "make",
    [
        lambda: None,
        lambda: ae.VAE(ae.Conv((4,)), 3, loss="bce", **KW),
        lambda: ae.VQVAE(ae.ResNet(8, 4), 8, 4, **KW),
    ],
    ids=["default", "vae", "vqvae"],
)
@pytest.mark.parametrize("measure", ["manifold", "codes"])
def test_scores_of_pixels(measure, make, run, rng, tmp_path):
    path, X = str(tmp_path / "m.onnx"), rng.integers(0, 256, (N, 8, 8, 1), dtype=np.uint8)
    model = ae.AnomalyDetector(make(), n_models=2, measure=measure, random_state=0)
    if model.model is None:
        model.model = ae.Autoencoder(ae.Conv((4,)), 3, **KW)
    model.fit(X)
    want = model.score_samples(X)
    for uint8, x in ((True, X), (False, np.float32(X) / 255)):
        ae.to_onnx(model, path, "score", uint8=uint8)
        same_scores(run, path, {"x": x}, want)
    assert notes(path)[0]["aecore.uint8_scale"] == repr(1 / 255)


def test_scores_of_sequences(rng, tmp_path):
    path, X = str(tmp_path / "m.onnx"), rng.random((40, 6, 2), dtype=np.float32)
    model = ae.AnomalyDetector(ae.Autoencoder(ae.LSTM(4), 2, **KW), n_models=2, random_state=0)
    ae.to_onnx(model.fit(X), path, "score")
    same_scores(runtime, path, {"x": X}, model.score_samples(X))
    assert runtime(path, {"x": X[:0]}).shape == (0,)


def test_no_rows(rng, tmp_path):
    path, columns = str(tmp_path / "m.onnx"), rows(rng)
    X = structured(columns)
    none = {name: column[:0] for name, column in fed(columns).items()}
    ae.to_onnx(ae.TabularAutoencoder(ae.Dense((8,)), 3, **KW).fit(X), path, "encode")
    assert runtime(path, none).shape == (0, 3)
    for measure in ("manifold", "codes"):
        model = ae.AnomalyDetector(n_models=1, measure=measure, random_state=0)
        ae.to_onnx(model.fit(X), path, "score")
        assert runtime(path, none).shape == (0,)
        ae.to_onnx(model.fit(rng.random((N, 3))), path, "score")
        assert runtime(path, {"x": np.empty((0, 3))}).shape == (0,)


def test_bytes_are_for_pixels_alone(rng, tmp_path):
    path = str(tmp_path / "m.onnx")
    pixels = rng.integers(0, 256, (N, 6), dtype=np.uint8)
    for X, scale in ((pixels, 1 / 255), (pixels / 255, 1 / 255), (pixels / 9 - 5, None)):
        model = ae.Autoencoder(ae.Dense((4,)), 2, **KW).fit(X)
        ae.to_onnx(model, path)
        assert notes(path)[0].get("aecore.uint8_scale") == (scale and repr(scale))
        if scale:
            ae.to_onnx(model, path, uint8=True)
            got = runtime(path, {"x": pixels})
            np.testing.assert_allclose(got, model.reconstruct(X), rtol=1e-5, atol=1e-5)
            continue
        with pytest.raises(ValueError, match="uint8: expected False for a model that was fitted"):
            ae.to_onnx(model, path, uint8=True)


def test_what_has_no_form(rng, tmp_path):
    path, X = tmp_path / "m.onnx", rng.random((N, 3))
    table = ae.TabularAutoencoder(ae.Dense((4,)), 2, **KW)
    with pytest.raises(ValueError, match="part: expected one of 'encode'"):
        ae.to_onnx(table.fit(X), path)
    with pytest.raises(ValueError, match="uint8: expected False"):
        ae.to_onnx(table, path, "encode", uint8=True)
    with pytest.raises(ValueError, match="lengths: expected False"):
        ae.to_onnx(table, path, "encode", lengths=True)
    detector = ae.AnomalyDetector(n_models=1, random_state=0)
    with pytest.raises(ValueError, match="not fitted"):
        ae.to_onnx(detector, path, "score")
    with pytest.raises(ValueError, match="part: expected one of 'score'"):
        ae.to_onnx(detector.fit(X), path)
    for measure in ("loss", "mean", "max"):
        detector.set_params(measure=measure).fit(X)
        with pytest.raises(NotImplementedError, match="measure: expected 'manifold' or 'codes'"):
            ae.to_onnx(detector, path, "score")
    detector.set_params(measure="manifold", model=table).fit(X)
    with pytest.raises(NotImplementedError, match="expected None or a model of arrays"):
        ae.to_onnx(detector, path, "score")
    for cells, what in (
        (np.array(["a", 1, 2.5] * 40, object), "of several types"),
        (np.array([2**60, 2**60 + 1, 5] * 40, object), "integers beyond"),
    ):
        mixed = np.stack([cells, np.arange(N)], axis=1)
        table.set_params(categorical=[0]).fit(mixed)
        with pytest.raises(NotImplementedError, match=f"X: column 0: .* {what}"):
            ae.to_onnx(table, path, "encode")
    assert not path.exists()

"""Reasons of a detector's scores: what they add up to, and that they are the right ones."""

import copy
import pickle

import aecore as ae
import numpy as np
import pytest

SMALL = ae.Autoencoder(ae.Dense((16,)), 3, learning_rate=3e-3, epochs=10, batch_size=32)
MEASURES = ("manifold", "loss", "codes", "mean", "max")


def related(rng, n=400, features=8, factors=3, noise=0.1):
    """Columns that follow from a few others."""
    mixing = np.random.default_rng(5).normal(size=(factors, features))
    return rng.normal(size=(n, factors)) @ mixing + noise * rng.normal(size=(n, features))


def detector(model=None, **params):
    return ae.AnomalyDetector(model, **{"random_state": 0, "n_models": 2, **params})


def scaled(X, like):
    low, middle, high = np.percentile(like, (25, 50, 75), axis=0)
    return np.arcsinh((X - middle) / ((high - low) / 1.349))


# ---- what values add ----------------------------------------------------------------------------


def test_the_manifold_s_shares_follow_the_formula(rng):
    X, Y = related(rng), related(rng, 30)
    d = detector(n_models=3).fit(X)
    Z, state, total = scaled(Y, X).astype(np.float32), d._state, 0.0
    for i, member in enumerate(state.members):
        rebuilt = member.model.reconstruct(Z)
        r = member.state["references"]
        k = 17  # of 128: 12.8 outliers are expected among them, and 3.4 are a deviation
        distances = ((rebuilt[:, None].astype(float) - r) ** 2).sum(2)
        nearest = r[np.argsort(distances, axis=1)[:, k - 1]]
        off, near = (Z - rebuilt).astype(float) ** 2, (rebuilt - nearest).astype(float) ** 2
        away = (Z - nearest).astype(float) ** 2
        squares = off + away / away.sum(1, keepdims=True) * near.sum(1, keepdims=True)
        raw = np.sqrt(off.sum(1) + near.sum(1))
        np.testing.assert_allclose(raw, member.measure("manifold", Z), rtol=1e-4)
        total = total + squares / raw[:, None] / state.scale[i, 0]
    np.testing.assert_allclose(d.score_features(Y), total / 3, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("model", [None, SMALL, ae.VAE(ae.Dense((8,)), 2, epochs=3)])
def test_parts_add_up_to_the_score_and_a_number(measure, model, rng):
    X = related(rng)
    d = detector(model, measure=measure).fit(X)
    adds, scores = d.score_features(X), d.score_samples(X)
    assert adds.shape == X.shape and (adds >= 0).all() and adds.dtype == np.float64
    rest = adds.sum(1) + scores
    if measure in ("manifold", "codes"):  # medians in interquartile ranges
        want = (d._state.location / d._state.scale).mean()
        close = np.isclose(rest, want, rtol=1e-5, atol=1e-5)
        assert close.mean() > (0.95 if measure == "codes" else 0.999)
    elif model is not None and measure == "loss" and not isinstance(model, ae.VAE):
        np.testing.assert_allclose(rest, rest.mean(), atol=1e-4)  # the loss is nothing else
    order = np.argsort(scores)
    assert adds[order[:20]].sum(1).mean() > 1.5 * adds[order[-20:]].sum(1).mean()


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce", "gaussian"])
def test_a_loss_is_its_values_but_for_what_is_always_there(loss, rng):
    X = related(rng)
    X = (X - X.min()) / (X.max() - X.min())
    model = ae.Autoencoder(ae.Dense((8,)), 2, loss=loss, epochs=3)
    d = detector(model, measure="loss", n_models=1, scale=False).fit(X)
    rest, scale = d.score_features(X).sum(1) + d.score_samples(X), d._state.scale[0, 0]
    member, least = d.estimators_[0], 0.0
    if loss == "bce":
        x = X.astype(np.float32).astype(float)
        with np.errstate(all="ignore"):
            least = np.nan_to_num(-x * np.log(x) - (1 - x) * np.log(1 - x)).sum(1)
    elif loss == "gaussian":
        least = 8 * (np.log(member._loss.sigma) + np.log(2 * np.pi) / 2)
    np.testing.assert_allclose(rest, (d._state.location[0, 0] - least) / scale, atol=1e-3)


# ---- the right ones -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "factors", "noise"), [(6, 2, 0.1), (12, 4, 0.3), (20, 4, 0.1)]
)
def test_a_planted_cell_comes_first(features, factors, noise, rng):
    X = related(rng, 1000, features, factors, noise)
    d = ae.AnomalyDetector(random_state=0, contamination=0.05).fit(X)
    Y, n = related(rng, 300, features, factors, noise), 300
    at = rng.integers(0, features, n)
    planted = X.mean(0)[at] + rng.choice([-5, 5], n) * X.std(0)[at]
    expected = Y[np.arange(n), at]
    Y[np.arange(n), at] = planted
    first = d.explain(Y, 1)
    assert (first["column"] == at).mean() > 0.97
    np.testing.assert_array_equal(
        first["value"][first["column"] == at], planted[first["column"] == at]
    )
    nearer = np.abs(first["expected"] - expected) < np.abs(planted - expected)
    assert nearer[first["column"] == at].mean() > 0.95


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_finds_a_planted_cell(measure, rng):
    X = related(rng, 600)
    d = detector(measure=measure).fit(X)
    Y, at = related(rng, 200), rng.integers(0, 8, 200)
    Y[np.arange(200), at] = X.mean(0)[at] + rng.choice([-8, 8], 200) * X.std(0)[at]
    # a code tells less of a single cell than what is left of it does
    assert (d.explain(Y, 1)["column"] == at).mean() > (0.8 if measure == "codes" else 0.95)


def mixed(rng, n=500):
    pd = pytest.importorskip("pandas")
    size = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "size": size,
            "weight": 70 * size + 20 + rng.normal(size=n),
            "kind": np.where(size > 0, "big", "small"),
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.round(10 * size + 40), unit="D"),
            "light": size < 0,
        },
        index=[f"r{i}" for i in range(n)],
    )
    frame.loc["r3", "weight"] = np.nan
    frame.loc["r4", "kind"] = None
    return frame


@pytest.mark.parametrize(
    "model",
    [None, ae.TabularAutoencoder(ae.Dense((32,)), 2, epochs=60, learning_rate=3e-3, batch_size=64)],
)
@pytest.mark.parametrize("measure", MEASURES)
def test_tables_of_mixed_types(model, measure, rng):
    import pandas as pd

    frame = mixed(rng)
    d = detector(model, measure=measure).fit(frame)
    odd = frame.iloc[[3, 10, 11, 12]].copy()
    odd.loc["r10", "weight"], odd.loc["r11", "kind"] = -900.0, "huge"
    odd.loc["r12", "day"] = pd.Timestamp("2031-05-05")
    found = d.explain(odd, 2)
    assert list(found.columns) == ["row", "column", "value", "expected", "share"]
    assert list(found["row"]) == ["r3", "r3", "r10", "r10", "r11", "r11", "r12", "r12"]
    first = found.iloc[::2].set_index("row")
    if measure != "codes":  # to which sizes and weights are one
        assert list(first["column"][1:3]) == ["weight", "kind"]
        days = frame.iloc[12:112].assign(day=pd.Timestamp("2031-05-05"))
        later = d.explain(days, 1)
        # where a day is as far off as this, it moves what is expected of sizes and weights too
        assert (later["column"] == "day").mean() > (0.95 if model is None else 0.4)
        assert all(day.year < 2031 for day in later["expected"][later["column"] == "day"])
    assert list(first["column"][2:3]) == ["kind"]
    if measure == "codes":
        return
    assert list(first["value"][1:3]) == [-900.0, "huge"]
    assert first["expected"]["r10"] > -800
    assert first["expected"]["r11"] in ("big", "small")
    everything = d.explain(odd, 99)
    assert len(everything) == 20
    lights = everything[everything["column"] == "light"]
    assert all(isinstance(v, (bool, np.bool_)) for v in lights["expected"])
    shares = everything.groupby("row")["share"].sum()
    assert np.isclose(shares, 1).all() or measure in ("mean", "max")
    gap = everything[(everything["row"] == "r3") & (everything["column"] == "weight")]
    assert gap["share"].iloc[0] == 0  # a missing cell is no reason
    adds = d.score_features(odd)
    assert list(adds.columns) == list(frame.columns) and adds.index.equals(odd.index)
    np.testing.assert_array_equal(d.score_cells(odd), adds)


def test_containers(rng):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X = related(rng, 200, 3)
    names, d = ["a", "b", "c"], detector().fit(X)
    want = d.explain(X[:4], 2)
    assert want.dtype.names == ("row", "column", "value", "expected", "share")
    assert list(want["row"]) == [0, 0, 1, 1, 2, 2, 3, 3] and want["column"].dtype.kind == "i"
    records = np.zeros(4, [(n, float) for n in names])
    for j, name in enumerate(names):
        records[name] = X[:4, j]
    named = detector().fit(pd.DataFrame(X, columns=names))
    for part in (pd.DataFrame(X[:4], columns=names), pl.DataFrame(X[:4], schema=names)):
        found = named.explain(part, 2)
        assert type(found) is type(part)
        np.testing.assert_allclose(found["share"].to_numpy(), want["share"], rtol=1e-6)
        assert list(found["column"]) == [names[j] for j in want["column"]]
        adds = named.score_features(part)
        assert type(adds) is type(part) and list(adds.columns) == names
    words = named.explain(records, 2)
    assert list(words["column"]) == [names[j] for j in want["column"]]
    frame = pd.DataFrame(X, columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]))
    twice = detector().fit(frame)
    assert twice.explain(frame, 1)["column"].iloc[0] in list(frame.columns)
    assert twice.score_features(frame).columns.equals(frame.columns)
    mixed_frame = pl.DataFrame({"a": X[:, 0], "b": np.where(X[:, 0] > 0, "x", "y")})
    told = detector().fit(mixed_frame).explain(mixed_frame, 2)
    assert told["value"].dtype == pl.String and told["share"].dtype == pl.Float64


def test_images(rng):
    smooth = np.sin(np.arange(8) / 2 + rng.random((300, 1)) * 6)
    I = (smooth[:, :, None] * smooth[:, None, ::-1])[..., None] * 0.4 + 0.5  # noqa: E741
    I = (I * 255).astype(np.uint8)  # noqa: E741
    model = ae.Autoencoder(ae.Dense((32,)), 4, epochs=30, learning_rate=3e-3)
    d = detector(model).fit(I)
    odd = I[:20].copy()
    odd[:, 2, 5, 0] = np.where(odd[:, 2, 5, 0] > 127, 0, 255)
    adds = d.score_features(odd)
    assert adds.shape == odd.shape
    first = d.explain(odd, 1)
    assert [c == (2, 5, 0) for c in first["column"]].count(True) >= 19
    there = np.array([c == (2, 5, 0) for c in first["column"]])
    np.testing.assert_array_equal(first["value"][there], odd[there, 2, 5, 0])
    assert (np.abs(first["expected"] - I[:20, 2, 5, 0])[there] < 100).mean() > 0.8


@pytest.mark.parametrize("measure", ["manifold", "loss", "codes"])
def test_sequences_of_different_lengths(measure, rng):
    def wave(n):
        return np.sin(np.arange(n)[:, None] / 2 + rng.random(2) * 6) + 0.05 * rng.normal(
            size=(n, 2)
        )

    lists = [wave(int(rng.integers(6, 12))) for _ in range(200)]
    d = detector(ae.Autoencoder(ae.LSTM(16), 4, epochs=3), measure=measure).fit(lists)
    odd = [wave(7), wave(9), wave(14)]  # the last is longer than any in fit
    odd[0][3, 1], odd[1][8, 0], odd[2][13, 1] = 15, -15, 15
    if measure != "codes":
        assert list(d.explain(odd, 1)["column"]) == [(3, 1), (8, 0), (13, 1)]
    everything = d.explain(odd, 99)
    assert list(np.bincount(everything["row"])) == [14, 18, 28]
    adds = d.score_features(odd)
    assert [a.shape for a in adds] == [(7, 2), (9, 2), (14, 2)]
    alone = d.score_features(odd[:1])[0]
    np.testing.assert_allclose(alone, adds[0], rtol=1e-3, atol=1e-5)


def test_a_sample_s_reasons_are_its_own(rng):
    X = related(rng)
    d = detector().fit(X)
    whole = d.score_features(X)
    np.testing.assert_array_equal(d.score_features(X[37:38]), whole[37:38])
    np.testing.assert_array_equal(d.score_features(X[::-1]), whole[::-1])


def test_rows_and_sparse_matrices(rng):
    sparse = pytest.importorskip("scipy.sparse")
    X = related(rng) * (rng.random((400, 8)) < 0.5)
    d = detector().fit(X)
    want = d.explain(X, 3)
    for other in (sparse.csr_array(X), ae.open_rows(X)):
        np.testing.assert_array_equal(d.score_features(other), d.score_features(X))
        np.testing.assert_array_equal(d.explain(other, 3), want)


def test_copies_files_and_frozen_detectors_give_the_same(rng, tmp_path):
    frame = mixed(rng, 200)
    d = detector().fit(frame)
    d.save(tmp_path / "d")
    want, adds = d.explain(frame, 3), d.score_features(frame)
    for same in (
        ae.load(tmp_path / "d"), pickle.loads(pickle.dumps(d)), copy.deepcopy(d), d.frozen()
    ):  # fmt: skip
        assert same.explain(frame, 3).equals(want)
        assert same.score_features(frame).equals(adds) and same.score_cells(frame).equals(adds)


def test_what_cannot_be_explained(rng):
    X = related(rng)
    with pytest.raises(ValueError, match="not fitted"):
        detector().explain(X)
    d = detector(n_models=1).fit(X)
    for n, error in ((0, ValueError), (1.5, TypeError), ("all", TypeError)):
        with pytest.raises(error, match="n: expected"):
            d.explain(X, n)
    with pytest.raises(ValueError, match="X has 3 features"):
        d.explain(X[:, :3])


def test_cells_of_a_model_of_tables_are_a_frame_for_a_frame(rng):
    pl = pytest.importorskip("polars")
    frame = mixed(rng, 100)
    model = ae.TabularAutoencoder(ae.Dense((8,)), 2, epochs=2, random_state=0).fit(frame)
    found = model.score_cells(frame[frame.columns[::-1]])
    assert list(found.columns) == list(frame.columns) and found.index.equals(frame.index)
    assert set(found.dtypes) == {np.dtype(np.float32)}
    records = frame.to_records(index=False)
    assert type(ae.TabularAutoencoder(ae.Dense((8,)), 2, epochs=1).fit(
        np.array(records[["size", "weight"]])).score_cells(np.array(records[["size", "weight"]]))
    ) is np.ndarray  # fmt: skip
    other = pl.DataFrame(frame[["size", "weight"]].reset_index(drop=True))
    small = ae.TabularAutoencoder(ae.Dense((8,)), 2, epochs=1).fit(other)
    assert small.score_cells(other).columns == ["size", "weight"]


@pytest.mark.parametrize("loss", ["poisson", "negative_binomial", "multinomial"])
@pytest.mark.parametrize("measure", ["loss", "manifold", "codes"])
def test_counts(loss, measure, rng):
    X = rng.poisson(np.exp(rng.normal(size=(300, 2)) @ rng.normal(size=(2, 9)) * 0.5 + 1.5))
    d = detector(ae.Autoencoder(ae.Dense((16,)), 2, loss=loss, epochs=20), measure=measure).fit(X)
    odd = X[:40].copy()
    odd[:, 3] += 150
    adds = d.score_features(odd)
    assert np.isfinite(adds).all() and (adds >= 0).all()
    if measure != "codes":
        assert (d.explain(odd, 1)["column"] == 3).mean() > 0.8

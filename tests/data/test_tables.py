"""Tables as numbers and back: containers, kinds of columns, their layer, their loss, swap noise."""

import datetime
import json

import aecore as ae
import numpy as np
import pytest
from aecore.base import streams
from aecore.data.batches import Batch
from aecore.data.corruption import uniform
from aecore.data.tables import Layout, Table, columns, frames
from aecore.losses.mixed import CellStatistics, Mixed, Scales, outputs
from aecore.nn.columns import Columns, width
from support.modules import zero_grad

KINDS = np.dtype([("x", float), ("b", bool), ("w", "U5"), ("t", "M8[s]"), ("n", "i2")])


@pytest.fixture
def table(rng):
    """Return a structured array with a gap in each column that can have one."""
    X = np.zeros(40, KINDS)
    X["x"], X["b"] = rng.normal(size=40), rng.random(40) < 0.5
    X["w"], X["n"] = rng.choice(["red", "green", "blue"], 40), rng.integers(0, 9, 40)
    X["t"] = np.datetime64("2024-01-01") + rng.integers(0, 1000, 40) * np.timedelta64(3600, "s")
    X["x"][3], X["w"][4], X["t"][5] = np.nan, "", "NaT"
    return X


def learned(X, **options):
    table = Table(X)
    layout = Layout.learn(table, **options)
    return layout, layout.matrix(table)


# ---------------------------------------------------------------------------------------- columns


def test_kinds_are_inferred(table):
    layout, matrix = learned(table)
    assert layout.levels == (0, 2, 3, 0, 0)
    assert layout.columns[2].labels == ["blue", "green", "red"]
    want = np.zeros((40, 5), bool)
    want[[3, 4, 5], [0, 2, 3]] = True
    np.testing.assert_array_equal(np.isnan(matrix), want)
    assert matrix.dtype == np.float32
    words = np.array(["blue", "green", "red"])[matrix[6:, 2].astype(int)]
    np.testing.assert_array_equal(words, table["w"][6:])
    assert learned(table, categorical=["n"])[0].levels[4] == len(np.unique(table["n"]))
    assert learned(table, categorical=[4])[0].levels[4] == len(np.unique(table["n"]))
    for bad in (["z"], [5], [-1], [1.0], [True]):
        with pytest.raises(ValueError, match="categorical: expected columns of X"):
            learned(table, categorical=bad)


def test_zeros_and_ones_are_binary(rng):
    layout, _ = learned(np.array([[0, 1.0, 0, 2], [1, np.nan, 0, 1], [0, 0.0, 0, 1]]))
    assert layout.levels == (2, 2, 0, 0)


def test_numbers_are_scaled_as_documented(rng):
    x = np.concatenate([rng.normal(5, 2, 999), [1e9, -1e12]])
    layout, matrix = learned(x[:, None])
    kind = layout.columns[0]
    low, high = np.quantile(x, [0.25, 0.75])
    u = (x - np.median(x)) / ((high - low) / 1.349)
    far = np.abs(u) > 3
    u[far] = np.sign(u[far]) * (3 + np.log1p(np.abs(u[far]) - 3))
    want = (u - u.mean()) / u.std()
    np.testing.assert_allclose(matrix[:, 0], want, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(kind.decode(matrix[:, 0]), x, rtol=1e-4, atol=1e-4)
    order = np.argsort(x)
    assert (np.diff(matrix[order, 0]) >= 0).all()  # monotone
    # what is beyond the range of fit comes back as its end, and numbers stay finite
    beyond = Table(np.array([[1e300], [-1e300]]))
    codes = layout.matrix(beyond)
    assert np.isfinite(codes).all()
    np.testing.assert_array_equal(kind.decode(codes[:, 0]), [1e9, -1e12])


@pytest.mark.parametrize(
    "x, scale",
    [
        (np.full(50, 7.0), 1.0),
        (np.r_[np.zeros(48), 4.0, 6.0], 5.0),  # mostly constant
        (np.r_[np.zeros(4000), 1e6], 1e6),
        (np.array([3.0]), 1.0),
    ],
)
def test_constant_columns_have_a_deviation(x, scale):
    layout, matrix = learned(x[:, None])
    assert layout.columns[0].scale == scale
    assert np.isfinite(matrix).all() and np.abs(matrix).max() < 10
    np.testing.assert_array_equal(layout.columns[0].decode(matrix[:, 0]), x)


def test_levels_that_fit_has_not_seen(table):
    layout, _ = learned(table)
    other = table[:3].copy()
    other["w"] = ["grey", "red", ""]
    assert layout.matrix(Table(other))[:, 2].tolist()[:2] == [3, 2]
    assert layout.columns[2].surprise == pytest.approx(np.log(39 + 3 + 1))
    np.testing.assert_allclose(layout.surprise, [0, np.log(43), np.log(43), 0, 0])


def test_ten_thousand_levels(rng):
    names = np.array([f"city {i}" for i in range(10_000)])
    X = rng.permutation(np.concatenate([names, names]))[:, None]
    layout, matrix = learned(X)
    assert layout.levels == (10_000,) and width(10_000) == 43
    np.testing.assert_array_equal(layout.table(matrix), X)
    with pytest.raises(ValueError, match="column 0: expected at most 100000 levels"):
        learned(np.arange(100_001).astype(str)[:, None])


def test_objects_are_what_they_hold():
    X = np.empty((4, 6), object)
    X[:, 0], X[:, 1] = [1, 2.5, None, np.int8(7)], [True, None, np.bool_(False), True]
    X[:, 2], X[:, 3] = ["a", None, "b", np.str_("c")], [1, "a", 2.5, float("nan")]
    X[:, 4] = [np.datetime64("2020-01-02"), None, np.datetime64("NaT"), np.datetime64("2020-01-09")]
    X[:, 5] = None
    layout, matrix = learned(X)
    assert layout.levels == (0, 2, 3, 3, 0, -1)
    assert layout.columns[3].labels == [1, 2.5, "a"]
    assert np.isnan(matrix).sum(0).tolist() == [1, 1, 1, 1, 2, 4]
    back = layout.table(np.nan_to_num(matrix))
    assert back[0, 2] == "a" and back[1, 3] == "a" and back[0, 5] is None
    for odd, kind in (((1, 2), "tuple"), ({}, "dict"), (3j, "complex")):
        X[0, 2] = odd
        with pytest.raises(TypeError, match=f"column 2: expected numbers, strings.* {kind}"):
            learned(X)


def test_what_is_refused(table):
    for bad, error, text in [
        (
            np.array([[1.0, np.inf]]),
            ValueError,
            "column 1: expected finite numbers, .* got infinity in row 0",
        ),
        (np.zeros((2, 2), complex), ValueError, "Complex data not supported"),
        (np.zeros((0, 2)), ValueError, "0 sample"),
        (np.zeros((2, 0)), ValueError, "0 feature"),
        (np.zeros(3), ValueError, "Reshape your data"),
        (np.zeros((2, 2, 2)), ValueError, "expected a table"),
        (None, TypeError, "got None"),
        ([[1, 2], [3]], ValueError, "expected a table"),
        (np.ma.masked_array([[1.0]]), TypeError, "masked array"),
        (np.zeros(2, [("a", "f8", (2,))]), TypeError, "column 'a'"),
    ]:
        with pytest.raises(error, match=text):
            learned(bad)
    with pytest.raises(ValueError, match="column 0: expected finite numbers, .* got infinity"):
        learned(np.array([[np.inf], [1], [2]]), categorical=[0])
    layout, _ = learned(table)
    words = np.zeros(2, [(n, "U3" if n == "x" else KINDS[n]) for n in KINDS.names])
    words["x"] = "abc"
    with pytest.raises(TypeError, match="column 'x': expected numbers, as in fit"):
        layout.matrix(Table(words))


def test_times_are_seconds_in_whole_steps(table):
    layout, matrix = learned(table)
    kind = layout.columns[3]
    assert (kind.time, kind.step) == ("M", 3600.0)
    back = layout.table(np.nan_to_num(matrix))
    there = ~np.isnat(table["t"])
    np.testing.assert_array_equal(back["t"][there], table["t"][there])
    assert back.dtype == table.dtype


def test_a_mask_makes_cells_missing(table):
    mask = np.ones((40, 5), bool)
    mask[7, 1] = mask[8, 4] = False
    found = Table(table, mask)
    matrix = Layout.learn(found).matrix(found)
    assert np.isnan(matrix[7, 1]) and np.isnan(matrix[8, 4]) and np.isnan(matrix).sum() == 5
    with pytest.raises(ValueError, match="sample_mask: expected the shape of X"):
        Table(table, mask[:, :4])
    with pytest.raises(TypeError, match="sample_mask: expected booleans"):
        Table(table, mask.astype(int))


# ------------------------------------------------------------------------------------- containers


def test_memory_maps_are_read(table, tmp_path):
    np.save(tmp_path / "t.npy", table)
    mapped = np.load(tmp_path / "t.npy", mmap_mode="r")
    for got, want in zip(learned(mapped), learned(table), strict=True):
        if isinstance(got, np.ndarray):
            np.testing.assert_array_equal(got, want)
        else:
            assert got.describe() == want.describe()


def test_gaps_are_filled_and_the_rest_stays(table):
    layout, matrix = learned(table)
    cells = np.nan_to_num(matrix)
    full = layout.filled(Table(table), cells)
    assert full.dtype == table.dtype
    for name, gap in (("x", 3), ("b", None), ("w", 4), ("t", 5), ("n", None)):
        rest = np.arange(40) != gap
        np.testing.assert_array_equal(full[name][rest], table[name][rest])
    assert full["w"][4] == "blue" and not np.isnat(full["t"][5]) and not np.isnan(full["x"][3])


def test_types_grow_where_they_must(table):
    layout, matrix = learned(table)
    narrow = np.zeros(2, [("x", "i4"), ("b", bool), ("w", "U2"), ("t", "M8[D]"), ("n", "u1")])
    mask = np.zeros((2, 5), bool)
    cells = np.tile(np.array([[0.5, 1, 1, 0, 0]], np.float32), (2, 1))
    full = layout.filled(Table(narrow, mask), cells)
    assert full["w"].tolist() == ["green"] * 2 and full.dtype["x"] == np.float64
    assert full.dtype["t"] == np.dtype("M8[D]") or full.dtype["t"].kind == "M"


@pytest.mark.parametrize(
    "X",
    [
        np.array([[1.5, np.nan], [2, 3], [3, 4]]),
        np.array([[1, 5], [2, 7], [9, 2]], np.int16),
        np.array([[True, False], [False, True]]),
        np.array([["a", "bb"], ["c", ""]]),
        np.array([[b"a", b"bb"], [b"c", b""]]),
        np.array([["a", 1.5], [None, 2], ["b", np.nan]], object),
        np.array([["2020-01-01", "2021-01-01"], ["2022-01-01", "NaT"]], "M8[D]"),
    ],
    ids=lambda X: X.dtype.str,
)
def test_matrices_keep_their_type(X):
    layout, matrix = learned(X)
    missing = np.isnan(matrix)
    full = layout.filled(Table(X), np.nan_to_num(matrix))
    assert full.dtype == X.dtype and (full[~missing] == X[~missing]).all()
    assert layout.table(np.nan_to_num(matrix)).dtype == X.dtype
    assert not missing.any() or (full[missing] != X[missing]).all()


@pytest.fixture
def frame(rng):
    pd = pytest.importorskip("pandas")
    n = 24
    frame = pd.DataFrame(
        {
            "f64": rng.normal(size=n),
            "f32": rng.normal(size=n).astype("f4"),
            "Int": pd.array(rng.integers(0, 9, n), dtype="Int64"),
            "Float": pd.array(rng.random(n), dtype="Float64"),
            "boolean": pd.array(rng.random(n) < 0.5, dtype="boolean"),
            "string": pd.array(rng.choice(list("abc"), n), dtype="string"),
            "str": rng.choice(list("xyz"), n),
            "object": rng.choice(list("xyz"), n).astype(object),
            "category": pd.Categorical(rng.choice(list("pq"), n), categories=list("rqp")),
            "numbers": pd.Categorical(rng.integers(0, 4, n)),
            "time": pd.date_range("2020-01-01", periods=n, freq="h"),
            "zone": pd.date_range("2020-01-01", periods=n, freq="D", tz="Europe/Berlin"),
            "span": pd.to_timedelta(rng.integers(0, 99, n), unit="s"),
        },
        index=np.arange(n) * 10,
    )
    for j, name in enumerate(frame.columns):
        frame.loc[10 * j, name] = None if name == "object" else pd.NA if name == "string" else None
    return frame


def test_data_frames_keep_their_types(frame):
    layout, matrix = learned(frame)
    assert layout.levels == (0, 0, 0, 0, 2, 3, 3, 3, 2, 4, 0, 0, 0)
    np.testing.assert_array_equal(np.isnan(matrix), frame.isna().to_numpy())
    full = layout.filled(Table(frame), np.nan_to_num(matrix))
    assert (full.dtypes == frame.dtypes).all() and (full.index == frame.index).all()
    assert not full.isna().any().any()
    for name in frame.columns:
        there = frame[name].notna()
        assert (full[name][there] == frame[name][there]).all()
    back = layout.table(np.nan_to_num(matrix))
    assert (back.dtypes == frame.dtypes).all()
    assert back["zone"].iloc[3] == frame["zone"].iloc[3]


def test_columns_of_frames_go_by_name(frame):
    layout, matrix = learned(frame)
    turned = Table(frame[frame.columns[::-1]])
    np.testing.assert_array_equal(layout.matrix(turned, layout.places(turned)), matrix)
    assert layout.places(Table(frame)) is None
    full = layout.filled(turned, np.nan_to_num(matrix))
    assert list(full.columns) == list(frame.columns[::-1])
    twice = frame[["f64", "f64"]]
    with pytest.raises(ValueError, match="expected different column names, got 'f64' twice"):
        Table(twice)


def test_frames_of_polars():
    polars = pytest.importorskip("polars")
    X = polars.DataFrame(
        {
            "a": [1.5, None, 3.0],
            "b": ["x", "y", None],
            "c": [True, False, True],
            "n": [1, None, 3],
            "t": [datetime.datetime(2020, 1, 1), None, datetime.datetime(2020, 1, 3)],
            "d": [datetime.date(2020, 1, 1), None, datetime.date(2020, 1, 9)],
        },
        schema_overrides={"n": polars.Int16, "b": polars.Categorical},
    )
    layout, matrix = learned(X)
    assert layout.levels == (0, 2, 2, 0, 0, 0) and layout.form == "polars"
    assert np.isnan(matrix).sum(0).tolist() == [1, 1, 0, 1, 1, 1]
    full = layout.filled(Table(X), np.nan_to_num(matrix))
    assert full.schema == X.schema and full.null_count().sum_horizontal()[0] == 0
    assert full["b"].to_list()[:2] == ["x", "y"] and full["n"].to_list()[::2] == [1, 3]
    back = layout.table(np.nan_to_num(matrix))
    assert isinstance(back, polars.DataFrame) and back.schema == X.schema
    assert back["t"].to_list()[0] == X["t"].to_list()[0]
    turned = Table(X[X.columns[::-1]])
    np.testing.assert_array_equal(layout.matrix(turned, layout.places(turned)), matrix)


# ------------------------------------------------------------------------------------------ files


def test_layouts_go_through_json(table, frame):
    for X in (table, frame, np.array([["a", 1.5], [None, 2], ["b", np.nan]], object)):
        layout, matrix = learned(X)
        again = Layout.read(json.loads(json.dumps(layout.describe(), allow_nan=False)))
        assert again.describe() == layout.describe()
        np.testing.assert_array_equal(again.matrix(Table(X)), matrix)


def test_damaged_layouts_are_refused(table):
    good = learned(table)[0].describe()
    Layout.read(good)
    odd = [None, True, -1, 1.5, "x", [], {}, [1], float("nan"), 10**400]
    bad = [None, [], {**good, "more": 1}]
    bad += [{**good, key: value} for key in good for value in odd if (key, value) != ("names", [])]
    bad += [{k: v for k, v in good.items() if k != key} for key in good]
    for j, column in enumerate(good["columns"]):
        for key in column:
            for value in odd:
                fine = key in ("center", "mean") and value in (-1, 1.5)
                fine |= key in ("scale", "deviation", "step", "low", "high") and value == 1.5
                fine |= (key, value) in (("labels", [1]), ("zone", "x")) or key in ("low", "high")
                if not fine:
                    changed = [dict(c) for c in good["columns"]]
                    changed[j][key] = value
                    bad.append({**good, "columns": changed})
    bad.append({**good, "names": ["x"] * 5})
    labels = [dict(c) for c in good["columns"]]
    labels[2]["labels"] = ["red", "blue"]
    bad.append({**good, "columns": labels})
    for found in bad:
        with pytest.raises((ValueError, TypeError)):
            Layout.read(found)
            pytest.fail(f"read {found}")


# ------------------------------------------------------------------------------------------ layer

LEVELS = (0, 3, -1, 2, 0, 1, 3, 40)


def cells(rng, n):
    """Return cells of columns as LEVELS says, with gaps and levels that nobody has seen."""
    x = rng.normal(size=(n, len(LEVELS))).astype(np.float32)
    for j, k in enumerate(LEVELS):
        if k > 0:
            x[:, j] = rng.integers(0, k + 1, n)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[:, 2] = np.nan
    return x


@pytest.mark.parametrize("n", [1, 2, 17])
def test_columns_side_by_side(n, rng):
    layer, x = Columns(LEVELS), cells(rng, n)
    layer.initialize(3)
    y = layer(x)
    assert y.shape == (n, *layer.output_shape((len(LEVELS),)))
    number, gap = np.nan_to_num(x[:, [0, 4]]), np.isnan(x[:, [0, 4]])
    want = [number, gap.astype(np.float32)]
    tables = {name: p.value for name, p in layer.parameters()}
    starts = {}
    vectors = {}
    for j, k in enumerate(LEVELS):
        if k > 0:
            name = f"{width(k)}.weight"
            start = starts.get(name, 0)
            row = np.where(np.isnan(x[:, j]), k + 1, np.nan_to_num(x[:, j])).astype(int)
            vectors.setdefault(width(k), []).append(tables[name][start + row])
            starts[name] = start + k + 2
    for name, end in starts.items():
        assert len(tables[name]) == end
    want += [part for w in sorted(vectors) for part in vectors[w]]
    np.testing.assert_array_equal(y, np.concatenate(want, axis=1))
    with pytest.raises(ValueError, match="expected tables of 8 columns"):
        layer(x[:, 1:])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_gradients_of_embeddings(threads, rng, workspace):
    layer, x = Columns(LEVELS), cells(rng, 30)
    layer.initialize(3)
    workspace(threads)
    zero_grad(layer)
    y = layer(x).copy()
    weight = rng.normal(size=y.shape).astype(np.float32)
    tape = ae.nn.Tape()
    tape.backward((layer(tape.constant(x)), weight))
    for name, p in layer.parameters():
        before, i = p.value.copy(), rng.integers(0, p.value.size, 12)
        for at in i:
            p.value.flat[at] = before.flat[at] + 1
            change = ((layer(x).astype(np.float64) - y) * weight).sum()
            p.value[...] = before
            assert p.grad.flat[at] == pytest.approx(change, rel=1e-4, abs=1e-4), name


# ------------------------------------------------------------------------------------------- loss


def reference(levels, surprise, log_sigma, output, target):
    """Return what cells cost, in float64 and one by one."""
    output, nats, at = output.astype(np.float64), np.zeros(target.shape), 0
    order = [j for k in sorted({k for k in levels if k >= 0}) for j in np.flatnonzero(levels == k)]
    m = 0
    for j in order:
        k, size = levels[j], 1 if levels[j] == 0 else outputs(levels[j])
        o, at = output[:, at : at + size], at + size
        for i, x in enumerate(target[:, j].astype(np.float64)):
            if np.isnan(x):
                continue
            if k == 0:
                s = np.exp(max(log_sigma[m], np.log(0.05)))
                nats[i, j] = (x - o[i, 0]) ** 2 / (2 * s * s) + np.log(s * np.sqrt(2 * np.pi))
            elif x == k:
                logits = [0, o[i, 0]] if k == 2 else o[i] if k > 2 else [0]
                least = np.log(np.exp(logits).sum()) - np.min(logits) + np.log(2)
                nats[i, j] = max(surprise[j], least)
            elif k == 2:
                nats[i, j] = np.log1p(np.exp(o[i, 0])) - x * o[i, 0]
            elif k > 2:
                nats[i, j] = np.log(np.exp(o[i]).sum()) - o[i, int(x)]
        m += k == 0
    return nats


@pytest.fixture
def loss(rng):
    scales = Scales(2)
    scales.log_sigma.value[:] = [-0.3, np.log(0.04)]  # the second one is below the least
    return Mixed(LEVELS, np.arange(1.0, 9), scales)


def batch_of(target):
    batch = Batch(len(target))
    batch.target = target
    return batch


def test_each_cell_costs_its_likelihood(loss, rng):
    target = cells(rng, 13)
    output = rng.normal(size=(13, loss.outputs)).astype(np.float32)
    assert loss.outputs == 2 + 1 + 3 + 3 + 40
    want = reference(loss.levels, np.arange(1.0, 9), loss.scales.log_sigma.value, output, target)
    nats = loss.cell_losses(None, None, output, target)
    np.testing.assert_allclose(nats, want, rtol=2e-5, atol=2e-5)
    assert (nats[np.isnan(target)] == 0).all()
    errors = np.empty(target.shape, np.float32)
    total = loss.term(ae.nn.Tape().variable(output), batch_of(target)).data
    np.testing.assert_allclose(total, want.sum(1), rtol=2e-5)
    loss.per_feature(errors, output, target)
    np.testing.assert_array_equal(errors, nats)
    parts = loss.by_kind(nats)
    assert list(parts) == ["numeric", "binary", "categorical"]
    assert parts["binary"] == pytest.approx(want[:, 3].sum(), rel=1e-5)
    assert sum(parts.values()) == pytest.approx(want.sum(), rel=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_gradients_of_the_mixed_loss(threads, loss, rng, workspace):
    workspace(threads)
    target, weight = cells(rng, 11), rng.random(11).astype(np.float32)
    output = rng.normal(size=(11, loss.outputs)).astype(np.float32)
    grad = np.full(output.shape, np.nan, np.float32)
    loss.scales.log_sigma.grad[:] = 0
    loss.cell_losses(grad, weight, output, target)
    fixed = loss.levels, np.arange(1.0, 9)
    log_sigma, step = loss.scales.log_sigma.value.astype(np.float64), 1e-5

    def value(output, log_sigma):
        return (weight * reference(*fixed, log_sigma, output, target).sum(1)).sum()

    for _ in range(5):
        direction = rng.normal(size=output.shape)
        up, down = (value(output + s * direction, log_sigma) for s in (step, -step))
        want = (up - down) / (2 * step)
        assert (grad * direction).sum() == pytest.approx(want, rel=1e-4, abs=1e-3)
    for j in range(2):
        move = step * np.eye(2)[j]
        want = (value(output, log_sigma + move) - value(output, log_sigma - move)) / (2 * step)
        got = loss.scales.log_sigma.grad[j]
        # below the least it has no slope, but is let back up
        assert got == pytest.approx(want, rel=1e-3, abs=1e-4) if j == 0 else got <= 0


def test_squared_errors_are_of_numbers_and_probabilities(loss, rng):
    target = cells(rng, 9)
    output = rng.normal(size=(9, loss.outputs)).astype(np.float32)
    want = np.nansum((output[:, :2] - target[:, [0, 4]]) ** 2)
    p = 1 / (1 + np.exp(-output[:, 2]))
    seen = target[:, 3] < 2
    want += ((p - target[:, 3])[seen] ** 2).sum()
    for j, start, k in ((1, 3, 3), (6, 6, 3), (7, 9, 40)):
        e = np.exp(output[:, start : start + k])
        q = e / e.sum(1, keepdims=True)
        for i in np.flatnonzero(target[:, j] < k):
            want += ((q[i] - np.eye(k)[int(target[i, j])]) ** 2).sum()
    before = loss.scales.log_sigma.grad.copy()
    batch, tape = batch_of(target), ae.nn.Tape()
    term = loss.term(tape.variable(output), batch)
    got = loss.squared_error(term, output, batch)
    assert got == pytest.approx(want, rel=1e-4)
    np.testing.assert_array_equal(loss.scales.log_sigma.grad, before)


def test_the_likeliest_cells(loss, rng):
    output = rng.normal(size=(9, loss.outputs)).astype(np.float32)
    got = loss.to_data(output)
    np.testing.assert_array_equal(got[:, [0, 4]], output[:, :2])
    np.testing.assert_array_equal(got[:, 3], output[:, 2] > 0)
    np.testing.assert_array_equal(got[:, 7], output[:, 9:].argmax(1))
    assert (got[:, 5] == 0).all() and np.isnan(got[:, 2]).all()


def test_drawn_cells_follow_their_probabilities(loss):
    n = 20_000
    output = np.tile(np.linspace(-1, 1, loss.outputs, dtype=np.float32), (n, 1))
    drawn = loss.draw(output, 5)
    np.testing.assert_array_equal(drawn, loss.draw(output, 5))
    assert (drawn != loss.draw(output, 6))[:, 0].any()
    sigma = np.exp(loss.scales.log_sigmas)
    np.testing.assert_allclose(drawn[:, [0, 4]].mean(0), output[0, :2], atol=0.02)
    np.testing.assert_allclose(drawn[:, [0, 4]].std(0), sigma, rtol=0.05)
    assert drawn[:, 3].mean() == pytest.approx(1 / (1 + np.exp(-output[0, 2])), abs=0.02)
    for j, start, k in ((1, 3, 3), (6, 6, 3), (7, 9, 40)):
        p = np.exp(output[0, start : start + k])
        shares = np.bincount(drawn[:, j].astype(int), minlength=k) / n
        np.testing.assert_allclose(shares, p / p.sum(), atol=0.015)


def test_what_is_usual():
    usual, nats = CellStatistics(2), np.array([[1, 9], [3, 9.0], [5, 100]])
    usual.start(usual.sums(np.ones((4, 2)), np.ones((4, 2), bool)))
    usual.start(usual.sums(nats[:2], np.array([[True, True], [True, False]])))  # forgets the rest
    usual.add(usual.sums(nats[2:], np.array([[True, False]])))
    got = usual.standardized(nats)
    np.testing.assert_allclose(got[:, 0], (nats[:, 0] - 3) / np.sqrt(8 / 3))
    np.testing.assert_allclose(got[:, 1], (nats[:, 1] - 9) / 0.1)  # one cell has no deviation


# ------------------------------------------------------------------------------------- swap noise


def test_swapped_values_come_from_other_samples(rng):
    n, features, rate = 400, 30, 0.3
    clean = np.arange(n * features, dtype=np.float32).reshape(n, features)
    x = clean.copy()
    ae.SwapNoise(rate).finish(x, clean, 7, 1000)
    moved = x != clean
    draws = uniform(x.shape, 7, streams.CORRUPTION, 1000)
    np.testing.assert_array_equal(moved, draws < rate)  # all that should, and from elsewhere
    assert moved.mean() == pytest.approx(rate, abs=0.02)
    np.testing.assert_array_equal(x % features, clean % features)  # of the same feature
    from_row = (x // features).astype(int)
    counts = np.bincount(from_row[moved], minlength=n)
    assert counts.min() >= 1 and counts.max() < 40  # any other row
    again = clean.copy()
    ae.SwapNoise(rate).finish(again, clean, 7, 1000)
    np.testing.assert_array_equal(again, x)


def test_swap_noise_goes_on_where_it_stopped(rng):
    draws = uniform((50, 7), 3, streams.SWAP, 0)
    np.testing.assert_array_equal(uniform((20, 7), 3, streams.SWAP, 30), draws[30:])


def test_swap_noise_of_few_samples():
    x = np.array([[1.0, 2]], np.float32)
    ae.SwapNoise(1.0).finish(x, x, 0, 0)
    assert x.tolist() == [[1, 2]]
    two = np.array([[1.0, np.nan], [3, 4]], np.float32)
    ae.SwapNoise(1.0).finish(two, two, 0, 0)
    np.testing.assert_array_equal(two, [[3, 4], [1, np.nan]])  # a gap goes along


@pytest.mark.parametrize("make", [ae.Autoencoder, ae.VAE, ae.CVAE, ae.VQVAE, ae.StackedAutoencoder])
def test_swap_noise_with_any_objective(make, rng, tmp_path):
    X, noise = rng.random((30, 6), np.float32), ae.SwapNoise(0.5)
    given = {"y": np.arange(30) % 2} if make is ae.CVAE else {}
    kw = {"batch_size": 8, "random_state": 0, "corruption": noise}
    size = {} if make is ae.VQVAE else {"latent_dim": 3}

    def fitted(**more):
        return make(ae.Dense((8,)), **size, **kw, **more).fit(X, **given)

    whole, half = fitted(epochs=2), fitted(epochs=1)
    half.save(tmp_path / "m")
    loaded = ae.load(tmp_path / "m")
    assert loaded.corruption == noise
    loaded.set_params(warm_start=True, n_threads=2).fit(X, **given)
    for name, value in whole.parameters_.items():
        np.testing.assert_array_equal(loaded.parameters_[name], value)
    clean = make(ae.Dense((8,)), **size, **(kw | {"corruption": None}), epochs=2).fit(X, **given)
    assert clean.history_[-1]["loss"] != whole.history_[-1]["loss"]


def test_swap_noise_that_makes_no_sense(rng):
    X = rng.random((6, 5, 2), np.float32)
    for rate, error in ((-0.1, ValueError), (1.1, ValueError), ("a", TypeError), (None, TypeError)):
        with pytest.raises(error, match="corruption: rate"):
            ae.Autoencoder(corruption=ae.SwapNoise(rate)).fit(X[:, 0])
    model = ae.Autoencoder(ae.LSTM(4), 2, corruption=ae.SwapNoise(), epochs=1)
    with pytest.raises(ValueError, match="expected sequences of one length for SwapNoise"):
        model.fit([X[0], X[1, :3]])
    assert not hasattr(model, "history_")
    model.fit(X)  # of one length


def test_fillings_name_nothing_twice():
    """A table without gaps comes back equal, and is a copy."""
    X = np.arange(6.0).reshape(3, 2)
    full = frames.fill(Table(X), {})
    np.testing.assert_array_equal(full, X)
    assert full is not X and not np.shares_memory(full, X)
    assert columns.LINEAR == 3.0


def test_messages_show_text_of_others_escaped(rng):
    """What stands in names and labels moves no cursor."""
    red, X = "\x1b[31m", rng.random((12, 3))
    labels = np.array([red, "b"] * 6)
    cvae = ae.CVAE(ae.Dense((4,)), 2, epochs=1, batch_size=8).fit(X, labels)
    mixture = ae.GaussianMixture(2).fit(X, labels)
    named = np.zeros(12, [(red, float), ("b", float)])
    for call in (
        lambda: cvae.transform(X, np.array(["c"] * 12)),
        lambda: mixture.draw(1, 3, 0, y=["c"]),
        lambda: Layout.learn(Table(named), categorical=["c"]),
        lambda: columns.as_numbers(
            Table(np.zeros((3, 1), "M8[s]")).column(0)._replace(zone=red), "M", ""
        ),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            call()
        assert r"\x1b[31m" in str(caught.value) and red not in str(caught.value)

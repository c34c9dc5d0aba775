"""`ae.metrics.synthetic_report`: values by hand, what it must notice, and odd tables."""

import pickle
import sys

import aecore as ae
import numpy as np
import pytest
from aecore.metrics._synthetic import closest, learned, shapes

pytest.importorskip("sklearn")

report_of = ae.metrics.synthetic_report


def table(n, seed=0, gaps=0.1):
    """Return rows of two numbers, three levels and a number that follows from them, some absent."""
    rng = np.random.default_rng(seed)
    out = np.zeros(n, [("size", float), ("age", int), ("shape", "U6"), ("price", float)])
    out["size"] = rng.normal(5, 2, n).round(2)
    out["age"] = rng.integers(0, 90, n)
    out["shape"] = rng.choice(["round", "square", "flat"], n, p=[0.5, 0.3, 0.2])
    out["price"] = out["size"] * (1 + 2 * (out["shape"] == "round")) + rng.normal(0, 0.3, n)
    out["size"][rng.random(n) < gaps] = np.nan
    out["shape"][rng.random(n) < gaps] = ""
    return out


def shuffled(rows, seed=0):
    """Return rows with the same columns, which have nothing to do with each other."""
    rng, out = np.random.default_rng(seed), rows.copy()
    for name in rows.dtype.names:
        out[name] = rng.permutation(rows[name])
    return out


@pytest.fixture(scope="module")
def tables():
    return table(400, 0), table(350, 1), table(300, 2)


# ---- by hand ------------------------------------------------------------------------------------


def test_distances_of_distributions_by_hand():
    assert shapes.kolmogorov_smirnov(np.array([1, 2, 3, 4]), np.array([3, 4, 5, 6])) == 0.5
    assert shapes.kolmogorov_smirnov(np.array([0, 0, 1]), np.array([0, 1, 1])) == pytest.approx(
        1 / 3
    )
    assert shapes.total_variation(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 3])) == 0.25
    far = np.array([0, shapes.MOST + 5])  # counted by what there is
    assert shapes.total_variation(far, far[:1]) == 0.5


def test_columns_pairs_and_ranges_by_hand():
    real = np.array([(1.0, "a"), (2.0, "a"), (3.0, "b"), (4.0, "")], [("x", float), ("w", "U1")])
    made = np.array([(3.0, "b"), (4.0, "b"), (5.0, "c"), (np.nan, "a")], real.dtype)
    report = report_of(real, made)
    # x: all of the real ones up to 2, none of the others; w: shares 2/3, 1/3 and 1/4, 1/2, 1/4
    assert report.similarity == pytest.approx([1 - 2 / 3 + 1 / 6, 1 - 5 / 12])
    assert report.within == pytest.approx([2 / 3, 3 / 4])
    assert report.missing == pytest.approx([0.25, 0]) and report.missing_real[1] == 0.25
    assert report["missing rates"] == 0.75
    assert report["column shapes"] == pytest.approx(report.similarity.mean())
    # Of the pairs (number, level) only (3, b) is in both, with a quarter of each.
    assert report["column pairs"] == report.pairs[0, 1] == pytest.approx(0.25)
    assert np.isnan(report.pairs[0, 0]) and report.pairs[1, 0] == report.pairs[0, 1]
    assert report.kinds == ["number", "level"] and report.names == ["x", "w"]


def test_correlations_of_numbers_by_hand():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    report = report_of(np.stack([x, x], 1), np.stack([x, -x + 3], 1))
    assert report["column pairs"] == pytest.approx(0) and report["column shapes"] == 1
    constant = report_of(np.stack([x, x], 1), np.stack([x, x * 0], 1))
    assert constant["column pairs"] == pytest.approx(0.5)  # 0 for a column that doesn't vary


def test_distances_of_rows_by_hand():
    real = np.array([(0.0, "a"), (2.0, "b")], [("x", float), ("w", "U1")])
    made = np.array([(0.0, "a"), (0.5, "b"), (np.nan, "b"), (9.0, "a")], real.dtype)
    report = report_of(real, made, holdout=real[:1])
    distances = sorted(report.distances["synthetic"].tolist())
    assert distances[0] == 0 and distances[1] == pytest.approx(0.375)  # 0.75 of the number
    assert distances[2:] == [0.5, 0.5]  # of the missing cell alone, and of a number far off
    assert report["copies"] == 0.25 and report.real("copies") == 1
    assert report["closer than holdout"] == 0.125  # 0 and 0, of four pairs


def test_missing_cells_are_at_0_of_each_other():
    real = np.array([(np.nan, ""), (1.0, "b")], [("x", float), ("w", "U1")])
    assert report_of(real, real)["copies"] == 1
    assert report_of(real, real).distances["synthetic"].max() == 0


def test_nearest_rows_in_blocks_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(n, 3)).astype(np.float32) for n in (130, 4200))
    b[7, 1] = a[5, 1] = closest.FAR
    twin = np.minimum(np.abs(a[:, None].astype(float) - b), 1).mean(axis=2).min(axis=1)
    assert closest.nearest(a, b) == pytest.approx(twin, abs=1e-6)


def test_shares_that_are_closer():
    a, b = np.float32([1, 2, 3]), np.float32([2, 4])
    assert closest.share_closer(a, b) == pytest.approx((1 + 0.75 + 0.5) / 3)
    assert closest.share_closer(b, b) == 0.5


# ---- what it must notice ------------------------------------------------------------------------


def test_rows_of_the_same_distribution_are_good_at_all(tables):
    real, other, holdout = tables
    report = report_of(real, other, holdout=holdout, target="price")
    assert report["column shapes"] > 0.93 and report["column pairs"] > 0.85
    assert report["detection AUROC"] == pytest.approx(0.5, abs=0.07)
    assert report["TSTR R2"] == pytest.approx(report.real("TSTR R2"), abs=0.05) and (
        report["TSTR R2"] > 0.7
    )
    assert report["closer than holdout"] == pytest.approx(0.5, abs=0.07)
    assert report["copies"] == 0


def test_columns_without_their_relations_are_found_out(tables):
    real, other, holdout = tables
    report = report_of(real, shuffled(other), holdout=holdout, target="price")
    good = report_of(real, other, holdout=holdout)
    assert report["column shapes"] == pytest.approx(good["column shapes"])
    assert report["column pairs"] < good["column pairs"] - 0.03
    assert report["detection AUROC"] > 0.7
    assert report["TSTR R2"] < 0.2 < report.real("TSTR R2")


def test_copies_are_found_out(tables):
    real, _, holdout = tables
    report = report_of(real, real[::-1], holdout=holdout)
    assert report["copies"] == 1 and report["DCR median"] == 0
    assert report["closer than holdout"] > 0.95
    noisy = real.copy()
    noisy["price"] += 0.01
    report = report_of(real, noisy, holdout=holdout)
    assert report["copies"] == 0 and report["closer than holdout"] > 0.9


def test_copies_do_not_hide_what_can_be_told_apart():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(600, 3))
    assert report_of(real, real.copy())["detection AUROC"] == pytest.approx(0.5, abs=0.02)
    far = rng.normal(size=(240, 3)) + [4, 0, 0]
    mixed = report_of(real, np.concatenate([real[:360], far]))["detection AUROC"]
    assert 0.65 < mixed < 0.8  # of 40 % that are told apart always: 0.7
    for high in (3, 20):  # rows are equal by chance
        one, two = rng.integers(0, high, (2, 600, 2)).astype(float)
        assert report_of(one, two)["detection AUROC"] == pytest.approx(0.5, abs=0.06)
    words = rng.integers(0, 3, (600, 2)).astype(float)
    rare = np.where(rng.random((600, 1)) < 0.8, words[0], rng.integers(0, 3, (600, 2)))
    assert report_of(words, rare)["detection AUROC"] > 0.75


def test_copies_are_equal_in_all_digits():
    rng = np.random.default_rng(0)
    seconds = rng.integers(0, 10**8, 300).astype("datetime64[s]")
    real = np.zeros(300, [("when", "M8[s]"), ("x", float)])
    real["when"], real["x"] = seconds, rng.random(300)
    later, near = real.copy(), real.copy()
    later["when"] += np.timedelta64(1, "s")
    near["x"] = np.nextafter(near["x"], 2)
    for made, share in ((real, 1), (later, 0), (near, 0)):
        assert report_of(real, made)["copies"] == share


def test_columns_with_hardly_any_cells():
    rng = np.random.default_rng(0)
    real = np.c_[rng.normal(size=(200, 2)), np.full(200, np.nan)]
    real[0, 2] = 3.5
    made = np.c_[rng.normal(size=(200, 2)), np.full(200, np.nan)]
    report = report_of(real, made)
    assert 0.3 < report["detection AUROC"] < 0.7
    made[:, 0] = np.nan
    assert np.isfinite(report_of(real, made, target=1)["TSTR R2"])


def test_targets_of_levels_and_without_a_holdout(tables):
    real, other, _ = tables
    three = report_of(real, other, target="shape")
    assert 0.6 < three["TSTR accuracy"] and 0.6 < three.real("TSTR accuracy")
    with pytest.raises(KeyError, match="'column shapes', .* got 'TSTR AUROC'"):
        three["TSTR AUROC"]
    two = [t[t["shape"] != ""] for t in (real, other)]
    named = [np.stack([t["price"], t["size"], t["shape"] == "round"], 1) for t in two]
    binary = report_of(*named, target=2)
    assert binary["TSTR AUROC"] > 0.8 and binary.real("TSTR AUROC") > 0.8
    one = named[1].copy()
    one[:, 2] = 0  # nothing to learn
    assert report_of(named[0], one, target=2)["TSTR AUROC"] == 0.5


# ---- tables of all kinds ------------------------------------------------------------------------


def test_frames_arrays_and_the_order_of_columns_make_no_difference(tables):
    pandas = pytest.importorskip("pandas")
    real, other, holdout = tables
    expected = report_of(real, other, holdout=holdout, target="shape")
    frames = [pandas.DataFrame(t).replace("", None) for t in tables]
    turned = frames[1][["price", "shape", "age", "size"]]
    found = report_of(frames[0], turned, holdout=frames[2], target="shape")
    assert found.figures == expected.figures or repr(found) == repr(expected)
    polars = pytest.importorskip("polars")
    third = [polars.DataFrame(f.astype({"age": float})) for f in frames]
    assert repr(report_of(third[0], third[1], holdout=third[2], target="shape")) == repr(expected)


def test_the_same_seed_gives_the_same_report(tables):
    real, other, holdout = tables
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    reports = []
    for n in (1, 2):
        with limits(n):
            reports.append(report_of(real[:90], other[:90], holdout=holdout, random_state=3))
    again = report_of(real[:90], other[:90], random_state=4)
    assert repr(reports[0].figures) == repr(reports[1].figures)
    assert (reports[0].distances["synthetic"] == reports[1].distances["synthetic"]).all()
    assert reports[0]["detection AUROC"] != again["detection AUROC"]


def test_constant_empty_and_single_level_columns():
    pandas = pytest.importorskip("pandas")
    n = 40
    real = pandas.DataFrame(
        {"five": [5.0] * n, "none": [None] * n, "one": ["a"] * n, "x": np.arange(n) * 1.0}
    )
    report = report_of(real, real, holdout=real)
    assert report["column shapes"] == report["column pairs"] == 1
    assert report.kinds == ["number", "empty", "level", "number"]
    assert np.isnan(report.similarity[1]) and report["missing rates"] == 1
    other = real.assign(none=1.0, five=6.0, one=None)
    report = report_of(real, other)
    assert report.similarity[[0, 2]].tolist() == [0, 0]
    assert report["missing rates"] == 0.5
    assert len(ae.plot.synthetic_report(report).axes) > 0


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_tiny_tables(n):
    rows = table(n, 3, gaps=0.0)
    report = report_of(rows, table(1, 4, gaps=0.0), holdout=rows[:1], target="price")
    assert np.isnan(report["detection AUROC"])
    assert 0 <= report["column shapes"] <= 1
    assert "detection" in repr(report)


def test_times_categories_and_many_levels(monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr(learned, "LEVELS", 3)
    rng = np.random.default_rng(0)

    def rows(n):
        k = rng.integers(0, 6, n)
        return pandas.DataFrame({
            "when": np.datetime64("2026-01-01") + rng.integers(0, 99, n).astype("m8[D]"),
            "kind": pandas.Categorical(k.astype(str)),
            "code": k,
        })  # fmt: skip

    report = report_of(rows(300), rows(300), target="code", categorical=["code"])
    assert report.kinds == ["number", "level", "level"]
    assert report["column shapes"] > 0.85 and report["TSTR accuracy"] > 0.5


def test_as_a_frame_as_text_and_pickled(tables):
    pandas = pytest.importorskip("pandas")
    real, other, holdout = tables
    report = report_of(real, other, holdout=holdout)
    frame = report.to_frame()
    assert list(frame.columns) == ["synthetic", "real", "best"]
    assert frame.loc["column pairs", "synthetic"] == report["column pairs"]
    columns = report.to_frame("columns")
    assert columns["similarity"].is_monotonic_increasing and len(columns) == 4
    assert report.to_frame("pairs").loc["size", "price"] == report.pairs[0, 3]
    assert isinstance(columns, pandas.DataFrame)
    lines = repr(report).splitlines()
    assert lines[0].split() == ["synthetic", "real", "best"] and len(lines) == 10
    figures = [f"{v:.4f}" for v in (report["column shapes"], report.real("column shapes"))]
    assert lines[1].split() == ["column", "shapes", *figures, "1"]
    page = report._repr_html_()
    assert "<td class='n'>" in page and "detection AUROC" in page
    assert repr(pickle.loads(pickle.dumps(report))) == repr(report)
    with pytest.raises(ValueError, match="part: expected"):
        report.to_frame("rows")


# ---- refused ------------------------------------------------------------------------------------

REAL = table(20)
REFUSED = {
    "fewer columns": (REAL, REAL[["size", "age"]], {}, "synthetic: expected the columns of real"),
    "another name": (
        REAL, np.zeros(9, [("size", float), ("age", int), ("form", "U6"), ("price", float)]), {},
        "synthetic: expected the columns of real, got others, without shape"),
    "holdout": (REAL, REAL, {"holdout": REAL[["size"]]}, "holdout: expected the columns of real"),
    "matrices": (np.ones((5, 2)), np.ones((5, 3)), {}, "synthetic: expected the 2 columns of real"),
    "no rows": (REAL, REAL[:0], {}, "synthetic: found array with 0 sample"),
    "target": (REAL, REAL, {"target": "cost"}, "target: expected a column of real"),
    "target's place": (REAL, REAL, {"target": 4}, "target: expected a column of real"),
    "one column": (REAL[["age"]], REAL[["age"]], {"target": "age"}, "target: expected another"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    real, made, options, text = REFUSED[name]
    with pytest.raises(ValueError, match=text):
        report_of(real, made, **options)


def test_other_types_are_refused():
    words = np.zeros(5, [("size", "U3"), ("age", int), ("shape", "U6"), ("price", float)])
    words["size"] = "big"
    with pytest.raises(TypeError, match="synthetic: column 'size': expected numbers"):
        report_of(REAL, words)
    absent = REAL.copy()
    absent["price"] = np.nan
    with pytest.raises(ValueError, match="target: expected a cell of column 'price' in synthetic"):
        report_of(REAL, absent, target="price")
    with pytest.raises(TypeError, match="report: expected a SyntheticReport, got dict"):
        ae.plot.synthetic_report({})


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match="scikit-learn"):
        report_of(REAL, REAL)

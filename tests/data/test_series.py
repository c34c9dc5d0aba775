"""Series: windows of them, their forms, their time stamps."""

import aecore as ae
import numpy as np
import pytest
from aecore.data.series import Series, read

pandas = pytest.importorskip("pandas")


# ---- windows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("steps, length", [(7, 7), (23, 4), (12, 1)])
def test_windows_are_what_slices_are(steps, length, stride, rng):
    x = rng.random((steps, 3))
    found = ae.windows(x, length, stride)
    wanted = [x[i : i + length] for i in range(0, steps - length + 1, stride)]
    np.testing.assert_array_equal(found, wanted)


def test_windows_of_an_array_are_a_view_that_is_not_written_to(rng):
    x = rng.random((50, 2), dtype=np.float32)
    found = ae.windows(x, 8)
    assert np.shares_memory(found, x) and found.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0


def test_windows_of_vectors_lists_frames_and_several(rng):
    x = rng.random(20)
    one = ae.windows(x, 4)
    assert one.shape == (17, 4, 1)
    np.testing.assert_array_equal(ae.windows(x.tolist(), 4), one)
    np.testing.assert_array_equal(ae.windows(pandas.Series(x), 4), one)
    np.testing.assert_array_equal(ae.windows(pandas.DataFrame({"a": x}), 4), one)
    several = ae.windows([x[:10], x[10:]], 4)
    np.testing.assert_array_equal(several, np.concatenate([one[:7], one[10:]]))


@pytest.mark.parametrize(
    "args, kind, text",
    [
        ((np.zeros(5), 6), ValueError, "at least 6 steps, got 5"),
        ((np.zeros(5), 0), ValueError, "length: expected at least 1"),
        ((np.zeros(5), 2, 0), ValueError, "stride: expected at least 1"),
        ((np.zeros((5, 2, 2)), 2), ValueError, "series of shape"),
        ((np.array(["a"] * 5), 2), TypeError, "series"),
        (([np.zeros(9), np.zeros(3)], 4), ValueError, "series 1: expected at least 4 steps"),
        (([np.zeros(9), np.zeros((9, 2))], 4), ValueError, "equally many features"),
        ((None, 2), TypeError, "series"),
    ],
)
def test_bad_windows(args, kind, text):
    with pytest.raises(kind, match=text):
        ae.windows(*args)


# ---- time stamps --------------------------------------------------------------------------------


def frame(minutes, **columns):
    index = pandas.Timestamp("2026-01-01") + pandas.to_timedelta(np.asarray(minutes), "min")
    columns = columns or {"a": np.arange(len(index), dtype=float)}
    return pandas.DataFrame(columns, index=index)


def test_missing_stamps_become_missing_steps():
    part = Series(frame([0, 1, 2, 5, 6]))
    assert part.step() == 60
    (run,) = part.runs(4, 60)
    np.testing.assert_array_equal(run.values[:, 0], [0, 1, 2, np.nan, np.nan, 3, 4])
    np.testing.assert_array_equal(run.places, [0, 1, 2, 5, 6])


def test_long_gaps_cut_and_short_runs_are_filled_up():
    a, b = Series(frame([0, 1, 2, 3, 10, 11])).runs(4, 60)
    assert (a.rows, b.rows) == (slice(0, 4), slice(4, 6)) and a.places is None
    np.testing.assert_array_equal(b.values[:, 0], [4, 5, np.nan, np.nan])
    np.testing.assert_array_equal(b.places, [0, 1])


def test_stamps_that_do_not_increase():
    with pytest.raises(ValueError, match="in row 2 the same time as row 1"):
        Series(frame([0, 1, 1, 2]))
    with pytest.raises(ValueError, match=r"in row 3 one before that of row 2 \(1 such in all\)"):
        Series(frame([0, 1, 3, 2]))
    missing = frame([0, 1, 2])
    missing.index = [missing.index[0], pandas.NaT, missing.index[2]]
    with pytest.raises(ValueError, match="a time for each step, got none in row 1"):
        Series(missing)


def test_jitter_is_told():
    rng = np.random.default_rng(0)
    part = Series(frame(np.arange(100) + 0.3 * rng.random(100)))
    with pytest.warns(UserWarning, match="of the time stamps aren't a whole number of steps"):
        (run,) = part.runs(4, 60)
    assert len(run.values) == 100
    Series(frame(np.arange(100) + 0.02 * rng.random(100))).runs(4, 60)  # no warning


def test_times_are_found_wherever_they_are():
    polars = pytest.importorskip("polars")
    indexed = frame([0, 1, 2])
    column = indexed.rename_axis("stamp").reset_index()
    text = column.assign(stamp=column["stamp"].astype(str))
    seconds = column.assign(stamp=[0.0, 60.0, 120.0])
    structured = np.array([(0, 0.0), (60, 1.0), (120, 2.0)], [("stamp", "M8[s]"), ("a", "f8")])
    zoned = indexed.tz_localize("Europe/Berlin")
    for X, time in (
        (indexed, None),
        (column, None),
        (column, "stamp"),
        (text, "stamp"),
        (seconds, "stamp"),
        (structured, None),
        (polars.from_pandas(column), None),
        (zoned, None),
    ):
        part = Series(X, time=time)
        assert part.step() == 60 and list(part.columns) == ["a"]
        np.testing.assert_array_equal(part.values[:, 0], [0, 1, 2])


def test_what_is_not_a_series_of_numbers():
    text = frame([0, 1, 2]).assign(word=["x", "y", "z"])
    with pytest.raises(TypeError, match="column 'word': expected numbers, got .*time= names"):
        Series(text)
    with pytest.raises(ValueError, match="expected the time column 'when'"):
        Series(text, time="when")
    with pytest.raises(TypeError, match="expected times, numbers, or text such as"):
        Series(text, time="word")
    with pytest.raises(TypeError, match="expected a data frame, which has the column time="):
        Series(np.zeros(9), time="when")
    with pytest.raises(ValueError, match="finite numbers, or NaN"):
        Series(np.array([0.0, np.inf, 1.0]))
    with pytest.raises(ValueError, match="at least 2 steps, got 1"):
        Series(np.zeros(1))
    with pytest.raises(ValueError, match="series 1: expected 1 features"):
        read([np.zeros(9), np.zeros((9, 2))])
    with pytest.raises(ValueError, match="beside that of the time"):
        Series(frame([0, 1]).rename_axis("t").reset_index()[["t"]])


# ---- results ------------------------------------------------------------------------------------


def test_results_have_the_form_of_what_came():
    polars = pytest.importorskip("polars")
    numbers = np.arange(6.0).reshape(3, 2)
    indexed = frame([0, 1, 2], a=numbers[:, 0], b=numbers[:, 1])
    found = Series(indexed).frame(numbers * 2)
    pandas.testing.assert_frame_equal(found, indexed * 2, check_freq=False)
    column = indexed.rename_axis("stamp").reset_index()
    found = Series(column).frame(numbers)
    assert list(found.columns) == ["stamp", "a", "b"]
    assert (found["stamp"] == column["stamp"]).all()
    found = Series(polars.from_pandas(column)).frame(numbers)
    assert found.columns == ["stamp", "a", "b"] and found["b"].to_list() == [1, 3, 5]
    assert Series(indexed["a"]).frame(numbers[:, :1]).index.equals(indexed.index)
    assert Series(numbers[:, 0]).restored(numbers[:, :1]).shape == (3,)
    assert Series(numbers).frame(numbers) is numbers
    structured = np.array([(0, 1.0), (1, 2.0)], [("t", "M8[s]"), ("a", "f4")])
    found = Series(structured).frame(np.array([[5.0], [6.0]]))
    assert found.dtype.names == ("t", "a") and found["a"].tolist() == [5, 6]

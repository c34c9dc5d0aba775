"""Types of columns, whatever the container: what goes out is what came in, or a wider type."""

import datetime
import decimal
import json
import zoneinfo

import numpy as np
import pytest
from aecore.base import names
from aecore.data.arrays import column_names, read, read_mask
from aecore.data.samples import Samples
from aecore.data.tables import Layout, Table

N = 40
GAP = np.arange(N) % 5 == 0
DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(N)]
NAIVE = [datetime.datetime(2020, 1, 1, 9) + datetime.timedelta(i) for i in range(N)]
BERLIN = [t.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")) for t in NAIVE]
FIXED = [t.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=-330))) for t in NAIVE]
EXACT = [decimal.Decimal(i) / 4 for i in range(N)]
WORDS, TRUTHS = ["lo", "hi"] * (N // 2), [True, False] * (N // 2)
SPANS = [datetime.timedelta(i) for i in range(N)]


def holes(cells):
    return [None if g else v for g, v in zip(GAP, cells, strict=True)]


def of_pandas():
    pd = pytest.importorskip("pandas")
    for cells in (DAYS, NAIVE, BERLIN, FIXED, EXACT, range(N), TRUTHS, SPANS, WORDS):
        yield pd.Series(holes(cells), dtype=object)
    for dtype in ("Int8", "UInt16", "Int64", "Float32"):
        yield pd.Series(holes(range(N)), dtype=dtype)
    yield pd.Series(holes(TRUTHS), dtype="boolean")
    yield pd.Series(holes(WORDS), dtype="string")
    yield pd.Series(
        pd.Categorical(holes(WORDS), categories=["hi", "mid", "lo"], ordered=True), dtype=None
    )
    yield pd.Series(pd.Categorical(holes([3, 1] * (N // 2)), categories=[3, 2, 1]))
    times = pd.Series(pd.to_datetime(NAIVE)).mask(GAP)
    yield times.dt.tz_localize("Europe/Berlin")
    yield times.dt.as_unit("ns").dt.tz_localize("UTC")
    yield pd.Series(SPANS).mask(GAP)
    yield pd.Series(pd.arrays.SparseArray(np.where(GAP, np.nan, 1.5)))


def of_arrow():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    kinds = [
        (DAYS, pa.date32()),
        (DAYS, pa.date64()),
        (BERLIN, pa.timestamp("ms", "Europe/Berlin")),
        (NAIVE, pa.timestamp("s")),
        (SPANS, pa.duration("us")),
        (range(N), pa.int8()),
        (range(N), pa.float32()),
        (TRUTHS, pa.bool_()),
        (WORDS, pa.string()),
        (WORDS, pa.large_string()),
        (EXACT, pa.decimal128(10, 2)),
    ]
    for cells, kind in kinds:
        yield pd.Series(pd.array(holes(cells), dtype=pd.ArrowDtype(kind)))
    for index in (pa.int8(), pa.int32()):
        kind = pa.dictionary(index, pa.string())
        cells = pa.array(holes(WORDS)).dictionary_encode().cast(kind)
        yield pd.Series(cells, dtype=pd.ArrowDtype(kind))


def of_polars():
    pl = pytest.importorskip("polars")
    for dtype in (pl.Int16, pl.UInt8, pl.Float32, pl.Int128):
        yield pl.Series(holes(range(N)), dtype=dtype)
    yield pl.Series(holes(TRUTHS))
    for dtype in (pl.String, pl.Enum(["hi", "mid", "lo"]), pl.Categorical()):
        yield pl.Series(holes(WORDS), dtype=dtype)
    yield pl.Series(holes(DAYS))
    for unit in ("ms", "us", "ns"):
        yield pl.Series(holes(NAIVE)).cast(pl.Datetime(unit))
    yield pl.Series(holes(NAIVE)).dt.replace_time_zone("Europe/Berlin")
    yield pl.Series(holes(SPANS))
    yield pl.Series(holes(EXACT), dtype=pl.Decimal(10, 2))


def check(frame, get):
    """Fill in a column and decode it, with the layout and with what a file has of it."""
    layout = Layout.learn(Table(frame))
    matrix = np.nan_to_num(layout.matrix(Table(frame)))
    again = Layout.read(json.loads(json.dumps(layout.describe(), allow_nan=False)))
    for known in (layout, again):
        assert known.describe() == layout.describe()
        for table in (known.filled(Table(frame), matrix), known.table(matrix)):
            came, went = get(frame), get(table)
            assert went.dtype == came.dtype
            assert {type(v) for v, g in zip(came, GAP, strict=True) if not g} == set(
                map(type, went)
            )
        full = list(get(known.filled(Table(frame), matrix)))
        given = list(get(frame))
        assert [v for v, g in zip(full, GAP, strict=True) if not g] == [
            v for v, g in zip(given, GAP, strict=True) if not g
        ]


@pytest.mark.parametrize("source", [of_pandas, of_arrow])
def test_columns_of_pandas_come_back_as_they_came(source):
    pd = pytest.importorskip("pandas")
    for series in source():
        check(pd.DataFrame({"c": series, "x": np.arange(N) * 0.5}), lambda frame: frame["c"])


def test_columns_of_polars_come_back_as_they_came():
    pl = pytest.importorskip("polars")
    for series in of_polars():
        check(pl.DataFrame({"c": series, "x": np.arange(N) * 0.5}), lambda frame: frame["c"])


@pytest.mark.parametrize(
    ("dtype", "cells"),
    [
        ("M8[D]", DAYS),
        ("M8[s]", NAIVE),
        ("m8[h]", SPANS),
        ("f2", np.arange(N)),
        (">f4", np.arange(N)),
        ("i1", np.arange(N)),
        ("S3", ["a", "bc"] * (N // 2)),
        ("O", DAYS),
    ],
)
def test_columns_of_arrays_come_back_as_they_came(dtype, cells):
    X = np.zeros(N, [("c", dtype), ("x", float)])
    X["c"], X["x"] = cells, np.arange(N)
    layout, mask = Layout.learn(Table(X)), np.c_[~GAP, ~GAP]
    matrix = layout.matrix(Table(X))
    for table in (layout.filled(Table(X, mask), matrix), layout.table(matrix)):
        assert table.dtype == X.dtype
        assert type(table["c"][0]) is type(X["c"][0])


# ---------------------------------------------------------------------- types that don't hold them


def learned(cells):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"c": cells})
    layout = Layout.learn(Table(frame))
    return layout, layout.matrix(Table(frame))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "f2", "?", "O"])
@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_never_wrap(dtype, sign):
    pd = pytest.importorskip("pandas")
    layout, matrix = learned(sign * np.arange(900, 900 + N))
    narrow = np.ones(N).astype(dtype)
    for X in (pd.DataFrame({"c": narrow}), narrow[:, None], narrow.astype([("c", dtype)])):
        full = layout.filled(Table(X, ~GAP[:, None]), matrix)
        full = full["c"] if not isinstance(full, np.ndarray) or full.dtype.names else full[:, 0]
        full = np.asarray(full, float)
        np.testing.assert_allclose(full[GAP], sign * np.arange(900, 900 + N)[GAP], rtol=1e-3)
        assert (full[~GAP] == 1).all()


def same(got, want):
    """Compare cells, and numbers as far as float32 holds them."""
    if isinstance(want[0], float):
        np.testing.assert_allclose(got, want, rtol=1e-5)
    else:
        assert got == want


def test_nullable_and_polars_columns_get_wider():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    whole, shares, words = np.arange(900, 900 + N), np.arange(1, N + 1) / 100, WORDS
    none = [None] * N
    for cells, narrow in (
        (whole, ("Int8", "UInt8", "Float32", "int8[pyarrow]", "boolean", "string")),
        (shares, ("Int64", "boolean", "int32[pyarrow]", "category")),
        (words, ("Int8", "Float64", "boolean", "datetime64[ns]", "string", "category")),
        (np.array(NAIVE, "M8[us]"), ("Int64", "string", "date32[pyarrow]", "datetime64[s]")),
    ):
        layout, matrix = learned(cells)
        want = layout.table(matrix)["c"]
        for dtype in narrow:
            if "pyarrow" in dtype:
                pytest.importorskip("pyarrow")
            given = pd.DataFrame({"c": pd.Series(none, dtype=object).astype(dtype)})
            got = layout.filled(Table(given), matrix)["c"]
            if dtype != "date32[pyarrow]":
                same(got.tolist(), want.tolist())
            assert not got.isna().any()
        for dtype in (pl.Int8, pl.UInt8, pl.Boolean, pl.String, pl.Enum(["w"]), pl.Null):
            given = pl.DataFrame({"c": pl.Series(none, dtype=dtype)})
            got = layout.filled(Table(given), matrix)["c"]
            same(got.to_list(), want.tolist())
    layout, matrix = learned(whole)
    five = holes([5] * N)
    for dtype in ("Int8", "UInt8", "Int16"):
        got = layout.filled(Table(pd.DataFrame({"c": pd.array(five, dtype=dtype)})), matrix)["c"]
        assert str(got.dtype) == ("Int16" if dtype == "Int16" else "Int64")
        assert got.tolist() == [w if g else 5 for w, g in zip(whole, GAP, strict=True)]
        here = pl.DataFrame({"c": pl.Series(five, dtype=getattr(pl, dtype))})
        assert layout.filled(Table(here), matrix)["c"].to_list() == got.tolist()


def test_large_integers_stay_what_they_are():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    cells = [2**53, 2**53 + 1, None] * 4
    for frame in (
        pd.DataFrame({"c": pd.array(cells, dtype="Int64")}),
        pd.DataFrame({"c": pd.Series(cells, dtype=object)}),
        pl.DataFrame({"c": cells}),
    ):
        layout = Layout.learn(Table(frame), ["c"])
        assert layout.columns[0].labels == [2**53, 2**53 + 1]
        codes = layout.matrix(Table(frame))
        assert np.nan_to_num(codes[:3, 0], nan=9).tolist() == [0, 1, 9]
        table = layout.filled(Table(frame), np.nan_to_num(codes, nan=1))
        assert list(table["c"])[:3] == [2**53, 2**53 + 1, 2**53 + 1]
    with pytest.raises(ValueError, match="expected numbers of float64, got larger ones"):
        Layout.learn(Table(pd.DataFrame({"c": pd.Series([10**400, 1], dtype=object)})))


# ------------------------------------------------------------------------------------------- times


def test_times_of_any_year():
    pd = pytest.importorskip("pandas")
    times = np.datetime64("2020-01-01", "us") + np.arange(N) * np.timedelta64(1, "D")
    times[::7] = np.datetime64("9999-12-31", "us")
    series, kinds = pd.Series(times), [lambda s: s, lambda s: s.dt.tz_localize("UTC")]
    try:
        import pyarrow as pa

        kinds.append(lambda s: s.astype(pd.ArrowDtype(pa.timestamp("us"))))
    except ImportError:
        pass
    for kind in kinds:
        frame = pd.DataFrame({"c": kind(series)})
        layout = Layout.learn(Table(frame))
        column = layout.columns[0]
        assert np.datetime64(int(column.low), "s") == np.datetime64("2020-01-02")
        assert np.datetime64(int(column.high), "s") == np.datetime64("9999-12-31")
        # nanoseconds hold no such year: the column gets wider
        fine = pd.DataFrame({"c": kind(pd.Series(times[1:2]).dt.as_unit("ns")).mask([True])})
        got = layout.filled(Table(fine), np.full((1, 1), 100, np.float32))["c"]
        assert pd.Timestamp(got.iloc[0]).year == 9999
    for unit in ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"):
        X = np.zeros(3, [("c", f"M8[{unit}]")])
        X["c"] = np.array(["1970", "2020", "2021"], f"M8[{unit}]")
        low, high = (getattr(Layout.learn(Table(X)).columns[0], n) for n in ("low", "high"))
        want = X["c"][[0, -1]].astype("M8[s]").astype(float)
        assert [low, high] == want.tolist()
    X["c"] = [2**62, 0, 1]
    Layout.learn(Table(X))
    with pytest.raises(ValueError, match="expected times within 290,000 years"):
        Layout.learn(Table(np.array([2**61, 0], "M8[s]").astype([("c", "M8[s]")])))


def test_times_and_numbers_are_not_each_other():
    pd = pytest.importorskip("pandas")
    times = pd.Series(np.array(NAIVE, "M8[us]"))
    kinds = {
        "times": times,
        "times with a zone": times.dt.tz_localize("Europe/Berlin"),
        "durations": times - times[0],
        "numbers": times.astype("int64"),
        "strings": times.astype(str),
    }
    for kind, cells in kinds.items():
        layout, matrix = learned(cells)
        for other, given in kinds.items():
            table = Table(pd.DataFrame({"c": given}))
            if kind == other:
                np.testing.assert_array_equal(layout.matrix(table), matrix)
            else:
                with pytest.raises(TypeError, match="as in fit, got"):
                    layout.matrix(table)
    layout, matrix = learned(kinds["times with a zone"])
    tokyo = kinds["times with a zone"].dt.tz_convert("Asia/Tokyo")
    for same in (tokyo, pd.Series(list(tokyo.dt.to_pydatetime()), dtype=object)):
        np.testing.assert_array_equal(layout.matrix(Table(pd.DataFrame({"c": same}))), matrix)
    both = pd.Series([NAIVE[0], BERLIN[0]], dtype=object)
    with pytest.raises(TypeError, match="expected times that all have a zone, or none"):
        Layout.learn(Table(pd.DataFrame({"c": both})))
    with pytest.raises(TypeError, match="expected levels .* got times"):
        Layout.learn(Table(pd.DataFrame({"c": times})), ["c"])
    with pytest.raises(TypeError, match="got periods: use dt.to_timestamp"):
        Layout.learn(Table(pd.DataFrame({"c": times.dt.to_period("M")})))


# ------------------------------------------------------------------------------------------ levels

EQUAL = {
    "integers": ([1, 2, 3], [[1.0, 2.0, 3.0], ["1", "2", "3"], ["1.0", "2.0", "3.0"]]),
    "floats": ([0.1, 0.2, 0.5], [["0.1", "0.2", "0.5"], np.array([0.1, 0.2, 0.5], "f4")]),
    "float32": (np.array([0.1, 0.2, 0.5], "f4"), [[0.1, 0.2, 0.5], ["0.1", "0.2", "0.5"]]),
    "booleans": ([True, False, True], [[1, 0, 1], ["True", "False", "true"], ["1", "0", "1.0"]]),
    "strings": (["1", "2", "30"], [[1, 2, 30], [1.0, 2.0, 30.0]]),
    "mixed": (["a", 1, 2.5], [["a", "1", "2.5"], ["a", 1.0, 2.5]]),
}


@pytest.mark.parametrize("kind", EQUAL)
def test_levels_are_equal_in_any_type(kind):
    pd = pytest.importorskip("pandas")

    def frame(cells):
        dtype = None if isinstance(cells, np.ndarray) else object
        return Table(pd.DataFrame({"c": pd.Series(cells, dtype=dtype)}))

    cells, others = EQUAL[kind]
    layout = Layout.learn(frame(cells), ["c"])
    want = layout.matrix(frame(cells))
    for other in others:
        np.testing.assert_array_equal(layout.matrix(frame(other)), want)
        category = pd.DataFrame({"c": pd.Categorical(other)})
        np.testing.assert_array_equal(layout.matrix(Table(category)), want)


@pytest.mark.parametrize(
    ("cells", "odd", "expected"),
    [
        ([1, 2], ["one", "two"], "numbers, as in fit, got '(one|two)'"),
        ([True, False], ["yes", "no"], "booleans, as in fit, got '(yes|no)'"),
        (["01", "02"], [1, 2], "strings, as in fit, got 1"),
        (["a", "b"], [True, False], "strings, as in fit, got (True|False)"),
        (["a", "b"], [0.5, 1.5], "strings, as in fit, got 0.5"),
        (["a", "b"], np.array([1, 2], "M8[D]"), "levels, as in fit, got times"),
    ],
)
def test_levels_of_another_type_are_refused(cells, odd, expected):
    layout = Layout.learn(Table(np.array([[c] for c in cells], object)), [0])
    with pytest.raises(TypeError, match=f"expected {expected}"):
        layout.matrix(Table(np.array(odd).astype([("c", np.array(odd).dtype)])))


def test_other_levels_of_the_same_type_are_unseen():
    for cells, others in (([1, 2], [7, 7.5]), (["a", "b"], ["c", "1"]), (["a", 1], ["b", 2])):
        layout = Layout.learn(Table(np.array([[c] for c in cells], object)), [0])
        codes = layout.matrix(Table(np.array([[c] for c in others], object)))
        assert (codes == 2).all()


@pytest.mark.parametrize("cells", [[np.inf, "a"], [-np.inf, 1.0]])
def test_infinity_is_no_level(cells):
    pd = pytest.importorskip("pandas")
    odd = pd.DataFrame({"c": pd.Categorical(cells)})
    with pytest.raises(ValueError, match="expected finite numbers among levels"):
        Layout.learn(Table(odd))
    layout = Layout.learn(Table(pd.DataFrame({"c": pd.Categorical([2.0, "a"])})))
    with pytest.raises(ValueError, match="expected finite numbers among levels"):
        layout.matrix(Table(odd))


# ------------------------------------------------------------------------------------------- names

NAMES = [
    [10, 20, 30],
    [2, 0, 1],
    [0.5, 1.5, 2.5],
    [("a", 1), ("a", 2), ("b", 1)],
    DAYS[:3],
    NAIVE[:3],
    ["a", "b", "c"],
]


@pytest.mark.parametrize("given", NAMES)
def test_columns_are_found_by_names_of_any_type(given):
    pd = pytest.importorskip("pandas")
    index = pd.Index(given, tupleize_cols=True)
    frame = pd.DataFrame(np.arange(12.0).reshape(4, 3) ** 2, columns=index)
    layout = Layout.learn(Table(frame))
    want = layout.matrix(Table(frame))
    other = Table(frame.iloc[:, [2, 0, 1]])
    again = Layout.read(json.loads(json.dumps(layout.describe())))
    for known in (layout, again):
        np.testing.assert_array_equal(known.matrix(other, known.places(other)), want)
        back = known.table(want)
        assert list(back.columns) == given and type(back.columns) is type(frame.columns)
        full = known.filled(other, want)
        assert full.columns.equals(other.cells.columns)
    text = Table(frame.set_axis([str(n) for n in given], axis=1).iloc[:, ::-1])
    np.testing.assert_array_equal(layout.matrix(text, layout.places(text)), want)
    assert names.are_others(given, ["x", "y", "z"])
    for name in given:
        assert names.read(json.loads(json.dumps(names.written(name)))) == name


def test_default_names_are_places():
    pd = pytest.importorskip("pandas")
    X = np.arange(12.0).reshape(4, 3) ** 2
    for fitted in (X, pd.DataFrame(X)):
        layout = Layout.learn(Table(fitted))
        assert layout.names is None
        other = Table(pd.DataFrame(X)[[2, 0, 1]])
        assert layout.places(other) == [1, 2, 0]
        assert layout.places(Table(X)) is None
        text = Table(pd.DataFrame(X, columns=["1", "2", "0"]))
        assert layout.places(text) == [2, 0, 1]
    frame = pd.DataFrame(X, columns=[5, 6, 7])
    for key in (6, np.int64(6), 1):
        assert Layout.learn(Table(frame), [key]).levels == (0, 4, 0)


def test_no_name_is_there_twice():
    pd = pytest.importorskip("pandas")
    for twice in (["a", "a"], [0, 0], [(1, 2), (1, 2)]):
        frame = pd.DataFrame(np.ones((3, 2)), columns=pd.Index(twice, tupleize_cols=False))
        for use in (column_names, Table, Samples, read):
            with pytest.raises(ValueError, match="expected different column names, got"):
                use(frame)


@pytest.mark.parametrize(
    "found", [{}, {"date": 3}, {"date": "x"}, {"a": "b"}, {"date": "x", "b": 1}]
)
def test_damaged_names(found):
    with pytest.raises(ValueError, match=r"."):
        names.read(found)


def test_masks_of_data_frames():
    pd = pytest.importorskip("pandas")
    mask = pd.DataFrame([[True, False], [False, False]], columns=["a", "b"])
    columns = names.as_array(["b", "a"])
    want = mask.to_numpy()[:, ::-1]
    for given in (mask, mask.astype("boolean"), mask.astype(object)):
        np.testing.assert_array_equal(read_mask(given, (2, 2), columns), want)
        np.testing.assert_array_equal(read_mask(given, (2, 2)), mask)
        np.testing.assert_array_equal(Table(mask, given).column(0).missing, ~mask["a"])
    with pytest.raises(ValueError, match=r"sample_mask: The feature names should match"):
        read_mask(mask.set_axis(["a", "c"], axis=1), (2, 2), columns)
    with pytest.raises(TypeError, match="got cells that are missing or no booleans"):
        read_mask(mask.astype("boolean").mask(mask), (2, 2), columns)
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(mask.to_numpy())
    with pytest.raises(TypeError, match="use sample_mask.toarray"):
        read_mask(sparse, (2, 2))


# -------------------------------------------------------------------------------- other containers


def test_arrow_tables():
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    columns = {"c": pa.array(holes(range(N)), pa.int16()), "s": holes(WORDS), "x": EXACT}
    table = pa.table(columns)
    layout = Layout.learn(Table(table))
    want = layout.matrix(Table(table))
    for other in (table.select(["x", "s", "c"]), table.to_pandas(), table.to_batches()[0]):
        given = Table(other)
        np.testing.assert_array_equal(layout.matrix(given, layout.places(given)), want)
    full = layout.filled(Table(table), np.nan_to_num(want))
    assert list(full.dtypes) == [pd.ArrowDtype(t) for t in table.schema.types]
    assert Samples(table).kind == "table" and Samples(table.select(["c"])).kind == "array"


def test_samples_are_numbers_in_any_container():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X = np.c_[np.arange(6.0), [1, np.nan, 3, 4, 5, 6]]
    frame = pd.DataFrame(X, columns=["a", "b"])
    given = [frame, frame.astype("Float32"), frame.astype("Sparse[float]")]
    given += [pl.DataFrame({"a": X[:, 0], "b": [1, None, 3, 4, 5, 6]})]
    for data in given:
        samples = Samples(data)
        assert samples.kind == "array" and list(samples.columns) == ["a", "b"]
        np.testing.assert_array_equal(samples.take(np.array([0, 1, 4])), X[[0, 1, 4]])
    odd = Samples(frame.astype(object))
    assert odd.kind == "table"
    np.testing.assert_array_equal(odd.as_numbers().take(np.arange(6)), X)
    mixed = pl.DataFrame({"a": X[:, 0], "s": list("abcabc")})
    samples = Samples(mixed)
    assert samples.kind == "table" and samples.take(np.array([1, 5]))["s"].to_list() == ["b", "c"]
    assert [len(part) for _, part in samples.chunks()] == [6]


@pytest.mark.parametrize("way", ["__arrow_c_stream__", "__dataframe__"])
def test_frames_of_other_libraries(way):
    """They are read by what they offer, and refused by name where nobody reads their types."""
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"c": WORDS, "x": np.arange(N) * 0.5, "t": NAIVE})

    def offered(columns):
        table = pa.Table.from_pandas(columns)
        return type("Frame", (), {way: staticmethod(getattr(table, way))})()

    layout = Layout.learn(Table(frame))
    want, found = (layout.matrix(Table(x)) for x in (frame, offered(frame)))
    np.testing.assert_array_equal(found, want)
    lists = frame.assign(c=pd.Series([[1]] * N, dtype=pd.ArrowDtype(pa.list_(pa.int64()))))
    spans = frame.assign(c=pd.Series(SPANS))
    for odd in [lists] if way == "__arrow_c_stream__" else [lists, spans]:
        with pytest.raises((TypeError, ValueError), match="X: (column 'c': )?expected "):
            layout.matrix(Table(offered(odd)))

"""What holds for samples of any type, layout and container: equal values give equal results.

Each property is a function of what hypothesis draws. Models are fitted once, to plain arrays and
data frames. A later call gets the same values in another form, and either gives the same bits, or
refuses the form by a TypeError or ValueError in a sentence where that is documented.
"""

from __future__ import annotations

import datetime
import decimal
import functools
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aecore as ae
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

try:
    import pandas as pd
except ImportError:
    pd = None
try:
    import polars as pl
except ImportError:
    pl = None
try:
    import pyarrow as pa
except ImportError:
    pa = None
try:
    import scipy.sparse as sparse
except ImportError:
    sparse = None
try:
    import torch
except ImportError:
    torch = None

F = 6  # features
KW = {"epochs": 1, "batch_size": 16, "random_state": 0, "n_threads": 1}
DENSE = ae.Dense((5,))


# ---- models -------------------------------------------------------------------------------------


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


@functools.cache
def numeric(kind: str) -> Any:
    """Return a model of tables of numbers."""
    X = _rng().normal(0, 60, (40, F)).astype(np.float32)
    if kind == "Autoencoder":
        return ae.Autoencoder(DENSE, 2, **KW).fit(X)
    if kind == "VAE":
        return ae.VAE(DENSE, 2, **KW).fit(X)
    if kind == "TabularAutoencoder":
        return ae.TabularAutoencoder(DENSE, 2, **KW).fit(X)
    member = ae.Autoencoder(DENSE, 2, **KW)
    return ae.AnomalyDetector(member, n_models=2, random_state=0).fit(X)


@functools.cache
def pixels(flat: bool) -> Any:
    X = _rng().integers(0, 256, (40, 2, 3, 1)).astype(np.uint8)
    return ae.Autoencoder(DENSE, 2, **KW).fit(X.reshape(40, F) if flat else X)


@functools.cache
def sequences(kind: str) -> Any:
    X = _rng().normal(0, 60, (40, 5, 2)).astype(np.float32)
    if kind == "Autoencoder":
        return ae.Autoencoder(ae.LSTM(3), 2, **KW).fit(X)
    return ae.AnomalyDetector(ae.VAE(ae.LSTM(3), 2, **KW), n_models=1, random_state=0).fit(X)


NAMES = {
    "text": ["a", "b", "c", "d", "e", "ü"],
    "digits": ["3", "1", "0", "2", "5", "4"],
    "integers": [7, 3, 5, 11, -2, 0],
    "places": [0, 1, 2, 3, 4, 5],
    "floats": [0.5, 1.5, -2.0, 1e9, 3.25, 0.0],
    "dates": [datetime.date(2020, 1, 1 + i) for i in range(F)],
    "times": [datetime.datetime(2020, 1, 1 + i, 12) for i in range(F)],
    "tuples": [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1), ("c", 2)],
    "truths": [True, False, 2, 3, 4, 5],
}


@functools.cache
def named(kind: str, names: str) -> Any:
    """Return a model that was fitted to a data frame with names of a kind."""
    X = frame(_rng().normal(0, 60, (40, F)).astype(np.float32), NAMES[names])
    if kind == "TabularAutoencoder":
        return ae.TabularAutoencoder(DENSE, 2, **KW).fit(X)
    if kind == "Autoencoder":
        return ae.Autoencoder(DENSE, 2, **KW).fit(X)
    member = ae.Autoencoder(DENSE, 2, **KW)
    return ae.AnomalyDetector(member, n_models=1, random_state=0).fit(X)


def frame(X: np.ndarray, names: list[Any]) -> Any:
    """Return a data frame, in which tuples are no levels of an index."""
    index = pd.Index(names, tupleize_cols=False, dtype=object)
    return pd.DataFrame(np.asarray(X), columns=index)


# ---- results ------------------------------------------------------------------------------------


def results(model: Any, X: Any, **options: Any) -> list[np.ndarray]:
    """Return what a model gives for samples, as arrays, without warnings of names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*feature names", UserWarning)
        if isinstance(model, ae.AnomalyDetector):
            return [model.score_samples(X), model.predict(X)]
        found = [model.transform(X, **options), model.score_samples(X, **options)]
        if isinstance(model, ae.TabularAutoencoder):
            found.append(np.asarray(model.score_cells(X, **options)))  # of a frame, one too
            rebuilt = model.reconstruct(X, **options)
            cells = rebuilt.astype(object) if hasattr(rebuilt, "astype") else rebuilt
            return [*found, np.array(np.asarray(cells).tolist(), object)]
        return [*found, *map(np.asarray, _each(model.reconstruct(X, **options)))]


def _each(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Raise AssertionError for other bits."""
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        equal = (a == b).all() if a.dtype == object else a.tobytes() == b.tobytes()
        assert equal, f"{a} for {b}"


def refused(call: Callable[[], Any], what: str = "") -> None:
    """Raise AssertionError unless a call is refused in a sentence."""
    try:
        found = call()
    except (TypeError, ValueError) as error:
        assert len(str(error).split()) > 3, f"no sentence: {error!r}"
    else:
        raise AssertionError(f"{what} not refused, but {found}")


def warned(call: Callable[[], Any]) -> None:
    """Raise AssertionError unless a call warns of names."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        call()
    assert any("feature names" in str(one.message) for one in told), told


# ---- values -------------------------------------------------------------------------------------

SIGNED = "i1 i2 i4 i8 f2 f4 f8 g".split()
UNSIGNED = "u1 u2 u4 u8 i2 i4 i8 f2 f4 f8 g".split()
# The values of each kind: whole numbers that are divided by something, and what holds them.
VALUES = {
    "whole": (-128, 127, 1, SIGNED),
    "natural": (0, 255, 1, UNSIGNED),
    "large": (-(2**24), 2**24, 1, "i4 i8 f4 f8 g".split()),
    "truths": (0, 1, 1, ["?", *SIGNED, *UNSIGNED]),
    "quarters": (-4000, 4000, 4, "f2 f4 f8 g".split()),
    "thirds": (-4000, 4000, 3, ["f8"]),  # rounded to float32
    "zeros": (0, 0, 1, ["?", *SIGNED]),
}


@st.composite
def values(draw: Any, kinds: list[str], shape: tuple[int, ...] = (F,)) -> np.ndarray:
    """Draw samples of a type that holds them, C-contiguous."""
    low, high, per, dtypes = VALUES[draw(st.sampled_from(kinds))]
    n = draw(st.integers(1, 5))
    whole = draw(hnp.arrays(np.int64, (n, *shape), elements=st.integers(low, high)))
    X = whole / per if per > 1 else whole
    return np.ascontiguousarray(X.astype(draw(st.sampled_from(dtypes))))


# ---- layouts of arrays --------------------------------------------------------------------------


class Floats(np.ndarray):
    """An array of a class of one's own."""


def misaligned(X: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape)


def mapped(X: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "X.npy", X)
        return np.load(Path(folder) / "X.npy", mmap_mode="r")


def frozen(X: np.ndarray) -> np.ndarray:
    X = X.copy()
    X.flags.writeable = False
    return X


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "C": lambda X: X,
    "Fortran": np.asfortranarray,
    "rows apart": lambda X: np.repeat(X, 3, axis=0)[::3],
    "columns apart": lambda X: np.repeat(X, 2, axis=-1)[..., 1::2],
    "rows reversed": lambda X: X[::-1].copy()[::-1],
    "columns reversed": lambda X: X[..., ::-1].copy()[..., ::-1],
    "swapped": lambda X: X.astype(X.dtype.newbyteorder()),
    "misaligned": misaligned,
    "read-only": frozen,
    "mapped": mapped,
    "subclass": lambda X: X.view(Floats),
    "field": lambda X: np.rec.fromarrays([X, X], names="x,y").x,
    "part": lambda X: np.pad(X, [(1, 2)] * X.ndim, mode="edge")[(np.s_[1:-2],) * X.ndim],
}


# ---- containers ---------------------------------------------------------------------------------


def giving(source: Any, *ways: str) -> Any:
    """Return an object that has these methods of another one, and no others."""
    return type("Given", (), {way: staticmethod(getattr(source, way)) for way in ways})()


class Items:
    """A data set that is read item by item."""

    def __init__(self, X: np.ndarray) -> None:
        self.X = X

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, i: int) -> Any:
        if not 0 <= i < len(self.X):
            raise IndexError(i)
        return (self.X[i],)


class Sliced:
    """An array-like that is read by slices, as h5py's are."""

    def __init__(self, X: np.ndarray) -> None:
        self._X, self.shape, self.dtype, self.ndim = X, X.shape, X.dtype, X.ndim

    def __len__(self) -> int:
        return len(self._X)

    def __getitem__(self, key: Any) -> np.ndarray:
        return self._X[key]


NULLABLE = {"?": "boolean", "i": "Int", "u": "UInt", "f": "Float"}


def nullable(X: np.ndarray) -> Any:
    kind = X.dtype.kind
    name = "boolean" if kind == "b" else f"{NULLABLE[kind]}{8 * X.dtype.itemsize}"
    return pd.DataFrame(X).astype(name)


def of_arrow(X: np.ndarray) -> Any:
    return pd.DataFrame(X).astype(pd.ArrowDtype(pa.from_numpy_dtype(X.dtype)))


def arrow_table(X: np.ndarray) -> Any:
    columns = [pa.array(np.ascontiguousarray(column)) for column in X.T]
    return pa.table(columns, names=[str(j) for j in range(X.shape[1])])


def objects(X: np.ndarray) -> Any:
    return pd.DataFrame(X.astype(object))


def decimals(X: np.ndarray) -> Any:
    return np.array([[decimal.Decimal(repr(v)) for v in row] for row in X.tolist()], object)


def of_torch(X: np.ndarray) -> Any:
    return torch.from_numpy(np.ascontiguousarray(X))


# Containers that are taken, each with the dtypes that it has: kind and bytes, "" for any.
ANY = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 f16"
NO_LONG = ANY.removesuffix(" f16")
PANDAS = NO_LONG.replace("f2 ", "")
TAKEN: dict[str, tuple[Callable[[np.ndarray], Any], str]] = {
    "lists": (lambda X: X.tolist(), NO_LONG),
    "tuples": (lambda X: tuple(map(tuple, X.tolist())), NO_LONG),
    "rows": (list, ANY),
    "objects": (lambda X: X.astype(object), NO_LONG),
    "memoryview": (lambda X: memoryview(X), NO_LONG),
    "items": (Items, ANY),
    "slices": (Sliced, ANY),
    "array": (lambda X: giving(X, "__array__"), ANY),
    "interface": (lambda X: _interface(X), ANY),
    "dlpack": (lambda X: giving(X, "__dlpack__", "__dlpack_device__"), NO_LONG),
}
if pd is not None:
    TAKEN |= {
        "pandas": (pd.DataFrame, NO_LONG),
        "pandas by columns": (lambda X: pd.DataFrame(dict(enumerate(X.T))), NO_LONG),
        "nullable": (nullable, PANDAS),
        "pandas objects": (objects, NO_LONG),
        "sparse columns": (lambda X: pd.DataFrame(X).astype(pd.SparseDtype(X.dtype)), PANDAS),
    }
if pd is not None and pa is not None:
    TAKEN["pandas of Arrow"] = of_arrow, PANDAS
if pa is not None:
    TAKEN["Arrow"] = arrow_table, PANDAS.removeprefix("b1 ")
if pl is not None:
    TAKEN["polars"] = lambda X: pl.DataFrame(X, schema=[str(j) for j in range(F)]), PANDAS
if torch is not None:
    TAKEN |= {
        "torch": (of_torch, NO_LONG),
        "torch, transposed": (lambda X: of_torch(X.T).T, NO_LONG),
        "torch, with gradients": (lambda X: of_torch(X).requires_grad_(), "f2 f4 f8"),
        "torch data set": (lambda X: torch.utils.data.TensorDataset(of_torch(X)), NO_LONG),
    }


def _interface(X: np.ndarray) -> Any:
    found = type("Interface", (), {})()
    found.__array_interface__, found.kept = X.__array_interface__, X
    return found


def takes(dtypes: str, X: np.ndarray) -> bool:
    return f"{X.dtype.kind}{X.dtype.itemsize}" in dtypes.split()


# Forms that are always refused.
REFUSED: dict[str, Callable[[np.ndarray], Any]] = {
    "None": lambda X: None,
    "text": lambda X: "samples",
    "bytes": lambda X: X.tobytes(),
    "number": lambda X: 3.5,
    "dictionary": lambda X: {"a": X},
    "set": lambda X: set(X[:, 0].tolist()),
    "generator": lambda X: (x for x in X),
    "one sample": lambda X: X[0],
    "no samples": lambda X: X[:0],
    "no features": lambda X: X[:, :0],
    "fewer features": lambda X: X[:, 1:],
    "more features": lambda X: np.concatenate([X, X], axis=1),
    "another axis": lambda X: X[:, :, None, None, None],
    "complex": lambda X: X.astype(complex),
    "strings": lambda X: np.full(X.shape, "x"),
    "bytes of strings": lambda X: np.full(X.shape, b"x"),
    "times": lambda X: np.zeros(X.shape, "M8[s]"),
    "durations": lambda X: np.zeros(X.shape, "m8[s]"),
    "ragged": lambda X: [[1.0, 2.0], [1.0]],
    "objects": lambda X: np.full(X.shape, object(), object),
    "masked": lambda X: np.ma.masked_array(X, X == X[0, 0]),
    "infinity": lambda X: _with(X, np.inf),
}
SPARSE: dict[str, Callable[[np.ndarray], Any]] = {}  # models of tables refuse them
if sparse is not None:
    SPARSE |= {
        name: (lambda make: lambda X: make(X.astype(np.float64)))(getattr(sparse, name))
        for name in ("csr_matrix", "csr_array", "csc_array", "coo_array", "lil_array")
    }
if torch is not None:
    REFUSED |= {
        "torch, sparse": lambda X: torch.zeros(X.shape).to_sparse(),
        "torch, nowhere": lambda X: torch.zeros(X.shape, device="meta"),
    }


def _with(X: np.ndarray, value: Any) -> np.ndarray:
    X = X.astype(np.float64)
    X[-1, 0] = value
    return X


# ---- properties of numbers ----------------------------------------------------------------------

MODELS = ["Autoencoder", "VAE", "TabularAutoencoder", "AnomalyDetector"]
KINDS = [kind for kind in VALUES if kind != "thirds"]


def check_layouts(data: st.DataObject) -> None:
    """Equal numbers of any type in any layout give equal bits."""
    model = numeric(data.draw(st.sampled_from(MODELS)))
    X = data.draw(values(KINDS))
    given = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))](X)
    same(results(model, given), results(model, X.astype(np.float64)))
    same(results(model, given), results(model, X.astype(np.float32)))


def check_rounding(data: st.DataObject) -> None:
    """Numbers of float64 are rounded to float32, by models that don't scale columns themselves."""
    model = numeric(data.draw(st.sampled_from(["Autoencoder", "VAE"])))
    X = data.draw(values(["thirds"]))
    given = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))](X)
    same(results(model, given), results(model, X.astype(np.float32)))


def check_containers(data: st.DataObject) -> None:
    """Equal numbers in any container give equal bits."""
    kind = data.draw(st.sampled_from(MODELS))
    sparse = {} if kind.startswith("Tabular") else SPARSE
    name = data.draw(st.sampled_from(sorted([*TAKEN, *sparse])))
    make, dtypes = TAKEN[name] if name in TAKEN else (sparse[name], NO_LONG)
    X = data.draw(values(KINDS).filter(lambda X: takes(dtypes, X)))
    model = numeric(kind)
    same(results(model, make(X)), results(model, X.astype(np.float64)))


def check_refusals(data: st.DataObject) -> None:
    """What is no table of numbers with the model's features is refused."""
    kind = data.draw(st.sampled_from(MODELS))
    X, made = data.draw(values(["quarters"])), REFUSED
    if kind.startswith("Tabular"):
        made = REFUSED | SPARSE
    model, given = numeric(kind), made[data.draw(st.sampled_from(sorted(made)))](X)
    refused(lambda: results(model, given))


def check_fits(data: st.DataObject) -> None:
    """Models that are fitted to equal numbers are equal."""
    name = data.draw(st.sampled_from(sorted(TAKEN)))
    make, dtypes = TAKEN[name]
    kinds = [kind for kind in KINDS if kind not in ("truths", "zeros", "natural")]  # pixels
    X = data.draw(values(kinds).filter(lambda X: takes(dtypes, X)))
    X = np.concatenate([X, X[::-1], X])
    cls = data.draw(st.sampled_from([ae.Autoencoder, ae.TabularAutoencoder]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of columns with a single value
        a, b = (cls(DENSE, 2, **KW).fit(x) for x in (make(X), X.astype(np.float64)))
    # tables come back in the types that they had in fit
    most = 3 if cls is ae.TabularAutoencoder else None
    same(results(a, X)[:most], results(b, X)[:most])


# ---- pixels -------------------------------------------------------------------------------------


def check_pixels(data: st.DataObject) -> None:
    """Pixels of any type, layout and container are equal up to their rounding, or refused."""
    flat = data.draw(st.booleans())
    model, shape = pixels(flat), (F,) if flat else (2, 3, 1)
    X = data.draw(values(["natural"], shape))
    want = [v.astype(np.float64) for v in results(model, X.astype(np.uint8))]
    dark = X.max() <= 8  # of floats these may be pixels that are scaled already
    name = data.draw(st.sampled_from(sorted(LAYOUTS)))
    for given in (LAYOUTS[name](X), X.tolist()):
        try:
            found = results(model, given)
        except ValueError as error:
            assert dark and "expected pixels of 0 to 255" in str(error)
            continue
        for a, b in zip(found, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


# ---- sequences ----------------------------------------------------------------------------------


def check_sequences(data: st.DataObject) -> None:
    """Sequences as a list of any arrays, or padded with a mask, give equal bits."""
    model = sequences(data.draw(st.sampled_from(["Autoencoder", "AnomalyDetector"])))
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    X = data.draw(values(KINDS, (5, 2)).filter(lambda X: len(X) >= len(lengths)))
    want = results(model, [x[:n].astype(np.float32) for x, n in zip(X, lengths, strict=False)])
    layout = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))]
    parts = [x[:n] for x, n in zip(X, lengths, strict=False)]
    how = data.draw(st.sampled_from(["layout", "lists", "tuple", "objects", "torch", "padded"]))
    if how == "padded":
        if isinstance(model, ae.AnomalyDetector):
            return
        padded = X[: len(lengths)].astype(np.float64)
        mask = np.arange(5) < np.array(lengths)[:, None]
        padded[~mask] = data.draw(st.sampled_from([0.0, np.nan, np.inf, 7.0]))
        found = results(model, layout(padded), sample_mask=mask)
        same(found[:2], want[:2])
        for n, a, b in zip(lengths, found[2], want[2:], strict=True):
            assert a[:n].tobytes() == b.tobytes() and not a[n:].any()
        return
    given: Any = [layout(x) for x in parts]
    if how == "lists":
        given = [x.tolist() for x in parts]
    elif how == "tuple":
        given = tuple(given)
    elif how == "objects":
        given = np.empty(len(parts), object)
        given[:] = parts
    elif how == "torch" and torch is not None and takes(NO_LONG, X):
        given = [of_torch(x) for x in parts]
    same(results(model, given), want)


# ---- names --------------------------------------------------------------------------------------


def check_names(data: st.DataObject) -> None:
    """Columns are matched by name, whatever their type, or refused; never by place alone."""
    kind = data.draw(st.sampled_from(["Autoencoder", "TabularAutoencoder", "AnomalyDetector"]))
    which = data.draw(st.sampled_from(sorted(NAMES)))
    names, model = NAMES[which], named(kind, which)
    X = data.draw(values(["quarters"])).astype(np.float64)
    want = results(model, frame(X, names))
    same(results(model, X), want)
    how = data.draw(st.sampled_from(["order", "other", "twice", "less", "more", "container"]))
    order = list(data.draw(st.permutations(range(F))))
    if how == "order":
        given = frame(X[:, order], [names[j] for j in order])
        try:
            found = results(model, given)
        except ValueError as error:
            assert order != sorted(order) and "feature names" in str(error), error
            return
        same(found, want)
    elif how == "container":
        check_name_containers(data, model, X, names, order, want)
    else:
        others: list[Any] = list(names)
        at = order[0]
        if how == "less":
            given = frame(X[:, 1:], others[1:])
        elif how == "more":
            given = frame(np.c_[X, X[:, 0]], [*others, "more" if which != "text" else "g"])
        else:
            others[at] = others[order[1]] if how == "twice" else other_name(names[at])
            given = frame(X, others)
            if which == "places" and how == "other":  # as if fit had had no names
                return warned(lambda: model.score_samples(given))
        refused(lambda: results(model, given), f"{how} {list(given.columns)} for {names}")


def other_name(name: Any) -> Any:
    """Return another name of a name's type."""
    if isinstance(name, str):
        return f"{name}x"
    if isinstance(name, tuple):
        return ("z", 0)
    if isinstance(name, (int, float)):
        return name + 100
    return name + datetime.timedelta(400)


def check_name_containers(
    data: st.DataObject,
    model: Any,
    X: np.ndarray,
    names: list[Any],
    order: list[int],
    want: list[np.ndarray],
) -> None:
    """Names that are strings alone in a container stand for those that have the same text."""
    texts = [str(name) for name in names]
    columns = {texts[j]: X[:, j].copy() for j in order}
    how = data.draw(st.sampled_from(["polars", "Arrow", "structured", "pandas"]))
    if how == "polars" and pl is not None:
        given = pl.DataFrame(columns)
    elif how == "Arrow" and pa is not None:
        given = pa.table(columns)
    elif how == "structured":
        given = np.zeros(len(X), [(text, np.float64) for text in columns])
        for text, column in columns.items():
            given[text] = column
    else:
        given = pd.DataFrame(columns)
    try:
        found = results(model, given)
    except (TypeError, ValueError) as error:
        assert order != sorted(order) or how == "structured", error
        assert len(str(error).split()) > 3, error
        return
    same(found, want)


# ---- gaps ---------------------------------------------------------------------------------------

GAPS: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "NaN": lambda X, gaps: np.where(gaps, np.nan, X),
    "NaN of float32": lambda X, gaps: np.where(gaps, np.nan, X).astype(np.float32),
    "negative NaN": lambda X, gaps: np.where(gaps, -np.nan, X),
    "lists": lambda X, gaps: np.where(gaps, np.nan, X).tolist(),
    "None": lambda X, gaps: np.where(gaps, None, X.astype(object)),
}
if pd is not None:
    GAPS |= {
        "pandas": lambda X, gaps: pd.DataFrame(X).mask(gaps),
        "pandas NA": lambda X, gaps: pd.DataFrame(X).astype("Float64").mask(gaps),
        "objects NA": lambda X, gaps: pd.DataFrame(X.astype(object)).mask(gaps, pd.NA),
        "objects None": lambda X, gaps: pd.DataFrame(np.where(gaps, None, X.astype(object))),
        "objects NaT": lambda X, gaps: pd.DataFrame(np.where(gaps, pd.NaT, X.astype(object))),
    }
if pd is not None and pa is not None:
    GAPS["Arrow NA"] = lambda X, gaps: pd.DataFrame(X).astype("double[pyarrow]").mask(gaps)
if pa is not None:
    GAPS["Arrow"] = lambda X, gaps: pa.table(
        {str(j): pa.array(x, mask=g) for j, (x, g) in enumerate(zip(X.T, gaps.T, strict=True))}
    )
if pl is not None:
    GAPS |= {
        "polars null": lambda X, gaps: pl.DataFrame(
            np.where(gaps, None, X.astype(object)).tolist(),
            schema=dict.fromkeys(map(str, range(F)), pl.Float64),
            orient="row",
        ),
        "polars NaN": lambda X, gaps: pl.DataFrame(
            np.where(gaps, np.nan, X), schema=[str(j) for j in range(F)]
        ),
    }


def check_gaps(data: st.DataObject) -> None:
    """A missing cell is one in any form, where a model takes some; else it is refused."""
    kind = data.draw(st.sampled_from(MODELS))
    model = numeric(kind)
    X = data.draw(values(["quarters"])).astype(np.float64)
    gaps = data.draw(hnp.arrays(bool, X.shape))
    given = GAPS[data.draw(st.sampled_from(sorted(GAPS)))](X, gaps)
    if kind in ("TabularAutoencoder", "AnomalyDetector"):
        same(results(model, given), results(model, np.where(gaps, np.nan, X)))
    elif gaps.any():
        refused(lambda: results(model, given))
    else:
        same(results(model, given), results(model, X))


def check_masks(data: st.DataObject) -> None:
    """What stands where a mask says that nothing is there has no influence."""
    kind = data.draw(st.sampled_from(["Autoencoder", "VAE", "TabularAutoencoder"]))
    model = numeric(kind)
    X = data.draw(values(["quarters"])).astype(np.float64)
    mask = data.draw(hnp.arrays(bool, X.shape))
    there = np.where(mask, X, 0.0)
    odd = data.draw(st.sampled_from([np.nan, np.inf, -np.inf, 7.0, 1e300]))
    layout, other = (LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))] for _ in range(2))
    given = layout(np.where(mask, X, odd))
    found = results(model, given, sample_mask=other(mask))
    same(found, results(model, there, sample_mask=mask))


# ---- tables -------------------------------------------------------------------------------------

WORDS = ["red", "green", "blue", "ü", ""]
TYPES = {"size": "f8", "count": "i8", "shape": "U5", "good": "?", "when": "M8[s]", "span": "m8[s]"}


def rows(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n rows of a table of all kinds of columns."""
    out = np.zeros(n, list(TYPES.items()))
    out["size"] = rng.integers(-4000, 4000, n) / 4
    out["count"] = rng.integers(-100, 100, n)
    out["shape"] = rng.choice(WORDS[:4], n)
    out["good"] = rng.random(n) > 0.5
    out["when"] = rng.integers(0, 2 * 10**9, n)
    out["span"] = rng.integers(0, 10**6, n)
    return out


@functools.cache
def mixed(kind: str) -> Any:
    """Return a model that was fitted to a structured array."""
    X = rows(_rng(), 60)
    if kind == "TabularAutoencoder":
        return ae.TabularAutoencoder(DENSE, 2, **KW).fit(X)
    member = ae.Autoencoder(DENSE, 2, **KW)
    return ae.AnomalyDetector(member, n_models=1, random_state=0).fit(X)


def objects_of(cells: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    out = np.empty(len(cells), object)
    out[:] = [None if g else v for v, g in zip(cells.tolist(), gaps, strict=True)]
    return out


# For each column, the types that a column of pandas may have.
if pd is not None:
    COLUMNS: dict[str, list[Any]] = {
        "size": ["float64", "Float64", "float32", "object"],
        "count": ["float64", "Int64", "Int16", "Float32", "object"],
        "shape": ["object", "string", "category"],
        "good": ["object", "boolean", "category"],
        "when": ["datetime64[s]", "datetime64[ns]", "object"],
        "span": ["timedelta64[s]", "timedelta64[ns]", "object"],
    }
    if pa is not None:
        COLUMNS["size"] += [pd.ArrowDtype(pa.float64()), pd.ArrowDtype(pa.decimal128(12, 2))]
        COLUMNS["count"] += [pd.ArrowDtype(pa.int16()), pd.ArrowDtype(pa.int64())]
        COLUMNS["shape"] += [
            "string[pyarrow]",
            pd.ArrowDtype(pa.string()),
            pd.ArrowDtype(pa.large_string()),
            pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())),
        ]
        COLUMNS["good"] += [pd.ArrowDtype(pa.bool_())]
        COLUMNS["when"] += [pd.ArrowDtype(pa.timestamp("ms"))]
        COLUMNS["span"] += [pd.ArrowDtype(pa.duration("us"))]
if pl is not None:
    POLARS: dict[str, list[Any]] = {
        "size": [pl.Float64, pl.Float32, pl.Decimal(12, 2)],
        "count": [pl.Int64, pl.Int16, pl.Float64, pl.Int128],
        "shape": [pl.String, pl.Categorical, pl.Enum(WORDS[:4])],
        "good": [pl.Boolean],
        "when": [pl.Datetime("us"), pl.Datetime("ms")],
        "span": [pl.Duration("us"), pl.Duration("ms")],
    }


def column_of_pandas(cells: np.ndarray, gaps: np.ndarray, dtype: Any) -> Any:
    """Return a column of pandas with gaps."""
    if dtype == "object":
        return pd.Series(objects_of(cells, gaps), dtype=object)
    if cells.dtype.kind in "Mm":
        return pd.Series(cells).mask(gaps).astype(dtype)
    if dtype == "float64":
        return pd.Series(np.where(gaps, np.nan, cells.astype(np.float64)))
    if dtype == "float32":
        return pd.Series(np.where(gaps, np.nan, cells.astype(np.float64)).astype(np.float32))
    given = objects_of(cells, gaps)
    if "decimal" in str(dtype):
        given = np.array([None if v is None else decimal.Decimal(repr(v)) for v in given], object)
    return pd.Series(pd.array(given, dtype=dtype))


def check_tables(data: st.DataObject) -> None:
    """Tables of all kinds of columns give equal bits in any container, gaps and order."""
    kind = data.draw(st.sampled_from(["TabularAutoencoder", "AnomalyDetector"]))
    model, n = mixed(kind), data.draw(st.integers(1, 5))
    X = rows(np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))), n)
    gaps = data.draw(hnp.arrays(bool, (n, len(TYPES)), elements=st.booleans()))
    order = data.draw(st.permutations(list(TYPES)))
    want = results(model, _plain(X, gaps))
    forms = ["structured"] + ["pandas", "Arrow", "stream", "protocol"] * (pd is not None)
    how = data.draw(st.sampled_from(forms + ["polars"] * (pl is not None)))
    columns = {name: (X[name], gaps[:, j]) for j, name in enumerate(TYPES)}
    if how == "structured":
        types = [(name, _structured(data, name, columns[name])) for name in order]
        given = np.zeros(n, types)
        for name, dtype in types:
            cells, holes = columns[name]
            given[name] = _holed(cells, holes, np.dtype(dtype))
    elif how == "polars":
        given = pl.DataFrame(
            {
                name: _column_of_polars(*columns[name], data.draw(st.sampled_from(POLARS[name])))
                for name in order
            }
        )
    else:
        types = {name: data.draw(st.sampled_from(COLUMNS[name])) for name in order}
        given = pd.DataFrame(
            {name: column_of_pandas(*columns[name], types[name]) for name in order}
        )
        if how != "pandas":
            try:
                given = pa.Table.from_pandas(given)
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
                return
            if how == "stream":
                given = giving(given, "__arrow_c_stream__")
            elif how == "protocol":
                given = giving(given, "__dataframe__")
    try:
        found = results(model, given)
    except (TypeError, ValueError) as error:
        unknown = "X: expected a table: "  # of durations, for instance
        if how == "protocol" and str(error).startswith(unknown):
            return
        moved = kind == "AnomalyDetector" and list(order) != list(TYPES)
        assert moved and "feature names" in str(error), error
        return
    same(found, want)


def _plain(X: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return rows as a structured array of objects, None where a cell is missing."""
    out = np.empty(len(X), [(name, object) for name in TYPES])
    for j, name in enumerate(TYPES):
        out[name] = objects_of(X[name], gaps[:, j])
    return out


def _structured(data: st.DataObject, name: str, column: tuple[np.ndarray, np.ndarray]) -> str:
    """Draw the type of a field that holds a column's cells and gaps."""
    cells, gaps = column
    options = {
        "size": ["f8", ">f8", "f4", "O"], "count": ["f8", "f2", "O"], "shape": ["U5", "U9", "O"],
        "good": ["O"], "when": ["M8[s]", "M8[us]", ">M8[s]", "O"], "span": ["m8[s]", "m8[ms]", "O"],
    }[name]  # fmt: skip
    if not gaps.any():
        options = options + {"count": ["i8", "i2", ">i4"], "good": ["?"]}.get(name, [])
    if name == "shape" and not gaps.any():
        options = [*options, "S9"]
    return data.draw(st.sampled_from(options))


def _holed(cells: np.ndarray, gaps: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "O":
        return objects_of(cells, gaps)
    if dtype.kind == "f":
        return np.where(gaps, np.nan, cells).astype(dtype)
    if dtype.kind in "Mm":
        return np.where(gaps, np.array("NaT", cells.dtype), cells).astype(dtype)
    if dtype.kind == "S":
        return np.char.encode(cells, "utf-8").astype(dtype)
    return (np.where(gaps, "", cells) if dtype.kind == "U" else cells).astype(dtype)


def _column_of_polars(cells: np.ndarray, gaps: np.ndarray, dtype: Any) -> Any:
    found = objects_of(cells, gaps).tolist()
    if str(dtype).startswith("Decimal"):
        found = [None if v is None else decimal.Decimal(repr(v)) for v in found]
    elif str(dtype).startswith("Float"):
        found = [None if v is None else float(v) for v in found]
    return pl.Series(found, dtype=dtype)


PROPERTIES: dict[str, Callable[[st.DataObject], None]] = {
    "layouts": check_layouts,
    "rounding": check_rounding,
    "containers": check_containers,
    "refusals": check_refusals,
    "fits": check_fits,
    "pixels": check_pixels,
    "sequences": check_sequences,
    "gaps": check_gaps,
    "masks": check_masks,
    "names": check_names,
    "tables": check_tables,
}

"""Models on dask's collections: `fit` streams partitions, everything else is lazy.

`transform`, `reconstruct`, `score_samples` and the other functions here take a fitted model and a
collection, and return a collection without computing anything: of an array an array with known
shape and dtype, of a data frame a data frame or series with known columns and the same index, of a
bag a bag. The model is one node of the graph, so that each worker gets it once; there it is frozen,
and all of a worker's threads use it at the same time, each with one thread of the core's own.

    from aecore.distributed import dask as aed

    model = aed.fit(ae.TabularVAE(latent_dim=8), frame)
    scores = aed.score_samples(model, frame)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..base import runtime
from ..data.conditions import MixedConditioner
from ..data.rows import Rows, joined, taken
from ..data.streams import Item

__all__ = [
    "DaskRows",
    "decision_function",
    "errors",
    "fit",
    "impute",
    "predict",
    "reconstruct",
    "rows",
    "score_cells",
    "score_samples",
    "transform",
]


def __dir__() -> list[str]:
    return __all__


UNKNOWN = "__UNKNOWN_CATEGORIES__"  # what dask has for categories before it looks
ROW_BYTES = 1 << 10  # of a row of which nothing is known


# ---- training -----------------------------------------------------------------------------------


def rows(X: Any, y: Any = None, *, buffer: int | None = None) -> DaskRows:
    """Return a collection's partitions as rows that `fit` reads a piece at a time.

    Parameters
    ----------
    X : dask array, dask DataFrame or dask bag
        An array (N, ...), of which each chunk is a block; the rows of a data frame; a bag of
        samples: arrays of one shape, or dicts, which are rows of a table.
    y : dask array or Series, optional
        Labels or properties, in partitions like those of X.
    buffer : int, optional
        How many samples are shuffled together, as for `aecore.open_rows`.

    Returns
    -------
    DaskRows

    Notes
    -----
    It computes how long partitions are where that isn't known. Each epoch computes the partitions
    anew, up to eight at a time: ``X.persist()`` keeps them in the cluster's memory.
    """
    return DaskRows(X, y, buffer)


def fit(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    X_val: Any = None,
    buffer: int | None = None,
    **options: Any,
) -> Any:
    """Train a model on a collection, in this process.

    Partitions are computed where dask computes them, and come here a few at a time: in a new order
    in each epoch, eight at a time, and shuffled within what is there of them.

    Parameters
    ----------
    model : any of aecore's models, or an AnomalyDetector
    X, y, buffer
        As of `rows`.
    X_val : like X, or (X_val, y_val), optional
        Samples to measure after each epoch.
    **options
        Of the model's `fit`.

    Returns
    -------
    model
    """
    if not hasattr(model, "fit"):
        raise TypeError(f"model: expected one of aecore's models, got {model!r}")
    if X_val is not None:
        options["X_val"] = rows(*X_val) if isinstance(X_val, tuple) else rows(X_val)
    return model.fit(rows(X, y, buffer=buffer), **options)


class DaskRows(Rows):
    """Rows of a dask collection, whose blocks are its partitions; see `rows`."""

    def __init__(self, X: Any, y: Any = None, buffer: int | None = None) -> None:
        X = _in_rows(X, "X")
        self._parts = _parts(X)
        self._labels = None if y is None else _parts(_in_rows(y, "y"))
        if self._labels is not None and len(self._labels) != len(self._parts):
            raise ValueError(
                f"y: expected {len(self._parts)} partitions, as X has, got {len(self._labels)}"
            )
        super().__init__(_lengths(X, self._parts), _row_bytes(X), buffer)
        if not len(self):
            raise ValueError("X: expected rows, got none")

    def pieces(self, block: int, most: int) -> Iterator[Item]:
        """Begin to compute a partition; yield its samples, see `Rows.pieces`."""
        wanted = [self._parts[block]]
        if self._labels is not None:
            wanted.append(self._labels[block])
        found = _begun(wanted)

        def cut() -> Iterator[Item]:
            X, y = (*found(), None)[:2]
            X = _as_samples(X)
            n = len(X)
            if y is not None and len(y) != n:
                raise ValueError(f"y: partition {block}: expected {n} labels, got {len(y)}")
            for start in range(0, n, most):
                part = slice(start, start + most)
                labels = None if y is None else np.asarray(y)[part]
                yield Item(X.iloc[part] if hasattr(X, "iloc") else X[part], labels)

        return cut()

    def spread(self, most: int) -> Any:
        """Return at most so many samples X, evenly spaced, as one; workers choose them."""
        import dask

        wanted, ends = self.spaced(most), np.cumsum(self.sizes)
        choose, chosen = dask.delayed(_chosen), list[Any]()
        for part, stop, size in zip(self._parts, ends, self.sizes, strict=True):
            a, b = np.searchsorted(wanted, (stop - size, stop))
            if a < b:
                chosen.append(choose(part, wanted[a:b] - (stop - size)))
        return joined(list(dask.compute(*chosen)))


def _chosen(part: Any, places: np.ndarray) -> Any:
    return taken(_as_samples(part), places)


def _begun(wanted: list[Any]) -> Callable[[], list[Any]]:
    """Begin to compute some things; return what waits for them."""
    client = _client()
    if client is None:
        import dask

        return lambda: list(dask.compute(*wanted))
    futures = client.compute(wanted)
    return lambda: list(client.gather(futures))


def _client() -> Any:
    """Return the cluster's client; None where dask computes in this process."""
    import sys

    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_client()
    except ValueError:
        return None


def _kind(X: Any) -> str:
    """Return what kind of a collection of dask's it is."""
    for cls in type(X).__mro__:
        if cls.__module__.split(".")[0] in ("dask", "dask_expr"):
            kind = {"Array": "array", "Bag": "bag", "DataFrame": "frame", "Series": "series"}
            if cls.__name__ in kind:
                return kind[cls.__name__]
    return ""


def _in_rows(X: Any, name: str) -> Any:
    """Return a collection in blocks of whole rows; TypeError for anything else."""
    kind = _kind(X)
    if kind in ("frame", "bag") or (kind == "series" and name == "y"):
        return X
    if kind != "array":
        raise TypeError(
            f"{name}: expected a dask array, DataFrame or bag, got a {type(X).__name__}: the "
            "model's own methods take others"
        )
    if X.ndim > 1 and any(len(chunks) > 1 for chunks in X.chunks[1:]):
        return X.rechunk({axis: -1 for axis in range(1, X.ndim)})
    return X


def _parts(X: Any) -> list[Any]:
    return list(np.ravel(np.array(X.to_delayed(), object)))


def _lengths(X: Any, parts: list[Any]) -> list[int]:
    """Return how many rows each partition has."""
    if _kind(X) == "array" and not np.isnan(X.chunks[0]).any():
        return [int(n) for n in X.chunks[0]]
    import dask

    if _kind(X) == "frame" and len(X.columns):  # of one column, which is all that is read then
        parts = _parts(X[X.columns[:1]])
    return [int(n) for n in dask.compute(*map(dask.delayed(_length), parts))]


def _length(part: Any) -> int:
    return len(part) if hasattr(part, "__len__") else len(list(part))


def _row_bytes(X: Any) -> int:
    kind = _kind(X)
    if kind == "array":
        return int(np.prod(X.shape[1:], dtype=np.int64)) * max(X.dtype.itemsize, 4)
    return 32 * len(X.columns) if kind == "frame" else ROW_BYTES


def _as_samples(part: Any) -> Any:
    """Return a partition as models take it: a list of a bag as one array or table."""
    if not isinstance(part, (list, tuple)) and hasattr(part, "shape"):
        return part
    found = list(part)
    if found and isinstance(found[0], dict):
        import pandas

        return pandas.DataFrame(found)
    if len({np.shape(x) for x in found}) > 1:
        raise ValueError("X: expected samples of one shape in a bag, got several")
    return np.stack([np.asarray(x) for x in found]) if found else np.empty((0, 0))


# ---- what fitted models answer ------------------------------------------------------------------


def transform(model: Any, X: Any, y: Any = None) -> Any:
    """Encode samples: as the model's `transform`.

    Parameters
    ----------
    model : fitted model
    X : dask array, DataFrame or bag
    y : dask array or Series, optional
        The condition of a `CVAE`, in partitions like those of X.

    Returns
    -------
    Collection of the kind of X
        Of a data frame a data frame with the columns of `get_feature_names_out`.
    """
    return _applied(model, "transform", X, y)


def reconstruct(model: Any, X: Any, y: Any = None) -> Any:
    """Encode and decode samples: as the model's `reconstruct`.

    Parameters
    ----------
    model, X, y
        As of `transform`.

    Returns
    -------
    Collection of the kind of X
    """
    return _applied(model, "reconstruct", X, y)


def score_samples(model: Any, X: Any, y: Any = None) -> Any:
    """Score samples: as the `score_samples` of the model or detector.

    Parameters
    ----------
    model, X, y
        As of `transform`.

    Returns
    -------
    dask array (N,), Series or bag of float
    """
    return _applied(model, "score_samples", X, y)


def decision_function(model: Any, X: Any) -> Any:
    """Return how far samples are on the normal side: as a detector's `decision_function`.

    Parameters
    ----------
    model, X
        As of `transform`.

    Returns
    -------
    dask array (N,), Series or bag of float
    """
    return _applied(model, "decision_function", X)


def predict(model: Any, X: Any) -> Any:
    """Return which samples are outliers, or their classes: as the model's `predict`.

    Parameters
    ----------
    model, X
        As of `transform`.

    Returns
    -------
    dask array (N,), Series or bag
    """
    return _applied(model, "predict", X)


def errors(model: Any, X: Any, y: Any = None) -> Any:
    """Return the error of each value: as the model's `errors`.

    Parameters
    ----------
    model, X, y
        As of `transform`.

    Returns
    -------
    Collection of the kind of X
    """
    return _applied(model, "errors", X, y)


def impute(model: Any, X: Any) -> Any:
    """Fill in what is missing in a table: as the `impute` of a `TabularAutoencoder`.

    Parameters
    ----------
    model : fitted model of tables
    X : dask DataFrame

    Returns
    -------
    dask DataFrame
        With the columns of X.
    """
    return _applied(model, "impute", X)


def score_cells(model: Any, X: Any) -> Any:
    """Return how unusual each cell is: as the `score_cells` of a `TabularAutoencoder`.

    Parameters
    ----------
    model, X
        As of `impute`.

    Returns
    -------
    dask DataFrame of float
        With the columns of X.
    """
    return _applied(model, "score_cells", X)


def _applied(model: Any, name: str, X: Any, y: Any = None) -> Any:
    """Return what a method gives of a collection, as a lazy one."""
    import dask

    if not hasattr(model, name):
        raise TypeError(f"model: expected one with {name}, got {model!r}")
    X, kind = _in_rows(X, "X"), _kind(X)
    y = None if y is None else _in_rows(y, "y")
    example = _example(model, name, X, kind, y)
    shipped = dask.delayed(Shipped(model, name, kind, example))
    if kind == "bag":
        others = () if y is None else (y if _kind(y) == "bag" else _bag(y),)
        return X.map_partitions(_called, *others, model=shipped)
    if kind == "frame":
        others = () if y is None else (y,)
        return X.map_partitions(_called, *others, model=shipped, meta=example)
    return _of_array(X, y, shipped, example)


def _bag(y: Any) -> Any:
    import dask.bag

    return dask.bag.from_delayed(_parts(y))


def _of_array(X: Any, y: Any, shipped: Any, example: np.ndarray) -> Any:
    """Return the method's results of the chunks of an array."""
    from dask import array as da

    inner = "n", *(f"x{i}" for i in range(1, X.ndim))
    others: tuple[Any, ...] = ()
    if y is not None:
        if y.numblocks[0] != X.numblocks[0]:
            y = y.rechunk({0: X.chunks[0]})
        others = y, ("n", *(f"y{i}" for i in range(1, y.ndim)))
    out = "n", *(f"z{i}" for i in range(1, example.ndim))
    axes = dict(zip(out[1:], example.shape[1:], strict=True))
    return da.blockwise(
        _called,
        out,
        X,
        inner,
        *others,
        new_axes=axes,
        dtype=example.dtype,
        meta=example,
        concatenate=True,
        align_arrays=False,
        model=shipped,
    )


class Shipped:
    """A model on its way to workers, and what its method gives of no rows.

    Parameters
    ----------
    model : fitted model
    name : str
        The method's.
    kind : {"array", "frame", "bag"}
    example : ndarray, DataFrame or Series
        What the method gives of no rows, in the form of results.
    """

    def __init__(self, model: Any, name: str, kind: str, example: Any) -> None:
        frozen = model.frozen() if hasattr(model, "frozen") else model
        self.model = frozen if hasattr(frozen, name) else model
        self.name, self.kind, self.example = name, kind, example

    def __call__(self, part: Any, y: Any = None) -> Any:
        """Return the results of a partition."""
        if self.kind == "bag":
            part = _as_samples(part)
            y = None if y is None else np.asarray(list(y))
        if not len(part):
            return [] if self.kind == "bag" else self.example
        with runtime.threads(1):  # dask's own are those that work side by side
            found = getattr(self.model, self.name)(part, *(() if y is None else (np.asarray(y),)))
        if self.kind == "bag":
            return list(found.to_dict("records") if hasattr(found, "to_dict") else found)
        if self.kind == "array":  # even where the model gives frames
            return np.asarray(found)
        return _framed(found, part.index, self.example)


def _called(part: Any, *y: Any, model: Shipped) -> Any:
    return model(part, *y)


def _framed(found: Any, index: Any, example: Any) -> Any:
    """Return results of a partition of a data frame with its index."""
    if hasattr(found, "iloc"):
        found.index = index
        return found
    import pandas

    if found.ndim == 1:
        return pandas.Series(found, index, name=example.name)
    return pandas.DataFrame(found.reshape(len(found), -1), index, columns=example.columns)


def _example(model: Any, name: str, X: Any, kind: str, y: Any) -> Any:
    """Return what a method gives of no rows, in the form of results."""
    if kind == "bag":
        return None
    if kind == "frame":
        import pandas

        if name == "impute":
            return X._meta
        some = _some(X)
        found = _tried(model, name, some, y)
        if hasattr(found, "iloc"):
            return found.iloc[:0]
        if found.ndim == 1:
            return pandas.Series(found[:0], some.index[:0], name=name.removesuffix("_samples"))
        flat, columns = found.reshape(len(found), -1)[:0], some.columns
        if name == "transform":
            columns = model.get_feature_names_out()
        return pandas.DataFrame(flat, some.index[:0], columns=columns)
    return np.asarray(_tried(model, name, np.zeros((1, *X.shape[1:]), X.dtype), y))[:0]


def _some(X: Any) -> Any:
    """Return rows of no meaning like those of a data frame, with gaps for unknown categories."""
    some = X._meta_nonempty.copy()
    for name, column in some.items():
        known = getattr(column.dtype, "categories", ())
        if UNKNOWN in list(known):
            some[name] = column.astype(object).where(column != UNKNOWN)
    return some


def _tried(model: Any, name: str, some: Any, y: Any) -> Any:
    """Return what a method gives of a few rows of no meaning."""
    given = () if y is None else (_some_labels(model, len(some)),)
    return getattr(model, name)(some, *given)


def _some_labels(model: Any, n: int) -> np.ndarray:
    """Return conditions that a model knows."""
    known = model._network.conditioner
    if isinstance(known, MixedConditioner):
        row = [part.classes[0] if part.classes is not None else 0.0 for part in known.parts]
        return np.array([row] * n, object)
    if known is None or known.classes is None:
        return np.zeros((n, 0 if known is None else known.width))
    return np.repeat(known.classes[:1], n)

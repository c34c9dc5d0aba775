"""What other libraries have for samples: tensors, data frames, data sets that are read by items.

PyTorch isn't imported: its tensors and data sets are known by what they can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from ..base.arrays import as_array
from ..base.quiet import no_warnings
from ..base.text import printable

EXCHANGED = "__arrow_c_stream__", "__dataframe__"  # how data frames of other libraries are read
OTHERS = "shape __array__ __array_interface__ __dlpack__ keys columns toarray tolist".split()
PLAIN = (list, tuple, str, bytes, bytearray, memoryview, Mapping, Set, range, np.ndarray)


def is_exchanged(X: Any) -> bool:
    """Return whether X is a data frame of some library that gives it to others."""
    single = hasattr(X, "to_frame") and not hasattr(X, "columns")  # a series
    return not single and any(hasattr(X, way) for way in EXCHANGED)


def opened(X: Any, name: str) -> Any:
    """Return a data frame of which nothing else is known as one of pandas; others as they are."""
    if type(X).__name__ == "LazyFrame":
        raise TypeError(f"{name}: expected a data frame, got a LazyFrame: use {name}.collect()")
    unknown = not hasattr(X, "columns") and not hasattr(X, "__array__")
    return through_pandas(X, name) if unknown and is_exchanged(X) else X


def through_pandas(X: Any, name: str) -> Any:
    """Read a data frame of another library by Arrow's stream or the interchange protocol."""
    import pandas

    table: Any = None
    if hasattr(X, "__arrow_c_stream__"):
        try:
            import pyarrow  # type: ignore[import-not-found, unused-ignore]

            table = pyarrow.table
        except ImportError:
            if not hasattr(X, "__dataframe__"):
                raise TypeError(
                    f"{name}: expected a data frame of pandas or polars, got {type(X).__name__}, "
                    "which is read with pyarrow installed"
                ) from None
    try:
        if table is not None:
            return table(X).to_pandas(types_mapper=pandas.ArrowDtype, ignore_metadata=True)
        with no_warnings(DeprecationWarning):  # of pandas, which the user doesn't call
            return pandas.api.interchange.from_dataframe(X)
    except (TypeError, ValueError, RuntimeError) as error:  # of types that nobody reads
        raise TypeError(f"{name}: expected a table: {printable(error)}") from None


def is_dataset(X: Any) -> bool:
    """Whether X has items by number and says how many, and is no array, table or list of Python's.

    A `torch.utils.data.Dataset` is one.
    """
    if isinstance(X, PLAIN) or not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        return False
    return not any(hasattr(X, name) for name in OTHERS)


def gives_samples_once(X: Any) -> bool:
    """Whether X is iterated over without items by number, as PyTorch's IterableDataset is."""
    if isinstance(X, PLAIN) or any(hasattr(X, name) for name in OTHERS):
        return False
    return hasattr(X, "__iter__") and hasattr(X, "__getitem__") and not hasattr(X, "__len__")


def _parts(item: Any, name: str) -> tuple[Any, Any]:
    """Return the sample and the label, None for none, of an item: x, (x,) or (x, y)."""
    if isinstance(item, Mapping):
        raise TypeError(f"{name}: expected x, (x,) or (x, y), got a {type(item).__name__}")
    if isinstance(item, tuple) and len(item) > 2 and hasattr(item[0], "shape"):
        raise TypeError(f"{name}: expected x, (x,) or (x, y), got {len(item)} things")
    paired = isinstance(item, (tuple, list)) and len(item) in (1, 2)
    if paired and (hasattr(item[0], "shape") or hasattr(item[0], "__array_interface__")):
        return item[0], item[1] if len(item) == 2 else None
    return item, None


class Items:
    """The samples of a data set as an array-like, read item by item when they are looked at.

    Parameters
    ----------
    source : object with ``__len__`` and ``__getitem__``
        Its items are x, (x,) or (x, y), of one shape.
    name : str
        For messages.
    part : {0, 1}
        1 for what is second in each item.
    """

    def __init__(self, source: Any, name: str, part: int = 0) -> None:
        self._source, self._name, self._part, n = source, name, part, len(source)
        first = self._item(0) if n else np.empty(0, np.float32)
        self.shape, self.dtype = (n, *first.shape), first.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        out = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        for i in range(start, stop):
            x = self._item(i)
            if x.shape != self.shape[1:] or x.dtype != self.dtype:
                raise ValueError(
                    f"{self._name}: item {i}: expected {self.dtype} of shape {self.shape[1:]}, as "
                    f"item 0 is, got {x.dtype} of shape {x.shape}; sequences of different lengths "
                    "are given as a list"
                )
            out[i - start] = x
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)

    def _item(self, i: int) -> np.ndarray:
        return as_array(_parts(self._source[i], f"{self._name}: item {i}")[self._part])


def second(X: Any) -> np.ndarray | None:
    """Return what is second in the first item of a data set; None if there is nothing."""
    if not is_dataset(X) or not len(X):
        return None
    y = _parts(X[0], "X: item 0")[1]
    return None if y is None else as_array(y)


def labels(X: Any, name: str = "X") -> np.ndarray | None:
    """Return the labels of a data set whose items are (x, y); None for anything else."""
    if not is_dataset(X) or not len(X) or _parts(X[0], name)[1] is None:
        return None
    return np.array([as_array(_parts(X[i], f"{name}: item {i}")[1]) for i in range(len(X))])

"""What other libraries have for samples: tensors, and data sets that are read item by item.

PyTorch isn't imported: its tensors and data sets are known by what they can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np

OTHERS = "shape __array__ __array_interface__ __dlpack__ keys columns toarray tolist".split()
PLAIN = (list, tuple, str, bytes, bytearray, memoryview, Mapping, Set, range, np.ndarray)


def as_array(x: Any) -> np.ndarray:
    """Return an array, a tensor of any library or a nested list as an array; not copied if it can.

    Tensors come from where they are, without their gradients; floats that NumPy lacks, such as
    bfloat16, become float32.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        In the words of the library that can't give one.
    """
    if hasattr(x, "detach"):  # PyTorch's
        x = x.detach().cpu()
        try:
            return x.numpy()
        except TypeError:
            return x.float().numpy()
    if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
        return np.from_dlpack(x)
    return np.asarray(x)


def is_dataset(X: Any) -> bool:
    """Whether X has items by number and says how many, and is no array, table or list of Python's.

    A `torch.utils.data.Dataset` is one.
    """
    if isinstance(X, PLAIN) or any(hasattr(X, name) for name in OTHERS):
        return False
    return hasattr(X, "__len__") and hasattr(X, "__getitem__")


def gives_samples_once(X: Any) -> bool:
    """Whether X is iterated over without items by number, as PyTorch's IterableDataset is."""
    if isinstance(X, PLAIN) or any(hasattr(X, name) for name in OTHERS):
        return False
    return hasattr(X, "__iter__") and hasattr(X, "__getitem__") and not hasattr(X, "__len__")


def _parts(item: Any, name: str) -> tuple[Any, Any]:
    """Return the sample and the label, None for none, of an item: x, (x,) or (x, y)."""
    if isinstance(item, Mapping):
        raise TypeError(f"{name}: expected x, (x,) or (x, y), got a {type(item).__name__}")
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
    """

    def __init__(self, source: Any, name: str) -> None:
        self._source, self._name, n = source, name, len(source)
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
        return as_array(_parts(self._source[i], f"{self._name}: item {i}")[0])


def labels(X: Any, name: str = "X") -> np.ndarray | None:
    """Return the labels of a data set whose items are (x, y); None for anything else."""
    if not is_dataset(X) or not len(X) or _parts(X[0], name)[1] is None:
        return None
    return np.array([as_array(_parts(X[i], f"{name}: item {i}")[1]) for i in range(len(X))])

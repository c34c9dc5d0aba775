"""What `fit` reads: samples checked once, and gathered into batches of float32.

An array that the core reads as it is (C-contiguous uint8, bool, float32 or float64, in memory or a
memory map) is never copied: each batch is gathered from it. Everything else that is an array (other
number types, other layouts, h5py and zarr data sets) stays where it is too; the rows of a batch are
read from it by slices and converted; those of sparse matrices are made dense (`sparse`). Lists and
data frames are made into one array first, and so are lists of sequences of different lengths, which
are padded (`sequences`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _core
from ..base import checks, names, runtime
from ..base.arrays import as_array
from ..base.text import printable
from . import foreign, sequences, unlike
from .corruption import Corruption, in_gather
from .sparse import SparseRows, is_sparse
from .unlike import Sized

DIRECT = tuple(map(np.dtype, (np.uint8, np.bool_, np.float32, np.float64)))
PIXEL = 1 / 255  # what pixels of 0 to 255 are multiplied by
BLOCK = 1 << 22  # values looked at in one go when checking
FEW = 8  # so few numbers of float32 that those of a feature become are worth a warning
MASK = "sample_mask"
_LARGEST = float(np.finfo(np.float32).max)


class Data:
    """N samples of one shape, and which of their values are observed.

    Parameters
    ----------
    source : ndarray or array-like
        With shape (N, ...), a dtype and slicing.
    mask : ndarray of bool, shape (N, ...), optional
        True where a value is observed.
    name : str
        What the caller knows it as, for messages.
    columns : ndarray of str, optional
        Names of the features.
    lengths : ndarray of int64, shape (N,), optional
        How many steps of each sequence (T, F) there are: nothing behind them is looked at.
    form : int or "list", optional
        How results that have the form of samples are given: as arrays of so many steps, or as a
        list of sequences.
    pixels : bool, optional
        Whether numbers are pixels of 0 to 255, to be scaled to 0 to 1. By default those of uint8
        are, unless none is more than 1.

    Attributes
    ----------
    shape : tuple of int
        Of a sample.
    features : int
        F, the number of values of a sample.
    pixels : bool
        Whether numbers are pixels of 0 to 255.
    scale : float
        What values are multiplied by; 1 for pixels that were scaled before.
    low, high : float
        The range of the observed values, scaled.
    fill : float
        What the encoder sees where a value is missing.
    """

    fill = 0.0

    def __init__(
        self,
        source: Any,
        mask: np.ndarray | None = None,
        name: str = "X",
        columns: np.ndarray | None = None,
        lengths: np.ndarray | None = None,
        form: int | str | None = None,
        pixels: bool | None = None,
    ) -> None:
        self.shape: tuple[int, ...] = tuple(map(int, source.shape[1:]))
        self.features = math.prod(self.shape)
        self.columns, self.lengths, self.form = columns, lengths, form
        self.dtype, self.name = np.dtype(source.dtype), name
        self._n = int(source.shape[0])
        self._source = source
        self._sparse = source if isinstance(source, SparseRows) and mask is None else None
        self._flat = None  # the source as the core reads it
        if isinstance(source, np.ndarray):
            if self.dtype in DIRECT and source.flags.c_contiguous and source.flags.aligned:
                self._flat = source.reshape(self._n, self.features)
        self._mask: Any = None
        self._missing: Any = None
        if mask is not None:
            self._mask = np.ascontiguousarray(mask).reshape(self._n, self.features)
            self._missing = ~self._mask
        self._staged: np.ndarray | None = None
        low, high = self._range(name)
        if pixels is None:
            pixels = self.dtype == np.uint8 and high > 1
        self.pixels = bool(pixels)
        self.scale = PIXEL if pixels else 1.0
        self.low, self.high = low * self.scale, high * self.scale

    def __len__(self) -> int:
        return self._n

    @property
    def plain(self) -> np.ndarray | None:
        """The samples (N, F) as they are, where that is what `gather` would copy."""
        flat = self._flat
        if flat is None or flat.dtype != np.float32 or self.scale != 1:
            return None
        return flat

    @property
    def masked(self) -> bool:
        """Whether a mask says which values are observed."""
        return self._mask is not None or self.lengths is not None

    def _observed(self, rows: slice) -> np.ndarray | None:
        """Return which values of some rows are observed (n, F); None if all are."""
        if self._mask is not None or self.lengths is None:
            return None if self._mask is None else self._mask[rows]
        there = ~sequences.behind(self.lengths[rows], self.shape[0])
        return np.repeat(there, self.features // self.shape[0], axis=1)

    def taken(self, rows: np.ndarray) -> Data:
        """Return some samples, of an array in memory, with the same scale."""
        shape, sparse = (len(rows), *self.shape), isinstance(self._source, SparseRows)
        source = self._source.taken(rows) if sparse else self._source[rows]
        mask = None if self._mask is None else self._mask[rows].reshape(shape)
        lengths = None if self.lengths is None else self.lengths[rows]
        pixels = self.scale != 1
        return Data(source, mask, self.name, self.columns, lengths, self.form, pixels)

    def joined(self, parts: list[Data]) -> Data:
        """Return samples in memory that are like these, and these among them, as one."""
        if len({(part.dtype, part.scale) for part in parts}) == 1:
            source, pixels = np.concatenate([part._source for part in parts]), self.scale != 1
        else:  # scaled beforehand, or not
            values = [np.empty((len(part), self.features), np.float32) for part in parts]
            for part, out in zip(parts, values, strict=True):
                part.gather(np.arange(len(part), dtype=np.int64), out)
            source, pixels = np.concatenate(values).reshape(-1, *self.shape), False
        mask = lengths = None
        if any(part._mask is not None for part in parts):
            masks = [np.ones(p._source.shape, bool) if p._mask is None else p._mask for p in parts]
            mask = np.concatenate([m.reshape(-1, *self.shape) for m in masks])
        if any(part.lengths is not None for part in parts):
            whole = [
                np.full(len(p), self.shape[0]) if p.lengths is None else p.lengths for p in parts
            ]
            lengths = np.concatenate(whole)
        return Data(source, mask, self.name, self.columns, lengths, self.form, pixels)

    def formed(self, values: np.ndarray) -> Any:
        """Return values of all samples (N, F) in the form in which the samples came."""
        values = values.reshape(len(values), *self.shape)
        if self.form is None:
            return values
        lengths = np.full(len(values), self.shape[0]) if self.lengths is None else self.lengths
        if self.form == "list":
            return [v[:n] for v, n in zip(values, lengths, strict=True)]
        values[sequences.behind(lengths, self.shape[0])] = 0
        steps = int(self.form)
        if steps == self.shape[0]:
            return values
        out = np.zeros((len(values), steps, *self.shape[1:]), values.dtype)
        out[:, : self.shape[0]] = values[:, :steps]
        return out

    def blocks(self) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """Yield (first row, rows (n, F) as they are, their mask), from first to last."""
        step = max(1, BLOCK // max(1, self.features))
        for start in range(0, self._n, step):
            rows = slice(start, min(start + step, self._n))
            block = self._flat[rows] if self._flat is not None else self._read(rows)
            yield start, block, self._observed(rows)

    def _read(self, rows: slice) -> np.ndarray:
        block = np.asarray(self._source[rows])
        if block.shape != (rows.stop - rows.start, *self.shape):
            raise ValueError(
                f"X: expected slices of shape {(rows.stop - rows.start, *self.shape)}, got "
                f"{block.shape}"
            )
        return block.reshape(len(block), self.features)

    def _range(self, name: str) -> tuple[float, float]:
        """Return the range of the observed values as they are.

        Raises ValueError if one isn't finite in float32.
        """
        if self.dtype == np.bool_ or self._n == 0:
            return 0.0, 1.0
        low, high = np.inf, -np.inf
        if self._sparse is not None:
            low, high = self._sparse.span()
            if low >= -_LARGEST and high <= _LARGEST:
                return low, high
            odd = ~(np.abs(self._sparse.stored.astype(np.float64)) <= _LARGEST)
            row = self._sparse.row_of(int(odd.argmax()))
            raise ValueError(self._not_finite(name, row, self._read(slice(row, row + 1)), None))
        if self._flat is not None and not self.masked and self._flat.size <= BLOCK:
            low, high = _core.span(self._flat, runtime.current())
            if low >= -_LARGEST and high <= _LARGEST:
                return low, high
        for start, block, mask in self.blocks():
            values = block if mask is None else block[mask]
            if values.size:
                a, b = _span(values)
                if not (a >= -_LARGEST and b <= _LARGEST):
                    raise ValueError(self._not_finite(name, start, block, mask))
                low, high = min(low, a), max(high, b)
        return low, high

    @property
    def is_in_memory(self) -> bool:
        """Whether rows are to be had without reading a file or calling somebody's code."""
        return type(self._source) is np.ndarray

    def some(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a few rows (n, F) as they are, from all over an array, and their mask."""
        most = max(4, min(1000, (1 << 18) // self.features))
        if not isinstance(self._source, (np.ndarray, SparseRows)):  # slices without steps are sure
            rows = slice(0, min(most, self._n))
            return self._read(rows), self._observed(rows)
        rows = slice(0, self._n, -(-self._n // most))
        block = self._source[rows]
        return block.reshape(len(block), self.features), self._observed(rows)

    def rescale(self) -> None:
        """Take pixels as they are: they have been scaled before."""
        self.low, self.high = self.low / self.scale, self.high / self.scale
        self.scale = 1.0

    def fractions(self) -> bool:
        """Return whether an observed value isn't a whole number."""
        if self.dtype.kind != "f":
            return False
        if self._sparse is not None:
            return bool((self._sparse.stored != np.rint(self._sparse.stored)).any())
        for _, block, mask in self.blocks():
            values = block if mask is None else block[mask]
            if (values != np.rint(values)).any():
                return True
        return False

    def coarse(self) -> tuple[int, float, float] | None:
        """Return a feature whose different values become nearly one in float32, and their range.

        The first rows say which features to look at; the others are read where there are some.
        """
        if not (self.dtype.kind == "f" and self.dtype.itemsize > 4) and not (
            self.dtype.kind in "iu" and self.dtype.itemsize > 2
        ):
            return None
        if self._sparse is not None:
            ends = self._sparse.ends()
            close = _are_close(*ends) & (ends[0] < ends[1]) & self._sparse.rounded()
            first = int(close.argmax())
            return (first, float(ends[0][first]), float(ends[1][first])) if close[first] else None
        candidates, low, high = None, np.zeros(0), np.zeros(0)
        for _, block, mask in self.blocks():
            if candidates is None:
                some = block[: max(2, (1 << 18) // max(1, self.features))]
                few = None if mask is None else mask[: len(some)]
                ends = _ends(some, few)
                with np.errstate(over="ignore"):
                    rounded = (some.astype(np.float32).astype(some.dtype) != some).any(0)
                candidates = np.flatnonzero(_are_close(*ends) & rounded)
                if not len(candidates):
                    return None
                low, high = np.full(len(candidates), np.inf), np.full(len(candidates), -np.inf)
            few = None if mask is None else mask[:, candidates]
            a, b = _ends(block[:, candidates], few)
            low, high = np.fmin(low, a), np.fmax(high, b)
        found = np.flatnonzero(_are_close(low, high) & (low < high))
        if candidates is None or not len(found):
            return None
        return int(candidates[found[0]]), float(low[found[0]]), float(high[found[0]])

    def _not_finite(self, name: str, start: int, block: np.ndarray, mask: np.ndarray | None) -> str:
        bad = ~(np.abs(block.astype(np.float64)) <= _LARGEST)
        if mask is not None:
            bad &= mask
        row, column = np.unravel_index(int(bad.argmax()), block.shape)
        value = block[row, column]
        what = "NaN" if np.isnan(value) else "infinity" if np.isinf(value) else f"{value:g}"
        masked = np.isnan(value) and name != "target"  # of which all is known
        hint = "; missing values can be marked with sample_mask" if masked else ""
        return (
            f"Input {name} contains {what} (in row {start + row}): expected numbers that are "
            f"finite in float32{hint}"
        )

    def at(self, seed: int, position: int) -> None:
        """Note the seed of the next batch, and how many samples came before, for crops."""

    def gather(
        self,
        rows: np.ndarray,
        clean: np.ndarray,
        noisy: np.ndarray | None = None,
        corruption: Corruption | None = None,
        stream: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        """Fill `clean` (n, F) with rows, scaled, and `noisy` with them corrupted.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
        clean, noisy : ndarray of float32, shape (n, F)
        corruption : Corruption, optional
            What makes `noisy`.
        stream : tuple of int
            Seed, purpose and offset of its random numbers.
        """
        source, index = self._flat, rows
        if source is None:
            source, index = self._stage(rows)
        noise = in_gather(None if noisy is None else corruption)
        how = *noise, *stream, runtime.current()
        _core.gather(clean, noisy, source, index, self.scale, *how)

    def _stage(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read rows into an array that the core takes; also return their places in it."""
        sparse = isinstance(self._source, SparseRows)
        if self._staged is None or len(self._staged) < len(rows):
            dtype = self.dtype if sparse and self.dtype in DIRECT else np.float32
            self._staged = np.empty((len(rows), self.features), dtype)
            self._places = np.arange(len(rows), dtype=np.int64)
        staged, places = self._staged[: len(rows)], self._places[: len(rows)]
        with np.errstate(all="ignore"):  # of values that a mask hides
            if sparse:
                self._source.dense(rows, staged)
                return staged, places
            if isinstance(self._source, np.ndarray):
                staged[...] = self._source[rows].reshape(len(rows), self.features)
                return staged, places
            # Runs of neighbours are read in one slice: all that an array-like is sure to support.
            order = np.argsort(rows, kind="stable")
            ends = np.flatnonzero(np.diff(rows[order]) != 1) + 1
            for run in np.split(order, ends):
                first = int(rows[run[0]])
                staged[run] = self._read(slice(first, first + len(run)))
        return staged, places

    def gather_mask(self, rows: np.ndarray, mask: np.ndarray | None, missing: np.ndarray) -> None:
        """Fill `missing` (n, F) with True where values of rows are, `mask` with 1 elsewhere."""
        if self._mask is None:
            assert self.lengths is not None
            ended = sequences.behind(self.lengths[rows], self.shape[0])
            missing.reshape(*ended.shape, -1)[...] = ended[:, :, None]
            if mask is not None:
                np.logical_not(missing, out=mask)
            return
        if mask is not None:
            _core.take_rows(mask, self._mask, rows, runtime.current())
        np.take(self._missing, rows, axis=0, out=missing, mode="clip")


def _ends(block: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and largest observed value of each feature (F,) as float64."""
    if mask is None:
        return block.min(0).astype(np.float64), block.max(0).astype(np.float64)
    values = block.astype(np.float64)
    low, high = (np.where(mask, values, v) for v in (np.inf, -np.inf))
    return low.min(0), high.max(0)


@np.errstate(all="ignore")
def _are_close(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return whether there are only a few numbers of float32 between two (F,)."""
    largest = np.maximum(np.abs(low), np.abs(high)).astype(np.float32)
    return high - low < FEW * np.spacing(largest).astype(np.float64)


def _span(values: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest of some values; both are NaN if one value is."""
    if values.dtype in DIRECT and values.flags.c_contiguous and values.flags.aligned:
        return _core.span(values, runtime.current())
    return float(values.min()), float(values.max())


def is_finite(values: np.ndarray) -> bool:
    """Return whether all of an array that the core reads as it is are finite in float32."""
    low, high = _core.span(values, runtime.current())
    return low >= -_LARGEST and high <= _LARGEST


# ---- from what users pass -----------------------------------------------------------------------


def read(
    X: Any,
    *,
    name: str = "X",
    mask: Any = None,
    like: tuple[int, ...] | None = None,
    longer: bool = False,
    owner: str = "",
    pixels: bool | None = None,
    sized: Sized | None = None,
) -> Data:
    """Check what a user passed as samples, and wrap it.

    Parameters
    ----------
    X : array-like, shape (N, F), (N, T, F) or (N, H, W, C), or list of arrays (T_i, F)
    name : str
        For messages.
    mask : array-like of bool, optional
        True where a value of X is observed; of shape (N, T), which steps of sequences there are.
    like : tuple of int, optional
        The shape of the samples that the model was fitted to.
    longer : bool
        Whether sequences may have more steps than that.
    owner : str
        The model's class, for messages.
    pixels : bool, optional
        As of `Data`.
    sized : callable, optional
        Says whether images of another size are taken too, by the shape of one.

    Raises
    ------
    TypeError
        For something that isn't an array of numbers.
    ValueError
        For an empty array, wrong shapes, or values that aren't finite and not masked.
    """
    lengths, form, X = None, None, foreign.opened(X, name)
    columns = column_names(X, name)
    if sequences.are_sequences(X):
        if like is not None and len(like) != 2:
            raise ValueError(unlike.listed(name, X, like, sized))
        source, lengths, mask = sequences.pad(X, name, mask, like, longer)
        form = "list"
    else:
        source = as_source(X, name)
        _check_shape(tuple(source.shape), name)
        if mask is not None and len(source.shape) == 3 and checks.array(MASK, mask).ndim == 2:
            form = source.shape[1]
            source, lengths, mask = sequences.trim(source, mask, name, like, longer)
    shape = tuple(source.shape)
    if longer and like is not None and len(like) == 2 and len(shape) == 3:
        if shape[2] == like[1] and shape[1] > like[0]:
            like = shape[1:]
    if like is not None and shape[1:] != like:
        if sized is not None and len(like) == 3 and _are_resized(shape[1:], like, sized):
            like = shape[1:]
    if like is not None and shape[1:] != like:
        if len(like) == 1 and len(shape) == 2:  # in the words that scikit-learn's checks look for
            raise ValueError(
                f"{name} has {shape[1]} features, but {owner} is expecting {like[0]} features as "
                "input."
            )
        raise ValueError(unlike.message(name, shape, like, sized))
    if mask is not None:
        mask = read_mask(mask, shape, columns)
    if lengths is not None and (lengths == shape[1]).all():
        lengths = None
    return Data(source, mask, name, columns, lengths, form, pixels)


def _are_resized(shape: tuple[int, ...], like: tuple[int, ...], sized: Sized) -> bool:
    """Return whether samples are images with the channels of others, of a size that is taken."""
    return len(shape) == 3 and shape[2] == like[2] and sized(tuple(map(int, shape)))


def warn_of_coarse(data: Data) -> None:
    """Warn of a feature whose different values become nearly one in float32."""
    found = data.coarse()
    if found is None:
        return
    feature, low, high = found
    name = str(feature) if data.columns is None else repr(data.columns[feature])
    if len(data.shape) > 1:
        name = str(tuple(int(i) for i in np.unravel_index(feature, data.shape)))
    checks.warn(
        f"{data.name}: feature {name}: its values, {low:.17g} to {high:.17g}, become at most {FEW} "
        "different numbers in float32, in which models compute: subtract an offset in float64 "
        "before"
    )


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError for an array that has no samples or features, or too few axes."""
    if len(shape) < 2:
        raise ValueError(
            f"{name}: Expected 2D array (samples, features), 3D sequences (samples, steps, "
            "features) or 4D images (samples, height, width, channels), got "
            f"{len(shape)}D array with shape {shape} instead. Reshape your data "
            "either using array.reshape(-1, 1) if it has a single feature or array.reshape(1, -1) "
            "if it contains a single sample."
        )
    if shape[0] == 0:
        raise ValueError(
            f"{name}: found array with 0 sample(s) (shape={shape}) while a minimum of 1 is "
            "required."
        )
    if 0 in shape:
        raise ValueError(
            f"{name}: found array with 0 feature(s) (shape={shape}) while a minimum of 1 is "
            "required."
        )


def is_stream(X: Any) -> bool:
    """Whether X gives batches when it is iterated over or called, rather than being an array."""
    known = any(hasattr(X, name) for name in ("shape", "__array__", "__getitem__"))
    if known or foreign.is_exchanged(X):
        return False
    return callable(X) or (hasattr(X, "__iter__") and not isinstance(X, (set, frozenset)))


def as_source(X: Any, name: str) -> Any:
    """Return X as a numeric array, or X itself if it is an array-like to read by slices."""
    if type(X) is np.ndarray and X.dtype in DIRECT:
        return X
    if X is None:
        raise TypeError(f"{name}: expected an array of samples, got None")
    if is_stream(X):
        raise TypeError(
            f"{name}: expected an array of samples, got {type(X).__name__}: batches are for fit, "
            "and one of them for each other method"
        )
    if is_sparse(X):
        return SparseRows(X, name)
    if hasattr(X, "toarray"):
        raise TypeError(
            f"{name}: Sparse data was passed, but dense data is required: use {name}.toarray()"
        )
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: expected an array, got a masked one: pass {name}.data and "
            f"sample_mask=~{name}.mask"
        )
    if foreign.gives_samples_once(X):
        raise TypeError(
            f"{name}: expected an array of samples, got {type(X).__name__}, which gives them one "
            "by one: a PyTorch DataLoader makes batches of them for fit"
        )
    if foreign.is_dataset(X):
        X = foreign.Items(X, name)
    if not isinstance(X, np.ndarray) and not hasattr(X, "columns") and is_readable(X):
        source: Any = X
    else:
        with np.errstate(all="ignore"):
            try:
                source = as_array(X)
            except (ValueError, ArithmeticError) as error:  # ragged
                reason = sequences.flat(X) or error
                raise ValueError(
                    f"{name}: expected an array of numbers, or a list of sequences (T, F): {reason}"
                ) from None
            except TypeError as error:  # times beside numbers
                raise TypeError(f"{name}: expected numbers: {error}{_instead(X)}") from None
            except RuntimeError as error:  # a tensor that is nowhere, or sparse
                raise TypeError(f"{name}: expected an array of numbers: {error}") from None
    kind = np.dtype(source.dtype).kind
    if kind == "c":
        raise ValueError(f"{name}: Complex data not supported, got {source.dtype}")
    if kind == "O":
        source = _from_objects(source, name, X)
    elif kind not in "biuf":
        raise TypeError(f"{name}: expected numbers, got an array of {source.dtype}{_instead(X)}")
    return source


def is_readable(X: Any) -> bool:
    """Whether X has what reading it piece by piece takes: shape, a NumPy dtype and slicing."""
    if not (hasattr(X, "shape") and hasattr(X, "dtype") and hasattr(X, "__getitem__")):
        return False
    try:
        np.dtype(X.dtype)
        return len(X.shape) >= 2 and all(isinstance(s, (int, np.integer)) for s in X.shape)
    except TypeError:
        return False


def _instead(X: Any) -> str:
    """Return what to do with samples that aren't numbers."""
    several = X if isinstance(X, (list, tuple)) else [X]
    if several and all(isinstance(x, (str, os.PathLike)) for x in several):
        return (
            ": aecore.open_rows(path) opens tables and arrays; images are "
            "np.stack([matplotlib.image.imread(p) for p in paths]), or, where sizes differ, "
            "aecore.data.crops of a list of them"
        )
    if getattr(getattr(X, "dtype", None), "names", None):
        return ": numpy.lib.recfunctions.structured_to_unstructured(X) has them as a matrix"
    one = [getattr(X, "dtype", None)]  # of a column, whose dtypes are no list
    types = [str(t) for t in (getattr(X, "dtypes", ()) if hasattr(X, "columns") else one)]
    found = "TabularAutoencoder, TabularVAE and AnomalyDetector take columns of any type"
    if any(t.startswith("period[") for t in types):
        found = f"dt.to_timestamp() makes times of periods; {found}"
    if any(t.startswith("interval[") for t in types):
        found = f"array.mid makes numbers of intervals; {found}"
    return f": {found}"


def _from_objects(source: Any, name: str, X: Any) -> np.ndarray:
    if reason := sequences.flat(source):
        raise ValueError(
            f"{name}: expected an array of numbers, or a list of sequences (T, F): {reason}"
        )
    try:
        return np.asarray(source, dtype=np.float64)
    except (TypeError, ValueError, ArithmeticError) as error:
        reason = f"{name}: expected numbers, got objects: {printable(error)}{_instead(X)}"
        raise (TypeError if isinstance(error, TypeError) else ValueError)(reason) from None


def read_mask(mask: Any, shape: tuple[int, ...], columns: Any = None) -> np.ndarray:
    """Check a mask of observed values; that of a data frame has the columns of X, in any order."""
    if hasattr(mask, "toarray"):
        raise TypeError(
            "sample_mask: Sparse data was passed, but dense data is required: use "
            "sample_mask.toarray()"
        )
    mask = foreign.opened(mask, "sample_mask")
    named = column_names(mask, "sample_mask")
    places = names.places(columns, named)
    if columns is not None and named is not None and names.are_others(columns, named):
        raise ValueError(f"sample_mask: {names.other_names(columns, named)}")
    mask = np.asarray(mask) if named is not None else checks.array(MASK, mask)
    if mask.dtype.kind == "O" and all(isinstance(v, (bool, np.bool_)) for v in mask.flat):
        mask = mask.astype(bool)  # of a nullable type
    if mask.dtype != np.bool_:
        cells = mask.dtype.kind == "O" or (mask.dtype.kind == "f" and np.isnan(mask).any())
        got = "cells that are missing or no booleans" if cells else mask.dtype
        raise TypeError(
            f"sample_mask: expected booleans, True where a value is observed, got {got}"
        )
    if mask.shape != shape:
        raise ValueError(f"sample_mask: expected the shape of X, {shape}, got {mask.shape}")
    return mask if places is None or places == list(range(len(places))) else mask[:, places]


def column_names(X: Any, name: str = "X") -> np.ndarray | None:
    """Return a data frame's column names, of whatever type; None if it isn't one.

    Raises
    ------
    TypeError
        For strings beside others, as scikit-learn has it.
    ValueError
        For two columns of one name.
    """
    if not hasattr(X, "columns") or not hasattr(X, "shape"):
        return None
    listed = getattr(X, "column_names", None)  # of an Arrow table, whose columns are data
    found = names.as_array(list(X.columns if listed is None else listed))
    if not len(found):
        return None
    strings = [isinstance(n, str) for n in found]
    if any(strings) and not all(strings):
        raise TypeError(
            "Feature names are only supported if all input features have string names, but X has "
            f"{sorted({type(n).__name__ for n in found})} as feature name / column name types: "
            "convert them with X.columns = X.columns.astype(str)"
        )
    names.check_different(found.tolist(), name)
    return found

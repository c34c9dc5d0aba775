"""Rows of files: parquet and CSV files, and array-likes that are read by slices."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np

from ..base import checks
from . import arrays
from .rows import Rows
from .streams import StreamBatch

CELL_BYTES = 32  # of a table's cell while it is read, about
CHUNK = 1 << 16  # rows of a CSV file that are read at a time
LEAST = 1 << 12  # rows of a parquet file that are read at a time, as reading fewer takes as long
GROUP = 1 << 17  # rows of a block that is written
TEXT = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")


def open_rows(
    source: Any,
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    y: Any = None,
    gaps: bool = False,
    buffer: int | None = None,
) -> Rows:
    """Open samples that don't fit into memory, for `fit` and all that a fitted model answers.

    Training reads blocks in a new order in each epoch, eight at a time, and shuffles what it has
    read of them before it cuts batches, while a thread reads ahead. Memory doesn't grow with the
    number of samples.

    Parameters
    ----------
    source : str, path-like, list of them, or array-like
        A parquet file, or a list or a folder of them: blocks are its row groups. A file .csv or
        .tsv, perhaps with .gz behind it: it is written to a parquet file first, in the folder for
        temporary files, which goes when the rows do. A file .npy, or a folder .zarr. An array-like
        with shape, dtype and slicing: a memory map, a data set of h5py or zarr, whose blocks are
        its chunks.
    columns : list of str, optional
        Columns of a table to take; by default all others.
    drop : list of str
        Columns of a table to leave out.
    y : str or array-like, optional
        A column of labels, or a list of columns of properties; for arrays an array of as many
        labels.
    gaps : bool
        Whether NaN is a missing value of an array or a table of numbers, for models that take a
        ``sample_mask``. Models of tables take missing cells without.
    buffer : int, optional
        How many samples are shuffled together; by default as many as take 256 MB when they are
        read.

    Returns
    -------
    Rows
        It has a length, and gives pieces (X, y, sample_mask) in order when it is iterated over: a
        piece of a table is a DataFrame of pandas.

    Raises
    ------
    TypeError, ValueError
        For something that isn't of these kinds, and for columns that aren't there.
    ImportError
        Without pandas and pyarrow, for tables.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((1000, 8), np.float32)
    >>> rows = ae.open_rows(X)
    >>> rows
    ArrayRows of 1,000 samples in 1 block
    >>> model = ae.Autoencoder(latent_dim=2, epochs=1, random_state=0).fit(rows)
    >>> model.transform(rows).shape
    (1000, 2)
    """
    checks.boolean("gaps", gaps)
    if isinstance(source, Rows):
        raise TypeError(f"source: expected a file or an array, got {source!r}, which are rows")
    if isinstance(source, (str, os.PathLike)) or _are_paths(source):
        return _of_paths(source, columns, drop, y, gaps, buffer)
    if hasattr(source, "columns"):
        raise TypeError(
            f"source: expected a file or an array, got a {type(source).__name__}, which fit and "
            "the other methods take as it is"
        )
    _no_columns(columns, drop)
    return ArrayRows(arrays.as_source(source, "source"), y, gaps, buffer)


def _are_paths(source: Any) -> bool:
    several = isinstance(source, (list, tuple)) and len(source) > 0
    return several and all(isinstance(s, (str, os.PathLike)) for s in source)


def _of_paths(source: Any, columns: Any, drop: Any, y: Any, gaps: bool, buffer: int | None) -> Rows:
    single = isinstance(source, (str, os.PathLike))
    paths = [Path(path) for path in ([source] if single else source)]
    first = paths[0]
    suffix = (first.with_suffix("") if first.suffix.lower() == ".gz" else first).suffix.lower()
    if suffix in TEXT:
        if len(paths) > 1:
            raise ValueError(f"source: expected one file of text, got {len(paths)}")
        return CsvRows(first, TEXT[suffix], columns, drop, y, gaps, buffer)
    if suffix == ".npy" and len(paths) == 1:
        _no_columns(columns, drop)
        return ArrayRows(np.load(first, mmap_mode="r", allow_pickle=False), y, gaps, buffer)
    if suffix == ".zarr" and len(paths) == 1:
        _needs("zarr")
        import zarr

        _no_columns(columns, drop)
        found = zarr.open(str(first), mode="r")
        if not hasattr(found, "shape"):
            raise ValueError(f"{first}: expected an array, got a group of arrays: open one of them")
        return ArrayRows(found, y, gaps, buffer)
    if len(paths) == 1 and first.is_dir():
        paths = sorted(p for p in first.rglob("*") if p.suffix.lower() in PARQUET)
        if not paths:
            raise ValueError(f"{first}: expected a folder of parquet files, got one without any")
    odd = next((p for p in paths if p.suffix.lower() not in PARQUET), None)
    if odd is not None:
        raise ValueError(
            f"source: expected a file .parquet, .csv, .tsv, .npy or .zarr, or a folder of parquet "
            f"files, got {str(odd)!r}"
        )
    return ParquetRows(paths, columns, drop, y, gaps, buffer)


def _no_columns(columns: Any, drop: Any) -> None:
    if columns is not None or len(drop):
        raise ValueError("columns, drop: expected none for an array, whose columns have no names")


def _needs(*modules: str) -> None:
    missing = [name for name in modules if util.find_spec(name) is None]
    if missing:
        raise ImportError(f"open_rows: expected {' and '.join(missing)} to be installed")


# ---- arrays -------------------------------------------------------------------------------------


class ArrayRows(Rows):
    """Rows of an array-like, whose blocks are its chunks along the first axis.

    Parameters
    ----------
    array : array-like, shape (N, ...)
    y : array-like, shape (N,) or (N, p), optional
    gaps : bool
        Whether NaN is a missing value.
    buffer : int, optional
        As of `Rows`.
    """

    def __init__(
        self, array: Any, y: Any = None, gaps: bool = False, buffer: int | None = None
    ) -> None:
        arrays._check_shape(tuple(array.shape), "source")
        n, itemsize = int(array.shape[0]), max(np.dtype(array.dtype).itemsize, 4)
        row_bytes = int(np.prod(array.shape[1:], dtype=np.int64)) * itemsize
        chunks = getattr(array, "chunks", None)
        if isinstance(chunks, tuple) and isinstance(chunks[0], (int, np.integer)):
            step = int(chunks[0])
        else:
            step = max(1, min(CHUNK, (1 << 22) // row_bytes))  # any slice is as good as another
        starts = np.arange(0, n, step)
        super().__init__(np.minimum(step, n - starts), row_bytes, buffer)
        self.array, self.gaps, self._starts, self.y = array, gaps, starts, None
        if y is not None:
            self.y = checks.array("y", y)
            if len(self.y) != n:
                raise ValueError(f"y: expected {n} labels, one for each sample, got {len(self.y)}")

    def pieces(self, block: int, most: int) -> Iterator[StreamBatch]:
        """Yield a block's samples; see `Rows.pieces`."""
        start = int(self._starts[block])
        stop = start + int(self.sizes[block])
        for first in range(start, stop, most):
            rows = slice(first, min(first + most, stop))
            X = np.array(self.array[rows])  # in memory, even if the source is a memory map
            mask = ~np.isnan(X) if self.gaps and X.dtype.kind == "f" else None
            yield StreamBatch(X, None if self.y is None else self.y[rows], mask)


# ---- tables -------------------------------------------------------------------------------------


class ParquetRows(Rows):
    """Rows of parquet files, whose blocks are the files' row groups.

    Parameters
    ----------
    paths : list of path-like
        Of files with the same columns.
    columns, drop, y, gaps, buffer
        As of `open_rows`.
    """

    def __init__(
        self,
        paths: Sequence[Any],
        columns: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        y: Any = None,
        gaps: bool = False,
        buffer: int | None = None,
    ) -> None:
        _needs("pyarrow", "pandas")
        import pyarrow.parquet

        self.gaps, self._places, sizes = gaps, list[tuple[str, int]](), list[int]()
        names: list[str] | None = None
        for path in map(os.fspath, paths):
            with pyarrow.parquet.ParquetFile(path) as file:
                found = [str(name) for name in file.schema_arrow.names]
                if names is not None and sorted(names) != sorted(found):
                    raise ValueError(f"{path}: expected the columns {names}, got {found}")
                names = names or found
                for group in range(file.num_row_groups):
                    self._places.append((path, group))
                    sizes.append(int(file.metadata.row_group(group).num_rows))
        if not sum(sizes):
            raise ValueError(f"{os.fspath(paths[0])}: expected rows, got none")
        assert names is not None
        self.columns, self.labels = _chosen(names, columns, drop, y)
        self._single = isinstance(y, str)
        super().__init__(sizes, CELL_BYTES * len(self._wanted), buffer)

    @property
    def _wanted(self) -> list[str]:
        return list(dict.fromkeys([*self.columns, *self.labels]))

    def pieces(self, block: int, most: int) -> Iterator[StreamBatch]:
        """Yield a block's samples; see `Rows.pieces`."""
        import pyarrow.parquet

        path, group = self._places[block]
        with pyarrow.parquet.ParquetFile(path) as file:
            rows = max(most, LEAST)
            for batch in file.iter_batches(rows, [group], self._wanted, use_threads=False):
                frame = batch.to_pandas()
                for start in range(0, len(frame), most):
                    yield self._piece(frame.iloc[start : start + most])

    def _piece(self, frame: Any) -> StreamBatch:
        y, X = None, frame[self.columns]
        if self.labels:
            y = frame[self.labels[0] if self._single else self.labels].to_numpy()
        return StreamBatch(X, y, X.notna().to_numpy() if self.gaps else None)


class CsvRows(ParquetRows):
    """Rows of a CSV file, which is written to a parquet file for temporary use first.

    A column's type is that of all its cells: integers, numbers, booleans, times, else text.

    Parameters
    ----------
    path : path-like
    delimiter : str
    columns, drop, y, gaps, buffer
        As of `open_rows`.
    """

    def __init__(
        self,
        path: Any,
        delimiter: str = ",",
        columns: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        y: Any = None,
        gaps: bool = False,
        buffer: int | None = None,
    ) -> None:
        import shutil
        import tempfile
        import weakref

        _needs("pyarrow", "pandas")
        self.folder = tempfile.mkdtemp(prefix="aecore-")
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        written = os.path.join(self.folder, "rows.parquet")
        _write_parquet(path, delimiter, written)
        super().__init__([written], columns, drop, y, gaps, buffer)


def _write_parquet(path: Any, delimiter: str, written: str) -> None:
    """Write a CSV file to a parquet file, in two passes: for the columns' types, for the cells."""
    import pandas
    import pyarrow
    import pyarrow.parquet

    how: dict[str, Any] = {"sep": delimiter, "chunksize": CHUNK, "low_memory": False}
    kinds: dict[str, str] = {}
    with pandas.read_csv(path, **how) as chunks:
        for chunk in chunks:
            for name, cells in chunk.items():
                there = cells.dropna()
                known = kinds.setdefault(name, "")
                if len(there):
                    kinds[name] = _wider(known, _kind(cells, there, known))
    if not kinds:
        raise ValueError(f"{os.fspath(path)}: expected columns, got none")
    types = {name: TYPES[kind] for name, kind in kinds.items()}
    writer = None
    with pandas.read_csv(path, dtype=types, **how) as chunks:
        for chunk in chunks:
            for name in (name for name, kind in kinds.items() if kind == "time"):
                chunk[name] = pandas.to_datetime(chunk[name], format="ISO8601").astype("M8[us]")
            table = pyarrow.Table.from_pandas(chunk, preserve_index=False)
            if writer is None:
                writer = pyarrow.parquet.ParquetWriter(written, table.schema)
            writer.write_table(table.cast(writer.schema), row_group_size=GROUP)
    if writer is not None:
        writer.close()


# what pandas reads cells of a kind as; "" is of a column without any
TYPES = {
    "": "float64",
    "whole": "int64",
    "number": "float64",
    "truth": "boolean",
    "time": "str",
    "text": "str",
}


def _kind(cells: Any, there: Any, known: str) -> str:
    """Return what kind of cells some of a column are, of which those that aren't missing are there.

    Times are ISO 8601, without a zone.
    """
    kind = getattr(cells.dtype, "kind", "O")
    if kind in "iufb":
        return {"i": "whole", "b": "truth"}.get(kind, "number")
    if there.map(lambda cell: isinstance(cell, bool)).all():
        return "truth"
    if known in ("", "time") and _are_times(there):
        return "time"
    return "text"


def _are_times(cells: Any) -> bool:
    import pandas

    try:
        return pandas.to_datetime(cells, format="ISO8601").dt.tz is None
    except (ValueError, TypeError, AttributeError):
        return False


def _wider(known: str, new: str) -> str:
    """Return the kind of a column that has cells of two kinds."""
    if not known or known == new:
        return new
    return "number" if {known, new} == {"whole", "number"} else "text"


def _chosen(
    names: list[str], columns: Sequence[str] | None, drop: Sequence[str], y: Any
) -> tuple[list[str], list[str]]:
    """Return which columns are taken, and which are labels; ValueError for unknown ones."""
    labels = [] if y is None else [y] if isinstance(y, str) else list(y)
    if isinstance(columns, str) or isinstance(drop, str):
        raise TypeError("columns, drop: expected lists of names, got a string")
    for what, asked in (("columns", columns or ()), ("drop", drop), ("y", labels)):
        for name in asked:
            if name not in names:
                shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
                raise ValueError(f"{what}: expected some of the columns {shown}, got {name!r}")
    wanted = list(columns) if columns is not None else [n for n in names if n not in labels]
    wanted = [name for name in wanted if name not in drop]
    if not wanted:
        raise ValueError("columns: expected at least one, got none")
    return wanted, labels

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
from .streams import Item

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
    header: bool = True,
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
        temporary files, which goes when the rows do; times of ISO 8601 become times. A file .npy,
        or the folder of an array of zarr. An array-like with shape, dtype and slicing: a memory
        map, a data set of h5py or zarr, whose blocks are its chunks.
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
    header : bool
        Whether the first row of a text file has the names of its columns.
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
    checks.boolean("header", header)
    drop = () if drop is None else drop
    if isinstance(source, Rows):
        raise TypeError(f"source: expected a file or an array, got {source!r}, which are rows")
    if isinstance(source, (str, os.PathLike)) or _are_paths(source):
        return _of_paths(source, columns, drop, y, gaps, header, buffer)
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


def _of_paths(
    source: Any, columns: Any, drop: Any, y: Any, gaps: bool, header: bool, buffer: int | None
) -> Rows:
    single = isinstance(source, (str, os.PathLike))
    paths = [Path(path) for path in ([source] if single else source)]
    first, suffix = paths[0], suffix_of(paths[0])
    if suffix in TEXT:
        if len(paths) > 1:
            raise ValueError(f"source: expected one file of text, got {len(paths)}")
        how: dict[str, Any] = {"sep": TEXT[suffix], "header": 0 if header else None}
        return CsvRows(first, columns, drop, y, gaps, buffer, how)
    if not header:
        raise ValueError("header: expected True but for text files, got False")
    if suffix == ".npy" and len(paths) == 1:
        _no_columns(columns, drop)
        return ArrayRows(np.load(first, mmap_mode="r", allow_pickle=False), y, gaps, buffer)
    if len(paths) == 1 and is_zarr(first):
        _no_columns(columns, drop)
        return ArrayRows(open_zarr(first), y, gaps, buffer)
    return ParquetRows(parquet_files(paths), columns, drop, y, gaps, buffer)


def suffix_of(path: Path) -> str:
    """Return what a file's name ends in, without .gz behind it."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def is_zarr(path: Path) -> bool:
    """Return whether a path is that of an array of zarr, or of a group of them."""
    inside = any((path / name).exists() for name in ("zarr.json", ".zarray", ".zgroup"))
    return path.suffix.lower() == ".zarr" or inside


def open_zarr(path: Path) -> Any:
    """Open an array of zarr; ValueError for a group."""
    _needs("zarr")
    import zarr

    found = zarr.open(str(path), mode="r")
    if not hasattr(found, "shape"):
        names = ", ".join(sorted(found))
        raise ValueError(f"{path}: expected an array, got a group of arrays ({names}): open one")
    return found


def parquet_files(paths: list[Path]) -> list[Path]:
    """Return the parquet files that paths name, those in a folder in order of their names."""
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PARQUET)
        if not paths:
            raise ValueError(f"{folder}: expected a folder of parquet files, got one without any")
        for path in paths:
            parts = path.relative_to(folder).parts[:-1]
            if any("=" in part for part in parts):
                raise ValueError(
                    f"{folder}: expected files that have all columns, got a folder {parts[0]}, "
                    "whose name is one: dask's read_parquet reads these, for "
                    "aecore.distributed.dask"
                )
    odd = next((p for p in paths if p.suffix.lower() not in PARQUET), None)
    if odd is not None:
        raise ValueError(
            f"source: expected a file .parquet, .csv, .tsv, .npy or .zarr, or a folder of parquet "
            f"files, got {str(odd)!r}"
        )
    return paths


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
            if self.y.ndim == 0:
                raise TypeError(f"y: expected an array of labels, got {y!r}")
            if len(self.y) != n:
                raise ValueError(f"y: expected {n} labels, one for each sample, got {len(self.y)}")

    def pieces(self, block: int, most: int) -> Iterator[Item]:
        """Yield a block's samples; see `Rows.pieces`."""
        start = int(self._starts[block])
        stop = start + int(self.sizes[block])
        for first in range(start, stop, most):
            rows = slice(first, min(first + most, stop))
            X = np.array(self.array[rows])  # in memory, even if the source is a memory map
            mask = ~np.isnan(X) if self.gaps and X.dtype.kind == "f" else None
            yield Item(X, None if self.y is None else self.y[rows], mask)


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
        self._names: dict[Any, str] = {}  # those in the files by those of pandas
        self._opened: dict[str, tuple[Any, tuple[int, int]]] = {}  # metadata, size and time
        for path in map(os.fspath, paths):
            with pyarrow.parquet.ParquetFile(path) as file:
                names = _names_of(file.schema_arrow)
                if self._names and set(names) != set(self._names):
                    raise ValueError(
                        f"{path}: expected the columns {list(self._names)}, got {list(names)}"
                    )
                self._names = self._names or names
                self._opened[path] = file.metadata, _state(path)
                for group in range(file.num_row_groups):
                    self._places.append((path, group))
                    sizes.append(int(file.metadata.row_group(group).num_rows))
        if not sum(sizes):
            raise ValueError(f"{os.fspath(paths[0])}: expected rows, got none")
        self.columns, self.labels = _chosen(list(self._names), columns, drop, y)
        self._single = y is not None and self.labels == [y]
        super().__init__(sizes, CELL_BYTES * len(self._wanted), buffer)

    @property
    def _wanted(self) -> list[Any]:
        return list(dict.fromkeys([*self.columns, *self.labels]))

    def pieces(self, block: int, most: int) -> Iterator[Item]:
        """Yield a block's samples; see `Rows.pieces`."""
        import pyarrow.parquet

        (path, group), wanted = self._places[block], self._wanted
        metadata, state = self._opened[path]
        if _state(path) != state:
            raise ValueError(f"{path}: expected the file as it was opened, but it has changed")
        names, rows = [self._names[name] for name in wanted], max(most, LEAST)
        with pyarrow.parquet.ParquetFile(path, metadata=metadata) as file:
            for batch in file.iter_batches(rows, [group], names, use_threads=False):
                table = pyarrow.Table.from_batches([batch]).select(names)
                frame = table.to_pandas(ignore_metadata=True)
                frame.columns = wanted
                for start in range(0, len(frame), most):
                    yield self._piece(frame.iloc[start : start + most])

    def _piece(self, frame: Any) -> Item:
        y, X = None, frame[self.columns]
        if self.labels:
            y = frame[self.labels[0] if self._single else self.labels].to_numpy()
        return Item(X, y, X.notna().to_numpy() if self.gaps else None)


def _names_of(schema: Any) -> dict[Any, str]:
    """Return a file's columns by the names that pandas has for them; its index is none of them."""
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    inside = [name for name in schema.names if name not in index]
    found = list(schema.empty_table().to_pandas().columns) if index or schema.metadata else inside
    if len(found) != len(inside):  # of other metadata than pandas writes
        found = inside
    if len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        raise ValueError(f"source: expected different names of columns, got {twice!r} twice")
    return dict(zip(found, inside, strict=True))


def _state(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


class _Folder:
    """A folder for temporary use, which goes with the last that has it, in this process."""

    def __init__(self) -> None:
        import tempfile
        import weakref

        self.path, self._pid = tempfile.mkdtemp(prefix="aecore-"), os.getpid()
        weakref.finalize(self, _remove, self.path, self._pid)

    def __deepcopy__(self, memo: Any) -> _Folder:
        return self

    def __reduce__(self) -> Any:
        raise TypeError(
            "rows of a text file are in a temporary file of this process, and can't be pickled: "
            "write a parquet file"
        )


def _remove(path: str, pid: int) -> None:
    import shutil

    if os.getpid() == pid:  # and not that of a fork
        shutil.rmtree(path, ignore_errors=True)


class CsvRows(ParquetRows):
    """Rows of a CSV file, which is written to a parquet file for temporary use first.

    A column's type is that of all its cells: integers, numbers, booleans, times, else text.

    Parameters
    ----------
    path : path-like
    columns, drop, y, gaps, buffer
        As of `open_rows`.
    how : dict
        Of `pandas.read_csv`: ``sep`` and ``header``.
    """

    def __init__(
        self,
        path: Any,
        columns: Sequence[str] | None,
        drop: Sequence[str],
        y: Any,
        gaps: bool,
        buffer: int | None,
        how: dict[str, Any],
    ) -> None:
        _needs("pyarrow", "pandas")
        self.folder = _Folder()
        written = os.path.join(self.folder.path, "rows.parquet")
        _write_parquet(os.fspath(path), written, how | {"chunksize": CHUNK, "low_memory": False})
        super().__init__([written], columns, drop, y, gaps, buffer)


def _write_parquet(path: str, written: str, how: dict[str, Any]) -> None:
    """Write a CSV file to a parquet file, in two passes: for the columns' types, for the cells."""
    import pandas
    import pyarrow
    import pyarrow.parquet

    kinds, n = dict[Any, str](), 0
    with pandas.read_csv(path, **how) as chunks:
        for chunk in chunks:
            n += len(chunk)
            for name, cells in chunk.items():
                there = cells.dropna()
                known = kinds.setdefault(name, "")
                if len(there):
                    kinds[name] = _wider(known, _kind(cells, there, known))
    if not n:
        raise ValueError(f"{path}: expected rows, got none")
    types = {name: TYPES[kind] for name, kind in kinds.items()}
    writer = None
    with pandas.read_csv(path, dtype=types, **how) as chunks:
        for chunk in chunks:
            for name in (name for name, kind in kinds.items() if kind == "time"):
                chunk[name] = pandas.to_datetime(chunk[name], format="ISO8601").astype("M8[us]")
            table = pyarrow.Table.from_pandas(chunk.reset_index(drop=True))
            if writer is None:
                writer = pyarrow.parquet.ParquetWriter(written, table.schema)
            writer.write_table(table.cast(writer.schema), row_group_size=GROUP)
    assert writer is not None
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


def _chosen(names: list[Any], columns: Any, drop: Any, y: Any) -> tuple[list[Any], list[Any]]:
    """Return which columns are taken, and which are labels; ValueError for unknown ones."""
    if isinstance(columns, str) or isinstance(drop, str):
        raise TypeError("columns, drop: expected lists of names, got a string")
    several = isinstance(y, (list, tuple)) and y not in names  # names may be tuples
    labels = [] if y is None else list(y) if several else [y]
    wanted = [n for n in names if n not in labels] if columns is None else list(columns)
    drop = list(drop)
    for what, asked in (("columns", wanted), ("drop", drop), ("y", labels)):
        for name in asked:
            if name not in names:
                shown = ", ".join(map(str, names[:12])) + (", ..." if len(names) > 12 else "")
                raise ValueError(f"{what}: expected some of the columns {shown}, got {name!r}")
    wanted = [name for name in wanted if name not in drop]
    if not wanted:
        raise ValueError("columns: expected at least one, got none")
    return wanted, labels

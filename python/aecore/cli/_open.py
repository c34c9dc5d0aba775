"""Opens samples by name: files, folders and data sets."""

from __future__ import annotations

import argparse
import math
import os
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import datasets
from ..base import atomic
from ..data.open import PARQUET, is_zarr, open_rows, open_zarr, parquet_files, suffix_of
from ..data.rows import Rows
from ._command import CommandError, command_errors, positive, require, whole
from ._images import Images
from ._kinds import kind_of, takes_tables
from ._source import Arrays, Reading, Source
from ._table import Parquet, Text, split_names

TEXT = (".csv", ".tsv", ".txt")
DATA = (*TEXT, ".npy", ".npz", ".parquet", ".pq")
NO_SETS = "load_images", "load_nab"  # which have no training part of samples
SETS = tuple(
    name.removeprefix("load_")
    for name in datasets.__all__
    if name.startswith("load_") and name not in NO_SETS
)
FORMS = (
    "DATA is a file (.npy, .npz or .npz:ARRAY, .zarr, .csv, .tsv, .parquet, or - for CSV from "
    "stdin), a folder of pictures, which may be in a folder for each label, or the name of a set: "
    f"{', '.join(SETS)}, of which the training part is taken, or :test (digits:test)."
)


def open_samples(data: str, reading: Reading) -> Source:
    """Return the samples that a user names.

    Raises
    ------
    CommandError
        They are missing, or can't be read in this way.
    """
    with command_errors(data):
        source = _source(data, reading)
    if not source.is_table and (reading.columns or reading.drop):
        raise CommandError("--columns and --drop: expected a table, whose columns have names")
    return source


def _source(data: str, reading: Reading) -> Source:
    if not data:
        raise CommandError("DATA: expected a file, a folder or a set, got an empty name")
    name, _, part = data.partition(":")
    if name in SETS:
        if not part and Path(name).exists():
            raise CommandError(
                f"{name}: expected {name}:train for the set or ./{name} for what is here, got both"
            )
        return _named_set(name, part or "train", reading)
    path, suffix = Path(data), suffix_of(Path(data))
    if is_zarr(path):
        require("reading .zarr", "zarr", "zarr")
        return Arrays(ZarrFile(open_zarr(path)), reading, _labels(reading), _mask(reading))
    if path.is_dir():
        if any(p.suffix.lower() in PARQUET for p in path.iterdir()):
            return Parquet([str(p) for p in parquet_files([path])], reading)
        return _folder(data, reading)
    if data == "-" or suffix in TEXT:
        return Text(data, reading)
    if path.exists():
        atomic.regular(data, os.stat(data).st_mode)  # what follows is not read from front to back
    if suffix in PARQUET:
        return Parquet([data], reading)
    return Arrays(_array(data), reading, _labels(reading), _mask(reading))


def is_table_file(data: str) -> bool:
    """Return whether rows that are read a piece at a time are those of a table."""
    return suffix_of(Path(data)) != ".npy" and not is_zarr(Path(data))


def stream(data: str, reading: Reading, kind: str) -> Rows:
    """Return samples that are read a piece at a time, for training a kind of model."""
    is_table = is_table_file(data)
    if not is_table and (reading.columns or reading.drop):
        raise CommandError("--columns and --drop: expected a table, whose columns have names")
    require("--stream", "cli", *(("pyarrow", "pandas") if is_table else ()))
    how: dict[str, Any] = {"gaps": not takes_tables(kind)}
    labels: Any = _labels(reading) if not is_table else None
    with command_errors(data):
        if suffix_of(Path(data)) in TEXT:
            text = Text(data, reading)
            if text.delimiter not in (",", "\t") or text.head.start or text.head.header:
                raise CommandError(
                    f"{data}: expected commas or tabs, and names of columns or none in the first "
                    "line, for --stream"
                )
            how["header"] = text.named
            reading = replace(reading, drop=[*reading.drop, *([text.index] if text.index else [])])
        if is_table:
            names = split_names(reading.y)
            labels = names[0] if len(names) == 1 else names or None
            how |= {"columns": list(reading.columns) or None, "drop": list(reading.drop)}
        return open_rows(data, y=labels, **how)


def _named_set(name: str, part: str, reading: Reading) -> Source:
    if part not in ("train", "test"):
        raise CommandError(f"{name}:{part}: expected {name}:train or {name}:test")
    load: Callable[[], Any] = getattr(datasets, f"load_{name}")
    X_train, y_train, X_test, y_test = load()
    X, y = (X_train, y_train) if part == "train" else (X_test, y_test)
    own = _labels(reading)
    return Arrays(X, reading, y if own is None else own, _mask(reading))


def _folder(folder: str, reading: Reading) -> Source:
    images = Images(folder, reading)
    own = _labels(reading)
    y = images.labels() if own is None else own
    return Arrays(images, reading, y, _mask(reading), images.names())


def _labels(reading: Reading) -> Any:
    """Return labels or properties from a file of their own."""
    if reading.y is None:
        return None
    if suffix_of(Path(reading.y)) in TEXT:
        return Text(reading.y, Reading()).all_labels(reading)
    return read_array(reading.y)


def _mask(reading: Reading) -> Any:
    if reading.mask is None:
        return None
    if suffix_of(Path(reading.mask)) in TEXT:
        return np.asarray(Text(reading.mask, Reading()).read().X) != 0
    return read_array(reading.mask)


# ---- arrays in files ----------------------------------------------------------------------------


class NpyFile:
    """An array-like that reads slices of a .npy file, without a memory map.

    The pages of a map that were read would count as the process's memory.
    """

    def __init__(self, path: str, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        size = int(np.prod(self.shape[1:], dtype=np.int64))
        offset = self.offset + start * size * self.dtype.itemsize
        found = np.fromfile(self.path, self.dtype, (stop - start) * size, offset=offset)
        if len(found) != (stop - start) * size:
            wanted = f"{(stop - start) * size} more values, got {len(found)}"
            raise ValueError(f"{self.path}: expected {wanted}: the file is cut short")
        return found.reshape(stop - start, *self.shape[1:])

    def whole(self) -> np.ndarray:
        """Return a memory map of the file, which training reads in any order."""
        mapped: np.ndarray = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return mapped


class ZarrFile:
    """An array-like that reads slices of an array of zarr, which has no length."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.asarray(self.array[rows])

    def whole(self) -> np.ndarray:
        """Return all of it."""
        return self[:]


def _array(data: str) -> Any:
    """Return an array-like for slices of an array in a file."""
    if Path(data).suffix.lower() != ".npy":
        return read_array(data)
    fmt = np.lib.format
    with open(data, "rb") as file:
        version = fmt.read_magic(file)
        read = fmt.read_array_header_1_0 if version == (1, 0) else fmt.read_array_header_2_0
        shape, fortran, dtype = read(file)
        offset = file.tell()
        there, wanted = os.fstat(file.fileno()).st_size - offset, math.prod(shape) * dtype.itemsize
        if there < wanted and not dtype.hasobject:
            raise ValueError(
                f"expected {wanted} bytes of values, got {there}: the file is cut short"
            )
    if fortran or dtype.hasobject or dtype.names or version > (2, 0):
        return read_array(data)
    return NpyFile(data, offset, shape, dtype)


def read_array(data: str) -> np.ndarray:
    """Return an array in a .npy, .npz or text file; FILE.npz:NAME is one of several."""
    with command_errors(data):
        path, colon, name = data.rpartition(":")
        if not (colon and path.lower().endswith(".npz")):
            path, name = data, ""
        suffix = Path(path).suffix.lower()
        if os.path.exists(path):
            atomic.regular(path, os.stat(path).st_mode)
        if suffix == ".npy":
            array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
        if suffix == ".npz":
            return _member(path, name)
        if not os.path.exists(path):
            known = "" if os.sep in path else f", or a set ({', '.join(SETS)})"
            raise CommandError(f"{data}: expected a file or a folder{known}, got none")
        raise CommandError(f"{data}: expected a folder or .npy, .npz, .csv, .tsv or .parquet")


def _member(path: str, name: str) -> np.ndarray:
    if os.path.isfile(path) and not zipfile.is_zipfile(path):
        raise CommandError(f"{path}: expected an archive of arrays, as np.savez writes, got none")
    with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
        names = list(file)
        if not name:
            name = names[0] if len(names) == 1 else "X"
        if name not in names:
            has = ", ".join(names)
            raise CommandError(f"{path}: expected the name of an array, {path}:NAME; it has {has}")
        found: np.ndarray = file[name]
        return found


def reading_for(fitted: Any, **asked: Any) -> Reading:
    """Return how to read samples for a fitted model, or for training."""
    mixed = fitted is not None and takes_tables(kind_of(fitted))
    return Reading(fitted=fitted, mixed=mixed, **asked)


def reading_of(options: Any, fitted: Any = None) -> Reading:
    """Return how to read samples, from the options of a command."""
    return reading_for(
        fitted,
        y=options.y,
        mask=options.mask,
        columns=split_names(options.columns),
        drop=split_names(options.drop),
        size=options.size,
        bits=options.bits,
        header=options.header,
        shape=getattr(options, "shape", None),
    )


def read_target(path: str | None, reading: Reading, X: Any, names: Any, option: str) -> Any:
    """Return what samples are to become, out of a file or folder; None without one.

    Parameters
    ----------
    path : str or None
    reading : Reading
        That of the samples.
    X, names : optional
        The samples, if all are known, and the names of their files.
    option : str
        For messages.
    """
    if path is None:
        return None
    how = Reading(size=reading.size, bits=reading.bits, header=reading.header)
    with command_errors(f"{option}: {path}"):
        found = open_samples(path, how).read()
    if X is not None and len(found.X) != len(X):
        raise CommandError(f"{option}: expected {len(X)} samples, as in DATA, got {len(found.X)}")
    if names is not None and found.names is not None and list(names) != list(found.names):
        other = next((a for a, b in zip(names, found.names, strict=True) if a != b), names[0])
        raise CommandError(f"{option}: expected pictures of the same names, got none for {other}")
    if found.mask is not None:
        raise CommandError(f"{option}: expected no missing values, got some")
    return found.X


def add_reading(parser: Any, *, training: bool = False) -> None:
    """Add the options for reading samples."""
    group = parser.add_argument_group("how DATA is read", textwrap.fill(FORMS, 76))
    group.add_argument("--y", metavar="COLUMN|FILE", help=_Y)
    group.add_argument("--mask", metavar="FILE", help=_MASK)
    group.add_argument("--columns", metavar="A,B,...", help=_COLUMNS)
    group.add_argument("--drop", metavar="A,B,...", help="columns of a table to leave out")
    group.add_argument("--header", action=argparse.BooleanOptionalAction, help=_HEADER)
    group.add_argument(
        "--size", type=_size, metavar="HxW", help="resize pictures to so many pixels: 28x28"
    )
    group.add_argument("--bits", type=_bits, metavar="N", help=_BITS)
    if training:
        group.add_argument(
            "--shape",
            type=_shape,
            metavar="TxF",
            help="what each row of a table or array is: 28x28x1, 140x1",
        )


_Y = (
    "labels, or properties: of a table some of its columns, else a file; sets, and pictures in a "
    "folder for each label, have their own"
)
_HEADER = "whether the first row of a text file has names; without, it has if any is no number"
_BITS = "of pictures of more than 8, 9 to 16: without, 12 or 16, the least that all of them fit"
_MASK = (
    "an array file that is True where a value is observed, or (N, T) where a sequence has a step"
)
_COLUMNS = "columns of a table to take; without, all but --y and --drop, or those of training"


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    return positive(height), positive(width or height)


def _bits(text: str) -> int:
    return whole(text, 9, 16)


def _shape(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.lower().replace(",", "x").split("x"))

"""Results as files that grow block by block, and are there whole or not at all."""

from __future__ import annotations

import csv
import math
import os
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from ._command import CommandError, require
from ._images import save_image

FILE = "file"  # the column with the names of pictures
FORMS = ".npy, .npz, .csv (or - for CSV on stdout), or a new folder for pictures"


class Results:
    """Rows that are written as they come; a context manager.

    They go to a place beside the path, which takes the path's name at the end, and are gone where
    an error or an interruption comes before.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self.temporary = Path(path).absolute().parent / f".aecore-{os.getpid()}-{Path(path).name}"

    def write(self, rows: np.ndarray, names: Sequence[str] | None = None) -> None:
        """Write some rows; `names` are of files, for kinds that have one for each row."""
        self.count += len(rows)
        self._write(np.asarray(rows), names)

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        raise NotImplementedError

    def _begin(self) -> None:
        """Open what is written to."""

    def _finish(self) -> None:
        """Close what is open, and put it where it belongs."""

    def _forget(self) -> None:
        """Remove what has been written."""

    def __enter__(self) -> Results:
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        else:
            self._forget()


class _File(Results):
    """A file that is written beside its path."""

    mode = "wb"
    file: IO[Any]

    def _begin(self) -> None:
        text: dict[str, Any] = {} if "b" in self.mode else {"newline": "", "encoding": "utf-8"}
        self.file = open(self.temporary, self.mode, **text)  # noqa: SIM115

    def _finish(self) -> None:
        self.file.close()
        os.replace(self.temporary, self.path)

    def _forget(self) -> None:
        self.file.close()
        self.temporary.unlink(missing_ok=True)


class Npy(_File):
    """An array; how many rows it has is written into its header at the end."""

    shape: tuple[int, ...] | None = None
    dtype: np.dtype

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        if self.shape is None:
            self.shape, self.dtype = rows.shape[1:], rows.dtype
            self._header()
        if rows.dtype != self.dtype or self.dtype.hasobject:
            raise CommandError(f"{self.path}: cells of different types; expected .csv")
        rows = np.ascontiguousarray(rows)
        self.file.write(rows.data if rows.size else b"")

    def _header(self) -> None:
        """Write the header, which NumPy pads so that the number of rows can grow."""
        assert self.shape is not None
        self.file.seek(0)
        described = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.count, *self.shape),
        }
        np.lib.format.write_array_header_1_0(self.file, described)

    def _finish(self) -> None:
        if self.shape is not None:
            self._header()
        super()._finish()


class Npz(Npy):
    """An archive with one array, `name`."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path)
        self.name = name

    def _finish(self) -> None:
        self._header()
        self.file.close()
        packed = self.temporary.with_suffix(".zip")
        try:
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(self.temporary, f"{self.name}.npy")
            os.replace(packed, self.path)
        finally:
            packed.unlink(missing_ok=True)
            self.temporary.unlink(missing_ok=True)


class Csv(_File):
    """Rows of text below a header; what has more axes is laid out flat."""

    mode = "w"

    def __init__(self, path: str, columns: Sequence[str] | None, name: str) -> None:
        self.columns, self.name = columns, name
        super().__init__(path)

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        writer = csv.writer(self.file, lineterminator="\n")
        if rows.dtype.names is None:
            rows = rows.reshape(len(rows), -1)
        if self.count == len(rows):
            writer.writerow(self._header(rows) if names is None else [FILE, *self._header(rows)])
        for i, row in enumerate(rows):
            cells = [_cell(v) for v in row]
            writer.writerow(cells if names is None else [names[i], *cells])

    def _header(self, rows: np.ndarray) -> Sequence[str]:
        if rows.dtype.names is not None:
            return rows.dtype.names
        numbered = [f"{self.name}{i}" for i in range(rows.shape[1])]
        return self.columns or (numbered if len(numbered) > 1 else [self.name])


def _cell(value: Any) -> Any:
    """Return a cell as text has it: numbers in as many digits as they have, nothing for NaN.

    Those of tables, which are doubles, have no point where they are whole.
    """
    if isinstance(value, np.float32):
        return str(value)
    if isinstance(value, float):
        return "" if value != value else int(value) if value.is_integer() else value
    return value


class Stdout(Csv):
    """CSV on stdout."""

    def __init__(self, columns: Sequence[str] | None, name: str) -> None:
        self.columns, self.name, self.count = columns, name, 0

    def _begin(self) -> None:
        self.file = sys.stdout

    def _finish(self) -> None:
        self.file.flush()

    def _forget(self) -> None:
        pass


class Pictures(Results):
    """A folder with a PNG file for each sample."""

    def __init__(self, path: str) -> None:
        require("writing pictures", "cli", "PIL")
        super().__init__(path)
        if os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)):
            raise CommandError(f"{path}: expected a new or an empty folder")

    def _begin(self) -> None:
        self.temporary.mkdir()

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        first = self.count - len(rows)
        for i, row in enumerate(rows):
            name = f"{first + i:06d}" if names is None else names[i]
            path = (self.temporary / name).with_suffix(".png")
            if path.exists():  # of two pictures that differ in their kind alone
                path = path.with_name(f"{Path(name).name}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            save_image(path, row)

    def _finish(self) -> None:
        if os.path.isdir(self.path):
            os.rmdir(self.path)
        os.replace(self.temporary, self.path)

    def _forget(self) -> None:
        shutil.rmtree(self.temporary, ignore_errors=True)


def open_results(
    path: str,
    name: str,
    *,
    columns: Sequence[str] | None = None,
    shape: tuple[int, ...] | None = None,
) -> Results:
    """Return what writes results to a path, by its suffix.

    Parameters
    ----------
    path : str
    name : str
        What a row is, for columns and arrays without names.
    columns : sequence of str, optional
        The names of the columns of a table.
    shape : tuple of int, optional
        Of a row, where that is a sample.
    """
    if columns is not None and (shape is None or math.prod(shape) != len(columns)):
        columns = None
    if path == "-":
        return Stdout(columns, name)
    check_place(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        return Npy(path)
    if suffix == ".npz":
        return Npz(path, name)
    if suffix == ".csv":
        return Csv(path, columns, name)
    if suffix or shape is None or len(shape) != 3 or shape[2] not in (1, 3):
        forms = FORMS if shape is not None and len(shape) == 3 else FORMS.split(", or a new")[0]
        raise CommandError(f"{path}: expected {forms}")
    return Pictures(path)


def check_place(path: str) -> None:
    """Raise CommandError if a file can't be written at a path, before any work is done."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise CommandError(f"{path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"{path}: can't write into {folder}")

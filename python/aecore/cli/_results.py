"""Writes results block by block to files that appear whole or not at all."""

from __future__ import annotations

import csv
import errno
import math
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from ..base import atomic
from ._command import CommandError, command_errors, require
from ._images import save_image
from ._streams import shown

FILE = "file"  # the column with the names of pictures
PIECE = 1 << 16  # characters of text that are written at a time
FORMS = ".npy, .npz, .csv (or - for CSV on stdout), or a new folder for pictures"


class Results:
    """Writes rows as they come; a context manager.

    They go to a temporary place beside the path, which is renamed to the path at the end, or
    removed after an error or an interruption.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0

    def write(self, rows: np.ndarray, names: Sequence[str] | None = None) -> None:
        """Write some rows; `names` are those of their files, if each has one."""
        self.count += len(rows)
        self._write(np.asarray(rows), names)

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        raise NotImplementedError

    def _begin(self, stack: ExitStack) -> None:
        """Open the output; callbacks of `stack` close it, or remove it after an error."""

    def _finish(self) -> None:
        """Write the parts that are known only at the end."""

    def __enter__(self) -> Results:
        with ExitStack() as stack, command_errors():
            self._begin(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, tb)
            return
        with command_errors(), self._stack:
            self._finish()


class _File(Results):
    """A file that replaces the path when it is whole."""

    file: BinaryIO

    def _begin(self, stack: ExitStack) -> None:
        self.file = stack.enter_context(atomic.replacing(self.path))


class Npy(_File):
    """An array whose number of rows is written into its header at the end."""

    shape: tuple[int, ...] | None = None
    dtype: np.dtype

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        if self.shape is None:
            self.shape, self.dtype = rows.shape[1:], rows.dtype
            self._header()
        if rows.dtype != self.dtype or self.dtype.hasobject:
            raise CommandError(f"{self.path}: expected .csv for cells of different types")
        rows = np.ascontiguousarray(rows)
        self.file.write(rows.data if rows.size else b"")

    def _header(self) -> None:
        """Write the header; NumPy pads it so that the number of rows can grow."""
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


class Npz(Npy):
    """An archive with one array, `name`."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path)
        self.name = name

    def _begin(self, stack: ExitStack) -> None:
        super()._begin(stack)
        self.archive = self.file
        folder = os.path.dirname(os.path.abspath(self.path))  # where there is room for it
        with atomic.naming(self.path):
            self.file = tempfile.TemporaryFile(dir=folder)
        stack.callback(self._forget_rows)

    def _forget_rows(self) -> None:
        with suppress(OSError):  # closing tries once more to flush
            self.file.close()

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        with atomic.naming(self.path):
            super()._write(rows, names)

    def _finish(self) -> None:
        with atomic.naming(self.path):
            self._header()
            self.file.seek(0)
            with zipfile.ZipFile(self.archive, "w", zipfile.ZIP_DEFLATED) as archive:
                with archive.open(f"{self.name}.npy", "w", force_zip64=True) as packed:
                    shutil.copyfileobj(self.file, packed)


class _Lines:
    r"""Collects lines. The writer ends them with \r\n, so that it quotes both; here it is \n."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.size = 0

    def write(self, line: str) -> None:
        self.lines.append(line[:-2] + "\n")
        self.size += len(line)

    def taken(self) -> str:
        """Return the text so far, and begin anew."""
        text = "".join(self.lines)
        self.lines, self.size = [], 0
        return text


class Csv(_File):
    """Rows of text below a header; further axes are flattened."""

    def __init__(self, path: str, columns: Sequence[str] | None, name: str) -> None:
        self.columns, self.name = columns, name
        super().__init__(path)

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        lines = _Lines()
        writer = csv.writer(lines, lineterminator="\r\n")
        if rows.dtype.names is None:
            rows = rows.reshape(len(rows), -1)
        if self.count == len(rows):
            writer.writerow(self._header(rows) if names is None else [FILE, *self._header(rows)])
        for i, row in enumerate(rows):
            cells = [_cell(v) for v in row]
            writer.writerow(cells if names is None else [names[i], *cells])
            if lines.size > PIECE:
                self._put(lines.taken())
        self._put(lines.taken())

    def _put(self, text: str) -> None:
        self.file.write(text.encode(errors="backslashreplace"))  # names that are no text

    def _header(self, rows: np.ndarray) -> Sequence[str]:
        if rows.dtype.names is not None:
            return rows.dtype.names
        numbered = [f"{self.name}{i}" for i in range(rows.shape[1])]
        return self.columns or (numbered if len(numbered) > 1 else [self.name])


def _cell(value: Any) -> Any:
    """Return a cell for text: numbers with all their digits, "" for NaN.

    Whole numbers of tables, which are float64, have no point.
    """
    if isinstance(value, np.float32):
        return str(value)
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return "" if np.isnat(value) else str(value).removesuffix(".000000")
    if isinstance(value, float):
        return "" if value != value else int(value) if value.is_integer() else value
    return value


class Stdout(Csv):
    """CSV on stdout."""

    def __init__(self, columns: Sequence[str] | None, name: str) -> None:
        self.columns, self.name, self.count = columns, name, 0

    def _begin(self, stack: ExitStack) -> None:
        pass

    def _put(self, text: str) -> None:
        if sys.stdout.isatty():
            text = "\n".join(map(shown, text.split("\n")))
        sys.stdout.write(text)
        if getattr(sys.stdout, "lost", False):  # the reader has seen enough
            raise BrokenPipeError(errno.EPIPE, "the reader has gone", "stdout")

    def _finish(self) -> None:
        sys.stdout.flush()


class Pictures(Results):
    """A folder with a PNG file for each sample."""

    def __init__(self, path: str) -> None:
        require("writing pictures", "cli", "PIL")
        super().__init__(path)
        if os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)):
            raise CommandError(f"{path}: expected a new or an empty folder")

    def _begin(self, stack: ExitStack) -> None:
        self.folder = Path(stack.enter_context(atomic.replacing_folder(self.path)))

    def _write(self, rows: np.ndarray, names: Sequence[str] | None) -> None:
        first = self.count - len(rows)
        for i, row in enumerate(rows):
            name = f"{first + i:06d}" if names is None else names[i]
            path = (self.folder / name).with_suffix(".png")
            if path.exists():  # two pictures differ only in their suffix
                path = path.with_name(f"{Path(name).name}.png")
            with atomic.naming(self.path):
                path.parent.mkdir(parents=True, exist_ok=True)
                save_image(path, row)


def open_results(
    path: str,
    name: str,
    *,
    columns: Sequence[str] | None = None,
    shape: tuple[int, ...] | None = None,
) -> Results:
    """Return the writer for a path, by its suffix.

    Parameters
    ----------
    path : str
    name : str
        What a row is, as the name of an array or of columns.
    columns : sequence of str, optional
        The names of the columns of a table.
    shape : tuple of int, optional
        Of a row, if it is a sample.
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
    """Raise CommandError, before any work is done, if a file can't be written at a path."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise CommandError(f"{path}: expected a folder {folder}, got none")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"{path}: expected to write into {folder}, got no permission")
    if not (os.path.isdir(path) or path.endswith(os.sep)):  # some commands take a folder
        with command_errors():
            atomic.check(path)

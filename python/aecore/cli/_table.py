"""Tables: CSV files and parquet files, read by columns, a block of rows at a time."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from ._command import CommandError, require
from ._source import (
    BATCH,
    Block,
    Reading,
    Source,
    Table,
    feature_columns,
    network_of,
    observed_mask,
    reshaped,
    rows_of_block,
    structured,
)

MISSING = {"", "?", "na", "n/a", "nan", "null", "none"}
FIELD_BYTES = 64  # of a field as text, about
Columns = dict[str, Any]  # the values of some rows by column


class Columnar(Source):
    """The base of table files: knows which columns are features and which are labels.

    Attributes
    ----------
    names : list of str
        Of all columns, or their indices if they have no names.
    named : bool
    """

    path: str
    names: list[str]
    named: bool
    reading: Reading
    place = "row"  # counted in messages
    is_table = True

    def _choose(self) -> None:
        """Choose the columns that are read."""
        reading = self.reading
        self.y_columns = split_names(reading.y)
        others = [*self.y_columns, *reading.drop]
        if not self.named and not reading.columns and reading.fitted is not None:
            reading = replace(reading, fitted=None)  # take the columns in order
        self.features = feature_columns(self.names, reading, others, self.path)

    def read(self) -> Block:
        """Return all rows."""
        blocks = list(self._tables())
        if not blocks:
            raise CommandError(f"{self.path}: expected rows, got none")
        y = read_labels([y for _, y in blocks], self.reading) if self.y_columns else None
        if self.reading.mixed:
            return Block(mixed_columns([X for X, _ in blocks], self.reading.fitted), y)
        return self._block(np.concatenate([X for X, _ in blocks]), y)

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of rows."""
        for X, y in self._tables():
            found = read_labels([y], self.reading) if self.y_columns else None
            if self.reading.mixed:
                yield Block(mixed_columns([X], self.reading.fitted), found)
            else:
                yield self._block(X, found)

    def _tables(self) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield the features of some rows, and the values of the label columns."""
        for first, columns in self._columns(rows_of_block((len(self.names),), FIELD_BYTES)):
            y = [np.asarray(columns[name]) for name in self.y_columns]
            found = np.stack(y, axis=1) if y else np.empty((0, 0))
            if self.reading.mixed:
                yield {name: columns[name] for name in self.features}, found
                continue
            X = np.empty((len(columns[self.features[0]]), len(self.features)))
            for i, name in enumerate(self.features):
                X[:, i] = self._numbers(columns[name], name, first)
            yield X, found

    def all_labels(self) -> np.ndarray:
        """Return all columns as labels or properties."""
        parts = [np.stack(list(columns.values()), 1) for _, columns in self._columns(BATCH)]
        return read_labels(parts, self.reading)

    def _columns(self, rows: int) -> Iterator[tuple[int, Columns]]:
        """Yield the columns of some rows, and the number of the first row."""
        raise NotImplementedError

    def _numbers(self, values: Any, name: str, first: int) -> np.ndarray:
        """Return a column's numbers, NaN where they are missing."""
        try:
            return np.asarray(values, np.float64)
        except (TypeError, ValueError):
            pass
        out = np.full(len(values), np.nan)
        for i, value in enumerate(values):
            if not is_missing(value):
                try:
                    out[i] = float(value)
                except (TypeError, ValueError):
                    raise CommandError(
                        f"{self.path}: column {name!r}: expected numbers for this kind of model, "
                        f"got {value!r} in {self.place} {first + i}; {self._hint()}"
                    ) from None
        return out

    def _hint(self) -> str:
        """Return advice for columns of words."""
        other = ", --model tabular takes words" if self.reading.fitted is None else ""
        return f"--drop leaves columns out{other}"

    def _block(self, X: np.ndarray, y: np.ndarray | None) -> Block:
        mask, model = observed_mask(X), self.reading.features
        like = self.reading.like
        rows = reshaped(X, like)
        if rows is X and (model is not None or (self.reading.fitted is None and self.named)):
            rows = Table.of(X, self.features if model is None else _names_for(model, self.features))
        return Block(rows, y, None if mask is None else mask.reshape(rows.shape))


def _names_for(model: list[str], features: list[str]) -> list[str]:
    """Return the model's names of columns, if there are as many."""
    return model if len(model) == len(features) else features


class Text(Columnar):
    """Rows of text with fields between commas, semicolons, tabs or bars; the path - is stdin.

    A first row in which a field is neither a number nor missing has the names of the columns,
    unless the reading says otherwise. The file is read once, from front to back.
    """

    place = "line"

    def __init__(self, path: str, reading: Reading) -> None:
        self.path, self.reading = path, reading
        with self._opened() as file:
            line = file.readline()
            self.delimiter = max(",;\t|", key=line.count)
            rows = csv.reader(itertools.chain([line], file), delimiter=self.delimiter)
            fields = [field.strip() for field in next(rows, [])]
        if not fields:
            raise CommandError(f"{self.path}: expected rows, got none")
        self.named = not all(is_number(field) or is_missing(field) for field in fields)
        if reading.header is not None:
            self.named = reading.header
        self.names = fields if self.named else [str(i) for i in range(len(fields))]
        if len(set(self.names)) < len(self.names):
            twice = next(n for n in self.names if self.names.count(n) > 1)
            raise CommandError(f"{self.path}: expected different column names, got {twice!r} twice")
        self._stdin = (fields, rows) if path == "-" else None  # stdin can't be read again
        self._choose()

    def _opened(self) -> AbstractContextManager[Any]:
        if self.path == "-":
            return nullcontext(sys.stdin)
        return open(self.path, encoding="utf-8-sig", newline="")

    def _columns(self, rows: int) -> Iterator[tuple[int, Columns]]:
        width, line = len(self.names), 1
        found: list[list[str]] = []
        with self._opened() as file:
            for line_num, row in self._numbered(file):
                line = line if found else line_num
                if len(row) != width:
                    raise CommandError(
                        f"{self.path}: expected {width} fields in line {line_num}, as in the "
                        f"first, got {len(row)}"
                    )
                found.append(row)
                if len(found) == rows:
                    yield line, dict(zip(self.names, zip(*found, strict=True), strict=True))
                    found = []
        if found:
            yield line, dict(zip(self.names, zip(*found, strict=True), strict=True))

    def _numbered(self, file: Any) -> Iterator[tuple[int, list[str]]]:
        """Yield rows of cells, and the number of the line that each ends on."""
        first, reader = self._stdin or (None, csv.reader(file, delimiter=self.delimiter))
        if first is None:
            first = next(reader)
        if not self.named:
            yield 1, first
        for row in reader:
            if row:
                yield reader.line_num, row


class Parquet(Columnar):
    """A parquet file, read with pyarrow."""

    def __init__(self, path: str, reading: Reading) -> None:
        require("reading parquet files", "cli", "pyarrow")
        import pyarrow.parquet

        self.path, self.reading, self.named = path, reading, True
        self._file = pyarrow.parquet.ParquetFile(path)
        self.names = [str(name) for name in self._file.schema_arrow.names]
        self.count = int(self._file.metadata.num_rows)
        self._choose()

    def _columns(self, rows: int) -> Iterator[tuple[int, Columns]]:
        wanted, first = [*self.features, *self.y_columns], 0
        for batch in self._file.iter_batches(rows, columns=wanted):
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            yield first, {n: c.to_numpy(zero_copy_only=False) for n, c in columns.items()}
            first += batch.num_rows


# ---- values -------------------------------------------------------------------------------------


def mixed_columns(blocks: Sequence[Columns], fitted: Any) -> np.ndarray:
    """Return columns of numbers and words as a structured array.

    A column has numbers if all of its cells are numbers, or if the fitted model's column has.
    """
    known = {} if fitted is None else _numeric_columns(fitted)
    columns = {}
    for name in blocks[0]:
        parts = [np.asarray(block[name]) for block in blocks]
        cells = np.concatenate(parts) if len(parts) > 1 else parts[0]
        if cells.dtype.kind in "biufMm":
            columns[name] = cells
        else:
            missing = np.fromiter(map(is_missing, cells), bool, len(cells))
            columns[name] = _cells(cells, missing, known.get(name))
            if known.get(name) and columns[name].dtype.kind == "U" and not missing.all():
                word = next(str(v) for v in cells[~missing] if not is_number(v))
                raise CommandError(f"column {name!r}: expected numbers, as in fit, got {word!r}")
    return structured(columns)


def _cells(cells: np.ndarray, missing: np.ndarray, numeric: bool | None) -> np.ndarray:
    """Return text as numbers, NaN where missing, or as words, "" where missing."""
    if numeric is not False and not missing.all():
        numbers = np.full(len(cells), np.nan)
        try:
            numbers[~missing] = cells[~missing].astype(np.float64)
            return numbers
        except ValueError:
            pass  # the column has words
    return np.where(missing, "", cells.astype(str))


def _numeric_columns(fitted: Any) -> dict[str, bool]:
    """Return whether each column of a fitted model has numbers, by name."""
    names = getattr(fitted, "feature_names_in_", ())
    labels = _labels(fitted) or [()] * len(names)
    return {
        str(name): not any(isinstance(v, str) for v in known)
        for name, known in zip(names, labels, strict=False)
    }


def _labels(fitted: Any) -> list[Any]:
    """Return the levels of each column of a fitted model; [] if all columns have numbers."""
    robust = getattr(getattr(fitted, "_state", None), "robust", None)
    if robust is not None:
        return [getattr(column, "labels", ()) for column in robust.levels or ()]
    reader = getattr(network_of(getattr(fitted, "estimators_", [fitted])[0]), "reader", None)
    layout = getattr(reader, "layout", None)
    return [] if layout is None else [getattr(column, "labels", ()) for column in layout.columns]


def is_number(text: str) -> bool:
    """Return whether text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_missing(value: Any) -> bool:
    """Return whether a field is a missing value."""
    return value is None or isinstance(value, str) and value.strip().lower() in MISSING


def split_names(text: str | None) -> list[str]:
    """Return the names in a comma-separated list."""
    return [name.strip() for name in text.split(",")] if text else []


def read_labels(parts: Sequence[np.ndarray], reading: Reading) -> np.ndarray:
    """Return columns of labels as models take them.

    One column of integers or words becomes labels (n,); numbers with fractions, and several
    columns, become properties (n, p). A fitted model's classes decide the type.
    """
    values = np.concatenate(parts)
    missing = np.array([is_missing(v) for v in values.ravel()]).reshape(values.shape)
    if missing.any():
        if not reading.gaps or values.shape[1] > 1:
            raise CommandError(f"y: expected all values of {reading.y}, got a missing one")
        return _with_missing(values[:, 0], missing[:, 0])
    known = reading.labels_like
    if values.shape[1] == 1 and (known is not None or not _has_fractions(values)):
        column = values[:, 0]
        if known is not None and known.dtype.kind in "US":
            return column.astype(str)
        try:
            return column.astype(np.float64).astype(np.int64)
        except ValueError:
            return column.astype(str)
    try:
        return values.astype(np.float64)
    except ValueError as error:
        raise CommandError(f"y: expected numbers in {reading.y}: {error}") from None


def _with_missing(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return labels as numbers, NaN where missing, or as words, "" where missing."""
    numbers = np.full(len(values), np.nan)
    try:
        numbers[~missing] = values[~missing].astype(np.float64)
        return numbers
    except ValueError:
        return np.where(missing, "", values.astype(str))


def _has_fractions(values: np.ndarray) -> bool:
    """Return whether all values are numbers, and some are not whole."""
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        return False
    return bool((numbers != np.floor(numbers)).any())

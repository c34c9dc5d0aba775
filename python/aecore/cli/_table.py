"""Tables: text files and parquet files, read by columns, a block of rows at a time."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from . import _cells
from ._cells import Numbers, is_missing, missing_cells
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
from ._text import TextFile

FIELD_BYTES = 64  # of a field as text, about
Columns = dict[str, Any]  # the values of some rows by column


class Rows(NamedTuple):
    """Some rows of a table.

    Attributes
    ----------
    places : sequence of int
        Each row's line or number.
    columns : dict of str to ndarray
    numbers : ndarray, shape (n, F), optional
        The features, once they have been read as numbers.
    """

    places: Sequence[int]
    columns: Columns
    numbers: np.ndarray | None = None

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        """Return parts as one."""
        if len(parts) == 1:
            return parts[0]
        columns = {n: np.concatenate([p.columns[n] for p in parts]) for n in parts[0].columns}
        found = [p.numbers for p in parts if p.numbers is not None]
        places = np.concatenate([np.asarray(p.places) for p in parts])
        return cls(places, columns, np.concatenate(found) if found else None)  # type: ignore[arg-type]


class Columnar(Source):
    """The base of table files: knows which columns are features and which are labels.

    Attributes
    ----------
    names : list of str
        Of all columns, or their indices if they have no names.
    named : bool
    index : str or None
        A column without a name in front of all others, which is left out unless it is asked for.
    numbers : Numbers
    """

    path: str
    names: list[str]
    named: bool
    reading: Reading
    numbers: Numbers
    index: str | None = None
    place = "row"  # counted in messages
    is_table = True

    def _choose(self) -> None:
        """Choose the columns that are read."""
        reading = self.reading
        self.numbers = Numbers(getattr(self, "delimiter", ","))
        self.y_columns = split_names(reading.y)
        others = [*self.y_columns, *reading.drop]
        if not self.named and not reading.columns and reading.fitted is not None:
            reading = replace(reading, fitted=None)  # take the columns in order
        asked = (*others, *(reading.columns or reading.features or ()))
        if self.index is not None and self.index not in asked:
            others.append(self.index)
            if self.reading.fitted is None:
                text = "the first column has no name, and is left out as an index"
                warnings.warn(f"{self.path}: {text}", stacklevel=2)
        self.features = feature_columns(self.names, reading, others, self.path)

    def read(self) -> Block:
        """Return all rows."""
        parts = []
        for rows in self._rows():
            if not self.reading.mixed:  # numbers take less memory than text
                labels = {n: rows.columns[n] for n in self.y_columns}
                rows = Rows(rows.places, labels, self._matrix(rows))
            parts.append(rows)
        if not parts:
            raise CommandError(f"{self.path}: expected rows, got none")
        block = self._of_rows(Rows.joined(parts))
        self._note_forms()
        return block

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of rows."""
        rows = None
        for rows in self._rows():
            yield self._of_rows(rows)
        if rows is None:
            raise CommandError(f"{self.path}: expected rows, got none")
        self._note_forms()

    def _note_forms(self) -> None:
        """Warn of numbers that could be read in another way."""
        if self.reading.fitted is None:
            for name, form in self.numbers.chosen.items():
                text = f"column {name!r}: numbers are read {_cells.NAMES[form]}"
                warnings.warn(f"{self.path}: {text}", stacklevel=3)

    def _wanted(self) -> list[str]:
        return list(dict.fromkeys([*self.features, *self.y_columns]))

    def _rows(self) -> Iterator[Rows]:
        return self._columns(rows_of_block((len(self.names),), FIELD_BYTES))

    def _of_rows(self, rows: Rows) -> Block:
        y = None
        if self.y_columns:
            cells = [np.asarray(rows.columns[name]) for name in self.y_columns]
            y = read_labels(np.stack(cells, axis=1), self.reading, self.numbers)
        if self.reading.mixed:
            return Block(self._mixed(rows), y)
        return self._block(self._matrix(rows) if rows.numbers is None else rows.numbers, y)

    def _matrix(self, rows: Rows) -> np.ndarray:
        """Return the features as numbers."""
        X = np.empty((len(rows.places), len(self.features)))
        for i, name in enumerate(self.features):
            X[:, i] = self._numbers(rows.columns[name], name, rows.places)
        return X

    def all_labels(self, reading: Reading) -> np.ndarray:
        """Return all columns as labels or properties."""
        cells = [[rows.columns[n] for n in self.features] for rows in self._columns(BATCH)]
        if not cells:
            raise CommandError(f"{self.path}: expected rows, got none")
        values = np.concatenate([np.stack(part, axis=1) for part in cells])
        return read_labels(values, reading, self.numbers)

    def _columns(self, rows: int) -> Iterator[Rows]:
        """Yield the columns of some rows."""
        raise NotImplementedError

    def _numbers(self, values: Any, name: str, places: Sequence[int]) -> np.ndarray:
        """Return a column's numbers, NaN where they are missing; booleans are 0 and 1."""
        cells = np.asarray(values)
        if cells.dtype.kind in "biuf":
            return cells.astype(np.float64)
        missing = missing_cells(cells)
        there = cells[~missing].tolist()
        out = np.full(len(cells), np.nan)
        found = self.numbers.read(name, there)
        if found is None:
            found = _cells.booleans(there)
        if found is not None:
            out[~missing] = found
            return out
        at = _first_odd(there)
        place = np.asarray(places)[~missing][at]
        raise CommandError(
            f"{self.path}: column {name!r}: expected numbers for this kind of model, got "
            f"{there[at]!r} in {self.place} {place}; {self._hint()}"
        )

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

    # ---- columns of different kinds -------------------------------------------------------------

    def _mixed(self, rows: Rows) -> np.ndarray:
        """Return columns of numbers, booleans, times and words as a structured array.

        The kinds are those of the fitted model's columns, or what all cells can be read as.
        """
        fitted = self.reading.fitted
        known = {} if fitted is None else _kinds_of_columns(fitted)
        columns = {}
        for name in self.features:
            cells = np.asarray(rows.columns[name])
            if cells.dtype.kind in "biufMm":
                columns[name] = cells
                continue
            missing = missing_cells(cells)
            kind = known.get(name)
            if kind is None:
                columns[name] = self._inferred(name, cells, missing, rows.places)
            else:
                columns[name] = self._like_model(kind, name, cells, missing, rows.places)
        return structured(columns)

    def _inferred(
        self, name: str, cells: np.ndarray, missing: np.ndarray, places: Sequence[int]
    ) -> np.ndarray:
        """Return a column as what all of its cells can be read as."""
        there = cells[~missing].tolist()
        if not there:
            return np.full(len(cells), "")
        for kind in ("number", "boolean", "date"):
            found = self._parsed(kind, name, there)
            if found is not None:
                return _spread(found, missing)
        at = _cells.odd_cell(there)
        if at is not None:
            place = f"{self.place} {np.asarray(places)[~missing][at]}"
            text = f"taken for words, as {there[at]!r} in {place} is no number"
            warnings.warn(f"{self.path}: column {name!r}: {text}", stacklevel=2)
        return np.where(missing, "", cells.astype(str))

    def _like_model(
        self, kind: str, name: str, cells: np.ndarray, missing: np.ndarray, places: Sequence[int]
    ) -> np.ndarray:
        """Return a column as what the model's column is; CommandError if it can't be read so."""
        if kind == "word":
            return np.where(missing, "", cells.astype(str))
        there = cells[~missing].tolist()
        if not there and kind in ("number", "cell"):
            return np.full(len(cells), np.nan)
        found = self._parsed(kind, name, there)
        if found is not None:
            return _spread(found, missing)
        if kind in ("number", "cell"):
            at = _first_odd(there)
        else:
            alone = (self._parsed(kind, name, [cell]) is None for cell in there)
            at = next((i for i, odd in enumerate(alone) if odd), 0)
        raise CommandError(
            f"{self.path}: column {name!r}: expected {kind.replace('cell', 'number')}s, as in fit, "
            f"got {there[at]!r} in {self.place} {np.asarray(places)[~missing][at]}"
        )

    def _parsed(self, kind: str, name: str, there: list[Any]) -> np.ndarray | None:
        """Return cells that aren't missing as a kind; None if they can't be read so."""
        if kind in ("number", "cell"):
            found = self.numbers.read(name, there)
            if found is None and self.reading.fitted is not None:  # 0 and 1 in fit
                truths = _cells.booleans(there)
                found = None if truths is None else truths.astype(np.float64)
            return _cells.dates(there) if found is None and kind == "cell" else found
        if kind == "boolean":
            return _cells.booleans(there)
        return _cells.dates(there) if kind == "date" else _cells.durations(there)


def _first_odd(cells: list[Any]) -> int:
    """Return the index of the first cell that is no number, or the first of all."""
    return next((i for i, cell in enumerate(cells) if not _cells.is_number(str(cell))), 0)


def _spread(found: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return the values of cells that aren't missing among the missing ones of their kind."""
    if not missing.any():
        return found
    if found.dtype.kind == "b":
        out = np.full(len(missing), None, object)
    else:
        out = np.full(len(missing), "NaT" if found.dtype.kind in "Mm" else np.nan, found.dtype)
    out[~missing] = found
    return out


def _names_for(model: list[str], features: list[str]) -> list[str]:
    """Return the model's names of columns, if there are as many."""
    return model if len(model) == len(features) else features


class Text(Columnar, TextFile):
    """Rows of text with fields between commas, semicolons, tabs, bars or blanks; - is stdin.

    The file is read once, from front to back, after a look at its first lines.
    """

    place = "line"

    def __init__(self, path: str, reading: Reading) -> None:
        TextFile.__init__(self, path, reading.header)
        self.reading = reading
        self._choose()

    def _columns(self, rows: int) -> Iterator[Rows]:
        places: list[int] = []
        found: list[list[str]] = []
        for line, fields in self.records():
            places.append(line)
            found.append(fields)
            if len(found) == rows:
                yield self._transposed(places, found)
                places, found = [], []
        if found:
            yield self._transposed(places, found)

    def _transposed(self, places: list[int], rows: list[list[str]]) -> Rows:
        columns = zip(self.names, zip(*rows, strict=True), strict=True)
        wanted = set(self._wanted())
        return Rows(places, {n: np.array(c, object) for n, c in columns if n in wanted})


class Parquet(Columnar):
    """Parquet files with the same columns, read with pyarrow."""

    def __init__(self, paths: list[str], reading: Reading) -> None:
        require("reading parquet files", "cli", "pyarrow")
        import pyarrow.parquet

        os.stat(paths[0])  # whose error names the file
        self.path, self.reading, self.named = paths[0], reading, True
        self._files = [pyarrow.parquet.ParquetFile(path) for path in paths]
        self.names = [str(name) for name in self._files[0].schema_arrow.names]
        for path, file in zip(paths, self._files, strict=True):
            names = [str(name) for name in file.schema_arrow.names]
            if sorted(names) != sorted(self.names):
                raise CommandError(f"{path}: expected the columns {self.names}, got {names}")
        self.count = sum(int(file.metadata.num_rows) for file in self._files)
        self._choose()

    def _columns(self, rows: int) -> Iterator[Rows]:
        first = 0
        for file in self._files:
            for batch in file.iter_batches(rows, columns=self._wanted()):
                columns = dict(zip(batch.schema.names, batch.columns, strict=True))
                places = range(first, first + batch.num_rows)
                cells = {n: c.to_numpy(zero_copy_only=False) for n, c in columns.items()}
                yield Rows(places, cells)
                first += batch.num_rows


# ---- values -------------------------------------------------------------------------------------


def _kinds_of_columns(fitted: Any) -> dict[str, str]:
    """Return what the cells of a fitted model's columns are, by name."""
    names = getattr(fitted, "feature_names_in_", ())
    columns = _columns_of(fitted) or [None] * len(names)
    return {str(n): _kind_of_column(c) for n, c in zip(names, columns, strict=False)}


def _kind_of_column(column: Any) -> str:
    if column is None:  # the detector doesn't tell dates from numbers
        return "cell"
    labels = getattr(column, "labels", ())
    if any(isinstance(label, str) for label in labels):
        return "word"
    if labels and all(isinstance(label, bool) for label in labels):
        return "boolean"
    return {"M": "date", "m": "duration"}.get(getattr(column, "time", ""), "number")


def _columns_of(fitted: Any) -> list[Any]:
    """Return the columns as a fitted model knows them; [] if all have numbers."""
    robust = getattr(getattr(fitted, "_state", None), "robust", None)
    if robust is not None:
        return list(robust.levels or ())
    reader = getattr(network_of(getattr(fitted, "estimators_", [fitted])[0]), "reader", None)
    layout = getattr(reader, "layout", None)
    return [] if layout is None else list(layout.columns)


def split_names(text: str | None) -> list[str]:
    """Return the names in a comma-separated list; those with commas stand in quotes."""
    if not text:
        return []
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


def read_labels(values: np.ndarray, reading: Reading, numbers: Numbers | None = None) -> np.ndarray:
    """Return columns of labels (n, p) as models take them.

    One column of integers or words becomes labels (n,); numbers with fractions, and several
    columns, become properties (n, p). A fitted model's classes decide the type.
    """
    numbers = Numbers() if numbers is None else numbers
    missing = np.array([is_missing(v) or v != v for v in values.ravel()], bool)
    missing = missing.reshape(values.shape)
    if missing.any():
        if not reading.gaps or values.shape[1] > 1:
            raise CommandError(f"y: expected all values of {reading.y}, got a missing one")
        return _with_missing(values[:, 0], missing[:, 0], numbers)
    known = reading.labels_like
    if values.shape[1] == 1:
        labels = _labels(values[:, 0], known, numbers)
        if labels is not None:
            return labels
    columns = [_properties(column, reading, numbers) for column in values.T]
    return np.stack(columns, axis=1)


def _labels(cells: np.ndarray, known: np.ndarray | None, numbers: Numbers) -> np.ndarray | None:
    """Return labels; None for properties, which have fractions."""
    if known is not None and known.dtype.kind in "US":
        return cells.astype(str)
    if cells.dtype.kind in "biu":
        return cells.astype(np.int64)
    found = _cells.integers(cells.tolist())
    if found is not None:
        return found
    if known is not None and known.dtype.kind == "b":
        found = _cells.booleans(cells.tolist())
        return cells.astype(str) if found is None else found
    values = numbers.read("y", cells.tolist())
    fractions = values is not None and np.isfinite(values).all() and (values % 1 != 0).any()
    return None if fractions and known is None else cells.astype(str)


def _properties(cells: np.ndarray, reading: Reading, numbers: Numbers) -> np.ndarray:
    if cells.dtype.kind in "biuf":
        return cells.astype(np.float64)
    found = numbers.read("y", cells.tolist())
    if found is None:
        odd = cells.tolist()[_first_odd(cells.tolist())]
        raise CommandError(f"y: expected numbers in {reading.y}, got {odd!r}")
    return found


def _with_missing(values: np.ndarray, missing: np.ndarray, numbers: Numbers) -> np.ndarray:
    """Return labels as numbers, NaN where missing, or as words, "" where missing."""
    found = numbers.read("y", values[~missing].tolist())
    if found is not None:
        return _spread(found, missing)
    return np.where(missing, "", values.astype(str))

"""Text files as records of fields, each with its line.

The standard library's reader takes the fields apart, a line at a time and strictly. Pandas' reader
fills up rows that are cut short and knows no lines, and both it and pyarrow's are packages more.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from ._cells import is_missing, is_number, is_value
from ._command import CommandError

DELIMITERS = ",;\t|"
SPACE = " "  # any run of blanks
HEAD_LINES = 200  # that are looked at to find delimiter and header
HEAD_SIZE = 1 << 20
LONGEST = 1 << 26  # characters of a line
NAMELESS = "Unnamed: {}"  # as in pandas

Record = tuple[int, list[str]]  # a line's number, counted from 1, and its fields


class Head(NamedTuple):
    """What the first lines of a file say about it.

    Attributes
    ----------
    delimiter : str
    start : int
        The number of lines above the first record.
    header : list of str or None
        From a comment above the first record.
    """

    delimiter: str
    start: int
    header: list[str] | None


class TextFile:
    """A file of text that is read from front to back; once only if it is a stream.

    Parameters
    ----------
    path : str
        - is stdin.
    has_header : bool, optional
        Whether the first record has the names of columns; by default it has if one of its fields
        is neither a number, a date, a boolean nor missing, or behind an empty one they count 0, 1,
        2, ...; other numbers that may be names are told of.

    Attributes
    ----------
    delimiter : str
    names : list of str
        Of the columns; their indices if they have none.
    named : bool
    index : str or None
        A first column without a name, which holds names or numbers of rows.
    """

    def __init__(self, path: str, has_header: bool | None = None) -> None:
        self.path = path
        self._stream: Any = None
        if path == "-" or not _is_regular(path):
            self._stream = self._once(_open(path))
        with ExitStack() as stack:
            lines = self._opened(stack)
            head, complete = _head(lines)
            if self._stream is not None:
                self._stream = _chained(head, self._stream)
        self.head = _look(head)
        self.delimiter = self.head.delimiter
        records = list(self._records(iter(head), complete))
        if not records:
            raise CommandError(f"{path}: expected rows, got none")
        self._name([fields for _, fields in records], has_header)

    def _name(self, rows: list[list[str]], has_header: bool | None) -> None:
        """Find the names of columns, and which have none."""
        first, rest = [field.strip() for field in rows[0]], rows[1:]
        self.named = not all(map(is_value, first)) if has_header is None else has_header
        if has_header is None and not self.named and _may_be_names(first, rest):
            self.named = first[0] == ""  # as pandas writes an index and columns without names
            if not self.named:
                warnings.warn(
                    f"{self.path}: the first row, {first[0]} to {first[-1]}, is read as values; "
                    "--header takes it for the names of columns",
                    stacklevel=2,
                )
        if self.head.header is not None and has_header is not False:
            first, rest, self.named = self.head.header, rows, True
        self._skip_first = self.named and self.head.header is None
        self.index, self._spare = None, False
        if not self.named:
            self._spare = len(first) > 1 and not any(row[-1].strip() for row in rows if row)
            self.names = [str(i) for i in range(len(first) - self._spare)]
            return
        more = len(rest) > 1 and {len(row) - len(first) for row in rest} == {1}
        if more and not any(row[-1].strip() for row in rest):
            first = [*first, ""]
        elif more:  # as R writes names of rows
            first = ["", *first]
        last = len(first) - 1
        if last and not first[-1] and not any("".join(row[last:]).strip() for row in rest):
            self._spare = True  # a delimiter at the end of each line
            first.pop()
        self.names = [name or NAMELESS.format(i) for i, name in enumerate(first)]
        if not first[0] and len(first) > 1:
            self.index = self.names[0]
        if len(set(self.names)) < len(self.names):
            twice = next(n for n in self.names if self.names.count(n) > 1)
            raise CommandError(f"{self.path}: expected different column names, got {twice!r} twice")

    def records(self) -> Iterator[Record]:
        """Yield the rows below the header; CommandError for one of another length."""
        width = len(self.names)
        with ExitStack() as stack:
            found = self._records(self._opened(stack))
            if self._skip_first:
                next(found, None)
            for line, fields in found:
                if self._spare and len(fields) == width + 1 and not fields[-1].strip():
                    fields = fields[:-1]
                if len(fields) != width:
                    raise CommandError(
                        f"{self.path}: expected {width} fields in line {line}, as in the first, "
                        f"got {len(fields)}"
                    )
                yield line, fields

    def _records(self, lines: Iterator[str], whole: bool = True) -> Iterator[Record]:
        """Yield the records of lines; only those that are complete of the first lines."""
        start = self.head.start
        for _ in range(start):
            next(lines, None)
        if self.delimiter == SPACE:
            lines = (" ".join(line.split()) + "\n" for line in lines)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            line = start + reader.line_num + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:
                if not whole and "end of data" in str(error):
                    return
                raise CommandError(self._damage(line, start + reader.line_num, error)) from None
            if fields is None:
                return
            if fields and (len(fields) > 1 or fields[0] == "" or fields[0].strip()):
                yield line, fields

    def _damage(self, first: int, last: int, error: csv.Error) -> str:
        """Return what is wrong with a record, by the reader's error."""
        text = str(error)
        if "end of data" in text:
            return f"{self.path}: expected a closing quote of the field that opens in line {first}"
        if "expected after" in text:
            place = f"line {last}" if first == last else f"lines {first} to {last}"
            return f"{self.path}: expected a delimiter behind a closing quote in {place}"
        return f"{self.path}: expected a row in line {first}: {text}"

    # ---- lines ----------------------------------------------------------------------------------

    def _opened(self, stack: ExitStack) -> Iterator[str]:
        if self._stream is not None:
            return iter(self._stream)
        return self._lines(stack.enter_context(_open(self.path)))

    def _once(self, file: Any) -> Iterator[str]:
        """Yield the lines of a stream, and close it."""
        try:
            yield from self._lines(file)
        finally:
            if file is not sys.stdin:
                file.close()

    def _lines(self, file: Any) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            try:
                line = file.readline(LONGEST)
            except UnicodeDecodeError as error:
                raise CommandError(f"{self.path}: {self._undecodable(error)}") from None
            if not line:
                return
            if len(line) == LONGEST:
                raise CommandError(
                    f"{self.path}: expected less than {LONGEST} characters in line {number}"
                )
            if "\0" in line:
                raise CommandError(f"{self.path}: expected text, got a zero byte in line {number}")
            yield line.removeprefix("\ufeff") if number == 1 else line

    def _undecodable(self, error: UnicodeDecodeError) -> str:
        """Return the line of a byte that is no text."""
        expected, place = f"expected text in {error.encoding.upper()}, got the byte", ""
        if self._stream is None:
            with open(self.path, "rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        line.decode(error.encoding)
                    except UnicodeDecodeError as found:
                        error, place = found, f" in line {number}"
                        break
        return f"{expected} {error.object[error.start]:#x}{place}"


def _is_regular(path: str) -> bool:
    return stat.S_ISREG(os.stat(path).st_mode)


def _open(path: str) -> Any:
    if path.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding=_encoding(path), newline="")
    if path != "-":
        return open(path, encoding=_encoding(path), newline="")
    if sys.stdin is None:
        raise CommandError("-: expected text on stdin, which is closed")
    binary = getattr(sys.stdin, "buffer", None)
    if binary is None:
        return sys.stdin
    return io.TextIOWrapper(io.BufferedReader(_Kept(binary)), "utf-8-sig", newline="")


class _Kept(io.RawIOBase):
    """Reads another stream, and leaves it open."""

    def __init__(self, binary: Any) -> None:
        self.binary = binary

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self.binary.read1(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def _encoding(path: str) -> str:
    """Return a file's encoding: UTF-8, unless it begins as UTF-16 does."""
    if not _is_regular(path):
        return "utf-8-sig"
    packed = path.lower().endswith(".gz")
    with gzip.open(path) if packed else open(path, "rb") as file:
        mark = file.read(2)
    return "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _head(lines: Iterator[str]) -> tuple[list[str], bool]:
    """Return the first lines, and whether there are no more."""
    found: list[str] = []
    size = 0
    while len(found) < HEAD_LINES and size < HEAD_SIZE:
        line = next(lines, None)
        if line is None:
            return found, True
        found.append(line)
        size += len(line)
    return found, False


def _chained(head: list[str], rest: Iterator[str]) -> Iterator[str]:
    yield from head
    yield from rest


def _may_be_names(first: list[str], rest: list[list[str]]) -> bool:
    """Return whether a row of numbers may be one of names: 0, 1, 2, ..., or whole above others."""
    names = first[1:] if first[0] == "" else first
    if len(set(names)) < max(2, len(names)) or not all(map(str.isdecimal, names)):
        return False
    if names == [str(i) for i in range(len(names))]:
        return True
    columns = list(zip(*(row for row in rest if len(row) == len(first)), strict=True))
    fractions = [any("." in cell or "," in cell for cell in column) for column in columns]
    return names is first and bool(columns) and all(fractions)


# ---- the first lines ----------------------------------------------------------------------------


def _look(lines: list[str]) -> Head:
    """Find the delimiter, and what stands above the first record."""
    start = 0
    while start < len(lines) and (not lines[start].strip() or lines[start].startswith("#")):
        start += 1
    body = [line for line in lines[start:] if line.strip()]
    delimiter = _delimiter(body)
    above = lines[start - 1] if start else ""
    if not above.startswith("#"):
        return Head(delimiter, start, None)
    header = [field.strip() for field in _fields(above.removeprefix("# "), delimiter)]
    first = _fields(body[0], delimiter) if body else header
    if len(header) == len(first) and (not body or all(map(is_value, first))):
        return Head(delimiter, start, header)
    return Head(delimiter, start, None)


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == SPACE:
        return line.split()
    return next(_rows([line], delimiter), [])


def _rows(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the fields of lines, as far as they can be read."""
    with suppress(csv.Error):
        yield from filter(None, csv.reader(lines, delimiter=delimiter))


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter by which most lines have as many fields as the first, more than one."""
    best, found = (0.0, 0), ""
    for delimiter in DELIMITERS:
        rows = list(_rows(lines, delimiter))
        width = len(rows[0]) if rows else 0
        if width > 1:
            near = (width - 1, width, width + 1)  # names of rows may be there, or no name for them
            same = sum(len(row) in near for row in rows) / len(rows)
            best, found = max((best, found), ((same, width), delimiter))
    if found:
        return found
    if len({len(line.split()) for line in lines}) == 1 and len(lines[0].split()) > 1:
        if all(is_number(f) or is_missing(f) for line in lines[1:] for f in line.split()):
            return SPACE
    commas = [line for line in lines[1:] if "," in line]  # decimal ones in a single column?
    return ";" if commas and all(map(is_value, commas)) else ","

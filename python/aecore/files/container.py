"""Named arrays and text in a file, in safetensors' format: 8 bytes, a header, the arrays.

The 8 bytes are the header's length N as a little-endian integer. The header is JSON in UTF-8,

    {"__metadata__": {"key": "text", ...},
     "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}

with spaces behind it, so that N is a multiple of 8. The arrays follow, C-contiguous and
little-endian; offsets count from the first of their bytes. They are ordered by dtype, those of wide
elements first, then by name, and have neither gaps nor anything in common.
https://github.com/huggingface/safetensors

Nothing that stands in a file is believed. The header is read by its grammar rather than as any
JSON, so that nothing nests. Before there is any array, the sizes in the header have to account for
the file's very bytes: numbers in it can't ask for more memory than the file has.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..base import atomic

# In the order of the package: wide elements come first in a file.
_DTYPES = {
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
    "F32": "<f4",
    "U32": "<u4",
    "I32": "<i4",
    "BF16": "<u2",  # the upper halves of float32, as which they are read
    "F16": "<f2",
    "U16": "<u2",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}
_RANKS = {name: rank for rank, name in enumerate(_DTYPES)}
_NAMES = {dtype[1:]: name for name, dtype in _DTYPES.items() if name != "BF16"}
_METADATA = "__metadata__"
_LENGTH = 8  # bytes of the header's length, of which the header is a multiple
_LONGEST = 100_000_000  # bytes of a header that the package reads
_PIECE = 1 << 16  # elements that are converted at a time


class _Entry(NamedTuple):
    """What a header has of an array."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


# ---- writing ------------------------------------------------------------------------------------


def write(
    path: Any,
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    halves: Container[str] = (),
) -> None:
    """Write arrays and text to a file, all of it or nothing.

    Array by array: of those that aren't contiguous and little-endian there is one copy at a time.

    Parameters
    ----------
    path : str, bytes or path-like
    tensors : mapping of str to ndarray
        Of bool, integers, float16, float32, float64 or complex64.
    metadata : mapping of str to str, optional
        Written in its order.
    halves : container of str
        Names of arrays of float32 that are written as bfloat16: their lower halves are left out.

    Raises
    ------
    TypeError
        For other dtypes, and for names or texts that aren't strings.
    ValueError
        For the name ``__metadata__``, for strings that no UTF-8 stands for, and for a header of
        more than 100 MB. Nothing has been written then.
    OSError
        If the file can't be written. The old one is whole.
    """
    import json

    arrays = {name: np.asarray(array) for name, array in tensors.items()}
    dtypes = {_text(name, "name"): _dtype_of(name, array) for name, array in arrays.items()}
    for name, dtype in dtypes.items():
        if name in halves and dtype == "F32":
            arrays[name], dtypes[name] = _upper_halves(arrays[name]), "BF16"
    order = sorted(arrays, key=lambda name: (_RANKS[dtypes[name]], name))
    header: dict[str, Any] = {}
    if metadata is not None:
        header[_METADATA] = {
            _text(key, "metadata"): _text(text, f"metadata: {key}")
            for key, text in metadata.items()
        }
    end = 0
    for name in order:
        if name == _METADATA:
            raise ValueError(f"name: expected anything but {name}, which stands for the text")
        begin, end = end, end + arrays[name].nbytes
        described = {"dtype": dtypes[name], "shape": arrays[name].shape}
        header[name] = {**described, "data_offsets": (begin, end)}
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % _LENGTH)
    if len(encoded) > _LONGEST:
        raise ValueError(f"header: expected at most {_LONGEST} bytes, got {len(encoded)}")
    with atomic.replacing(path) as file:
        file.write(len(encoded).to_bytes(_LENGTH, "little"))
        file.write(encoded)
        for name in order:
            file.write(_bytes(_as_written(arrays[name])))


def _text(value: Any, what: str) -> str:
    """Return a string that can be written, or say what is wrong with it."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: expected a string, got {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        found = _shown(value[error.start])
        raise ValueError(f"{what}: expected text, got {found}, half a character") from None
    return value


def _dtype_of(name: Any, array: np.ndarray) -> str:
    dtype = _NAMES.get(array.dtype.str[1:])
    if dtype is None:
        known = ", ".join(np.dtype(name).name for name in _NAMES)
        raise TypeError(f"{name}: expected an array of {known}, got {array.dtype}")
    return dtype


def _upper_halves(array: np.ndarray) -> np.ndarray:
    """Return the upper halves of float32, which bfloat16 consists of."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return (bits >> 16).astype(np.uint16).reshape(array.shape)


def _as_written(array: np.ndarray) -> np.ndarray:
    """Return an array as a file has it, a copy where it isn't so."""
    return array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)


def _bytes(array: np.ndarray) -> memoryview:
    """Return the bytes of a contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data


# ---- reading ------------------------------------------------------------------------------------


def read(path: Any) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a file's arrays and text.

    Memory is that of the arrays, and a small multiple of the header's length.

    Parameters
    ----------
    path : str, bytes or path-like
        Of a file that `write` has written, or the package safetensors, or any other.

    Returns
    -------
    tensors : dict of str to ndarray
        New arrays, in the order of the file. bfloat16 becomes float32, which has all its values.
    metadata : dict of str to str

    Raises
    ------
    OSError
        If there is no file, or it can't be read.
    ValueError
        For anything but a whole file in the format, and for arrays of dtypes that NumPy doesn't
        know. The message doesn't name the file.
    MemoryError
        If there is no room for the arrays, which the file does have.
    """
    given = os.fspath(path)
    with open(given, "rb", opener=_at_once) as file:
        found = os.fstat(file.fileno())
        atomic.regular(given, found.st_mode)
        with atomic.naming(given):
            return _contents(file, found.st_size)


def _contents(file: io.BufferedIOBase, size: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and the text of a file of so many bytes."""
    header = _read_header(file, size)
    entries, metadata = _parsed(header)
    _check_places(entries, size - _LENGTH - len(header))
    return {entry.name: _read_array(file, entry) for entry in entries}, metadata


def _at_once(path: str, flags: int) -> int:
    """Open a file; a FIFO too, which would wait for somebody to write to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_header(file: io.BufferedIOBase, size: int) -> bytes:
    """Return the bytes of the header of a file of so many bytes."""
    first = file.read(_LENGTH)
    if len(first) < _LENGTH:
        raise ValueError(f"file: expected {_LENGTH} bytes with a length, got {len(first)} bytes")
    length, most = int.from_bytes(first, "little"), max(0, min(size - _LENGTH, _LONGEST))
    if length > most:
        what = f"header: expected at most {most} bytes, got {length}"
        if length > _LONGEST:  # no writer makes such headers
            what = f"its first bytes are those of another kind of file ({what})"
        raise ValueError(what)
    header = file.read(length)
    if len(header) < length:
        raise ValueError(f"header: expected {length} bytes, got {len(header)}")
    return header


def _parsed(header: bytes) -> tuple[list[_Entry], dict[str, str]]:
    """Return what a header says, arrays in the order of the file."""
    if not header.startswith(b"{"):
        raise ValueError(f"header: expected {{ as its first byte, got {header[:1]!r}")
    try:
        text = header.decode()
    except UnicodeDecodeError as error:
        byte = header[error.start : error.start + 1]
        raise ValueError(f"header: expected UTF-8, got {byte!r} at {error.start}") from None
    parser = _Parser(text)
    entries: list[_Entry] = []
    metadata: dict[str, str] = {}
    for name in parser.keys("header"):
        if name == _METADATA:
            metadata = {key: parser.string() for key in parser.keys(name)}
        else:
            entries.append(_entry(parser, name))
    parser.finish()
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    return entries, metadata


def _entry(parser: _Parser, name: str) -> _Entry:
    """Return what a header has of an array, each field by itself as it should be."""
    fields: dict[str, Any] = {}
    shown = _shown(name)
    for key in parser.keys(shown):
        if key == "dtype":
            fields[key] = parser.string()
        elif key in ("shape", "data_offsets"):
            fields[key] = parser.integers(f"{shown}: {key}")
        else:
            raise ValueError(f"{shown}: expected dtype, shape, data_offsets, got {_shown(key)}")
    if len(fields) != 3:
        found = ", ".join(fields) or "nothing"
        raise ValueError(f"{shown}: expected dtype, shape, data_offsets, got {found}")
    dtype, shape, places = (fields[key] for key in ("dtype", "shape", "data_offsets"))
    if dtype not in _DTYPES:
        known = ", ".join(_DTYPES)
        raise ValueError(f"{shown}: dtype: expected one of {known}, got {_shown(dtype)}")
    if len(places) != 2:
        raise ValueError(f"{shown}: data_offsets: expected 2 numbers, got {len(places)}")
    return _Entry(name, dtype, shape, *places)


def _check_places(entries: list[_Entry], available: int) -> None:
    """Raise ValueError unless arrays, in their order, are all of the bytes behind the header."""
    at = 0
    for name, dtype, shape, begin, end in entries:
        width, shown = int(_DTYPES[dtype][2:]), _shown(name)
        if begin != at:
            raise ValueError(
                f"{shown}: data_offsets: expected to begin at {at}, where the array before ends, "
                f"got {begin}"
            )
        if end - begin != width * math.prod(shape):
            raise ValueError(
                f"{shown}: data_offsets: expected the bytes of {dtype} of shape {_shown(shape)}, "
                f"got {end - begin}"
            )
        if width * math.prod(n or 1 for n in shape) > np.iinfo(np.intp).max:  # one of them is 0
            raise ValueError(f"{shown}: shape: expected what NumPy can count, got {_shown(shape)}")
        at = end
    if at != available:
        raise ValueError(f"arrays: expected {at} bytes behind the header, got {available}")


def _read_array(file: io.BufferedIOBase, entry: _Entry) -> np.ndarray:
    if entry.dtype == "BF16":
        return _read_bfloat16(file, entry)
    array = np.empty(entry.shape, _DTYPES[entry.dtype])
    _fill(file, array)
    if entry.dtype == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        raise ValueError(f"{_shown(entry.name)}: expected 0 and 1 as bool, got other bytes")
    return array


def _read_bfloat16(file: io.BufferedIOBase, entry: _Entry) -> np.ndarray:
    """Return an array of bfloat16 as float32, whose lower halves are 0."""
    array = np.empty(entry.shape, "<f4")
    bits = array.reshape(-1).view("<u4")
    halves = np.empty(min(len(bits), _PIECE), _DTYPES["BF16"])
    for start in range(0, len(bits), _PIECE):
        part = bits[start : start + _PIECE]
        _fill(file, halves[: len(part)])
        np.left_shift(halves[: len(part)], 16, out=part, dtype=np.uint32)
    return array


def _fill(file: io.BufferedIOBase, array: np.ndarray) -> None:
    """Read the bytes of an array."""
    found = file.readinto(_bytes(array))
    if found != array.nbytes:
        raise ValueError("arrays: expected the length that the file had when it was opened")


class _Parser:
    """Reads a header: objects, strings and lists of integers where they have to be, no other JSON.

    Parameters
    ----------
    text : str
    """

    _SPACES = frozenset(" \t\n\r")
    _SPACE = re.compile(r"[ \t\n\r]*")
    # 19 digits are enough for any file, 64 axes for any array of NumPy's
    _INTEGERS = re.compile(
        r"\[ *(?:N *(?:, *N *){0,63})?\]".replace(" *", _SPACE.pattern).replace(
            "N", "(?:0|[1-9][0-9]{0,18})"
        )
    )

    def __init__(self, text: str) -> None:
        import json

        self.text, self.at = text, 0
        self._decode = json.JSONDecoder().raw_decode

    def keys(self, what: str) -> Iterator[str]:
        """Yield the keys of an object; each value is to be read before the next."""
        self._take("{")
        if self._next() == "}":
            self.at += 1
            return
        seen = set()
        while True:
            key = self.string()
            if key in seen:
                raise ValueError(f"{what}: expected each key once, got {_shown(key)} again")
            seen.add(key)
            self._take(":")
            yield key
            if self._take(",", "}") == "}":
                return

    def string(self) -> str:
        """Return a string."""
        self._take('"')
        begin = self.at - 1
        try:
            found, self.at = self._decode(self.text, begin)
        except ValueError:
            found = _shown(self.text[begin : begin + 60])
            raise ValueError(f"header: expected a string of JSON, got {found}") from None
        return _text(found, "header")

    def integers(self, what: str) -> tuple[int, ...]:
        """Return a list of integers, none of them negative."""
        self._next()
        match = self._INTEGERS.match(self.text, self.at)
        if match is None:
            found = _shown(self.text[self.at : self.at + 60])
            raise ValueError(f"{what}: expected a list of at most 64 sizes, got {found}")
        self.at = match.end()
        inside = match[0][1:-1].strip()
        return tuple(map(int, inside.split(","))) if inside else ()

    def finish(self) -> None:
        """Raise ValueError if anything but space is left."""
        if self._next():
            found = _shown(self.text[self.at : self.at + 60])
            raise ValueError(f"header: expected nothing but space behind it, got {found}")

    def _next(self) -> str:
        """Go to what isn't space; return that character, or nothing at the end."""
        if self.text[self.at : self.at + 1] in self._SPACES:  # which is rare
            match = self._SPACE.match(self.text, self.at)
            assert match is not None
            self.at = match.end()
        return self.text[self.at : self.at + 1]

    def _take(self, *wanted: str) -> str:
        """Return the next character, which has to be one of those wanted."""
        found = self._next()
        if found not in wanted:
            raise ValueError(
                f"header: expected {' or '.join(wanted)} at {self.at}, got {found or 'its end'!r}"
            )
        self.at += 1
        return found


def _shown(value: Any) -> str:
    """Return a value as errors show it: not much of what is long."""
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."

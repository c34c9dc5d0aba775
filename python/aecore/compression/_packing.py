"""Integers as bytes: packed bits or a range coder, whichever takes fewer.

N samples have D symbols each; column d is in [0, sizes[d]). Packed, a symbol takes log2 of its
column's size, rounded up. Coded, it takes about the negative log2 of its probability, which is
learned on the way (csrc/ops/range.c): separately for each of C contexts, where column d is in
context d mod C, from counts that start at one half for every value of its highest bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .. import _core

ALL_BITS = 24  # the most that a symbol has, and that are learned
_BLOCK = 1 << 22  # bits that are packed at a time


class Packed(NamedTuple):
    """Symbols as bytes, and how they were coded.

    Attributes
    ----------
    contexts : int
        C; 0 if bits are packed.
    learned : int
        How many of a symbol's highest bits have learned frequencies; 0 if bits are packed.
    data : bytes
    """

    contexts: int
    learned: int
    data: bytes


def pack(symbols: np.ndarray, sizes: np.ndarray, codings: Iterable[tuple[int, int]]) -> Packed:
    """Code symbols (N, D), packed or with some (contexts, bits), whichever takes fewest bytes."""
    coded = [Packed(*coding, _encode(symbols, sizes, *coding)) for coding in codings]
    shortest = min(coded, key=lambda packed: len(packed.data))
    if packed_size(len(symbols), sizes) <= len(shortest.data):
        return Packed(0, 0, _pack_bits(symbols, sizes))
    return shortest


def unpack(packed: Packed, n: int, sizes: np.ndarray) -> np.ndarray:
    """Return the symbols (N, D) that `pack` was given; ValueError for bytes it can't have made."""
    contexts, learned, data = packed
    if (contexts == 0) != (learned == 0) or contexts and len(sizes) % contexts:
        raise ValueError(
            f"expected contexts that divide {len(sizes)} columns and learned bits, or neither, "
            f"got {contexts} and {learned}"
        )
    symbols = _decode(packed, n, sizes) if contexts else _unpack_bits(data, n, sizes)
    if (symbols >= sizes).any():
        raise ValueError("expected symbols below the sizes of their columns, got a larger one")
    return symbols


def _decode(packed: Packed, n: int, sizes: np.ndarray) -> np.ndarray:
    contexts, learned, data = packed
    columns = len(sizes) // contexts
    rows = np.empty((contexts, n * columns), np.int64)
    given = np.frombuffer(data, np.uint8)
    _core.range_decode(rows, given, _of_contexts(sizes, contexts), learned, _core.Workspace(1))
    symbols = rows.reshape(contexts, n, columns).transpose(1, 2, 0)
    return np.ascontiguousarray(symbols).reshape(n, len(sizes))


def _encode(symbols: np.ndarray, sizes: np.ndarray, contexts: int, learned: int) -> bytes:
    n, columns = len(symbols), len(sizes) // contexts
    transposed = symbols.reshape(n, columns, contexts).transpose(2, 0, 1)
    rows = np.ascontiguousarray(transposed).reshape(contexts, n * columns)
    out = np.empty(12 * rows.size + 8, np.uint8)
    # a workspace of its own, to free the memory for counts
    rule = _of_contexts(sizes, contexts), learned, _core.Workspace(1)
    return out[: _core.range_encode(out, rows, *rule)].tobytes()


def _of_contexts(sizes: np.ndarray, contexts: int) -> np.ndarray:
    return np.ascontiguousarray(sizes.reshape(-1, contexts).max(0, initial=1))


# ---- packed bits --------------------------------------------------------------------------------


def widths(sizes: np.ndarray) -> np.ndarray:
    """Return the bits of each column's symbols: log2 of its size, rounded up."""
    return np.array([int(size - 1).bit_length() for size in sizes], np.int64)


def packed_size(n: int, sizes: np.ndarray) -> int:
    """Return the number of bytes that n samples take, packed."""
    return math.ceil(n * int(widths(sizes).sum()) / 8)


def _bit_layout(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return column and place of every bit of a sample, and the number of samples in a block."""
    width = widths(sizes)
    columns = np.repeat(np.arange(len(sizes)), width)
    places = np.concatenate([np.arange(w)[::-1] for w in width]).astype(np.int64)
    return columns, places, max(8, _BLOCK // max(1, len(columns)) // 8 * 8)  # of whole bytes


def _pack_bits(symbols: np.ndarray, sizes: np.ndarray) -> bytes:
    columns, places, step = _bit_layout(sizes)
    found = []
    for start in range(0, len(symbols), step):
        block = symbols[start : start + step]
        bits = np.empty((len(block), len(columns)), np.uint8)
        for row, column, place in zip(bits.T, columns, places, strict=True):
            row[:] = block[:, column] >> place & 1
        found.append(np.packbits(bits).tobytes())
    return b"".join(found)


def _unpack_bits(data: bytes, n: int, sizes: np.ndarray) -> np.ndarray:
    columns, places, step = _bit_layout(sizes)
    if len(data) != packed_size(n, sizes):
        raise ValueError(f"expected {packed_size(n, sizes)} bytes of packed bits, got {len(data)}")
    symbols, given = np.zeros((n, len(sizes)), np.int64), np.frombuffer(data, np.uint8)
    for start in range(0, n, step):
        block = symbols[start : start + step]
        first, count = start * len(columns) // 8, len(block) * len(columns)
        bits = np.unpackbits(given[first : first + math.ceil(count / 8)])
        if bits[count:].any():
            raise ValueError("expected zeros behind the last sample, got other bits")
        rows = bits[:count].reshape(len(block), len(columns))
        for column, place, ones in zip(columns, places, rows.T, strict=True):
            block[:, column] |= ones.astype(np.int64) << place
    return symbols

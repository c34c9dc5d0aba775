"""Reads the files of data sets and refuses damaged ones."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, damaged

Split = tuple[NDArray[Any], NDArray[np.int64], NDArray[Any], NDArray[np.int64]]


def read_idx_set(paths: dict[str, Path]) -> Split:
    """Read the four files of MNIST or of a set in its format."""
    arrays: list[NDArray[Any]] = []
    for images, labels in ((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS)):
        X, y = read_idx(paths[images], 3)[..., None], read_idx(paths[labels], 1)
        if len(X) != len(y):
            what = f"{len(X)} labels, as many as images in {paths[images]}, got {len(y)}"
            raise damaged(paths[labels], what)
        check_labels(paths[labels], y, 0, 9)
        arrays += [X, y.astype(np.int64)]
    return tuple(arrays)  # type: ignore[return-value]


def read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """Read a gzipped IDX file: 0, 0, type (8 is uint8), rank, each size as uint32, the data."""
    try:
        with gzip.open(path) as stream:
            content = stream.read()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise damaged(path, f"a whole gzip file: {error}") from error
    header = 4 + 4 * rank
    if len(content) < header or content[:4] != bytes((0, 0, 8, rank)):
        what = f"an IDX header of bytes in {rank} dimensions (00 00 08 {rank:02x})"
        raise damaged(path, f"{what}, got {content[:4].hex(' ') or 'an empty file'}")
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4))
    size = int(np.prod(shape, dtype=object))  # exact: a damaged header may name any product
    if size == 0 or len(content) != header + size:
        what = f"{size} bytes of shape {shape} behind its header"
        raise damaged(path, f"{what}, got {len(content) - header}")
    # frombuffer's view of bytes is read-only; people expect to write to their data.
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def read_cifar(paths: list[Path]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read CIFAR-10's batches: rows of a label byte and a red, a green and a blue plane."""
    batches = []
    for path in paths:
        content = np.fromfile(path, np.uint8)
        if content.size == 0 or content.size % 3073:
            what = "rows of 3073 bytes (label and 3x32x32 image)"
            raise damaged(path, f"{what}, got {content.size} bytes")
        rows = content.reshape(-1, 3073)
        check_labels(path, rows[:, 0], 0, 9)
        batches.append(rows)
    X = np.empty((sum(map(len, batches)), 32, 32, 3), np.uint8)
    y = np.empty(len(X), np.int64)
    start = 0
    for rows in batches:
        stop = start + len(rows)
        y[start:stop] = rows[:, 0]
        X[start:stop] = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start = stop
    return X, y


def read_ecg(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read rows of a label and 140 values, written as text."""
    text = read_text(path)
    # A file that was cut short may end within a number.
    if not text.endswith("\n") or not text.strip():
        raise damaged(path, f"lines of text, each with a line break, got {text[-20:]!r} at the end")
    try:
        table = np.loadtxt(text.splitlines(), ndmin=2)
    except ValueError as error:
        raise damaged(path, f"rows of numbers: {error}") from error
    if table.shape[1] != 141 or not np.isfinite(table).all():
        odd = int((~np.isfinite(table)).sum())
        what = "rows of a label and 140 finite values"
        raise damaged(path, f"{what}, got {table.shape[1]} columns, {odd} values not finite")
    check_labels(path, table[:, 0], 1, 5)
    return table[:, 1:, None].astype(np.float32), table[:, 0].astype(np.int64)


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise damaged(path, f"ASCII text: {error}") from error


def check_labels(path: Path, y: NDArray[Any], low: int, high: int) -> None:
    wrong = (y < low) | (y > high) | (y != np.floor(y))
    if wrong.any():
        row = int(wrong.argmax())
        raise damaged(path, f"labels from {low} to {high}, got {y[row]} in row {row}")

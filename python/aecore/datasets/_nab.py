"""The Numenta Anomaly Benchmark: its files, and how they are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._files import damaged

Found = tuple[NDArray[np.datetime64], NDArray[np.float64], NDArray[np.bool_]]


def read_nab(path: Path, labels: Path, name: str) -> Found:
    """Return the time stamps, the values and the labels of a series."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or rows.pop(0) != ["timestamp", "value"] or any(len(row) != 2 for row in rows):
        raise damaged(path, "the columns timestamp and value")
    try:
        times, values = _times([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    except ValueError as error:
        raise damaged(path, f"time stamps and numbers: {error}") from error
    odd = np.zeros(len(times), bool)
    try:
        windows: Any = json.loads(labels.read_text(encoding="utf-8"))[name]
        for first, last in windows:
            a, b = _times([first, last])
            odd |= (times >= a) & (times <= b)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(labels, f"windows of {name}: {error}") from error
    return times, values, odd


def _times(texts: list[str]) -> NDArray[np.datetime64]:
    return np.array([text.replace(" ", "T") for text in texts], "datetime64[us]").astype("M8[s]")

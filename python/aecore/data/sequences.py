"""Sequences of different lengths, as one array and how many steps of each sample are real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base import checks
from ..base.arrays import as_array

SMALL_SIDE = 8  # pixels of an image, at least


class Padded(NamedTuple):
    """Sequences in one array.

    Attributes
    ----------
    values : ndarray of float32 or uint8, shape (N, T, F)
        0 behind the last step of each.
    lengths : ndarray of int64, shape (N,)
    mask : ndarray of bool, shape (N, T, F), or None
        True where a value is observed, if some are missing within the sequences.
    """

    values: np.ndarray
    lengths: np.ndarray
    mask: np.ndarray | None = None


def are_sequences(X: Any) -> bool:
    """Whether X is a list, a tuple or an array of objects, in which there is a matrix."""
    if isinstance(X, np.ndarray) and not (X.dtype == object and X.ndim == 1):
        return False
    return isinstance(X, (list, tuple, np.ndarray)) and any(_depth(x) == 2 for x in X)


def _depth(x: Any) -> int:
    """Return how many axes x has, looking at first elements alone."""
    if isinstance(x, (list, tuple)):
        return 1 + (_depth(x[0]) if x else 0)
    return int(getattr(x, "ndim", len(getattr(x, "shape", ()))))


def flat(X: Any) -> str:
    """Return what to say of what isn't given as a list of matrices; "" where nothing is known."""
    if not isinstance(X, (list, tuple)) and getattr(X, "ndim", 0) != 1:
        return ""
    axes = {_depth(x) for x in X}
    if axes == {2} and not isinstance(X, (list, tuple)):
        return "got a column of them; X.tolist() is a list"
    if axes == {1}:
        return (
            "got sequences of shape (T,), of different lengths; "
            "[np.reshape(x, (-1, 1)) for x in X] gives each one feature"
        )
    if axes == {3}:
        return (
            "got images of different sizes; ae.data.crops(images, 64) makes crops of one size to "
            "train on"
        )
    return ""


def pad(
    X: Sequence[Any],
    name: str,
    mask: Any = None,
    like: tuple[int, ...] | None = None,
    longer: bool = False,
) -> Padded:
    """Copy sequences (T_i, F) into an array that is as long as the longest.

    Parameters
    ----------
    X : sequence of array-like
    name : str
        For messages.
    mask : sequence of array-like of bool, optional
        Of the same shapes: True where a value is observed.
    like : tuple of int, optional
        T and F that the model was fitted to: the array has them.
    longer : bool
        Whether sequences may have more steps than that; the array has as many as the longest then.

    Raises
    ------
    TypeError, ValueError
        For a sample that isn't such a sequence, by its number.
    """
    found = [_sequence(x, f"{name}: sample {i}") for i, x in enumerate(X)]
    width, source = (like[1], "fit") if like is not None else (found[0].shape[1], "sample 0")
    for i, x in enumerate(found):
        if x.shape[1] != width:
            raise ValueError(
                f"{name}: sample {i}: expected {width} features a step, as in {source}, got "
                f"{x.shape[1]}{_maybe_images(found)}"
            )
    lengths = np.array([len(x) for x in found], np.int64)
    steps = _steps(lengths, name, like, longer)
    kind = np.uint8 if all(x.dtype == np.uint8 for x in found) else np.float32
    values = np.zeros((len(found), steps, width), kind)
    with np.errstate(all="ignore"):
        for i, x in enumerate(found):
            values[i, : len(x)] = x
    return Padded(values, lengths, None if mask is None else _pad_mask(mask, found, steps))


def _sequence(x: Any, name: str) -> np.ndarray:
    """Return one sample as an array of numbers (T, F)."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected an array, got a masked one: use sample_mask")
    with checks.expecting(f"{name}: expected numbers of shape (T, F)"):
        found = as_array(x)
        if found.dtype == object:
            found = found.astype(np.float64)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected numbers, got an array of {found.dtype}")
    if found.ndim != 2:
        raise ValueError(f"{name}: expected a sequence of shape (T, F), got {found.shape}")
    if 0 in found.shape:
        what = "feature" if len(found) else "step"
        raise ValueError(f"{name}: expected at least one {what}, got the shape {found.shape}")
    return found


def _steps(lengths: np.ndarray, name: str, like: tuple[int, ...] | None, longer: bool) -> int:
    """Return the length of the padded array: the model's, or the longest sequence's."""
    if like is None:
        return int(lengths.max())
    if longer:
        return max(like[0], int(lengths.max()))
    check_longest(lengths, name, like[0])
    return like[0]


def check_longest(lengths: np.ndarray, name: str, most: int) -> None:
    """Raise ValueError for the first sequence that has more steps than a model knows."""
    too_long = np.flatnonzero(lengths > most)
    if len(too_long):
        i = int(too_long[0])
        raise ValueError(
            f"{name}: sample {i}: expected at most {most} steps, as many as fit has seen or a "
            f"Transformer's max_steps reserves, got {lengths[i]}"
        )


def _pad_mask(mask: Any, found: list[np.ndarray], steps: int) -> np.ndarray:
    """Return masks of sequences as one array, False behind the last step of each."""
    if not isinstance(mask, (list, tuple, np.ndarray)) or len(mask) != len(found):
        got = len(mask) if isinstance(mask, (list, tuple, np.ndarray)) else type(mask).__name__
        raise ValueError(
            f"sample_mask: expected {len(found)} arrays, of the shapes of the sequences, got {got}"
        )
    out = np.zeros((len(found), steps, found[0].shape[1]), np.bool_)
    for i, (part, x) in enumerate(zip(mask, found, strict=True)):
        part = np.asarray(part)
        if part.dtype != np.bool_:
            raise TypeError(
                f"sample_mask: sample {i}: expected booleans, True where a value is observed, got "
                f"{part.dtype}"
            )
        if part.shape != x.shape:
            raise ValueError(
                f"sample_mask: sample {i}: expected the sequence's shape, {x.shape}, got "
                f"{part.shape}"
            )
        out[i, : len(part)] = part
    return out


def trim(
    source: Any,
    mask: Any,
    name: str,
    like: tuple[int, ...] | None = None,
    longer: bool = False,
) -> Padded:
    """Take an array (N, T, F) that is padded already, and a mask (N, T) of the steps there are.

    Parameters
    ----------
    source : array-like, shape (N, T, F)
        It isn't copied where T is what the model, or else the longest sequence, has.
    mask : array-like of bool, shape (N, T)
        True for the first steps of each sample, one at least, and then False.
    name, like, longer
        As in `pad`.
    """
    if like is not None and len(like) != 2:
        raise ValueError(f"{name}: expected samples of shape {like}, as in fit, got sequences")
    mask, (n, steps, features) = checks.array("sample_mask", mask), source.shape
    if mask.dtype != np.bool_:
        raise TypeError(f"sample_mask: expected booleans, got {mask.dtype}")
    if mask.shape != (n, steps):
        raise ValueError(
            f"sample_mask: expected the shape of X, {source.shape}, or {(n, steps)} for steps, got "
            f"{mask.shape}"
        )
    lengths = mask.sum(1, dtype=np.int64)
    wrong = np.flatnonzero((mask != (np.arange(steps) < lengths[:, None])).any(1) | (lengths == 0))
    if len(wrong):
        raise ValueError(
            "sample_mask: expected True for the first steps of each sample, one at least, and "
            f"False for the rest, got something else in row {wrong[0]}; a mask of the shape of X "
            "marks missing values"
        )
    wanted = _steps(lengths, name, like, longer)
    if wanted == steps:
        return Padded(source, lengths)
    rest = np.asarray(source[:])
    values = np.zeros((n, wanted, features), rest.dtype)
    values[:, : min(steps, wanted)] = rest[:, :wanted]
    return Padded(values, lengths)


def behind(lengths: np.ndarray, steps: int) -> np.ndarray:
    """Return True where a sample has ended, (N, T)."""
    return np.arange(steps) >= lengths[:, None]


def _maybe_images(found: list[np.ndarray]) -> str:
    """Return what to do with a list that may well be of grey images."""
    if all(x.dtype == np.uint8 and min(x.shape) >= SMALL_SIDE for x in found):
        return "; of grey images of different sizes, aecore.data.crops(images, 64) makes crops"
    return ""

"""Streams of batches: samples that come a batch at a time, from something iterated over anew."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .arrays import Data
from .batches import Batch, Input


class Item(NamedTuple):
    """Samples and what accompanies them, as `partial_fit` takes them: a batch of a stream, say."""

    X: Any
    y: Any = None
    sample_mask: Any = None
    target: Any = None
    sample_weight: Any = None

    @property
    def beside(self) -> dict[str, Any]:
        """What there is beside X, by name."""
        found = self._asdict()
        del found["X"]
        return {name: value for name, value in found.items() if value is not None}


class Stream:
    """Batches from an object that can be iterated over again and again, or a function.

    Parameters
    ----------
    source : iterable, or callable without arguments that returns one
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        if not callable(source) and iter(source) is source:
            raise TypeError(
                "X: expected an object that gives its batches anew in each epoch, such as a "
                "function that returns an iterator, got a "
                f"{type(source).__name__}, which gives them once; partial_fit takes one batch"
            )

    def __iter__(self) -> Iterator[Item]:
        source = self.source() if callable(self.source) else self.source
        for number, item in enumerate(source, 1):
            yield item_of(item, f"X: batch {number}")


def item_of(item: Any, name: str) -> Item:
    """Return what a stream gives: X, (X, y), (X, y, sample_mask), or a dictionary of them."""
    if isinstance(item, Item):
        return item
    if isinstance(item, dict):
        unknown = sorted(str(key) for key in item if key not in Item._fields)
        if unknown or "X" not in item:
            raise ValueError(
                f"{name}: expected a dictionary with X, and perhaps "
                f"{', '.join(Item._fields[1:])}, got {', '.join(unknown) or 'no X'}"
            )
        return Item(**item)
    parts = item if isinstance(item, (tuple, list)) else (item,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(
            f"{name}: expected X, (X, y) or (X, y, sample_mask), got {len(parts)} things; a list "
            "of sequences is given as (list,), and a dictionary has what else there is"
        )
    return Item(*parts)


class Summary:
    """What is known of samples after one look through them, as of `Data`: of a stream's batches.

    Attributes
    ----------
    shape, features, columns, pixels, scale, low, high
        As of `Data`; T of sequences is that of the longest. Numbers are pixels if those of a batch
        are.
    lengths : ndarray of int64, or None
        The least and the greatest length of sequences, where there are several.
    batches : int
        How many batches there are.
    ragged : bool
        Whether sequences may have other lengths elsewhere.
    """

    form, name = None, "X"

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.columns: np.ndarray | None = None
        self._low, self._high, self.scale = np.inf, -np.inf, 1.0
        self.batches = self._n = 0
        self._steps, self.ragged = (0, 0), False

    @classmethod
    def like(cls, shape: tuple[int, ...], columns: np.ndarray | None, n: int) -> Summary:
        """Return what is known of n samples that are as a fitted model has them."""
        summary = cls()
        summary.shape, summary.columns, summary._n = shape, columns, n
        return summary

    def __len__(self) -> int:
        return self._n

    @property
    def features(self) -> int:
        """F, the number of values of a sample."""
        return math.prod(self.shape)

    def formed(self, values: np.ndarray) -> np.ndarray:
        """Return values of all samples (N, F) in the samples' shape."""
        return values.reshape(len(values), *self.shape)

    @property
    def pixels(self) -> bool:
        """Whether numbers are pixels of 0 to 255."""
        return self.scale != 1

    @property
    def low(self) -> float:
        """The least value, scaled."""
        return self._low * self.scale

    @property
    def high(self) -> float:
        """The largest value, scaled."""
        return self._high * self.scale

    @property
    def lengths(self) -> np.ndarray | None:
        """How long sequences are, if not all are of one length."""
        return None if self._steps[0] == self._steps[1] else np.array(self._steps)

    def add(self, data: Data) -> None:
        """Take note of a batch; ValueError if its samples are of another shape."""
        steps = (data.shape[0], data.shape[0])
        if data.lengths is not None:
            steps = (int(data.lengths.min()), int(data.lengths.max()))
        if not self.batches:
            self.shape, self.columns, self._steps = data.shape, data.columns, steps
            self.ragged = data.form is not None
        ragged = data.form == "list" and self.shape[1:] == data.shape[1:]
        if self.shape != data.shape and not ragged:
            raise ValueError(
                f"expected samples of shape {self.shape}, as in the first, got {data.shape}"
            )
        first, names = (None if c is None else list(c) for c in (self.columns, data.columns))
        if names != first:
            raise ValueError(f"expected the columns {first}, as in the first, got {names}")
        self.shape = (max(self.shape[0], data.shape[0]), *self.shape[1:])
        self._steps = (min(self._steps[0], steps[0]), max(self._steps[1], steps[1]))
        self._low = min(self._low, data.low / data.scale)
        self._high = max(self._high, data.high / data.scale)
        self.scale = min(self.scale, data.scale)
        self.batches += 1
        self._n += len(data)

    def over(self, parts: Sequence[Summary]) -> Summary:
        """Return what is known of several parts, of which this is one, of so many samples."""
        found = copy.copy(self)
        found.shape = (max(part.shape[0] for part in parts), *self.shape[1:])
        found._steps = (
            min(part._steps[0] for part in parts),
            max(part._steps[1] for part in parts),
        )
        found._low, found._high = min(p._low for p in parts), max(p._high for p in parts)
        found.scale = min(part.scale for part in parts)
        return found


class StreamInput(NamedTuple):
    """The samples of a stream, and what accompanies them.

    Attributes
    ----------
    stream : Stream
    data : Summary
    read : callable
        Turns an item into samples and what accompanies them.
    target : Summary or None
        What is known of the targets.
    """

    stream: Stream
    data: Summary
    read: Callable[[Item], Input]
    target: Summary | None = None

    def batches(self, size: int, **options: Any) -> StreamBatches:
        """Return the batches as they come, whatever the size; a stream has no rows to choose."""
        options.pop("rows", None)
        return StreamBatches(self, **options)

    def alone(self) -> StreamInput:
        """Return the samples without what accompanies them."""
        return self._replace(read=lambda item: self.read(item).alone())


class StreamBatches:
    """The batches of a stream, for training.

    Parameters
    ----------
    given : StreamInput
    corruption, seed
        As of `Batches`.
    """

    def __init__(self, given: StreamInput, corruption: Any = None, seed: int = 0) -> None:
        self.given, self._options = given, {"corruption": corruption, "seed": seed}

    @property
    def total(self) -> int:
        """How many samples there are."""
        return len(self.given.data)

    def __len__(self) -> int:
        return self.given.data.batches

    def order(self, seed: int, position: int) -> None:
        """Return None: batches come in the order that the stream has."""
        return

    def __call__(self, rows: np.ndarray | None = None, position: int = 0) -> Iterator[Batch]:
        """Yield the batches of one pass, behind as many samples as `position` says."""
        for one in self.inputs():
            yield self.batch(one, position)
            position += len(one.data)

    def inputs(self) -> Iterator[Input]:
        """Yield what the stream gives, checked; ValueError if that is nothing."""
        one = None
        for item in self.given.stream:
            one = self.given.read(item)
            yield one
        if one is None:
            raise ValueError(
                f"X: expected {len(self)} batches, as before training, got none: a generator gives "
                "them once, not each time that it is iterated over"
            )

    def batch(self, one: Input, position: int) -> Batch:
        """Return what the stream has given as one batch, behind as many samples as that says."""
        (batch,) = one.batches(len(one.data), **self._options)(None, position)
        batch.total = self.total
        return batch

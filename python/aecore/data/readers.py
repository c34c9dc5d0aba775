"""How a model reads samples: what `fit` has learned of them, and every later call is held to.

Samples of uint8 with values above 1 are pixels, which are scaled to 0 to 1. From then on the same
values in any type are: 200, 200.0 and an int64 of 200 are one number. What comes out is scaled, and
may go in again: floats with fractions, none of which is above 8, are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import checks
from . import arrays, foreign
from .arrays import Data
from .cropping import CropData, Crops
from .streams import Summary
from .unlike import Sized

PIXELS, SPAN, TARGET, RECURRENT = "pixels", "range", "target", "recurrent"  # in a file
LARGEST_SCALED = 8.0  # numbers with fractions up to here aren't pixels of 0 to 255
LARGEST_CODE = 2**24 - 1  # float32, in which batches are gathered, holds it exactly


class Reader:
    """Reads numbers of one shape, and says how results look.

    Methods are given the model that they read for: its name is for messages, its parameters say how
    to read what `fit` is given.

    Attributes
    ----------
    shape : tuple of int
        Of a sample, as the network is made for it.
    pixels : bool or None
        Whether numbers are pixels of 0 to 255, whatever their type. None is of files of 0.1.0,
        which don't say: those of uint8 are then.
    span : (float, float) or None
        The range of the values in fit, scaled.
    target : Reader or None
        Reads what samples are to become, where that isn't themselves.
    recurrent : bool
        Whether the default architecture for sequences is an LSTM: for those of different lengths,
        and in files of 0.1.0.
    """

    keys: tuple[str, ...] = (PIXELS, SPAN, TARGET, RECURRENT)  # of `describe`
    params: tuple[str, ...] = ()  # of models, by which data are learned from
    target: Reader | None = None
    recurrent = True

    def __init__(
        self,
        shape: tuple[int, ...],
        pixels: bool | None = None,
        span: tuple[float, float] | None = None,
    ) -> None:
        self.shape, self.pixels, self.span = shape, pixels, span

    @property
    def features(self) -> int:
        """How many values a sample has."""
        return math.prod(self.shape)

    @property
    def of_output(self) -> Reader:
        """Who reads what the decoder gives: the target's reader, or this one."""
        return self if self.target is None else self.target

    @property
    def keeps_form(self) -> bool:
        """Whether reconstructions have the shape of samples, and their lengths."""
        return self.target is None or self.target.shape == self.shape

    @classmethod
    def fresh(cls, model: Any, X: Any, mask: Any = None, name: str = "X") -> Data:
        """Check samples of which nothing is known."""
        if isinstance(X, Crops):
            return _crops(model, X, mask, name)
        owner, pixels = type(model).__name__, model._pixels
        data = arrays.read(X, name=name, mask=mask, owner=owner, pixels=pixels)
        arrays.warn_of_coarse(data)
        return data

    @classmethod
    def look(cls, model: Any, X: Any, mask: Any = None) -> Data:
        """Check some samples, of which others follow."""
        return cls.fresh(model, X, mask)

    @classmethod
    def summary(cls, model: Any) -> Summary:
        """Return what takes note of samples that are looked at a part at a time."""
        return Summary()

    @classmethod
    def of(cls, model: Any, data: Any) -> Reader:
        """Return what is learned of samples, so that others are read in the same way."""
        reader = cls(data.shape, data.pixels, (data.low, data.high))
        reader.recurrent = data.form is not None or getattr(data, "ragged", False)
        return reader

    def read(
        self,
        model: Any,
        X: Any,
        mask: Any = None,
        name: str = "X",
        longer: bool = False,
        sized: Sized | None = None,
    ) -> Data:
        """Check samples that must be like those in `fit`, but for what is allowed.

        That is longer sequences, and images of another size that `sized` says yes to.
        """
        if isinstance(X, Crops):
            return self._held(_crops(model, X, mask, name, self), name)
        owner, pixels = type(model).__name__, self.pixels
        if pixels is None:
            first = X[0] if isinstance(X, (list, tuple)) and X else X
            pixels = getattr(first, "dtype", None) == np.uint8
        how: Any = {"mask": mask, "name": name, "like": self.shape, "owner": owner}
        return self._held(
            arrays.read(X, **how, longer=longer, pixels=bool(pixels), sized=sized), name
        )

    def more(self, model: Any, X: Any, mask: Any = None) -> Data:
        """Check samples to go on training with."""
        return self.read(model, X, mask)

    def _held(self, data: Data, name: str) -> Data:
        """Return samples that are held to the scale of those in `fit`."""
        if self.span is not None:
            self._check_scale(data, name)
        return data

    def is_plain(self, X: Any) -> bool:
        """Return whether samples are read as they are, if they are finite: arrays of float32."""
        if type(X) is not np.ndarray or self.pixels is not False or type(self) is not Reader:
            return False
        if X.dtype != np.float32 or X.shape[1:] != self.shape or not len(X):
            return False
        return X.flags.c_contiguous and X.flags.aligned and arrays.is_finite(X)

    def _check_scale(self, data: Data, name: str) -> None:
        """Find out whether pixels are scaled already; ValueError for values on another scale."""
        assert self.span is not None
        low, high = self.span
        if not self.pixels:
            if data.dtype == np.uint8 and low >= 0 and high <= 1 < data.high:
                raise ValueError(
                    f"{name}: expected numbers from {low:g} to {high:g}, as in fit, got pixels up "
                    f"to {data.high:g}: divide them by 255"
                )
        elif data.dtype.kind == "f" and data.high * 255 <= LARGEST_SCALED:
            if data.fractions():
                data.rescale()
            elif data.high > 0:
                raise ValueError(
                    f"{name}: expected pixels of 0 to 255, as in fit, or what they are divided by "
                    f"255, got whole numbers up to {data.high * 255:g} of {data.dtype}: use uint8"
                )

    def one(self, model: Any, x: Any, name: str, takes: Callable[[int], bool]) -> Data:
        """Check one sample, a sequence of another length if the model takes that."""
        x, shape = checks.array(name, x), self.shape
        other = x.ndim == 2 and x.shape[1:] == shape[1:]
        if x.shape != shape and not (other and takes(len(x))):
            raise ValueError(f"{name}: expected one sample of shape {shape}, got {x.shape}")
        return self.read(model, [x], name=name, longer=True)

    def samples(self, values: np.ndarray, data: Data | None = None) -> Any:
        """Return values (N, F) as samples look: those that the values are for, or those in fit."""
        return values.reshape(len(values), *self.shape) if data is None else data.formed(values)

    def outputs(self, values: np.ndarray, data: Data | None = None) -> Any:
        """Return what the decoder gives (N, F) for samples, or for codes, as it looks."""
        return self.of_output.samples(values, data if self.keeps_form else None)

    # ---- files ----------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return what a file has of it beside the shape."""
        found: dict[str, Any] = {}
        if self.span is not None:
            found = {PIXELS: self.pixels, SPAN: list(self.span)}
        if self.target is not None:
            found[TARGET] = {"shape": list(self.target.shape), **self.target.describe()}
            found[TARGET].pop(RECURRENT, None)
        if len(self.shape) == 2 and RECURRENT in self.keys:
            found[RECURRENT] = self.recurrent
        return found

    @classmethod
    def restored(cls, model: Any, shape: tuple[int, ...], found: dict[str, Any]) -> Reader:
        """Return the reader that a file describes."""
        target, recurrent = found.pop(TARGET, None), found.pop(RECURRENT, True)
        reader = cls._restored(shape, found)
        if not isinstance(recurrent, bool):
            raise ValueError(f"{RECURRENT}: expected true or false, got {recurrent!r}")
        reader.recurrent = recurrent
        if target is not None:
            if not isinstance(target, dict):
                raise ValueError(f"{TARGET}: expected a dictionary, got {target!r}")
            known = dict(target)
            sizes = known.pop("shape", None)
            if known.keys() != {PIXELS, SPAN}:
                raise ValueError(f"{TARGET}: expected {PIXELS} and {SPAN}, got {sorted(known)}")
            if not (isinstance(sizes, list) and sizes and all(map(_is_size, sizes))):
                raise ValueError(f"{TARGET}: shape: expected positive integers, got {sizes!r}")
            reader.target = Reader._restored(tuple(sizes), known)
        return reader

    @classmethod
    def _restored(cls, shape: tuple[int, ...], found: dict[str, Any]) -> Reader:
        if not found:
            return cls(shape)
        pixels, span = found.get(PIXELS), found.get(SPAN)
        if not isinstance(pixels, bool):
            raise ValueError(f"{PIXELS}: expected true or false, got {pixels!r}")
        real = isinstance(span, list) and all(type(v) is float and math.isfinite(v) for v in span)
        if not (real and span is not None and len(span) == 2 and span[0] <= span[1]):
            raise ValueError(f"{SPAN}: expected two numbers in order, got {span!r}")
        return cls(shape, pixels, (span[0], span[1]))


def _crops(
    model: Any, X: Crops, mask: Any, name: str = "X", like: Reader | None = None
) -> CropData:
    """Check crops of images, which must be like the samples in `fit`, if there are some."""
    if mask is not None:
        raise ValueError("sample_mask: expected None with crops, which have no missing values")
    if like is None:
        if getattr(model, "validation_fraction", 0):
            raise ValueError(
                "validation_fraction: expected 0 with crops, any of which may show the same part "
                f"of an image, got {model.validation_fraction!r}; X_val takes other images"
            )
        return CropData(X, name, model._pixels)
    if X.shape[1:] != like.shape:
        raise ValueError(
            f"{name}: expected samples of shape {like.shape}, as in fit, got {X.shape[1:]}"
        )
    return CropData(X, name, bool(like.pixels))


def _is_size(value: Any) -> bool:
    return type(value) is int and 1 <= value < 1 << 40


class MapReader(Reader):
    """Reads maps of codes, for a `PixelCNN`.

    Attributes
    ----------
    shape : tuple of int
        Of a map, and behind it how many codes there are.
    """

    keys = ()
    params = ("codebook_size", "context_size")

    @property
    def features(self) -> int:
        """How many codes a map has."""
        return math.prod(self.shape[:-1])

    @classmethod
    def fresh(cls, model: Any, X: Any, mask: Any = None, name: str = "X") -> Data:
        """Check maps of which nothing is known."""
        largest = (model.codebook_size or LARGEST_CODE + 1) - 1
        return cls._checked(model, X, name, None, largest)

    @classmethod
    def of(cls, model: Any, data: Data) -> Reader:
        """Return the shape of maps, and how many codes there are."""
        return cls((*data.shape, int(model.codebook_size or data.high + 1)))

    def read(
        self,
        model: Any,
        X: Any,
        mask: Any = None,
        name: str = "X",
        longer: bool = False,
        sized: Any = None,
    ) -> Data:
        """Check maps that must be like those in `fit`."""
        return self._checked(model, X, name, self.shape[:-1], self.shape[-1] - 1)

    @staticmethod
    def _checked(
        model: Any, X: Any, name: str, shape: tuple[int, ...] | None, largest: int
    ) -> Data:
        expected = f"{name}: expected integers, numbers of codes, got"
        if X is None or arrays.is_stream(X):
            raise TypeError(
                f"{expected} {type(X).__name__}: no batches are taken, but partial_fit takes some "
                "of the maps"
            )
        if isinstance(X, (list, tuple)) and len({np.shape(x) for x in X}) > 1:
            raise ValueError(
                f"{name}: expected maps of codes of one shape, got several: train a model for each"
            )
        if isinstance(X, np.ma.MaskedArray):
            raise TypeError(
                f"{expected} a masked array: X.filled(k) gives what is missing a code of its own, k"
            )
        X = arrays.as_source(foreign.opened(X, name), name)
        X = X if isinstance(X, np.ndarray) else np.asarray(X[:])
        if X.dtype.kind not in "iu":
            raise TypeError(f"{expected} {X.dtype}: use astype(int)")
        if 0 in X.shape or not is_map(X.shape[1:], model.depth):
            forms = described(model.depth)
            raise ValueError(f"{name}: expected some maps of codes {forms}, got {X.shape}")
        if shape is not None and X.shape[1:] != shape:
            raise ValueError(
                f"{name}: expected maps of shape {shape}, as in fit, got {X.shape[1:]}"
            )
        if not (X.min() >= 0 and X.max() <= largest):
            raise ValueError(
                f"{name}: expected codes of 0 to {largest}, got {X.min()} to {X.max()}"
            )
        return Data(np.ascontiguousarray(X, np.float32), name=name)


def is_map(shape: tuple[int, ...], depth: int) -> bool:
    """Return whether a map of codes, so many at each position, has a shape."""
    if depth == 1:
        return len(shape) in (1, 2)
    return len(shape) in (1, 2, 3) and shape[-1] == depth


def described(depth: int) -> str:
    """Return what maps of codes look like."""
    return "(H, W) or (T,)" if depth == 1 else f"(H, W, {depth}), (T, {depth})"

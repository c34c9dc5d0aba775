"""Random crops of images of different sizes, drawn anew in each epoch.

An epoch has n crops. Each image has as many of them, up to one, as its share of all pixels says, so
that every epoch sees all of them; where in the image a crop lies, and whether it is turned, follows
from the seed and from how many samples training has seen before, as the noise does. So a training
has the same bits for any number of threads, and one that is resumed goes on with the same crops.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _core
from ..base import checks, runtime
from ..base.arrays import as_array
from ..base.streams import CORRUPTION, CROPS
from .arrays import DIRECT, Data
from .corruption import Corruption, in_gather

SIDEWAYS, ALL = 1, 7  # which of the eight positions a crop may be in, as bits
SEED = 0  # of crops outside of training
DRAWS = 3  # random numbers for a crop: its row, its column, its position


class Crops:
    """Images to be trained on in crops of one size; `crops` makes one.

    Attributes
    ----------
    shape : tuple of int
        (n, height, width, C), as an array of an epoch's crops would have it.
    dtype : dtype
        Of the images.
    """

    def __init__(
        self,
        images: Any,
        size: Any = 64,
        n: int | None = None,
        flip: bool = True,
        turn: bool = False,
    ) -> None:
        height, width = checks.pair("size", size, 1)
        found = [_image(x, i) for i, x in enumerate(_several(images))]
        channels = found[0].shape[2]
        for i, x in enumerate(found):
            if x.shape[2] != channels:
                raise ValueError(
                    f"images: image {i}: expected {channels} channels, as image 0 has, got "
                    f"{x.shape[2]}"
                )
        if checks.boolean("turn", turn) and height != width:
            raise ValueError(
                f"turn: expected False for crops that aren't square, got True for {height} x "
                f"{width}"
            )
        kinds = {x.dtype for x in found}
        self.dtype = np.dtype(kinds.pop() if len(kinds) == 1 else np.float32)
        if self.dtype not in DIRECT:
            self.dtype = np.dtype(np.float32)
        self.turns = ALL if turn else SIDEWAYS if checks.boolean("flip", flip) else 0
        sizes = np.array([x.shape[:2] for x in found], np.int64)
        counts = sizes.prod(1) * channels
        self.pixels = np.empty(int(counts.sum()), self.dtype)
        starts = np.cumsum(counts) - counts
        for start, count, x in zip(starts, counts, found, strict=True):
            self.pixels[start : start + count] = x.reshape(-1)
        self.images = np.ascontiguousarray(np.column_stack([starts, sizes]))
        tiles = (-(-sizes // (height, width))).prod(1)
        n = int(tiles.sum()) if n is None else checks.integer("n", n, 1)
        self.shape = (n, height, width, channels)
        ends = np.cumsum(tiles, dtype=np.float64)
        middles = (np.arange(n) + 0.5) * (ends[-1] / n)
        self._whose = np.searchsorted(ends, middles, "right").astype(np.int64)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        n, h, w, c = self.shape
        count = len(self.images)
        return f"Crops of {count:,} image{'s' * (count != 1)}: {n:,} of shape ({h}, {w}, {c})"

    def fits(self, other: Crops) -> bool:
        """Return whether both cut the same places out of images of the same sizes."""
        same = self.shape[:3] == other.shape[:3] and self.turns == other.turns
        return same and np.array_equal(self.images[:, 1:], other.images[:, 1:])

    def places(self, rows: np.ndarray, seed: int, position: int) -> np.ndarray:
        """Return which crops rows are: image, row, column and position (N, 4).

        `position` is how many crops were drawn before.
        """
        bits = np.empty((len(rows), DRAWS), np.uint32)
        _core.random_bits(bits.reshape(-1), seed, CROPS, DRAWS * position, runtime.current())
        whose = self._whose[rows]
        places = np.empty((len(rows), 4), np.int64)
        places[:, 0] = whose
        room = np.maximum(self.images[whose, 1:] - self.shape[1:3] + 1, 1)
        places[:, 1:3] = bits[:, :2] * room.astype(np.uint64) >> np.uint64(32)
        places[:, 3] = (bits[:, 2] >> 29) & self.turns
        return places


class CropData(Data):
    """Crops as models read them.

    Parameters
    ----------
    crops : Crops
    name : str
    pixels : bool, optional
        As of `Data`.
    """

    def __init__(self, crops: Crops, name: str = "X", pixels: bool | None = None) -> None:
        self.crops = crops
        super().__init__(crops.pixels.reshape(1, -1), name=name, pixels=pixels)
        self._source, self._flat = crops, None
        self._n, self.shape = crops.shape[0], crops.shape[1:]
        self.features = math.prod(self.shape)
        self._seed, self._position = SEED, 0

    @property
    def plain(self) -> None:
        """There are no samples to be taken as they are."""
        return

    def at(self, seed: int, position: int) -> None:
        """Note where the crops of the next batch are drawn; see `Data.at`."""
        self._seed, self._position = seed, position

    def gather(
        self,
        rows: np.ndarray,
        clean: np.ndarray,
        noisy: np.ndarray | None = None,
        corruption: Corruption | None = None,
        stream: tuple[int, int, int] = (0, CORRUPTION, 0),
    ) -> None:
        """Fill `clean` with crops, scaled, and `noisy` with them corrupted; see `Data.gather`."""
        self._cut(self._seed, self._position, rows, clean, noisy, self.scale, corruption, stream)

    def _cut(
        self,
        seed: int,
        position: int,
        rows: np.ndarray,
        clean: np.ndarray,
        noisy: np.ndarray | None = None,
        scale: float = 1.0,
        corruption: Corruption | None = None,
        stream: tuple[int, int, int] = (0, CORRUPTION, 0),
    ) -> None:
        crops, shape = self.crops, (len(rows), *self.shape)
        places = crops.places(rows, seed, position)
        clean, noisy = clean.reshape(shape), None if noisy is None else noisy.reshape(shape)
        how = *in_gather(None if noisy is None else corruption), *stream, runtime.current()
        _core.gather_crops(clean, noisy, crops.pixels, crops.images, places, scale, *how)

    def some(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a few crops (n, F) as they are."""
        most = max(4, min(1000, (1 << 18) // self.features))
        rows = np.arange(self._n)[:: -(-self._n // most)]
        out = np.empty((len(rows), self.features), np.float32)
        self._cut(SEED, 0, rows, out)
        return out, None

    def blocks(self) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """Yield the images' values as one row; see `Data.blocks`."""
        yield 0, self.crops.pixels.reshape(1, -1), None


def crops(
    images: Any, size: Any = 64, n: int | None = None, *, flip: bool = True, turn: bool = False
) -> Crops:
    """Make images of different sizes into samples to train on: random crops, new in each epoch.

    `fit` and `partial_fit` take what comes out in place of an array (n, size, size, C). An epoch
    has n crops, of each image about as many as its share of all pixels. The model's
    ``random_state`` says where they lie, so that the same fit gives the same bits. Crops of pairs,
    ``fit(crops(dirty, 32), target=crops(clean, 32))``, are cut at the same places. What a network
    has learned from crops is of use for whole images where it takes images of any size: `UNet`,
    and `Conv` and `ResNet` with ``flatten=False``.

    Parameters
    ----------
    images : list of arrays (H_i, W_i, C) or (H_i, W_i), or array (N, H, W, C)
        Pixels of uint8, or numbers, 0..1 for instance; they are copied. One that is smaller than a
        crop is extended by its mirror image.
    size : int or (int, int)
        Height and width of a crop.
    n : int, optional
        Crops in an epoch; by default as many as cover all images once.
    flip : bool
        Whether half of the crops are turned from right to left.
    turn : bool
        Whether they are in any of the eight positions that a square has: for images without an up
        and down.

    Returns
    -------
    Crops
        With ``len()`` and ``shape``.

    Raises
    ------
    TypeError, ValueError
        For something else than images, or of different numbers of channels.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> images = [rng.integers(0, 256, size, np.uint8) for size in ((50, 70, 3), (40, 33, 3))]
    >>> X = ae.data.crops(images, size=16)
    >>> X
    Crops of 2 images: 29 of shape (16, 16, 3)
    >>> noise = ae.GaussianNoise(0.1, clip=(0, 1))
    >>> model = ae.Autoencoder(ae.UNet((4, 8)), corruption=noise, epochs=1, random_state=0).fit(X)
    >>> [x.shape for x in model.reconstruct(images)]
    [(50, 70, 3), (40, 33, 3)]
    """
    return Crops(images, size, n, flip, turn)


def _several(images: Any) -> list[Any]:
    """Return images as a list; TypeError or ValueError for what isn't several."""
    if isinstance(images, (list, tuple)):
        found = list(images)
    elif getattr(images, "ndim", 0) == 4 or str(getattr(images, "dtype", "")) == "object":
        found = list(images)
    else:
        shape = getattr(images, "shape", None)
        got = type(images).__name__ if shape is None else f"an array of shape {shape}"
        raise TypeError(f"images: expected a list of images (H, W, C), got {got}")
    if not found:
        raise ValueError("images: expected at least one, got none")
    return found


def _image(x: Any, number: int) -> np.ndarray:
    """Return an image as an array of numbers (H, W, C)."""
    name = f"images: image {number}"
    with checks.expecting(f"{name}: expected numbers of shape (H, W, C)"):
        found = as_array(x)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected numbers, got an array of {found.dtype}")
    if found.ndim == 2:
        found = found[:, :, np.newaxis]
    if found.ndim != 3 or 0 in found.shape:
        raise ValueError(f"{name}: expected an image of shape (H, W, C), got {found.shape}")
    return found

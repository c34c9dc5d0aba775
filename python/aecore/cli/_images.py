"""Folders of pictures, read and written with Pillow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ._command import CommandError, require
from ._source import Reading

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
IN_MEMORY = 1 << 31  # bytes of pictures kept in training; larger sets are read again in each epoch
GREY = ("1", "L", "LA", "I", "I;16", "F")  # Pillow's modes without colour


class Images:
    """Pictures of one size, grey or in colour, as an array-like (N, H, W, 1 or 3) of uint8.

    Different sizes are an error, unless a size is asked for. There are three channels if a picture
    has colours, or as many as a fitted model takes. Transparency is left out.

    Parameters
    ----------
    folder : path
        Holds pictures, or a folder of pictures for each class.
    reading : Reading

    Attributes
    ----------
    paths : list of Path
        In alphabetical order.
    labels : ndarray of str, shape (N,), or None
        The names of the folders that the pictures are in.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, folder: str, reading: Reading) -> None:
        require("reading pictures", "cli", "PIL")
        self.root = root = Path(folder)
        self.paths = [p for p in sorted(root.rglob("*")) if p.suffix.lower() in SUFFIXES]
        if not self.paths:
            raise CommandError(f"{folder}: expected pictures ({', '.join(SUFFIXES)}), got none")
        nested = [p.parent != root for p in self.paths]
        self.labels = np.array([p.parent.name for p in self.paths]) if all(nested) else None
        like = reading.like
        grey = True
        size = reading.size
        for path in self.paths:
            with _open(path) as picture:
                grey &= picture.mode in GREY
                found = picture.height, picture.width
            size = size or ((like[0], like[1]) if like and len(like) == 3 else found)
            if reading.size is None and found != size:
                asked = "the others have" if reading.fitted is None else "the model was trained on"
                raise CommandError(
                    f"{path}: expected {size[0]}x{size[1]} pixels, which {asked}, got "
                    f"{found[0]}x{found[1]}; --size {size[0]}x{size[1]} resizes"
                )
        assert size is not None
        channels = like[2] if like is not None and len(like) == 3 else 1 if grey else 3
        self.shape = (len(self.paths), *size, channels)
        self.resize = reading.size is not None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: slice) -> np.ndarray:
        paths = self.paths[rows]
        out = np.empty((len(paths), *self.shape[1:]), np.uint8)
        for pixels, path in zip(out, paths, strict=True):
            pixels[...] = self._pixels(path)
        return out

    def _pixels(self, path: Path) -> np.ndarray:
        _, height, width, channels = self.shape
        with _open(path) as picture:
            try:
                if picture.mode in ("I", "I;16"):  # 16 bits, which Pillow would clip at 255
                    picture = picture.point(lambda v: v / 257).convert("L")
                picture = picture.convert("L" if channels == 1 else "RGB")
            except OSError as error:
                raise CommandError(f"{path}: {error}") from None
            if self.resize and picture.size != (width, height):
                picture = picture.resize((width, height))
            return np.asarray(picture).reshape(height, width, channels)

    def whole(self) -> Any:
        """Return all pictures in memory, or the array-like that reads them if they are too many."""
        return self[:] if np.prod(self.shape) <= IN_MEMORY else self

    def names(self) -> list[str]:
        """Return the path of each picture in the folder."""
        return [path.relative_to(self.root).as_posix() for path in self.paths]


def _open(path: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(path)
    except UnidentifiedImageError:
        raise CommandError(f"{path}: expected a picture that Pillow can read, got none") from None


def save_image(path: str | os.PathLike[str], sample: np.ndarray) -> None:
    """Write a sample (H, W, 1 or 3) of 0..1 as a picture."""
    from PIL import Image

    pixels = (np.clip(sample, 0, 1) * 255).round().astype(np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path)

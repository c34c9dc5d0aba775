"""Folders of pictures, read and written with Pillow."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..datasets._images import SUFFIXES, ImageFolder
from ._command import command_errors, require
from ._source import Reading

__all__ = ["IN_MEMORY", "SUFFIXES", "Images", "save_image"]


def __dir__() -> list[str]:
    return __all__


IN_MEMORY = 1 << 31  # bytes of pictures kept in training; larger sets are read again in each epoch


class Images(ImageFolder):
    """Pictures as `datasets.load_images` reads them, with the size and channels of a fitted model.

    Parameters
    ----------
    folder : path
    reading : Reading
    """

    def __init__(self, folder: str, reading: Reading) -> None:
        require("reading pictures", "cli", "PIL")
        like = reading.like if reading.like is not None and len(reading.like) == 3 else None
        with command_errors():
            super().__init__(
                folder,
                reading.size or (None if like is None else (like[0], like[1])),
                channels=None if like is None else like[2],
                bits=reading.bits,
                resizes="--size {}x{} resizes",
            )
        if self.others and reading.size is None:
            size = f"{self.shape[1]}x{self.shape[2]} pixels"
            text = f"{self.others} of {len(self)} pictures are resized to {size}"
            warnings.warn(f"{folder}: {text}", stacklevel=2)

    def __getitem__(self, rows: slice) -> np.ndarray:
        with command_errors():
            return super().__getitem__(rows)

    def whole(self) -> Any:
        """Return all pictures in memory, or the array-like that reads them if they are too many."""
        return self[:] if np.prod(self.shape) <= IN_MEMORY else self


def save_image(path: Any, sample: np.ndarray) -> None:
    """Write a sample (H, W, 1 or 3) of 0..1 as a picture."""
    from PIL import Image

    pixels = (np.clip(sample, 0, 1) * 255).round().astype(np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path)

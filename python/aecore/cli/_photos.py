"""Pictures of any size, depth and number of channels, read and written as they are.

Pixels are 0 to 1 in between. What a file has beside them stays: transparency, and the profile of
its colours. A picture that EXIF says is to be turned is written turned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..base import atomic
from ..datasets._images import DEPTHS, SUFFIXES, _is_grey, _opened, _pictures, _upright
from ._command import CommandError, command_errors

WRITTEN: dict[str, dict[str, Any]] = {  # how files that lose nothing, or little, are written
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".webp": {"lossless": True},
}


def find(path: str) -> tuple[list[Path], bool]:
    """Return the pictures at a path, and whether that is a folder."""
    place = Path(path)
    with command_errors():
        if place.is_dir():
            found = sorted(_pictures(place, ()))
            if not found:
                raise CommandError(f"{path}: expected pictures ({', '.join(SUFFIXES)}), got none")
            return found, True
        if not place.exists():
            raise CommandError(f"{path}: expected a picture or a folder of them, got no such file")
    return [place], False


class Photo:
    """A picture.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    pixels : ndarray of float32, shape (H, W, 1 or 3)
        0 to 1.
    bits : int
        Of a pixel in the file.
    alpha : ndarray of uint8, shape (H, W), or None
        How far it can't be seen through.
    """

    def __init__(self, path: Path) -> None:
        from PIL import Image

        with command_errors(), _opened(path) as picture:
            picture = _upright(picture)
            self._profile = picture.info.get("icc_profile")
            self.alpha: np.ndarray | None = None
            if picture.mode.startswith(("I", "F")):
                values = np.asarray(picture).astype(np.float64)
                self.bits, self._white = _depth(values, picture.mode, path)
            else:
                if "transparency" in picture.info or picture.mode in ("LA", "La", "RGBa", "PA"):
                    picture = picture.convert("LA" if _is_grey(picture) else "RGBA")
                grey = _is_grey(picture)
                if picture.mode in ("LA", "RGBA"):
                    self.alpha = np.asarray(picture)[..., -1].copy()
                if picture.mode == "LA":  # which Pillow makes black of where nothing is seen
                    picture = Image.fromarray(np.asarray(picture)[..., 0].copy())
                values = np.asarray(picture.convert("L" if grey else "RGB"))
                self.bits, self._white = 8, 255.0
        self.pixels = (values.reshape(*values.shape[:2], -1) / self._white).astype(np.float32)

    @property
    def kind(self) -> str:
        """Its size, colours and depth in words."""
        h, w, c = self.pixels.shape
        depth = "floats" if self.bits == 32 else f"{self.bits} bits"
        colours = "grey" if c == 1 else "colour"
        return f"{w} x {h}, {colours}{' with alpha' * (self.alpha is not None)}, {depth}"

    def save(self, path: Path, pixels: np.ndarray) -> None:
        """Write other pixels in its place, in the form that it has."""
        from PIL import Image

        pixels = np.clip(pixels, 0, 1)
        values = pixels[..., 0] if pixels.shape[2] == 1 else pixels
        if self.bits == 32:
            picture = Image.fromarray((values * self._white).astype(np.float32))
        else:
            kind = np.uint8 if self.bits == 8 else np.uint16
            picture = Image.fromarray(np.rint(values * self._white).astype(kind))
        if self.alpha is not None:
            picture.putalpha(Image.fromarray(self.alpha))
        how = WRITTEN.get(path.suffix.lower(), {})
        if self._profile:
            how = how | {"icc_profile": self._profile}
        form = Image.registered_extensions()[path.suffix.lower()]
        with command_errors(str(path)), atomic.replacing(path) as file:
            picture.save(file, format=form, **how)


def check_suffix(path: Path) -> None:
    """Raise CommandError for a file that isn't called as pictures are."""
    if path.suffix.lower() not in SUFFIXES:
        raise CommandError(f"{path}: expected a picture's suffix ({', '.join(SUFFIXES)})")


def written_as(path: Path) -> Path:
    """Return what a picture is called when it is written: gif has too few colours."""
    return path.with_suffix(".png") if path.suffix.lower() == ".gif" else path


def _depth(values: np.ndarray, mode: str, path: Path) -> tuple[int, float]:
    """Return the bits of pixels of integers or floats, and the value of white."""
    if not np.isfinite(values).all() or values.min() < 0:
        raise CommandError(f"{path}: expected pixels from 0 on, got others")
    most = float(values.max())
    if mode == "F":
        return 32, 1.0 if most <= 1 else 255.0 if most <= 255 else most
    bits = next((b for b in DEPTHS[1:] if most < 2**b), 0)
    if not bits:
        raise CommandError(f"{path}: expected pixels below {2 ** DEPTHS[-1]}, got {most:g}")
    return 16, 2.0**bits - 1

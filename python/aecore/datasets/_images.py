"""Folders of pictures, read with Pillow."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
GREY = ("1", "L", "LA", "La", "F")  # Pillow's modes without colour, beside I, I;16, ...
ORIENTATION = 0x0112  # EXIF's tag; from 5 on height and width change places
QUARTER_TURNS = range(5, 9)
DEPTHS = (8, 12, 16)  # bits of a pixel
RESIZES = (
    "size=({}, {}) resizes; a list of arrays, one a file, or the command aecore denoise keeps sizes"
)


class ImageFolder:
    """Pictures of one size, grey or in colour, as an array-like (N, H, W, 1 or 3) of uint8.

    Parameters
    ----------
    folder : path
    size : (int, int), optional
        To resize to, height and width; without, different sizes are an error.
    channels : {1, 3}, optional
        By default 3 if a picture has colours.
    bits : int, optional
        Of the pixels of pictures that have more than 8.
    resizes : str
        For messages: how a user asks for another size, or keeps those that there are.

    Attributes
    ----------
    paths : list of Path
        In alphabetical order, folder by folder.
    others : int
        How many pictures are of another size, and are resized.
    white : dict of str to float
        The value of white in pictures of more than 8 bits, by Pillow's mode.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int] | None = None,
        *,
        channels: int | None = None,
        bits: int | None = None,
        resizes: str = RESIZES,
    ) -> None:
        _require_pillow()
        self.root = root = Path(folder)
        self.paths = sorted(_pictures(root, ()))
        if not self.paths:
            raise ValueError(f"{root}: expected pictures ({', '.join(SUFFIXES)}), got none")
        self.resize, self.others = size is not None, 0
        found, grey, deep = size, True, []
        for path in self.paths:
            with _opened(path) as picture:
                grey = grey and _is_grey(picture)
                if picture.mode.startswith(("I", "F")):
                    deep.append(path)
                turned = picture.getexif().get(ORIENTATION) in QUARTER_TURNS
                width, height = reversed(picture.size) if turned else picture.size
            if found is None:
                found = height, width
            self.others += found != (height, width)
            if self.others and not self.resize:
                raise ValueError(
                    f"{path}: expected {found[0]}x{found[1]} pixels, which the others have, got "
                    f"{height}x{width}; {resizes.format(*found)}"
                )
        assert found is not None
        self.shape = (len(self.paths), *found, channels or (1 if grey else 3))
        self.white = self._white(deep, bits)

    def labels(self) -> NDArray[np.str_] | None:
        """Return the folder right below the root that each picture is in; None if some are not."""
        parts = [path.relative_to(self.root).parts for path in self.paths]
        stray = [p[0] for p in parts if len(p) == 1]
        if stray and len(stray) < len(parts):
            text = f"no labels are taken, as there are pictures beside the folders, {stray[0]}"
            warnings.warn(f"{self.root}: {text}", stacklevel=3)
        return None if stray else np.array([p[0] for p in parts])

    def _white(self, deep: list[Path], bits: int | None) -> dict[str, float]:
        """Return the value of white of pictures of integers and of floats, by Pillow's mode."""
        most = {"I": 0.0, "I;16": 0.0, "F": 0.0}
        first: dict[str, Path] = {}
        bytes_only = True  # bytes that were brought to 16 bits, which are multiples of 257
        for path in deep:
            pixels, mode = self._deep(path)
            first.setdefault(mode, path)
            if not np.isfinite(pixels).all() or pixels.min() < 0:
                raise ValueError(f"{path}: expected pixels from 0 on, got others")
            bytes_only &= mode == "F" or not (pixels % 257).any()
            most[mode] = max(most[mode], float(pixels.max()))
        white = {}
        for mode, path in first.items():
            if bits is not None and mode != "F":
                white[mode] = 2.0**bits - 1
            elif mode == "F":
                white[mode] = 1.0 if most[mode] <= 1 else 255.0
            else:
                least = 8 if mode == "I" else 16 if bytes_only else 12
                fits = [b for b in DEPTHS if b >= least and most[mode] < 2**b]
                white[mode] = 2.0 ** (fits[0] if fits else 16) - 1
                if fits and fits[0] == 12:
                    text = "values below 4096 are taken for 12 bits, unless bits says otherwise"
                    warnings.warn(f"{path}: {text}", stacklevel=4)
            if most[mode] > white[mode]:
                wanted = f"pixels up to {white[mode]:g}"
                raise ValueError(f"{path}: expected {wanted}, got one of {most[mode]:g} among such")
        return white

    def _deep(self, path: Path) -> tuple[NDArray[Any], str]:
        """Return the pixels of a picture of more than 8 bits, and its mode."""
        with _opened(path) as picture:
            mode = "I;16" if picture.mode.startswith("I;16") else picture.mode
            return np.asarray(_upright(picture)), mode

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        paths = self.paths[rows]
        out = np.empty((len(paths), *self.shape[1:]), np.uint8)
        for pixels, path in zip(out, paths, strict=True):
            pixels[...] = self._pixels(path)
        return out

    def _pixels(self, path: Path) -> NDArray[np.uint8]:
        from PIL import Image

        _, height, width, channels = self.shape
        with _opened(path) as picture:
            picture = _upright(picture)
            if picture.mode.startswith(("I", "F")):
                mode = "I;16" if picture.mode.startswith("I;16") else picture.mode
                values = np.asarray(picture).astype(np.float64) * (255 / self.white[mode])
                picture = Image.fromarray(np.rint(values).astype(np.uint8))
            if "transparency" in picture.info:
                picture = picture.convert("RGBA")
            picture = picture.convert("L" if channels == 1 else "RGB")
            if self.resize and picture.size != (width, height):
                picture = picture.resize((width, height))
            pixels = np.asarray(picture)
        if pixels.shape[:2] != (height, width):  # the file is another by now
            raise ValueError(f"{path}: expected {height}x{width} pixels, got {pixels.shape[:2]}")
        return pixels.reshape(height, width, channels)

    def names(self) -> list[str]:
        """Return the path of each picture in the folder."""
        return [path.relative_to(self.root).as_posix() for path in self.paths]


def _require_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "load_images: expected Pillow, which reads pictures, to be installed: "
            "pip install 'aecore[images]'"
        ) from error


def _pictures(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Yield the pictures in a folder and those below, but for what is hidden.

    Links are followed, unless they lead to a folder that they are in.
    """
    here = os.stat(folder)
    above = (*above, (here.st_dev, here.st_ino))
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = folder / entry.name
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        wanted = path.suffix.lower() in SUFFIXES
        try:
            status = entry.stat()
        except OSError as error:
            if wanted:
                raise ValueError(f"{path}: expected a picture, got {error.strerror}") from None
            continue
        if stat.S_ISDIR(status.st_mode):
            there = os.stat(path)  # Windows' entries have no numbers
            if (there.st_dev, there.st_ino) not in above:
                yield from _pictures(path, above)
        elif wanted and stat.S_ISREG(status.st_mode):
            yield path


class _opened:
    """Opens a picture; whatever Pillow raises is a ValueError that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Any:
        from PIL import Image, UnidentifiedImageError

        try:
            self.picture = Image.open(self.path)
        except UnidentifiedImageError:
            raise ValueError(
                f"{self.path}: expected a picture that Pillow can read, got none"
            ) from None
        except Exception as error:
            self._fail(error)
        return self.picture

    def __exit__(self, kind: Any, error: BaseException | None, tb: Any) -> None:
        self.picture.close()
        if isinstance(error, Exception):
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, MemoryError) or str(error).startswith(f"{self.path}: "):
            raise error
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(f"{self.path}: expected a whole picture: {text}") from error


def _is_grey(picture: Any) -> bool:
    if picture.mode == "P":
        colours = np.array(picture.getpalette("RGB")).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return picture.mode in GREY or picture.mode.startswith("I")


def _upright(picture: Any) -> Any:
    """Return a picture as EXIF says that it is to be looked at."""
    if picture.getexif().get(ORIENTATION, 1) == 1:
        return picture
    from PIL import ImageOps

    return ImageOps.exif_transpose(picture)

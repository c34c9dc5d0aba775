"""What to say of samples that aren't like those that a model was fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Sized = Callable[[Shape], bool]  # whether images of another size are taken, by the shape of one


def message(name: str, shape: Shape, like: Shape, sized: Sized | None = None) -> str:
    """Return what is wrong with samples of a shape (N, ...), where `like` is that of one in fit."""
    said = f"{name}: expected samples of shape {like}, as in fit, got {shape[1:]}"
    if shape == like:
        said += f"; one sample is {name}[None]"
    elif len(like) == 3 and (*shape[1:], 1) == like:
        said += f"; {name}[..., None] has the channel"
    if not _has_any_size(like, sized):
        return said
    expected = f"{name}: expected images (H, W, {like[2]}) of any size"
    if len(shape) == 3 and shape[2] == like[2]:
        return f"{expected}, got one of shape {shape}: put one image in a list, [x]"
    if len(shape) == 2:
        return f"{expected}, got an array of shape {shape}{_grey(like[2])}"
    if len(shape) == 3:
        return f"{expected}, got the shape {shape}{_grey(like[2])}"
    return said if shape[-1] == like[2] else f"{expected}, got {shape[1:]}"


def listed(name: str, X: Sequence[Any], like: Shape, sized: Sized | None = None) -> str:
    """Return what is wrong with a list of arrays where each was to be like one sample in fit."""
    odd = next((i for i, x in enumerate(X) if np.ndim(x) != len(like)), 0)
    shape = tuple(np.shape(X[odd]))
    if len(like) != 3:
        return f"{name}: expected samples of shape {like}, as in fit, got sequences"
    sample = f"{name}: sample {odd}: expected"
    if not _has_any_size(like, sized):
        return f"{sample} the shape {like}, as in fit, got {shape}"
    grey = _grey(like[2]) if len(shape) == 2 else ""
    return f"{sample} an image (H, W, {like[2]}) of any size, got the shape {shape}{grey}"


def _has_any_size(like: Shape, sized: Sized | None) -> bool:
    return len(like) == 3 and sized is not None and sized((2 * like[0], 2 * like[1], like[2]))


def _grey(channels: int) -> str:
    """Return how grey images are given to a model of so many channels, or to which."""
    if channels == 1:
        return "; a grey one is x[..., None]"
    return "; grey ones are x[..., None] for load_denoiser(1)" if channels == 3 else ""

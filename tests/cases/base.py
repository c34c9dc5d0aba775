"""What a case is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Sizes that meet the edges of vectors (4, 8, 16), tiles (6, 8, 12, 16, 24, 32) and loops.
SIZES = (0, 1, 2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 31, 33)


@dataclass(frozen=True)
class OpCase:
    """One operation of `aecore.functional` on inputs of one shape.

    Attributes
    ----------
    name : str
        Of the function and its twin; its backward is NAME_backward.
    inputs : callable
        Takes a Generator, returns the positional inputs as float32 (or integer) arrays or None.
    options : dict
        Keyword arguments, of forward and (but for `forward_only`) backward.
    differentiable : tuple of int
        Which inputs have a gradient, in the order that backward returns them.
    rtol, atol : float
        Of float32 against float64. Give atol in units of the result's typical size.
    forward_only : tuple of str
        Options that backward doesn't take.
    backward : bool
        Whether there is a NAME_backward.
    cached : callable, optional
        Extra positional arguments of backward behind the inputs, from (module, inputs, options).
    saved : callable, optional
        What backward takes in place of the inputs, from the same, where it isn't the inputs.
    flops : float
        Of the forward pass, for benchmarks.
    """

    name: str
    inputs: Callable[[np.random.Generator], tuple[Any, ...]]
    label: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    differentiable: tuple[int, ...] = (0,)
    rtol: float = 1e-5
    atol: float = 1e-5
    forward_only: tuple[str, ...] = ("activation",)
    backward: bool = True
    cached: Callable[..., tuple[Any, ...]] | None = None
    saved: Callable[..., tuple[Any, ...]] | None = None
    flops: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    def backward_options(self) -> dict[str, Any]:
        return {k: v for k, v in self.options.items() if k not in self.forward_only}


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Draw float32 values of a standard normal, scaled."""
    return (scale * rng.standard_normal(shape)).astype(np.float32)


GUARD = np.float32(-12345.678)


def guarded(shape):
    """Return an array between guard words, and the buffer."""
    buffer = np.full(int(np.prod(shape)) + 64, GUARD)
    return buffer[32 : buffer.size - 32].reshape(shape), buffer

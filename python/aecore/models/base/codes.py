"""Codes as `transform` gives them, and the points in code space that the decoder takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...base import checks
from ...nn.tape import Shape, Value
from ...training.network import Network


def read_codes(Z: Any, width: int) -> np.ndarray:
    """Check codes that a user passed; return them as float32 (N, width)."""
    Z = checks.array("Z", Z)
    if Z.ndim != 2 or Z.shape[1] != width:
        raise ValueError(f"Z: expected codes of shape (N, {width}), got {Z.shape}")
    return _finite(Z)


def _finite(Z: np.ndarray) -> np.ndarray:
    """Return codes as float32; TypeError or ValueError where they aren't finite numbers."""
    if Z.dtype.kind not in "biuf":
        raise TypeError(f"Z: expected numbers, got an array of {Z.dtype}")
    with np.errstate(over="ignore"):
        Z = np.ascontiguousarray(Z, np.float32)
    if not np.isfinite(Z).all():
        raise ValueError("Z: expected numbers finite in float32, got NaN, infinity or larger")
    return Z


class Codes:
    """Codes that are points in code space as they are.

    Parameters
    ----------
    network : Network
    shape : tuple of int
        Of a sample's code.
    """

    def __init__(self, network: Network, shape: Shape) -> None:
        self.network, self.shape = network, shape

    def of(self, z: Value) -> np.ndarray:
        """Return the codes (N, ...) of points."""
        return z.data

    def read(self, Z: Any) -> np.ndarray:
        """Check codes that a user passed."""
        return read_codes(Z, *self.shape)

    def lookup(self, codes: np.ndarray) -> np.ndarray:
        """Return the points that codes stand for, as the decoder takes them."""
        return codes

    def decode(self, z: Value, condition: Value | None) -> Value:
        """Return the decoder's output for points."""
        return self.network.decode(z, condition)


class Maps(Codes):
    """Codes that are maps of points (h, w, latent_dim), of any size."""

    def read(self, Z: Any) -> np.ndarray:
        """Check maps that a user passed; of those in fit, rows (N, h w latent_dim) will do."""
        Z = checks.array("Z", Z)
        if Z.ndim == 2 and Z.shape[1] == math.prod(self.shape):
            Z = Z.reshape(len(Z), *self.shape)
        if Z.ndim != 4 or Z.shape[3] != self.shape[2] or 0 in Z.shape[1:]:
            width = self.shape[2]
            raise ValueError(f"Z: expected maps of shape (N, h, w, {width}), got {Z.shape}")
        return _finite(Z)


class NoCodes(Codes):
    """What stands for codes where the architecture makes none: a `UNet`."""

    def of(self, z: Value) -> np.ndarray:
        """Raise ValueError."""
        raise no_codes("transform")

    def read(self, Z: Any) -> np.ndarray:
        """Raise ValueError."""
        raise no_codes("inverse_transform")


def no_codes(method: str) -> ValueError:
    """Return what to raise where a method is about codes, and there are none."""
    return ValueError(
        f"{method}: expected a model with a code, got one whose architecture goes from image to "
        "image; reconstruct gives what it makes of samples"
    )

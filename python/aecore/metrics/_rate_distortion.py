"""The rate of a lossy compression, and its distortion."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..base import checks


class RateDistortion(NamedTuple):
    """The rate and the distortion of a lossy compression.

    Attributes
    ----------
    bits_per_sample : float
    bits_per_pixel : float
        For images (N, H, W, C) over H W, otherwise over all the values of a sample.
    mse : float
        Mean squared difference of a value.
    psnr : float
        Peak signal-to-noise ratio in decibels, infinite without any difference.
    """

    bits_per_sample: float
    bits_per_pixel: float
    mse: float
    psnr: float


def rate_distortion(
    X: ArrayLike, decoded: ArrayLike, data: Any, *, peak: float = 1.0
) -> RateDistortion:
    r"""Measure the rate and the distortion of a lossy compression.

    .. math:: R = \frac{8\, |\text{data}|}{N}, \qquad
        \mathrm{PSNR} = 10 \log_{10} \frac{\text{peak}^2}{\mathrm{MSE}}

    Parameters
    ----------
    X : array-like (N, ...)
        Samples; uint8 is scaled to 0..1, as `fit` does.
    decoded : array-like, the shape of X
        The decompressed samples, scaled alike: ``ae.decompress(model, data)``.
    data : bytes or int
        The compressed bytes, or their number.
    peak : float, default 1.0
        The range of the samples' values, after scaling.

    Returns
    -------
    RateDistortion
        ``bits_per_sample``, ``bits_per_pixel``, ``mse`` and ``psnr``.

    Raises
    ------
    TypeError, ValueError
        A dtype or shape does not fit, a value is not finite, or the peak is not positive.

    References
    ----------
    C. Shannon, "Coding theorems for a discrete source with a fidelity criterion", IRE National
    Convention Record 4, 1959.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.zeros((10, 4, 4, 1), np.uint8)
    >>> decoded = np.full((10, 4, 4, 1), 0.5)
    >>> found = rate_distortion(X, decoded, bytes(20))
    >>> found.bits_per_sample, found.bits_per_pixel, found.mse, round(found.psnr, 3)
    (16.0, 1.0, 0.25, 6.021)
    """
    size = _count_bytes(data)
    peak = checks.real("peak", peak, above=True)
    A, B = _scaled("X", X), _scaled("decoded", decoded)
    if np.shape(X) != np.shape(decoded):
        raise ValueError(
            f"X and decoded: expected the same shape, got {np.shape(X)} and {np.shape(decoded)}"
        )
    mse = float(np.square(A - B).mean())
    shape = np.shape(X)
    pixels = shape[1] * shape[2] if len(shape) == 4 else A.shape[1]
    with np.errstate(divide="ignore"):
        psnr = float(10 * np.log10(peak**2 / np.float64(mse)))
    bits = 8 * size / len(A)
    return RateDistortion(bits, bits / pixels, mse, psnr)


def _scaled(name: str, values: ArrayLike) -> checks.Floats:
    """Check samples and return them as (N, D) float64, bytes that aren't 0 and 1 scaled to 0..1."""
    X = checks.samples(name, values)
    return X / 255 if np.asarray(values).dtype == np.uint8 and X.max() > 1 else X


def _count_bytes(data: Any) -> int:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return memoryview(data).nbytes
    if not checks.is_integer(data):
        raise TypeError(f"data: expected bytes or a number of them, got {data!r}")
    return checks.integer("data", data)

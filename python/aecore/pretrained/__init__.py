"""Models that come with the package, trained beforehand by `tools/denoiser.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..files.load import load

__all__ = ["load_denoiser"]

DENOISER = Path(__file__).with_name("denoiser.safetensors")


def load_denoiser() -> Any:
    """Return a small network that takes noise out of photographs, trained beforehand.

    It is an `Autoencoder` of a `UNet`, for images (N, H, W, 3) of any size, as uint8 or 0..1, and
    for normal noise of a deviation of 0.02 to 0.2 that nobody tells it, the same or another one in
    each channel. A grey image goes in three times over, and the mean of the channels comes out. To
    make it better at photographs of one kind, train it on: ``set_params(warm_start=True)`` and
    `fit`, or begin afresh with `aecore.data.crops` and the noise that there is.

    Returns
    -------
    Autoencoder
        A new one at each call.

    Notes
    -----
    Its 129,059 weights are rounded to bfloat16. The training images are CIFAR-10's, and nine of
    scikit-image's photographs and textures.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> model = ae.load_denoiser()
    >>> clean = np.full((1, 40, 50, 3), 0.5, np.float32)
    >>> noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    >>> bool(np.square(model.reconstruct(noisy) - clean).mean() < 0.1 * 0.1**2)
    True
    """
    return load(DENOISER)

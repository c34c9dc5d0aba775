"""Models that come with the package, trained beforehand by `tools/denoiser.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..base import checks
from ..files.load import load

__all__ = ["load_denoiser"]


def __dir__() -> list[str]:
    return __all__


_HERE = Path(__file__).parent
FILES = {3: _HERE / "denoiser-colour.safetensors", 1: _HERE / "denoiser-grey.safetensors"}


def load_denoiser(channels: int = 3) -> Any:
    """Return a small network that takes noise out of photographs, trained beforehand.

    It is an `Autoencoder` of a `UNet`, for images (N, H, W, channels) of any size, as uint8 or
    0..1, and for normal noise of a deviation of 0.02 to 0.2 that nobody tells it, another one in
    each channel. To make it better at photographs of one kind, go on with it:
    ``set_params(warm_start=True)`` and `fit` on `aecore.data.crops` of them.

    Parameters
    ----------
    channels : {3, 1}
        Whether images are in colour or grey.

    Returns
    -------
    Autoencoder
        A new one at each call.

    Notes
    -----
    Its weights, 129,059 for colours and 15,324 for grey, are rounded to bfloat16. The training
    images are CIFAR-10's, and nine of scikit-image's photographs and textures.

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
    if checks.integer("channels", channels, 1) not in FILES:
        raise ValueError(f"channels: expected 3 or 1, got {channels}")
    return load(FILES[int(channels)])

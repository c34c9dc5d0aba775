"""The gated PixelCNN: its network, and the sampler that walks over maps."""

from .network import GatedBlock, GatedPixelCNN

__all__ = ["GatedBlock", "GatedPixelCNN"]


def __dir__() -> list[str]:
    return __all__

"""Stacks of layers that are trained one by one, and what is built on them."""

from .recirculation import Recirculation
from .stacked import SoftmaxClassifier, StackedAutoencoder, StackedFeatures

__all__ = ["Recirculation", "SoftmaxClassifier", "StackedAutoencoder", "StackedFeatures"]


def __dir__() -> list[str]:
    return __all__

"""Models whose codes form clusters."""

from .model import DeepClustering

__all__ = ["DeepClustering"]


def __dir__() -> list[str]:
    return __all__

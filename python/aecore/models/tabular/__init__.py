"""Models of tables with columns of different kinds."""

from .clustering import TabularClustering
from .tabular import TabularAutoencoder, TabularVAE

__all__ = ["TabularAutoencoder", "TabularClustering", "TabularVAE"]


def __dir__() -> list[str]:
    return __all__

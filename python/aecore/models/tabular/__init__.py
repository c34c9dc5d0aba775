"""Models of tables with columns of different kinds."""

from .tabular import TabularAutoencoder, TabularClustering, TabularVAE

__all__ = ["TabularAutoencoder", "TabularClustering", "TabularVAE"]


def __dir__() -> list[str]:
    return __all__

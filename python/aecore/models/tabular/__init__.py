"""Models of tables with columns of different kinds."""

from .tabular import TabularAutoencoder, TabularVAE

__all__ = ["TabularAutoencoder", "TabularVAE"]


def __dir__() -> list[str]:
    return __all__

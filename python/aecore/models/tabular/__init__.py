"""Models of tables with columns of different kinds."""

from .tabular import TabularAutoencoder, TabularVAE

__all__ = ["TabularAutoencoder", "TabularVAE"]

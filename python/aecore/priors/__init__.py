"""Priors: distributions over code space, from which any model can generate samples."""

from .base import Prior
from .mixture import GaussianMixture
from .normal import Normal
from .realnvp import RealNVP
from .vamp import VampPrior

__all__ = ["GaussianMixture", "Normal", "Prior", "RealNVP", "VampPrior"]


def __dir__() -> list[str]:
    return __all__

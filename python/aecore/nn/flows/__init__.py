"""Normalizing flows: invertible maps of codes, with the logarithm of their Jacobian determinant."""

from .autoregressive import InverseAutoregressive
from .base import Chain, Flow
from .coupling import AffineCoupling
from .masked import MADE, MaskedLinear
from .planar import Planar

__all__ = [
    "MADE",
    "AffineCoupling",
    "Chain",
    "Flow",
    "InverseAutoregressive",
    "MaskedLinear",
    "Planar",
]


def __dir__() -> list[str]:
    return __all__

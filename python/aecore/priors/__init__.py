"""What codes are drawn from: distributions over code space that make a sampler of any model."""

from .base import Prior
from .mixture import GaussianMixture
from .normal import Normal

__all__ = ["GaussianMixture", "Normal", "Prior"]

"""One table of cases for every operation: it drives parity, gradients, contracts and benchmarks."""

from .activation import CASES as ACTIVATION
from .attention import CASES as ATTENTION
from .base import OpCase
from .convolution import CASES as CONVOLUTION
from .gated import CASES as GATED
from .latent import CASES as LATENT
from .linear import CASES as LINEAR
from .loss import CASES as LOSS
from .lstm import CASES as LSTM
from .norm import CASES as NORM
from .pool import CASES as POOL
from .quantize import CASES as QUANTIZE
from .random import CASES as RANDOM

CASES: list[OpCase] = [
    *ACTIVATION,
    *ATTENTION,
    *CONVOLUTION,
    *GATED,
    *LATENT,
    *LINEAR,
    *LOSS,
    *LSTM,
    *NORM,
    *POOL,
    *QUANTIZE,
    *RANDOM,
]

__all__ = ["CASES", "OpCase"]

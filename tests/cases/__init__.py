"""One table of cases for every operation: it drives parity, gradients, contracts and benchmarks."""

from .activation import CASES as ACTIVATION
from .base import OpCase
from .convolution import CASES as CONVOLUTION
from .linear import CASES as LINEAR
from .pool import CASES as POOL
from .random import CASES as RANDOM

CASES: list[OpCase] = [*ACTIVATION, *CONVOLUTION, *LINEAR, *POOL, *RANDOM]

__all__ = ["CASES", "OpCase"]

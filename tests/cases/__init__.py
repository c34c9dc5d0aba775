"""One table of cases for every operation: it drives parity, gradients, contracts and benchmarks."""

from .base import OpCase
from .convolution import CASES as CONVOLUTION
from .linear import CASES as LINEAR
from .random import CASES as RANDOM

CASES: list[OpCase] = [*CONVOLUTION, *LINEAR, *RANDOM]

__all__ = ["CASES", "OpCase"]

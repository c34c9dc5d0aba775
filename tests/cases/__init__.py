"""One table of cases for every operation: it drives parity, gradients, contracts and benchmarks."""

from .base import OpCase
from .convolution import CASES as CONVOLUTION
from .linear import CASES as LINEAR

CASES: list[OpCase] = [*CONVOLUTION, *LINEAR]

__all__ = ["CASES", "OpCase"]

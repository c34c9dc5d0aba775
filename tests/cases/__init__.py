"""One table of cases for every operation: it drives parity, gradients, contracts and benchmarks."""

from .base import OpCase
from .linear import CASES as LINEAR

CASES: list[OpCase] = [*LINEAR]

__all__ = ["CASES", "OpCase"]

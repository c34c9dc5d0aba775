"""The ops: each states its shape rule, both passes, its cost, and its form in ONNX.

What NumPy's operators and functions do with values is in `elementwise`, `shapes`, `reductions` and
`matmul`; the rest are the core's kernels.
"""

from . import elementwise, matmul, reductions, shapes

__all__ = ["elementwise", "matmul", "reductions", "shapes"]


def __dir__() -> list[str]:
    return __all__

"""Models for other programs: as ONNX files, and as weights in PyTorch's names and layouts."""

from ._onnx import to_onnx
from ._torch import from_torch, to_torch

__all__ = ["from_torch", "to_onnx", "to_torch"]


def __dir__() -> list[str]:
    return __all__

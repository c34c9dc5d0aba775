"""Models for other programs: as ONNX files, and as weights of PyTorch's layers."""

from ._onnx import to_onnx

__all__ = ["to_onnx"]

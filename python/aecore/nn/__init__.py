"""Layers with forward and backward passes, whose parameters are views of one flat buffer."""

from .containers import Sequential
from .linear import Linear
from .module import Flat, Module, Parameter

__all__ = ["Flat", "Linear", "Module", "Parameter", "Sequential"]

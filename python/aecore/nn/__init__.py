"""Layers with forward and backward passes, whose parameters are views of one flat buffer."""

from .activation import Activation
from .containers import EachStep, Residual, Sequential
from .convolution import Conv2d, ConvTranspose2d
from .dropout import Dropout
from .linear import Linear, TiedLinear
from .module import Flat, Module, Parameter
from .norm import BatchNorm2d, GroupNorm, LayerNorm
from .pooling import MaxPool2d, Upsample2d
from .quantizer import VectorQuantizer
from .recurrent import LSTM
from .shape import Flatten, Reshape

__all__ = [
    "LSTM",
    "Activation",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "EachStep",
    "Flat",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "MaxPool2d",
    "Module",
    "Parameter",
    "Reshape",
    "Residual",
    "Sequential",
    "TiedLinear",
    "Upsample2d",
    "VectorQuantizer",
]

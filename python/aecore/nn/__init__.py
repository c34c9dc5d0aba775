"""Layers with forward and backward passes, whose parameters are views of one flat buffer."""

from .activation import Activation
from .attention import MultiHeadAttention, TransformerBlock
from .containers import Residual, Sequential
from .convolution import Conv2d, ConvTranspose2d, TiedConvTranspose2d
from .dropout import Dropout
from .feedback import FedBack
from .linear import Linear, TiedLinear
from .module import Flat, Module, Parameter
from .norm import BatchNorm2d, GroupNorm, LayerNorm
from .pixelcnn.masked import MaskedConv2d
from .pooling import MaxPool2d, Upsample2d
from .quantize.residual import ResidualQuantizer
from .quantize.scalar import FiniteScalarQuantizer
from .quantize.vector import VectorQuantizer
from .recurrent import LSTM
from .shape import Flatten, Reshape
from .steps import EachStep, MeanSteps, Positions

__all__ = [
    "LSTM",
    "Activation",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "EachStep",
    "FedBack",
    "FiniteScalarQuantizer",
    "Flat",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "MaskedConv2d",
    "MaxPool2d",
    "MeanSteps",
    "Module",
    "MultiHeadAttention",
    "Parameter",
    "Positions",
    "Reshape",
    "Residual",
    "ResidualQuantizer",
    "Sequential",
    "TiedConvTranspose2d",
    "TiedLinear",
    "TransformerBlock",
    "Upsample2d",
    "VectorQuantizer",
]

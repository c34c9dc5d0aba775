"""Layers: parameters and a forward pass. What they compute is differentiated by a tape."""

from ..base.hints import hint as _hint
from ..base.hints import no_attribute as _no_attribute
from .activation import Activation
from .attention import MultiHeadAttention, TransformerBlock
from .containers import Residual, Sequential, SkipConcat, TimeDistributed
from .convolution import Conv2d, ConvTranspose2d, TiedConvTranspose2d
from .convolution1d import Conv1d, ConvTranspose1d, TiedConvTranspose1d
from .dropout import Dropout
from .gradients import check_gradients
from .linear import Linear, TiedLinear
from .module import Flat, Module
from .norm import BatchNorm2d, GroupNorm, LayerNorm
from .parameter import Parameter
from .pixelcnn.masked import MaskedConv2d
from .pooling import MaxPool2d, PixelShuffle, PixelUnshuffle, Upsample2d
from .quantize.grouped import GroupedQuantizer
from .quantize.residual import ResidualQuantizer
from .quantize.scalar import FiniteScalarQuantizer
from .quantize.signs import LookupFreeQuantizer
from .quantize.vector import VectorQuantizer
from .recurrent import GRU, LSTM, AutoregressiveLSTM
from .shape import Flatten, Reshape
from .sizes import CropToInput, PadToMultiple
from .steps import MeanPool1d, PositionalEmbedding
from .tape import Tape, Value

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "AutoregressiveLSTM",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CropToInput",
    "Dropout",
    "FiniteScalarQuantizer",
    "Flat",
    "Flatten",
    "GroupNorm",
    "GroupedQuantizer",
    "LayerNorm",
    "Linear",
    "LookupFreeQuantizer",
    "MaskedConv2d",
    "MaxPool2d",
    "MeanPool1d",
    "Module",
    "MultiHeadAttention",
    "PadToMultiple",
    "Parameter",
    "PixelShuffle",
    "PixelUnshuffle",
    "PositionalEmbedding",
    "Reshape",
    "Residual",
    "ResidualQuantizer",
    "Sequential",
    "SkipConcat",
    "Tape",
    "TiedConvTranspose1d",
    "TiedConvTranspose2d",
    "TiedLinear",
    "TimeDistributed",
    "TransformerBlock",
    "Upsample2d",
    "Value",
    "VectorQuantizer",
    "check_gradients",
]


def __dir__() -> list[str]:
    return __all__


OLD_NAMES = {
    "EachStep": "TimeDistributed",
    "FedBack": "AutoregressiveLSTM",
    "MeanSteps": "MeanPool1d",
    "Positions": "PositionalEmbedding",
}


def __getattr__(name: str) -> object:
    if name in OLD_NAMES:
        import warnings

        new = OLD_NAMES[name]
        text = f"aecore.nn.{name} is now called {new}; the old name will go"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return globals()[new]
    meant = "" if name.startswith("_") else _hint(name, __all__, {})
    raise _no_attribute(f"module {__name__!r}", name, meant)

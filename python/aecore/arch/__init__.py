"""Architectures: what builds an encoder and its mirrored decoder for samples of any shape."""

from .base import Arch, Code
from .build import build_network
from .conv import Conv
from .dense import Dense
from .lstm import GRU, LSTM
from .resnet import ResNet
from .transformer import Transformer
from .unet import UNet

__all__ = [
    "GRU",
    "LSTM",
    "Arch",
    "Code",
    "Conv",
    "Dense",
    "ResNet",
    "Transformer",
    "UNet",
    "build_network",
]


def __dir__() -> list[str]:
    return __all__

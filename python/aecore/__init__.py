"""aecore: autoencoders for NumPy, with a C core."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from . import _openmp as _openmp  # first: it loads the core
from . import functional, nn
from ._core import after_fork as _after_fork
from ._core import build_info, get_num_threads, set_num_threads
from .arch import LSTM, Conv, Dense, ResNet, Transformer
from .corruption import GaussianNoise, Masking, SaltAndPepper, SwapNoise
from .divergences import MMD, TotalCorrelation
from .io import load
from .models import (
    CVAE,
    GAN,
    VAE,
    VQVAE,
    AdversarialAutoencoder,
    AnomalyDetector,
    Autoencoder,
    PixelCNN,
    Recirculation,
    SoftmaxClassifier,
    StackedAutoencoder,
    StackedFeatures,
    TabularAutoencoder,
    TabularVAE,
)
from .penalties import Contractive, KLSparsity, L1Sparsity, TopK
from .priors import GaussianMixture, Normal
from .training import SGD, Adam, AdamW, Constant, Cosine, Step, TrainingState, Warmup

__version__ = "0.1.0"

__all__ = [
    "CVAE",
    "GAN",
    "LSTM",
    "MMD",
    "SGD",
    "VAE",
    "VQVAE",
    "Adam",
    "AdamW",
    "AdversarialAutoencoder",
    "AnomalyDetector",
    "Autoencoder",
    "Constant",
    "Contractive",
    "Conv",
    "Cosine",
    "Dense",
    "GaussianMixture",
    "GaussianNoise",
    "KLSparsity",
    "L1Sparsity",
    "Masking",
    "Normal",
    "Recirculation",
    "PixelCNN",
    "ResNet",
    "SaltAndPepper",
    "SoftmaxClassifier",
    "StackedAutoencoder",
    "StackedFeatures",
    "Step",
    "SwapNoise",
    "TabularAutoencoder",
    "TabularVAE",
    "TopK",
    "TotalCorrelation",
    "TrainingState",
    "Transformer",
    "Warmup",
    "build_info",
    "datasets",
    "functional",
    "get_num_threads",
    "load",
    "metrics",
    "nn",
    "plot",
    "set_num_threads",
]

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)  # OpenMP may hang in a forked child


def __getattr__(name: str) -> ModuleType:
    if name in ("datasets", "metrics", "plot"):  # imported when they are used
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""aecore: autoencoders for NumPy, with a C core."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from . import _load as _load  # first: it loads the core
from . import data, functional, nn
from ._core import after_fork as _after_fork
from ._core import build_info, get_num_threads, set_num_threads
from .arch import GRU, LSTM, Conv, Dense, ResNet, Transformer, UNet
from .base import moved
from .base.hints import CLASSES as _CLASSES
from .base.hints import hint as _hint
from .base.hints import no_attribute as _no_attribute
from .data.corruption import Blocks, GaussianNoise, Masking, SaltAndPepper, SwapNoise
from .data.tables.constraints import Ordered, SumTo
from .divergences import MMD, TotalCorrelation
from .files.load import load
from .flows import InverseAutoregressiveFlow, PlanarFlow
from .models import (
    CVAE,
    GAN,
    VAE,
    VQVAE,
    AdversarialAutoencoder,
    AnomalyDetector,
    Autoencoder,
    DeepClustering,
    PixelCNN,
    Recirculation,
    SeriesDetector,
    SoftmaxClassifier,
    StackedAutoencoder,
    StackedFeatures,
    TabularAutoencoder,
    TabularClustering,
    TabularVAE,
)
from .penalties import Contractive, KLSparsity, L1Sparsity, TopK
from .priors import GaussianMixture, Normal, RealNVP, VampPrior
from .training import (
    SGD,
    Adam,
    AdamW,
    Checkpoint,
    Constant,
    Cosine,
    Plateau,
    Step,
    TrainingState,
    Warmup,
)

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import callbacks, datasets, metrics, plot
    from . import compression as compression
    from . import distributed as distributed
    from . import exchange as exchange
    from . import profiling as profiling
    from . import tuning as tuning
    from .compression import compress, decompress
    from .data.open import open_rows
    from .data.series import windows
    from .exchange import from_torch, to_onnx, to_torch
    from .pretrained import load_denoiser
    from .profiling import Profile, ProfileRow, profile
    from .tuning import ClusterCounts, LearningRates, choose_clusters, find_learning_rate

__all__ = [
    "CVAE",
    "GAN",
    "GRU",
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
    "Blocks",
    "Checkpoint",
    "ClusterCounts",
    "Constant",
    "Contractive",
    "Conv",
    "Cosine",
    "DeepClustering",
    "Dense",
    "GaussianMixture",
    "GaussianNoise",
    "InverseAutoregressiveFlow",
    "KLSparsity",
    "L1Sparsity",
    "LearningRates",
    "Masking",
    "Normal",
    "Ordered",
    "Recirculation",
    "PixelCNN",
    "PlanarFlow",
    "Plateau",
    "Profile",
    "ProfileRow",
    "RealNVP",
    "ResNet",
    "SaltAndPepper",
    "SeriesDetector",
    "SoftmaxClassifier",
    "StackedAutoencoder",
    "StackedFeatures",
    "Step",
    "SumTo",
    "SwapNoise",
    "TabularAutoencoder",
    "TabularClustering",
    "TabularVAE",
    "TopK",
    "TotalCorrelation",
    "TrainingState",
    "Transformer",
    "UNet",
    "VampPrior",
    "Warmup",
    "build_info",
    "callbacks",
    "choose_clusters",
    "compress",
    "data",
    "datasets",
    "decompress",
    "distributed",
    "find_learning_rate",
    "from_torch",
    "functional",
    "get_num_threads",
    "load",
    "load_denoiser",
    "metrics",
    "nn",
    "open_rows",
    "plot",
    "profile",
    "set_num_threads",
    "to_onnx",
    "to_torch",
    "windows",
]

moved.install()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


_LATER = {  # imported when they are used: names and where they are
    "callbacks": "",
    "compression": "",
    "datasets": "",
    "distributed": "",
    "exchange": "",
    "metrics": "",
    "plot": "",
    "profiling": "",
    "tuning": "",
    "ClusterCounts": "tuning",
    "LearningRates": "tuning",
    "choose_clusters": "tuning",
    "Profile": "profiling",
    "ProfileRow": "profiling",
    "compress": "compression",
    "decompress": "compression",
    "find_learning_rate": "tuning",
    "from_torch": "exchange",
    "load_denoiser": "pretrained",
    "open_rows": "data.open",
    "profile": "profiling",
    "to_onnx": "exchange",
    "to_torch": "exchange",
    "windows": "data.series",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        meant = f"; did you mean nn.{name}?" if name in nn.__all__ else ""
        if not meant and not name.startswith("_"):
            meant = _hint(name, __all__, _CLASSES)
        raise _no_attribute(f"module {__name__!r}", name, meant)
    place = _LATER[name]
    module = importlib.import_module(f"{__name__}.{place or name}")
    value = globals()[name] = getattr(module, name) if place else module
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

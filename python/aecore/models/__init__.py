"""The objectives: estimators in the manner of scikit-learn."""

from .autoencoder import Autoencoder
from .classifier import SoftmaxClassifier
from .cvae import CVAE
from .pixelcnn import PixelCNN
from .recirculation import Recirculation
from .stacked import StackedAutoencoder, StackedFeatures
from .vae import VAE
from .vqvae import VQVAE

__all__ = [
    "CVAE",
    "VAE",
    "VQVAE",
    "Autoencoder",
    "PixelCNN",
    "Recirculation",
    "SoftmaxClassifier",
    "StackedAutoencoder",
    "StackedFeatures",
]

"""The objectives: estimators in the manner of scikit-learn."""

from ._rates import LearningRates, find_learning_rate
from .aae import AdversarialAutoencoder
from .autoencoder import Autoencoder
from .classifier import SoftmaxClassifier
from .cvae import CVAE
from .detector import AnomalyDetector
from .gan import GAN
from .pixelcnn import PixelCNN
from .recirculation import Recirculation
from .stacked import StackedAutoencoder, StackedFeatures
from .tabular import TabularAutoencoder, TabularVAE
from .vae import VAE
from .vqvae import VQVAE

__all__ = [
    "CVAE",
    "GAN",
    "VAE",
    "VQVAE",
    "AdversarialAutoencoder",
    "AnomalyDetector",
    "Autoencoder",
    "LearningRates",
    "PixelCNN",
    "Recirculation",
    "SoftmaxClassifier",
    "StackedAutoencoder",
    "StackedFeatures",
    "TabularAutoencoder",
    "TabularVAE",
    "find_learning_rate",
]

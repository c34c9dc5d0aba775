"""The objectives: estimators in the manner of scikit-learn."""

from .adversarial.aae import AdversarialAutoencoder
from .adversarial.gan import GAN
from .autoencoder import Autoencoder
from .clustering.model import DeepClustering
from .detection.detector import AnomalyDetector
from .quantized.pixelcnn import PixelCNN
from .quantized.vqvae import VQVAE
from .series import SeriesDetector
from .stacked.recirculation import Recirculation
from .stacked.stacked import SoftmaxClassifier, StackedAutoencoder, StackedFeatures
from .tabular.clustering import TabularClustering
from .tabular.tabular import TabularAutoencoder, TabularVAE
from .variational.cvae import CVAE
from .variational.vae import VAE

__all__ = [
    "CVAE",
    "GAN",
    "VAE",
    "VQVAE",
    "AdversarialAutoencoder",
    "AnomalyDetector",
    "Autoencoder",
    "DeepClustering",
    "PixelCNN",
    "Recirculation",
    "SeriesDetector",
    "SoftmaxClassifier",
    "StackedAutoencoder",
    "StackedFeatures",
    "TabularAutoencoder",
    "TabularClustering",
    "TabularVAE",
]


def __dir__() -> list[str]:
    return __all__

"""The objectives: estimators in the manner of scikit-learn."""

from .autoencoder import Autoencoder
from .cvae import CVAE
from .pixelcnn import PixelCNN
from .vae import VAE
from .vqvae import VQVAE

__all__ = ["CVAE", "VAE", "VQVAE", "Autoencoder", "PixelCNN"]

"""The objectives: estimators in the manner of scikit-learn."""

from .aae import AdversarialAutoencoder
from .autoencoder import Autoencoder
from .cvae import CVAE
from .gan import GAN
from .vae import VAE
from .vqvae import VQVAE

__all__ = ["CVAE", "GAN", "VAE", "VQVAE", "AdversarialAutoencoder", "Autoencoder"]

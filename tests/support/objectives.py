"""Models of every objective, to be trained on a few images with labels."""

import math

import aecore as ae
import numpy as np


def nets(flat, outputs, shape):
    """Return an encoder of images with 2 channels, and a decoder of 3 codes to a shape.

    `flat` is how many values the convolution leaves of an image.
    """
    encoder = ae.nn.Sequential(
        ae.nn.Conv2d(2, 4, 3, 2, 1),
        ae.nn.BatchNorm2d(4),
        ae.nn.Activation("gelu"),
        ae.nn.Flatten(),
        ae.nn.Dropout(0.2),
        ae.nn.Linear(flat, outputs),
    )
    first, last = ae.nn.Linear(3, 8, activation="relu"), ae.nn.Linear(8, math.prod(shape))
    return encoder, ae.nn.Sequential(first, last, ae.nn.Reshape(shape))


NETS = nets(64, 3, (8, 8, 2))

OBJECTIVES = {
    "denoising": lambda **k: ae.Autoencoder(
        ae.Dense((8,)), 3, corruption=ae.GaussianNoise(0.1), **k
    ),
    "stack": lambda **k: ae.StackedAutoencoder(
        ae.Dense((8, 6), "sigmoid"),
        3,
        pretrain_epochs=2,
        corruption=(ae.Masking(0.1), None, ae.GaussianNoise(0.1)),
        **k,
    ),
    "recirculation": lambda **k: ae.Recirculation(6, loss="bce", **k),
    "own modules": lambda **k: ae.Autoencoder(NETS, 3, corruption=ae.Masking(0.1), **k),
    "clusters": lambda **k: ae.DeepClustering(
        3, ae.Conv((4,)), 3, corruption=ae.GaussianNoise(0.1), pretrain_epochs=1, tol=0, **k
    ),
    "vae": lambda **k: ae.VAE(
        ae.Conv((4,)), 3, kl_warmup=3, loss="bce", schedule=ae.Warmup(2) * ae.Cosine(5), **k
    ),
    "cvae": lambda **k: ae.CVAE(ae.Dense((8,)), 3, optimizer="adamw", weight_decay=0.01, **k),
    "vqvae": lambda **k: ae.VQVAE(ae.ResNet(8, 4, 1), 32, 4, ema_decay=0.9, **k),
    "vqvae loss": lambda **k: ae.VQVAE(
        ae.Dense((8,)), 32, 4, codebook="loss", optimizer="sgd", learning_rate=1e-4, **k
    ),
    "vqvae residual": lambda **k: ae.VQVAE(ae.Conv((8,)), 32, 4, quantizers=3, ema_decay=0.9, **k),
    "vqvae residual loss": lambda **k: ae.VQVAE(
        ae.ResNet(8, 4, 1), 32, 4, quantizers=2, codebook="loss", codebook_init="normal", **k
    ),
    "vqvae cosine": lambda **k: ae.VQVAE(
        ae.ResNet(8, 4, 1), 32, 4, distance="cosine", ema_decay=0.9, **k
    ),
    "vqvae cosine loss": lambda **k: ae.VQVAE(
        ae.Dense((8,)), 32, 4, distance="cosine", codebook="loss", **k
    ),
    "vqvae levels": lambda **k: ae.VQVAE(ae.ResNet(8, 4, 1), levels=(4, 3, 5), **k),
    "vqvae rotation": lambda **k: ae.VQVAE(
        ae.ResNet(8, 4, 1), 32, 4, gradient="rotation", ema_decay=0.9, **k
    ),
    "vqvae projections": lambda **k: ae.VQVAE(
        ae.ResNet(8, 4, 1),
        16,
        6,
        projection_dim=3,
        distance="cosine",
        quantizers=2,
        gradient="rotation",
        codebook="loss",
        codebook_init="normal",
        **k,
    ),
    "vqvae groups": lambda **k: ae.VQVAE(ae.Dense((8,)), 16, 4, groups=2, codebook="loss", **k),
    "vqvae levels in steps": lambda **k: ae.VQVAE(
        ae.Conv((8,)), levels=(4, 3), quantizers=2, groups=2, **k
    ),
}

# A step of these makes arrays for all pairs or draws of a batch, or in float64.
PAIRS = {
    "flows": lambda **k: ae.CVAE(
        ae.Dense((8,)),
        3,
        prior=ae.RealNVP(2, 6),
        posterior=ae.InverseAutoregressiveFlow(2, 9, 4),
        **k,
    ),
    "planar": lambda **k: ae.VAE(ae.Conv((4,)), 3, posterior=ae.PlanarFlow(3), **k),
    "importance-weighted": lambda **k: ae.CVAE(
        ae.Dense((8,)), 3, importance_samples=3, loss="gaussian", **k
    ),
    "mmd": lambda **k: ae.VAE(ae.Dense((8,)), 3, divergence=ae.MMD(kl=0.1), free_bits=0.1, **k),
    "bits": lambda **k: ae.VQVAE(
        ae.ResNet(8, 4, 1), code_bits=3, groups=2, entropy_weight=1.0, **k
    ),
    "tc": lambda **k: ae.VAE(ae.Dense((8,)), 3, divergence=ae.TotalCorrelation(), **k),
    "vae of clusters": lambda **k: ae.VAE(
        ae.Dense((8,)), 3, prior=ae.GaussianMixture(3), pretrain_epochs=1, **k
    ),
    "vamp": lambda **k: ae.VAE(ae.Conv((4,)), 3, prior=ae.VampPrior(7), **k),
}


def images(n=60):
    x = np.random.default_rng(0).random((n, 8, 8, 2), dtype=np.float32)
    return x, np.arange(n) % 3

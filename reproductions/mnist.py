"""MNIST: the VAE of PyTorch's examples, digits by class, denoising, and PCA by gradient descent.

usage: AECORE_DATA=folder python reproductions/mnist.py     needs scikit-learn
"""

from __future__ import annotations

import aecore as ae
import numpy as np
from results import record
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier

images, labels, test_images, test_labels = ae.datasets.load_mnist()
X, X_test = images.reshape(len(images), -1), test_images.reshape(len(test_images), -1)
INIT = "uniform"  # which the published figures are of
scaled, scaled_test = np.float32(X) / 255, np.float32(X_test) / 255


def vae_bound() -> str:
    options = {"loss": "bce", "epochs": 10, "init": INIT, "random_state": 0}
    model = ae.VAE(ae.Dense((400,)), 20, **options).fit(X)
    return f"{-model.elbo(X_test, random_state=0).mean():.2f} nats"


def digits_by_class() -> str:
    epochs = 15
    model = ae.CVAE(
        ae.Dense((512, 512)),
        10,
        loss="bce",
        beta=1.5,
        epochs=epochs,
        schedule=ae.Cosine(epochs),
        init=INIT,
        random_state=0,
    ).fit(X, labels)
    classifier = MLPClassifier((256,), max_iter=12, early_stopping=True, random_state=0)
    classifier.fit(scaled, labels)
    wanted = np.repeat(np.arange(10), 100)
    drawn = model.sample(1000, y=wanted, random_state=0)
    share = (classifier.predict(drawn) == wanted).mean()
    real = classifier.score(scaled_test, test_labels)
    return f"{share:.1%} (the classifier on real test digits: {real:.1%})"


def denoising() -> str:
    noise = ae.GaussianNoise(0.5)
    options = {"loss": "bce", "corruption": noise, "epochs": 15, "init": INIT, "random_state": 0}
    model = ae.Autoencoder(ae.Dense((512, 256)), 64, **options).fit(X)
    rng = np.random.default_rng(0)
    noisy = scaled_test + np.float32(0.5) * rng.standard_normal(scaled_test.shape, np.float32)
    before = ((noisy - scaled_test) ** 2).mean()
    after = ((model.reconstruct(noisy) - scaled_test) ** 2).mean()
    return f"{after / before:.1%} of the noisy input's ({after:.4f} of {before:.4f})"


def linear_is_pca() -> str:
    size, epochs = 32, 40
    pca = PCA(size, svd_solver="covariance_eigh").fit(scaled)
    best = ((pca.inverse_transform(pca.transform(scaled)) - scaled) ** 2).mean()
    model = ae.Autoencoder(
        ae.Dense(()),
        size,
        learning_rate=2e-3,
        schedule=ae.Cosine(epochs),
        batch_size=500,
        epochs=epochs,
        init=INIT,
        random_state=0,
    ).fit(scaled)
    ours = ((model.reconstruct(scaled) - scaled) ** 2).mean()
    return f"{ours / best - 1:+.3%} ({ours:.6f}, PCA {best:.6f})"


if __name__ == "__main__":
    record(
        "VAE 784-400-20, bce, Adam 1e-3, batch 128, 10 epochs: test -ELBO",
        "at most 106.7 nats (epoch 7: 106.66)",
        "pytorch/examples, vae",
        vae_bound,
    )
    record(
        "CVAE 784-512-512-10, beta 1.5: 1,000 drawn digits recognised as the class asked for",
        "at least 95 %",
        "Sohn et al. 2015 (the model)",
        digits_by_class,
    )
    record(
        "Denoising AE 784-512-256-64, sigma 0.5: test MSE",
        "at most 25 % of the noisy input's",
        "Vincent et al. 2008 (the model)",
        denoising,
    )
    record(
        "Linear AE of 32 dimensions: MSE above PCA's",
        "at most 0.1 %",
        "Baldi & Hornik 1989",
        linear_is_pca,
    )

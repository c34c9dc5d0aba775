"""A user's script with types, which ``make lint`` checks strictly."""

from typing import Any

import aecore as ae
import numpy as np
from aecore import callbacks, functional, nn, plot
from typing_extensions import assert_type

X, y, X_test, y_test = ae.datasets.load_digits()
assert_type(X, np.ndarray)


def encode(model: ae.Autoencoder | ae.VAE, samples: np.ndarray) -> np.ndarray:
    return model.fit_transform(samples)


def note(state: ae.TrainingState) -> None:
    epoch: int = state.epoch
    loss: float = state.record["loss"]
    print(epoch, loss)


autoencoder = ae.Autoencoder(
    ae.Dense((64,)), 8, corruption=ae.Masking(0.2), penalty=ae.L1Sparsity(0.1), callbacks=[note]
)
assert_type(encode(autoencoder, X), np.ndarray)
assert_type(autoencoder.reconstruct(X), Any)  # an array, or a list where sequences differ
assert_type(autoencoder.score(X), float)
assert_type(autoencoder.history_, list[dict[str, Any]])
assert_type(autoencoder.parameters_, dict[str, np.ndarray])
autoencoder.save("model.safetensors")

vae = ae.VAE(ae.Conv((8, 16)), latent_dim=2, loss="bce", schedule=ae.Warmup(2) * ae.Cosine(10))
mean, logvar = vae.fit(X).encode_distribution(X)
assert_type(mean, np.ndarray)
assert_type(vae.elbo(X, n_samples=3), np.ndarray)
assert_type(vae.sample(4, prior=ae.GaussianMixture(3).fit(mean, y)), np.ndarray)
assert_type(ae.CVAE().fit(X, y).sample(4, y=3), np.ndarray)
assert_type(ae.VQVAE(prior=ae.PixelCNN(16)).fit(X).sample(4), np.ndarray)
assert_type(ae.AnomalyDetector().fit(X).predict(X), np.ndarray)
assert_type(ae.metrics.nmi(y, y), float)
assert_type(functional.gaussian_kl(mean, logvar), np.ndarray)

network = nn.Sequential(nn.Linear(64, 8, activation="relu"), nn.Linear(8, 2))
assert_type(network(np.zeros((3, 64), np.float32)), np.ndarray)
plot.history(vae).savefig("history.png")
callbacks.CSVLogger("log.csv")

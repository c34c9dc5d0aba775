"""MNIST: stacked denoising autoencoders, pretrained layer by layer, fine-tuned with labels.

usage: AECORE_DATA=folder python reproductions/sda.py [images epochs]     fewer of them, for a trial
"""

from __future__ import annotations

import sys

import aecore as ae
from results import record

images, labels, test_images, test_labels = ae.datasets.load_mnist()
X, X_test = images.reshape(len(images), -1), test_images.reshape(len(test_images), -1)


def test_error(n: int = 60_000, pretraining: int = 15, epochs: int = 40) -> str:
    stack = ae.StackedAutoencoder(
        ae.Dense((1000, 1000, 1000), "sigmoid"),
        10,  # a code that the classifier doesn't look at: it stands on the third hidden layer
        loss="bce",
        tied=True,
        corruption=(ae.Masking(0.1), ae.Masking(0.2), ae.Masking(0.3), None),
        pretrain_epochs=pretraining,
        epochs=0,
        init="uniform",
        random_state=0,
    ).fit(X[:n])
    model = stack.fine_tune(
        X[:n], labels[:n], level=3, epochs=epochs, schedule=ae.Cosine(epochs), random_state=0
    )
    return f"{1 - model.score(X_test, test_labels):.2%}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        n, epochs = map(int, sys.argv[1:])
        print(test_error(n, epochs, epochs))
        raise SystemExit
    record(
        "SdA 784-1000-1000-1000-10, masking .1/.2/.3, 15 epochs a layer, fine-tuned: test error",
        "1.3 %",
        "DeepLearningTutorials, SdA",
        test_error,
    )

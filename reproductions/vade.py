"""MNIST: clusters that a variational autoencoder finds whose prior is a mixture (VaDE).

Encoder and decoder, 784-500-500-2000-10, are first an autoencoder. A mixture of ten normal
distributions is fitted to its codes, and then trained with the rest. All 70,000 digits, no labels;
each row is of five seeds. In the second row each digit is turned and moved a little in every epoch,
both what the encoder sees and what the decoder is to give (Guo et al. 2018); what is clustered are
the digits as they are. Settings were found with another seed. Products are of bfloat16.

usage: AECORE_DATA=folder python reproductions/vade.py                      all rows
       AECORE_DATA=folder python reproductions/vade.py plain 2 15 10        a row, seeds, epochs
"""

from __future__ import annotations

import sys

import aecore as ae
from digits import BATCH, Moved, digits
from results import over_seeds, record

SEEDS = 5
EPOCHS = {"plain": (15, 30), "moved": (30, 30)}  # of pretraining, and together


def clusters(kind: str, seed: int, pretraining: int, together: int) -> tuple[float, float, float]:
    """Return the accuracy of the mixture at its start, at the end, and the mutual information."""
    X, y = digits()
    data = X if kind == "plain" else Moved(seed)
    model = ae.VAE(
        ae.Dense((500, 500, 2000)),
        10,
        loss="bce",
        init="uniform",
        prior=ae.GaussianMixture(10, covariance="diag"),
        pretrain_epochs=pretraining,
        epochs=0,
        learning_rate=1e-3,
        batch_size=BATCH,
        precision="bfloat16",
        warm_start=True,
        random_state=seed,
    ).fit(data)
    start = ae.metrics.clustering_accuracy(y, model.predict(X))
    model.set_params(epochs=together, schedule=ae.Cosine(together, 0.1)).fit(data)
    found = model.predict(X)
    accuracy, nmi = ae.metrics.clustering_accuracy(y, found), ae.metrics.nmi(y, found)
    print(f"    seed {seed}: {start:.4f} to {accuracy:.4f}, NMI {nmi:.4f}", flush=True)
    return start, accuracy, nmi


def row(kind: str, seeds: int, pretraining: int, together: int) -> str:
    runs = [clusters(kind, seed, pretraining, together) for seed in range(seeds)]
    starts, accuracies, nmis = zip(*runs, strict=True)
    return (
        f"accuracy {over_seeds(accuracies)}, NMI {over_seeds(nmis)}; of the mixture at its start "
        f"{over_seeds(starts)}"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(row(sys.argv[1], *map(int, sys.argv[2:])))
        raise SystemExit
    for kind, what in (("plain", ""), ("moved", ", digits turned and moved a little")):
        first, second = EPOCHS[kind]
        record(
            f"VaDE 784-500-500-2000-10{what}, {first} + {second} epochs: clusters of all digits",
            "mean accuracy at least 0.93",
            "Jiang et al. 2017, best run 0.9446",
            lambda kind=kind: row(kind, SEEDS, *EPOCHS[kind]),
            seeds=SEEDS,
        )

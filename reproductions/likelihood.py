"""Binary MNIST: how likely test digits are to VAEs, in nats, and whether two estimates agree.

Only the grey images are at hand, so they are binarised here, once, with a fixed seed; the published
figures are of another such set, with 50,000 digits to train on. Here 55,000 are trained on, and the
best epoch on the other 5,000 is kept. What limits a VAE on digits that are the same in every epoch
is that the encoder learns them by heart: it sees digits of which 2 % of the pixels are wrong.

All models have two hidden layers of 300 each way and 40 numbers a code, as in Tomczak & Welling
2018 but for their gates. Where several draws are weighed, the published network is 784-200-200-50.

Products are of bfloat16.

usage: AECORE_DATA=folder python reproductions/likelihood.py [rows] [--seeds 3]

Rows are plain, ais, flow, inverse, vamp and iwae; none is all of them. Those of plain and flow are
of several seeds.
"""

from __future__ import annotations

import argparse
import copy
import functools
from typing import Any

import aecore as ae
import numpy as np
from results import over_seeds, record

SAMPLES = 200  # of the estimate
EPOCHS = 200
DIGITS = 100  # of the test set, to which the slow estimate is put
MANY = 100_000  # samples, for which importance sampling is beside it
BURDA = "Burda et al. 2016, one stochastic layer, fixed binarisation"
TOMCZAK = "Tomczak & Welling 2018, table 1, static MNIST"
ROWS = ("plain", "ais", "flow", "inverse", "vamp", "iwae")
WHAT = "784-300-300-40, binary MNIST: test NLL, 200 importance samples"


def binary(images: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random(images.shape) * 255 < images


images, _, test_images, _ = ae.datasets.load_mnist()
X, X_test = (binary(i.reshape(len(i), -1), s) for s, i in enumerate((images, test_images)))


known: dict[str, ae.VAE] = {}


def trained(seed: int = 0, **options: Any) -> ae.VAE:
    """Return a model, the best of its epochs; the same one again for the same options."""
    key = repr((seed, options))
    if key not in known:
        known[key] = fresh(seed, **options)
    return known[key]


def fresh(seed: int, **options: Any) -> ae.VAE:
    how: dict[str, Any] = {"loss": "bce", "batch_size": 100, "epochs": EPOCHS, "kl_warmup": 20}
    how |= {"schedule": ae.Cosine(EPOCHS), "corruption": ae.SaltAndPepper(0.02)}
    how |= {"validation_fraction": 1 / 12, "patience": EPOCHS, "precision": "bfloat16"}
    how["random_state"] = seed
    return ae.VAE(ae.Dense((300, 300)), 40, **how, **options).fit(X)


def nll(model: ae.VAE) -> float:
    """Return the mean negative log-likelihood of the test digits in nats."""
    return -float(model.log_likelihood(X_test, n_samples=SAMPLES, random_state=0).mean())


def several(seeds: int, **options: Any) -> str:
    return over_seeds([nll(trained(seed, **options)) for seed in range(seeds)], ".2f") + " nats"


def one(**options: Any) -> str:
    return f"{nll(trained(**options)):.2f} nats"


def many_draws() -> str:
    """Let the model of 5 draws go on with 50: each epoch of these takes as long as ten."""
    model = copy.deepcopy(trained(importance_samples=5))
    how: dict[str, Any] = {"importance_samples": 50, "learning_rate": 1e-4, "schedule": None}
    model.set_params(**how, epochs=10, warm_start=True).fit(X)
    return f"{nll(model):.2f} nats"


def annealed() -> str:
    """Compare importance sampling with annealed importance sampling on some digits."""
    how: dict[str, Any] = {"return_std": True, "random_state": 0}
    model, digits = trained(), X_test[:DIGITS]
    found = [model.log_likelihood(digits, n_samples=n, **how) for n in (SAMPLES, MANY)]
    found.append(model.annealed_log_likelihood(digits, **how))
    few, many, checked = (
        f"{-value.mean():.2f} ± {np.sqrt((error**2).sum()) / DIGITS:.2f}" for value, error in found
    )
    apart = float((found[2][0] - found[1][0]).mean())
    return (
        f"{checked} nats, {-apart:+.2f} beside importance sampling of {MANY:,}, {many}; "
        f"of {SAMPLES} {few}"
    )


def main(which: list[str], seeds: int) -> None:
    if "plain" in which:
        source = f"pythae's reproducibility page: 89.8; {BURDA}: 88.7; {TOMCZAK}: 88.6"
        run = functools.partial(several, seeds)
        record(f"VAE {WHAT}", "at most 90.0 nats", source, run, seeds)
    if "ais" in which:
        name = (
            f"VAE 784-300-300-40, binary MNIST: {DIGITS} test digits, AIS of 16 chains of 500 steps"
        )
        wanted = "within 0.5 nats of importance sampling"
        record(name, wanted, "Wu et al. 2017 (the method)", annealed, 1)
    if "flow" in which:
        run = functools.partial(several, seeds, prior=ae.RealNVP(6, 64))
        name, wanted = f"VAE with a RealNVP prior, {WHAT}", "below 89.0 nats, and below N(0, I)"
        record(name, wanted, "Dinh et al. 2017 (the flow)", run, seeds)
    if "inverse" in which:
        run = functools.partial(one, posterior=ae.InverseAutoregressiveFlow(2, 160, 40))
        name = f"VAE with an inverse autoregressive flow of 2, {WHAT}"
        record(name, "below the VAE", "Kingma et al. 2016 (the flow)", run)
    if "vamp" in which:
        run = functools.partial(one, prior=ae.VampPrior(500))
        record(f"VAE with a VampPrior of 500, {WHAT}", "85.6 nats", TOMCZAK, run)
    if "iwae" in which:
        run = functools.partial(one, importance_samples=5)
        record(f"IWAE of 5, {WHAT}", "87.6 nats", BURDA, run)
        name = f"IWAE of 50, the last 10 epochs of the former, {WHAT}"
        record(name, "87.1 nats", BURDA, many_draws)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    found = parser.parse_args()
    for row in set(found.rows) - set(ROWS):
        parser.error(f"rows: expected {', '.join(ROWS)}, got {row!r}")
    main(found.rows or list(ROWS), found.seeds)

"""What first weights lead to: test losses by `init`, over data sets, architectures and seeds."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aecore as ae
import numpy as np
from aecore import nn
from aecore._bench import timing
from aecore._bench.timing import Settings
from aecore.nn.init import INITS

SEEDS = range(5)
ROWS, TEST_ROWS = 1000, 500
EPOCHS, BATCH = 16, 64  # of 16 steps each
HOW = {"epochs": EPOCHS, "batch_size": BATCH}
IMAGES = ("digits", "mnist", "fashion", "cifar10", "photographs")
STEPS = ("ecg5000", "digits", "mnist", "fashion", "photographs")  # the others' rows are steps
FLAT = ("digits", "mnist", "fashion", "ecg5000", "adult")
TABLES = ("adult", "vehicle_claims", "kddcup99")  # of mixed types

Sets = tuple[np.ndarray, np.ndarray]  # samples to train on, and to test with


# ---- data ---------------------------------------------------------------------------------------


def pixels(name: str) -> Sets:
    """Return images (H, W, C) of 0 to 1."""
    if name == "fashion" and "AECORE_DATA" in os.environ:
        file = Path(os.environ["AECORE_DATA"], "fashion_small", "fashion_small.npz")
        if file.exists():
            with np.load(file) as found:
                return tuple(
                    found[k][..., None] / np.float32(255) for k in ("images", "test_images")
                )
    if name == "photographs":
        return patches()
    load = {"fashion": "fashion_mnist"}.get(name, name)
    x, _, x_test, _ = getattr(ae.datasets, f"load_{load}")()
    scale = np.float32(255 if x.dtype == np.uint8 else 1)
    return x[:ROWS] / scale, x_test[:TEST_ROWS] / scale


def patches() -> Sets:
    """Return squares of 16 x 16 pixels of two photographs; their right ends are for tests."""
    from sklearn.datasets import load_sample_images

    both = [np.asarray(image, np.float32) / 255 for image in load_sample_images().images]
    there, test = ([image[:, a:b] for image in both] for a, b in ((0, 512), (512, 640)))
    return cut(there), cut(test)


def cut(images: list[np.ndarray]) -> np.ndarray:
    """Return what images are tiled by, in an order without meaning."""
    h, w, c = images[0].shape
    h, w = h // 16, w // 16
    found = [i[: 16 * h, : 16 * w].reshape(h, 16, w, 16, c).swapaxes(1, 2) for i in images]
    return np.random.default_rng(0).permutation(np.concatenate(found).reshape(-1, 16, 16, c))


@cache
def data(name: str, form: str) -> Sets:
    """Return samples of a form: "images", "flat", "steps" or "table"."""
    if form == "table":
        x, _, x_test, _ = getattr(ae.datasets, f"load_{name}")()
        rng = np.random.default_rng(0)
        return rng.permutation(x)[:ROWS], rng.permutation(x_test)[:TEST_ROWS]
    if name == "adult":
        x, _, x_test, _ = ae.datasets.load_adult()
        numbers = [n for n in x.dtype.names if x.dtype[n].kind == "f"]
        x, x_test = (np.stack([part[n] for n in numbers], 1) for part in (x, x_test))
        mean, deviation = x.mean(0), x.std(0)
        x, x_test = ((part - mean) / deviation for part in (x, x_test))
    elif name == "ecg5000":
        few, _, many, _ = ae.datasets.load_ecg5000()  # which are 500 and 4,500
        x, x_test = many, few
    else:
        x, x_test = pixels(name)
    x, x_test = (np.asarray(part[:n], np.float32) for part, n in ((x, ROWS), (x_test, TEST_ROWS)))
    if form == "steps" and name == "ecg5000":
        x, x_test = x[:, ::4], x_test[:, ::4]
    if form == "flat":
        return x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
    if form == "steps" and name != "ecg5000":
        return x.reshape(*x.shape[:2], -1), x_test.reshape(*x_test.shape[:2], -1)
    return x, x_test


@cache
def is_here(name: str, form: str) -> bool:
    """Return whether there are samples; those of `aecore.datasets` may be elsewhere."""
    try:
        return len(data(name, form)) > 0
    except (OSError, ImportError) as error:
        print(f"{name} is left out: {error}")
        return False


# ---- models -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A model, and the data sets that it learns.

    Attributes
    ----------
    name : str
    make : callable
        Returns it, for a sample's shape and what else it is made with.
    form : str
        Of the samples.
    sets : tuple of str
    """

    name: str
    make: Callable[..., Any]
    form: str
    sets: tuple[str, ...]


def dense(activation: str) -> Callable[[tuple[int, ...]], Any]:
    def made(shape: tuple[int, ...]) -> Any:
        return ae.Dense((256, 128) if math.prod(shape) > 16 else (64, 32), activation)

    return made


def shallow(shape: tuple[int, ...]) -> Any:
    """Return one hidden layer as code, as many tutorials begin: modules of one's own."""
    (n,), width = shape, code_size(64, shape)
    return nn.Sequential(nn.Linear(n, width, activation="relu")), nn.Sequential(nn.Linear(width, n))


def code_size(most: int, shape: tuple[int, ...]) -> int:
    return min(most, max(2, math.prod(shape) // 2))


def model(kind: Any, arch: Any, size: int, **params: Any) -> Callable[..., Any]:
    """Return what makes a model for a shape."""

    def made(shape: tuple[int, ...], **more: Any) -> Any:
        return kind(arch(shape), code_size(size, shape), **HOW, **params, **more)

    return made


def table(kind: Any) -> Callable[..., Any]:
    return lambda shape, **more: kind(ae.Dense((64, 32)), 8, **HOW, **more)


def vq(arch: Any) -> Callable[..., Any]:
    return lambda shape, **more: ae.VQVAE(arch(shape), 64, 16, **HOW, **more)


def tasks() -> list[Task]:
    """Return all tasks, those first that matter most."""
    found = []
    kinds = {"Autoencoder": ae.Autoencoder, "VAE": ae.VAE}
    for activation in ("relu", "tanh", "gelu"):
        for name, kind in kinds.items():
            if name == "VAE" and activation == "gelu":
                continue
            made = model(kind, dense(activation), 16)
            found.append(Task(f"{name}, Dense, {activation}", made, "flat", FLAT))
    for name, kind in kinds.items():
        made = model(kind, dense("relu"), 16, loss="bce")
        found.append(Task(f"{name}, Dense, relu, bce", made, "flat", FLAT[:3]))
    made = model(ae.Autoencoder, lambda s: ae.Dense((128,) * 4), 16)
    found.append(Task("Autoencoder, Dense of 4, relu", made, "flat", FLAT))
    made = model(ae.AdversarialAutoencoder, dense("relu"), 16)
    found.append(Task("AdversarialAutoencoder, Dense, relu", made, "flat", FLAT))
    made = model(ae.Autoencoder, shallow, 64)
    found.append(Task("Autoencoder, code of relu", made, "flat", FLAT))
    for name, kind in {"Autoencoder": ae.TabularAutoencoder, "VAE": ae.TabularVAE}.items():
        found.append(Task(f"Tabular{name}, Dense, relu", table(kind), "table", TABLES))
    for activation in ("relu", "tanh", "gelu"):
        for name, kind in kinds.items():
            if name == "VAE" and activation != "relu":
                continue
            made = model(kind, lambda s, a=activation: ae.Conv((8, 16), activation=a), 32)
            found.append(Task(f"{name}, Conv, {activation}", made, "images", IMAGES))
    blocks = {"ResNet": lambda s: ae.ResNet(16, 8, 1), "Conv": lambda s: ae.Conv((8, 16))}
    for name, kind in kinds.items():
        made = model(kind, blocks["ResNet"], 32)
        found.append(Task(f"{name}, ResNet", made, "images", IMAGES))
    for name, arch in blocks.items():
        found.append(Task(f"VQVAE, {name}", vq(arch), "images", IMAGES))
    sequences = {
        "LSTM": lambda s: ae.LSTM(32),
        "Transformer": lambda s: ae.Transformer(32, 4, 1, 64),
    }
    for arch_name, arch in sequences.items():
        for name, kind in kinds.items():
            made = model(kind, arch, 8)
            found.append(Task(f"{name}, {arch_name}", made, "steps", STEPS))
    return found


NAMES = tuple(task.name for task in tasks())


def dead(model: Any, X: np.ndarray) -> float:
    """Return the share of units behind activations, of the encoder, that are constant over X."""
    encoder, n, constant = model._network.encoder, 0, 0
    if not isinstance(encoder, nn.Sequential) or X.dtype.names:
        return 0.0
    x = X
    for layer in encoder.layers:
        x = layer(x)
        if getattr(layer, "activation", None) or isinstance(layer, nn.Activation):
            units = x.reshape(-1, x.shape[-1])
            n += units.shape[1]
            constant += int((units.max(0) == units.min(0)).sum())
    return constant / n if n else 0.0


def measure(task: Task, name: str, init: Any, seed: int, quick: bool = False) -> dict[str, Any]:
    """Return a run: its loss on test data, and the share of dead units."""
    x, x_test = data(name, task.form)
    if quick:
        x, x_test = x[:40], x_test[:40]
    fitted = task.make(x.shape[1:], init=init, random_state=seed, n_threads=1)
    if quick:
        fitted.set_params(epochs=1)
    with np.errstate(all="ignore"):
        fitted.fit(x)
    run = {"task": task.name, "set": name, "init": init, "seed": seed}
    return run | {"loss": -fitted.score(x_test), "dead": dead(fitted, x_test)}


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each task of some runs: losses of each set and `init`, seed by seed."""
    rows = []
    for task in dict.fromkeys(run["task"] for run in runs):
        own = [run for run in runs if run["task"] == task]
        losses: dict[str, dict[str, list[float]]] = {}
        dead: dict[str, list[float]] = {}
        for run in own:
            losses.setdefault(run["set"], {}).setdefault(run["init"], []).append(run["loss"])
            dead.setdefault(run["init"], []).append(run["dead"])
        means = {init: statistics.mean(shares) for init, shares in dead.items()}
        rows.append({"task": task, "losses": losses, "dead": means})
    return rows


def run(settings: Settings) -> dict[str, Any]:
    """Train and test everything, a seed after another."""
    runs = []
    for seed in SEEDS[:1] if settings.quick else SEEDS:
        for task in filter(lambda task: settings.wants(task.name), tasks()):
            for name in filter(lambda name: is_here(name, task.form), task.sets):
                runs += [measure(task, name, init, seed, settings.quick) for init in INITS]
            print(f"{task.name}, seed {seed}", flush=True)
    return {"machine": timing.machine(), "rows": summary(runs)}

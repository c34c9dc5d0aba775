"""What each cure does to the use of a codebook, and to the error: MNIST and CIFAR-10.

One small architecture, equally many codes at a place for all (256 on 7 x 7 places, 1024 on 8 x 8),
three seeds. A codebook that learns by its loss alone, from normal numbers, is what the cures are
for. Of several codebooks together a code is all their numbers: 16 x 16 or 32 x 32. Perplexity and
share in use are of the codes of 10,000 test images, the error is their squared error over the
variance of the pixels. Figures go to `codebooks.json`, of which `make readme` makes the table in
docs/family/vqvae.md.

usage: AECORE_DATA=folder python reproductions/codebooks.py [mnist cifar10] [part of a row's name]
"""

from __future__ import annotations

import json
import pathlib
import sys
import time
from typing import Any, NamedTuple

import aecore as ae
import numpy as np

FILE = pathlib.Path(__file__).with_suffix(".json")
SEEDS = (0, 1, 2)
SAMPLES = 10_000


class Task(NamedTuple):
    """A data set, and how long what is trained on it."""

    title: str
    load: Any
    arch: Any
    codes: int
    code_dim: int
    options: dict[str, Any]


TASKS = {
    "mnist": Task(
        "MNIST, 256 codes on 7 x 7 places, 10,000 digits, 10 epochs",
        ae.datasets.load_mnist,
        ae.Conv((32, 64), kernel_size=3),
        256,
        16,
        {"epochs": 10, "batch_size": 64, "learning_rate": 2e-3},
    ),
    "cifar10": Task(
        "CIFAR-10, 1024 codes on 8 x 8 places, 10,000 pictures, 6 epochs",
        ae.datasets.load_cifar10,
        ae.ResNet(64, 32, 2),
        1024,
        32,
        {"epochs": 6, "batch_size": 64, "learning_rate": 1e-3},
    ),
}
BARE = {"codebook": "loss", "codebook_init": "normal", "restart_dead": False}
EMA = {"codebook_init": "normal", "restart_dead": False}


def rows(task: Task) -> dict[str, dict[str, Any]]:
    """Return the parameters of each row."""
    size, dim = task.codes, task.code_dim
    one, half = {"codebook_size": size, "code_dim": dim}, round(size**0.5)
    several = {"codebook_size": half, "code_dim": dim}
    levels = {256: (4, 4), 1024: (8, 4)}[size]
    return {
        "loss codebook, no cure": one | BARE,
        "+ k-means start": one | BARE | {"codebook_init": "kmeans"},
        "+ restarts": one | BARE | {"restart_dead": True},
        "+ both": one | {"codebook": "loss"},
        "+ rotation": one | BARE | {"gradient": "rotation"},
        "+ both and rotation": one | {"codebook": "loss", "gradient": "rotation"},
        "moving averages (EMA)": one | EMA,
        "EMA, k-means start, restarts: the default": one,
        "default, rotation": one | {"gradient": "rotation"},
        "default, cosine": one | {"distance": "cosine"},
        "default, code_dim=4": one | {"code_dim": 4},
        "default, projection_dim=4": one | {"projection_dim": 4},
        "default, projection_dim=4, cosine": one | {"projection_dim": 4, "distance": "cosine"},
        f"residual, 2 of {half}": several | {"quantizers": 2},
        f"groups, 2 of {half}": several | {"groups": 2},
        f"levels={levels * 2}": {"levels": levels * 2},
        f"levels={levels}, quantizers=2": {"levels": levels, "quantizers": 2},
        f"code_bits={size.bit_length() - 1}": {"code_bits": size.bit_length() - 1},
    }


def measured(task: Task, params: dict[str, Any], seed: int) -> dict[str, float]:
    """Train one model; return what is said of it."""
    images, _, test_images, _ = task.load()
    X, test = (v.reshape(*v.shape[:3], -1) for v in (images[:SAMPLES], test_images))
    model = ae.VQVAE(task.arch, **params, **task.options, random_state=seed).fit(X)
    codes = model.transform(test)
    if codes.ndim == 4:  # one number of all that a place has
        codes = codes @ model.codebook_.shape[1] ** np.arange(codes.shape[3])
    error = model.errors(test).mean(dtype=np.float64) / (X / np.float32(255)).var(dtype=np.float64)
    used = len(np.unique(codes)) / task.codes
    return {
        "error / variance": float(error),
        "perplexity": ae.metrics.perplexity(codes, task.codes),
        "in use, %": 100 * used,
    }


def main() -> None:
    wanted = [name for name in sys.argv[1:] if name in TASKS] or list(TASKS)
    parts = [name for name in sys.argv[1:] if name not in TASKS] or [""]
    for name in wanted:
        task = TASKS[name]
        for row, params in rows(task).items():
            if not any(part in row for part in parts):
                continue
            start = time.process_time()
            runs = [measured(task, params, seed) for seed in SEEDS]
            figures = {unit: [run[unit] for run in runs] for unit in runs[0]}
            print(f"{name}, {row}: {figures} ({time.process_time() - start:.0f} s)", flush=True)
            found = json.loads(FILE.read_text()) if FILE.exists() else {}
            methods = found.setdefault(task.title, {"methods": {}})["methods"]
            methods[row] = figures
            order = [known for known in rows(task) if known in methods]
            found[task.title]["methods"] = {known: methods[known] for known in order}
            FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

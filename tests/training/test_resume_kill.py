"""Trainings that are killed at random moments end, resumed, with the bits of those that are not.

``python tests/training/test_resume_kill.py 20`` kills 20 of them.
"""

import os
import random
import subprocess
import sys
import tempfile
import time

import pytest

TRAIN = """
import hashlib, sys
import numpy as np
import aecore as ae
kind, path = sys.argv[1:]
rng = np.random.default_rng(0)
X, y = rng.random((200, 8, 8, 1), dtype=np.float32), np.arange(200) % 3
options = {"checkpoint": path, "random_state": 0, "batch_size": 16}
dense = ae.Dense((32, 16), "sigmoid")
models = {
    "patience": lambda: ae.Autoencoder(
        dense, 4, corruption=ae.Masking(0.2), patience=40, validation_fraction=0.2,
        learning_rate=0.05, schedule=ae.Warmup(5) * ae.Cosine(120), epochs=120, **options
    ),
    "stack": lambda: ae.StackedAutoencoder(dense, 4, pretrain_epochs=30, epochs=30, **options),
    "vqvae": lambda: ae.VQVAE(
        ae.Conv((8,)), 32, 4, ema_decay=0.9, epochs=40, **options,
        prior=ae.PixelCNN(8, 2, epochs=20, checkpoint=path + ".prior"),
    ),
    "gan": lambda: ae.GAN(dense, 4, conditional=True, epochs=80, **options),
}
print("begins", flush=True)
model = models[kind]().fit(X, y, resume=True)
print("ends", flush=True)
digest = hashlib.blake2b()
for fitted in filter(None, (model, getattr(model, "prior_", None))):
    for name, array in sorted(fitted._network.arrays().items()):
        digest.update(name.encode() + array.tobytes())
    history = [{k: v for k, v in r.items() if k != "seconds"} for r in fitted.history_]
    digest.update(repr((history, getattr(fitted, "best_epoch_", None))).encode())
print(digest.hexdigest())
"""
KINDS = ("patience", "stack", "vqvae", "gan")


def start(kind, path):
    """Begin a training in a process of its own."""
    command = [sys.executable, "-c", TRAIN, kind, path]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert child.stdout.readline() == "begins\n"
    return child


def end(child):
    """Let a training end; return its digest, and how many seconds it took."""
    began = time.monotonic()
    assert child.stdout.readline() == "ends\n"
    seconds = time.monotonic() - began
    digest = child.communicate()[0].strip()
    assert child.returncode == 0
    return digest, seconds


def kill(kinds, seed):
    """Kill a training of each of some kinds and go on; yield where, and whether the bits agree."""
    draw, whole = random.Random(seed), {}
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(kinds):
            if kind not in whole:
                whole[kind] = end(start(kind, os.path.join(folder, kind)))
            wanted, seconds = whole[kind]
            path = os.path.join(folder, str(number))
            child, moment = start(kind, path), draw.random()
            time.sleep(moment * seconds)
            child.kill()
            rest = child.communicate()[0]
            left = [name for name in os.listdir(folder) if name.startswith(".")]
            got, _ = end(start(kind, path))
            where = f"{kind}, killed at {moment:4.0%}, ended: {'ends' in rest}, half: {len(left)}"
            yield where, got == wanted


@pytest.mark.slow
def test_killed_and_resumed():
    for where, agrees in kill(KINDS, 0):
        assert agrees, where


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    results = []
    for where, agrees in kill([KINDS[i % len(KINDS)] for i in range(times)], time.time_ns()):
        results.append(agrees)
        print(f"{where}: {'the same bits' if agrees else 'OTHER BITS'}", flush=True)
    print(f"{sum(results)} of {times} resumed to the same bits")
    sys.exit(not all(results))

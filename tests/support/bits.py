"""One model, however many processes train it: the bits of all kinds of models over MPI.

`python tests/support/bits.py` trains every model with 1, 2, 3, 4 and 7 processes of 1 and 2
threads, and goes on from a checkpoint of two processes with three, and then with one. It prints
which sums of all parameters (SHA-256) differ, and exits with 1 if any do.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import aecore as ae
import numpy as np

PROCESSES, THREADS = (1, 2, 3, 4, 7), (1, 2)
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
D = ae.Dense((24,))
KINDS = {
    "dense": lambda **k: ae.Autoencoder(D, 4, corruption=ae.GaussianNoise(0.1), **k),
    "conv": lambda **k: ae.Autoencoder(ae.Conv((4, 8)), 4, clip_norm=1.0, **k),
    "resnet": lambda **k: ae.Autoencoder(ae.ResNet(8, 4, 1), 4, **k),
    "lstm": lambda **k: ae.Autoencoder(ae.LSTM(8), 4, **k),
    "transformer": lambda **k: ae.Autoencoder(ae.Transformer(8, 2, 1), 4, **k),
    "vae": lambda **k: ae.VAE(ae.Conv((4,)), 4, validation_fraction=0.1, patience=2, **k),
    "cvae": lambda **k: ae.CVAE(D, 4, **k),
    "vq-vae, ema": lambda **k: ae.VQVAE(ae.Conv((8,)), 16, 4, codebook="ema", **k),
    "vq-vae, loss": lambda **k: ae.VQVAE(ae.Conv((8,)), 16, 4, codebook="loss", **k),
    "aae": lambda **k: ae.AdversarialAutoencoder(D, 4, **k),
    "gan": lambda **k: ae.GAN(D, 4, **k),
    "stacked": lambda **k: ae.StackedAutoencoder(D, 4, pretrain_epochs=2, **k),
    "tabular": lambda **k: ae.TabularVAE(D, 4, **k),
    "rows": lambda **k: ae.VAE(D, 4, **k),
}
SEQUENCES, TABLES = ("lstm", "transformer"), ("tabular",)


def data(name):
    """Return samples of the kind that a model takes, and labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 210)
    if name in SEQUENCES:
        return rng.random((210, 9, 5), np.float32), y
    if name in TABLES:
        table = np.empty(210, [("x", "f8"), ("w", "U3"), ("k", "i8")])
        table["x"], table["w"] = rng.normal(size=210), rng.choice(["a", "b", "cc"], 210)
        table["k"] = rng.integers(0, 40, 210)
        table["x"][::9] = np.nan
        return table, y
    x = rng.random((210, 8, 8, 1), np.float32)
    return (ae.open_rows(x, buffer=60), None) if name == "rows" else (x, y)


def digest(model):
    """Return the sum of a model's parameters and of what its layers have learned."""
    arrays = sorted(model._network.arrays().items())
    return hashlib.sha256(b"".join(a.tobytes() for _, a in arrays)).hexdigest()[:16]


def train(threads, comm):
    """Return the digests of all models, trained by the processes of a communicator."""
    found = {}
    for name, made in KINDS.items():
        X, y = data(name)
        options = {"epochs": 3, "batch_size": 50, "random_state": 1, "n_threads": threads}
        found[name] = digest(made(**options).fit(X, y, comm=comm))
    return found


def go_on(folder, epochs, comm):
    """Return the digests of all models, each gone on from its checkpoint, if there is one."""
    found = {}
    for i, (name, made) in enumerate(KINDS.items()):
        X, y = data(name)
        options = {"batch_size": 50, "random_state": 1, "n_threads": 1}
        model = made(epochs=epochs, checkpoint=Path(folder, f"{i}.safetensors"), **options)
        found[name] = digest(model.fit(X, y, comm=comm, resume=True))
    return found


def started(size, *words):
    """Return what the first of some processes prints."""
    command = [MPIEXEC, "-n", str(size), sys.executable, __file__, *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    wanted, differ = None, []
    for size in PROCESSES:
        for threads in THREADS:
            found = started(size, "train", threads)
            wanted = wanted or found
            others = [name for name in found if found[name] != wanted[name]]
            differ += others
            print(f"{size} processes of {threads} threads: {others or 'all the same'}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for size, epochs in ((2, 1), (3, 2), (1, 3)):
            found = started(size, "go on", folder, epochs)
        others = [name for name in found if found[name] != wanted[name]]
        print(f"2 processes, then 3, then 1: {others or 'all the same'}")
    sys.exit(bool(differ or others))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    from mpi4py import MPI

    what, *words = sys.argv[1:]
    if what == "train":
        result = train(int(words[0]), MPI.COMM_WORLD)
    else:
        result = go_on(words[0], int(words[1]), MPI.COMM_WORLD)
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps(result), flush=True)

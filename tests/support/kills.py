"""Kill processes at random moments, while they write files and while they train; look what is lost.

    python tests/support/kills.py [N] [SEED]        by default 1000 and 0

Nothing may be: a file is the old or the new one, byte for byte, or isn't there yet; what was half
written is swept away by the next one who writes, and nothing else; a training that goes on ends
with the bits of one that nobody has killed. Half of the kills are of processes that write, half of
trainings, several of one training in a row at times. TMPDIR=/dev/shm is quicker than many disks.

Processes are forked from this one, which has imported everything, trains nothing and has no
threads.
"""

import contextlib
import fcntl
import hashlib
import itertools
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import aecore as ae
import numpy as np
from aecore import cli

ASIDE = re.compile(r"\..+-[0-9a-f]{16}\.aecore-part")
IN_A_ROW = 4  # kills of one training, at most
rng = np.random.default_rng(0)
X, LABELS = rng.random((100, 8, 8, 1), dtype=np.float32), np.arange(100) % 3
OPTIONS = {"random_state": 0, "batch_size": 32, "n_threads": 1}
DENSE = ae.Dense((32, 16), "sigmoid")
TRAININGS = {
    "patience": lambda path: ae.Autoencoder(
        DENSE,
        4,
        corruption=ae.Masking(0.2),
        patience=10,
        validation_fraction=0.2,
        learning_rate=0.05,
        schedule=ae.Warmup(5) * ae.Cosine(30),
        epochs=30,
        checkpoint=ae.Checkpoint(path, keep=2, keep_best=True),
        **OPTIONS,
    ),
    "stack": lambda path: ae.StackedAutoencoder(
        DENSE, 4, pretrain_epochs=6, epochs=8, checkpoint=path, **OPTIONS
    ),
    "vqvae": lambda path: ae.VQVAE(
        ae.Conv((8,)),
        32,
        4,
        ema_decay=0.9,
        epochs=6,
        checkpoint=path,
        prior=ae.PixelCNN(8, 2, epochs=3, checkpoint=path + ".prior"),
        **OPTIONS,
    ),
    "gan": lambda path: ae.GAN(DENSE, 4, conditional=True, epochs=15, checkpoint=path, **OPTIONS),
}


# ---- processes ----------------------------------------------------------------------------------


def child(work):
    """Begin a process that works; return its id."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def whole(work):
    """Let a process work to its end; return how many seconds it took."""
    began = time.monotonic()
    _, status = os.waitpid(child(work), 0)
    if status:
        raise RuntimeError(f"a process that nobody has killed ended with {status}")
    return time.monotonic() - began


def killed(work, seconds):
    """Kill a process after some time; return whether it was still at work."""
    pid = child(work)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("a process ended with an error")
    return os.WIFSIGNALED(status)


# ---- writing ------------------------------------------------------------------------------------


class Writing:
    """Processes that write one file over and over, and are killed.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file.
    write : callable
        Takes the path and 0 or 1, for one of two contents.
    read : callable
        Takes the path of a whole file; an error if it can't be read.
    """

    def __init__(self, folder, name, write, read=lambda path: None):
        self.folder, self.path, self.write, self.read = folder / f"of {name}", None, write, read
        self.folder.mkdir()
        self.name, self.left = name, 0
        self.path = self.folder / name
        self.contents = []
        for which in (0, 1):
            self.seconds = whole(lambda which=which: write(self.path, which))
            self.contents.append(self.path.read_bytes())
            self.path.unlink()
        self.others = self._put_others()

    def _put_others(self):
        """Put files there that aren't to be swept away, though some look like it."""
        names = [
            f".{self.name}-0123.aecore-part",
            f".{self.name}-{'0' * 16}.aecore-part.txt",
            f".another-{'0' * 16}.aecore-part",
            f"{self.name}-{'0' * 16}.aecore-part",
        ]
        for name in names:
            (self.folder / name).write_bytes(b"somebody else's")
        taken = f".{self.name}-{'1' * 16}.aecore-part"
        self._lock = open(self.folder / taken, "xb")  # of somebody who is at work
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        return {*names, taken}

    def _work(self):
        for which in itertools.cycle((0, 1)):
            self.write(self.path, which)

    def kill(self, draw):
        """Kill once; return what was lost, and where the process was."""
        if draw.random() < 0.1:
            self.path.unlink(missing_ok=True)
        before = self.path.exists()
        if not killed(self._work, draw.random() * 3 * self.seconds):
            return ["a process that writes without end has ended"], ""
        faults = []
        if self.path.exists():
            found = self.path.read_bytes()
            if found not in self.contents:
                faults.append(f"neither the old nor the new file, but {len(found)} bytes")
            else:
                self.read(self.path)
        elif before:
            faults.append("the old file is gone")
        faults += self._stray(allowed=ASIDE)
        half = len(os.listdir(self.folder)) - len(self.others) - self.path.exists()
        self.left += half
        return faults, f"{half} half written"

    def _stray(self, allowed=None):
        there = set(os.listdir(self.folder))
        gone = [f"swept away: {name}" for name in self.others - there]
        extra = there - self.others - {self.name}
        odd = [name for name in extra if allowed is None or not allowed.fullmatch(name)]
        return gone + [f"left behind: {name}" for name in odd]

    def end(self):
        """Write once more, after which nothing that was half written may be there."""
        whole(lambda: self.write(self.path, 0))
        faults = [] if self.path.read_bytes() == self.contents[0] else ["not the new file"]
        return faults + self._stray()


def writings(folder):
    """Return what writes."""
    folder = folder / "writing"
    folder.mkdir()
    models = []
    for seed in (0, 1):
        path = folder / f"model{seed}.safetensors"
        make = ae.VAE(ae.Dense((400, 200)), 8, epochs=1, random_state=seed, n_threads=1)
        whole(lambda make=make, path=path: make.fit(X.reshape(100, 64)).save(path))
        models.append(ae.load(path))
        np.save(folder / f"x{seed}.npy", rng.random((500, 64), np.float32))

    def command(path, which):
        paths = [str(folder / name) for name in ("model0.safetensors", f"x{which}.npy")]
        assert cli.main(["encode", *paths, "-o", str(path), "--quiet"]) == 0

    def alias(path, which):
        ae.base.atomic.alias(folder / f"model{which}.safetensors", path)

    return [
        Writing(folder, "model.safetensors", lambda path, which: models[which].save(path), ae.load),
        Writing(folder, "codes.npy", command, np.load),
        Writing(folder, "codes.csv", command),
        Writing(folder, "alias.safetensors", alias, ae.load),
    ]


def kill_writers(times, draw, folder):
    """Yield what was lost at each of so many kills of processes that write."""
    kinds = writings(folder)
    for number in range(times):
        writing = kinds[number % len(kinds)]
        faults, where = writing.kill(draw)
        if number >= times - len(kinds) or draw.random() < 0.2:
            faults += writing.end()
        yield f"writes {writing.name}, {where}", faults


# ---- training -----------------------------------------------------------------------------------


def digest(model):
    """Return a digest of all that training has changed, but for the time that it took."""
    found = hashlib.blake2b()
    for fitted in filter(None, (model, getattr(model, "prior_", None))):
        for name, array in sorted(fitted._network.arrays().items()):
            found.update(name.encode() + array.tobytes())
        history = [{k: v for k, v in r.items() if k != "seconds"} for r in fitted.history_]
        found.update(repr((history, getattr(fitted, "best_epoch_", None))).encode())
    return found.hexdigest()


def trained(kind, path):
    """Return a function that trains, going on where it has been killed, and writes a digest."""

    def work():
        model = TRAININGS[kind](str(path)).fit(X, LABELS, resume=True)
        path.with_suffix(".digest").write_text(digest(model))

    return work


def kill_trainings(times, draw, folder):
    """Yield what was lost at each of so many kills of trainings."""
    folder = folder / "training"
    folder.mkdir()
    known, numbers, done = {}, itertools.count(), 0
    while done < times:
        number = next(numbers)
        kind = list(TRAININGS)[number % len(TRAININGS)]
        if kind not in known:
            place = folder / kind
            place.mkdir()
            seconds = whole(trained(kind, place / "run.ae"))
            known[kind] = seconds, (place / "run.digest").read_text(), sorted(os.listdir(place))
        seconds, wanted, names = known[kind]
        place = folder / str(number)
        place.mkdir()
        work, row = trained(kind, place / "run.ae"), draw.randint(1, IN_A_ROW)
        for i in range(min(row, times - done)):
            if not killed(work, draw.random() * seconds):
                break
            done += 1
            faults = []
            for name in os.listdir(place):
                if not name.startswith("."):
                    faults += not_whole(place / name)
                elif not ASIDE.fullmatch(name):
                    faults.append(f"left behind: {name}")
            yield f"trains {kind}, kill {i + 1}", faults
        whole(work)
        faults = []
        if (place / "run.digest").read_text() != wanted:
            faults.append("other bits than those of a training that nobody has killed")
        if (found := sorted(os.listdir(place))) != names:
            faults.append(f"{found} at the end in place of {names}")
        if faults:
            yield f"trains {kind} to its end", faults


def not_whole(path):
    """Return what is wrong with a file that was written beside a training."""
    if path.suffix == ".digest":  # written when all is over
        return []
    try:
        ae.load(path)
    except Exception as error:
        return [f"{path.name}: {error}"]
    return []


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    draw, began, lost, kills = random.Random(seed), time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        half = times // 2
        runs = kill_writers(half, draw, folder), kill_trainings(times - half, draw, folder)
        for run in runs:
            stack.enter_context(contextlib.closing(run))
            for where, faults in run:
                kills += "to its end" not in where
                lost += len(faults)
                for fault in faults:
                    print(f"{where}: {fault}", flush=True)
                if kills % 100 == 0:
                    print(f"{kills} kills, {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    print(f"kills: {kills} in {seconds:.0f} s, seed {seed}, {lost} faults")
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())

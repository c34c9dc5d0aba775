"""Write to disks that are full at random places, or can't be written to; look what is lost.

    python tests/support/disks.py [N] [SEED]        by default 1000 and 0; Linux

All that aecore writes: models, checkpoints, logs, pictures, ONNX, the results of commands. What
can't be written is an OSError with the path that was given (of a command one sentence, and status
2), the file that was there is whole, nothing is left beside it, and the model says what it said.

Disks are a file system of 4 MiB that nobody else sees, filled up to so many bytes or mounted
read-only, and a limit of the size of files. Where nothing can be mounted there is the limit alone.
"""

import contextlib
import errno
import io
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import aecore as ae
import numpy as np
from aecore import cli

DISK = 4 << 20
PAGE = 4096
NUMBERS = (errno.ENOSPC, errno.EFBIG, errno.EROFS)
rng = np.random.default_rng(0)
X, LABELS = rng.random((24, 8, 8, 1), dtype=np.float32), np.arange(24) % 3
OPTIONS = {"random_state": 0, "batch_size": 8, "n_threads": 1, "epochs": 3}
DENSE = ae.Dense((64,))
FIXTURES = Path("fixtures")  # on a disk with room

warnings.simplefilter("ignore")


class CommandFailed(OSError):
    """A command has said in one sentence that a file can't be written."""


def command(*arguments):
    """Run a command; OSError if it says that a file can't be written."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main([str(a) for a in arguments])
    lines = err.getvalue().splitlines()
    if status == 0:
        return
    assert status == 2 and out.getvalue() == "" and len(lines) == 1, (status, out, lines)
    name, place, text = lines[0].split(": ", 2) if lines[0].count(": ") > 1 else ("", "", lines[0])
    assert name == f"aecore {arguments[0]}", lines
    number = {os.strerror(number): number for number in NUMBERS}.get(text)
    assert number or "no permission" in text, lines
    raise CommandFailed(number or errno.EROFS, text, place)


def trained(path, **more):
    return ae.VAE(DENSE, 4, **OPTIONS | more).fit(X)


def logged(make):
    return lambda path: trained(path, callbacks=[make(path)])


MODEL = FIXTURES / "model.safetensors"
WRITERS = {
    "model.safetensors": lambda path: MODELS["vae"].save(path),
    "detector.safetensors": lambda path: MODELS["detector"].save(path),
    "run.ae": lambda path: trained(
        path, checkpoint=ae.Checkpoint(path, keep=2, keep_best=True), patience=2,
        validation_fraction=0.25,
    ),
    "log.csv": logged(ae.callbacks.CSVLogger),
    "log.jsonl": logged(ae.callbacks.JSONLinesLogger),
    "grid": logged(lambda path: ae.callbacks.ImageGrid(path, X[:4], limits=(0, 1))),
    "encoder.onnx": lambda path: ae.to_onnx(MODELS["vae"], path, "encode"),
    "codes.npy": lambda path: command("encode", MODEL, FIXTURES / "x.npy", "-o", path, "-q"),
    "codes.npz": lambda path: command("encode", MODEL, FIXTURES / "x.npy", "-o", path, "-q"),
    "codes.csv": lambda path: command("encode", MODEL, FIXTURES / "x.npy", "-o", path, "-q"),
    "scores.csv": lambda path: command("score", MODEL, FIXTURES / "x.npy", "-o", path, "-q"),
    "rebuilt": lambda path: command("reconstruct", MODEL, FIXTURES / "x.npy", "-o", path, "-q"),
    "samples.npy": lambda path: command("sample", MODEL, "-n", 40, "-o", path, "-q"),
    "history.png": lambda path: command("plot", "history", MODEL, "-o", path, "-q"),
    "trained.safetensors": lambda path: command(
        "train", FIXTURES / "x.npy", "-o", path, "--epochs", 1, "-q"
    ),
}  # fmt: skip
SEVERAL = {"run.ae": 3, "grid": 3, "rebuilt": 24}  # files that are written one after another
MODELS = {}


def prepare():
    """Make what is written, and read, on a disk with room."""
    FIXTURES.mkdir()
    MODELS["vae"] = trained(None)
    MODELS["vae"].save(MODEL)
    MODELS["detector"] = ae.AnomalyDetector(
        ae.Autoencoder(DENSE, 4, **OPTIONS), n_models=2, random_state=0
    ).fit(X)
    np.save(FIXTURES / "x.npy", np.tile(X, (20, 1, 1, 1)))
    return {"vae": MODELS["vae"].transform(X), "detector": MODELS["detector"].score_samples(X)}


# ---- disks --------------------------------------------------------------------------------------


@contextlib.contextmanager
def limited(size):
    """Let no file grow beyond a size."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def filled(disk, room):
    """Let a file system have so many bytes left."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_bsize - room))
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def read_only(disk):
    """Let a file system be read-only."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


# ---- what is to be true -------------------------------------------------------------------------


def contents(folder):
    """Return the files below a folder, with their bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != "filler"
    }


def whole(name, found):
    """Return what is wrong with files of a training that has ended early."""
    with tempfile.TemporaryDirectory() as folder:
        for file, data in found.items():
            if data is None:
                continue
            path = Path(folder, "f")
            path.write_bytes(data)
            try:
                if name == "run.ae":
                    ae.load(path)
                elif name.startswith("log"):
                    assert data.endswith(b"\n"), "half a line"
                elif not data.startswith(b"\x89PNG") or b"IEND" not in data[-8:]:
                    raise ValueError("half a picture")
            except Exception as error:
                return [f"{file}: {error}"]
    return []


def tried(name, place, disk, sizes, said):
    """Write where there is no room; return what went wrong, and how it ended."""
    path, before = place / name, contents(place)
    error, faults = None, []
    try:
        with disk:
            WRITERS[name](path)
    except Exception as raised:
        error = raised
    after = contents(place)
    if error is None:
        if not path.exists() or (name in SEVERAL and len(after) < len(before)):
            faults.append("written, it was said")
        elif name not in SEVERAL and name not in ("log.csv", "log.jsonl") and path.is_file():
            if abs(path.stat().st_size - sizes[name]) > 200:  # times are in histories
                faults.append(f"{path.stat().st_size} bytes in place of {sizes[name]}")
    elif not isinstance(error, OSError) or error.errno not in NUMBERS:
        faults.append(f"{type(error).__name__}: {error}")
    else:
        given = [str(path), os.path.abspath(path)]
        inside = name in SEVERAL and str(error.filename).startswith((given[0], given[1][:-3]))
        if str(error.filename) not in given and not inside:
            faults.append(f"the error names {error.filename!r}")
        new = {k: v for k, v in after.items() if before.get(k, b"") != v}
        training = name in ("run.ae", "log.csv", "log.jsonl", "grid")
        if not training and after != before:
            faults.append(f"other files are there: {sorted(new)}")
        elif training and (set(before) - set(after) or any("part" in k for k in new)):
            faults.append(f"other files are there: {sorted(new)}")
        elif training:
            faults += whole(name, new)
    for kind, X_said in said.items():
        model = MODELS[kind]
        now = model.transform(X) if kind == "vae" else model.score_samples(X)
        if not np.array_equal(now, X_said):
            faults.append("the model says something else")
    return faults, "written" if error is None else os.strerror(getattr(error, "errno", 0) or 0)


def run(times, seed, disk):
    """Write so many times, to a file system if there is one; return the number of faults."""
    draw, began, lost, written = random.Random(seed), time.monotonic(), 0, 0
    said, sizes = prepare(), {}
    for name, write in WRITERS.items():
        place = Path("room", name)
        place.mkdir(parents=True)
        write(place / name)
        sizes[name] = max(len(data or b"") for data in contents(place).values())
    for number in range(times):
        name = list(WRITERS)[number % len(WRITERS)]
        kind = draw.choice(["limit", "full", "full", "read-only"] if disk else ["limit"])
        place = Path(tempfile.mkdtemp(dir="." if kind == "limit" else disk))
        older = draw.random() < 0.6 and name not in ("grid", "rebuilt")
        if older:
            WRITERS[name](place / name)
        room = draw.randrange(sizes[name])
        medium = {
            "limit": lambda room=room: limited(room),
            "full": lambda room=room: filled(disk, room // PAGE * PAGE),
            "read-only": lambda: read_only(disk),
        }[kind]()
        faults, ended = tried(name, place, medium, sizes, said)
        written += ended == "written"
        fits = kind != "read-only" and room > sizes[name] - 300  # histories have times
        fits |= kind == "full" and name == "run.ae" and older  # which makes room
        if ended == "written" and not fits and not name.startswith("log"):
            faults.append("written where that can't be")
        for fault in faults:
            print(f"{name}, {kind}, room for {room} bytes: {fault}", flush=True)
        lost += len(faults)
        subprocess.run(["rm", "-r", place], check=True)
    seconds = time.monotonic() - began
    print(
        f"disks: {times} writes, {written} of them whole, in {seconds:.0f} s, seed {seed}, "
        f"{lost} faults" + ("" if disk else "; nothing could be mounted")
    )
    return lost


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    enter = ["unshare", "--mount", "--map-root-user", sys.executable, __file__]
    if "MOUNTED" not in os.environ:
        env = os.environ | {"MOUNTED": ""}
        with contextlib.suppress(OSError):
            if subprocess.run([*enter[:3], "true"], capture_output=True).returncode == 0:
                return subprocess.run([*enter, str(times), str(seed)], env=env).returncode
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        disk = Path("disk").absolute()
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", disk]
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
        try:
            return bool(run(times, seed, disk if mounted else None))
        finally:
            os.chdir("/")
            if mounted:
                subprocess.run(["umount", disk], check=True)


if __name__ == "__main__":
    sys.exit(main())

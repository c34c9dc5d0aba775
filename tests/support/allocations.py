"""Let allocations fail one by one, and look whether that is a MemoryError after which all goes on.

    python tests/support/allocations.py SHIM core|functions|models AT_MOST [MODEL]

SHIM is failing_malloc.c as a library, which has to be preloaded; `core` lets those of aecore._core
fail while models work, `functions` all of a call of aecore.functional, `models` all while models
work, AT_MOST of each step's, evenly. The last two want PYTHONMALLOC=malloc. `make nomem` does all.

After each, models are as they were, files are whole, nothing is left beside them, and no file is
left open.
"""

import ast
import ctypes
import errno
import faulthandler
import gc
import os
import pathlib
import pickle
import resource
import sys
import tempfile
import time
import traceback
import warnings
from functools import partial

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import aecore as ae
import aecore.functional as F
from aecore import _core
from aecore.base import runtime

from tests.kernels.test_functional_errors import VALID, copied

rng = np.random.default_rng(0)
SHIM = ctypes.PyDLL(sys.argv[1])
SHIM.arm.argtypes = [ctypes.c_long, ctypes.c_size_t, ctypes.c_size_t]
SHIM.arm.restype = None
SHIM.disarm.restype = ctypes.c_long
KW = {"epochs": 1, "batch_size": 8, "random_state": 0, "n_threads": 1}
TABLE, IMAGES = rng.random((24, 6), np.float32), rng.random((16, 8, 8, 3), np.float32)
SEQUENCES, LABELS = rng.random((16, 5, 3), np.float32), np.arange(24) % 3
MIXED = np.array([(i % 7, "abc"[i % 3]) for i in range(24)], [("x", float), ("k", "U1")])
MIXED["x"][3] = np.nan
MODELS = {
    "Autoencoder": (lambda **more: ae.Autoencoder(ae.Dense((8,)), 2, **KW | more), TABLE, None),
    "VAE, images": (lambda: ae.VAE(ae.Conv((4,)), 2, **KW), IMAGES, None),
    "CVAE": (lambda: ae.CVAE(ae.Dense((8,)), 2, **KW), TABLE, LABELS),
    "VQVAE": (lambda: ae.VQVAE(ae.Dense((8,)), 4, 3, **KW), TABLE, None),
    "LSTM": (lambda: ae.Autoencoder(ae.LSTM(4), 2, **KW), SEQUENCES, None),
    "Transformer": (lambda: ae.Autoencoder(ae.Transformer(8), 2, **KW), SEQUENCES, None),
    "TabularAutoencoder": (lambda: ae.TabularAutoencoder(ae.Dense((8,)), 2, **KW), MIXED, None),
    "AnomalyDetector": (
        lambda: ae.AnomalyDetector(
            ae.Autoencoder(ae.Dense((8,)), 2, **KW), n_models=2, random_state=0
        ),
        TABLE,
        None,
    ),
}
FULL = 600  # bytes of a file, where a disk is full


def range_of_core():
    """Return where the code of aecore._core lies."""
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    parts = [line.split()[0].split("-") for line in lines if _core.__file__ in line]
    ends = [int(end, 16) for part in parts for end in part]
    return min(ends), max(ends)


def surely(call):
    """Call again until there is memory for it, where one allocation fails; return what it does."""
    while True:
        try:
            return call()
        except MemoryError:
            pass


def attempt(call, victim, where):
    """Call with one allocation that fails; return how many there were, and the exception."""
    runtime._local.__dict__.clear()  # a workspace that has to grow
    error = None
    try:
        SHIM.arm(victim, *where)
        call()
    except Exception as raised:
        error = raised
    return surely(SHIM.disarm), error


def says_so(error, strict, also=None):
    """Return whether an exception says that memory was short; in NumPy's words, unless strict.

    NumPy's ufuncs and einsum forget to set one, Python's locks are a RuntimeError, and NumPy takes
    a dtype of fields for which memory lacks for one of strings. `also` is the number of an OSError
    that the call raises in any case.
    """
    if also is not None and isinstance(error, OSError) and error.errno == also:
        return True
    if strict:
        return isinstance(error, MemoryError)
    words = "can't allocate", "StringDType is not currently supported for structured"
    return isinstance(error, (MemoryError, SystemError)) or any(w in str(error) for w in words)


def opened():
    """Return how many files are open."""
    return len(os.listdir("/proc/self/fd"))


def fail_each(what, call, check, where, most, strict=True, also=None):
    """Fail allocations of a call one after another; return what went wrong."""
    attempt(call, 0, where)
    total, _ = attempt(call, 0, where)
    victims = range(1, total + 1)
    if total > most:
        victims = np.unique(np.linspace(1, total, most).astype(int)).tolist()
    faults, left = [], list(victims)
    while left:
        faults += in_a_child(left, lambda victim: fail(call, check, victim, where, strict, also))
    print(f"{what}: {len(victims)} of {total} allocations failed, {len(faults)} faults", flush=True)
    failed[0] += len(victims)
    for victim, fault in faults:
        print(f"    {victim} of {total}: {fault}", flush=True)
    return faults


failed = [0]


def fail(call, check, victim, where, strict, also):
    """Fail one allocation of a call; return what went wrong."""
    faults, before = [], opened()
    seen, error = attempt(call, victim, where)
    if error is not None and not says_so(error, strict, also):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        faults.append(f"{error!r} in {frame.filename}:{frame.lineno}: {frame.line}")
    elif error is None and where[0] < where[1] and seen >= victim:
        faults.append("nobody noticed")
    del error
    if opened() != before and gc.collect() >= 0 and opened() != before:
        faults.append(f"{opened() - before} more files are open")
    try:
        check()
    except Exception as broken:
        faults.append(f"afterwards {type(broken).__name__}: {broken}")
    return faults


def in_a_child(left, work):
    """Work through a list in a child, until that crashes or the end; return (item, fault) pairs."""
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as crash:
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            try:
                faulthandler.enable(crash)
                for item in left:
                    print(repr((item, work(item))), file=told, flush=True)
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        told.seek(0)
        crash.seek(0)
        done = [ast.literal_eval(line) for line in told]
        at = [line.strip() for line in crash if line.startswith("  File")][:1]
    faults = [(item, fault) for item, found in done for fault in found]
    del left[: len(done)]
    if left:
        faults.append((left.pop(0), f"a crash, by signal {os.WTERMSIG(status)}, in {at}"))
    return faults


class Steps:
    """What a model does, with what is to be true after each.

    Parameters
    ----------
    make : callable
        Returns a model that isn't fitted.
    X, y
        What it is fitted to.
    folder : str
    """

    def __init__(self, make, X, y, folder):
        self.make, self.X, self.folder = make, X, folder
        self.labels = () if y is None else (y,)
        self.path = os.path.join(folder, "model.ae")
        self.model, self.fresh = self.fitted(make()), make()
        self.said, self.pickled = self.says(self.model), pickle.dumps(self.model)
        self.model.save(self.path)
        self.bytes = pathlib.Path(self.path).read_bytes()

    def fitted(self, model, **more):
        return model.fit(self.X, *self.labels, **more)

    def says(self, model):
        """Return the codes or the scores of the samples."""
        if not hasattr(model, "transform"):
            return model.score_samples(self.X)
        return model.transform(self.X, *self.labels)

    def same(self, model, what):
        """Raise AssertionError unless a model says what the first one said."""
        assert np.array_equal(self.says(model), self.said), f"other codes {what}"

    def left(self, *names):
        """Raise AssertionError for files that don't belong into the folder."""
        assert (found := sorted(os.listdir(self.folder))) == sorted(names), found

    # ---- steps, and what is true after them -----------------------------------------------------

    def fit(self):
        self.fitted(self.fresh)

    def fits(self):
        if self.fresh.__sklearn_is_fitted__():  # as far as it has come
            assert np.isfinite(self.says(self.fresh)).all(), "no codes after half a fit"
        self.same(self.fitted(self.fresh), "after fit")

    def transform(self):
        self.says(pickle.loads(self.pickled))  # weights have to be packed
        self.says(self.model)

    def works(self):
        self.same(self.model, "than before")

    def reconstruct(self):
        self.model.reconstruct(self.X, *self.labels)

    def save(self):
        self.model.save(self.path)

    def save_to_a_full_disk(self):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        end = partial(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, limits[1]))
        try:
            self.model.save(self.path)
        finally:
            surely(end)

    def load(self):
        self.says(ae.load(self.path))

    def reads(self):
        self.left("model.ae")
        assert pathlib.Path(self.path).read_bytes() == self.bytes, "another file"
        self.same(ae.load(self.path), "after load")
        self.works()

    def checkpointed(self):
        checkpoint = os.path.join(self.folder, "run.ae")
        return self.make(checkpoint=ae.Checkpoint(checkpoint, keep=1, keep_best=True), epochs=3)

    def train(self):
        self.fitted(self.checkpointed())

    def trained(self, whole):
        """Go on after half a training, and begin anew."""
        names = os.listdir(self.folder)
        assert not [name for name in names if name.startswith(".")], names
        for name in names:
            ae.load(os.path.join(self.folder, name))
        model = self.fitted(self.checkpointed(), resume=True)
        assert np.array_equal(self.says(model), whole), "other codes after going on"
        self.left("model.ae", "run.ae", "run.best.ae", "run.epoch-3.ae")
        for path in pathlib.Path(self.folder).glob("run*"):
            path.unlink()


def model_faults(where, most):
    """Let allocations fail while small models work."""
    faults = []
    strict = where[0] < where[1]
    wanted = sys.argv[4:] or list(MODELS)
    if not set(wanted) <= set(MODELS):
        sys.exit(f"MODEL: expected some of {', '.join(MODELS)}, got {' '.join(wanted)}")
    for name, (make, X, y) in MODELS.items():
        if name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            steps = Steps(make, X, y, folder)
            found = [
                ("fit", steps.fit, steps.fits, None),
                ("transform", steps.transform, steps.works, None),
                ("save", steps.save, steps.reads, None),
                ("save to a full disk", steps.save_to_a_full_disk, steps.reads, errno.EFBIG),
                ("load", steps.load, steps.reads, None),
            ]
            if hasattr(steps.model, "reconstruct"):
                found.append(("reconstruct", steps.reconstruct, steps.works, None))
            if name == "Autoencoder":
                whole = steps.says(steps.fitted(make(epochs=3)))
                found.append(("checkpoints", steps.train, partial(steps.trained, whole), None))
            for step, call, check, also in found:
                faults += fail_each(f"{name}: {step}", call, check, where, most, strict, also)
    return faults


def function_faults(most):
    """Let allocations fail in each function of aecore.functional."""
    faults = []
    for name, arguments in VALID.items():
        given = copied(arguments)

        def call(name=name, given=given):
            getattr(F, name)(**given)

        faults += fail_each(name, call, call, (0, 0), most)
    return faults


def unraisable(found):
    """Say nothing of memory that lacks where a generator ends: Python goes on."""
    if not isinstance(found.exc_value, MemoryError):
        sys.__unraisablehook__(found)


def main():
    warnings.simplefilter("ignore")
    sys.unraisablehook = unraisable
    what, most, began = sys.argv[2], int(sys.argv[3]), time.monotonic()
    if what == "functions":
        faults = function_faults(most)
    else:
        faults = model_faults(range_of_core() if what == "core" else (0, 0), most)
    seconds = time.monotonic() - began
    print(f"{what}: {failed[0]} allocations failed in {seconds:.0f} s, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

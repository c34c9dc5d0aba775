"""Let allocations fail one by one, and look whether that is a MemoryError after which all goes on.

    python tests/support/allocations.py SHIM [core|functions|models] [AT_MOST]

SHIM is failing_malloc.c as a library, which has to be preloaded; `core` lets those of aecore._core
fail while models work, `functions` all of a call of aecore.functional, `models` all while models
work, AT_MOST of each step's, evenly. The last two want PYTHONMALLOC=malloc. `make nomem` does all.
"""

import ctypes
import os
import pathlib
import pickle
import sys
import tempfile
import traceback
import warnings

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
SEQUENCES = rng.random((16, 5, 3), np.float32)
MODELS = {
    "Autoencoder": (lambda: ae.Autoencoder(ae.Dense((8,)), 2, **KW), TABLE),
    "VAE, images": (lambda: ae.VAE(ae.Conv((4,)), 2, **KW), IMAGES),
    "VQVAE": (lambda: ae.VQVAE(ae.Dense((8,)), 4, 3, **KW), TABLE),
    "LSTM": (lambda: ae.Autoencoder(ae.LSTM(4), 2, **KW), SEQUENCES),
    "Transformer": (lambda: ae.Autoencoder(ae.Transformer(8), 2, **KW), SEQUENCES),
}


def range_of_core():
    """Return where the code of aecore._core lies."""
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    parts = [line.split()[0].split("-") for line in lines if _core.__file__ in line]
    ends = [int(end, 16) for part in parts for end in part]
    return min(ends), max(ends)


def attempt(call, victim, where):
    """Call with one allocation that fails; return how many there were, and the exception."""
    runtime._local.__dict__.clear()  # a workspace that has to grow
    error = None
    try:
        SHIM.arm(victim, *where)
        call()
    except Exception as raised:
        error = raised
    while True:
        try:
            return SHIM.disarm(), error
        except MemoryError:  # that was the one
            pass


def says_so(error, strict):
    """Return whether an exception says that memory was short; in NumPy's words, unless strict.

    NumPy's ufuncs and einsum forget to set one, and Python's locks are a RuntimeError.
    """
    if strict:
        return isinstance(error, MemoryError)
    return isinstance(error, (MemoryError, SystemError)) or "can't allocate" in str(error)


def fail_each(what, call, check, where, most, strict=True):
    """Fail allocations of a call one after another; return what went wrong."""
    attempt(call, 0, where)
    total, _ = attempt(call, 0, where)
    faults = []
    victims = range(1, total + 1)
    if total > most:
        victims = np.unique(np.linspace(1, total, most).astype(int)).tolist()
    for victim in victims:
        seen, error = attempt(call, victim, where)
        if error is not None and not says_so(error, strict):
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where_raised = f"{frame.filename}:{frame.lineno}: {frame.line}"
            faults.append(f"{what}, {victim} of {total}: {error!r} in {where_raised}")
        elif error is None and where[0] < where[1] and seen >= victim:
            faults.append(f"{what}, {victim} of {total}: nobody noticed")
        del error
        try:
            check()
        except Exception as broken:
            faults.append(f"{what}, after {victim} of {total}: {type(broken).__name__}: {broken}")
    print(f"{what}: {len(victims)} of {total} allocations failed, {len(faults)} faults", flush=True)
    return faults


def model_faults(where, most):
    """Let allocations fail while small models work."""
    faults = []
    strict = where[0] < where[1]
    for name, (make, X) in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.ae")
            model = make().fit(X)
            codes, pickled = model.transform(X), pickle.dumps(model)
            model.save(path)
            bytes_before = pathlib.Path(path).read_bytes()
            fresh = make()

            def works(model=model, X=X, codes=codes):
                assert np.array_equal(model.transform(X), codes), "other codes"

            def fits(fresh=fresh, X=X, codes=codes):
                assert np.array_equal(fresh.fit(X).transform(X), codes), "other codes after fit"

            def reads(path=path, X=X, codes=codes, before=bytes_before):
                assert pathlib.Path(path).read_bytes() == before, "another file"
                assert np.array_equal(ae.load(path).transform(X), codes), "other codes after load"

            def transform(model=model, X=X, pickled=pickled):
                pickle.loads(pickled).transform(X)  # weights have to be packed
                model.transform(X)

            def reconstruct(model=model, X=X):
                model.reconstruct(X)

            for step, call, check in [
                ("fit", lambda fresh=fresh, X=X: fresh.fit(X), fits),
                ("transform", transform, works),
                ("reconstruct", reconstruct, works),
                ("save", lambda model=model, path=path: model.save(path), reads),
                ("load", lambda path=path, X=X: ae.load(path).transform(X), reads),
            ]:
                faults += fail_each(f"{name}: {step}", call, check, where, most, strict)
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


def main():
    warnings.simplefilter("ignore")
    what, most = sys.argv[2], int(sys.argv[3])
    if what == "functions":
        faults = function_faults(most)
    else:
        faults = model_faults(range_of_core() if what == "core" else (0, 0), most)
    print("\n".join(faults) or "no faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

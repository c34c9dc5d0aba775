"""Let many threads at once do what one did alone, and compare the bits.

    python tests/support/threads.py [THREADS] [ROUNDS] [REQUESTS]

Each thread fits and serves eight models ROUNDS times, reads models that all share, and calls all
functions; then they ask for REQUESTS answers of models in training, each of which has to be that of
the parameters between two steps. The process is fresh, so that whatever is made on first use is
wanted by all threads at once; what one thread gives alone is computed behind that. `make threads`
takes 16, 100 and 2000.
"""

import collections
import copy
import functools
import hashlib
import importlib
import os
import pathlib
import pickle
import sys
import sysconfig
import tempfile
import threading
import time
import traceback

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import aecore as ae
import aecore.functional as F

from tests.kernels.test_functional_errors import VALID

KW = {"epochs": 1, "batch_size": 8, "random_state": 0, "n_threads": 1}
rng = np.random.default_rng(0)
ROWS, IMAGES = rng.random((24, 6), np.float32), rng.random((24, 8, 8, 2), np.float32)
LABELS = np.arange(24) % 3
SERIES = [rng.random((3 + i % 3, 2), np.float32) for i in range(24)]
MIXED = np.empty(24, [("size", np.float64), ("colour", "U5")])
MIXED["size"], MIXED["colour"] = ROWS[:, 0], np.array(["red", "green", "blue"])[LABELS]
MODELS = {  # what makes one, its samples, and their conditions
    "Autoencoder": (
        lambda: ae.Autoencoder(ae.Dense((8,)), 2, corruption=ae.Masking(0.2), **KW),
        ROWS,
        None,
    ),
    "VAE": (lambda: ae.VAE(ae.Conv((4,)), 2, loss="bce", **KW), IMAGES, None),
    "CVAE": (lambda: ae.CVAE(ae.Dense((8,)), 2, **KW), ROWS, LABELS),
    "VQVAE": (lambda: ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, **KW), IMAGES, None),
    "LSTM": (lambda: ae.Autoencoder(ae.LSTM(4), 2, **KW), SERIES, None),
    "Transformer": (lambda: ae.Autoencoder(ae.Transformer(8, 2, 1, 16), 2, **KW), SERIES, None),
    "adversarial": (lambda: ae.AdversarialAutoencoder(ae.Dense((8,)), 2, **KW), ROWS, None),
    "table": (lambda: ae.TabularAutoencoder(ae.Dense((8,)), 2, **KW), MIXED, None),
}
CODES_ALONE = {"Autoencoder", "LSTM", "Transformer", "table"}  # have no prior to draw from
CHANGED = {"out", "param", "m", "v", "running_mean", "running_var"}  # by a function


def digest(*found):
    """Return a short name of some arrays, that no other bits have."""
    whole = hashlib.blake2b(digest_size=16)
    for value in found:
        if isinstance(value, (list, tuple)):
            whole.update(digest(*value).encode())
        elif value is not None:
            array = np.asarray(value)
            data = array.tolist() if array.dtype.hasobject else array.tobytes()
            whole.update(repr((array.dtype.str, array.shape, data)).encode())
    return whole.hexdigest()


def run_at_once(work, threads):
    """Call work(i) in each of so many threads, none before all are there; raise the first error."""
    gate, errors = threading.Barrier(threads), []

    def run(i):
        try:
            gate.wait()
            work(i)
        except BaseException as error:
            traceback.print_exc()
            errors.append(error)

    workers = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]


# ---- what each thread does by itself ------------------------------------------------------------


def ask(name, model):
    """Return what a fitted model or a predictor says of samples: of all, of one and of a few."""
    _, X, y = MODELS[name]
    answers = []
    for rows in (slice(None), slice(1), slice(1, 4), slice(1)):
        given = (X[rows],) if y is None else (X[rows], y[rows])
        answers += [model.transform(*given), model.reconstruct(*given)]
        answers.append(model.score_samples(*given))
    return digest(*answers)


def serve(name, model):
    """Return what a fitted model says of its samples, draws, and has noted of its training."""
    _, X, y = MODELS[name]
    answers = [ask(name, model)]
    drawn = {"near": X[0]} if name in CODES_ALONE else {} if y is None else {"y": y[:3]}
    answers.append(model.sample(3, random_state=1, **drawn))
    losses = [record["loss"] for record in model.history_ if "loss" in record]
    return digest(losses, *answers)


def through_file(name, model):
    with tempfile.TemporaryDirectory() as folder:
        model.save(pathlib.Path(folder, "model"))
        return serve(name, ae.load(pathlib.Path(folder, "model")))


def through_copies(name, model):
    _, X, y = MODELS[name]
    return serve(name, copy.deepcopy(pickle.loads(pickle.dumps(model.partial_fit(X, y)))))


WAYS = [serve, through_file, through_copies, serve]
STREAM = 3  # the way that fits on batches


def live(name, way):
    """Fit a model, send it a way, and let it serve."""
    make, X, y = MODELS[name]
    if way == STREAM and name != "table":
        slices = [slice(i, i + 8) for i in range(0, 24, 8)]
        model = make().fit(lambda: ((X[s],) if y is None else (X[s], y[s]) for s in slices))
    else:
        model = make().fit(X, y)
    return WAYS[way](name, model)


# ---- what all share -----------------------------------------------------------------------------


def random_like(array):
    if array.dtype != np.float32:
        return array
    return rng.random(array.shape, np.float32) + np.float32(0.1)


SHARED = {
    name: {k: random_like(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    for name, arguments in VALID.items()
}
LARGE, WEIGHT = rng.random((512, 256), np.float32), rng.random((256, 256), np.float32)
PIXELS, KERNEL = rng.random((8, 16, 16, 16), np.float32), rng.random((16, 3, 3, 16), np.float32)


def call_functions():
    """Return what all functions give for the same arrays; some are large enough to be shared."""
    found = [F.linear(LARGE, WEIGHT), F.conv2d(PIXELS, KERNEL, padding=1)]
    for name, arguments in SHARED.items():
        own = {k: v.copy() if k in CHANGED and v is not None else v for k, v in arguments.items()}
        found += [getattr(F, name)(**own), *(own[k] for k in sorted(CHANGED & set(own)))]
    return digest(*found)


def use_lazy_parts():
    """Ask for what is imported when it is first used, and for modules by their old names."""
    codes = ae.metrics.active_units(ROWS, threshold=0.0)
    old = [importlib.import_module(f"aecore.{name}") for name in ("nn.quantizer", "nn.unit", "io")]
    specs = [module.__spec__.name for module in old]
    model = ae.Autoencoder(ae.Dense((8,)), 2, **KW)
    assert specs == ["aecore.nn.quantize.vector"] * 2 + ["aecore.files.load"], specs
    return digest(codes, sorted(model.get_params()), repr(model.set_params(arch__widths=(4,))))


@functools.cache
def expected(job, *arguments):
    """Return what one thread gives alone."""
    return job(*arguments)


def check_own_work(threads, rounds):
    """Compare what threads fit and serve by themselves; return how much that was."""
    found = [collections.defaultdict(set) for _ in range(threads)]

    def work(i):
        mine, names = found[i], list(MODELS)
        for n in range(rounds):
            if n == 0:
                mine[use_lazy_parts,].add(use_lazy_parts())
            for k in range(len(names)):
                name, way = names[(i + k) % len(names)], (i // 2 + n) % len(WAYS)
                mine[live, name, way].add(live(name, way))
            mine[call_functions,].add(call_functions())

    run_at_once(work, threads)
    return threads * rounds * compare(found)


def freeze(name):
    """Fit a model, and ask a predictor of it."""
    make, X, y = MODELS[name]
    return ask(name, make().fit(X, y).frozen())


def check_shared_models(threads, rounds):
    """Compare what threads read of models and predictors that all share."""
    models = {name: make().fit(X, y) for name, (make, X, y) in MODELS.items()}
    predictors = {name: model.frozen() for name, model in models.items()}
    found = [collections.defaultdict(set) for _ in range(threads)]

    def work(i):
        for _ in range(rounds):
            for name, model in models.items():
                found[i][live, name, 0].add((serve, through_file)[i % 2](name, model))
                found[i][freeze, name].add(ask(name, predictors[name]))

    run_at_once(work, threads)
    return threads * rounds * compare(found)


def compare(found):
    """Raise AssertionError unless all threads gave what one gives alone; return the models."""
    names = set()
    for i, mine in enumerate(found):
        for job, answers in mine.items():
            wanted = expected(*job)
            assert answers == {wanted}, f"thread {i}: {job}: {answers}, alone {wanted}"
            names.update(job[1:2])
    assert names == set(MODELS), names
    return len(names)


# ---- a training, and those who ask meanwhile -----------------------------------------------------

LEARNED = rng.random((64, 12), np.float32)
PROBES = [
    lambda model: digest(model.transform(LEARNED[:5])),
    lambda model: digest(model.reconstruct(LEARNED)),
    lambda model: digest(model.score_samples(LEARNED[3:40])),
]
IN_TRAINING = {
    "Autoencoder": lambda: ae.Autoencoder(ae.Dense((16, 8)), 3, **KW),
    "VQVAE": lambda: ae.VQVAE(ae.Dense((16,)), 8, 4, **KW),
}


def copied_by_file(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save(pathlib.Path(folder, "model"))
        return ae.load(pathlib.Path(folder, "model"))


COPIES = [copied_by_file, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]


def check_requests(name, threads, requests):
    """Ask a model in training; return the number of answers, and that of the steps."""
    make = IN_TRAINING[name]
    model, stop, passes, errors = make().fit(LEARNED), threading.Event(), [0], []
    answers = [[] for _ in range(threads)]  # of each: the probe's number, and what it said

    def train():
        try:
            while not stop.is_set():
                model.partial_fit(LEARNED)
                passes[0] += 1
        except BaseException as error:
            errors.append(error)

    def request(i):
        for n in range(i, requests, threads):
            probe = n // threads % len(PROBES)
            asked = model
            if n // threads % 4 == 3:
                asked = COPIES[n // threads // 4 % len(COPIES)](model)
            answers[i].append((probe, PROBES[probe](asked)))
            time.sleep(0.002)  # so that there are steps between, however busy the machine is

    trainer = threading.Thread(target=train, daemon=True)
    trainer.start()
    try:
        run_at_once(request, threads)
    finally:
        stop.set()
        trainer.join()
    if errors:
        raise errors[0]
    return compare_requests(make().fit(LEARNED), passes[0], answers, model)


def compare_requests(model, passes, answers, trained):
    """Take the same steps with nobody beside; raise AssertionError for what none of them gives."""
    given = [collections.defaultdict(list) for _ in PROBES]  # the steps behind each answer

    def note(step):
        for probe, steps in zip(PROBES, given, strict=True):
            steps[probe(model)].append(step)

    note(0)
    batches = [LEARNED[i : i + 8] for i in range(0, len(LEARNED), 8)]
    for step in range(passes * len(batches)):
        model.partial_fit(batches[step % len(batches)])
        note(step + 1)
    assert PROBES[1](model) == PROBES[1](trained), "the training gave other bits than alone"
    seen = set()
    for i, mine in enumerate(answers):
        at = 0  # time goes forward for each thread
        for probe, answer in mine:
            later = [step for step in given[probe][answer] if step >= at]
            assert later, f"thread {i}, probe {probe}: no parameters behind step {at} say so"
            at = later[0]
            seen.add(at)
    assert len(seen) > 3, f"expected answers of several steps, got those of {seen}"
    return sum(map(len, answers)), passes * len(batches)


def main():
    threads, rounds, requests = [int(n) for n in sys.argv[1:]] or (16, 100, 2000)
    started, interval = time.perf_counter(), sys.getswitchinterval()
    is_free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    sys.setswitchinterval(1e-5)
    lives = check_own_work(threads, rounds)
    reads = check_shared_models(threads, rounds)
    sys.setswitchinterval(interval)
    asked, steps = zip(
        *(check_requests(name, threads, requests // len(IN_TRAINING)) for name in IN_TRAINING),
        strict=True,
    )
    if is_free:
        assert not sys._is_gil_enabled(), "something has turned the global lock on"
    print(
        f"Python {sys.version.split()[0]}, {'without' if is_free else 'with'} a global lock, "
        f"{os.cpu_count()} CPUs: {threads} threads fitted and served models {lives} times, read "
        f"shared ones {reads} times and had {sum(asked)} answers beside {sum(steps)} steps of "
        f"training, all as one thread alone, in {time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()

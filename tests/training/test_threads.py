"""Threads beside a training, and children forked beside it: they see steps that are over."""

import contextlib
import copy
import os
import pickle
import threading
import time

import aecore as ae
import numpy as np
import pytest
from aecore.training import optim

KW = {"batch_size": 16, "epochs": 1, "random_state": 0, "n_threads": 1}


@pytest.fixture
def X(rng):
    return rng.random((64, 12), dtype=np.float32)


@pytest.fixture
def slow_steps(monkeypatch):
    """In the middle of a step all parameters are NaN for a while."""
    real = optim.Adam.step

    def step(self, parameters, *args):
        kept = parameters.copy()
        parameters.fill(np.nan)
        time.sleep(0.002)
        parameters[:] = kept
        real(self, parameters, *args)

    monkeypatch.setattr(optim.Adam, "step", step)


def make(**params):
    return ae.Autoencoder(ae.Dense((8,)), 3, **{**KW, **params})


@contextlib.contextmanager
def beside(act):
    """Do something again and again in another thread; raise its error in the end."""
    stop, errors, count = threading.Event(), [], [0]

    def run():
        try:
            while not stop.is_set():
                act()
                count[0] += 1
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join(30)
    if errors:
        raise errors[0]
    assert count[0] > 1


def test_a_training_beside_readers_gives_its_bits(X):
    def trained(model, readers):
        with contextlib.ExitStack() as stack:
            for act in readers:
                stack.enter_context(beside(act))
            for _ in range(60):
                model.partial_fit(X)
        return model.transform(X)

    alone, other = make().fit(X), make().fit(X)
    readers = [
        lambda: other.transform(X[:16]),
        lambda: other.score_samples(X[:5]),
        lambda: other.reconstruct(X[:20]),
    ]
    assert np.array_equal(trained(alone, []), trained(other, readers))
    assert alone.history_[-1]["loss"] == other.history_[-1]["loss"]


def test_readers_see_steps_that_are_over(X, slow_steps):
    model = make().fit(X)
    with beside(lambda: model.partial_fit(X)) as passes:
        while passes[0] < 5:
            assert np.isfinite(model.transform(X)).all()


def test_validation_and_new_networks_beside_readers(X):
    model = make(validation_fraction=0.25, epochs=3, patience=2).fit(X)
    with beside(lambda: model.fit(X)) as fits:
        while fits[0] < 8:
            assert model.reconstruct(X).shape == X.shape


def test_files_of_a_model_in_training_are_whole(X, slow_steps, tmp_path):
    model = make().fit(X)
    with beside(lambda: model.partial_fit(X)) as passes:
        while passes[0] < 5:
            model.save(tmp_path / "m")
            found = ae.load(tmp_path / "m")
            assert np.isfinite(found.transform(X)).all()
            assert found._network.samples >= 64 * len(found.history_)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_a_model_in_training_are_whole(way, X, slow_steps):
    model = make().fit(X)
    with beside(lambda: model.partial_fit(X)) as passes:
        while passes[0] < 5:
            found = way(model)
            assert np.isfinite(found.transform(X)).all()
            found.partial_fit(X)


class TrainsWhenCopied:
    """Something in a network that is copied behind its parameters: a training begins then."""

    def __init__(self, model, X):
        self.model, self.X, self.threads = model, X, []

    def __deepcopy__(self, memo):
        self.threads.append(threading.Thread(target=self.model.partial_fit, args=(self.X,)))
        self.threads[-1].start()
        self.threads[-1].join(0.1)
        return None

    def __reduce__(self):
        return bool, (self.__deepcopy__({}),)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_training_that_begins_meanwhile_is_in_no_copy(way, X):
    model = make().fit(X)
    network, codes = model._network, model.transform(X)
    network.beginner = beginner = TrainsWhenCopied(model, X)
    network.moments = vars(network).pop("moments")  # behind it
    found = way(network)
    for thread in beginner.threads:
        thread.join(30)
    assert beginner.threads and network.samples == 64 * (1 + len(beginner.threads))
    assert (found.samples, found.steps) == (64, 4)
    model._network = found
    assert np.array_equal(model.transform(X), codes)
    alone = make().fit(X)
    assert np.array_equal(found.moments["m"], alone._network.moments["m"])


def test_files_keep_no_views_of_what_a_training_is_about_to_change(X):
    model, network = make().fit(X), None
    network = model._network
    begun, over = threading.Event(), threading.Event()

    def begin():
        with network._training:  # what a training takes first
            begun.set()
            over.wait(30)

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    begun.wait(30)
    with network.kept_still():
        _, tensors = model._describe()
    over.set()
    thread.join(30)
    assert not any(np.shares_memory(a, network.flat.value) for a in tensors.values())
    with network.kept_still():
        _, tensors = model._describe()
    assert any(np.shares_memory(a, network.flat.value) for a in tensors.values())


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_beside_fits_are_whole(way, X):
    model = make(validation_fraction=0.25, patience=1).fit(X)
    wanted = model.transform(X[:4])
    with beside(lambda: model.fit(X)) as fits:
        while fits[0] < 20:
            found = way(model)
            assert found.transform(X[:4]).shape == wanted.shape
            assert len(found.history_) <= 1 and found.n_features_in_ == 12


def test_trainings_of_one_model_wait_for_each_other(X):
    model = make().fit(X)
    threads = [
        threading.Thread(target=lambda: [model.partial_fit(X) for _ in range(10)]) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    network = model._network
    assert (network.epoch, network.samples, network.steps) == (31, 31 * 64, 31 * 4)
    assert [r["epoch"] for r in model.history_] == list(range(1, 32))


def test_a_training_within_a_training_leaves_it_one(X):
    def learn_more(state):
        if state.epoch == 1:
            state.model.set_params(callbacks=()).partial_fit(X)
        state.model.transform(X)
        assert state.model._network._changes

    model = make(epochs=3, callbacks=[learn_more]).fit(X)
    assert model._network.epoch == 4 and not model._network._changes


def test_saving_waits_for_no_training_and_trainings_wait_for_it(X, tmp_path, monkeypatch):
    from aecore.files import document

    model, real, seen = make().fit(X), document.write, []

    def write(*args):
        thread = threading.Thread(target=model.partial_fit, args=(X,), daemon=True)
        thread.start()
        thread.join(0.1)
        seen.append(thread.is_alive())
        model.transform(X)  # readers go on
        real(*args)

    monkeypatch.setattr(document, "write", write)
    model.save(tmp_path / "m")
    assert seen == [True] and len(ae.load(tmp_path / "m").history_) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("name", ["transform", "partial_fit"])
def test_children_forked_beside_a_busy_thread_work(name, X, slow_steps):
    model = make().fit(X)
    x = np.tile(X, (50, 1))
    with beside(lambda: getattr(model, name)(x)) as count:
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                try:
                    fine = np.isfinite(model.transform(X)).all()
                    model.partial_fit(X)
                    os._exit(0 if fine and np.isfinite(model.transform(X)).all() else 3)
                except BaseException:
                    os._exit(4)
            end, got = time.monotonic() + 20, (0, 0)
            while got[0] == 0 and time.monotonic() < end:
                got = os.waitpid(pid, os.WNOHANG)
                time.sleep(0.005)
            if got[0] == 0:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
            assert got == (pid, 0)
        while count[0] < 2:
            time.sleep(0.01)

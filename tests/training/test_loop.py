"""The loop: determinism, resuming, schedules, stopping, what data may be, and what it allocates."""

import contextlib
import subprocess
import sys
import tracemalloc

import aecore as ae
import numpy as np
import pytest
from aecore.base import runtime
from aecore.training.optim import StepSize, resolve
from aecore.training.schedules import Product
from support.objectives import OBJECTIVES, PAIRS, images
from support.resuming import resumed, state

KW = {"batch_size": 16, "random_state": 0}


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


def make(**params):
    return ae.Autoencoder(ae.Dense((8,)), 3, **{**KW, "epochs": 3, **params})


# ---- determinism --------------------------------------------------------------------------------

SEEDED = OBJECTIVES | PAIRS


@pytest.mark.parametrize("name", SEEDED)
def test_bits_do_not_depend_on_the_number_of_threads(name):
    x, y = images()
    runs = [SEEDED[name](n_threads=t, epochs=2, **KW).fit(x, y) for t in (1, 2, 3)]
    for run in runs[1:]:
        assert state(run) == state(runs[0])
        np.testing.assert_array_equal(run.transform(x, y), runs[0].transform(x, y))


@pytest.mark.parametrize("name", SEEDED)
def test_seeds(name):
    x, y = images(30)
    first = SEEDED[name](epochs=1, batch_size=8, random_state=5).fit(x, y)
    again = SEEDED[name](epochs=1, batch_size=8, random_state=5).fit(x, y)
    other = SEEDED[name](epochs=1, batch_size=8, random_state=6).fit(x, y)
    assert state(first) == state(again.fit(x, y)) == state(again)
    assert state(first)[0] != state(other)[0]


@pytest.mark.parametrize("name", SEEDED)
def test_resuming_in_a_new_process_gives_the_same_bits(name, tmp_path):
    x, y = images()
    options = {"validation_fraction": 0.2, "clip_norm": 1.0, **KW}
    whole = SEEDED[name](epochs=6, **options).fit(x, y)
    half = SEEDED[name](epochs=3, **options).fit(x, y)
    assert state(half) != state(whole)
    elsewhere = resumed(half, tmp_path / "half", 3, x, y)
    assert state(elsewhere) == state(whole)
    np.testing.assert_array_equal(elsewhere.transform(x, y), whole.transform(x, y))
    half.set_params(warm_start=True, epochs=3).fit(x, y)  # and in this process
    assert state(half) == state(whole)


def test_random_state_may_be_a_generator(X):
    def codes(random_state):
        return make(random_state=random_state).fit(X).transform(X)

    for new in (np.random.default_rng, np.random.RandomState):
        np.testing.assert_array_equal(codes(new(3)), codes(new(3)))
        shared = new(3)
        assert not np.array_equal(codes(shared), codes(shared))  # it moves on
    assert not np.array_equal(codes(None), codes(None))


def test_a_fit_starts_afresh_without_warm_start(X):
    model = make()
    once = state(model.fit(X))
    assert state(model.fit(X)) == once
    assert state(model.fit(X[:, :5]))[2] == once[2] and model.n_features_in_ == 5


def test_partial_fit_is_a_pass_in_order(X):
    ordered = make(shuffle=False, epochs=1).fit(X)
    passed = make().partial_fit(X)
    assert state(passed) == state(ordered)
    passed.partial_fit(X)
    ordered.set_params(warm_start=True).fit(X)
    assert state(passed) == state(ordered)
    assert [r["epoch"] for r in passed.history_] == [1, 2]
    parts = make().partial_fit(X[:32]).partial_fit(X[32:])
    assert state(parts)[0] == state(make().partial_fit(X))[0]  # whole batches, in the same order


def test_initialize_and_warm_start(X):
    plain = make().fit(X)
    prepared = make(warm_start=True).initialize(X)
    assert prepared.history_ == [] and prepared.transform(X).shape == (50, 3)
    assert state(prepared.fit(X)) == state(plain)
    changed = make(warm_start=True).initialize(X)
    changed.parameters_["encoder.0.weight"][...] = 0
    assert state(changed.fit(X)) != state(plain)


def test_epochs_of_zero_train_nothing(X):
    model = make(epochs=0).fit(X)
    assert model.history_ == [] and model.reconstruct(X).shape == X.shape


def test_changing_the_optimizer_forgets_its_moments(X):
    model = make().fit(X)
    assert model._network.steps == 12 and set(model._network.moments) == {"m", "v"}
    model.set_params(optimizer="sgd", warm_start=True, epochs=1).fit(X)
    assert model._network.steps == 4 and set(model._network.moments) == {"m"}


# ---- optimisers and schedules -------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", [ae.SGD(0.0), ae.SGD(0.5, nesterov=True), ae.Adam(), ae.AdamW()]
)
def test_optimizers_step_by_the_textbook(optimizer, rng):
    p, m, v = rng.standard_normal(33), np.zeros(33), np.zeros(33)
    value = p.astype(np.float32)
    moments = {k: np.zeros(33, np.float32) for k in optimizer.moments}
    lr, decay, scale = 0.1, 0.2, 0.5
    for t in (1, 2, 3):
        g = rng.standard_normal(33)
        optimizer.step(value, g.astype(np.float32), moments, StepSize(lr, decay, t, scale))
        g *= scale
        if isinstance(optimizer, ae.SGD):
            g += decay * p
            m = optimizer.momentum * m + g
            p = p - lr * (g + optimizer.momentum * m if optimizer.nesterov else m)
            continue
        if type(optimizer) is ae.AdamW:
            p = p * (1 - lr * decay)
        else:
            g += decay * p
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p = p - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(value, p, rtol=1e-4, atol=1e-5)


def test_optimizers_by_name():
    assert resolve("adam") == ae.Adam() and resolve("adamw") == ae.AdamW()
    assert resolve("sgd") == ae.SGD(0.9) and resolve(ae.SGD(0.1)) == ae.SGD(0.1)


@pytest.mark.parametrize(
    "schedule, at, want",
    [
        (ae.Constant(0.5), [0, 7.5], [0.5, 0.5]),
        (ae.Cosine(10), [0, 5, 10, 20], [1, 0.5, 0, 0]),
        (ae.Cosine(10, final=0.2), [0, 5, 10, 20], [1, 0.6, 0.2, 0.2]),
        (ae.Step(3, 0.1), [0, 2.9, 3, 6], [1, 1, 0.1, 0.01]),
        (ae.Warmup(4, start=0.2), [0, 2, 4, 9], [0.2, 0.6, 1, 1]),
        (ae.Warmup(4, start=0) * ae.Step(3), [2, 3.5, 6], [0.5, 0.0875, 0.01]),
    ],
)
def test_schedules(schedule, at, want):
    schedule.check()
    assert [schedule(t) for t in at] == pytest.approx(want)


def test_schedules_are_values():
    assert ae.Warmup(2) * ae.Cosine(5) == Product(ae.Warmup(2), ae.Cosine(5)) != ae.Warmup(2)
    assert repr(ae.Warmup(2) * ae.Cosine(5)) == "Warmup(epochs=2) * Cosine(epochs=5)"
    model = make(schedule=ae.Warmup(2) * ae.Cosine(5))
    model.set_params(schedule__second__epochs=9)
    assert model.schedule.second.epochs == 9


def test_the_schedule_and_the_learning_rate_reach_the_steps(X):
    model = make(schedule=ae.Cosine(3), epochs=5).fit(X)
    last = [1e-3 * ae.Cosine(3)(e + 3 / 4) for e in range(5)]
    assert [r["learning_rate"] for r in model.history_] == pytest.approx(last)
    frozen = make(schedule=ae.Constant(0.0)).fit(X)
    assert frozen.history_[0]["loss"] == pytest.approx(frozen.history_[2]["loss"], rel=1e-6)


def test_clip_norm_bounds_the_step(X):
    """With plain gradient descent a step is the learning rate times the clipped gradient."""
    options = {"optimizer": ae.SGD(0.0), "learning_rate": 1.0, "batch_size": 50, "epochs": 1}
    model = make(clip_norm=0.01, **options).initialize(X)
    before = model._network.flat.value.copy()
    model.set_params(warm_start=True).fit(X)
    moved = np.linalg.norm(model._network.flat.value - before)
    assert moved == pytest.approx(0.01, rel=1e-3)
    free = make(clip_norm=1e9, **options).initialize(X).set_params(warm_start=True).fit(X)
    none = make(clip_norm=None, **options).initialize(X).set_params(warm_start=True).fit(X)
    assert state(free) == state(none)


# ---- validation, stopping, callbacks ------------------------------------------------------------


def test_validation_measures_held_out_samples(X):
    model = make(validation_fraction=0.2).fit(X)
    record = model.history_[-1]
    assert {"val_loss", "val_recon", "val_mse"} <= set(record)
    beside = make().fit(X[:40], X_val=X[40:])
    last = beside.history_[-1]
    assert last["val_loss"] == pytest.approx(-beside.score(X[40:]), rel=1e-6)
    error = ((beside.reconstruct(X[40:]) - X[40:]) ** 2).mean()
    assert last["val_mse"] == pytest.approx(error, rel=1e-5)
    assert state(beside)[0] == state(make().fit(X[:40]))[0]  # measuring changes nothing


def test_patience_goes_back_to_the_best_state(X):
    losses = iter([5.0, 3.0, 4.0, 3.5, 2.0, 9.0])
    seen = []

    def script(s):
        s.record["val_loss"] = next(losses)
        seen.append(s.model._network.flat.value.copy())

    model = make(epochs=20, patience=2, callbacks=[script]).fit(X, X_val=X[:5])
    assert len(model.history_) == 4 and model.best_epoch_ == 2
    np.testing.assert_array_equal(model._network.flat.value, seen[1])
    assert len(make(epochs=20, patience=3, learning_rate=1e-9).fit(X, X_val=X[:5]).history_) >= 4


def test_callbacks_see_the_model_and_may_stop(X):
    seen = []

    def callback(s):
        seen.append((s.epoch, s.record["loss"], s.model.score(X)))
        return s.epoch == 2

    model = make(epochs=9, callbacks=[callback, lambda s: "not True"]).fit(X)
    assert [e for e, _, _ in seen] == [1, 2] and len(model.history_) == 2
    assert seen[1][1] == model.history_[1]["loss"] and seen[1][2] == model.score(X)


def test_checkpoint_follows_training(X, tmp_path):
    path = tmp_path / "c.safetensors"
    epochs = []
    watch = lambda s: epochs.append(len(ae.load(path).history_))  # noqa: E731
    model = make(checkpoint=path, callbacks=[watch]).fit(X)
    assert epochs == [1, 2, 3]
    assert state(ae.load(path))[0] == state(model)[0]
    assert list(tmp_path.iterdir()) == [path]


def test_progress(X, capsys):
    make(verbose=0).fit(X)
    assert capsys.readouterr() == ("", "")
    make(verbose=2).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("epoch 1/3  loss ")
    make(verbose=1).fit(X)
    shown = capsys.readouterr().err
    assert "epoch 3/3" in shown and "12/12" in shown and "loss" in shown
    model = make(verbose=2, epochs=1, warm_start=True).fit(X)
    capsys.readouterr()
    model.fit(X)
    assert capsys.readouterr().out.startswith("epoch 2/2")


def test_history(X):
    record = make().fit(X).history_[0]
    assert list(record) == ["epoch", "loss", "recon", "mse", "learning_rate", "seconds"]
    assert record["epoch"] == 1 and record["learning_rate"] == 1e-3 and record["seconds"] > 0
    assert all(type(v) in (int, float) for v in record.values())


# ---- numbers that stop being finite -------------------------------------------------------------


class Poison(ae.nn.Module):
    """The identity, until a countdown ends."""

    def __init__(self, countdown, backward=False):
        self.countdown, self.in_backward = countdown, backward

    def forward(self, x, training=False):
        y = x.copy()
        if training and not self.in_backward:
            self.tick(y)
        return y

    def backward(self, grad):
        dx = grad.copy()
        if self.in_backward:
            self.tick(dx)
        return dx

    def tick(self, array):
        self.countdown -= 1
        if self.countdown <= 0:
            array[0, 0] = np.nan

    def output_shape(self, shape):
        return shape


@pytest.mark.parametrize("backward", [False, True])
def test_a_loss_that_is_not_finite_stops_and_names_the_layer(X, backward):
    nn = ae.nn
    encoder = nn.Sequential(
        nn.Linear(12, 6, activation="tanh"), Poison(7, backward), nn.Linear(6, 2)
    )
    model = ae.Autoencoder((encoder, nn.Sequential(nn.Linear(2, 12))), 2, **KW)
    what = "gradient" if backward else "output"
    where = rf"epoch 2, batch 3: .* the {what} of encoder\.1, Poison"
    with pytest.raises(FloatingPointError, match=where):
        model.fit(X)
    assert len(model.history_) == 1 and model._network.steps == 6
    assert all(np.isfinite(v).all() for v in model._network.arrays().values())
    # exactly the six steps that went well
    model._network.encoder.layers[1].countdown = 10**9
    assert np.isfinite(model.score(X))
    quiet = nn.Sequential(nn.Linear(12, 6, activation="tanh"), Poison(10**9), nn.Linear(6, 2))
    whole = ae.Autoencoder((quiet, nn.Sequential(nn.Linear(2, 12))), 2, **KW)
    stop, real = [], ae.training.network.Network.descend

    def descend(self, *args):
        if self.steps == 6:
            stop.append(self.flat.value.copy())
        real(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ae.training.network.Network, "descend", descend)
        whole.set_params(epochs=2).fit(X)
    np.testing.assert_array_equal(model._network.flat.value, stop[0])


def test_statistics_survive_a_step_that_fails():
    x, _ = images()
    nn = ae.nn
    encoder = nn.Sequential(
        nn.Conv2d(2, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2)
    )
    decoder = nn.Sequential(nn.Linear(2, 128), nn.Reshape((8, 8, 2)))
    model = ae.Autoencoder((encoder, decoder), 2, epochs=1, **KW).fit(x)
    kept = {k: v.copy() for k, v in model._network.buffers()}
    model.parameters_["encoder.0.weight"][...] = np.nan
    with pytest.raises(FloatingPointError, match=r"output of encoder\.0, Conv2d"):
        model.set_params(warm_start=True).fit(x)
    for name, value in model._network.buffers():
        np.testing.assert_array_equal(value, kept[name], err_msg=name)


@pytest.mark.parametrize("optimizer, rate", [("sgd", 1e30), ("adam", 1e30), ("sgd", 1e38)])
def test_steps_that_are_too_large(X, optimizer, rate):
    model = make(optimizer=optimizer, learning_rate=rate)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        model.fit(X)
    assert all(np.isfinite(v).all() for v in model._network.arrays().values())
    assert model.history_ == []


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("rate", [3.0, 100.0, 1000.0])
@pytest.mark.parametrize("kind", [ae.Autoencoder, ae.VAE, ae.AdversarialAutoencoder, ae.VQVAE])
@pytest.mark.filterwarnings("ignore:latent_dim. codes of 32 numbers")
def test_the_state_left_has_a_finite_loss(kind, rate, optimizer, rng):
    """The step that went too far is undone: where it led, no loss is finite."""
    X = rng.normal(size=(200, 5)).astype(np.float32)
    how = {"learning_rate": rate, "optimizer": optimizer, "init": "uniform", "random_state": 0}
    model = kind(ae.Dense((8,)), epochs=8, **how)
    try:
        model.fit(X)
    except FloatingPointError as error:
        assert "in its last finite state" in str(error)
    assert np.isfinite(model.score_samples(X)).all()
    assert all(np.isfinite(v).all() for v in model._network.arrays().values())


def test_a_parameter_that_overflows_in_the_last_step(X):
    model = make(optimizer=ae.SGD(0.0), learning_rate=3e38, batch_size=50, epochs=1)
    with pytest.raises(FloatingPointError, match=r"too large.*encoder\.0|parameter"):
        model.fit(X * 100)
    assert all(np.isfinite(v).all() for v in model._network.arrays().values())


# ---- steady state -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OBJECTIVES)
def test_steps_allocate_nothing_once_warm(name):
    """After the first epoch neither the core nor NumPy takes memory of the size of a batch."""
    x, y = images(1024)  # or what the record's own objects take would be as much
    model = OBJECTIVES[name](epochs=4, batch_size=256, random_state=0, shuffle=False)
    if "vq" in name:
        model.set_params(restart_dead=False)  # an event, which lists the entries that it moves
    if name == "clusters":
        model.set_params(pretrain_epochs=0)  # the first step behind it takes more
    step_peaks, grown = [], []
    method = "_settle" if name == "recirculation" else "_step"
    real = getattr(type(model), method)

    def step(self, batch):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        terms = real(self, batch)
        step_peaks.append(tracemalloc.get_traced_memory()[1] - before)
        grown.append(runtime.current().grown)
        return terms

    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr(type(model), method, step)
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        model.fit(x, y)
    batch_bytes = 256 * 8 * 8 * 2 * 4
    assert max(step_peaks[4:]) < batch_bytes / 4, step_peaks
    assert grown[4:] == [grown[4]] * 12


@pytest.mark.parametrize("name", OBJECTIVES)
def test_arrays_are_found_by_position_once_warm(name):
    """Nothing of a step outlives it, or the next one would have to look for other memory."""
    x, y = images(256)
    model = OBJECTIVES[name](batch_size=64, random_state=0)
    searched = []
    real = ae.nn.tape.Tape._search

    def search(self, i, *wanted):
        searched.append(i)
        return real(self, i, *wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ae.nn.tape.Tape, "_search", search)
        counts = []
        for epochs in (2, 5):
            searched.clear()
            model.set_params(epochs=epochs).fit(x, y)
            counts.append(len(searched))
    assert counts[0] == counts[1] > 0


def test_numpy_allocates_no_arrays_between_steps(X):
    """Live blocks in NumPy's own domain: equal after every step of an epoch."""
    model = make(epochs=3, shuffle=False)
    blocks = []

    def count(*_):
        domain = np.lib.tracemalloc_domain
        found = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, domain)])
        blocks.append(len(found.traces))

    real = ae.training.network.Network.descend

    def descend(self, *args):
        real(self, *args)
        count()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ae.training.network.Network, "descend", descend)
        tracemalloc.start()
        try:
            model.fit(X)
        finally:
            tracemalloc.stop()
    assert len(set(blocks[4:])) == 1, blocks


def test_importing_is_light():
    code = """
import sys, numpy
before = set(sys.modules)
import aecore
heavy = {"sklearn", "matplotlib", "torch", "pandas", "scipy", "tqdm", "safetensors", "pooch"}
print(sorted(heavy & set(sys.modules)))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

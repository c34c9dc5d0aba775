"""Checkpoints: when they are written, and that going on from one gives the bits of a whole run."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys

import aecore as ae
import numpy as np
import pytest
from aecore.training.checkpoint import Saver
from files.test_damaged_files import ODD, signed
from safetensors import safe_open
from support.resuming import state

KW = {"batch_size": 16, "random_state": 0}


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


def make(**params):
    return ae.Autoencoder(ae.Dense((8,)), 3, **{**KW, "epochs": 4, **params})


def images(n=48):
    x = np.random.default_rng(0).random((n, 8, 8, 1), dtype=np.float32)
    return x, np.arange(n) % 3


def killed(model, saves, monkeypatch, *args, after=True, **options):
    """Fit until a number of checkpoints are there; the process ends behind (or before) the last."""
    real, count = Saver.save, [0]

    def save(self):
        count[0] += self.checkpoint is not None
        if count[0] == saves and not after:
            raise Killed
        real(self)
        if count[0] == saves:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Saver, "save", save)
        with pytest.raises(Killed):
            model.fit(*args, **options)


def same(a, b):
    assert state(a) == state(b)
    assert getattr(a, "best_epoch_", None) == getattr(b, "best_epoch_", None)
    ours, theirs = vars(a).get("prior_"), vars(b).get("prior_")
    assert (ours is None) == (theirs is None)
    if ours is not None:
        same(ours, theirs)


# ---- the bits of a whole run --------------------------------------------------------------------

PRIOR = {"channels": 4, "layers": 2, "epochs": 3, "batch_size": 16}
NOISE = (ae.Masking(0.1), None)
KINDS = {
    "patience": lambda **k: ae.Autoencoder(
        ae.Dense((8,)),
        3,
        patience=2,
        validation_fraction=0.25,
        learning_rate=0.5,
        init="uniform",
        **k,
    ),
    "schedule": lambda **k: ae.Autoencoder(
        ae.Conv((4,)), 3, schedule=ae.Warmup(2) * ae.Cosine(4), corruption=ae.GaussianNoise(), **k
    ),
    "vae": lambda **k: ae.VAE(ae.Dense((8,)), 3, kl_warmup=3, patience=3, loss="gaussian", **k),
    "vae of clusters": lambda **k: ae.VAE(
        ae.Dense((8,)),
        3,
        prior=ae.GaussianMixture(3),
        pretrain_epochs=3,
        corruption=ae.Masking(0.1),
        patience=2,
        **k,
    ),
    "vae of pseudo-inputs": lambda **k: ae.VAE(ae.Dense((8,)), 3, prior=ae.VampPrior(5), **k),
    "cvae": lambda **k: ae.CVAE(ae.Dense((8,)), 3, optimizer="sgd", clip_norm=1.0, **k),
    "vqvae": lambda **k: ae.VQVAE(ae.Conv((4,)), 16, 4, ema_decay=0.9, patience=2, **k),
    "vqvae with a prior": lambda **k: ae.VQVAE(
        ae.Conv((4,)), 16, 4, prior=ae.PixelCNN(**PRIOR, patience=1), **k
    ),
    "gan": lambda **k: ae.GAN(ae.Dense((8,)), 3, conditional=True, **k),
    "aae": lambda **k: ae.AdversarialAutoencoder(
        ae.Dense((8,)),
        3,
        discriminator_widths=(8,),
        tied=True,
        discriminator_learning_rate=0.01,
        **k,
    ),
    "stack": lambda **k: ae.StackedAutoencoder(
        ae.Dense((8,)), 3, pretrain_epochs=2, tied=True, corruption=NOISE, patience=2, **k
    ),
    "classifier": lambda **k: ae.SoftmaxClassifier(
        ae.StackedAutoencoder(ae.Dense((8,)), 3, pretrain_epochs=1, epochs=1, batch_size=16),
        dropout=0.2,
        patience=2,
        validation_fraction=0.25,
        **k,
    ),
    "recirculation": lambda **k: ae.Recirculation(6, loss="bce", patience=2, **k),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kill_is_undone(name, tmp_path, monkeypatch):
    """Killed behind each checkpoint in turn, and resumed, until nothing is left to kill."""
    x, y = images()
    whole = KINDS[name](epochs=5, **KW).fit(x, y)
    if name == "patience":
        assert (whole.best_epoch_, len(whole.history_)) == (2, 4)
    saves = 0
    while True:
        saves += 1
        path = tmp_path / f"{saves}.aecore"
        make = lambda path=path: KINDS[name](epochs=5, checkpoint=path, **KW)  # noqa: E731
        try:
            killed(make(), saves, monkeypatch, x, y)
        except pytest.fail.Exception:
            break  # it has ended before
        resumed = make().fit(x, y, resume=True)
        same(resumed, whole)
    assert saves > (8 if name == "stack" else 5 if "prior" in name else 3)
    same(make().fit(x, y, resume=True), whole)  # over: nothing is trained
    same(ae.load(path), whole)


def test_kills_one_after_another(X, tmp_path, monkeypatch):
    make = lambda: ae.StackedAutoencoder(  # noqa: E731
        ae.Dense((8,), "sigmoid"), 3, pretrain_epochs=3, epochs=5, patience=4, **KW,
        checkpoint=tmp_path / "m",
    )  # fmt: skip
    whole = make().set_params(checkpoint=None).fit(X)
    for _ in range(9):
        killed(make(), 1, monkeypatch, X, resume=True)
    same(make().fit(X, resume=True), whole)


def test_a_kill_before_the_next_checkpoint_trains_those_epochs_again(X, tmp_path, monkeypatch):
    saving = ae.Checkpoint(tmp_path / "m", every_epochs=3)
    whole = make(epochs=8, patience=7).fit(X)
    model = make(epochs=8, patience=7, checkpoint=saving)
    killed(model, 2, monkeypatch, X, after=False)
    assert len(model.history_) == 6 and len(ae.load(tmp_path / "m").history_) == 3
    seen = []
    model = make(
        epochs=8, patience=7, checkpoint=saving, callbacks=[lambda s: seen.append(s.epoch)]
    )
    same(model.fit(X, resume=True), whole)
    assert seen == [3, 4, 5, 6, 7, 8]  # those of the saved epoch too


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_resuming_with_another_number_of_threads(threads, tmp_path, monkeypatch):
    x, y = images()
    whole = KINDS["vqvae"](epochs=4, n_threads=1, **KW).fit(x, y)
    make = lambda n: KINDS["vqvae"](  # noqa: E731
        epochs=4, n_threads=n, checkpoint=tmp_path / "m", **KW
    )
    killed(make(3), 2, monkeypatch, x, y)
    same(make(threads).fit(x, y, resume=True), whole)


def test_a_prior_may_have_its_own_checkpoint(tmp_path, monkeypatch):
    x, y = images()
    params = {"epochs": 2, **KW}
    prior = lambda **k: ae.PixelCNN(**PRIOR, **k)  # noqa: E731
    whole = ae.VQVAE(ae.Conv((4,)), 16, 4, prior=prior(), **params).fit(x, y)
    make = lambda: ae.VQVAE(  # noqa: E731
        ae.Conv((4,)), 16, 4, prior=prior(checkpoint=tmp_path / "p"), checkpoint=tmp_path / "m",
        **params,
    )  # fmt: skip
    killed(make(), 5, monkeypatch, x, y)  # 3 of the model, 2 of the prior
    assert len(ae.load(tmp_path / "p").history_) == 2
    seen, real = [], ae.PixelCNN._step
    monkeypatch.setattr(ae.PixelCNN, "_step", lambda s, b: seen.append(0) or real(s, b))
    same(make().fit(x, y, resume=True), whole)
    assert len(seen) == 3  # an epoch


def test_stopping_by_a_callback_is_remembered(X, tmp_path, monkeypatch):
    stop = lambda s: s.epoch == 2  # noqa: E731
    whole = make(callbacks=[stop]).fit(X)
    for saves in (1, 2, 3):
        path = tmp_path / f"m{saves}"
        killed(make(callbacks=[stop], checkpoint=path), saves, monkeypatch, X)
        same(make(callbacks=[stop], checkpoint=path).fit(X, resume=True), whole)
    model = make(checkpoint=path, epochs=9).fit(X, resume=True)  # nobody asks it to go on
    assert len(model.history_) == 2


@pytest.mark.parametrize("patience", [None, 3])
def test_more_epochs_go_on_where_the_last_one_was(X, tmp_path, patience):
    options = {"patience": patience, "learning_rate": 0.1, "validation_fraction": 0.3}
    make(epochs=3, checkpoint=tmp_path / "m", **options).fit(X)
    longer = make(epochs=9, checkpoint=tmp_path / "m", **options).fit(X, resume=True)
    same(longer, make(epochs=9, **options).fit(X))


def test_warm_starts_resume_to_their_own_end(X, tmp_path, monkeypatch):
    path, half = tmp_path / "half", tmp_path / "m"
    make(epochs=2).fit(X).save(path)
    go_on = lambda: ae.load(path).set_params(warm_start=True, epochs=3, checkpoint=half)  # noqa: E731
    killed(go_on(), 2, monkeypatch, X)
    resumed = go_on().fit(X, resume=True)
    same(resumed, make(epochs=5).fit(X))
    assert len(go_on().fit(X, resume=True).history_) == 5


def test_without_a_file_a_training_begins(X, tmp_path):
    same(make(checkpoint=tmp_path / "m").fit(X, resume=True), make().fit(X))


def test_data_are_checked_before_anything_changes(X, tmp_path):
    make(checkpoint=tmp_path / "m", epochs=2).fit(X)
    model = make(checkpoint=tmp_path / "m")
    fewer = f"expected {len(X)} samples, as it was trained on, got 20"
    for bad, word in ((X[:, :5], "5 features"), (X * np.nan, "NaN"), (X[:20], fewer)):
        with pytest.raises(ValueError, match=word):
            model.fit(bad, resume=True)
        assert not hasattr(model, "_network") and not hasattr(model, "history_")


@pytest.mark.parametrize(
    "change, word",
    [
        ({"learning_rate": 0.5}, "expected learning_rate=0.001, as it was trained with, got 0.5"),
        ({"arch": ae.Dense((9,))}, "arch="),
        ({"random_state": 1}, "random_state=0"),
        ({"corruption": ae.Masking(0.1)}, "corruption=None"),
        ({"batch_size": 8}, "batch_size=16"),
    ],
)
def test_another_training_is_not_gone_on_with(X, tmp_path, change, word):
    make(checkpoint=tmp_path / "m").fit(X)
    model = make(checkpoint=tmp_path / "m").set_params(**change)
    with pytest.raises(ValueError, match=word):
        model.fit(X, resume=True)
    assert not hasattr(model, "_network")
    free = {"epochs": 5, "verbose": 0, "n_threads": 2, "callbacks": [lambda s: None]}
    make(checkpoint=tmp_path / "m", **free).fit(X, resume=True)


def test_what_cannot_be_resumed(X, tmp_path):
    path = tmp_path / "m"
    with pytest.raises(ValueError, match="resume: expected a model with a checkpoint"):
        make().fit(X, resume=True)
    with pytest.raises(TypeError, match="resume: expected True or False, got 'yes'"):
        make(checkpoint=path).fit(X, resume="yes")
    make().fit(X).save(path)
    with pytest.raises(ValueError, match="expected a checkpoint, got a model without its training"):
        make(checkpoint=path).fit(X, resume=True)
    make(checkpoint=path).fit(X)
    with pytest.raises(ValueError, match="expected a checkpoint of VAE, got one of Autoencoder"):
        ae.VAE(ae.Dense((8,)), 3, checkpoint=path).fit(X, resume=True)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match="expected a whole model file"):
        make(checkpoint=path).fit(X, resume=True)


# ---- when and what ------------------------------------------------------------------------------


def names(folder):
    return sorted(os.listdir(folder))


def test_every_so_many_epochs_and_at_the_end(X, tmp_path):
    seen = []

    def watch(s):
        seen.append(len(ae.load(tmp_path / "m").history_) if names(tmp_path) else 0)

    saving = ae.Checkpoint(tmp_path / "m", every_epochs=3)
    model = make(epochs=7, checkpoint=saving, callbacks=[watch]).fit(X)
    assert seen == [0, 0, 3, 3, 3, 6, 6]
    same(ae.load(tmp_path / "m"), model)


def test_every_so_many_minutes(X, tmp_path, monkeypatch):
    clock, seen = [0.0], []
    monkeypatch.setattr("aecore.training.checkpoint.time.monotonic", lambda: clock[0])

    def watch(s):
        clock[0] += 40
        seen.append(len(ae.load(tmp_path / "m").history_) if names(tmp_path) else 0)

    saving = ae.Checkpoint(tmp_path / "m", every_minutes=1)
    make(epochs=6, checkpoint=saving, callbacks=[watch]).fit(X)
    assert seen == [0, 0, 3, 3, 5, 5] and len(ae.load(tmp_path / "m").history_) == 6


def test_the_last_ones_and_the_best_are_kept(X, tmp_path):
    losses = iter([5.0, 3.0, 4.0, 3.5, 3.0])
    values = []

    def script(s):
        values.append(s.model._network.flat.value.copy())

    class Scripted(ae.Autoencoder):
        def _validate(self, batches):
            return {"val_loss": next(losses)}

    model = Scripted(ae.Dense((8,)), 3, epochs=5, callbacks=[script], **KW)
    model.checkpoint = ae.Checkpoint(tmp_path / "m.aecore", keep=2, keep_best=True)
    model.fit(X, X_val=X)
    wanted = ["m.aecore", "m.best.aecore", "m.epoch-4.aecore", "m.epoch-5.aecore"]
    assert names(tmp_path) == wanted
    best = ae.load(tmp_path / "m.best.aecore", classes=[Scripted])
    assert best._network.epoch == 2
    np.testing.assert_array_equal(best._network.flat.value, values[1])
    for epoch in (4, 5):
        kept = ae.load(tmp_path / f"m.epoch-{epoch}.aecore", classes=[Scripted])
        np.testing.assert_array_equal(kept._network.flat.value, values[epoch - 1])


def test_other_names_are_given_after_a_kill_before_that(X, tmp_path, monkeypatch):
    """Those of the last epoch, which is in the file already, and of the best one."""
    for saves in (1, 2, 3, 4):
        path = tmp_path / str(saves) / "m"
        path.parent.mkdir()
        saving = ae.Checkpoint(path, keep=1, keep_best=True)
        killed(make(checkpoint=saving), saves, monkeypatch, X)
        assert f"m.epoch-{saves}" not in names(path.parent)
        model = make(checkpoint=saving).fit(X, resume=True)
        assert names(path.parent) == ["m", "m.best", "m.epoch-4"]
        same(ae.load(f"{path}.epoch-4"), model)
        best = min(model.history_, key=lambda record: record["loss"])
        assert ae.load(f"{path}.best")._network.epoch == best["epoch"]


def test_file_systems_without_links(X, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", fail)
    saving = ae.Checkpoint(tmp_path / "m", keep=1, keep_best=True)
    model = make(checkpoint=saving).fit(X)
    assert names(tmp_path) == ["m", "m.best", "m.epoch-4"]
    same(ae.load(tmp_path / "m.epoch-4"), model)


def test_the_best_is_found_between_checkpoints_and_by_any_number(X, tmp_path):
    best = ae.Checkpoint(tmp_path / "m", every_epochs=9, keep_best=True, monitor="learning_rate")
    make(epochs=4, schedule=ae.Step(2), checkpoint=best).fit(X)
    assert ae.load(tmp_path / "m.best")._network.epoch == 3  # the first with the lowest
    best.set_params(monitor="accuracy")
    with pytest.raises(ValueError, match="monitor: expected one of epoch, loss, .*got 'accuracy'"):
        make(checkpoint=best).fit(X)


def test_files_are_written_whole_or_not_at_all(X, tmp_path, monkeypatch):
    path = tmp_path / "m"
    make(checkpoint=path).fit(X)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask()

    def fail(*args):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="no space"):
            make(checkpoint=path).fit(X)
    assert path.read_bytes() == before and names(tmp_path) == ["m"]


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_missing_folder_is_told_before_training(X, tmp_path):
    model = make(checkpoint=tmp_path / "no" / "m")
    with pytest.raises(FileNotFoundError, match="checkpoint: expected a folder .*, got none"):
        model.fit(X)
    assert not hasattr(model, "_network")


@pytest.mark.parametrize(
    "params, error, word",
    [
        ({"path": 3}, TypeError, "expected None, a path or a Checkpoint, got 3"),
        ({"path": "m", "every_epochs": 0}, ValueError, "every_epochs: expected at least 1"),
        ({"path": "m", "every_epochs": 2.0}, TypeError, "every_epochs"),
        ({"path": "m", "every_minutes": -1}, ValueError, "every_minutes"),
        ({"path": "m", "every_epochs": 2, "every_minutes": 1}, ValueError, "got both, 2 and 1"),
        ({"path": "m", "keep": -1}, ValueError, "keep: expected at least 0"),
        ({"path": "m", "keep_best": 1}, TypeError, "keep_best: expected True or False"),
        ({"path": "m", "keep_best": True, "monitor": 3}, TypeError, "monitor: expected a name"),
        (
            {"path": "m", "monitor": "kl"},
            ValueError,
            "monitor: expected None without keep_best, got 'kl'",
        ),
    ],
)
def test_parameters(X, params, error, word):
    with pytest.raises(error, match=word):
        make(checkpoint=ae.Checkpoint(**params)).fit(X)


def test_a_checkpoint_is_a_value(X, tmp_path):
    saving = ae.Checkpoint(tmp_path / "m", keep=1)
    assert saving == ae.Checkpoint(tmp_path / "m", keep=1) != ae.Checkpoint(tmp_path / "m")
    model = make(checkpoint=saving).set_params(checkpoint__keep=0).fit(X)
    again = ae.load(tmp_path / "m")
    assert again.checkpoint is None and model.checkpoint is saving  # nobody else's to write to


def checkpoint_of(model, saves, path, X, monkeypatch):
    """Return the configuration and the arrays of a file that is there when a process ends."""
    killed(model.set_params(checkpoint=path), saves, monkeypatch, X)
    with safe_open(path, framework="numpy") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["config"]), tensors


def refused(path, config, tensors):
    signed(path, tensors, config)
    with pytest.raises(ValueError, match="expected a whole model file"):
        ae.load(path)


def test_edited_stages_are_refused(X, tmp_path, monkeypatch):
    path = tmp_path / "m"
    config, tensors = checkpoint_of(make(patience=2), 3, path, X, monkeypatch)
    signed(path, tensors, config)
    assert ae.load(path)._network.epoch == 3
    stage, fine = config["training"], {"first": [0], "level": [None]}
    booleans = dict.fromkeys(("over", "stopped", "complete"), [True])
    assert set(stage) == {"first", "best", *booleans, "level"} and stage["best"]["epoch"] == 2
    for place in (stage, stage["best"]):
        for key, old in list(place.items()):
            for value in ODD:
                same_type = [type(v) for v in (fine | booleans).get(key, []) if v == value]
                whole = key in ("epoch", "steps") and type(value) is int and value >= 0
                number = key == "loss" and type(value) is float
                if type(value) in same_type or whole or number:
                    continue
                place[key] = value
                refused(path, config, tensors)
            del place[key]
            refused(path, config, tensors)
            place[key] = old
    stage["extra"] = 1
    refused(path, config, tensors)
    del stage["extra"]
    for name in (n for n in tensors if n.startswith("best.")):
        for change in ({}, {name: tensors[name] * np.nan}, {name: tensors[name][:-1]}):
            rest = {k: v for k, v in tensors.items() if k != name}
            refused(path, config, rest | change)
    refused(path, config, tensors | {"best.more": tensors["best.parameters"]})


def test_edited_levels_are_refused(X, tmp_path, monkeypatch):
    path = tmp_path / "m"
    stack = lambda: ae.StackedAutoencoder(  # noqa: E731
        ae.Dense((8,)), 3, pretrain_epochs=2, epochs=1, checkpoint=path, **KW
    )
    config, tensors = checkpoint_of(stack(), 2, path, X, monkeypatch)
    level = config["training"]["level"]
    assert level["epoch"] == 2 and level["params"]["latent_dim"] == 8
    names = [n for n in tensors if n.startswith("level.")]
    assert len(names) == 3 * 4
    for name in names:
        refused(path, config, {k: v for k, v in tensors.items() if k != name})
        refused(path, config, tensors | {name: tensors[name][..., :-1].copy()})
    for change in ({"model": "VAE"}, {"model": "print"}, {"shape": [13]}, {"more": 1}):
        refused(
            path, config | {"training": config["training"] | {"level": level | change}}, tensors
        )
    refused(path, config | {"training": config["training"] | {"level": None}}, tensors)
    signed(path, tensors, config)
    same(stack().fit(X, resume=True), stack().fit(X))
    level["params"]["learning_rate"] = 0.5  # of another training
    signed(path, tensors, config)
    with pytest.raises(
        ValueError, match="level 1: expected learning_rate=0.5, as it was trained with, got 0.001"
    ):
        stack().fit(X, resume=True)


# ---- Ctrl-C -------------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
import aecore as ae

X = np.random.default_rng(0).random((640, 64), dtype=np.float32)
model = ae.Autoencoder(
    (ae.nn.Sequential(ae.nn.Linear(64, 32)), ae.nn.Sequential(ae.nn.Linear(32, 64))), 32,
    epochs=10_000, batch_size=16, random_state=0, checkpoint=sys.argv[1],
    callbacks=[lambda s: print(s.epoch, flush=True) if s.epoch == 3 else None],
)
try:
    model.fit(X)
except KeyboardInterrupt:
    network = model._network
    assert all(np.isfinite(a).all() for a in network.arrays().values())
    # between two steps: as many were taken as samples were seen
    assert network.samples == 16 * network.steps and network.epoch == network.samples // 640
    assert len(model.history_) == network.epoch >= 3
    assert model.reconstruct(X).shape == X.shape and np.isfinite(model.score(X))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    more = model.set_params(warm_start=True, epochs=1, checkpoint=None).fit(X)
    assert more.history_[-1]["loss"] < more.history_[0]["loss"]
    sys.exit(7)
"""


def test_ctrl_c_is_raised_between_two_steps_and_leaves_a_usable_model(tmp_path):
    run = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "m")]
    for _ in range(3):
        child = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "3\n"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 7, errors
        assert len(ae.load(tmp_path / "m").history_) >= 3


def test_ctrl_c_waits_for_the_step_and_a_second_one_does_not(X):
    steps, real = [], ae.Autoencoder._step

    class Pressed(ae.Autoencoder):
        times = 1

        def _step(self, batch):
            terms = real(self, batch)
            if len(steps) == 5:
                for _ in range(self.times):
                    signal.raise_signal(signal.SIGINT)
            steps.append(self._network.steps)
            return terms

    model = Pressed(ae.Dense((8,)), 3, epochs=4, **KW)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert len(steps) == 6 and model._network.steps == 6 and len(model.history_) == 1
    steps.clear()
    Pressed.times = 2
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert len(steps) == 5 and model._network.steps == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("epochs, stop", [(2, 9), (9, 2)])
def test_ctrl_c_in_the_last_batch_is_not_lost(X, epochs, stop):
    class Pressed(ae.Autoencoder):
        def _epoch_terms(self, *told):
            if self._network.epoch == 2:
                signal.raise_signal(signal.SIGINT)
            return {}

    seen = []
    note = lambda s: seen.append(s.epoch) or s.epoch == stop  # noqa: E731
    model = Pressed(ae.Dense((8,)), 3, epochs=epochs, callbacks=[note], **KW)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert seen == [1, 2] == [r["epoch"] for r in model.history_]
    assert model._network.epoch == 2 and model._network.samples == 100


def test_handlers_of_others_are_left_alone(X):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        callbacks = [lambda s: signal.raise_signal(signal.SIGINT)]
        make(epochs=2, callbacks=callbacks).fit(X)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1, 1]


# ---- among others -------------------------------------------------------------------------------


def test_clones_and_pipelines(X, tmp_path):
    base = pytest.importorskip("sklearn.base")
    pipeline = pytest.importorskip("sklearn.pipeline")
    model = make(checkpoint=ae.Checkpoint(tmp_path / "m", keep=2))
    again = base.clone(model)
    assert again.checkpoint == model.checkpoint and again.checkpoint is not model.checkpoint
    whole = pipeline.make_pipeline(again)
    whole.fit(X, autoencoder__resume=True)
    same(make().fit(X), whole[-1])
    assert names(tmp_path) == ["m", "m.epoch-3", "m.epoch-4"]


def test_what_a_killed_process_was_writing_is_swept_away(X, tmp_path):
    path, other = tmp_path / "m", tmp_path / ".m-notes"
    for name in (tmp_path / ".m-0123456789abcdef.aecore-part", other):
        name.write_bytes(b"half")
    make(checkpoint=path).fit(X, resume=True)
    assert names(tmp_path) == [".m-notes", "m"]


@pytest.mark.skipif(os.name != "posix", reason="makes links and a FIFO")
def test_what_a_checkpoint_takes_the_place_of(X, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "m").symlink_to("far/real")
    saving = ae.Checkpoint(tmp_path / "m", keep=1)
    model = make(checkpoint=saving).fit(X)
    (tmp_path / "far" / "real").chmod(0o640)
    make(checkpoint=saving, epochs=5).fit(X, resume=True)
    assert names(tmp_path) == ["far", "m", "m.epoch-5"] and names(tmp_path / "far") == ["real"]
    assert (tmp_path / "m").is_symlink() and not (tmp_path / "m.epoch-5").is_symlink()
    assert stat.S_IMODE(os.stat(tmp_path / "m").st_mode) == 0o640
    same(ae.load(tmp_path / "m"), model.set_params(checkpoint=None, epochs=5).fit(X))
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path / "fifo", "a FIFO"), (tmp_path / "far", "a folder")):
        model = make(checkpoint=path)
        with pytest.raises(OSError, match=f"expected a file, got {kind}"):
            model.fit(X)
        assert not hasattr(model, "_network")  # before training


@pytest.mark.parametrize("path", ["run.aecore", "./sub/../run.aecore"])
def test_the_place_is_that_of_the_beginning(path, X, tmp_path, monkeypatch):
    """Whatever folder callbacks, or the reading of samples, leave the program in."""
    start, other = tmp_path / "start", tmp_path / "other"
    (start / "sub").mkdir(parents=True)
    other.mkdir()
    monkeypatch.chdir(start)

    def batches():
        os.chdir(other)
        yield X

    saving = ae.Checkpoint(path, keep=1, keep_best=True)
    model = make(checkpoint=saving, callbacks=[lambda s: os.chdir(other)])
    for given in (X, batches):
        os.chdir(start)
        model.fit(given)
        assert names(other) == [] and model.checkpoint is saving and saving.path == path
        found = [n for n in names(start) if n.startswith("run")]
        assert found == ["run.aecore", "run.best.aecore", "run.epoch-4.aecore"]
        assert len(ae.load(start / "run.aecore").history_) == 4
        for name in found:
            (start / name).unlink()


def test_the_place_of_a_prior_too(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    x, _ = images()
    prior = ae.PixelCNN(**PRIOR, checkpoint="prior.aecore")
    model = ae.VQVAE(
        ae.Conv((4,)), 16, 4, prior=prior, epochs=1, callbacks=[lambda s: os.chdir("other")], **KW
    ).fit(x)
    assert names(tmp_path) == ["other", "prior.aecore"] and names(tmp_path / "other") == []
    assert model.prior is prior and prior.checkpoint == "prior.aecore"
    os.chdir(tmp_path)
    same(model.prior_, ae.load("prior.aecore"))


def test_too_little_memory_for_a_folders_names(tmp_path, rng, monkeypatch):
    def none_left(folder):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    X, path = rng.random((20, 4), np.float32), tmp_path / "run.safetensors"
    model = ae.Autoencoder(
        ae.Dense((4,)), 2, epochs=2, checkpoint=ae.Checkpoint(path, keep=1), random_state=0
    )
    monkeypatch.setattr(os, "listdir", none_left)
    with pytest.raises(MemoryError, match="too little memory to read"):
        model.fit(X)
    monkeypatch.undo()
    model.fit(X)

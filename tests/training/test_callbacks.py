"""Ready-made callbacks: what they write, and what they write anew when training is resumed."""

import csv
import json
import os
import struct
import subprocess
import sys
import types
import zlib

import aecore as ae
import numpy as np
import pytest
from aecore.callbacks import CSVLogger, ImageGrid, JSONLinesLogger, MLflow, TensorBoard
from aecore.plot import _png

KW = {"batch_size": 16, "random_state": 0, "epochs": 3}
D = ae.Dense((8,))


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.fixture
def X(rng):
    return rng.random((40, 8, 8, 1), dtype=np.float32)


def killer(epoch):
    def kill(state):
        if state.epoch == epoch:
            raise Killed

    return kill


# ---- the protocol -------------------------------------------------------------------------------


class Recorder:
    def __init__(self):
        self.calls = []

    def __call__(self, state):
        self.calls.append(state.epoch)

    def close(self):
        self.calls.append("closed")


def test_what_can_be_closed_is_closed_however_training_ends(X):
    first, second = Recorder(), Recorder()
    model = ae.Autoencoder(D, 3, callbacks=[first, second, lambda s: None], **KW).fit(X)
    assert first.calls == second.calls == [1, 2, 3, "closed"]
    model.set_params(warm_start=True, epochs=1).fit(X)
    assert first.calls[4:] == [4, "closed"]
    for stop in (killer(2), lambda s: s.epoch == 2):
        recorder = Recorder()
        model = ae.Autoencoder(D, 3, callbacks=[recorder, stop], **KW)
        try:
            model.fit(X)
        except Killed:
            pass
        assert recorder.calls == [1, 2, "closed"]


@pytest.mark.parametrize(
    "answer, epochs", [(True, 1), (np.True_, 1), (False, 3), (np.False_, 3), (1, 3), ("yes", 3)]
)
def test_training_stops_for_true_alone(X, answer, epochs):
    model = ae.Autoencoder(D, 3, callbacks=[lambda s: answer], **KW).fit(X)
    assert len(model.history_) == epochs


def test_their_own_errors_end_training_with_a_usable_model(X):
    def fail(state):
        raise RuntimeError("disk full")

    model = ae.Autoencoder(D, 3, callbacks=[fail], **KW)
    with pytest.raises(RuntimeError, match="disk full"):
        model.fit(X)
    assert len(model.history_) == 1 and np.isfinite(model.score(X))


# ---- tables of the history ----------------------------------------------------------------------


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_files_have_the_history(X, tmp_path):
    table, lines = tmp_path / "h.csv", tmp_path / "h.jsonl"
    logs = [CSVLogger(table), JSONLinesLogger(lines)]
    seen = [lambda s: sizes.append((len(rows(table)), len(records(lines))))]
    sizes = []
    model = ae.Autoencoder(D, 3, callbacks=logs + seen, validation_fraction=0.2, **KW).fit(X)
    assert sizes == [(1, 1), (2, 2), (3, 3)]
    assert records(lines) == model.history_
    assert [{k: float(v) for k, v in row.items()} for row in rows(table)] == model.history_
    assert list(rows(table)[0]) == list(model.history_[0])
    model.set_params(warm_start=True).fit(X)
    assert records(lines) == model.history_ and len(rows(table)) == 6
    model.set_params(warm_start=False).fit(X)  # a history that begins anew
    assert records(lines) == model.history_ and len(rows(table)) == 3


def test_epochs_done_again_are_written_once(X, tmp_path):
    table, lines = tmp_path / "h.csv", tmp_path / "h.jsonl"
    saving = ae.Checkpoint(tmp_path / "m", every_epochs=3)

    def make(*more):
        logs = [CSVLogger(table), JSONLinesLogger(lines), *more]
        return ae.Autoencoder(D, 3, callbacks=logs, checkpoint=saving, **{**KW, "epochs": 7})

    with pytest.raises(Killed):
        make(killer(5)).fit(X)
    assert len(rows(table)) == len(records(lines)) == 5
    model = make().fit(X, resume=True)
    assert [r["epoch"] for r in records(lines)] == [1, 2, 3, 4, 5, 6, 7]
    assert records(lines) == model.history_ and len(rows(table)) == 7


def test_columns_that_come_later_and_odd_values(X, tmp_path):
    table, lines = tmp_path / "h.csv", tmp_path / "h.jsonl"

    def add(state):
        if state.epoch == 2:
            state.record['note, "quoted"'] = 'a "b", c'
            state.record["bad"] = np.float32("nan")
        if state.epoch == 3:
            state.record["bad"] = np.float64(2.5)

    logs = [CSVLogger(table), JSONLinesLogger(lines)]
    ae.StackedAutoencoder(D, 3, pretrain_epochs=1, callbacks=[add, *logs], **KW).fit(X)
    found = rows(table)
    assert [r["level"] for r in found] == ["1", "2", "", "", ""]
    assert [r['note, "quoted"'] for r in found] == ["", "", "", 'a "b", c', ""]
    assert [r["bad"] for r in found] == ["", "", "", "nan", "2.5"]
    assert [r.get("bad", "") for r in records(lines)] == ["", "", "", None, 2.5]


# ---- trackers -----------------------------------------------------------------------------------


class Writer:
    """A stand-in for tensorboardX.SummaryWriter."""

    made: list = []

    def __init__(self, folder, purge_step=None):
        self.folder, self.purge_step, self.scalars, self.log = folder, purge_step, [], []
        self.made.append(self)

    def add_scalar(self, name, value, step):
        assert type(value) is float
        self.scalars.append((name, value, step))

    def flush(self):
        self.log.append("flush")

    def close(self):
        self.log.append("close")


def test_tensorboard(X, tmp_path, monkeypatch):
    monkeypatch.setattr(Writer, "made", [])
    module = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    model = ae.VAE(D, 3, callbacks=[TensorBoard(tmp_path / "run")], **KW).fit(X)
    (writer,) = Writer.made
    assert writer.folder == str(tmp_path / "run") and writer.purge_step == 1
    assert writer.log == ["flush"] * 3 + ["close"]
    wanted = [
        (name, float(value), record["epoch"])
        for record in model.history_
        for name, value in record.items()
        if name != "epoch"
    ]
    assert writer.scalars == wanted
    model.set_params(warm_start=True, epochs=1).fit(X)
    assert Writer.made[1].purge_step == 4


class Tracker(types.ModuleType):
    """A stand-in for mlflow."""

    def __init__(self, active=None):
        super().__init__("mlflow")
        self.active, self.log = active, []

    def active_run(self):
        return self.active

    def start_run(self, run_id=None):
        self.active = run_id or "new"
        self.log.append(("start", run_id))

    def end_run(self):
        self.active = None
        self.log.append(("end",))

    def log_params(self, params):
        self.log.append(("params", params))

    def log_metrics(self, metrics, step):
        self.log.append(("metrics", step, metrics))


@pytest.mark.parametrize("active", [None, "theirs"])
def test_mlflow(X, active, monkeypatch):
    tracker = Tracker(active)
    monkeypatch.setitem(sys.modules, "mlflow", tracker)
    model = ae.Autoencoder(D, 3, callbacks=[MLflow("mine")], **KW).fit(X)
    own = [] if active else [("start", "mine")]
    assert [e[:2] for e in tracker.log if e[0] != "params"] == [
        *own, ("metrics", 1), ("metrics", 2), ("metrics", 3), *([] if active else [("end",)]),
    ]  # fmt: skip
    (params,) = [e[1] for e in tracker.log if e[0] == "params"]
    assert params["model"] == "Autoencoder" and params["latent_dim"] == 3
    assert "callbacks" not in params and "checkpoint" not in params
    numbers = [e[2] for e in tracker.log if e[0] == "metrics"]
    assert [n["loss"] for n in numbers] == [r["loss"] for r in model.history_]
    assert tracker.active == active


@pytest.mark.parametrize(
    "callback, name", [(TensorBoard("x"), "tensorboardX"), (MLflow(), "mlflow")]
)
def test_extras_that_are_missing(X, callback, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError, match=rf"expected {name} to be installed: pip install 'aecore\["
    ):
        ae.Autoencoder(D, 3, callbacks=[callback], **KW).fit(X)


# ---- pictures -----------------------------------------------------------------------------------


def decoded(data):
    """Read a PNG file by the book, as far as ours go."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(
            kind + body
        )
        chunks[kind] = body
        at += 12 + size
    width, height, bits, color, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert bits == 8 and rest == [0, 0, 0] and list(chunks)[-1] == b"IEND"
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:].reshape((height, width) if color == 0 else (height, width, 3))


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (5, 7, 3), (300, 2, 3)])
def test_png(shape, rng):
    image = rng.integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(decoded(_png.encode(image)), image)


def test_png_is_what_others_read(rng, tmp_path):
    pil = pytest.importorskip("PIL.Image")
    for shape in ((9, 13), (9, 13, 3)):
        image = rng.integers(0, 256, shape, np.uint8)
        (tmp_path / "x.png").write_bytes(_png.encode(image))
        with pil.open(tmp_path / "x.png") as read:
            np.testing.assert_array_equal(np.asarray(read), image)


def shades(x):
    return np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)


def test_reconstructions_stand_below_their_images(X, tmp_path):
    grid = ImageGrid(tmp_path / "g", X[:5], every=2, columns=3)
    model = ae.Autoencoder(ae.Conv((4,)), 3, callbacks=[grid], **{**KW, "epochs": 5}).fit(X)
    assert sorted(p.name for p in (tmp_path / "g").iterdir()) == [
        "epoch-0002.png",
        "epoch-0004.png",
    ]
    model = ae.Autoencoder(ae.Conv((4,)), 3, callbacks=[grid], **{**KW, "epochs": 4}).fit(X)
    picture = decoded((tmp_path / "g" / "epoch-0004.png").read_bytes())
    assert picture.shape == (4 * 9 - 1, 3 * 9 - 1)
    rebuilt = shades(model.reconstruct(X[:5]))[..., 0]
    given = shades(X[:5])[..., 0]
    for i in range(5):
        column = slice(9 * (i % 3), 9 * (i % 3) + 8)
        top = 18 * (i // 3)
        np.testing.assert_array_equal(picture[top : top + 8, column], given[i])
        np.testing.assert_array_equal(picture[top + 9 : top + 17, column], rebuilt[i])
    assert (picture[18:, 18:] == 255).all()


def test_samples_are_drawn_with_the_same_numbers(X, tmp_path):
    colour = np.repeat(X, 3, axis=3)
    labels = np.arange(40) % 2
    grid = ImageGrid(tmp_path, y=[0, 1, 0, 1], n=4, columns=2, random_state=5, limits=(-1, 1))
    model = ae.CVAE(ae.Conv((4,)), 3, callbacks=[grid], **KW).fit(colour, labels)
    picture = decoded((tmp_path / "epoch-0003.png").read_bytes())
    drawn = model.sample(4, y=[0, 1, 0, 1], random_state=5)
    np.testing.assert_array_equal(picture[9:, 9:], shades((drawn[3] + 1) / 2))


def test_uint8_images_keep_their_values(tmp_path, rng):
    x = rng.integers(0, 256, (9, 6, 6, 1), np.uint8)
    grid = ImageGrid(tmp_path, x[:2], columns=2)
    ae.Autoencoder(D, 3, callbacks=[grid], **KW).fit(x)
    picture = decoded((tmp_path / "epoch-0001.png").read_bytes())
    np.testing.assert_array_equal(picture[:6, :6], x[0, ..., 0])


BAD = [
    (lambda: CSVLogger(3), TypeError, "path: expected a path, got 3"),
    (lambda: JSONLinesLogger(None), TypeError, "path: expected a path"),
    (lambda: TensorBoard(3), TypeError, "folder: expected a path"),
    (lambda: MLflow(3), TypeError, "run_id: expected None or a string"),
    (lambda: ImageGrid(3), TypeError, "folder: expected a path"),
    (lambda: ImageGrid("g", np.ones((3, 4))), ValueError, "expected images"),
    (lambda: ImageGrid("g", every=0), ValueError, "every: expected at least 1"),
    (lambda: ImageGrid("g", limits=(1, 1)), ValueError, "limits: expected black below white"),
]


@pytest.mark.parametrize("call, error, word", BAD, ids=[word for *_, word in BAD])
def test_parameters(call, error, word):
    with pytest.raises(error, match=word):
        call()


def test_pictures_of_what_has_none(X, tmp_path):
    with pytest.raises(ValueError, match="expected a model of images"):
        ae.VAE(D, 3, callbacks=[ImageGrid(tmp_path)], **KW).fit(X.reshape(40, -1))


def test_pictures_need_no_matplotlib(tmp_path):
    code = f"""
import sys
sys.modules["matplotlib"] = None
import numpy as np
import aecore as ae
assert "aecore.callbacks" not in sys.modules
grid = ae.callbacks.ImageGrid({str(tmp_path)!r}, n=4)
ae.VAE(ae.Dense((4,)), 2, epochs=1, callbacks=[grid]).fit(np.ones((9, 4, 4, 1), np.float32))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [p.name for p in tmp_path.iterdir()] == ["epoch-0001.png"]


# ---- parameters that callbacks set ---------------------------------------------------------------

CHANGES = {
    "learning_rate": (ae.Autoencoder(D, 3), {"learning_rate": 1e-5}),
    "schedule": (ae.Autoencoder(D, 3), {"schedule": ae.Step(1, 0.1)}),
    "weight_decay": (ae.Autoencoder(D, 3, optimizer="adamw"), {"weight_decay": 0.5}),
    "clip_norm": (ae.Autoencoder(D, 3), {"clip_norm": 1e-3}),
    "discriminator": (ae.GAN(D, 3), {"discriminator_learning_rate": 1e-5}),
    "beta": (ae.VAE(D, 3), {"beta": 9.0}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_callback_sets_holds_from_the_next_epoch_on(name, X):
    model, change = CHANGES[name]

    def set_at_two(state):
        if state.epoch == 2:
            state.model.set_params(**change)

    def made(**params):
        return type(model)(**{**model.get_params(deep=False), **KW, "epochs": 4, **params})

    found = made(callbacks=[set_at_two]).fit(X)
    want = made(epochs=2, warm_start=True).fit(X).set_params(**change).fit(X)
    np.testing.assert_array_equal(found._network.flat.value, want._network.flat.value)
    assert (found._network.flat.value != made().fit(X)._network.flat.value).any()


def test_what_a_callback_can_not_set(X):
    def fit(**change):
        m = ae.Autoencoder(D, 3, callbacks=[lambda s: s.model.set_params(**change) is None], **KW)
        m.fit(X)

    with pytest.raises(ValueError, match="callbacks: expected no change of batch_size, .* got 8"):
        fit(batch_size=8)
    with pytest.raises(ValueError, match="callbacks: expected no change of optimizer"):
        fit(optimizer=ae.SGD())
    with pytest.raises(ValueError, match="learning_rate: expected a finite number, more than 0"):
        fit(learning_rate=0.0)


@pytest.mark.parametrize("last", [2, 3])
def test_resuming_behind_a_changed_rate(last, X, tmp_path):
    def set_at_two(state):
        if state.epoch == 2:
            state.model.set_params(learning_rate=1e-5)

    def made(path, *callbacks, **params):
        params = {**KW, "epochs": 5, **params}
        return ae.Autoencoder(
            D, 3, checkpoint=tmp_path / path, callbacks=[set_at_two, *callbacks], **params
        )

    whole = made("a").fit(X)
    with pytest.raises(Killed):
        made("b", killer(last)).fit(X)
    again = {}
    if last == 3:  # the file has what was set
        with pytest.raises(
            ValueError, match="expected learning_rate=1e-05, as it was trained with"
        ):
            made("b").fit(X, resume=True)
        again = {"learning_rate": 1e-5}
    found = made("b", **again).fit(X, resume=True)
    np.testing.assert_array_equal(found._network.flat.value, whole._network.flat.value)


# ---- places --------------------------------------------------------------------------------------


def test_places_are_those_of_the_beginning(X, tmp_path, monkeypatch):
    start, other = tmp_path / "start", tmp_path / "other"
    start.mkdir()
    other.mkdir()
    logs = [CSVLogger("h.csv"), JSONLinesLogger("h.jsonl"), ImageGrid("pictures", every=2)]

    def leave(state):
        os.chdir(other)

    monkeypatch.chdir(start)
    x = X[:, :4].reshape(-1, 2, 2, 1)
    model = ae.VAE(D, 2, callbacks=[leave, *logs], **{**KW, "epochs": 4}).fit(x)
    assert os.listdir(other) == [] and len(rows(start / "h.csv")) == 4
    assert sorted(os.listdir(start)) == ["h.csv", "h.jsonl", "pictures"]
    assert len(os.listdir(start / "pictures")) == 2 and repr(logs[0]) == "CSVLogger('h.csv')"
    model.fit(x)  # the program is in another folder now
    assert sorted(os.listdir(other)) == ["h.csv", "h.jsonl", "pictures"]


def test_lines_are_added_whole_or_not_at_all(X, tmp_path, monkeypatch):
    path = tmp_path / "h.jsonl"
    real, sizes = os.write, []

    def write(handle, data):
        if len(records(path)) == 2:
            sizes.append(os.path.getsize(path))
            return real(handle, data[:5])  # the disk is full
        return real(handle, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space left") as caught:
        ae.Autoencoder(D, 3, callbacks=[JSONLinesLogger(path)], **{**KW, "epochs": 5}).fit(X)
    assert caught.value.filename == str(path)
    assert len(records(path)) == 2 and sizes == [os.path.getsize(path)]


def test_a_log_that_is_deleted_meanwhile_is_written_anew(X, tmp_path):
    path = tmp_path / "h.csv"

    def delete(state):
        if state.epoch == 2:
            path.unlink()

    ae.Autoencoder(D, 3, callbacks=[delete, CSVLogger(path)], **{**KW, "epochs": 3}).fit(X)
    assert [row["epoch"] for row in rows(path)] == ["1", "2", "3"]


def test_text_is_no_formula_in_a_table(X, tmp_path):
    path = tmp_path / "h.csv"

    def note(state):
        odd = {"=1+1": "=cmd|' /C calc'!A0", "@x": "-2", "low": -2.0, "esc": "\x1b[2K"}
        state.record.update(odd)

    ae.Autoencoder(D, 3, callbacks=[note, CSVLogger(path)], **KW).fit(X)
    (row, *_) = rows(path)
    assert row["'=1+1"] == "'=cmd|' /C calc'!A0" and row["'@x"] == "'-2"
    assert row["low"] == "-2.0" and row["esc"] == "\\x1b[2K"

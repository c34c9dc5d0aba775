"""Adversarial models: both players' steps, their record, resuming, labels, and what is refused."""

import math
import subprocess
import sys

import aecore as ae
import numpy as np
import pytest
from aecore import _core
from aecore._purposes import LATENT
from aecore.training.batches import Batches
from aecore.training.data import Data

KW = {"batch_size": 16, "random_state": 0}
CENTERS = [[-4.0, 0, 0], [0, 4, 0], [4, 0, 0]]


@pytest.fixture
def X(rng):
    return rng.random((50, 12), dtype=np.float32)


@pytest.fixture
def images(rng):
    return rng.random((40, 9, 8, 2), dtype=np.float32)


def aae(arch=None, **params):
    return ae.AdversarialAutoencoder(
        ae.Dense((8,)) if arch is None else arch,
        3,
        **{**KW, "epochs": 2, "discriminator_widths": (6,), **params},
    )


def gan(arch=None, **params):
    return ae.GAN(ae.Dense((8,)) if arch is None else arch, 3, **{**KW, "epochs": 2, **params})


# ---- beside PyTorch -----------------------------------------------------------------------------


def draws(network, n):
    z = np.empty((n, 3), np.float32)
    _core.random_normal(z, network.seed, LATENT, network.samples * 3, _core.Workspace())
    return z


class Twin:
    """Both players in PyTorch, from the same weights, with an optimiser each."""

    def __init__(self, model):
        import torch
        from torch_curves import Mirror

        self.model, self.network = model, model._network
        self.mirror = Mirror(model.parameters_)
        rival = [t for k, t in self.mirror.tensors.items() if k.startswith("discriminator")]
        others = [t for k, t in self.mirror.tensors.items() if not k.startswith("discriminator")]
        beta = 0.5 if isinstance(model, ae.GAN) else 0.9
        rate = model.discriminator_learning_rate or model.learning_rate
        self.rival = torch.optim.Adam(rival, rate, betas=(beta, 0.999))
        self.others = torch.optim.Adam(others, model.learning_rate, betas=(beta, 0.999))

    def run(self, part, x, condition=None):
        import torch

        module = getattr(self.network, part)
        if condition is not None:
            if isinstance(module.layers[0], ae.nn.Flatten):
                x = x.flatten(1)
            beside = condition.reshape(len(x), *[1] * (x.ndim - 2), -1)
            x = torch.cat([x, beside.expand(*x.shape[:-1], -1)], -1)
        return self.mirror.run(module, part, x)

    def step(self, x, z, condition=None):
        """Give both players a step; return the discriminator's loss and the other's."""
        import torch
        import torch.nn.functional as tf

        x, z = torch.from_numpy(x), torch.from_numpy(z)
        beside = None if condition is None else torch.from_numpy(condition)
        is_gan = isinstance(self.model, ae.GAN)
        if is_gan:
            real, fake = x, self.run("decoder", z, beside)
            if self.model.output == "sigmoid":
                fake = torch.sigmoid(fake)
        else:
            real, fake = z, self.run("encoder", x)
        judged = [self.run("discriminator", v, beside) for v in (real, fake.detach())]
        rival = -tf.logsigmoid(judged[0]).mean() - tf.logsigmoid(-judged[1]).mean()
        self.rival.zero_grad()
        rival.backward()
        self.rival.step()
        verdict = self.run("discriminator", fake, beside)
        loss = -tf.logsigmoid(verdict).mean()
        if is_gan and self.model.loss == "minimax":
            loss = tf.logsigmoid(-verdict).mean()
        if not is_gan:
            recon = ((self.run("decoder", fake) - x) ** 2).sum() / len(x)
            loss = recon + self.model.adversarial * loss
        self.others.zero_grad()
        loss.backward()
        self.others.step()
        return rival.item(), loss.item()


def classes(n):
    return np.arange(n) % 3


CASES = {
    "aae": (lambda: aae(adversarial=3.0), False),
    "aae of labels": (lambda: aae(prior=CENTERS, conditional=True), False),
    "aae conv": (lambda: aae(ae.Conv((4,)), discriminator_learning_rate=3e-3), True),
    "gan": (lambda: gan(), False),
    "gan minimax": (lambda: gan(loss="minimax", output="sigmoid"), False),
    "gan conv": (lambda: gan(ae.Conv((4, 6)), output="sigmoid", learning_rate=1e-3), True),
    "gan of labels": (lambda: gan(conditional=True), False),
    "gan conv of labels": (lambda: gan(ae.Conv((4,)), conditional=True), True),
    "gan of labels, images": (lambda: gan(ae.Dense((8,)), conditional=True), True),
}


@pytest.mark.parametrize("case", CASES)
def test_steps_beside_pytorch(case, X, images):
    pytest.importorskip("torch")
    make, of_images = CASES[case]
    model, x = make(), images if of_images else X
    y = classes(len(x)) if model.conditional else None
    model.initialize(x, y).set_params(warm_start=True, epochs=1, shuffle=False)
    twin, one_hot = Twin(model), None if y is None else np.eye(3, dtype=np.float32)[y]
    for i in range(3):
        rows = slice(16 * i, 16 * i + 16)
        some, labels = x[rows], None if y is None else y[rows]
        z = draws(model._network, len(some))
        if isinstance(model, ae.AdversarialAutoencoder) and y is not None:
            z += np.array(CENTERS, np.float32)[labels]
        rival, loss = twin.step(some, z, None if one_hot is None else one_hot[rows])
        record = model.fit(some, labels).history_[-1]
        assert record["discriminator"] == pytest.approx(rival, rel=1e-5, abs=1e-6)
        assert record["loss"] == pytest.approx(loss, rel=1e-5, abs=1e-6)
        for name, value in model.parameters_.items():
            theirs = twin.mirror.tensors[name].detach().numpy()
            np.testing.assert_allclose(value, theirs, atol=1e-5, err_msg=name)


# ---- gradients where PyTorch has no twin --------------------------------------------------------


def batch_of(model, x, mask=None, y=None, lengths=None):
    conditioner = model._network.conditioner
    condition = None if conditioner is None else conditioner.read(y, len(x))
    data = Data(x, mask=mask, lengths=lengths)
    return next(Batches(data, len(x), condition=condition)())


SMOOTH = {"widths": (8,), "activation": "tanh"}
GRADIENTS = {
    "gan with gaps": (lambda: gan(ae.Dense(**SMOOTH), output="sigmoid"), "gaps"),
    "gan, linear, with gaps": (lambda: gan(ae.Dense(**SMOOTH), loss="minimax"), "gaps"),
    "gan of sequences": (lambda: gan(ae.LSTM(5)), "sequences"),
    "gan transformer": (lambda: gan(ae.Transformer(6, 2, 1, 5), conditional=True), "sequences"),
    "gan resnet": (lambda: gan(ae.ResNet(8, 4, 1), conditional=True), "images"),
    "aae with gaps": (lambda: aae(ae.Dense(**SMOOTH), loss="bce", adversarial=5.0), "gaps"),
    "aae of ragged sequences": (lambda: aae(ae.LSTM(5)), "ragged"),
    "aae tied": (lambda: aae(ae.Dense(**SMOOTH), tied=True), "table"),
}


@pytest.mark.parametrize("case", GRADIENTS)
def test_both_gradients_by_finite_differences(case, X, images, rng):
    make, kind = GRADIENTS[case]
    x, mask, lengths = X, None, None
    if kind == "gaps":
        mask = rng.random(X.shape) < 0.7
    elif kind in ("sequences", "ragged"):
        x = X.reshape(len(X), -1, 2)
    elif kind == "images":
        x = images
    if kind == "ragged":
        lengths = np.arange(len(x)) % x.shape[1] + 1
    model = make()
    y = classes(len(x)) if model.conditional else None
    model.initialize(x, y)
    network, batch = model._network, batch_of(model, x, mask, y, lengths)
    value, before = network.flat.value, network.flat.value.copy()

    def losses():
        """Return the discriminator's loss and the others', and leave the latter's gradient."""
        network.flat.grad.fill(0)
        rival = model._discriminator_step(batch)["discriminator"]
        gradient = network.flat.grad.copy()
        network.flat.grad.fill(0)
        loss = model._loss_step(batch)["loss"]
        return np.array([rival, loss]) / batch.n, gradient

    _, rival_gradient = losses()
    gradients = [rival_gradient, network.flat.grad.copy()]
    for i, part in enumerate(["discriminator", ""]):
        at = network.part(part)
        gradient = np.zeros(len(before))
        gradient[at] = gradients[i][at]
        scale = np.linalg.norm(gradient)
        assert scale > 0
        for _ in range(3):
            direction = rng.standard_normal(len(before)) * (gradient != 0)
            direction /= np.linalg.norm(direction)
            step = 1e-2
            value[:] = before + step * direction
            up = losses()[0][i]
            value[:] = before - step * direction
            down = losses()[0][i]
            value[:] = before
            assert (up - down) / (2 * step) == pytest.approx(gradient @ direction, abs=3e-3 * scale)


def test_what_is_missing_is_missing_from_fakes(X):
    """What stands where nothing is observed has no influence, and says nothing of the mask."""
    mask = np.ones(X.shape, bool)
    mask[:, :6] = False
    other = X.copy()
    other[:, :6] = np.nan
    models = [gan().fit(v, sample_mask=mask) for v in (X, other)]
    assert state(models[0]) == state(models[1])
    names = [k for k in models[0].parameters_ if k.startswith("decoder.1")]
    fresh = gan().initialize(X).parameters_
    for name in names:  # the generator's outputs that nobody saw have learned nothing
        np.testing.assert_array_equal(models[0].parameters_[name][:6], fresh[name][:6])
        assert not np.array_equal(models[0].parameters_[name][6:], fresh[name][6:])
    shown = models[0].score_samples(X, sample_mask=mask)
    np.testing.assert_array_equal(shown, models[0].score_samples(np.where(mask, X, 0)))


# ---- the record ---------------------------------------------------------------------------------


def state(model):
    network = model._network
    arrays = {k: v.tobytes() for k, v in network.arrays().items()}
    history = [{k: v for k, v in r.items() if k != "seconds"} for r in model.history_]
    return arrays, history, (network.steps, network.samples, network.epoch)


FROZEN = {"epochs": 1, "learning_rate": 1e-30, "batch_size": 50}


def test_record_of_a_gan(X):
    model = gan(**FROZEN, shuffle=False).fit(X)
    record = model.history_[0]
    assert list(record) == [
        *("epoch", "loss", "discriminator", "real_accuracy", "fake_accuracy"),
        *("learning_rate", "seconds"),
    ]
    # the codes of the first batch are known: so is what the discriminator says of both
    z = np.empty((50, 3), np.float32)
    _core.random_normal(z, model._network.seed, LATENT, 0, _core.Workspace())
    fakes = model._network.decode(z)
    real, fake = model.score_samples(X).astype(float), model.score_samples(fakes).astype(float)
    want = np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean()
    assert record["discriminator"] == pytest.approx(want, rel=1e-5)
    assert record["loss"] == pytest.approx(np.log1p(np.exp(-fake)).mean(), rel=1e-5)
    assert record["real_accuracy"] == (real > 0).mean()
    assert record["fake_accuracy"] == (fake < 0).mean()
    minimax = gan(**FROZEN, shuffle=False, loss="minimax").fit(X).history_[0]
    assert minimax["loss"] == pytest.approx(-np.log1p(np.exp(fake)).mean(), rel=1e-5)
    assert minimax["discriminator"] == record["discriminator"]


def test_record_of_an_aae(X):
    model = aae(**FROZEN, adversarial=2.5, shuffle=False).fit(X, X_val=X[:7])
    record = model.history_[0]
    recon = -model.score_samples(X).mean(dtype=float)
    assert record["recon"] == pytest.approx(recon, rel=1e-5)
    assert record["loss"] == pytest.approx(record["recon"] + 2.5 * record["generator"], rel=1e-9)
    assert record["mse"] == pytest.approx(((X - model.reconstruct(X)) ** 2).mean(), rel=1e-4)
    assert record["val_loss"] == record["val_recon"] == pytest.approx(-model.score(X[:7]), rel=1e-5)
    logits = model._network.discriminate(model.transform(X))[:, 0].astype(float)
    assert record["generator"] == pytest.approx(np.log1p(np.exp(-logits)).mean(), rel=1e-5)
    assert record["fake_accuracy"] == (logits < 0).mean()


def test_rates_of_the_two(X):
    """Without a rate of its own nothing of a player changes; the schedule is for both."""
    start = gan().initialize(X).parameters_
    for params, still, moves in (
        ({"learning_rate": 1e-30, "discriminator_learning_rate": 0.1}, "decoder", "discriminator"),
        ({"learning_rate": 0.1, "discriminator_learning_rate": 1e-30}, "discriminator", "decoder"),
    ):
        model = gan(**params, epochs=1, schedule=ae.Constant(0.5)).fit(X)
        assert model.history_[0]["learning_rate"] == params["learning_rate"] / 2
        for name, value in model.parameters_.items():
            same = np.array_equal(value, start[name])
            assert same == name.startswith(still) != name.startswith(moves), name
    none = gan(schedule=ae.Constant(0.0)).fit(X).parameters_
    assert all(np.array_equal(none[name], start[name]) for name in start)


def test_clip_norm_is_of_each_player(X):
    """With SGD a clipped step has a length that is known, for either player."""
    options = {"clip_norm": 1e-3, "optimizer": ae.SGD(0.0), "learning_rate": 1.0, "batch_size": 50}
    model = gan(**options, epochs=1)
    start = {k: v.copy() for k, v in model.initialize(X).parameters_.items()}
    model.set_params(warm_start=True).fit(X)
    for part in ("decoder", "discriminator"):
        moved = [v - start[k] for k, v in model.parameters_.items() if k.startswith(f"{part}.")]
        length = math.sqrt(sum((m.astype(float) ** 2).sum() for m in moved))
        assert length == pytest.approx(1e-3, rel=1e-3), part


# ---- determinism and resuming -------------------------------------------------------------------

OWN = (
    ae.nn.Sequential(
        ae.nn.Conv2d(2, 4, 3, 2, 1),
        ae.nn.BatchNorm2d(4),
        ae.nn.Activation("gelu"),
        ae.nn.Flatten(),
        ae.nn.Dropout(0.2),
        ae.nn.Linear(80, 1),
    ),
    ae.nn.Sequential(
        ae.nn.Linear(3, 8, activation="relu"), ae.nn.Linear(8, 144), ae.nn.Reshape((9, 8, 2))
    ),
)
OBJECTIVES = {
    "aae": lambda **k: aae(corruption=ae.GaussianNoise(0.1), validation_fraction=0.2, **k),
    "aae of labels": lambda **k: aae(
        ae.Conv((4,)), prior=CENTERS, conditional=True, optimizer="adamw", weight_decay=0.01, **k
    ),
    "aae of a mixture": lambda **k: aae(prior=np.array(CENTERS), optimizer=ae.SGD(0.5), **k),
    "gan": lambda **k: gan(schedule=ae.Warmup(2) * ae.Cosine(5), clip_norm=1.0, **k),
    "gan of labels": lambda **k: gan(
        ae.Conv((4,)), conditional=True, discriminator_learning_rate=1e-3, **k
    ),
    "own modules": lambda **k: gan(OWN, output="sigmoid", loss="minimax", **k),
}

RESUME = """
import sys
import numpy as np
import aecore as ae
path, out = sys.argv[1:]
x = np.load(path + ".npy")
model = ae.load(path).set_params(warm_start=True, epochs=2)
model.fit(x, np.arange(len(x)) % 3).save(out)
"""


@pytest.mark.parametrize("name", OBJECTIVES)
def test_bits_do_not_depend_on_the_number_of_threads(name, images):
    y = classes(len(images))
    runs = [OBJECTIVES[name](n_threads=t).fit(images, y) for t in (1, 2, 3)]
    for run in runs[1:]:
        assert state(run) == state(runs[0])
        some = run.sample(5, y=1, random_state=0)
        np.testing.assert_array_equal(some, runs[0].sample(5, y=1, random_state=0))
    assert state(OBJECTIVES[name](random_state=1).fit(images, y))[0] != state(runs[0])[0]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_resuming_in_a_new_process_gives_the_same_bits(name, images, tmp_path):
    y = classes(len(images))
    whole = OBJECTIVES[name](epochs=4).fit(images, y)
    half = OBJECTIVES[name](epochs=2).fit(images, y)
    assert state(half) != state(whole)
    half.save(tmp_path / "half")
    np.save(tmp_path / "half.npy", images)
    command = [sys.executable, "-c", RESUME, tmp_path / "half", tmp_path / "whole"]
    subprocess.run(command, check=True)
    resumed = ae.load(tmp_path / "whole")
    assert state(resumed) == state(whole)
    some = resumed.sample(5, y=2, random_state=0)
    np.testing.assert_array_equal(some, whole.sample(5, y=2, random_state=0))
    half.set_params(warm_start=True, epochs=2).fit(images, y)  # and in this process
    assert state(half) == state(whole)


def test_each_player_counts_its_steps(X):
    model = gan(epochs=3).fit(X)
    network = model._network
    assert network.steps == int(network.buffer("discriminator_steps")[0]) == 12
    model.set_params(warm_start=True, optimizer="sgd", epochs=1).fit(X)  # both start afresh
    assert network.steps == int(network.buffer("discriminator_steps")[0]) == 4
    assert set(network.moments) == {"m"}


def test_drawing_after_each_epoch_disturbs_nothing(images):
    drawn = []

    def watch(state):
        drawn.append(state.model.sample(3, random_state=state.epoch))
        if isinstance(state.model, ae.GAN):
            state.model.score_samples(images)
        else:
            state.model.reconstruct(images)

    for make in (gan, aae):
        quiet = make(ae.Conv((4,)), epochs=3).fit(images)
        watched = make(ae.Conv((4,)), epochs=3, callbacks=[watch]).fit(images)
        assert state(quiet) == state(watched)
    assert [d.shape for d in drawn] == [(3, 9, 8, 2)] * 6
    assert not np.array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("who", ["decoder", "discriminator"])
def test_numbers_that_stop_being_finite(who, X):
    model = gan(epochs=1).initialize(X)
    model.parameters_[f"{who}.1.bias"][:] = 3e38
    model.parameters_[f"{who}.1.weight"][:] = 3e38
    before = state(model)
    with pytest.raises(FloatingPointError, match=rf"epoch 1, batch 1.*{who}\.1, Linear"):
        model.set_params(warm_start=True).fit(X + 1)
    after = state(model)
    assert after[0]["parameters"] == before[0]["parameters"] and after[2] == before[2]
    assert not any(m.any() for m in model._network.moments.values())


def test_the_second_player_fails_alone(X):
    """What the discriminator has learned of the batch stays: it is finite."""
    model = aae(epochs=1).initialize(X)
    model.parameters_["decoder.1.bias"][:] = 3e38
    before = model._network.flat.value.copy()
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch 1: the loss is inf"):
        model.set_params(warm_start=True).fit(X)
    network = model._network
    others, rival = network.part(""), network.part("discriminator")
    np.testing.assert_array_equal(network.flat.value[others], before[others])
    assert not np.array_equal(network.flat.value[rival], before[rival])
    assert np.isfinite(network.flat.value).all()
    assert network.steps == 0 and int(network.buffer("discriminator_steps")[0]) == 1


def test_a_step_that_is_too_large_is_undone(X):
    model = gan(epochs=1, optimizer=ae.SGD(0.0), discriminator_learning_rate=1e38, clip_norm=1e3)
    before = state(model.initialize(X))
    with pytest.raises(FloatingPointError, match="a step was too large.*discriminator"):
        model.set_params(warm_start=True).fit(X * 1e5)
    after = state(model)
    assert after[0]["parameters"] == before[0]["parameters"] and after[2] == before[2]
    assert int(model._network.buffer("discriminator_steps")[0]) == 0

"""Adversarial models: both players' steps, their record, resuming, labels, and what is refused."""

import copy
import math
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore import _core
from aecore.base.streams import LATENT, PRIOR, SAMPLE
from aecore.data.arrays import Data
from aecore.data.batches import Batches
from aecore.nn.ops import products
from aecore.nn.tape import Tape
from support.objectives import nets
from support.resuming import resumed, state
from support.steps import passes

KW = {"batch_size": 16, "random_state": 0}
Y = np.arange(50) % 3
CENTERS = [[-4.0, 0, 0], [0, 4, 0], [4, 0, 0]]


def mixture(centers=CENTERS, labels=(0, 1, 2), **params):
    return ae.GaussianMixture(means=centers, labels=labels, **params)


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


def draws(model, n, labels):
    """Return what the models draw next."""
    network = model._network
    if isinstance(model, ae.AdversarialAutoencoder):
        prior = model.prior or ae.Normal()
        where = {"purpose": PRIOR, "offset": network.samples}
        return prior.draw(n, 3, network.seed, **where, y=labels)
    return ae.Normal().draw(n, 3, network.seed, purpose=LATENT, offset=network.samples)


class Twin:
    """Both players in PyTorch, from the same weights, with an optimiser each."""

    def __init__(self, model):
        import torch
        from support.torch_curves import Mirror

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
    "aae of labels": (lambda: aae(prior=mixture(), conditional=True), False),
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
        z = draws(model, len(some), labels)
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
    "aae sparse": (lambda: aae(ae.Dense(**SMOOTH), penalty=ae.L1Sparsity(0.1)), "table"),
    "aae contractive": (lambda: aae(ae.Dense(**SMOOTH), penalty=ae.Contractive(0.1)), "table"),
    "aae of a few": (lambda: aae(ae.Dense(**SMOOTH), penalty=ae.TopK(2)), "table"),
    "aae gaussian": (lambda: aae(ae.Dense(**SMOOTH), loss="gaussian"), "gaps"),
    "aae taught": (lambda: aae(ae.LSTM(5, teacher_forcing=True)), "ragged"),
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
    if isinstance(model, ae.AdversarialAutoencoder):  # without a kink that differences run into
        network.discriminator.layers[0].activation = "tanh"

    def losses():
        """Return the discriminator's loss and the others', and the gradients of both."""
        rival, own = passes(model, batch)
        losses = [rival[0]["discriminator"], own[0]["loss"]]
        return np.array(losses) / batch.n, [rival[1], own[1]]

    _, gradients = losses()
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

OWN = nets(80, 1, (9, 8, 2))
OBJECTIVES = {
    "aae": lambda **k: aae(corruption=ae.GaussianNoise(0.1), validation_fraction=0.2, **k),
    "aae of labels": lambda **k: aae(
        ae.Conv((4,)), prior=mixture(), conditional=True, optimizer="adamw", weight_decay=0.01, **k
    ),
    "aae of a mixture": lambda **k: aae(
        prior=mixture(np.array(CENTERS)), optimizer=ae.SGD(0.5), **k
    ),
    "gan": lambda **k: gan(schedule=ae.Warmup(2) * ae.Cosine(5), clip_norm=1.0, **k),
    "gan of labels": lambda **k: gan(
        ae.Conv((4,)), conditional=True, discriminator_learning_rate=1e-3, **k
    ),
    "own modules": lambda **k: gan(OWN, output="sigmoid", loss="minimax", **k),
}


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
def test_gradients_that_nobody_takes_are_left_out(name, images, monkeypatch):
    """And everything else is as if they weren't: the bits of a pass with all gradients."""
    y, seen = classes(len(images)), []
    for cls in (products.Linear, products.Conv2d):

        def gradients(self, dx, weight, bias, *args, real=cls.gradients):
            seen.append((weight.learns, bias is None or not bias.learns))
            return real(self, dx, weight, bias, *args)

        monkeypatch.setattr(cls, "gradients", gradients)
    lean = OBJECTIVES[name]().fit(images, y)
    assert (False, True) in seen and (True, False) in seen
    assert all(none for learns, none in seen if not learns)

    real = Tape.backward

    def whole(self, *ends, since=0, frozen=None):
        return real(self, *ends, since=since)

    monkeypatch.setattr(Tape, "backward", whole)
    seen.clear()
    assert state(OBJECTIVES[name]().fit(images, y)) == state(lean)
    assert all(learns for learns, _ in seen)
    assert all("learns" not in vars(p) or p.learns for _, p in lean._network.parameters())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_resuming_in_a_new_process_gives_the_same_bits(name, images, tmp_path):
    y = classes(len(images))
    whole = OBJECTIVES[name](epochs=4).fit(images, y)
    half = OBJECTIVES[name](epochs=2).fit(images, y)
    assert state(half) != state(whole)
    elsewhere = resumed(half, tmp_path / "half", 2, images, y)
    assert state(elsewhere) == state(whole)
    some = elsewhere.sample(5, y=2, random_state=0)
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


# ---- what is learned ----------------------------------------------------------------------------


def test_codes_follow_the_prior(rng):
    """Data on a curve, whose codes an autoencoder alone would leave anywhere."""
    t = rng.random(600) * 2 * np.pi
    X = np.stack([np.cos(t), np.sin(t), np.sin(2 * t), rng.normal(0, 0.3, 600)], 1)
    options = {"latent_dim": 2, "batch_size": 64, "epochs": 60, "random_state": 0}
    options |= {"learning_rate": 2e-3, "schedule": ae.Cosine(60)}
    arch, z = ae.Dense((32, 32)), rng.standard_normal((600, 2))
    model = ae.AdversarialAutoencoder(arch, **options).fit(X)
    plain = ae.Autoencoder(arch, **options).fit(X)
    ours, theirs = (ae.metrics.mmd(m.transform(X), z, bandwidth=1.0) for m in (model, plain))
    assert ours < 0.03 < 0.06 < theirs
    made = model.sample(600, random_state=0)
    assert ae.metrics.mmd(made, X, bandwidth=1.0) < 0.06
    assert model.history_[-1]["discriminator"] > 1.0  # 2 ln 2 if it knew nothing


def test_classes_go_to_their_components(rng):
    y = rng.integers(0, 3, 600)
    X = np.eye(3)[y] + rng.normal(0, 0.2, (600, 3))
    names = np.array(["one", "three", "two"])  # in the labels' order
    centers = [[-4.0, 0], [0, 4], [4, 0]]
    prior = mixture(centers, names)
    model = ae.AdversarialAutoencoder(
        ae.Dense((32,)), 2, prior=prior, conditional=True, epochs=60, learning_rate=5e-3, **KW
    ).fit(X, names[y])
    assert list(model.classes_) == list(names)
    codes = model.transform(X)  # which takes no labels
    nearest = ((codes[:, None] - np.array(centers)) ** 2).sum(2).argmin(1)
    assert (nearest == y).mean() > 0.98
    for k, name in enumerate(names):
        assert (model.sample(100, y=name, random_state=0).argmax(1) == k).mean() > 0.95
    each = model.sample(3, y=names, random_state=1)
    np.testing.assert_array_equal(each.argmax(1), [0, 1, 2])
    counts = np.bincount(model.sample(600, random_state=0).argmax(1), minlength=3)
    assert counts.min() > 160  # without a label: any component, equally often


def test_samples_are_of_the_prior_that_codes_follow(X):
    model = aae(prior=mixture(), conditional=True).fit(X, Y)
    for y in (None, 1, [2, 0, 1, 1]):
        want = model.inverse_transform(mixture().draw(4, 3, 7, y=y))
        np.testing.assert_array_equal(model.sample(4, y=y, random_state=7), want)
    near = model.sample(4, near=X[0], scale=0.0)
    np.testing.assert_allclose(near, np.repeat(model.reconstruct(X[:1]), 4, 0), atol=1e-5)
    z = ae.Normal().draw(4, 3, 7)
    normal = aae().fit(X)
    np.testing.assert_array_equal(normal.sample(4, random_state=7), normal.inverse_transform(z))
    wide = normal.sample(4, prior=ae.Normal(2.0), random_state=7)
    np.testing.assert_allclose(wide, normal.inverse_transform(2 * z), atol=1e-6)


def test_gan_learns_a_distribution(rng):
    X = rng.multivariate_normal([2.0, -1.0], [[1.0, 0.7], [0.7, 0.8]], 1000)
    options = {"batch_size": 32, "learning_rate": 2e-3, "schedule": ae.Cosine(60)}
    model = ae.GAN(ae.Dense((32, 32), "elu"), 4, epochs=60, **options, random_state=0)
    before = model.initialize(X).sample(1000, random_state=0)
    made = model.fit(X).sample(1000, random_state=0)
    ours, untrained = (ae.metrics.mmd(v, X, bandwidth=1.0) for v in (made, before))
    assert ours < 0.1 < 0.5 < untrained
    np.testing.assert_allclose(made.mean(0), X.mean(0), atol=0.3)


def test_conditional_gan_makes_what_it_is_told_to(rng):
    y = rng.integers(0, 3, 900)
    X = np.eye(3)[y] + rng.normal(0, 0.1, (900, 3))
    model = ae.GAN(
        ae.Dense((32,), "elu"), 2, conditional=True, epochs=40, learning_rate=5e-3, **KW
    ).fit(X, y)
    for k in range(3):
        assert (model.sample(100, y=k, random_state=0).argmax(1) == k).mean() > 0.95
    assert list(model.classes_) == [0, 1, 2]
    shown = model.score_samples(X, y), model.score_samples(X, (y + 1) % 3)
    assert shown[0].mean() > shown[1].mean()


def test_score_samples_tells_data_from_noise(rng):
    X = rng.normal(0, 0.1, (400, 2)) + [3, 3]
    still = {"learning_rate": 1e-30, "discriminator_learning_rate": 1e-2}  # one player alone
    model = ae.GAN(ae.Dense((16,)), 2, epochs=10, **still, **KW).fit(X)
    scores = model.score_samples(X)
    assert scores.shape == (400,) and scores.dtype == np.float32
    assert (scores > 0).mean() > 0.99
    assert (model.score_samples(model.sample(400, random_state=0)) < 0).mean() > 0.99
    assert model.history_[-1]["real_accuracy"] > 0.99 < model.history_[-1]["fake_accuracy"]
    np.testing.assert_array_equal(scores[[7, 390]], model.score_samples(X[[7, 390]]))
    assert not any(hasattr(model, name) for name in ("transform", "reconstruct", "score"))


# ---- samples and files --------------------------------------------------------------------------


@pytest.mark.parametrize("make", [gan, aae])
@pytest.mark.parametrize("kind", ["images", "sequences", "table", "uint8"])
def test_any_samples(make, kind, X, images):
    x = {
        "images": images,
        "sequences": X.reshape(50, 6, 2),
        "table": X,
        "uint8": (images * 255).astype(np.uint8),
    }[kind]
    model = (ae.GAN if make is gan else ae.AdversarialAutoencoder)(None, 3, epochs=1, **KW).fit(x)
    made = model.sample(4, random_state=0)
    assert made.shape == (4, *x.shape[1:]) and made.dtype == np.float32
    np.testing.assert_array_equal(made[:2], model.sample(2, random_state=0))
    assert not np.array_equal(made, model.sample(4, random_state=1))
    assert model.sample(0).shape == (0, *x.shape[1:])
    many = model.sample(300, random_state=0)  # several batches
    np.testing.assert_array_equal(many[:4], made)


def test_gan_makes_samples_of_codes(X):
    model = gan(output="sigmoid", conditional=True).fit(X, Y)
    z = np.empty((300, 3), np.float32)
    _core.random_normal(z, 7, SAMPLE, 0, _core.Workspace())
    made = model.inverse_transform(z, Y[[1] * 300])
    np.testing.assert_array_equal(made, model.sample(300, y=1, random_state=7))
    values = {k: v.astype(np.float64) for k, v in model.parameters_.items()}
    h = np.concatenate([z, np.eye(3)[[1] * 300]], 1) @ values["decoder.0.weight"].T
    h = np.maximum(h + values["decoder.0.bias"], 0) @ values["decoder.1.weight"].T
    want = 1 / (1 + np.exp(-h - values["decoder.1.bias"]))
    np.testing.assert_allclose(made, want, rtol=1e-5)
    with pytest.raises(ValueError, match=r"Z: expected codes of shape \(N, 3\), got \(300, 2\)"):
        model.inverse_transform(z[:, :2], Y[[1] * 300])


def test_conditional_aae_validates(X):
    for data in ({"X_val": (X[:9], Y[:9])}, {}):
        model = aae(prior=mixture(), conditional=True)
        if not data:
            model.set_params(validation_fraction=0.2)
        record = model.fit(X, Y, **data).history_[-1]
        assert record["val_loss"] == record["val_recon"] > 0
    assert record["val_recon"] != record["recon"]


def test_ragged_sequences_have_codes(X):
    ragged = [x[: 1 + i % 6] for i, x in enumerate(X.reshape(50, 6, 2))]
    model = aae(ae.LSTM(5)).fit(ragged)
    assert model.transform(ragged).shape == (50, 3)
    assert [len(r) for r in model.reconstruct(ragged)] == [len(r) for r in ragged]
    assert model.sample(2).shape == (2, 6, 2)
    alone = model.transform(ragged[3:4])  # its code follows from its own steps
    np.testing.assert_allclose(alone, model.transform(ragged)[3:4], atol=1e-6)


def test_sigmoid_keeps_samples_within_bounds(X):
    made = gan(output="sigmoid").fit(X).sample(500, random_state=0)
    assert (made > 0).all() and (made < 1).all()
    logits = gan(output="linear").fit(X * 9).sample(500, random_state=0)
    assert (logits < 0).any()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_round_trip(name, images, tmp_path):
    y = classes(len(images))
    model = OBJECTIVES[name](epochs=1).fit(images, y)
    model.save(tmp_path / "m")
    again = ae.load(tmp_path / "m")
    assert state(again) == state(model)
    assert again._network.moments.keys() == model._network.moments.keys()
    same = {"prior", "arch"}  # whose arrays come back as tuples, and modules as copies
    theirs = again.get_params(deep=False)
    for key, value in model.get_params(deep=False).items():
        assert key in same or theirs[key] == value, key
    for copied in (again, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        some = copied.sample(3, y=1, random_state=0)
        np.testing.assert_array_equal(some, model.sample(3, y=1, random_state=0))
        assert state(copied) == state(model)


def test_files_without_labels_or_steps_are_refused(X, tmp_path):
    from aecore.files import document

    model = gan(conditional=True).fit(X, classes(50))
    path = tmp_path / "m"
    model.save(path)
    config, tensors = document.read(path)
    assert state(ae.load(path)) == state(model)
    document.write(path, config | {"conditions": None}, tensors)
    with pytest.raises(ValueError, match="conditions: expected some for GAN, got none"):
        ae.load(path)
    fewer = {k: v for k, v in tensors.items() if k != "discriminator_steps"}
    document.write(path, config, fewer)
    with pytest.raises(ValueError, match=r"tensors: expected \['discriminator_steps'\], got none"):
        ae.load(path)


# ---- what makes no sense ------------------------------------------------------------------------


BAD = [
    (lambda X: gan(loss="wasserstein").fit(X), ValueError, "loss: expected one of"),
    (lambda X: gan(loss="mse").fit(X), ValueError, "'non-saturating', 'minimax', got 'mse'"),
    (lambda X: gan(output="tanh").fit(X), ValueError, "output: expected one of"),
    (
        lambda X: gan(output="sigmoid").fit(X + 1),
        ValueError,
        "X: expected values in [0, 1] for output",
    ),
    (lambda X: gan(conditional=1).fit(X), TypeError, "conditional: expected True or False"),
    (lambda X: gan(conditional=True).fit(X), ValueError, "y: expected labels"),
    (lambda X: gan(conditional=True).fit(X, Y[:9]), ValueError, "y: expected 50 conditions"),
    (lambda X: gan(discriminator_learning_rate=0).fit(X), ValueError, "discriminator_learning_ra"),
    (lambda X: gan(optimizer="rmsprop").fit(X), ValueError, "optimizer: expected one of"),
    (lambda X: gan().fit(X, X_val=X), ValueError, "X_val: expected None for a GAN, whose losses"),
    (lambda X: gan().set_params(patience=3), ValueError, "Invalid parameter 'patience' for GAN"),
    (lambda X: aae().set_params(patience=3), ValueError, "Invalid parameter 'patience'"),
    (lambda X: gan().set_params(validation_fraction=0.1), ValueError, "Invalid parameter"),
    (lambda X: gan(ae.Conv((4,))).fit(X), ValueError, "Conv: expected images"),
    (
        lambda X: gan(ae.LSTM(4, teacher_forcing=True)).fit(X.reshape(50, 6, 2)),
        ValueError,
        "arch: expected teacher_forcing=False for a GAN",
    ),
    (lambda X: gan(OWN).fit(X), ValueError, "arch: encoder: expected a module"),
    (
        lambda X: gan(ae.LSTM(4)).fit([X[:2], X[:5]]),
        ValueError,
        "X: expected 5 steps in all sequences for GAN, since only AdversarialAutoencoder",
    ),
    (lambda X: ae.GAN(latent_dim=0).fit(X), ValueError, "latent_dim: expected at least 1"),
    (lambda X: aae(adversarial=-1).fit(X), ValueError, "adversarial: expected a finite number"),
    (lambda X: aae(discriminator_widths=6).fit(X), TypeError, "discriminator_widths: expected"),
    (lambda X: aae(discriminator_widths=(0,)).fit(X), ValueError, "discriminator_widths: expected"),
    (lambda X: aae(prior=mixture([[0, 0]], [0])).fit(X), ValueError, "codes with 3 numbers"),
    (lambda X: aae(prior=CENTERS).fit(X), TypeError, "prior: expected None or an object like"),
    (
        lambda X: aae(prior=ae.GaussianMixture(3)).fit(X),
        ValueError,
        "prior: expected a mixture whose means",
    ),
    (lambda X: aae(prior=ae.Normal(0)).fit(X), ValueError, "prior: scale"),
    (lambda X: aae(prior="normal").fit(X), TypeError, "prior: expected None or an object like"),
    (lambda X: aae(prior=mixture([[np.nan] * 3])).fit(X), ValueError, "means: expected finite"),
    (
        lambda X: aae(conditional=True).fit(X, Y),
        ValueError,
        "prior: expected a mixture with a class",
    ),
    (
        lambda X: aae(prior=mixture(CENTERS[:2], [0, 1]), conditional=True).fit(X, Y),
        ValueError,
        "prior: expected a component for each class of y, got none for 2",
    ),
    (
        lambda X: aae(prior=mixture(), conditional=True).fit(X, X[:, :2]),
        ValueError,
        "y: expected labels (N,)",
    ),
    (lambda X: aae(prior=mixture(), conditional=True).fit(X), ValueError, "y: expected labels"),
]


@pytest.mark.parametrize("call, error, message", BAD, ids=map(str, range(len(BAD))))
def test_what_makes_no_sense(call, error, message, X):
    with pytest.raises(error) as caught:
        call(X)
    assert message in str(caught.value)


def test_fitted_models_refuse_too(X):
    model = gan(conditional=True).fit(X, Y)
    before = state(model)
    for call, message in (
        (lambda: model.sample(3), "y: expected labels"),
        (lambda: model.sample(3, y=7), "y: expected labels as in fit, 0, 1, 2, got 7"),
        (lambda: model.sample(-1, y=1), "n: expected at least 0"),
        (lambda: model.score_samples(X), "y: expected labels"),
        (lambda: model.score_samples(X[:, :5], Y), "features"),
        (
            lambda: model.set_params(warm_start=True).fit(X, Y + 1),
            "y: expected labels as in fit, 0, 1, 2, got 3",
        ),
        (
            lambda: model.set_params(conditional=False).fit(X),
            "conditional: expected True, as",
        ),
        (
            lambda: aae(prior=mixture(), conditional=True).fit(X, Y).sample(2, y=5),
            "expected labels of the prior, 0, 1, 2, got 5",
        ),
        (
            lambda: model.set_params(conditional=False).partial_fit(X),
            "conditional: expected True, as in",
        ),
        (lambda: ae.GAN().sample(1), "This GAN instance is not fitted yet"),
        (lambda: ae.GAN().score_samples(X), "This GAN instance is not fitted yet"),
        (lambda: ae.AdversarialAutoencoder().transform(X), "is not fitted yet"),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert message in str(caught.value)
    assert state(model) == before
    with pytest.raises(AttributeError, match="GAN: expected labels in fit, got none"):
        _ = gan().fit(X).classes_


def test_labels_are_not_looked_at_unless_conditional(X):
    for make in (gan, aae):
        assert state(make().fit(X, Y)) == state(make().fit(X, object())) == state(make().fit(X))
        make().fit(X).sample(2, y="anything")


def test_partial_fit_gives_both_players_steps(X):
    for make in (gan, aae):
        ordered = make(shuffle=False, epochs=1).fit(X)
        assert state(make().partial_fit(X)) == state(ordered)

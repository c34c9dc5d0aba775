"""Objectives of a user's own: terms in the history, noise of theirs, codes of other samples."""

import aecore as ae
import numpy as np
import pytest
from aecore.training.progress import summary
from twin.stack import evaluate

SEEN = []


class Steady(ae.Autoencoder):
    """Charges what codes move when samples do."""

    def __init__(self, arch=None, latent_dim=3, *, steadiness=1.0, **options):
        super().__init__(arch, latent_dim, **options)
        self.steadiness = steadiness

    def terms(self, batch):
        terms = super().terms(batch)
        noise = batch.normal(batch.x.shape)
        other = batch.normal((batch.n, 2))
        SEEN.append((batch.noise, noise.copy(), other.copy()))
        moved = self.code(batch, batch.x + noise) - batch.code
        batch.weights["moved"] = self.steadiness
        return terms | {"moved": (moved**2).sum(axis=1)}


KW = {"epochs": 3, "batch_size": 16, "random_state": 0}


@pytest.fixture
def X(rng):
    return rng.random((40, 6), dtype=np.float32)


def fitted(X, **params):
    SEEN.clear()
    return Steady(ae.Dense((5,)), **(KW | params)).fit(X)


def test_draws_are_new_in_training_and_the_same_in_validation(X):
    fitted(X, validation_fraction=0.25)
    draws = {mode: [a for m, a, _ in SEEN if m == mode] for mode in ("on", "fixed")}
    assert len({a.tobytes() for a in draws["on"]}) == len(draws["on"]) == 3 * 2
    assert len({a.tobytes() for a in draws["fixed"]}) == 1 and len(draws["fixed"]) == 3
    values = np.concatenate([a.ravel() for a in draws["on"]])
    assert abs(values.mean()) < 0.1 and abs(values.std() - 1) < 0.1
    for _, first, second in SEEN:  # two draws of a pass are of two streams
        assert not np.array_equal(first.ravel()[: second.size], second.ravel())


def test_draws_follow_from_the_seed_alone(X):
    runs = []
    for n_threads in (1, 2, 3):
        model = fitted(X, n_threads=n_threads)
        runs.append((model.history_[-1]["moved"], *(a.tobytes() for _, a, _ in SEEN)))
    assert runs[0] == runs[1] == runs[2]
    first = fitted(X, epochs=1).set_params(warm_start=True, epochs=2).fit(X)
    assert first.history_[-1]["moved"] == runs[0][0]


def test_nothing_is_drawn_for_scores(X):
    model = fitted(X)
    SEEN.clear()
    plain = model.score_samples(X)
    assert {mode for mode, _, _ in SEEN} <= {"off"} and not any(a.any() for _, a, _ in SEEN)
    x, recon = X.astype(np.float64), model.reconstruct(X).astype(np.float64)
    np.testing.assert_allclose(plain, -((x - recon) ** 2).sum(1), rtol=1e-4)


def test_codes_of_other_samples(X):
    """Beside a pass of its own in float64; what the batch keeps for penalties stays."""
    found = {}

    class Recording(Steady):
        def terms(self, batch):
            terms = super().terms(batch)
            given, encoded = batch.given, batch.encoded
            found["code"] = self.code(batch, 2 * batch.x).data.copy()
            found["x"] = batch.x.copy()
            found["kept"] = batch.given is given and batch.encoded is encoded
            return terms

    model = Recording(ae.Dense((5,)), **KW).initialize(X)
    model.set_params(warm_start=True, learning_rate=1e-30, epochs=1).fit(X)
    want = evaluate(model._network.encoder, 2 * found["x"].astype(np.float64))
    np.testing.assert_allclose(found["code"], want, rtol=1e-4, atol=1e-5)
    assert found["kept"]


@pytest.mark.parametrize("penalty", [ae.Contractive(0.1), ae.TopK(2), ae.KLSparsity(0.1)])
def test_penalties_go_with_them(X, penalty):
    model = fitted(X, penalty=penalty)
    assert {"moved", "recon"} <= set(model.history_[-1])


def test_of_a_vae_it_is_the_mean(X):
    class Moved(ae.VAE):
        def terms(self, batch):
            terms = super().terms(batch)
            found.append((self.code(batch, batch.x) - batch.code).data.copy())
            return terms

    found = []
    Moved(ae.Dense((5,)), 3, **KW).fit(X)
    assert found and not any(a.any() for a in found)


def test_their_terms_are_shown(X, capsys):
    model = fitted(X, verbose=2)
    record = model.history_[-1]
    assert f"moved {record['moved']:.4g}" in summary(record)
    assert "moved" in capsys.readouterr().out
    pytest.importorskip("matplotlib")
    figure = ae.plot.history(model)
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert {"loss", "recon", "moved"} <= set(labels)


def test_the_loss_counts_them_with_their_weight(X):
    record = fitted(X, steadiness=2.5).history_[-1]
    np.testing.assert_allclose(record["loss"], record["recon"] + 2.5 * record["moved"], rtol=1e-6)

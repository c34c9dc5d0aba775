"""How samples, labels, targets, masks and weights reach a VQVAE and the prior over its codes."""

import aecore as ae
import numpy as np
import pytest
from support.items import Items, state

PRIOR = {"channels": 8, "layers": 2, "kernel_size": 3, "epochs": 2}
Y = np.arange(40) % 3


def prior(**params):
    return ae.PixelCNN(**{**PRIOR, **params})


def model(**params):
    how = {"epochs": 2, "batch_size": 16, "random_state": 0, **params}
    return ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, **how)


@pytest.fixture
def X(rng):
    return rng.random((40, 8, 8, 1), dtype=np.float32)


# ---- what is second -----------------------------------------------------------------------------


def test_labels_of_a_data_set_are_those_of_the_prior(X):
    items, by_hand = model(prior=prior()).fit(Items(X, Y)), model(prior=prior()).fit(X, Y)
    assert items.classes_.tolist() == [0, 1, 2]
    assert state(items.prior_) == state(by_hand.prior_)
    np.testing.assert_array_equal(items.elbo(Items(X, Y)), by_hand.elbo(X, Y))
    without = model().fit(Items(X, Y))
    assert state(without) == state(items)
    held = model(prior=prior()).fit(Items(X, Y), X_val=Items(X[:9], Y[:9])).prior_.history_[-1]
    pair = model(prior=prior()).fit(X, Y, X_val=(X[:9], Y[:9])).prior_.history_[-1]
    assert held["val_nll"] == pair["val_nll"]


def test_targets_of_a_data_set_stay_targets_beside_a_prior(X):
    clean = X[:, ::-1]
    items, by_hand = (
        model(prior=prior()).fit(Items(X, clean)),
        model(prior=prior()).fit(X, target=clean),
    )
    assert state(items) == state(by_hand) == state(model().fit(X, target=clean))
    np.testing.assert_array_equal(items.elbo(Items(X, clean)), by_hand.elbo(X, target=clean))
    validated = model(prior=prior()).fit(X, target=clean, X_val=(X[:9], clean[:9]))
    plain = model().fit(X, target=clean, X_val=(X[:9], clean[:9]))
    assert validated.history_[-1]["val_loss"] == plain.history_[-1]["val_loss"]


def test_labels_of_maps_in_a_data_set(rng):
    codes = rng.integers(0, 4, (40, 3, 3))
    items, by_hand = prior(random_state=0).fit(Items(codes, Y)), prior(random_state=0).fit(codes, Y)
    assert state(items) == state(by_hand)
    assert items.score(Items(codes, Y)) == by_hand.score(codes, Y)
    plain = prior(random_state=0).fit(codes)
    assert plain.score(Items(codes, Y)) == plain.score(codes)


@pytest.mark.parametrize("first", [True, False])
def test_labels_with_every_batch_or_none(first, X):
    parts = [{"X": X[:20], "y": Y[:20]}, {"X": X[20:]}][:: 1 if first else -1]
    text = f"batch {2 if first else 1}: y: expected labels or properties, as with other"
    with pytest.raises(ValueError, match=text):
        model(prior=prior()).fit(lambda: iter(parts))
    model().fit(lambda: iter(parts))  # which takes no notice of them


# ---- masks and weights --------------------------------------------------------------------------


def test_masks_of_validation_samples_are_the_priors_too(X):
    X = X.copy()
    X[:, 2:4] = np.nan
    mask = ~np.isnan(X)
    how = {"sample_mask": mask, "X_val": {"X": X[:9], "sample_mask": mask[:9]}}
    fitted = model(prior=prior()).fit(X, **how)
    nll = -fitted.prior_.score(fitted.transform(X[:9], sample_mask=mask[:9]))
    assert fitted.prior_.history_[-1]["val_nll"] == pytest.approx(nll, rel=1e-5)
    filled = np.where(mask, X, np.float32(7))
    how["X_val"] = {"X": filled[:9], "sample_mask": mask[:9]}
    again = model(prior=prior()).fit(filled, **how)
    assert again.prior_.history_[-1]["val_nll"] == fitted.prior_.history_[-1]["val_nll"]


def test_codebooks_learn_from_batches_that_weigh_less_than_one(rng):
    T = rng.normal(size=(60, 3)).astype(np.float32)
    how = {"batch_size": 1, "random_state": 0, "restart_dead": False, "codebook_init": "normal"}
    books = []
    for weight in (None, np.r_[np.full(59, 0.99), 1.59]):
        book = ae.VQVAE(ae.Dense((4,)), 4, 2, epochs=3, **how).fit(T, sample_weight=weight)
        books.append(book.codebook_)
    np.testing.assert_allclose(*books, atol=0.05)


# ---- the prior's network ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"prior__layers": 3}, {"prior__channels": 9}, {"prior": prior(kernel_size=5)}]
)
def test_another_prior_is_refused_before_anything_changes(change, X, tmp_path):
    fitted = model(prior=prior()).fit(X)
    before, was = state(fitted), fitted.prior.get_params()
    with pytest.raises(ValueError, match=r"^prior: (layers|channels|kernel_size): expected .*fit"):
        fitted.set_params(warm_start=True, **change).fit(X)
    assert state(fitted) == before and len(fitted.history_) == 2
    fitted.prior.set_params(**was)
    fitted.save(tmp_path / "model.ae")
    fitted.fit(X)
    assert len(fitted.prior_.history_) == 4


@pytest.mark.parametrize("name, kind", [("codebook_size", "X"), ("context_size", "context")])
def test_sizes_stay_those_of_fit(name, kind, rng, tmp_path):
    codes = rng.integers(0, 5, (20, 4, 3))
    fitted = prior(**{name: 5}).fit(codes, context=codes)
    with pytest.raises(ValueError, match=f"^{name}: expected 5, as in fit, got 9"):
        fitted.set_params(**{name: 9}).save(tmp_path / "prior.ae")
    with pytest.raises(ValueError, match=f"^{name}: expected 5, as in fit, got 9"):
        fitted.set_params(warm_start=True).fit(codes, context=codes)


def test_maps_with_a_context_without_training(rng):
    codes = rng.integers(0, 4, (20, 4, 4))
    fresh = prior(random_state=0, warm_start=True).initialize(codes, Y[:20], context=codes)
    assert fresh.history_ == []
    whole = prior(random_state=0).fit(codes, Y[:20], context=codes)
    assert state(fresh.fit(codes, Y[:20], context=codes)) == state(whole)
    with pytest.raises(ValueError, match=r"maps of shape \(N, 4, 4\), as in fit, got \(4, 4\)"):
        whole.score(codes, Y[:20], context=codes[0])


# ---- images of other sizes, frames --------------------------------------------------------------


def test_images_of_several_sizes_in_all_methods(X, rng):
    arch = ae.Conv((4,), kernel_size=3, stride=2, flatten=False)
    fitted = ae.VQVAE(arch, 16, 4, epochs=1, random_state=0).fit(X)
    some = [X[0], rng.random((16, 12, 1), dtype=np.float32), X[1]]
    codes = fitted.transform(some)
    for one, image in zip(fitted.inverse_transform(codes), fitted.reconstruct(some), strict=True):
        np.testing.assert_array_equal(one, image)
    vectors, bounds = fitted.encode_vectors(some), fitted.elbo(some)
    for i, image in enumerate(some):
        np.testing.assert_array_equal(vectors[i], fitted.encode_vectors(image[None])[0])
        assert bounds[i] == pytest.approx(fitted.elbo(image[None])[0], rel=1e-6)
    with_prior = ae.VQVAE(arch, 16, 4, epochs=1, prior=prior(), random_state=0).fit(X)
    assert with_prior.elbo([X[0], X[1]]).shape == (2,)
    with pytest.raises(ValueError, match=r"^X: expected samples of shape \(8, 8, 1\)"):
        with_prior.elbo(some)


def test_maps_of_several_sizes_are_decoded(X, rng):
    fitted = ae.Autoencoder(ae.Conv((4,), flatten=False), 2, epochs=1, random_state=0).fit(X)
    some = [X[0], rng.random((16, 12, 1), dtype=np.float32)]
    for one, image in zip(
        fitted.inverse_transform(fitted.transform(some)), fitted.reconstruct(some), strict=True
    ):
        np.testing.assert_array_equal(one, image)


def test_compression_of_a_model_that_gives_frames(X):
    pytest.importorskip("pandas")
    fitted = model().fit(X)
    packed = ae.compress(fitted, X)
    assert ae.compress(fitted.set_output(transform="pandas"), X) == packed
    np.testing.assert_array_equal(ae.decompress(fitted, packed), fitted.reconstruct(X))


def test_traverse_takes_no_values_and_refuses_words(X):
    fitted = model().fit(X)
    assert fitted.traverse(X[0], 0, np.array([], int)).shape == (0, 8, 8, 1)
    assert fitted.traverse(X[0], 0, []).shape == (0, 8, 8, 1)
    for odd in (["a"], [0.5], [None]):
        with pytest.raises(ValueError, match="values: expected integers, numbers of codebook"):
            fitted.traverse(X[0], 0, odd)

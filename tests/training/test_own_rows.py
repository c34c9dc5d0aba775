"""Processes that train one model on rows of their own, played by threads."""

import functools
from itertools import pairwise

import aecore as ae
import numpy as np
import pytest
from aecore.data.pieces import merged
from support.objectives import OBJECTIVES, PAIRS, images
from support.processes import Comm, Exchange, together
from support.resuming import state

KW = {"epochs": 2, "batch_size": 16, "random_state": 0, "n_threads": 1}
ENDS = {1: (0, 60), 2: (0, 41, 60), 3: (0, 7, 11, 60)}  # of the parts of 60 samples
MORE = {
    "aae": lambda **k: ae.AdversarialAutoencoder(ae.Dense((8,)), 3, **k),
    "gan": lambda **k: ae.GAN(ae.Dense((8,)), 3, **k),
    "prior": lambda **k: ae.VQVAE(
        ae.Conv((4,)), 8, 4, prior=ae.PixelCNN(8, layers=1, kernel_size=3, epochs=1), **k
    ),
    "classifier": lambda **k: ae.SoftmaxClassifier(
        ae.StackedAutoencoder(ae.Dense((8,)), 3, pretrain_epochs=1, **k), dropout=0.1, **k
    ),
    "gaussian": lambda **k: ae.VAE(ae.Dense((8,)), 3, loss="gaussian", **k),
    "swapped": lambda **k: ae.Autoencoder(ae.Dense((8,)), 3, corruption=ae.SwapNoise(0.2), **k),
    "stopped early": lambda **k: ae.Autoencoder(
        ae.Dense((8,)), 3, validation_fraction=0.2, patience=1, clip_norm=0.1, **k
    ),
}
ALL = OBJECTIVES | PAIRS | MORE


def dense(**params):
    return ae.Autoencoder(ae.Dense((8,)), 3, **KW | params)


def own(size, work):
    """Return what work(comm) gives in processes with rows of their own; raise the first error."""

    def run(comm):
        comm.rows = "own"
        return work(comm)

    found = together(size, run)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def failed(size, work):
    """Return the errors of all processes."""

    def run(comm):
        comm.rows = "own"
        return work(comm)

    found = together(size, run)
    assert all(isinstance(error, Exception) for error in found), found
    return found


def part(X, comm, ends=None):
    """Return a process's part of some samples."""
    ends = ENDS[comm.size] if ends is None else ends
    return X[ends[comm.rank] : ends[comm.rank + 1]]


def fitted(size, made, *given, **options):
    """Return the models that processes train, each on its own parts of what is given."""
    return own(size, lambda c: made().fit(*(part(x, c) for x in given), comm=c, **options))


# ---- what it comes to ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_all_have_the_same_bits_each_time(name):
    (x, y), made = images(), lambda: ALL[name](**KW)
    whole = together(1, lambda comm: made().fit(x, y, comm=comm))[0]
    assert state(fitted(1, made, x, y)[0]) == state(whole)
    for size in (2, 3):
        models = fitted(size, made, x, y)
        models += fitted(size, made, x, y)[:1]
        for other in models[1:]:
            assert state(other) == state(models[0])
            if name == "prior":
                assert state(other.prior_) == state(models[0].prior_)
        assert models[0]._network.samples == whole._network.samples * len(models[0].history_) / len(
            whole.history_
        )


def test_a_last_batch_of_one_sample(rng):
    X = rng.random((33, 12), np.float32)
    whole = together(1, lambda comm: dense().fit(X, comm=comm))[0]
    assert state(own(1, lambda comm: dense().fit(X, comm=comm))[0]) == state(whole)
    for size in (16, 1):
        made = functools.partial(dense, batch_size=size)
        models = own(3, lambda c, m=made: m().fit(part(X, c, (0, 1, 3, 33)), comm=c))
        assert state(models[0]) == state(models[1]) == state(models[2])
        assert models[0]._network.samples == 66


@pytest.mark.parametrize("counts", [(33,), (20, 13), (1, 2, 30), (1, 1, 1), (5, 0, 3), (7, 7, 7)])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_rows_are_merged_evenly(counts, size):
    total = sum(counts)
    order = sorted(((2 * k + 1) / n, r) for r, n in enumerate(counts) for k in range(n))
    for end in [*range(0, total, size), total]:
        found = merged(counts, end)
        assert found == [sum(r == i for _, r in order[:end]) for i in range(len(counts))]
    # so a batch is never larger than asked, and each process has its share of it
    assert all(
        abs(k - n * end / total) < 1 + len(counts) for k, n in zip(found, counts, strict=True)
    )


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_row_is_seen_once_an_epoch(shuffle, rng):
    X = np.arange(60, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    seen = {}

    class Watching(ae.Autoencoder):
        def terms(self, batch):
            key = self._network.epoch, self._network.samples
            assert batch.whole == (16 if key[1] % 60 < 48 else 12) and batch.total == 60
            seen.setdefault(key, []).append((batch.before, batch.target[:, 0].tolist()))
            return super().terms(batch)

    fitted(3, lambda: Watching(ae.Dense((4,)), 2, **KW, shuffle=shuffle, learning_rate=1e-5), X)
    epochs = []
    for epoch in (0, 1):
        batches = [sorted(parts) for key, parts in sorted(seen.items()) if key[0] == epoch]
        for parts in batches:  # which lie one behind another in the whole batch
            ends = np.cumsum([0, *(len(rows) for _, rows in parts)])
            assert [before for before, _ in parts] == ends[:-1].tolist()
        rows = [row for parts in batches for _, rows in parts for row in rows]
        assert sorted(rows) == list(range(60))
        epochs.append(rows)
    assert (epochs[0] == epochs[1]) == (not shuffle)


def test_noise_is_another_for_each_row(rng):
    """The same rows in each process: noise and orders differ, which follow from places."""
    X, seen = np.zeros((20, 3), np.float32), []

    class Watching(ae.VAE):
        def terms(self, batch):
            terms = super().terms(batch)
            seen.append(batch.output.data.copy())
            return terms

    kw = KW | {"epochs": 1}
    own(2, lambda c: Watching(ae.Dense((4,)), 2, **kw).fit(X, comm=c))
    codes = np.concatenate(seen)
    assert len(np.unique(codes[:, 0])) == 40

    noise = []

    class Noisy(ae.Autoencoder):
        def terms(self, batch):
            noise.append(batch.x.copy())
            return super().terms(batch)

    own(2, lambda c: Noisy(ae.Dense((4,)), 2, corruption=ae.GaussianNoise(1), **kw).fit(X, comm=c))
    assert len(np.unique(np.concatenate(noise)[:, 0])) == 40


def test_orders_differ_between_processes():
    from aecore.data.arrays import Data
    from aecore.data.batches import Batches
    from aecore.data.pieces import Pieces

    batches = Batches(Data(np.zeros((50, 2), np.float32)), 10)
    one, two = (Pieces(batches, 10, [50, 50], rank).order(0, 0) for rank in (0, 1))
    assert sorted(one) == sorted(two) == list(range(50)) and (one != two).any()


def test_sorted_parts_train_as_well_as_all_rows(rng):
    """Each process has another kind of samples: none would learn the others' from its own."""
    images, labels, *_ = ae.datasets.load_digits()
    X = images[np.argsort(labels, kind="stable")][::3].reshape(-1, 64)

    def made():
        return ae.Autoencoder(
            ae.Dense((32,)), 8, loss="bce", epochs=20, random_state=0, n_threads=1
        )

    whole = made().fit(X).score(X)
    n = len(X)
    models = own(3, lambda c: made().fit(part(X, c, (0, n // 5, n // 2, n)), comm=c))
    alone = made().fit(X[: n // 5]).score(X)
    assert models[2].score(X) == pytest.approx(whole, rel=0.02)
    assert alone < 1.2 * whole  # the score is negative
    for model in models:
        assert model.history_[-1]["loss"] == models[0].history_[-1]["loss"]


# ---- what is learned before training ------------------------------------------------------------


def test_range_and_pixels_are_those_of_all_rows(rng):
    dark = rng.integers(0, 2, (20, 4, 4, 1), np.uint8)
    light = rng.integers(0, 256, (20, 4, 4, 1), np.uint8)
    scaled = light / np.float32(255)
    for given in ((dark, light), (light, dark), (light, scaled), (dark, light, scaled)):
        models = own(
            len(given), lambda c, g=given: ae.Autoencoder(latent_dim=2, **KW).fit(g[c.rank], comm=c)
        )
        for model in models:
            reader = model._network.reader
            assert reader.pixels and reader.span[0] == 0
            assert reader.span[1] == pytest.approx(light.max() / 255)
            assert state(model) == state(models[0])
            assert model.history_[0]["mse"] < 1
    models = own(2, lambda c: dense().fit(np.full((9, 4), c.rank, np.float32), comm=c))
    assert [m._network.reader.span for m in models] == [(0, 1), (0, 1)]
    assert not any(m._network.reader.pixels for m in models)


def mixed(n=60):
    """Return a table whose parts have other levels, ranges, gaps and 0s and 1s than the whole."""
    rng = np.random.default_rng(0)
    found = np.empty(n, [("x", "f8"), ("w", "U5"), ("k", "i8"), ("late", "f8"), ("b", "?")])
    found["x"], found["w"] = np.sort(rng.lognormal(size=n)), np.sort(rng.choice(list("abcde"), n))
    found["k"] = [0, 1] * (n // 2 - 2) + [2, 3, 4, 5]
    found["late"], found["b"] = np.nan, rng.random(n) < 0.5
    found["late"][n - 6 :] = np.arange(6)
    return found


@pytest.mark.parametrize("made", [ae.TabularAutoencoder, ae.TabularVAE])
def test_columns_are_those_of_all_rows(made):
    table = mixed()
    whole = together(1, lambda comm: made(ae.Dense((8,)), 2, **KW).fit(table, comm=comm))[0]
    one = fitted(1, lambda: made(ae.Dense((8,)), 2, **KW), table)[0]
    assert state(one) == state(whole)
    for size in (2, 3):
        models = fitted(size, lambda: made(ae.Dense((8,)), 2, **KW), table)
        for model in models:
            assert state(model) == state(models[0])
            assert model._layout.describe() == whole._layout.describe()


def test_columns_that_do_not_go_together():
    tables = np.zeros(9, [("a", "f8")]), np.full(9, "x", [("a", "U2")])
    for error in failed(
        2, lambda c: ae.TabularVAE(ae.Dense((8,)), 2, **KW).fit(tables[c.rank], comm=c)
    ):
        assert "expected numbers, as in rows before, got levels" in str(error)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_rows_in_blocks(size, shuffle, rng):
    X = np.arange(60, dtype=np.float32)[:, None].repeat(3, 1) / 60
    seen = []

    class Spy(ae.Autoencoder):
        def terms(self, batch):
            if batch.noise == "on":
                seen.append((batch.position, batch.target[:, 0].copy()))
            return super().terms(batch)

    def train(comm):
        rows = ae.open_rows(part(X, comm), buffer=8)
        options = KW | {"epochs": 1, "shuffle": shuffle}
        return Spy(ae.Dense((8,)), 2, corruption=ae.GaussianNoise(0.1), **options).fit(
            rows, comm=comm
        )

    models = own(size, train)
    assert all(state(model) == state(models[0]) for model in models)
    places = sorted((at, at + len(values)) for at, values in seen)
    assert places[0][0] == 0
    assert places[-1][1] == 60
    assert all(a[1] == b[0] for a, b in pairwise(places))
    np.testing.assert_array_equal(np.sort(np.concatenate([v for _, v in seen])), X[:, 0])


def test_the_codes_of_maps_are_those_of_all_rows(rng):
    maps = [rng.integers(0, n, (12, 4, 4)) for n in (3, 9)]
    models = own(2, lambda c: ae.PixelCNN(layers=1, kernel_size=3, **KW).fit(maps[c.rank], comm=c))
    assert [m._network.input_shape for m in models] == [(4, 4, 9)] * 2
    assert state(models[0]) == state(models[1])


def test_the_codes_of_a_context_are_those_of_all_rows(rng):
    maps = rng.integers(0, 4, (12, 4, 4))
    context = [rng.integers(0, n, (12, 2, 2)) for n in (3, 7)]

    def work(comm):
        prior = ae.PixelCNN(layers=1, kernel_size=3, **KW)
        return prior.fit(maps, context=context[comm.rank], comm=comm)

    models = own(2, work)
    assert [m._network.conditioner.size for m in models] == [7, 7]
    assert state(models[0]) == state(models[1])
    context[1] = context[1][:, :1]
    with pytest.raises(ValueError, match="context: expected maps of one shape in every process"):
        own(2, work)


def test_labels_are_those_of_all_rows(rng):
    X = rng.random((20, 5), np.float32)
    labels = [np.repeat(["a", "b"], 10), np.repeat(["long", "b"], 10)]
    models = own(2, lambda c: ae.CVAE(ae.Dense((8,)), 2, **KW).fit(X, labels[c.rank], comm=c))
    assert [m.classes_.tolist() for m in models] == [["a", "b", "long"]] * 2
    assert state(models[0]) == state(models[1])
    wanted = {"y": labels[1][:5]}
    assert models[0].sample(5, **wanted).shape == (5, 5)


def test_properties_are_standardised_by_all_rows(rng):
    X, y = rng.random((60, 5), np.float32), rng.normal(3, 9, (60, 2)) * [1, 1e3]
    models = fitted(3, lambda: ae.CVAE(ae.Dense((8,)), 2, **KW), X, y)
    for model in models:
        conditioner = model._network.conditioner
        np.testing.assert_allclose(conditioner.mean, y.mean(0))
        np.testing.assert_allclose(conditioner.scale, y.std(0))
        assert state(model) == state(models[0])


@pytest.mark.parametrize("arch", [ae.LSTM(5), ae.Transformer(8, 2, 1)], ids=["lstm", "transformer"])
def test_sequences_of_other_lengths_in_each_process(arch, rng):
    most = (5, 9, 3)
    X = [[rng.random((n, 2), np.float32) for n in rng.integers(2, m + 1, 12)] for m in most]
    X[2] = [x[:2] for x in X[2]]  # all of one length
    models = own(3, lambda c: ae.VAE(arch, 2, **KW).fit(X[c.rank], comm=c))
    steps = max(len(x) for part in X for x in part)
    for model in models:
        assert model._network.input_shape == (steps, 2)
        assert state(model) == state(models[0])
    padded = np.zeros((12, 9, 2), np.float32)

    def work(c):
        mask = np.arange(9) < np.array([len(x) for x in X[c.rank]])[:, None]
        return ae.VAE(arch, 2, **KW).fit(padded, sample_mask=mask, comm=c)

    assert {m._network.input_shape for m in own(3, work)} == {(steps, 2)}


def test_masks_where_some_processes_have_one(rng):
    X, mask = rng.random((60, 5), np.float32), rng.random((60, 5)) < 0.8

    def work(c):
        hidden = part(mask, c) if c.rank != 1 else None
        return dense().fit(part(X, c), sample_mask=hidden, comm=c)

    models = own(3, work)
    assert state(models[0]) == state(models[1]) == state(models[2])
    # mse is of the values that are observed, everywhere
    quiet = own(
        3, lambda c: dense(learning_rate=1e-30).fit(part(X, c), sample_mask=part(mask, c), comm=c)
    )
    model = quiet[0]
    squares = (model.reconstruct(X, sample_mask=mask) - X)[mask] ** 2
    assert model.history_[-1]["mse"] == pytest.approx(squares.mean(), rel=1e-4)


def test_the_start_of_a_codebook_is_of_all_rows(rng):
    """One process's vectors are far from the other's: entries lie at both."""
    X = rng.normal(size=(60, 4)).astype(np.float32)
    X[41:] += 50
    kw = KW | {"epochs": 0}
    models = fitted(2, lambda: ae.VQVAE(ae.Dense((8,)), 8, 4, **kw), X)
    codes = models[0].transform(X)
    assert (models[0].codebook_ == models[1].codebook_).all()
    assert not set(codes[:41].ravel()) & set(codes[41:].ravel())


# ---- validation, streams, files -----------------------------------------------------------------


def test_validation_is_of_all_rows(rng):
    X, held = rng.random((60, 12), np.float32), rng.random((25, 12), np.float32)

    def work(c):
        return dense().fit(part(X, c), X_val=part(held, c, (0, 4, 5, 25)), comm=c)

    models = own(3, work)
    assert state(models[0]) == state(models[1]) == state(models[2])
    assert models[0].history_[-1]["val_loss"] == pytest.approx(-models[0].score(held), rel=1e-5)
    # 0.2 of 7, 4 and 49 samples: of all rows, wherever they lie
    models = fitted(3, lambda: dense(validation_fraction=0.2), X)
    assert state(models[0]) == state(models[1]) == state(models[2])
    assert models[0]._network.samples == 2 * (60 - 12)


def test_streams_of_different_numbers_of_batches(rng):
    X = rng.random((60, 12), np.float32)
    cuts = [(0, 5, 20), (20, 60), (0, 3, 9, 11, 30)]
    batches = [[X[a:b] for a, b in pairwise(c)] for c in cuts]

    def work(c):
        return dense().fit(lambda: iter(batches[c.rank]), comm=c)

    models = own(3, work)
    for model in models + own(3, work):
        assert state(model) == state(models[0])
        assert model._network.samples == 2 * (20 + 40 + 30)


@pytest.mark.parametrize("name", ["stack", "cvae", "prior", "vae", "gaussian"])
def test_all_rows_of_a_process_may_be_held_out(name):
    def work(c):
        x, y = (part(a, c, (0, 1, 2, 60)) for a in images())
        return ALL[name](**KW, validation_fraction=0.5).fit(x, y, comm=c)

    models = own(3, work)
    assert state(models[0]) == state(models[1]) == state(models[2])
    assert models[0]._network.samples == 60 and "val_loss" in models[0].history_[-1]


@pytest.mark.parametrize("name", ["stack", "cvae", "prior", "classifier", "gan"])
def test_streams_of_images_with_labels(name):
    x, y = images()
    streams = [[(x[:9], y[:9]), (x[9:20], y[9:20])], [(x[20:], y[20:])]]

    def work(c):
        return ALL[name](**KW).fit(lambda: iter(streams[c.rank]), comm=c)

    one, two = own(2, work)
    assert state(one) == state(two)


def test_one_pass(rng):
    (x, y), made = images(), ALL["cvae"]

    def work(c):
        model = made(**KW).partial_fit(part(x, c), part(y, c), comm=c)
        return model.partial_fit(part(x, c)[:2], part(y, c)[:2], comm=c)

    for size in (1, 3):
        models = own(size, work)
        assert all(state(m) == state(models[0]) for m in models)
        assert models[0]._network.samples == 60 + 2 * size
    codes = np.random.default_rng(0).integers(0, 5, (60, 4, 4))

    def maps(c):
        return ae.PixelCNN(layers=1, kernel_size=3, **KW).partial_fit(part(codes, c), comm=c)

    assert len({str(state(m)) for m in own(3, maps)}) == 1


def test_checkpoints_go_on(tmp_path, rng):
    X = rng.random((60, 12), np.float32)

    def made(epochs, name="m"):
        return lambda: dense(
            epochs=epochs, checkpoint=tmp_path / name, validation_fraction=0.2, patience=5
        )

    whole = fitted(3, made(6, "whole"), X)[0]
    fitted(3, made(2), X)
    fitted(3, made(4), X, resume=True)
    for last in fitted(3, made(6), X, resume=True):
        assert state(last) == state(whole)
    # other parts of the same rows go on too, in other batches
    other = own(2, lambda c: made(8)().fit(part(X, c, (0, 20, 60)), comm=c, resume=True))
    assert state(other[0]) == state(other[1]) and len(other[0].history_) == 8
    for error in failed(2, lambda c: made(9)().fit(part(X, c)[1:], comm=c, resume=True)):
        assert "resume: " in str(error) and "samples, as it was trained on" in str(error)


def test_going_on_with_a_model(rng):
    X = rng.random((60, 12), np.float32)

    def work(c):
        model = dense(warm_start=True).fit(part(X, c), comm=c)
        return model.fit(part(X, c)[:3], comm=c)

    models = own(3, work)
    assert state(models[0]) == state(models[1]) == state(models[2])


# ---- faults -------------------------------------------------------------------------------------


def check_all(size, work, *words):
    """Check that each process's error is a ValueError with these words."""
    for error in failed(size, work):
        assert isinstance(error, ValueError), repr(error)
        assert all(word in str(error) for word in words), str(error)


def test_samples_that_do_not_go_together(rng):
    X = rng.random((9, 12), np.float32)
    frames = pytest.importorskip("pandas")
    wide = rng.random((9, 13), np.float32)
    check_all(
        3, lambda c: dense().fit(wide if c.rank == 2 else X, comm=c), "comm:", "(13,) on rank 2"
    )
    check_all(
        3,
        lambda c: dense().fit([wide] if c.rank == 2 else [X], comm=c),
        "comm: expected samples of the shape (T, 12)",
        "(T, 13) on rank 2",
    )
    check_all(
        3,
        lambda c: dense().fit(lambda: iter([wide if c.rank == 2 else X]), comm=c),
        "comm: expected samples of the shape (12,)",
        "(13,) on rank 2",
    )
    check_all(
        2,
        lambda c: dense().fit(
            frames.DataFrame(X, columns=list("abcdefghijkl"[:: 1 - 2 * c.rank])), comm=c
        ),
        "comm: expected the columns ['a', 'b'",
        "on rank 1",
    )
    check_all(
        2, lambda c: dense().fit((lambda: iter([X])) if c.rank else X, comm=c), "batches", "rank 1"
    )


def test_a_process_without_rows(rng):
    X = rng.random((9, 12), np.float32)
    words = "comm: expected rows in every process, got none on rank 1"
    check_all(3, lambda c: dense().fit(X[:0] if c.rank == 1 else X, comm=c), words)
    check_all(3, lambda c: dense().fit(lambda: iter([X][c.rank == 1 :]), comm=c), words)
    check_all(2, lambda c: dense().partial_fit([[], X][c.rank], comm=c), "got none on rank 0")


def test_conditions_that_do_not_go_together(rng):
    X, maps = rng.random((9, 5), np.float32), rng.integers(0, 4, (9, 4, 4))
    y = [np.arange(9), np.arange(9).astype(str), rng.random((9, 2))]
    for other in (1, 2):
        check_all(
            2,
            lambda c, o=other: ae.CVAE(ae.Dense((4,)), 2, **KW).fit(X, y[c.rank * o], comm=c),
            "y: expected labels of one type in every process",
        )
    check_all(
        2,
        lambda c: ae.PixelCNN(4, layers=1, kernel_size=3, **KW).fit(
            maps, [None, y[0]][c.rank], comm=c
        ),
        "y: expected conditions in every process or in none, got none on rank 0",
    )


def test_what_differs_is_found(rng):
    X = rng.random((20, 12), np.float32)
    words = "comm: expected the same"
    check_all(2, lambda c: dense(learning_rate=0.1 + c.rank).fit(X, comm=c), words, "parameters")
    check_all(
        2, lambda c: dense().fit(X, X_val=[None, X][c.rank], comm=c), words, "presence of X_val"
    )
    check_all(2, lambda c: dense(validation_fraction=0.01).fit(X, comm=c), "0.01 of 40")

    def mixed(comm):
        comm.rows = ("all", "own")[comm.rank]
        return dense().fit(X, comm=comm)

    for error in together(2, mixed):
        assert isinstance(error, ValueError) and "the same rows of comm" in str(error)


def test_an_error_of_one_ends_all(rng):
    X = rng.random((20, 12), np.float32)
    errors = failed(3, lambda c: dense().fit(X * np.nan if c.rank == 1 else X, comm=c))
    assert isinstance(errors[1], ValueError) and "NaN" in str(errors[1])
    assert all("rank 1 of 3 has failed" in str(errors[i]) for i in (0, 2))


def test_what_is_not_finite_is_everybodys_error(rng):
    X = rng.random((60, 12), np.float32)

    class Failing(ae.Autoencoder):
        def terms(self, batch):
            x = batch.x
            batch.samples = batch.tape.constant(np.where(x > 1, np.float32(np.inf), x))
            return super().terms(batch)

    X[50, 3] = 2  # of the last process alone
    errors = failed(3, lambda c: Failing(ae.Dense((8,)), 3, **KW).fit(part(X, c), comm=c))
    assert all(isinstance(error, FloatingPointError) for error in errors), errors
    assert len({str(error) for error in errors}) == 1
    assert "the first that is not finite is the gradient of decoder" in str(errors[0])


def test_what_rows_may_be(rng):
    comm = Comm(Exchange(1), 0)
    comm.rows = "some"
    with pytest.raises(ValueError, match="comm: rows: expected one of 'all', 'own', got 'some'"):
        dense().fit(rng.random((9, 4)), comm=comm)

"""Processes that train one model together, played by threads: the same bits for any number."""

import aecore as ae
import numpy as np
import pytest
from aecore.training import group
from support.objectives import OBJECTIVES, PAIRS, images
from support.processes import Comm, Exchange, together
from support.resuming import state

KW = {"epochs": 2, "batch_size": 16, "random_state": 0, "n_threads": 1}
SIZES = 1, 2, 3, 7
MORE = {
    "aae": lambda **k: ae.AdversarialAutoencoder(ae.Dense((8,)), 3, **k),
    "gan": lambda **k: ae.GAN(ae.Dense((8,)), 3, **k),
    "prior": lambda **k: ae.VQVAE(
        ae.Conv((4,)), 8, 4, prior=ae.PixelCNN(8, layers=1, kernel_size=3, epochs=1), **k
    ),
    "stopped early": lambda **k: ae.Autoencoder(
        ae.Dense((8,)), 3, validation_fraction=0.2, patience=1, clip_norm=0.1, **k
    ),
}


def fitted(size, made, *given, **options):
    """Return the models that processes train; the first error of theirs is raised."""
    found = together(size, lambda comm: made().fit(*given, comm=comm, **options))
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def dense(**params):
    return ae.Autoencoder(ae.Dense((8,)), 3, **KW | params)


@pytest.mark.parametrize("name", OBJECTIVES | PAIRS | MORE)
def test_bits_do_not_depend_on_the_number_of_processes(name):
    (x, y), made = images(), lambda: (OBJECTIVES | PAIRS | MORE)[name](**KW)
    one = made().set_params(accumulate=group.PARTS).fit(x, y)
    for size in SIZES:
        for other in fitted(size, made, x, y):
            assert state(other) == state(one)
            assert other.history_[-1]["loss"] == one.history_[-1]["loss"]
            if name == "prior":
                assert state(other.prior_)[0] == state(fitted(2, made, x, y)[0].prior_)[0]


@pytest.mark.parametrize("name", ["denoising", "stack", "cvae", "vqvae", "gan", "prior"])
def test_one_pass_together(name):
    (x, y), made = images(), lambda: (OBJECTIVES | MORE)[name](**KW, accumulate=group.PARTS)
    one = made().partial_fit(x, y).partial_fit(x[:20], y[:20])

    def work(comm):
        return made().partial_fit(x, y, comm=comm).partial_fit(x[:20], y[:20], comm=comm)

    for size in (1, 3):
        assert [state(other) for other in together(size, work)] == [state(one)] * size


def test_one_pass_of_a_prior_and_of_a_classifier(rng):
    codes, (x, y) = rng.integers(0, 5, (40, 4, 4)), images()

    def work(comm):
        prior = ae.PixelCNN(5, layers=1, kernel_size=3, **KW)
        prior.partial_fit(codes, context=codes[:, :2], comm=comm)
        stack = ae.StackedAutoencoder(ae.Dense((8,)), 3, pretrain_epochs=1, **KW)
        labels = {"classes": range(4)}
        classifier = ae.SoftmaxClassifier(stack, **KW).partial_fit(x, y, **labels, comm=comm)
        return state(prior), state(classifier)

    first, *others = together(1, work) + together(2, work)
    assert others == [first, first]


def test_one_pass_over_other_samples_is_found(rng):
    X = rng.random((40, 12), np.float32)
    for error in failed(2, lambda comm: dense().partial_fit(X + comm.rank, comm=comm)):
        assert "comm: expected the same samples in every process" in str(error)
    old = dense().fit(X)
    for error in failed(2, lambda comm: (dense(), old)[comm.rank].partial_fit(X, comm=comm)):
        assert "comm: expected the same state, fitted or not, in every process" in str(error)


def test_sequences_and_tables(rng):
    X = [rng.random((n, 3), np.float32) for n in rng.integers(2, 9, 30)]
    for arch in (ae.LSTM(5), ae.Transformer(8, 2, 1)):
        one, two = (fitted(n, lambda a=arch: ae.VAE(a, 2, **KW), X)[-1] for n in (1, 3))
        assert state(one) == state(two)
    table = np.zeros(40, [("x", "f8"), ("w", "U5")])
    table["x"], table["w"] = rng.normal(size=40), rng.choice(["a", "b"], 40)
    one, two = (fitted(n, lambda: ae.TabularVAE(**KW), table)[-1] for n in (1, 3))
    assert state(one) == state(two)


def test_streams_and_memory_maps(tmp_path, rng):
    X = rng.random((50, 12), np.float32)
    np.save(tmp_path / "x.npy", X)
    batches = [X[:20], X[20:31], X[31:]]
    for given in (np.load(tmp_path / "x.npy", mmap_mode="r"), lambda: iter(batches)):
        one, two = (fitted(n, dense, given)[-1] for n in (1, 4))
        assert state(one) == state(two)


def test_batches_of_fewer_samples_than_processes(rng):
    X = rng.random((33, 12), np.float32)  # the last batch has one sample
    one, seven = (fitted(n, dense, X)[-1] for n in (1, 7))
    assert state(one) == state(seven)


def test_a_seed_that_nobody_has_chosen(rng):
    X = rng.random((40, 12), np.float32)
    two = fitted(2, lambda: dense(random_state=None), X)
    assert state(two[0]) == state(two[1])


def test_the_first_alone_calls_and_all_follow(rng):
    X, seen = rng.random((40, 12), np.float32), []

    def made():
        def note(s):
            seen.append((s.epoch, group.current()))
            s.model.set_params(learning_rate=0.01 / s.epoch)
            return s.epoch == 3

        return dense(epochs=9, callbacks=(note,))

    two = fitted(2, made, X)
    assert seen == [(1, None), (2, None), (3, None)]  # and models that it trains are its own
    assert [m.learning_rate for m in two] == [0.01 / 3] * 2
    assert [r["learning_rate"] for r in two[1].history_] == [1e-3, 0.01, 0.005]
    assert state(two[0]) == state(two[1])


def test_checkpoints_go_on_with_another_number(tmp_path, rng):
    X = rng.random((40, 12), np.float32)
    whole = fitted(1, lambda: dense(epochs=6), X)[0]

    def made(epochs):
        return lambda: dense(epochs=epochs, checkpoint=tmp_path / "m")

    fitted(2, made(2), X)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    fitted(3, made(4), X, resume=True)
    last = fitted(1, made(6), X, resume=True)[0]
    assert state(last) == state(whole)


# ---- faults -------------------------------------------------------------------------------------


def failed(size, work):
    """Return the errors of all processes."""
    found = together(size, work)
    assert all(isinstance(error, Exception) for error in found), found
    return found


@pytest.mark.parametrize("at", ["terms", "validate", "callback", "data"])
def test_an_error_of_one_ends_all(at, rng):
    X = rng.random((40, 12), np.float32)

    class Failing(ae.Autoencoder):
        def terms(self, batch):
            if at == "terms" and self.rank == 1 and self._network.epoch == 1:
                raise ZeroDivisionError("of my own")
            return super().terms(batch)

        def _validate(self, batches):
            if at == "validate" and self.rank == 1:
                raise ZeroDivisionError("of my own")
            return super()._validate(batches)

    def fail(s):
        if at == "callback":
            raise ZeroDivisionError("of my own")

    def work(comm):
        model = Failing(ae.Dense((8,)), 3, validation_fraction=0.2, callbacks=(fail,), **KW)
        model.rank = comm.rank
        bad = at == "data" and comm.rank == 1
        return model.fit(X * np.nan if bad else X, comm=comm)

    errors = failed(3, work)
    rank = 0 if at == "callback" else 1
    for i, error in enumerate(errors):
        if i == rank:
            assert isinstance(error, ValueError if at == "data" else ZeroDivisionError)
        else:
            assert isinstance(error, RuntimeError)
            assert str(error).startswith(f"rank {rank} of 3 has failed:\nTraceback")
            assert "NaN" in str(error) if at == "data" else "of my own" in str(error)


def test_a_file_that_the_first_cannot_write_ends_all(tmp_path, rng):
    X, folder = rng.random((40, 12), np.float32), tmp_path / "folder"
    folder.mkdir()

    def remove(s):
        folder.joinpath("m").unlink()
        folder.rmdir()

    errors = failed(
        2, lambda comm: dense(checkpoint=folder / "m", callbacks=(remove,)).fit(X, comm=comm)
    )
    assert isinstance(errors[0], OSError) and isinstance(errors[1], RuntimeError)
    assert "rank 0 of 2" in str(errors[1]) and "FileNotFoundError" in str(errors[1])


@pytest.mark.parametrize("what", ["samples", "number of samples", "parameters"])
def test_processes_that_differ_are_found_before_the_first_step(what, rng):
    X = rng.random((40, 12), np.float32)

    def work(comm):
        other, given = comm.rank == 2, X
        if other and what == "samples":
            given = X + np.float32(1e-3)
        elif other and what == "number of samples":
            given = X[:-1]
        rate = 2e-3 if other and what == "parameters" else 1e-3
        return dense(learning_rate=rate).fit(given, comm=comm)

    for error in failed(3, work):
        assert isinstance(error, ValueError)
        assert str(error).startswith(f"comm: expected the same {what} in every process")
        assert "on rank 2 than on rank 0" in str(error)


def test_bad_parameters_are_everybodys_own_error(rng):
    X = rng.random((40, 12), np.float32)
    for error in failed(2, lambda comm: dense(learning_rate=-1).fit(X, comm=comm)):
        assert isinstance(error, ValueError) and "learning_rate" in str(error)


def test_what_is_not_finite_is_everybodys_error(rng):
    X = 1e3 * rng.random((40, 12), np.float32)
    for error in failed(2, lambda comm: dense(learning_rate=1e38).fit(X, comm=comm)):
        assert isinstance(error, FloatingPointError)


def test_more_processes_than_parts(rng):
    X = rng.random((40, 12), np.float32)
    for error in failed(4, lambda comm: dense(accumulate=3).fit(X, comm=comm)):
        assert "comm: expected at most 3 processes" in str(error)
    nine = fitted(9, lambda: dense(accumulate=9), X)
    assert state(nine[8]) == state(dense(accumulate=9).fit(X))


@pytest.mark.parametrize("comm", [3, "world", object()])
def test_what_is_no_communicator(comm, rng):
    with pytest.raises(TypeError, match="comm: expected rank, size and allgather"):
        dense().fit(rng.random((9, 4)), comm=comm)
    assert group.current() is None


def test_a_rank_that_cannot_be(rng):
    comm = Comm(Exchange(1), 0)
    comm.rank = 1
    with pytest.raises(ValueError, match="comm: rank"):
        dense().fit(rng.random((9, 4)), comm=comm)


def test_layers_of_ones_own_may_learn(rng):
    """By a method, whose statistics are summed over all processes."""
    X = rng.random((40, 12), np.float32)

    class Centre(ae.nn.Module):
        def __init__(self):
            self.linear = ae.nn.Linear(12, 3)
            self.add_buffer("total", np.zeros(12, np.float64))

        def forward(self, x):
            if x.tape.training:
                x.tape.learn(self.follow, x.data.sum(0, dtype=np.float64))
            return self.linear(x)

        def follow(self, sums):
            self.buffer("total")[...] += sums

    def made():
        return ae.Autoencoder((Centre(), ae.nn.Sequential(ae.nn.Linear(3, 12))), 3, **KW)

    for size in (1, 3):
        for model in fitted(size, made, X):
            total = dict(model._network.buffers())["encoder.total"]
            np.testing.assert_allclose(total, 2 * X.sum(0), rtol=1e-5)

"""Dask's collections: fit streams their partitions, and all else gives collections."""

import os
import signal
import time

import aecore as ae
import numpy as np
import pandas as pd
import pytest

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")
import dask  # noqa: E402
import dask.bag as db  # noqa: E402
from aecore.distributed import dask as aed  # noqa: E402

D = ae.Dense((8,))
KW = {"batch_size": 32, "random_state": 0, "epochs": 2}


@pytest.fixture(scope="module")
def client():
    dask.config.set({"distributed.comm.timeouts.connect": "60s"})
    cluster = distributed.LocalCluster(
        2, threads_per_worker=2, processes=True, dashboard_address=":0"
    )
    with cluster, distributed.Client(cluster) as found:
        yield found


@pytest.fixture(params=["threads", "cluster"])
def anywhere(request):
    """Compute in this process, and by the workers of a cluster."""
    if request.param == "cluster":
        request.getfixturevalue("client")
        yield
        return
    with dask.config.set(scheduler="threads"):
        yield


def matrix(n=500, features=12):
    return np.random.default_rng(0).random((n, features), np.float32)


def frame(n=600):
    rng = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "whole": rng.integers(0, 50, n),
            "word": rng.choice(["red", "green", "blue"], n),
            "truth": rng.random(n) < 0.3,
        },
        index=np.arange(n) * 3,
    )
    found.loc[::21, "number"] = np.nan
    return found


def same_index(found, table):
    np.testing.assert_array_equal(found.index, table.index)


# ---- arrays -------------------------------------------------------------------------------------


def test_arrays(anywhere):
    x = matrix()
    lazy = da.from_array(x, chunks=(70, 5))
    model = aed.fit(ae.VAE(D, 3, shuffle=False, **KW), lazy)
    whole = ae.VAE(D, 3, shuffle=False, **KW).fit(x)
    for name, shape in (
        ("transform", (500, 3)),
        ("reconstruct", (500, 12)),
        ("score_samples", (500,)),
        ("errors", (500, 12)),
    ):
        found = getattr(aed, name)(model, lazy)
        assert (found.shape, found.dtype) == (shape, np.float32)
        assert found.chunks[0] == lazy.chunks[0]
        np.testing.assert_array_equal(found.compute(), getattr(whole, name)(x))


def test_images_and_codes(anywhere):
    x = (matrix(90, 64) * 255).astype(np.uint8).reshape(90, 8, 8, 1)
    lazy = da.from_array(x, chunks=(40, 8, 4, 1))
    model = aed.fit(ae.VQVAE(ae.Conv((4,)), 8, 4, **KW), lazy)
    codes = aed.transform(model, lazy)
    assert (codes.shape, codes.dtype) == ((90, 4, 4), np.int64)
    np.testing.assert_array_equal(codes.compute(), model.transform(x))
    rebuilt = aed.reconstruct(model, lazy)
    assert rebuilt.shape == x.shape
    np.testing.assert_array_equal(rebuilt.compute(), model.reconstruct(x))


@pytest.mark.parametrize("kind", ["labels", "properties"])
def test_conditions(anywhere, kind):
    x = matrix()
    y = np.arange(500) % 3 if kind == "labels" else matrix(500, 2)
    lazy = da.from_array(x, chunks=(70, 12))
    labels = da.from_array(y, chunks=70 if kind == "labels" else (70, 2))
    model = aed.fit(ae.CVAE(D, 3, **KW), lazy, labels)
    codes = aed.transform(model, lazy, labels.rechunk({0: 100}))
    np.testing.assert_array_equal(codes.compute(), model.transform(x, y))


def test_unknown_lengths(anywhere):
    x = matrix()
    lazy = da.from_array(x, chunks=(70, 12))
    some = lazy[lazy[:, 0] > 0.5]
    model = aed.fit(ae.Autoencoder(D, 3, shuffle=False, **KW), some)
    wanted = ae.Autoencoder(D, 3, shuffle=False, **KW).fit(x[x[:, 0] > 0.5])
    np.testing.assert_array_equal(model.transform(x), wanted.transform(x))
    scores = aed.score_samples(model, some)
    assert np.isnan(scores.shape[0])
    np.testing.assert_array_equal(scores.compute(), model.score_samples(x[x[:, 0] > 0.5]))


def test_validation_and_shuffling():
    x = matrix()
    lazy = da.from_array(x, chunks=(70, 12))
    model = aed.fit(ae.Autoencoder(D, 3, **KW), lazy, X_val=lazy[:100], buffer=100)
    assert model.history_[-1]["val_loss"] == pytest.approx(-model.score(x[:100]), rel=1e-5)
    again = aed.fit(ae.Autoencoder(D, 3, **KW), lazy, buffer=100)
    np.testing.assert_array_equal(model.transform(x), again.transform(x))
    ordered = ae.Autoencoder(D, 3, shuffle=False, **KW).fit(x)
    assert not np.array_equal(model.transform(x), ordered.transform(x))


# ---- data frames --------------------------------------------------------------------------------


def test_frames(anywhere):
    lazy = dd.from_pandas(frame(), npartitions=5)
    table = lazy.compute()
    model = aed.fit(ae.TabularVAE(D, 2, shuffle=False, **KW), lazy)
    whole = ae.TabularVAE(D, 2, shuffle=False, **KW).fit(table)
    for name in ("transform", "errors", "score_cells"):
        found = getattr(aed, name)(model, lazy)
        names = model.get_feature_names_out() if name == "transform" else table.columns
        assert list(found.columns) == list(names)
        assert set(found.dtypes) == {np.dtype(np.float32)}
        computed = found.compute()
        np.testing.assert_array_equal(computed, getattr(whole, name)(table))
        same_index(computed, table)
    scores = aed.score_samples(model, lazy)
    assert (scores.name, scores.dtype) == ("score", np.float32)
    np.testing.assert_array_equal(scores.compute(), whole.score_samples(table))
    for name in ("impute", "reconstruct"):
        found = getattr(aed, name)(model, lazy)
        assert found.dtypes.tolist() == table.dtypes.tolist()
        wanted = getattr(whole, name)(table)
        wanted.index = table.index
        pd.testing.assert_frame_equal(found.compute(), wanted)


def test_detectors(anywhere):
    table = frame()
    lazy = dd.from_pandas(table, npartitions=5)
    detector = aed.fit(ae.AnomalyDetector(n_models=2, random_state=0), lazy)
    whole = ae.AnomalyDetector(n_models=2, random_state=0).fit(table)
    found = aed.predict(detector, lazy).compute()
    np.testing.assert_array_equal(found, whole.predict(table))
    same_index(found, table)
    far = aed.decision_function(detector, lazy)
    np.testing.assert_array_equal(far.compute(), whole.decision_function(table))
    none = lazy[lazy.number > 100]
    assert len(aed.predict(detector, none).compute()) == 0
    few = lazy[lazy.number > 2]  # some partitions of which may be empty
    assert len(aed.score_samples(detector, few).compute()) == (table.number > 2).sum()


def test_a_detector_learns_of_rows_that_workers_choose(client, monkeypatch):
    from aecore.models.detection import detector

    monkeypatch.setattr(detector, "MOST_ROWS", 100)
    table = frame()
    lazy = dd.from_pandas(table, npartitions=5)
    found = aed.fit(ae.AnomalyDetector(max_samples=64, random_state=0), lazy)
    wanted = ae.AnomalyDetector(max_samples=64, random_state=0).fit(table[::6])
    np.testing.assert_array_equal(found.score_samples(table), wanted.score_samples(table))


def test_categories_that_are_not_known(anywhere):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.random(90), "k": rng.integers(0, 5, 90) * 10})
    lazy = dd.from_pandas(table, npartitions=3)
    lazy = lazy.assign(k=lazy.k.astype("category"))
    model = aed.fit(ae.TabularAutoencoder(D, 1, **KW), lazy)
    given = table.assign(k=table.k.astype("category"))
    for name in ("transform", "score_samples", "score_cells"):
        found = getattr(aed, name)(model, lazy).compute()
        np.testing.assert_array_equal(found, getattr(model, name)(given))
    assert list(aed.impute(model, lazy).compute().k) == list(table.k)


def test_models_that_give_frames(anywhere):
    x = matrix()
    lazy = da.from_array(x, chunks=(70, 12))
    model = ae.VAE(D, 3, **KW).fit(x)
    codes = model.transform(x)
    model.set_output(transform="pandas")
    np.testing.assert_array_equal(aed.transform(model, lazy).compute(), codes)


# ---- bags ---------------------------------------------------------------------------------------


def test_bags(anywhere):
    x = matrix(100)
    bag = db.from_sequence(list(x), npartitions=3)
    model = aed.fit(ae.Autoencoder(D, 3, **KW), bag)
    np.testing.assert_array_equal(aed.transform(model, bag).compute(), model.transform(x))
    np.testing.assert_array_equal(aed.score_samples(model, bag).compute(), model.score_samples(x))
    table = frame(90)
    records = db.from_sequence(table.to_dict("records"), npartitions=3)
    tabular = aed.fit(ae.TabularAutoencoder(D, 2, **KW), records)
    full = aed.impute(tabular, records).compute()
    assert len(full) == 90
    assert full[1] == table.iloc[1].to_dict()
    assert np.isfinite(full[0]["number"])


# ---- clusters -----------------------------------------------------------------------------------


def test_members_and_searches_run_on_a_cluster(client):
    joblib = pytest.importorskip("joblib")
    from sklearn.model_selection import GridSearchCV

    x = matrix(200)
    wanted = ae.AnomalyDetector(random_state=0).fit(x)
    grid = {"latent_dim": [1, 3]}
    alone = GridSearchCV(ae.Autoencoder(D, **KW), grid, cv=2).fit(x)
    with joblib.parallel_config(backend="dask"):
        found = ae.AnomalyDetector(random_state=0).fit(x)
        search = GridSearchCV(ae.Autoencoder(D, **KW), grid, cv=2).fit(x)
    np.testing.assert_array_equal(found.score_samples(x), wanted.score_samples(x))
    assert search.best_params_ == alone.best_params_
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )


class Loaded(ae.Autoencoder):
    """A model that counts, in a file, how often it is read from a pickle."""

    path = ""

    def __setstate__(self, state):
        with open(state["path"], "a") as file:
            file.write(f"{os.getpid()}\n")
        super().__setstate__(state)


def test_a_worker_gets_the_model_once(client, tmp_path):
    x = matrix()
    model = Loaded(D, 3, **KW).fit(x)
    model.path = str(tmp_path / "loaded")
    lazy = da.from_array(x, chunks=(10, 12))
    np.testing.assert_array_equal(aed.score_samples(model, lazy).compute(), model.score_samples(x))
    with open(model.path) as file:
        pids = [int(line) for line in file]
    workers = set(client.run(os.getpid).values())
    assert all(pids.count(pid) <= 1 for pid in workers)
    assert workers & set(pids)


def slowly(part):
    time.sleep(0.2)
    return part


def test_workers_that_die(client):
    """What a killed worker had to do, and the model that it had, another one gets."""
    x = matrix()
    model = ae.VAE(D, 3, **KW).fit(x)
    lazy = da.from_array(x, chunks=(25, 12)).map_blocks(slowly, dtype=x.dtype)
    future = client.compute(aed.score_samples(model, lazy))
    time.sleep(0.7)
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    np.testing.assert_array_equal(future.result(timeout=60), model.score_samples(x))


def test_workers_that_die_while_a_model_is_trained(client):
    x = matrix()
    lazy = da.from_array(x, chunks=(25, 12)).map_blocks(slowly, dtype=x.dtype)
    killed = []

    def kill(state):
        if not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    model = aed.fit(ae.VAE(D, 3, callbacks=[kill], **KW), lazy, buffer=100)
    assert killed
    calm = aed.fit(ae.VAE(D, 3, **KW), da.from_array(x, chunks=(25, 12)), buffer=100)
    np.testing.assert_array_equal(model.transform(x), calm.transform(x))


# ---- what makes no sense ------------------------------------------------------------------------


def test_others_are_refused():
    x = matrix()
    model = ae.VAE(D, 3, **KW).fit(x)
    lazy = da.from_array(x, chunks=(70, 12))
    with pytest.raises(TypeError, match="X: expected a dask array, DataFrame or bag, got a nda"):
        aed.transform(model, x)
    with pytest.raises(TypeError, match="model: expected one of aecore's models"):
        aed.fit("x", lazy)
    with pytest.raises(TypeError, match="model: expected one with impute"):
        aed.impute(model, lazy)
    with pytest.raises(ValueError, match="y: expected 8 partitions, as X has, got 5"):
        aed.rows(lazy, da.zeros(500, chunks=100))
    with pytest.raises(ValueError, match="X: expected rows, got none"):
        aed.rows(da.zeros((0, 3)))
    with pytest.raises(ValueError, match="y: partition 0: expected 70 labels, got 60"):
        aed.fit(ae.CVAE(D, 3, **KW), lazy, da.zeros(480, chunks=60, dtype=int))
    bag = db.from_sequence([np.zeros(3), np.zeros(4)], npartitions=1)
    with pytest.raises(ValueError, match="expected samples of one shape in a bag"):
        aed.fit(ae.Autoencoder(D, 2, **KW), bag)


def test_a_collection_that_changes_is_noticed():
    count = iter(range(100))

    @dask.delayed(pure=False)
    def part():
        return np.zeros((10 - (next(count) > 0), 3), np.float32)

    lazy = da.from_delayed(part(), (np.nan, 3), np.float32)
    with dask.config.set(scheduler="sync"), pytest.raises(ValueError, match="the same each time"):
        aed.fit(ae.Autoencoder(D, 2, **KW), lazy)

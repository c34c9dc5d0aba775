"""Codes in scikit-learn's hands: clustered, embedded, classified, in pipelines and data frames."""

import warnings

import aecore as ae
import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.manifold import MDS, TSNE  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler  # noqa: E402

KW = {"batch_size": 32, "random_state": 0}
SMALL = ae.Dense((16,))


@pytest.fixture(scope="module")
def blobs():
    """Three clouds of points, far apart, and which one each is from."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    centres = 6 * rng.standard_normal((3, 10))
    return (centres[y] + rng.standard_normal((150, 10))).astype(np.float32) / 6, y


@pytest.fixture(scope="module")
def pictures():
    """Images of 8 x 8 with a bright half, left or right, and which one it is."""
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = 0.2 * rng.random((80, 8, 8, 1), np.float32)
    X[y == 0, :, :4] += 0.8
    X[y == 1, :, 4:] += 0.8
    return X, y


def models():
    return [
        ae.Autoencoder(SMALL, 4, epochs=30, learning_rate=1e-2, **KW),
        ae.VAE(SMALL, 4, epochs=30, learning_rate=1e-2, beta=0.1, **KW),
        ae.VQVAE(SMALL, 16, 4, quantizers=2, epochs=5, **KW),
    ]


@pytest.mark.parametrize("model", models(), ids=lambda m: type(m).__name__)
def test_codes_are_tables_that_scikit_learn_takes_as_they_are(model, blobs):
    from sklearn.utils import check_array

    X, _ = blobs
    codes = model.fit(X).transform(X)
    kind = np.int64 if isinstance(model, ae.VQVAE) else np.float32
    assert codes.dtype == kind and codes.ndim == 2 and codes.flags.c_contiguous
    assert codes.flags.writeable and codes.flags.owndata
    assert check_array(codes) is codes or np.shares_memory(check_array(codes), codes)
    before = codes.copy()
    model.transform(X[::-1])  # the model keeps nothing of it
    np.testing.assert_array_equal(codes, before)


@pytest.mark.parametrize("kind", [ae.Autoencoder, ae.VAE])
def test_clusters_of_codes(kind, blobs):
    X, y = blobs
    model = kind(SMALL, 4, epochs=30, learning_rate=1e-2, **KW).fit(X)
    codes = model.transform(X)
    found = KMeans(3, n_init=4, random_state=0).fit_predict(codes)
    assert ae.metrics.clustering_accuracy(y, found) > 0.95
    assert ae.metrics.nmi(y, found) > 0.9
    assert ae.metrics.knn_accuracy(codes[:100], y[:100], codes[100:], y[100:]) > 0.95
    pipe = make_pipeline(clone(model), KMeans(3, n_init=4, random_state=0))
    np.testing.assert_array_equal(pipe.fit_predict(X), found)
    assert pipe.transform(X).shape == (150, 3)


def test_embeddings_of_codes(blobs):
    X, y = blobs
    codes = ae.Autoencoder(SMALL, 4, epochs=30, learning_rate=1e-2, **KW).fit(X).transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of settings whose defaults will change
        for method in (
            TSNE(2, perplexity=20, max_iter=300, random_state=0),
            MDS(2, n_init=1, max_iter=60, random_state=0),
        ):
            flat = method.fit_transform(codes)
            assert flat.shape == (150, 2) and np.isfinite(flat).all()
            assert ae.metrics.knn_accuracy(flat[:100], y[:100], flat[100:], y[100:]) > 0.9


def test_a_pipeline_to_codes_and_on(blobs):
    X, y = blobs
    model = ae.Autoencoder(SMALL, 4, epochs=10, learning_rate=1e-2, **KW)
    pipe = make_pipeline(StandardScaler(), model, LogisticRegression())
    assert pipe.fit(X, y).score(X, y) > 0.95
    assert list(pipe[:-1].get_feature_names_out()) == [f"autoencoder{i}" for i in range(4)]
    search = GridSearchCV(pipe, {"autoencoder__latent_dim": [1, 3]}, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2 and search.score(X, y) > 0.95
    assert search.best_estimator_[:-1].transform(X).shape[1] in (1, 3)
    back = pipe[:-1].inverse_transform(pipe[:-1].transform(X))
    assert back.shape == X.shape and np.square(back - X).mean() < X.var()


def test_indices_are_categories(blobs):
    """One column for each codebook; the number of an entry has no order, so it is one-hot."""
    X, y = blobs
    model = ae.VQVAE(SMALL, 8, 4, quantizers=2, epochs=20, **KW)
    encoder = OneHotEncoder(handle_unknown="ignore")
    pipe = make_pipeline(model, encoder, LogisticRegression()).fit(X, y)
    assert pipe.score(X, y) > 0.9
    names = pipe[:-1].get_feature_names_out()
    assert names[0].startswith("vqvae0_") and names[-1].startswith("vqvae1_")


def test_grids_of_indices_in_a_pipeline(pictures):
    pd = pytest.importorskip("pandas")
    X, y = pictures
    model = ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, epochs=10, **KW)
    flat = FunctionTransformer(lambda codes: codes.reshape(len(codes), -1))
    encoder = OneHotEncoder(handle_unknown="ignore")
    arrays = make_pipeline(model, flat, encoder, LogisticRegression()).fit(X, y)
    assert arrays[0].transform(X).shape == (80, 2, 2)
    assert arrays.score(X, y) > 0.9
    # a data frame is a table: a column for each place, with the names that the model gives
    framed = clone(model).set_output(transform="pandas")
    tables = make_pipeline(framed, clone(encoder), LogisticRegression()).fit(X, y)
    np.testing.assert_array_equal(tables.predict(X), arrays.predict(X))
    frame = tables[0].transform(X)
    assert isinstance(frame, pd.DataFrame) and frame.shape == (80, 4)
    assert list(frame.columns) == list(tables[0].get_feature_names_out())
    assert (frame.dtypes == np.int64).all()
    np.testing.assert_array_equal(frame, arrays[0].transform(X).reshape(80, 4))
    # and back
    wanted = tables[0].reconstruct(X)
    np.testing.assert_array_equal(tables[0].inverse_transform(frame), wanted)
    for bad in (frame.iloc[:, :3], frame.to_numpy().reshape(80, 1, 4)):
        with pytest.raises(ValueError, match=r"expected codes of shape \('N', 2, 2\)"):
            tables[0].inverse_transform(bad)


def test_vectors_of_the_codebook_as_features(pictures):
    """What an entry stands for is a point: near ones mean alike, as numbers of entries don't."""
    X, y = pictures
    model = ae.VQVAE(ae.ResNet(8, 4, 1), 8, 4, epochs=10, **KW).fit(X)
    points = model.codebook_[model.transform(X)].reshape(80, -1)
    assert points.dtype == np.float32 and points.shape == (80, 2 * 2 * 4)
    assert ae.metrics.knn_accuracy(points[:50], y[:50], points[50:], y[50:]) > 0.9

"""A CVAE's y may be a table of words and numbers."""

import pickle

import aecore as ae
import numpy as np
import pytest

rng = np.random.default_rng(0)
X = rng.random((60, 8), np.float32)
KIND = np.array(["round", "square", "star"])[rng.integers(0, 3, 60)]
SIZE = rng.normal(5, 2, 60)
KW = {"epochs": 2, "batch_size": 16, "random_state": 0}
D = ae.Dense((16,))


def rows():
    return list(zip(KIND.tolist(), SIZE.tolist(), strict=True))


def forms():
    pd = pytest.importorskip("pandas")
    objects = np.empty((60, 2), object)
    objects[:, 0], objects[:, 1] = KIND, SIZE
    return {
        "pandas": pd.DataFrame({"kind": KIND, "size": SIZE}),
        "categories": pd.DataFrame({"kind": pd.Categorical(KIND), "size": SIZE}),
        "structured": np.rec.fromarrays([KIND, SIZE], names="kind,size"),
        "objects": objects,
        "rows": rows(),
    }


def test_all_forms_give_the_vectors_of_two_columns(tmp_path):
    onehot = np.eye(3)[np.searchsorted(["round", "square", "star"], KIND)]
    standard = (SIZE - SIZE.mean()) / SIZE.std()
    found = {}
    for name, y in forms().items():
        model = ae.CVAE(D, 2, **KW).fit(X, y, X_val=(X, y))
        read = model._network.conditioner.read(y, 60).table
        np.testing.assert_allclose(read, np.c_[onehot, standard], atol=1e-6)
        found[name] = model.transform(X, y)
    for codes in found.values():
        np.testing.assert_array_equal(codes, found["rows"])
    assert model.sample(4, y=("star", 3.0)).shape == (4, 8)
    assert model.sample(4, y={"kind": "star", "size": 3.0}).shape == (4, 8)
    assert model.sample(2, y=rows()[:2]).shape == (2, 8)
    assert model.inverse_transform(model.transform(X, y), y).shape == (60, 8)
    assert model.interpolate(X[0], X[1], 3, y=("round", 5.0)).shape == (3, 8)
    path = tmp_path / "model.safetensors"
    model.save(path)
    for again in (ae.load(path), pickle.loads(pickle.dumps(model)), model.frozen()):
        np.testing.assert_array_equal(again.transform(X, y), found["rows"])


def test_streams_and_words_alone():
    whole = ae.CVAE(D, 2, shuffle=False, **KW).fit(X, rows())

    def batches():
        for i in range(0, 60, 16):
            yield X[i : i + 16], rows()[i : i + 16]

    np.testing.assert_array_equal(
        ae.CVAE(D, 2, **KW).fit(batches).transform(X, rows()), whole.transform(X, rows())
    )
    two = np.stack([KIND, KIND[::-1]], axis=1)
    assert ae.CVAE(D, 2, **KW).fit(X, two)._network.conditioner.width == 6
    numbers = np.stack([SIZE, SIZE], axis=1)
    assert ae.CVAE(D, 2, **KW).fit(X, numbers).condition_mean_.shape == (2,)
    assert ae.GAN(D, 2, conditional=True, **KW).fit(X, rows()).sample(2, y=("star", 1)).shape == (
        2,
        8,
    )


def test_what_makes_no_sense(tmp_path):
    model = ae.CVAE(D, 2, **KW).fit(X, rows())
    with pytest.raises(ValueError, match="labels as in fit, round, square, star, got 'oval'"):
        model.sample(1, y=("oval", 3.0))
    with pytest.raises(ValueError, match="table of 2 columns"):
        model.transform(X, KIND)
    with pytest.raises(ValueError, match="table of 2 columns of words and numbers"):
        model.sample(1, y=("star", 3.0, 1.0))
    with pytest.raises(ValueError, match="finite properties"):
        ae.CVAE(D, 2, **KW).fit(X, [("star", np.nan)] * 60)
    with pytest.raises(ValueError, match="columns of words or of numbers"):
        ae.CVAE(D, 2, **KW).fit(X, [("a", "x"), ("a", 1.0)] * 30)
    with pytest.raises(AttributeError, match="got a table of words and numbers"):
        _ = model.classes_
    with pytest.raises(ValueError, match="class_weight"):
        ae.CVAE(D, 2, class_weight="balanced", **KW).fit(X, rows())
    if pytest.importorskip("onnx"):
        with pytest.raises(NotImplementedError, match="table of words and numbers"):
            ae.to_onnx(model, tmp_path / "m.onnx")


def test_one_number_is_the_property_of_all_samples():
    model = ae.CVAE(D, 2, **KW).fit(X, SIZE.reshape(-1, 1))
    expected = model.sample(3, y=[[4.0]] * 3, random_state=0)
    for y in (4, 4.0, np.float32(4), [4]):
        np.testing.assert_array_equal(model.sample(3, y=y, random_state=0), expected)
    assert model.interpolate(X[0], X[1], 5, y=4).shape == (5, 8)
    for y in ("a", np.nan):
        with pytest.raises(ValueError, match="y: expected"):
            model.sample(3, y=y)
    two = ae.CVAE(D, 2, **KW).fit(X, np.stack([SIZE, SIZE**2], 1))
    assert two.sample(3, y=(4, 16)).shape == (3, 8)
    with pytest.raises(ValueError, match="y: expected 2 properties, as in fit, got the number 4"):
        two.sample(3, y=4)

"""Whatever is given for an array, in any argument, is taken or refused in a sentence."""

import decimal
import fractions
import functools

import aecore as ae
import numpy as np
import pytest

try:
    import pandas as pd
except ImportError:
    pd = None
try:
    import torch
except ImportError:
    torch = None

KW = {"epochs": 1, "batch_size": 16, "random_state": 0, "n_threads": 1}
DENSE = ae.Dense((4,))
X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
STEPS, Y, MASK = X.reshape(40, 3, 2), np.arange(40) % 3, np.ones((40, 6), bool)


class Unwilling:
    """An object whose array isn't to be had."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array")


class ByDLPack:
    """A tensor of some library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **how):
        return self.array.__dlpack__(**how)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@functools.cache
def fitted(name):
    if name == "CVAE":
        return ae.CVAE(DENSE, 2, **KW).fit(X, Y)
    if name == "properties":
        return ae.CVAE(DENSE, 2, **KW).fit(X, X[:, :2])
    if name == "LSTM":
        return ae.Autoencoder(ae.LSTM(3), 2, **KW).fit(STEPS)
    if name == "VQVAE":
        return ae.VQVAE(DENSE, 4, 2, **KW).fit(X)
    if name == "classifier":
        return ae.SoftmaxClassifier(fitted("StackedAutoencoder"), **KW).fit(X, Y)
    if name == "detector":
        return ae.AnomalyDetector(fitted("Autoencoder"), n_models=1, random_state=0).fit(X)
    return getattr(ae, name)(DENSE, 2, **KW).fit(X)


def codes():
    return fitted("Autoencoder").transform(X)


# What takes an array, and an array that it takes.
CALLS = {
    "fit": (X, lambda x: ae.Autoencoder(DENSE, 2, **KW).fit(x)),
    "fit, table": (X, lambda x: ae.TabularAutoencoder(DENSE, 2, **KW).fit(x)),
    "fit, detector": (
        X,
        lambda x: ae.AnomalyDetector(fitted("Autoencoder"), n_models=1, random_state=0).fit(x),
    ),
    "X_val": (X, lambda x: ae.Autoencoder(DENSE, 2, **KW).fit(X, X_val=x)),
    "partial_fit": (X, lambda x: ae.Autoencoder(DENSE, 2, **KW).partial_fit(x)),
    "fit, mask": (MASK, lambda x: ae.Autoencoder(DENSE, 2, **KW).fit(X, sample_mask=x)),
    "transform": (X, lambda x: fitted("Autoencoder").transform(x)),
    "reconstruct": (X, lambda x: fitted("Autoencoder").reconstruct(x)),
    "mask": (MASK, lambda x: fitted("Autoencoder").transform(X, sample_mask=x)),
    "table": (X, lambda x: fitted("TabularAutoencoder").transform(x)),
    "impute": (X, lambda x: fitted("TabularAutoencoder").impute(x)),
    "table, mask": (MASK, lambda x: fitted("TabularAutoencoder").transform(X, sample_mask=x)),
    "detector": (X, lambda x: fitted("detector").score_samples(x)),
    "sequences": (STEPS, lambda x: fitted("LSTM").transform(x)),
    "a sequence": (STEPS[0], lambda x: fitted("LSTM").transform([x, STEPS[1, :2]])),
    "steps": (MASK[:, :3], lambda x: fitted("LSTM").transform(STEPS, sample_mask=x)),
    "codes": (X[:, :2], lambda x: fitted("Autoencoder").inverse_transform(x)),
    "indices": (Y[:, None], lambda x: fitted("VQVAE").inverse_transform(x)),
    "a sample": (X[0], lambda x: fitted("Autoencoder").interpolate(x, X[1], 3)),
    "traverse": (X[0, :2], lambda x: fitted("Autoencoder").traverse(X[0], 0, x)),
    "labels": (Y, lambda x: fitted("CVAE").transform(X, x)),
    "labels to fit": (Y, lambda x: ae.CVAE(DENSE, 2, **KW).fit(X, x)),
    "labels to sample": (Y, lambda x: fitted("CVAE").sample(40, y=x, random_state=0)),
    "properties": (X[:, :2], lambda x: fitted("properties").transform(X, x)),
    "classes": (Y, lambda x: ae.SoftmaxClassifier(fitted("StackedAutoencoder"), **KW).fit(X, x)),
    "classes to score": (Y, lambda x: fitted("classifier").score(X, x)),
    "codes of a mixture": (X[:, :2], lambda x: ae.GaussianMixture(2).fit(x)),
    "labels of a mixture": (Y, lambda x: ae.GaussianMixture(2).fit(codes(), x)),
    "means": (X[:3, :2], lambda x: ae.GaussianMixture(means=x).score_samples(X[:, :2])),
    "bits": (np.array([2, 3]), lambda x: ae.compress(fitted("Autoencoder"), X, bits=x)),
    "bytes": (np.zeros(30, np.uint8), lambda x: ae.decompress(fitted("Autoencoder"), x)),
    "points": (X, lambda x: ae.metrics.knn_accuracy(x, Y, X, Y)),
    "clusters": (Y, lambda x: ae.metrics.clustering_accuracy(x, Y)),
    "used codes": (Y, lambda x: ae.metrics.perplexity(x, 4)),
}


def odd(a):
    """Yield things that aren't arrays of numbers, or odd ones, about as large as an array."""
    f, obj = a.astype(np.float32), functools.partial(np.full, a.shape, dtype=object)
    yield from (None, "abc", 3.5, {"a": 1}, {1, 2}, range(len(a)), (v for v in a), object())
    yield from ([[1, 2], [1]], [[[[1]]]] * len(a), [[1, "a"]] * len(a), [[10**400] * 3] * len(a))
    yield from (a[:0], f * np.nan, f.astype(float) * 1e300, f.astype(complex), Unwilling())
    yield np.abs(f).astype(np.longdouble) * np.longdouble("1e4000")
    yield np.ma.masked_array(a, a == a.flat[0])
    yield from (obj(v) for v in (object(), None, decimal.Decimal("Infinity"), 10**400))
    yield from (obj(v) for v in (decimal.Decimal("sNaN"), fractions.Fraction(1, 3), [1]))
    yield from (np.full(a.shape, b"\xff"), np.full(a.shape, "2020-01-01"))
    yield from (np.zeros(a.shape, dtype) for dtype in ("M8[s]", "V3", "f4,f4", "T"))
    yield bytearray(a.tobytes())
    if pd is not None:
        yield obj(pd.NA)
        yield from (pd.Categorical(["a"] * len(a)), pd.Series(pd.interval_range(0, len(a))))
        yield pd.Series(pd.period_range("2020", periods=len(a)))
    if torch is not None:
        t = torch.tensor(f)
        yield from (t.to("meta"), t.to_sparse(), torch.complex(t, t).conj())


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_array_is_refused_in_a_sentence(name):
    a, call = CALLS[name]
    faults = []
    for wrong in odd(a):
        try:
            call(wrong)
        except (TypeError, ValueError) as error:
            if ": " not in str(error) and " features, but " not in str(error):
                faults.append(f"{wrong!r:.60}: {error!r:.200}")
        except Exception as error:
            faults.append(f"{wrong!r:.60}: {error!r:.200}")
    assert not faults, "\n".join(faults)


def told(found):
    """Return what can be compared of a result."""
    if isinstance(found, ae.GaussianMixture):
        return found.means_
    if isinstance(found, ae.AnomalyDetector):
        return found.offset_
    return found.history_[0]["loss"] if hasattr(found, "history_") else found


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("bytes", "bits")])
def test_tensors_of_any_kind_are_arrays(name):
    a, call = CALLS[name]
    given = [(ByDLPack(a), a)]
    if torch is not None:
        given.append((torch.tensor(a), a))
    if torch is not None and a.dtype == np.float32:
        given.append((torch.tensor(a, requires_grad=True), a))
        given.append((torch.tensor(a).bfloat16(), torch.tensor(a).bfloat16().float().numpy()))
    for tensor, array in given:
        np.testing.assert_equal(told(call(tensor)), told(call(array)))

"""What may be given as data: containers, and models that take them or say what to do instead.

Each container is made of the same numbers, a matrix (N, C), of which NumPy's array is the
reference; where cells have types of their own, a structured array of NumPy's is.
"""

from __future__ import annotations

import datetime
import decimal
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import aecore as ae
import numpy as np

N, C = 32, 4
WORDS = np.array(["oak", "birch", "pine", "elm"])
NAMES = list("abcd")
OPTIONS: dict[str, Any] = {"epochs": 1, "batch_size": 8, "random_state": 0, "shuffle": False}
TYPED = ("TabularAutoencoder", "TabularVAE", "AnomalyDetector")  # they take cells of any type


def numbers(integers: bool = False) -> np.ndarray:
    """Return the numbers (N, C) of every container: whole ones, which any type holds."""
    values = np.random.default_rng(0).integers(0, 4, (N, C))
    values[:4] = np.arange(4)[:, None]
    return values if integers else values.astype(np.float64)


# ---- models -------------------------------------------------------------------------------------

Make = Callable[[Any], Any]
MODELS: dict[str, Make] = {
    "Autoencoder": lambda arch: ae.Autoencoder(arch, 2, **OPTIONS),
    "VAE": lambda arch: ae.VAE(arch, 2, **OPTIONS),
    "CVAE": lambda arch: ae.CVAE(arch, 2, **OPTIONS),
    "VQVAE": lambda arch: ae.VQVAE(arch, 4, 2, **OPTIONS),
    "AdversarialAutoencoder": lambda arch: ae.AdversarialAutoencoder(arch, 2, **OPTIONS),
    "GAN": lambda arch: ae.GAN(arch, 2, **OPTIONS),
    "StackedAutoencoder": lambda arch: ae.StackedAutoencoder(
        ae.Dense((8,)), 2, pretrain_epochs=1, **OPTIONS
    ),
    "TabularAutoencoder": lambda arch: ae.TabularAutoencoder(ae.Dense((8,)), 2, **OPTIONS),
    "TabularVAE": lambda arch: ae.TabularVAE(ae.Dense((8,)), 2, **OPTIONS),
    "AnomalyDetector": lambda arch: ae.AnomalyDetector(
        ae.Autoencoder(arch, 2, **OPTIONS), n_models=1, random_state=0
    ),
    "PixelCNN": lambda arch: ae.PixelCNN(4, layers=1, codebook_size=4, **OPTIONS),
}


# ---- containers ---------------------------------------------------------------------------------


class Container(NamedTuple):
    """A way to give numbers.

    Attributes
    ----------
    make : callable
        Returns numbers (N, C) in the container.
    remedy : str
        What the sentence of a refusal has, as a regular expression.
    plain : callable
        Returns them as the array that gives the same results.
    streams : bool
        Whether it gives batches to `fit` alone.
    arch : callable
        Returns the architecture of models.
    mask : callable
        Returns the `sample_mask` that goes with the array.
    """

    make: Make
    remedy: str = ""
    plain: Make = lambda values: values
    streams: bool = False
    arch: Callable[[], Any] = lambda: ae.Dense((8,))
    mask: Make = lambda values: None


class Slices:
    """What h5py and zarr give: shape, dtype and slicing, and nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key: slice) -> np.ndarray:
        assert isinstance(key, slice)
        return self._array[key]


class Only:
    """An object that has nothing but some methods of another."""

    def __init__(self, inner: Any, *methods: str) -> None:
        self._inner, self._methods = inner, methods

    def __getattr__(self, name: str) -> Any:
        if name in self._methods:
            return getattr(self._inner, name)
        raise AttributeError(name)


class Items:
    """A data set as PyTorch has them."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, i: int) -> np.ndarray:
        if not 0 <= i < len(self):
            raise IndexError(i)
        return self._array[i]


def mapped(values: np.ndarray) -> np.ndarray:
    import tempfile

    with tempfile.TemporaryFile() as file:
        found = np.memmap(file, values.dtype, "w+", shape=values.shape)
    found[...] = values
    return found


def structured(values: np.ndarray, typed: Make = lambda column: column) -> np.ndarray:
    """Return numbers as a structured array, of which every other column gets a type."""
    columns = [typed(v) if j % 2 == 0 else v for j, v in enumerate(values.T)]
    out = np.zeros(len(values), [(n, c.dtype) for n, c in zip(NAMES, columns, strict=True)])
    for name, column in zip(NAMES, columns, strict=True):
        out[name] = column
    return out


def gaps(values: np.ndarray) -> np.ndarray:
    """Return numbers with a missing one in every seventh row."""
    out = values.astype(np.float64)
    out[::7, 1] = np.nan
    return out


def words(values: np.ndarray) -> np.ndarray:
    return structured(values, lambda v: WORDS[v.astype(int)])


def spans(values: np.ndarray) -> np.ndarray:
    return structured(values, lambda v: v.astype("m8[h]").astype("m8[us]"))


def times(values: np.ndarray) -> np.ndarray:
    return structured(values, lambda v: v.astype("M8[D]").astype("M8[us]"))


def frame(values: np.ndarray) -> Any:
    import pandas

    return pandas.DataFrame(values, columns=NAMES)


def some(library: str, make: Callable[[Any, np.ndarray], Any]) -> Make:
    """Return what makes a library's data frame, of which every other column gets a type."""

    def run(values: np.ndarray) -> Any:
        module = importlib.import_module(library)
        columns = [make(module, v) if j % 2 == 0 else v for j, v in enumerate(values.T)]
        return module.DataFrame(dict(zip(NAMES, columns, strict=True)))

    return run


def table(values: np.ndarray, **options: Any) -> Any:
    import pyarrow

    columns = (pyarrow.array(v, **options) for v in values.T)
    return pyarrow.table(dict(zip(NAMES, columns, strict=True)))


def torch_tensor(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values)


def loader(values: np.ndarray) -> Any:
    import torch

    class Pairs(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return N

        def __getitem__(self, i: int) -> Any:
            return values[i], i % 2

    return torch.utils.data.DataLoader(Pairs(), batch_size=8)


def labels(n: int) -> np.ndarray:
    """Return the conditions of samples."""
    return np.arange(n) % 2


def batches(values: np.ndarray) -> list[Any]:
    return [(values[i : i + 8], labels(8)) for i in range(0, N, 8)]


def sequences(values: np.ndarray) -> list[np.ndarray]:
    """Return two columns as sequences of 3 to 6 steps."""
    return [values[i : i + 3 + i % 4, :2] for i in range(N - 6)]


def steps(values: np.ndarray) -> np.ndarray:
    """Return which of 6 steps the sequences have."""
    return np.arange(6) < np.array([[len(x)] for x in sequences(values)])


def padded(values: np.ndarray) -> np.ndarray:
    out = np.zeros((N - 6, 6, 2), values.dtype)
    for row, x in zip(out, sequences(values), strict=True):
        row[: len(x)] = x
    return out


ANY_TYPE = "TabularAutoencoder, TabularVAE and AnomalyDetector take columns of any type"
GAPS = r"sample_mask|use astype\(int\)"
MASKED = r"sample_mask=~X\.mask|X\.filled\("
BATCHES = "partial_fit takes|read a part at a time"
RAGGED = r"(Autoencoder, CVAE, DeepClustering and VAE|LSTM (and|or) Transformer|each)"
CONTAINERS = {
    "NumPy array": Container(lambda v: v),
    "list of lists": Container(lambda v: v.tolist()),
    "memory map": Container(mapped),
    "h5py, zarr (shape, dtype, slices)": Container(Slices),
    "structured array": Container(
        lambda v: structured(v), "structured_to_unstructured", structured
    ),
    "masked array": Container(lambda v: np.ma.array(v, mask=np.isnan(gaps(v))), MASKED, gaps),
    "pandas, NumPy's types": Container(frame),
    "pandas, nullable": Container(lambda v: frame(v).convert_dtypes()),
    "pandas, nullable, gaps": Container(lambda v: frame(gaps(v)).convert_dtypes(), GAPS, gaps),
    "pandas, Arrow's types": Container(lambda v: frame(v).convert_dtypes(dtype_backend="pyarrow")),
    "pandas, categories": Container(
        some("pandas", lambda pd, v: pd.Categorical(WORDS[v.astype(int)])), ANY_TYPE, words
    ),
    "pandas, sparse": Container(some("pandas", lambda pd, v: pd.arrays.SparseArray(v))),
    "pandas, durations": Container(
        some("pandas", lambda pd, v: pd.Series(v.astype("m8[h]").astype("m8[us]"))), ANY_TYPE, spans
    ),
    "pandas, times with a zone": Container(
        some(
            "pandas",
            lambda pd, v: pd.Series(v.astype("M8[D]").astype("M8[us]")).dt.tz_localize("UTC"),
        ),
        ANY_TYPE,
        times,
    ),
    "pandas, periods": Container(
        some(
            "pandas", lambda pd, v: pd.Series(pd.PeriodIndex.from_ordinals(v.astype(int), freq="D"))
        ),
        r"dt\.to_timestamp\(\)",
    ),
    "pandas, intervals": Container(
        some("pandas", lambda pd, v: pd.arrays.IntervalArray.from_arrays(v, v + 1)), r"array\.mid"
    ),
    "polars": Container(some("polars", lambda pl, v: pl.Series(v))),
    "polars, Enum": Container(
        some("polars", lambda pl, v: pl.Series(WORDS[v.astype(int)], dtype=pl.Enum(list(WORDS)))),
        ANY_TYPE,
        words,
    ),
    "polars, Decimal": Container(
        some(
            "polars",
            lambda pl, v: pl.Series([decimal.Decimal(int(x)) for x in v], dtype=pl.Decimal(10, 2)),
        ),
        r"use astype\(int\)",
    ),
    "polars, times with a zone": Container(
        some(
            "polars",
            lambda pl, v: pl.Series(
                [datetime.datetime(1970, 1, 1) + datetime.timedelta(int(x)) for x in v]
            ).dt.replace_time_zone("UTC"),
        ),
        ANY_TYPE,
        times,
    ),
    "polars, LazyFrame": Container(
        lambda v: some("polars", lambda pl, column: column)(v).lazy(), r"X\.collect\(\)"
    ),
    "pyarrow Table": Container(table),
    "pyarrow Table, gaps": Container(lambda v: table(gaps(v), from_pandas=True), GAPS, gaps),
    "pyarrow Table, times": Container(
        lambda v: __import__("pyarrow").Table.from_pandas(
            some("pandas", lambda pd, w: w.astype("M8[D]").astype("M8[us]"))(v)
        ),
        ANY_TYPE,
        times,
    ),
    "data frame by the interchange protocol": Container(lambda v: Only(table(v), "__dataframe__")),
    "table by Arrow's C stream": Container(lambda v: Only(table(v), "__arrow_c_stream__")),
    "record batches by Arrow's C stream": Container(lambda v: table(v).to_reader(max_chunksize=7)),
    "array by DLPack": Container(lambda v: Only(v, "__dlpack__", "__dlpack_device__")),
    "SciPy sparse matrix": Container(
        lambda v: __import__("scipy.sparse").sparse.csr_matrix(v), r"X\.toarray\(\)"
    ),
    "PyTorch tensor": Container(torch_tensor),
    "PyTorch Dataset": Container(Items),
    "PyTorch DataLoader": Container(loader, BATCHES, streams=True),
    "function that gives batches": Container(lambda v: lambda: batches(v), BATCHES, streams=True),
    "generator of batches": Container(lambda v: iter(batches(v)), BATCHES, streams=True),
    "list of sequences (T, F)": Container(
        sequences, RAGGED, padded, arch=lambda: ae.LSTM(4), mask=steps
    ),
}

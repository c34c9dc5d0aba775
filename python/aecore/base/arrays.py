"""What other libraries have for arrays, as NumPy's.

PyTorch isn't imported: its tensors are known by what they can do.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def as_array(x: Any) -> np.ndarray:
    """Return an array, a tensor, a data frame or a nested list as an array; not copied if it can.

    Tensors come from where they are, without their gradients; floats that NumPy lacks, such as
    bfloat16, become float32. Numbers of nullable types are those of NumPy, and float64 with NaN
    where some are missing.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        In the words of the library that can't give one.
    """
    if hasattr(x, "detach"):  # PyTorch's
        x = x.detach().cpu()
        try:
            return x.numpy()
        except TypeError:
            return x.float().numpy()
    if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
        return np.from_dlpack(x)
    return np.asarray(_dense(x))


def _dense(x: Any) -> Any:
    """Return a data frame of numbers with nullable types, or of polars, as an array."""
    if not hasattr(x, "columns"):
        return x
    if hasattr(x, "iloc"):
        types = list(x.dtypes)
        nullable = not all(isinstance(t, np.dtype) for t in types)
        if not nullable or not all(getattr(t, "kind", "O") in "biuf" for t in types):
            return x
        if x.isna().to_numpy().any():
            return x.to_numpy(dtype=np.float64, na_value=np.nan)
        names = ("numpy_dtype", "subtype")  # of nullable types, of sparse ones
        plain = [next((getattr(t, n) for n in names if hasattr(t, n)), t) for t in types]
        return x.to_numpy(dtype=np.result_type(*plain))
    times = [t for t in getattr(x, "dtypes", ()) if hasattr(t, "is_temporal") and t.is_temporal()]
    if times:  # polars would make numbers of them
        raise TypeError(f"got a column of {times[0]}")
    nulls = getattr(x, "null_count", None)
    numeric = all(t.is_numeric() or str(t) == "Boolean" for t in getattr(x, "dtypes", ()))
    some = numeric and nulls is not None and np.any(nulls().to_numpy())
    return x.cast(float).to_numpy() if some else x

"""A `SeriesDetector` in a file: its members as models, and the arrays of their scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import names
from ...files.codec import Decoder, same_keys
from ..base import state
from ..base.coding import BaseAutoencoder
from .errors import Scaling

if TYPE_CHECKING:
    from .detector import SeriesDetector

FIELDS = "model params window features columns offset step seen members".split()
ARRAYS = {"center": np.float64, "scale": np.float64, "usual": np.float64, "reference": np.float32}

Tensors = dict[str, np.ndarray]
Params = dict[str, Any]


def describe(detector: SeriesDetector) -> tuple[Params, Tensors]:
    """Return a fitted detector's configuration and arrays."""
    found = detector._fitted_state()
    detector._check_unchanged()
    columns = found.columns
    described = [member._describe() for member in found.members]
    config = {
        "model": type(detector).__name__,
        "params": state.written_params(detector),
        "window": found.window,
        "features": len(found.scaling.center),
        "columns": None if columns is None else [names.written(c) for c in columns],
        "offset": found.offset,
        "step": found.step,
        "seen": found.seen,
        "members": [member for member, _ in described],
    }
    tensors = {"center": found.scaling.center, "scale": found.scaling.scale}
    tensors |= {"usual": found.usual, "reference": found.reference}
    for i, (_, arrays) in enumerate(described):
        tensors |= state.prefixed(str(i), arrays)
    return config, tensors


def restore(
    detector: SeriesDetector, config: Params, tensors: Tensors, decoder: Decoder
) -> dict[str, Any]:
    """Return the attributes that `describe` described, and check them; empties the arrays."""
    same_keys(config, FIELDS, "configuration")
    window, features, count = (
        _count(config[name], name) for name in ("window", "features", "seen")
    )
    offset, step, columns = config["offset"], config["step"], config["columns"]
    if type(offset) is not float or not math.isfinite(offset):
        raise ValueError(f"offset: expected a finite number, got {offset!r}")
    if step is not None and not (type(step) is float and math.isfinite(step) and step > 0):
        raise ValueError(f"step: expected a positive number or none, got {step!r}")
    if columns is not None and (not isinstance(columns, list) or len(columns) != features):
        raise ValueError(f"columns: expected {features} names, got {columns!r}")
    described = config["members"]
    if not isinstance(described, list) or len(described) != detector.n_models:
        got = len(described) if isinstance(described, list) else type(described).__name__
        raise ValueError(f"members: expected a list of {detector.n_models}, got {got}")
    shapes: dict[str, tuple[int | None, ...]] = {"center": (features,), "scale": (features,)}
    shapes |= {"usual": (features,), "reference": (None,)}
    own = {name: _array(tensors, name, shape) for name, shape in shapes.items()}
    if not (own["scale"] > 0).all() or not (own["usual"] > 0).all():
        raise ValueError("scale, usual: expected positive numbers, got others")
    if (own["reference"] < 0).any():
        raise ValueError("reference: expected errors of at least 0, got others")
    members = [
        _member(found, state.take(tensors, str(i)), decoder, (window, features))
        for i, found in enumerate(described)
    ]
    return {
        "members": members,
        "scaling": Scaling(own["center"], own["scale"]),
        "usual": own["usual"],
        "reference": own["reference"],
        "seen": count,
        "window": window,
        "step": step,
        "offset": offset,
        "columns": None if columns is None else names.as_array([names.read(c) for c in columns]),
    }


def _member(config: Any, tensors: Tensors, decoder: Decoder, shape: tuple[int, int]) -> Any:
    """Return a member: a model of windows of a shape."""
    fitted, stage = state.read(config, tensors, decoder)
    if not isinstance(fitted, BaseAutoencoder) or fitted._needs_y or stage is not None:
        raise ValueError(f"members: expected autoencoders, got {type(fitted).__name__}")
    if fitted._network.input_shape != shape:
        raise ValueError(
            f"members: expected models of windows of shape {shape}, got "
            f"{fitted._network.input_shape}"
        )
    return fitted


def _array(tensors: Tensors, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    array, dtype = tensors.pop(name, None), np.dtype(ARRAYS[name])
    if array is None:
        raise ValueError(f"{name}: expected numbers, got none")
    fits = array.ndim == len(shape) and array.size
    if not fits or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name}: expected the shape {shape}, got {array.shape}")
    if array.dtype != dtype or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers of {dtype}, got others")
    return array


def _count(found: Any, name: str) -> int:
    if type(found) is not int or not 1 <= found < 2**63:
        raise ValueError(f"{name}: expected an integer of at least 1, got {found!r}")
    return found

"""What a file has of an `AnomalyDetector`: its members as models, and what it knows beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.params import names
from ..data.tables.scaling import Robust
from ..models.base.coding import BaseAutoencoder
from ..models.base.estimator import BaseModel
from ..models.detection.detector import AnomalyDetector, Fitted
from ..models.detection.score import Oddness, parts
from . import codec

NAME = AnomalyDetector.__name__
FIELDS = "model params shape columns offset levels members".split()
ARRAYS = "location", "spread", "center", "scale"

Tensors = dict[str, np.ndarray]
Params = dict[str, Any]


def describe(
    detector: AnomalyDetector,
    params: Params,
    configure: Callable[[BaseModel], Params],
    arrays_of: Callable[[BaseModel], Tensors],
) -> tuple[Params, Tensors]:
    """Return a fitted detector's configuration and arrays.

    Parameters
    ----------
    detector : AnomalyDetector
    params : dict
        Its parameters, as a file has them.
    configure, arrays_of : callable
        What give those of a model.
    """
    state, encoder = detector._fitted(), codec.Encoder()
    columns = vars(detector).get("feature_names_in_")
    config = {
        "model": NAME,
        "params": {k: encoder.value(v, k) for k, v in params.items()},
        "shape": list(state.shape),
        "columns": None if columns is None else [str(c) for c in columns],
        "offset": detector.offset_,
        "levels": None if state.robust is None else state.robust.describe(),
        "members": [configure(member.model) for member in state.members],
    }
    tensors = {"location": state.location, "spread": state.scale}
    if state.robust is not None:
        tensors |= {"center": state.robust.center, "scale": state.robust.scale}
    for i, member in enumerate(state.members):
        found = arrays_of(member.model) | {f"oddness.{k}": v for k, v in member.state.items()}
        tensors |= {f"{i}.{name}": array for name, array in found.items()}
    return config, tensors


def build(
    config: Params, tensors: Tensors, model: Callable[[Params, Tensors], BaseModel]
) -> AnomalyDetector:
    """Return the detector that a configuration and arrays describe; ValueError for anything else.

    Parameters
    ----------
    config : dict
    tensors : dict
    model : callable
        Gives the model that a member's describe.
    """
    codec.same_keys(config, FIELDS, "configuration")
    decoder = codec.Decoder(sum(t.size for t in tensors.values()))
    detector = AnomalyDetector(**decoder.params(config["params"], names(AnomalyDetector)))
    detector._check_params()
    shape, columns, offset = (config[name] for name in ("shape", "columns", "offset"))
    if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape) or not shape:
        raise ValueError("shape: expected the sizes of a sample")
    if type(offset) is not float or not math.isfinite(offset):
        raise ValueError("offset: expected a finite number")
    if columns is not None and (
        not isinstance(columns, list)
        or [len(columns)] != shape
        or not all(isinstance(c, str) for c in columns)
    ):
        raise ValueError(f"columns: expected {shape} names")
    described = config["members"]
    if not isinstance(described, list) or len(described) != detector.n_models:
        raise ValueError(f"members: expected {detector.n_models} of them")
    own = {name: tensors.pop(name) for name in ARRAYS if name in tensors}
    members = [
        _member(detector, found, _taken(tensors, f"{i}."), model)
        for i, found in enumerate(described)
    ]
    if tensors:
        raise ValueError(f"tensors: unknown {sorted(tensors)}")
    state = Fitted(members, _robust(config["levels"], own), *_standard(detector, own), tuple(shape))
    detector._adopt(state, None if columns is None else np.array(columns, dtype=object))
    detector.offset_ = offset
    return detector


def _taken(tensors: Tensors, prefix: str) -> Tensors:
    """Take the arrays whose names begin so out of others."""
    found = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in found}


def _member(
    detector: AnomalyDetector,
    config: Params,
    tensors: Tensors,
    model: Callable[[Params, Tensors], BaseModel],
) -> Oddness:
    """Return a member, with what it knows of its samples."""
    state, fitted = _taken(tensors, "oddness."), model(config, tensors)
    if not isinstance(fitted, BaseAutoencoder) or fitted._needs_y:
        raise ValueError("members: expected autoencoders")
    wanted, given = parts(detector.measure), {}
    if "manifold" in wanted:
        given["references"] = 2
    if "codes" in wanted:
        given |= {"center": 1, "whitening": 2}
    codec.same_keys(state, given, "oddness")
    for name, axes in given.items():
        array = state[name]
        if array.dtype != np.float32 or array.ndim != axes or not array.size:
            raise ValueError(f"oddness: expected {name} as float32 with {axes} axes")
        if not np.isfinite(array).all():
            raise ValueError(f"oddness: {name} contains NaN or infinity")
    if "codes" in wanted and state["whitening"].shape != 2 * state["center"].shape:
        raise ValueError("oddness: expected a center and a whitening of the same codes")
    return Oddness(fitted, detector._share, state)


def _robust(levels: Any, own: Tensors) -> Robust | None:
    if "center" not in own and "scale" not in own and levels is None:
        return None
    if not (levels is None or isinstance(levels, list)):
        raise ValueError("levels: expected a list")
    return Robust.read(levels, *(_array(own, name) for name in ("center", "scale")))


def _standard(detector: AnomalyDetector, own: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """Return what the members' scores are standardised by."""
    shape = (detector.n_models, len(parts(detector.measure)))
    location, spread = (_array(own, name) for name in ("location", "spread"))
    if location.shape != shape or spread.shape != shape or not (spread > 0).all():
        raise ValueError(f"location, spread: expected arrays of shape {shape}")
    return location, spread


def _array(own: Tensors, name: str) -> np.ndarray:
    array = own.get(name)
    if array is None or array.dtype != np.float64 or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers of float64")
    return array

"""An `AnomalyDetector` in a file: its members as models, and the arrays of their scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import names
from ...data.tables.scaling import RobustScaler
from ...files.codec import Decoder, same_keys
from ..base import state
from ..base.coding import BaseAutoencoder
from .labels import Evidence
from .score import OutlierScore, codes_width, parts, points_width

if TYPE_CHECKING:
    from .detector import AnomalyDetector

FIELDS = "model params shape columns offset levels members".split()
PER_STEP = "per_step"  # which sequences alone have; files of 0.1.0 lack it
EVIDENCE = "evidence"  # which those alone have that were fitted with labels
ARRAYS = "location", "spread", "center", "scale"

Tensors = dict[str, np.ndarray]
Params = dict[str, Any]


def describe(detector: AnomalyDetector) -> tuple[Params, Tensors]:
    """Return a fitted detector's configuration and arrays."""
    found = detector._fitted_state()
    detector._check_unchanged()
    columns = found.columns
    described = [member.model._describe() for member in found.members]
    config = {
        "model": type(detector).__name__,
        "params": state.written_params(detector),
        "shape": list(found.shape),
        "columns": None if columns is None else [names.written(c) for c in columns],
        "offset": found.offset,
        "levels": None if found.robust is None else found.robust.describe(),
        "members": [member for member, _ in described],
    }
    if len(found.shape) == 2 and found.members[0].per_step:
        config[PER_STEP] = True
    if found.evidence is not None:
        config[EVIDENCE] = found.evidence.offset
    times = None if found.robust is None else found.robust.describe_times()
    if times is not None:
        config["times"] = times
    tensors = {"location": found.location, "spread": found.scale}
    if found.evidence is not None:
        tensors[EVIDENCE] = np.concatenate([found.evidence.moments, found.evidence.weights])
    if found.robust is not None:
        tensors |= {"center": found.robust.center, "scale": found.robust.scale}
    for i, (member, (_, arrays)) in enumerate(zip(found.members, described, strict=True)):
        tensors |= state.prefixed(str(i), arrays | state.prefixed("oddness", member.state))
    return config, tensors


def restore(
    detector: AnomalyDetector, config: Params, tensors: Tensors, decoder: Decoder
) -> dict[str, Any]:
    """Return the attributes that `describe` described, and check them; empties the arrays."""
    per_step, times = config.pop(PER_STEP, False), config.pop("times", None)
    evidence = config.pop(EVIDENCE, None)
    same_keys(config, FIELDS, "configuration")
    if type(per_step) is not bool:
        raise ValueError(f"{PER_STEP}: expected a boolean, got {per_step!r}")
    shape, columns, offset = (config[name] for name in ("shape", "columns", "offset"))
    if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape) or not shape:
        raise ValueError(f"shape: expected the sizes of a sample, got {shape!r}")
    if type(offset) is not float or not math.isfinite(offset):
        raise ValueError(f"offset: expected a finite number, got {offset!r}")
    if columns is not None and (not isinstance(columns, list) or [len(columns)] != shape):
        raise ValueError(f"columns: expected names for the shape {shape}, got {columns!r}")
    described = config["members"]
    if not isinstance(described, list) or len(described) != detector.n_models:
        got = len(described) if isinstance(described, list) else type(described).__name__
        raise ValueError(f"members: expected a list of {detector.n_models}, got {got}")
    own = {name: tensors.pop(name) for name in ARRAYS if name in tensors}
    robust = _robust(config["levels"], own, shape, times)
    given = tuple(shape) if robust is None else robust.center.shape
    members = [
        _member(detector, found, state.take(tensors, str(i)), decoder, given)
        for i, found in enumerate(described)
    ]
    for member in members:
        member.per_step = per_step
    location, scale = _standardization(detector, own)
    known = tensors.pop(EVIDENCE, None)
    return {
        "members": members,
        "robust": robust,
        "location": location,
        "scale": scale,
        "shape": tuple(shape),
        "columns": None if columns is None else names.as_array([names.read(c) for c in columns]),
        "offset": offset,
        "evidence": _evidence(evidence, known, members[0]),
    }


def _evidence(offset: Any, known: Any, member: OutlierScore) -> Evidence | None:
    """Return what labels have added, if there were any."""
    if offset is None and known is None:
        return None
    if type(offset) is not float or not math.isfinite(offset):
        raise ValueError(f"{EVIDENCE}: expected a finite number, got {offset!r}")
    array = _array({EVIDENCE: known}, EVIDENCE)
    shape = 6, points_width(member.model)
    if array.shape != shape or not (array[[1, 3]] > 0).all():
        raise ValueError(
            f"{EVIDENCE}: expected deviations above 0 and the shape {shape}, got {array.shape}"
        )
    return Evidence(array[:4], array[4:], offset)


def _member(
    detector: AnomalyDetector,
    config: Any,
    tensors: Tensors,
    decoder: Decoder,
    shape: tuple[int, ...],
) -> OutlierScore:
    """Return a member: a model of samples of a shape, and the arrays of its score."""
    known = state.take(tensors, "oddness")
    fitted, stage = state.read(config, tensors, decoder)
    if not isinstance(fitted, BaseAutoencoder) or fitted._needs_y or stage is not None:
        raise ValueError(f"members: expected autoencoders, got {type(fitted).__name__}")
    if fitted._network.input_shape != shape:
        raise ValueError(
            f"members: expected models of samples of shape {shape}, got "
            f"{fitted._network.input_shape}"
        )
    wanted, given = parts(detector.measure), dict[str, tuple[int | str, ...]]()
    if "manifold" in wanted:
        given["references"] = ("m", points_width(fitted))
    if "codes" in wanted:
        given |= {"center": (codes_width(fitted),), "whitening": 2 * (codes_width(fitted),)}
    same_keys(known, given, "oddness")
    for name, sizes in given.items():
        array = known[name]
        fits = array.ndim == len(sizes) and array.size and array.shape[-1] == sizes[-1]
        if array.dtype != np.float32 or not fits or sizes[0] not in ("m", len(array)):
            raise ValueError(
                f"oddness: {name}: expected float32 of shape ({', '.join(map(str, sizes))}), got "
                f"{array.dtype} of shape {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"oddness: {name}: expected finite numbers, got NaN or infinity")
    return OutlierScore(fitted, detector._outlier_share, known)


def _robust(levels: Any, own: Tensors, shape: list[int], times: Any) -> RobustScaler | None:
    if "center" not in own and "scale" not in own and levels is None:
        return None
    if not (levels is None or isinstance(levels, list)):
        raise ValueError(f"levels: expected a list, got {type(levels).__name__}")
    center, scale = (_array(own, name) for name in ("center", "scale"))
    robust = RobustScaler.read(levels, center, scale, times)
    columns = len(robust.center if robust.levels is None else robust.levels)
    if [columns] != shape:
        raise ValueError(
            f"scaling: expected the columns of samples of shape {shape}, got {columns}"
        )
    return robust


def _standardization(detector: AnomalyDetector, own: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """Return the location and scale that standardise the members' scores."""
    shape = (detector.n_models, len(parts(detector.measure)))
    location, spread = (_array(own, name) for name in ("location", "spread"))
    if location.shape != shape or spread.shape != shape or not (spread > 0).all():
        raise ValueError(
            f"location, spread: expected positive spreads and the shape {shape}, got "
            f"{location.shape} and {spread.shape}"
        )
    return location, spread


def _array(own: Tensors, name: str) -> np.ndarray:
    array = own.get(name)
    if array is None or array.dtype != np.float64 or not np.isfinite(array).all():
        got = (
            "none" if array is None else f"{array.dtype}" if array.dtype != np.float64 else "others"
        )
        raise ValueError(f"{name}: expected finite numbers of float64, got {got}")
    return array

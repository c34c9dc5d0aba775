"""What accompanies the samples that a model is given: y, targets and weights.

Samples may be pairs: of what the encoder sees, and of what the decoder is to make of it. Such a
target goes to ``target=``, and y is a condition or a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base import names
from ...base.arrays import as_array
from ...data import foreign, weights
from ...data.arrays import Data
from ...data.batches import Condition
from ...data.conditions import Conditioner
from ...data.cropping import CropData
from ...data.readers import Reader
from ...data.streams import Item, item_of
from ...training import group

if TYPE_CHECKING:
    from .model import BaseModel


class Parts(NamedTuple):
    """What is given, checked, before all of it has been seen.

    Attributes
    ----------
    data : Data
    y : object
        What conditions are made of.
    target : Data or None
    weight : ndarray of float64, shape (n,), or None
    """

    data: Data
    y: Any
    target: Data | None
    weight: np.ndarray | None


def placed(model: BaseModel, item: Item, stream: bool = False) -> Item:
    """Return what is given, with y out of a data set's items, and each array where it belongs.

    What is second in a data set's items is y where the model needs it, or takes labels, and none is
    given; else it is the target if it is more than a label. So is the second of two arrays in a
    stream, for a model that takes no y.

    Raises
    ------
    ValueError
        For a y of several axes that the model has no use for: it may be meant as the target.
    """
    takes_y = model._takes_y
    if foreign.is_dataset(item.X):
        item = _with_second(model, item)
    y = item.y
    if y is None or takes_y or _axes(y) < 2:
        return item
    if stream and item.target is None and not model._no_target and np.shape(y)[1:] != (1,):
        return item._replace(y=None, target=y)
    raise ValueError(
        f"y: expected None or labels (N,), of which {type(model).__name__} takes no notice, got an "
        f"array of {_axes(y)} axes: what samples are to become goes to target="
    )


def _with_second(model: BaseModel, item: Item) -> Item:
    """Return what is given, with what is second in a data set's items."""
    second = foreign.second(item.X)
    if second is None:
        return item
    several = second.ndim > 0 and second.shape != (1,)  # or else a label
    taken = model._takes_y and (not several or bool(model._no_target))
    if item.y is None and (model._needs_y or taken or second.shape == (1,)):
        return item._replace(y=foreign.labels(item.X))
    if several and item.target is None:
        return item._replace(target=foreign.Items(item.X, "target", part=1))
    return item


def _axes(y: Any) -> int:
    """Return how many axes there are; 2 for sequences of different lengths."""
    known = getattr(y, "ndim", None)
    if isinstance(known, int):
        return known
    try:
        return as_array(y).ndim
    except (ValueError, TypeError, RuntimeError):
        return 2


def validation_of(model: BaseModel, X_val: Any, pairs: bool) -> Item:
    """Return what X_val has: samples, or a tuple of them and their y or target, or a dictionary.

    `pairs` says that `fit` was given targets.
    """
    if isinstance(X_val, (dict, Item)):
        return placed(model, item_of(X_val, "X_val"))
    if not isinstance(X_val, tuple):
        found = placed(model, Item(X_val))
        if model._needs_y and found.y is None:
            raise ValueError("X_val: expected (X, y), as y is needed too, got X alone")
        return found
    if len(X_val) != 2:
        raise ValueError(f"X_val: expected an array or (X, y), got {len(X_val)} things")
    first, second = X_val
    if pairs and model._needs_y:
        raise ValueError(
            "X_val: expected {'X': ..., 'y': ..., 'target': ...}, as both are needed, got a pair"
        )
    if pairs or (not model._takes_y and second is not None and _axes(second) > 1):
        return Item(first, target=second)
    return Item(first, second)


def read_target(
    model: BaseModel, item: Item, data: Data, reader: Reader | None = None, name: str = "target"
) -> Data | None:
    """Check what samples are to become; None if that is themselves.

    Parameters
    ----------
    model : BaseModel
    item : Item
        What is given.
    data : Data
        The samples.
    reader : Reader, optional
        That of a model that has been fitted, or whose reader is known.
    name : str
        For messages.
    """
    if item.target is None:
        if reader is not None and reader.target is not None:
            raise ValueError(f"{name}: expected what samples are to become, as in fit, got None")
        return None
    if model._no_target:
        kind, got = type(model).__name__, type(item.target).__name__
        raise ValueError(f"{name}: expected None for {kind}, {model._no_target}, got {got}")
    mask = _lengths_mask(item, data)
    if reader is None:
        target = Reader.fresh(model, item.target, mask, name=name)
    else:
        how: dict[str, Any] = {"longer": reader.keeps_form}
        if reader.keeps_form and len(data.shape) == 3:  # images, perhaps of another size
            how["sized"] = data.shape.__eq__
        target = reader.of_output.read(model, item.target, mask, name=name, **how)
    if len(target) != len(data):
        raise ValueError(f"{name}: expected {len(data)} samples, as X has, got {len(target)}")
    places = names.places(data.columns, target.columns)
    if places is not None and places != sorted(places):
        raise ValueError(f"{name}: expected columns in the order of those of X, got another order")
    _check_lengths(data, target, name)
    _check_crops(data, target, name)
    return target


def _lengths_mask(item: Item, data: Data) -> Any:
    """Return the mask of X that says how long sequences are, where the target's are as long."""
    if not isinstance(data.form, int) or len(np.shape(item.target)) != 3:
        return None
    return item.sample_mask if np.shape(item.target)[1] == data.form else None


def _check_lengths(data: Data, target: Data, name: str) -> None:
    """Raise ValueError for targets of different lengths that X doesn't have."""
    if target.lengths is None and (data.lengths is None or target.shape != data.shape):
        return
    if target.shape[:1] != data.shape[:1] or data.lengths is None or target.lengths is None:
        same = False
    else:
        same = target.shape == data.shape and np.array_equal(target.lengths, data.lengths)
    if not same:
        raise ValueError(
            f"{name}: expected sequences as long as those of X and with as many features, or all "
            "of one length, got others"
        )


def _check_crops(data: Data, target: Data, name: str) -> None:
    """Raise ValueError for random crops whose targets aren't cut at the same places."""
    crops = [part.crops for part in (data, target) if isinstance(part, CropData)]
    if len(crops) == 1 or (crops and not crops[0].fits(crops[1])):
        raise ValueError(
            f"{name}: expected crops of images of the same sizes, as X has, with the same size, n, "
            "flip and turn, so that pairs are cut at the same places, got others"
        )


def blank(reader: Reader, n: int) -> Data | None:
    """Return targets of nothing, where the decoder's output isn't compared with any."""
    if reader.keeps_form:
        return None
    return Data(np.broadcast_to(np.float32(0), (n, *reader.of_output.shape)), name="target")


def scale_of(own: list[np.ndarray | None], name: str = "sample_weight") -> tuple[float, int]:
    """Return the sum of all weights, and how many there are, of parts and of processes.

    Raises ValueError if some parts have weights and others haven't.
    """
    given = [weight for weight in own if weight is not None]
    if len(given) not in (0, len(own)):
        raise ValueError(f"{name}: expected weights with every batch or with none, got some")
    with np.errstate(over="ignore"):  # which is refused later
        total = sum(float(weight.sum()) for weight in given)
    sums = total, sum(map(len, given)), bool(given)
    found = group.over_rows(sums)
    if len({weighted for _, _, weighted in found}) > 1:
        raise ValueError(f"{name}: expected weights in every process or in none, got some")
    return sum(total for total, _, _ in found), sum(n for _, n, _ in found)


def class_factors(model: BaseModel, conditioner: Conditioner | None, y: Any) -> np.ndarray | None:
    """Return the weight of each class (K,), by the labels of all samples; None for equal ones."""
    chosen = getattr(model, "class_weight", None)
    if chosen is None:
        return None
    _check_weighs(model, "class_weight", repr(chosen))
    if conditioner is None or conditioner.classes is None:
        raise ValueError(
            f"class_weight: expected None where y has properties and no labels, got {chosen!r}"
        )
    places = conditioner.read(y, len(y)).rows
    assert places is not None
    counts = np.bincount(places, minlength=len(conditioner.classes))
    return weights.of_classes(chosen, conditioner.classes, np.sum(group.over_rows(counts), axis=0))


def _check_weighs(model: BaseModel, name: str, got: str) -> None:
    """Raise ValueError for weights that are given to a model for which all samples count alike."""
    if model._no_weights:
        kind = type(model).__name__
        raise ValueError(f"{name}: expected None for {kind}, {model._no_weights}, got {got}")


def weighted(
    weight: np.ndarray | None, condition: Condition | None, factors: np.ndarray | None
) -> np.ndarray | None:
    """Return the weights (n,) of samples of some classes."""
    if factors is None:
        return weight
    assert condition is not None and condition.rows is not None
    found = factors[condition.rows]
    return found if weight is None else found * weight


def read_weight(model: BaseModel, item: Item, n: int) -> np.ndarray | None:
    """Check how much n samples count; None where all count alike."""
    if item.sample_weight is None:
        return None
    _check_weighs(model, "sample_weight", "some")
    return weights.read(item.sample_weight, n)

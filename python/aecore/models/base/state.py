"""A model in a file: its configuration as JSON and its arrays, written and read.

A model describes itself: a class with more than a network says so in `_describe` and `_restore`.
Reading is strict: whatever is unknown, missing, of a wrong shape or not finite is a ValueError.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import names as column_names
from ...base.params import Params
from ...base.text import printable
from ...data import corruption
from ...data.conditions import Conditioner, MixedConditioner
from ...data.maps import MapConditioner
from ...files import document
from ...files.codec import Decoder, Encoder, same_keys
from ...nn.parameter import OverBudget
from ...training import optim
from ...training.checkpoint import Best, Stage
from ...training.network import Network
from ...training.progress import is_number
from . import unchanged

if TYPE_CHECKING:
    from .model import BaseModel

Config = dict[str, Any]
Tensors = dict[str, np.ndarray]

FIELDS = (
    "model params shape columns conditions seed optimizer steps samples epoch best_epoch history"
).split()
TRAINING = "training"  # the stage of the training, where the file is a checkpoint
BEST, LEVEL = "best", "level"  # prefixes of the arrays of a training, beside the model's
THREADS = 64  # that a file may ask for, on a machine with fewer processors too
BYTES = "latin-1"  # each byte of a label of bytes is a character in a file
LABELS = 1 << 26  # bytes that the labels of classes may have, whatever is in them
CHUNK = 1 << 20  # numbers that are looked at together
# What reading raises for a file that isn't whole. Too little memory isn't among it: that of
# `OverBudget` is asked for by the file.
DAMAGE = (ValueError, TypeError, KeyError, OverflowError, RecursionError, OverBudget)


# ---- writing ------------------------------------------------------------------------------------


def save(model: Any, path: Any, stage: Stage | None = None) -> None:
    """Write a fitted model to a file.

    Parameters
    ----------
    model : Autoencoder, VAE or another of aecore's models
    path : str or path-like
    stage : Stage, optional
        Where its training stands: the file is a checkpoint then.

    Raises
    ------
    ValueError
        For a model that isn't fitted, with objects that a file can't hold, or with parameters that
        aren't finite, which `load` would refuse.
    OSError
        If the file can't be written, or what stands there is no file. A file there is as before.
    """
    with contextlib.ExitStack() as stack:
        for network in _networks(model):  # no training is to begin while arrays are written
            stack.enter_context(network.kept_still())
        config, tensors = model._describe()
        if stage is not None:
            config[TRAINING] = _stage(stage)
            tensors |= _stage_tensors(stage)
        for name, array in tensors.items():
            if not _is_finite(array):
                raise ValueError(f"{name}: expected finite numbers to write, got NaN or infinity")
        document.write(path, config, tensors)


def _networks(model: Any) -> Iterator[Network]:
    """Yield the networks of a fitted model, and of those inside."""
    found = vars(model)
    if "_network" in found:
        yield found["_network"]
    for inner in (found.get("prior_"), *found.get("estimators_", ())):
        if inner is not None:
            yield from _networks(inner)


def _is_finite(array: np.ndarray) -> bool:
    """Whether all numbers are finite, found with little memory."""
    flat = array.reshape(-1)  # a view: they are contiguous
    return all(np.isfinite(flat[i : i + CHUNK]).all() for i in range(0, flat.size, CHUNK))


def describe(model: BaseModel) -> tuple[Config, Tensors]:
    """Return the configuration and the arrays of a fitted model, as far as all have them.

    The arrays are views where no other thread can begin to train the network, and else copies.
    """
    network = model._fitted()
    with network.lock:
        unchanged.check(model)
        tensors = tensors_of(network)
        if not network.is_mine:
            tensors = {name: array.copy() for name, array in tensors.items()}
        return _configuration(model, network), tensors


def _configuration(model: BaseModel, network: Network) -> Config:
    columns = model._names_in
    return {
        "model": type(model).__name__,
        "params": written_params(model),
        "shape": list(network.input_shape),
        **network.reader.describe(),
        "columns": None if columns is None else [column_names.written(c) for c in columns],
        "conditions": _conditions(network.conditioner),
        "seed": network.seed,
        "optimizer": network.optimizer,
        "steps": network.steps,
        "samples": network.samples,
        "epoch": network.epoch,
        "best_epoch": vars(model).get("best_epoch_"),
        "history": [_record(r) for r in model.history_],
    }


def written_params(model: Any) -> Config:
    """Return what stands for a model's parameters in a file."""
    encoder = Encoder()
    return {k: encoder.value(v, k) for k, v in own_params(model).items()}


def own_params(model: Any) -> Config:
    """Return the parameters that a file holds, those of a model among them too."""
    params = model.get_params(deep=False)
    if "callbacks" in params:
        params["callbacks"] = ()  # code
    if "checkpoint" in params:
        params["checkpoint"] = None  # a path of this machine, which nobody else is to write to
    if "corruption" in params:
        params["corruption"] = corruption.written(params["corruption"])
    if not isinstance(params["random_state"], (int, np.integer)):
        params["random_state"] = None  # the seed drawn from it is in the state
    for name, value in params.items():
        if hasattr(value, "_fitted"):
            params[name] = type(value)(**own_params(value))
    return params


def _conditions(conditioner: Conditioner | None) -> Config | None:
    if conditioner is None:
        return None
    names = {} if conditioner.names is None else {"names": conditioner.names}
    return _learned_of(conditioner) | names


def _learned_of(conditioner: Conditioner) -> Config:
    if isinstance(conditioner, MapConditioner):
        shape, size = list(conditioner.shape), conditioner.size
        return {"maps": shape, "codes": size, "y": _conditions(conditioner.inner)}
    if isinstance(conditioner, MixedConditioner):
        return {"columns": [_conditions(part) for part in conditioner.parts]}
    if conditioner.classes is not None:
        classes, dtype = conditioner.classes, conditioner.classes.dtype
        if dtype.kind == "S":
            classes = np.char.decode(classes, BYTES)
        return {"classes": classes.tolist(), "dtype": dtype.str}
    assert conditioner.mean is not None and conditioner.scale is not None
    return {"mean": conditioner.mean.tolist(), "scale": conditioner.scale.tolist()}


def _record(record: Config) -> Config:
    """Return an epoch's record for JSON, in which None stands for what isn't finite."""
    out: Config = {}
    for key, value in record.items():
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        out[str(key)] = _recorded(str(key), value)
    return out


def _recorded(name: str, value: Any) -> Any:
    """Return a value of an epoch's record; ValueError where `load` would refuse it."""
    kinds: tuple[type, ...] = (bool, int, float)
    if not is_number(name):
        kinds = (*kinds, str)
    if value is None or isinstance(value, kinds):
        if type(value) is not int or abs(value) < 2**63:
            return value
    expected = "a number" if is_number(name) else "a number or text"
    raise ValueError(f"history: {printable(name)}: expected {expected}, got {value!r:.60}")


def _stage(stage: Stage) -> Config:
    best, level = stage.best, stage.level
    found = stage._asdict() | {"best": None, "level": None}
    if best is not None:
        found["best"] = {"epoch": best.epoch, "steps": best.steps, "loss": float(best.loss)}
    if level is not None:
        found["level"] = level._describe()[0]
    return found


def _stage_tensors(stage: Stage) -> Tensors:
    """Return the arrays that a checkpoint has beside the model's."""
    best = {} if stage.best is None else stage.best.arrays
    level = {} if stage.level is None else stage.level._describe()[1]
    return prefixed(BEST, best) | prefixed(LEVEL, level)


def tensors_of(network: Network) -> Tensors:
    """Return every array of a network by name, as views."""
    tensors = {name: p.value for name, p in network.flat.named.items()}
    tensors |= dict(network.buffers())
    for moment, array in network.moments.items():
        for name, part in network.flat.split(array).items():
            tensors[f"optimizer.{moment}.{name}"] = part
    return tensors


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    """Return arrays with a prefix before their names."""
    return {f"{prefix}.{name}": array for name, array in tensors.items()}


def take(tensors: Tensors, prefix: str) -> Tensors:
    """Take the arrays with a prefix out of others."""
    found = [name for name in tensors if name.startswith(f"{prefix}.")]
    return {name.removeprefix(f"{prefix}."): tensors.pop(name) for name in found}


# ---- reading ------------------------------------------------------------------------------------


def read(config: Any, tensors: Tensors, decoder: Decoder) -> tuple[Any, Stage | None]:
    """Return the model that a file's configuration and arrays describe, and its training's stage.

    Parameters
    ----------
    config : object from JSON
    tensors : dict of str to ndarray
        It is emptied.
    decoder : Decoder
        Knows the classes.
    """
    if not isinstance(config, dict) or "params" not in config:
        raise ValueError("configuration: expected a dictionary with a model's params, got none")
    cls = decoder.named(config.get("model"), "model", Params)
    if not hasattr(cls, "_restore"):
        raise ValueError(f"model: expected one of aecore's, got {config.get('model')!r}")
    model = cls(**decoder.params(config["params"], cls))
    model._check_params()
    _forget_places(model)
    return model, fill(model, config, tensors, decoder)


def _forget_places(value: Any) -> None:
    """Forget where a model out of a file would write, what it would run and too many threads."""
    if not isinstance(value, Params):
        return
    params = value.get_params(deep=False)
    if (params.get("n_threads") or 0) > max(THREADS, os.cpu_count() or 1):
        value.n_threads = None  # type: ignore[attr-defined]
    for name, nothing in (("checkpoint", None), ("callbacks", ())):
        if name in params:
            setattr(value, name, nothing)
    for inner in params.values():
        _forget_places(inner)


def not_read(path: Any, error: Exception) -> ValueError:
    """Return the error to raise for a file that isn't read, given what was found in it."""
    if isinstance(error, document.NewerFormat):
        return document.NewerFormat(f"{path}: {error}")
    return ValueError(f"{path}: expected a whole model file of aecore: {printable(error)}")


def fill(model: Any, config: Config, tensors: Tensors, decoder: Decoder) -> Stage | None:
    """Give a model the rest of what a file says; return the stage of its training."""
    training = config.pop(TRAINING, None)
    best, level = take(tensors, BEST), take(tensors, LEVEL)
    model._restore(config, tensors, decoder)
    if tensors:
        raise ValueError(f"tensors: expected no others, got {sorted(tensors)}")
    if training is None and not (best or level):
        return None
    return _read_stage(training, model, best, level, decoder)


def restore(model: BaseModel, config: Config, tensors: Tensors, most: int) -> None:
    """Give a model with its parameters the rest of what `describe` said; empties the arrays."""
    found = {key: config.pop(key) for key in model._reader.keys if key in config}
    same_keys(config, FIELDS, "configuration")
    shape = tuple(_count(n, "shape", 1) for n in _list(config["shape"], "shape"))
    reader = model._reader.restored(model, shape, found)
    conditioner = _read_conditions(config["conditions"])
    if isinstance(conditioner, MapConditioner) and not model._takes_context:
        raise ValueError(f"conditions: expected no maps for {type(model).__name__}, got some")
    if model._ignores_y and (conditioner is not None) != model._needs_y:
        expected, got = ("some", "none") if conditioner is None else ("none", "some")
        raise ValueError(f"conditions: expected {expected} for {type(model).__name__}, got {got}")
    network = model._make_network(reader, conditioner, most, _count(config["seed"], "seed"))
    if config["optimizer"] != "":
        classes: dict[str, type[optim.Optimizer]] = {
            c.__name__: c for c in (optim.Adam, optim.AdamW, optim.SGD)
        }
        if config["optimizer"] not in classes:
            raise ValueError(
                f"optimizer: expected one of {', '.join(classes)}, got {config['optimizer']!r}"
            )
        network.use(classes[config["optimizer"]]())
    wanted = tensors_of(network)
    compare_arrays(tensors, wanted)
    for name, array in wanted.items():
        array[...] = tensors.pop(name)
    for name in ("steps", "samples", "epoch"):
        setattr(network, name, _count(config[name], name))
    model._set_network(network, _columns(config["columns"], shape))
    model.history_ = [_read_record(r) for r in _list(config["history"], "history")]
    if config["best_epoch"] is not None:
        model.best_epoch_ = _count(config["best_epoch"], "best_epoch")


def _read_stage(
    config: Any, model: BaseModel, best: Tensors, level: Tensors, decoder: Decoder
) -> Stage:
    same_keys(config, Stage._fields, TRAINING)
    for name in ("over", "stopped", "complete"):
        if not isinstance(config[name], bool):
            raise ValueError(f"{name}: expected true or false, got {config[name]!r}")
    found = {**config, "first": _count(config["first"], "first"), "best": None, "level": None}
    if config["best"] is not None:
        same_keys(config["best"], ["epoch", "steps", "loss"], BEST)
        epoch, steps = (_count(config["best"][name], name) for name in ("epoch", "steps"))
        (loss,) = _numbers([config["best"]["loss"]], "loss")
        found["best"] = Best(epoch, steps, loss, best)
    compare_arrays(best, {} if found["best"] is None else model._network.arrays())
    if config["level"] is not None:
        found["level"], _ = read(config["level"], level, decoder)
        if type(found["level"]).__name__ != "Autoencoder" or not model._pretrains:
            raise ValueError(f"level: expected an Autoencoder, got {type(found['level']).__name__}")
    elif level:
        raise ValueError(f"level: expected no arrays, got {sorted(level)}")
    return Stage(**found)


def compare_arrays(tensors: Tensors, wanted: Tensors) -> None:
    """Raise ValueError unless a file's arrays are like those wanted, and make sense."""
    same_keys(tensors, wanted, "tensors")
    for name, array in wanted.items():
        found = tensors[name]
        if found.dtype != array.dtype or found.shape != array.shape:
            raise ValueError(
                f"{name}: expected {array.dtype} of shape {array.shape}, got {found.dtype} of "
                f"shape {found.shape}"
            )
        if not np.isfinite(found).all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
        if found.dtype.kind == "i" and found.size and found.min() < 0:
            raise ValueError(f"{name}: expected integers of at least 0, got {found.min()}")


def _read_conditions(found: Any) -> Conditioner | None:
    if not isinstance(found, dict) or "names" not in found:
        return _read_unnamed(found)
    names = _list(found["names"], "names")
    conditioner = _read_unnamed({k: v for k, v in found.items() if k != "names"})
    columns = getattr(conditioner, "parts", getattr(conditioner, "mean", None))
    if columns is None or len(columns) != len(names) or any(type(n) is not str for n in names):
        raise ValueError(f"names: expected a name for each column of conditions, got {names}")
    assert conditioner is not None
    return conditioner.named(names)


def _read_unnamed(found: Any) -> Conditioner | None:
    if found is None:
        return None
    if isinstance(found, dict) and set(found) == {"classes", "dtype"}:
        return Conditioner(classes=_classes(found))
    if isinstance(found, dict) and set(found) == {"maps", "codes", "y"}:
        shape = tuple(_count(n, "maps", 1) for n in _list(found["maps"], "maps"))
        inner = _read_conditions(found["y"])
        if isinstance(inner, MapConditioner):
            raise ValueError("conditions: expected labels or properties beside maps, got maps")
        return MapConditioner(inner, shape, _count(found["codes"], "codes", 1))
    if isinstance(found, dict) and set(found) == {"columns"}:
        parts = [_read_conditions(part) for part in _list(found["columns"], "columns")]
        nested = MixedConditioner, MapConditioner
        if not parts or any(p is None or isinstance(p, nested) for p in parts):
            raise ValueError("conditions: expected a column of labels or numbers, got another")
        return MixedConditioner([part for part in parts if part is not None])
    same_keys(found, ["mean", "scale"], "conditions")
    mean, scale = (np.array(_numbers(found[k], k)) for k in ("mean", "scale"))
    if mean.shape != scale.shape or not len(mean) or not (scale > 0).all():
        raise ValueError(
            "conditions: expected a mean and a positive scale for each property, got others"
        )
    return Conditioner(mean=mean, scale=scale)


def _classes(found: Config) -> np.ndarray:
    values, dtype = _list(found["classes"], "classes"), found["dtype"]
    kinds = {"U": str, "i": int, "u": int, "b": bool, "S": str}
    kind = kinds.get(np.dtype(dtype).kind) if isinstance(dtype, str) else None
    if kind is None or not values or any(type(v) is not kind for v in values):
        raise ValueError(f"classes: expected labels of dtype {dtype!r}, got others")
    if np.dtype(dtype).itemsize * len(values) > max(np.array(values).nbytes, LABELS):
        raise ValueError(f"classes: expected room for {len(values)} labels, got {dtype!r} for each")
    if np.dtype(dtype).kind == "S":
        values = [value.encode(BYTES) for value in values]
    classes = np.array(values, dtype=np.dtype(dtype))
    if classes.tolist() != values or (classes[1:] <= classes[:-1]).any():
        raise ValueError("classes: expected distinct labels in order, got others")
    return classes


def _read_record(found: Any) -> Config:
    if not isinstance(found, dict):
        raise ValueError(f"history: expected dictionaries, got {type(found).__name__}")
    if "epoch" not in found:
        raise ValueError("history: expected the epoch of each record, got none")
    _count(found["epoch"], "history: epoch")
    for key, value in found.items():
        _recorded(key, value)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"history: {key}: expected a finite number or null, got {value}")
    return {k: math.nan if v is None else v for k, v in found.items()}


def _columns(found: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    if found is None:
        return None
    columns = [column_names.read(name) for name in _list(found, "columns")]
    if len(shape) != 1 or len(columns) != shape[0]:
        raise ValueError(f"columns: expected names for the shape {shape}, got {columns}")
    return column_names.as_array(columns)


def _list(found: Any, name: str) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError(f"{name}: expected a list, got {type(found).__name__}")
    return found


def _numbers(found: Any, name: str) -> list[float]:
    numbers = _list(found, name)
    if not all(isinstance(v, float) and math.isfinite(v) for v in numbers):
        raise ValueError(f"{name}: expected finite numbers, got others")
    return numbers


def _count(found: Any, name: str, least: int = 0) -> int:
    if type(found) is not int or not least <= found < 2**63:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {found!r}")
    return found

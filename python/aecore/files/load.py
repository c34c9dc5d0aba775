"""Models as files: safetensors with the configuration as JSON in its metadata.

Reading one builds the model from explicit tables of classes and never runs code from the file. It
is strict: whatever is unknown, missing, of a wrong shape or not finite is a ValueError, and a
digest of everything tells damage. Writing is atomic: the file is there whole, or as it was before.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..base.params import names
from ..data.conditions import Conditioner
from ..data.tables import Layout
from ..losses import learned_by
from ..models import (
    CVAE,
    GAN,
    VAE,
    VQVAE,
    AdversarialAutoencoder,
    AnomalyDetector,
    Autoencoder,
    PixelCNN,
    Recirculation,
    SoftmaxClassifier,
    StackedAutoencoder,
    TabularAutoencoder,
    TabularVAE,
)
from ..models.base.estimator import BaseModel
from ..models.tabular.model import TableModel
from ..nn.module import budget
from ..training.callbacks import back_to
from ..training.checkpoint import Best, Stage, replace
from ..training.network import Network
from . import codec, detector

FORMAT = "1"
MODELS: dict[str, type[BaseModel]] = {
    c.__name__: c
    for c in (
        Autoencoder,
        StackedAutoencoder,
        SoftmaxClassifier,
        Recirculation,
        VAE,
        CVAE,
        VQVAE,
        PixelCNN,
        AdversarialAutoencoder,
        GAN,
        TabularAutoencoder,
        TabularVAE,
    )
}
FIELDS = (
    "model params shape columns conditions seed optimizer steps samples epoch best_epoch history"
).split()
TABLE = "table"  # what a model of tables has learned of columns
PRIOR = "prior"  # where a VQVAE has a trained one: its configuration, and a prefix of its arrays
TRAINING = "training"  # where the file is a checkpoint: where the training stands
BEST, LEVEL = "best", "level"  # prefixes of what a training has beside the model


# ---- writing ------------------------------------------------------------------------------------


def save(model: BaseModel | AnomalyDetector, path: Any, stage: Stage | None = None) -> None:
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
        For a model that isn't fitted, or with objects that a file can't hold: layers or parameters
        of the user's own classes.
    """
    import json
    from functools import partial

    from safetensors.numpy import save_file

    config, tensors = _described(model)
    if stage is not None:
        config[TRAINING] = _stage(stage)
        tensors |= _stage_tensors(stage)
    text = json.dumps(config, allow_nan=False)
    tensors = {k: np.ascontiguousarray(v) for k, v in tensors.items()}
    metadata = {"aecore": FORMAT, "config": text, "digest": _digest(text, tensors)}
    path = Path(os.path.abspath(os.fsdecode(os.fspath(path))))
    replace(path, partial(save_file, tensors, metadata=metadata))


def _described(
    model: BaseModel | AnomalyDetector,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the configuration and the arrays of a fitted model."""
    if isinstance(model, AnomalyDetector):
        return detector.describe(
            model, _params(model), lambda m: _config(m, m._fitted()), _all_tensors
        )
    return _config(model, model._fitted()), _all_tensors(model)


def _config(model: BaseModel, network: Network) -> dict[str, Any]:
    if MODELS.get(type(model).__name__) is not type(model):
        raise ValueError(f"save: {type(model).__name__} is not one of aecore's own models")
    columns, prior = (vars(model).get(name) for name in ("feature_names_in_", "prior_"))
    return {
        "model": type(model).__name__,
        "params": written_params(model),
        "shape": list(network.input_shape),
        "columns": None if columns is None else [str(c) for c in columns],
        "conditions": _conditions(network.conditioner),
        "seed": network.seed,
        "optimizer": network.optimizer,
        "steps": network.steps,
        "samples": network.samples,
        "epoch": network.epoch,
        "best_epoch": vars(model).get("best_epoch_"),
        "history": [_record(r) for r in model.history_],
        **({TABLE: network.table.describe()} if isinstance(model, TableModel) else {}),
        **({} if prior is None else {PRIOR: _config(prior, prior._fitted())}),
    }


def written_params(model: BaseModel) -> dict[str, Any]:
    """Return what stands for a model's parameters in a file."""
    encoder = codec.Encoder()
    return {k: encoder.value(v, k) for k, v in _params(model).items()}


def _params(model: BaseModel | AnomalyDetector) -> dict[str, Any]:
    """Return the parameters that a file holds, those of a model among them too."""
    params = model.get_params(deep=False)
    if "callbacks" in params:
        params["callbacks"] = ()  # code
    if not isinstance(params["random_state"], (int, np.integer)):
        params["random_state"] = None  # the seed drawn from it is in the state
    for name, value in params.items():
        if isinstance(value, BaseModel):
            params[name] = type(value)(**_params(value))
    return params


def _conditions(conditioner: Conditioner | None) -> dict[str, Any] | None:
    if conditioner is None:
        return None
    if conditioner.classes is not None:
        dtype = conditioner.classes.dtype
        return {"classes": conditioner.classes.tolist(), "dtype": dtype.str}
    assert conditioner.mean is not None and conditioner.scale is not None
    return {"mean": conditioner.mean.tolist(), "scale": conditioner.scale.tolist()}


def _record(record: dict[str, Any]) -> dict[str, Any]:
    """Return an epoch's record for JSON, in which None stands for what isn't finite."""
    out: dict[str, Any] = {}
    for key, value in record.items():
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        if not (value is None or isinstance(value, (bool, int, float, str))):
            raise ValueError(f"history_: a file can't hold {key}={value!r}")
        out[str(key)] = value
    return out


def _stage(stage: Stage) -> dict[str, Any]:
    best, level = stage.best, stage.level
    found = stage._asdict() | {"best": None, "level": None}
    if best is not None:
        found["best"] = {"epoch": best.epoch, "steps": best.steps, "loss": float(best.loss)}
    if level is not None:
        found["level"] = _config(level, level._fitted())
    return found


def _stage_tensors(stage: Stage) -> dict[str, np.ndarray]:
    """Return the arrays that a checkpoint has beside the model's."""
    best = {} if stage.best is None else stage.best.arrays
    level = {} if stage.level is None else _tensors(stage.level._fitted())
    tensors = {f"{BEST}.{name}": v for name, v in best.items()}
    return tensors | {f"{LEVEL}.{name}": v for name, v in level.items()}


def _tensors(network: Network) -> dict[str, np.ndarray]:
    """Return every array of a network by name, as views."""
    tensors = {name: p.value for name, p in network.flat.named.items()}
    tensors |= dict(network.buffers())
    for moment, array in network.moments.items():
        for name, part in network.flat.split(array).items():
            tensors[f"optimizer.{moment}.{name}"] = part
    return tensors


def _all_tensors(model: BaseModel) -> dict[str, np.ndarray]:
    """Return the arrays of a model, those of its prior with a prefix."""
    tensors, prior = _tensors(model._fitted()), vars(model).get("prior_")
    if prior is not None:
        tensors |= {f"{PRIOR}.{name}": v for name, v in _tensors(prior._fitted()).items()}
    return tensors


def _digest(config: str, tensors: dict[str, np.ndarray]) -> str:
    import hashlib

    digest = hashlib.blake2b(config.encode(), digest_size=32)
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


# ---- reading ------------------------------------------------------------------------------------


def load(path: Any) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Autoencoder, VAE or another of aecore's models
        The fitted model. ``set_params(warm_start=True).fit(X)`` goes on where it stopped.

    Raises
    ------
    OSError
        If there is no file, or it can't be read.
    ValueError
        For anything but a whole model file.
    """
    model, stage = load_checkpoint(path)
    if stage is not None and stage.over and stage.best is not None:
        back_to(model._network, stage.best)
    return model


def load_checkpoint(path: Any) -> tuple[Any, Stage | None]:
    """Read a model in the last state of its training, and where that stands.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    model
    stage : Stage or None
        None if the file isn't a checkpoint.

    Raises
    ------
    OSError, ValueError
        As `load` does.
    """
    path = os.fspath(path)
    with open(path, "rb"):
        pass  # a missing file is an OSError
    try:
        config, tensors = _read(path)
        if isinstance(config, dict) and config.get("model") == detector.NAME:
            return detector.build(config, tensors, _model), None
        training = config.pop(TRAINING, None) if isinstance(config, dict) else None
        best, level = _take(tensors, BEST), _take(tensors, LEVEL)
        model = _model(config, tensors)
        if training is None and not (best or level):
            return model, None
        return model, _read_stage(training, model, best, level)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path}: not a whole model file of aecore: {error}") from None


def _read(path: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the configuration and the arrays, once the digest agrees."""
    import json

    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, AttributeError) as error:
        raise ValueError(f"not a safetensors file ({error})") from None
    codec.same_keys(metadata, ["aecore", "config", "digest"], "metadata")
    if metadata["aecore"] != FORMAT:
        raise ValueError(f"format {metadata['aecore']!r}, expected {FORMAT!r}")
    if metadata["digest"] != _digest(metadata["config"], tensors):
        raise ValueError("the digest doesn't agree: the file is damaged or was edited")
    return json.loads(metadata["config"], parse_constant=_refuse), tensors


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} in the configuration")


def _model(config: Any, tensors: dict[str, np.ndarray]) -> BaseModel:
    """Return the model that a configuration and arrays describe."""
    more = [key for key in (PRIOR, TABLE) if isinstance(config, dict) and key in config]
    codec.same_keys(config, [*FIELDS, *more], "configuration")
    cls, has_prior = codec.known(MODELS, config["model"], "model"), PRIOR in more
    theirs = _take(tensors, PRIOR) if has_prior else {}
    shape = tuple(_count(n, "shape", 1) for n in _list(config["shape"], "shape"))
    total = sum(t.size for t in tensors.values())
    with budget(total):
        decoder = codec.Decoder(total)
        params = decoder.params(config["params"], names(cls))
        model = cls(**params)
        model._check_params()
        conditioner = _read_conditions(config["conditions"], model)
        _read_table(config.get(TABLE), model, shape)
        modules = model._modules(shape, conditioner.width if conditioner else 0)
        modules |= learned_by(model.loss)
    network = Network(modules, shape, _count(config["seed"], "seed"))
    network.conditioner = conditioner
    if isinstance(model, TableModel):
        network.table = model._layout
        del model._layout
    _use_optimizer(network, config["optimizer"])
    _fill(network, tensors)
    for name in ("steps", "samples", "epoch"):
        setattr(network, name, _count(config[name], name))
    model._adopt(network, math.prod(shape), _columns(config["columns"], shape))
    model.history_ = [_read_record(r) for r in _list(config["history"], "history")]
    if config["best_epoch"] is not None:
        model.best_epoch_ = _count(config["best_epoch"], "best_epoch")
    if has_prior:
        _read_prior(model, config[PRIOR], theirs)
    return model


def _read_table(found: Any, model: BaseModel, shape: tuple[int, ...]) -> None:
    """Tell a model of tables the columns that it builds its network for."""
    if (found is not None) != isinstance(model, TableModel):
        raise ValueError(f"{TABLE}: unexpected for this {type(model).__name__}")
    if isinstance(model, TableModel):
        model._layout = Layout.read(found)
        if shape != (len(model._layout.columns),):
            raise ValueError(f"{TABLE}: expected a column for each feature")


def _take(tensors: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Take the arrays with a prefix out of those of a file."""
    names = [name for name in tensors if name.startswith(f"{prefix}.")]
    return {name.removeprefix(f"{prefix}."): tensors.pop(name) for name in names}


def _read_stage(
    config: Any, model: BaseModel, best: dict[str, np.ndarray], level: dict[str, np.ndarray]
) -> Stage:
    codec.same_keys(config, Stage._fields, TRAINING)
    for name in ("over", "stopped", "complete"):
        if not isinstance(config[name], bool):
            raise ValueError(f"{name}: expected true or false, got {config[name]!r}")
    found = {**config, "first": _count(config["first"], "first"), "best": None, "level": None}
    if config["best"] is not None:
        codec.same_keys(config["best"], ["epoch", "steps", "loss"], BEST)
        epoch, steps = (_count(config["best"][name], name) for name in ("epoch", "steps"))
        (loss,) = _numbers([config["best"]["loss"]], "loss")
        found["best"] = Best(epoch, steps, loss, best)
    _compare(best, {} if found["best"] is None else model._network.arrays())
    if config["level"] is not None:
        found["level"] = _model(config["level"], level)
        if not isinstance(model, Autoencoder) or type(found["level"]) is not Autoencoder:
            raise ValueError("level: expected an Autoencoder's")
    elif level:
        raise ValueError(f"unknown {sorted(level)}")
    return Stage(**found)


def _read_prior(model: BaseModel, config: Any, tensors: dict[str, np.ndarray]) -> None:
    prior = _model(config, tensors)
    if not (isinstance(model, VQVAE) and isinstance(prior, PixelCNN)):
        raise ValueError(f"{PRIOR}: unexpected for a {type(model).__name__}")
    if prior._network.input_shape != (*model._grid(), model._quantizer.n_codes):
        raise ValueError(f"{PRIOR}: of other maps of codes than the model's")
    model.prior_ = prior


def _use_optimizer(network: Network, name: Any) -> None:
    if name == "":
        return  # never trained
    from ..training.optim import SGD, Adam, AdamW, Optimizer

    classes: dict[str, type[Optimizer]] = {c.__name__: c for c in (Adam, AdamW, SGD)}
    network.use(codec.known(classes, name, "optimizer")())


def _fill(network: Network, tensors: dict[str, np.ndarray]) -> None:
    """Copy arrays into a network, exactly those that it has."""
    wanted = _tensors(network)
    _compare(tensors, wanted)
    for name, array in wanted.items():
        array[...] = tensors[name]


def _compare(tensors: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    """Raise ValueError unless a file's arrays are like those wanted, and make sense."""
    codec.same_keys(tensors, wanted, "tensors")
    for name, array in wanted.items():
        found = tensors[name]
        if found.dtype != array.dtype or found.shape != array.shape:
            raise ValueError(
                f"{name}: expected {array.dtype} of shape {array.shape}, got {found.dtype} of "
                f"shape {found.shape}"
            )
        if not np.isfinite(found).all():
            raise ValueError(f"{name}: contains NaN or infinity")
        if found.dtype.kind == "i" and found.size and found.min() < 0:
            raise ValueError(f"{name}: contains a negative position")


def _read_conditions(found: Any, model: BaseModel) -> Conditioner | None:
    if not isinstance(model, PixelCNN) and (found is None) == model._needs_y:
        raise ValueError(f"conditions: unexpected for this {type(model).__name__}")
    if found is None:
        return None
    if isinstance(found, dict) and set(found) == {"classes", "dtype"}:
        return Conditioner(classes=_classes(found))
    if type(model) is SoftmaxClassifier:
        raise ValueError("conditions: expected the classes of a SoftmaxClassifier")
    codec.same_keys(found, ["mean", "scale"], "conditions")
    mean, scale = (np.array(_numbers(found[k], k)) for k in ("mean", "scale"))
    if mean.shape != scale.shape or not len(mean) or not (scale > 0).all():
        raise ValueError("conditions: expected a mean and a positive scale for each property")
    return Conditioner(mean=mean, scale=scale)


def _classes(found: dict[str, Any]) -> np.ndarray:
    values, dtype = _list(found["classes"], "classes"), found["dtype"]
    kinds = {"U": str, "i": int, "u": int, "b": bool, "S": None}
    kind = kinds.get(np.dtype(dtype).kind) if isinstance(dtype, str) else None
    if kind is None or not values or any(type(v) is not kind for v in values):
        raise ValueError(f"classes: expected labels of dtype {dtype!r}")
    classes = np.array(values, dtype=np.dtype(dtype))
    if classes.tolist() != values or (classes[1:] <= classes[:-1]).any():
        raise ValueError("classes: expected distinct labels in order")
    return classes


def _read_record(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("history: expected dictionaries")
    for key, value in found.items():
        if not (value is None or isinstance(value, (bool, int, float, str))):
            raise ValueError(f"history: {key} is {type(value).__name__}")
    return {k: math.nan if v is None else v for k, v in found.items()}


def _columns(found: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    if found is None:
        return None
    names = _list(found, "columns")
    if len(shape) != 1 or len(names) != shape[0] or not all(isinstance(n, str) for n in names):
        raise ValueError(f"columns: expected {shape[0]} names")
    return np.array(names, dtype=object)


def _list(found: Any, name: str) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError(f"{name}: expected a list, got {type(found).__name__}")
    return found


def _numbers(found: Any, name: str) -> list[float]:
    numbers = _list(found, name)
    if not all(isinstance(v, float) and math.isfinite(v) for v in numbers):
        raise ValueError(f"{name}: expected finite numbers")
    return numbers


def _count(found: Any, name: str, least: int = 0) -> int:
    if type(found) is not int or not least <= found < 2**63:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {found!r}")
    return found


__all__ = ["load", "save"]

"""Parameters and modules as JSON and back: explicit, so that reading can't run anything.

A value is None, a bool, a number, a string, a tuple or list of values, an object with parameters
(`aecore.base.params.Params`), or a module with what its `config` says. Everything else is refused.
Reading takes names of classes from a table that it is given, and from nowhere else.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..base.params import Params, names
from ..nn.module import Module

# Files of 0.1.0 are read for ever. They lack these parameters, and call these layers otherwise:
ADDED_TO_MODELS: dict[str, Any] = {"accumulate": 1, "init": "uniform", "precision": "float32"}
ADDED: dict[str, dict[str, Any]] = {
    "AnomalyDetector": {"n_jobs": None},
    "Conv": {"flatten": True},
    "CVAE": {"class_weight": None, "prior": None, "posterior": None},
    "Conv2d": {"dilation": 1, "groups": 1},
    "ConvTranspose2d": {"dilation": 1},
    "FiniteScalarQuantizer": {"depth": 1},
    "GaussianNoise": {"clip": None},
    "LSTM": {"recurrent_dropout": 0.0},
    "Masking": {"patch": None},
    "PixelCNN": {"accumulate": 1, "precision": "float32", "context_size": None},
    "ResNet": {"flatten": True},
    "SoftmaxClassifier": {"class_weight": None},
    "TabularAutoencoder": {"numbers": "normal"},
    "TabularVAE": {
        "constraints": None,
        "numbers": "normal",
        "prior": None,
        "posterior": None,
        "pretrain_epochs": 0,
    },
    "Transformer": {"max_steps": None},
    "Upsample2d": {"mode": "nearest"},
    "VAE": {"prior": None, "posterior": None},
    "VectorQuantizer": {"gradient": "straight_through", "projection_dim": None},
    "VQVAE": {
        "gradient": "straight_through",
        "projection_dim": None,
        "groups": 1,
        "code_bits": None,
        "entropy_weight": 0.1,
    },
}
OLD_NAMES = {
    "EachStep": "TimeDistributed",
    "FedBack": "AutoregressiveLSTM",
    "MeanSteps": "MeanPool1d",
    "Positions": "PositionalEmbedding",
}


class Encoder:
    """Values to JSON, and modules with the weights that they share."""

    def __init__(self) -> None:
        self._met: list[Module] = []

    def value(self, value: Any, name: str) -> Any:
        """Return what stands for a value in JSON; ValueError if nothing can."""
        if isinstance(value, (np.bool_, np.integer, np.floating)):
            value = value.item()
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: expected a finite number to write, got {value}")
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, (tuple, list, np.ndarray)):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [self.value(v, name) for v in value]}
        if isinstance(value, dict):  # by labels
            pairs = [(self._label(k, name), self.value(v, name)) for k, v in value.items()]
            return {"dict": [list(pair) for pair in pairs]}
        if isinstance(value, Params):
            params = value.get_params(deep=False).items()
            inner = {k: self.value(v, f"{name}: {k}") for k, v in params}
            return {"class": type(value).__name__, "params": inner}
        if isinstance(value, Module):
            return {"module": self.module(value, name)}
        raise ValueError(
            f"{name}: expected one of aecore's own objects to write, got {value!r}; pickle holds it"
        )

    def _label(self, value: Any, name: str) -> bool | int | str:
        """Return a dictionary's key for JSON, in a list, as there all keys become strings."""
        plain = self.value(value, name)
        if not isinstance(plain, (bool, int, str)):
            raise ValueError(f"{name}: expected integers or strings as keys, got {value!r}")
        return plain

    def module(self, module: Module, name: str) -> dict[str, Any]:
        """Return a module's structure, without its parameters."""
        spec: dict[str, Any] = {"layer": type(module).__name__}
        for key, value in module.config().items():
            if key == "source":  # the layer whose weight this one has
                value = self._place(value, name)
            elif isinstance(value, Module):
                value = self.module(value, name)
            elif isinstance(value, tuple) and value and isinstance(value[0], Module):
                value = [self.module(v, name) for v in value]
            else:
                value = _plain(value, f"{name}: {type(module).__name__}: {key}")
            spec[key] = value
        self._met.append(module)
        return spec

    def _place(self, source: Module, name: str) -> int:
        """Return the number of a layer among those of its class that were met before."""
        found = [m for m in self._met if type(m) is type(source)]
        for i, module in enumerate(found):
            if module is source or getattr(module, "weight", 0) is getattr(source, "weight", 1):
                return i
        kind = type(source).__name__
        raise ValueError(f"{name}: expected a {kind} before the layer that is tied to it, got none")


def _plain(value: Any, name: str) -> Any:
    """Return a layer's argument for JSON, in which tuples are lists."""
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(v, name) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(
        f"{name}: expected a finite number, a string, None or a tuple of them to write, got "
        f"{value!r}; pickle holds the model"
    )


class Decoder:
    """JSON to values: strict, everything unknown is a ValueError.

    Parameters
    ----------
    classes : iterable of class
        What names stand for: classes with parameters, and modules. Of equal names the last counts.
    largest : int
        The largest size that a layer may have.
    """

    def __init__(self, classes: Iterable[type], largest: int) -> None:
        self._classes = {(c.__name__, issubclass(c, Module)): c for c in classes}
        self.largest = largest
        self._met: list[Module] = []

    def value(self, value: Any) -> Any:
        """Return the value that JSON stands for."""
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"expected a finite number, got {value}")
            return value
        if not isinstance(value, dict):
            raise ValueError(f"expected a value, got {value!r}")
        keys = set(value)
        if keys == {"tuple"} and isinstance(value["tuple"], list):
            return tuple(self.value(v) for v in value["tuple"])
        if keys == {"list"} and isinstance(value["list"], list):
            return [self.value(v) for v in value["list"]]
        if keys == {"dict"} and isinstance(value["dict"], list):
            return dict(map(self._pair, value["dict"]))
        if keys == {"module"}:
            return self.module(value["module"])
        if keys == {"class", "params"}:
            cls = self.named(value["class"], "class", Params)
            return cls(**self.params(value["params"], cls))
        raise ValueError(f"expected a value, got a dictionary with {sorted(keys)}")

    def _pair(self, found: Any) -> tuple[Any, Any]:
        if not (isinstance(found, list) and len(found) == 2):
            raise ValueError(f"expected a key and a value, got {found!r}")
        if not isinstance(found[0], (bool, int, str)):
            raise ValueError(f"expected an integer or a string as a key, got {found[0]!r}")
        return found[0], self.value(found[1])

    def named(self, name: Any, what: str, kind: type) -> Any:
        """Return the class that a name stands for; ValueError if it isn't one of a kind."""
        found = self._classes.get((name, kind is Module)) if isinstance(name, str) else None
        if found is None:
            raise ValueError(
                f"{what}: expected one of aecore's, got {name!r}; your own are given as "
                "load(path, classes=[...])"
            )
        return found

    def params(self, found: Any, cls: type) -> dict[str, Any]:
        """Return a class's parameters by name: all of them, but for those that came later."""
        if isinstance(found, dict):
            found = {**added_since(cls.__name__, names(cls)), **found}
        same_keys(found, names(cls), "parameters")
        return {k: self.value(found[k]) for k in names(cls)}

    def module(self, spec: Any) -> Module:
        """Return the module that a structure describes, with fresh parameters."""
        layer = spec.get("layer") if isinstance(spec, dict) else None
        if not isinstance(layer, str):
            raise ValueError(f"expected a module, got {spec!r}")
        name = OLD_NAMES.get(layer, layer)
        cls = self.named(name, "layer", Module)
        spec = ADDED.get(name, {}) | spec
        several: list[Module] = []
        single, options = "", dict[str, Any]()
        for key, parameter in inspect.signature(cls.__init__).parameters.items():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                single = key
        for key, value in spec.items():
            if key == "layer":
                continue
            if key == single:
                if not isinstance(value, list):
                    raise ValueError(f"{name}: expected a list of {key}, got {value!r}")
                several = [self.module(v) for v in value]
            else:
                options[key] = self._argument(cls, key, value)
        try:
            module: Module = cls(*several, **options)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from None
        same_keys(spec, ["layer", *module.config()], name)
        self._met.append(module)
        return module

    def _argument(self, cls: type, key: str, value: Any) -> Any:
        """Return a layer's argument."""
        if isinstance(value, dict):
            return self.module(value)
        if key == "source" and type(value) is int and hasattr(cls, "source_class"):
            return self._source(cls, value)
        sizes = value if isinstance(value, list) else [value]
        if any(type(n) is int and n > self.largest for n in sizes):
            raise ValueError(
                f"{cls.__name__}: {key}: expected at most {self.largest}, the size of the whole "
                f"file, got {value}"
            )
        return tuple(value) if isinstance(value, list) else value

    def _source(self, cls: Any, place: int) -> Module:
        """Return the layer whose weight one of a class has."""
        kind = cls.source_class
        found = [m for m in self._met if type(m) is kind]
        if not 0 <= place < len(found):
            raise ValueError(
                f"{cls.__name__}: source: expected one of {len(found)} layers before, got {place}"
            )
        return found[place]


def shown(value: Any) -> str:
    """Return what Python would show of the value that JSON stands for."""
    if not isinstance(value, dict):
        return repr(value)
    for kind, ends in (("tuple", "()"), ("list", "[]")):
        if kind in value:
            inner = ", ".join(map(shown, value[kind]))
            comma = "," if kind == "tuple" and len(value[kind]) == 1 else ""
            return f"{ends[0]}{inner}{comma}{ends[1]}"
    if "dict" in value:
        return "{" + ", ".join(f"{k!r}: {shown(v)}" for k, v in value["dict"]) + "}"
    if "class" in value:
        inner = ", ".join(f"{k}={shown(v)}" for k, v in value["params"].items())
        return f"{value['class']}({inner})"
    return str(value.get("module", value))


def added_since(name: str, known: Iterable[str]) -> dict[str, Any]:
    """Return the parameters of a class that files of 0.1.0 lack, as they were then.

    `known` are those that the class has.
    """
    added = ADDED_TO_MODELS | ADDED.get(name, {})
    return {parameter: value for parameter, value in added.items() if parameter in known}


def completed(value: Any) -> Any:
    """Return what stands for a value in a file, with the parameters that files of 0.1.0 lack."""
    if isinstance(value, list):
        return [completed(v) for v in value]
    if not isinstance(value, dict):
        return value
    value = {k: completed(v) for k, v in value.items()}
    if value.keys() == {"class", "params"} and isinstance(value["params"], dict):
        value["params"] = ADDED.get(str(value["class"]), {}) | value["params"]
    return value


def same_keys(found: Any, wanted: Any, what: str) -> None:
    """Raise ValueError unless the keys of `found` are exactly those wanted."""
    if not isinstance(found, dict):
        raise ValueError(f"{what}: expected a dictionary, got {type(found).__name__}")
    unknown, missing = set(found) - set(wanted), set(wanted) - set(found)
    if unknown or missing:
        raise ValueError(
            f"{what}: expected {sorted(missing) or 'no others'}, got {sorted(unknown) or 'none'}"
        )

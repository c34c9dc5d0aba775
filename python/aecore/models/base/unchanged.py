"""Whether a fitted model still has the parameters that its network was made with.

They can be set at any time: ``model.set_params(latent_dim=8)``, and ``model.arch.widths = (64,)``
too. The network stays what it is until a fresh `fit`, so that neither a `fit` that goes on nor a
file may take it for what the parameters now say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...base.params import Choice
from ...nn.module import Module
from ...nn.parameter import Parameter
from .options import Coding, Reconstructing

if TYPE_CHECKING:
    from ...base.sklearn import Estimator
    from ...training.network import Network
    from .model import BaseModel

FREE = Coding.__annotations__.keys() - Reconstructing.__annotations__.keys()  # training's
FREE |= {"model", "n_jobs"}  # of detectors, whose members are models of their own
PLAIN = (bool, int, float, str, bytes, type(None), np.generic, np.dtype, Choice)


def noted(model: Estimator) -> dict[str, str]:
    """Return what a model's parameters are, but for those of training: text, as lists can change.

    It costs microseconds, and what a network is made of milliseconds.
    """
    params = model.get_params(deep=False)
    return {name: _text(value) for name, value in params.items() if name not in FREE}


def _text(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # of an architecture of the user's that doesn't store its arguments
        return object.__repr__(value)


def check(model: BaseModel, name: str = "") -> None:
    """Raise ValueError where a fitted model's parameters would make another network than it has.

    `name` is the parameter that the model is of another one.
    """
    network, now = model._network, noted(model)
    if network.made_with == now:
        return
    then = network.made_with or {}
    learned = any(now.get(name) != then.get(name) for name in network.reader.params)
    if learned or not _is_same(model, network):
        raise changed(model, then, name)
    network.made_with = now


def changed(model: Estimator, then: dict[str, str], name: str = "") -> ValueError:
    """Return the error for a fitted estimator that isn't what it was fitted as."""
    now = noted(model)
    names = [own for own in now if now[own] != then.get(own)]
    expected, got = (
        ", ".join(f"{' '.join(params.get(own, 'another').split()):.60}" for own in names)
        for params in (then, now)
    )
    what = f"{name}: " if name else ""
    return ValueError(
        f"{what}{', '.join(names) or 'parameters'}: expected {expected or 'those'}, as in fit, got "
        f"{got or 'others'}; set it back, or fit afresh"
    )


def _is_same(model: BaseModel, network: Network) -> bool:
    """Return whether a fresh network, with what this one has learned of data, would be like it."""
    reader, conditioner = network.reader, network.conditioner
    if model._ignores_y and model._needs_y != (conditioner is not None):
        return False
    if model._sees_logs(reader) != network.counts:
        return False
    own, fresh = _forms(dict(network.children())), _forms(model._make_modules(reader, conditioner))
    return own.keys() == fresh.keys() and all(_alike(own[name], fresh[name]) for name in own)


def _alike(own: Any, fresh: Any) -> bool:
    """Return whether forms are equal, but for attributes that came later or are no more."""
    if isinstance(own, dict) and isinstance(fresh, dict):
        return all(own[name] == fresh[name] for name in own.keys() & fresh.keys())
    return bool(own == fresh)


def _forms(modules: dict[str, Module]) -> dict[str, Any]:
    """Return what modules are, but for the numbers that they learn."""
    found = dict[str, Any]()
    for prefix, outer in modules.items():
        for name, module in outer.modules(prefix):
            found[name] = _form(vars(module)) | {"class": type(module)}
        found |= {f"{prefix}.{name}": buffer.shape for name, buffer in outer.buffers()}
    return found


def _form(value: Any) -> Any:
    """Return what tells a value of a module from others; of what is learned it is the shape."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k != "seed" and not k.startswith("_")}
        return {name: _form(v) for name, v in kept.items()}
    if isinstance(value, (tuple, list)):
        return tuple(map(_form, value))
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype.kind in "iub" else value.shape
    if isinstance(value, Parameter):
        return value.shape
    return value if isinstance(value, PLAIN) else type(value)

"""Parameters and modules as JSON and back: explicit, so that reading can't run anything.

A value is None, a bool, a number, a string, a tuple or list of values, one of the classes of
`CHOICES` with its parameters, or a module made of the layers in `LAYERS`. Everything else is
refused both ways.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import arch, divergences, nn, penalties, priors
from ..base.params import Params, names
from ..data import corruption
from ..models import (
    VAE,
    VQVAE,
    AdversarialAutoencoder,
    Autoencoder,
    PixelCNN,
    Recirculation,
    StackedAutoencoder,
    TabularAutoencoder,
    TabularVAE,
)
from ..training import checkpoint, optim, schedules

CHOICES: dict[str, type[Params]] = {
    cls.__name__: cls
    for cls in (
        arch.Dense,
        arch.Conv,
        arch.ResNet,
        arch.LSTM,
        arch.Transformer,
        corruption.GaussianNoise,
        corruption.Masking,
        corruption.SaltAndPepper,
        corruption.SwapNoise,
        divergences.MMD,
        divergences.TotalCorrelation,
        penalties.L1Sparsity,
        penalties.KLSparsity,
        penalties.TopK,
        penalties.Contractive,
        priors.GaussianMixture,
        priors.Normal,
        schedules.Constant,
        schedules.Cosine,
        schedules.Step,
        schedules.Warmup,
        schedules.Product,
        optim.Adam,
        optim.AdamW,
        optim.SGD,
        checkpoint.Checkpoint,
        PixelCNN,
        # of a classifier or a detector: their parameters alone
        StackedAutoencoder,
        AdversarialAutoencoder,
        Autoencoder,
        Recirculation,
        TabularAutoencoder,
        TabularVAE,
        VAE,
        VQVAE,
    )
}


def _affine(module: Any) -> dict[str, Any]:
    return {"bias": module.bias is not None, "activation": module.activation}


def _linear(module: nn.Linear) -> dict[str, Any]:
    o, i = module.weight.shape
    return {"in_features": i, "out_features": o, **_affine(module)}


def _conv(module: Any) -> dict[str, Any]:
    k, _, _, c = module.weight.shape
    sizes = {name: getattr(module, name) for name in ("kernel_size", "stride", "padding")}
    return {"in_channels": c, "out_channels": k, **sizes, **_affine(module)}


def _conv_transpose(module: nn.ConvTranspose2d) -> dict[str, Any]:
    return {**_conv(module), "output_padding": module.output_padding}


def _masked(module: nn.MaskedConv2d) -> dict[str, Any]:
    k, _, _, c = module.weight.shape
    names = {"kernel_size": module.k, "direction": module.direction, "own": module.own}
    return {"in_channels": c, "out_channels": k, **names, **_affine(module)}


def _norm(module: Any) -> dict[str, Any]:
    return {"channels": module.channels, "eps": module.eps, "affine": module.weight is not None}


def _block(module: nn.TransformerBlock) -> dict[str, Any]:
    width, hidden = module.linear2.weight.shape
    return {"width": width, "heads": module.attention.heads, "feedforward": hidden}


def _lstm(module: nn.LSTM) -> dict[str, Any]:
    names = ("in_features", "units", "bidirectional", "steps", "last", "reverse")
    return {name: getattr(module, name) for name in names} | {"layers": len(module.layers)}


def _fed_back(module: nn.FedBack) -> dict[str, Any]:
    lstm = module.lstm
    sizes = {"in_features": module.codes, "features": module.features, "steps": module.steps}
    return sizes | {"units": lstm.units, "layers": len(lstm.layers), "reverse": lstm.reverse}


def _quantizer(module: nn.VectorQuantizer) -> dict[str, Any]:
    size, dim = module.codebook.shape
    names = ("commitment", "decay", "restart_dead", "distance")
    options = {name: getattr(module, name) for name in names} | {"codebook": module.mode}
    return {"codebook_size": size, "code_dim": dim, **options}


def _residual_quantizer(module: nn.ResidualQuantizer) -> dict[str, Any]:
    options = _quantizer(module.layers[0])
    del options["distance"]
    return {"depth": len(module.layers), **options}


# How each layer's __init__ would be called again.
LAYERS: dict[type[nn.Module], Callable[[Any], dict[str, Any]]] = {
    nn.Activation: lambda m: {"kind": m.kind},
    nn.BatchNorm2d: lambda m: {**_norm(m), "momentum": m.momentum},
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv_transpose,
    nn.Dropout: lambda m: {"rate": m.rate},
    nn.FedBack: _fed_back,
    nn.FiniteScalarQuantizer: lambda m: {"levels": m.levels},
    nn.Flatten: lambda m: {},
    nn.GroupNorm: lambda m: {"groups": m.groups, **_norm(m)},
    nn.LSTM: _lstm,
    nn.LayerNorm: _norm,
    nn.Linear: _linear,
    nn.MaskedConv2d: _masked,
    nn.MeanSteps: lambda m: {},
    nn.MaxPool2d: lambda m: {n: getattr(m, n) for n in ("kernel_size", "stride", "padding")},
    nn.MultiHeadAttention: lambda m: {"width": m.width, "heads": m.heads},
    nn.Positions: lambda m: {"steps": m.weight.shape[0], "width": m.weight.shape[1]},
    nn.Reshape: lambda m: {"shape": m.shape},
    nn.ResidualQuantizer: _residual_quantizer,
    nn.TiedConvTranspose2d: lambda m: {"output_padding": m.output_padding, **_affine(m)},
    nn.TiedLinear: _affine,
    nn.TransformerBlock: _block,
    nn.Upsample2d: lambda m: {"factor": m.factor},
    nn.VectorQuantizer: _quantizer,
}
# Layers around another module.
BODIES: dict[str, Any] = {cls.__name__: cls for cls in (nn.Residual, nn.EachStep)}
_LAYER_NAMES = {cls.__name__: cls for cls in LAYERS}
# Layers with another's weight: in a file each names its source by its number among those.
TIES: dict[type[nn.Module], type[nn.Module]] = {
    nn.TiedLinear: nn.Linear,
    nn.TiedConvTranspose2d: nn.Conv2d,
}


class Sources:
    """The layers met so far whose weights others may have too, by class and in order."""

    def __init__(self) -> None:
        self._met: dict[type[nn.Module], list[Any]] = {cls: [] for cls in TIES.values()}

    def meet(self, module: nn.Module) -> None:
        """Take note of a layer, if it is of such a class."""
        if type(module) in self._met:
            self._met[type(module)].append(module)

    def of(self, tied: type[nn.Module]) -> list[Any]:
        """Return the layers that one of the class `tied` may be tied to."""
        return self._met[TIES[tied]]


class Encoder:
    """Values to JSON, and modules with the ties among them."""

    def __init__(self) -> None:
        self._sources = Sources()

    def value(self, value: Any, name: str) -> Any:
        """Return what stands for a value in JSON; ValueError if nothing can."""
        if isinstance(value, (np.bool_, np.integer, np.floating)):
            value = value.item()
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: a file can't hold {value}")
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, (tuple, list, np.ndarray)):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [self.value(v, name) for v in value]}
        if type(value) in CHOICES.values():
            params = value.get_params(deep=False).items()
            inner = {k: self.value(v, f"{name}: {k}") for k, v in params}
            return {"class": type(value).__name__, "params": inner}
        if isinstance(value, nn.Module):
            return {"module": self.module(value, name)}
        raise ValueError(
            f"{name}: a file can't hold {value!r}; pickle holds it, or use aecore's own objects"
        )

    def module(self, module: Any, name: str) -> dict[str, Any]:
        """Return a module's structure, without its parameters."""
        cls = type(module)
        if cls is nn.Sequential:
            layers = [self.module(m, name) for m in module.layers]
            return {"layer": "Sequential", "layers": layers}
        if cls in BODIES.values():
            return {"layer": cls.__name__, "body": self.module(module.body, name)}
        if cls not in LAYERS:
            raise ValueError(
                f"{name}: {cls.__name__} is not a layer of aecore.nn, so a file can't hold it; "
                "pickle holds the model"
            )
        spec = {"layer": cls.__name__, **LAYERS[cls](module)}
        self._sources.meet(module)
        if cls in TIES:
            shared = [i for i, m in enumerate(self._sources.of(cls)) if m.weight is module.weight]
            if not shared:
                raise ValueError(f"{name}: a {cls.__name__} stands before the layer it is tied to")
            spec["source"] = shared[0]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in spec.items()}


class Decoder:
    """JSON to values: strict, everything unknown is a ValueError.

    Parameters
    ----------
    largest : int
        The largest size that a layer may have.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._sources = Sources()

    def value(self, value: Any) -> Any:
        """Return the value that JSON stands for."""
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"{value} is not finite")
            return value
        if not isinstance(value, dict):
            raise ValueError(f"expected a value, got {value!r}")
        keys = set(value)
        if keys == {"tuple"} and isinstance(value["tuple"], list):
            return tuple(self.value(v) for v in value["tuple"])
        if keys == {"list"} and isinstance(value["list"], list):
            return [self.value(v) for v in value["list"]]
        if keys == {"module"}:
            return self.module(value["module"])
        if keys == {"class", "params"}:
            cls = known(CHOICES, value["class"], "class")
            return cls(**self.params(value["params"], names(cls)))
        raise ValueError(f"expected a value, got something with {sorted(keys)}")

    def params(self, found: Any, wanted: Iterable[str]) -> dict[str, Any]:
        """Return parameters by name, exactly those wanted."""
        same_keys(found, wanted, "parameters")
        return {k: self.value(found[k]) for k in wanted}

    def module(self, spec: Any) -> nn.Module:
        """Return the module that a structure describes, with fresh parameters."""
        if not isinstance(spec, dict) or "layer" not in spec:
            raise ValueError(f"expected a module, got {spec!r}")
        options: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in spec.items()
        }
        name = options.pop("layer")
        if name == "Sequential":
            same_keys(options, ["layers"], name)
            return nn.Sequential(*map(self.module, options["layers"]))
        if name in BODIES:
            same_keys(options, ["body"], name)
            return BODIES[name](self.module(options["body"]))
        cls = known(_LAYER_NAMES, name, "layer")
        sizes = [n for v in options.values() for n in (v if isinstance(v, tuple) else (v,))]
        if any(isinstance(n, int) and n > self.largest for n in sizes):
            raise ValueError(f"{name}: larger than everything in the file")
        if cls in TIES:
            source, sources = options.pop("source", None), self._sources.of(cls)
            if type(source) is not int or not 0 <= source < len(sources):
                raise ValueError(f"{name}: there is no layer {source!r}")
            module = cls(sources[source], **options)
        else:
            module = cls(**options)
        same_keys(options, LAYERS[cls](module), name)
        self._sources.meet(module)
        return module


def known(table: dict[str, Any], name: Any, what: str) -> Any:
    """Return a table's entry; ValueError if there is none."""
    if not isinstance(name, str) or name not in table:
        raise ValueError(f"unknown {what} {name!r}")
    return table[name]


def same_keys(found: Any, wanted: Any, what: str) -> None:
    """Raise ValueError unless the keys of `found` are exactly those wanted."""
    if not isinstance(found, dict):
        raise ValueError(f"{what}: expected a dictionary, got {type(found).__name__}")
    unknown, missing = set(found) - set(wanted), set(wanted) - set(found)
    if unknown or missing:
        parts = [f"unknown {sorted(unknown)}"] if unknown else []
        parts += [f"missing {sorted(missing)}"] if missing else []
        raise ValueError(f"{what}: {', '.join(parts)}")

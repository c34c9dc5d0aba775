"""Weights in PyTorch's names and layouts, to it and from it, without PyTorch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arch.base import conditioned_shape
from ..base.arrays import as_array
from ..files import container
from ..models.base.model import BaseModel
from ..nn.containers import starts_flat
from ..nn.tape import Shape
from ._parts import conditioner, latent_shape
from ._weights import Walk, channels_first

WRAPPERS = ("module", "_orig_mod")  # what DataParallel and torch.compile put into names
IN_CHECKPOINTS = ("state_dict", "model_state_dict", "model")


def to_torch(model: Any) -> dict[str, np.ndarray]:
    r"""Return a fitted model's weights as a PyTorch ``state_dict`` of the same network has them.

    Names begin with the part: ``encoder``, ``decoder``, ``quantizer``, ``discriminator`` or
    ``pixelcnn``. Parts are numbered as a `torch.nn.Sequential` is in which activations, `Flatten`
    and `Unflatten` are layers of their own, so that one of the same layers takes them as they are.
    In a layer they are called

    ==============================  ================================================================
    layer                           names and shapes
    ==============================  ================================================================
    Linear                          weight (O, I), bias (O,)
    Conv2d                          weight (K, C / groups, R, S), bias (K,)
    ConvTranspose2d                 weight (C, K, R, S), bias (K,)
    Conv1d                          weight (K, C / groups, S), bias (K,)
    ConvTranspose1d                 weight (C, K, S), bias (K,)
    BatchNorm2d                     weight, bias, running_mean, running_var (C,),
                                    num_batches_tracked: 0, since aecore doesn't count
    LayerNorm, GroupNorm            weight, bias (C,)
    LSTM                            weight_ih_l0 (4H, I), weight_hh_l0 (4H, H), bias_ih_l0 (4H,) and
                                    bias_hh_l0, which is 0; l1 and so on, and _l0_reverse
    GRU                             the same with 3H; bias_hh_l0 is 0 for r and z
    MultiHeadAttention              in_proj_weight (3C, C), in_proj_bias, out_proj.weight, ...
    TransformerBlock                those of `torch.nn.TransformerEncoderLayer`: self_attn, linear1,
                                    linear2, norm1, norm2
    Residual                        body, and what is in it
    TimeDistributed                 those of what it applies to each step
    TiedLinear                      bias alone
    TiedConvTranspose2d and 1d      bias alone
    PositionalEmbedding,            as in `parameters_`; EMA codebooks as entries, count and sum
    AutoregressiveLSTM, quantizers
    ==============================  ================================================================

    PyTorch has images channels first, and sequences where they are convolved. Where one is
    flattened in front of a linear layer or made of its output, that layer's columns or rows are in
    PyTorch's order, so that both libraries give the same codes. A condition stands behind the
    features, or the channels.

    Parameters
    ----------
    model : Autoencoder, VAE or another of aecore's models

    Returns
    -------
    dict of str to ndarray
        Copies, of float32. ``safetensors.numpy.save_file`` writes them for any program;
        ``{k: torch.from_numpy(v) for k, v in state.items()}`` is for ``load_state_dict``.

    Raises
    ------
    NotImplementedError
        For layers whose layout in PyTorch isn't known: the user's own, or images that are flattened
        without a linear layer behind.
    ValueError
        For a model that isn't fitted.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((50, 8, 8, 3))
    >>> model = ae.Autoencoder(ae.Conv((4, 6)), latent_dim=2, epochs=1).fit(X)
    >>> state = ae.to_torch(model)
    >>> [name for name in state if name.startswith("encoder") and "weight" in name]
    ['encoder.0.weight', 'encoder.2.weight', 'encoder.5.weight']
    >>> state["encoder.2.weight"].shape
    (6, 4, 4, 4)
    """
    walk = _walk(model)
    state: dict[str, np.ndarray] = {}
    with model._fitted().lock:
        for weight in walk.weights:
            state[weight.name] = weight.get()
            if weight.twin:
                state[weight.twin] = np.zeros_like(state[weight.name])
    return state | {name: np.zeros((), np.int64) for name in walk.counters}


def from_torch(model: Any, state: Any) -> Any:
    """Give a model the weights of a PyTorch ``state_dict``; see `to_torch` for names and layouts.

    The two biases of an LSTM, and of a GRU's gates, are added up, which is all that counts of them.
    What training keeps beside weights stays as it is.

    Parameters
    ----------
    model : Autoencoder, VAE or another of aecore's models
        Fitted, or made ready by `initialize`; it is changed.
    state : mapping of str to array or tensor, str or path-like
        All weights and no others, or the safetensors file that has them. PyTorch isn't needed.
        bfloat16, float16 and float64 are converted. It may also be a checkpoint, a mapping that has
        them as ``state_dict``, ``model_state_dict`` or ``model``. What wrappers put in front of
        names is left out: ``module.`` and ``_orig_mod.`` anywhere, and a first part that is the
        same in all names.

    Returns
    -------
    model

    Raises
    ------
    TypeError, ValueError
        For names that are missing or unexpected, for other shapes, and for what isn't a finite
        float. Nothing has changed then.
    NotImplementedError
        As `to_torch`.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((50, 20))
    >>> trained = ae.Autoencoder(ae.Dense((16,)), latent_dim=2, epochs=2).fit(X)
    >>> fresh = ae.Autoencoder(ae.Dense((16,)), latent_dim=2).initialize(X)
    >>> fresh = ae.from_torch(fresh, ae.to_torch(trained))
    >>> bool((fresh.transform(X) == trained.transform(X)).all())
    True
    """
    walk, found = _walk(model), _read(state)
    wanted = {w.name: w.shape for w in walk.weights}
    wanted |= {w.twin: w.shape for w in walk.weights if w.twin}
    found = _unwrapped(found, {*wanted, *walk.counters})
    _check_names(found, set(wanted), set(walk.counters))
    given = {name: _checked(name, found[name], shape) for name, shape in wanted.items()}
    network = model._fitted()
    with network.lock:
        network.thaw()
        for weight in walk.weights:
            value = given[weight.name]
            if weight.twin and given[weight.twin].any():
                value = value + given[weight.twin]
            weight.put(value)
    return model


def _walk(model: Any) -> Walk:
    """Return where a model's weights are."""
    if not isinstance(model, BaseModel):
        raise TypeError(f"model: expected one of aecore's models, got {type(model).__name__}")
    network, walk = model._fitted(), Walk()
    known = conditioner(model)
    width = 0 if known is None else known.width
    of_samples = "encoder" if hasattr(network, "encoder") else "discriminator"
    for name, module in network.children():
        shape: Shape | None = None
        order = None
        if name == of_samples:
            shape = conditioned_shape(module, network.input_shape, width)
            if width and starts_flat(module):
                order = channels_first(network.input_shape)
        elif name == "decoder":
            *room, last = latent_shape(model)
            shape = (*room, last + width)
        if order is not None and shape is not None:
            order = np.concatenate([order, np.arange(len(order), shape[0])])  # conditions behind
        walk.through(module, name, shape, order)
    return walk


def _check_names(found: Mapping[str, Any], wanted: set[str], optional: set[str]) -> None:
    def shown(names: set[str]) -> str:
        return ", ".join(sorted(names)[:5]) + (", ..." if len(names) > 5 else "")

    unexpected = set(found) - wanted - optional
    if missing := wanted - set(found):
        instead = f" but {shown(unexpected)}" if unexpected else ""
        raise ValueError(f"state: expected {shown(missing)}, got none of that name{instead}")
    if unexpected:
        raise ValueError(f"state: expected no others than the model's, got {shown(unexpected)}")


def _unwrapped(found: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Return arrays by the names that they have without wrappers around modules."""

    def plain(name: str) -> str:
        return ".".join(part for part in name.split(".") if part not in WRAPPERS)

    def renamed(names: list[str]) -> dict[str, Any]:
        if len(set(names)) < len(found):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"state: expected one array for {twice}, got several")
        return dict(zip(names, found.values(), strict=True))

    heads = {name.partition(".")[0] for name in known}
    found = renamed([name if name in known else plain(name) for name in found])
    while found and all("." in name for name in found):
        first, *others = {name.partition(".")[0] for name in found}
        if others or first in heads:
            break
        found = renamed([name.partition(".")[2] for name in found])
    return found


def _read(state: Any) -> dict[str, Any]:
    """Return the arrays or tensors by name."""
    if isinstance(state, Mapping):
        inner = (state[key] for key in IN_CHECKPOINTS if isinstance(state.get(key), Mapping))
        state = next(inner, state)
        if odd := [name for name in state if not isinstance(name, str)]:
            raise TypeError(f"state: expected names of weights, got {odd[0]!r}")
        return dict(state)
    if not isinstance(state, (str, os.PathLike)):
        hint = ": pass its state_dict()" if hasattr(state, "state_dict") else ""
        raise TypeError(f"state: expected a mapping or a path, got {type(state).__name__}{hint}")
    try:
        return dict(container.read(state)[0])
    except ValueError as error:
        hint = _hint(state)
        raise ValueError(f"{os.fspath(state)}: expected a file of weights{hint}: {error}") from None


def _hint(path: Any) -> str:
    """Return what to say of a file that torch.save has written."""
    with open(path, "rb") as file:
        torchs = file.read(4)[:2] in (b"PK", b"\x80\x02")
    return ", as safetensors has them; pass torch.load(path) instead" if torchs else ""


def _of_tensor(name: str, value: Any) -> np.ndarray:
    """Return a tensor as an array; bfloat16 and smaller floats, which NumPy lacks, as float32."""
    try:
        return as_array(value)
    except (RuntimeError, TypeError, ValueError) as error:  # on no device, sparse, ...
        what = f"{getattr(value, 'dtype', '')} on {getattr(value, 'device', '')}"
        raise TypeError(f"{name}: expected a tensor of floats, got {what}: {error}") from None


def _checked(name: str, value: Any, shape: Shape) -> np.ndarray:
    """Return a value as float32, if it is what is wanted."""
    if hasattr(value, "detach"):  # a tensor
        value = _of_tensor(name, value)
    value = np.asarray(value)
    if value.dtype.kind == "V" and "float" in value.dtype.name:  # of ml_dtypes
        value = value.astype(np.float32)
    if value.dtype.kind != "f":
        raise TypeError(f"{name}: expected floats, got {value.dtype}")
    if value.shape != shape:
        raise ValueError(f"{name}: expected the shape {shape}, got {value.shape}")
    with np.errstate(over="ignore"):
        value = value.astype(np.float32)
    if not np.isfinite(value).all():
        raise ValueError(f"{name}: expected numbers finite in float32, got NaN, infinity or larger")
    return value

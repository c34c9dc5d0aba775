"""Weights in PyTorch's names and layouts, to it and from it, without PyTorch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arch.base import conditioned_shape
from ..files import container
from ..models.base.model import BaseModel
from ..nn.containers import starts_flat
from ..nn.tape import Shape
from ._parts import conditioner, latent_shape
from ._weights import Walk, channels_first


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
    Conv2d                          weight (K, C, R, S), bias (K,)
    ConvTranspose2d                 weight (C, K, R, S), bias (K,)
    BatchNorm2d                     weight, bias, running_mean, running_var (C,),
                                    num_batches_tracked: 0, since aecore doesn't count
    LayerNorm, GroupNorm            weight, bias (C,)
    LSTM                            weight_ih_l0 (4H, I), weight_hh_l0 (4H, H), bias_ih_l0 (4H,) and
                                    bias_hh_l0, which is 0; l1 and so on, and _l0_reverse
    MultiHeadAttention              in_proj_weight (3C, C), in_proj_bias, out_proj.weight, ...
    TransformerBlock                those of `torch.nn.TransformerEncoderLayer`: self_attn, linear1,
                                    linear2, norm1, norm2
    Residual                        body, and what is in it
    TimeDistributed                 those of what it applies to each step
    TiedLinear                      bias alone
    TiedConvTranspose2d             bias alone
    PositionalEmbedding,            as in `parameters_`; EMA codebooks as entries, count and sum
    AutoregressiveLSTM, quantizers
    ==============================  ================================================================

    PyTorch has images channels first. Where one is flattened in front of a linear layer or made of
    its output, that layer's columns or rows are in PyTorch's order, so that both libraries give the
    same codes. A condition stands behind the features, or the channels.

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

    The two biases of an LSTM are added up, which is all that counts of them. What training keeps
    beside weights stays as it is.

    Parameters
    ----------
    model : Autoencoder, VAE or another of aecore's models
        Fitted, or made ready by `initialize`; it is changed.
    state : mapping of str to array or tensor, str or path-like
        All weights and no others, or the safetensors file that has them. PyTorch isn't needed.
        float16 and float64 are converted, of files bfloat16 too.

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
    wanted = {w.name: w.value.shape for w in walk.weights}
    wanted |= {w.twin: w.value.shape for w in walk.weights if w.twin}
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

    if missing := wanted - set(found):
        raise ValueError(f"state: expected {shown(missing)}, got none of that name")
    if unexpected := set(found) - wanted - optional:
        raise ValueError(f"state: expected no others than the model's, got {shown(unexpected)}")


def _read(state: Any) -> dict[str, Any]:
    """Return the arrays or tensors by name."""
    if isinstance(state, Mapping):
        return dict(state)
    if not isinstance(state, (str, os.PathLike)):
        raise TypeError(f"state: expected a mapping or a path, got {type(state).__name__}")
    try:
        return dict(container.read(state)[0])
    except ValueError as error:
        raise ValueError(f"{os.fspath(state)}: expected a file of weights: {error}") from None


def _checked(name: str, value: Any, shape: Shape) -> np.ndarray:
    """Return a value as float32, if it is what is wanted."""
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    value = np.asarray(value)
    if value.dtype.kind != "f":
        raise TypeError(f"{name}: expected floats, got {value.dtype}")
    if value.shape != shape:
        raise ValueError(f"{name}: expected the shape {shape}, got {value.shape}")
    with np.errstate(over="ignore"):
        value = value.astype(np.float32)
    if not np.isfinite(value).all():
        raise ValueError(f"{name}: expected numbers finite in float32, got NaN, infinity or larger")
    return value

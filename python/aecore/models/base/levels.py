"""The levels of a dense network: autoencoders of one hidden layer, each on the codes below it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...arch.base import activated, counts
from ...arch.dense import Dense
from ...nn.containers import Sequential
from ...nn.linear import Affine, Linear, TiedLinear
from ...nn.module import Module
from ...nn.shape import Flatten, Reshape
from ...nn.tape import Shape
from ...training.network import Network

Coders = tuple[Module, Module]


class Level(NamedTuple):
    """One hidden layer of a network, and the autoencoder that it is pretrained as.

    Attributes
    ----------
    width : int
        Of its codes.
    loss : str
        Of its autoencoder.
    coders : (Module, Module)
        An encoder and a decoder of its own, of one layer each.
    layers : tuple of Affine
        The network's two layers that these are copied to.
    """

    width: int
    loss: str
    coders: Coders
    layers: tuple[Affine, ...]


def depth(arch: Dense) -> int:
    """Return how many levels an architecture has, that of the code included."""
    return len(counts("widths", arch.widths)) + 1


def levels(network: Network, arch: Dense, latent_dim: int, loss: str, tied: bool) -> list[Level]:
    """Return the levels of a network that `arch` has built, from the input up.

    The first has the model's loss. The others reconstruct the codes below, which are sigmoids, for
    bce, or anything, for mse.
    """
    widths = (*counts("widths", arch.widths), latent_dim)
    upper = "bce" if arch.activation == "sigmoid" else "mse"
    down, up = linears(network.encoder), linears(network.decoder)[::-1]
    shape, found = network.input_shape, []
    for k, width in enumerate(widths):
        own = loss if k == 0 else upper
        inner = None if k == len(widths) - 1 else arch.activation
        # bce takes logits, and the first level has the network's output
        outer = None if k == 0 or upper == "bce" else arch.activation
        coders = shallow(shape, width, inner, outer, tied=tied)
        found.append(Level(width, own, coders, (down[k], up[k])))
        shape = (width,)
    return found


def shallow(
    shape: Shape, width: int, inner: str | None, outer: str | None = None, *, tied: bool = False
) -> Coders:
    """Return an encoder and a decoder of one layer each, with their activations."""
    features = math.prod(shape)
    encoder = activated(Linear, features, width, activation=inner)
    decoder = (
        activated(TiedLinear, encoder[0], activation=outer)
        if tied
        else activated(Linear, width, features, activation=outer)
    )
    if len(shape) > 1:
        encoder, decoder = [Flatten(), *encoder], [*decoder, Reshape(shape)]
    return Sequential(*encoder), Sequential(*decoder)


def encoder_levels(shape: Shape, arch: Dense, latent_dim: int, top: int) -> list[list[Module]]:
    """Return fresh layers of an encoder's levels from the input up to the one numbered `top`."""
    sizes = (math.prod(shape), *counts("widths", arch.widths), latent_dim)
    last = len(sizes) - 1
    found = [
        activated(Linear, a, b, activation=arch.activation if k < last else None)
        for k, (a, b) in enumerate(pairwise(sizes[: top + 1]), 1)
    ]
    if len(shape) > 1:
        found[0].insert(0, Flatten())
    return found


def split(encoder: Module) -> list[list[Module]]:
    """Return an encoder's layers by level: each has one that is fully connected."""
    assert isinstance(encoder, Sequential)
    starts = [i for i, layer in enumerate(encoder.layers) if isinstance(layer, Linear)]
    ends = [0, *starts[1:], len(encoder.layers)]
    return [list(encoder.layers[a:b]) for a, b in pairwise(ends)]


def linears(module: Module) -> list[Affine]:
    """Return the fully connected layers inside a module, in order."""
    return [layer for _, layer in module.modules() if isinstance(layer, Linear)]


def copy_values(source: tuple[Affine, ...], target: tuple[Affine, ...]) -> None:
    """Give layers the weights and biases of others."""
    for theirs, ours in zip(source, target, strict=True):
        for (_, a), (_, b) in zip(theirs.parameters(), ours.parameters(), strict=True):
            np.copyto(b.value, a.value)

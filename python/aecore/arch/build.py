"""How a model gets its encoder and decoder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ..nn.init import use_init
from ..nn.module import Module
from ..nn.tape import Shape
from .base import Arch, Code, Downsampling, check_untied, conditioned_shape
from .conv import Conv
from .dense import Dense
from .lstm import LSTM

Pair = tuple[Module, Module]
ARCHITECTURES = "Conv Dense GRU LSTM ResNet Transformer UNet".split()


def build_network(
    arch: Any,
    input_shape: Shape,
    code: Code,
    output_shape: Shape | None = None,
    *,
    condition: int = 0,
    tied: bool = False,
    init: str | None = None,
    maps: bool = False,
) -> Pair:
    """Return the encoder and decoder that an estimator's `arch` stands for.

    Parameters
    ----------
    arch : None, Arch or (Module, Module)
        None is `Dense` for samples (F,) and (T, F), and `Conv` for samples (H, W,
        C), with fewer convolutions where the images are small. Modules are copied.
    input_shape, code, condition, tied
        See `Arch.build`.
    output_shape : tuple of int, optional
        Of what the decoder is to give, if that isn't of the input's shape.
    init : str, optional
        How fresh weights are drawn, see `aecore.nn.init`. None is the architecture's own choice,
        and how modules draw them by themselves.
    maps : bool
        Whether modules of the user's own may make maps of codes of images, where vectors are
        asked for.

    Returns
    -------
    encoder, decoder : Module

    Raises
    ------
    TypeError
        For an arch that is none of these.
    ValueError
        Where shapes don't agree.
    """
    input_shape = tuple(input_shape)
    restored = input_shape if output_shape is None else tuple(output_shape)
    if isinstance(arch, Arch) and not arch.has_code:  # what the decoder is given is the sample
        code = Code(input_shape[-1], input_shape[-1], True)
    elif isinstance(arch, Arch) and arch.has_maps:
        code = code._replace(spatial=True)
    if arch is None or isinstance(arch, Arch):
        pair = _built(arch, input_shape, restored, code, init, condition, tied)
    elif isinstance(arch, Sequence) and [isinstance(m, Module) for m in arch] == [True, True]:
        if tied:
            raise ValueError(
                "tied: expected False for modules of your own, which tie weights by nn.TiedLinear "
                "and nn.TiedConvTranspose2d, got True"
            )
        pair = copy.deepcopy((arch[0], arch[1]))  # in one go: they may share weights
        for module in pair:
            use_init(module, init or "uniform")
        if maps and len(input_shape) == 3:
            code = code._replace(spatial=code.spatial or _makes_maps(pair[0], input_shape))
    else:
        raise TypeError(
            "arch: expected None, an architecture such as Dense(), or an encoder and a decoder "
            f"made of aecore.nn modules, got {arch!r}{_meant(arch)}"
        )
    check_network(*pair, input_shape, code, condition, restored)
    return pair


def _makes_maps(encoder: Module, shape: Shape) -> bool:
    """Return whether an encoder makes a map of an image."""
    try:
        return len(encoder.output_shape(shape)) == 3
    except ValueError:
        return False  # it says what is wrong elsewhere


def _built(
    arch: Arch | None,
    shape: Shape,
    restored: Shape,
    code: Code,
    init: str | None,
    condition: int,
    tied: bool,
) -> Pair:
    """Return an encoder of samples of one shape, and a decoder to those of another or the same."""
    there = default_arch(shape) if arch is None else arch
    back = there
    if restored != shape and (arch is None or not _takes(arch, shape, restored)):
        back = default_arch(restored)
    if there is back:
        pair = there.between(shape, restored, code, condition=condition, tied=tied)
    else:
        check_untied(tied, shape, restored)
        encoder, _ = there.build(shape, code, condition=condition)
        pair = encoder, back.build(restored, code, condition=condition)[1]
    for module, source in zip(pair, (there, back), strict=True):
        use_init(module, init or source.usual_init)
    return pair


def _takes(arch: Arch, shape: Shape, restored: Shape) -> bool:
    """Return whether an architecture for samples of one shape is for those of another too."""
    if not arch.has_code:  # encoder and decoder can't be two architectures
        return True
    return len(shape) == len(restored) or isinstance(arch, Dense)


def default_arch(input_shape: Shape, recurrent: bool = False) -> Arch:
    """Return the architecture that None stands for.

    `recurrent` is whether sequences may have different lengths, or else have always had an LSTM.
    Of one length `Dense` rebuilds them best: docs/family/sequences.md has figures.
    """
    if len(input_shape) == 2 and recurrent:
        return LSTM()
    if len(input_shape) in (1, 2):
        return Dense()
    if len(input_shape) == 3:
        # as many of the convolutions as a small image has room for
        levels = Downsampling.as_far_as_possible(input_shape[:2], 3, 4, 2).levels
        return Conv(Conv().channels[:levels]) if levels else Dense()
    raise ValueError(
        "arch: expected an architecture, as there is a default for samples (F,), (T, F) and "
        f"(H, W, C) alone, got None for samples of shape {input_shape}"
    )


def check_network(
    encoder: Module,
    decoder: Module,
    input_shape: Shape,
    code: Code,
    condition: int,
    output_shape: Shape,
) -> None:
    """Raise ValueError unless the encoder gives the code and the decoder the output's shape."""

    def through(name: str, module: Module, shape: Shape) -> Shape:
        try:
            return module.output_shape(shape)
        except ValueError as error:
            message = f"arch: {name}: expected a module for samples of shape {shape}: {error}"
            raise ValueError(message) from None

    given = through("encoder", encoder, conditioned_shape(encoder, input_shape, condition))
    room = given[:-1] if code.spatial else ()
    if given != (*room, code.outputs):
        raise ValueError(
            f"arch: encoder: expected codes of shape {(*room, code.outputs)} for samples of shape "
            f"{input_shape}, got {given}"
        )
    restored = through("decoder", decoder, (*room, code.inputs + condition))
    if restored != output_shape:
        raise ValueError(
            f"arch: decoder: expected samples of shape {output_shape} for codes of shape "
            f"{(*room, code.inputs)}, got {restored}"
        )


def _meant(arch: Any) -> str:
    """Return what to add to a message about widths of layers or a name for an architecture."""
    if isinstance(arch, (int, tuple, list)) and not isinstance(arch, bool):
        widths = (arch,) if isinstance(arch, int) else tuple(arch)
        if widths and all(isinstance(width, int) for width in widths):
            return f"; did you mean Dense({widths!r})?"
    names = {name.lower(): name for name in ARCHITECTURES}
    if isinstance(arch, str) and arch.lower() in names:
        return f"; did you mean {names[arch.lower()]}()?"
    return ""

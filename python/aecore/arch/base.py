"""What architectures share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

from ..base import checks
from ..base.checks import integer
from ..base.params import Choice
from ..nn.activation import Activation
from ..nn.containers import starts_flat
from ..nn.convolution import ConvTranspose2d, TiedConvTranspose2d
from ..nn.convolution1d import ConvTranspose1d, TiedConvTranspose1d
from ..nn.module import Module
from ..nn.ops.products import FUSED
from ..nn.ops.sizes import Size, next_multiple
from ..nn.sizes import CropToInput, PadToMultiple
from ..nn.tape import Shape


class Code(NamedTuple):
    """What the encoder must give and the decoder takes.

    Attributes
    ----------
    outputs : int
        Width of what the encoder gives: latent_dim, or twice that for means and log-variances.
    inputs : int
        Width of what the decoder takes, without a condition.
    spatial : bool
        Whether the code of an image is a map (h, w, width), and of a sequence (t, width), rather
        than a vector.
    """

    outputs: int
    inputs: int
    spatial: bool = False


class Arch(Choice):
    """An architecture: parameters by name, compared by value. A subclass implements `build`.

    Attributes
    ----------
    has_code : bool
        Whether there is a code: one without has an encoder that gives back what it takes.
    usual_init : str
        How fresh weights are drawn where a model doesn't say, see `aecore.nn.init`.
    """

    has_code: ClassVar[bool] = True
    usual_init = "uniform"

    @property
    def has_maps(self) -> bool:
        """Whether codes of images are maps, whatever the model, and images have any size."""
        return False

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make a fresh encoder and decoder.

        Parameters
        ----------
        input_shape : tuple of int
            Of one sample, (F,), (T, F) or (H, W, C), which the decoder restores.
        code : Code
        condition : int
            Width of a vector that the model puts behind the last axis of the encoder's input (or
            of its flattened input, if the encoder starts with `Flatten`) and of the code.
        tied : bool
            Whether the decoder uses the encoder's weights.

        Returns
        -------
        encoder, decoder : Module

        Raises
        ------
        TypeError, ValueError
            For samples of another form or too small, or parameters that make no sense.
        """
        raise NotImplementedError

    def between(
        self,
        input_shape: Shape,
        output_shape: Shape,
        code: Code,
        *,
        condition: int = 0,
        tied: bool = False,
    ) -> tuple[Module, Module]:
        """Make an encoder of samples of one shape, and a decoder to those of another.

        Parameters
        ----------
        input_shape, output_shape : tuple of int
        code, condition, tied
            As of `build`.

        Returns
        -------
        encoder, decoder : Module
        """
        if input_shape == output_shape:
            return self.build(input_shape, code, condition=condition, tied=tied)
        check_untied(tied, input_shape, output_shape)
        encoder, _ = self.build(input_shape, code, condition=condition)
        _, decoder = self.build(output_shape, code, condition=condition)
        return encoder, decoder

    def _any_size(
        self, size: Size, stride: Any, levels: int
    ) -> tuple[list[Module], Size, list[Module]]:
        """Return what lets strided convolutions take images of any size, if they are to.

        Returns
        -------
        list of Module
            The layers before them.
        (int, int)
            The size that they are made for.
        list of Module
            The layers behind what goes back.
        """
        checks.boolean("flatten", getattr(self, "flatten", False))
        if not self.has_maps:
            return [], size, []
        multiple = integer("stride", stride, 1) ** levels
        if multiple == 1:
            return [], size, []
        before, behind = PadToMultiple(multiple), CropToInput(size, multiple)
        return [before], next_multiple(size, multiple), [behind]

    def _refuse_tied(self, tied: bool) -> None:
        if tied:
            name = type(self).__name__
            raise ValueError(
                f"tied: expected False for {name}, as only Dense and Conv tie weights, got True"
            )


def conditioned_shape(encoder: Module, shape: Shape, condition: int) -> Shape:
    """Return the shape of an encoder's input: samples of a shape with a condition appended.

    The condition is appended to the last axis, at every pixel. An encoder that starts by flattening
    has it once, behind the flattened sample.
    """
    if condition and starts_flat(encoder):
        shape = (math.prod(shape),)
    return (*shape[:-1], shape[-1] + condition) if shape else shape


# ---- pieces -------------------------------------------------------------------------------------


def counts(name: str, values: Any, least: int = 0) -> tuple[int, ...]:
    """Return a sequence of positive integers, at least so many of them, as a tuple."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a sequence of integers, got {values!r}")
    found = tuple(integer(name, v, 1) for v in values)
    if len(found) < least:
        raise ValueError(f"{name}: expected at least {least}, got none")
    return found


def check_untied(tied: bool, shape: Shape, restored: Shape) -> None:
    """Raise ValueError for weights that would be shared between samples of two shapes."""
    if tied:
        raise ValueError(
            f"tied: expected False for targets of another shape than samples, {shape}, got "
            f"{restored} and True"
        )


def check_tied(code: Code, condition: int) -> None:
    """Raise ValueError unless the way back through the encoder's weights starts at the code."""
    if condition:
        raise ValueError(
            "tied: expected False with conditions, which only the encoder takes in, got True"
        )
    if code.inputs != code.outputs:
        raise ValueError(
            f"tied: expected False for an encoder of {code.outputs} outputs and a decoder of "
            f"{code.inputs} inputs, which only an Autoencoder has equally many of, got True"
        )


def image_shape(arch: Arch, shape: Shape, condition: int) -> tuple[int, int, int, int]:
    """Return an image's height, width and channels, and its channels with the condition."""
    if len(shape) != 3:
        raise ValueError(
            f"{type(arch).__name__}: expected images (H, W, C), got samples of shape {shape}"
        )
    h, w, c = counts("input_shape", shape)
    return h, w, c, c + condition


def activated(layer: Callable[..., Module], *args: Any, activation: Any) -> list[Module]:
    """Return a layer with its activation: fused where that can be, behind it otherwise."""
    if activation in (None, "linear"):
        return [layer(*args)]
    if activation in FUSED:
        return [layer(*args, activation=activation)]
    return [layer(*args), Activation(activation)]


class Downsampling(NamedTuple):
    """The sizes of an image between strided convolutions, and the upsampling that restores them.

    A sequence has one size. The padding keeps size / stride where it can: 1 for kernel 4 and
    stride 2.
    """

    sizes: list[tuple[int, ...]]
    kernel_size: int
    stride: int
    padding: int

    @classmethod
    def as_far_as_possible(
        cls, size: Sequence[int], levels: int, kernel_size: int, stride: int
    ) -> Downsampling:
        """Return the sizes, with fewer levels where nothing is left of the image before."""
        kernel_size, stride = integer("kernel_size", kernel_size, 1), integer("stride", stride, 1)
        padding = max(0, (kernel_size - stride + 1) // 2)
        sizes = [tuple(size)]
        for _ in range(levels):
            found = tuple((n + 2 * padding - kernel_size) // stride + 1 for n in sizes[-1])
            if min(found) < 1:
                break
            sizes.append(found)
        return cls(sizes, kernel_size, stride, padding)

    @classmethod
    def of(
        cls, name: str, size: Sequence[int], levels: int, kernel_size: int, stride: int
    ) -> Downsampling:
        """Return the sizes; ValueError where nothing is left of the image before the last level."""
        down = cls.as_far_as_possible(size, levels, kernel_size, stride)
        if down.levels < levels:
            given, left = (" x ".join(map(str, n)) for n in (size, down.sizes[-1]))
            what = "images large" if len(size) == 2 else "sequences long"
            steps = "" if len(size) == 2 else " steps"
            raise ValueError(
                f"{name}: expected {what} enough for {levels} convolutions with kernel "
                f"{kernel_size} and stride {stride}, got {given}{steps}: number "
                f"{down.levels + 1} leaves nothing of {left}"
            )
        return down

    @property
    def levels(self) -> int:
        """How many convolutions there are."""
        return len(self.sizes) - 1

    def upsampling(
        self, channels: Sequence[int], activation: str | None, tied: Sequence[Any] = ()
    ) -> list[Module]:
        """Return transposed convolutions from the last size to the first, which has `channels[0]`.

        The last one is linear. They are tied to the downsampling convolutions `tied`, if given.
        """
        layers: list[Module] = []
        up: Any = ConvTranspose2d if len(self.sizes[0]) == 2 else ConvTranspose1d
        back: Any = TiedConvTranspose2d if len(self.sizes[0]) == 2 else TiedConvTranspose1d
        for level in reversed(range(self.levels)):
            big, small = self.sizes[level], self.sizes[level + 1]
            bare = [(n - 1) * self.stride + self.kernel_size - 2 * self.padding for n in small]
            rest = tuple(n - b for n, b in zip(big, bare, strict=True))
            extra = rest if len(rest) == 2 else rest[0]
            kind = activation if level else None
            if tied:
                layers += activated(back, tied[level], extra, activation=kind)
                continue
            geometry = self.kernel_size, self.stride, self.padding, extra
            widths = channels[level + 1], channels[level]
            layers += activated(up, *widths, *geometry, activation=kind)
        return layers

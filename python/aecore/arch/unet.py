"""U-Nets: from images to images of the same size, without a code between."""

from __future__ import annotations

from collections.abc import Sequence

from ..base.checks import boolean
from ..nn.containers import Residual, Sequential, SkipConcat
from ..nn.convolution import Conv2d, ConvTranspose2d
from ..nn.module import Module
from ..nn.tape import Shape
from .base import Arch, Code, activated, counts, image_shape


class UNet(Arch):
    """Convolutions at several scales, with a way around each: for denoising and inpainting.

    A level is two 3 x 3 convolutions with the activation. A 2 x 2 convolution of stride 2 leads
    down to the next, which has half the height and width and more channels; a transposed one leads
    up again, and two more convolutions see its result beside what the level had on the way down. A
    last 3 x 3 convolution is linear. It takes images of any size: one that the levels don't divide
    is extended by its mirror image, and the result is cut.

    There is no code: what could be copied would be copied, so that it learns something only from
    what was damaged, or between pairs. `transform`, `sample` and whatever else is about codes are
    refused.

    Parameters
    ----------
    channels : sequence of int
        Of the levels, the finest first.
    residual : bool
        Whether the network gives what is to be added to its input, the noise with its sign turned,
        rather than the image itself.
    activation : str
        One of those that `aecore.functional.activation` lists.

    References
    ----------
    O. Ronneberger, P. Fischer and T. Brox, "U-Net: convolutional networks for biomedical image
    segmentation", MICCAI 2015. K. Zhang et al., "Beyond a Gaussian denoiser: residual learning of
    deep CNN for image denoising", IEEE Transactions on Image Processing 26, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((40, 16, 16, 3), np.float32)
    >>> noise = ae.GaussianNoise(0.1, clip=(0, 1))
    >>> model = ae.Autoencoder(ae.UNet((4, 8)), corruption=noise, epochs=1, random_state=0).fit(X)
    >>> model.reconstruct(X[:2, :15, :9]).shape
    (2, 15, 9, 3)
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64),
        residual: bool = True,
        activation: str = "relu",
    ) -> None:
        self.channels = channels
        self.residual = residual
        self.activation = activation

    has_code = False

    @property
    def has_maps(self) -> bool:
        """Whether images have any size: True."""
        return True

    def build(
        self, input_shape: Shape, code: Code, *, condition: int = 0, tied: bool = False
    ) -> tuple[Module, Module]:
        """Make an encoder that changes nothing, and the network as a decoder; see `Arch.build`."""
        return self.between(input_shape, input_shape, code, condition=condition, tied=tied)

    def between(
        self,
        input_shape: Shape,
        output_shape: Shape,
        code: Code,
        *,
        condition: int = 0,
        tied: bool = False,
    ) -> tuple[Module, Module]:
        """Make the same for targets (H, W, K) of images (H, W, C); see `Arch.between`."""
        self._refuse_tied(tied)
        if condition:
            raise ValueError("arch: expected an architecture that takes conditions, got UNet")
        h, w, c, _ = image_shape(self, input_shape, 0)
        if output_shape[:-1] != (h, w):
            raise ValueError(
                f"target: expected images of {h} x {w} for UNet, as samples are, got samples of "
                f"shape {output_shape}"
            )
        channels, k = counts("channels", self.channels, 1), output_shape[-1]
        inner = Sequential(*self._level(c, channels), Conv2d(channels[0], k, 3, 1, 1))
        whole = Residual(inner) if boolean("residual", self.residual) else inner
        if self.residual and k != c:
            raise ValueError(
                f"residual: expected False for targets of {k} channels and samples of {c}, got True"
            )
        before, _, behind = self._any_size((h, w), 2, len(channels) - 1)
        return Sequential(), Sequential(*before, whole, *behind)

    def _level(self, inputs: int, channels: tuple[int, ...]) -> list[Module]:
        """Return the layers of a level and all below it."""
        first, *deeper = channels
        layers = self._pair(inputs, first)
        if not deeper:
            return layers
        kind = {"activation": self.activation}
        down = activated(Conv2d, first, deeper[0], 2, 2, **kind)
        up = activated(ConvTranspose2d, deeper[0], first, 2, 2, **kind)
        below = Sequential(*down, *self._level(deeper[0], tuple(deeper)), *up)
        return [*layers, SkipConcat(below), *self._pair(2 * first, first)]

    def _pair(self, inputs: int, outputs: int) -> list[Module]:
        """Return two 3 x 3 convolutions with the activation."""
        kind = {"activation": self.activation}
        first = activated(Conv2d, inputs, outputs, 3, 1, 1, **kind)
        return [*first, *activated(Conv2d, outputs, outputs, 3, 1, 1, **kind)]

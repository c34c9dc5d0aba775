"""Warnings of what `fit` can take in a way that was hardly meant: shapes, units, wide codes.

Each says what was assumed and how to say otherwise, once for a `fit`, from a few of the samples. A
text is the same for every part of the same data, so that Python shows it once for all folds of a
cross-validation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arch.base import counts
from ...arch.conv import Conv
from ...arch.dense import Dense
from ...arch.resnet import ResNet
from ...arch.unet import UNet
from ...base import checks
from ...base.params import names
from ...data.arrays import Data
from ...data.batches import Input
from ...data.readers import Reader
from ...losses import COUNTS
from ...training import group

if TYPE_CHECKING:
    from .model import BaseModel

# How the warnings begin, for filters.
SEQUENCES = r"X: samples of shape \(\d+, \d+\) are read as sequences"
CHANNELS = r"X: samples of shape \(\d+, \d+, \d+\) are read as images"
UNITS = "X: values are taken as they are"
NO_COUNTS = "X: values are taken for counts"
WIDE_CODE = "latent_dim: codes of"
DEAD_CODES = r"latent_dim: \d+ of \d+ numbers of the code are the same for all samples"
WORSE = "psnr: reconstructions have a PSNR of"

TRIAL = 100  # steps of training, with fewer of which nothing is said about the result

LEAST_SIDE = 8  # of what may be an image
SMOOTH = 0.55  # neighbours' squared difference, in that of pixels half an image apart, at most
LARGE_DEVIATION, LARGE_MEAN = 1500.0, 1000.0  # of a column
OUTWEIGHS = 2000.0  # ratio of columns' ranges
MOST = 1 << 17  # values that are looked at, about
PIXELS = 200  # the least maximum of whole numbers that are taken for pixels of 0 to 255
LEAST, FEW, MANY = 64, 256, 4096  # samples whose codes are looked at; many if few are alike
DEAD_SHARE = 0.1  # of a code, at least

_silent: ContextVar[str] = ContextVar("silent", default="")


@contextmanager
def silence(what: str = "all") -> Iterator[None]:
    """Return a context without such warnings, or those of the "code", for the fits within a fit."""
    token = _silent.set(what)
    try:
        yield
    finally:
        _silent.reset(token)


def warn(model: BaseModel, data: Data, paired: bool = False) -> None:
    """Warn of traps that a fresh model's samples, or the first batch of them, have led into.

    `paired` says that they have targets of their own, and so can't be copied.
    """
    silent = _silent.get()
    if silent == "all" or model._reader is not Reader:  # others know what their columns are
        return
    if len(data.shape) > 3:  # which none of the architectures takes
        return
    found = [_shape(model, data)]
    if not found[0] and model.epochs:  # or nothing is learned
        counts = getattr(model, "loss", None) in COUNTS and not paired
        found = [
            _counts(data) if counts else _units(data),
            "" if silent == "code" or paired else _code(model, data),
        ]
    for text in filter(None, found):
        checks.warn(text, of_data=True)


def warn_if_worse(model: BaseModel) -> None:
    """Warn of a model that leaves images further from clean ones than they were corrupted.

    One that minimises more than the loss of reconstructions may well be for something else.
    """
    if not getattr(model, "_is_plain", False):
        return
    record = model.history_[-1] if model.history_ else {}
    given, made = record.get("psnr_input", -math.inf), record.get("psnr", math.inf)
    if _silent.get() == "all" or made >= given or model._network.steps < TRIAL:
        return
    checks.warn(
        f"{WORSE} {made:.1f} dB, and the corrupted images that they are made of {given:.1f} dB: "
        "more epochs may help, or a network that loses less, as UNet, Conv(flatten=False) or one "
        "with a larger latent_dim does"
    )


def warn_of_dead_codes(model: BaseModel, data: Any) -> None:
    """Warn of a fitted model whose codes have numbers that are the same for all samples.

    Posteriors are left alone, which may well collapse to the prior (`aecore.metrics.active_units`),
    and so are indices of codes, and those of which a penalty leaves few.
    """
    penalty = getattr(model, "penalty", None)
    plain = getattr(model, "_heads", 0) == 1 and not hasattr(model._network, "quantizer")
    plain = plain and not (penalty is not None and penalty.shapes)  # few are on by design
    plain = plain and model._network.has_code
    if not plain or _silent.get() or not model.epochs or not isinstance(data, Data):
        return
    if len(data) < LEAST or not data.is_in_memory:
        return
    together = group.current()
    if together is not None and (together.rank or together.own_rows):
        return
    dead = np.zeros(0, np.bool_)
    for most in (FEW, MANY):
        dead = _constant(model, data, most)
        if dead.sum() < max(1, DEAD_SHARE * dead.size):
            return
    checks.warn(
        f"latent_dim: {dead.sum()} of {dead.size} numbers of the code are the same for all "
        + "samples. "
        + ("A weaker penalty" if penalty is not None else "A smaller learning_rate")
        + ", another activation than relu for the code, init='glorot' or a smaller latent_dim "
        "make more use of it",
        of_data=True,
    )


def _constant(model: Any, data: Data, most: int) -> np.ndarray:
    """Return which numbers of codes are the same for some samples, evenly spaced among all."""
    rows = np.unique(np.linspace(0, len(data) - 1, most).astype(np.int64))
    low = high = None
    differ = False
    for batch in Input(data).batches(FEW, rows=rows)():
        with model._network.lock, model._pass(batch):
            codes = model._latent(batch).data
            codes = codes.reshape(-1, codes.shape[-1])
            differ = differ or bool((batch.x != batch.x[:1]).any())
            least, largest = codes.min(0), codes.max(0)
        low = least if low is None else np.minimum(low, least)
        high = largest if high is None else np.maximum(high, largest)
    return np.asarray(low == high) & differ


# ---- shapes -------------------------------------------------------------------------------------


def _shape(model: BaseModel, data: Data) -> str:
    """Return what to say of images without channels, or with channels first."""
    flat = getattr(model, "_is_stack", False)  # whose arch is Dense where it is None
    arch = Dense() if flat else getattr(model, "arch", Dense())
    if len(data.shape) == 2 and arch is None and _are_grey(data):
        steps, width = data.shape
        x = "np.stack(X)" if data.form == "list" else "X"
        return (
            f"X: samples of shape {data.shape} are read as sequences of {steps} steps with {width} "
            f"values. If they are grey images, give them a channel, {x}[..., np.newaxis]; if not, "
            "arch=LSTM() or Dense() says so"
        )
    if len(data.shape) == 3 and isinstance(arch, (Conv, ResNet, UNet, type(None))):
        height, width, channels = data.shape
        square, least = width == channels, min(width, channels)
        if height in (1, 3) and least >= LEAST_SIDE and (square or (height == 3 and _bytes(data))):
            return (
                f"X: samples of shape {data.shape} are read as images of {height} x {width} pixels "
                f"with {channels} channels. If their channels come first, move them to the end, "
                "X.transpose(0, 2, 3, 1)"
            )
    return ""


def _bytes(data: Data) -> bool:
    """Return whether samples are pixels of uint8."""
    return data.dtype == np.uint8 and data.scale != 1


def _are_grey(data: Data) -> bool:
    """Return whether samples (H, W) look like grey images."""
    height, width = data.shape
    if min(height, width) < LEAST_SIDE or data.masked:
        return False
    if _bytes(data):
        return height == width or _smooth(data)
    return height == width and max(-data.low, data.high) <= 255 and _smooth(data)


def _smooth(data: Data) -> bool:
    """Return whether neighbours in both directions are more alike than what is far apart.

    That is so in images. Steps of a sequence may be alike, but its features are in no order.
    """
    some, _ = data.some()
    images = some.reshape(-1, *data.shape).astype(np.float64)
    for axis, side in ((1, data.shape[0]), (2, data.shape[1])):
        rows = np.moveaxis(images, axis, 0)
        near, far = (((rows[k:] - rows[:-k]) ** 2).mean() for k in (1, side // 2))
        if not near < SMOOTH * far:
            return False
    return True


# ---- units --------------------------------------------------------------------------------------


def _units(data: Data) -> str:
    """Return what to say of numbers that are large, or that differ in scale."""
    if data.scale != 1 or data.dtype == np.bool_ or max(-data.low, data.high) <= 1:
        return ""
    some, mask = data.some()
    if _are_pixels(data, some if mask is None else some[mask]):
        return (
            f"{UNITS}, here numbers up to {data.high:g} of {data.dtype}. If they are pixels, pass "
            "X / 255, or uint8, which is scaled"
        )
    width = data.shape[-1]
    rows = slice(None, None, max(1, some.size // MOST))
    x = some.reshape(-1, width)[rows].T.astype(np.float64, order="C")
    only: dict[str, Any] = {}
    count: Any = x.shape[1]
    if mask is not None:
        only = {"where": mask.reshape(-1, width)[rows].T}
        count = np.maximum(only["where"].sum(1), 1)
    mean = x.sum(1, **only) / count
    variance = ((x - mean[:, None]) ** 2).sum(1, **only) / count
    spread = x.max(1, initial=-np.inf, **only) - x.min(1, initial=np.inf, **only)
    large = (variance > LARGE_DEVIATION**2) | (np.abs(mean) > LARGE_MEAN)
    if large.any():
        size = np.where(large, mean**2 + variance, 0)
        column = int(size.argmax())
        order = 10.0 ** math.floor(math.log10(size[column]) / 2)
        return (
            f"{UNITS}, and {_column(data, column)} has some beyond {order:g}: the loss is all "
            f"about them. {_remedy(data)}"
        )
    known = np.flatnonzero(spread > 0)
    if not len(known):
        return ""
    first, last = (int(known[find(spread[known])]) for find in (np.argmin, np.argmax))
    if spread[last] <= max(1, OUTWEIGHS * spread[first]):
        return ""
    return (
        f"{UNITS}, and {_column(data, last)} ranges more than {OUTWEIGHS:g} times as far as "
        f"{_column(data, first)}: the loss is hardly about the latter. {_remedy(data)}"
    )


def _counts(data: Data) -> str:
    """Return what to say of numbers that are hardly counts."""
    some, mask = data.some()
    values = some[some != 0] if mask is None else some[mask & (some != 0)]
    if 2 * np.count_nonzero(values == np.rint(values)) >= values.size:
        return ""
    return (
        f"{NO_COUNTS}, and most aren't whole. If they have been scaled, or are logarithms, pass "
        "the counts themselves: the encoder sees log(1 + x) of them"
    )


def _are_pixels(data: Data, values: np.ndarray) -> bool:
    """Return whether numbers that aren't scaled look like pixels of 0 to 255."""
    inside = data.low >= 0 and PIXELS <= data.high <= 255
    return inside and data.features >= LEAST_SIDE**2 and bool((values == np.rint(values)).all())


def _column(data: Data, number: int) -> str:
    """Return the name of a column, or of what stands on the last axis of samples."""
    what = ("column", "feature", "channel")[min(len(data.shape), 3) - 1]
    return f"{what} {number if data.columns is None else repr(data.columns[number])}"


def _remedy(data: Data) -> str:
    """Return how to scale samples."""
    if len(data.shape) == 1:
        return (
            "A StandardScaler in a Pipeline scales columns; TabularAutoencoder and TabularVAE do "
            "so by themselves"
        )
    axes = ", ".join(map(str, range(len(data.shape))))
    return f"Pass (X - X.mean(({axes}))) / X.std(({axes})), for instance"


# ---- codes --------------------------------------------------------------------------------------


def _code(model: Any, data: Data) -> str:
    """Return what to say of codes that can hold all that samples have."""
    if not model._may_copy():
        return ""
    arch, width = getattr(model, "arch", None), int(model.latent_dim)
    widths = counts("widths", arch.widths) if isinstance(arch, Dense) else ()
    if min((width, *widths)) < data.features:  # a narrow hidden layer bounds the code too
        return ""
    text = (
        f"{WIDE_CODE} {width} numbers are no smaller than samples of {data.features}, which the "
        "model can learn to copy. Take a smaller latent_dim"
    )
    if "corruption" not in names(type(model)):
        return text
    return (
        f"{text}, or add a corruption such as GaussianNoise(0.1) or a penalty such as "
        "L1Sparsity(1e-3)"
    )

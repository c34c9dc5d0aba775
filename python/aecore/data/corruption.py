"""What a denoising autoencoder undoes: noise on its input, while the target stays clean.

Corruption is drawn afresh for every batch while the batch is gathered, from a stream of the model's
seed. Only `fit` and `partial_fit` corrupt; every other method reads what it is given.

Damage of your own is a function of a batch (n, ...) and a `numpy.random.Generator`, which returns
the damaged batch. Several corruptions in a list are done one after another. A file of the model
doesn't hold functions: what is loaded goes on training once it is given them again.

P. Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _core
from ..base import checks, runtime
from ..base.params import Choice
from ..base.streams import CORRUPTION, LEVEL, PATCHES, SWAP, derived_seed

if TYPE_CHECKING:
    from .arrays import Data


class Corruption(Choice):
    """What the kinds of corruption share: how the gather of a batch applies them."""

    kind: ClassVar[str | None]  # what the gather of a batch does itself
    low: float = 0.0
    high: float = 1.0
    moves_gaps: bool = False  # whether what is missing may be missing elsewhere behind it

    @property
    def amount(self) -> float:
        """The number that the kind has: a deviation or a rate."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        raise NotImplementedError

    def check_data(self, data: Data) -> None:
        """Raise ValueError for samples that it can't be done to."""

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Do in place what takes a whole batch, behind the noise that the gather has added.

        Parameters
        ----------
        x : ndarray of float32, shape (n, ...)
            What the encoder is to see.
        clean : ndarray of float32, shape (n, F)
            The samples.
        seed, position : int
            Of the random stream, and how many samples training has seen before.
        """

    def apply(self, x: np.ndarray, seed: int, position: int) -> None:
        """Corrupt in place samples (n, ...) that have been gathered; arguments as of `finish`."""
        flat = x.reshape(len(x), -1)
        given = flat.copy()
        if self.kind is not None:
            stream = seed, CORRUPTION, position * flat.shape[1]
            rows, ws = np.arange(len(x), dtype=np.int64), runtime.current()
            how = *in_gather(self), *stream, ws
            _core.gather(np.empty_like(flat), flat, given, rows, 1.0, *how)
        self.finish(x, given, seed, position)


def in_gather(corruption: Corruption | None) -> tuple[str | None, float, float, float]:
    """Return what the gather of a batch does itself: the kind, the amount, and from low to high."""
    if corruption is None:
        return None, 0.0, 0.0, 1.0
    return corruption.kind, corruption.amount, float(corruption.low), float(corruption.high)


def check(corruption: Any) -> None:
    """Raise TypeError or ValueError for a corruption that makes no sense; None does."""
    known = made(corruption)
    if known is not None:
        known.check()


def made(corruption: Any) -> Corruption | None:
    """Return what a parameter stands for: a corruption, a function, or a sequence of them."""
    if isinstance(corruption, (tuple, list)):
        parts = [made(part) for part in corruption]
        if not parts or any(part is None for part in parts):
            raise (TypeError if parts else ValueError)(
                f"corruption: expected a sequence of at least one and no None, got {corruption!r}"
            )
        return Several([part for part in parts if part is not None])
    if isinstance(corruption, type):
        raise TypeError(
            f"corruption: expected an object, such as {corruption.__name__}(), got the class"
        )
    if callable(corruption) and not isinstance(corruption, Corruption):
        return Function(corruption)
    return checks.instance(
        "corruption", corruption, Corruption, "GaussianNoise(0.1), a function of (x, generator)"
    )


def written(corruption: Any) -> Any:
    """Return what stands in a file for a corruption: functions are left out, but for their name."""
    if isinstance(corruption, (tuple, list)):
        return type(corruption)(map(written, corruption))
    if callable(corruption) and not isinstance(corruption, (Corruption, type)):
        return UnsavedFunction(name_of(corruption))
    return corruption


def name_of(function: Any) -> str:
    """Return a function's name, or that of an object's class."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


class Several(Corruption):
    """Corruptions that are done one after another.

    Parameters
    ----------
    parts : list of Corruption
    """

    def __init__(self, parts: list[Corruption]) -> None:
        self.parts = parts

    @property
    def kind(self) -> str | None:  # type: ignore[override]
        """What the gather of a batch does itself: the first."""
        return self.parts[0].kind

    @property
    def amount(self) -> float:
        """That of the first."""
        return self.parts[0].amount

    @property
    def low(self) -> float:  # type: ignore[override]
        """That of the first."""
        return self.parts[0].low

    @property
    def high(self) -> float:  # type: ignore[override]
        """That of the first."""
        return self.parts[0].high

    @property
    def moves_gaps(self) -> bool:  # type: ignore[override]
        """Whether one of them does."""
        return any(part.moves_gaps for part in self.parts)

    def check(self) -> None:
        """Check all."""
        for part in self.parts:
            part.check()

    def check_data(self, data: Data) -> None:
        """Raise ValueError for samples that one of them can't be done to."""
        for part in self.parts:
            part.check_data(data)

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Finish the first, and apply the others, each with numbers of its own."""
        first, *others = self.parts
        first.finish(x, clean, seed, position)
        for k, other in enumerate(others, 1):
            other.apply(x, derived_seed(seed, k), position)


class Function(Corruption):
    """Damage of the user's own.

    Parameters
    ----------
    function : callable
        Takes samples (n, ...) of float32, which it may change, and a `numpy.random.Generator`;
        returns them damaged.
    """

    kind = None

    def __init__(self, function: Any) -> None:
        self.function = function

    @property
    def amount(self) -> float:
        """Nothing that is known."""
        return 0.0

    def check(self) -> None:
        """Raise TypeError for a function of anything else; what it gives is checked when called."""
        import inspect

        try:
            signature = inspect.signature(self.function)
        except ValueError:  # one of C that doesn't tell
            return
        try:
            signature.bind(None, None)
        except TypeError:
            raise TypeError(
                "corruption: expected a function of samples and a numpy.random.Generator, got "
                f"{name_of(self.function)}{signature}"
            ) from None

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Call the function on a batch; see `Corruption.finish`."""
        from numpy.random import Generator, Philox

        name = name_of(self.function)
        generator = Generator(Philox(key=[seed, CORRUPTION], counter=[0, 0, 0, position]))
        given = self.function(x, generator)
        expected = f"corruption: expected an array of shape {x.shape} from {name}, got"
        if given is None:
            raise TypeError(f"{expected} None: return what was damaged")
        found = checks.numbers(f"corruption: {name}", given)
        if found.dtype.kind != "f":  # pixels of 0 to 255, say, where floats were given
            raise TypeError(f"{expected} {found.dtype}: expected floats, as it was given")
        with np.errstate(over="ignore"):
            found = found.astype(np.float32, copy=False)
        if found.shape != x.shape:
            raise ValueError(f"{expected} {found.shape}")
        if not np.isfinite(found).all():
            raise ValueError(f"corruption: expected finite numbers from {name}, got others")
        if found is not x:
            np.copyto(x, found)


class UnsavedFunction(Corruption):
    """What stands for a function in a model that was loaded: training asks for it again.

    Parameters
    ----------
    name : str
        The function's.
    """

    kind = None

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def amount(self) -> float:
        """Nothing that is known."""
        return 0.0

    def check(self) -> None:
        """Raise TypeError unless the name is text."""
        if not isinstance(self.name, str):
            raise TypeError(f"corruption: name: expected text, got {self.name!r}")

    def check_data(self, data: Data) -> None:
        """Raise ValueError: there is nothing to be done to samples."""
        raise ValueError(
            f"corruption: expected the function {self.name!r}, which a file doesn't hold: "
            "set_params(corruption=...) gives it again"
        )


class GaussianNoise(Corruption):
    r"""Add normal noise: :math:`\tilde x = x + \sigma \epsilon`, :math:`\epsilon \sim N(0, 1)`.

    Parameters
    ----------
    sigma : float, or (float, float)
        Standard deviation, in the units of the data (of the scaled ones for uint8: 0..1). Of two
        each sample has one between them, drawn anew each time: a model that is to remove noise
        whose strength nobody tells it.
    clip : (float, float), optional
        The range that noisy values are cut to, (0, 1) for images: files hold no others, so that
        noise as it is met is cut too.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> noise = ae.GaussianNoise(0.3, clip=(0, 1))
    >>> model = ae.Autoencoder(ae.Dense((16,)), 8, corruption=noise, epochs=2)
    >>> model.fit(X).reconstruct(X + 0.3).shape  # nothing is added here
    (100, 20)
    """

    kind = "gaussian"

    def __init__(
        self, sigma: float | tuple[float, float] = 0.1, clip: tuple[float, float] | None = None
    ) -> None:
        self.sigma = sigma
        self.clip = clip

    @property
    def amount(self) -> float:
        """The standard deviation; 1 where each sample has its own."""
        return 1.0 if isinstance(self.sigma, (tuple, list)) else float(self.sigma)

    def check(self) -> None:
        """Raise TypeError or ValueError for a sigma below 0, or a clip that is no range."""
        if not isinstance(self.sigma, (tuple, list)):
            checks.real("corruption: sigma", self.sigma)
        elif len(self.sigma) != 2:
            raise TypeError(f"corruption: sigma: expected one or (low, high), got {self.sigma!r}")
        else:
            low = checks.real("corruption: sigma", self.sigma[0])
            checks.real("corruption: sigma", self.sigma[1], low)
        if self.clip is None:
            return
        if not isinstance(self.clip, (tuple, list)) or len(self.clip) != 2:
            raise TypeError(f"corruption: clip: expected None or (low, high), got {self.clip!r}")
        largest = 3.4e38  # of float32
        low = checks.real("corruption: clip", self.clip[0], -largest, largest)
        checks.real("corruption: clip", self.clip[1], low, largest)

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Scale each sample's noise, and cut to the range, in place; see `Corruption.finish`."""
        if isinstance(self.sigma, (tuple, list)):
            low, high = self.sigma
            share = uniform((len(x), 1), seed, LEVEL, position)
            flat = x.reshape(clean.shape)
            flat -= clean
            flat *= np.float32(low) + np.float32(high - low) * share
            flat += clean
        if self.clip is not None:
            np.clip(x, *map(np.float32, self.clip), out=x)


class Masking(Corruption):
    """Set each value, or each patch of values, to zero with probability `rate`.

    Parameters
    ----------
    rate : float
        In [0, 1].
    patch : int or (int, int), optional
        Height and width of the patches that an image is cut into from its upper left corner, all
        channels of which are hidden together; the steps of such a piece of a sequence; or how many
        neighbouring features of a vector.

    References
    ----------
    P. Vincent et al., "Extracting and composing robust features with denoising autoencoders", ICML
    2008. K. He et al., "Masked autoencoders are scalable vision learners", CVPR 2022 (patches).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.VAE(ae.Dense((16,)), 8, corruption=ae.Masking(0.5), epochs=2).fit(X)
    """

    def __init__(self, rate: float = 0.25, patch: Any = None) -> None:
        self.rate = rate
        self.patch = patch

    @property
    def kind(self) -> str | None:  # type: ignore[override]
        """What the gather of a batch does itself: single values."""
        return "masking" if self.patch is None else None

    @property
    def amount(self) -> float:
        """The share of values that are set to zero."""
        return float(self.rate)

    def check(self) -> None:
        """Raise TypeError or ValueError for a rate outside [0, 1], or a patch of no size."""
        checks.real("corruption: rate", self.rate, 0, 1)
        if self.patch is not None:
            checks.pair("corruption: patch", self.patch, 1)

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Hide patches in place; see `Corruption.finish`."""
        if self.patch is None:
            return
        plane = as_planes(x)
        h, w = sides(self.patch, plane)
        rows, columns = -(-plane.shape[1] // h), -(-plane.shape[2] // w)
        hidden = uniform((len(x), rows * columns), seed, PATCHES, position) < self.rate
        hidden = hidden.reshape(-1, rows, columns).repeat(h, axis=1).repeat(w, axis=2)
        plane[hidden[:, : plane.shape[1], : plane.shape[2]]] = 0


class Blocks(Corruption):
    """Cut blocks out of images or sequences, each at a random place: what inpainting undoes.

    The target is whole, so that the model learns to fill in what it doesn't see.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of a block of an image, all channels of which are cut out; the steps of a
        block of a sequence, or how many neighbouring features of a vector.
    count : int
        How many blocks each sample has; they may overlap.
    fill : float
        What stands in a block, in the units of the data (of the scaled ones for uint8: 0..1).

    References
    ----------
    T. DeVries and G. Taylor, "Improved regularization of convolutional neural networks with
    cutout", 2017. D. Pathak et al., "Context encoders: feature learning by inpainting", CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 8, 8, 1))
    >>> model = ae.Autoencoder(ae.Conv((4,)), 8, corruption=ae.Blocks(3), epochs=2).fit(X)
    >>> X[:, 2:5, 2:5] = 0
    >>> model.reconstruct(X).shape
    (100, 8, 8, 1)
    """

    kind = None

    def __init__(self, size: Any = 8, count: int = 1, fill: float = 0.0) -> None:
        self.size = size
        self.count = count
        self.fill = fill

    @property
    def amount(self) -> float:
        """How many blocks there are."""
        return float(self.count)

    def check(self) -> None:
        """Raise TypeError or ValueError for a size or count below 1, or an infinite fill."""
        checks.pair("corruption: size", self.size, 1)
        checks.integer("corruption: count", self.count, 1)
        checks.real("corruption: fill", self.fill, -3.4e38, 3.4e38)

    def check_data(self, data: Data) -> None:
        """Raise ValueError for samples that a block doesn't fit into."""
        height, width = data.shape[:2] if len(data.shape) == 3 else (data.shape[0], 1)
        h, w = checks.pair("corruption: size", self.size, 1)
        if h > height or (width > 1 and w > width):
            raise ValueError(
                f"corruption: expected blocks that fit into samples of shape {data.shape}, got "
                f"size={self.size!r}"
            )

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Fill blocks in place; see `Corruption.finish`."""
        plane = as_planes(x)
        (n, height, width, _), (h, w) = plane.shape, sides(self.size, plane)
        draws = uniform((n, 2 * self.count), seed, PATCHES, position).reshape(n, self.count, 2)
        room = np.array([height - h + 1, width - w + 1])
        corners = np.minimum((draws * room).astype(np.int64), room - 1)
        for sample, places in zip(plane, corners.tolist(), strict=True):
            for i, j in places:
                sample[i : i + h, j : j + w] = self.fill


def as_planes(x: np.ndarray) -> np.ndarray:
    """Return samples as (n, height, width, channels), a view: sequences and vectors of width 1."""
    if x.ndim == 4:
        return x
    return x.reshape(len(x), x.shape[1], 1, -1)


def sides(size: Any, plane: np.ndarray) -> tuple[int, int]:
    """Return the height and width of a patch; 1 wide where there is one column."""
    h, w = checks.pair("corruption", size, 1)
    return h, 1 if plane.shape[2] == 1 else w


class SaltAndPepper(Corruption):
    """Set each value with probability `rate` to `low` or to `high`, either equally often.

    Parameters
    ----------
    rate : float
        In [0, 1].
    low, high : float
        Pepper and salt.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 8, 8, 1))
    >>> noise = ae.SaltAndPepper(0.2)
    >>> model = ae.Autoencoder(ae.Conv((4,)), 8, corruption=noise, epochs=2).fit(X)
    """

    kind = "salt_and_pepper"

    def __init__(self, rate: float = 0.1, low: float = 0.0, high: float = 1.0) -> None:
        self.rate = rate
        self.low = low
        self.high = high

    @property
    def amount(self) -> float:
        """The share of values that are replaced."""
        return float(self.rate)

    def check(self) -> None:
        """Raise TypeError or ValueError for a rate outside [0, 1] or values that aren't finite."""
        checks.real("corruption: rate", self.rate, 0, 1)
        largest = 3.4e38  # of float32
        low = checks.real("corruption: low", self.low, -largest, largest)
        checks.real("corruption: high", self.high, low, largest)


class SwapNoise(Corruption):
    """Give each value, with probability `rate`, that of the same feature in another sample.

    The other sample is any of the same batch. A value keeps to what its feature is like, whatever
    that is, so that this suits tables; with a missing value goes that it is missing. A batch of one
    sample stays as it is.

    Parameters
    ----------
    rate : float
        In [0, 1].

    References
    ----------
    M. Jahrer, first place of the Porto Seguro Safe Driver Prediction competition, Kaggle, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.Autoencoder(ae.Dense((16,)), 8, corruption=ae.SwapNoise(0.15), epochs=2).fit(X)
    """

    kind = None
    moves_gaps = True

    def __init__(self, rate: float = 0.15) -> None:
        self.rate = rate

    @property
    def amount(self) -> float:
        """The share of values that are swapped."""
        return float(self.rate)

    def check(self) -> None:
        """Raise TypeError or ValueError for a rate outside [0, 1]."""
        checks.real("corruption: rate", self.rate, 0, 1)

    def check_data(self, data: Data) -> None:
        """Raise ValueError for sequences of different lengths."""
        if data.lengths is not None:
            raise ValueError(
                "corruption: expected sequences of one length for SwapNoise, which takes values "
                f"from the same step of other samples, got {data.lengths.min()} to "
                f"{data.lengths.max()} steps"
            )

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Swap values in place; see `Corruption.finish`."""
        x = x.reshape(len(x), -1)
        n, features = x.shape
        if n == 1:
            return
        rows, columns = np.nonzero(uniform(x.shape, seed, CORRUPTION, position) < self.rate)
        shares = uniform(x.shape, seed, SWAP, position)[rows, columns]
        others = rows + 1 + np.minimum((shares * (n - 1)).astype(np.int64), n - 2)
        x[rows, columns] = x[others % n, columns]


def uniform(shape: tuple[int, int], seed: int, purpose: int, position: int) -> np.ndarray:
    """Return numbers (n, F) in [0, 1) for n samples from a position of a stream on."""
    draws = np.empty(shape, np.float32)
    _core.random_uniform(draws, seed, purpose, position * shape[1], runtime.current())
    return draws

"""What a denoising autoencoder undoes: noise on its input, while the target stays clean.

Corruption is drawn afresh for every batch while the batch is gathered, from a stream of the model's
seed. Only `fit` and `partial_fit` corrupt; every other method reads what it is given.

P. Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import _core
from ..base import checks, runtime
from ..base.params import Choice
from ..base.streams import CORRUPTION, SWAP

if TYPE_CHECKING:
    from .arrays import Data


class Corruption(Choice):
    """What the kinds of corruption share: how the gather of a batch applies them."""

    kind: ClassVar[str | None]  # what the gather of a batch does itself
    low: float = 0.0
    high: float = 1.0

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
        """Do in place what takes a whole batch.

        Parameters
        ----------
        x : ndarray of float32, shape (n, F)
            What the encoder is to see.
        clean : ndarray of float32, shape (n, F)
            The samples.
        seed, position : int
            Of the random stream, and how many samples training has seen before.
        """


def check(corruption: Any) -> None:
    """Raise TypeError or ValueError for a corruption that makes no sense; None does."""
    if checks.instance("corruption", corruption, Corruption, "GaussianNoise(0.1)") is not None:
        corruption.check()


class GaussianNoise(Corruption):
    r"""Add normal noise: :math:`\tilde x = x + \sigma \epsilon`, :math:`\epsilon \sim N(0, 1)`.

    Parameters
    ----------
    sigma : float
        Standard deviation, in the units of the data (of the scaled ones for uint8: 0..1).
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

    def __init__(self, sigma: float = 0.1, clip: tuple[float, float] | None = None) -> None:
        self.sigma = sigma
        self.clip = clip

    @property
    def amount(self) -> float:
        """The standard deviation."""
        return float(self.sigma)

    def check(self) -> None:
        """Raise TypeError or ValueError for a sigma below 0, or a clip that is no range."""
        checks.real("corruption: sigma", self.sigma)
        if self.clip is None:
            return
        if not isinstance(self.clip, (tuple, list)) or len(self.clip) != 2:
            raise TypeError(f"corruption: clip: expected None or (low, high), got {self.clip!r}")
        largest = 3.4e38  # of float32
        low = checks.real("corruption: clip", self.clip[0], -largest, largest)
        checks.real("corruption: clip", self.clip[1], low, largest)

    def finish(self, x: np.ndarray, clean: np.ndarray, seed: int, position: int) -> None:
        """Cut noisy values to the range in place; see `Corruption.finish`."""
        if self.clip is not None:
            low, high = map(np.float32, self.clip)
            np.clip(x, low, high, out=x)


class Masking(Corruption):
    """Set each value to zero with probability `rate`.

    Parameters
    ----------
    rate : float
        In [0, 1].

    References
    ----------
    P. Vincent et al., "Extracting and composing robust features with denoising autoencoders", ICML
    2008.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.VAE(ae.Dense((16,)), 8, corruption=ae.Masking(0.5), epochs=2).fit(X)
    """

    kind = "masking"

    def __init__(self, rate: float = 0.25) -> None:
        self.rate = rate

    @property
    def amount(self) -> float:
        """The share of values that are set to zero."""
        return float(self.rate)

    def check(self) -> None:
        """Raise TypeError or ValueError for a rate outside [0, 1]."""
        checks.real("corruption: rate", self.rate, 0, 1)


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

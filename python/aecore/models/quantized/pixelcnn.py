"""A distribution over maps of codes, by itself or as the prior of a `VQVAE`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ...base import checks, runtime
from ...base.sklearn import new_seed
from ...base.streams import SAMPLE
from ...data.arrays import Data
from ...data.batches import Batch, Batches, Condition, Input
from ...data.conditions import Conditioner, conditions, shared
from ...nn.module import Module, budget, memory_limit
from ...nn.pixelcnn.masked import check_odd
from ...nn.pixelcnn.network import GatedPixelCNN
from ...nn.pixelcnn.sampler import Raster
from ...training.network import Network
from ..base.estimator import BYTES_PER_PARAMETER, INFERENCE_BATCH, BaseModel, fitted

if TYPE_CHECKING:
    from typing_extensions import Self

MOST_LAYERS = 1000
LARGEST = 2**24 - 1  # the largest code: float32, in which batches are gathered, holds it exactly


class PixelCNN(BaseModel):
    r"""Maps of codes, position by position: :math:`p(c) = \prod_t p(c_t | c_{<t}, y)`.

    Positions go row by row from the top. A gated PixelCNN gives the distribution of each from those
    before it: one stack of masked convolutions sees the rows above, another one what is left in the
    row. With conditions y every layer has a bias that depends on them. A sequence of codes (T,) is
    a map of one row.

    As ``prior=PixelCNN()`` of a `VQVAE` it is trained on the codes once the codebook is.

    Parameters
    ----------
    channels : int
        Of each layer.
    layers : int
        At most 1000.
    kernel_size : int
        The side of the window that is masked, odd and at least 3. A position sees
        ``layers * (kernel_size // 2)`` rows above it.
    codebook_size : int or None
        How many codes there are; None is one more than the largest in `fit`, or, as a prior, what
        the codebook has.
    depth : int
        How many codes a position has, one after another: the last axis of X, if more than 1, as of
        a `VQVAE` with several quantizers, whose prior gets their number.
    optimizer, learning_rate, ..., verbose
        As in `Autoencoder`.

    Attributes
    ----------
    history_ : list of dict
        For each epoch its number, the mean ``loss`` and its one term ``nll``, in nats of a map;
        ``nats_per_code``, ``bits_per_dim`` and ``accuracy``, which are means over codes;
        ``learning_rate``, ``seconds``, and val_* where there is something to validate on.
    n_features_in_ : int
        Codes of a map.
    n_parameters_, parameters_, best_epoch_
        As in `Autoencoder`.

    References
    ----------
    A. van den Oord et al., "Conditional image generation with PixelCNN decoders", NeurIPS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> codes = np.tile(np.arange(6) % 3, (50, 4, 1))  # 0 1 2 0 1 2 in every row
    >>> model = ae.PixelCNN(16, layers=2, epochs=40, learning_rate=1e-2, random_state=0).fit(codes)
    >>> model.sample(1, random_state=0)[0, 0]
    array([0, 1, 2, 0, 1, 2])
    """

    def __init__(
        self,
        channels: int = 64,
        layers: int = 4,
        kernel_size: int = 5,
        *,
        codebook_size: int | None = None,
        depth: int = 1,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Any = None,
        clip_norm: float | None = None,
        batch_size: int = 128,
        epochs: int = 20,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        warm_start: bool = False,
        callbacks: Any = (),
        checkpoint: Any = None,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())

    channels: int
    layers: int
    kernel_size: int
    codebook_size: int | None
    depth: int

    loss, corruption, penalty = "cross_entropy", None, None  # what other models choose

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="density_estimator",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(two_d_array=True, three_d_array=True),
        )

    def _check_params(self) -> None:
        checks.integer("channels", self.channels, 1)
        checks.integer("layers", self.layers, 1, MOST_LAYERS)
        check_odd(checks.integer("kernel_size", self.kernel_size, 3))
        if self.codebook_size is not None:
            checks.integer("codebook_size", self.codebook_size, 1, LARGEST + 1)
        checks.integer("depth", self.depth, 1)
        self._check_training_params()

    def _codes_width(self) -> int:
        raise AttributeError("PixelCNN doesn't transform: there are no features out")

    # ---- fitting --------------------------------------------------------------------------------

    def fit(  # type: ignore[override]
        self, X: Any, y: Any = None, *, X_val: Any = None, resume: bool = False
    ) -> Self:
        """Train on maps of codes.

        Parameters
        ----------
        X : array-like of int, shape (N, H, W) or (N, T), or one axis more of length `depth`
            Codes, from 0 on.
        y : array-like, shape (N,) or (N, p), optional
            What the maps are conditioned on: labels, or properties as of a `CVAE`.
        X_val : like X, or (X_val, y_val) where there are conditions, optional
            Maps to measure after each epoch, in place of ``validation_fraction``.
        resume : bool
            Whether to go on from the checkpoint, as `Autoencoder.fit` says.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For parameters or codes that make no sense, before anything changes.
        MemoryError
            For a network that is too large.
        FloatingPointError
            If the loss stops being finite; the model is left in its last finite state.
        """
        return super().fit(X, y, X_val=X_val, resume=resume)

    def partial_fit(self, X: Any, y: Any = None) -> Self:  # type: ignore[override]
        """Make one pass over the maps in batches of ``batch_size``, in their order.

        The first call makes the network; give ``codebook_size`` where it may not see every code.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        self
        """
        return super().partial_fit(X, y)

    def _modules(self, shape: tuple[int, ...], condition: int) -> dict[str, Module]:
        if not self._has_form(shape[:-1]):
            raise ValueError(f"shape: expected {self._form} and how many codes, got {shape}")
        sizes = shape[-1], int(self.channels), int(self.layers), int(self.kernel_size)
        return {"pixelcnn": GatedPixelCNN(*sizes, condition, int(self.depth))}

    @property
    def _form(self) -> str:
        """What maps look like."""
        return "(H, W) or (T,)" if self.depth == 1 else f"(H, W, {self.depth}), (T, {self.depth})"

    def _has_form(self, shape: tuple[int, ...]) -> bool:
        if self.depth == 1:
            return len(shape) in (1, 2)
        return len(shape) in (1, 2, 3) and shape[-1] == self.depth

    def _read_codes(self, X: Any, name: str, like: tuple[int, ...] | None) -> Data:
        """Check maps of codes; `like` is the shape of a map and the number of codes, if known."""
        X = np.asarray(X)
        if X.dtype.kind not in "iu":
            raise TypeError(f"{name}: expected integers, numbers of codes, got {X.dtype}")
        if 0 in X.shape or not self._has_form(X.shape[1:]):
            raise ValueError(f"{name}: expected some maps of codes {self._form}, got {X.shape}")
        if like is not None and X.shape[1:] != like[:-1]:
            raise ValueError(
                f"{name}: expected maps of shape {like[:-1]}, as in fit, got {X.shape[1:]}"
            )
        largest = (self.codebook_size or LARGEST + 1) - 1 if like is None else like[-1] - 1
        if not (X.min() >= 0 and X.max() <= largest):
            raise ValueError(
                f"{name}: expected codes of 0 to {largest}, got {X.min()} to {X.max()}"
            )
        return Data(np.ascontiguousarray(X, np.float32), name=name)

    def _read_training(
        self, X: Any, y: Any, sample_mask: Any, resume: bool
    ) -> tuple[Conditioner | None, Input]:
        data = self._read_codes(X, "X", self._network.input_shape if resume else None)
        if resume:
            return self._network.conditioner, Input(data, self._conditions(y, len(data)))
        conditioner = None if y is None else Conditioner.learn(y, len(data))
        return conditioner, Input(data, conditions(conditioner, y, len(data)))

    def _read_validation(
        self, X_val: Any, given: Input, conditioner: Conditioner | None
    ) -> Batches | None:
        if X_val is None:
            return None
        if self.validation_fraction:
            raise ValueError("X_val: expected None where validation_fraction is more than 0")
        X_val, y_val = X_val if isinstance(X_val, tuple) and len(X_val) == 2 else (X_val, None)
        data = self._read_codes(X_val, "X_val", self._sizes(given.data))
        unasked(conditioner, y_val)
        return Input(data, conditions(conditioner, y_val, len(data))).batches(INFERENCE_BATCH)

    def _sizes(self, data: Data) -> tuple[int, ...]:
        """Return the shape of a map, and how many codes there are."""
        if self.warm_start and self.__sklearn_is_fitted__():
            return self._network.input_shape
        return (*data.shape, int(self.codebook_size or data.high + 1))

    def _start_or_go_on(
        self, resume: bool, conditioner: Conditioner | None, given: Input, *others: Data
    ) -> None:
        if not resume:
            self._start(conditioner, given)

    def _start(self, conditioner: Conditioner | None, given: Input, *others: Data) -> None:
        shape = (*given.data.shape, int(self.codebook_size or given.data.high + 1))
        with budget(memory_limit() // BYTES_PER_PARAMETER):
            modules = self._modules(shape, conditioner.width if conditioner else 0)
        network = Network(modules, shape, new_seed(self.random_state))
        network.conditioner = conditioner
        self._adopt(network, given.data.features, None)

    def _adopt(self, network: Network, features: int, columns: np.ndarray | None) -> None:
        super()._adopt(network, math.prod(network.input_shape[:-1]), columns)

    # ---- steps ----------------------------------------------------------------------------------

    def _pass(self, batch: Batch, training: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits (n, T, E) and the codes (n, T) of a batch."""
        network = self._network
        codes = network.scratch("codes", batch.target.shape, np.int64)
        np.copyto(codes, batch.target, casting="unsafe")
        maps = codes.reshape(batch.n, *self._grid)
        logits = network.pixelcnn.forward(maps, training, batch.condition)
        return logits.reshape(*codes.shape, logits.shape[-1]), codes

    @property
    def _grid(self) -> tuple[int, int]:
        """Height and width of a map."""
        depth, shape = self._network.pixelcnn.depth, self._network.input_shape[:-1]
        *above, width = (shape if depth == 1 else shape[:-1]) or (1,)
        return math.prod(above), width * depth

    def _loss_step(self, batch: Batch) -> dict[str, float]:
        scratch, n = self._network.scratch, batch.n
        logits, codes = self._pass(batch, training=True)
        nll, grad, weight = scratch("nll", (n,)), scratch("grad", logits.shape), scratch("w", (n,))
        weight.fill(1 / n)
        _core.cross_entropy(nll, grad, weight, logits, codes, None, runtime.current())
        right = float((logits.argmax(2) == codes).mean(1).sum())
        self._network.pixelcnn.backward(grad.reshape(n, *self._grid, -1))
        total = float(nll.sum(dtype=np.float64))
        return {"loss": total, "nll": total, "accuracy": right}

    def _epoch_terms(self, means: dict[str, float], n: int, observed: int) -> dict[str, float]:
        return self._per_code(means["nll"])

    def _per_code(self, nats: float) -> dict[str, float]:
        """Return nats of a map as nats and bits of a code."""
        per_code = nats / self.n_features_in_
        return {"nats_per_code": per_code, "bits_per_dim": per_code / math.log(2)}

    def _nll(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Return each map's nats, and the share of its codes that are the likeliest."""
        logits, codes = self._pass(batch)
        nll = self._network.scratch("nll", (batch.n,))
        _core.cross_entropy(nll, None, None, logits, codes, None, runtime.current())
        return nll, (logits.argmax(2) == codes).mean(1)

    def _validate(self, batches: Batches) -> dict[str, float]:
        nats, right, n = 0.0, 0.0, batches.total
        for batch in batches():
            nll, shares = self._nll(batch)
            nats, right = nats + float(nll.sum(dtype=np.float64)), right + float(shares.sum())
        means = {"loss": nats / n, "nll": nats / n, "accuracy": right / n}
        return {f"val_{k}": v for k, v in (means | self._per_code(nats / n)).items()}

    # ---- fitted models --------------------------------------------------------------------------

    def _conditions(self, y: Any, n: int) -> Condition | None:
        conditioner = self._network.conditioner
        unasked(conditioner, y)
        return conditions(conditioner, y, n)

    @fitted
    def log_likelihood(self, X: Any, y: Any = None) -> np.ndarray:
        r"""Return :math:`\ln p(c | y)` of each map.

        Parameters
        ----------
        X : array-like of int, shape (N, H, W) or (N, T)
            Maps of the shape that the model was fitted to.
        y : array-like, optional
            Their conditions, where `fit` was given some.

        Returns
        -------
        ndarray of float32, shape (N,)
            In nats.
        """
        data = self._read_codes(X, "X", self._network.input_shape)
        given = Input(data, self._conditions(y, len(data)))
        out = np.empty(len(data), np.float32)
        for rows, batch in self._chunks(given):
            np.negative(self._nll(batch)[0], out=out[rows])
        return out

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of `log_likelihood`.

        Parameters
        ----------
        X, y
            As in `log_likelihood`.

        Returns
        -------
        float
        """
        return float(self.log_likelihood(X, y).mean(dtype=np.float64))

    def bits_per_dim(self, X: Any, y: Any = None) -> float:
        """Return the mean of -`log_likelihood` in bits, of a code.

        Parameters
        ----------
        X, y
            As in `log_likelihood`.

        Returns
        -------
        float
        """
        return self._per_code(-self.score(X, y))["bits_per_dim"]

    @fitted
    def sample(self, n: int, *, y: Any = None, random_state: Any = None) -> np.ndarray:
        """Draw maps of codes, position by position.

        What layers have seen is kept, so that a position costs its own windows and not a pass over
        the map.

        Parameters
        ----------
        n : int
        y : optional
            Where `fit` was given conditions: one for all maps, or one for each.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of int64, shape (n, H, W) or (n, T), and `depth` if there are several
        """
        n, network = checks.integer("n", n, 0), self._network
        unasked(network.conditioner, y)
        condition = shared(network.conditioner, y, n)
        height, width = self._grid
        draws = np.empty((n, height, width), np.float32)
        _core.random_uniform(draws, new_seed(random_state), SAMPLE, 0, runtime.current())
        codes = np.zeros(draws.shape, np.int64)
        for start in range(0, n, INFERENCE_BATCH):
            rows = slice(start, start + INFERENCE_BATCH)
            beside = None if condition is None else condition.take(rows)
            walk = Raster(network.pixelcnn, codes[rows].shape, beside)
            for i in range(height):
                walk.begin_row(i)
                for j in range(width):
                    codes[rows, i, j] = drawn(walk.logits(j), draws[rows, i, j])
                    walk.put(i, j, codes[rows, i, j])
        return codes.reshape(n, *network.input_shape[:-1])


def drawn(logits: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the codes (n,) that u, uniform in [0, 1), picks by the distributions (n, E)."""
    sums = np.cumsum(np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64), axis=1)
    passed = (sums <= u[:, None] * sums[:, -1:]).sum(1)
    return np.minimum(passed, logits.shape[1] - 1)


def unasked(conditioner: Conditioner | None, y: Any) -> None:
    """Raise ValueError for conditions that a model fitted without any is given."""
    if conditioner is None and y is not None:
        raise ValueError("y: expected None: this PixelCNN was fitted without conditions")

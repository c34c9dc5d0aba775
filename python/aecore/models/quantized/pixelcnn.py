"""A distribution over maps of codes, by itself or as the prior of a `VQVAE`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ...base import checks, runtime
from ...base.sklearn import new_seed
from ...base.streams import SAMPLE
from ...data.batches import Batch
from ...data.conditions import Conditioner, shared
from ...data.readers import LARGEST_CODE, MapReader, Reader, described, is_map
from ...nn.module import Module
from ...nn.ops.losses import CrossEntropy
from ...nn.pixelcnn.masked import check_odd
from ...nn.pixelcnn.network import GatedPixelCNN
from ...nn.pixelcnn.sampler import Sampler
from ...nn.tape import Value
from ..base.model import INFERENCE_BATCH, BaseModel, fitted
from ..base.options import Training, Unpack
from ..base.own_rows import optional_conditioner_of

if TYPE_CHECKING:
    from typing_extensions import Self

MOST_LAYERS = 1000


class PixelCNN(BaseModel, options=Training):
    r"""Maps of codes, position by position: :math:`p(c) = \prod_t p(c_t | c_{<t}, y)`.

    Positions go row by row from the top. A gated PixelCNN gives the distribution of each from those
    before it: one stack of masked convolutions sees the rows above, another one those to the left.
    With conditions y every layer has a bias that depends on them. A sequence of codes (T,) is a map
    of one row.

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
        **options: Unpack[Training],
    ) -> None:
        self._store(PixelCNN, locals())

    channels: int
    layers: int
    kernel_size: int
    codebook_size: int | None
    depth: int

    loss, corruption, penalty = "nll", None, None  # parameters of other models
    _ignores_y = _streams = False
    _no_target = "whose maps are predicted from themselves"
    _reader = MapReader
    _estimator_type = "density_estimator"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(two_d_array=True, three_d_array=True),
        )

    def _check_params(self) -> None:
        checks.integer("channels", self.channels, 1)
        checks.integer("layers", self.layers, 1, MOST_LAYERS)
        check_odd(checks.integer("kernel_size", self.kernel_size, 3))
        if self.codebook_size is not None:
            checks.integer("codebook_size", self.codebook_size, 1, LARGEST_CODE + 1)
        checks.integer("depth", self.depth, 1)
        self._check_training_params()

    # ---- fitting --------------------------------------------------------------------------------

    def fit(  # type: ignore[override]
        self, X: Any, y: Any = None, *, X_val: Any = None, resume: bool = False, comm: Any = None
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
        comm : optional
            The processes that train together, as `Autoencoder.fit` says.

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
        return super().fit(X, y, X_val=X_val, resume=resume, comm=comm)

    def partial_fit(  # type: ignore[override]
        self, X: Any, y: Any = None, *, comm: Any = None
    ) -> Self:
        """Make one pass over the maps in batches of ``batch_size``, in their order.

        The first call makes the network; give ``codebook_size`` where it may not see every code.

        Parameters
        ----------
        X, y, comm
            As in `fit`.

        Returns
        -------
        self
        """
        return super().partial_fit(X, y, comm=comm)

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        *shape, size = reader.shape
        if not is_map(tuple(shape), self.depth):
            forms = described(self.depth)
            raise ValueError(f"shape: expected {forms} and how many codes, got {reader.shape}")
        sizes = size, int(self.channels), int(self.layers), int(self.kernel_size)
        return {"pixelcnn": GatedPixelCNN(*sizes, condition, int(self.depth))}

    def _conditioner(self, y: Any, n: int) -> Conditioner | None:
        return optional_conditioner_of(y, n)

    # ---- steps ----------------------------------------------------------------------------------

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        codes = batch.target.astype(np.int64)
        maps = codes.reshape(batch.n, *self._plane)
        logits = self._network.pixelcnn.forward(maps, batch.condition_value)
        likeliest = logits.data.argmax(-1).reshape(codes.shape)
        batch.reported["accuracy"] = float((likeliest == codes).mean(1).sum())
        return {"nll": CrossEntropy(logits, codes)}

    @property
    def _plane(self) -> tuple[int, int]:
        """Height and width of a map."""
        depth, shape = self._network.pixelcnn.depth, self._network.input_shape[:-1]
        *above, width = (shape if depth == 1 else shape[:-1]) or (1,)
        return math.prod(above), width * depth

    def _epoch_terms(
        self, means: dict[str, float], noted: dict[str, np.ndarray], n: float, observed: float
    ) -> dict[str, float]:
        per_code = means["nll"] / self.n_features_in_
        return {"nats_per_code": per_code, "bits_per_dim": per_code / math.log(2)}

    # ---- fitted models --------------------------------------------------------------------------

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
        given = self._input(X, y)
        return self._collected(given, lambda batch: -self.terms(batch)["nll"].data)

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
        return -self.score(X, y) / (self.n_features_in_ * math.log(2))

    @fitted
    def sample(self, n: int, *, y: Any = None, random_state: Any = None) -> np.ndarray:
        """Draw maps of codes, position by position.

        Activations are cached, so that a position costs its own windows and not a pass over the
        map.

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
        condition = self._conditions(network.conditioner, y, n, shared)
        height, width = self._plane
        draws = np.empty((n, height, width), np.float32)
        _core.random_uniform(draws, new_seed(random_state), SAMPLE, 0, runtime.current())
        codes = np.zeros(draws.shape, np.int64)
        for start in range(0, n, INFERENCE_BATCH):
            rows = slice(start, start + INFERENCE_BATCH)
            given = None if condition is None else condition.take(rows)
            sampler = Sampler(network.pixelcnn, codes[rows].shape, given)
            for i in range(height):
                sampler.begin_row(i)
                for j in range(width):
                    codes[rows, i, j] = sample_codes(sampler.logits(j), draws[rows, i, j])
                    sampler.put(i, j, codes[rows, i, j])
        return codes.reshape(n, *network.input_shape[:-1])


def sample_codes(logits: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return codes (n,) drawn from logits (n, E) by inverting the CDF at u, uniform in [0, 1)."""
    sums = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    np.cumsum(sums, axis=1, out=sums)
    passed = np.count_nonzero(sums <= (u * sums[:, -1])[:, None], axis=1)
    return np.minimum(passed, logits.shape[1] - 1)

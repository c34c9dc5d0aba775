"""A distribution over maps of codes, by itself or as the prior of a `VQVAE`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ...base import checks, runtime
from ...base.sklearn import new_seed
from ...base.streams import SAMPLE
from ...data.batches import Batch, Condition
from ...data.conditions import Conditioner, conditions, shared
from ...data.maps import MapConditioner, WithMaps, finer_by, read_maps
from ...data.readers import LARGEST_CODE, MapReader, Reader, described, is_map
from ...nn.module import Module
from ...nn.ops.losses import CrossEntropy
from ...nn.pixelcnn.drawing import walked
from ...nn.pixelcnn.masked import check_odd
from ...nn.pixelcnn.network import GatedPixelCNN
from ...nn.pixelcnn.sampler import Sampler
from ...nn.tape import Value
from ...training import group
from ..base.model import INFERENCE_BATCH, BaseModel, fitted
from ..base.options import Training, Unpack
from ..base.own_rows import optional_conditioner_of

if TYPE_CHECKING:
    from typing_extensions import Self

MOST_LAYERS = 1000


class PixelCNN(BaseModel, options=Training):
    r"""Maps of codes, position by position: :math:`p(c) = \prod_t p(c_t | c_{<t}, y, d)`.

    Positions go row by row from the top. A gated PixelCNN gives the distribution of each from those
    before it: one stack of masked convolutions sees the rows above, another one those to the left.
    With conditions y every layer has a bias that depends on them. The context d is another map of
    codes, as large or coarser, such as that of an upper level of a hierarchy, or of the quantizer
    before: what it says around a position is added there in every layer. A sequence of codes (T,)
    is a map of one row.

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
    context_size : int or None
        How many codes a context has, where `fit` is given one; None is one more than the largest.

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
    A. van den Oord et al., "Conditional image generation with PixelCNN decoders", NeurIPS 2016. A.
    Razavi, A. van den Oord and O. Vinyals, "Generating diverse high-fidelity images with VQ-VAE-2",
    NeurIPS 2019 (maps given coarser maps).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> codes = np.tile(np.arange(6) % 3, (50, 4, 1))  # 0 1 2 0 1 2 in every row
    >>> model = ae.PixelCNN(16, layers=2, epochs=40, learning_rate=1e-2, random_state=0).fit(codes)
    >>> model.sample(1, random_state=0)[0, 0]
    array([0, 1, 2, 0, 1, 2])

    The rest of a map of which a part is known, and maps that depend on others:

    >>> given = np.full((4, 6), -1)
    >>> given[0] = 0, 1, 2, 0, 1, 2
    >>> model.sample(2, given=given, random_state=0).shape
    (2, 4, 6)
    >>> coarse = np.arange(50).reshape(50, 1, 1) % 2 + np.zeros((50, 2, 3), int)
    >>> fine = np.repeat(np.repeat(coarse, 2, axis=1), 2, axis=2)
    >>> model = ae.PixelCNN(16, layers=2, epochs=40, learning_rate=1e-2, random_state=0)
    >>> model.fit(fine, context=coarse).sample(1, context=coarse[1], random_state=0)[0, 0]
    array([1, 1, 1, 1, 1, 1])
    """

    def __init__(
        self,
        channels: int = 64,
        layers: int = 4,
        kernel_size: int = 5,
        *,
        codebook_size: int | None = None,
        depth: int = 1,
        context_size: int | None = None,
        **options: Unpack[Training],
    ) -> None:
        self._store(PixelCNN, locals())

    channels: int
    layers: int
    kernel_size: int
    codebook_size: int | None
    depth: int
    context_size: int | None

    loss, corruption, penalty = "nll", None, None  # parameters of other models
    _ignores_y = _streams = False
    _takes_context = True
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
        if self.context_size is not None:
            checks.integer("context_size", self.context_size, 1, LARGEST_CODE + 1)
        self._check_training_params()

    # ---- fitting --------------------------------------------------------------------------------

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any = None,
        *,
        context: Any = None,
        X_val: Any = None,
        resume: bool = False,
        comm: Any = None,
    ) -> Self:
        """Train on maps of codes.

        Parameters
        ----------
        X : array-like of int, shape (N, H, W) or (N, T), or one axis more of length `depth`
            Codes, from 0 on.
        y : array-like, shape (N,) or (N, p), optional
            What the maps are conditioned on: labels, or properties as of a `CVAE`.
        context : array-like of int, shape (N, h, w) or (N, t), optional
            Other maps that they are conditioned on, from 0 on: H and W are multiples of h and w.
            One axis more is of several codes at each position.
        X_val : like X, (X_val, y_val) where there are conditions, or a dict, optional
            Maps to measure after each epoch, in place of ``validation_fraction``. With a context it
            is ``{"X": X_val, "y": y_val, "context": context_val}``.
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
        if isinstance(X_val, dict) and "context" in X_val:
            X_val = dict(X_val)
            X_val["y"] = WithMaps(X_val.get("y"), X_val.pop("context"))
        return super().fit(X, _together(y, context), X_val=X_val, resume=resume, comm=comm)

    def partial_fit(  # type: ignore[override]
        self, X: Any, y: Any = None, *, context: Any = None, comm: Any = None
    ) -> Self:
        """Make one pass over the maps in batches of ``batch_size``, in their order.

        The first call makes the network; give ``codebook_size``, and ``context_size``, where it may
        not see every code.

        Parameters
        ----------
        X, y, context, comm
            As in `fit`.

        Returns
        -------
        self
        """
        return super().partial_fit(X, _together(y, context), comm=comm)

    def initialize(  # type: ignore[override]
        self, X: Any, y: Any = None, *, context: Any = None
    ) -> Self:
        """Make the network that `fit` would start from, and don't train it.

        Parameters
        ----------
        X, y, context
            As in `fit`.

        Returns
        -------
        self
        """
        return super().initialize(X, _together(y, context))

    def _modules_for(self, reader: Reader, conditioner: Conditioner | None) -> dict[str, Module]:
        (*shape, size), depth = reader.shape, int(self.depth)
        if not is_map(tuple(shape), depth):
            forms = described(depth)
            raise ValueError(f"shape: expected {forms} and how many codes, got {reader.shape}")
        sizes = size, int(self.channels), int(self.layers), int(self.kernel_size)
        width = 0 if conditioner is None else conditioner.width
        if not isinstance(conditioner, MapConditioner):
            return {"pixelcnn": GatedPixelCNN(*sizes, width, depth)}
        room, theirs = tuple(shape if depth == 1 else shape[:-1]) or (1,), conditioner.shape
        finer = finer_by(room, theirs)
        if finer is None:
            raise ValueError(
                f"context: expected maps whose sides divide {room}, perhaps of several codes at a "
                f"position, got {theirs}"
            )
        several = theirs[-1] if len(theirs) > len(room) else 1
        how = (conditioner.size, several), (finer[0], finer[1] * depth)
        return {"pixelcnn": GatedPixelCNN(*sizes, width, depth, *how)}

    def _conditioner(self, y: Any, n: int) -> Conditioner | None:
        if isinstance(y, WithMaps):
            most = int(self.context_size or LARGEST_CODE + 1)
            maps = read_maps(y.context, None, most)
            found, y = (maps.shape[1:], int(maps.max()) + 1), y.y
        else:
            found = None
        every = group.over_rows(found)
        if len({None if one is None else one[0] for one in every}) > 1:
            raise ValueError("context: expected maps of one shape in every process, got several")
        inner = optional_conditioner_of(y, n)
        if found is None:
            return inner
        size = self.context_size or max(one[1] for one in every if one is not None)
        return MapConditioner(inner, found[0], int(size))

    def _conditions(
        self, known: Conditioner | None, y: Any, n: int, read: Any = conditions
    ) -> Condition | None:
        if isinstance(y, WithMaps) and not isinstance(known, MapConditioner):
            raise ValueError(
                "context: expected None for a PixelCNN fitted without maps to depend on, got "
                f"{type(y.context).__name__}"
            )
        return super()._conditions(known, y, n, read)

    def _given(self, condition: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return what conditions stand for: vectors (n, P), and maps (n, H', W', D) as context."""
        known = self._network.conditioner
        if condition is None or not isinstance(known, MapConditioner):
            return condition, None
        y, maps = known.split(condition)
        depth, shape = self._network.pixelcnn.context.depth, known.shape
        room = shape[: len(shape) - (len(shape) > self._map_rank)]
        return y, maps.reshape(len(maps), *(1,) * (2 - len(room)), *room, depth)

    @property
    def _map_rank(self) -> int:
        """How many axes the positions of a map have."""
        return max(1, len(self._network.input_shape) - 1 - (self._network.pixelcnn.depth > 1))

    # ---- steps ----------------------------------------------------------------------------------

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        codes = batch.target.astype(np.int64)
        maps, (y, context) = codes.reshape(batch.n, *self._plane), self._given(batch.condition)
        value = batch.condition_value if context is None else None
        if y is not None and value is None:
            value = batch.tape.constant(y)
        logits = self._network.pixelcnn.forward(maps, value, context)
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
    def log_likelihood(self, X: Any, y: Any = None, *, context: Any = None) -> np.ndarray:
        r"""Return :math:`\ln p(c | y, d)` of each map.

        Parameters
        ----------
        X : array-like of int, shape (N, H, W) or (N, T)
            Maps of the shape that the model was fitted to.
        y, context : array-like, optional
            Their conditions, where `fit` was given some.

        Returns
        -------
        ndarray of float32, shape (N,)
            In nats.
        """
        given = self._input(X, _together(y, context))
        return self._collected(given, lambda batch: -self.terms(batch)["nll"].data)

    @fitted
    def score_features(self, X: Any, y: Any = None, *, context: Any = None) -> np.ndarray:
        r"""Return how unlikely each code is: :math:`-\ln p(c_t | c_{<t}, y, d)`.

        Parameters
        ----------
        X, y, context
            As in `log_likelihood`.

        Returns
        -------
        ndarray of float32, the shape of X
            In nats; over a map they add up to minus its `log_likelihood`.
        """
        given = self._input(X, _together(y, context))
        shape = self._network.input_shape[:-1]
        return self._collected(given, self._nats).reshape(-1, *shape)

    def _nats(self, batch: Batch) -> np.ndarray:
        nll = self.terms(batch)["nll"]
        assert isinstance(nll, CrossEntropy)
        logits = nll.x.data.reshape(batch.n, -1, self._network.pixelcnn.codebook_size)
        codes = batch.target.astype(np.int64)[..., None]
        most = logits.max(-1)
        total = np.log(np.exp(logits - most[..., None], dtype=np.float64).sum(-1)) + most
        found: np.ndarray = total - np.take_along_axis(logits, codes, -1)[..., 0]
        return found.astype(np.float32)

    def score(self, X: Any, y: Any = None, *, context: Any = None) -> float:
        """Return the mean of `log_likelihood`.

        Parameters
        ----------
        X, y, context
            As in `log_likelihood`.

        Returns
        -------
        float
        """
        return float(self.log_likelihood(X, y, context=context).mean(dtype=np.float64))

    def bits_per_dim(self, X: Any, y: Any = None, *, context: Any = None) -> float:
        """Return the mean of -`log_likelihood` in bits, of a code.

        Parameters
        ----------
        X, y, context
            As in `log_likelihood`.

        Returns
        -------
        float
        """
        return -self.score(X, y, context=context) / (self.n_features_in_ * math.log(2))

    @fitted
    def sample(
        self,
        n: int,
        *,
        y: Any = None,
        context: Any = None,
        given: Any = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: Any = None,
    ) -> np.ndarray:
        r"""Draw maps of codes, position by position.

        Activations are cached, so that a position costs its own windows and not a pass over the
        map.

        Parameters
        ----------
        n : int
        y, context : optional
            Where `fit` was given them: one for all maps, or one for each.
        given : array-like of int, shape (H, W) or (n, H, W), optional
            Codes that are known, of all maps or of each, and -1 at positions to be drawn. A code is
            drawn given those before it alone: where the known ones come first, row by row from the
            top, the maps are draws of :math:`p(c | \mathrm{known})`; of known ones that come later
            the codes before them know nothing.
        temperature : float
            What logits are divided by: below 1 likely codes are drawn still more often. At 0 it is
            the likeliest one.
        top_k : int, optional
            How many of the likeliest codes of a position are drawn from; None is all.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of int64, shape (n, H, W) or (n, T), and `depth` if there are several
        """
        n, network = checks.integer("n", n, 0), self._network
        condition = self._conditions(network.conditioner, _together(y, context), n, shared)
        temperature = checks.real("temperature", temperature)
        if top_k is not None:
            top_k = checks.integer("top_k", top_k, 1)
        height, width = self._plane
        known = self._read_known(given, n).reshape(n, height, width)
        draws = np.empty((n, height, width), np.float32)
        _core.random_uniform(draws, new_seed(random_state), SAMPLE, 0, runtime.current())
        codes = np.zeros(draws.shape, np.int64)
        for start in range(0, n, INFERENCE_BATCH):
            rows = slice(start, start + INFERENCE_BATCH)
            told = self._given(None if condition is None else condition.take(rows))
            sampler = Sampler(network.pixelcnn, codes[rows].shape, *told)
            codes[rows] = walked(sampler, draws[rows], known[rows], temperature, top_k)
        return codes.reshape(n, *network.input_shape[:-1])

    def _read_known(self, given: Any, n: int) -> np.ndarray:
        """Check codes that are known; return them for n maps, -1 where they aren't."""
        *shape, size = self._network.input_shape
        if given is None:
            return np.full((n, *shape), -1)
        given = checks.array("given", given)
        if given.dtype.kind not in "iu":
            raise TypeError(
                f"given: expected integers, -1 for what is to be drawn, got {given.dtype}"
            )
        if given.shape not in (tuple(shape), (n, *shape)):
            raise ValueError(
                f"given: expected codes of shape {tuple(shape)} or {(n, *shape)}, got {given.shape}"
            )
        if given.size and not (given.min() >= -1 and given.max() < size):
            raise ValueError(
                f"given: expected codes of 0 to {size - 1}, or -1, got {given.min()} to "
                f"{given.max()}"
            )
        return np.broadcast_to(given.astype(np.int64), (n, *shape))


def _together(y: Any, context: Any) -> Any:
    """Return y, with maps beside it if there are some."""
    return y if context is None else WithMaps(y, context)

"""A softmax classifier on a pretrained encoder, trained as one network."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...base import checks, runtime
from ...data import corruption
from ...data.arrays import Data, is_stream
from ...data.batches import Batch, Batches, Input
from ...data.conditions import Conditioner
from ...data.streams import Item
from ...losses import Loss
from ...nn.containers import Sequential
from ...nn.dropout import Dropout
from ...nn.linear import Linear
from ...nn.module import Module
from ...training.network import Network
from ..base.estimator import BaseModel, fitted
from .levels import climb, depth
from .stacked import StackedAutoencoder


class SoftmaxClassifier(BaseModel):
    r"""The encoder of a `StackedAutoencoder` and a softmax layer, trained by labels as one.

    With h the representation of one of the encoder's levels,

    .. math:: p(y | x) = \mathrm{softmax}(W h(x) + b), \quad \min E\,[-\ln p(y | x)]

    over W, b and the encoder's layers, which start from the model's. `fit` copies these if the
    model is fitted. If it isn't, a copy of it is first trained on the same samples, without their
    labels. That is so in each fold of a cross-validation, because scikit-learn clones: test samples
    have no part in the pretraining.

    Parameters
    ----------
    model : StackedAutoencoder or None
        It stays as it is. None is ``StackedAutoencoder()``. Where it isn't fitted and its
        ``random_state`` is None, the seed is the classifier's.
    level : int or None
        Whose representation h is, from 1 at the input to L + 1, the code, for L widths; None is
        that, before a `KLSparsity` or `TopK` changes it. L, the last hidden layer, is what stacked
        denoising autoencoders were tried with.
    dropout : float
        The share of values that training drops behind each level, from 0 up to but not 1.
    corruption : GaussianNoise, Masking, SaltAndPepper, SwapNoise or None
        What is done to the input in training.
    optimizer, learning_rate, ..., verbose
        As in `Autoencoder`.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The labels in order.
    history_ : list of dict
        For each epoch its number, means of the ``loss``, which is the ``cross_entropy`` in nats,
        and of the ``accuracy`` over samples as training saw them, and val_* where there is
        something to validate on.
    others
        As `Autoencoder`'s.

    References
    ----------
    P. Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> y = np.where(X[:, 0] > 0.5, "high", "low")
    >>> stack = ae.StackedAutoencoder(ae.Dense((16,)), 8, pretrain_epochs=2, epochs=1)
    >>> model = ae.SoftmaxClassifier(stack, epochs=3, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape, [str(label) for label in model.classes_]
    ((100, 2), ['high', 'low'])
    """

    def __init__(
        self,
        model: Any = None,
        *,
        level: int | None = None,
        dropout: float = 0.0,
        corruption: Any = None,
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

    model: Any
    level: int | None
    dropout: float
    loss = "mse"  # which any samples can have; they are no targets here
    penalty = None
    _needs_y = True

    # ---- parameters and labels ------------------------------------------------------------------

    def _stack(self) -> StackedAutoencoder:
        return StackedAutoencoder() if self.model is None else self.model

    def _check_params(self) -> None:
        stack = self._stack()
        if not isinstance(stack, StackedAutoencoder):
            raise TypeError(f"model: expected None or a StackedAutoencoder, got {self.model!r}")
        stack._check_params()
        if self.level is not None:
            checks.integer("level", self.level, 1, depth(stack._dense()))
        if checks.real("dropout", self.dropout, 0, 1) == 1:
            raise ValueError("dropout: expected less than 1, got 1")
        corruption.check(self.corruption)
        self._check_training_params()

    def _read_training(
        self, X: Any, y: Any, sample_mask: Any, resume: bool, classes: Any = None
    ) -> tuple[Conditioner | None, Input]:
        if not is_stream(X):
            y = _labels(y, type(self).__name__)
        elif classes is not None:
            raise ValueError("classes: expected None where X gives batches, all of which are seen")
        conditioner, given = super()._read_training(X, y, sample_mask, resume)
        if classes is None:
            return conditioner, given
        known = Conditioner.learn(_labels(classes, type(self).__name__), len(classes))
        assert known.classes is not None
        if resume and not np.array_equal(known.classes, self.classes_):
            raise ValueError(f"classes: expected those of before, {self.classes_}, got {classes}")
        return known, Input(given.data, known.read(y, len(given.data)))

    def _read_validation(
        self, X_val: Any, given: Input, conditioner: Conditioner | None
    ) -> Batches | None:
        if isinstance(X_val, tuple) and len(X_val) == 2:
            X_val = X_val[0], _labels(X_val[1], type(self).__name__)
        elif X_val is not None:
            raise ValueError("X_val: expected (X, y), the labels are needed too")
        return super()._read_validation(X_val, given, conditioner)

    def _conditioner(self, y: Any, n: int) -> Conditioner:
        return Conditioner.learn(_labels(y, type(self).__name__), n)

    def _read_item(self, item: Item, like: tuple[int, ...] | None) -> tuple[Data, Any]:
        data, y = super()._read_item(item, like)
        if not self._stack().__sklearn_is_fitted__():
            Loss(self._stack().loss, data.shape).check(data, "X")
        return data, _labels(y, type(self).__name__)

    # ---- training -------------------------------------------------------------------------------

    def partial_fit(
        self, X: Any, y: Any = None, *, classes: Any = None, sample_mask: Any = None
    ) -> SoftmaxClassifier:
        """Make one pass over the samples in batches of ``batch_size``, in their order.

        Parameters
        ----------
        X, y, sample_mask
            As in `fit`.
        classes : array-like, shape (K,), optional
            All labels that will come, for the first call; those in y by default.

        Returns
        -------
        self
        """
        self._check_params()
        resume = self.__sklearn_is_fitted__()
        with runtime.threads(self.n_threads):
            conditioner, given = self._read_training(X, y, sample_mask, resume, classes)
            self._start_or_go_on(resume, conditioner, given)
            self._train(given, None, None, self._plan(1, False))
        return self

    def _modules(self, shape: tuple[int, ...], condition: int) -> dict[str, Module]:
        stack = self._stack()
        arch, top = stack._dense(), self.level
        levels = climb(shape, arch, stack.latent_dim, depth(arch) if top is None else int(top))
        if self.dropout:
            levels = [[*level, Dropout(self.dropout)] for level in levels]
        encoder = Sequential(*(layer for level in levels for layer in level))
        (width,) = encoder.output_shape(shape)
        return {"encoder": encoder, "decoder": Linear(width, condition)}

    def _finish_initializing(self, network: Network, given: Input) -> None:
        """Give the encoder the values of a fitted stack's."""
        stack = self._stack()
        if not stack.__sklearn_is_fitted__():
            stack = StackedAutoencoder(**stack.get_params(deep=False))
            if stack.random_state is None:
                stack.random_state = network.seed
            if isinstance(given.data, Data):  # batches of a stream were checked one by one
                Loss(stack.loss, given.data.shape).check(given.data, "X")
            stack._fit(False, None, given.alone())
        theirs, shape = stack._fitted(), given.data.shape
        if theirs.input_shape != shape:
            raise ValueError(
                f"X: expected samples of shape {theirs.input_shape}, as the model was fitted to, "
                f"got {shape}"
            )
        sources = [p.value for _, p in theirs.encoder.parameters()]
        targets = [p.value for _, p in network.encoder.parameters()]
        if any(a.shape != b.shape for a, b in zip(sources, targets, strict=False)):
            raise ValueError("model: its arch or latent_dim is no longer what it was fitted with")
        for source, target in zip(sources, targets, strict=False):
            np.copyto(target, source)

    def _loss_step(self, batch: Batch) -> dict[str, float]:
        network, scratch, n = self._network, self._network.scratch, batch.n
        output = network.decode(network.encode(batch.x, training=True), training=True)
        grad, weight = scratch("grad", output.shape), scratch("weight", (n,))
        weight.fill(1 / n)
        nats = scratch("nats", (n,))
        self._measure(batch, output, nats, grad, weight)
        right = self._right(batch, output)
        network.encode_backward(network.decode_backward(grad))
        total = float(nats.sum(dtype=np.float64))
        return {"loss": total, "cross_entropy": total, "accuracy": right}

    def _measure(
        self,
        batch: Batch,
        output: np.ndarray,
        nats: np.ndarray,
        grad: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> None:
        """Write each sample's cross-entropy, and its gradient times the sample's weight."""
        assert batch.condition is not None  # the labels as one-hot vectors
        loss = Loss("cross_entropy", output.shape[1:])
        scratch = self._network.scratch
        loss.per_sample(nats, grad, weight, output, batch.condition, None, scratch)

    def _right(self, batch: Batch, output: np.ndarray) -> float:
        """Return how many samples of a batch are classified as their labels say."""
        assert batch.condition is not None
        return float((output.argmax(1) == batch.condition.argmax(1)).sum())

    def _validate(self, batches: Batches) -> dict[str, float]:
        total, right, n = 0.0, 0.0, batches.total
        for batch in batches():
            output = self._logits(batch)
            nats = self._network.scratch("nats", (batch.n,))
            self._measure(batch, output, nats)
            total += float(nats.sum(dtype=np.float64))
            right += self._right(batch, output)
        mean = total / n
        return {"val_loss": mean, "val_cross_entropy": mean, "val_accuracy": right / n}

    # ---- answers --------------------------------------------------------------------------------

    def _logits(self, batch: Batch) -> np.ndarray:
        return self._network.decode(self._network.encode(batch.x))

    @property
    def classes_(self) -> np.ndarray:
        """The labels in order."""
        classes = self._fitted().conditioner.classes
        assert classes is not None
        return classes

    @fitted
    def predict_proba(self, X: Any, *, sample_mask: Any = None) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, shape (N, ...)
        sample_mask : array-like of bool, the shape of X, optional
            True where a value is observed, as in `fit`.

        Returns
        -------
        ndarray of float32, shape (N, K)
            In the order of ``classes_``.
        """
        given = Input(self._samples(X, sample_mask))
        out = np.empty((len(given.data), len(self.classes_)), np.float32)
        for rows, batch in self._chunks(given):
            Loss("cross_entropy", out.shape[1:]).to_data(self._logits(batch), out[rows])
        return out

    def predict(self, X: Any, *, sample_mask: Any = None) -> np.ndarray:
        """Return the most probable class of each sample.

        Parameters
        ----------
        X, sample_mask
            As in `predict_proba`.

        Returns
        -------
        ndarray, shape (N,)
            Labels as in fit.
        """
        return self.classes_[self.predict_proba(X, sample_mask=sample_mask).argmax(1)]

    def score(self, X: Any, y: Any, *, sample_mask: Any = None) -> float:
        """Return the share of samples that are classified as their labels say.

        Parameters
        ----------
        X, sample_mask
            As in `predict_proba`.
        y : array-like, shape (N,)

        Returns
        -------
        float
        """
        y = _labels(y, type(self).__name__)
        found = self.predict(X, sample_mask=sample_mask)
        if len(y) != len(found):
            raise ValueError(f"y: expected {len(found)} labels, one for each sample, got {len(y)}")
        return float((found == y).mean())

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.transformer_tags = "classifier", None
        tags.classifier_tags = ClassifierTags()
        return tags


def _labels(y: Any, owner: str) -> np.ndarray:
    """Check labels as far as can be without knowing the classes; whole floats become integers."""
    if y is None:
        raise ValueError(f"y: {owner} requires y to be passed, but the target y is None")
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        text = "A column-vector y was passed when a 1d array was expected: y.ravel() is taken"
        warnings.warn(_column_warning()(text), stacklevel=4)
        y = y.ravel()
    if y.ndim != 1:
        raise ValueError(f"y: expected labels, a 1d array of shape (N,), got {y.shape}")
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity: expected labels")
        if (y != np.round(y)).any():
            raise ValueError(
                "Unknown label type: continuous. y: expected integers or strings, or whole numbers"
            )
        y = y.astype(np.int64)
    return y


def _column_warning() -> type[Warning]:
    """Return scikit-learn's own warning, if that is imported."""
    import sys

    theirs = sys.modules.get("sklearn.exceptions")
    return theirs.DataConversionWarning if theirs else UserWarning

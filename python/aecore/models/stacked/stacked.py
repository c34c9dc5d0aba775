"""Stacked autoencoders: layers trained one by one, then together; features and a classifier."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...base import checks, sklearn
from ...base.sklearn import Estimator, not_fitted
from ...data import conditions, corruption, foreign, weights
from ...data.arrays import Data, is_stream
from ...data.batches import Batch, Input
from ...data.conditions import Conditioner
from ...data.readers import Reader
from ...data.rows import Rows
from ...data.streams import Item
from ...files.codec import Decoder
from ...losses import Loss
from ...nn.containers import Sequential
from ...nn.dropout import Dropout
from ...nn.linear import Linear
from ...nn.module import Module
from ...nn.ops.losses import CrossEntropy
from ...nn.tape import Value
from ...training import group
from ...training.network import Network
from ..autoencoder import Autoencoder
from ..base import unchanged
from ..base._html import model_html
from ..base.levels import depth, encoder_levels, linears, split
from ..base.model import BaseModel, fitted
from ..base.options import Coding, Training, Unpack
from ..base.own_rows import conditioner_of
from ..base.streams import joined


class StackedAutoencoder(Autoencoder, options=Coding, defaults={"pretrain_epochs": 10}):
    r"""An `Autoencoder` of dense layers that are trained one by one first, then together.

    Level l is an autoencoder of one hidden layer on the codes of the level below, which is frozen
    and sees no noise: with :math:`h_0 = x` and :math:`h_l = f_l(h_{l-1})`,

    .. math:: \min_{f_l, g_l} E\,[\ell_l(h_{l-1}, g_l(f_l(\tilde h_{l-1})))],
        \quad l = 1, \dots, L + 1

    for L widths and the code :math:`h_{L+1}`. Then the encoder :math:`f_{L+1} \circ \dots \circ
    f_1` and the decoder :math:`g_1 \circ \dots \circ g_{L+1}` are trained as one for ``epochs``.
    Level 1 has the model's ``loss``; the others have bce where their codes are sigmoids, else mse.

    ``Autoencoder(pretrain_epochs=n)`` is the same training. Each level has the model's optimiser,
    learning rate and batches. Each has its penalty too, but `KLSparsity` and `TopK`, which make
    another code of what the encoder gives, are for that code's level alone. ``schedule``,
    validation, ``patience`` and ``callbacks`` are for the last phase. A ``checkpoint`` is for all,
    and ``fit(X, resume=True)`` goes on within a level too; `fit` with ``warm_start`` goes on with
    the last phase, and so does `partial_fit`. A level's codes of all samples are kept in
    memory while the next one is trained.

    Parameters
    ----------
    arch : Dense or None
        None is ``Dense()``.
    corruption : GaussianNoise, Masking, SaltAndPepper, SwapNoise, callable, None, or a sequence
        What is done to the input of every level, or of each of L + 1. The first is also
        what the last phase has at its input.
    pretrain_epochs : int
        Of each level.

    Attributes
    ----------
    history_ : list of dict
        Epochs of the levels have ``level``, from 1 at the input; those of the last phase don't.
    others
        As `Autoencoder`'s.

    References
    ----------
    Y. Bengio et al., "Greedy layer-wise training of deep networks", NIPS 2007. P. Vincent et al.,
    "Stacked denoising autoencoders", JMLR 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> stack = ae.StackedAutoencoder(
    ...     ae.Dense((16, 8)), 2, pretrain_epochs=3, epochs=1, random_state=0
    ... ).fit(X)
    >>> [record.get("level") for record in stack.history_]
    [1, 1, 1, 2, 2, 2, 3, 3, 3, None]
    >>> stack.as_features("all").transform(X).shape
    (100, 26)
    >>> labels = (X[:, 0] > 0.5).astype(int)
    >>> stack.fine_tune(X, labels, epochs=2).predict(X).shape
    (100,)
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        **options: Unpack[Coding],
    ) -> None:
        self._store(StackedAutoencoder, locals())

    _always_pretrains = True

    def as_features(self, levels: Any = None) -> StackedFeatures:
        """Return the fitted levels as a transformer that nothing trains again.

        Parameters
        ----------
        levels : int, sequence of int, "all" or None
            Whose representations, from 1 at the input to L + 1, the code, which None stands for.

        Returns
        -------
        StackedFeatures
            With a copy of the model.
        """
        self._fitted()
        features = StackedFeatures(copy.deepcopy(self), levels)
        features._levels()
        return features

    def fine_tune(
        self, X: Any, y: Any, *, X_val: Any = None, sample_mask: Any = None, **params: Any
    ) -> SoftmaxClassifier:
        """Return a classifier that starts from a copy of the fitted encoder.

        Parameters
        ----------
        X, y : array-like
            Samples of the shape that the model was fitted to, and their labels (N,).
        X_val, sample_mask
            As in `SoftmaxClassifier.fit`.
        **params
            Of `SoftmaxClassifier`, such as ``epochs``; ``random_state`` is the model's by default.

        Returns
        -------
        SoftmaxClassifier
            Fitted. The model itself stays as it is.
        """
        self._fitted()
        classifier = SoftmaxClassifier(self, **{"random_state": self.random_state, **params})
        return classifier.fit(X, y, X_val=X_val, sample_mask=sample_mask)

    @fitted
    def _hidden(self, X: Any, levels: tuple[int, ...], sample_mask: Any) -> np.ndarray:
        """Return the representations of some levels, side by side."""
        parts = split(self._network.encoder)

        def hidden(batch: Batch) -> np.ndarray:
            h, found = self._network.seen(batch.tape.constant(batch.x)), {}
            for number, layers in enumerate(parts[: max(levels)], 1):
                for layer in layers:
                    h = layer(h)
                found[number] = self._shaped(h) if number == len(parts) else h
            return np.concatenate([found[number].data for number in levels], axis=1)

        return self._collected(self._input(X, None, sample_mask), hidden)


class StackedFeatures(Estimator):
    """Hidden representations of a fitted `StackedAutoencoder`, as a transformer.

    `fit` trains nothing, and scikit-learn's ``clone`` keeps the fitted model: in a pipeline or a
    grid search the representations are those that the model was fitted to give.

    Parameters
    ----------
    model : StackedAutoencoder
        Fitted.
    levels : int, sequence of int, "all" or None
        As in `StackedAutoencoder.as_features`.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> stack = ae.StackedAutoencoder(ae.Dense((16, 8)), 2, epochs=1, random_state=0).fit(X)
    >>> stack.as_features(2).fit_transform(X).shape
    (100, 8)
    """

    get_feature_names_out = sklearn.get_feature_names_out
    set_output = sklearn.set_output
    _repr_html_ = model_html

    def __init__(self, model: StackedAutoencoder, levels: Any = None) -> None:
        self.model = model
        self.levels = levels

    def __sklearn_tags__(self) -> Any:
        tags = sklearn.transformer_tags(super().__sklearn_tags__(), ["float32"])
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return isinstance(self.model, StackedAutoencoder) and self.model.__sklearn_is_fitted__()

    def __sklearn_clone__(self) -> StackedFeatures:
        return copy.copy(self)

    @property
    def n_features_in_(self) -> int:  # type: ignore[override]
        """Values of a sample."""
        return self._model().n_features_in_

    def _model(self) -> StackedAutoencoder:
        if not isinstance(self.model, StackedAutoencoder):
            raise TypeError(f"model: expected a StackedAutoencoder, got {self.model!r}")
        if not self.__sklearn_is_fitted__():
            raise not_fitted(type(self.model).__name__)
        return self.model

    def _levels(self) -> tuple[int, ...]:
        """Return the numbers of the levels that are asked for."""
        top = len(split(self._model()._network.encoder))
        if self.levels is None:
            return (top,)
        if isinstance(self.levels, str):
            checks.choice("levels", self.levels, ("all",))
            return tuple(range(1, top + 1))
        several = isinstance(self.levels, Iterable)
        found = tuple(self.levels) if several else (self.levels,)
        if not found:
            raise ValueError("levels: expected at least one, got none")
        return tuple(checks.integer("levels", level, 1, top) for level in found)

    def fit(self, X: Any, y: Any = None) -> StackedFeatures:
        """Check that the samples are like those of the model, and leave it as it is.

        Parameters
        ----------
        X : array-like, shape (N, ...)
        y : optional
            No notice is taken of it.

        Returns
        -------
        self
        """
        self._levels()
        self._model()._samples(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Return the samples' representations, as `transform` does.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        ndarray of float32, shape (N, K)
        """
        return self.transform(X)

    def transform(self, X: Any, *, sample_mask: Any = None) -> Any:
        """Return the samples' representations.

        Parameters
        ----------
        X, sample_mask
            As in `Autoencoder.transform`.

        Returns
        -------
        ndarray of float32, shape (N, K)
            K is the sum of the levels' widths; the levels stand in the order given.
        """
        levels = self._levels()
        return sklearn.contained(self, self._model()._hidden(X, levels, sample_mask), X)

    @property
    def _n_features_out(self) -> int:
        layers = linears(self._model()._network.encoder)
        return sum(layers[level - 1].weight.shape[0] for level in self._levels())


class SoftmaxClassifier(BaseModel, options=Training):
    r"""The encoder of a `StackedAutoencoder` and a softmax layer, trained by labels as one.

    With h the representation of one of the encoder's levels,

    .. math:: p(y | x) = \mathrm{softmax}(W h(x) + b), \quad \min E\,[-\ln p(y | x)]

    over W, b and the encoder's layers, which start from the model's. `fit` copies these if the
    model is fitted. If it isn't, a copy of it is first trained on the same samples, without their
    labels, those that ``validation_fraction`` holds out among them. That is so in each fold of a
    cross-validation, because scikit-learn clones: test samples have no part in the pretraining.

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
    corruption : GaussianNoise or another corruption, callable, sequence of these, or None
        What is done to the input in training, as in `Autoencoder`.
    class_weight : None, "balanced" or dict
        How much a sample counts in training by its label, as ``sample_weight`` does, with which it
        is multiplied: "balanced" is N / (K n) for a class with n of N samples in K classes. Samples
        that ``validation_fraction`` holds out are weighted by it too, those of X_val aren't.

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
        class_weight: Any = None,
        **options: Unpack[Training],
    ) -> None:
        self._store(SoftmaxClassifier, locals())

    model: Any
    level: int | None
    dropout: float
    class_weight: Any
    loss = "mse"  # which accepts any samples; they are no targets here
    penalty = None
    _needs_y = True
    _no_target = "whose targets are the labels y"
    _estimator_type = "classifier"

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
        weights.check_classes(self.class_weight)
        self._check_training_params()

    def _read_y(self, y: Any) -> np.ndarray:
        return _labels(y, type(self).__name__)

    @property
    def _counts(self) -> bool:
        stack = self._stack()
        return stack._network.counts if stack.__sklearn_is_fitted__() else stack._counts

    @property
    def _pixels(self) -> bool | None:
        stack = self._stack()
        return stack._network.reader.pixels if stack.__sklearn_is_fitted__() else stack._pixels

    def _conditioner(self, y: Any, n: int) -> Conditioner:
        return conditioner_of(y, n)

    def _check_data(self, data: Data, name: str) -> None:
        stack = self._stack()
        if not stack.__sklearn_is_fitted__():
            stack._check_data(data, name)

    def _warn_of_traps(self, data: Data, paired: bool = False) -> None:
        if not self._stack().__sklearn_is_fitted__():  # whose own fit has warned
            super()._warn_of_traps(data, paired)

    # ---- training -------------------------------------------------------------------------------

    def partial_fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any = None,
        *,
        classes: Any = None,
        sample_mask: Any = None,
        sample_weight: Any = None,
        comm: Any = None,
    ) -> SoftmaxClassifier:
        """Make one pass over the samples in batches of ``batch_size``, in their order.

        Parameters
        ----------
        X, y, sample_mask, sample_weight, comm
            As in `fit`.
        classes : array-like, shape (K,), optional
            All labels that will come, for the first call; those in y by default.

        Returns
        -------
        self
        """
        with group.joined(comm):
            self._check_params()
            given = Item(X, y, sample_mask, sample_weight=sample_weight)
            self._pass_over(given, self._known(X, classes))
        return self

    def _known(self, X: Any, classes: Any) -> Conditioner | None:
        """Return what stands for the classes that are given, if any are."""
        if classes is None:
            return None
        if is_stream(X):
            raise ValueError(
                "classes: expected None where X gives batches, all of which are seen, got "
                f"{classes}"
            )
        known = Conditioner.learn(self._read_y(classes), len(classes))
        assert known.classes is not None
        before = self.classes_ if self.__sklearn_is_fitted__() else known.classes
        if not np.array_equal(known.classes, before):
            raise ValueError(f"classes: expected {before}, as before, got {classes}")
        return known

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        stack = self._stack()
        arch, top, shape = stack._dense(), self.level, reader.shape
        levels = encoder_levels(
            shape, arch, stack.latent_dim, depth(arch) if top is None else int(top)
        )
        if self.dropout:
            levels = [[*level, Dropout(self.dropout)] for level in levels]
        encoder = Sequential(*(layer for level in levels for layer in level))
        (width,) = encoder.output_shape(shape)
        return {"encoder": encoder, "decoder": Linear(width, condition)}

    def _prepare(self, network: Network, given: Input) -> None:
        """Give the encoder the values of a fitted stack's."""
        stack = self._stack()
        if not stack.__sklearn_is_fitted__():
            stack = StackedAutoencoder(**stack.get_params(deep=False))
            if stack.random_state is None:
                stack.random_state = network.seed
            if isinstance(given.data, Data):  # batches of a stream were checked one by one
                Loss(stack.loss, given.data.shape).check(given.data, "X")
            stack._fit(False, None, given.alone())
        else:
            unchanged.check(stack, "model")
            stack._check_names(given.data.columns)
        theirs, shape = stack._fitted(), given.data.shape
        if theirs.input_shape != shape:
            raise ValueError(
                f"X: expected samples of shape {theirs.input_shape}, as in the fit of model, got "
                f"{shape}"
            )
        sources = [p.value for _, p in theirs.encoder.parameters()]
        targets = [p.value for _, p in network.encoder.parameters()]
        for source, target in zip(sources, targets, strict=False):
            np.copyto(target, source)

    def _restore(
        self, config: dict[str, Any], tensors: dict[str, np.ndarray], decoder: Decoder
    ) -> None:
        super()._restore(config, tensors, decoder)
        if self._network.conditioner.classes is None:
            raise ValueError(
                "conditions: expected the classes of a SoftmaxClassifier, got properties"
            )

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        assert batch.condition is not None  # the labels as one-hot vectors
        labels, logits = batch.condition.argmax(1), self._logits(batch)
        batch.reported["accuracy"] = batch.sum(logits.data.argmax(1) == labels)
        return {"cross_entropy": CrossEntropy(logits, labels[:, None])}

    def _logits(self, batch: Batch) -> Value:
        network = self._network
        return network.decode(network.encode(batch.tape.constant(batch.x)))

    # ---- answers --------------------------------------------------------------------------------

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
        given = self._alone(X, sample_mask)
        loss = Loss("cross_entropy", (len(self.classes_),))
        return self._collected(given, lambda batch: loss.to_data(self._logits(batch).data))

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

    def score(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> float:
        """Return the share of samples that are classified as their labels say.

        Parameters
        ----------
        X, sample_mask
            As in `predict_proba`.
        y : array-like, shape (N,)
            Rows from `open_rows` have their own.

        Returns
        -------
        float
        """
        if y is None:
            y = joined(item.y for item in X) if isinstance(X, Rows) else foreign.labels(X)
        y = conditions.read(self._read_y(y))
        found = self.predict(X, sample_mask=sample_mask)
        if len(y) != len(found):
            raise ValueError(f"y: expected {len(found)} labels, one for each sample, got {len(y)}")
        return float((found == y).mean())

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.transformer_tags = self._estimator_type, None
        tags.classifier_tags = ClassifierTags()
        return tags


def _labels(y: Any, owner: str) -> np.ndarray:
    """Check labels as far as can be without knowing the classes; whole floats become integers."""
    if y is None:
        raise ValueError(f"y: {owner} requires y to be passed, but the target y is None")
    y = checks.array("y", y)
    if y.ndim == 2 and y.shape[1] == 1:
        text = "A column-vector y was passed when a 1d array was expected: y.ravel() is taken"
        checks.warn(text, _column_warning())
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
    theirs = sys.modules.get("sklearn.exceptions")
    return theirs.DataConversionWarning if theirs else UserWarning

"""Stacked autoencoders: layers trained one by one, then together, and what they are good for."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import checks
from ...base.sklearn import Transformer, not_fitted
from ..autoencoder import Autoencoder
from ..base.estimator import fitted
from .levels import linears, split

if TYPE_CHECKING:
    from .classifier import SoftmaxClassifier


class StackedAutoencoder(Autoencoder):
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
    the last phase, and `partial_fit` has no other. A level's codes of all samples are kept in
    memory while the next one is trained.

    Parameters
    ----------
    arch : Dense or None
        None is ``Dense()``.
    corruption : GaussianNoise, Masking, SaltAndPepper, SwapNoise, None, or a sequence of these
        What is done to the input of every level, or of each of L + 1. The first is also
        what the last phase has at its input.
    pretrain_epochs : int
        Of each level.
    latent_dim, loss, tied, ...
        As in `Autoencoder`.

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
        *,
        loss: str = "mse",
        tied: bool = False,
        corruption: Any = None,
        penalty: Any = None,
        pretrain_epochs: int = 10,
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

    @property
    def _is_stack(self) -> bool:
        return True

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
        from .classifier import SoftmaxClassifier

        self._fitted()
        classifier = SoftmaxClassifier(self, **{"random_state": self.random_state, **params})
        return classifier.fit(X, y, X_val=X_val, sample_mask=sample_mask)

    @fitted
    def _hidden(self, X: Any, levels: tuple[int, ...], sample_mask: Any) -> np.ndarray:
        """Return the representations of some levels, side by side."""
        given, parts = self._input(X, None, sample_mask), split(self._network.encoder)
        out: np.ndarray | None = None
        for rows, batch in self._chunks(given):
            h, found = batch.x, {}
            for number, layers in enumerate(parts[: max(levels)], 1):
                for layer in layers:
                    h = layer.forward(h)
                found[number] = self._shaped(h) if number == len(parts) else h
            values = np.concatenate([found[number] for number in levels], axis=1)
            if out is None:
                out = np.empty((len(given.data), values.shape[1]), np.float32)
            out[rows] = values
        assert out is not None
        return out


class StackedFeatures(Transformer):
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

    def __init__(self, model: StackedAutoencoder, levels: Any = None) -> None:
        self.model = model
        self.levels = levels

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
        return self._contained(self._model()._hidden(X, levels, sample_mask), X)

    def _codes_width(self) -> int:
        layers = linears(self._model()._network.encoder)
        return sum(layers[level - 1].weight.shape[0] for level in self._levels())

"""Draws how a few samples are rebuilt, or generated, as training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import checks
from ..training.callbacks import TrainingState
from ._call import call, lookup, names_of_features
from ._grid import as_cells, as_samples, draw_cells, limits_of
from ._strips import Writing
from ._tables import is_mixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Snapshots:
    """A callback that keeps the reconstructions of the same few samples after each epoch.

    Parameters
    ----------
    X : array-like (n, ...), optional
        Samples to rebuild. Without X, a generative model draws n samples from the same codes after
        each epoch.
    y : array-like (n,) or (n, P), optional
        The condition of a conditional model.
    n : int, default 8
        Number of samples that are kept: the first of X.
    every : int, default 1
        Keep samples only after every so many epochs.

    Attributes
    ----------
    epochs : list of int
        The epochs after which samples were kept.
    samples : list of ndarray, or of tables where columns aren't all of numbers
        The model's results, one array for each of `epochs`.

    See Also
    --------
    progress : draws what was kept.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> seen = ae.plot.Snapshots(X_test, n=5)
    >>> model = ae.Autoencoder(latent_dim=8, epochs=3, callbacks=(seen,)).fit(X[:500])
    >>> seen.epochs
    [1, 2, 3]
    >>> figure = ae.plot.progress(seen)
    """

    def __init__(self, X: Any = None, y: Any = None, *, n: int = 8, every: int = 1) -> None:
        self.n, self.every = checks.integer("n", n, 1), checks.integer("every", every, 1)
        self.X = None if X is None else X[: self.n]
        single = y is None or np.ndim(y) == 0
        self.y = y if single else np.asarray(y)[: self.n]
        self.epochs: list[int] = []
        self.samples: list[Any] = []

    def __call__(self, state: TrainingState) -> None:
        if self.epochs and state.epoch <= self.epochs[-1]:  # a new fit
            self.epochs, self.samples = [], []
        if state.epoch % self.every:
            return
        if self.X is None:
            draw = lookup(state.model, "sample", "Snapshots without X")
            made = call(draw, self.n, y=self.y, random_state=0)
        else:
            made = call(lookup(state.model, "reconstruct", "Snapshots"), self.X, y=self.y)
        self.epochs.append(int(state.epoch))
        self.samples.append(made if is_mixed(made) else as_samples("samples", made))

    def __repr__(self) -> str:
        return f"Snapshots(n={self.n}, every={self.every}, epochs={self.epochs})"


def progress(
    snapshots: Snapshots,
    *,
    n: int = 8,
    feature_names: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw how a few samples are rebuilt as training goes on, a row for each epoch that was kept.

    Parameters
    ----------
    snapshots : Snapshots
        A callback that was used in training.
    n : int, default 8
        Number of epochs drawn, from the first to the last, closer to each other in the beginning,
        where most happens.
    feature_names : sequence of str, optional
        Names of the F features of sequences and tables; by default those of a data frame's columns.
    title : str, optional
        Takes the place of the title; ``""`` draws none.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Raises
    ------
    TypeError, ValueError
        These are no snapshots, none were kept, or they are of different shapes.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> seen = ae.plot.Snapshots(n=10)
    >>> model = ae.VAE(latent_dim=8, loss="bce", epochs=3, callbacks=(seen,)).fit(X[:500])
    >>> figure = ae.plot.progress(seen)
    """
    if not isinstance(snapshots, Snapshots):
        raise TypeError(f"snapshots: expected Snapshots, got {type(snapshots).__name__}")
    checks.integer("n", n, 1)
    if not snapshots.epochs:
        raise ValueError("snapshots: expected at least one epoch that was kept, got none")
    if len({kept.shape for kept in snapshots.samples}) > 1:
        shapes = sorted({kept.shape for kept in snapshots.samples})
        raise ValueError(f"snapshots: expected samples of one shape, got {shapes}")
    found = len(snapshots.epochs)
    chosen = np.geomspace(1, found, min(n, found)).round().astype(int) - 1
    for i in range(1, len(chosen)):  # the first few may have been rounded to the same
        chosen[i] = max(chosen[i], chosen[i - 1] + 1)
    rows = [snapshots.samples[i] for i in chosen]
    labels = [f"epoch {snapshots.epochs[i]}" for i in chosen]
    default = "During training"
    if snapshots.X is not None:
        rows.append(snapshots.X)
        labels.append("original")
    parts, texts = as_cells(labels, rows)
    cells = np.stack(parts)
    limits = limits_of(parts[-1])
    features = names_of_features(None, rows[-1], feature_names)
    if cells.ndim == 3:
        names = [str(i) for i in range(cells.shape[1])]
        default += f", from {labels[0]} down to {labels[-1]}"
        writing = None if texts is None else Writing.of(np.stack(texts, axis=1))
        return draw_cells(
            ax,
            cells.swapaxes(0, 1),
            limits,
            title,
            default,
            rows=names,
            features=features,
            writing=writing,
        )[0]
    return draw_cells(ax, cells, limits, title, default, rows=labels, features=features)[0]

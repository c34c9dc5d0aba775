"""Draws how the error falls with the size of the code, beside PCA."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._call import call, lookup
from ._decode import latent_dim_of
from ._grid import as_samples
from ._style import canvas, legend
from ._theme import theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 2000  # samples that PCA is fitted to; with more its axes hardly change


def code_sizes(
    models: Sequence[Any],
    X: Any,
    y: Any = None,
    *,
    X_train: Any = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    r"""Draw the error of several models against the sizes of their codes, beside PCA.

    The error is the mean of :math:`(x - \hat x)^2` over all values. That of PCA with d components
    is the least that any linear map to d numbers and back has on the samples it is fitted to: a
    model below the curve on those gains from not being linear. PCA has no curve for sequences of
    different lengths.

    Parameters
    ----------
    models : sequence of estimators
        With ``reconstruct(X)``, or ``reconstruct(X, y)``, and ``latent_dim``. Those of one class
        share a line.
    X : array-like (N, ...) or list of arrays (T_i, F)
        Samples to measure on, such as a test set.
    y : array-like (N,) or (N, P), optional
        The condition of conditional models.
    X_train : array-like (N', ...), optional
        Samples to fit PCA to, of which it takes at most 2,000, evenly spaced; by default X.
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
        There are no models, one lacks ``reconstruct`` or ``latent_dim``, or a shape does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> models = [ae.Autoencoder(latent_dim=d, epochs=2, random_state=0).fit(X) for d in (2, 8)]
    >>> figure = ae.plot.code_sizes(models, X_test, X_train=X)
    """
    if not isinstance(models, Sequence) or not models:
        raise TypeError(f"models: expected a sequence of them, got {models!r}")
    samples = as_samples("X", X)
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    found: dict[str, dict[int, float]] = {}
    for model in models:
        size = latent_dim_of(model, "code_sizes")
        rebuilt = as_samples(
            "reconstruction", call(lookup(model, "reconstruct", "code_sizes"), X, y=y)
        )
        if rebuilt.shape != samples.shape:
            raise ValueError(
                f"reconstruction: expected X's shape {samples.shape}, got {rebuilt.shape}"
            )
        error = float(np.nanmean((rebuilt - samples).astype(np.float64) ** 2))
        found.setdefault(type(model).__name__, {})[size] = error
    train = samples if X_train is None else as_samples("X_train", X_train)
    if train.shape[1:] != samples.shape[1:]:
        raise ValueError(
            f"X_train: expected samples of shape {samples.shape[1:]}, as in X, got "
            f"{train.shape[1:]}"
        )
    sizes = sorted({size for errors in found.values() for size in errors})
    whole = np.isfinite(flat).all() and np.isfinite(train).all()
    default = f"Error against the size of the code, mean over {len(samples):,} samples"
    with canvas(ax, (4.8, 2.8), title, default) as (result, axes):
        theme = theme_of(axes)
        # Dots without a line between them are larger.
        look: dict[str, Any] = {"marker": "o", "markersize": 3 if len(sizes) > 1 else 7}
        drawn: list[Any] = []
        if whole:
            linear = _pca_errors(train.reshape(len(train), -1), flat, sizes)
            style: dict[str, Any] = {"color": theme.grey, "linestyle": "--"}
            drawn += axes.plot(sizes, linear, label="PCA", **look, **style)
        for (name, errors), color in zip(found.items(), cycle(theme.colors), strict=False):
            x = sorted(errors)
            drawn += axes.plot(x, [errors[d] for d in x], color=color, label=name, **look)
        label = "size of the code"
        if len(sizes) > 1 and sizes[-1] >= 8 * sizes[0]:
            axes.set_xscale("log", base=2)
            label += " (log scale)"
        axes.minorticks_off()
        axes.set_xticks(sizes, [str(size) for size in sizes])
        if len(sizes) == 1:
            _write_errors(axes, [(sizes[0], float(line.get_ydata()[0])) for line in drawn])
        # From 0 to above the highest point, so that its dot isn't cut.
        axes.set_ylim(0, 1.08 * max(float(max(line.get_ydata())) for line in drawn) or 1)
        axes.set(xlabel=label, ylabel="mean squared error")
        legend(axes)
    return result


def _write_errors(ax: Axes, points: list[tuple[int, float]]) -> None:
    """Write beside dots what they stand for."""
    look: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
    look["fontsize"] = theme_of(ax).pt(7)
    for point in points:
        ax.annotate(f"{point[1]:.3g}", point, (7, 0), **look)


def _pca_errors(
    train: NDArray[np.float32], X: NDArray[np.float64], sizes: Sequence[int]
) -> list[float]:
    """Return the mean squared error on X of PCA with each number of components."""
    chosen = np.linspace(0, len(train) - 1, min(len(train), _MOST)).astype(np.int64)
    rows = train[chosen].astype(np.float64)
    mean = rows.mean(axis=0)
    axes = np.linalg.svd(rows - mean, full_matrices=False)[2]
    centred = X - mean
    whole = float((centred**2).sum())
    # The part of X's squares that each axis explains: with orthonormal axes they add up.
    explained = np.cumsum(((centred @ axes.T) ** 2).sum(axis=0))
    return [(whole - float(explained[min(size, len(axes)) - 1])) / centred.size for size in sizes]

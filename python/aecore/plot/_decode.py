"""Draws decoded codes: paths through the latent space, and planes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base import checks
from ._call import (
    call,
    lookup,
    names_of_features,
    one_condition,
    repeated,
)
from ._grid import as_cells, as_samples, draw_cells, limits_of, pad_sequences
from ._strips import Writing
from ._style import numbers
from ._tables import is_frame, row_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def interpolation(
    model: Any,
    a: Any,
    b: Any,
    y: Any = None,
    *,
    n: int = 9,
    path: str = "linear",
    feature_names: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the path from one sample to another through the latent space.

    The first and the last column are the samples themselves; between them are decoded codes.

    Parameters
    ----------
    model : estimator
        With ``interpolate(a, b, n)``.
    a, b : array-like or data frame: one sample each, or equally many
        Where the path begins and ends; each pair of several samples has its own row.
    y : label or vector of P properties, optional
        The condition of a conditional model.
    n : int, default 9
        Number of decoded steps.
    path : {"linear", "spherical"}, default "linear"
        Passed on to the model.
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
        The model has no ``interpolate``, or a shape does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> model = ae.VAE(latent_dim=8, loss="bce", epochs=1, random_state=0).fit(X[:500])
    >>> figure = ae.plot.interpolation(model, X_test[:3], X_test[3:6])
    """
    walk = lookup(model, "interpolate", "interpolation")
    options = {} if path == "linear" else {"path": path}
    paths = _paths(lambda start, end: call(walk, start, end, n, y=y, **options), a, b)
    cells, writing = _path_cells(paths)
    several = len(cells) > 1 and cells.ndim == 3
    default = "Interpolation" if cells.ndim > 3 else "Interpolation, from a down to b"
    return draw_cells(
        ax,
        cells,
        limits_of(cells.reshape(-1, *cells.shape[2:])),
        title,
        default,
        rows=[str(i) for i in range(len(cells))] if several else [],
        columns=["a", *numbers(np.linspace(0, 1, n)), "b"],
        features=names_of_features(model, None, feature_names),
        writing=writing,
    )[0]


def _paths(walk: Callable[[Any, Any], Any], a: Any, b: Any) -> list[tuple[Any, Any, Any]]:
    """Return the path from a to b, or between each pair if the model doesn't take a as one sample.

    Only the model knows whether (5, 12) is a sequence of 5 steps or 5 rows of a table. A path is
    its start, the decoded samples and its end.
    """
    if is_frame(a) and is_frame(b) and len(a) == len(b):
        rows = [(_as_table(row_of(a, i)), _as_table(row_of(b, i))) for i in range(len(a))]
        return [(start, walk(start, end), end) for start, end in rows]
    a, b = np.asarray(a), np.asarray(b)
    alike = a.shape == b.shape
    if not alike and (a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]):
        raise ValueError(f"a and b: expected the same shape, got {a.shape} and {b.shape}")
    try:
        way = np.asarray(walk(a, b))
        if way.shape[1:] == a.shape or a.ndim < 2 or not alike:
            return [(a[None], way, b[None])]
    except ValueError:
        if a.ndim < 2 or not alike:
            raise
    return [(s[None], np.asarray(walk(s, e)), e[None]) for s, e in zip(a, b, strict=True)]


def _path_cells(paths: list[tuple[Any, Any, Any]]) -> tuple[NDArray[Any], Writing | None]:
    """Put the samples of each path side by side, shorter sequences padded with NaN."""
    parts, texts = as_cells(
        ["a", "path", "b"] * len(paths), [part for path in paths for part in path]
    )
    if parts[0].ndim == 3:
        whole = pad_sequences("path", [sequence for part in parts for sequence in part])
    else:
        whole = np.concatenate(parts)
    cells = whole.reshape(len(paths), -1, *whole.shape[1:])
    return cells, None if texts is None else Writing.of(np.concatenate(texts).reshape(cells.shape))


def _as_table(x: Any) -> Any:
    """Return one sample with an axis for samples; a row of a table as a table of one row."""
    if is_frame(x):
        return x
    return np.array([x], x.dtype) if isinstance(x, np.void) else np.asarray(x)[None]


def traversal(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    dims: Sequence[int] | None = None,
    values: ArrayLike | None = None,
    X: Any = None,
    feature_names: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    r"""Draw what each latent dimension does: a sample decoded with one of them replaced.

    If the model has posteriors, each dimension's divergence from a standard normal prior is written
    beside it, in nats, :math:`\frac{1}{2} (\mu^2 + \sigma^2 - 1 - \ln \sigma^2)`. It measures the
    information in the dimension: near 0, the decoder ignores it.

    Parameters
    ----------
    model : estimator
        With ``traverse(x, dim, values)``, and ``latent_dim`` unless `dims` is given.
    x : array-like (H, W, 1 or 3), (T, F) or (F,), or data frame of one row
        One sample.
    y : label or vector of P properties, optional
        The condition of a conditional model.
    dims : sequence of int, optional
        Latent dimensions, a row for each; by default the first 10, or, with `X` and posteriors,
        the 10 of the largest divergence in falling order.
    values : array-like (C,), optional
        Values that replace the code's own; by default 9 values from -3 to 3, which cover a
        standard normal prior.
    X : array-like (N, ...), optional
        Samples whose mean divergences are written instead of those of x; they share the condition.
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
        The model has no ``traverse``, or a shape or a dimension does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> model = ae.VAE(latent_dim=8, loss="bce", epochs=1, random_state=0).fit(X[:500])
    >>> figure = ae.plot.traversal(model, X_test[0])
    """
    traverse = lookup(model, "traverse", "traversal")
    y = one_condition(model, y, traverse, "traversal")
    kl = _divergences(model, _as_table(x) if X is None else X, y)
    if dims is not None:
        rows = list(dims)
    elif X is not None and kl is not None:
        rows = [int(dim) for dim in np.argsort(-kl, kind="stable")[:10]]
    else:
        rows = list(range(min(10, latent_dim_of(model, "traversal"))))
    steps = np.linspace(-3, 3, 9) if values is None else np.asarray(values, np.float64)
    if not rows or steps.ndim != 1 or steps.size == 0:
        raise ValueError(f"dims and values: expected at least one each, got {rows} and {steps}")
    made = [call(traverse, x, dim, steps, y=y) for dim in rows]
    parts, texts = as_cells(["traversal"] * len(rows), made)
    cells = np.stack(parts)
    default, labels = "Latent traversal", numbers(steps)
    if cells.ndim == 3:
        default += f", from {labels[0]} down to {labels[-1]}"
    return draw_cells(
        ax,
        cells,
        limits_of(cells.reshape(-1, *cells.shape[2:])),
        title,
        default,
        rows=[f"latent {dim}" + ("" if kl is None else f"  KL {_nats(kl[dim])}") for dim in rows],
        columns=labels,
        features=names_of_features(model, X, feature_names),
        writing=None if texts is None else Writing.of(np.stack(texts)),
    )[0]


def _nats(nats: float) -> str:
    return f"{nats:.2f}" if nats < 10 else f"{nats:.0f}"


def _divergences(model: Any, X: Any, y: Any) -> NDArray[np.float64] | None:
    """Return each latent dimension's mean divergence from N(0, 1); None without posteriors.

    That of a map is the sum over its places.
    """
    posterior = getattr(model, "encode_distribution", None)
    if posterior is None:
        return None
    mean, logvar = (np.asarray(part, np.float64) for part in
                    call(posterior, X, y=repeated(y, len(X))))  # fmt: skip
    each = (mean**2 + np.exp(logvar) - 1 - logvar).mean(axis=0) / 2
    return np.asarray(each.reshape(-1, each.shape[-1]).sum(axis=0))


def manifold(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    n: int = 15,
    dims: tuple[int, int] = (0, 1),
    feature_names: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    r"""Draw a plane of the latent space, decoded on a grid.

    Along each axis the n codes are :math:`\Phi^{-1}(p)` for p evenly spaced from 0.03 to 0.97, so
    that each stands for an equal share of a standard normal prior. With `X`, the grid has equal
    steps over the same quantiles of the codes of X instead, which suits an autoencoder without a
    prior.

    Parameters
    ----------
    model : estimator
        With ``inverse_transform(Z)`` and ``latent_dim``; with `X`, also with ``transform(X)``.
    X : array-like (N, ...), optional
        Samples whose codes span the grid.
    y : label or vector of P properties, optional
        The condition of a conditional model, one for the whole grid (and for X).
    n : int, default 15
        Codes along each axis.
    dims : (int, int), default (0, 1)
        Latent dimensions, across and up; the others stay at 0 (with `X`, at their median).
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
        The model lacks a method, has fewer than two latent dimensions or not those of `dims`, or n
        is below 2.

    References
    ----------
    D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014, figure 4.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> model = ae.VAE(latent_dim=2, loss="bce", epochs=1, random_state=0).fit(X[:500])
    >>> figure = ae.plot.manifold(model)
    """
    from statistics import NormalDist  # slow to import, and of use only here

    decode = lookup(model, "inverse_transform", "manifold")
    y = one_condition(model, y, decode, "manifold")
    size = latent_dim_of(model, "manifold")
    checks.integer("n", n, 2)
    if len(dims) != 2 or dims[0] == dims[1] or not all(0 <= d < size for d in dims):
        raise ValueError(f"dims: expected two different ones from 0 to {size - 1}, got {dims}")
    quantiles = np.linspace(0.03, 0.97, n)
    if X is None:
        base = np.zeros(size)
        across = up = np.array([NormalDist().inv_cdf(p) for p in quantiles])
    else:
        encode = lookup(model, "transform", "manifold")
        condition = repeated(y, len(X))
        Z = np.asarray(call(encode, X, y=condition))
        if Z.ndim != 2 or Z.shape[1] != size:
            raise ValueError(f"model: expected codes of shape (N, {size}), got {Z.shape}")
        base = np.median(Z, axis=0)
        spans = np.quantile(Z[:, list(dims)], quantiles[[0, -1]], axis=0)
        across, up = (np.linspace(spans[0, i], spans[1, i], n) for i in range(2))
    Z = np.tile(base.astype(np.float32), (n, n, 1))
    Z[..., dims[0]], Z[..., dims[1]] = across, up[::-1, None]
    Z = Z.reshape(n * n, size)
    decoded = as_samples("decoded grid", call(decode, Z, y=repeated(y, n * n)))
    cells = decoded.reshape(n, n, *decoded.shape[1:])
    default, labels = "Decoded latent plane", _rounded(across)
    if cells.ndim == 3:
        default += f", latent {dims[0]} from {labels[0]} down to {labels[-1]}"
    result, axes = draw_cells(
        ax,
        cells,
        limits_of(decoded),
        title,
        default,
        rows=_sparse_labels(_rounded(up[::-1])),
        columns=_sparse_labels(labels),
        extra=(0.18, 0.16),
        gap=0 if min(decoded.shape[1:3]) >= 16 else 1,
        features=names_of_features(model, X, feature_names),
    )
    if cells.ndim > 3:
        axes.tick_params(axis="x", labeltop=False, labelbottom=True)
        axes.set_xlabel(f"latent {dims[0]}")
    axes.set_ylabel(f"latent {dims[1]}")
    return result


def _sparse_labels(labels: list[str]) -> list[str]:
    """Keep the first, the middle (if there is one) and the last of many labels."""
    n = len(labels)
    shown = {0, n - 1} | ({n // 2} if n % 2 else set()) if n > 9 else set(range(n))
    return [label if i in shown else "" for i, label in enumerate(labels)]


def _rounded(values: NDArray[np.float64]) -> list[str]:
    """Write numbers that are evenly spread with two digits of their range."""
    span = float(np.ptp(values)) or 1.0
    return numbers(values.round(max(0, 1 - math.floor(math.log10(span)))))


def latent_dim_of(model: Any, function: str) -> int:
    size = getattr(model, "latent_dim", None)
    if not isinstance(size, (int, np.integer)):
        raise TypeError(
            f"model: expected one with a latent_dim for {function}, got {type(model).__name__}"
        )
    return int(size)

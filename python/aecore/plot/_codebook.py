"""Draws the use of a codebook, its vectors, and the pieces of samples that its codes stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ..metrics import perplexity
from ._call import call, lookup, names_of_features
from ._grid import as_samples, draw_cells, limits_of
from ._plane import project
from ._style import canvas
from ._theme import theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("use", "vectors", "patches")


def codebook(
    model: Any,
    X: Any = None,
    *,
    kind: str | None = None,
    n: int = 8,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the use of a codebook, its vectors, or what its codes stand for.

    Several codebooks that are used in turn are taken as one.

    Parameters
    ----------
    model : estimator
        With ``codebook_`` (K, D), or (Q, K / Q, D) of several codebooks; with `X`, also with
        ``transform(X)`` that returns code indices, and for patches with ``encode_vectors(X)``.
    X : array-like (N, ...), optional
        Samples to encode.
    kind : {"use", "vectors", "patches"}, optional
        use: the share of each code among all codes of X, in falling order, beside the even share
        1/K; the title gives the perplexity, the effective number of codes. vectors: the codes in
        the plane of their two principal components, with X as large as they are used. patches: for
        each of the most used codes the pieces of X whose vectors are nearest to it, with as much
        around them as a piece is large, plain where an image ends. By default use with `X`, and
        vectors without.
    n : int, default 8
        Number of codes whose patches are drawn, and at most of patches for each.
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
        The model has no ``codebook_``, its codes are not indices into it, the kind takes X and
        there is none, or the kind is unknown.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> arch = ae.ResNet(16, 8, 1, downsample=1)
    >>> model = ae.VQVAE(arch, codebook_size=32, code_dim=8, epochs=1, random_state=0).fit(X)
    >>> figure = ae.plot.codebook(model, X_test)
    >>> figure = ae.plot.codebook(model, X_test, kind="patches", n=5)
    """
    vectors = getattr(model, "codebook_", None)
    if vectors is None:
        raise TypeError(
            f"model: expected a fitted one with a codebook_, got {type(model).__name__}"
        )
    if kind is None:
        kind = "vectors" if X is None else "use"
    checks.choice("kind", kind, _KINDS)
    checks.integer("n", n, 1)
    if kind != "vectors" and X is None:
        raise TypeError(f"X: expected samples for kind={kind!r}, got None")
    vectors = np.asarray(vectors, np.float64)
    several = vectors.ndim == 3
    first: Any = 0  # the index of each codebook's first code
    if several:
        first = np.arange(len(vectors)) * vectors.shape[1]
        vectors = vectors.reshape(-1, vectors.shape[2])
    codes = None
    if X is not None:
        codes = np.asarray(call(lookup(model, "transform", "codebook"), X)) + first
    if kind == "use":
        return _usage(codes, len(vectors), title, ax)
    if kind == "vectors":
        return _map(vectors, codes, title, ax)
    if several:
        raise ValueError(
            "kind: expected use or vectors for several codebooks, each of which adds a detail, "
            "got 'patches'"
        )
    return _patches(model, X, codes, vectors, n, title, ax)


def _usage(codes: Any, size: int, title: str | None, ax: Axes | None) -> Any:
    effective = perplexity(codes, size)
    shares = np.sort(np.bincount(codes.ravel(), minlength=size) / codes.size)[::-1]
    unused = int((shares == 0).sum())
    default = (
        f"Codebook use: perplexity {effective:.0f} of {size}, "
        f"{unused or 'no'} code{'' if unused == 1 else 's'} unused"
    )
    with canvas(ax, (5.0, 2.4), title, default) as (result, axes):
        theme = theme_of(axes)
        axes.stairs(shares, np.arange(size + 1) + 0.5, fill=True, color=theme.colors[0])
        axes.axhline(1 / size, color=theme.colors[1], linewidth=1, linestyle="--")
        axes.text(
            size + 0.5,
            1 / size,
            "even use",
            color=theme.colors[1],
            fontsize=theme.pt(7),
            ha="right",
            va="bottom",
        )
        if unused:
            axes.axvspan(size - unused + 0.5, size + 0.5, color=theme.pale, alpha=0.5, linewidth=0)
        axes.set(xlabel="code, by rank", ylabel="share of uses", xlim=(0.5, size + 0.5))
    return result


def _map(vectors: NDArray[np.float64], codes: Any, title: str | None, ax: Axes | None) -> Any:
    points, names = project(vectors)
    size, width = vectors.shape
    shares, default = None, f"Codebook: {size} codes of {width} dimensions"
    if codes is not None:
        shares = np.bincount(codes.ravel(), minlength=size) / codes.size
        idle = shares == 0
        effective = perplexity(codes, size)
        default = f"Codebook: perplexity {effective:.0f} of {size}, {int(idle.sum())} unused (x)"
    with canvas(ax, (4.0, 3.6), title, default) as (result, axes):
        theme = theme_of(axes)
        style: dict[str, Any] = {"linewidths": 0, "rasterized": size > 1000}
        if shares is None:
            axes.scatter(
                points[:, 0], points[:, 1], s=10, color=theme.colors[0], alpha=0.75, **style
            )
        else:
            # The area of a point is its code's share.
            area = np.clip(10 * size * shares, 2, 150)
            used = points[~idle]
            axes.scatter(
                used[:, 0], used[:, 1], s=area[~idle], color=theme.colors[0], alpha=0.6, **style
            )
            axes.scatter(
                points[idle, 0], points[idle, 1], s=9, marker="x", color=theme.grey, lw=0.7
            )
        axes.set_aspect("equal", adjustable="datalim")
        axes.set(xlabel=names[0], ylabel=names[1])
    return result


def _patches(
    model: Any,
    X: Any,
    codes: Any,
    vectors: NDArray[np.float64],
    n: int,
    title: str | None,
    ax: Axes | None,
) -> Any:
    found = np.asarray(call(lookup(model, "encode_vectors", "codebook"), X), np.float64)
    samples = as_samples("X", X)
    limits = limits_of(samples)
    pieces = _windows(samples, codes.shape[1:], np.nan)
    flat, uses = codes.ravel(), np.bincount(codes.ravel(), minlength=len(vectors))
    most = np.argsort(-uses, kind="stable")[: min(n, int((uses > 0).sum()))]
    far = _distances(model, found.reshape(-1, vectors.shape[1]), vectors[flat])
    window = pieces.shape[codes.ndim :]
    cells = np.full((len(most), min(n, int(uses.max())), *window), np.nan, np.float32)
    for row, code in zip(cells, most, strict=True):
        here = np.flatnonzero(flat == code)
        nearest = here[np.argsort(far[here], kind="stable")[:n]]
        row[: len(nearest)] = pieces[np.unravel_index(nearest, codes.shape)]
    names = [f"code {code} ({uses[code] / codes.size:.1%})" for code in most]
    if samples.ndim == 3:
        limits = limits_of(cells.reshape(-1, *cells.shape[2:]))  # a few steps are nearly level
    features = names_of_features(model, X)
    default = "Pieces nearest to the codes most used"
    # Only maps of several codes have windows beyond the border.
    padded = samples.ndim == 4 and np.prod(codes.shape[1:]) > 1
    extra = (0.0, 0.16 * padded)
    result, axes = draw_cells(
        ax, cells, limits, title, default, rows=names, features=features, extra=extra
    )
    if padded:
        axes.set_facecolor(theme_of(axes).pale)
        axes.set_xlabel("plain: beyond the edge of the image")
    return result


def _distances(
    model: Any, found: NDArray[np.float64], codes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return squared distances (n,) as the model measures them when it chooses codes."""
    if getattr(model, "distance", "") == "cosine":
        found, codes = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (found, codes))
    if getattr(model, "levels", None) is not None:
        found = np.tanh(found)
    return np.asarray(((found - codes) ** 2).sum(axis=1))


def _windows(
    samples: NDArray[np.float32], grid: tuple[int, ...], border: float
) -> NDArray[np.float32]:
    """View samples (N, ..., C) as windows (N, h, w, ..., C), or (N, t, ..., C), one for each code.

    A window is the code's cell and a cell's width around it, filled with `border` beyond the
    sample. Samples with a single code stay whole: (N, 1, ..., C).
    """
    if grid == (1,):
        return samples[:, None]
    sizes = list(zip(samples.shape[1:-1], grid, strict=True))
    cell = [-(-size // g) for size, g in sizes]
    beyond = [(c, c * (g + 1) - size) for c, (size, g) in zip(cell, sizes, strict=True)]
    wide = np.pad(samples, [(0, 0), *beyond, (0, 0)], constant_values=border)
    inner = tuple(range(1, 1 + len(grid)))
    views = np.lib.stride_tricks.sliding_window_view(wide, [3 * c for c in cell], axis=inner)
    views = views[(slice(None), *(slice(None, None, c) for c in cell))]
    return np.moveaxis(views, 1 + len(grid), -1)

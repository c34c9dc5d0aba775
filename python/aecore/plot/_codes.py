"""Draws codes in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ..base.text import printable
from ..data.tables import Table
from ..metrics._distances import squared_distances
from ._call import call, condition_of, lookup, named_classes
from ._grid import as_samples, limits_of
from ._plane import MOST, check_method, is_points, points_of, to_plane
from ._plane import principal_axes as principal_axes
from ._style import canvas, colorbar, dots_map, explain_missing, inches, is_own, legend, palette
from ._theme import is_dark, theme_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRIED = 500  # points of a class, for the place of its name
_THUMBNAIL = 0.075  # of the map's longer side, in which there is one thumbnail
_BESIDE = 16.2  # points from one to the next, where the map's size is known
_LEAST, _MOST = 0.5, 0.9  # of a figure's width, which its height is
_MARGIN = 0.05  # of a map's width and height, on each side
_NAMED = 12  # classes at most, whose names are written in the map


def latent_space(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    method: Any = None,
    n: int | None = None,
    thumbnails: int = 0,
    class_names: Any = None,
    random_state: Any = 0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw the codes of samples in the plane, coloured by label.

    If a model's codes are indices into a codebook, their codebook vectors are drawn, those of a
    sample in a row.

    Parameters
    ----------
    model : estimator or array-like (N, D)
        With ``transform(X)``, or ``transform(X, y)``; or the codes themselves, and no X.
    X : array-like (N, ...) or list of arrays (T_i, F), optional
        Samples, for a model.
    y : array-like (N,) or (N, P), optional
        Labels, and the condition of a conditional model. Integers, booleans and strings are
        classes, whose names stand in the map or in a legend; floats, and more than 20 different
        integers, are a scale, with a colour bar. Samples whose label is missing (None, NaN or "")
        are grey, below the others. Of a matrix the first column is shown. A pandas column's name
        is written.
    method : {"direct", "pca", "tsne", "umap", "mds"}, array (N, 2), estimator or callable, optional
        How D dimensions become two. direct: the two there are; pca: two principal components;
        tsne: scikit-learn's t-SNE (``pip install 'aecore[sklearn]'``), and umap: UMAP
        (``pip install umap-learn``), which keep neighbours together; mds: metric multidimensional
        scaling, which keeps distances. An array is the map itself, computed elsewhere: a point for
        each sample of X (or for each code). An estimator's ``fit_transform(codes)``, or a function
        of the codes, makes the map. By default direct for two dimensions and pca for more.
    n : int, optional
        Number of samples drawn, evenly spaced through X; by default all, but at most 2,000 for
        tsne, 5,000 for umap and 1,000 for mds.
    thumbnails : int, default 0
        At most so many of the images X, (N, H, W, 1 or 3), are drawn where they lie, such that
        they don't cover each other.
    class_names : sequence of str or dict, optional
        Names of the labels in `y`: ``class_names[label]``.
    random_state : int, default 0
        Seed of tsne and umap; the other methods have nothing random.
    title : str, optional
        Takes the place of the title; ``""`` draws none.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given
        The two axes have the same scale. A figure is as high as the map asks for, from half to nine
        tenths of its width.

    Raises
    ------
    TypeError, ValueError
        There is neither a model with X nor codes, a shape does not fit, the method is unknown, or
        a label has no name.
    ImportError
        What the method takes is not installed, or matplotlib is not.

    References
    ----------
    L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008.
    L. McInnes, J. Healy and J. Melville, "UMAP: uniform manifold approximation and projection for
    dimension reduction", 2018.
    I. Borg and P. Groenen, "Modern multidimensional scaling", Springer, 1997 (SMACOF).

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> names = ae.datasets.FASHION_CLASSES
    >>> model = ae.Autoencoder(latent_dim=2, epochs=1, random_state=0).fit(X[:500])
    >>> figure = ae.plot.latent_space(model, X_test, y_test, class_names=names, thumbnails=40)

    A map that was made elsewhere:

    >>> import numpy as np
    >>> codes = model.transform(X_test)
    >>> figure = ae.plot.latent_space(codes, y=y_test, method=np.tanh(codes), title="My map")
    """
    check_method(method)
    if n is not None:
        checks.integer("n", n, 1)
    if thumbnails and (X is None or len(np.shape(X[:1])) != 4):
        got = "None" if X is None else f"samples of shape {np.shape(X[:1])[1:]}"
        raise ValueError(f"X: expected images (N, H, W, C) for thumbnails, got {got}")
    if X is None and hasattr(model, "transform"):
        raise TypeError("X: expected samples for a model to encode, got None")
    data = np.asarray(model) if X is None else X
    if not hasattr(data, "__len__") or np.ndim(data[:1]) == 0 or len(data) == 0:
        raise ValueError(f"{'model' if X is None else 'X'}: expected at least one sample, got none")
    labels = condition_of(y, len(data))
    most = MOST.get(method) if isinstance(method, str) else None
    limit = min(len(data), n or most or len(data))
    chosen = np.linspace(0, len(data) - 1, limit).astype(np.int64)
    taken = _take_rows(data, chosen)
    mine = None if labels is None else labels[chosen]
    if is_points(method):
        points, names = points_of(method, len(data))[chosen], ("map 1", "map 2")
    else:
        codes = _codes_of(model, X, taken, mine)
        if method is None:
            method = "direct" if codes.shape[1] == 2 else "pca"
        points, names = to_plane(codes, method, random_state)
    if mine is not None and class_names is not None:
        mine = named_classes(mine[:, 0] if mine.ndim == 2 else mine, class_names)
    order = list(dict.fromkeys(_texts_of(class_names)))
    name = getattr(y, "name", None)
    default = f"Latent space: {len(points):,} samples"
    if name is not None:
        default += f" by {printable(name)}"
    width = 5.4 if thumbnails and mine is not None else 4.6  # with a legend at the right, or none
    with canvas(ax, (width, 3.7), title, default) as (result, axes):
        colors = _scatter(axes, points, mine, name, named=not thumbnails, order=order)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set(xlabel=names[0], ylabel=names[1])
        if most is not None:  # a map whose numbers mean nothing
            axes.set_xticks([])
            axes.set_yticks([])
        near = _THUMBNAIL * float(max(np.ptp(points, axis=0)))
        if is_own(axes):
            near = _BESIDE / 72 * theme_of(axes).growth / _fit_height(axes, points)
        if thumbnails:
            _place_images(axes, points, as_samples("X", taken), colors, thumbnails, near)
    return result


def _fit_height(ax: Axes, points: NDArray[np.float64]) -> float:
    """Make a figure as high as points of equal scales ask for; return the inches of a unit."""
    figure: Any = ax.figure
    figure.draw_without_rendering()  # which tells how wide the axes are beside a legend
    (wide, high), (across, up) = figure.get_size_inches(), inches(ax)
    beside = ax.get_legend()
    legend_height = 0.0 if beside is None else beside.get_window_extent().height / figure.dpi
    ax.margins(_MARGIN)
    spans = np.ptp(points, axis=0)
    spans = (1 + 2 * _MARGIN) * np.maximum(spans, 1e-9 * (max(spans) or 1.0))
    wanted = max(min(across * spans[1] / spans[0], wide), legend_height)
    figure.set_size_inches(wide, float(np.clip(high - up + wanted, _LEAST * wide, _MOST * wide)))
    ax.autoscale_view()
    up += figure.get_size_inches()[1] - high
    return float(min(across / spans[0], up / spans[1]))


def _codes_of(model: Any, X: Any, taken: Any, labels: NDArray[Any] | None) -> NDArray[np.float64]:
    """Return the codes of samples (N, D), or codes as they were given."""
    codes = taken
    if X is not None:
        codes = np.asarray(call(lookup(model, "transform", "latent_space"), taken, y=labels))
        if getattr(model, "codebook_", None) is not None and codes.dtype.kind in "iu":
            codes = _vectors_of(codes, np.asarray(model.codebook_, np.float64))
    return _check_codes(np.asarray(codes))


def _texts_of(class_names: Any) -> list[str]:
    """Return the names of classes in their order."""
    if class_names is None:
        return []
    return [str(n) for n in (class_names.values() if hasattr(class_names, "values") else
                             class_names)]  # fmt: skip


def _take_rows(data: Any, chosen: NDArray[np.int64]) -> Any:
    """Return rows of an array, a data frame or a sequence; the data itself for all rows."""
    if len(chosen) == len(data):
        return data
    if hasattr(data, "iloc"):
        return data.iloc[chosen]
    return [data[i] for i in chosen] if isinstance(data, list) else np.asarray(data[:])[chosen]


def _vectors_of(codes: NDArray[Any], codebook: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the codebook vectors of codes (N, ...), those of a sample in a row (N, D)."""
    if codebook.ndim == 3:  # codes (N, ..., Q): each codebook adds a detail
        found = sum(book[codes[..., q]] for q, book in enumerate(codebook))
    else:
        found = codebook[codes]
    return np.asarray(found).reshape(len(codes), -1)


def _check_codes(codes: NDArray[Any]) -> NDArray[np.float64]:
    checks.numbers("codes", codes)
    if codes.ndim != 2 or codes.size == 0:
        raise ValueError(
            f"codes: expected the shape (N, D), N > 0, got {codes.shape}; maps of numbers can be "
            "drawn as codes.reshape(len(codes), -1)"
        )
    return checks.finite("codes", codes)


def _place_images(
    ax: Axes,
    points: NDArray[np.float64],
    images: NDArray[np.float32],
    colors: list[str],
    most: int,
    near: float,
) -> None:
    """Draw images where they lie, framed in their class's colour, unless another is too near.

    That is where both of their coordinates differ by no more than `near`.
    """
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    low, high = limits_of(images)
    theme = theme_of(ax)
    shown = np.clip((images - low) / (high - low), 0, 1)
    placed: list[NDArray[np.float64]] = []
    for i in np.random.RandomState(0).permutation(len(points)):
        if len(placed) == most:
            break
        if all(np.abs(points[i] - other).max() > near for other in placed):
            placed.append(points[i])
            # 14 points high: legible, but small enough to see the whole picture.
            one = shown[i] if shown.shape[3] == 3 else shown[i, ..., 0]
            picture = OffsetImage(one, zoom=14 / len(one), cmap="gray", interpolation="nearest")
            picture.image.set_clim(0, 1)
            look = {"lw": 0.9, "ec": colors[i] if colors else theme.grey, "fc": theme.background}
            box = AnnotationBbox(picture, points[i], pad=0.06, bboxprops=look)
            ax.add_artist(box)


def draw_codes(
    ax: Axes, points: NDArray[np.float64], labels: NDArray[Any] | None, name: str | None = None
) -> None:
    """Draw codes in the plane (N, 2), coloured by label, and explain the colours."""
    _scatter(ax, points, labels, name, named=True)


def _scatter(
    ax: Axes,
    points: NDArray[np.float64],
    labels: NDArray[Any] | None,
    name: Any,
    named: bool,
    order: Sequence[str] = (),
) -> list[str]:
    """Draw points; return each one's colour, where labels are classes.

    Classes come in the order given, or else sorted.
    """
    theme, n = theme_of(ax), len(points)
    style: dict[str, Any] = {
        "s": float(np.clip(6000 / n, 1.2, 14)) * theme.growth,
        "alpha": float(np.clip(1.4 - 0.25 * np.log10(n), 0.35, 0.8)),
        "linewidths": 0,
        "rasterized": n > 1000,
    }
    if is_dark(theme.background):  # which shines through more
        style["alpha"] = min(1.0, style["alpha"] + 0.15)
    if labels is None:
        ax.scatter(points[:, 0], points[:, 1], color=theme.colors[0], **style)
        return []
    there, values = _observed(labels[:, 0] if labels.ndim == 2 else labels)
    gone, known = points[~there], points[there]
    if len(gone):
        ax.scatter(gone[:, 0], gone[:, 1], color=theme.missing, **style | {"alpha": 1.0})
    # One fixed shuffle, or the class drawn last would hide the others.
    mixed = np.random.RandomState(0).permutation(len(known))
    classes, index = np.unique(values, return_inverse=True)
    if values.dtype.kind == "f" or (values.dtype.kind in "iu" and len(classes) > 20):
        x, y = known[mixed].T
        shown = ax.scatter(x, y, c=values[mixed].astype(np.float64), cmap=dots_map(theme), **style)
        bar = colorbar(ax, shown, name or ("label" if labels.ndim == 1 else "first property"))
        if len(gone):
            explain_missing(bar.ax, _dot("o", theme.missing, label="missing"))
        return []
    if order:
        places = np.array([order.index(str(one)) for one in classes], int)
        ranks = places.argsort(kind="stable")
        classes, index = classes[ranks], ranks.argsort()[index]
    looks = palette(len(classes), theme.colors)
    for marker in dict.fromkeys(marker for _, marker in looks):
        here = np.array([i for i in mixed if looks[index[i]][1] == marker], int)
        x, y = known[here].T
        ax.scatter(x, y, c=[looks[i][0] for i in index[here]], marker=marker, **style)
    names = [str(one) for one in classes]
    written = named and 0 < len(classes) <= _NAMED and _name_classes(ax, known, index, names)
    # What all names in the map say needs no legend.
    entries = [] if written else list(zip(names, looks, strict=True))
    entries += [("missing", (theme.missing, "o"))][: len(gone)]
    if entries:
        _class_legend(ax, entries, name)
    colors = np.full(n, theme.missing, object)
    colors[there] = [looks[i][0] for i in index]
    return list(colors)


def _observed(labels: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return a mask of the labels (N,) that aren't missing, and those labels."""
    there = ~Table(labels[:, None], name="y").column(0).missing
    there[there] = [value != "" for value in labels[there].tolist()]
    values = labels[there]
    if not there.any():
        values = np.array([], str)  # no classes
    elif values.dtype.kind == "O":
        values = np.array(values.tolist())  # numbers, or strings for any other types
    elif values.dtype.kind == "f" and not there.all() and len(np.unique(values)) <= 20:
        # pandas makes integers floats if some are missing.
        if (values == values.round()).all():
            values = values.astype(np.int64)
    return there, values


def _dot(marker: str, color: str, **options: Any) -> Any:
    """Return a point of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", marker=marker, color=color, markersize=4.5, **options)


def _class_legend(ax: Axes, entries: list[tuple[str, tuple[str, str]]], title: Any) -> None:
    """Name the classes in a legend."""
    legend(
        ax,
        handles=[_dot(marker, color) for _, (color, marker) in entries],
        labels=[name for name, _ in entries],
        ncols=1 + (len(entries) - 1) // 16,
        handletextpad=0.1,
        columnspacing=0.6,
        title=title,
    )


def _name_classes(
    ax: Axes, points: NDArray[np.float64], index: NDArray[np.int64], names: list[str]
) -> bool:
    """Write the names of classes where these are densest, or as near to that as there is room.

    Returns whether all names found a place.
    """
    from matplotlib.patheffects import withStroke

    theme, span = theme_of(ax), float(max(np.ptp(points, axis=0)))
    placed: list[tuple[float, float, float]] = []
    for i, name in enumerate(names):
        places = _dense_places(points[index == i], 0.06 * span)
        width = 0.025 * len(name) * span * theme.scale
        free = np.ones(len(places), bool)
        for u, v, w in placed:
            apart = np.abs(places - [u, v])
            beside = apart[:, 0] > (width + w) / 2
            free &= beside | (apart[:, 1] > 0.055 * span * theme.scale)
        if free.any():
            x, y = places[free.argmax()]
            placed.append((x, y, width))
            ax.text(
                x, y, name, ha="center", va="center", color=theme.ink, fontsize=theme.pt(8),
                weight="bold",
                path_effects=[withStroke(linewidth=2.2, foreground=theme.background)],
            )  # fmt: skip
    return len(placed) == len(names)


def _dense_places(points: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Return places of a class, those with the most of its points near them first.

    The first is the mean of the points about the densest one.
    """
    few = points[np.linspace(0, len(points) - 1, min(len(points), _TRIED)).astype(int)]
    near = squared_distances(few, few) < reach**2
    order = np.argsort(-near.sum(axis=1), kind="stable")
    centre = few[near[order[0]]].mean(axis=0)
    return np.concatenate([centre[None], few[order]])

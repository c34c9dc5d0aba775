"""Draws codes in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ..data.tables import Table
from ..metrics._distances import squared_distances
from ._call import call, condition_of, lookup
from ._grid import as_samples, limits_of
from ._style import COLORS, GREY, INK, canvas, colorbar, explain_missing, legend, palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MISSING = "#c4c4c4"  # colour of points without a label: a grey that no class has
_METHODS = ("direct", "pca", "tsne", "mds")
# t-SNE takes a minute for ten thousand points; MDS needs the distances of all pairs, many times.
_MOST = {"tsne": 2000, "mds": 1000}
_WIDE = 500  # dimensions; with more, only the leading principal axes are computed


def latent_space(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    method: str | None = None,
    n: int | None = None,
    thumbnails: int = 0,
    random_state: Any = 0,
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
        classes, with a legend; floats, and more than 20 different integers, are a scale, with a
        colour bar. Samples whose label is missing (None, NaN or "") are grey, below the others. Of
        a matrix the first column is shown. A pandas column's name is written.
    method : {"direct", "pca", "tsne", "mds"}, optional
        How D dimensions become two. direct: the two there are; pca: two principal components;
        tsne: scikit-learn's t-SNE (``pip install 'aecore[sklearn]'``), which keeps neighbours
        together; mds: metric multidimensional scaling, which keeps distances. By default direct for
        two dimensions and pca for more.
    n : int, optional
        Number of samples drawn, evenly spaced through X; by default all, but at most 2,000 for tsne
        and 1,000 for mds.
    thumbnails : int, default 0
        At most so many of the images X, (N, H, W, 1 or 3), are drawn where they lie, such that
        they don't cover each other.
    random_state : int, default 0
        Seed of tsne; the other methods have nothing random.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure, or `ax` if it was given

    Raises
    ------
    TypeError, ValueError
        There is neither a model with X nor codes, a shape does not fit, or the method is unknown.
    ImportError
        The method is tsne and scikit-learn is not installed, or matplotlib is not.

    References
    ----------
    L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008.
    I. Borg and P. Groenen, "Modern multidimensional scaling", Springer, 1997 (SMACOF).

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.Autoencoder(latent_dim=2, epochs=1, random_state=0).fit(X)
    >>> figure = ae.plot.latent_space(model, X_test, y_test)
    """
    if method is not None:
        checks.choice("method", method, _METHODS)
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
    name = getattr(y, "name", None)
    limit = min(len(data), n or _MOST.get(method or "", len(data)))
    chosen = np.linspace(0, len(data) - 1, limit).astype(np.int64)
    if labels is not None:
        labels = labels[chosen]
    taken = codes = _take_rows(data, chosen)
    if X is not None:
        codes = np.asarray(call(lookup(model, "transform", "latent_space"), taken, y=labels))
        if getattr(model, "codebook_", None) is not None and codes.dtype.kind in "iu":
            codes = _vectors_of(codes, np.asarray(model.codebook_, np.float64))
    codes = _check_codes(np.asarray(codes))
    if method is None:
        method = "direct" if codes.shape[1] == 2 else "pca"
    points, names = _to_plane(codes, method, random_state)
    with canvas(ax, (4.6, 3.7)) as (result, axes):
        colors = _scatter(axes, points, labels, name, named=not thumbnails)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set(xlabel=names[0], ylabel=names[1])
        if method in _MOST:
            axes.set_xticks([])
            axes.set_yticks([])
        axes.set_title("Latent space")
        if thumbnails:
            _place_images(axes, points, as_samples("X", taken), colors, thumbnails)
    return result


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


def _to_plane(
    codes: NDArray[np.float64], method: str, random_state: Any
) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Bring codes (N, D) to (N, 2), and name the two axes."""
    if method == "direct":
        if codes.shape[1] != 2:
            raise ValueError(
                f"method: expected pca, tsne or mds for codes of {codes.shape[1]} dimensions, "
                "got direct, which takes 2"
            )
        return codes, ("latent 0", "latent 1")
    if method == "pca":
        return project(codes)
    if method == "mds":
        return _mds(codes - codes.mean(axis=0)), ("MDS 1", "MDS 2")
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ImportError(
            "method: expected scikit-learn to be installed for tsne: pip install 'aecore[sklearn]'"
        ) from error
    # The perplexity has to be below the number of points.
    near = min(30.0, max(1.0, (len(codes) - 1) / 3))
    embed = TSNE(perplexity=near, random_state=random_state)
    return np.asarray(embed.fit_transform(codes), np.float64), ("t-SNE 1", "t-SNE 2")


def _mds(codes: NDArray[np.float64], steps: int = 300) -> NDArray[np.float64]:
    """Return points in the plane whose distances fit those of the codes in least squares.

    SMACOF: each step moves the points to the minimum of a bound on the squared differences
    (Guttman's transform), so these never grow. It starts from the principal components.
    """
    points, n = project(codes)[0], len(codes)
    target, previous = np.sqrt(squared_distances(codes, codes)), np.inf
    for _ in range(steps):
        found = np.sqrt(squared_distances(points, points))
        stress = float(((found - target) ** 2).sum())
        if previous - stress <= 1e-6 * stress:
            break
        previous = stress
        ratio = np.divide(target, found, out=np.zeros_like(found), where=found > 0)
        points = (ratio.sum(axis=1, keepdims=True) * points - ratio @ points) / n
    return points


def project(codes: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Project codes (N, D) on their two principal components; D = 1 leaves the second empty."""
    mean, axes, shares = principal_axes(codes)
    first, second = (
        f"principal component {i} ({share:.0%} of the variance)"
        for i, share in enumerate(shares, 1)
    )
    return (codes - mean) @ axes, (first, second)


def principal_axes(
    codes: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean (D,), two principal axes (D, 2) and their shares of the variance (2,)."""
    mean = codes.mean(axis=0)
    centred = codes - mean
    if codes.shape[1] > _WIDE:
        values, vectors = _leading(centred)
    else:  # the D x D side is small; an SVD of all of N x D would not be
        values, vectors = np.linalg.eigh(centred.T @ centred)
    shares = np.maximum(values[::-1], 0) / max((centred**2).sum(), np.finfo(float).tiny)
    found = vectors[:, ::-1][:, :2]
    # An eigenvector's sign is arbitrary: make the largest entry positive, so that pictures repeat.
    found = found * np.sign(found[np.abs(found).argmax(axis=0), range(found.shape[1])])
    axes = np.zeros((codes.shape[1], 2))
    axes[:, : found.shape[1]] = found
    return mean, axes, np.append(shares, 0.0)[:2]


def _leading(centred: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two largest eigenvalues of the scatter matrix (D, D), rising, and their vectors.

    Subspace iteration on eight vectors: the error falls with the ratio of the ninth eigenvalue to
    the second.
    """
    basis = np.random.RandomState(0).standard_normal((centred.shape[1], 8))
    for _ in range(50):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    seen = centred @ basis
    values, vectors = np.linalg.eigh(seen.T @ seen)
    return values[-2:], basis @ vectors[:, -2:]


def _place_images(
    ax: Axes,
    points: NDArray[np.float64],
    images: NDArray[np.float32],
    colors: list[str],
    most: int,
) -> None:
    """Draw images where they lie, framed in their class's colour, unless another is too near."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    low, high = limits_of(images)
    shown = np.clip((images - low) / (high - low), 0, 1)
    span = max(np.ptp(points, axis=0)) or 1.0
    placed: list[NDArray[np.float64]] = []
    for i in np.random.RandomState(0).permutation(len(points)):
        if len(placed) == most:
            break
        if all(np.abs(points[i] - other).max() > 0.075 * span for other in placed):
            placed.append(points[i])
            # 14 points high: legible, but small enough to see the whole picture.
            one = shown[i] if shown.shape[3] == 3 else shown[i, ..., 0]
            picture = OffsetImage(one, zoom=14 / len(one), cmap="gray", interpolation="nearest")
            picture.image.set_clim(0, 1)
            look = {"lw": 0.9, "ec": colors[i] if colors else GREY}
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
) -> list[str]:
    """Draw points; return each one's colour, where labels are classes."""
    n = len(points)
    style: dict[str, Any] = {
        "s": float(np.clip(6000 / n, 1.2, 14)),
        "alpha": float(np.clip(1.4 - 0.25 * np.log10(n), 0.35, 0.75)),
        "linewidths": 0,
        "rasterized": n > 1000,
    }
    if labels is None:
        ax.scatter(points[:, 0], points[:, 1], color=COLORS[0], **style)
        return []
    there, values = _observed(labels[:, 0] if labels.ndim == 2 else labels)
    gone, known = points[~there], points[there]
    if len(gone):
        ax.scatter(gone[:, 0], gone[:, 1], color=_MISSING, **style | {"alpha": 1.0})
    # One fixed shuffle, or the class drawn last would hide the others.
    order = np.random.RandomState(0).permutation(len(known))
    classes = np.unique(values)
    if values.dtype.kind == "f" or (values.dtype.kind in "iu" and len(classes) > 20):
        x, y = known[order].T
        shown = ax.scatter(x, y, c=values[order].astype(np.float64), cmap="viridis", **style)
        bar = colorbar(ax, shown, name or ("label" if labels.ndim == 1 else "first property"))
        if len(gone):
            explain_missing(bar.ax, _dot("o", _MISSING, label="missing"))
        return []
    looks = palette(len(classes))
    index = np.searchsorted(classes, values)
    for marker in dict.fromkeys(marker for _, marker in looks):
        here = np.array([i for i in order if looks[index[i]][1] == marker], int)
        x, y = known[here].T
        ax.scatter(x, y, c=[looks[i][0] for i in index[here]], marker=marker, **style)
    names = [str(one) for one in classes]
    _class_legend(ax, [*names, *["missing"][: len(gone)]], [*looks, (_MISSING, "o")], name)
    if named and 0 < len(classes) <= 12:
        _name_classes(ax, known, values, classes)
    colors = np.full(n, _MISSING, object)
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


def _class_legend(ax: Axes, names: list[str], looks: list[tuple[str, str]], title: Any) -> None:
    """Name the classes in a legend."""
    legend(
        ax,
        handles=[_dot(marker, color) for color, marker in looks[: len(names)]],
        labels=names,
        ncols=1 + (len(names) - 1) // 16,
        handletextpad=0.1,
        columnspacing=0.6,
        title=title,
    )


def _name_classes(
    ax: Axes, points: NDArray[np.float64], values: NDArray[Any], classes: NDArray[Any]
) -> None:
    """Write the names of the classes at their medians, or if another name is there, near them."""
    from matplotlib.patheffects import withStroke

    span = max(np.ptp(points, axis=0))
    placed: list[tuple[float, float, float]] = []
    for name in classes:
        mine = points[values == name]
        middle = np.median(mine, axis=0)
        width = 0.025 * len(str(name)) * span
        # Try the median first, then points of the class, except the outermost tenth.
        far = ((mine - middle) ** 2).sum(axis=1)
        inner = mine[np.argsort(far, kind="stable")[: max(1, int(0.9 * len(mine)))]]
        places = np.concatenate([middle[None], inner])
        free = np.ones(len(places), bool)
        for u, v, w in placed:
            apart = np.abs(places - [u, v])
            free &= (apart[:, 0] > (width + w) / 2) | (apart[:, 1] > 0.055 * span)
        # A name that has no free place is only in the legend.
        if free.any():
            x, y = places[free.argmax()]
            placed.append((x, y, width))
            ax.text(
                x, y, str(name), ha="center", va="center", color=INK, fontsize=8, weight="bold",
                path_effects=[withStroke(linewidth=2, foreground="white")],
            )  # fmt: skip

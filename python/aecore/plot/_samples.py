"""Draws samples of generative models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ._call import call, lookup, named_classes, names_of_features, takes_y
from ._grid import as_cells, draw_cells, limits_of
from ._strips import Writing
from ._tables import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_MOST_TOLD = 4  # properties that a title tells


def samples(
    model: Any,
    y: Any = None,
    *,
    n: int | None = None,
    columns: int | None = None,
    random_state: Any = None,
    class_names: Any = None,
    feature_names: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw samples of a generative model.

    If a conditional model has ``classes_``, and `y` isn't given, each class has its own row. Labels
    and properties that all samples of a row or a column have in common are written beside it.

    Parameters
    ----------
    model : estimator
        With ``sample(n, random_state=...)``, or ``sample(n, y=..., random_state=...)``.
    y : label, vector of P properties, array-like (n,) or (n, P), or data frame, optional
        The condition of a conditional model, or components of a `VAE`'s mixture: one for all
        samples, or one for each. It has to be given where a model is conditioned on properties. A
        data frame's columns are the names of properties.
    n : int, optional
        Number of samples (rounded up to whole rows if each class has its own); by default 64, or
        as many as `y` has.
    columns : int, optional
        Samples to a row; by default those that follow each other with the same label, or else as
        many as make a square.
    random_state : int, Generator or RandomState, optional
        Passed on to the model.
    class_names : sequence of str or dict, optional
        Names of the labels: ``class_names[label]``.
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
        The model has no ``sample``, n or columns is not positive, or properties are missing.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> names = ae.datasets.FASHION_CLASSES
    >>> model = ae.CVAE(latent_dim=8, loss="bce", epochs=1, random_state=0).fit(X[:500], y[:500])
    >>> figure = ae.plot.samples(model, n=80, class_names=names, random_state=0)
    >>> figure = ae.plot.samples(model, 9, n=8, class_names=names, random_state=0)

    Of a model that is conditioned on a property, a row for each of some values. The name of
    a data frame's column is that of the property:

    >>> import numpy as np
    >>> import pandas as pd
    >>> brightness = X[:500].mean(axis=(1, 2, 3)).reshape(-1, 1)
    >>> model = ae.CVAE(latent_dim=8, loss="bce", epochs=1, random_state=0).fit(X[:500], brightness)
    >>> rows = pd.DataFrame({"brightness": np.repeat([25, 50, 75, 100], 8)})
    >>> figure = ae.plot.samples(model, rows, random_state=0)
    >>> figure = ae.plot.samples(model, 75, n=8, random_state=0)

    Of a prior that is a mixture, a row for each of some components:

    >>> model = ae.VAE(latent_dim=8, prior=ae.GaussianMixture(3), epochs=1).fit(X[:500])
    >>> figure = ae.plot.samples(model, [0] * 8 + [1] * 8 + [2] * 8, random_state=0)
    """
    sample = lookup(model, "sample", "samples")
    classes = getattr(model, "classes_", None)
    if n is not None:
        checks.integer("n", n, 1)
    if columns is not None:
        checks.integer("columns", columns, 1)
    labelled = classes is not None or _has_components(model)
    each = y is not None and np.ndim(y) > (0 if labelled else 1)
    n = (len(y) if each else 64) if n is None else n
    if y is None and takes_y(sample):
        _check_none_needed(model)
    if y is None and classes is not None and takes_y(sample):
        columns = -(-n // len(classes)) if columns is None else columns
        n, each = columns * len(classes), True
        y = np.repeat(np.asarray(classes), columns)
    made = call(sample, n, y=y, random_state=random_state)
    (drawn,), texts = as_cells(["sample"], [made])
    told = None if y is None else _told(y, n if each else 1, labelled, class_names)
    if columns is None and each and told is not None:
        columns = _run_length(told)
    cells = _in_rows(drawn, columns, np.nan)
    rows: list[str] = []
    across: list[str] = []
    default = "Samples"
    if told is not None and each:
        rows, across = _labels(told, *cells.shape[:2])
        kind = "component" if classes is None else "class"
        default = f"Samples of each {kind}" if rows and labelled else default
    elif told is not None and len(told) <= _MOST_TOLD:
        said = ", ".join(texts_[0] for texts_ in told)
        default = f"Samples of {said}" if labelled else f"Samples with {said}"
    return draw_cells(
        ax,
        cells,
        limits_of(drawn),
        title,
        default,
        rows=rows,
        columns=across,
        features=names_of_features(model, None, feature_names),
        writing=None if texts is None else Writing.of(_in_rows(texts[0], columns, "")),
    )[0]


def _has_components(model: Any) -> bool:
    """Whether the model draws codes from a learned prior whose components have labels."""
    prior = getattr(model, "prior_", None)
    return getattr(prior, "labels_", None) is not None


def _check_none_needed(model: Any) -> None:
    """Raise ValueError for a model of samples with given properties, which are to be told."""
    means = getattr(model, "condition_mean_", None)
    if means is not None:
        mean = ", ".join(short(float(value)) for value in means)
        raise ValueError(
            f"y: expected the properties of the samples to draw, such as their means in fit, "
            f"y=[{mean}], or a row of them for each sample, got None"
        )


def _told(y: Any, n: int, are_classes: bool, class_names: Any) -> list[list[str]]:
    """Write each label or each property that n samples are conditioned on: a list for each."""
    values = np.asarray(y)
    if are_classes or class_names is not None:
        return [[str(label) for label in named_classes(values.reshape(-1), class_names)]]
    values = values.reshape(n, -1)
    found = getattr(y, "columns", getattr(y, "index", None))  # of a frame, or of a single row
    names = [] if found is None or callable(found) else [str(name) for name in found]
    if len(names) != values.shape[1]:
        names = [f"property {p}" for p in range(values.shape[1])]
    told = []
    for name, column in zip(names, values.T, strict=True):
        is_number = column.dtype.kind in "fiu"
        told.append([f"{name} = {short(float(v)) if is_number else v}" for v in column])
    return told


def _run_length(told: list[list[str]]) -> int | None:
    """Return after how many samples a label or a property changes, where that is regular."""
    for texts in told:
        starts = [0, *(i for i in range(1, len(texts)) if texts[i] != texts[i - 1]), len(texts)]
        lengths = set(np.diff(starts).tolist())
        if len(starts) > 2 and len(lengths) == 1 and max(lengths) > 1:
            return int(lengths.pop())
    return None


def _labels(told: list[list[str]], rows: int, columns: int) -> tuple[list[str], list[str]]:
    """Return what all samples of a row, and of a column, have in common."""
    beside: list[list[str]] = [[] for _ in range(rows)]
    above: list[list[str]] = [[] for _ in range(columns)]
    for texts in told:
        lines = [texts[i * columns : (i + 1) * columns] for i in range(rows)]
        downward = [texts[j::columns] for j in range(columns)]
        for groups, labels in ((lines, beside), (downward, above)):
            if all(len(set(group)) == 1 for group in groups):
                for label, group in zip(labels, groups, strict=True):
                    label.append(group[0])
                break
    found = [[", ".join(label) for label in labels] for labels in (beside, above)]
    return tuple(labels if any(labels) else [] for labels in found)  # type: ignore[return-value]


def _in_rows(drawn: NDArray[Any], columns: int | None, blank: Any) -> NDArray[Any]:
    """Lay n samples in cells (R, C, ...), those left over in the last row blank."""
    n = len(drawn)
    if columns is None:
        # Strips lie one below the other, in one group.
        columns = n if drawn.ndim == 2 else max(1, int(n**0.5))
        columns = next((c for c in range(columns, 2 * columns) if n % c == 0), columns)
    columns = min(n, columns)
    lines = -(-n // columns)
    cells = np.full((lines * columns, *drawn.shape[1:]), blank, drawn.dtype)
    cells[:n] = drawn
    return cells.reshape(lines, columns, *drawn.shape[1:])

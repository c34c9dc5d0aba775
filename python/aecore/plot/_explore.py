"""Sliders for a model's latent dimensions, in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base import checks
from ._explorer import Explorer


def explore(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    sliders: int | Mapping[int, str] = 8,
    class_names: Any = None,
    property_names: Any = None,
) -> Any:
    """Show a model's samples as its code moves, in a notebook: by sliders, or by clicks on a map.

    With `X` there is a map of its codes, with a cross at the present one. A click on the map, or
    dragging over it, decodes: of two latent dimensions what lies at that very place, of more the
    code of the nearest sample, where the map shows the two principal components. The original is
    shown beside what is decoded. A conditional model has its classes or properties as controls.

    Parameters
    ----------
    model : estimator
        With ``inverse_transform(Z)`` and ``latent_dim``; with `X`, also with ``transform(X)``.
    X : array-like (N, H, W, 1 or 3), (N, T, F) or (N, F), optional
        Samples, of which the first 2,000 are taken.
    y : array-like (N,) or (N, P), or data frame, optional
        Their labels, which colour the map; also the condition of a conditional model. Properties
        in a data frame have the names of its columns.
    sliders : int or mapping of int to str, default 8
        For how many dimensions at most: with X those in which the codes vary most. Or for which,
        with their names, such as ``{0: "size", 3: "slant"}``. The others stay at the chosen
        sample's.
    class_names : sequence of str or dict, optional
        What the classes are called, in the order of their labels, or by label.
    property_names : sequence of str, optional
        What the properties are called, in place of a frame's columns.

    Returns
    -------
    ipywidgets.Box
        It shows itself as a cell's value. In its ``explorer`` is the `Explorer` behind it.

    Raises
    ------
    TypeError, ValueError
        The model lacks a method, or a shape or a number of names does not fit.
    ImportError
        ipywidgets is not installed. Without anywidget the map takes no clicks.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_fashion_small()
    >>> model = ae.VAE(latent_dim=2, loss="bce", epochs=1, random_state=0).fit(X)
    >>> names = ae.datasets.FASHION_CLASSES
    >>> ae.plot.explore(model, X_test, y_test, class_names=names)  # doctest: +SKIP
    """
    try:
        import ipywidgets  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "explore: expected ipywidgets to be installed: pip install 'aecore[notebook]'"
        ) from error
    if not isinstance(sliders, Mapping):
        checks.integer("sliders", sliders, 1)
    from ._panel import panel

    explorer = Explorer(model, X, y, class_names=class_names, property_names=property_names)
    return panel(explorer, _sliders(explorer, sliders))


def _sliders(explorer: Explorer, sliders: int | Mapping[int, str]) -> dict[int, str]:
    """Return the names of the dimensions that have sliders."""
    if not isinstance(sliders, Mapping):
        return {dim: f"latent {dim}" for dim in sorted(explorer.dims[: int(sliders)])}
    last = len(explorer.start) - 1
    return {checks.integer("sliders", dim, 0, last): str(name) for dim, name in sliders.items()}

"""Sliders for a model's latent dimensions, in a notebook."""

from __future__ import annotations

from typing import Any

from ..base import checks
from ._explorer import Explorer


def explore(model: Any, X: Any = None, y: Any = None, *, sliders: int = 8) -> Any:
    """Make sliders for a model's latent dimensions, which decode as they move, in a notebook.

    Beside them are, of a conditional model, its classes or its properties, and with `X` the map of
    its codes with a cross at the present one, and a choice of samples to start from.

    Parameters
    ----------
    model : estimator
        With ``inverse_transform(Z)`` and ``latent_dim``; with `X`, also with ``transform(X)``.
    X : array-like (N, H, W, 1 or 3), (N, T, F) or (N, F), optional
        Samples, of which the first 2,000 are taken.
    y : array-like (N,) or (N, P), optional
        Their labels, which colour the map; also the condition of a conditional model.
    sliders : int, default 8
        For how many dimensions at most: with X those in which the codes vary most. The others
        stay at the chosen sample's.

    Returns
    -------
    ipywidgets.Box
        It shows itself as a cell's value. In its ``explorer`` is the `Explorer` behind it.

    Raises
    ------
    TypeError, ValueError
        The model lacks a method, or a shape does not fit.
    ImportError
        ipywidgets is not installed.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.VAE(latent_dim=2, loss="bce", epochs=1, random_state=0).fit(X)
    >>> ae.plot.explore(model, X_test, y_test)  # doctest: +SKIP
    """
    try:
        import ipywidgets  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "explore: expected ipywidgets to be installed: pip install 'aecore[notebook]'"
        ) from error
    checks.integer("sliders", sliders, 1)
    from ._panel import panel

    return panel(Explorer(model, X, y), sliders)

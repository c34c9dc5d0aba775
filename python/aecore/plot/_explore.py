"""A decoder at one's fingertips: sliders for the code, and what it decodes to at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._call import call, condition_of, is_conditional, lookup, names_of_features
from ._codes import draw_codes, principal_axes
from ._decode import latent_dim_of
from ._grid import as_samples, limits_of
from ._render import CodeMap, Drawing, image_png
from ._tables import Places, as_numbers, is_mixed, places_of

_MOST = 2000  # codes on the map


class Explorer:
    r"""What `explore` shows, without widgets: numbers in, PNG files out.

    Parameters
    ----------
    model, X, y
        As `explore` takes them.

    Attributes
    ----------
    dims : list of int
        The latent dimensions in the order of how much the codes of X vary there; without X, in
        theirs.
    low, high : ndarray, shape (latent_dim,)
        Where the codes lie: of X all but 1 % at either end, without X from -3 to 3.
    start : ndarray, shape (latent_dim,)
        The first sample's code, without X zeros.
    classes : list or None
        The labels that decoding may be conditioned on.
    properties : (mean, scale) or None
        Those of the properties that it may be conditioned on.

    Raises
    ------
    TypeError, ValueError
        The model lacks ``inverse_transform`` or ``latent_dim``, or a shape does not fit.

    Examples
    --------
    >>> import aecore as ae
    >>> X, y, X_test, y_test = ae.datasets.load_digits()
    >>> model = ae.VAE(latent_dim=2, loss="bce", epochs=1, random_state=0).fit(X)
    >>> explorer = ae.plot.Explorer(model, X_test, y_test)
    >>> explorer.picture([0.5, -1.0])[:4], explorer.map([0.5, -1.0])[:4]
    (b'\x89PNG', b'\x89PNG')
    """

    def __init__(self, model: Any, X: Any = None, y: Any = None) -> None:
        self._decode = lookup(model, "inverse_transform", "explore")
        size = latent_dim_of(model, "explore")
        self.classes, self.properties = _conditions(model, self._decode)
        self._samples: NDArray[np.float32] | None = None
        self._map: CodeMap | None = None
        self._places: Places | None = None  # of the values of a mixed table's columns
        self.labels: NDArray[Any] | None = None
        if X is None:
            self.codes = np.random.RandomState(0).standard_normal((64, size))
            self.low, self.high = np.full(size, -3.0), np.full(size, 3.0)
            self.start, self.dims = np.zeros(size), list(range(size))
        else:
            self._take_samples(model, X, y, size)
        self.shape, self.limits, self._drawing = self._prepare(model, X)

    def _take_samples(self, model: Any, X: Any, y: Any, size: int) -> None:
        """Encode samples: they give the sliders' ranges, and the map its points."""
        X, y = X[:_MOST], None if y is None else np.asarray(y)[:_MOST]
        self._places = places_of([X]) if is_mixed(X) else None
        self._samples = self._as_samples("X", X)
        self.labels = condition_of(y, len(self._samples))
        encode = lookup(model, "transform", "explore")
        self.codes = np.asarray(call(encode, X, y=self.labels), np.float64)
        if self.codes.shape != (len(self._samples), size):
            raise ValueError(
                f"explore needs codes of the shape (N, {size}), got {self.codes.shape}"
            )
        self.low, self.high = np.quantile(self.codes, [0.01, 0.99], axis=0)
        # A dimension in which nothing varies still has a slider.
        self.high = np.where(self.high > self.low, self.high, self.low + 1)
        self.start = self.codes[0]
        self.dims = [int(d) for d in np.argsort(-self.codes.std(axis=0), kind="stable")]
        if size > 1:
            self._mean, self._axes, names = np.zeros(2), np.eye(2), ("latent 0", "latent 1")
            if size > 2:
                self._mean, self._axes, _ = principal_axes(self.codes)
                names = ("principal component 1", "principal component 2")
            points = (self.codes - self._mean) @ self._axes
            self._map = CodeMap(points, lambda ax: draw_codes(ax, points, self.labels), names)

    def _prepare(self, model: Any, X: Any) -> tuple[tuple[int, ...], Any, Drawing | None]:
        """Find the shape and the range of what is decoded, and what draws it."""
        some = self._decoded(self.codes[:64], self._first_condition())
        limits = limits_of(some if self._samples is None else self._samples)
        shape = some.shape[1:]
        drawing = None
        if len(shape) < 3:
            drawing = Drawing(shape, limits, names_of_features(model, X))
        return shape, limits, drawing

    def _first_condition(self) -> Any:
        if self.classes:
            return self.classes[0]
        return None if self.properties is None else self.properties[0]

    @property
    def n_samples(self) -> int:
        """How many samples there are to start from."""
        return 0 if self._samples is None else len(self._samples)

    def decode(self, z: Any, y: Any = None) -> NDArray[np.float32]:
        """Return the sample that a code (latent_dim,) stands for, given its condition."""
        return self._decoded(np.asarray(z)[None], y)[0]

    def _decoded(self, Z: NDArray[Any], y: Any) -> NDArray[np.float32]:
        if self.classes is None and self.properties is None:
            y = None
        beside = None if y is None else np.repeat(np.asarray(y)[None], len(Z), axis=0)
        made = call(self._decode, Z.astype(np.float32), y=beside)
        if self._places is None and is_mixed(made):
            self._places = places_of([made])
        return self._as_samples("the decoded code", made)

    def _as_samples(self, name: str, X: Any) -> NDArray[np.float32]:
        return as_samples(name, X) if self._places is None else as_numbers(X, self._places)

    def picture(self, z: Any, y: Any = None, *, original: int | None = None) -> bytes:
        """Draw what a code decodes to.

        Parameters
        ----------
        z : array-like (latent_dim,)
        y : label or vector of properties, optional
            The condition of a conditional model.
        original : int, optional
            The number of a sample to draw behind it, if that isn't an image.

        Returns
        -------
        bytes
            A PNG file.
        """
        sample = self.decode(z, y)
        if self._drawing is None:
            return image_png(sample, self.limits)
        behind = None if original is None or self._samples is None else self._samples[original]
        return self._drawing(sample, behind)

    def original(self, i: int) -> bytes:
        """Draw sample i as it is."""
        assert self._samples is not None
        if self._drawing is None:
            return image_png(self._samples[i], self.limits)
        return self._drawing(self._samples[i])

    def map(self, z: Any) -> bytes | None:
        """Draw the codes of X with a cross at z; None without X, or where a code is one number."""
        if self._map is None:
            return None
        return self._map((np.asarray(z, np.float64) - self._mean) @ self._axes)


def _conditions(model: Any, decode: Any) -> tuple[list[Any] | None, Any]:
    """Return the classes and the properties that decoding is told of."""
    if not is_conditional(model, decode):
        return None, None
    classes = getattr(model, "classes_", None)
    if classes is not None:
        return list(np.asarray(classes).tolist()), None
    mean = getattr(model, "condition_mean_", None)
    return None, None if mean is None else (mean, model.condition_scale_)


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
        raise ImportError("explore needs ipywidgets: pip install 'aecore[notebook]'") from error
    if sliders < 1:
        raise ValueError(f"sliders must be at least 1, got {sliders}")
    from ._panel import panel

    return panel(Explorer(model, X, y), sliders)

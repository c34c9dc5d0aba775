"""The model behind `explore`'s sliders: decodes a code and draws the sample at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    r"""The part of `explore` without widgets: it takes numbers and returns PNG files.

    Parameters
    ----------
    model, X, y, class_names, property_names
        As `explore` takes them.

    Attributes
    ----------
    dims : list of int
        The latent dimensions, those where the codes of X vary most first; without X, in order.
    low, high : ndarray, shape (latent_dim,)
        The range of the codes of X without 1 % at either end; without X, -3 to 3.
    start : ndarray, shape (latent_dim,)
        The first sample's code; without X, zeros.
    classes : list or None
        The labels that decoding can be conditioned on.
    properties : (mean, scale) or None
        Of the properties that decoding can be conditioned on.
    names : list of str
        Of the classes, or of the properties.

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

    def __init__(
        self,
        model: Any,
        X: Any = None,
        y: Any = None,
        *,
        class_names: Any = None,
        property_names: Any = None,
    ) -> None:
        self._decode = lookup(model, "inverse_transform", "explore")
        size = latent_dim_of(model, "explore")
        self.classes, self.properties = _conditions(model, self._decode)
        self._samples: NDArray[np.float32] | None = None
        self._map: CodeMap | None = None
        self._places: Places | None = None  # of the values of a mixed table's columns
        self.labels: NDArray[Any] | None = None
        self._titles: dict[Any, str] = {}  # of labels that have names
        self.names = self._named(class_names, property_names, y)
        if X is None:
            self.codes = np.random.RandomState(0).standard_normal((64, size))
            self.low, self.high = np.full(size, -3.0), np.full(size, 3.0)
            self.start, self.dims = np.zeros(size), list(range(size))
        else:
            self._take_samples(model, X, y, size)
        self.shape, self.limits, self._drawing = self._prepare(model, X)

    def _take_samples(self, model: Any, X: Any, y: Any, size: int) -> None:
        """Encode samples for the ranges of the sliders and the points of the map."""
        X, y = X[:_MOST], None if y is None else np.asarray(y)[:_MOST]
        self._places = places_of([X]) if is_mixed(X) else None
        self._samples = self._as_samples("X", X)
        self.labels = condition_of(y, len(self._samples))
        encode = lookup(model, "transform", "explore")
        self.codes = np.asarray(call(encode, X, y=self.labels), np.float64)
        if self.codes.shape != (len(self._samples), size):
            raise ValueError(f"model: expected codes of shape (N, {size}), got {self.codes.shape}")
        self.low, self.high = np.quantile(self.codes, [0.01, 0.99], axis=0)
        # A dimension in which nothing varies has a slider too.
        self.high = np.where(self.high > self.low, self.high, self.low + 1)
        self.start = self.codes[0]
        self.dims = [int(d) for d in np.argsort(-self.codes.std(axis=0), kind="stable")]
        if size > 1:
            self._mean, self._axes, names = np.zeros(2), np.eye(2), ("latent 0", "latent 1")
            if size > 2:
                self._mean, self._axes, _ = principal_axes(self.codes)
                names = ("principal component 1", "principal component 2")
            points = (self.codes - self._mean) @ self._axes
            shown = self._shown_labels()
            first = None if self.properties is None else self.names[0]
            self._map = CodeMap(points, lambda ax: draw_codes(ax, points, shown, first), names)

    def _named(self, class_names: Any, property_names: Any, y: Any) -> list[str]:
        """Return the names of classes or properties, and note which label has which."""
        if self.properties is not None:
            return _names_of_properties(property_names, y, len(self.properties[0]))
        labels = self.classes
        if labels is None and y is not None and np.ndim(y) == 1 and len(y):
            labels = np.unique(np.asarray(y)).tolist()
        if labels is None:
            return []
        if class_names is not None:
            self._titles = _names_of_classes(class_names, labels)
        return [self.title(label) for label in labels]

    def title(self, label: Any) -> str:
        """Return the name of a class: its label, if it has no other."""
        return self._titles.get(label, str(label))

    def _shown_labels(self) -> NDArray[Any] | None:
        """Return the labels that colour the map, by name."""
        if self.labels is None or not self._titles:
            return self.labels
        return np.array([self.title(label) for label in self.labels.tolist()])

    def _prepare(self, model: Any, X: Any) -> tuple[tuple[int, ...], Any, Drawing | None]:
        """Return the shape and the range of decoded samples, and the figure that draws them."""
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
        """The number of samples to start from."""
        return 0 if self._samples is None else len(self._samples)

    def decode(self, z: Any, y: Any = None) -> NDArray[np.float32]:
        """Return the decoded sample of a code (latent_dim,), given its condition."""
        return self._decoded(np.asarray(z)[None], y)[0]

    def _decoded(self, Z: NDArray[Any], y: Any) -> NDArray[np.float32]:
        if self.classes is None and self.properties is None:
            y = None
        beside = None if y is None else np.repeat(np.asarray(y)[None], len(Z), axis=0)
        made = call(self._decode, Z.astype(np.float32), y=beside)
        if self._places is None and is_mixed(made):
            self._places = places_of([made])
        return self._as_samples("decoded code", made)

    def _as_samples(self, name: str, X: Any) -> NDArray[np.float32]:
        return as_samples(name, X) if self._places is None else as_numbers(X, self._places)

    def picture(self, z: Any, y: Any = None, *, original: int | None = None) -> bytes:
        """Draw the decoded sample of a code.

        Parameters
        ----------
        z : array-like (latent_dim,)
        y : label or vector of properties, optional
            The condition of a conditional model.
        original : int, optional
            The index of a sample to draw behind it, if samples aren't images.

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

    def place(self, z: Any) -> tuple[float, float] | None:
        """Return where a code is on the map, in shares of its width and height from the top left.

        Parameters
        ----------
        z : array-like (latent_dim,)

        Returns
        -------
        (float, float) or None
            None where there is no map.
        """
        if self._map is None:
            return None
        return self._map.share((np.asarray(z, np.float64) - self._mean) @ self._axes)

    def at(self, across: float, down: float) -> tuple[NDArray[np.float64], int]:
        """Return the code at a place of the map, and the sample whose code is nearest to it.

        Parameters
        ----------
        across, down : float
            Shares of the map's width and height, from the top left.

        Returns
        -------
        z : ndarray, shape (latent_dim,)
            With two latent dimensions what is at that very place, else the code of the sample.
        i : int
            The sample.

        Raises
        ------
        ValueError
            There is no map.
        """
        if self._map is None:
            raise ValueError("X: expected samples, and codes of two numbers at least, for a map")
        point = self._map.point(across, down)
        apart = (self.codes - self._mean) @ self._axes - point
        i = int(np.argmin((apart**2).sum(axis=1)))
        return (point if self.codes.shape[1] == 2 else self.codes[i].copy()), i

    def bare_map(self, dark: bool = False) -> bytes | None:
        """Draw the codes of X without a cross, for light or dark pages; None where there is no map.

        The background is transparent.
        """
        return None if self._map is None else self._map.png(dark)

    def map(self, z: Any) -> bytes | None:
        """Draw the codes of X with a cross at z; None without X, or where a code is one number."""
        if self._map is None:
            return None
        return self._map((np.asarray(z, np.float64) - self._mean) @ self._axes)


def _conditions(model: Any, decode: Any) -> tuple[list[Any] | None, Any]:
    """Return the classes and the properties that decoding is conditioned on."""
    if not is_conditional(model, decode):
        return None, None
    classes = getattr(model, "classes_", None)
    if classes is not None:
        return list(np.asarray(classes).tolist()), None
    mean = getattr(model, "condition_mean_", None)
    if mean is None and hasattr(getattr(model, "_coding_conditioner", None), "parts"):
        raise ValueError(
            "model: expected one whose condition is labels or properties for explore, got one "
            "conditioned on a table of both"
        )
    return None, None if mean is None else (mean, model.condition_scale_)


def _names_of_properties(names: Any, y: Any, n: int) -> list[str]:
    """Return a name for each of n properties: those given, those of a frame's columns, numbers."""
    if names is not None:
        return _checked(names, n, "property_names")
    columns = names_of_features(None, y)
    return columns if len(columns) == n else [f"property {i}" for i in range(n)]


def _names_of_classes(names: Any, labels: list[Any]) -> dict[Any, str]:
    """Return the names of labels: from a mapping, or from a sequence in their order."""
    if isinstance(names, Mapping):
        return {label: str(names[label]) for label in labels if label in names}
    return dict(zip(labels, _checked(names, len(labels), "class_names"), strict=True))


def _checked(names: Any, n: int, argument: str) -> list[str]:
    """Check that there are n names."""
    if isinstance(names, str) or not isinstance(names, (Sequence, np.ndarray)):
        raise TypeError(f"{argument}: expected {n} texts, got {names!r}")
    if len(names) != n:
        raise ValueError(f"{argument}: expected {n} texts, got {len(names)}")
    return [str(name) for name in names]

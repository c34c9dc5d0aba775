"""Conditions: labels or properties of samples, as vectors beside the input and the code."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import checks
from ..base.text import printable
from .batches import Condition

MAX_CLASSES = 4096  # one-hot vectors of more are a waste


class Conditioner:
    """What a model has learned of its conditions: the classes, or the scale of the properties.

    Parameters
    ----------
    classes : ndarray, shape (K,), optional
        The labels in order; conditions are one-hot vectors then.
    mean, scale : ndarray of float64, shape (p,), optional
        Of the properties, which are standardised.

    Attributes
    ----------
    names : list of str or None
        Of the columns of a table, if they have some.
    """

    names: list[str] | None = None

    def __init__(
        self,
        classes: np.ndarray | None = None,
        mean: np.ndarray | None = None,
        scale: np.ndarray | None = None,
    ) -> None:
        self.classes, self.mean, self.scale = classes, mean, scale

    @classmethod
    def learn(cls, y: Any, n: int) -> Conditioner:
        """Learn classes from labels (n,), or mean and scale from properties (n, p).

        A column (n, 1) of integers, booleans or strings is one of labels too: that of a data frame.
        Of a table of words and numbers each column is either.
        """
        names = names_of(y)
        if (columns := mixed(y)) is not None:
            return MixedConditioner([cls.learn(column, n) for column in columns]).named(names)
        y = read(y, labels=True)
        check_length(y, n)
        if y.ndim == 1:
            classes = np.unique(y)
            if len(classes) > MAX_CLASSES:
                raise ValueError(
                    f"y: expected at most {MAX_CLASSES} different labels, got {len(classes)}; "
                    "numbers that aren't labels go into a matrix (N, p)"
                )
            return cls(classes=classes)
        mean, scale = y.mean(0), y.std(0)
        return cls(mean=mean, scale=np.where(scale > 0, scale, 1.0)).named(names)

    def named(self, names: list[str] | None) -> Conditioner:
        """Take the names of columns; return the conditioner."""
        self.names = names
        return self

    def _check_names(self, y: Any) -> None:
        """Raise ValueError for a table with other columns than in fit, or in another order."""
        now = names_of(y)
        if now is not None and self.names is not None and now != self.names:
            raise ValueError(
                f"y: expected the columns {_listed(self.names)} in this order, as in fit, got "
                f"{_listed(now)}"
            )

    @property
    def width(self) -> int:
        """The length of a condition's vector."""
        known = self.classes if self.classes is not None else self.mean
        assert known is not None
        return len(known)

    def read(self, y: Any, n: int) -> Condition:
        """Return the conditions of n samples that y stands for.

        Raises
        ------
        TypeError, ValueError
            For another number of them, for labels not seen in fit, another number of properties.
        """
        self._check_names(y)
        y = read(y, labels=self.classes is not None)
        check_length(y, n)
        if self.classes is not None:
            return Condition(np.eye(len(self.classes), dtype=np.float32), self._places(y))
        assert self.mean is not None and self.scale is not None
        if y.ndim != 2 or y.shape[1] != len(self.mean):
            raise ValueError(
                f"y: expected properties of shape (N, {len(self.mean)}), as in fit, got {y.shape}"
            )
        return Condition(((y - self.mean) / self.scale).astype(np.float32))

    def _places(self, y: np.ndarray) -> np.ndarray:
        """Return the number of each label's class."""
        classes = self.classes
        assert classes is not None
        if y.ndim != 1:
            raise ValueError(f"y: expected labels of shape (N,), as in fit, got {y.shape}")
        if (y.dtype.kind in "US") != (classes.dtype.kind in "US"):
            raise ValueError(
                f"y: expected labels like {classes.tolist()[0]!r}, as in fit, got {y.dtype}"
            )
        places = np.searchsorted(classes, y)
        places = np.minimum(places, len(classes) - 1)
        unknown = classes[places] != y
        if unknown.any():
            found = y[unknown].tolist()[0]
            raise ValueError(f"y: expected labels as in fit, {_listed(classes)}, got {found!r}")
        return places.astype(np.int64)

    def repeat(self, y: Any, n: int) -> Condition:
        """Return the conditions of n samples from y: one for all of them, or one for each.

        A number stands for a vector of one property.
        """
        given = checks.array("y", y)
        if self.mean is not None and given.ndim == 0 and given.dtype.kind in "biuf":
            if len(self.mean) > 1:
                raise ValueError(
                    f"y: expected {len(self.mean)} properties, as in fit, got the number {given}"
                )
            given = given[None]
        if given.ndim == (0 if self.classes is not None else 1):
            y = np.repeat(given[None], n, axis=0)
        return self.read(y, n)


class MixedConditioner(Conditioner):
    """What a model has learned of a table of labels and properties, column by column.

    Parameters
    ----------
    parts : list of Conditioner
        One for each column.
    """

    def __init__(self, parts: list[Conditioner]) -> None:
        super().__init__()
        self.parts = parts

    @property
    def width(self) -> int:
        """The length of a condition's vector."""
        return sum(part.width for part in self.parts)

    def read(self, y: Any, n: int) -> Condition:
        """Return the conditions of n samples; see `Conditioner.read`."""
        self._check_names(y)
        found = columns_of(y)
        if found is None or len(found) != len(self.parts):
            got = "something else" if found is None else str(len(found))
            raise ValueError(
                f"y: expected a table of {len(self.parts)} columns of words and numbers, as in "
                f"fit, got {got}"
            )
        tables = []
        for part, column in zip(self.parts, found, strict=True):
            one = part.read(column, n)
            tables.append(one.table if one.rows is None else one.table[one.rows])
        return Condition(np.concatenate(tables, axis=1))

    def repeat(self, y: Any, n: int) -> Condition:
        """Return the conditions of n samples from y: a row for all of them, or one for each."""
        if isinstance(y, dict):
            in_order = self.names is not None and set(self.names) == set(y)
            y = tuple(y[name] for name in (self.names or ()) if in_order) or tuple(y.values())
        if isinstance(y, np.void) or (
            isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.names is None
        ):
            y = tuple(y.tolist())
        if isinstance(y, (tuple, list)) and all(np.ndim(v) == 0 for v in y):
            y = [y] * n
        return self.read(y, n)


def names_of(y: Any) -> list[str] | None:
    """Return the names of a table's columns, where there are several, and all are text."""
    names = _all_names(y) or []
    return names if len(names) > 1 and all(isinstance(name, str) for name in names) else None


def _all_names(y: Any) -> list[Any] | None:
    """Return the names of the columns of a data frame or a structured array; None for others."""
    if hasattr(y, "columns") and hasattr(y, "shape"):
        return list(getattr(y, "column_names", None) or y.columns)
    if isinstance(y, np.ndarray) and y.dtype.names is not None and y.ndim == 1:
        return list(y.dtype.names)
    return None


def _listed(values: Any) -> str:
    """Return the first of some values, for a message."""
    return ", ".join(map(printable, values[:10])) + (", ..." if len(values) > 10 else "")


def columns_of(y: Any) -> list[np.ndarray] | None:
    """Return the columns of a table: labels (N,) or properties (N, 1); None if it is none."""
    if (names := _all_names(y)) is not None:
        return [_column(np.asarray(y[name])) for name in names]
    if isinstance(y, (list, tuple)) and y and all(isinstance(row, (list, tuple)) for row in y):
        if len({len(row) for row in y}) != 1:
            return None
        rows = np.empty((len(y), len(y[0])), object)
        rows[:] = [list(row) for row in y]
        y = rows
    if isinstance(y, np.ndarray) and y.dtype.kind in "OUS" and y.ndim == 2:
        return [_column(y[:, j]) for j in range(y.shape[1])]
    return None


def mixed(y: Any) -> list[np.ndarray] | None:
    """Return the columns of a table some of which have words; None for anything else."""
    found = columns_of(y)
    if found is None or len(found) < 2 or all(column.ndim == 2 for column in found):
        return None
    return found


def _column(values: np.ndarray) -> np.ndarray:
    """Return words as labels (N,), and numbers as a property (N, 1)."""
    words = values.dtype.kind in "USO" and all(isinstance(v, (str, bytes)) for v in values)
    if words or values.dtype.kind in "US":
        return values.astype(str)
    if values.dtype.kind == "O" and any(isinstance(v, str) for v in values):
        raise ValueError("y: expected columns of words or of numbers, got one of both")
    with checks.expecting("y: expected a column of words or numbers"):
        return values.astype(np.float64)[:, None]


def conditions(conditioner: Conditioner | None, y: Any, n: int) -> Condition | None:
    """Return the conditions of n samples; a model without any takes no notice of y."""
    return None if conditioner is None else conditioner.read(y, n)


def shared(conditioner: Conditioner | None, y: Any, n: int) -> Condition | None:
    """Return the conditions of n samples where y may be one for all of them."""
    return None if conditioner is None else conditioner.repeat(y, n)


def read(y: Any, labels: bool = False) -> np.ndarray:
    """Check what a user passed as conditions; return labels (N,) or float64 properties (N, p).

    `labels` is whether a column (N, 1) that could be either is one of labels.
    """
    if y is None:  # the end is what scikit-learn's checks look for
        raise ValueError(
            "y: expected labels (N,) or a matrix of properties (N, p) for a conditional model, "
            "which requires y to be passed, but the target y is None"
        )
    if hasattr(y, "toarray"):
        raise TypeError("y: Sparse data was passed, but dense data is required: use y.toarray()")
    y = checks.array("y", y)
    column = y.ndim == 2 and y.shape[1] == 1
    if column and (y.dtype.kind in "US" or (labels and _are_labels(y))):
        y = y[:, 0]
    if y.dtype.kind == "O":
        y = _from_objects(y)
    if y.ndim == 1 and y.dtype.kind in "biuUS":
        return y
    if y.ndim == 1 and y.dtype.kind == "f":
        raise ValueError(
            "y: expected integers or strings for labels (N,), got floats; y.reshape(-1, 1) makes a "
            "property of them"
        )
    if y.ndim != 2 or y.dtype.kind not in "biuf" or y.shape[1] == 0:
        raise ValueError(
            "y: expected integer or string labels of shape (N,) or numbers of shape (N, p), got "
            f"{y.dtype} of shape {y.shape}"
        )
    y = y.astype(np.float64)
    if not np.isfinite(y).all():
        raise ValueError("y: expected finite properties, got NaN or infinity")
    return y


def _are_labels(y: np.ndarray) -> bool:
    """Whether there are integers, booleans or strings alone."""
    kinds = (bool, np.bool_, int, np.integer, str)
    return y.dtype.kind in "biu" or (
        y.dtype.kind == "O" and all(isinstance(v, kinds) for v in y.flat)
    )


def _from_objects(y: np.ndarray) -> np.ndarray:
    kinds = {type(v) for v in y.ravel()}
    if all(issubclass(k, str) for k in kinds):
        return y.astype(str)
    if y.ndim == 1 and kinds and all(issubclass(k, (bool, np.bool_)) for k in kinds):
        return y.astype(bool)
    if y.ndim == 1 and all(issubclass(k, (int, np.integer)) for k in kinds):
        with checks.expecting("y: expected integers of 64 bits"):
            return y.astype(np.int64)
    if y.ndim == 2:
        try:
            return y.astype(np.float64)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(
                f"y: expected numbers (N, p), got objects: {printable(error)}"
            ) from None
    names = ", ".join(sorted(k.__name__ for k in kinds))
    raise ValueError(f"y: expected labels that are all integers or all strings, got {names}")


def check_length(y: np.ndarray, n: int) -> None:
    """Raise ValueError if y doesn't belong to n samples."""
    if len(y) != n:
        raise ValueError(f"y: expected {n} conditions, one for each sample, got {len(y)}")

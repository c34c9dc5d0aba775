"""Names of columns, whatever their type: compared, matched, and written into files."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import checks
from .text import printable

Names = Sequence[Any] | np.ndarray


def as_array(names: Names) -> np.ndarray:
    """Return names as objects (C,), tuples too."""
    out = np.empty(len(names), object)
    out[:] = list(names)
    return out


def are_text(names: Names | None) -> bool:
    """Return whether there are names, and all are strings."""
    return names is not None and all(isinstance(n, str) for n in names)


def are_places(names: Names | None) -> bool:
    """Return whether the names are the numbers 0 to C - 1, in any order."""
    if names is None or not all(_is_integer(n) for n in names):
        return False
    return sorted(names) == list(range(len(names)))


def are_default(names: Names | None) -> bool:
    """Return whether columns have no other names than their places."""
    return names is None or (are_places(names) and list(names) == list(range(len(names))))


def check_different(names: Names, name: str) -> None:
    """Raise ValueError for two columns of one name."""
    if len(set(names)) == len(names):
        return
    seen: set[Any] = set()
    for n in names:
        if n in seen:
            raise ValueError(f"{name}: expected different column names, got {n!r} twice")
        seen.add(n)


def places(seen: Names | None, new: Names | None) -> list[int] | None:
    """Return where the columns that `fit` has seen stand among others, by name.

    Names are equal if they are the same object to Python, or else if their text is: a container may
    know strings alone.

    Returns
    -------
    list of int, or None
        None if there is nothing to compare, or if the names are others.
    """
    new = _numbered(new) if seen is None else new
    if new is None or (seen is None and not are_places(new)):
        return None
    seen = list(range(len(new))) if seen is None else seen
    if len(seen) != len(new):
        return None
    for key in (_itself, str):
        at = {key(n): j for j, n in enumerate(new)}
        wanted = [key(n) for n in seen]
        if len(at) == len(new) == len(set(wanted)) and all(n in at for n in wanted):
            return [at[n] for n in wanted]
    return None


def are_others(seen: Names | None, new: Names | None) -> bool:
    """Return whether columns have names, and not those that `fit` has seen, in whatever order."""
    if seen is None or new is None or (are_default(new) and not are_places(seen)):
        return False
    return places(seen, new) is None


def check(
    owner: str,
    seen: Names | None,
    new: Names | None,
    name: str = "X",
) -> None:
    """Compare names of columns with those of `fit`, in order, in scikit-learn's words.

    Raises
    ------
    ValueError
        For other names, or another order.

    Warns
    -----
    UserWarning
        Where only one of both has names.
    """
    new = _numbered(new) if seen is None else new
    if seen is None and new is None:
        return
    if new is not None and are_default(new) and not are_places(seen):
        new = None
    if seen is not None and are_default(seen) and not are_places(new):
        seen = None
    if seen is None and are_places(new):
        assert new is not None
        seen = list(range(len(new)))
    if seen is None and new is None:
        return
    if new is None and are_default(seen):
        return
    if seen is None:
        text = f"{name} has feature names, but {owner} was fitted without feature names"
        checks.warn(text)
    elif new is None:
        text = (
            f"{name} does not have valid feature names, but {owner} was fitted with feature names"
        )
        checks.warn(text)
    elif places(seen, new) != list(range(len(seen))):
        start = "" if name == "X" else f"{name}: "
        raise ValueError(start + other_names(seen, new))


def other_names(seen: Names, new: Names) -> str:
    """Return what to say where columns have other names than those of `fit`."""
    lines = ["The feature names should match those that were passed during fit."]
    unseen = sorted(set(new) - set(seen), key=_order)
    missing = sorted(set(seen) - set(new), key=_order)
    for title, names in (
        ("Feature names unseen at fit time:", unseen),
        ("Feature names seen at fit time, yet now missing:", missing),
    ):
        if names:
            more = ["- ..."] if len(names) > 5 else []
            lines += [title, *(f"- {printable(name)}" for name in names[:5]), *more]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def _numbered(names: Names | None) -> Names | None:
    """Return names that are the text of places as these numbers, and others as they are."""
    texts = [str(j) for j in range(0 if names is None else len(names))]
    if names is None or not are_text(names) or sorted(names) != sorted(texts):
        return names
    return [int(n) for n in names]


def _order(name: Any) -> Any:
    return (not isinstance(name, str), str(name))


def _itself(name: Any) -> Any:
    return name


def _is_integer(name: Any) -> bool:
    return isinstance(name, (int, np.integer)) and not isinstance(name, bool)


# ---- files --------------------------------------------------------------------------------------


def written(name: Any) -> Any:
    """Return a name as JSON takes it: a tuple is a list, a time a dictionary; others are text."""
    name = name.item() if isinstance(name, np.generic) else name
    if isinstance(name, tuple):
        return [written(part) for part in name]
    if isinstance(name, (datetime.date, datetime.datetime)) and name == name:
        kind = "datetime" if isinstance(name, datetime.datetime) else "date"
        return {kind: name.isoformat()}
    if name is None or isinstance(name, (bool, int, str)):
        return name
    if isinstance(name, float) and abs(name) < float("inf"):
        return name
    return str(name)


def read(found: Any) -> Any:
    """Return the name that `written` has written; ValueError for anything else."""
    if isinstance(found, list):
        return tuple(read(part) for part in found)
    if found is None or type(found) in (bool, int, float, str):
        return found
    if isinstance(found, dict) and len(found) == 1:
        ((kind, text),) = found.items()
        cls = {"date": datetime.date, "datetime": datetime.datetime}.get(kind)
        if cls is not None and isinstance(text, str):
            return cls.fromisoformat(text)
    raise ValueError(f"columns: expected the name of a column, got {found!r}")

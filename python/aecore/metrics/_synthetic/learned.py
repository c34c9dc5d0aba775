"""What models say of synthetic rows: whether they tell them apart, and what they learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.tables.columns import Numeric
from .tables import Encoded, Matrix, Tables, as_bytes

MOST = 10_000  # rows of each table that are told apart
LEAST = 10
FOLDS = 5
LEVELS = 254  # that trees tell apart

Rows = tuple[Matrix, NDArray[Any]]


def require() -> None:
    """Raise ImportError without scikit-learn."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "synthetic_report: expected scikit-learn to be installed: pip install 'aecore[sklearn]'"
        ) from error


def told_apart(tables: Tables, other: Encoded, seed: int) -> float:
    """Return the cross-validated AUROC of a classifier of real rows and others; NaN of few."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(seed)
    n = min(len(tables.real.cells), len(other.cells), MOST)
    if n < LEAST:
        return float("nan")
    parts = [
        _features(tables, part, tables.is_empty)[rng.permutation(len(part.cells))[:n]]
        for part in (tables.real, other)
    ]
    X, y = np.concatenate(parts), np.repeat([0, 1], n)
    areas = []
    for train, test in _folds(y, True, seed, _pairs(X, n)):
        model = _trees(tables, tables.is_empty, True, seed, (X[train], y[train]))
        areas.append(roc_auc_score(y[test], model.predict_proba(X[test])[:, 1]))
    return float(np.mean(areas))


def trained(tables: Tables, j: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return scores on real rows of models of column j that learned from synthetic and real ones.

    They are tested on the holdout; without any, on the real rows, where the model of real rows is
    cross-validated.
    """
    leveled = bool(tables.is_level[j])
    synthetic, real = (_task(tables, part, j) for part in (tables.synthetic, tables.real))
    if tables.holdout is not None:
        test = _task(tables, tables.holdout, j)
        outputs = [_predicted(tables, part, test[0], j, seed) for part in (synthetic, real)]
    else:
        test = real
        outputs = [_predicted(tables, synthetic, test[0], j, seed)]
        outputs.append(_cross_validated(tables, real, leveled, j, seed))
    scores = [_scores(test[1], out, tables.layout.levels[j]) for out in outputs]
    return {name: (scores[0][name], scores[1][name]) for name in scores[0]}


def _task(tables: Tables, part: Encoded, j: int) -> Rows:
    """Return the other columns, and column j, of the rows that have it."""
    column = tables.layout.columns[j]
    values: Any = part.cells[:, j]
    if isinstance(column, Numeric):
        values = part.numbers(j, column)
    there = ~np.isnan(values)
    if isinstance(column, Numeric):
        y = values[there]
    else:
        y = values[there].astype(np.int64)
    return _features(tables, part, _left_out(tables, j))[there], y


def _left_out(tables: Tables, j: int) -> NDArray[np.bool_]:
    out = tables.is_empty.copy()
    out[j] = True
    return out


def _features(tables: Tables, part: Encoded, left_out: NDArray[np.bool_]) -> Matrix:
    """Return the cells as trees take them: of many levels only so many are told apart."""
    X = part.cells[:, ~left_out].copy()
    levels = np.array(tables.layout.levels)[~left_out]
    for k in np.flatnonzero(levels > LEVELS):
        j = int(np.flatnonzero(~left_out)[k])
        known = tables.real.cells[:, j]
        counts = np.bincount(known[~np.isnan(known)].astype(np.int64), minlength=levels[k] + 1)
        rank = np.empty(len(counts), np.float32)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        there = ~np.isnan(X[:, k])
        X[there, k] = np.minimum(rank[X[there, k].astype(np.int64)], LEVELS)
    return X


def _trees(
    tables: Tables, left_out: NDArray[np.bool_], classes: bool, seed: int, rows: Rows
) -> Any:
    """Return trees that have learned from rows; a column without any cell has 0 there."""
    from sklearn import ensemble

    X, y = rows
    name = "HistGradientBoostingClassifier" if classes else "HistGradientBoostingRegressor"
    levels = tables.is_level[~left_out]
    trees = getattr(ensemble, name)(
        categorical_features=levels if levels.any() else None,
        early_stopping=False,
        random_state=seed % 2**32,
    )
    return trees.fit(np.where(np.isnan(X).all(axis=0), np.float32(0), X), y)


def _pairs(X: Matrix, n: int) -> NDArray[np.int64]:
    """Return for each row the first of a pair, of one of the first n and its copy among the others.

    If a row and its copy were in different folds, trees would learn that what they are to tell
    apart is the other kind. Rows that are there several times say how frequent they are, and are no
    pairs. Of others it is the row itself.
    """
    first, rows = np.arange(len(X)), as_bytes(X)
    real, others = Counter(rows[:n]), Counter(rows[n:])
    place = {row: i for i, row in enumerate(rows[:n])}
    for i in range(n, len(rows)):
        if real[rows[i]] == others[rows[i]] == 1:
            first[i] = place[rows[i]]
    return first


def _predicted(tables: Tables, rows: Rows, X: Matrix, j: int, seed: int) -> NDArray[np.float64]:
    """Return what a model of some rows says of others: probabilities of levels, or numbers."""
    y = rows[1]
    leveled, left_out = bool(tables.is_level[j]), _left_out(tables, j)
    if not leveled:
        if len(y) < 2:
            return np.full(len(X), y[0] if len(y) else np.nan)
        model = _trees(tables, left_out, False, seed, rows)
        return np.asarray(model.predict(X), np.float64)
    out = np.zeros((len(X), tables.layout.levels[j] + 1))
    seen = np.unique(y)
    if len(seen) < 2:  # nothing to learn
        out[:, seen] = 1
        return out
    model = _trees(tables, left_out, True, seed, rows)
    out[:, model.classes_] = model.predict_proba(X)
    return out


def _cross_validated(
    tables: Tables, rows: Rows, leveled: bool, j: int, seed: int
) -> NDArray[np.float64]:
    """Return what models of the other rows say of each row."""
    X, y = rows
    out: Any = None
    for train, test in _folds(y, leveled, seed):
        found = _predicted(tables, (X[train], y[train]), X[test], j, seed)
        if out is None:
            out = np.zeros((len(y), *found.shape[1:]))
        out[test] = found
    return np.asarray(out)


def _folds(
    y: NDArray[Any], stratified: bool, seed: int, first: NDArray[np.int64] | None = None
) -> Iterator[tuple[Any, Any]]:
    """Yield the rows to learn from and to test on, each row once in a test, with its `first`."""
    order = np.random.default_rng(seed).permutation(len(y))
    if stratified:  # so that each fold has all levels in their shares
        order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), np.int64)
    fold[order] = np.arange(len(y)) % FOLDS
    fold = fold if first is None else fold[first]
    for k in range(min(FOLDS, len(y))):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


def _scores(y: NDArray[Any], out: NDArray[np.float64], levels: int) -> dict[str, float]:
    """Return figures of what a model says of rows: accuracy, and AUROC of two levels; or R2."""
    if out.ndim == 1:
        rest, spread = ((y - out) ** 2).sum(), ((y - y.mean()) ** 2).sum()
        return {"R2": float(1 - rest / spread) if spread > 0 else float("nan")}
    found = {"accuracy": float((out.argmax(axis=1) == y).mean())}
    if levels == 2:
        from sklearn.metrics import roc_auc_score

        known = y < 2
        both = len(np.unique(y[known])) == 2
        area = roc_auc_score(y[known], out[known, 1]) if both else np.nan
        found["AUROC"] = float(area)
    return found

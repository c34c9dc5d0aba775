"""The report on a synthetic table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...base import checks
from ...base.sklearn import new_seed
from ...base.text import printable
from ...models.base._html import STYLE
from . import closest, learned, shapes
from .tables import Encoded, Tables, read

QUERIES = 5_000  # rows of a table whose closest record is looked for
PARTS = ("figures", "columns", "pairs")
COLUMNS = ("column", "kind", "similarity", "within range", "missing", "missing, real")


class Figure(NamedTuple):
    """A figure of merit.

    Attributes
    ----------
    name : str
    synthetic : float
        Of the synthetic rows.
    real : float
        The same of real rows that the generator hasn't seen, or of a model that learned from real
        rows; NaN where that isn't known.
    best : float
    """

    name: str
    synthetic: float
    real: float
    best: float


@dataclass(frozen=True, eq=False, repr=False)
class SyntheticReport:
    """How good a synthetic table is, from `synthetic_report`.

    ``report["column pairs"]`` is a figure of the synthetic rows; ``print(report)`` shows all.

    Attributes
    ----------
    figures : tuple of (name, synthetic, real, best)
        All figures, as the table that is printed has them.
    names : list
        Of the columns.
    kinds : list of str
        "number", "level", or "empty" for a column without a cell in the real table.
    similarity, within, missing, missing_real : ndarray of float64, shape (C,)
        Of each column: how alike it is, the share of its synthetic cells that are in the real range
        or a real level, and its rates of missing cells.
    pairs : ndarray of float64, shape (C, C)
        How alike each pair of columns is; NaN on the diagonal.
    distances : dict of ndarray
        From "synthetic" rows, and those of the "holdout" if there is one, to the closest real one.
    marginals : list
        The distributions of columns, of which a picture has bars.
    """

    figures: tuple[Figure, ...]
    names: list[Any]
    kinds: list[str]
    similarity: NDArray[np.float64]
    within: NDArray[np.float64]
    missing: NDArray[np.float64]
    missing_real: NDArray[np.float64]
    pairs: NDArray[np.float64]
    distances: dict[str, NDArray[np.float32]]
    marginals: list[shapes.Marginal]

    def __getitem__(self, name: str) -> float:
        """Return a figure of the synthetic rows."""
        return self._figure(name).synthetic

    def real(self, name: str) -> float:
        """Return a figure of real rows, NaN where that isn't known."""
        return self._figure(name).real

    def _figure(self, name: str) -> Figure:
        for figure in self.figures:
            if figure.name == name:
                return figure
        known = ", ".join(repr(figure.name) for figure in self.figures)
        raise KeyError(f"report: expected one of {known}, got {name!r}")

    def to_frame(self, part: str = "figures") -> Any:
        """Return a data frame of pandas.

        Parameters
        ----------
        part : {"figures", "columns", "pairs"}
            All figures; a row for each column, the worst first; or the pairs of columns (C, C).

        Returns
        -------
        DataFrame
        """
        checks.choice("part", part, PARTS)
        import pandas

        if part == "pairs":
            return pandas.DataFrame(self.pairs, index=self.names, columns=self.names)
        if part == "figures":
            rows = [figure[1:] for figure in self.figures]
            index = [figure.name for figure in self.figures]
            return pandas.DataFrame(rows, index=index, columns=["synthetic", "real", "best"])
        order = self.worst_first()
        values: list[Any] = [[self.names[j] for j in order], [self.kinds[j] for j in order]]
        numbers = (self.similarity, self.within, self.missing, self.missing_real)
        values += [array[order] for array in numbers]
        return pandas.DataFrame(dict(zip(COLUMNS, values, strict=True)))

    def worst_first(self) -> NDArray[np.int64]:
        """Return the indices of the columns, those that are least alike first."""
        return np.argsort(self.similarity, kind="stable")

    def _rows(self) -> Iterator[tuple[str, ...]]:
        yield "", "synthetic", "real", "best"
        for figure in self.figures:
            best = f"{figure.best:g}" if figure.best in (0, 0.5, 1) else _written(figure.best)
            yield figure.name, _written(figure.synthetic), _written(figure.real), best

    def __repr__(self) -> str:
        rows = list(self._rows())
        wide = max(len(row[0]) for row in rows)
        lines = [f"{row[0]:<{wide}}" + "".join(f"{v:>11}" for v in row[1:]) for row in rows]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head, *rows = self._rows()
        cells = "".join(f"<th class='n'>{escape(v)}</th>" for v in head)
        body = "".join(
            f"<tr><th>{escape(row[0])}</th>"
            + "".join(f"<td class='n'>{escape(v)}</td>" for v in row[1:])
            + "</tr>"
            for row in rows
        )
        return f'<div class="aecore">{STYLE}<table><tr>{cells}</tr>{body}</table></div>'


def synthetic_report(
    real: Any,
    synthetic: Any,
    *,
    holdout: Any = None,
    target: Any = None,
    categorical: Iterable[Any] = (),
    random_state: Any = 0,
) -> SyntheticReport:
    r"""Measure how good a synthetic table is: how alike, how useful, and how private.

    ===================  ===========================================================================
    figure               what it is
    ===================  ===========================================================================
    column shapes        mean over columns of :math:`1 - \sup_x |F(x) - G(x)|` for numbers, the
                         complement of Kolmogorov and Smirnov's distance, and of
                         :math:`1 - \frac12 \sum_k |p_k - q_k|` for levels, that of the total
                         variation; of the cells that are there
    column pairs         mean over pairs of :math:`1 - |r - s| / 2` with the correlations r and s of
                         two numbers (scaled as for distances), and of the complement of the joint
                         total variation otherwise, with numbers in ten bins of equally many real
                         cells and a missing cell as a level of its own
    missing rates        mean over columns of 1 less the difference of the shares of missing cells
    within range         mean over columns of the share of cells that are within the real range, or
                         one of the real levels
    detection AUROC      of gradient boosted trees that tell synthetic from real rows, by five-fold
                         cross-validation on up to 10,000 of each: 0.5 if they can't, 1 if they
                         always can; a copy is in the fold of its real row
    TSTR accuracy, ...   of gradient boosted trees for ``target``, trained on synthetic and tested
                         on real rows; beside them those trained on real rows. Levels have an
                         accuracy, two of them also an AUROC, and numbers an R2
    DCR median, 5 %      quantiles of the distance to the closest record: of up to 5,000 rows to the
                         nearest row of all ``real`` ones
    closer than holdout  how often a synthetic row is closer to its nearest real row than a row of
                         the holdout is to its own; more than 0.5 says that the generator repeats
                         rows that it was trained on
    copies               the share of rows that equal a real one in every cell
    ===================  ===========================================================================

    The distance of two rows is Gower's, from 0 to 1: the mean over columns of the difference of
    numbers by the width of the real range (standardised robustly, and beyond three deviations
    logarithmic), and of 0 or 1 for levels and where one of two cells is missing. It takes time in
    proportion to the rows of ``real``, and a few megabytes.

    The figures of a ``holdout`` stand beside those of the synthetic rows: a generator as good as
    the data themselves would get these, which for pairs and small tables are below 1.

    Parameters
    ----------
    real : DataFrame, structured array, or array-like of shape (N, C)
        The rows that the generator was trained on, as `TabularVAE.fit` takes them. Their types say
        which columns have levels.
    synthetic : like real, of M rows
        The columns of data frames and structured arrays are found by name.
    holdout : like real, optional
        Real rows that the generator hasn't seen. Without any, nothing says how close rows may be,
        and models for ``target`` are tested on ``real``.
    target : str or int, optional
        The column to predict from all others, by name or place.
    categorical : list of str or int
        Columns of numbers that are categories, by name or place.
    random_state : int, Generator, RandomState or None
        Of the rows that are looked at, the folds and the trees.

    Returns
    -------
    SyntheticReport
        Prints as a table; ``to_frame()`` is one, and `aecore.plot.synthetic_report` draws it.

    Raises
    ------
    ImportError
        Without scikit-learn.
    TypeError, ValueError
        The tables haven't the same columns of the same types, one has no rows or an infinite
        number, or there is no such target, or no cell of it in one of the tables.

    References
    ----------
    N. Patki, R. Wedge and K. Veeramachaneni, "The Synthetic Data Vault", DSAA 2016 (shapes and
    pairs). L. Xu, M. Skoularidou, A. Cuesta-Infante and K. Veeramachaneni, "Modeling tabular data
    using conditional GAN", NeurIPS 2019 (training on synthetic rows). Z. Zhao, A. Kunar, R. Birke
    and L. Chen, "CTAB-GAN: effective table data synthesizing", ACML 2021 (closest records).
    J. Gower, "A general coefficient of similarity and some of its properties", Biometrics 27, 1971.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(900, 3)).round(2)
    >>> rows[:, 2] = rows[:, 0] + rows[:, 1]
    >>> report = ae.metrics.synthetic_report(rows[:300], rows[300:600], holdout=rows[600:])
    >>> shuffled = np.stack([rng.permutation(column) for column in rows[300:600].T], axis=1)
    >>> other = ae.metrics.synthetic_report(rows[:300], shuffled, holdout=rows[600:])
    >>> abs(report["column shapes"] - other["column shapes"]) < 0.01
    True
    >>> report["column pairs"] > 0.95 > other["column pairs"]
    True
    """
    learned.require()
    tables = read(real, synthetic, holdout, categorical)
    j = None if target is None else _target(tables, target)
    seed = new_seed(random_state)
    similarity = shapes.column_shapes(tables, tables.synthetic)
    pairs = shapes.pair_trends(tables, tables.synthetic)
    within = shapes.within_range(tables, tables.synthetic)
    figures = list(_fidelity(tables, similarity, pairs, within))
    nan = float("nan")
    apart = learned.told_apart(tables, tables.synthetic, seed)
    figures.append(Figure("detection AUROC", apart, nan, 0.5))
    if j is not None:
        found = learned.trained(tables, j, seed)
        figures += [Figure(f"TSTR {name}", a, b, 1.0) for name, (a, b) in found.items()]
    distances = _distances(tables, seed)
    figures += _privacy(tables, distances)
    return SyntheticReport(
        tuple(figures),
        tables.names,
        [("empty", "number", "level")[1 + int(np.sign(n))] for n in tables.layout.levels],
        similarity,
        within,
        tables.synthetic.missing.mean(axis=0),
        tables.real.missing.mean(axis=0),
        pairs,
        distances,
        shapes.marginals(tables),
    )


def _written(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def _target(tables: Tables, target: Any) -> int:
    """Return the index of the column to predict."""
    names = tables.names
    j = None
    if not isinstance(target, (bool, np.bool_)):
        if target in names:
            j = names.index(target)
        elif checks.is_integer(target) and 0 <= int(target) < len(names):
            j = int(target)
    if j is None:
        known = ", ".join(printable(name) for name in names[:10])
        raise ValueError(f"target: expected a column of real ({known}), got {target!r}")
    for part in (tables.real, tables.synthetic, tables.holdout):
        if part is not None and part.missing[:, j].all():
            raise ValueError(
                f"target: expected a cell of column {names[j]!r} in {part.table.name}, got none"
            )
    if (np.arange(len(names)) == j).sum() == (~tables.is_empty).sum():
        raise ValueError("target: expected another column to predict it from, got none")
    return j


def _fidelity(
    tables: Tables,
    similarity: NDArray[np.float64],
    pairs: NDArray[np.float64],
    within: NDArray[np.float64],
) -> Iterator[Figure]:
    """Yield how alike columns and pairs are, and the same of the holdout."""
    other = tables.holdout
    others: list[Any] = [None, None, None, None]
    if other is not None:
        others = [
            shapes.column_shapes(tables, other),
            shapes.pair_trends(tables, other),
            _missing_rates(tables, other),
            shapes.within_range(tables, other),
        ]
    ours = similarity, pairs, _missing_rates(tables, tables.synthetic), within
    names = "column shapes", "column pairs", "missing rates", "within range"
    for name, found, beside in zip(names, ours, others, strict=True):
        yield Figure(name, _mean(found), float("nan") if beside is None else _mean(beside), 1.0)


def _missing_rates(tables: Tables, other: Encoded) -> NDArray[np.float64]:
    """Return how alike the rates of missing cells are, (C,)."""
    return np.asarray(1 - np.abs(other.missing.mean(axis=0) - tables.real.missing.mean(axis=0)))


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of what isn't NaN; NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _distances(tables: Tables, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return the distances of rows to the closest real one."""
    rng = np.random.default_rng(seed)
    others = {"synthetic": tables.synthetic, "holdout": tables.holdout}
    parts = {name: part.cells for name, part in others.items() if part is not None}
    real, *queries = closest.scaled(tables, [tables.real.cells, *parts.values()])
    return {
        name: closest.nearest(rows[rng.permutation(len(rows))[:QUERIES]], real)
        for name, rows in zip(parts, queries, strict=True)
    }


def _privacy(tables: Tables, distances: dict[str, NDArray[np.float32]]) -> Iterator[Figure]:
    """Yield figures of the distances, beside those of the holdout, which are the best."""
    nan = float("nan")
    held, found = distances.get("holdout"), distances["synthetic"]
    for name, share in (("DCR median", 0.5), ("DCR 5 %", 0.05)):
        beside = nan if held is None else float(np.quantile(held, share))
        yield Figure(name, float(np.quantile(found, share)), beside, beside)
    if held is not None:
        yield Figure("closer than holdout", closest.share_closer(found, held), 0.5, 0.5)
    parts = [tables.synthetic] if tables.holdout is None else [tables.synthetic, tables.holdout]
    copies = closest.shares_of_copies(tables, parts)
    yield Figure("copies", copies[0], copies[1] if held is not None else nan, 0.0)

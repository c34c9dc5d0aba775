"""Adult with cells taken away at random: an autoencoder of tables fills them in, as others do.

All methods see the same 5,000 rows of 32,561 and fill in the same cells: time and memory of
KNNImputer grow with the square of the rows. Three seeds take cells away, and start what is random:
figures are means over them, with their standard deviation. Errors of numbers are in
deviations of their column: the root of the mean over columns of their mean square, and the mean of
their size. The accuracy is a mean over columns of categories. What each column gives is printed.

MissForest is the loop of Stekhoven and Buehlmann (Bioinformatics 28, 2012) over scikit-learn's
forests: columns with the fewest gaps first, a forest of each column given all the others, again
until the filled cells change more than in the round before, of which the result is that before.
Forests split categories by their one-hot columns, as scikit-learn's have no others, and look at the
root of the number of features for a split, as there. IterativeImputer over trees has regressors
alone, so that levels are numbers there, in the order of how frequent they are.

For KNNImputer and the linear IterativeImputer numbers are standardised and categories one-hot, so
weighted for the neighbours that another category is one deviation away; the largest of a category's
values is its level. IterativeImputer tells a category's values from each other too, which hold the
column's means at first: it seldom gets away from the most frequent level.

TabularVAE fills in expected numbers and the likeliest levels. It has a beta of 0.8, batches of 64
and a rate of 0.002, chosen on the cells that another seed takes away. It also draws each gap
many times: the last rows say how many of the true numbers are within the central intervals of the
draws that should hold 50 % and 90 % of them, as means over columns.

usage: AECORE_DATA=folder python reproductions/imputation.py [rows] [10] [30] [method ...]
(shares of the cells in percent; parts of methods' names, "intervals" for the last rows; all without
any)
needs scikit-learn
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import aecore as ae
import numpy as np
from results import over_seeds, record
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

EPOCHS = 60
SEEDS = range(1, 4)
ROUNDS = 10  # of MissForest, at most
TREES = 100
DRAWS = 100  # of each gap

Table = np.ndarray
Filler = Callable[[Table, int], Table]


# ---- data ---------------------------------------------------------------------------------------


def adult(rows: int) -> Table:
    X = ae.datasets.load_adult()[0]
    return X[np.random.RandomState(0).permutation(len(X))[:rows]]


def numbers_of(X: Table) -> list[str]:
    return [name for name in X.dtype.names if X.dtype[name].kind == "f"]


def words_of(X: Table) -> list[str]:
    return [name for name in X.dtype.names if X.dtype[name].kind != "f"]


def gaps(X: Table, name: str) -> np.ndarray:
    return np.isnan(X[name]) if X.dtype[name].kind == "f" else X[name] == ""


def holes(X: Table, rate: float, seed: int) -> tuple[Table, dict[str, np.ndarray]]:
    """Return the table with cells taken away, and which they are."""
    rng, incomplete, taken = np.random.RandomState(1 + seed), X.copy(), {}
    for name in X.dtype.names:
        taken[name] = ~gaps(X, name) & (rng.rand(len(X)) < rate)
        incomplete[name][taken[name]] = np.nan if X.dtype[name].kind == "f" else ""
    return incomplete, taken


def figures(X: Table, filled: Table, taken: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the mean square and size of errors of each column of numbers, and hits of words."""
    numbers, words = numbers_of(X), words_of(X)
    errors = [(filled[n] - X[n])[taken[n]] / X[n].std() for n in numbers]
    return {
        "squares": np.array([np.mean(e**2) for e in errors]),
        "sizes": np.array([np.abs(e).mean() for e in errors]),
        "hits": np.array([(filled[n] == X[n])[taken[n]].mean() for n in words]),
    }


# ---- methods ------------------------------------------------------------------------------------


def by_columns(table: Table, seed: int) -> Table:
    """Fill in medians and the most frequent categories."""
    out = table.copy()
    for name in table.dtype.names:
        number = table.dtype[name].kind == "f"
        strategy, missing = ("median", np.nan) if number else ("most_frequent", "")
        column = table[name][:, None].astype(float if number else object)
        imputer = SimpleImputer(strategy=strategy, missing_values=missing)
        out[name] = imputer.fit_transform(column)[:, 0]
    return out


def one_hot(make: Callable[[int], KNNImputer | IterativeImputer], weight: float) -> Filler:
    """Return what fills in a table by an imputer of matrices."""

    def fill(table: Table, seed: int) -> Table:
        numbers, words = numbers_of(table), words_of(table)
        out, levels = table.copy(), {n: np.unique(table[n][table[n] != ""]) for n in words}
        scales = {n: (np.nanmean(table[n]), np.nanstd(table[n])) for n in numbers}
        parts = [((table[n] - scales[n][0]) / scales[n][1])[:, None] for n in numbers]
        for name in words:
            part = weight * (table[name][:, None] == levels[name])
            part[table[name] == ""] = np.nan
            parts.append(part)
        matrix, at = make(seed).fit_transform(np.hstack(parts)), len(numbers)
        for j, name in enumerate(numbers):
            missing = np.isnan(table[name])
            out[name][missing] = (matrix[:, j] * scales[name][1] + scales[name][0])[missing]
        for name in words:
            missing, k = table[name] == "", len(levels[name])
            out[name][missing] = levels[name][matrix[:, at : at + k].argmax(1)][missing]
            at += k
        return out

    return fill


def trees(table: Table, seed: int) -> Table:
    """Fill in by IterativeImputer over trees, levels as numbers from the most frequent on."""
    out, known = table.copy(), {}
    matrix = np.full((len(table), len(table.dtype.names)), np.nan)
    for j, name in enumerate(table.dtype.names):
        there = ~gaps(table, name)
        values = table[name][there]
        if table.dtype[name].kind != "f":
            levels, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
            order = np.argsort(-counts, kind="stable")
            known[name], values = levels[order], np.argsort(order)[codes]
        matrix[there, j] = values
    forest = ExtraTreesRegressor(TREES, random_state=seed, min_samples_leaf=3)
    filled = IterativeImputer(forest, max_iter=5, random_state=seed).fit_transform(matrix)
    for j, name in enumerate(table.dtype.names):
        missing, values = gaps(table, name), filled[:, j]
        if name in known:
            places = np.clip(np.rint(values), 0, len(known[name]) - 1).astype(int)
            values = known[name][places]
        out[name][missing] = values[missing]
    return out


def miss_forest(table: Table, seed: int) -> Table:
    """Fill in by MissForest: forests of one column after the other, until it gets no better."""
    filled, missing = by_columns(table, seed), {n: gaps(table, n) for n in table.dtype.names}
    names = sorted(table.dtype.names, key=lambda n: int(missing[n].sum()))
    numbers = [n for n in names if n in numbers_of(table) and missing[n].any()]
    words = [n for n in names if n in words_of(table) and missing[n].any()]
    levels = {n: np.unique(table[n][~missing[n]]) for n in words_of(table)}
    last, least = filled, (np.inf, np.inf)
    for turn in range(ROUNDS):
        new = filled.copy()
        for j, name in enumerate(names):
            gap = missing[name]
            if not gap.any():
                continue
            others = [
                new[n][:, None] if n not in levels else new[n][:, None] == levels[n]
                for n in names
                if n != name
            ]
            X = np.hstack(others).astype(np.float32)
            forest = RandomForestClassifier if name in words else RandomForestRegressor
            model = forest(TREES, max_features="sqrt", random_state=1000 * seed + 20 * turn + j)
            new[name][gap] = model.fit(X[~gap], table[name][~gap]).predict(X[gap])
        moved = sum(float(((new[n] - filled[n]) ** 2).sum()) for n in numbers)
        size = sum(float((new[n] ** 2).sum()) for n in numbers)
        other = sum(int((new[n] != filled[n]).sum()) for n in words)
        change = (moved / max(size, 1e-12), other / max(1, sum(missing[n].sum() for n in words)))
        last, filled = filled, new
        if change[0] >= least[0] and change[1] >= least[1]:
            return last
        least = change
    return filled


def ours(table: Table, seed: int) -> Table:
    how = {"epochs": EPOCHS, "schedule": ae.Cosine(EPOCHS), "init": "uniform"}
    return ae.TabularAutoencoder(**how, random_state=seed).fit(table).impute(table)


def vae(seed: int) -> ae.TabularVAE:
    how = {"epochs": EPOCHS, "schedule": ae.Cosine(EPOCHS)}
    how |= {"beta": 0.8, "batch_size": 64, "learning_rate": 2e-3}
    return ae.TabularVAE(**how, random_state=seed)


def ours_variational(table: Table, seed: int) -> Table:
    return vae(seed).fit(table).impute(table)


METHODS: dict[str, Filler] = {
    "TabularAutoencoder": ours,
    "TabularVAE": ours_variational,
    "SimpleImputer": by_columns,
    "KNNImputer": one_hot(lambda seed: KNNImputer(), 0.5**0.5),
    "IterativeImputer": one_hot(lambda seed: IterativeImputer(random_state=seed, max_iter=5), 1.0),
    "IterativeImputer over trees": trees,
    "MissForest": miss_forest,
}


# ---- all of them --------------------------------------------------------------------------------


def spread(values: list[float], form: str = ".3f") -> str:
    return over_seeds(values, form).partition(" (")[0]


def compared(X: Table, rate: float, methods: dict[str, Filler]) -> str:
    found: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in methods}
    for seed in SEEDS:
        table, taken = holes(X, rate, seed)
        for name, fill in methods.items():
            start = time.perf_counter()
            found[name].append(figures(X, fill(table, seed), taken))
            print(f"    seed {seed}, {name}: {time.perf_counter() - start:.0f} s", flush=True)
    return "; ".join(told(X, name, parts) for name, parts in found.items())


def told(X: Table, name: str, parts: list[dict[str, np.ndarray]]) -> str:
    """Print what each column gives, and return the figures over all of them."""
    mean = {key: np.mean([part[key] for part in parts], axis=0) for key in parts[0]}
    columns = [f"{n} {v**0.5:.3f}" for n, v in zip(numbers_of(X), mean["squares"], strict=True)]
    columns += [f"{n} {100 * v:.1f} %" for n, v in zip(words_of(X), mean["hits"], strict=True)]
    print(f"    {name}: " + ", ".join(columns), flush=True)
    rmse = spread([float(np.sqrt(part["squares"].mean())) for part in parts])
    mae = spread([float(part["sizes"].mean()) for part in parts])
    hits = [100 * float(part["hits"].mean()) for part in parts]
    return f"{name} RMSE {rmse}, MAE {mae}, accuracy {spread(hits, '.1f')} %"


def coverage(X: Table, rate: float) -> str:
    """Return how many of the numbers that were taken away are within intervals of their draws."""
    found = []
    for seed in SEEDS:
        table, taken = holes(X, rate, seed)
        draws = vae(seed).fit(table).impute(table, n_draws=DRAWS, random_state=seed)
        found.append([])
        for share in (0.5, 0.9):
            inside = []
            for name in numbers_of(X):
                drawn = np.array([draw[name][taken[name]] for draw in draws])
                low, high = np.quantile(drawn, (0.5 - share / 2, 0.5 + share / 2), axis=0)
                truth = X[name][taken[name]]
                inside.append(float(((low <= truth) & (truth <= high)).mean()))
            print(f"    {share:.0%}: " + ", ".join(
                f"{n} {100 * v:.0f} %" for n, v in zip(numbers_of(X), inside, strict=True)
            ), flush=True)  # fmt: skip
            found[-1].append(100 * np.mean(inside))
    return ", ".join(f"{spread(values.tolist(), '.1f')} %" for values in np.array(found).T)


def main(arguments: list[str]) -> None:
    counts = [int(a) for a in arguments if a.isdigit() and int(a) > 99]
    rates = [int(a) for a in arguments if a.isdigit() and int(a) < 100] or [10, 30]
    parts = [a for a in arguments if not a.isdigit()]
    rows = counts[0] if counts else 5_000
    chosen = {n: f for n, f in METHODS.items() if not parts or any(p in n for p in parts)}
    X = adult(rows)
    for rate in rates:
        what = f"{rate} % of the cells of {rows} rows of Adult"
        if chosen:
            record(
                f"Imputation of {what}, {EPOCHS} epochs"
                + (": " + ", ".join(chosen) if len(chosen) < len(METHODS) else ""),
                "smaller errors and a higher accuracy than MissForest and KNNImputer",
                "the same run",
                lambda rate=rate: compared(X, rate / 100, chosen),
                len(SEEDS),
            )
        if not parts or "intervals" in parts:
            record(
                f"TabularVAE, {what}: numbers within intervals of 50 and 90 % of {DRAWS} draws",
                "50 %, 90 %, or more for numbers that are often alike",
                "the same run",
                lambda rate=rate: coverage(X, rate / 100),
                len(SEEDS),
            )


if __name__ == "__main__":
    main(sys.argv[1:])

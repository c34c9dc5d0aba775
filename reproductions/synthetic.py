"""Synthetic tables: TabularVAE beside TVAE of ctgan, in quality, seconds and memory.

Adult with its incomes (32,561 rows, and 16,281 as a holdout) and claims of vehicle insurances with
their frauds (12,336 and 3,084). A missing word is a level of its own, "?", as in Adult's own file,
and a missing age is the median, because TVAE takes no gaps. Each generator learns the training rows
and draws as many, in a process of its own, whose seconds from the first to the last and largest
resident memory are told: that of all it takes, libraries too. `ae.metrics.synthetic_report` says
how good the rows are, on all of them.

Then rows are drawn given some of their cells. How many of them have these cells, and how alike they
are to the real rows that do, beside those of the holdout that do, is in a row for each condition.

Three seeds: figures are means, with their standard deviation. Each generator has a thread. TVAE has
the defaults of its package, 300 epochs in batches of 500. Some of its weights become subnormal
numbers, whose products take most of its time for Adult; PyTorch can take them for 0. So told
it has three seeds, and is shown with fewer epochs too; as it comes it has one. TabularVAE has
batches of 512, products of bfloat16 and settings that were found with other seeds. It is shown as
one model of all rows, and as one of each class of the label, whose rows are drawn in the shares
that classes have.

usage: AECORE_DATA=folder python reproductions/synthetic.py [adult] [claims] [method ...]
(parts of methods' names, "given" for conditions; all without any). SEEDS=1 has one seed, EPOCHS=1
as many epochs for all, to see that it runs. Times mean something on a machine that does nothing
else.
needs scikit-learn, pandas and ctgan (pip install ctgan); CTGAN_PYTHON=path is the Python that has
ctgan, if it is another
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from results import over_seeds, record

SEEDS = range(int(os.environ.get("SEEDS", "3")))
TRIAL = int(os.environ.get("EPOCHS", "0"))  # in place of each method's own epochs
OTHER = os.environ.get("CTGAN_PYTHON", sys.executable)
EACH = "TabularVAE for each class"
FLUSHED = "TVAE without subnormal numbers"
METHODS = {  # and their epochs
    "TabularVAE": 24,
    EACH: 24,
    "TVAE": 300,
    FLUSHED: 300,
    f"{FLUSHED}, 30 epochs": 30,
}
FEW = 2_000  # rows below which a class has smaller batches and five times the epochs
Found = dict[str, float]


# ---- tables -------------------------------------------------------------------------------------


def adult() -> list[pd.DataFrame]:
    """Return the training rows and the holdout."""
    import aecore as ae

    X, y, X_test, y_test = ae.datasets.load_adult()
    tables = []
    for rows, rich in ((X, y), (X_test, y_test)):
        table = pd.DataFrame(rows).replace("", "?")
        tables.append(table.assign(income=np.where(rich, ">50K", "<=50K")))
    return tables


def claims() -> list[pd.DataFrame]:
    import aecore as ae

    X, y, X_test, y_test = ae.datasets.load_vehicle_claims()
    tables = []
    for rows, fraud in ((X, y), (X_test, y_test)):
        table = pd.DataFrame(rows).replace("", "?")
        table["Age"] = table["Age"].fillna(np.nanmedian(X["Age"]))
        tables.append(table.assign(fraud=np.where(fraud, "yes", "no")))
    return tables


TABLES = {
    "adult": (adult, "Adult", "income"),
    "claims": (claims, "vehicle claims", "fraud"),
}


def write(folder: pathlib.Path, table: pd.DataFrame) -> None:
    words = [name for name in table if table[name].dtype.kind != "f"]
    (folder / "words.json").write_text(json.dumps(words))
    table.to_csv(folder / "train.csv", index=False)


def read(folder: pathlib.Path, name: str) -> tuple[pd.DataFrame, list[str]]:
    words = json.loads((folder / "words.json").read_text())
    kinds = dict.fromkeys(words, str)
    return pd.read_csv(folder / name, dtype=kinds, keep_default_na=False), words


Given = dict[str, Any]
CONDITIONS: dict[str, list[Given]] = {
    "adult": [{"income": ">50K"}, {"sex": "Female", "age": (60, None)}],
    "claims": [{"fraud": "yes"}, {"VehicleCategory": ["Sport", "Utility"], "Age": (None, 30)}],
}


# ---- in a process of its own --------------------------------------------------------------------


Sample = Callable[[], pd.DataFrame]


def generator(table: pd.DataFrame, epochs: int, seed: int) -> Any:
    """Return a model of rows."""
    import aecore as ae

    few = len(table) < FEW
    epochs = 5 * epochs if few else epochs
    # With beta below 1 codes tell more of a row: models learn more from the rows that are drawn,
    # whose columns are a little less alike. TVAE counts the reconstruction twice to this end.
    how = {"beta": 0.45, "hidden": 0.0, "precision": "bfloat16"}
    how |= {"batch_size": 128 if few else 512, "learning_rate": 3e-3 if few else 6e-3}
    how |= {"schedule": ae.Cosine(epochs), "epochs": epochs}
    return ae.TabularVAE(ae.Dense((128, 128)), 16, **how, random_state=seed).fit(table)


def ours(table: pd.DataFrame, epochs: int, seed: int) -> Sample:
    model = generator(table, epochs, seed)
    return lambda: model.sample(len(table), random_state=seed)


def of_classes(table: pd.DataFrame, target: str, epochs: int, seed: int) -> Sample:
    """Learn the rows of each class by themselves."""
    classes = [rows for _, rows in table.groupby(target)]
    models = [generator(rows, epochs, seed) for rows in classes]

    def sample() -> pd.DataFrame:
        both = zip(models, classes, strict=True)
        parts = [model.sample(len(rows), random_state=seed) for model, rows in both]
        return pd.concat(parts, ignore_index=True)

    return sample


def tvae(table: pd.DataFrame, words: list[str], epochs: int, seed: int, flushed: bool) -> Sample:
    import torch
    from ctgan import TVAE

    torch.set_flush_denormal(flushed)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 ctgan draws from it
    model = TVAE(epochs=epochs)
    model.set_random_state(seed)
    model.fit(table, words)
    return lambda: model.sample(len(table))


def draw(method: str, target: str, epochs: int, seed: int, folder: pathlib.Path) -> None:
    """Learn the training rows, draw as many, and tell how long that took."""
    table, words = read(folder, "train.csv")
    begin, cpu = time.perf_counter(), time.process_time()
    if method.startswith("TVAE"):
        sample = tvae(table, words, epochs, seed, method.startswith(FLUSHED))
    elif method == EACH:
        sample = of_classes(table, target, epochs, seed)
    else:
        sample = ours(table, epochs, seed)
    middle = time.perf_counter()
    drawn = sample()
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = time.process_time() - cpu
    drawn.to_csv(folder / "drawn.csv", index=False)
    print(json.dumps({"fit": middle - begin, "draw": end - middle, "cpu": cpu, "MB": peak}))


def drawn(method: str, target: str, seed: int, folder: pathlib.Path) -> tuple[pd.DataFrame, Found]:
    """Return the rows that a generator draws, and what that took."""
    python = OTHER if method.startswith("TVAE") else sys.executable
    epochs = str(TRIAL or METHODS[method])
    command = [python, __file__, "--draw", method, target, epochs, str(seed), str(folder)]
    how: dict[str, Any] = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "text": True}
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, **how).stdout
    return read(folder, "drawn.csv")[0], json.loads(told.splitlines()[-1])


# ---- all of them --------------------------------------------------------------------------------


def seeds_of(method: str) -> range:
    return SEEDS[:1] if method == "TVAE" else SEEDS


def measured(method: str, key: str, folder: pathlib.Path) -> list[Found]:
    """Return the figures of a generator for each seed."""
    import aecore as ae

    make, _, target = TABLES[key]
    real, holdout = make()
    write(folder, real)
    found = []
    for seed in seeds_of(method):
        rows, took = drawn(method, target, seed, folder)
        report = ae.metrics.synthetic_report(real, rows, holdout=holdout, target=target)
        print(f"{report}\n    {took}", flush=True)
        figures = {figure.name: figure.synthetic for figure in report.figures}
        beside = {f"real {figure.name}": figure.real for figure in report.figures}
        found.append(took | figures | beside)
    return found


def spread(found: list[Found], name: str, digits: int = 3) -> str:
    return over_seeds([part[name] for part in found], f".{digits}f").partition(" (")[0]


def told(found: list[Found]) -> str:
    """Return a generator's figures as text."""
    real, scores = found[0], ("TSTR accuracy", "TSTR AUROC")
    parts = [f"{name} {spread(found, name)}" for name in ("column shapes", "column pairs")]
    parts += [f"detection AUROC {spread(found, 'detection AUROC')}"]
    parts += [f"{n} {spread(found, n)} (real {real[f'real {n}']:.3f})" for n in scores]
    parts += [f"closer than holdout {spread(found, 'closer than holdout')}"]
    parts += [f"copies {spread(found, 'copies', 4)} (real {real['real copies']:.4f})"]
    parts += [f"{spread(found, name, 1)} s to {name}" for name in ("fit", "draw")]
    parts += [f"{spread(found, 'cpu', 0)} s of CPU", f"{spread(found, 'MB', 0)} MB"]
    return ", ".join(parts)


def compared(key: str, methods: list[str]) -> None:
    """Record the figures of generators of a table."""
    name, found = TABLES[key][1], dict[str, list[Found]]()

    def run(method: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            found[method] = measured(method, key, pathlib.Path(folder))
        return told(found[method])

    for method in methods:
        text = f"Synthetic {name}: {method}"
        wanted = "beside TabularVAE"
        if method.startswith("TabularVAE"):
            wanted = "TSTR within 0.03 of real, closer than holdout at most 0.5"
        if TRIAL:
            print(text, run(method), flush=True)
        else:
            how = lambda method=method: run(method)  # noqa: E731
            record(text, wanted, "the same run", how, len(seeds_of(method)))
    if not TRIAL and set(METHODS) <= set(found):
        text = f"Synthetic {name}: seconds of TVAE by those of TabularVAE, fitted and drawn"
        record(text, "at least 20", "the same run", lambda: ratios(found))


def meets(table: pd.DataFrame, given: Given) -> np.ndarray:
    """Return which rows have the cells that are given."""
    out = np.ones(len(table), bool)
    for name, what in given.items():
        values = table[name].to_numpy()
        if isinstance(what, tuple):
            low, high = what
            out &= (values >= (-np.inf if low is None else low)) & (
                values <= (np.inf if high is None else high)
            )
        else:
            out &= np.isin(values, what if isinstance(what, list) else [what])
    return out


def conditional(key: str, given: Given) -> str:
    """Return how many drawn rows meet a condition, and how good these are."""
    import aecore as ae

    make, _, target = TABLES[key]
    real, holdout = make()
    found: list[Found] = []
    for seed in SEEDS:
        model = generator(real, TRIAL or METHODS["TabularVAE"], seed)
        like, held = real[meets(real, given)], holdout[meets(holdout, given)]
        rows = model.sample(len(like), given=given, random_state=seed)
        report = ae.metrics.synthetic_report(like, rows, holdout=held)
        print(report, flush=True)
        figures = {figure.name: figure.synthetic for figure in report.figures}
        beside = {f"real {figure.name}": figure.real for figure in report.figures}
        met = {"met": 100 * float(meets(rows, given).mean()), "rows": float(len(like))}
        found.append(figures | beside | met | {"efficiency": model.sampling_efficiency_})
    parts = [f"{spread(found, 'met', 1)} % of {found[0]['rows']:.0f} rows meet it"]
    parts += [
        f"{name} {spread(found, name)} (real {found[0][f'real {name}']:.3f})"
        for name in ("column shapes", "column pairs")
    ]
    parts += [f"{name} {spread(found, name)}" for name in ("detection AUROC", "efficiency")]
    return ", ".join(parts)


def under_conditions(key: str) -> None:
    for given in CONDITIONS[key]:
        text = f"Synthetic {TABLES[key][1]}: given {given}"
        if TRIAL:
            print(text, conditional(key, given), flush=True)
        else:
            how = lambda given=given: conditional(key, given)  # noqa: E731
            record(text, "all rows meet it", "the same run", how, len(SEEDS))


def ratios(found: dict[str, list[Found]]) -> str:
    took = {n: np.mean([part["fit"] + part["draw"] for part in p]) for n, p in found.items()}
    one, each = (took["TVAE"] / took[name] for name in ("TabularVAE", EACH))
    flushed = took[FLUSHED] / took[EACH]
    rest = f"{each:.1f}, without subnormal numbers {flushed:.1f}"
    return f"{one:.1f}; by one of each class {rest}"


def main(arguments: list[str]) -> None:
    parts = [a for a in arguments if a not in TABLES]
    methods = [m for m in METHODS if not parts or any(part in m for part in parts)]
    if subprocess.run([OTHER, "-c", "import ctgan"], stderr=subprocess.DEVNULL).returncode:
        print(f"{OTHER} has no ctgan: without TVAE", flush=True)
        methods = [m for m in methods if not m.startswith("TVAE")]
    for key in TABLES:
        if key in arguments or not set(TABLES) & set(arguments):
            compared(key, methods)
            if not parts or "given" in parts:
                under_conditions(key)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--draw"]:
        method, target, epochs, seed, folder = sys.argv[2:]
        draw(method, target, int(epochs), int(seed), pathlib.Path(folder))
    else:
        main(sys.argv[1:])

"""``aecore encode``, ``decode``, ``reconstruct``, ``impute`` and ``score``.

Data are read, processed and written a block at a time, so that they may be larger than memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ._command import (
    CommandError,
    Subparsers,
    add_answer,
    add_command,
    add_output,
    answer,
    command_errors,
    positive,
    writes_stdout,
)
from ._flags import unknown
from ._kinds import kind_of
from ._model import add_model, apply_in_blocks, load_model, method
from ._open import add_reading, open_samples, read_target, reading_of
from ._results import FILE, FORMS, Csv, Results, open_results
from ._series import TIME, event_lines, is_series, open_series, scored, stamps
from ._source import Block, Reading, Source, shape_of, shape_of_output
from ._values import parse

LOWEST = 5  # samples with the lowest scores that are listed
NO_PICTURES = FORMS.split(", or a new")[0]


def _add(commands: Subparsers, run: Any, name: str, text: str, examples: str) -> Any:
    parser = add_command(commands, run, name, text, examples)
    add_model(parser)
    parser.add_argument("data", metavar="DATA", help="samples; see below")
    return parser


def add_encode(commands: Subparsers) -> None:
    """Add encode."""
    parser = _add(
        commands,
        _encode,
        "encode",
        "Write the codes of samples. A row for each sample: means for a vae, maps of numbers of "
        "codebook entries for a vqvae. Of a table the columns of training are taken, by name.",
        """
        aecore encode model.safetensors digits:test -o codes.npy
        aecore encode model.safetensors measurements.csv -o codes.csv
        aecore encode model.safetensors pictures/ -o codes.npz
        aecore encode cvae.safetensors digits:test --y labels.npy -o codes.npy
        """,
    )
    add_output(parser, NO_PICTURES)
    add_reading(parser)
    add_answer(parser)


def _encode(options: Any) -> int:
    model = load_model(options)
    transform = method(model, "transform", "codes")
    names = [str(n) for n in model.get_feature_names_out()] if _is_flat(model) else None
    with command_errors():
        shape = (len(names),) if names is not None else None
        results = open_results(options.out, "code", columns=names, shape=shape)
    source = open_samples(options.data, reading_of(options, model))
    return _run(options, model, source, transform, results)


def _is_flat(model: Any) -> bool:
    return hasattr(model, "latent_dim")


def add_reconstruct(commands: Subparsers) -> None:
    """Add reconstruct."""
    parser = _add(
        commands,
        _reconstruct,
        "reconstruct",
        "Encode samples, decode them again and write what comes back. Of samples with missing "
        "values or noise these are the model's guesses. Pictures keep their names.",
        """
        aecore reconstruct model.safetensors digits:test -o rebuilt.npy
        aecore reconstruct model.safetensors measurements.csv -o rebuilt.csv
        aecore reconstruct model.safetensors pictures/ -o rebuilt/
        """,
    )
    add_output(parser, FORMS)
    add_reading(parser)
    add_answer(parser)


def _reconstruct(options: Any) -> int:
    return _write_samples(options, load_model(options), "reconstruct", "reconstructions")


def _write_samples(options: Any, model: Any, name: str, what: str) -> int:
    """Apply a method that returns an array or table like the samples."""
    function, results = method(model, name, what), _samples_to(options, model)
    source = _samples(options, model)
    target = _target(options, model, source)
    return _run(options, model, source, function, results, target)


def _samples(options: Any, model: Any) -> Source:
    """Return the samples that a command names, or the steps of a series."""
    if is_series(model):
        return open_series(options, model)
    return open_samples(options.data, reading_of(options, model))


def _samples_to(options: Any, model: Any) -> Results:
    """Return the writer for samples at the command's output."""
    columns, shape = getattr(model, "feature_names_in_", None), shape_of_output(model)
    names = None if columns is None or shape != shape_of(model) else [str(c) for c in columns]
    with command_errors():
        return open_results(options.out, "x", columns=names, shape=shape)


def add_impute(commands: Subparsers) -> None:
    """Add impute."""
    parser = _add(
        commands,
        _impute,
        "impute",
        "Fill in what is missing in a table. Cells that are there stay as they are; the others get "
        "what a model of the kind tabular takes to be likeliest. Columns that it doesn't know are "
        "left out.",
        """
        aecore impute model.safetensors survey.csv -o complete.csv
        aecore impute model.safetensors survey.csv -o complete.csv --draws 5 --seed 0
        """,
    )
    add_output(parser, ".csv (or - for stdout), or .npy for numbers alone")
    add_reading(parser)
    parser.add_argument(
        "--draws",
        type=positive,
        metavar="M",
        help="draw cells, and write M tables: complete-1.csv to complete-M.csv",
    )
    parser.add_argument("--seed", type=parse, metavar="N", help="of the draws")
    add_answer(parser)


def _impute(options: Any) -> int:
    model = load_model(options)
    if options.draws is None:
        return _write_samples(options, model, "impute", "cells to fill in")
    return _write_draws(options, model, method(model, "impute", "cells to fill in"))


def _write_draws(options: Any, model: Any, impute: Any) -> int:
    """Write several tables with drawn cells, each to a file with a number."""
    started, source = time.perf_counter(), _samples(options, model)
    if writes_stdout(options):
        raise CommandError("--out: expected a file for --draws, whose name gets a number, got -")
    with command_errors():
        if unknown(impute, ["n_draws"]):
            raise ValueError(f"--draws: expected none for the kind {kind_of(model)}")
        samples = source.read()
        how = {"n_draws": options.draws, "random_state": options.seed}
        tables = impute(samples.X, sample_mask=samples.mask, **how)
    path, files = Path(options.out), []
    for i, table in enumerate(tables, 1):
        options.out = str(path.with_name(f"{path.stem}-{i}{path.suffix}"))
        files.append(options.out)
        with _samples_to(options, model) as results, command_errors():
            results.write(table)
    seconds = round(time.perf_counter() - started, 3)
    facts = {"out": files, "samples": len(tables[0]), "draws": len(tables), "seconds": seconds}
    answer(options, facts, [f"{files[0]} to {files[-1]}: {len(tables[0])} rows each"])
    return 0


def add_decode(commands: Subparsers) -> None:
    """Add decode."""
    parser = add_command(
        commands,
        _decode,
        "decode",
        "Write the samples that codes stand for. CODES is a file that encode wrote, or one like "
        "it; probabilities come where the model's loss is about them.",
        """
        aecore decode model.safetensors codes.npy -o rebuilt.npy
        aecore decode model.safetensors codes.csv -o pictures/
        """,
    )
    add_model(parser)
    parser.add_argument("data", metavar="CODES", help="a .npy, .npz, .csv or .tsv file")
    add_output(parser, FORMS)
    parser.add_argument("--y", metavar="FILE", help=_Y)
    add_answer(parser)


_Y = "the condition of each code, for a model with any: columns of a table, else a file"


def _decode(options: Any) -> int:
    model = load_model(options)
    function = method(model, "inverse_transform", "way back from codes")
    return _run(options, model, _codes(options, model), function, _samples_to(options, model))


def _codes(options: Any, model: Any) -> Source:
    """Return the codes in a file, without the column of picture names that encode may write."""
    reading = Reading(y=options.y)
    source = open_samples(options.data, reading)
    if FILE in (getattr(source, "names", None) or ()):
        source = open_samples(options.data, replace(reading, drop=[FILE]))
    return source if _is_flat(model) else _Entries(source)


class _Entries(Source):
    """Codebook indices, which tables of text hold as floats."""

    def __init__(self, source: Source) -> None:
        self.source, self.count = source, source.count

    def blocks(self) -> Iterator[Block]:
        for block in self.source.blocks():
            entries = np.asarray(block.X).astype(np.int64)
            yield block._replace(X=entries) if (entries == block.X).all() else block


def _run(
    options: Any, model: Any, source: Any, function: Any, results: Results, target: Any = None
) -> int:
    """Apply a method to samples and write what it returns."""
    started = time.perf_counter()
    with results:
        for found, block in apply_in_blocks(options, source, function, target):
            with command_errors():
                results.write(found, block.names)
    columns = getattr(found.dtype, "names", None)
    shape = [results.count, *(found.shape[1:] if columns is None else (len(columns),))]
    seconds = time.perf_counter() - started
    facts = {
        "model": kind_of(model),
        "out": options.out,
        "samples": results.count,
        "shape": shape,
        "seconds": round(seconds, 3),
    }
    size = " x ".join(map(str, shape))
    place = "stdout" if writes_stdout(options) else options.out
    answer(options, facts, [f"{place}: {size} in {seconds:.3g} s"])
    return 0


def add_score(commands: Subparsers) -> None:
    """Add score."""
    parser = _add(
        commands,
        _score,
        "score",
        "Say how well a model explains samples. A sample's score is its loss, negated: higher is "
        "more like the training data. Prints the mean and the samples with the lowest scores; "
        "with -o, all scores are written. A detector's CSV has its verdicts too: -1 for outliers. "
        "Of a series the events are listed.",
        """
        aecore score model.safetensors digits:test
        aecore score model.safetensors measurements.csv -o scores.csv
        aecore score model.safetensors measurements.csv --errors -o errors.csv
        aecore score model.safetensors new.csv --json
        aecore score detector.safetensors new.csv --explain 3
        aecore score sensors.safetensors new.csv --time stamp -o scores.csv
        """,
    )
    parser.add_argument("--time", metavar="COLUMN", help=TIME)
    add_output(parser, NO_PICTURES, required=False)
    each = parser.add_mutually_exclusive_group()
    each.add_argument(
        "--errors", action="store_true", help="write each value's error in place of the scores"
    )
    each.add_argument(
        "--cells", action="store_true", help="write how odd each cell of a table is in its column"
    )
    parser.add_argument("--target", metavar="FILE", help=_TARGET)
    each.add_argument("--explain", type=positive, metavar="N", help=_EXPLAIN)
    add_reading(parser)
    add_answer(parser)


_TARGET = "what the samples should become, as DATA: clean pictures for noisy ones, say"
_EXPLAIN = (
    "tell the N largest reasons of a detector's lowest scores; with -o, those of all outliers are "
    "written in place of the scores"
)


def _score(options: Any) -> int:
    model = load_model(options)
    if options.time is not None and not is_series(model):
        raise CommandError(f"--time: expected none for the kind {kind_of(model)}")
    if options.errors or options.cells:
        name = "errors" if options.errors else "score_cells"
        if is_series(model) and options.errors:
            name = "score_features"
        if options.out is None:
            asked = "--errors" if options.errors else "--cells"
            raise CommandError(f"{asked}: expected -o, where to write them")
        return _write_samples(options, model, name, name)
    function = method(model, "score_samples", "scores")
    reasons = None if options.explain is None else _Reasons(model, options.explain)
    with command_errors():
        found = None if options.out is None else open_results(options.out, "score", shape=(1,))
    if is_series(model):
        return _score_series(options, model, found)
    source = open_samples(options.data, reading_of(options, model))
    target = _target(options, model, source)
    summary = _Scores(getattr(model, "offset_", None))
    with found or nullcontext() as results:
        for scores, block in apply_in_blocks(options, source, function, target):
            summary.add(scores, block.names)
            if reasons is not None:
                with command_errors():
                    reasons.add(summary, scores, block, results)
            elif isinstance(results, Csv) and summary.offset is not None:
                results.write(_with_verdicts(scores, summary.offset), block.names)
            elif results is not None:
                results.write(scores, block.names)
    facts = {"model": kind_of(model), "out": options.out, **summary.facts()}
    lines = summary.lines()
    if reasons is not None:
        lines += reasons.tell(summary, facts)
    answer(options, facts, lines)
    return 0


def _target(options: Any, model: Any, source: Any) -> Any:
    """Return what samples should become, if the command was given that."""
    path = getattr(options, "target", None)
    names, n = getattr(source, "names", None), source.count
    X = None if n is None else range(n)
    return read_target(path, reading_of(options, model), X, names, "--target")


class _Reasons:
    """The reasons of a detector's lowest scores so far.

    Parameters
    ----------
    model : AnomalyDetector
    n : int
        How many reasons a sample has.
    """

    def __init__(self, model: Any, n: int) -> None:
        self.explain, self.n = method(model, "explain", "reasons for scores"), n
        self.known = dict[int, np.ndarray]()

    def add(
        self, summary: _Scores, scores: np.ndarray, block: Block, results: Results | None
    ) -> None:
        """Explain the lowest scores of a block, whose summary has it; write those of outliers."""
        start = summary.count - len(scores)
        low = summary.rows[summary.rows >= start] - start
        odd = np.flatnonzero(scores < summary.offset) if results is not None else low[:0]
        rows = np.union1d(low, odd).astype(np.int64)
        if not len(rows):
            return
        is_list = isinstance(block.X, list)
        found = self.explain([block.X[i] for i in rows] if is_list else block.X[rows], self.n)
        found["row"] = rows[found["row"]] + start
        if results is not None:
            written = found[np.isin(found["row"], odd + start)]
            names = block.names and [block.names[i - start] for i in written["row"]]
            if len(written):
                results.write(written, names)
        self.known |= {int(i): found[found["row"] == i] for i in low + start}
        self.known = {i: self.known[i] for i in summary.rows.tolist()}

    def tell(self, summary: _Scores, facts: dict[str, Any]) -> list[str]:
        """Put reasons beside the lowest scores of an answer, and return them for people."""
        lines = []
        for i, one in zip(summary.rows.tolist(), facts["lowest"], strict=True):
            found = self.known[i]
            parts = [[_plain(v) for v in reason.tolist()] for reason in found]
            names = (found.dtype.names or ())[1:]
            one["reasons"] = [dict(zip(names, part[1:], strict=True)) for part in parts]
            texts = [f"{c} {_brief(v)} (expected {_brief(e)}) {s:.0%}" for _, c, v, e, s in parts]
            lines.append(f"sample {one['sample']}: {', '.join(texts)}")
        return lines


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or value != value:
        return None
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _brief(value: Any) -> str:
    """Write a value for people."""
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _score_series(options: Any, model: Any, results: Results | None) -> int:
    """Score the steps of a series, and list its events."""
    with command_errors():
        X = open_series(options, model).read().X
    rows, events = scored(model, X)
    with results or nullcontext():
        if isinstance(results, Csv):
            results.write(rows, None)
        elif results is not None:
            results.write(rows["score"], None)
    summary = _Scores(model.offset_)
    summary.add(rows["score"], stamps(model, X))
    facts = {"model": kind_of(model), "out": options.out, **summary.facts(), "events": events}
    answer(options, facts, [*summary.lines(), *event_lines(events)])
    return 0


def _with_verdicts(scores: np.ndarray, offset: float) -> np.ndarray:
    """Return a detector's scores beside its predictions."""
    found = np.empty(len(scores), [("score", scores.dtype), ("verdict", np.int64)])
    found["score"], found["verdict"] = scores, np.where(scores < offset, -1, 1)
    return found


class _Scores:
    """A running summary of scores."""

    def __init__(self, offset: float | None = None) -> None:
        self.offset, self.outliers, self.names = offset, 0, dict[int, str]()
        self.count, self.sum, self.squares, self.highest = 0, 0.0, 0.0, -np.inf
        self.rows, self.values = np.empty(0, np.int64), np.empty(0, np.float32)

    def add(self, scores: np.ndarray, names: Sequence[str] | None) -> None:
        """Add the scores of the next samples, and the names of their files."""
        rows = np.concatenate([self.rows, np.arange(self.count, self.count + len(scores))])
        values = np.concatenate([self.values, scores])
        order = np.argsort(values, kind="stable")[:LOWEST]
        if names is not None:
            self.names |= {int(i): names[i - self.count] for i in rows[order] if i >= self.count}
        self.rows, self.values = rows[order], values[order]
        if self.offset is not None:
            self.outliers += int((scores < self.offset).sum())
        wide = scores.astype(np.float64)
        self.sum += float(wide.sum())
        self.squares += float((wide**2).sum())
        self.highest = max(self.highest, float(wide.max()))
        self.count += len(scores)

    def facts(self) -> dict[str, Any]:
        """Return a summary."""
        mean = self.sum / self.count
        return {
            "samples": self.count,
            "mean": mean,
            "std": max(0.0, self.squares / self.count - mean**2) ** 0.5,
            "min": float(self.values[0]),
            "max": self.highest,
            "lowest": [
                {"sample": self.names.get(int(i), int(i)), "score": float(v)}
                for i, v in zip(self.rows, self.values, strict=True)
            ],
        } | self._verdicts()

    def _verdicts(self) -> dict[str, Any]:
        if self.offset is None:
            return {}
        return {"outliers": self.outliers, "threshold": float(self.offset)}

    def lines(self) -> list[str]:
        """Return the summary for people."""
        facts = self.facts()
        shown = [f"{name:8} {facts[name]:.6g}" for name in ("mean", "std", "min", "max")]
        lowest = ", ".join(f"{v['sample']} ({v['score']:.6g})" for v in facts["lowest"])
        if not self.names:
            lowest += " (samples count from 0)"
        odd = []
        if self.offset is not None:
            odd = [f"outliers {self.outliers}, with scores below {self.offset:.6g}"]
        return [f"samples  {self.count}", *odd, *shown, f"lowest   {lowest}"]

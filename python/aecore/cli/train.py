"""``aecore train``: a model of any kind, from options or a TOML file."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..base.params import defaults
from ..files.load import load
from ..models.base import traps
from ..models.detection.labels import OUTLIER
from ..training.mpi import RankError
from ..training.progress import summary
from ._command import (
    CommandError,
    Subparsers,
    add_answer,
    add_command,
    add_output,
    answer,
    command_errors,
    note,
    require,
    sentence,
)
from ._flags import PREFIX, add_flags, flag, given, unknown
from ._kinds import KINDS, kind_for, kind_of, read_kind, takes_tables
from ._open import add_reading, is_table_file, open_samples, read_target, reading_of, stream
from ._results import check_place
from ._source import Block, Reading, Source, network_of, shape_of
from ._values import parse_file_value

# parameters that the command sets, or that take models
OWN = ("callbacks", "checkpoint", "model", "verbose", "warm_start")
MODELS = (".safetensors", ".aecore", "")  # suffixes of models' files
ESSENTIAL = ("data", "out")
LONGEST_CONFIG = 1 << 20  # bytes
OUTWEIGH = 30  # ratio of columns' ranges that is worth a note


def add_train(commands: Subparsers) -> None:
    """Add train."""
    parser = add_command(
        commands,
        _train,
        "train",
        """
        Train a model and save it. The architecture is chosen by the shape of the data: dense
        layers for tables and sequences, convolutions for pictures.

        A VALUE is a number, a word, a list such as "(64, 32)", or one of aecore's choices with its
        arguments, in quotes: "Masking(0.3)", "Warmup(2) * Cosine(20)". All of a model's parameters
        can be given; `python -c "import aecore; help(aecore.VAE)"` says more about them. Ctrl-C
        stops, and saves the model as it is, but for a detector, which is trained whole or not.
        """,
        """
        aecore train digits -o digits.safetensors
        aecore train measurements.csv -o model.safetensors --latent-dim 3
        aecore train pictures/ -o vae.safetensors --model vae --loss bce \\
            --arch "Conv((32, 64))" --latent-dim 16 --epochs 50
        aecore train digits -o cvae.safetensors --model cvae --latent-dim 4 --loss bce
        aecore train digits -o dae.safetensors --corruption "Masking(0.3)" \\
            --penalty "KLSparsity(0.1)" --schedule "Cosine(20)"
        aecore train digits -o m.safetensors --checkpoint run.safetensors --resume
        aecore train --config run.toml --epochs 5
        aecore train noisy/ --target clean/ -o cleaner.safetensors
        aecore train large.parquet -o detector.safetensors --model detector --stream
        mpiexec -n 4 aecore train digits -o m.safetensors --mpi
        """,
    )
    parser.add_argument("data", metavar="DATA", nargs="?", help="samples; see below")
    add_output(parser, "the file for the model, .safetensors", required=False)
    parser.add_argument(
        "-m", "--model", type=read_kind, choices=KINDS, metavar="KIND", help=_kinds_text()
    )
    parser.add_argument("--config", metavar="FILE", help=_CONFIG)
    parser.add_argument("--target", metavar="DATA", help=_TARGET)
    parser.add_argument("--validation", metavar="DATA", help="samples to measure after each epoch")
    parser.add_argument("--validation-target", metavar="DATA", help=_VALIDATION_TARGET)
    parser.add_argument("--checkpoint", metavar="FILE", help="save the model after each epoch")
    parser.add_argument("--resume", action="store_true", help=_RESUME)
    parser.add_argument("--stream", action="store_true", help=_STREAM)
    parser.add_argument("--mpi", action="store_true", help=_MPI)
    add_reading(parser, training=True)
    titles = "parameters of the models", "parameters of some kinds"
    add_flags(parser, KINDS, OWN, titles)
    add_answer(parser)
    parser.usage = "aecore train DATA -o PATH [--model KIND] [options]"


_CONFIG = (
    "a TOML file of options by name (data, out, model, latent_dim, ...; values as here); those on "
    "the command line come first"
)
_TARGET = (
    "what the samples are to become: a file or folder like DATA, with as many samples, of any "
    "shape; pictures have the same names"
)
_VALIDATION_TARGET = "the same of --validation"
_MPI = "share the work with the other processes that mpiexec has started"
_STREAM = (
    "read DATA a piece at a time: .parquet or a folder of such files, .csv, .tsv, .npy or .zarr, "
    "larger than memory; pieces of several blocks are shuffled together"
)
_RESUME = "go on from the checkpoint, if there is one, to the epochs asked for in all"


def _kinds_text() -> str:
    shown = [
        name if cls.__name__.lower() == name else f"{name} ({cls.__name__})"
        for name, cls in KINDS.items()
    ]
    return f"{', '.join(shown)}; without, tabular for a table that is no array, else ae"


def _train(options: Any) -> int:
    options = _with_config(options)
    for name in ESSENTIAL:
        if getattr(options, name) is None:
            what = "DATA" if name == "data" else "-o/--out"
            raise CommandError(f"{what}: expected on the command line or in --config, got none")
    if options.resume and options.checkpoint is None:
        raise CommandError("--resume: expected --checkpoint, the file to go on from")
    for path in (options.out, options.checkpoint):
        if path == "-":
            raise CommandError("-: expected a file for the model, got stdout")
        if path is not None:
            check_place(path)
            if os.path.isdir(path):
                raise CommandError(f"{path}: expected a file, got a folder")
            if Path(path).suffix.lower() not in MODELS:
                raise CommandError(f"{path}: expected .safetensors, the form of a model's file")
    comm = _comm() if options.mpi else None
    is_first = comm is None or comm.rank == 0
    options.quiet = options.quiet or not is_first
    reading = reading_of(options)
    if options.stream:
        return _train_on_rows(options, reading, comm, is_first)
    source = open_samples(options.data, reading)
    if options.model is None:
        options.model = kind_for(source.is_table and options.shape is None)
    reading.mixed = takes_tables(options.model)
    model = _model(options)
    samples = _read(options, source, model)
    found = tuple(np.shape(samples.X)[1:])
    if options.shape is not None and found != options.shape:
        wanted, got = ("x".join(map(str, shape)) for shape in (options.shape, found))
        raise CommandError(f"--shape: expected rows that fit {wanted}, got {got or 'a table'}")
    if source.is_table and not reading.mixed:
        _note_scales(options, samples)
    if not source.is_table and len(np.shape(samples.X)) == 3 and options.shape is None:
        _, steps, features = np.shape(samples.X)
        text = f"each sample is taken for a sequence of {steps} steps with {features} values"
        note(options, f"{text}; --shape {steps}x{features}x1 makes pictures of them")
        warnings.filterwarnings("ignore", traps.SEQUENCES)
    fit = _fit_options(options, comm)
    if options.validation_target is not None and options.validation is None:
        raise CommandError("--validation-target: expected --validation beside it")
    if options.validation is not None:
        fit["X_val"] = _validation(options, reading, model)
    if options.target is not None:
        how = reading, samples.X, samples.names, "--target"
        fit["target"] = read_target(options.target, *how)
    if samples.mask is not None:
        fit["sample_mask"] = samples.mask
    _check_takes(options, model, fit)
    if (mask := fit.get("sample_mask")) is not None and options.mask is None:
        missing = int(mask.size - np.count_nonzero(mask))
        note(options, f"{missing} values are missing; they take no part in the loss")
    return _fit(options, model, samples, fit, is_first)


def _train_on_rows(options: Any, reading: Reading, comm: Any, is_first: bool) -> int:
    """Train on samples that are read a piece at a time."""
    for name in ("mask", "shape", "size", "bits", "target", "validation_target"):
        if getattr(options, name) is not None:
            raise CommandError(f"--{name.replace('_', '-')}: expected none with --stream")
    is_table = is_table_file(options.data)
    if options.model is None:
        options.model = kind_for(is_table)
    model = _model(options)
    samples = Block(stream(options.data, reading, options.model))
    fit = _fit_options(options, comm)
    if options.validation is not None:
        fit["X_val"] = stream(options.validation, reading, options.model)
    _check_takes(options, model, fit)
    return _fit(options, model, samples, fit, is_first)


def _fit_options(options: Any, comm: Any) -> dict[str, Any]:
    fit: dict[str, Any] = {"resume": True} if options.resume else {}
    return fit if comm is None else fit | {"comm": comm}


def _comm() -> Any:
    """Return the communicator of all processes that mpiexec has started."""
    require("--mpi", "mpi", "mpi4py")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # without an MPI to load
        raise CommandError(f"--mpi: {sentence(error)}") from None
    return MPI.COMM_WORLD


def _fit(options: Any, model: Any, samples: Block, fit: dict[str, Any], is_first: bool) -> int:
    """Train, save and answer; an interrupted training is saved too."""
    started, status = time.perf_counter(), 0
    if options.resume and os.path.exists(options.checkpoint):
        with command_errors():
            done = network_of(load(options.checkpoint)).epoch
        if done >= model.epochs:
            note(options, f"{options.checkpoint} has {_plural(done, 'epoch')} already")
    y = samples.y
    if kind_of(model) == "detector" and y is not None and not np.isin(OUTLIER, y):
        y = None  # a column that is no feature
        note(options, "--y: labels without a -1, for known outliers, have no part in training")
    try:
        with command_errors():
            model.fit(samples.X, y, **fit)
    except CommandError as error:
        if isinstance(error.__cause__, RankError):  # whose own process says what is wrong
            return 1
        raise
    except KeyboardInterrupt:
        if not model.__sklearn_is_fitted__():
            raise
        status = 130
    finally:
        quiet = {"verbose": None, "callbacks": ()}
        model.set_params(**{k: v for k, v in quiet.items() if k in defaults(type(model))})
    if not is_first:
        return status
    with command_errors():
        model.save(options.out)
    if status:
        note(options, f"interrupted; {options.out} has the model as it was then")
    answer(options, *_report(options, model, samples, time.perf_counter() - started))
    return status


def _report(
    options: Any, model: Any, samples: Block, seconds: float
) -> tuple[dict[str, Any], list[str]]:
    """Return the results of training as facts and as lines of text."""
    history, network = getattr(model, "history_", []), network_of(model)
    facts = {
        "model": kind_of(model),
        "out": options.out,
        "samples": len(samples.X),
        "shape": list(shape_of(model)),
        "seconds": round(seconds, 3),
    }
    what = f"{options.out}: {kind_of(model)}, trained on {_plural(len(samples.X), 'sample')}"
    if network is None:
        return facts, [f"{what} in {seconds:.3g} s"]
    last = history[-1] if history else {}
    facts |= {"parameters": model.n_parameters_, "epochs": network.epoch, "last_epoch": last}
    text = f"{what} for {_plural(network.epoch, 'epoch')} in {seconds:.3g} s"
    size = f"{model.n_parameters_:,} parameters"
    return facts, [text, f"{size}, {summary(last)}" if last else size]


def _plural(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


# ---- the model ----------------------------------------------------------------------------------


def _model(options: Any) -> Any:
    """Return the model that the options describe."""
    params, cls = given(options), KINDS[options.model]
    for name in sorted(unknown(cls, params)):
        takers = [kind for kind, other in KINDS.items() if not unknown(other, [name])]
        raise CommandError(
            f"{flag(name)}: expected one of the kinds {', '.join(takers)}, got {options.model}"
        )
    with command_errors():
        model = cls(**params)
        model._check_params()
    own = defaults(cls)
    if options.checkpoint is not None:
        if "checkpoint" not in own:
            raise CommandError(
                f"--checkpoint: expected none for {options.model}, which is trained in one go"
            )
        model.set_params(checkpoint=options.checkpoint)
    if not options.quiet and sys.stderr.isatty():
        model.set_params(verbose=1)
    elif not options.quiet and "callbacks" in own:
        model.set_params(callbacks=(_line_per_epoch,))
    return model


def _line_per_epoch(state: Any) -> None:
    record = state.record
    level = f"level {record['level']}, " if "level" in record else ""
    print(f"{level}epoch {record['epoch']}  {summary(record)}", file=sys.stderr, flush=True)


def _check_takes(options: Any, model: Any, fit: dict[str, Any]) -> None:
    """Drop the mask if fit finds missing values itself; CommandError for unknown arguments."""
    takes = inspect.signature(model.fit).parameters
    if "sample_mask" not in takes and options.mask is None:
        fit.pop("sample_mask", None)
    for name in fit:
        if name not in takes:
            flags = {"X_val": "validation", "sample_mask": "mask", "comm": "mpi"}
            raise CommandError(
                f"--{flags.get(name, name)}: expected none for the kind {kind_of(model)}"
            )


# ---- the data -----------------------------------------------------------------------------------


def _read(options: Any, source: Source, model: Any) -> Block:
    """Return all samples; CommandError without the labels that a model takes."""
    with command_errors(options.data):
        samples = source.read()
    if getattr(model, "_needs_y", False) and samples.y is None:
        raise CommandError(
            f"--y: expected labels or properties of the samples for the kind {options.model}"
            + ("" if options.model == "cvae" else ", which is conditional")
        )
    return samples


def _note_scales(options: Any, samples: Block) -> None:
    """Print a note if some columns outweigh the others by far."""
    X = np.asarray(samples.X).reshape(len(samples.X), -1)
    with np.errstate(all="ignore"):
        spread = np.nanmax(X, axis=0) - np.nanmin(X, axis=0)
    spread = spread[spread > 0]
    if len(spread) and spread.max() > OUTWEIGH * spread.min():
        text = "some columns range much wider than others, and will outweigh them"
        note(options, f"{text}; --model tabular scales them")
        warnings.filterwarnings("ignore", traps.UNITS)


def _validation(options: Any, reading: Reading, model: Any) -> Any:
    samples = _read(options, open_samples(options.validation, reading), model)
    if samples.mask is not None:
        raise CommandError("--validation: expected samples without missing values, got some")
    how = reading, samples.X, samples.names, "--validation-target"
    target = read_target(options.validation_target, *how)
    if target is None:
        return (samples.X, samples.y) if model._needs_y else samples.X
    return {"X": samples.X, "y": samples.y if model._needs_y else None, "target": target}


# ---- the configuration --------------------------------------------------------------------------


def _with_config(options: Any) -> Any:
    """Return the options, completed by those of the --config file."""
    if options.config is None:
        return options
    actions = {_name(action): action for action in options.parser._actions}
    found = argparse.Namespace()
    for key, value in _toml(options.config).items():
        action = actions.get(key.replace("-", "_"))
        if action is None or action.dest in ("help", "config"):
            raise CommandError(f"{options.config}: expected names of options, got {key!r}")
        setattr(found, action.dest, _configured(options.config, key, value, action))
    data = getattr(found, "data", None)
    options = options.parser.parse_args(options.arguments, found)
    options.data = data if options.data is None else options.data  # argparse resets a positional
    return options


def _name(action: argparse.Action) -> str:
    """Return the name of an option in a file: that of its flag."""
    longest = max(action.option_strings, key=len, default=action.dest)
    return longest.removeprefix("--no-").removeprefix("--").replace("-", "_")


def _configured(path: str, key: str, value: Any, action: argparse.Action) -> Any:
    """Return an option's value from a TOML file."""
    if isinstance(action, (argparse.BooleanOptionalAction, argparse._StoreTrueAction)):
        if not isinstance(value, bool):
            raise CommandError(f"{path}: {key}: expected true or false, got {value!r}")
        return value
    try:
        if action.dest.startswith(PREFIX):
            return parse_file_value(value)
        if isinstance(value, list):
            value = ",".join(map(str, value))
        if not isinstance(value, str):
            raise argparse.ArgumentTypeError(f"expected text, got {value!r}")
        if action.choices is not None and value not in action.choices:
            known = ", ".join(action.choices)
            raise argparse.ArgumentTypeError(f"expected one of {known}, got {value!r}")
        return action.type(value) if callable(action.type) else value
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise CommandError(f"{path}: {key}: {error}") from None


def _toml(path: str) -> dict[str, Any]:
    try:
        import tomllib
    except ImportError:  # Python 3.10
        require("--config with Python 3.10", "cli", "tomli")
        import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]
    try:
        with open(path, "rb") as file:
            text = file.read(LONGEST_CONFIG + 1)
        if len(text) > LONGEST_CONFIG:
            raise ValueError(f"got more than {LONGEST_CONFIG} bytes")
        return dict(tomllib.loads(text.decode()))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # bad TOML, text that is not UTF-8, huge numbers
        raise CommandError(f"{path}: expected a TOML file: {error}") from None

"""``aecore sample``: new samples from a model."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..data.maps import MapConditioner
from ..models.tabular.model import TableModel
from . import _cells
from ._command import (
    CommandError,
    Subparsers,
    add_answer,
    add_command,
    add_output,
    answer,
    command_errors,
    note,
    positive,
    writes_stdout,
)
from ._flags import unknown
from ._kinds import kind_of
from ._model import CONDITION, add_model, is_conditional, load_model, method
from ._open import open_samples, read_array, reading_for
from ._results import FORMS, open_results
from ._source import network_of, shape_of
from ._table import split_names
from ._values import parse


def add_sample(commands: Subparsers) -> None:
    """Add sample."""
    parser = add_command(
        commands,
        _sample,
        "sample",
        "Draw new samples from a model. Codes are drawn from the model's prior, and decoded. A "
        "plain autoencoder has none: --prior fits one to the codes of --data.",
        """
        aecore sample vae.safetensors -n 64 -o new.npy --seed 0
        aecore sample vae.safetensors -n 100 -o pictures/
        aecore sample cvae.safetensors -n 10 --y 3 -o threes.npy
        aecore sample ae.safetensors --prior "GaussianMixture(10)" \\
            --data digits -o new.npy
        aecore sample tables.safetensors -n 500 -o women.csv \\
            --given sex=Female --given age=30..40 --given job=Sales,Tech-support
        aecore sample vqvae.safetensors -n 16 -o pictures/ --temperature 0.8
        aecore sample fine.safetensors -o fine.npy --context coarse.npy
        """,
    )
    add_model(parser)
    add_output(parser, FORMS)
    parser.add_argument("-n", type=positive, default=64, metavar="N", help="how many: %(default)s")
    parser.add_argument(
        "--y", metavar="A,B,...", help="the condition: a label, one for each, or properties"
    )
    parser.add_argument("--prior", type=parse, metavar="VALUE", help="Normal, or a GaussianMixture")
    parser.add_argument(
        "--given",
        action="append",
        metavar="COLUMN=VALUE",
        help="what all rows of a table have: a value, a range as 30..40, or levels as A,B; of "
        "models of codes a file of maps, -1 for what is to be drawn",
    )
    parser.add_argument(
        "--context",
        metavar="FILE",
        help="maps of codes that those of a pixelcnn depend on: one for all, or one for each",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="of draws of codes: below 1 likely ones are drawn more often",
    )
    parser.add_argument(
        "--top-k", type=positive, metavar="K", help="draw from the K likeliest codes alone"
    )
    parser.add_argument("--data", metavar="DATA", help="samples as train takes them, for --prior")
    parser.add_argument("--seed", type=parse, metavar="N", help="of all that is random")
    add_answer(parser)


def _sample(options: Any) -> int:
    started = time.perf_counter()
    model = load_model(options)
    sample = method(model, "sample", "samples")
    arguments: dict[str, Any] = {"random_state": options.seed}
    _check_condition(options, model)
    with command_errors():
        arguments |= _of_codes(options, model, sample)
        if options.prior is not None or options.data is not None:
            arguments["prior"] = _prior(options, model, sample)
        if options.y is not None:
            arguments["y"] = condition_of(options.y, model, arguments.get("prior"))
        if options.given and isinstance(model, TableModel):
            arguments["given"] = _given(options.given, model, sample)
    _check_prior(options, model)
    columns = getattr(model, "feature_names_in_", None)
    names = None if columns is None else [str(c) for c in columns]
    with command_errors():
        shape = shape_of(model)
        drawn = sample(options.n, **arguments)
        with open_results(options.out, "x", columns=names, shape=shape) as results:
            results.write(drawn)
    columns = drawn.dtype.names
    size = drawn.shape if columns is None else (len(drawn), len(columns))
    facts = {
        "model": kind_of(model),
        "out": options.out,
        "samples": options.n,
        "shape": list(size),
        "seconds": round(time.perf_counter() - started, 3),
    }
    place = "stdout" if writes_stdout(options) else options.out
    answer(options, facts, [f"{place}: {' x '.join(map(str, size))}"])
    return 0


def _check_condition(options: Any, model: Any) -> None:
    """Raise CommandError for a conditional model without what its samples depend on."""
    if not is_conditional(model):
        return
    conditioner = network_of(model).conditioner
    if isinstance(conditioner, MapConditioner):
        if options.context is None:
            shape = " x ".join(map(str, conditioner.shape))
            raise CommandError(f"--context: expected a file of maps of {shape}, as in training")
        conditioner = conditioner.inner
    if options.y is None and conditioner is not None:
        classes = conditioner.classes
        known = CONDITION if classes is None else f"one of {', '.join(map(str, classes[:20]))}"
        raise CommandError(f"--y: expected the condition of the samples, {known}")


def _of_codes(options: Any, model: Any, sample: Any) -> dict[str, Any]:
    """Return the arguments of draws of codes, for models that draw some."""
    found = {name: getattr(options, name) for name in ("temperature", "top_k", "context")}
    if not isinstance(model, TableModel):
        found["given"] = options.given
    found = {name: value for name, value in found.items() if value is not None}
    for name in found:
        if unknown(sample, [name]):
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{flag}: expected none for the kind {kind_of(model)}")
    if "context" in found:
        found["context"] = read_array(found["context"])
    if "given" in found:
        if len(found["given"]) > 1:
            raise ValueError(f"--given: expected one file of maps, got {len(found['given'])}")
        found["given"] = read_array(*found["given"])
    return found


def _given(texts: list[str], model: Any, sample: Any) -> dict[Any, Any]:
    """Return what is given of a table's rows, from texts COLUMN=VALUE."""
    if unknown(sample, ["given"]):
        raise ValueError(f"--given: expected none for the kind {kind_of(model)}")
    layout = model._layout
    found: dict[Any, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        keys = range(len(layout.columns)) if layout.names is None else layout.names
        key = next((k for k in keys if str(k) == name), None)
        if not equals or key is None:
            known = ", ".join(map(str, list(keys)[:10]))
            raise ValueError(f"--given: expected COLUMN=VALUE with a column ({known}), got {text}")
        column = layout.columns[list(keys).index(key)]
        if column.kind == "levels":
            levels = [value] if value in map(str, column.labels) else split_names(value)
            found[key] = levels
            continue
        ends = value.split("..")
        numbers = [_number(end, column, text) for end in ends]
        if len(ends) > 2 or (len(ends) == 1 and numbers[0] is None):
            raise ValueError(f"--given: expected a number, or a range as 30..40, got {text}")
        found[key] = numbers[0] if len(ends) == 1 else tuple(numbers)
    return found


def _number(text: str, column: Any, whole: str) -> Any:
    """Return the number or time that a text says, None for an empty one."""
    if not text:
        return None
    try:
        return np.datetime64(text) if column.time == "M" else float(text)
    except ValueError:
        raise ValueError(
            f"--given: expected numbers, or times as 2024-05-31, got {whole}"
        ) from None


def _prior(options: Any, model: Any, sample: Any) -> Any:
    """Return a prior that is fitted to the codes of samples."""
    if options.prior is None or options.data is None:
        raise ValueError("--prior and --data: expected both, or neither")
    if unknown(sample, ["prior"]):
        raise ValueError(f"--prior: expected none for the kind {kind_of(model)}, which has its own")
    if not hasattr(options.prior, "fit"):
        raise ValueError(
            f"--prior: expected Normal or a GaussianMixture(...), got {options.prior!r}"
        )
    samples = open_samples(options.data, reading_for(model)).read()
    mask = {} if samples.mask is None else {"sample_mask": samples.mask}
    return options.prior.fit(model.transform(samples.X, samples.y, **mask))


def _check_prior(options: Any, model: Any) -> None:
    """Raise CommandError without a prior, and print a note on a uniform one."""
    draws_codes = not unknown(model.sample, ["prior"])
    if draws_codes and model._own_prior() is None and options.prior is None:
        raise CommandError(
            '--prior: expected "GaussianMixture(10)" and --data with samples to fit it to, for the '
            f"kind {kind_of(model)}, which has no prior to draw codes from"
        )
    if kind_of(model) == "vqvae" and model.prior is None:
        text = "codes are drawn evenly, as the model was trained without a prior"
        note(options, f'{text}: --prior "PixelCNN()" in train makes samples look like data')


def condition_of(text: str, model: Any, prior: Any = None) -> Any:
    """Return the condition in text: one for all samples, or one for each."""
    network = network_of(vars(model).get("prior_") or model)
    conditioner = getattr(network, "conditioner", None)
    if prior is None:
        prior = getattr(model, "prior_", None)
    known = getattr(prior, "labels_", None) if conditioner is None else conditioner.classes
    if conditioner is None and known is None:
        raise CommandError(f"--y: expected none, as model and prior know no labels, got {text}")
    values = split_names(text)
    if known is not None and known.dtype.kind in "US":
        found: np.ndarray | None = np.array(values)
    else:
        found = _cells.plain_numbers(values) if known is None else _cells.integers(values)
    if found is None:
        kind = "numbers" if known is None else "whole numbers, as in training"
        raise CommandError(f"--y: expected {kind}, got {text}")
    return found[0] if known is not None and len(found) == 1 else found

"""Loads fitted models and applies their methods to samples."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..base.params import defaults
from ..files.load import load
from ._command import CommandError, command_errors, positive
from ._kinds import kind_of
from ._source import Block, Source

MOST_THREADS = 4096
CONDITION = "labels or properties as in training"


def load_model(options: Any) -> Any:
    """Return the model in the file that a command names."""
    with command_errors():
        model = load(options.model)
    threads = getattr(options, "threads", None)
    if threads is not None:
        if "n_threads" not in defaults(type(model)):
            raise CommandError("--threads: expected OMP_NUM_THREADS for models made of others")
        model.set_params(n_threads=min(threads, MOST_THREADS))
    return model


def add_model(parser: Any) -> None:
    """Add the model file, and the threads it runs on."""
    parser.add_argument("model", metavar="MODEL", help="the file that train wrote")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: as many as cores")


def method(model: Any, name: str, what: str) -> Callable[..., Any]:
    """Return a model's method, or raise CommandError."""
    found: Callable[..., Any] | None = getattr(model, name, None)
    if found is None:
        raise CommandError(f"MODEL: expected a kind with {what}, got {kind_of(model)}")
    return found


def is_conditional(model: Any) -> bool:
    """Return whether a fitted model takes a condition of each sample."""
    return getattr(model, "_coding_conditioner", None) is not None


def check_condition(y: Any) -> None:
    """Raise CommandError where a conditional model has no condition of its samples."""
    if y is None:
        raise CommandError(f"--y: expected the condition of each sample, {CONDITION}")


def apply_in_blocks(
    options: Any, source: Source, function: Callable[..., Any], target: Any = None
) -> Iterator[tuple[Any, Block]]:
    """Yield the results of a model's method for each block of samples, and the block.

    The method is given y and a mask if it takes them, and the targets if there are any.
    """
    takes, done = inspect.signature(function).parameters, 0
    conditional = is_conditional(getattr(function, "__self__", None)) and "y" in takes
    for block in _with_progress(options, source.blocks(), source.count):
        if conditional:
            check_condition(block.y)
        more = {"y": block.y, "sample_mask": block.mask}
        more = {k: v for k, v in more.items() if v is not None and k in takes}
        if target is not None:
            if "target" not in takes:
                raise CommandError("--target: expected none for what is asked of this kind")
            more["target"] = target[done : done + len(block.X)]
        with command_errors(f"from sample {done} on" if done else ""):
            found = function(block.X, **more)
        yield found, block
        done += len(block.X)


def _with_progress(options: Any, blocks: Iterable[Block], count: int | None) -> Iterator[Block]:
    """Yield blocks, with a progress bar on stderr."""
    from tqdm import tqdm

    silent = True if options.quiet else None  # None: unless stderr is a terminal
    with tqdm(total=count, unit="sample", disable=silent, desc=options.command) as bar:
        iterator = iter(blocks)
        while True:
            with command_errors():
                block = next(iterator, None)
            if block is None:
                return
            yield block
            bar.update(len(block.X))

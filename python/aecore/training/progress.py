"""How training shows where it is: a tqdm bar in a terminal or a notebook, lines, or nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..base.quiet import no_warnings
from ..base.text import printable
from ..base.tracebacks import ipython_shell

# Broken pipes, full disks, closed files; and None, as which Python has a console that isn't there.
CONSOLE_LOST = (OSError, ValueError, AttributeError)
NUMBERS = (int, float, np.integer, np.floating)
LONG = 3.0  # seconds of training in a notebook, after which a bar is shown unasked
LEFT = 2.0  # seconds that are still to come by then, or it would be gone at once


def in_notebook() -> bool:
    """Return whether a person has run a notebook's cell, rather than a program such as nbclient."""
    kernel = getattr(ipython_shell(), "kernel", None)
    # Jupyter, VS Code and Colab let a cell ask for input(); programs that execute notebooks don't.
    return kernel is not None and bool(getattr(kernel, "_allow_stdin", True))


class Progress:
    """Shows batches and epochs as they pass; a context manager.

    A console that can't be written to any more (its window is closed, its disk full) is left alone:
    nothing that is shown ends a training.

    Parameters
    ----------
    verbose : int or None
        0 shows nothing, 1 a bar, 2 a line for each epoch. None shows nothing either, but for a bar
        in a notebook if training takes long; it is gone when training ends.
    epochs, batches : int
        How many epochs, and batches of an epoch.
    first : int
        How many epochs were trained before.
    """

    def __init__(self, verbose: int | None, epochs: int, batches: int, first: int = 0) -> None:
        self.verbose, self.first, self.last = int(verbose or 0), first, first + epochs
        self.batches, self.done, self.total = batches, 0, epochs * batches
        self.bar: Any = None
        self._waiting = verbose is None and in_notebook()
        self._started = time.perf_counter()
        self._record: dict[str, Any] | None = None
        if self.verbose == 1:
            self._open(leave=True)

    def _open(self, leave: bool) -> None:
        """Show a bar; `leave` says whether it stays when training is over."""
        with no_warnings():
            # In a notebook without ipywidgets tqdm warns, and shows its plain bar: that's fine.
            from tqdm.auto import tqdm

        epoch = self.first + self.done // max(1, self.batches) + 1
        how = {"total": self.total, "initial": self.done, "unit": "batch", "leave": leave}
        with self._showing():
            self.bar = tqdm(desc=self._epoch(epoch), **how)
            if self._record is not None:
                self.bar.set_postfix_str(summary(self._record))

    def _epoch(self, epoch: int) -> str:
        return f"epoch {min(epoch, self.last)}/{self.last}"

    def batch(self) -> None:
        """Note that a batch is done."""
        self.done += 1
        if self.bar is not None:
            try:
                self.bar.update()
            except CONSOLE_LOST:
                self._lose()
        elif self._waiting:
            passed = time.perf_counter() - self._started
            if passed > LONG and passed / self.done * (self.total - self.done) > LEFT:
                self._waiting = False
                self._open(leave=False)

    def epoch(self, record: dict[str, Any]) -> None:
        """Show an epoch's record."""
        self._record = record
        with self._showing():
            if self.bar is not None:
                self.bar.set_description_str(self._epoch(record["epoch"] + 1), refresh=False)
                self.bar.set_postfix_str(summary(record))
            elif self.verbose > 1:
                print(f"{self._epoch(record['epoch'])}  {summary(record)}", flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        with self._showing():
            if self.bar is not None:
                self.bar.close()

    @contextlib.contextmanager
    def _showing(self) -> Iterator[None]:
        """Show nothing from now on if that fails in this context."""
        try:
            yield
        except CONSOLE_LOST:
            self._lose()

    def _lose(self) -> None:
        bar, self.bar, self.verbose = self.bar, None, 0
        if bar is not None:
            with contextlib.suppress(*CONSOLE_LOST):
                bar.close()


# What `history_` has beside the loss and its terms.
MEASURES = frozenset(
    "epoch level learning_rate seconds mse sigma kl_weight active_units information_bound iwae "
    "bits_per_dim nats_per_code perplexity accuracy real_accuracy fake_accuracy numeric binary "
    "categorical".split()
)
TERMS = frozenset(
    "loss recon kl penalty mmd mi tc dimension_kl commitment codebook vq discriminator generator "
    "nll".split()
)
PLACES = {"loss": 0, "recon": 1, "discriminator": 3}  # the others are between


def terms_in(names: Iterable[str]) -> list[str]:
    """Return which names in a history are the loss and its terms, in the order to show them."""
    found = [n for n in names if n not in MEASURES and not n.startswith(("val_", "perplexity_"))]
    return sorted(found, key=lambda name: PLACES.get(name, 2))


def is_number(name: str) -> bool:
    """Whether a name in a history is one of aecore's own, all of which are numbers."""
    return name in MEASURES or name in TERMS or name.startswith(("val_", "perplexity_"))


def summary(record: Mapping[str, Any]) -> str:
    """Return the losses of an epoch in a line."""
    shown = [*terms_in(record), "perplexity", "accuracy", "val_loss"]
    numbers = {k: v for k, v in record.items() if isinstance(v, NUMBERS)}  # others may have text
    return ", ".join(f"{printable(k)} {numbers[k]:.4g}" for k in shown if k in numbers)

"""How training shows where it is: a tqdm bar in a terminal or a notebook, lines, or nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..base.quiet import no_warnings
from ..base.text import printable

# Broken pipes, full disks, closed files; and None, as which Python has a console that isn't there.
CONSOLE_LOST = (OSError, ValueError, AttributeError)
NUMBERS = (int, float, np.integer, np.floating)


class Progress:
    """Shows batches and epochs as they pass; a context manager.

    A console that can't be written to any more (its window is closed, its disk full) is left alone:
    nothing that is shown ends a training.

    Parameters
    ----------
    verbose : int
        0 shows nothing, 1 a bar, 2 a line for each epoch.
    epochs, batches : int
        How many epochs, and batches of an epoch.
    first : int
        How many epochs were trained before.
    """

    def __init__(self, verbose: int, epochs: int, batches: int, first: int = 0) -> None:
        self.verbose, self.last = int(verbose), first + epochs
        self.bar: Any = None
        if self.verbose == 1:
            with no_warnings():
                # In a notebook without ipywidgets tqdm warns, and shows its plain bar: that's fine.
                from tqdm.auto import tqdm

            with self._showing():
                self.bar = tqdm(total=epochs * batches, unit="batch", desc=self._epoch(first + 1))

    def _epoch(self, epoch: int) -> str:
        return f"epoch {min(epoch, self.last)}/{self.last}"

    def batch(self) -> None:
        """Note that a batch is done."""
        if self.bar is not None:
            try:
                self.bar.update()
            except CONSOLE_LOST:
                self._lose()

    def epoch(self, record: dict[str, Any]) -> None:
        """Show an epoch's record."""
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

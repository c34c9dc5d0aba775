"""Trains all models and shows how far it is: one bar on a terminal, a line a stage in a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from tqdm import tqdm

from .recipes import Plan

# Stages after training, in the seconds of `Plan.cost`.
MEASURING, DRAWING = 2.0, 6.0
NOTE = 15  # columns of the note beside the bar, so that the bar keeps its width


class Stages:
    """The progress of all stages of the demo, on stderr; a context manager.

    A bar moves by the seconds that the plans estimate, so that it moves evenly and predicts the
    remaining time well.

    Parameters
    ----------
    plans : dict of str to Plan
        The models that will be trained.
    live : bool, optional
        Whether to draw a bar, rather than a line for each stage; by default on a terminal.
    """

    def __init__(self, plans: Mapping[str, Plan], live: bool | None = None) -> None:
        training = sum(plan.model.epochs * plan.cost for plan in plans.values())
        self._live = sys.stderr.isatty() if live is None else live
        self._width = max(len(_training(plan)) for plan in plans.values())
        self._stage, self._note, self._started = "", "", 0.0
        self._bar = tqdm(
            total=training + MEASURING + DRAWING,
            bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} to go  {unit}",
            mininterval=0.1,
            disable=not self._live,
            desc=" " * self._width,
            unit=" " * NOTE,
        )

    def begin(self, stage: str) -> None:
        """Show the name of a stage."""
        self._end()
        self._stage, self._note, self._started = stage, "", time.perf_counter()
        if self._live:
            self._bar.set_description_str(stage.ljust(self._width), refresh=False)
            self._bar.unit = " " * NOTE
            self._bar.refresh()
        else:
            print(f"{stage} ...", end="", file=sys.stderr, flush=True)

    def advance(self, seconds: float, note: str = "") -> None:
        """Move on, and show a note beside the bar."""
        self._note = note or self._note
        if self._live:
            self._bar.unit = self._note.ljust(NOTE)
            # Rounding may take the sum a little above the total, which tqdm warns of.
            self._bar.update(min(seconds, self._bar.total - self._bar.n))

    def _end(self) -> None:
        """End the line of a stage."""
        if self._stage and not self._live:
            note = f" {self._note}," if self._note else ""
            seconds = time.perf_counter() - self._started
            print(f"{note} {seconds:.1f} s", file=sys.stderr, flush=True)
        self._stage = ""

    def __enter__(self) -> Stages:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if error is None:
            self._end()
            if self._live:
                self._bar.set_description_str("done".ljust(self._width), refresh=False)
                self._bar.unit = " " * NOTE
                self._bar.update(self._bar.total - self._bar.n)
        elif not self._live:
            print(file=sys.stderr, flush=True)
        self._bar.close()


def train(
    plans: Mapping[str, Plan], data: Mapping[str, Any], stages: Stages, threads: int
) -> dict[str, Any]:
    """Fit every model; return them by name."""
    models = {}
    for name, plan in plans.items():
        stages.begin(_training(plan))

        def note(state: Any, cost: float = plan.cost) -> None:
            stages.advance(cost, f"loss {state.record['loss']:.4g}")

        model = plan.model.set_params(callbacks=(note,), n_threads=threads)
        # Only the conditional model uses y.
        model.fit(data["X_train"], data["y_train"])
        # As the page shows it.
        models[name] = model.set_params(callbacks=(), n_threads=None)
    return models


def _training(plan: Plan) -> str:
    return f"training: {plan.title}"

"""Trains all models under one progress bar."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from tqdm import tqdm

from .recipes import Plan

# Stages after training, in the seconds of `Plan.cost`.
MEASURING, DRAWING = 3.0, 5.0


class Stages:
    """One progress bar for all stages of the demo; a context manager.

    It moves by the seconds that the plans estimate, so that it moves evenly and predicts the
    remaining time well.
    """

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        training = sum(plan.model.epochs * plan.cost for plan in plans.values())
        width = max(len(_training(plan)) for plan in plans.values())
        self._width = width
        self._bar = tqdm(
            total=training + MEASURING + DRAWING,
            bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} to go{postfix}",
            # Fewer lines in a log that isn't a terminal.
            mininterval=0.1 if sys.stderr.isatty() else 10,
        )

    def begin(self, stage: str) -> None:
        """Show the name of a stage."""
        self._bar.set_description_str(stage.ljust(self._width), refresh=False)
        self._bar.set_postfix_str("")

    def advance(self, seconds: float, note: str = "") -> None:
        """Move on, and show a note beside the bar."""
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        # Rounding may take the sum a little above the total, which tqdm warns of.
        self._bar.update(min(seconds, self._bar.total - self._bar.n))

    def __enter__(self) -> Stages:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if error is None:
            self._bar.set_description_str("done".ljust(self._width), refresh=False)
            self._bar.update(self._bar.total - self._bar.n)
            self._bar.set_postfix_str("")
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

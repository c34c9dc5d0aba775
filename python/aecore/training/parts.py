"""Steps over batches that are cut into parts: each has passes of its own, and gradients are added.

They are added in a fixed tree, in pairs of neighbours, pairs of pairs and so on, which depends on the
number of parts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from ..base import runtime
from ..data.batches import Batch
from ..nn.parts import Part, learn
from ..nn.tape import Tape
from .network import Network

Run = Callable[[Batch], dict[str, float]]


class TreeSum:
    """The sum of arrays that come one after another, in a tree of fixed shape.

    Parameters
    ----------
    size : int
        Of each array.
    """

    def __init__(self, size: int) -> None:
        self._size, self._free = size, list[np.ndarray]()
        self._nodes: list[tuple[int, np.ndarray]] = []  # how many arrays each is the sum of

    def add(self, array: np.ndarray) -> None:
        """Add a copy of an array."""
        node = self._free.pop() if self._free else np.empty(self._size, np.float32)
        np.copyto(node, array)
        count = 1
        while self._nodes and self._nodes[-1][0] == count:
            node, count = self._joined(self._nodes.pop()[1], node), 2 * count
        self._nodes.append((count, node))

    def take(self) -> np.ndarray:
        """Return the sum, and begin another. It is overwritten by what is added next."""
        _, total = self._nodes.pop()
        while self._nodes:
            total = self._joined(self._nodes.pop()[1], total)
        self._free.append(total)
        return total

    def _joined(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        _core.add(first, first, second, runtime.current())
        self._free.append(second)
        return first


class PartedSteps:
    """The steps of batches in parts.

    Parameters
    ----------
    network : Network
    parts : int
        Of a batch; one of fewer samples has as many parts as samples.
    """

    def __init__(self, network: Network, parts: int) -> None:
        self.network, self.parts = network, parts
        self._gradient = TreeSum(network.flat.grad.size)

    def passes(self, batch: Batch, runs: Sequence[Run]) -> Iterator[dict[str, float]]:
        """Run each phase over all parts; yield its sums, with the whole gradient in the network."""
        network, cut = self.network, batch.parts(min(self.parts, batch.n))
        tapes: list[Tape] = []
        try:
            for k, run in enumerate(runs):
                sums: dict[str, float] = {}
                learned = []
                for i, part in enumerate(cut):
                    if k == 0:
                        tapes.append(self._begin(part, i, len(cut)))
                    tape = part.tape
                    assert tape.part is not None
                    network.flat.forget_gradients()
                    with tape:
                        found = run(part)
                    for name, value in found.items():
                        sums[name] = sums.get(name, 0.0) + value
                    self._gradient.add(network.flat.whole_gradient())
                    learned.append(tape.part.learned)
                    tape.part.learned = []
                    if len(runs) == 1:  # or else the next phase goes on from there
                        self._note(batch, part)
                        part.end()
                        network.give_back(tapes.pop())
                network.flat.take_gradient(self._gradient.take())
                learn(learned)
                yield sums
            for part in cut if len(runs) > 1 else ():
                self._note(batch, part)
                part.end()
        finally:
            for tape in tapes:
                network.give_back(tape)

    def _begin(self, part: Batch, i: int, parts: int) -> Tape:
        """Begin the passes over a part."""
        network = self.network
        target = part.true_output() if network.is_teacher_forced else None
        how: dict[str, Any] = {"records": True, "training": True, "lengths": part.lengths}
        place = Part(i, parts, part.before, part.n, part.whole)
        tape = network.borrow(target=target, part=place, **how)
        part.begin(tape, "on", network.seed, network.samples + part.before)
        return tape

    def _note(self, batch: Batch, part: Batch) -> None:
        """Add what a part's passes have noted to what the batch's have."""
        for name, array in part.noted.items():
            before = batch.noted.get(name)
            batch.noted[name] = array.copy() if before is None else before + array

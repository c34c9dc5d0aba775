"""Steps over batches that are cut into parts: each has passes of its own, and gradients are added.

They are added in a fixed tree, in pairs of neighbours, pairs of pairs and so on, which depends on
the number of parts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..base import runtime
from ..data.batches import Batch
from ..nn.parts import Learned, Part, learn
from ..nn.tape import Tape
from .group import Group, current
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
        self.size, self._free = size, list[np.ndarray]()
        self._nodes: list[tuple[int, int, np.ndarray]] = []  # sums: of arrays from where, how many

    def add(self, array: np.ndarray, first: int, count: int = 1) -> None:
        """Add an array: the sum of so many, of which it is known which is the first."""
        node: np.ndarray | None = None
        while self._nodes and self._nodes[-1][1] == count and first % (2 * count) == count:
            first, _, before = self._nodes.pop()
            _core.add(before, before, array if node is None else node, runtime.current())
            if node is not None:
                self._free.append(node)
            node, count = before, 2 * count
        if node is None:
            node = self._free.pop() if self._free else np.empty(self.size, np.float32)
            np.copyto(node, array)
        self._nodes.append((first, count, node))

    def nodes(self) -> list[tuple[int, int, np.ndarray]]:
        """Return the sums so far, and begin another. They are overwritten by what is added next."""
        found, self._nodes = self._nodes, []
        self._free += [node for _, _, node in found]
        return found

    def take(self) -> np.ndarray:
        """Return the sum of all, and begin another. It is overwritten by what is added next."""
        *_, total = self._nodes.pop()
        while self._nodes:
            *_, before = self._nodes.pop()
            _core.add(before, before, total, runtime.current())
            self._free.append(total)
            total = before
        self._free.append(total)
        return total


class _Found(NamedTuple):
    """What the passes of a phase over a part give, beside the gradient."""

    sums: dict[str, float]
    learned: list[Any]
    noted: dict[str, np.ndarray]


class PartedSteps:
    """The steps of batches in parts, which the processes of a group share.

    Parameters
    ----------
    network : Network
    parts : int
        Of a batch; one of fewer samples has as many parts as samples. Where a process has a piece
        of it, that has as many parts as the process has of the batch's.
    """

    def __init__(self, network: Network, parts: int) -> None:
        self.network, self.parts, self.group = network, parts, current()
        if self.group is not None and self.group.size > parts:
            raise ValueError(
                f"comm: expected at most {parts} processes, as many as a batch has parts (see "
                f"accumulate), got {self.group.size}"
            )
        self._gradient = TreeSum(network.flat.grad.size)
        self._whole: np.ndarray | None = None  # sums of all slices
        self._slice = TreeSum(0)

    def passes(self, batch: Batch, runs: Sequence[Run]) -> Generator[dict[str, float], None, None]:
        """Run each phase over all parts; yield its sums, with the whole gradient in the network."""
        network, (cut, count) = self.network, self._cut(batch)
        tapes: list[Tape] = []
        try:
            for k, run in enumerate(runs):
                last, found = k == len(runs) - 1, []
                for i, part in cut.items():
                    if k == 0:
                        tapes.append(self._begin(part, i, count))
                    found.append(self._run(run, part, i, last))
                    if len(runs) == 1:  # or else the next phase goes on from there
                        part.end()
                        network.give_back(tapes.pop())
                if self.group is not None:
                    found = self._gather(self.group, found)
                network.flat.take_gradient(self._gradient.take())
                sums: dict[str, float] = {}
                for one in found:
                    add(sums, one.sums)
                    add(batch.noted, one.noted)
                learn([one.learned for one in found])
                yield sums
            for part in cut.values() if len(runs) > 1 else ():
                part.end()
        finally:
            for tape in tapes:
                network.give_back(tape)

    def _cut(self, batch: Batch) -> tuple[dict[int, Batch], int]:
        """Return the parts of a batch to pass here, by their numbers, and how many there are."""
        group, pieces = self.group, batch.pieces
        if group is None or pieces is None:
            cut = batch.parts(min(self.parts, batch.n))
            mine = range(len(cut)) if group is None else group.mine(len(cut))
            return {i: cut[i] for i in mine}, len(cut)
        counts = [min(len(group.share(self.parts, r)), n) for r, n in enumerate(pieces)]
        first = sum(counts[: group.rank])
        return dict(enumerate(batch.parts(counts[group.rank]), first)), sum(counts)

    def _run(self, run: Run, part: Batch, i: int, last: bool) -> _Found:
        """Run a phase over a part, and add its gradient to the sum."""
        tape = part.tape
        place = tape.part
        assert place is not None
        self.network.flat.forget_gradients()
        with tape:
            sums = run(part)
        self._gradient.add(self.network.flat.whole_gradient(), i)
        learned, place.learned = place.learned, []
        noted = {name: array.copy() for name, array in part.noted.items()} if last else {}
        return _Found(sums, learned, noted)

    def _gather(self, group: Group, found: list[_Found]) -> list[_Found]:
        """Return what all processes have found, in order; the sum is then that of all gradients."""
        nodes = self._gradient.nodes()
        about = [(first, count) for first, count, _ in nodes]
        named = [one._replace(learned=self._names(one.learned)) for one in found]
        all_found = group.exchange((about, named))
        self._add_nodes(group, [node for *_, node in nodes], [about for about, _ in all_found])
        modules = dict(self.network.modules())
        return [
            one._replace(learned=[(getattr(modules[m], f), a) for (m, f), a in one.learned])
            for _, several in all_found
            for one in several
        ]

    def _add_nodes(
        self, group: Group, mine: list[np.ndarray], abouts: list[list[tuple[int, int]]]
    ) -> None:
        """Add all processes' sums: each does so for a slice of them, and sends that to all.

        Additions are elementwise, so that slices change no bit. A communicator that carries objects
        alone carries all sums to all.
        """
        total = self._gradient
        scatter = getattr(group.comm, "scatter_rows", None)
        if scatter is None:
            _add_all(total, abouts, group.exchange([array.copy() for array in mine]))
            return
        if self._whole is None:
            self._whole = np.zeros(total.size, np.float32)
        slices, whole = group.slices(total.size), self._whole
        own = whole[slices[group.rank]]
        if self._slice.size != own.size:
            self._slice = TreeSum(own.size)
        _add_all(self._slice, abouts, scatter(mine, slices, [len(about) for about in abouts]))
        np.copyto(own, self._slice.take())
        group.comm.gather_slices(whole, slices)  # type: ignore[attr-defined]
        total.add(whole, 0)

    def _names(self, learned: list[Learned]) -> list[Any]:
        """Return what is learned with names in the place of modules' methods."""
        names = {id(module): name for name, module in self.network.modules()}
        owners = [getattr(update, "__self__", None) for update, _ in learned]
        if not all(id(owner) in names for owner in owners):
            raise TypeError("learn: expected a method of one of the model's layers, with comm")
        return [
            ((names[id(owner)], update.__name__), arrays)
            for owner, (update, arrays) in zip(owners, learned, strict=True)
        ]

    def _begin(self, part: Batch, i: int, parts: int) -> Tape:
        """Begin the passes over a part."""
        network = self.network
        target = part.true_output() if network.is_teacher_forced else None
        how: dict[str, Any] = {"records": True, "training": True, "lengths": part.lengths}
        place = Part(i, parts, part.before, part.n, part.whole)
        tape = network.borrow(target=target, part=place, **how)
        part.begin(tape, "on", network.seed, network.samples + part.before)
        return tape


def _add_all(
    total: TreeSum, abouts: list[list[tuple[int, int]]], arrays: list[list[np.ndarray]]
) -> None:
    """Add every process's sums, of which it is known of which parts they are."""
    for about, own in zip(abouts, arrays, strict=True):
        for (first, count), array in zip(about, own, strict=True):
            total.add(array, first, count)


def add(totals: dict[str, Any], more: dict[str, Any]) -> None:
    """Add what stands under each name."""
    for name, value in more.items():
        totals[name] = totals[name] + value if name in totals else value

"""Passes over parts of a batch, whose gradients are added: what they have to know of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Learned = tuple[Callable[..., None], tuple[np.ndarray, ...]]


class Part:
    """Some of a batch's samples, on a tape of their own.

    Parameters
    ----------
    index, parts : int
        Which part it is, of how many.
    before, n : int
        How many samples of the batch come before these, and how many these are.
    whole : int
        How many the batch has.

    Attributes
    ----------
    learned : list of (callable, tuple of ndarray)
        What layers will learn from the whole batch, by which function, from the sums over its
        parts of the arrays: see `Tape.learn`.
    """

    __slots__ = ("_drawn", "before", "index", "learned", "n", "parts", "whole")

    def __init__(self, index: int, parts: int, before: int, n: int, whole: int) -> None:
        self.index, self.parts = index, parts
        self.before, self.n, self.whole = before, n, whole
        self.learned: list[Learned] = []
        self._drawn: dict[int, int] = {}

    @property
    def share(self) -> float:
        """The share of the batch that these samples are."""
        return self.n / self.whole

    def draw(self, layer: Any, count: int) -> int:
        """Return where a layer's numbers begin, of those that the whole batch takes from a stream.

        Parameters
        ----------
        layer : Module
        count : int
            How many numbers these samples take: as many each.
        """
        each, before = count // self.n, self._drawn.get(id(layer), 0)
        self._drawn[id(layer)] = before + each * self.whole
        return before + each * self.before


def learn(parts: Iterable[list[Learned]]) -> None:
    """Let layers learn from what was noted on all parts of a batch, in order."""
    for found in zip(*parts, strict=True):
        totals = [np.array(array) for array in found[0][1]]
        for _, arrays in found[1:]:
            for total, array in zip(totals, arrays, strict=True):
                total += array
        found[0][0](*totals)

"""MPI as what connects processes, with a limit on how long one may be waited for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..base import checks

LIMIT = 1800.0  # seconds: the first process may be drawing pictures meanwhile
SPIN = 0.02  # seconds of looking all the time; from then on there is a pause in between
PAUSE = 1e-3
ROWS = "all", "own"  # which samples each process has
TAGS = 1 << 14  # messages that are under way have different ones


class RankError(RuntimeError):
    """Another process of a training has failed: the message has its rank, and its traceback."""


class MPI:
    """A communicator for `fit` that doesn't wait forever.

    `fit` makes one of a communicator of mpi4py's by itself. Make one to set the limit, or to give
    each process samples of its own.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        MPI's ``COMM_WORLD`` by default. It is duplicated.
    limit : float
        For how many seconds others may be silent. A process that has waited for so long raises an
        error with the rank of the one that is missing, and MPI ends all processes when it exits.
        Callbacks and files of the first process take their time meanwhile.
    rows : {"all", "own"}
        Which samples each process is given: all of them, or a part of its own, which no other has.
        A model is trained on all rows either way. With all of them the bits don't depend on the
        number of processes; with parts of them they follow from the parts.

    Attributes
    ----------
    rank, size : int

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 12))
    >>> model = ae.VAE(ae.Dense((8,)), 2, epochs=1, random_state=0)
    >>> comm = ae.distributed.MPI(limit=60)  # doctest: +SKIP
    >>> model.fit(X, comm=comm)  # doctest: +SKIP
    >>> comm = ae.distributed.MPI(rows="own")  # doctest: +SKIP
    >>> model.fit(X[comm.rank :: comm.size], comm=comm)  # doctest: +SKIP
    """

    def __init__(self, comm: Any = None, *, limit: float = LIMIT, rows: str = ROWS[0]) -> None:
        from mpi4py import MPI as mpi

        if comm is None:
            comm = mpi.COMM_WORLD
        if not isinstance(comm, mpi.Intracomm):
            raise TypeError(f"comm: expected an intracommunicator of mpi4py's, got {comm!r}")
        self.limit = checks.real("limit", limit, 0, math.inf, above=True)
        self.rows = checks.choice("rows", rows, ROWS)
        self._mpi, self._comm = mpi, comm.Dup()
        self.rank, self.size = self._comm.rank, self._comm.size
        self._others = [i for i in range(self.size) if i != self.rank]
        self._count, self._rows = 0, np.empty((0, 0), np.float32)

    def __repr__(self) -> str:
        rows = "" if self.rows == ROWS[0] else f", rows={self.rows!r}"
        return f"MPI(limit={self.limit:g}{rows}), rank {self.rank} of {self.size}"

    def allgather(self, value: Any) -> list[Any]:
        """Return every process's value, in order of rank."""
        comm, tag, found = self._comm, self._tag(), {self.rank: value}
        sent = [comm.isend(value, dest=i, tag=tag) for i in self._others]

        def arrived(i: int) -> bool:
            if not comm.iprobe(source=i, tag=tag):
                return False
            found[i] = comm.recv(source=i, tag=tag)
            return True

        self._wait({i: partial(arrived, i) for i in self._others})
        self._wait({i: r.Test for i, r in zip(self._others, sent, strict=True)})
        return [found[i] for i in range(self.size)]

    def scatter_rows(
        self, mine: list[np.ndarray], slices: list[slice], counts: list[int]
    ) -> list[list[np.ndarray]]:
        """Return of every process's arrays of float32 this process's slice.

        Parameters
        ----------
        mine : list of ndarray, shape (width,)
        slices : list of slice
            That of each process.
        counts : list of int
            How many arrays each has.

        Returns
        -------
        list of lists of ndarray
            They are overwritten by the next call's.
        """
        comm, tag, own = self._comm, self._tag(), slices[self.rank]
        shape = (sum(counts), own.stop - own.start)
        if self._rows.shape != shape:
            self._rows = np.empty(shape, np.float32)
        ends = np.cumsum(counts)
        found = [list(self._rows[end - n : end]) for end, n in zip(ends, counts, strict=True)]
        found[self.rank] = [array[own] for array in mine]
        waits: dict[int, Callable[[], bool]] = {}
        sent = []
        for i in self._others:
            if found[i] and found[i][0].size:
                got = [comm.Irecv([array, "f"], source=i, tag=tag) for array in found[i]]
                waits[i] = partial(self._mpi.Request.Testall, got)
            sent += [
                comm.Isend([a[slices[i]], "f"], dest=i, tag=tag) for a in mine if _some(slices[i])
            ]
        self._wait(waits)
        self._wait_for(sent)
        return found

    def gather_slices(self, whole: np.ndarray, slices: list[slice]) -> None:
        """Fill an array of float32, of which this process has its slice, with those of all."""
        comm, tag = self._comm, self._tag()
        waits: dict[int, Callable[[], bool]] = {
            i: comm.Irecv([whole[slices[i]], "f"], source=i, tag=tag).Test
            for i in self._others
            if _some(slices[i])
        }
        own = slices[self.rank]
        sent = [comm.Isend([whole[own], "f"], dest=i, tag=tag) for i in self._others if _some(own)]
        self._wait(waits)
        self._wait_for(sent)

    def _wait_for(self, sent: list[Any]) -> None:
        """Wait until messages have left."""
        if sent:
            self._wait({self.rank: partial(self._mpi.Request.Testall, sent)})

    def _tag(self) -> int:
        """Return what the next messages are told apart by."""
        self._count += 1
        return self._count % TAGS

    def _wait(self, waits: dict[int, Callable[[], bool]]) -> None:
        """Wait until all are there; RankError if none of the others comes for too long."""
        started = last = time.monotonic()
        while waits:
            there = [i for i, is_there in waits.items() if is_there()]
            now = time.monotonic()
            for i in there:
                del waits[i]
                last = now
            if waits and now - last > self.limit:
                self._mpi._set_abort_status(1)  # the missing one would keep MPI from its end
                listed = ", ".join(map(str, sorted(waits)))
                raise RankError(
                    f"rank {listed} of {self.size} has been silent for {self.limit:g} seconds"
                )
            if not there and now - started > SPIN:
                time.sleep(PAUSE)


def _some(part: slice) -> bool:
    return part.stop > part.start

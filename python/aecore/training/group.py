"""Processes that train one model together: what they tell each other, and in which order.

All of them do the same, but for the passes over a batch's parts, which they share, and for what
the first alone does: callbacks, files, progress. Whatever they exchange goes through
`Group.exchange`, in the same order everywhere, so that an error of one reaches the others in place
of what they wait for.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np

from ..base import checks
from .mpi import MPI, ROWS, RankError

PARTS = 8  # of a batch, unless a model's ``accumulate`` says more

Method = TypeVar("Method", bound=Callable[..., Any])
Result = TypeVar("Result")


class Comm(Protocol):
    """What connects processes: mpi4py's communicators are of this kind.

    Attributes
    ----------
    rank, size : int
        Which of how many processes this is.
    rows : {"all", "own"}, optional
        Which samples each process has; "all" without the attribute.
    """

    rank: int
    size: int

    def allgather(self, value: Any) -> list[Any]:
        """Return every process's value, an object that can be pickled, in order of rank."""


class _Failure:
    """What a process sends in place of what the others expect."""

    def __init__(self, error: BaseException) -> None:
        import traceback

        lines = traceback.format_exception(type(error), error, error.__traceback__)
        self.text = "".join(lines).rstrip()


class Group:
    """The processes that train one model.

    Parameters
    ----------
    comm : Comm

    Attributes
    ----------
    own_rows : bool
        Whether each process has samples of its own, rather than all of them.
    """

    def __init__(self, comm: Comm) -> None:
        rank, size = getattr(comm, "rank", None), getattr(comm, "size", None)
        if not callable(getattr(comm, "allgather", None)) or rank is None or size is None:
            raise TypeError(
                "comm: expected rank, size and allgather, as mpi4py's communicators have them, got "
                f"{comm!r}"
            )
        self.comm, self.told = comm, False
        self.size = checks.integer("comm: size", size, 1)
        self.rank = checks.integer("comm: rank", rank, 0, self.size - 1)
        rows = checks.choice("comm: rows", getattr(comm, "rows", ROWS[0]), ROWS)
        self.own_rows = rows == "own"

    def mine(self, parts: int) -> range:
        """Return which of a batch's parts this process has."""
        return self.share(parts, self.rank)

    def share(self, parts: int, rank: int) -> range:
        """Return which of a batch's parts a process has."""
        return range(parts * rank // self.size, parts * (rank + 1) // self.size)

    def exchange(self, value: Any) -> list[Any]:
        """Return every process's value; RankError if one of them has failed."""
        found = self.comm.allgather(value)
        failed = [(i, v.text) for i, v in enumerate(found) if isinstance(v, _Failure)]
        if failed:
            rank, text = failed[0]
            raise RankError(f"rank {rank} of {self.size} has failed:\n{text}")
        return found

    def tell(self, error: BaseException) -> None:
        """Let the others know, who wait for something else, that this process has failed."""
        if not self.told:
            self.told = True
            self.comm.allgather(_Failure(error))

    def slices(self, width: int) -> list[slice]:
        """Return which part of an array each process adds up."""
        ends = [width * i // self.size for i in range(self.size + 1)]
        return [slice(a, b) for a, b in pairwise(ends)]

    def first(self, made: Callable[[], Result]) -> Result:
        """Let the first process alone do something; return its result."""
        result = None
        if self.rank == 0:
            with left():
                result = made()
        return self.exchange(result)[0]

    def check_same(self, facts: dict[str, Any]) -> None:
        """Raise ValueError unless all processes have the same facts, and name those that differ."""
        found = self.exchange({name: _digest(fact) for name, fact in facts.items()})
        for name in facts:
            others = [i for i, one in enumerate(found) if one[name] != found[0][name]]
            if others:
                self.told = True
                listed = ", ".join(map(str, others))
                raise ValueError(
                    f"comm: expected the same {name} in every process, got others on rank {listed} "
                    "than on rank 0"
                )


def _digest(fact: Any) -> str:
    import hashlib

    if isinstance(fact, np.ndarray):
        fact = np.ascontiguousarray(fact)
        about = f"{fact.dtype.str} {fact.shape}".encode()
        return hashlib.blake2b(about + fact.tobytes(), digest_size=16).hexdigest()
    return repr(fact)


_local = threading.local()


def current() -> Group | None:
    """Return the group that the calling thread trains in."""
    return getattr(_local, "group", None)


def has_own_rows() -> bool:
    """Return whether the calling thread trains with others that have other samples."""
    group = current()
    return group is not None and group.own_rows


def over_rows(value: Result) -> list[Result]:
    """Return what each process knows of its rows, in order; one value where all have all rows."""
    group = current()
    return group.exchange(value) if group is not None and group.own_rows else [value]


def place(n: int) -> tuple[int, int]:
    """Return how many rows the processes before this one have, whose own are n, and how many all.

    That is (0, n) where each process has all rows.
    """
    counts, group = over_rows(n), current()
    return sum(counts[: group.rank]) if group is not None and group.own_rows else 0, sum(counts)


def first(made: Callable[[], Result]) -> Result:
    """Do something, in a group in the first process alone; return its result."""
    group = current()
    return made() if group is None else group.first(made)


def by_first(method: Method) -> Method:
    """Let a method be called in the first process of a group alone."""

    @functools.wraps(method)
    def run(*args: Any) -> Any:
        return first(lambda: method(*args))

    return run  # type: ignore[return-value]


def _connected(comm: Any) -> Any:
    """Return what connects processes by a communicator: mpi4py's have no limit of their own."""
    return MPI(comm) if type(comm).__module__.startswith("mpi4py.") else comm


@contextlib.contextmanager
def left() -> Iterator[None]:
    """Let the thread work alone in this context, as what is trained in it is the thread's own."""
    before, _local.group = current(), None
    try:
        yield
    finally:
        _local.group = before


@contextlib.contextmanager
def joined(comm: Comm | None) -> Iterator[None]:
    """Let the thread train with other processes in this context; None changes nothing.

    An error ends it in all of them: as itself where it was raised, as `RankError` elsewhere.
    """
    if comm is None:
        yield
        return
    group, before = Group(_connected(comm)), current()
    _local.group = group
    try:
        yield
        group.exchange(None)  # so that whoever fails last is heard
    except RankError:
        raise  # the others know
    except BaseException as error:
        group.tell(error)
        raise
    finally:
        _local.group = before

"""Runs of many inputs: what is counted, what is a fault, and how an input is found again."""

from __future__ import annotations

import collections
import faulthandler
import mmap
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

KEPT = Path(__file__).parents[2] / "build" / "fuzz"
FREE = 512 << 20  # bytes that an input may take
SECONDS = 10  # of the processor that an input may take
WAIT = 300  # seconds that it may take on a busy machine
EACH = 30  # seconds between two lines of progress


class Hang(BaseException):
    """An input takes too long."""


class Run:
    """Tries inputs, each made from its number alone, and notes what isn't as it should be.

    Parameters
    ----------
    command : str
    n : int
        How many inputs.
    seed : str
    first : int
        The number of the first one.
    """

    def __init__(self, command: str, n: int, seed: str, first: int) -> None:
        self.command, self.n, self.seed, self.first = command, n, seed, first
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: dict[str, int] = {}
        self.done, self.slowest = 0, (0.0, first)
        self.began = time.monotonic()
        faulthandler.enable()
        warnings.simplefilter("error")
        for over in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(over, _hang)
        self.over = False
        for asked in (signal.SIGINT, signal.SIGTERM):
            signal.signal(asked, self._end)
        KEPT.mkdir(parents=True, exist_ok=True)
        with open(KEPT / f"{command}.at", "ab+") as file:
            file.truncate(24)  # never less: another run may have it too
            self._at = mmap.mmap(file.fileno(), 24)  # the input's number, after a crash too

    def inputs(self, attempt: Callable[[int], str], each: int = 1) -> None:
        """Try inputs.

        Parameters
        ----------
        attempt : callable
            Takes an input's number, returns in a word what came of it, and raises what is a fault.
        each : int
            How many inputs a number stands for.
        """
        told, most = self.began, _largest()
        for i in range(self.first, self.first + max(1, self.n // each)):
            self._at[:] = b"%-24d" % i
            signal.setitimer(signal.ITIMER_PROF, SECONDS * each)
            signal.setitimer(signal.ITIMER_REAL, WAIT * each)
            started = time.perf_counter()
            try:
                self.counts[attempt(i)] += each
                if i % 100 == 0 and _largest() > most + FREE:  # one of the last hundred
                    most = _largest()
                    raise MemoryError("it took more memory than it may")
            except BaseException as error:
                self._note(error, i)
            finally:
                for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
                    signal.setitimer(timer, 0)
            self.slowest = max(self.slowest, (time.perf_counter() - started, i))
            self.done += each
            if self.over:
                break
            if time.monotonic() - told > EACH:
                told = time.monotonic()
                print(f"  {self.done} in {told - self.began:.0f} s", flush=True)

    def _end(self, *_: object) -> None:
        """End after this input, and say how far it came."""
        self.over = True

    def _note(self, error: BaseException, i: int) -> None:
        last = traceback.extract_tb((error.__cause__ or error).__traceback__)[-1]
        where = f"{type(error).__name__} in {last.filename}:{last.lineno}"
        self.counts["FAULTS"] += 1
        self.faults[where] = self.faults.get(where, 0) + 1
        if self.faults[where] == 1:
            again = f"make fuzz ARGS='{self.command} 1 {self.seed} {i}'"
            print(f"** {where}: {str(error)[:3000]}\n   again: {again}", flush=True)

    def finish(self) -> int:
        """Say what was done; return 1 if there were faults, else 0."""
        for what, count in sorted(self.counts.items()):
            print(f"  {count:9} {what}")
        seconds, i = self.slowest
        print(f"  the slowest, {i}, took {1e3 * seconds:.0f} ms; {_largest() >> 20} MB in all")
        print(
            f"{self.command}: {self.done} inputs in {time.monotonic() - self.began:.0f} s, from "
            f"{self.first} of seed {self.seed}{', sanitized' if sanitized() else ''}: "
            f"{sum(self.faults.values())} faults of {len(self.faults)} kinds",
            flush=True,
        )
        return int(bool(self.faults))


def bound_memory() -> None:
    """Let this process take no more than FREE bytes more, where no sanitizer takes terabytes."""
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    if not sanitized():
        resource.setrlimit(resource.RLIMIT_AS, (taken + FREE, resource.RLIM_INFINITY))


def sanitized() -> bool:
    """Return whether this process runs under AddressSanitizer."""
    with open("/proc/self/maps") as file:
        return "libasan" in file.read()


def _largest() -> int:
    """Return the most memory that this process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _hang(*_: object) -> None:
    raise Hang(f"more than {SECONDS} s of the processor, or {WAIT} s in all")

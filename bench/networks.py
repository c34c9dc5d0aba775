"""Networks, by what a message takes, and communicators of `fit` that play them.

Each process has a link of its own, which sends and receives at once, and nothing else is on it:
m messages of b bytes in all take m * latency + b / bandwidth.
"""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

SPUN = 5e-4  # seconds: sleep may take as much longer than it was told, so the last of a pause spins


@dataclass(frozen=True)
class Network:
    """What a link can do.

    Attributes
    ----------
    name : str
    bandwidth : float
        Bytes a second, of what a program sends.
    latency : float
        Seconds of a message beside its bytes.
    source : str
        Where these two come from.
    """

    name: str
    bandwidth: float
    latency: float
    source: str

    def seconds(self, messages: float, volume: float) -> float:
        """Return how long a process's messages take."""
        return messages * self.latency + volume / self.bandwidth


FRAMES = "1448 of the 1538 bytes of an Ethernet frame are TCP's payload"
ETHERNET = f"{FRAMES}; latency assumed, that of TCP through a switch"
NETWORKS = (
    Network("1 GbE", 117e6, 50e-6, ETHERNET),
    Network("10 GbE", 1.17e9, 20e-6, ETHERNET),
    Network(
        "InfiniBand HDR",
        24e9,
        2e-6,
        "96 % of the 200 Gbit/s of four lanes; latency assumed, that of a small message",
    ),
)


class Alone:
    """The first of some processes to whom the others send nothing: its own share of each step.

    Attributes
    ----------
    told : int
        Bytes of what it has told of its gradients in a step, and of its sums.
    """

    def __init__(self, size: int) -> None:
        self.rank, self.size, self.told = 0, size, 0

    def allgather(self, value: Any) -> list[Any]:
        others = value
        if isinstance(value, tuple) and value[0]:  # of a step: nodes of the tree, and sums
            others, self.told = ([], []), self.told or len(pickle.dumps(value))
        return [value, *[others] * (self.size - 1)]

    def scatter_rows(
        self, mine: list[np.ndarray], slices: list[slice], counts: list[int]
    ) -> list[list[np.ndarray]]:
        return [[array[slices[0]] for array in mine], *[[]] * (self.size - 1)]

    def gather_slices(self, whole: np.ndarray, slices: list[slice]) -> None:
        pass


class Slow:
    """A communicator that takes as much longer than another as a network would.

    Parameters
    ----------
    comm : Comm
        With ``scatter_rows`` and ``gather_slices``, as `aecore.distributed.MPI` has them.
    network : Network, optional
        None adds nothing.

    Attributes
    ----------
    messages, volume : int
        What this process has sent so far: messages, and bytes.
    cpu : float
        Seconds of CPU time that this took, waiting for others included.
    """

    def __init__(self, comm: Any, network: Network | None = None) -> None:
        self.comm, self.network = comm, network
        self.rank, self.size = comm.rank, comm.size
        self.messages, self.volume, self.cpu = 0, 0, 0.0

    def allgather(self, value: Any) -> list[Any]:
        begun = time.process_time()
        found = self.comm.allgather(value)
        others = self.size - 1
        self._sent(others, others * len(pickle.dumps(value)), begun)
        return found

    def scatter_rows(
        self, mine: list[np.ndarray], slices: list[slice], counts: list[int]
    ) -> list[list[np.ndarray]]:
        begun = time.process_time()
        found = self.comm.scatter_rows(mine, slices, counts)
        others = [s.stop - s.start for i, s in enumerate(slices) if i != self.rank]
        self._sent(len(mine) * len(others), 4 * len(mine) * sum(others), begun)
        return found

    def gather_slices(self, whole: np.ndarray, slices: list[slice]) -> None:
        begun = time.process_time()
        self.comm.gather_slices(whole, slices)
        own, others = slices[self.rank], self.size - 1
        self._sent(others, 4 * (own.stop - own.start) * others, begun)

    def _sent(self, messages: int, volume: int, begun: float) -> None:
        """Note what was sent, and wait until the network has carried it."""
        self.messages += messages
        self.volume += volume
        if self.network is not None:
            until = time.perf_counter() + self.network.seconds(messages, volume)
            while (left := until - time.perf_counter()) > 0:
                if left > SPUN:
                    time.sleep(left - SPUN)
        self.cpu += time.process_time() - begun

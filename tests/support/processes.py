"""Processes that train together, played by threads: what `fit(comm=)` asks of a communicator."""

import threading

SECONDS = 60  # until a test that hangs fails


class Exchange:
    """What the communicators of one group share."""

    def __init__(self, size):
        self.size, self.values = size, [None] * size
        self.barrier = threading.Barrier(size)


class Comm:
    """One process's communicator."""

    def __init__(self, exchange, rank):
        self.exchange, self.rank, self.size = exchange, rank, exchange.size

    def allgather(self, value):
        self.exchange.values[self.rank] = value
        self.exchange.barrier.wait(SECONDS)
        found = list(self.exchange.values)
        self.exchange.barrier.wait(SECONDS)
        return found


def together(size, work):
    """Return what work(comm) gives in each of some processes, or the error that it raises."""
    exchange, found = Exchange(size), [None] * size

    def run(rank):
        try:
            found[rank] = work(Comm(exchange, rank))
        except BaseException as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found

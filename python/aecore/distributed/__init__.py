"""Training by several processes: what connects them (see the ``comm`` of ``fit``)."""

from ..training.mpi import MPI, RankError

__all__ = ["MPI", "RankError"]

"""Beyond one process: MPI for training (see the ``comm`` of ``fit``), and dask's collections.

`aecore.distributed.dask` is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..training.mpi import MPI, RankError

if TYPE_CHECKING:
    from . import dask as dask

__all__ = ["MPI", "RankError", "dask"]


def __getattr__(name: str) -> Any:
    if name == "dask":
        return importlib.import_module(".dask", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""Odd steps of long series, found by autoencoders over their windows."""

from .detector import SeriesDetector
from .stream import SeriesStream

__all__ = ["SeriesDetector", "SeriesStream"]


def __dir__() -> list[str]:
    return __all__

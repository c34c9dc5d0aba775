"""What samples are made of, whatever people have: arrays, frames, files, pictures.

Models take most of it as it is; what has to be prepared first is here.
"""

from .cropping import crops

__all__ = ["crops"]


def __dir__() -> list[str]:
    return __all__

"""Tables with columns of different types, and their encoding as numbers.

`source` reads a data frame, structured array or matrix by columns, `columns` encodes each type of
column, `layout` encodes a whole table, `frames` writes results in the container that came, and
`scaling` scales tables robustly. Nothing here knows of networks.
"""

from .layout import Layout
from .source import Table

__all__ = ["Layout", "Table"]


def __dir__() -> list[str]:
    return __all__

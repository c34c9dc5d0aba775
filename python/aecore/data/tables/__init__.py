"""Tables with columns of different kinds: how they are read, and as what numbers.

`source` takes a data frame, structured array or matrix apart into columns and puts results back
together, `columns` has the kinds of columns and what each learns, `layout` is a whole table.
Nothing here knows of networks.
"""

from .layout import Layout
from .source import Table

__all__ = ["Layout", "Table"]

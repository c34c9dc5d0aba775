"""How models of tables read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base import names as column_names
from ..arrays import Data
from ..readers import Reader
from . import Layout, Table
from .samples import TableData
from .summary import TableSummary

HISTOGRAM = "histogram"  # of the numbers of a column, as a model's parameter says
TABLE = "table"  # in a file: what was learned of the columns


class TableReader(Reader):
    """Reads tables as `fit` has learned their columns.

    Attributes
    ----------
    layout : Layout
    """

    keys = (TABLE,)
    params = ("categorical", "numbers", "constraints")

    def __init__(self, layout: Layout) -> None:
        super().__init__((len(layout.columns),))
        self.layout = layout

    @classmethod
    def fresh(cls, model: Any, X: Any, mask: Any = None, name: str = "X") -> TableData:
        """Read a table, and learn the kinds of its columns."""
        table = Table(X, mask, name=name)
        binned, constraints = model.numbers == HISTOGRAM, getattr(model, "constraints", None)
        layout = Layout.learn(table, model.categorical, binned, constraints)
        return TableData(layout.matrix(table), layout, _names(table.names))

    @classmethod
    def look(cls, model: Any, X: Any, mask: Any = None) -> Any:
        """Return some rows of a table whose columns are to be learned from all."""
        return Table(X, mask)

    @classmethod
    def summary(cls, model: Any) -> TableSummary:
        """Return what takes note of such rows."""
        if getattr(model, "constraints", None):
            raise ValueError("constraints: expected none for rows that come in parts, got some")
        return TableSummary(model.categorical, model.numbers == HISTOGRAM)

    @classmethod
    def of(cls, model: Any, data: Any) -> TableReader:
        """Return what was learned of a table's columns."""
        return cls(data.layout)

    def read(
        self,
        model: Any,
        X: Any,
        mask: Any = None,
        name: str = "X",
        longer: bool = False,
        sized: Any = None,
    ) -> TableData:
        """Read a table whose columns must be those in `fit`, by name or in order."""
        return self._data(model, Table(X, mask, name=name))

    def more(self, model: Any, X: Any, mask: Any = None) -> TableData:
        """Read a table to go on training with, which must meet the constraints, too."""
        return self._data(model, Table(X, mask), strict=True)

    def one(self, model: Any, x: Any, name: str, takes: Any = None) -> TableData:
        """Read a table of one row, or a row."""
        if hasattr(x, "to_frame") and not hasattr(x, "columns"):  # of a data frame of pandas
            x = x.to_frame().T
        if isinstance(x, np.void):  # of a structured array
            x = np.array([x], x.dtype)
        elif isinstance(x, (np.ndarray, list, tuple)) and np.ndim(x) == 1:
            named = isinstance(x, np.ndarray) and x.dtype.names is not None
            x = x if named else [x] if not isinstance(x, np.ndarray) else x[None]
        table = Table(x, name=name)
        if len(table) != 1:
            raise ValueError(f"{name}: expected one row of a table, got {len(table)}")
        return self._data(model, table)

    def _data(self, model: Any, table: Table, strict: bool = False) -> TableData:
        layout = self.layout
        places = layout.places(table)
        seen, new = layout.names, table.names
        if seen is not None and new is not None and column_names.are_others(seen, new):
            start = "" if table.name == "X" else f"{table.name}: "
            raise ValueError(start + column_names.other_names(seen, new))
        if table.shape[1] != len(layout.columns):
            raise ValueError(
                f"{table.name} has {table.shape[1]} features, but {type(model).__name__} is "
                f"expecting {len(layout.columns)} features as input."
            )
        names = layout.names if places is not None else table.names
        return TableData(layout.matrix(table, places, strict), layout, _names(names))

    def samples(self, values: np.ndarray, data: Data | None = None) -> Any:
        """Return likeliest cells (N, C), as the layout numbers them, as what fit was given."""
        return self.layout.table(values)

    def describe(self) -> dict[str, Any]:
        """Return what a file has of the layout."""
        return {TABLE: self.layout.describe()}

    @classmethod
    def restored(cls, model: Any, shape: tuple[int, ...], found: dict[str, Any]) -> TableReader:
        """Return the reader that a file describes."""
        reader = cls(Layout.read(found.get(TABLE)))
        if shape != reader.shape:
            raise ValueError(f"{TABLE}: expected a column for each feature")
        return reader


def _names(names: list[Any] | None) -> np.ndarray | None:
    return None if names is None else column_names.as_array(names)

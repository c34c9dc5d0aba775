"""How good synthetic tables are.

`tables` encodes the tables, `shapes` compares columns and pairs of them, `learned` asks models,
`closest` measures distances of rows, and `report` puts all together.
"""

from .report import SyntheticReport, synthetic_report

__all__ = ["SyntheticReport", "synthetic_report"]


def __dir__() -> list[str]:
    return __all__

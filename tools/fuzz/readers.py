"""Give fitted models equal values in other types, layouts and containers.

The properties, and what is allowed, are those of tests/support/properties.py, of which the tests
have some hundred examples; here hypothesis draws as many as wanted, a hundred at a time.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from runs import Run
from support import properties

EACH = 100


def main(n: int, start: str, first: int) -> int:
    names = list(properties.PROPERTIES)
    profile = settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )

    def attempt(i: int) -> str:
        name = names[i % len(names)]
        count = 0

        def counted(data: st.DataObject) -> None:
            nonlocal count
            count += 1
            properties.PROPERTIES[name](data)

        seed(int(start) + i)(profile(given(st.data())(counted)))()
        return name

    run = Run("readers", n, start, first)
    run.inputs(attempt, EACH)
    return run.finish()

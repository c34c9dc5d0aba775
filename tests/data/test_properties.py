"""Equal values in any type, layout and container, as `make fuzz ARGS=readers` draws more of."""

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import properties

EXAMPLES = 40


@pytest.mark.parametrize("name", properties.PROPERTIES)
def test_equal_values_are_equal_in_any_form(name):
    if name in ("names", "tables"):
        pytest.importorskip("pandas")
    check = properties.PROPERTIES[name]
    profile = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    profile(given(st.data())(check))()

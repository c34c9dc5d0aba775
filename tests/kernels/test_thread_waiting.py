"""How OpenMP's threads wait: briefly, unless the user says otherwise."""

import os
import subprocess
import sys

import aecore as ae
import pytest

pytestmark = pytest.mark.skipif(not ae.build_info()["openmp"], reason="built without OpenMP")

CODE = """
import os, sys
sys.stderr.write("before=" + str(os.environ.get("GOMP_SPINCOUNT")) + "\\n")
import aecore
sys.stderr.write("after=" + str(os.environ.get("GOMP_SPINCOUNT")) + "\\n")
"""


def settings(**variables):
    """Load the core in a fresh process; return what OpenMP says of itself, and our two lines."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    env |= {"OMP_DISPLAY_ENV": "VERBOSE", **variables}
    run = subprocess.run(
        [sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True
    )
    if "GOMP_SPINCOUNT" not in run.stderr:
        pytest.skip("another OpenMP than GNU's")
    return run.stderr.replace("'", "")


def test_threads_spin_briefly_and_the_environment_stays_as_it_was():
    shown = settings()
    assert "GOMP_SPINCOUNT = 1000" in shown
    assert "before=None" in shown and "after=None" in shown


def test_the_users_settings_win():
    shown = settings(GOMP_SPINCOUNT="7000")
    assert "GOMP_SPINCOUNT = 7000" in shown and "after=7000" in shown
    shown = settings(OMP_WAIT_POLICY="passive")
    assert "GOMP_SPINCOUNT = 0" in shown and "after=None" in shown

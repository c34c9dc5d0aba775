"""Processes that are killed at random moments lose nothing, and trainings go on to the same bits.

`make kills` kills 1,000.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).parents[1] / "support" / "kills.py"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_and_resumed():
    command = [sys.executable, KILLS, "32", "0"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, (run.stdout[-3000:], run.stderr[-3000:])
    assert run.stdout.startswith("kills: 32 in ") and run.stdout.endswith(", 0 faults\n")

"""Disks that are full, or can't be written to: nothing is lost; `make disks` tries 1,000 times."""

import subprocess
import sys
from pathlib import Path

import pytest

DISKS = Path(__file__).parents[1] / "support" / "disks.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a file system")
def test_disks_that_are_full():
    pytest.importorskip("matplotlib")
    command = [sys.executable, DISKS, "45", "0"]  # three times each of what writes
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, (run.stdout[-3000:], run.stderr[-3000:])
    assert run.stdout.startswith("disks: 45 writes, ") and ", 0 faults" in run.stdout

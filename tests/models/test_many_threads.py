"""Threads that work at once give the bits that one gives alone; `make threads` does much more."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "support" / "threads.py"


def test_threads_at_once_give_the_bits_of_one():
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "4", "1", "120"], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.endswith("s\n") and "had 120 answers" in run.stdout

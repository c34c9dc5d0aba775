"""How the core's threads wait: for some time, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

# What the helpers of a call do in the second after it, in ticks of their CPUs (10 ms as a rule).
CODE = """
import os, threading, time
import numpy as np
from aecore import _core

def ticks():
    found = {}
    for task in os.listdir("/proc/self/task"):
        if int(task) != os.getpid():
            with open(f"/proc/self/task/{task}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            found[task] = int(fields[11]) + int(fields[12])
    return found

x, w = np.ones((600, 300), np.float32), np.ones((200, 300), np.float32)
y, ws = np.empty((600, 200), np.float32), _core.Workspace(2)
_core.linear(y, x, w, None, None, False, None, None, ws)
before = ticks()
time.sleep(1)
print(len(before), sum(ticks().values()) - sum(before.values()))
"""


def helpers(**variables):
    """Return how many helpers a call leaves, and how many ticks they take in a second after it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")} | variables
    env["OPENBLAS_NUM_THREADS"] = "1"  # NumPy's would be counted
    command = [sys.executable, "-c", CODE]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return map(int, run.stdout.split())


@pytest.mark.parametrize("policy", [{}, {"OMP_WAIT_POLICY": "passive"}])
def test_a_thread_without_work_sleeps(policy):
    count, taken = helpers(**policy)
    assert count == 1 and taken <= 5


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU: nobody spins there")
def test_the_user_may_let_them_spin():
    count, taken = helpers(OMP_WAIT_POLICY="active")
    assert count == 1 and taken >= 5

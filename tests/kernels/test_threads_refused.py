"""A system that gives no threads, and processes that fork while threads work."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="its limits")

LIMITS = {
    "address space": """
now = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (now + 40 * 2**20,) * 2)
""",
    "processes": """
if os.getuid() == 0:
    os.setuid(54321)
resource.setrlimit(resource.RLIMIT_NPROC, (int(sys.argv[1]),) * 2)
""",
}
REFUSED = """
import os, resource, sys
import numpy as np
from aecore import _core

x, w = np.ones((600, 300), np.float32), np.ones((200, 300), np.float32)

def linear(ws):
    y = np.empty((600, 200), np.float32)
    _core.linear(y, x, w, None, None, False, None, None, ws)
    return y

def threads():
    return len(os.listdir("/proc/self/task"))

alone, many = _core.Workspace(1), _core.Workspace(16)
wanted = linear(alone)
LIMIT
for _ in range(3):
    assert np.array_equal(linear(many), wanted)
print("threads", threads())
"""
FORK = """
import os, sys, threading, time
import numpy as np
from aecore import _core

x, w = np.ones((4000, 700), np.float32), np.ones((600, 700), np.float32)
ws, packed = _core.Workspace(1), _core.Packed()

def linear(rows):
    y = np.empty((rows, 600), np.float32)
    _core.linear(y, x[:rows], w, None, None, False, None, packed, ws)
    return y

over = False
wanted = linear(50)

def work():
    while not over:
        linear(4000)

thread = threading.Thread(target=work)
thread.start()
busy, ends = 0, []
while busy < 5:
    time.sleep(0.003)
    try:
        linear(1)
        continue  # the other thread is between two calls
    except RuntimeError:
        busy += 1
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        same = np.array_equal(linear(50), wanted)
        if grandchild == 0:
            os._exit(not same)
        os._exit(not same or os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
over = True
thread.join()
print(ends)
"""


def run(code, *arguments):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("limit, most", [("address space", 0), ("processes", 1), ("processes", 6)])
def test_fewer_threads_where_the_system_gives_fewer(limit, most):
    done = run(REFUSED.replace("LIMIT", LIMITS[limit]), str(most))
    assert done.returncode == 0, (done.returncode, done.stderr)
    if limit == "processes" and os.getuid() == 0:
        assert int(done.stdout.split()[1]) <= most + 1


def test_a_child_takes_what_a_thread_had_when_the_process_forked():
    done = run(FORK)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert done.stdout.strip() == "[0, 0, 0, 0, 0]"

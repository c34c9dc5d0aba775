"""Another thread may write into an array of indices while a call runs: any numbers, no crash."""

import subprocess
import sys

import pytest

CHILD = """
import sys, threading, time
import numpy as np
import aecore.functional as F

def ones(*shape):
    return np.ones(shape, np.float32)

N = 20_000
CALLS = {
    "embedding": (N, 1, lambda i: F.embedding(i, ones(8, 16))),
    "embedding_backward": (N, 1, lambda i: F.embedding_backward(ones(N, 16), i, ones(8, 16))),
    "vector_quantize_backward": (N, 1, lambda i: F.vector_quantize_backward(
        ones(N, 8), ones(N, 8), ones(8, 8), i)),
    "cross_entropy": (N, 1, lambda i: F.cross_entropy(ones(N, 8), i)),
    "cross_entropy_backward": (N, 1, lambda i: F.cross_entropy_backward(ones(N), ones(N, 8), i)),
    "attention": (500, 9, lambda i: F.attention(*3 * [ones(500, 9, 2, 8)], lengths=i)),
    "attention_backward": (500, 9, lambda i: F.attention_backward(
        *4 * [ones(500, 9, 2, 8)], lengths=i)),
    "lstm": (500, 9, lambda i: F.lstm(ones(500, 9, 4), ones(32, 4), ones(32, 8), lengths=i)),
    "lstm_backward": (500, 9, lambda i: F.lstm_backward(
        ones(500, 9, 8), ones(500, 9, 4), ones(32, 4), ones(32, 8), lengths=i)),
}
size, good, call = CALLS[sys.argv[1]]
index = np.full(size, good)
over = False

def change():
    while not over:
        for wrong in (2**36, -(2**36), 2**62):
            index[::7] = wrong
            index[::7] = good

writer = threading.Thread(target=change)
writer.start()
done = refused = 0
end = time.monotonic() + 1.0
while time.monotonic() < end or done < 3:
    try:
        call(index)
        done += 1
    except ValueError:
        refused += 1
over = True
writer.join()
print(done, refused)
"""
FUNCTIONS = [
    "embedding", "embedding_backward", "vector_quantize_backward", "cross_entropy",
    "cross_entropy_backward", "attention", "attention_backward", "lstm", "lstm_backward",
]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_indices_that_change_meanwhile(name):
    run = subprocess.run(
        [sys.executable, "-c", CHILD, name], capture_output=True, text=True, timeout=100
    )
    assert run.returncode == 0, (run.returncode, run.stderr)

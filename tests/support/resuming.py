"""Training that goes on in another process, and all that two models must share to be the same."""

import subprocess
import sys

import aecore as ae
import numpy as np

SCRIPT = """
import sys
import numpy as np
import aecore as ae
path, epochs = sys.argv[1:]
data = np.load(path + ".npz")
y = data["y"] if "y" in data else None
ae.load(path).set_params(warm_start=True, epochs=int(epochs)).fit(data["X"], y).save(path)
"""


def state(model):
    """Return all that training changes, as bytes, and the record but for the time it took."""
    network = model._network
    arrays = {k: v.tobytes() for k, v in network.arrays().items()}
    history = [{k: v for k, v in r.items() if k != "seconds"} for r in model.history_]
    return arrays, history, (network.steps, network.samples, network.epoch)


def resumed(model, path, epochs, X, y=None):
    """Return the model that more epochs in a new process make of a fitted one."""
    model.save(path)
    np.savez(f"{path}.npz", X=X, **({} if y is None else {"y": y}))
    subprocess.run([sys.executable, "-c", SCRIPT, path, str(epochs)], check=True)
    return ae.load(path)

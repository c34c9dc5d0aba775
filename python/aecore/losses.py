r"""What a reconstruction is measured by, and what the decoder's output means under it.

With x the sample, o the decoder's output and the sum over a sample's features, those that
`sample_mask` leaves out not counted:

================  ==========================================  ================  ==================
name              loss                                        reconstruction    likelihood
================  ==========================================  ================  ==================
mse               :math:`\sum (x - o)^2`                      o                 normal, variance ½
l1                :math:`\sum |x - o|`                        o                 Laplace, scale 1
huber             :math:`\sum h(x - o)`, quadratic within 1   o                 in between
bce               :math:`-\sum x \ln p + (1 - x) \ln (1-p)`   p = sigmoid(o)    Bernoulli
cross_entropy     :math:`-\sum x \ln p`, x one-hot            p = softmax(o)    categorical
================  ==========================================  ================  ==================

A loss is the negative log-likelihood in nats up to a constant per feature that models leave out:
ln(π)/2 for mse, ln 2 for l1, 0 for bce on binary data and for cross_entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from . import _check, _core, _workspace

if TYPE_CHECKING:
    from .training.data import Data

KERNELS = {"mse": "mse", "l1": "l1", "huber": "huber", "bce": "bce_with_logits"}
NAMES = (*KERNELS, "cross_entropy")
LINKS = {"bce": "sigmoid", "cross_entropy": "softmax"}  # from the decoder's output to data
DELTA = 1.0  # where huber turns from a square into a line

Scratch = Callable[..., np.ndarray]


class Loss:
    """One of the losses, for samples of one shape.

    Arrays are two-dimensional here: n samples of F features each, float32 and C-contiguous.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    shape : tuple of int
        The shape of a sample.
    """

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name = _check.choice("loss", name, NAMES)
        self.classes = shape[-1]  # of each one-hot group, where the loss is cross_entropy

    def check(self, data: Data, name: str) -> None:
        """Raise ValueError if the samples can't be targets of the loss."""
        if self.name == "bce" and (data.low < 0 or data.high > 1):
            raise ValueError(
                f"{name}: loss='bce' expects values in [0, 1], got {data.low:g} to {data.high:g}: "
                "scale them, or use loss='mse'"
            )
        if self.name == "cross_entropy":
            self._check_one_hot(data, name)

    def _check_one_hot(self, data: Data, name: str) -> None:
        e = self.classes
        if e < 2:
            raise ValueError(
                f"{name}: loss='cross_entropy' expects one-hot vectors of at least 2 classes along "
                f"the last axis, got an axis of {e}"
            )
        for start, block, mask in data.blocks():
            groups = block.reshape(-1, e)
            ok = ((groups == 0) | (groups == 1)).all(1) & (groups.sum(1) == 1)
            if mask is not None:
                seen = mask.reshape(-1, e)
                if (seen != seen[:, :1]).any():
                    raise ValueError(
                        "sample_mask: loss='cross_entropy' expects a one-hot vector to be observed "
                        "wholly or not at all"
                    )
                ok |= ~seen[:, 0]
            if not ok.all():
                row = start + int(np.flatnonzero(~ok)[0]) // (data.features // e)
                raise ValueError(
                    f"{name}: loss='cross_entropy' expects one-hot vectors along the last axis, "
                    f"got something else in row {row}"
                )

    def per_sample(
        self,
        loss: np.ndarray | None,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
    ) -> None:
        """Write each sample's loss (n,) and its gradient times the sample's weight (n, F)."""
        ws = _workspace.current()
        if self.name in KERNELS:
            kernel = KERNELS[self.name]
            _core.loss(kernel, loss, grad, weight, output, target, mask, DELTA, ws)
            return
        groups = (len(output), output.shape[1] // self.classes, self.classes)
        labels = scratch("labels", groups[:2], np.int64)
        np.argmax(target.reshape(groups), axis=2, out=labels)
        seen = None
        if mask is not None:
            seen = scratch("seen", groups[:2])
            np.copyto(seen, mask.reshape(groups)[:, :, 0])
        dx = None if grad is None else grad.reshape(groups)
        _core.cross_entropy(loss, dx, weight, output.reshape(groups), labels, seen, ws)

    def per_feature(self, out: np.ndarray, output: np.ndarray, target: np.ndarray) -> None:
        """Write what each feature adds to its sample's loss, (n, F)."""
        ws = _workspace.current()
        if self.name in KERNELS:
            kernel, single = KERNELS[self.name], (out.size, 1)
            x, t = output.reshape(single), target.reshape(single)
            _core.loss(kernel, out.reshape(-1), None, None, x, t, None, DELTA, ws)
            return
        groups = (out.size // self.classes, 1, self.classes)
        labels = target.reshape(groups).argmax(2)
        nats = np.empty(len(labels), np.float32)
        _core.cross_entropy(nats, None, None, output.reshape(groups), labels, None, ws)
        np.multiply(target.reshape(-1, self.classes), nats[:, None], out.reshape(-1, self.classes))

    def to_data(self, output: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Turn the decoder's output into reconstructions, in place unless `out` is given."""
        out = output if out is None else out
        if self.name == "bce":
            _core.activation(out, output, "sigmoid", _workspace.current())
        elif self.name == "cross_entropy":
            x, y = output.reshape(-1, self.classes), out.reshape(-1, self.classes)
            np.subtract(x, x.max(1, keepdims=True), out=y)
            np.exp(y, out=y)
            y /= y.sum(1, keepdims=True)
        elif out is not output:
            np.copyto(out, output)
        return out

    def squared_error(
        self,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
        grad: np.ndarray | None = None,
    ) -> float:
        """Return the sum of squared errors of the reconstructions of n samples.

        `grad` is the gradient of their mean loss, if it is known: for bce it is the errors over n.
        """
        if grad is not None and self.name == "bce":
            return len(output) ** 2 * float(_core.sum_squares(grad, _workspace.current()))
        x = self.to_data(output, scratch("rebuilt", output.shape))
        errors = scratch("errors", (len(output),))
        _core.loss("mse", errors, None, None, x, target, mask, DELTA, _workspace.current())
        return float(errors.sum(dtype=np.float64))

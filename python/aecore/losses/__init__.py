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
gaussian          :math:`\sum (x - o)^2 / 2\sigma^2           o                 normal, variance
                  + \ln \sigma \sqrt{2\pi}`                                     :math:`\sigma^2`
================  ==========================================  ================  ==================

Tables with columns of several kinds have ``mixed``, see `aecore.losses.mixed`: gaussian for numbers
with a deviation for each column, bce and cross_entropy for categories.

A loss is the negative log-likelihood in nats up to a constant per feature that models leave out:
ln(π)/2 for mse, ln 2 for l1, 0 for bce on binary data, for cross_entropy and for gaussian.

The deviation σ of gaussian is one number for all features, learned with the network as its
logarithm. It begins as the deviation of the data and ends as that of the errors, so that nobody has
to weigh reconstruction against the other terms by hand (O. Rybkin, K. Daniilidis and S. Levine,
"Simple and effective VAE training with calibrated decoders", ICML 2021). It is a density: where the
errors shrink, the loss falls below zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core
from ..base import checks, runtime
from ..base.sums import sum_of
from ..data.arrays import Data
from ..data.batches import Batch
from ..nn.module import Module
from ..nn.ops import losses
from ..nn.ops.losses import DELTA, HALF_LOG_2PI, Late
from ..nn.ops.sequences import apply_link
from ..nn.parameter import Parameter
from ..nn.tape import Shape, Value

KERNELS = {"mse": "mse", "l1": "l1", "huber": "huber", "bce": "bce_with_logits"}
NAMES = (*KERNELS, "cross_entropy", "gaussian")
LINKS = {"bce": "sigmoid", "cross_entropy": "softmax"}  # from the decoder's output to data


class Likelihood(Module):
    """What the gaussian loss learns: the logarithm of one deviation for all features.

    Attributes
    ----------
    log_sigma : Parameter, shape (1,)
    """

    def __init__(self) -> None:
        self.log_sigma = Parameter((1,), fill=0.0)

    def start(self, batch: Batch) -> None:
        """Begin with the deviation of a batch's values about their features' means."""
        values = batch.target
        seen = np.ones_like(values) if batch.mask is None else batch.mask
        if batch.weight is not None:
            seen = seen * batch.weight[:, None]
        counts = seen.sum(0, dtype=np.float64)
        counts[counts == 0] = 1
        mean = (values * seen).sum(0, dtype=np.float64) / counts
        square = ((values - mean) ** 2 * seen).sum() / (float(seen.sum()) or 1.0)
        self.log_sigma.value.fill(math.log(square) / 2 if square > 0 else 0.0)

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        """Say how it is called in PyTorch."""
        walk.inside(self, name)
        return 1


def learned_by(name: str) -> dict[str, Module]:
    """Return the part that a network has for a loss to learn, if any."""
    return {"likelihood": Likelihood()} if name == "gaussian" else {}


class Loss:
    """One of the losses, for samples of one shape.

    Arrays are two-dimensional here: n samples of F features each, float32 and C-contiguous.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    shape : tuple of int
        The shape of a sample.
    likelihood : Likelihood, optional
        What has been learned, where the loss is gaussian.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], likelihood: Likelihood | None = None
    ) -> None:
        self.name = checks.choice("loss", name, NAMES)
        self.likelihood = likelihood
        self.classes = shape[-1]  # of each one-hot group, where the loss is cross_entropy

    def check(self, data: Data, name: str) -> None:
        """Raise ValueError if the samples can't be targets of the loss."""
        if self.name == "bce" and (data.low < 0 or data.high > 1):
            raise ValueError(
                f"{name}: expected values in [0, 1] for loss='bce', got {data.low:g} to "
                f"{data.high:g}; scale them, or use loss='mse'"
            )
        if self.name == "cross_entropy":
            self._check_one_hot(data, name)

    def _check_one_hot(self, data: Data, name: str) -> None:
        e = self.classes
        if e < 2:
            raise ValueError(
                f"{name}: expected one-hot vectors of at least 2 classes along the last axis for "
                f"loss='cross_entropy', got an axis of {e}"
            )
        for start, block, mask in data.blocks():
            groups = block.reshape(-1, e)
            ok = ((groups == 0) | (groups == 1)).all(1) & (groups.sum(1) == 1)
            if mask is not None:
                seen = mask.reshape(-1, e)
                if (seen != seen[:, :1]).any():
                    raise ValueError(
                        "sample_mask: expected all or none of a one-hot vector to be observed for "
                        "loss='cross_entropy', got a part of one"
                    )
                ok |= ~seen[:, 0]
            if not ok.all():
                row = start + int(np.flatnonzero(~ok)[0]) // (data.features // e)
                raise ValueError(
                    f"{name}: expected one-hot vectors along the last axis for "
                    f"loss='cross_entropy', got something else in row {row}"
                )

    def term(self, output: Value, batch: Batch) -> Late:
        """Return the loss of each sample, (n,)."""
        target, mask = batch.target, batch.mask
        if self.name in KERNELS:
            return losses.Elementwise(output, KERNELS[self.name], target, mask)
        if self.name == "gaussian":
            return losses.Gaussian(output, target, mask, self._log_sigma)
        groups = (len(target), -1, self.classes)
        seen = None
        if mask is not None:
            seen = np.ascontiguousarray(mask.reshape(groups)[:, :, 0])
        return losses.CrossEntropy(output, target.reshape(groups).argmax(2), seen)

    def report(self, term: Late, batch: Batch) -> dict[str, float]:
        """Return sums over samples to report with a term, after its backward pass."""
        return {"sigma": self.sigma * batch.n} if self.name == "gaussian" else {}

    @property
    def _log_sigma(self) -> Parameter:
        """The logarithm of the deviation that the gaussian loss has learned."""
        if self.likelihood is None:
            raise ValueError(
                "loss: expected one that learns no standard deviation, as this model was fitted "
                "without, got 'gaussian'; fit it afresh"
            )
        return self.likelihood.log_sigma

    @property
    def sigma(self) -> float:
        """The deviation itself; infinite or 0 if training has gone astray."""
        with np.errstate(over="ignore"):
            return float(np.exp(np.float64(self._log_sigma.value[0])))

    def per_feature(self, out: np.ndarray, output: np.ndarray, target: np.ndarray) -> None:
        """Write what each feature adds to its sample's loss, (n, F)."""
        ws = runtime.current()
        if self.name != "cross_entropy":
            kernel, single = KERNELS.get(self.name, "mse"), (out.size, 1)
            x, t = output.reshape(single), target.reshape(single)
            _core.loss(kernel, out.reshape(-1), None, None, x, t, None, DELTA, ws)
            if self.name == "gaussian":
                log_sigma = float(self._log_sigma.value[0])
                out *= np.float32(math.exp(-2 * log_sigma) / 2)
                out += np.float32(log_sigma + HALF_LOG_2PI)
            return
        groups = (out.size // self.classes, 1, self.classes)
        labels = target.reshape(groups).argmax(2)
        nats = np.empty(len(labels), np.float32)
        _core.cross_entropy(nats, None, None, output.reshape(groups), labels, None, ws)
        np.multiply(target.reshape(-1, self.classes), nats[:, None], out.reshape(-1, self.classes))

    def to_data(self, output: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Turn the decoder's output into reconstructions, in place unless `out` is given."""
        x = output.reshape(-1, self.classes)
        y = x if out is None else out.reshape(x.shape)
        apply_link(LINKS.get(self.name), x, y)
        return output if out is None else out

    def draw(self, output: np.ndarray, seed: int) -> np.ndarray:
        """Return samples for a decoder's output: the mean of its distribution, in place."""
        return self.to_data(output)

    def squared_error(self, term: Late, output: np.ndarray, batch: Batch) -> float:
        """Return the sum of squared errors of the reconstructions of n samples.

        Parameters
        ----------
        term : Late
            The loss, whose backward pass may have computed them already.
        output : ndarray, shape (n, F)
        batch : Batch
        """
        if batch.weight is not None:
            return batch.sum(self._squares(output, batch))
        if term.squares is not None:
            return term.squares * (self.sigma**4 if self.name == "gaussian" else 1.0)
        if self.name == "mse":
            return sum_of(term.data)
        return sum_of(self._squares(output, batch))

    def _squares(self, output: np.ndarray, batch: Batch) -> np.ndarray:
        """Return the squared errors of each sample's reconstruction, (n,)."""
        tape = batch.tape
        x, errors = tape.take(output.shape), tape.take(output.shape[:1])
        self.to_data(output, x)
        how = batch.mask, DELTA, runtime.current()
        _core.loss("mse", errors, None, None, x, batch.target, *how)
        return errors

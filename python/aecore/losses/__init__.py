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
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from ..base import checks, runtime
from ..nn.activation import apply_link
from ..nn.module import Module, Parameter

if TYPE_CHECKING:
    from ..data.arrays import Data
    from ..data.batches import Batch
    from ..training.network import Network

KERNELS = {"mse": "mse", "l1": "l1", "huber": "huber", "bce": "bce_with_logits"}
NAMES = (*KERNELS, "cross_entropy", "gaussian")
LINKS = {"bce": "sigmoid", "cross_entropy": "softmax"}  # from the decoder's output to data
DELTA = 1.0  # where huber turns from a square into a line
HALF_LOG_2PI = math.log(2 * math.pi) / 2

Scratch = Callable[..., np.ndarray]


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
        counts = np.maximum(seen.sum(0, dtype=np.float64), 1)
        mean = (values * seen).sum(0, dtype=np.float64) / counts
        square = (((values - mean) * seen) ** 2).sum() / max(1.0, float(seen.sum()))
        self.log_sigma.value.fill(math.log(square) / 2 if square > 0 else 0.0)


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

    @classmethod
    def of(cls, name: str, network: Network) -> Loss:
        """Return a fitted network's loss; ValueError if it lacks what that learns."""
        likelihood = getattr(network, "likelihood", None)
        if name == "gaussian" and likelihood is None:
            raise ValueError(
                "loss: expected one without a deviation to learn, which this model was fitted "
                "without, got 'gaussian': fit it afresh"
            )
        return cls(name, network.input_shape, likelihood)

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
        """Write each sample's loss (n,) and its gradient times the sample's weight (n, F).

        With a gradient, that of what the loss learns is added to.
        """
        ws = runtime.current()
        if self.name == "gaussian":
            self._gaussian(loss, grad, weight, output, target, mask, scratch)
            return
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

    @property
    def log_sigma(self) -> float:
        """The logarithm of the deviation that the gaussian loss has learned."""
        assert self.likelihood is not None
        return float(self.likelihood.log_sigma.value[0])

    @property
    def sigma(self) -> float:
        """The deviation itself; infinite or 0 if training has gone astray."""
        with np.errstate(over="ignore"):
            return float(np.exp(np.float64(self.log_sigma)))

    @property
    def _precision(self) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(np.float64(-2 * self.log_sigma)))

    def _gaussian(
        self,
        loss: np.ndarray | None,
        grad: np.ndarray | None,
        weight: np.ndarray | None,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
    ) -> None:
        assert self.likelihood is not None
        (n, features), precision = output.shape, self._precision
        squares, share = scratch("squares", (n,)), None
        if grad is not None:
            assert weight is not None
            share = scratch("share", (n,))
            share[...] = weight * np.float64(precision / 2)
        ws = runtime.current()
        _core.loss("mse", squares, grad, share, output, target, mask, DELTA, ws)
        counts = features if mask is None else mask.sum(1, dtype=np.float64)
        if loss is not None:
            constant = self.log_sigma + HALF_LOG_2PI
            loss[...] = squares * np.float64(precision / 2) + counts * constant
        if grad is not None and weight is not None:
            slopes = counts - precision * squares.astype(np.float64)
            self.likelihood.log_sigma.grad += np.float32((weight * slopes).sum())

    def per_feature(self, out: np.ndarray, output: np.ndarray, target: np.ndarray) -> None:
        """Write what each feature adds to its sample's loss, (n, F)."""
        ws = runtime.current()
        if self.name != "cross_entropy":
            kernel, single = KERNELS.get(self.name, "mse"), (out.size, 1)
            x, t = output.reshape(single), target.reshape(single)
            _core.loss(kernel, out.reshape(-1), None, None, x, t, None, DELTA, ws)
            if self.name == "gaussian":
                out *= np.float32(self._precision / 2)
                out += np.float32(self.log_sigma + HALF_LOG_2PI)
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

    def squared_error(
        self,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None,
        scratch: Scratch,
        grad: np.ndarray | None = None,
    ) -> float:
        """Return the sum of squared errors of the reconstructions of n samples.

        `grad` is the gradient of their mean loss, if it is known: for bce it is the errors over n,
        for gaussian the errors over n times the variance.
        """
        if grad is not None and self.name in ("bce", "gaussian"):
            scale = 1.0 if self.name == "bce" else self.sigma**4
            squares = float(_core.sum_squares(grad, runtime.current()))
            return scale * len(output) ** 2 * squares
        x = self.to_data(output, scratch("rebuilt", output.shape))
        errors = scratch("errors", (len(output),))
        _core.loss("mse", errors, None, None, x, target, mask, DELTA, runtime.current())
        return float(errors.sum(dtype=np.float64))

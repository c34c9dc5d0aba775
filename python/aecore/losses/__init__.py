r"""What a reconstruction is measured by, and what the decoder's output means under it.

With x the sample, o the decoder's output and the sum over a sample's features, those that
`sample_mask` leaves out not counted:

=================  ==========================================  ================  ==================
name               loss                                        reconstruction    likelihood
=================  ==========================================  ================  ==================
mse                :math:`\sum (x - o)^2`                      o                 normal, variance ½
l1                 :math:`\sum |x - o|`                        o                 Laplace, scale 1
huber              :math:`\sum h(x - o)`, quadratic within 1   o                 in between
bce                :math:`-\sum x \ln p + (1 - x) \ln (1-p)`   p = sigmoid(o)    Bernoulli
cross_entropy      :math:`-\sum x \ln p`, x one-hot            p = softmax(o)    categorical
gaussian           :math:`\sum (x - o)^2 / 2\sigma^2           o                 normal, variance
                   + \ln \sigma \sqrt{2\pi}`                                     :math:`\sigma^2`
poisson            :math:`\sum e^o - x o + \ln x!`             :math:`e^o`       Poisson
negative_binomial  see below                                   :math:`e^o`       negative binomial
multinomial        :math:`-\ln n! + \sum \ln x! - x \ln p`     n p, with         multinomial
                                                               p = softmax(o)
=================  ==========================================  ================  ==================

Tables with columns of several kinds have ``mixed``, see `aecore.losses.mixed`: gaussian for numbers
with a deviation for each column, bce and cross_entropy for categories.

A loss is the negative log-likelihood in nats up to a constant per feature that models leave out:
ln(π)/2 for mse, ln 2 for l1, 0 for bce on binary data, for cross_entropy, gaussian and those of
counts.

The deviation σ of gaussian is one number for all features, learned with the network as its
logarithm. It begins as the deviation of the data and ends as that of the errors, so that nobody has
to weigh reconstruction against the other terms by hand (O. Rybkin, K. Daniilidis and S. Levine,
"Simple and effective VAE training with calibrated decoders", ICML 2021). It is a density: where the
errors shrink, the loss falls below zero.

**Counts** (of genes, words, purchases) are numbers from 0 up without a bound, many of them 0, with
a deviation that grows with their mean. For poisson, negative_binomial and multinomial

- samples are counts as they are, neither scaled nor logarithms; uint8 isn't divided by 255. Numbers
  that aren't whole (expected counts) have :math:`\Gamma(x + 1)` for x!. Below 0 is an error. With
  a ``target``, that is the counts, and X is anything, which the encoder sees as it is.
- the encoder sees :math:`\ln(1 + x)`, as is usual: the range of counts is too large for it. That is
  so for encoders of your own too, and after a corruption, of which what is below 0 counts as 0.
  Targets, scores and reconstructions are counts.
- the decoder of an architecture begins at the logarithms of the features' means, of which the bias
  of its last layer takes hold.
- the loss has all constants, so that the three can be compared with each other, in nats.
- o is a logarithm, and with large counts :math:`e^o` can overflow where a learning rate is too
  large; training then stops with FloatingPointError. ``clip_norm`` and a lower rate help.

poisson takes o for the logarithm of the rate. negative_binomial takes it for that of the mean
:math:`m = e^o` and learns one inverse dispersion :math:`\theta` for each feature, as its logarithm:
the variance is :math:`m + m^2 / \theta`, which counts from populations have, and the loss

.. math:: -\sum \ln \frac{\Gamma(x + \theta)}{\Gamma(\theta)\, x!} + \theta \ln
    \frac{\theta}{\theta + m} + x \ln \frac{m}{\theta + m}

A feature is one of the last axis: a column, a feature of each step, a channel. :math:`\theta`
begins at what the moments of the data say, and ends larger: the network explains part of their
variance. After R. Lopez et al., "Deep generative modeling for single-cell transcriptomics", Nature
Methods, 2018.

multinomial is about how a total n is shared along the last axis, and says nothing of n: for
documents and baskets of different lengths. Reconstructions have the sample's own total, of the
values that are observed; codes alone, and samples with a ``target``, have none, so that
`inverse_transform`, `sample` and all else that decodes codes give probabilities. After D. Liang et
al., "Variational autoencoders for collaborative filtering", WWW 2018.
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

__all__ = ["COUNTS", "NAMES", "Dispersions", "Likelihood", "Loss"]


def __dir__() -> list[str]:
    return __all__


KERNELS = {
    "mse": "mse",
    "l1": "l1",
    "huber": "huber",
    "bce": "bce_with_logits",
    "poisson": "poisson",
}
COUNTS = ("poisson", "negative_binomial", "multinomial")
NAMES = ("mse", "l1", "huber", "bce", "cross_entropy", "gaussian", *COUNTS)
LINKS = {  # from the decoder's output to data
    "bce": "sigmoid",
    "cross_entropy": "softmax",
    "poisson": "exp",
    "negative_binomial": "exp",
    "multinomial": "softmax",
}
LEAST_SHARE = 1e-3  # of the mean of all features, that each begins with
LEAST_THETA, MOST_THETA = 0.1, 100.0  # that a dispersion begins with


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
        values = np.where(seen > 0, values, np.float32(0))
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


class Dispersions(Module):
    """What the negative_binomial loss learns: the logarithm of an inverse dispersion per feature.

    Parameters
    ----------
    features : int
        C, of the last axis.

    Attributes
    ----------
    log_theta : Parameter, shape (C,)
    """

    def __init__(self, features: int) -> None:
        self.log_theta = Parameter((features,), fill=0.0)

    def start(self, batch: Batch) -> None:
        """Begin with what the means and variances of a batch's features say."""
        log_theta = self.log_theta.value
        rows, seen = counted(batch, log_theta.size)
        n = seen.sum(0)
        n[n == 0] = 1
        mean = (seen * rows).sum(0) / n
        variance = (seen * (rows - mean) ** 2).sum(0) / n
        beyond = np.maximum(variance - mean, mean**2 / MOST_THETA)  # that of a Poisson variable
        theta = np.divide(mean**2, beyond, out=np.ones_like(mean), where=beyond > 0)
        log_theta[...] = np.log(np.clip(theta, LEAST_THETA, MOST_THETA))

    def torch_layout(self, walk: Any, name: str, shape: Shape | None) -> int:
        """Say how it is called in PyTorch."""
        walk.inside(self, name)
        return 1


def counted(batch: Batch, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch's targets in rows of features, in float64, and how much each value counts."""
    rows = batch.target.reshape(-1, features).astype(np.float64)
    seen = np.ones_like(rows)
    if batch.mask is not None:
        seen *= batch.mask.reshape(rows.shape)
        rows = np.where(seen > 0, rows, 0)
    if batch.weight is not None:
        seen *= np.repeat(batch.weight, len(rows) // max(1, batch.n))[:, None]
    return rows, seen


LEARNED = {"gaussian": Likelihood, "negative_binomial": Dispersions}


def learned_by(name: str, shape: Shape) -> dict[str, Module]:
    """Return the part that a network has for a loss to learn, if any, for samples of a shape."""
    if name == "negative_binomial":
        return {"likelihood": Dispersions(shape[-1])}
    return {"likelihood": Likelihood()} if name == "gaussian" else {}


def start_at_means(decoder: Module, batch: Batch) -> None:
    """Let a decoder begin at the logarithms of a batch's mean counts, by its last layer's bias."""
    name, bias = list(decoder.parameters())[-1]
    if not name.endswith("bias") or batch.target.shape[1] % max(1, bias.value.size):
        return
    rows, seen = counted(batch, bias.value.size)
    n = seen.sum(0)
    mean = (seen * rows).sum(0) / np.where(n > 0, n, 1)
    least = LEAST_SHARE * (float(mean.mean()) or 1.0)  # of what the batch never has
    np.copyto(bias.value, np.log(mean + least))


class Loss:
    """One of the losses, for samples of one shape.

    Arrays are two-dimensional here: n samples of F features each, float32 and C-contiguous.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    shape : tuple of int
        The shape of a sample.
    likelihood : Likelihood or Dispersions, optional
        What has been learned, where the loss is gaussian or negative_binomial.
    """

    def __init__(self, name: str, shape: tuple[int, ...], likelihood: Any = None) -> None:
        self.name = checks.choice("loss", name, NAMES)
        self.likelihood = likelihood
        self.classes = shape[-1]  # of each one-hot group, or of counts with a common total

    def check(self, data: Data, name: str) -> None:
        """Raise ValueError if the samples can't be targets of the loss."""
        if self.name == "bce" and (data.low < 0 or data.high > 1):
            raise ValueError(
                f"{name}: expected values in [0, 1] for loss='bce', got {data.low:g} to "
                f"{data.high:g}; scale them, or use loss='mse'"
            )
        if self.name in COUNTS and data.low < 0:
            raise ValueError(
                f"{name}: expected counts, which are at least 0, for loss={self.name!r}, got "
                f"{data.low:g}"
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
            return losses.Gaussian(output, target, mask, self._learned.log_sigma)
        if self.name == "negative_binomial":
            return losses.NegativeBinomial(output, target, mask, self._learned.log_theta)
        if self.name == "multinomial":
            return losses.Multinomial(output, target, mask)
        groups = (len(target), -1, self.classes)
        seen = None
        if mask is not None:
            seen = np.ascontiguousarray(mask.reshape(groups)[:, :, 0])
        return losses.CrossEntropy(output, target.reshape(groups).argmax(2), seen)

    def report(self, term: Late, batch: Batch) -> dict[str, float]:
        """Return sums over samples to report with a term, after its backward pass."""
        return {"sigma": self.sigma * batch.n} if self.name == "gaussian" else {}

    @property
    def _learned(self) -> Any:
        """What the loss has learned."""
        if not isinstance(self.likelihood, LEARNED[self.name]):
            what = "standard deviation" if self.name == "gaussian" else "dispersions"
            raise ValueError(
                f"loss: expected one that learns no {what}, as this model was fitted without, got "
                f"{self.name!r}; fit it afresh"
            )
        return self.likelihood

    @property
    def sigma(self) -> float:
        """The deviation itself; infinite or 0 if training has gone astray."""
        with np.errstate(over="ignore"):
            return float(np.exp(np.float64(self._learned.log_sigma.value[0])))

    def per_feature(
        self,
        out: np.ndarray,
        output: np.ndarray,
        target: np.ndarray,
        mask: np.ndarray | None = None,
    ) -> None:
        """Write what each feature adds to its sample's loss, (n, F); anything for masked ones."""
        if self.name == "cross_entropy":
            self._entropies(out, output, target)
        elif self.name == "multinomial":
            self._shares(out, output, target, mask)
        elif self.name == "negative_binomial":
            single, log_theta = (out.size, 1), self._learned.log_theta.value
            thetas = np.tile(log_theta, out.size // log_theta.size).reshape(single)
            given = output.reshape(single), target.reshape(single), None, thetas
            _core.negative_binomial(out.reshape(-1), None, None, None, *given, runtime.current())
        else:
            _each(KERNELS.get(self.name, "mse"), out, output, target)
        if self.name == "gaussian":
            log_sigma = float(self._learned.log_sigma.value[0])
            out *= np.float32(math.exp(-2 * log_sigma) / 2)
            out += np.float32(log_sigma + HALF_LOG_2PI)

    def _entropies(self, out: np.ndarray, output: np.ndarray, target: np.ndarray) -> None:
        """Write the cross-entropies, each where its label is."""
        groups = (out.size // self.classes, 1, self.classes)
        labels = target.reshape(groups).argmax(2).astype(np.int64, copy=False)
        nats = np.empty(len(labels), np.float32)
        how = None, runtime.current()
        _core.cross_entropy(nats, None, None, output.reshape(groups), labels, *how)
        np.multiply(target.reshape(-1, self.classes), nats[:, None], out.reshape(-1, self.classes))

    def _shares(
        self, out: np.ndarray, output: np.ndarray, target: np.ndarray, mask: np.ndarray | None
    ) -> None:
        """Write the multinomial loss by feature: Poisson's for n p, less an equal share of n's."""
        rates = self.to_data(output, np.empty_like(output), target, mask)
        with np.errstate(divide="ignore"):
            np.log(rates, out=rates)
        _each("poisson", out, rates, target)
        groups = out.reshape(-1, self.classes)
        shape = (len(groups), 1, self.classes)
        seen = None if mask is None else mask.reshape(shape)
        nats = np.empty(len(groups), np.float32)
        given = output.reshape(shape), target.reshape(shape), seen
        _core.multinomial(nats, None, None, *given, runtime.current())
        there = np.ones_like(groups) if mask is None else mask.reshape(groups.shape)
        parts = np.where(there > 0, groups, 0)
        excess = parts.sum(1, dtype=np.float64) - nats
        groups -= (excess / np.maximum(there.sum(1), 1)).astype(np.float32)[:, None]

    def to_data(
        self,
        output: np.ndarray,
        out: np.ndarray | None = None,
        target: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> np.ndarray:
        """Turn the decoder's output into reconstructions, in place unless `out` is given.

        Where the loss is multinomial, they have the totals of the observed values of `target`, of
        which they are reconstructions; without one they are probabilities.
        """
        x = output.reshape(-1, self.classes)
        y = x if out is None else out.reshape(x.shape)
        apply_link(LINKS.get(self.name), x, y)
        if self.name == "multinomial" and target is not None:
            counts, chance = target.reshape(y.shape), None
            if mask is not None:
                seen = mask.reshape(y.shape) > 0
                counts = np.where(seen, counts, np.float32(0))
                chance = np.where(seen, y, np.float32(0)).sum(1, dtype=np.float64)
            totals = counts.sum(1, dtype=np.float64)
            if chance is not None:
                totals = np.divide(totals, chance, out=np.zeros_like(totals), where=chance > 0)
            y *= totals.astype(np.float32)[:, None]
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
        self.to_data(output, x, batch.target, batch.mask)
        how = batch.mask, DELTA, runtime.current()
        _core.loss("mse", errors, None, None, x, batch.target, *how)
        return errors


def _each(kernel: str, out: np.ndarray, output: np.ndarray, target: np.ndarray) -> None:
    """Write a loss of single values."""
    x, t = output.reshape(out.size, 1), target.reshape(out.size, 1)
    _core.loss(kernel, out.reshape(-1), None, None, x, t, None, DELTA, runtime.current())

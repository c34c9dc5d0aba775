"""What reconstructions are measured by: one number for each sample, of output and target.

Nothing is computed before somebody looks, or walks back: then the kernel makes loss and gradient in
one pass over the output.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core
from ...base.sums import sum_of
from ..parameter import Parameter, accumulate
from ..tape import Op, Value

DELTA = 1.0  # where huber turns from a square into a line
HALF_LOG_2PI = math.log(2 * math.pi) / 2
INT64 = np.dtype(np.int64)


class Late(Op):
    """One number for each sample (N,), computed on the way back, with the gradient, or when asked.

    A subclass implements `measure`, and says whether the gradient is the errors, but for a factor.

    Attributes
    ----------
    squares : float or None
        The squares of the gradient's values, summed up, for weights of 1: after a walk back in
        which all samples had one weight, and where they say something of the errors.
    """

    __slots__ = ("squares", "weight", "x")
    x: Value
    squares: float | None
    weight: float | None  # of all samples, if they have one
    errors_in_gradient = False

    def start(self, x: Value, *, learns: bool = False) -> None:
        """Take x, whose data are computed now, and a place in the record.

        `learns` says that there is a gradient of parameters even where x has none.
        """
        self.x, self.squares, self.weight = x, None, None
        x.uses += 1
        tape = x.tape
        self.set_up(tape, x.shape[:1], x.needs_grad or learns)
        if not tape.abstract:
            _ = x.data
        if tape.abstract or (self.needs_grad and tape.records):
            tape.record.append(self)

    def settle(self) -> None:
        """Do nothing: it has its place."""

    def add_weight(self, weight: float) -> None:
        alone = self.grad is None
        super().add_weight(weight)
        self.weight = weight if alone else None

    def add_grad(self, grad: np.ndarray, *, owned: bool = True, gated: bool = False) -> None:
        super().add_grad(grad, owned=owned, gated=gated)
        self.weight = None

    def run(self) -> None:
        self._data = self.tape.take(self.shape)
        self.measure(self._data, None, None)
        if not self.tape.records:
            self.forget()

    def forget(self) -> None:
        self.x = None  # type: ignore[assignment]

    def backward(self) -> None:
        loss = None
        if self._data is None:
            loss = self._data = self.tape.take(self.shape)
        dx = self.tape.take(self.x.shape)
        self.measure(loss, dx, self.grad)
        if self.errors_in_gradient and self.weight:
            self.squares = _core.sum_squares(dx, self.tape.workspace) / self.weight**2
        self.x.add_grad(dx)

    def measure(
        self, loss: np.ndarray | None, dx: np.ndarray | None, weight: np.ndarray | None
    ) -> None:
        """Write each sample's loss (N,), and its gradient times the sample's weight."""
        raise NotImplementedError

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)


def check_target(x: Value, target: np.ndarray) -> None:
    """Raise ValueError unless there is a row for each sample, of one number for each output."""
    wanted = x.shape[0], math.prod(x.shape[1:])
    if target.shape != wanted:
        raise ValueError(f"target: expected the shape {wanted}, got {target.shape}")


class Elementwise(Late):
    """A sum over features of mse, l1, huber, bce_with_logits or poisson: x (N, ...).

    Parameters
    ----------
    x : Value
    kind : str
        The kernel's name.
    target : ndarray of float32, shape (N, F)
    mask : ndarray of float32, shape (N, F), optional
        1 where a feature counts.
    """

    __slots__ = ("kind", "mask", "target")

    def __init__(
        self, x: Value, kind: str, target: np.ndarray, mask: np.ndarray | None = None
    ) -> None:
        check_target(x, target)
        self.kind, self.target, self.mask = kind, target, mask
        self.start(x)

    @property
    def errors_in_gradient(self) -> bool:  # type: ignore[override]
        return self.kind in ("bce_with_logits", "poisson")

    def measure(
        self, loss: np.ndarray | None, dx: np.ndarray | None, weight: np.ndarray | None
    ) -> None:
        flat = self.target.shape
        x = self.x.data.reshape(flat)
        grad = None if dx is None else dx.reshape(flat)
        how = self.target, self.mask, DELTA, self.tape.workspace
        _core.loss(self.kind, loss, grad, weight, x, *how)


class CrossEntropy(Late):
    """The cross-entropy of groups of logits x (N, ..., E) and their classes.

    Parameters
    ----------
    x : Value
    labels : ndarray of int64, shape (N, G)
        Of each of G groups of E logits.
    observed : ndarray of float32, shape (N, G), optional
        1 where a group counts.
    """

    __slots__ = ("labels", "observed")

    def __init__(self, x: Value, labels: np.ndarray, observed: np.ndarray | None = None) -> None:
        if (
            labels.ndim != 2
            or labels.shape[0] != x.shape[0]
            or (math.prod(x.shape[1:]) % max(1, labels.shape[1]))
        ):
            raise ValueError(
                f"labels: expected (N, G) for groups of classes in {x.shape}, got {labels.shape}"
            )
        self.labels, self.observed = np.asarray(labels, np.int64), observed
        self.start(x)

    def measure(
        self, loss: np.ndarray | None, dx: np.ndarray | None, weight: np.ndarray | None
    ) -> None:
        groups = self.labels.shape[1]
        shape = *self.labels.shape, math.prod(self.x.shape[1:]) // max(1, groups)
        grad = None if dx is None else dx.reshape(shape)
        given = self.x.data.reshape(shape), self.labels, self.observed
        _core.cross_entropy(loss, grad, weight, *given, self.tape.workspace)


class Gaussian(Late):
    r"""A normal log-likelihood, negated, with one deviation for all features that is learned.

    .. math:: \sum_j (x_j - t_j)^2 / 2\sigma^2 + \ln \sigma \sqrt{2\pi}

    Parameters
    ----------
    x : Value
    target, mask
        As of `Elementwise`.
    log_sigma : Parameter, shape (1,)
    """

    __slots__ = ("log_sigma", "mask", "target")
    errors_in_gradient = True

    def __init__(
        self, x: Value, target: np.ndarray, mask: np.ndarray | None, log_sigma: Parameter
    ) -> None:
        check_target(x, target)
        self.target, self.mask, self.log_sigma = target, mask, log_sigma
        self.start(x, learns=True)

    def measure(
        self, loss: np.ndarray | None, dx: np.ndarray | None, weight: np.ndarray | None
    ) -> None:
        tape, (n, features) = self.tape, self.target.shape
        log_sigma = float(self.log_sigma.value[0])
        with np.errstate(over="ignore"):
            precision = float(np.exp(np.float64(-2 * log_sigma)))
        squares, share, grad = tape.take((n,)), None, None
        if dx is not None and weight is not None:
            share, grad = tape.take((n,)), dx.reshape(n, features)
            share[...] = weight * np.float64(precision / 2)
        x = self.x.data.reshape(n, features)
        how = self.target, self.mask, DELTA, tape.workspace
        _core.loss("mse", squares, grad, share, x, *how)
        counts: Any = features if self.mask is None else self.mask.sum(1, dtype=np.float64)
        if loss is not None:
            constant = log_sigma + HALF_LOG_2PI
            loss[...] = squares * np.float64(precision / 2) + counts * constant
        if weight is not None and self.log_sigma.learns:
            slopes = counts - precision * squares.astype(np.float64)
            accumulate(self.log_sigma, np.float32(sum_of(weight * slopes)))


class Multinomial(Late):
    """The loss of counts of outcomes with logits x (N, ..., E), along the last axis.

    Parameters
    ----------
    x : Value
    target, mask
        As of `Elementwise`: what isn't observed has no part in the probabilities either.
    """

    __slots__ = ("mask", "target")
    errors_in_gradient = True

    def __init__(self, x: Value, target: np.ndarray, mask: np.ndarray | None = None) -> None:
        check_target(x, target)
        self.target, self.mask = target, mask
        self.start(x)

    def measure(
        self, loss: np.ndarray | None, dx: np.ndarray | None, weight: np.ndarray | None
    ) -> None:
        x = self.x.data
        shape = len(x), math.prod(x.shape[1:-1]), x.shape[-1]
        grad, mask = (None if a is None else a.reshape(shape) for a in (dx, self.mask))
        given = x.reshape(shape), self.target.reshape(shape), mask
        _core.multinomial(loss, grad, weight, *given, self.tape.workspace)


class NegativeBinomial(Late):
    """The loss of counts of means exp x, with inverse dispersions that are learned.

    Parameters
    ----------
    x : Value
    target, mask
        As of `Elementwise`.
    log_theta : Parameter, shape (C,)
        For each feature of the last axis.
    """

    __slots__ = ("log_theta", "mask", "target")

    def __init__(
        self, x: Value, target: np.ndarray, mask: np.ndarray | None, log_theta: Parameter
    ) -> None:
        check_target(x, target)
        self.target, self.mask, self.log_theta = target, mask, log_theta
        self.start(x, learns=True)

    def measure(
        self, loss: np.ndarray | None, dx: np.ndarray | None, weight: np.ndarray | None
    ) -> None:
        tape, shape, value = self.tape, self.target.shape, self.log_theta.value
        learns = weight is not None and self.log_theta.learns
        slopes = tape.take(shape) if learns else None
        grad = None if dx is None else dx.reshape(shape)
        given = self.x.data.reshape(shape), self.target, self.mask
        thetas = np.tile(value, shape[1] // value.size)
        _core.negative_binomial(loss, grad, slopes, weight, *given, thetas, tape.workspace)
        if slopes is not None:
            total = slopes.reshape(-1, value.size).sum(0, dtype=np.float64)
            accumulate(self.log_theta, total.astype(np.float32))

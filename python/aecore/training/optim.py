"""Optimisers: one pass over one flat buffer of parameters.

An optimiser object is a choice and holds nothing that changes; what it keeps from step to step (its
moments) belongs to the model's network and is saved with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from .. import _core
from ..base import checks, runtime
from ..base.params import Choice


class StepSize(NamedTuple):
    """What varies from step to step: learning rate, decay, number from 1, scale of the gradient."""

    learning_rate: float
    weight_decay: float
    number: int
    grad_scale: float


class Optimizer(Choice):
    """One step of a descent method over a flat buffer."""

    moments: ClassVar[tuple[str, ...]]  # the names of the buffers it keeps, each as the parameters

    def check(self) -> None:
        """Raise TypeError or ValueError for parameters that make no sense."""
        raise NotImplementedError

    def step(
        self, value: np.ndarray, grad: np.ndarray, moments: Mapping[str, np.ndarray], size: StepSize
    ) -> None:
        """Change `value` and `moments` in place."""
        raise NotImplementedError

    def reach(self, learning_rate: float, norm: float, n: int) -> float:
        """Return about how far a step of n parameters goes, along gradients of a norm."""
        return learning_rate * math.sqrt(n)


class Adam(Optimizer):
    r"""Adam, with weight decay as an L2 penalty: :math:`g \leftarrow g + \lambda \theta`.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2

        \theta \leftarrow \theta - \eta \, \hat m / (\sqrt{\hat v} + \epsilon)

    Parameters
    ----------
    beta1, beta2 : float
        Decay of the moments, in [0, 1).
    eps : float

    References
    ----------
    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    moments = ("m", "v")
    decoupled: ClassVar[bool] = False

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps

    def check(self) -> None:
        """Raise TypeError or ValueError for decays outside [0, 1) or an eps of 0."""
        for name in ("beta1", "beta2"):
            if checks.real(f"optimizer: {name}", getattr(self, name), 0, 1) == 1:
                raise ValueError(f"optimizer: {name}: expected less than 1, got 1")
        checks.real("optimizer: eps", self.eps, above=True)

    def step(
        self, value: np.ndarray, grad: np.ndarray, moments: Mapping[str, np.ndarray], size: StepSize
    ) -> None:
        """Change `value` and `moments` in place."""
        _core.adam_step(
            value,
            moments["m"],
            moments["v"],
            grad,
            size.learning_rate,
            self.beta1,
            self.beta2,
            self.eps,
            size.weight_decay,
            self.decoupled,
            size.number,
            size.grad_scale,
            runtime.current(),
        )


class AdamW(Adam):
    r"""Adam with decoupled weight decay: :math:`\theta \leftarrow \theta (1 - \eta \lambda)` first.

    Parameters
    ----------
    beta1, beta2, eps : float
        As in `Adam`.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """

    decoupled = True


class SGD(Optimizer):
    r"""Gradient descent with momentum.

    .. math:: m \leftarrow \mu m + g, \quad \theta \leftarrow \theta - \eta m

    Parameters
    ----------
    momentum : float
        :math:`\mu`, in [0, 1).
    nesterov : bool
        Step along :math:`g + \mu m`.

    References
    ----------
    I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML
    2013.
    """

    moments = ("m",)

    def __init__(self, momentum: float = 0.9, nesterov: bool = False) -> None:
        self.momentum = momentum
        self.nesterov = nesterov

    def check(self) -> None:
        """Raise TypeError or ValueError for a momentum outside [0, 1)."""
        if checks.real("optimizer: momentum", self.momentum, 0, 1) == 1:
            raise ValueError("optimizer: momentum: expected less than 1, got 1")
        checks.boolean("optimizer: nesterov", self.nesterov)

    def reach(self, learning_rate: float, norm: float, n: int) -> float:
        """Return about how far a step goes, along gradients of a norm."""
        return learning_rate * norm / (1 - self.momentum)

    def step(
        self, value: np.ndarray, grad: np.ndarray, moments: Mapping[str, np.ndarray], size: StepSize
    ) -> None:
        """Change `value` and `moments` in place."""
        _core.sgd_step(
            value,
            moments["m"],
            grad,
            size.learning_rate,
            self.momentum,
            size.weight_decay,
            self.nesterov,
            size.number,
            size.grad_scale,
            runtime.current(),
        )


BY_NAME: dict[str, type[Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD}


def resolve(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimiser that a name stands for, or the one given, checked."""
    if isinstance(optimizer, Optimizer):
        optimizer.check()
        return optimizer
    return BY_NAME[checks.choice("optimizer", optimizer, BY_NAME)]()

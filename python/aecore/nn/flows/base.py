"""What a flow is, and several of them one behind another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..module import Module
from ..tape import Value


class Flow(Module):
    r"""An invertible map f of codes, which turns one density into another.

    .. math:: \ln p(f(z)) = \ln p(z) - \ln \left|\det \frac{\partial f}{\partial z}\right|

    Shapes: z, f(z) (N, D), the determinant's logarithm (N,), context (N, H). A subclass implements
    `forward`; the tape differentiates it.
    """

    def forward(self, z: Value, context: Value | None = None) -> tuple[Value, Value]:
        """Return f(z), and the logarithm of the absolute value of its Jacobian determinant."""
        raise NotImplementedError

    def inverse(self, z: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the codes (N, D) that the flow takes to some, given contexts (N, H)."""
        raise NotImplementedError


class Chain(Flow):
    """Flows one behind another, whose log-determinants add up.

    Parameters
    ----------
    steps : sequence of Flow
    """

    def __init__(self, steps: Sequence[Flow]) -> None:
        self.steps = tuple(steps)

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, step in enumerate(self.steps):
            yield str(i), step

    def forward(self, z: Value, context: Value | None = None) -> tuple[Value, Value]:
        """Return the last flow's codes, and the sum of the log-determinants."""
        first, *others = self.steps
        z, total = first.forward(z, context)
        for step in others:
            z, log_det = step.forward(z, context)
            total = total + log_det
        return z, total

    def inverse(self, z: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the codes that are taken to some, by the inverses in reverse."""
        for step in reversed(self.steps):
            z = step.inverse(z, context)
        return z

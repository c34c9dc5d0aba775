"""The inverse autoregressive flow."""

from __future__ import annotations

import numpy as np

from ..ops.elementwise import activation
from ..tape import Tape, Value
from .base import Flow
from .masked import MADE

OPEN = 2.0  # what the gates' arguments have added: sigmoid of it is 0.88, near the identity


class InverseAutoregressive(Flow):
    r"""Each coordinate scaled and shifted by what those before it say, all at once.

    .. math:: z'_i = \sigma_i z_i + (1 - \sigma_i)\, m_i, \quad
        \sigma_i = \mathrm{sigmoid}(s_i + 2), \quad (m_i, s_i) = f_i(z_1 \dots z_{i - 1}, c)

    with a `MADE` f and a context c, so that the Jacobian is triangular and its determinant the
    product of the :math:`\sigma_i`. Kingma et al., "Improved variational inference with inverse
    autoregressive flow", NeurIPS 2016.

    Parameters
    ----------
    dim, width, context : int
        D, the hidden units of the network, and H, 0 for none.
    reverse : bool
        Whether the order of the coordinates is from the last to the first.
    """

    def __init__(self, dim: int, width: int, context: int = 0, reverse: bool = False) -> None:
        self.made = MADE(dim, width, context, reverse)

    def forward(self, z: Value, context: Value | None = None) -> tuple[Value, Value]:
        m, s = self.made.forward(z, context)
        gate = s + OPEN
        log_det = -activation(-gate, "softplus").sum(axis=1)
        return m + activation(gate, "sigmoid") * (z - m), log_det

    def inverse(self, z: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return the codes that are taken to some: in D passes, one more coordinate in each."""
        found = z
        for _ in range(z.shape[1]):
            with Tape(records=False) as tape:
                given = None if context is None else tape.constant(context)
                m, s = (v.data for v in self.made.forward(tape.constant(found), given))
            found = m + (z - m) * (1 + np.exp(-(s + np.float32(OPEN))))
        return found

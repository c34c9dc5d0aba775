"""The kernels in plain NumPy and float64: what they should compute, and the tests' oracle.

Same names and signatures as in `aecore.functional`, without out=.
"""

from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .convolution import *  # noqa: F403
from .gated import *  # noqa: F403
from .gather import *  # noqa: F403
from .latent import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .lstm import *  # noqa: F403
from .norm import *  # noqa: F403
from .optim import *  # noqa: F403
from .pool import *  # noqa: F403
from .quantize import *  # noqa: F403
from .random import *  # noqa: F403
from .range import *  # noqa: F403
from .reduce import *  # noqa: F403

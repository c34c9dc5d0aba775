"""What names in files stand for, but for models: architectures, layers and other values."""

from __future__ import annotations

from .. import arch, divergences, nn, penalties, priors
from ..data import corruption
from ..data.tables import constraints
from ..training import checkpoint, optim, schedules

CHOICES = (
    arch.Dense,
    arch.Conv,
    arch.ResNet,
    arch.GRU,
    arch.LSTM,
    arch.Transformer,
    arch.UNet,
    constraints.Ordered,
    constraints.SumTo,
    corruption.Blocks,
    corruption.GaussianNoise,
    corruption.Masking,
    corruption.SaltAndPepper,
    corruption.SwapNoise,
    corruption.UnsavedFunction,
    divergences.MMD,
    divergences.TotalCorrelation,
    penalties.L1Sparsity,
    penalties.KLSparsity,
    penalties.TopK,
    penalties.Contractive,
    priors.GaussianMixture,
    priors.Normal,
    schedules.Constant,
    schedules.Cosine,
    schedules.Plateau,
    schedules.Step,
    schedules.Warmup,
    schedules.Product,
    optim.Adam,
    optim.AdamW,
    optim.SGD,
    checkpoint.Checkpoint,
)
_EXPORTED = (getattr(nn, name) for name in nn.__all__)
LAYERS = tuple(
    layer
    for layer in _EXPORTED
    if isinstance(layer, type) and issubclass(layer, nn.Module) and layer is not nn.Module
)

VALUES: tuple[type, ...] = (*CHOICES, *LAYERS)

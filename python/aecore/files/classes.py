"""What names in files stand for, but for models: architectures, layers and other values."""

from __future__ import annotations

from .. import arch, divergences, nn, penalties, priors
from ..data import corruption
from ..training import checkpoint, optim, schedules

CHOICES = (
    arch.Dense,
    arch.Conv,
    arch.ResNet,
    arch.LSTM,
    arch.Transformer,
    corruption.GaussianNoise,
    corruption.Masking,
    corruption.SaltAndPepper,
    corruption.SwapNoise,
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
    schedules.Step,
    schedules.Warmup,
    schedules.Product,
    optim.Adam,
    optim.AdamW,
    optim.SGD,
    checkpoint.Checkpoint,
)
LAYERS = (
    nn.Activation,
    nn.AutoregressiveLSTM,
    nn.BatchNorm2d,
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.Dropout,
    nn.FiniteScalarQuantizer,
    nn.Flatten,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.Linear,
    nn.LSTM,
    nn.MaskedConv2d,
    nn.MaxPool2d,
    nn.MeanPool1d,
    nn.MultiHeadAttention,
    nn.PositionalEmbedding,
    nn.Reshape,
    nn.Residual,
    nn.ResidualQuantizer,
    nn.Sequential,
    nn.TiedConvTranspose2d,
    nn.TiedLinear,
    nn.TimeDistributed,
    nn.TransformerBlock,
    nn.Upsample2d,
    nn.VectorQuantizer,
)

VALUES: tuple[type, ...] = (*CHOICES, *LAYERS)

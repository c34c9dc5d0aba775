"""What layers refuse, and how they say so."""

import numpy as np
import pytest
from aecore import nn
from cases.base import normal
from support.layers import run
from support.modules import assert_same_state, state

RELU = "relu"

WRONG = {
    "Linear": [
        (lambda: nn.Linear(0, 3), ValueError, "in_features: expected at least 1, got 0"),
        (lambda: nn.Linear(3, -1), ValueError, "out_features"),
        (lambda: nn.Linear(3.0, 1), TypeError, "in_features: expected an integer, got 3.0"),
        (lambda: nn.Linear(True, 1), TypeError, "in_features"),
        (lambda: nn.Linear(3, 1, activation="gelu"), ValueError,
         "activation: expected one of elu.*, got 'gelu'"),
        (lambda: nn.Linear(3, 1, activation="swish"), ValueError, "swish"),
        (lambda: nn.Linear(3, 1).output_shape((4,)), ValueError, "expected samples of 3"),
        (lambda: nn.Linear(3, 1).output_shape((2, 3)), ValueError, r"got the shape \(2, 3\)"),
        (lambda: nn.TiedLinear(nn.Conv2d(1, 1, 1)), TypeError, "expected a Linear, got Conv2d"),
        (lambda: nn.TiedLinear(nn.TiedLinear(nn.Linear(3, 2))), TypeError, "TiedLinear"),
    ],
    "convolutions": [
        (lambda: nn.Conv2d(0, 3, 3), ValueError, "in_channels"),
        (lambda: nn.Conv2d(1, 3, 0), ValueError, "kernel_size"),
        (lambda: nn.Conv2d(1, 3, (3, 3, 3)), TypeError, "kernel_size"),
        (lambda: nn.Conv2d(1, 3, 3, 0), ValueError, "stride"),
        (lambda: nn.Conv2d(1, 3, 3, 1, -1), ValueError, "padding"),
        (lambda: nn.Conv2d(1, 3, 3, 1, 4), ValueError, "padding: expected at most"),
        (lambda: nn.Conv2d(2, 3, 3).output_shape((5, 5, 3)), ValueError, r"\(H, W, 2\)"),
        (lambda: nn.Conv2d(2, 3, 3).output_shape((5, 5)), ValueError, "expected images"),
        (lambda: nn.Conv2d(2, 3, 3).output_shape((2, 5, 2)), ValueError,
         "Conv2d: expected images large .*, got 2 x 5:"),
        (lambda: nn.Conv2d(1, 3, 3, 1, 6, 2), ValueError, "what the kernel spans"),
        (lambda: nn.Conv2d(1, 3, 3, 2, "same"), ValueError, "expected integers for the stride"),
        (lambda: nn.Conv2d(1, 3, 3, 1, "valid"), ValueError, "integers or \"same\", got 'valid'"),
        (lambda: nn.Conv2d(1, 3, 3, dilation=0), ValueError, "dilation: expected at least 1"),
        (lambda: nn.Conv2d(1, 3, 3, dilation="2"), TypeError, "dilation"),
        (lambda: nn.Conv2d(4, 6, 3, groups=0), ValueError, "groups: expected at least 1"),
        (lambda: nn.Conv2d(4, 6, 3, groups=4), ValueError, "groups: expected a divisor of 4 and 6"),
        (lambda: nn.Conv2d(4, 6, 3, groups=2.0), TypeError, "groups"),
        (lambda: nn.Conv2d(4, 6, 3, groups=2).output_shape((5, 5, 2)), ValueError, r"\(H, W, 4\)"),
        (lambda: nn.Conv2d(1, 3, 3, 1, 0, 3).output_shape((5, 8, 1)), ValueError, "dilation"),
        (lambda: nn.TiedConvTranspose2d(nn.Conv2d(4, 4, 3, groups=2)), ValueError, "one group"),
        (lambda: nn.TiedConvTranspose2d(nn.Conv2d(4, 4, 2, padding="same")), ValueError, "alike"),
        (lambda: nn.MaskedConv2d(1, 3, 4, "vertical"), ValueError, "odd number, got 4"),
        (lambda: nn.MaskedConv2d(1, 3, 1, "vertical"), ValueError, "kernel_size: expected at"),
        (lambda: nn.MaskedConv2d(1, 3, 3.0, "vertical"), TypeError, "kernel_size"),
        (lambda: nn.MaskedConv2d(1, 3, 3, "up"), ValueError, '"vertical" or "horizontal"'),
        (
            lambda: nn.MaskedConv2d(2, 3, 3, "vertical").output_shape((5, 5, 3)),
            ValueError,
            r"\(H, W, 2\)",
        ),
        (lambda: nn.ConvTranspose2d(1, 3, 3, 2, 0, 2), ValueError, "output_padding"),
        (lambda: nn.ConvTranspose2d(1, 3, 1, 1, 1).output_shape((2, 2, 1)), ValueError,
         "images large enough"),
        (lambda: nn.ConvTranspose2d(1, 3, 1).output_shape((0, 2, 1)), ValueError,
         "images large enough"),
    ],
    "convolutions of sequences": [
        (lambda: nn.Conv1d(0, 3, 3), ValueError, "in_channels"),
        (lambda: nn.Conv1d(1, 3, (3,)), TypeError, "kernel_size: expected an integer"),
        (lambda: nn.Conv1d(1, 3, 3, 0), ValueError, "stride"),
        (lambda: nn.Conv1d(1, 3, 3, 1, 4), ValueError, "at most the 3 steps"),
        (lambda: nn.Conv1d(1, 3, 3, 1, -1), ValueError, "padding"),
        (lambda: nn.Conv1d(1, 3, 3, 2, "same"), ValueError, "an integer for stride 2"),
        (lambda: nn.Conv1d(1, 3, 3, 1, "full"), ValueError, 'an integer or "same"'),
        (lambda: nn.Conv1d(1, 3, 3, dilation=0), ValueError, "dilation"),
        (lambda: nn.Conv1d(4, 6, 3, groups=4), ValueError, "groups: expected a divisor"),
        (lambda: nn.Conv1d(1, 3, 3, causal=1), TypeError, "causal"),
        (lambda: nn.Conv1d(1, 3, 3, 1, 1, causal=True), ValueError, "expected 0 with causal"),
        (lambda: nn.Conv1d(2, 3, 3).output_shape((5, 3)), ValueError, r"sequences \(T, 2\)"),
        (lambda: nn.Conv1d(2, 3, 3).output_shape((5, 5, 2)), ValueError, "expected sequences"),
        (lambda: nn.Conv1d(2, 3, 3, dilation=2).output_shape((4, 2)), ValueError, "long enough"),
        (lambda: nn.ConvTranspose1d(1, 3, 3, 2, 0, 2), ValueError, "output_padding"),
        (lambda: nn.ConvTranspose1d(1, 3, 1, 1, 1).output_shape((2, 1)), ValueError, "long enough"),
        (lambda: nn.ConvTranspose1d(1, 3, 3).output_shape((2, 2)), ValueError, "sequences"),
        (lambda: nn.TiedConvTranspose1d(nn.Conv2d(1, 1, 1)), TypeError, "expected a Conv1d"),
        (lambda: nn.TiedConvTranspose1d(nn.Conv1d(2, 2, 3, groups=2)), ValueError, "one group"),
        (lambda: nn.TiedConvTranspose1d(nn.Conv1d(2, 2, 3, causal=True)), ValueError, "alike"),
    ],
    "recurrent": [
        (lambda: nn.LSTM(0, 3), ValueError, "in_features"),
        (lambda: nn.LSTM(3, 2.0), TypeError, "units: expected an integer"),
        (lambda: nn.LSTM(3, 2, 0), ValueError, "layers"),
        (lambda: nn.LSTM(3, 2, 1, 1), TypeError, "bidirectional: expected True or False, got 1"),
        (lambda: nn.LSTM(3, 2, last=None), TypeError, "last"),
        (lambda: nn.LSTM(3, 2, steps=0), ValueError, "steps"),
        (lambda: nn.LSTM(3, 2).output_shape((3,)), ValueError, r"sequences \(T, 3\)"),
        (lambda: nn.LSTM(3, 2).output_shape((4, 2)), ValueError, r"got the shape \(4, 2\)"),
        (lambda: nn.LSTM(3, 2, steps=4).output_shape((4, 3)), ValueError, r"vectors \(3,\)"),
    ],
    "others": [
        (lambda: nn.Activation("relu6"), ValueError, "expected one of .*relu.*, got 'relu6'"),
        (lambda: nn.Activation(None), ValueError, "None"),
        (lambda: nn.MaxPool2d(0), ValueError, "kernel_size"),
        (lambda: nn.MaxPool2d(2, 2, 2), ValueError, "at most half"),
        (lambda: nn.MaxPool2d(3).output_shape((2, 5, 1)), ValueError,
         "MaxPool2d: expected .*, got 2 x 5"),
        (lambda: nn.MaxPool2d(3).output_shape((5,)), ValueError, "expected images"),
        (lambda: nn.Upsample2d(0), ValueError, "factor"),
        (lambda: nn.Upsample2d(2).output_shape((5,)), ValueError, "expected images"),
        (lambda: nn.Upsample2d(2, "cubic"), ValueError, "mode: expected \"nearest\" or"),
        (lambda: nn.Upsample2d(2, "bilinear").output_shape((0, 2, 1)), ValueError, "with pixels"),
        (lambda: nn.PixelShuffle(0), ValueError, "factor"),
        (lambda: nn.PixelShuffle((2, 2)), TypeError, "factor"),
        (lambda: nn.PixelShuffle(2).output_shape((5, 5, 6)), ValueError, "a multiple of 4"),
        (lambda: nn.PixelShuffle(2).output_shape((5, 4)), ValueError, "expected images"),
        (lambda: nn.PixelUnshuffle(2.0), TypeError, "factor"),
        (lambda: nn.PixelUnshuffle(2).output_shape((4, 5, 6)), ValueError, "got 4 x 5"),
        (lambda: nn.LayerNorm(0), ValueError, "channels"),
        (lambda: nn.LayerNorm(3, eps=0), ValueError, "eps"),
        (lambda: nn.LayerNorm(3, affine=1.0), TypeError, "affine: expected True or False, got 1.0"),
        (lambda: nn.Linear(3, 2, bias=float("inf")), TypeError, "bias: expected True or False"),
        (lambda: nn.Conv2d(3, 2, 3, bias="no"), TypeError, "bias: expected True or False"),
        (lambda: nn.ConvTranspose2d(3, 2, 3, bias=None), TypeError, "bias: expected True or"),
        (lambda: nn.LayerNorm(3).output_shape((4,)), ValueError, "expected 3 channels"),
        (lambda: nn.GroupNorm(2, 3), ValueError, "groups: expected a divisor of 3 .*, got 2"),
        (lambda: nn.GroupNorm(0, 3), ValueError, "groups"),
        (lambda: nn.BatchNorm2d(3, momentum=2), ValueError, "momentum"),
        (lambda: nn.BatchNorm2d(3).output_shape(()), ValueError, "expected 3 channels"),
        (lambda: nn.Dropout(1), ValueError, "rate"),
        (lambda: nn.Dropout(float("nan")), ValueError, "rate"),
        (lambda: nn.Reshape((2, 0)), ValueError, "shape"),
        (lambda: nn.Reshape((2, 3)).output_shape((5,)), ValueError,
         r"Reshape: expected .* of 6 .*\(5,\)"),
        (lambda: nn.VectorQuantizer(0, 3), ValueError, "codebook_size"),
        (lambda: nn.VectorQuantizer(3, 0), ValueError, "code_dim"),
        (lambda: nn.VectorQuantizer(3, 3, codebook="kmeans"), ValueError, "codebook"),
        (lambda: nn.VectorQuantizer(3, 3, decay=1), ValueError, "decay"),
        (lambda: nn.VectorQuantizer(3, 3, commitment=-1), ValueError, "commitment"),
        (lambda: nn.VectorQuantizer(3, 3).output_shape((4,)), ValueError, "vectors of 3"),
        (lambda: nn.VectorQuantizer(3, 3, distance="dot"), ValueError, "distance: .*'dot'"),
        (lambda: nn.ResidualQuantizer(0, 3, 3), ValueError, "depth: expected at least 1, got 0"),
        (lambda: nn.ResidualQuantizer(2.0, 3, 3), TypeError, "depth"),
        (lambda: nn.ResidualQuantizer(2, 3, 0), ValueError, "code_dim"),
        (lambda: nn.ResidualQuantizer(2, 3, 3, distance="cosine"), ValueError,
         "the length of a residual"),
        (lambda: nn.ResidualQuantizer(2, 3, 3).output_shape((4,)), ValueError, "vectors of 3"),
        (lambda: nn.FiniteScalarQuantizer(()), ValueError, "levels: expected at least one"),
        (lambda: nn.FiniteScalarQuantizer((3, 1)), ValueError, "levels: expected at least 2"),
        (lambda: nn.FiniteScalarQuantizer((3, 2.5)), TypeError, "levels: expected an integer"),
        (lambda: nn.FiniteScalarQuantizer(8), TypeError, "levels: expected a sequence"),
        (lambda: nn.FiniteScalarQuantizer("85"), TypeError, "levels: expected a sequence"),
        (lambda: nn.FiniteScalarQuantizer((2,) * 25), ValueError, "at most 16777216"),
        (lambda: nn.FiniteScalarQuantizer((3, 4)).output_shape((3,)), ValueError, "vectors of 2"),
        (lambda: nn.VectorQuantizer(3, 3, gradient="none"), ValueError, "gradient: .*'none'"),
        (lambda: nn.VectorQuantizer(3, 3, projection_dim=0), ValueError, "projection_dim: "),
        (lambda: nn.VectorQuantizer(3, 0, projection_dim=1), ValueError, "code_dim: "),
        (lambda: nn.VectorQuantizer(3, 4, projection_dim=2).output_shape((5, 3)), ValueError,
         "of 4"),
        (lambda: nn.LookupFreeQuantizer(0), ValueError, "bits: expected at least 1 and .* got 0"),
        (lambda: nn.LookupFreeQuantizer(2.0), TypeError, "bits: expected an integer"),
        (lambda: nn.LookupFreeQuantizer(2, commitment=-1), ValueError, "commitment"),
        (lambda: nn.LookupFreeQuantizer(2, entropy_weight=-1), ValueError, "entropy_weight"),
        (lambda: nn.LookupFreeQuantizer(2, temperature=0), ValueError, "temperature: .* got 0"),
        (lambda: nn.LookupFreeQuantizer(2).output_shape((3,)), ValueError, "vectors of 2"),
        (lambda: nn.Sequential(3), TypeError, "expected modules, got int"),
        (lambda: nn.TimeDistributed(3), TypeError, "expected a module, got int"),
        (lambda: nn.TimeDistributed(nn.Linear(3, 2)).output_shape((3,)), ValueError, r"\(T, ...\)"),
        (
            lambda: nn.TimeDistributed(nn.Linear(3, 2)).output_shape((4, 2)),
            ValueError,
            "3 features",
        ),
        (lambda: nn.PositionalEmbedding(0, 3), ValueError, "steps"),
        (lambda: nn.PositionalEmbedding(4, 0), ValueError, "width"),
        (
            lambda: nn.PositionalEmbedding(4, 3).output_shape((5, 3)),
            ValueError,
            r"sequences \(4, 3\)",
        ),
        (lambda: nn.MeanPool1d().output_shape((3,)), ValueError, r"\(T, C\)"),
        (lambda: nn.MultiHeadAttention(6, 4), ValueError,
         "heads: expected a divisor of .* 6, got 4"),
        (lambda: nn.MultiHeadAttention(6, 0), ValueError, "heads"),
        (lambda: nn.MultiHeadAttention(6, 2).output_shape((6,)), ValueError, r"\(T, 6\)"),
        (lambda: nn.MultiHeadAttention(6, 2).output_shape((4, 5)), ValueError, r"\(4, 5\)"),
        (lambda: nn.TransformerBlock(6, 2, 0), ValueError, "feedforward"),
        (lambda: nn.TransformerBlock(6, 2, 3).output_shape((4, 5)), ValueError, r"\(T, 6\)"),
        (lambda: nn.Residual(3), TypeError, "expected a module, got int"),
        (lambda: nn.Residual(nn.Linear(3, 2)).output_shape((3,)), ValueError,
         "Residual: expected a body that keeps"),
        (lambda: nn.Parameter((2, -1)), ValueError, r"shape: expected .*, got \(2, -1\)"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("call, error, words", [w for group in WRONG.values() for w in group])
def test_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_same_layer_twice_is_refused():
    layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="expected each layer once, got the same .* twice"):
        nn.Sequential(layer, layer)
    with pytest.raises(ValueError, match="expected each layer once, got the same .* twice"):
        nn.Sequential(layer, nn.Residual(nn.Sequential(layer)))


def test_wrong_batches_are_refused_before_anything_changes(rng):
    layer = nn.BatchNorm2d(3)
    before = state(layer)
    for x, error in (
        (normal(rng, 4, 2), ValueError),
        (normal(rng, 4, 3).astype(np.float64), TypeError),
    ):
        with pytest.raises(error):
            run(layer, x, training=True)
        assert_same_state(state(layer), before)

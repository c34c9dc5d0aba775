"""check_gradients: small for what is right, large for what is wrong."""

import copy

import numpy as np
import pytest
from aecore import nn

# Layers away from kinks, and without noise that changes from pass to pass.
RIGHT = {
    "Activation": (lambda: nn.Activation("gelu"), (5,)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), (4, 2, 3)),
    "Conv1d": (lambda: nn.Conv1d(3, 4, 3, 2, 1, activation="tanh"), (6, 3)),
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3, 2, 1, activation="tanh"), (5, 6, 3)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 4, 4, 2, 1, activation="elu"), (3, 3)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 4, 4, 2, 1, activation="elu"), (3, 2, 3)),
    "CropToInput": (lambda: nn.CropToInput((3, 5), 4), (4, 8, 2)),
    "Dropout": (lambda: nn.Dropout(0.0), (5,)),
    "Flatten": (nn.Flatten, (2, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (3, 4)),
    "LSTM": (lambda: nn.LSTM(3, 4, 2, True), (5, 3)),
    "GRU": (lambda: nn.GRU(3, 4, 2, True), (5, 3)),
    "LayerNorm": (lambda: nn.LayerNorm(6), (6,)),
    "Linear": (lambda: nn.Linear(7, 3, activation="sigmoid"), (7,)),
    "MaskedConv2d": (lambda: nn.MaskedConv2d(2, 3, 3, "vertical"), (4, 4, 2)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (4, 6, 2)),
    "MeanPool1d": (nn.MeanPool1d, (5, 3)),
    "MultiHeadAttention": (lambda: nn.MultiHeadAttention(6, 2), (5, 6)),
    "PadToMultiple": (lambda: nn.PadToMultiple(4), (3, 5, 2)),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), (2, 3, 8)),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), (2, 4, 3)),
    "PositionalEmbedding": (lambda: nn.PositionalEmbedding(5, 3), (3,)),
    "Reshape": (lambda: nn.Reshape((3, 2)), (6,)),
    "Residual": (lambda: nn.Residual(nn.Linear(4, 4, activation="softplus")), (4,)),
    "Sequential": (
        lambda: nn.Sequential(nn.Linear(4, 6, activation="tanh"), nn.Linear(6, 2)),
        (4,),
    ),
    "SkipConcat": (lambda: nn.SkipConcat(nn.Linear(4, 3, activation="tanh")), (4,)),
    "TiedConvTranspose1d": (lambda: nn.TiedConvTranspose1d(nn.Conv1d(2, 3, 3)), (3, 3)),
    "TiedConvTranspose2d": (lambda: nn.TiedConvTranspose2d(nn.Conv2d(2, 3, 3)), (3, 3, 3)),
    "TiedLinear": (lambda: nn.TiedLinear(nn.Linear(3, 5), activation="tanh"), (5,)),
    "TimeDistributed": (lambda: nn.TimeDistributed(nn.Linear(3, 2)), (4, 3)),
    "TransformerBlock": (lambda: nn.TransformerBlock(4, 2, 6), (5, 4)),
    "Upsample2d": (lambda: nn.Upsample2d((2, 3)), (2, 3, 2)),
}
OTHERS = {  # what is no layer, has a surrogate for its gradient, or no way back without a target
    "Flat", "Module", "Parameter", "Tape", "Value", "check_gradients",
    "VectorQuantizer", "ResidualQuantizer", "FiniteScalarQuantizer", "LookupFreeQuantizer",
    "GroupedQuantizer", "AutoregressiveLSTM",
}  # fmt: skip


def test_all_layers_are_here():
    assert set(RIGHT) | OTHERS == set(nn.__all__) and not set(RIGHT) & OTHERS


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", RIGHT)
def test_layers_are_right(name, training):
    make, shape = RIGHT[name]
    layer = make()
    layer.initialize(3)
    samples = 3 if name == "MaxPool2d" else 5
    before = {key: p.value.copy() for key, p in layer.parameters()}
    for seed in range(3):
        found = nn.check_gradients(layer, shape, samples=samples, seed=seed, training=training)
        assert type(found) is float
        assert found < (0.1 if name == "MaxPool2d" else 1e-2)
    for key, p in layer.parameters():
        np.testing.assert_array_equal(p.value, before[key], err_msg=key)


class Softmax(nn.Module):
    """NumPy's functions, with a temperature that is learned."""

    def __init__(self):
        self.temperature = nn.Parameter((1,), fill=1.5)
        self.initialize(0)

    def forward(self, x):
        weights = np.exp((x - x.max(-1, keepdims=True)) / self.temperature)
        return weights / weights.sum(-1, keepdims=True)


class OldSquare(nn.Module):
    """y = (x + b)^2, with a backward pass as 0.1.0 had it, times a factor that should be 1."""

    def __init__(self, features, of_x=1.0, of_b=1.0):
        self.bias = nn.Parameter((features,), 0.5)
        self.initialize(2)
        self.of_x, self.of_b = of_x, of_b

    def output_shape(self, shape):
        return shape

    def forward(self, x, training=False):
        self._kept = x + self.bias.value
        return self._kept**2

    def backward(self, grad):
        dx = 2 * self._kept * grad
        self.bias.grad += np.float32(self.of_b) * dx.sum(0)
        return np.float32(self.of_x) * dx


def test_layers_of_users():
    assert nn.check_gradients(Softmax(), (5,)) < 1e-2
    assert nn.check_gradients(nn.Sequential(Softmax(), nn.Linear(5, 2)), (5,)) < 1e-2
    assert nn.check_gradients(OldSquare(5), (5,)) < 1e-2


@pytest.mark.parametrize("of_x, of_b", [(1.3, 1), (0, 1), (-1, 1), (1, 1.3), (1, 0), (1, -1)])
def test_what_is_wrong_is_seen(of_x, of_b):
    for seed in range(3):
        wrong = OldSquare(5, of_x, of_b)
        assert nn.check_gradients(wrong, (5,), seed=seed) > 0.05
        inside = nn.Sequential(nn.Linear(4, 5), wrong, nn.Linear(5, 2))
        inside.initialize(seed)
        assert nn.check_gradients(inside, (4,), seed=seed) > 0.05


def test_gradients_start_afresh():
    """What was there from a pass before is not counted."""
    layer = nn.Linear(4, 3)
    for _, p in layer.parameters():
        p.grad.fill(100)
    assert nn.check_gradients(layer, (4,)) < 1e-2


def test_a_gradient_that_is_left_out_is_wrong():
    class Forgets(nn.Module):
        def forward(self, x):
            return x * x.detach()

    assert nn.check_gradients(Forgets(), (4,)) > 0.3


def test_models_and_seeds():
    layer = nn.Linear(4, 3, activation="tanh")
    twin = copy.deepcopy(layer)
    assert nn.check_gradients(layer, (4,), seed=5) == nn.check_gradients(twin, (4,), seed=5)
    with pytest.raises(ValueError, match="expected samples of 4 features"):
        nn.check_gradients(layer, (5,))

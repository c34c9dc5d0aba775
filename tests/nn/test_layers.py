"""Layers and stacks of them: values and gradients against float64 twins, and what is fused."""

import copy

import numpy as np
import pytest
from aecore import _core, nn
from aecore.nn.linear import FUSED
from cases.base import normal
from support.layers import Opaque, gradients, run
from support.modules import check

RELU = "relu"


ACTIVATIONS = sorted(set(_core.ACTIVATIONS))
LAYERS = {
    "linear": (lambda: nn.Linear(7, 5), (7,)),
    "linear-nobias": (lambda: nn.Linear(7, 5, bias=False), (7,)),
    **{f"linear-{a}": (lambda a=a: nn.Linear(7, 5, activation=a), (7,)) for a in sorted(FUSED)},
    "tied": (lambda: nn.TiedLinear(nn.Linear(5, 7), activation="tanh"), (7,)),
    "tied-nobias": (lambda: nn.TiedLinear(nn.Linear(5, 7), bias=False), (7,)),
    "tied-pair": (lambda: tied_pair(), (7,)),
    "conv": (lambda: nn.Conv2d(3, 4, 3, 2, 1, activation=RELU), (5, 6, 3)),
    "conv-pairs": (lambda: nn.Conv2d(1, 2, (2, 3), (1, 2), (0, 1), bias=False), (5, 6, 1)),
    "conv-1x1": (lambda: nn.Conv2d(5, 3, 1, activation="elu"), (1, 1, 5)),
    "conv-same": (lambda: nn.Conv2d(3, 4, (2, 5), padding="same", dilation=(1, 2)), (5, 6, 3)),
    "conv-groups": (lambda: nn.Conv2d(4, 6, 3, 2, 1, groups=2, activation="tanh"), (5, 6, 4)),
    "depthwise": (lambda: nn.Conv2d(5, 5, 3, 1, 2, 2, 5, activation=RELU), (6, 5, 5)),
    "conv1d": (lambda: nn.Conv1d(3, 4, 4, 2, 1, activation=RELU), (9, 3)),
    "conv1d-same": (lambda: nn.Conv1d(4, 6, 2, padding="same", dilation=3, groups=2), (7, 4)),
    "conv1d-causal": (lambda: nn.Conv1d(2, 3, 3, 2, dilation=2, causal=True, bias=False), (9, 2)),
    "conv1d-depthwise": (lambda: nn.Conv1d(5, 5, 3, 1, 1, 1, 5, activation="tanh"), (6, 5)),
    "conv1d-long": (lambda: nn.Conv1d(33, 40, 3, 1, 2, 2), (200, 33)),
    "transpose1d": (lambda: nn.ConvTranspose1d(3, 4, 4, 2, 1, 1, activation=RELU), (5, 3)),
    "transpose1d-dilated": (lambda: nn.ConvTranspose1d(3, 2, 3, 3, dilation=2), (4, 3)),
    "transpose1d-few": (lambda: nn.ConvTranspose1d(16, 2, 4, 2, 1), (50, 16)),
    "transpose1d-tied": (
        lambda: nn.TiedConvTranspose1d(nn.Conv1d(3, 5, 4, 2, 1), 1, activation="elu"),
        (4, 5),
    ),
    "masked-above": (lambda: nn.MaskedConv2d(3, 4, 5, "vertical"), (5, 6, 3)),
    "masked-above-own": (
        lambda: nn.MaskedConv2d(3, 4, 3, "vertical", True, activation="tanh"),
        (4, 3, 3),
    ),
    "masked-left": (lambda: nn.MaskedConv2d(3, 4, 3, "horizontal", bias=False), (3, 6, 3)),
    "masked-left-own": (lambda: nn.MaskedConv2d(2, 5, 7, "horizontal", True), (2, 1, 2)),
    "transpose": (lambda: nn.ConvTranspose2d(3, 4, 4, 2, 1, 1, activation=RELU), (3, 4, 3)),
    "transpose-pairs": (
        lambda: nn.ConvTranspose2d(2, 3, (2, 3), (2, 1), (0, 1), (1, 0), bias=False),
        (2, 3, 2),
    ),
    "transpose-dilated": (
        lambda: nn.ConvTranspose2d(2, 3, 3, 2, 2, 1, dilation=2, activation="elu"),
        (3, 2, 2),
    ),
    "transpose-tied-dilated": (
        lambda: nn.TiedConvTranspose2d(nn.Conv2d(3, 4, 3, 2, 1, 3)),
        (3, 4, 4),
    ),
    "transpose-tied": (
        lambda: nn.TiedConvTranspose2d(nn.Conv2d(3, 4, 4, 2, 1), (1, 0), activation=RELU),
        (3, 4, 4),
    ),
    "transpose-tied-pairs": (
        lambda: nn.TiedConvTranspose2d(nn.Conv2d(2, 3, (2, 3), (2, 1), (0, 1)), bias=False),
        (2, 3, 3),
    ),
    **{f"{a}": (lambda a=a: nn.Activation(a), (3, 4, 2)) for a in ACTIVATIONS},
    "pool": (lambda: nn.MaxPool2d(2), (6, 5, 3)),
    "pool-overlapping": (lambda: nn.MaxPool2d((3, 2), (2, 1), (1, 0)), (6, 5, 3)),
    "upsample": (lambda: nn.Upsample2d((2, 3)), (3, 2, 4)),
    "upsample-bilinear": (lambda: nn.Upsample2d((2, 3), "bilinear"), (3, 2, 4)),
    "shuffle": (lambda: nn.PixelShuffle(2), (3, 2, 12)),
    "unshuffle": (lambda: nn.PixelUnshuffle(3), (6, 3, 2)),
    "layer-norm": (lambda: nn.LayerNorm(6), (6,)),
    "layer-norm-steps": (lambda: nn.LayerNorm(6, eps=1e-2), (3, 6)),
    "layer-norm-plain": (lambda: nn.LayerNorm(6, affine=False), (6,)),
    "group-norm": (lambda: nn.GroupNorm(2, 6), (3, 4, 6)),
    "group-norm-table": (lambda: nn.GroupNorm(2, 6, affine=False), (6,)),
    "batch-norm": (lambda: nn.BatchNorm2d(3), (4, 3, 3)),
    "batch-norm-table": (lambda: nn.BatchNorm2d(3), (3,)),
    "batch-norm-plain": (lambda: nn.BatchNorm2d(3, affine=False), (4, 3, 3)),
    "lstm": (lambda: nn.LSTM(3, 5), (4, 3)),
    "lstm-both": (lambda: nn.LSTM(3, 5, bidirectional=True), (4, 3)),
    "lstm-layers": (lambda: nn.LSTM(3, 5, 3, True), (4, 3)),
    "lstm-last": (lambda: nn.LSTM(3, 5, 2, last=True), (4, 3)),
    "lstm-last-both": (lambda: nn.LSTM(3, 5, 2, True, last=True), (4, 3)),
    "lstm-repeated": (lambda: nn.LSTM(3, 5, steps=4), (3,)),
    "lstm-repeated-both": (lambda: nn.LSTM(3, 5, 2, True, steps=4), (3,)),
    "lstm-repeated-once": (lambda: nn.LSTM(3, 5, steps=1, last=True), (3,)),
    "gru": (lambda: nn.GRU(3, 5), (4, 3)),
    "gru-both": (lambda: nn.GRU(3, 5, bidirectional=True), (4, 3)),
    "gru-layers": (lambda: nn.GRU(3, 5, 3, True), (4, 3)),
    "gru-last": (lambda: nn.GRU(3, 5, 2, last=True), (4, 3)),
    "gru-last-both": (lambda: nn.GRU(3, 5, 2, True, last=True), (4, 3)),
    "gru-repeated": (lambda: nn.GRU(3, 5, steps=4), (3,)),
    "gru-repeated-both": (lambda: nn.GRU(3, 5, 2, True, steps=4), (3,)),
    "gru-repeated-once": (lambda: nn.GRU(3, 5, steps=1, last=True), (3,)),
    "attention": (lambda: nn.MultiHeadAttention(6, 2), (5, 6)),
    "attention-one-head": (lambda: nn.MultiHeadAttention(5, 1), (1, 5)),
    "attention-long": (lambda: nn.MultiHeadAttention(4, 2), (140, 4)),
    "block": (lambda: nn.TransformerBlock(6, 3, 10), (5, 6)),
    "block-one-step": (lambda: nn.TransformerBlock(4, 1, 3), (1, 4)),
    "positions": (lambda: nn.PositionalEmbedding(5, 3), (5, 3)),
    "positions-vector": (lambda: nn.PositionalEmbedding(5, 3), (3,)),
    "mean-steps": (nn.MeanPool1d, (5, 3)),
    "each-step": (lambda: nn.TimeDistributed(nn.Linear(3, 4, activation="tanh")), (5, 3)),
    "each-step-residual": (lambda: nn.Residual(nn.TimeDistributed(nn.Linear(3, 3))), (5, 3)),
    "each-step-norm": (lambda: nn.TimeDistributed(nn.LayerNorm(3)), (5, 3)),
    "each-step-view": (lambda: nn.TimeDistributed(nn.Flatten()), (5, 3, 2)),
    "flatten": (nn.Flatten, (2, 3, 4)),
    "reshape": (lambda: nn.Reshape((4, 6)), (2, 3, 4)),
    "residual": (lambda: nn.Residual(nn.Linear(4, 4)), (4,)),
    "residual-fused": (lambda: nn.Residual(nn.Linear(4, 4, activation="tanh")), (4,)),
    "residual-view": (lambda: nn.Residual(nn.Reshape((2, 3))), (2, 3)),
    "residual-norm": (lambda: nn.Residual(nn.LayerNorm(4)), (4,)),
    "residual-gelu": (lambda: nn.Residual(nn.Activation("gelu")), (4,)),
    "residual-twice": (lambda: nn.Residual(nn.Residual(nn.Activation("tanh"))), (4,)),
    "residual-nothing": (lambda: nn.Residual(nn.Sequential()), (4,)),
    "nothing": (nn.Sequential, (4,)),
}


def tied_pair():
    there = nn.Linear(7, 4, activation="tanh")
    return nn.Sequential(there, nn.TiedLinear(there, activation="sigmoid"))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_and_its_gradients(name, training, rng):
    make, shape = LAYERS[name]
    check(make(), normal(rng, 6, *shape), rng, training)


def relu_block():
    return nn.Sequential(
        nn.Activation(RELU),
        nn.Conv2d(4, 3, 3, 1, 1, bias=False, activation=RELU),
        nn.Conv2d(3, 4, 1, bias=False),
    )


# Every way for a gradient to pass, or not to pass, through the gate of an activation.
STACKS = {
    "fused, fused": lambda: [nn.Linear(8, 6, activation=RELU), nn.Linear(6, 4, activation="tanh")],
    "all kinds fused": lambda: [
        layer for a in sorted(FUSED) for layer in (nn.Linear(8, 8, activation=a), nn.Linear(8, 8))
    ],
    "not fused": lambda: [nn.Linear(8, 6), nn.Activation("gelu"), nn.Linear(6, 4)],
    "standalone": lambda: [nn.Linear(8, 6), nn.Activation("elu"), nn.Linear(6, 4)],
    "standalone after fused": lambda: [
        nn.Linear(8, 6, activation="tanh"),
        nn.Activation("sigmoid"),
        nn.Linear(6, 4),
    ],
    "gelu after fused": lambda: [
        nn.Linear(8, 6, activation="tanh"),
        nn.Activation("gelu"),
        nn.Linear(6, 4),
    ],
    "activation first": lambda: [nn.Activation("tanh"), nn.Linear(8, 4, activation="softplus")],
    "norm after fused": lambda: [
        nn.Linear(8, 6, activation="elu"),
        nn.LayerNorm(6),
        nn.Linear(6, 4),
    ],
    "norm first": lambda: [nn.LayerNorm(8), nn.Linear(8, 4)],
    "norm last": lambda: [nn.Linear(8, 4, activation="elu"), nn.LayerNorm(4)],
    "views between": lambda: [
        nn.Linear(8, 8, activation="tanh"),
        nn.Reshape((2, 2, 2)),
        nn.Flatten(),
        nn.Linear(8, 4, activation=RELU),
        nn.Reshape((2, 2)),
    ],
    "views first": lambda: [nn.Reshape((2, 4)), nn.Flatten(), nn.Linear(8, 4, activation="elu")],
    "nested": lambda: [
        nn.Sequential(nn.Linear(8, 6, activation="tanh"), nn.Linear(6, 6, activation="elu")),
        nn.Sequential(nn.Sequential(nn.Linear(6, 5, activation=RELU))),
        nn.Linear(5, 4),
    ],
    "nested with a view last": lambda: [
        nn.Sequential(nn.Linear(8, 6, activation="tanh"), nn.Reshape((2, 3))),
        nn.Sequential(nn.Flatten(), nn.Linear(6, 4, activation="sigmoid")),
    ],
    "nested views": lambda: [
        nn.Linear(8, 6, activation="tanh"),
        nn.Sequential(nn.Reshape((2, 3)), nn.Sequential(nn.Flatten())),
        nn.Sequential(),
        nn.Linear(6, 4),
    ],
    "nested norm last": lambda: [
        nn.Sequential(nn.Linear(8, 6, activation="tanh"), nn.LayerNorm(6)),
        nn.Linear(6, 4),
    ],
    "nested norm first": lambda: [
        nn.Linear(8, 6, activation="tanh"),
        nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 4)),
    ],
    "residual after fused": lambda: [
        nn.Linear(8, 6, activation="tanh"),
        nn.Residual(nn.Linear(6, 6)),
        nn.Linear(6, 4),
    ],
    "residual fused inside": lambda: [
        nn.Linear(8, 6, activation="tanh"),
        nn.Residual(nn.Sequential(nn.Linear(6, 6, activation="elu"))),
        nn.Activation("sigmoid"),
    ],
    "residual first": lambda: [nn.Residual(nn.Linear(8, 8, activation=RELU)), nn.Linear(8, 4)],
    "residual of a norm": lambda: [
        nn.Linear(8, 6, activation="tanh"),
        nn.Residual(nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6))),
        nn.Residual(nn.Sequential(nn.Linear(6, 6, activation="elu"), nn.LayerNorm(6))),
    ],
    "residual of a view": lambda: [
        nn.Linear(8, 8, activation="tanh"),
        nn.Residual(nn.Sequential(nn.Reshape((8,)))),
        nn.Residual(nn.Sequential(nn.Flatten(), nn.Linear(8, 8, activation=RELU))),
        nn.Linear(8, 4),
    ],
    "dropout off": lambda: [
        nn.Linear(8, 6, activation="tanh"),
        nn.Residual(nn.Sequential(nn.Linear(6, 6, activation="elu"), nn.Dropout(0.0))),
        nn.Linear(6, 4),
    ],
    "fused into a tied layer": lambda: list(tied_stack()),
}
IMAGES = {
    "resnet": lambda: [
        nn.Conv2d(2, 4, 4, 2, 1, activation=RELU),
        nn.Conv2d(4, 4, 3, 1, 1),
        nn.Residual(relu_block()),
        nn.Residual(relu_block()),
        nn.Activation(RELU),
        nn.Conv2d(4, 3, 1),
    ],
    "resnet to a vector": lambda: [
        nn.Conv2d(2, 4, 3, 1, 1),
        nn.Residual(relu_block()),
        nn.Activation(RELU),
        nn.Flatten(),
        nn.Linear(6 * 7 * 4, 3),
    ],
    "convolutions": lambda: [
        nn.Conv2d(2, 4, 4, 2, 1, activation="leaky_relu"),
        nn.Conv2d(4, 5, 4, 2, 1, activation="softplus"),
        nn.Flatten(),
        nn.Linear(5, 5, activation="tanh"),
        nn.Reshape((1, 1, 5)),
        nn.ConvTranspose2d(5, 4, 4, 2, 1, (1, 1), activation="elu"),
        nn.ConvTranspose2d(4, 2, 4, 2, 1, (0, 1)),
    ],
    "pool and norm": lambda: [
        nn.Conv2d(2, 4, 3, 1, 1, activation="tanh"),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(4),
        nn.Activation("silu"),
        nn.Upsample2d(2),
        nn.Conv2d(4, 6, 3, 1, 1),
        nn.GroupNorm(3, 6),
        nn.Activation(RELU),
    ],
}


def tied_stack():
    there = nn.Linear(8, 4, activation="tanh")
    return there, nn.Linear(4, 4, activation=RELU), nn.TiedLinear(there, activation="sigmoid")


SEQUENCES = {
    "recurrent": lambda: [
        nn.TimeDistributed(nn.Linear(2, 3, activation="tanh")),
        nn.LSTM(3, 4),
        nn.LSTM(4, 3, bidirectional=True),
        nn.GRU(6, 4),
        nn.GRU(4, 3, bidirectional=True),
        nn.TimeDistributed(nn.Sequential(nn.Linear(6, 3, activation="elu"), nn.Linear(3, 2))),
    ],
    "recurrent there and back": lambda: [
        nn.Reshape((7, 6)),
        nn.LSTM(6, 4, 2, last=True),
        nn.Linear(4, 3, activation="tanh"),
        nn.LSTM(3, 4, 1, True, steps=7),
        nn.TimeDistributed(nn.Linear(8, 2)),
    ],
    "blocks there and back": lambda: [
        nn.Reshape((7, 6)),
        nn.TimeDistributed(nn.Linear(6, 6, activation="tanh")),
        nn.PositionalEmbedding(7, 6),
        nn.TransformerBlock(6, 2, 5),
        nn.TimeDistributed(nn.Sequential(nn.Linear(6, 6, activation="elu"), nn.Linear(6, 4))),
        nn.MeanPool1d(),
        nn.Linear(4, 6, activation="sigmoid"),
        nn.PositionalEmbedding(3, 6),
        nn.TransformerBlock(6, 1, 4),
    ],
}


ALL_STACKS = {name: (make, (8,)) for name, make in STACKS.items()} | {
    name: (make, (6, 7, 2)) for name, make in IMAGES.items()
}
ALL_STACKS |= {name: (make, (21, 2)) for name, make in SEQUENCES.items()}


def unfused(module):
    """Return the same computation, with every activation and every sum an op of its own."""
    if isinstance(module, nn.Sequential):
        return nn.Sequential(*map(unfused, module.layers))
    if isinstance(module, (nn.Residual, nn.TimeDistributed)):
        return type(module)(unfused(module.body))
    if getattr(module, "activation", None) is None:
        return Plain(module)
    bare = copy.copy(module)
    bare.activation = None
    return nn.Sequential(Plain(bare), Plain(nn.Activation(module.activation)))


class Plain(nn.Module):
    """A module whose product takes nothing along, and whose activation goes into none."""

    def __init__(self, body):
        self.body = body

    def forward(self, x):
        return Opaque(self.body(x))


@pytest.mark.parametrize("name", ALL_STACKS)
def test_stack_and_its_gradients(name, rng):
    make, shape = ALL_STACKS[name]
    check(nn.Sequential(*make()), normal(rng, 5, *shape), rng, training=True, tolerance=5e-5)


@pytest.mark.parametrize("name", ALL_STACKS)
def test_gating_is_the_unfused_computation(name, rng):
    """Also behind an activation that is not the stack's own."""
    make, shape = ALL_STACKS[name]
    stack = nn.Sequential(*make())
    stack.initialize(2)
    u = normal(rng, 5, *shape)
    x = np.tanh(u)
    y = run(stack, x, training=True).y
    grad = normal(rng, *y.shape)
    behind = nn.Sequential(nn.Activation("tanh"), stack)
    _, got, got_grads = gradients(behind, u, grad, training=True)
    _, nothing, outer = gradients(stack, x, grad, training=True, wanted=False)
    assert nothing is None
    plain = unfused(stack)
    plain_y, want, want_grads = gradients(plain, x, grad, training=True)
    np.testing.assert_allclose(plain_y, y, rtol=1e-5, atol=1e-6)
    want *= 1 - x * x
    scale = np.abs(want).max()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * scale)
    for parts in zip(*(g.values() for g in (want_grads, got_grads, outer)), strict=True):
        scale = np.abs(parts[0]).max()
        for g in parts[1:]:
            np.testing.assert_allclose(g, parts[0], rtol=1e-4, atol=1e-5 * scale)


def test_a_gradient_that_nobody_wants_is_left_out(rng, monkeypatch):
    """Nothing before the norm learns, so the walk back ends there."""
    stack = nn.Sequential(nn.Flatten(), nn.Activation(RELU), nn.LayerNorm(4), nn.Linear(4, 2))
    calls = []
    for name in ("activation_backward", "layer_norm_backward"):
        real = getattr(_core, name)

        def spy(*arrays, name=name, real=real):
            calls.append((name, arrays[0] is None))
            return real(*arrays)

        monkeypatch.setattr(_core, name, spy)
    x, grad = normal(rng, 3, 2, 2), normal(rng, 3, 2)
    ran = run(stack, x, wanted=False)
    assert len(ran.tape.record) == 2
    assert ran.back(grad) is None
    assert calls == [("layer_norm_backward", True)]
    calls.clear()
    assert run(stack, x).back(grad).shape == (3, 2, 2)
    assert calls == [("layer_norm_backward", False), ("activation_backward", False)]


def test_a_gradient_before_the_activation(rng):
    """gated=True means that a gradient is before the layer's own activation."""
    layer = nn.Linear(3, 4, activation="tanh")
    x, grad = normal(rng, 5, 3), normal(rng, 5, 4)
    ran = run(layer, x)
    ran.output.add_grad((1 - ran.y * ran.y) * grad, gated=True)
    ran.tape.backward()
    np.testing.assert_allclose(ran.x.grad, run(layer, x).back(grad), rtol=1e-4, atol=1e-6)


def test_parameter_gradients_add_up(rng):
    layer = nn.Conv2d(2, 3, 3, activation=RELU)
    x = normal(rng, 4, 5, 5, 2)
    grad = np.ones((4, 3, 3, 3), np.float32)
    run(layer, x).back(grad)
    once = layer.weight.grad.copy(), layer.bias.grad.copy()
    run(layer, x).back(grad)
    np.testing.assert_allclose(layer.weight.grad, 2 * once[0], rtol=1e-5)
    np.testing.assert_allclose(layer.bias.grad, 2 * once[1], rtol=1e-5)


def test_residual_leaves_no_trace_of_its_input_gradient_in_the_body(rng):
    """A fused activation inside overwrites no gradient that the sum gave to both of its parts."""
    body = nn.Linear(4, 4, activation=RELU)
    block = nn.Residual(body)
    x, grad = normal(rng, 3, 4), normal(rng, 3, 4)
    ran, given = run(block, x), grad.copy()
    inside = (grad * (ran.y - x > 0)) @ body.weight.value
    np.testing.assert_allclose(ran.back(given), grad + inside, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(given, grad)

"""Architectures: what they are made of, any shape there and back, gradients, one's own modules."""

import copy
import itertools
import pickle

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.arch import GRU, LSTM, Code, Conv, Dense, ResNet, Transformer, build_network
from aecore.arch.base import conditioned_shape
from cases.base import normal
from support.modules import check

VECTOR, MAP = Code(6, 3), Code(6, 3, spatial=True)


def layers(module):
    return [repr(layer) for layer in module.layers]


# ---- exactly as the design says --------------------------------------------------------------


def test_dense():
    encoder, decoder = Dense((512, 256)).build((784,), Code(32, 32))
    assert layers(encoder) == [
        "Linear(784, 512, activation='relu')",
        "Linear(512, 256, activation='relu')",
        "Linear(256, 32)",
    ]
    assert layers(decoder) == [
        "Linear(32, 256, activation='relu')",
        "Linear(256, 512, activation='relu')",
        "Linear(512, 784)",
    ]


def test_dense_without_widths_is_linear():
    encoder, decoder = Dense(()).build((7,), Code(3, 3))
    assert layers(encoder) == ["Linear(7, 3)"] and layers(decoder) == ["Linear(3, 7)"]


def test_dense_takes_images():
    encoder, decoder = Dense((8,), "gelu").build((4, 5, 3), Code(2, 2))
    assert layers(encoder) == ["Flatten()", "Linear(60, 8)", "Activation('gelu')", "Linear(8, 2)"]
    assert layers(decoder)[1:] == ["Activation('gelu')", "Linear(8, 60)", "Reshape((4, 5, 3))"]


def test_a_condition_stands_once_beside_flattened_images():
    encoder, _ = Dense((8,)).build((4, 5, 3), Code(2, 2), condition=10)
    assert layers(encoder)[:2] == ["Flatten()", "Linear(70, 8, activation='relu')"]
    assert conditioned_shape(encoder, (4, 5, 3), 10) == (70,)
    assert conditioned_shape(nn.Sequential(encoder), (4, 5, 3), 10) == (70,)
    encoder, _ = Conv((8,)).build((4, 5, 3), Code(2, 2), condition=10)
    assert layers(encoder)[0].startswith("Conv2d(13, 8")
    assert conditioned_shape(encoder, (4, 5, 3), 10) == (4, 5, 13)
    own = (
        nn.Sequential(nn.Flatten(), nn.Linear(70, 2)),
        nn.Sequential(nn.Linear(12, 60), nn.Reshape((4, 5, 3))),
    )
    build_network(own, (4, 5, 3), Code(2, 2), condition=10)


def test_conv():
    encoder, decoder = Conv().build((32, 32, 3), Code(512, 512))
    assert layers(encoder) == [
        "Conv2d(3, 32, 4, stride=2, padding=1, activation='relu')",
        "Conv2d(32, 64, 4, stride=2, padding=1, activation='relu')",
        "Conv2d(64, 128, 4, stride=2, padding=1, activation='relu')",
        "Flatten()",
        "Linear(2048, 512)",
    ]
    assert layers(decoder) == [
        "Linear(512, 2048, activation='relu')",
        "Reshape((4, 4, 128))",
        "ConvTranspose2d(128, 64, 4, stride=2, padding=1, activation='relu')",
        "ConvTranspose2d(64, 32, 4, stride=2, padding=1, activation='relu')",
        "ConvTranspose2d(32, 3, 4, stride=2, padding=1)",
    ]


def test_conv_with_a_map_for_a_code():
    encoder, decoder = Conv((4, 8), activation="silu").build((9, 8, 1), MAP)
    assert layers(encoder)[-3:] == [
        "Conv2d(4, 8, 4, stride=2, padding=1)", "Activation('silu')", "Conv2d(8, 6, 1)"
    ]  # fmt: skip
    assert layers(decoder)[:2] == ["Conv2d(3, 8, 1)", "Activation('silu')"]
    assert encoder.output_shape((9, 8, 1)) == (2, 2, 6)


def test_resnet():
    block = (
        "Residual(\n  (body): Sequential(\n    (0): Activation('relu')\n"
        "    (1): Conv2d(128, 32, 3, padding=1, bias=False, activation='relu')\n"
        "    (2): Conv2d(32, 128, 1, bias=False)\n  )\n)"
    )
    encoder, decoder = ResNet().build((32, 32, 3), Code(64, 64, spatial=True))
    assert layers(encoder) == [
        "Conv2d(3, 64, 4, stride=2, padding=1, activation='relu')",
        "Conv2d(64, 128, 4, stride=2, padding=1, activation='relu')",
        "Conv2d(128, 128, 3, padding=1)",
        block,
        block,
        "Activation('relu')",
        "Conv2d(128, 64, 1)",
    ]
    assert layers(decoder) == [
        "Conv2d(64, 128, 3, padding=1)",
        block,
        block,
        "Activation('relu')",
        "ConvTranspose2d(128, 64, 4, stride=2, padding=1, activation='relu')",
        "ConvTranspose2d(64, 3, 4, stride=2, padding=1)",
    ]


def test_resnet_to_a_vector():
    encoder, decoder = ResNet(8, 4, 0).build((9, 8, 2), VECTOR)
    assert layers(encoder)[-3:] == ["Activation('relu')", "Flatten()", "Linear(32, 6)"]
    assert layers(decoder)[:3] == [
        "Linear(3, 32, activation='relu')", "Reshape((2, 2, 8))", "Conv2d(8, 8, 3, padding=1)"
    ]  # fmt: skip


def test_resnet_halves_as_often_as_it_should():
    for times, widths in ((1, [8]), (2, [8, 16]), (3, [8, 16, 16])):
        encoder, decoder = ResNet(16, 4, 1, times).build((24, 24, 1), MAP)
        assert encoder.output_shape((24, 24, 1))[:2] == (24 >> times,) * 2
        strided = [m for m in encoder.layers if getattr(m, "stride", 0) == (2, 2)]
        assert [m.weight.shape[0] for m in strided] == widths
        raised = [m for m in decoder.layers if isinstance(m, nn.ConvTranspose2d)]
        assert [m.weight.shape[0] for m in raised] == [*widths[-2::-1], 1]


def test_lstm():
    encoder, decoder = LSTM().build((140, 2), Code(32, 16))
    assert layers(encoder) == ["LSTM(2, 64, last=True)", "Linear(64, 32)"]
    last = repr(nn.TimeDistributed(nn.Linear(64, 2)))
    assert layers(decoder) == ["LSTM(16, 64, steps=140)", last]
    encoder, decoder = LSTM(8, 2, True).build((5, 2), VECTOR, condition=3)
    rest = "layers=2, bidirectional=True"
    assert layers(encoder) == [f"LSTM(5, 8, {rest}, last=True)", "Linear(16, 6)"]
    assert layers(decoder)[0] == f"LSTM(6, 8, {rest}, steps=5)"
    encoder, decoder = LSTM(8, reverse=True).build((5, 2), VECTOR)
    assert layers(encoder)[0] == "LSTM(2, 8, last=True)"  # the decoder alone is turned round
    assert layers(decoder)[0] == "LSTM(3, 8, steps=5, reverse=True)"


def test_sequences_have_maps_of_a_code_for_each_step():
    for arch in (LSTM(8, 2, True), Transformer(8, 2)):
        encoder, decoder = arch.build((5, 2), Code(6, 3, spatial=True))
        assert encoder.output_shape((5, 2)) == (5, 6)
        assert decoder.output_shape((5, 3)) == (5, 2)
    encoder, decoder = LSTM(8).build((5, 2), Code(6, 3, spatial=True))
    assert layers(encoder) == ["LSTM(2, 8)", repr(nn.TimeDistributed(nn.Linear(8, 6)))]
    assert layers(decoder) == ["LSTM(3, 8)", repr(nn.TimeDistributed(nn.Linear(8, 2)))]


def test_transformer():
    encoder, decoder = Transformer().build((64, 16), Code(32, 32))
    block = repr(nn.TransformerBlock(64, 4, 256))
    assert layers(encoder) == [
        repr(nn.TimeDistributed(nn.Linear(16, 64))), "PositionalEmbedding(64, 64)", block, block,
        "MeanPool1d()", "Linear(64, 32)",
    ]  # fmt: skip
    last = repr(nn.TimeDistributed(nn.Linear(64, 16)))
    assert layers(decoder) == [
        "Linear(32, 64)", "PositionalEmbedding(64, 64)", block, block, last,
    ]  # fmt: skip
    steps = [p for name, p in encoder.parameters() if p.std]
    assert [(p.shape, p.std) for p in steps] == [((64, 64), 0.02)]


# ---- any shape there and back ----------------------------------------------------------------


def left(n, levels, kernel, stride):
    """Return what convolutions leave of a size, by walking the windows."""
    padding = max(0, (kernel - stride + 1) // 2)
    for _ in range(levels):
        n = len(range(0, n + 2 * padding - kernel + 1, stride))
    return n


@pytest.mark.parametrize("kernel, stride", [(4, 2), (3, 2), (2, 2), (3, 1), (4, 1), (5, 3), (1, 2)])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_conv_restores_every_size(kernel, stride, levels):
    heights, widths = (1, 2, 3, 4, 5, 7, 8, 10, 13, 27), (1, 2, 5, 6, 9, 11, 28)
    arch = Conv((2, 3, 2)[:levels], kernel, stride)
    fits = 0
    for i, (h, w) in enumerate(itertools.product(heights, widths)):
        shape, code = (h, w, 1 + i % 5), (VECTOR, MAP)[i % 2]
        top = tuple(left(n, levels, kernel, stride) for n in (h, w))
        if min(top) < 1:
            with pytest.raises(ValueError, match=f"Conv: expected images large .*, got {h} x {w}:"):
                arch.build(shape, code)
            continue
        fits += 1
        encoder, decoder = arch.build(shape, code, condition=i % 3)
        codes = encoder(np.ones((2, h, w, shape[2] + i % 3), np.float32))
        assert codes.shape == ((2, *top, 6) if code.spatial else (2, 6))
        back = decoder(np.ones((*codes.shape[:-1], 3 + i % 3), np.float32))
        assert back.shape == (2, *shape)
    assert fits > 0


@pytest.mark.parametrize("times", [1, 2, 3])
def test_resnet_restores_every_size(times):
    arch = ResNet(4, 2, 1, times)
    for i, (h, w) in enumerate(itertools.product((1, 2, 3, 5, 8, 9, 15), (1, 4, 7, 10))):
        shape, code = (h, w, 1 + i % 5), (VECTOR, MAP)[i % 2]
        if min(left(n, times, 4, 2) for n in (h, w)) < 1:
            with pytest.raises(
                ValueError, match=f"ResNet: expected images large .*, got {h} x {w}:"
            ):
                arch.build(shape, code)
            continue
        encoder, decoder = build_network(arch, shape, code, condition=i % 3)
        codes = encoder(np.ones((2, h, w, shape[2] + i % 3), np.float32))
        back = decoder(np.ones((*codes.shape[:-1], 3 + i % 3), np.float32))
        assert back.shape == (2, *shape)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_the_default_takes_any_image(channels):
    for h, w in itertools.product((1, 2, 3, 6, 17), (1, 5, 8, 28)):
        encoder, decoder = build_network(None, (h, w, channels), Code(4, 4))
        codes = encoder(np.ones((2, h, w, channels), np.float32))
        assert decoder(codes).shape == (2, h, w, channels)


# ---- gradients -------------------------------------------------------------------------------

SMALL = {
    "dense": (Dense((9, 5)), (7,)),
    "dense-tanh": (Dense((9, 5), "tanh"), (7,)),
    "dense-gelu": (Dense((9,), "gelu"), (2, 3, 2)),
    "conv": (Conv((4, 6)), (9, 11, 3)),
    "conv-one": (Conv((3,), 3, 1, "elu"), (1, 1, 2)),
    "conv-silu": (Conv((3, 4, 5), 3, 2, "silu"), (7, 10, 2)),
    "resnet": (ResNet(6, 3, 2, 2), (10, 7, 2)),
    "conv-steps": (Conv((4, 5)), (9, 2)),
    "conv-steps-odd": (Conv((4,), 3, 2, "gelu"), (7, 1)),
    "lstm": (LSTM(5), (6, 2)),
    "lstm-layers": (LSTM(4, 2, True), (4, 3)),
    "gru": (GRU(5), (6, 2)),
    "gru-layers": (GRU(4, 2, True), (4, 3)),
    "gru-reverse": (GRU(4, 2, reverse=True), (5, 2)),
    "lstm-one": (LSTM(3), (1, 1)),
    "lstm-reverse": (LSTM(4, 2, reverse=True), (5, 2)),
    "transformer": (Transformer(6, 3, 2, 8), (5, 3)),
    "transformer-one": (Transformer(4, 1, 1, 3), (1, 1)),
    "resnet-one": (ResNet(4, 2, 1, 1), (3, 5, 1)),
}


@pytest.mark.parametrize("code", [VECTOR, MAP], ids=["vector", "map"])
@pytest.mark.parametrize("condition", [0, 2])
@pytest.mark.parametrize("name", SMALL)
def test_gradients(name, condition, code, rng):
    """Of the encoder, the decoder and the two in one, by finite differences of float64 twins."""
    arch, shape = SMALL[name]
    encoder, decoder = build_network(arch, shape, code, condition=condition)
    x = normal(rng, 4, *conditioned_shape(encoder, shape, condition))
    check(encoder, x, rng, training=True, tolerance=5e-5)
    z = encoder(x).shape
    check(decoder, normal(rng, *z[:-1], 3 + condition), rng, training=True, tolerance=5e-5)
    if not condition:
        whole = nn.Sequential(*arch.build(shape, code._replace(inputs=6)))
        check(whole, x, rng, training=True, tolerance=5e-5)


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "linear"])
@pytest.mark.parametrize("shape", [(7,), (2, 3, 2)])
def test_tied_weights(activation, shape, rng):
    encoder, decoder = build_network(Dense((9, 5), activation), shape, Code(3, 3), tied=True)
    there = [m for m in encoder.layers if isinstance(m, nn.Linear)]
    back = [m for m in decoder.layers if isinstance(m, nn.TiedLinear)]
    assert len(back) == 3
    for a, b in zip(there, reversed(back), strict=True):
        assert a.weight is b.weight and a.bias is not b.bias
    whole = nn.Sequential(encoder, decoder)
    assert whole.n_parameters == sum(p.value.size for p in (a.weight for a in there)) + sum(
        m.bias.value.size for m in (*there, *back)
    )
    check(whole, normal(rng, 5, *shape), rng, tolerance=5e-5)


@pytest.mark.parametrize("activation", ["relu", "silu"])
@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("options", [(4, 2), (3, 1), (2, 3)])
def test_tied_convolutions(activation, spatial, options, rng):
    """The gradient of a shared kernel is the sum of what both directions add."""
    arch, code = Conv((4, 5), *options, activation), Code(3, 3, spatial)
    encoder, decoder = build_network(arch, (11, 13, 2), code, tied=True)
    there = [m for m in encoder.layers if hasattr(m, "weight")]
    back = [m for m in decoder.layers if hasattr(m, "weight")]
    assert [type(m) for m in back][1:] == [nn.TiedConvTranspose2d] * 2 and len(back) == 3
    for a, b in zip(there, reversed(back), strict=True):
        assert a.weight is b.weight and a.bias is not b.bias
    whole = nn.Sequential(encoder, decoder)
    assert len(list(whole.parameters())) == 9  # three weights, six biases
    free = build_network(arch, (11, 13, 2), code)
    assert [b.value.shape for name, b in decoder.parameters() if "bias" in name] == [
        b.value.shape for name, b in free[1].parameters() if "bias" in name
    ]
    check(whole, normal(rng, 3, 11, 13, 2), rng, tolerance=5e-5)


# ---- architectures as parameters -------------------------------------------------------------

ARCHS = (Dense(), Dense((3,), "tanh"), Conv(), Conv((3, 4), 3, 1, "elu"), ResNet(), ResNet(8, 4),
         GRU(), GRU(8, 2, True, recurrent_dropout=0.2), LSTM(), LSTM(8, 2, True),
         LSTM(8, reverse=True),
         Transformer(), Transformer(8, 2))  # fmt: skip


@pytest.mark.parametrize("arch", ARCHS, ids=repr)
def test_parameters_and_copies(arch):
    params = arch.get_params()
    again = type(arch)(**params)
    assert again == arch and again is not arch and again.get_params() == params
    assert all(again.get_params()[name] is params[name] for name in params)  # __init__ only stores
    assert copy.deepcopy(arch) == arch == pickle.loads(pickle.dumps(arch))
    assert eval(repr(arch)) == arch
    assert [other == arch for other in ARCHS].count(True) == 1
    name = next(iter(params))
    changed = again.set_params(**{name: 5})
    assert changed is again and getattr(again, name) == 5 and again != arch
    with pytest.raises(ValueError, match="depth"):
        arch.set_params(depth=3)


def test_scikit_learn_clones_them():
    clone = pytest.importorskip("sklearn.base").clone
    for arch in ARCHS:
        other = clone(arch)
        assert other == arch and other is not arch


# ---- networks for models ---------------------------------------------------------------------


def test_defaults():
    assert repr(build_network(None, (9,), VECTOR)) == repr(Dense().build((9,), VECTOR))
    assert repr(build_network(None, (7, 2), VECTOR)) == repr(Dense().build((7, 2), VECTOR))
    assert repr(build_network(None, (32, 30, 3), MAP)) == repr(Conv().build((32, 30, 3), MAP))


def test_own_modules_are_copied_together():
    there = nn.Linear(5, 3, activation="tanh")
    encoder, decoder = nn.Sequential(there), nn.Sequential(nn.TiedLinear(there))
    a, b = build_network((encoder, decoder), (5,), Code(3, 3))
    assert a is not encoder and b is not decoder
    assert a.layers[0].weight is b.layers[0].weight is not there.weight
    np.testing.assert_array_equal(a.layers[0].weight.value, there.weight.value)
    build_network([nn.Linear(7, 6), nn.Linear(5, 5)], (5,), VECTOR, condition=2)


def test_own_modules_may_map():
    """A spatial code keeps whatever map the encoder gives."""
    pair = nn.Conv2d(2, 6, 2, 2), nn.ConvTranspose2d(3, 2, 2, 2)
    build_network(pair, (4, 6, 2), MAP)
    with pytest.raises(ValueError, match=r"for samples of shape \(4, 6, 2\), got \(2, 3, 6\)"):
        build_network(pair, (4, 6, 2), VECTOR)


LINEAR = nn.Linear(5, 6), nn.Linear(3, 5)
WRONG = [
    (lambda: build_network("dense", (5,), VECTOR), TypeError, "expected None, an architecture"),
    (lambda: build_network((LINEAR[0],), (5,), VECTOR), TypeError, "arch"),
    (lambda: build_network((*LINEAR, LINEAR[0]), (5,), VECTOR), TypeError, "arch"),
    (lambda: build_network((LINEAR[0], "x"), (5,), VECTOR), TypeError, "arch"),
    (lambda: build_network(Dense, (5,), VECTOR), TypeError, "arch"),
    (lambda: build_network(None, (), VECTOR), ValueError, r"default .*None for .* \(\)$"),
    (lambda: build_network(None, (5, 4, 3, 2), VECTOR), ValueError, r"None for .* \(5, 4, 3, 2\)"),
    (lambda: build_network(None, (0,), VECTOR), ValueError, "at least 1, got 0"),
    (lambda: build_network(LINEAR, (6,), VECTOR), ValueError, "encoder: expected .* of 5 features"),
    (lambda: build_network(LINEAR, (5,), Code(7, 3)), ValueError,
     r"encoder: expected codes of shape \(7,\) .*, got \(6,\)"),
    (lambda: build_network(LINEAR, (5,), Code(6, 4)), ValueError, "decoder: expected a module"),
    (lambda: build_network(LINEAR, (5,), VECTOR, condition=1), ValueError,
     "encoder: expected a module"),
    (lambda: build_network(LINEAR[:1] * 2, (5,), Code(6, 5)), ValueError,
     r"decoder: expected samples of shape \(5,\) .*, got \(6,\)"),
    (lambda: build_network(LINEAR, (5,), VECTOR, tied=True), ValueError, "nn.TiedLinear"),
    (lambda: Dense((3, 0)).build((5,), VECTOR), ValueError, "widths: expected at least 1, got 0"),
    (lambda: Dense((3.5,)).build((5,), VECTOR), TypeError, "widths: expected an integer, got 3.5"),
    (lambda: Dense(3).build((5,), VECTOR), TypeError, "widths: expected a sequence"),
    (lambda: Dense("33").build((5,), VECTOR), TypeError, "widths: expected a sequence"),
    (lambda: Dense((3,), "swish").build((5,), VECTOR), ValueError, "activation.*'swish'"),
    (lambda: Dense((3,), 3).build((5,), VECTOR), ValueError, "activation"),
    (lambda: Dense((3,)).build((5,), VECTOR, tied=True), ValueError,
     r"tied: expected False .*6 .*3 "),
    (lambda: Dense((3,)).build((5,), Code(3, 3), tied=True, condition=2), ValueError, "tied"),
    (lambda: Conv().build((5,), VECTOR), ValueError, r"Conv: expected images \(H, W, C\)"),
    (lambda: Conv(()).build((5, 5, 1), VECTOR), ValueError, "channels: expected at least 1"),
    (lambda: Conv((3,), 0).build((5, 5, 1), VECTOR), ValueError, "kernel_size"),
    (lambda: Conv((3,), 4, 0).build((5, 5, 1), VECTOR), ValueError, "stride"),
    (lambda: Conv((3,), 4.5).build((5, 5, 1), VECTOR), TypeError, "kernel_size"),
    (lambda: Conv((3,)).build((5, 5, 0), VECTOR), ValueError, "input_shape"),
    (lambda: Conv((3,)).build((5, 5, 1), VECTOR, tied=True), ValueError,
     r"tied: expected False .*6 .*3 "),
    (lambda: Conv((3,)).build((5, 5, 1), Code(3, 3), tied=True, condition=2), ValueError, "tied"),
    (lambda: ResNet().build((5,), VECTOR), ValueError, "ResNet: expected images"),
    (lambda: ResNet(1).build((8, 8, 1), VECTOR), ValueError, "channels: expected at least 2"),
    (lambda: ResNet(4, 0).build((8, 8, 1), VECTOR), ValueError, "residual_channels"),
    (lambda: ResNet(4, 2, -1).build((8, 8, 1), VECTOR), ValueError, "blocks"),
    (lambda: ResNet(4, 2, 1, 0).build((8, 8, 1), VECTOR), ValueError, "downsample"),
    (lambda: ResNet(4, 2).build((8, 8, 1), VECTOR, tied=True), ValueError,
     "tied: expected False .* only Dense"),
    (lambda: LSTM().build((5,), VECTOR), ValueError, r"LSTM: expected sequences \(T, F\)"),
    (lambda: LSTM().build((5, 0), VECTOR), ValueError, "input_shape"),
    (lambda: LSTM(0).build((5, 2), VECTOR), ValueError, "units"),
    (lambda: GRU().build((5,), VECTOR), ValueError, r"GRU: expected sequences \(T, F\)"),
    (lambda: GRU(recurrent_dropout=1).build((5, 2), VECTOR), ValueError, "recurrent_dropout"),
    (lambda: LSTM(4, 1.5).build((5, 2), VECTOR), TypeError, "layers"),
    (lambda: LSTM(4, 1, "both").build((5, 2), VECTOR), TypeError, "bidirectional"),
    (lambda: LSTM(4, 1, False, 1).build((5, 2), VECTOR), TypeError, "reverse"),
    (lambda: LSTM(4, 1, True, True).build((5, 2), VECTOR), ValueError, "reverse"),
    (lambda: LSTM().build((5, 2), VECTOR, tied=True), ValueError,
     "tied: expected False .* only Dense"),
    (lambda: Transformer().build((5,), VECTOR), ValueError, r"expected sequences \(T, F\)"),
    (lambda: Transformer().build((5, 5, 1), VECTOR), ValueError, "expected sequences"),
    (lambda: Transformer(6, 4).build((5, 3), VECTOR), ValueError,
     "heads: expected a divisor .* 6, got 4"),
    (lambda: Transformer(0).build((5, 3), VECTOR), ValueError, "width"),
    (lambda: Transformer(layers=0).build((5, 3), VECTOR), ValueError, "layers"),
    (lambda: Transformer(feedforward=2.5).build((5, 3), VECTOR), TypeError, "feedforward"),
    (lambda: Transformer().build((5, 3), VECTOR, tied=True), ValueError,
     "tied: expected False .* only Dense"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, words", WRONG)
def test_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_huge_width_is_an_error_and_no_crash():
    for width in (2**62, 10**15):
        with pytest.raises((MemoryError, ValueError)):
            Dense((width,)).build((784,), VECTOR)


def test_positions_for_more_steps(rng):
    layer = nn.PositionalEmbedding(5, 3, most=8)
    assert repr(layer) == "PositionalEmbedding(5, 3, most=8)"
    assert repr(nn.PositionalEmbedding(5, 3, 5)) == "PositionalEmbedding(5, 3)"
    x = normal(rng, 2, 7, 3)
    np.testing.assert_array_equal(layer(x), x + layer.weight.value[:7])
    np.testing.assert_array_equal(layer(x[:, 0]), x[:, :1] + layer.weight.value[:5])
    for shape in ((3,), (5, 3), (8, 3)):
        assert nn.check_gradients(layer, shape) < 1e-2
    for shape in ((4, 3), (9, 3), (5, 2)):
        with pytest.raises(ValueError, match="PositionalEmbedding: expected"):
            layer(np.ones((1, *shape), np.float32))
    with pytest.raises(ValueError, match="most: expected at least 5, got 4"):
        nn.PositionalEmbedding(5, 3, 4)


def test_steps_that_a_transformer_reserves(rng):
    X = [rng.random((t, 3), np.float32) for t in (4, 11, 1, 7)]
    kw = {"epochs": 1, "random_state": 0}
    model = ae.Autoencoder(ae.Transformer(8, 2, 1, 16, max_steps=17), 3, **kw).fit(X)
    assert model.reconstruct([np.ones((17, 3))])[0].shape == (17, 3)
    for method in ("transform", "reconstruct", "score_samples", "errors"):
        with pytest.raises(ValueError, match="sample 1: expected at most 17 steps, .*got 18"):
            getattr(model, method)([X[0], np.ones((18, 3))])
    fewer = ae.Autoencoder(ae.Transformer(8, 2, 1, 16, max_steps=2), 3, **kw).fit(X)
    assert fewer._network.encoder.layers[1].weight.shape == (11, 8)
    with pytest.raises(ValueError, match="max_steps: expected at least 1, got 0"):
        ae.Autoencoder(ae.Transformer(8, 2, 1, 16, max_steps=0), 3, **kw).fit(X)

"""Networks for images of any size: U-Nets, and codes that are maps."""

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.arch import Code, UNet, build_network
from aecore.nn.ops.sizes import mirrored
from cases.base import normal
from support.layers import gradients

ARCHS = {
    "conv": ae.Conv((4, 6), flatten=False),
    "conv 3": ae.Conv((4, 6), 3, 2, "tanh", flatten=False),
    "conv 5 3": ae.Conv((4, 6), 5, 3, flatten=False),
    "conv 4 1": ae.Conv((4,), 4, 1, flatten=False),
    "resnet": ae.ResNet(8, 4, 1, flatten=False),
    "unet": UNet((4, 5, 6)),
    "unet, whole": UNet((4, 5), residual=False, activation="silu"),
    "unet of a level": UNet((4,)),
}
SIZES = [(16, 12), (13, 7), (1, 1), (2, 31), (5, 5)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("arch", ARCHS.values(), ids=ARCHS)
def test_a_network_made_for_one_size_takes_any(arch, size, rng):
    encoder, decoder = build_network(arch, (*size, 3), Code(5, 5))
    for module in (encoder, decoder):
        module.initialize(0)
    code = encoder.output_shape((*size, 3))
    assert decoder.output_shape(code) == (*size, 3)
    for other in SIZES:
        x = normal(rng, 2, *other, 3)
        with nn.Tape(records=False) as tape:
            z = encoder(tape.constant(x))
            y = decoder(z)
            assert y.shape == x.shape
            if arch.has_code:
                assert z.shape[3] == 5
            y = y.data.copy()
        if size != other:  # the size that it was made for makes no difference
            others = build_network(arch, (*other, 3), Code(5, 5))
            for module in others:
                module.initialize(0)
            with nn.Tape(records=False) as tape:
                np.testing.assert_array_equal(others[1](others[0](tape.constant(x))).data, y)


def test_a_unet_by_hand(rng):
    """Its layers one by one, and a skip that is the level's result on the way down."""
    _, network = UNet((3, 4)).build((6, 8, 2), Code(2, 2, True))
    network.initialize(1)
    pad, residual, crop = network.layers
    first, second, skip, third, fourth, last = residual.body.layers
    x = normal(rng, 2, 6, 8, 2)
    fine = second(first(x))
    below = skip.body.layers
    coarse = below[3](below[2](below[1](below[0](fine))))
    assert below[0](fine).shape == (2, 3, 4, 4) and coarse.shape == fine.shape
    y = x + last(fourth(third(np.concatenate([fine, coarse], axis=3))))
    np.testing.assert_allclose(network(x), y, rtol=1e-5, atol=1e-6)
    assert isinstance(pad, nn.PadToMultiple) and isinstance(crop, nn.CropToInput)


@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 3, 2)])
def test_gradients_of_a_unet(shape):
    _, network = UNet((3, 4), activation="tanh").build(shape, Code(shape[2], shape[2], True))
    assert nn.check_gradients(network, shape) < 5e-3


@pytest.mark.parametrize("layer, shape", [
    (nn.PadToMultiple(4), (5, 3, 2)),
    (nn.PadToMultiple(4), (1, 1, 1)),
    (nn.PadToMultiple(7), (2, 3, 1)),
    (nn.PadToMultiple(2), (4, 6, 1)),
    (nn.Sequential(nn.PadToMultiple(3), nn.Conv2d(2, 3, 3, 3), nn.ConvTranspose2d(3, 2, 3, 3),
                   nn.CropToInput((9, 9), 3)), (5, 4, 2)),
    (nn.CropToInput((5, 6), 4), (8, 8, 2)),
    (nn.SkipConcat(nn.Conv2d(2, 3, 3, 1, 1)), (4, 3, 2)),
], ids=repr)  # fmt: skip
def test_gradients_of_layers(layer, shape):
    assert nn.check_gradients(layer, shape) < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (4, 3), (2, 9)])
@pytest.mark.parametrize("multiple", [1, 2, 4, 9])
def test_padding_and_its_transpose(multiple, size, rng):
    x = normal(rng, 3, *size, 2)
    layer = nn.PadToMultiple(multiple)
    rows, columns = (mirrored(n, -(-n // multiple) * multiple) for n in size)
    np.testing.assert_array_equal(layer(x), x[:, rows][:, :, columns])
    grad = normal(rng, *layer(x).shape)
    _, dx, _ = gradients(layer, x, grad)
    want = np.zeros(x.shape)
    np.add.at(want, np.ix_(range(3), rows, columns, range(2)), grad)
    np.testing.assert_allclose(dx, want, rtol=1e-5, atol=1e-5)


def test_what_is_cut(rng):
    layer = nn.CropToInput((5, 6), 4)
    for size, want in (((8, 8), (5, 6)), ((4, 8), (4, 8)), ((8, 12), (8, 12)), ((5, 6), (5, 6))):
        assert layer(normal(rng, 1, *size, 2)).shape[1:3] == want
    pair = nn.Sequential(nn.PadToMultiple(4), layer)
    for size in ((8, 8), (7, 6), (1, 9)):
        x = normal(rng, 2, *size, 1)
        np.testing.assert_array_equal(pair(x), x)


def test_layers_refuse_what_makes_no_sense(rng):
    for text, wrong in (
        ("multiple: expected at least 1", lambda: nn.PadToMultiple(0)),
        (r"PadToMultiple: expected images", lambda: nn.PadToMultiple(2)(normal(rng, 3, 4))),
        ("size: ", lambda: nn.CropToInput((0, 1), 2)),
        ("SkipConcat: expected a body that keeps the shape",
         lambda: nn.SkipConcat(nn.Conv2d(2, 3, 3))(normal(rng, 1, 5, 5, 2))),
        ("flatten: ", lambda: ae.Conv((4,), flatten=0.5).build((8, 8, 1), Code(2, 2))),
        ("residual: ", lambda: UNet((4,), residual=2).build((8, 8, 1), Code(1, 1, True))),
        ("channels: ", lambda: UNet(()).build((8, 8, 1), Code(1, 1, True))),
        ("tied: expected False for UNet",
         lambda: UNet().build((8, 8, 1), Code(1, 1, True), tied=True)),
        ("takes conditions, got UNet",
         lambda: UNet().build((8, 8, 1), Code(1, 1, True), condition=2)),
        (r"UNet: expected images \(H, W, C\)", lambda: UNet().build((8,), Code(1, 1, True))),
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=text):
            wrong()
    with pytest.raises(TypeError, match="SkipConcat: expected a module"):
        nn.SkipConcat(3)

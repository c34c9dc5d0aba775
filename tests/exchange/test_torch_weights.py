"""Weights in PyTorch's names and layouts: networks of PyTorch's own layers take them and agree."""

import subprocess
import sys

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from cases.base import normal
from safetensors.numpy import save_file

KW = {"epochs": 1, "batch_size": 16, "random_state": 0}


def shaken(model, rng, X, y=None):
    """Return a model with weights such that outputs differ from each other and from 0."""
    model.initialize(X, y)
    for value in model.parameters_.values():
        value += normal(rng, *value.shape) * np.float32(0.2)
    for _, buffer in model._network.buffers():
        if buffer.dtype == np.float32:
            buffer += rng.random(buffer.shape, dtype=np.float32)
    return model


def values(model):
    """Return all that is learned by name, and the moving averages."""
    network = model._network
    found = {name: p.value for name, p in network.flat.named.items()}
    found |= {name: b for name, b in network.buffers() if b.dtype == np.float32}
    return {name: v.copy() for name, v in found.items()}


# ---- networks of PyTorch's -----------------------------------------------------------------------


def first(x):
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def last(x):
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def taken(module, model, part):
    """Return a torch module with the weights of a model's part: all of them and no others."""
    import torch

    state = {
        name.removeprefix(f"{part}."): torch.from_numpy(value)
        for name, value in ae.to_torch(model).items()
        if name.startswith(f"{part}.")
    }
    module.load_state_dict(state, strict=True)
    return module.eval()


def agree(model, X, encoder, decoder, y=None):
    """Compare codes and reconstructions with those of two torch modules, channels first."""
    import torch

    told = () if y is None else (y,)
    codes = model.transform(X, *told)
    with torch.inference_mode():
        x, z = torch.from_numpy(first(X)), torch.from_numpy(codes)
        if y is not None:
            beside = torch.nn.functional.one_hot(torch.from_numpy(y).long()).float()
            z = torch.cat([z, beside], 1)
            if isinstance(encoder[0], torch.nn.Flatten):
                x = x.flatten(1)
            else:
                beside = beside[:, :, None, None].expand(-1, -1, *x.shape[2:])
            x = torch.cat([x, beside], 1)
        h = taken(encoder, model, "encoder")(x).numpy()
        rebuilt = taken(decoder, model, "decoder")(z).numpy()
    np.testing.assert_allclose(h[:, : codes.shape[1]], codes, rtol=1e-4, atol=1e-5)
    rebuilt = last(rebuilt)
    np.testing.assert_allclose(rebuilt, model.inverse_transform(codes, *told), rtol=1e-4, atol=1e-5)


torch_only = pytest.mark.parity


@pytest.fixture
def t():
    return pytest.importorskip("torch").nn


@torch_only
def test_dense(t, rng):
    X = rng.random((6, 12), dtype=np.float32)
    model = shaken(ae.VAE(ae.Dense((9, 7), "elu"), 3, **KW), rng, X)
    encoder = t.Sequential(t.Linear(12, 9), t.ELU(), t.Linear(9, 7), t.ELU(), t.Linear(7, 6))
    decoder = t.Sequential(t.Linear(3, 7), t.ELU(), t.Linear(7, 9), t.ELU(), t.Linear(9, 12))
    agree(model, X, encoder, decoder)


@torch_only
@pytest.mark.parametrize("activation", ["relu", "gelu"])  # fused, and a layer of its own
def test_images(activation, t, rng):
    X = rng.random((6, 9, 7, 2), dtype=np.float32)
    model = ae.Autoencoder(ae.Conv((4, 6), activation=activation), 3, **KW)
    f = {"relu": t.ReLU, "gelu": t.GELU}[activation]
    down = [t.Conv2d(2, 4, 4, 2, 1), f(), t.Conv2d(4, 6, 4, 2, 1), f()]
    encoder = t.Sequential(*down, t.Flatten(), t.Linear(2 * 1 * 6, 3))
    up = t.ConvTranspose2d(6, 4, 4, 2, 1, (0, 1)), f(), t.ConvTranspose2d(4, 2, 4, 2, 1, (1, 1))
    decoder = t.Sequential(t.Linear(3, 12), f(), t.Unflatten(1, (6, 2, 1)), *up)
    agree(shaken(model, rng, X), X, encoder, decoder)


@torch_only
def test_dense_layers_of_images(t, rng):
    X = rng.random((6, 4, 3, 2), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.Dense((8,)), 3, **KW), rng, X)
    encoder = t.Sequential(t.Flatten(), t.Linear(24, 8), t.ReLU(), t.Linear(8, 3))
    decoder = t.Sequential(t.Linear(3, 8), t.ReLU(), t.Linear(8, 24), t.Unflatten(1, (2, 4, 3)))
    agree(model, X, encoder, decoder)
    model = shaken(ae.Autoencoder(ae.Dense(()), 3, **KW), rng, X)
    agree(model, X, t.Sequential(t.Flatten(), t.Linear(24, 3)), t.Sequential(
        t.Linear(3, 24), t.Unflatten(1, (2, 4, 3))))  # fmt: skip


@torch_only
def test_conditions_stand_behind(t, rng):
    X, y = rng.random((6, 4, 6, 2), dtype=np.float32), np.arange(6) % 3
    model = shaken(ae.CVAE(ae.Dense((8,)), 3, **KW), rng, X, y)
    encoder = t.Sequential(t.Flatten(), t.Linear(48 + 3, 8), t.ReLU(), t.Linear(8, 6))
    decoder = t.Sequential(t.Linear(6, 8), t.ReLU(), t.Linear(8, 48), t.Unflatten(1, (2, 4, 6)))
    agree(model, X, encoder, decoder, y)
    model = shaken(ae.CVAE(ae.Conv((4,)), 3, **KW), rng, X, y)
    encoder = t.Sequential(t.Conv2d(5, 4, 4, 2, 1), t.ReLU(), t.Flatten(), t.Linear(24, 6))
    up = t.Unflatten(1, (4, 2, 3)), t.ConvTranspose2d(4, 2, 4, 2, 1)
    agree(model, X, encoder, t.Sequential(t.Linear(6, 24), t.ReLU(), *up), y)


@torch_only
def test_residual_blocks_and_codebooks(t, rng):
    torch = pytest.importorskip("torch")

    class Block(t.Module):
        def __init__(self):
            super().__init__()
            inner = t.Conv2d(8, 4, 3, 1, 1, bias=False), t.ReLU(), t.Conv2d(4, 8, 1, bias=False)
            self.body = t.Sequential(t.ReLU(), *inner)

        def forward(self, x):
            return x + self.body(x)

    X = rng.random((5, 8, 12, 3), dtype=np.float32)
    model = shaken(ae.VQVAE(ae.ResNet(8, 4), 6, 3, **KW), rng, X)
    down = t.Conv2d(3, 4, 4, 2, 1), t.ReLU(), t.Conv2d(4, 8, 4, 2, 1), t.ReLU()
    middle = t.Conv2d(8, 8, 3, 1, 1), Block(), Block(), t.ReLU()
    encoder = taken(t.Sequential(*down, *middle, t.Conv2d(8, 3, 1)), model, "encoder")
    middle = t.Conv2d(3, 8, 3, 1, 1), Block(), Block(), t.ReLU()
    up = t.ConvTranspose2d(8, 4, 4, 2, 1), t.ReLU(), t.ConvTranspose2d(4, 3, 4, 2, 1)
    decoder = taken(t.Sequential(*middle, *up), model, "decoder")
    entries = torch.from_numpy(ae.to_torch(model)["quantizer.entries"])
    with torch.inference_mode():
        z = encoder(torch.from_numpy(first(X))).permute(0, 2, 3, 1)
        codes = torch.cdist(z.reshape(-1, 3).double(), entries.double()).argmin(1)
        rebuilt = decoder(entries[codes].view(z.shape).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_array_equal(codes.view(z.shape[:3]), model.transform(X))
    np.testing.assert_allclose(last(rebuilt), model.reconstruct(X), rtol=1e-4, atol=1e-5)


@torch_only
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent(kind, both, t, rng):
    layer = getattr(t, kind)

    class Encoder(t.Module):
        def __init__(self):
            super().__init__()
            self.add_module("0", layer(2, 5, 2, batch_first=True, bidirectional=both))
            self.add_module("1", t.Linear(5 * (1 + both), 3))

        def forward(self, x):
            h = getattr(self, "0")(x)[1]
            h = h[0] if kind == "LSTM" else h
            return getattr(self, "1")(h[-1 - both :].transpose(0, 1).flatten(1))

    class Decoder(t.Module):
        def __init__(self):
            super().__init__()
            self.add_module("0", layer(3, 5, 2, batch_first=True, bidirectional=both))
            self.add_module("1", t.Linear(5 * (1 + both), 2))

        def forward(self, z):
            return getattr(self, "1")(getattr(self, "0")(z[:, None].expand(-1, 7, -1))[0])

    X = rng.random((4, 7, 2), dtype=np.float32)
    arch = getattr(ae, kind)(5, 2, bidirectional=both)
    model = shaken(ae.Autoencoder(arch, 3, **KW), rng, X)
    agree(model, X, Encoder(), Decoder())


@torch_only
def test_transformer(t, rng):
    torch = pytest.importorskip("torch")

    class Positions(t.Module):
        def __init__(self):
            super().__init__()
            self.weight = t.Parameter(torch.zeros(6, 8))

        def forward(self, x):
            return (x if x.ndim == 3 else x[:, None]) + self.weight

    class Mean(t.Module):
        def forward(self, x):
            return x.mean(1)

    def layer():
        options = {"batch_first": True, "norm_first": True}
        return t.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", **options)

    X = rng.random((4, 6, 3), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.Transformer(8, 2, 2, 16), 5, **KW), rng, X)
    encoder = t.Sequential(t.Linear(3, 8), Positions(), layer(), layer(), Mean(), t.Linear(8, 5))
    decoder = t.Sequential(t.Linear(5, 8), Positions(), layer(), layer(), t.Linear(8, 3))
    agree(model, X, encoder, decoder)


@torch_only
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_convolutions_with_groups_and_dilation(t, rng):
    X = rng.random((5, 7, 6, 4), dtype=np.float32)
    encoder = nn.Sequential(
        nn.Conv2d(4, 6, 3, padding="same", dilation=(1, 2), groups=2, activation="relu"),
        nn.Conv2d(6, 6, 4, padding="same", groups=6),
        nn.Flatten(),
        nn.Linear(7 * 6 * 6, 3),
    )
    decoder = nn.Sequential(
        nn.Linear(3, 4 * 3 * 5), nn.Reshape((4, 3, 5)),
        nn.ConvTranspose2d(5, 4, (3, 2), 2, (2, 1), 1, dilation=(2, 3)), nn.Flatten(),
        nn.Linear(8 * 7 * 4, 7 * 6 * 4), nn.Reshape((7, 6, 4)),
    )  # fmt: skip
    model = shaken(ae.Autoencoder((encoder, decoder), 3, **KW), rng, X)
    theirs = t.Sequential(
        t.Conv2d(4, 6, 3, padding="same", dilation=(1, 2), groups=2), t.ReLU(),
        t.Conv2d(6, 6, 4, padding="same", groups=6), t.Flatten(), t.Linear(7 * 6 * 6, 3),
    )  # fmt: skip
    back = t.Sequential(
        t.Linear(3, 60), t.Unflatten(1, (5, 4, 3)),
        t.ConvTranspose2d(5, 4, (3, 2), 2, (2, 1), 1, dilation=(2, 3)), t.Flatten(),
        t.Linear(8 * 7 * 4, 7 * 6 * 4), t.Unflatten(1, (4, 7, 6)),
    )  # fmt: skip
    agree(model, X, theirs, back)


@torch_only
@pytest.mark.parametrize("steps", [13, 8, 4])
def test_convolutions_of_sequences(steps, t, rng):
    X = rng.random((6, steps, 3), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.Conv((4, 6)), 5, **KW), rng, X)
    left = steps // 2 // 2
    encoder = t.Sequential(
        t.Conv1d(3, 4, 4, 2, 1), t.ReLU(), t.Conv1d(4, 6, 4, 2, 1), t.ReLU(), t.Flatten(),
        t.Linear(6 * left, 5),
    )  # fmt: skip
    decoder = t.Sequential(
        t.Linear(5, 6 * left), t.ReLU(), t.Unflatten(1, (6, left)),
        t.ConvTranspose1d(6, 4, 4, 2, 1, steps // 2 % 2), t.ReLU(),
        t.ConvTranspose1d(4, 3, 4, 2, 1, steps % 2),
    )  # fmt: skip
    torch = pytest.importorskip("torch")
    encoder, decoder = taken(encoder, model, "encoder"), taken(decoder, model, "decoder")
    x = torch.from_numpy(X.transpose(0, 2, 1).copy())
    with torch.no_grad():
        z = encoder(x)
        y = decoder(z).numpy().transpose(0, 2, 1)
    np.testing.assert_allclose(model.transform(X), z.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(X), y, rtol=1e-4, atol=1e-5)
    fresh = ae.Autoencoder(ae.Conv((4, 6)), 5, **KW).initialize(X)
    state = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    state |= {f"decoder.{k}": v for k, v in decoder.state_dict().items()}
    np.testing.assert_array_equal(ae.from_torch(fresh, state).transform(X), model.transform(X))


@torch_only
def test_layers_of_sequences_beside_pytorchs(t, rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((3, 20, 4)).astype(np.float32)
    for ours, theirs in (
        (nn.Conv1d(4, 6, 3, 2, 2, 2, 2), t.Conv1d(4, 6, 3, 2, 2, 2, 2)),
        (nn.Conv1d(4, 4, 5, padding="same", groups=4), t.Conv1d(4, 4, 5, padding="same", groups=4)),
        (nn.Conv1d(4, 5, 3, dilation=4, causal=True),
         t.Sequential(t.ZeroPad1d((8, 0)), t.Conv1d(4, 5, 3, dilation=4))),
        (nn.ConvTranspose1d(4, 3, 4, 3, 1, 2, dilation=2),
         t.ConvTranspose1d(4, 3, 4, 3, 1, 2, dilation=2)),
    ):  # fmt: skip
        weight = [p for p in theirs.parameters() if p.ndim == 3][0].detach().numpy()
        axes = (1, 2, 0) if isinstance(ours, nn.ConvTranspose1d) else (0, 2, 1)
        ours.weight.value[:] = weight.transpose(axes)
        ours.bias.value[:] = [p for p in theirs.parameters() if p.ndim == 1][0].detach().numpy()
        y = theirs(torch.from_numpy(x.transpose(0, 2, 1).copy())).detach().numpy()
        np.testing.assert_allclose(ours(x), y.transpose(0, 2, 1), rtol=1e-4, atol=1e-5)


@torch_only
def test_enlarging_without_weights(t, rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((3, 4, 6, 8)).astype(np.float32)
    for ours, theirs in (
        (nn.Upsample2d(3), t.Upsample(scale_factor=3)),
        (nn.Upsample2d(2, "bilinear"), t.Upsample(scale_factor=2, mode="bilinear")),
        (nn.Upsample2d((1, 5), "bilinear"), t.Upsample(scale_factor=(1, 5), mode="bilinear")),
        (nn.PixelShuffle(2), t.PixelShuffle(2)),
        (nn.PixelUnshuffle(2), t.PixelUnshuffle(2)),
    ):
        given = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
        y = theirs(given)
        want = y.detach().numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(ours(x), want, rtol=1e-6, atol=1e-6)
        grad = rng.standard_normal(want.shape).astype(np.float32)
        y.backward(torch.from_numpy(grad.transpose(0, 3, 1, 2).copy()))
        tape = nn.Tape()
        z = tape.variable(x)
        tape.backward((ours(z), grad))
        wanted = given.grad.numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(z.grad, wanted, rtol=1e-5, atol=1e-5)


@torch_only
def test_norms_and_attention(t, rng):
    X = rng.random((6, 6, 4, 4), dtype=np.float32)
    ours = nn.Conv2d(4, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.Activation("relu")
    flat = nn.Flatten(), nn.Linear(96, 6), nn.LayerNorm(6), nn.Linear(6, 3)
    encoder = nn.Sequential(*ours, nn.GroupNorm(2, 4), nn.MaxPool2d(1), nn.Dropout(), *flat)
    # the norm behind the linear layer has its features in the image's order
    decoder = nn.Sequential(nn.Linear(3, 96), nn.BatchNorm2d(96), nn.Reshape((6, 4, 4)))
    model = shaken(ae.Autoencoder((encoder, decoder), 3, **KW), rng, X)
    theirs = t.Conv2d(4, 4, 3, 1, 1, bias=False), t.BatchNorm2d(4), t.ReLU(), t.GroupNorm(2, 4)
    flat = t.Flatten(), t.Linear(96, 6), t.LayerNorm(6), t.Linear(6, 3)
    agree(
        model,
        X,
        t.Sequential(*theirs, t.MaxPool2d(1), t.Dropout(), *flat),
        t.Sequential(t.Linear(3, 96), t.BatchNorm1d(96), t.Unflatten(1, (4, 6, 4))),
    )


@torch_only
@pytest.mark.parametrize("arch", [ae.Dense((8,)), ae.Conv((4,))])
def test_tied_weights_are_the_encoders(arch, t, rng):
    torch = pytest.importorskip("torch")
    X = rng.random((5, 4, 6, 2), dtype=np.float32)
    model = shaken(ae.Autoencoder(arch, 3, tied=True, **KW), rng, X)
    state = {name: torch.from_numpy(v) for name, v in ae.to_torch(model).items()}
    assert [name for name in state if "decoder" in name and "bias" not in name] == []
    z, f = torch.from_numpy(model.transform(X)), t.functional
    if isinstance(arch, ae.Dense):
        h = torch.relu(f.linear(z, state["encoder.3.weight"].t(), state["decoder.0.bias"]))
        y = f.linear(h, state["encoder.1.weight"].t(), state["decoder.2.bias"]).view(5, 2, 4, 6)
    else:
        h = torch.relu(f.linear(z, state["encoder.3.weight"].t(), state["decoder.0.bias"]))
        options = state["encoder.0.weight"], state["decoder.3.bias"], 2, 1
        y = f.conv_transpose2d(h.view(5, 4, 2, 3), *options)
    np.testing.assert_allclose(last(y.numpy()), model.reconstruct(X), rtol=1e-4, atol=1e-5)


# ---- images of any size --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(12, 8), (9, 7), (20, 20)])
def test_maps_of_codes(size, rng):
    torch = pytest.importorskip("torch")
    X = rng.random((4, 12, 8, 3), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.Conv((4, 6), flatten=False), 3, **KW), rng, X)
    nn = torch.nn
    encoder = nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 4, 2, 1), nn.ReLU(), nn.Conv2d(6, 3, 1)
    )
    decoder = nn.Sequential(
        nn.Conv2d(3, 6, 1), nn.ReLU(),
        nn.ConvTranspose2d(6, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1),
    )  # fmt: skip
    whole = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    state = {name: torch.from_numpy(v) for name, v in ae.to_torch(model).items()}
    whole.load_state_dict(state)
    x = rng.random((2, *size, 3), dtype=np.float32)
    p, q = (-(-n // 4) * 4 for n in size)
    padded = np.pad(x, ((0, 0), (0, p - size[0]), (0, q - size[1]), (0, 0)), mode="symmetric")
    with torch.no_grad():
        z = encoder(torch.from_numpy(padded.transpose(0, 3, 1, 2)))
        y = decoder(z)
    np.testing.assert_allclose(z.numpy().transpose(0, 2, 3, 1), model.transform(x), atol=1e-5)
    want = y.numpy().transpose(0, 2, 3, 1)[:, : size[0], : size[1]]
    np.testing.assert_allclose(want, model.reconstruct(x), atol=1e-5)


def test_a_fully_convolutional_network_comes_in(rng):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    theirs = nn.ModuleDict(
        {
            "encoder": nn.Sequential(
                nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3, 1, 1)
            ),
            "decoder": nn.Sequential(
                nn.ConvTranspose2d(4, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 3, 3, 1, 1)
            ),
        }
    ).eval()
    a = ae.nn
    encoder = a.Sequential(
        a.Conv2d(3, 8, 3, 2, 1), a.Activation("relu"), a.BatchNorm2d(8), a.Conv2d(8, 4, 3, 1, 1)
    )
    decoder = a.Sequential(
        a.ConvTranspose2d(4, 8, 4, 2, 1), a.Activation("relu"), a.Conv2d(8, 3, 3, 1, 1)
    )
    X = rng.random((4, 8, 8, 3), dtype=np.float32)
    model = ae.Autoencoder((encoder, decoder), 4, **KW).initialize(X)
    ae.from_torch(model, theirs.state_dict())
    x = rng.random((2, 14, 22, 3), dtype=np.float32)
    with torch.no_grad():
        y = theirs["decoder"](theirs["encoder"](torch.from_numpy(x.transpose(0, 3, 1, 2))))
    np.testing.assert_allclose(y.numpy().transpose(0, 2, 3, 1), model.reconstruct(x), atol=1e-5)
    assert model.transform(x).shape == (2, 7, 11, 4)


def test_a_unet(rng):
    """Beside a network of PyTorch's that is written out."""
    torch = pytest.importorskip("torch")
    X = rng.random((4, 8, 12, 3), dtype=np.float32)
    noise = ae.GaussianNoise(0.1)
    model = shaken(ae.Autoencoder(ae.UNet((4, 6)), corruption=noise, **KW), rng, X)
    state = {k: torch.from_numpy(v) for k, v in ae.to_torch(model).items()}
    prefix = "decoder.0.body"

    def conv(x, name, padding=1, stride=1):
        weight, bias = state[f"{prefix}.{name}.weight"], state[f"{prefix}.{name}.bias"]
        return torch.nn.functional.conv2d(x, weight, bias, stride, padding)

    x = torch.from_numpy(X.transpose(0, 3, 1, 2))
    fine = conv(conv(x, "0").relu(), "2").relu()
    low = conv(fine, "4.body.0", 0, 2).relu()
    low = conv(conv(low, "4.body.2").relu(), "4.body.4").relu()
    up = state[f"{prefix}.4.body.6.weight"], state[f"{prefix}.4.body.6.bias"]
    low = torch.nn.functional.conv_transpose2d(low, *up, stride=2).relu()
    y = conv(conv(torch.cat([fine, low], 1), "5").relu(), "7").relu()
    y = x + conv(y, "9")
    np.testing.assert_allclose(y.numpy().transpose(0, 2, 3, 1), model.reconstruct(X), atol=1e-5)


# ---- there and back ------------------------------------------------------------------------------


def fresh(name, rng):
    """Return a model with weights of its own, by the name of a case."""
    table, images = (
        rng.random((20, 12), dtype=np.float32),
        rng.random((6, 9, 7, 3), dtype=np.float32),
    )
    series, y = rng.random((6, 7, 3), dtype=np.float32), np.arange(6) % 2
    stack = ae.StackedAutoencoder(ae.Dense((8,)), 3, epochs=0)
    cases = {
        "dense": (ae.VAE(ae.Dense((8,)), 3, loss="gaussian", **KW), table),
        "conv": (ae.Autoencoder(ae.Conv((4, 6), activation="silu"), 3, **KW), images),
        "resnet": (ae.Autoencoder(ae.ResNet(8, 4), 3, **KW), images),
        "maps": (ae.VAE(ae.ResNet(8, 4, flatten=False), 3, **KW), images),
        "ema": (ae.VQVAE(ae.ResNet(8, 4), 6, 3, **KW), images),
        "learned": (ae.VQVAE(ae.Dense((8,)), 6, 3, codebook="loss", **KW), images),
        "residual": (ae.VQVAE(ae.Conv((4,)), 6, 3, quantizers=2, **KW), images),
        "projections": (
            ae.VQVAE(ae.Conv((4,)), 6, 4, quantizers=2, groups=2, projection_dim=1, **KW), images
        ),
        "lstm": (ae.Autoencoder(ae.LSTM(5, 2, bidirectional=True), 3, **KW), series),
        "gru": (ae.Autoencoder(ae.GRU(5, 2, bidirectional=True), 3, **KW), series),
        "backwards": (ae.Autoencoder(ae.LSTM(5, 2, reverse=True), 3, **KW), series),
        "fed back": (ae.Autoencoder(ae.LSTM(5, teacher_forcing=True), 3, **KW), series),
        "transformer": (ae.VAE(ae.Transformer(8, 2), 3, **KW), series),
        "cvae": (ae.CVAE(ae.Dense((8,)), 3, **KW), images, y),
        "adversarial": (ae.AdversarialAutoencoder(ae.Dense((8,)), 3, **KW), table),
        "gan": (ae.GAN(ae.Conv((4,)), 3, conditional=True, **KW), images, y),
        "gan of dense": (ae.GAN(ae.Dense((4,)), 3, conditional=True, **KW), images, y),
        "tied": (ae.Autoencoder(ae.Dense((8, 5)), 3, tied=True, **KW), images),
        "tied conv": (ae.Autoencoder(ae.Conv((4, 6)), 3, tied=True, **KW), images),
        "recirculation": (ae.Recirculation(3, **KW), table),
        "classifier": (ae.SoftmaxClassifier(stack, **KW), table, np.arange(20) % 3),
        "pixelcnn": (ae.PixelCNN(channels=4, layers=2, **KW), rng.integers(5, size=(6, 4, 4))),
        "told pixelcnn": (
            ae.PixelCNN(channels=4, layers=2, **KW),
            rng.integers(5, size=(6, 4, 4)),
            y,
        ),
    }  # fmt: skip
    if name is None:
        return list(cases)
    model, X, *told = cases[name]
    return shaken(model, rng, X, *told), X, told


CASES = fresh(None, np.random.default_rng(0))


@pytest.mark.parametrize("name", CASES)
def test_there_and_back_is_exact(name, rng, tmp_path):
    model, X, told = fresh(name, rng)
    before, state = values(model), ae.to_torch(model)
    others, _, _ = fresh(name, np.random.default_rng(7))
    assert any((v != before[k]).any() for k, v in values(others).items())
    # all that is learned is in it: each value once, but for biases of recurrent layers
    size = sum(v.size for k, v in state.items() if "bias_hh" not in k and "tracked" not in k)
    size += sum((v != 0).sum() for k, v in state.items() if "bias_hh" in k)
    assert size == sum(v.size for v in before.values())
    save_file(state, tmp_path / "w.safetensors")
    for source in (state, tmp_path / "w.safetensors", str(tmp_path / "w.safetensors")):
        others, _, _ = fresh(name, np.random.default_rng(7))
        assert ae.from_torch(others, source) is others
        after = values(others)
        for key in before:
            assert after[key].tobytes() == before[key].tobytes(), key
    again = ae.to_torch(others)
    assert again.keys() == state.keys()
    for key in state:
        assert again[key].tobytes() == state[key].tobytes() and again[key].flags.c_contiguous, key
    if hasattr(model, "transform"):
        np.testing.assert_array_equal(others.transform(X, *told), model.transform(X, *told))


@torch_only
def test_from_torch_to_aecore_and_back_is_exact(t, rng, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_tensors

    f = t.ReLU()
    encoder = t.Sequential(t.Conv2d(3, 4, 4, 2, 1), f, t.Flatten(), t.Linear(4 * 4 * 3, 2))
    up = t.Unflatten(1, (4, 4, 3)), t.ConvTranspose2d(4, 3, 4, 2, 1, (1, 1))
    both = t.ModuleDict({"encoder": encoder, "decoder": t.Sequential(t.Linear(2, 48), f, *up)})
    X = rng.random((5, 9, 7, 3), dtype=np.float32)
    model = ae.from_torch(ae.Autoencoder(ae.Conv((4,)), 2, **KW).initialize(X), both.state_dict())
    with torch.inference_mode():
        z = both["encoder"](torch.from_numpy(first(X)))
        rebuilt = both["decoder"](z).numpy()
    np.testing.assert_allclose(model.transform(X), z, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(X), last(rebuilt), rtol=1e-4, atol=1e-5)
    state = ae.to_torch(model)
    assert list(state) == list(both.state_dict())  # in the same order, too
    for name, value in both.state_dict().items():
        assert state[name].tobytes() == value.numpy().tobytes(), name
    # parameters with gradients, and other precisions
    ae.from_torch(model, dict(both.named_parameters()))
    ae.from_torch(model, {k: v.double() for k, v in both.state_dict().items()})
    assert ae.to_torch(model)["encoder.0.weight"].tobytes() == state["encoder.0.weight"].tobytes()
    save_tensors(both.state_dict(), tmp_path / "torch.safetensors")
    code = """
import sys, numpy as np, aecore as ae
X = np.load(sys.argv[1])
model = ae.Autoencoder(ae.Conv((4,)), 2, random_state=0).initialize(X)
ae.from_torch(model, sys.argv[2])
assert "torch" not in sys.modules
np.save(sys.argv[1], model.transform(X))
"""
    np.save(tmp_path / "x.npy", X)
    files = [str(tmp_path / name) for name in ("x.npy", "torch.safetensors")]
    subprocess.run([sys.executable, "-c", code, *files], check=True)
    np.testing.assert_array_equal(np.load(files[0]), model.transform(X))
    halves = {k: v.bfloat16() for k, v in both.state_dict().items()}
    save_tensors(halves, files[1])
    for name, value in ae.to_torch(ae.from_torch(model, files[1])).items():
        assert value.tobytes() == halves[name].float().numpy().tobytes(), name


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float64"])
def test_files_of_other_precisions(precision, rng, tmp_path):
    X = rng.random((6, 9, 7, 3), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.Conv((4,)), 2, **KW), rng, X)
    known = pytest.importorskip("ml_dtypes") if precision == "bfloat16" else np
    state = {k: v.astype(getattr(known, precision)) for k, v in ae.to_torch(model).items()}
    save_file({k: np.ascontiguousarray(v) for k, v in state.items()}, tmp_path / "w")
    found = ae.to_torch(ae.from_torch(model, tmp_path / "w"))
    assert found.keys() == state.keys()
    for name, value in found.items():
        assert value.tobytes() == state[name].astype(np.float32).tobytes(), name


@torch_only
def test_biases_of_an_lstm_are_added_up(t, rng):
    torch = pytest.importorskip("torch")
    X = rng.random((4, 7, 2), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.LSTM(5), 3, **KW), rng, X)
    lstm = t.LSTM(2, 5, batch_first=True)
    state = ae.to_torch(model)
    assert not state["encoder.0.bias_hh_l0"].any()
    state |= {f"encoder.0.{name}": v for name, v in lstm.state_dict().items()}
    ae.from_torch(model, state)
    with torch.inference_mode():
        h = lstm(torch.from_numpy(X))[1][0][0].numpy()
    want = h @ state["encoder.1.weight"].T + state["encoder.1.bias"]
    np.testing.assert_allclose(model.transform(X), want, rtol=1e-4, atol=1e-5)


def test_packed_weights_are_made_anew(rng):
    X = rng.random((20, 12), dtype=np.float32)
    one, other = (
        ae.Autoencoder(ae.Dense((8,)), 3, epochs=1, random_state=s).fit(X) for s in (0, 1)
    )
    want = other.transform(X)
    assert (one.transform(X) != want).any()  # and from here on its weights are packed
    np.testing.assert_array_equal(ae.from_torch(one, ae.to_torch(other)).transform(X), want)


def wrapped(name, state):
    """Return a state_dict as some wrapper, or whoever saves it, makes it."""
    if name == "submodules":
        return {k.replace(".", ".module._orig_mod.", 1): v for k, v in state.items()}
    if name in ("state_dict", "model_state_dict", "model"):
        return {name: state, "epoch": 3, "optimizer": {"lr": 1e-3}}
    if name == "lightning":
        return {"state_dict": {f"net.{k}": v for k, v in state.items()}, "epoch": 3}
    return {name + k: v for k, v in state.items()}


@pytest.mark.parametrize(
    "name",
    [
        *("module.", "_orig_mod.", "module._orig_mod.", "model.net.", "submodules"),
        *("state_dict", "model_state_dict", "model", "lightning"),
    ],
)
def test_what_wrappers_put_around_names(name, rng):
    X = rng.random((20, 12), dtype=np.float32)
    one, other = (shaken(ae.VAE(ae.Dense((8,)), 3, **KW), rng, X) for _ in range(2))
    ae.from_torch(one, wrapped(name, ae.to_torch(other)))
    for key, value in values(other).items():
        np.testing.assert_array_equal(values(one)[key], value)
    state = ae.to_torch(one)
    state["module.encoder.0.bias"] = state["encoder.0.bias"]
    with pytest.raises(ValueError, match="expected one array for encoder.0.bias, got several"):
        ae.from_torch(one, state)
    strange = {f"{'ab'[i % 2]}.{k}": v for i, (k, v) in enumerate(ae.to_torch(one).items())}
    with pytest.raises(ValueError, match="got none of that name but a.decoder"):
        ae.from_torch(one, strange)


@torch_only
@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64", "float8_e4m3fn"])
def test_tensors_of_other_precisions(kind, t, rng, tmp_path):
    import torch

    X = rng.random((20, 12), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.Dense((8,)), 3, **KW), rng, X)
    weights = {
        k: torch.from_numpy(v).to(getattr(torch, kind)) for k, v in ae.to_torch(model).items()
    }
    for name, value in ae.to_torch(ae.from_torch(model, weights)).items():
        assert value.tobytes() == weights[name].float().numpy().tobytes(), name
    with pytest.raises(TypeError, match="decoder.0.bias: expected a tensor of floats, .* on meta"):
        ae.from_torch(model, weights | {"decoder.0.bias": weights["decoder.0.bias"].to("meta")})
    with pytest.raises(TypeError, match=r"got Sequential: pass its state_dict\(\)"):
        ae.from_torch(model, t.Sequential())
    for legacy in (False, True):
        torch.save(weights, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ValueError, match="as safetensors has them; pass torch.load"):
            ae.from_torch(model, tmp_path / "m.pt")


def test_arrays_of_ml_dtypes(rng):
    kind = pytest.importorskip("ml_dtypes").bfloat16
    X = rng.random((20, 12), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.Dense((8,)), 3, **KW), rng, X)
    weights = {k: v.astype(kind) for k, v in ae.to_torch(model).items()}
    for name, value in ae.to_torch(ae.from_torch(model, weights)).items():
        assert value.tobytes() == weights[name].astype(np.float32).tobytes(), name


# ---- errors --------------------------------------------------------------------------------------


def test_state_is_checked_before_anything_changes(rng, tmp_path):
    X = rng.random((6, 9, 7, 3), dtype=np.float32)
    model = shaken(ae.Autoencoder(ae.Conv((4,)), 2, **KW), rng, X)
    before, good = values(model), ae.to_torch(model)
    weight = good["encoder.3.weight"]

    def bad(error, match, **changed):
        state = {**good, **{k.replace("_", "."): v for k, v in changed.items()}}
        with pytest.raises(error, match=match):
            ae.from_torch(model, {k: v for k, v in state.items() if v is not None})
        assert all((v == before[k]).all() for k, v in values(model).items())

    bad(ValueError, "state: expected decoder.3.bias, encoder.0.weight, got none",
        decoder_3_bias=None, encoder_0_weight=None)  # fmt: skip
    bad(ValueError, "state: expected no others .*, got encoder.1.weight", encoder_1_weight=weight)
    bad(ValueError, r"encoder.3.weight: expected the shape \(2, 48\), got \(48, 2\)",
        encoder_3_weight=weight.T)  # fmt: skip
    bad(ValueError, "encoder.3.weight: expected .* got NaN", encoder_3_weight=weight * np.nan)
    bad(
        ValueError,
        "expected numbers finite in float32",
        encoder_3_weight=weight.astype(float) * 1e300,
    )
    bad(
        TypeError,
        "encoder.3.weight: expected floats, got int64",
        encoder_3_weight=weight.astype(int),
    )
    bad(TypeError, "encoder.3.weight: expected floats, got", encoder_3_weight="weights")
    with pytest.raises(TypeError, match="state: expected a mapping or a path"):
        ae.from_torch(model, 3)
    with pytest.raises(FileNotFoundError) as caught:
        ae.from_torch(model, tmp_path / "none")
    assert caught.value.filename == str(tmp_path / "none")
    (tmp_path / "none").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="expected a file of weights: "):
        ae.from_torch(model, tmp_path / "none")
    with pytest.raises(TypeError, match="model: expected one of aecore's models"):
        ae.to_torch(ae.Dense())
    with pytest.raises(ValueError, match="not fitted"):
        ae.to_torch(ae.VAE())


class Mine(nn.Module):
    """A layer of the user's own."""

    def __init__(self, inputs, outputs):
        self.weight = nn.Parameter((inputs, outputs), 0.1)

    def forward(self, x):
        return x @ self.weight


L, F, R = nn.Linear, nn.Flatten, nn.Reshape
UNKNOWN = {
    "the user's own": ([F(), Mine(12, 3)], [L(3, 12), R((2, 3, 2))], r"encoder.1: Mine has no"),
    "flattened code": ([nn.Conv2d(2, 2, 1), F(), L(12, 3)], [L(3, 12), nn.BatchNorm2d(12),
                       nn.GroupNorm(2, 12), R((2, 3, 2))],
                        "decoder.3: expected a linear layer before"),
    "norm of groups": ([F(), nn.GroupNorm(2, 12), L(12, 3)], [L(3, 12), R((2, 3, 2))], "encoder.1"),
    "an image as a table": ([F(), L(12, 3)], [L(3, 12), R((4, 3)), R((2, 3, 2))], "decoder.2"),
}  # fmt: skip


@pytest.mark.parametrize("encoder, decoder, match", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_layouts(encoder, decoder, match, rng):
    X = rng.random((6, 2, 3, 2), dtype=np.float32)
    pair = nn.Sequential(*encoder), nn.Sequential(*decoder)
    model = ae.Autoencoder(pair, 3, **KW).initialize(X)
    with pytest.raises(NotImplementedError, match=match):
        ae.to_torch(model)


def test_codes_that_are_flattened_images_have_no_layout(rng):
    X = rng.random((6, 2, 3, 2), dtype=np.float32)
    model = ae.Autoencoder((F(), R((2, 3, 2))), 12, **KW).initialize(X)
    with pytest.raises(
        NotImplementedError, match="encoder: expected a linear layer behind a flattened image"
    ):
        ae.to_torch(model)

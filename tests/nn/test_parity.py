"""The reference networks beside PyTorch: from equal weights, outputs and all gradients."""

import aecore.functional as F
import numpy as np
import pytest
from aecore import nn
from aecore.arch import LSTM, Code, Conv, Dense, ResNet, Transformer
from aecore.nn.linear import Affine
from cases.base import normal
from support.layers import run

torch = pytest.importorskip("torch")
from torch import nn as tnn  # noqa: E402
from torch.nn import functional as TF  # noqa: E402

pytestmark = pytest.mark.parity
N = 4  # so few values that a draw off the kinks is found


# ---- PyTorch's networks, channels first ---------------------------------------------------------


class Relu(tnn.Module):
    """ReLU that notes how close to its kink it has come.

    Where rounding decides on which side of it a value lies, the two gradients may differ.
    """

    closest = 1.0

    def forward(self, x):
        Relu.closest = min(Relu.closest, x.detach().abs().min().item())
        return x.relu()


RELU = Relu()


def off_the_kinks(draw):
    """Return what `draw` gives, inputs and outputs, when no value was too close to a kink."""
    for _ in range(50):
        Relu.closest = 1.0
        result = draw()
        if Relu.closest > 3e-7:
            return result
    raise AssertionError("every draw came too close to a kink")


def mlp(widths):
    layers = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [tnn.Linear(a, b), Relu()]
    return tnn.Sequential(*layers[:-1])


def down():
    convs = [tnn.Conv2d(a, b, 4, 2, 1) for a, b in ((3, 32), (32, 64), (64, 128))]
    return tnn.Sequential(*[f(m) for m in convs for f in (lambda m: m, lambda m: Relu())])


def up():
    convs = [tnn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in ((128, 64), (64, 32), (32, 3))]
    return tnn.Sequential(convs[0], Relu(), convs[1], Relu(), convs[2])


class Block(tnn.Module):
    def __init__(self, channels=128, inside=32):
        super().__init__()
        self.body = tnn.Sequential(
            Relu(),
            tnn.Conv2d(channels, inside, 3, 1, 1, bias=False),
            Relu(),
            tnn.Conv2d(inside, channels, 1, bias=False),
        )

    def forward(self, x):
        return x + self.body(x)


def res_down(dim):
    return tnn.Sequential(
        tnn.Conv2d(3, 64, 4, 2, 1), Relu(), tnn.Conv2d(64, 128, 4, 2, 1), Relu(),
        tnn.Conv2d(128, 128, 3, 1, 1), Block(), Block(), Relu(), tnn.Conv2d(128, dim, 1),
    )  # fmt: skip


def res_up(dim):
    return tnn.Sequential(
        tnn.Conv2d(dim, 128, 3, 1, 1), Block(), Block(), Relu(),
        tnn.ConvTranspose2d(128, 64, 4, 2, 1), Relu(), tnn.ConvTranspose2d(64, 3, 4, 2, 1),
    )  # fmt: skip


# ---- from one layout to the other ---------------------------------------------------------------


def ours(array, like, grid=None, side=None):
    """Return a parameter of PyTorch's (or its gradient) in our layout.

    `grid` (C, H, W) says what a Linear's columns (side 1) or rows (side 0) stand for.
    """
    array = array.detach().numpy()
    if isinstance(like, tnn.Conv2d) and array.ndim == 4:
        return array.transpose(0, 2, 3, 1)
    if isinstance(like, tnn.ConvTranspose2d) and array.ndim == 4:
        return array.transpose(1, 2, 3, 0)
    if grid is not None and side == 1 and array.ndim == 2:
        return array.reshape(-1, *grid).transpose(0, 2, 3, 1).reshape(len(array), -1)
    if grid is not None and side == 0:
        return array.reshape(*grid, -1).transpose(1, 2, 0, 3).reshape(array.shape)
    return array


def affine(module):
    """Return the layers with weights, in order."""
    kinds = (tnn.Linear, tnn.Conv2d, tnn.ConvTranspose2d, Affine)
    found = module.modules()
    return [m for m in (found if isinstance(module, tnn.Module) else dict(found).values())
            if isinstance(m, kinds)]  # fmt: skip


def pairs(theirs, mine, grids):
    """Yield (name, our parameter, its twin, how to see the twin in our layout)."""
    a, b = [m for t in theirs for m in affine(t)], [m for o in mine for m in affine(o)]
    assert len(a) == len(b)
    for i, (t, o) in enumerate(zip(a, b, strict=True)):
        grid, side = grids.get(i, (None, None))
        for kind in ("weight", "bias"):
            p, q = getattr(o, kind), getattr(t, kind)
            assert (p is None) == (q is None)
            if p is not None:
                name = f"{i} {type(o).__name__} {kind}"
                yield name, p, q, lambda v, t=t, g=grid, s=side: ours(v, t, g, s)


def copy_weights(found):
    for _, p, q, view in found:
        p.value[...] = view(q)
        p.grad.fill(0)


def assert_near(got, want, what):
    error = np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-12)
    assert error < 2e-5, f"{what}: {error:.2e}"
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=2e-5 * np.abs(want).max(), err_msg=what)


def assert_gradients(found):
    assert len(found) > 5
    for name, p, q, view in found:
        assert_near(p.grad, view(q.grad), name)


def channels_last(x):
    return np.ascontiguousarray(x.detach().numpy().transpose(0, 2, 3, 1))


def images(rng):
    x = rng.random((N, 32, 32, 3), np.float32)
    return x, torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


# ---- the five -----------------------------------------------------------------------------------


def test_mlp_ae(rng):
    torch.manual_seed(0)
    there, back = mlp((784, 512, 256, 32)), mlp((32, 256, 512, 784))
    encoder, decoder = Dense((512, 256)).build((784,), Code(32, 32))
    found = list(pairs((there, back), (encoder, decoder), {}))
    copy_weights(found)

    def draw():
        x = rng.random((N, 784), np.float32)
        return x, back(there(torch.from_numpy(x)))

    x, y = off_the_kinks(draw)
    target = torch.from_numpy(x)
    (TF.binary_cross_entropy_with_logits(y, target, reduction="sum") / N).backward()
    ran = run(nn.Sequential(encoder, decoder), x, training=True, wanted=False)
    assert_near(ran.y, y.detach().numpy(), "output")
    ran.back((1 / (1 + np.exp(-ran.y)) - x) / N)
    assert_gradients(found)


def test_conv_ae(rng):
    torch.manual_seed(1)
    grid = (128, 4, 4)
    convs, to, of, back = down(), tnn.Linear(2048, 512), tnn.Linear(512, 2048), up()
    encoder, decoder = Conv().build((32, 32, 3), Code(512, 512))
    found = list(pairs((convs, to, of, back), (encoder, decoder), {3: (grid, 1), 4: (grid, 0)}))
    copy_weights(found)

    def draw():
        x, tx = images(rng)
        return x, tx, back(RELU(of(to(convs(tx).flatten(1)))).view(-1, *grid))

    x, tx, y = off_the_kinks(draw)
    (TF.mse_loss(y, tx, reduction="sum") / N).backward()
    ran = run(nn.Sequential(encoder, decoder), x, training=True, wanted=False)
    assert_near(ran.y, channels_last(y), "output")
    ran.back(2 * (ran.y - x) / N)
    assert_gradients(found)


def vae_step(encoder, decoder, x, eps, condition=None, bce=False):
    """Return reconstruction and code distribution, having added the gradients of -ELBO / N."""

    def beside(a):
        return a if condition is None else np.concatenate([a, condition], 1)

    there = run(encoder, beside(x), training=True, wanted=False)
    mean, logvar = np.split(there.y, 2, axis=1)
    z = mean + np.exp(logvar / 2) * eps
    back = run(decoder, beside(z), training=True)
    y = back.y
    grad = (1 / (1 + np.exp(-y)) - x) / N if bce else 2 * (y - x) / N
    dz = back.back(grad)[:, : z.shape[1]]
    dmean = dz + mean / N
    dlogvar = dz * eps * np.exp(logvar / 2) / 2 + (np.exp(logvar) - 1) / (2 * N)
    there.back(np.concatenate([dmean, dlogvar], 1))
    return y, mean, logvar


def test_conv_vae(rng):
    torch.manual_seed(2)
    grid, latent = (128, 4, 4), 128
    convs, of, back = down(), tnn.Linear(latent, 2048), up()
    both = tnn.Linear(2048, 2 * latent)
    encoder, decoder = Conv().build((32, 32, 3), Code(2 * latent, latent))
    found = list(pairs((convs, both, of, back), (encoder, decoder), {3: (grid, 1), 4: (grid, 0)}))
    copy_weights(found)

    def draw():
        (x, tx), eps = images(rng), normal(rng, N, latent)
        mean, logvar = both(convs(tx).flatten(1)).split(latent, 1)
        z = mean + torch.exp(0.5 * logvar) * torch.from_numpy(eps)
        return x, tx, eps, mean, logvar, back(RELU(of(z)).view(-1, *grid))

    x, tx, eps, mean, logvar, y = off_the_kinks(draw)
    kl = -0.5 * (1 + logvar - mean * mean - logvar.exp()).sum()
    ((TF.mse_loss(y, tx, reduction="sum") + kl) / N).backward()
    got, got_mean, got_logvar = vae_step(encoder, decoder, x, eps)
    assert_near(got, channels_last(y), "output")
    assert_near(got_mean, mean.detach().numpy(), "mean")
    assert_near(got_logvar, logvar.detach().numpy(), "logvar")
    assert_gradients(found)


def test_cvae(rng):
    torch.manual_seed(3)
    latent, classes = 20, 10
    hidden, both = tnn.Linear(784 + classes, 400), tnn.Linear(400, 2 * latent)
    back, out = tnn.Linear(latent + classes, 400), tnn.Linear(400, 784)
    encoder, decoder = Dense((400,)).build((784,), Code(2 * latent, latent), condition=classes)
    found = list(pairs((hidden, both, back, out), (encoder, decoder), {}))
    copy_weights(found)
    condition = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, N)]
    tc = torch.from_numpy(condition)

    def draw():
        x, eps = rng.random((N, 784), np.float32), normal(rng, N, latent)
        h = RELU(hidden(torch.cat([torch.from_numpy(x), tc], 1)))
        mean, logvar = both(h).split(latent, 1)
        z = mean + torch.exp(0.5 * logvar) * torch.from_numpy(eps)
        return x, eps, mean, logvar, out(RELU(back(torch.cat([z, tc], 1))))

    x, eps, mean, logvar, y = off_the_kinks(draw)
    tx = torch.from_numpy(x)
    kl = -0.5 * (1 + logvar - mean * mean - logvar.exp()).sum()
    bce = TF.binary_cross_entropy_with_logits(y, tx, reduction="sum")
    ((bce + kl) / N).backward()
    got, got_mean, got_logvar = vae_step(encoder, decoder, x, eps, condition, bce=True)
    assert_near(got, y.detach().numpy(), "output")
    assert_near(got_mean, mean.detach().numpy(), "mean")
    assert_near(got_logvar, logvar.detach().numpy(), "logvar")
    assert_gradients(found)


def test_vq_vae(rng):
    torch.manual_seed(4)
    dim, size, beta = 64, 512, 0.25
    there, back = res_down(dim), res_up(dim)
    with torch.no_grad():  # a codebook of which many entries are used
        near = (
            there(torch.cat([images(rng)[1] for _ in range(2)]))
            .permute(0, 2, 3, 1)
            .reshape(-1, dim)[:size]
        )
        entries = torch.nn.Parameter(near + 0.5 * near.std(0) * torch.randn(size, dim))
    encoder, decoder = ResNet().build((32, 32, 3), Code(dim, dim, spatial=True))
    quantizer = nn.VectorQuantizer(size, dim, commitment=beta, codebook="loss")
    found = list(pairs((there, back), (encoder, decoder), {}))
    found.append(("codebook", quantizer.entries, entries, lambda v: v.detach().numpy()))
    copy_weights(found)

    def draw():
        x, tx = images(rng)
        z = there(tx).permute(0, 2, 3, 1)
        distance = (entries * entries).sum(1) - 2 * z.reshape(-1, dim) @ entries.t()
        index = distance.argmin(1)
        q = entries[index].view(z.shape)
        return x, tx, z, index, q, back((z + (q - z).detach()).permute(0, 3, 1, 2))

    x, tx, z, index, q, y = off_the_kinks(draw)
    # sums over a sample's values and means over the batch
    vq = ((q - z.detach()) ** 2).sum() / N
    commitment = beta * ((z - q.detach()) ** 2).sum() / N
    (TF.mse_loss(y, tx, reduction="sum") / N + vq + commitment).backward()
    made = []

    def network(v):
        made.append(quantizer.quantize(encoder(v)))
        return decoder(made[0].y)

    ran = run(network, x, training=True, wanted=False)
    assert_near(made[0].op.z.data, z.detach().numpy(), "code")
    np.testing.assert_array_equal(made[0].index.ravel(), index.numpy())
    assert len(np.unique(made[0].index)) > 50
    terms = {name: value.data.mean() for name, value in made[0].terms.items()}
    assert_near(terms["vq"], vq.item(), "vq")
    assert_near(terms["commitment"], commitment.item(), "commitment")
    assert_near(ran.y, channels_last(y), "output")
    ran.back(2 * (ran.y - x) / N)
    assert_gradients(found)


# ---- recurrent ----------------------------------------------------------------------------------


def lstm_pairs(theirs, mine, name):
    """Like `pairs`, of a recurrent layer: our bias is the sum of PyTorch's two."""
    for one, module in mine.children():
        where = f"_l{one[0]}" + ("_reverse" if one.endswith("r") else "")
        for kind in ("weight_ih", "weight_hh", "bias"):
            twin = getattr(theirs, (kind if kind != "bias" else "bias_ih") + where)
            yield f"{name} {one} {kind}", getattr(module, kind), twin, lambda v: v.detach().numpy()
        with torch.no_grad():
            getattr(theirs, "bias_hh" + where).zero_()


@pytest.mark.parametrize("layers, both", [(1, False), (2, False), (1, True), (2, True)])
@pytest.mark.parametrize("padded", [False, True])
def test_lstm_layers(layers, both, padded, rng):
    torch.manual_seed(5)
    theirs = tnn.LSTM(5, 12, layers, batch_first=True, bidirectional=both)
    mine = nn.LSTM(5, 12, layers, both)
    found = list(lstm_pairs(theirs, mine, "lstm"))
    copy_weights(found)
    x, n, t = normal(rng, 9, 11, 5), 9, 11
    lengths = rng.integers(1, t + 1, n) if padded else np.full(n, t)
    lengths[0] = t
    tx = torch.from_numpy(x).requires_grad_()
    packed = tnn.utils.rnn.pack_padded_sequence(
        tx, torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
    )
    out, _ = tnn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    ran = run(mine, x, training=True, lengths=lengths if padded else None)
    assert_near(ran.y, out.detach().numpy(), "output")
    grad = normal(rng, *ran.y.shape)
    out.backward(torch.from_numpy(grad))
    assert_near(ran.back(grad), tx.grad.numpy(), "dx")
    for name, p, q, view in found:
        assert_near(p.grad, view(q.grad), name)


@pytest.mark.parametrize("layers, both", [(1, False), (2, True)])
@pytest.mark.parametrize("padded", [False, True])
def test_gru_layers(layers, both, padded, rng):
    torch.manual_seed(5)
    units, n, t = 12, 9, 11
    theirs = tnn.GRU(5, units, layers, batch_first=True, bidirectional=both)
    mine = nn.GRU(5, units, layers, both)
    found = []
    for one, module in mine.children():
        where = f"_l{one[0]}" + ("_reverse" if one.endswith("r") else "")
        w, u, b, c = (
            getattr(theirs, kind + where)
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        found.append((module, w, u, b, c))
        module.weight_ih.value[...] = w.detach().numpy()
        module.weight_hh.value[...] = u.detach().numpy()
        module.bias.value[: 3 * units] = b.detach().numpy()
        module.bias.value[: 2 * units] += c.detach().numpy()[: 2 * units]
        module.bias.value[3 * units :] = c.detach().numpy()[2 * units :]
    x = normal(rng, n, t, 5)
    lengths = rng.integers(1, t + 1, n) if padded else np.full(n, t)
    lengths[0] = t
    tx = torch.from_numpy(x).requires_grad_()
    packed = tnn.utils.rnn.pack_padded_sequence(
        tx, torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
    )
    out, _ = tnn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    ran = run(mine, x, training=True, lengths=lengths if padded else None)
    assert_near(ran.y, out.detach().numpy(), "output")
    grad = normal(rng, *ran.y.shape)
    out.backward(torch.from_numpy(grad))
    assert_near(ran.back(grad), tx.grad.numpy(), "dx")
    for module, w, u, b, c in found:
        assert_near(module.weight_ih.grad, w.grad.numpy(), "weight_ih")
        assert_near(module.weight_hh.grad, u.grad.numpy(), "weight_hh")
        assert_near(module.bias.grad[: 3 * units], b.grad.numpy(), "bias_ih")
        assert_near(module.bias.grad[3 * units :], c.grad.numpy()[2 * units :], "bias_hh")


def test_lstm_ae(rng):
    torch.manual_seed(6)
    steps, units, latent = 40, 64, 16
    there, to = tnn.LSTM(1, units, batch_first=True), tnn.Linear(units, latent)
    back, out = tnn.LSTM(latent, units, batch_first=True), tnn.Linear(units, 1)
    encoder, decoder = LSTM(units).build((steps, 1), Code(latent, latent))
    found = list(lstm_pairs(there, encoder.layers[0], "encoder"))
    found += lstm_pairs(back, decoder.layers[0], "decoder")
    found += pairs((to, out), (encoder, decoder), {})
    copy_weights(found)
    x = normal(rng, N, steps, 1)
    code = to(there(torch.from_numpy(x))[1][0][-1])
    y = out(back(code.unsqueeze(1).expand(-1, steps, -1).contiguous())[0])
    (TF.mse_loss(y, torch.from_numpy(x), reduction="sum") / N).backward()
    ran = run(nn.Sequential(encoder, decoder), x, training=True, wanted=False)
    assert_near(ran.y, y.detach().numpy(), "output")
    ran.back(2 * (ran.y - x) / N)
    assert_gradients(found)


# ---- transformers -------------------------------------------------------------------------------


def lengths_mask(lengths, t):
    """Return PyTorch's mask of the steps behind each sample's end."""
    return torch.arange(t)[None] >= torch.from_numpy(lengths)[:, None]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("t, heads, d", [(1, 1, 1), (64, 4, 16), (130, 2, 24)])
def test_attention(t, heads, d, causal, rng):
    arrays = [normal(rng, 3, t, heads, d) for _ in range(4)]
    *leaves, grad = (torch.from_numpy(a) for a in arrays)
    q, k, v = (leaf.requires_grad_() for leaf in leaves)
    turned = [x.transpose(1, 2) for x in (q, k, v)]
    y = TF.scaled_dot_product_attention(*turned, is_causal=causal).transpose(1, 2)
    y.backward(grad)
    assert_near(F.attention(*arrays[:3], causal=causal), y.detach().numpy(), "output")
    grads = F.attention_backward(arrays[3], *arrays[:3], causal=causal)
    for name, got, leaf in zip("qkv", grads, (q, k, v), strict=True):
        assert_near(got + 1, leaf.grad.numpy() + 1, name)  # of one step dq and dk are 0


def test_embedding(rng):
    weight, grad = torch.from_numpy(normal(rng, 7, 5)).requires_grad_(), normal(rng, 4, 6, 5)
    indices = rng.integers(0, 7, (4, 6))
    y = TF.embedding(torch.from_numpy(indices), weight)
    y.backward(torch.from_numpy(grad))
    got = F.embedding(indices, weight.detach().numpy())
    np.testing.assert_array_equal(got, y.detach().numpy())
    got = F.embedding_backward(grad, indices, weight.detach().numpy())
    assert_near(got, weight.grad.numpy(), "weight")


def encoder_layer(width, heads, hidden):
    options = {"batch_first": True, "norm_first": True}
    return tnn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", **options)


def block_pairs(theirs, mine):
    """Return (name, our parameter, its twin, the identity) of a block."""
    ours = dict(mine.parameters())
    found = []
    for name, q in theirs.named_parameters():
        inside = name.replace("self_attn.in_proj_", "attention.project.")
        inside = inside.replace("self_attn.out_proj", "attention.out")
        found.append((name, ours.pop(inside), q, lambda v: v.detach().numpy()))
    assert not ours
    return found


@pytest.mark.parametrize("masked", [False, True])
def test_transformer_block(masked, rng):
    torch.manual_seed(5)
    t, lengths = 20, np.array([20, 1, 7, 13]) if masked else None
    layer, block = encoder_layer(24, 3, 40), nn.TransformerBlock(24, 3, 40)
    found = block_pairs(layer, block)
    copy_weights(found)
    x, grad = normal(rng, N, t, 24), normal(rng, N, t, 24)
    mask = None
    if masked:
        mask = lengths_mask(lengths, t)
        grad[mask.numpy()] = 0  # what PyTorch does behind the end isn't zero
    tx = torch.from_numpy(x).requires_grad_()
    y = layer(tx, src_key_padding_mask=mask)
    y.backward(torch.from_numpy(grad))
    ran = run(block, x, training=True, lengths=lengths)
    there = slice(None) if mask is None else ~mask.numpy()
    assert_near(ran.y[there], y.detach().numpy()[there], "output")
    assert_near(ran.back(grad), tx.grad.numpy(), "input")
    assert_gradients(found)


def test_transformer_ae(rng):
    torch.manual_seed(6)
    steps, features, width, latent = 64, 16, 64, 32
    first, to, of, last = (
        tnn.Linear(a, b) for a, b in ((features, width), (width, latent), (latent, width),
                                      (width, features))
    )  # fmt: skip
    there, back = (torch.nn.Parameter(0.02 * torch.randn(steps, width)) for _ in range(2))
    down, up = (tnn.Sequential(*[encoder_layer(width, 4, 256) for _ in range(2)]) for _ in range(2))
    encoder, decoder = Transformer().build((steps, features), Code(latent, latent))
    found = []
    for theirs, mine in zip(
        (*down, *up), (*encoder.layers[2:4], *decoder.layers[2:4]), strict=True
    ):
        found += block_pairs(theirs, mine)
    linears = encoder.layers[0].body, encoder.layers[-1], decoder.layers[0], decoder.layers[-1].body
    found += pairs((first, to, of, last), linears, {})
    for q, mine in ((there, encoder.layers[1]), (back, decoder.layers[1])):
        found.append(("positions", mine.weight, q, lambda v: v.detach().numpy()))
    copy_weights(found)
    assert len(found) == len({id(p) for _, p, *_ in found}) == 4 * 12 + 8 + 2
    x = normal(rng, N, steps, features)
    tx = torch.from_numpy(x)
    z = to(down(first(tx) + there).mean(1))
    y = last(up(of(z).unsqueeze(1) + back))
    (TF.mse_loss(y, tx, reduction="sum") / N).backward()
    assert_near(run(encoder, x, training=True).y, z.detach().numpy(), "code")
    ran = run(nn.Sequential(encoder, decoder), x, training=True, wanted=False)
    assert_near(ran.y, y.detach().numpy(), "output")
    ran.back(2 * (ran.y - x) / N)
    assert_gradients(found)

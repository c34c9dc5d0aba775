"""The same workloads in PyTorch, as its users would write them; needs torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as tf
from torch import Tensor, nn

VARIANTS = ("eager", "channels_last", "compiled", "compiled channels_last")


def _mlp(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, o in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    return -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum()


class MlpAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = _mlp([784, 512, 256, 32]), _mlp([32, 256, 512, 784])

    def loss(self, x: Tensor) -> Tensor:
        logits = self.decoder(self.encoder(x))
        return tf.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


class ConvNet(nn.Module):
    """Three strided convolutions down to 4 x 4 x 128, and back."""

    def __init__(self, latent: int, variational: bool) -> None:
        super().__init__()
        self.variational = variational
        sizes = [3, 32, 64, 128]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for i, o in zip(sizes, sizes[1:], strict=False):
            down += [nn.Conv2d(i, o, 4, 2, 1), nn.ReLU()]
        for i, o in zip(sizes[::-1], sizes[-2::-1], strict=False):
            up += [nn.ConvTranspose2d(i, o, 4, 2, 1), nn.ReLU()]
        self.down, self.up = nn.Sequential(*down), nn.Sequential(*up[:-1])
        self.mean = nn.Linear(2048, latent)
        self.logvar = nn.Linear(2048, latent) if variational else None
        self.widen = nn.Linear(latent, 2048)

    def loss(self, x: Tensor) -> Tensor:
        h = self.down(x)
        flat = h.flatten(1)
        z = mean = self.mean(flat)
        kl = torch.zeros(())
        if self.logvar is not None:
            logvar = self.logvar(flat)
            z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
            kl = _gaussian_kl(mean, logvar)
        wide = tf.relu(self.widen(z)).view(-1, 128, 4, 4)
        if x.is_contiguous(memory_format=torch.channels_last):
            wide = wide.contiguous(memory_format=torch.channels_last)
        return (tf.mse_loss(self.up(wide), x, reduction="sum") + kl) / len(x)


class ResidualBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(128, 32, 3, 1, 1, bias=False)
        self.back = nn.Conv2d(32, 128, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.back(tf.relu(self.wide(tf.relu(x))))


class VectorQuantizedAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(64, 128, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(128, 128, 3, 1, 1),
            ResidualBlock(),
            ResidualBlock(),
            nn.ReLU(),
            nn.Conv2d(128, 64, 1),
        )
        self.codebook = nn.Parameter(torch.randn(512, 64) * 0.1)
        self.decoder = nn.Sequential(
            nn.Conv2d(64, 128, 3, 1, 1),
            ResidualBlock(),
            ResidualBlock(),
            nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 3, 4, 2, 1),
        )

    def loss(self, x: Tensor) -> Tensor:
        z = self.encoder(x)
        last = z.permute(0, 2, 3, 1)
        flat = last.reshape(-1, 64)
        distance = (self.codebook**2).sum(1) - 2 * flat @ self.codebook.t()
        codes = self.codebook[distance.argmin(1)].view(last.shape)
        vq = tf.mse_loss(codes, last.detach()) + 0.25 * tf.mse_loss(last, codes.detach())
        passed = (last + (codes - last).detach()).permute(0, 3, 1, 2)
        return tf.mse_loss(self.decoder(passed), x) + vq


class ConditionalVAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.mean, self.logvar = (
            nn.Linear(794, 400),
            nn.Linear(400, 20),
            nn.Linear(400, 20),
        )
        self.widen, self.out = nn.Linear(30, 400), nn.Linear(400, 784)
        self.labels = tf.one_hot(torch.arange(128) % 10, 10).float()

    def loss(self, x: Tensor) -> Tensor:
        h = tf.relu(self.hidden(torch.cat([x, self.labels], 1)))
        mean, logvar = self.mean(h), self.logvar(h)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        logits = self.out(tf.relu(self.widen(torch.cat([z, self.labels], 1))))
        recon = tf.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (recon + _gaussian_kl(mean, logvar)) / len(x)


class LstmAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(1, 64, batch_first=True)
        self.code = nn.Linear(64, 64)
        self.decoder = nn.LSTM(64, 64, batch_first=True)
        self.out = nn.Linear(64, 1)

    def loss(self, x: Tensor) -> Tensor:
        _, (h, _) = self.encoder(x)
        code = self.code(h[-1]).unsqueeze(1).expand(-1, x.shape[1], -1).contiguous()
        y, _ = self.decoder(code)
        return tf.mse_loss(self.out(y), x, reduction="sum") / len(x)


class TransformerAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 64), nn.Linear(64, 16)
        self.there, self.back = (nn.Parameter(torch.randn(64, 64) * 0.02) for _ in range(2))
        self.encoder, self.decoder = self._blocks(), self._blocks()
        self.code, self.widen = nn.Linear(64, 32), nn.Linear(32, 64)

    def _blocks(self) -> nn.Sequential:
        options = {"batch_first": True, "norm_first": True}
        layer = nn.TransformerEncoderLayer
        return nn.Sequential(*[layer(64, 4, 256, 0.0, "gelu", **options) for _ in range(2)])

    def loss(self, x: Tensor) -> Tensor:
        z = self.code(self.encoder(self.first(x) + self.there).mean(1))
        y = self.last(self.decoder(self.widen(z).unsqueeze(1) + self.back))
        return tf.mse_loss(y, x, reduction="sum") / len(x)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp-ae": MlpAE,
    "conv-ae": lambda: ConvNet(512, False),
    "conv-vae": lambda: ConvNet(128, True),
    "vq-vae": VectorQuantizedAE,
    "cvae": ConditionalVAE,
    "lstm-ae": LstmAE,
    "transformer-ae": TransformerAE,
}


def variants(name: str) -> list[str]:
    """Return the variants that make sense: channels_last is for images."""
    images = name in ("conv-ae", "conv-vae", "vq-vae")
    return [v for v in VARIANTS if images or "channels_last" not in v]


def make_pass(name: str, variant: str, x: Tensor, batch: int) -> Callable[[], None]:
    """Return a function that trains over x once in batches of a size, with fused Adam."""
    torch.manual_seed(0)
    model = MODELS[name]()
    if x.ndim == 4:
        x = x.permute(0, 3, 1, 2).contiguous()
    if "channels_last" in variant:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    loss = torch.compile(model.loss) if "compiled" in variant else model.loss
    half = torch.autocast("cpu", torch.bfloat16, enabled="bfloat16" in variant)

    def one_pass() -> None:
        for part in x.split(batch):
            optimizer.zero_grad(set_to_none=True)
            with half:
                value = loss(part)
            value.backward()
            optimizer.step()

    return one_pass

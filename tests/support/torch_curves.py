"""The curves of curves.py in PyTorch: the same weights, batches and noise, its own arithmetic.

usage: PYTHONPATH=tests python tests/support/torch_curves.py     writes golden.json; needs torch
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as tf
from aecore import _core, nn
from aecore.base.streams import LATENT
from torch import Tensor
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
    pad_sequence,
)

from support.curves import BATCH, CURVES, Curve, batches, prepared

GOLDEN = pathlib.Path(__file__).with_name("golden.json")
GOLDEN_STEPS = 20

ACTIVATIONS: dict[str | None, Callable[[Tensor], Tensor]] = {
    None: lambda x: x,
    "relu": torch.relu,
    "elu": tf.elu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


class Mirror:
    """aecore modules run by PyTorch, with copies of their parameters in their own layout."""

    def __init__(self, parameters: dict[str, np.ndarray]) -> None:
        self.tensors = {k: torch.tensor(v, requires_grad=True) for k, v in parameters.items()}

    lengths: Tensor | None = None  # of the sequences that are run

    def run(self, module: nn.Module, prefix: str, x: Tensor) -> Tensor:
        """Apply a module, whose parameters are called prefix.*, to channels-last x."""
        if isinstance(module, nn.Sequential):
            for name, layer in module.children():
                x = self.run(layer, f"{prefix}.{name}", x)
            return x
        if isinstance(module, nn.Residual):
            return x + self.run(module.body, f"{prefix}.body", x)
        if isinstance(module, nn.LSTM):
            return self._recurrent(module, prefix, x)
        if isinstance(module, nn.TimeDistributed):
            return self.run(module.body, f"{prefix}.body", x)  # PyTorch's layers take any axes
        if isinstance(module, nn.PositionalEmbedding):
            return (x if x.ndim == 3 else x[:, None]) + self.tensors[f"{prefix}.weight"]
        if isinstance(module, nn.MeanPool1d):
            return x.mean(1) if self.lengths is None else self._mean(x)
        if isinstance(module, nn.TransformerBlock):
            return self._block(module, prefix, x)
        if isinstance(module, nn.Flatten):
            return x.flatten(1)
        if isinstance(module, nn.Reshape):
            return x.reshape(len(x), *module.shape)
        if isinstance(module, nn.Activation):
            return ACTIVATIONS[module.kind](x)
        return ACTIVATIONS[module.activation](self._weighted(module, prefix, x))

    def _recurrent(self, module: nn.LSTM, prefix: str, x: Tensor) -> Tensor:
        if module.steps is not None:
            x = x.unsqueeze(1).expand(-1, module.steps, -1)
        weights: list[Tensor] = []
        for name, _ in module.children():
            bias = self.tensors[f"{prefix}.{name}.bias"]
            weights += [self.tensors[f"{prefix}.{name}.weight_{k}"] for k in ("ih", "hh")]
            weights += [bias, torch.zeros_like(bias)]
        layers, both = len(module.layers), module.bidirectional
        state = torch.zeros(layers * (1 + both), len(x), module.units)
        lengths = torch.full((len(x),), x.shape[1]) if self.lengths is None else self.lengths
        if module.reverse:
            x = _reversed(x, lengths)
        packed = pack_padded_sequence(x, lengths, True, False)
        data, sizes, order, back = packed
        y, h, _ = torch.lstm(data, sizes, (state, state), weights, True, layers, 0.0, True, both)
        if module.last:
            return torch.cat(tuple(h[-1 - both :]), 1)[back]
        ordered = PackedSequence(y, sizes, order, back)
        y, _ = pad_packed_sequence(ordered, True, 0.0, x.shape[1])
        return _reversed(y, lengths) if module.reverse else y

    def _mean(self, x: Tensor) -> Tensor:
        return (x * ~_ended(self.lengths, x.shape[1])[:, :, None]).sum(1) / self.lengths[:, None]

    def _block(self, module: nn.TransformerBlock, prefix: str, x: Tensor) -> Tensor:
        """Apply PyTorch's own encoder layer, with our parameters."""
        hidden, width = module.linear1.weight.shape
        heads, options = module.attention.heads, {"batch_first": True, "norm_first": True}
        layer = torch.nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", **options)
        names = {
            "self_attn.in_proj_": "attention.project.",
            "self_attn.out_proj.": "attention.out.",
        }
        ours = {}
        for name, _ in layer.named_parameters():
            for theirs, mine in names.items():
                if name.startswith(theirs):
                    ours[name] = self.tensors[f"{prefix}.{mine}{name[len(theirs) :]}"]
            ours.setdefault(name, self.tensors.get(f"{prefix}.{name}"))
        ended = None if self.lengths is None else _ended(self.lengths, x.shape[1])
        return torch.func.functional_call(layer, ours, (x,), {"src_key_padding_mask": ended})

    def _weighted(self, module: nn.Module, prefix: str, x: Tensor) -> Tensor:
        bias = self.tensors.get(f"{prefix}.bias")
        if isinstance(module, nn.TiedLinear):
            return tf.linear(x, self._of(module.weight).t(), bias)
        weight = self.tensors[f"{prefix}.weight"]
        if isinstance(module, nn.Linear):
            return tf.linear(x, weight, bias)
        x, geometry = x.permute(0, 3, 1, 2), (module.stride, module.padding)
        if isinstance(module, nn.ConvTranspose2d):
            kernel = weight.permute(3, 0, 1, 2)
            y = tf.conv_transpose2d(x, kernel, bias, *geometry, module.output_padding)
        elif isinstance(module, nn.Conv2d):
            y = tf.conv2d(x, weight.permute(0, 3, 1, 2), bias, *geometry)
        else:
            raise TypeError(f"no mirror of {type(module).__name__}")
        return y.permute(0, 2, 3, 1)

    def _of(self, parameter: nn.Parameter) -> Tensor:
        return self.tensors[self.names[id(parameter)]]

    names: dict[int, str]


def _ended(lengths: Tensor, steps: int) -> Tensor:
    """Return True behind the last step of each sequence, (N, T)."""
    return torch.arange(steps) >= lengths[:, None]


def _reversed(x: Tensor, lengths: Tensor) -> Tensor:
    """Return sequences from their own last step to the first; what is behind stays there."""
    return torch.stack([torch.cat([s[:n].flip(0), s[n:]]) for s, n in zip(x, lengths, strict=True)])


def _noise(network: Any, n: int, width: int) -> Tensor:
    """Return what the VAE draws for the samples that follow."""
    eps = np.empty((n, width), np.float32)
    _core.random_normal(eps, network.seed, LATENT, network.samples * width, _core.Workspace())
    return torch.from_numpy(eps)


class Twin:
    """One of our models in PyTorch, from the same weights, trained a step at a time.

    Parameters
    ----------
    model : estimator
        With its fresh weights; it isn't changed but for its count of samples, by which the twin
        draws the same noise.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.network = self.model._network
        self.mirror = Mirror(self.model.parameters_)
        self.mirror.names = {id(p): name for name, p in self.network.flat.named.items()}
        self.averages: dict[str, Tensor] = {}
        if hasattr(self.model, "codebook_"):
            quantizer = self.network.quantizer
            self.averages = {k: torch.tensor(v) for k, v in quantizer.buffers() if k != "position"}
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.model.optimizer]
        self.optimizer = kind(
            self.mirror.tensors.values(),
            self.model.learning_rate,
            weight_decay=self.model.weight_decay,
        )

    def step(self, x: Any, y: np.ndarray | None) -> float:
        if isinstance(x, list):
            self.mirror.lengths = torch.tensor([len(sample) for sample in x])
            target = pad_sequence([torch.from_numpy(sample) for sample in x], True)
        else:
            target = torch.from_numpy(x)
        condition = None if y is None else tf.one_hot(torch.from_numpy(y), 10).float()
        self.optimizer.zero_grad()
        loss = self._loss(target, condition)
        loss.backward()
        if self.model.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.mirror.tensors.values(), self.model.clip_norm)
        self.optimizer.step()
        self.network.samples += len(x)
        return loss.item()

    @torch.no_grad()
    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Return the decoder's output for the means, or the entries, of x's codes."""
        h = self._apply("encoder", torch.from_numpy(x), None)
        kind = type(self.model).__name__
        if kind == "VAE":
            h = h.chunk(2, 1)[0]
        elif kind == "VQVAE":
            h = self._entries()[self.nearest(h)].view(h.shape)
        return self._apply("decoder", h, None).numpy()

    def _loss(self, x: Tensor, condition: Tensor | None) -> Tensor:
        kind = type(self.model).__name__
        h = self._apply("encoder", x, condition)
        terms = torch.zeros(())
        if kind in ("VAE", "CVAE"):
            mean, logvar = h.chunk(2, 1)
            eps = _noise(self.network, *mean.shape)
            terms = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum()
            h = mean + torch.exp(0.5 * logvar) * eps
        elif kind == "VQVAE":
            h, terms = self._quantize(h)
        output = self._apply("decoder", h, condition)
        return (self._reconstruction(output, x) + terms) / len(x)

    def _apply(self, part: str, x: Tensor, condition: Tensor | None) -> Tensor:
        if condition is not None:
            x = torch.cat([x, condition], 1)
        return self.mirror.run(getattr(self.network, part), part, x)

    def _reconstruction(self, output: Tensor, x: Tensor) -> Tensor:
        if self.mirror.lengths is not None:
            there = ~_ended(self.mirror.lengths, x.shape[1])
            output, x = output[there], x[there]
        if self.model.loss == "bce":
            return tf.binary_cross_entropy_with_logits(output, x, reduction="sum")
        return tf.mse_loss(output, x, reduction="sum")

    def _entries(self) -> Tensor:
        learned = self.model.codebook == "loss"
        return self.mirror.tensors["quantizer.entries"] if learned else self.averages["entries"]

    def nearest(self, z: Tensor) -> Tensor:
        """Return the numbers of the entries nearest to vectors z (..., D)."""
        rows = z.detach().reshape(-1, z.shape[-1])
        return torch.cdist(rows.double(), self._entries().detach().double()).argmin(1)

    def _quantize(self, z: Tensor) -> tuple[Tensor, Tensor]:
        index = self.nearest(z)
        chosen = self._entries()[index].view(z.shape)
        terms = self.model.commitment * ((z - chosen.detach()) ** 2).sum()
        if self.model.codebook == "loss":
            terms = terms + ((chosen - z.detach()) ** 2).sum()
        else:
            chosen = chosen.clone()
            self._follow(z.detach().reshape(-1, z.shape[-1]), index)
        return z + (chosen - z).detach(), terms

    def _follow(self, rows: Tensor, index: Tensor) -> None:
        """Move the averages of an EMA codebook, after Sonnet."""
        a, decay, size = self.averages, self.model.ema_decay, self.model.codebook_size
        chosen = tf.one_hot(index, size).float()
        a["count"].mul_(decay).add_(chosen.sum(0), alpha=1 - decay)
        a["sum"].mul_(decay).add_(chosen.t() @ rows, alpha=1 - decay)
        total = a["count"].sum()
        smooth = (a["count"] + 1e-5) / (total + size * 1e-5) * total
        a["entries"].copy_(a["sum"] / smooth[:, None])


def torch_curve(curve: Curve, steps: int) -> list[float]:
    """Return the loss of every step."""
    twin = Twin(prepared(curve))
    return [twin.step(x, y) for x, y in batches(curve, steps)]


if __name__ == "__main__":
    frozen = {curve.name: torch_curve(curve, GOLDEN_STEPS) for curve in CURVES}
    note = f"PyTorch {torch.__version__}, batches of {BATCH} digits; made by torch_curves.py"
    GOLDEN.write_text(json.dumps({"made by": note, "losses": frozen}, indent=1) + "\n")
    print(f"wrote {GOLDEN}")

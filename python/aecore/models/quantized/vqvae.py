"""The vector-quantised autoencoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _core
from ...arch import LSTM, ResNet
from ...base import checks, runtime
from ...base.params import defaults
from ...base.sklearn import new_seed
from ...base.streams import SAMPLE
from ...data.batches import Batch, Input
from ...data.readers import Reader
from ...nn import (
    FiniteScalarQuantizer,
    GroupedQuantizer,
    LookupFreeQuantizer,
    ResidualQuantizer,
    VectorQuantizer,
)
from ...nn.module import Module
from ...nn.ops.quantize import PASSED
from ...nn.quantize.codebook import Quantizer
from ...nn.quantize.scalar import checked_levels
from ...nn.quantize.signs import MOST_BITS
from ...nn.tape import Shape, Value
from ...training import group
from ...training.network import Network
from ..base.model import fitted
from ..base.options import Coding, Unpack
from ..base.sizes import by_size
from .codes import QuantizedCodes
from .prior import CodesWithPrior

VECTORS_PER_CODE = 32  # that k-means takes, if the data have so many
# The parameters of codebooks, which make no sense with levels or code_bits.
OF_CODEBOOKS = (
    "commitment codebook ema_decay codebook_init distance gradient projection_dim".split()
)


class VQVAE(CodesWithPrior, options=Coding):
    r"""Codes that are entries of a codebook: discrete, a grid for images, one a step for sequences.

    Every vector z of the encoder's output is replaced by the nearest entry e. Minimises, as sums
    over features and vectors and a mean over samples,

    .. math:: \ell(x, g(e)) + \|\mathrm{sg}[z] - e\|^2 + \gamma \|z - \mathrm{sg}[e]\|^2

    where sg stops gradients, the decoder's gradient passes straight from e to z, and with
    codebook="ema" the entries are moving averages of their vectors in place of the middle term.

    Options change how z is quantised. With ``distance="cosine"`` z and e are scaled to length 1
    first; with ``projection_dim`` they are compared in fewer dimensions. With ``levels`` there is
    no codebook and there are no such terms: the coordinates of z are rounded, see
    `aecore.nn.FiniteScalarQuantizer`. With ``code_bits`` there is none either: the signs of z are
    the code, see `aecore.nn.LookupFreeQuantizer`, and in place of the middle term is one that wants
    signs to be sure and all codes used. There may be several of each kind: with ``quantizers=q`` z
    becomes a sum of q vectors, each for the residual of those before it, and with ``groups=g`` each
    of g parts of z has its own. Terms are sums over them.

    Parameters
    ----------
    arch : ResNet, Conv, Dense, LSTM, GRU, Transformer, (encoder, decoder) or None
        None is `ResNet` for images, `Dense` for tables and `LSTM` for sequences.
    codebook_size : int
        How many entries there are.
    code_dim : int
        Their length.
    commitment : float
        :math:`\gamma`; with ``code_bits`` divided by their number.
    codebook : {"ema", "loss"}
        How the entries learn.
    ema_decay : float
        Of the moving averages.
    restart_dead : bool
        Whether entries that fall out of use start anew at vectors of the current batch.
    codebook_init : {"kmeans", "normal"}
        Whether the entries start as centres of what the fresh encoder gives for the first samples,
        or as normal numbers; those of further codebooks as centres of the residuals.
    quantizers : int
        How many codebooks there are in turn. From 2 on, codes have one axis more, of this length.
        ``levels`` are then of steps that become smaller; ``code_bits`` go with 1.
    distance : {"euclidean", "cosine"}
        Between vectors and entries. Cosine goes with one quantizer, or a ``projection_dim``.
    levels : sequence of int or None
        How many values each coordinate of a code has, in place of a codebook: codebook_size is then
        their product and code_dim their number, times groups, and parameters of codebooks can't be
        given.
    gradient : {"straight_through", "rotation"}
        What the encoder gets of the decoder's gradient: all of it as it is, or turned and scaled as
        e is to z; see `aecore.nn.VectorQuantizer`.
    projection_dim : int or None
        The length of entries, where a linear layer before the look-up makes vectors of code_dim
        shorter, and one behind it makes them long again: each of several codebooks has its own.
        None is code_dim, without such layers. The encoder's last layer is linear too, so that for
        one codebook a small code_dim does about the same.
    groups : int
        Into how many parts vectors are cut, each with codebooks of its own. From 2 on, codes have
        one axis more, of groups times quantizers.
    code_bits : int or None
        How many signs a code has, in place of a codebook: codebook_size is then 2 ** code_bits and
        code_dim their number, times groups, and no parameters of codebooks but commitment can be
        given.
    entropy_weight : float
        Of the term of the signs' entropies, with code_bits.
    prior : PixelCNN or None
        What `sample` draws codes from. `fit` trains a copy of it on the codes once the rest is
        trained, given y if there is one: its ``epochs`` and the like are the prior's own. None
        draws them uniformly.

    Attributes
    ----------
    codebook_ : ndarray of float32, shape (codebook_size, code_dim)
        What codes stand for, before any projection back: (groups * quantizers, codebook_size,
        code_dim / groups) for several codebooks, all points of the grid for levels and code_bits.
    prior_ : PixelCNN
        The trained prior, with a ``history_`` of its own. ``warm_start`` goes on with both; with
        ``epochs=0`` with the prior alone. `partial_fit` leaves it as it is.
    classes_ : ndarray, shape (K,)
        The labels in order, where the prior was given some.
    history_ : list of dict
        Beside what `Autoencoder` has: ``vq`` and ``commitment`` (the last two terms above), or with
        code_bits ``commitment`` and ``entropy``; and ``perplexity``, the exponential of the entropy
        of how often entries were used in the epoch, whatever samples weigh: codebook_size if all
        were equally often, 1 if only one was. With several codebooks that is their mean, and each
        has its own as ``perplexity_1``, ``perplexity_2`` and so on.

    References
    ----------
    A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning",
    NeurIPS 2017. N. Zeghidour et al., "SoundStream: an end-to-end neural audio codec", TASLP 30,
    2021. J. Yu et al., "Vector-quantized image modeling with improved VQGAN", ICLR 2022 (cosine and
    projection). F. Mentzer et al., "Finite scalar quantization: VQ-VAE made simple", ICLR 2024
    (levels). L. Yu et al., "Language model beats diffusion: tokenizer is key to visual generation",
    ICLR 2024 (code_bits). C. Fifty et al., "Restructuring vector quantization with the rotation
    trick", ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((60, 8, 8, 1))
    >>> arch = ae.ResNet(channels=8, residual_channels=4, blocks=1)
    >>> options = {"epochs": 2, "random_state": 0}
    >>> ae.VQVAE(arch, codebook_size=16, code_dim=4, **options).fit(X).transform(X).shape
    (60, 2, 2)
    >>> ae.VQVAE(arch, 16, 4, quantizers=3, **options).fit(X).transform(X).shape
    (60, 2, 2, 3)
    >>> ae.VQVAE(arch, levels=(5, 5, 3), **options).fit(X).codebook_.shape
    (75, 3)
    >>> ae.VQVAE(arch, code_bits=5, groups=2, **options).fit(X).transform(X).shape
    (60, 2, 2, 2)
    >>> prior = ae.PixelCNN(16, layers=2, epochs=2)
    >>> ae.VQVAE(arch, 16, 4, prior=prior, **options).fit(X).sample(3, random_state=0).shape
    (3, 8, 8, 1)
    """

    def __init__(
        self,
        arch: Any = None,
        codebook_size: int = 512,
        code_dim: int = 64,
        *,
        commitment: float = 0.25,
        codebook: str = "ema",
        ema_decay: float = 0.99,
        restart_dead: bool = True,
        codebook_init: str = "kmeans",
        quantizers: int = 1,
        distance: str = "euclidean",
        levels: Any = None,
        gradient: str = "straight_through",
        projection_dim: int | None = None,
        groups: int = 1,
        code_bits: int | None = None,
        entropy_weight: float = 0.1,
        prior: Any = None,
        **options: Unpack[Coding],
    ) -> None:
        self._store(VQVAE, locals())

    codebook_size: int
    code_dim: int
    commitment: float
    codebook: str
    ema_decay: float
    restart_dead: bool
    codebook_init: str
    quantizers: int
    distance: str
    levels: Any
    gradient: str
    projection_dim: int | None
    groups: int
    code_bits: int | None
    entropy_weight: float

    _preserves_dtype: list[str] = []
    _takes_maps = True
    _no_penalty = "whose codes are entries of a codebook, neither sparse nor smooth"

    def _check_params(self) -> None:
        checks.integer("codebook_size", self.codebook_size, 1)
        checks.integer("code_dim", self.code_dim, 1)
        checks.real("commitment", self.commitment)
        checks.choice("codebook", self.codebook, ("ema", "loss"))
        if checks.real("ema_decay", self.ema_decay, 0, 1) == 1:
            raise ValueError("ema_decay: expected less than 1, got 1")
        checks.boolean("restart_dead", self.restart_dead)
        checks.choice("codebook_init", self.codebook_init, ("kmeans", "normal"))
        checks.integer("quantizers", self.quantizers, 1, 1024)
        checks.choice("distance", self.distance, ("euclidean", "cosine"))
        checks.choice("gradient", self.gradient, tuple(PASSED))
        if self.projection_dim is not None:
            checks.integer("projection_dim", self.projection_dim, 1)
        checks.integer("groups", self.groups, 1, 1024)
        checks.real("entropy_weight", self.entropy_weight)
        if self.quantizers > 1 and self.distance == "cosine" and self.projection_dim is None:
            raise ValueError(
                "distance: expected 'euclidean' with several quantizers, since the length of a "
                "residual matters, or a projection_dim, got 'cosine'"
            )
        self._check_kind()
        self._check_prior()
        super()._check_params()

    def _check_kind(self) -> None:
        """Raise ValueError for parameters of one kind of codes that are given beside another."""
        if self.levels is not None and self.code_bits is not None:
            raise ValueError(
                f"code_bits: expected None beside levels={self.levels!r}, got {self.code_bits}"
            )
        if self.levels is not None:
            levels = checked_levels(self.levels)
            self._check_sizes(f"levels={levels}", len(levels))
            self._refuse(OF_CODEBOOKS, "levels, which have no codebook")
            FiniteScalarQuantizer(levels, int(self.quantizers))
        elif self.code_bits is not None:
            width = checks.integer("code_bits", self.code_bits, 1, MOST_BITS)
            self._check_sizes(f"code_bits={self.code_bits}", width)
            others = [name for name in OF_CODEBOOKS if name != "commitment"]
            self._refuse([*others, "quantizers"], "code_bits, which have no codebook")
        elif self.code_dim % self.groups:
            raise ValueError(
                f"code_dim: expected a multiple of groups={self.groups}, got {self.code_dim}"
            )
        if self.code_bits is None:
            self._refuse(["entropy_weight"], "no code_bits, whose signs it is for")

    def _check_sizes(self, given: str, width: int) -> None:
        """Raise ValueError for another codebook's size, or code's length, than follows."""
        usual = defaults(VQVAE)
        for name, value in (
            ("codebook_size", self._n_codes),
            ("code_dim", width * int(self.groups)),
        ):
            if getattr(self, name) not in (value, usual[name]):
                raise ValueError(
                    f"{name}: expected {value}, which follows from {given}, or none given, got "
                    f"{getattr(self, name)}"
                )

    def _refuse(self, names: Sequence[str], beside: str) -> None:
        """Raise ValueError for parameters that make no sense beside others."""
        usual = defaults(VQVAE)
        for name in names:
            if getattr(self, name) != usual[name]:
                raise ValueError(
                    f"{name}: expected {usual[name]!r} with {beside}, got {getattr(self, name)!r}"
                )

    @property
    def _n_codes(self) -> int:
        """How many codes each codebook has, by the parameters."""
        if self.levels is not None:
            return math.prod(checked_levels(self.levels))
        return int(self.codebook_size) if self.code_bits is None else 2 ** int(self.code_bits)

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        dim = int(self.code_dim)
        if self.levels is not None:
            dim = len(self.levels) * int(self.groups)
        elif self.code_bits is not None:
            dim = int(self.code_bits) * int(self.groups)
        usual = {2: LSTM(), 3: ResNet()}  # they have maps of codes
        arch = usual.get(len(reader.shape)) if self.arch is None else self.arch
        parts = self._coders(reader, dim, dim, spatial=True, arch=arch)
        groups = [self._make_quantizer() for _ in range(self.groups)]
        quantizer = GroupedQuantizer(*groups) if self.groups > 1 else groups[0]
        return {"encoder": parts["encoder"], "quantizer": quantizer, "decoder": parts["decoder"]}

    def _make_quantizer(self) -> Quantizer:
        """Return the quantizer of a group."""
        if self.levels is not None:
            return FiniteScalarQuantizer(self.levels, int(self.quantizers))
        if self.code_bits is not None:
            weights = {"commitment": self.commitment, "entropy_weight": self.entropy_weight}
            return LookupFreeQuantizer(int(self.code_bits), **weights)
        sizes = int(self.codebook_size), int(self.code_dim) // int(self.groups)
        options: dict[str, Any] = {
            "commitment": float(self.commitment),
            "codebook": self.codebook,
            "decay": float(self.ema_decay),
            "restart_dead": bool(self.restart_dead),
            "distance": self.distance,
            "gradient": self.gradient,
            "projection_dim": self.projection_dim,
        }
        if self.quantizers > 1:
            return ResidualQuantizer(int(self.quantizers), *sizes, **options)
        return VectorQuantizer(*sizes, **options)

    def _prepare(self, network: Network, given: Input) -> None:
        starts = self.levels is None and self.code_bits is None
        if self.codebook_init != "kmeans" or not starts:
            return
        wanted, found, rows = VECTORS_PER_CODE * int(self.codebook_size), 0, []
        wanted = -(-wanted * len(given.data) // group.place(len(given.data))[1])
        for batch in given.batches(int(self.batch_size))():
            with network.tape(records=False) as tape:
                z = network.encode(tape.constant(batch.x)).data
            there = _steps_there(batch, z.shape)
            z = z if there is None else z[there]
            rows.append(z.reshape(-1, self.code_dim).copy())
            found += len(rows[-1])
            if found >= wanted:
                break
        vectors = np.concatenate(group.over_rows(np.concatenate(rows)[:wanted]))
        network.quantizer.start_kmeans(vectors)

    @property
    def _decoder_width(self) -> int:
        return int(self._network.code_shape[-1])

    @property
    def _quantizer(self) -> Quantizer:
        return self._network.quantizer

    @property
    def _code_space(self) -> QuantizedCodes:
        network = self._fitted()
        return QuantizedCodes(network, self._is_sized and len(network.code_shape) == 3)

    # ---- a pass ---------------------------------------------------------------------------------

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        quantizer, z = self._quantizer, self._latent(batch)
        there = _steps_there(batch, z.shape)
        found = quantizer.quantize(z) if there is None else quantizer.quantize(z, there)
        batch.code, batch.output = z, self._decode(found.y, batch)
        terms = found.terms
        if batch.noise == "off":
            terms.pop("entropy", None)  # a score is of its sample alone
        batch.weights |= {name: float(name in quantizer.minimized) for name in terms}
        if batch.noise == "on":
            index = found.index
            batch.noted["usage"] = self._usage(index if there is None else index[there])
        return {"recon": self._loss.term(batch.output, batch), **terms}

    def _usage(self, index: np.ndarray) -> np.ndarray:
        """Return how often each entry of each codebook was used, (q, E)."""
        codebooks, size = math.prod(self._quantizer.code_shape), self._quantizer.n_codes
        usage = np.zeros((codebooks, size), np.int64)
        for used, chosen in zip(usage, index.reshape(-1, codebooks).T, strict=True):
            np.add.at(used, chosen, 1)
        return usage

    def _epoch_terms(
        self, means: dict[str, float], noted: dict[str, np.ndarray], n: float, observed: float
    ) -> dict[str, float]:
        known = super()._epoch_terms(means, noted, n, observed)
        if not noted:
            return known
        found = [_perplexity(used) for used in noted["usage"]]
        each = {f"perplexity_{i}": value for i, value in enumerate(found, 1)}
        known["perplexity"] = float(np.mean(found))
        return known | (each if len(found) > 1 else {})

    @property
    def codebook_(self) -> np.ndarray:
        """A copy of the codebook, or of all of them."""
        self._fitted()
        return self._quantizer.codebook.copy()

    @by_size
    @fitted
    def encode_vectors(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> np.ndarray:
        """Return what the encoder gives, before it is quantised.

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.

        Returns
        -------
        ndarray of float32, shape (N, h, w, code_dim), (N, t, code_dim) or (N, code_dim)
            With a projection before the look-up, if there is one codebook: projection_dim.
        """
        given, quantizer = self._input(X, None, sample_mask), self._quantizer
        return self._collected(given, lambda batch: quantizer.projected(self._latent(batch)).data)

    # ---- samples --------------------------------------------------------------------------------

    @fitted
    def sample(  # type: ignore[override]
        self,
        n: int,
        *,
        y: Any = None,
        given: Any = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: Any = None,
    ) -> np.ndarray:
        """Decode codes that are drawn from the prior; without one, uniformly and independently.

        Parameters
        ----------
        n : int
        y : optional
            What the prior is conditioned on, where `fit` was given y: one for all samples, or one
            for each. Without a prior no notice is taken of it.
        given : array-like of int, optional
            Codes that are known, as `transform` gives them, and -1 where the prior is to draw one.
        temperature, top_k
            Of the prior's draws; see `PixelCNN.sample`.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of float32, shape (n, ...)
        """
        n = checks.integer("n", n, 0)
        trained = self._trained_prior()
        if trained is not None:
            how: dict[str, Any] = {"given": given, "temperature": temperature, "top_k": top_k}
            codes = trained.sample(n, y=y, **how, random_state=random_state)
            return self._decoded(codes, None)
        asked = {"given": given, "temperature": None if temperature == 1 else temperature}
        for name, value in (asked | {"top_k": top_k}).items():
            if value is not None:
                raise ValueError(f"{name}: expected none without a prior, got {value!r}")
        u = np.empty((n, *self._code_space.shape), np.float32)
        _core.random_uniform(u, new_seed(random_state), SAMPLE, 0, runtime.current())
        size = self._quantizer.n_codes
        codes = np.minimum(u.astype(np.float64) * size, size - 1)
        return self._decoded(codes.astype(np.int64), None)

    @fitted
    def traverse(self, x: Any, dim: int, values: Any, *, y: Any = None) -> np.ndarray:
        """Decode a sample's codes with one of them set to each of some values.

        Parameters
        ----------
        x : array-like
            A sample.
        dim : int
            Which of its codes, counted along the flattened grid.
        values : array-like of int, shape (n,)
            Indices of codebook entries.
        y : optional
            No notice is taken of it.

        Returns
        -------
        ndarray of float32, shape (n, ...)
        """
        dim = checks.integer("dim", dim, 0, self._n_features_out - 1)
        values = checks.array("values", values)
        if values.ndim != 1:
            raise ValueError(f"values: expected a vector of integers, got shape {values.shape}")
        code = self._collected(Input(self._sample("x", x)), self._codes)
        codes = np.repeat(code, len(values), axis=0)
        numbers = values.dtype.kind in "iuf"
        if not numbers or (values.dtype.kind == "f" and (values != np.floor(values)).any()):
            raise ValueError(
                f"values: expected integers, numbers of codebook entries, got {values!r}"
            )
        codes.reshape(len(values), self._n_features_out)[:, dim] = values
        return self._decoded(self._code_space.read(codes), None)


def _perplexity(usage: np.ndarray) -> float:
    """Return the exponential of the entropy of how often each of some codes was used."""
    share = usage[usage > 0] / max(1, usage.sum())
    return float(np.exp(-(share * np.log(share)).sum()))


def _steps_there(batch: Batch, shape: Shape) -> np.ndarray | None:
    """Return which steps of sequences have an observed value, or one after them, (n, T).

    None where all are, or codes (n, ...) don't have one for each step.
    """
    x = batch.x
    if batch.absent is None or len(shape) != 3 or x.ndim != 3 or shape[1] != x.shape[1]:
        return None
    seen: np.ndarray = ~np.all(batch.absent.reshape(x.shape), axis=2)
    there = np.ascontiguousarray(np.logical_or.accumulate(seen[:, ::-1], axis=1)[:, ::-1])
    return None if there.all() else there

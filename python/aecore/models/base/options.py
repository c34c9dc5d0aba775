"""The parameters that models share: their types, defaults and descriptions, in one place.

A model's `__init__` has its own parameters and ``**options``. Its class says which of these there
are, and which defaults are others: ``class VAE(BaseAutoencoder, options=Coding)``. They become part
of the signature and the docstring, so that Python, notebooks and scikit-learn see them there.
"""

from __future__ import annotations

import inspect
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from typing_extensions import Unpack as Unpack
else:
    Unpack = tuple  # which can have something in brackets; Python has its own from 3.11 on


class Running(TypedDict, total=False):
    """What every training takes."""

    optimizer: Any
    learning_rate: float
    weight_decay: float
    schedule: Any
    clip_norm: float | None
    batch_size: int
    accumulate: int
    epochs: int
    shuffle: bool
    warm_start: bool
    callbacks: Any
    checkpoint: Any
    random_state: Any
    n_threads: int | None
    precision: str
    verbose: int | None


class Validated(Running, total=False):
    """Where there is something to validate."""

    validation_fraction: float


class Training(Validated, total=False):
    """Where a lower loss means a better model."""

    patience: int | None


class Reconstructing(TypedDict, total=False):
    """How samples are encoded and decoded."""

    init: str | None
    loss: str
    tied: bool
    corruption: Any
    penalty: Any


class Coding(Reconstructing, Training, total=False):
    """All."""

    pretrain_epochs: int


class Matching(Reconstructing, Validated, total=False):
    """Of an autoencoder that learns more than to restore samples: with a discriminator, say."""


class OfTables(TypedDict, total=False):
    """How rows of tables are encoded; their loss is their own."""

    init: str | None
    corruption: Any
    penalty: Any


class Tables(OfTables, Training, total=False):
    """Of models of tables."""


class TablesOfClusters(OfTables, Validated, total=False):
    """Of those that learn more than to restore rows."""


DEFAULTS: dict[str, Any] = {
    "init": None,
    "loss": "mse",
    "tied": False,
    "corruption": None,
    "penalty": None,
    "pretrain_epochs": 0,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": None,
    "clip_norm": None,
    "batch_size": 128,
    "accumulate": 1,
    "epochs": 20,
    "shuffle": True,
    "validation_fraction": 0.0,
    "patience": None,
    "warm_start": False,
    "callbacks": (),
    "checkpoint": None,
    "random_state": None,
    "n_threads": None,
    "precision": "float32",
    "verbose": None,
}

PARAMETERS = {
    name: inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=DEFAULTS[name],
        annotation=(Matching.__annotations__ | Coding.__annotations__)[name].__forward_arg__,
    )
    for name in DEFAULTS
}

DESCRIPTIONS = inspect.cleandoc(r"""
    arch : Dense, Conv, ResNet, UNet, LSTM, GRU, Transformer, (encoder, decoder) or None
        The architecture; a pair of `aecore.nn` modules is your own. None is `Dense` for tables,
        `Conv` for images, and for sequences (N, T, F) `Dense` where all have one length and `LSTM`
        where they haven't.
    latent_dim : int
        The length of a code.
    init : {"uniform", "glorot", "he"} or None
        How the first weights of encoder and decoder are drawn. None is what measured best: "glorot"
        for `Dense`, and for others and modules of your own "uniform", which is in plus or minus
        1 / sqrt(fan_in) as PyTorch's layers have it.
    loss : str
        What a reconstruction is measured by, see `aecore.losses`: "mse", "bce", "l1", "huber",
        "cross_entropy" or "gaussian", and for counts "poisson", "negative_binomial" or
        "multinomial". It is a sum over the features of a sample and a mean over samples. Of counts
        the encoder sees log(1 + x).
    tied : bool
        Whether the decoder's weights are the encoder's, transposed (`Dense` and `Conv`).
    corruption : GaussianNoise or another corruption, callable, sequence of these, or None
        What is done to the encoder's input in training, while the target stays clean. A function
        takes a batch (n, ...) and a `numpy.random.Generator`, and returns the damaged batch; those
        of a sequence are done one after another.
    penalty : L1Sparsity, KLSparsity, TopK, Contractive or None
        What the code is charged for, or how it is made sparse, see `aecore.penalties`. Codes may
        be longer than samples then.
    pretrain_epochs : int
        For so many epochs each layer is first trained by itself, as `StackedAutoencoder` says: 0
        for other models than `Autoencoder`, but for a `VAE` with a prior.
    optimizer : {"adam", "adamw", "sgd"}, Adam, AdamW or SGD
    learning_rate : float
    weight_decay : float
        An L2 penalty, or decoupled for adamw.
    schedule : Constant, Cosine, Step, Warmup, Plateau, a product of them, or None
        A factor of the learning rate over the epochs.
    clip_norm : float or None
        The largest norm that the gradient of all parameters together may have.
    batch_size : int
    accumulate : int
        Into how many parts a batch is cut, which pass one after another, so that memory is needed
        for one alone. Gradients are added up, what noise there is is the same, and a step is that
        of the whole batch, but for what follows from several samples at once: the statistics of
        BatchNorm, `MMD`, `TotalCorrelation`, `KLSparsity` and ``free_bits`` are those of parts.
    epochs : int
    shuffle : bool
        Whether every epoch has the samples in a new order.
    validation_fraction : float
        The share of samples that is held out and measured after each epoch.
    patience : int or None
        Stop after so many epochs without a lower loss (val_loss, where there is one) and go back to
        the best state.
    warm_start : bool
        Whether `fit` goes on with the fitted model: its parameters, optimiser, epoch and random
        streams. ``fit`` of 10 epochs and then 10 more gives the bits of one of 20. Where fits of
        few epochs are repeated without end, ``history_`` is thinned as by `partial_fit`.
    callbacks : sequence of callables
        Each is given a `TrainingState` after every epoch, and may return True to stop.
    checkpoint : path, Checkpoint or None
        Where to save the model after every epoch, or as `Checkpoint` says. ``fit(X, resume=True)``
        goes on from there.
    random_state : int, numpy Generator, RandomState or None
        The seed of everything random. The same seed gives the same bits, whatever the number of
        threads. None is a fresh one.
    n_threads : int or None
        None is what `set_num_threads` or OpenMP says.
    precision : {"float32", "bfloat16"}
        What linear layers and attention multiply in training. bfloat16 has 8 bits in place of 24:
        what goes into a product is rounded to it, while sums, parameters, the optimiser and all
        other layers stay float32, as does everything but the steps of training. Products take half
        the time where the CPU has instructions for it (AVX512_BF16), and longer where it hasn't.
    verbose : int or None
        0 for silence, 1 for a progress bar, 2 for a line per epoch. None is silence too, but for a
        bar in a notebook while a training of more than some seconds lasts.
""")

# In docstrings without their indentation, which Python keeps to 3.12.
ENTRY = re.compile(r"^(\w+) : ", re.MULTILINE)
SECTION = re.compile(r"^Parameters\n-{10}\n(?P<entries>.*?)(?=\n\n\S|\Z)", re.DOTALL | re.MULTILINE)


def complete(cls: Any, options: type | None, defaults: dict[str, Any]) -> None:
    """Put the parameters that a class shares with others into its signature and its docstring.

    Without `options` they are those of its parent.
    """
    if "__init__" in vars(cls):
        _complete_signature(cls, options, defaults)
    if cls.__init__ is not object.__init__:  # or it is a part of models
        _complete_doc(cls)


def _complete_signature(cls: Any, options: Any, defaults: dict[str, Any]) -> None:
    init = cls.__init__
    own = inspect.signature(init)
    several = [p for p in own.parameters.values() if p.kind is p.VAR_KEYWORD]
    if not several:
        return
    found = {k: p for k, p in own.parameters.items() if p not in several}
    shared = list(inspect.signature(super(cls, cls).__init__).parameters.values())[1:]
    if options is not None:
        names = options.__annotations__
        shared = [p for name, p in PARAMETERS.items() if name in names]
    for p in shared:
        if p.kind is not p.KEYWORD_ONLY:
            p = p.replace(kind=p.KEYWORD_ONLY)
        if p.name in defaults:
            p = p.replace(default=defaults[p.name])
        found.setdefault(p.name, p)
    init.__signature__ = own.replace(parameters=list(found.values()))


def _complete_doc(cls: Any) -> None:
    text = inspect.cleandoc(cls.__doc__ or "")
    match = SECTION.search(text)
    if match is None:
        return
    own = _entries(match["entries"])
    known = _entries(DESCRIPTIONS)
    for base in reversed(cls.__mro__[1:]):
        if described := SECTION.search(inspect.cleandoc(base.__doc__ or "")):
            known |= _entries(described["entries"])
    names = list(inspect.signature(cls).parameters)
    found = "\n".join(entry for name in names if (entry := (known | own).get(name)))
    cls.__doc__ = text[: match.start("entries")] + found + text[match.end() :]


def _entries(text: str) -> dict[str, str]:
    """Return what a docstring says of each parameter, by name."""
    ends = [*(m.start() for m in ENTRY.finditer(text)), len(text)]
    parts = [text[a:b].rstrip() for a, b in pairwise(ends)]
    return {part.split(" : ")[0].strip(): part for part in parts}

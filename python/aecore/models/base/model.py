"""What the objectives share in training: parameters, `fit` and its record, and a fitted model."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ... import _core, penalties
from ...arch.base import Arch, Code, conditioned_shape
from ...arch.build import build_network, default_arch
from ...base import checks, runtime
from ...base import names as column_names
from ...base.params import defaults, names, unexpected
from ...base.sklearn import Estimator, check_random_state, new_seed, not_fitted
from ...base.streams import SPLIT
from ...data import corruption, weights
from ...data.arrays import Data, is_stream
from ...data.batches import Batch, Batches, Condition, Input, shuffled
from ...data.conditions import Conditioner, conditions
from ...data.readers import Reader
from ...data.rows import Rows, RowsInput
from ...data.sequences import check_longest
from ...data.streams import Item, Summary
from ...files.codec import Decoder
from ...losses import COUNTS, LEARNED, LINKS, NAMES, Loss, learned_by, start_at_means
from ...nn.init import INITS
from ...nn.module import Module
from ...nn.parameter import budget
from ...nn.recurrent import AutoregressiveLSTM
from ...nn.tape import Value, heeds_lengths
from ...training import callbacks as callback_checks
from ...training import checkpoint, fit, group, optim
from ...training.callbacks import back_to
from ...training.checkpoint import Saver
from ...training.loop import Phase, Plan, backpropagate, means_of, weighted_sums
from ...training.network import InferencePass, Network
from ...training.parts import add
from ...training.schedules import Schedule
from . import beside, explained, psnr, state, traps, unchanged
from ._html import model_html
from .options import complete
from .own_rows import check_given, shared, summary_of, take_first_state
from .resume import (
    LoadedCheckpoint,
    check_count,
    checkpoint_of,
    find_checkpoint,
    saver_of,
    take_fit,
)
from .streams import read_rows, read_stream, rows_to_validate

if TYPE_CHECKING:
    from typing_extensions import Self

INFERENCE_BATCH = 256
INFERENCE_PIXELS = 1 << 20  # of images together, at most, unless one has more
LOOP = 16  # known epochs for each to come, from which on fits are taken for a loop without end
BYTES_PER_PARAMETER = 24  # value, gradient and moments, and copies while they are put together

DATA_FIRST = {*LEARNED, *COUNTS}  # losses that begin with what the data say
OWN_PARAMS = {"n_threads", "random_state", "verbose"}  # of a process
COMPARED = 1024  # samples

Method = TypeVar("Method", bound=Callable[..., Any])


def fitted(method: Method) -> Method:
    """Let a method run on a fitted model alone, one at a time, with the model's threads."""

    @functools.wraps(method)
    def run(self: BaseModel, *args: Any, **kwargs: Any) -> Any:
        network = self._fitted()
        if network.is_sealed:
            with runtime.threads(self.n_threads):
                return method(self, *args, **kwargs)
        with network.lock, runtime.threads(self.n_threads):
            if self._network is network:  # or else another thread's `fit` has made a new one
                network.rest()
                return method(self, *args, **kwargs)
        return run(self, *args, **kwargs)

    return run  # type: ignore[return-value]


class BaseModel(Estimator):
    """An objective: what is minimised, over a network that an architecture builds.

    A subclass says what its network is made of (`_modules`) and what is minimised (`terms`).
    """

    arch: Any
    init: str | None
    loss: str
    tied: bool
    corruption: Any
    penalty: penalties.Penalty | None
    pretrain_epochs: int
    optimizer: Any
    learning_rate: float
    weight_decay: float
    schedule: Schedule | None
    clip_norm: float | None
    batch_size: int
    accumulate: int
    epochs: int
    shuffle: bool
    validation_fraction: float
    patience: int | None
    warm_start: bool
    callbacks: Any
    checkpoint: Any
    random_state: Any
    n_threads: int | None
    precision: str
    verbose: int | None

    history_: list[dict[str, Any]]
    n_parameters_: int
    best_epoch_: int
    _network: Network
    _variance: float | None  # of what fit was given, for what is shown of a model

    _losses: tuple[str, ...] = NAMES
    _pretrains: Any = False  # whether there may be epochs of pretraining
    _no_penalty = "which has no code to penalise"  # why no penalty is allowed; empty where one is
    _takes_maps = False  # whether codes of images may be maps, where the architecture makes some
    _is_sized: Any = False  # whether images may have other sizes than in fit
    _takes_context = False  # whether it is conditioned on maps of codes
    _takes_codeless = False  # whether an architecture without a code will do
    _coders_conditioned = True  # whether encoder and decoder see conditions, if there are any
    _no_validation = ""  # why nothing can be validated
    _ragged = False  # whether it takes sequences of different lengths, if the architecture does
    _own_optimizer: optim.Optimizer | None = None  # what None stands for
    _nested: tuple[type, ...] = ()  # the classes of models that a file has inside this one
    _reader: type[Reader] = Reader  # of samples
    _streams = True  # whether `fit` takes batches
    _ignores_y = True  # whether conditions are ignored that it was fitted without
    _no_target = ""  # why samples have no targets of their own; empty where they may
    _repr_html_ = model_html

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # ---- what subclasses say --------------------------------------------------------------------

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        """Return the network's parts, for samples as they are read and conditions of a width."""
        raise NotImplementedError

    def _modules_for(self, reader: Reader, conditioner: Conditioner | None) -> dict[str, Module]:
        """Return the network's parts, for samples as they are read and what has been learned of y.

        Most need no more of that than how long its vectors are.
        """
        return self._modules(reader, _width(conditioner))

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised: the sum of some terms, each with a number for each sample.

        Training, validation, scores and estimates all ask here: `Batch.noise` says whether anything
        is to be drawn, and ``batch.weights`` takes how much a term counts, where that isn't 1.

        Parameters
        ----------
        batch : Batch
            Its ``x`` and ``target`` are arrays. It is given the ``code`` and the ``output``.

        Returns
        -------
        dict of str to Value, shape (n,)
        """
        raise NotImplementedError

    def _phases(self) -> tuple[Phase, ...]:
        """Return the steps of training that each batch gives, in order."""
        return (Phase(self._step),)

    def _epoch_terms(
        self, means: dict[str, float], noted: dict[str, np.ndarray], n: float, observed: float
    ) -> dict[str, float]:
        """Return more numbers of an epoch, from its means over n samples and what batches noted.

        `observed` is how many values the samples had together. Both count by weights.
        """
        return psnr.of_epoch(means)

    def _corruptions(self) -> tuple[Any, ...]:
        """Return the corruption of the input, or of each level if levels are pretrained."""
        return (self.corruption,)

    def _conditioner(self, y: Any, n: int) -> Conditioner | None:
        """Return what a fresh model learns of its conditions from y; None if it has none."""
        return None

    @property
    def _counts(self) -> bool:
        """Whether what the decoder is to give are counts."""
        return self.loss in COUNTS

    def _sees_logs(self, reader: Reader) -> bool:
        """Return whether the encoder sees log(1 + x): counts that are to be rebuilt."""
        return self._counts and reader.target is None

    @property
    def _pixels(self) -> bool | None:
        """Whether samples are pixels, if that is known before fit."""
        return False if self._counts else None

    @property
    def _coding_conditioner(self) -> Conditioner | None:
        """The conditioner of encoder and decoder; None if they see no conditions."""
        return self._network.conditioner if self._coders_conditioned else None

    def _prepare(self, network: Network, given: Input) -> None:
        """Learn from the data what has to be there before training, such as k-means centres."""

    def _pretrain(self, given: Input, rows: np.ndarray | None, saver: Saver) -> None:
        """Train parts of the network before it is trained as a whole."""

    def _epochs_from(self, first: int) -> int:
        """Return how many epochs a training has, which begins behind so many others."""
        return int(self.epochs)

    def _converged(self, record: dict[str, Any]) -> bool:
        """Return whether training has come to its end with an epoch, given its record."""
        return False

    @property
    def _no_weights(self) -> str:
        """Why all samples count alike; empty where they needn't."""
        penalty = getattr(self, "penalty", None)
        if penalty is not None and penalty.of_batch:
            return f"whose penalty {type(penalty).__name__} is about means over a batch"
        return ""

    @property
    def _takes_y(self) -> bool:
        """Whether y is used."""
        return self._needs_y or not self._ignores_y

    # ---- parameters -----------------------------------------------------------------------------

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state, perhaps of 0.1.0, which had one way to draw first weights."""
        super().__setstate__({"init": "uniform"} | state if "init" in names(type(self)) else state)
        network = vars(self).get("_network")
        if network is not None and network.made_with is None:
            network.made_with = unchanged.noted(self)

    def __init_subclass__(
        cls, options: type | None = None, defaults: dict[str, Any] | None = None
    ) -> None:
        super().__init_subclass__()
        complete(cls, options, defaults or {})

    def _store(self, cls: type, arguments: dict[str, Any]) -> None:
        """Store the arguments of a class's `__init__` under their names, and nothing else."""
        given, known = arguments | arguments["options"], defaults(cls)
        for name in arguments["options"]:
            if name not in known:
                raise unexpected(cls, name)
        for name, default in known.items():
            setattr(self, name, given.get(name, default))

    def _check_params(self) -> None:
        """Raise TypeError or ValueError for a parameter that makes no sense."""
        checks.choice("loss", self.loss, self._losses)
        checks.boolean("tied", self.tied)
        if self.init is not None:
            checks.choice("init", self.init, INITS)
        for noise in self._corruptions():
            corruption.check(noise)
        penalties.check(self, self._no_penalty)
        if checks.integer("pretrain_epochs", self.pretrain_epochs) and not self._pretrains:
            raise ValueError(
                f"pretrain_epochs: expected 0 for a {type(self).__name__}, as only an Autoencoder "
                "is pretrained, layer by layer, and a VAE with a prior, got "
                f"{self.pretrain_epochs}"
            )
        self._check_training_params()

    def _optimizer(self) -> optim.Optimizer:
        """Return the optimiser that the parameter stands for."""
        chosen: Any = self._own_optimizer if self.optimizer is None else self.optimizer
        return optim.resolve(chosen)

    def _check_training_params(self) -> None:
        self._optimizer()
        checks.real("learning_rate", self.learning_rate, above=True)
        checks.real("weight_decay", self.weight_decay)
        checks.instance("schedule", self.schedule, Schedule, "Cosine(20)")
        if self.schedule is not None:
            self.schedule.check()
        if self.clip_norm is not None:
            checks.real("clip_norm", self.clip_norm, above=True)
        checks.integer("batch_size", self.batch_size, 1)
        checks.integer("accumulate", self.accumulate, 1)
        checks.integer("epochs", self.epochs, 0)
        checks.boolean("shuffle", self.shuffle)
        if checks.real("validation_fraction", self.validation_fraction, 0, 1) == 1:
            raise ValueError("validation_fraction: expected less than 1, got 1")
        if self.patience is not None:
            checks.integer("patience", self.patience, 1)
        checks.boolean("warm_start", self.warm_start)
        callback_checks.check(self.callbacks)
        if self.checkpoint is not None:
            checkpoint.resolve(self.checkpoint)
        check_random_state(self.random_state)
        if self.n_threads is not None:
            checks.integer("n_threads", self.n_threads, 1, 4096)
        checks.choice("precision", self.precision, runtime.PRECISIONS)
        if self.verbose is not None and not isinstance(self.verbose, (bool, np.bool_)):
            checks.integer("verbose", self.verbose)

    # ---- fitting --------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        target: Any = None,
        X_val: Any = None,
        sample_mask: Any = None,
        sample_weight: Any = None,
        resume: bool = False,
        comm: Any = None,
    ) -> Self:
        """Train on samples, or on pairs of samples and what they are to become.

        Parameters
        ----------
        X : array-like, shape (N, F), (N, T, F) or (N, H, W, C), or list of arrays (T_i, F)
            Numbers; uint8 with values above 1 is pixels of 0..255 and scaled to 0..1, everything
            else is taken as it is. Later calls read the same values of any type alike. Memory
            maps and array-likes with shape, dtype and slicing are read a batch at a time. A list is
            of sequences, which may have different lengths where the architecture is `Conv`, `LSTM`,
            `GRU` or `Transformer`; a sample's loss is the sum over its own steps. It may also be a
            stream of batches, a data set that is read item by item, see Notes, or rows of a file
            that doesn't fit into memory, from `open_rows`.
        y : array-like, shape (N,) or (N, p), optional
            The condition of a `CVAE` or of a model with ``conditional=True``, the labels of a
            classifier; others take no notice of labels, and refuse more than that.
        target : like X, of any shape (N, ...), optional
            What the decoder is to make of X: the clean image of a noisy one, the large of a small
            one, the next steps of a sequence. The decoder is that of ``arch`` for samples of this
            shape, or the default one, where ``arch`` is for samples of another kind; of modules of
            your own it has to give it. Without a target it is X itself. What is given with
            ``corruption`` is corrupted further, and the target stays as it is. Sequences of
            different lengths have targets of the same lengths, or all of one.
        X_val : like X, (X_val, target_val), (X_val, y_val) or a dict, optional
            Samples to measure after each epoch, in place of ``validation_fraction``. The second
            array is y for a model that takes it; a dictionary has the names of these arguments:
            ``{"X": X_val, "y": y_val, "target": target_val}``.
        sample_mask : array-like of bool, the shape of X, or (N, T), optional
            True where a value is observed. The others take no part in the loss, are 0 to the
            encoder, and may be NaN. A mask (N, T) for sequences (N, T, F) says how long they are:
            True for the first steps of each sample, and then False; it stands for the list of them.
            Where there is a target, it says what is observed of X alone.
        sample_weight : array-like, shape (N,), optional
            How much each sample counts: 2 is the sample twice. Weights are divided by their mean,
            so that steps are as large as without. Terms, ``mse`` and all that is reported are
            weighted means. What is learned before training (the scales of a table's columns and of
            properties, first entries of a codebook) and statistics of batches take no notice.
        resume : bool
            Whether to go on from the file of ``checkpoint``, if there is one, until `epochs` in
            total are done; else training starts as without it. So the same call can be repeated
            after an interruption, and gives the bits of an uninterrupted one. Data and parameters
            must be the same, but for ``epochs`` and those that affect no number.
        comm : mpi4py communicator, or an object with rank, size and allgather, optional
            The processes that train one model together. They share the parts of a batch
            (`accumulate`; 8 where that is 1), so that there may be as many processes as parts. Each
            has the same samples, and all have the same bits, whatever their number; or, where the
            communicator's attribute ``rows`` is "own", as of ``ae.distributed.MPI(rows="own")``,
            each has a part of the samples (X, y, sample_mask and X_val), which no other has, and
            the model is trained on all of them, with bits that follow from the parts. The first
            process alone shows progress, calls callbacks and writes files. What one raises ends
            all: elsewhere as RuntimeError with its rank and traceback.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For parameters or data that make no sense, before anything changes.
        MemoryError
            For a network that is too large.
        FloatingPointError
            If the loss stops being finite; the model is left in its last finite state.
        KeyboardInterrupt
            On Ctrl-C or a notebook's stop button, once the batch is done (a second one doesn't
            wait). The model can be used then; its ``history_`` has the epochs that were finished.

        Notes
        -----
        X may be an object that gives batches anew each time it is iterated over (a PyTorch
        DataLoader is one), or a function that returns an iterator over them. A batch is what
        `partial_fit` takes: X, or a tuple or list (X,), (X, y) or (X, y, sample_mask), or a
        dictionary with the names of arguments: X, y, sample_mask, target, sample_weight. The second
        array of a pair (X, Y) is the target of a model that takes no y, unless it is labels (n,).
        Batches are taken as they come, one at a time, whatever ``batch_size`` and ``shuffle``; one
        pass over them before training checks them. Validation takes X_val. Rows that `open_rows`
        has opened are a stream too, but are shuffled, and cut into batches of ``batch_size``. Upper
        levels of a stack and priors keep the codes that they are trained on in memory.

        X may also be an object with ``__len__`` and ``__getitem__`` (a PyTorch Dataset is one), as
        in all methods: its items are x, (x,) or (x, y), and y is taken from there where one is
        needed, or the prior of a `VQVAE` has a use for labels; more than a label is the target, as
        in a stream. Tensors are taken like arrays.
        """
        with group.joined(comm):
            self._check_params()
            saving = checkpoint_of(self)
            found = find_checkpoint(self, saving, resume)
            self._agree_on_call(self._goes_on(found), found)
            given = Item(X, y, sample_mask, target, sample_weight)
            self._fit_from(found, saving, given, X_val)
        traps.warn_if_worse(self)
        return self

    def _goes_on(self, found: LoadedCheckpoint | None) -> bool:
        """Return whether `fit` goes on with a network that is there."""
        return found is not None or (bool(self.warm_start) and self.__sklearn_is_fitted__())

    def _fit_from(
        self,
        found: LoadedCheckpoint | None,
        saving: checkpoint.Checkpoint | None,
        item: Item,
        X_val: Any,
    ) -> Saver:
        """Train, from a checkpoint if one was found; return the saver of checkpoints."""
        reader, going_on = self if found is None else found.model, self._goes_on(found)
        with runtime.threads(self.n_threads):
            conditioner, given = reader._read_training(item, going_on)
            reader._check_task(given)
            read = reader._network.reader if going_on else self._reader_of(given)
            names_in = reader._names_in if going_on else given.data.columns
            validation = reader._read_validation(X_val, read, conditioner, names_in)
            saver = self._fit(going_on, conditioner, given, validation, found, saving)
            traps.warn_of_dead_codes(self, given.data)
            return saver

    def _fit(
        self,
        going_on: bool,
        conditioner: Conditioner | None,
        given: Input,
        validation: Batches | None = None,
        found: LoadedCheckpoint | None = None,
        saving: checkpoint.Checkpoint | None = None,
    ) -> Saver:
        """Train on samples that have been checked."""
        held, holds = self._held_out(len(given.data))
        others, rows = [] if validation is None else [validation.data], None
        reader = self if found is None else found.model
        reader._start_or_go_on(going_on, conditioner, given, *others)
        self._variance = explained.variance_of(self, given)
        if found is not None:
            check_count(self, found, group.place(len(given.data) - held)[1])
            take_fit(self, found.model)
        network = self._network
        self._agree(given, validation)
        if going_on and found is None and 0 < LOOP * int(self.epochs) <= len(self.history_):
            fit.thin(self.history_)
        if holds:
            validated, rows = self._parted(network, len(given.data))
            validation = given.batches(INFERENCE_BATCH, rows=validated)
        saver = saver_of(self, saving or checkpoint_of(self), found)
        if self._pretrains and self.pretrain_epochs and self._is_pretraining(saver):
            with network.in_training():
                self._pretrain(given, rows, saver)
        stage = saver.stage
        last = stage.first + self._epochs_from(stage.first)
        todo = 0 if stage.stopped else max(0, last - network.epoch)
        if not stage.over or todo:
            saver.at(over=False, complete=False)
            again, plan = found is not None and not stage.over, self._plan(todo, self.shuffle)
            self._train(given, rows, validation, plan, saver, again)
        elif stage.best is not None:
            back_to(network, stage.best)
        return saver

    def _is_pretraining(self, saver: Saver) -> bool:
        """Return whether a training is at its pretraining, or before."""
        return not self.history_ or saver.stage.level is not None

    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        *,
        target: Any = None,
        sample_mask: Any = None,
        sample_weight: Any = None,
        comm: Any = None,
    ) -> Self:
        """Make one pass over the samples in batches of ``batch_size``, in their order.

        The first call makes the network. The pass counts as an epoch. ``history_`` stays within
        some hundreds of records, however many passes there are: of earlier ones it keeps every
        second, fourth, ..., and the lowest of each number.

        Parameters
        ----------
        X, y, target, sample_mask, sample_weight, comm
            As in `fit`.

        Returns
        -------
        self
        """
        with group.joined(comm):
            self._check_params()
            self._pass_over(Item(X, y, sample_mask, target, sample_weight))
        return self

    def _pass_over(self, item: Item, known: Conditioner | None = None) -> None:
        """Train on samples once; `known` as in `_read_training`."""
        resume = self.__sklearn_is_fitted__()
        self._agree_on_call(resume)
        with runtime.threads(self.n_threads):
            conditioner, given = self._read_training(item, resume, known)
            self._check_task(given)
            self._start_or_go_on(resume, conditioner, given)
            self._agree(given, None)
            self._variance = None  # of samples of other passes, too
            fit.thin(self.history_)
            self._train(given, None, None, self._plan(1, False))

    def initialize(self, X: Any, y: Any = None, *, target: Any = None) -> Self:
        """Make the network that `fit` would start from, and don't train it.

        With ``warm_start=True`` a following `fit` goes on from there, with weights that were copied
        into `parameters_`, for instance.

        Parameters
        ----------
        X, y, target
            As in `fit`; they give the shapes, and what a model learns from data before training.

        Returns
        -------
        self
        """
        self._check_params()
        with runtime.threads(self.n_threads), traps.silence():
            conditioner, given = self._read_training(Item(X, y, target=target), False)
            self._start(conditioner, given)
        return self

    # ---- data -----------------------------------------------------------------------------------

    def _check_data(self, data: Data, name: str) -> None:
        """Raise ValueError for samples that can't be targets of the loss."""
        if self.loss in NAMES:
            Loss(self.loss, data.shape).check(data, name)

    def _check_samples(self, data: Data, target: Data | None = None) -> None:
        """Raise ValueError for samples that can't be trained on."""
        self._check_data(*((data, "X") if target is None else (target, "target")))
        for noise in map(corruption.made, self._corruptions()):
            if noise is not None:
                noise.check_data(data)

    def _read_y(self, y: Any) -> Any:
        """Check conditions as far as can be without their number."""
        return y

    def _read_training(
        self, item: Item, resume: bool, known: Conditioner | None = None
    ) -> tuple[Conditioner | None, Input]:
        """Check what fit is given; `known` is the conditioner of a fresh model, if there is one."""
        if resume:
            unchanged.check(self)
        check_given(self, item.X)
        if is_stream(item.X) and self._streams:
            return read_stream(self, item, resume)  # type: ignore[return-value]
        item, reader = beside.placed(self, item), self._network.reader if resume else None
        y = self._read_y(item.y)
        if reader is not None:
            data = reader.more(self, item.X, item.sample_mask)
        else:
            data = self._read_fresh(item.X, item.sample_mask)
        target = beside.read_target(self, item, data, reader)
        if target is not None and reader is None:
            self._share_range(target)
        self._check_samples(data, target)
        weight = beside.read_weight(self, item, len(data))
        if resume:
            self._check_names(data.columns)
            conditioner = self._network.conditioner
        else:
            conditioner = known or self._conditioner(y, len(data))
            self._warn_of_traps(data, target is not None)
        condition = self._conditions(conditioner, y, len(data))
        weight = beside.weighted(weight, condition, beside.class_factors(self, conditioner, y))
        total = beside.scale_of([weight])
        if weight is not None:
            weight = weights.scaled(weight, *total)
        return conditioner, Input(data, condition, target, weight)

    def _share_range(self, target: Data) -> None:
        """Hold targets of which nothing is known to what is learned of those of all rows."""
        if group.has_own_rows():
            own = Summary()
            own.add(target)
            known = summary_of(own)
            if known.shape != target.shape or known.pixels != target.pixels:
                raise ValueError(
                    "target: expected targets of one shape and scale in every process, got several"
                )
            target.low, target.high = known.low, known.high

    def _read_fresh(self, X: Any, sample_mask: Any) -> Data:
        """Check samples of which nothing is known, and hold them to what is learned of all rows."""
        if not group.has_own_rows():
            return self._reader.fresh(self, X, sample_mask)
        data, own = self._reader.look(self, X, sample_mask), self._reader.summary(self)
        own.add(data)
        known = summary_of(own)
        if not isinstance(data, Data) or known.shape != data.shape or known.pixels != data.pixels:
            data = self._reader.of(self, known).read(self, X, sample_mask)
        data.low, data.high = known.low, known.high
        return data

    def _warn_of_traps(self, data: Data, paired: bool = False) -> None:
        """Warn of fresh samples that were hardly meant as they are read."""
        traps.warn(self, data, paired)

    def _may_copy(self) -> bool:
        """Return whether nothing but its width keeps a code from being a copy of its sample."""
        return False

    def _conditions(
        self, known: Conditioner | None, y: Any, n: int, read: Any = conditions
    ) -> Condition | None:
        """Check the conditions of n samples."""
        if known is None and y is not None and not self._ignores_y:
            name = type(self).__name__
            raise ValueError(
                f"y: expected None for a {name} fitted without conditions, got {type(y).__name__}"
            )
        return read(known, y, n)

    def _read_stream_batch(self, item: Item, reader: Reader | None) -> beside.Parts:
        """Check a batch that a stream gives."""
        item = beside.placed(self, item, stream=True)
        read = self._reader.look if reader is None else reader.more
        data = read(self, item.X, item.sample_mask)
        target = beside.read_target(self, item, data, reader)
        self._check_samples(data, target)
        weight = beside.read_weight(self, item, len(data))
        return beside.Parts(data, self._read_y(item.y), target, weight)

    def _read_validation(
        self, X_val: Any, reader: Reader, conditioner: Conditioner | None, names_in: Any
    ) -> Batches | None:
        """Check samples to validate on, which must be like those to train on."""
        if X_val is None:
            return None
        if self._no_validation:
            name = type(self).__name__
            raise ValueError(
                f"X_val: expected None for a {name}, {self._no_validation}, got samples"
            )
        if self.validation_fraction:
            raise ValueError("X_val: expected None where validation_fraction is given, got both")
        if isinstance(X_val, Rows):
            rows = rows_to_validate(self, X_val, reader, conditioner, names_in)
            return rows.batches(INFERENCE_BATCH)  # type: ignore[return-value]
        item = beside.validation_of(self, X_val, reader.target is not None)
        y_val = self._read_y(item.y)
        data = reader.read(self, item.X, item.sample_mask, name="X_val", longer=True)
        column_names.check(type(self).__name__, names_in, data.columns, "X_val")
        target = beside.read_target(self, item, data, reader, "X_val: target")
        self._check_data(data if target is None else target, "X_val")
        weight = beside.read_weight(self, item, len(data))
        if weight is not None:
            weight = weights.scaled(weight, *beside.scale_of([weight]))
        given = Input(data, self._conditions(conditioner, y_val, len(data)), target, weight)
        return given.batches(INFERENCE_BATCH)

    def _held_out(self, n: int) -> tuple[int, bool]:
        """Return how many of n samples are for validation, and whether any of all rows are."""
        before, total = group.place(n)
        ends = [int(k * self.validation_fraction) for k in (before, before + n, total)]
        if self.validation_fraction and not 0 < ends[2] < total:
            raise ValueError(
                "validation_fraction: expected samples to validate on and others to train on, got "
                f"{self.validation_fraction:g} of {total}"
            )
        return ends[1] - ends[0], ends[2] > 0

    def _parted(self, network: Network, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which of n samples are for validation, and which for training."""
        held, _ = self._held_out(n)
        order = shuffled(np.arange(n), network.seed, SPLIT, group.place(n)[0])
        return np.sort(order[:held]), np.sort(order[held:])

    def _allows_ragged(self, network: Network) -> bool:
        """Return whether sequences may have different lengths."""
        if not self._ragged:
            return False
        width = _width(network.conditioner) if self._coders_conditioned else 0
        encoder = network.encoder
        return heeds_lengths(encoder, conditioned_shape(encoder, network.input_shape, width))

    def _takes_steps(self, network: Network, steps: int) -> bool:
        """Return whether a network works on sequences of so many steps: shorter ones are padded."""
        return steps <= network.input_shape[0]

    def _takes_size(self, shape: tuple[int, ...]) -> bool:
        """Return whether the fitted network takes images (H, W, C) of another size than in fit."""
        return False

    def _reader_of(self, given: Input) -> Reader:
        """Return what is learned of samples and their targets, so that others are read alike."""
        reader = self._reader.of(self, given.data)
        if given.target is not None:
            reader.target = Reader.of(self, given.target)
        return reader

    def _check_lengths(self, network: Network, *given: Data) -> None:
        """Raise ValueError for sequences of different lengths that a model can't take."""
        most = network.input_shape[0]
        for data in given:
            steps = data.shape[0]
            if len(data.shape) != 2 or steps <= most or self._takes_steps(network, steps):
                continue
            if data.form is not None:
                most = getattr(self.arch, "max_steps", None) or most
                check_longest(
                    np.full(1, steps) if data.lengths is None else data.lengths, data.name, most
                )
            raise ValueError(
                f"{data.name}: expected samples of shape {network.input_shape}, as in fit, got "
                f"{data.shape}"
            )
        found = [data for data in given if data.lengths is not None]
        if not found or self._allows_ragged(network):
            return
        steps, lengths = found[0].shape[0], found[0].lengths
        assert lengths is not None
        takers = "AdversarialAutoencoder, Autoencoder, CVAE, DeepClustering and VAE"
        this = type(self).__name__
        if self._ragged:
            takers = "the architectures Conv, GRU, LSTM and Transformer"
            this = type(self.arch).__name__ if isinstance(self.arch, Arch) else "this encoder"
        raise ValueError(
            f"X: expected {steps} steps in all sequences for {this}, since only {takers} take "
            f"different lengths, got {lengths.min()} to {lengths.max()}"
        )

    # ---- networks -------------------------------------------------------------------------------

    def _start_or_go_on(
        self, resume: bool, conditioner: Conditioner | None, given: Input, *others: Data
    ) -> None:
        """Make sure of a network for the samples; nothing changes if that fails.

        `others` are samples that the network must be able to take too.
        """
        if resume:
            network = self._network
            modules, width = dict(network.children()), _width(self._coding_conditioner)
            self._check_lengths(network, given.data, *others)
            if "encoder" in modules:
                shape = conditioned_shape(modules["encoder"], network.input_shape, width)
                penalties.check_encoder(self.penalty, modules["encoder"], shape)
        else:
            self._start(conditioner, given, *others)

    def _start(self, conditioner: Conditioner | None, given: Input, *others: Data) -> None:
        """Make a network for the samples, with fresh parameters; nothing changes if that fails."""
        network = self._make_network(self._reader_of(given), conditioner)
        self._check_lengths(network, given.data, *others)
        self._prepare(network, given)
        if self.loss in DATA_FIRST:
            first = next(given.batches(INFERENCE_BATCH)())
            if hasattr(network, "likelihood"):
                network.likelihood.start(first)
            if self.loss in COUNTS and isinstance(self.arch, (Arch, NoneType)):
                start_at_means(network.decoder, first)
        take_first_state(network)
        self._set_network(network, given.data.columns)

    def _make_network(
        self,
        reader: Reader,
        conditioner: Conditioner | None,
        most: int | None = None,
        seed: int | None = None,
    ) -> Network:
        """Return a network of at most so many parameters, with fresh ones, for certain samples.

        Without a seed it has that of ``random_state``.
        """
        modules = self._make_modules(reader, conditioner, most)
        if seed is None:
            seed = group.first(lambda: new_seed(self.random_state))
        network = Network(modules, reader, seed, self._sees_logs(reader))
        network.conditioner, network.made_with = conditioner, unchanged.noted(self)
        return network

    def _make_modules(
        self, reader: Reader, conditioner: Conditioner | None, most: int | None = None
    ) -> dict[str, Module]:
        """Return all parts of a network, of at most so many parameters."""
        with budget(memory_limit() // BYTES_PER_PARAMETER if most is None else most):
            modules = self._modules_for(reader, conditioner)
            return modules | learned_by(self.loss, reader.of_output.shape)

    def _set_network(self, network: Network, columns: np.ndarray | None) -> None:
        """Give the model a network, in place of all that was learned before."""
        with self._replacing_network():
            for name in [name for name in vars(self) if name.endswith("_")]:
                delattr(self, name)
            self._network = network
            self.history_ = []
            self.n_features_in_ = network.reader.features
            self.n_parameters_ = network.flat.size
            self._set_names(columns)

    def _replacing_network(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context in which nobody else runs the model, for a change of its network."""
        network = vars(self).get("_network")
        return contextlib.nullcontext() if network is None else network.lock

    def _coders(
        self,
        reader: Reader,
        outputs: int,
        inputs: int,
        condition: int = 0,
        spatial: bool = False,
        arch: Any = None,
    ) -> dict[str, Module]:
        """Return encoder and decoder, as the architecture builds them."""
        code, shape = Code(int(outputs), int(inputs), spatial), reader.shape
        arch = self.arch if arch is None else arch
        if arch is None and len(shape) == 2 and reader.recurrent:
            arch = default_arch(shape, recurrent=True)
        self._check_arch(arch)
        how: dict[str, Any] = {"condition": condition, "tied": bool(self.tied), "init": self.init}
        how["maps"] = self._takes_maps
        encoder, decoder = build_network(arch, shape, code, reader.of_output.shape, **how)
        penalties.check_encoder(self.penalty, encoder, conditioned_shape(encoder, shape, condition))
        if isinstance(decoder, AutoregressiveLSTM):
            if self.loss == "multinomial":
                raise ValueError(
                    "arch: expected teacher_forcing=False for loss='multinomial', whose decoder "
                    "gives no counts for the next step to see, got True"
                )
            # of counts it sees log(1 + x), which for e^o is softplus
            decoder.link = "softplus" if self._counts else LINKS.get(self.loss)
        return {"encoder": encoder, "decoder": decoder}

    def _check_arch(self, arch: Any) -> None:
        """Raise ValueError for an architecture that the model has no use for."""
        if not isinstance(arch, Arch):
            return
        owner, kind = type(self).__name__, type(arch).__name__
        if not arch.has_code:
            if not self._takes_codeless:
                raise ValueError(
                    f"arch: expected an architecture with a code for {owner}, got {kind}, which "
                    "goes from image to image: an Autoencoder takes it"
                )
            if self.penalty is not None:
                raise ValueError(
                    f"penalty: expected None for {kind}, which has no code to penalise, got "
                    f"{self.penalty!r}"
                )
        elif arch.has_maps and self.penalty is not None and not self.penalty.takes_maps:
            raise ValueError(
                "penalty: expected None or L1Sparsity for codes that are maps, as with "
                f"flatten=False, got {self.penalty!r}"
            )
        elif arch.has_maps and not self._takes_maps:
            raise ValueError(
                f"arch: expected flatten=True for {owner}, whose codes are vectors, got {arch!r}; "
                "Autoencoder, VAE, CVAE and VQVAE take maps"
            )

    def _check_task(self, given: Input) -> None:
        """Raise ValueError where training on samples would have nothing to learn but to copy."""
        arch = vars(self).get("arch")
        self._check_arch(arch)
        if not isinstance(arch, Arch) or arch.has_code or given.target is not None:
            return
        if all(noise is None for noise in self._corruptions()):
            raise ValueError(
                f"corruption: expected one, such as GaussianNoise(0.1), or a target for "
                f"{type(arch).__name__}, which has no code and would learn to copy its input, got "
                "None"
            )

    # ---- training -------------------------------------------------------------------------------

    def _plan(self, epochs: int, shuffle: bool) -> Plan:
        clip_norm = None if self.clip_norm is None else float(self.clip_norm)
        rates = float(self.learning_rate), self.schedule, float(self.weight_decay), clip_norm
        half = self.precision == "bfloat16"
        parts = int(self.accumulate)
        if parts == 1 and group.current() is not None:
            parts = group.PARTS
        return Plan(self._optimizer(), *rates, int(epochs), bool(shuffle), half, parts)

    def _agree_on_call(self, going_on: bool, found: LoadedCheckpoint | None = None) -> None:
        """Make sure that all processes of a group are asked for the same."""
        together = group.current()
        if together is None:
            return
        from importlib import metadata  # slow to import

        facts = dict[str, Any]()
        facts["version of aecore"] = metadata.version("aecore")
        facts["instruction set"] = _core.build_info()["isa"]
        facts["number of processes"] = together.size
        facts["rows of comm"] = together.own_rows
        with contextlib.suppress(TypeError, ValueError):  # of classes that no file can hold
            params = state.written_params(self)
            facts["parameters"] = {k: v for k, v in params.items() if k not in OWN_PARAMS}
        facts["checkpoint"] = found is not None and found.model._network.epoch
        facts["state, fitted or not,"] = going_on
        together.check_same(facts)

    def _agree(self, given: Input | RowsInput, validation: Batches | None) -> None:
        """Make sure that all processes of a group train the same network on the same samples."""
        together = group.current()
        if together is None:
            return
        data, facts = given.data, dict[str, Any]()
        if together.own_rows:
            facts["shape of samples"] = data.shape
            facts["presence of X_val"] = validation is not None
        else:
            facts["number of samples"] = len(data), None if validation is None else validation.total
        for name, samples in (("samples", data), ("targets", given.target)):
            if isinstance(samples, Data) and not together.own_rows:
                rows = np.unique(np.linspace(0, len(samples) - 1, COMPARED).astype(np.int64))
                values = np.empty((len(rows), samples.features), np.float32)
                samples.gather(rows, values)
                facts[name] = values
        if isinstance(given, RowsInput) and not together.own_rows:
            facts["blocks of rows"] = given.rows.sizes
        facts["weights"] = self._network.flat.value
        together.check_same(facts)

    def _train(
        self,
        given: Input,
        rows: np.ndarray | None,
        validation: Batches | None,
        plan: Plan,
        saver: Saver | None = None,
        again: bool = False,
    ) -> None:
        """Train for the epochs of a plan, unless stopped early; `again` as in `run`."""
        network = self._network
        size, noise = int(self.batch_size), corruption.made(self._corruptions()[0])
        own = given.batches(size, rows=rows, corruption=noise, seed=network.seed)
        batches = shared(own, size)
        network.use(plan.optimizer)
        saver = saver or saver_of(self, checkpoint_of(self))
        fit.run(self, batches, validation, plan, saver, again)

    def _step(self, batch: Batch) -> dict[str, float]:
        """Run both passes over a batch; return sums over samples, and ``mse``."""
        terms = self._all_terms(batch)
        backpropagate(batch, terms)
        return self._sums(batch, terms)

    def _sums(self, batch: Batch, terms: dict[str, Any]) -> dict[str, float]:
        """Return sums over samples: of the loss, its terms and other reported numbers."""
        sums = weighted_sums(batch, terms)
        if "recon" in terms:
            loss, recon = self._loss, terms["recon"]
            sums["mse"] = sums["recon"]
            if loss.name != "mse":
                sums["mse"] = loss.squared_error(recon, self._output(batch), batch)
            if batch.noise == "on":
                sums |= loss.report(recon, batch)
                if psnr.is_known(self):
                    sums[psnr.INPUT] = psnr.squared_error(batch)
        return sums | batch.reported

    def _all_terms(self, batch: Batch) -> dict[str, Any]:
        """Return the terms, with that of the penalty unless samples are scored."""
        batch.terms = terms = self.terms(batch)
        for name, value in terms.items():
            if value.shape != (batch.n,):
                raise ValueError(
                    f"terms: {name}: expected a number for each sample, of shape ({batch.n},), "
                    f"got {value.shape}"
                )
        if self.penalty is not None and batch.noise != "off":
            terms["penalty"] = self.penalty.term(batch)
        return terms

    def _output(self, batch: Batch) -> np.ndarray:
        """Return the decoder's output for a batch (n, F)."""
        return batch.output.data.reshape(batch.n, -1)

    def _validate(self, batches: Batches) -> dict[str, float]:
        """Return the loss, its terms and the squared error of held-out samples, as val_*."""
        own: dict[str, float] = {}
        observed, counted, records = 0.0, 0.0, self.penalty is not None
        done, n = group.place(batches.total)
        for batch in batches():
            network, batch.total = self._network, n
            with network.lock, self._pass(batch, "fixed", network.seed, done, records):
                sums = self._sums(batch, self._all_terms(batch))
            add(own, sums)
            done += batch.n
            observed += batch.observed
            counted += batch.counted
        totals: dict[str, float] = {}
        for sums in group.over_rows(own):
            add(totals, sums)
        observed, counted = (sum(group.over_rows(count)) for count in (observed, counted))
        means = means_of(totals, counted, observed)
        means |= self._epoch_terms(means, {}, counted, observed)
        return {f"val_{k}": v for k, v in means.items()}

    # ---- fitted models --------------------------------------------------------------------------

    def _fitted(self) -> Network:
        if not self.__sklearn_is_fitted__():
            raise not_fitted(type(self).__name__)
        return self._network

    def _input(
        self, X: Any, y: Any, sample_mask: Any = None, target: Any = None, compares: bool = False
    ) -> Input:
        """Check samples given to a fitted model, and what accompanies them.

        `compares` says that the decoder's output is measured against the targets.
        """
        item = Item(X, y, sample_mask, target)
        if isinstance(X, Rows):
            return read_rows(self, item, compares=compares)  # type: ignore[return-value]
        return self._read_input(item, compares)

    def _read_input(self, item: Item, compares: bool = False, stream: bool = False) -> Input:
        """Do so for samples that aren't rows of a file."""
        if item.y is not None or compares or self._coding_conditioner is not None:
            item = beside.placed(self, item, stream)
        data, reader = self._samples(item.X, item.sample_mask), self._network.reader
        if compares:
            aim = beside.read_target(self, item, data, reader)
            if aim is not None:
                self._check_data(aim, "target")
        else:
            aim = beside.blank(reader, len(data))
        return Input(data, self._conditions(self._coding_conditioner, item.y, len(data)), aim)

    def _alone(self, X: Any, sample_mask: Any = None) -> Input:
        """Check samples given to a fitted model, without what accompanies them."""
        if isinstance(X, Rows):
            rows = read_rows(self, Item(X, None, sample_mask), alone=True)
            return rows  # type: ignore[return-value]
        return Input(self._samples(X, sample_mask))

    def _samples(self, X: Any, sample_mask: Any = None) -> Data:
        """Check samples given to a fitted model."""
        network = self._fitted()
        how: dict[str, Any] = {"longer": True}
        if len(network.input_shape) == 3 and self._is_sized:
            how["sized"] = self._takes_size
        data = network.reader.read(self, X, sample_mask, **how)
        if data.lengths is not None or data.shape != network.input_shape:
            self._check_lengths(network, data)
        self._check_names(data.columns)
        return data

    def _pass(
        self,
        batch: Batch,
        noise: str = "off",
        seed: int = 0,
        position: int = 0,
        records: bool = False,
    ) -> Any:
        """Return a context for an inference pass over a batch."""
        return InferencePass(self._network, batch, noise, seed, position, records)

    def _chunks(self, given: Input, **options: Any) -> Iterator[tuple[slice, Batch]]:
        """Yield batches of samples for inference in a pass, and where they stand."""
        start = 0
        for batch in given.batches(at_once(given.data.shape))():
            with self._pass(batch, **options):
                yield slice(start, start + batch.n), batch
            start += batch.n

    def _collected(self, given: Input, made: Callable[[Batch], np.ndarray]) -> np.ndarray:
        """Return the results of a function for all samples, computed a batch at a time."""
        out: np.ndarray | None = None
        for rows, batch in self._chunks(given):
            part = made(batch)
            if out is None and batch.n == len(given.data):
                return part.copy()
            if out is None:
                out = np.empty((len(given.data), *part.shape[1:]), part.dtype)
            out[rows] = part
        assert out is not None
        return out

    def _generated(
        self,
        codes: np.ndarray,
        condition: Condition | None,
        decode: Callable[[Value, Value | None], Value],
        seed: int | None = None,
    ) -> Any:
        """Return the samples that `decode` makes of codes, a batch at a time.

        They are means of the decoder's distribution; with a seed the loss may draw from it instead.
        """
        network, loss = self._fitted(), self._loss
        n, parts, shape = len(codes), [], network.reader.of_output.shape
        size = INFERENCE_BATCH
        if codes.ndim > 2 and len(shape) == 3:  # maps, of images of any size
            width = codes.shape[-1] + _width(self._coding_conditioner)
            shape = network.decoder.output_shape((*codes.shape[1:-1], width))
            size = at_once(shape)
        out = np.empty((n, math.prod(shape)), np.float32)
        for start in range(0, n, size):
            rows = slice(start, start + size)
            with network.tape(records=False) as tape:
                value = None if condition is None else tape.constant(condition.take(rows))
                output = decode(tape.constant(codes[rows]), value).data
                output = output.reshape(len(output), -1)
                if seed is None:
                    loss.to_data(output, out[rows])
                else:
                    parts.append(output.copy())
        if parts and seed is not None:
            out = loss.draw(np.concatenate(parts), seed)
        usual = shape == network.reader.of_output.shape
        return network.reader.outputs(out) if usual else out.reshape(n, *shape)

    @property
    def _loss(self) -> Loss:
        network = self._fitted()
        shape = network.reader.of_output.shape
        return Loss(self.loss, shape, getattr(network, "likelihood", None))

    @property
    def parameters_(self) -> dict[str, np.ndarray]:
        """The network's parameters by name: views, so that writing into one changes the model."""
        network = self._fitted()
        network.expose()
        return {name: p.value for name, p in network.flat.named.items()}

    # ---- files ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for copies and pickles: those of before or after another `fit`."""
        with self._replacing_network():
            return dict(vars(self))

    def _describe(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a file has of a fitted model: its configuration and arrays."""
        return state.describe(self)

    def _restore(
        self, config: dict[str, Any], tensors: dict[str, np.ndarray], decoder: Decoder
    ) -> None:
        """Set what `_describe` gave, but for the parameters; removes its arrays from `tensors`."""
        state.restore(self, config, tensors, decoder.largest)

    def save(self, path: Any) -> None:
        """Write the model to a safetensors file, all of it or nothing.

        The file has what `fit` with ``warm_start=True`` needs to go on exactly: parameters,
        optimiser state, running statistics and the place in every random stream. Not in it:
        ``callbacks``, and a generator as ``random_state`` (whose seed has been drawn).

        Parameters
        ----------
        path : str or path-like
        """
        state.save(self, path)


def at_once(shape: tuple[int, ...]) -> int:
    """Return how many samples of a shape are run together in inference: fewer large images."""
    if len(shape) != 3:
        return INFERENCE_BATCH
    return max(1, min(INFERENCE_BATCH, INFERENCE_PIXELS // (shape[0] * shape[1])))


def memory_limit() -> int:
    """Return the machine's memory in bytes, or something very large."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**62


def _width(conditioner: Conditioner | None) -> int:
    """Return how long the vectors of conditions are."""
    return 0 if conditioner is None else conditioner.width

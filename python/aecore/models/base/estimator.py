"""What the objectives share in training: `fit` and its record, and what a fitted model is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ... import penalties
from ...arch.base import Arch, Code, build_network
from ...base import runtime
from ...base.sklearn import new_seed, not_fitted
from ...base.streams import SPLIT
from ...data import arrays as _data
from ...data.arrays import Data, is_stream
from ...data.batches import Batch, Batches, Condition, Input, shuffled
from ...data.conditions import Conditioner, conditions
from ...data.streams import Item
from ...losses import LINKS, Loss, learned_by
from ...nn.feedback import FedBack
from ...nn.module import Module, budget, memory_limit
from ...training.callbacks import back_to
from ...training.checkpoint import Saver
from ...training.fit import run
from ...training.loop import Phase, Plan
from ...training.network import Network
from .parameters import Parametrized
from .resume import Found, check_count, find, saver_of, take_fit
from .streams import read_stream

if TYPE_CHECKING:
    from typing_extensions import Self

INFERENCE_BATCH = 256
BYTES_PER_PARAMETER = 24  # value, gradient and moments, and copies while they are put together

Method = TypeVar("Method", bound=Callable[..., Any])


def fitted(method: Method) -> Method:
    """Let a method run on a fitted model alone, one at a time, with the model's threads."""

    @functools.wraps(method)
    def run(self: BaseModel, *args: Any, **kwargs: Any) -> Any:
        network = self._fitted()
        with network.lock, runtime.threads(self.n_threads):
            network.rest()
            return method(self, *args, **kwargs)

    return run  # type: ignore[return-value]


class BaseModel(Parametrized):
    """An objective: what is minimised, over a network that an architecture builds.

    A subclass says what its network is made of (`_modules`), what a step of training does
    (`_loss_step`), what it measures without noise (`_terms`), and what its codes are.
    """

    history_: list[dict[str, Any]]
    n_parameters_: int
    best_epoch_: int
    _network: Network
    _takes_lengths = False  # whether its parts of a step are given the lengths of sequences

    # ---- what subclasses say --------------------------------------------------------------------

    def _modules(self, shape: tuple[int, ...], condition: int) -> dict[str, Module]:
        """Return the network's parts for samples of a shape and conditions of a width."""
        raise NotImplementedError

    def _loss_step(self, batch: Batch) -> dict[str, float]:
        raise NotImplementedError

    def _phases(self) -> tuple[Phase, ...]:
        """Return the steps of training that each batch gives, in order."""
        return (Phase(self._loss_step),)

    def _epoch_terms(self, means: dict[str, float], n: int, observed: int) -> dict[str, float]:
        return {}

    def _begin_training(self) -> None:
        """Make ready what `_loss_step` needs."""

    def _terms(self, batch: Batch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the decoder's output (n, F) and each sample's terms, without any noise."""
        raise NotImplementedError

    def _penalties(self, batch: Batch) -> np.ndarray:
        """Return what the penalty makes of each sample."""
        raise NotImplementedError

    def _weights(self) -> dict[str, float]:
        """Return how much each term counts in the loss, but for a penalty."""
        return {"recon": 1.0}

    def _conditioner(self, y: Any, n: int) -> Conditioner | None:
        """Return what a fresh model learns of its conditions from y; None if it has none."""
        return None

    @property
    def _coding_conditioner(self) -> Conditioner | None:
        """What encoder and decoder are told of conditions; None if nothing."""
        return self._network.conditioner

    def _check_data(self, data: Data, name: str) -> None:
        """Raise ValueError for samples that the loss can't have as targets."""
        Loss(self.loss, data.shape).check(data, name)

    def _finish_initializing(self, network: Network, given: Input) -> None:
        """Use the data for what depends on them before training."""

    def _pretrain(self, given: Input, rows: np.ndarray | None, saver: Saver) -> None:
        """Change a fresh network's parameters before the objective itself is trained."""

    # ---- fitting --------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        X_val: Any = None,
        sample_mask: Any = None,
        resume: bool = False,
    ) -> Self:
        """Train on samples.

        Parameters
        ----------
        X : array-like, shape (N, F), (N, T, F) or (N, H, W, C), or list of arrays (T_i, F)
            Numbers; uint8 is taken as 0..255 and scaled to 0..1, everything else as it is. Memory
            maps and array-likes with shape, dtype and slicing are read a batch at a time. A list is
            of sequences, which may have different lengths where the architecture is `LSTM` or
            `Transformer`; a sample's loss is the sum over its own steps. It may also be a stream of
            batches, see Notes.
        y : array-like, shape (N,) or (N, p), optional
            The condition of a `CVAE` or of a model with ``conditional=True``, the labels of a
            classifier; others take no notice of it.
        X_val : like X, or (X_val, y_val) for a model that takes y, optional
            Samples to measure after each epoch, in place of ``validation_fraction``.
        sample_mask : array-like of bool, the shape of X, or (N, T), optional
            True where a value is observed. The others take no part in the loss, are 0 to the
            encoder, and may be NaN. A mask (N, T) for sequences (N, T, F) says how long they are:
            True for the first steps of each sample, and then False; it stands for the list of them.
        resume : bool
            Whether to go on from the file of ``checkpoint``, if there is one, until `epochs` in
            total are done; else training starts as without it. So the same call can be repeated
            after whatever has ended it, and arrives at the bits of one that nothing has. Data and
            parameters must be the same, but for ``epochs`` and what changes no number.

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
        `partial_fit` takes: X, or a tuple or list (X,), (X, y) or (X, y, sample_mask). Batches are
        taken as they come, one at a time, whatever ``batch_size`` and ``shuffle``; one look through
        them before training sees that they make sense. There is X_val to validate on. Upper levels
        of a stack and priors keep the codes that they are trained on in memory.
        """
        self._check_params()
        self._fit_from(find(self, resume), X, y, X_val, sample_mask)
        return self

    def _fit_from(self, found: Found | None, X: Any, y: Any, X_val: Any, sample_mask: Any) -> Saver:
        """Train, from a checkpoint if one was found; return what has saved that."""
        reader = self if found is None else found.model
        going_on = found is not None or (bool(self.warm_start) and self.__sklearn_is_fitted__())
        with runtime.threads(self.n_threads):
            conditioner, given = reader._read_training(X, y, sample_mask, going_on)
            validation = reader._read_validation(X_val, given, conditioner)
            return self._fit(going_on, conditioner, given, validation, found)

    def _fit(
        self,
        going_on: bool,
        conditioner: Conditioner | None,
        given: Input,
        validation: Batches | None = None,
        found: Found | None = None,
    ) -> Saver:
        """Train on samples that have been checked."""
        held = self._held_out(len(given.data))
        others, rows = [] if validation is None else [validation.data], None
        reader = self if found is None else found.model
        reader._start_or_go_on(going_on, conditioner, given, *others)
        if found is not None:
            check_count(self, found, len(given.data) - held)
            take_fit(self, found.model)
        network = self._network
        if held:
            order = shuffled(np.arange(len(given.data)), network.seed, SPLIT, 0)
            rows = np.sort(order[held:])
            validation = given.batches(INFERENCE_BATCH, rows=np.sort(order[:held]))
        saver = saver_of(self, found)
        if not self.history_ or saver.stage.level is not None:
            with network.in_training():
                self._pretrain(given, rows, saver)
        stage = saver.stage
        todo = 0 if stage.stopped else max(0, stage.first + self.epochs - network.epoch)
        if not stage.over or todo:
            saver.at(over=False, complete=False)
            again, plan = found is not None and not stage.over, self._plan(todo, self.shuffle)
            self._train(given, rows, validation, plan, saver, again)
        elif stage.best is not None:
            back_to(network, stage.best)
        return saver

    def partial_fit(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Self:
        """Make one pass over the samples in batches of ``batch_size``, in their order.

        The first call makes the network. The pass counts as an epoch.

        Parameters
        ----------
        X, y, sample_mask
            As in `fit`.

        Returns
        -------
        self
        """
        self._check_params()
        resume = self.__sklearn_is_fitted__()
        with runtime.threads(self.n_threads):
            conditioner, given = self._read_training(X, y, sample_mask, resume)
            self._start_or_go_on(resume, conditioner, given)
            self._train(given, None, None, self._plan(1, False))
        return self

    def initialize(self, X: Any, y: Any = None) -> Self:
        """Make the network that `fit` would start from, and don't train it.

        With ``warm_start=True`` a following `fit` goes on from there, so this is the moment to copy
        weights into `parameters_`.

        Parameters
        ----------
        X, y
            As in `fit`; they give the shapes, and what a model takes from data before training.

        Returns
        -------
        self
        """
        self._check_params()
        with runtime.threads(self.n_threads):
            conditioner, given = self._read_training(X, y, None, False)
            self._start(conditioner, given)
        return self

    def _read_training(
        self, X: Any, y: Any, sample_mask: Any, resume: bool
    ) -> tuple[Conditioner | None, Input]:
        """Check what fit is given."""
        if is_stream(X):
            return read_stream(self, X, y, sample_mask, resume)  # type: ignore[return-value]
        like = self._network.input_shape if resume else None
        data = _data.read(X, mask=sample_mask, like=like, owner=type(self).__name__)
        self._check_samples(data)
        if resume:
            self._check_names(data)
            _ = self._loss  # raises where the network lacks what it learns
        conditioner = self._network.conditioner if resume else self._conditioner(y, len(data))
        return conditioner, Input(data, conditions(conditioner, y, len(data)))

    def _read_item(self, item: Item, like: tuple[int, ...] | None) -> tuple[Data, Any]:
        """Check a batch that a stream gives; return its samples and y."""
        owner = type(self).__name__
        data = _data.read(item.X, mask=item.sample_mask, like=like, owner=owner)
        self._check_samples(data)
        return data, item.y

    def _check_samples(self, data: Data) -> None:
        """Raise ValueError for samples that can't be trained on."""
        self._check_data(data, "X")
        for noise in self._corruptions():
            if noise is not None:
                noise.check_data(data)

    def _read_validation(
        self, X_val: Any, given: Input, conditioner: Conditioner | None
    ) -> Batches | None:
        if X_val is None:
            return None
        if self.validation_fraction:
            raise ValueError("X_val: expected None where validation_fraction is more than 0")
        y_val = None
        if isinstance(X_val, tuple):
            if len(X_val) != 2:
                raise ValueError(f"X_val: expected an array or (X, y), got {len(X_val)} things")
            X_val, y_val = X_val
        owner = type(self).__name__
        data = _data.read(X_val, name="X_val", like=given.data.shape, owner=owner)
        self._check_data(data, "X_val")
        condition = conditions(conditioner, y_val, len(data))
        return Input(data, condition).batches(INFERENCE_BATCH)

    def _held_out(self, n: int) -> int:
        """Return how many of n samples are for validation."""
        held = int(n * self.validation_fraction)
        if self.validation_fraction and not 0 < held < n:
            raise ValueError(
                f"validation_fraction: {self.validation_fraction:g} of {n} samples leaves nothing "
                "to validate on, or to train on"
            )
        return held

    def _start_or_go_on(
        self, resume: bool, conditioner: Conditioner | None, given: Input, *others: Data
    ) -> None:
        """Make sure of a network for the samples; nothing changes if that fails.

        `others` are samples that the network must be able to take too.
        """
        if resume:
            modules = dict(self._network.children())
            self._check_lengths(modules, given.data, *others)
            penalties.check_encoder(self.penalty, modules.get("encoder"))
        else:
            self._start(conditioner, given, *others)

    def _check_lengths(self, modules: dict[str, Module], *given: Data) -> None:
        """Raise ValueError for sequences of different lengths that a model can't take."""
        found = [data for data in given if data.lengths is not None]
        if not found or (self._takes_lengths and modules["encoder"].takes_lengths):
            return
        steps, lengths = found[0].shape[0], found[0].lengths
        assert lengths is not None
        takers, this = "AdversarialAutoencoder, Autoencoder, VAE and CVAE", type(self).__name__
        if self._takes_lengths:
            takers = "the architectures LSTM and Transformer"
            this = type(self.arch).__name__ if isinstance(self.arch, Arch) else "this encoder"
        raise ValueError(
            f"{takers} take sequences of different lengths, {this} doesn't: expected {steps} "
            f"steps in all of them, got {lengths.min()} to {lengths.max()}"
        )

    def _start(self, conditioner: Conditioner | None, given: Input, *others: Data) -> None:
        """Make a network for the samples, with fresh parameters; nothing changes if that fails."""
        with budget(memory_limit() // BYTES_PER_PARAMETER):
            modules = self._modules(given.data.shape, conditioner.width if conditioner else 0)
            modules |= learned_by(self.loss)
        self._check_lengths(modules, given.data, *others)
        network = Network(modules, given.data.shape, new_seed(self.random_state))
        network.conditioner = conditioner
        self._finish_initializing(network, given)
        if self.loss == "gaussian":
            network.likelihood.start(next(given.batches(INFERENCE_BATCH)()))
        self._adopt(network, given.data.features, given.data.columns)

    def _adopt(self, network: Network, features: int, columns: np.ndarray | None) -> None:
        """Make a network the model's own."""
        self._network = network
        self.history_ = []
        self.n_features_in_ = features
        self.n_parameters_ = network.flat.size
        vars(self).pop("feature_names_in_", None)
        vars(self).pop("best_epoch_", None)
        if columns is not None:
            self.feature_names_in_ = columns

    def _coders(
        self,
        shape: tuple[int, ...],
        outputs: int,
        inputs: int,
        condition: int = 0,
        spatial: bool = False,
        arch: Any = None,
    ) -> dict[str, Module]:
        """Return encoder and decoder, as the architecture builds them."""
        code = Code(int(outputs), int(inputs), spatial)
        arch = self.arch if arch is None else arch
        encoder, decoder = build_network(
            arch, shape, code, condition=condition, tied=bool(self.tied)
        )
        penalties.check_encoder(self.penalty, encoder)
        if isinstance(decoder, FedBack):
            decoder.link = LINKS.get(self.loss)
        return {"encoder": encoder, "decoder": decoder}

    def _plan(self, epochs: int, shuffle: bool) -> Plan:
        clip_norm = None if self.clip_norm is None else float(self.clip_norm)
        rates = float(self.learning_rate), self.schedule, float(self.weight_decay), clip_norm
        return Plan(self._optimizer(), *rates, int(epochs), bool(shuffle))

    def _train(
        self,
        given: Input,
        rows: np.ndarray | None,
        validation: Batches | None,
        plan: Plan,
        saver: Saver | None = None,
        again: bool = False,
    ) -> None:
        """Train for the epochs of a plan, or until somebody wishes to stop; `again` as in `run`."""
        network = self._network
        batches = given.batches(
            int(self.batch_size), rows=rows, corruption=self._corruptions()[0], seed=network.seed
        )
        network.use(plan.optimizer)
        self._begin_training()
        run(self, batches, validation, plan, saver or saver_of(self), again)

    def _held_out_terms(
        self, batch: Batch, position: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the outputs and terms of samples to validate on, the first of them at position.

        A term named loss is what is minimised, where that isn't a weighted sum of the others.
        """
        return self._terms(batch)

    def _validate(self, batches: Batches) -> dict[str, float]:
        """Return the loss, its terms and the squared error of held-out samples, as val_*."""
        totals: dict[str, float] = {}
        squared, observed, done = 0.0, 0, 0
        for batch in batches():
            output, terms = self._held_out_terms(batch, done)
            done += batch.n
            if self.penalty is not None:
                terms["penalty"] = self._penalties(batch)
            for name, values in terms.items():
                totals[name] = totals.get(name, 0.0) + float(values.sum(dtype=np.float64))
            scratch = self._network.scratch
            squared += self._loss.squared_error(output, batch.target, batch.mask, scratch)
            observed += batch.observed
        means = {name: total / batches.total for name, total in totals.items()}
        if (loss := means.pop("loss", None)) is None:
            loss = sum(weight * means[name] for name, weight in self._weights().items())
        loss += means.get("penalty", 0.0)
        means = {"loss": loss, **means, "mse": squared / max(observed, 1)}
        return {f"val_{name}": value for name, value in means.items()}

    # ---- fitted models --------------------------------------------------------------------------

    def _fitted(self) -> Network:
        if not self.__sklearn_is_fitted__():
            raise not_fitted(type(self).__name__)
        return self._network

    def _input(self, X: Any, y: Any, sample_mask: Any = None) -> Input:
        """Check samples given to a fitted model, and what accompanies them."""
        data = self._samples(X, sample_mask)
        return Input(data, conditions(self._coding_conditioner, y, len(data)))

    def _samples(self, X: Any, sample_mask: Any = None) -> Data:
        """Check samples given to a fitted model."""
        network = self._fitted()
        like, owner = network.input_shape, type(self).__name__
        data = _data.read(X, mask=sample_mask, like=like, owner=owner)
        self._check_lengths(dict(network.children()), data)
        self._check_names(data)
        return data

    def _chunks(self, given: Input) -> Iterator[tuple[slice, Batch]]:
        """Yield batches of samples for inference, and where they stand."""
        start = 0
        for batch in given.batches(INFERENCE_BATCH)():
            yield slice(start, start + batch.n), batch
            start += batch.n

    def _generated(
        self,
        codes: np.ndarray,
        condition: Condition | None,
        decode: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    ) -> np.ndarray:
        """Return in data space what `decode` makes of codes, a batch at a time."""
        network = self._fitted()
        out = np.empty((len(codes), self.n_features_in_), np.float32)
        for start in range(0, len(codes), INFERENCE_BATCH):
            rows = slice(start, start + INFERENCE_BATCH)
            beside = None if condition is None else condition.take(rows)
            output = decode(codes[rows], beside)
            self._loss.to_data(output.reshape(len(output), -1), out[rows])
        return out.reshape(len(out), *network.input_shape)

    @property
    def _loss(self) -> Loss:
        return Loss.of(self.loss, self._fitted())

    @property
    def parameters_(self) -> dict[str, np.ndarray]:
        """The network's parameters by name: views, so that writing into one changes the model."""
        network = self._fitted()
        network.expose()
        return {name: p.value for name, p in network.flat.named.items()}

    def save(self, path: Any) -> None:
        """Write the model to a safetensors file, all of it or nothing.

        The file has what `fit` with ``warm_start=True`` needs to go on exactly: parameters,
        optimiser state, running statistics and the place in every random stream. Not in it:
        ``callbacks``, and a generator as ``random_state`` (whose seed has been drawn).

        Parameters
        ----------
        path : str or path-like
        """
        from ...files.load import save

        save(self, path)

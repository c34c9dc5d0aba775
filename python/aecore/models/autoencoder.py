"""The plain autoencoder; a denoising one with corruption, a tied one with tied weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arch.dense import Dense
from ..base import checks
from ..base.params import names
from ..base.streams import derived_seed
from ..data.arrays import Data
from ..data.batches import Input
from ..data.readers import Reader
from ..nn.linear import Affine
from ..nn.module import Module
from ..training.checkpoint import Saver
from .base.coding import BaseAutoencoder
from .base.levels import Level, copy_values, depth, levels, linears
from .base.model import INFERENCE_BATCH
from .base.options import Coding, Unpack
from .base.resume import compare, take_fit
from .base.state import written_params


class Autoencoder(BaseAutoencoder, options=Coding):
    r"""An encoder f and a decoder g that minimise :math:`E\,[\ell(x, g(f(\tilde x)))]`.

    Parameters
    ----------
    corruption : GaussianNoise or another corruption, callable, sequence of these, or None
        What is done to the encoder's input in training, while the target stays clean:
        :math:`\tilde x`. A function takes a batch (n, ...) and a `numpy.random.Generator`, and
        returns the damaged batch; those of a sequence are done one after another. Where layers are
        pretrained it is done to each level's input, and a sequence has one for each level, the
        code's included; the first is the model's own.
    pretrain_epochs : int
        For so many epochs each layer is first trained by itself, as `StackedAutoencoder` says;
        for `Dense` alone, which is then the default.

    Attributes
    ----------
    history_ : list of dict
        For each epoch its number, means of the ``loss`` and its terms over samples, ``mse`` per
        value, ``learning_rate``, ``seconds``, and val_* where there is something to validate on;
        ``sigma``, the deviation that loss="gaussian" learns. Epochs of pretraining come first and
        have their ``level``.
    n_features_in_ : int
        Values of a sample.
    feature_names_in_ : ndarray of str
        Where X was a data frame.
    n_parameters_ : int
    parameters_ : dict of str to ndarray
        Views of the parameters by name.
    best_epoch_ : int
        With ``patience``: the epoch whose state the model has.

    References
    ----------
    G. Hinton and R. Salakhutdinov, "Reducing the dimensionality of data with neural networks",
    Science 313, 2006. P. Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.Autoencoder(ae.Dense((16,)), latent_dim=2, epochs=5, random_state=0).fit(X)
    >>> model.transform(X).shape, model.reconstruct(X).shape, len(model.history_)
    ((100, 2), (100, 20), 5)
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        **options: Unpack[Coding],
    ) -> None:
        self._store(Autoencoder, locals())

    _ragged = True
    _takes_maps = _takes_codeless = True
    _pretrains = True
    _no_penalty = ""

    def _check_params(self) -> None:
        checks.integer("latent_dim", self.latent_dim, 1)
        checks.integer("pretrain_epochs", self.pretrain_epochs)
        super()._check_params()
        if self._is_stack and not isinstance(self.arch, (Dense, type(None))):
            raise ValueError(
                "arch: expected Dense or None to pretrain layer by layer, where each layer has a "
                f"counterpart in the decoder, got {self.arch!r}"
            )
        given = len(self._corruptions())
        if (
            self._is_stack
            and isinstance(self.corruption, (tuple, list))
            and given != (n := depth(self._dense()))
        ):
            raise ValueError(
                f"corruption: expected one for each of the {n} levels ({n - 1} widths and the "
                f"code), got {given}"
            )

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        arch = self._dense() if self._is_stack else self.arch
        return self._coders(reader, self.latent_dim, self.latent_dim, condition, arch=arch)

    # ---- layer by layer -------------------------------------------------------------------------

    _always_pretrains = False

    @property
    def _no_target(self) -> str:  # type: ignore[override]
        """Why samples have no targets of their own."""
        return "each of whose levels learns to restore its input" if self._is_stack else ""

    @property
    def _is_stack(self) -> bool:
        """Whether the network is a dense one whose layers are pretrained."""
        return self._always_pretrains or self.pretrain_epochs > 0

    def _dense(self) -> Dense:
        return Dense() if self.arch is None else self.arch

    def _corruptions(self) -> tuple[Any, ...]:
        if self._is_stack and isinstance(self.corruption, (tuple, list)):
            return tuple(self.corruption)
        return (self.corruption,)

    def _pretrain(self, given: Input, rows: np.ndarray | None, saver: Saver) -> None:
        """Train the levels one by one, each on the codes that the one below gives without noise.

        A resumed training skips the levels that the history has.
        """
        begun, saved = len({r["level"] for r in self.history_}), saver.stage.level
        rule = self._dense(), self.latent_dim, self.loss, bool(self.tied)
        todo = levels(self._network, *rule)
        for number, parts in enumerate(todo, 1):
            level = Autoencoder(**self._level_params(number, parts))
            level._start(None, given)
            if number > begun:
                if saved is not None:
                    found = {"model": "Autoencoder", "params": written_params(saved)}
                    compare(Autoencoder, written_params(level), found, f"level {number}")
                    take_fit(level, saved)
                self._train_level(number, level, parts, given, rows, saver)
                saved = None
            else:
                copy_values(parts.layers, level._layers())
            if number < len(todo):
                given, rows = level._as_input(given, rows), None
        saver.at(level=None)

    def _train_level(
        self,
        number: int,
        level: Autoencoder,
        parts: Level,
        given: Input,
        rows: np.ndarray | None,
        saver: Saver,
    ) -> None:
        """Train a level, from the network's weights or from a checkpoint."""
        saver.at(level=level)
        level.callbacks = (lambda state: saver.after_epoch(state.record),)
        if not level._network.epoch:
            copy_values(parts.layers, level._layers())
        try:
            epochs = level.epochs - level._network.epoch
            level._train(given, rows, None, level._plan(epochs, level.shuffle))
        except FloatingPointError as error:
            raise FloatingPointError(f"level {number}: {error}") from None
        finally:
            with self._network.lock:
                copy_values(level._layers(), parts.layers)
            self.history_ += [{"level": number, **record} for record in level.history_]

    def _layers(self) -> tuple[Affine, ...]:
        """Return the fully connected layers of encoder and decoder."""
        network = self._network
        return (*linears(network.encoder), *linears(network.decoder))

    def _level_params(self, number: int, level: Level) -> dict[str, Any]:
        """Return the parameters of a level's model: those of this one, but for some."""
        noise = self._corruptions()
        penalty = self.penalty
        if penalty is not None and penalty.shapes and number < depth(self._dense()):
            penalty = None
        params = {name: getattr(self, name) for name in names(Autoencoder)}
        return params | {
            "arch": level.coders,
            "latent_dim": level.width,
            "loss": level.loss,
            "tied": False,  # as a parameter: its layers are tied themselves
            "corruption": noise[number - 1] if len(noise) > 1 else noise[0],
            "penalty": penalty,
            "pretrain_epochs": 0,
            "schedule": None,
            "epochs": self.pretrain_epochs,
            "patience": None,
            "callbacks": (),
            "checkpoint": None,
            "random_state": derived_seed(self._network.seed, number),
        }

    def _as_input(self, given: Input, rows: np.ndarray | None) -> Input:
        """Return the codes of samples, as the samples of the next level."""
        batches = given.batches(INFERENCE_BATCH, rows=rows)
        codes, start = np.empty((batches.total, self.latent_dim), np.float32), 0
        weights: list[np.ndarray] = []
        for batch in batches():
            with self._pass(batch):
                codes[start : start + batch.n] = self._latent(batch).data
            if batch.weight is not None:
                weights.append(batch.weight.copy())
            start += batch.n
        return Input(Data(codes), weight=np.concatenate(weights) if weights else None)


Autoencoder._nested = (Autoencoder,)  # a level in training

"""Models of discrete codes with a prior over them: its training, checks and files."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base import runtime
from ...data import foreign
from ...data.arrays import is_stream
from ...data.sparse import count_of
from ...data.streams import Item, Stream
from ...files.codec import Decoder
from ...training import group
from ...training.checkpoint import Checkpoint, Stage
from ...training.loop import array_of
from ..base import beside, state, unchanged
from ..base.coding import BaseAutoencoder
from ..base.model import fitted
from ..base.own_rows import optional_conditioner_of
from ..base.resume import checkpoint_of, find_checkpoint
from ..base.sizes import by_size
from ..base.streams import joined
from .pixelcnn import PixelCNN

if TYPE_CHECKING:
    from typing_extensions import Self

PRIOR = "prior"  # a trained one in a file: its configuration, and a prefix of its arrays


class CodesWithPrior(BaseAutoencoder):
    """A model whose `fit` ends with that of a prior, on the codes of the same samples."""

    quantizers: int
    groups: int
    prior: Any
    prior_: PixelCNN

    _nested = (PixelCNN,)

    @property
    def _n_codes(self) -> int:
        """How many codes each codebook has, by the parameters."""
        raise NotImplementedError

    @property
    def classes_(self) -> np.ndarray:
        """The labels in order that the prior is conditioned on."""
        trained = vars(self).get("prior_")
        conditioner = None if trained is None else trained._fitted().conditioner
        if conditioner is None or conditioner.classes is None:
            raise AttributeError(
                f"{type(self).__name__}: expected a prior fitted to labels, got none"
            )
        return conditioner.classes

    def _check_prior(self) -> None:
        prior = self.prior
        if prior is None:
            return
        if not isinstance(prior, PixelCNN):
            raise ValueError(f"prior: expected None or an object like PixelCNN(), got {prior!r}")
        try:
            prior._check_params()
        except (TypeError, ValueError) as error:
            raise type(error)(f"prior: {error}") from None
        size, depth = self._n_codes, self.groups * self.quantizers
        if prior.codebook_size not in (None, size):
            raise ValueError(
                f"prior: codebook_size: expected None or the codebook's {size}, got "
                f"{prior.codebook_size}"
            )
        if prior.depth not in (1, depth):
            raise ValueError(
                f"prior: depth: expected 1, or the number of quantizers {depth}, got {prior.depth}"
            )

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
        """Train on samples, and then the prior, if any, on their codes.

        Parameters
        ----------
        X, target, X_val, sample_mask, sample_weight, resume, comm
            As `Autoencoder.fit`'s; the prior takes no notice of weights. The codes of X_val measure
            the prior too, unless it has a ``validation_fraction``. A prior whose training is
            interrupted begins it again, unless it has a ``checkpoint`` of its own.
        y : array-like, shape (N,) or (N, p), optional
            Labels or properties that the prior is conditioned on. Without a prior no notice is
            taken of it.

        Returns
        -------
        self
        """
        with group.joined(comm):
            self._fit_both(Item(X, y, sample_mask, target, sample_weight), X_val, resume)
        return self

    @property
    def _takes_y(self) -> bool:
        return super()._takes_y or self.prior is not None

    def _fit_both(self, item: Item, X_val: Any, resume: bool) -> None:
        """Train the model, and then the prior, if any."""
        self._check_params()
        if self.prior is not None and not is_stream(item.X):
            item = beside.placed(self, item)
        saving = checkpoint_of(self)
        found = find_checkpoint(self, saving, resume)
        self._agree_on_call(self._goes_on(found), found)
        of_prior = None if self.prior is None else checkpoint_of(self.prior)
        if self.prior is not None:
            self._check_prior_data(item, X_val)
        saver = self._fit_from(found, saving, item, X_val)
        if self.prior is None:
            vars(self).pop("prior_", None)
        elif not saver.stage.complete:
            stage = Stage(0) if found is None else found.stage
            if stage.complete:  # the prior was trained on codes before these epochs
                vars(self).pop("prior_", None)
            again = stage.over and not stage.complete and of_prior is not None
            self._fit_prior(item, X_val, again, of_prior)
            saver.at(complete=True, best=None)
            saver.save()

    def _fit_prior(
        self, item: Item, X_val: Any, resume: bool, checkpoint: Checkpoint | None
    ) -> None:
        X, y, trained = item.X, item.y, vars(self).get("prior_")
        params = self.prior.get_params(deep=False)
        if trained is None:
            trained = PixelCNN()
        params |= {
            "codebook_size": self._network.quantizer.n_codes,
            "depth": math.prod(self._network.quantizer.code_shape),
            "warm_start": hasattr(trained, "_network"),
            "checkpoint": checkpoint,
        }
        if params["random_state"] is None:
            params["random_state"] = (self._network.seed + 1) % 2**63
        if is_stream(X):
            parts = [(self._all_codes(part.X, part.sample_mask), part.y) for part in Stream(X)]
            codes, y = np.concatenate([part for part, _ in parts]), joined(y for _, y in parts)
        else:
            codes = self._all_codes(X, item.sample_mask)
        validation = None
        if X_val is not None and not self.prior.validation_fraction:
            held = beside.validation_of(self, X_val, item.target is not None)
            codes_val = self._all_codes(held.X, held.sample_mask)
            validation = codes_val, None if y is None else held.y
        with runtime.threads(self.n_threads):
            trained.set_params(**params)
            self.prior_ = trained.fit(codes, y, X_val=validation, resume=resume)

    @fitted
    def _all_codes(self, X: Any, sample_mask: Any = None) -> np.ndarray:
        return self._collected(self._input(X, None, sample_mask), self._codes)

    @by_size
    def elbo(
        self, X: Any, y: Any = None, *, target: Any = None, sample_mask: Any = None
    ) -> np.ndarray:
        r"""Return the evidence lower bound of each sample: of its image through its code.

        .. math:: \ln p(x) \ge \ln p(x | c) + \ln p(c | y)

        with c the sample's codes, all that the encoder allows for: their divergence from the prior
        is :math:`-\ln p(c | y)`. What draws codes and codebook together isn't in it. Without any
        codes are uniform and independent, as in `sample`.

        Parameters
        ----------
        X, target, sample_mask
            As in `score_samples`.
        y : array-like, optional
            What the prior is conditioned on, where `fit` was given y.

        Returns
        -------
        ndarray of float32, shape (N,)
            In nats, but for the constants that `aecore.losses` names.
        """
        codes, trained = self._all_codes(X, sample_mask), self._trained_prior()
        if trained is None:
            each = math.prod(codes.shape[1:]) * math.log(self._network.quantizer.n_codes)
            nats = np.full(len(codes), -each)
        else:
            if codes.shape[1:] != trained._fitted().input_shape[:-1]:
                raise ValueError(
                    f"X: expected samples of shape {self._network.input_shape}, as in fit, since "
                    "the prior knows their codes alone, got others"
                )
            if y is None and trained._fitted().conditioner is not None:
                y = foreign.labels(X)
            nats = trained.log_likelihood(codes, y).astype(np.float64)
        given = self._input(X, None, sample_mask, target, compares=True)
        recon = self._collected(given, lambda batch: array_of(self.terms(batch)["recon"]))
        return (nats - recon).astype(np.float32)

    def _trained_prior(self) -> PixelCNN | None:
        """Return the prior that is trained, None where there is none to be trained."""
        trained: PixelCNN | None = vars(self).get("prior_")
        if trained is None and self.prior is not None:
            raise ValueError(
                "prior: expected one that fit has trained, once the rest is, got an untrained one"
            )
        return trained

    def _check_prior_data(self, item: Item, X_val: Any) -> None:
        """Raise the errors of the prior's own `fit`, before anything changes."""
        X, y = item.X, item.y
        if is_stream(X):
            counts, labels = zip(*((count_of(part.X), part.y) for part in Stream(X)), strict=True)
            n, y = sum(counts), joined(labels)
        else:
            try:
                n = count_of(X)
            except TypeError:
                return  # fit says what is wrong with X
        self.prior._held_out(n)
        trained = vars(self).get("prior_") if self.warm_start else None
        if trained is not None:
            known = {name: getattr(trained, name) for name in ("codebook_size", "depth")}
            now = copy.copy(trained).set_params(**self.prior.get_params(deep=False) | known)
            unchanged.check(now, "prior")
            trained._conditions(trained._network.conditioner, y, n)
        conditioner = optional_conditioner_of(y, n)
        if X_val is not None and conditioner is not None and not self.prior.validation_fraction:
            held = beside.validation_of(self, X_val, item.target is not None)
            if held.y is None:
                raise ValueError(
                    "X_val: expected (X_val, y_val) where the prior takes y, got no y_val"
                )
            conditioner.read(held.y, count_of(held.X))

    # ---- files ----------------------------------------------------------------------------------

    def _describe(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        config, tensors = super()._describe()
        trained = vars(self).get("prior_")
        if trained is not None:
            config[PRIOR], arrays = trained._describe()
            tensors |= state.prefixed(PRIOR, arrays)
        return config, tensors

    def _restore(
        self, config: dict[str, Any], tensors: dict[str, np.ndarray], decoder: Decoder
    ) -> None:
        if PRIOR not in config:
            super()._restore(config, tensors, decoder)
            return
        found, theirs = config.pop(PRIOR), state.take(tensors, PRIOR)
        super()._restore(config, tensors, decoder)
        trained, stage = state.read(found, theirs, decoder)
        if not isinstance(trained, PixelCNN) or stage is not None:
            raise ValueError(f"{PRIOR}: expected a trained PixelCNN, got {type(trained).__name__}")
        shape = trained._network.input_shape
        wanted = (*self._code_space.shape, self._network.quantizer.n_codes)
        if shape != wanted:
            raise ValueError(f"{PRIOR}: expected the model's maps of codes {wanted}, got {shape}")
        self.prior_ = trained

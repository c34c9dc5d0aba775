"""What the objectives share once they are fitted: codes, reconstructions, scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...base import checks
from ...base.sklearn import Transformer
from ...data import arrays as _data
from ...data.arrays import Data
from ...data.batches import Batch, Condition, Input
from ...data.conditions import conditions, shared
from .estimator import BaseModel, fitted


def read_codes(Z: Any, width: int) -> np.ndarray:
    """Check codes that a user passed; return them as float32 (N, width)."""
    Z = np.asarray(Z)
    if Z.dtype.kind not in "biuf":
        raise TypeError(f"Z: expected numbers, got an array of {Z.dtype}")
    if Z.ndim != 2 or Z.shape[1] != width:
        raise ValueError(f"Z: expected codes of shape (N, {width}), got {Z.shape}")
    with np.errstate(over="ignore"):
        Z = np.ascontiguousarray(Z, np.float32)
    if not np.isfinite(Z).all():
        raise ValueError("Z: contains NaN, infinity or numbers too large for float32")
    return Z


class BaseAutoencoder(BaseModel, Transformer):
    """A model with codes: what all objectives answer about samples.

    A subclass says what the codes of a batch are (`_codes`), the continuous ones between encoder
    and decoder (`_latent`), and how either is decoded.
    """

    latent_dim: int

    # ---- what subclasses say --------------------------------------------------------------------

    def _latent(self, batch: Batch) -> np.ndarray:
        """Return the points in code space that samples are mapped to, without noise."""
        raise NotImplementedError

    def _codes(self, batch: Batch) -> np.ndarray:
        """Return what `transform` gives for a batch."""
        return self._latent(batch)

    def _decode_latent(self, z: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
        """Return the decoder's output for points in code space."""
        return self._network.decode(z, condition)

    def _decode_codes(self, codes: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
        """Return the decoder's output for what `transform` gave."""
        return self._decode_latent(codes, condition)

    def _read_codes(self, Z: Any) -> np.ndarray:
        """Check codes that a user passed to `inverse_transform`."""
        return read_codes(Z, self.latent_dim)

    # ---- parts of a step ------------------------------------------------------------------------

    def _encode(self, batch: Batch, training: bool = False) -> np.ndarray:
        """Return the encoder's output for a batch."""
        return self._network.encode(batch.x, self._told(batch), training, batch.lengths)

    def _told(self, batch: Batch) -> np.ndarray | None:
        """Return the conditions of a batch that encoder and decoder are told of."""
        return batch.condition

    def _decode(self, z: np.ndarray, batch: Batch, training: bool = False) -> np.ndarray:
        """Return the decoder's output for the codes of a batch."""
        target = None
        if training and self._network.decoder.takes_target:
            target = batch.target
            if batch.missing is not None:
                target = np.where(batch.missing, np.float32(0), target)
        return self._network.decode(z, self._told(batch), training, batch.lengths, target)

    def _shaped(self, z: np.ndarray) -> np.ndarray:
        """Return the code that the penalty, if any, makes of what the encoder gives."""
        if self.penalty is None:
            return z
        with np.errstate(all="ignore"):  # what isn't finite is the loop's to see
            return self.penalty.shape(z, self._network.scratch)

    def _shaped_backward(
        self, dcode: np.ndarray, code: np.ndarray, batch: Batch, terms: dict[str, float]
    ) -> np.ndarray:
        """Add the penalty to the terms and gradients; return that of what `_shaped` was given."""
        if self.penalty is None:
            return dcode
        with np.errstate(all="ignore"):
            terms["penalty"] = self.penalty.charge(code, dcode, batch, self._network)
            terms["loss"] += terms["penalty"]
            return self.penalty.shape_backward(dcode, code, self._network.scratch)

    def _penalties(self, batch: Batch) -> np.ndarray:
        assert self.penalty is not None
        code = self._latent(batch)
        with np.errstate(all="ignore"):
            return self.penalty.values(code, batch, self._network)

    def _reconstruction(
        self, output: np.ndarray, batch: Batch
    ) -> tuple[np.ndarray, dict[str, float]]:
        """Return the gradient of the mean loss with respect to the output, and the terms."""
        scratch, n = self._network.scratch, batch.n
        flat = output.reshape(n, -1)
        grad, recon = scratch("grad", flat.shape), scratch("recon", (n,))
        weight = scratch("weight", (n,))
        weight.fill(1 / n)
        loss = self._loss
        loss.per_sample(recon, grad, weight, flat, batch.target, batch.mask, scratch)
        total = float(recon.sum(dtype=np.float64))
        mse = total
        if self.loss != "mse":
            mse = loss.squared_error(flat, batch.target, batch.mask, scratch, grad)
        terms = {"loss": total, "recon": total, "mse": mse}
        if self.loss == "gaussian":
            terms["sigma"] = loss.sigma * n
        return grad.reshape(output.shape), terms

    def _measure(self, output: np.ndarray, batch: Batch) -> np.ndarray:
        """Return the reconstruction loss of each sample."""
        scratch = self._network.scratch
        recon = scratch("recon", (batch.n,))
        flat = output.reshape(batch.n, -1)
        self._loss.per_sample(recon, None, None, flat, batch.target, batch.mask, scratch)
        return recon

    # ---- codes and reconstructions --------------------------------------------------------------

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Train on samples and return their codes.

        Parameters
        ----------
        X, y, **fit_params
            As in `fit`.

        Returns
        -------
        ndarray, shape (N, latent_dim)
        """
        if _data.is_stream(X):
            raise TypeError("X: expected an array, whose codes are returned: batches are for fit")
        self.fit(X, y, **fit_params)
        mask = fit_params.get("sample_mask")
        return self.transform(X, y, sample_mask=mask)

    @fitted
    def transform(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Encode samples.

        Parameters
        ----------
        X : array-like, shape (N, ...), or list of arrays (T_i, F)
            Samples of the shape that the model was fitted to; sequences, if the architecture takes
            lengths, with at most as many steps.
        y : array-like, optional
            The condition of a `CVAE`; other models take no notice of it.
        sample_mask : array-like of bool, the shape of X, or (N, T), optional
            True where a value is observed, or a step there, as in `fit`.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
        """
        given = self._input(X, y, sample_mask)
        codes = None
        for rows, batch in self._chunks(given):
            part = self._codes(batch)
            if codes is None:
                codes = np.empty((len(given.data), *part.shape[1:]), part.dtype)
            codes[rows] = part
        assert codes is not None
        return self._contained(codes, X)

    @fitted
    def inverse_transform(self, Z: Any, y: Any = None) -> np.ndarray:
        """Decode codes.

        Parameters
        ----------
        Z : array-like, shape (N, latent_dim)
            Codes, as `transform` gives them.
        y : array-like, optional
            The condition of a `CVAE`.

        Returns
        -------
        ndarray of float32, shape (N, ...)
            Samples in data space: probabilities where the loss is bce or cross_entropy. Sequences
            have as many steps as the longest in fit.
        """
        codes = self._read_codes(Z)
        return self._decoded(codes, conditions(self._coding_conditioner, y, len(codes)))

    @fitted
    def reconstruct(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Encode samples and decode them again, without noise or corruption.

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.

        Returns
        -------
        ndarray of float32, the shape of X, or list of arrays (T_i, F) for a list of sequences
            In data space: 0..1 for uint8, probabilities where the loss is bce or cross_entropy. 0
            where a mask (N, T) says that there is no step.
        """
        given = self._input(X, y, sample_mask)
        rebuilt = np.empty((len(given.data), given.data.features), np.float32)
        for rows, batch in self._chunks(given):
            output, _ = self._terms(batch)
            self._loss.to_data(output, rebuilt[rows])
        return given.data.formed(rebuilt)

    # ---- scores ---------------------------------------------------------------------------------

    @fitted
    def score_samples(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> np.ndarray:
        """Return how well the model explains each sample: its loss, negated.

        Nothing is drawn, so that equal samples have equal scores. A penalty isn't part of it: it
        is about the model rather than the samples.

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.

        Returns
        -------
        ndarray of float32, shape (N,)
            In nats where the loss is a log-likelihood; see `aecore.losses` for the constants left
            out.
        """
        given = self._input(X, y, sample_mask)
        scores = np.zeros(len(given.data), np.float32)
        for rows, batch in self._chunks(given):
            _, terms = self._terms(batch)
            for name, weight in self._score_weights().items():
                scores[rows] -= np.float32(weight) * terms[name]
        return scores

    def _score_weights(self) -> dict[str, float]:
        """Return how much each term counts in `score_samples`."""
        return self._weights()

    def score(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> float:
        """Return the mean of `score_samples`.

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.

        Returns
        -------
        float
        """
        return float(self.score_samples(X, y, sample_mask=sample_mask).mean(dtype=np.float64))

    @fitted
    def errors(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Return what each feature adds to its sample's reconstruction loss.

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.

        Returns
        -------
        ndarray of float32, the shape of X, or list of arrays (T_i, F) for a list of sequences
            Squared differences where the loss is mse, nats where it is a log-likelihood. 0 where a
            value is not observed.
        """
        given = self._input(X, y, sample_mask)
        out = np.empty((len(given.data), given.data.features), np.float32)
        for rows, batch in self._chunks(given):
            output, _ = self._terms(batch)
            self._loss.per_feature(out[rows], output, batch.target)
            if batch.missing is not None:
                out[rows][batch.missing] = 0
        return given.data.formed(out)

    # ---- walks through code space ---------------------------------------------------------------

    @fitted
    def interpolate(
        self, a: Any, b: Any, n: int, *, y: Any = None, path: str = "linear"
    ) -> np.ndarray:
        r"""Decode n points on the way between two samples' codes, both ends included.

        The way is in the space between encoder and decoder: means for a `VAE`, vectors before they
        are quantised for a `VQVAE`. A spherical one turns from one direction to the other at an
        even rate, :math:`(\sin((1 - t) \omega)\, a + \sin(t \omega)\, b) / \sin \omega` with the
        angle :math:`\omega` between them, and so keeps to lengths that normal codes have where a
        straight line cuts through the middle.

        Parameters
        ----------
        a, b : array-like
            Two samples.
        n : int
            At least 2.
        y : optional
            The condition of a `CVAE`, one for all points.
        path : {"linear", "spherical"}

        Returns
        -------
        ndarray of float32, shape (n, ...)

        References
        ----------
        T. White, "Sampling generative networks", 2016.
        """
        n = checks.integer("n", n, 2)
        checks.choice("path", path, ("linear", "spherical"))
        ends = self._points([self._sample("a", a), self._sample("b", b)], y)
        flat = ends.reshape(2, -1).astype(np.float64)
        t = np.linspace(0, 1, n)[:, None]
        first, second = (1 - t, t) if path == "linear" else _turned(t, *flat)
        z = (first * flat[0] + second * flat[1]).astype(np.float32)
        return self._walked(z.reshape(n, *ends.shape[1:]), y)

    @fitted
    def traverse(self, x: Any, dim: int, values: Any, *, y: Any = None) -> np.ndarray:
        """Decode a sample's code with one of its coordinates set to each of some values.

        Parameters
        ----------
        x : array-like
            A sample.
        dim : int
            The coordinate.
        values : array-like of float, shape (n,)
        y : optional
            The condition of a `CVAE`.

        Returns
        -------
        ndarray of float32, shape (n, ...)
        """
        dim = checks.integer("dim", dim, 0, self.latent_dim - 1)
        values = np.asarray(values)
        if values.ndim != 1 or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise ValueError(f"values: expected a vector of finite numbers, got {values!r}")
        z = np.repeat(self._points([self._sample("x", x)], y), len(values), axis=0)
        z[:, dim] = values
        return self._walked(z, y)

    def _sample(self, name: str, x: Any) -> np.ndarray:
        """Check that x is one sample, which may be a shorter sequence if the model takes those."""
        x, shape = np.asarray(x), self._network.input_shape
        takes_lengths = self._takes_lengths and self._network.encoder.takes_lengths
        shorter = takes_lengths and x.ndim == 2 and x.shape[1:] == shape[1:] and len(x) <= shape[0]
        if x.shape != shape and not shorter:
            raise ValueError(f"{name}: expected one sample of shape {shape}, got {x.shape}")
        return x

    def _few(self, X: list[np.ndarray]) -> Data:
        """Return samples that `_sample` has checked."""
        return _data.read(X, like=self._network.input_shape, owner=type(self).__name__)

    def _points(self, X: list[np.ndarray], y: Any) -> np.ndarray:
        """Return the points in code space of a few samples that share a condition."""
        data = self._few(X)
        condition = shared(self._coding_conditioner, y, len(data))
        given = Input(data, condition)
        return np.concatenate([self._latent(batch).copy() for _, batch in self._chunks(given)])

    def _walked(self, z: np.ndarray, y: Any) -> np.ndarray:
        return self._decoded(z, shared(self._coding_conditioner, y, len(z)), latent=True)

    def _decoded(
        self, codes: np.ndarray, condition: Condition | None, *, latent: bool = False
    ) -> np.ndarray:
        """Return the samples that codes, or points in code space, stand for."""
        return self._generated(
            codes, condition, self._decode_latent if latent else self._decode_codes
        )


def _turned(t: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of two vectors is in those at shares t of the turn from one to the other.

    Where they lie on one line through 0 there is no turn to take, and the way is straight.
    """
    product = math.sqrt(float((a * a).sum() * (b * b).sum()))
    angle = math.acos(min(1.0, max(-1.0, float((a * b).sum()) / product))) if product else 0.0
    if math.sin(angle) < 1e-6:
        return 1 - t, t
    return np.sin((1 - t) * angle) / math.sin(angle), np.sin(t * angle) / math.sin(angle)

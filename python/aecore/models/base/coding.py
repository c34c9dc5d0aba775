"""What the objectives share once they are fitted: codes, reconstructions, scores, samples."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...arch.base import Arch
from ...base import checks, sklearn
from ...base.sklearn import new_seed
from ...data import arrays, weights
from ...data.arrays import Data
from ...data.batches import Batch, Condition, Input
from ...data.conditions import conditions, shared
from ...data.readers import Reader
from ...data.rows import Rows
from ...losses import LINKS
from ...nn.module import Module
from ...nn.tape import Value
from ...priors import Normal, Prior
from ...training.loop import array_of
from ...training.network import Network, conditioned
from .codes import Codes, Maps, NoCodes, no_codes
from .frozen import Frozen
from .model import BaseModel, fitted
from .sizes import TILED, Sight, are_maps, by_size, sight, tiled_codes, tiled_output


class BaseAutoencoder(BaseModel):
    """A model with codes: what all objectives answer about samples.

    A subclass says where samples are in code space (`_posterior`), if that isn't the encoder's
    output, and what `transform` gives of it (`_code_space`).
    """

    latent_dim: int

    _preserves_dtype = ["float32"]
    _heads = 1  # how many outputs the encoder has for each latent dimension

    get_feature_names_out = sklearn.get_feature_names_out
    set_output = sklearn.set_output

    def __sklearn_tags__(self) -> Any:
        return sklearn.transformer_tags(super().__sklearn_tags__(), self._preserves_dtype)

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        return self._coders(reader, self._encoder_outputs, self.latent_dim, condition)

    @property
    def _encoder_outputs(self) -> int:
        """How many numbers the encoder gives for a sample, or for each place of a map."""
        return self._heads * int(self.latent_dim)

    # ---- a pass ---------------------------------------------------------------------------------

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        batch.code = self._latent(batch)
        batch.output = self._decode(batch.code, batch)
        return {"recon": self._loss.term(batch.output, batch)}

    @property
    def _is_plain(self) -> bool:
        """Whether the loss of reconstructions is all that is minimised."""
        return type(self).terms is BaseAutoencoder.terms

    def _may_copy(self) -> bool:
        return (
            self._is_plain and self.penalty is None and all(c is None for c in self._corruptions())
        )

    def _takes_steps(self, network: Network, steps: int) -> bool:
        """Return whether encoder and decoder work on sequences of so many steps.

        For longer ones than in fit, layers that make sequences have to make as many steps, and all
        others to take them.
        """
        if super()._takes_steps(network, steps) or not self._ragged:
            return super()._takes_steps(network, steps)
        known = network.conditioner if self._coders_conditioned else None
        return network.takes_steps(steps, 0 if known is None else known.width, int(self.latent_dim))

    @property
    def _is_sized(self) -> bool:
        """Whether the architecture is one for images of any size, or modules that may be."""
        arch = vars(self).get("arch")
        if not self._takes_maps or not self._network.reader.keeps_form:
            return False
        return arch.has_maps if isinstance(arch, Arch) else arch is not None

    def _takes_size(self, shape: tuple[int, ...]) -> bool:
        """Return whether encoder and decoder restore images of another size than in fit."""
        network = self._network
        if not self._is_sized or (network.has_code and not self._room):
            return False
        width = self._decoder_width if network.has_code else shape[2]
        return network.takes_size(shape, self._condition_width, width)

    @property
    def _takes_other_sizes(self) -> bool:
        """Whether images may have other sizes than in fit: at least twice as many pixels a side."""
        network = self._fitted()
        if len(network.input_shape) != 3:
            return False
        h, w, c = network.input_shape
        return self._takes_size((2 * h, 2 * w, c))

    def _tiling(self, shape: tuple[int, ...]) -> Sight | None:
        """Return how the network looks at images, if those of a shape are to be cut into tiles."""
        if len(shape) != 3 or shape[0] * shape[1] <= TILED or not self._takes_other_sizes:
            return None
        network = self._network
        width = self._decoder_width if network.has_code else shape[2]
        return sight(network, self._condition_width, width)

    @property
    def _decoder_width(self) -> int:
        """How many numbers the decoder takes at each place of a map, without a condition."""
        return int(self.latent_dim)

    def _posterior(self, batch: Batch) -> tuple[Value, Value | None]:
        """Return the codes of samples, or means and log-variances of the codes."""
        return self._shaped(self._encode(batch)), None

    def _latent(self, batch: Batch) -> Value:
        """Return the codes of samples, without noise."""
        return self._posterior(batch)[0]

    def code(self, batch: Batch, x: Any) -> Value:
        """Return the codes of other samples in a batch's pass, for an objective of your own.

        Parameters
        ----------
        batch : Batch
        x : Value or ndarray of float32, of the shape of ``batch.x``

        Returns
        -------
        Value
            Codes without noise; for a `VAE` the posterior's mean.
        """
        other = copy.copy(batch)  # what the batch says of its own samples stays
        other.samples = x if isinstance(x, Value) else batch.tape.constant(x)
        other.noise = "off"
        return self._latent(other)

    def _encode(self, batch: Batch) -> Value:
        """Return the encoder's output for a batch."""
        network = self._network
        seen = network.seen(batch.samples)
        batch.given = conditioned(network.encoder, seen, self._coder_condition(batch))
        batch.encoded = network.encoder(batch.given)
        return batch.encoded

    def _shaped(self, z: Value) -> Value:
        """Return the code that the penalty, if any, makes of what the encoder gives."""
        return z if self.penalty is None else self.penalty.shape(z)

    def _decode(self, z: Value, batch: Batch) -> Value:
        """Return the decoder's output for the codes of a batch."""
        network, tape, lengths = self._network, batch.tape, batch.tape.lengths
        if not network.reader.keeps_form:
            tape.lengths = None
        output = network.decode(z, self._coder_condition(batch))
        tape.lengths = lengths
        return output

    def _coder_condition(self, batch: Batch) -> Value | None:
        """Return the conditions of a batch that encoder and decoder see."""
        return None if self._coding_conditioner is None else batch.condition_value

    def _replayed(
        self, X: Any, y: Any, mask: Any, kind: str, made: Callable[[Batch], np.ndarray]
    ) -> np.ndarray | None:
        """Return what is made of a few plain samples, quickly; None where that isn't possible."""
        if y is not None or mask is not None or type(X) is not np.ndarray:
            return None
        return self._network.replayed(kind, X, made, self._takes_plain)

    def _takes_plain(self) -> bool:
        """Whether arrays are read without anything beside them, by methods that are aecore's."""
        return self._network.conditioner is None and self._names_in is None and self._is_own

    @property
    def _is_own(self) -> bool:
        """Whether the class is one of aecore's, which does what it says here."""
        return type(self).__module__.partition(".")[0] == __name__.partition(".")[0]

    # ---- codes ----------------------------------------------------------------------------------

    @property
    def _code_space(self) -> Codes:
        network = self._fitted()
        if not network.has_code:
            return NoCodes(network, ())
        room = self._room
        return (Maps if room else Codes)(network, (*room, int(self.latent_dim)))

    @property
    def _room(self) -> tuple[int, ...]:
        """Height and width of a code in fit that is a map; () of a vector."""
        return self._network.room(self._condition_width)

    @property
    def _condition_width(self) -> int:
        """How long the vectors of conditions are that encoder and decoder see."""
        known = self._coding_conditioner
        return 0 if known is None else known.width

    @property
    def _n_features_out(self) -> int:
        """How many numbers a sample's code has."""
        self._check_codes("get_feature_names_out")
        return math.prod(self._code_space.shape)

    def _check_codes(self, method: str) -> None:
        """Raise ValueError for a method about codes where the fitted model has none."""
        if not self._fitted().has_code:
            raise no_codes(method)

    def _codes(self, batch: Batch) -> np.ndarray:
        """Return what `transform` gives for a batch."""
        return self._mapped(batch, self._code_space.of(self._latent(batch)))

    def _mapped(self, batch: Batch, codes: np.ndarray) -> np.ndarray:
        """Return codes (n, ...) of a batch in the form in which the decoder takes them."""
        return codes

    def _decoded(self, codes: np.ndarray, condition: Condition | None) -> Any:
        """Return the samples that codes, as `transform` gives them, are decoded to."""
        vectors = self._code_space.lookup(codes)
        return self._generated(vectors, condition, self._network.decode)

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
        if arrays.is_stream(X) and not isinstance(X, Rows):
            got = type(X).__name__
            raise TypeError(
                f"X: expected an array to return codes of, got {got}; fit takes batches"
            )
        arch = vars(self).get("arch")
        if isinstance(arch, Arch) and not arch.has_code:
            raise no_codes("fit_transform")
        self.fit(X, y, **fit_params)
        mask = fit_params.get("sample_mask")
        return self.transform(X, y, sample_mask=mask)

    @by_size
    @fitted
    def transform(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> Any:
        """Encode samples.

        Parameters
        ----------
        X : array-like, shape (N, ...), or list of arrays (T_i, F)
            Samples of the shape that the model was fitted to; sequences, if the architecture takes
            lengths, with fewer steps too, and `LSTM` and `GRU` with more. Images of any height and
            width for a `UNet`, and for `Conv` and `ResNet` with ``flatten=False``; also a list of
            images of different sizes, (H_i, W_i, C), which gives a list.
        y : array-like, optional
            The condition of a `CVAE`; other models take no notice of it.
        sample_mask : array-like of bool, the shape of X, or (N, T), optional
            True where a value is observed, or a step there, as in `fit`.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim), or (N, h, w, latent_dim) of maps
        """
        self._check_codes("transform")
        codes = self._replayed(X, y, sample_mask, "codes", self._codes)
        if codes is None:
            codes = self._encoded(self._input(X, y, sample_mask))
        return sklearn.contained(self, codes, X)

    def _encoded(self, given: Input) -> np.ndarray:
        """Return the codes of samples."""
        looks = self._tiling(given.data.shape)
        if looks is None or looks.margin is None or not looks.code_step:
            return self._collected(given, self._codes)
        return np.concatenate([tiled_codes(self, batch, looks) for batch in given.batches(1)()])

    @functools.partial(by_size, apply=are_maps)
    @fitted
    def inverse_transform(self, Z: Any, y: Any = None) -> Any:
        """Decode codes.

        Parameters
        ----------
        Z : array-like, shape (N, latent_dim), or (N, h, w, latent_dim) of maps, or a list of maps
            Codes, as `transform` gives them.
        y : array-like, optional
            The condition of a `CVAE`.

        Returns
        -------
        ndarray of float32, shape (N, ...), or a list for maps of different sizes
            Samples in data space: probabilities where the loss is bce, cross_entropy or
            multinomial, expected counts where it is poisson or negative_binomial. Sequences have as
            many steps as the longest in fit. A map of another size than in fit gives an image that
            is so many pixels high and wide for each of its places.
        """
        codes = self._code_space.read(Z)
        return self._decoded(codes, conditions(self._coding_conditioner, y, len(codes)))

    @by_size
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
            In data space: 0..1 for uint8, probabilities where the loss is bce or cross_entropy,
            expected counts where it is one of counts; of multinomial they have the samples' totals.
            0 where a mask (N, T) says that there is no step. Of the target's shape, where `fit` was
            given one of another shape.
        """
        output = self._replayed(X, y, sample_mask, "output", self._plain_output)
        if output is not None:
            if self.loss not in LINKS:
                return output
            paired = self._network.reader.target is not None
            return self._loss.to_data(output, None, None if paired else X.reshape(len(X), -1))
        given = self._input(X, y, sample_mask)
        return self._network.reader.outputs(self._rebuilt(given), given.data)

    def _plain_output(self, batch: Batch) -> np.ndarray:
        """Return the decoder's output, in the targets' shape, without the terms."""
        output = self._decode_latent(self._latent(batch), batch)
        reader = self._network.reader
        shape = batch.x.shape[1:] if reader.keeps_form else reader.of_output.shape
        return output.data.reshape(batch.n, *shape)

    def _decode_latent(self, z: Value, batch: Batch) -> Value:
        """Return the decoder's output for what `_latent` gives."""
        return self._code_space.decode(z, self._coder_condition(batch))

    def _rebuilt(self, given: Input) -> np.ndarray:
        """Return reconstructions in data space, (N, F)."""
        out = np.empty((len(given.data), self._output_features(given)), np.float32)
        for rows, batch, output in self._outputs(given):
            target = None if self._network.reader.target is not None else batch.target
            self._loss.to_data(output, out[rows], target, batch.mask)
        return out

    def _outputs(self, given: Input) -> Iterator[tuple[slice, Batch, np.ndarray]]:
        """Yield batches, where they stand, and the decoder's output (n, F) for them."""
        looks = self._tiling(given.data.shape)
        if looks is None:
            for rows, batch in self._chunks(given):
                self.terms(batch)
                yield rows, batch, self._output(batch)
            return
        for i, batch in enumerate(given.batches(1)()):
            yield slice(i, i + 1), batch, tiled_output(self, batch, looks)

    def _output_features(self, given: Input) -> int:
        """Return how many values the decoder gives for each of some samples."""
        reader = self._network.reader
        return given.data.features if reader.keeps_form else reader.of_output.features

    # ---- scores ---------------------------------------------------------------------------------

    @by_size
    @fitted
    def score_samples(
        self, X: Any, y: Any = None, *, target: Any = None, sample_mask: Any = None
    ) -> np.ndarray:
        """Return how well the model explains each sample: its loss, negated.

        Nothing is drawn, so that equal samples have equal scores. A `VAE` decodes the mean of the
        posterior, which is no bound on the likelihood: `elbo` is. A penalty isn't part of it: it is
        about the model rather than the samples.

        Parameters
        ----------
        X, y, sample_mask
            As in `transform`.
        target : like X, of the shape of the target in fit, optional
            What samples should become, where `fit` was given that; elsewhere it may be given too,
            such as what is clean for what is noisy.

        Returns
        -------
        ndarray of float32, shape (N,)
            In nats where the loss is a log-likelihood; see `aecore.losses` for the constants left
            out.
        """
        given = self._input(X, y, sample_mask, target, compares=True)
        scores = np.zeros(len(given.data), np.float32)
        if self._is_plain and (looks := self._tiling(given.data.shape)) is not None:
            for i, batch in enumerate(given.batches(1)()):
                error = np.empty(batch.target.shape, np.float32)
                output = tiled_output(self, batch, looks)
                self._loss.per_feature(error, output, batch.target, batch.mask)
                seen = None if batch.missing is None else ~batch.missing
                scores[i] = -error.sum(dtype=np.float64, where=True if seen is None else seen)
            return scores
        for rows, batch in self._chunks(given):
            for name, value in self.terms(batch).items():
                scores[rows] -= np.float32(batch.weights.get(name, 1.0)) * array_of(value)
        return scores

    def score(
        self,
        X: Any,
        y: Any = None,
        *,
        target: Any = None,
        sample_mask: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """Return the mean of `score_samples`.

        Parameters
        ----------
        X, y, target, sample_mask
            As in `score_samples`.
        sample_weight : array-like, shape (N,), optional
            How much each sample counts in the mean.

        Returns
        -------
        float
        """
        how = {} if target is None else {"target": target}
        scores = self.score_samples(X, y, sample_mask=sample_mask, **how)
        return weights.mean(scores, sample_weight)

    @by_size
    @fitted
    def errors(self, X: Any, y: Any = None, *, target: Any = None, sample_mask: Any = None) -> Any:
        """Return what each feature adds to its sample's reconstruction loss.

        Parameters
        ----------
        X, y, target, sample_mask
            As in `score_samples`.

        Returns
        -------
        ndarray of float32, the shape of X, or list of arrays (T_i, F) for a list of sequences
            Of the target's shape, where that is another.
            Squared differences where the loss is mse, nats where it is a log-likelihood. 0 where a
            value is not observed.
        """
        given = self._input(X, y, sample_mask, target, compares=True)
        out = np.empty((len(given.data), self._output_features(given)), np.float32)
        for rows, batch, output in self._outputs(given):
            self._loss.per_feature(out[rows], output, batch.target, batch.mask)
            if batch.missing is not None:
                out[rows][batch.missing] = 0
        reader = self._network.reader
        return given.data.formed(out) if reader.keeps_form else reader.outputs(out)

    # ---- serving --------------------------------------------------------------------------------

    @fitted
    def frozen(self, precision: str = "float32") -> Frozen:
        """Return a predictor that never changes, for many threads at once.

        It has a copy of the parameters, and takes no lock: while a model answers one thread at a
        time, a predictor answers all that ask.

        Parameters
        ----------
        precision : {"float32", "bfloat16"}
            What weights of linear layers are kept as. In bfloat16 they take half the memory and,
            for a few samples at a time, half the time: that is what it takes to read them. They
            have 8 bits in place of 24, so that outputs differ by up to 1 %; samples, sums and all
            else stay float32.

        Returns
        -------
        Frozen
            With `transform`, `inverse_transform`, `reconstruct`, `score_samples` and `errors`.

        Examples
        --------
        >>> import numpy as np
        >>> import aecore as ae
        >>> X = np.random.default_rng(0).random((64, 8), np.float32)
        >>> model = ae.Autoencoder(latent_dim=2, epochs=1, random_state=0).fit(X)
        >>> predictor = model.frozen()
        >>> np.array_equal(predictor.transform(X), model.transform(X))
        True
        """
        return Frozen(self, precision)

    # ---- walks through code space ---------------------------------------------------------------

    @fitted
    def interpolate(
        self, a: Any, b: Any, n: int, *, y: Any = None, path: str = "linear"
    ) -> np.ndarray:
        r"""Decode n points on the way between two samples' codes, both ends included.

        The way is in the space between encoder and decoder: means for a `VAE`, vectors before they
        are quantised for a `VQVAE`. A spherical one turns from one direction to the other at an
        even rate, :math:`(\sin((1 - t) \omega)\, a + \sin(t \omega)\, b) / \sin \omega` with the
        angle :math:`\omega` between them, and so keeps to lengths that normal codes have, whereas a
        straight line passes closer to the origin.

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
        self._check_codes("interpolate")
        n = checks.integer("n", n, 2)
        checks.choice("path", path, ("linear", "spherical"))
        ends = np.concatenate([self._point("a", a, y), self._point("b", b, y)])
        flat = ends.reshape(2, -1).astype(np.float64)
        t = np.linspace(0, 1, n)[:, None]
        first, second = (1 - t, t) if path == "linear" else _slerp(t, *flat)
        z = (first * flat[0] + second * flat[1]).astype(np.float32)
        return self._decoded_points(z.reshape(n, *ends.shape[1:]), y)

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
        self._check_codes("traverse")
        dim = checks.integer("dim", dim, 0, self.latent_dim - 1)
        values = checks.array("values", values)
        if values.ndim != 1 or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise ValueError(f"values: expected a vector of finite numbers, got {values!r}")
        z = np.repeat(self._point("x", x, y), len(values), axis=0)
        z[..., dim] = values.reshape(-1, *[1] * (z.ndim - 2))
        return self._decoded_points(z, y)

    def _sample(self, name: str, x: Any) -> Data:
        """Check one sample, which may be a sequence of another length if the model takes those."""
        network = self._network

        def takes(steps: int) -> bool:
            return self._allows_ragged(network) and self._takes_steps(network, steps)

        return network.reader.one(self, x, name, takes)

    def _point(self, name: str, x: Any, y: Any) -> np.ndarray:
        """Return a sample's point in code space, with an axis of one sample in front."""
        given = Input(self._sample(name, x), shared(self._coding_conditioner, y, 1))
        return self._collected(given, lambda b: self._mapped(b, self._latent(b).data))

    def _decoded_points(self, z: np.ndarray, y: Any) -> Any:
        """Return the samples that points in code space are decoded to."""
        condition = shared(self._coding_conditioner, y, len(z))
        return self._generated(z, condition, self._code_space.decode)

    # ---- samples --------------------------------------------------------------------------------

    def _own_prior(self) -> Prior | None:
        """Return the prior that codes were trained to follow, if any."""
        return None

    @fitted
    def sample(
        self,
        n: int,
        *,
        y: Any = None,
        prior: Prior | None = None,
        near: Any = None,
        scale: float = 1.0,
        random_state: Any = None,
    ) -> np.ndarray:
        """Draw codes and decode them.

        Parameters
        ----------
        n : int
        y : optional
            The condition of a `CVAE`; or the class to draw from a prior that was fitted with
            labels, or the component of a mixture that a `VAE` has learned: one for all samples, a
            label or P properties, or one for each.
        prior : Normal or GaussianMixture, optional
            Where codes come from. None is what a `VAE` was trained with, N(0, I) by default; a
            model without a prior needs one that was fitted to its codes:
            ``GaussianMixture(10).fit(model.transform(X))``.
        near : array-like, optional
            A sample, about whose code to draw instead.
        scale : float
            How far from `near`: in deviations of its posterior for a `VAE`, else the deviation.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of float32, shape (n, ...)
            In data space: means, where the loss is a log-likelihood. Sequences have as many steps
            as the longest in fit.
        """
        self._check_codes("sample")
        n, seed = checks.integer("n", n, 0), new_seed(random_state)
        checks.instance("prior", prior, Prior, "Normal()")
        condition = shared(self._coding_conditioner, y, n)
        if near is not None:
            if prior is not None:
                raise ValueError("near: expected None where prior is given, got both")
            z = self._near(near, condition, n, checks.real("scale", scale), seed)
            return self._generated(z, condition, self._code_space.decode, seed)
        if scale != 1:
            raise ValueError(f"scale: expected 1 without a sample to be near, got {scale!r}")
        prior = prior or self._own_prior()
        if prior is None:
            this = type(self).__name__
            raise ValueError(
                f"prior: expected one to draw codes from, which {this} doesn't learn (VAE does), "
                "such as GaussianMixture(10).fit(model.transform(X)), fitted to the codes of this "
                f"{this}; or near=X[0], to draw about a sample"
            )
        label = y if prior.has_classes else None
        places = math.prod(self._room)
        if label is not None and places > 1 and np.ndim(label):
            label = np.repeat(np.asarray(label), places, axis=0)
        z = prior.draw(n * places, self.latent_dim, seed, y=label)
        z = z.reshape(n, *self._code_space.shape)
        return self._generated(z, condition, self._code_space.decode, seed)

    def _near(
        self, x: Any, condition: Condition | None, n: int, scale: float, seed: int
    ) -> np.ndarray:
        """Draw points about a sample's code, which is that under the condition of each."""
        data, found = self._sample("near", x), list[tuple[np.ndarray, np.ndarray]]()
        vectors = np.zeros((n, 0)) if condition is None else condition.take(slice(0, n))
        different, which = np.unique(vectors, axis=0, return_inverse=True)
        noise: np.ndarray | None = None
        for number, vector in enumerate(different):
            rows = np.flatnonzero(which.reshape(-1) == number)
            own = None if condition is None else Condition(vector[None])
            for _, batch in self._chunks(Input(data, own)):
                point, logvar = self._posterior(batch)
                if noise is None:
                    width = math.prod(point.shape[1:])
                    noise = Normal().draw(n, width, seed).reshape(n, *point.shape[1:])
                deviation = 1.0 if logvar is None else np.exp(logvar.data / 2)
                z = point.data + np.float32(scale) * deviation * noise[rows]
                found.append((rows, self._mapped(batch, self._nearby(batch, z))))
        if not found:
            return np.empty((0, *self._code_space.shape), np.float32)
        out = np.empty((n, *found[0][1].shape[1:]), found[0][1].dtype)
        for rows, z in found:
            out[rows] = z
        return out

    def _nearby(self, batch: Batch, points: np.ndarray) -> np.ndarray:
        """Return the codes that points about a sample stand for."""
        return points


def _slerp(t: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of two vectors in their spherical interpolation at t.

    Where they lie on one line through 0, the interpolation is linear.
    """
    product = math.sqrt(float((a * a).sum() * (b * b).sum()))
    angle = math.acos(min(1.0, max(-1.0, float((a * b).sum()) / product))) if product else 0.0
    if math.sin(angle) < 1e-6:
        return 1 - t, t
    return np.sin((1 - t) * angle) / math.sin(angle), np.sin(t * angle) / math.sin(angle)

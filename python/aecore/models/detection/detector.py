"""Outliers found by autoencoders: an ensemble of small models in scikit-learn's protocol."""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

import numpy as np

from ...arch.dense import Dense
from ...base import checks
from ...base import names as column_names
from ...base.sklearn import check_random_state, new_seed
from ...base.streams import SPLIT, derived_seed
from ...data.batches import shuffled
from ...data.corruption import GaussianNoise
from ...data.rows import Rows
from ...data.samples import Samples
from ...data.tables import frames
from ...data.tables.scaling import RobustScaler
from ...files.codec import Decoder
from ..autoencoder import Autoencoder
from ..base import traps
from ..base.coding import BaseAutoencoder
from ..tabular.model import TableModel
from . import described
from .base import BaseDetector
from .labels import OUTLIER, Evidence, read_labels, some, threshold
from .members import check_model, copied
from .reasons import Reasons, by_chunk, cells_of, expected, frame_of, in_form, largest
from .score import COVARIANCE_SAMPLES, MEASURES, REFERENCES, OutlierScore, parts

AUTO_SHARE = 0.1  # of outliers, for contamination="auto"
TUKEY_FENCE = 1.5  # interquartile ranges beyond the quartile
STEPS = 500  # of training, for a default model
MIN_SAMPLES, MAX_SAMPLES = 64, 1 << 16  # of a member, for max_samples="auto"
MOST_ROWS = 1 << 20  # of those that aren't in memory, to learn from
UNBOUNDED_LOSSES = ("mse", "l1", "huber", "gaussian")  # they take numbers of any size


class Fitted(NamedTuple):
    """The learned state of a detector, which is replaced as a whole: others may be reading it.

    Attributes
    ----------
    members : list of OutlierScore
    robust : RobustScaler or None
        Scales the samples of a table.
    location, scale : ndarray of float64, shape (members, parts)
        Median and interquartile range of each member's scores on the training samples.
    shape : tuple of int
        Of a sample.
    offset : float
        The score below which a sample is an outlier.
    columns : ndarray of names, or None
    evidence : Evidence or None
        What labels have added.
    """

    members: list[OutlierScore]
    robust: RobustScaler | None
    location: np.ndarray
    scale: np.ndarray
    shape: tuple[int, ...]
    offset: float = math.nan  # which pickles of 0.1.0 have elsewhere, as they have columns
    columns: np.ndarray | None = None
    evidence: Evidence | None = None


class Subset(NamedTuple):
    """What a member is trained on.

    Attributes
    ----------
    X : ndarray or list of ndarray
        As models take it.
    mask : ndarray of bool, or None
        Of the observed values; None for all.
    shape : tuple of int
        Of a sample before it was scaled.
    n : int
        How many samples there are in all.
    seed : int
        Of the member.
    """

    X: Any
    mask: np.ndarray | None
    shape: tuple[int, ...]
    n: int
    seed: int


class AnomalyDetector(BaseDetector):
    r"""Finds samples that an ensemble of autoencoders can't place among the others.

    Each of ``n_models`` models is trained on samples of its own. To a model, a sample x with
    reconstruction x̂ is an outlier if it lies off the manifold that the model has found, or on it
    but far from other samples:

    .. math:: \mathrm{manifold}(x)^2 = \lVert x - \hat x \rVert^2 + \lVert \hat x - r_k \rVert^2

    with r_k the k-th nearest among 128 reconstructed training samples, where k is one deviation
    more than the outliers that are expected among them, so that outliers aren't each other's
    neighbours. Scores are standardised by their median and interquartile range over the training
    samples, so that members weigh the same, and averaged.

    Training samples may have outliers among them. Tables may have columns of any type and missing
    cells (NaN); a column's numbers become :math:`\mathrm{arsinh}((x - \mathrm{median}) / s)` with a
    robust deviation s, its levels numbers 0 and 1 of which rare ones lie far out.

    Parameters
    ----------
    model : Autoencoder, VAE, VQVAE, TabularAutoencoder or another model with codes, or None
        What members are copies of; it isn't changed. None is, for a table of M numbers, a denoising
        ``Autoencoder(Dense((clip(2 M, 16, 128),)), ceil(sqrt(M)))``, with a code of M / 2 at most;
        for images and sequences it is ``Autoencoder()``. Either has ``init="uniform"`` and takes
        about 500 steps: with batches of 128, or of an eighth of its samples but at least 16, it has
        ``ceil(500 / batches)`` epochs.
    contamination : float or "auto"
        The share of outliers among the training samples, in (0, 0.5]: so many of them are beyond
        the threshold. "auto" puts it at Tukey's fence, 1.5 interquartile ranges beyond the upper
        quartile of the training samples' outlier scores, and takes 0.1 for k.
    random_state : int, numpy Generator, RandomState or None
        The seed of everything. Members have seeds derived from it.
    n_models : int
        How many members the ensemble has.
    measure : {"manifold", "loss", "codes", "mean", "max"}
        The outlier score: the distance above; the model's own loss, as its `score_samples` gives
        it, of sequences per step; a robust Mahalanobis distance of the code; or the mean or the
        larger of these two, standardised.
    max_samples : int, float or "auto"
        How many training samples, or which share of them, each member has: fewer outliers tell a
        member less about themselves. "auto" is half of them, at least 64 and at most 65,536.
    trim : float
        The share of a member's samples that is left out, those with the largest loss, when it is
        trained a second time; 0 for training once.
    scale : bool or None
        Whether tables are scaled as above. None is yes, unless the model has columns of its own
        (`TabularAutoencoder`) or a loss for numbers from 0 to 1 (bce, cross_entropy).
    verbose : int or None
        1 shows a bar for each member's training, 2 a line for each of its epochs, and 0 nothing.
        None shows a bar where one takes long, in a notebook alone.
    n_jobs : int, optional
        How many members joblib trains at a time, -1 for as many as there are cores. None is one,
        or what a ``joblib.parallel_config`` around says: ``backend="dask"`` trains them on a
        cluster. Results are the same.

    Attributes
    ----------
    estimators_ : list
        The members, fitted.
    offset_, threshold_ : float
        The score below which a sample is an outlier.
    n_features_in_ : int
        Values of a sample, or columns.
    feature_names_in_ : ndarray of str
        Where X was a data frame or a structured array.

    References
    ----------
    J. Chen et al., "Outlier detection with autoencoder ensembles", SDM 2017 (RandNet). M. Sugiyama
    and K. Borgwardt, "Rapid distance-based outlier detection via sampling", NeurIPS 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> X[:5] += 8
    >>> detector = ae.AnomalyDetector(contamination=0.025, random_state=0).fit(X)
    >>> np.flatnonzero(detector.predict(X) == -1)
    array([0, 1, 2, 3, 4])
    """

    def __init__(
        self,
        model: Any = None,
        contamination: float | str = 0.1,
        random_state: Any = None,
        *,
        n_models: int = 4,
        measure: str = "manifold",
        max_samples: int | float | str = "auto",
        trim: float = 0.0,
        scale: bool | None = None,
        verbose: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.model = model
        self.contamination = contamination
        self.random_state = random_state
        self.n_models = n_models
        self.measure = measure
        self.max_samples = max_samples
        self.trim = trim
        self.scale = scale
        self.verbose = verbose
        self.n_jobs = n_jobs

    _state: Fitted

    # ---- parameters -----------------------------------------------------------------------------

    def _check_params(self) -> None:
        """Raise TypeError or ValueError for a parameter that makes no sense."""
        if self.model is not None:
            check_model(self.model)
        if isinstance(self.contamination, str):
            checks.choice("contamination", self.contamination, ("auto",))
        else:
            checks.real("contamination", self.contamination, 0, 0.5, above=True)
        check_random_state(self.random_state)
        checks.integer("n_models", self.n_models, 1)
        checks.choice("measure", self.measure, MEASURES)
        if self.verbose is not None:
            checks.integer("verbose", self.verbose, 0)
        if self.n_jobs is not None and checks.integer("n_jobs", self.n_jobs, -4096, 4096) == 0:
            raise ValueError("n_jobs: expected another number than 0, got 0")
        if isinstance(self.max_samples, str):
            checks.choice("max_samples", self.max_samples, ("auto",))
        elif isinstance(self.max_samples, (float, np.floating)):
            checks.real("max_samples", self.max_samples, 0, 1, above=True)
        else:
            checks.integer("max_samples", self.max_samples, 2)
        if checks.real("trim", self.trim, 0, 0.5) == 0.5:
            raise ValueError("trim: expected less than 0.5, got 0.5")
        if self.scale is not None:
            checks.boolean("scale", self.scale)

    @property
    def _outlier_share(self) -> float:
        """The expected share of outliers among the training samples."""
        return AUTO_SHARE if isinstance(self.contamination, str) else float(self.contamination)

    def _should_scale(self, rows: Samples) -> bool:
        """Return whether samples are scaled."""
        flat, model = len(rows.shape) == 1, self.model
        if isinstance(model, TableModel):
            if self.scale:
                raise ValueError(
                    f"scale: expected None or False for a {type(model).__name__}, which scales its "
                    "columns itself, got True"
                )
            return False
        if self.scale is None:
            usable = model is None or model.loss in UNBOUNDED_LOSSES
            return flat and (usable or rows.kind == "table")
        if self.scale and not flat:
            raise ValueError(f"scale: expected tables to scale, got samples of shape {rows.shape}")
        if rows.kind == "table" and not self.scale:
            raise ValueError("scale: expected None or True for a table of mixed types, got False")
        return bool(self.scale)

    def _subsample_size(self, n: int) -> int:
        """Return the number of samples, of n, that a member is trained on."""
        if isinstance(self.max_samples, str):
            return min(n, max(MIN_SAMPLES, min(n // 2, MAX_SAMPLES)))
        if isinstance(self.max_samples, (float, np.floating)):
            return max(min(n, 2), int(self.max_samples * n))
        return min(n, int(self.max_samples))

    # ---- fitting --------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> AnomalyDetector:
        r"""Train the ensemble on samples that may have outliers among them, some of them known.

        With labels, known outliers are left out of all that is learned of what is usual: training
        samples, scaling, references and how scores are standardised. Then a logistic regression
        tells them from all others by their values, beside the outlier score s of the ensemble:
        the score becomes :math:`\mathrm{arsinh}(s)` and a weighted sum of the values' deviations
        from their mean, and of how large these are, less the median over training samples. Weights
        are shrunk to 0, the less the more outliers are known. With ``contamination="auto"`` the
        threshold is where labels are split best.

        Parameters
        ----------
        X : array-like, shape (N, F), (N, T, F) or (N, H, W, C), list of arrays (T_i, F), DataFrame
            or structured array
            NaN is a missing cell of a table. Memory maps are read as far as is needed. Of `Rows`
            that `open_rows` has opened 1,048,576 are taken, evenly spaced, or as many as a member
            has if those are more. A sparse matrix of SciPy is made dense a part at a time, but for
            the samples of a member.
        y : array-like, shape (N,), optional
            What is known of some samples: -1 for outliers, 1 for normal samples, 0, NaN or None for
            all others; rows that `open_rows` has opened have their own. Without a single -1, or
            with other values, it is taken for labels of classes as pipelines pass them, and
            ignored.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For parameters, data or labels that make no sense, before anything changes.

        Warns
        -----
        UserWarning
            For a y with values of 0 and 1 alone, which other libraries have for outliers.

        References
        ----------
        L. Ruff et al., "Deep semi-supervised anomaly detection", ICLR 2020. Y. Zhou et al.,
        "Feature encoding with autoencoders for weakly supervised anomaly detection", IEEE
        Transactions on Neural Networks and Learning Systems 33, 2022.
        """
        self._learn(X, y)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Train on samples and return which of them are outliers: as `fit`, then `predict`.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        ndarray of int64, shape (N,)
        """
        scores, offset = self._learn(X, y)
        return self.predict(X) if isinstance(X, Rows) else _labels(scores, offset)

    def _learn(self, X: Any, y: Any) -> tuple[np.ndarray, float]:
        """Train; return the training samples' scores, and the threshold of outliers."""
        self._check_params()
        if isinstance(X, Rows):
            labels = read_labels(X.all_labels() if y is None else y, len(X))
            most = max(MOST_ROWS, self._subsample_size(len(X)))
            labels = None if labels is None else labels[X.spaced(most)]
            rows = Samples(X.spread(most), table=isinstance(self.model, TableModel))
        else:
            rows = Samples(X, table=isinstance(self.model, TableModel))
            labels = read_labels(y, len(rows))
        if len(rows) < 2:
            raise ValueError(f"X: expected at least 2 samples, got n_samples = {len(rows)}")
        usual = np.arange(len(rows)) if labels is None else np.flatnonzero(labels != OUTLIER)
        robust = RobustScaler.learn(rows, usual) if self._should_scale(rows) else None
        seed = new_seed(self._seed_source())
        members = self._fit_members(rows, usual, robust, seed)
        raw = np.empty((len(members), len(parts(self.measure)), len(rows)))
        for chunk, part in rows.chunks():
            raw[:, :, chunk] = self._raw_scores(_scaled(part, robust), robust, members)
        quartiles = [
            [np.percentile(scores[usual], (25, 50, 75)) for scores in member] for member in raw
        ]
        low, location, high = np.ascontiguousarray(np.moveaxis(np.array(quartiles), 2, 0))
        scale = np.where(high > low, high - low, 1.0)
        scores = self._combine(raw, location, scale)
        state = Fitted(members, robust, location, scale, rows.shape, math.nan, rows.columns)
        if labels is not None:
            evidence, scores = self._evidence(rows, state, labels, scores)
            state = state._replace(evidence=evidence)
        offset = self._offset(scores, labels)
        self._set_state(state._replace(offset=offset))
        self._share = float(np.mean(scores < offset))
        return scores, offset

    def _flagged(self) -> float | None:
        share = vars(self).get("_share")
        return None if share is None else 100 * share

    def _evidence(
        self, rows: Samples, state: Fitted, labels: np.ndarray, scores: np.ndarray
    ) -> tuple[Evidence, np.ndarray]:
        """Return what labels add to scores, and the training samples' scores with it."""
        member = state.members[0]
        chosen = some(labels, math.prod(state.shape))
        values = member.values(*_scaled(rows.take(chosen), state.robust))
        evidence = Evidence.learn(values, labels[chosen], -scores[chosen])
        out = np.empty(len(scores))
        for chunk, part in rows.chunks():
            values = member.values(*_scaled(part, state.robust))
            out[chunk] = evidence.scores(-scores[chunk], values)
        median = float(np.median(out[labels != OUTLIER]))
        return evidence._replace(offset=median), median - out

    def _seed_source(self) -> Any:
        if self.random_state is None and self.model is not None:
            return self.model.random_state
        return self.random_state

    def _set_state(self, state: Fitted) -> None:
        """Set the learned attributes; methods look at the state alone."""
        plain = column_names.are_default(state.columns)
        self._take_state(state._replace(columns=None) if plain else state)
        self.estimators_ = [member.model for member in state.members]
        self.n_features_in_ = math.prod(state.shape)
        self._set_names(state.columns)

    def _fit_members(
        self, rows: Samples, usual: np.ndarray, robust: RobustScaler | None, seed: int
    ) -> list[OutlierScore]:
        """Train the members on some of the samples, by joblib if it is asked for."""
        subsets = (
            self._subset(rows, usual, robust, derived_seed(seed, i + 1))
            for i in range(self.n_models)
        )
        if self._n_jobs() > 1:
            import joblib

            fresh = type(self)(
                **self.get_params(deep=False) | {"verbose": 0 if self.verbose else self.verbose}
            )
            train = joblib.delayed(fresh._fit_member)
            return list(joblib.Parallel(self.n_jobs)(train(*one) for one in enumerate(subsets)))
        return [self._fit_member(i, subset) for i, subset in enumerate(subsets)]

    def _n_jobs(self) -> int:
        """Return how many members are trained at a time."""
        if self.n_jobs is None and "joblib" not in sys.modules:  # nobody can have chosen a backend
            return 1
        import joblib

        return int(joblib.effective_n_jobs(self.n_jobs))

    def _subset(
        self, rows: Samples, usual: np.ndarray, robust: RobustScaler | None, seed: int
    ) -> Subset:
        """Return the samples of a member, some of the usual ones, as models take them."""
        n = len(usual)
        chosen = shuffled(usual, seed, SPLIT, 0)[: self._subsample_size(n)]
        if rows.longest is not None:  # some networks take no longer ones than they have seen
            chosen = np.union1d(chosen, [rows.longest])
        return Subset(*_scaled(rows.take(np.sort(chosen)), robust), rows.shape, n, seed)

    def _fit_member(self, i: int, subset: Subset) -> OutlierScore:
        """Train the i-th model on its samples and learn its outlier score."""
        # the first one's warnings are all's; codes may be wide where neighbours are looked at
        with traps.silence("all" if i else "code"):
            return self._trained(*subset)

    def _trained(
        self, X: Any, mask: np.ndarray | None, shape: tuple[int, ...], n: int, seed: int
    ) -> OutlierScore:
        model = self._new_model(shape, X, derived_seed(seed, 1))
        model.fit(X, **_mask_option(model, mask))
        if self.trim:
            loss = -model.score_samples(X, **_mask_option(model, mask))
            if isinstance(X, list):
                loss /= [len(x) for x in X]
            kept = np.flatnonzero(loss <= np.quantile(loss, 1 - self.trim))
            if isinstance(X, list):
                kept = np.union1d(kept, [int(np.argmax([len(x) for x in X]))])
            X, mask = _take(X, kept), None if mask is None else mask[kept]
            with traps.silence():
                model.fit(X, **_mask_option(model, mask))
        order = shuffled(np.arange(len(X)), seed, SPLIT, n)
        some = np.sort(
            order[: COVARIANCE_SAMPLES if "codes" in parts(self.measure) else REFERENCES]
        )
        known = _take(X, some), None if mask is None else mask[some]
        return OutlierScore.learn(model, self._outlier_share, self.measure, *known)

    def _new_model(self, shape: tuple[int, ...], X: Any, seed: int) -> BaseAutoencoder:
        """Return an unfitted model for the samples of a member."""
        if self.model is not None:
            return copied(self.model, seed, self.verbose)
        batch = max(16, min(128, len(X) // 8))
        epochs = math.ceil(STEPS / math.ceil(len(X) / batch))
        training: dict[str, Any] = {"batch_size": batch, "epochs": epochs, "random_state": seed}
        training |= {"verbose": self.verbose, "init": "uniform"}  # which the rest was chosen with
        if len(shape) > 1:
            return Autoencoder(**training)
        width = X.shape[1]
        return Autoencoder(
            Dense((max(16, min(128, 2 * width)),)),
            max(1, min(math.ceil(math.sqrt(width)), width // 2)),
            corruption=GaussianNoise(0.1),
            learning_rate=3e-3,
            **training,
        )

    def _offset(self, scores: np.ndarray, labels: np.ndarray | None) -> float:
        """Return the score below which training samples are outliers."""
        if isinstance(self.contamination, str):
            low, high = np.percentile(scores, (25, 75))
            fence = float(low - TUKEY_FENCE * (high - low))
            return fence if labels is None else -threshold(-scores, labels, -fence)
        return float(np.percentile(scores, 100 * self._outlier_share))

    # ---- scores ---------------------------------------------------------------------------------

    def _raw_scores(
        self, given: Any, robust: RobustScaler | None, members: list[OutlierScore]
    ) -> np.ndarray:
        """Return the outlier scores of samples as members take them, (members, parts, n)."""
        names = parts(self.measure)
        raw = np.array([[m.measure(name, *given) for name in names] for m in members])
        if robust is not None and "codes" in names:
            codes = raw[:, names.index("codes")]
            np.sqrt(codes**2 + robust.surprise(given[0]), out=codes)
        return raw

    def _combine(self, raw: np.ndarray, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return the ensemble's scores (n,), higher for more normal samples."""
        joined = np.max if self.measure == "max" else np.mean
        total = np.zeros(raw.shape[2])
        for scores, median, spread in zip(raw, location, scale, strict=True):
            total -= joined((scores - median[:, None]) / spread[:, None], axis=0)
        return total / len(raw)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return how normal samples are: the mean of the standardised outlier scores, negated.

        Parameters
        ----------
        X : like X in `fit`

        Returns
        -------
        ndarray of float64, shape (N,)
            Higher is more normal, and 0 about as normal as the median training sample.
        """
        state = self._fitted_state()
        rows = self._read(X, state)
        scores = np.empty(len(rows))
        for chunk, part in rows.chunks():
            given = _scaled(part, state.robust)
            raw = self._raw_scores(given, state.robust, state.members)
            found = self._combine(raw, state.location, state.scale)
            if state.evidence is not None:
                found = -state.evidence.scores(-found, state.members[0].values(*given))
            scores[chunk] = found
        return scores

    def score_features(self, X: Any) -> Any:
        r"""Return what each value of samples adds to their outlier scores.

        Of a sample they add up to its outlier score, which is ``-score_samples(X)``, and a number
        that is the same for all samples: the score of one whose reconstruction is perfect and lies
        at a reference. A member's part is in units of its scores' interquartile range, as in the
        score, and the members' mean is taken.

        - "manifold": a distance d is shared out as :math:`d = \sum_f d_f^2 / d`. The part off the
          manifold, :math:`\lVert x - \hat x \rVert^2`, has a square for each value. The other,
          from the reconstruction to the k-th nearest reference, goes to values by the squares of
          :math:`x - r_k`: one wrong value moves the reconstruction of all.
        - "loss": the loss of each value, less that of a perfect reconstruction of it, which the
          logarithms of deviations are, and the entropy of what lies between 0 and 1. Terms that
          aren't about values, like a KL, are left out.
        - "codes": the distance, shared out by how much less its square is with the reconstruction
          in place of a value; 0 for all where it is for none. It takes an encoding for each value.
        - "mean" and "max": the mean of these two, and those of the larger.

        With labels in fit (see there) the score is :math:`\mathrm{arsinh}(s)` and what they add.
        The values' parts of s are scaled to add up to as much as it has grown by them, and what
        labels say of a value is added, which may be below 0.

        Parameters
        ----------
        X : like X in `fit`

        Returns
        -------
        ndarray of float64, the shape of X
            Higher is odder. For a data frame one with its columns and index, whose levels have a
            number each; for a list of sequences a list.
        """
        state = self._fitted_state()
        rows, out = self._read(X, state), list[Any]()
        for _, part, _, found in by_chunk(rows, state, self.measure, _scaled):
            out.append(in_form(found, rows, part))
        if rows.kind == "list":
            return [one for found in out for one in found]
        columns = rows.columns if state.columns is None else state.columns
        return frames.like(X, np.concatenate(out), columns)

    def score_cells(self, X: Any) -> Any:
        """Return what each cell of a table adds to its row's outlier score: `score_features`.

        Parameters
        ----------
        X : like X in `fit`

        Returns
        -------
        ndarray of float64 or DataFrame, shape (N, C)
            Higher is odder.
        """
        return self.score_features(X)

    def explain(self, X: Any, n: int = 5) -> Any:
        r"""Return the n largest reasons for the outlier score of each sample.

        Parameters
        ----------
        X : like X in `fit`
            Those to be explained: ``X[detector.predict(X) == -1]`` for outliers alone.
        n : int
            How many reasons each has; all of them where a sample has fewer values.

        Returns
        -------
        DataFrame, or structured array
            A frame of pandas or polars for such, else an array of records. For each sample, in
            order, the largest first:

            - row: its number, or its label in the index.
            - column: the column's name, or number; for images (row, column, channel), for sequences
              (step, feature).
            - value: as it came.
            - expected: what the members rebuild in its place, on the mean, in the data's own units;
              the likeliest level.
            - share: of all that speaks for an outlier: what `score_features` gives, over the sum of
              what is above 0 of the sample's values. All shares add up to 1; where labels in fit
              have some values speak against an outlier, those above 0 do, and these are below.

        Raises
        ------
        TypeError, ValueError
            For samples that aren't like those in `fit`, or an n below 1.

        Examples
        --------
        >>> import numpy as np
        >>> import aecore as ae
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(300, 1)) * [1, 10, -2] + rng.normal(size=(300, 3)) * 0.1
        >>> detector = ae.AnomalyDetector(random_state=0).fit(X)
        >>> (reason,) = detector.explain([[1.0, 10.0, 7.0]], n=1)
        >>> int(reason["column"]), float(reason["value"]), bool(reason["expected"] < 1)
        (2, 7.0, True)
        """
        n, state = checks.integer("n", n, 1), self._fitted_state()
        rows, found = self._read(X, state), list[Reasons]()
        columns = rows.columns if state.columns is None else state.columns
        for chunk, part, given, adds in by_chunk(rows, state, self.measure, _scaled):
            lengths = None
            if rows.kind == "list":
                lengths = np.array([np.size(x) for x in part])
            cells = cells_of(part, rows, columns)
            reasons = largest(adds, n, cells, expected(state, given), lengths)
            found.append(reasons._replace(rows=reasons.rows + chunk.start))
        return frame_of(X, rows, columns, found)

    def _read(self, X: Any, state: Fitted) -> Samples:
        """Check samples that must be like those in fit."""
        self._check_unchanged("measure")
        table = isinstance(self.model, TableModel)
        if state.robust is not None:
            table = state.robust.levels is not None
        rows = Samples(X, table)
        if rows.kind == "table" and not table:  # fit had numbers alone
            rows = rows.as_numbers()
        column_names.check(type(self).__name__, state.columns, rows.columns)
        self._check_shape(rows, state)
        return rows

    def _check_shape(self, rows: Samples, state: Fitted) -> None:
        flat = len(state.shape) == len(rows.shape) == 1
        if flat and state.shape != rows.shape:
            raise ValueError(
                f"X has {rows.shape[0]} features, but {type(self).__name__} is expecting "
                f"{state.shape[0]} features as input."
            )
        if rows.kind != "list" and len(state.shape) != len(rows.shape):
            raise ValueError(
                f"X: expected samples of shape {state.shape}, as in fit, got {rows.shape}"
            )

    def decision_function(self, X: Any) -> np.ndarray:
        """Return how far samples are on the normal side: ``score_samples(X) - offset_``.

        Parameters
        ----------
        X : like X in `fit`

        Returns
        -------
        ndarray of float64, shape (N,)
            Negative for outliers.
        """
        scores, offset = self._scores_and_offset(X)
        return scores - offset

    def predict(self, X: Any) -> np.ndarray:
        """Return which samples are outliers.

        Parameters
        ----------
        X : like X in `fit`

        Returns
        -------
        ndarray of int64, shape (N,)
            -1 for outliers, 1 for the others.
        """
        return _labels(*self._scores_and_offset(X))

    def _scores_and_offset(self, X: Any) -> tuple[np.ndarray, float]:
        """Return scores, perhaps a subclass's, and the threshold of the very fit they are of."""
        while True:
            state = self._fitted_state()
            scores = self.score_samples(X)
            if self._fitted_state().members is state.members:  # nobody has fitted it meanwhile
                return scores, state.offset

    # ---- protocol -------------------------------------------------------------------------------

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "offset_" in state:  # a pickle of 0.1.0
            offset = vars(self).pop("offset_")
            self._state = self._state._replace(offset=offset, columns=self._names_in)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.scale is not False and (
            self.model is None or self.model.loss in (*UNBOUNDED_LOSSES, "mixed")
        )
        tags.input_tags.sparse = not isinstance(self.model, TableModel)
        return tags

    # ---- files ----------------------------------------------------------------------------------

    def _describe(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the fitted detector's configuration and arrays for a file."""
        return described.describe(self)

    def _restore(
        self, config: dict[str, Any], tensors: dict[str, np.ndarray], decoder: Decoder
    ) -> None:
        """Set the attributes that `_describe` described; the parameters are set already."""
        found = described.restore(self, config, tensors, decoder)
        self._set_state(Fitted(**found))


def _labels(scores: np.ndarray, offset: float) -> np.ndarray:
    return np.where(scores - offset < 0, -1, 1)


def _scaled(X: Any, robust: RobustScaler | None) -> tuple[Any, np.ndarray | None]:
    """Return samples as members take them, and a mask of the observed values; None for all."""
    return (X, None) if robust is None else robust.transform(X)


def _mask_option(model: BaseAutoencoder, mask: np.ndarray | None) -> dict[str, Any]:
    return {} if mask is None else {"sample_mask": mask}


def _take(X: Any, rows: np.ndarray) -> Any:
    """Return the samples with these indices."""
    if isinstance(X, list):
        return [X[i] for i in rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]

"""Odd steps of long series: an autoencoder over windows, in scikit-learn's protocol."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...arch.dense import Dense
from ...base import checks
from ...base import names as column_names
from ...base.sklearn import check_random_state, new_seed
from ...base.streams import derived_seed
from ...data import series as data_series
from ...data.series import Run, Series
from ...files.codec import Decoder
from ..autoencoder import Autoencoder
from ..base import traps
from ..base.coding import BaseAutoencoder
from ..detection.base import BaseDetector
from ..detection.members import check_model, copied
from ..tabular.model import TableModel
from . import described
from .alarms import gumbel_threshold
from .errors import (
    LEAST_OBSERVED,
    Found,
    Scaling,
    Steps,
    chunks,
    errors_of,
    mean_over,
    per_feature,
    starts_of,
    window_errors,
)
from .events import events_table
from .stream import SeriesStream

WINDOW = 128  # steps, for window="auto"
LEAST_AUTO = 8  # steps of a series, for window="auto": a window has two, which is the least
STEPS = 1000  # of training, for a default model
MOST_WINDOWS, MOST_VALUES = 1 << 16, 1 << 25  # to train on
MARGIN = 0.5  # of a window
LEAST_WINDOWS = 32  # to train on without some
MOST_SCORED = 1 << 18  # windows, to learn what is usual
REFERENCE = 1 << 14  # errors of training windows that are kept
FLOOR = 1e-4  # squared deviations: less of an error is no less usual
STEP_TOLERANCE = 0.05  # by how much the distance of time stamps may differ from that in fit


class Fitted(NamedTuple):
    """The learned state of a detector, which is replaced as a whole: others may be reading it.

    Attributes
    ----------
    members : list of models
    scaling : Scaling
    usual : ndarray of float64, shape (F,)
        What errors are divided by: 1 is that of the median training window.
    reference : ndarray of float32, shape (n,)
        Errors of training windows in order, evenly spaced.
    seen : int
        How many training windows there were.
    window : int
    step : float or None
        What time stamps are apart, in seconds or in the units of the time column.
    offset : float
    columns : ndarray of names, or None
    """

    members: list[Any]
    scaling: Scaling
    usual: np.ndarray
    reference: np.ndarray
    seen: int
    window: int
    step: float | None
    offset: float
    columns: np.ndarray | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a step."""
        return (len(self.scaling.center),)


class Chosen(NamedTuple):
    """Windows to train on.

    Attributes
    ----------
    X : ndarray of float32, shape (n, L, F)
    mask : ndarray of bool, shape (n, L, F), or None
        Of the observed values; None for all.
    places : ndarray of int64, shape (n,)
        Which of all training windows they are.
    total : int
        How many windows there are in all.
    """

    X: np.ndarray
    mask: np.ndarray | None
    places: np.ndarray
    total: int

    def without(self, first: int, last: int, margin: int) -> Chosen:
        """Return all but some windows and those beside them, or all where too few are left."""
        kept = (self.places < first - margin) | (self.places >= last + margin)
        if last <= first or kept.sum() < LEAST_WINDOWS:
            return self
        mask = None if self.mask is None else self.mask[kept]
        return Chosen(self.X[kept], mask, self.places[kept], self.total)


Scores = dict[str, np.ndarray]  # of the steps of a series: score, features, rebuilt


class SeriesDetector(BaseDetector):
    r"""Finds odd steps of long series, such as the readings of sensors.

    An autoencoder learns to rebuild windows of the series. The error of a window is the mean over
    its steps and features of the squared difference, each feature's divided by what is usual for
    it, so that 1 is the error of the median training window. A step is as odd as the mean over all
    windows that it is in:

    .. math:: \mathrm{score}_t = -\frac{1}{|W_t|} \sum_{w \in W_t} \frac{1}{F} \sum_f
        \frac{1}{L\,u_f} \sum_{s \in w} (x_{sf} - \hat x^{(w)}_{sf})^2

    Fit on a stretch without faults where there is one. A few faults among the training steps do
    little harm: features are scaled by their median and interquartile range, and the threshold
    comes from the lower half of the maxima of blocks, each two windows long. What more than a tenth
    of the blocks, and more than three, have is taken for normal: if these are faults, set
    `contamination`.

    A missing value is NaN: it takes no part in training or in errors. What models are given in its
    place is what they rebuild there, and in the mean over a window it counts as usual, 1. Windows
    of which less than half is known don't count; a step that no other window is over is as usual:
    its score is -1. Where steps have time stamps (the index of a pandas frame or a column of
    times), missing ones are missing steps, and gaps of a window or more cut the series.

    Parameters
    ----------
    window : int or "auto"
        Steps of a window. "auto" is 128, or a quarter of the shortest training series if that is
        less.
    stride : int
        Steps from a window to the next; at most a window. More than 1 is faster and coarser.
    model : Autoencoder, VAE or another model with codes, or None
        What is trained on windows (L, F); it isn't changed. None is
        ``Autoencoder(Dense((64 r,)), 8 r)`` with r the square root of F, rounded up and at most 4,
        and about 1000 steps of training.
    contamination : "auto" or float
        "auto" puts the threshold where a false alarm in as many steps as there were in training
        has a probability of 5 %, as the maxima of training windows' errors tell: neighbouring
        errors are alike, and their quantiles would promise too much. A number in (0, 0.5] is the
        share of training windows beyond the threshold; it is for training steps with many faults,
        each of which makes all windows that it is in odd.
    random_state : int, numpy Generator, RandomState or None
        The seed of everything.
    time : object, optional
        The column of a frame that has the time stamps, as times, numbers or text. Without it they
        are the index of pandas, or the only column of times, if there is one.
    n_models : int
        How many models are trained; errors are averaged. Each is trained without its share of the
        steps, one after another, and what is usual and the threshold are learned from the errors of
        steps that models haven't seen. Of one model, which is trained on all of them, these promise
        too little of errors to come where the series is short.
    verbose : int or None
        1 shows a bar for each model's training, 2 a line for each of its epochs, and 0 nothing.
        None shows a bar where one takes long, in a notebook alone.

    Attributes
    ----------
    estimators_ : list
        The models, fitted.
    offset_, threshold_ : float
        The score below which a step is odd.
    window_ : int
        Steps of a window.
    step_ : float or None
        What time stamps are apart: seconds, or the units of a column of numbers.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X was a data frame.

    References
    ----------
    E. Gumbel, "Statistics of Extremes", 1958. I. Gringorten, "A Plotting Rule for Extreme
    Probability Paper", Journal of Geophysical Research 68, 1963. A. Ilin and T. Raiko, "Practical
    Approaches to Principal Component Analysis in the Presence of Missing Values", JMLR 11, 2010,
    for what takes the place of missing values. Q. Liu and J. Paparrizos, "The Elephant in the Room:
    Towards a Reliable Time-Series Anomaly Detection Benchmark", NeurIPS 2024, for how little more
    than this larger models find.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> t = np.arange(2000)
    >>> X = np.stack([np.sin(t / 9), np.cos(t / 9)], 1)
    >>> X += 0.05 * np.random.default_rng(0).normal(size=X.shape)
    >>> X[1500:1520, 1] += 1
    >>> detector = ae.SeriesDetector(window=32, random_state=0).fit(X[:1000])
    >>> events = detector.events(X)
    >>> len(events), str(events["features"][0]), bool(1480 < events["start"][0] <= 1500)
    (1, '1', True)
    """

    def __init__(
        self,
        window: int | str = "auto",
        stride: int = 1,
        model: Any = None,
        contamination: float | str = "auto",
        random_state: Any = None,
        *,
        time: Any = None,
        n_models: int = 3,
        verbose: int | None = None,
    ) -> None:
        self.window = window
        self.stride = stride
        self.model = model
        self.contamination = contamination
        self.random_state = random_state
        self.time = time
        self.n_models = n_models
        self.verbose = verbose

    _state: Fitted
    _flagged_are = "of training windows"

    # ---- parameters -----------------------------------------------------------------------------

    def _check_params(self) -> None:
        """Raise TypeError or ValueError for a parameter that makes no sense."""
        if isinstance(self.window, str):
            checks.choice("window", self.window, ("auto",))
        else:
            checks.integer("window", self.window, 2)
        checks.integer("stride", self.stride, 1)
        if not isinstance(self.window, str) and self.stride > self.window:
            raise ValueError(
                f"stride: expected at most the window, {self.window}, got {self.stride}"
            )
        if self.model is not None:
            check_model(self.model)
            if isinstance(self.model, TableModel):
                raise ValueError(f"model: expected one of sequences, got {self.model!r}")
        if isinstance(self.contamination, str):
            checks.choice("contamination", self.contamination, ("auto",))
        else:
            checks.real("contamination", self.contamination, 0, 0.5, above=True)
        check_random_state(self.random_state)
        checks.integer("n_models", self.n_models, 1)
        if self.verbose is not None:
            checks.integer("verbose", self.verbose, 0)

    def _window_for(self, parts: list[Series]) -> int:
        """Return the steps of a window, and check that the series have as many."""
        shortest = min(parts, key=len)
        if isinstance(self.window, str):
            if len(shortest) < LEAST_AUTO:
                raise ValueError(
                    f"{shortest.name}: expected at least {LEAST_AUTO} steps for window='auto', "
                    f"a quarter of them, got {len(shortest)}"
                )
            window = max(2, min(WINDOW, len(shortest) // 4), self.stride)
        else:
            window = int(self.window)
        self._check_length(shortest, window)
        return window

    @staticmethod
    def _check_length(part: Series, window: int) -> None:
        if len(part) < window:
            raise ValueError(
                f"{part.name}: expected at least the {window} steps of a window, got {len(part)}"
            )

    # ---- fitting --------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> SeriesDetector:
        """Train on a series, or several, most of whose steps are normal.

        Parameters
        ----------
        X : array-like of shape (T,) or (T, F), data frame, or list of these
            NaN is a missing value. 65,536 windows are trained on at most, evenly spaced.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For parameters or data that make no sense, before anything changes: among them series
            shorter than a window, and time stamps that don't increase.

        Warns
        -----
        UserWarning
            Where time stamps aren't equally spaced.
        """
        self._check_params()
        parts = data_series.read(X, "X", self.time)
        window = self._window_for(parts)
        step = _common_step(parts)
        runs = [run for part in parts for run in part.runs(window, step)]
        scaling = Scaling.learn([run.values for run in runs])
        chosen = self._training_windows(runs, scaling, window)
        source = self.random_state
        if source is None and self.model is not None:
            source = self.model.random_state
        seed = new_seed(source)
        members = []
        for i in range(self.n_models):
            part = chosen.without(*self._block(i, chosen.total), self._margin(window))
            with traps.silence("all" if i else "code"):
                members.append(self._trained(part, derived_seed(seed, i + 1)))
        self._learn(members, runs, scaling, window, step, parts[0].columns)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> SeriesDetector:
        """Go on training with the next steps, in one pass over their windows.

        The first call is `fit`. The scales of features stay; the threshold is learned from the
        windows of all calls, each scored before it is trained on.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        self
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X)
        self._check_params()
        found = self._fitted_state()
        self._check_unchanged()
        parts = self._read(X, found)
        runs = [run for part in parts for run in part.runs(found.window, found.step)]
        chosen = self._training_windows(runs, found.scaling, found.window)
        errors = self._errors(runs, found)
        for member in found.members:
            member.partial_fit(chosen.X, **_mask_option(chosen.mask))
        every = max(1, math.ceil(found.seen / max(1, len(found.reference))))
        joined = np.concatenate([found.reference, errors[::every].astype(np.float32)])
        self._set_reference(found, joined, found.seen + len(errors))
        return self

    def _training_windows(self, runs: list[Run], scaling: Scaling, window: int) -> Chosen:
        """Return windows to train on."""
        starts = [self._starts(run, window) for run in runs]
        total, features = sum(map(len, starts)), runs[0].values.shape[1]
        most = max(1, min(MOST_WINDOWS, MOST_VALUES // (window * features)))
        every = max(1, math.ceil(total / most))
        found, masks, places, before = [], [], [], 0
        for run, some in zip(runs, starts, strict=True):
            taken = 0
            for part, views, seen in chunks(run, scaling, window, some[::every]):
                shown = np.ones(views.shape, bool) if seen is None else seen
                enough = shown.mean((1, 2)) >= LEAST_OBSERVED
                found.append(np.array(views[enough]))
                masks.append(np.array(shown[enough]))
                at = before + every * (taken + np.flatnonzero(enough))
                places.append(at)
                taken += len(part)
            before += len(some)
        X, mask = np.concatenate(found), np.concatenate(masks)
        if not len(X):
            raise ValueError("X: expected windows with half of their values or more, got none")
        return Chosen(X, None if mask.all() else mask, np.concatenate(places), total)

    def _block(self, i: int, total: int) -> tuple[int, int]:
        """Return which of all training windows the i-th model isn't to see; none for one model."""
        if self.n_models == 1:
            return 0, 0
        return (i * total) // self.n_models, ((i + 1) * total) // self.n_models

    def _margin(self, window: int) -> int:
        """Return how many windows beside these it isn't to see, as they overlap them."""
        return 0 if self.n_models == 1 else int(MARGIN * window / self.stride)

    def _trained(self, chosen: Chosen, seed: int) -> BaseAutoencoder:
        model = self._new_model(chosen.X.shape, seed)
        return model.fit(chosen.X, **_mask_option(chosen.mask))

    def _new_model(self, shape: tuple[int, ...], seed: int) -> BaseAutoencoder:
        """Return an unfitted model for windows (n, L, F)."""
        if self.model is not None:
            return copied(self.model, seed, self.verbose)
        n, _, features = shape
        batch = max(16, min(128, n // 8))
        root = min(4, math.ceil(math.sqrt(features)))
        return Autoencoder(
            Dense((64 * root,)),
            8 * root,
            batch_size=batch,
            epochs=math.ceil(STEPS / math.ceil(n / batch)),
            random_state=seed,
            verbose=self.verbose,
        )

    def _learn(
        self,
        members: list[Any],
        runs: list[Run],
        scaling: Scaling,
        window: int,
        step: float | None,
        columns: np.ndarray | None,
    ) -> None:
        """Learn which errors are usual, and the threshold, from the training windows."""
        plain = None if column_names.are_default(columns) else columns
        found = Fitted(members, scaling, np.ones(len(scaling.center)), np.zeros(0), 0, window,
                       step, 0.0, plain)  # fmt: skip
        errors, shares, every = self._unseen_errors(runs, found)
        usual = np.array([_median(e[s > 0]) for e, s in zip(errors.T, shares.T, strict=True)])
        relative = mean_over(errors / np.maximum(usual, FLOOR), shares)
        level = float(np.nanmedian(relative)) or 1.0
        relative = relative[np.isfinite(relative)] / level
        usual = np.maximum(usual, FLOOR) * level
        self._set_reference(found._replace(usual=usual), relative, every * len(relative))

    def _unseen_errors(self, runs: list[Run], found: Fitted) -> tuple[np.ndarray, np.ndarray, int]:
        """Return errors of features (n, F) of training windows by models that haven't seen them.

        Also the shares (n, F) that are observed, and of how many windows one is taken.
        """
        starts = [self._starts(run, found.window) for run in runs]
        total = sum(map(len, starts))
        every = math.ceil(total / MOST_SCORED)
        errors, shares, before = list[np.ndarray](), list[np.ndarray](), 0
        for run, all_of_them in zip(runs, starts, strict=True):
            at = before
            for parts in self._found(run, found, all_of_them[::every]):
                places = at + every * np.arange(len(parts[0].starts))
                means, seen = per_feature(parts[0])
                for i, part in enumerate(parts[1:], 1):  # each model's own block
                    first, last = self._block(i, total)
                    own = (places >= first) & (places < last)
                    means[own] = per_feature(part)[0][own]
                errors.append(means)
                shares.append(seen)
                at = int(places[-1]) + every
            before += len(all_of_them)
        return np.concatenate(errors), np.concatenate(shares), every

    def _set_reference(self, found: Fitted, errors: np.ndarray, count: int) -> None:
        """Keep some errors of training windows, and learn the threshold from them."""
        every = max(1, math.ceil(len(errors) / REFERENCE))
        kept = np.ascontiguousarray(errors[::every], np.float32)
        if isinstance(self.contamination, str):
            apart = self.stride * count / len(kept)
            threshold = gumbel_threshold(kept.astype(np.float64), found.window / apart, count)
        else:
            threshold = float(np.quantile(kept, 1 - float(self.contamination)))
        self._set_state(found._replace(reference=kept, seen=count, offset=-threshold))

    def _flagged(self) -> float | None:
        found = self._fitted_state()
        return 100 * float(np.mean(found.reference > -found.offset))

    def _set_state(self, found: Fitted) -> None:
        """Set the learned attributes; methods look at the state alone."""
        self._take_state(found)
        self.estimators_ = found.members
        self.window_, self.step_ = found.window, found.step
        self.n_features_in_ = len(found.scaling.center)
        self._set_names(found.columns)

    # ---- scores ---------------------------------------------------------------------------------

    def _read(self, X: Any, found: Fitted) -> list[Series]:
        """Return the series of X, checked against those of fit."""
        parts = data_series.read(X, "X", self.time)
        wanted, owner = len(found.scaling.center), type(self).__name__
        for part in parts:
            if part.features != wanted:
                raise ValueError(
                    f"{part.name} has {part.features} features, but {owner} is expecting {wanted} "
                    "features as input."
                )
            column_names.check(owner, found.columns, part.columns, part.name)
            self._check_length(part, found.window)
            step = part.step()
            if step is not None and found.step is not None:
                if abs(step - found.step) > STEP_TOLERANCE * found.step:
                    raise ValueError(
                        f"{part.name}: expected time stamps {found.step:g} apart, as in fit, got "
                        f"{step:g}"
                    )
        return parts

    @staticmethod
    def _found(run: Run, found: Fitted, starts: np.ndarray) -> Iterator[list[Found]]:
        """Yield what each member finds in a chunk of the windows of a run."""
        for part in chunks(run, found.scaling, found.window, starts):
            yield [errors_of(member, *part) for member in found.members]

    def _errors(self, runs: list[Run], found: Fitted) -> np.ndarray:
        """Return the relative errors of all windows in which something is observed."""
        errors = [
            window_errors(parts, found.usual)
            for run in runs
            for parts in self._found(run, found, self._starts(run, found.window))
        ]
        joined = np.concatenate(errors)
        return joined[np.isfinite(joined)]

    def _starts(self, run: Run, window: int) -> np.ndarray:
        return starts_of(len(run.values), window, self.stride)

    def _steps(self, part: Series, found: Fitted, *wanted: str) -> Scores:
        """Return what is wanted for the steps of a series: score, features, rebuilt."""
        shape, out = (len(part), part.features), Scores()
        for name in wanted:
            out[name] = np.full(shape[:1] if name == "score" else shape, np.nan)
        for run in part.runs(found.window, found.step):
            steps = Steps(run.values.shape, found.window, found.usual, wanted)
            for parts in self._found(run, found, self._starts(run, found.window)):
                steps.add(parts)
            rows = run.rows.stop - run.rows.start
            for name, values in steps.means().items():
                out[name][run.rows] = values[:rows] if run.places is None else values[run.places]
        if "score" in out:  # a step around which nothing is known is as usual
            out["score"] = -np.where(np.isnan(out["score"]), 1.0, out["score"])
        if "rebuilt" in out:
            out["rebuilt"] = found.scaling.undo(out["rebuilt"])
        return out

    def _results(self, X: Any, *wanted: str) -> tuple[list[tuple[Series, Scores]], Fitted, bool]:
        """Return what is wanted of each series of X, its state, and whether X is a list."""
        found = self._fitted_state()
        parts = self._read(X, found)
        scores = [(part, self._steps(part, found, *wanted)) for part in parts]
        return scores, found, data_series.are_several(X)

    def score_samples(self, X: Any) -> Any:
        """Return how normal steps are: the mean error of the windows over them, negated.

        Parameters
        ----------
        X : array-like of shape (T,) or (T, F), data frame, or list of these
            Of T steps, at least a window. A step of which nothing is known scores as those around
            it, and -1, as usual, where less than half is known of all windows over it.

        Returns
        -------
        ndarray of float64, shape (T,), or list of these
            Higher is more normal: -1 for the error of the median training window, -10 for ten
            times that.
        """
        scores, _, several = self._results(X, "score")
        return _joined([s["score"] for _, s in scores], several)

    def score_features(self, X: Any) -> Any:
        """Return how odd each feature is at each step: its error there, by what is usual for it.

        These are the parts of the scores before they are averaged over a window, and so they tell
        where exactly something is odd.

        Parameters
        ----------
        X : like X in `score_samples`

        Returns
        -------
        ndarray of float64, shape (T, F), a data frame for one, or list of these
            Higher is odder, and about 1 is usual; NaN where the value is missing.
        """
        scores, _, several = self._results(X, "features")
        return _joined([part.frame(s["features"]) for part, s in scores], several)

    def decision_function(self, X: Any) -> Any:
        """Return how far steps are on the normal side: ``score_samples(X) - offset_``.

        Parameters
        ----------
        X : like X in `score_samples`

        Returns
        -------
        ndarray of float64, shape (T,), or list of these
            Negative for odd steps.
        """
        scores, found, several = self._results(X, "score")
        return _joined([s["score"] - found.offset for _, s in scores], several)

    def predict(self, X: Any) -> Any:
        """Return which steps are odd.

        Parameters
        ----------
        X : like X in `score_samples`

        Returns
        -------
        ndarray of int64, shape (T,), or list of these
            -1 for odd steps, 1 for the others. A step is odd by the windows around it: `events`
            says where exactly.
        """
        scores, found, several = self._results(X, "score")
        labels = [np.where(s["score"] < found.offset, -1, 1) for _, s in scores]
        return _joined(labels, several)

    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """Train, and return which steps are odd: as `fit`, then `predict`.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        ndarray of int64, shape (T,), or list of these
        """
        return self.fit(X).predict(X)

    def events(self, X: Any) -> Any:
        """Return the odd stretches of a series, the oddest features of each.

        An event is a run of steps below the threshold, cut to the part where the errors of the
        steps themselves, of the run's oddest features, are beyond it, and at least a quarter of the
        largest of them. Where a fault begins or ends by what is usual, as a sensor that sticks
        does, an event is shorter than it.

        Parameters
        ----------
        X : like X in `score_samples`

        Returns
        -------
        data frame for a data frame, else structured array
            With a row for each event: ``start`` and ``end``, the first and the last step (time
            stamp, index or number); ``steps``, how many they are; ``peak``, the step with the
            lowest score, and ``score``, that score; ``features``, those that are at least half as
            odd as the oddest one, the oddest first. Of a list ``series`` has its number.
        """
        scores, found, several = self._results(X, "score", "features")
        return events_table(scores, found.offset, several)

    def reconstruct(self, X: Any) -> Any:
        """Return the series as windows rebuild it: at each step the mean over its windows.

        Parameters
        ----------
        X : like X in `score_samples`

        Returns
        -------
        Like X
            Also where values are missing.
        """
        scores, _, several = self._results(X, "rebuilt")
        return _joined([part.restored(s["rebuilt"]) for part, s in scores], several)

    def impute(self, X: Any) -> Any:
        """Return the series with its missing values rebuilt, and all others as they are.

        Parameters
        ----------
        X : like X in `score_samples`

        Returns
        -------
        Like X
            Steps that time stamps leave out aren't added.
        """
        scores, _, several = self._results(X, "rebuilt")
        full = []
        for part, s in scores:
            values = part.values.astype(np.float64)
            full.append(part.restored(np.where(np.isnan(values), s["rebuilt"], values)))
        return _joined(full, several)

    def stream(self, X: Any = None) -> SeriesStream:
        """Return an object that scores new steps as they come, one at a time.

        Parameters
        ----------
        X : like X in `score_samples`, optional
            The steps before, of which the last window is remembered.

        Returns
        -------
        SeriesStream

        Examples
        --------
        >>> import numpy as np
        >>> import aecore as ae
        >>> X = np.sin(np.arange(1000) / 9)
        >>> detector = ae.SeriesDetector(window=32, random_state=0).fit(X[:900])
        >>> stream = detector.stream(X[:900])
        >>> scores = [stream.update(x) for x in X[900:]]
        >>> min(scores) > detector.threshold_, stream.update(9.0) < detector.threshold_
        (True, True)
        """
        found = self._fitted_state()
        stream = SeriesStream(found)
        if X is not None:
            (part, *others) = self._read(X, found)
            if others:
                raise ValueError(f"X: expected one series, got {len(others) + 1}")
            run = part.runs(found.window, found.step)[-1]
            stream._remember(run.values[-found.window :])
        return stream

    # ---- protocol -------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.one_d_array = True
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


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _mask_option(mask: np.ndarray | None) -> dict[str, Any]:
    return {} if mask is None else {"sample_mask": mask}


def _common_step(parts: list[Series]) -> float | None:
    """Return what the time stamps of all series are apart; None without any."""
    steps = [step for step in (part.step() for part in parts) if step is not None]
    if not steps:
        return None
    if len(steps) < len(parts):
        raise ValueError(f"X: expected time stamps for all series or none, got {len(steps)} with")
    step = float(np.median(steps))
    for part, own in zip(parts, steps, strict=True):
        if abs(own - step) > STEP_TOLERANCE * step:
            raise ValueError(f"{part.name}: expected time stamps {step:g} apart, got {own:g}")
    return step


def _joined(found: list[Any], several: bool) -> Any:
    return found if several else found[0]

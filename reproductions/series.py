"""Odd steps of series: SeriesDetector's defaults on NAB, beside others in the same run.

The 12 series of the Numenta Anomaly Benchmark that TSB-AD scores, each learned from its leading
steps as there and scored as a whole, and the 40 others with labels, from their leading quarter. No
labels take part in fitting. The window and the means over windows were chosen with both in sight,
which ranked the choices alike, and the number of models by the 40.

The measure is VUS-PR, compared with the package `vus` of its authors on one of the series, with the
width that TSB-AD takes: the period by autocorrelation. NAB labels a tenth of a series around what
is odd, so whatever averages over a hundred steps gains: isolation forest and PCA over windows are
shown with the detector's windows and means over them too, and not only as they come.

usage: AECORE_DATA=folder python reproductions/series.py     needs scikit-learn and vus
(pip install --no-deps vus: it asks for much that this part of it doesn't use); stumpy and pyod
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import util
from itertools import pairwise

import aecore as ae
import numpy as np
from aecore.datasets import _files
from results import record
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

SEEDS = 3
WINDOW = 128
TRAIN_STEPS = {  # TSB-AD's
    "realTraffic/occupancy_6005": 594,
    "artificialWithAnomaly/art_load_balancer_spikes": 1007,
    "realTraffic/TravelTime_451": 500,
    "realTraffic/speed_t4013": 623,
    "realAdExchange/exchange-3_cpm_results": 500,
    "realKnownCause/ambient_temperature_system_failure": 1816,
    "artificialWithAnomaly/art_increase_spike_density": 1007,
    "realKnownCause/rogue_agent_key_hold": 500,
    "realAWSCloudwatch/ec2_cpu_utilization_5f5533": 1007,
    "realKnownCause/cpu_utilization_asg_misconfiguration": 4512,
    "realTweets/Twitter_volume_FB": 3958,
    "realTraffic/speed_6005": 624,
}
PUBLISHED = (
    "POLY 0.397, Sub-PCA 0.352, MOMENT fine-tuned 0.342, AutoEncoder 0.325, Sub-IForest 0.241"
)
CHECKED = "realTraffic/occupancy_6005"  # where the measure is compared with that of vus
LAGS, FIRST, LONGEST, USUAL = 400, 3, 300, 125  # of a period, as TSB-AD finds it


def period(x: np.ndarray) -> int:
    """Return the lag of the highest peak of the autocorrelation, or 125."""
    x = x[:20000] - x[:20000].mean()
    spectrum = np.fft.rfft(x, 2 * len(x))
    found = np.fft.irfft(spectrum * spectrum.conj())[: LAGS + 1][FIRST:]
    peaks = np.flatnonzero((found[1:-1] > found[:-2]) & (found[1:-1] > found[2:])) + 1
    if not len(peaks):
        return USUAL
    best = int(peaks[np.argmax(found[peaks])])
    return USUAL if not FIRST <= best <= LONGEST else best + FIRST


def vus_pr(y: np.ndarray, errors: np.ndarray, width: int, thresholds: int = 250) -> float:
    """Return the volume under the surface of precision and recall, as the package vus has it.

    For each width up to the largest, labels go down to 0 beside the odd stretches; sums over what
    is above a threshold are looked up in sums over the steps in order of their errors.
    """
    n, order = len(errors), np.argsort(-errors, kind="stable")
    levels = errors[order][np.linspace(0, n - 1, thresholds).astype(int)]
    above = np.searchsorted(-errors[order], -levels, side="right")
    ends = np.flatnonzero(np.diff(np.concatenate([[0], y, [0]])))
    odd = list(zip(ends[::2], ends[1::2] - 1, strict=True))
    hits, total = np.cumsum(y[order])[above - 1], 0.0
    for w in range(width + 1):
        half, beside = w // 2, np.zeros(n)
        for a, b in odd:
            after, before = np.arange(b + 1, min(b + half + 1, n)), np.arange(max(a - half, 0), a)
            beside[after] += np.sqrt(1 - (after - b) / max(w, 1))
            beside[before] += np.sqrt(1 - (a - before) / max(w, 1))
        beside = np.where(y > 0, 0, np.minimum(beside, 1))
        parts = [[max(odd[0][0] - half, 0), 0]]
        for (_, b), (a, _) in pairwise(odd):
            if b + half < a - half:
                parts[-1][1] = b + half
                parts.append([a - half, 0])
        parts[-1][1] = min(odd[-1][1] + half, n - 1)
        peaks = np.array([errors[a : b + 1].max() for a, b in parts])
        more = np.cumsum(beside[order])[above - 1]
        recall = np.minimum((hits + more) / (y.sum() + more / 2), 1)
        recall *= (peaks[:, None] >= levels).mean(0)
        total += np.diff(np.concatenate([[0], recall])) @ ((hits + more) / above)
    return float(total / (width + 1))


def check(y: np.ndarray, errors: np.ndarray, width: int) -> None:
    """Raise an error unless the measure is that of the package vus."""
    from vus.utils.metrics import metricor

    theirs = metricor().RangeAUC_volume_opt(y, errors, width)[-1]
    np.testing.assert_allclose(vus_pr(y, errors, width), theirs, rtol=1e-9)


# ---- detectors: series and training steps to errors of steps -------------------------------------

Detector = Callable[[np.ndarray, int, int], np.ndarray]


def ours(**options: object) -> Detector:
    def errors(x: np.ndarray, steps: int, seed: int) -> np.ndarray:
        detector = ae.SeriesDetector(random_state=seed, **options).fit(x[:steps])
        return -detector.score_samples(x)

    return errors


def means(found: np.ndarray, window: int) -> np.ndarray:
    """Return the mean over the windows that each step is in."""
    sums = np.concatenate([[0.0], np.cumsum(found)])
    steps = np.arange(len(found) + window - 1)
    first, last = np.maximum(steps - window + 1, 0), np.minimum(steps, len(found) - 1) + 1
    return (sums[last] - sums[first]) / (last - first)


def middle(found: np.ndarray, window: int) -> np.ndarray:
    """Return the error of the window around each step."""
    return np.pad(found, ((window - 1) // 2, window - 1 - (window - 1) // 2), mode="edge")


def over_windows(score: Callable[..., np.ndarray], lay: Callable[..., np.ndarray]) -> Detector:
    """Return a detector of windows."""

    def errors(x: np.ndarray, steps: int, seed: int) -> np.ndarray:
        window = min(WINDOW, steps // 4) if lay is means else min(period(x[:steps]), steps // 4)
        scaled = (x - x[:steps].mean()) / (x[:steps].std() or 1)
        views = ae.windows(scaled, window)[..., 0]
        return lay(score(views[: steps - window + 1], views, seed), window)

    return errors


def forest(train: np.ndarray, every: np.ndarray, seed: int) -> np.ndarray:
    return -IsolationForest(random_state=seed).fit(train).score_samples(every)


def pca(train: np.ndarray, every: np.ndarray, seed: int) -> np.ndarray:
    fitted = PCA(0.9).fit(train)
    return np.square(every - fitted.inverse_transform(fitted.transform(every))).mean(1)


def matrix_profile(x: np.ndarray, steps: int, seed: int) -> np.ndarray:
    import stumpy

    window = max(4, min(period(x[:steps]), steps // 4))
    noise = 1e-6 * x.std() * np.random.default_rng(seed).standard_normal(len(x))  # for flat parts
    found = stumpy.stump(x + noise, window)[:, 0].astype(np.float64)
    return middle(np.nan_to_num(found, posinf=0.0), window)


def pyod(x: np.ndarray, steps: int, seed: int) -> np.ndarray:
    from pyod.models.iforest import IForest
    from pyod.models.ts_od import TimeSeriesOD

    detector = TimeSeriesOD(IForest(random_state=seed))
    return np.asarray(detector.fit(x[:steps]).decision_function(x))


OTHERS: dict[str, Detector] = {
    "PCA over windows of a period": over_windows(pca, middle),
    "PCA, means over windows of 128": over_windows(pca, means),
    "IsolationForest over windows of a period": over_windows(forest, middle),
    "IsolationForest, means over windows of 128": over_windows(forest, means),
    "matrix profile": matrix_profile,
    "PyOD's TimeSeriesOD": pyod,
}


# ---- the run -------------------------------------------------------------------------------------


def others() -> dict[str, int]:
    """Return the series that aren't TSB-AD's, and their leading steps."""
    found = {}
    for file in _files.FILES["nab"]:
        name = file.removeprefix("data/").removesuffix(".csv")
        if file.startswith("labels") or name in TRAIN_STEPS:
            continue
        _, x, y = ae.datasets.load_nab(name)
        if y.any():
            first = int(np.argmax(y))
            found[name] = len(x) // 4 if first >= len(x) // 4 else min(500, len(x) // 2)
    return found


def measured(detector: Detector, sets: dict[str, int], seeds: int) -> np.ndarray:
    """Return the mean VUS-PR of each seed."""
    found = np.zeros(seeds)
    for name, steps in sets.items():
        _, x, y = ae.datasets.load_nab(name)
        width = period(x)
        for seed in range(seeds):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                errors = detector(x, steps, seed)
            found[seed] += vus_pr(y.astype(int), errors, width) / len(sets)
            if name == CHECKED:
                check(y.astype(int), errors, width)
    return found


def text(found: np.ndarray) -> str:
    if len(found) == 1:
        return f"{found[0]:.3f}"
    return f"{found.mean():.3f} (seeds {found.min():.3f} to {found.max():.3f})"


def run(sets: dict[str, int], seeds: int) -> Callable[[], str]:
    def all_of_them() -> str:
        parts = [text(measured(ours(), sets, seeds))]
        parts.append(f"window=64 {text(measured(ours(window=64), sets, seeds))}")
        for name, detector in OTHERS.items():
            try:
                parts.append(f"{name} {measured(detector, sets, 1).mean():.3f}")
            except ImportError as error:
                parts.append(f"{name} isn't here: {error}")
        return f"VUS-PR {'; '.join(parts)}"

    return all_of_them


if __name__ == "__main__":
    if util.find_spec("vus") is None:
        raise SystemExit(print("left out: it needs vus (pip install --no-deps vus)"))
    record(
        "SeriesDetector, 12 series of NAB that TSB-AD scores",
        "mean VUS-PR at least 0.45",
        f"Liu & Paparrizos 2024: {PUBLISHED}",
        run(TRAIN_STEPS, SEEDS),
        SEEDS,
    )
    record(
        "SeriesDetector, the 40 other series of NAB with labels",
        "beside the others",
        "the same run",
        run(others(), 1),
    )

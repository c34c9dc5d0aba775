"""Data that are drawn, not read: for examples that need no download.

A RandomState's stream is frozen for good, so that they are the same with every NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.sklearn import new_seed

METRE = {"Bergen": 5.2, "Lyon": 4.1, "Porto": 2.9}  # thousands of euros a square metre
HOME = [("kind", "U5"), ("city", "U6"), ("area", "f8"), ("rooms", "f8"), ("heating", "U8"),
        ("price", "f8")]  # fmt: skip
SENSORS = ["load", "temperature", "pressure"]


def stream(random_state: Any) -> np.random.RandomState:
    """Return the stream of a seed."""
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(new_seed(random_state))))


def frame_of(values: NDArray[Any], index: Any = None, columns: list[str] | None = None) -> Any:
    """Return a data frame of pandas, in which empty words are missing."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "as_frame: expected pandas to be installed: pip install 'aecore[tabular]'"
        ) from error
    frame = pandas.DataFrame(values, index, columns)
    words = [name for name in frame if not pandas.api.types.is_numeric_dtype(frame[name])]
    return frame.assign(**{name: frame[name].where(frame[name] != "") for name in words})


def draw_homes(rng: np.random.RandomState, n: int) -> NDArray[Any]:
    """Draw homes, whose columns follow from one another but for noise."""
    homes = np.empty(n, HOME)
    house = rng.random_sample(n) < 0.55
    homes["kind"] = np.where(house, "house", "flat")
    homes["city"] = rng.choice(list(METRE), n, p=[0.3, 0.4, 0.3])
    homes["area"] = np.round(rng.gamma(9, 11, n) * np.where(house, 1.5, 1))
    homes["rooms"] = np.clip(np.round(homes["area"] / 26 + 0.6 * rng.standard_normal(n)), 1, 9)
    homes["heating"] = np.where(house, "pump", "district")
    homes["heating"][homes["city"] == "Porto"] = "none"
    metre = np.array([METRE[city] for city in homes["city"]])
    homes["price"] = np.round(metre * homes["area"] * (1 + 0.06 * rng.standard_normal(n)))
    return homes


def damage_homes(
    rng: np.random.RandomState, homes: NDArray[Any], gaps: float, odd: float
) -> NDArray[Any]:
    """Return a copy with cells left out, and cells that are wrong: some other home's."""
    damaged = homes.copy()
    for name, kind in HOME:
        wrong = rng.random_sample(len(homes)) < odd
        damaged[name][wrong] = rng.permutation(homes[name])[wrong]
        damaged[name][rng.random_sample(len(homes)) < gaps] = "" if kind[0] == "U" else np.nan
    return damaged


def draw_sensors(
    rng: np.random.RandomState, n: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Draw the load (kW), temperature (degrees Celsius) and pressure (bar) of a machine, hourly."""
    t = np.arange(n)
    day, week = np.sin(2 * np.pi * t / 24), np.sin(2 * np.pi * t / 168)
    load = 40 + 12 * day + 5 * week
    temperature = 55 + 0.4 * np.roll(load - 40, 3) + 3 * np.sin(2 * np.pi * t / 700)
    pressure = 6 + 0.05 * (load - 40) - 0.02 * (temperature - 55)
    X = np.stack([load, temperature, pressure], axis=1)
    X += rng.standard_normal(X.shape) * [1.0, 0.4, 0.05]
    y = np.zeros(n, bool)
    start = n * 7 // 10
    for i, sensor in enumerate((1, 0, 2)):  # in the last three tenths, one after another
        rows = slice(start + i * n // 10, start + i * n // 10 + 30)
        X[rows, sensor] += (6.0, 0.0, 0.4)[i]  # too warm, stuck, too high
        if i == 1:
            X[rows, sensor] = X[rows, sensor][:1]
        y[rows] = True
    return X, y

"""The data of the lessons, and how much of them.

A lesson takes real data by `aecore.datasets`: from ``$AECORE_DATA`` or the cache, or downloaded.
Where they can't be had it takes what stands in for them, samples of the same shape and kind, such
as scikit-learn's small digits, blown up, for those of MNIST. With ``AECORE_NOTEBOOK=short`` lessons
run on these alone and in seconds, which says that they run and little else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import aecore as ae
import numpy as np

T = TypeVar("T")
Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

SHORT = os.environ.get("AECORE_NOTEBOOK") == "short"


def pick(full: T, short: T) -> T:
    """Return the first, or in the short form of a lesson the second."""
    return short if SHORT else full


def mnist(n: int, n_test: int) -> Split:
    """Return images of digits, 28 x 28 x 1 and uint8, and which they are."""
    return _some(ae.datasets.load_mnist, _digits, n, n_test)


def cifar10(n: int, n_test: int) -> Split:
    """Return photographs, 32 x 32 x 3 and uint8, and which of ten things they show."""
    return _some(ae.datasets.load_cifar10, _colours, n, n_test)


def ecg5000(n: int, n_test: int) -> Split:
    """Return heartbeats of 140 steps and their kind: 1 is normal."""
    return _some(ae.datasets.load_ecg5000, _beats, n, n_test)


def vehicle_claims(n: int, n_test: int) -> Split:
    """Return claims to an insurance, a table, and which of them are fraud."""
    return _some(ae.datasets.load_vehicle_claims, _claims, n, n_test)


def kddcup99(n: int, n_test: int) -> Split:
    """Return connections to a network, a table, and what they are: 0 is normal."""
    return _some(ae.datasets.load_kddcup99, _connections, n, n_test)


def taxi() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return time stamps, counts of passengers in half an hour, and what is known to be odd."""
    if not SHORT:
        try:
            return ae.datasets.load_nab("realKnownCause/nyc_taxi")
        except (FileNotFoundError, ImportError) as error:
            print(f"No real data ({error}), but what stands in for them.")
    return _passengers()


def _some(load: Callable[[], Split], stand_in: Callable[[], Split], n: int, n_test: int) -> Split:
    found = None
    if not SHORT:
        try:
            found = load()
        except (FileNotFoundError, ImportError) as error:
            print(f"No real data ({error}), but what stands in for them.")
    X, y, X_test, y_test = stand_in() if found is None else found
    rows, test_rows = _spread(len(X), n), _spread(len(X_test), n_test)
    return X[rows], y[rows], X_test[test_rows], y_test[test_rows]


def _spread(n: int, some: int) -> np.ndarray:
    """Return places from the first to the last: what comes first may be easier than the rest."""
    return np.linspace(0, n - 1, min(n, some)).astype(int)


# ---- what stands in ------------------------------------------------------------------------------


def _digits() -> Split:
    """Scikit-learn's digits, 8 x 8, three times as large and with a margin."""
    X, y, X_test, y_test = ae.datasets.load_digits()
    X, X_test = (np.pad(_larger(i, 3), [(0, 0), (2, 2), (2, 2), (0, 0)]) for i in (X, X_test))
    return X, y, X_test, y_test


def _colours() -> Split:
    """The same digits in a colour on a shaded ground of another."""
    X, y, X_test, y_test = ae.datasets.load_digits()
    rng = np.random.default_rng(0)

    def paint(images: np.ndarray) -> np.ndarray:
        ink, paper = rng.random((2, len(images), 1, 1, 3))
        shade = np.linspace(0.4, 1, 32)[:, None, None]
        share = _larger(images, 4) / 255
        return np.uint8(255 * (share * ink + (1 - share) * paper * shade))

    return paint(X), y, paint(X_test), y_test


def _larger(images: np.ndarray, times: int) -> np.ndarray:
    return images.repeat(times, 1).repeat(times, 2)


def _beats() -> Split:
    """Waves of three humps; in beats that aren't normal the tall one is wide and upside down."""
    rng, steps = np.random.default_rng(0), np.arange(140)

    def beats(n: int) -> tuple[np.ndarray, np.ndarray]:
        kinds = np.where(rng.random(n) < 0.6, 1, rng.integers(2, 6, n))
        X = np.zeros((n, 140))
        for place, width, height in ((25, 6, 0.5), (55, 3, 3.0), (100, 10, 0.9)):
            at = place + rng.normal(0, 2, (n, 1))
            odd = (kinds[:, None] > 1) & (place == 55)
            size = np.where(odd, -2.0, height) * rng.normal(1, 0.1, (n, 1))
            X += size * np.exp(-0.5 * ((steps - at) / (width * np.where(odd, 3, 1))) ** 2)
        X += rng.normal(0, 0.05, X.shape)
        X = (X - X.mean(1, keepdims=True)) / X.std(1, keepdims=True)
        return np.float32(X[..., None]), kinds

    return *beats(500), *beats(600)


AGES = "18 to 20,21 to 25,26 to 30,31 to 35,36 to 40,41 to 50,51 to 65,over 65".split(",")


def _claims() -> Split:
    """A few columns of the claims; those of fraud are dear, of new cars and soon after signing."""
    rng = np.random.default_rng(0)

    def claims(n: int) -> tuple[np.ndarray, np.ndarray]:
        fraud = rng.random(n) < 0.06
        words = ("VehicleCategory", "BasePolicy", "PolicyType", "AgeOfPolicyHolder", "Fault")
        words += ("Sex", "MaritalStatus", "AgeOfVehicle")
        X = np.zeros(n, [("Age", float), ("Deductible", float), *((w, "U21") for w in words)])
        age = rng.integers(18, 80, n)
        X["Age"] = age
        X["Deductible"] = rng.choice([300, 400, 500, 700], n, p=[0.05, 0.8, 0.1, 0.05])
        X["VehicleCategory"] = rng.choice(["Sedan", "Sport", "Utility"], n, p=[0.6, 0.3, 0.1])
        X["BasePolicy"] = rng.choice(["All Perils", "Collision", "Liability"], n)
        X["PolicyType"] = [
            f"{a} - {b}" for a, b in zip(X["VehicleCategory"], X["BasePolicy"], strict=True)
        ]
        X["AgeOfPolicyHolder"] = np.array(AGES)[np.digitize(age, [21, 26, 31, 36, 41, 51, 66])]
        X["Sex"] = rng.choice(["Female", "Male"], n, p=[0.2, 0.8])
        X["MaritalStatus"] = np.where(rng.random(n) < (age - 15) / 50, "Married", "Single")
        X["AgeOfVehicle"] = rng.choice(["new", "4 years", "7 years", "more than 7"], n)
        third = rng.random(n) < np.where(fraud, 0.05, 0.3)
        X["Fault"] = np.where(third, "Third Party", "Policy Holder")
        X["Age"][rng.random(n) < 0.02] = np.nan
        return X, fraud.astype(np.int64)

    return *claims(1500), *claims(500)


def _connections() -> Split:
    """A few columns of the connections; attacks are short, many at a time, and fail."""
    rng = np.random.default_rng(0)

    def connections(n: int) -> tuple[np.ndarray, np.ndarray]:
        attack = rng.random(n) < 0.5
        names = ("duration", "src_bytes", "dst_bytes", "count", "serror_rate")
        words = [("protocol_type", "U5"), ("service", "U12"), ("flag", "U7")]
        X = np.zeros(n, [*((name, float) for name in names), *words])
        X["duration"] = np.where(attack, 0, rng.exponential(30, n)).round()
        X["src_bytes"] = np.where(attack, 0, rng.lognormal(6, 1, n)).round()
        X["dst_bytes"] = np.where(attack, 0, rng.lognormal(7, 1.5, n)).round()
        X["count"] = np.where(attack, rng.integers(100, 300, n), rng.integers(1, 20, n))
        X["serror_rate"] = np.where(attack, 1, rng.random(n) < 0.02)
        X["protocol_type"] = np.where(attack | (rng.random(n) < 0.8), "tcp", "udp")
        X["service"] = np.where(attack, "private", rng.choice(["http", "smtp", "domain_u"], n))
        X["flag"] = np.where(attack, "S0", "SF")
        return X, attack * rng.choice([10, 15], n)

    return *connections(3000), *connections(1000)


def _passengers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thirty days of half hours with a rhythm of days and weeks, and an odd day."""
    rng, steps = np.random.default_rng(0), np.arange(30 * 48)
    stamps = np.datetime64("2014-07-01T00:00:00") + steps * np.timedelta64(30, "m")
    counts = 15_000 - 9_000 * np.cos(steps / 24 * np.pi) + 2_000 * np.sin(steps / 168 * np.pi)
    counts += rng.normal(0, 500, len(steps))
    odd = (steps >= 24 * 48) & (steps < 25 * 48)
    return stamps, np.where(odd, counts / 3, counts), odd

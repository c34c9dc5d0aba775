"""What the default architecture of sequences of one length was chosen by.

Autoencoders with a code of 8 numbers, trained for 300 steps of 64 sequences: the squared error per
value of sequences that training hasn't seen, and how long the training took. Results go to
`sequences.json`, of which `make readme` makes the table in docs/family/sequences.md.

usage: AECORE_DATA=folder python reproductions/sequences.py
"""

from __future__ import annotations

import json
import pathlib
import time

import aecore as ae
import numpy as np

FILE = pathlib.Path(__file__).with_suffix(".json")
SEEDS, STEPS, BATCH, CODE, WINDOW = range(3), 300, 64, 8, 64
ARCHITECTURES = {"Dense()": ae.Dense, "Conv()": ae.Conv, "LSTM()": ae.LSTM}
SERIES = {
    "NAB's taxi passengers": "realKnownCause/nyc_taxi",
    "NAB's ambient temperature": "realKnownCause/ambient_temperature_system_failure",
    "NAB's art_daily_jumpsdown": "artificialWithAnomaly/art_daily_jumpsdown",
}


def beats() -> tuple[np.ndarray, np.ndarray]:
    X, y, X_test, y_test = ae.datasets.load_ecg5000()
    return X[y == 1], X_test[y_test == 1][:1000]


def sensors() -> tuple[np.ndarray, np.ndarray]:
    t, rng = np.arange(12_000), np.random.default_rng(0)
    waves = np.sin(t / 9 + 0.3 * np.sin(t / 200)), np.cos(t / 9) * np.sin(t / 50), np.sin(t / 23)
    X = (np.stack(waves, axis=1) + 0.1 * rng.standard_normal((len(t), 3))).astype(np.float32)
    return ae.windows(X[:6_400], WINDOW, 4), ae.windows(X[6_400:], WINDOW, 4)


def windows(name: str) -> tuple[np.ndarray, np.ndarray]:
    _, values, _ = ae.datasets.load_nab(name)
    scaled = ((values - values.mean()) / values.std()).astype(np.float32)
    half = len(scaled) // 2
    return ae.windows(scaled[:half], WINDOW, 2), ae.windows(scaled[half:], WINDOW, 3)


def measured(X: np.ndarray, X_test: np.ndarray) -> dict[str, dict[str, list[float]]]:
    epochs = max(1, round(STEPS / (len(X) / BATCH)))
    found: dict[str, dict[str, list[float]]] = {}
    for name, arch in ARCHITECTURES.items():
        found[name] = {"error": [], "seconds": []}
        for seed in SEEDS:
            options = {"epochs": epochs, "batch_size": BATCH, "random_state": seed}
            started = time.perf_counter()
            model = ae.Autoencoder(arch(), CODE, **options).fit(X)
            found[name]["seconds"].append(time.perf_counter() - started)
            found[name]["error"].append(float(((model.reconstruct(X_test) - X_test) ** 2).mean()))
        print(name, found[name], flush=True)
    return found


def main() -> None:
    sets = {"ECG5000, normal beats of 140 steps": beats(), "three simulated sensors": sensors()}
    sets |= {f"{title}, windows of {WINDOW}": windows(name) for title, name in SERIES.items()}
    found = {title: {"methods": measured(*given)} for title, given in sets.items()}
    FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Long series on the command line: scores, events and reconstructions are those of the library."""

import csv

import aecore as ae
import numpy as np
import pytest
from support.commands import complaint, status, told

NAMES = ["a", "b"]


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    t = np.arange(900)
    X = np.stack([np.sin(t / 9), 100 + 20 * np.cos(t / 9)], 1)
    X += [0.05, 1] * rng.standard_normal(X.shape)
    X[700:720, 1] += 20
    stamps = np.datetime64("2026-01-01T00:00:00") + t * np.timedelta64(60, "s")
    return stamps, X.round(4)


@pytest.fixture
def files(series, tmp_path, capsys):
    stamps, X = series
    for name, rows in (("train", slice(0, 500)), ("all", slice(0, 900))):
        with open(tmp_path / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["stamp", *NAMES])
            for stamp, row in zip(stamps[rows], X[rows], strict=True):
                writer.writerow([str(stamp).replace("T", " "), *row])
        np.save(tmp_path / f"{name}.npy", X[rows])
    options = ("--window", "32", "--seed", "0", "--n-models", "1", "-m", "series")
    told(capsys, "train", tmp_path / "train.csv", "--time", "stamp", *options, "-o",
         tmp_path / "m.safetensors")  # fmt: skip
    told(capsys, "train", tmp_path / "train.npy", *options, "-o", tmp_path / "n.safetensors")
    return tmp_path


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_scores_verdicts_and_events(series, files, capsys):
    stamps, X = series
    model = ae.load(files / "m.safetensors")
    assert model.step_ == 60 and list(model.feature_names_in_) == NAMES
    wanted = ae.SeriesDetector(32, random_state=0, n_models=1).fit(X[:500])
    scores = wanted.score_samples(X)
    for more in ((), ("--time", "stamp")):
        call = ("score", files / "m.safetensors", files / "all.csv", *more, "-o", files / "s.csv")
        answer = told(capsys, *call)
        rows = rows_of(files / "s.csv")
        np.testing.assert_allclose([float(r["score"]) for r in rows], scores, rtol=1e-6)
        assert [int(r["verdict"]) for r in rows] == wanted.predict(X).tolist()
        assert rows[700]["stamp"] == str(stamps[700])
        (event,) = answer["events"]
        assert event["features"].startswith("b") and abs(event["steps"] - 20) <= 10
        assert answer["outliers"] == (scores < wanted.offset_).sum()
    answer = told(
        capsys, "score", files / "n.safetensors", files / "all.npy", "-o", files / "s.npy"
    )
    np.testing.assert_array_equal(np.load(files / "s.npy"), scores)
    assert abs(answer["events"][0]["start"] - 700) <= 8


def test_the_only_column_of_times_is_found(files, capsys):
    path = files / "found.safetensors"
    options = ("--window", "32", "--seed", "0", "--n-models", "1", "-m", "series", "-o", path)
    told(capsys, "train", files / "train.csv", *options)
    told(capsys, "score", path, files / "all.csv", "-o", files / "found.csv")
    told(capsys, "score", files / "m.safetensors", files / "all.csv", "-o", files / "named.csv")
    assert (files / "found.csv").read_text() == (files / "named.csv").read_text()


def test_events_for_people(files, capsys):
    assert status("score", files / "m.safetensors", files / "all.csv") == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("events   1")
    assert lines[at + 1].startswith("         2026-01-01 11:") and "  b" in lines[at + 1]


def test_features_and_reconstructions_have_their_time_stamps(series, files, capsys):
    stamps, X = series
    wanted = ae.SeriesDetector(32, random_state=0, n_models=1).fit(X[:500])
    for command, found in (
        (("score", "--errors"), wanted.score_features(X)),
        (("reconstruct",), wanted.reconstruct(X)),
        (("impute",), X),
    ):
        name, *more = command
        out = files / "out.csv"
        told(capsys, name, files / "m.safetensors", files / "all.csv", *more, "-o", out)
        rows = rows_of(out)
        assert list(rows[0]) == ["stamp", *NAMES] and rows[9]["stamp"] == str(stamps[9])
        got = [[float(row[n]) for n in NAMES] for row in rows]
        np.testing.assert_allclose(got, found, rtol=1e-4, atol=1e-6)


def test_calls_that_make_no_sense(files, capsys):
    other = files / "ae.safetensors"
    ae.Autoencoder(latent_dim=2, epochs=1, random_state=0).fit(
        np.random.default_rng(0).random((60, 4))
    ).save(other)
    message = complaint(capsys, "score", other, files / "all.csv", "--time", "stamp")
    assert "--time: expected none for the kind ae" in message
    message = complaint(
        capsys, "score", files / "m.safetensors", files / "all.csv", "--time", "when"
    )
    assert "'when'" in message
    message = complaint(capsys, "train", files / "train.csv", "-m", "series", "-o", files / "x",
                        "--time", "a")  # fmt: skip
    assert "column 'stamp': expected numbers" in message

"""Pairs on the command line: --target."""

import json
from pathlib import Path

import aecore as ae
import numpy as np
import pytest
from aecore.cli import main

rng = np.random.default_rng(0)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clean = rng.random((40, 6, 6, 1), np.float32)
    noisy = (clean + rng.normal(0, 0.1, clean.shape)).astype(np.float32)
    np.save("clean.npy", clean)
    np.save("noisy.npy", noisy)
    np.save("large.npy", clean.repeat(2, 1).repeat(2, 2))
    np.save("few.npy", clean[:5])
    return noisy, clean


TRAIN = ["train", "noisy.npy", "-o", "m.safetensors", "--arch", "Conv((4,))", "--latent-dim", "4"]
TRAIN += ["--epochs", "2", "--seed", "0", "--quiet"]


def test_pairs_of_arrays(place, capsys):
    noisy, clean = place
    more = ["--validation", "few.npy", "--validation-target", "few.npy"]
    assert main([*TRAIN, "--target", "clean.npy", *more]) == 0
    model = ae.load("m.safetensors")
    twin = ae.Autoencoder(ae.Conv((4,)), 4, epochs=2, random_state=0)
    twin.fit(noisy, target=clean, X_val=(clean[:5], clean[:5]))
    np.testing.assert_array_equal(model.transform(noisy), twin.transform(noisy))
    assert model.history_[-1]["val_loss"] == twin.history_[-1]["val_loss"]
    capsys.readouterr()
    assert main(["score", "m.safetensors", "noisy.npy", "--target", "clean.npy", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["mean"] == pytest.approx(model.score(noisy, target=clean), rel=1e-5)
    out = ["-o", "e.npy", "--errors", "--target", "clean.npy"]
    assert main(["score", "m.safetensors", "noisy.npy", *out]) == 0
    np.testing.assert_array_equal(np.load("e.npy"), model.errors(noisy, target=clean))
    assert main(["reconstruct", "m.safetensors", "noisy.npy", "-o", "r.npy"]) == 0
    np.testing.assert_array_equal(np.load("r.npy"), model.reconstruct(noisy))


def test_targets_of_another_shape(place):
    assert main([*TRAIN, "--target", "large.npy"]) == 0
    assert main(["reconstruct", "m.safetensors", "noisy.npy", "-o", "r.npy"]) == 0
    assert np.load("r.npy").shape == (40, 12, 12, 1)
    assert main(["info", "m.safetensors"]) == 0


def test_folders_of_pictures(place):
    image = pytest.importorskip("PIL.Image")
    for folder, level in (("dirty", 3), ("neat", 1)):
        (place_of := Path(folder)).mkdir()
        for i in range(8):
            pixels = np.full((6, 6), 20 * i * level % 256, np.uint8)
            image.fromarray(pixels).save(place_of / f"{i}.png")
    arguments = ["train", "dirty/", "--target", "neat/", *TRAIN[2:]]
    assert main(arguments) == 0
    assert ae.load("m.safetensors")._network.reader.target.pixels
    assert main(["reconstruct", "m.safetensors", "dirty/", "-o", "out/"]) == 0
    Path("neat/7.png").rename("neat/other.png")
    assert main(arguments) != 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--target", "few.npy"], "--target: expected 40 samples, as in DATA, got 5"),
        (["--target", "none.npy"], "none.npy"),
        (["--validation-target", "few.npy"], "expected --validation beside it"),
        (["--target", "clean.npy", "--validation", "few.npy"], "X_val: target: expected what"),
        (["--target", "clean.npy", "--model", "gan"], "target"),
        (["--target", "clean.npy", "--stream"], "--target: expected none with --stream"),
    ],
)
def test_what_makes_no_sense(place, capsys, more, said):
    arguments = [a for a in TRAIN if "gan" not in more or a not in ("--arch", "Conv((4,))")]
    assert main([*arguments, *more]) != 0
    assert said in capsys.readouterr().err


def test_a_score_needs_its_target(place, capsys):
    assert main([*TRAIN, "--target", "large.npy"]) == 0
    assert main(["score", "m.safetensors", "noisy.npy"]) != 0
    assert "target: expected what samples are to become" in capsys.readouterr().err

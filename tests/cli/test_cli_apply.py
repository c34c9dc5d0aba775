"""What commands make of a fitted model: the same as its methods."""

import json

import aecore as ae
import numpy as np
import pytest
from aecore.cli.plot import PICTURES
from support.commands import complaint, status, told

TABLE = np.random.default_rng(0).random((600, 6)).astype(np.float32)
IMAGES = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
LABELS = np.arange(40) % 3
DENSE = ae.Dense((8,))


@pytest.fixture(scope="module")
def models():
    """A fitted model of each kind that commands tell apart."""
    small = {"epochs": 1, "random_state": 0}
    return {
        "ae": ae.Autoencoder(DENSE, 2, **small).fit(TABLE),
        "vae": ae.VAE(DENSE, 2, loss="bce", **small).fit(IMAGES),
        "cvae": ae.CVAE(DENSE, 2, **small).fit(IMAGES, LABELS),
        "properties": ae.CVAE(DENSE, 2, **small).fit(TABLE[:40], TABLE[:40, :2]),
        "words": ae.CVAE(DENSE, 2, **small).fit(IMAGES, np.array(["a", "b", "c"])[LABELS]),
        "vqvae": ae.VQVAE(ae.ResNet(8, 4, 1, 1), 8, 4, **small).fit(IMAGES),
        "gan": ae.GAN(DENSE, 2, **small).fit(TABLE),
        "aae": ae.AdversarialAutoencoder(DENSE, 2, **small).fit(TABLE),
        "detector": ae.AnomalyDetector(n_models=1, random_state=0).fit(TABLE),
    }


@pytest.fixture
def files(models, tmp_path):
    for name, model in models.items():
        model.save(tmp_path / f"{name}.safetensors")
    np.save(tmp_path / "table.npy", TABLE)
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "labels.npy", LABELS)
    return tmp_path


def result(capsys, folder, command, model, *arguments, out="out.npy"):
    """Run a command on a model; return the array that it writes, and its answer."""
    path = folder / out
    answer = told(capsys, command, folder / f"{model}.safetensors", *arguments, "-o", path)
    assert answer["out"] == str(path)
    return np.load(path), answer


# ---- encode, decode, reconstruct, score ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["ae", "aae"])
def test_codes_and_back(kind, models, files, capsys):
    model = models[kind]
    codes, answer = result(capsys, files, "encode", kind, files / "table.npy")
    np.testing.assert_array_equal(codes, model.transform(TABLE))
    assert answer["shape"] == [600, 2] and answer["model"] == kind
    rebuilt, _ = result(capsys, files, "decode", kind, files / "out.npy", out="rebuilt.npy")
    np.testing.assert_array_equal(rebuilt, model.inverse_transform(codes))
    rebuilt, _ = result(capsys, files, "reconstruct", kind, files / "table.npy")
    np.testing.assert_array_equal(rebuilt, model.reconstruct(TABLE))


def test_codes_as_text_decode_to_the_same(models, files, capsys):
    model = files / "ae.safetensors"
    told(capsys, "encode", model, files / "table.npy", "-o", files / "codes.csv")
    assert (files / "codes.csv").read_text().startswith("autoencoder0,autoencoder1\n")
    rebuilt, _ = result(capsys, files, "decode", "ae", files / "codes.csv")
    np.testing.assert_array_equal(rebuilt, models["ae"].reconstruct(TABLE))


def test_maps_of_codes(models, files, capsys):
    codes, answer = result(capsys, files, "encode", "vqvae", files / "images.npy")
    np.testing.assert_array_equal(codes, models["vqvae"].transform(IMAGES))
    assert codes.dtype.kind == "i" and answer["shape"] == [40, 4, 4]
    rebuilt, _ = result(capsys, files, "decode", "vqvae", files / "out.npy", out="rebuilt.npy")
    np.testing.assert_array_equal(rebuilt, models["vqvae"].inverse_transform(codes))
    path = files / "codes.csv"
    told(capsys, "encode", files / "vqvae.safetensors", files / "images.npy", "-o", path)
    told(capsys, "decode", files / "vqvae.safetensors", path, "-o", files / "o.npy")
    np.testing.assert_array_equal(np.load(files / "o.npy"), rebuilt)
    path.write_text(",".join("abcdefghijklmnop") + "\n0.5" + ",1" * 15 + "\n")
    message = complaint(capsys, "decode", files / "vqvae.safetensors", path, "-o", files / "o.npy")
    assert "Z: expected integers, numbers of codebook entries" in message


def test_conditions_come_along(models, files, capsys):
    y = ("--y", files / "labels.npy")
    codes, _ = result(capsys, files, "encode", "cvae", files / "images.npy", *y)
    np.testing.assert_array_equal(codes, models["cvae"].transform(IMAGES, LABELS))
    scores, _ = result(capsys, files, "score", "cvae", files / "images.npy", *y)
    np.testing.assert_array_equal(scores, models["cvae"].score_samples(IMAGES, LABELS))
    call = ("encode", files / "cvae.safetensors", files / "images.npy", "-o", files / "o.npy")
    assert complaint(capsys, *call).startswith("--y: expected the condition of each sample")
    assert not (files / "o.npy").exists()


def test_scores(models, files, capsys):
    scores, answer = result(capsys, files, "score", "ae", files / "table.npy")
    expected = models["ae"].score_samples(TABLE)
    np.testing.assert_array_equal(scores, expected)
    wide = expected.astype(np.float64)
    assert answer["samples"] == 600
    np.testing.assert_allclose(answer["mean"], wide.mean(), rtol=1e-12)
    np.testing.assert_allclose(answer["std"], wide.std(), rtol=1e-9)
    assert (answer["min"], answer["max"]) == (wide.min(), wide.max())
    lowest = np.argsort(wide, kind="stable")[:5]
    assert [v["sample"] for v in answer["lowest"]] == lowest.tolist()
    assert [v["score"] for v in answer["lowest"]] == wide[lowest].tolist()
    errors, _ = result(capsys, files, "score", "ae", files / "table.npy", "--errors")
    np.testing.assert_array_equal(errors, models["ae"].errors(TABLE))


def test_lowest_scores_are_found_across_blocks(files, monkeypatch, capsys):
    monkeypatch.setattr("aecore.cli._source.BLOCK_BYTES", 1)
    X = TABLE.copy()
    X[[3, 300, 555]] = 50
    np.save(files / "odd.npy", X)
    answer = told(capsys, "score", files / "ae.safetensors", files / "odd.npy")
    assert {v["sample"] for v in answer["lowest"][:3]} == {3, 300, 555}
    assert answer["out"] is None


def test_score_for_people(files, capsys):
    assert status("score", files / "ae.safetensors", files / "table.npy", "-q") == 0
    assert capsys.readouterr().out == ""
    assert status("score", files / "ae.safetensors", files / "table.npy") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "samples  600" and lines[1].startswith("mean     -")


@pytest.mark.parametrize(
    "command, model, arguments, message",
    [
        ("encode", "gan", ("table.npy",), "MODEL: expected a kind with codes, got gan"),
        ("encode", "ae", ("images.npy",), "X: expected samples of shape (6,), as in fit"),
        ("encode", "ae", ("labels.npy",), "expected samples of shape (N, F)"),
        ("decode", "ae", ("table.npy",), "Z: expected codes of shape (N, 2), got (600, 6)"),
        ("score", "ae", ("table.npy", "--errors"), "--errors: expected -o"),
        ("score", "nothing", ("table.npy",), "nothing.safetensors: No such file or directory"),
        ("reconstruct", "ae", ("table.npy", "-o", "folder"), "folder: expected .npy, .npz, .csv"),
    ],
)
def test_wrong_calls_say_why(command, model, arguments, message, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    if command != "score" and "-o" not in arguments:
        arguments = (*arguments, "-o", "new.npy")
    assert message in complaint(capsys, command, f"{model}.safetensors", *arguments)
    assert not (files / "new.npy").exists()
    assert not [p for p in files.iterdir() if p.name.startswith(".aecore")]


def test_a_file_that_is_no_model(files, capsys):
    (files / "bad.safetensors").write_text("nothing")
    message = complaint(capsys, "score", files / "bad.safetensors", files / "table.npy")
    assert "expected a whole model file of aecore" in message


def test_samples_that_make_no_sense_are_placed(files, monkeypatch, capsys):
    monkeypatch.setattr("aecore.cli._source.BLOCK_BYTES", 1)
    X = TABLE.copy()
    X[300, 2] = np.inf
    np.save(files / "odd.npy", X)
    message = complaint(capsys, "score", files / "ae.safetensors", files / "odd.npy")
    assert message.startswith("from sample 256 on: Input X contains infinity (in row 44)")


# ---- sample -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, options, y",
    [
        ("vae", (), None),
        ("vqvae", (), None),
        ("gan", (), None),
        ("aae", (), None),
        ("cvae", ("--y", "2"), 2),
        ("cvae", ("--y", "2,0,1,1"), [2, 0, 1, 1]),
        ("words", ("--y", "b"), "b"),
        ("properties", ("--y", "0.5,0.25"), [0.5, 0.25]),
    ],
)
def test_samples_are_those_of_the_library(kind, options, y, models, files, capsys):
    drawn, answer = result(capsys, files, "sample", kind, "-n", "4", "--seed", "7", *options)
    expected = {} if y is None else {"y": np.array(y)}
    np.testing.assert_array_equal(drawn, models[kind].sample(4, random_state=7, **expected))
    assert answer["shape"] == list(drawn.shape)


def test_samples_of_a_component(files, tmp_path, capsys):
    prior = ae.GaussianMixture(3, covariance="diag")
    model = ae.VAE(ae.Dense((4,)), 2, prior=prior, epochs=1, random_state=0).fit(TABLE)
    model.save(files / "mixture.safetensors")
    how = ("-n", "4", "--seed", "7", "--y", "2")
    drawn, _ = result(capsys, files, "sample", "mixture", *how)
    np.testing.assert_array_equal(drawn, model.sample(4, random_state=7, y=2))


@pytest.fixture
def maps(files):
    """Models of codes, and files of maps."""
    rng, small = np.random.default_rng(0), {"epochs": 1, "random_state": 0}
    coarse = rng.integers(0, 3, (20, 2, 2))
    fine = rng.integers(0, 4, (20, 4, 4))
    prior = ae.PixelCNN(4, layers=1, kernel_size=3, **small)
    found = {
        "plain": ae.PixelCNN(4, layers=1, kernel_size=3, **small).fit(fine),
        "fine": ae.PixelCNN(4, layers=1, kernel_size=3, **small).fit(fine, context=coarse),
        "both": ae.PixelCNN(4, layers=1, kernel_size=3, **small).fit(
            fine, np.arange(20) % 2, context=coarse
        ),
        "drawn": ae.VQVAE(ae.ResNet(8, 4, 1, 1), 4, 4, prior=prior, **small).fit(IMAGES),
    }
    for name, model in found.items():
        model.save(files / f"{name}.safetensors")
    known = np.full((4, 4), -1)
    known[0] = 1
    np.save(files / "known.npy", known)
    np.save(files / "coarse.npy", coarse[:5])
    return found | {"known": known, "coarse": coarse[:5]}


@pytest.mark.parametrize(
    "kind, options, arguments",
    [
        ("plain", ("--temperature", "0.5", "--top-k", "2"), {"temperature": 0.5, "top_k": 2}),
        ("plain", ("--given", "known.npy"), {"given": "known"}),
        ("fine", ("--context", "coarse.npy"), {"context": "coarse"}),
        ("both", ("--context", "coarse.npy", "--y", "1"), {"context": "coarse", "y": 1}),
        ("drawn", ("--temperature", "0"), {"temperature": 0.0}),
        ("drawn", ("--top-k", "3"), {"top_k": 3}),
    ],
)
def test_draws_of_codes(kind, options, arguments, maps, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    drawn, _ = result(capsys, files, "sample", kind, "-n", "5", "--seed", "7", *options)
    how = {name: maps.get(v, v) for name, v in arguments.items()}
    np.testing.assert_array_equal(drawn, maps[kind].sample(5, random_state=7, **how))


@pytest.mark.parametrize(
    "kind, options, message",
    [
        ("fine", (), "--context: expected a file of maps of 2 x 2, as in training"),
        ("both", ("--context", "coarse.npy"), "--y: expected the condition of the samples, one of"),
        ("plain", ("--context", "coarse.npy"), "context: expected None for a PixelCNN fitted"),
        ("plain", ("--given", "a=1"), "a=1"),
        ("plain", ("--given", "known.npy", "--given", "known.npy"), "--given: expected one file"),
        ("plain", ("--temperature", "warm"), "--temperature"),
        ("vqvae", ("--temperature", "0.5"), "temperature: expected none without a prior"),
        ("vae", ("--temperature", "0.5"), "--temperature: expected none for the kind vae"),
        ("vae", ("--given", "a=1"), "--given: expected none for the kind vae"),
        ("gan", ("--top-k", "2"), "--top-k: expected none for the kind gan"),
    ],
)
def test_draws_of_codes_that_make_no_sense(
    kind, options, message, maps, files, monkeypatch, capsys
):
    monkeypatch.chdir(files)
    call = ("sample", f"{kind}.safetensors", "-n", "5", "-o", "new.npy", *options)
    assert message in complaint(capsys, *call)
    assert not (files / "new.npy").exists()


def test_a_prior_is_fitted_to_codes(models, files, capsys):
    data = ("--data", files / "table.npy")
    prior = ("--prior", "GaussianMixture(2, random_state=0)")
    drawn, _ = result(capsys, files, "sample", "ae", "-n", "5", "--seed", "1", *data, *prior)
    mixture = ae.GaussianMixture(2, random_state=0).fit(models["ae"].transform(TABLE))
    np.testing.assert_array_equal(drawn, models["ae"].sample(5, prior=mixture, random_state=1))


@pytest.mark.parametrize(
    "model, options, message",
    [
        ("ae", (), "prior"),
        ("ae", ("--prior", "Normal"), "--prior and --data: expected both, or neither"),
        ("ae", ("--prior", "5", "--data", "table.npy"), "--prior: expected Normal or a Gaussian"),
        (
            "gan",
            ("--prior", "Normal", "--data", "table.npy"),
            "--prior: expected none for the kind gan",
        ),
        ("cvae", ("--y", "7"), "y: expected labels as in fit, 0, 1, 2, got 7"),
        ("cvae", (), "--y: expected the condition of the samples, one of 0, 1, 2"),
        ("properties", (), "--y: expected the condition of the samples, labels or properties"),
        ("cvae", ("--y", "x"), "--y: expected whole numbers, as in training, got x"),
        ("cvae", ("--y", "1_0"), "--y: expected whole numbers, as in training, got 1_0"),
        ("vae", ("-n", "0"), "argument -n: expected at least 1, got 0"),
    ],
)
def test_samples_that_cannot_be_drawn(model, options, message, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    call = ("sample", f"{model}.safetensors", "-o", "new.npy", *options)
    assert message in complaint(capsys, *call)
    assert not (files / "new.npy").exists()


def test_pictures_of_samples(files, capsys):
    pytest.importorskip("PIL")
    told(capsys, "sample", files / "vae.safetensors", "-n", "3", "-o", files / "new")
    names = sorted(p.name for p in (files / "new").iterdir())
    assert names == ["000000.png", "000001.png", "000002.png"]


# ---- plot ---------------------------------------------------------------------------------------

CALLS = {
    "history": ("vae",),
    "samples": ("cvae", "--n", "9", "--seed", "1"),
    "manifold": ("vae", "--n", "4"),
    "codebook": ("vqvae",),
    "reconstructions": ("vae", "images.npy", "--n", "5"),
    "latent-space": ("vae", "images.npy", "--y", "labels.npy", "--method", "pca"),
    "errors": ("ae", "table.npy"),
    "scores": ("ae", "table.npy", "--bins", "20"),
    "code-sizes": ("cvae", "images.npy", "--y", "labels.npy"),
    "traversal": ("vae", "images.npy", "--rows", "3", "--dims", "(0,)"),
    "interpolation": ("cvae", "images.npy", "--rows", "0", "3", "--y", "labels.npy"),
    "roc": ("vae", "images.npy", "--y", "unusual.npy"),
    "reasons": ("detector", "table.npy", "--samples", "3"),
}


@pytest.mark.parametrize("picture", PICTURES)
def test_every_picture_is_drawn(picture, files, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(files)
    np.save("unusual.npy", LABELS == 2)
    model, *arguments = CALLS[picture]
    answer = told(capsys, "plot", picture, f"{model}.safetensors", *arguments, "-o", "out.png")
    assert answer == {"model": model, "picture": picture, "out": "out.png"}
    with_underscores = picture.replace("-", "_")
    call = ("plot", with_underscores, f"{model}.safetensors", *arguments, "-o", "out.png")
    assert told(capsys, *call) == answer
    assert (files / "out.png").read_bytes().startswith(b"\x89PNG")


def test_reconstructions_of_samples_from_everywhere(files, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    calls = []
    draw = ae.plot.reconstructions

    def noting(model, X, y=None, *, n=10, noisy=None, ax=None):
        calls.append((X, y, n))
        return draw(model, X, y, n=n)

    monkeypatch.setattr(ae.plot, "reconstructions", noting)
    call = ("plot", "reconstructions", files / "vae.safetensors", files / "images.npy")
    call = (*call, "--y", files / "labels.npy", "-o", files / "out.png")
    told(capsys, *call, "--n", "4")
    told(capsys, *call, "--rows", "7", "2")
    for (X, y, n), rows in zip(calls, [[0, 13, 26, 39], [7, 2]], strict=True):
        np.testing.assert_array_equal(X, IMAGES[rows])
        np.testing.assert_array_equal(y, LABELS[rows])
        assert n == len(rows)
    assert "--n: expected at least 1" in complaint(capsys, *call, "--n", "0")


@pytest.mark.parametrize("suffix, start", [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_pictures_of_lines(suffix, start, files, capsys):
    pytest.importorskip("matplotlib")
    told(capsys, "plot", "history", files / "vae.safetensors", "-o", files / f"out.{suffix}")
    assert (files / f"out.{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize("picture", ["manifold", "codebook"])
def test_pictures_that_may_have_samples(picture, files, capsys):
    pytest.importorskip("matplotlib")
    model = files / f"{CALLS[picture][0]}.safetensors"
    told(capsys, "plot", picture, model, files / "images.npy", "-o", files / "out.png")
    assert (files / "out.png").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("history", "vae.safetensors", "-o", "x.jpg"), "x.jpg: expected one of .png, .pdf, .svg"),
        (
            ("history", "vae.safetensors", "images.npy", "-o", "x.png"),
            "DATA: expected none for history",
        ),
        (
            ("errors", "vae.safetensors", "-o", "x.png"),
            "DATA: expected samples for errors, got none",
        ),
        (
            ("errors", "vae.safetensors", "images.npy", "--n", "3", "-o", "x.png"),
            "codebook, got errors",
        ),
        (("manifold", "gan.safetensors", "images.npy", "-o", "x.png"), "transform"),
        (
            ("traversal", "vae.safetensors", "images.npy", "--rows", "1", "2", "-o", "x.png"),
            "got 2",
        ),
        (
            ("traversal", "vae.safetensors", "images.npy", "--rows", "40", "-o", "x.png"),
            "less than",
        ),
        (("roc", "vae.safetensors", "images.npy", "-o", "x.png"), "--y: expected labels of two"),
        (("history", "vae.safetensors", "--keys", "fun", "-o", "x.png"), "fun"),
        (("pie", "vae.safetensors", "-o", "x.png"), "invalid choice: 'pie'"),
    ],
)
def test_pictures_that_cannot_be_drawn(arguments, message, files, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(files)
    assert message in complaint(capsys, "plot", *arguments)
    assert not (files / "x.png").exists()


# ---- info ---------------------------------------------------------------------------------------


def test_info_describes_a_model(models, files, capsys):
    facts = told(capsys, "info", files / "cvae.safetensors")
    model = models["cvae"]
    assert facts["model"] == "CVAE" and facts["kind"] == "cvae" and facts["shape"] == [8, 8, 1]
    assert facts["n_parameters"] == model.n_parameters_
    assert facts["parameters"] == {k: list(v.shape) for k, v in model.parameters_.items()}
    assert sum(np.prod(s) for s in facts["parameters"].values()) == model.n_parameters_
    assert facts["options"]["arch"] == repr(DENSE) and facts["options"]["latent_dim"] == 2
    assert facts["conditions"] == [0, 1, 2]
    assert facts["history"] == json.loads(json.dumps(model.history_))
    assert "Linear(67, 8" in facts["layers"]["encoder"]
    assert status("info", files / "cvae.safetensors") == 0
    shown = capsys.readouterr().out
    assert "\nhistory\n  epoch 1    loss " in shown and "Linear(67, 8" in shown


def test_info_describes_models_of_other_kinds(files, capsys):
    model = ae.PixelCNN(channels=4, layers=1, codebook_size=8, epochs=1, random_state=0)
    model.fit(np.random.default_rng(0).integers(0, 8, (10, 4, 4))).save(files / "prior.model")
    assert told(capsys, "info", files / "prior.model")["kind"] == "PixelCNN"
    assert status("info", files / "prior.model") == 0
    assert "\n  channels       4\n" in capsys.readouterr().out
    message = complaint(capsys, "encode", files / "prior.model", files / "table.npy", "-o", "-")
    assert message == "MODEL: expected a kind with codes, got PixelCNN"


def test_info_describes_data(files, capsys):
    rows = ["a,b,c,d", "1,2.5,u,", "4,,v,", "-3,0,u,"]
    (files / "t.csv").write_text("\n".join(rows))
    facts = told(capsys, "info", files / "t.csv", "--drop", "a")
    assert facts["samples"] == 3 and facts["shape"] == [3]
    assert facts["columns"] == {
        "b": {"cells": "numbers", "min": 0, "max": 2.5, "missing": 1},
        "c": {"cells": "words", "different": 2, "missing": 0},
        "d": {"cells": "none", "missing": 3},
    }
    assert status("info", files / "t.csv") == 0
    assert "\n  b  numbers, 0 to 2.5, 1 missing\n" in capsys.readouterr().out
    X = TABLE.copy()
    X[2, 1] = np.nan
    np.save(files / "t.npy", X)
    facts = told(capsys, "info", files / "t.npy")
    assert facts["samples"] == 600 and facts["shape"] == [6] and facts["missing"] == 1
    assert facts["max"] == float(np.nanmax(X)) and facts["dtype"] == "float32"
    message = complaint(capsys, "info", files / "t.npy", "--drop", "a")
    assert message == "--columns and --drop: expected a table, whose columns have names"
    facts = told(capsys, "info", "digits:test")
    assert facts["samples"] == 360 and facts["shape"] == [8, 8, 1] and facts["dtype"] == "uint8"
    assert facts["labels"] == list(range(10))
    assert "No such file" in complaint(capsys, "info", "nothing.safetensors")

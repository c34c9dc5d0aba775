"""aecore train: the models that it makes are those of the library, bit for bit."""

import signal
import subprocess
import sys
import textwrap
from importlib import util

import aecore as ae
import numpy as np
import pytest
from aecore.cli import _values
from aecore.cli._flags import flag
from aecore.cli._kinds import KINDS, takes_tables
from aecore.cli.train import OWN
from support.commands import complaint, status, told

TABLE = np.random.default_rng(0).random((60, 6))
IMAGES = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
LABELS = np.arange(40) % 3


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.npy"
    np.save(path, TABLE)
    return path


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, X=IMAGES, y=LABELS)
    return path


def assert_same(found, expected):
    assert type(found) is type(expected)
    theirs = expected.parameters_
    assert found.parameters_.keys() == theirs.keys()
    for name, value in found.parameters_.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


# ---- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, value",
    [
        ("3", 3),
        ("-1e-3", -1e-3),
        ("+2", 2),
        ("true", True),
        ("None", None),
        ("bce", "bce"),
        ("'bce'", "bce"),
        ("non-saturating", "non-saturating"),
        ("a*b", "a*b"),
        ("", ""),
        ("(64, 32)", (64, 32)),
        ("[1, (2.5, None)]", [1, (2.5, None)]),
        ("Masking", ae.Masking()),
        ("Masking(0.3)", ae.Masking(0.3)),
        ("Dense(widths=(64, 32), activation='tanh')", ae.Dense((64, 32), "tanh")),
        ("Warmup(2) * Cosine(20)", ae.Warmup(2) * ae.Cosine(20)),
        ("PixelCNN(epochs=2)", None),
    ],
)
def test_values_are_read_as_python_has_them(text, value):
    found = _values.parse(text)
    if value is None and text.startswith("Pixel"):
        assert isinstance(found, ae.PixelCNN) and found.epochs == 2
    else:
        assert type(found) is type(value) and found == value


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("__import__('os').system('true')", "got __import__"),
        ("open('x')", "expected one of"),
        ("Masking(0.3", "got Masking(0.3"),
        ("Masking(open('x'))", "got 'open'"),
        ("Masking(rat=0.3)", "unexpected keyword argument 'rat'"),
        ("Masking(1, 2, 3)", "Masking: "),
        ("Masking(*(1,))", "expected arguments"),
        ("Masking(**{})", "expected arguments"),
        ("ae.Masking(0.3)", "got ae.Masking(0.3)"),
        ("(lambda: 1)()", "got (lambda: 1)()"),
        ("[i for i in (1, 2)]", "got [i for i in (1, 2)]"),
        ("(1).real", "got 1 .real"),
        ("('a' * 9)", "got 'a' * 9"),
        ("{1: 2}", "got {1: 2}"),
        ("(" * 500 + ")" * 500, "expected a number"),
    ],
)
def test_nothing_else_is_run(text, complaint):
    with pytest.raises(_values.argparse.ArgumentTypeError) as error:
        _values.parse(text)
    assert complaint in str(error.value)


def test_every_parameter_of_every_kind_has_an_option(capsys):
    assert status("train", "--help") == 0
    listed = capsys.readouterr().out
    for kind, cls in KINDS.items():
        assert f" {kind}" in listed
        for name in cls().get_params(deep=False):
            assert name in OWN or f"  {flag(name)}" in listed, name


# ---- models -------------------------------------------------------------------------------------


def test_a_model_is_the_one_of_the_library(table, tmp_path, capsys):
    out = tmp_path / "model.safetensors"
    options = "--latent-dim 2 --epochs 3 --batch-size 16 --seed 5 --arch Dense((8,)) --tied"
    answer = told(capsys, "train", table, "-o", out, *options.split(), "--corruption=Masking(0.3)")
    model = ae.Autoencoder(
        ae.Dense((8,)), 2, epochs=3, batch_size=16, random_state=5, tied=True,
        corruption=ae.Masking(0.3),
    ).fit(TABLE)  # fmt: skip
    found = ae.load(out)
    assert_same(found, model)
    assert found.get_params() == model.get_params()
    assert answer["model"] == "ae" and answer["epochs"] == 3 and answer["samples"] == 60
    assert answer["shape"] == [6] and answer["parameters"] == model.n_parameters_
    assert answer["last_epoch"]["loss"] == model.history_[-1]["loss"]


SMALL = {
    "vae": ("--loss=bce", "--beta=2", "--latent-dim=2"),
    "cvae": ("--latent-dim=2",),
    "vqvae": (
        "--arch=ResNet(8, 4, 1, 2)",
        "--codebook-size=8",
        "--code-dim=4",
        "--no-restart-dead",
    ),
    "aae": ("--latent-dim=2", "--discriminator-widths=(8,)", "--adversarial=2"),
    "gan": ("--latent-dim=2", "--output=sigmoid"),
    "stacked": ("--arch=Dense((8,))", "--latent-dim=2", "--pretrain-epochs=1"),
    "recirculation": ("--latent-dim=4",),
    "deep_clustering": ("--n-clusters=3", "--latent-dim=2", "--pretrain-epochs=0"),
    "ae": ("--schedule=Warmup(1) * Cosine(2)", "--optimizer=SGD(momentum=0.5)", "--clip-norm=1"),
}


def test_every_kind_has_a_test():
    assert KINDS.keys() == SMALL.keys() | {kind for kind in KINDS if takes_tables(kind)}


@pytest.mark.parametrize("kind", SMALL)
def test_every_kind_is_trained_and_saved(kind, images, tmp_path, capsys):
    out = tmp_path / "model.safetensors"
    data = f"{images}:X"
    if kind in ("recirculation",):
        data = tmp_path / "flat.npy"
        np.save(data, IMAGES.reshape(40, 64))
    options = [*SMALL[kind], "--epochs=2", "--seed=1"]
    if kind == "cvae":
        options += ["--y", f"{images}:y"]
    answer = told(capsys, "train", data, "-o", out, "--model", kind, *options)
    assert answer["model"] == kind and answer["epochs"] == 2
    params = {
        o[2:].partition("=")[0].replace("-", "_"): _values.parse(o.partition("=")[2])
        for o in SMALL[kind]
        if not o.startswith("--no-")
    }
    if kind == "vqvae":
        params["restart_dead"] = False
    X = IMAGES if kind != "recirculation" else IMAGES.reshape(40, 64)
    model = KINDS[kind](**params, epochs=2, random_state=1).fit(X, LABELS)
    assert_same(ae.load(out), model)


def test_kinds_go_by_the_names_of_classes_too(table, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    for name in ("StackedAutoencoder", "Stacked"):
        answer = told(capsys, "train", table, "-o", out, "-m", name, "--epochs=0", "--latent-dim=2")
        assert answer["model"] == "stacked"


def test_columns_that_outweigh_others_are_noted(tmp_path, capsys):
    np.savetxt(tmp_path / "t.csv", TABLE * [1, 1, 1, 1, 1, 100], delimiter=",")
    call = ("train", tmp_path / "t.csv", "-o", tmp_path / "m.safetensors", "-m", "ae")
    assert status(*call, "--epochs=1", "--latent-dim=2") == 0
    assert "some columns range much wider than others" in capsys.readouterr().err
    np.savetxt(tmp_path / "t.csv", TABLE, delimiter=",")
    assert status(*call, "--epochs=1", "--latent-dim=2") == 0
    assert "wider" not in capsys.readouterr().err


@pytest.mark.filterwarnings("always::UserWarning")
def test_traps_are_a_sentence(tmp_path, capsys):
    rng, out = np.random.default_rng(0), tmp_path / "m.safetensors"
    small = ("--epochs=1", "--latent-dim=2", "--seed=0")
    first = rng.integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    wild = TABLE * [1, 1, 1e5, 1, 1, 1]
    grey = rng.integers(0, 256, (20, 16, 16), dtype=np.uint8)
    cases = (
        (first, (), "X: samples of shape (3, 16, 16) are read as images of "),
        (wild, (), "X: values are taken as they are, and column 2 has some beyond "),
        (grey, ("--quiet",), None),  # as the note that says how pictures are made of them
        (wild[:, 3:], ("--latent-dim=3",), "latent_dim: codes of 3 numbers are no smaller than "),
    )
    for X, more, begins in cases:
        np.save(tmp_path / "x.npy", X)
        capsys.readouterr()
        assert status("train", tmp_path / "x.npy", "-o", out, "-m", "ae", *small, *more) == 0
        lines = [line for line in capsys.readouterr().err.splitlines() if "warning" in line.lower()]
        if begins is None:
            assert not lines
        else:
            (line,) = lines
            assert line.startswith(f"aecore: warning: {begins}")
    np.savetxt(tmp_path / "t.csv", wild, delimiter=",")
    assert status("train", tmp_path / "t.csv", "-o", out, "-m", "ae", *small) == 0
    told_of = capsys.readouterr().err
    assert "--model tabular scales them" in told_of and "warning" not in told_of


def test_a_set_with_a_folder_of_its_name_is_ambiguous(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    message = complaint(capsys, "train", "digits", "-o", "m.safetensors")
    assert message == (
        "digits: expected digits:train for the set or ./digits for what is here, got both"
    )


def test_labels_of_a_set_make_a_conditional_model(tmp_path, capsys):
    out = tmp_path / "gan.safetensors"
    X, y, _, _ = ae.datasets.load_digits()
    options = "--conditional --latent-dim 2 --epochs 1 --seed 0 --arch Dense((8,))".split()
    told(capsys, "train", "digits", "-o", out, "--model", "gan", *options)
    model = ae.GAN(ae.Dense((8,)), 2, conditional=True, epochs=1, random_state=0).fit(X, y)
    assert_same(ae.load(out), model)
    assert ae.load(out).classes_.tolist() == list(range(10))


def test_sequences_of_different_lengths_come_with_a_mask(tmp_path, capsys):
    X = np.random.default_rng(3).random((20, 5, 2))
    mask = np.arange(5) < np.random.default_rng(4).integers(1, 6, 20)[:, None]
    np.savez(tmp_path / "data.npz", X=X, mask=mask)
    data, out = tmp_path / "data.npz", tmp_path / "model.safetensors"
    options = "--arch LSTM(4) --latent-dim 2 --epochs 2 --seed 0".split()
    told(capsys, "train", data, "-o", out, "--mask", f"{data}:mask", *options)
    model = ae.Autoencoder(ae.LSTM(4), 2, epochs=2, random_state=0).fit(X, sample_mask=mask)
    assert_same(ae.load(out), model)
    codes = tmp_path / "codes.npy"
    told(capsys, "encode", out, data, "--mask", f"{data}:mask", "-o", codes)
    np.testing.assert_array_equal(np.load(codes), model.transform(X, sample_mask=mask))


def test_validation_data_are_measured(table, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    options = "--latent-dim 2 --epochs 2 --seed 0".split()
    answer = told(capsys, "train", table, "-o", out, "--validation", table, *options)
    model = ae.Autoencoder(latent_dim=2, epochs=2, random_state=0).fit(TABLE, X_val=TABLE)
    assert answer["last_epoch"]["val_loss"] == model.history_[-1]["val_loss"]


def test_a_line_per_epoch_is_on_stderr_unless_quiet(table, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    call = ("train", table, "-o", out, "--latent-dim", "2", "--epochs", "2")
    assert status(*call) == 0
    printed = capsys.readouterr()
    assert [line.split("  ")[0] for line in printed.err.splitlines()] == ["epoch 1", "epoch 2"]
    assert printed.out.startswith(f"{out}: ae, trained on 60 samples for 2 epochs in ")
    assert status(*call, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


# ---- a configuration file -----------------------------------------------------------------------

toml = pytest.mark.skipif(
    not (util.find_spec("tomllib") or util.find_spec("tomli")), reason="needs tomli"
)


@toml
def test_a_file_has_what_the_command_line_has(table, tmp_path, capsys):
    out, config = tmp_path / "m.safetensors", tmp_path / "run.toml"
    config.write_text(
        textwrap.dedent(f"""
        data = "{table}"
        out = "{out}"
        model = "vae"
        arch = "Dense((8,))"
        latent-dim = 2
        epochs = 9
        seed = 3
        tied = false
        schedule = "Cosine(4)"
        beta = 0.5
        """)
    )
    told(capsys, "train", "--config", config, "--epochs", "2")
    expected = ae.VAE(
        ae.Dense((8,)), 2, epochs=2, random_state=3, schedule=ae.Cosine(4), beta=0.5
    ).fit(TABLE)
    assert_same(ae.load(out), expected)
    assert ae.load(out).get_params() == expected.get_params()


@toml
@pytest.mark.parametrize(
    "line, message",
    [
        ("latentdim = 2", "expected names of options, got 'latentdim'"),
        ("config = 'x'", "expected names of options, got 'config'"),
        ("tied = 'yes'", "tied: expected true or false, got 'yes'"),
        ("corruption = 'Masking(x=1)'", "corruption: Masking: got an unexpected keyword"),
        ("model = 'resnet'", "model: expected one of ae, vae"),
        ("epochs = -1", "epochs: expected at least 0, got -1"),
        ("data = 5", "data: expected text, got 5"),
        ("epochs = ", "expected a TOML file"),
    ],
)
def test_a_file_that_makes_no_sense(line, message, table, tmp_path, capsys):
    (tmp_path / "run.toml").write_text(line)
    call = ("--config", tmp_path / "run.toml", "-o", tmp_path / "m.safetensors")
    data = () if line.startswith("data") else (table,)
    assert message in complaint(capsys, "train", *data, *call)
    assert not (tmp_path / "m.safetensors").exists()


# ---- calls that can't be done -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        (("--beta", "2"), "--beta: expected one of the kinds vae, cvae"),
        (("--adversarial", "2"), "--adversarial: expected one of the kinds aae, got ae"),
        (("--loss", "mean"), "loss: expected one of 'mse'"),
        (("--latent-dim", "0"), "latent_dim: expected at least 1, got 0"),
        (("--latent-dim", "two"), "latent_dim: expected an integer, got 'two'"),
        (("--arch", "Conv"), "Conv"),
        (("--loss", "bce", "--arch", "(1, 2)"), "arch"),
        (
            ("--model", "cvae"),
            "--y: expected labels or properties of the samples for the kind cvae",
        ),
        (("--resume",), "--resume: expected --checkpoint"),
        (("--checkpoint", "/no/such/folder/x"), "expected a folder /no/such/folder, got none"),
        (("--y", "no-such.npy"), "no-such.npy: No such file or directory"),
        (("--validation", "no-such.csv"), "no-such.csv: No such file or directory"),
        (("--config", "no-such.toml"), "no-such.toml: No such file or directory"),
        (("--corruption", "Masking(2"), "argument --corruption: expected a number, a word"),
        (("--learning-rate", "1e38"), "a step was too large"),
        (("--model", "perceptron"), "argument -m/--model: expected one of ae, vae, cvae"),
    ],
)
@pytest.mark.filterwarnings("ignore:latent_dim. codes of 32 numbers")
def test_wrong_calls_say_why(options, message, table, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    assert message in complaint(capsys, "train", table, "-o", out, "-q", *options)
    assert not out.exists()


def test_what_is_missing_is_named(table, tmp_path, capsys):
    assert complaint(capsys, "train", table).startswith("-o/--out: expected")
    assert complaint(capsys, "train", "-o", tmp_path / "m").startswith("DATA: expected")
    assert "expected a file, got a folder" in complaint(capsys, "train", table, "-o", tmp_path)


def test_toml_of_python_3_10_says_what_is_needed(monkeypatch, table, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setattr("aecore.cli._command.util.find_spec", lambda name: None)
    (tmp_path / "run.toml").write_text("")
    message = complaint(capsys, "train", table, "--config", tmp_path / "run.toml")
    assert "pip install 'aecore[cli]'" in message


# ---- interruptions ------------------------------------------------------------------------------


def test_resuming_arrives_at_the_same_bits(table, tmp_path, capsys):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    checkpoint = tmp_path / "run.safetensors"
    options = ("--model", "vae", "--latent-dim", "2", "--seed", "0", "--batch-size", "16")
    whole = ("--checkpoint", checkpoint, "--resume", "--epochs", "4")
    told(capsys, "train", table, "-o", first, *options, "--epochs", "4")
    told(capsys, "train", table, "-o", second, *options, "--checkpoint", checkpoint, "--epochs=2")
    assert ae.load(checkpoint).history_[-1]["epoch"] == 2
    answer = told(capsys, "train", table, "-o", second, *options, *whole)
    assert answer["epochs"] == 4
    assert_same(ae.load(second), ae.load(first))
    assert [r["loss"] for r in ae.load(second).history_] == [
        r["loss"] for r in ae.load(first).history_
    ]
    assert ae.load(second).epochs == 4
    again = told(capsys, "train", table, "-o", second, *options, *whole)  # nothing is left to do
    assert again["epochs"] == 4
    assert_same(ae.load(second), ae.load(first))


def test_resuming_starts_where_there_is_no_checkpoint(table, tmp_path, capsys):
    checkpoint, out = tmp_path / "run.safetensors", tmp_path / "m.safetensors"
    call = ("--epochs", "2", "--latent-dim", "2", "--checkpoint", checkpoint, "--resume")
    assert told(capsys, "train", table, "-o", out, *call)["epochs"] == 2
    assert checkpoint.exists()


def test_another_model_is_not_resumed(table, tmp_path, capsys):
    checkpoint, out = tmp_path / "run.safetensors", tmp_path / "m.safetensors"
    call = ("train", table, "-o", out, "--checkpoint", checkpoint, "--epochs", "1")
    told(capsys, *call, "--latent-dim", "2")
    message = complaint(capsys, *call, "--latent-dim", "3", "--resume")
    assert "latent" in message and "2" in message and "3" in message
    message = complaint(capsys, *call, "--model", "vae", "--latent-dim", "2", "--resume")
    assert "vae" in message.lower()


def test_ctrl_c_leaves_a_model(table, tmp_path):
    out = tmp_path / "m.safetensors"
    code = "import sys; from aecore import cli; sys.exit(cli.main(sys.argv[1:]))"
    call = ["train", str(table), "-o", str(out), "--latent-dim", "2", "--epochs", "1000000"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *call], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    for line in process.stderr:
        if line.startswith("epoch 5 "):
            break
    process.send_signal(signal.SIGINT)
    printed, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"interrupted; {out} has the model" in complaints
    assert "Traceback" not in complaints
    model = ae.load(out)
    assert len(model.history_) >= 5
    assert np.isfinite(model.transform(TABLE)).all()


def test_interrupted_before_there_is_a_model(table, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(ae.Autoencoder, "fit", interrupted)
    out = tmp_path / "m.safetensors"
    assert status("train", table, "-o", out) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not out.exists()


def test_help_is_quick():
    code = (
        "import sys, aecore.cli\n"
        "try:\n    aecore.cli.main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = ('matplotlib', 'sklearn', 'scipy', 'pandas', 'PIL', 'tqdm', 'pyarrow')\n"
        "import time; print(time.process_time() < 3, [n for n in heavy if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.endswith("\nTrue []\n")


# ---- files larger than memory -------------------------------------------------------------------


def test_a_stream_trains_what_the_library_does(tmp_path, capsys):
    np.save(tmp_path / "x.npy", IMAGES)
    path = tmp_path / "model.safetensors"
    options = ["--epochs", "2", "--latent-dim", "3", "--seed", "0"]
    told(capsys, "train", tmp_path / "x.npy", "-o", path, "--stream", *options)
    model = ae.Autoencoder(latent_dim=3, epochs=2, random_state=0)
    assert_same(ae.load(path), model.fit(ae.open_rows(tmp_path / "x.npy")))
    np.save(tmp_path / "y.npy", LABELS)
    labels = ["--y", tmp_path / "y.npy", "--validation", tmp_path / "x.npy"]
    told(capsys, "train", tmp_path / "x.npy", "-o", path, "--stream", *options, *labels)
    told(
        capsys,
        "train",
        tmp_path / "x.npy",
        "-o",
        path,
        "--stream",
        "-m",
        "cvae",
        *options,
        *labels[:2],
    )
    model = ae.CVAE(latent_dim=3, epochs=2, random_state=0)
    assert_same(ae.load(path), model.fit(ae.open_rows(tmp_path / "x.npy", y=LABELS)))


def test_a_stream_of_a_table(tmp_path, capsys):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TABLE, columns=list("abcdef"))
    frame["word"] = np.where(TABLE[:, 0] > 0.5, "high", "low")
    frame.loc[::9, "b"] = np.nan
    files = [tmp_path / "t.parquet", tmp_path / "t.csv"]
    frame.to_parquet(files[0], row_group_size=20)
    frame.to_csv(files[1], index=False)
    path = tmp_path / "model.safetensors"
    options = ["--stream", "--seed", "0"]
    for file in files:
        told(capsys, "train", file, "-o", path, *options, "--epochs", "2")
        model = ae.TabularAutoencoder(epochs=2, random_state=0)
        assert_same(ae.load(path), model.fit(ae.open_rows(file)))
        told(capsys, "train", file, "-o", path, *options, "-m", "detector", "--drop", "word,a")
        found, wanted = ae.load(path), ae.AnomalyDetector(random_state=0)
        wanted.fit(frame.drop(columns=["word", "a"]))
        np.testing.assert_array_equal(
            found.score_samples(frame[list("bcdef")]), wanted.score_samples(frame[list("bcdef")])
        )
        columns = ["--columns", "a,b", "--epochs", "2", "--latent-dim", "1"]
        told(
            capsys, "train", file, "-o", path, *options, "-m", "ae", *columns
        )  # the gaps are masked
        assert np.isfinite(ae.load(path).history_[-1]["loss"])


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["x.npy", "--mask", "m.npy"], "--mask: expected none with --stream"),
        (["x.npy", "--shape", "64"], "--shape: expected none with --stream"),
        (["x.npy", "--columns", "a"], "--columns and --drop: expected a table"),
        (["none.parquet"], "none.parquet"),
        (["digits"], "expected a file .parquet"),
    ],
)
def test_streams_that_make_no_sense(tmp_path, monkeypatch, capsys, arguments, wrong):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", IMAGES)
    assert wrong in complaint(capsys, "train", "-o", "m.safetensors", "--stream", *arguments)


def test_what_is_streamed_is_read_by_other_commands(tmp_path, capsys):
    pandas = pytest.importorskip("pandas")
    frame, model = pandas.DataFrame(TABLE, columns=list("abcdef")), tmp_path / "m.safetensors"
    (tmp_path / "folder").mkdir()
    frame[:40].to_parquet(tmp_path / "folder/1.parquet")
    frame[40:].to_parquet(tmp_path / "folder/2.parquet")
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    np.savetxt(tmp_path / "headless.csv", TABLE, delimiter=",")
    np.savetxt(tmp_path / "headless.tsv", TABLE, delimiter="\t")
    holes = TABLE.copy()
    holes[::7, 2] = np.nan
    np.save(tmp_path / "holes.npy", holes)
    options = ["-m", "ae", "--epochs", "1", "--latent-dim", "2", "--stream"]
    for name in ("folder", "t.csv.gz", "headless.csv", "headless.tsv", "holes.npy"):
        assert told(capsys, "train", tmp_path / name, "-o", model, *options)["samples"] == 60
        assert told(capsys, "score", model, tmp_path / name)["samples"] == 60
    zarr = pytest.importorskip("zarr")
    stored = zarr.open(str(tmp_path / "x.zarr"), mode="w", shape=TABLE.shape, dtype="f8")
    stored[:] = TABLE
    for more in (["--stream"], []):
        told(capsys, "train", tmp_path / "x.zarr", "-o", model, *options[:-1], *more)
        assert told(capsys, "score", model, tmp_path / "x.zarr")["samples"] == 60
    (tmp_path / "odd.csv").write_text("a;b\n1;2\n3;4\n")
    command = "train", tmp_path / "odd.csv", "-o", model, *options
    assert "expected commas or tabs" in complaint(capsys, *command)

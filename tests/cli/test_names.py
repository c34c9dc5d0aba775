"""Names of files, columns and labels with odd characters: on terminals, in plots, as CSV."""

import csv
import os
import pty
import subprocess
import sys
import warnings

import aecore as ae
import numpy as np
import pytest
from aecore.cli import _open, _results
from aecore.cli._source import Reading
from aecore.cli._streams import shown
from support.commands import complaint, status, told

ESC = "\x1b]0;owned\x07"
ODD = ["a,b", 'say "x"', "two\nlines", "a\rb", ESC, "$\\frac$", "=1+1", "é\u202e", " x"]
SMALL = ("--arch=Dense((4,))", "--latent-dim=2", "--epochs=1", "--seed=0", "-m=ae")


def test_what_is_shown():
    assert shown("plain äöü €") == "plain äöü €"
    assert shown(ESC + "\n\t\u202e\x9b\udce9") == r"\x1b]0;owned\x07\n\t\u202e\x9b\udce9"
    assert shown(7) == "7"


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A CSV file whose columns have odd names, and a model of it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with _results.open_results("t.csv", "x", columns=ODD, shape=(len(ODD),)) as results:
        results.write(rng.random((40, len(ODD))))
    assert status("train", "t.csv", "-o", "m.safetensors", *SMALL, "-q") == 0
    return tmp_path / "t.csv"


def test_names_come_back_from_csv(table, capsys):
    found = _open.open_samples(str(table), Reading()).read()
    assert found.X.columns == [name.strip() for name in ODD]
    told(capsys, "reconstruct", "m.safetensors", "t.csv", "-o", "r.csv")
    again = _open.open_samples("r.csv", Reading()).read().X
    assert again.columns == found.X.columns
    expected = ae.load("m.safetensors").reconstruct(found.X)
    np.testing.assert_allclose(again, expected, rtol=1e-6)


def said(capsys):
    printed = capsys.readouterr()
    return printed.out + printed.err


def test_no_control_characters_reach_a_terminal(table, capsys):
    assert status("info", "t.csv") == 0
    text = said(capsys)
    assert r"\x1b]0;owned\x07" in text and r"two\nlines" in text
    assert status("info", "m.safetensors") == 0
    text += said(capsys)
    assert status("train", "t.csv", "--drop", f"{ESC}?", "-o", "n.safetensors") == 2
    text += said(capsys)
    assert status("encode", "m.safetensors", f"{ESC}.csv", "-o", "c.npy") == 2
    text += said(capsys)
    assert status("encode", "m.safetensors", "t.csv", "-o", f"{ESC}.npy") == 0
    text += said(capsys)
    assert status("encode", "m.safetensors", "t.csv", f"--{ESC}", "-o", "c.npy") == 2
    text += said(capsys)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert os.path.exists(f"{ESC}.npy")


def test_names_of_pictures(tmp_path, monkeypatch, capsys):
    image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    names = [f"{ESC}0.png", "new\nline.png", "comma, 'quote'.png", "cost$5$.png"]
    os.mkdir("p")
    for i, name in enumerate(names):
        image.fromarray(np.full((4, 4), 60 * i, np.uint8)).save(f"p/{name}")
    assert status("train", "p", "-o", "m.safetensors", *SMALL) == 0
    assert status("score", "m.safetensors", "p") == 0
    assert all(c.isprintable() or c == "\n" for c in said(capsys))
    told(capsys, "score", "m.safetensors", "p", "-o", "s.csv")
    block = _open.open_samples("s.csv", Reading(mixed=True)).read()
    assert block.X["file"].tolist() == sorted(names)
    told(capsys, "reconstruct", "m.safetensors", "p", "-o", "back/")
    assert sorted(os.listdir("back")) == sorted(names)
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        told(capsys, "plot", "reconstructions", "m.safetensors", "p", "-o", "p.png")
    (tmp_path / "p" / names[0]).write_bytes(b"broken")
    message = complaint(capsys, "score", "m.safetensors", "p")
    assert message.startswith(r"p/\x1b]0;owned\x070.png: expected a picture")


@pytest.mark.parametrize("picture", ["errors", "latent-space", "traversal"])
def test_names_are_no_formulas(picture, table, capsys):
    pytest.importorskip("matplotlib")
    labels = ["lab$el", *np.array(["$\\frac$", "$", "50 $ or $60"])[np.arange(40) % 3]]
    _, *rows = _open.open_samples("t.csv", Reading()).read().X.tolist()
    with open("y.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [*row, label] for row, label in zip([ODD, *rows], labels[: len(rows) + 1], strict=True)
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        call = ("plot", picture, "m.safetensors", "y.csv", "--y", "lab$el")
        told(capsys, *call, "-o", "p.svg")
    assert os.path.getsize("p.svg") > 1000


@pytest.mark.skipif(sys.platform != "linux", reason="opens a terminal")
def test_results_on_a_terminal(table):
    master, slave = pty.openpty()
    call = [
        sys.executable,
        "-m",
        "aecore",
        "reconstruct",
        "m.safetensors",
        "t.csv",
        "-o",
        "-",
        "-q",
    ]
    done = subprocess.Popen(call, stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    text = b""
    while b"=1+1" not in text or text.count(b"\n") < 20:
        text += os.read(master, 1 << 16)
    os.close(master)
    assert done.communicate()[1] == b""
    assert rb"\x1b]0;owned\x07" in text and b"\x1b" not in text


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_names_that_are_no_text(tmp_path, monkeypatch, capsys):
    image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    os.mkdir("p")
    for i in range(3):
        image.fromarray(np.full((4, 4), 60 * i, np.uint8)).save(f"p/{i}.png")
    os.rename("p/1.png", b"p/\xe9.png")
    told(capsys, "train", "p", "-o", "m.safetensors", *SMALL)
    told(capsys, "score", "m.safetensors", "p", "-o", "s.csv")
    assert "\\udce9.png" in (tmp_path / "s.csv").read_text("utf-8")
    assert status("score", "m.safetensors", "p") == 0
    assert r"\udce9.png" in capsys.readouterr().out


LIMITED = """
import resource, sys
from aecore import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
@pytest.mark.parametrize(
    "call",
    [
        ("plot", "history", "m.safetensors", "-o", "p.png"),
        ("plot", "history", "m.safetensors", "-o", "p.svg"),
        ("plot", "history", "m.safetensors", "-o", "p.pdf"),
        ("reconstruct", "m.safetensors", "t.csv", "-o", "r.csv"),
        ("train", "t.csv", *SMALL, "-o", "n.safetensors"),
    ],
)
def test_a_full_disk_leaves_the_older_file(call, table):
    with open(call[-1], "wb") as file:
        file.write(b"older")
    before = sorted(os.listdir())
    code = [sys.executable, "-c", LIMITED]
    run = subprocess.run([*code, *call, "-q"], capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.endswith(f"aecore {call[0]}: {call[-1]}: File too large\n")
    assert "Traceback" not in run.stderr
    assert sorted(os.listdir()) == before
    with open(call[-1], "rb") as file:
        assert file.read() == b"older"

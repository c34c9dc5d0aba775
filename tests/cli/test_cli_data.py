"""How commands read samples and write results."""

import io
import json
import os
import subprocess
import sys

import aecore as ae
import numpy as np
import pytest
from aecore.cli import _images, _open, _results, _source
from aecore.cli._command import CommandError
from aecore.cli._source import Reading
from support.commands import complaint, status, told

TABLE = np.random.default_rng(0).random((700, 3))
LABELS = np.array(["red", "green"])[np.arange(700) % 2]


def written(path, text):
    path.write_text(text)
    return str(path)


def read(path, **options):
    return _open.open_samples(str(path), Reading(**options)).read()


@pytest.fixture
def model(tmp_path):
    """A model of three columns called a, b and c."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TABLE, columns=list("abc"))
    fitted = ae.Autoencoder(ae.Dense((8,)), 2, epochs=1, random_state=0).fit(frame)
    fitted.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


# ---- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_table_with_names(separator, tmp_path):
    rows = [["a", '"b c"', "y"], ["1", "2.5", "u"], ["-3e2", "", "v"], ["NaN", " 4", "u"]]
    text = "\ufeff" + "\n".join(separator.join(row) for row in rows) + "\n\n"
    block = read(written(tmp_path / "t.csv", text), y="y")
    np.testing.assert_array_equal(block.X, [[1, 2.5], [-300, np.nan], [np.nan, 4]])
    assert list(block.X.columns) == ["a", "b c"]
    assert block.y.tolist() == ["u", "v", "u"]
    assert block.mask.tolist() == [[True, True], [True, False], [False, True]]


def test_a_table_without_names(tmp_path):
    block = read(written(tmp_path / "t.csv", "1,2,0\n3,?,1\n"), y="2")
    assert not hasattr(block.X, "columns")
    np.testing.assert_array_equal(block.X, [[1, 2], [3, np.nan]])
    assert block.y.tolist() == [0, 1] and block.y.dtype.kind == "i"


def test_names_may_be_numbers(tmp_path):
    path = written(tmp_path / "t.csv", "2023,2024\n1,2\n3,4\n")
    assert read(path).X.tolist() == [[2023, 2024], [1, 2], [3, 4]]
    block = read(path, header=True, y="2024")
    assert block.X.columns == ["2023"] and block.X.tolist() == [[1], [3]]
    assert block.y.tolist() == [2, 4]
    with pytest.raises(CommandError, match="column '0': expected numbers .* got 'a' in line 1"):
        read(written(tmp_path / "t.csv", "a,b\n1,2\n"), header=False)


@pytest.mark.parametrize("first", ["0,1", "400,401", "7,1"])
def test_a_row_of_numbers_that_may_be_names_is_told_of(first, tmp_path):
    path = written(tmp_path / "t.csv", f"{first}\n1.5,2\n0.5,3.25\n")
    wanted = "t.csv: the first row, .* is read as values; --header takes it for the names"
    with pytest.warns(UserWarning, match=wanted):
        assert len(read(path).X) == 3
    assert len(read(path, header=True).X) == 2 and len(read(path, header=False).X) == 3
    for text in ("1,2\n3,4\n", "1,1\n0.5,1.5\n", "1.5,2\n0.5,3.5\n", "0\n1\n", "5,6\n7,8.5\n"):
        read(written(tmp_path / "t.csv", text))  # where nothing says so


def test_an_index_above_which_names_are_counted(tmp_path):
    """As pandas writes a matrix."""
    path = written(tmp_path / "t.csv", ",0,1\n0,1.5,2\n1,0.5,3\n")
    with pytest.warns(UserWarning, match="the first column has no name, and is left out"):
        block = read(path)
    assert block.X.columns == ["0", "1"] and block.X.tolist() == [[1.5, 2], [0.5, 3]]
    assert len(read(path, header=False).X) == 3


def test_columns_are_chosen(tmp_path):
    path = written(tmp_path / "t.csv", "a,b,c,d\n1,2,3,x\n")
    assert read(path, columns=["c", "a"]).X.tolist() == [[3, 1]]
    assert read(path, drop=["d", "b"]).X.columns == ["a", "c"]


@pytest.mark.parametrize(
    "column, values, expected",
    [
        ("y", "1 0 1", [1, 0, 1]),
        ("y", "no yes 1", ["no", "yes", "1"]),
        ("y", "0.5 2 1", [[0.5], [2], [1]]),
        ("y,z", "1 2 3", [[1, 7], [2, 7], [3, 7]]),
    ],
)
def test_labels_and_properties(column, values, expected, tmp_path):
    rows = [f"{i},{v},7" for i, v in enumerate(values.split())]
    block = read(written(tmp_path / "t.csv", "\n".join(["x,y,z", *rows])), y=column)
    assert block.y.tolist() == expected


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("", {}, "t.csv: expected rows, got none"),
        ("a,b\n", {}, "t.csv: expected rows, got none"),
        ("a,b\n1,2\n1\n", {}, "t.csv: expected 2 fields in line 3, as in the first, got 1"),
        (
            "a,b\n1,2\n1,x\n",
            {},
            "column 'b': expected numbers for this kind of model, got 'x' in line 3",
        ),
        ("a,a\n1,2\n", {}, "expected different column names, got 'a' twice"),
        ("a,b\n1,2\n", {"y": "c"}, "expected some of the columns a, b, got 'c'"),
        ("a,b\n1,2\n", {"drop": ["c"]}, "expected some of the columns a, b, got 'c'"),
        ("a,b\n1,2\n", {"drop": ["a", "b"]}, "columns: expected at least one"),
        ("a,b\n1,\n", {"y": "b"}, "y: expected all values of b, got a missing one"),
        ("a,b,c\n1,x,2\n", {"y": "a,b"}, "y: expected numbers in a,b"),
    ],
)
def test_tables_that_make_no_sense(text, options, message, tmp_path):
    with pytest.raises(CommandError) as error:
        read(written(tmp_path / "t.csv", text), **options)
    assert message in str(error.value)


def test_a_model_takes_its_own_columns_by_name(model, tmp_path, capsys):
    table = np.c_[LABELS, TABLE[:, ::-1], np.arange(700)]
    lines = [",".join(map(str, row)) for row in (["kind", "c", "b", "a", "id"], *table)]
    path, out = written(tmp_path / "t.csv", "\n".join(lines)), tmp_path / "codes.npy"
    told(capsys, "encode", model, path, "-o", out)
    expected = ae.load(model).transform(_source.Table.of(TABLE, list("abc")))
    np.testing.assert_array_equal(np.load(out), expected)
    lines = [line.rsplit(",", 2)[0] for line in lines]
    path = written(tmp_path / "short.csv", "\n".join(lines))
    assert "got 'a'" in complaint(capsys, "encode", model, path, "-o", out)


def test_rows_become_samples_of_the_model_s_shape(tmp_path, capsys):
    X = np.random.default_rng(0).random((40, 12))
    np.savetxt(tmp_path / "t.csv", X, delimiter=",")
    out, codes = tmp_path / "m.safetensors", tmp_path / "codes.npy"
    call = ("--shape", "4x3", "--arch", "LSTM(4)", "--latent-dim", "2", "--epochs", "1")
    told(capsys, "train", tmp_path / "t.csv", "-m=ae", "-o", out, "--seed", "0", *call)
    fitted = ae.Autoencoder(ae.LSTM(4), 2, epochs=1, random_state=0).fit(X.reshape(40, 4, 3))
    told(capsys, "encode", out, tmp_path / "t.csv", "-o", codes)
    np.testing.assert_array_equal(np.load(codes), fitted.transform(X.reshape(40, 4, 3)))


def test_missing_values_take_no_part(tmp_path, capsys):
    X = TABLE.copy()
    X[::7, 1] = np.nan
    lines = [",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in X]
    path, out = written(tmp_path / "t.csv", "\n".join(lines)), tmp_path / "m.safetensors"
    assert (
        status("train", path, "-m=ae", "-o", out, "--latent-dim=1", "--epochs=1", "--seed=0") == 0
    )
    assert "100 values are missing" in capsys.readouterr().err
    fitted = ae.Autoencoder(latent_dim=1, epochs=1, random_state=0)
    fitted.fit(X, sample_mask=~np.isnan(X))
    told(capsys, "score", out, path, "-o", tmp_path / "scores.npy")
    expected = fitted.score_samples(X, sample_mask=~np.isnan(X))
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)


def test_stdin_and_stdout_are_csv(model, monkeypatch, capsys):
    text = "a,b,c\n" + "\n".join(",".join(map(repr, map(float, row))) for row in TABLE)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert status("encode", model, "-", "-o", "-") == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "autoencoder0,autoencoder1"
    expected = ae.load(model).transform(_source.Table.of(TABLE, list("abc")))
    found = np.array([line.split(",") for line in lines[1:]], np.float32)
    np.testing.assert_array_equal(found, expected)
    assert "700 x 2" in printed.err
    assert "--json: expected -o with a file" in complaint(
        capsys, "encode", model, "-", "-o", "-", "--json"
    )


def test_a_reader_of_results_may_have_seen_enough(model, tmp_path):
    np.save(tmp_path / "x.npy", np.tile(TABLE, (60, 1)))
    code = "import sys; from aecore import cli; sys.exit(cli.main(sys.argv[1:]))"
    run = subprocess.run(
        f"{sys.executable} -c '{code}' encode {model} {tmp_path}/x.npy -q -o - | head -n 1; "
        "exit ${PIPESTATUS[0]}",
        shell=True, executable="/bin/bash", capture_output=True, text=True,
    )  # fmt: skip
    assert (run.stdout, run.stderr, run.returncode) == ("autoencoder0,autoencoder1\n", "", 0)


def test_parquet(model, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TABLE, columns=list("abc"))
    frame.loc[3, "b"] = None
    frame["y"] = LABELS
    frame.to_parquet(tmp_path / "t.parquet")
    block = read(tmp_path / "t.parquet", y="y")
    np.testing.assert_array_equal(block.X, frame[["a", "b", "c"]])
    assert block.y.tolist() == LABELS.tolist() and not block.mask[3, 1]
    told(capsys, "encode", model, tmp_path / "t.parquet", "-o", tmp_path / "codes.npy")
    mask = frame[["a", "b", "c"]].notna().to_numpy()
    expected = ae.load(model).transform(frame[["a", "b", "c"]], sample_mask=mask)
    np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), expected)


def test_parquet_without_pyarrow_says_what_is_needed(monkeypatch, tmp_path):
    monkeypatch.setattr("aecore.cli._command.util.find_spec", lambda name: None)
    with pytest.raises(CommandError, match="aecore\\[cli\\]"):
        read(tmp_path / "t.parquet")


# ---- arrays -------------------------------------------------------------------------------------


def test_slices_of_a_file_are_those_of_the_array(tmp_path):
    X = np.arange(60, dtype=np.int16).reshape(10, 3, 2)
    np.save(tmp_path / "x.npy", X)
    found = _open._array(str(tmp_path / "x.npy"))
    assert isinstance(found, _open.NpyFile) and found.shape == X.shape and len(found) == 10
    for rows in (slice(0, 4), slice(7, 99), slice(3, 3)):
        np.testing.assert_array_equal(found[rows], X[rows])
    np.testing.assert_array_equal(found.whole(), X)
    with open(tmp_path / "x.npy", "r+b") as file:
        file.truncate(200)
    with pytest.raises(ValueError, match="cut short"):
        found[8:10]


def test_arrays_that_numpy_lays_out_otherwise(tmp_path):
    X = np.asfortranarray(TABLE)
    np.save(tmp_path / "x.npy", X)
    np.testing.assert_array_equal(read(tmp_path / "x.npy").X, X)


@pytest.mark.parametrize(
    "name, message",
    [
        ("nothing.npy", "nothing.npy: No such file or directory"),
        ("nothing", "expected a file or a folder, or a set (adult, "),
        ("x.xlsx", "expected a folder or .npy, .npz, .csv"),
        ("two.npz", "expected the name of an array, two.npz:NAME; it has a, b"),
        ("two.npz:c", "it has a, b"),
        ("empty.npy", "expected samples of shape (N, F)"),
        ("text.npy", "expected numbers"),
        ("broken.npy", "broken.npy: "),
        ("objects.npy", "objects.npy: "),
        ("device.npy", "device.npy: expected a file, got a device"),
        ("device.csv", "device.csv: expected rows, got none"),
        ("text.npz", "text.npz: expected an archive of arrays, as np.savez writes, got none"),
        ("x" * 300, "File name too long"),
        ("digits:all", "expected digits:train or digits:test"),
        ("adult", "adult: "),
        ("folder", "folder: expected pictures (.png"),
    ],
)
def test_data_that_cannot_be_read(name, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.xlsx").write_text("")
    (tmp_path / "text.npz").write_text("no archive")
    for suffix in ("npy", "csv"):
        os.symlink(os.devnull, f"device.{suffix}")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    np.savez("two.npz", a=TABLE, b=TABLE)
    np.save("empty.npy", np.empty((0, 3)))
    np.save("text.npy", np.array([["a", "b"]]))
    np.save("objects.npy", np.array([[{}, {}]], object), allow_pickle=True)
    found = complaint(capsys, "train", name, "-o", "m.safetensors", "-q")
    assert message in found
    assert f"{name}: {name}:" not in found


def test_rows_that_do_not_fit_a_shape(tmp_path, capsys):
    np.save(tmp_path / "x.npy", TABLE)
    call = ("train", tmp_path / "x.npy", "-o", tmp_path / "m", "--shape", "2x2")
    assert complaint(capsys, *call) == "--shape: expected rows that fit 2x2, got 3"


@pytest.mark.parametrize(
    "text, message",
    [
        (b"data = '\xff'", "can't decode byte 0xff"),
        (b"data = " + b"[" * 5000 + b"]" * 5000, ""),
        (b"epochs = " + b"9" * 10000, ""),
        (b"data = ", "Invalid value"),
        (b"#" * (1 << 21), "more than 1048576 bytes"),
    ],
)
def test_configurations_that_are_none(text, message, tmp_path, capsys):
    (tmp_path / "c.toml").write_bytes(text)
    found = complaint(capsys, "train", "--config", tmp_path / "c.toml")
    assert found.startswith(f"{tmp_path / 'c.toml'}: expected a TOML file: ") and message in found


def test_y_of_another_length(tmp_path, capsys):
    np.save(tmp_path / "x.npy", TABLE)
    np.save(tmp_path / "y.npy", LABELS[:-1])
    call = ("train", tmp_path / "x.npy", "-o", tmp_path / "m", "--y", tmp_path / "y.npy")
    assert complaint(capsys, *call) == "y: expected 700 rows, got 699"


def test_labels_in_a_text_file(tmp_path):
    np.save(tmp_path / "x.npy", TABLE)
    y = written(tmp_path / "y.csv", "color\n" + "\n".join(LABELS))
    assert read(tmp_path / "x.npy", y=y).y.tolist() == LABELS.tolist()
    y = written(tmp_path / "y.txt", "\n".join(str(i % 3) for i in range(700)))
    assert read(tmp_path / "x.npy", y=y).y.tolist() == [i % 3 for i in range(700)]


# ---- pictures -----------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    image = pytest.importorskip("PIL.Image")
    X = np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3), dtype=np.uint8)
    for i, x in enumerate(X):
        folder = tmp_path / "pictures" / ("cats" if i % 2 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray(x).save(folder / f"{i}.png")
    order = [0, 2, 4, 1, 3, 5]  # cats come first, then dogs
    return tmp_path / "pictures", X[[1, 3, 5, 0, 2, 4]], order


NAMES = ["cats/1.png", "cats/3.png", "cats/5.png", "dogs/0.png", "dogs/2.png", "dogs/4.png"]


def test_a_folder_of_pictures(pictures):
    folder, X, _ = pictures
    block = read(folder)
    np.testing.assert_array_equal(block.X, X)
    assert block.y.tolist() == ["cats"] * 3 + ["dogs"] * 3
    assert list(block.names) == NAMES
    found = _open.open_samples(str(folder), Reading())
    np.testing.assert_array_equal(np.concatenate([b.X for b in found.blocks()]), X)
    assert read(folder, size=(4, 5)).X.shape == (6, 4, 5, 3)


def test_grey_pictures_have_one_channel(tmp_path):
    image = pytest.importorskip("PIL.Image")
    x = np.arange(16, dtype=np.uint8).reshape(4, 4)
    image.fromarray(x).save(tmp_path / "a.png")
    image.fromarray(x.astype(np.uint16) * 257).save(tmp_path / "b.png")  # of 16 bits
    image.fromarray(x > 7).save(tmp_path / "c.png")
    X = read(tmp_path).X
    assert X.shape == (3, 4, 4, 1)
    np.testing.assert_array_equal(X[0, ..., 0], x)
    np.testing.assert_array_equal(X[1, ..., 0], x)
    np.testing.assert_array_equal(X[2, ..., 0], (x > 7) * 255)


def test_pictures_of_different_sizes(pictures, tmp_path):
    image = pytest.importorskip("PIL.Image")
    folder, _, _ = pictures
    image.new("RGB", (3, 7)).save(folder / "dogs" / "z.png")
    with pytest.raises(CommandError) as error:
        read(folder)
    assert "z.png: expected 8x10 pixels, which the others have, got 7x3; --size 8x10" in str(
        error.value
    )
    assert read(folder, size=(8, 10)).X.shape == (7, 8, 10, 3)
    (folder / "dogs" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(CommandError, match="expected a picture that Pillow can read"):
        read(folder)


def test_many_pictures_stay_on_disk(pictures, monkeypatch):
    monkeypatch.setattr(_images, "IN_MEMORY", 100)
    folder, X, _ = pictures
    found = read(folder).X
    assert isinstance(found, _images.Images)
    model = ae.Autoencoder(ae.Dense((4,)), 2, epochs=2, random_state=0)
    np.testing.assert_array_equal(model.fit(found).transform(found), model.fit(X).transform(X))


@pytest.mark.filterwarnings("always:.*pictures are resized")
def test_pictures_there_and_back(pictures, tmp_path, capsys):
    folder, X, _ = pictures
    out = tmp_path / "m.safetensors"
    told(capsys, "train", folder, "-o", out, "--arch=Dense((8,))", "--latent-dim=2", "--epochs=1")
    told(capsys, "reconstruct", out, folder, "-o", tmp_path / "back")
    small = _open.open_samples(str(folder), Reading(size=(4, 5))).read().X
    (tmp_path / "other").mkdir()
    pytest.importorskip("PIL.Image").fromarray(small[0]).save(tmp_path / "other" / "small.png")
    answer = told(capsys, "score", out, tmp_path / "other", "--size", "8x10")
    assert answer["samples"] == 1
    assert status("score", out, tmp_path / "other", "--json") == 0  # the model's size is known
    printed = capsys.readouterr()
    assert json.loads(printed.out)["mean"] == answer["mean"]
    assert "other: 1 of 1 pictures are resized to 8x10 pixels" in printed.err
    back = [p.relative_to(tmp_path / "back") for p in (tmp_path / "back").rglob("*.png")]
    assert sorted(p.as_posix() for p in back) == NAMES
    rebuilt = (np.clip(ae.load(out).reconstruct(X), 0, 1) * 255).round()
    for sample, name in zip(rebuilt, NAMES, strict=True):
        image = pytest.importorskip("PIL.Image").open(tmp_path / "back" / name)
        np.testing.assert_array_equal(np.asarray(image), sample)
    answer = told(capsys, "score", out, folder, "-o", tmp_path / "scores.csv")
    scores = ae.load(out).score_samples(X)
    lines = [line.split(",") for line in (tmp_path / "scores.csv").read_text().splitlines()]
    assert lines[0] == ["file", "score"]
    assert [name for name, _ in lines[1:]] == NAMES
    np.testing.assert_array_equal(np.array([v for _, v in lines[1:]], np.float32), scores)
    assert answer["lowest"][0]["sample"] == lines[1 + scores.argmin()][0]
    message = complaint(capsys, "reconstruct", out, folder, "-o", tmp_path / "back")
    assert message.endswith("back: expected a new or an empty folder")
    # codes with the names of their files, which decode leaves out
    told(capsys, "encode", out, folder, "-o", tmp_path / "codes.csv")
    header, first, *_ = (tmp_path / "codes.csv").read_text().splitlines()
    assert header.startswith("file,autoencoder0,") and first.startswith("cats/1.png,")
    told(capsys, "decode", out, tmp_path / "codes.csv", "-o", tmp_path / "x.npy")
    rebuilt = ae.load(out).reconstruct(X)
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), rebuilt, rtol=1e-5, atol=1e-6)


def test_pictures_that_differ_in_their_kind_alone(tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "a").mkdir()
    for name in ("x.bmp", "x.png"):
        image.fromarray(np.full((4, 4), 7, np.uint8)).save(tmp_path / "a" / name)
    out = tmp_path / "m.safetensors"
    told(capsys, "train", tmp_path / "a", "-o", out, "--arch=Dense((8,))", "--epochs=1")
    told(capsys, "reconstruct", out, tmp_path / "a", "-o", tmp_path / "b")
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["x.png", "x.png.png"]
    (tmp_path / "a" / "x.png").write_bytes((tmp_path / "a" / "x.png").read_bytes()[:44])
    assert "x.png: " in complaint(capsys, "train", tmp_path / "a", "-o", out)


def test_pictures_in_arrays_without_an_axis_for_their_channel(tmp_path, capsys):
    X = np.random.default_rng(0).integers(0, 256, (20, 8, 6), dtype=np.uint8)
    np.save(tmp_path / "x.npy", X)
    out, codes = tmp_path / "m.safetensors", tmp_path / "codes.npy"
    small = ("--arch=Dense((8,))", "--latent-dim=2", "--epochs=1", "--seed=0")
    answer = told(capsys, "train", tmp_path / "x.npy", "-o", out, "--shape=8x6x1", *small)
    assert answer["shape"] == [8, 6, 1]
    told(capsys, "encode", out, tmp_path / "x.npy", "-o", codes)
    np.testing.assert_array_equal(np.load(codes), ae.load(out).transform(X[..., None]))
    assert status("train", tmp_path / "x.npy", "-o", out, "--epochs=1", "--latent-dim=2") == 0
    assert "sequence of 8 steps with 6 values; --shape 8x6x1" in capsys.readouterr().err


# ---- results ------------------------------------------------------------------------------------

ROWS = np.random.default_rng(0).standard_normal((10, 2, 3)).astype(np.float32)


def write(path, rows=ROWS, **options):
    with _results.open_results(str(path), "code", **options) as results:
        for start in range(0, len(rows), 3):
            results.write(rows[start : start + 3])


@pytest.mark.parametrize("rows", [ROWS, ROWS[:, 0, 0], (ROWS * 100).astype(np.int64)])
def test_results_come_back_as_they_were(rows, tmp_path):
    write(tmp_path / "r.npy", rows)
    write(tmp_path / "r.npz", rows)
    write(tmp_path / "r.csv", rows)
    found = np.load(tmp_path / "r.npy")
    assert found.dtype == rows.dtype
    np.testing.assert_array_equal(found, rows)
    np.testing.assert_array_equal(np.load(tmp_path / "r.npz")["code"], rows)
    text = np.loadtxt(tmp_path / "r.csv", delimiter=",", skiprows=1, dtype=rows.dtype, ndmin=2)
    np.testing.assert_array_equal(text, rows.reshape(10, -1))
    width = text.shape[1]
    expected = "code" if width == 1 else ",".join(f"code{i}" for i in range(width))
    assert (tmp_path / "r.csv").read_text().splitlines()[0] == expected


def test_there_is_nothing_after_an_error(tmp_path):
    for name in ("r.npy", "r.npz", "r.csv", "r"):
        with pytest.raises(KeyboardInterrupt):
            with _results.open_results(str(tmp_path / name), "x", shape=(2, 3, 1)) as results:
                results.write(ROWS[..., None])
                raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_until_the_end(tmp_path):
    (tmp_path / "r.csv").write_text("before")
    with _results.open_results(str(tmp_path / "r.csv"), "x") as results:
        results.write(ROWS)
        assert (tmp_path / "r.csv").read_text() == "before"
    assert (tmp_path / "r.csv").read_text().startswith("x0,x1")


@pytest.mark.skipif(os.name != "posix", reason="makes links and a FIFO")
@pytest.mark.parametrize("suffix", ["npy", "npz", "csv"])
def test_links_stay_and_what_is_no_file(suffix, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", TABLE)
    for name, make in (("link", lambda p: os.symlink("real", p)), ("fifo", os.mkfifo)):
        make(f"{name}.{suffix}")
    os.mkfifo("fifo.safetensors")
    before = sorted(os.listdir())
    write(tmp_path / f"link.{suffix}")
    assert os.path.islink(f"link.{suffix}") and os.path.getsize("real") > 200
    message = complaint(capsys, "encode", model, "x.npy", "-o", f"fifo.{suffix}")
    assert f"fifo.{suffix}: expected a file, got a FIFO" in message
    message = complaint(capsys, "train", "x.npy", "-o", "fifo.safetensors")
    assert "fifo.safetensors: expected a file, got a FIFO" in message
    assert sorted([*before, "real"]) == sorted(os.listdir())


LIMITED_FILES = """
import resource, sys
from aecore import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the sizes of files")
@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "safetensors"])
def test_a_full_disk(suffix, model, tmp_path):
    np.save(tmp_path / "x.npy", np.tile(TABLE, (50, 1)))
    out = tmp_path / f"r.{suffix}"
    out.write_text("before")
    before = sorted(os.listdir(tmp_path))
    call = ["train", "--epochs", "1"] if suffix == "safetensors" else ["encode", model]
    call = [sys.executable, "-c", LIMITED_FILES, *call, tmp_path / "x.npy", "-o", out, "-q"]
    run = subprocess.run(call, capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.endswith(f"{out}: File too large\n"), run.stderr
    assert out.read_text() == "before" and sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    "path, message",
    [
        ("r.xlsx", "r.xlsx: expected .npy, .npz, .csv"),
        ("r", "r: expected .npy, .npz, .csv (or - for CSV on stdout)"),
        ("no/r.npy", "no/r.npy: expected a folder"),
    ],
)
def test_places_that_cannot_be_written(path, message, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", TABLE)
    assert message in complaint(capsys, "encode", model, "x.npy", "-o", path)


# ---- more than memory ---------------------------------------------------------------------------

LIMITED = r"""
import re, sys
from aecore import cli
import numpy, aecore.cli.apply, json, tqdm, zipfile
def most():  # not ru_maxrss, which begins with that of the parent process
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1])
before = most()
status = cli.main(sys.argv[1:])
print(most() - before, file=sys.stderr)
sys.exit(status)
"""


MEASURES_MEMORY = pytest.mark.skipif(
    sys.platform != "linux" or "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="reads /proc; AddressSanitizer keeps what is freed",
)


def more_memory(*arguments):
    """Run a command in a process of its own; return by how many MiB its memory grew."""
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, arguments), "--quiet"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(run.stderr) / 1024


@MEASURES_MEMORY
@pytest.mark.parametrize("command", ["encode", "reconstruct", "score"])
def test_memory_is_bounded(command, tmp_path):
    n, width = 400_000, 128  # 200 MB
    X = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (n, width))
    X[:, 0] = np.arange(n) % 97 / 97
    X.flush()
    del X
    fitted = ae.Autoencoder(ae.Dense((8,)), 2, epochs=1, random_state=0)
    fitted.fit(np.zeros((300, width), np.float32)).save(tmp_path / "m.safetensors")
    out = tmp_path / "out.npy"
    grown = more_memory(command, tmp_path / "m.safetensors", tmp_path / "x.npy", "-o", out)
    assert grown < 130, grown
    found = np.load(out, mmap_mode="r")
    assert len(found) == n
    head = np.load(tmp_path / "x.npy", mmap_mode="r")[-1000:]
    method = {"encode": "transform", "reconstruct": "reconstruct", "score": "score_samples"}
    expected = getattr(ae.load(tmp_path / "m.safetensors"), method[command])(head)
    np.testing.assert_allclose(found[-1000:], expected, rtol=1e-5, atol=1e-6)


@MEASURES_MEMORY
def test_memory_is_bounded_for_text(model, tmp_path):
    with open(tmp_path / "x.csv", "w") as file:
        file.write("a,b,c,note\n")
        line = "0.25,0.5,0.75," + "x" * 500 + "\n"
        for _ in range(100):
            file.write(line * 2000)  # 100 MB
    out = tmp_path / "codes.csv"
    assert more_memory("encode", model, tmp_path / "x.csv", "-o", out) < 120
    with open(out) as file:
        lines = [next(file) for _ in range(3)]
        count = 3 + sum(1 for _ in file)
    assert count == 200_001 and lines[1] == lines[2]

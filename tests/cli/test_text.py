"""What is read out of text files: fields, names, numbers, dates, labels; and what is refused."""

import io
import os
import sys
import threading
import warnings

import aecore as ae
import numpy as np
import pytest
from aecore.cli import _cells, _open, _text
from aecore.cli._command import CommandError
from aecore.cli._source import Reading
from support.commands import complaint, status, told

SMALL = ("--arch=Dense((4,))", "--latent-dim=1", "--epochs=1", "--seed=0")


def put(folder, text, name="t.csv"):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    return str(folder / name)


def read(path, **options):
    return _open.open_samples(str(path), Reading(**options)).read()


def columns(block):
    """Return the columns of a structured array as lists."""
    return {name: block.X[name].tolist() for name in block.X.dtype.names}


# ---- fields and names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, names",
    [
        ('"Temp, C";"Hum, %"\n1;2\n3;4\n', ["Temp, C", "Hum, %"]),
        ("\n \nx;z\n1;2\n\n3;4\n", ["x", "z"]),
        ("x;z;\n1;2;\n3;4;\n", ["x", "z"]),
        ("x;z;\n1;2\n3;4\n", ["x", "z"]),
        ("x;z\n1;2;\n3;4;\n", ["x", "z"]),
        ("# made by hand, in May\nx,z\n1,2\n3,4\n", ["x", "z"]),
        ("# x,z\n1,2\n3,4\n", ["x", "z"]),
        ("# x z\n1 2\n3   4\n", ["x", "z"]),
        ("\ufeffx\tz\r\n1\t2\r\n3\t4\r\n", ["x", "z"]),
        ("x|z\r1|2\r3|4\r", ["x", "z"]),
        ("x,z\n1,2\n3,4\n".encode("utf-16"), ["x", "z"]),
        ('"a\nb",z\n1,2\n3,4', ["a\nb", "z"]),
        ("x,\n1,2\n3,4\n", ["x", "Unnamed: 1"]),
    ],
)
def test_names_and_delimiters(text, names, tmp_path):
    block = read(put(tmp_path, text))
    assert block.X.columns == names
    assert block.X.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "text",
    [
        ",x,z\n0,1,2\n1,3,4\n",  # to_csv of pandas
        '"",x,z\nmon,1,2\ntue,3,4\n',
        '"x","z"\n"1",1,2\n"2",3,4\n',  # write.table of R
    ],
)
def test_an_index_without_a_name_is_no_feature(text, tmp_path):
    path = put(tmp_path, text)
    with pytest.warns(UserWarning, match="the first column has no name, and is left out"):
        block = read(path)
    assert block.X.columns == ["x", "z"] and block.X.tolist() == [[1, 2], [3, 4]]
    with pytest.warns(UserWarning, match="left out"):
        assert columns(read(path, mixed=True)) == {"x": [1, 3], "z": [2, 4]}
    assert columns(read(path, mixed=True, columns=["Unnamed: 0", "x"]))["x"] == [1, 3]
    assert read(path, drop=["Unnamed: 0"]).X.columns == ["x", "z"]


def test_a_delimiter_at_the_end_of_lines_without_names(tmp_path):
    assert read(put(tmp_path, "1;2;\n3;4;\n")).X.tolist() == [[1, 2], [3, 4]]


def test_names_with_commas_are_asked_for_in_quotes(tmp_path, capsys):
    path = put(tmp_path, '"Temp, C";x;"Hum, %"\n1;2;3\n')
    found = told(capsys, "info", path, "--drop", '"Temp, C", "Hum, %"')
    assert list(found["columns"]) == ["x"]


def test_a_table_of_pandas_with_its_index(tmp_path, capsys):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.random.default_rng(0).random((40, 2)), columns=["x", "z"])
    frame.to_csv(tmp_path / "t.csv")
    ae.Autoencoder(ae.Dense((4,)), 1, epochs=1).fit(frame).save(tmp_path / "m.safetensors")
    call = (tmp_path / "m.safetensors", tmp_path / "t.csv", "-o", tmp_path / "c.npy")
    told(capsys, "encode", *call)
    expected = ae.load(tmp_path / "m.safetensors").transform(frame)
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), expected)


@pytest.mark.parametrize(
    "text, message",
    [
        ('x,k\n1,a\n2,"b\n3,c\n', "expected a closing quote of the field that opens in line 3"),
        ('x,"k\n1,a\n2,b\n', "expected a closing quote of the field that opens in line 1"),
        ('x,k\n1,"a\n2,b"b\n', "expected a delimiter behind a closing quote in lines 2 to 3"),
        ("x,k\n1,a\n\n2\n", "expected 2 fields in line 4, as in the first, got 1"),
        ("x,k\n1,a,2\n", "expected 2 fields in line 2, as in the first, got 3"),
        ("x;k;\n1;a;\n2;b;3\n4;c;5;6\n", "expected 3 fields in line 4, as in the first, got 4"),
        (b"x,k\n1,a\n2,\xe9\n", "expected text in UTF-8, got the byte 0xe9 in line 3"),
        (b"x,k\n1,\0\n", "expected text, got a zero byte in line 2"),
        ("x,k\n1," + "a" * 200_000 + "\n", "expected a row in line 2: field larger than"),
        ("\n\n", "expected rows, got none"),
        ("x,k\n", "expected rows, got none"),
        ("x,x\n1,2\n", "expected different column names, got 'x' twice"),
    ],
)
def test_damaged_files_are_refused_with_their_line(text, message, tmp_path, capsys):
    path = put(tmp_path, text)
    for command in ("info", "train"):
        more = () if command == "info" else ("-o", tmp_path / "m.safetensors", *SMALL)
        assert complaint(capsys, command, path, *more).startswith(f"{path}: {message}")


def test_a_quote_far_down_is_found(tmp_path):
    rows = [f"{i},w{i % 3}\n" for i in range(2000)]
    rows[1500] = rows[1500].replace("w", '"w')
    with pytest.raises(CommandError, match="field that opens in line 1502"):
        read(put(tmp_path, "x,k\n" + "".join(rows)), mixed=True)


def test_lines_have_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(_text, "LONGEST", 1000)
    with pytest.raises(CommandError, match="less than 1000 characters in line 2"):
        read(put(tmp_path, "x,k\n" + "1" * 2000 + ",2\n"))


def test_bytes_of_stdin(monkeypatch):
    text = "\ufeffx,z\r\n1,2\r\n3,4\r\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert read("-").X.columns == ["x", "z"]
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CommandError, match="stdin, which is closed"):
        read("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a FIFO")
def test_a_fifo_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    writer = threading.Thread(target=put, args=(tmp_path, "x,z\n1,2\n3,4\n"))
    writer.start()
    assert read(tmp_path / "t.csv").X.tolist() == [[1, 2], [3, 4]]
    writer.join()


# ---- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "delimiter, cells, expected",
    [
        (";", ["0,126", "-1,5", "3", "1e3"], [0.126, -1.5, 3, 1000]),
        (";", ["1.234,5", "1.234", "2,25"], [1234.5, 1234, 2.25]),
        (";", ["1 234,5", "1\u202f234", "1\u00a0234"], [1234.5, 1234, 1234]),
        (";", ["1,234.5", "12"], [1234.5, 12]),
        (";", ["1,234", "2,5"], [1.234, 2.5]),
        (",", ['"1,234"', '"12,345,678.5"'], [1234, 12345678.5]),
        (",", ['"0,5"', '"1,234"'], [0.5, 1.234]),
        (",", ["1'234", "12"], [1234, 12]),
    ],
)
def test_separators_within_numbers(delimiter, cells, expected, tmp_path):
    rows = "".join(f"{cell}{delimiter}{i}\n" for i, cell in enumerate(cells))
    path = put(tmp_path, f"x{delimiter}z\n{rows}")
    for mixed in (False, True):
        with pytest.warns(UserWarning, match="column 'x': numbers are read with "):
            block = read(path, mixed=mixed)
        found = block.X["x"] if mixed else block.X[:, 0]
        assert found.tolist() == expected


@pytest.mark.parametrize("cell", ["2019_01", "1,2,3", "1.2.3", "0x10", "٣", "1 2", "e5"])
def test_what_is_no_number(cell, tmp_path):
    path = put(tmp_path, f'x,z\n"{cell}",1\n"{cell}",2\n')
    assert columns(read(path, mixed=True))["x"] == [cell, cell]
    with pytest.raises(
        CommandError, match="expected numbers for this kind of model, got .* line 2"
    ):
        read(path)


@pytest.mark.parametrize("text", ["x\n0,5\n1,25\n", "x,z\n1,2\n3.5,4\n"])
def test_commas_are_delimiters_first(text, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = np.asarray(read(put(tmp_path, text)).X).tolist()
    assert found == ([[0.5], [1.25]] if text.startswith("x\n") else [[1, 2], [3.5, 4]])


def test_a_word_among_numbers_is_pointed_out(tmp_path):
    rows = [f"{i},{i}%,{'abc'[i % 3]}\n" for i in range(30)]
    rows[7] = "seven,7%,a\n"
    with pytest.warns(UserWarning) as said:
        block = read(put(tmp_path, "x,p,w\n" + "".join(rows)), mixed=True)
    texts = [str(w.message).partition(": ")[2] for w in said]
    assert texts == [
        "column 'x': taken for words, as 'seven' in line 9 is no number",
        "column 'p': taken for words, as '0%' in line 2 is no number",
    ]
    assert block.X["x"][:2].tolist() == ["0", "1"]


@pytest.mark.parametrize("missing", ["", "NA", "nan", "NaT", "<NA>", "null", "None", "?", " "])
def test_gaps(missing, tmp_path):
    path = put(tmp_path, f"x,w,b,d\n1,a,True,2020-01-01\n{missing},{missing},{missing},{missing}\n")
    found = columns(read(path, mixed=True))
    assert found["x"][0] == 1 and np.isnan(found["x"][1])
    assert found["w"] == ["a", ""] and found["b"] == [True, None] and found["d"][1] is None


# ---- booleans and dates -------------------------------------------------------------------------


def test_booleans_and_dates_have_their_types(tmp_path):
    text = (
        "b,d,t,z,w\n"
        "True,2020-01-31,2020-01-31 10:20,2020-01-31T10:00:00.5+02:00,2020-01-01\n"
        "false,2020-02-01,2020-01-31T10:20:30,2020-01-31T10:00Z,soon\n"
    )
    X = read(put(tmp_path, text), mixed=True).X
    assert [X.dtype[n].kind for n in X.dtype.names] == ["b", "M", "M", "M", "U"]
    assert X["b"].tolist() == [True, False]
    assert X["d"].astype(str).tolist() == [
        "2020-01-31T00:00:00.000000",
        "2020-02-01T00:00:00.000000",
    ]
    assert X["t"].astype("datetime64[s]").astype(str).tolist() == [
        "2020-01-31T10:20:00",
        "2020-01-31T10:20:30",
    ]
    assert X["z"][0] == np.datetime64("2020-01-31T08:00:00.5")
    for cells in (
        ["2020-13-01"],
        ["2020-01-01T10:00", "2020-01-01T10:00Z"],
        ["01/02/2020"],
        ["2020"],
    ):
        assert _cells.dates(cells) is None


def test_booleans_are_numbers_for_other_models(tmp_path):
    path = put(tmp_path, "b,x\nTrue,1\nfalse,2\n,3\n")
    np.testing.assert_array_equal(read(path).X, [[1, 1], [0, 2], [np.nan, 3]])


@pytest.fixture
def frame():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"b": rng.random(60) > 0.5, "x": rng.normal(size=60)})
    frame["d"] = pandas.date_range("2020-01-01", periods=60, freq="7h")
    frame["t"] = frame["d"] - frame["d"][0]
    frame["one"] = (rng.random(60) > 0.5).astype(int)
    frame["w"] = rng.choice(["a", "b", "7"], 60)
    return frame


def test_a_model_of_python_takes_its_table_as_text(frame, tmp_path, capsys):
    model = ae.TabularAutoencoder(latent_dim=1, epochs=1, random_state=0).fit(frame)
    model.save(tmp_path / "m.safetensors")
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "s.npy"
    told(capsys, "score", tmp_path / "m.safetensors", tmp_path / "t.csv", "-o", out)
    np.testing.assert_allclose(np.load(out), model.score_samples(frame), rtol=1e-6)
    frame["one"] = frame["one"].astype(bool)
    frame.to_csv(tmp_path / "t.csv", index=False)
    told(capsys, "score", tmp_path / "m.safetensors", tmp_path / "t.csv", "-o", out)
    np.testing.assert_allclose(np.load(out), model.score_samples(frame), rtol=1e-6)


@pytest.mark.parametrize(
    "column, cell, kind",
    [
        ("b", "maybe", "boolean"),
        ("d", "soon", "date"),
        ("t", "long", "duration"),
        ("x", "1_0", "number"),
    ],
)
def test_a_cell_of_another_kind_than_in_fit(column, cell, kind, frame, tmp_path, capsys):
    ae.TabularAutoencoder(latent_dim=1, epochs=1).fit(frame).save(tmp_path / "m.safetensors")
    frame[column] = frame[column].astype(object)
    frame.loc[3, column] = cell
    frame.to_csv(tmp_path / "t.csv", index=False)
    message = complaint(capsys, "score", tmp_path / "m.safetensors", tmp_path / "t.csv")
    expected = f"column {column!r}: expected {kind}s, as in fit, got {cell!r} in line 5"
    assert message.endswith(expected)


def test_models_of_text_and_of_frames_agree(frame, tmp_path, capsys):
    """What is trained on a file takes the frame that pandas reads out of it."""
    pandas = pytest.importorskip("pandas")
    frame.drop(columns="t").to_csv(tmp_path / "t.csv", index=False)
    call = (tmp_path / "t.csv", "-o", tmp_path / "m.safetensors", "-m", "tabular", *SMALL)
    told(capsys, "train", *call)
    out = tmp_path / "s.npy"
    told(capsys, "score", tmp_path / "m.safetensors", tmp_path / "t.csv", "-o", out)
    found = pandas.read_csv(tmp_path / "t.csv", parse_dates=["d"])
    expected = ae.load(tmp_path / "m.safetensors").score_samples(found)
    np.testing.assert_allclose(np.load(out), expected, rtol=1e-6)
    told(capsys, "impute", tmp_path / "m.safetensors", tmp_path / "t.csv", "-o", tmp_path / "i.csv")
    again = pandas.read_csv(tmp_path / "i.csv", parse_dates=["d"])
    assert again["b"].tolist() == found["b"].tolist() and again["d"].tolist() == found["d"].tolist()


def test_info_tells_kinds(frame, tmp_path, capsys):
    frame.loc[5, "d"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = told(capsys, "info", tmp_path / "t.csv")["columns"]
    assert {n: c["cells"] for n, c in found.items()} == {
        "b": "booleans", "x": "numbers", "d": "dates", "t": "words", "one": "numbers", "w": "words"
    }  # fmt: skip
    assert found["d"]["min"] == "2020-01-01T00:00:00" and found["d"]["missing"] == 1
    assert status("info", tmp_path / "t.csv") == 0
    assert "booleans, 2 different" in capsys.readouterr().out


# ---- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells, expected",
    [
        (["9007199254740992", "9007199254740993"], [9007199254740992, 9007199254740993]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
        (["inf", "1"], ["inf", "1"]),
        (["1e300", "1"], ["1e300", "1"]),
        (["2019_01", "2019_02"], ["2019_01", "2019_02"]),
        (["007", "7"], ["007", "7"]),
        (["-1", "1"], [-1, 1]),
        (["1.0", "2.0"], [1, 2]),
        (["True", "False"], ["True", "False"]),
        (["0.5", "1"], [[0.5], [1]]),
        (['"0,5"', "1"], [[0.5], [1]]),
        (["2020-01-01", "x"], ["2020-01-01", "x"]),
    ],
)
def test_labels_keep_their_digits(cells, expected, tmp_path):
    rows = "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read(put(tmp_path, "x,y\n" + rows), y="y").y.tolist() == expected
        (tmp_path / "X.npy").unlink(missing_ok=True)
        np.save(tmp_path / "X.npy", np.zeros((len(cells), 2)))
        own = put(tmp_path, "y\n" + "".join(f"{cell}\n" for cell in cells), "y.csv")
        assert read(tmp_path / "X.npy", y=own).y.tolist() == expected


def test_labels_of_parquet_keep_their_digits(tmp_path):
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1.0, 2.0], "y": [2**53, 2**53 + 1]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", y="y").y.tolist() == [2**53, 2**53 + 1]

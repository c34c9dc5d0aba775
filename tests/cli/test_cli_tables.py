"""Tables of numbers and words on the command line, with the kinds of models that take them."""

import csv

import aecore as ae
import numpy as np
import pytest
from aecore.cli import _open
from aecore.cli._source import Reading
from support.commands import complaint, status, told

N = 900
TABLE = np.zeros(N, [("size", float), ("shape", "U6"), ("weight", float), ("code", "U2")])
RNG = np.random.default_rng(0)
TABLE["shape"] = RNG.choice(["round", "square"], N)
TABLE["size"] = (TABLE["shape"] == "round") * 5 + RNG.integers(0, 9, N)
TABLE["weight"] = RNG.random(N) * 1000
TABLE["code"] = RNG.choice(["1", "2", "x"], N)
TABLE["size"][::50] = np.nan
TABLE["shape"][7::50] = ""

SMALL = ("--arch=Dense((8,))", "--latent-dim=2", "--epochs=2", "--seed=0")


@pytest.fixture
def path(tmp_path):
    with open(tmp_path / "t.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*TABLE.dtype.names, "y"])
        for i, row in enumerate(TABLE.tolist()):
            cells = ["NA" if v == "" or v != v else v for v in row]
            writer.writerow([*cells, i % 2])
    return tmp_path / "t.csv"


def assert_same(found, expected):
    assert found.dtype.names == expected.dtype.names
    for name in found.dtype.names:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_columns_have_numbers_or_words(path):
    block = _open.open_samples(str(path), Reading(y="y", mixed=True)).read()
    assert_same(block.X, TABLE)
    assert [block.X.dtype[n].kind for n in block.X.dtype.names] == ["f", "U", "f", "U"]
    assert block.y.tolist() == [i % 2 for i in range(N)]


def test_columns_of_a_structured_file_are_chosen(tmp_path):
    np.save(tmp_path / "t.npy", TABLE)
    reading = Reading(mixed=True, drop=["code"])
    block = _open.open_samples(str(tmp_path / "t.npy"), reading).read()
    assert block.X.dtype.names == ("size", "shape", "weight")
    with pytest.raises(_open.CommandError, match="expected some of the columns .* got 'colour'"):
        _open.open_samples(str(tmp_path / "t.npy"), Reading(mixed=True, drop=["colour"]))


def test_words_are_not_for_every_kind(path, tmp_path, capsys):
    message = complaint(capsys, "train", path, "-o", tmp_path / "m", "-m", "ae", "--drop", "y")
    assert "column 'shape': expected numbers for this kind of model, got " in message
    assert "'round'" in message or "'square'" in message


def test_tables_get_a_model_for_tables(path, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    answer = told(capsys, "train", path, "-o", out, "--y", "y", *SMALL)
    assert answer["model"] == "tabular" and answer["shape"] == [4]
    model = ae.TabularAutoencoder(ae.Dense((8,)), 2, epochs=2, random_state=0).fit(TABLE)
    found = ae.load(out)
    for name, value in model.parameters_.items():
        np.testing.assert_array_equal(found.parameters_[name], value, err_msg=name)


@pytest.mark.parametrize("rows_in_a_block", [256, 1 << 20])
def test_answers_are_those_of_the_library(rows_in_a_block, path, tmp_path, monkeypatch, capsys):
    out, results = tmp_path / "m.safetensors", tmp_path / "r.npy"
    told(capsys, "train", path, "-o", out, "--y", "y", *SMALL)
    monkeypatch.setattr("aecore.cli._table.rows_of_block", lambda *a: rows_in_a_block)
    model = ae.load(out)
    told(capsys, "encode", out, path, "-o", results)
    np.testing.assert_array_equal(np.load(results), model.transform(TABLE))
    told(capsys, "score", out, path, "-o", results)
    np.testing.assert_array_equal(np.load(results), model.score_samples(TABLE))
    told(capsys, "score", out, path, "--errors", "-o", results)
    np.testing.assert_array_equal(np.load(results), model.errors(TABLE))
    told(capsys, "score", out, path, "--cells", "-o", results)
    np.testing.assert_allclose(np.load(results), model.score_cells(TABLE), rtol=1e-5, atol=1e-5)
    answer = told(capsys, "reconstruct", out, path, "-o", results)
    assert answer["shape"] == [N, 4]
    assert_same(np.load(results), model.reconstruct(TABLE))


def test_a_word_where_the_model_has_numbers_is_named(path, tmp_path, capsys):
    out, bad = tmp_path / "m.safetensors", tmp_path / "bad.csv"
    told(capsys, "train", path, "-o", out, "--y", "y", *SMALL)
    bad.write_text("size,shape,weight,code\n1,round,2,x\n,square,fortyseven,1\n")
    message = complaint(capsys, "score", out, bad)
    assert message.endswith(
        "bad.csv: column 'weight': expected numbers, as in fit, got 'fortyseven' in line 3"
    )


def test_a_prior_is_fitted_to_codes_of_a_table(path, tmp_path, capsys):
    out, drawn = tmp_path / "m.safetensors", tmp_path / "drawn.csv"
    told(capsys, "train", path, "-o", out, "--drop", "y", *SMALL)
    message = complaint(capsys, "sample", out, "-o", drawn)
    assert '--prior: expected "GaussianMixture(10)" and --data' in message
    prior = ("--prior", "GaussianMixture(2)", "--data", path, "--seed", "0")
    assert told(capsys, "sample", out, "-n", "5", *prior, "-o", drawn)["shape"] == [5, 4]


def test_gaps_are_filled_and_cells_stay(path, tmp_path, capsys):
    out, filled = tmp_path / "m.safetensors", tmp_path / "full.csv"
    told(capsys, "train", path, "-o", out, "--y", "y", *SMALL)
    assert told(capsys, "impute", out, path, "-o", filled)["shape"] == [N, 4]
    block = _open.open_samples(str(filled), Reading(mixed=True)).read()
    assert_same(block.X, ae.load(out).impute(TABLE))
    there = ~np.isnan(TABLE["size"])
    np.testing.assert_array_equal(block.X["size"][there], TABLE["size"][there])
    assert np.isfinite(block.X["size"]).all() and (block.X["shape"] != "").all()
    assert "1.0," not in filled.read_text()  # whole numbers have no point


def test_samples_of_tables(path, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    told(capsys, "train", path, "-o", out, "--drop", "y", "-m", "tabular_vae", *SMALL)
    assert status("sample", out, "-n", "3", "--seed", "1", "-o", "-") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "size,shape,weight,code" and len(lines) == 4
    drawn = ae.load(out).sample(3, random_state=1)
    assert [line.split(",")[1] for line in lines[1:]] == drawn["shape"].tolist()


@pytest.mark.parametrize(
    "picture", ["reconstructions", "errors", "scores", "latent-space", "traversal", "interpolation"]
)
def test_pictures_of_tables(picture, path, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out, drawn = tmp_path / "m.safetensors", tmp_path / "p.svg"
    told(capsys, "train", path, "-o", out, "--drop", "y", *SMALL)
    assert told(capsys, "plot", picture, out, path, "--y", "y", "-o", drawn)["picture"] == picture
    assert drawn.read_text().lstrip().startswith("<?xml")


def test_outliers_are_counted(path, tmp_path, capsys):
    out, scores = tmp_path / "m.safetensors", tmp_path / "scores.npy"
    options = ("--contamination=0.1", "--n-models=2", "--seed=0", "--y=y")
    assert told(capsys, "train", path, "-o", out, "-m", "detector", *options)["shape"] == [4]
    answer = told(capsys, "score", out, path, "-o", scores)
    model = ae.load(out)
    np.testing.assert_array_equal(np.load(scores), model.score_samples(TABLE))
    assert answer["outliers"] == int((model.predict(TABLE) == -1).sum()) == 90
    assert answer["threshold"] == model.threshold_
    told(capsys, "score", out, path, "-o", tmp_path / "scores.csv")
    found = np.genfromtxt(tmp_path / "scores.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(found["score"], model.score_samples(TABLE))
    np.testing.assert_array_equal(found["verdict"], model.predict(TABLE))
    pytest.importorskip("matplotlib")
    told(capsys, "plot", "roc", out, path, "--y", "y", "-o", tmp_path / "roc.svg")
    assert told(capsys, "info", out)["kind"] == "detector"
    for more in (("--validation", path), ("--checkpoint", tmp_path / "c.safetensors")):
        call = ("train", path, "-o", out, "-m", "detector", *options, *more)
        assert complaint(capsys, *call).startswith(more[0])


def test_numbers_alone_are_for_the_detector_too(tmp_path, capsys):
    X = RNG.standard_normal((300, 3))
    X[5] = 40
    X[9, 1] = np.nan
    np.savetxt(tmp_path / "t.csv", X, delimiter=",", header="a,b,c", comments="")
    out = tmp_path / "m.safetensors"
    options = ("--n-models=1", "--seed=0", "-m=detector")
    told(capsys, "train", tmp_path / "t.csv", "-o", out, *options)
    answer = told(capsys, "score", out, tmp_path / "t.csv")
    assert answer["lowest"][0]["sample"] == 5


def test_reasons_are_told(path, tmp_path, capsys):
    out, written = tmp_path / "m.safetensors", tmp_path / "reasons.csv"
    options = ("--contamination=0.1", "--n-models=2", "--seed=0", "--drop=y")
    told(capsys, "train", path, "-o", out, "-m", "detector", *options)
    model = ae.load(out)
    answer = told(capsys, "score", out, path, "--explain", "2")
    for one in answer["lowest"]:
        want = model.explain(TABLE[one["sample"] : one["sample"] + 1], 2)
        assert [r["column"] for r in one["reasons"]] == list(want["column"])
        np.testing.assert_allclose([r["share"] for r in one["reasons"]], want["share"], rtol=1e-5)
    told(capsys, "score", out, path, "--explain", "3", "-o", written)
    lines = written.read_text().splitlines()
    odd = np.flatnonzero(model.predict(TABLE) == -1)
    assert lines[0] == "row,column,value,expected,share" and len(lines) == 1 + 3 * len(odd)
    assert [int(line.split(",")[0]) for line in lines[1::3]] == list(odd)
    assert status("score", out, path, "--explain", "2") == 0
    text = capsys.readouterr().out
    assert f"sample {answer['lowest'][0]['sample']}: " in text and "expected" in text
    assert "--explain" in complaint(capsys, "score", out, path, "--explain", "0")


def test_reasons_of_blocks_are_those_of_all(path, tmp_path, monkeypatch, capsys):
    out = tmp_path / "m.safetensors"
    told(capsys, "train", path, "-o", out, "-m", "detector", "--n-models=1", "--seed=0", "--drop=y")
    whole = told(capsys, "score", out, path, "--explain", "2", "-o", tmp_path / "a.csv")
    monkeypatch.setattr("aecore.cli._table.rows_of_block", lambda *a: 256)
    parts = told(capsys, "score", out, path, "--explain", "2", "-o", tmp_path / "b.csv")
    assert [o["sample"] for o in whole["lowest"]] == [o["sample"] for o in parts["lowest"]]
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_models_without_reasons(path, tmp_path, capsys):
    out = tmp_path / "m.safetensors"
    told(capsys, "train", path, "-o", out, "--y", "y", *SMALL)
    message = complaint(capsys, "score", out, path, "--explain", "2")
    assert "expected a kind with reasons for scores, got tabular" in message


def test_detectors_learn_from_labels(tmp_path, capsys):
    X = RNG.standard_normal((300, 3))
    y = np.where(np.arange(300) < 20, -1, 0)
    X[:40, 1] += 2
    table, out = tmp_path / "t.csv", tmp_path / "m.safetensors"
    rows = np.column_stack([X, y])
    np.savetxt(table, rows, delimiter=",", header="a,b,c,known", comments="", fmt="%.9g")
    options = ("--n-models=1", "--seed=0", "-m=detector", "--y", "known")
    told(capsys, "train", table, "-o", out, *options)
    assert ae.load(out)._state.evidence is not None
    told(capsys, "score", out, table, "-o", tmp_path / "scores.npy")
    scores = np.load(tmp_path / "scores.npy")
    assert scores[20:40].mean() < scores[40:].mean() - 0.5


def test_rows_are_drawn_given_cells(path, tmp_path, capsys):
    out, rows = tmp_path / "m.safetensors", tmp_path / "rows.csv"
    told(capsys, "train", path, "-o", out, "--drop", "y", "-m", "tabular_vae", *SMALL)
    given = ("--given", "shape=round", "--given", "size=6..", "--given", "code=1,x")
    told(capsys, "sample", out, "-n", "9", "-o", rows, "--seed", "0", *given)
    block = _open.open_samples(str(rows), Reading(mixed=True)).read().X
    assert set(block["shape"]) == {"round"} and (block["size"] >= 6).all()
    same = {"shape": ["round"], "size": (6, None), "code": ["1", "x"]}
    wanted = ae.load(out).sample(9, given=same, random_state=0)
    assert_same(block[["shape", "size", "weight"]], wanted[["shape", "size", "weight"]])
    assert [str(v) for v in block["code"].tolist()] == wanted["code"].tolist()
    for bad in ("nothing=1", "shape", "size=high", "size=1..2..3", "shape=oval"):
        assert "given: " in complaint(capsys, "sample", out, "-o", rows, "--given", bad)


def test_gaps_are_filled_by_draws(path, tmp_path, capsys):
    out, filled = tmp_path / "m.safetensors", tmp_path / "full.csv"
    told(capsys, "train", path, "-o", out, "--drop", "y", "-m", "tabular_vae", *SMALL)
    facts = told(capsys, "impute", out, path, "-o", filled, "--draws", "2", "--seed", "3")
    assert facts["draws"] == 2 and not filled.exists()
    tables = ae.load(out).impute(TABLE, n_draws=2, random_state=3)
    for i, table in enumerate(tables, 1):
        block = _open.open_samples(str(tmp_path / f"full-{i}.csv"), Reading(mixed=True)).read()
        assert_same(block.X, table)
    told(capsys, "train", path, "-o", out, "--drop", "y", "-m", "tabular", *SMALL)
    message = complaint(capsys, "impute", out, path, "-o", filled, "--draws", "2")
    assert "--draws: expected none for the kind tabular" in message

"""Damaged model files: cut off, with flipped bits, edited. Each is a clear ValueError."""

import copy
import json
import struct
import subprocess
import sys
from pathlib import Path

import aecore as ae
import numpy as np
import pytest
from aecore.data.tables.layout import Layout
from aecore.files import document
from aecore.files.codec import added_since
from safetensors import safe_open
from safetensors.numpy import save_file

FUZZ = Path(__file__).parents[2] / "tools" / "fuzz"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Return the bytes of a small file, and its parts."""
    X = np.random.default_rng(0).random((20, 5), dtype=np.float32)
    path = tmp_path_factory.mktemp("io") / "good"
    model = ae.CVAE(ae.Dense((4,)), 2, corruption=ae.Masking(0.1), epochs=1, random_state=0)
    model.fit(X, np.arange(20) % 2).save(path)
    with safe_open(path, framework="numpy") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    return path.read_bytes(), tensors, metadata


def refused(path):
    with pytest.raises(ValueError, match="expected a whole model file") as caught:
        ae.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("part", range(5))
def test_truncated_files(good, part, tmp_path):
    data = good[0]
    lengths = np.unique(np.linspace(0, len(data) - 1, 100).astype(int))[part::5]
    assert len(lengths) >= 19
    for length in lengths:
        (tmp_path / "f").write_bytes(data[:length])
        refused(tmp_path / "f")
    (tmp_path / "f").write_bytes(data + b"\0")
    refused(tmp_path / "f")


@pytest.mark.parametrize("part", range(4))
def test_flipped_bits(good, part, tmp_path):
    """One bit at a time: all through the header, and all through the arrays."""
    data = good[0]
    header = 8 + struct.unpack("<Q", data[:8])[0]
    places = np.concatenate(
        [np.linspace(0, header - 1, 160), np.linspace(header, len(data) - 1, 60)]
    )
    for i, place in enumerate(places.astype(int)[part::4]):
        changed = bytearray(data)
        changed[place] ^= 1 << (i % 8)
        (tmp_path / "f").write_bytes(changed)
        refused(tmp_path / "f")


def signed(path, tensors, config):
    """Write a file whose digest agrees with what is in it."""
    text = config if isinstance(config, str) else json.dumps(config)
    digest = document._digest(text, tensors)
    save_file(tensors, path, {"aecore": "1", "config": text, "digest": digest})


ODD = [None, True, -1, 0, 1.5, "x", [], {}, [1], {"a": 1}, "10", 1e300]
HUGE = [10**6, 10**9, 10**15, 2**63 - 1, 2**63, 10**30]
FINE = {  # by type too: True is no count
    **dict.fromkeys(("steps", "samples", "epoch", "seed"), [0]),
    "best_epoch": [None, 0],
    "columns": [None],
    "history": [[]],
    "pixels": [True, False],
}


def wrong_fields(config):
    """Yield (place, value) of fields that are missing, unknown or something else."""
    for key in config:
        yield (key,), KeyError
        fine = [(type(v), v) for v in FINE.get(key, [])]
        for value in ODD:
            if (type(value), value) not in fine:
                yield (key,), value
    yield ("extra",), 1
    yield ("model",), "VAE"
    yield ("model",), "Network"
    yield ("optimizer",), "SGD"
    yield ("history",), [{"loss": [1]}]
    yield ("columns",), ["a"]


def wrong_params(config):
    """Yield (place, value) of parameters of the model that are no parameters."""
    flatten = {"module": {"layer": "Flatten"}}
    odd = [{}, [], {"class": "Dense"}, {"class": "os.system", "params": {}}, {"tuple": 3}]
    for key in config["params"]:
        lacked = added_since(config["model"], [key])  # by files of 0.1.0
        gone = [] if lacked else [KeyError]
        for value in [*gone, *odd]:
            yield ("params", key), value
        if key != "arch" and not isinstance(config["params"][key], dict):
            yield ("params", key), flatten
    yield ("params", "extra"), 1
    for layer in ae.nn.__all__:  # few of which have another layer's weight
        yield ("params", "arch"), {"tuple": [{"module": {"layer": layer, "source": 0}}] * 2}
    nested = 1
    for _ in range(300):
        nested = {"tuple": [nested]}
    yield ("params", "arch"), nested


def wrong_sizes():
    """Yield (place, value) of networks that are far larger than the file."""
    for value in HUGE:
        yield ("params", "latent_dim"), value
        yield ("shape",), [value]
        yield ("shape",), [5, value, 1]
        for widths in ([value], [4, value, 4]):
            yield ("params", "arch", "params", "widths"), {"tuple": widths}
        for layer in ("Linear", "Conv2d", "BatchNorm2d", "Upsample2d", "Dense", "__import__"):
            spec = {"layer": layer, "in_features": value, "out_features": 1, "bias": True}
            yield ("params", "arch"), {"tuple": [{"module": spec}] * 2}
    norm = {"layer": "BatchNorm2d", "channels": 10**10, "eps": 1e-5, "momentum": 0.1}
    yield ("params", "arch"), {"tuple": [{"module": {**norm, "affine": True}}] * 2}


def wrong_conditions():
    """Yield (place, value) of classes and properties that don't make sense."""
    for value in ([0], [0, 0], [1, 0], ["a", "b"], [0, 1, 2], [0.0, 1.0], []):
        yield ("conditions",), {"classes": value, "dtype": "<i8"}
    for dtype in ("<i4 ", "O", "V8", "<f8", "<U1", "x", 3, None):
        yield ("conditions",), {"classes": [0, 1], "dtype": dtype}
    yield ("conditions",), {"classes": ["a", "b"], "dtype": "<U500000000"}  # GB of nothing
    yield ("conditions",), {"mean": [0.0], "scale": [0.0]}


def edited(config, place, value):
    new = copy.deepcopy(config)
    at = new
    for step in place[:-1]:
        at = at[step]
    if value is KeyError:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return new


def test_edited_configurations(good, tmp_path):
    """Each wrong in one place, and with a digest that agrees."""
    _, tensors, metadata = good
    config = json.loads(metadata["config"])
    signed(tmp_path / "f", tensors, config)
    assert ae.load(tmp_path / "f").transform(np.zeros((1, 5)), [0]).shape == (1, 2)
    edits = [*wrong_fields(config), *wrong_params(config), *wrong_sizes(), *wrong_conditions()]
    assert len(edits) > 350
    for place, value in edits:
        signed(tmp_path / "f", tensors, edited(config, place, value))
        refused(tmp_path / "f")


def test_edited_text(good, tmp_path):
    _, tensors, metadata = good
    deep = "[" * 100_000 + "]" * 100_000
    for text in (
        "",
        "null",
        "[]",
        "3",
        "{",
        "NaN",
        metadata["config"] + "}",
        deep,
        metadata["config"].replace("0.001", "NaN"),
        metadata["config"].replace("0.001", "1e999"),
        metadata["config"].replace('"epochs": 1', '"epochs": ' + "9" * 5000),
    ):
        signed(tmp_path / "f", tensors, text)
        refused(tmp_path / "f")


def test_edited_tensors(good, tmp_path):
    _, tensors, metadata = good
    text = metadata["config"]
    for name, array in tensors.items():
        others = [
            array.astype(np.float64),
            array.astype(np.float16),
            array[None],
            array.ravel()[:-1],
        ]
        if array.ndim > 1:
            others.append(np.ascontiguousarray(array.T))
        for value in (np.nan, np.inf, -np.inf):
            bad = array.copy()
            bad.flat[-1] = value
            others.append(bad)
        for other in others:
            if (
                other.shape == array.shape
                and other.dtype == array.dtype
                and np.isfinite(other).all()
            ):
                continue
            signed(tmp_path / "f", {**tensors, name: other}, text)
            refused(tmp_path / "f")
        signed(tmp_path / "f", {k: v for k, v in tensors.items() if k != name}, text)
        refused(tmp_path / "f")
    signed(tmp_path / "f", {**tensors, "extra": np.zeros(3, np.float32)}, text)
    refused(tmp_path / "f")


@pytest.mark.parametrize("more", [{}, {"digest": "of another kind"}, {"another": "field"}])
def test_newer_files_are_called_so(more, good, tmp_path):
    _, tensors, metadata = good
    path = tmp_path / "f"
    save_file(tensors, path, {**metadata, "aecore": "2", **more})
    text = "expected a model file of format 1, got one of format 2, written by a newer aecore"
    with pytest.raises(ValueError, match=text) as caught:
        ae.load(path)
    assert str(caught.value).startswith(f"{path}: ") and "damaged" not in str(caught.value)
    model = ae.CVAE(ae.Dense((4,)), 2, checkpoint=path, epochs=1)
    with pytest.raises(ValueError, match=text):
        model.fit(np.zeros((20, 5)), np.arange(20) % 2, resume=True)


def test_other_files(good, tmp_path):
    _, tensors, metadata = good
    path = tmp_path / "f"
    for other in (
        None,
        {},
        {**metadata, "aecore": "0"},
        {**metadata, "aecore": "1.5"},
        {**metadata, "extra": "x"},
        {**metadata, "digest": ""},
        {k: metadata[k] for k in ("aecore", "config")},
    ):
        save_file(tensors, path, other)
        refused(path)
    for data in (
        b"",
        b"\x80\x04K\x01.",
        b"PK\x03\x04" + bytes(99),
        b"{}",
        bytes(64),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
    ):
        path.write_bytes(data)
        refused(path)


def test_negative_positions_are_refused(tmp_path):
    X = np.random.default_rng(0).random((20, 5), dtype=np.float32)
    ae.VQVAE(ae.Dense((4,)), 4, 2, epochs=1, random_state=0).fit(X).save(tmp_path / "m")
    with safe_open(tmp_path / "m", framework="numpy") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        config = file.metadata()["config"]
    tensors["quantizer.position"] = np.array([-1])
    signed(tmp_path / "m", tensors, config)
    refused(tmp_path / "m")


@pytest.mark.skipif(
    sys.platform != "linux" or not FUZZ.exists(), reason="limits memory as on Linux"
)
@pytest.mark.parametrize(("command", "n"), [("files", 200), ("raw", 2000), ("functional", 1000)])
def test_damage_that_nobody_thinks_of(command, n):
    call = [sys.executable, FUZZ, command, str(n), "1"]
    run = subprocess.run(call, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{command}: {n} inputs" in run.stdout and run.stdout.endswith(": 0 faults of 0 kinds\n")


def test_a_columns_dtype_takes_no_memory(rng):
    X = np.zeros(20, [("a", "f4"), ("w", "U3")])
    X["a"], X["w"] = np.arange(20), ["x", "y"] * 10
    model = ae.TabularAutoencoder(epochs=1, random_state=0).fit(X)
    found = model._network.table.describe()
    found["columns"][1]["dtype"] = "<U5000"  # words that fit didn't see
    assert Layout.read(found).columns[1].dtype == "<U5000"
    found["columns"][1]["dtype"] = "<U500000000"
    with pytest.raises(ValueError, match="table: expected rows of at most 67108864 bytes"):
        Layout.read(found)
    for old in ("a5", "<a5", "|a"):
        found["columns"][1]["dtype"] = old
        with pytest.raises(ValueError, match="table: expected a dtype, got '.*a"):
            Layout.read(found)

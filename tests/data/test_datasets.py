"""Data sets: small files in the official formats, damage, finding, downloading; the real files.

The real files are tested where $AECORE_DATA holds them.
"""

import doctest
import functools
import gc
import gzip
import hashlib
import http.server
import io
import os
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from aecore import datasets
from aecore.datasets import _files, _tables

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
ADULT = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, "
    "2174, 0, 40, Cuba"
)

# ---------------------------------------------------------------------------------- small files


def idx(array):
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def mnist_files(rng):
    arrays = [
        rng.integers(0, 256, (7, 28, 28)),
        np.arange(7),
        rng.integers(0, 256, (3, 28, 28)),
        np.arange(3),
    ]
    return arrays, dict(
        zip((IMAGES, LABELS, TEST_IMAGES, TEST_LABELS), map(idx, arrays), strict=True)
    )


def cifar_files(rng):
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    rows = rng.integers(0, 256, (6, 4, 3073), dtype=np.uint8)
    rows[:, :, 0] %= 10
    return rows, {name: part.tobytes() for name, part in zip(names, rows, strict=True)}


def ecg_files(rng):
    tables = []
    for n in (6, 4):
        labels = rng.integers(1, 6, (n, 1))
        tables.append(np.hstack([labels, rng.standard_normal((n, 140)).round(4)]))
    texts = [
        "".join("".join(f"{v:16.7e}" for v in row) + "\n" for row in table) for table in tables
    ]
    return tables, {"ECG5000_TRAIN.txt": texts[0].encode(), "ECG5000_TEST.txt": texts[1].encode()}


def adult_files(rng):
    missing = ADULT.replace("State-gov", "?").replace("39", "?")
    train = f"{ADULT}, <=50K\n{missing}, >50K\n\n"
    test = f"|1x3 Cross validator\n{ADULT}, >50K.\n\n"
    return None, {"adult.data": train.encode(), "adult.test": test.encode()}


KDD, CLAIMS = "kddcup.data_10_percent.gz", "fraud_oracle.csv"


def kdd_files(rng):
    rows = [["0", "tcp", "http", "SF", *map(str, range(37)), f"{k}."] for k in ("normal", "smurf")]
    rows = [rows[i % 2] for i in range(10)]
    return rows, {KDD: gzip.compress("".join(",".join(row) + "\n" for row in rows).encode())}


def claim_files(rng):
    fields = _tables._CLAIM_FIELDS
    row = dict.fromkeys(fields, "more than 69000") | dict.fromkeys(_tables._CLAIM_NUMBERS, "5")
    rows = [row | {"Age": str(i), "FraudFound_P": str(i % 2)} for i in range(5)]
    lines = [fields, *(r.values() for r in rows)]
    return rows, {CLAIMS: "".join(",".join(line) + "\r\n" for line in lines).encode()}


SETS = {
    "mnist": (datasets.load_mnist, mnist_files),
    "fashion_mnist": (datasets.load_fashion_mnist, mnist_files),
    "cifar10": (datasets.load_cifar10, cifar_files),
    "ecg5000": (datasets.load_ecg5000, ecg_files),
    "adult": (datasets.load_adult, adult_files),
    "kddcup99": (datasets.load_kddcup99, kdd_files),
    "vehicle_claim_fraud": (datasets.load_vehicle_claims, claim_files),
}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Return empty folders for AECORE_DATA and the cache, and no way to download."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "pooch", None)
    return tmp_path / "data", tmp_path / "cache" / "aecore"


def check_split(split):
    X_train, y_train, X_test, y_test = split
    for X, y in ((X_train, y_train), (X_test, y_test)):
        assert len(X) == len(y) > 0
        assert y.dtype == np.int64 and y.ndim == 1
        assert X.flags.c_contiguous and X.flags.writeable
    assert X_train.shape[1:] == X_test.shape[1:] and X_train.dtype == X_test.dtype


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_images_come_back_pixel_for_pixel(name, homes, rng):
    load, make = SETS[name]
    arrays, files = make(rng)
    write(homes[0] / name, files)
    split = load()
    check_split(split)
    assert split[0].shape == (7, 28, 28, 1) and split[0].dtype == np.uint8
    for got, expected in zip(split, arrays, strict=True):
        np.testing.assert_array_equal(got.reshape(expected.shape), expected)


def test_cifar_planes_become_channels_last(homes, rng):
    rows, files = cifar_files(rng)
    write(homes[0] / "cifar10", files)
    split = datasets.load_cifar10()
    check_split(split)
    assert split[0].shape == (20, 32, 32, 3) and split[2].shape == (4, 32, 32, 3)
    assert split[0].dtype == np.uint8
    flat = rows.reshape(24, 3073)
    np.testing.assert_array_equal(split[1], flat[:20, 0])
    np.testing.assert_array_equal(split[3], flat[20:, 0])
    # The byte of plane c, row h, column w, as the format has it.
    for n, c, h, w in ((0, 0, 0, 0), (5, 1, 2, 3), (19, 2, 31, 30)):
        assert split[0][n, h, w, c] == flat[n, 1 + 1024 * c + 32 * h + w]
    assert split[2][3, 4, 5, 1] == flat[23, 1 + 1024 + 32 * 4 + 5]


def test_ecg_is_float32_sequences(homes, rng):
    tables, files = ecg_files(rng)
    write(homes[0] / "ecg5000", files)
    split = datasets.load_ecg5000()
    check_split(split)
    assert split[0].shape == (6, 140, 1) and split[2].shape == (4, 140, 1)
    assert split[0].dtype == np.float32
    np.testing.assert_array_equal(split[0][..., 0], tables[0][:, 1:].astype(np.float32))
    np.testing.assert_array_equal(split[3], tables[1][:, 0])


def test_adult_is_a_mixed_table_with_missing_values(homes, rng):
    write(homes[0] / "adult", adult_files(rng)[1])
    split = datasets.load_adult()
    check_split(split)
    X, y, X_test, y_test = split
    assert y.tolist() == [0, 1] and y_test.tolist() == [1]
    assert sum(X.dtype[name].kind == "f" for name in X.dtype.names) == 6
    assert sum(X.dtype[name].kind == "U" for name in X.dtype.names) == 8
    assert (
        X["age"][0] == 39 and np.isnan(X["age"][1]) and X["workclass"].tolist() == ["State-gov", ""]
    )
    assert X["native-country"][1] == "Cuba" and X_test["hours-per-week"][0] == 40


def test_connections_are_a_mixed_table(homes, rng):
    write(homes[0] / "kddcup99", kdd_files(rng)[1])
    X, y, X_test, y_test = split = datasets.load_kddcup99()
    check_split(split)
    assert X.shape == (8,) and X_test.shape == (2,) and len(X.dtype.names) == 41
    assert sum(X.dtype[name].kind == "f" for name in X.dtype.names) == 38
    assert set(y) | set(y_test) == {0, 18} and _tables.KDD_LABELS[18] == "smurf"
    assert X["service"][0] == "http" and X["dst_host_srv_rerror_rate"][0] == 36
    np.testing.assert_array_equal(datasets.load_kddcup99()[1], y)  # the same split


def test_claims_are_a_mixed_table_with_missing_ages(homes, rng):
    write(homes[0] / "vehicle_claim_fraud", claim_files(rng)[1])
    X, y, X_test, y_test = split = datasets.load_vehicle_claims()
    check_split(split)
    assert X.shape == (4,) and X_test.shape == (1,) and len(X.dtype.names) == 31
    assert not {"FraudFound_P", "PolicyNumber"} & set(X.dtype.names)
    ages, fraud = np.r_[X["Age"], X_test["Age"]], np.r_[y, y_test]
    np.testing.assert_array_equal(np.sort(ages), [1, 2, 3, 4, np.nan])
    np.testing.assert_array_equal(fraud, np.nan_to_num(ages) % 2)
    assert X["Make"][0] == "more than 69000" and X["Deductible"][0] == 5


def test_digits_fill_the_range_and_are_split_once_and_for_all():
    sklearn = pytest.importorskip("sklearn.datasets")
    X_train, y_train, X_test, y_test = split = datasets.load_digits()
    check_split(split)
    assert X_train.shape == (1437, 8, 8, 1) and X_test.shape == (360, 8, 8, 1)
    assert X_train.dtype == np.uint8 and X_train.min() == 0 and X_train.max() == 255
    bunch = sklearn.load_digits()
    levels = {(int(g) * 255) // 16 for g in range(17)}
    assert set(np.unique(X_train)) == levels
    # Every image is there once: a permutation of the whole, whose first labels are frozen here.
    images = np.concatenate([X_train, X_test])[..., 0]
    expected = (bunch.images * 255 // 16).astype(np.uint8)
    key = lambda images: sorted(image.tobytes() for image in images)  # noqa: E731
    assert key(images) == key(expected)
    assert y_test[:12].tolist() == FROZEN_DIGITS
    np.testing.assert_array_equal(X_train, datasets.load_digits()[0])


def test_small_fashion_comes_with_the_package(monkeypatch):
    monkeypatch.setenv("AECORE_DATA", "/nowhere")
    X_train, y_train, X_test, y_test = split = datasets.load_fashion_small()
    check_split(split)
    assert X_train.shape == (2500, 28, 28, 1) and X_test.shape == (500, 28, 28, 1)
    assert X_train.dtype == np.uint8 and X_train.min() == 0 and X_train.max() == 255
    assert np.bincount(y_train).tolist() == [244, 238, 249, 247, 279, 251, 235, 223, 264, 270]
    assert [datasets.FASHION_CLASSES[label] for label in y_test[:3]] == FIRST_CLOTHES
    X_train[:] = 0  # one's own copy
    assert datasets.load_fashion_small()[0].any()
    folder = Path(datasets.__file__).parent / "fashion_small"
    assert (folder / "LICENSE").read_text().startswith("The MIT License")


FIRST_CLOTHES = ["bag", "T-shirt/top", "T-shirt/top"]
FROZEN_DIGITS = [7, 9, 4, 7, 0, 2, 6, 1, 3, 1, 3, 7]


# --------------------------------------------------------------------------------------- damage


def cut(content):
    return content[: len(content) * 3 // 5]


def regzip(change):
    return lambda content: gzip.compress(change(gzip.decompress(content)))


DAMAGE = {
    "mnist: gzip cut short": ("mnist", IMAGES, cut),
    "mnist: not gzip": ("mnist", LABELS, lambda c: b"<html>not found</html>"),
    "mnist: empty": ("mnist", IMAGES, lambda c: b""),
    "mnist: flipped bits": ("mnist", IMAGES, lambda c: c[:-40] + bytes(b ^ 255 for b in c[-40:])),
    "mnist: data cut short": ("mnist", IMAGES, regzip(lambda c: c[:-1])),
    "mnist: data too long": ("mnist", LABELS, regzip(lambda c: c + b"\0")),
    "mnist: header only": ("mnist", IMAGES, regzip(lambda c: c[:10])),
    "mnist: nothing inside": ("mnist", LABELS, regzip(lambda c: b"")),
    "mnist: other magic": ("mnist", IMAGES, regzip(lambda c: b"\0\0\x0d\3" + c[4:])),
    "mnist: labels for images": ("mnist", IMAGES, lambda c: idx(np.arange(7))),
    "mnist: huge header": ("mnist", IMAGES, regzip(lambda c: c[:4] + b"\xff" * 12 + c[16:])),
    "mnist: no images": ("mnist", IMAGES, lambda c: idx(np.zeros((0, 28, 28)))),
    "mnist: fewer labels": ("mnist", LABELS, lambda c: idx(np.arange(6))),
    "mnist: label 10": ("mnist", LABELS, lambda c: idx(np.arange(4, 11))),
    "cifar: cut short": ("cifar10", "data_batch_2.bin", cut),
    "cifar: empty": ("cifar10", "test_batch.bin", lambda c: b""),
    "cifar: shifted": ("cifar10", "data_batch_5.bin", lambda c: b"\xff" + c[:-1]),
    "ecg: line cut short": ("ecg5000", "ECG5000_TRAIN.txt", cut),
    "ecg: number cut short": ("ecg5000", "ECG5000_TEST.txt", lambda c: c[:-3]),
    "ecg: words": ("ecg5000", "ECG5000_TEST.txt", lambda c: b"not found\n"),
    "ecg: binary": ("ecg5000", "ECG5000_TEST.txt", lambda c: b"\xff\xfe\x00\n"),
    "ecg: empty": ("ecg5000", "ECG5000_TEST.txt", lambda c: b""),
    "ecg: blank": ("ecg5000", "ECG5000_TEST.txt", lambda c: b"\n"),
    "ecg: columns": ("ecg5000", "ECG5000_TEST.txt", lambda c: b"1 2 3\n"),
    "ecg: NaN": ("ecg5000", "ECG5000_TEST.txt", lambda c: b"1 " + b"nan " * 140 + b"\n"),
    "ecg: label 6": ("ecg5000", "ECG5000_TEST.txt", lambda c: b"6 " + b"0 " * 140 + b"\n"),
    "ecg: label 1.5": ("ecg5000", "ECG5000_TEST.txt", lambda c: b"1.5 " + b"0 " * 140 + b"\n"),
    "adult: cut short": ("adult", "adult.data", lambda c: c[:-20]),
    "adult: empty": ("adult", "adult.test", lambda c: b""),
    "adult: comment only": ("adult", "adult.test", lambda c: b"|1x3 Cross validator\n"),
    "adult: a word for a number": ("adult", "adult.data", lambda c: c.replace(b"39", b"old")),
    "adult: other label": ("adult", "adult.test", lambda c: c.replace(b">50K", b">60K")),
    "adult: a field missing": ("adult", "adult.test", lambda c: c.replace(b"Male, ", b"")),
    "adult: long category": ("adult", "adult.test", lambda c: c.replace(b"Cuba", b"C" * 27)),
    "adult: binary": ("adult", "adult.test", lambda c: b"\xff\xfe"),
    "kdd: cut short": ("kddcup99", KDD, cut),
    "kdd: not gzip": ("kddcup99", KDD, lambda c: b"<html>not found</html>"),
    "kdd: empty": ("kddcup99", KDD, regzip(lambda c: b"")),
    "kdd: a field missing": ("kddcup99", KDD, regzip(lambda c: c.replace(b"tcp,", b"", 1))),
    "kdd: a word for a number": ("kddcup99", KDD, regzip(lambda c: c.replace(b",36,", b",x,"))),
    "kdd: NaN": ("kddcup99", KDD, regzip(lambda c: c.replace(b",36,", b",nan,"))),
    "kdd: other label": ("kddcup99", KDD, regzip(lambda c: c.replace(b"smurf", b"surf"))),
    "kdd: long category": ("kddcup99", KDD, regzip(lambda c: c.replace(b"http", b"h" * 30))),
    "claims: cut short": ("vehicle_claim_fraud", CLAIMS, cut),
    "claims: empty": ("vehicle_claim_fraud", CLAIMS, lambda c: b""),
    "claims: other columns": ("vehicle_claim_fraud", CLAIMS, lambda c: c.replace(b"Year", b"Yr")),
    "claims: a word": ("vehicle_claim_fraud", CLAIMS, lambda c: c.replace(b",5,", b",five,")),
    "claims: long category": ("vehicle_claim_fraud", CLAIMS, lambda c: c.replace(b"69", b"6" * 9)),
    "claims: other label": ("vehicle_claim_fraud", CLAIMS, lambda c: c.replace(b",1,", b",2,")),
    "claims: binary": ("vehicle_claim_fraud", CLAIMS, lambda c: b"\xff\xfe"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_files_are_named(case, homes, rng):
    name, file, damage = DAMAGE[case]
    load, make = SETS[name]
    files = make(rng)[1]
    write(homes[0] / name, files)
    check_split(load())
    changed = damage(files[file])
    assert changed != files[file]
    write(homes[0] / name, {file: changed})
    with pytest.raises(ValueError) as caught:
        load()
    assert str(homes[0] / name / file) in str(caught.value)


# -------------------------------------------------------------------------------------- finding


def test_order_of_search(homes, rng, tmp_path, monkeypatch):
    data, cache = homes
    for home, n in ((data, 1), (cache, 2), (tmp_path / "own", 3)):
        files = {name: idx(np.zeros((n, 4, 4))) for name in (IMAGES, TEST_IMAGES)}
        files |= {name: idx(np.zeros(n)) for name in (LABELS, TEST_LABELS)}
        write(home / "mnist", files)
    load = lambda **options: len(datasets.load_mnist(**options)[0])  # noqa: E731
    assert load() == 1
    assert load(data_home=tmp_path / "own") == load(data_home=str(tmp_path / "own")) == 3
    monkeypatch.delenv("AECORE_DATA")
    assert load() == 2
    monkeypatch.setenv("AECORE_DATA", "")
    assert load() == 2
    # Each file is looked for by itself.
    monkeypatch.setenv("AECORE_DATA", str(data))
    (data / "mnist" / IMAGES).unlink()
    (data / "mnist" / LABELS).unlink()
    assert load() == 2


@pytest.mark.parametrize("name", SETS)
def test_a_missing_file_is_named_with_what_to_do(name, homes, rng):
    load, make = SETS[name]
    files = make(rng)[1]
    first = next(iter(_files.FILES[name]))
    write(homes[0] / name, {file: c for file, c in files.items() if file != first})
    with pytest.raises(FileNotFoundError) as caught:
        load()
    message = str(caught.value)
    expected = (
        first,
        str(homes[0] / name),
        str(homes[1] / name),
        "AECORE_DATA",
        "pooch",
        "https://",
    )
    assert [part for part in expected if part not in message] == []


def test_cache_folder_by_platform(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/ada")
    assert _files.cache_home().as_posix() == "/var/cache/ada/aecore"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    assert _files.cache_home().as_posix() == "/home/ada/.cache/aecore"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert _files.cache_home().as_posix() == "/home/ada/Library/Caches/aecore"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "C:/Users/ada")
    assert _files.cache_home().as_posix() == "C:/Users/ada/aecore/Cache"


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"aecore\[sklearn\]"):
        datasets.load_digits()


# ---------------------------------------------------------------------------------- downloading


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve a folder over HTTP from this machine; yields (folder, address, paths asked for)."""
    pytest.importorskip("pooch")
    folder = tmp_path / "www"
    folder.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, form, *args):
            asked.append(self.path.lstrip("/"))

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.delenv("AECORE_DATA", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield folder, f"http://127.0.0.1:{httpd.server_address[1]}/", asked
        httpd.shutdown()
        thread.join()


def sha(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_download_checks_the_hash_and_keeps_the_file(server, rng, tmp_path, monkeypatch):
    folder, address, asked = server
    arrays, files = mnist_files(rng)
    write(folder, files)
    sources = {name: _files.Remote(address + name, sha(c)) for name, c in files.items()}
    monkeypatch.setitem(_files.FILES, "mnist", sources)
    np.testing.assert_array_equal(datasets.load_mnist()[0][..., 0], arrays[0])
    assert sorted(asked) == sorted(files)
    cached = tmp_path / "cache" / "aecore" / "mnist"
    assert {path.name: path.read_bytes() for path in cached.iterdir()} == files
    datasets.load_mnist()
    assert len(asked) == len(files)
    # data_home takes the cache's place.
    datasets.load_mnist(data_home=tmp_path / "own")
    assert len(asked) == 2 * len(files) and (tmp_path / "own" / "mnist" / IMAGES).is_file()


def test_a_file_of_another_hash_is_refused_and_not_kept(server, rng, tmp_path, monkeypatch):
    folder, address, _ = server
    files = mnist_files(rng)[1]
    write(folder, {name: c + b"!" for name, c in files.items()})
    sources = {name: _files.Remote(address + name, sha(c)) for name, c in files.items()}
    monkeypatch.setitem(_files.FILES, "mnist", sources)
    with pytest.raises(ValueError, match=IMAGES):
        datasets.load_mnist()
    assert list((tmp_path / "cache" / "aecore" / "mnist").iterdir()) == []


# pooch leaves the connection of a refused request to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("source", ["gone", "refused", "no folder"])
def test_a_failed_download_says_what_to_do(source, server, tmp_path, monkeypatch):
    _, address, _ = server
    if source == "refused":
        address = "http://127.0.0.1:9/"
    if source == "no folder":
        (tmp_path / "cache").write_text("a file where the cache should be")
    sources = {IMAGES: _files.Remote(address + IMAGES, sha(b""))}
    monkeypatch.setitem(_files.FILES, "mnist", sources)
    with pytest.raises(FileNotFoundError, match="AECORE_DATA") as caught:
        datasets.load_mnist()
    assert IMAGES in str(caught.value) and str(tmp_path / "cache") in str(caught.value)
    del caught
    gc.collect()


def tar_of(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tape:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        tape.addfile(folder)
        for name, content in {"readme.html": b"read", **files}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tape.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def zip_of(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for name, content in {"ECG5000.txt": b"about", **files}.items():
            zipped.writestr(name, content)
    return stream.getvalue()


def test_a_tar_archive_is_fetched_once_and_taken_apart(server, rng, tmp_path, monkeypatch):
    folder, address, asked = server
    rows, files = cifar_files(rng)
    archive = tar_of(files)
    write(folder, {"cifar.tar.gz": archive})
    remote = _files.Remote(address + "cifar.tar.gz", archive_hash=sha(archive))
    monkeypatch.setitem(_files.FILES, "cifar10", dict.fromkeys(files, remote))
    np.testing.assert_array_equal(datasets.load_cifar10()[3], rows[5, :, 0])
    assert asked == ["cifar.tar.gz"]
    cached = tmp_path / "cache" / "aecore" / "cifar10"
    assert {path.name: path.read_bytes() for path in cached.iterdir()} == files


LOADER = """
import sys, time
from aecore.datasets import _files, load_cifar10
import pooch
url, digest, home = sys.argv[1:]
remote = _files.Remote(url, archive_hash=digest)
_files.FILES["cifar10"] = dict.fromkeys(_files.CIFAR_BATCHES, remote)
print("ready", flush=True)
sys.stdin.readline()
print(load_cifar10(data_home=home)[0].shape)
"""


@pytest.mark.parametrize("locks", [True, False])
def test_many_processes_download_one_set_at_once(locks, server, rng, tmp_path):
    folder, address, asked = server
    _, files = cifar_files(rng)
    archive = tar_of(files)
    write(folder, {"cifar.tar.gz": archive})
    home = tmp_path / "home"
    code = LOADER if locks else "import sys; sys.modules['fcntl'] = None\n" + LOADER
    call = [sys.executable, "-c", code, address + "cifar.tar.gz", sha(archive), str(home)]
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    loading = [subprocess.Popen(call, text=True, **pipes) for _ in range(4)]
    for process in loading:
        assert process.stdout.readline() == "ready\n"
    for process in loading:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in loading:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "(20, 32, 32, 3)\n"), err
    assert {path.name: path.read_bytes() for path in (home / "cifar10").iterdir()} == files
    assert len(asked) == 1 if locks else len(asked) >= 1


def test_no_home_directory(homes, rng, tmp_path, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(_files.Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("AECORE_DATA", raising=False)
    with pytest.raises(
        FileNotFoundError, match="home directory. Set AECORE_DATA .* XDG_CACHE_HOME"
    ):
        datasets.load_mnist()
    arrays, files = mnist_files(rng)
    (tmp_path / "own" / "mnist").mkdir(parents=True)
    write(tmp_path / "own" / "mnist", files)
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "own"))
    np.testing.assert_array_equal(datasets.load_mnist()[0][..., 0], arrays[0])


def test_the_members_of_a_zip_archive_are_checked(server, rng, tmp_path, monkeypatch):
    folder, address, _ = server
    tables, files = ecg_files(rng)
    sources = {name: _files.Remote(address + "ecg.zip", sha(c)) for name, c in files.items()}
    monkeypatch.setitem(_files.FILES, "ecg5000", sources)
    test = files["ECG5000_TEST.txt"]
    bad = {
        "other content": zip_of({**files, "ECG5000_TEST.txt": test + b"\n"}),
        "a file missing": zip_of({"ECG5000_TRAIN.txt": files["ECG5000_TRAIN.txt"]}),
        "no archive": b"<html>try later</html>",
        "cut short": cut(tar_of(files)),
        "a bad checksum": zip_of(files).replace(test[:50], b"9" * 50),
    }
    cached = tmp_path / "cache" / "aecore" / "ecg5000"
    for what, archive in bad.items():
        write(folder, {"ecg.zip": archive})
        with pytest.raises(ValueError, match=r"ecg\.zip"):
            datasets.load_ecg5000()
        # Neither the archive nor a wrong file stays behind.
        kept = {path.name: path.read_bytes() for path in cached.iterdir()}
        assert kept.items() <= files.items() and "ECG5000_TEST.txt" not in kept, what
    write(folder, {"ecg.zip": zip_of(files)})
    np.testing.assert_array_equal(datasets.load_ecg5000()[1], tables[0][:, 0])
    assert {path.name for path in cached.iterdir()} == set(files)


def test_sources_are_complete():
    for name, files in _files.FILES.items():
        for file, remote in files.items():
            assert remote.url.startswith("https://"), (name, file)
            algorithm, digest = (remote.file_hash or remote.archive_hash).split(":")
            assert len(digest) == 2 * hashlib.new(algorithm).digest_size, (name, file)


NAB = {
    "data/realTraffic/speed_7578.csv": b"timestamp,value\n2015-09-08 11:39:00,73\n"
    b"2015-09-08 11:44:00,62.5\n2015-09-08 11:54:00,66\n",
    "labels/combined_windows.json": b'{"realTraffic/speed_7578.csv": [["2015-09-08 11:40:00.000"'
    b', "2015-09-08 11:44:00.000000"]]}',
}


def write_nab(folder, **changed):
    for name, content in (NAB | changed).items():
        (folder / "nab" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "nab" / name).write_bytes(content)


def test_nab_has_times_values_and_labels(homes):
    write_nab(homes[0])
    for name in ("realTraffic/speed_7578", "realTraffic/speed_7578.csv"):
        stamps, X, y = datasets.load_nab(name)
        assert stamps.dtype == "M8[s]" and np.diff(stamps).astype(int).tolist() == [300, 600]
        assert X.tolist() == [73, 62.5, 66] and y.tolist() == [False, True, False]
    with pytest.raises(ValueError, match="name: expected one of .*realTraffic/speed_7578"):
        datasets.load_nab("speed_7578")
    with pytest.raises(FileNotFoundError, match="nyc_taxi.csv in .* got none"):
        datasets.load_nab("realKnownCause/nyc_taxi")


@pytest.mark.parametrize(
    "file, content",
    [
        (0, b"timestamp,value\n2015-09-08 11:39:00\n"),
        (0, b"timestamp,value\nnever,1\n"),
        (0, b"timestamp,value\n2015-09-08 11:39:00,much\n"),
        (0, b"a,b\n"),
        (0, b""),
        (1, b"{}"),
        (1, b"not JSON"),
        (1, b'{"realTraffic/speed_7578.csv": [["then", "now"]]}'),
        (1, b'{"realTraffic/speed_7578.csv": [[1, 2]]}'),
        (1, b'{"realTraffic/speed_7578.csv": [["2015-09-08"]]}'),
    ],
)
def test_damaged_files_of_nab(file, content, homes):
    write_nab(homes[0], **{list(NAB)[file]: content})
    with pytest.raises(ValueError, match=rf"{list(NAB)[file]}: expected .*damaged"):
        datasets.load_nab("realTraffic/speed_7578")


# --------------------------------------------------------------------------------- the real files


def real(name):
    folder = os.environ.get("AECORE_DATA")
    if not folder or not os.path.isdir(os.path.join(folder, name)):
        pytest.skip(f"$AECORE_DATA holds no {name}")


@pytest.mark.parametrize(
    "name, train, test, counts",
    [
        ("mnist", (60000, 28, 28, 1), (10000, 28, 28, 1),
         [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("fashion_mnist", (60000, 28, 28, 1), (10000, 28, 28, 1), [6000] * 10),
        ("cifar10", (50000, 32, 32, 3), (10000, 32, 32, 3), [5000] * 10),
        ("ecg5000", (500, 140, 1), (4500, 140, 1), [0, 292, 177, 10, 19, 2]),
        ("adult", (32561,), (16281,), [24720, 7841]),
        ("vehicle_claim_fraud", (12336,), (3084,), [11602, 734]),
    ],
)  # fmt: skip
def test_real_files(name, train, test, counts):
    real(name)
    split = SETS[name][0]()
    check_split(split)
    assert split[0].shape == train and split[2].shape == test
    assert np.bincount(split[1]).tolist() == counts


def test_adult_has_the_published_number_of_missing_values():
    real("adult")
    X = datasets.load_adult()[0]
    text = [name for name in X.dtype.names if X.dtype[name].kind == "U"]
    assert sum((X[name] == "").any() for name in text) == 3
    assert np.any([X[name] == "" for name in text], axis=0).sum() == 2399


@pytest.mark.slow
def test_the_connections_as_published():
    real("kddcup99")
    X, y, X_test, y_test = datasets.load_kddcup99()
    assert len(X) == 395217 and len(X) + len(X_test) == 494021
    counts = np.bincount(y, minlength=23) + np.bincount(y_test, minlength=23)
    assert counts[[0, 10, 18, 19]].tolist() == [97278, 107201, 280790, 2]


@pytest.mark.parametrize(
    "name",
    [
        "load_mnist",
        "load_cifar10",
        "load_ecg5000",
        "load_adult",
        "load_digits",
        "load_fashion_small",
        "load_nab",
        "load_vehicle_claims",
        "make_homes",
        "make_sensors",
    ],
)
def test_examples(name):
    if name == "load_digits":
        pytest.importorskip("sklearn")
    elif not name.startswith("make_") and name != "load_fashion_small":
        real(name.removeprefix("load_").replace("claims", "claim_fraud"))
    test = doctest.DocTestFinder(recurse=False).find(
        getattr(datasets, name), name, globs=vars(datasets)
    )[0]
    result = doctest.DocTestRunner().run(test)
    assert result.attempted > 1 and result.failed == 0


def test_homes_follow_from_one_another():
    X, truth = datasets.make_homes(20_000, gaps=0.1, odd=0.02)
    assert X.dtype == truth.dtype and X.dtype.names[:3] == ("kind", "city", "area")
    house = truth["kind"] == "house"
    assert 0.53 < house.mean() < 0.57
    assert set(truth["heating"][truth["city"] == "Porto"]) == {"none"}
    metre = {city: np.median((truth["price"] / truth["area"])[truth["city"] == city])
             for city in ("Bergen", "Lyon", "Porto")}  # fmt: skip
    assert metre == pytest.approx({"Bergen": 5.2, "Lyon": 4.1, "Porto": 2.9}, rel=0.02)
    for name in X.dtype.names:
        gaps = X[name] == "" if X[name].dtype.kind == "U" else np.isnan(X[name])
        assert gaps.mean() == pytest.approx(0.1, abs=0.01)
        wrong = ~gaps & (X[name] != truth[name])
        assert wrong.mean() <= 0.025
        assert set(X[name][wrong]) <= set(truth[name])
    assert (X["price"] != truth["price"])[~np.isnan(X["price"])].mean() > 0.015
    same, _ = datasets.make_homes(20_000, gaps=0, odd=0)
    np.testing.assert_array_equal(same, truth)


def test_what_is_drawn_as_frames():
    pandas = pytest.importorskip("pandas")
    X, truth = datasets.make_homes(300, as_frame=True)
    plain, _ = datasets.make_homes(300)
    assert list(X) == list(plain.dtype.names) and not truth.isna().any().any()
    for name in X:
        gaps = plain[name] == "" if plain[name].dtype.kind == "U" else np.isnan(plain[name])
        np.testing.assert_array_equal(X[name].isna(), gaps)
        assert gaps.any() and (X[name][~gaps] == plain[name][~gaps]).all()
    stamps, readings, _ = datasets.make_sensors(500, as_frame=True)
    assert isinstance(readings, pandas.DataFrame) and (readings.index == stamps).all()
    assert list(readings) == ["load", "temperature", "pressure"]
    np.testing.assert_array_equal(readings, datasets.make_sensors(500)[1])


def test_what_is_drawn_is_the_same_on_every_machine():
    digest = hashlib.sha256(datasets.make_homes(50)[0].tobytes()).hexdigest()
    assert digest[:16] == HOMES
    assert not np.array_equal(*(datasets.make_homes(50, random_state=None)[1] for _ in "ab"))
    np.testing.assert_allclose(datasets.make_sensors()[1][0], FIRST_READING)


HOMES, FIRST_READING = (
    "2a82c82f41f88cec",
    [38.168692261564175, 49.841497310297115, 6.103665179125743],
)


def test_sensors_go_wrong_three_times():
    stamps, X, y = datasets.make_sensors(1000)
    assert stamps.shape == y.shape == (1000,) and X.shape == (1000, 3)
    assert set(np.diff(stamps).astype(int)) == {1}
    starts = np.flatnonzero(np.diff(y.astype(int)) == 1) + 1
    assert starts.tolist() == [700, 800, 900] and y.sum() == 90
    assert np.ptp(X[800:830, 0]) == 0 and np.ptp(X[:700].reshape(-1, 50, 3), axis=1).min() > 0


@pytest.mark.parametrize("wrong, error, text", [
    ({"n": 0}, ValueError, "n: expected"),
    ({"n": 2.5}, TypeError, "n: expected"),
    ({"gaps": 1.5}, ValueError, "gaps: expected"),
    ({"odd": "few"}, TypeError, "odd: expected"),
    ({"random_state": "x"}, TypeError, "random_state: expected"),
    ({"as_frame": 2}, TypeError, "as_frame: expected"),
])  # fmt: skip
def test_what_can_not_be_drawn(wrong, error, text):
    with pytest.raises(error, match=text):
        datasets.make_homes(**wrong)


def test_few_sensor_readings_are_refused():
    with pytest.raises(ValueError, match="n: expected"):
        datasets.make_sensors(399)

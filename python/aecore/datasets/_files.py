"""The files of data sets: their sources, finding them, downloading them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..base import atomic
from ._nab_files import DIGESTS


class Remote(NamedTuple):
    """The source of a file: its own address, or that of a tar or zip archive that holds it."""

    url: str
    file_hash: str | None = None
    archive_hash: str | None = None


# LeCun's own server no longer hands out the files; this is PyTorch's byte-exact mirror of them.
_MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION_URL = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
)
_CIFAR10 = Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    archive_hash="sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
_ECG5000_URL = "https://timeseriesclassification.com/aeon-toolkit/ECG5000.zip"
_ADULT_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/"

_KDD_URL = "https://kdd.ics.uci.edu/databases/kddcup99/"
# Kaggle asks for an account; this is a copy at a fixed commit.
_CLAIMS_URL = (
    "https://raw.githubusercontent.com/TeamAlphaTingyu/MachineLearningHW1/"
    "ac5721eadbba07613151e6a7ec24287f835721c9/"
)

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
CIFAR_BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]

_NAB_URL = "https://raw.githubusercontent.com/numenta/NAB/ea702d75cc2258d9d7dd35ca8e5e2539d71f3140/"
NAB_LABELS = "labels/combined_windows.json"

KDD, CLAIMS = "kddcup.data_10_percent.gz", "fraud_oracle.csv"

FILES: dict[str, dict[str, Remote]] = {
    "mnist": {
        name: Remote(_MNIST_URL + name, "sha256:" + digest)
        for name, digest in {
            TRAIN_IMAGES: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            TRAIN_LABELS: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            TEST_IMAGES: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            TEST_LABELS: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        }.items()
    },
    "fashion_mnist": {
        name: Remote(_FASHION_URL + name, "md5:" + digest)
        for name, digest in {
            TRAIN_IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            TRAIN_LABELS: "25c81989df183df01b3e8a0aad5dffbe",
            TEST_IMAGES: "bef4ecab320f06d8554ea6380940ec79",
            TEST_LABELS: "bb300cfdad3c16e7a12a480ee83cd310",
        }.items()
    },
    "cifar10": dict.fromkeys(CIFAR_BATCHES, _CIFAR10),
    "ecg5000": {
        name: Remote(_ECG5000_URL, "sha256:" + digest)
        for name, digest in {
            "ECG5000_TRAIN.txt": "0d96aff193311a6dc6111bf0dbd2f7d2313987fbf7a1da4a383d92563876057b",
            "ECG5000_TEST.txt": "baf4ad57d28daa5e79050edd4185968181762bc83d45a757753015b4ba8ab295",
        }.items()
    },
    "adult": {
        name: Remote(_ADULT_URL + name, "sha256:" + digest)
        for name, digest in {
            "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
            "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
        }.items()
    },
    "kddcup99": {
        KDD: Remote(
            _KDD_URL + KDD,
            "sha256:8045aca0d84e70e622d1148d7df782496f6333bf6eb979a1b0837c42a9fd9561",
        )
    },
    "vehicle_claim_fraud": {
        CLAIMS: Remote(
            _CLAIMS_URL + CLAIMS,
            "sha256:8bb5870f82bb78cceb2bee7747c68c2a8d617af4e22b2de55fbb40c214883255",
        )
    },
    "nab": {
        NAB_LABELS: Remote(
            _NAB_URL + NAB_LABELS,
            "sha256:1e1fbc4601321aad8d0f8b3784c8134299379f68f6c1f7777565f8ffd57ab6b1",
        ),
        **{
            f"data/{folder}/{name}.csv": Remote(
                f"{_NAB_URL}data/{folder}/{name}.csv", "md5:" + digest
            )
            for folder, series in DIGESTS.items()
            for name, digest in series.items()
        },
    },
}


def damaged(path: str | os.PathLike[str], expected: str) -> ValueError:
    """Return an error that says what was expected of a file, and what came."""
    return ValueError(f"{os.fspath(path)}: expected {expected}; the file is damaged")


def cache_home() -> Path:
    """Return the platform's cache folder."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "aecore"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "aecore"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "aecore" / "Cache"
    return Path.home() / ".cache" / "aecore"


def locate(
    dataset: str, data_home: str | os.PathLike[str] | None, names: Iterable[str] = ()
) -> dict[str, Path]:
    """Find every file of a data set, or some of them, downloading those that are missing."""
    homes, nowhere = [], ""
    try:
        if data_home is not None:
            homes = [Path(data_home).expanduser()]
        else:
            if os.environ.get("AECORE_DATA"):
                homes.append(Path(os.environ["AECORE_DATA"]).expanduser())
            homes.append(cache_home())
    except RuntimeError as error:  # there is no home directory
        nowhere = str(error).rstrip(".")
    folders = [home / dataset for home in homes]
    paths = {}
    for name in names or FILES[dataset]:
        held = _held(name, folders)
        if held is None and nowhere:
            raise FileNotFoundError(
                f"{dataset}: expected a folder for the file {name}: {nowhere}. Set AECORE_DATA to "
                f"a folder that holds {dataset}/{name}, or XDG_CACHE_HOME to one to download it to."
            )
        paths[name] = held or _download(dataset, name, folders)
    return paths


def _held(name: str, folders: list[Path]) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _download(dataset: str, name: str, folders: list[Path]) -> Path:
    """Fetch one file into the last folder, or raise an error that says how to get it by hand."""
    remote, folder = FILES[dataset][name], folders[-1]
    looked = " or ".join(map(str, folders))
    advice = (
        f"Put it there, or set AECORE_DATA to a folder that holds {dataset}/{name}. "
        f"Its source is {remote.url}."
    )
    try:
        import pooch
    except ImportError as error:
        raise FileNotFoundError(
            f"{dataset}: expected the file {name} in {looked}, got none; downloading it needs "
            f"pooch (pip install 'aecore[data]'). {advice}"
        ) from error
    fetched = remote.url.rsplit("/", 1)[-1]
    is_alone = fetched == Path(name).name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder), tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as aside:
            if (folder / name).is_file():  # another process has fetched it meanwhile
                return folder / name
            path = Path(
                pooch.retrieve(
                    remote.url,
                    known_hash=remote.file_hash if is_alone else remote.archive_hash,
                    fname=fetched,
                    path=aside,
                    progressbar=True,
                )
            )
            if is_alone:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                path.replace(folder / name)
            else:
                _unpack(path, dataset, folder)
    except OSError as error:  # requests' own exceptions are OSErrors too
        raise FileNotFoundError(
            f"{dataset}: expected the file {name} in {looked}, got none; downloading it failed "
            f"({type(error).__name__}: {error}). {advice}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{dataset}: expected {fetched} from {remote.url}: {error}") from error
    return folder / name


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let other processes wait that download to a folder, where the system has locks of folders.

    Without them each downloads for itself, to a place of its own.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems have none
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _unpack(archive: Path, dataset: str, folder: Path) -> None:
    """Take a data set's files out of its archive and check them."""
    wanted = FILES[dataset]
    found = set()
    for name, content in _members(archive, set(wanted)):
        _check_hash(f"{name} in {archive.name}", content, wanted[name].file_hash)
        with atomic.replacing(folder / name) as file:
            file.write(content)
        found.add(name)
    if found != set(wanted):
        raise damaged(archive.name, f"a file {min(set(wanted) - found)} in it, got none")


def _check_hash(what: str, content: bytes, expected: str | None) -> None:
    if expected is None:
        return
    algorithm, digest = expected.split(":")
    got = hashlib.new(algorithm, content).hexdigest()
    if got != digest:
        raise damaged(what, f"{expected}, got {algorithm}:{got}")


def _members(archive: Path, names: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of an archive's wanted files, wherever they lie in it."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                for path in zipped.namelist():
                    if path.rsplit("/", 1)[-1] in names:
                        yield path.rsplit("/", 1)[-1], zipped.read(path)
        else:
            with tarfile.open(archive) as tape:
                for member in tape:
                    name, stream = member.name.rsplit("/", 1)[-1], tape.extractfile(member)
                    if name in names and stream is not None:
                        yield name, stream.read()
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise damaged(archive.name, f"a whole archive: {error}") from error

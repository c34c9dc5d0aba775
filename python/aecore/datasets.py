"""Small public data sets as NumPy arrays: ``load_*() -> (X_train, y_train, X_test, y_test)``.

Images are uint8 and channels last, (N, H, W, C); sequences are float32, (N, T, F); tables are
structured arrays, (N,). Labels are int64, (N,). Nothing is scaled, normalised or shuffled: what the
authors published is what comes back.

A loader reads the official files of its set. It looks for them in ``$AECORE_DATA/<set>/``, then in
the user's cache (``$XDG_CACHE_HOME/aecore/<set>/``, or the platform's cache folder), and downloads
what is in neither, with its hash checked, into the cache. Downloading needs pooch (``pip install
'aecore[data]'``), which is imported only then. Files that are already on disk are checked for
damage, not against the published hash: a converted or reduced copy in the same format is welcome.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _table_sets

__all__ = [
    "load_adult",
    "load_cifar10",
    "load_digits",
    "load_ecg5000",
    "load_fashion_mnist",
    "load_kddcup99",
    "load_mnist",
    "load_vehicle_claims",
]

Split = tuple[NDArray[Any], NDArray[np.int64], NDArray[Any], NDArray[np.int64]]


class _Remote(NamedTuple):
    """Where a file comes from: its own address, or that of a tar or zip archive that holds it."""

    url: str
    file_hash: str | None = None
    archive_hash: str | None = None


# LeCun's own server no longer hands out the files; this is PyTorch's byte-exact mirror of them.
_MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION_URL = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
)
_CIFAR10 = _Remote(
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

_TRAIN_IMAGES, _TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
_TEST_IMAGES, _TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
_CIFAR_BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]

_KDD, _CLAIMS = "kddcup.data_10_percent.gz", "fraud_oracle.csv"

_FILES: dict[str, dict[str, _Remote]] = {
    "mnist": {
        name: _Remote(_MNIST_URL + name, "sha256:" + digest)
        for name, digest in {
            _TRAIN_IMAGES: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            _TRAIN_LABELS: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            _TEST_IMAGES: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            _TEST_LABELS: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        }.items()
    },
    "fashion_mnist": {
        name: _Remote(_FASHION_URL + name, "md5:" + digest)
        for name, digest in {
            _TRAIN_IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            _TRAIN_LABELS: "25c81989df183df01b3e8a0aad5dffbe",
            _TEST_IMAGES: "bef4ecab320f06d8554ea6380940ec79",
            _TEST_LABELS: "bb300cfdad3c16e7a12a480ee83cd310",
        }.items()
    },
    "cifar10": dict.fromkeys(_CIFAR_BATCHES, _CIFAR10),
    "ecg5000": {
        name: _Remote(_ECG5000_URL, "sha256:" + digest)
        for name, digest in {
            "ECG5000_TRAIN.txt": "0d96aff193311a6dc6111bf0dbd2f7d2313987fbf7a1da4a383d92563876057b",
            "ECG5000_TEST.txt": "baf4ad57d28daa5e79050edd4185968181762bc83d45a757753015b4ba8ab295",
        }.items()
    },
    "adult": {
        name: _Remote(_ADULT_URL + name, "sha256:" + digest)
        for name, digest in {
            "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
            "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
        }.items()
    },
    "kddcup99": {
        _KDD: _Remote(
            _KDD_URL + _KDD,
            "sha256:8045aca0d84e70e622d1148d7df782496f6333bf6eb979a1b0837c42a9fd9561",
        )
    },
    "vehicle_claim_fraud": {
        _CLAIMS: _Remote(
            _CLAIMS_URL + _CLAIMS,
            "sha256:8bb5870f82bb78cceb2bee7747c68c2a8d617af4e22b2de55fbb40c214883255",
        )
    },
}

# The longest category in the official files has 26 characters; a longer one is refused, never cut.
_ADULT_CATEGORY = "<U26"
_ADULT_DTYPE = np.dtype(
    [
        ("age", "<f8"),
        ("workclass", _ADULT_CATEGORY),
        ("fnlwgt", "<f8"),
        ("education", _ADULT_CATEGORY),
        ("education-num", "<f8"),
        ("marital-status", _ADULT_CATEGORY),
        ("occupation", _ADULT_CATEGORY),
        ("relationship", _ADULT_CATEGORY),
        ("race", _ADULT_CATEGORY),
        ("sex", _ADULT_CATEGORY),
        ("capital-gain", "<f8"),
        ("capital-loss", "<f8"),
        ("hours-per-week", "<f8"),
        ("native-country", _ADULT_CATEGORY),
    ]
)


def load_mnist(*, data_home: str | os.PathLike[str] | None = None) -> Split:
    """Load MNIST: handwritten digits, 60,000 for training and 10,000 for testing.

    Parameters
    ----------
    data_home : path, optional
        Folder that holds ``mnist/``. It takes the place of both ``$AECORE_DATA`` and the cache, so
        a download goes there too.

    Returns
    -------
    X_train, X_test : uint8 arrays, (60000, 28, 28, 1) and (10000, 28, 28, 1)
        Grey images, white ink (255) on black (0).
    y_train, y_test : int64 arrays, (60000,) and (10000,)
        The digit, 0 to 9.

    Raises
    ------
    FileNotFoundError
        A file is on no disk and can't be downloaded; the message names it and says where to put it.
    ValueError
        A file is damaged.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_mnist()
    >>> X_train.shape, X_train.dtype.name, y_test[:5].tolist()
    ((60000, 28, 28, 1), 'uint8', [7, 2, 1, 0, 4])
    """
    return _load_idx_set("mnist", data_home)


def load_fashion_mnist(*, data_home: str | os.PathLike[str] | None = None) -> Split:
    """Load Fashion-MNIST: 60,000 pictures of clothes for training and 10,000 for testing.

    Parameters
    ----------
    data_home : path, optional
        Folder that holds ``fashion_mnist/``; it takes the place of both ``$AECORE_DATA`` and the
        cache.

    Returns
    -------
    X_train, X_test : uint8 arrays, (60000, 28, 28, 1) and (10000, 28, 28, 1)
        Grey images on black (0).
    y_train, y_test : int64 arrays, (60000,) and (10000,)
        0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag,
        9 ankle boot.

    Raises
    ------
    FileNotFoundError
        A file is on no disk and can't be downloaded; the message names it and says where to put it.
    ValueError
        A file is damaged.

    References
    ----------
    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_fashion_mnist()  # doctest: +SKIP
    >>> X_train.shape  # doctest: +SKIP
    (60000, 28, 28, 1)
    """
    return _load_idx_set("fashion_mnist", data_home)


def load_cifar10(*, data_home: str | os.PathLike[str] | None = None) -> Split:
    """Load CIFAR-10: 50,000 small colour photographs for training and 10,000 for testing.

    The files are those of the binary version, so no pickle is ever opened.

    Parameters
    ----------
    data_home : path, optional
        Folder that holds ``cifar10/``; it takes the place of both ``$AECORE_DATA`` and the cache.

    Returns
    -------
    X_train, X_test : uint8 arrays, (50000, 32, 32, 3) and (10000, 32, 32, 3)
        Red, green and blue, channels last.
    y_train, y_test : int64 arrays, (50000,) and (10000,)
        0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck.

    Raises
    ------
    FileNotFoundError
        A file is on no disk and can't be downloaded; the message names it and says where to put it.
    ValueError
        A file is damaged.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report,
    University of Toronto, 2009.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_cifar10()
    >>> X_train.shape, X_test.shape, int(y_train.max())
    ((50000, 32, 32, 3), (10000, 32, 32, 3), 9)
    """
    paths = _locate("cifar10", data_home)
    X_train, y_train = _read_cifar([paths[name] for name in _CIFAR_BATCHES[:-1]])
    X_test, y_test = _read_cifar([paths[_CIFAR_BATCHES[-1]]])
    return X_train, y_train, X_test, y_test


def load_digits() -> Split:
    r"""Load scikit-learn's own digits, offline: 1,437 8x8 images for training, 360 for testing.

    The grey levels g of the original are 0 to 16. They are stretched over the range of a byte,
    :math:`\lfloor 255 g / 16 \rfloor`, so that uint8 images scaled to 0..1 fill that range, as
    those of MNIST do. The split is one fixed random permutation, the same on every machine.

    Returns
    -------
    X_train, X_test : uint8 arrays, (1437, 8, 8, 1) and (360, 8, 8, 1)
        Grey images, ink (255) on paper (0).
    y_train, y_test : int64 arrays, (1437,) and (360,)
        The digit, 0 to 9.

    Raises
    ------
    ImportError
        scikit-learn is not installed.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning
    Repository, 1998.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_digits()
    >>> X_train.shape, X_test.shape, int(X_train.max())
    ((1437, 8, 8, 1), (360, 8, 8, 1), 255)
    """
    try:
        import sklearn.datasets
    except ImportError as error:
        raise ImportError(
            "load_digits reads the digits bundled with scikit-learn, which is not installed: "
            "pip install 'aecore[sklearn]'"
        ) from error
    bunch = sklearn.datasets.load_digits()
    X = (bunch.images.astype(np.int64) * 255 // 16).astype(np.uint8)[..., None]
    y = bunch.target.astype(np.int64)
    # RandomState's stream is frozen for good (NEP 19); a Generator's may change from one NumPy to
    # the next.
    order = np.random.RandomState(0).permutation(len(X))
    train, test = order[:1437], order[1437:]
    return X[train], y[train], X[test], y[test]


def load_ecg5000(*, data_home: str | os.PathLike[str] | None = None) -> Split:
    """Load ECG5000: single heartbeats of one patient, 500 for training and 4,500 for testing.

    Each beat was resampled to 140 steps and standardised by its publishers.

    Parameters
    ----------
    data_home : path, optional
        Folder that holds ``ecg5000/``; it takes the place of both ``$AECORE_DATA`` and the cache.

    Returns
    -------
    X_train, X_test : float32 arrays, (500, 140, 1) and (4500, 140, 1)
        One value for each of 140 steps, without unit.
    y_train, y_test : int64 arrays, (500,) and (4500,)
        1 normal; 2 R-on-T premature ventricular contraction; 3 premature ventricular contraction;
        4 supraventricular premature or ectopic beat; 5 unclassified.

    Raises
    ------
    FileNotFoundError
        A file is on no disk and can't be downloaded; the message names it and says where to put it.
    ValueError
        A file is damaged.

    References
    ----------
    H. A. Dau et al., "The UCR time series archive", IEEE/CAA Journal of Automatica Sinica 6(6),
    2019 (prepared by Y. Chen and E. Keogh). A. L. Goldberger et al., "PhysioBank, PhysioToolkit,
    and PhysioNet", Circulation 101(23), 2000 (BIDMC chf07).

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_ecg5000()
    >>> X_train.shape, X_test.shape, np.bincount(y_train).tolist()
    ((500, 140, 1), (4500, 140, 1), [0, 292, 177, 10, 19, 2])
    """
    paths = _locate("ecg5000", data_home)
    return *_read_ecg(paths["ECG5000_TRAIN.txt"]), *_read_ecg(paths["ECG5000_TEST.txt"])


def load_adult(*, data_home: str | os.PathLike[str] | None = None) -> Split:
    """Load Adult: 32,561 people of the US census for training and 16,281 for testing.

    A mixed table with missing values: the features are numbers and categories.

    Parameters
    ----------
    data_home : path, optional
        Folder that holds ``adult/``; it takes the place of both ``$AECORE_DATA`` and the cache.

    Returns
    -------
    X_train, X_test : structured arrays, (32561,) and (16281,)
        Six numeric columns, float64, in which NaN is missing: ``age`` (years), ``fnlwgt`` (people
        the row stands for), ``education-num``, ``capital-gain`` and ``capital-loss`` (dollars),
        ``hours-per-week``. Eight categorical columns, str, in which the empty string is missing:
        ``workclass``, ``education``, ``marital-status``, ``occupation``, ``relationship``,
        ``race``, ``sex``, ``native-country``. ``pandas.DataFrame(X_train)`` makes it a data frame.
    y_train, y_test : int64 arrays, (32561,) and (16281,)
        1 for an income above 50,000 dollars a year, 0 for one up to it.

    Raises
    ------
    FileNotFoundError
        A file is on no disk and can't be downloaded; the message names it and says where to put it.
    ValueError
        A file is damaged.

    References
    ----------
    R. Kohavi, "Scaling up the accuracy of naive-Bayes classifiers: a decision-tree hybrid", KDD
    1996.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_adult()
    >>> X_train.dtype.names[:4], float(X_train["age"][0]), str(X_train["workclass"][0])
    (('age', 'workclass', 'fnlwgt', 'education'), 39.0, 'State-gov')
    >>> int((X_train["occupation"] == "").sum())
    1843
    """
    paths = _locate("adult", data_home)
    return *_read_adult(paths["adult.data"]), *_read_adult(paths["adult.test"])


def load_kddcup99(*, data_home: str | os.PathLike[str] | None = None) -> Split:
    """Load the tenth of KDD Cup 1999: 494,021 network connections, most of them attacks.

    The set comes without a split: a random fifth, the same on every machine, is for testing.

    Parameters
    ----------
    data_home : path, optional
        Folder that holds ``kddcup99/``; it takes the place of both ``$AECORE_DATA`` and the cache.

    Returns
    -------
    X_train, X_test : structured arrays, (395217,) and (98804,)
        38 numbers (float64) and 3 categories of a connection; none is missing.
    y_train, y_test : int64 arrays
        0 normal; 1 back, 2 buffer_overflow, 3 ftp_write, 4 guess_passwd, 5 imap, 6 ipsweep, 7 land,
        8 loadmodule, 9 multihop, 10 neptune, 11 nmap, 12 perl, 13 phf, 14 pod, 15 portsweep, 16
        rootkit, 17 satan, 18 smurf, 19 spy, 20 teardrop, 21 warezclient, 22 warezmaster.

    Raises
    ------
    FileNotFoundError
        A file is on no disk and can't be downloaded; the message names it and says where to put it.
    ValueError
        A file is damaged.

    References
    ----------
    S. Hettich and S. Bay, "The UCI KDD archive", University of California, Irvine, 1999.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_kddcup99()  # doctest: +SKIP
    >>> X_train.dtype.names[:3], int((y_train == 0).sum())  # doctest: +SKIP
    (('duration', 'protocol_type', 'service'), 77775)
    """
    paths = _locate("kddcup99", data_home)
    return _table_sets.split(*_table_sets.read_kdd(paths[_KDD]))


def load_vehicle_claims(*, data_home: str | os.PathLike[str] | None = None) -> Split:
    """Load claims to a vehicle insurance, 15,420 of the years 1994 to 1996; 923 are fraud.

    The set comes without a split: a random fifth, the same on every machine, is for testing. The
    numbers of the policies are left out.

    Parameters
    ----------
    data_home : path, optional
        Folder that holds ``vehicle_claim_fraud/``; it takes the place of both ``$AECORE_DATA`` and
        the cache.

    Returns
    -------
    X_train, X_test : structured arrays, (12336,) and (3084,)
        6 numbers (float64; ages of 0 are missing, NaN) and 25 categories of a claim.
    y_train, y_test : int64 arrays, (12336,) and (3084,)
        1 fraud, 0 not found to be.

    Raises
    ------
    FileNotFoundError
        A file is on no disk and can't be downloaded; the message names it and says where to put it.
    ValueError
        A file is damaged.

    References
    ----------
    C. Phua, D. Alahakoon and V. Lee, "Minority report in fraud detection: classification of skewed
    data", ACM SIGKDD Explorations 6(1), 2004.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_vehicle_claims()
    >>> X_train.dtype.names[:4], int(y_train.sum() + y_test.sum())
    (('Month', 'WeekOfMonth', 'DayOfWeek', 'Make'), 923)
    """
    paths = _locate("vehicle_claim_fraud", data_home)
    return _table_sets.split(*_table_sets.read_claims(paths[_CLAIMS]))


# --------------------------------------------------------------------------------------------------
# Finding and downloading


def _cache_home() -> Path:
    """Name the folder for files that can be fetched again, by the custom of the platform."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "aecore"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "aecore"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "aecore" / "Cache"
    return Path.home() / ".cache" / "aecore"


def _locate(dataset: str, data_home: str | os.PathLike[str] | None) -> dict[str, Path]:
    """Find every file of a data set, downloading those that are missing."""
    if data_home is not None:
        homes = [Path(data_home)]
    else:
        homes = [_cache_home()]
        if os.environ.get("AECORE_DATA"):
            homes.insert(0, Path(os.environ["AECORE_DATA"]))
    folders = [home.expanduser() / dataset for home in homes]
    paths = {}
    for name in _FILES[dataset]:
        held = [folder / name for folder in folders if (folder / name).is_file()]
        paths[name] = held[0] if held else _download(dataset, name, folders)
    return paths


def _download(dataset: str, name: str, folders: list[Path]) -> Path:
    """Fetch one file into the last folder, or say all one needs to put it there by hand."""
    remote, folder = _FILES[dataset][name], folders[-1]
    looked = " nor ".join(map(str, folders))
    advice = (
        f"Put it there, or set AECORE_DATA to a folder that holds {dataset}/{name}. "
        f"Its source is {remote.url}."
    )
    try:
        import pooch
    except ImportError as error:
        raise FileNotFoundError(
            f"{dataset}: the file {name} is not in {looked}, and downloading it needs pooch "
            f"(pip install 'aecore[data]'). {advice}"
        ) from error
    fetched = remote.url.rsplit("/", 1)[-1]
    try:
        path = Path(
            pooch.retrieve(
                remote.url,
                known_hash=remote.file_hash if fetched == name else remote.archive_hash,
                fname=fetched,
                path=folder,
                progressbar=True,
            )
        )
        if fetched != name:
            _unpack(path, dataset, folder)
    except OSError as error:  # requests' own exceptions are OSErrors too
        raise FileNotFoundError(
            f"{dataset}: the file {name} is not in {looked}, and downloading it failed "
            f"({type(error).__name__}: {error}). {advice}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{dataset}: what {remote.url} sent is not {fetched}: {error}") from error
    return folder / name


def _unpack(archive: Path, dataset: str, folder: Path) -> None:
    """Take a data set's files out of its archive and check them; the archive is deleted."""
    wanted = _FILES[dataset]
    found = set()
    try:
        for name, content in _members(archive, set(wanted)):
            _check_hash(f"{name} in {archive.name}", content, wanted[name].file_hash)
            partial = folder / f"{name}.part{os.getpid()}"
            partial.write_bytes(content)
            # Renaming is atomic: whoever finds the file finds all of it.
            partial.replace(folder / name)
            found.add(name)
    finally:
        # A damaged archive must go too, or the next attempt would open it again.
        archive.unlink()
    if found != set(wanted):
        raise ValueError(f"{archive.name} holds no file {min(set(wanted) - found)}")


def _check_hash(what: str, content: bytes, expected: str | None) -> None:
    if expected is None:
        return
    algorithm, digest = expected.split(":")
    got = hashlib.new(algorithm, content).hexdigest()
    if got != digest:
        raise ValueError(f"{what} is damaged: expected {expected}, got {algorithm}:{got}")


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
        raise ValueError(f"{archive.name} is a damaged archive ({error})") from error


# --------------------------------------------------------------------------------------------------
# Reading


def _load_idx_set(dataset: str, data_home: str | os.PathLike[str] | None) -> Split:
    """Read the four files of MNIST or of a set in its format."""
    paths = _locate(dataset, data_home)
    arrays: list[NDArray[Any]] = []
    for images, labels in ((_TRAIN_IMAGES, _TRAIN_LABELS), (_TEST_IMAGES, _TEST_LABELS)):
        X, y = _read_idx(paths[images], 3)[..., None], _read_idx(paths[labels], 1)
        if len(X) != len(y):
            raise ValueError(
                f"{paths[images]} holds {len(X)} images, but {paths[labels]} {len(y)} labels"
            )
        _check_labels(paths[labels], y, 0, 9)
        arrays += [X, y.astype(np.int64)]
    return tuple(arrays)  # type: ignore[return-value]


def _read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """Read a gzipped IDX file: 0, 0, type (8 is uint8), rank, each size as uint32, the data."""
    try:
        with gzip.open(path) as stream:
            content = stream.read()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    header = 4 + 4 * rank
    if len(content) < header or content[:4] != bytes((0, 0, 8, rank)):
        raise ValueError(
            f"{path} is damaged: expected an IDX header of bytes in {rank} dimensions "
            f"(00 00 08 {rank:02x}), got {content[:4].hex(' ') or 'an empty file'}"
        )
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4))
    size = int(np.prod(shape, dtype=object))  # exact: a damaged header may name any product
    if size == 0 or len(content) != header + size:
        raise ValueError(
            f"{path} is damaged: its header promises {shape}, {size} bytes; "
            f"it holds {len(content) - header}"
        )
    # frombuffer's view of bytes is read-only; people expect to write to their data.
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def _read_cifar(paths: list[Path]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read CIFAR-10's batches: rows of a label byte and a red, a green and a blue plane."""
    batches = []
    for path in paths:
        content = np.fromfile(path, np.uint8)
        if content.size == 0 or content.size % 3073:
            raise ValueError(
                f"{path} is damaged: expected rows of 3073 bytes (label and 3x32x32 image), "
                f"got {content.size} bytes"
            )
        rows = content.reshape(-1, 3073)
        _check_labels(path, rows[:, 0], 0, 9)
        batches.append(rows)
    X = np.empty((sum(map(len, batches)), 32, 32, 3), np.uint8)
    y = np.empty(len(X), np.int64)
    start = 0
    for rows in batches:
        stop = start + len(rows)
        y[start:stop] = rows[:, 0]
        X[start:stop] = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start = stop
    return X, y


def _read_ecg(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read rows of a label and 140 values, written as text."""
    text = _read_text(path)
    # The last number of a file that was cut short would still be a number.
    if not text.endswith("\n") or not text.strip():
        raise ValueError(f"{path} is damaged: it is empty, or its last line is cut short")
    try:
        table = np.loadtxt(text.splitlines(), ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if table.shape[1] != 141 or not np.isfinite(table).all():
        raise ValueError(
            f"{path} is damaged: expected rows of a label and 140 finite values, "
            f"got {table.shape[1]} columns, {int((~np.isfinite(table)).sum())} values not finite"
        )
    _check_labels(path, table[:, 0], 1, 5)
    return table[:, 1:, None].astype(np.float32), table[:, 0].astype(np.int64)


def _read_adult(path: Path) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Read Adult's rows: 14 features and the income; '|' opens a comment, '?' is missing."""
    features, incomes = [], []
    numeric = [_ADULT_DTYPE[i].kind == "f" for i in range(14)]
    width = _ADULT_DTYPE["workclass"].itemsize // 4
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("|"):
            continue
        fields = [field.strip() for field in line.split(",")]
        # The test file ends each income with a full stop, the training file doesn't.
        income = fields[-1].rstrip(".")
        if len(fields) != 15 or income not in ("<=50K", ">50K"):
            raise ValueError(
                f"{path} is damaged: expected 14 features and <=50K or >50K, "
                f"got {line!r} in line {number}"
            )
        row: list[float | str] = []
        for field, is_number in zip(fields, numeric, strict=False):
            missing = field == "?"
            try:
                value = (np.nan if missing else float(field)) if is_number else field
            except ValueError:
                raise ValueError(
                    f"{path} is damaged: expected a number, got {field!r} in line {number}"
                ) from None
            if not is_number and len(field) > width:
                raise ValueError(
                    f"{path} is damaged: expected a category of at most {width} characters, "
                    f"got {field!r} in line {number}"
                )
            row.append("" if missing and not is_number else value)
        features.append(tuple(row))
        incomes.append(income == ">50K")
    if not features:
        raise ValueError(f"{path} is damaged: it holds no rows")
    return np.array(features, _ADULT_DTYPE), np.array(incomes, np.int64)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _check_labels(path: Path, y: NDArray[Any], low: int, high: int) -> None:
    wrong = (y < low) | (y > high) | (y != np.floor(y))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{path} is damaged: expected labels from {low} to {high}, got {y[row]} in row {row}"
        )

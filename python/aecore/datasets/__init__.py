"""Small public data sets as NumPy arrays: ``load_*() -> (X_train, y_train, X_test, y_test)``.

One's own pictures come with `load_images`: ``load_images(folder) -> (X, y)``.

Images are uint8 and channels last, (N, H, W, C); sequences are float32, (N, T, F); tables are
structured arrays, (N,). Labels are int64, (N,). Nothing is scaled, normalised or shuffled: what the
authors published is what comes back.

Two come with what is installed, `load_fashion_small` with aecore and `load_digits` with
scikit-learn; `make_homes` and `make_sensors` draw a table and a series with known faults.
The other loaders read the official files of their set. Each looks for them in
``$AECORE_DATA/<set>/``, then in the user's cache (``$XDG_CACHE_HOME/aecore/<set>/``, or the
platform's cache folder), and downloads what is in neither, with its hash checked, into the cache.
Downloading needs pooch (``pip install 'aecore[data]'``), which is imported only then. Files that
are already on disk are checked for damage, not against the published hash: a converted or reduced
copy in the same format is welcome.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import checks
from ..base.hints import attribute
from . import _made, _nab, _read, _tables
from ._files import CIFAR_BATCHES, CLAIMS, FILES, KDD, NAB_LABELS, locate
from ._images import ImageFolder
from ._read import Split

__all__ = [
    "FASHION_CLASSES",
    "load_adult",
    "load_cifar10",
    "load_digits",
    "load_ecg5000",
    "load_fashion_mnist",
    "load_fashion_small",
    "load_images",
    "load_kddcup99",
    "load_mnist",
    "load_nab",
    "load_vehicle_claims",
    "make_homes",
    "make_sensors",
]


FASHION_CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)  # what the labels of Fashion-MNIST stand for


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # for whom there are no other attributes
    __getattr__ = attribute(__name__, __all__, {})


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
    return _read.read_idx_set(locate("mnist", data_home))


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
        9 ankle boot; ``FASHION_CLASSES`` has the names.

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
    return _read.read_idx_set(locate("fashion_mnist", data_home))


def load_fashion_small() -> Split:
    """Load 3,000 pictures of Fashion-MNIST that come with aecore: no download, nothing to install.

    They are the last 2,500 for training and the last 500 for testing.

    Returns
    -------
    X_train, X_test : uint8 arrays, (2500, 28, 28, 1) and (500, 28, 28, 1)
        Grey images on black (0).
    y_train, y_test : int64 arrays, (2500,) and (500,)
        As in `load_fashion_mnist`; ``FASHION_CLASSES`` has the names.

    References
    ----------
    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms", arXiv:1708.07747, 2017. MIT licence, which is beside the file.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_fashion_small()
    >>> X_train.shape, X_test.shape, FASHION_CLASSES[y_test[0]]
    ((2500, 28, 28, 1), (500, 28, 28, 1), 'bag')
    """
    path = Path(__file__).with_name("fashion_small") / "fashion_small.npz"
    with np.load(path, allow_pickle=False) as file:
        X_train, X_test = (file[name][..., None] for name in ("images", "test_images"))
        y_train, y_test = (file[name].astype(np.int64) for name in ("labels", "test_labels"))
    return X_train, y_train, X_test, y_test


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
    paths = locate("cifar10", data_home)
    X_train, y_train = _read.read_cifar([paths[name] for name in CIFAR_BATCHES[:-1]])
    X_test, y_test = _read.read_cifar([paths[CIFAR_BATCHES[-1]]])
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
            "load_digits: expected scikit-learn, whose digits it reads, to be installed: "
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
    paths = locate("ecg5000", data_home)
    return *_read.read_ecg(paths["ECG5000_TRAIN.txt"]), *_read.read_ecg(paths["ECG5000_TEST.txt"])


def load_nab(
    name: str = "realKnownCause/nyc_taxi", *, data_home: str | os.PathLike[str] | None = None
) -> tuple[NDArray[np.datetime64], NDArray[np.float64], NDArray[np.bool_]]:
    """Load a series of the Numenta Anomaly Benchmark, of which there are 58.

    Parameters
    ----------
    name : str
        Folder and file, as the benchmark has them.
    data_home : path, optional
        Folder that holds ``nab/``; it takes the place of both ``$AECORE_DATA`` and the cache.

    Returns
    -------
    stamps : datetime64 array, (T,)
    X : float64 array, (T,)
        The values, in units of their own.
    y : bool array, (T,)
        True in the windows around what the benchmark's authors found odd: a tenth of the steps, of
        which few are odd themselves.

    Raises
    ------
    FileNotFoundError
        A file is on no disk and can't be downloaded; the message names it and says where to put it.
    ValueError
        There is no such series, or a file is damaged.

    References
    ----------
    S. Ahmad et al., "Unsupervised real-time anomaly detection for streaming data", Neurocomputing
    262, 2017.

    Examples
    --------
    >>> stamps, X, y = load_nab("realTraffic/speed_7578")
    >>> X.shape, str(stamps[0]), int(y.sum())
    ((1127,), '2015-09-08T11:39:00', 116)
    """
    name = name.removesuffix(".csv")
    file = f"data/{name}.csv"
    known = [k[5:-4] for k in FILES["nab"] if k != NAB_LABELS]
    checks.choice("name", name, known)
    paths = locate("nab", data_home, [file, NAB_LABELS])
    return _nab.read_nab(paths[file], paths[NAB_LABELS], f"{name}.csv")


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
    paths = locate("adult", data_home)
    return *_tables.read_adult(paths["adult.data"]), *_tables.read_adult(paths["adult.test"])


def load_images(
    folder: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    bits: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.str_] | None]:
    r"""Load a folder of pictures, which may be in a folder for each label.

    Files are found by their suffix: .png, .jpg, .jpeg, .bmp, .gif, .tif, .tiff and .webp, in all
    folders below, too. Only regular files and links to them are read. What is hidden is left out:
    names that begin with a dot, and macOS' ``__MACOSX``. Pictures come in alphabetical order,
    upright by their EXIF orientation, without transparency; of several frames the first is taken.

    Pixels of more than 8 bits are brought to a byte, :math:`\mathrm{round}(255\, p / w)`. The value
    w of white is :math:`2^{bits} - 1`. Without `bits` it is that of 12 or 16 bits, the least that
    all of them fit, with a warning for 12, or of 8 for files of int32; of floats it is 1, or 255 if
    some are above 1. Bytes that were brought to 16 bits, multiples of 257, come back as they were.

    Parameters
    ----------
    folder : path
        Holds pictures, or folders of them.
    size : (int, int), optional
        Height and width, to which all are resized. Without, they must have one size; models that
        take images of any size have a list of arrays (H, W, C) instead, one a file.
    bits : int, optional
        Of the pixels of pictures that have more than 8, where less of them are used, or where not
        all of the range occurs: 9 to 16.

    Returns
    -------
    X : uint8 array, (N, H, W, C)
        C is 1 if all pictures are grey, else 3: red, green and blue.
    y : str array, (N,), or None
        The name of the folder right below `folder` that each picture is in; None if some are in
        `folder` itself, with a warning if others aren't.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        There is no such folder.
    ValueError
        There are no pictures in it, one is damaged, or they have several sizes.
    ImportError
        Pillow is not installed.

    Examples
    --------
    >>> X, y = load_images("pictures", size=(28, 28))  # doctest: +SKIP
    >>> X.shape, sorted(set(y))  # doctest: +SKIP
    ((600, 28, 28, 3), ['cats', 'dogs'])
    """
    if size is not None:
        try:
            height, width = size
        except (TypeError, ValueError):
            raise ValueError(f"size: expected (height, width), got {size!r}") from None
        size = checks.integer("size", height, 1), checks.integer("size", width, 1)
    if bits is not None:
        checks.integer("bits", bits, 9, 16)
    found = ImageFolder(folder, size, bits=bits)
    return found[:], found.labels()


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
    paths = locate("kddcup99", data_home)
    return _tables.split(*_tables.read_kdd(paths[KDD]))


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
    paths = locate("vehicle_claim_fraud", data_home)
    return _tables.split(*_tables.read_claims(paths[CLAIMS]))


def make_homes(
    n: int = 800,
    *,
    gaps: float = 0.06,
    odd: float = 0.01,
    random_state: Any = 0,
    as_frame: bool = False,
) -> tuple[Any, Any]:
    """Draw a table of homes for sale, with gaps and a few wrong cells, and the same without them.

    Parameters
    ----------
    n : int, default 800
        Rows.
    gaps, odd : float, defaults 0.06 and 0.01
        The share of cells that are missing, and of those that have the value of some other home.
    random_state : int, Generator or RandomState, default 0
        The same number gives the same table on every machine. None draws another one each time.
    as_frame : bool, default False
        Whether to return data frames of pandas.

    Returns
    -------
    X, truth : structured arrays, (n,), or data frames
        Words, in which the empty string is missing, or None in a frame: ``kind`` (house, flat),
        ``city`` (Bergen, Lyon, Porto), ``heating`` (pump, district, none). Numbers, in which NaN is
        missing: ``area`` (square metres), ``rooms``, ``price`` (thousands of euros). They follow
        from one another but for noise.

    Raises
    ------
    TypeError, ValueError
        n isn't an integer above 0, or a share isn't from 0 to 1.

    Examples
    --------
    >>> X, truth = make_homes()
    >>> X.shape, truth[0].item(), round(float(np.isnan(X["price"]).mean()), 3)
    ((800,), ('house', 'Lyon', 69.0, 3.0, 'pump', 297.0), 0.061)
    """
    checks.integer("n", n, 1)
    for name, share in (("gaps", gaps), ("odd", odd)):
        checks.real(name, share, 0, 1)
    checks.boolean("as_frame", as_frame)
    rng = _made.stream(random_state)
    truth = _made.draw_homes(rng, n)
    tables = _made.damage_homes(rng, truth, gaps, odd), truth
    if not as_frame:
        return tables
    X, truth = map(_made.frame_of, tables)
    return X, truth


def make_sensors(
    n: int = 3000, *, random_state: Any = 0, as_frame: bool = False
) -> tuple[NDArray[np.datetime64], Any, NDArray[np.bool_]]:
    """Draw hourly readings of a machine's three sensors, which go wrong three times.

    Load, temperature and pressure follow the hours of the day and of the week, and one another. In
    the last three tenths each has one fault of 30 hours: the temperature is too high, the load
    sticks, the pressure is too high.

    Parameters
    ----------
    n : int, default 3000
        Steps, at least 400.
    random_state : int, Generator or RandomState, default 0
        The same number gives the same readings on every machine. None draws others each time.
    as_frame : bool, default False
        Whether X is a data frame of pandas, with the stamps as its index.

    Returns
    -------
    stamps : datetime64 array, (n,)
        Hours, from 2026 on.
    X : float64 array, (n, 3), or data frame
        ``load`` (kW), ``temperature`` (degrees Celsius) and ``pressure`` (bar).
    y : bool array, (n,)
        True where a sensor has a fault.

    Raises
    ------
    TypeError, ValueError
        n isn't an integer from 400 on.

    Examples
    --------
    >>> stamps, X, y = make_sensors()
    >>> X.shape, str(stamps[-1]), int(y.sum())
    ((3000, 3), '2026-05-05T23', 90)
    """
    checks.integer("n", n, 400)
    checks.boolean("as_frame", as_frame)
    stamps = np.datetime64("2026-01-01T00", "h") + np.arange(n)
    X, y = _made.draw_sensors(_made.stream(random_state), n)
    return stamps, _made.frame_of(X, stamps, _made.SENSORS) if as_frame else X, y

"""Reads the files of data sets that are tables: Adult, KDD Cup 1999, vehicle claims."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._files import damaged
from ._read import Split, read_text

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

# Wider by one than the longest category: a category that fills its field is refused, never cut.
_KDD_WORDS = {"protocol_type": "<U5", "service": "<U12", "flag": "<U7"}
_KDD_FIELDS = (
    "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot "
    "num_failed_logins logged_in num_compromised root_shell su_attempted num_root "
    "num_file_creations num_shells num_access_files num_outbound_cmds is_host_login "
    "is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate srv_rerror_rate "
    "same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count "
    "dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate "
    "dst_host_srv_diff_host_rate dst_host_serror_rate dst_host_srv_serror_rate "
    "dst_host_rerror_rate dst_host_srv_rerror_rate"
).split()
KDD_LABELS = (
    "normal back buffer_overflow ftp_write guess_passwd imap ipsweep land loadmodule multihop "
    "neptune nmap perl phf pod portsweep rootkit satan smurf spy teardrop warezclient warezmaster"
).split()

_CLAIM_NUMBERS = ("WeekOfMonth", "WeekOfMonthClaimed", "Age", "Deductible", "DriverRating", "Year")
_CLAIM_FIELDS = (
    "Month,WeekOfMonth,DayOfWeek,Make,AccidentArea,DayOfWeekClaimed,MonthClaimed,"
    "WeekOfMonthClaimed,Sex,MaritalStatus,Age,Fault,PolicyType,VehicleCategory,VehiclePrice,"
    "FraudFound_P,PolicyNumber,RepNumber,Deductible,DriverRating,Days_Policy_Accident,"
    "Days_Policy_Claim,PastNumberOfClaims,AgeOfVehicle,AgeOfPolicyHolder,PoliceReportFiled,"
    "WitnessPresent,AgentType,NumberOfSuppliments,AddressChange_Claim,NumberOfCars,Year,BasePolicy"
).split(",")
_CLAIM_WORD = "<U21"  # the longest category has 20 characters


def read_adult(path: Path) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Read Adult's rows: 14 features and the income; '|' opens a comment, '?' is missing."""
    features, incomes = [], []
    numeric = [_ADULT_DTYPE[i].kind == "f" for i in range(14)]
    width = _ADULT_DTYPE["workclass"].itemsize // 4
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("|"):
            continue
        fields = [field.strip() for field in line.split(",")]
        # The test file ends each income with a full stop, the training file doesn't.
        income = fields[-1].rstrip(".")
        if len(fields) != 15 or income not in ("<=50K", ">50K"):
            what = f"14 features and <=50K or >50K, got {line!r} in line {number}"
            raise damaged(path, what)
        row: list[float | str] = []
        for field, is_number in zip(fields, numeric, strict=False):
            missing = field == "?"
            try:
                value = (np.nan if missing else float(field)) if is_number else field
            except ValueError:
                raise damaged(path, f"a number, got {field!r} in line {number}") from None
            if not is_number and len(field) > width:
                what = f"a category of at most {width} characters"
                raise damaged(path, f"{what}, got {field!r} in line {number}")
            row.append("" if missing and not is_number else value)
        features.append(tuple(row))
        incomes.append(income == ">50K")
    if not features:
        raise damaged(path, "rows, got none")
    return np.array(features, _ADULT_DTYPE), np.array(incomes, np.int64)


def read_kdd(path: Path) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Read KDD Cup 1999's rows: 41 features and the kind of connection, with a full stop."""
    dtype = [(name, _KDD_WORDS.get(name, "<f8")) for name in _KDD_FIELDS]
    try:
        with gzip.open(path, "rt", encoding="ascii") as stream:
            lines = stream.read().splitlines()
        if not lines:
            raise EOFError("got none")
        rows = np.loadtxt(lines, [*dtype, ("label", "<U20")], delimiter=",", ndmin=1)
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise damaged(path, f"a gzip file of rows: {error}") from error
    for name, words in _KDD_WORDS.items():
        _check_words(path, rows[name], np.dtype(words).itemsize // 4)
    X = np.empty(len(rows), dtype)
    for name in _KDD_FIELDS:
        X[name] = rows[name]
        if X.dtype[name].kind == "f" and not np.isfinite(X[name]).all():
            raise damaged(path, f"finite numbers as {name}, got NaN or infinity")
    numbers = {f"{label}.": number for number, label in enumerate(KDD_LABELS)}
    labels, which = np.unique(rows["label"], return_inverse=True)
    odd = [label for label in labels.tolist() if label not in numbers]
    if odd:
        raise damaged(path, f"a known kind of connection, got {odd[0]!r}")
    return X, np.array([numbers[label] for label in labels.tolist()], np.int64)[which]


def read_claims(path: Path) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Read the claims: a header, then 31 features, whether it is fraud and the policy's number."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="ascii"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged(path, f"ASCII text of comma-separated values: {error}") from error
    if len(rows) < 2 or rows[0] != _CLAIM_FIELDS:
        what = f"rows below the columns {', '.join(_CLAIM_FIELDS)}"
        raise damaged(path, f"{what}, got {len(rows)} rows, the first {rows[:1]}")
    odd = next((i for i, row in enumerate(rows) if len(row) != len(_CLAIM_FIELDS)), None)
    if odd is not None:
        what = f"{len(_CLAIM_FIELDS)} fields in line {odd + 1}"
        raise damaged(path, f"{what}, got {len(rows[odd])}")
    columns = dict(zip(_CLAIM_FIELDS, zip(*rows[1:], strict=True), strict=True))
    fraud = columns.pop("FraudFound_P")
    del columns["PolicyNumber"]
    if unknown := set(fraud) - {"0", "1"}:
        raise damaged(path, f"0 or 1 as FraudFound_P, got {min(unknown)!r}")
    dtype = [(name, "<f8" if name in _CLAIM_NUMBERS else _CLAIM_WORD) for name in columns]
    X = np.empty(len(fraud), dtype)
    for name, cells in columns.items():
        try:
            X[name] = cells
        except ValueError as error:
            raise damaged(path, f"numbers as {name}: {error}") from error
        if name not in _CLAIM_NUMBERS:
            _check_words(path, X[name], np.dtype(_CLAIM_WORD).itemsize // 4)
    X["Age"][X["Age"] == 0] = np.nan
    return X, np.array(fraud).astype(np.int64)


def _check_words(path: Path, words: NDArray[Any], width: int) -> None:
    long = np.char.str_len(words) >= width
    if long.any():
        what = f"a category of at most {width - 1} characters"
        raise damaged(path, f"{what}, got {str(words[long][0])!r} or more")


def split(X: NDArray[Any], y: NDArray[np.int64]) -> Split:
    """Split rows once and for all: four fifths for training, in an order that never changes."""
    # RandomState's stream is frozen for good (NEP 19)
    order = np.random.RandomState(0).permutation(len(X))
    train, test = np.split(order, [len(X) - len(X) // 5])
    return X[train], y[train], X[test], y[test]

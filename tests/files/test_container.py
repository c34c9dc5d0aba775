"""The container: beside the package whose format it is, on damage of every kind, and short of room.

The package safetensors is the oracle both ways: what it writes is read, and written byte for byte.
"""

import errno
import json
import os
import re
import struct
import subprocess
import sys
import threading
import tracemalloc

import aecore as ae
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from aecore.base import atomic
from aecore.files import container
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

DTYPES = "u8 i8 f8 c8 f4 u4 i4 f2 u2 i2 i1 u1 b1".split()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a path for files of examples, which are many."""
    return tmp_path_factory.mktemp("container") / "f"


def same(found, wanted):
    """Assert that arrays are the same to the bit."""
    found, wanted = dict(found), dict(wanted)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        array = np.asarray(array)
        assert found[name].shape == array.shape, name
        assert found[name].dtype == array.dtype.newbyteorder("="), name
        assert found[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes(), name


# ---- beside the package -------------------------------------------------------------------------


@st.composite
def array(draw):
    """Return an array of any dtype and bits, with its shape; some of them empty."""
    shape = draw(array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    dtype, rng = (
        np.dtype(draw(st.sampled_from(DTYPES))),
        np.random.default_rng(draw(st.integers(0))),
    )
    size = int(np.prod(shape))
    if dtype == np.bool_:
        return np.asarray(rng.random(shape) < 0.5)
    made = np.frombuffer(rng.bytes(size * dtype.itemsize), dtype).reshape(shape)
    return made.astype(dtype.newbyteorder(">")) if draw(st.booleans()) else made


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TENSORS = st.dictionaries(TEXT.filter(lambda name: name != "__metadata__"), array(), max_size=6)
ODD = 'é\x7f\u2028\U0001f600"\\/\n\r\t\b\f\x00\x1f'


@settings(max_examples=300, deadline=None)
@given(tensors=TENSORS, metadata=st.none() | st.dictionaries(TEXT, TEXT, max_size=4))
@example(tensors={}, metadata=None)
@example(tensors={ODD: np.zeros(2, "f4"), "": np.zeros((), "i8")}, metadata={ODD: ODD})
@example(tensors={"b": np.zeros(1, "f4"), "a": np.zeros(1, "f4")}, metadata={"": "x" * 500})
def test_as_the_package_has_it(tensors, metadata, place):
    assume(tensors or metadata != {})  # of which the package makes what it can't read
    container.write(place, tensors, metadata)
    ours = place.read_bytes()
    theirs = safetensors.numpy.save(tensors, metadata)
    if metadata is None or len(metadata) < 2:
        assert ours == theirs
    else:  # in the package the order of texts is chance, in ours theirs
        (length,) = struct.unpack("<Q", ours[:8])
        assert len(theirs) == len(ours) and ours[8 + length :] == theirs[8 + length :]
        head, other = (json.loads(data[8 : 8 + length]) for data in (ours, theirs))
        assert list(head) == list(other) and head == other
        assert list(head["__metadata__"]) == list(metadata)
    with safetensors.safe_open(place, framework="numpy") as file:
        assert file.metadata() == metadata
        same({name: file.get_tensor(name) for name in file.keys()}, tensors)  # noqa: SIM118
        order = list(file.offset_keys())
    place.write_bytes(theirs)
    found, text = container.read(place)
    same(found, tensors)
    assert text == (metadata or {}) and sorted(found) == sorted(order)
    if all(a.size for a in tensors.values()):
        assert list(found) == order
    for made in found.values():
        assert made.flags.writeable and made.flags.c_contiguous and made.flags.aligned


def test_nothing(tmp_path):
    container.write(tmp_path / "f", {}, {})
    assert (tmp_path / "f").read_bytes()[8:].rstrip() == b'{"__metadata__":{}}'
    assert container.read(tmp_path / "f") == ({}, {})
    with safetensors.safe_open(tmp_path / "f", framework="numpy") as file:
        assert list(file.keys()) == [] and file.metadata() == {}


def test_bytes_are_the_same_each_time(tmp_path):
    tensors = {name: np.arange(3.0) for name in "dcba"}
    metadata = {name: name for name in "zyxwv"}
    written = []
    for order in (sorted(tensors), sorted(tensors, reverse=True)):
        container.write(tmp_path / "f", {name: tensors[name] for name in order}, metadata)
        written.append((tmp_path / "f").read_bytes())
    assert written[0] == written[1]


def test_kinds_of_arrays(tmp_path):
    x = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    stored = np.memmap(tmp_path / "x", np.int32, "w+", shape=x.shape)
    stored[...] = x
    tensors = {
        "transposed": x.T,
        "reversed": x[::-1, ::-2],
        "columns": x[:, :, 1],
        "fortran": np.asfortranarray(x),
        "broadcast": np.broadcast_to(x[0], (5, 3, 4)),
        "big": x.astype(">i4"),
        "big and transposed": x.astype(">i4").T,
        "scalar": x[1, 2, 3],
        "0-d": x[1, 2, 3, None].reshape(()),
        "one": x[:1, :1, :1],
        "empty": x[:, :0],
        "empty and transposed": x[:, :0].T,
        "memmap": stored,
        "read-only": np.frombuffer(x.tobytes(), np.int32),
        "list": [1.5, 2.5],
        "axes": np.zeros((1,) * 64, np.float16),
    }
    if np.dtype("q") != np.dtype("l"):
        tensors["long long"] = np.zeros(2, "q")
    container.write(tmp_path / "f", tensors)
    found, metadata = container.read(tmp_path / "f")
    same(found, tensors)
    assert metadata == {}
    with safetensors.safe_open(tmp_path / "f", framework="numpy") as file:
        same({k: file.get_tensor(k) for k in tensors if k != "axes"}, {
            k: v for k, v in tensors.items() if k != "axes"
        })  # fmt: skip


def raw(header, data=b"", length=None):
    """Return a file's bytes; a header may be text, or what JSON stands for."""
    if not isinstance(header, (str, bytes)):
        header = json.dumps(header)
    header = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def test_upper_halves_are_written_as_bfloat16(tmp_path):
    exact = np.float32([[0, 1, -2.5], [3e38, 1e-40, 0.15625]])
    exact = (exact.view(np.uint32) & 0xFFFF0000).view(np.float32)
    arrays = {"a": exact, "b": exact + np.float32(1e-3), "c": np.arange(3)}
    container.write(tmp_path / "h", arrays, {"x": "y"}, halves=("a", "c"))
    found, text = container.read(tmp_path / "h")
    assert text == {"x": "y"} and (tmp_path / "h").stat().st_size % 2 == 0
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and found[name].shape == array.shape


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 200_000])
def test_bfloat16_is_read_as_float32(size, tmp_path):
    bits = np.arange(size, dtype="<u2")
    header = {"a": {"dtype": "BF16", "shape": [size], "data_offsets": [0, 2 * size]}}
    (tmp_path / "f").write_bytes(raw(header, bits.tobytes()))
    found = container.read(tmp_path / "f")[0]["a"]
    assert found.dtype == np.float32 and found.shape == (size,)
    np.testing.assert_array_equal(found.view(np.uint32), bits.astype(np.uint32) << 16)
    other = pytest.importorskip("ml_dtypes").bfloat16
    wanted = bits.view(other)
    np.testing.assert_array_equal(found, wanted.astype(np.float32))
    tensors = {"a": wanted, "b": wanted[:1].reshape(()) if size else wanted, "c": np.ones(2, "f2")}
    safetensors.numpy.save_file(tensors, tmp_path / "f")
    again = container.read(tmp_path / "f")[0]
    same(again, {k: v.astype(np.float32 if k != "c" else v.dtype) for k, v in tensors.items()})


def test_files_of_other_writers(tmp_path):
    """Any order of keys and arrays, any space, any way to write a character; no alignment."""
    text = """{ "b\\u00e9\\ud83d\\ude00" :\t{"shape" : [ 2 , 1 ],"data_offsets":[ 4,\r\n12],
        "dtype":"\\u0046\\u0033\\u0032"},"a":{"dtype":"I32","data_offsets":[0,4],"shape":[ ]} ,
        "__metadata__": { "k" : "v" , "":"\\/" }, "n": {"dtype":"U8","shape":[0,9],
        "data_offsets":[12,12]}, "m": {"dtype":"U8","shape":[5,0],"data_offsets":[0,0]} } \n"""
    assert len(text.encode()) % 8
    data = struct.pack("<iff", -5, 1.5, 2.5)
    (tmp_path / "f").write_bytes(raw(text, data))
    found, metadata = container.read(tmp_path / "f")
    wanted = {
        "m": np.zeros((5, 0), np.uint8),
        "a": np.int32(-5),
        "bé😀": np.float32([[1.5], [2.5]]),
        "n": np.zeros((0, 9), np.uint8),
    }
    same(found, wanted)
    assert list(found) == list(wanted) and metadata == {"k": "v", "": "/"}
    with safetensors.safe_open(tmp_path / "f", framework="numpy") as file:
        same({name: file.get_tensor(name) for name in file.keys()}, wanted)  # noqa: SIM118
        assert file.metadata() == metadata


def test_the_package_is_not_needed(tmp_path):
    code = """
import sys
sys.modules["safetensors"] = None  # importing it is an error
import numpy as np, aecore as ae
from aecore.files import container
model = ae.Autoencoder(ae.Dense((3,)), 2, epochs=1).fit(np.eye(4, dtype=np.float32))
model.save("m")
container.write("w", ae.to_torch(model))
ae.from_torch(ae.load("m"), "w")
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


# ---- wrong calls --------------------------------------------------------------------------------

ONE = np.zeros(1, np.float32)


@pytest.mark.parametrize(
    "tensors, metadata, error, match",
    [
        ({3: ONE}, None, TypeError, "name: expected a string, got 3"),
        ({b"a": ONE}, None, TypeError, "name: expected a string, got b'a'"),
        ({"a\ud800b": ONE}, None, ValueError, r"name: expected text, got '\\ud800', half a char"),
        ({"__metadata__": ONE}, None, ValueError, "name: expected anything but __metadata__"),
        ({"a": ONE}, {"k": 1}, TypeError, "metadata: k: expected a string, got 1"),
        ({"a": ONE}, {"k": None}, TypeError, "metadata: k: expected a string, got None"),
        ({"a": ONE}, {1: "v"}, TypeError, "metadata: expected a string, got 1"),
        ({"a": ONE}, {"k": "\udfff"}, ValueError, "metadata: k: expected text"),
        ({"a": ONE}, {"\udfff": "v"}, ValueError, "metadata: expected text"),
        *(
            ({"a": made}, None, TypeError, rf"a: expected an array of .*, got {kind}")
            for made, kind in (
                (np.zeros(1, complex), "complex128"),
                (np.zeros(1, object), "object"),
                (np.zeros(1, "U3"), "<U3"),
                (np.zeros(1, "S4"), r"\|S4"),
                (np.zeros(1, "M8[s]"), "datetime64"),
                (np.zeros(1, "m8[s]"), "timedelta64"),
                (np.zeros(1, "f4,f4"), r"\[\('f0'"),
                (np.zeros(1, "V4"), r"\|V4"),
                (None, "object"),
                ("text", "<U4"),
            )
        ),
    ],
)
def test_wrong_calls(tensors, metadata, error, match, tmp_path):
    with pytest.raises(error, match=match):
        container.write(tmp_path / "f", {"fine": ONE, **tensors}, metadata)
    assert os.listdir(tmp_path) == []


def test_a_header_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "_LONGEST", 128)
    entry = len('{"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}')
    for length in (128 - entry, 120 - entry):
        container.write(tmp_path / "f", {"n" * length: ONE})
        assert list(container.read(tmp_path / "f")[0]) == ["n" * length]
    before = (tmp_path / "f").read_bytes()
    with pytest.raises(ValueError, match="header: expected at most 128 bytes, got 136"):
        container.write(tmp_path / "f", {"n" * (129 - entry): ONE})
    assert (tmp_path / "f").read_bytes() == before
    monkeypatch.setattr(container, "_LONGEST", 112)
    with pytest.raises(ValueError, match="header: expected at most 112 bytes, got 120"):
        container.read(tmp_path / "f")


# ---- damage -------------------------------------------------------------------------------------


def entry(dtype="F32", shape="[2]", places="[0, 8]", more=""):
    return f'{{"a": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {places}{more}}}}}'


def two(first, second, shapes=((2,), (2,))):
    return {
        name: {"dtype": "F32", "shape": shape, "data_offsets": places}
        for name, shape, places in zip("ab", shapes, (first, second), strict=True)
    }


DATA = bytes(8)
FIELDS = "dtype", "shape", "data_offsets"
DEEP = 100_000
SIZES = "a': shape: expected a list of at most 64 sizes, got"
PLACES = "a': data_offsets: expected a list of at most 64 sizes, got"
MALFORMED = {
    # the length
    "nothing": (b"", "file: expected 8 bytes with a length, got 0"),
    "less than a length": (b"\x02" + bytes(6), "file: expected 8 bytes with a length, got 7"),
    "a length alone": (raw("", length=2), "header: expected at most 0 bytes, got 2"),
    "an empty header": (raw(""), "expected { as its first byte, got b''"),
    "a length that is too long": (raw("{}", length=3), "header: expected at most 2 bytes, got 3"),
    "a length that is too short": (raw("{}", length=1), "header: expected a string|header: .* got"),
    "the longest length": (raw("{}", length=2**64 - 1), f"at most 2 bytes, got {2**64 - 1}"),
    "a negative length": (raw("{}", length=2**63), "at most 2 bytes"),
    "a pickle": (b"\x80\x04K\x01." + bytes(9), "header: expected at most"),
    "an archive": (b"PK\x03\x04" + bytes(99), "header: expected at most"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), "first bytes are those of another kind"),
    "words": (b"length,width\n" + bytes(99), "first bytes are those of another kind"),
    # JSON
    "space before it": (raw(" {}"), "expected { as its first byte, got b' '"),
    "a mark of the order of bytes": (raw(b"\xef\xbb\xbf{}"), "expected { as its first byte"),
    "a list": (raw("[]"), "expected { as its first byte"),
    "null": (raw("null"), "expected { as its first byte"),
    "zeros": (raw(bytes(8)), "expected { as its first byte"),
    "no UTF-8": (raw(b'{"\xff": 1}'), r"header: expected UTF-8, got b'\\xff' at 2"),
    "half a character": (raw(b'{"\xe2\x82": 1}'), "header: expected UTF-8"),
    "UTF-16": (raw("{}".encode("utf-16-le")), "header: expected"),
    "surrogates in UTF-8": (raw(b'{"\xed\xa0\x80": 1}'), "header: expected UTF-8"),
    "an open brace": (raw("{"), "header: expected \" at 1, got 'its end'"),
    "something behind it": (raw("{}{}"), "header: expected nothing but space behind it, got '{}'"),
    "zeros behind it": (raw(b"{}\0"), "header: expected nothing but space behind it"),
    "no quotes": (raw("{a: 1}"), "header: expected \" at 1, got 'a'"),
    "other quotes": (raw("{'a': 1}"), "header: expected \" at 1"),
    "a comma behind": (raw(entry()[:-1] + ",}", DATA), 'header: expected " at'),
    "no comma": (raw('{"a": {"dtype": "F32" "shape": [2]}}'), "header: expected , or } at"),
    "no colon": (raw('{"a" {}}'), "header: expected : at 5, got '{'"),
    "a comment": (raw("{/**/}"), 'header: expected " at'),
    "an open string": (raw('{"a'), "header: expected a string of JSON, got"),
    "a line in a string": (raw('{"a\n": 1}'), "header: expected a string of JSON"),
    "an unknown escape": (raw('{"\\x41": 1}'), "header: expected a string of JSON"),
    "half an escape": (raw('{"\\u12": 1}'), "header: expected a string of JSON"),
    "a sign in an escape": (raw('{"\\u+123": 1}'), "header: expected a string of JSON"),
    "half a pair": (raw('{"\\ud800": 1}'), "header: expected text, got '.*', half a character"),
    "a pair the other way": (raw('{"\\ude00\\ud83d": 1}'), "header: expected text"),
    "half a pair in the text": (raw('{"__metadata__": {"k": "\\udfff"}}'), "expected text"),
    "lists in lists": (raw('{"a": ' + "[" * DEEP + "]" * DEEP + "}"), "expected {"),
    "objects in objects": (raw('{"a":' * DEEP + "1" + "}" * DEEP), "expected dtype, shape, data"),
    "a deep shape": (raw(entry(shape="[" * DEEP + "]" * DEEP)), SIZES),
    "deep text": (raw('{"__metadata__": {"k": ' + "[" * DEEP), 'header: expected " at'),
    "open lists": (raw('{"a": ' + "[" * DEEP), "expected {"),
    # keys
    "a name twice": (raw(entry()[:-1] + "," + entry()[1:], DATA), "once, got 'a' again"),
    "a name twice, escaped": (
        raw(entry()[:-1] + "," + entry()[1:].replace('"a"', '"\\u0061"'), DATA),
        "header: expected each key once, got 'a' again",
    ),
    "a field twice": (raw(entry(more=', "dtype": "F32"'), DATA), "'a': expected each key once"),
    "text twice": (
        raw('{"__metadata__": {}, "__metadata__": {}}'),
        "header: expected each key once, got '__metadata__' again",
    ),
    "a key of the text twice": (
        raw('{"__metadata__": {"k": "v", "k": "v"}}'),
        "__metadata__: expected each key once, got 'k' again",
    ),
    "a field more": (
        raw(entry(more=', "strides": [4]'), DATA),
        "'a': expected dtype, shape, data_offsets, got 'strides'",
    ),
    **{
        f"no {field}": (
            raw({"a": {k: v for k, v in two([0, 8], [])["a"].items() if k != field}}, DATA),
            f"'a': expected dtype, shape, data_offsets, got {', '.join(left)}",
        )
        for field, left in zip(FIELDS, (FIELDS[1:], FIELDS[::2], FIELDS[:2]), strict=True)
    },
    "no fields": (raw('{"a": {}}'), "'a': expected dtype, shape, data_offsets, got nothing"),
    **{
        f"{value} for an array": (raw(f'{{"a": {value}}}'), "header: expected { at")
        for value in ("null", "1", '"x"', "[]", "true", "NaN")
    },
    # text
    **{
        f"{value} for the text": (raw(f'{{"__metadata__": {value}}}'), "header: expected { at")
        for value in ("null", "1", '"x"', "[]")
    },
    **{
        f"{value} in the text": (raw(f'{{"__metadata__": {{"k": {value}}}}}'), 'expected " at')
        for value in ("null", "1", "{}", "[]", "true", "NaN")
    },
    # dtypes
    **{
        f"the dtype {dtype}": (
            raw(entry(dtype), DATA),
            "'a': dtype: expected one of U64, .*BOOL, got",
        )
        for dtype in ("", "f32", "F32 ", "F128", "F8_E4M3", "F4", "C128", "<f4", "O", "float32")
    },
    **{
        f"{value} for a dtype": (
            raw(entry().replace('"F32"', value), DATA),
            'header: expected " at',
        )
        for value in ("null", "4", '["F32"]', "{}")
    },
    # sizes
    **{
        f"the shape {value}": (raw(entry(shape=value), DATA), SIZES)
        for value in (
            "[-2]", "[2.0]", "[2e0]", "[true]", "[null]", '["2"]', "[[2]]", "[{}]", "[NaN]",
            "[Infinity]", "[02]", "[+2]", "[-0]", "[0x2]", "[2,]", "[,2]", "[2 1]", "[2", "2",
            "null", '"[2]"', "{}", "(2)", "[1_0]", "[２]", "[99999999999999999999]",
            f"[{'9' * 100_000}]", f"[{'1,' * 64}1]", f"[{'1,' * 100_000}1]",
        )
    },
    **{
        f"the places {value}": (raw(entry(places=value), DATA), PLACES)
        for value in ("[-8, 0]", "[0, 8.0]", "[0, true]", "[0, null]", "[0, 1e1]", "null", "8")
    },
    **{
        f"the places {value}, so many": (
            raw(entry(places=value), DATA),
            f"'a': data_offsets: expected 2 numbers, got {count}",
        )
        for value, count in (("[]", 0), ("[8]", 1), ("[0, 8, 8]", 3))
    },
    "a large shape": (raw(entry(shape="[3]"), DATA), "expected the bytes of F32 of shape (3,)"),
    "a small shape": (raw(entry(shape="[1]"), DATA), "expected the bytes of F32 of shape (1,)"),
    "a wide dtype": (raw(entry("F64"), DATA), "expected the bytes of F64 of shape (2,), got 8"),
    "no axes": (raw(entry(shape="[]"), DATA), "expected the bytes of F32 of shape (), got 8"),
    "a huge shape": (raw(entry(shape=f"[{2**40}]"), DATA), "expected the bytes of F32"),
    "a shape beyond 64 bits": (
        raw(entry(shape=f"[{2**62}, 8]", places="[0, 0]")),
        "expected the bytes of F32",
    ),
    "a shape that wraps around": (
        raw(entry(shape=f"[{2**32}, {2**32}]", places="[0, 0]")),
        "expected the bytes of F32",
    ),
    "the largest sizes": (
        raw(entry(shape="[" + ",".join(["9" * 19] * 64) + "]"), DATA),
        "expected the bytes of F32",
    ),
    "an empty shape beyond 64 bits": (
        raw(entry(shape=f"[0, {2**62}, 8]", places="[0, 0]")),
        "'a': shape: expected what NumPy can count, got (0, 4611686018427387904, 8)",
    ),
    # places
    "more than there is": (
        raw(entry(shape="[4]", places="[0, 16]"), DATA),
        "arrays: expected 16 bytes behind the header, got 8",
    ),
    "far more than there is": (
        raw(entry("U8", f"[{2**62}]", f"[0, {2**62}]"), DATA),
        f"arrays: expected {2**62} bytes behind the header, got 8",
    ),
    "a byte less": (raw(entry(), DATA[:-1]), "arrays: expected 8 bytes behind the header, got 7"),
    "a byte more": (raw(entry(), bytes(9)), "arrays: expected 8 bytes behind the header, got 9"),
    "bytes of nothing": (raw("{}", b"\0"), "arrays: expected 0 bytes behind the header, got 1"),
    "the other way round": (raw(entry(places="[8, 0]"), DATA), "expected to begin at 0"),
    "backwards": (
        raw(two([0, 8], [8, 0]), DATA),
        "'b': data_offsets: expected the bytes of F32 of shape (2,), got -8",
    ),
    "a gap before": (raw(entry(places="[1, 9]"), DATA + b"\0"), "expected to begin at 0"),
    "a gap between": (
        raw(two([0, 8], [12, 20]), bytes(20)),
        "'b': data_offsets: expected to begin at 8, where the array before ends, got 12",
    ),
    "a gap behind": (raw(two([0, 8], [8, 16]), bytes(20)), "arrays: expected 16 bytes"),
    "arrays in common": (
        raw(two([0, 8], [4, 12]), bytes(12)),
        "'b': data_offsets: expected to begin at 8, where the array before ends, got 4",
    ),
    "one array twice": (raw(two([0, 8], [0, 8]), DATA), "'b': data_offsets: expected to begin at"),
    "one within another": (
        raw(two([0, 16], [4, 8], [(4,), (1,)]), bytes(16)),
        "'b': data_offsets: expected to begin at 16",
    ),
    "an empty one within another": (
        raw(two([0, 16], [4, 4], [(4,), (0,)]), bytes(16)),
        "'b': data_offsets: expected to begin at 16",
    ),
    "bool": (raw(entry("BOOL", "[8]"), b"\1" * 7 + b"\2"), "'a': expected 0 and 1 as bool"),
}  # fmt: skip
# What the package reads all the same: nothing that anybody writes.
LENIENT = {
    "space before it",
    "a name twice",
    "a name twice, escaped",
    "a key of the text twice",
    "a field more",
    "null for the text",
    "bool",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_files(kind, tmp_path):
    data, match = MALFORMED[kind]
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(ValueError) as caught:
        container.read(tmp_path / "f")
    message = str(caught.value)
    assert type(caught.value) is ValueError and len(message) < 300
    assert match in message or re.search(match, message), message
    assert "expected" in message and ", got " in message
    with pytest.raises(ValueError, match="expected a whole model file of aecore") as caught:
        ae.load(tmp_path / "f")
    assert str(tmp_path / "f") in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in MALFORMED if kind not in LENIENT])
def test_nothing_else_is_refused(kind, tmp_path):
    """What is malformed here is so in the package."""
    (tmp_path / "f").write_bytes(MALFORMED[kind][0])
    with pytest.raises((safetensors.SafetensorError, ValueError)):
        with safetensors.safe_open(tmp_path / "f", framework="numpy") as file:
            {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def test_dtypes_that_numpy_has_not(tmp_path):
    (tmp_path / "f").write_bytes(raw(entry("F8_E4M3", "[8]"), DATA))
    with pytest.raises(ValueError, match="'a': dtype: expected one of U64, .*, got 'F8_E4M3'"):
        container.read(tmp_path / "f")


# ---- paths --------------------------------------------------------------------------------------


def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("f", b"f", tmp_path / "f"):
        container.write(path, {"a": ONE})
        same(container.read(path)[0], {"a": ONE})
    missing = (container.read, "no/f", FileNotFoundError), (container.read, ".", IsADirectoryError)
    for act, path, error in (
        *missing,
        (lambda path: container.write(path, {"a": ONE}), "no/f", FileNotFoundError),
        (lambda path: container.write(path, {"a": ONE}), ".", IsADirectoryError),
        (ae.load, "no/f", FileNotFoundError),
    ):
        with pytest.raises(error) as caught:
            act(path)
        assert caught.value.filename == path
    for act in (container.read, lambda path: container.write(path, {})):
        with pytest.raises(TypeError):
            act(3)
    assert os.listdir() == ["f"]


@pytest.mark.skipif(os.name != "posix", reason="makes a FIFO")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    for read in (container.read, ae.load):
        with pytest.raises(OSError, match="expected a file, got a FIFO") as caught:
            read(path)
        assert caught.value.filename == str(path)
    with pytest.raises(OSError, match="expected a file, got a FIFO"):
        container.write(path, {"a": ONE})


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="reads what can't be read")
def test_errors_of_the_disk_name_the_path():
    with pytest.raises(OSError) as caught:
        container.read("/proc/self/mem")
    assert caught.value.errno == errno.EIO and caught.value.filename == "/proc/self/mem"


@pytest.mark.parametrize("left", [0, 7, 8, 20, 100, 5000])
def test_a_file_that_grows_shorter_while_it_is_read(left, tmp_path, monkeypatch):
    path = tmp_path / "f"
    container.write(path, {"a": np.zeros(50_000, np.float32)})
    real = atomic.regular

    def shorten(*args):
        real(*args)
        os.truncate(path, left)

    monkeypatch.setattr(atomic, "regular", shorten)
    with pytest.raises(ValueError, match="expected"):
        container.read(path)


def test_a_file_that_is_replaced_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "f"
    container.write(path, {"a": ONE})
    real = atomic.regular

    def substitute(*args):
        real(*args)
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "regular", real)
            container.write(path, {"b": ONE})

    monkeypatch.setattr(atomic, "regular", substitute)
    assert list(container.read(path)[0]) == ["a"] and list(container.read(path)[0]) == ["b"]


def test_threads_read_what_others_write(tmp_path):
    path = tmp_path / "f"
    container.write(path, {"0": np.zeros(1000)})
    wrong = []

    def work(i):
        try:
            for _ in range(20):
                container.write(path, {str(i): np.full(1000, i, float)})
                ((name, found),) = container.read(path)[0].items()
                if (found != int(name)).any():
                    wrong.append(name)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and os.listdir(tmp_path) == ["f"]


# ---- short of memory ----------------------------------------------------------------------------

SIZE = 1 << 20


def peak(act, *args):
    """Return the most bytes that were held at once on the way, and what came of it."""
    tracemalloc.start()
    try:
        made = act(*args)
        return tracemalloc.get_traced_memory()[1], made
    finally:
        tracemalloc.stop()


def test_memory_of_writing(tmp_path):
    """None for arrays as a file has them; else that of one array at a time."""
    x = np.zeros((SIZE // 256, 64), np.float32)  # 1 MiB
    path = tmp_path / "f"
    container.write(path, {})  # what is imported
    assert peak(container.write, path, {str(i): x for i in range(8)})[0] < 0.1 * SIZE
    for other in (x.T, x.astype(">f4"), x[::-1]):
        held, _ = peak(container.write, path, {str(i): other for i in range(8)})
        assert held < 1.1 * SIZE


def test_memory_of_reading(tmp_path):
    x = np.zeros(SIZE, np.uint8)
    path = tmp_path / "f"
    container.write(path, {str(i): x for i in range(8)})
    held, found = peak(container.read, path)
    assert held < 8.1 * SIZE and len(found[0]) == 8
    container.write(path, {"a": x == 0})
    assert peak(container.read, path)[0] < 1.1 * SIZE
    header = {"a": {"dtype": "BF16", "shape": [SIZE // 2], "data_offsets": [0, SIZE]}}
    path.write_bytes(raw(header, x.tobytes()))
    assert peak(container.read, path)[0] < 2.2 * SIZE


@pytest.mark.parametrize(
    "header",
    [
        '{"__metadata__": {"k": "' + "x" * SIZE + '"}}',
        '{"__metadata__": {"k": "' + "\\n" * (SIZE // 2) + '"}}',
        '{"__metadata__": {"k": "' + "é" * (SIZE // 2) + '"}}',
        '{"__metadata__": {' + ",".join(f'"{i}":""' for i in range(SIZE // 11)) + "}}",
        "{" + ",".join(
            f'"{i}":{{"dtype":"U8","shape":[],"data_offsets":[{i},{i + 1}]}}'
            for i in range(SIZE // 60)
        ) + "}",
        '{"a": ' + "[" * SIZE,
        '{"a": ' + "[]," * (SIZE // 3),
        '{"a": {"dtype": "U8", "shape": [' + "1," * (SIZE // 2),
        '{"a": {"dtype": "U8", "shape": [' + " " * SIZE,
        " " * SIZE,
        '{"' + "x" * SIZE,
        "{" + '"a":{' * (SIZE // 5),
        "{" + '"":' * (SIZE // 3),
    ],
    ids=lambda text: text[:8] + "..." + text[-8:],
)  # fmt: skip
def test_memory_of_headers(header, tmp_path):
    """A small multiple of their length, whatever stands in them."""
    data = raw(header, bytes(SIZE // 60))
    (tmp_path / "f").write_bytes(data)
    container._parsed(b"{}")

    def read():
        try:
            return container.read(tmp_path / "f")
        except ValueError:
            return None

    assert peak(read)[0] < 20 * len(data)


SHORT = """
import resource, sys
import numpy as np
import aecore as ae
from aecore.files import container
{prepare}
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (32 << 20),) * 2)
try:
    {act}
except MemoryError:
    sys.exit(7)
"""


def short_of_memory(act, *args, prepare="pass"):
    """Run a statement where it may take 32 MiB; return the exit status, 7 for MemoryError."""
    code = SHORT.format(act=act, prepare=prepare)
    run = subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True)
    assert run.returncode in (0, 7) and run.stderr == b"", run.stderr.decode()
    return run.returncode


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="limits memory, and reads /proc")


@linux_only
def test_short_of_memory(tmp_path):
    """MemoryError, where the package ends the process; and no ValueError."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    make = "x = np.zeros((4, 4 << 20), np.float32)"  # 64 MiB
    write = "container.write(sys.argv[1], {'x': %s})"
    assert short_of_memory(write % "x", path, prepare=make) == 0  # there is no copy
    whole = path.read_bytes()
    assert short_of_memory(write % "x.T", path, prepare=make) == 7
    assert path.read_bytes() == whole and os.listdir(tmp_path) == ["f"]
    assert short_of_memory("container.read(sys.argv[1])", path) == 7
    # what there is no room for is in the file; what a file only promises is a ValueError
    path.write_bytes(raw(entry("U8", f"[{2**40}]", f"[0, {2**40}]"), DATA))
    read = "try: container.read(sys.argv[1])\n    except ValueError: pass"
    assert short_of_memory(read, path) == 0


@linux_only
def test_models_where_memory_is_short(tmp_path):
    path = tmp_path / "m"
    X = np.zeros((2, 2000), np.float32)
    ae.Autoencoder(ae.Dense((1500,)), 2, epochs=1, batch_size=2).fit(X).save(path)
    assert path.stat().st_size > 60e6  # with the moments of Adam
    assert short_of_memory("ae.load(sys.argv[1])", path) == 7
    before = path.read_bytes()
    made = "m = ae.load(sys.argv[1])"
    assert short_of_memory("m.save(sys.argv[1])", path, prepare=made) == 0
    assert path.read_bytes() == before


# ---- short of disk ------------------------------------------------------------------------------

FULL = """
import os, sys
import numpy as np
import aecore as ae
from aecore.files import container

os.chdir(sys.argv[1])
small = ae.Autoencoder(ae.Dense(()), 1, epochs=1).fit(np.zeros((2, 3), np.float32))
small.save("m")
before = open("m", "rb").read()
X = np.zeros((2, 900), np.float32)
large = ae.Autoencoder(ae.Dense((100,)), 2, epochs=1, batch_size=2).fit(X)
tensors = {str(i): np.zeros(100_000, np.float32) for i in range(6)}
{limit}
for act in (
    lambda: large.save("m"),
    lambda: container.write("m", tensors),
    lambda: container.write("m", {}, {"k": "x" * 3_000_000}),
    lambda: ae.Autoencoder(ae.Dense((100,)), 2, epochs=1, batch_size=2, checkpoint="m").fit(X),
):
    try:
        act()
    except OSError as error:
        assert error.errno == {number}, error
        assert error.filename in ("m", os.path.abspath("m")), error
    else:
        raise AssertionError("written")
    assert open("m", "rb").read() == before and os.listdir(".") == ["m"]
small.save("m")
ae.load("m")
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the sizes of files")
def test_a_limit_of_the_size_of_files(tmp_path):
    limit = """
import resource, signal
assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN  # Python's own doing
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"""
    code = FULL.replace("{limit}", limit).replace("{number}", str(errno.EFBIG))
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@linux_only
def test_a_full_disk(tmp_path):
    """A file system of 1 MiB, that nobody else sees."""
    enter = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=1m none "$0" && '
    try:
        subprocess.run([*enter, mount + "true", tmp_path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file systems can be mounted here")
    code = FULL.replace("{limit}", "").replace("{number}", str(errno.ENOSPC))
    run = mount + 'exec "$1" -c "$2" "$0"'
    subprocess.run([*enter, run, tmp_path, sys.executable, code], check=True)

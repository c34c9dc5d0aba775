"""Files written aside: what takes whose place, with which permissions, and what errors leave."""

import errno
import os
import re
import socket
import stat
import threading

import pytest
from aecore.base import atomic

ASIDE = r"\.m-[0-9a-f]{16}\.aecore-part"
posix_only = pytest.mark.skipif(os.name != "posix", reason="permissions and devices of POSIX")


def put(path, data=b"new"):
    with atomic.replacing(path) as file:
        file.write(data)


def names(folder):
    return sorted(os.listdir(folder))


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def umask():
    """Return the umask of the tests."""
    mask = os.umask(0o027)
    yield 0o027
    os.umask(mask)


# ---- what is written ----------------------------------------------------------------------------


def test_a_file_is_there_at_the_end_and_not_before(tmp_path):
    path = tmp_path / "m"
    for before in (None, b"old"):
        if before is not None:
            path.write_bytes(before)
        with atomic.replacing(path) as file:
            file.write(b"new")
            file.flush()
            assert (path.read_bytes() if path.exists() else None) == before
            (aside,) = set(names(tmp_path)) - {"m"}
            assert re.fullmatch(ASIDE, aside)
        assert path.read_bytes() == b"new" and names(tmp_path) == ["m"]


@pytest.mark.parametrize("error", [OSError, ValueError, MemoryError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_whole(error, tmp_path):
    path = tmp_path / "m"
    for before in (None, b"old"):
        if before is not None:
            path.write_bytes(before)
        with pytest.raises(error):
            with atomic.replacing(path) as file:
                file.write(b"half")
                raise error
        assert (path.read_bytes() if path.exists() else None) == before
        assert names(tmp_path) == ([] if before is None else ["m"])


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_errors_of_the_system_name_the_path_that_was_given(step, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device", *map(str, args[:1]))

    (tmp_path / "m").write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left") as caught:
        put("m")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "m")
    assert (tmp_path / "m").read_bytes() == b"old" and names(tmp_path) == ["m"]


def test_errors_of_others_are_left_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        with atomic.replacing(tmp_path / "m"):
            open(tmp_path / "another")
    assert caught.value.filename == str(tmp_path / "another")


@pytest.mark.parametrize("kind", [str, os.fsencode, lambda path: path])
def test_kinds_of_paths(kind, tmp_path):
    put(kind(tmp_path / "m"))
    assert (tmp_path / "m").read_bytes() == b"new"
    missing = kind(tmp_path / "no" / "m")
    with pytest.raises(FileNotFoundError) as caught:
        put(missing)
    assert caught.value.filename == os.fspath(missing)
    with pytest.raises(TypeError):
        put(3)


def test_long_names(tmp_path):
    """As long as the file system allows: those of files aside are no longer."""
    for name in ("n" * 255, "é" * 127, "n" * 225, "n" * 226):
        path = tmp_path / name
        with pytest.raises(ValueError):
            with atomic.replacing(path) as file:
                (aside,) = names(tmp_path)
                assert len(os.fsencode(aside)) <= 255
                raise ValueError
        (tmp_path / aside).write_bytes(b"left")
        atomic.sweep(path)
        assert names(tmp_path) == []
        put(path)
        assert names(tmp_path) == [name]
        path.unlink()
        assert file.closed


def test_threads_write_one_file(tmp_path):
    path, texts = tmp_path / "m", [bytes([65 + i]) * 100_000 for i in range(8)]
    threads = [threading.Thread(target=put, args=(path, text)) for text in texts]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert path.read_bytes() in texts and names(tmp_path) == ["m"]


# ---- permissions --------------------------------------------------------------------------------


@posix_only
def test_permissions(tmp_path, umask, monkeypatch):
    monkeypatch.setattr(os, "umask", None)  # it is every thread's
    path = tmp_path / "m"
    put(path)
    assert mode(path) == 0o666 & ~umask
    for wanted in (0o600, 0o640, 0o666, 0o444, 0o755, 0o000):
        path.chmod(wanted)
        with atomic.replacing(path) as file:
            assert mode(file.fileno()) == wanted  # before anybody can read what is in it
        assert mode(path) == wanted


@posix_only
def test_a_name_that_is_taken_is_not_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "urandom", bytes)
    monkeypatch.setattr(atomic, "_sweep", lambda target: None)
    taken = tmp_path / f".m-{'00' * 8}.aecore-part"
    for make in (lambda: taken.write_bytes(b"theirs"), lambda: taken.symlink_to("theirs")):
        make()
        with pytest.raises(FileExistsError) as caught:
            put(tmp_path / "m")
        assert caught.value.filename == str(tmp_path / "m")
        assert names(tmp_path) == [taken.name]
        assert taken.is_symlink() or taken.read_bytes() == b"theirs"
        taken.unlink()


@posix_only
def test_what_killed_processes_have_left_is_deleted_and_nothing_else(tmp_path):
    left = [f".m-{c * 16}.aecore-part" for c in "0af"]
    others = [".m-0.aecore-part", ".n-0000000000000000.aecore-part", ".m-0000000000000000", "m2"]
    for name in [*left, *others]:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".m-1111111111111111.aecore-part").symlink_to("m2")
    os.mkfifo(tmp_path / ".m-2222222222222222.aecore-part")
    (tmp_path / ".m-3333333333333333.aecore-part").mkdir()
    kept = sorted({*names(tmp_path)} - {*left})
    put(tmp_path / "m")
    assert names(tmp_path) == sorted([*kept, "m"])


@posix_only
def test_what_others_are_writing_is_left_to_them(tmp_path):
    with atomic.replacing(tmp_path / "m") as first:
        first.write(b"first")
        put(tmp_path / "m", b"second")
        atomic.sweep(tmp_path / "m")
    assert names(tmp_path) == ["m"] and (tmp_path / "m").read_bytes() == b"first"


@posix_only
def test_what_is_swept_before_it_is_locked_is_begun_again(tmp_path, monkeypatch):
    real, swept = atomic._locked, []

    def late(handle, wait=False):
        if not swept:
            swept.append(1)
            atomic.sweep(tmp_path / "m")
        return real(handle, wait)

    monkeypatch.setattr(atomic, "_locked", late)
    put(tmp_path / "m", b"new")
    assert swept and names(tmp_path) == ["m"] and (tmp_path / "m").read_bytes() == b"new"


# ---- what stands at the path ---------------------------------------------------------------------


@posix_only
def test_links_are_followed(tmp_path):
    far, folder = tmp_path / "far", tmp_path / "folder"
    far.mkdir()
    folder.symlink_to("far")
    (far / "m").write_bytes(b"old")
    (far / "m").chmod(0o640)
    (tmp_path / "second").symlink_to(folder / "m")
    (tmp_path / "first").symlink_to("second")
    for path in (tmp_path / "first", folder / "m"):
        put(path, str(path).encode())
        assert (far / "m").read_bytes() == str(path).encode() and mode(far / "m") == 0o640
        assert names(tmp_path) == ["far", "first", "folder", "second"] and names(far) == ["m"]
    assert os.readlink(tmp_path / "first") == "second"
    (far / "m").unlink()
    put(tmp_path / "first")  # it leads nowhere, as yet
    assert not (far / "m").is_symlink() and (far / "m").read_bytes() == b"new"
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError) as caught:
        put(tmp_path / "loop")
    assert caught.value.errno == errno.ELOOP and caught.value.filename == str(tmp_path / "loop")
    assert os.readlink(tmp_path / "loop") == "loop"


def fifo(path):
    os.mkfifo(path)


def device(path):
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        pytest.skip("no devices can be made here")


def block_device(path):
    try:
        os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(7, 250))
    except OSError:
        pytest.skip("no devices can be made here")


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # such paths are short


KINDS = {
    os.mkdir: "a folder",
    fifo: "a FIFO",
    unix_socket: "a socket",
    device: "a device",
    block_device: "a device",
}


@posix_only
@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("linked", [False, True])
def test_nothing_but_a_file_is_replaced(make, linked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("m")
    before, path = os.stat("m"), "m"
    if linked:
        os.symlink("m", "link")
        path = "link"
    for attempt in (atomic.check, put, lambda path: atomic.alias("file", path)):
        if "device" in make.__name__ and attempt is not atomic.check:
            continue  # a fault would write to it
        (tmp_path / "file").write_bytes(b"file")
        with pytest.raises(OSError, match=f"expected a file, got {KINDS[make]}") as caught:
            attempt(path)
        assert caught.value.filename == path
        assert isinstance(caught.value, IsADirectoryError) == (make is os.mkdir)
    assert os.stat("m").st_ino == before.st_ino and os.stat("m").st_mode == before.st_mode
    assert names(tmp_path) == ["file", *(["link"] if linked else []), "m"]


@pytest.mark.parametrize("path", ["", ".", "..", "folder/", "no/", "no/.", "file/"])
def test_folders_that_are_meant(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(IsADirectoryError, match="expected a file, got a folder") as caught:
        put(path)
    assert caught.value.filename == path and names(tmp_path) == ["file", "folder"]


def test_what_may_be_replaced(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "nothing", "no/nothing"):
        atomic.check(tmp_path / name)
    with pytest.raises(NotADirectoryError) as caught:
        atomic.check(tmp_path / "file" / "m")
    assert caught.value.filename == str(tmp_path / "file" / "m")


# ---- second names -------------------------------------------------------------------------------


def test_a_second_name(tmp_path):
    path, other = tmp_path / "m", tmp_path / "other"
    for before in (None, b"old"):
        put(path, b"first")
        if before is not None:
            other.write_bytes(before)
        for _ in range(2):  # the second time it is one file already
            atomic.alias(path, other)
            assert other.read_bytes() == b"first" and names(tmp_path) == ["m", "other"]
        put(path, b"second")
        assert other.read_bytes() == b"first"
        other.unlink()
    with pytest.raises(FileNotFoundError):
        atomic.alias(tmp_path / "missing", other)
    assert names(tmp_path) == ["m"]


@posix_only
def test_a_second_name_is_of_the_file_not_of_a_link(tmp_path):
    (tmp_path / "m").symlink_to("real")
    put(tmp_path / "m", b"first")
    atomic.alias(tmp_path / "m", tmp_path / "other")
    put(tmp_path / "m", b"second")
    assert (tmp_path / "other").read_bytes() == b"first"
    assert names(tmp_path) == ["m", "other", "real"]


def test_a_copy_where_there_are_no_links(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    test_a_second_name(tmp_path)


# ---- folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [False, True])
def test_a_folder_is_there_at_the_end_and_not_before(before, tmp_path):
    path = tmp_path / "m"
    if before:
        path.mkdir()
    with pytest.raises(ValueError):
        with atomic.replacing_folder(path) as folder:
            raise ValueError
    assert names(tmp_path) == ["m"] * before
    with atomic.replacing_folder(path) as folder:
        assert re.fullmatch(ASIDE, os.path.basename(folder))
        with open(os.path.join(folder, "a"), "w"):
            pass
        assert path.exists() == before
    assert names(tmp_path) == ["m"] and names(path) == ["a"]
    with pytest.raises(OSError) as caught:  # it isn't empty
        with atomic.replacing_folder(path):
            pass
    assert caught.value.filename == str(path)
    assert names(tmp_path) == ["m"] and names(path) == ["a"]
    with pytest.raises(FileNotFoundError) as caught:
        with atomic.replacing_folder(tmp_path / "no" / "m"):
            pass
    assert caught.value.filename == str(tmp_path / "no" / "m")


@posix_only
def test_folders_of_killed_processes_are_swept_by_those_who_make_one(tmp_path):
    left, file = (tmp_path / f".m-{c * 16}.aecore-part" for c in "ab")
    left.mkdir()
    (left / "half").write_bytes(b"half")
    file.write_bytes(b"half")
    with atomic.replacing_folder(tmp_path / "m") as first:
        assert names(tmp_path) == sorted([os.path.basename(first), file.name])
        with atomic.replacing_folder(tmp_path / "m") as second:
            assert os.path.isdir(first) and os.path.isdir(second)  # somebody is at work
    assert names(tmp_path) == [file.name, "m"]


# ---- what a killed process has left -------------------------------------------------------------


def test_sweeping(tmp_path):
    hexadecimal = "0123456789abcdef"
    ours = [f".m-{hexadecimal}.aecore-part", f".m-{hexadecimal[::-1]}.aecore-part"]
    others = [
        "m",
        f"m-{hexadecimal}.aecore-part",
        f".m-{hexadecimal}",
        f".m-{hexadecimal}.aecore-part2",
        f".m-{hexadecimal[1:]}.aecore-part",
        f".m-{hexadecimal.upper()}.aecore-part",
        f".m2-{hexadecimal}.aecore-part",
        f".m-2-{hexadecimal}.aecore-part",
        f".m.best-{hexadecimal}.aecore-part",
        ".m-notes",
        ".m-abcdefgh",
    ]
    for name in (*ours, *others):
        (tmp_path / name).write_bytes(b"half")
    folder, link = (f".m-{c * 16}.aecore-part" for c in "ab")
    (tmp_path / folder).mkdir()
    if os.name == "posix":
        (tmp_path / link).symlink_to("m")
        others.append(link)
    atomic.sweep(tmp_path / "m")
    assert names(tmp_path) == sorted([*others, folder])
    for name in ("+", "[m]", "m$"):
        left = tmp_path / f".{name}-{hexadecimal}.aecore-part"
        left.write_bytes(b"half")
        atomic.sweep(tmp_path / name)
        assert not left.exists()


@posix_only
def test_sweeping_where_a_link_leads(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "m").symlink_to("far/real")
    left = tmp_path / "far" / ".real-0123456789abcdef.aecore-part"
    left.write_bytes(b"half")
    atomic.sweep(tmp_path / "m")
    assert names(tmp_path / "far") == [] and names(tmp_path) == ["far", "m"]

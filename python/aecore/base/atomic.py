"""Files that are whole at any moment: written aside, flushed to disk, then renamed.

Nothing but a file takes a file's place. What a path leads to is looked at before anything is
written: a regular file, or nothing at all, is fine; a folder, a device, a FIFO or a socket is an
OSError. A link stays, and what it leads to is replaced.

A process that is killed leaves what it was writing behind. The next one that writes the same file
deletes it: whoever writes holds a lock on the file aside (`flock`), which ends with the process.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

# elsewhere than on POSIX there are no locks, and nothing is swept
try:
    fcntl: Any = importlib.import_module("fcntl")
except ImportError:  # Windows
    fcntl = None

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}
# A name that nobody guesses, so that nobody has put a file or a link there.
_SUFFIX = ".aecore-part"
_RANDOM_BYTES = 8
_LONGEST = 255 - len(f".-{_SUFFIX}") - 2 * _RANDOM_BYTES  # what file systems allow in a name


@contextlib.contextmanager
def replacing(path: Any) -> Iterator[BinaryIO]:
    """Open a file for writing that takes a path's place when the block ends without an error.

    Until then the old file is there, whole, and after an error it still is. The permissions are
    those of the old file; a new one has what `open` would give it.

    Parameters
    ----------
    path : str, bytes or path-like

    Yields
    ------
    file : io.BufferedWriter
        To be left open.

    Raises
    ------
    OSError
        If the file can't be written, with `path` as it was given. IsADirectoryError for a folder.
    """
    given = os.fspath(path)
    target, mode = _target(given)
    _sweep(target)
    file, temporary, lock = _begin(target, given, mode)
    try:
        if mode is not None and hasattr(os, "fchmod"):
            with naming(given):
                os.fchmod(file.fileno(), mode)  # the umask has taken some
        yield file
        file.flush()
        with naming(given):
            os.fsync(file.fileno())
            file.close()
            os.replace(temporary, target)
    except BaseException:
        try:
            file.close()
        except OSError:  # closing tries once more to write what is buffered
            pass
        finally:  # whatever else goes wrong
            _unlink(temporary)
        raise
    finally:
        if lock >= 0:
            os.close(lock)
    _flush_folder(target)


@contextlib.contextmanager
def replacing_folder(path: Any) -> Iterator[str]:
    """Make a folder that takes a path's place when the block ends without an error.

    Until then what is there is left alone: nothing, or an empty folder. After an error it still is.

    Parameters
    ----------
    path : str, bytes or path-like

    Yields
    ------
    folder : str
        To be filled.

    Raises
    ------
    OSError
        If there can't be a folder, with `path` as it was given.
    """
    import shutil  # which takes long to import

    given = os.fspath(path)
    target = os.path.realpath(os.fsdecode(given))
    _sweep(target, folders=True)
    temporary, lock = _begin_folder(target, given)
    try:
        yield temporary
        with naming(given):
            if os.name == "nt" and os.path.isdir(target):  # where no folder takes another's place
                os.rmdir(target)
            os.replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        if lock >= 0:
            os.close(lock)
    _flush_folder(target)


def append(path: Any, data: bytes) -> bool:
    """Add bytes to the end of a file, all of them or none.

    Parameters
    ----------
    path : str, bytes or path-like
    data : bytes

    Returns
    -------
    bool
        False if there is no file.

    Raises
    ------
    OSError
        If they can't be written; the file is as before then.
    """
    given = os.fspath(path)
    check(given)  # opening a FIFO would wait for a reader
    with naming(given):
        try:
            handle = os.open(given, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return False
        try:
            before = os.fstat(handle).st_size
            try:
                written = os.write(handle, data)
                if written < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(handle, before)
                raise
        finally:
            os.close(handle)
    return True


def alias(path: Any, other: Any) -> None:
    """Give a file another name too, in place of what has it; a copy where there are no links.

    Parameters
    ----------
    path : str, bytes or path-like
        Of the file.
    other : str, bytes or path-like
        The name.

    Raises
    ------
    OSError
        As `replacing`.
    """
    given = os.fspath(other)
    target, _ = _target(given)
    _sweep(target)
    temporary = _aside(target)
    with open(path, "rb") as original:
        lock = _locked(original.fileno())  # that of the other name too
        try:
            try:
                os.link(os.path.realpath(path), temporary)  # not the link that may lead to the file
            except OSError:
                import shutil  # which takes long to import

                with replacing(other) as copy:
                    shutil.copyfileobj(original, copy)
                return
            try:
                with naming(given):
                    os.replace(temporary, target)
            finally:
                _unlink(temporary)  # renaming does nothing where both are names of one file
        finally:
            if lock >= 0:
                os.close(lock)
    _flush_folder(target)


def check(path: Any) -> None:
    """Raise OSError if something stands at a path that no file may take the place of.

    Parameters
    ----------
    path : str, bytes or path-like
    """
    _target(os.fspath(path))


def regular(path: Any, mode: int) -> None:
    """Raise OSError unless a mode, as `os.stat` gives it, is that of a regular file.

    Parameters
    ----------
    path : str, bytes or path-like
        For the error.
    mode : int
    """
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(number, f"expected a file, got {kind}", path)


def sweep(path: Any) -> None:
    """Delete what killed processes of the same user have left of a file that they were writing.

    What others are writing just now stays: they hold a lock.

    Parameters
    ----------
    path : str, bytes or path-like
        Of the file.
    """
    _sweep(_target(os.fspath(path))[0])


def _sweep(target: str, folders: bool = False) -> None:
    if fcntl is None:
        return
    folder, name = os.path.split(target)
    start = f".{_stem(name)}-"
    pattern = rf"{re.escape(start)}[0-9a-f]{{{2 * _RANDOM_BYTES}}}{re.escape(_SUFFIX)}"
    with contextlib.suppress(OSError):  # a folder that lists nothing may take files all the same
        with os.scandir(folder) as entries:
            found = [e.path for e in entries if e.name.startswith(start)]
        for path in found:
            if re.fullmatch(pattern, os.path.basename(path)):
                _delete_unless_locked(path, stat.S_ISDIR if folders else stat.S_ISREG)


def _delete_unless_locked(path: str, wanted: Callable[[int], bool]) -> None:
    """Delete a file of one's own, or a folder, unless somebody has a lock on it."""
    with contextlib.suppress(OSError):  # it is gone, or someone else's, whom it is left to
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(path, flags)
        try:
            found = os.fstat(handle)
            if wanted(found.st_mode) and found.st_uid == os.geteuid():
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISDIR(found.st_mode):
                    import shutil

                    shutil.rmtree(path, ignore_errors=True)
                else:
                    os.unlink(path)
        finally:
            os.close(handle)


def _locked(handle: int, wait: bool = False) -> int:
    """Lock an open file until what is returned is closed; -1 where that can't be."""
    if fcntl is None:
        return -1
    copy = os.dup(handle)
    try:
        fcntl.flock(copy, fcntl.LOCK_SH | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # a file system without locks, on which nothing is swept either
        os.close(copy)
        return -1
    except BaseException:
        os.close(copy)
        raise
    return copy


@contextlib.contextmanager
def naming(path: Any) -> Iterator[None]:
    """Let the system's errors within it name a path.

    Those of reading and writing name none, and others the file that is written aside.

    Parameters
    ----------
    path : str, bytes or path-like
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from None


class _Aside(io.FileIO):
    """A new file whose errors name the one that it is to replace."""

    def __init__(self, path: str, given: Any, mode: int | None) -> None:
        self._given = given

        def opener(path: str, flags: int) -> int:
            flags |= getattr(os, "O_NOFOLLOW", 0)
            return os.open(path, flags, 0o666 if mode is None else mode)

        super().__init__(path, "xb", opener=opener)

    def write(self, data: Any) -> int:
        with naming(self._given):
            return super().write(data)


def _target(given: Any) -> tuple[str, int | None]:
    """Return the file that a path leads to, and its permissions: None where there is none."""
    name = os.fsdecode(given)
    if os.path.basename(name) in ("", ".", ".."):  # a folder, were it there
        regular(given, stat.S_IFDIR)
    try:
        mode = os.stat(given).st_mode
    except FileNotFoundError:
        return os.path.realpath(name), None
    regular(given, mode)
    return os.path.realpath(name), stat.S_IMODE(mode) & 0o777


def _begin(target: str, given: Any, mode: int | None) -> tuple[Any, str, int]:
    """Return a new file beside another that it is to replace, its path, and a lock on it."""
    while True:
        temporary, lock = _aside(target), -1
        try:
            with naming(given):
                file = io.BufferedWriter(_Aside(temporary, given, mode))
            lock = _locked(file.fileno(), wait=True)
            if lock < 0 or os.fstat(lock).st_nlink:
                return file, temporary, lock
        except FileExistsError:  # somebody else's
            raise
        except BaseException:
            _unlink(temporary)
            if lock >= 0:
                os.close(lock)
            raise
        os.close(lock)  # somebody has swept it away before it was locked
        file.close()


def _begin_folder(target: str, given: Any) -> tuple[str, int]:
    """Return a new folder beside what it is to replace, and a lock on it."""
    while True:
        temporary, lock = _aside(target), -1
        with naming(given):
            os.mkdir(temporary)
            if fcntl is None:
                return temporary, lock
            with contextlib.suppress(FileNotFoundError):  # somebody has swept it away already
                handle = os.open(temporary, os.O_RDONLY)
                try:
                    lock = _locked(handle, wait=True)
                finally:
                    os.close(handle)
                if lock < 0 or os.fstat(lock).st_nlink:
                    return temporary, lock
                os.close(lock)


def _aside(target: str) -> str:
    """Return a path beside a file's, for what is to take its place."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{_stem(name)}-{os.urandom(_RANDOM_BYTES).hex()}{_SUFFIX}")


def _stem(name: str) -> str:
    """Return what stands for a file's name in names of files aside: itself, or a digest."""
    encoded = os.fsencode(name)
    if len(encoded) <= _LONGEST:
        return name
    import hashlib

    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def _unlink(path: str) -> None:
    """Delete a file, if that can be done: an error that has led here says more."""
    try:
        _delete(path)
    except MemoryError:  # there may be enough again
        _delete(path)


def _delete(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _flush_folder(path: str) -> None:
    """Flush a file's folder to disk, which has its name."""
    with contextlib.suppress(OSError):  # not all systems let a folder be flushed
        handle = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

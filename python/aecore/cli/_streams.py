"""Streams that may be closed, full or broken, and text for terminals.

A command's work doesn't depend on whether somebody reads what it says. Remarks on stderr are lost
where it is closed or full; a reader of stdout who has gone, as `head` does, is no failure. Results
that can't be written to stdout are one.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Stream:
    """A text stream that says nothing more once writing has failed.

    Parameters
    ----------
    stream : text stream or None
        None, as Python has for those that are closed, takes nothing.
    name : str
        For errors.
    forgiving : bool
        Whether what can't be written is given up without an error.

    Attributes
    ----------
    lost : bool
        Whether writing has failed.
    """

    def __init__(self, stream: Any, name: str, forgiving: bool) -> None:
        self.stream, self.name, self.forgiving = stream, name, forgiving
        self.lost = False
        self._failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text; characters that the stream can't encode are escaped."""
        if self.lost:
            return len(text)
        try:
            if self.stream is None:
                raise OSError(errno.EBADF, "the stream is closed")
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                coding = self.stream.encoding
                self.stream.write(text.encode(coding, "backslashreplace").decode(coding))
        except (OSError, ValueError) as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered; OSError if anything couldn't be written before."""
        if self._failure is not None:
            raise self._failure
        if self.lost or self.stream is None:
            return
        try:
            self.stream.flush()
        except (OSError, ValueError) as error:
            self._lose(error)

    def forgive_closed(self) -> None:
        """Give up what is written if the stream is closed; one that is full stays a failure."""
        self.forgiving |= self.stream is None

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self.stream is not None and not self.stream.closed and self.stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _lose(self, error: OSError | ValueError) -> None:
        """Give up what is buffered, so that Python doesn't stumble over it at its end."""
        self.lost = True
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
        if self.forgiving or isinstance(error, BrokenPipeError):
            return
        number, text = errno.EBADF, "the stream is closed"
        if isinstance(error, OSError) and error.errno is not None:
            number, text = error.errno, str(error.strerror)
        self._failure = OSError(number, text, self.name)
        raise self._failure from None


@contextmanager
def safe_streams() -> Iterator[Stream]:
    """Let stdout and stderr be Streams meanwhile; yields that of stdout."""
    _occupy()
    kept = sys.stdout, sys.stderr
    out: Any = Stream(sys.stdout, "stdout", forgiving=False)
    err: Any = Stream(sys.stderr, "stderr", forgiving=True)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        err.flush()
        sys.stdout, sys.stderr = kept


def _occupy() -> None:
    """Open the descriptors 0 to 2 where they are closed.

    A file that is opened later would get them, and what is printed to stderr would end up in it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)


def shown(text: Any) -> str:
    r"""Return text as it may go to a terminal: what can't be printed is escaped as in \x1b."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

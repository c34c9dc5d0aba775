"""Tracebacks in notebooks without the frames between a user's line and the one that complains.

IPython leaves out frames that have ``__tracebackhide__`` among their local variables, but for the
last one. They get it here as an error leaves a public method, and only where IPython runs: Python,
pytest and debuggers outside of it show all frames. ``%debug`` shows them after ``skip_hidden no``.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeVar

from .hints import argument_hint

PACKAGE = __name__.partition(".")[0]
# What is raised on purpose. Frames of another error, such as an IndexError, help to mend it.
EXPECTED = (
    TypeError,
    ValueError,
    AttributeError,
    FloatingPointError,
    ImportError,
    KeyboardInterrupt,
    MemoryError,
    OSError,
    RuntimeError,
)

Function = TypeVar("Function", bound=Callable[..., Any])


def short(function: Function) -> Function:
    """Hide the package's frames of errors that leave a function, where IPython shows them."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            if isinstance(error, TypeError) and args and _is_of_call(error):
                error.args = (f"{error}{argument_hint(error, function.__name__, args[0])}",)
            _hide(error)
            raise

    return run  # type: ignore[return-value]


def shorten(cls: type) -> None:
    """Make the public methods that a class of the package defines `short`."""
    if not _is_ours(cls.__module__):
        return
    for name, method in list(vars(cls).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(cls, name, short(method))


def _is_of_call(error: BaseException) -> bool:
    """Return whether an error is Python's own, of the arguments of a call."""
    here = error.__traceback__
    return here is not None and here.tb_next is None


def ipython_shell() -> Any:
    """Return the shell of IPython that runs this code; None in plain Python."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def _hide(error: BaseException) -> None:
    if ipython_shell() is None:
        return
    for one in _chain(error):
        frames = list(_frames(one))
        last = frames[-1].f_globals.get("__name__", "") if frames else ""
        if isinstance(one, EXPECTED) or not _is_ours(last):
            for frame in frames:
                if _is_ours(frame.f_globals.get("__name__", "")):
                    frame.f_locals["__tracebackhide__"] = True


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE

"""The story of an exception: what happened, and where in the user's code."""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from ropewalk.author.packages import in_own_tree
from ropewalk.core.artifact import Failure
from ropewalk.core.errors import RopewalkError, UnstorableError, render

_OWN = str(Path(__file__).absolute().parents[1]) + os.sep
MAX_MESSAGE = 2000


def describe(error: BaseException) -> Failure:
    """The story of an exception: what, and where in the user's code."""
    kind = "oom" if isinstance(error, MemoryError) else "exception"
    frames = _user_frames(error.__traceback__)
    file, line, function, text = "", 0, "", ""
    if frames:
        place = _own_code(frames)
        file, line, function = _short(place.filename), place.lineno or 0, place.name
        text = linecache.getline(place.filename, line).rstrip()
    cls = type(error)
    return Failure(
        kind,
        _message(error),
        f"{cls.__module__}.{cls.__qualname__}",
        tuple(f"{c.__module__}.{c.__qualname__}" for c in cls.__mro__[1:-1]),
        _traceback(error, frames),
        file,
        line,
        function,
        text,
        _callers(frames),
        _hints(error),
        retryable=not isinstance(error, (SystemExit, KeyboardInterrupt)),
    )


def describe_unstorable(error: UnstorableError, function: Callable[..., Any]) -> Failure:
    code = getattr(function, "__code__", None)
    file, line = (_short(code.co_filename), code.co_firstlineno) if code is not None else ("", 0)
    return Failure(
        "unstorable", error.title, "ropewalk.UnstorableError", (), render(error), file, line,
        getattr(function, "__name__", ""), "", error.facts, error.help, retryable=False,
    )  # fmt: skip


def _message(error: BaseException) -> str:
    try:
        text = error.title if isinstance(error, RopewalkError) else str(error)
    except Exception:  # noqa: BLE001  # an exception whose __str__ raises
        text = "(its message cannot be shown)"
    if len(text) > MAX_MESSAGE:
        text = f"{text[:MAX_MESSAGE]}… ({len(text)} characters)"
    name = type(error).__qualname__
    return f"{name}: {text}" if text else name


def _user_frames(start: TracebackType | None) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(start)
    while frames and frames[0].filename.startswith(_OWN):
        frames.pop(0)
    return list(frames)


def _own_code(frames: list[traceback.FrameSummary]) -> traceback.FrameSummary:
    """The innermost frame of the user's own code; failing that the innermost of all."""
    own = [f for f in frames if in_own_tree("", f.filename) and not f.filename.startswith(("<frozen", _OWN))]
    return own[-1] if own else frames[-1]


def _callers(frames: list[traceback.FrameSummary]) -> tuple[str, ...]:
    if len(frames) < 2:
        return ()
    first = frames[0]
    return (f"called from {_short(first.filename)}:{first.lineno} {first.name}()",)


def _traceback(error: BaseException, frames: list[traceback.FrameSummary]) -> str:
    try:
        lines = traceback.format_list(frames) + traceback.format_exception_only(error)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            chain = [*traceback.format_list(_user_frames(cause.__traceback__)), *traceback.format_exception_only(cause)]
            lines = [*chain, "\nwhich led to:\n\n", *lines]
        text = "".join(lines)
    except Exception:  # noqa: BLE001  # hostile exceptions must not take the worker down
        text = "".join(traceback.format_list(frames)) + _message(error)
    return text[-20000:]


def _hints(error: BaseException) -> tuple[str, ...]:
    if isinstance(error, RopewalkError):
        return error.help
    if isinstance(error, ValueError) and "read-only" in str(error):
        return ("inputs are shared and read-only: change a copy of it (value = value.copy())",)
    if isinstance(error, ModuleNotFoundError):
        return (f"install the package that provides `{error.name}` in this environment",)
    return ()


def _short(filename: str) -> str:
    try:
        return str(Path(filename).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return filename

"""Pickle: the last resort, marked as such because reading it runs code from the content.

The content starts with one line of JSON that names the versions it was written with, so that whoever may not
unpickle it can still say what it is.
"""

from __future__ import annotations

import json
import pickle
import sys
from typing import Any

from ropewalk.artifacts.format import Format, Sink, Source, type_name
from ropewalk.core.errors import ExecutionError, VersionError

_MAGIC = "ropewalk-pickle-1"
_PROTOCOL = 5


def write_pickle(value: Any, sink: Sink, packages: tuple[str, ...] = ()) -> None:
    """Write versions, then the pickle, streamed."""
    head = {"format": _MAGIC, "versions": versions(packages)}
    sink.write(json.dumps(head, sort_keys=True).encode() + b"\n")
    pickle.Pickler(sink, protocol=_PROTOCOL).dump(value)


def read_pickle(source: Source, name: str) -> Any:
    """The value; runs code from the content.

    Raises:
        VersionError: it was written with other versions, and cannot be read with those here.
        ExecutionError: it cannot be read for another reason.
    """
    head, start = read_head(source.data)
    try:
        return pickle.loads(source.data[start:])  # noqa: S301 - only ever called where the user's code runs anyway
    except Exception as error:
        raise _unreadable(name, head["versions"], error) from error


def read_head(data: memoryview) -> tuple[dict[str, Any], int]:
    """The line of JSON in front, and where the pickle starts."""
    end = bytes(data[:10_000]).index(b"\n")
    return json.loads(bytes(data[:end])), end + 1


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of Python and of those modules that are loaded."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for package in packages:
        version = getattr(sys.modules.get(package), "__version__", None)
        if version is not None:
            found[package] = str(version)
    return found


def _unreadable(name: str, written: dict[str, str], error: Exception) -> ExecutionError | VersionError:
    here = versions(tuple(written))
    differ = [f"written with {k} {v}, here {here.get(k, 'not loaded')}" for k, v in written.items() if here.get(k) != v]
    title = f"a stored `{name}` cannot be read: {type(error).__name__}: {error}"
    if differ:
        return VersionError(title, code="P801", facts=differ, help=["install the versions it was written with"])
    return ExecutionError(
        title,
        code="P311",
        facts=["it was kept as a pickle, which needs the classes where they were when it was written"],
        help=["run again the task that made it"],
    )


def _preview(value: Any) -> str:
    return f"{type_name(type(value))} (pickle)"


def peek_pickle(source: Source, rows: int) -> dict[str, Any]:
    """What the first line says; the rest is never read."""
    head, start = read_head(source.data)
    return {"kind": "pickle", "versions": head["versions"], "pickle_bytes": source.ref.size_bytes - start}


def _matches(value: Any) -> bool:
    return True


PICKLE = Format("pickle", _matches, write_pickle, read_pickle, _preview, peek_pickle, unsafe=True)

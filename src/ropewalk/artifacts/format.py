"""What a format is: how one kind of value becomes bytes and back, and how people see it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from ropewalk.artifacts.blobs import Blobs, Buffer
from ropewalk.core.artifact import ArtifactRef

HEAD_CHARS = 60  # how much of a text a one-line preview shows


class Inexact(Exception):
    """Raised by `Format.write`: it would not give back exactly this value, so the next format should try."""


class Sink(Protocol):
    """Where a format writes one value. Nothing written is visible before the whole value is."""

    def write(self, data: Buffer) -> int:
        """Append to the content."""

    @property
    def path(self) -> str:
        """How errors name the value, e.g. `result["model"]`."""

    def child(self, value: Any, step: str, format: Format | None = None) -> ArtifactRef:
        """Save a part of the value as an artifact of its own; `step` is how the path to it goes on, e.g. `.train`.

        Raises:
            Inexact: no `format` is given, and only pickle could keep it.
        """

    def file(self, path: Path) -> tuple[str, int]:
        """Keep a file's content as a blob that the content refers to; returns its digest and size in bytes."""


class Source(Protocol):
    """Where a format reads one value from."""

    @property
    def data(self) -> memoryview:
        """The content, read-only and checked against its digest."""

    @property
    def ref(self) -> ArtifactRef:
        """What is known of the artifact."""

    @property
    def blobs(self) -> Blobs:
        """The store, for blobs that the content refers to."""

    def child(self, ref: ArtifactRef) -> Any:
        """The value of a part."""

    def peek(self, ref: ArtifactRef) -> dict[str, Any]:
        """The rich preview of a part."""


@dataclass(frozen=True, slots=True)
class Format:
    """One row of the table of formats; plugins offer more under the entry point group `ropewalk.formats`.

    `matches` and `preview` must not import anything that is not loaded already. `write` must give the same bytes for
    the same value, and may raise Inexact. `peek` serves the control plane: it must never run code from the content.
    """

    name: str  # part of the identity of everything written, so never reused for another encoding
    matches: Callable[[Any], bool]
    write: Callable[[Any, Sink], None]
    read: Callable[[Source, str], Any]  # (source, type name) → value, not shared with any other reader
    preview: Callable[[Any], str]  # one line
    peek: Callable[[Source, int], dict[str, Any]]  # (source, rows) → JSON-able
    unsafe: bool = False  # whether `read` runs code from the content, as pickle does


def names_of(kind: type) -> tuple[str, ...]:
    """The class and its bases as "package.Name", nearest first."""
    try:
        return _names_of(kind)
    except TypeError:  # a metaclass may forbid hashing
        return _names_of.__wrapped__(kind)


@lru_cache(maxsize=1024)
def _names_of(kind: type) -> tuple[str, ...]:
    return tuple(f"{base.__module__.partition('.')[0]}.{base.__qualname__}" for base in kind.__mro__)


def is_a(value: Any, *names: str) -> bool:
    """Whether the value is an instance of one of the classes, given as "package.Name"; imports nothing."""
    return not set(names).isdisjoint(names_of(type(value)))


def is_exactly(value: Any, *names: str) -> bool:
    """Whether the value's class itself is one of `names`, not a subclass, which may hold more."""
    return names_of(type(value))[0] in names


def type_name(kind: type) -> str:
    """The readable name of a class: the shortest path under which its package shows it."""
    try:
        return _type_name(kind)
    except TypeError:
        return _type_name.__wrapped__(kind)


@lru_cache(maxsize=1024)
def _type_name(kind: type) -> str:
    name = kind.__qualname__
    if kind.__module__ == "builtins":
        return name
    parts = [part for part in kind.__module__.split(".") if not part.startswith("_")] or [kind.__module__]
    for end in range(1, len(parts)):
        module = sys.modules.get(".".join(parts[:end]))
        if getattr(module, name, None) is kind:
            return ".".join([*parts[:end], name])
    return ".".join([*parts, name])


def shorten(text: str, limit: int = HEAD_CHARS) -> str:
    """At most `limit` characters of the text, on one line, without control characters."""
    if len(text) <= limit and text.isprintable():
        return text
    line = "".join(c if c.isprintable() else " " for c in text[: limit + 1])
    return line if len(text) <= limit else line[: limit - 1] + "…"


def label(key: Any) -> str:
    """A key as a path shows it, without trusting its class, e.g. `"rows"`, `3`, `<Settings>`."""
    if type(key) is str:
        return f'"{shorten(key, 40)}"'
    if key is None or type(key) in (bool, int, float, bytes):
        return shorten(repr(key), 40)
    return f"<{type(key).__name__}>"


def as_json(value: Any) -> Any:
    """A cell of a table or array as JSON for pages: what JSON has no word for becomes text."""
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def count(number: int, noun: str) -> str:
    """A number with its noun, e.g. "1 row", "336,776 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

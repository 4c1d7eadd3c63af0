"""A stretch: neighbouring items of one node that succeeded one after the other, as few bytes.

Of such items a hundred thousand may follow each other, so their events are not kept one by one: what they have in
common is said once, and the rest in columns. A digest is left out where it follows from the content beside it.
"""

from __future__ import annotations

import json
import re
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, groupby
from operator import eq
from typing import Any, TypeAlias

from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef, Outputs, Usage
from ropewalk.core.compact import compact
from ropewalk.core.errors import StoreError, VersionError
from ropewalk.core.values import digest

Success: TypeAlias = ev.Succeeded | ev.Reused

SHORTEST = 4  # fewer are not worth it
LONGEST = 1024  # more are several stretches, so that one item is found without unpacking all of them

_FORMAT = 1
_START = struct.Struct("<BII")  # format, bytes of all of it, checksum of what follows
_HEAD = struct.Struct("<III")  # index in its batch of events, first item, items
_KEYS_AT = _START.size + _HEAD.size
_SIZE = struct.Struct("<I")
_KEY_BYTES = 32
_KEY = re.compile("[0-9a-f]{64}")
_MICRO = 1e6
_NUMBERS = ("saved_s", "token", "wall_s", "cpu_s", "started_at", "peak_bytes")  # in this order
_CODES = (("B", 2**8), ("H", 2**16), ("I", 2**32), ("Q", 2**64))


def split(batch: Sequence[ev.Event]) -> tuple[list[ev.Event], list[range]]:
    """Of a batch of events those that are kept one by one, and the indices of the stretches."""
    if len(batch) < SHORTEST:
        return list(batch), []
    rest: list[ev.Event] = []
    found: list[range] = []
    for kin, members in groupby(enumerate(batch), _kin):
        indices = [index for index, _ in members]
        for at in range(0, len(indices), LONGEST):
            some = indices[at : at + LONGEST]
            if kin is not None and len(some) >= SHORTEST:
                found.append(range(some[0], some[-1] + 1))
            else:
                rest += batch[some[0] : some[-1] + 1]
    return rest, found


def _kin(member: tuple[int, ev.Event]) -> tuple[Any, ...] | None:
    """What is equal for all events of a stretch; None: this one cannot be in any."""
    index, event = member
    if not isinstance(event, (ev.Succeeded, ev.Reused)) or event.metrics or not is_key(event.key):
        return None
    source = event.source if isinstance(event, ev.Reused) else None
    return (type(event), event.node, event.item - index, source, *event.outputs)


def is_key(text: str) -> bool:
    """Whether a text is a cache key as core/cachekey makes them, and not what a test or another program calls one."""
    return _KEY.fullmatch(text) is not None


def _source(event: Success) -> int | None:
    return event.source if isinstance(event, ev.Reused) else None


def pack(events: Sequence[Success], index: int) -> bytes:
    """The events of a stretch that begins at `index` of its batch."""
    first, body = events[0], _Body()
    common: dict[str, Any] = {"node": first.node, "outputs": [*first.outputs]}
    if isinstance(first, ev.Reused):
        saved = [event.saved_s for event in events if isinstance(event, ev.Reused)]  # all are
        common |= {"source": first.source, "saved_s": body.seconds(saved)}
    else:
        executed = [event for event in events if isinstance(event, ev.Succeeded)]
        common["token"] = body.whole([event.token for event in executed])
        for name in ("wall_s", "cpu_s", "started_at"):
            common[name] = body.seconds([round(getattr(event.usage, name), 6) for event in executed])
        common["peak_bytes"] = body.whole([event.usage.peak_bytes for event in executed])
    common["refs"] = [body.refs([event.outputs[name] for event in events]) for name in first.outputs]
    text = compact(common).encode()
    keys = bytes.fromhex("".join([event.key for event in events]))
    packed = zlib.compress(b"".join((_SIZE.pack(len(text)), text, *body.columns)), 6)
    rest = _HEAD.pack(index, first.item, len(events)) + keys + packed
    return _START.pack(_FORMAT, _START.size + len(rest), zlib.crc32(rest)) + rest


class _Body:
    """Collects the columns that are kept as bytes; what describes a column goes into the JSON text before them.

    A column is `["=", value]` where all are equal, `["j", values]`, or `[code, least]` for numbers that lie in the
    bytes, less the least of them; with a `u` before the code they are millionths.
    """

    def __init__(self) -> None:
        self.columns: list[bytes] = []

    def any(self, values: list[Any]) -> list[Any]:
        return ["=", values[0]] if values.count(values[0]) == len(values) else ["j", values]

    def whole(self, values: list[Any]) -> list[Any]:
        least, greatest = min(values), max(values)
        code = next((code for code, end in _CODES if greatest - least < end), "")
        if least == greatest or not code or set(map(type, values)) != {int}:
            return self.any(values)
        column = array(code, [value - least for value in values])
        if sys.byteorder == "big":
            column.byteswap()
        self.columns.append(column.tobytes())
        return [code, least]

    def seconds(self, values: list[float]) -> list[Any]:
        try:
            millionths = [round(value * _MICRO) for value in values]
        except (OverflowError, ValueError):  # infinite, or not a number
            return ["j", values]
        if not all(map(eq, [number / _MICRO for number in millionths], values)):
            return ["j", values]
        code, least = self.whole(millionths)
        return [f"u{code}", least]

    def refs(self, refs: list[ArtifactRef]) -> dict[str, Any]:
        inlines = [ref.inline for ref in refs]
        lengths = self.whole([-1 if inline is None else len(inline) for inline in inlines])
        self.columns.append(b"".join([inline for inline in inlines if inline is not None]))
        pairs = list(zip(refs, inlines, strict=True))
        return {  # null: it follows from the content
            "bytes": lengths,
            "d": self.any([None if i is not None and digest(i) == r.digest else r.digest for r, i in pairs]),
            "s": self.any([None if i is not None and len(i) == r.size_bytes else r.size_bytes for r, i in pairs]),
            "p": self.any([None if i is not None and _bytes(r.preview) == i else r.preview for r, i in pairs]),
            "f": self.any([ref.format for ref in refs]),
            "t": self.any([ref.type for ref in refs]),
            "c": self.any([list(ref.children) for ref in refs]),
            "n": self.any([ref.length for ref in refs]),
        }


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _damaged() -> StoreError:
    title = "the store is damaged: events that were packed together cannot be unpacked"
    return StoreError(title, code="P503", help=["ropewalk doctor"])


class Stretch:
    """What `pack` wrote. It is unpacked as far as it is asked for.

    Args:
        data: begins with the stretch; more may follow.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        if len(data) < _KEYS_AT:
            raise _damaged()
        form, self.size_bytes, checksum = _START.unpack_from(data)
        if form > _FORMAT:
            raise VersionError("the store was written by a newer version", help=["pip install --upgrade ropewalk"])
        self._data = memoryview(data)[: self.size_bytes]
        if not _KEYS_AT <= self.size_bytes <= len(data) or zlib.crc32(self._data[_START.size :]) != checksum:
            raise _damaged()
        self.index, self.first, self.count = _HEAD.unpack_from(self._data, _START.size)

    @cached_property
    def keys(self) -> list[str]:
        """The cache key of each item."""
        text = self._data[_KEYS_AT : _KEYS_AT + self.count * _KEY_BYTES].hex()
        return [text[i : i + 2 * _KEY_BYTES] for i in range(0, len(text), 2 * _KEY_BYTES)]

    @cached_property
    def _content(self) -> tuple[dict[str, Any], bytes, int]:
        """What the text says, and where in the content the columns begin."""
        content = zlib.decompress(self._data[_KEYS_AT + self.count * _KEY_BYTES :])
        (length,) = _SIZE.unpack_from(content)
        end = _SIZE.size + length
        return json.loads(content[_SIZE.size : end]), content, end

    @cached_property
    def _numbers(self) -> dict[str, Sequence[Any]]:
        common, content, at = self._content
        reader = _Reader(content, at, self.count)
        return {name: reader.column(common[name]) for name in _NUMBERS if name in common}

    @cached_property
    def _refs(self) -> dict[str, _Refs]:
        """By output its artifacts, which come after the numbers."""
        common, content, at = self._content
        reader = _Reader(content, at, self.count)
        for name in _NUMBERS:
            if name in common:
                reader.skip(common[name])
        return {name: _Refs(reader, column) for name, column in zip(common["outputs"], common["refs"], strict=True)}

    def outputs(self, place: int) -> Outputs:
        """The outputs of the item at a place, counted from the first item."""
        return {name: refs.at(place) for name, refs in self._refs.items()}

    def wall_s(self, place: int) -> float:
        """How long the item at a place took, when it was executed."""
        taken: float = self._numbers["saved_s" if "saved_s" in self._numbers else "wall_s"][place]
        return taken

    def digests(self, digest_of: Callable[[bytes], str] = digest) -> Iterator[tuple[str, list[str]]]:
        """For each output its name, and the digest of each item."""
        return ((name, refs.digests(digest_of)) for name, refs in self._refs.items())

    def event(self, place: int) -> Success:
        """The event of the item at a place."""
        common, numbers = self._content[0], self._numbers
        node, item, key, outputs = common["node"], self.first + place, self.keys[place], self.outputs(place)
        if "source" in common:
            return ev.Reused(node, item, key, outputs, common["source"], numbers["saved_s"][place])
        usage = Usage(*[numbers[name][place] for name in ("wall_s", "cpu_s", "peak_bytes", "started_at")])
        return ev.Succeeded(node, item, numbers["token"][place], key, outputs, usage)

    def events(self) -> list[Success]:
        """All events, in order."""
        return [self.event(place) for place in range(self.count)]


class _Reader:
    """Takes the columns out again, in the order in which they were put in."""

    def __init__(self, content: bytes, at: int, count: int) -> None:
        self._content, self._at, self._count = content, at, count

    def take(self, size: int) -> bytes:
        self._at += size
        return self._content[self._at - size : self._at]

    def skip(self, described: list[Any]) -> None:
        code = described[0].removeprefix("u")
        if code not in ("=", "j"):
            self._at += array(code).itemsize * self._count

    def column(self, described: list[Any]) -> Sequence[Any]:
        code, least = described
        if code == "=":
            return [least] * self._count
        if code == "j":
            return least  # type: ignore[no-any-return]  # it is the list itself
        if code[0] == "u":
            return [number / _MICRO for number in self.column([code[1:], least])]
        column = array(code)
        column.frombytes(self.take(column.itemsize * self._count))
        if sys.byteorder == "big":
            column.byteswap()
        return [number + least for number in column]


class _Refs:
    """The artifacts of one output."""

    def __init__(self, reader: _Reader, described: dict[str, Any]) -> None:
        lengths = reader.column(described.pop("bytes"))
        self._ends = list(accumulate(lengths if min(lengths) >= 0 else [max(0, length) for length in lengths]))
        self._lengths = lengths
        self._content = reader.take(self._ends[-1])
        self._by_name = {name: reader.column(column) for name, column in described.items()}

    def _inline(self, place: int) -> bytes | None:
        end, length = self._ends[place], self._lengths[place]
        return None if length < 0 else self._content[end - length : end]

    def digest(self, place: int) -> str:
        known = self._by_name["d"][place]
        return digest(self._inline(place) or b"") if known is None else known

    def digests(self, digest_of: Callable[[bytes], str]) -> list[str]:
        starts = [0, *self._ends]
        return [
            digest_of(self._content[start:end]) if known is None else known
            for known, start, end in zip(self._by_name["d"], starts, self._ends, strict=False)
        ]

    def at(self, place: int) -> ArtifactRef:
        by_name, inline = self._by_name, self._inline(place)
        size, preview = by_name["s"][place], by_name["p"][place]
        return ArtifactRef(
            self.digest(place),
            len(inline or b"") if size is None else size,
            by_name["f"][place],
            by_name["t"][place],
            (inline or b"").decode("utf-8", "surrogatepass") if preview is None else preview,
            inline,
            tuple(by_name["c"][place]),
            by_name["n"][place],
        )


def unpack_all(data: bytes | None) -> Iterator[Stretch]:
    """The stretches that lie one after the other."""
    left = memoryview(data or b"")
    while left:
        stretch = Stretch(left)
        yield stretch
        left = left[stretch.size_bytes :]

"""Where the logs of a run lie, also of attempts that are under way, and their lines as they come."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ropewalk.cli.places import Place
from ropewalk.core.nesting import nested
from ropewalk.engine.client import Client
from ropewalk.store import tasks

_CHUNK_BYTES = 1 << 16
_LINE_MAX_BYTES = 1 << 20  # a longer line is cut in pieces


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one attempt."""

    node: str
    item: int | None  # None: of an attempt that is under way, and may be of any item of its lease
    attempt: int
    path: Path
    reused_from: int | None = None


def kept_logs(client: Client, place: Place) -> list[Log]:
    """Logs of attempts that have ended, by node in the order of the graph, then by item and attempt.

    Of results that were reused the log of the run that computed them counts, when one task is asked for.
    """
    logs = _in_folder(client, place, place.run.number, None)
    if logs or place.node is None:
        return logs
    rows = tasks.listing(client.db, place.run.number, None if place.inside else place.node)
    sources = {row.source for row in rows if row.source is not None and place.covers(row.node, row.item)}
    return [log for source in sorted(sources) for log in _in_folder(client, place, source, source)]


def _in_folder(client: Client, place: Place, run: int, reused_from: int | None) -> list[Log]:
    order = {node_id.replace("/", "~"): (index, node_id) for index, node_id in enumerate(nested(place.graph.nodes))}
    folder = client.home.log(run, "x", 0, 0).parent
    found: list[tuple[int, Log]] = []
    with suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            name, *numbers = entry.name.removesuffix(".log").rsplit(".", 2)
            if len(numbers) != 2 or not all(n.isdecimal() for n in numbers) or name not in order:
                continue
            index, node_id = order[name]
            log = Log(node_id, int(numbers[0]), int(numbers[1]), folder / entry.name, reused_from)
            if place.covers(node_id, log.item):
                found.append((index, log))
    return [log for _, log in sorted(found, key=lambda pair: (pair[0], pair[1].item, pair[1].attempt))]


def open_logs(client: Client, place: Place) -> list[Log]:
    """What the attempts that are under way have printed so far."""
    logs = []
    for lease in tasks.leases(client.db, place.run.number):
        item = lease.items[0] if len(lease.items) == 1 else None
        if any(place.covers(lease.node, one) for one in lease.items):
            logs.append(Log(lease.node, item, 0, client.home.spool(lease.worker)))
    return logs


@dataclass(slots=True)
class Tail:
    """Reads what is new in files that grow; one that is renamed while it grows is still the same."""

    _offsets: dict[int, int] = field(default_factory=dict)  # by inode
    _rests: dict[int, bytes] = field(default_factory=dict)  # lines that have not ended

    def read(self, log: Log, *, all_of_it: bool = True) -> Iterator[str]:
        """The lines that are new since the last call.

        Args:
            all_of_it: also what follows the last line break, since nothing more will come.
        """
        try:
            with log.path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                file.seek(self._offsets.get(inode, 0))
                while chunk := file.read(_CHUNK_BYTES):
                    yield from self._lines(inode, chunk)
                self._offsets[inode] = file.tell()
        except FileNotFoundError:
            return
        if all_of_it and (rest := self._rests.pop(inode, b"")):
            yield _decoded(rest)

    def _lines(self, inode: int, chunk: bytes) -> Iterator[str]:
        *whole, rest = (self._rests.pop(inode, b"") + chunk).split(b"\n")
        yield from map(_decoded, whole)
        if len(rest) > _LINE_MAX_BYTES:
            yield _decoded(rest)
        elif rest:
            self._rests[inode] = rest


def _decoded(line: bytes) -> str:
    """A line as a terminal would have left it: a carriage return begins it anew."""
    return line.decode("utf-8", "backslashreplace").rstrip("\r").rpartition("\r")[2]


def lines_of(logs: Iterable[Log]) -> Iterator[tuple[Log, str]]:
    """Every line of some logs that are complete."""
    tail = Tail()
    return ((log, line) for log in logs for line in tail.read(log))

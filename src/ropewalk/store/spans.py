"""Spans: rows that stand for a stretch of items of a node each, for as long as none of the items deviates.

What the items are is kept once, packed, with the batch of events in which they succeeded. A span says which items
those are and what they come to together; an item by itself is unpacked by whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ropewalk.core import events as ev
from ropewalk.core import values
from ropewalk.core.compact import compact
from ropewalk.store.database import Database, Row
from ropewalk.store.stretch import Stretch, Success, is_key

_REMEMBERED = 1 << 15  # digests of small values


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring items of a node that succeeded in one batch."""

    id: int
    run: int
    node: str
    first: int  # item
    items: int
    seq: int  # batch of events that has them
    at_byte: int  # where in what the batch has packed
    source: int | None  # the run that computed them, when they were reused
    finished_at: float


@dataclass(frozen=True, slots=True)
class Item:
    """One of the items of a span."""

    span: Span
    event: Success

    def row(self) -> Row:
        """The row that it would have in `task_runs`, from `run` to `metrics`, with its outputs still to be dumped."""
        event, span = self.event, self.span
        where = (span.run, event.node, event.item, "succeeded")
        if isinstance(event, ev.Reused):
            usage: Row = (None, span.finished_at, event.saved_s, None, None)
        else:
            used = event.usage
            usage = (used.started_at, span.finished_at, used.wall_s, used.cpu_s, used.peak_bytes)
        attempts = 0 if isinstance(event, ev.Reused) else 1
        return (*where, attempts, event.key, event.outputs, span.source, *usage, None, None, None)


def prefix(key: str) -> int:
    """What the index has of a cache key: 48 bits, which SQLite keeps in 6 bytes. Several keys may share it."""
    return int(key[:12], 16) - (1 << 47)


def put(db: Database, run: int, seq: int, at_byte: int, events: Sequence[Success], finished_at: float) -> None:
    """Write the span of a stretch of events; rows that its items had so far are no more."""
    first, items = events[0], len(events)
    db.query("task_run_drop_range", run=run, node=first.node, first=first.item, end=first.item + items)
    keys = [event.key for event in events]
    row = db.one(
        "span_put", run=run, node=first.node, first=first.item, items=items, seq=seq, at_byte=at_byte, key=max(keys),
        finished_at=finished_at, **_sums(run, events),
    )  # fmt: skip
    if row is not None and row[1] is None:
        _index(db, row[0], keys)


def _sums(run: int, events: Sequence[Success]) -> dict[str, float | int | None]:
    first = events[0]
    if isinstance(first, ev.Reused):
        wall_s = sum([event.saved_s for event in events if isinstance(event, ev.Reused)])  # all are
        source = None if first.source == run else first.source
        return {"source": source, "started_at": None, "wall_s": wall_s, "cpu_s": None, "peak_bytes": None}
    usages = [event.usage for event in events if isinstance(event, ev.Succeeded)]
    return {
        "source": None,
        "started_at": min([usage.started_at for usage in usages]),
        "wall_s": sum([usage.wall_s for usage in usages]),
        "cpu_s": sum([usage.cpu_s for usage in usages]),
        "peak_bytes": max([usage.peak_bytes for usage in usages]),
    }


def _index(db: Database, span: int, keys: Iterable[str]) -> None:
    db.many("span_key_put", [(number, span) for number in sorted(set(map(prefix, keys)))])


def stretch(db: Database, span: Span) -> Stretch:
    """What a span stands for."""
    row = db.one("span_packed", run=span.run, seq=span.seq, at_byte=span.at_byte)
    return Stretch(row[0] if row and row[0] else b"")


def items(db: Database, span: Span) -> Iterator[Item]:
    """Each item of a span, in order."""
    return (Item(span, event) for event in stretch(db, span).events())


def from_item(db: Database, run: int, node: str, first: int) -> Iterator[Item]:
    """Each item of a node that lies in a span, in order, from an item on. What nobody takes is not unpacked."""
    for span in of_run(db, run, node):
        if span.first + span.items > first:
            found = stretch(db, span)
            places = range(max(0, first - span.first), span.items)
            yield from (Item(span, found.event(place)) for place in places)


def item(db: Database, run: int, node: str, number: int) -> Item | None:
    """One item; None: it lies in no span."""
    row = db.one("span_at", run=run, node=node, item=number)
    if row is None:
        return None
    span = Span(*row)
    return Item(span, stretch(db, span).event(number - span.first))


def of_run(db: Database, run: int, node: str | None = None) -> list[Span]:
    """The spans of a run, or of one node of it, by node and item."""
    return [Span(*row) for row in db.query("span_list", run=run, node=node)]


def newest(db: Database, pipeline: str, node: str, most: int) -> list[Span]:
    """The spans of a node in the newest runs of a pipeline, newest run first."""
    return [Span(*row) for row in db.query("span_newest", pipeline=pipeline, node=node, most=most)]


def computed(db: Database, keys: Collection[str]) -> Iterator[tuple[Span, Stretch, list[int]]]:
    """Where spans have the results of these keys, newest first: the places in each, counted from its first item.

    Only what its run has computed itself.
    """
    for span in _having(db, "span_lookup", keys):
        found = stretch(db, span)
        places = [place for place, key in enumerate(found.keys) if key in keys]
        if places:
            yield span, found, places


def latest(db: Database, keys: Iterable[str]) -> Iterator[tuple[str, Span, Stretch, int]]:
    """For each key that spans have a result of: the span that was written last of those, and the place in it.

    That takes no longer if the same was computed many times.
    """
    left = {key for key in keys if is_key(key)}
    for name in ("span_latest", "span_lookup"):  # what was written last may have another key that begins alike
        several = _having(db, name, left)
        for span in several:
            found = stretch(db, span)
            for place, key in enumerate(found.keys):
                if key in left:
                    left.remove(key)
                    yield key, span, found, place
        if not (several and left):
            return


def _having(db: Database, name: str, keys: Collection[str]) -> list[Span]:
    """The spans that may have some of these keys, newest first."""
    return [Span(*row) for row in db.query(name, prefixes=prefixes(keys))]


def prefixes(keys: Iterable[str]) -> str:
    """What spans are found by that may have one of these keys, for a statement."""
    return compact([prefix(key) for key in keys if is_key(key)])


def of_digest(db: Database, prefix: str) -> Iterator[tuple[str, Span, int, str]]:
    """Digest, span, item and output of each artifact in a span whose digest begins with `prefix`, by run and node.

    This unpacks all that there is, since nothing says where the digests of values are that are kept in rows. Runs that
    compute the same have the same values, so most digests are known by then.
    """
    digest_of = lru_cache(_REMEMBERED)(values.digest)
    for span in (Span(*row) for row in db.query("span_everywhere")):
        found = [
            (digest, span, span.first + place, output)
            for output, digests in stretch(db, span).digests(digest_of)
            for place, digest in enumerate(digests)
            if digest.startswith(prefix)
        ]
        yield from sorted(found, key=lambda one: one[2])


def explode(db: Database, span: Span) -> None:
    """Give each item of a span a row of its own: one of them is to become different from the others."""
    rows = [item.row() for item in items(db, span)]
    _drop(db, span, [row[5] for row in rows])
    db.many("task_run_put", [(*row[:6], compact(ev.dump_outputs(row[6])), *row[7:]) for row in rows])


def explode_at(db: Database, run: int, node: str, number: int) -> None:
    """Explode the span that an item lies in, if it does."""
    row = db.one("span_at", run=run, node=node, item=number)
    if row is not None:
        explode(db, Span(*row))


def forget(db: Database, run: int, but: Collection[str] = ()) -> None:
    """Take away the spans of a run, other than those of some nodes."""
    for span in of_run(db, run):
        if span.node not in but:
            _drop(db, span, stretch(db, span).keys if span.source is None else ())


def promote(db: Database, run: int) -> None:
    """A run is about to be forgotten: what others took from it becomes theirs, for others to take."""
    for row in db.query("span_of_source", source=run):
        span = Span(*row)
        db.query("span_promote", id=span.id)
        _index(db, span.id, stretch(db, span).keys)


def _drop(db: Database, span: Span, keys: Iterable[str]) -> None:
    db.query("span_drop", id=span.id)
    if span.source is None:
        db.many("span_key_drop", [(prefix(key), span.id) for key in keys])

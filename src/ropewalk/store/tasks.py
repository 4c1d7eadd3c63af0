"""Task runs as rows: what listings, plans and lineage read without folding events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure, Outputs
from ropewalk.core.compact import compact
from ropewalk.store import spans
from ropewalk.store.database import Database, Row, of_one_moment


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One node's, or one mapped item's, execution within a run."""

    node: str
    item: int
    state: str
    attempts: int
    key: str | None
    outputs: Outputs
    source: int | None  # number of the run that computed it, when it was reused
    started_at: float | None
    finished_at: float
    wall_s: float
    cpu_s: float
    peak_bytes: int
    failure: Failure | None
    detail: str
    metrics: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """What a listing shows."""
        return {
            "node": self.node, "item": self.item, "state": self.state, "attempts": self.attempts, "key": self.key,
            "outputs": {n: {"digest": r.digest, "format": r.format, "type": r.type, "size_bytes": r.size_bytes,
                            "preview": r.preview} for n, r in self.outputs.items()},
            "reused_from": self.source, "started_at": self.started_at, "finished_at": self.finished_at,
            "wall_s": self.wall_s, "cpu_s": self.cpu_s, "peak_bytes": self.peak_bytes,
            "failure": self.failure.to_json() if self.failure else None, "detail": self.detail,
            "metrics": self.metrics,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hit:
    """A result that may be reused."""

    outputs: Outputs
    run: int
    finished_at: float
    wall_s: float
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Lease:
    """Attempts under way."""

    run: int
    token: int
    node: str
    items: list[int]
    keys: list[str]
    worker: str
    at: float


@dataclass(frozen=True, slots=True)
class Count:
    """How many task runs of a node are in a state, and what they used."""

    node: str
    state: str
    number: int
    reused: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    started_at: float | None
    finished_at: float | None
    keyed: int = 0  # that have a key: not those whose result is that of nodes of their own, or an answer
    executed: int = 0  # that were begun by a worker


@of_one_moment
def listing(db: Database, run: int, node: str | None = None) -> list[TaskRun]:
    """The task runs of a run that have gone beyond waiting."""
    rows = [_task_run(row) for row in db.query("task_run_list", run=run, node=node)]
    packed = [_of_span(item) for span in spans.of_run(db, run, node) for item in spans.items(db, span)]
    return sorted(rows + packed, key=lambda row: (row.node, row.item)) if rows and packed else rows or packed


@of_one_moment
def page(db: Database, run: int, node: str, first: int = 0, most: int | None = None) -> list[TaskRun]:
    """Task runs of a node that have gone beyond waiting, in order: from an item on, at most so many."""
    rows = db.query("task_run_page", run=run, node=node, first=first, most=-1 if most is None else most)
    packed = map(_of_span, spans.from_item(db, run, node, first))
    return list(islice(merge(map(_task_run, rows), packed, key=lambda row: row.item), most))


@of_one_moment
def urgent(db: Database, run: int, node: str, most: int) -> list[TaskRun]:
    """At most so many task runs of a node that have gone beyond waiting: what failed, and what succeeded at the end."""
    found = [_task_run(row) for row in db.query("task_run_urgent", run=run, node=node, most=most)]
    if len(found) == most:
        return found
    succeeded = (row for row in page(db, run, node, most=most) if row.state == "succeeded")
    return [*found, *islice(succeeded, most - len(found))]


def how_many(db: Database, run: int, node: str, first: int = 0) -> int:
    """How many task runs of a node have gone beyond waiting, from an item on."""
    return int(db.query("task_run_number", run=run, node=node, first=first)[0][0])


@of_one_moment
def get(db: Database, run: int, node: str, item: int) -> TaskRun | None:
    """One task run, or None when it has not gone beyond waiting."""
    row = db.one("task_run_get", run=run, node=node, item=item)
    if row is not None:
        return _task_run(row)
    packed = spans.item(db, run, node, item)
    return None if packed is None else _of_span(packed)


def counts(db: Database, run: int) -> list[Count]:
    """Task runs of a run by node and state."""
    return [
        Count(n, state, number, reused or 0, wall or 0.0, cpu or 0.0, peak or 0, *rest)
        for n, state, number, reused, wall, cpu, peak, *rest in db.query("task_run_counts", run=run)
    ]


def lengths(db: Database, run: int) -> dict[str, int]:
    """For each node that was opened, its number of task runs."""
    return dict(db.query("node_run_list", run=run))


def attempts(
    db: Database, run: int, node: str | None = None, item: int | None = None
) -> list[tuple[str, int, int, float, Failure, float]]:
    """Attempts that did not succeed: node, item, number, when, why, and how long they took."""
    return [
        (n, number, attempt, at, Failure.from_json(json.loads(failure)), wall_s)
        for n, number, attempt, at, failure, wall_s in db.query("attempt_list", run=run, node=node, item=item)
    ]


def leases(db: Database, run: int) -> list[Lease]:
    """Attempts of a run that are under way."""
    return [
        Lease(r, token, node, json.loads(items), json.loads(keys), worker, at)
        for r, token, node, items, keys, worker, at in db.query("lease_list", run=run)
    ]


def computing(db: Database, run: int) -> list[tuple[list[str], int, dict[str, Any]]]:
    """Keys that other runs are computing, with the run's number and the owner of its scheduler."""
    rows = db.query("lease_others", run=run)
    return [(json.loads(keys), number, json.loads(owner or "{}")) for keys, number, owner in rows]


def lookup(db: Database, keys: Iterable[str]) -> dict[str, Hit]:
    """For each key that a run has computed, its newest result."""
    wanted = dict.fromkeys(keys)
    if db.one("cache_knows", keys=compact(list(wanted)), prefixes=spans.prefixes(wanted)) is None:
        return {}  # as for most of what has to be executed
    return _newest(db, wanted)


@of_one_moment
def _newest(db: Database, wanted: dict[str, None]) -> dict[str, Hit]:
    found = {}
    for key, outputs, run, finished_at, wall_s, metrics in db.query("cache_lookup", keys=compact(list(wanted))):
        loaded = ev.load_outputs(json.loads(outputs))
        found[key] = Hit(loaded, run, finished_at, wall_s or 0.0, json.loads(metrics or "{}"))
    for key, span, stretch, place in spans.latest(db, wanted):
        if key not in found or found[key].run <= span.run:
            found[key] = Hit(stretch.outputs(place), span.run, span.finished_at, stretch.wall_s(place), {})
    return found


def computed(db: Database, run: int) -> dict[str, Hit]:
    """What a run has computed itself, by key."""
    return {
        row.key: Hit(row.outputs, run, row.finished_at, row.wall_s, row.metrics)
        for row in listing(db, run)
        if row.state == "succeeded" and row.key and row.source is None
    }


@of_one_moment
def makers(db: Database, prefix: str) -> list[tuple[str, int, str, int, str]]:
    """Digest, run, node, item and output name of every stored artifact whose digest begins with `prefix`."""
    rows = db.query("blob_makers", low=prefix, high=prefix + "g")
    found: list[tuple[str, int, str, int, str]] = [(r[0], r[1], r[2], r[3], r[4]) for r in rows]
    for run, node, item, text in db.query("outputs_scan", text=f'"d":"{prefix}'):
        digests = ((ref["d"], name) for name, ref in json.loads(text).items())
        found += [(d, run, node, item, name) for d, name in digests if d.startswith(prefix)]
    found += [(d, span.run, span.node, item, name) for d, span, item, name in spans.of_digest(db, prefix)]
    return [*dict.fromkeys(found)]


def live_digests(db: Database, without: Iterable[int] = ()) -> Iterator[str]:
    """Every blob that some run refers to, other than the runs in `without`."""
    return (row[0] for row in db.query("blob_digests", without=json.dumps(list(without))))


def _task_run(row: Row) -> TaskRun:
    (node, item, state, tries, key, outputs, source, started, finished, wall, cpu, peak, failure, detail, metrics) = row
    return TaskRun(
        node, item, state, tries, key, ev.load_outputs(json.loads(outputs)) if outputs else {}, source, started,
        finished, wall or 0.0, cpu or 0.0, peak or 0, Failure.from_json(json.loads(failure)) if failure else None,
        detail or "", json.loads(metrics) if metrics else {},
    )  # fmt: skip


def _of_span(item: spans.Item) -> TaskRun:
    _, node, number, state, tries, key, outputs, source, started, finished, wall, cpu, peak, *_ = item.row()
    return TaskRun(
        node, number, state, tries, key, outputs, source, started, finished, wall, cpu or 0.0, peak or 0, None, "", {}
    )

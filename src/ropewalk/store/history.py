"""What earlier runs tell: the questions that plans, explanations and lineage ask of the rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from ropewalk.store import spans
from ropewalk.store.database import Database, of_one_moment

_ALL = 2**62  # above every number of a run
_MISHAP_RUNS = 100  # how it went before may have other reasons, and is not worth a look at all rows there are


@dataclass(frozen=True, slots=True)
class Duration:
    """How long one task run of a node took, in the run that computed it."""

    run: int
    item: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class Source:
    """The results of a node that one run computed."""

    run: int
    first_item: int
    items: int
    key: str  # of one of them


def last_success(db: Database, pipeline: str, node: str, before: int = _ALL) -> int | None:
    """The newest run of a pipeline, older than run `before`, in which some task run of a node succeeded."""
    row = db.one("node_last", pipeline=pipeline, node=node, before=before)
    return None if row is None else int(row[0])


def last_failure(db: Database, pipeline: str, node: str, before: int = _ALL) -> int | None:
    """The newest run of a pipeline, older than run `before`, in which some attempt of a node failed."""
    row = db.one("node_last_failed", pipeline=pipeline, node=node, before=before)
    return None if row is None else int(row[0])


@of_one_moment
def durations(db: Database, pipeline: str, node: str, most: int = 200) -> list[Duration]:
    """How long the newest task runs of a node took; each one once, however often it was reused since."""
    rows: list[tuple[int, Duration]] = [
        (run, Duration(source, item, wall_s or 0.0))
        for run, source, item, wall_s in db.query("node_samples", pipeline=pipeline, node=node, most=most)
    ]
    left = most
    for span in spans.newest(db, pipeline, node, most):
        if left <= 0:
            break
        stretch = spans.stretch(db, span)
        places = range(min(left, span.items))
        computed = span.run if span.source is None else span.source
        rows += [(span.run, Duration(computed, span.first + place, stretch.wall_s(place))) for place in places]
        left -= span.items
    newest = sorted(rows, key=lambda row: row[0], reverse=True)[:most]
    return [*dict.fromkeys(duration for _, duration in newest)]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a node will be like, judging by the last ten runs of its pipeline."""

    items: int | None  # as many task runs as the last time; None: it was not reached in any of them
    item_s: float | None  # mean seconds of one; None: none has succeeded


def expectations(db: Database, pipeline: str, nodes: Iterable[str]) -> dict[str, Expectation]:
    """What each node will be like. One with nodes of its own takes, for each task run, what these took the last time.

    At most twenty task runs of a node are looked at, so that the answer does not take longer as history grows.
    """
    found = {}
    rows = db.query("node_expectations", pipeline=pipeline, nodes=json.dumps(list(nodes)))
    for node, items, mean_s, inside_s in rows:
        found[node] = Expectation(items, mean_s if inside_s is None else inside_s / max(items, 1))
    return found


def known_codes(db: Database, digests: Iterable[str]) -> set[str]:
    """Those of the code digests that some graph in the store has."""
    return {row[0] for row in db.query("code_known", digests=json.dumps(list(digests)))}


def metrics(db: Database, keys: Iterable[str]) -> dict[tuple[str, int], dict[str, float]]:
    """By key and run: the metrics that the task run which computed the key logged."""
    rows = db.query("key_metrics", keys=json.dumps(list(keys)))
    return {(key, run): json.loads(text) for key, run, text in rows}


@of_one_moment
def makers(db: Database, key: str) -> list[tuple[int, str, int]]:
    """Run, node and item of every task run that computed a key, oldest first."""
    rows = [(run, node, item) for run, node, item in db.query("key_makers", key=key)]
    for span, _, places in spans.computed(db, {key}):
        rows += [(span.run, span.node, span.first + place) for place in places]
    return sorted(rows)


def sources(db: Database, run: int, node: str) -> list[Source]:
    """Which runs computed the results of a node, and how many of them."""
    return [Source(*row) for row in db.query("node_sources", run=run, node=node)]


def mishaps(db: Database) -> tuple[int, float]:
    """Of the newest runs: how many attempts were lost or killed for their memory, and how long all attempts took."""
    lost, wall_s = db.query("attempt_mishaps", runs=_MISHAP_RUNS)[0]
    return int(lost), float(wall_s)


@dataclass(frozen=True, slots=True)
class Holder:
    """A task run that has an artifact as an output."""

    digest: str
    run: int
    node: str
    item: int
    output: str
    source: int | None  # the run that computed it, where it was reused


@of_one_moment
def holders(db: Database, prefix: str, most: int = 1000) -> list[Holder]:
    """The oldest task runs with an output, or a part of one, whose digest begins with `prefix`.

    An artifact in a file is found by an index; only values that are kept in rows are searched for.
    """
    rows = db.query("artifact_holders", low=prefix, high=prefix + "g", most=most)
    if rows:
        return [Holder(*row) for row in rows]
    found = []
    for run, node, item, source, text in db.query("artifact_holders_inline", text=f'"d":"{prefix}', most=most):
        for output, ref in json.loads(text).items():
            if ref["d"].startswith(prefix):
                found.append(Holder(ref["d"], run, node, item, output, source))
    for digest, span, item, output in islice(spans.of_digest(db, prefix), most):
        found.append(Holder(digest, span.run, span.node, item, output, span.source))
    return sorted(found, key=lambda holder: (holder.run, holder.node, holder.item))[:most]

"""The judge: compares what is in the store at the end with what the ledger says has happened."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from ropewalk.core import events as ev
from ropewalk.core.errors import CorruptBlobError
from ropewalk.engine.client import Client
from ropewalk.engine.janitor import collect_garbage
from ropewalk.store import events as log
from ropewalk.store import runs, tasks
from ropewalk.testing.invariants import problems
from tests.faults.campaign.row import Row
from tests.faults.campaign.subject import Subject, alive

PATIENCE_S = 10.0  # for processes to end


def judge(row: Row, subject: Subject, *, ends: str = "succeeded") -> None:
    """Add to the row whatever is wrong with what a subject has left; nobody may be at work in it any more."""
    with Client(subject.home) as client:
        found = {
            "lost": [*_unfinished(client, ends), *_lost(client, subject)],
            "duplicated": list(_duplicated(client)),
            "corrupt": list(_corrupt(client)),
            "leaked": list(_leaked(client, subject)),
        }
    for measure, said in found.items():
        setattr(row, measure, getattr(row, measure) + len(said))
        row.problems += [f"{measure}: {text}" for text in said]


def _unfinished(client: Client, ends: str) -> Iterator[str]:
    for run in runs.all_runs(client.db):
        if run.state != ends:
            yield f"run {run.number} is {run.state}, not {ends}"


def _lost(client: Client, subject: Subject) -> Iterator[str]:
    """Results that were acknowledged, and are gone, changed, or were executed again.

    With several runs in one store, which all count their items from 0, an item is theirs together.
    """
    kept: dict[tuple[str, int], set[str]] = {}
    for run in runs.all_runs(client.db):
        for task_run in tasks.listing(client.db, run.number):
            for ref in task_run.outputs.values():
                kept.setdefault((task_run.node, task_run.item), set()).add(ref.digest)
    first: dict[tuple[str, int], float] = {}
    for node, item, digest, at in subject.lines("acks"):
        if any(start < float(at) < end for start, end in subject.void):
            continue
        place = (node, int(item))
        first.setdefault(place, float(at))
        if digest not in kept.get(place, ()):
            yield f"{node}[{item}] was acknowledged as {digest[:12]}, which is not there"
    for node, item, _, at in subject.lines("begun"):
        if float(at) > first.get((node, int(item)), float("inf")):
            yield f"{node}[{item}] was executed again after it had been acknowledged"


def _duplicated(client: Client) -> Iterator[str]:
    for run in runs.all_runs(client.db):
        outcomes: Counter[tuple[str, int]] = Counter()
        for batch in log.read(client.db, run.number):
            for event in batch.events:
                if isinstance(event, (ev.Succeeded, ev.Reused)):
                    outcomes[event.node, event.item] += 1
                elif isinstance(event, ev.ResultLost):
                    outcomes[event.node, event.item] -= 1
        yield from (f"{place} of run {run.number} has {n} outcomes" for place, n in outcomes.items() if n > 1)


def _corrupt(client: Client) -> Iterator[str]:
    yield from client.db.problems()
    for run in runs.all_runs(client.db):
        try:
            yield from problems(client.db, run.number)
        except Exception as error:  # noqa: BLE001  # whatever cannot be read is corrupt
            yield f"the events of run {run.number} contradict each other: {error}"
    environments = {
        run.provenance[n] for run in runs.all_runs(client.db) for n in ("lock", "patch") if n in run.provenance
    }
    for digest in {*client.blobs.digests(), *tasks.live_digests(client.db), *environments}:
        try:
            client.blobs.verify(digest)
        except CorruptBlobError as error:
            yield error.title


def _leaked(client: Client, subject: Subject) -> Iterator[str]:
    yield from (f"process {pid}" for pid in alive(subject.pids(), PATIENCE_S))
    yield from (f"{told['left_open']} open files" for told in subject.told if told["left_open"] > 0)
    for run in runs.all_runs(client.db):
        yield from (f"lease {lease.token}" for lease in tasks.leases(client.db, run.number))
    later = time.time() + 7200  # what was killed leaves files; one collection must find them all
    collect_garbage(client, now=later, grace_s=0)
    if size_bytes := client.blobs.sweep_temporary(0, now=later, dry_run=True):
        yield f"temporary files of {size_bytes} bytes"
    yield from (f"spool {spool.name}" for spool in client.home.logs.glob("*.spool"))

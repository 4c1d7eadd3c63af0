"""Retention: forget old runs, and remove the files that nothing refers to any more."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ropewalk.artifacts.collect import collect
from ropewalk.core.errors import UsageError
from ropewalk.engine.checkpoint import every_one, remove
from ropewalk.engine.client import Client
from ropewalk.store import records, runs, tasks

GRACE_S = 3600.0  # a run in progress publishes files before the rows that refer to them


@dataclass(frozen=True, slots=True)
class Swept:
    """What a garbage collection did, or, as a dry run, would do."""

    runs: tuple[int, ...]
    blobs: int
    freed_bytes: int
    kept_runs: int
    kept_blobs: int
    dry_run: bool
    checkpoints: int = 0  # of how many task runs; their files are not among the blobs

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def collect_garbage(
    client: Client,
    *,
    now: float,
    older_than_s: float | None = None,
    keep_runs: int | None = None,
    dry_run: bool = False,
    grace_s: float = GRACE_S,
    told: Callable[[int], None] | None = None,
) -> Swept:
    """Forget runs, and remove what no remaining run, model or other record refers to.

    Without `older_than_s` and `keep_runs` no run is forgotten. A run that is open, or that registered something, is
    never forgotten.

    Args:
        older_than_s: forget runs that ended longer ago than this.
        keep_runs: but never the newest so many of each pipeline; alone: forget all others.
        grace_s: files younger than this are left alone.
        told: called with the number of each run that has been forgotten.
    """
    if keep_runs is not None and keep_runs < 0:
        raise UsageError(f"the number of runs to keep must not be negative: {keep_runs}")
    verdicts = _verdicts(client, now, older_than_s, keep_runs)
    if not dry_run:
        for number in runs.forget(client.db, verdicts.forgotten):
            shutil.rmtree(client.home.logs / str(number), ignore_errors=True)
            if told is not None:
                told(number)
        _remove_spools(client, now)
    leftovers, leftover_bytes = _sweep_checkpoints(client, verdicts.unfinished, now - grace_s, dry_run=dry_run)
    live = _live(client, verdicts)
    collected = collect(client.blobs, live, grace_s=grace_s, now=now, dry_run=dry_run)
    freed = collected.freed_bytes + leftover_bytes
    removed = len(collected.removed)
    return Swept(tuple(verdicts.forgotten), removed, freed, verdicts.kept, collected.kept, dry_run, leftovers)


@dataclass(slots=True)
class _Verdicts:
    """Which runs are forgotten, and what is needed of the others: of these there may be very many."""

    forgotten: list[int] = field(default_factory=list)  # oldest first
    kept: int = 0
    unfinished: set[int] = field(default_factory=set)  # that are kept, and may be gone on with
    digests: set[str] = field(default_factory=set)  # of files that say what kept runs were made of


def _verdicts(client: Client, now: float, older_than_s: float | None, keep_runs: int | None) -> _Verdicts:
    registered = records.runs_with_records(client.db)
    seen: dict[str, int] = {}
    found, asked = _Verdicts(), older_than_s is not None or keep_runs is not None
    for run in runs.all_runs(client.db):
        seen[run.pipeline] = seen.get(run.pipeline, 0) + 1
        young = older_than_s is not None and now - (run.finished_at or now) <= older_than_s
        newest = keep_runs is not None and seen[run.pipeline] <= keep_runs
        if asked and not (run.is_open or run.number in registered or young or newest):
            found.forgotten.append(run.number)
            continue
        found.kept += 1
        found.digests.update(run.provenance[name] for name in ("lock", "patch") if name in run.provenance)
        if run.state != "succeeded":
            found.unfinished.add(run.number)
    found.forgotten.reverse()
    return found


def _live(client: Client, verdicts: _Verdicts) -> Iterator[str]:
    yield from tasks.live_digests(client.db, verdicts.forgotten)
    yield from verdicts.digests
    for record in records.every(client.db):
        yield from json.loads(record).get("digests", ())


def _sweep_checkpoints(client: Client, remaining: set[int], before: float, *, dry_run: bool) -> tuple[int, int]:
    """Remove checkpoints that nobody will go on from: how many task runs', and their bytes.

    Those of a task run that may be tried again, or resumed, stay as long as its run.
    """
    number = freed = 0
    for left in every_one(client.home):
        if left.touched_at >= before:
            continue
        if left.run in remaining:
            row = tasks.get(client.db, left.run, left.node, left.item)
            if row is None or row.state != "succeeded":
                continue
        number, freed = number + 1, freed + left.size_bytes
        if not dry_run:
            remove(left.folder)
    return number, freed


def _remove_spools(client: Client, now: float) -> None:
    """Logs of attempts whose worker was killed together with its scheduler."""
    for spool in client.home.logs.glob("*.spool"):
        with contextlib.suppress(OSError):
            if now - spool.stat().st_mtime > GRACE_S:
                spool.unlink()

"""Retention: forget old runs, and remove the files that nothing refers to any more."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
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
) -> Swept:
    """Forget runs, and remove what no remaining run, model or other record refers to.

    Without `older_than_s` and `keep_runs` no run is forgotten. A run that is open, or that registered something, is
    never forgotten.

    Args:
        older_than_s: forget runs that ended longer ago than this.
        keep_runs: but never the newest so many of each pipeline; alone: forget all others.
        grace_s: files younger than this are left alone.
    """
    if keep_runs is not None and keep_runs < 0:
        raise UsageError(f"the number of runs to keep must not be negative: {keep_runs}")
    kept: list[runs.Run] = []
    forgotten: list[runs.Run] = []
    for run, may_go in _verdicts(client, now, older_than_s, keep_runs):
        (forgotten if may_go else kept).append(run)
    numbers = tuple(sorted(run.number for run in forgotten))
    if not dry_run:
        for number in numbers:
            runs.delete(client.db, number)
            shutil.rmtree(client.home.logs / str(number), ignore_errors=True)
        _remove_spools(client, now)
    leftovers, leftover_bytes = _sweep_checkpoints(client, kept, now - grace_s, dry_run=dry_run)
    live = _live(client, numbers, kept)
    collected = collect(client.blobs, live, grace_s=grace_s, now=now, dry_run=dry_run)
    freed = collected.freed_bytes + leftover_bytes
    return Swept(numbers, len(collected.removed), freed, len(kept), collected.kept, dry_run, leftovers)


def _verdicts(
    client: Client, now: float, older_than_s: float | None, keep_runs: int | None
) -> Iterator[tuple[runs.Run, bool]]:
    """Each run, newest first, and whether it may be forgotten."""
    registered = records.runs_with_records(client.db)
    seen: dict[str, int] = {}
    for run in runs.all_runs(client.db):
        seen[run.pipeline] = seen.get(run.pipeline, 0) + 1
        asked = older_than_s is not None or keep_runs is not None
        young = older_than_s is not None and now - (run.finished_at or now) <= older_than_s
        newest = keep_runs is not None and seen[run.pipeline] <= keep_runs
        yield run, asked and not (run.is_open or run.number in registered or young or newest)


def _live(client: Client, without: Iterable[int], kept: Iterable[runs.Run]) -> Iterator[str]:
    yield from tasks.live_digests(client.db, without)
    for run in kept:
        yield from (run.provenance[name] for name in ("lock", "patch") if name in run.provenance)
    for record in records.every(client.db):
        yield from json.loads(record).get("digests", ())


def _sweep_checkpoints(client: Client, kept: list[runs.Run], before: float, *, dry_run: bool) -> tuple[int, int]:
    """Remove checkpoints that nobody will go on from: how many task runs', and their bytes.

    Those of a task run that may be tried again, or resumed, stay as long as its run.
    """
    remaining = {run.number for run in kept if run.state != "succeeded"}
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

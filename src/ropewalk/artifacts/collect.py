"""Garbage collection: remove the bytes that nothing refers to any more."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.disk import disk_errors, remove_tree, sync_folder
from ropewalk.artifacts.files import MATERIALIZED

QUARANTINE_S = 30 * 86_400.0  # for how long corrupt bytes are kept as evidence


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collection did, or, as a dry run, would do."""

    removed: tuple[str, ...]  # digests
    kept: int  # blobs that are live or too young
    freed_bytes: int  # of blobs, temporary files, materialized copies and old evidence


def collect(blobs: Blobs, live: Iterable[str], *, grace_s: float, now: float, dry_run: bool = False) -> Collected:
    """Remove the blobs that are neither live nor young, and what writers and readers left behind.

    A run in progress publishes blobs before the rows that refer to them; `grace_s` must be longer than that can take.
    Asking for the live digests and collecting need no lock: what is published, or found to be there already, in
    between counts as young. Any number of collections may run at a time.

    Args:
        blobs: the store.
        live: `digests_of` every artifact that must stay readable.
        grace_s: age below which nothing is removed.
        now: the time, as of `time.time()`.
        dry_run: only tell.
    """
    alive = frozenset(live)
    before = now - grace_s
    removed: list[str] = []
    kept = freed = 0
    for digest in blobs.digests():
        size = None if digest in alive else _remove(blobs, digest, before, dry_run=dry_run)
        if size is None:
            kept += 1
        else:
            removed.append(digest)
            freed += size
    for copy in _entries(blobs.root / MATERIALIZED):
        if copy.name not in alive and _old(copy, before) is not None:
            freed += _remove_folder(copy, dry_run=dry_run)
    for evidence in _entries(blobs.root / "quarantine"):
        size = _old(evidence, now - QUARANTINE_S)
        freed += size or 0
        if size is not None and not dry_run:
            evidence.unlink(missing_ok=True)
    freed += blobs.sweep_temporary(grace_s, now=now, dry_run=dry_run)
    return Collected(tuple(sorted(removed)), kept, freed)


def _remove(blobs: Blobs, digest: str, before: float, *, dry_run: bool) -> int | None:
    """Remove the blob if it was last touched before then; returns its size, None if it stays."""
    path = blobs.path(digest)
    size = _old(path, before)
    if size is None or dry_run:
        return size
    # A writer may find the blob and rely on it at this very moment. It touches it first, and writes it anew if that
    # fails; so the blob is moved out of reach, and goes only if nobody touched it until then.
    aside = blobs.root / "tmp" / f"collected-{digest}-{os.getpid()}"
    with disk_errors(blobs.root), suppress(FileNotFoundError):
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        os.rename(path, aside)
        if _old(aside, before) is not None:
            os.unlink(aside)
            return size
        os.rename(aside, path)
        sync_folder(path.parent)
    return None


def _old(path: Path, before: float) -> int | None:
    """The size of what was last touched before then, None for what is younger or gone."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size if found.st_mtime < before else None


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove_folder(folder: Path, *, dry_run: bool) -> int:
    """Remove a materialized copy; returns the bytes that only it held, as most it shares with blobs."""
    found = [path.lstat() for path in folder.rglob("*")]
    if not dry_run:
        remove_tree(folder)
    return sum(f.st_size for f in found if stat.S_ISREG(f.st_mode) and f.st_nlink == 1)

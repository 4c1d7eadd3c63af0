"""Is everything as it should be? Each finding comes with the command that mends it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ropewalk.core.errors import RopewalkError
from ropewalk.core.quantity import show_size
from ropewalk.engine.client import Client
from ropewalk.engine.owner import is_alive
from ropewalk.store import events, runs, tasks

MIN_FREE_BYTES = 1_000_000_000
MIN_FILES = 256
_MOST_STALE = 5  # interrupted runs that are named


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def checkup(client: Client, *, deep: bool = False) -> list[Finding]:
    """Look at the interpreter, the disk, the store and the files of results.

    Args:
        deep: also read every file and compare it with its digest.
    """
    found = [_python(), _cores(), _open_files(), *_disk(client)]
    try:
        client.home.prepare()
        found.append(Finding("project", True, str(client.home.root)))
        found += [_store(client), *_histories(client), *_stale_runs(client), _blobs(client, deep=deep)]
    except RopewalkError as error:
        found.append(Finding("store", False, error.title, error.help[0] if error.help else ""))
    return found


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding(
        "python", ok, f"{platform.python_version()} at {sys.executable}", "" if ok else "use Python 3.11 or newer"
    )


def _cores() -> Finding:
    return Finding("cpu", True, f"{len(os.sched_getaffinity(0))} cores for worker processes")


def _open_files() -> Finding:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = soft == resource.RLIM_INFINITY or soft >= MIN_FILES
    return Finding("open files", ok, f"limit {soft}", "" if ok else f"ulimit -n {MIN_FILES * 4}")


def _disk(client: Client) -> Iterator[Finding]:
    folder = _nearest(client.home.root)
    free = shutil.disk_usage(folder).free
    ok = free >= MIN_FREE_BYTES
    yield Finding(
        "disk", ok, f"{show_size(free)} free at {folder}", "" if ok else "ropewalk gc --older-than 30d --dry-run"
    )
    kind = _file_system(folder)
    if kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"):
        yield Finding(
            "file system", False, f"{kind}: locks of the store are not reliable there", "ROPEWALK_HOME=<a local folder>"
        )
    elif kind:
        yield Finding("file system", True, kind)


def _nearest(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _file_system(folder: Path) -> str:
    """Type of the file system that holds a folder; empty where the system does not say."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return ""
    points = [(m[1], m[2]) for m in mounts if folder == Path(m[1]) or Path(m[1]) in folder.parents]
    return max(points, key=lambda p: len(p[0]), default=("", ""))[1]


def _store(client: Client) -> Finding:
    problems = client.db.problems()
    if problems:
        return Finding(
            "store", False, f"damaged: {problems[0]}", f"mv {client.home.database} {client.home.database}.damaged"
        )
    return Finding("store", True, f"{client.home.database} is sound")


def _histories(client: Client) -> Iterator[Finding]:
    """Events whose bytes have changed, which the store's own check does not see."""
    for run in events.damaged(client.db):
        away = f"mv {client.home.database} {client.home.database}.damaged"
        yield Finding(f"run {run}", False, "the events in which its items succeeded are damaged", away)


def _stale_runs(client: Client) -> Iterator[Finding]:
    stale = (run for run in runs.in_states(client.db, ("queued", "running")) if not is_alive(run.owner))
    for run in islice(stale, _MOST_STALE):
        yield Finding(
            f"run {run.number}", False, "was interrupted: its scheduler is gone", f"ropewalk resume {run.number}"
        )
    if more := sum(1 for _ in stale):
        yield Finding("older runs", False, f"{more:,} more were interrupted", "ropewalk runs --state interrupted")


def _blobs(client: Client, *, deep: bool) -> Finding:
    blobs = client.blobs
    check: Callable[[str], bool] = _is_sound(client) if deep else blobs.exists
    live = list(tasks.live_digests(client.db))
    bad = [digest for digest in live if not check(digest)]
    if bad:
        return Finding(
            "results", False, f"{len(bad)} of {len(live)} files are missing or corrupt, first {bad[0][:12]}",
            "ropewalk run     computes them again where they are needed",
        )  # fmt: skip
    return Finding("results", True, f"{len(live)} files {'verified' if deep else 'present'}")


def _is_sound(client: Client) -> Callable[[str], bool]:
    def check(digest: str) -> bool:
        try:
            client.blobs.verify(digest)
        except RopewalkError:
            return False
        return True

    return check

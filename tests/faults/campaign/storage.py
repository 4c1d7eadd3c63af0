"""Disks that fill up, go bad or lose power while a run writes to them; and runs that write very much."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.campaign.oracle import judge
from tests.faults.campaign.row import Row
from tests.faults.campaign.subject import Subject, until, until_more
from tests.faults.powercut import Disk, power_cut_disk, tmpfs

MIB = 1 << 20


def disk_full_in_a_blob(place: Path, quick: bool) -> Row:
    """A disk that fills up while results are written to files; then there is room again."""
    return _disk_full(Row("disk full while a file is written"), place, 1 if quick else 10, MIB, 24)


def disk_full_in_a_commit(place: Path, quick: bool) -> Row:
    """A disk that fills up while results are written to the store: they are too small for files."""
    return _disk_full(Row("disk full while committing"), place, 1 if quick else 10, 4000, 3000)


def _disk_full(row: Row, place: Path, repetitions: int, size_bytes: int, items: int) -> Row:
    place.mkdir()
    for repetition in range(repetitions):
        with tmpfs(place / str(repetition), size_bytes=8 * MIB) as disk:
            params = {"n": items, "size_bytes": size_bytes}
            subject = Subject(place / f"{repetition}.ledger", "noises", params, home=disk / "home")
            told = subject.finish(subject.start())
            if told.get("state") != "failed" and told.get("error") != "P520":
                row.problems.append(f"a full disk was not named: {told}")
            _mount("remount,size=128m", disk)
            _resume(row, subject)
            row.repetitions += 1
            judge(row, subject)
    row.remark = "going on: from the start of `resume`, when there is room"
    return row


def _resume(row: Row, subject: Subject) -> None:
    before, started_at = len(subject.lines("acks")), time.monotonic()
    subject.finish(subject.start("resume"))
    row.recover_s += [float(line[-1]) - started_at for line in subject.lines("acks")[before : before + 1]]


def read_only(place: Path, quick: bool) -> Row:
    """The disk turns read-only, as after an error of the hardware, while a run writes to it."""

    def abort(disk: Disk) -> None:
        _mount("remount,abort", disk.folder)

    row = Row("disk turns read-only in the middle")
    row.remark = "noticed: the run stops; going on: from the start of `resume`"
    return _disk_lost(row, place, 1 if quick else 10, abort)


def power_cut(place: Path, quick: bool) -> Row:
    """The disk with store and files loses power while a run writes to it."""
    row = Row("power cut in the middle")
    row.remark = "noticed: the run stops, as its machine would; going on: from the start of `resume`"
    return _disk_lost(row, place, 1 if quick else 30, Disk.cut_power)


def _disk_lost(row: Row, place: Path, repetitions: int, strike: Callable[[Disk], None]) -> Row:
    """What is acknowledged while the disk is given up does not count.

    The kernel tells a plain program, too, that a sync has succeeded that is under way at that very moment, and forgets
    it; after a power cut nobody would be left to hear it.
    """
    place.mkdir()
    rng = random.Random(6)
    for repetition in range(repetitions):
        folder = place / str(repetition)
        folder.mkdir()
        with power_cut_disk(folder) as disk:
            params = {"n": 200, "task_s": 0.005, "size_bytes": 12}
            subject = Subject(folder / "ledger", params=params, home=disk.folder / "home")
            process = subject.start()
            until_more(subject, "acks", rng.randrange(1, 120), process)
            struck_at = time.monotonic()
            strike(disk)
            told = subject.finish(process)
            row.detect_s.append(time.monotonic() - struck_at)
            subject.void.append((struck_at, time.monotonic()))
            if "error" not in told:
                row.problems.append(f"it went on without a disk: {told}")
            disk.restart()
            _resume(row, subject)
            row.repetitions += 1
            judge(row, subject)
    return row


def _mount(options: str, folder: Path) -> None:
    subprocess.run(["mount", "-o", options, str(folder)], check=True, capture_output=True)


def much_log(place: Path, quick: bool) -> Row:
    """A task that prints without an end, and without a line's end."""
    size_bytes = (256 if quick else 1024) * MIB
    row = Row(f"{size_bytes // MIB} MiB of logs")
    subject = Subject(place, "chats", {"size_bytes": size_bytes})
    process = subject.start()
    assert subject.home is not None
    logs, most = subject.home / "logs", 0

    def look() -> bool:
        nonlocal most
        most = max(most, _on_disk_bytes(logs))
        return process.poll() is not None

    until(look)
    told = subject.finish(process)
    kept = sum(path.stat().st_size for path in logs.rglob("*.log"))
    if kept > 51 * MIB:
        row.problems.append(f"the log has {kept} bytes")
    row.repetitions += 1
    judge(row, subject)
    peak = told["peak_bytes"] // MIB
    row.remark = f"kept {kept // MIB} MiB; at most {most // MIB} MiB on the disk; scheduler at most {peak} MiB"
    return row


def _on_disk_bytes(folder: Path) -> int:
    found = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_blocks * 512
    return found


def huge_value(place: Path, quick: bool) -> Row:
    """A task that returns very much to the next one; the scheduler only hears of it."""
    size_bytes = (64 if quick else 2048) * MIB
    row = Row(f"return value of {size_bytes // MIB} MiB")
    peaks = {}
    for name, size in (("small", 1), ("huge", size_bytes)):
        subject = Subject(place / name, "huges", {"size_bytes": size})
        told = subject.finish(subject.start())
        if told["output"] != size:
            row.problems.append(f"lost: {told}")
        peaks[name] = told["peak_bytes"]
        judge(row, subject)
    row.repetitions += 1
    more = max(0, peaks["huge"] - peaks["small"])
    if more > 16 * MIB:
        row.problems.append(f"the scheduler took {more} bytes more")
    row.remark = f"scheduler at most {peaks['huge'] // MIB} MiB, {more // MIB} MiB more than for one byte"
    return row

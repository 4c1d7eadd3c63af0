"""Several processes that want the same thing, and clocks that jump."""

from __future__ import annotations

import random
import struct
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil

from ropewalk.engine.client import Client
from ropewalk.engine.pools import set_pool
from ropewalk.store import runs
from tests.faults.campaign.oracle import judge
from tests.faults.campaign.row import Row
from tests.faults.campaign.subject import Subject, kill, until, until_more

HOUR_S = 3600.0
REFUSED = ("P303", "P304", "P540")  # it still runs, it has succeeded, another process has it


def two_schedulers(place: Path, quick: bool) -> Row:
    """Several processes resume a run at the same moment, and as many more while it goes on."""
    count = 2 if quick else 5
    row, rng = Row(f"{count} schedulers for one run, then {count} more"), random.Random(7)
    for repetition in range(1 if quick else 20):
        subject = Subject(place / str(repetition), params={"n": 120})
        first = subject.start()
        until_more(subject, "begun", rng.randrange(1, 40), first)
        at = kill(first)
        many = [subject.start("resume") for _ in range(count)]
        until_more(subject, "begun", 3, many[0])
        row.recover_s.append(_after(subject, "begun", at) - at)
        many += [subject.start("resume") for _ in range(count)]
        ends = [subject.finish(process) for process in many]
        drivers = [told for told in ends if told.get("state") == "succeeded"]
        refused = [told for told in ends if told.get("error") in REFUSED]
        if len(drivers) != 1 or len(drivers) + len(refused) != len(many):
            row.problems.append(f"not one of them drove the run: {ends}")
        row.repetitions += 1
        judge(row, subject)
    row.remark = "one drives it, the others are refused; going on: from the kill of the one before"
    return row


def _after(subject: Subject, name: str, at: float) -> float:
    return min((moment for line in subject.lines(name) if (moment := float(line[-1])) > at), default=at)


def cancelled(place: Path, quick: bool) -> Row:
    """A run is cancelled at random moments, and resumed each time."""
    row, rng = Row("run cancelled and resumed"), random.Random(12)
    subject = Subject(place, params={"n": 100 if quick else 1800})
    process = subject.start()
    while until_more(subject, "begun", rng.randrange(1, 24), process) and row.repetitions < (2 if quick else 60):
        asked_at = time.monotonic()
        with Client(subject.home) as client:
            client.cancel(runs.find(client.db, "last"), "campaign")
        told = subject.finish(process)
        row.detect_s.append(time.monotonic() - asked_at)
        if told.get("state") not in ("cancelled", "succeeded"):
            row.problems.append(f"it was cancelled, and said: {told}")
        row.repetitions += 1
        process = subject.start("resume")
    subject.finish(process)
    judge(row, subject)
    row.remark = "noticed: its process has ended"
    return row


def identical_runs(place: Path, quick: bool) -> Row:
    """Runs with the same keys begin at the same moment; the process of one that computes is killed half-way."""
    row, rng = Row("identical runs at once, one of them killed"), random.Random(8)
    count, items = (3, 20) if quick else (10, 60)
    for repetition in range(1 if quick else 10):
        subject = Subject(place / str(repetition), params={"n": items, "task_s": 0.05})
        many = [subject.start() for _ in range(count)]
        until_more(subject, "begun", rng.randrange(1, items // 2), many[0])
        killed = _scheduler_of(int(subject.lines("begun")[-1][-2]), many)
        killed_at = kill(killed)
        for process in many:
            if process is not killed:
                subject.finish(process)
        row.recover_s.append(_after(subject, "begun", killed_at) - killed_at)
        subject.finish(subject.start("resume"))
        executed = Counter(item for _, item, *_ in subject.lines("begun"))
        again = executed.total() - len(executed)
        if again > 2:  # it had two workers
            row.problems.append(f"{again} executions too many: {executed}")
        row.repetitions += 1
        judge(row, subject)
    row.remark = f"{count} runs; only what was under way is executed again; going on: another run computes"
    return row


def holder_killed(place: Path, quick: bool, plant: str = "") -> Row:
    """Kill -9 of a run that holds all slots of a pool, for which two other runs wait."""
    row, rng = Row("holder of a pool's slots killed, two runs wait for them"), random.Random(13)
    params = {"n": 4 if quick else 20, "task_s": 0.05}
    for repetition in range(1 if quick else 20):
        subject = Subject(place / str(repetition), "occupies", params, {"CAMPAIGN_PLANT": plant})
        with Client(subject.home) as client:
            set_pool(client.db, "campaign", 2, "campaign", time.time())
        many = [subject.start() for _ in range(3)]
        until_more(subject, "occupied", rng.randrange(3, 5 if quick else 40), many[0])
        killed = _scheduler_of(int(subject.lines("occupied")[-1][-2]), many)
        killed_at = kill(killed)
        try:
            until(lambda seen=subject, at=killed_at: _after(seen, "occupied", at) > at, within_s=4 if quick else 30)
            row.recover_s.append(_after(subject, "occupied", killed_at) - killed_at)
        except TimeoutError:
            row.problems.append("the slots of a run that was killed are held for ever")
            for process in many:
                if process is not killed:
                    kill(process)
            return row
        for process in many:
            if process is not killed:
                subject.finish(process)
        subject.finish(subject.start("resume"))
        if (most := _most_held(subject, killed_at)) > 2:
            row.problems.append(f"{most} held slots of a pool of two")
        row.repetitions += 1
        judge(row, subject)
    row.remark = "never more than there are; going on: another run gets a slot"
    return row


def _most_held(subject: Subject, killed_at: float) -> int:
    """How many tasks held a slot at the same time; those without an end were killed."""
    freed = {(item, pid): float(at) for item, pid, at in subject.lines("freed")}
    moments = []
    for item, pid, at in subject.lines("occupied"):
        moments += [(float(at), 1), (freed.get((item, pid), killed_at), -1)]
    held = most = 0
    for _, change in sorted(moments):
        held += change
        most = max(most, held)
    return most


def _scheduler_of(worker: int, many: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    above = {process.pid for process in psutil.Process(worker).parents()}
    return next(process for process in many if process.pid in above)


def clock_jumps(place: Path, quick: bool) -> Row:
    """The wall clock jumps by an hour, forward or back, while tasks run, wait for a retry and have a timeout."""
    row, rng = Row("clock jumps by an hour, forward or back"), random.Random(9)
    for repetition in range(2 if quick else 40):
        subject = Subject(place / str(repetition), "fails_once", {"n": 20})
        jump(subject, 0.0)
        process = subject.start()
        until_more(subject, "failures", rng.randrange(1, 20), process)
        at = jump(subject, HOUR_S if repetition % 2 else -HOUR_S)
        try:
            until(lambda seen=process: seen.poll() is not None, within_s=20)
        except TimeoutError:
            row.problems.append(f"it stands still {'before' if repetition % 2 else 'after'} its time")
            kill(process)
            continue
        subject.finish(process)
        row.recover_s.append(_after(subject, "begun", at) - at)
        others = [line for line in subject.lines("failures") if line[2] != "exception"]
        row.problems += [f"an attempt was ended: {line}" for line in others]
        row.repetitions += 1
        judge(row, subject)
    row.remark = "nothing is taken for lost or timed out; retries keep their pause"
    return row


def clock_set_back_meanwhile(place: Path, quick: bool) -> Row:
    """Kill -9 of a run of which tasks wait for a retry, and the clock is an hour back when it is resumed."""
    row = Row("clock set back by an hour while a run is down")
    for repetition in range(1 if quick else 10):
        subject = Subject(place / str(repetition), "fails_once", {"n": 20})
        jump(subject, 0.0)
        process = subject.start()
        until_more(subject, "failures", 2, process)
        kill(process)
        resumed_at = jump(subject, -HOUR_S)
        process = subject.start("resume")
        try:
            until(lambda seen=process: seen.poll() is not None, within_s=20)
        except TimeoutError:
            row.problems.append("it stands still")
            kill(process)
            continue
        subject.finish(process)
        row.recover_s.append(_after(subject, "begun", resumed_at) - resumed_at)
        row.repetitions += 1
        judge(row, subject)
    row.remark = "retries keep their pause; going on: from the start of `resume`"
    return row


def jump(subject: Subject, offset_s: float) -> float:
    """Set the clock of a subject, and when."""
    with (subject.folder / "clock").open("r+b" if (subject.folder / "clock").exists() else "wb") as file:
        file.write(struct.pack("d", offset_s))
    return time.monotonic()

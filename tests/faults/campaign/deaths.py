"""Processes that are killed, stopped, hang or multiply."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import apsw
import psutil

from ropewalk.engine.client import Client
from ropewalk.store import runs
from tests.faults.campaign.oracle import judge
from tests.faults.campaign.row import Row
from tests.faults.campaign.subject import Subject, alive, kill, until, until_more


def scheduler_killed(place: Path, quick: bool) -> Row:
    """Kill -9 of the whole run at random moments, and `resume` each time."""
    row, rng = Row("scheduler killed"), random.Random(1)
    subject = Subject(place, params={"n": 150 if quick else 900})
    process, resumed_at = subject.start(), 0.0
    while until_more(subject, "begun", rng.randrange(1, 24), process) and row.repetitions < (4 if quick else 60):
        if resumed_at:
            row.recover_s.append(_first_after(subject, "begun", resumed_at) - resumed_at)
        at = kill(process)
        row.repetitions += 1
        row.problems += [f"leaked: process {pid} outlived its scheduler" for pid in alive(subject.pids())]
        row.detect_s.append(time.monotonic() - at)
        resumed_at = time.monotonic()
        process = subject.start("resume")
    subject.finish(process)
    judge(row, subject)
    row.remark = "noticed: its workers are gone; going on: from the start of `resume`"
    return row


def _first_after(subject: Subject, name: str, at: float) -> float:
    return next(moment for line in subject.lines(name) if (moment := float(line[-1])) > at)


def worker_killed(place: Path, quick: bool) -> Row:
    """Kill -9 of a worker in the middle of a task."""
    row, rng = Row("worker killed"), random.Random(2)
    row.remark = "going on: the worker in its place begins a task"
    subject = Subject(place, params={"n": 60 if quick else 800, "task_s": 0.05})
    process = subject.start()
    while row.repetitions < (5 if quick else 200) and until_more(subject, "begun", rng.randrange(1, 6), process):
        _kill_one(row, subject, "begun")
    subject.finish(process)
    _observe_failures(row, subject, "lost")
    judge(row, subject)
    return row


def child_killed(place: Path, quick: bool) -> Row:
    """Kill -9 of a program that a task has started and waits for."""
    row, rng = Row("program that a task started killed"), random.Random(3)
    subject = Subject(place, "parents", {"n": 40 if quick else 400, "task_s": 0.05})
    process = subject.start()
    while row.repetitions < (5 if quick else 60) and until_more(subject, "children", rng.randrange(1, 4), process):
        _kill_one(row, subject, "children")
    subject.finish(process)
    _observe_failures(row, subject, "exception")
    row.recover_s.clear()  # the worker is the same
    judge(row, subject)
    row.remark = "the task is told by the system, and fails"
    return row


def _kill_one(row: Row, subject: Subject, name: str) -> None:
    """Kill who told of itself last, and keep when which item was hit."""
    words = subject.lines(name)[-1]
    try:
        os.kill(int(words[-2]), signal.SIGKILL)
    except ProcessLookupError:
        return  # it has just ended by itself
    with (subject.folder / "kills").open("a") as file:
        file.write(f"{words[-3]} {time.monotonic()}\n")
    row.repetitions += 1


def _observe_failures(row: Row, subject: Subject, kind: str) -> None:
    """How long after each kill an attempt was recorded as failed, and a process that is new began something.

    A worker that had ended its task a moment before it was killed loses nothing.
    """
    failures = [float(at) for *_, what, at in subject.lines("failures") if what == kind]
    kills = [float(at) for _, at in subject.lines("kills")]
    for killed_at, next_kill in zip(kills, [*kills[1:], kills[-1] + 10], strict=True):
        row.detect_s += [at - killed_at for at in failures if killed_at < at < next_kill][:1]
    news: dict[str, float] = {}
    for *_, pid, at in subject.lines("begun"):
        news.setdefault(pid, float(at))
    for killed_at, next_kill in zip(kills, [*kills[1:], kills[-1] + 10], strict=True):
        row.recover_s += [at - killed_at for at in sorted(news.values()) if killed_at < at < next_kill][:1]


def worker_stopped(place: Path, quick: bool) -> Row:
    """SIGSTOP of a worker in the middle of a task, and SIGCONT a while later."""
    row, rng = Row("worker stopped for a while"), random.Random(4)
    subject = Subject(place, params={"n": 60 if quick else 1500, "task_s": 0.02})
    process = subject.start()
    while row.repetitions < (3 if quick else 30) and until_more(subject, "begun", rng.randrange(1, 8), process):
        _pause(int(subject.lines("begun")[-1][-2]), 0.2 if quick else rng.uniform(0.05, 1))
        row.repetitions += 1
    subject.finish(process)
    row.problems += [f"an attempt was taken for lost: {line}" for line in subject.lines("failures")]
    judge(row, subject)
    row.remark = "nothing to notice: it goes on where it was"
    return row


def _pause(pid: int, for_s: float) -> None:
    process = psutil.Process(pid)
    process.suspend()
    until(lambda start=time.monotonic(): time.monotonic() - start > for_s)
    process.resume()


def worker_stopped_for_good(place: Path, quick: bool) -> Row:
    """SIGSTOP of a worker in the middle of a task that has a timeout: a stopped process does not hear SIGTERM."""
    row, rng = Row("worker stopped for good, its task has a timeout"), random.Random(10)
    grace_s, timeout_s = 0.5, 0.5
    subject = Subject(
        place,
        params={"n": 60 if quick else 1500, "task_s": 0.02, "timeout_s": timeout_s},
        settings={"CAMPAIGN_GRACE_S": str(grace_s)},
    )
    process = subject.start()
    while row.repetitions < (1 if quick else 20) and until_more(subject, "begun", rng.randrange(1, 8), process):
        failures = subject.count("failures")
        psutil.Process(int(subject.lines("begun")[-1][-2])).suspend()
        stopped_at = time.monotonic()
        until(lambda before=failures: subject.count("failures") > before)
        row.detect_s.append(float(subject.lines("failures")[-1][-1]) - stopped_at)
        row.repetitions += 1
    subject.finish(process)
    judge(row, subject)
    row.remark = f"noticed: replaced, after a timeout and a grace period of {timeout_s + grace_s:g} s together"
    return row


def keeper_killed(place: Path, quick: bool) -> Row:
    """Kill -9 of the process that keeps the workers."""
    row, rng = Row("keeper of the workers killed"), random.Random(11)
    subject = Subject(place, params={"n": 60 if quick else 600})
    process = subject.start()
    while until_more(subject, "begun", rng.randrange(1, 24), process) and row.repetitions < (1 if quick else 20):
        (keeper,) = psutil.Process(process.pid).children()
        keeper.kill()
        killed_at = time.monotonic()
        told = subject.finish(process)
        row.detect_s.append(time.monotonic() - killed_at)
        row.problems += [] if told.get("error") == "P350" else [f"it was not named: {told}"]
        row.repetitions += 1
        resumed_at = time.monotonic()
        process = subject.start("resume")
        until_more(subject, "begun", 1, process)
        row.recover_s.append(_first_after(subject, "begun", resumed_at) - resumed_at)
    subject.finish(process)
    judge(row, subject)
    row.remark = "noticed: the run stops with P350; going on: from the start of `resume`"
    return row


def scheduler_stopped(place: Path, quick: bool) -> Row:
    """SIGSTOP of the scheduler; another process takes the run over meanwhile; SIGCONT."""
    row, rng = Row("scheduler stopped, and its run taken over"), random.Random(5)
    for repetition in range(1 if quick else 10):
        subject = Subject(place / str(repetition), params={"n": 60, "task_s": 0.02})
        first = subject.start()
        until_more(subject, "begun", rng.randrange(1, 40), first)
        _stop_between_commits(first, subject)
        stopped_at = time.monotonic()
        refused = subject.finish(subject.start("resume"))
        if refused.get("error") != "P303":
            row.problems.append(f"a run whose process lives was taken over: {refused}")
        _give_up_by_force(subject)
        second = subject.start("resume")
        until_more(subject, "acks", 3, second)
        psutil.Process(first.pid).resume()
        resumed_at = time.monotonic()
        beaten = subject.finish(first)
        row.detect_s.append(time.monotonic() - resumed_at)
        row.recover_s.append(_first_after(subject, "acks", stopped_at) - stopped_at)
        if beaten.get("error") != "P540":
            row.problems.append(f"the first scheduler did not notice: {beaten}")
        subject.finish(second)
        row.repetitions += 1
        judge(row, subject)
    row.remark = "between two commits; noticed: the first one ends with P540 after SIGCONT"
    return row


def _stop_between_commits(process: subprocess.Popen[str], subject: Subject) -> None:
    """SIGSTOP, at a moment at which it does not hold the lock of the store: then everybody has to wait for it."""

    def is_free() -> bool:
        psutil.Process(process.pid).suspend()
        with contextlib.closing(apsw.Connection(str(subject.home / "store.db"))) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE; ROLLBACK")
            except apsw.BusyError:
                psutil.Process(process.pid).resume()
                return False
        return True

    until(is_free)


def _give_up_by_force(subject: Subject) -> None:
    """What a person does who takes the owner of the run for dead."""
    with Client(subject.home) as client:
        runs.disown(client.db, runs.find(client.db, "last"))


def hung_until_timeout(place: Path, quick: bool) -> Row:
    """A task that ignores SIGTERM, with a daemon that does too, reaches its timeout."""
    row = Row("task that hangs and ignores SIGTERM: timeout")
    grace_s, timeout_s = (0.5, 0.3) if quick else (5.0, 1.0)
    for repetition in range(1 if quick else 3):
        subject = _hanging(place / str(repetition), grace_s, {"timeout_s": timeout_s})
        subject.finish(subject.start())
        begun = float(subject.lines("begun")[0][-1])
        failed = float(subject.lines("failures")[-1][-1])
        row.detect_s.append(failed - begun - timeout_s)
        row.repetitions += 1
        judge(row, subject, ends="failed")
    row.remark = f"noticed: all ended, after a grace period of {grace_s:g} s"
    return row


def hung_until_cancel(place: Path, quick: bool) -> Row:
    """The same task, in a run that is cancelled."""
    row = Row("task that hangs and ignores SIGTERM: cancel")
    grace_s = 0.5 if quick else 5.0
    for repetition in range(1 if quick else 3):
        subject = _hanging(place / str(repetition), grace_s, {})
        process = subject.start()
        until(lambda seen=subject: seen.count("strays"))
        asked_at = time.monotonic()
        with Client(subject.home) as client:
            client.cancel(runs.find(client.db, "last"), "campaign")
        subject.finish(process)
        row.detect_s.append(time.monotonic() - asked_at)
        row.repetitions += 1
        judge(row, subject, ends="cancelled")
    row.remark = f"noticed: all ended, after a grace period of {grace_s:g} s"
    return row


def _hanging(place: Path, grace_s: float, params: dict[str, float]) -> Subject:
    return Subject(place, "hangs", params, {"CAMPAIGN_GRACE_S": str(grace_s)})


def fork_bomb(place: Path, quick: bool) -> Row:
    """A task whose processes start processes, each in a session of its own, all ignoring SIGTERM."""
    row = Row("fork bomb of 200 processes")
    for repetition in range(1 if quick else 5):
        subject = Subject(place / str(repetition), "bombs", {"most": 200}, {"CAMPAIGN_GRACE_S": "0.5"})
        process = subject.start()
        until(lambda seen=subject: seen.count("failures"))
        if (forked := subject.count("strays")) < 150:  # the others are killed before they can tell
            row.problems.append(f"there were only {forked} processes")
        alive(subject.pids() - {process.pid, *_family(process.pid)})
        row.detect_s.append(time.monotonic() - float(subject.lines("begun")[0][-1]) - 1)
        _finish_failed(subject, process)
        row.repetitions += 1
        judge(row, subject, ends="failed")
    row.remark = "bounded by the experiment; noticed: all ended, after its timeout and a grace period of 0.5 s"
    return row


def _family(pid: int) -> set[int]:
    """The keeper of the workers, and the workers."""
    (keeper,) = psutil.Process(pid).children()
    return {keeper.pid, *(worker.pid for worker in keeper.children())}


def _finish_failed(subject: Subject, process: subprocess.Popen[str]) -> None:
    told = subject.finish(process)
    if told.get("state") != "failed":
        raise AssertionError(told)

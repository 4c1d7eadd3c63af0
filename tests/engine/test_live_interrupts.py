"""Ctrl-C and SIGTERM on a real `ropewalk run`, in a process of its own, and `cancel` from beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ropewalk.engine.client import Client
from ropewalk.store import runs, tasks
from tests.engine.live import both_executors, gone, lines

GRACE_S = 5.0
FLOW = """
import os, subprocess, time
from pathlib import Path
from ropewalk import pipeline, task

HERE = Path(os.environ["FLOW_HERE"])

def say(*words):
    with open(HERE / "pipe", "w") as pipe:
        print(*words, file=pipe)

def wait():
    while True:
        time.sleep(0.05)  # not signal.pause(), which sleeps on if the signal came just before it

@task
def first() -> int:
    with open(HERE / "ledger", "a") as ledger:
        ledger.write("first\\n")
    return 1

@task
def slow(x: int) -> int:
    if (HERE / "go").exists():
        return x + 1
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        say(os.getpid(), child.pid)
        wait()
    except BaseException as error:
        (HERE / "cleaned").write_text(type(error).__name__)
        if not (HERE / "stubborn").exists():
            raise
    say("no")
    wait()

@task(run_if="always")
def clean_up(x: int) -> str:
    (HERE / "swept").touch()
    return "swept"

@pipeline
def flow():
    y = slow(first())
    clean_up(y)
    return y
"""


class Started:
    """A run in a process of its own, whose task `slow` is under way."""

    def __init__(self, folder: Path, executor: str) -> None:
        self.folder = folder
        self.executor = executor
        (folder / "flow.py").write_text(FLOW)
        os.mkfifo(folder / "pipe")
        self.process = self.ropewalk("run", "flow.py:flow")
        self.pids = [int(word) for word in self.hear().split()]
        self.family = [self.process.pid, *(p.pid for p in psutil.Process(self.process.pid).children(recursive=True))]

    def ropewalk(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ropewalk", *words, "--executor", self.executor]
        env = {**os.environ, "FLOW_HERE": str(self.folder), "ROPEWALK_HOME": str(self.folder / ".ropewalk")}
        out = (self.folder / "out").open("a")
        with out:
            return subprocess.Popen(command, cwd=self.folder, env=env, stdout=out, stderr=out, text=True)

    def hear(self) -> str:
        """What the task says next."""
        with (self.folder / "pipe").open() as pipe:
            return pipe.read()

    def wait(self) -> int:
        return self.process.wait(timeout=20)

    def client(self) -> Client:
        return Client(self.folder / ".ropewalk")

    def states(self) -> tuple[str, dict[str, str]]:
        with self.client() as client:
            run = runs.find(client.db, "last")
            assert tasks.leases(client.db, run.number) == []
            return run.state, {row.node: row.state for row in tasks.listing(client.db, run.number)}

    def nothing_is_left(self) -> bool:
        return gone([*self.pids, *self.family]) and not list((self.folder / ".ropewalk/logs").glob("*.spool"))

    def end(self) -> None:
        for pid in (self.process.pid, *self.pids):
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[Started]]:
    made: list[Started] = []

    def begin(executor: str) -> Started:
        made.append(Started(tmp_path, executor))
        return made[-1]

    yield begin
    for started in made:
        started.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@both_executors
def test_a_signal_cancels_the_run_politely_and_it_can_be_resumed(
    tmp_path: Path, start, executor: str, number: signal.Signals
) -> None:
    run = start(executor)

    run.process.send_signal(number)

    assert run.wait() == 130
    assert executor == "inline" or run.nothing_is_left()
    assert (tmp_path / "cleaned").read_text() == "TaskCancelled", "the task had time to clean up"
    assert run.states() == ("cancelled", {"first": "succeeded", "slow": "cancelled", "clean_up": "succeeded"})
    assert (tmp_path / "swept").exists(), "what runs always, runs"

    (tmp_path / "go").touch()
    assert run.ropewalk("resume").wait(timeout=20) == 0
    assert run.states()[0] == "succeeded"
    assert lines(tmp_path / "ledger") == ["first"], "what had succeeded was kept"


@both_executors
def test_a_second_ctrl_c_ends_a_task_that_does_not_heed_the_first_at_once(tmp_path: Path, start, executor: str) -> None:
    (tmp_path / "stubborn").touch()
    run = start(executor)

    run.process.send_signal(signal.SIGINT)
    assert run.hear() == "no\n"
    asked_at = time.monotonic()
    run.process.send_signal(signal.SIGINT)

    assert run.wait() == 130
    assert time.monotonic() - asked_at < GRACE_S - 1
    assert executor == "inline" or run.nothing_is_left()
    assert run.states()[0] == "cancelled"


def test_a_run_is_cancelled_from_another_process(tmp_path: Path, start) -> None:
    run = start("processes")

    with run.client() as client:
        assert client.cancel(runs.find(client.db, "last"), "somebody")

    assert run.wait() == 1
    assert run.nothing_is_left()
    assert run.states()[0] == "cancelled"
    with run.client() as client:
        assert not client.cancel(runs.find(client.db, "last"), "somebody"), "it has ended"


def test_a_run_whose_process_was_killed_is_cancelled_by_whoever_asks(tmp_path: Path, start) -> None:
    run = start("processes")
    run.process.kill()
    run.wait()
    assert gone([*run.pids, *run.family])

    with run.client() as client:
        assert client.cancel(runs.find(client.db, "last"), "somebody")

    assert run.states() == ("cancelled", {"first": "succeeded", "slow": "cancelled", "clean_up": "cancelled"})
    (tmp_path / "go").touch()
    assert run.ropewalk("resume").wait(timeout=20) == 0
    assert run.states()[0] == "succeeded"

"""A task that takes too long is ended with all that it started, and its run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ropewalk import Retry, context, each, pipeline, task
from ropewalk.engine.executors import processes
from tests.engine.live import Live, Watch, both_executors, gone, hang, note, tell

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"


@task(timeout=0.3)
def starting_others(how: str) -> None:
    """Starts a program in a session of its own, which ignores SIGTERM, and waits for it for ever."""
    if how == "ignores the polite end":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    program = subprocess.Popen([sys.executable, "-c", STUBBORN], start_new_session=True, stdout=subprocess.PIPE)
    assert program.stdout.readline() == b"ready\n"
    tell(os.getpid())
    tell(program.pid)
    program.wait()


@pipeline
def starts_others(how: str) -> None:
    starting_others(how)


@pytest.mark.parametrize("how", ["heeds the polite end", "ignores the polite end"])
def test_a_timeout_ends_the_task_and_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.3)
    live, watch = Live(tmp_path), Watch()

    result = live.run(starts_others, listener=watch, how=how)

    assert result.state == "failed"
    assert [f.kind for f in live.failures(result.number, "starting_others")] == ["timeout"]
    assert len(watch.told) == 2
    assert gone(watch.told)


@task(timeout=0.2, retry=Retry(1))
def slow_once(ledger: str, x: int = 0) -> int:
    note(ledger, context().attempt)
    if x == 7 and context().attempt == 1:
        hang()
    return x


@pipeline
def slow_in_a_batch(ledger: str) -> list[int]:
    return slow_once(ledger, each(range(20)))


@both_executors
def test_only_the_item_that_hangs_times_out_and_it_is_retried(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(slow_in_a_batch, executor, ledger=live.ledger, workers=1)

    assert (result.state, result.output) == ("succeeded", list(range(20)))
    assert [f.kind for f in live.failures(result.number, "slow_once")] == ["timeout"]
    assert sorted(live.done()) == ["1"] * 20 + ["2"]


@task(timeout=0.2)
def cleaning(ledger: str) -> None:
    try:
        hang()
    finally:
        note(ledger, "cleaned")


@pipeline
def cleans(ledger: str) -> None:
    cleaning(ledger)


@both_executors
def test_a_task_that_is_ended_may_clean_up(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(cleans, executor, ledger=live.ledger)

    assert (result.state, live.done()) == ("failed", ["cleaned"])
    assert live.failures(result.number, "cleaning")[0].message == "timed out after 0.2 s"


@task(timeout=30)
def quick(ledger: str) -> str:
    note(ledger, "quick")
    return "in time"


@pipeline
def in_time(ledger: str) -> str:
    return quick(ledger)


@both_executors
def test_a_task_in_time_is_left_alone(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    assert live.run(in_time, executor, ledger=live.ledger).output == "in time"

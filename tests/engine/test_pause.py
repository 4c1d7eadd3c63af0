"""Pausing a run: what is running ends, nothing new starts, no process is left, and `resume` goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ropewalk import each, pipeline, task, wait_for
from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.engine.client import Client, Options
from ropewalk.engine.result import RunResult
from ropewalk.engine.scheduler import Step
from ropewalk.store import events as log
from ropewalk.store import runs
from ropewalk.testing.invariants import problems
from tests.engine.live import Live, both_executors, note


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path)


@task
def step(number: int, ledger: str) -> int:
    note(ledger, number)
    return number + 1


@task
def is_there(ledger: str, least: int) -> bool:
    note(ledger, "check")
    return Path(ledger).read_text().count("check") >= least


@pipeline
def chain(ledger: str):
    return step.options(name="c")(
        step.options(name="b")(step.options(name="a")(1, ledger=ledger), ledger=ledger), ledger=ledger
    )


@pipeline
def spread(ledger: str):
    return step(each(list(range(2000))), ledger)


@pipeline
def waits(ledger: str):
    return wait_for(is_there, ledger, 3, every="1h", timeout="2h")


@pipeline
def tidied(ledger: str):
    done = step.options(name="a")(1, ledger=ledger)
    step.options(name="tidy", run_if="always")(2, ledger=ledger).after(done)


class Project:
    """A project where a second passes with every commit, so that the store is looked at before the next one."""

    def __init__(self, live: Live) -> None:
        self.now = 1e9
        self.live = live
        self.client = Client(live.home, lambda: self.now)

    @property
    def run(self) -> runs.Run:
        return runs.get(self.client.db, 1)

    def start(self, made: Any, executor: str = "inline", *, pause_after: type = ev.Opened) -> RunResult:
        """Run it, and ask for a pause from another connection once something has happened."""
        asked: list[Step] = []

        def listen(told: Step) -> None:
            self.now += 1
            if not asked and any(isinstance(event, pause_after) for event in told.events):
                asked.append(told)
                with self.live.client() as client:
                    assert client.pause(runs.get(client.db, told.run), "ann")

        work = trace(made, {"ledger": self.live.ledger})
        return self.client.run(work, Options(executor, 2), listen)

    def resume(self, made: Any, executor: str = "inline") -> RunResult:
        return self.client.resume(self.run, trace(made, self.run.params), Options(executor, 2))


@pytest.fixture
def project(live: Live) -> Iterator[Project]:
    made = Project(live)
    yield made
    assert problems(made.client.db, 1) == []
    made.client.close()


@both_executors
def test_a_run_that_is_paused_rests_and_is_resumed_where_it_was(project: Project, executor: str) -> None:
    result = project.start(chain, executor)
    rested, before = project.run, project.live.done()
    again = project.resume(chain, executor)

    assert (result.state, rested.state, rested.owner) == ("paused", "paused", {})
    assert len(before) < 3
    assert (again.state, again.output, project.live.done()) == ("succeeded", 4, ["1", "2", "3"])


@both_executors
def test_what_is_running_ends_and_counts(project: Project, executor: str) -> None:
    result = project.start(spread, executor, pause_after=ev.Started)
    counts = result.nodes["step"]
    before = project.live.done()
    again = project.resume(spread, executor)

    assert result.state == "paused"
    assert "running" not in counts
    assert len(before) == counts["succeeded"]
    assert again.state == "succeeded"
    assert sorted(map(int, project.live.done())) == list(range(2000))


def test_who_asked_is_kept_and_the_wish_is_forgotten_once_the_run_is_resumed(project: Project) -> None:
    project.start(chain)
    events = [event for batch in log.read(project.client.db, 1) for event in batch.events]
    project.resume(chain)

    assert ev.PauseRequested("ann") in events
    assert ev.Rested("paused by ann") in events
    assert runs.wishes(project.client.db, 1) == ("", "")


def test_a_wait_between_two_checks_rests_at_once_and_goes_on_counting_its_time(project: Project) -> None:
    result = project.start(waits, pause_after=ev.AttemptFailed)
    since = project.client.state(project.run).nodes["is_there"].since[0]
    project.now += 3 * 3600
    late = project.resume(waits)

    assert (result.state, project.live.done()) == ("paused", ["check", "check"])
    assert since < 1e9 + 10
    assert late.failures["is_there"].message == "nothing came within 2h 00m"


def test_a_run_that_nobody_drives_cannot_be_paused(live: Live) -> None:
    live.run(chain, "inline", ledger=live.ledger)

    with live.client() as client:
        assert not client.pause(runs.get(client.db, 1), "ann")


def test_a_paused_run_can_be_cancelled(project: Project) -> None:
    project.start(chain)

    assert project.client.cancel(project.run, "bob")
    assert project.run.state == "cancelled"


def test_what_runs_in_any_case_is_not_run_where_a_paused_run_is_cancelled_from_elsewhere(project: Project) -> None:
    """There is no worker for it; resuming the run runs it."""
    project.start(tidied)

    project.client.cancel(project.run, "bob")

    assert project.run.state == "cancelled"
    assert project.resume(tidied).state == "succeeded"

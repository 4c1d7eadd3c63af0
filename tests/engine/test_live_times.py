"""Whole runs whose tasks wait for their time, come too late, miss deadlines, or depend on the run before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.policy import Policy, RunPolicy
from ropewalk.core.timing import Timing
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.result import RunResult
from ropewalk.engine.scheduler import Step
from ropewalk.store import runs, tasks
from tests.core.builders import graph, node

BEGAN = 1_781_085_600.0  # Wednesday 10 June 2026, 12:00 in Paris
HOUR = 3600.0
INLINE = Options("inline")


class Clock:
    """Every look takes five minutes."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> float:
        self.now += 300
        return self.now


class Project:
    """A store, and the events of its runs."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.client = Client(folder / ".ropewalk", clock=self.clock)
        self.events: list[ev.Event] = []

    def run(self, *nodes: Any, do: Callable[..., Any] = lambda **_: 1, **policy: Any) -> RunResult:
        made = graph(*nodes, policy=RunPolicy(**policy))
        self.clock.now = BEGAN
        return self.client.run(Work(made, {"do": do}, {}, {}), INLINE, self.listen)

    def listen(self, step: Step) -> None:
        self.events += step.events

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def started(self) -> list[float]:
        """Hours since the run was made."""
        return [(event.at - BEGAN) / HOUR for event in self.of(ev.Started)]

    def detail(self, node_id: str) -> str:
        row = tasks.get(self.client.db, runs.find(self.client.db, "last").number, node_id, 0)
        assert row is not None
        return row.detail


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def timed(node_id: str, *needs: Any, **times: Any) -> Any:
    return node(node_id, *needs, policy=Policy(timing=Timing(**times)))


def down(**_: Any) -> None:
    raise ValueError("down")


ONE = ex.constant(1)


@pytest.mark.parametrize(
    ("times", "earliest_h"),
    [
        ({"not_before": "2h"}, 2),
        ({"window": "22:00-06:00 Europe/Paris"}, 10),
        ({"window": "10:00-18:00 Europe/Paris"}, 0),
    ],
)
def test_a_task_starts_when_its_time_has_come(project: Project, times: dict[str, str], earliest_h: float) -> None:
    result = project.run(timed("n", ONE, **times))

    assert result.nodes["n"] == {"succeeded": 1}
    assert earliest_h <= project.started()[0] <= earliest_h + 2


def test_what_comes_too_late_is_skipped_with_all_that_needs_it(project: Project) -> None:
    result = project.run(timed("slow", ONE, not_before="3h"), timed("n", "slow", expires="2h"), node("after", "n"))

    assert result.nodes == {"slow": {"succeeded": 1}, "n": {"skipped": 1}, "after": {"skipped": 1}}
    assert project.detail("n").startswith("expired: it was not to start after 2026-06-10 12:")


def test_a_task_whose_window_opens_too_late_does_not_wait_for_it(project: Project) -> None:
    timing = {"window": "22:00-06:00 Europe/Paris", "expires": "11h"}

    result = project.run(timed("slow", ONE, not_before="18h"), timed("n", "slow", **timing))

    assert result.nodes["n"] == {"skipped": 1}


@pytest.mark.parametrize(("on_miss", "state"), [("alert", "succeeded"), ("cancel", "cancelled")])
def test_a_missed_deadline_is_told_and_may_end_the_run(project: Project, on_miss: str, state: str) -> None:
    result = project.run(timed("slow", ONE, not_before="3h"), timed("n", "slow", deadline="2h", on_miss=on_miss))

    assert result.state == state
    assert [event.node for event in project.of(ev.DeadlineMissed)] == ["n"]
    assert len(project.of(ev.CancelRequested)) == (on_miss == "cancel")


@pytest.mark.parametrize(("on_miss", "state"), [("alert", "succeeded"), ("cancel", "cancelled")])
def test_the_run_as_a_whole_may_miss_its_deadline(project: Project, on_miss: str, state: str) -> None:
    result = project.run(timed("n", ONE, not_before="3h"), deadline="2h", on_miss=on_miss)

    assert result.state == state
    assert [event.node for event in project.of(ev.DeadlineMissed)] == [""]


def test_what_is_done_in_time_misses_no_deadline(project: Project) -> None:
    project.run(timed("n", ONE, deadline="3h"), deadline="3h")

    assert project.of(ev.DeadlineMissed) == []


def test_a_task_that_depends_on_the_run_before_is_skipped_until_that_is_repaired(project: Project) -> None:
    first, second, third = (timed("n", ex.constant(k), depends_on_past=True) for k in range(3))

    assert project.run(first, do=down).nodes["n"] == {"failed": 1}
    assert project.run(second).nodes["n"] == {"skipped": 1}
    assert project.detail("n") == "depends_on_past: failed in run 1"

    repaired = Work(graph(first), {"do": lambda **_: 1}, {}, {})
    project.client.resume(runs.get(project.client.db, 1), repaired, INLINE)
    assert project.run(third).nodes["n"] == {"succeeded": 1}

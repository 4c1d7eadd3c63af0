"""Whole runs under rate limits, breakers and times that cannot be kept, by a clock that goes on when looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError
from ropewalk.core.graph import Graph
from ropewalk.core.guard import Breaker, Guard, RateLimit
from ropewalk.core.policy import Policy
from ropewalk.core.timing import Timing
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.guards import standing
from ropewalk.engine.result import RunResult
from ropewalk.engine.scheduler import Step
from ropewalk.store import runs
from tests.core.builders import graph, node
from tests.core.test_guard import most_in_a_window

API = RateLimit("api", 3, 600.0)
WAREHOUSE = Breaker("warehouse", 2, 600.0)
INLINE = Options("inline")


class Clock:
    """Every look takes ten seconds."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        self.now += 10
        return self.now


class Project:
    """A store, and when attempts of its runs began."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.client = Client(folder / ".ropewalk", clock=self.clock)
        self.started: list[float] = []

    def run(self, items: list[int], guard: Guard, do: Callable[..., Any] = lambda **given: given["i0"]) -> RunResult:
        mapped = node("n", ex.constant(items), each=("i0",), policy=Policy(guards=(guard,)))
        return self.client.run(work(graph(mapped), do), INLINE, self.listen)

    def listen(self, step: Step) -> None:
        self.started += [event.at for event in step.events if isinstance(event, ev.Started) for _ in event.items]


def work(made: Graph, do: Callable[..., Any] = lambda **_: 1) -> Work:
    return Work(made, {"do": do}, {}, {})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_attempts_of_one_run_after_the_other_keep_a_limit_and_all_get_their_turn(project: Project) -> None:
    first = project.run(list(range(5)), API)
    second = project.run(list(range(10, 14)), API)

    assert first.nodes["n"] == {"succeeded": 5}
    assert second.nodes["n"] == {"succeeded": 4}
    assert len(project.started) == 9
    assert most_in_a_window(project.started, API.per_s) == 3


def test_what_is_reused_does_not_count_against_a_limit(project: Project) -> None:
    project.run([1, 2, 3], API)

    before = project.clock.now
    project.run([1, 2, 3], API)

    assert len(project.started) == 3
    assert project.clock.now - before < API.per_s


def test_while_a_breaker_is_open_nothing_starts_and_then_one_at_a_time(project: Project) -> None:
    def fail(**_: Any) -> None:
        raise ValueError("no")

    result = project.run(list(range(4)), WAREHOUSE, fail)

    assert result.nodes["n"] == {"failed": 4}
    pauses = [b - a for a, b in zip(project.started, project.started[1:], strict=False)]
    assert pauses[0] < WAREHOUSE.reset_s < min(pauses[1:])


def test_a_success_closes_a_breaker(project: Project) -> None:
    calls: list[int] = []

    def recover(**_: Any) -> int:
        calls.append(1)
        if len(calls) <= 2:
            raise ValueError("no")
        return 1

    result = project.run(list(range(7)), WAREHOUSE, recover)

    assert result.nodes["n"] == {"succeeded": 5, "failed": 2}
    pauses = [b - a for a, b in zip(project.started, project.started[1:], strict=False)]
    assert [pause > WAREHOUSE.reset_s for pause in pauses] == [False, True, False, False, False, False]
    assert [one.state for one in standing(project.client.db, project.clock.now)] == ["closed"]


def test_a_deadline_in_the_past_is_refused_before_there_is_a_run(project: Project) -> None:
    late = work(graph(node("n", ex.constant(1), policy=Policy(timing=Timing(deadline="2001-01-01T00:00:00Z")))))

    with pytest.raises(DefinitionError, match="`deadline` of task `n` is in the past"):
        project.client.run(late, INLINE)
    with pytest.raises(DefinitionError, match="`deadline` of task `n` is in the past"):
        project.client.plan(late, INLINE)

    assert runs.listing(project.client.db) == []

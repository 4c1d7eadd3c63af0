"""What is told of a run that has failed is the same whether it is read from rows or folded from events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk.cli.failures import blocks
from ropewalk.core.errors import render
from ropewalk.engine.client import Client
from ropewalk.engine.explain.outcome import outcome
from ropewalk.engine.result import RunResult
from tests.engine.explained import Project, project_in

WIDE = """
@task
def numbers(n: int) -> list[int]:
    return list(range(n))

@task{policy}
def half(x: Any) -> float:
    if {wrong}:
        raise ValueError(f"no {{x}}")
    return x / 2

@task
def total(halves: Any) -> float:
    return sum(halves)

@task
def other() -> Any:
    return OTHER

@pipeline
def flow():
    return total(half({given})), other()
"""
OTHER = "\nOTHER = 1\n"
CASES = {
    "some items": ("", "x in (3, 17)", "each(numbers(n=40))"),
    "each item": ("", "True", "each(numbers(n=40))"),
    "after some attempts": ("(retry=2)", "x == 5", "each(numbers(n=9))"),
    "without a list": ("", "True", "each(other())"),
    "with names": ("", "x == 'b'", "each(['a', 'b', 'c'], key=str)"),
    "not mapped": ("", "x == 3", "3"),
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_in(tmp_path) as made:
        yield made


def failed(project: Project, case: str) -> RunResult:
    policy, wrong, given = CASES[case]
    project.write(OTHER + WIDE.format(policy=policy, wrong=wrong, given=given))
    result = project.run()
    assert result.run.state == "failed"
    return result


@pytest.mark.parametrize("case", CASES)
def test_rows_tell_of_errors_what_events_do(project: Project, case: str) -> None:
    result = failed(project, case)

    from_rows, from_events = (
        [render(error) for error in blocks(project.client, result.run, state)]
        for state in (outcome(project.client, result.run), project.client.state(result.run))
    )

    assert from_rows == from_events != []


def test_errors_of_a_wide_map_are_told_without_its_events(project: Project) -> None:
    run = failed(project, "some items").run
    project.client.db._connection.execute("DELETE FROM events")

    state = outcome(project.client, run)

    assert {item: failure.message for item, failure in state.nodes["half"].failures.items()} == {
        3: "ValueError: no 3", 17: "ValueError: no 17",
    }  # fmt: skip
    assert state.nodes["numbers"].all_succeeded
    assert not state.nodes["half"].all_succeeded
    with Client(project.folder / ".ropewalk") as client:
        assert not client.state(run).nodes["half"].failures

"""Debugging calls a task with the very inputs and seed that it had, and leaves no trace in the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ropewalk.core.errors import ExecutionError, NotFoundError
from ropewalk.engine.explain.debugging import Debugged, debug
from ropewalk.store import runs
from tests.engine.explained import Project, project_in

FLOW = """
import random
from deeper import divide

@task
def load(rows: int) -> list[float]:
    return [float(n) for n in range(rows)]

@task
def train(xs: list[float], c: float = 1.0) -> float:
    draw = random.random()
    inner = sum(xs)
    return divide(inner, c) + draw * 0

@task
def report(model: float) -> str:
    return f"model {model}"

@pipeline
def flow(rows: int = 4, c: float = 1.0):
    return report(train(load(rows), c=c))
"""
DEEPER = "def divide(total, by):\n    rate = total / by\n    return rate\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_in(tmp_path) as made:
        made.write(FLOW, deeper=DEEPER)
        yield made


def attempt(project: Project, run: int, node: str, item: int = 0, **options: Any) -> Debugged:
    said: list[str] = []
    given = {"interactive": False, "say": said.append} | options
    found = debug(project.client, runs.get(project.client.db, run), node, item, project.work(), **given)
    json.dumps(found.to_json())
    return found


def test_a_failed_task_fails_again_with_the_same_story(project: Project) -> None:
    project.run(c=0.0)

    found = attempt(project, 1, "train")

    assert found.failure is not None
    assert found.failure.message == "ZeroDivisionError: float division by zero"
    assert found.failure.function == "divide"
    assert found.inputs == ("inputs: xs = load@1 ([0.0, 1.0, 2.0, 3.0])", "params: c=0.0")


def test_nothing_of_it_is_recorded(project: Project) -> None:
    project.run(c=0.0)
    before = sorted(path for path in project.client.home.root.rglob("*") if path.is_file())

    attempt(project, 1, "train")

    assert sorted(path for path in project.client.home.root.rglob("*") if path.is_file()) == before
    assert len(runs.listing(project.client.db)) == 1


def test_a_repaired_task_returns_its_result_and_says_that_its_code_is_another(project: Project) -> None:
    project.run(c=0.0)
    project.edit("total / by", "total / (by or 1)", "deeper")

    found = attempt(project, 1, "train")

    assert found.failure is None
    assert found.result == 6.0
    assert "not the code of run 1" in found.notes[0]
    assert "deeper.py:1 divide()" in found.notes[0]


def test_the_seed_is_the_one_that_the_task_run_had(project: Project) -> None:
    project.write(
        "import random\n\n@task\ndef draw() -> float:\n    return random.random()\n\n"
        "@pipeline\ndef flow():\n    return draw()\n"
    )
    run = project.run()

    assert attempt(project, 1, "draw").result == run["draw"]


def test_one_item_of_a_mapped_task_is_debugged(project: Project) -> None:
    project.write(
        "@task\ndef load() -> list[int]:\n    return [1, 2, 3]\n\n"
        "@task\ndef check(x: int) -> int:\n    assert x != 2, f'{x} in run {context().run}'\n    return x\n\n"
        "@pipeline\ndef flow():\n    return check(each(load()))\n"
    )
    project.run()

    failed, passed = attempt(project, 1, "check", 1), attempt(project, 1, "check", 2)

    assert failed.failure is not None
    assert failed.failure.message == "AssertionError: 2 in run 1"
    assert passed.result == 3


def test_an_async_task_is_debugged(project: Project) -> None:
    project.write("@task\nasync def a(x: int) -> int:\n    return 1 // x\n\n@pipeline\ndef flow():\n    return a(0)\n")
    project.run()

    found = attempt(project, 1, "a")

    assert found.failure is not None
    assert found.failure.message.startswith("ZeroDivisionError")


def test_a_task_with_effects_is_announced(project: Project) -> None:
    project.write("@task(cache=False)\ndef a() -> int:\n    return 1\n\n@pipeline\ndef flow():\n    return a()\n")
    project.run()

    assert attempt(project, 1, "a").notes == ("cache=False: if it has effects, they happen again",)


def test_inputs_that_were_never_computed_are_an_error(project: Project) -> None:
    project.run(c=0.0)

    with pytest.raises(ExecutionError, match="`report` cannot be debugged") as caught:
        attempt(project, 1, "report")
    assert caught.value.help == ("ropewalk why 1/report",)


def test_a_task_that_is_gone_is_an_error(project: Project) -> None:
    project.run()
    project.edit("report(train(load(rows), c=c))", "train(load(rows), c=c)")

    with pytest.raises(NotFoundError, match="no task `report` any more"):
        attempt(project, 1, "report")


def session(project: Project, commands: str, **options: Any) -> str:
    """What a person sees who types these commands into the debugger."""
    program = f"""
    from pathlib import Path
    from ropewalk.engine.explain.debugging import debug
    from ropewalk.store import runs
    from tests.engine.explained import Project
    project = Project(Path({str(project.folder)!r}))
    found = debug(project.client, runs.get(project.client.db, 1), "train", 0, project.work(c=0.0), **{options!r})
    print("failure:", found.failure and found.failure.message)
    """
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        input=commands, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}", "TERM": "dumb"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def test_the_debugger_opens_where_the_users_code_failed(project: Project) -> None:
    project.run(c=0.0)

    shown = session(project, "p 'total is', total, 'by', by\nup\np 'inner is', inner\nq\n")

    assert "debugging 1/train with the inputs of run 1" in shown
    assert "('total is', 6.0, 'by', 0.0)" in shown
    assert "('inner is', 6.0)" in shown
    assert "failure: ZeroDivisionError" in shown


def test_the_debugger_does_not_open_in_a_library(project: Project) -> None:
    """The innermost frame is json's; the user's own is the one to start in."""
    project.edit("total / by", "__import__('json').loads('{')", "deeper")
    project.run(c=0.0)

    shown = session(project, "p 'here', total\nq\n")

    assert "('here', 6.0)" in shown


def test_the_debugger_can_stop_at_the_first_line(project: Project) -> None:
    project.run(c=0.0)

    shown = session(project, "p 'given', xs, c\nc = 2.0\nc\n", stop_first=True, interactive=False)

    assert "draw = random.random()" in shown
    assert "('given', [0.0, 1.0, 2.0, 3.0], 0.0)" in shown


def test_leaving_the_debugger_is_no_failure(project: Project) -> None:
    project.run(c=0.0)

    assert "failure: None" in session(project, "q\n", stop_first=True)

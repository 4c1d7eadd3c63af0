"""Loops, mapped pipelines and trees on the command line: a few lines for much, and every turn where one asks for it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk.cli.board import Board
from ropewalk.cli.console import Terminal
from ropewalk.cli.display import Display
from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.artifact import Failure, Usage
from ropewalk.core.graph import Body, Graph, Node, TaskSpec, make_graph
from ropewalk.core.special import Loop
from ropewalk.core.state import RunState
from ropewalk.engine.scheduler import Step
from tests.e2e.cli_runner import masked, on_terminal, project, ropewalk

PIPELINE = """
from pathlib import Path
from ropewalk import context, each, loop, pipeline, reduce, task

@task
def start(seed: int = 3) -> float:
    return float(seed)

@task
def nearer(x: float, target: float = 10.0) -> float:
    print("nearer than", x)
    context().log_metric("gap", target - x)
    if x == 9.125 and Path("bad").exists():
        raise ValueError("too near")
    return x + (target - x) / 2

@task
def stores() -> list[dict]:
    return [{"name": "berlin", "days": 1}, {"name": "paris", "days": 2}]

@task
def days(store: dict) -> list[int]:
    return list(range(store["days"]))

@task
def square(day: int) -> int:
    return day * day

@task
def total(parts: list[int]) -> int:
    return sum(parts)

@pipeline
def per_store(store: dict):
    return total(square(each(days(store))))

@pipeline
def grows(seed: int = 3):
    near = loop(nearer, start(seed), until=lambda x: x > 9.9, at_most=50)
    short = loop(lambda x: x_of(x), 1.0, until=lambda x: x > 99, at_most=2)
    sums = per_store(each(stores(), key="name"))
    return [near, short, reduce(total, sums, width=2)]

@task
def x_of(x: float) -> float:
    return 2 * x
"""

TARGET = "pipeline.py:grows"


def squeezed(text: str) -> str:
    """Text with columns one space apart."""
    return re.sub(" +", " ", text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path, PIPELINE)


def test_a_run_has_a_row_for_each_node_that_was_written(folder: Path) -> None:
    shown = masked(on_terminal("run", TARGET, cwd=folder).out)

    assert sorted(squeezed(shown).splitlines()[-8:-2]) == sorted(
        [
            " ✓ start 3.0 0.00s",
            " ✓ nearer ended after 7 turns · 9.9453125 0.00s",
            " ✓ loop stopped at at_most=2 · 4.0 0.00s",
            " ✓ stores 2 items 0.00s",
            " ✓ per_store 2 items 0.00s",
            " ✓ total 1 call · 1 0.00s",
        ]
    )
    again = squeezed(masked(on_terminal("run", TARGET, cwd=folder).out))
    assert " = nearer ended after 7 turns · 9.9453125 · cached from run 1" in again


def test_without_a_terminal_every_task_run_has_a_line(folder: Path) -> None:
    lines = masked(ropewalk("run", TARGET, cwd=folder).out).splitlines()

    assert "run=1 task=nearer/3/nearer state=succeeded duration=0.000 gap=1.750" in lines
    assert "run=1 task=nearer state=succeeded turns=7 duration=0.000" in lines
    assert "run=1 task=per_store/paris/days state=succeeded duration=0.000" in lines


def test_a_failure_inside_is_told_once_with_the_turn_that_it_was_in(folder: Path) -> None:
    (folder / "bad").touch()

    done = ropewalk("run", TARGET, cwd=folder)

    assert done.code == 1
    assert done.err.count("error[") == 1
    assert "error[P301]: task `nearer/4/nearer` failed: ValueError: too near" in done.err
    assert "= in turn 4 of `nearer`" in done.err
    assert "go on in turn 4 of `nearer`, keeping" in done.err
    rows = squeezed(ropewalk("show", cwd=folder).out)
    assert "✗ nearer failed in turn 4 of at most 50" in rows
    assert "✗ 4/nearer ValueError: too near" in rows


def test_a_resumed_loop_goes_on_in_the_turn_where_it_was(folder: Path) -> None:
    (folder / "bad").touch()
    ropewalk("run", TARGET, cwd=folder)
    (folder / "bad").unlink()

    done = ropewalk("resume", "last", "-v", cwd=folder)

    began = [line.split()[1] for line in done.out.splitlines() if "state=running" in line and "nearer/" in line]
    assert began == ["task=nearer/4/nearer", "task=nearer/5/nearer", "task=nearer/6/nearer", "task=nearer/7/nearer"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("grown"), PIPELINE)
    assert ropewalk("run", TARGET, cwd=folder).code == 0
    return folder


def test_show_counts_what_is_inside_and_opens_it_when_asked(ran: Path) -> None:
    run, loop = squeezed(ropewalk("show", cwd=ran).out), ropewalk("show", "1/nearer", cwd=ran).out

    assert " ✓ nearer ended after 7 turns · 9.9453125" in run
    assert "nearer/3" not in run
    assert [line.split()[1] for line in loop.splitlines() if "✓ " in line and "/nearer" in line] == [
        f"{turn}/nearer" for turn in range(1, 8)
    ]


def test_show_of_a_turn_of_an_item_and_of_a_task_inside(ran: Path) -> None:
    turn = ropewalk("show", "1/nearer/3", cwd=ran).out
    item = ropewalk("show", "1/per_store/paris", cwd=ran).out
    inner = ropewalk("show", "1/per_store/paris/square/1", cwd=ran).out

    assert turn.startswith("nearer/3  turn 3 of `nearer`  run 1")
    assert "✓ square 2 items" in squeezed(item)
    assert inner.startswith("per_store/paris/square[1]  run 1")
    assert item.startswith("per_store[paris]  run 1")
    assert ropewalk("show", "1/per_store[1]", cwd=ran).out == item


CITIES = """
from ropewalk import each, pipeline, task

@task
def visit(city: str) -> int:
    if city == "rome":
        raise ValueError("closed")
    return len(city)

@pipeline
def journey():
    return visit(each(["oslo", "rome"], key=str))
"""


def test_items_with_keys_are_called_by_them_in_every_line(tmp_path: Path) -> None:
    folder = project(tmp_path, CITIES)

    ran = ropewalk("run", cwd=folder)

    assert "task=visit item=rome state=failed" in ran.out
    assert "task `visit[rome]` failed" in ran.err
    assert "1 of 2 items; first: [rome]" in ran.err
    assert "ropewalk debug 1/visit/rome " in ran.err
    assert [text.split()[0] for text in ropewalk("show", "1/visit", cwd=folder).out.splitlines()[1:]] == [
        "[rome]", "[oslo]",
    ]  # fmt: skip


def test_a_turn_that_there_was_not_is_refused(ran: Path) -> None:
    done = ropewalk("show", "1/nearer/8", cwd=ran)

    assert (done.code, "its turns are 1 to 7" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("logs", "1/nearer/3"), "nearer/3/nearer | nearer than 8.25"),
        (("logs", "1/nearer/3/nearer"), "nearer than 8.25"),
        (("artifacts", "1/nearer/3"), "1/nearer/3/nearer result"),
        (("artifacts", "1/per_store/paris/days"), "1/per_store/paris/days"),
        (("metrics", "1/nearer"), "3/nearer 1.750"),
        (("why", "1/nearer"), "`nearer` ended after 7 turns, since its condition held, in run 1"),
        (("why", "1/loop"), "`loop` took 2 turns, as many as at_most=2 allows, in run 1"),
        (("why", "1/nearer/3/nearer"), "inputs x = nearer/2/nearer@1 (8.25)"),
        (("lineage", "1/per_store[0]"), "1/per_store/berlin/total code"),
        (("debug", "1/nearer/3/nearer", "--no-debugger"), "it did not fail this time: 9.125"),
    ],
)
def test_commands_reach_what_is_inside(ran: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = ropewalk(*arguments, cwd=ran)

    assert (done.code, done.err.count("error[")) == (0, 0)
    assert expected in squeezed(done.out + done.err)


def test_json_says_where_a_node_is(ran: Path) -> None:
    found = {task["task"]: task for task in json.loads(ropewalk("show", "1", "--json", cwd=ran).out)["tasks"]}

    assert found["nearer/3/nearer"]["inside"] == {"task": "nearer", "item": "", "turn": 3}
    assert found["per_store/paris/total"]["inside"] == {"task": "per_store", "item": "paris", "turn": None}
    assert "inside" not in found["nearer"]


def test_names_inside_are_completed_once_their_owner_is_named(ran: Path) -> None:
    def offered(text: str) -> list[str]:
        env = {"COMP_WORDS": f"ropewalk show {text}", "COMP_CWORD": "2", "_ROPEWALK_COMPLETE": "bash_complete"}
        return [line.removeprefix("plain,") for line in ropewalk(cwd=ran, env=env).out.split()]

    assert offered("1/nea") == ["1/nearer"]
    assert offered("1/nearer/7") == ["1/nearer/7/nearer"]


def test_a_plan_foresees_the_turns(ran: Path) -> None:
    same, other = (ropewalk("plan", TARGET, *more, cwd=ran).out for more in ((), ("-p", "seed=4")))

    assert "= nearer     cached  7 turns, from run 1" in same
    assert "loop, at most 50 turns, 7 in run 1; input may change: start" in other


def test_a_parameter_of_a_task_in_a_body_can_be_given(ran: Path) -> None:
    done = ropewalk("run", TARGET, "-p", "nearer.target=9.95", "--json", cwd=ran)

    loop = next(task for task in json.loads(done.out)["tasks"] if task["task"] == "nearer")
    assert loop["outputs"]["result"]["preview"].startswith("9.9")
    refused = ropewalk("plan", TARGET, "-p", "nearer.x=1", cwd=ran)
    assert "it takes what the turn or item is given" in refused.err


def test_a_loop_that_is_forced_executes_its_turns(ran: Path) -> None:
    ropewalk("run", TARGET, cwd=ran)

    done = json.loads(ropewalk("run", TARGET, "--force", "nearer", "--json", cwd=ran).out)

    by_name = {task["task"]: task for task in done["tasks"]}
    assert (by_name["nearer/3/nearer"]["ran"], by_name["per_store/paris/total"]["ran"]) == (1, 0)


def test_a_drawing_marks_owners_and_tells_what_is_inside(folder: Path) -> None:
    drawn = ropewalk("graph", TARGET, cwd=folder).out
    mermaid = ropewalk("graph", TARGET, "--format", "mermaid", cwd=folder).out

    assert "nearer ⟲ ≤50" in drawn
    assert "total ⋏2" in drawn
    assert "inside nearer until nearer > 9.9: nearer" in drawn
    assert "inside per_store: days → square[*] → total" in drawn
    assert 'subgraph n4["per_store[*]"]' in mermaid


def test_runs_that_differ_inside_are_compared_without_a_line_for_each_turn(ran: Path) -> None:
    ropewalk("run", TARGET, "-p", "seed=5", cwd=ran)

    lines = ropewalk("diff", "1", "last", cwd=ran).out.splitlines()

    assert sum("/nearer" in line for line in lines if "gap" not in line) <= 6
    assert any("per_store" in line and "same result" in line for line in lines)


STEP = TaskSpec("step", "m:f")


def looping() -> Graph:
    inner = Node("loop/*/step", "step", {"x": ex.Slot("x")})
    loop = Node("loop", "loop", {"start": ex.constant(0)}, special=Loop(1_000))
    bodies = {"loop": Body({inner.id: inner}, ex.Ref(inner.id), ("x",))}
    return make_graph("many", {"step": STEP, "loop": TaskSpec("loop", "")}, {"loop": loop}, bodies=bodies)


def turns(state: RunState, count: int, *, last: ev.Event | None = None) -> Iterator[Step]:
    """The steps of a loop; the last turn is under way, or ends as said."""
    yield _step(state, [ev.Opened("loop", 1)])
    arg: ex.Expr = ex.constant(0)
    for turn in range(1, count + 1):
        name = f"loop/{turn}/step"
        yield _step(state, [ev.Expanded("loop", 0, turn, {"x": arg}), ev.Opened(name, 1)])
        yield _step(state, [ev.Started(name, (0,), turn, "w")])
        if turn < count:
            yield _step(state, [ev.Succeeded(name, 0, turn, "k", {}, Usage(0.01))])
        elif last is not None:
            yield _step(state, [last])
        arg = ex.Ref(name)


def _step(state: RunState, batch: list[ev.Event]) -> Step:
    for event in batch:
        state.apply(event)
    return Step(batch, [], state)


def test_three_hundred_turns_take_two_rows() -> None:
    state = RunState(looping())
    board = Board(state)
    for step in turns(state, 300):
        board.take(step)

    lines = Display(board, Terminal(io.StringIO())).lines(40)

    assert len(lines) == 3
    assert lines[0].split()[:4] == ["●", "loop", "turn", "300"]
    assert lines[1].split()[:2] == ["●", "300/step"]
    assert lines[2].startswith("  0 of 1 task done · 1 running")


def test_an_owner_does_not_count_beside_what_is_inside() -> None:
    state = RunState(looping())
    board = Board(state)
    broken = Failure("exception", "ValueError: odd")
    for step in turns(state, 3, last=ev.AttemptFailed("loop/3/step", 0, 3, broken)):
        board.take(step)
    board.take(_step(state, [ev.AttemptFailed("loop", 0, 0, Failure("part", "`loop/3/step` failed"))]))

    lines = Display(board, Terminal(io.StringIO())).lines(40)

    assert board.ran == 2
    assert "failed in turn 3 of at most 1,000" in lines[0]
    assert lines[1].split()[:4] == ["✗", "3/step", "ValueError:", "odd"]
    assert "1 failed" in lines[2]

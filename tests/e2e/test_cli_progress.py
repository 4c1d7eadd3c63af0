"""What is seen while a run goes on: few lines for many items, a block no higher than the window, never in the way."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.cli.board import Board
from ropewalk.cli.console import Terminal, cells
from ropewalk.cli.display import Display
from ropewalk.cli.plain import Plain, line
from ropewalk.cli.rows import DETAIL_CELLS, Line, bar, describe, lay_out, line_of
from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef, Failure, Usage
from ropewalk.core.graph import Graph, MapSpec, Node, TaskSpec, make_graph
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import FAILED
from ropewalk.engine.executors.base import Progress as Told
from ropewalk.engine.scheduler import Step
from ropewalk.store.runs import Run
from tests.e2e.cli_runner import masked, on_terminal, plain, project, ropewalk, waiting_project

ITEMS = 10_000
BROKEN = Failure("exception", "ValueError: odd", "builtins.ValueError", file="a.py", line=3)


def make_run() -> Run:
    return Run(7, "two-words", "many", "", "", "", {}, {}, 0, "running", 0.0, None, 0, 1, {}, "", {})


def chain(count: int, mapped: str = "") -> Graph:
    """Tasks one after another; the one called `mapped` has many items."""
    names = [f"t{i}" for i in range(count)]
    nodes = {}
    for i, name in enumerate(names):
        bindings: dict[str, ex.Expr] = {"x": ex.Ref(names[i - 1])} if i else {"x": ex.constant([1])}
        nodes[name] = Node(name, "task", bindings, map=MapSpec("zip", ("x",)) if name == mapped else None)
    return make_graph("many", {"task": TaskSpec("task", "m:f")}, nodes)


def steps(state: RunState, batches: Iterable[list[ev.Event]]) -> Iterator[Step]:
    for batch in batches:
        for event in batch:
            state.apply(event)
        yield Step(batch, [], state)


def ready(node: str, length: int) -> list[ev.Event]:
    return [ev.Opened(node, length), ev.Started(node, tuple(range(length)), 1, "w")]


def done(node: str, items: Iterable[int]) -> list[ev.Event]:
    return [ev.Succeeded(node, item, 1, "k", {}, Usage(0.01)) for item in items]


def open_ready(state: RunState, node: str) -> None:
    run = state.nodes[node]
    run.states = bytearray([1]) * run.length
    run.counts = [0, run.length, 0, 0, 0, 0, 0]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def many_items(chunk: int, pause_s: float, failing: frozenset[int] = frozenset()) -> list[str]:
    """The lines for 10,000 items that end in chunks."""
    state = RunState(chain(1, "t0"))
    board, clock, lines = Board(state), Clock(), list[str]()
    shown = Plain(make_run(), board, lines.append, clock=clock)
    state.apply(ev.Opened("t0", ITEMS))
    open_ready(state, "t0")
    batches: list[list[ev.Event]] = [[ev.Started("t0", tuple(range(ITEMS)), 1, "w")]]
    for start in range(0, ITEMS, chunk):
        items = range(start, min(start + chunk, ITEMS))
        good = done("t0", [i for i in items if i not in failing])
        batches.append([*good, *(ev.AttemptFailed("t0", i, 1, BROKEN) for i in items if i in failing)])
    for step in steps(state, batches):
        clock.now += pause_s
        shown.tell(step, board.take(step))
    return lines


def test_ten_thousand_items_are_two_lines_when_they_end_quickly() -> None:
    assert masked("\n".join(many_items(500, 0.01))).split("\n") == [
        "run=7 pipeline=many event=start",
        "run=7 task=t0 state=running items=10000",
        "run=7 task=t0 state=succeeded items=10000 duration=0.000",
    ]


def test_slow_items_are_told_of_every_five_seconds_and_no_more_often() -> None:
    lines = many_items(100, 1.0)  # a hundred seconds

    progress = [text for text in lines if "done=" in text]
    assert 17 <= len(progress) <= 20
    assert progress[0] == "run=7 task=t0 state=running done=500 items=10000"


def test_of_many_failures_the_first_five_are_told_and_all_are_counted() -> None:
    lines = many_items(500, 0.01, frozenset(range(0, ITEMS, 2)))

    assert [text for text in lines if "error=" in text] == [
        f'run=7 task=t0 item={item} state=failed error="ValueError: odd"' for item in (0, 2, 4, 6, 8)
    ]
    assert "state=failed items=10000 failed=5000" in lines[-1]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"run": 3, "item": None}, "run=3"),
        ({"error": "two words"}, 'error="two words"'),
        ({"error": 'a"b'}, 'error="a\\"b"'),
        ({"error": "line\nbreak"}, 'error="line\\nbreak"'),
        ({"text": ""}, 'text=""'),
        ({"duration": 0.1}, "duration=0.100"),
        ({"a": "x=y"}, 'a="x=y"'),
    ],
)
def test_a_line_is_key_and_value_pairs_that_can_be_taken_apart(fields: dict[str, Any], text: str) -> None:
    assert line(**fields) == text


def display(board: Board, width: int = 80) -> Display:
    return Display(board, Terminal(io.StringIO(), width=width, live=True))


@given(st.integers(1, 60), st.integers(1, 50), st.integers(1, 140))
def test_the_live_block_fits_into_the_window(count: int, height: int, width: int) -> None:
    state = RunState(chain(count))
    board = Board(state)
    for step in steps(state, [[ev.Opened("t0", 1)]]):
        board.take(step)

    lines = display(board, width).lines(height)

    assert len(lines) <= max(2, height - 1)


def test_in_a_small_window_what_runs_and_what_failed_comes_first() -> None:
    state = RunState(chain(50))
    board = Board(state)
    for node in ("t0", "t30", "t40"):
        state.apply(ev.Opened(node, 1))
        open_ready(state, node)
    batches = [
        [ev.Started("t0", (0,), 1, "w"), *done("t0", [0])],
        [ev.Started("t40", (0,), 1, "w"), ev.AttemptFailed("t40", 0, 1, BROKEN)],
        [ev.Started("t30", (0,), 2, "w")],
    ]
    for step in steps(state, batches):
        board.take(step)

    names = [text.split()[1] for text in display(board).lines(10)[:-1]]

    assert names == ["t40", "t30"]
    assert display(board).lines(10)[-1].startswith("  2 of 50 tasks done · 1 running · 1 failed · ")


def test_a_mapped_task_is_one_row_with_a_bar() -> None:
    state = RunState(chain(2, "t1"))
    board = Board(state)
    state.apply(ev.Opened("t1", 4))
    open_ready(state, "t1")
    batch: list[ev.Event] = [ev.Started("t1", (0, 1, 2, 3), 1, "w"), *done("t1", [0, 1])]
    for step in steps(state, [batch]):
        board.take(step)

    rows = display(board).lines(24)

    assert "●" in rows[1]
    assert "██████████░░░░░░░░░░ 2 of 4" in rows[1]


def test_what_a_task_says_of_its_progress_is_a_bar() -> None:
    state = RunState(chain(1))
    board = Board(state)
    state.apply(ev.Opened("t0", 1))
    open_ready(state, "t0")
    state.apply(ev.Started("t0", (0,), 1, "w"))
    board.take(Step([], [Told("t0", 0, 25, 100)], state))

    assert line_of(board.rows["t0"], lambda _: {}).detail == f"{bar(1, 4)} 25 of 100"


def test_a_row_costs_what_happens_to_it_and_not_what_the_run_is() -> None:
    """Counted, not timed: handling one event looks at one row of a thousand."""
    state = RunState(chain(1_000))
    board = Board(state)
    looked_at: list[str] = []
    rows = board.rows

    class Watched(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            looked_at.append(key)
            return rows[key]

    board.rows = Watched(rows)
    for step in steps(state, [[ev.Opened("t0", 1)]]):
        assert board.take(step) == ["t0"]

    assert set(looked_at) == {"t0"}


def test_metrics_come_with_their_change_and_results_with_their_preview() -> None:
    outputs = {"model": ArtifactRef("d", 3174, "pickle", "Model"), "auc": ArtifactRef("d", 3, "json", "float", "0.9")}

    assert describe(outputs, {"accuracy": 0.947, "loss@1": 3.0}, {"accuracy": 0.967}) == (
        "accuracy 0.947 (−0.020) · model 3.1 KiB · auc 0.9"
    )
    assert describe({"result": ArtifactRef("d", 3, "json", "NoneType", "None")}, {}, {}) == ""


@pytest.mark.parametrize(
    ("done_", "total", "full"), [(0, 4, 0), (1, 4, 5), (4, 4, 20), (9, 4, 20), (0, 0, 20), (-1, 4, 0)]
)
def test_a_bar_is_never_longer_than_its_frame(done_: float, total: float, full: int) -> None:
    assert bar(done_, total) == "█" * full + "░" * (20 - full)


def test_columns_are_aligned_as_in_a_list() -> None:
    lines = [Line("succeeded", "load", "150 rows × 5", "0.02s"), Line("skipped", "report", "skipped (needs train)", "")]

    shown = lay_out(lines, Terminal(io.StringIO()))

    assert shown == [f"  ✓ load      {'150 rows × 5':<{DETAIL_CELLS}}0.02s", "  - report    skipped (needs train)"]


@given(st.lists(st.builds(Line, st.sampled_from(["succeeded", "failed"]), st.text("abc", max_size=40),
                          st.text("abc ", max_size=90), st.sampled_from(["", "0.02s", "3h 10m"])), min_size=1),
       st.integers(40, 120))  # fmt: skip
def test_rows_keep_to_the_width_of_the_window(lines: list[Line], width: int) -> None:
    assert max(map(cells, lay_out(lines, Terminal(io.StringIO(), width=width)))) <= width


def test_counts_follow_the_state() -> None:
    state = RunState(chain(1, "t0"))
    board = Board(state)
    state.apply(ev.Opened("t0", 3))
    open_ready(state, "t0")
    batch: list[ev.Event] = [
        ev.Started("t0", (0, 1), 1, "w"), *done("t0", [0]), ev.AttemptFailed("t0", 1, 1, BROKEN),
        ev.Reused("t0", 2, "k", {}, 5, 1.5),
    ]  # fmt: skip
    for step in steps(state, [batch]):
        board.take(step)

    assert (board.ran, board.cached, board.count(FAILED), board.saved_s) == (1, 1, 1, 1.5)
    assert (board.rows["t0"].state, board.rows["t0"].source) == ("failed", 5)


def test_the_same_failure_of_many_items_is_one_block(tmp_path: Path) -> None:
    source = """
from ropewalk import each, pipeline, task

@task
def half(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    if x == 4:
        raise KeyError(x)
    return x // 2

@task
def total(xs: list[int]) -> int:
    return sum(xs)

@pipeline
def halves():
    return total(half(each(list(range(20)))))
"""
    done_ = ropewalk("run", cwd=project(tmp_path, source))

    assert done_.code == 1
    assert done_.err.count("error[P301]") == 2
    assert "task `half[1]` failed: ValueError: 1 is odd" in done_.err
    assert "= 10 of 20 items; first: [1]" in done_.err
    assert "= 1 of 20 items; first: [4]" in done_.err
    assert "ropewalk debug 1/half/1 " in done_.err


def test_at_most_five_distinct_errors_are_told(tmp_path: Path) -> None:
    tasks = "\n".join(f"@task\ndef t{i}() -> int:\n    raise ValueError({i})\n" for i in range(8))
    calls = "\n".join(f"    t{i}()" for i in range(8))
    source = f"from ropewalk import pipeline, task\n{tasks}\n@pipeline\ndef many():\n{calls}\n"

    done_ = ropewalk("run", "-q", cwd=project(tmp_path, source))

    assert done_.err.count("error[P301]") == 5
    assert "and 3 more distinct errors: ropewalk show 1" in done_.err


def test_a_finished_list_replaces_the_live_block(tmp_path: Path) -> None:
    waiting_project(tmp_path)
    (tmp_path / "under-way").unlink()

    def let_go_when_drawn(text: str) -> bool:
        if "● wait" not in plain(text):
            return False
        (tmp_path / "go").write_text("")
        return True

    done_ = on_terminal("run", cwd=tmp_path, when=let_go_when_drawn, send=b"")

    assert masked(done_.out).endswith(
        "  ✓ first    1 0.00s\n  ✓ wait     1 0.00s\n  ✓ after    1 0.00s\n"
        "✓ Succeeded in 0.00s · 3 run, 0 cached\n  compare:  ropewalk run -p start=2\n"
    )


def test_what_cannot_be_shown_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the rule that progress is never in the way: with a planted mistake the run succeeds."""
    from ropewalk.cli.main import main

    def broken(*_: object) -> list[str]:
        raise KeyError("planted")

    monkeypatch.setattr(Board, "take", broken)
    monkeypatch.chdir(project(tmp_path))

    code = main(["run", "demo", "--executor", "inline", "-q"])

    monkeypatch.undo()
    assert code == 70  # the mistake is reported, once the run is over
    assert '"state": "succeeded"' in ropewalk("runs", "--json", cwd=tmp_path).out

"""Runs with grown nodes that are continued, tolerated, lost and cancelled at awkward moments."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from ropewalk import each, loop, pipeline, reduce, task
from ropewalk.artifacts import materialize
from ropewalk.author.pipeline import Pipeline, trace
from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.code import CodeFingerprint
from ropewalk.engine import attempt
from ropewalk.engine.changed import changed_nodes
from ropewalk.engine.client import Options
from ropewalk.engine.scheduler import Step
from ropewalk.store import runs
from ropewalk.testing.invariants import end_problems, problems
from tests.engine.live import Live, note


@task
def numbers(count: int) -> list[int]:
    return list(range(count))


@task
def odd_fails(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


@task
def ten_times(x: int) -> int:
    return 10 * x


@task
def total(parts: list[int | None]) -> int:
    return sum(p for p in parts if p is not None)


@task(cache=False)
def once(x: int, ledger: str, fails_from: int = 99) -> int:
    note(ledger, x)
    if x >= fails_from:
        raise ValueError(f"no {x}")
    return x + 1


class Crash(BaseException):
    """As if the scheduler was killed."""


@task
def flaky(x: int, ledger: str) -> int:
    """Fails until its file is there."""
    if not Path(f"{ledger}-ok").exists():
        raise ValueError("not yet")
    return x


def sound(live: Live, number: int) -> list[str]:
    with live.client() as client:
        run = runs.get(client.db, number)
        state = client.state(run)
        return [*problems(client.db, number), *(end_problems(state) if state.finished else [])]


# partial_ok


@pipeline
def tens(x: int):
    return ten_times(x)


@pipeline
def checked_tens(x: int):
    return ten_times(odd_fails(x))


@pipeline
def follows_item_by_item(count: int = 4):
    return tens(each(odd_fails(each(numbers(count)))))


def test_a_mapped_pipeline_follows_item_by_item(tmp_path: Path) -> None:
    result = Live(tmp_path).run(follows_item_by_item, "inline")

    assert result.nodes["tens"] == {"succeeded": 2, "skipped": 2}
    assert not sound(Live(tmp_path), result.number)


@pipeline
def tree_of_what_there_is():
    return reduce(total, odd_fails.options(partial_ok=0.5)(each(numbers(4))), width=2)


def test_a_tree_over_a_list_of_which_some_may_fail_takes_none_in_their_place(tmp_path: Path) -> None:
    result = Live(tmp_path).run(tree_of_what_there_is, "inline")

    assert (result.state, result.output) == ("succeeded", 2)


# changed


def side_by_side(amount: int) -> Pipeline[..., Any]:
    @pipeline(name="side_by_side")
    def made():
        def step(x: int) -> int:
            return ten_times(x)

        def step_2(x: int) -> int:
            return once(x, "", amount)

        return [loop(step, 1, at_most=2), loop(step_2, 2, at_most=3)]

    return made


def test_a_change_inside_a_loop_leaves_another_one_with_a_shorter_name() -> None:
    assert changed_nodes(side_by_side(50).graph(), side_by_side(51).graph()) == ("step_2",)


def bounded(turns: int) -> Pipeline[..., Any]:
    @pipeline(name="bounded")
    def made(ledger: str):
        return flaky(loop(ten_times, 1, at_most=turns), ledger)

    return made


def test_a_loop_with_another_bound_is_not_kept(tmp_path: Path) -> None:
    live = Live(tmp_path)
    assert live.run(bounded(2), "inline", ledger=live.ledger).state == "failed"
    Path(f"{live.ledger}-ok").touch()

    result = live.resume(bounded(3), "inline", ledger=live.ledger)

    assert result.output == 1000
    assert not sound(live, result.number)


def deep(unrelated: int) -> Pipeline[..., Any]:
    @pipeline
    def innermost(x: int, ledger: str):
        return flaky(x, ledger)

    @pipeline(name="deep")
    def made(ledger: str):
        ten_times(unrelated)

        def middle(x: int) -> int:
            return total(innermost(each([x]), ledger=ledger))

        def gate(x: int) -> int:
            return loop(middle, flaky(x, ledger), at_most=2)

        return loop(gate, 1, at_most=2)

    return made


def test_bodies_inside_of_bodies_are_known_after_a_resume_with_another_graph(tmp_path: Path) -> None:
    live = Live(tmp_path)
    assert live.run(deep(1), "inline", ledger=live.ledger).state == "failed"
    Path(f"{live.ledger}-ok").touch()

    result = live.resume(deep(2), "inline", ledger=live.ledger)

    assert (result.state, result.output) == ("succeeded", 1), result.failures
    assert not sound(live, result.number)


@pipeline
def some_of(count: int, ledger: str):
    return total(shaky.options(partial_ok=0.4)(each(numbers(count)), ledger))


@task
def shaky(x: int, ledger: str) -> int:
    if x == 1 and not Path(f"{ledger}-ok").exists():
        raise ValueError("not yet")
    return x


@pipeline
def tolerant_inside(ledger: str):
    made = some_of(each([3, 4]), ledger=ledger)
    return [total(made), flaky(1, ledger)]


def test_an_owner_is_gathered_again_when_what_it_returns_comes_out_differently(tmp_path: Path) -> None:
    live = Live(tmp_path)
    first = live.run(tolerant_inside, "inline", ledger=live.ledger)
    assert first.state == "failed"
    Path(f"{live.ledger}-ok").touch()

    result = live.resume(tolerant_inside, "inline", ledger=live.ledger)

    assert (result.state, result.output) == ("succeeded", [9, 1])
    assert not sound(live, result.number)


@pipeline
def kept_items(ledger: str):
    def turns(x: int) -> int:
        return once(x, ledger, 3)

    return loop(turns, each([0, 2]), at_most=2)


def test_items_of_an_owner_that_succeeded_are_not_begun_again(tmp_path: Path) -> None:
    live = Live(tmp_path)
    assert live.run(kept_items, "inline", ledger=live.ledger).state == "failed"
    before = sorted(live.done())

    result = live.resume(kept_items, "inline", ledger=live.ledger)

    assert sorted(live.done()) == sorted([*before, "3"])
    assert not sound(live, result.number)


# what a dynamic task kept


@task
def weight(frame: pd.DataFrame, by: int) -> int:
    return int(frame["x"].sum()) * by


@pipeline
def weighed(frame: pd.DataFrame, by: int):
    return weight(frame, by)


@task(dynamic=True)
def weigh_all() -> int:
    return total(weighed(pd.DataFrame({"x": range(5000)}), each([1, 2])))


@pipeline
def keeps_a_frame():
    return weigh_all()


@pytest.mark.parametrize("at", range(1, 6))
def test_what_a_dynamic_task_kept_for_nodes_inside_of_its_own_is_made_again_when_it_is_lost(
    tmp_path: Path, at: int
) -> None:
    live, steps = Live(tmp_path), itertools.count(1)

    def lose(_: Step) -> None:
        if next(steps) == at:
            for blob in (live.home / "blobs").rglob("*"):
                blob.unlink() if blob.is_file() else None

    result = live.run(keeps_a_frame, "inline", listener=lose)

    assert (result.state, result.output) == ("succeeded", 37492500)


# effects


class Pair(NamedTuple):
    left: int
    right: int


@task
def pair(x: int) -> Pair:
    return Pair(x, 10 * x)


def take_back(x: int, ledger: str, result: int) -> None:
    note(ledger, f"undo {x} {result}")


@task(undo=take_back)
def put(x: int, ledger: str) -> int:
    note(ledger, f"put {x}")
    return x


@task
def gives_up(parts: list[int], ledger: str) -> int:
    return flaky.fn(sum(parts), ledger)


@pipeline
def puts_a_part_of_each(ledger: str):
    return gives_up(put(each(pair(each([1, 2])).right), ledger), ledger)


def test_an_undo_is_given_the_part_of_the_item_that_its_task_was_given(tmp_path: Path) -> None:
    live = Live(tmp_path)

    live.run(puts_a_part_of_each, "inline", ledger=live.ledger)

    assert live.done() == ["put 10", "put 20", "undo 20 20", "undo 10 10"]


@pipeline
def puts_turn_by_turn(ledger: str):
    return gives_up([loop(lambda x: put(x, ledger), 1, at_most=3)], ledger)


def test_effects_of_turns_that_begin_anew_are_not_looked_for(tmp_path: Path) -> None:
    live = Live(tmp_path)

    def crash(step: Step) -> None:
        if any(isinstance(e, ev.Succeeded) for e in step.events):
            raise Crash

    work = trace(puts_turn_by_turn, {"ledger": live.ledger})
    key = next(key for key in work.graph.tasks if "put" in key)
    spec = replace(work.graph.tasks[key], code=CodeFingerprint("changed"))
    changed = replace(work, graph=replace(work.graph, tasks={**work.graph.tasks, key: spec}))
    with live.client() as client:
        with pytest.raises(Crash):
            client.run(work, Options("inline"), crash)

        result = client.resume(runs.find(client.db, "last"), changed, Options("inline"))

        assert result.state == "failed"
        assert live.done()[-3:] == ["undo 1 1"] * 3
        assert not problems(client.db, result.number)


# rows


def test_a_run_that_is_taken_up_after_everything_was_undone_has_no_rows_of_before(tmp_path: Path) -> None:
    live = Live(tmp_path)
    assert live.run(puts_a_part_of_each, "inline", ledger=live.ledger).state == "failed"

    def crash(_: Step) -> None:
        raise Crash

    with pytest.raises(Crash):
        live.resume(puts_a_part_of_each, "inline", crash, ledger=live.ledger)

    with live.client() as client:
        assert not problems(client.db, 1)


@pipeline
def squares(x: int, ledger: str):
    return total(shaky(each(numbers(x)), ledger))


@pipeline
def of_squares(ledger: str):
    return squares(each([2, 3]), ledger=ledger)


def shorter(ledger: str) -> Callable[..., Any]:
    """As `numbers`, but it fails, so that nodes that are named as before have no items any more."""

    def fails(count: int) -> list[int]:
        raise ValueError("no numbers")

    return fails


def test_nodes_that_come_into_being_again_leave_no_rows_of_those_before(tmp_path: Path) -> None:
    live = Live(tmp_path)
    work = trace(of_squares, {"ledger": live.ledger})
    key = next(key for key in work.graph.tasks if "numbers" in key)
    spec = replace(work.graph.tasks[key], code=CodeFingerprint("changed"))
    broken = replace(
        work,
        graph=replace(work.graph, tasks={**work.graph.tasks, key: spec}),
        functions={**work.functions, key: shorter(live.ledger)},
    )
    with live.client() as client:
        assert client.run(work, Options("inline")).state == "failed"

        result = client.resume(runs.find(client.db, "last"), broken, Options("inline"))

        assert result.state == "failed"
        assert not problems(client.db, result.number)


# cost


@pipeline
def long_list(count: int):
    return total(tens(each(numbers(count))))


def test_an_item_of_a_list_is_given_to_a_worker_without_the_list(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(materialize, "INLINE_MAX_BYTES", -1)
    live, loaded = Live(tmp_path), Counter[str]()

    def count(ref: ArtifactRef, blobs: Any) -> Any:
        loaded[ref.digest] += 1
        return materialize.load(ref, blobs)

    monkeypatch.setattr(attempt, "load", count)
    live.run(long_list, "inline", count=50)

    assert max(loaded.values()) == 1

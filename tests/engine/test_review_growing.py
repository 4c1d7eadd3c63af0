"""Runs with grown nodes that are continued, tolerated, lost and cancelled at awkward moments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ropewalk import Retry, approval, cross, each, first_of, loop, pipeline, reduce, task, when
from ropewalk.author.pipeline import Pipeline, trace
from ropewalk.core import events as ev
from ropewalk.engine.changed import changed_nodes
from ropewalk.engine.client import Options
from ropewalk.store import runs
from ropewalk.testing.invariants import end_problems, problems
from tests.engine.live import Live, Watch, note


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


@pipeline
def side_loops(a: int = 3):
    return [loop(ten_times, 1, at_most=a), loop(ten_times, 2, at_most=3)]


def test_a_change_of_one_loop_leaves_another_with_a_longer_name(tmp_path: Path) -> None:
    def made(turns: int) -> Any:
        @pipeline(name="p")
        def p():
            return [loop(ten_times, 1, at_most=2), loop(lambda x: once(x, "", turns), 2, at_most=3)]

        return p.graph()

    def made2(turns: int) -> Any:
        @pipeline(name="p")
        def p():
            def step(x): return ten_times(x)
            def step_2(x): return once(x, "", turns)
            return [loop(step, 1, at_most=2), loop(step_2, 2, at_most=3)]

        return p.graph()

    assert changed_nodes(made2(50), made2(51)) == ("step_2", "result") or changed_nodes(made2(50), made2(51)) == ("step_2",)


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

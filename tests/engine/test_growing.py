"""Loops, mapped pipelines, trees and dynamic tasks: what they make, that each turn is kept, and that they go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ropewalk.author.pipeline import Pipeline
from ropewalk.core import events as ev
from ropewalk.core.graph import Graph
from ropewalk.testing.invariants import end_problems, problems
from tests.engine import grown
from tests.engine.live import Live, Watch, both_executors

every_pipeline = pytest.mark.parametrize("made", grown.ALL, ids=lambda p: p.name)


@every_pipeline
def test_it_makes_what_it_makes_as_a_function(tmp_path: Path, made: Pipeline[..., Any]) -> None:
    live = Live(tmp_path)

    result = live.run(made, "inline")

    assert result.state == "succeeded", result.failures
    assert result.output == made()
    assert not [node for node in result.nodes if "*" in node]
    with live.client() as client:
        assert not problems(client.db, result.number)
        assert not end_problems(client.state(result.run))


@every_pipeline
def test_a_second_run_executes_nothing(tmp_path: Path, made: Pipeline[..., Any]) -> None:
    live, watch = Live(tmp_path), Watch()
    before = live.run(made, "inline").output

    result = live.run(made, "inline", listener=watch)

    assert result.output == before
    assert not [e for e in watch.events if isinstance(e, ev.Started)]


@every_pipeline
def test_its_graph_survives_being_written(made: Pipeline[..., Any]) -> None:
    graph = made.graph()

    assert Graph.from_json(graph.to_json()) == graph


@pytest.mark.parametrize(("count", "width"), [(0, 2), (1, 2), (2, 2), (3, 2), (16, 4), (17, 4)])
def test_a_tree_has_one_root_for_any_number_of_items(tmp_path: Path, count: int, width: int) -> None:
    result = Live(tmp_path).run(grown.a_tree, "inline", count=count, width=width)

    assert result.output == sum(n * n for n in range(count))


@both_executors
def test_a_loop_that_failed_goes_on_in_the_turn_it_was_in(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    result = live.run(grown.stumbling, executor, ledger=live.ledger, at=3)
    assert result.state == "failed"
    assert result.failures["stumbles/4/stumbles" if "stumbles" in result.nodes else "loop/4/stumbles"]

    again = live.resume(grown.stumbling, executor, ledger=live.ledger, at=3)

    assert again.state == "failed"
    assert live.done() == ["turn 0", "turn 1", "turn 2", "turn 3", "turn 3"]


def test_equal_turns_are_not_taken_for_one_another(tmp_path: Path) -> None:
    watch = Watch()

    Live(tmp_path).run(grown.a_loop_that_stands_still, "inline", listener=watch)

    assert len([e for e in watch.events if isinstance(e, ev.Succeeded)]) == 4


def test_each_turn_is_committed_before_the_next_begins(tmp_path: Path) -> None:
    watch = Watch()

    Live(tmp_path).run(grown.a_loop, "inline", listener=watch)

    turns = [(type(e).__name__, e.node) for e in watch.events if isinstance(e, (ev.Started, ev.Succeeded))]
    inner = [t for t in turns if "/" in t[1]]
    assert inner == [
        (kind, f"nearer/{n}/nearer") for n in range(1, len(inner) // 2 + 1) for kind in ("Started", "Succeeded")
    ]


def test_an_item_that_fails_leaves_the_others(tmp_path: Path) -> None:
    live = Live(tmp_path)

    result = live.run(grown.one_bad_store, "inline")

    assert result.state == "failed"
    assert result.nodes["checked"] == {"succeeded": 3, "failed": 1}
    assert list(result.failures) == ["checked[2]", "checked/2/check"]


def test_what_a_skipped_branch_returns_is_skipped(tmp_path: Path) -> None:
    result = Live(tmp_path).run(grown.some_skipped, "inline")

    assert result.state == "succeeded"
    assert result.nodes["only_long"] == {"succeeded": 2, "skipped": 2}


def test_items_with_keys_are_called_by_them(tmp_path: Path) -> None:
    live = Live(tmp_path)

    result = live.run(grown.keyed, "inline")

    assert result.output == grown.keyed()
    assert {"one_shop/berlin/address", "one_shop/new-york/address"} < set(result.nodes)
    with live.client() as client:
        nodes = client.state(result.run).nodes
    assert nodes["address"].labels == nodes["days_of"].labels == ("berlin", "new-york")


def test_turns_that_begin_anew_take_what_the_run_had_computed_before(tmp_path: Path) -> None:
    live, watch = Live(tmp_path), Watch()
    assert live.run(grown.with_second_step(grown.fails_late), "inline", ledger=live.ledger).state == "failed"
    before = live.done()

    result = live.resume(grown.with_second_step(grown.never_fails), "inline", ledger=live.ledger, listener=watch)

    assert result.output == 4
    assert before == [f"turn {x}" for x in range(3)]
    assert live.done() == [f"turn {x}" for x in range(4)]
    with live.client() as client:
        assert not problems(client.db, result.number)


def test_a_condition_that_cannot_be_worked_out_is_named_with_its_turn(tmp_path: Path) -> None:
    result = Live(tmp_path).run(grown.until_that_fails, "inline")

    assert result.state == "failed"
    assert result.failures["described"].message == "`until` cannot be worked out after turn 1: KeyError: 'missing'"

"""The order of a run comes from its graph's wishes and from what its nodes took in earlier runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ropewalk.core.graph import Graph, Node, make_graph
from ropewalk.core.policy import Order, Policy, RunPolicy
from ropewalk.core.timing import Timing
from ropewalk.engine.ordering import order_of
from ropewalk.plan.order import Ranking
from ropewalk.store import history
from ropewalk.store.database import Database, open_database
from ropewalk.store.history import Expectation
from ropewalk.testing.store_suite import new_run
from tests.core.builders import graph, node, task

GRAPH = graph(node("load"), node("fast", "load"), node("slow", "load"), node("end", "fast", "slow"))
MIDNIGHT = 1_767_225_600.0  # 2026-01-01T00:00Z


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = open_database(tmp_path / "store.db")
    yield made
    made.close()


def ran(db: Database, made: Graph, source: int | None = None, **seconds: list[float] | float) -> int:
    """A run whose nodes took so long, item by item; "/" in a name is written as "__"."""
    number = new_run(db, made).number
    for name, given in seconds.items():
        times, node_id = given if isinstance(given, list) else [given], name.replace("__", "/")
        db.many("node_run_put", [(number, node_id, len(times))])
        ends = (None, "", "{}")  # failure, detail, metrics
        rows = [
            (number, node_id, item, "succeeded", 1, "key", "{}", source, 0.0, 1.0, wall_s, 0.0, 0, *ends)
            for item, wall_s in enumerate(times)
        ]
        db.many("task_run_put", rows)
    return number


def ordered(made: Graph, order: Order) -> Graph:
    return replace(made, policy=RunPolicy(order=order))


def test_without_history_the_longest_chain_of_tasks_goes_first(db: Database) -> None:
    made = graph(node("lonely"), node("a"), node("b", "a"))

    ranks = order_of(db, made, 2, 0.0)

    assert ranks("a") < ranks("lonely") == ranks("b")


def test_what_took_long_before_goes_first(db: Database) -> None:
    ran(db, GRAPH, load=1.0, fast=1.0, slow=9.0, end=1.0)

    assert order_of(db, GRAPH, 2, 0.0).ranks == {"load": (-11.0,), "fast": (-2.0,), "slow": (-10.0,), "end": (-1.0,)}


def test_a_mapped_node_counts_with_as_many_items_as_the_last_time(db: Database) -> None:
    ran(db, GRAPH, load=1.0, fast=[2.0] * 2, slow=9.0, end=1.0)
    ran(db, GRAPH, load=1.0, fast=[2.0] * 30, slow=9.0, end=1.0)

    assert order_of(db, GRAPH, 3, 0.0)("fast") == (-21.0,)


def test_a_new_call_is_taken_to_be_as_long_as_others_of_its_task(db: Database) -> None:
    tasks = {"train": task("train"), "score": task("score")}
    nodes = [Node("t1", "train"), Node("t2", "train"), Node("s", "score"), Node("x", "score")]
    made = make_graph("test", tasks, {n.id: n for n in nodes})
    ran(db, made, t1=8.0, s=2.0)

    assert order_of(db, made, 9, 0.0).ranks == {"t1": (-8.0,), "t2": (-8.0,), "s": (-2.0,), "x": (-2.0,)}


def test_a_node_with_nodes_of_its_own_takes_what_these_take(db: Database) -> None:
    """Each of its task runs, on average; `slowly` only begins like it."""
    ran(db, GRAPH, slow=[0.0, 0.0], slow__0__fit=3.0, slow__1__fit=4.0, slow__1__fit__0__x=1.0, slowly=99.0)

    assert history.expectations(db, "test", ["slow"]) == {"slow": Expectation(2, 4.0)}


def test_the_newest_twenty_task_runs_of_ten_runs_count(db: Database) -> None:
    ran(db, GRAPH, load=1000.0)
    for _ in range(9):
        ran(db, GRAPH, load=5.0, fast=1.0)
    assert history.expectations(db, "test", ["load"])["load"].item_s == pytest.approx((1000 + 9 * 5) / 10)

    ran(db, GRAPH, fast=[3.0] * 50)

    found = history.expectations(db, "test", ["load", "fast", "never"])
    assert found == {"load": Expectation(1, 5.0), "fast": Expectation(50, 3.0), "never": Expectation(None, None)}


def test_what_was_reused_counts_as_long_as_it_took_where_it_was_computed(db: Database) -> None:
    first = ran(db, GRAPH, load=7.0)
    ran(db, GRAPH, first, load=7.0)

    assert history.expectations(db, "test", ["load"])["load"] == Expectation(1, 7.0)


def test_other_pipelines_teach_nothing(db: Database) -> None:
    ran(db, replace(GRAPH, name="other"), load=7.0)

    assert history.expectations(db, "test", ["load"])["load"] == Expectation(None, None)


def test_deadlines_are_moments_or_durations_and_the_run_has_one_too(db: Database) -> None:
    def due(node_id: str, deadline: str) -> Node:
        return node(node_id, policy=Policy(timing=Timing(deadline=deadline)))

    moment = due("moment", "2026-01-01T01:30:00+01:00")
    made = graph(node("none"), moment, due("duration", "10m"), due("later", "5h"))
    made = replace(made, policy=RunPolicy(order="deadline", deadline="2h"))

    ranks = order_of(db, made, 2, MIDNIGHT)

    assert {name: rank[0] for name, rank in ranks.ranks.items()} == {
        "none": 7200.0, "moment": 1800.0, "duration": 600.0, "later": 7200.0,
    }  # fmt: skip


def test_priorities_are_those_of_the_nodes(db: Database) -> None:
    made = ordered(graph(node("a"), node("b", policy=Policy(priority=3))), "priority")

    ranks = order_of(db, made, 2, 0.0)

    assert ranks("b") < ranks("a")


def test_first_come_first_served_asks_for_no_history(db: Database) -> None:
    db.close()

    assert order_of(db, ordered(GRAPH, "fifo"), 2, 0.0) == Ranking()

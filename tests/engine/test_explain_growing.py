"""Plans, explanations, lineage and comparisons of runs in which nodes come into being."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk.core.errors import NotFoundError
from ropewalk.core.nesting import nested, spot_of, template_of
from ropewalk.engine.explain.compare import diff
from ropewalk.engine.explain.lineage import lineage
from ropewalk.engine.explain.why import why
from ropewalk.store import tasks
from tests.engine.explained import Project, project_in

FLOW = """
from ropewalk.author.bodies import loop, reduce

@task
def start(seed: int) -> float:
    return float(seed)

@task
def nearer(x: float, target: float = 10.0) -> float:
    if x == 9.125 and BAD:
        raise ValueError("too near")
    return x + (target - x) / 2

@task
def stores() -> list[str]:
    return ["a", "bb", "ccc"]

@task
def days(store: str) -> list[int]:
    return list(range(len(store)))

@task
def square(day: int) -> int:
    return day * day

@task
def total(parts: list[int]) -> int:
    return sum(parts)

@pipeline
def per_store(store: str):
    return total(square(each(days(store))))

@task
def report(near: float, sums: list[int], one: int) -> str:
    return f"{near} {sums} {one}"

@pipeline
def flow(seed: int = 3):
    near = loop(nearer, start(seed), until=lambda x: x > 9.9, at_most=50)
    sums = per_store(each(stores()))
    return report(near, sums, reduce(total, sums, width=2))

BAD = False
"""
TURNS = 7


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_in(tmp_path) as made:
        made.write(FLOW)
        yield made


def test_a_run_that_changes_nothing_is_foreseen_to_the_last_turn(project: Project) -> None:
    project.run()

    plan = project.plan()

    assert plan.to_run == plan.maybe == 0
    assert plan["nearer"].note == "7 turns, from run 1"
    assert plan["per_store"].note == "3 items, from run 1"
    assert plan["nearer"].counts == {"reuse": TURNS}
    rows = tasks.listing(project.client.db, project.run().run.number)
    assert plan.cached == sum(row.source is not None for row in rows)


def test_what_is_planned_to_run_is_what_runs(project: Project) -> None:
    project.run()
    project.edit("return day * day", "return day * day + 0")

    plan = project.plan()
    executed = project.executed(project.run())

    assert plan["per_store"].action == "run"
    assert plan["per_store"].reasons[0] == "mapped pipeline, 3 items"
    assert plan["per_store"].reasons[1].startswith("item 0: code changed")
    assert plan["nearer"].action == "reuse"
    assert executed == {"per_store/0/square", "per_store/1/square", "per_store/2/square"}


def test_a_loop_whose_start_is_not_known_is_expected_to_be_like_the_last_time(project: Project) -> None:
    project.run()

    row = project.plan(seed=4)["nearer"]

    assert (row.action, row.counts) == ("maybe", {"maybe": TURNS})
    assert row.reasons[0] == "loop, at most 50 turns, 7 in run 1"
    assert row.estimate_s is not None
    assert row.estimate_s > 0


def test_a_first_plan_says_what_will_grow(project: Project) -> None:
    plan = project.plan()

    assert {row.action for row in plan.rows} == {"run"}
    assert plan["nearer"].note == "loop, at most 50 turns; never run"
    assert plan["total"].note == "tree, 2 at a time; never run"


def test_a_loop_that_failed_is_planned_from_the_turn_in_which_it_did(project: Project) -> None:
    project.write(FLOW.replace("BAD = False", "BAD = True"))
    assert project.run().state == "failed"

    row = project.plan()["nearer"]

    assert row.counts == {"run": 1, "reuse": 3}
    assert row.reasons == ("loop, at most 50 turns", "turn 4: failed in run 1")


DYNAMIC = """
@task
def double(x: int) -> int:
    return 2 * x

@task(dynamic=True)
def spread(count: int) -> int:
    return total([double(i) for i in range(count)])

@task
def total(parts: list[int]) -> int:
    return sum(parts)

@pipeline
def flow(counts: list[int] = [1, 2]):
    return total(spread(each(counts)))
"""


def test_what_a_task_decides_on_is_planned_once_it_is_known(project: Project) -> None:
    project.write(DYNAMIC)
    before = project.plan()
    run = project.run()

    after = project.plan()

    assert [(row.node, row.action) for row in before.rows] == [
        ("spread/build", "run"), ("spread", "run"), ("total", "run"),
    ]  # fmt: skip
    assert (run.output, after.to_run, after.maybe) == (2, 0, 0)
    assert after["spread"].note == "2 items, from run 1"


def test_why_of_a_loop_says_how_it_ended_and_what_its_result_is(project: Project) -> None:
    run = project.run().run

    found = why(project.client, run, "nearer")

    assert found.title == "`nearer` ended after 7 turns, since its condition held, in run 1"
    assert found.facts == ("inside of it: 7 executed", "its result is that of `nearer/7/nearer`")


def test_why_of_a_turn_compares_the_parts_of_its_key(project: Project) -> None:
    project.run()

    found = why(project.client, project.run(seed=5).run, "nearer/2/nearer")

    assert found.state == "executed"
    assert found.reasons == ("input changed: nearer/1/nearer",)
    assert {part.kind: part.verdict for part in found.parts}["code"] == "same"


def test_why_of_what_failed_inside_is_told_of_its_owner_and_of_what_was_skipped(project: Project) -> None:
    project.write(FLOW.replace("BAD = False", "BAD = True"))
    run = project.run().run

    owner, skipped = why(project.client, run, "nearer"), why(project.client, run, "report")

    assert owner.title == "`nearer` failed in run 1, since `nearer/4/nearer` failed: ValueError: too near"
    assert skipped.title == "`report` was skipped, because `nearer/4/nearer` failed: ValueError: too near"
    assert owner.failure is not None
    assert owner.failure == skipped.failure


def test_lineage_goes_through_owners_to_what_made_the_result(project: Project) -> None:
    run = project.run().run

    steps = {step.id for step in lineage(project.client, f"{run.number}/report").steps}

    assert {f"1/nearer/{turn}/nearer" for turn in range(1, TURNS + 1)} <= steps
    assert {"1/total/1/2.0", "1/per_store/2/total", "1/per_store/2/square[*]", "1/stores"} <= steps
    assert steps.isdisjoint({"1/nearer", "1/per_store[*]", "1/total"})


def test_lineage_of_a_task_inside_and_of_an_item(project: Project) -> None:
    project.run()

    inner, item = lineage(project.client, "1/total/1/1.0"), lineage(project.client, "1/per_store[2]")

    assert inner.made_by == ("1/total/1/1.0",)
    assert item.made_by == ("1/per_store/2/total",)
    assert "1/report" in {f"{use.run}/{use.node}" for use in item.used_by}
    with pytest.raises(NotFoundError):
        lineage(project.client, "1/per_store/7/total")


def test_runs_that_differ_in_a_turn_are_compared_inside(project: Project) -> None:
    first, second = project.run().run, project.run(seed=5).run

    found = diff(project.client, first, second)
    by_name = {node.node: node for node in found.nodes}

    assert [str(change) for change in found.params] == ["seed 3 → 5"]
    assert found.first == "start"
    assert by_name["nearer/1/nearer"].owner == "nearer"
    assert by_name["nearer/1/nearer"].outputs == by_name["nearer"].outputs == "different"
    assert (by_name["nearer"].before, by_name["per_store"].after) == ("7 executed", "12 reused")
    assert found.graph == ()


def test_what_changed_in_a_body_is_a_change_of_the_graph(project: Project) -> None:
    first = project.run().run
    project.edit("until=lambda x: x > 9.9, at_most=50", "until=lambda x: x > 9.5, at_most=40")

    found = diff(project.client, first, project.run().run)

    assert [line.split(": ", 1)[0] for line in found.graph] == ["nearer", "nearer"]
    assert "at most 50 turns → loop, at most 40 turns" in found.graph[0]
    assert "9.9" in found.graph[1]
    assert "9.5" in found.graph[1]


def test_names_tell_where_a_node_is(project: Project) -> None:
    nodes = project.client.run_graph(project.run().run).nodes

    turn, item = spot_of("nearer/3/nearer", nodes), spot_of("per_store/1/square", nodes)

    assert (str(turn), str(item)) == ("turn 3 of `nearer`", "item 1 of `per_store`")
    assert spot_of("nearer", nodes) is None
    assert template_of("per_store/1/square", nodes) == "per_store/*/square"
    assert template_of("total/1/2.0", nodes) == "total/*"


def test_what_is_inside_stands_beside_its_owner(project: Project) -> None:
    nodes = project.client.run_graph(project.run().run).nodes

    down, up = nested(nodes), nested(nodes, inside_first=True)

    assert down[down.index("nearer") + 1] == "nearer/1/nearer"
    assert up[up.index("nearer") - 1] == "nearer/7/nearer"
    assert sorted(down) == sorted(up) == sorted(nodes)
    assert [n for n in down if "/" not in n] == [n for n in up if "/" not in n] == [n for n in nodes if "/" not in n]


def test_the_graph_of_a_run_without_owners_is_the_one_that_was_written(project: Project) -> None:
    project.write("@task\ndef one() -> int:\n    return 1\n\n@pipeline\ndef flow():\n    return one()\n")
    run = project.run().run

    assert project.client.run_graph(run) == project.client.graph(run.graph)

"""A plan says in words, in JSON and in notebooks what it holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ropewalk.core.policy import Order
from ropewalk.plan.plan import Plan, PlanRow

LOAD = PlanRow("load", "reuse", {"reuse": 1}, 1, sources=(3,), saved_s=2.0)
TRAIN = PlanRow(
    "train", "run", {"run": 1}, 1, ("parameter changed: train.c 1.0 → 0.1",), estimate_s=0.25, critical=True
)
SCORE = PlanRow("score", "run", {"run": 3, "reuse": 97}, 100, ("input changed: 3 of 100 items of models",), (3, 1))
REPORT = PlanRow("report", "maybe", {"maybe": 1}, 1, ("input may change: train",))
PLAN = Plan(
    "iris", (LOAD, TRAIN, SCORE, REPORT), 3, ("train.c 1.0 → 0.1",), 2, 0.3, 0.25, (), (3, 2), 2.0, ("train", "report")
)


def test_counts_are_of_task_runs() -> None:
    assert (PLAN.to_run, PLAN.maybe, PLAN.cached) == (4, 1, 98)


def test_the_summary_tells_what_the_estimate_is_judged_by() -> None:
    assert PLAN.summary == "4 to run, 1 perhaps to run, 98 cached · about 0.30s, judging by the last 2 runs"


def test_a_node_whose_task_runs_differ_is_told_in_numbers() -> None:
    assert SCORE.label == "3 to run, 97 cached"
    assert LOAD.label == "cached"


def test_the_note_of_a_reused_node_names_the_run_that_computed_it() -> None:
    assert LOAD.note == "from run 3"
    assert PlanRow("x", "reuse", {"reuse": 9}, 9, sources=(9, 8, 7, 6)).note == "from run 9, 8, 7…"


def test_as_text_it_has_a_line_for_each_node() -> None:
    lines = str(PLAN).splitlines()

    assert lines[0] == "iris — changed since run 3: train.c 1.0 → 0.1"
    assert lines[2] == "  ▸ train   will run             parameter changed: train.c 1.0 → 0.1"
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("plan", "title"),
    [
        (Plan("iris", (TRAIN,)), "iris — has not run before"),
        (Plan("iris", (LOAD,), since=3), "iris — nothing has changed since run 3"),
        (Plan("iris", (TRAIN,), since=3), "iris — compared with what ran since run 3"),
    ],
)
def test_the_title_tells_what_it_is_compared_with(plan: Plan, title: str) -> None:
    assert plan.title == title


def test_tasks_without_history_make_the_estimate_a_lower_bound() -> None:
    plan = Plan("iris", (TRAIN, REPORT), 3, (), 1, 2.0, 2.0, ("report",), (3,))

    assert plan.summary.endswith("at least 2.0s (report never timed), judging by the last run")
    assert Plan("iris", (TRAIN,), unknown=("train",)).summary.endswith("never timed")


ORDERS: dict[Order, float] = {"critical-path": 12.0, "deadline": 12.0, "priority": 13.0, "fifo": 14.0}


def test_the_order_is_told_with_when_all_is_done_in_it() -> None:
    plan = replace(PLAN, orders_s=ORDERS)

    assert plan.order_note == "critical-path, about 12.0s on 2 workers (fifo: about 14.0s)"
    assert str(plan).splitlines()[-1] == f"  order: {plan.order_note}"
    assert replace(plan, order="fifo", workers=1).order_note == "fifo, about 14.0s on 1 worker"
    assert plan.to_json()["orders_s"]["priority"] == 13.0


def test_where_nothing_was_timed_the_order_tells_what_it_goes_by() -> None:
    plan = replace(PLAN, orders_s=ORDERS, judged_by=())

    assert plan.order_note == "critical-path, by the number of tasks in a chain"
    assert replace(plan, order="fifo").order_note == "fifo"


def test_where_nothing_is_left_to_do_no_order_is_told() -> None:
    assert Plan("iris", (LOAD,), judged_by=(3,), orders_s=ORDERS).order_note == ""


def test_a_plan_is_json() -> None:
    data = json.loads(json.dumps(PLAN.to_json()))

    assert data["rows"][1]["reasons"] == ["parameter changed: train.c 1.0 → 0.1"]
    assert data["counts"] == {"run": 4, "fail": 0, "maybe": 1, "reuse": 98, "skip": 0}
    assert data["critical_path"] == ["train", "report"]


def test_in_a_notebook_names_are_escaped_and_the_critical_path_is_marked() -> None:
    row = PlanRow("<b>", "run", {"run": 1}, 1, ("parameter changed: <b>.x '<script>' → 1",), critical=True)

    page = Plan("iris", (row,))._repr_html_()

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "on the critical path" in page


def test_an_unknown_node_is_no_row() -> None:
    assert PLAN["train"] is TRAIN
    with pytest.raises(KeyError):
        PLAN["nothing"]

"""What a plan says is what a run then does, and the reasons that it gives are the real ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.core.policy import RunPolicy
from ropewalk.core.state import RunState
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.explain.planning import make_plan
from ropewalk.engine.owner import this_process
from ropewalk.engine.prepare import Preparer
from ropewalk.plan.order import POLICIES
from ropewalk.plan.plan import Plan
from ropewalk.store import runs, tasks
from ropewalk.testing.graphs import FUNCTIONS, Shape, random_graph
from tests.engine.explained import INLINE, Project, executed_items, project_in, random_edit

FLOW = """
from features import scale

@task
def load(rows: int) -> list[float]:
    return [float(n) for n in range(rows)]

@task
def train(xs: list[float], c: float = 1.0) -> float:
    return sum(scale(x) for x in xs) * c

@task
def report(model: float) -> str:
    return f"model {model}"

@pipeline
def flow(rows: int = 3, c: float = 1.0):
    return report(train(load(rows), c=c))
"""
FEATURES = "FACTOR = 2\n\n\ndef scale(x):\n    return x * FACTOR\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_in(tmp_path) as made:
        made.write(FLOW, features=FEATURES)
        yield made


def actions(plan: Plan) -> dict[str, str]:
    return {row.node: row.action for row in plan.rows}


def test_a_pipeline_that_never_ran_is_planned_without_making_a_store(project: Project) -> None:
    plan = project.plan()

    assert actions(plan) == {"load": "run", "train": "run", "report": "run"}
    assert {row.reasons for row in plan.rows} == {("never run",)}
    assert plan.since is None
    assert plan.unknown == ("load", "train", "report")
    assert not project.client.home.root.exists()


def test_the_estimate_is_that_of_the_order_that_the_pipeline_has(project: Project) -> None:
    project.run()
    work = project.work(c=2.0)

    plans = {
        order: make_plan(project.client, replace(work, graph=replace(work.graph, policy=RunPolicy(order=order))))
        for order in POLICIES
    }

    assert {order: plan.order for order, plan in plans.items()} == {order: order for order in POLICIES}
    assert all(plan.estimate_s == plan.orders_s[order] > 0 for order, plan in plans.items())
    assert plans["priority"].order_note.startswith("priority, about ")


def test_planning_writes_nothing_and_executes_nothing(project: Project) -> None:
    project.run()
    before = {path: path.stat().st_mtime_ns for path in project.folder.rglob("*") if path.suffix != ".db-shm"}

    project.plan(c=2.0)

    after = {path: path.stat().st_mtime_ns for path in project.folder.rglob("*") if path.suffix != ".db-shm"}
    assert after == before
    assert [run.number for run in runs.listing(project.client.db)] == [1]


def test_when_nothing_changed_everything_is_reused_from_the_run_that_computed_it(project: Project) -> None:
    project.run()
    project.run()

    plan = project.plan()

    assert set(actions(plan).values()) == {"reuse"}
    assert {row.sources for row in plan.rows} == {(1,)}
    assert plan.title == "flow — nothing has changed since run 2"
    assert plan.saved_s > 0
    assert plan.estimate_s == 0


def test_a_changed_helper_is_named_with_its_file_and_line(project: Project) -> None:
    project.run()
    project.edit("x * FACTOR", "x + FACTOR", "features")

    plan = project.plan()

    assert actions(plan) == {"load": "reuse", "train": "run", "report": "maybe"}
    [reason] = plan["train"].reasons
    assert reason.startswith("code changed: ")
    assert reason.endswith("features.py:4 scale()")
    assert plan["report"].reasons == ("input may change: train",)


def test_a_changed_parameter_is_named_with_both_values(project: Project) -> None:
    project.run()

    plan = project.plan(c=0.1)

    assert plan["train"].reasons == ("parameter changed: train.c 1.0 → 0.1",)
    assert plan.changed == ("c 1.0 → 0.1",)


def test_an_override_is_a_changed_parameter_of_its_task(project: Project) -> None:
    project.write(
        "@task\ndef train(c: float = 1.0) -> float:\n    return c\n\n@pipeline\ndef flow():\n    return train()\n"
    )
    project.run()

    plan = project.plan(overrides={"train.c": "0.1"})

    assert plan["train"].reasons == ("parameter changed: train.c 1.0 → 0.1",)
    assert plan.changed == ("train.c 1.0 → 0.1",)


def test_a_value_of_another_run_is_found_again(project: Project) -> None:
    project.run(c=1.0)
    project.run(c=2.0)

    plan = project.plan(c=1.0)

    assert set(actions(plan).values()) == {"reuse"}
    assert plan["train"].sources == (1,)
    assert plan.changed == ("c 2.0 → 1.0",)


def test_a_changed_input_is_named(project: Project) -> None:
    project.run()
    project.edit("return sum(", "return 1 + sum(")
    project.run()
    project.edit("return 1 + sum(", "return sum(")
    project.edit("model {model}", "the model {model}")

    plan = project.plan()

    assert actions(plan) == {"load": "reuse", "train": "reuse", "report": "run"}
    assert any(reason.startswith("code changed") for reason in plan["report"].reasons)
    assert "input changed: train" in plan["report"].reasons


def test_a_task_whose_code_was_never_seen_runs_whatever_its_inputs_will_be(project: Project) -> None:
    project.run()
    project.edit("return sum(", "return 1 + sum(")
    project.edit("model {model}", "the model {model}")

    plan = project.plan()

    assert actions(plan) == {"load": "reuse", "train": "run", "report": "run"}


def test_seed_version_and_cache_are_reasons(project: Project) -> None:
    project.write(
        "@task(cache=Cache(version='1'))\ndef a() -> int:\n    return 1\n\n@task\ndef b() -> int:\n    return 2\n\n"
        "@pipeline\ndef flow():\n    return a(), b()\n"
    )
    project.run()

    assert project.plan(replace(INLINE, seed=7))["a"].reasons == ("seed changed: 0 → 7",)
    assert project.plan(replace(INLINE, reuse=False))["b"].reasons == ("reuse off",)
    project.edit("version='1'", "version='2'")
    assert project.plan()["a"].reasons == ("version changed: '1' → '2'",)
    project.edit("cache=Cache(version='2')", "cache=False")
    assert project.plan()["a"].reasons == ("cache off",)


def test_an_environment_variable_that_was_declared_is_a_reason(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION", "north")
    project.write(
        "@task(cache=Cache(env=['REGION']))\ndef a() -> int:\n    return 1\n\n@pipeline\ndef flow():\n    return a()\n"
    )
    project.run()

    monkeypatch.setenv("REGION", "south")

    assert project.plan()["a"].reasons == ("environment variable REGION changed",)


def test_a_file_whose_content_changed_is_a_reason(project: Project) -> None:
    table = project.folder / "table.csv"
    table.write_text("1")
    project.write(
        "from pathlib import Path\n\n@task\ndef a(path: Path) -> str:\n    return path.read_text()\n\n"
        f"@pipeline\ndef flow(path: Path = Path({str(table)!r})):\n    return a(path)\n"
    )
    project.run()

    table.write_text("2")

    [reason] = project.plan()["a"].reasons
    assert reason.startswith("file ")
    assert reason.endswith("changed")


def test_results_expire_by_the_clock_that_is_handed_in(project: Project) -> None:
    project.write(
        "@task(cache=Cache(ttl='7d'))\ndef a() -> int:\n    return 1\n\n@pipeline\ndef flow():\n    return a()\n"
    )
    project.run()
    week = 7 * 86400.0

    assert actions(project.plan(now=time.time() + week - 60)) == {"a": "reuse"}
    assert project.plan(now=time.time() + week + 60)["a"].reasons == ("result expired (ttl 168h 00m)",)


def test_a_result_that_is_gone_from_the_store_is_a_reason(project: Project) -> None:
    project.write("@task\ndef a() -> str:\n    return 'x' * 10_000\n\n@pipeline\ndef flow():\n    return a()\n")
    run = project.run()
    [outputs] = run.artifacts("a")
    project.client.blobs.delete(outputs["result"].digest)

    assert project.plan()["a"].reasons == ("result is missing from the store",)


def test_a_damaged_result_that_decides_how_it_goes_on_counts_as_missing(project: Project) -> None:
    project.write(
        "@task\ndef a() -> list[str]:\n    return ['x' * 5000, 'y']\n\n"
        "@task\ndef b(x: str) -> int:\n    return len(x)\n\n"
        "@pipeline\ndef flow():\n    return b(each(a()))\n"
    )
    run = project.run()
    digest = run.artifacts("a")[0]["result"].digest
    path = project.client.blobs.path(digest)
    size = path.stat().st_size
    path.chmod(0o600)
    path.write_bytes(b"z" * size)

    plan = project.plan()

    assert actions(plan) == {"a": "run", "b": "maybe"}
    assert plan["a"].reasons == ("result is missing from the store",)


def test_of_a_mapped_task_only_the_new_items_run(project: Project) -> None:
    project.write(
        "@task\ndef square(x: int, c: int = 1) -> int:\n    return x * x * c\n\n"
        "@pipeline\ndef flow(last: int = 9):\n    return square(each(list(range(last + 1))))\n"
    )
    project.run()

    plan = project.plan(last=12)

    assert plan["square"].counts == {"run": 3, "reuse": 10}
    assert plan["square"].label == "3 to run, 10 cached"
    assert plan["square"].reasons[0].startswith("input changed: 3 of 13 items of")


def test_items_that_failed_are_told_from_new_ones(project: Project) -> None:
    project.write(
        "@task\ndef check(x: int) -> int:\n    assert x != 2, 'two'\n    return x\n\n"
        "@pipeline\ndef flow():\n    return check(each([1, 2, 3]))\n"
    )
    project.run()

    assert project.plan()["check"].counts == {"run": 1, "reuse": 2}
    assert project.plan()["check"].reasons == ("failed in run 1",)


def test_a_task_that_only_ever_failed_has_not_never_run(project: Project) -> None:
    project.edit("return sum(", "return 1 / 0 * sum(")
    project.run()

    plan = project.plan()

    assert plan["train"].reasons == ("failed in run 1",)
    assert plan["report"].reasons == ("never run",)


def test_a_branch_that_is_not_taken_is_skipped_and_says_why(project: Project) -> None:
    project.write(
        "@task\ndef score() -> int:\n    return 3\n\n@task\ndef good() -> str:\n    return 'good'\n\n"
        "@task\ndef bad() -> str:\n    return 'bad'\n\n@pipeline\ndef flow():\n    s = score()\n"
        "    with when(s > 5):\n        g = good()\n    with otherwise():\n        b = bad()\n"
        "    return first_of(g, b)\n"
    )
    before = project.plan()
    project.run()

    after = project.plan()

    assert actions(before) == {"score": "run", "good": "maybe", "bad": "maybe"}
    assert before["good"].reasons == ("only if score > 5", "never run")
    assert actions(after) == {"score": "reuse", "good": "skip", "bad": "reuse"}
    assert after["good"].reasons == ("its condition is false: score > 5",)


def test_inputs_that_cannot_be_worked_out_are_told_before_the_run(project: Project) -> None:
    project.write(
        "@task\ndef a() -> list[int]:\n    return [1, 2]\n\n@task\ndef b() -> list[int]:\n    return [1, 2, 3]\n\n"
        "@task\ndef add(x: int, y: int) -> int:\n    return x + y\n\n"
        "@task\ndef total(xs: list[int]) -> int:\n    return 0\n\n"
        "@pipeline\ndef flow():\n    return total(add(each(a()), each(b())))\n"
    )
    project.run()

    plan = project.plan()

    assert actions(plan) == {"a": "reuse", "b": "reuse", "add": "fail", "total": "skip"}
    assert "must have the same length" in plan["add"].reasons[0]
    assert plan["total"].reasons == ("needs add",)


def test_a_task_that_only_waits_for_another_is_known_though_that_one_runs(project: Project) -> None:
    project.write(
        "@task(cache=False)\ndef audit() -> int:\n    return 1\n\n@task\ndef load() -> int:\n    return 2\n\n"
        "@task\ndef publish(x: int) -> int:\n    return x\n\n"
        "@pipeline\ndef flow():\n    return publish(load()).after(audit())\n"
    )
    project.run()

    plan = project.plan()

    assert actions(plan) == {"audit": "run", "load": "reuse", "publish": "reuse"}


def test_equal_work_in_two_places_is_done_once(project: Project) -> None:
    project.write("@task\ndef a(x: int) -> int:\n    return x\n\n@pipeline\ndef flow():\n    return a(1), a(1)\n")

    plan = project.plan()
    run = project.run()

    assert sorted(actions(plan).values()) == ["maybe", "run"]
    [second] = [row for row in plan.rows if row.action == "maybe"]
    assert "computes the same" in second.reasons[0]
    assert len(project.executed(run)) == 1


def test_estimates_come_from_history_and_count_what_may_run(project: Project) -> None:
    project.run()
    project.run(c=2.0)

    plan = project.plan(c=3.0)

    rows = {row.node: row for row in tasks.listing(project.client.db, 2)}
    assert plan.judged_by == (2, 1)
    assert plan.critical_path == ("train", "report")
    assert plan["load"].estimate_s is None
    assert plan["train"].estimate_s > 0
    assert plan.estimate_s == pytest.approx(plan["train"].estimate_s + plan["report"].estimate_s)
    assert plan.least_s == pytest.approx(plan["train"].estimate_s)
    assert plan["train"].estimate_s <= max(rows["train"].wall_s, 1.0)
    assert "judging by the last 2 runs" in plan.summary


def test_the_estimate_of_a_map_grows_with_its_items(project: Project) -> None:
    project.write(
        "@task\ndef square(x: int) -> int:\n    return x * x\n\n"
        "@pipeline\ndef flow(last: int = 9):\n    return square(each(list(range(last))))\n"
    )
    project.run(last=10)
    project.edit("x * x", "x * x * x")

    few, many = project.plan(last=10)["square"], project.plan(last=100)["square"]

    assert many.estimate_s == pytest.approx(10 * few.estimate_s)


def test_the_worker_count_shortens_the_estimate_of_a_map(project: Project) -> None:
    project.write(
        "@task\ndef square(x: int) -> int:\n    return x * x\n\n"
        "@pipeline\ndef flow(last: int = 8):\n    return square(each(list(range(last))))\n"
    )
    project.run()
    project.edit("x * x", "x * x * x")

    one, four = (project.plan(Options(executor="processes", workers=n)) for n in (1, 4))

    assert one.estimate_s == pytest.approx(4 * four.estimate_s)


def test_work_that_another_run_is_doing_is_waited_for(project: Project) -> None:
    db = project.client.db
    work = project.work()
    other = runs.create(db, runs.NewRun(work.graph, dict(work.params), {}, "", 0, this_process(), {}), time.time())
    preparer = Preparer(0, RunState(work.graph), work.params, 0, project.client.load)
    key = preparer.key(preparer.prepare("load"), ())
    db.many("lease_put", [(other.number, 1, "load", "[0]", json.dumps([key]), "w", time.time())])

    plan = project.plan()

    assert actions(plan)["load"] == "maybe"
    assert plan["load"].reasons == (f"run {other.number} is computing it",)


# No retries, whose pauses are real here, and no two nodes with one key: which of them executes is a matter of moments.
ORDINARY = Shape(lenient=0.1, uncached=0.1, retried=0.0, shared=0.0)


@given(st.randoms(use_true_random=False), st.integers(1, 8))
@settings(max_examples=60)
def test_what_a_plan_calls_reused_is_never_executed(rng: Random, size: int) -> None:
    """Random graphs, random edits, the real engine: only `run` and `maybe` are executed, and `run` always is."""
    with TemporaryDirectory() as folder, Client(Path(folder) / "home") as client:
        work = Work(random_graph(rng, size, ORDINARY), dict(FUNCTIONS), {}, {})
        for _ in range(rng.randint(2, 5)):
            plan = make_plan(client, work, INLINE)
            run = client.run(work, INLINE)

            check(plan, client, run.run, strict=run.state == "succeeded")

            for _ in range(rng.randint(0, 2)):
                work = random_edit(rng, work)


def check(plan: Plan, client: Client, run: runs.Run, *, strict: bool) -> None:
    done = executed_items(client, run)
    states = {(row.node, row.item): row.state for row in tasks.listing(client.db, run.number)}
    for row in plan.rows:
        count = sum(node == row.node for node, _ in done)
        if row.action in ("reuse", "skip", "fail"):
            assert count == 0, (row, run.number)
        if row.action == "skip" and row.items:
            assert {s for (node, _), s in states.items() if node == row.node} == {"skipped"}, row
        if row.items is not None and row.action != "maybe":
            assert count <= row.counts.get("run", 0) + row.counts.get("maybe", 0), row
        if strict and row.action == "run" and row.items:
            assert count >= row.counts["run"], row


def test_the_check_convicts_a_plan_that_promises_too_much(tmp_path: Path) -> None:
    """Negative control: a plan that calls everything reused."""
    with Client(tmp_path / "home") as client:
        work = Work(random_graph(Random(1), 4, Shape(0, 0, 0, 0, 0, 0, 0, 0)), dict(FUNCTIONS), {}, {})
        plan = make_plan(client, work, INLINE)
        run = client.run(work, INLINE)
        rosy = replace(plan, rows=tuple(replace(row, action="reuse", counts={"reuse": 1}) for row in plan.rows))

        with pytest.raises(AssertionError):
            check(rosy, client, run.run, strict=True)

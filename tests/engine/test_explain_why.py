"""`why` names the real cause of what happened to a task run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ropewalk.core.errors import NotFoundError
from ropewalk.core.guard import Circuit, Starts
from ropewalk.core.state import RunState
from ropewalk.engine.explain.why import Explanation, why
from ropewalk.engine.owner import this_process
from ropewalk.engine.prepare import Preparer
from ropewalk.store import guards, runs
from tests.engine.explained import INLINE, Project, project_in

FLOW = """
from features import scale

@task
def load(rows: int) -> list[float]:
    return [float(n) for n in range(rows)]

@task(cache=Cache(ignore=["verbose"]))
def train(xs: list[float], c: float = 1.0, verbose: bool = False) -> float:
    return sum(scale(x) for x in xs) / c

@task
def report(model: float) -> str:
    return f"model {model}"

@task
def publish(text: str) -> str:
    return text

@pipeline
def flow(rows: int = 3, c: float = 1.0):
    return publish(report(train(load(rows), c=c)))
"""
FEATURES = "FACTOR = 2\n\n\ndef scale(x):\n    return x * FACTOR\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_in(tmp_path) as made:
        made.write(FLOW, features=FEATURES)
        yield made


def ask(project: Project, run: int, node: str, item: int = 0) -> Explanation:
    found = why(project.client, runs.get(project.client.db, run), node, item)
    json.dumps(found.to_json())
    return found


def verdicts(found: Explanation) -> dict[str, str]:
    return {part.kind: part.verdict for part in found.parts}


def test_a_reused_result_tells_what_its_key_covers_and_that_all_of_it_is_the_same(project: Project) -> None:
    project.run()
    project.run()

    found = ask(project, 2, "train")

    texts = {part.kind: part.text for part in found.parts}
    assert found.state == "reused"
    assert found.title == "`train` was taken from run 1, because nothing in its key changed"
    assert texts["code"] == "train, scale, FACTOR (2 functions, 1 constant, 2 files)"
    assert texts["inputs"] == "xs = load@1 ([0.0, 1.0, 2.0])"
    assert texts["params"] == "c=1.0"
    assert texts["seed"] == "0"
    assert set(verdicts(found).values()) == {"same"}


def test_parameters_that_the_author_ignores_are_listed_as_outside_the_key(project: Project) -> None:
    project.run()

    assert ask(project, 1, "train").outside == ("parameter verbose=False (ignored)",)
    assert ask(project, 1, "load").outside == ()


def test_an_executed_task_tells_what_changed_since_it_last_succeeded(project: Project) -> None:
    project.run()
    project.run(c=2.0)

    found = ask(project, 2, "train")

    assert found.state == "executed"
    assert found.reasons == ("parameter changed: train.c 1.0 → 2.0",)
    assert found.compared_with == 1
    assert verdicts(found) == {"code": "same", "inputs": "same", "params": "changed", "seed": "same"}


def test_what_follows_a_changed_task_names_it(project: Project) -> None:
    project.run()
    project.run(c=2.0)

    assert ask(project, 2, "report").reasons == ("input changed: train",)


def test_changed_code_is_named(project: Project) -> None:
    project.run()
    project.edit("FACTOR = 2", "FACTOR = 3", "features")
    project.run()

    found = ask(project, 2, "train")

    assert found.reasons[0].endswith("features.py:1 FACTOR")
    assert verdicts(found)["code"] == "changed"


def test_the_first_run_of_a_task_says_so(project: Project) -> None:
    project.run()

    assert ask(project, 1, "load").reasons == ("it had never succeeded before",)


def test_what_is_never_reused_says_so(project: Project) -> None:
    project.edit("@task\ndef load", "@task(cache=False)\ndef load")
    project.run()
    project.run()

    assert "cache=False" in ask(project, 2, "load").reasons[0]


def test_a_result_that_had_expired_says_so(project: Project) -> None:
    project.edit("@task\ndef load", "@task(cache=Cache(ttl=0))\ndef load")
    project.run()
    project.run()

    assert ask(project, 2, "load").reasons == ("the result of run 1 had expired (ttl 0.00s)",)


def test_a_run_without_reuse_says_so(project: Project) -> None:
    project.run()
    project.run(replace(INLINE, reuse=False))

    assert "not to be reused" in ask(project, 2, "load").reasons[0]


def test_a_failure_comes_with_its_story_and_what_changed_since_it_worked(project: Project) -> None:
    project.run()
    project.run(c=0.0)

    found = ask(project, 2, "train")

    assert found.state == "failed"
    assert found.title == "`train` failed in run 2: ZeroDivisionError: float division by zero"
    assert found.failure is not None
    assert found.failure.function == "train"
    assert "last success: run 1; since then parameter changed: train.c 1.0 → 0.0" in found.facts
    assert found.help[0].startswith("ropewalk debug 2/train")


def test_a_task_that_never_worked_says_so(project: Project) -> None:
    project.run(c=0.0)

    assert "it has never succeeded before" in ask(project, 1, "train").facts


def test_earlier_attempts_are_told(project: Project) -> None:
    project.write(
        "@task(retry=2)\ndef a() -> int:\n    raise ValueError(f'try {context().attempt}')\n\n"
        "@pipeline\ndef flow():\n    return a()\n"
    )
    project.run()

    found = ask(project, 1, "a")

    assert found.title == "`a` failed in run 1: ValueError: try 3"
    assert any(fact.startswith("attempt 3; before: ValueError: try 1") for fact in found.facts)


def test_a_skipped_task_is_traced_to_the_one_that_failed(project: Project) -> None:
    project.run(c=0.0)

    found = ask(project, 1, "publish")

    assert found.state == "skipped"
    assert found.title == ("`publish` was skipped, because `train` failed: ZeroDivisionError: float division by zero")
    assert found.facts == ("publish needs report needs train",)
    assert found.help == ("ropewalk why 1/train",)


def test_a_condition_that_was_false_is_shown_with_its_values(project: Project) -> None:
    project.write(
        "@task\ndef score() -> float:\n    return 0.65\n\n@task\ndef register() -> int:\n    return 1\n\n"
        "@task\ndef tell(x: int) -> int:\n    return x\n\n@pipeline\ndef flow():\n    s = score()\n"
        "    with when(s >= 0.7):\n        tell(register())\n"
    )
    project.run()

    found, after = ask(project, 1, "register"), ask(project, 1, "tell")

    assert found.title == "`register` was skipped, because its condition is false: score >= 0.7"
    assert found.facts == ("score = 0.65",)
    assert "its condition is false" in after.title


def test_an_item_is_explained_by_itself(project: Project) -> None:
    project.write(
        "@task\ndef check(x: int) -> int:\n    assert x != 2, 'two'\n    return x\n\n"
        "@task\ndef twice(x: int) -> int:\n    return 2 * x\n\n"
        "@pipeline\ndef flow():\n    return twice(each(check(each([1, 2, 3]))))\n"
    )
    project.run()

    assert ask(project, 1, "check", 1).title == "`check[1]` failed in run 1: AssertionError: two"
    assert ask(project, 1, "twice", 1).title == "`twice[1]` was skipped, because `check` failed: AssertionError: two"
    assert ask(project, 1, "twice", 2).state == "executed"


def test_a_result_found_under_another_name_says_which(project: Project) -> None:
    project.run()
    project.edit("def flow(rows", "def elsewhere():\n    return None\n\n@pipeline\ndef flow(rows")
    project.edit("publish(report(train(load(rows), c=c)))", "load.options(name='fetch')(rows)")
    project.run()

    assert "there it is `load`" in ask(project, 2, "fetch").facts


def test_a_cancelled_task_names_who_asked(project: Project) -> None:
    db = project.client.db
    work = project.work()
    gone = {**this_process(), "pid": 2**22 + 1}
    run = runs.create(db, runs.NewRun(work.graph, dict(work.params), {}, "", 0, gone, {}), time.time())
    project.client.cancel(run, "anna")

    found = ask(project, 1, "load")

    assert found.state == "cancelled"
    assert "anna" in found.title
    assert found.help == ("ropewalk resume 1",)


def test_what_has_not_begun_tells_what_it_waits_for(project: Project) -> None:
    db = project.client.db
    work = project.work()
    run = runs.create(db, runs.NewRun(work.graph, dict(work.params), {}, "", 0, this_process(), {}), time.time())
    preparer = Preparer(0, RunState(work.graph), work.params, 0, project.client.load)
    key = preparer.key(preparer.prepare("load"), ())
    db.many("node_run_put", [(run.number, "load", 1)])
    db.many("lease_put", [(run.number, 1, "load", "[0]", json.dumps([key]), "worker-1", time.time())])

    running, waiting = ask(project, 1, "load"), ask(project, 1, "train")

    assert (running.state, waiting.state) == ("running", "waiting")
    assert running.title == "`load` is running"
    assert "worker-1" in running.facts[0]
    assert waiting.title == "`train` waits for `load` (running)"


def test_a_run_that_nobody_drives_says_how_to_go_on(project: Project) -> None:
    work = project.work()
    gone = {**this_process(), "pid": 2**22 + 1}
    runs.create(project.client.db, runs.NewRun(work.graph, dict(work.params), {}, "", 0, gone, {}), time.time())

    found = ask(project, 1, "load")

    assert found.state == "ready"
    assert "nobody drives run 1 at present" in found.facts
    assert found.help == ("ropewalk resume 1",)


HELD = """
from ropewalk import breaker, limit

@task(not_before="2h")
def later() -> int:
    return 1

@task(guards=[limit("api", "1/h"), breaker("warehouse", failures=1, reset="1h")])
def called() -> int:
    return 1

@task
def free() -> int:
    return 1

@pipeline
def flow():
    return [later(), called(), free()]
"""


def test_what_is_held_back_says_by_what_and_until_when(project: Project) -> None:
    project.write(HELD)
    work, db, now = project.work(), project.client.db, time.time()
    runs.create(db, runs.NewRun(work.graph, dict(work.params), {}, "", 0, this_process(), {}), now)
    api, warehouse = work.graph.nodes["called"].policy.guards

    before = ask(project, 1, "called").title
    with db.transaction():
        guards.put(db, api, Starts(((now, 1),), 3600.0))
    limited = ask(project, 1, "called")
    with db.transaction():
        guards.put(db, api, Starts())
        guards.put(db, warehouse, Circuit(1, now))
    broken = ask(project, 1, "called")

    assert before == "`called` has its inputs and awaits a free worker"
    assert limited.title == '`called` has its inputs, and is held back by limit("api", "1/1h"), which is full'
    assert broken.title.endswith('by breaker("warehouse", failures=1, reset="1h"), which is open')
    assert broken.help == ("ropewalk guards reset warehouse",)
    assert ask(project, 1, "later").title.startswith("`later` has its inputs, and must not start before 20")
    assert ask(project, 1, "later").facts == ('not_before="2h"',)
    assert ask(project, 1, "free").title == "`free` has its inputs and awaits a free worker"


def test_a_name_that_is_not_there_is_met_with_a_suggestion(project: Project) -> None:
    project.run()

    with pytest.raises(NotFoundError, match="no task `trian`") as caught:
        ask(project, 1, "trian")
    assert caught.value.help == ("did you mean `train`?",)
    with pytest.raises(NotFoundError, match="no item 7"):
        ask(project, 1, "train", 7)

"""A replay repeats a run exactly, or names the task that cannot be repeated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ropewalk.core.errors import UsageError
from ropewalk.engine.client import Options
from ropewalk.engine.explain.replaying import Replay, replay
from ropewalk.engine.owner import this_process
from ropewalk.store import runs, tasks
from tests.engine.explained import INLINE, Project, executed, project_in

FLOW = """
import random
from pathlib import Path

@task
def load(rows: int) -> list[float]:
    return [random.random() for _ in range(rows)]

@task
def train(xs: list[float], c: float = 1.0) -> dict[str, float]:
    return {"c": c, "weight": sum(xs)}

@task(cache=False)
def publish(model: dict[str, float], log: str) -> int:
    with Path(log).open("a") as file:
        file.write("published\\n")
    return len(Path(log).read_text().splitlines())

@task
def report(count: int, model: dict[str, float]) -> str:
    return f"{count}: {model}"

@pipeline
def flow(rows: int = 5, c: float = 1.0, log: str = ""):
    model = train(load(rows), c=c)
    return report(publish(model, log), model)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_in(tmp_path) as made:
        made.write(FLOW)
        yield made


def again(project: Project, run: int = 1, options: Options = INLINE, **given: Any) -> Replay:
    effects = given.pop("effects", False)
    found = replay(project.client, runs.get(project.client.db, run), project.work(**given), options, effects=effects)
    json.dumps(found.to_json())
    return found


def published(project: Project) -> int:
    return len((project.folder / "log").read_text().splitlines())


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_deterministic_run_is_repeated_bit_by_bit(project: Project, executor: str) -> None:
    log = str(project.folder / "log")
    options = Options(executor=executor, workers=1)
    project.run(options, log=log)

    found = again(project, options=options, log=log)

    assert found.is_identical
    assert found.title == "run 2 repeated run 1 exactly"
    assert {row.node: row.verdict for row in found.rows} == {
        "load": "identical", "train": "identical", "publish": "recorded", "report": "identical",
    }  # fmt: skip
    assert executed(project.client, runs.get(project.client.db, 2)) >= {"load", "train", "report"}


def test_effects_are_not_repeated_unless_asked_for(project: Project) -> None:
    log = str(project.folder / "log")
    project.run(log=log)

    again(project, log=log)
    once = published(project)
    found = again(project, log=log, effects=True)

    assert once == 1
    assert published(project) == 2
    assert found["publish"].verdict == "different"
    assert found["report"].verdict == "affected"


def test_parameters_and_seed_are_those_of_the_run(project: Project) -> None:
    log = str(project.folder / "log")
    project.run(Options(executor="inline", seed=5), c=2.0, log=log)

    found = again(project)  # as if the command line had said nothing of them

    new = runs.get(project.client.db, found.replay)
    assert found.is_identical
    assert (new.seed, new.params["c"]) == (5, 2.0)


def test_a_task_that_is_not_deterministic_is_named_and_what_follows_is_only_affected(project: Project) -> None:
    project.edit("[random.random() for _ in range(rows)]", "[random.SystemRandom().random() for _ in range(rows)]")
    project.run(log=str(project.folder / "log"))

    found = again(project)

    assert not found.is_identical
    assert found.first == "load"
    assert {row.node: row.verdict for row in found.rows} == {
        "load": "different", "train": "affected", "publish": "recorded", "report": "affected",
    }  # fmt: skip
    assert found["load"].where.startswith("at [0]: 0.")
    assert found["train"].reasons == ("input changed: load",)
    assert found.title.startswith("`load` is not deterministic: result differs (at [0]: 0.")


def test_a_table_that_differs_is_told_by_column_and_row(project: Project) -> None:
    project.write(
        "import os\nimport pandas as pd\n\n@task\ndef table() -> pd.DataFrame:\n"
        "    return pd.DataFrame({'x': [1, 2], 'y': ['a', os.urandom(4).hex()]})\n\n"
        "@pipeline\ndef flow():\n    return table()\n"
    )
    project.run()

    found = again(project)

    assert found["table"].where.startswith("column 'y', row 1: '")
    assert found["table"].where.endswith("(1 of 2 rows differ)")


def test_one_item_that_is_not_deterministic_is_named(project: Project) -> None:
    project.write(
        "import os\n\n@task\ndef a(x: int) -> str:\n    return os.urandom(4).hex() if x == 2 else str(x)\n\n"
        "@pipeline\ndef flow():\n    return a(each([1, 2, 3]))\n"
    )
    project.run()

    assert again(project)["a"].differing == ("result[1]",)


def test_changed_code_is_not_taken_for_chance(project: Project) -> None:
    project.run(log=str(project.folder / "log"))
    project.edit("sum(xs)", "sum(xs) + 1")

    found = again(project)

    assert found.first == "train"
    assert found["train"].verdict == "changed"
    assert found["train"].reasons[0].startswith("code changed")
    assert "the pipeline is not as it was in run 1" in found.notes


def test_changed_code_with_the_same_results_is_identical(project: Project) -> None:
    project.run(log=str(project.folder / "log"))
    project.edit("sum(xs)", "sum(list(xs))")

    assert again(project)["train"].verdict == "identical"


def test_an_effect_without_a_recorded_result_fails_instead_of_happening(project: Project) -> None:
    log = str(project.folder / "log")
    project.edit("with Path(log)", "assert rows_ok\n    with Path(log)")
    project.run(log=log)
    project.edit("assert rows_ok\n    with Path(log)", "with Path(log)")

    found = again(project, log=log)

    assert found.state == "failed"
    assert not (project.folder / "log").exists()
    failure = tasks.listing(project.client.db, found.replay, "publish")[0].failure
    assert failure is not None
    assert "not executed in a replay" in failure.message


def test_a_failed_run_fails_again_and_is_no_difference(project: Project) -> None:
    project.edit("sum(xs)}", "sum(xs) / 0}")
    project.run(log=str(project.folder / "log"))

    found = again(project)

    assert found.state == "failed"
    assert found.first == ""
    assert found.title == "run 2, which repeats run 1, failed"


def test_nothing_of_a_replay_is_taken_from_before(project: Project) -> None:
    project.run(log=str(project.folder / "log"))

    found = again(project)

    assert {row.source for row in tasks.listing(project.client.db, found.replay)} == {None}


def test_an_unfinished_run_and_another_pipeline_are_refused(project: Project) -> None:
    work = project.work()
    run = runs.create(project.client.db, runs.NewRun(work.graph, {}, {}, "", 0, this_process(), {}), 1.0)

    with pytest.raises(UsageError, match="not finished"):
        replay(project.client, run, work, INLINE)
    project.run(log=str(project.folder / "log"))
    project.edit("def flow(", "def other(")
    project.write("@task\ndef a() -> int:\n    return 1\n\n@pipeline(name='other')\ndef flow():\n    return a()\n")
    with pytest.raises(UsageError, match="is of pipeline `flow`"):
        again(project, 2)

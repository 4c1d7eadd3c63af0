"""Lineage follows an artifact through reused results to its sources, and forward to whatever was made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk.core.errors import NotFoundError, UsageError
from ropewalk.engine.explain.lineage import Lineage, lineage
from ropewalk.store import records, runs
from tests.engine.explained import Project, project_in

FLOW = """
class Split(NamedTuple):
    train: list[float]
    test: list[float]

@task
def load(rows: int) -> list[float]:
    return [float(n) for n in range(rows)]

@task
def split(xs: list[float]) -> Split:
    return Split(xs[:-1], xs[-1:])

@task
def train(xs: list[float], c: float = 1.0) -> str:
    return f"model {sum(xs) * c} " + "x" * 6000

@task
def score(model: str, xs: list[float]) -> float:
    return len(model) + sum(xs)

@pipeline
def flow(rows: int = 30, c: float = 1.0):
    parts = split(load(rows))
    return score(train(parts.train, c=c), parts.test)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_in(tmp_path) as made:
        made.write(FLOW)
        yield made


def trace(project: Project, text: str) -> Lineage:
    found = lineage(project.client, text)
    json.dumps(found.to_json())
    assert_order(found)
    return found


def assert_order(found: Lineage) -> None:
    """Every step stands after those that it needs, and none is missing."""
    seen: set[str] = set()
    for step in found.steps:
        for given in step.inputs:
            assert set(given.steps) <= seen, (step.id, given)
        seen.add(step.id)
    assert set(found.made_by) <= seen


def ids(found: Lineage) -> list[str]:
    return [step.id for step in found.steps]


def test_an_artifact_is_traced_to_its_source(project: Project) -> None:
    run = project.run()
    digest = run.artifacts("train")[0]["result"].digest

    found = trace(project, digest)

    assert found.made_by == ("1/train",)
    assert ids(found) == ["1/load", "1/split", "1/train"]
    assert [step.id for step in found.sources] == ["1/load"]
    assert found["1/load"].params == {"rows": "30"}
    [given] = found["1/train"].inputs
    assert (given.text, given.steps) == ("split.train", ("1/split",))
    assert given.digest == run.artifacts("split")[0]["train"].digest


def test_a_step_says_with_what_it_was_made(project: Project) -> None:
    run = project.run(c=0.5)

    step = trace(project, "1/train")["1/train"]

    provenance = runs.get(project.client.db, 1).provenance
    assert step.code == project.work().graph.spec("train").code.digest
    assert step.params == {"c": "0.5"}
    assert step.commit == provenance.get("commit", "")
    assert step.environment == provenance["packages"]
    assert step.task_seed is not None
    assert step.outputs == {"result": run.artifacts("train")[0]["result"].digest}


def test_the_beginning_of_a_digest_is_enough(project: Project) -> None:
    run = project.run()
    digest = run.artifacts("train")[0]["result"].digest

    assert trace(project, digest[:8]).digest == digest


def test_a_reused_result_is_followed_to_the_run_that_computed_it(project: Project) -> None:
    project.run()
    project.run(c=2.0)

    found = trace(project, "2/score")

    assert ids(found) == ["1/load", "1/split", "2/train", "2/score"]
    assert trace(project, "2/split.test").made_by == ("1/split",)


def test_a_result_found_under_another_name_is_followed(project: Project) -> None:
    project.run()
    project.edit("split(load(rows))", "split(load.options(name='fetch')(rows))")
    project.run(c=2.0)

    assert "1/load" in ids(trace(project, "2/train"))


def test_one_output_of_several_can_be_asked_for(project: Project) -> None:
    run = project.run()

    found = trace(project, "1/split.test")

    assert found.digest == run.artifacts("split")[0]["test"].digest
    assert [(use.node, use.input) for use in found.used_by] == [("score", "xs")]


def test_whoever_took_an_artifact_is_found_in_every_run(project: Project) -> None:
    project.run()
    project.run(c=2.0)
    project.run()

    found = trace(project, "1/train")

    assert [(use.run, use.node, use.state) for use in found.used_by] == [
        (1, "score", "executed"),
        (3, "score", "reused"),
    ]


def test_a_model_is_traced_by_its_alias(project: Project) -> None:
    run = project.run()
    ref = run.artifacts("train")[0]["result"]
    body = {"artifact": ref.to_json(), "digest": ref.digest}
    records.add(project.client.db, "model", "delay", body, token="a", at=1.0, run=1, node="score")
    records.add(project.client.db, "model", "delay", {"digest": "0" * 64}, token="b", at=2.0, run=1, node="load")
    records.set_alias(project.client.db, "model", "delay", "champion", 1, at=3.0, by="anna")

    found = trace(project, "model:delay@champion")

    assert found.digest == ref.digest
    assert found.made_by == ("1/train",)
    assert [str(model) for model in found.models] == ["delay@1 (champion)"]
    assert trace(project, "model:delay@1").made_by == ("1/train",)
    assert trace(project, "model:delay").made_by == ("1/load",)


def test_models_that_were_made_from_an_artifact_are_found(project: Project) -> None:
    project.run()
    records.add(project.client.db, "model", "delay", {"digest": "0" * 64}, token="a", at=1.0, run=1, node="score")
    records.add(project.client.db, "model", "other", {"digest": "1" * 64}, token="a", at=1.0, run=1, node="load")

    found = trace(project, "1/split.train")

    assert [(model.name, model.is_same) for model in found.models] == [("delay", False)]


def test_of_a_mapped_task_the_item_is_followed(project: Project) -> None:
    project.write(
        "@task\ndef load(n: int) -> list[int]:\n    return list(range(n))\n\n"
        "@task\ndef square(x: int) -> int:\n    return x * x + 1000\n\n"
        "@task\ndef twice(x: int) -> int:\n    return 2 * x\n\n"
        "@task\ndef total(xs: list[int]) -> int:\n    return sum(xs)\n\n"
        "@pipeline\ndef flow(n: int = 4):\n    return total(twice(each(square(each(load(n))))))\n"
    )
    project.run()

    one, all_ = trace(project, "1/twice[2]"), trace(project, "1/total")

    assert ids(one) == ["1/load", "1/square[2]", "1/twice[2]"]
    assert ids(all_) == ["1/load", "1/square[*]", "1/twice[*]", "1/total"]
    assert all_["1/twice[*]"].items == 4
    assert [(use.node, use.item) for use in trace(project, "1/square[1]").used_by] == [("twice", 1)]


def test_items_that_several_runs_computed_are_followed_to_each(project: Project) -> None:
    project.write(
        "@task\ndef square(x: int) -> int:\n    return x * x\n\n"
        "@task\ndef total(xs: list[int]) -> int:\n    return sum(xs)\n\n"
        "@pipeline\ndef flow(n: int = 4):\n    return total(square(each(list(range(n)))))\n"
    )
    project.run()
    project.run(n=6)

    found = trace(project, "2/total")

    assert set(found["2/total"].inputs[0].steps) == {"1/square[*]", "2/square[*]"}


def test_a_long_chain_is_followed_without_a_deep_stack(project: Project) -> None:
    project.write(
        "@task\ndef add(x: int) -> int:\n    return x + 1\n\n@pipeline\ndef flow(n: int = 1500):\n    x = 0\n"
        "    for _ in range(n):\n        x = add(x)\n    return x\n"
    )
    run = project.run()

    found = trace(project, f"1/{list(run.nodes)[-1]}")

    assert len(found.steps) == 1500


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("abc", UsageError, "names no artifact"),
        ("ffffffff", NotFoundError, "no artifact has a digest"),
        ("1/trian", NotFoundError, "no task `trian`"),
        ("1/split.tset", NotFoundError, "no such output"),
        ("9/load", NotFoundError, "no run 9"),
        ("model:nothing@champion", NotFoundError, "there is no `model:nothing@champion`"),
    ],
)
def test_what_is_not_there_is_met_with_an_error(project: Project, text: str, error: type, message: str) -> None:
    project.run()

    with pytest.raises(error, match=message):
        lineage(project.client, text)


def test_an_ambiguous_beginning_is_refused(project: Project) -> None:
    project.run()
    blobs = [(f"abcdef{n}" + "0" * 57, 1, "train", 0, "result") for n in range(2)]
    project.client.db.many("blob_put", blobs)

    with pytest.raises(UsageError, match="2 artifacts"):
        lineage(project.client, "abcdef")


def test_a_task_without_a_result_says_how_to_find_out_why(project: Project) -> None:
    project.edit("sum(xs) * c", "sum(xs) / 0")
    project.run()

    with pytest.raises(NotFoundError, match="has no result") as caught:
        lineage(project.client, "1/train")
    assert caught.value.help == ("ropewalk why 1/train",)

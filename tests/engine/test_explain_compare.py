"""Two runs side by side: whatever differs is shown, and what does not is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ropewalk.engine.explain.compare import Difference, NodeDifference, diff
from ropewalk.store import runs
from tests.engine.explained import INLINE, Project, project_in

FLOW = """
@task
def load(rows: int) -> list[float]:
    return [float(n) for n in range(rows)]

@task
def clean(xs: list[float]) -> list[float]:
    return sorted(xs)

@task
def train(xs: list[float], c: float = 1.0) -> float:
    score = sum(xs) * c
    context().log_metric("accuracy", score)
    return score

@task
def report(model: float) -> str:
    return f"model {model}"

@pipeline
def flow(rows: int = 3, c: float = 1.0):
    return report(train(clean(load(rows)), c=c))
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with project_in(tmp_path) as made:
        made.write(FLOW)
        yield made


def compare(project: Project, a: int, b: int) -> Difference:
    found = diff(project.client, runs.get(project.client.db, a), runs.get(project.client.db, b))
    json.dumps(found.to_json())
    return found


def node(found: Difference, name: str) -> NodeDifference:
    return next(row for row in found.nodes if row.node == name)


def test_two_equal_runs_differ_in_nothing_but_what_was_executed(project: Project) -> None:
    project.run()
    project.run()

    found = compare(project, 1, 2)

    assert (found.params, found.about, found.code, found.packages, found.graph) == ((), (), {}, (), ())
    assert found.first == ""
    assert {(row.before, row.after, row.outputs) for row in found.nodes} == {("executed", "reused", "same")}
    assert all(row.reasons == () for row in found.nodes)


def test_a_changed_parameter_is_followed_to_the_outputs_that_differ(project: Project) -> None:
    project.run()
    project.run(c=0.5)

    found = compare(project, 1, 2)

    assert [str(change) for change in found.params] == ["c 1.0 → 0.5"]
    assert [row.outputs for row in found.nodes] == ["same", "same", "different", "different"]
    assert found.first == "train"
    assert [row.node for row in found.nodes if row.diverged] == ["train"]
    assert node(found, "train").reasons == ("parameter changed: train.c 1.0 → 0.5",)
    assert node(found, "report").reasons == ("input changed: train",)


def test_metrics_are_compared_even_where_a_result_was_reused(project: Project) -> None:
    project.run()
    project.run(c=0.5)
    project.run()

    changed, reused = compare(project, 1, 2), compare(project, 1, 3)

    [metric] = changed.metrics
    assert (metric.name, metric.before, metric.after, metric.change) == ("train.accuracy", 3.0, 1.5, -1.5)
    assert reused.metrics[0].change == 0.0


def test_an_override_and_a_seed_are_shown(project: Project) -> None:
    project.write(
        "@task\ndef train(c: float = 1.0) -> float:\n    return c\n\n@pipeline\ndef flow():\n    return train()\n"
    )
    project.run()
    project.run(replace(INLINE, seed=3), overrides={"train.c": "0.1"})

    found = compare(project, 1, 2)

    assert [str(change) for change in found.params] == ["train.c 1.0 → 0.1"]
    assert [str(change) for change in found.about] == ["seed 0 → 3"]


def test_changed_code_is_shown_by_task(project: Project) -> None:
    project.run()
    project.edit("sorted(xs)", "sorted(xs, reverse=True)")
    project.run()

    found = compare(project, 1, 2)

    assert list(found.code) == ["clean"]
    assert found.code["clean"][0].endswith("clean()")
    assert found.first == "clean"


def test_early_cut_off_is_visible(project: Project) -> None:
    project.run()
    project.edit("sorted(xs)", "list(sorted(xs))")
    project.run()

    found = compare(project, 1, 2)

    assert (node(found, "clean").after, node(found, "clean").outputs) == ("executed", "same")
    assert (node(found, "train").after, node(found, "train").outputs) == ("reused", "same")
    assert found.first == ""


def test_another_shape_of_the_graph_is_shown(project: Project) -> None:
    project.run()
    project.edit("train(clean(load(rows)), c=c)", "train(load(rows), c=c)")
    project.run()

    found = compare(project, 1, 2)

    assert found.graph == ("train: xs clean → load", "gone: clean")
    assert node(found, "clean").after == "absent"


def test_items_are_compared_one_by_one(project: Project) -> None:
    project.write(
        "@task\ndef square(x: int) -> int:\n    assert x != 5\n    return x * x\n\n"
        "@pipeline\ndef flow(third: int = 3):\n    return square(each([1, 2, third]))\n"
    )
    project.run()
    project.run(third=4)
    project.run(third=5)

    changed, failed = compare(project, 1, 2), compare(project, 1, 3)

    assert node(changed, "square").differing == ("result[2]",)
    assert node(changed, "square").after == "2 reused, 1 executed"
    assert node(failed, "square").after == "2 reused, 1 failed"


def test_installed_packages_are_compared_from_the_recorded_lists(project: Project) -> None:
    project.run()
    run = runs.get(project.client.db, 1)
    blobs = project.client.blobs
    locks = [blobs.put_bytes(text) for text in (b"numpy==2.3.0\nold==1.0", b"new==0.1\nnumpy==2.4.1")]
    a, b = (replace(run, provenance={**run.provenance, "lock": lock}) for lock in locks)

    found = diff(project.client, a, b)

    assert found.packages == ("new 0.1 (new)", "numpy 2.3.0 → 2.4.1", "old 1.0 (gone)")


def test_a_list_of_packages_that_is_gone_does_not_break_the_comparison(project: Project) -> None:
    project.run()
    run = runs.get(project.client.db, 1)
    other = replace(run, provenance={**run.provenance, "lock": "0" * 64})

    assert "not kept any more" in diff(project.client, run, other).packages[0]


def test_commit_and_uncommitted_changes_are_shown(project: Project) -> None:
    project.run()
    run = runs.get(project.client.db, 1)
    a = replace(run, provenance={"commit": "aaa"})
    b = replace(run, provenance={"commit": "bbb", "dirty": True, "patch": "f" * 64})

    found = diff(project.client, a, b)

    assert [str(change) for change in found.about] == [
        "commit aaa → bbb", "uncommitted changes none → ffffffffffff",
    ]  # fmt: skip

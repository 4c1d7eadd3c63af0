"""Values of classes that a pipeline defines are shown by commands that do not import it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.cli_runner import project, ropewalk

PIPELINE = """
from typing import NamedTuple
from ropewalk import context, each, pipeline, task

class Size(NamedTuple):
    rows: int

@task
def load(size: Size) -> int:
    context().log_metric("rows", size.rows)
    return 1

@task
def total(parts: list[int], size: Size) -> int:
    return sum(parts)

@pipeline
def flow(rows: int = 1):
    return total(load(each([Size(3), Size(4)])), Size(rows))

@task
def rows() -> list:
    return {"a": 1}

@task
def double(x: int) -> int:
    return 2 * x

@pipeline
def empty():
    return double(each([]))

@pipeline
def no_list():
    return double(each(rows()))
"""


def test_an_object_that_was_written_in_the_pipeline_is_shown_as_it_was_written(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "flow", cwd=tmp_path)

    shown = ropewalk("show", "1/total", cwd=tmp_path)
    metrics = ropewalk("metrics", "1", cwd=tmp_path)
    lineage = ropewalk("lineage", "1/total", cwd=tmp_path)

    assert "size=Size(rows=1)" in shown.out
    assert "Size(rows=4)" in metrics.out
    assert "size=Size(rows=" in lineage.out


def test_why_and_diff_see_that_such_an_object_changed(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "flow", cwd=tmp_path)
    ropewalk("run", "flow", "--rows", "2", cwd=tmp_path)

    why = ropewalk("why", "2/total", cwd=tmp_path)
    diff = ropewalk("diff", "1", "2", cwd=tmp_path)

    change = "parameter changed: total.size Size(rows=1) → Size(rows=2)"
    assert why.out.startswith(f"`total` was executed in run 2: {change}\n")
    assert change in diff.out


def test_what_turns_out_to_be_no_list_fails_its_task_with_a_story(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)

    done = ropewalk("run", "no_list", cwd=tmp_path)
    debugged = ropewalk("debug", "1/double", cwd=tmp_path)

    assert done.code == 1
    assert "error[P301]: task `double[0]` failed: a `dict` cannot be mapped over: it must be a list" in done.err
    assert "return a list from the task that gives it" in done.err
    assert "error[P312]" in debugged.err


def test_why_of_a_map_without_items_says_that_there_was_nothing_to_map_over(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "empty", cwd=tmp_path)

    why = ropewalk("why", "1/double", cwd=tmp_path)

    assert why.out == "`double` had nothing to map over in run 1\n"

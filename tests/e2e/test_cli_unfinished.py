"""What is said of a run that has not come to its end."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.cli_runner import masked, project, ropewalk

PIPELINE = """
import subprocess
import sys
from ropewalk import approval, each, limit, loop, pipeline, task

@task(guards=[limit("one", "1/h")])
def double(x: int) -> int:
    subprocess.run([sys.executable, "-m", "ropewalk", "pause", "last"], check=True)
    return 2 * x

@task
def total(parts: list[int]) -> int:
    return sum(parts)

@pipeline
def flow():
    return total(double(each([1, 2, 3, 4])))

@pipeline
def asks():
    return approval("Deploy it?")

@pipeline
def asks_shortly():
    return approval("Deploy it?", expires="1ms")

@task
def one_more(x: int) -> int:
    return x + 1

@task
def wrong() -> int:
    raise ValueError("no")

@pipeline(on_failure="fail_fast")
def hasty():
    return [loop(one_more, 0, at_most=10_000), wrong()]
"""


def test_a_map_of_which_items_are_left_is_not_shown_as_done(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "flow", "--executor", "inline", cwd=tmp_path)

    paused = masked(ropewalk("show", cwd=tmp_path).out)

    assert "  · double    1 of 4 items done" in paused


def test_why_names_no_command_that_cannot_help_with_a_rejected_approval(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "asks", cwd=tmp_path)
    ropewalk("reject", "1/approval", "--reason", "not now", cwd=tmp_path)

    why = ropewalk("why", "1/approval", cwd=tmp_path).out

    assert "ropewalk retry 1" in why
    assert "debug" not in why


def test_a_question_whose_time_is_over_is_not_offered_for_an_answer(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "asks_shortly", cwd=tmp_path)

    shown = ropewalk("show", cwd=tmp_path).out
    resumed = ropewalk("resume", cwd=tmp_path)

    assert "ropewalk approve" not in shown
    assert resumed.code == 1
    assert "approval `approval` expired: nobody answered in time" in resumed.err


def test_a_loop_that_was_cancelled_in_the_middle_had_begun(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "hasty", "--workers", "1", cwd=tmp_path)

    why = ropewalk("why", "1/one_more", cwd=tmp_path).out

    assert "was cancelled in run 1 by fail_fast, since wrong failed" in why
    assert "it had begun" in why

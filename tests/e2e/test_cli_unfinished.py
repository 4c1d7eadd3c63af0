"""What is said of a run that has not come to its end."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.cli_runner import masked, project, ropewalk

PIPELINE = """
import subprocess
import sys
from ropewalk import approval, each, pipeline, task

@task
def double(x: int) -> int:
    if x == 2:
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
"""


def test_a_map_of_which_items_are_left_is_not_shown_as_done(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "flow", "--executor", "inline", cwd=tmp_path)

    paused = masked(ropewalk("show", cwd=tmp_path).out)
    ropewalk("resume", cwd=tmp_path)
    resumed = masked(ropewalk("show", cwd=tmp_path).out)

    assert "  · double    2 of 4 items done" in paused
    assert "  ✓ double    4 items" in resumed


def test_why_names_no_command_that_cannot_help_with_a_rejected_approval(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "asks", cwd=tmp_path)
    ropewalk("reject", "1/approval", "--reason", "not now", cwd=tmp_path)

    why = ropewalk("why", "1/approval", cwd=tmp_path).out

    assert "ropewalk retry 1" in why
    assert "debug" not in why

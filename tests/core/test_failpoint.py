"""Failpoints: silent unless armed, and then at one passage only."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk.core import failpoint as module
from ropewalk.core.failpoint import arm, failpoint
from tests.artifacts.test_checkpoints import POINTS
from tests.faults.test_killed_runs import FAILPOINTS

SOURCES = Path(module.__file__).parents[1]


@pytest.fixture(autouse=True)
def disarm() -> Iterator[None]:
    yield
    arm("")


def test_a_point_that_is_not_armed_does_nothing() -> None:
    arm("other=raise")

    failpoint("here")


def test_an_armed_point_acts_at_one_passage() -> None:
    arm("here=raise@2, there=raise")

    failpoint("here")
    with pytest.raises(RuntimeError, match="failpoint here"):
        failpoint("here")
    failpoint("here")


@pytest.mark.parametrize(("action", "number"), [("enospc", errno.ENOSPC), ("eio", errno.EIO)])
def test_a_point_can_be_a_bad_disk(action: str, number: int) -> None:
    arm(f"here={action}")

    with pytest.raises(OSError, match=os.strerror(number)):
        failpoint("here")


def test_a_point_can_end_the_process_as_a_kill_does() -> None:
    program = "from ropewalk.core.failpoint import failpoint; failpoint('here'); print('still there')"
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "ROPEWALK_FAILPOINTS": "here=exit"}

    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (137, "")


def test_the_kill_tests_know_every_point_of_the_source() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py") if "testing" not in path.parts)

    assert set(re.findall(r'\bfailpoint\("([\w.]+)"\)', text)) == {*FAILPOINTS, *POINTS}

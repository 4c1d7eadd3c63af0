"""A process is told apart from a later one with the same number, and from those of other machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from ropewalk.engine.owner import is_alive, this_process


def test_a_process_knows_itself() -> None:
    assert is_alive(this_process())


@pytest.mark.parametrize("change", [{"started": 1.0}, {"host": "elsewhere"}, {"boot": "before"}, {"pid": 2**22 + 1}])
def test_whatever_differs_makes_it_another(change: dict[str, object]) -> None:
    assert not is_alive(this_process() | change)


def test_nobody_is_not_alive() -> None:
    assert not is_alive({})


def test_a_child_that_ended_is_gone_even_before_its_parent_has_looked() -> None:
    program = "import json; from ropewalk.engine.owner import this_process; print(json.dumps(this_process())); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", program], env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    import json

    owner = json.loads(child.stdout.readline())
    assert is_alive(owner)

    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now

    assert not is_alive(owner)
    child.communicate()


def test_a_process_that_is_paused_is_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = this_process() | {"pid": child.pid}
    with open(f"/proc/{child.pid}/stat") as file:
        owner["started"] = float(file.read().rpartition(")")[2].split()[19])

    child.send_signal(signal.SIGSTOP)
    try:
        assert is_alive(owner)
    finally:
        child.kill()
        child.communicate()

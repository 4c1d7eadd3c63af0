"""Whatever of a run is killed, nothing that its tasks have started lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ropewalk.engine.client import Client
from ropewalk.store import runs

PROGRAM = Path(__file__).with_name("stubborn.py")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose tasks have started what wants to outlive them."""
    process = subprocess.Popen([sys.executable, str(PROGRAM), str(tmp_path)], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(pids(tmp_path)) < 4:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


def pids(folder: Path) -> list[int]:
    path = folder / "pids"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def left_of(folder: Path) -> list[psutil.Process]:
    processes = [psutil.Process(pid) for pid in pids(folder) if psutil.pid_exists(pid)]
    return [p for p in psutil.wait_procs(processes, timeout=10)[1] if p.status() != psutil.STATUS_ZOMBIE]


def test_nothing_lives_on_when_the_scheduler_is_killed(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()

    assert left_of(tmp_path) == []


def test_nothing_lives_on_when_the_whole_process_group_is_killed(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    assert left_of(tmp_path) == []


def test_nothing_lives_on_after_a_second_ctrl_c(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 30
    with Client(tmp_path / "home") as client:
        while not client.state(runs.find(client.db, "last")).cancel_requested:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    process.send_signal(signal.SIGINT)

    process.wait(timeout=30)
    assert left_of(tmp_path) == []


def test_workers_end_when_the_process_that_keeps_them_is_killed(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    """What they have started by then cannot be found any more, and may live on."""
    (nursery,) = psutil.Process(process.pid).children()
    below = nursery.children()
    workers = [p for p in below if p.status() != psutil.STATUS_ZOMBIE and str(PROGRAM) in p.cmdline()]
    strays = [p for p in below if p not in workers]

    nursery.kill()
    process.wait(timeout=30)

    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    for stray in strays:
        stray.kill()

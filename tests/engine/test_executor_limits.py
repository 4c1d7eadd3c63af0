"""What an attempt gets of its machine is what it asked for: memory, threads and graphics processors."""

from __future__ import annotations

import itertools
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load
from ropewalk.core.artifact import Succeeded
from ropewalk.core.quantity import show_size
from ropewalk.engine.executors.base import Done, Ended, Executor, Report
from ropewalk.engine.executors.inline import InlineExecutor
from ropewalk.engine.executors.memory import used_bytes
from ropewalk.engine.executors.processes import ProcessExecutor
from ropewalk.engine.executors.threads import VARIABLES, Threads
from ropewalk.engine.home import Home
from ropewalk.testing.executor_suite import Start, job, orders, submit
from tests.engine.live import gone, room
from tests.engine.test_executors import closing

MIB = 1 << 20
NUMBERS = itertools.count()  # of jobs
SHARED = bytearray()  # what workers have from their nursery
KEPT: list[bytes] = []  # what a task leaves in its worker


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / ".ropewalk")
    made.prepare()
    return made


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    """Makes an executor with two worker processes."""
    yield from closing(lambda functions: ProcessExecutor(functions, home, 2))


@pytest.fixture
def one(home: Home) -> Iterator[Start]:
    """Makes an executor with one worker process."""
    yield from closing(lambda functions: ProcessExecutor(functions, home, 1))


def run(executor: Executor, function: Callable[[int], Any], *items: int, cpu: float = 1, **given: Any) -> list[Report]:
    """Give a function that the executor has one order for each item, with what the attempt is given."""
    of = job(function.__name__, next(NUMBERS), cpu=cpu)
    return submit(executor, of, [replace(order, **given) for order in orders(of, *items)], most=1)


def value(report: Report, home: Home) -> Any:
    assert isinstance(report, Done), report
    assert isinstance(report.outcome, Succeeded), report
    return load(report.outcome.outputs["result"], Blobs(home.blobs))


def fill(size_bytes: int) -> bytearray:
    """Memory that is really there, since every page of it is written to."""
    block = bytearray(size_bytes)
    block[::4096] = b"x" * len(block[::4096])
    return block


# memory


def eat(x: int) -> int:
    block = fill(x * MIB)
    time.sleep(0.3)
    return len(block)


def eat_elsewhere(x: int) -> int:
    code = f"block = bytearray(b'x') * {x * MIB}; import time; time.sleep(600)"
    program = subprocess.Popen([sys.executable, "-c", code])
    Path(os.environ["PIDS"]).write_text(f"{os.getpid()} {program.pid}")
    return program.wait()


def look(x: int) -> int:
    """Several processes look at memory that they share."""
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            time.sleep(0.3)
            os._exit(sum(SHARED[::4096]) % 7)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] for child in children)


def read_all(x: int) -> int:
    """Reads a large file through a map of it, and keeps it in view."""
    with open(os.environ["LARGE"], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        total = sum(view[::4096])
        time.sleep(0.3)
    return total


def leave(x: int) -> int:
    KEPT.append(bytes(fill(x * MIB)))
    return os.getpid()


def whoami(x: int) -> int:
    return os.getpid()


def test_an_attempt_that_reaches_more_memory_than_it_asked_for_dies_and_says_how_much(start: Start) -> None:
    executor, limit, much = start({"eat": eat}), room(100), room(200) // MIB

    reports = run(executor, eat, much, 20, memory_bytes=limit)

    ends = {report.item: report for report in reports if isinstance(report, (Done, Ended))}
    assert isinstance(ends[20], Done)
    failure = ends[much].failure  # type: ignore[union-attr]  # it has none if it has not failed
    assert failure.kind == "oom"
    assert failure.message.startswith(f"out of memory: asked {show_size(limit)}, reached ")
    assert failure.retryable
    assert any("on_oom" in line for line in failure.help)


def test_an_attempt_without_a_limit_may_use_what_it_likes(start: Start) -> None:
    (report,) = run(start({"eat": eat}), eat, 200)

    assert isinstance(report, Done)


def test_what_a_task_starts_counts_and_dies_with_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))

    executor, limit, much = start({"eat_elsewhere": eat_elsewhere}), room(100), room(200) // MIB

    (report,) = run(executor, eat_elsewhere, much, memory_bytes=limit)

    assert isinstance(report, Ended)
    assert report.failure.kind == "oom"
    assert gone([int(pid) for pid in (tmp_path / "pids").read_text().split()])


def test_memory_that_processes_share_counts_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SHARED", fill(120 * MIB))

    (report,) = run(start({"look": look}), look, 0, memory_bytes=room(80))

    assert isinstance(report, Done)


def test_what_is_mapped_from_a_file_does_not_count(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large").write_bytes(fill(200 * MIB))
    monkeypatch.setenv("LARGE", str(tmp_path / "large"))

    (report,) = run(start({"read_all": read_all}), read_all, 0, memory_bytes=room(100))

    assert isinstance(report, Done)


def test_the_memory_of_a_process_is_that_of_its_tree() -> None:
    code = "block = bytearray(b'x') * (60 << 20); print('ready', flush=True); input()"
    before = used_bytes(os.getpid(), 1 << 60)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        with_child = used_bytes(os.getpid(), 1 << 60)
        exact = used_bytes(os.getpid(), 1)
        program.communicate(b"\n")

    assert with_child - before > 60 * MIB
    assert 60 * MIB < exact <= with_child + MIB


def test_what_an_earlier_task_left_in_a_worker_does_not_count_against_a_later_one(one: Start, home: Home) -> None:
    executor = one({"leave": leave, "whoami": whoami})
    (left,) = run(executor, leave, 150)  # that and its part of what is shared is more than a quarter of the limit
    of = job("whoami", next(NUMBERS))
    limited = [replace(order, memory_bytes=room(100)) for order in orders(of, 0)]

    first = submit(executor, of, limited)
    again = first if isinstance(first[0], Done) else submit(executor, of, limited)

    assert value(again[0], home) != value(left, home)


# threads


def threads(x: int) -> dict[str, Any]:
    import numpy as np  # noqa: F401  # so that its thread pools are there
    import pyarrow as pa
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # it has no types

    pools = sorted({pool["num_threads"] for pool in threadpool_info()})
    return {"set": {name: os.environ.get(name) for name in VARIABLES}, "pools": pools, "arrow": pa.cpu_count()}


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person has set nothing."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("free")
def test_libraries_use_as_many_threads_as_the_attempt_asks_for_cores(start: Start, home: Home) -> None:
    executor = start({"threads": threads})
    usual = max(1, len(os.sched_getaffinity(0)) // 2)

    for cpu, number in ((1, usual), (3, 3), (2.5, 2), (0.5, usual)):
        seen = [value(report, home) for report in run(executor, threads, 0, 1, 2, cpu=cpu)]
        assert all(s["set"] == dict.fromkeys(VARIABLES, str(number)) for s in seen)
        assert all(s["pools"] == [number] for s in seen)
        assert all(s["arrow"] == number for s in seen)


@pytest.mark.usefixtures("free")
def test_what_the_person_has_set_is_left_alone(start: Start, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")

    (report,) = run(start({"threads": threads}), threads, 0, cpu=3)

    seen = value(report, home)
    assert seen["set"] == dict.fromkeys(VARIABLES, "3") | {"OMP_NUM_THREADS": "7"}


@pytest.mark.usefixtures("free")
def test_a_library_that_cannot_be_told_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def set_num_threads(self, number: int) -> None:
            raise RuntimeError("not now")

    for name in VARIABLES:
        monkeypatch.setenv(name, "1")  # so that they are put back
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "torch", Broken())
    monkeypatch.delitem(sys.modules, "numpy", raising=False)
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)

    Threads(2).use(4)

    assert os.environ["OMP_NUM_THREADS"] == "4"


# graphics processors


def devices(x: int) -> tuple[str, int]:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all"), os.getpid()


def test_a_task_sees_its_graphics_processors_only_and_gives_them_back_with_its_process(one: Start, home: Home) -> None:
    executor = one({"devices": devices})

    seen = [value(run(executor, devices, item, gpus=(str(item), "5"))[0], home) for item in range(3)]
    after = value(run(executor, devices, 9)[0], home)

    assert [names for names, _ in seen] == ["0,5", "1,5", "2,5"]
    assert after[0] == os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    assert len({pid for _, pid in [*seen, after]}) == 4


def test_in_this_process_a_task_sees_its_graphics_processors_only_while_it_runs(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = InlineExecutor({"devices": devices}, home, Blobs(home.blobs))
    for before in ("3", None):
        if before is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)

        (report,) = run(executor, devices, 0, gpus=("1",))

        assert value(report, home)[0] == "1"
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == before

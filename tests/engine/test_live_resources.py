"""Runs whose tasks compete: for pools with other runs, for memory, and for what a node allows itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ropewalk import Resources, Retry, context, each, pipeline, task
from ropewalk.author.pipeline import Pipeline, trace
from ropewalk.core.errors import UsageError
from ropewalk.core.quantity import show_size
from ropewalk.engine.pools import living_holders, set_pool
from ropewalk.store import runs
from tests.engine.live import Live, both_executors, lines, note, room

PROGRAM = """
import sys, time
from pathlib import Path
from ropewalk import Resources, each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.engine.client import Client, Options

HERE = Path(sys.argv[1])

def note(line):
    with open(HERE / "ledger", "a") as ledger:
        ledger.write(line + "\\n")

@task(cache=False, resources=Resources(pools={"warehouse": 1}))
def query(x: int) -> int:
    note("begins")
    time.sleep(600 if x == 99 else 0.05)
    note("ends")
    return x

@pipeline
def queries(first: int):
    return query(each([first + n for n in range(8)]))

print("ready", flush=True)
sys.stdin.readline()
with Client(HERE / ".ropewalk") as client:
    print(client.run(trace(queries, {"first": int(sys.argv[2])}), Options("processes", 3)).state)
"""


def launch(folder: Path, first: int) -> subprocess.Popen[str]:
    """A process that has a run in it, once it is told to go."""
    (folder / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(folder / "program.py"), str(folder), str(first)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


def most_at_once(told: list[str]) -> int:
    """How many had begun, but not ended, at the worst moment."""
    under_way = most = 0
    for line in told:
        under_way += {"begins": 1, "ends": -1}[line]
        most = max(most, under_way)
    return most


def test_the_worst_moment_is_found() -> None:
    assert most_at_once(["begins", "begins", "ends", "begins", "begins", "ends"]) == 3


def test_runs_in_several_processes_never_hold_more_of_a_pool_than_it_has(tmp_path: Path) -> None:
    live = Live(tmp_path)
    with live.client() as client:
        set_pool(client.db, "warehouse", 2, "me", 1.0)
    started = [launch(tmp_path, 100 * number) for number in range(1, 4)]

    for process in started:
        go(process)

    assert [process.communicate(timeout=60)[0] for process in started] == ["succeeded\n"] * 3
    told = lines(tmp_path / "ledger")
    assert len(told) == 3 * 8 * 2
    assert most_at_once(told) == 2
    assert live.leases() == []


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    live = Live(tmp_path)
    with live.client() as client:
        set_pool(client.db, "warehouse", 1, "me", 1.0)
    holder = launch(tmp_path, 99)
    go(holder)
    until = time.monotonic() + 30
    while not lines(tmp_path / "ledger") and time.monotonic() < until:
        os.sched_yield()
    with live.client() as client:
        assert [(h.run, h.slots) for h in living_holders(client.db)] == [(1, 1)]

    other = launch(tmp_path, 1)
    go(other)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()

    assert other.communicate(timeout=60)[0] == "succeeded\n"
    with live.client() as client:
        assert living_holders(client.db) == []
        assert [run.state for run in runs.listing(client.db)] == ["succeeded", "running"]


@task(cache=False, resources=Resources(pools={"warehouse": 2}))
def doubly(x: int) -> int:
    return x


@pipeline
def needs_a_pool(n: int = 6) -> list[int]:
    return doubly(each(list(range(6))))


@both_executors
def test_a_run_that_needs_a_pool_is_refused_before_it_starts_until_there_is_one(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    with pytest.raises(UsageError) as missing:
        live.run(needs_a_pool, executor)
    with live.client() as client:
        set_pool(client.db, "warehouse", 1, "me", 1.0)
    with pytest.raises(UsageError) as small:
        live.run(needs_a_pool, executor)
    with live.client() as client:
        assert runs.listing(client.db) == []
        set_pool(client.db, "warehouse", 3, "me", 1.0)
    result = live.run(needs_a_pool, executor)

    assert (missing.value.code, small.value.code) == ("P316", "P315")
    assert (result.state, result.output) == ("succeeded", list(range(6)))
    assert live.leases() == []


# what a node allows itself


@task(cache=False)
def one_by_one(ledger: str, x: int) -> int:
    note(ledger, "begins")
    time.sleep(0.02)
    note(ledger, "ends")
    return x


@pipeline
def limited(ledger: str) -> list[int]:
    return one_by_one.options(limit=2)(ledger, each(list(range(12))))


def test_at_most_so_many_task_runs_of_a_node_run_at_once(tmp_path: Path) -> None:
    live = Live(tmp_path)

    result = live.run(limited, workers=4, ledger=live.ledger)

    assert result.output == list(range(12))
    assert most_at_once(live.done()) == 2


@task(cache=False, resources=Resources(cpu=1.5))
def wide(ledger: str, x: int) -> int:
    note(ledger, "begins")
    time.sleep(0.02)
    note(ledger, "ends")
    return x


@pipeline
def wide_ones(ledger: str) -> list[int]:
    return wide(ledger, each(list(range(8))))


def test_cores_are_not_given_twice(tmp_path: Path) -> None:
    live = Live(tmp_path)
    workers = max(4, len(os.sched_getaffinity(0)))

    live.run(wide_ones, workers=workers, ledger=live.ledger)

    assert most_at_once(live.done()) <= workers // 1.5


# memory


@task(retry=Retry(3))
def growing(ledger: str, size_bytes: int) -> int:
    note(ledger, context().attempt)
    block = bytearray(size_bytes)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(0.3)
    return len(block)


def asks_for(memory_bytes: int, retry: Retry) -> Pipeline[[str, int], int]:
    asking = growing.options(resources=Resources(memory=f"{memory_bytes >> 20}Mi"), retry=retry)

    @pipeline
    def grows(ledger: str, size_bytes: int) -> int:
        return asking(ledger, size_bytes)

    return grows


def test_an_attempt_that_runs_out_of_memory_is_followed_by_one_with_twice_as_much(tmp_path: Path) -> None:
    live, limit, size = Live(tmp_path), room(100), room(140)

    result = live.run(asks_for(limit, Retry(3, on_oom="memory*2")), ledger=live.ledger, size_bytes=size)

    assert (result.state, result.output) == ("succeeded", size)
    assert live.done() == ["1", "2"]
    (failure,) = live.failures(result.number, "growing")
    assert failure.message.startswith(f"out of memory: asked {show_size(limit >> 20 << 20)}, reached ")


def test_without_a_policy_for_it_running_out_of_memory_is_the_end(tmp_path: Path) -> None:
    live = Live(tmp_path)

    result = live.run(asks_for(room(100), Retry(3)), ledger=live.ledger, size_bytes=room(140))

    assert result.state == "failed"
    assert [failure.kind for failure in live.failures(result.number, "growing")] == ["oom"]


# what can never start


@task(resources=Resources(memory="900Ti"))
def enormous() -> int:
    return 1


@pipeline
def needs_too_much() -> int:
    return enormous()


def test_what_no_machine_has_is_refused_by_plan_and_run_and_nothing_is_recorded(tmp_path: Path) -> None:
    live = Live(tmp_path)

    with live.client() as client:
        for refuse in (client.run, client.plan):
            with pytest.raises(UsageError, match=r"`enormous` is unschedulable: it asks for 900\.0 TiB of memory"):
                refuse(trace(needs_too_much, {}))
        assert not client.home.database.exists() or runs.listing(client.db) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_follow_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    result = Live(tmp_path).run(counts_threads, workers=workers)

    usual = max(1, len(os.sched_getaffinity(0)) // workers)
    assert result.output == [str(usual), "2"]


@task(cache=False)
def omp() -> str:
    return os.environ["OMP_NUM_THREADS"]


@pipeline
def counts_threads() -> list[str]:
    return [omp(), omp.options(resources=Resources(cpu=2))()]

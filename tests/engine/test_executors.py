"""Executors: the conformance suite on each, and what only processes can do: crash, hang, leave children behind."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.artifact import Failure, Succeeded
from ropewalk.engine.context import context
from ropewalk.engine.executors import processes
from ropewalk.engine.executors.base import Done, Ended, Executor, Offer, Report, Returned
from ropewalk.engine.executors.begun import Begun
from ropewalk.engine.executors.channel import Channel
from ropewalk.engine.executors.child import name_of
from ropewalk.engine.executors.inline import InlineExecutor
from ropewalk.engine.executors.processes import ProcessExecutor
from ropewalk.engine.executors.worker import Worker
from ropewalk.engine.home import Home
from ropewalk.testing.executor_suite import FUNCTIONS, NO_OFFER, ExecutorSuite, Start, answers, job, orders, submit

Functions = Mapping[str, Callable[..., Any]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / ".ropewalk")
    made.prepare()
    return made


def closing(make: Callable[[Functions], Executor]) -> Iterator[Start]:
    made: list[Executor] = []

    def start(functions: Functions) -> Executor:
        made.append(make(functions))
        return made[-1]

    yield start
    for executor in made:
        executor.close()


class TestInline(ExecutorSuite):
    @pytest.fixture
    def start(self, home: Home) -> Iterator[Start]:
        yield from closing(lambda functions: InlineExecutor(functions, home, Blobs(home.blobs)))


class TestProcesses(ExecutorSuite):
    @pytest.fixture
    def start(self, home: Home) -> Iterator[Start]:
        yield from closing(lambda functions: ProcessExecutor(functions, home, 2))


@pytest.fixture
def one(home: Home) -> Iterator[Start]:
    """Makes an executor with one worker process."""
    yield from closing(lambda functions: ProcessExecutor(functions, home, 1))


def ends(report: Report) -> tuple[str, str]:
    assert isinstance(report, Ended), report
    return report.failure.kind, report.failure.message


def leave_now(x: int) -> int:
    os._exit(9)


def crash(x: int) -> int:
    return len(ctypes.string_at(0))


def kill_self(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def crash_at_5(x: int) -> int:
    if x == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def crash_later_at_5(x: int) -> int:
    time.sleep(0.3 if x == 5 else 0)
    return crash_at_5(x)


def hang_at_5(x: int) -> int:
    if x == 5:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        time.sleep(600)
    return x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (leave_now, "the worker process exited with code 9 in the middle of the task"),
        (crash, "the worker process was killed by SIGSEGV, from outside or by a crash in native code"),
        (kill_self, "the worker process was killed by SIGKILL, from outside or by a crash in native code"),
    ],
)
def test_a_task_that_takes_its_worker_down_loses_its_attempt_and_another_worker_takes_over(
    one: Start, function: Callable[[int], int], message: str
) -> None:
    executor = one({**FUNCTIONS, "f": function})
    bad, good = job("f", 1), job("square", 2)

    assert ends(submit(executor, bad, orders(bad, 1))[0]) == ("lost", message)
    assert isinstance(submit(executor, good, orders(good, 2))[0], Done)


def batch(executor: Executor, name: str, count: int, **rest: Any) -> list[Report]:
    """Give one worker many orders at once, as a scheduler does that knows they are short."""
    of = job(name, 7, **rest)
    offer = executor.offer(name, 10_000) or NO_OFFER
    for item in range(1000, 2000):
        if offer.most >= count:
            break
        submit(executor, of, orders(of, item))  # on a busy machine it takes longer until they are seen to be short
        offer = executor.offer(name, 10_000) or NO_OFFER
    worker, most, _ = offer
    assert most >= count, "short tasks come in batches"
    executor.submit(worker, of, orders(of, *range(count)))
    reports: list[Report] = []
    while len(answers(reports)) < count:
        reports += executor.poll(1.0)
    return reports


def test_of_a_batch_only_the_attempt_that_was_under_way_is_lost_with_its_worker(one: Start) -> None:
    found = answers(batch(one({"f": crash_later_at_5}), "f", 10))

    assert [item for item, report in found.items() if isinstance(report, Ended)] == [5]
    assert all(isinstance(found[item], Done) for item in range(5))
    assert all(isinstance(found[item], Returned) for item in range(6, 10))


def test_what_had_ended_a_moment_before_is_not_blamed_and_what_was_not_begun_is_given_back(one: Start) -> None:
    found = answers(batch(one({"f": crash_at_5}), "f", 10))

    blamed = {item: ends(r)[1] for item, r in found.items() if isinstance(r, Ended)}
    assert "killed by SIGKILL" in blamed.pop(5)
    assert set(blamed) <= set(range(5))
    assert all("it had ended" in message for message in blamed.values())
    assert all(isinstance(found[item], Returned) for item in range(6, 10))


def test_of_a_batch_only_the_attempt_that_hangs_times_out(one: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if it must be killed."""
    monkeypatch.setattr(processes, "GRACE_S", 0.1)

    found = answers(batch(one({"f": hang_at_5}), "f", 10, timeout_s=0.3))

    assert {item: ends(report)[0] for item, report in found.items() if isinstance(report, Ended)} == {5: "timeout"}
    assert all(isinstance(found[item], Done) for item in range(5))


def test_a_node_that_took_a_worker_down_is_not_given_out_in_batches_any_more(one: Start) -> None:
    """So a task run that crashes each time does not take its neighbours with it."""
    executor = one({"f": crash_at_5})
    batch(executor, "f", 10)

    assert (executor.offer("f", 10_000) or NO_OFFER).most == 1


def test_a_worker_that_is_killed_from_outside_is_noticed_at_once(one: Start, record_property: Any) -> None:
    executor = one(FUNCTIONS)
    of = job("hang")
    worker, *_ = executor.offer("hang", 1) or NO_OFFER
    executor.submit(worker, of, orders(of, 1))
    executor.poll(0.2)
    while not (victims := [p for nursery in psutil.Process().children() for p in nursery.children()]):
        executor.poll(0.01)

    before = time.monotonic()
    for process in victims:
        process.kill()
    reports: list[Report] = []
    while not reports:
        reports = executor.poll(30)
    took_s = time.monotonic() - before

    assert ends(reports[0])[0] == "lost"
    record_property("noticed_ms", took_s * 1000)
    assert took_s < 5


# timeouts and what is left behind

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os._exit(0)
os.setsid()
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
time.sleep(600)
"""


def stubborn(path: Path) -> Callable[[int], None]:
    def f(x: int) -> None:
        """Start a grandchild with a session of its own that ignores SIGTERM, ignore it too, and hang."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", STUBBORN, str(path)])
        while True:
            time.sleep(0.01)

    return f


def is_gone(pid: int, patience_s: float) -> bool:
    """Whether a process ends soon; one whose parent has not looked yet has ended."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.005)
    return False


def wait_for(path: Path) -> int:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return int(path.read_text())


def test_nothing_is_left_of_a_task_that_ignores_the_polite_end(
    one: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.2)
    marker = tmp_path / "pid"
    executor = one({"f": stubborn(marker), **FUNCTIONS})
    of = job("f", timeout_s=2.0)
    worker, *_ = executor.offer("f", 1) or NO_OFFER
    executor.submit(worker, of, orders(of, 1))
    assert executor.poll(0) == []
    pid = wait_for(marker)

    reports: list[Report] = []
    while not reports:
        reports += executor.poll(1.0)

    assert ends(reports[0])[0] == "timeout"
    assert is_gone(pid, 5)


def go_on_telling(x: int) -> int:
    for step in range(100_000):
        context().progress(step, 100_000)
        time.sleep(0.02)
    return x


def test_telling_of_progress_does_not_put_a_timeout_off(one: Start) -> None:
    of = job("f", timeout_s=0.5)

    reports = submit(one({"f": go_on_telling}), of, orders(of, 1))

    assert ends(reports[-1])[0] == "timeout"


def test_closing_ends_everything_that_runs_and_its_children(one: Start, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    executor = one({"f": stubborn(marker)})
    of = job("f")
    worker, *_ = executor.offer("f", 1) or NO_OFFER
    executor.submit(worker, of, orders(of, 1))
    assert executor.poll(0) == []
    pid = wait_for(marker)

    executor.close()

    assert is_gone(pid, 5)
    assert not list((tmp_path / ".ropewalk" / "logs").glob("*.spool"))


# logs


def log_of(one: Start, home: Home, function: Callable[[int], Any], item: int = 0) -> bytes:
    of = job("f")
    submit(one({"f": function}), of, orders(of, item))
    return home.log(1, "f", item, 1).read_bytes()


def speak_in_every_way(x: int) -> None:
    os.write(1, b"written\n")
    subprocess.run(["echo", "from a program"], check=True)
    ctypes.CDLL(None).printf(b"from C\n")
    sys.stdout.buffer.write(b"bytes \xff\xfe\n")
    sys.stdout.write("surrogate \udcff\n")
    sys.stdout.write("no newline")


def test_whatever_writes_is_kept_bytes_of_no_encoding_included(one: Start, home: Home) -> None:
    log = log_of(one, home, speak_in_every_way)

    for part in (b"written", b"from a program", b"from C", b"bytes \xff\xfe", b"surrogate \\udcff", b"no newline"):
        assert part in log


def test_ten_thousand_lines_are_kept_in_order(one: Start, home: Home) -> None:
    def count(x: int) -> None:
        for n in range(10_000):
            sys.stdout.write(f"line {n}\n")

    log = log_of(one, home, count)

    assert log.decode().splitlines() == [f"line {n}" for n in range(10_000)]


def write_bytes(x: int) -> None:
    for _ in range(60):
        os.write(1, b"x" * 999_999 + b"\n")
    os.write(1, b"the end\n")


def write_text(x: int) -> None:
    sys.stdout.write("x" * 60_000_000 + "\nthe end\n")


@pytest.mark.parametrize("kind", ["inline", "processes"])
def test_a_log_of_more_than_fifty_megabytes_keeps_its_beginning_and_its_end(home: Home, kind: str) -> None:
    executor: Executor = (
        ProcessExecutor({"f": write_bytes}, home, 1)
        if kind == "processes"
        else InlineExecutor({"f": write_text}, home, Blobs(home.blobs))
    )
    of = job("f")
    submit(executor, of, orders(of, 0))
    executor.close()

    log = home.log(1, "f", 0, 1).read_bytes()

    assert 50_000_000 <= len(log) < 50_000_100
    assert b"bytes left out" in log
    assert log.endswith(b"the end\n")


def spoil_stdout(x: int) -> int:
    if x == 0:
        sys.stdout.close()
    if x == 1:
        sys.stdout = None  # type: ignore[assignment]
    if x == 2:
        sys.stderr = io.StringIO()
    if x == 3:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if x == 4:
        os.close(1)
    if x > 4:
        sys.stdout.write(f"said {x}\n")
        sys.stderr.write(f"cried {x}\n")
    return x


@pytest.mark.parametrize("spoiler", range(5))
def test_a_task_that_spoils_its_output_does_not_spoil_that_of_the_next(one: Start, home: Home, spoiler: int) -> None:
    of = job("f")

    found = answers(submit(one({"f": spoil_stdout}), of, orders(of, spoiler, 7)))

    assert all(isinstance(r, Done) and isinstance(r.outcome, Succeeded) for r in found.values()), found
    assert home.log(1, "f", 7, 1).read_text() == "said 7\ncried 7\n"


def test_what_a_killed_attempt_had_printed_is_kept(one: Start, home: Home) -> None:
    def speak_and_die(x: int) -> None:
        sys.stdout.write("last words\n")
        os._exit(1)

    assert log_of(one, home, speak_and_die) == b"last words\n"


def test_a_crash_in_native_code_leaves_the_line_of_the_task_in_the_log(one: Start, home: Home) -> None:
    log = log_of(one, home, crash).decode()

    assert "Segmentation fault" in log
    assert "in crash" in log


def test_the_traceback_of_a_failure_is_in_its_log(one: Start, home: Home) -> None:
    def fail(x: int) -> None:
        raise ValueError("no")

    assert b"ValueError: no" in log_of(one, home, fail)


# one task does not disturb the next


def change_surroundings(x: int) -> dict[str, Any]:
    if x == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.environ["SPOILED"] = "1"
        signal.alarm(1)
        signal.signal(signal.SIGALRM, lambda *_: None)
    return {"sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_IGN}


def test_a_task_can_be_ended_politely_though_one_before_it_ignored_that(
    one: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 1000)
    executor = one({"f": change_surroundings, **FUNCTIONS})
    first, slow = job("f", 1), job("hang", 2, timeout_s=0.2)
    submit(executor, first, orders(first, 0))

    assert ends(submit(executor, slow, orders(slow, 1))[0])[0] == "timeout"


def test_an_order_that_is_killed_in_the_moment_in_which_it_begins_is_ended(one: Start) -> None:
    """The scheduler cannot know yet that it has: its wish to have it back comes too late, or just in time."""
    executor = one(FUNCTIONS)
    of = job("hang")
    worker, *_ = executor.offer("hang", 1) or NO_OFFER
    executor.submit(worker, of, orders(of, 1))
    executor.wake()
    assert executor.poll(1.0) == []

    executor.kill("hang", 1, 100)

    reports: list[Report] = []
    while not reports:
        reports += executor.poll(1.0)
    assert isinstance(reports[0], Returned) or ends(reports[0])[0] == "cancelled"


def test_only_the_attempt_that_a_worker_is_ended_for_is_blamed(home: Home) -> None:
    begun, of = Begun(1), job("square")
    ours, theirs = socket.socketpair()
    worker = Worker(name_of(0, 1), Channel(ours), begun)
    first, second = orders(of, 0, 1)
    worker.take(of, [first, second])
    begun.add(0)

    worker.end(Failure("timeout", "timed out after 1 s"))

    blamed = [worker.failure_of(order) for order in (first, second)]
    assert [failure.kind for failure in blamed if failure is not None] == ["timeout", "lost"]
    worker.channel.close()
    theirs.close()


@pytest.mark.parametrize("kind", ["processes", "inline"])
def test_a_worker_with_short_tasks_to_do_is_kept_free_for_one_that_may_be_long(
    home: Home, one: Start, kind: str
) -> None:
    executor = one(FUNCTIONS) if kind == "processes" else InlineExecutor(FUNCTIONS, home, Blobs(home.blobs))
    of = job("square")
    for item in range(30):
        submit(executor, of, orders(of, item))
    worker, most, load = executor.offer("square", 1000) or NO_OFFER
    assert most > 0

    offer = executor.offer("hang", 1, {worker: load}, "hang")

    assert offer == Offer(worker, 0)
